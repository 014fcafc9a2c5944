#include "engine/status.h"

#include <unistd.h>

#include "base/heap.h"
#include "base/os.h"
#include "column/civil.h"
#include "engine/private.h"
#include "engine/queries.h"

static void put_time(struct buf *out, const char *name, int64_t us)
{
    char text[40];
    if (us == INT64_MIN)
        buf_printf(out, "\"%s\":null", name);
    else if (us == INT64_MAX)
        buf_printf(out, "\"%s\":\"end of time\"", name);
    else {
        civil_print_iso(us, 6, text);
        buf_printf(out, "\"%s\":\"%s\"", name, text);
    }
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    if (text)
        buf_put_json(out, slice_of(text));
    else
        buf_puts(out, "null");
}

static void put_bool(struct buf *out, const char *name, bool value)
{
    buf_printf(out, "\"%s\":%s", name, value ? "true" : "false");
}

/* ---- sources ---- */

static void put_live_split(struct buf *out, const struct input *in, uint32_t k)
{
    const struct input_split *s = &in->splits[k];
    int64_t end = in->source->ops->end_position(in->source, k);
    buf_putc(out, '{');
    put_text(out, "name", s->split.name);
    buf_printf(out, ",\"position\":%lld,\"end\":%lld,\"lag\":%lld,", (long long)s->position, (long long)end,
               end > s->position && s->position >= 0 ? (long long)(end - s->position) : 0LL);
    put_time(out, "max_event", s->max_event);
    if (s->advanced_at)
        buf_printf(out, ",\"unchanged_us\":%lld", (long long)(os_mono_us() - s->advanced_at));
    buf_putc(out, ',');
    put_bool(out, "idle", s->idle);
    buf_putc(out, ',');
    put_bool(out, "finished", s->finished);
    buf_putc(out, ',');
    put_bool(out, "paused", s->paused);
    buf_putc(out, '}');
}

static void put_live_sources(struct engine *e, struct buf *out)
{
    for (uint32_t i = 0; i < e->inputs.count; i++) {
        const struct input *in = &e->inputs.items[i];
        buf_puts(out, i ? ",{" : "{");
        put_text(out, "name", in->table->name);
        buf_putc(out, ',');
        put_time(out, "watermark", in->watermark);
        buf_putc(out, ',');
        put_time(out, "evict", in->evict);
        buf_putc(out, ',');
        put_time(out, "since", in->since);
        buf_printf(out, ",\"delay_us\":%lld,", (long long)in->table->watermark_delay);
        put_bool(out, "by_clock", in->table->by_clock);
        buf_putc(out, ',');
        put_text(out, "trouble", in->troubled ? in->trouble.text : NULL);
        buf_puts(out, ",\"splits\":[");
        for (uint32_t k = 0; k < in->nsplits; k++) {
            buf_puts(out, k ? "," : "");
            put_live_split(out, in, k);
        }
        buf_puts(out, "]}");
    }
}

static void put_logged_splits(const struct manifest *m, const char *source, struct buf *out)
{
    bool first = true;
    for (uint32_t k = 0; k < m->nsplits; k++) {
        const struct split_position *s = &m->splits[k];
        if (strcmp(s->source, source))
            continue;
        buf_puts(out, first ? "{" : ",{");
        first = false;
        put_text(out, "name", s->split);
        buf_printf(out, ",\"position\":%lld,", (long long)s->position);
        put_time(out, "max_event", s->max_event);
        buf_putc(out, ',');
        put_bool(out, "idle", s->idle);
        buf_putc(out, ',');
        put_bool(out, "finished", s->finished);
        buf_putc(out, '}');
    }
}

static void put_logged_sources(const struct manifest *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->nsources; i++) {
        buf_puts(out, i ? ",{" : "{");
        put_text(out, "name", m->sources[i].source);
        buf_putc(out, ',');
        put_time(out, "watermark", m->sources[i].watermark);
        buf_putc(out, ',');
        put_time(out, "evict", m->sources[i].evict);
        buf_putc(out, ',');
        put_time(out, "since", m->sources[i].since);
        if (m->sources[i].delay >= 0)
            buf_printf(out, ",\"delay_us\":%lld", (long long)m->sources[i].delay);
        buf_puts(out, ",\"trouble\":null,\"splits\":[");
        put_logged_splits(m, m->sources[i].source, out);
        buf_puts(out, "]}");
    }
}

/* ---- steps and sinks ---- */

/* Of a step that goes by event time: what waits for it, and since when that stands where it is. */
static void put_open(const struct step_time *t, struct buf *out)
{
    buf_putc(out, ',');
    put_time(out, "late", t->evict);
    buf_putc(out, ',');
    put_time(out, "evict", t->watermark);
    buf_putc(out, ',');
    put_time(out, "since", t->since);
    buf_putc(out, ',');
    put_time(out, "closes_next", t->closes);
    buf_printf(out, ",\"lag_us\":%lld,", (long long)t->lag);
    put_bool(out, "waits", t->waits);
    buf_putc(out, ',');
    put_text(out, "source", t->source);
}

