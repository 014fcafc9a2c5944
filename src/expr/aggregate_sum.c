/* count, sum and avg of integers, numerics and intervals, and the boolean aggregates. Sums are 192-bit integers: 2^63
 * values of 38 digits fit, so only a result can overflow.
 */
#include "column/decimal.h"
#include "expr/aggregate_values.h"
#include "expr/calendar.h"

#define OUT_OF_RANGE "22003"

struct sum_state {
    uint64_t low, middle;
    int64_t high;
    int64_t n; /* values, net of those taken back */
};

/* ---- 192 bits ---- */

static inline void sum_add(struct sum_state *s, int128 v)
{
    uint128 before = (uint128)s->middle << 64 | s->low, after = before + (uint128)v;
    s->low = (uint64_t)after;
    s->middle = (uint64_t)(after >> 64);
    s->high += (v < 0 ? -1 : 0) + (after < before);
}

/* weight * v, |v| < 2^127. */
static void sum_add_weighted(struct sum_state *s, int128 v, int64_t weight)
{
    bool negative = (v < 0) != (weight < 0);
    uint128 size = v < 0 ? -(uint128)v : (uint128)v;
    uint64_t times = weight < 0 ? 0 - (uint64_t)weight : (uint64_t)weight;
    uint128 low = (uint128)(uint64_t)size * times, high = (size >> 64) * times + (low >> 64);
    uint64_t limbs[3] = {(uint64_t)low, (uint64_t)high, (uint64_t)(high >> 64)};
    if (negative) {
        unsigned carry = 1;
        for (unsigned i = 0; i < 3; i++)
            carry = __builtin_add_overflow(~limbs[i], (uint64_t)carry, &limbs[i]);
    }
    uint64_t carry = __builtin_add_overflow(s->low, limbs[0], &s->low);
    uint128 upper = ((uint128)(uint64_t)s->high << 64 | s->middle) + ((uint128)limbs[2] << 64 | limbs[1]) + carry;
    s->middle = (uint64_t)upper;
    s->high = (int64_t)(upper >> 64);
}

/* The sum as an int128; false: wider. */
static bool sum_narrow(const struct sum_state *s, int128 *ret)
{
    int128 v = (int128)((uint128)s->middle << 64 | s->low);
    if (s->high != (v < 0 ? -1 : 0))
        return false;
    *ret = v;
    return true;
}

/* sum * 10^up / n rounded half away from zero, n > 0; false: more than 38 digits. */
static bool sum_divide(const struct sum_state *s, unsigned up, int128 *ret)
{
    uint64_t limbs[3] = {s->low, s->middle, (uint64_t)s->high};
    bool negative = s->high < 0;
    unsigned carry = negative;
    for (unsigned i = 0; i < 3; i++)
        carry = __builtin_add_overflow(negative ? ~limbs[i] : limbs[i], (uint64_t)carry, &limbs[i]);
    uint64_t n = (uint64_t)s->n;
    uint128 rest = 0;
    for (int i = 2; i >= 0; i--) {
        uint128 part = rest << 64 | limbs[i];
        limbs[i] = (uint64_t)(part / n);
        rest = part % n;
    }
    if (limbs[2] || limbs[1] >> 63)
        return false;
    int128 whole = (int128)((uint128)limbs[1] << 64 | limbs[0]), scaled;
    if (!decimal_mul(whole, decimal_pow10[up], &scaled))
        return false;
    /* rest < n < 2^63 and 10^up < 2^54. */
    uint128 fraction = rest * (uint128)decimal_pow10[up], digits = fraction / n;
    digits += (fraction % n) * 2 >= n;
    if (!decimal_add(scaled, (int128)digits, &scaled))
        return false;
    *ret = negative ? -scaled : scaled;
    return true;
}

/* ---- count ---- */

static void count_rows(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                       const int64_t *weights)
{
    (void)arg;
    if (!weights)
        for (uint32_t i = 0; i < n; i++)
            ++*(int64_t *)states[i];
    else
        for (uint32_t i = 0; i < n; i++)
            *(int64_t *)states[i] += weights[rows[i]];
}

static void count_values(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                         const int64_t *weights)
{
    if (!arg->valid)
        count_rows(states, arg, rows, n, weights);
    else
        UPDATE_LOOP(int64_t, ((void)r, *state += w));
}

static void count_fold(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)
{
    (void)arg;
    for (uint32_t g = 0; g < r->ngroups; g++)
        *(int64_t *)(r->values[g] + offset) += r->counts[g];
}

