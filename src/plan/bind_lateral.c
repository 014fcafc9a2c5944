/* LATERAL (SELECT ...): expressions over each row on the left, and over the rows of functions that are made of it. It
 * is no join: the functions become steps as functions in FROM do (bind_rows.c), the rest is expressions over them. */
#include "expr/function.h"
#include "plan/bind.h"

/* A subquery being opened over a row. */
struct lateral {
    struct binder *b;
    const struct ast_select *select;
    struct relation rows;  /* the columns of the row on the left, then those of the functions so far */
    uint32_t nouter;       /* of the former */
    bool columns_only;     /* no steps are made: what the columns are is all that is asked */
    bool outer;            /* LEFT JOIN: a row without any comes once, with NULL */
    uint32_t nfunctions;
    struct expr **conditions; /* of an outer one, over `rows` */
    uint32_t nconditions, cap;
};

static bool is_of_row(const struct ast_from *from)
{
    if (from->kind == AST_FROM_JOIN)
        return is_of_row(from->left) && is_of_row(from->right);
    return from->kind == AST_FROM_FUNCTION || from->lateral;
}

bool lateral_is_of_row(const struct ast_from *ast)
{
    const struct ast_select *s = ast->query;
    return s->kind != AST_SELECT_PLAIN || !s->from || is_of_row(s->from);
}

static enum status check(struct binder *b, const struct ast_from *ast)
{
    const struct ast_select *s = ast->query;
    bool simple = s->kind == AST_SELECT_PLAIN && !s->grouped && !s->having && s->distinct == AST_DISTINCT_NONE &&
                  !s->norder && !s->limit && !s->offset && s->nctes == 0;
    for (uint32_t i = 0; simple && i < s->ntargets; i++)
        simple = !grouping_has_call(s->targets[i].expr) && !over_has_call(s->targets[i].expr);
    if (simple)
        return OK;
    (void)bind_refuse(b, ast->location, "LATERAL before a subquery with groups, aggregates, OVER, DISTINCT, ORDER BY, "
                                        "LIMIT, WITH or UNION");
    return error_hint(b->err, "it may read the row and functions of it: LATERAL (SELECT x FROM unnest(t.a) AS u (x) "
                              "WHERE x > 0) AS s");
}

void relation_shadow(struct relation *both, uint32_t nouter)
{
    for (uint32_t i = 0; i < nouter; i++)
        for (uint32_t k = nouter; k < both->ncols; k++) {
            if (strcmp(both->cols[i].name, both->cols[k].name) == 0)
                both->cols[i].qualified = true;
            if (both->cols[i].item && both->cols[k].item && strcmp(both->cols[i].item, both->cols[k].item) == 0)
                both->cols[i].item = NULL;
        }
}

/* The columns as an expression of the subquery sees them: its own hide those of the row. */
static struct relation *visible(const struct lateral *l)
{
    struct relation *r = arena_dup(l->b->arena, &l->rows, sizeof *r);
    r->cols = arena_dup(l->b->arena, r->cols, r->ncols * sizeof *r->cols);
    relation_shadow(r, l->nouter);
    return r;
}

static enum status add_condition(struct lateral *l, const struct scope *scope, const struct ast_expr *e)
{
    struct expr *condition;
    if (l->columns_only || !e)
        return OK;
    TRY(bind_condition(l->b, scope, e, &condition));
    if (!l->outer)
        return node_filter(l->b, l->rows.node, condition, e->location, &l->rows.node);
    l->conditions = binder_grow(l->b, l->conditions, l->nconditions, &l->cap, sizeof *l->conditions);
    l->conditions[l->nconditions++] = condition;
    return OK;
}

static enum status where(struct lateral *l, const struct ast_expr *e)
{
    return add_condition(l, &(struct scope){.input = visible(l), .clause = "WHERE"}, e);
}

/* ---- FROM ---- */

