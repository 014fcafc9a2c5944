#include "engine/merger.h"

#include <stdlib.h>

#include "base/os.h"

enum merger_phase { IDLE, RUNNING, DONE, BROKEN };

struct merger {
    struct store *store;
    pthread_mutex_t lock;
    struct os_thread thread;
    bool thread_started;
    enum merger_phase phase; /* under the lock while RUNNING */
    struct segment_ref *inputs, results[MERGE_RESULTS];
    uint32_t ninputs, nresults;
    bool is_oldest;
    bool in_record; /* what is done is in the record that is being written */
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
    struct segment_ref results[MERGE_RESULTS];
    uint32_t n;
    enum status s = merge_segments(m->store, m->inputs, m->ninputs, m->is_oldest, m->evict_us, m->term, results, &n,
                                   &err);
    pthread_mutex_lock(&m->lock);
    if (s == OK) {
        memcpy(m->results, results, n * sizeof *results);
        m->nresults = n;
    } else {
        m->error = err;
    }
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
    m->inputs = NULL;
    m->ninputs = 0;
    m->in_record = false;
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
    if (phase_of(m) != IDLE)
        return;
    const struct segment_ref *refs = manifest->segments;
    uint32_t chosen[MERGE_MAX], count = merge_choose(refs, manifest->nsegments, chosen);
    if (count == 0)
        return;
    m->inputs = mem_array(count, sizeof *m->inputs);
    m->ninputs = count;
    for (uint32_t i = 0; i < count; i++)
        m->inputs[i] = refs[chosen[i]];
    m->is_oldest = true;
    for (uint32_t i = 0; i < chosen[0]; i++)
        m->is_oldest &= !(refs[i].has_state && refs[i].has_keyed);
    m->evict_us = least_evict(manifest);
    m->term = manifest->term;
    m->phase = RUNNING;
    m->thread_started = true;
    os_thread_start(&m->thread, merge_thread, m, "merge");
}

static bool is_input(const struct merger *m, const struct segment_ref *ref)
{
    for (uint32_t i = 0; i < m->ninputs; i++)
        if (!strcmp(m->inputs[i].name, ref->name))
            return true;
    return false;
}

void merger_record(struct merger *m, const struct manifest *manifest, struct arena *a, struct journal_record *r,
                   struct segment_ref *added)
{
    const char **dropped = arena_array(a, manifest->nsegments + 1, sizeof *dropped);
    int64_t evict_us = least_evict(manifest);
    enum merger_phase phase = phase_of(m);
    m->in_record = phase == DONE;
    for (uint32_t i = 0; i < manifest->nsegments; i++) {
        const struct segment_ref *ref = &manifest->segments[i];
        /* What a merge is reading goes with its result. */
        if (is_input(m, ref) ? m->in_record : merge_is_expired(ref, evict_us))
            dropped[r->ndropped_state++] = arena_dup(a, ref->name, sizeof ref->name);
    }
    r->dropped_state = dropped;
    if (m->in_record)
        for (uint32_t i = 0; i < m->nresults; i++)
            added[r->nadded++] = m->results[i];
}

void merger_recorded(struct merger *m)
{
    if (m->in_record)
        forget(m);
}

enum status merger_check(struct merger *m, struct error *err)
{
    if (phase_of(m) != BROKEN)
        return OK;
    *err = m->error;
    return error_prefix(err, "merging state");
}
