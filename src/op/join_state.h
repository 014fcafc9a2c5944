/* What a join keeps: the rows of both sides, by their join key, each with how many rows of the other side it met. One
 * keyed table holds them all, an entry a row, so that an epoch writes only the rows that changed. Shards are used by
 * one thread each.
 */
#pragma once

#include "state/due.h"
#include "state/keyed.h"

/* A row as it is gathered and kept: what tells it apart (keyed_identify), its side, the length of its join key (u32),
 * the join key (rowkey), its columns (rowpack). To make one: JOIN_ROW_HEAD bytes, the join key, the columns; then seal
 * it. */
enum { JOIN_ROW_HEAD = KEYED_IDENTITY + 5 };
/* key_hash = hash64(join key). */
void join_row_seal(struct buf *row, unsigned side, uint32_t key_len, uint64_t key_hash);
static inline struct slice join_row_key(struct slice row)
{
    return (struct slice){row.data + JOIN_ROW_HEAD, load_u32(row.data + JOIN_ROW_HEAD - 4)};
}
static inline struct slice join_row_columns(struct slice row)
{
    size_t before = JOIN_ROW_HEAD + load_u32(row.data + JOIN_ROW_HEAD - 4);
    return (struct slice){row.data + before, row.len - before};
}

struct join_row { /* the value of an entry, whose key is the row */
    int64_t weight;  /* how many times the row is there */
    int64_t matches; /* rows of the other side that meet it, kept where somebody asks */
    int64_t expires; /* INT64_MAX: never */
    /* in memory only */
    struct keyed_entry *next, *previous; /* rows of the same side and join key */
    uint64_t key_hash;
    uint32_t due; /* its place among what expires, where it may be taken back */
};

static inline struct join_row *join_row_of(struct keyed_entry *e) { return keyed_value(e); }

struct join_state;
/* name: names the state. takes_back: may rows of the side be taken back? Where none is, their places among what expires
 * need not be kept up to date. */
struct join_state *join_state_new(const char *name, const bool takes_back[static 2]);
void join_state_free(struct join_state *s);

/* The first row of a side that has this join key, NULL: none; the rest by ->next. hash = hash64(key). */
struct keyed_entry *join_state_first(struct join_state *s, unsigned side, uint64_t hash, struct slice key);
/* Fetch into the cache what join_state_first will look at, and join_state_add. */
void join_state_prefetch(const struct join_state *s, unsigned side, uint64_t hash);
void join_state_prefetch_row(const struct join_state *s, struct slice row);
/* The same where state lies on disk: what a row that comes will look at is on its way, for many rows at once. Call it
 * with step 0 for all of them, then with 1, ... */
enum { JOIN_STATE_WANTS = 2 };
void join_state_want(const struct join_state *s, uint64_t hash, struct slice row, unsigned step);
/* The row's columns, as rowpack wrote them; they stay where they are until the next save, also when the row goes. */
struct slice join_state_columns(const struct join_state *s, const struct keyed_entry *e);
/* Is this very row there? */
bool join_state_has(struct join_state *s, struct slice row);
/* Add `weight` to a row (made if it is not there), which was sealed with this hash of its join key; it is gone when its
 * weight is zero: then NULL. */
struct keyed_entry *join_state_add(struct join_state *s, uint64_t hash, struct slice row, int64_t weight,
                                   int64_t expires);
/* The row's value was changed. */
void join_state_touch(struct join_state *s, struct keyed_entry *e);
/* Take out the rows of a side whose time has come, each shown before it goes. */
void join_state_expire(struct join_state *s, unsigned side, unsigned shard, int64_t until,
                       void (*visit)(void *arg, struct keyed_entry *e), void *arg);

/* The time at which the next row of a side goes; INT64_MAX: none does. */
int64_t join_state_next(struct join_state *s, unsigned side);

void join_state_save(struct join_state *s, struct segment_writer *w);
enum status join_state_load(struct join_state *s, uint32_t version, struct slice payload, struct error *err);
uint64_t join_state_count(const struct join_state *s);
uint64_t join_state_bytes(const struct join_state *s);
