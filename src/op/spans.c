#include "op/spans.h"

#include "base/heap.h"
#include "column/rowkey.h"

static bool reaches(int64_t end, int64_t start, bool touching) { return touching ? end >= start : end > start; }

struct meeting spans_meet(struct spans *s, int64_t start, int64_t end, bool touching)
{
    struct span **items = spans_items(s);
    uint32_t low = 0, high = s->count;
    if (high && items[high - 1]->start <= start) /* time goes on: mostly it is the last one, or behind it */
        low = high - reaches(items[high - 1]->end, start, touching);
    while (low < high) { /* the first that ends behind the start */
        uint32_t middle = low + (high - low) / 2;
        if (reaches(items[middle]->end, start, touching))
            high = middle;
        else
            low = middle + 1;
    }
    while (high < s->count && reaches(end, items[high]->start, touching))
        high++;
    return (struct meeting){low, high};
}

void spans_replace(struct spans *s, struct meeting met, struct span *with)
{
    assert(met.from <= met.to && met.to <= s->count);
    if (met.from == met.to && s->count == (s->cap ? s->cap : 1)) {
        assert(s->cap < UINT32_MAX / 2);
        uint32_t cap = s->cap ? 2 * s->cap : 4;
        struct span **more = heap_alloc(cap * sizeof *more);
        memcpy(more, spans_items(s), s->count * sizeof *more);
        if (s->cap)
            heap_free(s->many);
        s->many = more;
        s->cap = cap;
    }
    struct span **items = spans_items(s);
    memmove(items + met.from + 1, items + met.to, (s->count - met.to) * sizeof *items);
    items[met.from] = with;
    s->count = s->count - (met.to - met.from) + 1;
}

void spans_remove(struct spans *s, struct meeting met)
{
    struct span **items = spans_items(s);
    memmove(items + met.from, items + met.to, (s->count - met.to) * sizeof *items);
    s->count -= met.to - met.from;
}

void spans_release(struct spans *s)
{
    if (s->cap)
        heap_free(s->many);
    *s = (struct spans){0};
}

/* ---- as entries ---- */

enum { START_BYTES = 8 };

struct keyed_entry *span_make(struct keyed *t, uint64_t key_hash, struct slice key, int64_t start,
                              struct buf *scratch)
{
    char bytes[START_BYTES];
    store_u64(bytes, __builtin_bswap64((uint64_t)start ^ (UINT64_C(1) << 63)));
    buf_clear(scratch);
    buf_put_slice(scratch, key);
    buf_put(scratch, bytes, sizeof bytes);
    assert(!scratch->overflow); /* the key came through the in-flight budget */
    struct slice whole = buf_slice(scratch);
    bool fresh;
    struct keyed_entry *e = keyed_get(t, hash_in_shard_of(key_hash, whole), whole.data, whole.len, &fresh);
    assert(fresh);
    return e;
}

struct slice span_key(struct slice whole)
{
    return (struct slice){whole.data, whole.len >= START_BYTES ? whole.len - START_BYTES : 0};
}

uint64_t span_hash(struct slice whole)
{
    struct slice key = span_key(whole);
    return hash_in_shard_of(hash64(key.data, key.len, 0), whole);
}

/* ---- beside them ---- */

void span_shards_init(struct span_shard *shards)
{
    for (unsigned s = 0; s < SHARDS; s++)
        shards[s] = (struct span_shard){.indexed = true, .scratch = BUF(ROWKEY_MAX)};
}

void span_shards_release(struct span_shard *shards)
{
    for (unsigned s = 0; s < SHARDS; s++) {
        due_release(&shards[s].due);
        buf_release(&shards[s].scratch);
    }
}

void span_shards_loaded(struct span_shard *shards)
{
    for (unsigned s = 0; s < SHARDS; s++)
        shards[s].indexed = false;
}

uint64_t span_shards_bytes(const struct span_shard *shards)
{
    uint64_t bytes = 0;
    for (unsigned s = 0; s < SHARDS; s++)
        bytes += due_bytes(&shards[s].due) + shards[s].scratch.cap;
    return bytes;
}
