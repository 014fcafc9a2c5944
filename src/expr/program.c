#include "expr/program.h"

#include <stdlib.h>

#include "expr/function.h"

/* Registers are numbered: first the input columns and constants the program reads, then one per step. A step's
 * elements lie in a scratch buffer (slot) that is given on after its last reader; those of a root lie in the arena of
 * the run, because they outlive it.
 */
enum source { FROM_COLUMN, FROM_CONST, FROM_STEP };

struct reg {
    enum source from;
    const struct expr *expr; /* what it computes; NULL: an inner link of AND, OR, CASE, COALESCE */
    struct type type;
    uint32_t slot;      /* FROM_STEP, unless root */
    uint32_t last_read; /* index of the last step that reads it */
    bool root;
};

struct step {
    const struct function *function;
    const void *extra;
    uint32_t out, nargs;
    uint32_t *args; /* registers */
};

struct program {
    struct reg *regs;
    struct step *steps;
    uint32_t *roots; /* registers */
    uint32_t nregs, nsteps, nroots, nslots;
    /* while compiling */
    struct arena *arena;
    uint32_t regs_cap, steps_cap;
};

struct program_state {
    uint32_t rows;       /* capacity of the buffers */
    uint32_t nslots;
    char **slots;
    struct lanes *regs;
    struct lanes *args;  /* of the step being run */
    uint64_t *none;      /* the validity of a NULL constant: all 0 */
    uint64_t *live;
};

/* ---- compiling ---- */

static uint32_t add_reg(struct program *p, struct reg r)
{
    p->regs = arena_grow(p->arena, p->regs, p->nregs, &p->regs_cap, sizeof *p->regs);
    p->regs[p->nregs] = r;
    return p->nregs++;
}

static uint32_t add_step(struct program *p, const struct function *f, const void *extra, const struct expr *e,
                         struct type type, const uint32_t *args, uint32_t nargs)
{
    p->steps = arena_grow(p->arena, p->steps, p->nsteps, &p->steps_cap, sizeof *p->steps);
    uint32_t out = add_reg(p, (struct reg){.from = FROM_STEP, .expr = e, .type = type});
    p->steps[p->nsteps++] = (struct step){.function = f, .extra = extra, .out = out, .nargs = nargs,
                                          .args = arena_dup(p->arena, args, nargs * sizeof *args)};
    return out;
}

static uint32_t compile(struct program *p, const struct expr *e);

/* a AND b AND c as (a AND b) AND c: the left error is seen first, as PostgreSQL sees it. */
static uint32_t compile_chain(struct program *p, const struct expr *e, const struct function *f)
{
    uint32_t pair[2] = {compile(p, e->args[0]), 0};
    for (uint32_t i = 1; i < e->nargs; i++) {
        pair[1] = compile(p, e->args[i]);
        pair[0] = add_step(p, f, NULL, i + 1 == e->nargs ? e : NULL, e->type, pair, 2);
    }
    return pair[0];
}

/* From the last branch backwards: select(condition, value, what is left). */
static uint32_t compile_case(struct program *p, const struct expr *e)
{
    uint32_t args[3] = {0, 0, compile(p, e->args[e->nargs - 1])};
    for (uint32_t i = e->nargs - 1; i >= 2; i -= 2) {
        args[0] = compile(p, e->args[i - 2]);
        args[1] = compile(p, e->args[i - 1]);
        args[2] = add_step(p, &step_select, NULL, i == 2 ? e : NULL, e->type, args, 3);
    }
    return args[2];
}

static uint32_t compile_call(struct program *p, const struct expr *e)
{
    /* The constants of IN were prepared when it was bound: there may be thousands. */
    uint32_t nargs = e->function == &step_in ? 1 : e->nargs;
    uint32_t few[8], *args = nargs <= ARRAY_LEN(few) ? few : arena_array(p->arena, nargs, sizeof *args);
    for (uint32_t i = 0; i < nargs; i++)
        args[i] = compile(p, e->args[i]);
    return add_step(p, e->function, e->extra, e, e->type, args, nargs);
}

static uint32_t compile(struct program *p, const struct expr *e)
{
    for (uint32_t i = 0; i < p->nregs; i++)
        if (p->regs[i].expr && (p->regs[i].expr == e || expr_equal(p->regs[i].expr, e)))
            return i;
    uint32_t arg;
    switch (e->kind) {
    case EXPR_CONST: return add_reg(p, (struct reg){.from = FROM_CONST, .expr = e, .type = e->type});
    case EXPR_COLUMN: return add_reg(p, (struct reg){.from = FROM_COLUMN, .expr = e, .type = e->type});
    case EXPR_AND: return compile_chain(p, e, &step_and);
    case EXPR_OR: return compile_chain(p, e, &step_or);
    case EXPR_COALESCE: return compile_chain(p, e, &step_coalesce);
    case EXPR_CASE: return compile_case(p, e);
    case EXPR_IS_NULL:
        arg = compile(p, e->args[0]);
        return add_step(p, &step_is_null, NULL, e, e->type, &arg, 1);
    case EXPR_NOT: {
        bool is_null = e->args[0]->kind == EXPR_IS_NULL;
        arg = compile(p, is_null ? e->args[0]->args[0] : e->args[0]);
        return add_step(p, is_null ? &step_is_not_null : &step_not, NULL, e, e->type, &arg, 1);
    }
    case EXPR_CALL: return compile_call(p, e);
    }
    assert(!"unknown kind of expression");
}

