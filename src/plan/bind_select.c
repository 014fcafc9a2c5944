#include "plan/bind.h"

/* ---- relations ---- */

enum status relation_settle(struct binder *b, struct relation *r)
{
    for (uint32_t i = 0; i < r->ncols; i++)
        TRY(bind_settle(b, &r->cols[i].expr));
    return OK;
}

struct relation relation_of_node(struct binder *b, uint32_t node, const char *const *names, uint32_t ncols)
{
    const struct schema *schema = &b->nodes[node]->schema;
    struct relation r = {.node = node, .ncols = ncols, .cols = arena_array(b->arena, ncols, sizeof *r.cols)};
    for (uint32_t i = 0; i < ncols; i++)
        r.cols[i] = (struct relation_column){.name = names[i], .expr = expr_column(b->arena, i, schema->types[i], -1)};
    return r;
}

const char *relation_name_of(struct binder *b, const struct relation *r, const struct expr *e)
{
    enum { LONGEST = 60 };
    for (uint32_t i = 0; i < r->ncols; i++)
        if (r->cols[i].expr && expr_equal(r->cols[i].expr, e)) /* NULL: nothing reads it */
            return r->cols[i].name;
    AUTO(buf) text = BUF(MIB(1));
    expr_print(e, b->nodes[r->node]->schema.names, &text);
    return arena_printf(b->arena, text.len <= LONGEST ? "%.*s" : "%.*s...", LONGEST, buf_cstr(&text));
}

enum status relation_materialise(struct binder *b, struct relation *r, int32_t location)
{
    struct expr **exprs = arena_array(b->arena, r->ncols, sizeof *exprs);
    const char **names = arena_array(b->arena, r->ncols, sizeof *names);
    TRY(relation_settle(b, r));
    for (uint32_t i = 0; i < r->ncols; i++) {
        exprs[i] = r->cols[i].expr;
        names[i] = r->cols[i].name;
    }
    TRY(node_project(b, r->node, exprs, names, r->ncols, location, &r->node));
    *r = relation_of_node(b, r->node, names, r->ncols);
    return OK;
}

enum status relation_rename(struct binder *b, struct relation *r, const struct ast_names *names, const char *what,
                            int32_t location)
{
    if (names->count == 0)
        return OK;
    if (names->count > r->ncols)
        return bind_error(b, location, "\"%s\" has %u columns but %u names", what, r->ncols, names->count);
    r->cols = arena_dup(b->arena, r->cols, r->ncols * sizeof *r->cols);
    for (uint32_t i = 0; i < names->count; i++)
        r->cols[i].name = names->items[i];
    return OK;
}

enum status relation_publish(struct binder *b, struct relation *r, int32_t location)
{
    TRY(relation_settle(b, r));
    for (uint32_t i = 0; i < r->ncols; i++)
        if (expr_size(r->cols[i].expr, BIND_MAX_INLINE + 1) > BIND_MAX_INLINE)
            return relation_materialise(b, r, location);
    return OK;
}

/* ---- a plain SELECT ---- */

enum status relation_nothing(struct binder *b, int32_t location, struct relation *ret)
{
    struct expr ***rows = arena_zarray(b->arena, 1, sizeof *rows);
    struct relation r = {0};
    TRY(node_values(b, rows, 1, &(struct schema){0}, location, &r.node));
    *ret = r;
    return OK;
}

/* Where it stands while it is bound. */
struct selecting {
    const struct ast_select *ast;
    struct relation input; /* FROM and WHERE; after grouping, the aggregate */
    struct scope scope;
    bool grouped;
    struct grouping grouping;
    struct over_calls over;
    struct values values, below;  /* subqueries; those that are joined before rows are grouped */
    struct relation_column *cols; /* the SELECT list, stars expanded */
    uint32_t ncols, cap;
    struct expr *having;
    struct expr **on;    /* DISTINCT ON */
    struct expr **order; /* ORDER BY */
};

static enum status add_target(struct binder *b, struct selecting *s, const char *name, struct expr *e)
{
    if (s->ncols == BIND_MAX_COLUMNS)
        return bind_error(b, s->ast->location, "a SELECT list has at most %d columns", BIND_MAX_COLUMNS);
    s->cols = binder_grow(b, s->cols, s->ncols, &s->cap, sizeof *s->cols);
    s->cols[s->ncols++] = (struct relation_column){.name = name, .expr = e};
    return OK;
}

