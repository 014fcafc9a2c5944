/* Windows in FROM: their arguments, and the rows with their windows. */
#include "column/civil.h"
#include "plan/bind.h"

enum {
    MAX_OVERLAP = 100000, /* windows that one row may be in */
    MAX_DAYS = 3652059,   /* from the year 1 to the end of 9999: no window is longer */
};

/* ---- arguments ---- */

static enum status constant_interval(struct binder *b, const struct ast_from *from, const struct ast_expr *e,
                                     const char *what, int64_t *ret)
{
    const struct scope scope = {.clause = "the arguments of a window"};
    struct expr *value;
    TRY(bind_expr(b, &scope, e, &value));
    if (bind_located(b, e->location, expr_cast(b->arena, value, TYPE(TYPE_INTERVAL), CAST_IMPLICIT, e->location, &value,
                                               b->err)) != OK)
        return b->err->hint[0] ? FAILED : error_hint(b->err, "the %s of %s() is a length of time: interval '5 minutes'",
                                                     what, from->name);
    if (value->kind != EXPR_CONST || column_is_null(&value->value, 0))
        return bind_error(b, e->location, "the %s of %s() must be a constant interval", what, from->name);
    const struct interval *i = value->value.data;
    if (i->months) {
        (void)bind_error(b, e->location, "the %s of %s() cannot be in months or years: they differ in length", what,
                         from->name);
        return error_hint(b->err, "write it in days: interval '30 days'");
    }
    if (interval_micros(*i, ret) && *ret >= -MAX_DAYS * MICROS_PER_DAY && *ret <= MAX_DAYS * MICROS_PER_DAY)
        return OK;
    return bind_error(b, e->location, "the %s of %s() is out of range: it is at most %d days", what, from->name,
                      MAX_DAYS);
}

static enum status positive_interval(struct binder *b, const struct ast_from *from, uint32_t arg, const char *what,
                                     int64_t *ret)
{
    TRY(constant_interval(b, from, from->args[arg], what, ret));
    return *ret > 0 ? OK
                    : bind_error(b, from->args[arg]->location, "the %s of %s() must be above zero", what, from->name);
}

static enum status check_count(struct binder *b, const struct ast_from *from, uint32_t least, uint32_t most,
                               const char *usage)
{
    if (from->nargs >= least && from->nargs <= most)
        return OK;
    (void)bind_error(b, from->location, "%s() has %u arguments", from->name, from->nargs);
    return error_hint(b->err, "%s", usage);
}

static enum status tumble_arguments(struct binder *b, const struct ast_from *from, struct plan_window *w)
{
    w->kind = WINDOW_TUMBLE;
    TRY(check_count(b, from, 3, 4, "tumble(relation, time column, size [, offset])"));
    TRY(positive_interval(b, from, 2, "size", &w->size));
    w->slide = w->size;
    return from->nargs > 3 ? constant_interval(b, from, from->args[3], "offset", &w->offset) : OK;
}

static enum status hop_overlaps(struct binder *b, const struct ast_from *from)
{
    (void)bind_error(b, from->args[2]->location, "a row would be in more than %d windows", MAX_OVERLAP);
    return error_hint(b->err, "the size may be at most so many times the %s",
                      strcmp(from->name, "hop") == 0 ? "slide" : "step");
}

static enum status hop_arguments(struct binder *b, const struct ast_from *from, struct plan_window *w)
{
    bool cumulate = strcmp(from->name, "cumulate") == 0;
    w->kind = cumulate ? WINDOW_CUMULATE : WINDOW_HOP;
    TRY(check_count(b, from, 4, 5, cumulate ? "cumulate(relation, time column, step, size [, offset])"
                                            : "hop(relation, time column, slide, size [, offset])"));
    TRY(positive_interval(b, from, 2, cumulate ? "step" : "slide", &w->slide));
    TRY(positive_interval(b, from, 3, "size", &w->size));
    if (cumulate && w->size % w->slide)
        return bind_error(b, from->args[3]->location, "the size of cumulate() must be a multiple of its step");
    if (w->size / w->slide > MAX_OVERLAP)
        return hop_overlaps(b, from);
    return from->nargs > 4 ? constant_interval(b, from, from->args[4], "offset", &w->offset) : OK;
}

