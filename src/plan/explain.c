/* The plan for people: a tree per sink, and what each stateful step keeps. */
#include <inttypes.h>
#include <stdio.h>

#include "plan/plan.h"

static const char *const mode_names[] = {
    [MODE_APPEND] = "append", [MODE_FINAL] = "final at watermark", [MODE_UPDATING] = "updating"};

struct explain {
    const struct plan *plan;
    struct buf *out;
    bool *shown; /* per node */
};

/* ---- pieces of text ---- */

static void indent(struct buf *out, unsigned depth) { buf_printf(out, "%*s", (int)depth * 2, ""); }

static const char *duration(int64_t us, char out[static 32])
{
    static const struct {
        int64_t size;
        const char *name;
    } units[] = {{INT64_C(86400000000), "day"}, {INT64_C(3600000000), "hour"}, {60000000, "minute"}, {1000000, "s"},
                 {1000, "ms"}, {1, "us"}};
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && (us < units[i].size || us % units[i].size))
        i++;
    int64_t n = us / units[i].size;
    snprintf(out, 32, "%" PRId64 " %s%s", n, units[i].name, i < 3 && n != 1 ? "s" : "");
    return out;
}

static void columns(struct buf *out, const struct schema *schema, const uint32_t *list, uint32_t n)
{
    buf_putc(out, '(');
    for (uint32_t i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? ", " : "", schema->names[list[i]]);
    buf_putc(out, ')');
}

static const struct schema *input_schema(const struct plan *p, const struct plan_node *n)
{
    return &p->nodes[n->inputs[0]].schema;
}

static void expression(struct explain *x, const struct plan_node *n, const struct expr *e)
{
    expr_print(e, n->ninputs ? input_schema(x->plan, n)->names : NULL, x->out);
}

static void server(struct explain *x, const struct plan_table *t)
{
    if (x->plan->nservers)
        buf_printf(x->out, " on %s \"%s\"", x->plan->servers[t->server].connector, x->plan->servers[t->server].name);
}

/* ---- nodes ---- */

static void explain_scan(struct explain *x, const struct plan_node *n, unsigned depth)
{
    const struct plan_table *t = &x->plan->tables[n->table];
    char delay[32];
    buf_printf(x->out, "scan %s", t->name);
    server(x, t);
    if (t->format)
        buf_printf(x->out, ", format %s", t->format);
    if (t->time_column >= 0)
        buf_printf(x->out, ", event time %s, late after %s", t->schema.names[t->time_column],
                   duration(t->watermark_delay, delay));
    for (uint32_t i = 0; i < t->nrules; i++) {
        buf_putc(x->out, '\n');
        indent(x->out, depth + 2);
        buf_printf(x->out, "rule %s: %s", t->rules[i].id, t->rules[i].text);
    }
}

static void explain_calls(struct explain *x, const struct plan_node *n, uint32_t first, unsigned depth)
{
    const struct schema *in = input_schema(x->plan, n);
    for (uint32_t i = 0; i < n->naggregates; i++) {
        const struct plan_aggregate *a = &n->aggregates[i];
        buf_putc(x->out, '\n');
        indent(x->out, depth + 2);
        buf_printf(x->out, "%s = ", n->schema.names[first + i]);
        if (a->written)
            buf_puts(x->out, a->written);
        else
            buf_printf(x->out, "%s(%s%s)", a->function->name,
                       a->function->variant == AGGREGATE_DISTINCT ? "distinct " : "",
                       a->arg < 0 ? "*" : in->names[a->arg]);
        if (a->filter >= 0)
            buf_printf(x->out, " where %s", in->names[a->filter]);
    }
}

/* All groups: its first key. */
static void explain_groups(struct explain *x, const struct plan_node *n)
{
    columns(x->out, &n->schema, n->keys[0].columns, n->keys[0].n);
}

static void explain_aggregate(struct explain *x, const struct plan_node *n, unsigned depth)
{
    if (n->naggregates == 0) {
        buf_puts(x->out, "distinct rows, as an aggregate without aggregates, by ");
        explain_groups(x, n);
        return;
    }
    buf_puts(x->out, n->ngroup ? "aggregate by " : "aggregate into one row");
    if (n->ngroup)
        explain_groups(x, n);
    explain_calls(x, n, n->ngroup, depth);
}

