/* The payload of a SECTION_SET, version 1: blocks, one after the other, in no order:
 *
 *     4         magic "XSET"
 *     4         number of records
 *     8         horizon of the set, microseconds
 *     24 each   records: id.lo, id.hi, time (8 bytes each, the time signed, microseconds since 1970)
 *
 * In memory a bucket is one cache line:
 *
 *     3 x 21    entries: id.lo (8), the low 7 bytes of id.hi, time - base of the shard (6 bytes)
 *     1         entries taken (bits 0-1); bit 7: some id whose chain begins here or before lies further on
 *
 * The bucket where an id's chain begins is its id.lo as a fraction of the number of buckets (which therefore need not
 * be a power of two), so that a shard's order stays the same in any size, and a rebuild reads and writes in order.
 * Entries leave only in a rebuild, hence a chain has no holes: it ends at the first bucket without bit 7.
 */
#include "state/expiring.h"

#include <stdlib.h>

#include "base/os.h"

enum { BUCKET = 64, ENTRY = 21, SLOTS = 3, FIRST_BUCKETS = 16, PENDING_KEEP = 64 };
enum { TAKEN = 3, OVERFLOWED = 0x80 };

/* In hundredths: a shard grows by half when it is fuller than FULL; a sweep that leaves it emptier than SPARSE shrinks
 * it to ROOMY. 64 bytes / 3 / SPARSE is the most that an id costs. Linear probing in buckets of three degrades steeply
 * above nine tenths. */
enum { FULL = 85, SPARSE = 56, ROOMY = 70 };

static const uint64_t time_span = UINT64_C(1) << 48;
#define ID_HIGH_MASK ((UINT64_C(1) << 56) - 1)

struct record {
    struct hash128 id;
    int64_t time_us;
};
static_assert(sizeof(struct record) == EXPIRING_RECORD, "records are saved as they lie in memory");

struct shard {
    unsigned char *buckets; /* at a cache line's start, within `memory` */
    uint32_t nbuckets, count, limit; /* limit: grow when count gets there */
    int64_t base_us;
    int64_t newest_us;
    int64_t sweep_due_us;
    void *memory;
    struct record *pending; /* inserted since the last save */
    uint32_t npending, pending_cap;
};

struct expiring {
    struct shard shards[SHARDS];
    int64_t horizon_us;
    char name[SECTION_NAME_MAX];
};

static int64_t saturating_sub(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_sub_overflow(a, b, &r) ? (b > 0 ? INT64_MIN : INT64_MAX) : r;
}

static int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_add_overflow(a, b, &r) ? (b > 0 ? INT64_MAX : INT64_MIN) : r;
}

/* Where the lookups of a shard without entries go. */
static unsigned char no_bucket[BUCKET];

struct expiring *expiring_new(const char *name, int64_t horizon_us)
{
    assert(horizon_us > 0 && strlen(name) < SECTION_NAME_MAX);
    struct expiring *s = mem_zalloc(sizeof *s);
    s->horizon_us = horizon_us;
    memcpy(s->name, name, strlen(name));
    for (unsigned i = 0; i < SHARDS; i++) {
        s->shards[i].sweep_due_us = INT64_MIN;
        s->shards[i].newest_us = INT64_MIN;
        s->shards[i].buckets = no_bucket;
    }
    return s;
}

void expiring_free(struct expiring *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        free(s->shards[i].memory);
        free(s->shards[i].pending);
    }
    free(s);
}

uint64_t expiring_count(const struct expiring *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        n += s->shards[i].count;
    return n;
}

static size_t memory_size(uint32_t nbuckets) { return nbuckets ? ((size_t)nbuckets + 1) * BUCKET : 0; }

uint64_t expiring_bytes(const struct expiring *s)
{
    uint64_t n = sizeof *s;
    for (unsigned i = 0; i < SHARDS; i++)
        n += memory_size(s->shards[i].nbuckets) + s->shards[i].pending_cap * sizeof(struct record);
    return n;
}

/* ---- buckets ---- */

static inline unsigned char *bucket_at(const struct shard *h, uint32_t i) { return h->buckets + (size_t)i * BUCKET; }

static inline uint32_t home_of(const struct shard *h, uint64_t id_lo)
{
    return (uint32_t)((id_lo >> 32) * h->nbuckets >> 32);
}

