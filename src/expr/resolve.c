/* Overload resolution, after PostgreSQL's documentation, chapter 10 (Type Conversion), and implicit casts. */
#include "expr/expr.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/options.h"
#include "column/array.h"
#include "column/decimal.h"
#include "expr/aggregate.h"
#include "expr/function.h"

enum { MOST_CANDIDATES = 64, MOST_LISTED = 1000 };

struct candidates {
    const struct function *rows[MOST_CANDIDATES];
    uint32_t n;
};

/* The type of parameter i, for a call with any number of arguments. */
static uint8_t parameter(const struct function *f, uint32_t i)
{
    assert(f->nargs > 0 && f->nargs <= FUNCTION_MAX_ARGS);
    return f->args[MIN(i, f->nargs - 1u)];
}

static bool takes(const struct function *f, uint32_t nargs)
{
    return f->flags & FN_VARIADIC ? nargs >= f->nargs : nargs == f->nargs;
}

static bool is_pseudo(uint8_t arg) { return arg >= TYPE_COUNT; }

/* An array of whatever, which only a call with an array can mean? */
static bool is_polymorphic(uint8_t arg) { return arg == ARG_ARRAY || arg == ARG_ALIKE; }

static bool fits_one(uint8_t want, struct type have)
{
    if (is_polymorphic(want))
        return have.id == TYPE_ARRAY || have.id == TYPE_UNKNOWN;
    if (want == ARG_ELEMENT)
        return have.id != TYPE_ARRAY;
    if (want & ARRAY_OF)
        return have.id == TYPE_UNKNOWN || (have.id == TYPE_ARRAY && have.element == (want & ~ARRAY_OF));
    return is_pseudo(want) || type_casts_implicitly(have.id, want);
}

static bool fits(const struct function *f, struct expr *const *args, uint32_t nargs)
{
    for (uint32_t i = 0; i < nargs; i++)
        if (!fits_one(parameter(f, i), args[i]->type))
            return false;
    return true;
}

static uint32_t count_exact(const struct function *f, struct expr *const *args, uint32_t nargs)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < nargs; i++)
        n += parameter(f, i) == args[i]->type.id;
    return n;
}

static uint32_t count_preferred(const struct function *f, struct expr *const *args, uint32_t nargs)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < nargs; i++) {
        uint8_t want = parameter(f, i), have = args[i]->type.id;
        if (have == TYPE_UNKNOWN || is_pseudo(want))
            continue;
        n += want == have || (type_category(want) == type_category(have) && type_is_preferred(want));
    }
    return n;
}

/* Keep the candidates that score best. */
static void keep_best(struct candidates *c, struct expr *const *args, uint32_t nargs,
                      uint32_t (*score)(const struct function *, struct expr *const *, uint32_t))
{
    uint32_t best = 0, kept = 0;
    for (uint32_t i = 0; i < c->n; i++)
        best = MAX(best, score(c->rows[i], args, nargs));
    for (uint32_t i = 0; i < c->n; i++)
        if (score(c->rows[i], args, nargs) == best)
            c->rows[kept++] = c->rows[i];
    c->n = kept;
}

/* For argument `at`, an untyped literal: the string category if any candidate takes it there, else the one category
 * all candidates share; then the candidates that take its preferred type, if any does. false: no agreement. */
static bool settle_unknown(struct candidates *c, uint32_t at)
{
    unsigned category = 0;
    bool string = false, agreed = true;
    for (uint32_t i = 0; i < c->n; i++) {
        uint8_t want = parameter(c->rows[i], at);
        unsigned its = is_pseudo(want) ? 0 : type_category(want);
        string |= !is_pseudo(want) && type_is_string_category(want);
        agreed &= i == 0 || its == category;
        category = its;
    }
    if (!string && !agreed)
        return false;
    bool preferred = false;
    for (uint32_t i = 0; i < c->n; i++) {
        uint8_t want = parameter(c->rows[i], at);
        if (!is_pseudo(want) && (string ? type_is_string_category(want) : type_is_preferred(want)))
            preferred = true;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        uint8_t want = parameter(c->rows[i], at);
        bool good = string ? !is_pseudo(want) && type_is_string_category(want)
                           : !preferred || (!is_pseudo(want) && type_is_preferred(want));
        if (good)
            c->rows[kept++] = c->rows[i];
    }
    c->n = kept;
    return true;
}

