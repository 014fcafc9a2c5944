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

static enum status check_function(struct binder *b, const struct ast_from *from, const struct ast_expr *e)
{
    bool record = strncmp(e->name, "jsonb_to_record", strlen("jsonb_to_record")) == 0;
    if (function_is_set(e->name) && !function_find(b, e->name)) {
        if (record == from->defined)
            return OK;
        (void)bind_error(b, e->location,
                         record ? "%s() wants a list of columns with types"
                                : "%s() has columns of its own: no list of columns with types",
                         e->name);
        return record ? error_hint(b->err, "FROM %s(x) AS r (a integer, b text)", e->name) : FAILED;
    }
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
        TRY(check_function(b, from, e));
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

enum status rows_compute(struct binder *b, struct relation *r, int32_t location)
{
    struct entering in = enter(b, r, &(struct rows){0});
    TRY(node_project(b, r->node, in.exprs, in.names, in.count, location, &r->node));
    for (uint32_t i = 0; i < r->ncols; i++)
        if (r->cols[i].expr)
            r->cols[i].expr = expr_column(b->arena, (uint32_t)in.position[i], r->cols[i].expr->type, -1);
    return OK;
}

/* ---- in a SELECT list ---- */

static bool gives_rows(const struct binder *b, const struct ast_expr *e)
{
    return e->kind == AST_CALL && e->plain && !e->over && function_is_set(e->name) && !function_find(b, e->name);
}

/* Calls of functions that give rows, anywhere in the expression; those inside such a call do not count. */
static uint32_t count_rows(const struct binder *b, const struct ast_expr *e)
{
    uint32_t n = 0;
    if (gives_rows(b, e))
        return 1;
    for (uint32_t i = 0; i < e->nargs; i++)
        n += count_rows(b, e->args[i]);
    return n;
}

/* Where a choice may leave them out, and in what is counted over rows, they cannot stand. */
static enum status check_place(struct binder *b, const struct ast_expr *e, const char *inside)
{
    if (gives_rows(b, e)) {
        if (!inside && !two_of(e->name)) {
            for (uint32_t i = 0; i < e->nargs; i++)
                TRY(check_place(b, e->args[i], "another function that gives rows"));
            return OK;
        }
        if (inside)
            (void)bind_refuse(b, e->location, "%s() inside %s", e->name, inside);
        else
            (void)bind_refuse(b, e->location, "%s() in a SELECT list", e->name);
        return error_hint(b->err, "put it into FROM: FROM t, %s(...) AS u", e->name);
    }
    if (e->kind == AST_CASE || e->kind == AST_COALESCE)
        inside = e->kind == AST_CASE ? "CASE" : "COALESCE";
    else if (e->over || (e->kind == AST_CALL && e->plain && grouping_is_aggregate(e->name)))
        inside = e->over ? "a window function" : "an aggregate";
    for (uint32_t i = 0; i < e->nargs; i++)
        TRY(check_place(b, e->args[i], inside));
    return OK;
}

static struct ast_expr *column_of(struct binder *b, const char *item, const char *name, int32_t location)
{
    struct ast_expr *e = arena_zalloc(b->arena, sizeof *e);
    e->kind = AST_COLUMN;
    e->location = location;
    e->qualifier = item;
    e->name = name;
    return e;
}

/* The calls of a SELECT list, as one item of FROM: their rows stand side by side. */
struct listed {
    struct binder *b;
    struct ast_from *item;
    struct ast_select *groups; /* they stand above groups, aggregates or OVER: what they read is selected there */
};

static bool same_call(const struct ast_expr *x, const struct ast_expr *y)
{
    const struct ast_type *s = &x->type, *t = &y->type;
    bool same = x->kind == y->kind && x->nargs == y->nargs && x->len == y->len && x->flag == y->flag &&
                !x->name == !y->name && (!x->name || strcmp(x->name, y->name) == 0) &&
                !x->qualifier == !y->qualifier && (!x->qualifier || strcmp(x->qualifier, y->qualifier) == 0) &&
                !s->name == !t->name && (!s->name || strcmp(s->name, t->name) == 0) && s->array == t->array &&
                s->nmods == t->nmods && memcmp(s->mods, t->mods, (size_t)s->nmods * sizeof *s->mods) == 0 &&
                !x->filter && !x->over && !x->query && !x->distinct && !x->norder;
    for (uint32_t i = 0; same && i < x->nargs; i++)
        same = same_call(x->args[i], y->args[i]);
    return same;
}

static struct ast_expr *moved(struct listed *l, struct ast_expr *e);

/* The column of FROM that the call becomes. */
static struct ast_expr *moved_call(struct listed *l, struct ast_expr *e)
{
    struct ast_from *item = l->item;
    uint32_t k = 0;
    while (k < item->nargs && !same_call(item->args[k], e))
        k++;
    if (k == item->nargs) {
        struct ast_expr *call = e;
        if (l->groups) {
            call = arena_dup(l->b->arena, e, sizeof *e);
            call->args = arena_array(l->b->arena, MAX(e->nargs, 1), sizeof *call->args);
            for (uint32_t i = 0; i < e->nargs; i++)
                call->args[i] = moved(l, e->args[i]);
        }
        item->columns.items[item->columns.count++] = arena_printf(l->b->arena, "%u", k + 1);
        item->args[item->nargs++] = call;
    }
    return column_of(l->b, item->alias, item->columns.items[k], e->location);
}

static bool is_literal(const struct ast_expr *e)
{
    return e->kind == AST_NUMBER || e->kind == AST_STRING || e->kind == AST_BOOL || e->kind == AST_NULL;
}

/* The expression over what the calls become; above groups all else is a column of these. */
static struct ast_expr *moved(struct listed *l, struct ast_expr *e)
{
    if (gives_rows(l->b, e))
        return moved_call(l, e);
    if (count_rows(l->b, e) == 0 && l->groups && !is_literal(e)) {
        const char *name = arena_printf(l->b->arena, "%u", l->groups->ntargets + 1);
        l->groups->targets[l->groups->ntargets++] = (struct ast_target){e, name};
        return column_of(l->b, "(groups)", name, e->location);
    }
    struct ast_expr *copy = arena_dup(l->b->arena, e, sizeof *e);
    copy->args = e->nargs ? arena_array(l->b->arena, e->nargs, sizeof *copy->args) : NULL;
    for (uint32_t i = 0; i < e->nargs; i++)
        copy->args[i] = moved(l, e->args[i]);
    return copy;
}

static uint32_t count_nodes(const struct ast_expr *e)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < e->nargs; i++)
        n += count_nodes(e->args[i]);
    return n;
}

