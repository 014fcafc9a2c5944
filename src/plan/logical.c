/* Nodes: what follows for each from its inputs, and one node for equal steps (identity.c). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "plan/bind.h"

/* ---- making ---- */

struct plan_node *node_new(struct binder *b, enum node_kind kind, const uint32_t *inputs, uint32_t ninputs,
                           int32_t location)
{
    struct plan_node *n = arena_zalloc(b->arena, sizeof *n);
    n->kind = kind;
    n->name = b->step;
    n->place = text_place(b->text, location);
    n->inputs = ninputs ? arena_dup(b->arena, inputs, ninputs * sizeof *inputs) : NULL;
    n->ninputs = ninputs;
    n->window_start = n->window_end = n->closes = -1;
    n->limit = -1;
    n->bounded = true;
    n->all_reference = n->constants = ninputs > 0;
    for (uint32_t i = 0; i < ninputs; i++) {
        const struct plan_node *input = b->nodes[inputs[i]];
        n->bounded &= input->bounded;
        n->all_reference &= input->all_reference;
        n->some_reference |= input->some_reference;
        n->constants &= input->constants;
        n->early |= input->early;
        n->at_end |= input->at_end;
        n->after_state |= input->after_state || input->stateful;
        n->mode = MAX(n->mode, input->mode);
    }
    return n;
}

uint32_t node_add(struct binder *b, struct plan_node *n)
{
    identity_find(b, n);
    for (uint32_t i = 0; i < b->nnodes; i++)
        if (strcmp(b->nodes[i]->identity.whole, n->identity.whole) == 0)
            return i;
    b->nodes = binder_grow(b, b->nodes, b->nnodes, &b->nodes_cap, sizeof *b->nodes);
    b->nodes[b->nnodes] = n;
    return b->nnodes++;
}

struct schema node_schema(struct binder *b, uint32_t ncols)
{
    return (struct schema){
        .ncols = ncols,
        .names = arena_zarray(b->arena, ncols, sizeof(char *)),
        .types = arena_zarray(b->arena, ncols, sizeof(struct type)),
    };
}

void node_append(struct binder *b, struct plan_node *n, const char *const *names, struct type type, uint32_t count)
{
    struct schema wider = node_schema(b, n->schema.ncols + count);
    for (uint32_t i = 0; i < wider.ncols; i++) {
        wider.names[i] = i < n->schema.ncols ? n->schema.names[i] : names[i - n->schema.ncols];
        wider.types[i] = i < n->schema.ncols ? n->schema.types[i] : type;
    }
    n->schema = wider;
}

static struct schema schema_of_exprs(struct binder *b, struct expr *const *exprs, const char *const *names,
                                     uint32_t n)
{
    struct schema schema = node_schema(b, n);
    for (uint32_t i = 0; i < n; i++) {
        schema.names[i] = names[i];
        schema.types[i] = exprs[i]->type;
    }
    return schema;
}

static struct plan_time *one_time(struct binder *b, uint32_t column, int64_t lag)
{
    return arena_dup(b->arena, &(struct plan_time){column, lag}, sizeof(struct plan_time));
}

static enum status refuse_clock(struct binder *b, const struct expr *e)
{
    if (b->lookup || !expr_uses_now(e)) /* a query runs at one time */
        return OK;
    (void)bind_error(b, expr_now_location(e), "now() is allowed only in the last projection before an upsert sink");
    return error_hint(b->err, "it is then the time of the epoch in which the row changed; elsewhere use the rows' own "
                              "event time");
}

uint32_t node_scan(struct binder *b, uint32_t table, int32_t location)
{
    const struct plan_table *t = &b->plan->tables[table];
    struct plan_node *n = node_new(b, NODE_SCAN, NULL, 0, location);
    const struct plan_connector *connector = b->lookup ? NULL : catalog_connector(b, t);
    n->name = t->name;
    n->table = table;
    n->schema = t->schema;
    if (t->time_column >= 0) {
        n->times = one_time(b, (uint32_t)t->time_column, 0);
        n->ntimes = 1;
    }
    keys_scan(b, n, t);
    n->bounded = b->lookup != NULL;
    if (connector && connector->bounded)
        n->bounded = connector->bounded(&b->plan->servers[t->server].options, &t->options);
    n->all_reference = n->some_reference = t->reference;
    return node_add(b, n);
}

