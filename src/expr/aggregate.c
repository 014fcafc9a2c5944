#include "expr/aggregate.h"

#include <stdio.h>

#include "expr/aggregates.h"
#include "expr/multiset.h"
#include "expr/packed.h"

static const struct aggregate *const tables[] = {
    aggregates_sum,    aggregates_distinct, aggregates_float,  aggregates_pair,   aggregates_extreme,
    aggregates_values, aggregates_packed,   aggregates_sketch, aggregates_within, aggregates_bits,
    aggregates_spread,
};

const struct aggregate *aggregate_at(size_t i)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct aggregate *g = tables[t]; g->name; g++)
            if (i-- == 0)
                return g;
    return NULL;
}

static const char *put_name(const struct aggregate *g, const char *takes, char out[static 64])
{
    snprintf(out, 64, "%s(%s%s)%s", g->name, g->variant == AGGREGATE_DISTINCT ? "DISTINCT " : "", takes,
             g->variant == AGGREGATE_CHANGES ? " of changes" : "");
    return out;
}

static const char *takes(const struct aggregate *g)
{
    return g->takes ? g->takes : g->arg == TYPE_UNKNOWN ? "*" : function_arg_name((uint8_t)g->arg);
}

const char *aggregate_id(const struct aggregate *g, char out[static 64]) { return put_name(g, takes(g), out); }

const char *aggregate_title(const struct aggregate *g, struct type arg, char out[static 64])
{
    char type[40];
    bool any = strcmp(takes(g), "any") == 0;
    bool packed = arg.id != TYPE_ARRAY && arg.element != TYPE_UNKNOWN;
    return put_name(g, any ? type_name(packed ? packed_element(arg) : arg, type) : takes(g), out);
}

const struct aggregate *aggregate_by_id(const char *id)
{
    char own[64];
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        if (strcmp(aggregate_id(g, own), id) == 0)
            return g;
    return NULL;
}

const struct aggregate *aggregate_of_changes(const struct aggregate *g)
{
    const struct aggregate *other;
    if (g->retracts)
        return g;
    for (size_t i = 0; (other = aggregate_at(i)); i++)
        if (other->variant == AGGREGATE_CHANGES && strcmp(other->name, g->name) == 0 && other->arg == g->arg)
            return other;
    return NULL;
}

const struct aggregate *aggregate_of_additions(const struct aggregate *g)
{
    const struct aggregate *other;
    for (size_t i = 0; g->variant == AGGREGATE_CHANGES && (other = aggregate_at(i)); i++)
        if (other->variant == AGGREGATE_PLAIN && strcmp(other->name, g->name) == 0 && other->arg == g->arg)
            return other;
    return g;
}

int64_t aggregate_memory(void) { return *multiset_memory(); }

/* ---- one argument ---- */

/* How well the row takes an argument of this type: 0 not at all, then by a cast, by a cast to a preferred type, as it
 * is. */
static unsigned fitness(const struct aggregate *g, uint8_t arg)
{
    if ((unsigned)g->arg == ARG_ANY || g->arg == arg)
        return 3;
    if (!type_casts_implicitly(arg, (uint8_t)g->arg))
        return 0;
    return type_is_preferred((uint8_t)g->arg) ? 2 : 1;
}

