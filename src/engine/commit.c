/* Closing an epoch: the order here is the promise. Balance first, then the segment (state changes and outbox, fsynced),
 * then the record, which is THE commit point, and only then anybody outside sees anything.
 *
 * A large segment, and then its record, are written by a thread while the next epoch is read: that one needs the state
 * in memory, not the log, and a disk that is slow to say that something is durable keeps no worker waiting. As soon as
 * the record is there, the engine's thread takes it in, between two rounds, and lets sinks begin; the next epoch is not
 * closed before. Whatever fails, what was read meanwhile is forgotten with it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"
#include "engine/private.h"

/* Bytes from which on it pays to write beside reading. The test build's epochs are small. */
#ifdef BOURN_FAULTS
enum { BESIDE_FROM = 16 << 10 };
#else
enum { BESIDE_FROM = 1 << 20 };
#endif

/* ---- the ledger ---- */

static void count_sources(struct engine *e, struct ledger *l)
{
    for (uint32_t t = 0; t < e->plan->ntables; t++) {
        struct step_counts c;
        struct scan *scan = graph_scan(e->graph, t, &c);
        if (!scan)
            continue;
        const char *name = e->plan->tables[t].name;
        struct ledger_line *line = ledger_line(l, LEDGER_SOURCE, name);
        line->counts.in += c.in;
        line->counts.out += c.out;
        line->counts.rejected += c.in - c.out;
        for (uint32_t r = 0; r < scan_rule_count(scan); r++) {
            uint64_t count;
            const char *rule = scan_rule(scan, r, &count);
            if (count)
                ledger_count_rule(l, name, rule, count);
        }
    }
}

void engine_count_step(struct ledger *l, const char *id, const struct step_counts *c)
{
    if (c->in == 0 && c->expired == 0)
        return;
    struct ledger_line *line = ledger_line(l, LEDGER_STEP, id);
    line->expired += c->expired;
    line->counts.in += c->in;
    line->counts.out += c->out;
    line->counts.filtered += c->filtered;
    line->counts.late += c->late;
    line->counts.duplicate += c->duplicate;
    line->counts.error += c->error;
}

static uint64_t count_steps(struct engine *e, struct ledger *l)
{
    struct step_counts c;
    uint64_t errors = 0;
    const struct plan_node *node;
    for (uint32_t i = 0; (node = graph_step(e->graph, i, &c)); i++) {
        engine_count_step(l, node->id, &c);
        errors += c.error;
    }
    return errors;
}

void engine_count_sink(struct ledger *l, const char *name, const struct collect_counts *c)
{
    if (c->in == 0)
        return;
    struct ledger_line *line = ledger_line(l, LEDGER_SINK, name);
    line->counts.in += c->in;
    line->counts.rejected += c->rejected;
    line->counts.error += c->error;
    line->inserted += c->inserted;
    line->updated += c->updated;
    line->deleted += c->deleted;
    line->unchanged += c->unchanged;
}

/* ---- the segment ---- */

static uint64_t gather_outbox(struct engine *e, struct ledger *l)
{
    uint64_t errors = 0;
    if (!e->commit.payloads)
        e->commit.payloads = mem_zalloc((graph_sink_count(e->graph) + 1) * sizeof *e->commit.payloads);
    for (uint32_t i = 0; i < graph_sink_count(e->graph); i++) {
        struct bufs *payload = &e->commit.payloads[i];
        struct collect_counts counts;
        const struct plan_node *sink = graph_sink(e->graph, i, payload, &counts);
        engine_count_sink(l, sink->sink_name, &counts);
        errors += counts.error;
        publisher_waits(e->publisher, i, payload->bytes);
        if (payload->count)
            segment_lend(e->segment, SECTION_OUTBOX, sink->sink_name, 1, payload);
    }
    return errors;
}

/* What is in the segment by now is not needed here any more, except that sinks need not read it back. */
static void release_payloads(struct engine *e)
{
    for (uint32_t i = 0; e->commit.payloads && i < graph_sink_count(e->graph); i++)
        bufs_release(&e->commit.payloads[i]);
}

static void hand_over_payloads(struct engine *e)
{
    const struct commit *c = &e->commit;
    for (uint32_t i = 0; i < graph_sink_count(e->graph); i++)
        if (c->payloads[i].count)
            publisher_remember(e->publisher, i, &c->added[c->first], &c->payloads[i]);
}

