/* Running a changed pipeline on the state of the old one (semantics 5):
 *
 *   the old plan, which the log names, drains its outbox, so that its tables are what its epochs say
 *   a graph of the new plan's steps that are built anew, and of what is above them, reads the sources again, from where
 *       the log began to where it has got to, with readers of its own
 *   ONE record: the new plan; state of steps that are gone leaves, state that was built comes; sinks to be filled have
 *       their rows in the outbox, others are marked to be written anew from the state
 *   and recovery goes on with the new plan, as after any start
 *
 * Until that record nothing but the old plan's outbox is outside: a crash before it begins again at the beginning, one
 * after it is as any other. Segments that no record names are removed by the next start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/heap.h"
#include "base/os.h"
#include "engine/change.h"
#include "engine/functions.h"
#include "engine/private.h"
#include "state/pieces.h"

enum {
    EPOCH_LENGTH = 1000 * 1000,
    QUIET_WAIT = 5 * 1000,
    SPLITS_PATIENCE = 30 * 1000 * 1000, /* for a broker to name the partitions that the log knows */
    END_PATIENCE = 5 * 1000 * 1000, /* for a source to say that it has what the log has read */
    REPORT_EVERY = 5 * 1000 * 1000,
};

struct rebuild {
    struct engine *e;
    const struct manifest *m;
    struct change *change;
    struct graph *graph;
    struct inputs inputs;
    struct rereading again;
    struct manifest from; /* its splits: where reading begins */
    struct op_time *times;
    struct segment_writer *built, *rest;
    struct segment_ref *state; /* of what is built, not merged yet */
    uint32_t nstate;
    struct segment_ref *added;
    uint32_t nadded;
    struct ledger ledger;
    int64_t now_us, pass;
    int64_t quiet_since; /* monotonic: the last row */
    uint64_t rows;
};

static const char bring_it_back[] = "steps that changed are built from it: bring it back, run the old pipeline, or "
                                    "start with a new state (--state FOLDER) and new tables";

static enum status check_interrupted(const struct engine *e, struct error *err)
{
    if (!e->config.interrupted || !*e->config.interrupted)
        return OK;
    (void)error_set(err, ERR_INTERRUPTED, "interrupted while the pipeline's change was made");
    return error_hint(err, "the state is as it was; the next start begins the change again");
}

/* ---- the old plan ---- */

static enum status wait_for_sinks(struct engine *e, struct error *err)
{
    int64_t epoch = journal_manifest(e->journal)->epoch;
    publisher_due(e->publisher, epoch, os_mono_us(), true);
    for (;;) {
        TRY(publisher_check(e->publisher, err));
        TRY(check_interrupted(e, err));
        if (publisher_has_news(e->publisher))
            TRY(engine_confirm(e, err));
        if (publisher_done(e->publisher, epoch) && !publisher_has_news(e->publisher))
            return OK;
        publisher_wait(e->publisher, 20 * 1000);
    }
}

static bool something_waits(const struct manifest *m)
{
    for (uint32_t i = 0; i < m->nsinks; i++)
        if (m->sinks[i].confirmed < m->epoch)
            return true;
    return m->nsinks == 0 && m->epoch > 0;
}

/* With the old plan in the engine's place, and put back. */
static enum status drain_old(struct engine *e, struct plan *old, struct error *err)
{
    const struct manifest *m = journal_manifest(e->journal);
    if (!something_waits(m))
        return OK;
    struct settings settings = builtin_settings_of(old);
    struct graph_config graph = {.plan = old, .pool = e->pool, .hash_seed = m->hash_seed,
                                 .format = builtin_table_format};
    TRY(graph_new(&graph, &e->graph, err));
    struct publish_config publish = {.plan = old, .store = e->store, .settings = &settings, .uuid = m->uuid,
                                     .graph = e->graph, .stand_in = e->config.stand_in, .adopt = e->config.adopt};
    e->merger = merger_new(e->store);
    enum status s = publisher_new(&publish, m, &e->publisher, err);
    if (s == OK) {
        publisher_start(e->publisher, m, m->now_us);
        s = wait_for_sinks(e, err);
    }
    publisher_free(e->publisher);
    merger_free(e->merger);
    graph_free(e->graph);
    e->publisher = NULL;
    e->merger = NULL;
    e->graph = NULL;
    return s == OK ? OK : error_prefix(err, "before the pipeline can be changed, what the old one has computed must be "
                                            "published");
}

