/* count(DISTINCT x), and min and max over rows that may be taken back: the state is every value with its count. */
#include "expr/aggregate_values.h"

#include <math.h>
#include <stdlib.h>

#include "column/rowkey.h"

/* ---- values as keys ---- */

bool value_is_word(struct type t) { return !type_is_view(t) && type_width(t) <= 8; }

/* Doubles in their order: the bits of negative ones descend. NaN is above all, and -0 is 0. */
static uint64_t double_word(double v)
{
    int64_t bits;
    if (isnan(v))
        return INT64_MAX;
    v = v == 0 ? 0 : v;
    memcpy(&bits, &v, sizeof bits);
    return (uint64_t)(bits < 0 ? bits ^ INT64_MAX : bits);
}

static double word_double(uint64_t word)
{
    int64_t bits = (int64_t)word;
    double v;
    if (bits == INT64_MAX)
        return NAN;
    bits = bits < 0 ? bits ^ INT64_MAX : bits;
    memcpy(&v, &bits, sizeof v);
    return v;
}

uint64_t value_word(const struct column *c, size_t row)
{
    if (c->type.id == TYPE_FLOAT8)
        return double_word(((const double *)c->data)[row]);
    switch (type_width(c->type)) {
    case 1: return ((const uint8_t *)c->data)[row];
    case 4: return (uint64_t)(int64_t)((const int32_t *)c->data)[row];
    default: return ((const uint64_t *)c->data)[row];
    }
}

void value_get(const struct multiset_slot *slot, struct column *out, size_t row, struct arena *a)
{
    if (!value_is_word(out->type)) {
        struct reader in = reader_of(multiset_key(slot));
        bool good = rowkey_get(&in, out, row, a);
        assert(good);
        if (reader_left(&in)) /* an interval as it was written */
            memcpy((char *)out->data + row * sizeof(struct interval), in.p, sizeof(struct interval));
        return;
    }
    if (out->type.id == TYPE_FLOAT8) {
        ((double *)out->data)[row] = word_double(slot->key);
        return;
    }
    switch (type_width(out->type)) {
    case 1: ((uint8_t *)out->data)[row] = (uint8_t)slot->key; break;
    case 4: ((int32_t *)out->data)[row] = (int32_t)slot->key; break;
    default: ((uint64_t *)out->data)[row] = slot->key;
    }
}

static int by_word(const void *x, const void *y)
{
    int64_t a = (int64_t)((const struct multiset_slot *)x)->key, b = (int64_t)((const struct multiset_slot *)y)->key;
    return (a > b) - (a < b);
}

static int by_bytes(const void *x, const void *y)
{
    struct slice k = multiset_key(x), l = multiset_key(y);
    int order = memcmp(k.data, l.data, MIN(k.len, l.len));
    return order ? order : (k.len > l.len) - (k.len < l.len);
}

struct multiset_slot *values_sorted(const struct multiset *s, struct arena *a, uint32_t *ret_n)
{
    struct multiset_slot *sorted = arena_array(a, s->used, sizeof *sorted);
    const struct multiset_slot *slot;
    uint32_t n = 0;
    for (uint32_t at = 0; (slot = multiset_next(s, &at));)
        if (slot->count > 0)
            sorted[n++] = *slot;
    if (n)
        qsort(sorted, n, sizeof *sorted, s->bytes ? by_bytes : by_word);
    *ret_n = n;
    return sorted;
}

/* ---- the state ---- */

void values_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                   const int64_t *weights)
{
    if (value_is_word(arg->type)) {
        UPDATE_LOOP(struct multiset, multiset_add_word(state, value_word(arg, r), w));
        return;
    }
    const uint32_t first = 0;
    AUTO(buf) key = BUF(GIB(1));
    UPDATE_LOOP(struct multiset, {
        buf_clear(&key);
        rowkey_put(&key, arg, &first, 1, r);
        multiset_add_bytes(state, buf_slice(&key), w);
    });
}

/* Intervals of one length may be written in several ways, of which min and max give back one. */
static void intervals_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                             const int64_t *weights)
{
    const uint32_t first = 0;
    AUTO(buf) key = BUF(MIB(1));
    UPDATE_LOOP(struct multiset, {
        buf_clear(&key);
        rowkey_put(&key, arg, &first, 1, r);
        buf_put(&key, (const struct interval *)arg->data + r, sizeof(struct interval));
        multiset_add_bytes(state, buf_slice(&key), w);
    });
}

