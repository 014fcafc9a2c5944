/* What a step is: the same text written twice, or a file that was edited elsewhere, gives the same identity, which
 * names its state. Names are no part of it past the scan, nor are places, nor the order in which things are declared;
 * and of what it reads, only what it uses. So there are two kinds:
 *
 *   rows     which rows come out, and how often: the step's kind and parameters, and the rows that come in
 *   columns  what each output column holds in them: a column of a table, an expression over such, the result of a step
 *
 * Parameters name input columns by their identity, not their place, and a step that only hands columns on has nothing
 * of them in its rows. So a column more or less in a table changes a step that reads it, and one that keeps whole rows
 * and is given it, and no other. Both are SHA-256 of canonical text, which is therefore a format:
 *
 *   kind ' ' parameters {' ' rows of input}
 *   scan       table name; rules; time column and delay, key; all columns, where the format tells them by their place
 *   filter     predicate            values  rows of expressions          relation   name
 *   project    the input's rows as they are; where expressions may fail, and so refuse rows, the set of those
 *   dedup      key columns, time, horizon    aggregate groups, calls     session    the same and window
 *   window     kind, column, size, slide, offset, key    unnest     arrays, ordinality, outer, predicate
 *   union      nothing              sink    table, its columns, key and constraints, expressions
 *   join       kind, keys, condition, bounds    topn, over  partition, keys, calls, limit    sort  keys, limit, offset
 *   unique     key; of all on these two lines also every input column, in order: they keep whole rows
 *   "final" behind those whose rows come once
 *
 *   column of a scan  table, name, type, metadata          of a project  expression and type
 *   of a join         the input's, and which side's        of a union    those of the inputs
 *   handed on         the input's                          made by any other step: its rows, and the how manieth
 *
 * Expressions are written by expr_print with columns as identities and their type behind.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "plan/bind.h"

enum { CANONICAL_MAX = 64 << 20 };

static const char *const kind_names[] = {
    [NODE_SCAN] = "scan",       [NODE_RELATION] = "relation", [NODE_VALUES] = "values",       [NODE_FILTER] = "filter",
    [NODE_PROJECT] = "project", [NODE_DEDUP] = "dedup",       [NODE_AGGREGATE] = "aggregate", [NODE_UNION] = "union",
    [NODE_SORT] = "sort",       [NODE_SINK] = "sink",         [NODE_RESULT] = "result",       [NODE_WINDOW] = "window",
    [NODE_SESSION] = "session", [NODE_JOIN] = "join",         [NODE_TOPN] = "topn",           [NODE_OVER] = "over",
    [NODE_UNIQUE] = "unique",   [NODE_UNNEST] = "unnest",
};

/* ---- pieces of text ---- */

static const char *hashed(struct binder *b, const struct buf *text)
{
    char hex[65];
    sha256_hex(text->data, text->len, hex);
    return arena_printf(b->arena, "$%s", hex);
}

static void put_type(struct buf *out, struct type t)
{
    char name[40];
    buf_printf(out, ":%s", type_name(t, name));
}

static void put_expr(struct buf *out, const struct expr *e, const char *const *in)
{
    buf_putc(out, ' ');
    expr_print(e, in, out);
    put_type(out, e->type);
}

static void put_column(struct buf *out, const char *const *in, int32_t column)
{
    buf_printf(out, " %s", column < 0 ? "-" : in[column]);
}

static void put_columns(struct buf *out, const char *what, const char *const *in, const uint32_t *columns, uint32_t n)
{
    buf_printf(out, " %s", what);
    for (uint32_t i = 0; i < n; i++)
        put_column(out, in, (int32_t)columns[i]);
}

static void put_all(struct buf *out, const char *const *in, uint32_t n)
{
    buf_puts(out, " of");
    for (uint32_t i = 0; i < n; i++)
        put_column(out, in, (int32_t)i);
}

/* ---- parameters ---- */