uint32_t node_relation(struct binder *b, uint32_t relation, int32_t location)
{
    struct plan_node *n = node_new(b, NODE_RELATION, NULL, 0, location);
    n->name = b->world->relations[relation].name;
    n->relation = relation;
    n->schema = b->world->relations[relation].schema;
    n->bounded = false;
    n->after_state = n->early = true;
    return node_add(b, n);
}

enum status node_values(struct binder *b, struct expr ***rows, uint32_t nrows, const struct schema *schema,
                        int32_t location, uint32_t *ret)
{
    for (uint32_t r = 0; r < nrows; r++)
        for (uint32_t c = 0; c < schema->ncols; c++)
            TRY(refuse_clock(b, rows[r][c]));
    struct plan_node *n = node_new(b, NODE_VALUES, NULL, 0, location);
    n->rows = rows;
    n->nrows = nrows;
    n->schema = *schema;
    n->after_state = true;
    n->constants = n->early = true;
    if (nrows == 1)
        keys_add(b, n, NULL, 0);
    *ret = node_add(b, n);
    return OK;
}

void node_inherit(struct binder *b, struct plan_node *n)
{
    const struct plan_node *input = b->nodes[n->inputs[0]];
    n->schema = input->schema;
    n->times = input->times;
    n->ntimes = input->ntimes;
    n->window_start = input->window_start;
    n->window_end = input->window_end;
    n->start_tells_end = input->start_tells_end;
    keys_inherit(n, input);
}

enum status node_filter(struct binder *b, uint32_t input, struct expr *predicate, int32_t location, uint32_t *ret)
{
    TRY(refuse_clock(b, predicate));
    TRY(node_first_rows(b, &input, &predicate, location));
    if (!predicate) {
        *ret = input;
        return OK;
    }
    struct plan_node *n = node_new(b, NODE_FILTER, &input, 1, location);
    node_inherit(b, n);
    keys_learn(b, n, predicate);
    n->predicate = predicate;
    *ret = node_add(b, n);
    return OK;
}

/* The output column that is input column `c` unchanged, or -1. */
static int32_t projected(struct expr *const *exprs, uint32_t n, uint32_t c)
{
    for (uint32_t i = 0; i < n; i++)
        if (exprs[i]->kind == EXPR_COLUMN && exprs[i]->column == c)
            return (int32_t)i;
    return -1;
}

static void project_times(struct binder *b, struct plan_node *n, const struct plan_node *input)
{
    n->times = arena_array(b->arena, MAX(input->ntimes, 1), sizeof *n->times);
    for (uint32_t i = 0; i < input->ntimes; i++) {
        int32_t column = projected(n->exprs, n->schema.ncols, input->times[i].column);
        if (column >= 0)
            n->times[n->ntimes++] = (struct plan_time){(uint32_t)column, input->times[i].lag};
    }
    if (input->window_start >= 0)
        n->window_start = projected(n->exprs, n->schema.ncols, (uint32_t)input->window_start);
    if (input->window_end >= 0)
        n->window_end = projected(n->exprs, n->schema.ncols, (uint32_t)input->window_end);
    n->start_tells_end = input->start_tells_end;
}

static bool is_identity(struct expr *const *exprs, uint32_t n, const struct plan_node *input)
{
    if (n != input->schema.ncols)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (exprs[i]->kind != EXPR_COLUMN || exprs[i]->column != i)
            return false;
    return true;
}

enum status node_project(struct binder *b, uint32_t input, struct expr **exprs, const char **names, uint32_t n,
                         int32_t location, uint32_t *ret)
{
    const struct plan_node *below = b->nodes[input];
    if (is_identity(exprs, n, below)) {
        *ret = input;
        return OK;
    }
    for (uint32_t i = 0; i < n; i++)
        TRY(refuse_clock(b, exprs[i]));
    struct plan_node *node = node_new(b, NODE_PROJECT, &input, 1, location);
    node->exprs = exprs;
    node->schema = schema_of_exprs(b, exprs, names, n);
    project_times(b, node, below);
    keys_project(b, node, below);
    *ret = node_add(b, node);
    return OK;
}

