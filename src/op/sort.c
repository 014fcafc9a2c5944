/* Sort: ORDER BY, LIMIT and OFFSET over a finite input, and rows that must have stopped changing before they come out.
 * Everything is held, in state, and comes out in order when the input has ended: its time is at the end of time. Then
 * nothing is held any more. Rows that are equal in the order come in that of their bytes; without any order, as they
 * were read, and what comes out of a step's state behind that.
 */
#include <stdlib.h>

#include "column/rowkey.h"
#include "column/rowpack.h"
#include "op/gather.h"
#include "op/late.h"
#include "op/operators.h"
#include "op/sort_key.h"
#include "state/keyed.h"

enum { SORT_VERSION = 2, EMIT_ROWS = 4096 };

struct held { /* value; the key of its entry: u32 length of the sort key, the sort key, the row */
    int64_t weight;
    int64_t epoch, place; /* of the first of these rows, without an order; INT64_MAX: it came in none */
};

struct sort {
    struct operator op;
    const struct plan_node *node;
    struct gather *gather;
    struct keyed *rows;
    struct buf *scratch; /* per worker: one row's key */
    uint32_t nworkers;
    /* the end */
    struct arena arena;
    struct keyed_entry **sorted;
    uint64_t count, next;
    int64_t left, skip; /* rows still wanted, -1: all; to be left out first */
    int64_t taken;      /* of the next entry */
    bool ended;
};

/* ---- gathering ---- */

/* The input had ended, and its rows have come out: a file has grown since. */
static void refuse_more(const struct sort *s, struct op_context *c, const struct batch *in)
{
    for (uint32_t i = 0; i < batch_live(in); i++) {
        if (batch_weight(in, batch_row(in, i)) > 0)
            report_late(c, &s->op, s->node->schema.names, in, batch_row(in, i), INT64_MAX);
        else
            c->counts->filtered++; /* what came out stays */
    }
    c->counts->in += batch_live(in);
}

static void sort_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    struct sort *s = (struct sort *)op;
    struct buf *key = &s->scratch[c->worker];
    *ret = NULL;
    if (c->time.late_us == INT64_MAX) {
        refuse_more(s, c, in);
        return;
    }
    for (uint32_t i = 0; i < batch_live(in); i++) {
        uint32_t row = batch_row(in, i), length;
        buf_clear(key);
        buf_put_u32(key, 0);
        sort_key_put(key, in->cols, s->node->sort, s->node->nsort, row);
        length = (uint32_t)(key->len - 4);
        memcpy(key->data, &length, 4);
        rowpack_put(key, in->cols, in->ncols, row);
        struct gathered head = {.hash = hash64(key->data, key->len, 0), .weight = batch_weight(in, row),
                                .time = s->node->nsort || !c->place ? INT64_MAX : (int64_t)(*c->place)++};
        gather_put(s->gather, c->worker, &head, buf_slice(key));
    }
    c->counts->in += batch_live(in);
    c->counts->out += batch_live(in);
}

static void apply(struct sort *s, const struct gathered *r, int64_t epoch)
{
    bool fresh;
    struct keyed_entry *e = keyed_get(s->rows, r->hash, r->bytes, r->len, &fresh);
    struct held *h = keyed_value(e);
    if (fresh)
        h->epoch = h->place = INT64_MAX;
    if (r->time != INT64_MAX && (h->epoch > epoch || (h->epoch == epoch && h->place > r->time))) {
        h->epoch = epoch;
        h->place = r->time;
    }
    h->weight += r->weight;
    keyed_touch(s->rows, e);
    if (h->weight == 0)
        keyed_remove(s->rows, e);
}

static void sort_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    struct sort *s = (struct sort *)op;
    for (unsigned shard = from; shard < to; shard++)
        for (uint32_t w = 0; w < s->nworkers; w++)
            for (const struct gathered *r = gather_first(s->gather, w, shard); r; r = r->next)
                apply(s, r, c->epoch);
}

/* ---- the end ---- */

static struct slice sort_key_of(const struct sort *s, const struct keyed_entry *e)
{
    struct slice key = keyed_key(s->rows, e);
    uint32_t len;
    memcpy(&len, key.data, 4);
    return (struct slice){key.data + 4, len};
}

static int compare_entries(const void *x, const void *y, void *arg)
{
    const struct sort *s = arg;
    struct keyed_entry *a = *(struct keyed_entry *const *)x, *b = *(struct keyed_entry *const *)y;
    const struct held *ha = keyed_value(a), *hb = keyed_value(b);
    int d = slice_compare(sort_key_of(s, a), sort_key_of(s, b));
    if (d == 0)
        d = (ha->epoch > hb->epoch) - (ha->epoch < hb->epoch);
    if (d == 0)
        d = (ha->place > hb->place) - (ha->place < hb->place);
    return d ? d : slice_compare(keyed_key(s->rows, a), keyed_key(s->rows, b));
}

