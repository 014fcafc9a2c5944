/* Subqueries that bind_subquery.c took apart, as joins: (SELECT ...) as a value, and LATERAL (SELECT ...). A row around
 * without any is kept by a LEFT JOIN; what one row of no rows has is computed above it, where a count that is not there
 * is 0. */
#include "plan/bind.h"

/* Columns and what they are of both sides, for the conditions and outputs. */
static enum status bind_conditions(struct binder *b, const struct scope *scope, const struct subquery *q, uint32_t more,
                                   struct expr ***ret)
{
    struct expr **conditions = arena_array(b->arena, q->nconditions + more, sizeof *conditions);
    for (uint32_t i = 0; i < q->nconditions; i++)
        TRY(bind_condition(b, scope, q->conditions[i], &conditions[i]));
    *ret = conditions;
    return OK;
}

/* e where the condition is true, else NULL. */
static enum status null_unless(struct binder *b, struct expr *condition, struct expr **e)
{
    int32_t at = (*e)->location;
    struct expr *args[] = {condition, *e, expr_null(b->arena, (*e)->type, at)};
    return bind_located(b, at, expr_case(b->arena, args, ARRAY_LEN(args), at, e, b->err));
}

/* ---- values: syntax that is one ---- */

static struct ast_expr *syntax(struct binder *b, enum ast_kind kind, const char *name, int32_t location,
                               struct ast_expr *const *args, uint32_t nargs)
{
    struct ast_expr *e = arena_zalloc(b->arena, sizeof *e);
    *e = (struct ast_expr){.kind = kind, .name = name, .location = location, .nargs = nargs};
    e->len = name ? strlen(name) : 0;
    e->args = arena_dup(b->arena, args, nargs * sizeof *args);
    return e;
}

/* (SELECT aggregate FROM ...) of a query without groups. */
static struct ast_expr *aggregate_of(struct binder *b, const struct ast_select *query, const char *name,
                                     struct ast_expr *arg, int32_t location)
{
    struct ast_select *s = arena_dup(b->arena, query, sizeof *s);
    struct ast_expr *aggregate = syntax(b, AST_CALL, name, location, &arg, 1);
    struct ast_target target = {aggregate, name};
    aggregate->plain = true;
    s->targets = arena_dup(b->arena, &target, sizeof target);
    s->ntargets = 1;
    s->order = NULL;
    s->norder = 0;
    s->limit = NULL;
    s->distinct = AST_DISTINCT_NONE;
    struct ast_expr *value = syntax(b, AST_VALUE, NULL, location, NULL, 0);
    value->query = s;
    return value;
}

static enum status bind_else(struct binder *b, const struct scope *scope, struct ast_expr *value,
                             struct ast_expr *otherwise, struct expr **ret)
{
    struct ast_expr *args[] = {value, otherwise};
    return bind_expr(b, scope, syntax(b, AST_COALESCE, NULL, value->location, args, ARRAY_LEN(args)), ret);
}

static bool is_plain(const struct ast_select *s)
{
    return s->kind == AST_SELECT_PLAIN && s->from && s->nctes == 0 && !select_has_groups(s) && !s->offset &&
           s->distinct != AST_DISTINCT_ON;
}

/* SELECT value FROM (any query) AS "(rows)" (value), which cannot read the row around. */
static struct ast_select *rows_of(struct binder *b, const struct ast_select *s)
{
    static const char *names[] = {"value"};
    struct ast_select *all = arena_zalloc(b->arena, sizeof *all);
    struct ast_from *from = arena_zalloc(b->arena, sizeof *from);
    struct ast_expr *column = syntax(b, AST_COLUMN, names[0], s->location, NULL, 0);
    *from = (struct ast_from){.kind = AST_FROM_QUERY, .query = (struct ast_select *)s, .name = "(rows)",
                              .alias = "(rows)", .columns = {names, ARRAY_LEN(names)}, .location = s->location};
    *all = (struct ast_select){.kind = AST_SELECT_PLAIN, .location = s->location, .from = from, .ntargets = 1};
    all->targets = arena_dup(b->arena, &(struct ast_target){column, names[0]}, sizeof *all->targets);
    return all;
}