static void count_merge(void *into, const void *from) { *(int64_t *)into += *(const int64_t *)from; }

static bool count_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                        const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    ((int64_t *)out->data)[row] = *(const int64_t *)state;
    return true;
}

static struct type result_int8(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_INT8);
}

/* ---- sum, avg ---- */

#define SUM_UPDATE(NAME, T)                                                                                            \
    static void NAME(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,                  \
                     const int64_t *weights)                                                                           \
    {                                                                                                                  \
        const T *values = arg->data;                                                                                   \
        UPDATE_LOOP(struct sum_state, {                                                                                \
            sum_add(state, (int128)values[r] * w);                                                                     \
            state->n += w;                                                                                             \
        });                                                                                                            \
    }
SUM_UPDATE(sum_int4, int32_t)
SUM_UPDATE(sum_int8, int64_t)

static void sum_numeric(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                        const int64_t *weights)
{
    if (type_is_small_numeric(arg->type)) {
        sum_int8(states, arg, rows, n, weights);
        return;
    }
    const int128 *values = arg->data;
    UPDATE_LOOP(struct sum_state, {
        if (w == 1)
            sum_add(state, values[r]);
        else
            sum_add_weighted(state, values[r], w);
        state->n += w;
    });
}

/* Grouped rows are added up in 64 bits, a word a group. Where values are so large that this could overflow, which is
 * seen only afterwards, `false` says so and the words are good for nothing. */
#define ADD_UP(NAME, T)                                                                                                \
    static bool NAME(const struct aggregate_rows *r, const T *values)                                                  \
    {                                                                                                                  \
        uint64_t *sums = (uint64_t *)r->scratch, sum = 0, seen = 0;                                                    \
        if (r->ngroups == 1) {                                                                                         \
            for (uint32_t i = 0; i < r->n; i++) {                                                                      \
                const int64_t v = values[r->rows[i]];                                                                  \
                sum += (uint64_t)v;                                                                                    \
                seen |= (uint64_t)(v ^ v >> 63);                                                                       \
            }                                                                                                          \
            sums[0] = sum;                                                                                             \
        } else {                                                                                                       \
            memset(sums, 0, r->ngroups * sizeof *sums);                                                                \
            for (uint32_t i = 0; i < r->n; i++) {                                                                      \
                const int64_t v = values[r->rows[i]];                                                                  \
                sums[r->groups[i]] += (uint64_t)v;                                                                     \
                seen |= (uint64_t)(v ^ v >> 63);                                                                       \
            }                                                                                                          \
        }                                                                                                              \
        return ((int128)seen + 1) * r->n < INT64_MAX;                                                                  \
    }
ADD_UP(add_up_int4, int32_t)
ADD_UP(add_up_int8, int64_t)

static void sum_fold_groups(const struct aggregate_rows *r, uint32_t offset)
{
    for (uint32_t g = 0; g < r->ngroups; g++) {
        if (!r->counts[g])
            continue;
        struct sum_state *s = (struct sum_state *)(r->values[g] + offset);
        sum_add(s, r->scratch[g]);
        s->n += r->counts[g];
    }
}

#define FOLD_WIDE(T)                                                                                                   \
    for (uint32_t i = 0; i < r->n; i++) {                                                                              \
        struct sum_state *s = (struct sum_state *)(r->values[r->ngroups == 1 ? 0 : r->groups[i]] + offset);            \
        sum_add(s, ((const T *)arg->data)[r->rows[i]]);                                                                \
        s->n++;                                                                                                        \
    }

static void sum_fold_int4(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)
{
    bool fits = add_up_int4(r, arg->data);
    assert(fits); /* 2^32 values of 31 bits */
    sum_fold_groups(r, offset);
}

static void sum_fold_int8(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)
{
    if (likely(add_up_int8(r, arg->data)))
        sum_fold_groups(r, offset);
    else
        FOLD_WIDE(int64_t);
}

static void sum_fold_numeric(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)
{
    if (type_is_small_numeric(arg->type))
        sum_fold_int8(r, arg, offset);
    else
        FOLD_WIDE(int128);
}

static void sum_merge(void *into, const void *from)
{
    struct sum_state *s = into;
    const struct sum_state *f = from;
    uint64_t carry = __builtin_add_overflow(s->low, f->low, &s->low);
    uint128 upper = ((uint128)(uint64_t)s->high << 64 | s->middle) + ((uint128)(uint64_t)f->high << 64 | f->middle) +
                    carry;
    s->middle = (uint64_t)upper;
    s->high = (int64_t)(upper >> 64);
    s->n += f->n;
}

