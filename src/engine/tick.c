/* The main loop. One thread; nothing in it waits for the network or for a sink. */
#include <stdlib.h>

#include "base/bufs.h"
#include "base/log.h"
#include "base/os.h"
#include "engine/private.h"
#include "engine/queries.h"
#include "engine/status.h"

enum {
    PROGRESS_EVERY = 100 * 1000,
    DISCOVER_EVERY = 5 * 1000 * 1000,
    DISCOVER_FIRST = 20 * 1000,  /* while a source has named no split yet */
    QUIET_WAIT = 2 * 1000,       /* first wait of a quiet loop; doubles up to... */
    QUIET_WAIT_MAX = 10 * 1000,  /* ...this: what a quiet stream adds to latency at most; a source may wake us before */
    STOP_PATIENCE = 1500 * 1000, /* Ctrl-C: how long sinks may take for what was held back */
    SILENT_AFTER = 10,           /* quiet passes, which take about a tenth of a second */
    COMMIT_SHARE = 10,           /* under load an epoch reads at least this many times as long as its commit takes... */
    LONGEST_EPOCH = 1000 * 1000, /* ...but no longer than this, unless the pipeline says so itself */
    APPENDED_PART = 16,          /* of the memory in flight: rows that are appended, which are enough for an epoch */
};

/* ---- progress ---- */

static int64_t least_watermark(const struct inputs *in)
{
    int64_t least = in->count ? INT64_MAX : INT64_MIN;
    for (uint32_t i = 0; i < in->count; i++)
        if (in->items[i].table->time_column >= 0)
            least = MIN(least, in->items[i].watermark);
    return least;
}

static const char *current_trouble(struct engine *e, struct publish_status *scratch)
{
    for (uint32_t i = 0; i < e->inputs.count; i++)
        if (e->inputs.items[i].troubled)
            return e->inputs.items[i].trouble.text;
    for (uint32_t i = 0; publisher_status(e->publisher, i, scratch); i++)
        if (scratch->troubled)
            return scratch->trouble.text;
    return NULL;
}

static void report(struct engine *e, bool last)
{
    int64_t mono = os_mono_us();
    if (!e->config.progress || (!last && mono - e->last_progress_us < PROGRESS_EVERY))
        return;
    e->last_progress_us = mono;
    const struct manifest *m = journal_manifest(e->journal);
    struct publish_status scratch;
    struct engine_progress p = {.epoch = m->epoch,
                                .now_us = m->now_us,
                                .mono_us = mono,
                                .started_us = e->started_us,
                                .rows = e->rows,
                                .bytes = e->bytes,
                                .watermark = least_watermark(&e->inputs),
                                .manifest = m,
                                .trouble = current_trouble(e, &scratch),
                                .last = last};
    for (uint32_t i = 0; i < m->total.nlines; i++) {
        const struct ledger_line *l = &m->total.lines[i];
        if (l->kind == LEDGER_SOURCE) {
            p.in += l->counts.in;
            p.accepted += l->counts.out;
            p.rejected += l->counts.rejected;
        }
        if (l->kind == LEDGER_SINK)
            p.failed += l->counts.rejected;
        p.failed += l->counts.error;
        p.late += l->counts.late;
        p.duplicate += l->counts.duplicate;
    }
    uint64_t keys, bytes;
    for (uint32_t i = 0; graph_state(e->graph, i, &keys, &bytes); i++) {
        p.state_keys += keys;
        p.state_bytes += bytes;
    }
    e->config.progress(e->config.progress_arg, &p);
}

static void answer_control(struct engine *e)
{
    if (!control_asked(e->control))
        return;
    AUTO(buf) json = BUF(MIB(64));
    status_json(e, journal_manifest(e->journal), 0, &json);
    control_answer(e->control, &json);
}

/* ---- an epoch ---- */

struct pass {
    int64_t epoch, now_us;
    uint64_t rows;
};

static struct pass begin(struct engine *e, bool final)
{
    const struct manifest *m = journal_manifest(e->journal);
    const struct commit *c = &e->commit;
    struct pass pass = {.epoch = (c->open ? c->epoch : m->epoch) + 1,
                        .now_us = MAX(engine_now(e), c->open ? c->now_us : m->now_us)};
    inputs_times(&e->inputs, pass.now_us, e->times);
    graph_begin_epoch(e->graph, pass.epoch, pass.now_us, e->times, final);
    return pass;
}

