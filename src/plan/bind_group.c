/* GROUP BY: expressions of the SELECT list, HAVING and ORDER BY are bound over the input first, with a stand-in column
 * for each aggregate call. When all are known, two nodes are made: one that computes groups, arguments and filters as
 * columns, and the aggregate over them; the expressions are then rewritten over its output. */
#include "plan/bind.h"

/* ---- aggregate calls ---- */

bool grouping_is_aggregate(const char *name)
{
    const struct aggregate *a;
    for (size_t i = 0; (a = aggregate_at(i)); i++)
        if (strcmp(a->name, name) == 0)
            return true;
    return false;
}

bool grouping_has_call(const struct ast_expr *e)
{
    if (e->kind == AST_CALL && e->plain && !e->over && grouping_is_aggregate(e->name))
        return true;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (grouping_has_call(e->args[i]))
            return true;
    for (uint32_t i = 0; e->over && i < e->over->npartition; i++)
        if (grouping_has_call(e->over->partition[i]))
            return true;
    for (uint32_t i = 0; e->over && i < e->over->norder; i++)
        if (grouping_has_call(e->over->order[i].expr))
            return true;
    return false;
}

enum status grouping_has_arguments(struct binder *b, const struct ast_expr *e)
{
    if (e->flag && strcmp(e->name, "count") != 0)
        return bind_error(b, e->location, "%s(*) does not exist; only count(*)", e->name);
    if (e->nargs == 0 && !e->flag && !e->within) {
        (void)bind_error(b, e->location, "%s() needs an argument", e->name);
        return strcmp(e->name, "count") == 0 ? error_hint(b->err, "to count rows, write count(*)") : FAILED;
    }
    return OK;
}

static enum status check_call(struct binder *b, const struct scope *scope, const struct ast_expr *e)
{
    if (scope->in_aggregate)
        return bind_error(b, e->location, "aggregate function calls cannot be nested");
    if (!scope->grouping)
        return bind_error(b, e->location, "aggregate functions are not allowed in %s", scope->clause);
    return grouping_has_arguments(b, e);
}

static bool same(const struct expr *a, const struct expr *b) { return a == b || (a && b && expr_equal(a, b)); }

static uint32_t call_slot(struct binder *b, struct grouping *g, const struct grouped_call *call)
{
    for (uint32_t i = 0; i < g->ncalls; i++)
        if (g->calls[i].function == call->function && same(g->calls[i].arg, call->arg) &&
            same(g->calls[i].filter, call->filter))
            return i;
    g->calls = binder_grow(b, g->calls, g->ncalls, &g->cap, sizeof *g->calls);
    g->calls[g->ncalls] = *call;
    return g->ncalls++;
}

/* The argument of a row that FILTER leaves out is not computed: it cannot fail. */
static enum status guard_argument(struct binder *b, const struct grouped_call *call, struct expr **arg)
{
    if (!call->filter || (*arg)->nargs == 0)
        return OK;
    struct expr *args[] = {call->filter, *arg, expr_null(b->arena, (*arg)->type, call->location)};
    return bind_located(b, call->location,
                        expr_case(b->arena, args, ARRAY_LEN(args), call->location, arg, b->err));
}

static enum status bind_argument(struct binder *b, const struct scope *inside, const struct grouped_call *call,
                                 const struct ast_expr *e, struct expr **ret_written, struct expr **ret)
{
    TRY(bind_expr(b, inside, e, ret));
    TRY(bind_settle(b, ret));
    *ret_written = *ret;
    return guard_argument(b, call, ret);
}