enum status node_unnest(struct binder *b, uint32_t input, const struct plan_unnest *unnest, const struct relation *item,
                        int32_t distinct, int32_t location, uint32_t *ret)
{
    struct plan_node *n = node_new(b, NODE_UNNEST, &input, 1, location);
    node_inherit(b, n); /* no array carries event time, or bounds a window */
    uint32_t kept = n->schema.ncols - unnest->narrays, tell[2], ntell = 0;
    struct schema schema = node_schema(b, kept + item->ncols);
    for (uint32_t i = 0; i < schema.ncols; i++) {
        schema.names[i] = i < kept ? n->schema.names[i] : item->cols[i - kept].name;
        schema.types[i] = i < kept ? n->schema.types[i] : item->cols[i - kept].expr->type;
    }
    if (schema.ncols > BIND_MAX_COLUMNS)
        return bind_error(b, location, "the rows have more than %d columns", BIND_MAX_COLUMNS);
    n->schema = schema;
    n->unnest = *unnest;
    if (unnest->ordinality)
        tell[ntell++] = schema.ncols - 1;
    if (distinct >= 0)
        tell[ntell++] = kept + (uint32_t)distinct;
    keys_unnest(b, n, kept, tell, ntell);
    *ret = node_add(b, n);
    return OK;
}

enum status node_unnest_where(struct binder *b, uint32_t *node, struct expr *predicate)
{
    struct plan_node *n = arena_dup(b->arena, b->nodes[*node], sizeof *n);
    assert(n->kind == NODE_UNNEST && n->unnest.outer && !n->predicate);
    TRY(refuse_clock(b, predicate));
    n->predicate = predicate;
    *node = node_add(b, n);
    return OK;
}

/* How long a key must be remembered: as the scanned table says, or as late as its rows may be. */
static int64_t dedup_horizon(const struct binder *b, uint32_t node)
{
    const bool *reached = nodes_reached(b, node);
    int64_t horizon = 0;
    for (uint32_t i = 0; i <= node; i++) {
        if (!reached[i] || b->nodes[i]->kind != NODE_SCAN)
            continue;
        const struct plan_table *t = &b->plan->tables[b->nodes[i]->table];
        int64_t its = option_given(&t->options, "dedup_horizon")
                          ? option_int(&t->options, plan_source_options, "dedup_horizon")
                          : t->watermark_delay;
        horizon = MAX(horizon, its);
    }
    return horizon;
}

enum status node_dedup(struct binder *b, uint32_t input, uint32_t *key, uint32_t nkey, int32_t location,
                       uint32_t *ret)
{
    if (b->nodes[input]->mode != MODE_APPEND) {
        (void)bind_refuse(b, location, "DISTINCT ON over rows that change");
        return error_hint(b->err, "rows of GROUP BY are unique by their groups already");
    }
    if (b->nodes[input]->ntimes == 0) {
        (void)bind_refuse(b, location, "DISTINCT ON over rows without an event time");
        return error_hint(b->err, "by it keys are forgotten: mark the source's time column with OPTIONS (watermark "
                                  "'1 day'); to keep every key for ever, GROUP BY it");
    }
    struct plan_node *n = node_new(b, NODE_DEDUP, &input, 1, location);
    node_inherit(b, n); /* its key is no key of the output: once forgotten, it may come again */
    n->dedup_key = key;
    n->ndedup_key = nkey;
    n->dedup_horizon = MAX(dedup_horizon(b, input), 1);
    n->lag = n->times[0].lag;
    n->stateful = true;
    *ret = node_add(b, n);
    return OK;
}

/* Can these functions take back what they were given? Else an input that ends is waited for, and one that does not is
 * refused. */
static enum status take_changes(struct binder *b, uint32_t *input, struct plan_aggregate *aggregates, uint32_t n,
                                int32_t location)
{
    if (b->nodes[*input]->mode != MODE_UPDATING)
        return OK;
    for (uint32_t i = 0; i < n; i++) {
        const struct aggregate *of_changes = aggregate_of_changes(aggregates[i].function);
        if (of_changes) {
            aggregates[i].function = of_changes;
            continue;
        }
        if (b->nodes[*input]->bounded)
            return node_sort(b, *input, NULL, 0, -1, 0, location, input);
        return bind_refuse(b, aggregates[i].location, "%s() over rows that change", aggregates[i].function->name);
    }
    return OK;
}

