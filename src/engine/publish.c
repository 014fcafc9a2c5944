#include "engine/publish.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/os.h"
#include "engine/outbox.h"
#include "engine/resync.h"

/* Parts of the memory for what is in flight: what is remembered of the outbox, and what of one sink's rows waits until
 * its interval is over, where that gains nothing. */
enum { REMEMBERED_PART = 2, WAITING_PART = 16 };
/* Bytes from which on it pays to stage them ahead of the interval's end, by key so many times as much, because what is
 * not staged yet is netted once more. The test build's epochs are small. */
#ifdef BOURN_FAULTS
enum { STAGE_FROM = 1 };
#else
enum { STAGE_FROM = 1 << 20 };
#endif
enum { NETTED = 8 };
enum { FIRST_BACKOFF = 200 * 1000, LAST_BACKOFF = 10 * 1000 * 1000, CLOSE_PATIENCE = 1000 * 1000 };

struct publishing {
    struct publisher *owner;
    const struct plan_table *table;
    char identity[160];
    uint32_t graph_sink;             /* its index in the graph */
    const struct plan_node *forgets; /* the step on its way whose rows are not in the state; NULL: none, it can be
                                        written anew */
    int64_t interval_us, last_due; /* monotonic */
    uint64_t waiting;              /* bytes of the outbox since then, of this process */
    uint64_t unstaged;             /* and since some were given to the sink to be staged */
    struct sink *sink;
    struct os_thread thread;
    bool started;
    bool replaced; /* while opening: what the target holds is of no interest */
    bool due;
    bool blank;    /* while opening: it holds nothing, and the state has all of its rows */
    /* Below: under the publisher's lock. */
    struct sink_state now, logged;
    char *info; /* the ledger as of logged.target, as JSON */
    struct outbox_range *job;   /* for the thread; it frees it */
    struct outbox_range *ahead; /* the same, if there is no job: to be staged only */
    int64_t staged;             /* up to this epoch that was done, behind what is confirmed... */
    uint64_t staged_rows;       /* ...with so many rows; 0: none */
    bool sated;                 /* the sink wants no more of it before the next job */
    bool applying, staging, failed, troubled, ended;
    int64_t troubled_since;
    struct error trouble;
    struct sink_result total;
};

struct publisher {
    struct publish_config config;
    struct publishing *sinks;
    uint32_t count;
    struct outbox_memory *memory;
    pthread_mutex_t lock;
    pthread_cond_t work, news;
    bool woken; /* by what has happened since publisher_wait */
    bool stop;
    atomic_bool cancelled;
};

/* ---- a sink's thread ---- */

static void add_result(struct sink_result *total, const struct sink_result *r)
{
    total->inserted += r->inserted;
    total->updated += r->updated;
    total->deleted += r->deleted;
    total->unchanged += r->unchanged;
    total->files_added += r->files_added;
    total->files_removed += r->files_removed;
    total->bytes_written += r->bytes_written;
    total->version = r->version;
}

/* A range in which nothing changed is not shown to the sink: *ret_asked stays false. */
static enum status apply_range(struct publishing *s, struct outbox_range *range, bool *ret_asked,
                               struct sink_result *ret, struct error *err)
{
    bool empty;
    TRY(outbox_is_empty(range, &empty, err));
    if (empty)
        return OK;
    struct change_set *changes = outbox_changes(range);
    enum status status = s->sink->ops->apply(s->sink, changes, ret, err);
    outbox_changes_free(changes);
    if (status == OK)
        *ret_asked = true;
    return status;
}

static void note_failure(struct publishing *s, const struct error *err)
{
    if (err->retriable && (!s->troubled || strcmp(s->trouble.text, err->text)))
        log_warn("sink \"%s\": %s%s%s (trying again)", s->table->name, err->text, err->hint[0] ? "; " : "", err->hint);
    if (!s->troubled)
        s->troubled_since = os_mono_us();
    s->trouble = *err;
    s->troubled = true;
    if (!err->retriable)
        s->failed = true;
}

