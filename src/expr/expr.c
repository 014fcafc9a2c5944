#include "expr/expr.h"

#include <stdlib.h>

#include "column/decimal.h"
#include "expr/function.h"

/* ---- leaves ---- */

static struct expr *make(struct arena *a, enum expr_kind kind, struct type type, int32_t location)
{
    struct expr *e = arena_zalloc(a, sizeof *e);
    e->kind = kind;
    e->type = type;
    e->location = location;
    return e;
}

struct expr *expr_column(struct arena *a, uint32_t column, struct type type, int32_t location)
{
    struct expr *e = make(a, EXPR_COLUMN, type, location);
    e->column = column;
    return e;
}

struct expr *expr_const(struct arena *a, struct type type, bool null, int32_t location)
{
    struct expr *e = make(a, EXPR_CONST, type, location);
    e->value.type = type;
    e->value.data = arena_zalloc(a, type_width(type));
    e->value.valid = null ? arena_zalloc(a, sizeof *e->value.valid) : NULL;
    return e;
}

struct expr *expr_string(struct arena *a, const char *text, size_t len, int32_t location)
{
    struct expr *e = expr_const(a, TYPE(TYPE_UNKNOWN), !text, location);
    if (text)
        *(struct view *)e->value.data = view_of(arena_strndup(a, text, len), len);
    return e;
}

struct expr *expr_null(struct arena *a, struct type type, int32_t location)
{
    return expr_const(a, type, true, location);
}

struct expr *expr_bool(struct arena *a, bool value, int32_t location)
{
    struct expr *e = expr_const(a, TYPE(TYPE_BOOL), false, location);
    *(uint8_t *)e->value.data = value;
    return e;
}

static unsigned count_digits(int128 v)
{
    unsigned n = 1;
    while (n < NUMERIC_MAX_PRECISION && !decimal_fits(v, n))
        n++;
    return n;
}

struct expr *expr_decimal(struct arena *a, int128 value, unsigned scale, int32_t location)
{
    struct type type = type_numeric(MAX(MAX(count_digits(value), scale), 1u), scale);
    struct expr *e = expr_const(a, type, false, location);
    column_set_numeric(&e->value, 0, value);
    return e;
}

enum status expr_number(struct arena *a, const char *text, int32_t location, struct expr **ret, struct error *err)
{
    int128 value;
    unsigned scale;
    bool overflow = false;
    if (!decimal_parse(slice_of(text), &value, &scale, &overflow)) {
        if (!overflow)
            return error_set(err, ERR_SQL, "invalid number \"%s\"", text);
        (void)error_set(err, ERR_SQL, "number %.60s has more than %d digits", text, NUMERIC_MAX_PRECISION);
        return error_hint(err, "a numeric holds %d digits; write '...'::double precision for a rounded one",
                          NUMERIC_MAX_PRECISION);
    }
    bool integer = !strpbrk(text, ".eE");
    if (integer && value >= INT32_MIN && value <= INT32_MAX) {
        *ret = expr_const(a, TYPE(TYPE_INT4), false, location);
        *(int32_t *)(*ret)->value.data = (int32_t)value;
    } else if (integer && value >= INT64_MIN && value <= INT64_MAX) {
        *ret = expr_const(a, TYPE(TYPE_INT8), false, location);
        *(int64_t *)(*ret)->value.data = (int64_t)value;
    } else
        *ret = expr_decimal(a, value, scale, location);
    return OK;
}

/* ---- logic and choice ---- */

static struct expr *with_args(struct arena *a, enum expr_kind kind, struct type type, int32_t location,
                              struct expr *const *args, uint32_t nargs)
{
    struct expr *e = make(a, kind, type, location);
    e->args = arena_dup(a, args, nargs * sizeof *args);
    e->nargs = nargs;
    return e;
}

static const char *logic_name(enum expr_kind kind)
{
    return kind == EXPR_AND ? "AND" : kind == EXPR_OR ? "OR" : kind == EXPR_NOT ? "NOT" : "CASE/WHEN";
}

/* The argument of AND, OR, NOT, WHEN as a boolean, or PostgreSQL's complaint. */
static enum status to_bool(struct arena *a, struct expr *from, enum expr_kind of, struct expr **ret,
                           struct error *err)
{
    if (from->type.id == TYPE_UNKNOWN)
        return expr_cast(a, from, TYPE(TYPE_BOOL), CAST_IMPLICIT, from->location, ret, err);
    if (from->type.id != TYPE_BOOL) {
        char name[40];
        return error_set(err, ERR_SQL, "argument of %s must be type boolean, not type %s", logic_name(of),
                         type_name(from->type, name));
    }
    *ret = from;
    return OK;
}