static bool sum_final_int8(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                           const char **ret_sqlstate)
{
    (void)arg, (void)a;
    const struct sum_state *s = state;
    int128 v;
    if (s->n == 0)
        return false;
    if (!sum_narrow(s, &v) || v < INT64_MIN || v > INT64_MAX) {
        *ret_sqlstate = OUT_OF_RANGE;
        return false;
    }
    ((int64_t *)out->data)[row] = (int64_t)v;
    return true;
}

static bool sum_final_numeric(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                              const char **ret_sqlstate)
{
    (void)arg, (void)a;
    const struct sum_state *s = state;
    int128 v;
    if (s->n == 0)
        return false;
    if (!sum_narrow(s, &v) || !decimal_fits(v, NUMERIC_MAX_PRECISION)) {
        *ret_sqlstate = OUT_OF_RANGE;
        return false;
    }
    column_set_numeric(out, row, v);
    return true;
}

enum { AVERAGE_SCALE = 16 };

static struct type result_sum(struct type arg)
{
    return type_numeric(NUMERIC_MAX_PRECISION, arg.id == TYPE_NUMERIC ? arg.scale : 0);
}

static struct type result_average(struct type arg)
{
    unsigned scale = arg.id == TYPE_NUMERIC ? arg.scale : 0;
    return type_numeric(NUMERIC_MAX_PRECISION, MAX(scale, (unsigned)AVERAGE_SCALE));
}

static bool average_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    (void)a;
    const struct sum_state *s = state;
    unsigned scale = arg.id == TYPE_NUMERIC ? arg.scale : 0;
    int128 v;
    if (s->n <= 0)
        return false;
    if (!sum_divide(s, result_average(arg).scale - scale, &v)) {
        *ret_sqlstate = OUT_OF_RANGE;
        return false;
    }
    column_set_numeric(out, row, v);
    return true;
}

/* ---- sum(interval), avg(interval) ---- */

struct interval_sum {
    struct sum_state micros;
    int64_t days, months;
};

static void sum_interval(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                         const int64_t *weights)
{
    const struct interval *values = arg->data;
    UPDATE_LOOP(struct interval_sum, {
        sum_add(&state->micros, (int128)values[r].micros * w);
        state->micros.n += w;
        state->days += values[r].days * w;
        state->months += values[r].months * w;
    });
}

static void interval_merge(void *into, const void *from)
{
    struct interval_sum *s = into;
    const struct interval_sum *f = from;
    sum_merge(&s->micros, &f->micros);
    s->days += f->days;
    s->months += f->months;
}

static bool interval_total(const struct interval_sum *s, struct interval *ret, const char **ret_sqlstate)
{
    int128 micros;
    if (s->micros.n == 0)
        return false;
    if (!sum_narrow(&s->micros, &micros) || micros < INT64_MIN || micros > INT64_MAX || s->days != (int32_t)s->days ||
        s->months != (int32_t)s->months) {
        *ret_sqlstate = "22008";
        return false;
    }
    *ret = (struct interval){(int64_t)micros, (int32_t)s->days, (int32_t)s->months};
    return true;
}

static bool interval_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                           const char **ret_sqlstate)
{
    (void)arg, (void)a;
    return interval_total(state, &((struct interval *)out->data)[row], ret_sqlstate);
}

static bool interval_average_final(const void *state, struct type arg, struct column *out, size_t row,
                                   struct arena *a, const char **ret_sqlstate)
{
    (void)arg, (void)a;
    const struct interval_sum *s = state;
    struct interval total;
    if (!interval_total(s, &total, ret_sqlstate))
        return false;
    if (interval_divide(total, (double)s->micros.n, &((struct interval *)out->data)[row]))
        return true;
    *ret_sqlstate = "22008";
    return false;
}

static struct type result_interval(struct type arg) { return arg; }

/* ---- bool_and, bool_or ---- */

struct truth_state {
    int64_t n[2]; /* falses, trues */
};

static void truth_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                         const int64_t *weights)
{
    const uint8_t *values = arg->data;
    UPDATE_LOOP(struct truth_state, state->n[values[r] & 1] += w);
}

static void truth_merge(void *into, const void *from)
{
    struct truth_state *s = into;
    const struct truth_state *f = from;
    s->n[0] += f->n[0];
    s->n[1] += f->n[1];
}

