/* Publishing: every sink has a thread that applies change sets from the outbox, one at a time (semantics 3, 4, 6). A
 * failing sink tries again alone while the others and the main loop go on. Functions here are the engine thread's,
 * except what a sink's own thread does inside.
 */
#pragma once

#include "engine/builtin.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "epoch/journal.h"

struct publisher;

struct publish_config {
    const struct plan *plan;
    struct store *store; /* of the state: where outbox segments lie */
    const struct settings *settings;
    const char *uuid;
    struct graph *graph; /* with the state as of the manifest's epoch; used while opening only */
    const struct engine_stand_in *stand_in; /* NULL: sinks are what their servers say */
    bool adopt, resync;
};

struct publish_status { /* of one sink, for status */
    const char *name;
    int64_t confirmed, target, interval_us;
    bool applying, troubled;
    int64_t troubled_since; /* monotonic */
    struct error trouble;
    struct sink_result total;
};

/* Open all sinks and compare what they applied with the log (semantics 1): a sink ahead of the log, behind what was
 * confirmed, or owned by somebody else is ERR_STATE that says what to do. With `resync` those whose rows are in the
 * state are then written anew, once all others were found to be in order. */
enum status publisher_new(const struct publish_config *config, const struct manifest *m, struct publisher **ret,
                          struct error *err);
/* Would publisher_new find all sinks in order? They are opened and closed again; nothing is written. Of the graph only
 * the plan is looked at. */
enum status publisher_try(const struct publish_config *config, const struct manifest *m, struct error *err);
/* Stops the threads; one that does not stop within a second is left behind, and the process must end. */
void publisher_free(struct publisher *p);

/* An epoch was logged. Sinks whose interval is due (or for which much waits, or all: `everything`) are to publish up
 * to it. Fills the decisions and confirmations that the *next* record must carry. */
void publisher_due(struct publisher *p, int64_t epoch, int64_t mono_us, bool everything);
/* So many bytes of the epoch whose record comes next are for a sink of the graph. */
void publisher_waits(struct publisher *p, uint32_t graph_sink, uint64_t bytes);
/* They are in this segment, and its thread need not read them back. Taken, if there is room; else they stay the
 * caller's. */
void publisher_remember(struct publisher *p, uint32_t graph_sink, const struct segment_ref *segment,
                        struct bufs *payload);
/* Bytes so held. */
uint64_t publisher_remembered(struct publisher *p);
/* Hand the work that is decided and logged to the threads. */
void publisher_start(struct publisher *p, const struct manifest *m, int64_t now_us);
/* The same between two records: a sink that is done need not wait for the next one if the log has more for it. */
void publisher_go_on(struct publisher *p, const struct manifest *m);
/* Would it? From any thread. */
bool publisher_may_go_on(struct publisher *p);
/* Sink states that differ from the log, for a record; they live in the arena. */
void publisher_record(struct publisher *p, struct arena *a, struct journal_record *record);
/* That record is logged, and the manifest is what it made of it. */
void publisher_recorded(struct publisher *p, const struct journal_record *record, const struct manifest *m);
/* Is there a confirmation or decision the log does not have? */
bool publisher_has_news(struct publisher *p);
/* Has every sink confirmed up to this epoch? */
bool publisher_done(struct publisher *p, int64_t epoch);
/* A sink that failed for good: its error, FAILED. */
enum status publisher_check(struct publisher *p, struct error *err);
/* Is one of it a decision to publish, which nobody begins with before it is logged? */
bool publisher_has_decided(struct publisher *p);
/* Wait until a sink has come to an end, or somebody has woken us, since the last time; or the time is over. */
void publisher_wait(struct publisher *p, int64_t timeout_us);
/* From any thread: who waits there has something to do. Takes a struct publisher. */
void publisher_wake(void *publisher);
/* The i-th sink; false past the end. */
bool publisher_status(struct publisher *p, uint32_t i, struct publish_status *ret);
#ifdef BOURN_FAULTS
void publisher_start_unlogged(struct publisher *p, const struct manifest *m, const struct segment_ref *added,
                              int64_t epoch, int64_t now_us);
#endif
