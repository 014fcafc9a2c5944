/* Approximations of bounded size, the same whatever the order of rows and their division among workers.
 *
 * approx_count_distinct: up to EXACT_MOST different values are counted exactly; more go into a HyperLogLog of 4,096
 * registers, whose standard error is 1.04 / sqrt(4096) = 1.6 %. The estimate is Ertl's, without tables (O. Ertl, New
 * cardinality estimation algorithms for HyperLogLog sketches, 2017).
 *
 * approx_percentile: a DDSketch (C. Masson et al., 2019): values are counted in buckets whose bounds grow by a factor
 * of 1.01 / 0.99, so what is answered is within 1 % of the value at that rank. It takes rows back. At most some 73,000
 * buckets of each sign are needed for all doubles; values within a factor of 1,000 need 346.
 */
#include <float.h>
#include <math.h>

#include "base/hash.h"
#include "column/rowkey.h"
#include "expr/aggregate_values.h"
#include "expr/packed.h"

/* ---- approx_count_distinct ---- */

enum { EXACT_MOST = 256, INDEX_BITS = 12, REGISTERS = 1 << INDEX_BITS, MOST_ZEROS = 64 - INDEX_BITS };

struct counter {
    struct multiset exact; /* hashes of values */
    uint8_t *registers;    /* NULL as long as exact is enough */
};

static void put_hash(struct counter *s, uint64_t hash)
{
    uint32_t index = (uint32_t)(hash >> (64 - INDEX_BITS));
    uint64_t rest = hash << INDEX_BITS;
    uint8_t rank = (uint8_t)((rest ? __builtin_clzll(rest) : MOST_ZEROS) + 1);
    s->registers[index] = MAX(s->registers[index], rank);
}

static void spread_out(struct counter *s)
{
    const struct multiset_slot *slot;
    if (!s->registers)
        s->registers = state_alloc(REGISTERS);
    for (uint32_t at = 0; (slot = multiset_next(&s->exact, &at));)
        put_hash(s, slot->key);
    multiset_release(&s->exact);
}

static void count_hash(struct counter *s, uint64_t hash)
{
    if (s->registers) {
        put_hash(s, hash);
        return;
    }
    multiset_add_word(&s->exact, hash, 1);
    if (s->exact.used > EXACT_MOST)
        spread_out(s);
}

static void counter_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                           const int64_t *weights)
{
    const uint32_t first = 0;
    bool words = value_is_word(arg->type);
    AUTO(buf) key = BUF(GIB(1));
    UPDATE_LOOP(struct counter, {
        assert(w > 0);
        uint64_t word = words ? value_word(arg, r) : 0;
        buf_clear(&key);
        if (!words)
            rowkey_put(&key, arg, &first, 1, r);
        count_hash(state, words ? hash64(&word, sizeof word, 0) : hash64(key.data, key.len, 0));
    });
}

static void counter_merge(void *into, const void *from)
{
    struct counter *s = into;
    const struct counter *f = from;
    const struct multiset_slot *slot;
    if (f->registers && !s->registers)
        spread_out(s);
    for (uint32_t i = 0; f->registers && i < REGISTERS; i++)
        s->registers[i] = MAX(s->registers[i], f->registers[i]);
    for (uint32_t at = 0; (slot = multiset_next(&f->exact, &at));)
        count_hash(s, slot->key);
}

static double sigma(double x)
{
    double y = 1, z = x, before;
    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static int64_t estimate(const uint8_t *registers)
{
    uint32_t counts[MOST_ZEROS + 2] = {0};
    for (uint32_t i = 0; i < REGISTERS; i++)
        counts[registers[i]]++;
    double m = REGISTERS, z = m * tau(1 - counts[MOST_ZEROS + 1] / m);
    for (int k = MOST_ZEROS; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return llrint(m * m / (2 * M_LN2) / z);
}

static bool counter_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    const struct counter *s = state;
    ((int64_t *)out->data)[row] = s->registers ? estimate(s->registers) : s->exact.used;
    return true;
}

static void counter_release(void *state)
{
    struct counter *s = state;
    multiset_release(&s->exact);
    state_free(s->registers, REGISTERS);
    s->registers = NULL;
}

/* u8 1 and the registers, or u8 0 and the multiset. */
static void counter_pack(const void *state, struct buf *out)
{
    const struct counter *s = state;
    buf_put_u8(out, s->registers != NULL);
    if (s->registers)
        buf_put(out, s->registers, REGISTERS);
    else
        multiset_pack(&s->exact, out);
}

static bool counter_unpack(struct reader *in, void *state)
{
    struct counter *s = state;
    uint8_t spread;
    const char *registers;
    if (!reader_u8(in, &spread) || spread > 1)
        return false;
    *s = (struct counter){0};
    if (!spread)
        return multiset_unpack(in, &s->exact);
    if (!reader_bytes(in, REGISTERS, &registers))
        return false;
    for (uint32_t i = 0; i < REGISTERS; i++)
        if ((uint8_t)registers[i] > MOST_ZEROS + 1)
            return false;
    s->registers = state_alloc(REGISTERS);
    memcpy(s->registers, registers, REGISTERS);
    return true;
}

static struct type result_count(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_INT8);
}

