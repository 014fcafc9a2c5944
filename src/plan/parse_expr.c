#include "plan/parse_private.h"

#define NODE(kind) PG_QUERY__NODE__NODE_##kind
#define A_EXPR(kind) PG_QUERY__A__EXPR__KIND__AEXPR_##kind

/* ---- building ---- */

static struct ast_expr *expr_new(struct parser *p, enum ast_kind kind, int32_t location)
{
    struct ast_expr *e = arena_zalloc(p->arena, sizeof *e);
    e->kind = kind;
    e->location = parser_location(p, location);
    return e;
}

static struct ast_expr *expr_with(struct parser *p, enum ast_kind kind, int32_t location, uint32_t nargs,
                                  struct ast_expr *const *args)
{
    struct ast_expr *e = expr_new(p, kind, location);
    e->args = nargs ? arena_dup(p->arena, args, nargs * sizeof *args) : NULL;
    e->nargs = nargs;
    return e;
}

static struct ast_expr *call_of(struct parser *p, const char *name, int32_t location, uint32_t nargs,
                                struct ast_expr *const *args)
{
    struct ast_expr *e = expr_with(p, AST_CALL, location, nargs, args);
    e->name = parser_strdup(p, name);
    return e;
}

static struct ast_expr *binary(struct parser *p, const char *name, int32_t location, struct ast_expr *left,
                               struct ast_expr *right)
{
    return call_of(p, name, location, 2, (struct ast_expr *[]){left, right});
}

static struct ast_expr *not_of(struct parser *p, int32_t location, struct ast_expr *arg)
{
    return expr_with(p, AST_NOT, location, 1, &arg);
}

/* ---- constants, names, types ---- */

static enum status parse_const(struct parser *p, const PgQuery__AConst *c, struct ast_expr **ret)
{
    struct ast_expr *e = expr_new(p, AST_NULL, c->location);
    if (c->isnull) {
        *ret = e;
        return OK;
    }
    switch (c->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        e->kind = AST_NUMBER;
        e->name = arena_printf(p->arena, "%d", c->ival->ival);
        break;
    case PG_QUERY__A__CONST__VAL_FVAL:
        e->kind = AST_NUMBER;
        e->name = parser_strdup(p, c->fval->fval);
        break;
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        e->kind = AST_BOOL;
        e->flag = c->boolval->boolval;
        break;
    case PG_QUERY__A__CONST__VAL_SVAL:
        e->kind = AST_STRING;
        e->name = parser_strdup(p, c->sval->sval);
        e->len = strlen(e->name);
        if (text_utf8_prefix(slice_of(e->name)) != e->len) /* an escape can write any byte: E'\\xff' */
            return problem_at(p->text, e->location, p->err, ERR_SQL, "the string is no valid UTF-8");
        break;
    default: return parser_refuse(p, c->location, "write a bytea as '\\x...'", "a bit string");
    }
    *ret = e;
    return OK;
}

static enum status parse_column(struct parser *p, const PgQuery__ColumnRef *c, struct ast_expr **ret)
{
    struct ast_expr *e = expr_new(p, AST_COLUMN, c->location);
    size_t n = c->n_fields;
    if (n == 0 || n > 2)
        return parser_refuse(p, c->location, "write column or table.column", "a column name of more than two parts");
    const PgQuery__Node *last = c->fields[n - 1];
    if (last->node_case == NODE(A_STAR))
        e->kind = AST_STAR;
    else
        e->name = parser_strdup(p, node_string(last));
    if (n == 2)
        e->qualifier = parser_strdup(p, node_string(c->fields[0]));
    *ret = e;
    return OK;
}

static enum status parse_type_mod(struct parser *p, const PgQuery__Node *n, int32_t location, int *ret)
{
    if (n->node_case != NODE(A_CONST) || n->a_const->isnull ||
        n->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL)
        return parser_refuse(p, location, NULL, "a type with a modifier that is no number");
    *ret = n->a_const->ival->ival;
    return OK;
}

enum status parse_type(struct parser *p, const PgQuery__TypeName *t, struct ast_type *ret)
{
    struct ast_type type = {.location = parser_location(p, t->location)};
    if (t->n_array_bounds > 1)
        return parser_refuse(p, t->location, "keep the nested value as jsonb", "an array of more than one dimension");
    type.array = t->n_array_bounds > 0;
    if (t->setof || t->pct_type || t->n_names == 0)
        return parser_refuse(p, t->location, NULL, "this way to name a type");
    type.name = parser_strdup(p, node_string(t->names[t->n_names - 1]));
    if (t->n_names > 1 && strcmp(node_string(t->names[0]), "pg_catalog") != 0)
        return parser_refuse(p, t->location, NULL, "a type of schema \"%s\"", node_string(t->names[0]));
    if (strcmp(type.name, "interval") == 0 && t->n_typmods)
        return parser_refuse(p, t->location, "write the unit inside the quotes: interval '1 day'",
                             "an interval with fields or a precision");
    if (t->n_typmods > ARRAY_LEN(type.mods))
        return parser_refuse(p, t->location, NULL, "a type with more than two modifiers");
    for (size_t i = 0; i < t->n_typmods; i++)
        TRY(parse_type_mod(p, t->typmods[i], t->location, &type.mods[i]));
    type.nmods = (int)t->n_typmods;
    *ret = type;
    return OK;
}

