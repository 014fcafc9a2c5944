#include "engine/input.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/os.h"

enum { SPLITS_AT_ONCE = 4096, FIRST_BACKOFF = 100 * 1000, LAST_BACKOFF = 5 * 1000 * 1000,
       WELL_AGAIN = 30 * 1000 * 1000 /* less between two failures, without a row, is no recovery */ };
/* The longest rounds, and short ones. At the end of one all wait for whoever is last, and the limits are looked at. */
enum { ROUND_BYTES = 128 << 20, ROUND_US = 200 * 1000, SHORT_ROUND = 16 /* batches */,
       APPENDED_PART = 4 /* of rows that are appended, and enough for an epoch */ };

/* ---- opening ---- */

static const struct split_position *logged(const struct manifest *m, const char *source, const char *split)
{
    for (uint32_t i = 0; i < m->nsplits; i++)
        if (!strcmp(m->splits[i].source, source) && !strcmp(m->splits[i].split, split))
            return &m->splits[i];
    return NULL;
}

static bool is_logged(const struct manifest *m, const char *source)
{
    for (uint32_t i = 0; i < m->nsplits; i++)
        if (!strcmp(m->splits[i].source, source))
            return true;
    return false;
}

/* A split that is read again ends where the log had got to; one that it does not know is not read at all, unless the
 * whole table is new to it: that one is read to its end. */
static void set_end(const struct rereading *again, const struct input *in, struct input_split *split)
{
    const struct split_position *end = logged(again->ends, in->table->name, split->split.name);
    split->until = end ? end->position : is_logged(again->ends, in->table->name) ? INT64_MIN : INT64_MAX;
    split->reached = split->position >= split->until;
    split->idle = split->reached; /* empty: it does not hold the watermark */
}

static enum status add_split(struct inputs *all, struct input *in, const struct manifest *m, const struct split *found,
                             struct error *err)
{
    in->splits = mem_realloc(in->splits, (in->nsplits + 1) * sizeof *in->splits);
    struct input_split *split = &in->splits[in->nsplits];
    *split = (struct input_split){.split = *found, .position = POSITION_START, .max_event = INT64_MIN,
                                  .start = -1, .until = INT64_MAX, .advanced_at = os_mono_us(), .target = -1};
    const struct split_position *p = logged(m, in->table->name, found->name);
    if (p) {
        split->position = p->position;
        split->start = p->start;
        split->mark = p->mark;
        split->max_event = p->max_event;
        split->idle = p->idle; /* whether it is at its end, the source says anew */
    }
    if (all->again)
        set_end(all->again, in, split);
    else if (in->ends_fixed && !p)
        split->reached = true;
    in->nsplits++;
    if (os_planted_bug("seek_skipped") && p)
        return OK;
    if (split->mark.known && in->source->ops->expect)
        in->source->ops->expect(in->source, in->nsplits - 1, &split->mark);
    return in->source->ops->seek(in->source, in->nsplits - 1, split->position, err);
}

/* All that there are: an input whose files have been read has ended, whatever others it would have named. */
static enum status add_splits(struct inputs *all, struct input *in, const struct manifest *m, struct error *err)
{
    struct split *found = mem_array(SPLITS_AT_ONCE, sizeof *found);
    uint32_t n = 0;
    enum status s;
    do {
        s = in->source->ops->splits(in->source, found, SPLITS_AT_ONCE, &n, err);
        for (uint32_t i = 0; s == OK && i < n; i++)
            s = add_split(all, in, m, &found[i], err);
    } while (s == OK && n == SPLITS_AT_ONCE);
    free(found);
    return s;
}

static void restore_time(struct input *in, const struct manifest *m)
{
    in->watermark = in->evict = in->since = INT64_MIN;
    for (uint32_t i = 0; i < m->nsources; i++)
        if (!strcmp(m->sources[i].source, in->table->name)) {
            in->watermark = m->sources[i].watermark;
            in->evict = m->sources[i].evict;
            in->since = m->sources[i].since;
        }
}