/* ---- approx_percentile ---- */

static const double LOG_GAMMA = 0.020000666706669435; /* of 1.01 / 0.99 */

/* Keys of buckets, in the order of their values. */
enum { BUCKET_BIAS = 1 << 20, BUCKET_INFINITE = 1 << 22, BUCKET_NAN = 1 << 23 };

struct sketch {
    struct multiset buckets;
    double fraction;
};

static int64_t bucket_of(double v)
{
    if (isnan(v))
        return BUCKET_NAN;
    if (v == 0)
        return 0;
    int64_t size = isinf(v) ? BUCKET_INFINITE : BUCKET_BIAS + (int64_t)ceil(log(fabs(v)) / LOG_GAMMA);
    return v < 0 ? -size : size;
}

/* What is at most 1 % from all values of the bucket. */
static double bucket_value(int64_t bucket)
{
    int64_t size = bucket < 0 ? -bucket : bucket;
    double v = size == 0                 ? 0
               : size == BUCKET_NAN      ? NAN
               : size == BUCKET_INFINITE ? INFINITY
                                         : fmin(0.99 * exp((double)(size - BUCKET_BIAS) * LOG_GAMMA), DBL_MAX);
    return bucket < 0 ? -v : v;
}

static void sketch_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                          const int64_t *weights)
{
    UPDATE_LOOP(struct sketch, {
        double values[2]; /* the fraction, then x */
        struct column c = {TYPE(TYPE_FLOAT8), values, NULL};
        struct reader in = packed_payload(view_slice(column_view(arg, r)));
        bool good = rowkey_get(&in, &c, 0, NULL) && rowkey_get(&in, &c, 1, NULL);
        assert(good);
        multiset_add_word(&state->buckets, (uint64_t)bucket_of(values[1]), w);
        state->fraction = state->buckets.used ? values[0] : 0;
    });
}

static void sketch_merge(void *into, const void *from)
{
    struct sketch *s = into;
    const struct sketch *f = from;
    double fraction = f->buckets.used ? f->fraction : s->fraction;
    multiset_merge(&s->buckets, &f->buckets);
    s->fraction = s->buckets.used ? fraction : 0;
}

static bool sketch_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                         const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    const struct sketch *s = state;
    AUTO(arena) scratch = {0};
    uint32_t n;
    struct multiset_slot *buckets = values_sorted(&s->buckets, &scratch, &n);
    int64_t rows = 0, seen = 0;
    for (uint32_t i = 0; i < n; i++)
        rows += buckets[i].count;
    if (n == 0)
        return false;
    double rank = s->fraction * (double)(rows - 1);
    uint32_t i = 0;
    for (seen = buckets[0].count; (double)seen <= rank && i + 1 < n; seen += buckets[i].count)
        i++;
    ((double *)out->data)[row] = bucket_value((int64_t)buckets[i].key);
    return true;
}

static void sketch_release(void *state)
{
    struct sketch *s = state;
    multiset_release(&s->buckets);
    s->fraction = 0;
}

static void sketch_pack(const void *state, struct buf *out)
{
    const struct sketch *s = state;
    buf_put(out, &s->fraction, sizeof s->fraction);
    multiset_pack(&s->buckets, out);
}

static bool sketch_unpack(struct reader *in, void *state)
{
    struct sketch *s = state;
    const char *fraction;
    if (!reader_bytes(in, sizeof s->fraction, &fraction))
        return false;
    *s = (struct sketch){0};
    memcpy(&s->fraction, fraction, sizeof s->fraction);
    return s->fraction >= 0 && s->fraction <= 1 && multiset_unpack(in, &s->buckets);
}

static struct type result_double(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_FLOAT8);
}

const struct aggregate aggregates_sketch[] = {
    {.name = "approx_count_distinct", .arg = (enum type_id)ARG_ANY, .state_size = sizeof(struct counter), .heap = true,
     .update = counter_update, .merge = counter_merge, .final = counter_final, .result = result_count,
     .release = counter_release, .pack = counter_pack, .unpack = counter_unpack,
     .sketch = "at most 8 KiB, exact to 256 values, then with a standard error of 1.6 %",
     .help = "different values: exact to 256, then HyperLogLog with a standard error of 1.6 %; 4 KiB"},
    {.name = "approx_percentile", .shape = SHAPE_QUANTILE, .takes = "double precision, double precision",
     .state_size = sizeof(struct sketch), .retracts = true, .heap = true, .update = sketch_update,
     .merge = sketch_merge, .final = sketch_final, .result = result_double, .release = sketch_release,
     .pack = sketch_pack, .unpack = sketch_unpack,
     .sketch = "about 32 bytes for every 2 % between its least and its greatest value, within 1 % of the right one",
     .help = "the value below which the fraction (a constant) of the rows lies, within 1 % of it; DDSketch"},
    {0},
};
