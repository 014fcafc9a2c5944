/* Top-N: the rows whose row_number, rank or dense_rank within their partition is at most N, with that rank, kept up to
 * date. What comes out in an epoch is the difference between the old first rows and the new ones, what leaves ahead of
 * what comes.
 *
 * Of rows that are never taken back only those are kept that are among the first: none of the others can come up again.
 * Where rows may be taken back all are kept.
 */
#include <stdlib.h>

#include "op/leaders.h"
#include "op/operators.h"
#include "op/partitioned.h"

/* What a worker tells of rows ahead. Where the first row is the latest, as where the last one of each key is wanted,
 * it tells of most in a batch by going through it from behind; elsewhere from the front. It tries both, then goes on in
 * the better way for a while, or looks at none where either told of few. */
struct hope {
    struct leaders *leaders;
    enum partitioned_way way;
    enum { TRY_FORWARD, TRY_BACKWARD, SETTLED, STAGES } stage;
    uint32_t left;                           /* rows of this stage */
    uint32_t told[PARTITIONED_BACKWARD + 1]; /* by way, when it was tried */
};

enum { TRIES = 4096, WORTH = TRIES / 16, SETTLES = 64 * TRIES };

struct topn {
    struct partitioned s;
    enum over_kind kind;
    int64_t limit;
    bool append; /* no row is ever taken back */
    struct hope *hopes; /* per worker; NULL: nothing is told ahead */
};

/* Where a walk along a partition is. */
struct walk {
    int64_t rows, groups; /* before the next row: how many, and how many sort keys they have */
    int64_t rank;         /* of the last one */
    struct slice sort_key;
};

struct standing {
    int64_t rank, count; /* so many copies of the row are out: row_number counts on from `rank` */
};

static struct standing place_row(const struct topn *t, struct walk *w, struct keyed_entry *e)
{
    int64_t weight = ordered_row_of(e)->weight;
    if (weight <= 0)
        return (struct standing){0, 0};
    struct slice sort_key = ordered_sort_key(t->s.rows, e);
    bool fresh = w->rows == 0 || !slice_equal(sort_key, w->sort_key);
    w->groups += fresh;
    if (t->kind == OVER_DENSE_RANK)
        w->rank = w->groups;
    else if (fresh || t->kind == OVER_ROW_NUMBER)
        w->rank = w->rows + 1;
    int64_t most = t->kind == OVER_ROW_NUMBER ? MIN(weight, t->limit - w->rows) : weight;
    w->rows += weight;
    w->sort_key = sort_key;
    return (struct standing){w->rank, w->rank <= t->limit ? most : 0};
}

static bool is_full(const struct topn *t, const struct walk *w)
{
    return (t->kind == OVER_DENSE_RANK ? w->groups : w->rows) >= t->limit;
}

/* ---- the difference ---- */

struct change {
    struct keyed_entry *e;
    struct standing was, is;
};

static void put_rows(struct partitioned_merge *m, struct keyed_entry *e, int64_t rank, int64_t weight)
{
    uint32_t row;
    struct batch *b = partitioned_row(m, ordered_packed(m->s->rows, e), weight, &row);
    struct column *col = &b->cols[m->s->node->schema.ncols - 1];
    ((int64_t *)col->data)[row] = rank;
    bit_set(col->valid, row);
}

/* The copies of `a` that are not in `b`. */
static void put_missing(struct partitioned_merge *m, struct keyed_entry *e, struct standing a, struct standing b,
                        int sign)
{
    const struct topn *t = (const struct topn *)m->s;
    if (t->kind != OVER_ROW_NUMBER) {
        int64_t same = a.rank == b.rank ? MIN(a.count, b.count) : 0;
        if (a.count > same)
            put_rows(m, e, a.rank, sign * (a.count - same));
        return;
    }
    for (int64_t rank = a.rank; rank < a.rank + a.count; rank++)
        if (rank < b.rank || rank >= b.rank + b.count)
            put_rows(m, e, rank, sign);
}

static void put_changes(struct partitioned_merge *m, const struct change *changes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        put_missing(m, changes[i].e, changes[i].was, changes[i].is, -1);
    for (uint32_t i = 0; i < n; i++)
        put_missing(m, changes[i].e, changes[i].is, changes[i].was, +1);
}

/* Along the partition, until no row that is or was among the first is left. Every row learns where it stands. */
static void stand(struct partitioned_merge *m, struct ordered_partition *p, bool emits)
{
    struct topn *t = (struct topn *)m->s;
    struct walk w = {0};
    struct keyed_entry *e;
    int64_t left = p->out;
    buf_clear(&m->changes);
    p->out = 0;
    for (struct ordered_at at = {0}; (e = ordered_at(p, at)); ordered_next(p, &at)) {
        struct ordered_row *row = ordered_row_of(e);
        struct standing was = {row->rank, row->count}, is = place_row(t, &w, e);
        left -= was.count > 0;
        p->out += is.count > 0;
        row->rank = is.rank;
        row->count = is.count;
        if (was.count != is.count || (is.count && was.rank != is.rank))
            buf_put(&m->changes, &(struct change){e, was, is}, sizeof(struct change));
        if (t->append && row->weight != is.count)
            ordered_weigh(t->s.rows, p, e, is.count);
        else if (!t->append && is.count == 0 && row->weight > 0 && left == 0)
            break;
    }
    p->full = is_full(t, &w);
    assert(!m->changes.overflow);
    if (emits)
        put_changes(m, (const struct change *)m->changes.data, (uint32_t)(m->changes.len / sizeof(struct change)));
}

