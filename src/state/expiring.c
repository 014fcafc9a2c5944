/* The payload of a SECTION_SET, version 2: blocks, one after the other, in no order:
 *
 *     4         magic "XSET"
 *     4         number of records
 *     8         horizon of the set, microseconds
 *     8         base: a time, signed, microseconds since 1970
 *     16 each   records: id.lo; then 8 bytes: the highest 24 bits of id.hi, and in the lower 40 time - base
 */
#include "state/expiring.h"

#include <stdlib.h>

#include "base/bufs.h"
#include "base/heap.h"
#include "base/os.h"
#include "base/pages.h"
#include "state/older_ids.h"

/* Bytes of a log that lie together: grown as a whole it would be copied again and again, into new memory. */
enum { PIECE = 1 << 20, PIECE_MAX = 8 << 20 };
enum { AHEAD = 16 }; /* look-ups whose memory is on its way while one is decided */
enum { LOADED_MOST = 1 << 20 }; /* ids that are loaded at once */

static const uint64_t record_span = UINT64_C(1) << 40;

/* What was inserted since the last save, as it is saved. */
struct [[gnu::aligned(ID_LINE)]] log {
    struct buf open; /* the piece that is written; the open block is its last */
    size_t head;     /* where that begins */
    struct expiring_block block;
    int64_t newest_us;
    struct bufs full, saved; /* the pieces before it; those that were handed out, and are written while others come */
};

struct expiring {
    struct log *logs;
    uint32_t nlogs;
    struct id_shards recent;
    struct older_ids *older; /* where state lies on disk; else NULL, and all ids are recent */
    struct pages *pages;     /* where the lines of recent shards lie */
    int64_t horizon_us;
    char name[SECTION_NAME_MAX];
};

static void log_init(struct log *l, int64_t horizon_us)
{
    *l = (struct log){.open = BUF(PIECE_MAX), .newest_us = INT64_MIN};
    l->block.horizon_us = horizon_us;
}

struct expiring *expiring_new(const char *name, int64_t horizon_us, uint32_t nlogs)
{
    assert(horizon_us > 0 && strlen(name) < SECTION_NAME_MAX && nlogs > 0);
    struct expiring *s = mem_zalloc(sizeof *s);
    s->nlogs = nlogs;
    s->logs = mem_aligned(ID_LINE, nlogs * sizeof *s->logs);
    for (uint32_t i = 0; i < nlogs; i++)
        log_init(&s->logs[i], horizon_us);
    s->pages = pages_new(heap_spills);
    id_shards_init(&s->recent, s->pages);
    if (heap_spills)
        s->older = older_ids_new();
    s->horizon_us = horizon_us;
    memcpy(s->name, name, strlen(name));
    return s;
}

void expiring_free(struct expiring *s)
{
    if (!s)
        return;
    id_shards_release(&s->recent);
    older_ids_free(s->older);
    for (uint32_t i = 0; i < s->nlogs; i++) {
        buf_release(&s->logs[i].open);
        bufs_release(&s->logs[i].full);
        bufs_release(&s->logs[i].saved);
    }
    free(s->logs);
    pages_free(s->pages);
    free(s);
}

uint64_t expiring_count(const struct expiring *s)
{
    return id_shards_count(&s->recent) + (s->older ? older_ids_count(s->older) : 0);
}

uint64_t expiring_bytes(const struct expiring *s)
{
    uint64_t n = sizeof *s + id_shards_bytes(&s->recent) + (s->older ? older_ids_bytes(s->older) : 0);
    for (uint32_t i = 0; i < s->nlogs; i++)
        n += sizeof s->logs[i] + s->logs[i].open.cap + s->logs[i].full.bytes + s->logs[i].saved.bytes;
    return n;
}

/* The newest time that has expired; INT64_MIN: none has. */
static inline int64_t expired_time(const struct expiring *s, int64_t evict_us)
{
    return evict_us == INT64_MIN ? INT64_MIN : saturating_sub(evict_us, s->horizon_us);
}

void expiring_sweep(struct expiring *s, int64_t evict_us, unsigned from, unsigned to)
{
    int64_t expired_us = expired_time(s, evict_us);
    if (expired_us == INT64_MIN)
        return;
    for (unsigned i = from; i < to; i++) {
        if (!s->older) {
            id_shard_shrink(&s->recent.shards[i], expired_us);
            continue;
        }
        id_shard_expire(&s->recent.shards[i], expired_us);
        older_ids_shrink(s->older, i, expired_us);
    }
}

void expiring_prepare(struct expiring *s) { pages_prepare(s->pages); }

/* ---- inserting ---- */

/* Inlined by force: gcc 12 takes a function that only prefetches for one without effect, and drops the call. */
[[gnu::always_inline]] static inline void prefetch(const struct expiring *s, struct hash128 id)
{
    const struct id_shard *h = &s->recent.shards[expiring_shard(id)];
    const struct id_line *home = &h->lines[id_home(h, id.lo)];
    __builtin_prefetch(home, 1);
    __builtin_prefetch(home + 1, 1); /* every fourth chain goes on there */
}