static enum status unknown_item(struct binder *b, const struct selecting *s, const struct ast_expr *star)
{
    uint32_t n = 0;
    const char **names = arena_array(b->arena, s->input.ncols + 1, sizeof *names);
    for (uint32_t i = 0; i < s->input.ncols; i++)
        if (s->input.cols[i].item && (n == 0 || strcmp(names[n - 1], s->input.cols[i].item) != 0))
            names[n++] = s->input.cols[i].item;
    if (n == 1)
        return bind_unknown(b, star->location, star->qualifier, names, n,
                            "there is no \"%s\" in FROM, only \"%s\"", star->qualifier, names[0]);
    return bind_unknown(b, star->location, star->qualifier, names, n, "there is no \"%s\" in FROM", star->qualifier);
}

static enum status bind_star(struct binder *b, struct selecting *s, const struct ast_expr *star)
{
    if (!s->ast->from)
        return bind_error(b, star->location, "SELECT * without FROM has no columns");
    bool found = !star->qualifier;
    for (uint32_t i = 0; i < s->input.ncols; i++) {
        const struct relation_column *c = &s->input.cols[i];
        if (star->qualifier ? !c->item || strcmp(c->item, star->qualifier) != 0 : c->qualified)
            continue;
        struct expr *e = c->expr;
        found = true;
        if (e->kind == EXPR_COLUMN)
            e = expr_column(b->arena, e->column, e->type, star->location);
        TRY(add_target(b, s, c->name, e));
    }
    return found ? OK : unknown_item(b, s, star);
}

/* A target that GROUP BY names is that group. */
static enum status bind_target(struct binder *b, struct selecting *s, const struct ast_expr *e, struct expr **ret)
{
    struct grouping *g = &s->grouping;
    for (uint32_t i = 0; i < g->ngroups; i++)
        if (g->targets[i] == e) {
            *ret = g->groups[i];
            return OK;
        }
    TRY(bind_expr(b, &s->scope, e, ret));
    for (uint32_t i = 0; (*ret)->kind == EXPR_CONST && i < g->ngroups; i++)
        if (!g->targets[i] && expr_equal(g->groups[i], *ret)) { /* the first constant that is written as the group is */
            g->targets[i] = e;
            *ret = g->groups[i];
            break;
        }
    return OK;
}

static enum status bind_targets(struct binder *b, struct selecting *s)
{
    s->scope.clause = "the SELECT list";
    s->scope.over = &s->over;
    for (uint32_t i = 0; i < s->ast->ntargets; i++) {
        const struct ast_target *target = &s->ast->targets[i];
        struct expr *e;
        if (target->expr->kind == AST_STAR) {
            TRY(bind_star(b, s, target->expr));
            continue;
        }
        TRY(bind_target(b, s, target->expr, &e));
        TRY(add_target(b, s, target->name, e));
    }
    s->scope.over = NULL;
    return OK;
}

static bool is_name(const struct ast_expr *e, const char *name)
{
    return e->kind == AST_COLUMN && !e->qualifier && strcmp(e->name, name) == 0;
}

/* An item of GROUP BY, ORDER BY or DISTINCT ON that names a column of the SELECT list by position; -1: it does not. */
static enum status list_position(struct binder *b, const struct ast_expr *e, uint32_t ncols, const char *clause,
                                 int32_t *ret)
{
    *ret = -1;
    bool constant = e->kind == AST_STRING || e->kind == AST_BOOL || e->kind == AST_NULL;
    if (!constant && e->kind != AST_NUMBER)
        return OK;
    int64_t position = 0;
    if (constant || !option_parse_int(e->name, &position))
        return bind_error(b, e->location, "non-integer constant in %s", clause);
    if (position < 1 || position > ncols)
        return bind_error(b, e->location, "%s position %s is not in the SELECT list", clause, e->name);
    *ret = (int32_t)position - 1;
    return OK;
}

/* The target with this name: its index, or -1. Two different ones of that name are ambiguous. */
static enum status named_target(struct binder *b, const struct selecting *s, const struct ast_expr *e,
                                const char *clause, int32_t *ret)
{
    int32_t found = -1;
    for (uint32_t i = 0; i < s->ncols; i++) {
        if (!is_name(e, s->cols[i].name))
            continue;
        if (found >= 0 && !expr_equal(s->cols[found].expr, s->cols[i].expr))
            return bind_error(b, e->location, "%s \"%s\" is ambiguous", clause, e->name);
        found = (int32_t)i;
    }
    *ret = found;
    return OK;
}

static bool input_has(const struct selecting *s, const char *name)
{
    for (uint32_t i = 0; i < s->input.ncols; i++)
        if (strcmp(s->input.cols[i].name, name) == 0)
            return true;
    return false;
}