/* ---- reading again ---- */

static void begin_again(struct rebuild *r)
{
    const struct manifest *m = r->m;
    r->from.splits = mem_array(m->nsplits + 1, sizeof *r->from.splits);
    for (uint32_t i = 0; i < m->nsplits; i++) {
        r->from.splits[i] = m->splits[i];
        r->from.splits[i].position = m->splits[i].start;
        r->from.splits[i].mark = (struct source_mark){0};
        r->from.splits[i].max_event = INT64_MIN;
        r->from.splits[i].idle = r->from.splits[i].finished = false;
    }
    r->from.nsplits = m->nsplits;
    r->again = (struct rereading){&r->from, m, r->change->reread};
}

static enum status find_splits(struct rebuild *r, struct error *err)
{
    int64_t until = os_mono_us() + SPLITS_PATIENCE;
    for (const struct split_position *gone; (gone = inputs_missing(&r->inputs));) {
        TRY(check_interrupted(r->e, err));
        if (os_mono_us() > until) {
            (void)error_set(err, ERR_STATE, "source \"%s\": %s, which was read, is not there any more", gone->source,
                            gone->split);
            return error_hint(err, "%s", bring_it_back);
        }
        os_sleep_us(QUIET_WAIT);
        TRY(inputs_discover(&r->inputs, &r->from, err));
    }
    return OK;
}

/* What retention has removed since cannot be read again, whatever the source does about that (on_lost_offsets). */
static enum status check_beginnings(const struct rebuild *r, struct error *err)
{
    for (uint32_t i = 0; i < r->inputs.count; i++) {
        const struct input *in = &r->inputs.items[i];
        for (uint32_t k = 0; k < in->nsplits; k++)
            for (uint32_t n = 0; n < r->from.nsplits; n++) {
                const struct split_position *p = &r->from.splits[n];
                if (strcmp(p->source, in->table->name) || strcmp(p->split, in->splits[k].split.name) ||
                    in->splits[k].start <= p->start)
                    continue;
                (void)error_set(err, ERR_STATE,
                                "source \"%s\", %s: messages %lld to %lld are gone, and steps that changed are built "
                                "from them",
                                p->source, p->split, (long long)p->start, (long long)in->splits[k].start - 1);
                return error_hint(err, "run the old pipeline, or start the new one with a state of its own "
                                       "(--state FOLDER) and new tables");
            }
    }
    return OK;
}

static bool is_short(const struct rebuild *r, const struct input *in, uint32_t split)
{
    int64_t end = in->source->ops->end_position(in->source, split);
    bool waited = r->quiet_since && os_mono_us() - r->quiet_since > END_PATIENCE;
    return end >= 0 && end < in->splits[split].until && in->splits[split].until < INT64_MAX &&
           (in->splits[split].finished || waited);
}

/* What was read again to the log's position must end in the message that the log has there. */
static enum status check_mark(const struct rebuild *r, const struct input *in, const struct input_split *s,
                              struct error *err)
{
    const struct split_position *old =
        s->reached && s->mark.known ? manifest_split(r->m, in->table->name, s->split.name) : NULL;
    if (!old || !source_mark_differs(&old->mark, &s->mark))
        return OK;
    (void)error_set(err, ERR_STATE, "source \"%s\", %s: what is at %lld is not what was read there", in->table->name,
                    s->split.name, (long long)s->mark.position);
    return error_hint(err, "%s", bring_it_back);
}

/* Is everything read? What ends before the log's position was cut. */
static enum status check_ends(struct rebuild *r, bool *ret_reached, struct error *err)
{
    *ret_reached = true;
    for (uint32_t i = 0; i < r->inputs.count; i++) {
        struct input *in = &r->inputs.items[i];
        for (uint32_t k = 0; k < in->nsplits; k++) {
            struct input_split *s = &in->splits[k];
            if (!s->reached && is_short(r, in, k)) {
                (void)error_set(err, ERR_STATE, "source \"%s\", %s: it is shorter than what was read of it",
                                in->table->name, s->split.name);
                return error_hint(err, "%s", bring_it_back);
            }
            TRY(check_mark(r, in, s, err));
            s->reached |= s->finished;
            *ret_reached &= s->reached;
        }
    }
    return OK;
}

/* ---- what comes of it ---- */

