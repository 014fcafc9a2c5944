/* Comparisons, IN, IS DISTINCT FROM, greatest and least. */
#include "expr/function.h"

#include <math.h>
#include <stdlib.h>

#include "column/decimal.h"
#include "column/jsonb.h"

/* One loop per operator and physical type, over all lanes: what the compiler turns into vector code. */
#define COMPARE_KERNEL(NAME, T, TEST)                                                                                  \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        const T *xs = c->args[0].col.data, *ys = c->args[1].col.data;                                                  \
        uint8_t *restrict out = c->out->col.data;                                                                      \
        if (!c->args[1].mask) {                                                                                        \
            const T y = *ys;                                                                                           \
            for (uint32_t r = 0; r < c->rows; r++) {                                                                   \
                const T x = xs[r & c->args[0].mask];                                                                   \
                out[r] = (TEST);                                                                                       \
            }                                                                                                          \
        } else if (!c->args[0].mask) {                                                                                 \
            const T x = *xs;                                                                                           \
            for (uint32_t r = 0; r < c->rows; r++) {                                                                   \
                const T y = ys[r];                                                                                     \
                out[r] = (TEST);                                                                                       \
            }                                                                                                          \
        } else                                                                                                         \
            for (uint32_t r = 0; r < c->rows; r++) {                                                                   \
                const T x = xs[r], y = ys[r];                                                                          \
                out[r] = (TEST);                                                                                       \
            }                                                                                                          \
    }