/* GROUP BY names a column of the input first, then one of the SELECT list (PostgreSQL's order). The target's syntax is
 * bound again, as a group, where no aggregate may stand. */
static enum status group_syntax(struct binder *b, const struct selecting *s, const struct ast_expr *item,
                                const struct ast_expr **ret, const char **ret_name)
{
    int32_t position;
    *ret = item;
    *ret_name = item->kind == AST_COLUMN ? item->name : "group";
    TRY(list_position(b, item, s->ast->ntargets, "GROUP BY", &position));
    if (position < 0 && (item->kind != AST_COLUMN || item->qualifier || input_has(s, item->name)))
        return OK;
    for (uint32_t i = 0; i < s->ast->ntargets && position < 0; i++)
        if (is_name(item, s->ast->targets[i].name))
            position = (int32_t)i;
    if (position < 0)
        return OK;
    for (uint32_t i = 0; i <= (uint32_t)position; i++)
        if (s->ast->targets[i].expr->kind == AST_STAR)
            return bind_refuse(b, item->location, "a GROUP BY position behind *");
    *ret = s->ast->targets[position].expr;
    *ret_name = s->ast->targets[position].name;
    return OK;
}

static bool stands_twice(const struct relation *r, uint32_t column)
{
    for (uint32_t i = 0; i < column; i++)
        if (r->cols[i].expr && expr_equal(r->cols[i].expr, r->cols[column].expr))
            return true;
    return false;
}

/* In some rows of grouping sets a column is NULL and others, that are the same below or are computed from it, are not:
 * so each is a column of its own, where a view's would be what it is made of. */
static enum status columns_apart(struct binder *b, struct relation *r, int32_t location)
{
    bool apart = true;
    struct expr **exprs = arena_array(b->arena, r->ncols, sizeof *exprs);
    const char **names = arena_array(b->arena, r->ncols, sizeof *names);
    struct relation_column *cols = arena_dup(b->arena, r->cols, r->ncols * sizeof *cols);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->ncols; i++) {
        if (!cols[i].expr)
            continue;
        apart &= cols[i].expr->kind == EXPR_COLUMN && !stands_twice(r, i);
        TRY(bind_settle(b, &cols[i].expr));
        exprs[n] = cols[i].expr;
        names[n] = cols[i].name;
        cols[i].expr = expr_column(b->arena, n++, cols[i].expr->type, -1);
    }
    if (apart)
        return OK;
    r->cols = cols;
    return node_project(b, r->node, exprs, names, n, location, &r->node);
}

/* The group that it is already, else ngroups. Equal ones of the list are several, of grouping sets. */
static uint32_t group_like(const struct grouping *g, const struct expr *e, const struct ast_expr *target)
{
    uint32_t k = 0;
    while (k < g->ngroups && (!expr_equal(g->groups[k], e) ||
                              (g->nsets && target && g->targets[k] && g->targets[k] != target)))
        k++;
    return k;
}

static void distinct_sets(struct grouping *g)
{
    uint32_t n = 0, k;
    for (uint32_t i = 0; i < g->nsets; i++) {
        for (k = 0; k < n && g->sets[k] != g->sets[i]; k++)
            ;
        g->sets[k] = g->sets[i];
        n += k == n;
    }
    g->nsets = n;
}

static enum status bind_groups(struct binder *b, struct selecting *s)
{
    struct grouping *g = &s->grouping;
    struct scope scope = {.input = &s->input, .alias = s->scope.alias, .clause = "GROUP BY", .values = &s->below};
    g->below = &s->below;
    g->groups = arena_array(b->arena, s->ast->ngroup, sizeof *g->groups);
    g->targets = arena_zarray(b->arena, MAX(s->ast->ngroup, 1), sizeof *g->targets);
    g->names = arena_array(b->arena, s->ast->ngroup, sizeof *g->names);
    g->nsets = s->ast->nsets;
    g->sets = arena_zarray(b->arena, MAX(g->nsets, 1), sizeof *g->sets);
    for (uint32_t i = 0; i < s->ast->ngroup; i++) {
        const struct ast_expr *syntax;
        struct expr *group;
        TRY(group_syntax(b, s, s->ast->group[i], &syntax, &g->names[g->ngroups]));
        TRY(bind_expr(b, &scope, syntax, &group));
        TRY(bind_settle(b, &group));
        const struct ast_expr *target = syntax == s->ast->group[i] ? NULL : syntax;
        uint32_t k = group_like(g, group, target);
        g->targets[k] = target ? target : g->targets[k];
        if (k == g->ngroups)
            g->groups[g->ngroups++] = group;
        for (uint32_t set = 0; set < g->nsets; set++)
            if (s->ast->sets[set] >> i & 1)
                g->sets[set] |= UINT64_C(1) << k;
    }
    if (s->ast->distinct_sets)
        distinct_sets(g);
    return OK;
}