static void add_ref(struct segment_ref **refs, uint32_t *n, const struct segment_ref *ref)
{
    *refs = mem_realloc(*refs, (*n + 1) * sizeof **refs);
    (*refs)[(*n)++] = *ref;
}

/* Everything built lies in as few segments as order needs: of equal epochs, only one may hold a key. */
static enum status merge_built(struct rebuild *r, struct error *err)
{
    struct segment_ref merged[MERGE_RESULTS];
    uint32_t n = 0;
    if (r->nstate < 2)
        return OK;
    TRY(merge_segments(r->e->store, r->state, r->nstate, true, INT64_MIN, r->m->term, merged, &n, err));
    for (uint32_t i = 0; i < r->nstate; i++)
        TRY(store_discard(r->e->store, r->state[i].name, err));
    r->nstate = 0;
    for (uint32_t i = 0; i < n; i++)
        if (merged[i].has_state)
            add_ref(&r->state, &r->nstate, &merged[i]);
    return OK;
}

static enum status keep_state(struct rebuild *r, struct error *err)
{
    struct segment_ref ref;
    graph_save_some(r->graph, r->change->built, r->built, r->rest);
    segment_writer_reset(r->rest);
    TRY(heap_check(err));
    if (!r->e->spills && graph_state_bytes(r->graph) > (uint64_t)r->e->settings.state_memory) {
        (void)error_set(err, ERR_LIMIT, "building the changed steps needs %llu bytes of state so far, and "
                                        "bourn.state_memory allows %lld",
                        (unsigned long long)graph_state_bytes(r->graph), (long long)r->e->settings.state_memory);
        return error_hint(err, "raise it (SET bourn.state_memory = '...'), or let state lie on disk (SET bourn.spill = "
                               "'folder'); the state is as it was");
    }
    if (!segment_is_empty(r->built)) {
        TRY(segment_put(r->built, r->e->store, r->m->epoch + 1, r->m->epoch + 1, r->m->term, 0, &ref, err));
        add_ref(&r->state, &r->nstate, &ref);
    }
    segment_writer_reset(r->built);
    return r->nstate >= MERGE_FANOUT ? merge_built(r, err) : OK;
}

static enum status keep_rows(struct rebuild *r, struct error *err)
{
    struct segment_ref ref;
    for (uint32_t i = 0; i < graph_sink_count(r->graph); i++) {
        struct bufs rows;
        struct collect_counts counts;
        const struct plan_node *sink = graph_sink(r->graph, i, &rows, &counts);
        if (r->change->built[sink - r->e->plan->nodes] && counts.in > 0) {
            engine_count_sink(&r->ledger, sink->sink_name, &counts);
            bufs_join(&rows, segment_section(r->built, SECTION_OUTBOX, sink->sink_name, 1));
        }
        bufs_release(&rows);
    }
    if (!segment_is_empty(r->built)) {
        TRY(segment_put(r->built, r->e->store, r->m->epoch + 1, r->m->epoch + 1, r->m->term, 0, &ref, err));
        add_ref(&r->added, &r->nadded, &ref);
    }
    segment_writer_reset(r->built);
    return OK;
}

static void count_steps(struct rebuild *r)
{
    struct step_counts c;
    const struct plan_node *node;
    for (uint32_t i = 0; (node = graph_step(r->graph, i, &c)); i++)
        if (r->change->built[node - r->e->plan->nodes])
            engine_count_step(&r->ledger, node->id, &c);
}

/* What a source says of what it has lost, is of reading on. */
static enum status cannot_read(struct error *err)
{
    if (err->code == ERR_SOURCE)
        err->code = ERR_STATE;
    (void)error_prefix(err, "reading again for the steps that changed");
    return error_hint(err, "%s", bring_it_back);
}

static enum status pass(struct rebuild *r, bool final, uint64_t *ret_rows, struct error *err)
{
    const struct settings *s = &r->e->settings;
    struct input_limits limits = {.rows = s->epoch_rows,
                                  .bytes = s->epoch_bytes,
                                  .until_us = os_mono_us() + MAX(s->epoch_interval_us, (int64_t)EPOCH_LENGTH),
                                  .memory = (uint64_t)s->memory_in_flight,
                                  .appended = INT64_MAX};
    uint64_t bytes;
    *ret_rows = 0;
    inputs_times(&r->inputs, r->now_us, r->times);
    graph_begin_epoch(r->graph, ++r->pass, r->now_us, r->times, final);
    if (!final && inputs_read(&r->inputs, r->graph, &limits, ret_rows, &bytes, err) != OK)
        return cannot_read(err);
    r->rows += *ret_rows;
    graph_end_epoch(r->graph);
    count_steps(r);
    TRY(keep_rows(r, err));
    TRY(keep_state(r, err));
    inputs_end_epoch(&r->inputs, r->now_us);
    return OK;
}

