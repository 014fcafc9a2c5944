/* Who names which column of FROM: what nobody names does not enter a join, and a condition goes where all that it names
 * is. */
#include "plan/bind_from.h"

enum { NO_ITEM = -1, TWO_ITEMS = -2 };

/* An item that is meant by its name alone. */
static bool is_whole(const struct item *item, const struct ast_expr *e)
{
    return !e->qualifier && item->relation.ncols == 1 && item->relation.cols[0].whole &&
           strcmp(item_name(item), e->name) == 0;
}

/* The item a column is of; NO_ITEM, TWO_ITEMS. */
static int find_column(struct from *f, const struct ast_expr *e, uint32_t *ret_column)
{
    int found = NO_ITEM;
    for (uint32_t i = 0; i < f->nitems; i++) {
        const struct relation *r = &f->items[i].relation;
        if (e->qualifier && strcmp(e->qualifier, item_name(&f->items[i])) != 0)
            continue;
        for (uint32_t c = 0; c < r->ncols; c++) {
            if (strcmp(r->cols[c].name, e->name) != 0)
                continue;
            if (found >= 0 && found != (int)i)
                return TWO_ITEMS;
            found = (int)i;
            *ret_column = c;
        }
    }
    for (uint32_t i = 0; found == NO_ITEM && i < f->nitems; i++)
        if (is_whole(&f->items[i], e)) {
            found = (int)i;
            *ret_column = 0;
        }
    return found;
}

/* Called for every column and star in an expression, those of subqueries included. */
struct walk {
    struct from *f;
    void (*visit)(struct walk *w, const struct ast_expr *e);
    struct conjunct *conjunct;
    uint32_t reader; /* items up to the function whose arguments these are; 0: it is none in FROM */
};

static void walk_expr(struct walk *w, const struct ast_expr *e);
static void walk_select(struct walk *w, const struct ast_select *s);

static void walk_exprs(struct walk *w, struct ast_expr *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        walk_expr(w, list[i]);
}

static void walk_order(struct walk *w, const struct ast_order *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        walk_expr(w, order[i].expr);
}

static void walk_expr(struct walk *w, const struct ast_expr *e)
{
    if (!e)
        return;
    if (e->kind == AST_COLUMN || e->kind == AST_STAR)
        w->visit(w, e);
    walk_exprs(w, e->args, e->nargs);
    walk_expr(w, e->filter);
    walk_order(w, e->order, e->norder);
    if (e->over) {
        walk_exprs(w, e->over->partition, e->over->npartition);
        walk_order(w, e->over->order, e->over->norder);
    }
    if (e->query)
        walk_select(w, e->query);
}

static void walk_from(struct walk *w, const struct ast_from *from)
{
    if (!from)
        return;
    if (from->kind == AST_FROM_JOIN) {
        walk_from(w, from->left);
        walk_from(w, from->right);
        walk_expr(w, from->on);
    }
    if (from->kind != AST_FROM_FUNCTION && !from->lateral)
        return;
    uint32_t reader = w->reader;
    for (uint32_t i = 0; i < w->f->nitems; i++)
        if (w->f->items[i].ast == from)
            w->reader = i + 1;
    walk_exprs(w, from->args, from->nargs);
    if (from->lateral)
        walk_select(w, from->query);
    w->reader = reader;
}

static void walk_select(struct walk *w, const struct ast_select *s)
{
    for (uint32_t i = 0; i < s->ntargets; i++)
        if (s->targets[i].expr->kind != AST_STAR) /* its own columns, not ours */
            walk_expr(w, s->targets[i].expr);
    walk_from(w, s->from);
    walk_expr(w, s->where);
    walk_expr(w, s->having);
    walk_exprs(w, s->group, s->ngroup);
    walk_exprs(w, s->on, s->non);
    walk_order(w, s->order, s->norder);
}

static void want_column(const struct walk *w, struct item *item, uint32_t column)
{
    if (w->reader)
        item->until[column] = MAX(item->until[column], w->reader);
    else
        item->wanted[column] = true;
}

static void want(struct walk *w, const struct ast_expr *e)
{
    struct from *f = w->f;
    for (uint32_t i = 0; i < f->nitems; i++) {
        struct item *item = &f->items[i];
        if (e->qualifier && strcmp(e->qualifier, item_name(item)) != 0)
            continue;
        bool all = !e->name || is_whole(item, e);
        for (uint32_t c = 0; c < item->relation.ncols; c++)
            if (all || strcmp(item->relation.cols[c].name, e->name) == 0)
                want_column(w, item, c);
    }
}

static void want_shared(struct from *f, const struct ast_from *ast)
{
    if (ast->kind != AST_FROM_JOIN)
        return;
    want_shared(f, ast->left);
    want_shared(f, ast->right);
    for (uint32_t i = 0; i < ast->shared.count; i++)
        want(&(struct walk){.f = f}, &(struct ast_expr){.kind = AST_COLUMN, .name = ast->shared.items[i]});
}

void names_want(struct from *f)
{
    struct walk w = {.f = f, .visit = want};
    for (uint32_t i = 0; i < f->select->ntargets; i++)
        walk_expr(&w, f->select->targets[i].expr);
    walk_select(&w, f->select);
    want_shared(f, f->select->from);
}

static void note_item(struct walk *w, const struct ast_expr *e)
{
    uint32_t column;
    int item = e->kind == AST_COLUMN ? find_column(w->f, e, &column) : TWO_ITEMS;
    if (item >= 0)
        w->conjunct->items |= UINT64_C(1) << item;
    else
        w->conjunct->unknown = true;
}

void names_note(struct from *f, struct ast_expr *const *list, uint32_t n, struct conjunct *into)
{
    walk_exprs(&(struct walk){.f = f, .visit = note_item, .conjunct = into}, list, n);
}
