/* Rows in order, by partition: what Top-N and window functions keep. One keyed table holds them all, an entry a row, so
 * that an epoch writes only the rows that changed; in memory each partition is a list of short sorted arrays, so that a
 * row is found, put in and taken out in logarithmic time, however many the partition has. Shards are used by one
 * thread each.
 *
 * An epoch on a shard: ordered_partition and ordered_add for every row that came, then each of ordered_touched is
 * looked at and given to ordered_settle; then what is due goes by ordered_take_due and ordered_drop.
 */
#pragma once

#include "base/heap.h"
#include "column/batch.h"
#include "state/due.h"
#include "state/keyed.h"

struct ordered_row { /* the value of an entry */
    int64_t weight; /* how many times the row is there: not more than 0 only within an epoch, or when more was taken
                     * back than given */
    /* in memory only: what of it was handed out, as the owner sees it */
    union {
        struct { int64_t rank, count; };
        struct { char *results; uint64_t results_len; }; /* heap */
    };
    bool changed; /* in this epoch */
};

static inline struct ordered_row *ordered_row_of(struct keyed_entry *e) { return keyed_value(e); }

struct ordered_chunk {
    struct keyed_entry **rows; /* n > 0 */
    uint32_t n, cap;
    void *prefix; /* the owner's, about all rows before this chunk */
};

enum { ORDERED_FEW = 2 }; /* rows of a partition that need no memory of their own: most have no more */

struct ordered_partition {
    uint64_t hash;
    struct ordered_chunk *chunks;
    uint32_t nchunks, cap;
    struct keyed_entry **changed; /* in this epoch */
    uint32_t nchanged, changed_cap;
    uint64_t rows;
    int64_t closes;    /* INT64_MAX: never */
    uint32_t due;
    uint32_t prefixes; /* the first so many chunks have a prefix that holds */
    bool touched;
    bool known;        /* the owner's: the rows know what of them was handed out */
    bool full;         /* the owner's */
    int64_t out;       /* the owner's */
    /* what the pointers above point to at first */
    struct ordered_chunk only_chunk;
    struct keyed_entry *few[ORDERED_FEW], *few_changed[ORDERED_FEW];
    uint32_t key_len;
    char key[];
};

struct ordered_config {
    const char *name;                    /* names the state */
    const struct type *types;            /* of the partition's columns */
    uint32_t npartition;
    int32_t closes;                      /* which of these closes it, -1: none */
    bool has_results;                    /* rows own `results` */
    void (*forget)(void *arg, void *prefix); /* frees a prefix; NULL: there are none */
    void *arg;
};

struct ordered;
struct ordered *ordered_new(const struct ordered_config *config);
void ordered_free(struct ordered *o);

/* A row as it is gathered and kept: what tells it apart (keyed_identify), u32 bytes of the partition key, u32 bytes of
 * the sort key, the partition key (rowkey), the sort key (sort_key.h), what breaks ties (semantics 12), its columns
 * (rowpack). To make one: ORDERED_ROW_HEAD bytes, the two keys, ordered_put_row; then seal it. */
enum { ORDERED_ROW_HEAD = KEYED_IDENTITY + 8 };
void ordered_put_row(struct buf *row, const struct batch *b, uint32_t ncols, uint32_t at, int64_t epoch);
/* partition_hash = hash64(partition key). */
void ordered_row_seal(struct buf *row, uint32_t partition_len, uint32_t sort_len, uint64_t partition_hash);

static inline struct slice ordered_row_partition(struct slice row)
{
    return (struct slice){row.data + ORDERED_ROW_HEAD, load_u32(row.data + KEYED_IDENTITY)};
}
/* From the sort key on: as rows are in order. */
static inline struct slice ordered_row_order(struct slice row)
{
    size_t before = ORDERED_ROW_HEAD + load_u32(row.data + KEYED_IDENTITY);
    return (struct slice){row.data + before, row.len - before};
}
static inline struct slice ordered_row_sort_key(struct slice row)
{
    return (struct slice){ordered_row_order(row).data, load_u32(row.data + KEYED_IDENTITY + 4)};
}