/* EXISTS is whether any row is: one that comes or goes beside others changes nothing. Aggregates without groups are one
 * row, unless HAVING is not true. */
static enum status value_of_exists(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                                   struct expr **ret)
{
    const struct ast_select *s = e->query;
    bool some = !s->limit || (s->limit->kind == AST_NUMBER && strcmp(s->limit->name, "0") != 0);
    bool simple = some && s->kind == AST_SELECT_PLAIN && s->from && s->nctes == 0 && !s->offset;
    struct ast_expr *yes = syntax(b, AST_BOOL, NULL, e->location, NULL, 0);
    struct ast_expr *no = syntax(b, AST_BOOL, NULL, e->location, NULL, 0);
    yes->flag = true;
    struct ast_select *open = arena_dup(b->arena, s, sizeof *s);
    if (simple && select_has_groups(s) && s->ngroup == 0 && s->nsets == 0) {
        struct ast_expr *value = syntax(b, AST_VALUE, NULL, e->location, NULL, 0);
        struct ast_target target = {s->having ? s->having : yes, "having"};
        open->targets = arena_dup(b->arena, &target, sizeof target);
        open->ntargets = 1;
        open->grouped = true;
        open->having = NULL;
        open->limit = NULL;
        open->norder = 0;
        open->distinct = AST_DISTINCT_NONE;
        value->query = open;
        return bind_else(b, scope, value, no, ret);
    }
    if (simple && select_has_any(s)) {
        open->grouped = false;
        open->ngroup = 0;
    }
    return bind_else(b, scope, aggregate_of(b, simple && select_has_any(s) ? open : rows_of(b, s), "bool_or", yes,
                                            e->location), no, ret);
}

/* The members of a set that IN looks through, as the one column of a query that can be taken apart. */
static enum status members_of(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                              const struct ast_select **ret)
{
    const struct ast_select *s = e->query;
    uint32_t n = s->ntargets;
    bool open = is_plain(s) && !s->limit;
    for (uint32_t i = 0; i < s->ntargets; i++)
        open &= s->targets[i].expr->kind != AST_STAR && !over_has_call(s->targets[i].expr);
    *ret = s;
    if (!open) {
        struct relation own;
        *ret = rows_of(b, s);
        TRY(from_columns(b, scope->values->ctes, (*ret)->from, &own));
        n = own.ncols;
    }
    return n == 1 ? OK
                  : bind_error(b, e->location, "the subquery of %s must have one column, not %u",
                               e->kind == AST_IN ? "IN" : "ANY or ALL", n);
}

/* What is compared with the members, bound: it is of the row around. */
static enum status compared(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                            struct ast_expr **ret)
{
    struct ast_expr *x = syntax(b, AST_BOUND, NULL, e->location, NULL, 0);
    if (over_has_call(e->args[0])) {
        (void)bind_refuse(b, e->location, "%s (SELECT ...) of a window function",
                          e->kind == AST_IN ? "IN" : "ANY and ALL");
        return error_hint(b->err, "number the rows in a subquery in FROM, and ask above it");
    }
    TRY(bind_expr(b, scope, e->args[0], &x->bound));
    *ret = x;
    return OK;
}