[[gnu::noinline]] static void make_room(struct expiring *s, unsigned shard, int64_t time_us, int64_t expired_us)
{
    if (s->older)
        older_ids_take(s->older, &s->recent.shards[shard], expired_us);
    id_shard_make_room(&s->recent.shards[shard], time_us, expired_us);
}

/* As expiring_insert, without noting it for the next save. An id that is there unexpired keeps its time. */
static inline bool insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t expired_us)
{
    unsigned shard = expiring_shard(id);
    struct id_shard *h = &s->recent.shards[shard];
    if (unlikely(id_shard_is_due(h, time_us)))
        make_room(s, shard, time_us, expired_us);
    struct id_place place;
    if (id_shard_find(h, id, expired_us, &place) || (unlikely(s->older) && older_ids_has(s->older, id, expired_us)))
        return false;
    id_shard_put(h, id, time_us, &place);
    return true;
}

/* ---- payload ---- */

static const char block_magic[4] = "XSET";

void expiring_put_block(struct buf *out, const struct expiring_block *b)
{
    buf_put(out, block_magic, sizeof block_magic);
    buf_put_u32(out, b->count);
    buf_put_u64(out, (uint64_t)b->horizon_us);
    buf_put_u64(out, (uint64_t)b->base_us);
}

bool expiring_read_block(const void *head, struct expiring_block *ret)
{
    const char *p = head;
    if (memcmp(p, block_magic, sizeof block_magic) != 0)
        return false;
    *ret = (struct expiring_block){load_u32(p + 4), (int64_t)load_u64(p + 8), (int64_t)load_u64(p + 16)};
    return true;
}

/* ---- what is new ---- */

static void finish_block(struct log *l)
{
    if (l->block.count)
        store_u32(l->open.data + l->head + 4, l->block.count);
}

static void begin_block(struct log *l, int64_t base_us)
{
    finish_block(l);
    if (l->open.len + EXPIRING_BLOCK_HEAD + EXPIRING_RECORD > PIECE)
        bufs_put(&l->full, &l->open);
    if (!l->open.data)
        l->open = buf_spare(PIECE_MAX);
    (void)buf_reserve(&l->open, PIECE - l->open.len);
    l->head = l->open.len;
    l->block.count = 0;
    l->block.base_us = base_us;
    expiring_put_block(&l->open, &l->block);
}

/* As many blocks as the times and the pieces need. */
static inline void note(struct log *l, struct hash128 id, int64_t time_us)
{
    if (unlikely(l->block.count == 0 || (uint64_t)time_us - (uint64_t)l->block.base_us >= record_span ||
                 l->open.len + EXPIRING_RECORD > PIECE))
        begin_block(l, saturating_sub(time_us, (int64_t)(record_span / 2)));
    char *to = l->open.data + l->open.len;
    store_u64(to, id.lo);
    store_u64(to + 8, id.hi >> 40 << 40 | ((uint64_t)time_us - (uint64_t)l->block.base_us));
    l->open.len += EXPIRING_RECORD;
    l->block.count++;
    l->newest_us = MAX(l->newest_us, time_us);
}

bool expiring_insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us)
{
    if (!insert(s, id, time_us, expired_time(s, evict_us)))
        return false;
    note(&s->logs[0], id, time_us);
    return true;
}

void expiring_insert_rows(struct expiring *s, const struct hash128 *ids, const int64_t *times_us, const uint32_t *rows,
                          uint32_t n, int64_t evict_us, uint8_t *ret_fresh)
{
    int64_t expired_us = expired_time(s, evict_us);
    if (s->older)
        older_ids_want(s->older, ids, rows, n);
    for (uint32_t i = 0; i < MIN(n, (uint32_t)AHEAD); i++)
        prefetch(s, ids[rows[i]]);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = rows[i];
        if (i + AHEAD < n)
            prefetch(s, ids[rows[i + AHEAD]]);
        ret_fresh[row] = insert(s, ids[row], times_us[row], expired_us);
    }
}

void expiring_note_rows(struct expiring *s, uint32_t log, const struct hash128 *ids, const int64_t *times_us,
                        const uint32_t *rows, uint32_t n, const uint8_t *fresh)
{
    assert(log < s->nlogs);
    for (uint32_t i = 0; i < n; i++)
        if (fresh[rows[i]])
            note(&s->logs[log], ids[rows[i]], times_us[rows[i]]);
}

int64_t expiring_save(struct expiring *s, uint32_t log, const struct bufs **ret)
{
    assert(log < s->nlogs);
    struct log *l = &s->logs[log];
    finish_block(l);
    bufs_put(&l->full, &l->open);
    bufs_clear(&l->saved);
    struct bufs handed_on = l->full;
    l->full = l->saved; /* which is empty, and keeps its list */
    l->saved = handed_on;
    int64_t newest_us = l->newest_us;
    if (os_planted_bug("expiring-not-saved"))
        bufs_clear(&l->saved);
    l->block.count = 0;
    l->newest_us = INT64_MIN;
    *ret = &l->saved;
    return newest_us == INT64_MIN ? INT64_MIN : expiring_end(newest_us, s->horizon_us);
}

