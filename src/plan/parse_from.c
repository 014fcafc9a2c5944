/* FROM: relations, subqueries, windows, functions, joins. */
#include "plan/parse_private.h"

#define NODE(kind) PG_QUERY__NODE__NODE_##kind

/* Words of other dialects that PostgreSQL's grammar silently takes for an alias: FROM a ASOF JOIN b. */
static const char *const keyword_aliases[] = {
    "anti", "asof", "changelog", "cumulate", "emit", "final", "hop", "match_recognize", "pivot", "qualify", "sample",
    "semi", "session", "tumble", "unpivot", "watermark",
};

static enum status check_alias(struct parser *p, const char *alias, int32_t location)
{
    for (size_t i = 0; i < ARRAY_LEN(keyword_aliases); i++)
        if (strcmp(alias, keyword_aliases[i]) == 0) {
            (void)problem_at(p->text, parser_location(p, location), p->err, ERR_SQL,
                             "\"%s\" is no keyword here: PostgreSQL takes it for an alias", alias);
            return error_hint(p->err, "if an alias is meant, choose another name");
        }
    return OK;
}

static enum status parse_alias(struct parser *p, const PgQuery__Alias *alias, struct ast_from *from, int32_t location)
{
    if (!alias)
        return OK;
    from->alias = parser_strdup(p, alias->aliasname);
    from->columns = parser_names(p, alias->colnames, alias->n_colnames);
    return check_alias(p, from->alias, location);
}

/* Of its first column, -1: it has none. */
static int32_t subquery_location(const PgQuery__RangeSubselect *s)
{
    if (s->subquery->node_case != NODE(SELECT_STMT) || s->subquery->select_stmt->n_target_list == 0 ||
        s->subquery->select_stmt->target_list[0]->node_case != NODE(RES_TARGET))
        return -1;
    return s->subquery->select_stmt->target_list[0]->res_target->location;
}

static enum status parse_subquery(struct parser *p, const PgQuery__RangeSubselect *s, struct ast_from *from)
{
    if (s->lateral)
        return parser_refuse(p, subquery_location(s),
                             "functions can stand there: CROSS JOIN LATERAL unnest(a) AS u (x)",
                             "LATERAL before a subquery");
    if (s->subquery->node_case != NODE(SELECT_STMT))
        return parser_refuse(p, -1, NULL, "this subquery in FROM");
    from->kind = AST_FROM_QUERY;
    TRY(parse_select(p, s->subquery->select_stmt, &from->query));
    from->location = from->query->location;
    from->name = ""; /* PostgreSQL 15 demands an alias */
    return parse_alias(p, s->alias, from, -1);
}

/* ---- windows and functions ---- */

static const PgQuery__FuncCall *only_call(const PgQuery__RangeFunction *f)
{
    if (f->n_functions != 1 || f->functions[0]->node_case != NODE(LIST) || f->functions[0]->list->n_items == 0 ||
        f->functions[0]->list->items[0]->node_case != NODE(FUNC_CALL))
        return NULL;
    return f->functions[0]->list->items[0]->func_call;
}

static bool is_window(const char *name)
{
    static const char *const windows[] = {"tumble", "hop", "cumulate", "session"};
    for (size_t i = 0; i < ARRAY_LEN(windows); i++)
        if (strcmp(name, windows[i]) == 0)
            return true;
    return false;
}

/* f(a), or ROWS FROM (f(a), g(b)). unnest(a, b) is unnest(a) beside unnest(b). */
static enum status parse_calls(struct parser *p, const PgQuery__RangeFunction *f, struct ast_from *from)
{
    uint32_t cap = 0;
    for (size_t i = 0; i < f->n_functions; i++)
        if (f->functions[i]->node_case == NODE(LIST) && f->functions[i]->list->n_items &&
            f->functions[i]->list->items[0]->node_case == NODE(FUNC_CALL))
            cap += (uint32_t)MAX(f->functions[i]->list->items[0]->func_call->n_args, (size_t)1);
    from->args = arena_array(p->arena, MAX(cap, 1u), sizeof(struct ast_expr *));
    for (size_t i = 0; i < f->n_functions; i++) {
        const PgQuery__List *list = f->functions[i]->list;
        struct ast_expr *e = NULL;
        if (f->functions[i]->node_case != NODE(LIST) || list->n_items == 0 ||
            list->items[0]->node_case != NODE(FUNC_CALL))
            return parser_refuse(p, -1, NULL, "this function in FROM");
        int32_t location = list->items[0]->func_call->location;
        if (f->n_coldeflist || (list->n_items > 1 && list->items[1]->node_case == NODE(LIST)))
            return parser_refuse(p, location, "cast what its columns are made of", "a list of columns with types");
        TRY(parse_expr(p, list->items[0], &e));
        if (e->kind != AST_CALL || !e->plain || e->distinct || e->flag || e->filter || e->norder || e->over)
            return parser_refuse(p, location, NULL, "such a call in FROM");
        if (i == 0) {
            from->name = e->name;
            from->location = e->location;
        }
        if (strcmp(e->name, "unnest") != 0 || e->nargs < 2) {
            from->args[from->nargs++] = e;
            continue;
        }
        for (uint32_t k = 0; k < e->nargs; k++) {
            struct ast_expr *one = arena_dup(p->arena, e, sizeof *e);
            one->args = &e->args[k];
            one->nargs = 1;
            from->args[from->nargs++] = one;
        }
    }
    return OK;
}

