/* Dedup: DISTINCT ON without ORDER BY, the first row of each key by ordinal, within the watermark's horizon
 * (semantics 13).
 *
 * An id is the 128-bit hash, keyed by the state's seed, of the key columns' canonical bytes; 2^-128 per pair is below
 * every other source of error (docs/decisions/0003). Late rows are refused first, so that they never claim a key.
 */
#include <stdlib.h>

#include "base/os.h"
#include "column/rowkey.h"
#include "op/late.h"
#include "op/operators.h"
#include "state/expiring.h"

struct dedup {
    struct operator op;
    struct expiring *seen;
    const uint32_t *key;
    uint32_t nkey;
    uint32_t time_column;
    const char *const *names; /* of the input's columns */
    uint64_t seed;
    struct buf *scratch; /* per worker: one key's bytes */
    uint32_t nworkers, parts;
};

struct prepared {
    struct hash128 *ids;  /* by row */
    uint8_t *first;       /* by row: 1 = first of its key */
    const uint32_t *rows; /* those of part 0, those of part 1..., each in the batch's order */
    uint32_t *ends;       /* per part: where its rows end */
};

/* A single text, bytea or uuid is hashed as it lies; anything else, and NULL, by its canonical bytes under another
 * seed: of a jsonb, 1.0 and 1.00 are one. */
static struct hash128 id_of(const struct dedup *d, struct buf *scratch, const struct batch *b, uint32_t row)
{
    const struct column *first = &b->cols[d->key[0]];
    if (d->nkey == 1 && !column_is_null(first, row)) {
        if (first->type.id == TYPE_UUID)
            return hash128((const char *)first->data + 16 * (size_t)row, 16, d->seed);
        if (first->type.id == TYPE_TEXT || first->type.id == TYPE_BYTEA)
            return hash128(view_data(column_view(first, row)), column_view(first, row)->len, d->seed);
    }
    buf_clear(scratch);
    rowkey_put(scratch, b->cols, d->key, d->nkey, row);
    return hash128(scratch->data, scratch->len, d->seed ^ 1);
}

static const uint32_t *all_rows(struct arena *a, const struct batch *b)
{
    if (b->sel)
        return b->sel;
    uint32_t *rows = arena_array(a, batch_live(b), sizeof *rows);
    for (uint32_t i = 0; i < batch_live(b); i++)
        rows[i] = i;
    return rows;
}

static void divide(const struct dedup *d, struct arena *a, const struct batch *b, struct prepared *p)
{
    uint32_t live = batch_live(b), *next = arena_zarray(a, d->parts + 1, sizeof *next);
    p->rows = all_rows(a, b);
    p->ends = next;
    if (d->parts == 1) {
        p->ends[0] = live;
        return;
    }
    for (uint32_t i = 0; i < live; i++)
        next[op_part(expiring_shard(p->ids[p->rows[i]]), d->parts) + 1]++;
    for (uint32_t part = 1; part <= d->parts; part++)
        next[part] += next[part - 1];
    uint32_t *rows = arena_array(a, live, sizeof *rows);
    for (uint32_t i = 0; i < live; i++)
        rows[next[op_part(expiring_shard(p->ids[p->rows[i]]), d->parts)]++] = p->rows[i];
    p->rows = rows;
}

static void dedup_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                       void **ret_prepared)
{
    struct dedup *d = (struct dedup *)op;
    struct batch *b = arena_dup(c->arena, in, sizeof *in);
    c->counts->in += batch_live(b);
    refuse_late(c, op, d->names, b, d->time_column, 0, c->time.late_us);
    struct prepared *p = arena_alloc(c->arena, sizeof *p);
    p->ids = arena_array(c->arena, b->rows, sizeof *p->ids);
    p->first = arena_zalloc(c->arena, b->rows);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        p->ids[row] = id_of(d, &d->scratch[c->worker], b, row);
    }
    divide(d, c->arena, b, p);
    *ret = b;
    *ret_prepared = p;
}

