/* An entry's key is the row (ordered.h). Ties: u8 0 and the row's ordinal (u64 epoch, u32 source, u32 split, u64
 * offset, big-endian), or u8 1 alone where rows have none. Within a partition memcmp from the sort key on orders the
 * rows. The identity has the top byte of the partition key's hash, so that a partition is in one shard. An entry's
 * value: the weight, 8 bytes, little-endian.
 */
#include "op/ordered.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/slot.h"
#include "column/rowkey.h"
#include "column/rowpack.h"

enum { ORDERED_VERSION = 2, ORDINAL = 24, PACKED = 8, CHUNK_ROWS = 128, FIRST_SLOTS = 16, WALKED = 16 };

struct part {
    uint64_t *slots; /* an open table by hash (base/slot.h) */
    uint32_t mask, used;
    struct ordered_partition **touched;
    uint32_t ntouched, touched_cap;
    struct due due;
    int64_t bytes; /* beside the keyed table */
    bool indexed;  /* what was loaded is in partitions */
};

struct ordered {
    struct ordered_config config;
    struct keyed *rows;
    struct part parts[SHARDS];
};

/* ---- keys ---- */

void ordered_row_seal(struct buf *row, uint32_t partition_len, uint32_t sort_len, uint64_t partition_hash)
{
    assert(!row->overflow); /* it came through the in-flight budget */
    store_u32(row->data + KEYED_IDENTITY, partition_len);
    store_u32(row->data + KEYED_IDENTITY + 4, sort_len);
    (void)keyed_identify(row->data, row->len, partition_hash);
}

/* Do its lengths fit what it is? */
static bool is_row(struct slice row)
{
    if (row.len < ORDERED_ROW_HEAD)
        return false;
    size_t partition = load_u32(row.data + KEYED_IDENTITY), sort = load_u32(row.data + KEYED_IDENTITY + 4),
           left = row.len - ORDERED_ROW_HEAD;
    if (partition > left || sort >= left - partition)
        return false;
    size_t ties = left - partition - sort;
    return row.data[row.len - ties] ? ties >= 1 : ties >= 1 + ORDINAL;
}

/* Also of rows read back: they may lie about lengths and shards. */
static uint64_t hash_of_row(struct slice row)
{
    uint64_t hash = keyed_identity_hash(row.data);
    if (row.len == KEYED_IDENTITY)
        return hash;
    struct slice partition = is_row(row) ? ordered_row_partition(row) : (struct slice){0};
    return partition.data && shard_of(hash64(partition.data, partition.len, 0)) == shard_of(hash) ? hash : ~hash;
}

struct slice ordered_order(const struct ordered *o, const struct keyed_entry *e)
{
    return ordered_row_order(keyed_key(o->rows, e));
}

struct slice ordered_sort_key(const struct ordered *o, const struct keyed_entry *e)
{
    return ordered_row_sort_key(keyed_key(o->rows, e));
}

struct slice ordered_packed(const struct ordered *o, const struct keyed_entry *e)
{
    struct slice order = ordered_order(o, e);
    size_t sort = ordered_sort_key(o, e).len, before = sort + 1 + (order.data[sort] ? 0 : ORDINAL);
    return (struct slice){order.data + before, order.len - before};
}

int ordered_compare(const struct ordered *o, const struct keyed_entry *a, const struct keyed_entry *b)
{
    return slice_compare(ordered_order(o, a), ordered_order(o, b));
}

void ordered_put_row(struct buf *row, const struct batch *b, uint32_t ncols, uint32_t at, int64_t epoch)
{
    buf_put_u8(row, !b->origin);
    if (b->origin) {
        buf_put_u64(row, __builtin_bswap64((uint64_t)epoch));
        buf_put_u32(row, __builtin_bswap32(b->origin->source));
        buf_put_u32(row, __builtin_bswap32(b->origin->split));
        buf_put_u64(row, __builtin_bswap64((uint64_t)b->origin->offset[at] ^ UINT64_C(1) << 63));
    }
    rowpack_put(row, b->cols, ncols, at);
}

/* ---- values ---- */

static void pack_row(void *arg, const void *value, struct buf *out)
{
    (void)arg;
    buf_put_u64(out, (uint64_t)((const struct ordered_row *)value)->weight);
}