/* The partition with this key (rowkey; hash = hash64(key)), made if it is not there, and touched. */
struct ordered_partition *ordered_partition(struct ordered *o, uint64_t hash, struct slice key);
/* The same if it is there, and without touching it: by several threads while nobody changes anything. NULL, too, while
 * its shard was not used since it was loaded. */
const struct ordered_partition *ordered_look(const struct ordered *o, uint64_t hash, struct slice key);
/* What a row that comes will look at is on its way to the cache, or into memory where state lies on disk, for
 * ordered_at_once() rows together: call it with step 0 for all of them, then with 1, ... hash: of the partition; a row
 * without data: only the partition will be looked at. */
enum { ORDERED_WANTS = 5 };
void ordered_want(const struct ordered *o, uint64_t hash, struct slice row, unsigned step);
static inline uint32_t ordered_at_once(void) { return heap_spills ? 512 : 16; }
/* Add `weight` to a row of the partition. */
void ordered_add(struct ordered *o, struct ordered_partition *p, struct slice row, int64_t weight);
/* The row's weight becomes this; it is one of those that are kept. */
void ordered_weigh(struct ordered *o, struct ordered_partition *p, struct keyed_entry *e, int64_t weight);
/* The partitions of a shard that were touched, by their keys. */
struct ordered_partition **ordered_touched(struct ordered *o, unsigned shard, uint32_t *ret_count);
/* No row of the partition is touched any more; those whose weight is 0 are gone, and so is the partition if it is
 * empty. */
void ordered_settle(struct ordered *o, struct ordered_partition *p);
/* All touched partitions of the shard were settled. */
void ordered_settled(struct ordered *o, unsigned shard);
/* The time at which the next partition closes; INT64_MAX: none does. */
int64_t ordered_next_due(struct ordered *o);
/* A partition whose time has come, NULL: none has. It is dropped next. */
struct ordered_partition *ordered_take_due(struct ordered *o, unsigned shard, int64_t until);
void ordered_drop(struct ordered *o, struct ordered_partition *p);
/* Touch every partition of a shard, after each was shown. */
void ordered_touch_all(struct ordered *o, unsigned shard, void (*visit)(void *arg, struct ordered_partition *p),
                       void *arg);

/* ---- the rows of a partition, in order ---- */

struct ordered_at {
    uint32_t chunk, index;
};

/* NULL: past the end. */
static inline struct keyed_entry *ordered_at(const struct ordered_partition *p, struct ordered_at at)
{
    return at.chunk < p->nchunks ? p->chunks[at.chunk].rows[at.index] : NULL;
}
static inline void ordered_next(const struct ordered_partition *p, struct ordered_at *at)
{
    if (++at->index == p->chunks[at->chunk].n)
        *at = (struct ordered_at){at->chunk + 1, 0};
}
/* false: it is the first. */
static inline bool ordered_back(const struct ordered_partition *p, struct ordered_at *at)
{
    if (at->index == 0 && at->chunk == 0)
        return false;
    if (at->index-- == 0)
        *at = (struct ordered_at){at->chunk - 1, p->chunks[at->chunk - 1].n - 1};
    return true;
}
struct keyed_entry *ordered_last(const struct ordered_partition *p);
struct ordered_at ordered_find(const struct ordered *o, const struct ordered_partition *p, struct keyed_entry *e);
/* By sort key, ties, and bytes: as rows lie. */
int ordered_compare(const struct ordered *o, const struct keyed_entry *a, const struct keyed_entry *b);
struct slice ordered_order(const struct ordered *o, const struct keyed_entry *e);
struct slice ordered_sort_key(const struct ordered *o, const struct keyed_entry *e);
/* The row's columns, as rowpack wrote them; they stay where they are until the next save, also when the row goes. */
struct slice ordered_packed(const struct ordered *o, const struct keyed_entry *e);

/* ---- keeping ---- */

/* Bytes that the owner keeps beside the rows of a shard. */
void ordered_charge(struct ordered *o, unsigned shard, int64_t bytes);
void ordered_save(struct ordered *o, struct segment_writer *w);
enum status ordered_load(struct ordered *o, uint32_t version, struct slice payload, struct error *err);
uint64_t ordered_count(const struct ordered *o);
uint64_t ordered_bytes(const struct ordered *o);
