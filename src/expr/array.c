/* Arrays: made, read, compared and cast. */
#include "expr/array.h"

#include <stdio.h>

/* ---- lists ---- */

static size_t elements_grow(struct elements *e)
{
    if (e->n == e->cap) {
        uint32_t cap = e->cap ? e->cap * 2 : 8;
        struct column more = column_make(e->arena, e->col.type, cap, true);
        if (e->n) {
            memcpy(more.data, e->col.data, e->n * type_width(e->col.type));
            memcpy(more.valid, e->col.valid, BITMAP_WORDS(e->n) * sizeof *more.valid);
        }
        e->col = more;
        e->cap = cap;
    }
    return e->n++;
}

void elements_add(struct elements *e, const struct column *from, size_t row)
{
    size_t width = type_width(e->col.type), at = elements_grow(e);
    if (column_is_null(from, row))
        return;
    memcpy((char *)e->col.data + at * width, (const char *)from->data + row * width, width);
    bit_set(e->col.valid, at);
}

void elements_add_text(struct elements *e, struct slice text)
{
    size_t at = elements_grow(e);
    ((struct view *)e->col.data)[at] = view_of(text.data, text.len);
    bit_set(e->col.valid, at);
}

void elements_add_null(struct elements *e) { elements_grow(e); }

static void give(struct call *c, uint32_t row, const struct column *elements, uint32_t from, uint32_t n)
{
    AUTO(buf) out = BUF(ARRAY_MAX_BYTES);
    array_put(&out, elements, from, n);
    if (out.overflow)
        call_fail(c, row, "54000", "array size exceeds the maximum allowed (%d bytes)", ARRAY_MAX_BYTES);
    else
        call_text(c, row, out.data, out.len);
}

void elements_give(struct elements *e, struct call *c, uint32_t row) { give(c, row, &e->col, 0, e->n); }

struct column arg_array(const struct call *c, uint32_t i, uint32_t row, struct arena *a, uint32_t *ret_n)
{
    struct slice bytes = arg_is_null(c, i, row) ? (struct slice){0} : arg_text(c, i, row);
    return array_open(bytes, c->args[i].col.type, a, ret_n);
}

/* ---- making one ---- */

static void kernel_construct(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        for (uint32_t i = 0; i < c->nargs; i++)
            elements_add(&e, &c->args[i].col, r & c->args[i].mask);
        elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}

static enum status bind_construct(struct binding *b, struct error *err)
{
    if (b->args[0]->type.id == TYPE_ARRAY) {
        (void)error_set(err, ERR_UNSUPPORTED, "arrays of more than one dimension are not supported");
        return error_hint(err, "keep the nested value as jsonb: jsonb_build_array()");
    }
    b->result = type_array(b->args[0]->type);
    return OK;
}

/* ---- casts of the elements ---- */

/* All arrays of the batch have their elements cast by one call, over all of them in a row. */
struct flat {
    struct elements all;
    uint32_t *owner; /* the row of each element */
};

static struct flat flatten(struct call *c, struct arena *a)
{
    uint32_t total = 0, n;
    CALL_ROWS(c, r)
        total += array_count(arg_text(c, 0, r));
    struct flat f = {elements_of(type_element(c->args[0].col.type), a), arena_array(a, total, sizeof *f.owner)};
    CALL_ROWS(c, r) {
        struct column elements = arg_array(c, 0, r, a, &n);
        for (uint32_t i = 0; i < n; i++) {
            f.owner[f.all.n] = r;
            elements_add(&f.all, &elements, i);
        }
    }
    return f;
}

static void kernel_cast(struct call *c)
{
    AUTO(arena) scratch = {0};
    struct flat f = flatten(c, &scratch);
    struct type to = type_element(c->out->col.type);
    struct lanes in = {.col = f.all.col, .mask = UINT32_MAX}, out = {.col = column_make(&scratch, to, f.all.n, false)};
    struct call cast = {.function = c->extra, .args = &in, .nargs = 1, .rows = f.all.n, .out = &out, .arena = &scratch};
    uint32_t at = 0, from;
    if (f.all.n)
        function_run(&cast);
    CALL_ROWS(c, r) {
        const struct lane_error *why = NULL;
        for (from = at; at < f.all.n && f.owner[at] == r; at++)
            if (!why && lane_is_bad(&out, at))
                why = out.why[at];
        if (why)
            call_fail(c, r, why->sqlstate, "%s", why->text);
        else
            give(c, r, &out.col, from, at - from);
    }
}

const struct function step_array_cast = {.name = "cast", .result = ARG_ARRAY, .nargs = 1, .args = {ARG_ARRAY},
                                         .kernel = kernel_cast, .help = ""};

/* ---- parts ---- */