enum status grouping_call(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    TRY(check_call(b, scope, e));
    struct scope inside = *scope;
    inside.in_aggregate = true;
    inside.values = scope->grouping->below;
    struct grouped_call call = {.location = e->location, .name = e->name};
    inside.clause = "FILTER";
    if (e->filter)
        TRY(bind_condition(b, &inside, e->filter, &call.filter));
    inside.clause = "the argument of an aggregate";
    struct expr **args = arena_array(b->arena, e->nargs, sizeof *args);
    struct expr **written = arena_array(b->arena, e->nargs + e->norder, sizeof *written);
    struct aggregate_order *order = arena_zarray(b->arena, e->norder, sizeof *order);
    for (uint32_t i = 0; i < e->nargs; i++)
        TRY(bind_argument(b, &inside, &call, e->args[i], &written[i], &args[i]));
    for (uint32_t i = 0; i < e->norder; i++) {
        order[i].descending = e->order[i].descending;
        order[i].nulls_first = e->order[i].nulls_first;
        TRY(bind_argument(b, &inside, &call, e->order[i].expr, &written[e->nargs + i], &order[i].key));
    }
    struct aggregate_call bound = {e->name, args, e->nargs, e->distinct, e->within, order, e->norder};
    TRY(bind_located(b, e->location, aggregate_bind(b->arena, &bound, &call.function, &call.arg, b->err)));
    assert(call.function);
    if (call.function->shape != SHAPE_ONE) {
        call.written = written;
        call.nwritten = e->nargs + (e->within ? e->norder : 0);
    }
    uint32_t slot = call_slot(b, scope->grouping, &call);
    struct type arg = call.arg ? call.arg->type : TYPE(TYPE_UNKNOWN);
    *ret = expr_column(b->arena, GROUPING_COLUMN + slot, call.function->result(arg), e->location);
    return OK;
}

/* ---- GROUPING() ---- */

enum { MARKER_ARGS = 8 }; /* a byte each */

enum status grouping_marker(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret)
{
    struct grouping *g = scope->grouping;
    uint64_t marker = 0;
    if (!g)
        return bind_error(b, e->location, "GROUPING() is not allowed in %s without GROUP BY", scope->clause);
    if (e->nargs == 0 || e->nargs > MARKER_ARGS)
        return bind_error(b, e->location, "GROUPING() takes 1 to %d arguments", MARKER_ARGS);
    struct scope inside = *scope;
    inside.grouping = NULL;
    for (uint32_t i = 0; i < e->nargs; i++) {
        struct expr *arg;
        uint32_t k = 0;
        TRY(bind_expr(b, &inside, e->args[i], &arg));
        while (k < g->ngroups && !expr_equal(g->groups[k], arg))
            k++;
        if (k == g->ngroups)
            return bind_error(b, e->args[i]->location, "arguments to GROUPING must be expressions of GROUP BY");
        marker = marker << 8 | k;
    }
    uint32_t cap = g->markers_cap;
    g->markers = binder_grow(b, g->markers, g->nmarkers, &cap, sizeof *g->markers);
    g->marker_counts = binder_grow(b, g->marker_counts, g->nmarkers, &g->markers_cap, sizeof *g->marker_counts);
    g->markers[g->nmarkers] = marker;
    g->marker_counts[g->nmarkers] = e->nargs;
    *ret = expr_column(b->arena, MARKER_COLUMN + g->nmarkers++, TYPE(TYPE_INT4), e->location);
    return OK;
}

/* A bit per argument, the last in the lowest: is it no group of this set? */
static enum status marker_value(struct binder *b, const struct grouping *g, uint32_t which, uint64_t set,
                                int32_t location, struct expr **ret)
{
    unsigned value = 0;
    for (uint32_t i = g->marker_counts[which]; i-- > 0;)
        value = value << 1 | !(set >> (g->markers[which] >> 8 * i & 0xff) & 1);
    return bind_located(b, location, expr_number(b->arena, arena_printf(b->arena, "%u", value), location, ret, b->err));
}

/* ---- rewriting over the aggregate's output ---- */

static enum status not_grouped(struct binder *b, const struct relation *input, const struct expr *e)
{
    const char *name = relation_name_of(b, input, e);
    (void)bind_error(b, e->location, "column \"%s\" must appear in GROUP BY or be used in an aggregate function", name);
    return error_hint(b->err, "there is one output row for many input rows: say which value, for example min(%s)",
                      name);
}

/* A view's column may be any expression: it is what the query names, not the columns that it is made of. */
static bool is_column_of(const struct relation *r, const struct expr *e)
{
    for (uint32_t i = 0; i < r->ncols; i++)
        if (r->cols[i].expr && expr_equal(r->cols[i].expr, e)) /* NULL: nothing reads it */
            return true;
    return false;
}

/* A group itself, or else anything written like one but for constants: of these another is only what it says, also in
 * rows of grouping sets where the group is NULL. */
static uint32_t group_of(const struct grouping *g, const struct expr *e)
{
    for (uint32_t i = 0; i < g->ngroups; i++)
        if (e == g->groups[i])
            return i;
    for (uint32_t i = 0; i < g->ngroups && e->kind != EXPR_CONST; i++)
        if (expr_equal(e, g->groups[i]))
            return i;
    return g->ngroups;
}

