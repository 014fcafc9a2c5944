#include "op/contract.h"

#include <stdlib.h>

struct contract {
    const struct plan_table *table;
    struct arena arena;
    const struct program **programs; /* per rule; NULL: NOT NULL */
    struct program_state **states;   /* [worker * nrules + rule] */
    uint32_t nworkers;
};

struct contract *contract_new(const struct plan_table *table, uint32_t nworkers)
{
    struct contract *c = mem_zalloc(sizeof *c);
    c->table = table;
    c->nworkers = nworkers;
    c->programs = arena_zarray(&c->arena, table->nrules, sizeof *c->programs);
    c->states = mem_zalloc((size_t)nworkers * table->nrules * sizeof(struct program_state *));
    for (uint32_t r = 0; r < table->nrules; r++) {
        if (table->rules[r].kind != RULE_CHECK)
            continue;
        c->programs[r] = program_compile(&c->arena, &table->rules[r].check, 1);
        for (uint32_t w = 0; w < nworkers; w++)
            c->states[w * table->nrules + r] = program_state_new(c->programs[r]);
    }
    return c;
}

void contract_free(struct contract *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->nworkers * c->table->nrules; i++)
        program_state_free(c->states[i]);
    free(c->states);
    arena_release(&c->arena);
    free(c);
}

bool null_rows(const struct column *c, uint32_t rows, uint64_t *ret)
{
    if (!c->valid || rows == 0)
        return false;
    size_t words = BITMAP_WORDS(rows);
    uint64_t some = 0;
    for (size_t i = 0; i < words; i++)
        ret[i] = ~c->valid[i];
    if (rows % 64)
        ret[words - 1] &= (UINT64_C(1) << (rows % 64)) - 1;
    for (size_t i = 0; i < words; i++)
        some |= ret[i];
    return some != 0;
}

bool contract_check(struct contract *c, uint32_t rule, uint32_t worker, const struct batch *b, int64_t now_us,
                    struct arena *a, uint64_t *ret_broken)
{
    const struct plan_rule *r = &c->table->rules[rule];
    if (r->kind == RULE_NOT_NULL)
        return null_rows(&b->cols[r->column], b->rows, ret_broken);
    program_check(c->programs[rule], c->states[worker * c->table->nrules + rule], b, now_us, a, ret_broken);
    uint64_t some = 0;
    for (size_t i = 0; i < BITMAP_WORDS(b->rows); i++)
        some |= ret_broken[i];
    return some != 0;
}
