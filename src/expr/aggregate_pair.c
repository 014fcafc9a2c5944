/* corr, covar_* and regr_*: aggregates of two doubles (y, x), from exact sums, so that rows that came and went leave
 * nothing behind. Only rows in which both have a value count. */
#include <math.h>

#include "column/rowkey.h"
#include "expr/aggregates.h"
#include "expr/exact_sum.h"
#include "expr/packed.h"

struct pair_state {
    struct exact_sum y, x;
    struct exact_squares yy, xx, xy;
    int64_t n;
};

static void pair_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                        const int64_t *weights)
{
    UPDATE_LOOP(struct pair_state, {
        double values[2];
        struct column c = {TYPE(TYPE_FLOAT8), values, NULL};
        struct reader in = packed_payload(view_slice(column_view(arg, r)));
        bool good = rowkey_get(&in, &c, 0, NULL) && rowkey_get(&in, &c, 1, NULL);
        assert(good);
        exact_sum_add(&state->y, values[0], w);
        exact_sum_add(&state->x, values[1], w);
        exact_squares_add(&state->yy, values[0], w);
        exact_squares_add(&state->xx, values[1], w);
        exact_products_add(&state->xy, values[0], values[1], w);
        state->n += w;
    });
}

static void pair_merge(void *into, const void *from)
{
    struct pair_state *s = into;
    const struct pair_state *f = from;
    exact_sum_merge(&s->y, &f->y);
    exact_sum_merge(&s->x, &f->x);
    exact_squares_merge(&s->yy, &f->yy);
    exact_squares_merge(&s->xx, &f->xx);
    exact_squares_merge(&s->xy, &f->xy);
    s->n += f->n;
}

static void pair_pack(const void *state, struct buf *out)
{
    const struct pair_state *s = state;
    exact_sum_pack(&s->y, out);
    exact_sum_pack(&s->x, out);
    exact_squares_pack(&s->yy, out);
    exact_squares_pack(&s->xx, out);
    exact_squares_pack(&s->xy, out);
    buf_put_u64(out, (uint64_t)s->n);
}

static bool pair_unpack(struct reader *in, void *state)
{
    struct pair_state s;
    uint64_t n;
    if (!exact_sum_unpack(in, &s.y) || !exact_sum_unpack(in, &s.x) || !exact_squares_unpack(in, &s.yy) ||
        !exact_squares_unpack(in, &s.xx) || !exact_squares_unpack(in, &s.xy) || !reader_u64(in, &n))
        return false;
    s.n = (int64_t)n;
    memcpy(state, &s, sizeof s);
    return true;
}

/* ---- results ---- */

static bool is_finite(const struct exact_sum *s)
{
    return s->nans <= 0 && s->infinities <= 0 && s->negative_infinities <= 0;
}

/* Sums of squares and products about the means, by PostgreSQL's names; what is not finite makes them NaN. */
struct moments {
    double n, y, x, syy, sxx, sxy;
};

static bool find_moments(const struct pair_state *s, struct moments *ret, const char **ret_sqlstate)
{
    uint64_t n = (uint64_t)s->n;
    struct moments m = {(double)s->n, 0, 0, NAN, NAN, NAN};
    bool fits = exact_sum_round(&s->y, &m.y) && exact_sum_round(&s->x, &m.x);
    if (fits && is_finite(&s->y))
        fits = exact_moment(&s->y, &s->y, &s->yy, n, n, &m.syy);
    if (fits && is_finite(&s->x))
        fits = exact_moment(&s->x, &s->x, &s->xx, n, n, &m.sxx);
    if (fits && is_finite(&s->x) && is_finite(&s->y))
        fits = exact_moment(&s->x, &s->y, &s->xy, n, n, &m.sxy);
    if (!fits)
        *ret_sqlstate = "22003";
    *ret = m;
    return fits;
}

/* NAN may be a result, so NULL is told by false. */
typedef bool formula_fn(const struct moments *m, double *ret);

static bool pair_final(const struct pair_state *s, int64_t least, formula_fn *formula, struct column *out, size_t row,
                       const char **ret_sqlstate)
{
    struct moments m;
    return s->n >= least && find_moments(s, &m, ret_sqlstate) && formula(&m, (double *)out->data + row);
}

#define FORMULA(NAME, LEAST, NULL_IF, RESULT)                                                                          \
    static bool NAME##_of(const struct moments *m, double *ret)                                                        \
    {                                                                                                                  \
        *ret = (NULL_IF) ? 0 : (RESULT);                                                                               \
        return !(NULL_IF);                                                                                             \
    }                                                                                                                  \
    static bool NAME##_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,      \
                             const char **ret_sqlstate)                                                                \
    {                                                                                                                  \
        (void)arg, (void)a;                                                                                            \
        return pair_final(state, LEAST, NAME##_of, out, row, ret_sqlstate);                                            \
    }
FORMULA(corr, 1, m->sxx == 0 || m->syy == 0, m->sxy / sqrt(m->sxx * m->syy))
FORMULA(covar_pop, 1, false, m->sxy / m->n)
FORMULA(covar_samp, 2, false, m->sxy / (m->n - 1))
FORMULA(regr_avgx, 1, false, m->x / m->n)
FORMULA(regr_avgy, 1, false, m->y / m->n)
FORMULA(regr_sxx, 1, false, m->sxx)
FORMULA(regr_syy, 1, false, m->syy)
FORMULA(regr_sxy, 1, false, m->sxy)
FORMULA(regr_slope, 1, m->sxx == 0, m->sxy / m->sxx)
FORMULA(regr_intercept, 1, m->sxx == 0, (m->y - m->x * m->sxy / m->sxx) / m->n)
FORMULA(regr_r2, 1, m->sxx == 0, m->syy == 0 ? 1 : (m->sxy * m->sxy) / (m->sxx * m->syy))

static bool regr_count_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                             const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    ((int64_t *)out->data)[row] = ((const struct pair_state *)state)->n;
    return true;
}

static struct type result_double(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_FLOAT8);
}

static struct type result_count(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_INT8);
}

#define PAIR(NAME, RESULT, HELP)                                                                                       \
    {.name = #NAME, .shape = SHAPE_PAIR, .takes = "double precision, double precision",                                \
     .state_size = sizeof(struct pair_state), .retracts = true, .update = pair_update, .merge = pair_merge,            \
     .final = NAME##_final, .result = RESULT, .pack = pair_pack, .unpack = pair_unpack, .help = HELP}

const struct aggregate aggregates_pair[] = {
    PAIR(corr, result_double, "correlation of (y, x), from exact sums"),
    PAIR(covar_pop, result_double, "covariance of a population (y, x)"),
    PAIR(covar_samp, result_double, "covariance of a sample (y, x)"),
    PAIR(regr_avgx, result_double, "mean of x, where both are there"),
    PAIR(regr_avgy, result_double, "mean of y, where both are there"),
    PAIR(regr_count, result_count, "rows in which both are there"),
    PAIR(regr_intercept, result_double, "where the fitted line meets x = 0"),
    PAIR(regr_r2, result_double, "square of the correlation"),
    PAIR(regr_slope, result_double, "slope of the fitted line"),
    PAIR(regr_sxx, result_double, "sum of squares of x about its mean"),
    PAIR(regr_sxy, result_double, "sum of products about the means"),
    PAIR(regr_syy, result_double, "sum of squares of y about its mean"),
    {0},
};