static void note_success(struct publishing *s, const struct outbox_range *range, bool asked,
                         const struct sink_result *result)
{
    if (s->troubled)
        log_info("sink \"%s\" is back", s->table->name);
    s->troubled = false;
    outbox_forget(s->owner->memory, s->table->name, range->to);
    s->staged_rows = 0;
    s->sated = false;
    s->now.confirmed = range->to;
    if (asked) {
        s->now.applied = range->to;
        add_result(&s->total, result);
    }
}

static void tell(struct publisher *p)
{
    p->woken = true;
    pthread_cond_broadcast(&p->news);
}

/* Holds the lock on entry and exit. */
static void do_job(struct publishing *s, struct outbox_range *range)
{
    struct publisher *p = s->owner;
    int64_t backoff = FIRST_BACKOFF;
    range->staged = s->staged;
    range->staged_rows = s->staged_rows;
    for (;;) {
        pthread_mutex_unlock(&p->lock);
        struct error err;
        struct sink_result result = {.version = -1};
        bool asked = false;
        enum status status = apply_range(s, range, &asked, &result, &err);
        pthread_mutex_lock(&p->lock);
        if (status == OK) {
            note_success(s, range, asked, &result);
            return;
        }
        err.retriable |= err.code == ERR_DENIED; /* it was allowed to before, and whoever looks after it is told */
        if (p->stop)
            return; /* cancelled; it stays in the outbox */
        note_failure(s, &err);
        tell(p);
        if (s->failed)
            return;
        /* Others are given work meanwhile, which wakes this thread too. */
        for (int64_t left, due = os_mono_us() + backoff; !p->stop && (left = due - os_mono_us()) > 0;)
            (void)os_cond_wait(&p->work, &p->lock, left);
        if (p->stop)
            return;
        backoff = MIN(backoff * 2, (int64_t)LAST_BACKOFF);
    }
}

/* The same, of rows that are to be staged. What goes wrong here is nobody's trouble: applying does it again. */
static void do_ahead(struct publishing *s, const struct outbox_range *range)
{
    struct publisher *p = s->owner;
    pthread_mutex_unlock(&p->lock);
    struct error ignored;
    struct change_set *changes = outbox_changes((struct outbox_range *)range);
    enum status status = s->sink->ops->stage(s->sink, changes, &ignored);
    uint64_t rows = outbox_changes_read(changes);
    outbox_changes_free(changes);
    pthread_mutex_lock(&p->lock);
    s->sated = status != OK;
    if (status == OK) {
        s->staged = range->to;
        s->staged_rows += rows;
        outbox_forget(p->memory, s->table->name, range->to);
    } else if (status == FAILED) {
        s->staged_rows = 0;
    }
}

