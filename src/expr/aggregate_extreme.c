/* min and max. The state holds one value: it cannot give up a value again, so rows of weight < 0 are not for it. */
#include "base/heap.h"
#include "column/civil.h"
#include "expr/aggregates.h"

struct extreme {
    uint64_t has; /* 0: no value yet */
    union {
        int32_t i4;
        int64_t i8;
        double f8;
        struct interval interval;
        struct view text; /* a long one's bytes are the state's own */
        uint64_t words[2]; /* a wide numeric, low word first: states are aligned to 8 only */
    };
};

#define EXTREME_UPDATE(NAME, T, FIELD, BETTER)                                                                         \
    static void NAME(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,                  \
                     const int64_t *weights)                                                                           \
    {                                                                                                                  \
        const T *values = arg->data;                                                                                   \
        UPDATE_LOOP(struct extreme, {                                                                                  \
            const T x = values[r], y = state->FIELD;                                                                   \
            assert(w > 0);                                                                                             \
            if (!state->has || (BETTER)) {                                                                             \
                state->FIELD = x;                                                                                      \
                state->has = 1;                                                                                        \
            }                                                                                                          \
        });                                                                                                            \
    }

#define EXTREME_FOLD(NAME, T, FIELD, BETTER)                                                                           \
    static void NAME(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)                        \
    {                                                                                                                  \
        const T *values = arg->data;                                                                                   \
        for (uint32_t i = 0; i < r->n; i++) {                                                                          \
            struct extreme *state = (struct extreme *)(r->values[r->ngroups == 1 ? 0 : r->groups[i]] + offset);        \
            const T x = values[r->rows[i]], y = state->FIELD;                                                          \
            if (!state->has || (BETTER)) {                                                                             \
                state->FIELD = x;                                                                                      \
                state->has = 1;                                                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

#define EXTREME_MERGE(NAME, T, FIELD, BETTER)                                                                          \
    static void NAME(void *into, const void *from)                                                                     \
    {                                                                                                                  \
        struct extreme *s = into;                                                                                      \
        const struct extreme *f = from;                                                                                \
        const T x = f->FIELD, y = s->FIELD;                                                                            \
        if (f->has && (!s->has || (BETTER)))                                                                           \
            *s = *f;                                                                                                   \
    }

#define EXTREME_FINAL(NAME, T, FIELD)                                                                                  \
    static bool NAME(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,              \
                     const char **ret_sqlstate)                                                                        \
    {                                                                                                                  \
        (void)arg, (void)a, (void)ret_sqlstate;                                                                        \
        const struct extreme *s = state;                                                                               \
        if (!s->has)                                                                                                   \
            return false;                                                                                              \
        ((T *)out->data)[row] = s->FIELD;                                                                              \
        return true;                                                                                                   \
    }

#define EXTREME(SUFFIX, T, FIELD, LESS, MORE)                                                                          \
    EXTREME_UPDATE(min_##SUFFIX, T, FIELD, LESS)                                                                       \
    EXTREME_UPDATE(max_##SUFFIX, T, FIELD, MORE)                                                                       \
    EXTREME_FOLD(min_fold_##SUFFIX, T, FIELD, LESS)                                                                    \
    EXTREME_FOLD(max_fold_##SUFFIX, T, FIELD, MORE)                                                                    \
    EXTREME_MERGE(min_merge_##SUFFIX, T, FIELD, LESS)                                                                  \
    EXTREME_MERGE(max_merge_##SUFFIX, T, FIELD, MORE)                                                                  \
    EXTREME_FINAL(final_##SUFFIX, T, FIELD)

EXTREME(i4, int32_t, i4, x < y, x > y)
EXTREME(i8, int64_t, i8, x < y, x > y)
/* NaN is above everything, as PostgreSQL sorts it. */
EXTREME(f8, double, f8, (x < y) || (y != y && x == x), (x > y) || (x != x && y == y))
EXTREME(interval, struct interval, interval, interval_length(x) < interval_length(y),
        interval_length(x) > interval_length(y))

/* ---- numeric ---- */

static int128 wide(const struct extreme *s) { return (int128)((uint128)s->words[1] << 64 | s->words[0]); }

static void numeric_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                           const int64_t *weights, int sign)
{
    UPDATE_LOOP(struct extreme, {
        int128 x = column_numeric(arg, r);
        assert(w > 0);
        if (!state->has || (sign < 0 ? x < wide(state) : x > wide(state)))
            *state = (struct extreme){.has = 1, .words = {(uint64_t)x, (uint64_t)((uint128)x >> 64)}};
    });
}

static void min_numeric(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                        const int64_t *weights)
{
    numeric_update(states, arg, rows, n, weights, -1);
}

static void max_numeric(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                        const int64_t *weights)
{
    numeric_update(states, arg, rows, n, weights, 1);
}

static void numeric_fold(const struct aggregate_rows *r, const struct column *arg, uint32_t offset, int sign)
{
    for (uint32_t i = 0; i < r->n; i++) {
        struct extreme *state = (struct extreme *)(r->values[r->ngroups == 1 ? 0 : r->groups[i]] + offset);
        int128 x = column_numeric(arg, r->rows[i]);
        if (!state->has || (sign < 0 ? x < wide(state) : x > wide(state)))
            *state = (struct extreme){.has = 1, .words = {(uint64_t)x, (uint64_t)((uint128)x >> 64)}};
    }
}

static void min_fold_numeric(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)
{
    numeric_fold(r, arg, offset, -1);
}

static void max_fold_numeric(const struct aggregate_rows *r, const struct column *arg, uint32_t offset)
{
    numeric_fold(r, arg, offset, 1);
}

static void min_merge_numeric(void *into, const void *from)
{
    struct extreme *s = into;
    const struct extreme *f = from;
    if (f->has && (!s->has || wide(f) < wide(s)))
        *s = *f;
}

static void max_merge_numeric(void *into, const void *from)
{
    struct extreme *s = into;
    const struct extreme *f = from;
    if (f->has && (!s->has || wide(f) > wide(s)))
        *s = *f;
}

static bool final_numeric(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    const struct extreme *s = state;
    if (!s->has)
        return false;
    column_set_numeric(out, row, wide(s));
    return true;
}

/* ---- text ---- */

static void text_release(void *state)
{
    struct extreme *s = state;
    if (s->has && s->text.len > VIEW_INLINE)
        heap_free((char *)s->text.ptr);
    s->has = 0;
}

static void text_set(struct extreme *s, const struct view *v)
{
    struct view copy = *v;
    if (v->len > VIEW_INLINE)
        copy.ptr = heap_dup(v->ptr, v->len);
    text_release(s);
    s->text = copy;
    s->has = 1;
}

static void text_offer(struct extreme *s, const struct view *v, int sign)
{
    if (!s->has || view_compare(v, &s->text) * sign > 0)
        text_set(s, v);
}

static void min_text(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                     const int64_t *weights)
{
    UPDATE_LOOP(struct extreme, (assert(w > 0), text_offer(state, column_view(arg, r), -1)));
}

static void max_text(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                     const int64_t *weights)
{
    UPDATE_LOOP(struct extreme, (assert(w > 0), text_offer(state, column_view(arg, r), 1)));
}

static void min_merge_text(void *into, const void *from)
{
    const struct extreme *f = from;
    if (f->has)
        text_offer(into, &f->text, -1);
}

static void max_merge_text(void *into, const void *from)
{
    const struct extreme *f = from;
    if (f->has)
        text_offer(into, &f->text, 1);
}

static bool final_text(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                       const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    const struct extreme *s = state;
    if (!s->has)
        return false;
    ((struct view *)out->data)[row] = view_copy(s->text, a);
    return true;
}

/* u8 has, then varint length and bytes. */
static void text_pack(const void *state, struct buf *out)
{
    const struct extreme *s = state;
    buf_put_u8(out, (uint8_t)s->has);
    if (!s->has)
        return;
    buf_put_varint(out, s->text.len);
    buf_put_slice(out, view_slice(&s->text));
}

static bool text_unpack(struct reader *in, void *state)
{
    struct extreme *s = state;
    uint8_t has;
    uint64_t len;
    const char *bytes;
    if (!reader_u8(in, &has) || has > 1)
        return false;
    *s = (struct extreme){0};
    if (!has)
        return true;
    if (!reader_varint(in, &len) || len > UINT32_MAX || !reader_bytes(in, len, &bytes))
        return false;
    struct view v = view_of(bytes, len);
    text_set(s, &v);
    return true;
}

static struct type result_same(struct type arg) { return arg; }

#define PAIR(ID, SUFFIX)                                                                                               \
    {.name = "min", .arg = ID, .state_size = sizeof(struct extreme), .update = min_##SUFFIX,                           \
     .fold = min_fold_##SUFFIX, .merge = min_merge_##SUFFIX, .final = final_##SUFFIX, .result = result_same,           \
     .help = "the smallest value"},                                                                                    \
    {.name = "max", .arg = ID, .state_size = sizeof(struct extreme), .update = max_##SUFFIX,                           \
     .fold = max_fold_##SUFFIX, .merge = max_merge_##SUFFIX, .final = final_##SUFFIX, .result = result_same,           \
     .help = "the largest value"}

const struct aggregate aggregates_extreme[] = {
    PAIR(TYPE_INT4, i4),
    PAIR(TYPE_INT8, i8),
    PAIR(TYPE_FLOAT8, f8),
    PAIR(TYPE_NUMERIC, numeric),
    PAIR(TYPE_DATE, i4),
    PAIR(TYPE_TIMESTAMP, i8),
    PAIR(TYPE_TIMESTAMPTZ, i8),
    PAIR(TYPE_INTERVAL, interval),
    {.name = "min", .arg = TYPE_TEXT, .state_size = sizeof(struct extreme), .heap = true, .update = min_text,
     .merge = min_merge_text, .final = final_text, .result = result_same, .release = text_release, .pack = text_pack,
     .unpack = text_unpack, .help = "the smallest value, bytewise"},
    {.name = "max", .arg = TYPE_TEXT, .state_size = sizeof(struct extreme), .heap = true, .update = max_text,
     .merge = max_merge_text, .final = final_text, .result = result_same, .release = text_release, .pack = text_pack,
     .unpack = text_unpack, .help = "the largest value, bytewise"},
    {0},
};