static const struct step_time *logged_step(const struct manifest *m, const char *step)
{
    for (uint32_t i = 0; i < m->nsteps; i++)
        if (!strcmp(m->steps[i].step, step))
            return &m->steps[i];
    return NULL;
}

static void put_live_steps(struct engine *e, const struct manifest *m, struct buf *out)
{
    uint64_t keys, bytes;
    const struct plan_node *node;
    for (uint32_t i = 0; (node = graph_state(e->graph, i, &keys, &bytes)); i++) {
        buf_puts(out, i ? ",{" : "{");
        put_text(out, "id", node->id);
        buf_putc(out, ',');
        put_text(out, "name", node->name);
        buf_printf(out, ",\"keys\":%llu,\"bytes\":%llu", (unsigned long long)keys, (unsigned long long)bytes);
        const struct step_time *t = logged_step(m, node->id);
        if (t)
            put_open(t, out);
        buf_putc(out, '}');
    }
}

static void put_logged_steps(const struct manifest *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->nsteps; i++) {
        buf_puts(out, i ? ",{" : "{");
        put_text(out, "id", m->steps[i].step);
        buf_putc(out, ',');
        put_text(out, "name", m->steps[i].name);
        put_open(&m->steps[i], out);
        buf_putc(out, '}');
    }
}

static void put_live_sinks(struct engine *e, struct buf *out)
{
    struct publish_status s;
    for (uint32_t i = 0; publisher_status(e->publisher, i, &s); i++) {
        buf_puts(out, i ? ",{" : "{");
        put_text(out, "name", s.name);
        buf_printf(out, ",\"confirmed\":%lld,\"target\":%lld,", (long long)s.confirmed, (long long)s.target);
        put_bool(out, "applying", s.applying);
        buf_putc(out, ',');
        put_text(out, "trouble", s.troubled ? s.trouble.text : NULL);
        buf_printf(out, ",\"version\":%lld,\"inserted\":%llu,\"updated\":%llu,\"deleted\":%llu,\"bytes_written\":%llu}",
                   (long long)s.total.version, (unsigned long long)s.total.inserted,
                   (unsigned long long)s.total.updated, (unsigned long long)s.total.deleted,
                   (unsigned long long)s.total.bytes_written);
    }
}

static void put_logged_sinks(const struct manifest *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->nsinks; i++) {
        buf_puts(out, i ? ",{" : "{");
        put_text(out, "name", m->sinks[i].name);
        buf_printf(out, ",\"confirmed\":%lld,\"target\":%lld,\"applying\":false,\"trouble\":null}",
                   (long long)m->sinks[i].confirmed, (long long)m->sinks[i].target);
    }
}

/* Where state may lie on disk: how much of it does, how much of that is in memory, and how much may be. */
static void put_spill(struct engine *e, struct buf *out)
{
    struct heap_status s;
    heap_status(&s);
    if (!e->spills)
        return;
    buf_puts(out, "\"spill\":{");
    put_text(out, "folder", e->settings.spill);
    buf_printf(out, ",\"disk\":%llu,\"memory\":%llu,\"limit\":%llu},", (unsigned long long)s.disk,
               (unsigned long long)s.memory, (unsigned long long)s.limit);
}

void status_json(struct engine *e, const struct manifest *m, struct buf *out)
{
    buf_putc(out, '{');
    put_bool(out, "running", e);
    buf_putc(out, ',');
    if (e) {
        buf_printf(out, "\"pid\":%ld,\"memory\":%llu,\"rows\":%llu,", (long)getpid(),
                   (unsigned long long)os_memory_resident(), (unsigned long long)e->rows);
        buf_printf(out, "\"in_flight\":%llu,", (unsigned long long)e->inputs.in_flight);
        put_text(out, "state", e->config.state);
        buf_putc(out, ',');
        put_spill(e, out);
    }
    put_text(out, "uuid", m->uuid);
    buf_printf(out, ",\"epoch\":%lld,", (long long)m->epoch);
    put_time(out, "now", m->epoch ? m->now_us : INT64_MIN);
    buf_putc(out, ',');
    put_bool(out, "ended", m->ended);
    buf_putc(out, ',');
    put_text(out, "plan", m->plan);
    buf_puts(out, ",\"queries\":");
    queries_json(e, m, out);
    buf_puts(out, ",\"sources\":[");
    if (e)
        put_live_sources(e, out);
    else
        put_logged_sources(m, out);
    buf_puts(out, "],\"steps\":[");
    if (e)
        put_live_steps(e, m, out);
    else
        put_logged_steps(m, out);
    buf_puts(out, "],\"sinks\":[");
    if (e)
        put_live_sinks(e, out);
    else
        put_logged_sinks(m, out);
    buf_puts(out, "],\"ledger\":");
    ledger_json(&m->total, out);
    buf_puts(out, "}\n");
}
