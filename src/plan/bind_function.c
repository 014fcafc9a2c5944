/* The pipeline's own functions. A call of one in SQL is its body, bound where it is called with the arguments in place
 * of the parameters: a step's fingerprint is that of what is computed, whatever the function is called, and an argument
 * that is used twice is one common subexpression of the program. One in C is called; what is computed is then told by
 * the hash of its library.
 */
#include "expr/function.h"
#include "plan/bind.h"
#include "plan/parse.h"

const struct user_function *function_find(const struct binder *b, const char *name)
{
    for (uint32_t i = 0; i < b->nfunctions; i++)
        if (strcmp(b->functions[i].name, name) == 0)
            return &b->functions[i];
    return NULL;
}

static void add(struct binder *b, const struct user_function *f)
{
    b->functions = binder_grow(b, b->functions, b->nfunctions, &b->functions_cap, sizeof *b->functions);
    b->functions[b->nfunctions++] = *f;
}

void function_broken(struct binder *b, const struct ast_statement *s)
{
    b->defining = NULL;
    b->inlining = 0;
    if (!function_find(b, s->name))
        add(b, &(struct user_function){.name = s->name, .broken = true});
}

bool function_may_be_unread(const struct binder *b, const char *name)
{
    size_t cursor = 0;
    return b->unread && !function_named(name, &cursor);
}

/* ---- types ---- */

/* As in PostgreSQL, the digits of a numeric are the value's: numeric(10,2) here means numeric. */
static enum status value_type(struct binder *b, const struct ast_type *t, struct type *ret)
{
    TRY(bind_type(b, t, ret));
    ret->precision = ret->scale = 0;
    return OK;
}

/* "f(integer, text)" of what is given, or "(integer, text)" of what is taken. */
static const char *describe(struct binder *b, const char *name, const struct type *types, uint32_t n)
{
    const char *list = "";
    for (uint32_t i = 0; i < n; i++)
        list = arena_printf(b->arena, "%s%s%s", list, i ? ", " : "", type_id_name(types[i].id));
    return arena_printf(b->arena, "%s(%s)", name, list);
}

/* ---- calls ---- */

/* CASE WHEN an argument IS NULL THEN NULL ELSE body END. */
static enum status strict_body(struct binder *b, struct expr *const *args, uint32_t nargs, int32_t location,
                               struct expr **body)
{
    struct expr **tests = arena_array(b->arena, nargs + 1, sizeof *tests), *any;
    uint32_t n = 0;
    for (uint32_t i = 0; i < nargs; i++) {
        if (expr_is_null_const(args[i])) {
            *body = expr_null(b->arena, (*body)->type, location);
            return OK;
        }
        if (!expr_is_const(args[i]))
            tests[n++] = expr_is_null(b->arena, args[i], location);
    }
    if (n == 0)
        return OK;
    any = tests[0];
    if (n > 1)
        TRY(expr_logic(b->arena, EXPR_OR, tests, n, location, &any, b->err));
    struct expr *parts[] = {any, expr_null(b->arena, (*body)->type, location), *body};
    return expr_case(b->arena, parts, ARRAY_LEN(parts), location, body, b->err);
}

static enum status cast_result(struct binder *b, const struct user_function *f, struct expr **body)
{
    const struct expr *e = *body;
    const struct cast *c = cast_find(e->type.id, f->result.id);
    if (e->type.id != TYPE_UNKNOWN && e->type.id != f->result.id && (!c || c->how < CAST_ASSIGNMENT))
        return bind_error(b, f->ast->body->location, "function \"%s\" returns %s, but its body is %s", f->name,
                          type_id_name(f->result.id), type_id_name(e->type.id));
    int32_t at = f->ast->body->location;
    return bind_located(b, at, expr_cast(b->arena, *body, f->result, CAST_ASSIGNMENT, at, body, b->err));
}

/* The body over these arguments, which have the parameters' types. */
static enum status inline_body(struct binder *b, const struct user_function *f, struct expr *const *args,
                               int32_t location, struct expr **ret)
{
    struct relation params = {.ncols = f->ast->nparams};
    params.cols = arena_zarray(b->arena, params.ncols, sizeof *params.cols);
    for (uint32_t i = 0; i < params.ncols; i++)
        params.cols[i] = (struct relation_column){.name = f->ast->params[i].name, .expr = args[i]};
    struct scope scope = {.input = &params, .alias = f->name, .clause = "the body of a function"};
    struct expr *body;
    if (b->inlining == BIND_MAX_CALLS)
        return problem_at(b->text, location, b->err, ERR_LIMIT, "functions call functions deeper than %d levels",
                          BIND_MAX_CALLS);
    b->inlining++;
    enum status status = bind_expr(b, &scope, f->ast->body, &body);
    b->inlining--;
    TRY(status);
    TRY(cast_result(b, f, &body));
    if (f->ast->strict)
        TRY(bind_located(b, location, strict_body(b, args, params.ncols, location, &body)));
    if (expr_size(body, BIND_MAX_CALL) >= BIND_MAX_CALL) {
        (void)problem_at(b->text, location, b->err, ERR_LIMIT,
                         "this call of \"%s\" becomes more than %d operations: its arguments stand wherever its body "
                         "names them", f->name, BIND_MAX_CALL);
        return error_hint(b->err, "compute an inner part in a column of a view, and call it over that");
    }
    *ret = body;
    return OK;
}