/* What closed by then was given out by the old plan; what did not will be by the new one. */
static int64_t logged_evict(const struct manifest *m, const char *source)
{
    for (uint32_t i = 0; i < m->nsources && !m->ended; i++)
        if (strcmp(m->sources[i].source, source) == 0)
            return m->sources[i].evict;
    return INT64_MAX;
}

static enum status open_input(struct inputs *all, struct input *in, uint32_t index, const struct manifest *m,
                              int64_t now_us, struct error *err)
{
    const struct plan_table *t = &all->plan->tables[index];
    const struct plan_server *server = &all->plan->servers[t->server];
    in->table = t;
    in->index = index;
    in->options = options_join(&t->options, &server->options, &all->arena);
    in->idle_timeout_us = option_given(&t->options, "idle_timeout")
                              ? option_int(&t->options, plan_source_options, "idle_timeout")
                              : all->settings.idle_timeout_us;
    in->last_epoch_us = now_us;
    if (!t->by_clock) /* there nothing is ahead */
        in->max_drift_us = option_given(&t->options, "max_drift")
                               ? option_int(&t->options, plan_source_options, "max_drift")
                               : all->settings.max_drift_us;
    restore_time(in, m);
    in->evict_most = all->again ? logged_evict(all->again->ends, t->name) : INT64_MAX;
    const struct engine_stand_in *stand_in = all->stand_in;
    const struct source_connector *connector = stand_in ? stand_in->source : builtin_source(server->connector);
    in->bounded = connector->bounded && connector->bounded(&server->options, &t->options);
    uint64_t *decode = arena_zarray(&all->arena, BITMAP_WORDS(t->schema.ncols), sizeof *decode);
    bool with_headers = false;
    for (uint32_t c = 0; c < t->schema.ncols; c++)
        if (!t->metadata || !t->metadata[c])
            bit_set(decode, c);
        else
            with_headers |= !strcmp(t->metadata[c], "headers");
    struct source_config *config = arena_zalloc(&all->arena, sizeof *config);
    *config = (struct source_config){.table = t->name,
                                     .server = &server->options,
                                     .mapping = &server->mapping,
                                     .options = &t->options,
                                     .schema = &t->schema,
                                     .format = builtin_table_format(all->plan, t),
                                     .decode = decode,
                                     .memory = all->settings.memory_in_flight,
                                     .time_column_plus1 = (uint32_t)(t->time_column + 1),
                                     .with_headers = with_headers,
                                     .outside = stand_in ? stand_in->source_arg : NULL,
                                     .now_us = now_us};
    TRY(connector->open(config, &in->source, err));
    return add_splits(all, in, m, err);
}

static enum status open_all(struct inputs *in, const struct manifest *m, int64_t now_us, struct error *err)
{
    const struct plan *plan = in->plan;
    in->items = mem_zalloc((plan->ntables + 1) * sizeof *in->items);
    for (uint32_t i = 0; i < plan->ntables; i++) {
        if (!plan->tables[i].is_source || (in->again && !in->again->tables[i]))
            continue;
        struct input *next = &in->items[in->count++];
        if (open_input(in, next, i, m, now_us, err) != OK)
            return error_prefix(err, "source \"%s\"", plan->tables[i].name);
    }
    return OK;
}

enum status inputs_open(struct inputs *in, const struct plan *plan, const struct settings *settings,
                        const struct engine_stand_in *stand_in, const struct manifest *m, int64_t now_us,
                        struct error *err)
{
    *in = (struct inputs){.plan = plan, .settings = *settings, .stand_in = stand_in};
    return open_all(in, m, now_us, err);
}

/* What a pipe held is gone; nothing of a split is worth having without its beginning. */
static enum status check_rereads(const struct input *in, struct error *err)
{
    if (in->source->ops->rereads && !in->source->ops->rereads(in->source)) {
        (void)error_set(err, ERR_STATE, "it is a pipe, and what came out of it cannot be read again");
        return error_prefix(err, "source \"%s\"", in->table->name);
    }
    return OK;
}