static void put_rules(struct buf *out, const struct plan_table *t, const char *const *in)
{
    for (uint32_t i = 0; i < t->nrules; i++) {
        const struct plan_rule *rule = &t->rules[i];
        buf_putc(out, ' ');
        buf_put_json(out, slice_of(rule->id));
        if (rule->kind == RULE_CHECK)
            put_expr(out, rule->check, in);
        else
            buf_printf(out, " not null %s", in[rule->column]);
    }
}

static void put_scan(struct buf *out, const struct plan_table *t, const char *const *own)
{
    buf_printf(out, " %s", t->name);
    put_rules(out, t, own);
    buf_puts(out, " time");
    put_column(out, own, t->time_column);
    buf_printf(out, " %" PRId64, t->watermark_delay);
    put_columns(out, "key", own, t->key, t->nkey);
    if (t->by_place)
        put_all(out, own, t->schema.ncols);
}

static void put_sink(struct buf *out, const struct plan_table *t, const struct plan_node *n, const char *const *in)
{
    buf_printf(out, " %s", t->name);
    for (uint32_t i = 0; i < t->schema.ncols; i++) {
        buf_putc(out, ' ');
        buf_put_json(out, slice_of(t->schema.names[i]));
        put_type(out, t->schema.types[i]);
        put_expr(out, n->exprs[i], in);
    }
    put_rules(out, t, t->schema.names);
    put_columns(out, "key", t->schema.names, t->key, t->nkey);
}

static void put_window(struct buf *out, const struct plan_window *w, const char *const *in)
{
    static const char *const kinds[] = {"tumble", "hop", "cumulate", "session"};
    buf_printf(out, " %s %s size %" PRId64 " slide %" PRId64 " offset %" PRId64, kinds[w->kind], in[w->column], w->size,
               w->slide, w->offset);
    if (w->pane)
        buf_printf(out, " pane %" PRId64, w->pane);
    put_columns(out, "key", in, w->key, w->nkey);
}

static void put_join(struct buf *out, const struct plan_node *n, const char *const *in, uint32_t nleft)
{
    static const char *const kinds[] = {"inner", "left", "right", "full", "semi", "anti"};
    const struct plan_join *j = &n->join;
    buf_printf(out, " %s", kinds[j->kind]);
    for (int side = 0; side < 2; side++) {
        const char *const *of = side ? in + nleft : in;
        put_columns(out, "on", of, j->key[side], j->nkey);
        buf_puts(out, " expires");
        put_column(out, of, j->expires[side]);
        buf_puts(out, " late");
        put_column(out, of, j->late[side]);
        buf_printf(out, " %" PRId64 " fixed %d%s", j->lag[side], j->fixed[side], j->ttl[side] ? " ttl" : "");
    }
    if (j->condition)
        put_expr(out, j->condition, in);
}

static void put_sort_keys(struct buf *out, const struct plan_node *n, const char *const *in)
{
    for (uint32_t i = 0; i < n->nsort; i++)
        buf_printf(out, " %s%s%s", in[n->sort[i].column], n->sort[i].descending ? "d" : "a",
                   n->sort[i].nulls_first ? "f" : "l");
}

static void put_over(struct buf *out, const struct plan_node *n, const char *const *in)
{
    char id[64];
    put_columns(out, "partition", in, n->over.partition, n->over.npartition);
    put_sort_keys(out, n, in);
    for (uint32_t i = 0; i < n->over.ncalls; i++) {
        const struct plan_over_call *c = &n->over.calls[i];
        buf_printf(out, " call %d %s arg", c->kind, c->function ? aggregate_id(c->function, id) : "");
        put_column(out, in, c->arg);
        put_column(out, in, c->otherwise);
        buf_printf(out, " distance %" PRId64 " frame %" PRId64 " %" PRId64 " %d", c->distance, c->before, c->after,
                   c->peers);
    }
}