/* An item of ORDER BY or DISTINCT ON: a position, a name of the SELECT list, or an expression over the input. */
static enum status bind_item(struct binder *b, struct selecting *s, const struct ast_expr *e, const char *clause,
                             struct expr **ret)
{
    int32_t target;
    TRY(list_position(b, e, s->ncols, clause, &target));
    if (target < 0)
        TRY(named_target(b, s, e, clause, &target));
    if (target >= 0) {
        *ret = s->cols[target].expr;
        return OK;
    }
    s->scope.clause = clause;
    TRY(bind_expr(b, &s->scope, e, ret));
    TRY(bind_settle(b, ret));
    for (uint32_t i = 0; i < s->ncols; i++)
        if (expr_equal(s->cols[i].expr, *ret)) { /* a constant may be a group there */
            *ret = s->cols[i].expr;
            break;
        }
    return OK;
}

static enum status bind_lists(struct binder *b, struct selecting *s)
{
    const struct ast_select *ast = s->ast;
    TRY(bind_targets(b, s));
    s->scope.clause = "HAVING";
    if (ast->having)
        TRY(bind_condition(b, &s->scope, ast->having, &s->having));
    s->on = arena_array(b->arena, ast->non, sizeof(struct expr *));
    for (uint32_t i = 0; i < ast->non; i++)
        TRY(bind_item(b, s, ast->on[i], "DISTINCT ON", &s->on[i]));
    s->order = arena_array(b->arena, ast->norder, sizeof(struct expr *));
    for (uint32_t i = 0; i < ast->norder; i++)
        TRY(bind_item(b, s, ast->order[i].expr, "ORDER BY", &s->order[i]));
    return OK;
}

bool select_has_groups(const struct ast_select *ast)
{
    bool found = ast->grouped || ast->having;
    for (uint32_t i = 0; i < ast->ntargets && !found; i++)
        found = grouping_has_call(ast->targets[i].expr);
    for (uint32_t i = 0; i < ast->norder && !found; i++)
        found = grouping_has_call(ast->order[i].expr);
    return found;
}

bool select_has_any(const struct ast_select *ast)
{
    return !ast->having && (ast->ngroup ? ast->nsets == 0 : !select_has_groups(ast));
}

/* What the lists have bound over the input, to be rewritten when a step comes between. */
static struct expr ***list_exprs(struct binder *b, struct selecting *s, uint32_t more, uint32_t *ret_count)
{
    uint32_t n = 0;
    struct expr ***all = arena_array(b->arena, (size_t)s->ncols + s->ast->non + s->ast->norder + more, sizeof *all);
    for (uint32_t i = 0; i < s->ncols; i++)
        all[n++] = &s->cols[i].expr;
    for (uint32_t i = 0; i < s->ast->non; i++)
        all[n++] = &s->on[i];
    for (uint32_t i = 0; i < s->ast->norder; i++)
        all[n++] = &s->order[i];
    *ret_count = n;
    return all;
}

/* Those, and what is bound over the input inside of HAVING, window functions and subqueries. */
static struct expr ***all_exprs(struct binder *b, struct selecting *s, uint32_t *ret_count)
{
    struct over_calls *over = &s->over;
    uint32_t n, more = 1 + 2 * over->count + over->npartition + over->norder;
    for (uint32_t i = 0; i < s->values.count; i++)
        more += s->values.items[i].nconditions;
    struct expr ***all = list_exprs(b, s, more, &n);
    for (uint32_t i = 0; i < over->npartition; i++)
        all[n++] = &over->partition[i];
    for (uint32_t i = 0; i < over->norder; i++)
        all[n++] = &over->order[i];
    for (uint32_t i = 0; i < over->count; i++) {
        if (over->items[i].arg)
            all[n++] = &over->items[i].arg;
        if (over->items[i].otherwise)
            all[n++] = &over->items[i].otherwise;
    }
    if (s->having)
        all[n++] = &s->having;
    *ret_count = n;
    return all;
}

static enum status settle_targets(struct binder *b, struct selecting *s)
{
    for (uint32_t i = 0; i < s->ncols; i++)
        TRY(bind_settle(b, &s->cols[i].expr));
    return OK;
}