/* A column of the relation that is one of its node. */
static enum status plain_column(struct binder *b, const struct scope *scope, const struct ast_from *from, uint32_t arg,
                                const char *what, uint32_t *ret)
{
    struct expr *e;
    TRY(bind_expr(b, scope, from->args[arg], &e));
    if (e->kind != EXPR_COLUMN) {
        (void)bind_error(b, from->args[arg]->location, "the %s of %s() must be a column", what, from->name);
        return error_hint(b->err, "compute it in a view and name it there");
    }
    *ret = e->column;
    return OK;
}

static enum status session_arguments(struct binder *b, const struct scope *scope, const struct ast_from *from,
                                     struct plan_window *w)
{
    w->kind = WINDOW_SESSION;
    TRY(check_count(b, from, 3, 3 + 32, "session(relation, time column, gap [, key column ...])"));
    TRY(positive_interval(b, from, 2, "gap", &w->size));
    w->nkey = from->nargs - 3;
    w->key = arena_array(b->arena, MAX(w->nkey, 1), sizeof *w->key);
    for (uint32_t i = 0; i < w->nkey; i++)
        TRY(plain_column(b, scope, from, i + 3, "key", &w->key[i]));
    return OK;
}

static bool is_timed_scan(const struct plan_node *n) { return n->kind == NODE_SCAN && n->ntimes; }

static enum status check_time(struct binder *b, const struct ast_from *from, uint32_t node, uint32_t column)
{
    const struct plan_node *n = b->nodes[node];
    enum type_id type = n->schema.types[column].id;
    if (plan_lag(n, (int32_t)column) >= 0)
        return OK;
    if (b->lookup && (type == TYPE_TIMESTAMPTZ || type == TYPE_TIMESTAMP)) /* a query has all its rows */
        return OK;
    const char *hint = "mark the source's time column with OPTIONS (watermark '10 seconds')";
    if (n->ntimes)
        hint = arena_printf(b->arena, "\"%s\" does", n->schema.names[n->times[0].column]);
    else if (node_found(b, node, is_timed_scan))
        hint = "a step below lost it: GROUP BY the time or its window, join by time (AND b.ts BETWEEN a.ts AND a.ts + "
               "interval '1 hour'), PARTITION BY window_end";
    (void)bind_error(b, from->args[1]->location, "%s() needs event time, and \"%s\" carries none here", from->name,
                     n->schema.names[column]);
    return error_hint(b->err, "%s", hint);
}

/* ---- the relation ---- */

/* An expression column that is needed as a column of the node is computed by one. */
static enum status as_columns(struct binder *b, struct relation *r, int32_t location)
{
    for (uint32_t i = 0; i < r->ncols; i++)
        if (r->cols[i].expr->kind != EXPR_COLUMN)
            return relation_materialise(b, r, location);
    return OK;
}

enum status bind_window(struct binder *b, struct cte *ctes, const struct ast_from *from, struct relation *ret)
{
    const struct ast_expr *name = from->args[0];
    const struct ast_from read = {.schema = name->qualifier, .name = name->name, .location = name->location};
    struct relation r;
    struct plan_window w = {0};
    TRY(bind_relation(b, ctes, &read, &r));
    TRY(as_columns(b, &r, from->location));
    const struct scope scope = {.input = &r, .alias = name->name, .clause = "the arguments of a window"};
    if (from->nargs < 2)
        return check_count(b, from, 3, 3, "the relation, its time column, and the size come first");
    TRY(plain_column(b, &scope, from, 1, "time", &w.column));
    TRY(check_time(b, from, r.node, w.column));
    if (strcmp(from->name, "tumble") == 0)
        TRY(tumble_arguments(b, from, &w));
    else if (strcmp(from->name, "session") == 0)
        TRY(session_arguments(b, &scope, from, &w));
    else
        TRY(hop_arguments(b, from, &w));
    uint32_t width = b->nodes[r.node]->schema.ncols;
    TRY(node_window(b, r.node, &w, from->location, &r.node));
    struct relation with = {.node = r.node, .ncols = r.ncols + 2,
                            .cols = arena_array(b->arena, r.ncols + 2, sizeof *with.cols)};
    memcpy(with.cols, r.cols, r.ncols * sizeof *r.cols);
    for (uint32_t i = 0; i < 2; i++)
        with.cols[r.ncols + i] = (struct relation_column){
            .name = i ? "window_end" : "window_start",
            .expr = expr_column(b->arena, width + i, TYPE(TYPE_TIMESTAMPTZ), -1)};
    *ret = with;
    return OK;
}