/* While reading: the epoch before is taken in as soon as its record is there, and sinks that are done go on. */
struct closing {
    struct engine *engine;
    enum status status;
    struct error error;
};

static bool close_last(void *arg)
{
    struct closing *c = arg;
    if (engine_commit_is_written(c->engine))
        c->status = engine_commit_end(c->engine, &c->error);
    publisher_go_on(c->engine->publisher, journal_manifest(c->engine->journal));
    return c->status == OK;
}

/* Rows that are only appended need not wait for more of their epoch: where nobody writes a segment, they are the next
 * one, which is written while reading goes on, and the sinks have work meanwhile, not in the end. */
static bool nobody_writes(void *arg) { return !((struct closing *)arg)->engine->commit.open; }

static bool is_wanted(void *arg)
{
    struct engine *e = ((struct closing *)arg)->engine;
    return engine_commit_is_written(e) || publisher_may_go_on(e->publisher);
}

static enum status read_epoch(struct engine *e, int64_t until_us, struct pass *pass, uint64_t *ret_bytes,
                              struct error *err)
{
    struct closing closing = {.engine = e};
    uint64_t memory = (uint64_t)e->settings.memory_in_flight;
    uint64_t held = e->commit.bytes + publisher_remembered(e->publisher);
    struct input_limits limits = {.rows = e->settings.epoch_rows,
                                  .bytes = e->settings.epoch_bytes,
                                  .until_us = until_us,
                                  .memory = memory - MIN(memory, held),
                                  .go_on = close_last,
                                  .arg = &closing,
                                  .appended = e->settings.memory_in_flight / APPENDED_PART,
                                  .is_free = nobody_writes,
                                  .is_wanted = is_wanted};
    TRY(inputs_read(&e->inputs, e->graph, &limits, &pass->rows, ret_bytes, err));
    if (closing.status != OK) {
        *err = closing.error;
        return closing.status;
    }
    return engine_commit_end(e, err);
}

static enum status finish(struct engine *e, const struct pass *pass, bool ended, struct error *err)
{
    graph_end_epoch(e->graph);
    return engine_commit(e, pass->epoch, pass->now_us, ended, err);
}

/* A backlog on a slow disk must not spend its time on fsync: the interval grows with what a commit costs. A stream that
 * is drained does not notice, because its epochs end when there is nothing left to read. */
static int64_t epoch_length(const struct engine *e)
{
    return MAX(e->settings.epoch_interval_us, MIN(COMMIT_SHARE * e->commit_us, (int64_t)LONGEST_EPOCH));
}

/* The end of the input closed everything that waited for it; rows that come after it have no place (semantics 9). */
static enum status refuse_more(struct error *err)
{
    (void)error_set(err, ERR_STATE, "there is more input, but this state has seen the end of its input and closed");
    return error_hint(err,
                      "read a growing file with OPTIONS (follow 'true'), or start with a new state: --state FOLDER");
}

/* An epoch evicts with the watermark of the one before it (semantics 8), so behind the last rows one without any is
 * due, and no more than one: it moves no watermark. What is to come out does not wait for it (graph_has_due); where
 * only state is to go, and the bound of late rows to move on, it waits until the stream is silent, or every other
 * epoch of a stream of few rows would be one without. */
static bool owes_an_epoch(struct engine *e)
{
    if (!inputs_time_waits(&e->inputs) || !graph_goes_by_time(e->graph))
        return false;
    return e->quiet >= SILENT_AFTER || (e->config.until_caught_up && inputs_caught_up(&e->inputs));
}

/* What is there before any row is, is not held back by a stream that is silent; where the input has ended with the
 * first pass, it comes with the end. */
static bool has_first(struct engine *e) { return graph_has_first(e->graph) && !inputs_finished(&e->inputs); }

/* One pass over the splits; an epoch if there were rows, a split's idleness changed, or the watermark of the last epoch
 * is still to be evicted with. */