/* x < ANY (members) is whether x is less than the greatest; NULL where it is not and one is NULL; false of none. */
static enum status value_of_any(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                                struct expr **ret)
{
    int32_t at = e->location;
    bool differs = strcmp(e->name, "<>") == 0, least = differs || e->name[0] == '>', most = differs || !least;
    struct ast_expr *x, *nulls = syntax(b, AST_BOUND, NULL, at, NULL, 0), *either[3];
    const struct ast_select *members;
    uint32_t n = 0;
    TRY(compared(b, scope, e, &x));
    TRY(members_of(b, scope, e, &members));
    struct ast_expr *member = members->targets[0].expr;
    if (least)
        either[n++] = syntax(b, AST_CALL, e->name, at,
                             (struct ast_expr *[]){x, aggregate_of(b, members, "min", member, at)}, 2);
    if (most)
        either[n++] = syntax(b, AST_CALL, e->name, at,
                             (struct ast_expr *[]){x, aggregate_of(b, members, "max", member, at)}, 2);
    struct ast_expr *is_null = syntax(b, AST_IS_NULL, NULL, at, &member, 1);
    TRY(bind_expr(b, scope, aggregate_of(b, members, "bool_or", is_null, at), &nulls->bound));
    struct ast_expr *unknown[] = {syntax(b, AST_NULL, NULL, at, NULL, 0), nulls};
    either[n++] = syntax(b, AST_AND, NULL, at, unknown, ARRAY_LEN(unknown));
    struct ast_expr *empty = syntax(b, AST_IS_NULL, NULL, at, &nulls, 1);
    struct ast_expr *all[] = {syntax(b, AST_NOT, NULL, at, &empty, 1), syntax(b, AST_OR, NULL, at, either, n)};
    return bind_expr(b, scope, syntax(b, AST_AND, NULL, at, all, ARRAY_LEN(all)), ret);
}

/* x IN (members) is whether one equals x; where none does, NULL if one is NULL, or x is and there is any. */
static enum status value_of_in(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                               struct expr **ret)
{
    int32_t at = e->location;
    struct ast_expr *x, *nulls = syntax(b, AST_BOUND, NULL, at, NULL, 0);
    struct ast_expr *match = syntax(b, AST_BOUND, NULL, at, NULL, 0);
    struct ast_expr *yes = syntax(b, AST_BOOL, NULL, at, NULL, 0), *no = syntax(b, AST_BOOL, NULL, at, NULL, 0);
    const struct ast_select *members;
    yes->flag = true;
    if (e->nargs != 1) {
        (void)bind_refuse(b, at, "IN (SELECT ...) of a row in this place");
        return error_hint(b->err, "it stands in WHERE, joined to other conditions by AND; EXISTS (...) stands "
                                  "anywhere");
    }
    TRY(compared(b, scope, e, &x));
    TRY(members_of(b, scope, e, &members));
    struct ast_expr *member = members->targets[0].expr;
    struct ast_select *equal = arena_dup(b->arena, members, sizeof *equal);
    struct ast_expr *both[] = {syntax(b, AST_CALL, "=", at, (struct ast_expr *[]){member, x}, 2), members->where};
    equal->where = members->where ? syntax(b, AST_AND, NULL, at, both, 2) : both[0];
    TRY(bind_else(b, scope, aggregate_of(b, equal, "bool_or", yes, at), no, &match->bound));
    struct ast_expr *is_null = syntax(b, AST_IS_NULL, NULL, at, &member, 1);
    TRY(bind_expr(b, scope, aggregate_of(b, members, "bool_or", is_null, at), &nulls->bound));
    struct ast_expr *empty = syntax(b, AST_IS_NULL, NULL, at, &nulls, 1);
    struct ast_expr *either[] = {nulls, syntax(b, AST_IS_NULL, NULL, at, &x, 1)};
    struct ast_expr *unknown[] = {syntax(b, AST_NULL, NULL, at, NULL, 0), syntax(b, AST_NOT, NULL, at, &empty, 1),
                                  syntax(b, AST_OR, NULL, at, either, 2)};
    struct ast_expr *all[] = {match, syntax(b, AST_AND, NULL, at, unknown, ARRAY_LEN(unknown))};
    return bind_expr(b, scope, syntax(b, AST_OR, NULL, at, all, ARRAY_LEN(all)), ret);
}

