/* Window functions: fn(...) OVER (PARTITION BY ... ORDER BY ...). They are computed over what FROM, WHERE and GROUP BY
 * leave; all of one SELECT share one OVER. */
#include "plan/bind.h"

static const struct {
    const char *name;
    enum over_kind kind;
    uint8_t least, most; /* arguments */
    bool value;          /* the first one is the value; behind it (or first) stands a whole number, then a default */
    uint8_t smallest;    /* that number may be */
} functions[] = {
    {"row_number", OVER_ROW_NUMBER, 0, 0, false, 0},
    {"rank", OVER_RANK, 0, 0, false, 0},
    {"dense_rank", OVER_DENSE_RANK, 0, 0, false, 0},
    {"percent_rank", OVER_PERCENT_RANK, 0, 0, false, 0},
    {"cume_dist", OVER_CUME_DIST, 0, 0, false, 0},
    {"ntile", OVER_NTILE, 1, 1, false, 1},
    {"lag", OVER_LAG, 1, 3, true, 0},
    {"lead", OVER_LEAD, 1, 3, true, 0},
    {"first_value", OVER_FIRST, 1, 1, true, 0},
    {"last_value", OVER_LAST, 1, 1, true, 0},
    {"nth_value", OVER_NTH, 2, 2, true, 1},
};

bool over_has_call(const struct ast_expr *e)
{
    if (e->kind == AST_CALL && e->over)
        return true;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (over_has_call(e->args[i]))
            return true;
    return false;
}

/* ---- the window ---- */

static enum status bind_list(struct binder *b, const struct scope *scope, struct ast_expr *const *list, uint32_t n,
                             struct expr ***ret)
{
    struct expr **exprs = arena_array(b->arena, n, sizeof *exprs);
    for (uint32_t i = 0; i < n; i++) {
        TRY(bind_expr(b, scope, list[i], &exprs[i]));
        TRY(bind_settle(b, &exprs[i]));
    }
    *ret = exprs;
    return OK;
}

static bool same_list(struct expr *const *x, uint32_t nx, struct expr *const *y, uint32_t ny)
{
    if (nx != ny)
        return false;
    for (uint32_t i = 0; i < nx; i++)
        if (!expr_equal(x[i], y[i]))
            return false;
    return true;
}

static bool same_order(const struct over_calls *x, const struct over_calls *y)
{
    if (!same_list(x->order, x->norder, y->order, y->norder))
        return false;
    for (uint32_t i = 0; i < x->norder; i++)
        if (x->sort[i].descending != y->sort[i].descending || x->sort[i].nulls_first != y->sort[i].nulls_first)
            return false;
    return true;
}

static enum status bind_window_of(struct binder *b, const struct scope *scope, const struct ast_over *over,
                                  struct over_calls *into)
{
    struct over_calls w = {.npartition = over->npartition, .norder = over->norder};
    struct ast_expr **order = arena_array(b->arena, over->norder, sizeof *order);
    w.sort = arena_zarray(b->arena, over->norder, sizeof *w.sort);
    for (uint32_t i = 0; i < over->norder; i++) {
        order[i] = over->order[i].expr;
        w.sort[i].descending = over->order[i].descending;
        w.sort[i].nulls_first = over->order[i].nulls_first;
    }
    TRY(bind_list(b, scope, over->partition, over->npartition, &w.partition));
    TRY(bind_list(b, scope, order, over->norder, &w.order));
    for (uint32_t i = 0; i < over->norder; i++)
        TRY(bind_has_order(b, w.order[i], over->order[i].expr->location));
    if (into->count == 0) {
        w.items = into->items;
        w.cap = into->cap;
        *into = w;
        return OK;
    }
    if (same_list(w.partition, w.npartition, into->partition, into->npartition) && same_order(&w, into))
        return OK;
    (void)bind_refuse(b, over->location, "a second, different OVER in one SELECT");
    return error_hint(b->err, "compute the first in a view, and the second over that view");
}

/* ---- the call ---- */

static enum status bind_rows(struct binder *b, const struct ast_expr *e, int64_t *ret)
{
    *ret = -1;
    if (!e)
        return OK;
    if (e->kind != AST_NUMBER || !option_parse_int(e->name, ret) || *ret < 0)
        return bind_error(b, e->location, "a frame wants a whole number of rows");
    return OK;
}

static enum status bind_frame(struct binder *b, const struct ast_expr *e, struct plan_over_call *c)
{
    const struct ast_over *over = e->over;
    c->before = c->after = -1;
    if (!over->framed || over->peers) {
        c->peers = over->norder > 0;
        return OK;
    }
    if (!over->rows) {
        (void)bind_refuse(b, over->location, "this frame");
        return error_hint(b->err, "write ROWS BETWEEN n PRECEDING AND m FOLLOWING");
    }
    TRY(bind_rows(b, over->before, &c->before));
    return bind_rows(b, over->after, &c->after);
}

