/* The graph: a plan's nodes as running operators, and the order in which they are driven. No I/O happens here; what
 * goes in are source batches, what comes out are outbox payloads, state changes and counts.
 *
 * An epoch is any number of rounds, then graph_end_epoch. A round is a number of source batches in the order of
 * ordinals. A worker takes the next one, and takes it all the way: what it works on stays near. Where a step needs
 * all rows of a key, batches go through it in their order, each in several parts that follow those of the batch before.
 */
#pragma once

#include "engine/pool.h"
#include "op/collect.h"
#include "op/reject.h"
#include "op/scan.h"
#include "state/segment.h"

struct graph;

struct graph_config {
    const struct plan *plan;
    struct pool *pool;
    uint64_t hash_seed;
    int64_t max_ahead_us;
    const bool *wanted; /* per plan node: rows go there; NULL: to all. The inputs of a wanted one are wanted, too */
    const struct format *(*format)(const struct plan *plan, const struct plan_table *t); /* NULL: typed */
};

enum status graph_new(const struct graph_config *config, struct graph **ret, struct error *err);
void graph_free(struct graph *g);

/* ---- an epoch ---- */

/* What graph_begin_epoch does with times, between epochs: for graph_opens. */
void graph_set_times(struct graph *g, const struct op_time *times);

/* times: per plan table, those of sources set. */
void graph_begin_epoch(struct graph *g, int64_t epoch, int64_t now_us, const struct op_time *times, bool final);
/* Where a round's batches come from. Both are called by any worker, but never at once. */
struct graph_feed {
    bool (*next)(void *arg, struct source_batch *ret); /* false: that was all of this round */
    /* The graph is through with a batch. max_event: the greatest event time accepted, INT64_MIN: none. */
    void (*done)(void *arg, struct source_batch *b, int64_t max_event);
    void *arg;
};
/* Returns the number of batches. */
uint32_t graph_round(struct graph *g, const struct graph_feed *feed);
/* Would rows come out of this epoch, even without any that come in, because event time closes something? */
bool graph_has_due(const struct graph *g);
/* Is this the first epoch, and do some rows come out of it without any that come in: VALUES, a count of nothing yet? */
bool graph_has_first(const struct graph *g);
/* Is there a step that event time lets go of what it keeps, and whose rows can be late? */
bool graph_goes_by_time(const struct graph *g);
/* Everything that waits for the end of the epoch comes out and reaches the sinks. */
void graph_end_epoch(struct graph *g);

/* ---- what the epoch did; valid until the next graph_begin_epoch ---- */

uint32_t graph_sink_count(const struct graph *g);
/* The i-th sink: its plan node, net changes (moved out: the caller releases ret_payload), counts. */
const struct plan_node *graph_sink(struct graph *g, uint32_t i, struct bufs *ret_payload,
                                   struct collect_counts *ret_counts);
const struct plan_node *graph_sink_node(const struct graph *g, uint32_t i);
/* Steps that count rows (scans excepted): NULL past the end. */
const struct plan_node *graph_step(const struct graph *g, uint32_t i, struct step_counts *ret);
/* The scan of a plan table, NULL if it is no source; counts: in = polled, out = accepted. */
struct scan *graph_scan(const struct graph *g, uint32_t table, struct step_counts *ret);
/* Rows refused in this epoch, by every step. */
uint64_t graph_rejected(const struct graph *g);
/* The first of them whose expression failed, as against a broken contract; NULL: none. Valid until the next epoch. */
const struct rejection *graph_first_error(const struct graph *g);
/* Results of a bare SELECT: each batch of the root `node` is handed to the callback while graph_end_epoch runs. */
void graph_on_result(struct graph *g, void (*result)(void *arg, uint32_t node, const struct batch *b), void *arg);

/* ---- state ---- */

void graph_save(struct graph *g, struct segment_writer *w);
/* The same, of the steps chosen (per plan node); the others' changes go to `rest`. */
void graph_save_some(struct graph *g, const bool *chosen, struct segment_writer *w, struct segment_writer *rest);
/* A section read back at recovery; one that no step knows is ERR_STATE (the plan changed). */
enum status graph_load(struct graph *g, const struct section *section, struct slice payload,
                       const struct op_time *times, struct error *err);
/* Stateful steps, for status: NULL past the end. */
const struct plan_node *graph_state(const struct graph *g, uint32_t i, uint64_t *ret_keys, uint64_t *ret_bytes);
/* What of a step is open, and what that waits for. */
struct graph_open {
    int64_t closes;      /* the event time at which the earliest closes; INT64_MAX: nothing is, or nothing waits */
    struct op_time time; /* by which it does, in the epoch that was begun last */
    uint32_t table;      /* of the source that is furthest behind */
    bool waits;          /* what the step gives comes out only then */
};
/* false: the step does not go by event time. */
bool graph_opens(const struct graph *g, const struct plan_node *step, struct graph_open *ret);
uint64_t graph_state_bytes(const struct graph *g);
/* Bytes that the running epoch holds, and will when it ends, state aside: rows for the sinks, refused rows, changed
 * groups. */
uint64_t graph_in_flight(const struct graph *g);
/* Rows for sinks that append; while a round is under way, from any worker, about so many bytes of them. */
uint64_t graph_appended(const struct graph *g);

/* Are the rows of the i-th sink in the state? NULL: they are; else the step that does not hold them. */
const struct plan_node *graph_forgets(const struct graph *g, uint32_t sink);
/* Between epochs, after graph_begin_epoch: rows in the state's shards [from, to), as they stand, go to the sinks that
 * graph_forgets nothing of, to be taken with graph_sink. Marks them as changed: the next graph_save has them again. */
void graph_recall(struct graph *g, unsigned from, unsigned to);