enum status inputs_reopen(struct inputs *in, const struct plan *plan, const struct settings *settings,
                          const struct engine_stand_in *stand_in, const struct rereading *what, int64_t now_us,
                          struct error *err)
{
    *in = (struct inputs){.plan = plan, .settings = *settings, .stand_in = stand_in, .again = what};
    TRY(open_all(in, what->from, now_us, err));
    for (uint32_t i = 0; i < in->count; i++)
        TRY(check_rereads(&in->items[i], err));
    return OK;
}

static bool is_there(const struct inputs *in, const struct split_position *p)
{
    for (uint32_t i = 0; i < in->count; i++)
        for (uint32_t k = 0; k < in->items[i].nsplits; k++)
            if (!strcmp(p->source, in->items[i].table->name) && !strcmp(p->split, in->items[i].splits[k].split.name))
                return true;
    return false;
}

const struct split_position *inputs_missing(const struct inputs *in)
{
    const struct manifest *wanted = in->again->ends;
    for (uint32_t n = 0; n < wanted->nsplits; n++)
        for (uint32_t i = 0; i < in->count; i++)
            if (!strcmp(wanted->splits[n].source, in->items[i].table->name) && !is_there(in, &wanted->splits[n]))
                return &wanted->splits[n];
    return NULL;
}

void inputs_notify(struct inputs *in, void (*wake)(void *arg), void *arg)
{
    for (uint32_t i = 0; i < in->count; i++)
        if (in->items[i].source->ops->notify)
            in->items[i].source->ops->notify(in->items[i].source, wake, arg);
}

void inputs_release(struct inputs *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        if (in->items[i].source)
            in->items[i].source->ops->free(in->items[i].source);
        free(in->items[i].splits);
    }
    free(in->items);
    arena_release(&in->arena);
    *in = (struct inputs){0};
}

/* ---- reading ---- */

struct reading {
    struct inputs *all;
    struct graph *g;
    const struct input_limits *limits;
    uint64_t rows, bytes;
    uint32_t splits; /* that were read before this one */
};

static void note_trouble(struct input *in, const struct error *err)
{
    in->backoff_us = in->troubled ? MIN(in->backoff_us * 2, (int64_t)LAST_BACKOFF) : FIRST_BACKOFF;
    in->retry_at = os_mono_us() + in->backoff_us;
    if (!in->troubled || strcmp(in->trouble.text, err->text))
        log_warn("source \"%s\": %s%s%s (trying again)", in->table->name, err->text, err->hint[0] ? "; " : "",
                 err->hint);
    if (!in->troubled_since || (!in->troubled && os_mono_us() - in->well_since >= WELL_AGAIN))
        in->troubled_since = os_mono_us();
    in->trouble = *err;
    in->troubled = true;
}

/* A source that cannot say what splits it has is in trouble like one that cannot be read. */
enum status inputs_discover(struct inputs *in, const struct manifest *m, struct error *err)
{
    for (uint32_t i = 0; i < in->count; i++) {
        if (add_splits(in, &in->items[i], m, err) == OK)
            continue;
        if (!err->retriable)
            return error_prefix(err, "source \"%s\"", in->items[i].table->name);
        note_trouble(&in->items[i], err);
    }
    return OK;
}

bool inputs_have_splits(const struct inputs *in)
{
    for (uint32_t i = 0; i < in->count; i++)
        if (in->items[i].nsplits == 0)
            return false;
    return true;
}

static void note_health(struct input *in)
{
    if (!in->troubled)
        return;
    log_info("source \"%s\" is back", in->table->name);
    in->troubled = false;
    in->well_since = os_mono_us();
}

/* Nothing to read, and no error either. */
static void note_quiet(struct input *in)
{
    if (!in->source->ops->failing || !in->source->ops->failing(in->source))
        note_health(in);
}