static void kernel_subscript(struct call *c)
{
    AUTO(arena) scratch = {0};
    size_t width = type_width(c->out->col.type);
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column elements = arg_array(c, 0, r, &scratch, &n);
        int64_t i = (int64_t)ARG(c, 1, int32_t, r) - 1;
        if (i < 0 || i >= n || column_is_null(&elements, (size_t)i))
            call_null(c, r);
        else
            memcpy((char *)c->out->col.data + r * width, (const char *)elements.data + (size_t)i * width, width);
        arena_reset(&scratch);
    }
}

static void kernel_slice(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column elements = arg_array(c, 0, r, &scratch, &n);
        int64_t from = MAX(ARG(c, 1, int32_t, r), 1), to = MIN((int64_t)ARG(c, 2, int32_t, r), (int64_t)n);
        give(c, r, &elements, (uint32_t)from - 1, from <= to ? (uint32_t)(to - from + 1) : 0);
        arena_reset(&scratch);
    }
}

static void kernel_trim(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column elements = arg_array(c, 0, r, &scratch, &n);
        int32_t less = ARG(c, 1, int32_t, r);
        if (less < 0 || (uint32_t)less > n)
            call_fail(c, r, "2202E", "number of elements to trim must be between 0 and %u", n);
        else
            give(c, r, &elements, 0, n - (uint32_t)less);
        arena_reset(&scratch);
    }
}

/* ---- how many ---- */

static void kernel_cardinality(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = (int32_t)array_count(arg_text(c, 0, r));
}

/* In dimension 1 of an array that has elements; any other has no length and no bounds. */
static void bound(struct call *c, bool lower)
{
    CALL_ROWS(c, r) {
        uint32_t n = array_count(arg_text(c, 0, r));
        if (n && ARG(c, 1, int32_t, r) == 1)
            OUT(c, int32_t, r) = lower ? 1 : (int32_t)n;
        else
            call_null(c, r);
    }
}
static void kernel_upper(struct call *c) { bound(c, false); }
static void kernel_lower(struct call *c) { bound(c, true); }

static void kernel_ndims(struct call *c)
{
    CALL_ROWS(c, r) {
        OUT(c, int32_t, r) = 1;
        if (array_count(arg_text(c, 0, r)) == 0)
            call_null(c, r);
    }
}

static void kernel_dims(struct call *c)
{
    char text[24];
    CALL_ROWS(c, r) {
        uint32_t n = array_count(arg_text(c, 0, r));
        if (n)
            call_text(c, r, text, (size_t)snprintf(text, sizeof text, "[1:%u]", n));
        else
            call_null(c, r);
    }
}

/* ---- comparing ---- */

#define ORDER_KERNEL(NAME, TEST)                                                                                       \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        CALL_ROWS(c, r)                                                                                                \
            OUT(c, uint8_t, r) = column_order(&c->args[0].col, r & c->args[0].mask, &c->args[1].col,                   \
                                              r & c->args[1].mask) TEST 0;                                             \
    }
ORDER_KERNEL(kernel_eq, ==)
ORDER_KERNEL(kernel_ne, !=)
ORDER_KERNEL(kernel_lt, <)
ORDER_KERNEL(kernel_le, <=)
ORDER_KERNEL(kernel_gt, >)
ORDER_KERNEL(kernel_ge, >=)

/* A NULL is equal to nothing here. */
static bool holds(const struct column *list, uint32_t n, const struct column *c, uint32_t i)
{
    for (uint32_t k = 0; k < n && !column_is_null(c, i); k++)
        if (!column_is_null(list, k) && column_order(list, k, c, i) == 0)
            return true;
    return false;
}

/* Does argument `whole` hold every element of the other (all), or one of them? */
static void contains(struct call *c, uint32_t whole, bool all)
{
    AUTO(arena) scratch = {0};
    uint32_t n, m;
    CALL_ROWS(c, r) {
        struct column list = arg_array(c, whole, r, &scratch, &n), part = arg_array(c, 1 - whole, r, &scratch, &m);
        bool answer = all;
        for (uint32_t i = 0; i < m && answer == all; i++)
            answer = holds(&list, n, &part, i);
        OUT(c, uint8_t, r) = answer;
        arena_reset(&scratch);
    }
}
static void kernel_contains(struct call *c) { contains(c, 0, true); }
static void kernel_contained(struct call *c) { contains(c, 1, true); }
static void kernel_overlaps(struct call *c) { contains(c, 0, false); }

/* ---- ANY, ALL ---- */

enum test { EQ, NE, LT, LE, GT, GE };

static bool passes(enum test t, int order)
{
    switch (t) {
    case EQ: return order == 0;
    case NE: return order != 0;
    case LT: return order < 0;
    case LE: return order <= 0;
    case GT: return order > 0;
    case GE: return order >= 0;
    }
    return false;
}