/* The input had ended: whatever waits for that comes now. */
static enum status pass_at_end(struct rebuild *r, struct error *err)
{
    uint64_t rows;
    if (!r->m->ended)
        return OK;
    for (uint32_t i = 0; i < r->inputs.count; i++)
        for (uint32_t k = 0; k < r->inputs.items[i].nsplits; k++)
            r->inputs.items[i].splits[k].finished = true;
    inputs_end(&r->inputs, r->now_us);
    return pass(r, true, &rows, err);
}

static enum status read_again(struct rebuild *r, struct error *err)
{
    struct graph_config graph = {.plan = r->e->plan,
                                 .pool = r->e->pool,
                                 .hash_seed = r->m->hash_seed,
                                 .max_ahead_us = r->e->settings.max_ahead_us,
                                 .wanted = r->change->wanted,
                                 .format = builtin_table_format};
    TRY(graph_new(&graph, &r->graph, err));
    begin_again(r);
    TRY(inputs_reopen(&r->inputs, r->e->plan, &r->e->settings, r->e->config.stand_in, &r->again, r->now_us, err));
    TRY(find_splits(r, err));
    int64_t reported = os_mono_us();
    for (bool reached = false; !reached;) {
        uint64_t rows;
        TRY(check_interrupted(r->e, err));
        TRY(pass(r, false, &rows, err));
        TRY(check_beginnings(r, err));
        TRY(check_ends(r, &reached, err));
        if (rows > 0 || !r->quiet_since)
            r->quiet_since = os_mono_us();
        if (rows == 0 && !reached)
            os_sleep_us(QUIET_WAIT);
        if (os_mono_us() - reported > REPORT_EVERY) {
            log_info("building the changed steps: %llu rows read again", (unsigned long long)r->rows);
            reported = os_mono_us();
        }
    }
    uint64_t none;
    if (!r->m->ended) /* the rows of the last one close what the log says is closed */
        TRY(pass(r, false, &none, err));
    TRY(pass_at_end(r, err));
    TRY(merge_built(r, err));
    for (uint32_t i = 0; i < r->nstate; i++)
        add_ref(&r->added, &r->nadded, &r->state[i]);
    return OK;
}

/* ---- state that goes ---- */

static bool is_kept(void *arg, const struct section *section)
{
    const struct rebuild *r = arg;
    return section->kind != SECTION_OUTBOX && change_keeps(r->change, section->name);
}

/* A segment with sections of steps that are gone, or built anew: the others in a segment of its own. */
static enum status without_gone(struct rebuild *r, const struct segment_ref *ref, bool *ret_changed, struct error *err)
{
    struct segment *segment;
    TRY(segment_open(r->e->store, ref, &segment, err));
    uint32_t n, kept = 0, state = 0;
    const struct section *sections = segment_sections(segment, &n);
    for (uint32_t i = 0; i < n; i++) {
        state += sections[i].kind != SECTION_OUTBOX;
        kept += is_kept(r, &sections[i]);
    }
    *ret_changed = kept < state;
    struct segment_ref copy;
    enum status s = OK;
    if (*ret_changed)
        s = segment_copy(segment, ref, is_kept, r, r->e->store, r->m->term, &copy, &kept, err);
    if (s == OK && *ret_changed && kept)
        add_ref(&r->added, &r->nadded, &copy);
    segment_close(segment);
    return s;
}

static enum status drop_state(struct rebuild *r, struct journal_record *record, struct error *err)
{
    const char **dropped = arena_array(&r->change->arena, r->m->nsegments + 1, sizeof *dropped);
    for (uint32_t i = 0; i < r->m->nsegments; i++) {
        bool changed = false;
        if (r->m->segments[i].has_state)
            TRY(without_gone(r, &r->m->segments[i], &changed, err));
        if (changed)
            dropped[record->ndropped_state++] =
                arena_dup(&r->change->arena, r->m->segments[i].name, sizeof r->m->segments[i].name);
    }
    record->dropped_state = dropped;
    return OK;
}

