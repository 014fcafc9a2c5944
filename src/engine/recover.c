/* From a state folder to a running graph as of the last finished epoch.
 *
 *   LOCK      held as long as the process lives; its text is the pid
 *   .bourn    marks the folder as ours, so that `make clean-run` deletes nothing else
 *   log/ seg/ plan/   the journal, segments, and plan texts by SHA-256
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "engine/functions.h"
#include "engine/private.h"
#include "link/local.h"
#include "state/pieces.h"

static char *path_in(struct arena *a, const char *folder, const char *name)
{
    return arena_printf(a, "%s/%s", folder, name);
}

static enum status read_pid(const char *path, long *ret, struct error *err)
{
    AUTO(buf) text = BUF(KIB(4));
    TRY(os_file_slurp(path, &text, err));
    *ret = strtol(buf_cstr(&text), NULL, 10);
    return OK;
}

enum status engine_owner(const char *state, long *ret_pid, struct error *err)
{
    AUTO(arena) a = {0};
    const char *path = path_in(&a, state, "LOCK");
    struct os_stat st;
    *ret_pid = 0;
    TRY(os_stat(path, &st, err));
    if (st.kind == OS_MISSING)
        return OK;
    AUTO_FD fd = -1;
    TRY(os_file_open(path, OS_APPEND, &fd, err));
    enum status s = os_file_lock(fd, err);
    if (s == AGAIN)
        return read_pid(path, ret_pid, err);
    return s;
}

static enum status refuse_locked(struct engine *e, const char *path, struct error *err)
{
    long pid = 0;
    TRY(read_pid(path, &pid, err));
    (void)error_set(err, ERR_STATE, "another bourn (pid %ld) is running on the state %s", pid, e->config.state);
    return error_hint(err, "stop it first (kill %ld), or give this run a state of its own: --state FOLDER", pid);
}

static enum status see_others(void *arg, const char *name, struct error *err)
{
    (void)err;
    *(bool *)arg |= strcmp(name, "LOCK") != 0;
    return OK;
}

/* A folder that had something in it before is not ours as a whole: whoever cleans up must not delete it. */
static enum status mark_as_ours(const char *folder, struct error *err)
{
    AUTO(arena) a = {0};
    bool others = false;
    TRY(os_folder_list(folder, see_others, &others, err));
    if (others)
        return OK;
    AUTO_FD mark = -1;
    TRY(os_file_open(path_in(&a, folder, ".bourn"), OS_REPLACE, &mark, err));
    return os_file_write(mark, "bourn state\n", 12, err);
}

/* Who only looks (engine_owner) has it for a moment. */
static enum status take_lock(int fd, struct error *err)
{
    enum status s = os_file_lock(fd, err);
    for (int i = 0; s == AGAIN && i < 3; i++) {
        os_sleep_us(10 * 1000);
        s = os_file_lock(fd, err);
    }
    return s;
}

enum status engine_lock(struct engine *e, struct error *err)
{
    AUTO(arena) a = {0};
    TRY(os_mkdirs_private(e->config.state, err));
    const char *path = path_in(&a, e->config.state, "LOCK");
    TRY(os_file_open(path, OS_APPEND, &e->lock_fd, err));
    enum status s = take_lock(e->lock_fd, err);
    if (s == AGAIN && !os_planted_bug("no_lock")) /* as between two machines */
        return refuse_locked(e, path, err);
    if (s == FAILED)
        return s;
    AUTO_FD fd = -1; /* the lock is on the file, not on the descriptor that writes the pid */
    TRY(os_file_open(path, OS_REPLACE, &fd, err));
    const char *pid = arena_printf(&a, "%ld\n", (long)getpid());
    TRY(os_file_write(fd, pid, strlen(pid), err));
    return mark_as_ours(e->config.state, err);
}

/* ---- the plan of this state ---- */

