/* CREATE FUNCTION: parameters, and one expression as the body, or where its code in C lies. */
#include "plan/parse_private.h"

#define NODE(kind) PG_QUERY__NODE__NODE_##kind

/* What the clauses behind RETURNS say. */
struct clauses {
    const PgQuery__DefElem *as;
    const char *language;
    int32_t language_location;
    const char *volatility;
    int32_t volatility_location;
    bool strict;
};

/* ---- parameters ---- */

static enum status parse_parameter(struct parser *p, const PgQuery__FunctionParameter *f, uint32_t index,
                                   struct ast_function *into)
{
    struct ast_parameter *param = &into->params[index];
    int32_t at = f->arg_type->location;
    switch (f->mode) {
    case PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_IN:
    case PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_DEFAULT: break;
    case PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_TABLE:
        return parser_refuse(p, at, "write a view", "a function that RETURNS TABLE");
    case PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_VARIADIC: return parser_refuse(p, at, NULL, "VARIADIC");
    default: return parser_refuse(p, at, "say RETURNS type", "an OUT parameter");
    }
    param->name = f->name && *f->name ? parser_strdup(p, f->name) : arena_printf(p->arena, "$%u", index + 1);
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(into->params[i].name, param->name) == 0)
            return problem_at(p->text, parser_location(p, at), p->err, ERR_SQL,
                              "parameter name \"%s\" is used twice", param->name);
    TRY(parse_type(p, f->arg_type, &param->type));
    if (f->defexpr)
        return parse_expr(p, f->defexpr, &param->otherwise);
    if (index && into->params[index - 1].otherwise)
        return problem_at(p->text, parser_location(p, at), p->err, ERR_SQL,
                          "parameters behind one with a default have a default too");
    return OK;
}

static enum status parse_parameters(struct parser *p, const PgQuery__CreateFunctionStmt *f, struct ast_function *into)
{
    into->nparams = (uint32_t)f->n_parameters;
    into->params = arena_zarray(p->arena, f->n_parameters, sizeof *into->params);
    for (uint32_t i = 0; i < into->nparams; i++)
        TRY(parse_parameter(p, f->parameters[i]->function_parameter, i, into));
    return OK;
}

/* ---- clauses ---- */

static enum status parse_clause(struct parser *p, const PgQuery__DefElem *d, struct clauses *into)
{
    /* What a planner is told that chooses among plans, and who may call. */
    static const char *const ignored[] = {"leakproof", "cost", "parallel"};
    if (strcmp(d->defname, "as") == 0)
        into->as = d;
    else if (strcmp(d->defname, "language") == 0) {
        into->language = node_string(d->arg);
        into->language_location = d->location;
    } else if (strcmp(d->defname, "volatility") == 0) {
        into->volatility = node_string(d->arg);
        into->volatility_location = d->location;
    } else if (strcmp(d->defname, "strict") == 0)
        into->strict = d->arg && d->arg->node_case == NODE(BOOLEAN) && d->arg->boolean->boolval;
    else {
        for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
            if (strcmp(d->defname, ignored[i]) == 0)
                return OK;
        return parser_refuse(p, d->location, NULL, "\"%s\" of a function", d->defname);
    }
    return OK;
}

/* ---- the body ---- */

/* SELECT expression, and nothing else. */
static enum status body_expression(struct parser *p, const struct ast_statement *body, struct ast_expr **ret)
{
    const struct ast_select *s = body->query;
    if (body->kind != AST_QUERY)
        return parser_refuse(p, -1, "write SELECT expression", "a function whose body is no SELECT");
    const char *what = s->kind == AST_SELECT_VALUES  ? "VALUES"
                       : s->kind == AST_SELECT_UNION ? "UNION"
                       : s->nctes                    ? "WITH"
                       : s->from                     ? "FROM"
                       : s->where                    ? "WHERE"
                       : s->grouped || s->having     ? "GROUP BY"
                       : s->distinct                 ? "DISTINCT"
                       : s->norder                   ? "ORDER BY"
                       : s->limit || s->offset       ? "LIMIT"
                                                     : NULL;
    if (what)
        return parser_refuse(p, -1, "the body is one expression of the parameters; what reads tables is a view",
                             "%s in a function", what);
    if (s->ntargets != 1)
        return parser_refuse(p, -1, "write SELECT expression", "a function that gives %u values", s->ntargets);
    *ret = s->targets[0].expr;
    return OK;
}

