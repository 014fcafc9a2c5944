#include "engine/query.h"

#include <stdlib.h>

#include "base/os.h"
#include "engine/builtin.h"
#include "engine/functions.h"
#include "engine/graph.h"

struct query {
    struct plan *plan;
    struct pool *pool;
    struct graph *graph;
    void (*result)(void *arg, const struct query_result *r);
    void *arg;
    uint32_t table; /* being read */
    int64_t *offsets;
    uint32_t noffsets;
};

static uint32_t statement_of(const struct query *q, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < node; i++)
        n += q->plan->nodes[i].kind == NODE_RESULT;
    return n;
}

static void on_result(void *arg, uint32_t node, const struct batch *b)
{
    struct query *q = arg;
    const struct plan_node *n = &q->plan->nodes[node];
    struct query_result r = {statement_of(q, node), &n->schema, n->place, n->name, b};
    q->result(q->arg, &r);
}

struct one_batch {
    const struct source_batch *left; /* NULL: taken */
};

static bool next_batch(void *arg, struct source_batch *ret)
{
    struct one_batch *one = arg;
    if (!one->left)
        return false;
    *ret = *one->left;
    one->left = NULL;
    return true;
}

static void done_batch(void *arg, struct source_batch *b, int64_t max_event)
{
    (void)arg, (void)b, (void)max_event; /* the caller keeps its batch */
}

/* Rows of relations have no place of their own; the scan wants offsets, so they are numbered. */
static enum status take(void *arg, struct batch *b)
{
    struct query *q = arg;
    if (b->rows > q->noffsets) {
        q->noffsets = b->rows;
        q->offsets = mem_realloc(q->offsets, b->rows * sizeof *q->offsets);
        for (uint32_t i = 0; i < b->rows; i++)
            q->offsets[i] = i;
    }
    struct source_batch in = {.rows = b->rows,
                              .typed = b,
                              .origin = {.source = q->table, .topic = "", .offset = q->offsets}};
    struct one_batch one = {batch_live(b) ? &in : NULL};
    while (graph_round(q->graph, &(struct graph_feed){next_batch, done_batch, &one}))
        ;
    return OK;
}

static const struct format *no_format(const struct plan *plan, const struct plan_table *t)
{
    (void)plan;
    (void)t;
    return NULL;
}

static enum status read_tables(struct query *q, const struct query_relations *relations, struct error *err)
{
    for (uint32_t t = 0; t < q->plan->ntables; t++) {
        q->table = t;
        TRY(relations->read(relations->lookup.arg, q->plan->tables[t].name, take, q, err));
    }
    return OK;
}

static enum status run(struct query *q, const struct query_relations *relations, struct error *err)
{
    q->pool = pool_new(1);
    struct graph_config config = {.plan = q->plan, .pool = q->pool, .format = no_format, .max_ahead_us = INT64_MAX};
    TRY(graph_new(&config, &q->graph, err));
    for (uint32_t i = 0; i < q->plan->nnodes; i++)
        if (q->plan->nodes[i].kind == NODE_RESULT)
            on_result(q, i, NULL);
    graph_on_result(q->graph, on_result, q);
    struct op_time *times = arena_array(&q->plan->arena, q->plan->ntables + 1, sizeof *times);
    for (uint32_t t = 0; t < q->plan->ntables; t++)
        times[t] = (struct op_time){INT64_MIN, INT64_MIN};
    graph_begin_epoch(q->graph, 1, os_now_us(), times, true);
    TRY(read_tables(q, relations, err));
    graph_end_epoch(q->graph);
    if (!graph_rejected(q->graph))
        return OK;
    const struct rejection *failed = graph_first_error(q->graph);
    return error_set(err, ERR_SQL, "%s", failed ? failed->error : "a row breaks the contract of its table");
}

enum status query_run_plan(struct plan *plan, const struct query_relations *relations,
                           void (*result)(void *arg, const struct query_result *r), void *arg, struct error *err)
{
    struct query q = {.plan = plan, .result = result, .arg = arg};
    TRY(functions_load(plan, relations->allow_c_functions, err));
    enum status s = run(&q, relations, err);
    graph_free(q.graph);
    pool_free(q.pool);
    free(q.offsets);
    return s;
}

enum status query_run(const struct plan_text *text, const struct query_relations *relations,
                      void (*result)(void *arg, const struct query_result *r), void *arg, struct error *err)
{
    AUTO(plan) *plan = NULL;
    TRY(plan_query(text, builtin_world(), &relations->lookup, &plan, err));
    return query_run_plan(plan, relations, result, arg, err);
}