#define COMPARE_KERNELS(SUFFIX, T)                                                                                     \
    COMPARE_KERNEL(eq_##SUFFIX, T, x == y)                                                                             \
    COMPARE_KERNEL(ne_##SUFFIX, T, x != y)                                                                             \
    COMPARE_KERNEL(lt_##SUFFIX, T, x < y)                                                                              \
    COMPARE_KERNEL(le_##SUFFIX, T, x <= y)                                                                             \
    COMPARE_KERNEL(gt_##SUFFIX, T, x > y)                                                                              \
    COMPARE_KERNEL(ge_##SUFFIX, T, x >= y)

COMPARE_KERNELS(bool, uint8_t)
COMPARE_KERNELS(i32, int32_t)
COMPARE_KERNELS(i64, int64_t)
COMPARE_KERNELS(i128, int128)

/* PostgreSQL's order of doubles: NaN equals NaN and is above everything. */
COMPARE_KERNEL(eq_f64, double, (x == y) | ((x != x) & (y != y)))
COMPARE_KERNEL(ne_f64, double, !((x == y) | ((x != x) & (y != y))))
COMPARE_KERNEL(lt_f64, double, (x < y) | ((x == x) & (y != y)))
COMPARE_KERNEL(le_f64, double, (x <= y) | (y != y))
COMPARE_KERNEL(gt_f64, double, (x > y) | ((y == y) & (x != x)))
COMPARE_KERNEL(ge_f64, double, (x >= y) | (x != x))

/* ---- types compared lane by lane ---- */

static int lane_order(const struct call *c, uint32_t r)
{
    return column_order(&c->args[0].col, r & c->args[0].mask, &c->args[1].col, r & c->args[1].mask);
}

#define ORDER_KERNEL(NAME, TEST)                                                                                       \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        CALL_ROWS(c, r) {                                                                                              \
            int order = lane_order(c, r);                                                                              \
            OUT(c, uint8_t, r) = order TEST 0;                                                                         \
        }                                                                                                              \
    }
ORDER_KERNEL(eq_order, ==)
ORDER_KERNEL(ne_order, !=)
ORDER_KERNEL(lt_order, <)
ORDER_KERNEL(le_order, <=)
ORDER_KERNEL(gt_order, >)
ORDER_KERNEL(ge_order, >=)

/* numeric: bind has brought both sides to one scale where 38 digits allow it. */
#define NUMERIC_KERNEL(OP)                                                                                             \
    static void OP##_numeric(struct call *c)                                                                           \
    {                                                                                                                  \
        struct type x = c->args[0].col.type, y = c->args[1].col.type;                                                  \
        if (x.scale != y.scale || type_is_small_numeric(x) != type_is_small_numeric(y))                                \
            OP##_order(c);                                                                                             \
        else if (type_is_small_numeric(x))                                                                             \
            OP##_i64(c);                                                                                               \
        else                                                                                                           \
            OP##_i128(c);                                                                                              \
    }
NUMERIC_KERNEL(eq)
NUMERIC_KERNEL(ne)
NUMERIC_KERNEL(lt)
NUMERIC_KERNEL(le)
NUMERIC_KERNEL(gt)
NUMERIC_KERNEL(ge)

static enum status bind_numeric(struct binding *b, struct error *err)
{
    struct type x = b->args[0]->type, y = b->args[1]->type;
    if (MAX(x.precision - x.scale, y.precision - y.scale) + MAX(x.scale, y.scale) > NUMERIC_MAX_PRECISION)
        return OK;
    return expr_to_common(b->arena, b->args, b->nargs, "comparison", err);
}

/* A short string is its 16 bytes: two words decide, and no pointer is followed. */
static void equal_short(struct call *c, const struct view *x, const struct view *y, uint8_t flip)
{
    uint64_t y0 = load_u64(y), y1 = load_u64(y->rest);
    uint8_t *restrict out = c->out->col.data;
    for (uint32_t r = 0; r < c->rows; r++)
        out[r] = (uint8_t)(!((load_u64(x + r) ^ y0) | (load_u64(x[r].rest) ^ y1)) ^ flip);
}

enum { MATCH_MAX = 20 }; /* bytes of a string that match_long compares */

/* Strings that come again mostly lie in one place (op/intern), so that none but the first needs to be looked at. false:
 * not these; those of out[] that were set are right. */
static bool match_by_place(const struct view *x, uint32_t rows, const struct view *y, uint8_t *restrict out)
{
    const uint64_t head = load_u64(y);
    uint32_t r = 0;
    while (r < rows && load_u64(x + r) != head)
        r++;
    if (r == rows)
        return true;
    const uintptr_t place = (uintptr_t)x[r].ptr;
    uint32_t next = r + 1;
    while (next < rows && load_u64(x + next) != head)
        next++;
    if (!view_equal(x + r, y) || (next < rows && (uintptr_t)x[next].ptr != place))
        return false;
    uint8_t elsewhere = 0;
    for (; r < rows; r++) {
        bool same = load_u64(x + r) == head, there = (uintptr_t)x[r].ptr == place;
        out[r] |= same & there;
        elsewhere |= same & !there;
    }
    return !elsewhere;
}

/* Sets out[r] where x[r] is the long string y of at most MATCH_MAX bytes. Without branches: of few values that come in
 * no order, none can be foretold. A lane that differs in its first word may be short: it is given y's own bytes to look
 * at. */
static void match_long(const struct call *c, const struct view *y, uint8_t *restrict out)
{
    const uint64_t head = load_u64(y), first = load_u64(y->ptr + 4), last = load_u64(y->ptr + y->len - 8);
    const struct view *x = c->args[c->args[0].mask ? 0 : 1].col.data;
    const uint32_t last_at = y->len - 8, rows = c->rows;
    if (match_by_place(x, rows, y, out))
        return;
    for (uint32_t r = 0; r < rows; r++) {
        bool same = load_u64(x + r) == head;
        uintptr_t mask = -(uintptr_t)same;
        const char *p = (const char *)(((uintptr_t)x[r].ptr & mask) | ((uintptr_t)y->ptr & ~mask));
        out[r] |= same & !((load_u64(p + 4) ^ first) | (load_u64(p + last_at) ^ last));
    }
}

static bool is_matched(const struct view *y) { return y->len > VIEW_INLINE && y->len <= MATCH_MAX; }

static void equal_view(struct call *c, uint8_t flip)
{
    const struct lanes *x = &c->args[0], *y = &c->args[1];
    if (!x->mask) {
        x = &c->args[1];
        y = &c->args[0];
    }
    const struct view *constant = y->col.data;
    if (!y->mask && x->mask && constant->len <= VIEW_INLINE) {
        equal_short(c, x->col.data, constant, flip);
        return;
    }
    if (!y->mask && x->mask && is_matched(constant)) {
        uint8_t *restrict out = memset(c->out->col.data, 0, c->rows);
        match_long(c, constant, out);
        for (uint32_t r = 0; flip && r < c->rows; r++)
            out[r] ^= 1;
        return;
    }
    CALL_ROWS(c, r)
        OUT(c, uint8_t, r) = view_equal(&ARG(c, 0, struct view, r), &ARG(c, 1, struct view, r)) ^ flip;
}
static void eq_view(struct call *c) { equal_view(c, 0); }
static void ne_view(struct call *c) { equal_view(c, 1); }

/* ---- IN (constants) ---- */

struct in_list {
    struct column values; /* sorted; of the type of the left side */
    uint32_t n;
    bool has_null;
    bool all_short;
    bool all_matched; /* or else long, but not too long for match_long */
};

static int compare_elements(const void *p, const void *q, void *type)
{
    struct column x = {.type = *(struct type *)type, .data = (void *)p}, y = {.type = x.type, .data = (void *)q};
    return column_order(&x, 0, &y, 0);
}

enum status step_in_bind(struct binding *b, struct error *err)
{
    (void)err;
    struct in_list *list = arena_zalloc(b->arena, sizeof *list);
    struct type type = b->args[0]->type;
    size_t width = type_width(type);
    list->values = (struct column){.type = type, .data = arena_array(b->arena, b->nargs, width)};
    list->all_short = list->all_matched = type_is_view(type);
    for (uint32_t i = 1; i < b->nargs; i++) {
        if (expr_is_null_const(b->args[i])) {
            list->has_null = true;
            continue;
        }
        memcpy((char *)list->values.data + list->n++ * width, b->args[i]->value.data, width);
        if (!type_is_view(type))
            continue;
        list->all_short &= ((struct view *)b->args[i]->value.data)->len <= VIEW_INLINE;
        list->all_matched &= is_matched(b->args[i]->value.data);
    }
    if (list->n)
        qsort_r(list->values.data, list->n, width, compare_elements, &type);
    b->extra = list;
    return OK;
}

static bool in_sorted(const struct in_list *list, const struct column *x, size_t i)
{
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = column_order(x, i, &list->values, middle);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

enum { FEW = 16 }; /* up to here a pass per value beats a binary search per row */

#define IN_FEW(T)                                                                                                      \
    do {                                                                                                               \
        const T *x = c->args[0].col.data, *values = list->values.data;                                                 \
        uint8_t *restrict out = c->out->col.data;                                                                      \
        memset(out, 0, c->rows);                                                                                       \
        for (uint32_t k = 0; k < list->n; k++) {                                                                       \
            const T value = values[k];                                                                                 \
            for (uint32_t r = 0; r < c->rows; r++)                                                                     \
                out[r] |= x[r & c->args[0].mask] == value;                                                             \
        }                                                                                                              \
    } while (0)

/* n is a constant of the caller's, for the compiler to unroll. */
[[gnu::always_inline]] static inline void in_short(struct call *c, const struct in_list *list, uint32_t n)
{
    const struct view *x = c->args[0].col.data, *values = list->values.data;
    uint8_t *restrict out = c->out->col.data;
    uint64_t head[FEW], tail[FEW];
    for (uint32_t k = 0; k < n; k++) {
        head[k] = load_u64(values + k);
        tail[k] = load_u64(values[k].rest);
    }
    for (uint32_t r = 0; r < c->rows; r++) {
        uint64_t h = load_u64(x + r), t = load_u64(x[r].rest);
        uint8_t found = 0;
        for (uint32_t k = 0; k < n; k++)
            found |= !((h ^ head[k]) | (t ^ tail[k]));
        out[r] = found;
    }
}

static void in_few_short(struct call *c, const struct in_list *list)
{
    switch (list->n) {
    case 1: in_short(c, list, 1); break;
    case 2: in_short(c, list, 2); break;
    case 3: in_short(c, list, 3); break;
    case 4: in_short(c, list, 4); break;
    case 5: in_short(c, list, 5); break;
    case 6: in_short(c, list, 6); break;
    default: in_short(c, list, list->n); break;
    }
}

static void in_few_long(struct call *c, const struct in_list *list)
{
    uint8_t *out = memset(c->out->col.data, 0, c->rows);
    for (uint32_t k = 0; k < list->n; k++)
        match_long(c, (const struct view *)list->values.data + k, out);
}

static void kernel_in(struct call *c)
{
    /* Not strict only because a NULL in the list does not make everything NULL. */
    const struct in_list *list = c->extra;
    size_t width = type_width(list->values.type);
    uint8_t id = list->values.type.id;
    c->out->col.valid = c->args[0].col.valid;
    bool integral = id != TYPE_FLOAT8 && id != TYPE_INTERVAL && id != TYPE_UUID && !type_is_view(list->values.type);
    if (list->n <= FEW && list->all_short && c->args[0].mask)
        in_few_short(c, list);
    else if (list->n <= FEW && list->all_matched && c->args[0].mask)
        in_few_long(c, list);
    else if (list->n <= FEW && integral && width == 4)
        IN_FEW(int32_t);
    else if (list->n <= FEW && integral && width == 8)
        IN_FEW(int64_t);
    else
        CALL_ROWS(c, r)
            OUT(c, uint8_t, r) = in_sorted(list, &c->args[0].col, r & c->args[0].mask);
    if (list->has_null)
        CALL_ROWS(c, r)
            if (!OUT(c, uint8_t, r))
                call_null(c, r);
}

const struct function step_in = {.name = "in", .result = TYPE_BOOL, .nargs = 2, .args = {ARG_SAME, ARG_SAME},
                                 .flags = FN_VARIADIC | FN_NULLS, .kernel = kernel_in, .bind = step_in_bind};

/* ---- NULLs compared, greatest and least ---- */

static bool lanes_equal(const struct call *c, uint32_t r)
{
    bool x = arg_is_null(c, 0, r), y = arg_is_null(c, 1, r);
    return x || y ? x == y : lane_order(c, r) == 0;
}

static void kernel_distinct(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, uint8_t, r) = !lanes_equal(c, r);
}

static void kernel_not_distinct(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, uint8_t, r) = lanes_equal(c, r);
}

static void copy_element(struct call *c, uint32_t from, uint32_t r)
{
    size_t width = type_width(c->out->col.type);
    memcpy((char *)c->out->col.data + r * width,
           (const char *)c->args[from].col.data + (r & c->args[from].mask) * width, width);
}

/* NULLs are ignored; NULL if all are. sign: 1 greatest, -1 least. */
static void extreme(struct call *c, int sign)
{
    CALL_ROWS(c, r) {
        int64_t best = -1;
        for (uint32_t i = 0; i < c->nargs; i++) {
            if (arg_is_null(c, i, r))
                continue;
            if (best >= 0 && sign * column_order(&c->args[i].col, r & c->args[i].mask, &c->args[best].col,
                                                  r & c->args[best].mask) <= 0)
                continue;
            best = i;
        }
        if (best < 0)
            call_null(c, r);
        else
            copy_element(c, (uint32_t)best, r);
    }
}
static void kernel_greatest(struct call *c) { extreme(c, 1); }
static void kernel_least(struct call *c) { extreme(c, -1); }

static void kernel_nullif(struct call *c)
{
    CALL_ROWS(c, r) {
        if (arg_is_null(c, 0, r) || (!arg_is_null(c, 1, r) && lane_order(c, r) == 0))
            call_null(c, r);
        else
            copy_element(c, 0, r);
    }
}

static void count_nulls(struct call *c, bool nulls)
{
    CALL_ROWS(c, r) {
        int32_t n = 0;
        for (uint32_t i = 0; i < c->nargs; i++)
            n += arg_is_null(c, i, r) == nulls;
        OUT(c, int32_t, r) = n;
    }
}
static void kernel_num_nulls(struct call *c) { count_nulls(c, true); }
static void kernel_num_nonnulls(struct call *c) { count_nulls(c, false); }

#define TRUTH_KERNEL(NAME, ON_NULL, TEST)                                                                              \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        CALL_ROWS(c, r)                                                                                                \
            OUT(c, uint8_t, r) = arg_is_null(c, 0, r) ? (ON_NULL) : ARG(c, 0, uint8_t, r) == (TEST);                   \
    }
TRUTH_KERNEL(kernel_is_true, 0, 1)
TRUTH_KERNEL(kernel_is_not_true, 1, 0)
TRUTH_KERNEL(kernel_is_false, 0, 0)
TRUTH_KERNEL(kernel_is_not_false, 1, 1)

#define ROW(NAME, ID, KERNEL, HELP)                                                                                    \
    {.name = NAME, .result = TYPE_BOOL, .nargs = 2, .args = {ID, ID}, .kernel = KERNEL, .help = HELP}
#define ROWS(ID, SUFFIX)                                                                                               \
    ROW("=", ID, eq_##SUFFIX, "equal"), ROW("<>", ID, ne_##SUFFIX, "not equal; also spelled !="),                      \
    ROW("<", ID, lt_##SUFFIX, "less than"), ROW("<=", ID, le_##SUFFIX, "less than or equal"),                          \
    ROW(">", ID, gt_##SUFFIX, "greater than"), ROW(">=", ID, ge_##SUFFIX, "greater than or equal")
#define NUMERIC_ROW(NAME, KERNEL, HELP)                                                                                \
    {.name = NAME, .result = TYPE_BOOL, .nargs = 2, .args = {TYPE_NUMERIC, TYPE_NUMERIC}, .kernel = KERNEL,            \
     .bind = bind_numeric, .help = HELP}
/* Text compares bytewise (collation C), so order is the order of UTF-8 code points. */
#define VIEW_ROWS(ID)                                                                                                  \
    ROW("=", ID, eq_view, "equal"), ROW("<>", ID, ne_view, "not equal; also spelled !="),                              \
    ROW("<", ID, lt_order, "less than, bytewise"), ROW("<=", ID, le_order, "less than or equal, bytewise"),            \
    ROW(">", ID, gt_order, "greater than, bytewise"), ROW(">=", ID, ge_order, "greater than or equal, bytewise")

const struct function fn_compare[] = {
    ROWS(TYPE_BOOL, bool),
    ROWS(TYPE_INT4, i32),
    ROWS(TYPE_INT8, i64),
    ROWS(TYPE_FLOAT8, f64),
    NUMERIC_ROW("=", eq_numeric, "equal; the scale does not matter"),
    NUMERIC_ROW("<>", ne_numeric, "not equal; also spelled !="),
    NUMERIC_ROW("<", lt_numeric, "less than"),
    NUMERIC_ROW("<=", le_numeric, "less than or equal"),
    NUMERIC_ROW(">", gt_numeric, "greater than"),
    NUMERIC_ROW(">=", ge_numeric, "greater than or equal"),
    VIEW_ROWS(TYPE_TEXT),
    VIEW_ROWS(TYPE_BYTEA),
    ROWS(TYPE_UUID, order),
    ROWS(TYPE_DATE, i32),
    ROWS(TYPE_TIMESTAMP, i64),
    ROWS(TYPE_TIMESTAMPTZ, i64),
    ROWS(TYPE_INTERVAL, order),
    ROWS(TYPE_JSONB, order),
    {0},
};

#define TRUTH_ROW(NAME, KERNEL, HELP)                                                                                  \
    {.name = NAME, .result = TYPE_BOOL, .nargs = 1, .args = {TYPE_BOOL}, .flags = FN_NULLS, .kernel = KERNEL,          \
     .help = HELP}

const struct function fn_null[] = {
    {.name = "nullif", .result = RESULT_SAME, .nargs = 2, .args = {ARG_SAME, ARG_SAME}, .flags = FN_NULLS,
     .kernel = kernel_nullif, .help = "NULL if both are equal, else the first"},
    {.name = "greatest", .result = RESULT_SAME, .nargs = 1, .args = {ARG_SAME}, .flags = FN_NULLS | FN_VARIADIC,
     .kernel = kernel_greatest, .help = "the largest; NULLs are ignored"},
    {.name = "least", .result = RESULT_SAME, .nargs = 1, .args = {ARG_SAME}, .flags = FN_NULLS | FN_VARIADIC,
     .kernel = kernel_least, .help = "the smallest; NULLs are ignored"},
    {.name = "num_nulls", .result = TYPE_INT4, .nargs = 1, .args = {ARG_ANY}, .flags = FN_NULLS | FN_VARIADIC,
     .kernel = kernel_num_nulls, .help = "how many arguments are NULL"},
    {.name = "num_nonnulls", .result = TYPE_INT4, .nargs = 1, .args = {ARG_ANY}, .flags = FN_NULLS | FN_VARIADIC,
     .kernel = kernel_num_nonnulls, .help = "how many arguments are not NULL"},
    {.name = "is_distinct_from", .result = TYPE_BOOL, .nargs = 2, .args = {ARG_SAME, ARG_SAME}, .flags = FN_NULLS,
     .kernel = kernel_distinct, .help = "x IS DISTINCT FROM y: not equal, NULL being equal to NULL"},
    {.name = "is_not_distinct_from", .result = TYPE_BOOL, .nargs = 2, .args = {ARG_SAME, ARG_SAME},
     .flags = FN_NULLS, .kernel = kernel_not_distinct,
     .help = "x IS NOT DISTINCT FROM y: equal, NULL being equal to NULL"},
    TRUTH_ROW("is_true", kernel_is_true, "x IS TRUE"),
    TRUTH_ROW("is_not_true", kernel_is_not_true, "x IS NOT TRUE"),
    TRUTH_ROW("is_false", kernel_is_false, "x IS FALSE"),
    TRUTH_ROW("is_not_false", kernel_is_not_false, "x IS NOT FALSE"),
    {0},
};
