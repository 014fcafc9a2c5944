/* Pairs: what a join hands back, before it is rows. While rows meet only their places are noted, in lists of the
 * shards; they are put into columns a batch at a time, on any worker, just before they are pushed on, and most of a
 * pair is not copied even then. What a pair points to must stay there until then.
 */
#pragma once

#include "base/hash.h"
#include "column/batch.h"

struct pair {
    struct slice rows[2]; /* left and right, as rowpack wrote them; data NULL: nothing but NULLs */
    int64_t weight;
};

struct pairs_chunk {
    struct pairs_chunk *next;
    uint32_t n, cap;
    struct pair items[];
};

struct pairs {
    struct pairs_list {
        struct arena arena;
        struct pairs_chunk *first, *last;
    } shards[SHARDS];
    const struct type *types; /* left's columns, then right's */
    uint32_t ncols[2];
    unsigned shard; /* draining */
    const struct pairs_chunk *chunk;
};

/* types must outlive it. A side without columns is left out. */
void pairs_init(struct pairs *p, const struct type *types, uint32_t nleft, uint32_t nright);
void pairs_release(struct pairs *p);
/* Forget a shard's pairs of the last epoch. */
void pairs_reset(struct pairs *p, unsigned shard);
void pairs_put(struct pairs *p, unsigned shard, const struct pair *pair);
/* Some of the pairs, in the order of shards, as a batch that knows how many they are and no columns yet; NULL: all are
 * drained, and the next call begins anew. */
struct batch *pairs_next(struct pairs *p, struct arena *a);
/* The columns of such a batch, in this arena. By several threads at once. */
struct batch *pairs_columns(const struct pairs *p, const struct batch *drained, struct arena *a);
