/* The engine: a pipeline as a running thing. This is the public face; everything above (cmd/, serve/) sees nothing
 * else of
 * engine/.
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
#include "plan/plan.h"

struct engine;
struct engine_progress;

struct engine_config {
    const struct plan_text *texts;
    size_t ntexts;
    const char *state;    /* folder */
    bool until_caught_up; /* stop when every source has reached the end it had at the start */
    int64_t for_us;       /* stop after this long; 0: no limit */
    bool adopt;           /* take over sinks that another state wrote to, and go on without rows that were lost */
    bool resync;          /* write sinks anew from the state */
    const volatile sig_atomic_t *interrupted; /* looked at while opening takes long, as a change of the pipeline may */
    uint32_t workers;     /* 0: as the pipeline says */
    void (*progress)(void *arg,
                     const struct engine_progress *p); /* a few times a second, from the engine's thread; NULL: none */
    void *progress_arg;
};

struct engine_rule {
    const char *source, *rule;
    uint64_t count;
};

/* What is going on. Valid during the callback. */
struct engine_progress {
    int64_t epoch, now_us, mono_us, started_us; /* started_us: monotonic */
    uint64_t rows, bytes;        /* read in this run */
    uint64_t accepted, rejected; /* since the state began, finished epochs only */
    uint64_t late, duplicate;
    int64_t watermark;           /* least of all sources; INT64_MIN: none yet */
    int64_t lag;                 /* rows known to wait */
    uint64_t state_keys, state_bytes;
    const struct manifest *manifest; /* rules: manifest->total.rules */
    const char *trouble;         /* a source or sink that is trying again, or NULL */
};

enum status engine_open(const struct engine_config *config, struct engine **ret, struct error *err);
enum status engine_run(struct engine *e, struct error *err);
void engine_stop(struct engine *e);
void engine_free(struct engine *e);
const struct plan *engine_plan(const struct engine *e);
const struct manifest *engine_manifest(const struct engine *e);
const char *engine_state_folder(const struct engine *e);

/* Is a bourn running on this state? Its pid, or 0. */
enum status engine_owner(const char *state, long *ret_pid, struct error *err);