static enum status no_such_call(struct binder *b, const struct user_function *f, const struct ast_expr *e,
                                struct expr *const *args)
{
    struct type *types = arena_array(b->arena, e->nargs, sizeof *types);
    for (uint32_t i = 0; i < e->nargs; i++)
        types[i] = args[i]->type;
    (void)bind_error(b, e->location, "function %s does not exist", describe(b, f->name, types, e->nargs));
    return error_hint(b->err, "it takes %s", describe(b, "", f->params, f->ast->nparams));
}

/* DEFAULT: it names nothing. */
static enum status default_argument(struct binder *b, const struct user_function *f, uint32_t i, struct expr **ret)
{
    struct scope scope = {.clause = "DEFAULT"};
    const struct ast_expr *e = f->ast->params[i].otherwise;
    TRY(bind_expr(b, &scope, e, ret));
    return bind_located(b, e->location,
                        expr_cast(b->arena, *ret, f->params[i], CAST_ASSIGNMENT, e->location, ret, b->err));
}

enum status function_call(struct binder *b, const struct scope *scope, const struct user_function *f,
                          const struct ast_expr *e, struct expr **ret)
{
    if (f->broken)
        return problem_silent(b->err);
    uint32_t n = f->ast->nparams;
    struct expr **args = arena_zarray(b->arena, MAX(n, e->nargs) + 1, sizeof *args);
    for (uint32_t i = 0; i < e->nargs; i++)
        TRY(bind_expr(b, scope, e->args[i], &args[i]));
    if (e->nargs > n || (e->nargs < n && !f->ast->params[e->nargs].otherwise))
        return no_such_call(b, f, e, args);
    for (uint32_t i = 0; i < e->nargs; i++) {
        int32_t at = e->args[i]->location;
        if (!type_casts_implicitly(args[i]->type.id, f->params[i].id))
            return no_such_call(b, f, e, args);
        TRY(bind_located(b, at, expr_cast(b->arena, args[i], f->params[i], CAST_IMPLICIT, at, &args[i], b->err)));
    }
    for (uint32_t i = e->nargs; i < n; i++)
        TRY(default_argument(b, f, i, &args[i]));
    if (f->foreign) {
        f->extra->called = true;
        *ret = foreign_call(b->arena, f->foreign, f->extra, f->result, args, n, e->location);
        return OK;
    }
    return inline_body(b, f, args, e->location, ret);
}

/* ---- definitions ---- */

/* One name is one function, and no other's. */
static enum status new_name(struct binder *b, const struct ast_statement *s)
{
    size_t cursor = 0;
    if (function_find(b, s->name)) {
        (void)bind_error(b, s->location, "function \"%s\" is created twice", s->name);
        return error_hint(b->err, "a name has one function, whatever its parameters");
    }
    if (function_named(s->name, &cursor) || grouping_is_aggregate(s->name)) {
        (void)bind_error(b, s->location, "there is a function \"%s\" already: it is built in", s->name);
        return error_hint(b->err, "give yours another name");
    }
    return OK;
}

/* Does the body say something, of parameters of these types? */
static enum status check_body(struct binder *b, const struct user_function *f, int32_t location)
{
    struct expr **args = arena_zarray(b->arena, f->ast->nparams, sizeof *args), *result;
    for (uint32_t i = 0; i < f->ast->nparams; i++) {
        struct type type = f->params[i].id == TYPE_NUMERIC ? type_numeric(18, 6) : f->params[i];
        if (f->ast->params[i].otherwise)
            TRY(default_argument(b, f, i, &args[i]));
        args[i] = expr_column(b->arena, i, type, location);
    }
    b->defining = f->name;
    TRY(inline_body(b, f, args, location, &result));
    b->defining = NULL;
    return OK;
}

/* ---- functions in C ---- */

/* Has the type a form in C? */
static enum status check_foreign_type(struct binder *b, const struct ast_type *t, struct type type)
{
    if (foreign_type_of(type.id))
        return OK;
    (void)bind_refuse(b, t->location, "%s in a function in C", type_id_name(type.id));
    return error_hint(b->err, "types that it may have: boolean, integer, bigint, double precision, text, bytea, uuid, "
                              "date, timestamp, timestamptz, interval, jsonb; numeric as an argument");
}