static enum status parse_function_rows(struct parser *p, const PgQuery__RangeFunction *f, struct ast_from *from)
{
    from->kind = AST_FROM_FUNCTION;
    from->ordinality = f->ordinality;
    TRY(parse_calls(p, f, from));
    return parse_alias(p, f->alias, from, -1);
}

static enum status parse_range_function(struct parser *p, const PgQuery__RangeFunction *f, struct ast_from *from)
{
    const PgQuery__FuncCall *call = only_call(f);
    const char *name = call && call->n_funcname ? node_string(call->funcname[call->n_funcname - 1]) : "this function";
    if (!call || !is_window(name))
        return parse_function_rows(p, f, from);
    if (f->ordinality || f->lateral || f->n_coldeflist)
        return parser_refuse(p, call->location, NULL, "LATERAL, WITH ORDINALITY or a column list at %s()", name);
    from->kind = AST_FROM_WINDOW;
    from->name = parser_strdup(p, name);
    from->location = parser_location(p, call->location);
    from->nargs = (uint32_t)call->n_args;
    TRY(parse_exprs(p, call->args, call->n_args, &from->args));
    if (from->nargs == 0 || from->args[0]->kind != AST_COLUMN) {
        (void)problem_at(p->text, from->location, p->err, ERR_SQL, "%s() wants the name of a relation first", name);
        return error_hint(p->err, "for example %s(events, event_time, interval '1 minute'%s)", name,
                          strcmp(name, "session") == 0  ? ", user_id"
                          : strcmp(name, "tumble") == 0 ? ""
                                                        : ", interval '10 minutes'");
    }
    return parse_alias(p, f->alias, from, call->location);
}

/* ---- joins ---- */

static enum status parse_from_item(struct parser *p, const PgQuery__Node *n, struct ast_from **ret);

static enum status join_kind(struct parser *p, const PgQuery__JoinExpr *j, enum ast_join *ret)
{
    if (j->is_natural)
        return parser_refuse(p, -1, "name the columns: JOIN ... USING (a, b)", "NATURAL JOIN");
    switch (j->jointype) {
    case PG_QUERY__JOIN_TYPE__JOIN_INNER: *ret = AST_JOIN_INNER; return OK;
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT: *ret = AST_JOIN_LEFT; return OK;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT: *ret = AST_JOIN_RIGHT; return OK;
    case PG_QUERY__JOIN_TYPE__JOIN_FULL: *ret = AST_JOIN_FULL; return OK;
    default: return parser_refuse(p, -1, NULL, "this kind of join");
    }
}

static enum status parse_join(struct parser *p, const PgQuery__JoinExpr *j, struct ast_from *from)
{
    if (++p->depth > PARSE_MAX_DEPTH)
        return problem_at(p->text, p->start, p->err, ERR_LIMIT, "joins nest deeper than %d levels", PARSE_MAX_DEPTH);
    from->kind = AST_FROM_JOIN;
    TRY(join_kind(p, j, &from->join));
    TRY(parse_from_item(p, j->larg, &from->left));
    TRY(parse_from_item(p, j->rarg, &from->right));
    p->depth--;
    from->location = from->right->location;
    from->shared = parser_names(p, j->using_clause, j->n_using_clause);
    if (j->join_using_alias || j->alias)
        return parser_refuse(p, -1, "give the tables aliases", "an alias for a join");
    return j->quals ? parse_expr(p, j->quals, &from->on) : OK;
}

static enum status parse_from_item(struct parser *p, const PgQuery__Node *n, struct ast_from **ret)
{
    struct ast_from *from = arena_zalloc(p->arena, sizeof *from);
    *ret = from;
    switch (n->node_case) {
    case NODE(RANGE_VAR):
        from->location = parser_location(p, n->range_var->location);
        TRY(parse_relation(p, n->range_var, &from->schema, &from->name));
        return parse_alias(p, n->range_var->alias, from, n->range_var->location);
    case NODE(RANGE_SUBSELECT): return parse_subquery(p, n->range_subselect, from);
    case NODE(JOIN_EXPR): return parse_join(p, n->join_expr, from);
    case NODE(RANGE_FUNCTION): return parse_range_function(p, n->range_function, from);
    case NODE(RANGE_TABLE_SAMPLE): return parser_refuse(p, n->range_table_sample->location, NULL, "TABLESAMPLE");
    default: return parser_refuse(p, -1, NULL, "this item of FROM");
    }
}

static bool has_function(const struct ast_from *from)
{
    return from->kind == AST_FROM_FUNCTION ||
           (from->kind == AST_FROM_JOIN && (has_function(from->left) || has_function(from->right)));
}

/* a, (b JOIN f(a.x)) is (a, b) JOIN f(a.x): so that what a function reads is on its left. */
static struct ast_from *join_by_comma(struct parser *p, struct ast_from *left, struct ast_from *right)
{
    bool moves = right->kind == AST_FROM_JOIN && right->shared.count == 0 && has_function(right) &&
                 (right->join == AST_JOIN_INNER || right->join == AST_JOIN_LEFT);
    if (moves) {
        right->left = join_by_comma(p, left, right->left);
        return right;
    }
    struct ast_from *both = arena_zalloc(p->arena, sizeof *both);
    *both = (struct ast_from){.kind = AST_FROM_JOIN, .left = left, .right = right, .location = right->location};
    return both;
}

enum status parse_from(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_from **ret)
{
    struct ast_from *all = NULL;
    for (size_t i = 0; i < n; i++) {
        struct ast_from *item = NULL;
        TRY(parse_from_item(p, nodes[i], &item));
        all = all ? join_by_comma(p, all, item) : item;
    }
    *ret = all;
    return OK;
}
