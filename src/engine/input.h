/* Inputs: the sources of a run, their splits, positions and event time. Used by the engine's thread only.
 *
 * An epoch visits every split once, in the order of (source, split), so that "the first" by ordinal is also the first
 * that is seen (semantics 12), and no batch has to wait for another split's.
 */
#pragma once

#include "engine/builtin.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "epoch/journal.h"

struct input_split {
    struct split split;
    int64_t position; /* next to read in a logged or running epoch; POSITION_START: not known before the first poll */
    int64_t start;    /* where reading began: of the first message, once there was one; -1: not known */
    struct source_mark mark; /* of the last message below position, where the source has marks */
    int64_t until;    /* is read up to here and no further; INT64_MAX: for ever */
    bool reached;     /* `until` was polled */
    int64_t max_event;
    bool idle, finished, moved; /* moved: differs from what the log has */
    bool paused;                /* too far ahead of the others */
    int64_t quiet_since;        /* monotonic us since when there is nothing to read; 0: there is */
    int64_t advanced_at;        /* monotonic: when max_event moved last */
    int64_t target;             /* until-caught-up: the end it had at the start; -1: not known yet */
};

struct input {
    const struct plan_table *table;
    uint32_t index; /* of the table in the plan */
    struct source *source;
    struct options options; /* table's, then server's */
    struct input_split *splits;
    uint32_t nsplits;
    int64_t idle_timeout_us;
    int64_t max_drift_us;  /* 0: any */
    int64_t drift_limit;   /* a split is not read past this event time now */
    bool drift_unknown;    /* a split with rows to read has shown no event time yet: small steps */
    bool bounded;
    /* Event time (semantics 7, 8). */
    int64_t watermark; /* from all finished epochs: what the next one evicts with */
    int64_t evict;     /* what the last one evicted with: what the next one calls late */
    int64_t evict_most; /* reading again: what the log has evicted with; else INT64_MAX */
    int64_t since;     /* when the watermark became what it is: an epoch's time; INT64_MIN: not known */
    int64_t last_epoch_us; /* its time, or that of the start */
    bool time_moved;
    bool ends_fixed; /* until-caught-up: splits that are found from now on are for another run */
    bool begun; /* a start was resolved to a position that is not logged yet */
    /* Trouble: a retriable error keeps the source out of an epoch until then. */
    int64_t retry_at, backoff_us;
    struct error trouble;
    bool troubled;
    int64_t troubled_since; /* monotonic: since when it fails again and again, and no row came; 0: never yet */
    int64_t well_since;     /* monotonic: when it last stopped to fail */
    bool held; /* in the last pass: others come first */
    /* How fast, for status; engine/queries.c. */
    uint64_t rows, rows_then;               /* read in this run; and when it was measured last */
    uint64_t rows_per_second, work_per_second; /* by the clock; by the time that epochs took */
};

struct inputs {
    struct input *items;
    uint32_t count;
    struct arena arena;
    const struct plan *plan;
    struct settings settings;
    const struct engine_stand_in *stand_in; /* NULL: sources are what their servers say */
    uint64_t in_flight; /* what the last epoch held when it was read */
    const struct rereading *again; /* NULL: the sources are read on */
};

/* Open every source of the plan and seek it to the manifest's positions. */
enum status inputs_open(struct inputs *in, const struct plan *plan, const struct settings *settings,
                        const struct engine_stand_in *stand_in, const struct manifest *m, int64_t now_us,
                        struct error *err);
void inputs_release(struct inputs *in);
/* From now on sources that notice that something has come call wake(arg), from threads of their own. */
void inputs_notify(struct inputs *in, void (*wake)(void *arg), void *arg);

/* Reading again, for steps that a changed pipeline has to rebuild: `m` has the splits to read, each from `position`
 * (where the log says that it began), up to the position that `ends` has of it, for the tables named. FAILED: one
 * cannot be read again. Then inputs_read and inputs_end_epoch until every split has `reached` its end. */
struct rereading {
    const struct manifest *from, *ends;
    const bool *tables; /* per plan table */
};
enum status inputs_reopen(struct inputs *in, const struct plan *plan, const struct settings *settings,
                          const struct engine_stand_in *stand_in, const struct rereading *what, int64_t now_us,
                          struct error *err);
/* A split that is to be read and that no source has named yet; NULL: there is none. */
const struct split_position *inputs_missing(const struct inputs *in);

/* Look for new splits; one that the log knows (its broker did not answer at the start) goes on where it was. */
enum status inputs_discover(struct inputs *in, const struct manifest *m, struct error *err);
/* Has every source named a split? A broker answers some time after it was asked. */
bool inputs_have_splits(const struct inputs *in);
/* Time for the epoch that begins at now_us: fills times (per plan table). Changes nothing. */
void inputs_times(const struct inputs *in, int64_t now_us, struct op_time *times);
/* Has the last epoch moved a watermark that no epoch has evicted with yet? */
bool inputs_time_waits(const struct inputs *in);

struct input_limits {
    int64_t rows, bytes;
    int64_t until_us; /* monotonic */
    uint64_t memory;  /* of graph_in_flight */
    bool (*go_on)(void *arg); /* asked between batches: false ends the pass; NULL: true */
    void *arg;
    int64_t appended;         /* of graph_appended: no more than about this... */
    bool (*is_free)(void *arg); /* ...once this is true; NULL: never */
    bool (*is_wanted)(void *arg); /* by any worker: has the engine's thread something to do? A round ends; NULL: no */
};
/* One pass over all splits into the graph. *ret_rows, *ret_bytes: what was read. FAILED: a source cannot go on. */
enum status inputs_read(struct inputs *in, struct graph *g, const struct input_limits *limits, uint64_t *ret_rows,
                        uint64_t *ret_bytes, struct error *err);
/* Was an input held back in that pass by one that has ended since? */
bool inputs_let_go(const struct inputs *in);
/* Which splits are idle now? Answers whether that changed, which is worth an epoch even without rows. */
bool inputs_update_idleness(struct inputs *in, int64_t mono_us);
/* All inputs have truly ended: their watermarks are the end of time, for the epoch that comes. What is late there is
 * what would have been. */
void inputs_end(struct inputs *in, int64_t now_us);
/* The watermark of sources that have one will be this at least when the epoch ends. */
void inputs_advance(struct inputs *in, int64_t watermark_us);
/* The epoch's rows are in: event time moves on. */
void inputs_end_epoch(struct inputs *in, int64_t now_us);

bool inputs_finished(const struct inputs *in);  /* all bounded, all at their end */
/* For a run until caught up, before each pass: what a split has now, as soon as that is known, is what is read of it.
 * One that is found later is not read at all; a bounded one, which has an end of its own, is read to that. */
void inputs_fix_ends(struct inputs *in);
bool inputs_caught_up(const struct inputs *in); /* every split has reached the end that was fixed */
/* FAILED: a source has been in trouble for so long, and is now. */
enum status inputs_check_patience(const struct inputs *in, int64_t give_up_us, int64_t mono_us, struct error *err);
/* For the log, without the source's name. */
struct source_time input_time(const struct input *in);
/* What the log does not know yet, for a record. Arrays live in the arena given. What has been handed out is known from
 * then on: a record that is not written ends the run. */
void inputs_record(struct inputs *in, struct arena *a, struct journal_record *record);
/* The record is in the log: sources may acknowledge. */
void inputs_recorded(struct inputs *in, const struct journal_record *record);
/* Rows between positions and ends, as far as is known. */
int64_t input_lag(const struct input *in);