/* A step's buffer is taken from those whose readers have all run. */
static void assign_slots(struct program *p)
{
    for (uint32_t s = 0; s < p->nsteps; s++) {
        p->regs[p->steps[s].out].last_read = s;
        for (uint32_t i = 0; i < p->steps[s].nargs; i++)
            p->regs[p->steps[s].args[i]].last_read = s;
    }
    uint32_t *busy_until = arena_array(p->arena, p->nsteps + 1, sizeof *busy_until);
    for (uint32_t s = 0; s < p->nsteps; s++) {
        struct reg *out = &p->regs[p->steps[s].out];
        if (out->root)
            continue;
        uint32_t slot = 0;
        while (slot < p->nslots && busy_until[slot] >= s)
            slot++;
        out->slot = slot;
        busy_until[slot] = out->last_read;
        p->nslots = MAX(p->nslots, slot + 1);
    }
}

struct program *program_compile(struct arena *a, struct expr *const *roots, uint32_t nroots)
{
    struct program *p = arena_zalloc(a, sizeof *p);
    p->arena = a;
    p->nroots = nroots;
    p->roots = arena_array(a, nroots, sizeof *p->roots);
    for (uint32_t i = 0; i < nroots; i++) {
        p->roots[i] = compile(p, roots[i]);
        p->regs[p->roots[i]].root = true;
    }
    assign_slots(p);
    p->arena = NULL; /* from here on the program is read-only */
    return p;
}

/* ---- running ---- */

enum { WIDEST_ELEMENT = 16 };

static void reserve_rows(struct program_state *s, uint32_t rows)
{
    if (rows <= s->rows)
        return;
    for (uint32_t i = 0; i < s->nslots; i++) {
        free(s->slots[i]);
        s->slots[i] = mem_zalloc((size_t)rows * WIDEST_ELEMENT);
    }
    free(s->none);
    free(s->live);
    s->none = mem_zalloc(BITMAP_WORDS(rows) * sizeof *s->none);
    s->live = mem_zalloc(BITMAP_WORDS(rows) * sizeof *s->live);
    s->rows = rows;
}

struct program_state *program_state_new(const struct program *p)
{
    struct program_state *s = mem_zalloc(sizeof *s);
    uint32_t most_args = 1;
    for (uint32_t i = 0; i < p->nsteps; i++)
        most_args = MAX(most_args, p->steps[i].nargs);
    s->nslots = p->nslots;
    s->slots = mem_zalloc((p->nslots + 1) * sizeof *s->slots);
    s->regs = mem_zalloc((p->nregs + 1) * sizeof *s->regs);
    s->args = mem_zalloc(most_args * sizeof *s->args);
    reserve_rows(s, BATCH_ROWS);
    return s;
}

void program_state_free(struct program_state *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->nslots; i++)
        free(s->slots[i]);
    free(s->slots);
    free(s->regs);
    free(s->args);
    free(s->none);
    free(s->live);
    free(s);
}

struct program_state **program_states_new(const struct program *p, uint32_t nworkers)
{
    struct program_state **states = mem_array(nworkers, sizeof *states);
    for (uint32_t w = 0; w < nworkers; w++)
        states[w] = program_state_new(p);
    return states;
}

void program_states_free(struct program_state **states, uint32_t nworkers)
{
    for (uint32_t w = 0; states && w < nworkers; w++)
        program_state_free(states[w]);
    free(states);
}

static const uint64_t *live_rows(struct program_state *s, const struct batch *in)
{
    if (!in->sel)
        return NULL;
    memset(s->live, 0, BITMAP_WORDS(in->rows) * sizeof *s->live);
    for (uint32_t i = 0; i < in->live; i++)
        bit_set(s->live, in->sel[i]);
    return s->live;
}

static void load_inputs(const struct program *p, struct program_state *s, const struct batch *in)
{
    for (uint32_t i = 0; i < p->nregs; i++) {
        const struct reg *r = &p->regs[i];
        if (r->from == FROM_COLUMN) {
            assert(r->expr->column < in->ncols);
            s->regs[i] = (struct lanes){.col = in->cols[r->expr->column], .mask = UINT32_MAX};
            s->regs[i].col.type = r->type;
        } else if (r->from == FROM_CONST) {
            s->regs[i] = (struct lanes){.col = r->expr->value, .mask = 0};
            s->regs[i].col.valid = expr_is_null_const(r->expr) ? s->none : NULL;
        }
    }
}

