#include "engine/status.h"

#include <unistd.h>

#include "base/heap.h"
#include "base/os.h"
#include "column/civil.h"
#include "engine/private.h"
#include "engine/queries.h"

static char last_of(const struct buf *out) { return out->len ? out->data[out->len - 1] : 0; }

/* The name of a member; what follows is its value. */
static void put_name(struct buf *out, const char *name)
{
    buf_printf(out, "%s\"%s\":", last_of(out) == '{' ? "" : ",", name);
}

static void open_object(struct buf *out) { buf_puts(out, last_of(out) == '}' ? ",{" : "{"); }
static void close_object(struct buf *out) { buf_putc(out, '}'); }

static void open_list(struct buf *out, const char *name)
{
    put_name(out, name);
    buf_putc(out, '[');
}
static void close_list(struct buf *out) { buf_putc(out, ']'); }

static void put_int(struct buf *out, const char *name, int64_t value)
{
    put_name(out, name);
    buf_printf(out, "%lld", (long long)value);
}

static void put_time(struct buf *out, const char *name, int64_t us)
{
    char text[40];
    put_name(out, name);
    if (us == INT64_MIN)
        buf_puts(out, "null");
    else if (us == INT64_MAX)
        buf_puts(out, "\"end of time\"");
    else {
        civil_print_iso(us, 6, text);
        buf_printf(out, "\"%s\"", text);
    }
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    put_name(out, name);
    if (text)
        buf_put_json(out, slice_of(text));
    else
        buf_puts(out, "null");
}

static void put_bool(struct buf *out, const char *name, bool value)
{
    put_name(out, name);
    buf_puts(out, value ? "true" : "false");
}

/* ---- sources ---- */

static void put_live_split(struct buf *out, const struct input *in, uint32_t k)
{
    const struct input_split *s = &in->splits[k];
    int64_t end = in->source->ops->end_position(in->source, k);
    open_object(out);
    put_text(out, "name", s->split.name);
    put_int(out, "position", s->position);
    put_int(out, "end", end);
    put_int(out, "lag", end > s->position && s->position >= 0 ? end - s->position : 0);
    put_time(out, "max_event", s->max_event);
    if (s->advanced_at)
        put_int(out, "unchanged_us", os_mono_us() - s->advanced_at);
    put_bool(out, "idle", s->idle);
    put_bool(out, "finished", s->finished);
    put_bool(out, "paused", s->paused);
    close_object(out);
}

static void put_live_sources(struct engine *e, struct buf *out)
{
    for (uint32_t i = 0; i < e->inputs.count; i++) {
        const struct input *in = &e->inputs.items[i];
        open_object(out);
        put_text(out, "name", in->table->name);
        put_time(out, "watermark", in->watermark);
        put_time(out, "evict", in->evict);
        put_time(out, "since", in->since);
        put_int(out, "delay_us", in->table->watermark_delay);
        put_bool(out, "by_clock", in->table->by_clock);
        put_text(out, "trouble", in->troubled ? in->trouble.text : NULL);
        open_list(out, "splits");
        for (uint32_t k = 0; k < in->nsplits; k++)
            put_live_split(out, in, k);
        close_list(out);
        close_object(out);
    }
}

static void put_logged_splits(const struct manifest *m, const char *source, struct buf *out)
{
    for (uint32_t k = 0; k < m->nsplits; k++) {
        const struct split_position *s = &m->splits[k];
        if (strcmp(s->source, source))
            continue;
        open_object(out);
        put_text(out, "name", s->split);
        put_int(out, "position", s->position);
        put_time(out, "max_event", s->max_event);
        put_bool(out, "idle", s->idle);
        put_bool(out, "finished", s->finished);
        close_object(out);
    }
}

static void put_logged_sources(const struct manifest *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->nsources; i++) {
        open_object(out);
        put_text(out, "name", m->sources[i].source);
        put_time(out, "watermark", m->sources[i].watermark);
        put_time(out, "evict", m->sources[i].evict);
        put_time(out, "since", m->sources[i].since);
        if (m->sources[i].delay >= 0)
            put_int(out, "delay_us", m->sources[i].delay);
        put_text(out, "trouble", NULL);
        open_list(out, "splits");
        put_logged_splits(m, m->sources[i].source, out);
        close_list(out);
        close_object(out);
    }
}

/* ---- steps and sinks ---- */

