/* Unique: a key's row, where it has one alone (semantics 15). When a second one comes, what had come out is taken back
 * and the key is reported, once; when all but one have left, that one comes out again. A row that is there twice is
 * two.
 *
 * Of rows that are never taken back two of a key are kept: it has none alone any more, whatever comes.
 */
#include "column/rowpack.h"
#include "op/operators.h"
#include "op/partitioned.h"
#include "op/reject.h"

enum { ENOUGH = 2 };

struct unique {
    struct partitioned s;
    bool append; /* no row is ever taken back */
};

struct found {
    struct keyed_entry *was, *only; /* the row that is out; the first one */
    struct keyed_entry *second;     /* the same if the first is there twice */
    int64_t rows;                   /* ENOUGH: that many or more */
};

/* Until nothing more can be learned: an epoch's new rows are met, and of the others two. */
static struct found look(const struct ordered_partition *p)
{
    struct found f = {0};
    struct keyed_entry *e;
    for (struct ordered_at at = {0}; (e = ordered_at(p, at)); ordered_next(p, &at)) {
        const struct ordered_row *row = ordered_row_of(e);
        if (row->count)
            f.was = e;
        if (row->weight > 0) {
            if (!f.only)
                f.only = e;
            if (!f.second && f.rows + row->weight >= ENOUGH)
                f.second = e;
            f.rows = MIN(f.rows + MIN(row->weight, ENOUGH), ENOUGH);
        }
        if (f.rows == ENOUGH && (f.was || p->out == 0))
            break;
    }
    return f;
}

/* What is behind the first two of rows that stay. */
static void forget_others(struct unique *u, struct ordered_partition *p)
{
    struct keyed_entry *e;
    int64_t rows = 0;
    for (struct ordered_at at = {0}; (e = ordered_at(p, at)); ordered_next(p, &at)) {
        int64_t keep = MIN(ordered_row_of(e)->weight, ENOUGH - rows);
        if (ordered_row_of(e)->weight != keep)
            ordered_weigh(u->s.rows, p, e, keep);
        rows += keep;
    }
}

/* Which of the rows is told of: one that was not in the table. */
static void report(struct partitioned_merge *m, const struct found *f)
{
    const struct partitioned *s = m->s;
    struct keyed_entry *e = f->second == f->was && f->only != f->was ? f->only : f->second;
    struct batch *b = batch_make(&m->scratch, s->input->schema.types, s->input->schema.ncols, 1);
    b->rows = b->live = 1;
    bool ok = rowpack_get(ordered_packed(s->rows, e), b->cols, b->ncols, 0, 1, &m->scratch);
    assert(ok); /* this process packed it, or a checksum covered it */
    AUTO(buf) text = BUF(KIB(64));
    buf_puts(&text, "more than one row has this one's key (");
    for (uint32_t i = 0; i < s->npartition; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", s->input->schema.names[s->partition[i]]);
    buf_puts(&text, "); none of them is in the table until one is left");
    reject_result(m->c->rejections, b, 0, s->input->schema.names, s->node->name, "error:23505", buf_cstr(&text));
    /* One of the rows that this epoch put in order, by whichever worker, is that error. */
    m->c->counts->out--;
    m->c->counts->error++;
}

static void hand_out(struct partitioned_merge *m, struct keyed_entry *e, int64_t weight)
{
    uint32_t row;
    partitioned_row(m, ordered_packed(m->s->rows, e), weight, &row);
    ordered_row_of(e)->count = weight > 0;
}

static void unique_learn(struct partitioned_merge *m, struct ordered_partition *p)
{
    (void)m;
    struct found f = look(p);
    p->full = f.rows == ENOUGH;
    p->out = f.rows == 1;
    if (p->out)
        ordered_row_of(f.only)->count = 1;
}

static void unique_settle(struct partitioned_merge *m, struct ordered_partition *p)
{
    struct unique *u = (struct unique *)m->s;
    struct found f = look(p);
    struct keyed_entry *is = f.rows == 1 ? f.only : NULL;
    if (f.was && f.was != is)
        hand_out(m, f.was, -1);
    if (is && is != f.was)
        hand_out(m, is, +1);
    if (f.rows == ENOUGH && !p->full)
        report(m, &f);
    if (f.rows == ENOUGH && u->append)
        forget_others(u, p);
    p->full = f.rows == ENOUGH;
    p->out = is != NULL;
}

/* What is known to be reported stays so. */
static void unique_recall(struct partitioned *s, struct ordered_partition *p)
{
    (void)s;
    struct found f = look(p);
    if (f.was)
        ordered_row_of(f.was)->count = 0;
    p->full = f.rows == ENOUGH;
    p->out = 0;
}

static bool unique_wanted(const struct partitioned *s, const struct ordered_partition *p, struct slice row)
{
    (void)row;
    return !((const struct unique *)s)->append || !p->full;
}

struct operator *unique_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    static const struct partitioned_does does = {.learn = unique_learn, .wanted = unique_wanted,
                                                 .settle = unique_settle, .recall = unique_recall};
    struct unique *u = mem_zalloc(sizeof *u);
    u->append = input->mode != MODE_UPDATING;
    partitioned_init(&u->s, &does, node, input, node->unique.columns, node->unique.n, nworkers, false, NULL);
    return &u->s.op;
}
