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
        struct bufs rows;
        struct collect_counts counts;
        graph_sink(r->graph, i, &rows, &counts);
        if (i == r->sink)
            bufs_join(&rows, &r->payload);
        bufs_release(&rows);
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
    r->payload = (struct buf)BUF(GIB(8));
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

/* ---- from the outbox ---- */

struct standing {
    struct change_set set;
    struct outbox_range *range;
    struct change_set *changes;
};

static enum status standing_next(struct change_set *set, struct arena *a, struct batch **ret, struct error *err)
{
    struct standing *s = (struct standing *)set;
    for (;;) {
        struct batch *b;
        enum status status = s->changes->next(s->changes, a, &b, err);
        if (status != OK)
            return status;
        uint64_t *keep = arena_zarray(a, BITMAP_WORDS(b->rows), sizeof *keep);
        for (uint32_t i = 0; i < batch_live(b); i++)
            if (batch_weight(b, batch_row(b, i)) > 0)
                bit_set(keep, batch_row(b, i));
        batch_filter(b, keep);
        if (batch_live(b) > 0) {
            *ret = b;
            return OK;
        }
    }
}

static enum status standing_rewind(struct change_set *set, struct error *err)
{
    struct standing *s = (struct standing *)set;
    return s->changes->rewind(s->changes, err);
}

struct change_set *standing_rows(struct store *store, const struct manifest *m, const struct plan_table *table,
                                 int64_t from)
{
    struct standing *s = mem_zalloc(sizeof *s);
    s->range = outbox_range_new(store, m, table, from, m->epoch, m->now_us);
    AUTO(buf) info = BUF(MIB(1));
    ledger_json(&m->total, &info);
    s->range->info = mem_strdup(buf_cstr(&info));
    s->changes = outbox_changes(s->range);
    s->set = *s->changes;
    s->set.next = standing_next;
    s->set.rewind = standing_rewind;
    return &s->set;
}

void standing_rows_free(struct change_set *set)
{
    struct standing *s = (struct standing *)set;
    outbox_changes_free(s->changes);
    outbox_range_free(s->range);
    free(s);
}