static enum status parse_cast(struct parser *p, const PgQuery__TypeCast *c, struct ast_expr **ret)
{
    struct ast_expr *arg;
    struct ast_type type;
    TRY(parse_expr(p, c->arg, &arg));
    TRY(parse_type(p, c->type_name, &type));
    struct ast_expr *e = expr_with(p, AST_CAST, c->location, 1, &arg);
    if (c->location < 0) /* type 'literal' */
        e->location = type.location;
    e->type = type;
    *ret = e;
    return OK;
}

/* ---- operators ---- */

static enum status parse_list(struct parser *p, const PgQuery__Node *n, struct ast_expr ***ret, uint32_t *ret_count)
{
    if (!n || n->node_case != NODE(LIST))
        return parser_refuse(p, -1, NULL, "this right-hand side of an operator");
    TRY(parse_exprs(p, n->list->items, n->list->n_items, ret));
    *ret_count = (uint32_t)n->list->n_items;
    return OK;
}

/* ---- rows: compared column by column ---- */

enum { PARSE_MAX_ROW = 100 };

static bool is_row(const PgQuery__Node *n) { return n && n->node_case == NODE(ROW_EXPR); }

/* (a, b) op (x, y) of n columns: of < and its kin the first that differ decide. */
static enum status compare_columns(struct parser *p, const char *op, int32_t at, struct ast_expr *const *x,
                                   struct ast_expr *const *y, uint32_t n, struct ast_expr **ret)
{
    bool all = strcmp(op, "=") == 0 || strcmp(op, "is_not_distinct_from") == 0;
    bool any = strcmp(op, "<>") == 0 || strcmp(op, "is_distinct_from") == 0;
    struct ast_expr **columns = arena_array(p->arena, n, sizeof *columns);
    for (uint32_t i = 0; i < n; i++)
        columns[i] = binary(p, op, at, x[i], y[i]);
    *ret = columns[n - 1];
    if (n == 1)
        return OK;
    if (all || any) {
        *ret = expr_with(p, all ? AST_AND : AST_OR, at, n, columns);
        return OK;
    }
    const char *strict = op[0] == '<' ? "<" : ">";
    if (strcmp(op, strict) != 0 && (strncmp(op, strict, 1) != 0 || strcmp(op + 1, "=") != 0))
        return parser_refuse(p, at, "compare column by column", "\"%s\" between rows", op);
    for (uint32_t i = n - 1; i-- > 0;) {
        struct ast_expr *tie[] = {binary(p, "=", at, x[i], y[i]), *ret};
        struct ast_expr *either[] = {binary(p, strict, at, x[i], y[i]), expr_with(p, AST_AND, at, 2, tie)};
        *ret = expr_with(p, AST_OR, at, 2, either);
    }
    return OK;
}

static enum status compare_rows(struct parser *p, const char *op, int32_t at, const PgQuery__RowExpr *left,
                                const PgQuery__RowExpr *right, struct ast_expr **ret)
{
    struct ast_expr **x, **y;
    const char *problem = left->n_args != right->n_args ? "unequal number of entries in row expressions"
                          : left->n_args == 0           ? "cannot compare rows of zero length"
                          : left->n_args > PARSE_MAX_ROW ? "rows of more than 100 columns are not compared"
                                                         : NULL;
    if (problem)
        return problem_at(p->text, parser_location(p, at), p->err, ERR_SQL, "%s", problem);
    TRY(parse_exprs(p, left->args, left->n_args, &x));
    TRY(parse_exprs(p, right->args, right->n_args, &y));
    return compare_columns(p, op, at, x, y, (uint32_t)left->n_args, ret);
}

/* A row is one of a list if it equals one of them. */
static enum status row_in_list(struct parser *p, const PgQuery__AExpr *x, struct ast_expr **ret)
{
    const PgQuery__List *list = x->rexpr->list;
    struct ast_expr **equal = arena_array(p->arena, list->n_items, sizeof *equal);
    for (size_t i = 0; i < list->n_items; i++) {
        if (!is_row(list->items[i]))
            return parser_refuse(p, x->location, "a row is compared with rows", "IN of a row and what is none");
        TRY(compare_rows(p, "=", x->location, x->lexpr->row_expr, list->items[i]->row_expr, &equal[i]));
    }
    *ret = list->n_items == 1 ? equal[0] : expr_with(p, AST_OR, x->location, (uint32_t)list->n_items, equal);
    return OK;
}