/* Of a step that goes by event time: what waits for it, and since when that stands where it is. */
static void put_open(const struct step_time *t, struct buf *out)
{
    put_time(out, "late", t->evict);
    put_time(out, "evict", t->watermark);
    put_time(out, "since", t->since);
    put_time(out, "closes_next", t->closes);
    put_int(out, "lag_us", t->lag);
    put_bool(out, "waits", t->waits);
    put_text(out, "source", t->source);
}

static void put_live_steps(struct engine *e, const struct manifest *m, struct buf *out)
{
    uint64_t keys, bytes;
    const struct plan_node *node;
    for (uint32_t i = 0; (node = graph_state(e->graph, i, &keys, &bytes)); i++) {
        open_object(out);
        put_text(out, "id", node->id);
        put_text(out, "name", node->name);
        put_int(out, "keys", (int64_t)keys);
        put_int(out, "bytes", (int64_t)bytes);
        const struct step_time *t = manifest_step(m, node->id);
        if (t)
            put_open(t, out);
        close_object(out);
    }
}

static void put_logged_steps(const struct manifest *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->nsteps; i++) {
        open_object(out);
        put_text(out, "id", m->steps[i].step);
        put_text(out, "name", m->steps[i].name);
        put_open(&m->steps[i], out);
        close_object(out);
    }
}

static void put_live_sinks(struct engine *e, struct buf *out)
{
    struct publish_status s;
    for (uint32_t i = 0; publisher_status(e->publisher, i, &s); i++) {
        open_object(out);
        put_text(out, "name", s.name);
        put_int(out, "confirmed", s.confirmed);
        put_int(out, "target", s.target);
        put_bool(out, "applying", s.applying);
        put_text(out, "trouble", s.troubled ? s.trouble.text : NULL);
        put_int(out, "version", s.total.version);
        put_int(out, "inserted", (int64_t)s.total.inserted);
        put_int(out, "updated", (int64_t)s.total.updated);
        put_int(out, "deleted", (int64_t)s.total.deleted);
        put_int(out, "bytes_written", (int64_t)s.total.bytes_written);
        close_object(out);
    }
}

static void put_logged_sinks(const struct manifest *m, struct buf *out)
{
    for (uint32_t i = 0; i < m->nsinks; i++) {
        open_object(out);
        put_text(out, "name", m->sinks[i].name);
        put_int(out, "confirmed", m->sinks[i].confirmed);
        put_int(out, "target", m->sinks[i].target);
        put_bool(out, "applying", false);
        put_text(out, "trouble", NULL);
        close_object(out);
    }
}

/* Where state may lie on disk: how much of it does, how much of that is in memory, and how much may be. */
static void put_spill(struct engine *e, struct buf *out)
{
    struct heap_status s;
    heap_status(&s);
    if (!e->spills)
        return;
    put_name(out, "spill");
    open_object(out);
    put_text(out, "folder", e->settings.spill);
    put_int(out, "disk", (int64_t)s.disk);
    put_int(out, "memory", (int64_t)s.memory);
    put_int(out, "limit", (int64_t)s.limit);
    close_object(out);
}

static void put_process(struct engine *e, struct buf *out)
{
    put_int(out, "pid", getpid());
    put_int(out, "memory", (int64_t)os_memory_resident());
    put_int(out, "rows", (int64_t)e->rows);
    put_int(out, "in_flight", (int64_t)e->inputs.in_flight);
    put_text(out, "state", e->config.state);
    put_spill(e, out);
}

void status_json(struct engine *e, const struct manifest *m, long pid, struct buf *out)
{
    open_object(out);
    put_bool(out, "running", e);
    if (e)
        put_process(e, out);
    else if (pid)
        put_int(out, "pid", pid);
    put_text(out, "uuid", m->uuid);
    put_int(out, "epoch", m->epoch);
    put_time(out, "now", m->epoch ? m->now_us : INT64_MIN);
    put_bool(out, "ended", m->ended);
    put_text(out, "plan", m->plan);
    put_name(out, "queries");
    queries_json(e, m, out);
    open_list(out, "sources");
    if (e)
        put_live_sources(e, out);
    else
        put_logged_sources(m, out);
    close_list(out);
    open_list(out, "steps");
    if (e)
        put_live_steps(e, m, out);
    else
        put_logged_steps(m, out);
    close_list(out);
    open_list(out, "sinks");
    if (e)
        put_live_sinks(e, out);
    else
        put_logged_sinks(m, out);
    close_list(out);
    put_name(out, "ledger");
    ledger_json(&m->total, out);
    close_object(out);
    buf_putc(out, '\n');
}