enum status inputs_check_patience(const struct inputs *all, int64_t give_up_us, int64_t mono_us, struct error *err)
{
    for (uint32_t i = 0; i < all->count; i++) {
        const struct input *in = &all->items[i];
        if (!in->troubled || mono_us - in->troubled_since < give_up_us)
            continue;
        *err = in->trouble;
        err->retriable = false;
        return error_prefix(err, "source \"%s\" has been failing for %lld s", in->table->name,
                            (long long)((mono_us - in->troubled_since) / 1000000));
    }
    return OK;
}

/* The batch in which a split meets the end: rows from there on were not asked for. */
static void cut_batch(struct input *in, uint32_t split, struct source_batch *b)
{
    struct input_split *s = &in->splits[split];
    s->reached = true;
    if (b->next_position == s->until)
        return;
    uint32_t rows = 0;
    while (rows < b->rows && b->origin.offset[rows] < s->until)
        rows++;
    if (rows == b->rows) /* the last one may go on behind the end, as a line does that was not complete */
        return;
    b->next_position = b->origin.offset[rows];
    if (rows == 0)
        in->source->ops->release(in->source, b);
    if (b->typed && rows > 0)
        b->typed->rows = b->typed->live = rows;
    b->rows = rows;
}

/* One batch of a split with at most `rows` rows. AGAIN: nothing there now. */
static enum status poll_split(struct input *in, uint32_t split, uint64_t rows, struct source_batch *ret,
                              struct error *err)
{
    uint32_t most = (uint32_t)MIN(rows, (uint64_t)BATCH_ROWS);
    while (most > 0 && !in->splits[split].reached) {
        enum status s = in->source->ops->poll(in->source, split, most, ret, err);
        if (s == AGAIN)
            note_quiet(in);
        if (s == FAILED && err->retriable) {
            note_trouble(in, err);
            return AGAIN;
        }
        TRY(s);
        note_health(in);
        in->troubled_since = 0;
        ret->origin.source = in->index;
        if (ret->next_position >= in->splits[split].until)
            cut_batch(in, split, ret);
        if (ret->rows > 0)
            return OK;
    }
    return AGAIN;
}

/* ---- drift: splits that are too far ahead of others in event time are paused (semantics 7) ---- */

/* A split is waited for while it has rows to read and its event time moves: not at its end, and not for ever because
 * rows that are rejected or old come out of it. */
static bool is_waited_for(const struct input *in, uint32_t k, int64_t mono_us)
{
    const struct input_split *s = &in->splits[k];
    if (s->finished || s->idle || s->reached || mono_us - s->advanced_at >= in->idle_timeout_us)
        return false;
    int64_t end = in->source->ops->end_position(in->source, k);
    return end < 0 || s->position < end;
}

static int64_t later(int64_t time, int64_t by)
{
    int64_t sum;
    return __builtin_add_overflow(time, by, &sum) ? INT64_MAX : sum;
}

/* Who may be read, and how far? A paused split goes on only when it is back within half the limit, so that it is not
 * paused and resumed with every epoch. */
static void hold_together(struct input *in, int64_t mono_us)
{
    in->drift_limit = INT64_MAX;
    in->drift_unknown = false;
    if (in->max_drift_us == 0 || in->nsplits < 2)
        return;
    int64_t low = INT64_MAX;
    for (uint32_t k = 0; k < in->nsplits; k++) {
        if (!is_waited_for(in, k, mono_us))
            continue;
        if (in->splits[k].max_event == INT64_MIN)
            in->drift_unknown = true;
        else
            low = MIN(low, in->splits[k].max_event);
    }
    in->drift_limit = later(low, in->max_drift_us);
    for (uint32_t k = 0; k < in->nsplits; k++) {
        struct input_split *s = &in->splits[k];
        bool ahead = s->max_event > (s->paused ? later(low, in->max_drift_us / 2) : in->drift_limit);
        if (ahead != s->paused && in->source->ops->pause)
            in->source->ops->pause(in->source, k, ahead);
        s->paused = ahead;
    }
}

