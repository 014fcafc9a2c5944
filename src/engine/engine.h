/* The engine: a pipeline as a running thing. This is the public face; everything above (cmd/, serve/) sees nothing else
 * of engine/.
 *
 *     struct engine *e;
 *     TRY(engine_open(&config, &e, err));      // plan, lock, recovery, sources, sinks
 *     enum status s = engine_run(e, err);      // until it ends, is stopped, or fails
 *     engine_free(e);
 *
 * One thread opens, runs and frees; engine_stop may be called from any thread and from a signal handler.
 */
#pragma once

#include <signal.h>

#include "base/store.h"
#include "epoch/journal.h"
#include "flow/sink.h"
#include "flow/source.h"
#include "plan/plan.h"

struct engine;
struct engine_progress;

/* What stands in for every connector of the pipeline, so that it can be tried without the systems it speaks to: the
 * plan is made in `world`, whose tables are all of one connector, and sources and sinks are opened by these. */
struct engine_stand_in {
    const struct plan_world *world;
    const struct source_connector *source;
    const struct sink_connector *sink;
    void *source_arg, *sink_arg; /* source_config.outside, sink_config.outside */
};

struct engine_config {
    const struct plan_text *texts;
    size_t ntexts;
    const char *state;    /* folder */
    bool until_caught_up; /* stop when every source has reached the end it had at the start */
    int64_t for_us;       /* stop after this long; 0: no limit */
    int64_t give_up_us;   /* a source or sink that fails for so long ends the run; 0: never; -1: as the pipeline says */
    bool adopt;           /* take over sinks that another state wrote to, and go on without rows that were lost */
    bool resync;          /* write sinks anew from the state */
    bool allow_c_functions; /* those of the pipeline that are in C may be loaded and run */
    const volatile sig_atomic_t *interrupted; /* looked at while opening takes long, as a change of the pipeline may */
    uint32_t workers;     /* 0: as the pipeline says */
    const char *spill;    /* folder; NULL: as the pipeline says */
    int64_t now_us;       /* the clock stands here until engine_step says otherwise; 0: it runs */
    const struct engine_stand_in *stand_in; /* NULL: none */
    void (*progress)(void *arg,
                     const struct engine_progress *p); /* a few times a second, from the engine's thread; NULL: none */
    void *progress_arg;
};

/* What is going on. Valid during the callback. */
struct engine_progress {
    int64_t epoch, now_us, mono_us, started_us; /* started_us: monotonic */
    uint64_t rows, bytes;        /* read in this run */
    uint64_t in, accepted, rejected; /* since the state began, finished epochs only */
    uint64_t late, duplicate, failed; /* failed: their expressions did, past the contract, or a sink's contract */
    int64_t watermark;           /* least of all sources; INT64_MIN: none yet */
    uint64_t state_keys, state_bytes;
    const struct manifest *manifest; /* rules: manifest->total.rules */
    const char *trouble;         /* a source or sink that is trying again, or NULL */
    bool last;                   /* the run is over */
};

enum status engine_open(const struct engine_config *config, struct engine **ret, struct error *err);
enum status engine_run(struct engine *e, struct error *err);
void engine_stop(struct engine *e);

/* Instead of engine_run, for whoever holds the clock (`bourn test`): one epoch of all that the sources have now, also
 * if that is nothing, at the time now_us (0: the clock's); another where others waited for an input that ended in it;
 * sources that have all ended end the run's input. Nothing is published before engine_publish, which waits until every
 * sink has everything. */
enum status engine_step(struct engine *e, int64_t now_us, struct error *err);
enum status engine_publish(struct engine *e, struct error *err);
/* Event time of all sources with a watermark is now this, without a row: rows older than that are late from the second
 * step on. Nothing is logged before the next step. */
void engine_advance(struct engine *e, int64_t watermark_us);
void engine_free(struct engine *e);
const struct plan *engine_plan(const struct engine *e);
const struct manifest *engine_manifest(const struct engine *e);
const char *engine_state_folder(const struct engine *e);

/* Is a bourn running on this state? Its pid, or 0. */
enum status engine_owner(const char *state, long *ret_pid, struct error *err);
