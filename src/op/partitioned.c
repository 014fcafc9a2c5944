#include "op/partitioned.h"

#include <stdlib.h>

#include "base/heap.h"
#include "column/rowkey.h"
#include "column/rowpack.h"
#include "op/late.h"
#include "op/sort_key.h"

enum { WANTED = 512 }; /* rows whose state is read together, where it lies on disk */

static void gather_row(struct partitioned *s, struct op_context *c, const struct batch *b, uint32_t row)
{
    struct buf *out = &s->workers[c->worker].row;
    buf_clear(out);
    if (buf_reserve(out, ORDERED_ROW_HEAD))
        out->len = ORDERED_ROW_HEAD;
    rowkey_put(out, b->cols, s->partition, s->npartition, row);
    struct slice key = {out->data + ORDERED_ROW_HEAD, out->len - ORDERED_ROW_HEAD};
    uint64_t hash = hash64(key.data, key.len, 0);
    sort_key_put(out, b->cols, s->node->sort, s->node->nsort, row);
    size_t sort_len = out->len - ORDERED_ROW_HEAD - key.len;
    if (s->does->hopeless) {
        key.data = out->data + ORDERED_ROW_HEAD; /* it may have moved */
        struct slice sort_key = {key.data + key.len, sort_len};
        if (s->does->hopeless(s, c, hash, key, sort_key))
            return;
    }
    ordered_put_row(out, b, s->input->schema.ncols, row, c->epoch);
    ordered_row_seal(out, (uint32_t)key.len, (uint32_t)sort_len, hash);
    struct gathered head = {.hash = hash, .weight = batch_weight(b, row)};
    gather_put(s->gather, c->worker, &head, buf_slice(out));
}

static void partitioned_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                             void **unused)
{
    (void)unused;
    struct partitioned *s = (struct partitioned *)op;
    struct batch b = *in;
    c->counts->in += batch_live(&b);
    if (s->node->closes >= 0)
        refuse_late(c, op, s->input->schema.names, &b, (uint32_t)s->node->closes, c->time.late_us);
    for (uint32_t i = 0; i < batch_live(&b); i++)
        gather_row(s, c, &b, batch_row(&b, i));
    c->counts->out += batch_live(&b); /* each was put in order; results are counted where they go */
    *ret = NULL;
}

static void apply(struct partitioned_merge *m, const struct gathered *r)
{
    struct partitioned *s = m->s;
    struct slice row = gathered_bytes(r);
    struct ordered_partition *p = ordered_partition(s->rows, r->hash, ordered_row_partition(row));
    if (!p->known) {
        p->known = true;
        s->does->learn(m, p);
    }
    if (!s->does->wanted || s->does->wanted(s, p, row))
        ordered_add(s->rows, p, row, r->weight);
}

/* Where state lies on disk, what the next rows look at is read together. */
static void want_state(const struct partitioned *s, const struct gathered *first)
{
    heap_tend();
    for (unsigned step = 0; step < ORDERED_WANTS; step++) {
        uint32_t n = 0;
        for (const struct gathered *r = first; r && n < WANTED; r = r->next, n++)
            ordered_want(s->rows, r->hash, gathered_bytes(r), step);
    }
}

static void apply_all(struct partitioned_merge *m, const struct gathered *first)
{
    uint32_t n = 0;
    for (const struct gathered *r = first; r; r = r->next) {
        if (unlikely(heap_spills) && n++ % WANTED == 0)
            want_state(m->s, r);
        apply(m, r);
    }
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
    struct partitioned_merge m = {.s = s, .c = c, .changes = BUF(GIB(8))};
    for (m.shard = from; m.shard < to; m.shard++) {
        outcome_reset(&s->out, m.shard);
        for (uint32_t w = 0; w < s->nworkers; w++)
            apply_all(&m, gather_first(s->gather, w, m.shard));
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
    buf_release(&m.changes);
}

static struct batch *partitioned_emit(struct operator *op, struct op_context *c)
{
    (void)c;
    return outcomes_next(&((struct partitioned *)op)->out);
}

/* Results lie as they were made. */
static void partitioned_finish(struct operator *op, struct op_context *c, struct parked *p, struct batch **ret)
{
    (void)op;
    (void)c;
    *ret = p->batch;
}

static void partitioned_emitted(struct operator *op) { gather_clear(((struct partitioned *)op)->gather); }

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
    if (s->does->release)
        s->does->release(s);
    for (uint32_t w = 0; w < s->nworkers; w++)
        buf_release(&s->workers[w].row);
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
                                                    .any_order = true,
                                                    .push = partitioned_push,
                                                    .merge = partitioned_merge,
                                                    .emit = partitioned_emit,
                                                    .finish = partitioned_finish,
                                                    .emitted = partitioned_emitted,
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
    for (uint32_t w = 0; w < nworkers; w++)
        s->workers[w].row.max = ROWKEY_MAX;
}

struct batch *partitioned_row(struct partitioned_merge *m, struct slice packed, int64_t weight, uint32_t *ret_row)
{
    struct batch *b = outcome_row(&m->s->out, m->shard, weight, ret_row);
    bool ok = rowpack_get(packed, b->cols, m->s->input->schema.ncols, *ret_row, OUTCOME_ROWS, NULL);
    assert(ok); /* this process packed it, or a checksum covered it */
    return b;
}