static enum status rewrite(struct binder *b, const struct grouping *g, const struct relation *input, struct expr *e,
                           struct expr **ret)
{
    uint32_t group = group_of(g, e);
    if (group < g->ngroups) {
        *ret = expr_column(b->arena, group, e->type, e->location);
        return OK;
    }
    if (e->kind == EXPR_COLUMN && e->column >= GROUPING_COLUMN) {
        *ret = expr_column(b->arena, g->ngroups + (e->column - GROUPING_COLUMN), e->type, e->location);
        return OK;
    }
    if (e->kind == EXPR_COLUMN && e->column >= MARKER_COLUMN && e->column < OVER_COLUMN) {
        *ret = expr_column(b->arena, g->ngroups + g->ncalls + (e->column - MARKER_COLUMN), e->type, e->location);
        return OK;
    }
    if (e->kind == EXPR_COLUMN && e->column >= VALUE_COLUMN) {
        *ret = e; /* a window function, a subquery: over what comes out here */
        return OK;
    }
    if (e->kind == EXPR_COLUMN)
        return not_grouped(b, input, e);
    if (e->nargs == 0) {
        *ret = e;
        return OK;
    }
    struct expr *copy = arena_dup(b->arena, e, sizeof *e);
    copy->args = arena_array(b->arena, e->nargs, sizeof *copy->args);
    for (uint32_t i = 0; i < e->nargs; i++)
        if (rewrite(b, g, input, e->args[i], &copy->args[i]) != OK)
            return is_column_of(input, e) ? not_grouped(b, input, e) : FAILED;
    *ret = copy;
    return OK;
}

/* ---- the nodes ---- */

/* The columns the aggregate reads: groups, then arguments and filters, each different one once. */
struct prepared {
    struct expr **exprs;
    const char **names;
    uint32_t count;
};

static int32_t prepare(struct binder *b, struct prepared *p, const struct relation *input, struct expr *e)
{
    if (!e)
        return -1;
    for (uint32_t i = 0; i < p->count; i++)
        if (expr_equal(p->exprs[i], e))
            return (int32_t)i;
    p->exprs[p->count] = e;
    p->names[p->count] = relation_name_of(b, input, e);
    return (int32_t)p->count++;
}