static bool is_name_of(const struct ast_select *s, const struct ast_expr *e)
{
    bool found = e->kind == AST_NUMBER;
    for (uint32_t i = 0; i < s->ntargets && !found; i++)
        found = e->kind == AST_COLUMN && !e->qualifier && s->targets[i].name &&
                strcmp(e->name, s->targets[i].name) == 0;
    return found;
}

static bool reads(const struct ast_expr *e, const char *name)
{
    bool found = e->kind == AST_COLUMN && strcmp(e->name, name) == 0;
    for (uint32_t i = 0; i < e->nargs && !found; i++)
        found = reads(e->args[i], name);
    return found;
}

/* Is it a group: itself, by its position, or by its name, unless that is a column of the input, which goes first? */
static bool is_grouped(const struct ast_select *s, uint32_t target)
{
    const struct ast_target *t = &s->targets[target];
    bool found = false;
    for (uint32_t i = 0; i < s->ngroup && !found; i++) {
        const struct ast_expr *g = s->group[i];
        int64_t position;
        if (g->kind == AST_NUMBER)
            found = option_parse_int(g->name, &position) && position == (int64_t)target + 1;
        else if (g->kind == AST_COLUMN)
            found = !g->qualifier && t->name && strcmp(g->name, t->name) == 0 && !reads(t->expr, g->name);
        else
            found = same_call(g, t->expr);
    }
    return found;
}

/* What stands above groups, aggregates and OVER: these become a subquery, and the rest is over it. */
static struct ast_select *above_groups(struct listed *l, const struct ast_select *s)
{
    struct arena *a = l->b->arena;
    struct ast_select *inner = arena_dup(a, s, sizeof *s), *outer = arena_zalloc(a, sizeof *outer);
    uint32_t most = 0;
    for (uint32_t i = 0; i < s->ntargets; i++)
        most += count_nodes(s->targets[i].expr);
    for (uint32_t i = 0; i < s->non; i++)
        most += count_nodes(s->on[i]);
    for (uint32_t i = 0; i < s->norder; i++)
        most += count_nodes(s->order[i].expr);
    inner->targets = arena_array(a, most, sizeof *inner->targets);
    inner->ntargets = inner->non = inner->norder = inner->nctes = 0;
    inner->distinct = AST_DISTINCT_NONE;
    inner->limit = inner->offset = NULL;
    *outer = *s;
    outer->where = outer->having = NULL;
    outer->grouped = false;
    outer->ngroup = outer->nsets = 0;
    outer->from = arena_zalloc(a, sizeof *outer->from);
    *outer->from = (struct ast_from){.kind = AST_FROM_QUERY, .query = inner, .name = "", .alias = "(groups)",
                                     .location = s->location};
    l->groups = inner;
    return outer;
}