static enum status value_of_array(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                                  struct expr **ret)
{
    const struct ast_select *s = e->query;
    if (!is_plain(s) || s->limit || s->distinct != AST_DISTINCT_NONE || s->ntargets != 1 ||
        s->targets[0].expr->kind == AST_STAR || over_has_call(s->targets[0].expr)) {
        (void)bind_refuse(b, e->location, "ARRAY of such a subquery");
        return error_hint(b->err,
                          "it may be SELECT x FROM ... WHERE ... ORDER BY y; else put array_agg(x) over a view");
    }
    struct ast_expr *value = aggregate_of(b, s, "array_agg", s->targets[0].expr, e->location);
    struct ast_expr *elements = value->query->targets[0].expr;
    struct ast_expr *none = syntax(b, AST_STRING, "{}", e->location, NULL, 0);
    elements->order = arena_dup(b->arena, s->order, s->norder * sizeof *s->order);
    elements->norder = s->norder;
    for (uint32_t i = 0; i < s->norder; i++) {
        const struct ast_expr *by = s->order[i].expr;
        bool named = by->kind == AST_COLUMN && !by->qualifier && strcmp(by->name, s->targets[0].name) == 0;
        if (named || (by->kind == AST_NUMBER && strcmp(by->name, "1") == 0))
            elements->order[i].expr = s->targets[0].expr;
    }
    return bind_else(b, scope, value, none, ret);
}

/* ---- values: one row at most ---- */

/* As many rows as a key that is compared as it is: a float compares equal to several numbers. */
static bool compares_whole(const struct expr *condition)
{
    bool cast = condition->kind == EXPR_CALL && condition->args[0]->kind != EXPR_COLUMN &&
                condition->args[1]->kind != EXPR_COLUMN;
    return condition->kind == EXPR_CALL && !(cast && condition->args[0]->type.id == TYPE_FLOAT8);
}

static enum status check_one_row(struct binder *b, struct subquery *q, struct expr *const *conditions, int32_t location)
{
    uint32_t *key = arena_array(b->arena, MAX(q->nkeys, 1), sizeof *key), n = 0;
    if (q->one)
        return OK;
    for (uint32_t i = 0; i < q->nkeys; i++)
        if (q->rows.cols[i].expr->kind == EXPR_COLUMN && compares_whole(conditions[i]))
            key[n++] = q->rows.cols[i].expr->column;
    if (keys_within(b->nodes[q->rows.node], key, n))
        return OK;
    (void)bind_refuse(b, location, "a subquery as a value that may have more than one row");
    return error_hint(b->err, "say which: an aggregate such as max(x), ORDER BY ... LIMIT 1, or a key that is unique");
}

/* WITH, or no FROM: the query as it is, which reads no row around. */
static enum status whole_query(struct binder *b, struct cte *ctes, const struct ast_select *s, struct subquery *ret)
{
    struct subquery q = {.noutputs = 0};
    struct ast_expr *e = arena_zalloc(b->arena, sizeof *e);
    TRY(bind_select(b, ctes, s, &q.rows));
    TRY(relation_publish(b, &q.rows, s->location));
    q.noutputs = q.rows.ncols;
    if (q.noutputs != 1)
        return bind_error(b, s->location, "subquery must return only one column");
    q.rows.cols = arena_dup(b->arena, q.rows.cols, q.rows.ncols * sizeof *q.rows.cols);
    *e = (struct ast_expr){.kind = AST_COLUMN, .name = "value", .qualifier = "(value)", .location = s->location};
    q.rows.cols[0].name = e->name;
    q.rows.cols[0].item = e->qualifier;
    q.outputs = arena_dup(b->arena, &(struct ast_target){e, e->name}, sizeof *q.outputs);
    *ret = q;
    return OK;
}

/* The query's columns, then those of the rows by their stand-ins. */
static struct relation both_columns(struct binder *b, const struct relation *around, const struct relation *rows,
                                    uint32_t first)
{
    struct relation both = {.ncols = around->ncols + rows->ncols};
    both.cols = arena_array(b->arena, MAX(both.ncols, 1), sizeof *both.cols);
    for (uint32_t i = 0; i < both.ncols; i++) {
        uint32_t k = i < around->ncols ? 0 : i - around->ncols;
        both.cols[i] = i < around->ncols ? around->cols[i] : rows->cols[k];
        if (i >= around->ncols)
            both.cols[i].expr = expr_column(b->arena, VALUE_COLUMN + first + k, rows->cols[k].expr->type, -1);
    }
    return both;
}