static enum status tick(struct engine *e, bool *ret_worked, struct error *err)
{
    int64_t began = os_mono_us();
    struct pass pass = begin(e, false);
    uint64_t bytes;
    TRY(read_epoch(e, began + epoch_length(e), &pass, &bytes, err));
    bool ended = journal_manifest(e->journal)->ended;
    if (pass.rows > 0 && ended)
        return refuse_more(err);
    bool idleness = inputs_update_idleness(&e->inputs, os_mono_us());
    bool due = graph_has_due(e->graph) || has_first(e) || (pass.rows == 0 && owes_an_epoch(e));
    due &= !ended; /* all has come out */
    *ret_worked = pass.rows > 0 || due;
    if (pass.rows == 0 && !idleness && !due)
        return OK;
    TRY(finish(e, &pass, false, err));
    e->epoch_us = os_mono_us() - began;
    e->busy_us += e->epoch_us;
    e->rows += pass.rows;
    e->bytes += bytes;
    return OK;
}

/* The true end: every window closes, everything is published. */
static enum status end_of_input(struct engine *e, struct error *err)
{
    if (journal_manifest(e->journal)->ended)
        return OK;
    inputs_update_idleness(&e->inputs, os_mono_us());
    inputs_end(&e->inputs, engine_now(e)); /* the watermark is at the end of time before this last epoch begins */
    struct pass pass = begin(e, true);
    return finish(e, &pass, true, err);
}

/* ---- between epochs ---- */

/* Those who fail are waited for, but not for ever where the run says so. */
static enum status check_patience(struct engine *e, struct error *err)
{
    int64_t limit = e->settings.give_up_us, mono = os_mono_us();
    struct publish_status s;
    if (limit == 0)
        return OK;
    TRY(inputs_check_patience(&e->inputs, limit, mono, err));
    for (uint32_t i = 0; publisher_status(e->publisher, i, &s); i++) {
        if (!s.troubled || mono - s.troubled_since < limit)
            continue;
        *err = s.trouble;
        err->code = ERR_SINK;
        err->retriable = false;
        return error_prefix(err, "sink \"%s\" has been failing for %lld s", s.name,
                            (long long)((mono - s.troubled_since) / 1000000));
    }
    return OK;
}

static enum status housekeeping(struct engine *e, struct error *err)
{
    queries_measure(e);
    answer_control(e);
    TRY(publisher_check(e->publisher, err));
    TRY(merger_check(e->merger, err));
    TRY(check_patience(e, err));
    int64_t mono = os_mono_us();
    if (mono - e->last_discovery_us < (inputs_have_splits(&e->inputs) ? DISCOVER_EVERY : DISCOVER_FIRST))
        return OK;
    e->last_discovery_us = mono;
    return inputs_discover(&e->inputs, journal_manifest(e->journal), err);
}

/* Is a record due, though there is no epoch? What sinks have done rides on the next epoch's, unless none comes soon:
 * two fsyncs would hold up what is read. */
static bool sinks_due(struct engine *e)
{
    publisher_due(e->publisher, journal_manifest(e->journal)->epoch, os_mono_us(), false);
    return publisher_has_decided(e->publisher) ||
           ((e->paused || e->quiet >= SILENT_AFTER) && publisher_has_news(e->publisher));
}

static enum status rest(struct engine *e, struct error *err)
{
    TRY(engine_commit_end(e, err));
    if (sinks_due(e))
        TRY(engine_confirm(e, err));
    int64_t wait = MIN((int64_t)QUIET_WAIT << MIN(e->quiet, 8u), (int64_t)QUIET_WAIT_MAX);
    if (++e->quiet % SILENT_AFTER == 0)
        buf_spares_drop();
    publisher_wait(e->publisher, wait);
    return OK;
}

