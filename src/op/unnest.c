/* Unnest: each row once for every element of its arrays, side by side; row by row and without state. A row that is
 * taken back takes back what was made of it. With a predicate only those count for which it is true, and a row that has
 * none of them comes once with NULL. */
#include <stdlib.h>

#include "column/array.h"
#include "op/operators.h"
#include "op/refuse.h"
#include "op/repeat.h"

enum { MOST_ELEMENTS = 1000000 }; /* of one row: a batch of BATCH_ROWS such rows still counts in 32 bits */
static_assert((uint64_t)MOST_ELEMENTS * BATCH_ROWS < UINT32_MAX);

struct unnest {
    struct operator op;
    struct plan_unnest plan;
    uint32_t kept; /* columns of the input that are the output's */
    const struct type *types; /* of the output */
    const char *const *names; /* of the input's columns */
    struct arena arena;
    const struct program *predicate; /* over the output; NULL: none */
    const char *const *made;         /* names of the output's columns */
    struct program_state **states;   /* of each worker */
    uint32_t nworkers;
};

/* How many rows one becomes; 0: none, or one without elements. */
static uint32_t longest(const struct unnest *u, const struct batch *in, uint32_t row)
{
    uint32_t n = 0;
    for (uint32_t i = u->kept; i < in->ncols; i++)
        if (!column_is_null(&in->cols[i], row))
            n = MAX(n, array_count(view_slice(column_view(&in->cols[i], row))));
    return n;
}

/* What becomes of the live rows of a batch. */
struct plan_of_rows {
    uint32_t *rows;   /* the input's row, per row that comes out */
    uint32_t *number; /* of the element, from 1; 0: there is none */
    uint32_t n;
};

static uint32_t *count_elements(const struct unnest *u, struct op_context *c, const struct batch *in)
{
    static const char limit[] = "unnest() would make more than 1000000 rows of one";
    uint32_t *counts = arena_array(c->arena, batch_live(in), sizeof *counts);
    for (uint32_t i = 0; i < batch_live(in); i++) {
        counts[i] = longest(u, in, batch_row(in, i));
        if (counts[i] <= MOST_ELEMENTS)
            continue;
        const struct row_error error = {.row = batch_row(in, i), .sqlstate = "54000", .text = limit};
        c->counts->error += refuse_errors(c, in, &(struct row_errors){1, &error}, u->op.name, u->names);
        counts[i] = UINT32_MAX;
    }
    return counts;
}

static struct plan_of_rows spread(const struct unnest *u, struct op_context *c, const struct batch *in)
{
    uint32_t *counts = count_elements(u, c, in), total = 0;
    for (uint32_t i = 0; i < batch_live(in); i++)
        total += counts[i] == UINT32_MAX ? 0 : MAX(counts[i], (uint32_t)u->plan.outer);
    struct plan_of_rows p = {.rows = arena_array(c->arena, total, sizeof *p.rows),
                             .number = arena_array(c->arena, total, sizeof *p.number)};
    for (uint32_t i = 0; i < batch_live(in); i++) {
        uint32_t rows = counts[i] == UINT32_MAX ? 0 : MAX(counts[i], (uint32_t)u->plan.outer);
        c->counts->filtered += rows == 0 && counts[i] == 0;
        for (uint32_t k = 0; k < rows; k++) {
            p.rows[p.n] = batch_row(in, i);
            p.number[p.n++] = counts[i] ? k + 1 : 0;
        }
    }
    return p;
}

/* The elements of one array, side by side with those of the others. */
static struct column elements(const struct column *arrays, struct type type, const struct plan_of_rows *p,
                              struct arena *a)
{
    struct column out = column_make(a, type, p->n, true), of = {0};
    size_t width = type_width(type);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t k = p->number[i], row = p->rows[i];
        if (i == 0 || row != p->rows[i - 1]) {
            struct slice none = {0}, bytes = column_is_null(arrays, row) ? none : view_slice(column_view(arrays, row));
            of = array_open(bytes, arrays->type, a, &n);
        }
        if (k == 0 || k > n || column_is_null(&of, k - 1))
            continue;
        memcpy((char *)out.data + width * i, (const char *)of.data + width * (k - 1), width);
        bit_set(out.valid, i);
    }
    return out;
}

