/* Window functions over ordered partitions, kept up to date. All rows of a partition are kept in order, and each knows,
 * in memory, the results that it was handed out with. When rows change, the results of those that can see them are
 * computed again (frames.h), and what differs comes out: all that leaves ahead of all that comes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "column/rowpack.h"
#include "op/frames.h"
#include "op/operators.h"
#include "op/partitioned.h"
#include "op/reject.h"

struct over {
    struct partitioned s;
    struct frames frames;
};

/* The results of a row: of each of its copies u32 length and the results as rowpack wrote them; length 0: they could
 * not be computed, and the copy is not there. */
struct results {
    char *bytes; /* heap */
    uint64_t len;
};

struct change {
    struct keyed_entry *e;
    struct results was, is;
};

static struct reader reader_of_results(const char *bytes, uint64_t len)
{
    return reader_of((struct slice){len ? bytes : "", len});
}

/* The next copy's results. false: no more copies. */
static bool next_copy(struct reader *in, struct slice *ret)
{
    uint32_t len;
    *ret = (struct slice){0};
    if (!reader_u32(in, &len))
        return false;
    bool ok = reader_bytes(in, len, &ret->data);
    assert(ok);
    ret->len = len;
    return true;
}

/* ---- the difference ---- */

static void put_copy(struct partitioned_merge *m, struct keyed_entry *e, struct slice results, int64_t weight)
{
    uint32_t row, first = m->s->input->schema.ncols;
    struct batch *b = partitioned_row(m, ordered_packed(m->s->rows, e), weight, &row);
    bool ok = rowpack_get(results, b->cols + first, b->ncols - first, row, OUTCOME_ROWS, b->arena);
    assert(ok);
}

/* Of `of`, the copies whose results `other` does not have at the same place. */
static void put_missing(struct partitioned_merge *m, struct keyed_entry *e, const struct results *of,
                        const struct results *other, int64_t weight)
{
    struct reader mine = reader_of_results(of->bytes, of->len),
                  others = reader_of_results(other->bytes, other->len);
    struct slice results, same;
    while (next_copy(&mine, &results)) {
        bool there = next_copy(&others, &same);
        if (results.len && !(there && slice_equal(results, same)))
            put_copy(m, e, results, weight);
    }
}

static void put_changes(struct partitioned_merge *m, const struct buf *changes, bool emits)
{
    struct change *all = (struct change *)changes->data;
    size_t n = changes->len / sizeof *all;
    assert(!changes->overflow);
    for (size_t i = 0; i < n && emits; i++)
        put_missing(m, all[i].e, &all[i].was, &all[i].is, -1);
    for (size_t i = 0; i < n; i++) {
        if (emits)
            put_missing(m, all[i].e, &all[i].is, &all[i].was, +1);
        heap_free(all[i].was.bytes);
    }
}

/* ---- results that changed ---- */

static void refuse(struct partitioned_merge *m, struct keyed_entry *e, const char *sqlstate)
{
    uint32_t row;
    char rule[16];
    struct batch *b = partitioned_row(m, ordered_packed(m->s->rows, e), +1, &row);
    snprintf(rule, sizeof rule, "error:%s", sqlstate);
    reject_result(m->c->rejections, b, row, m->s->node->schema.names, m->s->op.name, rule, "aggregate out of range");
    outcome_drop(b);
}

static void take_results(struct partitioned_merge *m, struct keyed_entry *e, const struct buf *bytes,
                         struct buf *changes)
{
    struct ordered_row *row = ordered_row_of(e);
    struct results was = {row->results, row->results_len}, is = {NULL, bytes->len};
    if (slice_equal((struct slice){was.bytes, was.len}, buf_slice(bytes)))
        return;
    if (bytes->len)
        is.bytes = heap_dup(bytes->data, bytes->len);
    row->results = is.bytes;
    row->results_len = is.len;
    ordered_charge(m->s->rows, m->shard, (int64_t)is.len - (int64_t)was.len);
    buf_put(changes, &(struct change){e, was, is}, sizeof(struct change));
}

/* Was the n-th copy refused before? */
static bool was_refused(const struct ordered_row *row, uint32_t n)
{
    struct reader in = reader_of_results(row->results, row->results_len);
    struct slice copy;
    while (next_copy(&in, &copy))
        if (n-- == 0)
            return copy.len == 0;
    return false;
}

static void take_all(struct partitioned_merge *m, const struct frames_result *r, bool emits, struct buf *changes)
{
    const struct over *o = (const struct over *)m->s;
    AUTO(buf) bytes = BUF(GIB(1));
    for (uint32_t i = 0, copy = 0; i < r->n; i++, copy++) {
        if (i == 0 || r->entries[i] != r->entries[i - 1]) {
            buf_clear(&bytes);
            copy = 0;
        }
        size_t head = bytes.len;
        buf_put_u32(&bytes, 0);
        if (!r->failed[i])
            rowpack_put(&bytes, r->cols, o->frames.ncalls, i);
        else if (emits && !was_refused(ordered_row_of(r->entries[i]), copy))
            refuse(m, r->entries[i], r->failed[i]);
        assert(!bytes.overflow);
        store_u32(bytes.data + head, (uint32_t)(bytes.len - head - 4));
        if (i + 1 == r->n || r->entries[i + 1] != r->entries[i])
            take_results(m, r->entries[i], &bytes, changes);
    }
}

