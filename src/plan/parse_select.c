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

static enum status parse_range_function(struct parser *p, const PgQuery__RangeFunction *f)
{
    const char *name = "function";
    int32_t location = -1;
    if (f->n_functions && f->functions[0]->node_case == NODE(LIST) && f->functions[0]->list->n_items &&
        f->functions[0]->list->items[0]->node_case == NODE(FUNC_CALL)) {
        const PgQuery__FuncCall *call = f->functions[0]->list->items[0]->func_call;
        location = call->location;
        if (call->n_funcname)
            name = node_string(call->funcname[call->n_funcname - 1]);
    }
    static const char *const windows[] = {"tumble", "hop", "cumulate", "session"};
    for (size_t i = 0; i < ARRAY_LEN(windows); i++)
        if (strcmp(name, windows[i]) == 0)
            return parser_refuse(p, location, "for fixed windows, GROUP BY date_trunc('hour', the time column)",
                                 "the window %s() in FROM", name);
    return parser_refuse(p, location, NULL, "%s() in FROM", name);
}

static enum status parse_from_item(struct parser *p, const PgQuery__Node *n, struct ast_from **ret)
{
    struct ast_from *from = arena_zalloc(p->arena, sizeof *from);
    switch (n->node_case) {
    case NODE(RANGE_VAR):
        from->location = parser_location(p, n->range_var->location);
        TRY(parse_relation(p, n->range_var, &from->schema, &from->name));
        TRY(parse_alias(p, n->range_var->alias, from, n->range_var->location));
        break;
    case NODE(RANGE_SUBSELECT):
        if (n->range_subselect->lateral)
            return parser_refuse(p, -1, NULL, "LATERAL");
        if (n->range_subselect->subquery->node_case != NODE(SELECT_STMT))
            return parser_refuse(p, -1, NULL, "this subquery in FROM");
        TRY(parse_select(p, n->range_subselect->subquery->select_stmt, &from->query));
        from->location = from->query->location;
        from->name = ""; /* PostgreSQL 15 demands an alias */
        TRY(parse_alias(p, n->range_subselect->alias, from, -1));
        break;
    case NODE(JOIN_EXPR): return parser_refuse(p, -1, "UNION ALL and GROUP BY can bring two streams together", "JOIN");
    case NODE(RANGE_FUNCTION): return parse_range_function(p, n->range_function);
    case NODE(RANGE_TABLE_SAMPLE): return parser_refuse(p, n->range_table_sample->location, NULL, "TABLESAMPLE");
    default: return parser_refuse(p, -1, NULL, "this item of FROM");
    }
    *ret = from;
    return OK;
}

/* Where the second item of FROM begins, or a join's, as far as the tree tells. */
static int32_t from_location(const PgQuery__Node *n)
{
    while (n && n->node_case == NODE(JOIN_EXPR))
        n = n->join_expr->rarg;
    return n && n->node_case == NODE(RANGE_VAR) ? n->range_var->location : -1;
}

static enum status parse_from(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    if (s->n_from_clause == 0)
        return OK;
    if (s->n_from_clause > 1)
        return parser_refuse(p, from_location(s->from_clause[1]),
                             "UNION ALL and GROUP BY can bring two streams together", "a join of several tables");
    if (s->from_clause[0]->node_case == NODE(JOIN_EXPR))
        return parser_refuse(p, from_location(s->from_clause[0]),
                             "UNION ALL and GROUP BY can bring two streams together", "JOIN");
    return parse_from_item(p, s->from_clause[0], &into->from);
}

/* The name PostgreSQL gives an expression without AS (FigureColname in its parse_target.c), and how sure it is of it: a
 * column's or function's name (2) outlives a cast around it, a type's name or "case" (1) does not. */
static int figure_name(const PgQuery__Node *n, const char **ret);

static int cast_name(const PgQuery__TypeCast *c, const char **ret)
{
    int strength = figure_name(c->arg, ret);
    if (strength > 1 || c->type_name->n_names == 0)
        return strength;
    *ret = node_string(c->type_name->names[c->type_name->n_names - 1]);
    return 1;
}

static int case_name(const PgQuery__CaseExpr *c, const char **ret)
{
    int strength = c->defresult ? figure_name(c->defresult, ret) : 0;
    if (strength > 1)
        return strength;
    *ret = "case";
    return 1;
}

static int clock_name(const PgQuery__SQLValueFunction *f, const char **ret)
{
    *ret = f->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE     ? "current_date"
           : f->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP ? "localtimestamp"
                                                                           : "current_timestamp";
    return 2;
}