static void explain_sort(struct explain *x, const struct plan_node *n)
{
    buf_puts(x->out, n->nsort ? "sort by" : n->limit >= 0 ? "limit" : "collect until the input ends");
    for (uint32_t i = 0; i < n->nsort; i++)
        buf_printf(x->out, "%s %s%s%s", i ? "," : "", n->schema.names[n->sort[i].column],
                   n->sort[i].descending ? " desc" : "",
                   n->sort[i].nulls_first == n->sort[i].descending ? ""
                   : n->sort[i].nulls_first                        ? " nulls first"
                                                                   : " nulls last");
    if (n->limit >= 0)
        buf_printf(x->out, "%s %" PRId64, n->nsort ? ", limit" : "", n->limit);
    if (n->offset)
        buf_printf(x->out, " offset %" PRId64, n->offset);
}

static void explain_exprs(struct explain *x, const struct plan_node *n, unsigned depth)
{
    AUTO(buf) text = BUF(MIB(1));
    for (uint32_t i = 0; i < n->schema.ncols; i++) {
        buf_clear(&text);
        expr_print(n->exprs[i], input_schema(x->plan, n)->names, &text);
        buf_putc(x->out, '\n');
        indent(x->out, depth + 2);
        buf_puts(x->out, n->schema.names[i]);
        if (!slice_equal(buf_slice(&text), slice_of(n->schema.names[i])))
            buf_printf(x->out, " = %s", buf_cstr(&text));
        if (n->now_columns && bit_get(n->now_columns, i))
            buf_puts(x->out, "   (of the epoch in which the row changed)");
    }
}

static void explain_sink(struct explain *x, const struct plan_node *n)
{
    const struct plan_table *t = &x->plan->tables[n->table];
    char every[32];
    buf_printf(x->out, "sink %s", t->name);
    server(x, t);
    if (option_given(&t->options, "commit_interval"))
        buf_printf(x->out, ", every %s",
                   duration(option_int(&t->options, plan_sink_options, "commit_interval"), every));
    if (t->nkey) {
        buf_puts(x->out, ", upsert by ");
        columns(x->out, &t->schema, t->key, t->nkey);
    } else {
        buf_puts(x->out, ", append");
    }
}

static void explain_sink_rules(struct explain *x, const struct plan_node *n, unsigned depth)
{
    const struct plan_table *t = &x->plan->tables[n->table];
    for (uint32_t i = 0; i < t->nrules; i++) {
        buf_putc(x->out, '\n');
        indent(x->out, depth + 2);
        buf_printf(x->out, "rule %s: %s", t->rules[i].id, t->rules[i].text);
    }
}

static void explain_dedup(struct explain *x, const struct plan_node *n)
{
    char horizon[32];
    buf_puts(x->out, "first row of each ");
    columns(x->out, &n->schema, n->dedup_key, n->ndedup_key);
    buf_printf(x->out, ", remembered %s", duration(n->dedup_horizon, horizon));
}

static void explain_window(struct explain *x, const struct plan_node *n)
{
    static const char *const kinds[] = {"tumbling", "hopping", "cumulating", "session"};
    const struct plan_window *w = &n->window;
    char size[32], slide[32];
    buf_printf(x->out, "%s windows of %s, %s %s", kinds[w->kind], input_schema(x->plan, n)->names[w->column],
               w->kind == WINDOW_SESSION ? "gap" : "size", duration(w->size, size));
    if (w->kind == WINDOW_HOP || w->kind == WINDOW_CUMULATE)
        buf_printf(x->out, " every %s", duration(w->slide, slide));
    if (w->offset)
        buf_printf(x->out, " from %s", duration(w->offset, slide));
    if (w->pane)
        buf_printf(x->out, ", in panes of %s", duration(w->pane, slide));
}

static void explain_unnest(struct explain *x, const struct plan_node *n)
{
    const struct schema *in = input_schema(x->plan, n);
    uint32_t kept = in->ncols - n->unnest.narrays;
    buf_puts(x->out, "a row for each element of");
    for (uint32_t i = kept; i < in->ncols; i++)
        buf_printf(x->out, "%s %s as %s", i > kept ? "," : "", in->names[i], n->schema.names[i]);
    if (n->unnest.ordinality)
        buf_printf(x->out, ", numbered as %s", n->schema.names[in->ncols]);
    if (n->unnest.outer)
        buf_puts(x->out, ", or one with NULL");
    if (n->predicate) {
        buf_puts(x->out, " where none has ");
        expr_print(n->predicate, n->schema.names, x->out);
    }
}

