#include "engine/merger.h"

#include <stdlib.h>

#include "base/os.h"
#include "state/merge.h"

enum merger_phase { IDLE, RUNNING, DONE, BROKEN };

struct merger {
    struct store *store;
    pthread_mutex_t lock;
    struct os_thread thread;
    bool thread_started;
    enum merger_phase phase; /* under the lock while RUNNING */
    struct segment_ref *inputs, result;
    const char **names;
    uint32_t ninputs;
    bool is_oldest;
    int64_t evict_us;
    uint64_t term;
    struct error error;
};

struct merger *merger_new(struct store *store)
{
    struct merger *m = mem_zalloc(sizeof *m);
    m->store = store;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void *merge_thread(void *arg)
{
    struct merger *m = arg;
    struct error err;
    struct segment_ref result;
    enum status s = merge_segments(m->store, m->inputs, m->ninputs, m->is_oldest, m->evict_us, m->term, &result, &err);
    pthread_mutex_lock(&m->lock);
    if (s == OK)
        m->result = result;
    else
        m->error = err;
    m->phase = s == OK ? DONE : BROKEN;
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static enum merger_phase phase_of(struct merger *m)
{
    pthread_mutex_lock(&m->lock);
    enum merger_phase phase = m->phase;
    pthread_mutex_unlock(&m->lock);
    return phase;
}

static void forget(struct merger *m)
{
    if (m->thread_started)
        os_thread_join(&m->thread);
    m->thread_started = false;
    free(m->inputs);
    free(m->names);
    m->inputs = NULL;
    m->names = NULL;
    m->phase = IDLE;
}

void merger_free(struct merger *m)
{
    if (!m)
        return;
    forget(m);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* Sets are filtered with the least evict of all sources: keeping an id longer in a file costs bytes, not meaning. */
static int64_t least_evict(const struct manifest *manifest)
{
    int64_t least = manifest->nsources ? INT64_MAX : INT64_MIN;
    for (uint32_t i = 0; i < manifest->nsources; i++)
        least = MIN(least, manifest->sources[i].evict);
    return least;
}

void merger_poke(struct merger *m, const struct manifest *manifest)
{
    uint32_t first, count;
    if (phase_of(m) != IDLE || !merge_choose(manifest->segments, manifest->nsegments, &first, &count))
        return;
    m->inputs = mem_array(count, sizeof *m->inputs);
    m->names = mem_array(count, sizeof *m->names);
    m->ninputs = 0;
    for (uint32_t i = first; i < first + count; i++) {
        if (!manifest->segments[i].has_state)
            continue;
        m->inputs[m->ninputs] = manifest->segments[i];
        m->names[m->ninputs] = m->inputs[m->ninputs].name;
        m->ninputs++;
    }
    m->is_oldest = true;
    for (uint32_t i = 0; i < first; i++)
        m->is_oldest &= !manifest->segments[i].has_state;
    m->evict_us = least_evict(manifest);
    m->term = manifest->term;
    m->phase = RUNNING;
    m->thread_started = true;
    os_thread_start(&m->thread, merge_thread, m, "merge");
}

bool merger_result(struct merger *m, const struct segment_ref **ret_added, const char *const **ret_dropped,
                   uint32_t *ret_ndropped)
{
    if (phase_of(m) != DONE)
        return false;
    *ret_added = &m->result;
    *ret_dropped = m->names;
    *ret_ndropped = m->ninputs;
    return true;
}

void merger_recorded(struct merger *m)
{
    forget(m);
}

enum status merger_check(struct merger *m, struct error *err)
{
    if (phase_of(m) != BROKEN)
        return OK;
    *err = m->error;
    return error_prefix(err, "merging state");
}