static void put_topn(struct buf *out, const struct plan_node *n, const char *const *in)
{
    put_columns(out, "partition", in, n->topn.partition, n->topn.npartition);
    put_sort_keys(out, n, in);
    buf_printf(out, " rank %d limit %" PRId64, n->topn.kind, n->topn.limit);
}

static void put_calls(struct buf *out, const struct plan_node *n, const char *const *in)
{
    char id[64];
    for (uint32_t i = 0; i < n->naggregates; i++) {
        buf_printf(out, " %s arg", aggregate_id(n->aggregates[i].function, id));
        put_column(out, in, n->aggregates[i].arg);
        buf_puts(out, " filter");
        put_column(out, in, n->aggregates[i].filter);
    }
}

static void put_aggregate(struct buf *out, const struct plan_node *n, const char *const *in)
{
    buf_puts(out, " by");
    for (uint32_t i = 0; i < n->ngroup; i++)
        put_column(out, in, (int32_t)i);
    buf_puts(out, " closes");
    put_column(out, in, n->closes);
    put_calls(out, n, in);
    if (n->window.pane)
        buf_printf(out, " panes %" PRId64 " of %" PRId64 " by %" PRId64 " from %" PRId64, n->window.pane,
                   n->window.size, n->window.slide, n->window.offset);
}

static void put_unnest(struct buf *out, const struct plan_node *n, const char *const *in, uint32_t ncols)
{
    uint32_t kept = ncols - n->unnest.narrays;
    put_all(out, in + kept, n->unnest.narrays);
    buf_printf(out, "%s%s", n->unnest.ordinality ? " ordinality" : "", n->unnest.outer ? " outer" : "");
    for (uint32_t i = kept; i < n->schema.ncols; i++)
        put_type(out, n->schema.types[i]);
    if (n->predicate) {
        AUTO(arena) scratch = {0};
        const char **names = arena_array(&scratch, n->schema.ncols, sizeof *names);
        for (uint32_t i = 0; i < n->schema.ncols; i++)
            names[i] = i < kept ? in[i] : arena_printf(&scratch, "element %u", i - kept);
        put_expr(out, n->predicate, names);
    }
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A row on which an expression fails goes no further, whoever reads the column. Nothing: none can fail. */
static void put_fallible(struct binder *b, struct buf *out, const struct plan_node *n, const char *const *in)
{
    const char **texts = arena_array(b->arena, MAX(n->schema.ncols, 1), sizeof *texts);
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->schema.ncols; i++) {
        AUTO(buf) text = BUF(CANONICAL_MAX);
        if (!expr_may_fail(n->exprs[i]))
            continue;
        put_expr(&text, n->exprs[i], in);
        texts[count++] = hashed(b, &text);
    }
    qsort(texts, count, sizeof *texts, compare_text);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || strcmp(texts[i], texts[i - 1]) != 0)
            buf_printf(out, " %s", texts[i]);
}