static void explain_session(struct explain *x, const struct plan_node *n, unsigned depth)
{
    explain_window(x, n);
    buf_puts(x->out, " by ");
    columns(x->out, &n->schema, n->window.key, n->window.nkey);
    explain_calls(x, n, n->window.nkey + 2, depth);
}

static const struct schema *side_schema(const struct plan *p, const struct plan_node *n, int side)
{
    return &p->nodes[n->inputs[side]].schema;
}

static void explain_join(struct explain *x, const struct plan_node *n, unsigned depth)
{
    static const char *const kinds[] = {"inner join", "left join", "right join", "full join", "semi join", "anti join"};
    static const char *const names[] = {"left", "right"};
    const struct plan_join *j = &n->join;
    const struct schema *left = side_schema(x->plan, n, 0), *right = side_schema(x->plan, n, 1);
    buf_puts(x->out, kinds[j->kind]);
    for (uint32_t i = 0; i < j->nkey; i++)
        buf_printf(x->out, "%s%s = %s", i ? " and " : " on ", left->names[j->key[0][i]], right->names[j->key[1][i]]);
    if (j->condition) {
        AUTO(arena) scratch = {0};
        const char **all = arena_array(&scratch, left->ncols + right->ncols, sizeof *all);
        memcpy(all, left->names, left->ncols * sizeof *all);
        memcpy(all + left->ncols, right->names, right->ncols * sizeof *all);
        buf_puts(x->out, j->nkey ? " and " : " on ");
        expr_print(j->condition, all, x->out);
    }
    for (int side = 0; side < 2; side++) {
        buf_putc(x->out, '\n');
        indent(x->out, depth + 2);
        buf_printf(x->out, "%s rows: ", names[side]);
        if (j->fixed[!side])
            buf_printf(x->out, "not kept, because the %s side is read to its end first", names[!side]);
        else if (j->expires[side] >= 0)
            buf_printf(x->out, "kept until the %s side's watermark reaches %s%s", names[!side],
                       side_schema(x->plan, n, side)->names[j->expires[side]],
                       j->ttl[side] ? ", by bourn.join_ttl" : "");
        else
            buf_puts(x->out, "kept for good");
    }
}

static void explain_order(struct explain *x, const struct plan_node *n, const uint32_t *partition, uint32_t npartition)
{
    const struct schema *in = input_schema(x->plan, n);
    buf_puts(x->out, " within ");
    columns(x->out, in, partition, npartition);
    buf_puts(x->out, n->nsort ? " by" : "");
    for (uint32_t i = 0; i < n->nsort; i++)
        buf_printf(x->out, "%s %s%s", i ? "," : "", in->names[n->sort[i].column], n->sort[i].descending ? " desc" : "");
}

static void explain_topn(struct explain *x, const struct plan_node *n)
{
    static const char *const kinds[] = {"row_number", "rank", "dense_rank"};
    buf_printf(x->out, "rows of %s <= %" PRId64, kinds[n->topn.kind], n->topn.limit);
    explain_order(x, n, n->topn.partition, n->topn.npartition);
}

static void explain_over(struct explain *x, const struct plan_node *n)
{
    buf_printf(x->out, "%u window function%s", n->over.ncalls, n->over.ncalls == 1 ? "" : "s");
    explain_order(x, n, n->over.partition, n->over.npartition);
}

static void explain_unique(struct explain *x, const struct plan_node *n)
{
    buf_puts(x->out, "the only row of each ");
    columns(x->out, input_schema(x->plan, n), n->unique.columns, n->unique.n);
}