static inline uint32_t after(const struct shard *h, uint32_t i) { return i + 1 == h->nbuckets ? 0 : i + 1; }

static inline uint64_t entry_time(const unsigned char *entry) { return load_u64(entry + ENTRY - 8) >> 16; }

static inline void entry_set_time(unsigned char *entry, uint64_t since_base)
{
    store_u32(entry + 15, (uint32_t)since_base);
    uint16_t high = (uint16_t)(since_base >> 32);
    memcpy(entry + 19, &high, sizeof high);
}

static inline void entry_set(unsigned char *entry, struct hash128 id, uint64_t since_base)
{
    store_u64(entry, id.lo);
    store_u64(entry + 7, (id.hi & ID_HIGH_MASK) << 8 | entry[7]);
    entry_set_time(entry, since_base);
}

static uint64_t since_base(const struct shard *h, int64_t time_us)
{
    int64_t since = saturating_sub(time_us, h->base_us);
    return since < 0 ? 0 : MIN((uint64_t)since, time_span - 1);
}

/* Put an id that is not there; there is room. */
static inline void place(struct shard *h, uint32_t i, struct hash128 id, uint64_t since)
{
    unsigned char *b = bucket_at(h, i);
    while ((b[BUCKET - 1] & TAKEN) == SLOTS) {
        b[BUCKET - 1] |= OVERFLOWED;
        i = after(h, i);
        b = bucket_at(h, i);
    }
    entry_set(b + ENTRY * (b[BUCKET - 1] & TAKEN), id, since);
    b[BUCKET - 1]++;
}

/* ---- size ---- */

/* Move what is not expired into a table of nbuckets whose times count from base_us. */
static void rebuild(struct expiring *s, struct shard *h, uint32_t nbuckets, int64_t base_us, int64_t evict_us)
{
    struct shard old = *h;
    h->memory = mem_zalloc(memory_size(nbuckets));
    h->buckets = (unsigned char *)(((uintptr_t)h->memory + BUCKET - 1) & ~(uintptr_t)(BUCKET - 1));
    h->nbuckets = nbuckets;
    h->limit = (uint32_t)((uint64_t)nbuckets * SLOTS * FULL / 100);
    h->base_us = base_us;
    h->count = 0;
    uint64_t shard_bits = (uint64_t)(h - s->shards) << 56;
    for (uint32_t i = 0; i < old.nbuckets; i++) {
        const unsigned char *b = bucket_at(&old, i);
        for (unsigned k = 0; k < (b[BUCKET - 1] & TAKEN); k++) {
            const unsigned char *entry = b + ENTRY * k;
            int64_t time_us = old.base_us + (int64_t)entry_time(entry);
            if (expiring_is_expired(time_us, s->horizon_us, evict_us))
                continue;
            struct hash128 id = {load_u64(entry), (load_u64(entry + 8) & ID_HIGH_MASK) | shard_bits};
            place(h, home_of(h, id.lo), id, since_base(h, time_us));
            h->count++;
        }
    }
    free(old.memory);
}

static uint32_t count_live(const struct expiring *s, const struct shard *h, int64_t evict_us)
{
    if (evict_us == INT64_MIN)
        return h->count;
    uint32_t live = 0;
    for (uint32_t i = 0; i < h->nbuckets; i++) {
        const unsigned char *b = bucket_at(h, i);
        for (unsigned k = 0; k < (b[BUCKET - 1] & TAKEN); k++)
            live += !expiring_is_expired(h->base_us + (int64_t)entry_time(b + ENTRY * k), s->horizon_us, evict_us);
    }
    return live;
}

/* Buckets so that `live` ids fill `percent` of their places. */
static uint32_t buckets_for(uint64_t live, unsigned percent)
{
    uint64_t n = MAX((live * 100 + SLOTS * percent - 1) / (SLOTS * percent), (uint64_t)FIRST_BUCKETS);
    assert(n <= UINT32_MAX);
    return (uint32_t)n;
}

/* The shard is full: drop what is expired; if that is not much, grow. */
static void make_room(struct expiring *s, struct shard *h, int64_t evict_us)
{
    uint64_t live = count_live(s, h, evict_us), places = (uint64_t)h->nbuckets * SLOTS;
    uint32_t nbuckets = h->nbuckets;
    if (live * 100 > places * ROOMY)
        nbuckets = buckets_for(places + places / 2, 100);
    else if (live * 100 < places * SPARSE)
        nbuckets = buckets_for(live, ROOMY);
    rebuild(s, h, nbuckets, h->base_us, evict_us);
}