static enum status check_state_budget(struct engine *e, struct error *err)
{
    if (e->spills)
        return heap_check(err);
    if (graph_state_bytes(e->graph) <= (uint64_t)e->settings.state_memory)
        return OK;
    uint64_t keys, bytes, worst_bytes = 0, worst_keys = 0;
    const struct plan_node *node, *worst = NULL;
    for (uint32_t i = 0; (node = graph_state(e->graph, i, &keys, &bytes)); i++)
        if (bytes >= worst_bytes) {
            worst = node;
            worst_bytes = bytes;
            worst_keys = keys;
        }
    assert(worst);
    (void)error_set(
        err, ERR_LIMIT,
        "state needs %llu bytes and bourn.state_memory allows %lld; the largest step is %s (%s) with %llu keys "
        "in %llu bytes",
        (unsigned long long)graph_state_bytes(e->graph), (long long)e->settings.state_memory, worst->name, worst->id,
        (unsigned long long)worst_keys, (unsigned long long)worst_bytes);
    return error_hint(err,
                      "raise it (SET bourn.state_memory = '...'), let state lie on disk (SET bourn.spill = 'folder'), "
                      "or bound the step: a shorter watermark or horizon; nothing is lost, the run goes on from the "
                      "last epoch");
}

/* One file, or two: large sets leave the disk when they expire, while the rest may wait for a sink (decision 0007). */
static enum status put_segments(struct engine *e, struct error *err)
{
    struct commit *c = &e->commit;
    struct segment_writer *sets = segment_writer_new(), *writers[] = {e->segment, sets};
    segment_take_sets(e->segment, MERGE_SETS_APART, sets);
    uint64_t term = journal_manifest(e->journal)->term;
    enum status s = OK;
    for (size_t i = 0; s == OK && i < ARRAY_LEN(writers); i++)
        if (!segment_is_empty(writers[i])) {
            s = segment_put(writers[i], e->store, c->epoch, c->epoch, term, 0, &c->added[c->record.nadded], err);
            c->record.nadded += s == OK;
        }
    segment_writer_free(sets);
    return s;
}

/* ---- the record ---- */

static bool is_logged(const struct step_time *x, const struct step_time *old)
{
    return old && x->watermark == old->watermark && x->evict == old->evict && x->closes == old->closes &&
           !strcmp(x->source, old->source) && !strcmp(x->name, old->name);
}

/* Event time of the steps that go by it, as the next epoch begins with it. */
static void record_steps(struct engine *e, struct arena *a, struct journal_record *r)
{
    uint64_t keys, bytes;
    const struct plan_node *node;
    const struct manifest *m = journal_manifest(e->journal);
    struct step_time *steps = arena_array(a, e->plan->nnodes + 1, sizeof *steps);
    inputs_times(&e->inputs, r->now_us, e->times);
    graph_set_times(e->graph, e->times);
    for (uint32_t i = 0; (node = graph_state(e->graph, i, &keys, &bytes)); i++) {
        struct graph_open open;
        if (!graph_opens(e->graph, node, &open))
            continue;
        struct step_time *x = &steps[r->nsteps];
        *x = (struct step_time){.watermark = open.time.evict_us, .evict = open.time.late_us, .since = r->now_us,
                                .lag = node->lag, .waits = open.waits,
                                .closes = open.closes == INT64_MAX ? INT64_MIN : open.closes};
        snprintf(x->step, sizeof x->step, "%s", node->id);
        snprintf(x->name, sizeof x->name, "%s", node->name);
        snprintf(x->source, sizeof x->source, "%s", e->plan->tables[open.table].name);
        const struct step_time *old = manifest_step(m, x->step);
        if (old && old->watermark == x->watermark)
            x->since = old->since;
        r->nsteps += !is_logged(x, old);
    }
    r->steps = steps;
}

static enum status write_epoch(struct engine *e, struct error *err)
{
    struct commit *c = &e->commit;
    TRY(put_segments(e, err));
    os_test_point("segment");
#ifdef BOURN_FAULTS
    if (os_planted_bug("publish_before_log") && c->record.nadded > c->first)
        publisher_start_unlogged(e->publisher, journal_manifest(e->journal), &c->added[c->first], c->epoch, c->now_us);
#endif
    return journal_write(e->journal, &c->record, err);
}

static void *write_thread(void *arg)
{
    struct engine *e = arg;
    struct commit *c = &e->commit;
    if (c->beside)
        journal_sweep(e->journal);
    c->status = write_epoch(e, &c->error);
    atomic_store(&c->written, true);
    return NULL;
}

/* The record is in the log, and the manifest is what it made of it. */
static void recorded(struct engine *e, const struct journal_record *r)
{
    os_test_point("recorded");
    publisher_recorded(e->publisher, r, journal_manifest(e->journal));
    merger_recorded(e->merger);
    publisher_start(e->publisher, journal_manifest(e->journal), r->now_us);
    merger_poke(e->merger, journal_manifest(e->journal));
}

