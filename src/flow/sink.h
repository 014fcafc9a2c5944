/* Sinks: where results go. A sink applies change sets, each the net changes of a range of epochs, idempotently: the
 * same range applied again changes nothing. All calls for one sink come from one thread at a time (the engine gives
 * each sink a worker thread), and may block; they must look at `cancelled` before and between slow steps.
 */
#pragma once

#include <stdatomic.h>

#include "base/options.h"
#include "base/store.h"
#include "column/batch.h"
#include "flow/format.h"

enum sink_guarantee {
    SINK_EXACTLY_ONCE,  /* atomic per change set, recognised when applied again */
    SINK_AT_LEAST_ONCE, /* said aloud by `connectors` and `check` */
};

struct sink_config {
    const char *table;
    const char *identity; /* "uuid/sink": under this name the sink remembers what it applied */
    const struct options *server, *mapping, *options;
    const struct schema *schema;
    const uint32_t *key; uint32_t nkey; /* upsert key columns; 0: append */
    const struct format *format;
    bool adopt;    /* take over a target that another identity wrote to */
    bool in_state; /* the engine can hand out all rows of the target again: `--resync` is a way out */
    bool resync;   /* it will, at once: what the target holds is of no interest */
    const atomic_bool *cancelled;
    void *outside; /* what a stand-in writes to (engine/engine.h); NULL for all others */
};

/* What the sink found when it was opened. */
struct sink_position {
    int64_t applied;      /* last epoch this identity applied; 0: none; -1: the target keeps no record (console) */
    char other_owner[80]; /* another identity that wrote here; "": none */
};

/* Net changes of epochs [from, to]. Batches are read one after the other; weight +1: insert or upsert the row, -1:
 * delete the key (append sinks see only +1). An upsert set has at most one row per key. */
struct change_set {
    int64_t from, to;
    int64_t now_us;   /* time of epoch `to` */
    const char *info; /* JSON object: what the ledger says of these epochs, for commitInfo; may be NULL */
    uint64_t rows, bytes; /* estimates */
    enum status (*next)(struct change_set *c, struct arena *a, struct batch **ret, struct error *err); /* AGAIN: end */
    enum status (*rewind)(struct change_set *c, struct error *err); /* start over: a lost race means doing it again */
    /* apply: the sink was asked to stage the epochs up to this one before, and said that it did; 0: none. */
    int64_t staged;
    enum status (*rest)(struct change_set *c, struct error *err); /* start over, behind them; only if there are some */
};

/* The set's next batch, in the arena's memory; the one before it is gone. AGAIN: that was all. ERR_INTERRUPTED once the
 * engine asked to stop (cancelled may be NULL).
 *
 *     enum status status;
 *     while ((status = change_set_next(changes, s->cancelled, &a, &b, err)) == OK)
 *         ...
 *     if (status == FAILED)
 *         return FAILED;
 */
static inline enum status change_set_next(struct change_set *c, const atomic_bool *cancelled, struct arena *a,
                                          struct batch **ret, struct error *err)
{
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed))
        return error_set(err, ERR_INTERRUPTED, "stopped before all rows were written");
    arena_reset(a);
    return c->next(c, a, ret, err);
}

/* What an apply did, for the ledger and metrics. */
struct sink_result {
    uint64_t inserted, updated, deleted, unchanged;
    uint64_t files_added, files_removed, bytes_written;
    int64_t version; /* the target's own version after it, -1: none */
};

/* The rows of a batch into the result, where the target does not tell a new row from one that is changed. */
static inline void sink_count(struct sink_result *result, const struct batch *b)
{
    for (uint32_t i = 0; i < batch_live(b); i++) {
        bool gone = batch_weight(b, batch_row(b, i)) < 0;
        result->deleted += gone;
        result->inserted += !gone;
    }
}

struct sink;
struct sink_ops {
    bool any_time; /* publishing more often costs nothing: when much waits, the interval's end is not waited for */
    enum status (*apply)(struct sink *s, struct change_set *changes, struct sink_result *ret, struct error *err);
    /* Take rows ahead of the apply that will hold them, too, so that little is left to do then: the set begins behind
     * what was staged, or else applied, last. What is staged is seen by nobody, and gone with the process. AGAIN: not
     * this set, nor others before the next apply; what was staged before stays. FAILED: all of it is forgotten. NULL:
     * not supported. */
    enum status (*stage)(struct sink *s, struct change_set *changes, struct error *err);
    /* Make the target equal exactly the given rows (all +1), as of epoch `to`: `--resync`, and at each start where the
     * target keeps no record of what it was given. NULL: not supported. */
    enum status (*resync)(struct sink *s, struct change_set *all_rows, struct error *err);
    void (*free)(struct sink *s);
};
struct sink {
    const struct sink_ops *ops;
};

struct sink_connector {
    const char *name;
    const struct option_spec *options;
    const char *help;
    const char *default_format;
    bool can_upsert;
    enum sink_guarantee guarantee;
    /* Blocks until the target answers or the error is certain. */
    enum status (*open)(const struct sink_config *config, struct sink **ret, struct sink_position *ret_position,
                        struct error *err);
};