/* Run all steps; returns the live bitmap (NULL: all). */
static const uint64_t *run_steps(const struct program *p, struct program_state *s, const struct batch *in,
                                 int64_t now_us, struct arena *out)
{
    reserve_rows(s, in->rows);
    load_inputs(p, s, in);
    const uint64_t *live = live_rows(s, in);
    for (uint32_t i = 0; i < p->nsteps; i++) {
        const struct step *step = &p->steps[i];
        const struct reg *r = &p->regs[step->out];
        for (uint32_t k = 0; k < step->nargs; k++)
            s->args[k] = s->regs[step->args[k]];
        struct lanes *result = &s->regs[step->out];
        *result = (struct lanes){.col.type = r->type};
        result->col.data = r->root ? arena_alloc(out, in->rows * type_width(r->type)) : s->slots[r->slot];
        struct call c = {.function = step->function, .extra = step->extra, .args = s->args, .nargs = step->nargs,
                         .rows = in->rows, .live = live, .out = result, .arena = out, .now_us = now_us};
        function_run(&c);
    }
    return live;
}

static void collect_errors(const struct program *p, const struct program_state *s, uint32_t rows,
                           const uint64_t *live, struct arena *out, struct row_errors *ret)
{
    *ret = (struct row_errors){0};
    size_t words = BITMAP_WORDS(rows);
    uint64_t *any = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->nroots; i++) {
        const struct lanes *l = &s->regs[p->roots[i]];
        if (!l->bad)
            continue;
        if (!any)
            any = arena_zarray(out, words, sizeof *any);
        for (size_t w = 0; w < words; w++) {
            uint64_t bits = l->bad[w] & (live ? live[w] : ~UINT64_C(0));
            any[w] |= bits;
            count += (uint32_t)__builtin_popcountll(bits);
        }
    }
    if (!count)
        return;
    struct row_error *items = arena_zarray(out, count, sizeof *items);
    uint32_t n = 0;
    for (uint32_t r = 0; r < rows; r++) {
        if (!bit_get(any, r))
            continue;
        for (uint32_t i = 0; i < p->nroots; i++) {
            const struct lanes *l = &s->regs[p->roots[i]];
            if (!lane_is_bad(l, r))
                continue;
            items[n] = (struct row_error){.row = r, .root = i, .text = l->why[r]->text};
            memcpy(items[n++].sqlstate, l->why[r]->sqlstate, sizeof l->why[r]->sqlstate);
        }
    }
    *ret = (struct row_errors){count, items};
}

/* A constant root, once per row. */
static struct column repeat_const(const struct lanes *l, uint32_t rows, struct arena *out)
{
    struct column c = column_make(out, l->col.type, rows, l->col.valid != NULL);
    size_t width = type_width(l->col.type);
    if (!l->col.valid)
        for (uint32_t r = 0; r < rows; r++)
            memcpy((char *)c.data + r * width, l->col.data, width);
    return c;
}

void program_run(const struct program *p, struct program_state *s, const struct batch *in, int64_t now_us,
                 struct arena *out, struct column *ret_columns, struct row_errors *ret_errors)
{
    const uint64_t *live = run_steps(p, s, in, now_us, out);
    for (uint32_t i = 0; i < p->nroots; i++) {
        const struct lanes *l = &s->regs[p->roots[i]];
        ret_columns[i] = l->mask ? l->col : repeat_const(l, in->rows, out);
    }
    collect_errors(p, s, in->rows, live, out, ret_errors);
}

/* Live rows of a boolean register that are definitely `value`. */
static void definite(const struct lanes *l, uint32_t rows, bool value, const uint64_t *live, uint64_t *ret_bits)
{
    size_t words = BITMAP_WORDS(rows);
    bools_pack(l, rows, ret_bits);
    for (size_t w = 0; w < words; w++) {
        uint64_t bits = value ? ret_bits[w] : ~ret_bits[w];
        bits &= l->col.valid ? l->col.valid[w] : ~UINT64_C(0);
        bits &= l->bad ? ~l->bad[w] : ~UINT64_C(0);
        ret_bits[w] = bits & (live ? live[w] : ~UINT64_C(0));
    }
    if (rows % 64)
        ret_bits[words - 1] &= (UINT64_C(1) << (rows % 64)) - 1;
}

void program_filter(const struct program *p, struct program_state *s, const struct batch *in, int64_t now_us,
                    struct arena *out, uint64_t *ret_keep, struct row_errors *ret_errors)
{
    assert(p->nroots == 1);
    const uint64_t *live = run_steps(p, s, in, now_us, out);
    definite(&s->regs[p->roots[0]], in->rows, true, live, ret_keep);
    collect_errors(p, s, in->rows, live, out, ret_errors);
}

void program_check(const struct program *p, struct program_state *s, const struct batch *in, int64_t now_us,
                   struct arena *out, uint64_t *ret_broken)
{
    assert(p->nroots == 1);
    const uint64_t *live = run_steps(p, s, in, now_us, out);
    const struct lanes *l = &s->regs[p->roots[0]];
    definite(l, in->rows, false, live, ret_broken);
    if (l->bad)
        for (size_t w = 0; w < BITMAP_WORDS(in->rows); w++)
            ret_broken[w] |= l->bad[w] & (live ? live[w] : ~UINT64_C(0));
}