/* a IN (x, y) is "in"(a, x, y); a NOT IN (...) is NOT of it. */
static enum status parse_in(struct parser *p, const PgQuery__AExpr *x, struct ast_expr **ret)
{
    struct ast_expr *left, **items, *in = NULL;
    uint32_t n;
    if (is_row(x->lexpr) && x->rexpr && x->rexpr->node_case == NODE(LIST)) {
        TRY(row_in_list(p, x, &in));
    } else {
        TRY(parse_expr(p, x->lexpr, &left));
        TRY(parse_list(p, x->rexpr, &items, &n));
        struct ast_expr **args = arena_array(p->arena, n + 1, sizeof *args);
        args[0] = left;
        memcpy(args + 1, items, n * sizeof *args);
        in = call_of(p, "in", x->location, n + 1, args);
    }
    *ret = strcmp(node_string(x->name[0]), "<>") == 0 ? not_of(p, x->location, in) : in;
    return OK;
}

/* a BETWEEN x AND y is a >= x AND a <= y; SYMMETRIC tries both orders. */
static enum status parse_between(struct parser *p, const PgQuery__AExpr *x, struct ast_expr **ret)
{
    struct ast_expr *a, **ends;
    uint32_t n;
    int32_t at = x->location;
    TRY(parse_expr(p, x->lexpr, &a));
    TRY(parse_list(p, x->rexpr, &ends, &n));
    if (n != 2)
        return parser_refuse(p, at, NULL, "BETWEEN without two ends");
    struct ast_expr *within = expr_with(
        p, AST_AND, at, 2, (struct ast_expr *[]){binary(p, ">=", at, a, ends[0]), binary(p, "<=", at, a, ends[1])});
    if (x->kind == A_EXPR(BETWEEN_SYM) || x->kind == A_EXPR(NOT_BETWEEN_SYM)) {
        struct ast_expr *other = expr_with(
            p, AST_AND, at, 2,
            (struct ast_expr *[]){binary(p, ">=", at, a, ends[1]), binary(p, "<=", at, a, ends[0])});
        within = expr_with(p, AST_OR, at, 2, (struct ast_expr *[]){within, other});
    }
    bool negated = x->kind == A_EXPR(NOT_BETWEEN) || x->kind == A_EXPR(NOT_BETWEEN_SYM);
    *ret = negated ? not_of(p, at, within) : within;
    return OK;
}

static enum status parse_operands(struct parser *p, const PgQuery__AExpr *x, struct ast_expr *ret[2],
                                  uint32_t *ret_count)
{
    uint32_t n = 0;
    if (x->lexpr)
        TRY(parse_expr(p, x->lexpr, &ret[n++]));
    if (x->rexpr)
        TRY(parse_expr(p, x->rexpr, &ret[n++]));
    *ret_count = n;
    return OK;
}

static enum status parse_operator(struct parser *p, const PgQuery__AExpr *x, struct ast_expr **ret)
{
    struct ast_expr *args[2];
    uint32_t n;
    if (x->n_name == 1 && is_row(x->lexpr) && is_row(x->rexpr))
        return compare_rows(p, node_string(x->name[0]), x->location, x->lexpr->row_expr, x->rexpr->row_expr, ret);
    TRY(parse_operands(p, x, args, &n));
    if (x->n_name != 1)
        return parser_refuse(p, x->location, NULL, "an operator of a schema");
    *ret = call_of(p, node_string(x->name[0]), x->location, n, args);
    return OK;
}

/* x op ANY (array) is "op any"(x, array). */
static enum status parse_quantified(struct parser *p, const PgQuery__AExpr *x, const char *which, struct ast_expr **ret)
{
    struct ast_expr *args[2];
    uint32_t n;
    TRY(parse_operands(p, x, args, &n));
    if (x->n_name != 1 || n != 2)
        return parser_refuse(p, x->location, NULL, "an operator of a schema");
    *ret = call_of(p, arena_printf(p->arena, "%s %s", node_string(x->name[0]), which), x->location, n, args);
    return OK;
}