/* If all typed arguments are of one type, take untyped ones to be of it too. */
static void assume_same(struct candidates *c, struct expr *const *args, uint32_t nargs)
{
    uint8_t known = TYPE_UNKNOWN;
    for (uint32_t i = 0; i < nargs; i++) {
        if (args[i]->type.id == TYPE_UNKNOWN)
            continue;
        if (known != TYPE_UNKNOWN && known != args[i]->type.id)
            return;
        known = args[i]->type.id;
    }
    const struct function *only = NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        bool all = known != TYPE_UNKNOWN;
        for (uint32_t k = 0; k < nargs; k++)
            all &= !is_pseudo(parameter(c->rows[i], k)) && type_casts_implicitly(known, parameter(c->rows[i], k));
        if (all && only)
            return;
        if (all)
            only = c->rows[i];
    }
    if (only) {
        c->rows[0] = only;
        c->n = 1;
    }
}

static void narrow(struct candidates *c, struct expr *const *args, uint32_t nargs)
{
    if (c->n > 1)
        keep_best(c, args, nargs, count_exact);
    if (c->n > 1)
        keep_best(c, args, nargs, count_preferred);
    struct candidates before = *c;
    for (uint32_t i = 0; i < nargs && c->n > 1; i++)
        if (args[i]->type.id == TYPE_UNKNOWN && !settle_unknown(c, i)) {
            *c = before;
            break;
        }
    if (c->n == 0)
        *c = before;
    if (c->n > 1)
        assume_same(c, args, nargs);
}

static bool is_operator(const char *name) { return !isalpha((unsigned char)name[0]) && name[0] != '_'; }

/* "integer + text" or "lower(integer)". */
static void describe(const char *name, struct expr *const *args, uint32_t nargs, struct buf *out)
{
    char type[40];
    bool infix = is_operator(name) && nargs <= 2;
    if (!infix) /* "jsonb_each key" is a part of jsonb_each() */
        buf_printf(out, "%.*s(", is_operator(name) ? (int)strlen(name) : (int)strcspn(name, " "), name);
    for (uint32_t i = 0; i < nargs; i++) {
        struct type t = args[i]->type;
        t.precision = t.scale = 0;
        if (infix && (i == 1 || nargs == 1))
            buf_printf(out, nargs == 1 ? "%s " : " %s ", name);
        else if (i)
            buf_puts(out, ", ");
        buf_puts(out, type_name(t, type));
    }
    if (!infix)
        buf_putc(out, ')');
}