static void *sink_thread(void *arg)
{
    struct publishing *s = arg;
    struct publisher *p = s->owner;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        bool apply = s->job != NULL;
        struct outbox_range **at = apply ? &s->job : &s->ahead, *range = *at;
        if (!range) {
            (void)os_cond_wait(&p->work, &p->lock, -1);
            continue;
        }
        *at = NULL;
        s->applying = apply;
        s->staging = !apply;
        if (apply)
            do_job(s, range);
        else
            do_ahead(s, range);
        outbox_range_free(range);
        s->applying = s->staging = false;
        tell(p);
    }
    s->ended = true;
    tell(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- opening ---- */

static bool can_resync(const struct publishing *s) { return s->table->nkey > 0 && !s->forgets; }

/* Are its rows handed out again, now? */
static bool is_resynced(const struct publishing *s, const struct manifest *m)
{
    return ((s->owner->config.resync && can_resync(s)) || s->now.renew) && m->epoch > 0;
}

/* And is what the target holds replaced by them? A table that a changed pipeline writes for the first time may hold
 * what others have put there. */
static bool is_replaced(const struct publishing *s, const struct manifest *m, const struct sink_position *found)
{
    return is_resynced(s, m) && (s->owner->config.resync || s->now.applied > 0 || found->applied > 0);
}

static enum status rolled_back(const struct publishing *s, int64_t found, struct error *err)
{
    (void)error_set(err, ERR_STATE,
                    "sink \"%s\": its target has epoch %lld, but %lld was confirmed: the target was rolled back or "
                    "made anew",
                    s->table->name, (long long)found, (long long)s->now.applied);
    const struct publish_config *c = &s->owner->config; /* tables of one run may need the one and the other */
    if (can_resync(s))
        return error_hint(err, "restore the target, or let --resync%s write it anew from the state",
                          c->adopt ? ", beside --adopt," : "");
    return error_hint(err,
                      "restore the target: its rows are not in the state%s%s%s. --adopt%s goes on without them; a new "
                      "state with a new target reads them again, as far as the source still has them",
                      s->forgets ? " (step \"" : "", s->forgets ? s->forgets->name : "",
                      s->forgets ? "\" does not keep what it hands on)" : "", c->resync ? ", beside --resync," : "");
}

static enum status check_position(struct publishing *s, const struct sink_position *found, const struct manifest *m,
                                  struct error *err)
{
    if (found->other_owner[0] && !s->owner->config.adopt) {
        (void)error_set(err, ERR_STATE, "sink \"%s\": its target is written by another state (%s)", s->table->name,
                        found->other_owner);
        return error_hint(err, "run with that state, choose another target, or take it over with --adopt");
    }
    if (found->applied > m->epoch) {
        (void)error_set(err, ERR_STATE,
                        "sink \"%s\": its target has epoch %lld, the state only knows %lld: the state was rolled back",
                        s->table->name, (long long)found->applied, (long long)m->epoch);
        return error_hint(err, "restore the newer state, or start with a new state and a new target");
    }
    bool behind = found->applied >= 0 && found->applied < s->now.applied;
    if (behind && !is_resynced(s, m) && (can_resync(s) || !s->owner->config.adopt))
        return rolled_back(s, found->applied, err);
    bool earlier = found->applied > s->now.applied && found->applied <= s->now.confirmed;
    if (earlier && !is_resynced(s, m) && !s->owner->config.adopt) {
        (void)error_set(err, ERR_STATE,
                        "sink \"%s\": its target has rows up to epoch %lld that an earlier form of this pipeline wrote",
                        s->table->name, (long long)found->applied);
        return error_hint(err, "give the sink a new target; --adopt goes on behind the rows that are there");
    }
    return OK;
}

static void find_in_graph(struct publishing *s)
{
    struct graph *g = s->owner->config.graph;
    for (uint32_t i = 0; i < graph_sink_count(g); i++)
        if (!strcmp(graph_sink_node(g, i)->sink_name, s->table->name)) {
            s->graph_sink = i;
            s->forgets = graph_forgets(g, i);
        }
}

static enum status open_sink(struct publishing *s, const struct manifest *m, struct error *err)
{
    struct publisher *p = s->owner;
    const struct plan_server *server = &p->config.plan->servers[s->table->server];
    const struct engine_stand_in *stand_in = p->config.stand_in;
    find_in_graph(s);
    snprintf(s->identity, sizeof s->identity, "%s/%s", p->config.uuid, s->table->name);
    snprintf(s->now.name, sizeof s->now.name, "%s", s->table->name);
    s->logged = s->now;
    s->logged.confirmed = -1; /* the log must name every sink before it keeps an outbox for it */
    const struct sink_state *known = manifest_sink(m, s->table->name);
    if (known)
        s->now = s->logged = *known;
    struct sink_position found = {0};
    struct sink_config config = {.table = s->table->name,
                                 .identity = s->identity,
                                 .server = &server->options,
                                 .mapping = &server->mapping,
                                 .options = &s->table->options,
                                 .schema = &s->table->schema,
                                 .key = s->table->key,
                                 .nkey = s->table->nkey,
                                 .format = builtin_table_format(p->config.plan, s->table),
                                 .adopt = p->config.adopt,
                                 .in_state = can_resync(s),
                                 .resync = is_replaced(s, m, &found),
                                 .outside = stand_in ? stand_in->sink_arg : NULL,
                                 .cancelled = &p->cancelled};
    const struct sink_connector *connector = stand_in ? stand_in->sink : builtin_sink(server->connector);
    if (connector->open(&config, &s->sink, &found, err) != OK)
        return error_prefix(err, "sink \"%s\"", s->table->name);
    if (is_replaced(s, m, &found) && !config.resync) { /* an earlier form of the pipeline wrote it */
        s->sink->ops->free(s->sink);
        s->sink = NULL;
        config.resync = true;
        if (connector->open(&config, &s->sink, &found, err) != OK)
            return error_prefix(err, "sink \"%s\"", s->table->name);
    }
    s->replaced = is_replaced(s, m, &found);
    s->blank = found.applied < 0 && can_resync(s) && m->epoch > 0;
    TRY(check_position(s, &found, m, err));
    /* What it applied before a crash kept us from logging the confirmation. Its own word ends where a change set ended,
     * so that no later range overlaps one that is there. */
    if (found.applied > s->now.confirmed)
        s->now.confirmed = s->now.applied = found.applied;
    s->now.target = MAX(s->now.target, s->now.confirmed);
    if (s->now.target > s->now.confirmed) /* decided by a process before us: decided anew, to now */
        s->now.target = m->epoch;
    return OK;
}

static enum status resync_sink(struct publishing *s, const struct manifest *m, struct error *err)
{
    bool replace = (s->replaced || s->blank) && s->sink->ops->resync;
    if (!replace && !(is_resynced(s, m) && s->now.renew))
        return OK;
    const struct publish_config *c = &s->owner->config;
    struct sink_result ignored = {.version = -1};
    bool from_outbox = s->now.renew == RENEW_FROM_OUTBOX;
    struct change_set *rows = from_outbox ? standing_rows(c->store, m, s->table, s->now.confirmed + 1)
                                          : recalled_rows(c->graph, s->graph_sink, c->plan, m);
    enum status status = replace ? s->sink->ops->resync(s->sink, rows, err)
                                 : s->sink->ops->apply(s->sink, rows, &ignored, err);
    (from_outbox ? standing_rows_free : recalled_rows_free)(rows);
    if (status != OK)
        return error_prefix(err, "sink \"%s\"", s->table->name);
    if (!s->blank)
        log_info("sink \"%s\" was written %sas of epoch %lld", s->table->name, replace ? "anew " : "",
                 (long long)m->epoch);
    s->now.renew = RENEW_NOT;
    s->now.applied = s->now.confirmed = m->epoch;
    s->now.target = MAX(s->now.target, m->epoch);
    return OK;
}

/* Nothing is written before all sinks were found to be in order. */
static enum status resync_sinks(struct publisher *p, const struct manifest *m, struct error *err)
{
    uint32_t able = !p->config.resync;
    for (uint32_t i = 0; i < p->count; i++)
        able += can_resync(&p->sinks[i]) && p->sinks[i].sink->ops->resync;
    if (able == 0) {
        (void)error_set(err, ERR_STATE, "--resync: the state holds the rows of no sink of this pipeline");
        return error_hint(err, "it can write tables anew that are kept up to date by key from an aggregate; for others "
                               "restore the target, or begin with a new state and a new target");
    }
    for (uint32_t i = 0; i < p->count; i++)
        TRY(resync_sink(&p->sinks[i], m, err));
    return OK;
}

static int64_t interval_of(const struct publisher *p, const struct plan_table *t)
{
    return option_given(&t->options, "commit_interval") ? option_int(&t->options, plan_sink_options, "commit_interval")
                                                        : p->config.settings->commit_interval_us;
}

static enum status open_all(const struct publish_config *config, const struct manifest *m, struct publisher **ret,
                            struct error *err)
{
    struct publisher *p = mem_zalloc(sizeof *p);
    p->config = *config;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->news, NULL);
    p->memory = outbox_memory_new((uint64_t)config->settings->memory_in_flight / REMEMBERED_PART);
    p->sinks = mem_zalloc((config->plan->ntables + 1) * sizeof *p->sinks);
    for (uint32_t i = 0; i < config->plan->ntables; i++) {
        if (!config->plan->tables[i].is_sink)
            continue;
        struct publishing *s = &p->sinks[p->count++];
        s->owner = p;
        s->table = &config->plan->tables[i];
        s->interval_us = interval_of(p, s->table);
        if (open_sink(s, m, err) != OK) {
            publisher_free(p);
            return FAILED;
        }
    }
    *ret = p;
    return OK;
}

