/* Nodes of windows, and when rows that change have changed for the last time. */
#include "column/rowkey.h"
#include "plan/bind.h"

/* ---- windows ---- */

static const char *const bounds[] = {"window_start", "window_end"};

/* A start lies at most the size before the row's time, the end after it. */
static void window_times(struct binder *b, struct plan_node *n, uint32_t start)
{
    int64_t lag = plan_lag(n, (int32_t)n->window.column), start_lag;
    struct plan_time *times = arena_array(b->arena, n->ntimes + 2, sizeof *times);
    memcpy(times, n->times, n->ntimes * sizeof *times);
    times[n->ntimes++] = (struct plan_time){start + 1, lag};
    if (!__builtin_add_overflow(lag, n->window.size, &start_lag))
        times[n->ntimes++] = (struct plan_time){start, start_lag};
    n->times = times;
}

enum status node_window(struct binder *b, uint32_t input, const struct plan_window *window, int32_t location,
                        uint32_t *ret)
{
    struct plan_node *n = node_new(b, NODE_WINDOW, &input, 1, location);
    node_inherit(b, n);
    n->window = *window;
    uint32_t start = n->schema.ncols;
    node_append(b, n, bounds, TYPE(TYPE_TIMESTAMPTZ), 2);
    if (window->kind != WINDOW_SESSION)
        window_times(b, n, start);
    n->window_start = (int32_t)start;
    n->window_end = (int32_t)start + 1;
    n->start_tells_end = window->kind != WINDOW_CUMULATE;
    if (window->kind != WINDOW_TUMBLE) /* a row is in several windows */
        keys_widen(b, n, start + 1);
    *ret = node_add(b, n);
    return OK;
}

enum status node_session(struct binder *b, uint32_t input, const struct plan_window *window,
                         struct plan_aggregate *aggregates, uint32_t naggregates, const char **names,
                         int32_t location, uint32_t *ret)
{
    TRY(node_close(b, input, location, &input)); /* sessions are of rows that stay: windows, when they have closed */
    struct plan_node *n = node_new(b, NODE_SESSION, &input, 1, location);
    const struct plan_node *below = b->nodes[input];
    uint32_t nkey = window->nkey;
    n->window = *window;
    n->window.column = nkey;
    n->aggregates = aggregates;
    n->naggregates = naggregates;
    n->schema = node_schema(b, nkey + 2 + naggregates);
    for (uint32_t i = 0; i < nkey; i++) {
        n->window.key[i] = i;
        n->schema.names[i] = below->schema.names[i];
        n->schema.types[i] = below->schema.types[i];
    }
    for (uint32_t i = 0; i < 2; i++) {
        n->schema.names[nkey + i] = bounds[i];
        n->schema.types[nkey + i] = TYPE(TYPE_TIMESTAMPTZ);
    }
    for (uint32_t i = 0; i < naggregates; i++) {
        struct type arg = aggregates[i].arg >= 0 ? below->schema.types[aggregates[i].arg] : TYPE(TYPE_UNKNOWN);
        n->schema.names[nkey + 2 + i] = names[i];
        n->schema.types[nkey + 2 + i] = aggregates[i].function->result(arg);
    }
    n->window_start = (int32_t)nkey;
    n->window_end = (int32_t)nkey + 1;
    n->start_tells_end = true;
    n->lag = MAX(plan_lag(below, (int32_t)nkey), 0);
    n->times = arena_dup(b->arena, &(struct plan_time){nkey + 1, n->lag}, sizeof *n->times);
    n->ntimes = 1;
    keys_rank(b, n, n->window.key, nkey, n->window_end);
    n->stateful = true;
    n->mode = MODE_UPDATING;
    *ret = node_add(b, n);
    return OK;
}

bool node_is_session_window(const struct plan_node *n)
{
    return n->kind == NODE_WINDOW && n->window.kind == WINDOW_SESSION;
}

/* ---- closing ---- */

static enum status never_closes(struct binder *b, const struct plan_node *n, int32_t location)
{
    const char *time = "GROUP BY window_start, window_end of tumble(), hop(), cumulate() or session()";
    if (n->kind == NODE_JOIN)
        time = "join by time, such as AND b.ts BETWEEN a.ts AND a.ts + interval '1 hour'";
    else if (n->kind == NODE_TOPN || n->kind == NODE_OVER)
        time = "PARTITION BY the window_end of tumble(), hop(), cumulate() or session(), too";
    (void)bind_error(b, location, "rows of \"%s\" (%s) may change at any time, so they cannot come once", n->name,
                     n->id);
    return error_hint(b->err, "%s", time);
}

/* Its rows leave once the watermark has passed them. */
static bool closes_itself(const struct plan_node *n)
{
    switch (n->kind) {
    case NODE_SESSION: return true;
    case NODE_AGGREGATE:
    case NODE_TOPN:
    case NODE_OVER: return n->closes >= 0;
    case NODE_JOIN: {
        bool left = n->join.kind == JOIN_LEFT || n->join.kind == JOIN_FULL || n->join.kind == JOIN_ANTI;
        bool right = n->join.kind == JOIN_RIGHT || n->join.kind == JOIN_FULL;
        return (!left || n->join.expires[0] >= 0 || n->join.fixed[1]) &&
               (!right || n->join.expires[1] >= 0 || n->join.fixed[0]);
    }
    default: return false;
    }
}

