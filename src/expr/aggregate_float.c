/* sum, avg, variance and standard deviation of doubles: exact sums, rounded once at the end. */
#include <math.h>

#include "expr/aggregate_values.h"
#include "expr/exact_sum.h"

struct float_state {
    struct exact_sum sum;
    int64_t n;
};

static void float_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                         const int64_t *weights)
{
    const double *values = arg->data;
    UPDATE_LOOP(struct float_state, {
        exact_sum_add(&state->sum, values[r], w);
        state->n += w;
    });
}

static void float_merge(void *into, const void *from)
{
    struct float_state *s = into;
    const struct float_state *f = from;
    exact_sum_merge(&s->sum, &f->sum);
    s->n += f->n;
}

static bool float_final(const struct float_state *s, int64_t divisor, struct column *out, size_t row,
                        const char **ret_sqlstate)
{
    double sum;
    if (s->n <= 0)
        return false;
    if (!exact_sum_round(&s->sum, &sum)) {
        *ret_sqlstate = "22003";
        return false;
    }
    ((double *)out->data)[row] = sum / (double)divisor;
    return true;
}

static bool sum_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate)
{
    (void)arg, (void)a;
    return float_final(state, 1, out, row, ret_sqlstate);
}

static bool average_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    (void)arg, (void)a;
    return float_final(state, ((const struct float_state *)state)->n, out, row, ret_sqlstate);
}

static void float_pack(const void *state, struct buf *out)
{
    const struct float_state *s = state;
    exact_sum_pack(&s->sum, out);
    buf_put_u64(out, (uint64_t)s->n);
}

static bool float_unpack(struct reader *in, void *state)
{
    struct float_state s;
    uint64_t n;
    if (!exact_sum_unpack(in, &s.sum) || !reader_u64(in, &n))
        return false;
    s.n = (int64_t)n;
    memcpy(state, &s, sizeof s);
    return true;
}

/* ---- variance, standard deviation ---- */

struct spread_state {
    struct float_state base;
    struct exact_squares squares;
};

static void spread_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                          const int64_t *weights)
{
    const double *values = arg->data;
    UPDATE_LOOP(struct spread_state, {
        exact_sum_add(&state->base.sum, values[r], w);
        exact_squares_add(&state->squares, values[r], w);
        state->base.n += w;
    });
}

static void spread_merge(void *into, const void *from)
{
    struct spread_state *s = into;
    const struct spread_state *f = from;
    float_merge(&s->base, &f->base);
    exact_squares_merge(&s->squares, &f->squares);
}

/* sample: divide by n - 1, which needs two values. */
static bool spread_final(const void *state, bool sample, bool root, struct column *out, size_t row,
                         const char **ret_sqlstate)
{
    const struct spread_state *s = state;
    const struct exact_sum *sum = &s->base.sum;
    double v = NAN;
    if (s->base.n <= (sample ? 1 : 0))
        return false;
    uint64_t n = (uint64_t)s->base.n;
    bool finite = sum->nans <= 0 && sum->infinities <= 0 && sum->negative_infinities <= 0;
    if (finite && !exact_spread(sum, &s->squares, n, (uint128)n * (sample ? n - 1 : n), &v)) {
        *ret_sqlstate = "22003";
        return false;
    }
    ((double *)out->data)[row] = root ? sqrt(v) : v;
    return true;
}

#define SPREAD_FINAL(NAME, SAMPLE, ROOT)                                                                               \
    static bool NAME(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,              \
                     const char **ret_sqlstate)                                                                        \
    {                                                                                                                  \
        (void)arg, (void)a;                                                                                            \
        return spread_final(state, SAMPLE, ROOT, out, row, ret_sqlstate);                                              \
    }
SPREAD_FINAL(var_samp_final, true, false)
SPREAD_FINAL(var_pop_final, false, false)
SPREAD_FINAL(stddev_samp_final, true, true)
SPREAD_FINAL(stddev_pop_final, false, true)

static void spread_pack(const void *state, struct buf *out)
{
    const struct spread_state *s = state;
    float_pack(&s->base, out);
    exact_squares_pack(&s->squares, out);
}

static bool spread_unpack(struct reader *in, void *state)
{
    struct spread_state s;
    if (!float_unpack(in, &s.base) || !exact_squares_unpack(in, &s.squares))
        return false;
    memcpy(state, &s, sizeof s);
    return true;
}

#define SPREAD(NAME, FINAL, HELP)                                                                                      \
    {.name = NAME, .arg = TYPE_FLOAT8, .state_size = sizeof(struct spread_state), .retracts = true,                    \
     .update = spread_update, .merge = spread_merge, .final = FINAL, .result = result_float, .pack = spread_pack,      \
     .unpack = spread_unpack, .help = HELP}

static struct type result_float(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_FLOAT8);
}

DISTINCT_FINAL(different_sum, struct float_state, float_update, sum_final)
DISTINCT_FINAL(different_average, struct float_state, float_update, average_final)
DISTINCT_FINAL(different_var_samp, struct spread_state, spread_update, var_samp_final)
DISTINCT_FINAL(different_var_pop, struct spread_state, spread_update, var_pop_final)
DISTINCT_FINAL(different_stddev_samp, struct spread_state, spread_update, stddev_samp_final)
DISTINCT_FINAL(different_stddev_pop, struct spread_state, spread_update, stddev_pop_final)

const struct aggregate aggregates_float[] = {
    {.name = "sum", .arg = TYPE_FLOAT8, .state_size = sizeof(struct float_state), .retracts = true,
     .update = float_update, .merge = float_merge, .final = sum_final, .result = result_float, .pack = float_pack,
     .unpack = float_unpack, .help = "sum: exact, rounded once, whatever the order"},
    {.name = "avg", .arg = TYPE_FLOAT8, .state_size = sizeof(struct float_state), .retracts = true,
     .update = float_update, .merge = float_merge, .final = average_final, .result = result_float, .pack = float_pack,
     .unpack = float_unpack, .help = "mean of an exact sum, whatever the order"},
    SPREAD("var_samp", var_samp_final, "variance of a sample, from exact sums, in double precision"),
    SPREAD("variance", var_samp_final, "var_samp"),
    SPREAD("var_pop", var_pop_final, "variance of a population, from exact sums, in double precision"),
    SPREAD("stddev_samp", stddev_samp_final, "standard deviation of a sample"),
    SPREAD("stddev", stddev_samp_final, "stddev_samp"),
    SPREAD("stddev_pop", stddev_pop_final, "standard deviation of a population"),
    DISTINCT("sum", TYPE_FLOAT8, different_sum, result_float, "sum of the different values"),
    DISTINCT("avg", TYPE_FLOAT8, different_average, result_float, "mean of the different values"),
    DISTINCT("var_samp", TYPE_FLOAT8, different_var_samp, result_float, "variance of the different values"),
    DISTINCT("variance", TYPE_FLOAT8, different_var_samp, result_float, "var_samp"),
    DISTINCT("var_pop", TYPE_FLOAT8, different_var_pop, result_float, "variance of the different values"),
    DISTINCT("stddev_samp", TYPE_FLOAT8, different_stddev_samp, result_float, "standard deviation of these"),
    DISTINCT("stddev", TYPE_FLOAT8, different_stddev_samp, result_float, "stddev_samp"),
    DISTINCT("stddev_pop", TYPE_FLOAT8, different_stddev_pop, result_float, "standard deviation of these"),
    {0},
};
