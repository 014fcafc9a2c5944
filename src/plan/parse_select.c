#include "plan/parse_private.h"

#define NODE(kind) PG_QUERY__NODE__NODE_##kind

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

/* A subquery that is a value has the name of its column. */
static int sublink_name(const PgQuery__SubLink *s, const char **ret)
{
    const PgQuery__SelectStmt *select = s->subselect->node_case == NODE(SELECT_STMT) ? s->subselect->select_stmt : NULL;
    switch (s->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: *ret = "exists"; return 2;
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: *ret = "array"; return 2;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: break;
    default: return 0;
    }
    while (select && select->larg)
        select = select->larg;
    if (!select || select->n_target_list == 0)
        return 0;
    const PgQuery__ResTarget *target = select->target_list[0]->res_target;
    if (!target->name || !*target->name)
        return figure_name(target->val, ret);
    *ret = target->name;
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
    case NODE(A_INDIRECTION):
        return last_name(n->a_indirection->indirection, n->a_indirection->n_indirection, ret)
                   ? 2
                   : figure_name(n->a_indirection->arg, ret);
    case NODE(A_ARRAY_EXPR): *ret = "array"; return 2;
    case NODE(COALESCE_EXPR): *ret = "coalesce"; return 2;
    case NODE(MIN_MAX_EXPR):
        *ret = n->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least";
        return 2;
    case NODE(A_EXPR):
        if (n->a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF)
            return 0;
        *ret = "nullif";
        return 2;
    case NODE(SUB_LINK): return sublink_name(n->sub_link, ret);
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

/* ---- GROUP BY: its items as lists of sets, and the sets of all of them as their product ---- */

enum { MAX_GROUPS = 64, MAX_SETS = 4096 };

struct sets {
    uint64_t *items;
    uint32_t count;
};

struct grouping_list {
    struct ast_select *into;
    uint32_t cap;
};

static enum status too_many(struct parser *p, int32_t location, const char *what, int most)
{
    return problem_at(p->text, parser_location(p, location), p->err, ERR_LIMIT, "GROUP BY has more than %d %s", most,
                      what);
}

static enum status add_group(struct parser *p, struct grouping_list *list, const PgQuery__Node *n, uint64_t *ret_bit)
{
    if (list->into->ngroup == list->cap)
        return too_many(p, -1, "expressions", MAX_GROUPS);
    TRY(parse_expr(p, n, &list->into->group[list->into->ngroup]));
    *ret_bit = UINT64_C(1) << list->into->ngroup++;
    return OK;
}

/* a, or (a, b): one element of ROLLUP or CUBE, or a set of GROUPING SETS. */
static enum status add_element(struct parser *p, struct grouping_list *list, const PgQuery__Node *n, uint64_t *ret)
{
    uint64_t bit;
    *ret = 0;
    if (n->node_case != NODE(ROW_EXPR))
        return add_group(p, list, n, ret);
    for (size_t i = 0; i < n->row_expr->n_args; i++) {
        TRY(add_group(p, list, n->row_expr->args[i], &bit));
        *ret |= bit;
    }
    return OK;
}

static enum status item_sets(struct parser *p, struct grouping_list *list, const PgQuery__Node *n, struct sets *ret);

static enum status union_sets(struct parser *p, struct grouping_list *list, const PgQuery__GroupingSet *g,
                              struct sets *ret)
{
    for (size_t i = 0; i < g->n_content; i++) {
        struct sets one = {0};
        TRY(item_sets(p, list, g->content[i], &one));
        if (ret->count + one.count > MAX_SETS)
            return too_many(p, g->location, "grouping sets", MAX_SETS);
        uint64_t *all = arena_array(p->arena, ret->count + one.count, sizeof *all);
        memcpy(all, ret->items ? ret->items : all, ret->count * sizeof *all);
        memcpy(all + ret->count, one.items, one.count * sizeof *all);
        *ret = (struct sets){all, ret->count + one.count};
    }
    return OK;
}

/* ROLLUP: every beginning of the list, the whole first. CUBE: every part of it. */
static enum status rollup_sets(struct parser *p, struct grouping_list *list, const PgQuery__GroupingSet *g,
                               struct sets *ret)
{
    bool cube = g->kind == PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE;
    uint64_t elements[MAX_GROUPS];
    uint32_t n = (uint32_t)g->n_content;
    if (g->n_content > MAX_GROUPS || (cube && g->n_content > 12))
        return too_many(p, g->location, cube ? "elements of CUBE" : "elements of ROLLUP", cube ? 12 : MAX_GROUPS);
    for (uint32_t i = 0; i < n; i++)
        TRY(add_element(p, list, g->content[i], &elements[i]));
    ret->count = cube ? UINT32_C(1) << n : n + 1;
    ret->items = arena_zarray(p->arena, ret->count, sizeof *ret->items);
    for (uint32_t s = 0; s < ret->count; s++)
        for (uint32_t i = 0; i < n; i++)
            if (cube ? !(s >> (n - 1 - i) & 1) : i < n - s)
                ret->items[s] |= elements[i];
    return OK;
}

static enum status item_sets(struct parser *p, struct grouping_list *list, const PgQuery__Node *n, struct sets *ret)
{
    if (n->node_case == NODE(GROUPING_SET)) {
        const PgQuery__GroupingSet *g = n->grouping_set;
        if (g->kind == PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_SETS)
            return union_sets(p, list, g, ret);
        if (g->kind != PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_EMPTY)
            return rollup_sets(p, list, g, ret);
    }
    ret->count = 1;
    ret->items = arena_zarray(p->arena, 1, sizeof *ret->items);
    return n->node_case == NODE(GROUPING_SET) ? OK : add_element(p, list, n, ret->items);
}

static enum status multiply_sets(struct parser *p, struct sets *all, const struct sets *by)
{
    uint64_t count = (uint64_t)all->count * by->count;
    if (count > MAX_SETS)
        return too_many(p, -1, "grouping sets", MAX_SETS);
    struct sets product = {arena_array(p->arena, count, sizeof *product.items), (uint32_t)count};
    for (uint32_t i = 0; i < count; i++)
        product.items[i] = all->items[i / by->count] | by->items[i % by->count];
    *all = product;
    return OK;
}

static bool has_sets(const PgQuery__SelectStmt *s)
{
    for (size_t i = 0; i < s->n_group_clause; i++)
        if (s->group_clause[i]->node_case == NODE(GROUPING_SET))
            return true;
    return false;
}

static enum status parse_group(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select *into)
{
    into->grouped = s->n_group_clause > 0;
    into->distinct_sets = s->group_distinct;
    if (!has_sets(s)) {
        into->ngroup = (uint32_t)s->n_group_clause;
        return parse_exprs(p, s->group_clause, s->n_group_clause, &into->group);
    }
    struct grouping_list list = {into, MAX_GROUPS};
    struct sets all = {arena_zarray(p->arena, 1, sizeof(uint64_t)), 1};
    into->group = arena_zarray(p->arena, MAX_GROUPS, sizeof(struct ast_expr *));
    for (size_t i = 0; i < s->n_group_clause; i++) {
        struct sets one = {0};
        TRY(item_sets(p, &list, s->group_clause[i], &one));
        TRY(multiply_sets(p, &all, &one));
    }
    bool plain = all.count == 1 && into->ngroup == 0; /* GROUP BY () */
    into->sets = plain ? NULL : all.items;
    into->nsets = plain ? 0 : all.count;
    return OK;
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
    TRY(parse_from(p, s->from_clause, s->n_from_clause, &into->from));
    if (s->where_clause)
        TRY(parse_expr(p, s->where_clause, &into->where));
    TRY(parse_group(p, s, into));
    if (s->having_clause)
        TRY(parse_expr(p, s->having_clause, &into->having));
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
    PgQuery__Node **windows = p->windows;
    size_t nwindows = p->nwindows;
    p->windows = s->window_clause;
    p->nwindows = s->n_window_clause;
    select->location = p->start;
    if (++p->depth > PARSE_MAX_DEPTH)
        return problem_at(p->text, p->start, p->err, ERR_LIMIT, "queries nest deeper than %d levels",
                          PARSE_MAX_DEPTH);
    TRY(parse_select_parts(p, s, select));
    p->windows = windows;
    p->nwindows = nwindows;
    p->depth--;
    *ret = select;
    return OK;
}
