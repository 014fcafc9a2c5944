/* Functions that return rows: in FROM, where they read the items on their left, and in a SELECT list, where they are
 * taken for one in FROM. Each returns an array (expr/sets.c), which a step of its own takes apart (op/unnest.c). */
#include "expr/function.h"
#include "plan/bind.h"

/* Rows of two columns: of two functions. */
static const struct two {
    const char *name, *parts[2];
} twos[] = {
    {"jsonb_each", {"jsonb_each key", "jsonb_each value"}},
    {"jsonb_each_text", {"jsonb_each_text key", "jsonb_each_text value"}},
};

static const struct two *two_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(twos); i++)
        if (strcmp(twos[i].name, name) == 0)
            return &twos[i];
    return NULL;
}

/* ---- the calls ---- */

static enum status check_function(struct binder *b, const struct ast_expr *e)
{
    if (function_is_set(e->name) && !function_find(b, e->name))
        return OK;
    if (function_may_be_unread(b, e->name))
        return problem_silent(b->err);
    (void)bind_refuse(b, e->location, "%s() in FROM", e->name);
    return error_hint(b->err, "unnest(), jsonb_array_elements(), generate_series() and others that give rows can stand "
                              "there, and the windows tumble, hop, cumulate and session");
}

/* As PostgreSQL names the column of rows that are values. */
static const char *column_name(const struct ast_from *from, const struct ast_expr *e)
{
    if (strncmp(e->name, "jsonb_array_elements", strlen("jsonb_array_elements")) == 0)
        return "value";
    return from->nargs == 1 && from->alias ? from->alias : e->name;
}

/* What differs in all rows of a call: the keys of an object, the numbers of a series. */
static bool is_distinct(const struct ast_expr *e)
{
    return strcmp(e->name, "jsonb_object_keys") == 0 || strcmp(e->name, "generate_series") == 0 || two_of(e->name);
}

static enum status add_array(struct binder *b, const char *function, const struct ast_expr *e, struct expr **args,
                             const char *column, struct rows *rows)
{
    struct expr *array;
    TRY(bind_located(b, e->location,
                     expr_call(b->arena, function, args, e->nargs, e->location, &array, b->err)));
    if (array->kind == EXPR_CALL && strcmp(array->function->name, "unnest") == 0)
        array = array->args[0];
    rows->types[rows->count] = type_element(array->type);
    if (strcmp(e->name, "regexp_matches") == 0) /* its rows are arrays, of which there is no array */
        rows->types[rows->count] = type_array(TYPE(TYPE_TEXT));
    rows->arrays[rows->count] = array;
    rows->sources[rows->count] = array->kind == EXPR_COLUMN && e->args[0]->name ? e->args[0]->name : e->name;
    rows->names[rows->count++] = column;
    return OK;
}

enum status rows_bind(struct binder *b, const struct scope *scope, const struct ast_from *from, struct rows *ret)
{
    uint32_t most = 2 * from->nargs;
    struct rows rows = {.arrays = arena_array(b->arena, most, sizeof(struct expr *)), .distinct = -1,
                        .types = arena_array(b->arena, most, sizeof(struct type)),
                        .names = arena_array(b->arena, most, sizeof(char *)),
                        .sources = arena_array(b->arena, most, sizeof(char *))};
    for (uint32_t i = 0; i < from->nargs; i++) {
        const struct ast_expr *e = from->args[i];
        const struct two *two = two_of(e->name);
        struct expr **args = arena_array(b->arena, MAX(e->nargs, 1), sizeof *args);
        TRY(check_function(b, e));
        for (uint32_t k = 0; k < e->nargs; k++)
            TRY(bind_expr(b, scope, e->args[k], &args[k]));
        if (from->nargs == 1 && is_distinct(e)) /* of several, one may be filled up with NULL */
            rows.distinct = 0;
        TRY(add_array(b, two ? two->parts[0] : e->name, e, args, two ? "key" : column_name(from, e), &rows));
        if (two)
            TRY(add_array(b, two->parts[1], e, args, "value", &rows));
    }
    *ret = rows;
    return OK;
}

struct relation rows_columns(struct binder *b, const struct ast_from *from, const struct rows *rows)
{
    struct relation r = {.node = UINT32_MAX, .ncols = rows->count + from->ordinality};
    r.cols = arena_zarray(b->arena, r.ncols, sizeof *r.cols);
    for (uint32_t i = 0; i < r.ncols; i++) {
        bool number = i == rows->count;
        r.cols[i].name = number ? "ordinality" : rows->names[i];
        r.cols[i].expr = expr_column(b->arena, i, number ? TYPE(TYPE_INT8) : rows->types[i], -1);
        r.cols[i].whole = r.ncols == 1;
        r.cols[i].qualified = from->hidden;
    }
    return r;
}

/* ---- the step ---- */

/* What enters it: the columns that are wanted, then the arrays. */
struct entering {
    struct expr **exprs;
    const char **names;
    uint32_t count;
    int32_t *position; /* of each column on the left, -1: not there */
};

static bool has_time(const struct plan_node *below, const struct entering *in)
{
    for (uint32_t i = 0; i < in->count; i++)
        if (in->exprs[i]->kind == EXPR_COLUMN && plan_lag(below, (int32_t)in->exprs[i]->column) >= 0)
            return true;
    return false;
}