static enum status odd(const struct expiring *s, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "the saved ids of \"%s\" are damaged: %s", s->name, what);
}

static struct hash128 record_id(const char *record)
{
    return (struct hash128){.lo = load_u64(record), .hi = load_u64(record + 8) >> 40 << 40};
}

/* Records on their way into the set: many at a time, shard by shard, so that each piece of memory is touched once for
 * many of them. Where it lies on disk, and little of it is in memory, all else would be to read it anew for each. */
struct loading {
    struct expiring *set;
    int64_t expired_us;
    struct loaded {
        const char *record;
        int64_t time_us;
    } *items;
    uint32_t *order; /* by shard */
    uint32_t count, most;
};

static unsigned loaded_shard(const struct loaded *l) { return expiring_shard(record_id(l->record)); }

static void insert_shard(struct loading *l, const uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < MIN(n, (uint32_t)AHEAD); i++)
        prefetch(l->set, record_id(l->items[order[i]].record));
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            prefetch(l->set, record_id(l->items[order[i + AHEAD]].record));
        const struct loaded *x = &l->items[order[i]];
        (void)insert(l->set, record_id(x->record), x->time_us, l->expired_us);
    }
}

/* What was saved is not the latest. */
static void insert_older(struct loading *l, unsigned shard, const uint32_t *order, uint32_t n)
{
    older_ids_begin(l->set->older, shard);
    for (uint32_t i = 0; i < n; i++) {
        const struct loaded *x = &l->items[order[i]];
        older_ids_put(l->set->older, record_id(x->record), x->time_us, l->expired_us);
    }
    older_ids_end(l->set->older, shard, l->expired_us);
}

static enum status insert_loaded(struct loading *l, struct error *err)
{
    uint32_t ends[SHARDS + 1] = {0};
    for (uint32_t i = 0; i < l->count; i++)
        ends[loaded_shard(&l->items[i]) + 1]++;
    for (unsigned k = 1; k < SHARDS; k++)
        ends[k] += ends[k - 1];
    for (uint32_t i = 0; i < l->count; i++)
        l->order[ends[loaded_shard(&l->items[i])]++] = i;
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        uint32_t begin = shard ? ends[shard - 1] : 0, n = ends[shard] - begin;
        if (n && l->set->older)
            insert_older(l, shard, l->order + begin, n);
        else
            insert_shard(l, l->order + begin, n);
        TRY(heap_check(err));
    }
    l->count = 0;
    return OK;
}

static enum status load_records(struct loading *l, const struct expiring_block *b, const char *records,
                                struct error *err)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const char *record = records + EXPIRING_RECORD * (size_t)i;
        int64_t time_us = expiring_record_time(b, record);
        if (l->expired_us != INT64_MIN && time_us <= l->expired_us)
            continue;
        l->items[l->count++] = (struct loaded){record, time_us};
        if (l->count == l->most)
            TRY(insert_loaded(l, err));
    }
    return OK;
}

static enum status load_blocks(struct loading *l, struct reader *r, struct error *err)
{
    const struct expiring *s = l->set;
    while (reader_left(r)) {
        const char *head, *records;
        struct expiring_block block;
        if (!reader_bytes(r, EXPIRING_BLOCK_HEAD, &head) || !expiring_read_block(head, &block))
            return odd(s, "a block does not begin as it should", err);
        if (block.horizon_us != s->horizon_us)
            return error_set(err, ERR_STATE, "the saved ids of \"%s\" were kept for %lld us, the pipeline says %lld us",
                             s->name, (long long)block.horizon_us, (long long)s->horizon_us);
        if (!reader_bytes(r, (size_t)block.count * EXPIRING_RECORD, &records))
            return odd(s, "a block ends early", err);
        TRY(load_records(l, &block, records, err));
    }
    return insert_loaded(l, err);
}

enum status expiring_load(struct expiring *s, uint32_t version, struct slice payload, int64_t evict_us,
                          struct error *err)
{
    if (version != EXPIRING_VERSION) {
        (void)error_set(err, ERR_STATE, "the saved ids of \"%s\" have version %u, this bourn reads version %d", s->name,
                        version, EXPIRING_VERSION);
        return error_hint(err, "run the version of bourn that wrote them");
    }
    AUTO(arena) a = {0};
    struct reader r = reader_of(payload);
    struct loading l = {.set = s, .expired_us = expired_time(s, evict_us)};
    l.most = (uint32_t)MIN(payload.len / EXPIRING_RECORD + 1, (size_t)LOADED_MOST);
    l.items = arena_array(&a, l.most, sizeof *l.items);
    l.order = arena_array(&a, l.most, sizeof *l.order);
    return load_blocks(&l, &r, err);
}
