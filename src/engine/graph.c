#include "engine/graph_private.h"

#include <stdlib.h>

/* Slots enough that the last of a round is short beside it: while one worker is at it, the others wait. Where batches
 * are made first and pushed then, all of them are held, so these are fewer. */
enum { SLOTS_PER_WORKER = 64, HELD_PER_WORKER = 8 };

/* ---- building ---- */

static int64_t max_ahead_of(const struct graph *g, const struct plan_table *t)
{
    return option_given(&t->options, "max_ahead") ? option_int(&t->options, plan_source_options, "max_ahead")
                                                  : g->config.max_ahead_us;
}

static enum status make_step(struct graph *g, struct node *n, struct error *err)
{
    const struct plan_node *p = n->plan;
    const struct plan_node *input = p->ninputs ? &g->config.plan->nodes[p->inputs[0]] : NULL;
    switch (p->kind) {
    case NODE_SCAN: {
        const struct plan_table *t = &g->config.plan->tables[p->table];
        struct scan_config c = {t, p->table, g->config.format(g->config.plan, t), max_ahead_of(g, t), g->nworkers};
        return scan_new(&c, &n->scan, err);
    }
    case NODE_FILTER: n->op = filter_new(p, input, g->nworkers); return OK;
    case NODE_PROJECT: n->op = project_new(p, input, g->nworkers); return OK;
    case NODE_DEDUP: n->op = dedup_new(p, input, g->nworkers, g->config.hash_seed); return OK;
    case NODE_AGGREGATE:
        n->op = p->window.pane ? panes_new(p, input, g->nworkers) : aggregate_new(p, input, g->nworkers);
        return OK;
    case NODE_SORT: n->op = sort_new(p, g->nworkers); return OK;
    case NODE_UNNEST: n->op = unnest_new(p, input, g->nworkers); return OK;
    case NODE_WINDOW: n->op = window_new(p, input); return OK;
    case NODE_JOIN: {
        const struct plan_node *inputs[2] = {input, &g->config.plan->nodes[p->inputs[1]]};
        n->op = join_new(p, inputs, g->nworkers);
        return OK;
    }
    case NODE_SESSION: n->op = session_new(p, input, g->nworkers); return OK;
    case NODE_TOPN: n->op = topn_new(p, input, g->nworkers); return OK;
    case NODE_OVER: n->op = over_new(p, input, g->nworkers); return OK;
    case NODE_UNIQUE: n->op = unique_new(p, input, g->nworkers); return OK;
    case NODE_SINK: n->collect = collect_new(g->config.plan, p, input, g->nworkers, g->nslots); return OK;
    case NODE_UNION:
    case NODE_VALUES:
    case NODE_RELATION:
    case NODE_RESULT: return OK;
    }
    assert(!"a node kind without an operator");
    return FAILED;
}

static void link_nodes(struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        uint32_t uses = 0;
        for (uint32_t k = i + 1; k < g->nnodes; k++)
            for (uint32_t port = 0; port < g->nodes[k].plan->ninputs; port++)
                uses += g->nodes[k].plan->inputs[port] == i;
        n->consumers = arena_array(&g->arena, uses, sizeof *n->consumers);
        n->source = n->plan->kind == NODE_SCAN ? n->plan->table : UINT32_MAX;
        for (uint32_t port = 0; port < n->plan->ninputs; port++) {
            struct node *input = &g->nodes[n->plan->inputs[port]];
            if (!g->config.wanted || g->config.wanted[i])
                input->consumers[input->nconsumers++] = (struct edge){i, port};
            if (n->source == UINT32_MAX)
                n->source = input->source;
        }
        if (n->plan->kind == NODE_SINK)
            g->sinks[g->nsinks++] = i;
    }
}

/* Is there more than one way from one node to another? Consumers stand behind what they consume. */
static bool has_two_ways(const struct graph *g, uint32_t from, uint32_t to, uint8_t *ways)
{
    memset(ways, 0, g->nnodes);
    ways[from] = 1;
    for (uint32_t i = from; i < to; i++)
        for (uint32_t k = 0; ways[i] && k < g->nodes[i].nconsumers; k++) {
            uint8_t *there = &ways[g->nodes[i].consumers[k].node];
            *there = MIN(*there + ways[i], 2);
        }
    return ways[to] > 1;
}

static void make_turns(struct graph *g)
{
    AUTO(arena) a = {0};
    uint8_t *ways = arena_array(&a, g->nnodes + 1, 1);
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        if (!n->op || n->op->ops->shape != OP_EXCHANGE)
            continue;
        n->turns = turns_new(op_parts(g->nworkers));
        if (!g->first_turns)
            g->first_turns = n->turns;
        for (uint32_t from = 0; from < i; from++)
            n->again |= has_two_ways(g, from, i, ways);
    }
}

/* When a worker begins a batch before it finishes another, what lies before the exchanges has the later one first. Does
 * each step that keeps rows, which it takes in the order of reading, have all of them from one side? */
