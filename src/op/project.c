/* Project: computes columns. A row with an error in any of them is refused. */
#include <stdlib.h>

#include "op/operators.h"
#include "op/refuse.h"

struct project {
    struct operator op;
    struct arena arena;
    const struct program *program;
    struct program_state **states;
    uint32_t nworkers, ncols;
    const char *const *names; /* of the input's columns */
};

static void project_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                         void **unused)
{
    (void)unused;
    struct project *p = (struct project *)op;
    struct batch *out = arena_dup(c->arena, in, sizeof *in);
    out->ncols = p->ncols;
    out->cols = arena_array(c->arena, p->ncols, sizeof *out->cols);
    struct row_errors errors;
    program_run(p->program, p->states[c->worker], in, c->now_us, c->arena, out->cols, &errors);
    c->counts->in += batch_live(in);
    c->counts->error += refuse_failed(c, in, &errors, op->name, p->names, out);
    c->counts->out += batch_live(out);
    *ret = batch_live(out) ? out : NULL;
}

static void project_free(struct operator *op)
{
    struct project *p = (struct project *)op;
    program_states_free(p->states, p->nworkers);
    arena_release(&p->arena);
    free(p);
}

static const struct operator_ops project_ops = {.shape = OP_ROWS, .push = project_push, .free = project_free};

struct operator *project_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct project *p = mem_zalloc(sizeof *p);
    p->op = (struct operator){&project_ops, node->id, node->name};
    p->ncols = node->schema.ncols;
    p->program = program_compile(&p->arena, node->exprs, p->ncols);
    p->nworkers = nworkers;
    p->names = input->schema.names;
    p->states = program_states_new(p->program, nworkers);
    return &p->op;
}