static bool unpack_row(void *arg, struct reader *in, void *value)
{
    (void)arg;
    uint64_t weight;
    if (!reader_u64(in, &weight))
        return false;
    ((struct ordered_row *)value)->weight = (int64_t)weight;
    return true;
}

static void release_row(void *arg, void *value)
{
    (void)arg;
    heap_free(((struct ordered_row *)value)->results);
}

struct ordered *ordered_new(const struct ordered_config *config)
{
    struct ordered *o = mem_zalloc(sizeof *o);
    o->config = *config;
    const struct keyed_codec codec = {.value_size = sizeof(struct ordered_row), .pack = pack_row,
                                      .unpack = unpack_row, .hash = hash_of_row,
                                      .identified = true, .packed = PACKED,
                                      .release = config->has_results ? release_row : NULL};
    o->rows = keyed_new(config->name, ORDERED_VERSION, &codec);
    for (unsigned i = 0; i < SHARDS; i++)
        o->parts[i].indexed = true;
    return o;
}

static void chunk_free(struct ordered *o, struct ordered_partition *p, struct ordered_chunk *c)
{
    if (c->prefix)
        o->config.forget(o->config.arg, c->prefix);
    if (c->rows != p->few)
        heap_free(c->rows);
}

/* Beside the partition itself. */
static int64_t chunk_bytes(const struct ordered_partition *p, const struct ordered_chunk *c)
{
    return c->rows == p->few ? 0 : (int64_t)(c->cap * sizeof *c->rows);
}

static int64_t chunks_bytes(const struct ordered_partition *p)
{
    return p->chunks == &p->only_chunk ? 0 : (int64_t)(p->cap * sizeof *p->chunks);
}

static void partition_free(struct ordered *o, struct ordered_partition *p)
{
    for (uint32_t i = 0; i < p->nchunks; i++)
        chunk_free(o, p, &p->chunks[i]);
    if (p->chunks != &p->only_chunk)
        heap_free(p->chunks);
    if (p->changed != p->few_changed)
        free(p->changed);
    heap_free(p);
}

void ordered_free(struct ordered *o)
{
    if (!o)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct part *part = &o->parts[i];
        for (uint32_t k = 0; part->slots && k <= part->mask; k++)
            if (part->slots[k])
                partition_free(o, slot_at(part->slots[k]));
        heap_free(part->slots);
        free(part->touched);
        due_release(&part->due);
    }
    keyed_free(o->rows);
    free(o);
}

/* ---- partitions ---- */

static struct part *part_of(struct ordered *o, const struct ordered_partition *p)
{
    return &o->parts[shard_of(p->hash)];
}

static void slots_put(struct part *part, struct ordered_partition *p)
{
    uint32_t at = (uint32_t)p->hash & part->mask;
    while (part->slots[at])
        at = (at + 1) & part->mask;
    part->slots[at] = slot_of(p->hash, p);
}

static void slots_grow(struct part *part)
{
    uint64_t *old = part->slots;
    uint32_t before = old ? part->mask + 1 : 0, slots = before ? 2 * before : FIRST_SLOTS;
    part->slots = heap_zalloc(slots * sizeof *part->slots);
    part->mask = slots - 1;
    part->bytes += (int64_t)((slots - before) * sizeof *old);
    for (uint32_t i = 0; heap_spills && i < before; i++)
        heap_want(slot_at(old[i]));
    for (uint32_t i = 0; i < before; i++)
        if (old[i])
            slots_put(part, slot_at(old[i]));
    heap_free(old);
}

/* The slots behind a freed one move up, so that none is lost to a look-up. */
static void slots_drop(struct part *part, const struct ordered_partition *p)
{
    uint32_t at = (uint32_t)p->hash & part->mask;
    while (slot_at(part->slots[at]) != p)
        at = (at + 1) & part->mask;
    part->slots[at] = 0;
    part->used--;
    for (at = (at + 1) & part->mask; part->slots[at]; at = (at + 1) & part->mask) {
        struct ordered_partition *next = slot_at(part->slots[at]);
        part->slots[at] = 0;
        slots_put(part, next);
    }
}