enum status publisher_try(const struct publish_config *config, const struct manifest *m, struct error *err)
{
    struct publisher *p;
    TRY(open_all(config, m, &p, err));
    publisher_free(p);
    return OK;
}

enum status publisher_new(const struct publish_config *config, const struct manifest *m, struct publisher **ret,
                          struct error *err)
{
    struct publisher *p;
    TRY(open_all(config, m, &p, err));
    if (resync_sinks(p, m, err) != OK) {
        publisher_free(p);
        return FAILED;
    }
    int64_t start = os_mono_us();
    for (uint32_t i = 0; i < p->count; i++) {
        p->sinks[i].last_due = start;
        char name[32];
        snprintf(name, sizeof name, "sink-%u", i);
        os_thread_start(&p->sinks[i].thread, sink_thread, &p->sinks[i], name);
        p->sinks[i].started = true;
    }
    *ret = p;
    return OK;
}

/* A sink that hangs in a system call cannot be waited for; what it works on stays in the outbox. */
static bool wait_for_threads(struct publisher *p)
{
    int64_t until = os_mono_us() + CLOSE_PATIENCE;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    atomic_store(&p->cancelled, true);
    pthread_cond_broadcast(&p->work);
    bool all = false;
    for (int64_t left; !all && (left = until - os_mono_us()) > 0;) {
        all = true;
        for (uint32_t i = 0; i < p->count; i++)
            all &= !p->sinks[i].started || p->sinks[i].ended;
        if (!all)
            (void)os_cond_wait(&p->news, &p->lock, left);
    }
    pthread_mutex_unlock(&p->lock);
    return all;
}

