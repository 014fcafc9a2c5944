/* Operators: the steps of a pipeline. An operator never calls another, never blocks, never reads a clock, opens no
 * file: it is handed batches by the engine and hands batches back. What it keeps between epochs lives in state/ tables.
 *
 * How the engine drives one, in an epoch:
 *
 *     push(batch) on any worker, any number of times        in the order of ordinals per worker
 *     OP_EXCHANGE only: resolve(part of the shards, batch) for each part, on the same worker, where batches follow one
 *                       another in the order of ordinals; then finish(batch) (semantics 24: hash, ordinal -> bitmap)
 *     merge(shards) in parallel over disjoint shards, then emit(...) until it answers NULL; its rows are pushed on
 *                                                            to steps further down before these merge
 *     save(...)                                              what changed goes into the epoch's segment
 *
 * A result must not depend on the number of workers or on which worker got which batch.
 */
#pragma once

#include "base/hash.h"
#include "column/batch.h"

struct rejections; /* op/reject.h */
struct segment_writer;

/* What became of the rows a step took in, this epoch, on one worker: in = out + filtered + late + duplicate + error. */
struct step_counts {
    uint64_t in, out, filtered, late, duplicate, error;
    uint64_t expired; /* rows of the state that had to go although something could still have met them */
};

/* Event time in an epoch (semantics 8). */
struct op_time {
    int64_t late_us;  /* rows at or before this event time are late; INT64_MIN: none are */
    int64_t evict_us; /* state at or before this may go; INT64_MIN: none may */
};

struct op_context {
    uint32_t worker, nworkers;
    uint32_t port;        /* of push: which input the batch comes from */
    int64_t epoch, now_us;
    struct op_time time;  /* of all inputs together, less the plan node's lag */
    struct op_time inputs[2]; /* of each input, as it is */
    bool final;       /* finite inputs are at their end: this epoch is the last */
    struct arena *arena;           /* what the batch handed back needs; lives until the round ends */
    struct rejections *rejections; /* rows refused, with their reasons; this worker's */
    const char *source_name;       /* the table the batch came from; NULL past the first stateful step */
    uint64_t *place;               /* of push: in the order of these numbers rows come in an epoch, whatever worker has
                                    * them; whoever wants them in order takes one for each. NULL: they come in none */
    struct step_counts *counts;    /* this step's, this worker's */
};

enum operator_shape {
    OP_ROWS,     /* batch in, batch out */
    OP_EXCHANGE, /* batch in; a verdict per row that needs all rows of its key; batch out */
    OP_KEEP,     /* batch in; rows come out when the epoch ends */
};

/* Parts that an exchange is resolved in: several for each worker, so that one can follow another closely. */
static inline uint32_t op_parts(uint32_t nworkers) { return nworkers == 1 ? 1 : MIN(4 * nworkers, (uint32_t)SHARDS); }
static inline uint32_t op_part(unsigned shard, uint32_t parts) { return shard * parts / SHARDS; }

/* A batch in an OP_EXCHANGE operator. */
struct parked {
    struct batch *batch;
    void *prepared; /* the operator's, in the context's arena */
};

/* The event time at which what is open longest closes; INT64_MAX: nothing is open. */
struct op_open {
    int64_t closes;
    int32_t input; /* whose watermark decides; -1: the least of all */
};

struct operator;
struct operator_ops {
    enum operator_shape shape;
    bool any_order; /* KEEP: not even the order of what comes out depends on which worker pushed what, and when */
    /* ROWS: *ret is the result (may be `in` itself), NULL: no row left. EXCHANGE: *ret_prepared is kept with the batch.
     * KEEP: nothing comes back. The batch's columns are shared with other steps: read-only; `sel` may be replaced only
     * in a copy of the struct. */
    void (*push)(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **ret_prepared);
    /* EXCHANGE: look at the batch's rows of this part of the shards; those of batches before it have been. */
    void (*resolve)(struct operator *op, struct op_context *c, uint32_t part, const struct parked *p);
    /* EXCHANGE: on any worker that holds no batch, so that no other waits for it: get ready what `resolve` would else
     * be held up by, such as memory. NULL: there is nothing of the kind. */
    void (*prepare)(struct operator *op);
    /* EXCHANGE: the batch, with what was resolved. KEEP, where given: what emit handed out is made into what is pushed
     * on, by any worker, while others do the same; NULL: no row is left. */
    void (*finish)(struct operator *op, struct op_context *c, struct parked *p, struct batch **ret);
    /* KEEP: bring what the workers gathered into the shards [from, to). */
    void (*merge)(struct operator *op, struct op_context *c, unsigned from, unsigned to);
    /* KEEP: the next batch of this epoch's results, deterministic in content and order; NULL: no more. It is there
     * until the next call, or, with finish, until emitted. */
    struct batch *(*emit)(struct operator *op, struct op_context *c);
    /* KEEP: all that was handed out has been pushed on. NULL: nobody waits for that. */
    void (*emitted)(struct operator *op);
    /* KEEP: the rows of shards [from, to) as they stand come out once more, with weight +1, when these are merged and
     * emitted next; nothing was pushed since the last time. NULL: the operator does not hold its rows. */
    void (*recall)(struct operator *op, unsigned from, unsigned to);
    /* Append this epoch's state changes; NULL: no state. */
    void (*save)(struct operator *op, struct segment_writer *w);
    /* A section of kind and name that this operator saved. */
    enum status (*load)(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                        struct error *err);
    uint64_t (*keys)(const struct operator *op);
    uint64_t (*bytes)(const struct operator *op);
    /* KEEP: bytes that merging and emitting what was pushed in this epoch will take, about; NULL: next to nothing. */
    uint64_t (*pending)(const struct operator *op);
    /* Between epochs, also right after a load. late_us: what closes at or before that has. NULL: nothing that it hands
     * out waits for time. */
    struct op_open (*closes)(struct operator *op, int64_t late_us);
    void (*free)(struct operator *op);
};

struct operator {
    const struct operator_ops *ops;
    const char *id;   /* the plan node's id: names its state */
    const char *name; /* for people */
};