/* The least, or the truth, of different values is that of all. */
static bool is_idempotent(const char *name)
{
    static const char *const names[] = {"min",     "max",    "bool_and",             "bool_or", "every",
                                        "bit_and", "bit_or", "approx_count_distinct"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static const struct aggregate *best_row(const struct aggregate_call *call, enum aggregate_variant variant)
{
    const struct aggregate *g, *best = NULL;
    unsigned most = 0;
    for (size_t i = 0; (g = aggregate_at(i)); i++) {
        if (strcmp(g->name, call->name) != 0 || g->variant != variant || g->shape != SHAPE_ONE)
            continue;
        if ((g->arg == TYPE_UNKNOWN) != (call->nargs == 0) || call->nargs > 1)
            continue;
        unsigned fit = call->nargs == 0 ? 3 : fitness(g, call->args[0]->type.id);
        if (fit > most) {
            most = fit;
            best = g;
        }
    }
    return best;
}

static enum status no_such(const struct aggregate_call *call, struct error *err)
{
    char type[40];
    AUTO(buf) types = BUF(200);
    for (uint32_t i = 0; i < call->nargs; i++) {
        struct type t = call->args[i]->type;
        t.precision = t.scale = 0;
        buf_printf(&types, "%s%s", i ? ", " : "", type_name(t, type));
    }
    (void)error_set(err, ERR_SQL, "function %s(%s) does not exist", call->name, buf_cstr(&types));
    return error_hint(err, "docs/sql.md lists what %s takes", call->name);
}

static enum status cast_to(struct arena *a, struct expr *from, struct type to, struct expr **ret, struct error *err)
{
    if (to.id == TYPE_NUMERIC)
        to = type_numeric(0, 0);
    return expr_cast(a, from, to, CAST_IMPLICIT, from->location, ret, err);
}

static enum status bind_one(struct arena *a, const struct aggregate_call *call, const struct aggregate **ret,
                            struct expr **ret_arg, struct error *err)
{
    bool distinct = call->distinct && !is_idempotent(call->name);
    const struct aggregate *best = best_row(call, distinct ? AGGREGATE_DISTINCT : AGGREGATE_PLAIN);
    if (!best && distinct && best_row(call, AGGREGATE_PLAIN)) {
        (void)error_set(err, ERR_UNSUPPORTED, "%s(DISTINCT ...) is not supported", call->name);
        return error_hint(err, "aggregate over a subquery: FROM (SELECT DISTINCT ... FROM ...) AS d");
    }
    if (!best)
        return no_such(call, err);
    if (call->norder) {
        (void)error_set(err, ERR_UNSUPPORTED, "ORDER BY inside %s() is not supported", call->name);
        return error_hint(err, "its result does not depend on the order: leave ORDER BY out");
    }
    *ret_arg = NULL;
    if (call->nargs) {
        struct expr *arg = call->args[0];
        struct type want = (unsigned)best->arg == ARG_ANY ? arg->type : TYPE(best->arg);
        TRY(cast_to(a, arg, want.id == TYPE_UNKNOWN ? TYPE(TYPE_TEXT) : want, ret_arg, err));
    }
    *ret = best;
    return OK;
}

/* ---- other shapes ---- */

enum { MOST_KEYS = 16 };

struct packing {
    struct arena *a;
    const struct aggregate_call *call;
    struct expr *values[MOST_KEYS + 3];
    char letters[MOST_KEYS + 4];
    uint32_t n;
    struct type element;
    struct error *err;
};

static enum status add(struct packing *p, struct expr *value, struct type type, char letter)
{
    if (type.id == TYPE_UNKNOWN)
        type = TYPE(TYPE_TEXT);
    TRY(cast_to(p->a, value, type, &p->values[p->n], p->err));
    if (letter != 'v' && letter != 'o' && letter != 'w' && type.id == TYPE_JSONB) {
        (void)error_set(p->err, ERR_UNSUPPORTED, "%s() by a jsonb is not supported", p->call->name);
        return error_hint(p->err, "say what to order by: a part of it, cast to a type with an order");
    }
    p->letters[p->n++] = letter;
    p->letters[p->n] = 0;
    return OK;
}

static enum status add_order(struct packing *p)
{
    const struct aggregate_call *call = p->call;
    if (call->norder > MOST_KEYS)
        return error_set(p->err, ERR_LIMIT, "ORDER BY inside %s() has more than %d keys", call->name, MOST_KEYS);
    for (uint32_t i = 0; i < call->norder; i++) {
        const struct aggregate_order *o = &call->order[i];
        char letter = o->descending ? o->nulls_first ? 'd' : 'D' : o->nulls_first ? 'A' : 'a';
        bool is_argument = false;
        for (uint32_t k = 0; k < call->nargs; k++)
            is_argument |= expr_equal(call->args[k], o->key);
        if (call->distinct && !is_argument)
            return error_set(p->err, ERR_SQL,
                             "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list");
        TRY(add(p, o->key, o->key->type, letter));
    }
    return OK;
}

static enum status add_json(struct packing *p, struct expr *value)
{
    struct expr *json, *null = expr_string(p->a, "null", 4, value->location);
    TRY(expr_call(p->a, "to_jsonb", &value, 1, value->location, &json, p->err));
    TRY(expr_coalesce(p->a, (struct expr *[]){json, null}, 2, value->location, &json, p->err));
    TRY(expr_cast(p->a, json, TYPE(TYPE_TEXT), CAST_EXPLICIT, value->location, &json, p->err));
    return add(p, json, TYPE(TYPE_TEXT), 'v');
}

/* NULLs are elements, too. */
static enum status add_element(struct packing *p, struct expr *value)
{
    struct expr *array;
    if (value->type.id == TYPE_ARRAY) {
        (void)error_set(p->err, ERR_UNSUPPORTED, "array_agg() of arrays is not supported: an array has one dimension");
        return error_hint(p->err, "jsonb_agg() makes an array of arrays");
    }
    TRY(cast_to(p->a, value, value->type.id == TYPE_UNKNOWN ? TYPE(TYPE_TEXT) : value->type, &value, p->err));
    p->element = value->type;
    if (p->call->distinct || packed_key_is_exact(value->type))
        return add(p, value, value->type, 'o');
    if (value->type.id != TYPE_JSONB)
        TRY(add(p, value, value->type, 'a'));
    TRY(expr_call(p->a, "ARRAY[x]", &value, 1, value->location, &array, p->err));
    return add(p, array, array->type, 'w');
}

static enum status add_choice(struct packing *p, struct expr *value, struct expr *by)
{
    struct expr *array;
    TRY(add(p, by, by->type, 'r'));
    TRY(add(p, value, value->type, 'v'));
    value = p->values[p->n - 1];
    p->element = value->type;
    if (packed_choice_is_key(value->type))
        return OK;
    TRY(expr_call(p->a, "ARRAY[x]", &value, 1, value->location, &array, p->err));
    return add(p, array, array->type, 'w');
}

/* Rows are not ordered by a jsonb, but any order will do. */
static enum status add_any(struct packing *p, struct expr *value)
{
    struct expr *by = value;
    if (value->type.id == TYPE_JSONB)
        TRY(expr_cast(p->a, value, TYPE(TYPE_TEXT), CAST_EXPLICIT, value->location, &by, p->err));
    return add_choice(p, value, by);
}

static enum status add_quantile(struct packing *p)
{
    struct expr *const *args = p->call->args;
    const struct expr *q;
    TRY(add(p, args[1], TYPE(TYPE_FLOAT8), 'v'));
    q = p->values[0];
    double fraction = expr_is_const(q) && !expr_is_null_const(q) ? *(const double *)q->value.data : -1;
    if (!(fraction >= 0 && fraction <= 1)) {
        (void)error_set(p->err, ERR_SQL, "the fraction of %s() must be a constant between 0 and 1", p->call->name);
        return error_hint(p->err, "the 99th percentile of x is %s(x, 0.99)", p->call->name);
    }
    return add(p, args[0], TYPE(TYPE_FLOAT8), 'v');
}

static enum status add_arguments(struct packing *p, enum aggregate_shape shape)
{
    struct expr *const *args = p->call->args;
    switch (shape) {
    case SHAPE_PAIR: TRY(add(p, args[0], TYPE(TYPE_FLOAT8), 'v')); return add(p, args[1], TYPE(TYPE_FLOAT8), 'v');
    case SHAPE_CHOICE: return add_choice(p, args[0], args[1]);
    case SHAPE_ANY: return add_any(p, args[0]);
    case SHAPE_QUANTILE: return add_quantile(p);
    case SHAPE_STRINGS: TRY(add(p, args[0], TYPE(TYPE_TEXT), 'v')); return add(p, args[1], TYPE(TYPE_TEXT), 'o');
    case SHAPE_JSON: return add_json(p, args[0]);
    case SHAPE_ARRAY: return add_element(p, args[0]);
    case SHAPE_MEMBERS: {
        struct expr *key;
        TRY(expr_cast(p->a, args[0], TYPE(TYPE_TEXT), CAST_EXPLICIT, args[0]->location, &key, p->err));
        TRY(add(p, key, TYPE(TYPE_TEXT), 'o')); /* a NULL is an error, not a row to skip */
        return add_json(p, args[1]);
    }
    default: assert(!"a shape that packs nothing"); return FAILED;
    }
}

static enum status bind_packed(struct arena *a, const struct aggregate *plain, const struct aggregate_call *call,
                               const struct aggregate **ret, struct expr **ret_arg, struct error *err)
{
    struct packing p = {.a = a, .call = call, .element = TYPE(TYPE_UNKNOWN), .err = err};
    const struct aggregate *g = plain, *other;
    bool ordered = plain->shape >= SHAPE_STRINGS;
    bool one = plain->shape == SHAPE_ANY || plain->shape == SHAPE_JSON || plain->shape == SHAPE_ARRAY;
    if (call->nargs != (one ? 1 : 2))
        return no_such(call, err);
    for (size_t i = 0; call->distinct && (other = aggregate_at(i)); i++)
        if (other->variant == AGGREGATE_DISTINCT && strcmp(other->name, call->name) == 0)
            g = other;
    if (call->distinct && g == plain) {
        (void)error_set(err, ERR_UNSUPPORTED, "%s(DISTINCT ...) is not supported", call->name);
        return error_hint(err, "aggregate over a subquery: FROM (SELECT DISTINCT ... FROM ...) AS d");
    }
    if (call->norder && !ordered) {
        (void)error_set(err, ERR_UNSUPPORTED, "ORDER BY inside %s() is not supported", call->name);
        return error_hint(err, "its result does not depend on the order: leave ORDER BY out");
    }
    TRY(add_order(&p));
    TRY(add_arguments(&p, plain->shape));
    *ret = g;
    *ret_arg = packed_row(a, p.letters, p.values, p.n, p.element, call->args[0]->location);
    return OK;
}

/* ---- WITHIN GROUP ---- */

/* Percentiles take a fraction, or an array of them; mode takes none. */
static const struct aggregate *within_row(const struct aggregate_call *call)
{
    const struct aggregate *g;
    bool many = call->nargs && call->args[0]->type.id == TYPE_ARRAY;
    enum type_id direct = call->nargs == 0 ? TYPE_UNKNOWN : many ? TYPE_ARRAY : TYPE_FLOAT8;
    for (size_t i = 0; call->nargs <= 1 && call->norder == 1 && (g = aggregate_at(i)); i++)
        if (strcmp(g->name, call->name) == 0 && g->arg == direct)
            return g;
    return NULL;
}

static enum status bind_within(struct arena *a, const struct aggregate_call *call, const struct aggregate **ret,
                               struct expr **ret_arg, struct error *err)
{
    struct packing p = {.a = a, .call = call, .err = err};
    struct expr *constant, *as_written;
    if (!call->within)
        return error_set(err, ERR_SQL, "WITHIN GROUP is required for ordered-set aggregate %s", call->name);
    const struct aggregate *g = within_row(call);
    if (!g)
        return no_such(call, err);
    struct expr *x = call->order->key;
    bool between = strcmp(call->name, "percentile_cont") == 0 && x->type.id != TYPE_INTERVAL;
    if (x->type.id == TYPE_ARRAY)
        return error_set(err, ERR_UNSUPPORTED, "%s() of arrays is not supported", call->name);
    TRY(add(&p, x, between ? TYPE(TYPE_FLOAT8) : x->type, 'r'));
    x = p.values[0];
    p.element = x->type;
    if (x->type.id == TYPE_INTERVAL) {
        TRY(expr_call(a, "ARRAY[x]", &x, 1, x->location, &as_written, err));
        TRY(add(&p, as_written, as_written->type, 'w'));
    }
    TRY(within_constant(a, call, &constant, err));
    TRY(add(&p, constant, constant->type, 'w'));
    *ret = g;
    *ret_arg = packed_row(a, p.letters, p.values, p.n, p.element, x->location);
    return OK;
}

enum status aggregate_bind(struct arena *a, const struct aggregate_call *call, const struct aggregate **ret,
                           struct expr **ret_arg, struct error *err)
{
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)) && strcmp(g->name, call->name) != 0; i++)
        ;
    if (!g) {
        *ret = NULL;
        return OK;
    }
    if (g->shape == SHAPE_WITHIN)
        return bind_within(a, call, ret, ret_arg, err);
    if (call->within)
        return error_set(err, ERR_SQL, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP",
                         call->name);
    return g->shape == SHAPE_ONE ? bind_one(a, call, ret, ret_arg, err) : bind_packed(a, g, call, ret, ret_arg, err);
}

enum status aggregate_resolve(struct arena *a, const char *name, struct expr **arg, uint32_t nargs,
                              const struct aggregate **ret, struct error *err)
{
    struct aggregate_call call = {.name = name, .args = arg, .nargs = nargs};
    struct expr *bound = nargs ? *arg : NULL;
    TRY(aggregate_bind(a, &call, ret, &bound, err));
    if (nargs)
        *arg = bound;
    return OK;
}
