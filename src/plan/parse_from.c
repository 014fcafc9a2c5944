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

static struct ast_expr *expr_of(struct parser *p, enum ast_kind kind, const char *name, int32_t location,
                                uint32_t nargs, struct ast_expr *const *args)
{
    struct ast_expr *e = arena_zalloc(p->arena, sizeof *e);
    e->kind = kind;
    e->name = name;
    e->len = name ? strlen(name) : 0;
    e->location = location;
    e->nargs = nargs;
    e->args = nargs ? arena_dup(p->arena, args, nargs * sizeof *args) : NULL;
    return e;
}

/* LATERAL (VALUES (a, b), (c, d)) AS v is unnest(ARRAY[a, c], ARRAY[b, d]): rows made of one. */
static void values_to_arrays(struct parser *p, struct ast_from *from)
{
    const struct ast_select *values = from->query;
    struct ast_names names = {arena_array(p->arena, MAX(values->ncells, from->columns.count), sizeof(char *)), 0};
    struct ast_expr **cells = arena_array(p->arena, values->nrows, sizeof *cells);
    from->kind = AST_FROM_FUNCTION;
    from->lateral = false; /* a function reads what stands before it anyway */
    from->name = "unnest";
    from->args = arena_array(p->arena, values->ncells, sizeof *from->args);
    from->nargs = values->ncells;
    for (uint32_t c = 0; c < values->ncells; c++) {
        for (uint32_t r = 0; r < values->nrows; r++)
            cells[r] = values->rows[r][c];
        struct ast_expr *array = expr_of(p, AST_CALL, "ARRAY[x]", cells[0]->location, values->nrows, cells);
        from->args[c] = expr_of(p, AST_CALL, "unnest", from->location, 1, &array);
        from->args[c]->plain = true;
        names.items[c] = arena_printf(p->arena, "column%u", c + 1);
    }
    names.count = MAX(values->ncells, from->columns.count);
    for (uint32_t c = 0; c < from->columns.count; c++)
        names.items[c] = from->columns.items[c];
    from->columns = names;
}

