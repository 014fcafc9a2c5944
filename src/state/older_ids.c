/* A shard's filter is a Bloom filter in blocks of a cache line: an id sets BITS of the 512 bits of one block. With a
 * block for so many lines of four entries (which are 64 to 80 in 100 full) an id has about 8 bits, and of the ids that
 * are not there 2 to 3 in 100 seem to be. Blocks are in the order of ids, as lines are, so that filling one is a pass.
 */
#include "state/older_ids.h"

#include <stdlib.h>

#include "base/heap.h"

enum { BLOCK = 64, BITS = 5, BIT_WIDTH = 9, LINES_A_BLOCK = 24 };
/* Of the memory for state, recent ids take at most this part, at this many bytes each (id_shard.c: 16 / SPARSE). */
enum { RECENT_PART = 4, RECENT_BYTES = 36, RECENT_LEAST = 64 };

struct block {
    uint64_t words[BLOCK / 8];
};

struct filter {
    struct block *blocks; /* heap_kept */
    uint32_t nblocks;
};

static size_t filter_size(const struct filter *f) { return (size_t)f->nblocks * BLOCK; }

struct older_ids {
    struct pages *pages;
    struct id_shards ids;
    struct filter filters[SHARDS];
    uint32_t take_at[SHARDS]; /* recent ids of the shard */
    uint32_t most_recent;
};

/* Shards begin at different counts, so that they are not all full, and moved, at the same time. */
struct older_ids *older_ids_new(void)
{
    struct older_ids *o = mem_zalloc(sizeof *o);
    o->pages = pages_new(false);
    id_shards_init(&o->ids, o->pages);
    struct heap_status heap;
    heap_status(&heap);
    uint64_t most = heap.limit / RECENT_PART / RECENT_BYTES / SHARDS;
    o->most_recent = (uint32_t)MIN(MAX(most, (uint64_t)RECENT_LEAST), (uint64_t)UINT32_MAX);
    for (uint32_t i = 0; i < SHARDS; i++)
        o->take_at[i] = (uint32_t)((uint64_t)o->most_recent * (i + 1) / SHARDS);
    return o;
}

void older_ids_free(struct older_ids *o)
{
    if (!o)
        return;
    id_shards_release(&o->ids);
    pages_free(o->pages);
    for (uint32_t i = 0; i < SHARDS; i++)
        heap_kept_free(o->filters[i].blocks, filter_size(&o->filters[i]));
    free(o);
}

uint64_t older_ids_count(const struct older_ids *o) { return id_shards_count(&o->ids); }

uint64_t older_ids_bytes(const struct older_ids *o)
{
    uint64_t n = sizeof *o + id_shards_bytes(&o->ids);
    for (uint32_t i = 0; i < SHARDS; i++)
        n += filter_size(&o->filters[i]);
    return n;
}

/* ---- filters ---- */

static struct block *block_of(const struct filter *f, struct hash128 id)
{
    return &f->blocks[(id.lo >> 32) * f->nblocks >> 32];
}

/* Which of a block's bits: 45 of the id that do not choose the block. */
static uint64_t bits_of(struct hash128 id) { return (id.lo & UINT32_MAX) | id_tag(id) << 32; }

static void filter_add(struct filter *f, struct hash128 id)
{
    struct block *b = block_of(f, id);
    uint64_t bits = bits_of(id);
    for (unsigned i = 0; i < BITS; i++, bits >>= BIT_WIDTH)
        b->words[bits >> 6 & 7] |= UINT64_C(1) << (bits & 63);
}

static bool filter_may_have(const struct filter *f, struct hash128 id)
{
    if (f->nblocks == 0)
        return false;
    const struct block *b = block_of(f, id);
    uint64_t bits = bits_of(id), all = 1;
    for (unsigned i = 0; i < BITS; i++, bits >>= BIT_WIDTH)
        all &= b->words[bits >> 6 & 7] >> (bits & 63);
    return all;
}

/* Made anew from what is unexpired: so what has expired leaves it, and it grows with its shard. */
static void filter_make(struct filter *f, const struct id_shard *h, int64_t expired_us)
{
    uint32_t nblocks = (h->nlines + LINES_A_BLOCK - 1) / LINES_A_BLOCK;
    if (nblocks == 0) /* nothing ever came that was unexpired */
        return;
    if (nblocks == f->nblocks) {
        memset(f->blocks, 0, filter_size(f));
    } else {
        heap_kept_free(f->blocks, filter_size(f));
        *f = (struct filter){heap_kept(BLOCK, (size_t)nblocks * BLOCK), nblocks};
    }
    struct hash128 id;
    int64_t time_us;
    for (uint64_t at = 0; id_shard_next(h, id_free_code(h, expired_us), &at, &id, &time_us);)
        filter_add(f, id);
}

/* ---- looking up ---- */

bool older_ids_has(const struct older_ids *o, struct hash128 id, int64_t expired_us)
{
    unsigned shard = shard_of(id.hi);
    struct id_place place;
    return filter_may_have(&o->filters[shard], id) && id_shard_find(&o->ids.shards[shard], id, expired_us, &place);
}

void older_ids_want(const struct older_ids *o, const struct hash128 *ids, const uint32_t *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct hash128 id = ids[rows[i]];
        const struct filter *f = &o->filters[shard_of(id.hi)];
        if (f->nblocks)
            heap_want(block_of(f, id));
    }
    for (uint32_t i = 0; i < n; i++) {
        struct hash128 id = ids[rows[i]];
        const struct id_shard *h = &o->ids.shards[shard_of(id.hi)];
        if (filter_may_have(&o->filters[shard_of(id.hi)], id))
            heap_want(&h->lines[id_home(h, id.lo)]);
    }
}

/* ---- what comes ---- */

void older_ids_begin(struct older_ids *o, unsigned shard)
{
    heap_want_all(o->ids.shards[shard].lines, id_shard_bytes(&o->ids.shards[shard]));
}

void older_ids_put(struct older_ids *o, struct hash128 id, int64_t time_us, int64_t expired_us)
{
    (void)id_shard_insert(&o->ids.shards[shard_of(id.hi)], id, time_us, expired_us);
}

void older_ids_end(struct older_ids *o, unsigned shard, int64_t expired_us)
{
    filter_make(&o->filters[shard], &o->ids.shards[shard], expired_us);
    heap_tend();
}

void older_ids_take(struct older_ids *o, struct id_shard *recent, int64_t expired_us)
{
    uint32_t shard = recent->history->number;
    if (id_shard_count(recent) < o->take_at[shard])
        return;
    older_ids_begin(o, shard);
    struct hash128 id;
    int64_t time_us;
    for (uint64_t at = 0; id_shard_next(recent, id_free_code(recent, expired_us), &at, &id, &time_us);)
        older_ids_put(o, id, time_us, expired_us);
    older_ids_end(o, shard, expired_us);
    id_shard_clear(recent);
    o->take_at[shard] = o->most_recent;
}

void older_ids_shrink(struct older_ids *o, unsigned shard, int64_t expired_us)
{
    id_shard_shrink(&o->ids.shards[shard], expired_us);
}
