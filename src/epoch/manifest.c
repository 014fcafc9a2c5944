#include "epoch/manifest.h"

#include <stdlib.h>

#include "base/os.h"

void manifest_release(struct manifest *m)
{
    if (!m)
        return;
    free(m->sources);
    free(m->steps);
    free(m->splits);
    free(m->sinks);
    free(m->segments);
    ledger_release(&m->total);
    for (uint32_t i = 0; i < m->nhistory; i++)
        ledger_release(&m->history[i]);
    free(m->history);
    *m = (struct manifest){0};
}

/* ---- finding ---- */

/* Records name things in the manifest's order or close to it: looking on from the last hit makes a record of n
 * changes cost n comparisons. */
static struct split_position *find_split(const struct manifest *m, const struct split_position *s, uint32_t *from)
{
    for (uint32_t k = 0; k < m->nsplits; k++) {
        struct split_position *x = &m->splits[(*from + k) % m->nsplits];
        if (strcmp(x->split, s->split) == 0 && strcmp(x->source, s->source) == 0) {
            *from = (uint32_t)(x - m->splits) + 1;
            return x;
        }
    }
    return NULL;
}

struct source_time *manifest_source(const struct manifest *m, const char *name)
{
    for (uint32_t i = 0; i < m->nsources; i++)
        if (strcmp(m->sources[i].source, name) == 0)
            return &m->sources[i];
    return NULL;
}

struct step_time *manifest_step(const struct manifest *m, const char *step)
{
    for (uint32_t i = 0; i < m->nsteps; i++)
        if (strcmp(m->steps[i].step, step) == 0)
            return &m->steps[i];
    return NULL;
}

struct sink_state *manifest_sink(const struct manifest *m, const char *name)
{
    for (uint32_t i = 0; i < m->nsinks; i++)
        if (strcmp(m->sinks[i].name, name) == 0)
            return &m->sinks[i];
    return NULL;
}

struct split_position *manifest_split(const struct manifest *m, const char *source, const char *split)
{
    for (uint32_t i = 0; i < m->nsplits; i++)
        if (strcmp(m->splits[i].split, split) == 0 && strcmp(m->splits[i].source, source) == 0)
            return &m->splits[i];
    return NULL;
}

static struct segment_ref *find_segment(const struct manifest *m, const char *name)
{
    for (uint32_t i = 0; i < m->nsegments; i++)
        if (strcmp(m->segments[i].name, name) == 0)
            return &m->segments[i];
    return NULL;
}

/* ---- checking ---- */

static bool closes_epoch(const struct journal_record *r)
{
    return strcmp(r->kind, "epoch") == 0 || strcmp(r->kind, "end") == 0;
}

static enum status goes_back(struct error *err, const char *what, const char *name, int64_t from, int64_t to)
{
    return error_set(err, ERR_VERIFY, "%s%s%s%s would go back from %lld to %lld", what, *name ? " \"" : "", name,
                     *name ? "\"" : "", (long long)from, (long long)to);
}