static enum status parse_subquery(struct parser *p, const PgQuery__RangeSubselect *s, struct ast_from *from)
{
    if (s->subquery->node_case != NODE(SELECT_STMT))
        return parser_refuse(p, -1, NULL, "this subquery in FROM");
    from->kind = AST_FROM_QUERY;
    TRY(parse_select(p, s->subquery->select_stmt, &from->query));
    from->location = from->query->location;
    from->name = ""; /* PostgreSQL 15 demands an alias */
    from->lateral = s->lateral;
    TRY(parse_alias(p, s->alias, from, -1));
    if (from->lateral && from->query->kind == AST_SELECT_VALUES)
        values_to_arrays(p, from);
    return OK;
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

/* ROWS FROM (f(a) AS (b integer)): the list of columns; NULL: none. */
static const PgQuery__List *own_columns_of(const PgQuery__Node *function)
{
    const PgQuery__List *list = function->node_case == NODE(LIST) ? function->list : NULL;
    return list && list->n_items > 1 && list->items[1]->node_case == NODE(LIST) ? list->items[1]->list : NULL;
}
static const PgQuery__List *own_columns(const PgQuery__RangeFunction *f)
{
    return f->n_functions == 1 ? own_columns_of(f->functions[0]) : NULL;
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
        if (f->n_functions > 1 && own_columns_of(f->functions[i]))
            return parser_refuse(p, location, "put the function into FROM by itself",
                                 "a list of columns with types beside other functions");
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

static struct ast_expr *cast_of(struct parser *p, struct ast_expr *e, struct ast_type type)
{
    struct ast_expr *cast = expr_of(p, AST_CAST, NULL, type.location, 1, &e);
    cast->type = type;
    return cast;
}

/* The elements of a JSON array; `otherwise`: of a string, the text of an array. */
static struct ast_expr *array_column(struct parser *p, struct ast_expr *const part[2], struct ast_expr *otherwise,
                                     struct ast_type type)
{
    int32_t at = type.location;
    struct ast_expr *value = expr_of(p, AST_CALL, "->", at, 2, part), *args[3];
    args[0] = expr_of(p, AST_CALL, "jsonb_typeof", at, 1, &value);
    args[1] = expr_of(p, AST_STRING, "array", at, 0, NULL);
    args[0] = expr_of(p, AST_CALL, "=", at, 2, args);
    args[1] = expr_of(p, AST_CALL, "jsonb_array_elements_text", at, 1, &value);
    args[1] = cast_of(p, args[1], type);
    args[2] = otherwise;
    return expr_of(p, AST_CASE, NULL, at, 3, args);
}

static enum status define_column(struct parser *p, const PgQuery__Node *n, struct ast_expr *record,
                                 struct ast_target *ret)
{
    struct ast_type type;
    if (n->node_case != NODE(COLUMN_DEF))
        return parser_refuse(p, -1, NULL, "this list of columns");
    const char *name = parser_strdup(p, n->column_def->colname);
    TRY(parse_type(p, n->column_def->type_name, &type));
    struct ast_expr *key = expr_of(p, AST_STRING, name, type.location, 0, NULL);
    struct ast_expr *args[] = {record, key}, *value;
    if (strcmp(type.name, "jsonb") == 0 && type.array)
        return parser_refuse(p, n->column_def->location, "take it as jsonb, and jsonb_array_elements() of it",
                             "a column of type jsonb[] in such a list");
    value = expr_of(p, AST_CALL, "->>", type.location, 2, args);
    if (strcmp(type.name, "jsonb") == 0) { /* of which null is NULL, too */
        value->name = "->";
        args[0] = value;
        args[1] = expr_of(p, AST_STRING, "null", type.location, 0, NULL);
        value = expr_of(p, AST_CALL, "nullif", type.location, 2, args);
    } else {
        value = cast_of(p, value, type);
    }
    *ret = (struct ast_target){type.array ? array_column(p, args, value, type) : value, name};
    return OK;
}

/* jsonb_to_recordset(x) AS r (a integer, ...) is LATERAL (SELECT (value ->> 'a')::integer AS a, ... FROM
 * jsonb_to_recordset(x) AS "(records)" (value)) AS r. */
static enum status define_columns(struct parser *p, PgQuery__Node *const *columns, size_t n, struct ast_from *from)
{
    struct ast_select *s = arena_zalloc(p->arena, sizeof *s);
    struct ast_from *records = arena_dup(p->arena, from, sizeof *from);
    struct ast_expr *value = expr_of(p, AST_COLUMN, "value", from->location, 0, NULL);
    records->alias = value->qualifier = "(records)";
    records->columns = (struct ast_names){arena_dup(p->arena, &value->name, sizeof(char *)), 1};
    records->defined = true;
    *s = (struct ast_select){.kind = AST_SELECT_PLAIN, .location = from->location, .from = records};
    s->targets = arena_zarray(p->arena, n + 1, sizeof *s->targets);
    for (size_t i = 0; i < n; i++)
        TRY(define_column(p, columns[i], value, &s->targets[s->ntargets++]));
    if (from->ordinality) {
        struct ast_expr *number = expr_of(p, AST_COLUMN, "ordinality", from->location, 0, NULL);
        s->targets[s->ntargets++] = (struct ast_target){number, "ordinality"};
    }
    *from = (struct ast_from){.kind = AST_FROM_QUERY, .query = s, .lateral = true, .location = from->location,
                              .name = from->name, .alias = from->alias, .columns = from->columns};
    return OK;
}

static enum status parse_function_rows(struct parser *p, const PgQuery__RangeFunction *f, struct ast_from *from)
{
    from->kind = AST_FROM_FUNCTION;
    from->ordinality = f->ordinality;
    TRY(parse_calls(p, f, from));
    TRY(parse_alias(p, f->alias, from, -1));
    if (f->n_coldeflist && f->ordinality)
        return parser_refuse(p, only_call(f) ? only_call(f)->location : -1,
                             "ROWS FROM (jsonb_to_recordset(x) AS (a integer)) WITH ORDINALITY",
                             "WITH ORDINALITY at a list of columns with types");
    const PgQuery__List *own = own_columns(f);
    if (own)
        return define_columns(p, own->items, own->n_items, from);
    return f->n_coldeflist ? define_columns(p, f->coldeflist, f->n_coldeflist, from) : OK;
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
    return from->kind == AST_FROM_FUNCTION || from->lateral ||
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