/* Subqueries that rows are grouped by, and that aggregates read. */
static enum status join_below(struct binder *b, struct selecting *s, struct expr ***read, uint32_t nread)
{
    struct grouping *g = &s->grouping;
    uint32_t n = nread, most = nread + g->ngroups + 2 * g->ncalls;
    if (s->below.count == 0)
        return OK;
    for (uint32_t i = 0; i < g->ncalls; i++)
        most += g->calls[i].nwritten;
    struct expr ***all = arena_array(b->arena, most, sizeof *all);
    memcpy(all, read, nread * sizeof *all);
    for (uint32_t i = 0; i < g->ngroups; i++)
        all[n++] = &g->groups[i];
    for (uint32_t i = 0; i < g->ncalls; i++) {
        struct grouped_call *call = &g->calls[i];
        if (call->arg)
            all[n++] = &call->arg;
        if (call->filter)
            all[n++] = &call->filter;
        for (uint32_t k = 0; k < call->nwritten; k++)
            all[n++] = &call->written[k];
    }
    TRY(values_join(b, &s->below, &s->input.node, all, n));
    s->input = (struct relation){.node = s->input.node};
    return OK;
}

static enum status finish_groups(struct binder *b, struct selecting *s)
{
    uint32_t n;
    struct expr ***all = all_exprs(b, s, &n);
    for (uint32_t i = 0; i < s->values.count; i++)
        for (uint32_t c = 0; c < s->values.items[i].nconditions; c++)
            all[n++] = &s->values.items[i].conditions[c];
    TRY(join_below(b, s, all, n));
    return grouping_finish(b, &s->grouping, &s->input, all, n, s->ast->location);
}

static enum status finish_values(struct binder *b, struct selecting *s)
{
    uint32_t n;
    struct expr ***all = all_exprs(b, s, &n);
    if (s->values.count == 0)
        return OK;
    TRY(values_join(b, &s->values, &s->input.node, all, n));
    s->input = (struct relation){.node = s->input.node};
    return OK;
}

static enum status finish_over(struct binder *b, struct selecting *s)
{
    uint32_t n;
    struct expr ***all = list_exprs(b, s, 0, &n);
    return over_finish(b, &s->over, &s->input, all, n, s->ast->location);
}

/* ---- DISTINCT and ORDER BY: both work on columns, some of which nobody sees afterwards ---- */

struct columns {
    struct expr **exprs;
    const char **names;
    uint32_t count;
};

static struct columns columns_of(struct binder *b, const struct selecting *s, uint32_t more)
{
    struct columns c = {arena_array(b->arena, s->ncols + more, sizeof *c.exprs),
                        arena_array(b->arena, s->ncols + more, sizeof *c.names), s->ncols};
    for (uint32_t i = 0; i < s->ncols; i++) {
        c.exprs[i] = s->cols[i].expr;
        c.names[i] = s->cols[i].name;
    }
    return c;
}

static uint32_t column_add(struct columns *c, struct expr *e, const char *name)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (expr_equal(c->exprs[i], e))
            return i;
    c->exprs[c->count] = e;
    c->names[c->count] = name;
    return c->count++;
}

/* The SELECT list is columns of `node` now. */
static void targets_are(struct binder *b, struct selecting *s, uint32_t node)
{
    const struct schema *schema = &b->nodes[node]->schema;
    for (uint32_t i = 0; i < s->ncols; i++)
        s->cols[i].expr = expr_column(b->arena, i, schema->types[i], s->cols[i].expr->location);
    s->input = (struct relation){.node = node};
}

/* DISTINCT ON (k) ... ORDER BY k, x: the first row of each k in that order, which may change. */
static enum status first_by_order(struct binder *b, struct selecting *s)
{
    const struct ast_select *ast = s->ast;
    TRY(settle_targets(b, s));
    struct columns c = columns_of(b, s, ast->non + ast->norder);
    uint32_t *key = arena_array(b->arena, MAX(ast->non, 1), sizeof *key), nsort = 0;
    struct plan_sort_key *sort = arena_zarray(b->arena, ast->norder, sizeof *sort);
    for (uint32_t i = 0; i < ast->non; i++)
        key[i] = column_add(&c, s->on[i], relation_name_of(b, &s->input, s->on[i]));
    for (uint32_t i = 0; i < ast->norder; i++) {
        TRY(bind_settle(b, &s->order[i]));
        uint32_t column = column_add(&c, s->order[i], relation_name_of(b, &s->input, s->order[i]));
        bool is_key = false;
        for (uint32_t k = 0; k < ast->non && !is_key; k++)
            is_key = key[k] == column;
        if (!is_key)
            TRY(bind_has_order(b, s->order[i], ast->order[i].expr->location));
        if (i < ast->non && !is_key)
            return bind_error(b, ast->order[i].expr->location,
                              "SELECT DISTINCT ON expressions must match initial ORDER BY expressions");
        if (!is_key)
            sort[nsort++] = (struct plan_sort_key){column, ast->order[i].descending, ast->order[i].nulls_first};
        s->order[i] = expr_column(b->arena, column, s->order[i]->type, s->order[i]->location);
    }
    uint32_t node;
    struct plan_topn first = {OVER_ROW_NUMBER, key, ast->non, 1};
    TRY(node_project(b, s->input.node, c.exprs, c.names, c.count, ast->location, &node));
    node = node_topn(b, node, &first, sort, nsort, "rank", ast->on[0]->location);
    targets_are(b, s, node);
    return OK;
}