/* in: the input's columns, `ncols`; of a scan, its own. */
static void put_parameters(struct binder *b, struct buf *out, const struct plan_node *n, const char *const *in,
                           uint32_t ncols)
{
    const struct plan_table *tables = b->plan->tables; /* NULL: there are none */
    switch (n->kind) {
    case NODE_SCAN:
        put_scan(out, &tables[n->table], in);
        break;
    case NODE_RELATION:
        buf_printf(out, " %s", b->world->relations[n->relation].name);
        break;
    case NODE_VALUES:
        for (uint32_t r = 0; r < n->nrows; r++)
            for (uint32_t c = 0; c < n->schema.ncols; c++)
                put_expr(out, n->rows[r][c], NULL);
        buf_printf(out, " rows %u of %u", n->nrows, n->schema.ncols);
        break;
    case NODE_FILTER:
        put_expr(out, n->predicate, in);
        break;
    case NODE_PROJECT:
        put_fallible(b, out, n, in);
        break;
    case NODE_DEDUP:
        put_columns(out, "by", in, n->dedup_key, n->ndedup_key);
        put_columns(out, "time", in, &n->times[0].column, 1);
        buf_printf(out, " horizon %" PRId64, n->dedup_horizon);
        break;
    case NODE_AGGREGATE:
        put_aggregate(out, n, in);
        break;
    case NODE_SESSION:
        put_window(out, &n->window, in);
        put_calls(out, n, in);
        break;
    case NODE_WINDOW:
        put_window(out, &n->window, in);
        break;
    case NODE_UNNEST:
        put_unnest(out, n, in, ncols);
        break;
    case NODE_JOIN:
        put_join(out, n, in, b->nodes[n->inputs[0]]->schema.ncols);
        break;
    case NODE_TOPN:
        put_topn(out, n, in);
        break;
    case NODE_OVER:
        put_over(out, n, in);
        break;
    case NODE_UNIQUE:
        put_columns(out, "key", in, n->unique.columns, n->unique.n);
        break;
    case NODE_SORT:
        put_sort_keys(out, n, in);
        buf_printf(out, " limit %" PRId64 " offset %" PRId64, n->limit, n->offset);
        break;
    case NODE_SINK:
        put_sink(out, &tables[n->table], n, in);
        break;
    case NODE_RESULT: /* its names are what it is asked for */
        for (uint32_t i = 0; i < n->schema.ncols; i++)
            buf_put_json(out, slice_of(n->schema.names[i]));
        break;
    case NODE_UNION:
        break;
    }
    if (n->final)
        buf_puts(out, " final");
}

static bool keeps_rows(const struct plan_node *n)
{
    return n->kind == NODE_JOIN || n->kind == NODE_TOPN || n->kind == NODE_OVER || n->kind == NODE_UNIQUE ||
           n->kind == NODE_SORT;
}

/* ---- columns ---- */

static const char *told_apart(struct binder *b, const char *of, const char *by)
{
    AUTO(buf) text = BUF(CANONICAL_MAX);
    buf_printf(&text, "%s %s", by, of);
    return hashed(b, &text);
}

static const char *column_of_table(struct binder *b, const struct plan_node *n, uint32_t i)
{
    AUTO(buf) text = BUF(CANONICAL_MAX);
    const struct plan_table *t = n->kind == NODE_SCAN ? &b->plan->tables[n->table] : NULL;
    buf_printf(&text, "column %s ", t ? t->name : b->world->relations[n->relation].name);
    buf_put_json(&text, slice_of(n->schema.names[i]));
    put_type(&text, n->schema.types[i]);
    if (t && t->metadata && t->metadata[i])
        buf_printf(&text, "=%s", t->metadata[i]);
    return hashed(b, &text);
}

static const char *column_of_expr(struct binder *b, const struct expr *e, const char *const *in)
{
    AUTO(buf) text = BUF(CANONICAL_MAX);
    if (e->kind == EXPR_COLUMN)
        return in[e->column];
    put_expr(&text, e, in);
    return hashed(b, &text);
}

static const char *column_of_union(struct binder *b, const struct plan_node *n, uint32_t column)
{
    AUTO(buf) text = BUF(CANONICAL_MAX);
    buf_puts(&text, "union");
    for (uint32_t i = 0; i < n->ninputs; i++)
        buf_printf(&text, " %s", b->nodes[n->inputs[i]]->identity.columns[column]);
    return hashed(b, &text);
}

/* The input's columns; of a join, those of both sides. */
static const char **input_columns(struct binder *b, const struct plan_node *n, uint32_t *ret_count)
{
    static const char *const sides[] = {"left", "right"};
    uint32_t inputs = n->kind == NODE_JOIN ? 2 : MIN(n->ninputs, 1), count = 0;
    for (uint32_t i = 0; i < inputs; i++)
        count += b->nodes[n->inputs[i]]->schema.ncols;
    const char **in = arena_array(b->arena, MAX(count, 1), sizeof *in);
    count = 0;
    for (uint32_t i = 0; i < inputs; i++) {
        const struct plan_node *input = b->nodes[n->inputs[i]];
        for (uint32_t c = 0; c < input->schema.ncols; c++)
            in[count++] =
                inputs == 2 ? told_apart(b, input->identity.columns[c], sides[i]) : input->identity.columns[c];
    }
    *ret_count = count;
    return in;
}