static bool keeps_order_ahead(const struct graph *g)
{
    AUTO(arena) a = {0};
    bool *before = arena_zarray(&a, g->nnodes + 1, sizeof *before);
    bool *behind = arena_zarray(&a, g->nnodes + 1, sizeof *behind);
    bool keeps = g->nworkers > 1;
    for (uint32_t i = 0; i < g->nnodes; i++) {
        const struct node *n = &g->nodes[i];
        bool keep = n->op && n->op->ops->shape == OP_KEEP;
        before[i] |= n->plan->kind == NODE_SCAN;
        keeps &= !keep || !before[i] || !behind[i];
        for (uint32_t k = 0; !keep && k < n->nconsumers; k++) {
            before[n->consumers[k].node] |= before[i] && !n->turns;
            behind[n->consumers[k].node] |= behind[i] || (before[i] && n->turns);
        }
    }
    return keeps;
}

enum status graph_new(const struct graph_config *config, struct graph **ret, struct error *err)
{
    struct graph *g = mem_zalloc(sizeof *g);
    g->config = *config;
    g->nworkers = pool_workers(config->pool);
    g->nslots = g->nworkers == 1 ? 1 : g->nworkers * SLOTS_PER_WORKER;
    g->nheld = g->nworkers == 1 ? 1 : g->nworkers * HELD_PER_WORKER;
    g->slots = mem_zalloc(g->nheld * sizeof *g->slots);
    g->working = mem_zalloc((size_t)g->nworkers * HANDS * sizeof *g->working);
    pthread_mutex_init(&g->feeding, NULL);
    g->rejections = mem_zalloc(g->nworkers * sizeof *g->rejections);
    g->nnodes = config->plan->nnodes;
    g->nodes = arena_zarray(&g->arena, g->nnodes, sizeof *g->nodes);
    g->sinks = arena_array(&g->arena, g->nnodes, sizeof *g->sinks);
    g->times = arena_zarray(&g->arena, config->plan->ntables + 1, sizeof *g->times);
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        n->plan = &config->plan->nodes[i];
        n->counts = arena_zarray(&g->arena, g->nworkers, sizeof *n->counts);
        if (make_step(g, n, err) != OK) {
            graph_free(g);
            return FAILED;
        }
    }
    link_nodes(g);
    make_turns(g);
    g->hands = keeps_order_ahead(g) ? HANDS : 1;
    *ret = g;
    return OK;
}

void graph_free(struct graph *g)
{
    if (!g)
        return;
    for (uint32_t i = 0; i < g->nnodes; i++) {
        operator_free(g->nodes[i].op);
        scan_free(g->nodes[i].scan);
        collect_free(g->nodes[i].collect);
        turns_free(g->nodes[i].turns);
    }
    for (uint32_t i = 0; i < g->nheld; i++)
        arena_release(&g->slots[i].arena);
    for (uint32_t w = 0; w < g->nworkers; w++)
        rejections_release(&g->rejections[w]);
    for (uint32_t i = 0; i < g->nworkers * HANDS; i++)
        arena_release(&g->working[i]);
    pthread_mutex_destroy(&g->feeding);
    free(g->working);
    free(g->slots);
    free(g->rejections);
    arena_release(&g->epoch_arena);
    arena_release(&g->arena);
    free(g);
}

/* ---- what the epoch did ---- */

uint32_t graph_sink_count(const struct graph *g) { return g->nsinks; }

const struct plan_node *graph_sink_node(const struct graph *g, uint32_t i) { return g->nodes[g->sinks[i]].plan; }

static void run_in_pool(void *pool, uint32_t n, void (*task)(void *arg, uint32_t worker, uint32_t task), void *arg)
{
    pool_run(pool, n, task, arg);
}

const struct plan_node *graph_sink(struct graph *g, uint32_t i, struct bufs *ret_payload,
                                   struct collect_counts *ret_counts)
{
    struct collect_pool pool = {run_in_pool, g->config.pool};
    collect_finish(g->nodes[g->sinks[i]].collect, &pool, ret_payload, ret_counts);
    return g->nodes[g->sinks[i]].plan;
}

static struct step_counts sum_counts(const struct graph *g, const struct node *n)
{
    struct step_counts sum = {0};
    for (uint32_t w = 0; w < g->nworkers; w++) {
        sum.in += n->counts[w].in;
        sum.out += n->counts[w].out;
        sum.filtered += n->counts[w].filtered;
        sum.late += n->counts[w].late;
        sum.duplicate += n->counts[w].duplicate;
        sum.error += n->counts[w].error;
        sum.expired += n->counts[w].expired;
    }
    return sum;
}

const struct plan_node *graph_step(const struct graph *g, uint32_t i, struct step_counts *ret)
{
    for (uint32_t k = 0; k < g->nnodes; k++)
        if (g->nodes[k].op && i-- == 0) {
            *ret = sum_counts(g, &g->nodes[k]);
            return g->nodes[k].plan;
        }
    return NULL;
}