static struct ordered_partition *find_partition(const struct part *part, uint64_t hash, struct slice key)
{
    for (uint32_t at = (uint32_t)hash & part->mask; part->slots && part->slots[at]; at = (at + 1) & part->mask) {
        struct ordered_partition *p = slot_has(part->slots[at], hash) ? slot_at(part->slots[at]) : NULL;
        if (p && p->hash == hash && slice_equal((struct slice){p->key, p->key_len}, key))
            return p;
    }
    return NULL;
}

/* The first partition with the hash's tag: mostly it is the one. */
static const struct ordered_partition *likely_partition(const struct part *part, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash & part->mask; part->slots && part->slots[at]; at = (at + 1) & part->mask)
        if (slot_has(part->slots[at], hash))
            return slot_at(part->slots[at]);
    return NULL;
}

/* From the partition's key. A NULL never closes it. */
static int64_t closing_time(const struct ordered *o, struct slice key)
{
    AUTO(arena) scratch = {0};
    struct reader in = reader_of(key);
    for (int32_t c = 0; c <= o->config.closes; c++) {
        struct column col = column_make(&scratch, o->config.types[c], 1, true);
        if (!rowkey_get(&in, &col, 0, &scratch))
            break;
        if (c == o->config.closes)
            return column_is_null(&col, 0) ? INT64_MAX : *(const int64_t *)col.data;
    }
    return INT64_MAX;
}

static struct ordered_partition *get_partition(struct ordered *o, uint64_t hash, struct slice key, bool known)
{
    struct part *part = &o->parts[shard_of(hash)];
    struct ordered_partition *p = find_partition(part, hash, key);
    if (p)
        return p;
    p = heap_zalloc(sizeof *p + key.len);
    part->bytes += (int64_t)(sizeof *p + key.len);
    p->hash = hash;
    p->known = known;
    p->chunks = &p->only_chunk;
    p->cap = 1;
    p->changed = p->few_changed;
    p->changed_cap = ORDERED_FEW;
    p->key_len = (uint32_t)key.len;
    if (key.len)
        memcpy(p->key, key.data, key.len);
    p->closes = o->config.closes < 0 ? INT64_MAX : closing_time(o, key);
    if (p->closes != INT64_MAX)
        due_put(&part->due, p->closes, p, &p->due);
    if (part->used * 4 >= (part->slots ? part->mask + 1 : 0) * 3)
        slots_grow(part);
    slots_put(part, p);
    part->used++;
    return p;
}

static void touch(struct part *part, struct ordered_partition *p)
{
    if (p->touched)
        return;
    p->touched = true;
    part->touched = mem_grow(part->touched, part->ntouched, &part->touched_cap, sizeof(struct ordered_partition *));
    part->touched[part->ntouched++] = p;
}

static int by_key(const void *a, const void *b)
{
    const struct ordered_partition *x = *(struct ordered_partition *const *)a,
                                   *y = *(struct ordered_partition *const *)b;
    return slice_compare((struct slice){x->key, x->key_len}, (struct slice){y->key, y->key_len});
}

struct ordered_partition **ordered_touched(struct ordered *o, unsigned shard, uint32_t *ret_count)
{
    struct part *part = &o->parts[shard];
    if (part->ntouched > 1)
        qsort(part->touched, part->ntouched, sizeof *part->touched, by_key);
    *ret_count = part->ntouched;
    return part->touched;
}

void ordered_settled(struct ordered *o, unsigned shard) { o->parts[shard].ntouched = 0; }

static void remove_partition(struct ordered *o, struct ordered_partition *p)
{
    struct part *part = part_of(o, p);
    slots_drop(part, p);
    part->bytes -= (int64_t)(sizeof *p + p->key_len) + chunks_bytes(p);
    for (uint32_t i = 0; i < p->nchunks; i++)
        part->bytes -= chunk_bytes(p, &p->chunks[i]);
    partition_free(o, p);
}

/* ---- chunks ---- */

