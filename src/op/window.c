/* Windows: each row once for every tumbling, hopping or cumulating window that holds it, with the window's bounds
 * behind its columns. Row by row and without state: what is kept per window is the next step's. */
#include <stdlib.h>

#include "op/late.h"
#include "op/operators.h"
#include "op/panes.h"
#include "op/repeat.h"

struct window_op {
    struct operator op;
    struct plan_window window;
    const char *const *names; /* of the input's columns */
    struct arena arena;
    const char *null_rule; /* "null:<column>" */
};

/* The bounds of the windows around `us`, at most `room` of them; answers how many there are. */
static uint32_t windows_of(const struct plan_window *w, int64_t us, int64_t *starts, int64_t *ends, uint32_t room)
{
    uint32_t n = 0;
    if (w->kind == WINDOW_CUMULATE) {
        int64_t start = window_align(us, w->size, w->offset);
        for (int64_t end = start + ((us - start) / w->slide + 1) * w->slide; end <= start + w->size; end += w->slide) {
            if (n < room) {
                starts[n] = start;
                ends[n] = end;
            }
            n++;
        }
        return n;
    }
    for (int64_t start = window_align(us, w->slide, w->offset); start > us - w->size; start -= w->slide) {
        if (n < room) {
            starts[n] = start;
            ends[n] = start + w->size;
        }
        n++;
    }
    return n;
}

/* ---- one window, or pane, a row: the columns stay where they are ---- */

static struct batch *widen(struct op_context *c, const struct batch *in, int64_t **ret_starts, int64_t **ret_ends)
{
    struct batch *out = arena_dup(c->arena, in, sizeof *in);
    out->ncols = in->ncols + 2;
    out->cols = arena_array(c->arena, out->ncols, sizeof *out->cols);
    memcpy(out->cols, in->cols, in->ncols * sizeof *in->cols);
    for (uint32_t i = 0; i < 2; i++)
        out->cols[in->ncols + i] = column_make(c->arena, TYPE(TYPE_TIMESTAMPTZ), in->rows, false);
    *ret_starts = out->cols[in->ncols].data;
    *ret_ends = out->cols[in->ncols + 1].data;
    return out;
}

static struct batch *tumble(const struct window_op *op, struct op_context *c, struct batch *in)
{
    int64_t *starts, *ends;
    struct batch *out = widen(c, in, &starts, &ends);
    const int64_t *time = in->cols[op->window.column].data;
    int64_t size = op->window.pane ? op->window.pane : op->window.size;
    for (uint32_t i = 0; i < batch_live(in); i++) {
        uint32_t row = batch_row(in, i);
        starts[row] = window_align(time[row], size, op->window.offset);
        ends[row] = starts[row] + size;
    }
    return out;
}

/* ---- several windows a row ---- */

static uint32_t *assign(const struct window_op *op, struct op_context *c, const struct batch *in, int64_t **ret_starts,
                        int64_t **ret_ends, uint32_t *ret_count)
{
    const int64_t *time = in->cols[op->window.column].data;
    uint32_t total = 0, at = 0;
    for (uint32_t i = 0; i < batch_live(in); i++)
        total += windows_of(&op->window, time[batch_row(in, i)], NULL, NULL, 0);
    uint32_t *rows = arena_array(c->arena, total, sizeof *rows);
    int64_t *starts = arena_array(c->arena, total, sizeof *starts), *ends = arena_array(c->arena, total, sizeof *ends);
    for (uint32_t i = 0; i < batch_live(in); i++) {
        uint32_t row = batch_row(in, i), n = windows_of(&op->window, time[row], starts + at, ends + at, total - at);
        for (uint32_t k = 0; k < n; k++)
            rows[at++] = row;
        c->counts->filtered += n == 0; /* windows further apart than they are long */
    }
    *ret_starts = starts;
    *ret_ends = ends;
    *ret_count = total;
    return rows;
}

static struct batch *expand(const struct window_op *op, struct op_context *c, struct batch *in)
{
    int64_t *starts, *ends;
    uint32_t n, *rows = assign(op, c, in, &starts, &ends, &n);
    struct batch *out = batch_repeat(in, in->ncols, rows, n, 2, c->arena);
    out->cols[in->ncols] = (struct column){.type = TYPE(TYPE_TIMESTAMPTZ), .data = starts};
    out->cols[in->ncols + 1] = (struct column){.type = TYPE(TYPE_TIMESTAMPTZ), .data = ends};
    return out;
}

/* ---- the operator ---- */

static void window_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    const struct window_op *w = (const struct window_op *)op;
    uint64_t left_out = c->counts->error + c->counts->filtered;
    struct batch timed = *in;
    refuse_null(c, op, w->names, &timed, w->window.column, w->null_rule);
    refuse_outside(c, op, w->names, &timed, &w->window);
    bool one = w->window.kind == WINDOW_TUMBLE || w->window.pane;
    struct batch *out = one ? tumble(w, c, &timed) : expand(w, c, &timed);
    c->counts->out += batch_live(out);
    c->counts->in += batch_live(out) + c->counts->error + c->counts->filtered - left_out;
    *ret = batch_live(out) ? out : NULL;
}

static void window_free(struct operator *op)
{
    arena_release(&((struct window_op *)op)->arena);
    free(op);
}

static const struct operator_ops window_ops = {.shape = OP_ROWS, .push = window_push, .free = window_free};

struct operator *window_new(const struct plan_node *node, const struct plan_node *input)
{
    struct window_op *w = mem_zalloc(sizeof *w);
    w->op = (struct operator){&window_ops, node->id, node->name};
    w->window = node->window;
    w->names = input->schema.names;
    w->null_rule = arena_printf(&w->arena, "null:%s", input->schema.names[node->window.column]);
    return &w->op;
}