static void collect_entry(void *arg, struct keyed_entry *e)
{
    struct sort *s = arg;
    s->sorted[s->count++] = e;
}

static void begin_end(struct sort *s)
{
    s->ended = true;
    s->sorted = arena_array(&s->arena, keyed_count(s->rows), sizeof(struct keyed_entry *));
    for (unsigned shard = 0; shard < SHARDS; shard++)
        keyed_each(s->rows, shard, collect_entry, s);
    qsort_r(s->sorted, s->count, sizeof *s->sorted, compare_entries, s);
    s->left = s->node->limit;
    s->skip = s->node->offset;
}

/* The next row, counting each as often as it is there. NULL: no more. */
static struct keyed_entry *next_row(struct sort *s)
{
    while (s->next < s->count && s->left != 0) {
        struct keyed_entry *e = s->sorted[s->next];
        const struct held *h = keyed_value(e);
        if (s->taken >= h->weight) {
            s->next++;
            s->taken = 0;
            continue;
        }
        s->taken++;
        if (s->skip > 0) {
            s->skip--;
            continue;
        }
        s->left -= s->left > 0;
        return e;
    }
    return NULL;
}

static void forget_rows(struct sort *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        keyed_remove(s->rows, s->sorted[i]);
    s->count = s->next = 0;
    s->taken = 0;
    s->ended = false;
    arena_reset(&s->arena);
}

static struct batch *sort_emit(struct operator *op, struct op_context *c)
{
    struct sort *s = (struct sort *)op;
    gather_clear(s->gather);
    if (!c->final && c->time.evict_us != INT64_MAX)
        return NULL;
    if (!s->ended)
        begin_end(s);
    struct batch *out = NULL;
    for (struct keyed_entry *e; (!out || out->rows < EMIT_ROWS) && (e = next_row(s));) {
        if (!out) {
            out = batch_make(c->arena, s->node->schema.types, s->node->schema.ncols, EMIT_ROWS);
            out->rows = 0;
        }
        struct slice key = keyed_key(s->rows, e), sort_key = sort_key_of(s, e);
        size_t head = 4 + sort_key.len;
        bool ok = rowpack_get((struct slice){key.data + head, key.len - head}, out->cols, out->ncols, out->rows,
                              EMIT_ROWS, c->arena);
        assert(ok); /* this process packed it, or a checksum covered it */
        out->live = ++out->rows;
    }
    if (!out && !c->final) /* there are epochs to come, of the pipeline's other inputs */
        forget_rows(s);
    return out;
}

/* ---- state ---- */

static void sort_save(struct operator *op, struct segment_writer *w)
{
    keyed_save_section(((struct sort *)op)->rows, w);
}

static enum status sort_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                             struct error *err)
{
    (void)evict_us;
    return keyed_load(((struct sort *)op)->rows, version, payload, err);
}

static uint64_t sort_keys(const struct operator *op) { return keyed_count(((const struct sort *)op)->rows); }

static uint64_t sort_bytes(const struct operator *op)
{
    const struct sort *s = (const struct sort *)op;
    return keyed_bytes(s->rows) + gather_bytes(s->gather);
}

static uint64_t sort_pending(const struct operator *op) { return gather_bytes(((const struct sort *)op)->gather); }

static void sort_free(struct operator *op)
{
    struct sort *s = (struct sort *)op;
    for (uint32_t w = 0; w < s->nworkers; w++)
        buf_release(&s->scratch[w]);
    free(s->scratch);
    gather_free(s->gather);
    keyed_free(s->rows);
    arena_release(&s->arena);
    free(s);
}

static const struct operator_ops sort_ops = {.shape = OP_KEEP,
                                             .push = sort_push,
                                             .merge = sort_merge,
                                             .emit = sort_emit,
                                             .save = sort_save,
                                             .load = sort_load,
                                             .keys = sort_keys,
                                             .bytes = sort_bytes,
                                             .pending = sort_pending,
                                             .free = sort_free};

struct operator *sort_new(const struct plan_node *node, uint32_t nworkers)
{
    static const struct keyed_codec codec = {.value_size = sizeof(struct held)};
    struct sort *s = mem_zalloc(sizeof *s);
    s->op = (struct operator){&sort_ops, node->id, node->name};
    s->node = node;
    s->gather = gather_new(nworkers);
    s->rows = keyed_new(node->id, SORT_VERSION, &codec);
    s->nworkers = nworkers;
    s->arena.state = true;
    s->scratch = mem_zalloc(nworkers * sizeof *s->scratch);
    for (uint32_t w = 0; w < nworkers; w++)
        s->scratch[w].max = ROWKEY_MAX;
    return &s->op;
}