/* ---- the record ---- */

static bool is_source(const struct plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->ntables; i++)
        if (p->tables[i].is_source && !strcmp(p->tables[i].name, name))
            return true;
    return false;
}

/* One whose contract or watermark changed keeps its positions, and has the event time that reading it again has shown.
 * One that is new was read to its end. */
static void record_source(struct rebuild *r, const struct input *in, struct split_position *splits,
                          struct source_time *time, struct journal_record *record)
{
    *time = input_time(in);
    snprintf(time->source, sizeof time->source, "%s", in->table->name);
    for (uint32_t k = 0; k < in->nsplits; k++) {
        const struct input_split *s = &in->splits[k];
        const struct split_position *old = manifest_split(r->m, in->table->name, s->split.name);
        if (!old && s->until == INT64_MIN)
            continue; /* found meanwhile: read from here on */
        struct split_position *x = &splits[record->nsplits++];
        if (old) {
            *x = *old;
        } else {
            *x = (struct split_position){.number = s->split.number, .position = s->position, .start = s->start,
                                         .mark = s->mark, .finished = s->finished};
            snprintf(x->source, sizeof x->source, "%s", in->table->name);
            snprintf(x->split, sizeof x->split, "%s", s->split.name);
        }
        x->max_event = s->max_event;
    }
}

/* A source that is gone takes its positions with it. */
static void record_sources(struct rebuild *r, struct journal_record *record)
{
    struct arena *a = &r->change->arena;
    const struct plan *before = r->change->before;
    uint32_t nsplits = 0;
    for (uint32_t i = 0; i < r->inputs.count; i++)
        nsplits += r->inputs.items[i].nsplits;
    const char **gone = arena_array(a, before->ntables + r->inputs.count + 1, sizeof *gone);
    struct split_position *splits = arena_array(a, nsplits + 1, sizeof *splits);
    struct source_time *times = arena_array(a, r->inputs.count + 1, sizeof *times);
    for (uint32_t i = 0; i < before->ntables; i++)
        if (before->tables[i].is_source && !is_source(r->e->plan, before->tables[i].name))
            gone[record->ngone_sources++] = before->tables[i].name;
    for (uint32_t i = 0; i < r->inputs.count; i++) {
        const struct input *in = &r->inputs.items[i];
        if (is_source(before, in->table->name) && !change_alters_source(r->change, in->table->name))
            continue;
        gone[record->ngone_sources++] = in->table->name;
        record_source(r, in, splits, &times[record->nsources++], record);
    }
    record->gone_sources = gone;
    record->splits = splits;
    record->sources = times;
}

static void record_sinks(struct rebuild *r, struct journal_record *record)
{
    struct arena *a = &r->change->arena;
    const char **gone = arena_array(a, r->change->nsteps + 1, sizeof *gone);
    struct sink_state *sinks = arena_array(a, r->change->nsteps + 1, sizeof *sinks);
    for (uint32_t i = 0; i < r->change->nsteps; i++) {
        const struct change_step *s = &r->change->steps[i];
        if (s->fate == STEP_DROPPED && s->before->kind == NODE_SINK)
            gone[record->ngone_sinks++] = s->before->sink_name;
        if (s->fate == STEP_DROPPED || s->now->kind != NODE_SINK || s->sink == SINK_KEPT ||
            s->sink == SINK_GROWN || s->sink == SINK_GOES_ON)
            continue;
        const struct sink_state *old = manifest_sink(r->m, s->now->sink_name);
        struct sink_state *x = &sinks[record->nsinks++];
        *x = (struct sink_state){.confirmed = r->m->epoch, .applied = old ? old->applied : 0, .target = record->epoch,
                                 .renew = r->m->epoch == 0             ? RENEW_NOT
                                          : s->sink == SINK_RENEWED  ? RENEW_FROM_STATE
                                          : s->sink == SINK_REPLACED ? RENEW_FROM_OUTBOX
                                                                     : RENEW_NOT};
        snprintf(x->name, sizeof x->name, "%s", s->now->sink_name);
    }
    record->gone_sinks = gone;
    record->sinks = sinks;
}

/* A target that is out of reach, or another's, is found before anything is written: its sinks as the record will name
 * them are opened, once. */