/* Groups that are event time stay it, and are closed by the watermark. */
static void group_times(struct binder *b, struct plan_node *n, const struct plan_node *below)
{
    n->times = arena_array(b->arena, MAX(n->ngroup, 1), sizeof *n->times);
    for (uint32_t i = 0; i < n->ngroup; i++) {
        int64_t lag = plan_lag(below, (int32_t)i);
        if ((int32_t)i == below->window_start)
            n->window_start = (int32_t)i;
        if ((int32_t)i == below->window_end)
            n->window_end = (int32_t)i;
        if (lag < 0)
            continue;
        n->times[n->ntimes++] = (struct plan_time){i, lag};
        if (n->closes < 0 || lag < n->lag) {
            n->closes = (int32_t)i;
            n->lag = lag;
        }
    }
    n->start_tells_end = below->start_tells_end;
}

enum status node_aggregate(struct binder *b, uint32_t input, uint32_t ngroup, struct plan_aggregate *aggregates,
                           uint32_t naggregates, const char **names, int32_t location, uint32_t *ret)
{
    TRY(take_changes(b, &input, aggregates, naggregates, location));
    const struct plan_node *below = b->nodes[input];
    struct plan_node *n = node_new(b, NODE_AGGREGATE, &input, 1, location);
    n->ngroup = ngroup;
    n->aggregates = aggregates;
    n->naggregates = naggregates;
    n->schema = node_schema(b, ngroup + naggregates);
    for (uint32_t i = 0; i < ngroup + naggregates; i++) {
        const struct plan_aggregate *call = i < ngroup ? NULL : &aggregates[i - ngroup];
        struct type arg = call && call->arg >= 0 ? below->schema.types[call->arg] : TYPE(TYPE_UNKNOWN);
        n->schema.names[i] = names[i];
        n->schema.types[i] = call ? call->function->result(arg) : below->schema.types[i];
    }
    group_times(b, n, below);
    keys_group(b, n, below);
    n->stateful = true;
    /* A group that is only there, without a value, never changes again while rows only come. */
    n->mode = naggregates == 0 && ngroup > 0 && below->mode == MODE_APPEND ? MODE_APPEND : MODE_UPDATING;
    n->early |= ngroup == 0;
    *ret = node_add(b, n);
    return OK;
}

/* A column carries time if it does in every input; the largest lag counts. */
static void union_times(struct binder *b, struct plan_node *n)
{
    const struct plan_node *first = b->nodes[n->inputs[0]];
    n->times = arena_array(b->arena, MAX(first->ntimes, 1), sizeof *n->times);
    for (uint32_t t = 0; t < first->ntimes; t++) {
        int64_t lag = first->times[t].lag;
        for (uint32_t i = 1; i < n->ninputs && lag >= 0; i++) {
            int64_t other = plan_lag(b->nodes[n->inputs[i]], (int32_t)first->times[t].column);
            lag = other < 0 ? -1 : MAX(lag, other);
        }
        if (lag >= 0)
            n->times[n->ntimes++] = (struct plan_time){first->times[t].column, lag};
    }
    n->window_start = first->window_start;
    n->window_end = first->window_end;
    n->start_tells_end = first->start_tells_end;
    for (uint32_t i = 1; i < n->ninputs; i++) {
        const struct plan_node *input = b->nodes[n->inputs[i]];
        if (input->window_start != n->window_start || input->window_end != n->window_end)
            n->window_start = n->window_end = -1;
        n->start_tells_end &= input->start_tells_end;
    }
}

static bool is_stream(const struct plan_node *n) { return n->kind == NODE_SCAN && !n->bounded; }