/* The first id of a shard, or a time that its 48 bits do not reach. */
static void settle(struct expiring *s, struct shard *h, int64_t time_us, int64_t evict_us)
{
    int64_t quarter = (int64_t)(time_span / 4);
    if (h->nbuckets == 0) {
        /* Shards begin at different sizes, so that they do not all grow in the same epoch, and memory an id is the same
         * at every count. */
        unsigned number = (unsigned)(h - s->shards);
        rebuild(s, h, FIRST_BUCKETS + FIRST_BUCKETS * number / (2 * SHARDS), saturating_sub(time_us, quarter),
                INT64_MIN);
    } else if (time_us > h->base_us) {
        rebuild(s, h, h->nbuckets, saturating_sub(time_us, 3 * quarter), evict_us);
    } else {
        /* Only if it is worth it: where the span is used up, ever older ids must not rebuild the shard each time. */
        int64_t span = saturating_sub(h->newest_us, time_us), room = (int64_t)time_span - 1 - span;
        if (room > quarter / 64)
            rebuild(s, h, h->nbuckets, saturating_sub(time_us, MIN(room, quarter) / 2), evict_us);
    }
}

void expiring_sweep(struct expiring *s, int64_t evict_us)
{
    if (evict_us == INT64_MIN)
        return;
    int64_t period = MAX(s->horizon_us / 8, (int64_t)1);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *h = &s->shards[i];
        if (h->sweep_due_us == INT64_MIN)
            h->sweep_due_us = saturating_add(evict_us, period / SHARDS * (i + 1));
        if (evict_us < h->sweep_due_us)
            continue;
        h->sweep_due_us = saturating_add(evict_us, period);
        uint64_t live = count_live(s, h, evict_us);
        if (live == h->count)
            continue;
        bool sparse = live * 100 < (uint64_t)h->nbuckets * SLOTS * SPARSE;
        rebuild(s, h, sparse ? MIN(buckets_for(live, ROOMY), h->nbuckets) : h->nbuckets, h->base_us, evict_us);
    }
}

/* ---- lookup ---- */

void expiring_prefetch(const struct expiring *s, struct hash128 id)
{
    const struct shard *h = &s->shards[expiring_shard(id)];
    __builtin_prefetch(bucket_at(h, home_of(h, id.lo)), 1);
}

/* Which of a bucket's entries is this id: bits. All three are compared at once, because which of them it is, or how
 * many
 * there are, no branch predictor can know. */
static inline unsigned matches(const unsigned char *b, struct hash128 id)
{
    unsigned found = 0;
    for (unsigned k = 0; k < SLOTS; k++) {
        const unsigned char *entry = b + ENTRY * k;
        uint64_t differ = (load_u64(entry) ^ id.lo) | ((load_u64(entry + 8) ^ id.hi) & ID_HIGH_MASK);
        found |= (unsigned)(differ == 0) << k;
    }
    return found & ((1u << (b[BUCKET - 1] & TAKEN)) - 1);
}

/* As expiring_insert, without noting it for the next save. An id that is there unexpired keeps its time. */
static inline bool insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us)
{
    struct shard *h = &s->shards[expiring_shard(id)];
    if (unlikely((uint64_t)time_us - (uint64_t)h->base_us >= time_span || h->nbuckets == 0))
        settle(s, h, time_us, evict_us);
    uint32_t i = home_of(h, id.lo);
    unsigned char *b = bucket_at(h, i);
    unsigned found;
    while (!(found = matches(b, id)) && (b[BUCKET - 1] & OVERFLOWED)) {
        i = after(h, i);
        b = bucket_at(h, i);
    }
    if (found) {
        unsigned char *entry = b + ENTRY * (unsigned)__builtin_ctz(found);
        if (!expiring_is_expired(h->base_us + (int64_t)entry_time(entry), s->horizon_us, evict_us))
            return false;
        entry_set_time(entry, since_base(h, time_us));
    } else {
        if (unlikely(h->count >= h->limit)) {
            make_room(s, h, evict_us);
            i = home_of(h, id.lo);
        }
        place(h, i, id, since_base(h, time_us));
        h->count++;
    }
    h->newest_us = MAX(h->newest_us, time_us);
    return true;
}