static enum status add_function(struct lateral *l, const struct ast_from *ast)
{
    struct binder *b = l->b;
    struct ast_from *own = arena_dup(b->arena, ast, sizeof *ast);
    struct rows rows;
    own->ordinality |= l->outer; /* it tells a row with NULL from the others */
    TRY(rows_bind(b, &(struct scope){.input = visible(l), .clause = "FROM"}, ast, &rows));
    struct relation item = rows_columns(b, own, &rows);
    const char *name = ast->alias ? ast->alias : ast->name;
    struct relation shown = {.cols = item.cols, .ncols = item.ncols - (own->ordinality && !ast->ordinality)};
    TRY(relation_rename(b, &shown, &ast->columns, name, ast->location));
    for (uint32_t i = 0; i < item.ncols; i++) {
        if (i < shown.ncols)
            item.cols[i] = shown.cols[i];
        else
            item.cols[i].qualified = true;
        item.cols[i].item = i < shown.ncols ? name : NULL;
    }
    l->nfunctions++;
    if (l->columns_only)
        l->rows = join_columns(b, &l->rows, &item);
    else
        TRY(rows_apply(b, &l->rows, own, &rows, &item, l->outer, &l->rows));
    return OK;
}

static enum status add_subquery(struct lateral *l, const struct ast_from *ast)
{
    struct relation item;
    TRY(lateral_columns(l->b, visible(l), ast, &item));
    TRY(relation_rename(l->b, &item, &ast->columns, ast->alias, ast->location));
    for (uint32_t i = 0; i < item.ncols; i++)
        item.cols[i].item = ast->alias;
    l->nfunctions++;
    if (l->columns_only)
        l->rows = join_columns(l->b, &l->rows, &item);
    else
        TRY(lateral_apply(l->b, &(struct lateral_request){visible(l), ast, &item, NULL, false}, &l->rows));
    return OK;
}

static enum status add_item(struct lateral *l, const struct ast_from *ast)
{
    bool subquery = ast->kind == AST_FROM_QUERY && ast->lateral, function = ast->kind == AST_FROM_FUNCTION;
    if (ast->kind == AST_FROM_JOIN && ast->join == AST_JOIN_INNER && ast->shared.count == 0) {
        TRY(add_item(l, ast->left));
        TRY(add_item(l, ast->right));
        return where(l, ast->on);
    }
    if (l->outer && (subquery || l->nfunctions)) {
        (void)bind_refuse(l->b, ast->location, "LEFT JOIN LATERAL of a subquery with several items in FROM");
        return error_hint(l->b->err, "one function can stand there");
    }
    if (function)
        return add_function(l, ast);
    if (subquery)
        return add_subquery(l, ast);
    (void)bind_refuse(l->b, ast->location, "LATERAL before a subquery over anything but functions");
    return error_hint(l->b->err, "join the table itself: JOIN t ON ..., and compute with its columns");
}

/* ---- the SELECT list ---- */

static enum status add_star(const struct lateral *l, const struct ast_expr *star, struct relation *into)
{
    uint32_t before = into->ncols;
    for (uint32_t i = l->nouter; i < l->rows.ncols; i++) {
        const struct relation_column *c = &l->rows.cols[i];
        bool named = star->qualifier && c->item && strcmp(c->item, star->qualifier) == 0;
        if (c->qualified || (star->qualifier && !named))
            continue;
        into->cols[into->ncols++] = (struct relation_column){.name = c->name, .expr = c->expr};
    }
    return into->ncols > before ? OK : bind_error(l->b, star->location, "* stands for no column of the subquery");
}

static enum status add_targets(struct lateral *l, struct relation *ret)
{
    const struct ast_select *s = l->select;
    struct scope scope = {.input = visible(l), .clause = "the SELECT list"};
    uint32_t most = s->ntargets + l->rows.ncols * s->ntargets;
    struct relation r = {.cols = arena_array(l->b->arena, MAX(most, 1), sizeof *r.cols)};
    for (uint32_t i = 0; i < s->ntargets; i++) {
        const struct ast_target *target = &s->targets[i];
        struct expr *e;
        if (target->expr->kind == AST_STAR) {
            TRY(add_star(l, target->expr, &r));
            continue;
        }
        TRY(bind_expr(l->b, &scope, target->expr, &e));
        TRY(bind_settle(l->b, &e));
        r.cols[r.ncols++] = (struct relation_column){.name = target->name, .expr = e};
    }
    *ret = r;
    return OK;
}