/* How many of the first input's columns, from its first, are handed on; the rest the step makes. */
static uint32_t handed_on(const struct plan_node *n, uint32_t ncols)
{
    switch (n->kind) {
    case NODE_AGGREGATE:
    case NODE_SESSION:
        return 0;
    case NODE_UNNEST:
        return ncols - n->unnest.narrays;
    default:
        return MIN(ncols, n->schema.ncols);
    }
}

static const char **output_columns(struct binder *b, const struct plan_node *n, const char *const *in, uint32_t ncols)
{
    uint32_t kept = handed_on(n, ncols);
    const char **out = arena_array(b->arena, MAX(n->schema.ncols, 1), sizeof *out);
    for (uint32_t i = 0; i < n->schema.ncols; i++) {
        if (n->kind == NODE_SCAN || n->kind == NODE_RELATION)
            out[i] = column_of_table(b, n, i);
        else if (n->kind == NODE_PROJECT || n->kind == NODE_SINK)
            out[i] = column_of_expr(b, n->exprs[i], in);
        else if (n->kind == NODE_UNION)
            out[i] = column_of_union(b, n, i);
        else
            out[i] = i < kept ? in[i] : told_apart(b, n->identity.rows, arena_printf(b->arena, "made %u", i - kept));
    }
    return out;
}

/* ---- the whole ---- */

static const char *rows_of(struct binder *b, const struct plan_node *n, const char *const *in, uint32_t ncols)
{
    AUTO(buf) out = BUF(CANONICAL_MAX);
    buf_puts(&out, kind_names[n->kind]);
    size_t bare = out.len;
    put_parameters(b, &out, n, in, ncols);
    if (n->kind == NODE_PROJECT && out.len == bare)
        return b->nodes[n->inputs[0]]->identity.rows;
    if (keeps_rows(n))
        put_all(&out, in, ncols);
    for (uint32_t i = 0; i < n->ninputs; i++)
        buf_printf(&out, " %s", b->nodes[n->inputs[i]]->identity.rows);
    return hashed(b, &out);
}

static const char *whole_of(struct binder *b, const struct plan_node *n)
{
    AUTO(buf) out = BUF(CANONICAL_MAX);
    buf_printf(&out, "%s %s", kind_names[n->kind], n->identity.rows);
    put_all(&out, n->identity.columns, n->schema.ncols);
    return hashed(b, &out);
}

void identity_find(struct binder *b, struct plan_node *n)
{
    uint32_t ncols;
    const char **in = input_columns(b, n, &ncols);
    if (n->kind == NODE_SCAN) { /* its parameters are over its own columns */
        n->identity.columns = output_columns(b, n, in, ncols);
        n->identity.rows = rows_of(b, n, n->identity.columns, ncols);
    } else {
        n->identity.rows = rows_of(b, n, in, ncols);
        n->identity.columns = output_columns(b, n, in, ncols);
    }
    n->identity.whole = whole_of(b, n);
    const char *names = n->kind == NODE_PROJECT ? n->identity.whole : n->identity.rows;
    snprintf(n->id, sizeof n->id, "%s-%.12s", kind_names[n->kind], names + 1);
}

void identity_number(struct plan_node *n, uint32_t number)
{
    AUTO(buf) text = BUF(KIB(4));
    char hex[65];
    buf_printf(&text, "%s number %u", n->identity.rows, number);
    sha256_hex(text.data, text.len, hex);
    snprintf(n->id, sizeof n->id, "%s-%.12s", kind_names[n->kind], hex);
}