static uint64_t share(uint64_t used, int64_t limit, uint32_t left)
{
    return used + ((uint64_t)limit - MIN(used, (uint64_t)limit)) / left;
}

/* A source may know where it stands without a row to show for it: an empty partition has an end, too. */
static void note_position(struct input *in, uint32_t index)
{
    struct input_split *split = &in->splits[index];
    if (!in->source->ops->position || split->reached) /* what was polled behind the end is not read */
        return;
    int64_t position = in->source->ops->position(in->source, index);
    if (position > split->position) {
        in->begun |= split->position == POSITION_START;
        if (split->position == split->start || split->position == POSITION_START)
            split->start = position;
        split->position = position;
        split->reached |= position >= split->until;
        split->moved = true;
    }
}

struct split_limits {
    uint64_t rows, bytes, appended;
    int64_t until_us;
};

static bool is_enough(const struct reading *r, const struct split_limits *l)
{
    return r->limits->is_free && graph_appended(r->g) >= l->appended && r->limits->is_free(r->limits->arg);
}

static bool may_read_on(const struct reading *r, const struct input *in, uint32_t split, const struct split_limits *l)
{
    return r->rows < l->rows && r->bytes < l->bytes && in->splits[split].max_event <= in->drift_limit &&
           !in->drift_unknown && os_mono_us() < l->until_us && graph_in_flight(r->g) < r->limits->memory &&
           (!r->limits->go_on || r->limits->go_on(r->limits->arg)) && !is_enough(r, l);
}

/* A round over one split: its batches are polled by the workers that take them through the graph. */
struct round {
    struct reading *r;
    struct input *in;
    const struct split_limits *limits;
    uint32_t split, batches, most;
    uint64_t bytes, most_bytes, most_appended;
    int64_t until_us, next_position;
    struct source_mark mark;
    enum status status;
    struct error *err;
};

static bool is_long_enough(const struct round *x)
{
    const struct reading *r = x->r;
    return x->batches == x->most || r->rows >= x->limits->rows || r->bytes >= x->limits->bytes ||
           x->bytes >= x->most_bytes || graph_appended(r->g) >= x->most_appended || os_mono_us() >= x->until_us ||
           (r->limits->is_wanted && r->limits->is_wanted(r->limits->arg));
}

static bool next_batch(void *arg, struct source_batch *ret)
{
    struct round *x = arg;
    struct reading *r = x->r;
    struct input_split *split = &x->in->splits[x->split];
    if (x->batches > 0 && is_long_enough(x))
        return false;
    uint64_t rows = x->limits->rows - MIN(r->rows, x->limits->rows);
    x->status = poll_split(x->in, x->split, rows, ret, x->err);
    if (x->status != OK)
        return false;
    if (x->batches++ == 0 && (split->position == split->start || split->position == POSITION_START))
        split->start = ret->origin.offset[0];
    x->next_position = ret->next_position;
    if (x->in->source->ops->mark)
        x->mark = x->in->source->ops->mark(ret);
    x->bytes += ret->bytes;
    r->rows += ret->rows;
    r->bytes += ret->bytes;
    x->in->rows += ret->rows;
    return true;
}

static void done_batch(void *arg, struct source_batch *b, int64_t max_event)
{
    struct round *x = arg;
    struct input_split *split = &x->in->splits[x->split];
    if (max_event > split->max_event) {
        split->max_event = max_event;
        split->advanced_at = os_mono_us();
    }
    x->in->source->ops->release(x->in->source, b);
}

