#include "plan/bind.h"

/* ---- names ---- */

static enum status unknown_column(struct binder *b, const struct scope *scope, const struct ast_expr *e)
{
    const struct relation *input = scope->input;
    if (!input)
        return bind_error(b, e->location, "column \"%s\" cannot stand in %s: there is nothing to take it from",
                          e->name, scope->clause);
    const char **names = arena_array(b->arena, input->ncols, sizeof *names);
    uint32_t n = 0;
    for (uint32_t i = 0; i < input->ncols; i++)
        if (!e->qualifier || (input->cols[i].item && strcmp(input->cols[i].item, e->qualifier) == 0))
            names[n++] = input->cols[i].name;
    const char *where = e->qualifier ? e->qualifier : scope->alias;
    if (where)
        return bind_unknown(b, e->location, e->name, names, n, "column \"%s\" does not exist in \"%s\"", e->name,
                            where);
    return bind_unknown(b, e->location, e->name, names, n, "column \"%s\" does not exist in any item of FROM", e->name);
}

static const char *item_of(const struct scope *scope, uint32_t column)
{
    return scope->input->cols[column].item ? scope->input->cols[column].item : scope->alias;
}

static bool is_named(const struct scope *scope, uint32_t column, const struct ast_expr *e)
{
    const struct relation_column *c = &scope->input->cols[column];
    if (strcmp(c->name, e->name) != 0)
        return false;
    return e->qualifier ? item_of(scope, column) && strcmp(item_of(scope, column), e->qualifier) == 0 : !c->qualified;
}

/* Is it no name of this query, but one of the query around? */
static bool is_around(struct binder *b, const struct ast_expr *e)
{
    bool found = false;
    for (uint32_t i = 0; b->around && i < b->around->input->ncols; i++)
        found |= is_named(b->around, i, e);
    b->reads_around |= found;
    return found;
}

static enum status refuse_around(struct binder *b, const struct ast_expr *e)
{
    (void)bind_refuse(b, e->location, "\"%s\", of the query around, in such a subquery", e->name);
    return error_hint(b->err, "a subquery reads the row around it in WHERE, without HAVING of its groups, UNION or "
                              "OFFSET; else join the table itself, and GROUP BY the key of the row");
}

static enum status check_qualifier(struct binder *b, const struct scope *scope, const struct ast_expr *e)
{
    uint32_t n = 0, ncols = scope->input ? scope->input->ncols : 0;
    const char **names = arena_array(b->arena, ncols + 1, sizeof *names);
    if (!e->qualifier || (scope->alias && strcmp(e->qualifier, scope->alias) == 0))
        return OK;
    for (uint32_t i = 0; i < ncols; i++) {
        const char *item = item_of(scope, i);
        if (item && strcmp(item, e->qualifier) == 0)
            return OK;
        if (item && (n == 0 || strcmp(names[n - 1], item) != 0))
            names[n++] = item;
    }
    if (is_around(b, e))
        return refuse_around(b, e);
    if (n == 1)
        return bind_unknown(b, e->location, e->qualifier, names, n, "there is no \"%s\" in FROM, only \"%s\"",
                            e->qualifier, names[0]);
    return bind_unknown(b, e->location, e->qualifier, names, n, "there is no \"%s\" in FROM", e->qualifier);
}

/* The item of FROM that is meant by its name alone, or NULL. */
static const struct relation_column *whole_item(const struct scope *scope, const struct ast_expr *e)
{
    for (uint32_t i = 0; scope->input && !e->qualifier && i < scope->input->ncols; i++) {
        const struct relation_column *c = &scope->input->cols[i];
        if (c->whole && c->item && strcmp(c->item, e->name) == 0)
            return c;
    }
    return NULL;
}

static enum status bind_column(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                               struct expr **ret)
{
    const struct relation_column *found = NULL;
    TRY(check_qualifier(b, scope, e));
    for (uint32_t i = 0; scope->input && i < scope->input->ncols; i++) {
        if (!is_named(scope, i, e))
            continue;
        if (found && scope->alias)
            return bind_error(b, e->location, "column \"%s\" is ambiguous: \"%s\" has two of that name", e->name,
                              scope->alias);
        if (found) {
            (void)bind_error(b, e->location, "column \"%s\" is ambiguous: several items of FROM have it", e->name);
            return error_hint(b->err, "say which: %s.%s", found->item ? found->item : "item", e->name);
        }
        found = &scope->input->cols[i];
    }
    if (!found)
        found = whole_item(scope, e);
    if (!found)
        return is_around(b, e) ? refuse_around(b, e) : unknown_column(b, scope, e);
    *ret = arena_dup(b->arena, found->expr, sizeof **ret);
    (*ret)->location = e->location; /* the place where it is used, for messages */
    return OK;
}