static enum status value_of_query(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                                  struct expr **ret)
{
    struct values *v = scope->values;
    const struct ast_select *s = e->query;
    struct relation nothing = {0};
    const struct relation *around = scope->input ? scope->input : &nothing;
    struct subquery q;
    bool whole = s->kind == AST_SELECT_PLAIN && (s->nctes || !s->from);
    TRY(whole ? whole_query(b, v->ctes, s, &q) : subquery_open(b, v->ctes, around, s, true, &q));
    if (q.noutputs != 1)
        return bind_error(b, e->location, "subquery must return only one column");
    struct relation both = both_columns(b, around, &q.rows, v->ncolumns);
    struct scope inside = *scope;
    struct joined_value joined = {.rows = q.rows,
                                  .first = v->ncolumns,
                                  .nconditions = q.nconditions,
                                  .always = q.one && q.nconditions == 0,
                                  .location = e->location};
    struct expr *value, *condition;
    v->ncolumns += q.rows.ncols;
    inside.input = &both;
    inside.clause = "a subquery";
    TRY(bind_conditions(b, &inside, &q, 0, &joined.conditions));
    TRY(check_one_row(b, &q, joined.conditions, e->location));
    TRY(bind_expr(b, &inside, q.outputs[0].expr, &value));
    TRY(bind_settle(b, &value));
    const struct ast_expr *only = q.having ? q.having : q.there;
    if (only) {
        TRY(bind_condition(b, &inside, only, &condition));
        TRY(null_unless(b, condition, &value));
    }
    v->items = binder_grow(b, v->items, v->count, &v->cap, sizeof *v->items);
    v->items[v->count++] = joined;
    *ret = value;
    return OK;
}

static enum status value_of(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    if (e->kind == AST_EXISTS)
        return value_of_exists(b, scope, e, ret);
    if (e->kind == AST_IN)
        return value_of_in(b, scope, e, ret);
    if (e->kind == AST_ANY)
        return value_of_any(b, scope, e, ret);
    return e->kind == AST_ARRAY ? value_of_array(b, scope, e, ret) : value_of_query(b, scope, e, ret);
}

enum status value_of_subquery(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    if (!scope->values) {
        (void)bind_refuse(b, e->location, "a subquery in this place");
        return error_hint(b->err, "subqueries stand in WHERE, the lists, HAVING, arguments of aggregates and ON of "
                                  "joins; elsewhere, join it in FROM");
    }
    const struct scope *around = b->around;
    b->around = scope->input ? scope : around;
    enum status s = value_of(b, scope, e, ret);
    b->around = around;
    return s;
}

/* ---- values: the joins ---- */

/* Which column a column becomes. */
struct mapping {
    uint32_t nleft, first, nrows;
    const struct relation_column *cols; /* NULL: that of join_columns */
};

static bool is_mapped(const struct mapping *m, uint32_t column, uint32_t *ret)
{
    bool mine = column >= VALUE_COLUMN + m->first && column < VALUE_COLUMN + m->first + m->nrows;
    *ret = mine ? m->nleft + column - VALUE_COLUMN - m->first : column;
    return mine || column < VALUE_COLUMN;
}

static struct expr *mapped(struct binder *b, const struct mapping *m, struct expr *e)
{
    uint32_t column;
    if (e->kind == EXPR_CONST || (e->kind == EXPR_COLUMN && !is_mapped(m, e->column, &column)))
        return e;
    if (e->kind == EXPR_COLUMN)
        return m->cols ? expr_column(b->arena, m->cols[column].expr->column, e->type, e->location)
                       : expr_column(b->arena, column, e->type, e->location);
    struct expr *copy = arena_dup(b->arena, e, sizeof *e);
    copy->args = arena_array(b->arena, e->nargs, sizeof *copy->args);
    for (uint32_t i = 0; i < e->nargs; i++)
        copy->args[i] = mapped(b, m, e->args[i]);
    return copy;
}

static void want(const struct mapping *m, const struct expr *e, uint64_t *wanted)
{
    uint32_t column;
    if (e->kind == EXPR_COLUMN && is_mapped(m, e->column, &column))
        bit_set(wanted, column);
    for (uint32_t i = 0; i < e->nargs; i++)
        want(m, e->args[i], wanted);
}