enum status node_end_together(struct binder *b, const uint32_t *inputs, uint32_t n, int32_t location)
{
    bool at_end = false, endless = false;
    for (uint32_t i = 0; i < n; i++) {
        at_end |= b->nodes[inputs[i]]->at_end;
        endless |= node_found(b, inputs[i], is_stream) != NULL;
    }
    if (!at_end || !endless)
        return OK;
    (void)bind_refuse(b, location, "rows in order, or the first of them (ORDER BY, LIMIT), beside those of a stream");
    return error_hint(b->err, "they come at the end of all input, and a stream has none; first rows are also those "
                              "where row_number() OVER (ORDER BY ...) <= n");
}

uint32_t node_union(struct binder *b, const uint32_t *inputs, uint32_t n, int32_t location)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += b->nodes[inputs[i]]->kind == NODE_UNION ? b->nodes[inputs[i]]->ninputs : 1;
    uint32_t *flat = arena_array(b->arena, total, sizeof *flat);
    total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_node *input = b->nodes[inputs[i]];
        const uint32_t *from = input->kind == NODE_UNION ? input->inputs : &inputs[i];
        for (uint32_t k = 0; k < (input->kind == NODE_UNION ? input->ninputs : 1); k++)
            flat[total++] = from[k];
    }
    struct plan_node *node = node_new(b, NODE_UNION, flat, total, location);
    node->schema = b->nodes[flat[0]]->schema;
    union_times(b, node);
    return node_add(b, node);
}

enum status node_sort(struct binder *b, uint32_t input, struct plan_sort_key *sort, uint32_t nsort, int64_t limit,
                      int64_t offset, int32_t location, uint32_t *ret)
{
    if (!b->nodes[input]->bounded) {
        (void)bind_error(b, location, "%s needs an input that ends", nsort ? "ORDER BY" : "LIMIT");
        return error_hint(b->err, "a stream has no end to sort at; sort in `bourn query` over the published table");
    }
    struct plan_node *n = node_new(b, NODE_SORT, &input, 1, location);
    node_inherit(b, n);
    n->mode = MODE_APPEND; /* its rows come once, at the end */
    n->at_end = true;
    n->ntimes = 0;
    n->sort = sort;
    n->nsort = nsort;
    n->limit = limit;
    n->offset = offset;
    n->stateful = true;
    *ret = node_add(b, n);
    return OK;
}

static uint64_t *clock_columns(struct binder *b, struct expr *const *exprs, uint32_t n)
{
    uint64_t *map = arena_zarray(b->arena, MAX(BITMAP_WORDS(n), 1), sizeof *map);
    for (uint32_t i = 0; i < n; i++)
        if (expr_uses_now(exprs[i]))
            bit_set(map, i);
    return map;
}

uint32_t node_sink(struct binder *b, uint32_t table, uint32_t input, struct expr **exprs, int32_t location)
{
    const struct plan_table *t = &b->plan->tables[table];
    struct plan_node *n = node_new(b, NODE_SINK, &input, 1, location);
    n->name = n->sink_name = t->name;
    n->table = table;
    n->exprs = exprs;
    n->schema = t->schema;
    if (t->nkey)
        keys_add(b, n, t->key, t->nkey);
    n->now_columns = clock_columns(b, exprs, t->schema.ncols);
    return node_add(b, n);
}

uint32_t node_result(struct binder *b, uint32_t input, const char **names, const char *name, int32_t location)
{
    struct plan_node *n = node_new(b, NODE_RESULT, &input, 1, location);
    node_inherit(b, n);
    n->name = name;
    n->schema.names = names;
    return node_add(b, n);
}

bool *nodes_reached(const struct binder *b, uint32_t node)
{
    bool *reached = arena_zarray(b->arena, node + 1, sizeof *reached);
    reached[node] = true;
    for (uint32_t i = node + 1; i-- > 0;)
        for (uint32_t k = 0; reached[i] && k < b->nodes[i]->ninputs; k++)
            reached[b->nodes[i]->inputs[k]] = true;
    return reached;
}

const struct plan_node *node_found(const struct binder *b, uint32_t node, bool (*is)(const struct plan_node *n))
{
    const bool *reached = nodes_reached(b, node);
    for (uint32_t i = 0; i <= node; i++)
        if (reached[i] && is(b->nodes[i]))
            return b->nodes[i];
    return NULL;
}

static bool is_relation(const struct plan_node *n) { return n->kind == NODE_RELATION; }