static bool passes_on(const struct plan_node *n)
{
    return n->kind == NODE_FILTER || n->kind == NODE_PROJECT || n->kind == NODE_WINDOW || n->kind == NODE_UNION ||
           n->kind == NODE_UNNEST;
}

static int64_t greatest_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool reads(const struct expr *e, int32_t column)
{
    if (e->kind == EXPR_COLUMN && (int32_t)e->column == column)
        return true;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (reads(e->args[i], column))
            return true;
    return false;
}

/* Is this an aggregate over windows that overlap, in which nothing but the groups tells the windows of a row apart?
 * Then it can be made of panes. *ret_project and *ret_window are the two steps below it. */
static bool has_panes(struct binder *b, const struct plan_node *n, struct plan_node *ret_project,
                      struct plan_node *ret_window)
{
    const struct plan_node *project = b->nodes[n->inputs[0]];
    if (n->kind != NODE_AGGREGATE || project->kind != NODE_PROJECT || n->closes < 0)
        return false;
    const struct plan_node *window = b->nodes[project->inputs[0]];
    const struct plan_window *w = &window->window;
    bool overlap = window->kind == NODE_WINDOW && (w->kind == WINDOW_HOP || w->kind == WINDOW_CUMULATE) &&
                   w->size >= 2 * w->slide;
    bool by_start = w->kind == WINDOW_HOP && n->closes == n->window_start;
    if (!overlap || (n->closes != n->window_end && !by_start))
        return false;
    for (uint32_t i = 0; i < n->ngroup; i++) /* panes are merged by key, and know no more of a group than that */
        if (!rowkey_tells_form(n->schema.types[i]))
            return false;
    for (uint32_t i = 0; i < project->schema.ncols; i++) {
        bool bound = (int32_t)i == n->window_start || (int32_t)i == n->window_end;
        if (!bound && (reads(project->exprs[i], window->window_start) || reads(project->exprs[i], window->window_end)))
            return false;
    }
    *ret_project = *project;
    *ret_window = *window;
    return true;
}

/* What a row is computed from is kept once a pane, instead of once for each window that holds it. */
static enum status close_in_panes(struct binder *b, struct plan_node *closed, struct plan_node *project,
                                  struct plan_node *window, int32_t location, uint32_t *ret)
{
    uint32_t input;
    window->window.pane = greatest_divisor(window->window.size, window->window.slide);
    TRY(node_close(b, window->inputs[0], location, &input));
    window->inputs = arena_dup(b->arena, &input, sizeof input);
    window->mode = b->nodes[input]->mode;
    input = node_add(b, arena_dup(b->arena, window, sizeof *window));
    project->inputs = arena_dup(b->arena, &input, sizeof input);
    project->mode = window->mode;
    input = node_add(b, arena_dup(b->arena, project, sizeof *project));
    closed->inputs = arena_dup(b->arena, &input, sizeof input);
    closed->window = window->window;
    closed->final = true;
    closed->mode = MODE_FINAL;
    *ret = node_add(b, closed);
    return OK;
}

/* What it reads comes once, now: nothing of it need be kept to be taken back. */
static void take_additions(struct binder *b, struct plan_node *closed)
{
    if (closed->kind != NODE_AGGREGATE || closed->naggregates == 0)
        return;
    closed->aggregates = arena_dup(b->arena, closed->aggregates, closed->naggregates * sizeof *closed->aggregates);
    for (uint32_t i = 0; i < closed->naggregates; i++)
        closed->aggregates[i].function = aggregate_of_additions(closed->aggregates[i].function);
}

enum status node_close(struct binder *b, uint32_t node, int32_t location, uint32_t *ret)
{
    const struct plan_node *n = b->nodes[node];
    if (n->mode != MODE_UPDATING || n->closed_as) {
        *ret = n->closed_as ? n->closed_as : node;
        return OK;
    }
    if (!closes_itself(n) && !passes_on(n))
        return never_closes(b, n, location);
    struct plan_node *closed = arena_dup(b->arena, n, sizeof *n), project, window;
    take_additions(b, closed);
    if (has_panes(b, n, &project, &window)) {
        TRY(close_in_panes(b, closed, &project, &window, location, ret));
        b->nodes[node]->closed_as = *ret;
        return OK;
    }
    closed->inputs = arena_array(b->arena, n->ninputs, sizeof *closed->inputs);
    closed->final = closes_itself(n);
    closed->mode = closed->final ? MODE_FINAL : MODE_APPEND;
    for (uint32_t i = 0; i < n->ninputs; i++) {
        TRY(node_close(b, n->inputs[i], location, &closed->inputs[i]));
        closed->mode = MAX(closed->mode, b->nodes[closed->inputs[i]]->mode);
    }
    *ret = node_add(b, closed);
    b->nodes[node]->closed_as = *ret;
    return OK;
}