static bool is_named(const char *name, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static enum status check_splits(const struct manifest *m, const struct journal_record *r, struct error *err)
{
    uint32_t from = 0;
    for (uint32_t i = 0; i < r->nsplits; i++) {
        if (is_named(r->splits[i].source, r->gone_sources, r->ngone_sources))
            continue;
        const struct split_position *x = &r->splits[i], *old = find_split(m, x, &from);
        if (old && x->position < old->position)
            return goes_back(err, "the position of split", x->split, old->position, x->position);
        if (old && x->max_event < old->max_event)
            return goes_back(err, "the newest event time of split", x->split, old->max_event, x->max_event);
    }
    return OK;
}

static enum status check_progress(const struct manifest *m, const struct journal_record *r, struct error *err)
{
    TRY(check_splits(m, r, err));
    for (uint32_t i = 0; i < r->nsources; i++) {
        if (is_named(r->sources[i].source, r->gone_sources, r->ngone_sources))
            continue;
        const struct source_time *x = &r->sources[i], *old = manifest_source(m, x->source);
        if (old && x->watermark < old->watermark)
            return goes_back(err, "the watermark of source", x->source, old->watermark, x->watermark);
        if (old && x->evict < old->evict)
            return goes_back(err, "the evicted time of source", x->source, old->evict, x->evict);
    }
    for (uint32_t i = 0; i < r->nsinks; i++) {
        const struct sink_state *x = &r->sinks[i], *old = manifest_sink(m, x->name);
        if (is_named(x->name, r->gone_sinks, r->ngone_sinks))
            old = NULL;
        if (old && (x->confirmed < old->confirmed || x->applied < old->applied))
            return goes_back(err, "the confirmed epoch of sink", x->name, old->confirmed, x->confirmed);
        if (old && x->target < old->target)
            return goes_back(err, "the target epoch of sink", x->name, old->target, x->target);
        if (x->target < x->confirmed || x->confirmed < x->applied || x->target > r->epoch)
            return error_set(err, ERR_VERIFY,
                             "sink \"%s\" has applied %lld, confirmed %lld and targets %lld in epoch %lld", x->name,
                             (long long)x->applied, (long long)x->confirmed, (long long)x->target, (long long)r->epoch);
    }
    return OK;
}

static enum status check_segments(const struct manifest *m, const struct journal_record *r, struct error *err)
{
    for (uint32_t i = 0; i < r->ndropped_state; i++) {
        const struct segment_ref *s = find_segment(m, r->dropped_state[i]);
        if (!s || !s->has_state)
            return error_set(err, ERR_VERIFY, "the state of segment %s is dropped, which is not in the log",
                             r->dropped_state[i]);
    }
    for (uint32_t i = 0; i < r->nadded; i++) {
        if (find_segment(m, r->added[i].name))
            return error_set(err, ERR_VERIFY, "segment %s is added twice", r->added[i].name);
        if (r->added[i].from > r->added[i].to || r->added[i].to > r->epoch)
            return error_set(err, ERR_VERIFY, "segment %s holds epochs %lld to %lld in epoch %lld", r->added[i].name,
                             (long long)r->added[i].from, (long long)r->added[i].to, (long long)r->epoch);
    }
    return OK;
}

enum status manifest_check(const struct manifest *m, const struct journal_record *r, struct error *err)
{
    int64_t expected = m->epoch + closes_epoch(r);
    if (r->epoch != expected)
        return error_set(err, ERR_VERIFY, "a record \"%s\" of epoch %lld follows epoch %lld", r->kind,
                         (long long)r->epoch, (long long)m->epoch);
    if (r->now_us < m->now_us)
        return goes_back(err, "the time of the epochs", "", m->now_us, r->now_us);
    if (r->ledger) {
        if (r->ledger->from != r->epoch || r->ledger->to != r->epoch)
            return error_set(err, ERR_VERIFY, "the ledger of epoch %lld says it is of %lld to %lld",
                             (long long)r->epoch, (long long)r->ledger->from, (long long)r->ledger->to);
        TRY(ledger_balance(r->ledger, err));
    }
    TRY(check_progress(m, r, err));
    return check_segments(m, r, err);
}

/* ---- applying ---- */

static void apply_gone(struct manifest *m, const struct journal_record *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->nsplits; i++)
        if (!is_named(m->splits[i].source, r->gone_sources, r->ngone_sources))
            m->splits[n++] = m->splits[i];
    m->nsplits = n;
    n = 0;
    for (uint32_t i = 0; i < m->nsources; i++)
        if (!is_named(m->sources[i].source, r->gone_sources, r->ngone_sources))
            m->sources[n++] = m->sources[i];
    m->nsources = n;
    n = 0;
    for (uint32_t i = 0; i < m->nsinks; i++)
        if (!is_named(m->sinks[i].name, r->gone_sinks, r->ngone_sinks))
            m->sinks[n++] = m->sinks[i];
    m->nsinks = n;
}

