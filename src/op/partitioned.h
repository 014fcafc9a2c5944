/* What the steps over ordered partitions, Top-N and window functions, have in common: rows are gathered by the hash of
 * their partition and put in order by shard when the epoch ends; what each says of a touched partition differs.
 *
 * A partition by event time is closed by the watermark: rows that come after that are late, its rows go, and a `final`
 * step hands its results out only then, once (semantics 14).
 */
#pragma once

#include "flow/operator.h"
#include "op/gather.h"
#include "op/ordered.h"
#include "op/outcome.h"
#include "plan/plan.h"

struct partitioned {
    struct operator op;
    const struct partitioned_does *does;
    const struct plan_node *node, *input;
    const uint32_t *partition;
    uint32_t npartition;
    struct arena arena;
    struct gather *gather;
    struct ordered *rows;
    struct outcomes out;
    struct partitioned_worker {
        struct buf row, keys; /* scratch */
    } *workers;
    uint32_t nworkers;
};

/* A shard at the end of an epoch. */
struct partitioned_merge {
    struct partitioned *s;
    struct op_context *c;
    unsigned shard;
    struct arena scratch; /* of one partition */
    struct buf changes;   /* likewise, the step's */
};

enum partitioned_way { PARTITIONED_BLIND, PARTITIONED_FORWARD, PARTITIONED_BACKWARD };

struct partitioned_does {
    /* The partition was loaded: its rows learn what of them had been handed out. Nothing has changed since. */
    void (*learn)(struct partitioned_merge *m, struct ordered_partition *p);
    /* Can the row change anything? NULL: every row can. */
    bool (*wanted)(const struct partitioned *s, const struct ordered_partition *p, struct slice row);
    /* The next two tell of rows that cannot change anything while they are still pushed, from their keys alone, so that
     * they are not even packed. In which way does this worker look through the next batch, of so many rows? NULL: not
     * at all, ever. */
    enum partitioned_way (*way)(struct partitioned *s, uint32_t worker, uint32_t rows);
    /* Is it certain, from what this worker saw in this epoch? */
    bool (*hopeless)(struct partitioned *s, struct op_context *c, uint64_t hash, struct slice partition,
                     struct slice sort_key);
    /* Or from what the epochs before left? p: the partition, as it was when this one began. */
    bool (*behind)(struct partitioned *s, struct op_context *c, const struct ordered_partition *p,
                   struct slice sort_key);
    /* Rows of the partition changed: hand out the difference, if it is not final. */
    void (*settle)(struct partitioned_merge *m, struct ordered_partition *p);
    /* A final partition is closed: all its rows come out. */
    void (*close)(struct partitioned_merge *m, struct ordered_partition *p);
    /* Nothing of the partition was handed out, that is: all of it comes out with the next settle. */
    void (*recall)(struct partitioned *s, struct ordered_partition *p);
    /* What the step has beside this. NULL: nothing. */
    void (*release)(struct partitioned *s);
};

/* forget, has_results: see struct ordered_config. */
void partitioned_init(struct partitioned *s, const struct partitioned_does *does, const struct plan_node *node,
                      const struct plan_node *input, const uint32_t *partition, uint32_t npartition,
                      uint32_t nworkers, bool has_results, void (*forget)(void *arg, void *prefix));
/* A row of the result: the columns of the input are filled from `packed`, the rest is the caller's. */
struct batch *partitioned_row(struct partitioned_merge *m, struct slice packed, int64_t weight, uint32_t *ret_row);