/* What waits for sinks has a limit on disk: past it sources pause until a sink catches up (semantics 6). */
static bool outbox_is_full(struct engine *e)
{
    const struct manifest *m = journal_manifest(e->journal);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->nsegments; i++)
        bytes += m->segments[i].has_outbox ? m->segments[i].bytes : 0;
    bool full = bytes > (uint64_t)e->settings.outbox_limit;
    if (full != e->paused)
        log_warn(full ? "sources pause: %llu bytes wait for sinks, and bourn.outbox_limit allows %lld"
                      : "sources go on: %llu bytes wait for sinks, and bourn.outbox_limit allows %lld",
                 (unsigned long long)bytes, (long long)e->settings.outbox_limit);
    e->paused = full;
    if (full) /* do not wait for the interval: publishing is what makes room */
        publisher_due(e->publisher, m->epoch, os_mono_us(), true);
    return full;
}

static bool time_is_up(const struct engine *e)
{
    return atomic_load(&e->stop) ||
           (e->config.for_us > 0 && os_mono_us() - e->started_us >= e->config.for_us);
}

/* Publish what intervals hold back, and log that it was done. With `patience` < 0 a troubled sink is waited for. */
static enum status drain(struct engine *e, int64_t patience_us, struct error *err)
{
    TRY(engine_commit_end(e, err));
    int64_t epoch = journal_manifest(e->journal)->epoch, until = os_mono_us() + patience_us;
    publisher_due(e->publisher, epoch, os_mono_us(), true);
    if (publisher_has_news(e->publisher))
        TRY(engine_confirm(e, err));
    while (!publisher_done(e->publisher, epoch)) {
        TRY(publisher_check(e->publisher, err));
        TRY(check_patience(e, err));
        if (atomic_load(&e->stop) && patience_us < 0) {
            patience_us = STOP_PATIENCE;
            until = os_mono_us() + patience_us;
        }
        if (patience_us >= 0 && os_mono_us() >= until) {
            log_warn("some results are not published yet; they are safe in the state and follow at the next start");
            break;
        }
        if (publisher_has_news(e->publisher))
            TRY(engine_confirm(e, err));
        publisher_wait(e->publisher, 20 * 1000);
        answer_control(e);
        report(e, false);
    }
    return publisher_has_news(e->publisher) ? engine_confirm(e, err) : OK;
}

enum status engine_run(struct engine *e, struct error *err)
{
    e->started_us = os_mono_us();
    bool ended = false;
    while (!time_is_up(e)) {
        bool worked = false, paused = outbox_is_full(e);
        if (e->config.until_caught_up)
            inputs_fix_ends(&e->inputs);
        if (!paused)
            TRY(tick(e, &worked, err));
        if (!paused && inputs_finished(&e->inputs)) {
            TRY(end_of_input(e, err));
            ended = true;
            break;
        }
        if (worked)
            e->quiet = 0;
        else if (!paused && e->config.until_caught_up && inputs_caught_up(&e->inputs))
            break;
        else
            TRY(rest(e, err));
        TRY(housekeeping(e, err));
        report(e, false);
    }
    bool wait_for_sinks = ended || !atomic_load(&e->stop);
    enum status s = drain(e, wait_for_sinks ? -1 : STOP_PATIENCE, err);
    report(e, true);
    return s;
}

static enum status step(struct engine *e, struct error *err)
{
    static const struct input_limits none = {
        .rows = INT64_MAX, .bytes = INT64_MAX, .until_us = INT64_MAX, .memory = UINT64_MAX, .appended = INT64_MAX};
    struct pass pass = begin(e, false);
    uint64_t bytes;
    TRY(inputs_read(&e->inputs, e->graph, &none, &pass.rows, &bytes, err));
    if (pass.rows > 0 && journal_manifest(e->journal)->ended)
        return refuse_more(err);
    inputs_update_idleness(&e->inputs, os_mono_us());
    TRY(finish(e, &pass, false, err));
    return engine_commit_end(e, err);
}

enum status engine_step(struct engine *e, int64_t now_us, struct error *err)
{
    e->config.now_us = now_us;
    do
        TRY(step(e, err));
    while (inputs_let_go(&e->inputs));
    return inputs_finished(&e->inputs) ? end_of_input(e, err) : OK;
}

enum status engine_publish(struct engine *e, struct error *err) { return drain(e, -1, err); }

void engine_advance(struct engine *e, int64_t watermark_us) { inputs_advance(&e->inputs, watermark_us); }

void engine_stop(struct engine *e)
{
    atomic_store(&e->stop, true);
}