static enum status join_value(struct binder *b, struct values *v, uint32_t which, uint32_t *node, struct expr ***exprs,
                              uint32_t nexprs)
{
    struct joined_value *item = &v->items[which];
    const struct schema *schema = &b->nodes[*node]->schema;
    struct relation left = relation_of_node(b, *node, schema->names, schema->ncols), joined;
    struct mapping m = {left.ncols, item->first, item->rows.ncols, NULL};
    uint64_t *wanted = arena_zarray(b->arena, MAX(BITMAP_WORDS(left.ncols + item->rows.ncols), 1), sizeof *wanted);
    for (uint32_t i = 0; i < nexprs; i++)
        want(&m, *exprs[i], wanted);
    for (uint32_t later = which + 1; later < v->count; later++)
        for (uint32_t i = 0; i < v->items[later].nconditions; i++)
            want(&m, v->items[later].conditions[i], wanted);
    for (uint32_t i = 0; i < item->nconditions; i++)
        item->conditions[i] = mapped(b, &m, item->conditions[i]);
    TRY(bind_join(b,
                  &(struct join_request){item->always ? JOIN_INNER : JOIN_LEFT, &left, &item->rows, item->conditions,
                                         item->nconditions, wanted, item->location},
                  &joined));
    m.cols = joined.cols;
    for (uint32_t i = 0; i < nexprs; i++)
        *exprs[i] = mapped(b, &m, *exprs[i]);
    for (uint32_t later = which + 1; later < v->count; later++)
        for (uint32_t i = 0; i < v->items[later].nconditions; i++)
            v->items[later].conditions[i] = mapped(b, &m, v->items[later].conditions[i]);
    *node = joined.node;
    return OK;
}

enum status values_join(struct binder *b, struct values *v, uint32_t *node, struct expr ***exprs, uint32_t nexprs)
{
    for (uint32_t i = 0; i < v->count; i++)
        TRY(join_value(b, v, i, node, exprs, nexprs));
    v->count = 0;
    return OK;
}

/* ---- LATERAL ---- */

enum status joined_columns(struct binder *b, struct cte *ctes, const struct relation *before,
                           const struct ast_from *ast, struct relation *ret)
{
    struct subquery q;
    TRY(subquery_open(b, ctes, before, ast->query, false, &q));
    struct relation both = join_columns(b, before, &q.rows);
    struct relation r = {.node = UINT32_MAX, .ncols = q.noutputs};
    struct scope scope = {.input = &both, .clause = "the SELECT list"};
    r.cols = arena_zarray(b->arena, MAX(r.ncols, 1), sizeof *r.cols);
    for (uint32_t i = 0; i < r.ncols; i++) {
        struct expr *e;
        TRY(bind_expr(b, &scope, q.outputs[i].expr, &e));
        TRY(bind_settle(b, &e));
        r.cols[i] = (struct relation_column){.name = q.outputs[i].name, .expr = expr_column(b->arena, i, e->type, -1)};
    }
    *ret = r;
    return OK;
}

/* A LATERAL subquery while it is joined; expressions are over join_columns. */
struct lateral_join {
    struct binder *b;
    const struct lateral_request *q;
    struct subquery sub;
    struct relation both;
    struct relation r; /* left's columns, then the outputs */
    struct expr **conditions;
    uint32_t nconditions;
    struct expr *there; /* what is selected is there where this is true; NULL: always */
};

static enum status bind_outputs(struct lateral_join *j)
{
    struct binder *b = j->b;
    uint32_t nleft = j->q->left->ncols;
    struct scope scope = {.input = &j->both, .clause = "the SELECT list"};
    j->r.ncols = nleft + j->sub.noutputs;
    j->r.cols = arena_array(b->arena, MAX(j->r.ncols, 1), sizeof *j->r.cols);
    for (uint32_t i = 0; i < j->r.ncols; i++) {
        j->r.cols[i] = i < nleft ? j->both.cols[i] : j->q->item->cols[i - nleft];
        if (i < nleft)
            continue;
        TRY(bind_expr(b, &scope, j->sub.outputs[i - nleft].expr, &j->r.cols[i].expr));
        TRY(bind_settle(b, &j->r.cols[i].expr));
    }
    return OK;
}

