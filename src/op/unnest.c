/* Unnest: each row once for every element of its arrays, side by side; row by row and without state. A row that is
 * taken back takes back what was made of it. */
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
        uint32_t k = p->number[i];
        if (k <= 1) { /* the first of its row */
            uint32_t row = p->rows[i];
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

static void unnest_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    const struct unnest *u = (const struct unnest *)op;
    uint64_t left_out = c->counts->error + c->counts->filtered;
    struct plan_of_rows p = spread(u, c, in);
    uint32_t more = u->plan.narrays + u->plan.ordinality;
    struct batch *out = batch_repeat(in, u->kept, p.rows, p.n, more, c->arena);
    for (uint32_t i = 0; i < u->plan.narrays; i++)
        out->cols[u->kept + i] = elements(&in->cols[u->kept + i], u->types[u->kept + i], &p, c->arena);
    if (u->plan.ordinality)
        out->cols[u->kept + u->plan.narrays] = ordinality(&p, c->arena);
    c->counts->out += p.n;
    c->counts->in += p.n + c->counts->error + c->counts->filtered - left_out;
    *ret = p.n ? out : NULL;
}

static void unnest_free(struct operator *op) { free(op); }

static const struct operator_ops unnest_ops = {.shape = OP_ROWS, .push = unnest_push, .free = unnest_free};

struct operator *unnest_new(const struct plan_node *node, const struct plan_node *input)
{
    struct unnest *u = mem_zalloc(sizeof *u);
    u->op = (struct operator){&unnest_ops, node->id, node->name};
    u->plan = node->unnest;
    u->kept = input->schema.ncols - node->unnest.narrays;
    u->types = node->schema.types;
    u->names = input->schema.names;
    return &u->op;
}