static void explain_head(struct explain *x, const struct plan_node *n, unsigned depth)
{
    switch (n->kind) {
    case NODE_SCAN: explain_scan(x, n, depth); break;
    case NODE_RELATION: buf_printf(x->out, "system relation bourn.%s", n->name); break;
    case NODE_VALUES: buf_printf(x->out, "%u constant row%s", n->nrows, n->nrows == 1 ? "" : "s"); break;
    case NODE_FILTER:
        buf_puts(x->out, "filter ");
        expression(x, n, n->predicate);
        break;
    case NODE_PROJECT:
        buf_puts(x->out, "project");
        explain_exprs(x, n, depth);
        break;
    case NODE_DEDUP: explain_dedup(x, n); break;
    case NODE_AGGREGATE: explain_aggregate(x, n, depth); break;
    case NODE_UNION: buf_puts(x->out, "union all"); break;
    case NODE_SORT: explain_sort(x, n); break;
    case NODE_WINDOW: explain_window(x, n); break;
    case NODE_UNNEST: explain_unnest(x, n); break;
    case NODE_SESSION: explain_session(x, n, depth); break;
    case NODE_JOIN: explain_join(x, n, depth); break;
    case NODE_TOPN: explain_topn(x, n); break;
    case NODE_OVER: explain_over(x, n); break;
    case NODE_UNIQUE: explain_unique(x, n); break;
    case NODE_SINK:
        explain_sink(x, n);
        explain_exprs(x, n, depth);
        explain_sink_rules(x, n, depth);
        break;
    case NODE_RESULT:
        buf_puts(x->out, "result ");
        for (uint32_t i = 0; i < n->schema.ncols; i++)
            buf_printf(x->out, "%s%s", i ? ", " : "", n->schema.names[i]);
        break;
    }
}

static void explain_properties(struct explain *x, const struct plan_node *n, unsigned depth)
{
    buf_putc(x->out, '\n');
    indent(x->out, depth + 2);
    buf_printf(x->out, "-> %s%s", mode_names[n->mode], n->bounded ? ", ends" : "");
    if (n->nkeys && n->keys[0].n == 0)
        buf_puts(x->out, ", one row");
    for (uint32_t k = 0; k < n->nkeys && n->keys[k].n; k++) {
        buf_puts(x->out, k ? " or " : ", unique ");
        columns(x->out, &n->schema, n->keys[k].columns, n->keys[k].n);
    }
    if (n->final)
        buf_puts(x->out, ", once");
    if (n->ntimes)
        buf_printf(x->out, ", event time %s", n->schema.names[n->times[0].column]);
    buf_printf(x->out, "  [%s]\n", n->id);
}

static void explain_node(struct explain *x, uint32_t node, unsigned depth)
{
    const struct plan_node *n = &x->plan->nodes[node];
    indent(x->out, depth);
    if (x->shown[node]) {
        buf_printf(x->out, "[%s] as above\n", n->id);
        return;
    }
    x->shown[node] = true;
    explain_head(x, n, depth);
    explain_properties(x, n, depth);
    for (uint32_t i = 0; i < n->ninputs; i++)
        explain_node(x, n->inputs[i], depth + 1);
}

void plan_explain_step(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    struct explain x = {.plan = p, .out = out};
    explain_head(&x, n, 0);
}

void plan_explain(const struct plan *p, struct buf *out)
{
    AUTO(arena) scratch = {0};
    struct explain x = {p, out, arena_zarray(&scratch, p->nnodes, sizeof(bool))};
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (p->nodes[i].kind == NODE_SINK || p->nodes[i].kind == NODE_RESULT) {
            explain_node(&x, i, 0);
            buf_putc(out, '\n');
        }
    for (uint32_t i = 0; i < p->nsettings; i++)
        buf_printf(out, "set %s = %s\n", p->settings[i].name, p->settings[i].value);
    buf_printf(out, "plan %s\n", p->fingerprint);
}

/* ---- schemas ---- */

static void explain_column(struct explain *x, const struct plan_table *t, uint32_t i, int width)
{
    char text[64];
    buf_printf(x->out, "    %-*s %s%s", width, t->schema.names[i], type_name(t->schema.types[i], text),
               t->schema.nullable[i] ? "" : " NOT NULL");
    if (t->metadata[i])
        buf_printf(x->out, ", metadata %s", t->metadata[i]);
    if (t->time_column == (int32_t)i)
        buf_printf(x->out, ", event time, late after %s", duration(t->watermark_delay, text));
    buf_putc(x->out, '\n');
}

void plan_print_sources(const struct plan *p, struct buf *out)
{
    struct explain x = {.plan = p, .out = out};
    for (uint32_t i = 0; i < p->ntables; i++) {
        const struct plan_table *t = &p->tables[i];
        size_t width = 0;
        if (!t->is_source)
            continue;
        buf_printf(out, "source %s", t->name);
        server(&x, t);
        buf_printf(out, "%s%s\n", t->format ? ", format " : "", t->format ? t->format : "");
        for (uint32_t c = 0; c < t->schema.ncols; c++)
            width = MAX(width, strlen(t->schema.names[c]));
        for (uint32_t c = 0; c < t->schema.ncols; c++)
            explain_column(&x, t, c, (int)width);
    }
}