static bool truth_final(const struct truth_state *s, bool of_no_use, struct column *out, size_t row)
{
    if (s->n[0] == 0 && s->n[1] == 0)
        return false;
    ((uint8_t *)out->data)[row] = s->n[of_no_use] == 0 ? !of_no_use : of_no_use;
    return true;
}

static bool and_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    return truth_final(state, false, out, row);
}

static bool or_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                     const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    return truth_final(state, true, out, row);
}

static struct type result_bool(struct type arg) { return arg; }

#define SUM(NAME, ARG_TYPE, STATE, UPDATE, FOLD, MERGE, FINAL, RESULT, HELP)                                           \
    {.name = NAME, .arg = ARG_TYPE, .state_size = sizeof(STATE), .retracts = true, .update = UPDATE, .fold = FOLD,     \
     .merge = MERGE, .final = FINAL, .result = RESULT, .help = HELP}

const struct aggregate aggregates_sum[] = {
    SUM("count", TYPE_UNKNOWN, int64_t, count_rows, count_fold, count_merge, count_final, result_int8, "rows"),
    SUM("count", (enum type_id)ARG_ANY, int64_t, count_values, count_fold, count_merge, count_final, result_int8,
        "values that are not NULL"),
    SUM("sum", TYPE_INT4, struct sum_state, sum_int4, sum_fold_int4, sum_merge, sum_final_int8, result_int8,
        "sum, as bigint"),
    SUM("sum", TYPE_INT8, struct sum_state, sum_int8, sum_fold_int8, sum_merge, sum_final_numeric, result_sum,
        "sum, exact"),
    SUM("sum", TYPE_NUMERIC, struct sum_state, sum_numeric, sum_fold_numeric, sum_merge, sum_final_numeric, result_sum,
        "sum, exact, at the argument's scale"),
    SUM("sum", TYPE_INTERVAL, struct interval_sum, sum_interval, NULL, interval_merge, interval_final, result_interval,
        "sum"),
    SUM("avg", TYPE_INTERVAL, struct interval_sum, sum_interval, NULL, interval_merge, interval_average_final,
        result_interval, "mean"),
    SUM("avg", TYPE_INT4, struct sum_state, sum_int4, sum_fold_int4, sum_merge, average_final, result_average,
        "mean with 16 digits after the point"),
    SUM("avg", TYPE_INT8, struct sum_state, sum_int8, sum_fold_int8, sum_merge, average_final, result_average,
        "mean with 16 digits after the point"),
    SUM("avg", TYPE_NUMERIC, struct sum_state, sum_numeric, sum_fold_numeric, sum_merge, average_final, result_average,
        "mean with 16 digits after the point, or the argument's scale if that is more"),
    SUM("bool_and", TYPE_BOOL, struct truth_state, truth_update, NULL, truth_merge, and_final, result_bool,
        "are all true?"),
    SUM("every", TYPE_BOOL, struct truth_state, truth_update, NULL, truth_merge, and_final, result_bool,
        "are all true?"),
    SUM("bool_or", TYPE_BOOL, struct truth_state, truth_update, NULL, truth_merge, or_final, result_bool,
        "is any true?"),
    {0},
};

/* ---- of different values ---- */

DISTINCT_FINAL(different_sum_int4, struct sum_state, sum_int4, sum_final_int8)
DISTINCT_FINAL(different_sum_int8, struct sum_state, sum_int8, sum_final_numeric)
DISTINCT_FINAL(different_sum_numeric, struct sum_state, sum_numeric, sum_final_numeric)
DISTINCT_FINAL(different_average_int4, struct sum_state, sum_int4, average_final)
DISTINCT_FINAL(different_average_int8, struct sum_state, sum_int8, average_final)
DISTINCT_FINAL(different_average_numeric, struct sum_state, sum_numeric, average_final)

const struct aggregate aggregates_distinct[] = {
    DISTINCT("sum", TYPE_INT4, different_sum_int4, result_int8, "sum of the different values, as bigint"),
    DISTINCT("sum", TYPE_INT8, different_sum_int8, result_sum, "sum of the different values, exact"),
    DISTINCT("sum", TYPE_NUMERIC, different_sum_numeric, result_sum, "sum of the different values, exact"),
    DISTINCT("avg", TYPE_INT4, different_average_int4, result_average, "mean of the different values"),
    DISTINCT("avg", TYPE_INT8, different_average_int8, result_average, "mean of the different values"),
    DISTINCT("avg", TYPE_NUMERIC, different_average_numeric, result_average, "mean of the different values"),
    {0},
};
