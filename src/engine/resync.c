#include "engine/resync.h"

#include <stdlib.h>

enum { SHARDS_AT_ONCE = 16 };

struct recalled {
    struct change_set set;
    struct graph *graph;
    uint32_t sink;
    const struct plan_table *table;
    const struct manifest *manifest;
    struct op_time *times;
    unsigned shard; /* the first that was not read yet */
    struct buf payload, info;
    struct reader reader;
};

/* The next few shards. Every sink gets its rows; those of the others are dropped, as is the news that they were
 * touched. */
static void read_shards(struct recalled *r)
{
    graph_begin_epoch(r->graph, r->manifest->epoch, r->manifest->now_us, r->times, false);
    graph_recall(r->graph, r->shard, r->shard + SHARDS_AT_ONCE);
    r->shard += SHARDS_AT_ONCE;
    buf_release(&r->payload);
    for (uint32_t i = 0; i < graph_sink_count(r->graph); i++) {
        struct buf payload;
        struct collect_counts counts;
        graph_sink(r->graph, i, &payload, &counts);
        if (i == r->sink)
            r->payload = payload;
        else
            buf_release(&payload);
    }
    r->reader = reader_of(buf_slice(&r->payload));
    struct segment_writer *unwanted = segment_writer_new();
    graph_save(r->graph, unwanted);
    segment_writer_free(unwanted);
}

static enum status recalled_next(struct change_set *set, struct arena *a, struct batch **ret, struct error *err)
{
    struct recalled *r = (struct recalled *)set;
    for (;;) {
        struct batch *b;
        TRY(collect_next(&r->reader, &r->table->schema, a, &b, err));
        if (b) {
            *ret = b;
            return OK;
        }
        if (r->shard == SHARDS)
            return AGAIN;
        read_shards(r);
    }
}

static enum status recalled_rewind(struct change_set *set, struct error *err)
{
    (void)err;
    struct recalled *r = (struct recalled *)set;
    r->shard = 0;
    r->reader = (struct reader){0};
    return OK;
}

struct change_set *recalled_rows(struct graph *g, uint32_t sink, const struct plan *plan,
                                 const struct manifest *m)
{
    struct recalled *r = mem_zalloc(sizeof *r);
    r->set = (struct change_set){.from = 1, .to = m->epoch, .now_us = m->now_us, .next = recalled_next,
                                 .rewind = recalled_rewind};
    r->info = (struct buf)BUF(MIB(1));
    ledger_json(&m->total, &r->info);
    r->set.info = buf_cstr(&r->info);
    r->graph = g;
    r->sink = sink;
    r->table = &plan->tables[graph_sink_node(g, sink)->table];
    r->manifest = m;
    r->times = mem_array(plan->ntables + 1, sizeof *r->times);
    for (uint32_t i = 0; i < plan->ntables; i++)
        r->times[i] = (struct op_time){INT64_MIN, INT64_MIN};
    return &r->set;
}

void recalled_rows_free(struct change_set *set)
{
    struct recalled *r = (struct recalled *)set;
    buf_release(&r->payload);
    buf_release(&r->info);
    free(r->times);
    free(r);
}
