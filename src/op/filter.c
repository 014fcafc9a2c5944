/* Filter: keeps the rows whose predicate is true. */
#include <stdio.h>
#include <stdlib.h>

#include "op/operators.h"
#include "op/refuse.h"

struct filter {
    struct operator op;
    struct arena arena;
    const struct program *program;
    struct program_state **states;
    uint32_t nworkers;
    const char *const *names; /* of the input's columns */
};

static void filter_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    struct filter *f = (struct filter *)op;
    uint64_t *keep = arena_array(c->arena, BITMAP_WORDS(in->rows), sizeof *keep);
    struct row_errors errors;
    program_filter(f->program, f->states[c->worker], in, c->now_us, c->arena, keep, &errors);
    uint32_t before = batch_live(in);
    struct batch *out = arena_dup(c->arena, in, sizeof *in);
    batch_filter(out, keep);
    uint64_t refused = refuse_errors(c, in, &errors, op->name, f->names);
    c->counts->in += before;
    c->counts->out += batch_live(out);
    c->counts->error += refused;
    c->counts->filtered += before - batch_live(out) - refused;
    *ret = batch_live(out) ? out : NULL;
}

static void filter_free(struct operator *op)
{
    struct filter *f = (struct filter *)op;
    program_states_free(f->states, f->nworkers);
    arena_release(&f->arena);
    free(f);
}

static const struct operator_ops filter_ops = {.shape = OP_ROWS, .push = filter_push, .free = filter_free};

struct operator *filter_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct filter *f = mem_zalloc(sizeof *f);
    f->op = (struct operator){&filter_ops, node->id, node->name};
    f->program = program_compile(&f->arena, (struct expr *const *)&node->predicate, 1);
    f->nworkers = nworkers;
    f->names = input->schema.names;
    f->states = program_states_new(f->program, nworkers);
    return &f->op;
}