static enum status bind_distance(struct binder *b, const struct ast_expr *e, const struct ast_expr *number,
                                 int64_t smallest, int64_t *ret)
{
    if (number->kind != AST_NUMBER || !option_parse_int(number->name, ret) || *ret > INT32_MAX)
        return bind_error(b, number->location, "%s() wants a whole number, written down", e->name);
    if (*ret < smallest)
        return bind_error(b, number->location, "argument of %s must be greater than zero", e->name);
    return OK;
}

static enum status bind_named(struct binder *b, const struct scope *scope, const struct ast_expr *e, size_t which,
                              struct over_call *call)
{
    uint32_t count_at = functions[which].value;
    call->call.distance = 1;
    if (e->filter)
        return bind_error(b, e->location, "FILTER goes with aggregates, not with %s()", e->name);
    if (e->nargs < functions[which].least || e->nargs > functions[which].most || e->flag || e->distinct)
        return bind_error(b, e->location, "%s() does not take these arguments", e->name);
    call->call.kind = functions[which].kind;
    if (e->over->norder == 0)
        return bind_error(b, e->location, "%s() needs an ORDER BY in its OVER (...)", e->name);
    if (functions[which].value) {
        TRY(bind_expr(b, scope, e->args[0], &call->arg));
        TRY(bind_settle(b, &call->arg));
    }
    call->type = over_type(&call->call, call->arg ? call->arg->type : TYPE(TYPE_UNKNOWN));
    if (e->nargs > count_at)
        TRY(bind_distance(b, e, e->args[count_at], functions[which].smallest, &call->call.distance));
    if (e->nargs < 3)
        return bind_frame(b, e, &call->call);
    TRY(bind_expr(b, scope, e->args[2], &call->otherwise));
    TRY(bind_located(b, e->args[2]->location,
                     expr_cast(b->arena, call->otherwise, call->type, CAST_IMPLICIT, e->args[2]->location,
                               &call->otherwise, b->err)));
    return bind_frame(b, e, &call->call);
}

static const struct aggregate *aggregate_named(const char *name)
{
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)) && strcmp(g->name, name) != 0; i++)
        ;
    return g;
}

/* Aggregates skip NULL: what is read of a row that FILTER leaves out is that. */
static enum status bind_filter(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                               struct expr **arg)
{
    struct expr *condition;
    if (!e->filter)
        return OK;
    if (grouping_has_call(e->filter))
        return bind_error(b, e->location, "aggregate functions are not allowed in FILTER");
    TRY(bind_condition(b, scope, e->filter, &condition));
    struct expr *args[] = {condition, *arg, expr_null(b->arena, (*arg)->type, e->location)};
    return bind_located(b, e->location, expr_case(b->arena, args, ARRAY_LEN(args), e->location, arg, b->err));
}

/* One whose result depends on the order of rows takes them in the window's. */
static enum status bind_aggregate(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                                  const struct over_calls *window, struct over_call *call)
{
    const struct aggregate *g = aggregate_named(e->name);
    if (e->distinct || e->norder)
        return bind_refuse(b, e->location, "DISTINCT or ORDER BY in a call with OVER");
    if (!g)
        return bind_refuse(b, e->location, "the window function %s()", e->name);
    TRY(grouping_has_arguments(b, e));
    struct expr **args;
    TRY(bind_list(b, scope, e->args, e->nargs, &args));
    struct aggregate_order *order = arena_array(b->arena, window->norder, sizeof *order);
    for (uint32_t i = 0; i < window->norder; i++)
        order[i] = (struct aggregate_order){window->order[i], window->sort[i].descending, window->sort[i].nulls_first};
    struct expr *any_row = expr_bool(b->arena, true, e->location);
    bool some_rows = e->filter && e->nargs == 0; /* count(*) is count(true) */
    struct aggregate_call bound = {.name = e->name, .args = some_rows ? &any_row : args,
                                   .nargs = some_rows ? 1 : e->nargs, .order = order,
                                   .norder = g->shape >= SHAPE_STRINGS ? window->norder : 0};
    TRY(bind_located(b, e->location,
                     aggregate_bind(b->arena, &bound, &call->call.function, &call->arg, b->err)));
    TRY(bind_filter(b, scope, e, &call->arg));
    call->call.kind = OVER_AGGREGATE;
    call->type = over_type(&call->call, call->arg ? call->arg->type : TYPE(TYPE_UNKNOWN));
    return bind_frame(b, e, &call->call);
}

enum status over_call(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    if (!scope->over)
        return bind_error(b, e->location, "window functions are not allowed in %s", scope->clause);
    struct scope inside = *scope;
    inside.over = NULL;
    inside.clause = "a window function";
    struct over_call call = {.call = {.arg = -1, .otherwise = -1}};
    TRY(bind_window_of(b, &inside, e->over, scope->over));
    size_t which = 0;
    while (which < ARRAY_LEN(functions) && strcmp(functions[which].name, e->name) != 0)
        which++;
    TRY(which < ARRAY_LEN(functions) ? bind_named(b, &inside, e, which, &call)
                                     : bind_aggregate(b, &inside, e, scope->over, &call));
    struct over_calls *o = scope->over;
    o->items = binder_grow(b, o->items, o->count, &o->cap, sizeof *o->items);
    o->items[o->count] = call;
    *ret = expr_column(b->arena, OVER_COLUMN + o->count++, call.type, e->location);
    return OK;
}