/* What it hands back has no scale of its own. */
static enum status check_foreign_result(struct binder *b, const struct ast_type *t, struct type type)
{
    TRY(check_foreign_type(b, t, type));
    if (type.id != TYPE_NUMERIC)
        return OK;
    (void)bind_refuse(b, t->location, "numeric as the result of a function in C");
    return error_hint(b->err, "let it return a text, say, and cast that: f(x)::numeric(18,2)");
}

static const char *signature(struct binder *b, const struct foreign *f)
{
    struct type *types = arena_array(b->arena, MAX(f->nargs, 1u), sizeof *types);
    for (uint32_t i = 0; i < f->nargs; i++)
        types[i] = TYPE(f->args[i]);
    return arena_printf(b->arena, "%s returning %s", describe(b, f->symbol, types, f->nargs), type_id_name(f->result));
}

/* What the SQL says against what the library says. */
static enum status check_declaration(struct binder *b, const struct user_function *f, const struct foreign *foreign)
{
    uint32_t n = f->ast->nparams, i = 0;
    int32_t at = f->ast->library_location;
    if (n == foreign->nargs) {
        while (i < n && f->params[i].id == foreign->args[i])
            i++;
        if (i == n && f->result.id == foreign->result)
            return OK;
        at = i < n ? f->ast->params[i].type.location : f->ast->result.location;
    }
    (void)bind_error(b, at, "function %s returning %s is not what %s holds", describe(b, f->name, f->params, n),
                     type_id_name(f->result.id), f->ast->library);
    return error_hint(b->err, "that is %s", signature(b, foreign));
}

static enum status check_foreign(struct binder *b, const struct user_function *f)
{
    const struct ast_function *ast = f->ast;
    if (!b->world->function)
        return bind_refuse(b, ast->library_location, "LANGUAGE c");
    if (ast->nparams > BOURN_MAX_ARGS)
        return bind_refuse(b, ast->params[BOURN_MAX_ARGS].type.location,
                           "a function in C of more than %d parameters", BOURN_MAX_ARGS);
    for (uint32_t i = 0; i < ast->nparams; i++) {
        struct expr *otherwise;
        TRY(check_foreign_type(b, &ast->params[i].type, f->params[i]));
        if (ast->params[i].otherwise)
            TRY(default_argument(b, f, i, &otherwise));
    }
    return check_foreign_result(b, &ast->result, f->result);
}

static enum status bind_foreign(struct binder *b, struct user_function *f, int32_t location)
{
    const struct ast_function *ast = f->ast;
    struct foreign *foreign = arena_zalloc(b->arena, sizeof *foreign);
    struct plan *p = b->plan;
    TRY(check_foreign(b, f));
    *foreign = (struct foreign){.name = f->name, .symbol = ast->symbol,
                                .library = catalog_path(b, location, ast->library)};
    TRY(bind_located(b, ast->library_location, b->world->function(b->world->function_arg, foreign, b->err)));
    if (foreign->declared)
        TRY(check_declaration(b, f, foreign));
    f->foreign = foreign_function(b->arena, foreign, f->result, ast->strict);
    f->extra = foreign;
    p->foreigns = binder_grow(b, p->foreigns, p->nforeigns, &b->foreigns_cap, sizeof *p->foreigns);
    p->foreigns[p->nforeigns++] = (struct plan_foreign){foreign, text_place(b->text, ast->library_location)};
    return OK;
}

void bind_pipeline_functions(struct binder *b, const struct ast_statements *statements, struct problems *problems)
{
    for (uint32_t i = 0; i < statements->count; i++) {
        struct error err = {0};
        const struct ast_statement *s = statements->items[i];
        b->err = &err;
        if (s->kind == AST_CREATE_FUNCTION && s->location >= text_base(b->text, 1) && bind_function(b, s) != OK)
            problems_add(problems, &err);
    }
}

enum status bind_function(struct binder *b, const struct ast_statement *s)
{
    const struct ast_function *ast = s->function;
    struct user_function f = {.name = s->name, .ast = ast};
    TRY(new_name(b, s));
    f.params = arena_zarray(b->arena, ast->nparams, sizeof *f.params);
    for (uint32_t i = 0; i < ast->nparams; i++)
        TRY(value_type(b, &ast->params[i].type, &f.params[i]));
    TRY(value_type(b, &ast->result, &f.result));
    TRY(ast->library ? bind_foreign(b, &f, s->location) : check_body(b, &f, s->location));
    add(b, &f);
    return OK;
}
