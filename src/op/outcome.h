/* Outcomes: the rows a step hands back at the end of an epoch, built by shard, possibly by several workers at once, and
 * drained in the order of shards.
 */
#pragma once

#include "base/hash.h"
#include "column/batch.h"

enum { OUTCOME_ROWS = 1024 }; /* of a batch */

struct outcome {
    struct arena arena;
    struct batch **batches;
    uint32_t count, cap;
    int64_t *weight; /* of the last batch */
};

struct outcomes {
    struct outcome shards[SHARDS];
    const struct type *types;
    uint32_t ncols;
    unsigned shard; /* draining */
    uint32_t batch;
};

/* Rows have columns of these types, which must outlive it. */
void outcomes_init(struct outcomes *o, const struct type *types, uint32_t ncols);
void outcomes_release(struct outcomes *o);
/* Forget a shard's rows of the last epoch. */
void outcome_reset(struct outcomes *o, unsigned shard);
/* One more row of a shard, with this weight: *ret_row of the batch, whose columns are the caller's to fill (all of
 * them, validity by column_set_null over OUTCOME_ROWS rows or bit_set; the arena is the batch's). */
struct batch *outcome_row(struct outcomes *o, unsigned shard, int64_t weight, uint32_t *ret_row);
/* The row just made is not wanted after all. */
void outcome_drop(struct batch *b);
/* The next batch, NULL: all shards are drained, and the next call begins anew. */
struct batch *outcomes_next(struct outcomes *o);