/* Three-valued OR (ANY) or AND (ALL) over the elements; over none it is false or true, whatever x is. */
static void quantify(struct call *c, enum test t, bool all)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column elements = arg_array(c, 1, r, &scratch, &n);
        bool unknown = false, decided = false;
        for (uint32_t i = 0; i < n && !decided; i++) {
            bool null = arg_is_null(c, 0, r) || column_is_null(&elements, i);
            unknown |= null;
            decided = !null && passes(t, column_order(&c->args[0].col, r & c->args[0].mask, &elements, i)) != all;
        }
        OUT(c, uint8_t, r) = decided != all;
        if (arg_is_null(c, 1, r) || (unknown && !decided))
            call_null(c, r);
        arena_reset(&scratch);
    }
}

#define QUANTIFY(NAME, TEST)                                                                                           \
    static void NAME##_any(struct call *c) { quantify(c, TEST, false); }                                               \
    static void NAME##_all(struct call *c) { quantify(c, TEST, true); }
QUANTIFY(eq, EQ)
QUANTIFY(ne, NE)
QUANTIFY(lt, LT)
QUANTIFY(le, LE)
QUANTIFY(gt, GT)
QUANTIFY(ge, GE)

#define I TYPE_INT4
#define B TYPE_BOOL
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .help = HELP}
#define PAIR(NAME, KERNEL, HELP) FN(NAME, B, 2, KERNEL, HELP, ARG_ALIKE, ARG_ALIKE)
#define QUANTIFIED(NAME, KERNEL)                                                                                       \
    {.name = NAME " any", .result = B, .nargs = 2, .args = {ARG_ELEMENT, ARG_ARRAY}, .flags = FN_NULLS,                \
     .kernel = KERNEL##_any, .help = "x " NAME " ANY (array): is it so for one element?"},                             \
    {                                                                                                                  \
        .name = NAME " all", .result = B, .nargs = 2, .args = {ARG_ELEMENT, ARG_ARRAY}, .flags = FN_NULLS,             \
        .kernel = KERNEL##_all, .help = "x " NAME " ALL (array): is it so for all elements?"                           \
    }

const struct function fn_array[] = {
    {.name = "ARRAY[x]", .result = ARG_ARRAY, .nargs = 1, .args = {ARG_SAME}, .flags = FN_VARIADIC | FN_NULLS,
     .kernel = kernel_construct, .bind = bind_construct, .help = "ARRAY[x, ...]: an array of the values"},
    FN("x[i]", RESULT_ELEMENT, 2, kernel_subscript, "the i-th element, from 1; NULL if there is none", ARG_ARRAY, I),
    FN("x[i:j]", RESULT_SAME, 3, kernel_slice, "from the i-th element to the j-th; either may be left out", ARG_ARRAY,
       I, I),
    PAIR("=", kernel_eq, "equal, element by element; NULL is equal to NULL"),
    PAIR("<>", kernel_ne, "not equal; also spelled !="),
    PAIR("<", kernel_lt, "less than: by the first elements that differ, NULL above all, then by length"),
    PAIR("<=", kernel_le, "less than or equal"),
    PAIR(">", kernel_gt, "greater than"),
    PAIR(">=", kernel_ge, "greater than or equal"),
    PAIR("@>", kernel_contains, "does it hold every element of the other?"),
    PAIR("<@", kernel_contained, "is every element in the other?"),
    PAIR("&&", kernel_overlaps, "have they an element in common?"),
    QUANTIFIED("=", eq),
    QUANTIFIED("<>", ne),
    QUANTIFIED("<", lt),
    QUANTIFIED("<=", le),
    QUANTIFIED(">", gt),
    QUANTIFIED(">=", ge),
    FN("cardinality", I, 1, kernel_cardinality, "elements", ARG_ARRAY),
    FN("array_length", I, 2, kernel_upper, "elements, of dimension 1; NULL of an empty array", ARG_ARRAY, I),
    FN("array_upper", I, 2, kernel_upper, "the last subscript, of dimension 1; NULL of an empty array", ARG_ARRAY, I),
    FN("array_lower", I, 2, kernel_lower, "the first subscript, which is 1; NULL of an empty array", ARG_ARRAY, I),
    FN("array_ndims", I, 1, kernel_ndims, "dimensions, which is 1; NULL of an empty array", ARG_ARRAY),
    FN("array_dims", TYPE_TEXT, 1, kernel_dims, "bounds as text: [1:3]; NULL of an empty array", ARG_ARRAY),
    FN("trim_array", RESULT_SAME, 2, kernel_trim, "without the last n elements", ARG_ARRAY, I),
    {0},
};