/* The first row of the chunk that is not before `order`; n: all are. */
static uint32_t chunk_find(const struct ordered *o, const struct ordered_chunk *c, struct slice order)
{
    uint32_t low = 0, high = c->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(ordered_order(o, c->rows[middle]), order) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where a row of this order lies, or belongs: perhaps at the end of a chunk. */
static struct ordered_at find_place(const struct ordered *o, const struct ordered_partition *p, struct slice order)
{
    uint32_t low = 0, high = p->nchunks; /* the last chunk that begins at or before it */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(ordered_order(o, p->chunks[middle].rows[0]), order) <= 0)
            low = middle;
        else
            high = middle;
    }
    return (struct ordered_at){low, p->nchunks ? chunk_find(o, &p->chunks[low], order) : 0};
}

struct ordered_at ordered_find(const struct ordered *o, const struct ordered_partition *p, struct keyed_entry *e)
{
    struct ordered_at at = find_place(o, p, ordered_order(o, e));
    assert(at.index < p->chunks[at.chunk].n && p->chunks[at.chunk].rows[at.index] == e);
    return at;
}

static void add_chunk(struct ordered *o, struct ordered_partition *p, uint32_t where)
{
    if (p->nchunks == p->cap) {
        int64_t before = chunks_bytes(p);
        size_t size = 2 * (size_t)p->cap * sizeof *p->chunks;
        if (p->chunks == &p->only_chunk) {
            p->chunks = heap_alloc(size);
            *p->chunks = p->only_chunk;
        } else {
            p->chunks = heap_realloc(p->chunks, size);
        }
        p->cap *= 2;
        part_of(o, p)->bytes += chunks_bytes(p) - before;
    }
    memmove(p->chunks + where + 1, p->chunks + where, (p->nchunks - where) * sizeof *p->chunks);
    p->chunks[where] = (struct ordered_chunk){0};
    p->nchunks++;
}

static void chunk_reserve(struct ordered *o, struct ordered_partition *p, struct ordered_chunk *c, uint32_t n)
{
    if (n <= c->cap)
        return;
    int64_t before = chunk_bytes(p, c);
    uint32_t cap = c->cap ? c->cap : ORDERED_FEW;
    while (cap < n)
        cap *= 2;
    struct keyed_entry **few = c->rows == p->few ? c->rows : NULL;
    c->rows = heap_realloc(few ? NULL : c->rows, cap * sizeof(struct keyed_entry *));
    if (few)
        memcpy(c->rows, few, c->n * sizeof *few);
    c->cap = cap;
    part_of(o, p)->bytes += chunk_bytes(p, c) - before;
}

/* Room in the chunk; at its end, where rows in order come, nothing is moved. */
static void split_chunk(struct ordered *o, struct ordered_partition *p, struct ordered_at *at)
{
    uint32_t keep = at->index == CHUNK_ROWS && at->chunk + 1 == p->nchunks ? CHUNK_ROWS : CHUNK_ROWS / 2;
    add_chunk(o, p, at->chunk + 1);
    struct ordered_chunk *from = &p->chunks[at->chunk], *to = from + 1;
    chunk_reserve(o, p, to, CHUNK_ROWS - keep + 1);
    to->n = CHUNK_ROWS - keep;
    if (to->n)
        memcpy(to->rows, from->rows + keep, to->n * sizeof(struct keyed_entry *));
    from->n = keep;
    if (at->index > keep || keep == CHUNK_ROWS)
        *at = (struct ordered_at){at->chunk + 1, at->index - keep};
}

static void insert_row(struct ordered *o, struct ordered_partition *p, struct keyed_entry *e)
{
    struct ordered_at at = find_place(o, p, ordered_order(o, e));
    if (p->nchunks == 0) {
        add_chunk(o, p, 0);
        p->chunks[0].rows = p->few;
        p->chunks[0].cap = ORDERED_FEW;
    }
    p->prefixes = MIN(p->prefixes, at.chunk + 1);
    if (p->chunks[at.chunk].n == CHUNK_ROWS)
        split_chunk(o, p, &at);
    struct ordered_chunk *c = &p->chunks[at.chunk];
    chunk_reserve(o, p, c, c->n + 1);
    memmove(c->rows + at.index + 1, c->rows + at.index, (c->n - at.index) * sizeof(struct keyed_entry *));
    c->rows[at.index] = e;
    c->n++;
    p->rows++;
}