void publisher_free(struct publisher *p)
{
    if (!p)
        return;
    if (!wait_for_threads(p))
        return; /* the threads still use *p; the process is about to end */
    for (uint32_t i = 0; i < p->count; i++) {
        struct publishing *s = &p->sinks[i];
        if (s->started)
            os_thread_join(&s->thread);
        outbox_range_free(s->job);
        outbox_range_free(s->ahead);
        free(s->info);
        if (s->sink)
            s->sink->ops->free(s->sink);
    }
    outbox_memory_free(p->memory);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->news);
    pthread_mutex_destroy(&p->lock);
    free(p->sinks);
    free(p);
}

/* ---- the engine's side ---- */

/* Sinks of one interval publish the same epoch (semantics 6), so all of them must be ready to do so early. */
static bool due_early(const struct publisher *p, int64_t interval_us)
{
    bool much = false;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct publishing *s = &p->sinks[i];
        if (s->interval_us != interval_us)
            continue;
        if (!s->sink->ops->any_time)
            return false;
        much |= s->waiting >= (uint64_t)p->config.settings->memory_in_flight / WAITING_PART;
    }
    return much;
}

void publisher_due(struct publisher *p, int64_t epoch, int64_t mono_us, bool everything)
{
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++) {
        struct publishing *s = &p->sinks[i];
        /* Sinks of one interval were started together and fall due together: they publish the same epoch. */
        s->due = everything || mono_us - s->last_due >= s->interval_us || due_early(p, s->interval_us);
    }
    for (uint32_t i = 0; i < p->count; i++) {
        struct publishing *s = &p->sinks[i];
        if (!s->due)
            continue;
        s->last_due = s->interval_us > 0 ? mono_us - (mono_us - s->last_due) % s->interval_us : mono_us;
        s->waiting = 0;
        s->now.target = MAX(s->now.target, epoch);
    }
    pthread_mutex_unlock(&p->lock);
}