/* SET bourn.on_error = 'stop': which row, and what PostgreSQL would have said of it. */
static enum status stop_on_error(const struct engine *e, int64_t epoch, uint64_t errors, struct error *err)
{
    const struct rejection *first = graph_first_error(e->graph);
    assert(first);
    unsigned long long n = errors;
    if (first->source == UINT32_MAX)
        (void)error_set(err, ERR_SOURCE, "%s, row %.300s: %s (%s), the first of %llu errors in epoch %lld", first->step,
                        first->row_key, first->error, first->rules, n, (long long)epoch);
    else
        (void)error_set(err, ERR_SOURCE, "%s, offset %lld: %s (%s), the first of %llu errors in epoch %lld",
                        first->source_name, (long long)first->offset, first->error, first->rules, n, (long long)epoch);
    return error_hint(err, "bourn.on_error is 'stop', so nothing of this epoch was committed; with 'reject' such rows "
                           "go to bourn.rejected");
}

static enum status check(struct engine *e, uint64_t errors, struct error *err)
{
    TRY(ledger_balance(&e->commit.ledger, err));
    if (errors && e->settings.stop_on_error)
        return stop_on_error(e, e->commit.epoch, errors, err);
    return check_state_budget(e, err);
}

enum status engine_commit(struct engine *e, int64_t epoch, int64_t now_us, bool ended, struct error *err)
{
    struct commit *c = &e->commit;
    TRY(engine_commit_end(e, err));
    c->began_us = os_mono_us();
    c->epoch = epoch;
    c->now_us = now_us;
    c->ledger = (struct ledger){.from = epoch, .to = epoch};
    c->record = (struct journal_record){.kind = ended ? "end" : "epoch", .epoch = epoch, .now_us = now_us,
                                        .ended = ended, .ledger = &c->ledger, .added = c->added};
    arena_reset(&c->arena);
    segment_writer_reset(e->segment);
    count_sources(e, &c->ledger);
    uint64_t errors = gather_outbox(e, &c->ledger);
    errors += count_steps(e, &c->ledger);
    TRY(check(e, errors, err));
    c->open = true;
    graph_save(e->graph, e->segment);
    inputs_end_epoch(&e->inputs, now_us);
    inputs_record(&e->inputs, &c->arena, &c->record);
    record_steps(e, &c->arena, &c->record);
    merger_record(e->merger, journal_manifest(e->journal), &c->arena, &c->record, c->added);
    publisher_due(e->publisher, epoch, os_mono_us(), ended);
    publisher_record(e->publisher, &c->arena, &c->record);
    c->first = c->record.nadded;
    c->bytes = segment_writer_bytes(e->segment);
    c->beside = !ended && c->bytes >= BESIDE_FROM;
    atomic_store(&c->written, false);
    if (c->beside) {
        os_thread_start(&c->thread, write_thread, e, "commit");
        return OK;
    }
    (void)write_thread(e);
    TRY(engine_commit_end(e, err));
    journal_sweep(e->journal);
    return OK;
}

bool engine_commit_is_written(struct engine *e) { return e->commit.open && atomic_load(&e->commit.written); }

static void join(struct commit *c)
{
    if (c->beside)
        os_thread_join(&c->thread);
    c->beside = false;
}

static enum status take_in(struct engine *e, struct error *err)
{
    struct commit *c = &e->commit;
    if (c->status != OK) {
        *err = c->error;
        return c->status;
    }
    hand_over_payloads(e);
    journal_written(e->journal, &c->record);
    recorded(e, &c->record);
    inputs_recorded(&e->inputs, &c->record);
    e->commit_us = (3 * e->commit_us + os_mono_us() - c->began_us) / 4;
    return OK;
}

enum status engine_commit_end(struct engine *e, struct error *err)
{
    struct commit *c = &e->commit;
    if (!c->open)
        return OK;
    join(c);
    enum status s = take_in(e, err);
    segment_writer_reset(e->segment);
    release_payloads(e);
    ledger_release(&c->ledger);
    c->bytes = 0;
    c->open = false;
    return s;
}

void engine_commit_release(struct engine *e)
{
    join(&e->commit);
    if (e->graph)
        release_payloads(e);
    free(e->commit.payloads);
    ledger_release(&e->commit.ledger);
    arena_release(&e->commit.arena);
}

enum status engine_confirm(struct engine *e, struct error *err)
{
    const struct manifest *m = journal_manifest(e->journal);
    struct segment_ref added[MERGE_RESULTS];
    arena_reset(&e->arena);
    struct journal_record r = {.kind = "confirm", .epoch = m->epoch, .now_us = m->now_us, .ended = m->ended,
                               .added = added};
    merger_record(e->merger, m, &e->arena, &r, added);
    publisher_record(e->publisher, &e->arena, &r);
    TRY(journal_append(e->journal, &r, err));
    recorded(e, &r);
    return OK;
}