enum status expr_logic(struct arena *a, enum expr_kind and_or_not, struct expr **args, uint32_t nargs,
                       int32_t location, struct expr **ret, struct error *err)
{
    assert(nargs >= 1 && (and_or_not == EXPR_AND || and_or_not == EXPR_OR || and_or_not == EXPR_NOT));
    struct expr **bools = arena_array(a, nargs, sizeof *bools);
    for (uint32_t i = 0; i < nargs; i++)
        TRY(to_bool(a, args[i], and_or_not, &bools[i], err));
    *ret = and_or_not != EXPR_NOT && nargs == 1 ? bools[0]
                                                : with_args(a, and_or_not, TYPE(TYPE_BOOL), location, bools, nargs);
    return OK;
}

struct expr *expr_is_null(struct arena *a, struct expr *arg, int32_t location)
{
    if (arg->kind == EXPR_CONST)
        return expr_bool(a, expr_is_null_const(arg), location);
    return with_args(a, EXPR_IS_NULL, TYPE(TYPE_BOOL), location, &arg, 1);
}

enum status expr_to_common(struct arena *a, struct expr **args, uint32_t nargs, const char *what, struct error *err)
{
    bool numeric = false, floating = false;
    for (uint32_t i = 0; i < nargs; i++) {
        numeric |= args[i]->type.id == TYPE_NUMERIC;
        floating |= args[i]->type.id == TYPE_FLOAT8;
    }
    struct type *types = arena_array(a, nargs, sizeof *types), common;
    for (uint32_t i = 0; i < nargs; i++) {
        uint8_t id = args[i]->type.id;
        /* Literals keep the scale they are written with: none is rounded to its neighbours' scale. */
        if (numeric && !floating &&
            (id == TYPE_INT4 || id == TYPE_INT8 || (id == TYPE_UNKNOWN && !expr_is_null_const(args[i]))))
            TRY(expr_cast(a, args[i], type_numeric(0, 0), CAST_IMPLICIT, args[i]->location, &args[i], err));
        types[i] = args[i]->type;
    }
    TRY(expr_common_type(types, nargs, what, &common, err));
    for (uint32_t i = 0; i < nargs; i++)
        TRY(expr_cast(a, args[i], common, CAST_IMPLICIT, args[i]->location, &args[i], err));
    return OK;
}

enum status expr_case(struct arena *a, struct expr **args, uint32_t nargs, int32_t location, struct expr **ret,
                      struct error *err)
{
    assert(nargs >= 3 && nargs % 2 == 1);
    struct expr **out = arena_array(a, nargs, sizeof *out), **values = arena_array(a, nargs, sizeof *values);
    uint32_t nvalues = 0;
    for (uint32_t i = 0; i + 1 < nargs; i += 2) {
        TRY(to_bool(a, args[i], EXPR_CASE, &out[i], err));
        values[nvalues++] = args[i + 1];
    }
    values[nvalues++] = args[nargs - 1];
    TRY(expr_to_common(a, values, nvalues, "CASE", err));
    for (uint32_t i = 0; i + 1 < nargs; i += 2)
        out[i + 1] = values[i / 2];
    out[nargs - 1] = values[nvalues - 1];
    *ret = with_args(a, EXPR_CASE, values[0]->type, location, out, nargs);
    return OK;
}

enum status expr_coalesce(struct arena *a, struct expr **args, uint32_t nargs, int32_t location, struct expr **ret,
                          struct error *err)
{
    assert(nargs >= 1);
    struct expr **values = arena_dup(a, args, nargs * sizeof *args);
    TRY(expr_to_common(a, values, nargs, "COALESCE", err));
    *ret = with_args(a, EXPR_COALESCE, values[0]->type, location, values, nargs);
    return OK;
}

/* ---- common types ---- */

enum category { CATEGORY_UNKNOWN, CATEGORY_BOOL, CATEGORY_NUMBER, CATEGORY_STRING, CATEGORY_DATE, CATEGORY_INTERVAL,
                CATEGORY_OTHER };