/* Where event time limits how far a split is read, rounds are short: it is known behind them only. */
static enum status read_rounds(struct reading *r, struct input *in, uint32_t index, const struct split_limits *limits,
                               struct error *err)
{
    struct input_split *split = &in->splits[index];
    do {
        struct round x = {.r = r, .in = in, .limits = limits, .split = index, .err = err};
        x.most = in->drift_limit == INT64_MAX ? UINT32_MAX : SHORT_ROUND;
        x.most_bytes = MIN((uint64_t)ROUND_BYTES, r->limits->memory / 2);
        x.mark = split->mark;
        x.most_appended = graph_appended(r->g) + (uint64_t)r->limits->appended / APPENDED_PART;
        x.until_us = MIN(limits->until_us, os_mono_us() + ROUND_US);
        uint32_t n = graph_round(r->g, &(struct graph_feed){next_batch, done_batch, &x});
        if (x.status == FAILED) /* what came before it is in no epoch */
            return FAILED;
        if (n == 0)
            return OK;
        split->position = x.next_position;
        split->mark = x.mark;
        split->moved = true;
        split->idle = false;
        split->quiet_since = 0;
    } while (may_read_on(r, in, index, limits));
    return OK;
}

/* A split gets its share of what is left of the epoch's limits, so that the first ones leave something for the rest. */
static enum status read_split(struct reading *r, struct input *in, uint32_t index, uint32_t left, struct error *err)
{
    struct input_split *split = &in->splits[index];
    int64_t now = os_mono_us();
    uint64_t rows = share(r->rows, r->limits->rows, left), appended = graph_appended(r->g);
    struct split_limits limits = {MAX(rows, r->rows + 1), share(r->bytes, r->limits->bytes, left),
                                  share(appended, r->limits->appended, left),
                                  now + MAX(r->limits->until_us - now, 0) / left};
    if (r->splits > 0) /* those before may have had to go past theirs */
        limits.appended = MAX(limits.appended, appended + appended / r->splits);
    r->splits++;
    TRY(read_rounds(r, in, index, &limits, err));
    note_position(in, index);
    if (!split->finished && in->source->ops->finished(in->source, index))
        split->finished = split->moved = true;
    return OK;
}

static uint32_t count_splits(const struct inputs *in)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->count; i++)
        n += in->items[i].nsplits;
    return n;
}

static bool has_finished(const struct input *in)
{
    bool finished = in->nsplits > 0;
    for (uint32_t k = 0; k < in->nsplits; k++)
        finished &= in->splits[k].finished || in->splits[k].reached;
    return finished;
}

/* What others are joined with comes first: they wait for its end. */
static bool waits_for_others(const struct inputs *all, const struct input *in)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].table->first > in->table->first && !has_finished(&all->items[i]))
            return true;
    return false;
}

bool inputs_let_go(const struct inputs *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].held && !waits_for_others(all, &all->items[i]))
            return true;
    return false;
}

enum status inputs_read(struct inputs *all, struct graph *g, const struct input_limits *limits, uint64_t *ret_rows,
                        uint64_t *ret_bytes, struct error *err)
{
    struct reading r = {.all = all, .g = g, .limits = limits};
    uint32_t left = count_splits(all);
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        in->held = waits_for_others(all, in);
        bool waiting = in->held || (in->troubled && os_mono_us() < in->retry_at);
        hold_together(in, os_mono_us());
        for (uint32_t k = 0; k < in->nsplits; k++, left--) {
            if (in->splits[k].finished || in->splits[k].paused || in->splits[k].reached || waiting)
                continue;
            if (read_split(&r, in, k, left, err) != OK)
                return error_prefix(err, "source \"%s\", %s", in->table->name, in->splits[k].split.name);
        }
    }
    if (r.rows)
        all->in_flight = graph_in_flight(g);
    *ret_rows = r.rows;
    *ret_bytes = r.bytes;
    return OK;
}

/* ---- event time ---- */

/* What an epoch at that time evicts with. Where the epoch's time is the event time, nothing that comes, in this epoch
 * or later, is before it: the watermark moves on also where no row does. */
static int64_t evict_at(const struct input *in, int64_t now_us)
{
    return MIN(in->evict_most, in->table->by_clock ? MAX(in->watermark, now_us - 1) : in->watermark);
}