bool expiring_insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us)
{
    if (!insert(s, id, time_us, evict_us))
        return false;
    struct shard *h = &s->shards[expiring_shard(id)];
    if (unlikely(h->npending == h->pending_cap)) {
        h->pending_cap = h->pending_cap ? h->pending_cap * 2 : 8;
        h->pending = mem_realloc(h->pending, h->pending_cap * sizeof *h->pending);
    }
    h->pending[h->npending++] = (struct record){id, time_us};
    return true;
}

/* ---- payload ---- */

static const char block_magic[4] = "XSET";

void expiring_put_block(struct buf *out, const struct expiring_block *b)
{
    buf_put(out, block_magic, sizeof block_magic);
    buf_put_u32(out, b->count);
    buf_put_u64(out, (uint64_t)b->horizon_us);
}

bool expiring_read_block(const void *head, struct expiring_block *ret)
{
    const char *p = head;
    if (memcmp(p, block_magic, sizeof block_magic) != 0)
        return false;
    *ret = (struct expiring_block){load_u32(p + 4), (int64_t)load_u64(p + 8)};
    return true;
}

int64_t expiring_save(struct expiring *s, unsigned from, unsigned to, struct buf *out)
{
    assert(from <= to && to <= SHARDS);
    uint64_t total = 0;
    for (unsigned i = from; i < to; i++)
        total += s->shards[i].npending;
    assert(total <= UINT32_MAX);
    int64_t newest_us = INT64_MIN;
    bool forget = os_planted_bug("expiring-not-saved");
    if (total && !forget)
        expiring_put_block(out, &(struct expiring_block){(uint32_t)total, s->horizon_us});
    for (unsigned i = from; i < to; i++) {
        struct shard *h = &s->shards[i];
        for (uint32_t k = 0; k < h->npending; k++)
            newest_us = MAX(newest_us, h->pending[k].time_us);
        if (!forget)
            buf_put(out, h->pending, h->npending * sizeof *h->pending);
        /* What one large epoch needed is not kept for ever. */
        if (h->pending_cap > PENDING_KEEP && h->npending < h->pending_cap / 4) {
            free(h->pending);
            h->pending = NULL;
            h->pending_cap = 0;
        }
        h->npending = 0;
    }
    return total ? expiring_end(newest_us, s->horizon_us) : INT64_MIN;
}

static enum status odd(const struct expiring *s, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "the saved ids of \"%s\" are damaged: %s", s->name, what);
}

static void load_records(struct expiring *s, const char *records, uint32_t count, int64_t evict_us)
{
    enum { AHEAD = 16 };
    for (uint32_t i = 0; i < count; i++) {
        struct record r, ahead;
        memcpy(&ahead, records + EXPIRING_RECORD * (size_t)MIN(i + AHEAD, count - 1), sizeof ahead);
        expiring_prefetch(s, ahead.id);
        memcpy(&r, records + EXPIRING_RECORD * (size_t)i, sizeof r);
        if (!expiring_is_expired(r.time_us, s->horizon_us, evict_us))
            (void)insert(s, r.id, r.time_us, evict_us);
    }
}

enum status expiring_load(struct expiring *s, uint32_t version, struct slice payload, int64_t evict_us,
                          struct error *err)
{
    if (version != EXPIRING_VERSION) {
        (void)error_set(err, ERR_STATE, "the saved ids of \"%s\" have version %u, this bourn reads version %d", s->name,
                        version, EXPIRING_VERSION);
        return error_hint(err, "run the version of bourn that wrote them");
    }
    struct reader r = reader_of(payload);
    while (reader_left(&r)) {
        const char *head, *records;
        struct expiring_block block;
        if (!reader_bytes(&r, EXPIRING_BLOCK_HEAD, &head) || !expiring_read_block(head, &block))
            return odd(s, "a block does not begin as it should", err);
        if (block.horizon_us != s->horizon_us)
            return error_set(err, ERR_STATE, "the saved ids of \"%s\" were kept for %lld us, the pipeline says %lld us",
                             s->name, (long long)block.horizon_us, (long long)s->horizon_us);
        if (!reader_bytes(&r, (size_t)block.count * EXPIRING_RECORD, &records))
            return odd(s, "a block ends early", err);
        load_records(s, records, block.count, evict_us);
    }
    return OK;
}
