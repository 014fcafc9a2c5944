#include "engine/queries.h"

#include <stdio.h>

#include "base/os.h"
#include "engine/private.h"

enum { WINDOW = 1000 * 1000 };

static uint64_t per_second(uint64_t rows, int64_t us)
{
    return us > 0 ? (uint64_t)((double)rows * 1e6 / (double)us) : 0;
}

void queries_measure(struct engine *e)
{
    int64_t mono = os_mono_us(), since = mono - MAX(e->measured_us, e->started_us);
    if (since < WINDOW)
        return;
    for (uint32_t i = 0; i < e->inputs.count; i++) {
        struct input *in = &e->inputs.items[i];
        uint64_t rows = in->rows - in->rows_then;
        in->rows_per_second = per_second(rows, since);
        in->work_per_second = per_second(rows, e->busy_us - e->busy_then);
        in->rows_then = in->rows;
    }
    e->measured_us = mono;
    e->busy_then = e->busy_us;
}

/* ---- an INSERT's sources ---- */

/* What is refused may come from any source. */
static bool reads(const struct plan *p, uint32_t node, uint32_t table)
{
    const struct plan_node *n = &p->nodes[node];
    if (n->kind == NODE_RELATION || (n->kind == NODE_SCAN && n->table == table))
        return true;
    for (uint32_t i = 0; i < n->ninputs; i++)
        if (reads(p, n->inputs[i], table))
            return true;
    return false;
}

static uint32_t node_of(const struct plan *p, const char *sink)
{
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (p->nodes[i].kind == NODE_SINK && !strcmp(p->nodes[i].sink_name, sink))
            return i;
    assert(!"a sink that no INSERT feeds");
    return 0;
}

struct flow {
    uint64_t input, processed, lag;
    bool troubled;
};

static struct flow flow_into(const struct engine *e, const char *sink)
{
    struct flow f = {0};
    uint32_t node = node_of(e->plan, sink);
    for (uint32_t i = 0; i < e->inputs.count; i++) {
        const struct input *in = &e->inputs.items[i];
        if (!reads(e->plan, node, in->index))
            continue;
        f.input += in->rows_per_second;
        f.processed += in->work_per_second;
        f.lag += (uint64_t)input_lag(in);
        f.troubled |= in->troubled;
    }
    return f;
}

/* ---- as JSON ---- */

static uint64_t rows_of(const struct manifest *m, const char *sink)
{
    for (uint32_t i = 0; i < m->total.nlines; i++) {
        const struct ledger_line *l = &m->total.lines[i];
        if (l->kind == LEDGER_SINK && !strcmp(l->name, sink))
            return l->inserted + l->updated + l->deleted;
    }
    return 0;
}

static void put_head(struct buf *out, bool first, const struct manifest *m, const char *sink, const char *state)
{
    char id[160];
    snprintf(id, sizeof id, "%s/%s", m->uuid, sink);
    buf_puts(out, first ? "{\"id\":" : ",{\"id\":");
    buf_put_json(out, slice_of(id));
    buf_puts(out, ",\"name\":");
    buf_put_json(out, slice_of(sink));
    buf_printf(out, ",\"state\":\"%s\",\"rows\":%llu", state, (unsigned long long)rows_of(m, sink));
}

static void put_live(struct engine *e, const struct manifest *m, struct buf *out)
{
    struct publish_status s;
    for (uint32_t i = 0; publisher_status(e->publisher, i, &s); i++) {
        struct flow f = flow_into(e, s.name);
        put_head(out, i == 0, m, s.name, s.troubled || f.troubled ? "trying again" : e->paused ? "paused" : "running");
        buf_printf(out, ",\"data_available\":%s", f.lag ? "true" : "false");
        if (s.interval_us)
            buf_printf(out, ",\"trigger\":\"every %g s\"", (double)s.interval_us / 1e6);
        else
            buf_puts(out, ",\"trigger\":\"every epoch\"");
        buf_printf(out,
                   ",\"input_rows_per_second\":%llu,\"processed_rows_per_second\":%llu,\"batch_duration_us\":%lld,"
                   "\"lag\":%llu}",
                   (unsigned long long)f.input, (unsigned long long)f.processed, (long long)e->epoch_us,
                   (unsigned long long)f.lag);
    }
}

void queries_json(struct engine *e, const struct manifest *m, struct buf *out)
{
    buf_putc(out, '[');
    if (e)
        put_live(e, m, out);
    for (uint32_t i = 0; !e && i < m->nsinks; i++) {
        put_head(out, i == 0, m, m->sinks[i].name, m->ended ? "ended" : "stopped");
        buf_puts(out, ",\"data_available\":null,\"trigger\":null,\"input_rows_per_second\":null,"
                      "\"processed_rows_per_second\":null,\"batch_duration_us\":null,\"lag\":null}");
    }
    buf_putc(out, ']');
}