/* ---- the node ---- */

struct prepared {
    const struct relation *input;
    struct over_calls *over;
    struct expr **exprs;
    const char **names;
    uint32_t count;
};

static uint32_t prepare(struct binder *b, struct prepared *p, struct expr *e)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (expr_equal(p->exprs[i], e))
            return i;
    p->exprs[p->count] = e;
    p->names[p->count] = relation_name_of(b, p->input, e);
    return p->count++;
}

static bool is_in(struct expr *const *list, uint32_t n, const struct expr *e)
{
    for (uint32_t i = 0; i < n; i++)
        if (expr_equal(list[i], e))
            return true;
    return false;
}

/* Input columns that the expressions read, past the calls themselves, and what is computed for the window anyhow. */
static void prepare_columns(struct binder *b, struct prepared *p, const struct expr *e)
{
    const struct over_calls *o = p->over;
    if (e->kind == EXPR_COLUMN && e->column < OVER_COLUMN)
        (void)prepare(b, p, (struct expr *)e);
    else if (is_in(o->partition, o->npartition, e) || is_in(o->order, o->norder, e))
        return;
    for (uint32_t i = 0; i < e->nargs; i++)
        prepare_columns(b, p, e->args[i]);
}

static struct expr *rewrite(struct binder *b, const struct prepared *p, const struct expr *e)
{
    if (e->kind == EXPR_COLUMN && e->column >= OVER_COLUMN)
        return expr_column(b->arena, p->count + (e->column - OVER_COLUMN), e->type, e->location);
    for (uint32_t i = 0; i < p->count && e->kind != EXPR_CONST; i++)
        if (expr_equal(p->exprs[i], e))
            return expr_column(b->arena, i, e->type, e->location);
    struct expr *copy = arena_dup(b->arena, e, sizeof *e);
    copy->args = arena_array(b->arena, e->nargs, sizeof *copy->args);
    for (uint32_t i = 0; i < e->nargs; i++)
        copy->args[i] = rewrite(b, p, e->args[i]);
    return copy;
}

static uint32_t *prepare_list(struct binder *b, struct prepared *p, struct expr *const *list, uint32_t n)
{
    uint32_t *columns = arena_array(b->arena, MAX(n, 1), sizeof *columns);
    for (uint32_t i = 0; i < n; i++)
        columns[i] = prepare(b, p, list[i]);
    return columns;
}

static const char *call_name(const struct over_call *c)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (functions[i].kind == c->call.kind)
            return functions[i].name;
    return c->call.function->name;
}

static void prepare_calls(struct binder *b, struct prepared *p, struct plan_over *over, const char **names)
{
    const struct over_calls *o = p->over;
    over->ncalls = o->count;
    over->calls = arena_array(b->arena, o->count, sizeof *over->calls);
    for (uint32_t i = 0; i < o->count; i++) {
        over->calls[i] = o->items[i].call;
        if (o->items[i].arg)
            over->calls[i].arg = (int32_t)prepare(b, p, o->items[i].arg);
        if (o->items[i].otherwise)
            over->calls[i].otherwise = (int32_t)prepare(b, p, o->items[i].otherwise);
        names[i] = call_name(&o->items[i]);
    }
}

enum status over_finish(struct binder *b, struct over_calls *o, struct relation *input, struct expr ***exprs,
                        uint32_t nexprs, int32_t location)
{
    if (o->count == 0)
        return OK;
    const struct plan_node *below = b->nodes[input->node];
    uint32_t most = below->schema.ncols + o->npartition + o->norder + 2 * o->count;
    struct prepared p = {input, o, arena_array(b->arena, most, sizeof(struct expr *)),
                         arena_array(b->arena, most, sizeof(char *)), 0};
    const char **names = arena_array(b->arena, o->count, sizeof *names);
    for (uint32_t i = 0; i < nexprs; i++)
        prepare_columns(b, &p, *exprs[i]);
    struct plan_over over = {.npartition = o->npartition};
    over.partition = prepare_list(b, &p, o->partition, o->npartition);
    uint32_t *order = prepare_list(b, &p, o->order, o->norder);
    for (uint32_t i = 0; i < o->norder; i++)
        o->sort[i].column = order[i];
    prepare_calls(b, &p, &over, names);
    for (uint32_t i = 0; i < nexprs; i++)
        *exprs[i] = rewrite(b, &p, *exprs[i]);
    uint32_t node;
    TRY(node_project(b, input->node, p.exprs, p.names, p.count, location, &node));
    node = node_over(b, node, &over, o->sort, o->norder, names, location);
    *input = relation_of_node(b, node, b->nodes[node]->schema.names, b->nodes[node]->schema.ncols);
    return OK;
}