/* A call whose arguments are read as one, as it is written; NULL: it has one. */
static const char *written_call(struct binder *b, const struct relation *input, const struct grouped_call *call)
{
    if (!call->written)
        return NULL;
    AUTO(buf) text = BUF(KIB(4));
    buf_printf(&text, "%s(%s", call->name, call->function->variant == AGGREGATE_DISTINCT ? "distinct " : "");
    for (uint32_t i = 0; i < call->nwritten; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", relation_name_of(b, input, call->written[i]));
    return arena_printf(b->arena, "%s)", buf_cstr(&text));
}

/* sum, sum2, ...: names that tell the calls apart in `explain`. */
static const char *call_name(struct binder *b, const struct grouping *g, uint32_t call)
{
    uint32_t same_name = 1;
    for (uint32_t i = 0; i < call; i++)
        same_name += strcmp(g->calls[i].name, g->calls[call].name) == 0;
    return same_name == 1 ? g->calls[call].name : arena_printf(b->arena, "%s%u", g->calls[call].name, same_name);
}

/* ---- sessions: their bounds are known only together with what is computed over them ---- */

/* Where a group of a session's aggregate comes from in its output: a column of the key, the start or the end. */
static int32_t session_group(const struct plan_window *w, const struct plan_node *window, const struct expr *e)
{
    if (e->kind != EXPR_COLUMN)
        return -1;
    for (uint32_t k = 0; k < w->nkey; k++)
        if (w->key[k] == e->column)
            return (int32_t)k;
    if ((int32_t)e->column == window->window_start)
        return (int32_t)w->nkey;
    return (int32_t)e->column == window->window_end ? (int32_t)w->nkey + 1 : -1;
}

static enum status check_session_groups(struct binder *b, const struct grouping *g, const struct plan_node *window,
                                        int32_t *ret_columns)
{
    uint64_t seen = 0;
    const struct plan_window *w = &window->window;
    for (uint32_t i = 0; i < g->ngroups; i++) {
        ret_columns[i] = session_group(w, window, g->groups[i]);
        if (ret_columns[i] < 0) {
            (void)bind_refuse(b, g->groups[i]->location, "GROUP BY of session windows by anything but the session's "
                                                         "key, window_start and window_end");
            return error_hint(b->err, "what sessions are by is named in session(), behind the gap, too");
        }
        seen |= UINT64_C(1) << ret_columns[i];
    }
    uint64_t keys = (UINT64_C(1) << w->nkey) - 1;
    if ((seen & keys) == keys && (seen >> w->nkey))
        return OK;
    (void)bind_refuse(b, g->ngroups ? g->groups[0]->location : -1, "an aggregate over several sessions at once");
    return error_hint(b->err, "GROUP BY window_start, window_end and the session's key, then aggregate over that");
}

static bool reads_bounds(const struct plan_node *window, const struct expr *e)
{
    if (!e)
        return false;
    if (e->kind == EXPR_COLUMN)
        return (int32_t)e->column == window->window_start || (int32_t)e->column == window->window_end;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (reads_bounds(window, e->args[i]))
            return true;
    return false;
}

/* The session windows that are grouped, below their WHERE; NULL: something else is. */
static const struct plan_node *session_below(const struct binder *b, uint32_t node)
{
    const struct plan_node *n = b->nodes[node];
    while (n->kind == NODE_FILTER)
        n = b->nodes[n->inputs[0]];
    return node_is_session_window(n) ? n : NULL;
}

static bool reads_key_alone(const struct plan_window *w, const struct expr *e)
{
    bool alone = e->kind != EXPR_COLUMN;
    for (uint32_t k = 0; k < w->nkey; k++)
        alone |= e->kind == EXPR_COLUMN && w->key[k] == e->column;
    for (uint32_t i = 0; i < e->nargs && alone; i++)
        alone = reads_key_alone(w, e->args[i]);
    return alone;
}

/* A condition over sessions. What it says of the key holds for a session as a whole, so it goes below: *input. Of the
 * rest (*rows, NULL: there is none) a session is made of all rows, but has those alone for which it is true. */
static enum status session_condition(struct binder *b, const struct plan_node *window, struct expr *e,
                                     int32_t location, uint32_t *input, struct expr **rows)
{
    int32_t at = e->location >= 0 ? e->location : location;
    for (uint32_t i = 0; e->kind == EXPR_AND && i < e->nargs; i++)
        TRY(session_condition(b, window, e->args[i], at, input, rows));
    if (e->kind == EXPR_AND)
        return OK;
    if (reads_bounds(window, e)) {
        (void)bind_refuse(b, at, "WHERE over the bounds of sessions");
        return error_hint(b->err, "put the condition into HAVING: bounds are known of whole sessions");
    }
    if (reads_key_alone(&window->window, e))
        return node_filter(b, *input, e, at, input);
    struct expr *both[] = {*rows, e};
    if (*rows)
        return bind_located(b, at, expr_logic(b->arena, EXPR_AND, both, 2, at, rows, b->err));
    *rows = e;
    return OK;
}

static enum status session_where(struct binder *b, uint32_t node, const struct plan_node *window, int32_t location,
                                 uint32_t *input, struct expr **ret_rows)
{
    *ret_rows = NULL;
    for (const struct plan_node *n = b->nodes[node]; n->kind == NODE_FILTER; n = b->nodes[n->inputs[0]])
        TRY(session_condition(b, window, n->predicate, location, input, ret_rows));
    return OK;
}

/* The calls read the rows for which `rows` is true; one more counts them, and a session without any is not there. */
static enum status session_calls(struct binder *b, const struct grouping *g, const struct plan_node *window,
                                 struct expr *rows, const struct relation *input, struct prepared *in,
                                 struct plan_aggregate *calls)
{
    for (uint32_t i = 0; i < g->ncalls; i++) {
        struct grouped_call call = g->calls[i];
        if (reads_bounds(window, call.arg) || reads_bounds(window, call.filter))
            return bind_refuse(b, calls[i].location, "a session's bounds inside an aggregate over it");
        if (rows && call.filter)
            TRY(bind_located(b, call.location, expr_logic(b->arena, EXPR_AND, (struct expr *[]){rows, call.filter}, 2,
                                                          call.location, &call.filter, b->err)));
        else if (rows)
            call.filter = rows;
        if (rows && call.arg)
            TRY(guard_argument(b, &call, &call.arg));
        calls[i].arg = prepare(b, in, input, call.arg);
        calls[i].filter = prepare(b, in, input, call.filter);
    }
    if (!rows)
        return OK;
    struct plan_aggregate *count = &calls[g->ncalls];
    *count = (struct plan_aggregate){.arg = -1, .filter = prepare(b, in, input, rows), .location = rows->location};
    return bind_located(b, rows->location, aggregate_resolve(b->arena, "count", NULL, 0, &count->function, b->err));
}

static enum status sessions_with_rows(struct binder *b, uint32_t count, int32_t location, uint32_t *node)
{
    struct expr *some, *args[] = {expr_column(b->arena, count, TYPE(TYPE_INT8), location), NULL};
    TRY(bind_located(b, location, expr_number(b->arena, "0", location, &args[1], b->err)));
    TRY(bind_located(b, location, expr_call(b->arena, ">", args, 2, location, &some, b->err)));
    return node_filter(b, *node, some, location, node);
}

/* The session's input has its key, its time, then what the aggregates read; its output is put in the order of groups.
 * `calls` and the names of all have room for one more. */
static enum status session_nodes(struct binder *b, struct grouping *g, const struct relation *input,
                                 struct plan_aggregate *calls, const char **names, int32_t location, uint32_t *ret)
{
    const struct plan_node *window = session_below(b, input->node);
    struct plan_window w = window->window;
    struct expr *rows = NULL;
    uint32_t node, below = window->inputs[0];
    int32_t *columns = arena_array(b->arena, MAX(g->ngroups, 1), sizeof *columns);
    TRY(check_session_groups(b, g, window, columns));
    TRY(session_where(b, input->node, window, location, &below, &rows));
    uint32_t most = w.nkey + 2 + 2 * g->ncalls;
    struct prepared in = {arena_array(b->arena, most, sizeof *in.exprs), arena_array(b->arena, most, sizeof *in.names),
                          0};
    const struct schema *schema = &window->schema;
    for (uint32_t k = 0; k <= w.nkey; k++) {
        uint32_t c = k < w.nkey ? w.key[k] : w.column;
        in.exprs[in.count] = expr_column(b->arena, c, schema->types[c], location);
        in.names[in.count++] = schema->names[c];
    }
    TRY(session_calls(b, g, window, rows, input, &in, calls));
    w.key = arena_array(b->arena, MAX(w.nkey, 1), sizeof *w.key);
    TRY(node_project(b, below, in.exprs, in.names, in.count, location, &node));
    TRY(node_session(b, node, &w, calls, g->ncalls + !!rows, names + g->ngroups, location, &node));
    if (rows)
        TRY(sessions_with_rows(b, w.nkey + 2 + g->ncalls, location, &node));
    struct expr **out = arena_array(b->arena, g->ngroups + g->ncalls, sizeof *out);
    for (uint32_t i = 0; i < g->ngroups + g->ncalls; i++) {
        uint32_t c = i < g->ngroups ? (uint32_t)columns[i] : w.nkey + 2 + i - g->ngroups;
        out[i] = expr_column(b->arena, c, b->nodes[node]->schema.types[c], location);
    }
    return node_project(b, node, out, names, g->ngroups + g->ncalls, location, ret);
}

/* The aggregate by some of the groups. Its output: those groups, then the calls. */
static enum status one_set(struct binder *b, struct grouping *g, const struct relation *input, int32_t location,
                           uint32_t *ret, const char ***ret_names)
{
    uint32_t most = g->ngroups + 2 * g->ncalls + 1;
    struct prepared p = {arena_array(b->arena, most, sizeof *p.exprs), arena_array(b->arena, most, sizeof *p.names),
                         0};
    struct plan_aggregate *calls = arena_zarray(b->arena, g->ncalls + 1, sizeof *calls);
    const char **names = arena_array(b->arena, (size_t)g->ngroups + g->ncalls + 1 + g->nmarkers, sizeof *names);
    for (uint32_t i = 0; i < g->ngroups; i++) {
        p.exprs[p.count] = g->groups[i];
        p.names[p.count++] = names[i] = g->names[i];
    }
    for (uint32_t i = 0; i < g->ncalls; i++) {
        const struct grouped_call *call = &g->calls[i];
        calls[i].function = call->function;
        calls[i].arg = prepare(b, &p, input, call->arg);
        calls[i].filter = prepare(b, &p, input, call->filter);
        calls[i].location = call->location;
        calls[i].written = written_call(b, input, call);
        names[g->ngroups + i] = call_name(b, g, i);
    }
    names[g->ngroups + g->ncalls] = "rows";
    *ret_names = names;
    uint32_t node = input->node;
    if (session_below(b, node))
        return session_nodes(b, g, input, calls, names, location, ret);
    if (p.count) /* count(*) alone reads no column, but the rows must be there to count */
        TRY(node_project(b, node, p.exprs, p.names, p.count, location, &node));
    return node_aggregate(b, node, g->ngroups, calls, g->ncalls, names, location, ret);
}

/* The output of one set as that of all: NULL for the groups it does not have, and what GROUPING() says of it. */
static enum status widen_set(struct binder *b, const struct grouping *g, uint64_t set, uint32_t nmine,
                             const char *const *names, int32_t location, uint32_t *node)
{
    uint32_t width = g->ngroups + g->ncalls + g->nmarkers, mine = 0;
    struct expr **exprs = arena_array(b->arena, MAX(width, 1), sizeof *exprs);
    const char **all = arena_array(b->arena, MAX(width, 1), sizeof *all);
    const struct schema *schema = &b->nodes[*node]->schema;
    for (uint32_t i = 0; i < width; i++) {
        all[i] = i < g->ngroups ? g->names[i] : i < g->ngroups + g->ncalls ? names[i - g->ngroups] : "grouping";
        if (i < g->ngroups && !(set >> i & 1))
            exprs[i] = expr_null(b->arena, g->groups[i]->type, location);
        else if (i < g->ngroups + g->ncalls) {
            uint32_t c = i < g->ngroups ? mine++ : nmine + i - g->ngroups;
            exprs[i] = expr_column(b->arena, c, schema->types[c], location);
        } else {
            TRY(marker_value(b, g, i - g->ngroups - g->ncalls, set, location, &exprs[i]));
        }
    }
    return node_project(b, *node, exprs, all, width, location, node);
}

/* One aggregate a set, over the same rows, and all their rows together. */
static enum status all_sets(struct binder *b, struct grouping *g, const struct relation *input, int32_t location,
                            uint32_t *ret)
{
    uint32_t *nodes = arena_array(b->arena, g->nsets, sizeof *nodes);
    for (uint32_t s = 0; s < g->nsets; s++) {
        struct grouping mine = *g;
        const char **names;
        mine.groups = arena_array(b->arena, MAX(g->ngroups, 1), sizeof *mine.groups);
        mine.names = arena_array(b->arena, MAX(g->ngroups, 1), sizeof *mine.names);
        mine.ngroups = mine.nmarkers = 0;
        for (uint32_t i = 0; i < g->ngroups; i++)
            if (g->sets[s] >> i & 1) {
                mine.groups[mine.ngroups] = g->groups[i];
                mine.names[mine.ngroups++] = g->names[i];
            }
        TRY(one_set(b, &mine, input, location, &nodes[s], &names));
        TRY(widen_set(b, g, g->sets[s], mine.ngroups, names + mine.ngroups, location, &nodes[s]));
    }
    *ret = g->nsets == 1 ? nodes[0] : node_union(b, nodes, g->nsets, location);
    return OK;
}

static enum status make_nodes(struct binder *b, struct grouping *g, const struct relation *input, int32_t location,
                              uint32_t *ret)
{
    const char **names;
    if (g->nsets)
        return all_sets(b, g, input, location, ret);
    TRY(one_set(b, g, input, location, ret, &names));
    if (g->nmarkers == 0)
        return OK;
    return widen_set(b, g, UINT64_MAX, g->ngroups, names + g->ngroups, location, ret);
}

enum status grouping_finish(struct binder *b, struct grouping *g, struct relation *input, struct expr ***exprs,
                            uint32_t nexprs, int32_t location)
{
    for (uint32_t i = 0; i < nexprs; i++)
        TRY(rewrite(b, g, input, *exprs[i], exprs[i]));
    uint32_t node;
    TRY(make_nodes(b, g, input, location, &node));
    *input = relation_of_node(b, node, b->nodes[node]->schema.names, b->nodes[node]->schema.ncols);
    return OK;
}