/* Functions left out on purpose: an epoch that is replayed must give the same rows. */
static bool is_unrepeatable(const char *name)
{
    static const char *const names[] = {"random", "gen_random_uuid", "clock_timestamp", "statement_timestamp",
                                        "timeofday", "nextval", "currval", "setseed", "txid_current"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The function or aggregate whose name is nearest; NULL: none is near. */
static const char *nearest_function(const char *name)
{
    AUTO(arena) scratch = {0};
    const char **names = NULL;
    uint32_t n = 0, cap = 0;
    const struct function *f;
    const struct aggregate *g;
    for (size_t i = 0; (f = function_at(i)); i++) {
        names = arena_grow(&scratch, names, n, &cap, sizeof *names);
        names[n] = f->name;
        n += !is_operator(f->name);
    }
    for (size_t i = 0; (g = aggregate_at(i)); i++) {
        names = arena_grow(&scratch, names, n, &cap, sizeof *names);
        names[n++] = g->name;
    }
    return nearest_name(name, names, n);
}

/* What the name was meant to be, or which arguments it would take. */
static void hint_function(const char *name, uint32_t nargs, struct error *err)
{
    enum { LISTED_BYTES = 150 };
    const struct function *f;
    const char *nearest;
    AUTO(buf) known = BUF(290);
    for (size_t i = 0; (f = function_at(i)); i++) {
        if (strcmp(f->name, name) != 0)
            continue;
        if (known.len > LISTED_BYTES) {
            buf_puts(&known, "; ...");
            break;
        }
        buf_puts(&known, known.len ? "; (" : "it takes (");
        for (uint32_t k = 0; k < f->nargs; k++)
            buf_printf(&known, "%s%s", k ? ", " : "", function_arg_name(f->args[k]));
        buf_puts(&known, f->flags & FN_VARIADIC ? ", ...)" : ")");
    }
    if (is_unrepeatable(name))
        (void)error_hint(err, "a repeated epoch must give the same rows: use now(), or a key that the event carries");
    else if (strcmp(name, "trim_scale") == 0)
        (void)error_hint(err, "a numeric has the digits after the point that its type says: round(x, 2), or a cast");
    else if (known.len && is_operator(name) && nargs == 2)
        (void)error_hint(err, "cast one side, x::type, so that both are of types that go together");
    else if (known.len)
        (void)error_hint(err, "%s", buf_cstr(&known));
    else if (!is_operator(name) && (nearest = nearest_function(name)))
        (void)error_hint(err, "did you mean \"%s\"?", nearest);
    else
        (void)error_hint(err, "docs/sql.md lists the functions");
}

static enum status complain(const char *name, const struct candidates *c, struct expr *const *args, uint32_t nargs,
                            struct error *err)
{
    AUTO(buf) what = BUF(400);
    describe(name, args, nargs, &what);
    const char *kind = is_operator(name) ? "operator" : "function";
    char type[40];
    if (strncmp(name, "x[", 2) == 0 && args[0]->type.id != TYPE_ARRAY)
        return error_set(err, ERR_SQL, "cannot subscript type %s because it does not support subscripting",
                         type_name(args[0]->type, type));
    if (c->n > 1) {
        (void)error_set(err, ERR_SQL, "%s %s is not unique", kind, buf_cstr(&what));
        return error_hint(err, "add explicit type casts to choose one");
    }
    (void)error_set(err, ERR_SQL, "%s %s does not exist", kind, buf_cstr(&what));
    hint_function(name, nargs, err);
    return FAILED;
}

static bool takes_any_array(const struct function *f)
{
    for (uint32_t i = 0; i < f->nargs; i++)
        if (is_polymorphic(f->args[i]))
            return true;
    return false;
}

/* A call with an array means the first row of arrays that takes it: '{1}'::int[] || '{2}' joins two of them. */
static const struct function *choose_of_arrays(const char *name, struct expr *const *args, uint32_t nargs)
{
    const struct function *f = NULL;
    bool any = false;
    for (uint32_t i = 0; i < nargs; i++)
        any |= args[i]->type.id == TYPE_ARRAY;
    for (size_t cursor = 0; any && (f = function_named(name, &cursor));)
        if (takes_any_array(f) && takes(f, nargs) && fits(f, args, nargs))
            return f;
    return NULL;
}

static enum status choose(const char *name, struct expr *const *args, uint32_t nargs, const struct function **ret,
                          struct error *err)
{
    struct candidates c = {0};
    const struct function *f = choose_of_arrays(name, args, nargs);
    if (f) {
        *ret = f;
        return OK;
    }
    /* Of a binary operator with one untyped literal, the literal is first tried as the other side's type. */
    uint8_t other = TYPE_UNKNOWN;
    if (nargs == 2 && is_operator(name) && (args[0]->type.id == TYPE_UNKNOWN) != (args[1]->type.id == TYPE_UNKNOWN))
        other = args[0]->type.id == TYPE_UNKNOWN ? args[1]->type.id : args[0]->type.id;
    for (size_t cursor = 0; (f = function_named(name, &cursor));) {
        if (!takes(f, nargs) || takes_any_array(f) || !fits(f, args, nargs))
            continue;
        bool twice = other != TYPE_UNKNOWN && f->args[0] == other && f->args[1] == other;
        if ((nargs && count_exact(f, args, nargs) == nargs) || twice) {
            *ret = f;
            return OK;
        }
        assert(c.n < MOST_CANDIDATES);
        c.rows[c.n++] = f;
    }
    narrow(&c, args, nargs);
    if (c.n != 1)
        return complain(name, &c, args, nargs, err);
    *ret = c.rows[0];
    return OK;
}

/* ---- casting arguments and binding ---- */

struct expr *expr_raw_call(struct arena *a, const struct function *f, struct type type, struct expr *const *args,
                           uint32_t nargs, int32_t location)
{
    struct expr *e = arena_zalloc(a, sizeof *e);
    e->kind = EXPR_CALL;
    e->type = type;
    e->location = location;
    e->function = f;
    e->args = arena_dup(a, args, nargs * sizeof *args);
    e->nargs = nargs;
    return e;
}

/* Elements, and elements of arrays, brought to one type: an array stands for a NULL of what it holds. */
static enum status cast_arrays(struct arena *a, const struct function *f, struct expr **args, uint32_t nargs,
                               struct error *err)
{
    struct expr **elements = arena_array(a, nargs, sizeof *elements);
    uint32_t n = 0;
    uint8_t alike = TYPE_UNKNOWN;
    for (uint32_t i = 0; i < nargs; i++) {
        uint8_t want = parameter(f, i);
        struct type type = args[i]->type;
        bool array = is_polymorphic(want) && type.id == TYPE_ARRAY;
        if (array && want == ARG_ALIKE && alike != TYPE_UNKNOWN && alike != type.element)
            return complain(f->name, &(struct candidates){0}, args, nargs, err);
        alike = array ? type.element : alike;
        if (want == ARG_ELEMENT)
            elements[n++] = args[i];
        else if (array)
            elements[n++] = expr_null(a, type_element(type), -1);
    }
    if (n)
        TRY(expr_to_common(a, elements, n, f->name, err));
    for (uint32_t i = 0, k = 0; i < nargs; i++) {
        uint8_t want = parameter(f, i);
        if (want == ARG_ELEMENT) {
            args[i] = elements[k++];
        } else if (is_polymorphic(want)) {
            k += args[i]->type.id == TYPE_ARRAY;
            TRY(expr_cast(a, args[i], type_array(elements[0]->type), CAST_IMPLICIT, args[i]->location, &args[i], err));
        }
    }
    return OK;
}

static enum status cast_arguments(struct arena *a, const struct function *f, struct expr **args, uint32_t nargs,
                                  struct error *err)
{
    struct expr **same = arena_array(a, nargs, sizeof *same);
    uint32_t nsame = 0;
    for (uint32_t i = 0; i < nargs; i++) {
        uint8_t want = parameter(f, i);
        if (want == ARG_SAME)
            same[nsame++] = args[i];
        else if (want == ARG_ANY && args[i]->type.id == TYPE_UNKNOWN)
            TRY(expr_cast(a, args[i], TYPE(TYPE_TEXT), CAST_IMPLICIT, args[i]->location, &args[i], err));
        else if (want & ARRAY_OF)
            TRY(expr_cast(a, args[i], type_array(TYPE(want & ~ARRAY_OF)), CAST_IMPLICIT, args[i]->location, &args[i],
                          err));
        else if (!is_pseudo(want))
            TRY(expr_cast(a, args[i], TYPE(want), CAST_IMPLICIT, args[i]->location, &args[i], err));
    }
    TRY(cast_arrays(a, f, args, nargs, err));
    if (nsame)
        TRY(expr_to_common(a, same, nsame, f == &step_array ? "ARRAY" : f->name, err));
    for (uint32_t i = 0, k = 0; i < nargs; i++)
        if (parameter(f, i) == ARG_SAME)
            args[i] = same[k++];
    return OK;
}

static enum status bind(struct arena *a, const struct function *f, struct expr **args, uint32_t nargs,
                        int32_t location, struct expr **ret, struct error *err)
{
    TRY(cast_arguments(a, f, args, nargs, err));
    struct binding b = {.arena = a, .function = f, .args = args, .nargs = nargs};
    b.result = f->result == RESULT_SAME      ? args[0]->type
               : f->result == RESULT_ELEMENT ? type_element(args[0]->type)
               : f->result & ARRAY_OF        ? type_array(TYPE(f->result & ~ARRAY_OF))
                                             : TYPE(f->result);
    if (f->bind)
        TRY(f->bind(&b, err));
    assert(b.result.id != TYPE_NUMERIC || b.result.precision);
    struct expr *call = expr_raw_call(a, f, b.result, b.args, b.nargs, location);
    call->extra = b.extra;
    if (function_fold(a, call, ret) != OK)
        *ret = call;
    return OK;
}

static bool all_constant(struct expr *const *args, uint32_t nargs)
{
    bool constant = nargs > 1;
    for (uint32_t i = 1; i < nargs; i++)
        constant &= expr_is_const(args[i]);
    return constant;
}

/* x IN (list): one step when the list is constant, else x = a OR x = b ... */
static enum status bind_in(struct arena *a, struct expr **args, uint32_t nargs, int32_t location, struct expr **ret,
                           struct error *err)
{
    if (all_constant(args, nargs) && args[0]->type.id != TYPE_JSONB && args[0]->type.id != TYPE_ARRAY) {
        struct expr **common = arena_dup(a, args, nargs * sizeof *args);
        TRY(expr_to_common(a, common, nargs, "IN", err));
        /* What does not fit the common type is left to the comparison, which needs none. */
        struct type own = args[0]->type, to = common[0]->type;
        bool fits = own.id != TYPE_NUMERIC || to.precision - to.scale >= own.precision - own.scale;
        if (fits && all_constant(common, nargs))
            return bind(a, &step_in, common, nargs, location, ret, err);
    }
    struct expr **equal = arena_array(a, nargs, sizeof *equal);
    for (uint32_t i = 1; i < nargs; i++)
        TRY(expr_call(a, "=", (struct expr *[]){args[0], args[i]}, 2, args[i]->location, &equal[i - 1], err));
    return expr_logic(a, EXPR_OR, equal, nargs - 1, location, ret, err);
}

/* The elements of an array that is written down, as expressions of one type; false: it comes from elsewhere. */
static bool is_listed(struct arena *a, const struct expr *array, struct expr ***ret, uint32_t *ret_n)
{
    if (array->kind == EXPR_CALL && array->function == &step_array) {
        *ret = array->args;
        *ret_n = array->nargs;
        return true;
    }
    if (!expr_is_const(array) || expr_is_null_const(array))
        return false;
    uint32_t n;
    struct column c = array_open(view_slice(array->value.data), array->type, a, &n);
    if (n > MOST_LISTED)
        return false;
    struct expr **list = arena_array(a, n, sizeof *list);
    size_t width = type_width(c.type);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = expr_const(a, c.type, column_is_null(&c, i), array->location);
        memcpy(list[i]->value.data, (const char *)c.data + i * width, width);
    }
    *ret = list;
    *ret_n = n;
    return true;
}

/* Over a list, the expression it stands for: IN, or a chain of OR or AND. */
static enum status bind_listed(struct arena *a, const char *op, bool all, struct expr *left, struct expr **list,
                               uint32_t n, int32_t location, struct expr **ret, struct error *err)
{
    struct expr **parts = arena_array(a, n + 1, sizeof *parts), *in;
    if (n == 0) {
        *ret = expr_bool(a, all, location);
        return OK;
    }
    if (strcmp(op, all ? "<>" : "=") == 0) {
        parts[0] = left;
        memcpy(parts + 1, list, n * sizeof *parts);
        TRY(bind_in(a, parts, n + 1, location, &in, err));
        if (all)
            return expr_logic(a, EXPR_NOT, &in, 1, location, ret, err);
        *ret = in;
        return OK;
    }
    for (uint32_t i = 0; i < n; i++)
        TRY(expr_call(a, op, (struct expr *[]){left, list[i]}, 2, location, &parts[i], err));
    return expr_logic(a, all ? EXPR_AND : EXPR_OR, parts, n, location, ret, err);
}

/* x op ANY (array), x op ALL (array). */
static enum status bind_quantified(struct arena *a, const char *name, struct expr **args, int32_t location,
                                   struct expr **ret, struct error *err)
{
    const char *blank = strchr(name, ' '), *op = arena_strndup(a, name, (size_t)(blank - name));
    bool all = strcmp(blank, " all") == 0;
    struct expr **list, *left = args[0];
    const struct function *f;
    uint32_t n;
    size_t cursor = 0;
    op = strcmp(op, "!=") == 0 ? "<>" : op;
    name = arena_printf(a, "%s%s", op, blank);
    if (args[1]->type.id == TYPE_UNKNOWN) {
        struct type element = left->type.id == TYPE_UNKNOWN ? TYPE(TYPE_TEXT) : left->type;
        TRY(expr_cast(a, args[1], type_array(element), CAST_IMPLICIT, args[1]->location, &args[1], err));
    }
    if (args[1]->type.id != TYPE_ARRAY || left->type.id == TYPE_ARRAY) {
        (void)error_set(err, ERR_SQL, "op ANY/ALL (array) requires array on right side");
        return error_hint(err, "x = ANY (array), or x IN (...)");
    }
    if (is_listed(a, args[1], &list, &n))
        return bind_listed(a, op, all, left, list, n, location, ret, err);
    if (function_named(name, &cursor)) {
        TRY(choose(name, args, 2, &f, err));
        return bind(a, f, args, 2, location, ret, err);
    }
    (void)error_set(err, ERR_UNSUPPORTED, "%s %s (array) is not supported where the array is no list", op,
                    all ? "ALL" : "ANY");
    return error_hint(err, "=, <>, <, <=, >, >= and [NOT] [I]LIKE are; others go with ARRAY[...] or a constant");
}

static bool is_quantified(const char *name)
{
    const char *blank = strchr(name, ' ');
    return blank && (strcmp(blank, " any") == 0 || strcmp(blank, " all") == 0);
}

/* jsonb has subscripts too: keys, and indexes from 0. */
static enum status bind_subscript(struct arena *a, struct expr **args, int32_t location, struct expr **ret,
                                  struct error *err)
{
    if (args[1]->type.id == TYPE_UNKNOWN)
        TRY(expr_cast(a, args[1], TYPE(TYPE_TEXT), CAST_IMPLICIT, location, &args[1], err));
    return expr_call(a, "->", args, 2, location, ret, err);
}

enum status expr_call(struct arena *a, const char *name, struct expr **args, uint32_t nargs, int32_t location,
                      struct expr **ret, struct error *err)
{
    struct expr **own = arena_dup(a, args, nargs * sizeof *args);
    const struct function *f;
    if (strcmp(name, "in") == 0)
        return bind_in(a, own, nargs, location, ret, err);
    if (is_quantified(name) && nargs == 2)
        return bind_quantified(a, name, own, location, ret, err);
    if (strcmp(name, "x[i]") == 0 && nargs == 2 && own[0]->type.id == TYPE_JSONB)
        return bind_subscript(a, own, location, ret, err);
    if (strcmp(name, "ARRAY[x]") == 0 && nargs == 0) {
        (void)error_set(err, ERR_SQL, "cannot determine type of empty array");
        return error_hint(err, "say it: ARRAY[]::text[]");
    }
    if (strcmp(name, "!=") == 0)
        name = "<>";
    TRY(choose(name, own, nargs, &f, err));
    return bind(a, f, own, nargs, location, ret, err);
}

/* ---- casts ---- */

static bool reads_clock(struct slice text)
{
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
    while (text.len && isspace((unsigned char)*text.data)) {
        text.data++;
        text.len--;
    }
    while (text.len && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (text.len == strlen(words[i]) && strncasecmp(text.data, words[i], text.len) == 0)
            return true;
    return false;
}

static bool lacks_scale(struct type t)
{
    return (t.id == TYPE_NUMERIC || (t.id == TYPE_ARRAY && t.element == TYPE_NUMERIC)) && !t.precision;
}

/* numeric[] without a scale holds a literal's elements as they are written. */
static enum status settle_elements(struct slice text, struct type *to, struct error *err)
{
    AUTO(arena) scratch = {0};
    struct column texts;
    uint32_t n, whole = 1, scale = 0;
    TRY(array_split(text, &scratch, &texts, &n, err));
    for (uint32_t i = 0; i < n; i++) {
        int128 value;
        unsigned digits = 1, its;
        bool overflow = false;
        if (column_is_null(&texts, i) || !decimal_parse(view_slice(column_view(&texts, i)), &value, &its, &overflow))
            continue; /* what is no number is said by the type's input function */
        while (digits < NUMERIC_MAX_PRECISION && !decimal_fits(value, digits))
            digits++;
        scale = MAX(scale, its);
        whole = MAX(whole, digits > its ? digits - its : 0);
    }
    *to = type_array(type_numeric(MIN(whole + scale, (unsigned)NUMERIC_MAX_PRECISION), scale));
    return OK;
}

/* A literal in quotes meets its type. */
static enum status type_literal(struct arena *a, const struct expr *from, struct type to, int32_t location,
                                struct expr **ret, struct error *err)
{
    if (expr_is_null_const(from)) {
        if (lacks_scale(to))
            to.precision = 1;
        *ret = expr_null(a, to, location);
        return OK;
    }
    struct slice text = view_slice(from->value.data);
    if (to.id == TYPE_ARRAY && lacks_scale(to))
        TRY(settle_elements(text, &to, err));
    bool date = to.id == TYPE_DATE || to.id == TYPE_TIMESTAMP || to.id == TYPE_TIMESTAMPTZ;
    if (date && reads_clock(text)) {
        (void)error_set(err, ERR_UNSUPPORTED, "'%.*s' as a date reads the clock of the moment it is cast in",
                        (int)text.len, text.data);
        return error_hint(err, "use now(), current_date or date_trunc('day', now()): the epoch's time");
    }
    if (to.id == TYPE_NUMERIC && !to.precision) {
        int128 value;
        unsigned scale;
        bool overflow = false;
        if (decimal_parse(text, &value, &scale, &overflow)) {
            *ret = expr_decimal(a, value, scale, location);
            return OK;
        }
        return error_set(err, ERR_SQL, overflow ? "value overflows numeric format: \"%.*s\""
                                                : "invalid input syntax for type numeric: \"%.*s\"",
                         (int)text.len, text.data);
    }
    struct expr *e = expr_const(a, to, false, location);
    TRY(column_parse(&e->value, 0, text, a, err));
    *ret = e;
    return OK;
}

/* The numeric type a value of type `from` gets when no scale is asked for; precision 0: it depends on the value. */
static struct type natural_numeric(const struct expr *from)
{
    switch (from->type.id) {
    case TYPE_INT4: return type_numeric(10, 0);
    case TYPE_INT8: return type_numeric(19, 0);
    case TYPE_NUMERIC: return from->type;
    default: return type_numeric(0, 0);
    }
}

static enum status no_cast(const struct expr *from, struct type to, enum expr_cast how, struct error *err)
{
    char x[40], y[40];
    type_name(from->type, x);
    type_name(to, y);
    if (how == CAST_ASSIGNMENT) {
        (void)error_set(err, ERR_SQL, "an expression of type %s does not fit a column of type %s", x, y);
        return error_hint(err, "cast the expression explicitly");
    }
    return error_set(err, ERR_SQL, "cannot cast type %s to %s", x, y);
}

static enum status settle_numeric(const struct expr *from, struct type *to, struct error *err)
{
    *to = natural_numeric(from);
    if (to->precision)
        return OK;
    char name[40];
    (void)error_set(err, ERR_SQL, "the scale of this numeric is not known before the value (%s to numeric)",
                    type_name(from->type, name));
    return error_hint(err, "say it: numeric(p,s), for example numeric(18,2)");
}

static enum status cast_array(struct arena *a, struct expr *from, struct type to, enum expr_cast how, int32_t location,
                              struct expr **ret, struct error *err)
{
    struct expr *element = expr_column(a, 0, type_element(from->type), location), *cast;
    TRY(expr_cast(a, element, type_element(to), how, location, &cast, err));
    if (cast == element) {
        *ret = from;
        return OK;
    }
    struct expr *call = expr_raw_call(a, &step_array_cast, type_array(cast->type), &from, 1, location);
    call->extra = cast->function;
    if (function_fold(a, call, ret) != OK)
        *ret = call;
    return OK;
}

enum status expr_cast(struct arena *a, struct expr *from, struct type to, enum expr_cast how, int32_t location,
                      struct expr **ret, struct error *err)
{
    if (from->type.id == TYPE_UNKNOWN)
        return type_literal(a, from, to, location, ret, err);
    if (from->type.id == TYPE_ARRAY && to.id == TYPE_ARRAY)
        return cast_array(a, from, to, how, location, ret, err);
    const struct cast *c = cast_find(from->type.id, to.id);
    if (c && to.id == TYPE_ARRAY && lacks_scale(to))
        return settle_numeric(from, &to, err);
    if (to.id == TYPE_NUMERIC && !to.precision) {
        if (!c)
            return no_cast(from, to, how, err);
        /* An integer literal takes the digits it has, which keeps the arithmetic that follows narrow. */
        if (expr_is_const(from) && !expr_is_null_const(from) &&
            (from->type.id == TYPE_INT4 || from->type.id == TYPE_INT8)) {
            int64_t v = from->type.id == TYPE_INT4 ? *(int32_t *)from->value.data : *(int64_t *)from->value.data;
            *ret = expr_decimal(a, v, 0, location);
            return OK;
        }
        TRY(settle_numeric(from, &to, err));
    }
    if (type_equal(from->type, to)) {
        *ret = from;
        return OK;
    }
    if (!c || c->how < how)
        return no_cast(from, to, how, err);
    struct expr *call = expr_raw_call(a, &c->function, to, &from, 1, location);
    if (function_fold(a, call, ret) != OK)
        *ret = call;
    return OK;
}