static enum status distinct_on(struct binder *b, struct selecting *s)
{
    const struct ast_select *ast = s->ast;
    if (ast->norder)
        return first_by_order(b, s);
    TRY(settle_targets(b, s));
    const struct plan_node *below = b->nodes[s->input.node];
    struct columns c = columns_of(b, s, ast->non + 1);
    uint32_t *key = arena_array(b->arena, MAX(ast->non, 1), sizeof *key), nkey = 0;
    for (uint32_t i = 0; i < ast->non; i++) {
        uint32_t column = column_add(&c, s->on[i], relation_name_of(b, &s->input, s->on[i]));
        bool known = false;
        for (uint32_t k = 0; k < nkey && !known; k++)
            known = key[k] == column;
        if (!known)
            key[nkey++] = column;
    }
    if (below->ntimes) { /* by it keys are forgotten, whether it is selected or not */
        uint32_t t = below->times[0].column;
        column_add(&c, expr_column(b->arena, t, below->schema.types[t], -1), below->schema.names[t]);
    }
    uint32_t node;
    TRY(node_project(b, s->input.node, c.exprs, c.names, c.count, ast->location, &node));
    TRY(node_dedup(b, node, key, nkey, ast->on[0]->location, &node));
    targets_are(b, s, node);
    return OK;
}

static enum status distinct_rows(struct binder *b, struct selecting *s)
{
    TRY(settle_targets(b, s));
    struct columns c = columns_of(b, s, 0);
    uint32_t node;
    for (uint32_t i = 0; i < s->ast->norder; i++) {
        uint32_t column = column_add(&(struct columns){c.exprs, c.names, c.count}, s->order[i], "");
        if (column == c.count)
            return bind_error(b, s->ast->order[i].expr->location,
                              "for SELECT DISTINCT, ORDER BY expressions must appear in the SELECT list");
        s->order[i] = expr_column(b->arena, column, s->order[i]->type, s->order[i]->location);
    }
    TRY(node_project(b, s->input.node, c.exprs, c.names, c.count, s->ast->location, &node));
    TRY(node_aggregate(b, node, c.count, NULL, 0, c.names, s->ast->location, &node));
    targets_are(b, s, node);
    return OK;
}

/* A constant count of rows. */
static enum status bind_count(struct binder *b, const struct ast_expr *e, const char *clause, int64_t otherwise,
                              int64_t *ret)
{
    *ret = otherwise;
    if (!e || e->kind == AST_NULL)
        return OK;
    if (e->kind != AST_NUMBER || !option_parse_int(e->name, ret))
        return bind_error(b, e->location, "%s wants a whole number", clause);
    return *ret < 0 ? bind_error(b, e->location, "%s must not be negative", clause) : OK;
}

static enum status bind_order(struct binder *b, struct selecting *s)
{
    const struct ast_select *ast = s->ast;
    int64_t limit, offset;
    if (ast->distinct == AST_DISTINCT_ON && ast->norder && !b->nodes[s->input.node]->bounded && !ast->limit)
        return OK; /* it said which row is first; a stream has no order to come out in */
    if (!ast->norder && !ast->limit && !ast->offset)
        return OK;
    TRY(bind_count(b, ast->limit, "LIMIT", -1, &limit));
    TRY(bind_count(b, ast->offset, "OFFSET", 0, &offset));
    TRY(settle_targets(b, s));
    struct columns c = columns_of(b, s, ast->norder);
    struct plan_sort_key *sort = arena_zarray(b->arena, ast->norder, sizeof *sort);
    for (uint32_t i = 0; i < ast->norder; i++) {
        TRY(bind_settle(b, &s->order[i]));
        TRY(bind_has_order(b, s->order[i], ast->order[i].expr->location));
        sort[i].column = column_add(&c, s->order[i], relation_name_of(b, &s->input, s->order[i]));
        sort[i].descending = ast->order[i].descending;
        sort[i].nulls_first = ast->order[i].nulls_first;
    }
    uint32_t node;
    int32_t location = ast->norder  ? ast->order[0].expr->location
                       : ast->limit ? ast->limit->location
                                    : ast->offset->location;
    TRY(node_project(b, s->input.node, c.exprs, c.names, c.count, ast->location, &node));
    TRY(node_sort(b, node, sort, ast->norder, limit, offset, location, &node));
    targets_are(b, s, node);
    return OK;
}

