#include "op/partitioned.h"

#include <stdlib.h>

#include "column/rowkey.h"
#include "column/rowpack.h"
#include "op/late.h"
#include "op/sort_key.h"

static void partitioned_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                             void **unused)
{
    (void)unused;
    struct partitioned *s = (struct partitioned *)op;
    struct partitioned_worker *w = &s->workers[c->worker];
    struct batch b = *in;
    c->counts->in += batch_live(&b);
    if (s->node->closes >= 0)
        refuse_late(c, op, s->input->schema.names, &b, (uint32_t)s->node->closes, c->time.late_us);
    for (uint32_t i = 0; i < batch_live(&b); i++) {
        uint32_t row = batch_row(&b, i);
        buf_clear(&w->key);
        buf_clear(&w->order);
        rowkey_put(&w->key, b.cols, s->partition, s->npartition, row);
        sort_key_put(&w->order, b.cols, s->node->sort, s->node->nsort, row);
        size_t sort_len = w->order.len;
        ordered_put_row(&w->order, &b, s->input->schema.ncols, row, c->epoch);
        struct gathered head = {.hash = hash64(w->key.data, w->key.len, 0),
                                .weight = batch_weight(&b, row),
                                .time = (int64_t)sort_len};
        gather_put(s->gather, c->worker, &head, buf_slice(&w->key), buf_slice(&w->order));
    }
    c->counts->out += batch_live(&b); /* each was put in order; results are counted where they go */
    *ret = NULL;
}

static void apply(struct partitioned_merge *m, const struct gathered *r)
{
    struct partitioned *s = m->s;
    struct ordered_partition *p = ordered_partition(s->rows, r->hash, gathered_key(r));
    if (!p->known) {
        p->known = true;
        s->does->learn(m, p);
    }
    uint32_t sort_len = (uint32_t)r->time;
    if (!s->does->wanted || s->does->wanted(s, p, sort_len, gathered_row(r)))
        ordered_add(s->rows, p, sort_len, gathered_row(r), r->weight);
}

static void close_partitions(struct partitioned_merge *m)
{
    struct partitioned *s = m->s;
    if (s->node->closes < 0 || m->c->time.evict_us == INT64_MIN)
        return;
    for (struct ordered_partition *p; (p = ordered_take_due(s->rows, m->shard, m->c->time.evict_us));) {
        arena_reset(&m->scratch);
        if (s->node->final)
            s->does->close(m, p);
        ordered_drop(s->rows, p);
    }
}

static void partitioned_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    struct partitioned *s = (struct partitioned *)op;
    struct partitioned_merge m = {.s = s, .c = c};
    for (m.shard = from; m.shard < to; m.shard++) {
        outcome_reset(&s->out, m.shard);
        for (uint32_t w = 0; w < s->nworkers; w++)
            for (const struct gathered *r = gather_first(s->gather, w, m.shard); r; r = r->next)
                apply(&m, r);
        uint32_t n;
        struct ordered_partition **touched = ordered_touched(s->rows, m.shard, &n);
        for (uint32_t i = 0; i < n; i++) {
            arena_reset(&m.scratch);
            s->does->settle(&m, touched[i]);
            ordered_settle(s->rows, touched[i]);
        }
        ordered_settled(s->rows, m.shard);
        close_partitions(&m);
    }
    arena_release(&m.scratch);
}

static struct batch *partitioned_emit(struct operator *op, struct op_context *c)
{
    (void)c;
    struct partitioned *s = (struct partitioned *)op;
    struct batch *b = outcomes_next(&s->out);
    if (!b)
        gather_clear(s->gather);
    return b;
}

static void recall_partition(void *arg, struct ordered_partition *p)
{
    struct partitioned *s = arg;
    p->known = true;
    s->does->recall(s, p);
}

static void partitioned_recall(struct operator *op, unsigned from, unsigned to)
{
    struct partitioned *s = (struct partitioned *)op;
    for (unsigned shard = from; shard < to && !s->node->final; shard++)
        ordered_touch_all(s->rows, shard, recall_partition, s);
}

static void partitioned_save(struct operator *op, struct segment_writer *w)
{
    ordered_save(((struct partitioned *)op)->rows, w);
}

static enum status partitioned_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                                    struct error *err)
{
    (void)evict_us;
    return ordered_load(((struct partitioned *)op)->rows, version, payload, err);
}

static uint64_t partitioned_keys(const struct operator *op)
{
    return ordered_count(((const struct partitioned *)op)->rows);
}

static uint64_t partitioned_bytes(const struct operator *op)
{
    const struct partitioned *s = (const struct partitioned *)op;
    return ordered_bytes(s->rows) + gather_bytes(s->gather);
}

static void partitioned_free(struct operator *op)
{
    struct partitioned *s = (struct partitioned *)op;
    for (uint32_t w = 0; w < s->nworkers; w++) {
        buf_release(&s->workers[w].key);
        buf_release(&s->workers[w].order);
    }
    free(s->workers);
    gather_free(s->gather);
    ordered_free(s->rows);
    outcomes_release(&s->out);
    arena_release(&s->arena);
    free(s);
}

static struct op_open partitioned_closes(struct operator *op, int64_t late_us)
{
    (void)late_us;
    return (struct op_open){ordered_next_due(((struct partitioned *)op)->rows), -1};
}

static const struct operator_ops partitioned_ops = {.shape = OP_KEEP,
                                                    .push = partitioned_push,
                                                    .merge = partitioned_merge,
                                                    .emit = partitioned_emit,
                                                    .recall = partitioned_recall,
                                                    .save = partitioned_save,
                                                    .load = partitioned_load,
                                                    .keys = partitioned_keys,
                                                    .bytes = partitioned_bytes,
                                                    .closes = partitioned_closes,
                                                    .free = partitioned_free};

void partitioned_init(struct partitioned *s, const struct partitioned_does *does, const struct plan_node *node,
                      const struct plan_node *input, const uint32_t *partition, uint32_t npartition,
                      uint32_t nworkers, bool has_results, void (*forget)(void *arg, void *prefix))
{
    s->op = (struct operator){&partitioned_ops, node->id, node->name};
    s->does = does;
    s->node = node;
    s->input = input;
    s->partition = partition;
    s->npartition = npartition;
    struct type *types = arena_array(&s->arena, npartition, sizeof *types);
    struct ordered_config config = {.name = node->id, .types = types, .npartition = npartition, .closes = -1,
                                    .has_results = has_results, .forget = forget, .arg = s};
    for (uint32_t i = 0; i < npartition; i++) {
        types[i] = input->schema.types[partition[i]];
        if ((int32_t)partition[i] == node->closes)
            config.closes = (int32_t)i;
    }
    s->gather = gather_new(nworkers);
    s->rows = ordered_new(&config);
    outcomes_init(&s->out, node->schema.types, node->schema.ncols);
    s->nworkers = nworkers;
    s->workers = mem_zalloc(nworkers * sizeof *s->workers);
    for (uint32_t w = 0; w < nworkers; w++) {
        s->workers[w].key.max = s->workers[w].order.max = ROWKEY_MAX;
        (void)buf_reserve(&s->workers[w].key, 1); /* no column makes an empty key, not none */
    }
}

struct batch *partitioned_row(struct partitioned_merge *m, struct slice packed, int64_t weight, uint32_t *ret_row)
{
    struct batch *b = outcome_row(&m->s->out, m->shard, weight, ret_row);
    bool ok = rowpack_get(packed, b->cols, m->s->input->schema.ncols, *ret_row, OUTCOME_ROWS, b->arena);
    assert(ok); /* this process packed it, or a checksum covered it */
    return b;
}