static void keep_ledger(struct publishing *s, const struct manifest *m)
{
    AUTO(buf) info = BUF(MIB(1));
    ledger_json(&m->total, &info);
    free(s->info);
    s->info = mem_strdup(buf_cstr(&info));
}

/* Nothing is due, and much waits for a sink that takes it ahead. */
static void start_ahead(struct publishing *s, const struct manifest *m, int64_t now_us)
{
    const struct publisher *p = s->owner;
    uint64_t least = s->table->nkey ? (uint64_t)STAGE_FROM * NETTED : STAGE_FROM;
    if (!s->sink->ops->stage || s->unstaged < least || s->now.target > s->now.confirmed ||
        s->sated || s->failed || s->job || s->applying || s->ahead || s->staging)
        return;
    int64_t have = s->staged_rows > 0 ? s->staged : s->now.confirmed;
    s->ahead = outbox_range_new(p->config.store, m, s->table, have + 1, m->epoch, now_us);
    s->ahead->memory = p->memory;
    s->unstaged = 0;
}

/* What is decided and logged. A later decision, which is not logged yet, is waited for where the ledger as of the one
 * that is was that of a process before us. */
static bool may_start_job(const struct publishing *s)
{
    return !s->job && !s->applying && !s->failed && s->logged.target > s->now.confirmed &&
           (s->logged.target == s->now.target || s->info);
}

static bool start_job(struct publishing *s, const struct manifest *m, int64_t now_us)
{
    if (!may_start_job(s))
        return false;
    if (s->logged.target == m->epoch)
        keep_ledger(s, m);
    outbox_range_free(s->ahead);
    s->ahead = NULL;
    s->job = outbox_range_new(s->owner->config.store, m, s->table, s->now.confirmed + 1, s->logged.target, now_us);
    s->job->memory = s->owner->memory;
    s->job->info = s->info;
    s->info = NULL;
    return true;
}

void publisher_start(struct publisher *p, const struct manifest *m, int64_t now_us)
{
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++) {
        start_ahead(&p->sinks[i], m, now_us);
        (void)start_job(&p->sinks[i], m, now_us);
    }
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void publisher_go_on(struct publisher *p, const struct manifest *m)
{
    bool some = false;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++)
        some |= start_job(&p->sinks[i], m, m->now_us);
    if (some)
        pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

bool publisher_may_go_on(struct publisher *p)
{
    bool may = false;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++)
        may |= may_start_job(&p->sinks[i]);
    pthread_mutex_unlock(&p->lock);
    return may;
}

static bool differs(const struct publishing *s)
{
    return s->now.confirmed != s->logged.confirmed || s->now.applied != s->logged.applied ||
           s->now.target != s->logged.target || s->now.renew != s->logged.renew;
}

void publisher_record(struct publisher *p, struct arena *a, struct journal_record *record)
{
    struct sink_state *states = arena_array(a, p->count + 1, sizeof *states);
    uint32_t n = 0;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++) {
        struct publishing *s = &p->sinks[i];
        if (s->now.target > s->logged.target) /* as of the record, whose ledger is known then */
            s->now.target = record->epoch;
        if (differs(s))
            states[n++] = s->now;
    }
    pthread_mutex_unlock(&p->lock);
    record->sinks = states;
    record->nsinks = n;
}

void publisher_recorded(struct publisher *p, const struct journal_record *record, const struct manifest *m)
{
    pthread_mutex_lock(&p->lock);
    for (uint32_t k = 0; k < record->nsinks; k++)
        for (uint32_t i = 0; i < p->count; i++) {
            struct publishing *s = &p->sinks[i];
            if (strcmp(s->now.name, record->sinks[k].name))
                continue;
            if (record->sinks[k].target == m->epoch)
                keep_ledger(s, m);
            s->logged = record->sinks[k];
        }
    pthread_mutex_unlock(&p->lock);
}