/* ---- types ---- */

enum status bind_located(struct binder *b, int32_t location, enum status status)
{
    return problem_locate(b->text, location, status, b->err);
}

enum status bind_type(struct binder *b, const struct ast_type *t, struct type *ret)
{
    TRY(bind_located(b, t->location, type_parse(t->name, t->mods, t->nmods, ret, b->err)));
    if (t->array)
        *ret = type_array(*ret);
    return OK;
}

enum status bind_settle(struct binder *b, struct expr **e)
{
    if ((*e)->type.id != TYPE_UNKNOWN)
        return OK;
    int32_t location = (*e)->location;
    return bind_located(b, location, expr_cast(b->arena, *e, TYPE(TYPE_TEXT), CAST_IMPLICIT, location, e, b->err));
}

enum status bind_has_order(struct binder *b, const struct expr *e, int32_t location)
{
    if (e->type.id != TYPE_JSONB && e->type.element != TYPE_JSONB)
        return OK;
    (void)bind_refuse(b, location, "ORDER BY a jsonb");
    return error_hint(b->err, "say what to order by: a part of it, cast to a type with an order");
}

enum status bind_condition(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    struct expr *condition;
    TRY(bind_expr(b, scope, e, &condition));
    if (condition->type.id == TYPE_UNKNOWN)
        TRY(bind_located(b, e->location,
                         expr_cast(b->arena, condition, TYPE(TYPE_BOOL), CAST_IMPLICIT, e->location, &condition,
                                   b->err)));
    if (condition->type.id != TYPE_BOOL) {
        char type[40];
        return bind_error(b, e->location, "%s must be boolean, not %s", scope->clause,
                          type_name(condition->type, type));
    }
    *ret = condition;
    return OK;
}

/* ---- calls ---- */

static enum status bind_args(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                             struct expr ***ret)
{
    struct expr **args = arena_zarray(b->arena, MAX(e->nargs, 1), sizeof *args);
    for (uint32_t i = 0; i < e->nargs; i++)
        TRY(bind_expr(b, scope, e->args[i], &args[i]));
    *ret = args;
    return OK;
}

/* What only an aggregate takes, given to something else. */
static enum status no_aggregate(struct binder *b, const struct ast_expr *e)
{
    const char **names = NULL;
    uint32_t n = 0, cap = 0;
    const struct aggregate *a;
    for (size_t i = 0; (a = aggregate_at(i)); i++) {
        names = binder_grow(b, names, n, &cap, sizeof *names);
        names[n++] = a->name;
    }
    return bind_unknown(b, e->location, e->name, names, n,
                        "%s() is no aggregate: DISTINCT, ORDER BY, * and FILTER do not go with it", e->name);
}

/* date(x) is x::date, where there is no function of that name. */
static bool is_cast(struct binder *b, const struct ast_expr *e, struct type *ret)
{
    size_t cursor = 0;
    return e->plain && e->nargs == 1 && !function_named(e->name, &cursor) &&
           type_parse(e->name, NULL, 0, ret, b->err) == OK;
}

static enum status bind_call(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                             struct expr **ret)
{
    if (e->over)
        return over_call(b, scope, e, ret);
    if (e->plain && strcmp(e->name, "grouping") == 0)
        return grouping_marker(b, scope, e, ret);
    if (e->plain && grouping_is_aggregate(e->name))
        return grouping_call(b, scope, e, ret);
    if (e->distinct || e->flag || e->filter || e->norder)
        return no_aggregate(b, e);
    const struct user_function *own = e->plain ? function_find(b, e->name) : NULL;
    if (own)
        return function_call(b, scope, own, e, ret);
    if (e->plain && b->defining && strcmp(e->name, b->defining) == 0)
        return bind_refuse(b, e->location, "a function that calls itself (\"%s\")", e->name);
    if (e->plain && function_may_be_unread(b, e->name))
        return problem_silent(b->err);
    if (e->plain && function_is_set(e->name)) {
        (void)bind_refuse(b, e->location, "%s() in this place", e->name);
        return error_hint(b->err, strcmp(e->name, "regexp_matches") == 0
                                      ? "regexp_match() gives the groups of the first match"
                                      : "it gives rows: FROM t, %s(...) AS u (x), and here x", e->name);
    }
    struct expr **args;
    struct type type;
    TRY(bind_args(b, scope, e, &args));
    if (is_cast(b, e, &type))
        return bind_located(b, e->location,
                            expr_cast(b->arena, args[0], type, CAST_EXPLICIT, e->location, ret, b->err));
    return bind_located(b, e->location,
                        expr_call(b->arena, e->name, args, e->nargs, e->location, ret, b->err));
}