static int last_name(PgQuery__Node *const *names, size_t n, const char **ret)
{
    if (n == 0 || names[n - 1]->node_case != NODE(STRING))
        return 0;
    *ret = node_string(names[n - 1]);
    return 2;
}

static int figure_name(const PgQuery__Node *n, const char **ret)
{
    switch (n->node_case) {
    case NODE(COLUMN_REF): return last_name(n->column_ref->fields, n->column_ref->n_fields, ret);
    case NODE(FUNC_CALL): return last_name(n->func_call->funcname, n->func_call->n_funcname, ret);
    case NODE(TYPE_CAST): return cast_name(n->type_cast, ret);
    case NODE(COLLATE_CLAUSE): return figure_name(n->collate_clause->arg, ret);
    case NODE(CASE_EXPR): return case_name(n->case_expr, ret);
    case NODE(SQLVALUE_FUNCTION): return clock_name(n->sqlvalue_function, ret);
    case NODE(COALESCE_EXPR): *ret = "coalesce"; return 2;
    case NODE(MIN_MAX_EXPR):
        *ret = n->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least";
        return 2;
    case NODE(A_EXPR):
        if (n->a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF)
            return 0;
        *ret = "nullif";
        return 2;
    default: return 0;
    }
}

static const char *target_name(const PgQuery__Node *n)
{
    const char *name = "?column?";
    (void)figure_name(n, &name);
    return name;
}

static enum status parse_targets(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    into->ntargets = (uint32_t)s->n_target_list;
    into->targets = arena_zarray(p->arena, s->n_target_list, sizeof *into->targets);
    for (size_t i = 0; i < s->n_target_list; i++) {
        const PgQuery__ResTarget *target = s->target_list[i]->res_target;
        TRY(parse_expr(p, target->val, &into->targets[i].expr));
        into->targets[i].name =
            parser_strdup(p, target->name && *target->name ? target->name : target_name(target->val));
    }
    return OK;
}

static enum status parse_group(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    for (size_t i = 0; i < s->n_group_clause; i++) {
        const PgQuery__Node *n = s->group_clause[i];
        if (n->node_case != NODE(GROUPING_SET))
            continue;
        if (n->grouping_set->kind != PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_EMPTY || s->n_group_clause > 1)
            return parser_refuse(p, n->grouping_set->location, "write one GROUP BY each and UNION ALL them",
                                 "GROUPING SETS, ROLLUP or CUBE");
        into->grouped = true;
        return OK;
    }
    if (s->group_distinct)
        return parser_refuse(p, -1, NULL, "GROUP BY DISTINCT");
    into->grouped = s->n_group_clause > 0;
    into->ngroup = (uint32_t)s->n_group_clause;
    return parse_exprs(p, s->group_clause, s->n_group_clause, &into->group);
}

static enum status parse_distinct(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    if (s->n_distinct_clause == 0)
        return OK;
    /* Plain DISTINCT is a list with one empty node. */
    into->distinct = s->distinct_clause[0]->node_case == PG_QUERY__NODE__NODE__NOT_SET ? AST_DISTINCT_ROWS
                                                                                       : AST_DISTINCT_ON;
    if (into->distinct == AST_DISTINCT_ROWS)
        return OK;
    into->non = (uint32_t)s->n_distinct_clause;
    return parse_exprs(p, s->distinct_clause, s->n_distinct_clause, &into->on);
}

static enum status parse_values(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    into->kind = AST_SELECT_VALUES;
    into->nrows = (uint32_t)s->n_values_lists;
    into->rows = arena_zarray(p->arena, s->n_values_lists, sizeof *into->rows);
    for (size_t i = 0; i < s->n_values_lists; i++) {
        const PgQuery__List *row = s->values_lists[i]->list;
        if (i == 0)
            into->ncells = (uint32_t)row->n_items;
        TRY(parse_exprs(p, row->items, row->n_items, &into->rows[i]));
        if (row->n_items != into->ncells)
            return problem_at(p->text, row->n_items ? into->rows[i][0]->location : into->location, p->err, ERR_SQL,
                              "VALUES lists must all be the same length");
    }
    if (into->ncells)
        into->location = into->rows[0][0]->location;
    return OK;
}

static enum status parse_plain(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    into->kind = AST_SELECT_PLAIN;
    TRY(parse_targets(p, s, into));
    if (into->ntargets)
        into->location = into->targets[0].expr->location;
    TRY(parse_from(p, s, into));
    if (s->where_clause)
        TRY(parse_expr(p, s->where_clause, &into->where));
    TRY(parse_group(p, s, into));
    if (s->having_clause)
        TRY(parse_expr(p, s->having_clause, &into->having));
    if (s->n_window_clause)
        return parser_refuse(p, s->window_clause[0]->window_def->location, NULL, "WINDOW");
    return parse_distinct(p, s, into);
}