static enum status parse_a_expr(struct parser *p, const PgQuery__AExpr *x, struct ast_expr **ret)
{
    struct ast_expr *args[2];
    uint32_t n;
    switch (x->kind) {
    case A_EXPR(OP):
    case A_EXPR(LIKE):
    case A_EXPR(ILIKE):
    case A_EXPR(SIMILAR): return parse_operator(p, x, ret);
    case A_EXPR(IN): return parse_in(p, x, ret);
    case A_EXPR(BETWEEN):
    case A_EXPR(NOT_BETWEEN):
    case A_EXPR(BETWEEN_SYM):
    case A_EXPR(NOT_BETWEEN_SYM): return parse_between(p, x, ret);
    case A_EXPR(DISTINCT):
    case A_EXPR(NOT_DISTINCT):
    case A_EXPR(NULLIF): break;
    case A_EXPR(OP_ANY): return parse_quantified(p, x, "any", ret);
    case A_EXPR(OP_ALL): return parse_quantified(p, x, "all", ret);
    default: return parser_refuse(p, x->location, NULL, "this operator");
    }
    const char *name = x->kind == A_EXPR(NULLIF)     ? "nullif"
                       : x->kind == A_EXPR(DISTINCT) ? "is_distinct_from"
                                                     : "is_not_distinct_from";
    if (x->kind != A_EXPR(NULLIF) && is_row(x->lexpr) && is_row(x->rexpr))
        return compare_rows(p, name, x->location, x->lexpr->row_expr, x->rexpr->row_expr, ret);
    TRY(parse_operands(p, x, args, &n));
    if (n != 2)
        return parser_refuse(p, x->location, NULL, "this operator with one operand");
    *ret = binary(p, name, x->location, args[0], args[1]);
    return OK;
}

static enum status parse_bool_expr(struct parser *p, const PgQuery__BoolExpr *b, struct ast_expr **ret)
{
    struct ast_expr **args;
    TRY(parse_exprs(p, b->args, b->n_args, &args));
    enum ast_kind kind = b->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR  ? AST_AND
                         : b->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? AST_OR
                                                                          : AST_NOT;
    *ret = expr_with(p, kind, b->location, (uint32_t)b->n_args, args);
    return OK;
}

static enum status parse_null_test(struct parser *p, const PgQuery__NullTest *t, struct ast_expr **ret)
{
    struct ast_expr *arg;
    TRY(parse_expr(p, t->arg, &arg));
    struct ast_expr *e = expr_with(p, AST_IS_NULL, t->location, 1, &arg);
    *ret = t->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL ? not_of(p, t->location, e) : e;
    return OK;
}