static void dedup_resolve(struct operator *op, struct op_context *c, uint32_t part, const struct parked *parked)
{
    struct dedup *d = (struct dedup *)op;
    const struct prepared *p = parked->prepared;
    uint32_t begin = part ? p->ends[part - 1] : 0;
    expiring_insert_rows(d->seen, p->ids, parked->batch->cols[d->time_column].data, p->rows + begin,
                         p->ends[part] - begin, c->time.evict_us, p->first);
}

static void dedup_prepare(struct operator *op) { expiring_prepare(((struct dedup *)op)->seen); }

static void dedup_finish(struct operator *op, struct op_context *c, struct parked *parked, struct batch **ret)
{
    struct dedup *d = (struct dedup *)op;
    struct batch *b = parked->batch;
    const struct prepared *p = parked->prepared;
    expiring_note_rows(d->seen, c->worker, p->ids, b->cols[d->time_column].data, p->rows, batch_live(b), p->first);
    uint32_t *sel = arena_array(c->arena, batch_live(b), sizeof *sel);
    uint32_t live = 0;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        sel[live] = row;
        live += p->first[row];
    }
    c->counts->duplicate += batch_live(b) - live;
    c->counts->out += live - (os_planted_bug("row_uncounted") && live);
    b->sel = sel;
    b->live = live;
    *ret = live ? b : NULL;
}

static void dedup_save(struct operator *op, struct segment_writer *w)
{
    struct dedup *d = (struct dedup *)op;
    for (uint32_t log = 0; log < d->nworkers; log++) {
        const struct bufs *payload;
        int64_t end_us = expiring_save(d->seen, log, &payload);
        if (end_us == INT64_MIN)
            continue;
        segment_lend(w, SECTION_SET, op->id, EXPIRING_VERSION, payload);
        segment_sets_end(w, end_us);
    }
}

static enum status dedup_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                              struct error *err)
{
    return expiring_load(((struct dedup *)op)->seen, version, payload, evict_us, err);
}

/* KEEP-like end of an epoch: nothing comes out, expired ids are swept. */
static void dedup_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    expiring_sweep(((struct dedup *)op)->seen, c->time.evict_us, from, to);
}

static uint64_t dedup_keys(const struct operator *op) { return expiring_count(((const struct dedup *)op)->seen); }
static uint64_t dedup_bytes(const struct operator *op) { return expiring_bytes(((const struct dedup *)op)->seen); }

static void dedup_free(struct operator *op)
{
    struct dedup *d = (struct dedup *)op;
    for (uint32_t w = 0; w < d->nworkers; w++)
        buf_release(&d->scratch[w]);
    free(d->scratch);
    expiring_free(d->seen);
    free(d);
}

static const struct operator_ops dedup_ops = {
    .shape = OP_EXCHANGE,
    .push = dedup_push,
    .resolve = dedup_resolve,
    .prepare = dedup_prepare,
    .finish = dedup_finish,
    .merge = dedup_merge,
    .save = dedup_save,
    .load = dedup_load,
    .keys = dedup_keys,
    .bytes = dedup_bytes,
    .free = dedup_free,
};

struct operator *dedup_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers,
                           uint64_t hash_seed)
{
    struct dedup *d = mem_zalloc(sizeof *d);
    d->op = (struct operator){&dedup_ops, node->id, node->name};
    d->seen = expiring_new(node->id, node->dedup_horizon, nworkers);
    d->key = node->dedup_key;
    d->nkey = node->ndedup_key;
    assert(input->ntimes); /* the planner refuses a DISTINCT ON without an event time */
    d->time_column = input->times[0].column;
    d->names = input->schema.names;
    d->seed = hash_seed;
    d->nworkers = nworkers;
    d->parts = op_parts(nworkers);
    d->scratch = mem_zalloc(nworkers * sizeof *d->scratch);
    for (uint32_t w = 0; w < nworkers; w++)
        d->scratch[w].max = ROWKEY_MAX;
    return &d->op;
}