static const struct {
    uint8_t category;
    bool preferred;
} categories[TYPE_COUNT] = {
    [TYPE_BOOL] = {CATEGORY_BOOL, true},     [TYPE_INT4] = {CATEGORY_NUMBER, false},
    [TYPE_INT8] = {CATEGORY_NUMBER, false},  [TYPE_FLOAT8] = {CATEGORY_NUMBER, true},
    [TYPE_NUMERIC] = {CATEGORY_NUMBER, false}, [TYPE_TEXT] = {CATEGORY_STRING, true},
    [TYPE_BYTEA] = {CATEGORY_OTHER, false},  [TYPE_UUID] = {CATEGORY_OTHER, false},
    [TYPE_DATE] = {CATEGORY_DATE, false},    [TYPE_TIMESTAMP] = {CATEGORY_DATE, false},
    [TYPE_TIMESTAMPTZ] = {CATEGORY_DATE, true}, [TYPE_INTERVAL] = {CATEGORY_INTERVAL, true},
    [TYPE_JSONB] = {CATEGORY_OTHER, false},  [TYPE_ARRAY] = {CATEGORY_OTHER, false},
};

unsigned type_category(uint8_t id) { return categories[id].category; }
bool type_is_preferred(uint8_t id) { return categories[id].preferred; }
bool type_is_string_category(uint8_t id) { return categories[id].category == CATEGORY_STRING; }

bool type_casts_implicitly(uint8_t from, uint8_t to)
{
    if (from == to || from == TYPE_UNKNOWN)
        return true;
    const struct cast *c = cast_find(from, to);
    return c && c->how == CAST_IMPLICIT;
}

/* Room for every value of both: the larger scale, and the larger number of digits before the point. */
static struct type common_numeric(struct type x, struct type y)
{
    unsigned scale = MAX(x.scale, y.scale), whole = MAX(x.precision - x.scale, y.precision - y.scale);
    return type_numeric(MIN(whole + scale, (unsigned)NUMERIC_MAX_PRECISION), scale);
}

static struct type as_numeric(struct type t)
{
    return t.id == TYPE_INT4 ? type_numeric(10, 0) : t.id == TYPE_INT8 ? type_numeric(19, 0) : t;
}

static enum status common_scalar(const struct type *types, uint32_t n, const char *what, struct type *ret,
                                 struct error *err)
{
    struct type best = TYPE(TYPE_UNKNOWN);
    for (uint32_t i = 0; i < n; i++) {
        struct type t = types[i];
        if (t.id == TYPE_UNKNOWN || t.id == best.id)
            continue;
        if (best.id == TYPE_UNKNOWN) {
            best = t;
            continue;
        }
        if (categories[t.id].category != categories[best.id].category || categories[t.id].category == CATEGORY_OTHER) {
            char x[40], y[40];
            struct type bx = best, ty = t;
            bx.precision = ty.precision = 0;
            return error_set(err, ERR_SQL, "%s types %s and %s cannot be matched", what, type_name(bx, x),
                             type_name(ty, y));
        }
        if (!categories[best.id].preferred && type_casts_implicitly(best.id, t.id) &&
            !type_casts_implicitly(t.id, best.id))
            best = t;
    }
    if (best.id == TYPE_UNKNOWN)
        best = TYPE(TYPE_TEXT);
    if (best.id == TYPE_NUMERIC) {
        bool first = true;
        for (uint32_t i = 0; i < n; i++)
            if (types[i].id != TYPE_UNKNOWN && as_numeric(types[i]).precision) {
                best = first ? as_numeric(types[i]) : common_numeric(best, as_numeric(types[i]));
                first = false;
            }
    }
    *ret = best;
    return OK;
}

/* Arrays have the array of their elements' common type. */
enum status expr_common_type(const struct type *types, uint32_t n, const char *what, struct type *ret,
                             struct error *err)
{
    uint32_t narrays = 0, nothers = 0;
    AUTO(arena) scratch = {0};
    struct type *elements = arena_array(&scratch, n, sizeof *elements);
    for (uint32_t i = 0; i < n; i++) {
        if (types[i].id == TYPE_ARRAY)
            elements[narrays++] = type_element(types[i]);
        nothers += types[i].id != TYPE_ARRAY && types[i].id != TYPE_UNKNOWN;
    }
    if (narrays == 0 || nothers)
        return common_scalar(types, n, what, ret, err);
    TRY(common_scalar(elements, narrays, what, ret, err));
    *ret = type_array(*ret);
    return OK;
}