/* ARRAY[...]::type[] casts the elements, of which there may be none. */
static enum status bind_array_of(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                                 struct type type, struct expr **ret)
{
    struct expr **args, *empty = expr_string(b->arena, "{}", 2, e->location);
    TRY(bind_args(b, scope, e, &args));
    if (e->nargs == 0)
        return bind_located(b, e->location,
                            expr_cast(b->arena, empty, type, CAST_EXPLICIT, e->location, ret, b->err));
    for (uint32_t i = 0; i < e->nargs; i++)
        TRY(bind_located(b, e->location, expr_cast(b->arena, args[i], type_element(type), CAST_EXPLICIT, e->location,
                                                   &args[i], b->err)));
    return bind_located(b, e->location, expr_call(b->arena, e->name, args, e->nargs, e->location, ret, b->err));
}

static enum status bind_cast(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                             struct expr **ret)
{
    struct expr *arg;
    struct type type;
    const struct ast_expr *from = e->args[0];
    TRY(bind_type(b, &e->type, &type));
    if (type.id == TYPE_ARRAY && from->kind == AST_CALL && strcmp(from->name, "ARRAY[x]") == 0)
        return bind_array_of(b, scope, from, type, ret);
    TRY(bind_expr(b, scope, from, &arg));
    return bind_located(b, e->location,
                        expr_cast(b->arena, arg, type, CAST_EXPLICIT, e->location, ret, b->err));
}

static enum status bind_logic(struct binder *b, const struct scope *scope, const struct ast_expr *e,
                              struct expr **ret)
{
    struct expr **args;
    TRY(bind_args(b, scope, e, &args));
    int32_t at = e->location;
    switch (e->kind) {
    case AST_AND: return bind_located(b, at, expr_logic(b->arena, EXPR_AND, args, e->nargs, at, ret, b->err));
    case AST_OR: return bind_located(b, at, expr_logic(b->arena, EXPR_OR, args, e->nargs, at, ret, b->err));
    case AST_NOT: return bind_located(b, at, expr_logic(b->arena, EXPR_NOT, args, e->nargs, at, ret, b->err));
    case AST_CASE: return bind_located(b, at, expr_case(b->arena, args, e->nargs, at, ret, b->err));
    case AST_COALESCE: return bind_located(b, at, expr_coalesce(b->arena, args, e->nargs, at, ret, b->err));
    default:
        TRY(bind_settle(b, &args[0]));
        *ret = expr_is_null(b->arena, args[0], at);
        return OK;
    }
}

enum status bind_expr(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    if (++b->nbound > BIND_MAX_EXPRESSIONS)
        return bind_error(b, e->location, "the statement has more than %d expressions", BIND_MAX_EXPRESSIONS);
    switch (e->kind) {
    case AST_COLUMN: return bind_column(b, scope, e, ret);
    case AST_STAR: return bind_error(b, e->location, "* stands only in a SELECT list or in count(*)");
    case AST_NUMBER:
        return bind_located(b, e->location, expr_number(b->arena, e->name, e->location, ret, b->err));
    case AST_STRING: *ret = expr_string(b->arena, e->name, e->len, e->location); return OK;
    case AST_BOOL: *ret = expr_bool(b->arena, e->flag, e->location); return OK;
    case AST_NULL: *ret = expr_null(b->arena, TYPE(TYPE_UNKNOWN), e->location); return OK;
    case AST_BOUND: *ret = e->bound; return OK;
    case AST_PARAM: *ret = scope->input->cols[e->len - 1].expr; return OK;
    case AST_CALL: return bind_call(b, scope, e, ret);
    case AST_CAST: return bind_cast(b, scope, e, ret);
    case AST_EXISTS:
    case AST_IN:
    case AST_ANY:
    case AST_VALUE:
    case AST_ARRAY: return value_of_subquery(b, scope, e, ret);
    default: return bind_logic(b, scope, e, ret);
    }
}

/* ---- trees ---- */

uint32_t expr_size(const struct expr *e, uint32_t limit)
{
    uint32_t size = 1;
    for (uint32_t i = 0; i < e->nargs && size < limit; i++)
        size += expr_size(e->args[i], limit - size);
    return size;
}

int32_t expr_now_location(const struct expr *e)
{
    for (uint32_t i = 0; i < e->nargs; i++)
        if (expr_uses_now(e->args[i]))
            return expr_now_location(e->args[i]);
    return e->location;
}