static struct column ordinality(const struct plan_of_rows *p, struct arena *a)
{
    struct column out = column_make(a, TYPE(TYPE_INT8), p->n, true);
    for (uint32_t i = 0; i < p->n; i++) {
        ((int64_t *)out.data)[i] = p->number[i];
        if (p->number[i])
            bit_set(out.valid, i);
    }
    return out;
}

static struct batch *make_rows(const struct unnest *u, const struct batch *in, const struct plan_of_rows *p,
                               struct arena *a)
{
    uint32_t more = u->plan.narrays + u->plan.ordinality;
    struct batch *out = batch_repeat(in, u->kept, p->rows, p->n, more, a);
    for (uint32_t i = 0; i < u->plan.narrays; i++)
        out->cols[u->kept + i] = elements(&in->cols[u->kept + i], u->types[u->kept + i], p, a);
    if (u->plan.ordinality)
        out->cols[u->kept + u->plan.narrays] = ordinality(p, a);
    return out;
}

/* Those that were made of an element: the predicate is not asked about the others. */
static void only_elements(const struct plan_of_rows *p, struct batch *all, struct arena *a)
{
    uint32_t *sel = arena_array(a, p->n, sizeof *sel);
    all->live = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->number[i])
            sel[all->live++] = i;
    all->sel = sel;
}

/* Of the rows made of one those that count, else one with NULL; none where the predicate failed on some of them. */
static struct plan_of_rows choose(const struct unnest *u, struct op_context *c, const struct plan_of_rows *p,
                                  struct batch *all)
{
    uint64_t *keep = arena_array(c->arena, BITMAP_WORDS(p->n), sizeof *keep);
    struct row_errors errors;
    only_elements(p, all, c->arena);
    struct plan_of_rows q = {.rows = arena_array(c->arena, p->n, sizeof *q.rows),
                             .number = arena_array(c->arena, p->n, sizeof *q.number)};
    program_filter(u->predicate, u->states[c->worker], all, c->now_us, c->arena, keep, &errors);
    uint64_t failed = refuse_errors(c, all, &errors, u->op.name, u->made);
    c->counts->error += failed;
    for (uint32_t i = 0, from, e = 0; i < p->n;) {
        bool some = false;
        for (from = i; i < p->n && p->rows[i] == p->rows[from]; i++) {
            for (; e < errors.count && errors.items[e].row <= i; e++)
                some = true;
            bool nothing = p->number[i] == 0;
            if (nothing || !bit_get(keep, i)) {
                c->counts->filtered += !nothing;
                continue;
            }
            q.rows[q.n] = p->rows[i];
            q.number[q.n++] = p->number[i];
            some = true;
        }
        if (some)
            continue;
        q.rows[q.n] = p->rows[from];
        q.number[q.n++] = 0;
    }
    c->counts->filtered -= failed;
    return q;
}

static void unnest_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    const struct unnest *u = (const struct unnest *)op;
    uint64_t left_out = c->counts->error + c->counts->filtered;
    struct plan_of_rows p = spread(u, c, in);
    struct batch *out = make_rows(u, in, &p, c->arena);
    if (u->predicate) {
        p = choose(u, c, &p, out);
        out = make_rows(u, in, &p, c->arena);
    }
    c->counts->out += p.n;
    c->counts->in += p.n + c->counts->error + c->counts->filtered - left_out;
    *ret = p.n ? out : NULL;
}

static void unnest_free(struct operator *op)
{
    struct unnest *u = (struct unnest *)op;
    program_states_free(u->states, u->nworkers);
    arena_release(&u->arena);
    free(u);
}

static const struct operator_ops unnest_ops = {.shape = OP_ROWS, .push = unnest_push, .free = unnest_free};

struct operator *unnest_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct unnest *u = mem_zalloc(sizeof *u);
    u->op = (struct operator){&unnest_ops, node->id, node->name};
    u->plan = node->unnest;
    u->kept = input->schema.ncols - node->unnest.narrays;
    u->types = node->schema.types;
    u->names = input->schema.names;
    u->made = node->schema.names;
    if (!node->predicate)
        return &u->op;
    u->predicate = program_compile(&u->arena, (struct expr *const *)&node->predicate, 1);
    u->nworkers = nworkers;
    u->states = program_states_new(u->predicate, nworkers);
    return &u->op;
}