/* The text of a body that stands in quotes at or behind `location`; its places are the file's where its bytes are. */
static enum status parse_quoted(struct parser *outer, const char *text, int32_t location, struct ast_function *into)
{
    size_t from = MIN((size_t)MAX(location, 0), outer->sql.len), len = strlen(text);
    const char *found = memmem(outer->sql.data + from, outer->sql.len - from, text, len);
    struct parser p = {.arena = outer->arena, .text = outer->text, .start = parser_location(outer, location),
                       .inner = true, .nparams = into->nparams, .adrift = !found, .err = outer->err};
    p.sql = (struct slice){parser_strdup(outer, text), len};
    if (text_utf8_prefix(p.sql) != len)
        return problem_at(p.text, p.start, p.err, ERR_SQL, "the body of the function is no valid UTF-8");
    if (found) {
        p.base = outer->base + (int32_t)(found - outer->sql.data);
        p.start = p.base + (int32_t)strspn(text, " \t\r\n");
    }
    struct ast_statement *body;
    TRY(parse_inner(&p, &body));
    return body_expression(&p, body, &into->body);
}

static enum status parse_sql_body(struct parser *p, const PgQuery__CreateFunctionStmt *f, const struct clauses *c,
                                  struct ast_function *into)
{
    if (f->sql_body && c->as)
        return parser_refuse(p, c->as->location, "write RETURN expression, or AS 'SELECT expression'",
                             "a function with two bodies");
    if (f->sql_body && f->sql_body->node_case == NODE(RETURN_STMT)) {
        p->inner = true;
        p->nparams = into->nparams;
        return parse_expr(p, f->sql_body->return_stmt->returnval, &into->body);
    }
    if (f->sql_body)
        return parser_refuse(p, -1, "write RETURN expression", "BEGIN ATOMIC");
    if (!c->as || c->as->arg->node_case != NODE(LIST) || c->as->arg->list->n_items != 1)
        return parser_refuse(p, c->as ? c->as->location : -1, "write RETURN expression, or AS 'SELECT expression'",
                             "a function of this form");
    return parse_quoted(p, node_string(c->as->arg->list->items[0]), c->as->location, into);
}

/* AS 'library', 'symbol'; as in PostgreSQL, a symbol that is not said is the function's name. */
static enum status parse_c_body(struct parser *p, const PgQuery__CreateFunctionStmt *f, const struct clauses *c,
                                const char *name, struct ast_function *into)
{
    static const char *const write = "write AS 'library.so', 'symbol'";
    if (c->volatility && strcmp(c->volatility, "immutable") != 0)
        return parser_refuse(p, c->volatility_location, "the same arguments always give the same result: IMMUTABLE",
                             "%s of a function in C", c->volatility);
    if (f->sql_body || !c->as || c->as->arg->node_case != NODE(LIST) || c->as->arg->list->n_items > 2)
        return parser_refuse(p, c->as ? c->as->location : c->language_location, write, "a function in C of this form");
    const PgQuery__List *as = c->as->arg->list;
    into->library = parser_strdup(p, node_string(as->items[0]));
    into->symbol = as->n_items == 2 ? parser_strdup(p, node_string(as->items[1])) : name;
    into->library_location = parser_location(p, c->as->location);
    if (!*into->library || !*into->symbol)
        return parser_refuse(p, c->as->location, write, "a function in C without a %s",
                             *into->library ? "symbol" : "library");
    return OK;
}

enum status parse_function(struct parser *p, const PgQuery__CreateFunctionStmt *f, struct ast_statement *into)
{
    struct clauses clauses = {0};
    struct ast_function *function = arena_zalloc(p->arena, sizeof *function);
    into->kind = AST_CREATE_FUNCTION;
    into->function = function;
    if (p->inner)
        return parser_refuse(p, -1, NULL, "CREATE FUNCTION in a function");
    if (f->is_procedure)
        return parser_refuse(p, -1, NULL, "CREATE PROCEDURE");
    if (f->n_funcname > 1 && strcmp(node_string(f->funcname[0]), "public") != 0)
        return parser_refuse(p, -1, "names have no schema", "the schema \"%s\"", node_string(f->funcname[0]));
    into->name = f->n_funcname ? parser_strdup(p, node_string(f->funcname[f->n_funcname - 1])) : "";
    TRY(parse_parameters(p, f, function));
    if (!f->return_type)
        return parser_refuse(p, -1, "say RETURNS type", "a function without RETURNS");
    if (f->return_type->setof)
        return parser_refuse(p, f->return_type->location, "write a view", "a function that RETURNS SETOF");
    TRY(parse_type(p, f->return_type, &function->result));
    for (size_t i = 0; i < f->n_options; i++)
        TRY(parse_clause(p, f->options[i]->def_elem, &clauses));
    function->strict = clauses.strict;
    if (!clauses.language || strcmp(clauses.language, "sql") == 0)
        return parse_sql_body(p, f, &clauses, function);
    if (strcmp(clauses.language, "c") == 0)
        return parse_c_body(p, f, &clauses, into->name, function);
    return parser_refuse(p, clauses.language_location, "write it LANGUAGE sql, or LANGUAGE c", "LANGUAGE %s",
                         clauses.language);
}
