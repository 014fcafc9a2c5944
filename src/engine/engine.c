#include "engine/engine.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"
#include "engine/functions.h"
#include "engine/private.h"

/* A run until caught up has an end, and somebody waits for it. */
enum { CAUGHT_UP_PATIENCE = 300 * 1000 * 1000 };

static enum status open_parts(struct engine *e, struct error *err)
{
    const struct engine_stand_in *stand_in = e->config.stand_in;
    TRY(plan_make(e->config.texts, e->config.ntexts, stand_in ? stand_in->world : builtin_world(), &e->plan, err));
    TRY(functions_load(e->plan, e->config.allow_c_functions, err));
    e->settings = builtin_settings_of(e->plan);
    if (e->config.workers)
        e->settings.workers = e->config.workers;
    if (e->config.give_up_us >= 0)
        e->settings.give_up_us = e->config.give_up_us;
    if (e->settings.give_up_us < 0)
        e->settings.give_up_us = e->config.until_caught_up ? CAUGHT_UP_PATIENCE : 0;
    if (e->config.spill)
        e->settings.spill = e->config.spill;
    TRY(engine_lock(e, err));
    if (e->settings.spill[0] && !stand_in) {
        TRY(heap_spill(e->settings.spill, (uint64_t)e->settings.state_memory, err));
        e->spills = true;
    }
    e->times = mem_array(e->plan->ntables + 1, sizeof *e->times);
    e->pool = pool_new(e->settings.workers);
    e->segment = segment_writer_new();
    TRY(engine_recover(e, err));
    e->merger = merger_new(e->store);
    return control_open(e->config.state, &e->control, err);
}

enum status engine_open(const struct engine_config *config, struct engine **ret, struct error *err)
{
    struct engine *e = mem_zalloc(sizeof *e);
    e->config = *config;
    e->lock_fd = -1;
    if (open_parts(e, err) != OK) {
        engine_free(e);
        return FAILED;
    }
    *ret = e;
    return OK;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    control_free(e->control);
    engine_commit_release(e);
    inputs_release(&e->inputs); /* who wakes the publisher's waiters, before it */
    publisher_free(e->publisher);
    merger_free(e->merger);
    graph_free(e->graph);
    pool_free(e->pool);
    journal_close(e->journal);
    segment_writer_free(e->segment);
    store_free(e->store);
    plan_free(e->plan);
    if (e->lock_fd >= 0)
        os_file_close(e->lock_fd);
    arena_release(&e->arena);
    if (e->spills)
        heap_end();
    free(e->times);
    free(e);
}

int64_t engine_now(const struct engine *e) { return e->config.now_us ? e->config.now_us : os_now_us(); }
const struct plan *engine_plan(const struct engine *e) { return e->plan; }
const struct manifest *engine_manifest(const struct engine *e) { return journal_manifest(e->journal); }
const char *engine_state_folder(const struct engine *e) { return e->config.state; }