static enum status parse_boolean_test(struct parser *p, const PgQuery__BooleanTest *t, struct ast_expr **ret)
{
    static const char *const names[] = {
        [PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = "is_true",
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = "is_not_true",
        [PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = "is_false",
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = "is_not_false",
    };
    struct ast_expr *arg;
    int32_t at = t->location;
    TRY(parse_expr(p, t->arg, &arg));
    if (t->booltesttype < ARRAY_LEN(names) && names[t->booltesttype]) {
        *ret = call_of(p, names[t->booltesttype], at, 1, &arg);
        return OK;
    }
    struct ast_expr *e = not_of(p, at, arg); /* IS UNKNOWN; NOT keeps the demand that the argument is boolean */
    e = expr_with(p, AST_IS_NULL, at, 1, &e);
    *ret = t->booltesttype == PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN ? e : not_of(p, at, e);
    return OK;
}

/* ---- calls ---- */

static enum status refuse_call_clause(struct parser *p, const PgQuery__FuncCall *f)
{
    if (f->func_variadic)
        return parser_refuse(p, f->location, NULL, "VARIADIC");
    if (f->n_funcname > 2 || (f->n_funcname == 2 && strcmp(node_string(f->funcname[0]), "pg_catalog") != 0))
        return parser_refuse(p, f->location, NULL, "a function of schema \"%s\"", node_string(f->funcname[0]));
    return OK;
}

/* ---- OVER ---- */

/* The bits of PostgreSQL's FRAMEOPTION_... (nodes/parsenodes.h). */
enum {
    FRAME_NONDEFAULT = 0x1,
    FRAME_ROWS = 0x4,
    FRAME_START_UNBOUNDED = 0x20,
    FRAME_END_UNBOUNDED = 0x100,
    FRAME_START_CURRENT = 0x200,
    FRAME_END_CURRENT = 0x400,
    FRAME_START_PRECEDING = 0x800,
    FRAME_END_FOLLOWING = 0x4000,
    FRAME_EXCLUSION = 0x38000,
};

static struct ast_expr *number(struct parser *p, const char *digits)
{
    struct ast_expr *e = expr_new(p, AST_NUMBER, -1);
    e->name = digits;
    return e;
}

static enum status parse_frame(struct parser *p, const PgQuery__WindowDef *w, struct ast_over *over)
{
    int32_t f = w->frame_options;
    over->framed = f & FRAME_NONDEFAULT;
    if (!over->framed)
        return OK;
    if (!(f & FRAME_ROWS)) { /* RANGE and GROUPS count peers */
        over->peers = (f & FRAME_START_UNBOUNDED) && (f & FRAME_END_CURRENT) && !(f & FRAME_EXCLUSION);
        over->rows = (f & FRAME_START_UNBOUNDED) && (f & FRAME_END_UNBOUNDED) && !(f & FRAME_EXCLUSION);
        return OK;
    }
    over->rows = !(f & FRAME_EXCLUSION) &&
                 (f & (FRAME_START_UNBOUNDED | FRAME_START_CURRENT | FRAME_START_PRECEDING)) &&
                 (f & (FRAME_END_UNBOUNDED | FRAME_END_CURRENT | FRAME_END_FOLLOWING));
    if (f & FRAME_START_CURRENT)
        over->before = number(p, "0");
    else if (f & FRAME_START_PRECEDING)
        TRY(parse_expr(p, w->start_offset, &over->before));
    if (f & FRAME_END_CURRENT)
        over->after = number(p, "0");
    else if (f & FRAME_END_FOLLOWING)
        TRY(parse_expr(p, w->end_offset, &over->after));
    return OK;
}

static enum status parse_window(struct parser *p, const PgQuery__WindowDef *w, size_t nknown, struct ast_over *over);

/* The window of that name, of the first `nknown` that WINDOW defines. */
static enum status named_window(struct parser *p, const char *name, int32_t location, size_t nknown,
                                struct ast_over *over)
{
    for (size_t i = 0; i < nknown; i++)
        if (strcmp(p->windows[i]->window_def->name, name) == 0)
            return parse_window(p, p->windows[i]->window_def, i, over);
    return problem_at(p->text, parser_location(p, location), p->err, ERR_SQL, "window \"%s\" does not exist", name);
}

/* (window ORDER BY ... frame): what the named one has not. */
static enum status extend_window(struct parser *p, const PgQuery__WindowDef *w, size_t nknown, struct ast_over *over)
{
    TRY(named_window(p, w->refname, w->location, nknown, over));
    const char *problem = w->n_partition_clause               ? "cannot override PARTITION BY clause of window"
                          : w->n_order_clause && over->norder ? "cannot override ORDER BY clause of window"
                          : over->framed                      ? "cannot add to the frame clause of window"
                                                              : NULL;
    if (problem)
        return problem_at(p->text, parser_location(p, w->location), p->err, ERR_SQL, "%s \"%s\"", problem, w->refname);
    return OK;
}

static enum status parse_window(struct parser *p, const PgQuery__WindowDef *w, size_t nknown, struct ast_over *over)
{
    if (w->refname && *w->refname)
        TRY(extend_window(p, w, nknown, over));
    over->location = parser_location(p, w->location);
    if (w->n_partition_clause) {
        over->npartition = (uint32_t)w->n_partition_clause;
        TRY(parse_exprs(p, w->partition_clause, w->n_partition_clause, &over->partition));
    }
    if (w->n_order_clause) {
        over->norder = (uint32_t)w->n_order_clause;
        TRY(parse_order(p, w->order_clause, w->n_order_clause, &over->order));
    }
    return parse_frame(p, w, over);
}

static enum status parse_over(struct parser *p, const PgQuery__WindowDef *w, struct ast_over **ret)
{
    *ret = arena_zalloc(p->arena, sizeof **ret);
    if (w->name && *w->name)
        return named_window(p, w->name, w->location, p->nwindows, *ret);
    return parse_window(p, w, p->nwindows, *ret);
}

/* ---- subqueries ---- */

static enum status parse_tested(struct parser *p, const PgQuery__Node *x, struct ast_expr *e)
{
    bool row = is_row(x);
    PgQuery__Node *const *columns = row ? x->row_expr->args : (PgQuery__Node *const *)&x;
    e->nargs = row ? (uint32_t)x->row_expr->n_args : 1;
    return parse_exprs(p, columns, e->nargs, &e->args);
}

/* IN is = ANY, without a name; x op ALL (...) is NOT x the-other-op ANY (...): so NOT IN is <> ALL. */
static enum status parse_any(struct parser *p, const PgQuery__SubLink *s, struct ast_expr **ret)
{
    static const struct {
        const char *name, *negated;
    } operators[] = {{"=", "<>"}, {"<>", "="}, {"<", ">="}, {"<=", ">"}, {">", "<="}, {">=", "<"}};
    bool all = s->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK;
    const char *name = s->n_oper_name ? node_string(s->oper_name[s->n_oper_name - 1]) : "=";
    size_t which = 0;
    while (which < ARRAY_LEN(operators) && strcmp(operators[which].name, name) != 0)
        which++;
    if (which == ARRAY_LEN(operators))
        return parser_refuse(p, s->location, "=, <>, <, <=, > and >= are supported", "\"%s\" with %s (SELECT ...)",
                             name, all ? "ALL" : "ANY");
    const char *any = all ? operators[which].negated : operators[which].name;
    bool in = strcmp(any, "=") == 0;
    struct ast_expr *e = expr_new(p, in ? AST_IN : AST_ANY, s->location);
    e->name = in ? NULL : any;
    TRY(parse_tested(p, s->testexpr, e));
    if (!in && e->nargs != 1)
        return parser_refuse(p, s->location, "EXISTS (...) compares column by column",
                             "a row with \"%s\" and ANY or ALL (SELECT ...)", name);
    TRY(parse_select(p, s->subselect->select_stmt, &e->query));
    *ret = all ? expr_with(p, AST_NOT, s->location, 1, &e) : e;
    return OK;
}

static enum status parse_sublink(struct parser *p, const PgQuery__SubLink *s, struct ast_expr **ret)
{
    enum ast_kind kind = AST_ANY;
    switch (s->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: kind = AST_EXISTS; break;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: kind = AST_VALUE; break;
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: kind = AST_ARRAY; break;
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK: break;
    default: kind = AST_NULL;
    }
    if (kind == AST_NULL || s->subselect->node_case != NODE(SELECT_STMT))
        return parser_refuse(p, s->location, "EXISTS (...), IN (SELECT ...), ANY and ALL (SELECT ...), (SELECT ...) "
                             "and ARRAY(SELECT ...) are supported", "this kind of subquery");
    if (kind == AST_ANY)
        return parse_any(p, s, ret);
    struct ast_expr *e = expr_new(p, kind, s->location);
    TRY(parse_select(p, s->subselect->select_stmt, &e->query));
    *ret = e;
    return OK;
}

/* make_interval(days => 10): all of its arguments in order, those that are not given being 0. */
static enum status parse_named(struct parser *p, const PgQuery__FuncCall *f, struct ast_expr ***ret)
{
    static const char *const names[] = {"years", "months", "weeks", "days", "hours", "mins", "secs"};
    struct ast_expr **args = arena_zarray(p->arena, ARRAY_LEN(names), sizeof *args);
    for (size_t i = 0; i < f->n_args; i++) {
        bool named = f->args[i]->node_case == NODE(NAMED_ARG_EXPR);
        const char *name = named ? f->args[i]->named_arg_expr->name : i < ARRAY_LEN(names) ? names[i] : "";
        size_t k = 0;
        while (k < ARRAY_LEN(names) && strcmp(names[k], name) != 0)
            k++;
        if (k == ARRAY_LEN(names) || args[k])
            return problem_at(p->text, parser_location(p, f->location), p->err, ERR_SQL,
                              "make_interval() takes years, months, weeks, days, hours, mins and secs, each once");
        TRY(parse_expr(p, named ? f->args[i]->named_arg_expr->arg : f->args[i], &args[k]));
    }
    for (size_t k = 0; k < ARRAY_LEN(names); k++)
        args[k] = args[k] ? args[k] : number(p, "0");
    *ret = args;
    return OK;
}

static enum status parse_call(struct parser *p, const PgQuery__FuncCall *f, struct ast_expr **ret)
{
    struct ast_expr **args, *filter = NULL;
    const char *name = f->n_funcname ? node_string(f->funcname[f->n_funcname - 1]) : "";
    TRY(refuse_call_clause(p, f));
    bool named = strcmp(name, "make_interval") == 0;
    if (named)
        TRY(parse_named(p, f, &args));
    else
        TRY(parse_exprs(p, f->args, f->n_args, &args));
    if (f->agg_filter)
        TRY(parse_expr(p, f->agg_filter, &filter));
    struct ast_expr *e = call_of(p, name, f->location, named ? 7 : (uint32_t)f->n_args, args);
    e->plain = true;
    e->flag = f->agg_star;
    e->distinct = f->agg_distinct;
    e->within = f->agg_within_group;
    e->norder = (uint32_t)f->n_agg_order;
    TRY(parse_order(p, f->agg_order, f->n_agg_order, &e->order));
    e->filter = filter;
    if (f->over)
        TRY(parse_over(p, f->over, &e->over));
    *ret = e;
    return OK;
}

static enum status parse_case(struct parser *p, const PgQuery__CaseExpr *c, struct ast_expr **ret)
{
    struct ast_expr *subject = NULL, **args = arena_array(p->arena, 2 * c->n_args + 1, sizeof *args);
    uint32_t n = 0;
    if (c->arg)
        TRY(parse_expr(p, c->arg, &subject));
    if (subject && (subject->kind == AST_STRING || subject->kind == AST_NULL)) { /* as PostgreSQL: text */
        subject = expr_with(p, AST_CAST, c->location, 1, &subject);
        subject->type = (struct ast_type){.name = "text", .location = subject->location};
    }
    for (size_t i = 0; i < c->n_args; i++) {
        const PgQuery__CaseWhen *when = c->args[i]->case_when;
        struct ast_expr *condition;
        TRY(parse_expr(p, when->expr, &condition));
        args[n++] = subject ? binary(p, "=", when->location, subject, condition) : condition;
        TRY(parse_expr(p, when->result, &args[n]));
        n++;
    }
    if (c->defresult)
        TRY(parse_expr(p, c->defresult, &args[n]));
    else
        args[n] = expr_new(p, AST_NULL, c->location);
    *ret = expr_with(p, AST_CASE, c->location, n + 1, args);
    return OK;
}

static enum status parse_clock(struct parser *p, const PgQuery__SQLValueFunction *f, struct ast_expr **ret)
{
    switch (f->op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP: *ret = call_of(p, "now", f->location, 0, NULL); break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
        *ret = call_of(p, "current_date", f->location, 0, NULL);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP: {
        struct ast_expr *now = call_of(p, "now", f->location, 0, NULL);
        *ret = expr_with(p, AST_CAST, f->location, 1, &now);
        (*ret)->type = (struct ast_type){.name = "timestamp", .location = (*ret)->location};
        break;
    }
    default: return parser_refuse(p, f->location, "use now()", "this session value");
    }
    return OK;
}

static enum status parse_collate(struct parser *p, const PgQuery__CollateClause *c, struct ast_expr **ret)
{
    const char *name = c->n_collname ? node_string(c->collname[c->n_collname - 1]) : "";
    if (strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0)
        return parser_refuse(p, c->location, "text compares by its bytes: COLLATE \"C\"", "COLLATE \"%s\"", name);
    return parse_expr(p, c->arg, ret);
}

static enum status parse_variadic(struct parser *p, const char *name, int32_t location, PgQuery__Node *const *nodes,
                                  size_t n, struct ast_expr **ret)
{
    struct ast_expr **args;
    TRY(parse_exprs(p, nodes, n, &args));
    *ret = name ? call_of(p, name, location, (uint32_t)n, args)
                : expr_with(p, AST_COALESCE, location, (uint32_t)n, args);
    return OK;
}

static enum status parse_param(struct parser *p, const PgQuery__ParamRef *r, struct ast_expr **ret)
{
    if (!p->inner)
        return parser_refuse(p, r->location, "$1 stands in the body of a function", "a parameter");
    if (r->number < 1 || (uint32_t)r->number > p->nparams)
        return problem_at(p->text, parser_location(p, r->location), p->err, ERR_SQL, "there is no parameter $%d",
                          r->number);
    *ret = expr_new(p, AST_PARAM, r->location);
    (*ret)->len = (size_t)r->number;
    return OK;
}

/* Where the commonest expressions begin; -1 of the others. */
static int32_t node_location(const PgQuery__Node *n)
{
    switch (n ? n->node_case : NODE(A_STAR)) {
    case NODE(COLUMN_REF): return n->column_ref->location;
    case NODE(FUNC_CALL): return n->func_call->location;
    case NODE(A_CONST): return n->a_const->location;
    case NODE(A_ARRAY_EXPR): return n->a_array_expr->location;
    case NODE(TYPE_CAST): return node_location(n->type_cast->arg);
    case NODE(A_INDIRECTION): return node_location(n->a_indirection->arg);
    default: return -1;
    }
}

/* (jsonb_each(x)).key: the function of that column. */
static bool is_column_of(const struct ast_expr *e, const char *field)
{
    bool call = e->kind == AST_CALL && e->plain && !e->over && !e->filter && !e->distinct && !e->norder;
    return call && (strcmp(e->name, "jsonb_each") == 0 || strcmp(e->name, "jsonb_each_text") == 0) &&
           (strcmp(field, "key") == 0 || strcmp(field, "value") == 0);
}

/* a[i], a[i:j]; of a jsonb a['key'], perhaps several. */
static enum status parse_subscripts(struct parser *p, const PgQuery__AIndirection *x, struct ast_expr **ret)
{
    struct ast_expr *args[3];
    int32_t at = node_location(x->arg);
    TRY(parse_expr(p, x->arg, &args[0]));
    for (size_t i = 0; i < x->n_indirection; i++) {
        const PgQuery__Node *n = x->indirection[i];
        if (n->node_case == NODE(STRING) && is_column_of(args[0], node_string(n))) {
            args[0]->name = arena_printf(p->arena, "%s %s", args[0]->name, node_string(n));
            continue;
        }
        if (n->node_case != NODE(A_INDICES))
            return parser_refuse(p, at, "use jsonb's -> and ->>", "a field selection");
        const PgQuery__AIndices *part = n->a_indices;
        args[1] = number(p, "1");
        args[2] = number(p, "2147483647");
        if (part->lidx)
            TRY(parse_expr(p, part->lidx, &args[1]));
        if (part->uidx)
            TRY(parse_expr(p, part->uidx, &args[part->is_slice ? 2 : 1]));
        args[0] = call_of(p, part->is_slice ? "x[i:j]" : "x[i]", at, part->is_slice ? 3 : 2, args);
    }
    *ret = args[0];
    return OK;
}

static enum status refuse_expr(struct parser *p, const PgQuery__Node *n)
{
    switch (n->node_case) {
    case NODE(ROW_EXPR): return parser_refuse(p, n->row_expr->location,
                                              "rows are compared with rows, column by column", "a row value");
    case NODE(SET_TO_DEFAULT):
        return parser_refuse(p, n->set_to_default->location, "leave the column out", "DEFAULT");
    case NODE(NAMED_ARG_EXPR):
        return parser_refuse(p, n->named_arg_expr->location, "give arguments by position", "a named argument");
    case NODE(XML_EXPR):
    case NODE(XML_SERIALIZE): return parser_refuse(p, -1, NULL, "XML");
    default: return parser_refuse(p, -1, NULL, "this expression");
    }
}

static enum status parse_expr_kind(struct parser *p, const PgQuery__Node *n, struct ast_expr **ret)
{
    switch (n->node_case) {
    case NODE(A_CONST): return parse_const(p, n->a_const, ret);
    case NODE(COLUMN_REF): return parse_column(p, n->column_ref, ret);
    case NODE(PARAM_REF): return parse_param(p, n->param_ref, ret);
    case NODE(TYPE_CAST): return parse_cast(p, n->type_cast, ret);
    case NODE(A_EXPR): return parse_a_expr(p, n->a_expr, ret);
    case NODE(BOOL_EXPR): return parse_bool_expr(p, n->bool_expr, ret);
    case NODE(NULL_TEST): return parse_null_test(p, n->null_test, ret);
    case NODE(BOOLEAN_TEST): return parse_boolean_test(p, n->boolean_test, ret);
    case NODE(FUNC_CALL): return parse_call(p, n->func_call, ret);
    case NODE(CASE_EXPR): return parse_case(p, n->case_expr, ret);
    case NODE(COALESCE_EXPR):
        return parse_variadic(p, NULL, n->coalesce_expr->location, n->coalesce_expr->args, n->coalesce_expr->n_args,
                              ret);
    case NODE(MIN_MAX_EXPR):
        return parse_variadic(p, n->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least",
                              n->min_max_expr->location, n->min_max_expr->args, n->min_max_expr->n_args, ret);
    case NODE(A_ARRAY_EXPR):
        return parse_variadic(p, "ARRAY[x]", n->a_array_expr->location, n->a_array_expr->elements,
                              n->a_array_expr->n_elements, ret);
    case NODE(A_INDIRECTION): return parse_subscripts(p, n->a_indirection, ret);
    case NODE(SQLVALUE_FUNCTION): return parse_clock(p, n->sqlvalue_function, ret);
    case NODE(COLLATE_CLAUSE): return parse_collate(p, n->collate_clause, ret);
    case NODE(SUB_LINK): return parse_sublink(p, n->sub_link, ret);
    case NODE(GROUPING_FUNC):
        TRY(parse_variadic(p, "grouping", n->grouping_func->location, n->grouping_func->args, n->grouping_func->n_args,
                           ret));
        (*ret)->plain = true;
        return OK;
    default: return refuse_expr(p, n);
    }
}

enum status parse_expr(struct parser *p, const PgQuery__Node *n, struct ast_expr **ret)
{
    if (!n)
        return parser_refuse(p, -1, NULL, "this expression");
    if (++p->depth > PARSE_MAX_DEPTH)
        return problem_at(p->text, p->start, p->err, ERR_LIMIT, "an expression nests deeper than %d levels",
                          PARSE_MAX_DEPTH);
    enum status status = parse_expr_kind(p, n, ret);
    p->depth--;
    return status;
}

enum status parse_exprs(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_expr ***ret)
{
    struct ast_expr **list = arena_zarray(p->arena, n, sizeof *list);
    for (size_t i = 0; i < n; i++)
        TRY(parse_expr(p, nodes[i], &list[i]));
    *ret = list;
    return OK;
}