void inputs_times(const struct inputs *all, int64_t now_us, struct op_time *times)
{
    for (uint32_t i = 0; i < all->plan->ntables; i++)
        times[i] = (struct op_time){INT64_MIN, INT64_MIN};
    for (uint32_t i = 0; i < all->count; i++)
        times[all->items[i].index] = (struct op_time){all->items[i].evict, evict_at(&all->items[i], now_us)};
}

bool inputs_time_waits(const struct inputs *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].watermark != all->items[i].evict)
            return true;
    return false;
}

/* Idle: nothing to read for the timeout, and we are at the end as far as is known. A decision that goes into the log,
 * as does where "latest" was: asked again after a restart it would be elsewhere. */
static bool update_idleness(struct input *in, int64_t mono_us)
{
    bool changed = in->begun;
    in->begun = false;
    for (uint32_t k = 0; k < in->nsplits; k++) {
        struct input_split *s = &in->splits[k];
        if (!s->quiet_since || s->paused)
            s->quiet_since = mono_us;
        int64_t end = in->source->ops->end_position(in->source, k);
        bool at_end = end >= 0 && s->position >= end && !in->troubled && !s->paused;
        bool idle = s->finished || (at_end && mono_us - s->quiet_since >= in->idle_timeout_us);
        if (idle && !s->idle) {
            s->idle = s->moved = changed = true;
        }
    }
    return changed;
}

/* min over the splits that are not idle; one that has shown no event time yet holds it. When all are idle it stays;
 * when all have truly ended it is the end of time. */
static int64_t watermark_of(const struct input *in)
{
    int64_t low = INT64_MAX;
    bool ended = in->bounded && in->nsplits > 0;
    for (uint32_t k = 0; k < in->nsplits; k++) {
        ended &= in->splits[k].finished;
        if (!in->splits[k].idle && !in->splits[k].finished)
            low = MIN(low, in->splits[k].max_event);
    }
    if (ended)
        return INT64_MAX;
    if (in->table->by_clock) /* rows still to come have the time of a later epoch, which may be the same */
        low = in->last_epoch_us - 1;
    int64_t watermark;
    if (low == INT64_MAX || low == INT64_MIN || __builtin_sub_overflow(low, in->table->watermark_delay, &watermark))
        return in->watermark;
    return MAX(in->watermark, watermark);
}

bool inputs_update_idleness(struct inputs *all, int64_t mono_us)
{
    bool changed = false;
    for (uint32_t i = 0; i < all->count; i++)
        changed |= update_idleness(&all->items[i], mono_us);
    return changed;
}

void inputs_end(struct inputs *all, int64_t now_us)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        int64_t watermark = watermark_of(in);
        if (watermark != in->watermark)
            in->since = now_us;
        in->watermark = watermark;
    }
}

void inputs_advance(struct inputs *all, int64_t watermark_us)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        int64_t event = later(watermark_us, in->table->watermark_delay);
        for (uint32_t k = 0; in->table->time_column >= 0 && k < in->nsplits; k++) {
            in->splits[k].max_event = MAX(in->splits[k].max_event, event);
            in->splits[k].moved = true;
        }
    }
}

void inputs_end_epoch(struct inputs *all, int64_t now_us)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        in->last_epoch_us = now_us;
        int64_t watermark = watermark_of(in);
        int64_t evict = evict_at(in, now_us);
        in->time_moved = in->evict != evict || watermark != in->watermark;
        in->evict = evict;
        if (watermark != in->watermark)
            in->since = now_us;
        in->watermark = watermark;
    }
}

/* ---- asking ---- */

bool inputs_finished(const struct inputs *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        if (!all->items[i].bounded)
            return false;
        for (uint32_t k = 0; k < all->items[i].nsplits; k++)
            if (!all->items[i].splits[k].finished)
                return false;
    }
    return true;
}

