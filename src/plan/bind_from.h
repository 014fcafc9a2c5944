/* What bind_from.c and bind_names.c share: the items of one FROM, and who names their columns. */
#pragma once

#include "plan/bind.h"

enum { MAX_ITEMS = 64 };

struct item {
    const struct ast_from *ast;
    struct relation relation;
    bool *wanted;    /* per column: by anything but a function in FROM */
    uint32_t *until; /* per column: items up to the last function that reads it; 0: none does */
};

/* A condition of WHERE. */
struct conjunct {
    const struct ast_expr *e;
    uint64_t items; /* that it names */
    bool unknown;   /* it names something that is in no item, or in several */
    bool done;
};

struct from {
    struct binder *b;
    struct from *around; /* of the query that this one is a condition of; NULL: it is none */
    struct cte *ctes;
    const struct ast_select *select;
    struct item items[MAX_ITEMS];
    uint32_t nitems, next; /* next: while joins are made, in the order of the items */
    struct conjunct *conjuncts;
    uint32_t nconjuncts;
};

/* The name that may stand before its columns. */
const char *item_name(const struct item *item);

/* Marks the columns of items that the query reads, subqueries and functions in FROM included. */
void names_want(struct from *f);
/* Which items do the expressions name, those of subqueries included? */
void names_note(struct from *f, struct ast_expr *const *list, uint32_t n, struct conjunct *into);
