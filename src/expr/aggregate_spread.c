/* Variance and standard deviation of integers and numerics: exact sums, and the number PostgreSQL makes of them. */
#include "column/decimal_math.h"
#include "expr/aggregate_values.h"

static void moments_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                           const int64_t *weights)
{
#define ADD_VALUES(T) UPDATE_LOOP(struct decimal_moments, decimal_moments_add(state, ((const T *)arg->data)[r], w))
    if (arg->type.id == TYPE_INT4)
        ADD_VALUES(int32_t);
    else if (arg->type.id == TYPE_INT8 || type_is_small_numeric(arg->type))
        ADD_VALUES(int64_t);
    else
        ADD_VALUES(int128);
}

static void moments_merge(void *into, const void *from) { decimal_moments_merge(into, from); }

enum { SPREAD_SCALE = 16 };

static struct type result_spread(struct type arg)
{
    return type_numeric(NUMERIC_MAX_PRECISION, arg.id == TYPE_NUMERIC ? MAX(arg.scale, SPREAD_SCALE) : SPREAD_SCALE);
}

/* Of a sample two values say something, of a population one. */
#define SPREAD_FINAL(NAME, SPREAD, SAMPLE)                                                                             \
    static bool NAME##_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,      \
                             const char **ret_sqlstate)                                                                \
    {                                                                                                                  \
        (void)a;                                                                                                       \
        const struct decimal_moments *m = state;                                                                       \
        int128 v;                                                                                                      \
        if (m->n <= (SAMPLE))                                                                                          \
            return false;                                                                                              \
        if (!SPREAD(m, arg.id == TYPE_NUMERIC ? arg.scale : 0, SAMPLE, out->type.scale, &v)) {                         \
            *ret_sqlstate = "22003";                                                                                   \
            return false;                                                                                              \
        }                                                                                                              \
        column_set_numeric(out, row, v);                                                                               \
        return true;                                                                                                   \
    }                                                                                                                  \
    DISTINCT_FINAL(different_##NAME, struct decimal_moments, moments_update, NAME##_final)
SPREAD_FINAL(var_samp, decimal_variance, true)
SPREAD_FINAL(var_pop, decimal_variance, false)
SPREAD_FINAL(stddev_samp, decimal_deviation, true)
SPREAD_FINAL(stddev_pop, decimal_deviation, false)

#define SPREAD_OF(NAME, ARG, FINAL, HELP)                                                                              \
    {.name = NAME, .arg = ARG, .state_size = sizeof(struct decimal_moments), .retracts = true,                         \
     .update = moments_update, .merge = moments_merge, .final = FINAL##_final, .result = result_spread, .help = HELP}, \
        DISTINCT(NAME, ARG, different_##FINAL, result_spread, HELP " of the different values")
#define SPREAD(NAME, FINAL, HELP)                                                                                      \
    SPREAD_OF(NAME, TYPE_INT4, FINAL, HELP), SPREAD_OF(NAME, TYPE_INT8, FINAL, HELP),                                  \
        SPREAD_OF(NAME, TYPE_NUMERIC, FINAL, HELP)

const struct aggregate aggregates_spread[] = {
    SPREAD("var_samp", var_samp, "variance of a sample"),
    SPREAD("variance", var_samp, "var_samp"),
    SPREAD("var_pop", var_pop, "variance of a population"),
    SPREAD("stddev_samp", stddev_samp, "standard deviation of a sample"),
    SPREAD("stddev", stddev_samp, "stddev_samp"),
    SPREAD("stddev_pop", stddev_pop, "standard deviation of a population"),
    {0},
};
