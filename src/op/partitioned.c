#include "op/partitioned.h"

#include <stdlib.h>

#include "base/heap.h"
#include "column/rowkey.h"
#include "column/rowpack.h"
#include "op/late.h"
#include "op/sort_key.h"

enum { AT_ONCE = 16 }; /* rows that are pushed together */

/* Rows on their way, and where their keys are in the worker's scratch. */
struct some {
    struct coming {
        uint32_t row, at, key_len, sort_len;
        uint64_t hash;
    } rows[AT_ONCE];
    uint32_t n;
};

static struct slice key_of(const struct buf *keys, const struct coming *r)
{
    return (struct slice){keys->data + r->at, r->key_len};
}

static struct slice sort_key_of(const struct buf *keys, const struct coming *r)
{
    return (struct slice){keys->data + r->at + r->key_len, r->sort_len};
}

static void put_keys(struct partitioned *s, struct buf *keys, const struct batch *b, struct coming *r)
{
    r->at = (uint32_t)keys->len;
    rowkey_put(keys, b->cols, s->partition, s->npartition, r->row);
    r->key_len = (uint32_t)(keys->len - r->at);
    sort_key_put(keys, b->cols, s->node->sort, s->node->nsort, r->row);
    r->sort_len = (uint32_t)(keys->len - r->at - r->key_len);
    struct slice key = key_of(keys, r);
    r->hash = hash64(key.data, key.len, 0);
}

static void gather_row(struct partitioned *s, struct op_context *c, const struct batch *b, const struct coming *r)
{
    struct partitioned_worker *w = &s->workers[c->worker];
    buf_clear(&w->row);
    if (buf_reserve(&w->row, ORDERED_ROW_HEAD))
        w->row.len = ORDERED_ROW_HEAD;
    buf_put(&w->row, w->keys.data + r->at, r->key_len + r->sort_len);
    ordered_put_row(&w->row, b, s->input->schema.ncols, r->row, c->epoch);
    ordered_row_seal(&w->row, r->key_len, r->sort_len, r->hash);
    struct gathered head = {.hash = r->hash, .weight = batch_weight(b, r->row)};
    gather_put(s->gather, c->worker, &head, buf_slice(&w->row));
}

/* Those that are behind what epochs before left are out. */
static void drop_behind(struct partitioned *s, struct op_context *c, struct some *some)
{
    const struct buf *keys = &s->workers[c->worker].keys;
    uint32_t n = 0;
    for (unsigned step = 0; step < ORDERED_WANTS; step++)
        for (uint32_t i = 0; i < some->n; i++)
            ordered_want(s->rows, some->rows[i].hash, (struct slice){0}, step);
    for (uint32_t i = 0; i < some->n; i++) {
        const struct coming *r = &some->rows[i];
        const struct ordered_partition *p = ordered_look(s->rows, r->hash, key_of(keys, r));
        if (!p || !s->does->behind(s, c, p, sort_key_of(keys, r)))
            some->rows[n++] = *r;
    }
    some->n = n;
}

/* From the live row `from` on, in the way that the step looks at them; answers where the next ones begin. */
static uint32_t gather_some(struct partitioned *s, struct op_context *c, const struct batch *b, uint32_t from,
                            enum partitioned_way way)
{
    struct buf *keys = &s->workers[c->worker].keys;
    struct some some;
    uint32_t live = batch_live(b);
    buf_clear(keys);
    for (some.n = 0; from < live && some.n < AT_ONCE; from++) {
        struct coming *r = &some.rows[some.n];
        r->row = batch_row(b, way == PARTITIONED_BACKWARD ? live - 1 - from : from);
        put_keys(s, keys, b, r);
        if (way == PARTITIONED_BLIND || !s->does->hopeless(s, c, r->hash, key_of(keys, r), sort_key_of(keys, r)))
            some.n++;
        else
            keys->len = r->at;
    }
    assert(!keys->overflow); /* they came through the in-flight budget */
    if (way != PARTITIONED_BLIND)
        drop_behind(s, c, &some);
    for (uint32_t i = 0; i < some.n; i++)
        gather_row(s, c, b, &some.rows[i]);
    return from;
}

static void partitioned_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                             void **unused)
{
    (void)unused;
    struct partitioned *s = (struct partitioned *)op;
    struct batch b = *in;
    c->counts->in += batch_live(&b);
    if (s->node->closes >= 0)
        refuse_late(c, op, s->input->schema.names, &b, (uint32_t)s->node->closes, 0, c->time.late_us);
    enum partitioned_way way = s->does->way ? s->does->way(s, c->worker, batch_live(&b)) : PARTITIONED_BLIND;
    for (uint32_t next = 0; next < batch_live(&b);)
        next = gather_some(s, c, &b, next, way);
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

/* What the next rows look at is fetched together. */
static void want_state(const struct partitioned *s, const struct gathered *first, uint32_t most)
{
    heap_tend();
    for (unsigned step = 0; step < ORDERED_WANTS; step++) {
        uint32_t n = 0;
        for (const struct gathered *r = first; r && n < most; r = r->next, n++)
            ordered_want(s->rows, r->hash, gathered_bytes(r), step);
    }
}

static void apply_all(struct partitioned_merge *m, const struct gathered *first)
{
    uint32_t n = 0, most = ordered_at_once();
    for (const struct gathered *r = first; r; r = r->next) {
        if (n++ % most == 0)
            want_state(m->s, r, most);
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
    for (uint32_t w = 0; w < s->nworkers; w++) {
        buf_release(&s->workers[w].row);
        buf_release(&s->workers[w].keys);
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
        s->workers[w].row.max = s->workers[w].keys.max = ROWKEY_MAX;
}

struct batch *partitioned_row(struct partitioned_merge *m, struct slice packed, int64_t weight, uint32_t *ret_row)
{
    struct batch *b = outcome_row(&m->s->out, m->shard, weight, ret_row);
    bool ok = rowpack_get(packed, b->cols, m->s->input->schema.ncols, *ret_row, OUTCOME_ROWS, NULL);
    assert(ok); /* this process packed it, or a checksum covered it */
    return b;
}