static struct entering enter(struct binder *b, const struct relation *left, const struct rows *rows)
{
    const struct plan_node *below = b->nodes[left->node];
    uint32_t most = left->ncols + rows->count + 1;
    struct entering in = {.exprs = arena_array(b->arena, most, sizeof(struct expr *)),
                          .names = arena_array(b->arena, most, sizeof(char *)),
                          .position = arena_array(b->arena, MAX(left->ncols, 1), sizeof(int32_t))};
    for (uint32_t i = 0; i < left->ncols; i++) {
        in.position[i] = -1;
        if (!left->cols[i].expr)
            continue;
        uint32_t k = 0;
        while (k < in.count && !expr_equal(in.exprs[k], left->cols[i].expr))
            k++;
        in.position[i] = (int32_t)k;
        if (k < in.count)
            continue;
        in.exprs[k] = left->cols[i].expr;
        in.names[in.count++] = left->cols[i].name;
    }
    if (below->ntimes && !has_time(below, &in)) { /* by it DISTINCT ON forgets */
        uint32_t time = below->times[0].column;
        in.exprs[in.count] = expr_column(b->arena, time, below->schema.types[time], -1);
        in.names[in.count++] = below->schema.names[time];
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        in.exprs[in.count] = rows->arrays[i];
        in.names[in.count++] = rows->sources[i];
    }
    return in;
}

enum status rows_apply(struct binder *b, const struct relation *left, const struct ast_from *from,
                         const struct rows *rows, const struct relation *item, bool outer, struct relation *ret)
{
    struct entering in = enter(b, left, rows);
    uint32_t kept = in.count - rows->count, node;
    TRY(node_project(b, left->node, in.exprs, in.names, in.count, from->location, &node));
    const struct plan_unnest unnest = {.narrays = rows->count, .ordinality = from->ordinality, .outer = outer};
    struct relation r = {.ncols = left->ncols + item->ncols};
    TRY(node_unnest(b, node, &unnest, item, rows->distinct, from->location, &r.node));
    r.cols = arena_array(b->arena, r.ncols, sizeof *r.cols);
    for (uint32_t i = 0; i < r.ncols; i++) {
        bool old = i < left->ncols;
        r.cols[i] = old ? left->cols[i] : item->cols[i - left->ncols];
        uint32_t at = old ? (uint32_t)MAX(in.position[i], 0) : kept + i - left->ncols;
        if (r.cols[i].expr)
            r.cols[i].expr = expr_column(b->arena, at, r.cols[i].expr->type, -1);
    }
    *ret = r;
    return OK;
}

/* ---- in a SELECT list ---- */

static bool gives_rows(const struct binder *b, const struct ast_expr *e)
{
    return e->kind == AST_CALL && e->plain && !e->over && function_is_set(e->name) && !function_find(b, e->name);
}

static enum status check_list(struct binder *b, const struct ast_select *s, const struct ast_expr *e)
{
    bool groups = s->grouped || s->having;
    for (uint32_t i = 0; i < s->ntargets && !groups; i++)
        groups = grouping_has_call(s->targets[i].expr) || over_has_call(s->targets[i].expr);
    if (groups)
        (void)bind_refuse(b, e->location, "%s() in a SELECT list with groups, aggregates or OVER", e->name);
    else if (two_of(e->name))
        (void)bind_refuse(b, e->location, "%s() in a SELECT list", e->name);
    else
        return OK;
    return error_hint(b->err, "put it into FROM: FROM t, %s(...) AS u", e->name);
}

enum status rows_from_list(struct binder *b, const struct ast_select *s, const struct ast_select **ret)
{
    struct ast_from *item = NULL;
    struct ast_select *other = arena_dup(b->arena, s, sizeof *s);
    *ret = s;
    for (uint32_t i = 0; i < s->ntargets; i++) {
        struct ast_expr *e = s->targets[i].expr;
        if (!gives_rows(b, e))
            continue;
        TRY(check_list(b, s, e));
        if (!item) {
            item = arena_zalloc(b->arena, sizeof *item);
            *item = (struct ast_from){.kind = AST_FROM_FUNCTION, .name = e->name, .alias = "(SELECT list)",
                                      .hidden = true, .location = e->location,
                                      .args = arena_array(b->arena, s->ntargets, sizeof *item->args)};
            item->columns.items = arena_array(b->arena, s->ntargets, sizeof(char *));
            other->targets = arena_dup(b->arena, s->targets, s->ntargets * sizeof *s->targets);
        }
        const char *name = arena_printf(b->arena, "%u", item->nargs + 1);
        struct ast_expr *column = arena_zalloc(b->arena, sizeof *column);
        column->kind = AST_COLUMN;
        column->location = e->location;
        column->qualifier = item->alias;
        column->name = name;
        item->columns.items[item->columns.count++] = name;
        item->args[item->nargs++] = e;
        other->targets[i].expr = column;
    }
    if (!item)
        return OK;
    other->from = item;
    if (s->from) {
        other->from = arena_zalloc(b->arena, sizeof *other->from);
        *other->from = (struct ast_from){.kind = AST_FROM_JOIN, .left = s->from, .right = item,
                                         .location = item->location};
    }
    *ret = other;
    return OK;
}