static enum status bind_plain(struct binder *b, struct cte *ctes, const struct ast_select *ast, struct relation *ret)
{
    TRY(rows_from_list(b, ast, &ast));
    struct selecting s = {.ast = ast};
    if (ast->from)
        TRY(bind_from(b, ctes, ast, &s.input));
    else
        TRY(relation_nothing(b, ast->location, &s.input));
    if (ast->nsets)
        TRY(columns_apart(b, &s.input, ast->location));
    struct relation visible = s.input;
    s.scope = (struct scope){.input = ast->from ? &visible : NULL, .clause = "WHERE"};
    if (ast->from && ast->from->kind != AST_FROM_JOIN)
        s.scope.alias = ast->from->alias                         ? ast->from->alias
                        : ast->from->kind == AST_FROM_WINDOW ? ast->from->args[0]->name
                                                             : ast->from->name;
    if (ast->where && !ast->from) {
        struct expr *where;
        TRY(bind_condition(b, &s.scope, ast->where, &where));
        TRY(node_filter(b, s.input.node, where, ast->where->location, &s.input.node));
    }
    s.values = (struct values){.ctes = ctes, .ncolumns = VALUE_ABOVE};
    s.below.ctes = ctes;
    if (select_has_groups(ast)) {
        s.scope.grouping = &s.grouping;
        TRY(bind_groups(b, &s));
    }
    s.scope.values = &s.values;
    TRY(bind_lists(b, &s));
    if (s.scope.grouping)
        TRY(finish_groups(b, &s));
    TRY(finish_values(b, &s));
    if (s.having)
        TRY(node_filter(b, s.input.node, s.having, ast->having->location, &s.input.node));
    TRY(finish_over(b, &s));
    if (ast->distinct == AST_DISTINCT_ON)
        TRY(distinct_on(b, &s));
    if (ast->distinct == AST_DISTINCT_ROWS)
        TRY(distinct_rows(b, &s));
    TRY(bind_order(b, &s));
    *ret = (struct relation){s.input.node, s.cols, s.ncols};
    return OK;
}

/* ---- VALUES and UNION ---- */

static enum status bind_values(struct binder *b, const struct ast_select *ast, struct relation *ret)
{
    struct scope scope = {.clause = "VALUES"};
    struct expr ***rows = arena_array(b->arena, ast->nrows, sizeof *rows);
    struct type *types = arena_array(b->arena, ast->nrows, sizeof *types);
    struct schema schema = {.ncols = ast->ncells, .names = arena_array(b->arena, ast->ncells, sizeof(char *)),
                            .types = arena_array(b->arena, ast->ncells, sizeof(struct type))};
    for (uint32_t r = 0; r < ast->nrows; r++) {
        rows[r] = arena_array(b->arena, ast->ncells, sizeof **rows);
        for (uint32_t c = 0; c < ast->ncells; c++)
            TRY(bind_expr(b, &scope, ast->rows[r][c], &rows[r][c]));
    }
    for (uint32_t c = 0; c < ast->ncells; c++) {
        for (uint32_t r = 0; r < ast->nrows; r++)
            types[r] = rows[r][c]->type;
        schema.names[c] = arena_printf(b->arena, "column%u", c + 1);
        TRY(bind_located(b, ast->location,
                         expr_common_type(types, ast->nrows, "VALUES", &schema.types[c], b->err)));
        for (uint32_t r = 0; r < ast->nrows; r++) {
            int32_t at = ast->rows[r][c]->location;
            TRY(bind_located(b, at, expr_cast(b->arena, rows[r][c], schema.types[c], CAST_IMPLICIT, at, &rows[r][c],
                                              b->err)));
        }
    }
    uint32_t node;
    TRY(node_values(b, rows, ast->nrows, &schema, ast->location, &node));
    *ret = relation_of_node(b, node, schema.names, schema.ncols);
    return OK;
}