/* Rows from `from` to `to` can have new results; those that are gone have none. */
static void compute(struct partitioned_merge *m, struct ordered_partition *p, struct ordered_at from,
                    struct ordered_at to, bool emits, struct buf *changes)
{
    struct over *o = (struct over *)m->s;
    struct frames_result r;
    struct buf none = {0};
    struct keyed_entry *e;
    arena_reset(&m->scratch);
    frames_run(&o->frames, p, from, to, &m->scratch, &r);
    for (struct ordered_at at = from; (e = ordered_at(p, at)); ordered_next(p, &at)) {
        if (ordered_row_of(e)->weight <= 0)
            take_results(m, e, &none, changes);
        if (at.chunk == to.chunk && at.index == to.index)
            break;
    }
    take_all(m, &r, emits, changes);
}

static void compute_whole(struct partitioned_merge *m, struct ordered_partition *p, bool emits)
{
    struct buf changes = BUF(GIB(8));
    struct ordered_at first = {0, 0};
    compute(m, p, first, frames_on(p, first, FRAMES_ALL), emits, &changes);
    put_changes(m, &changes, emits);
    buf_release(&changes);
}

/* ---- what can have changed ---- */

static int by_order(const void *a, const void *b, void *rows)
{
    return ordered_compare(rows, *(struct keyed_entry *const *)a, *(struct keyed_entry *const *)b);
}

static bool is_after(struct ordered_at a, struct ordered_at b)
{
    return a.chunk != b.chunk ? a.chunk > b.chunk : a.index > b.index;
}

static struct ordered_at reach_back(const struct over *o, const struct ordered_partition *p, struct ordered_at at)
{
    at = frames_back(p, at, o->frames.back);
    return o->frames.from_first_peer ? frames_first_peer(&o->frames, p, at) : at;
}

static void over_settle(struct partitioned_merge *m, struct ordered_partition *p)
{
    struct over *o = (struct over *)m->s;
    if (m->s->node->final)
        return; /* it is looked at when it is closed */
    if (p->full) { /* recalled */
        p->full = false;
        compute_whole(m, p, true);
        return;
    }
    struct buf changes = BUF(GIB(8));
    qsort_r(p->changed, p->nchanged, sizeof(struct keyed_entry *), by_order, m->s->rows);
    struct ordered_at from, to;
    for (uint32_t i = 0; i < p->nchanged;) {
        struct ordered_at at = ordered_find(m->s->rows, p, p->changed[i]);
        from = reach_back(o, p, at);
        to = frames_on(p, at, o->frames.forward);
        while (++i < p->nchanged) { /* stretches that meet are one */
            at = ordered_find(m->s->rows, p, p->changed[i]);
            if (is_after(reach_back(o, p, at), to))
                break;
            to = o->frames.forward == FRAMES_ALL ? to : frames_on(p, at, o->frames.forward);
        }
        compute(m, p, from, to, true, &changes);
        if (o->frames.forward == FRAMES_ALL)
            break;
    }
    put_changes(m, &changes, true);
    buf_release(&changes);
}

static void over_learn(struct partitioned_merge *m, struct ordered_partition *p)
{
    if (!m->s->node->final)
        compute_whole(m, p, false);
}

static void over_close(struct partitioned_merge *m, struct ordered_partition *p) { compute_whole(m, p, true); }

static void over_recall(struct partitioned *s, struct ordered_partition *p)
{
    struct keyed_entry *e;
    for (struct ordered_at at = {0}; (e = ordered_at(p, at)); ordered_next(p, &at)) {
        struct ordered_row *row = ordered_row_of(e);
        ordered_charge(s->rows, shard_of(p->hash), -(int64_t)row->results_len);
        heap_free(row->results);
        row->results = NULL;
        row->results_len = 0;
    }
    p->full = true;
}

static void forget_prefix(void *arg, void *prefix) { frames_forget(&((struct over *)arg)->frames, prefix); }

struct operator *over_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    static const struct partitioned_does does = {
        .learn = over_learn, .settle = over_settle, .close = over_close, .recall = over_recall};
    struct over *o = mem_zalloc(sizeof *o);
    partitioned_init(&o->s, &does, node, input, node->over.partition, node->over.npartition, nworkers, true,
                     forget_prefix);
    frames_init(&o->frames, &node->over, input, node->schema.types + input->schema.ncols, &o->s.arena);
    o->frames.rows = o->s.rows;
    return &o->s.op;
}