static void erase_row(struct ordered *o, struct ordered_partition *p, struct ordered_at at)
{
    struct ordered_chunk *c = &p->chunks[at.chunk];
    memmove(c->rows + at.index, c->rows + at.index + 1, (c->n - at.index - 1) * sizeof(struct keyed_entry *));
    p->rows--;
    if (--c->n > 0)
        return;
    part_of(o, p)->bytes -= chunk_bytes(p, c);
    chunk_free(o, p, c);
    p->nchunks--;
    memmove(c, c + 1, (p->nchunks - at.chunk) * sizeof *c);
    p->prefixes -= p->prefixes > at.chunk;
}

/* ---- rows ---- */

static void index_row(void *arg, struct keyed_entry *e)
{
    struct ordered *o = arg;
    struct slice partition = ordered_row_partition(keyed_key(o->rows, e));
    insert_row(o, get_partition(o, hash64(partition.data, partition.len, 0), partition, false), e);
}

static void index_shard(struct ordered *o, unsigned shard)
{
    if (o->parts[shard].indexed)
        return;
    o->parts[shard].indexed = true;
    keyed_each(o->rows, shard, index_row, o);
}

struct ordered_partition *ordered_partition(struct ordered *o, uint64_t hash, struct slice key)
{
    index_shard(o, shard_of(hash));
    struct ordered_partition *p = get_partition(o, hash, key, true);
    touch(part_of(o, p), p);
    return p;
}

const struct ordered_partition *ordered_look(const struct ordered *o, uint64_t hash, struct slice key)
{
    const struct part *part = &o->parts[shard_of(hash)];
    return part->indexed ? find_partition(part, hash, key) : NULL;
}

static void fetch(const void *p)
{
    if (unlikely(heap_spills))
        heap_want(p);
    else
        __builtin_prefetch(p);
}

/* A short partition is walked along; of a long one the end is looked at most. The cache is for the end alone. */
static void fetch_rows(const struct ordered_chunk *c)
{
    for (uint32_t i = c->n > WALKED || !heap_spills ? c->n - 1 : 0; i < c->n; i++)
        fetch(c->rows[i]);
}

static void fetch_row(const struct ordered *o, struct slice row, unsigned step)
{
    uint64_t hash = keyed_identity_hash(row.data);
    if (step == 0)
        (heap_spills ? keyed_want : keyed_prefetch)(o->rows, hash);
    else if (step == 1)
        (heap_spills ? keyed_want_entry : keyed_prefetch_entry)(o->rows, hash);
}

void ordered_want(const struct ordered *o, uint64_t hash, struct slice row, unsigned step)
{
    const struct part *part = &o->parts[shard_of(hash)];
    const struct ordered_partition *p = step > 0 ? likely_partition(part, hash) : NULL;
    const struct ordered_chunk *last = p && step > 2 && p->nchunks ? &p->chunks[p->nchunks - 1] : NULL;
    if (row.data)
        fetch_row(o, row, step);
    if (step == 0 && part->slots)
        fetch(part->slots + ((uint32_t)hash & part->mask));
    else if (step == 1)
        fetch(p);
    else if (step == 2 && p)
        fetch(p->chunks);
    else if (step == 3 && last)
        fetch(last->rows);
    else if (step == 4 && last)
        fetch_rows(last);
}

static void note_change(struct ordered *o, struct ordered_partition *p, struct keyed_entry *e)
{
    struct ordered_row *row = ordered_row_of(e);
    keyed_touch(o->rows, e);
    if (row->changed)
        return;
    row->changed = true;
    if (p->nchanged == p->changed_cap) {
        struct keyed_entry **few = p->changed == p->few_changed ? p->changed : NULL;
        p->changed_cap *= 2;
        p->changed = mem_realloc(few ? NULL : p->changed, p->changed_cap * sizeof(struct keyed_entry *));
        if (few)
            memcpy(p->changed, few, p->nchanged * sizeof *few);
    }
    p->changed[p->nchanged++] = e;
}

void ordered_weigh(struct ordered *o, struct ordered_partition *p, struct keyed_entry *e, int64_t weight)
{
    if (o->config.forget)
        p->prefixes = MIN(p->prefixes, ordered_find(o, p, e).chunk + 1);
    ordered_row_of(e)->weight = weight;
    note_change(o, p, e);
}