static bool has_groups(const struct ast_select *s)
{
    bool groups = s->grouped || s->having;
    for (uint32_t i = 0; i < s->ntargets && !groups; i++)
        groups = grouping_has_call(s->targets[i].expr) || over_has_call(s->targets[i].expr);
    return groups;
}

/* Everything of the list that is written once more over what the calls become. */
static void move_all(struct listed *l, const struct ast_select *s, struct ast_select *other)
{
    struct arena *a = l->b->arena;
    other->targets = arena_dup(a, s->targets, s->ntargets * sizeof *s->targets);
    other->on = arena_dup(a, s->on, s->non * sizeof *s->on);
    other->order = arena_dup(a, s->order, s->norder * sizeof *s->order);
    for (uint32_t i = 0; i < s->ntargets; i++)
        if (l->groups || count_rows(l->b, s->targets[i].expr))
            other->targets[i].expr = moved(l, s->targets[i].expr);
    for (uint32_t i = 0; i < s->non; i++)
        if (!is_name_of(s, s->on[i]))
            other->on[i] = moved(l, s->on[i]);
    for (uint32_t i = 0; i < s->norder; i++)
        if (!is_name_of(s, s->order[i].expr))
            other->order[i].expr = moved(l, s->order[i].expr);
    if (l->groups)
        return;
    other->group = arena_dup(a, s->group, s->ngroup * sizeof *s->group);
    for (uint32_t i = 0; i < s->ngroup; i++)
        other->group[i] = moved(l, s->group[i]);
}

/* Those of the list stand below the groups if they are groups themselves, else above them. */
static enum status below_groups(struct binder *b, const struct ast_select *s, bool *ret)
{
    const struct ast_expr *above = NULL, *below = NULL;
    for (uint32_t i = 0; i < s->ntargets; i++)
        if (count_rows(b, s->targets[i].expr) && is_grouped(s, i))
            below = s->targets[i].expr;
        else if (count_rows(b, s->targets[i].expr))
            above = s->targets[i].expr;
    *ret = below != NULL;
    if (!above || !below)
        return OK;
    (void)bind_refuse(b, above->location, "functions that give rows, of which some are grouped by and some are not");
    return error_hint(b->err, "group in a subquery in FROM");
}

enum status rows_from_list(struct binder *b, const struct ast_select *s, const struct ast_select **ret)
{
    uint32_t calls = 0;
    bool below = false;
    const struct ast_expr *first = NULL;
    *ret = s;
    for (uint32_t i = 0; i < s->ntargets; i++) {
        TRY(check_place(b, s->targets[i].expr, NULL));
        calls += count_rows(b, s->targets[i].expr);
        first = calls && !first ? s->targets[i].expr : first;
    }
    for (uint32_t i = 0; i < s->ngroup; i++)
        calls += count_rows(b, s->group[i]);
    if (!first)
        return OK;
    for (uint32_t i = 0; i < s->norder; i++)
        calls += count_rows(b, s->order[i].expr);
    for (uint32_t i = 0; i < s->non; i++)
        calls += count_rows(b, s->on[i]);
    TRY(below_groups(b, s, &below));
    struct listed l = {.b = b, .item = arena_zalloc(b->arena, sizeof *l.item)};
    *l.item = (struct ast_from){.kind = AST_FROM_FUNCTION, .name = "(SELECT list)", .alias = "(SELECT list)",
                                .hidden = true, .location = first->location,
                                .args = arena_array(b->arena, calls, sizeof *l.item->args)};
    l.item->columns.items = arena_array(b->arena, calls, sizeof(char *));
    struct ast_select *other = has_groups(s) && !below ? above_groups(&l, s) : arena_dup(b->arena, s, sizeof *s);
    move_all(&l, s, other);
    if (other->from) {
        struct ast_from *both = arena_zalloc(b->arena, sizeof *both);
        *both = (struct ast_from){.kind = AST_FROM_JOIN, .left = other->from, .right = l.item,
                                  .location = l.item->location};
        other->from = both;
    } else {
        other->from = l.item;
    }
    *ret = other;
    return OK;
}