static enum status union_types(struct binder *b, const struct ast_select *ast, struct relation *left,
                               struct relation *right)
{
    if (left->ncols != right->ncols)
        return bind_error(b, ast->right->location,
                          "each side of UNION must have the same number of columns, not %u and %u", left->ncols,
                          right->ncols);
    for (uint32_t i = 0; i < left->ncols; i++) {
        struct expr **l = &left->cols[i].expr, **r = &right->cols[i].expr;
        struct type both[] = {(*l)->type, (*r)->type}, common;
        int32_t at = (*r)->location >= 0 ? (*r)->location : ast->right->location;
        TRY(bind_located(b, at, expr_common_type(both, 2, "UNION", &common, b->err)));
        TRY(bind_located(b, at, expr_cast(b->arena, *l, common, CAST_IMPLICIT, (*l)->location, l, b->err)));
        TRY(bind_located(b, at, expr_cast(b->arena, *r, common, CAST_IMPLICIT, (*r)->location, r, b->err)));
    }
    return OK;
}

static enum status bind_union(struct binder *b, struct cte *ctes, const struct ast_select *ast, struct relation *ret)
{
    struct relation left, right;
    TRY(bind_select(b, ctes, ast->left, &left));
    TRY(bind_select(b, ctes, ast->right, &right));
    left.cols = arena_dup(b->arena, left.cols, left.ncols * sizeof *left.cols); /* views keep theirs */
    right.cols = arena_dup(b->arena, right.cols, right.ncols * sizeof *right.cols);
    TRY(union_types(b, ast, &left, &right));
    const char **names = arena_array(b->arena, left.ncols, sizeof *names);
    for (uint32_t i = 0; i < left.ncols; i++)
        names[i] = right.cols[i].name = left.cols[i].name;
    TRY(relation_materialise(b, &left, ast->left->location));
    TRY(relation_materialise(b, &right, ast->right->location));
    const uint32_t both[] = {left.node, right.node};
    TRY(node_end_together(b, both, 2, ast->location));
    uint32_t node = node_union(b, both, 2, ast->location);
    if (!ast->all)
        TRY(node_aggregate(b, node, left.ncols, NULL, 0, names, ast->location, &node));
    *ret = relation_of_node(b, node, names, left.ncols);
    return OK;
}

/* ORDER BY and LIMIT behind VALUES or UNION: they see only the output's columns. */
static enum status order_output(struct binder *b, const struct ast_select *ast, struct relation *r)
{
    struct selecting s = {.ast = ast, .input = *r, .cols = r->cols, .ncols = r->ncols, .cap = r->ncols};
    s.scope = (struct scope){.input = r, .alias = "the result", .clause = "ORDER BY"};
    s.order = arena_array(b->arena, ast->norder, sizeof(struct expr *));
    for (uint32_t i = 0; i < ast->norder; i++)
        TRY(bind_item(b, &s, ast->order[i].expr, "ORDER BY", &s.order[i]));
    TRY(bind_order(b, &s));
    *r = (struct relation){s.input.node, s.cols, s.ncols};
    return OK;
}

/* ---- any query ---- */

static enum status bind_ctes(struct binder *b, struct cte *outer, const struct ast_select *ast, struct cte **ret)
{
    const char *step = b->step;
    for (uint32_t i = 0; i < ast->nctes; i++) {
        const struct ast_cte *c = &ast->ctes[i];
        struct cte *cte = arena_zalloc(b->arena, sizeof *cte);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(ast->ctes[k].name, c->name) == 0)
                return bind_error(b, c->location, "WITH names \"%s\" twice", c->name);
        *cte = (struct cte){.name = c->name, .outer = outer};
        b->step = c->name;
        TRY(bind_select(b, outer, c->query, &cte->relation));
        TRY(relation_publish(b, &cte->relation, c->location));
        TRY(relation_rename(b, &cte->relation, &c->columns, c->name, c->location));
        b->step = step;
        outer = cte;
    }
    *ret = outer;
    return OK;
}

enum status bind_select(struct binder *b, struct cte *ctes, const struct ast_select *s, struct relation *ret)
{
    struct relation r;
    if (b->nnodes > BIND_MAX_NODES)
        return bind_error(b, s->location, "the plan has more than %d steps", BIND_MAX_NODES);
    TRY(bind_ctes(b, ctes, s, &ctes));
    if (s->kind == AST_SELECT_PLAIN)
        return bind_plain(b, ctes, s, ret);
    if (s->kind == AST_SELECT_VALUES)
        TRY(bind_values(b, s, &r));
    else
        TRY(bind_union(b, ctes, s, &r));
    TRY(order_output(b, s, &r));
    *ret = r;
    return OK;
}