static void topn_learn(struct partitioned_merge *m, struct ordered_partition *p) { stand(m, p, false); }

static void topn_settle(struct partitioned_merge *m, struct ordered_partition *p)
{
    const struct topn *t = (const struct topn *)m->s;
    if (!m->s->node->final || t->append) /* what is final is looked at in the end, but what cannot stay goes now */
        stand(m, p, !m->s->node->final);
}

static void topn_recall(struct partitioned *s, struct ordered_partition *p)
{
    (void)s;
    struct keyed_entry *e;
    for (struct ordered_at at = {0}; (e = ordered_at(p, at)); ordered_next(p, &at))
        ordered_row_of(e)->count = 0;
    p->out = 0;
}

static void topn_close(struct partitioned_merge *m, struct ordered_partition *p)
{
    topn_recall(m->s, p);
    stand(m, p, true);
}

/* Behind the last of N rows that are never taken back, no row is among the first. */
static bool topn_wanted(const struct partitioned *s, const struct ordered_partition *p, struct slice row)
{
    const struct topn *t = (const struct topn *)s;
    struct keyed_entry *last = t->append && p->full ? ordered_last(p) : NULL;
    if (!last)
        return true;
    return (t->kind == OVER_ROW_NUMBER
                ? slice_compare(ordered_row_order(row), ordered_order(s->rows, last))
                : slice_compare(ordered_row_sort_key(row), ordered_sort_key(s->rows, last))) <= 0;
}

static enum partitioned_way better_way(const struct hope *h)
{
    uint32_t forward = h->told[PARTITIONED_FORWARD], backward = h->told[PARTITIONED_BACKWARD];
    if (MAX(forward, backward) < WORTH)
        return PARTITIONED_BLIND;
    return backward > forward ? PARTITIONED_BACKWARD : PARTITIONED_FORWARD;
}

static enum partitioned_way topn_way(struct partitioned *s, uint32_t worker, uint32_t rows)
{
    struct topn *t = (struct topn *)s;
    struct hope *h = t->hopes ? &t->hopes[worker] : NULL;
    if (!h)
        return PARTITIONED_BLIND;
    if (h->left == 0) {
        h->stage = (h->stage + 1) % STAGES;
        h->way = h->stage == SETTLED       ? better_way(h)
                 : h->stage == TRY_FORWARD ? PARTITIONED_FORWARD
                                           : PARTITIONED_BACKWARD;
        h->left = h->stage == SETTLED ? SETTLES : TRIES;
        h->told[h->way] = 0;
    }
    h->left -= MIN(rows, h->left);
    return h->way;
}

static bool tell(struct hope *h, bool behind)
{
    h->told[h->way] += behind;
    return behind;
}

static bool topn_hopeless(struct partitioned *s, struct op_context *c, uint64_t hash, struct slice partition,
                          struct slice sort_key)
{
    struct hope *h = &((struct topn *)s)->hopes[c->worker];
    return tell(h, leaders_behind(h->leaders, c->epoch, hash, partition, sort_key));
}

static bool topn_behind(struct partitioned *s, struct op_context *c, const struct ordered_partition *p,
                        struct slice sort_key)
{
    struct hope *h = &((struct topn *)s)->hopes[c->worker];
    struct keyed_entry *last = p->full ? ordered_last(p) : NULL;
    return tell(h, last && slice_compare(sort_key, ordered_sort_key(s->rows, last)) > 0);
}

static void topn_release(struct partitioned *s)
{
    struct topn *t = (struct topn *)s;
    for (uint32_t w = 0; t->hopes && w < s->nworkers; w++)
        leaders_free(t->hopes[w].leaders);
    free(t->hopes);
}

struct operator *topn_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    static const struct partitioned_does does = {.learn = topn_learn, .wanted = topn_wanted, .settle = topn_settle,
                                                 .close = topn_close, .recall = topn_recall,
                                                 .way = topn_way, .hopeless = topn_hopeless,
                                                 .behind = topn_behind, .release = topn_release};
    struct topn *t = mem_zalloc(sizeof *t);
    t->kind = node->topn.kind;
    t->limit = node->topn.limit;
    t->append = input->mode != MODE_UPDATING;
    partitioned_init(&t->s, &does, node, input, node->topn.partition, node->topn.npartition, nworkers, false, NULL);
    if (t->append && t->kind != OVER_DENSE_RANK && t->limit <= LEADERS_MOST) {
        t->hopes = mem_zalloc(nworkers * sizeof *t->hopes);
        for (uint32_t w = 0; w < nworkers; w++)
            t->hopes[w] = (struct hope){.leaders = leaders_new((uint32_t)t->limit), .stage = SETTLED};
    }
    return &t->s.op;
}