static enum status store_plan(struct engine *e, char ret_sha[static 65], struct error *err)
{
    AUTO(buf) text = BUF(MIB(64));
    for (size_t i = 0; i < e->config.ntexts; i++) {
        buf_printf(&text, "-- %s\n", e->config.texts[i].name);
        buf_put_slice(&text, e->config.texts[i].text);
        buf_puts(&text, "\n");
    }
    functions_log(e->plan, &text);
    sha256_hex(text.data, text.len, ret_sha);
    char name[80];
    snprintf(name, sizeof name, "plan/%s", ret_sha);
    return store_put(e->store, name, buf_slice(&text), err);
}

static enum status adopt_plan(struct engine *e, struct error *err)
{
    const struct manifest *m = journal_manifest(e->journal);
    char sha[65];
    TRY(store_plan(e, sha, err));
    if (m->fingerprint[0] && strcmp(m->fingerprint, e->plan->fingerprint))
        return engine_change(e, sha, err);
    if (!strcmp(sha, m->plan))
        return OK;
    struct journal_record record = {.kind = "plan", .epoch = m->epoch, .now_us = m->now_us, .plan = sha,
                                    .fingerprint = e->plan->fingerprint};
    return journal_append(e->journal, &record, err);
}

/* ---- state ---- */

struct loading {
    struct graph *graph;
    const struct section *section;
    const struct op_time *times;
};

static enum status load_piece(void *arg, struct slice payload, struct error *err)
{
    const struct loading *l = arg;
    return graph_load(l->graph, l->section, payload, l->times, err);
}

static enum status load_segment(struct engine *e, const struct segment_ref *ref, const struct op_time *times,
                                struct error *err)
{
    struct segment *segment;
    TRY(segment_open(e->store, ref, &segment, err));
    uint32_t n;
    const struct section *sections = segment_sections(segment, &n);
    enum status s = OK;
    for (uint32_t i = 0; s == OK && i < n; i++) {
        struct loading loading = {e->graph, &sections[i], times};
        if (sections[i].kind != SECTION_OUTBOX)
            s = section_pieces(segment, &sections[i], load_piece, &loading, err);
    }
    segment_close(segment);
    return s;
}

/* Recovery needs the evict of the last epoch only to leave out what has expired. */
static enum status load_state(struct engine *e, struct error *err)
{
    const struct manifest *m = journal_manifest(e->journal);
    struct op_time *times = arena_array(&e->arena, e->plan->ntables + 1, sizeof *times);
    for (uint32_t i = 0; i < e->plan->ntables; i++) {
        times[i] = (struct op_time){INT64_MIN, INT64_MIN};
        const struct source_time *known = manifest_source(m, e->plan->tables[i].name);
        if (known)
            times[i].evict_us = known->evict;
    }
    for (uint32_t i = 0; i < m->nsegments; i++)
        if (m->segments[i].has_state)
            TRY(load_segment(e, &m->segments[i], times, err));
    /* What was loaded is not news. */
    struct segment_writer *w = segment_writer_new();
    graph_save(e->graph, w);
    segment_writer_free(w);
    return OK;
}

enum status engine_recover(struct engine *e, struct error *err)
{
    e->store = store_local_new(e->config.state);
    TRY(journal_open(e->store, &e->journal, err));
    TRY(adopt_plan(e, err));
    const struct manifest *m = journal_manifest(e->journal);
    struct graph_config graph = {.plan = e->plan,
                                 .pool = e->pool,
                                 .hash_seed = m->hash_seed,
                                 .max_ahead_us = e->settings.max_ahead_us,
                                 .format = builtin_table_format};
    TRY(graph_new(&graph, &e->graph, err));
    TRY(load_state(e, err));
    struct publish_config publish = {.plan = e->plan,
                                     .store = e->store,
                                     .settings = &e->settings,
                                     .uuid = m->uuid,
                                     .graph = e->graph,
                                     .stand_in = e->config.stand_in,
                                     .adopt = e->config.adopt,
                                     .resync = e->config.resync};
    TRY(publisher_new(&publish, m, &e->publisher, err));
    publisher_start(e->publisher, m, m->now_us);
    TRY(inputs_open(&e->inputs, e->plan, &e->settings, e->config.stand_in, m, MAX(engine_now(e), m->now_us), err));
    inputs_notify(&e->inputs, publisher_wake, e->publisher);
    return OK;
}