bool node_reads_relation(const struct binder *b, uint32_t node) { return node_found(b, node, is_relation) != NULL; }

/* ---- the end ---- */

static bool is_root(const struct plan_node *n) { return n->kind == NODE_SINK || n->kind == NODE_RESULT; }

/* Two SELECTs that say the same are one node, but two results. */
static uint32_t add_results(struct binder *b, const uint32_t *moved, uint32_t count)
{
    for (uint32_t i = 0; i < b->nresults; i++) {
        struct plan_node copy = *b->nodes[b->results[i]];
        copy.inputs = arena_dup(b->arena, &moved[copy.inputs[0]], sizeof *copy.inputs);
        b->plan->nodes[count++] = copy;
    }
    return count;
}

static int compare_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The order of INSERTs means nothing. What is read is told apart by all its columns: each may refuse a row. */
static void fingerprint_roots(const char **roots, size_t n, char ret[static 65])
{
    AUTO(buf) all = BUF(SIZE_MAX);
    qsort(roots, n, sizeof *roots, compare_text);
    for (size_t i = 0; i < n; i++)
        buf_puts(&all, roots[i]);
    sha256_hex(all.data, all.len, ret);
}

static void read_first(struct binder *b, uint32_t node)
{
    const bool *reached = nodes_reached(b, node);
    for (uint32_t i = 0; i <= node; i++)
        if (reached[i] && b->nodes[i]->kind == NODE_SCAN) {
            struct plan_table *t = &b->plan->tables[b->nodes[i]->table];
            t->first = t->reference ? 2 : 1;
        }
}

static void order_sources(struct binder *b, const bool *needed)
{
    for (uint32_t i = 0; i < b->nnodes; i++)
        for (uint32_t side = 0; needed[i] && b->nodes[i]->kind == NODE_JOIN && side < 2; side++)
            if (b->nodes[i]->join.fixed[side])
                read_first(b, b->nodes[i]->inputs[side]);
}

/* A table that only views read which nothing reads is no source. */
static void mark_sources(struct plan *p)
{
    for (uint32_t i = 0; i < p->ntables; i++)
        p->tables[i].is_source = false;
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (p->nodes[i].kind == NODE_SCAN)
            p->tables[p->nodes[i].table].is_source = true;
}

/* Steps with the same rows and other columns beside them hold the same state: which of them is which does not matter,
 * but each has its own. */
static void number_node(const struct plan *p, uint32_t count, struct plan_node *n)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < count && n->kind != NODE_PROJECT; i++)
        number += p->nodes[i].kind == n->kind && !strcmp(p->nodes[i].identity.rows, n->identity.rows);
    if (number > 0)
        identity_number(n, number);
}

void nodes_finish(struct binder *b)
{
    bool *needed = arena_zarray(b->arena, b->nnodes, sizeof *needed);
    uint32_t *moved = arena_zarray(b->arena, b->nnodes, sizeof *moved);
    for (uint32_t i = b->nnodes; i-- > 0;) {
        needed[i] |= is_root(b->nodes[i]);
        for (uint32_t k = 0; needed[i] && k < b->nodes[i]->ninputs; k++)
            needed[b->nodes[i]->inputs[k]] = true;
    }
    order_sources(b, needed);
    struct plan *p = b->plan;
    const char **roots = arena_array(b->arena, b->nnodes, sizeof *roots);
    size_t nroots = 0;
    p->nodes = arena_zarray(b->arena, (size_t)b->nnodes + b->nresults, sizeof *p->nodes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->nnodes; i++) {
        struct plan_node *n = b->nodes[i];
        if (is_root(n) || (needed[i] && n->kind == NODE_SCAN))
            roots[nroots++] = n->identity.whole;
        if (!needed[i] || n->kind == NODE_RESULT)
            continue;
        moved[i] = count;
        for (uint32_t k = 0; k < n->ninputs; k++)
            n->inputs[k] = moved[n->inputs[k]];
        number_node(p, count, n);
        p->nodes[count++] = *n;
    }
    p->nnodes = add_results(b, moved, count);
    mark_sources(p);
    fingerprint_roots(roots, nroots, p->fingerprint);
}