static enum status parse_set_operation(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    TRY(parse_select(p, s->larg, &into->left));
    TRY(parse_select(p, s->rarg, &into->right));
    if (s->op != PG_QUERY__SET_OPERATION__SETOP_UNION) {
        (void)problem_at(p->text, into->right->location, p->err, ERR_UNSUPPORTED, "%s is not supported",
                         s->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? "INTERSECT" : "EXCEPT");
        return error_hint(p->err, "UNION ALL with a sign, GROUP BY and HAVING can say the same");
    }
    into->kind = AST_SELECT_UNION;
    into->all = s->all;
    into->location = into->left->location;
    return OK;
}

enum status parse_order(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_order **ret)
{
    struct ast_order *list = arena_zarray(p->arena, n, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const PgQuery__SortBy *by = nodes[i]->sort_by;
        if (by->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING)
            return parser_refuse(p, by->location, "write ASC or DESC", "ORDER BY ... USING");
        TRY(parse_expr(p, by->node, &list[i].expr));
        list[i].descending = by->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
        list[i].nulls_first = by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_DEFAULT
                                  ? list[i].descending
                                  : by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST;
    }
    *ret = list;
    return OK;
}

static enum status parse_tail(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    into->norder = (uint32_t)s->n_sort_clause;
    TRY(parse_order(p, s->sort_clause, s->n_sort_clause, &into->order));
    if (s->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES)
        return parser_refuse(p, -1, NULL, "FETCH ... WITH TIES");
    if (s->limit_count)
        TRY(parse_expr(p, s->limit_count, &into->limit));
    if (s->limit_offset)
        TRY(parse_expr(p, s->limit_offset, &into->offset));
    return OK;
}

static enum status parse_ctes(struct parser *p, const PgQuery__WithClause *with, struct ast_select *into)
{
    if (with->recursive)
        return parser_refuse(p, with->location, NULL, "WITH RECURSIVE");
    if (with->n_ctes > PARSE_MAX_CTES)
        return problem_at(p->text, parser_location(p, with->location), p->err, ERR_LIMIT,
                          "WITH has more than %d queries", PARSE_MAX_CTES);
    into->nctes = (uint32_t)with->n_ctes;
    into->ctes = arena_zarray(p->arena, with->n_ctes, sizeof *into->ctes);
    for (size_t i = 0; i < with->n_ctes; i++) {
        const PgQuery__CommonTableExpr *c = with->ctes[i]->common_table_expr;
        if (c->ctequery->node_case != NODE(SELECT_STMT))
            return parser_refuse(p, c->location, NULL, "WITH ... AS a statement other than SELECT");
        if (c->search_clause || c->cycle_clause)
            return parser_refuse(p, c->location, NULL, "SEARCH and CYCLE");
        struct ast_cte *cte = &into->ctes[i];
        cte->name = parser_strdup(p, c->ctename);
        cte->columns = parser_names(p, c->aliascolnames, c->n_aliascolnames);
        cte->location = parser_location(p, c->location);
        TRY(parse_select(p, c->ctequery->select_stmt, &cte->query));
    }
    return OK;
}

static enum status parse_select_parts(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    if (s->into_clause)
        return parser_refuse(p, -1, "INSERT INTO a table instead", "SELECT INTO");
    if (s->n_locking_clause)
        return parser_refuse(p, -1, NULL, "FOR UPDATE");
    if (s->with_clause)
        TRY(parse_ctes(p, s->with_clause, into));
    if (s->op == PG_QUERY__SET_OPERATION__SETOP_UNION || s->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ||
        s->op == PG_QUERY__SET_OPERATION__SETOP_EXCEPT)
        TRY(parse_set_operation(p, s, into));
    else if (s->n_values_lists)
        TRY(parse_values(p, s, into));
    else
        TRY(parse_plain(p, s, into));
    return parse_tail(p, s, into);
}

enum status parse_select(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select **ret)
{
    struct ast_select *select = arena_zalloc(p->arena, sizeof *select);
    select->location = p->start;
    if (++p->depth > PARSE_MAX_DEPTH)
        return problem_at(p->text, p->start, p->err, ERR_LIMIT, "queries nest deeper than %d levels",
                          PARSE_MAX_DEPTH);
    TRY(parse_select_parts(p, s, select));
    p->depth--;
    *ret = select;
    return OK;
}