void ordered_add(struct ordered *o, struct ordered_partition *p, struct slice row, int64_t weight)
{
    bool fresh;
    struct keyed_entry *e = keyed_get(o->rows, keyed_identity_hash(row.data), row.data, row.len, &fresh);
    if (fresh)
        insert_row(o, p, e);
    int64_t sum;
    bool overflow = __builtin_add_overflow(ordered_row_of(e)->weight, weight, &sum);
    assert(!overflow);
    ordered_weigh(o, p, e, sum);
}

static void charge_results(struct ordered *o, const struct ordered_partition *p, struct keyed_entry *e)
{
    if (o->config.has_results)
        ordered_charge(o, shard_of(p->hash), -(int64_t)ordered_row_of(e)->results_len);
}

static void remove_row(struct ordered *o, struct ordered_partition *p, struct ordered_at at)
{
    struct keyed_entry *e = ordered_at(p, at);
    erase_row(o, p, at);
    charge_results(o, p, e);
    keyed_remove(o->rows, e);
}

struct keyed_entry *ordered_last(const struct ordered_partition *p)
{
    if (p->nchunks == 0)
        return NULL;
    const struct ordered_chunk *c = &p->chunks[p->nchunks - 1];
    return c->rows[c->n - 1];
}

void ordered_settle(struct ordered *o, struct ordered_partition *p)
{
    for (uint32_t i = 0; i < p->nchanged; i++) {
        struct ordered_row *row = ordered_row_of(p->changed[i]);
        row->changed = false;
        if (row->weight == 0)
            remove_row(o, p, ordered_find(o, p, p->changed[i]));
    }
    if (p->changed != p->few_changed)
        free(p->changed);
    p->changed = p->few_changed;
    p->changed_cap = ORDERED_FEW;
    p->nchanged = 0;
    p->touched = false;
    if (p->rows > 0)
        return;
    if (p->closes != INT64_MAX)
        due_remove(&part_of(o, p)->due, p->due);
    remove_partition(o, p);
}

int64_t ordered_next_due(struct ordered *o)
{
    int64_t next = INT64_MAX;
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        index_shard(o, shard);
        next = MIN(next, due_next(&o->parts[shard].due));
    }
    return next;
}

struct ordered_partition *ordered_take_due(struct ordered *o, unsigned shard, int64_t until)
{
    int64_t time;
    index_shard(o, shard);
    return due_take(&o->parts[shard].due, until, &time);
}

void ordered_drop(struct ordered *o, struct ordered_partition *p)
{
    for (uint32_t c = 0; c < p->nchunks; c++)
        for (uint32_t i = 0; i < p->chunks[c].n; i++) {
            charge_results(o, p, p->chunks[c].rows[i]);
            keyed_remove(o->rows, p->chunks[c].rows[i]);
        }
    remove_partition(o, p);
}

void ordered_touch_all(struct ordered *o, unsigned shard, void (*visit)(void *arg, struct ordered_partition *p),
                       void *arg)
{
    struct part *part = &o->parts[shard];
    index_shard(o, shard);
    for (uint32_t i = 0; part->slots && i <= part->mask; i++)
        if (part->slots[i]) {
            visit(arg, slot_at(part->slots[i]));
            touch(part, slot_at(part->slots[i]));
        }
}

/* ---- keeping ---- */

void ordered_charge(struct ordered *o, unsigned shard, int64_t bytes) { o->parts[shard].bytes += bytes; }

void ordered_save(struct ordered *o, struct segment_writer *w) { keyed_save_section(o->rows, w); }

enum status ordered_load(struct ordered *o, uint32_t version, struct slice payload, struct error *err)
{
    for (unsigned i = 0; i < SHARDS; i++)
        o->parts[i].indexed = false;
    return keyed_load(o->rows, version, payload, err);
}

uint64_t ordered_count(const struct ordered *o) { return keyed_count(o->rows); }

uint64_t ordered_bytes(const struct ordered *o)
{
    uint64_t bytes = keyed_bytes(o->rows);
    for (unsigned i = 0; i < SHARDS; i++) {
        const struct part *part = &o->parts[i];
        bytes += (uint64_t)part->bytes + due_bytes(&part->due) + part->touched_cap * sizeof *part->touched;
    }
    return bytes;
}