static void apply_progress(struct manifest *m, const struct journal_record *r)
{
    uint32_t from = 0;
    for (uint32_t i = 0; i < r->nsplits; i++) {
        struct split_position *x = find_split(m, &r->splits[i], &from);
        if (!x) {
            m->splits = mem_grow_by_count(m->splits, m->nsplits, sizeof *m->splits);
            x = &m->splits[m->nsplits++];
        }
        *x = r->splits[i];
    }
    for (uint32_t i = 0; i < r->nsources; i++) {
        struct source_time *x = manifest_source(m, r->sources[i].source);
        if (!x) {
            m->sources = mem_grow_by_count(m->sources, m->nsources, sizeof *m->sources);
            x = &m->sources[m->nsources++];
        }
        *x = r->sources[i];
    }
    for (uint32_t i = 0; i < r->nsteps; i++) {
        struct step_time *x = manifest_step(m, r->steps[i].step);
        if (!x) {
            m->steps = mem_grow_by_count(m->steps, m->nsteps, sizeof *m->steps);
            x = &m->steps[m->nsteps++];
        }
        *x = r->steps[i];
    }
    for (uint32_t i = 0; i < r->nsinks; i++) {
        struct sink_state *x = manifest_sink(m, r->sinks[i].name);
        if (!x) {
            m->sinks = mem_grow_by_count(m->sinks, m->nsinks, sizeof *m->sinks);
            x = &m->sinks[m->nsinks++];
        }
        *x = r->sinks[i];
    }
}

static bool is_before(const struct segment_ref *a, const struct segment_ref *b)
{
    return a->from != b->from ? a->from < b->from : a->to < b->to;
}

static void apply_segments(struct manifest *m, const struct journal_record *r)
{
    for (uint32_t i = 0; i < r->ndropped_state; i++)
        find_segment(m, r->dropped_state[i])->has_state = false;
    for (uint32_t i = 0; i < r->nadded; i++) {
        m->segments = mem_grow_by_count(m->segments, m->nsegments, sizeof *m->segments);
        uint32_t at = m->nsegments++;
        for (; at > 0 && is_before(&r->added[i], &m->segments[at - 1]); at--)
            m->segments[at] = m->segments[at - 1];
        m->segments[at] = r->added[i];
    }
    if (m->nsinks == 0)
        return;
    int64_t confirmed = INT64_MAX;
    bool early = os_planted_bug("outbox-dropped-early");
    for (uint32_t i = 0; i < m->nsinks; i++)
        confirmed = MIN(confirmed, early ? m->sinks[i].target : m->sinks[i].confirmed);
    for (uint32_t i = 0; i < m->nsegments; i++)
        if (m->segments[i].to <= confirmed)
            m->segments[i].has_outbox = false;
}

/* Two neighbours become one: a ledger's history keeps its length, and its older part becomes coarser. */
static void halve_history(struct manifest *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->nhistory; i += 2) {
        struct ledger pair = m->history[i];
        if (i + 1 < m->nhistory) {
            ledger_add(&pair, &m->history[i + 1]);
            ledger_release(&m->history[i + 1]);
        }
        m->history[n++] = pair;
    }
    m->nhistory = n;
}

static void apply_ledger(struct manifest *m, const struct ledger *l)
{
    ledger_add(&m->total, l);
    if (!m->history)
        m->history = mem_array(LEDGER_HISTORY, sizeof *m->history);
    if (m->nhistory == LEDGER_HISTORY)
        halve_history(m);
    m->history[m->nhistory] = (struct ledger){0};
    ledger_add(&m->history[m->nhistory++], l);
}

static void set_hex(char to[static 65], const char *from)
{
    assert(strlen(from) == 64);
    memcpy(to, from, 65);
}

void manifest_apply(struct manifest *m, const struct journal_record *r)
{
    m->epoch = r->epoch;
    m->now_us = r->now_us;
    m->ended |= r->ended;
    if (r->fingerprint && strcmp(m->fingerprint, r->fingerprint) != 0)
        m->nsteps = 0;
    if (r->plan)
        set_hex(m->plan, r->plan);
    if (r->fingerprint)
        set_hex(m->fingerprint, r->fingerprint);
    if (r->ngone_sources || r->ngone_sinks)
        apply_gone(m, r);
    apply_progress(m, r);
    apply_segments(m, r);
    if (r->ledger)
        apply_ledger(m, r->ledger);
}

bool manifest_take_unneeded(struct manifest *m, struct segment_ref *ret)
{
    for (uint32_t i = 0; i < m->nsegments; i++) {
        if (m->segments[i].has_state || m->segments[i].has_outbox)
            continue;
        *ret = m->segments[i];
        memmove(&m->segments[i], &m->segments[i + 1], (m->nsegments - i - 1) * sizeof *m->segments);
        m->nsegments--;
        return true;
    }
    return false;
}