/* ON belongs to the join where rows are joined one by one; of one row it says whether that is there. */
static enum status bind_ties(struct lateral_join *j)
{
    struct binder *b = j->b;
    const struct subquery *s = &j->sub;
    struct scope scope = {.input = &j->both, .clause = "WHERE"}, with = {.input = &j->r, .clause = "ON"};
    struct expr *on = NULL;
    TRY(bind_conditions(b, &scope, s, 1, &j->conditions));
    j->nconditions = s->nconditions;
    if (j->q->on)
        TRY(bind_condition(b, &with, j->q->on, &on));
    if (on && !s->one)
        j->conditions[j->nconditions++] = on;
    scope.clause = "HAVING";
    if (s->having || s->there)
        TRY(bind_condition(b, &scope, s->having ? s->having : s->there, &j->there));
    if (!on || !s->one)
        return OK;
    struct expr *both[] = {j->there, on};
    if (!j->there)
        j->there = on;
    else
        TRY(bind_located(b, on->location, expr_logic(b->arena, EXPR_AND, both, 2, on->location, &j->there, b->err)));
    return OK;
}

static enum status make_join(struct lateral_join *j, struct relation *ret)
{
    const struct lateral_request *q = j->q;
    uint64_t *wanted = arena_zarray(j->b->arena, MAX(BITMAP_WORDS(j->both.ncols), 1), sizeof *wanted);
    for (uint32_t i = 0; i < q->left->ncols; i++)
        if (q->kept->cols[i].expr)
            bit_set(wanted, i);
    for (uint32_t i = q->left->ncols; i < j->r.ncols; i++)
        expr_columns(j->r.cols[i].expr, wanted);
    if (j->there)
        expr_columns(j->there, wanted);
    enum join_kind kind = j->sub.one ? (j->nconditions ? JOIN_LEFT : JOIN_INNER) : q->outer ? JOIN_LEFT : JOIN_INNER;
    return bind_join(
        j->b,
        &(struct join_request){kind, q->left, &j->sub.rows, j->conditions, j->nconditions, wanted, q->ast->location},
        ret);
}

enum status joined_apply(struct binder *b, struct cte *ctes, const struct lateral_request *q, struct relation *ret)
{
    struct lateral_join j = {.b = b, .q = q};
    struct relation joined;
    uint32_t nleft = q->left->ncols, largest = 0;
    TRY(subquery_open(b, ctes, q->left, q->ast->query, q->outer, &j.sub));
    assert(j.sub.noutputs == q->item->ncols);
    j.both = join_columns(b, q->left, &j.sub.rows);
    TRY(bind_outputs(&j));
    TRY(bind_ties(&j));
    TRY(make_join(&j, &joined));
    struct expr **replacement = arena_zarray(b->arena, MAX(joined.ncols, 1), sizeof *replacement);
    for (uint32_t i = 0; i < joined.ncols; i++)
        replacement[i] = joined.cols[i].expr;
    if (j.there)
        j.there = expr_substitute(b->arena, j.there, replacement);
    j.r.node = joined.node;
    if (j.there && !q->outer)
        TRY(node_filter(b, j.r.node, j.there, q->ast->location, &j.r.node));
    for (uint32_t i = 0; i < j.r.ncols; i++) {
        struct expr **e = &j.r.cols[i].expr;
        *e = i < nleft ? joined.cols[i].expr : expr_substitute(b->arena, *e, replacement);
        bool itself = i >= nleft && !j.sub.one && subquery_has_output(&j.sub, i - nleft);
        if (i >= nleft && q->outer && j.there && !itself)
            TRY(null_unless(b, j.there, e));
        largest = MAX(largest, *e ? expr_size(*e, BIND_MAX_INLINE + 1) : 0);
    }
    *ret = j.r;
    return largest > BIND_MAX_INLINE ? rows_compute(b, ret, q->ast->location) : OK;
}
