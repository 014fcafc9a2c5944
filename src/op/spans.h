/* Spans of time [start, end) that do not overlap, in order: the sessions of one key, which do not touch either, or its
 * panes, which may. The spans themselves belong to somebody else: those that are state to a keyed table, as the heads
 * of its values.
 */
#pragma once

#include "state/due.h"
#include "state/keyed.h"

/* The head of what is kept for a session; its aggregates lie behind it. */
struct span {
    int64_t start, end;
    uint64_t batch;  /* in which a worker last met it... */
    uint32_t number; /* ...as which of that batch's sessions */
    uint32_t due;    /* where it stands among what closes */
};

struct spans { /* zero: none */
    uint32_t count, cap; /* cap 0: room for one */
    union {
        struct span *one;
        struct span **many;
    };
};

static inline struct span **spans_items(struct spans *s) { return s->cap ? s->many : &s->one; }

/* [from, to) of the items: those that some other span overlaps, or touches; none: from == to is its place. */
struct meeting {
    uint32_t from, to;
};

/* touching: spans that end where the other begins meet, too. */
struct meeting spans_meet(struct spans *s, int64_t start, int64_t end, bool touching);
/* One takes the place of those it met. */
void spans_replace(struct spans *s, struct meeting met, struct span *with);
void spans_remove(struct spans *s, struct meeting met);
void spans_release(struct spans *s);

/* ---- as entries of a keyed table ---- */

/* The entry of a span that is not there yet, in the shard of key_hash = hash64(key). Its key: `key`, then the start, 8
 * bytes, big-endian, the sign flipped. scratch: what that is put together in. */
struct keyed_entry *span_make(struct keyed *t, uint64_t key_hash, struct slice key, int64_t start,
                              struct buf *scratch);
/* The `key` of such an entry's key; nothing, if that is too short to be one. */
struct slice span_key(struct slice whole);
/* For keyed_codec.hash. */
uint64_t span_hash(struct slice whole);
static inline struct keyed_entry *span_entry(struct span *s)
{
    return (struct keyed_entry *)((char *)s - offsetof(struct keyed_entry, bytes));
}

/* ---- what a step has of each shard beside them; in memory only ---- */

struct span_shard {
    struct due due;     /* what closes when */
    bool indexed;       /* what was loaded is in `due`, and in the step's own index */
    bool more;          /* there is still to close in this epoch */
    struct buf scratch; /* an entry's key */
};

/* Each of all SHARDS. */
void span_shards_init(struct span_shard *shards);
void span_shards_release(struct span_shard *shards);
/* Something was loaded. */
void span_shards_loaded(struct span_shard *shards);
uint64_t span_shards_bytes(const struct span_shard *shards);