struct scan *graph_scan(const struct graph *g, uint32_t table, struct step_counts *ret)
{
    struct node *n = graph_scan_node(g, table);
    if (!n)
        return NULL;
    *ret = sum_counts(g, n);
    return n->scan;
}

uint64_t graph_rejected(const struct graph *g)
{
    uint64_t sum = 0;
    for (uint32_t w = 0; w < g->nworkers; w++)
        sum += g->rejections[w].count;
    return sum;
}

static int by_place(const struct rejection *a, const struct rejection *b)
{
    if (a->split != b->split)
        return a->split < b->split ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

const struct rejection *graph_first_error(const struct graph *g)
{
    const struct rejection *first = NULL;
    for (uint32_t w = 0; w < g->nworkers; w++)
        for (uint32_t i = 0; i < g->rejections[w].count; i++) {
            const struct rejection *r = &g->rejections[w].items[i];
            if (strncmp(r->rules, "error:", 6) == 0 && (!first || by_place(r, first) < 0))
                first = r;
        }
    return first;
}

/* ---- state ---- */

static void make_task(void *arg, uint32_t worker, uint32_t task)
{
    (void)worker;
    segment_make(arg, task);
}

/* What steps left to be written by all workers. */
static void make_sections(struct graph *g, struct segment_writer *w)
{
    if (segment_unmade(w) == 0)
        return;
    pool_run(g->config.pool, segment_unmade(w), make_task, w);
    segment_made(w);
}

void graph_save_some(struct graph *g, const bool *chosen, struct segment_writer *w, struct segment_writer *rest)
{
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (g->nodes[i].op && g->nodes[i].op->ops->save)
            g->nodes[i].op->ops->save(g->nodes[i].op, !chosen || chosen[i] ? w : rest);
    make_sections(g, w);
    if (rest)
        make_sections(g, rest);
}

void graph_save(struct graph *g, struct segment_writer *w) { graph_save_some(g, NULL, w, NULL); }

enum status graph_load(struct graph *g, const struct section *section, struct slice payload,
                       const struct op_time *times, struct error *err)
{
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        if (!n->op || !n->op->ops->load || strcmp(n->op->id, section->name))
            continue;
        int64_t evict = n->source == UINT32_MAX ? INT64_MIN : graph_behind(times[n->source].evict_us, n->plan->lag);
        return n->op->ops->load(n->op, section->version, payload, evict, err);
    }
    (void)error_set(err, ERR_STATE, "the state holds step %s, which the pipeline does not have", section->name);
    return error_hint(err, "run the pipeline that made this state, or give this one its own: --state FOLDER");
}

const struct plan_node *graph_state(const struct graph *g, uint32_t i, uint64_t *ret_keys, uint64_t *ret_bytes)
{
    for (uint32_t k = 0; k < g->nnodes; k++) {
        const struct operator *op = g->nodes[k].op;
        if (op && op->ops->bytes && i-- == 0) {
            *ret_keys = op->ops->keys(op);
            *ret_bytes = op->ops->bytes(op);
            return g->nodes[k].plan;
        }
    }
    return NULL;
}

uint64_t graph_state_bytes(const struct graph *g)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < g->nnodes; k++)
        if (g->nodes[k].op && g->nodes[k].op->ops->bytes)
            sum += g->nodes[k].op->ops->bytes(g->nodes[k].op);
    return sum;
}

uint64_t graph_in_flight(const struct graph *g)
{
    uint64_t sum = g->epoch_arena.total; /* slots hold a round's batches only, and are empty between rounds */
    for (uint32_t w = 0; w < g->nworkers; w++)
        sum += g->rejections[w].arena.total + g->rejections[w].cap * sizeof *g->rejections[w].items;
    for (uint32_t k = 0; k < g->nnodes; k++) {
        const struct node *n = &g->nodes[k];
        if (n->collect)
            sum += collect_bytes(n->collect);
        if (n->op && n->op->ops->pending)
            sum += n->op->ops->pending(n->op);
    }
    return sum;
}

uint64_t graph_appended(const struct graph *g)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < g->nsinks; i++)
        sum += collect_appended(g->nodes[g->sinks[i]].collect);
    return sum;
}

/* ---- the rows in the state ---- */

static const struct plan_node *forgets(const struct graph *g, const struct node *n)
{
    if (n->op && n->op->ops->recall && n->plan->closes < 0) /* what is closed is gone */
        return NULL;
    bool hands_on = n->collect || n->plan->kind == NODE_UNION || (n->op && n->op->ops->shape == OP_ROWS);
    if (!hands_on)
        return n->plan;
    const struct plan_node *found = NULL;
    for (uint32_t i = 0; !found && i < n->plan->ninputs; i++)
        found = forgets(g, &g->nodes[n->plan->inputs[i]]);
    return found;
}

const struct plan_node *graph_forgets(const struct graph *g, uint32_t sink)
{
    return forgets(g, &g->nodes[g->sinks[sink]]);
}