void values_merge(void *into, const void *from) { multiset_merge(into, from); }
void values_release(void *state) { multiset_release(state); }
void values_pack(const void *state, struct buf *out) { multiset_pack(state, out); }
bool values_unpack(struct reader *in, void *state) { return multiset_unpack(in, state); }

bool values_fold(const void *state, struct type arg, update_fn *update, size_t state_size, final_fn *final,
                 struct column *out, size_t row, struct arena *a, const char **ret_sqlstate)
{
    enum { CHUNK = 256 };
    AUTO(arena) scratch = {0};
    struct column values = column_make(&scratch, arg, CHUNK, false);
    void *plain = arena_zalloc(&scratch, state_size), *states[CHUNK];
    uint32_t rows[CHUNK], n = 0;
    const struct multiset_slot *slot;
    for (uint32_t i = 0; i < CHUNK; i++) {
        states[i] = plain;
        rows[i] = i;
    }
    for (uint32_t at = 0; (slot = multiset_next(state, &at));) {
        if (slot->count < 0)
            continue;
        value_get(slot, &values, n++, &scratch);
        if (n == CHUNK) {
            update(states, &values, rows, n, NULL);
            n = 0;
        }
    }
    update(states, &values, rows, n, NULL);
    return final(plain, arg, out, row, a, ret_sqlstate);
}

/* ---- count(DISTINCT) ---- */

static bool count_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                        const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    ((int64_t *)out->data)[row] = ((const struct multiset *)state)->present;
    return true;
}

static struct type result_count(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_INT8);
}

/* ---- min, max ---- */

static bool comes_before(const struct multiset *s, const struct multiset_slot *x, const struct multiset_slot *y)
{
    return (s->bytes ? by_bytes(x, y) : by_word(x, y)) < 0;
}

static bool extreme_final(const struct multiset *s, bool least, struct column *out, size_t row, struct arena *a)
{
    const struct multiset_slot *slot, *best = NULL;
    for (uint32_t at = 0; (slot = multiset_next(s, &at));)
        if (slot->count > 0 && (!best || comes_before(s, slot, best) == least))
            best = slot;
    if (best)
        value_get(best, out, row, a);
    return best;
}

static bool min_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    return extreme_final(state, true, out, row, a);
}

static bool max_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    return extreme_final(state, false, out, row, a);
}

static struct type result_same(struct type arg) { return arg; }

#define CHANGES(NAME, ID, UPDATE, FINAL, HELP)                                                                         \
    {.name = NAME, .arg = ID, .variant = AGGREGATE_CHANGES, .state_size = sizeof(struct multiset), .retracts = true,   \
     .heap = true, .grows = true, .update = UPDATE, .merge = values_merge, .final = FINAL, .result = result_same,      \
     .release = values_release, .pack = values_pack, .unpack = values_unpack, .help = HELP}
#define PAIR(ID, UPDATE)                                                                                               \
    CHANGES("min", ID, UPDATE, min_final, "the smallest value"),                                                       \
        CHANGES("max", ID, UPDATE, max_final, "the largest value")

const struct aggregate aggregates_values[] = {
    DISTINCT("count", (enum type_id)ARG_ANY, count_final, result_count, "different values"),
    PAIR(TYPE_INT4, values_update),
    PAIR(TYPE_INT8, values_update),
    PAIR(TYPE_FLOAT8, values_update),
    PAIR(TYPE_NUMERIC, values_update),
    PAIR(TYPE_TEXT, values_update),
    PAIR(TYPE_DATE, values_update),
    PAIR(TYPE_TIMESTAMP, values_update),
    PAIR(TYPE_TIMESTAMPTZ, values_update),
    PAIR(TYPE_INTERVAL, intervals_update),
    {.name = "approx_count_distinct", .arg = (enum type_id)ARG_ANY, .variant = AGGREGATE_CHANGES,
     .state_size = sizeof(struct multiset), .retracts = true, .heap = true, .grows = true, .update = values_update,
     .merge = values_merge, .final = count_final, .result = result_count, .release = values_release,
     .pack = values_pack, .unpack = values_unpack, .help = "different values, exactly"},
    {0},
};