static void fix_end(struct input *in, uint32_t k)
{
    const struct source_ops *ops = in->source->ops;
    struct input_split *s = &in->splits[k];
    int64_t end = ops->end_position(in->source, k);
    int64_t readable = ops->readable_end ? ops->readable_end(in->source, k) : end;
    note_position(in, k); /* where it begins is logged, also of one that is empty and is not polled */
    if (readable < 0 || end < s->position) /* behind it: not the split that was read; its source will say so */
        return;
    s->target = MAX(readable, s->position);
    if (in->bounded)
        return;
    s->until = s->target;
    s->reached = s->position >= s->until || s->target == 0;
}

void inputs_fix_ends(struct inputs *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        for (uint32_t k = 0; k < in->nsplits; k++)
            if (in->splits[k].target < 0 && !in->splits[k].reached && !in->splits[k].finished)
                fix_end(in, k);
        in->ends_fixed = in->nsplits > 0 && !in->bounded;
    }
}

static bool has_caught_up(const struct input *in, const struct input_split *s)
{
    return s->finished || s->reached || (in->bounded && s->target >= 0 && s->position >= s->target);
}

bool inputs_caught_up(const struct inputs *all)
{
    bool all_there = true;
    for (uint32_t i = 0; i < all->count; i++) {
        const struct input *in = &all->items[i];
        all_there &= !in->held && in->nsplits > 0;
        for (uint32_t k = 0; k < in->nsplits; k++)
            all_there &= has_caught_up(in, &in->splits[k]);
    }
    return all_there;
}

int64_t input_lag(const struct input *in)
{
    int64_t lag = 0;
    for (uint32_t k = 0; k < in->nsplits; k++) {
        const struct input_split *s = &in->splits[k];
        int64_t end = in->source->ops->end_position(in->source, k);
        if (end > s->position && s->position >= 0)
            lag += end - s->position;
    }
    return lag;
}

/* ---- the log ---- */

static void copy_name(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);
    assert(n < size); /* the planner bounds table names, struct split the rest */
    memcpy(to, from, n + 1);
}

struct source_time input_time(const struct input *in)
{
    return (struct source_time){.watermark = in->watermark, .evict = in->evict,
                                .delay = in->table->watermark_delay, .since = in->since};
}

void inputs_record(struct inputs *all, struct arena *a, struct journal_record *record)
{
    struct split_position *splits = arena_array(a, count_splits(all) + 1, sizeof *splits);
    struct source_time *times = arena_array(a, all->count + 1, sizeof *times);
    uint32_t nsplits = 0, ntimes = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        if (in->time_moved) {
            in->time_moved = false;
            times[ntimes] = input_time(in);
            copy_name(times[ntimes++].source, sizeof times->source, in->table->name);
        }
        for (uint32_t k = 0; k < in->nsplits; k++) {
            struct input_split *s = &in->splits[k];
            if (!s->moved)
                continue;
            s->moved = false;
            splits[nsplits] = (struct split_position){.number = s->split.number,
                                                      .position = s->position,
                                                      .start = s->start,
                                                      .mark = s->mark,
                                                      .max_event = s->max_event,
                                                      .idle = s->idle,
                                                      .finished = s->finished};
            copy_name(splits[nsplits].source, sizeof splits->source, in->table->name);
            copy_name(splits[nsplits].split, sizeof splits->split, s->split.name);
            nsplits++;
        }
    }
    record->splits = splits;
    record->nsplits = nsplits;
    record->sources = times;
    record->nsources = ntimes;
}

/* Splits of the record are in the order of these; some have come since. */
void inputs_recorded(struct inputs *all, const struct journal_record *record)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        struct input *in = &all->items[i];
        for (uint32_t k = 0; k < in->nsplits && n < record->nsplits; k++) {
            const struct split_position *p = &record->splits[n];
            if (strcmp(p->source, in->table->name) || strcmp(p->split, in->splits[k].split.name))
                continue;
            if (in->source->ops->acknowledge)
                in->source->ops->acknowledge(in->source, k, p->position);
            n++;
        }
    }
    assert(n == record->nsplits);
}