static enum status try_sinks(const struct rebuild *r, const struct journal_record *record, struct error *err)
{
    struct engine *e = r->e;
    struct manifest then = *r->m;
    then.epoch = record->epoch;
    then.nsinks = 0;
    then.sinks = arena_array(&r->change->arena, r->m->nsinks + record->nsinks + 1, sizeof *then.sinks);
    for (uint32_t i = 0; i < record->nsinks; i++)
        then.sinks[then.nsinks++] = record->sinks[i];
    for (uint32_t i = 0; i < r->m->nsinks; i++)
        then.sinks[then.nsinks++] = r->m->sinks[i]; /* the first of a name counts */
    struct graph_config config = {.plan = e->plan, .pool = e->pool, .hash_seed = r->m->hash_seed,
                                  .format = builtin_table_format};
    struct graph *graph;
    TRY(graph_new(&config, &graph, err));
    struct publish_config publish = {.plan = e->plan, .store = e->store, .settings = &e->settings, .uuid = r->m->uuid,
                                     .graph = graph, .stand_in = e->config.stand_in, .adopt = e->config.adopt,
                                     .resync = e->config.resync};
    enum status s = publisher_try(&publish, &then, err);
    graph_free(graph);
    return s == OK ? OK : error_prefix(err, "the pipeline was changed, and before anything of it is written");
}

static enum status make(struct rebuild *r, const char *sha, struct error *err)
{
    bool rereads = r->change->rereads && r->m->epoch > 0;
    struct journal_record record = {.kind = !rereads ? "plan" : r->m->ended ? "end" : "epoch",
                                    .epoch = r->m->epoch + rereads,
                                    .now_us = r->now_us,
                                    .ended = r->m->ended,
                                    .plan = sha,
                                    .fingerprint = r->e->plan->fingerprint};
    r->ledger = (struct ledger){.from = record.epoch, .to = record.epoch};
    record_sinks(r, &record);
    TRY(try_sinks(r, &record, err));
    if (rereads)
        TRY(read_again(r, err));
    TRY(drop_state(r, &record, err));
    record_sources(r, &record);
    record.ledger = rereads ? &r->ledger : NULL;
    record.added = r->added;
    record.nadded = r->nadded;
    os_test_point("change");
    return journal_append(r->e->journal, &record, err);
}

static void rebuild_release(struct rebuild *r)
{
    inputs_release(&r->inputs);
    graph_free(r->graph);
    segment_writer_free(r->built);
    segment_writer_free(r->rest);
    ledger_release(&r->ledger);
    free(r->from.splits);
    free(r->times);
    free(r->state);
    free(r->added);
}

static enum status change_to(struct engine *e, struct change *change, const char *sha, struct error *err)
{
    const struct manifest *m = journal_manifest(e->journal);
    struct rebuild r = {.e = e,
                        .m = m,
                        .change = change,
                        .times = mem_array(e->plan->ntables + 1, sizeof *r.times),
                        .built = segment_writer_new(),
                        .rest = segment_writer_new(),
                        .now_us = MAX(engine_now(e), m->now_us)};
    enum status s = change_check_state(e->store, m, change, err);
    if (s == OK)
        s = make(&r, sha, err);
    if (s == OK)
        log_info("the pipeline was changed%s", r.rows ? "; the steps that changed have read their sources again" : "");
    rebuild_release(&r);
    return s;
}

enum status engine_change(struct engine *e, const char *sha, struct error *err)
{
    AUTO(plan) *old = NULL;
    TRY(change_logged_plan(e->store, journal_manifest(e->journal), &old, err));
    struct change *change = change_new(old, e->plan, journal_manifest(e->journal), e->config.adopt);
    enum status s = OK;
    AUTO(buf) functions = BUF(KIB(64));
    bool other_code = functions_changed(old, e->plan, &functions);
    if (change->refused) {
        *err = change->refusal;
        s = error_prefix(err, "the pipeline was changed since the state %s was made", e->config.state);
        if (other_code)
            s = error_hint(err, "the file of %.150s is another: bring back the one that this state has run, or --adopt "
                                "to go on with this one", buf_cstr(&functions));
    } else if (other_code) {
        log_info("the file of %s is another than this state has run so far", buf_cstr(&functions));
    }
    if (s == OK)
        s = drain_old(e, old, err);
    if (s == OK)
        s = change_to(e, change, sha, err);
    change_free(change);
    return s;
}