void publisher_waits(struct publisher *p, uint32_t graph_sink, uint64_t bytes)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->sinks[i].graph_sink == graph_sink) {
            p->sinks[i].waiting += bytes;
            p->sinks[i].unstaged += bytes;
        }
}

void publisher_remember(struct publisher *p, uint32_t graph_sink, const struct segment_ref *segment,
                        struct bufs *payload)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->sinks[i].graph_sink == graph_sink)
            outbox_remember(p->memory, segment, p->sinks[i].table->name, payload);
}

uint64_t publisher_remembered(struct publisher *p) { return outbox_remembered(p->memory); }

bool publisher_has_news(struct publisher *p)
{
    bool news = false;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++)
        news |= differs(&p->sinks[i]);
    pthread_mutex_unlock(&p->lock);
    return news;
}

bool publisher_has_decided(struct publisher *p)
{
    bool decided = false;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++)
        decided |= p->sinks[i].now.target > p->sinks[i].logged.target;
    pthread_mutex_unlock(&p->lock);
    return decided;
}

bool publisher_done(struct publisher *p, int64_t epoch)
{
    bool done = true;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++)
        done &= p->sinks[i].now.confirmed >= epoch;
    pthread_mutex_unlock(&p->lock);
    return done;
}

enum status publisher_check(struct publisher *p, struct error *err)
{
    enum status status = OK;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count && status == OK; i++)
        if (p->sinks[i].failed) {
            *err = p->sinks[i].trouble;
            status = error_prefix(err, "sink \"%s\"", p->sinks[i].table->name);
        }
    pthread_mutex_unlock(&p->lock);
    return status;
}

void publisher_wait(struct publisher *p, int64_t timeout_us)
{
    pthread_mutex_lock(&p->lock);
    if (!p->woken)
        (void)os_cond_wait(&p->news, &p->lock, timeout_us);
    p->woken = false;
    pthread_mutex_unlock(&p->lock);
}

void publisher_wake(void *publisher)
{
    struct publisher *p = publisher;
    pthread_mutex_lock(&p->lock);
    tell(p);
    pthread_mutex_unlock(&p->lock);
}

bool publisher_status(struct publisher *p, uint32_t i, struct publish_status *ret)
{
    if (i >= p->count)
        return false;
    pthread_mutex_lock(&p->lock);
    const struct publishing *s = &p->sinks[i];
    *ret = (struct publish_status){.name = s->table->name,
                                   .confirmed = s->now.confirmed,
                                   .target = s->now.target,
                                   .interval_us = s->interval_us,
                                   .applying = s->applying || s->job,
                                   .troubled = s->troubled && !s->failed, /* else the run ends with it */
                                   .troubled_since = s->troubled_since,
                                   .trouble = s->trouble,
                                   .total = s->total};
    pthread_mutex_unlock(&p->lock);
    return true;
}

#ifdef BOURN_FAULTS
/* The planted bug "publish_before_log": what an epoch changes is outside before its record is won. */
void publisher_start_unlogged(struct publisher *p, const struct manifest *m, const struct segment_ref *added,
                              int64_t epoch, int64_t now_us)
{
    struct manifest early = *m;
    early.segments = mem_array(m->nsegments + 1, sizeof *early.segments);
    memcpy(early.segments, m->segments, m->nsegments * sizeof *early.segments);
    early.segments[early.nsegments++] = *added;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->count; i++) {
        struct publishing *s = &p->sinks[i];
        if (!s->job && !s->applying && !s->failed)
            s->job = outbox_range_new(p->config.store, &early, s->table, s->now.confirmed + 1, epoch, now_us);
    }
    pthread_cond_broadcast(&p->work);
    bool busy = true;
    while (busy) {
        busy = false;
        for (uint32_t i = 0; i < p->count; i++)
            busy |= p->sinks[i].job || p->sinks[i].applying;
        if (busy)
            (void)os_cond_wait(&p->news, &p->lock, 10 * 1000);
    }
    pthread_mutex_unlock(&p->lock);
    free(early.segments);
}
#endif