static enum status open(struct lateral *l, const struct ast_from *ast, struct relation *ret)
{
    TRY(check(l->b, ast));
    TRY(rows_from_list(l->b, ast->query, &l->select));
    l->nouter = l->rows.ncols;
    if (l->select->from)
        TRY(add_item(l, l->select->from));
    TRY(where(l, l->select->where));
    return add_targets(l, ret);
}

/* ---- LEFT JOIN ---- */

static bool is_element(const struct lateral *l, const struct expr *e)
{
    bool found = false;
    for (uint32_t i = l->nouter; i < l->rows.ncols && !found; i++)
        found = e->kind == EXPR_COLUMN && expr_equal(e, l->rows.cols[i].expr);
    return found;
}

/* Of an outer one: e where there is a row, else NULL. */
static enum status nullable(struct lateral *l, struct expr *there, struct expr **e)
{
    if (!there || is_element(l, *e))
        return OK;
    int32_t at = (*e)->location;
    struct expr *args[] = {there, *e, expr_null(l->b->arena, (*e)->type, at)};
    return bind_located(l->b, at, expr_case(l->b->arena, args, 3, at, e, l->b->err));
}

/* What tells that there is a row; NULL: there always is. */
static enum status row_is_there(struct lateral *l, int32_t at, struct expr **ret)
{
    struct binder *b = l->b;
    struct expr *condition = l->nconditions ? l->conditions[0] : NULL, *none;
    if (l->nconditions > 1)
        TRY(bind_located(b, at, expr_logic(b->arena, EXPR_AND, l->conditions, l->nconditions, at, &condition, b->err)));
    *ret = condition;
    if (l->nfunctions == 0)
        return OK;
    if (condition)
        TRY(node_unnest_where(b, &l->rows.node, condition));
    none = expr_is_null(b->arena, l->rows.cols[l->rows.ncols - 1].expr, at);
    return bind_located(b, at, expr_logic(b->arena, EXPR_NOT, &none, 1, at, ret, b->err));
}

/* ---- the ways in ---- */

enum status lateral_columns(struct binder *b, const struct relation *before, const struct ast_from *ast,
                            struct relation *ret)
{
    struct lateral l = {.b = b, .rows = *before, .columns_only = true};
    struct relation r;
    TRY(open(&l, ast, &r));
    for (uint32_t i = 0; i < r.ncols; i++)
        r.cols[i].expr = expr_column(b->arena, i, r.cols[i].expr->type, -1);
    r.node = UINT32_MAX;
    *ret = r;
    return OK;
}

enum status lateral_apply(struct binder *b, const struct lateral_request *q, struct relation *ret)
{
    struct lateral l = {.b = b, .rows = *q->left, .outer = q->outer};
    struct relation r, targets;
    struct expr *there = NULL;
    uint32_t largest = 0;
    TRY(open(&l, q->ast, &targets));
    assert(targets.ncols == q->item->ncols);
    r = (struct relation){.node = l.rows.node, .ncols = l.nouter + targets.ncols};
    r.cols = arena_array(b->arena, MAX(r.ncols, 1), sizeof *r.cols);
    for (uint32_t i = 0; i < r.ncols; i++) {
        r.cols[i] = i < l.nouter ? q->left->cols[i] : q->item->cols[i - l.nouter];
        r.cols[i].expr = i < l.nouter ? l.rows.cols[i].expr : targets.cols[i - l.nouter].expr;
    }
    if (q->outer) {
        TRY(add_condition(&l, &(struct scope){.input = &r, .clause = "ON"}, q->on));
        TRY(row_is_there(&l, q->ast->location, &there));
        r.node = l.rows.node;
    }
    for (uint32_t i = l.nouter; i < r.ncols; i++) {
        TRY(nullable(&l, there, &r.cols[i].expr));
        largest = MAX(largest, expr_size(r.cols[i].expr, BIND_MAX_INLINE + 1));
    }
    *ret = r;
    return largest > BIND_MAX_INLINE ? rows_compute(b, ret, q->ast->location) : OK;
}
