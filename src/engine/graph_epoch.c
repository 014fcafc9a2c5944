/* An epoch of the graph: event time as it begins, and at its end what its steps give out of what they keep. */
#include "engine/graph_private.h"

/* Shards are shared out among workers in so many tasks; of refused rows fewer are no batch of their own. */
enum { SHARD_TASKS = 16, FEW_ROWS = 128 };

/* ---- its beginning ---- */

/* A step knows no more of time than the slowest of its inputs; constants are there from the start. */
void graph_set_times(struct graph *g, const struct op_time *times)
{
    memcpy(g->times, times, g->config.plan->ntables * sizeof *times);
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        n->time = (struct op_time){INT64_MAX, INT64_MAX};
        n->slowest = n->plan->kind == NODE_SCAN ? n->plan->table : UINT32_MAX;
        if (n->plan->kind == NODE_SCAN)
            n->time = g->times[n->plan->table];
        else if (n->plan->kind == NODE_VALUES)
            n->time.late_us = INT64_MIN;
        else if (n->plan->kind == NODE_RELATION)
            n->time = (struct op_time){INT64_MIN, INT64_MIN};
        for (uint32_t k = 0; k < n->plan->ninputs; k++) {
            const struct node *input = &g->nodes[n->plan->inputs[k]];
            if (n->plan->kind == NODE_JOIN && n->plan->join.fixed[k])
                continue; /* it has ended, whatever it knew of time */
            if (n->slowest == UINT32_MAX || input->time.evict_us < n->time.evict_us)
                n->slowest = input->slowest;
            n->time.late_us = MIN(n->time.late_us, input->time.late_us);
            n->time.evict_us = MIN(n->time.evict_us, input->time.evict_us);
        }
    }
}

void graph_begin_epoch(struct graph *g, int64_t epoch, int64_t now_us, const struct op_time *times, bool final)
{
    g->epoch = epoch;
    g->now_us = now_us;
    g->final = final;
    g->slots_before = 0;
    graph_set_times(g, times);
    arena_reset(&g->epoch_arena);
    for (uint32_t w = 0; w < g->nworkers; w++)
        rejections_reset(&g->rejections[w]);
    for (uint32_t i = 0; i < g->nnodes; i++) {
        memset(g->nodes[i].counts, 0, g->nworkers * sizeof *g->nodes[i].counts);
        if (g->nodes[i].scan)
            scan_reset_counts(g->nodes[i].scan);
    }
}

/* ---- what steps give out ---- */

struct merging {
    struct graph *g;
    struct node *n;
};

static void merge_task(void *arg, uint32_t worker, uint32_t task)
{
    struct merging *m = arg;
    struct op_context c = graph_context(m->g, m->n, worker, NULL);
    m->n->op->ops->merge(m->n->op, &c, SHARDS * task / SHARD_TASKS, SHARDS * (task + 1) / SHARD_TASKS);
}

/* May several workers push what comes from here? To sinks, which take it slot by slot, and so in order, and to what
 * takes any order, where no batch takes back what another hands out. */
static bool any_worker_may_push(const struct graph *g, const struct node *n)
{
    bool may = true;
    for (uint32_t i = 0; i < n->nconsumers && may; i++) {
        const struct node *to = &g->nodes[n->consumers[i].node];
        if (to->op && to->op->ops->shape == OP_KEEP)
            may = to->op->ops->any_order && n->plan->mode != MODE_UPDATING;
        else if (!to->collect)
            may = to->plan->kind != NODE_RESULT && any_worker_may_push(g, to);
    }
    return may;
}

/* A step's results on their way: as many batches at once as there are slots, if they can be out together. */
struct emitting {
    struct graph *g;
    struct node *n;
    struct batch **batches; /* by slot */
    uint32_t most;
};

static void emit_task(void *arg, uint32_t worker, uint32_t slot)
{
    struct emitting *x = arg;
    struct arena *a = &x->g->slots[slot].arena;
    struct batch *out = x->batches[slot];
    if (x->n->op->ops->finish) {
        struct parked mine = {.batch = out};
        struct op_context c = graph_context(x->g, x->n, worker, a);
        x->n->op->ops->finish(x->n->op, &c, &mine, &out);
    }
    struct carry c = graph_slot(x->g, worker, slot, a);
    c.unordered = x->n->plan->kind != NODE_SORT;
    graph_carry(x->g, x->n, &c, out);
}

/* Answers whether there may be more. */
static bool emit_some(struct emitting *x)
{
    struct op_context c = graph_context(x->g, x->n, 0, &x->g->epoch_arena);
    uint32_t count = 0;
    while (count < x->most && (x->batches[count] = x->n->op->ops->emit(x->n->op, &c)))
        count++;
    if (count)
        pool_run(x->g->config.pool, count, emit_task, x);
    graph_end_round(x->g);
    return count == x->most;
}

static void end_step(struct graph *g, struct node *n)
{
    if (!n->op || !n->op->ops->merge)
        return;
    struct merging m = {g, n};
    pool_run(g->config.pool, SHARD_TASKS, merge_task, &m);
    if (!n->op->ops->emit)
        return;
    bool together = n->op->ops->finish && any_worker_may_push(g, n);
    struct emitting x = {.g = g, .n = n, .most = together ? g->nheld : 1};
    x.batches = arena_array(&g->epoch_arena, x.most, sizeof(struct batch *));
    while (emit_some(&x))
        ;
    if (n->op->ops->emitted)
        n->op->ops->emitted(n->op);
}

/* ---- what was refused ---- */

/* On its way to a node of bourn.rejected. */
struct refused {
    struct graph *g;
    struct node *n;
    const struct rejected_place *places;
    uint32_t count, at_once;
};

static void sort_refused_task(void *arg, uint32_t worker, uint32_t task)
{
    (void)worker;
    struct graph *g = arg;
    rejections_sort(&g->rejections[task]);
}

static void make_refused_task(void *arg, uint32_t worker, uint32_t slot)
{
    (void)worker;
    struct refused *r = arg;
    struct graph *g = r->g;
    uint32_t from = slot * r->at_once, rows = MIN(r->at_once, r->count - from);
    g->slots[slot].made = rejections_batch(g->rejections, r->places + from, rows, g->epoch, g->now_us,
                                           &g->slots[slot].arena);
}

static void refused_task(void *arg, uint32_t worker, uint32_t slot)
{
    struct refused *r = arg;
    struct slot *s = &r->g->slots[slot];
    struct carry c = graph_slot(r->g, worker, slot, &s->arena);
    graph_carry(r->g, r->n, &c, s->made);
}

static void deliver_refused(struct graph *g, struct node *n, const struct rejected_place *places, uint32_t count)
{
    bool shared = any_worker_may_push(g, n);
    while (count > 0) {
        struct refused r = {.g = g, .n = n, .places = places};
        r.count = MIN(count, g->nheld * (uint32_t)BATCH_ROWS);
        r.at_once = MAX((r.count + g->nheld - 1) / g->nheld, (uint32_t)FEW_ROWS);
        uint32_t nslots = (r.count + r.at_once - 1) / r.at_once;
        pool_run(g->config.pool, nslots, make_refused_task, &r); /* all of them before a step refuses one more */
        if (shared)
            pool_run(g->config.pool, nslots, refused_task, &r);
        for (uint32_t slot = 0; slot < nslots && !shared; slot++)
            refused_task(&r, 0, slot);
        graph_end_round(g);
        places += r.count;
        count -= r.count;
    }
}

/* What was refused becomes rows of bourn.rejected. Rows that are refused on that very way are counted and logged with
 * the ledger, but do not enter the relation again. */
static void deliver_rejections(struct graph *g)
{
    const struct rejected_place *places = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->nnodes; i++) {
        if (g->nodes[i].plan->kind != NODE_RELATION || g->nodes[i].nconsumers == 0)
            continue;
        if (!places) {
            pool_run(g->config.pool, g->nworkers, sort_refused_task, g);
            places = rejections_merge(g->rejections, g->nworkers, &g->epoch_arena, &count);
        }
        deliver_refused(g, &g->nodes[i], places, count);
    }
}

/* ---- what event time holds open ---- */

/* Does event time let go of what the step keeps, and make its rows late? */
static bool goes_by_time(const struct plan_node *p)
{
    switch (p->kind) {
    case NODE_DEDUP:
    case NODE_SESSION: return true;
    case NODE_AGGREGATE:
    case NODE_TOPN:
    case NODE_OVER:
    case NODE_UNIQUE: return p->closes >= 0;
    case NODE_JOIN: return p->join.expires[0] >= 0 || p->join.expires[1] >= 0;
    default: return false;
    }
}

bool graph_goes_by_time(const struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (goes_by_time(g->nodes[i].plan))
            return true;
    return false;
}

/* Does anything come out when event time closes what the step keeps? Pairs of a join do not wait for it. */
static bool waits(const struct plan_node *p)
{
    return p->final && (p->kind != NODE_JOIN || (p->join.kind != JOIN_INNER && p->join.kind != JOIN_SEMI));
}

struct open {
    int64_t closes;
    struct op_time time;   /* by which it does */
    const struct node *by; /* whose time that is: the step's, or that of one of its inputs */
};

static struct open open_of(const struct graph *g, const struct node *n)
{
    struct op_time time = {graph_behind(n->time.late_us, n->plan->lag), graph_behind(n->time.evict_us, n->plan->lag)};
    if (!n->op->ops->closes)
        return (struct open){INT64_MAX, time, n};
    struct op_open o = n->op->ops->closes(n->op, time.late_us);
    if (o.input < 0)
        return (struct open){o.closes, time, n};
    const struct node *input = &g->nodes[n->plan->inputs[o.input]];
    return (struct open){o.closes, input->time, input};
}

bool graph_has_due(const struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++) {
        const struct node *n = &g->nodes[i];
        if (n->plan->kind == NODE_SORT && n->time.evict_us == INT64_MAX && n->op->ops->keys(n->op) > 0)
            return true;
        if (!n->op || !n->op->ops->closes || !goes_by_time(n->plan) || (n->plan->kind == NODE_JOIN && !waits(n->plan)))
            continue;
        struct open o = open_of(g, n);
        if (o.time.evict_us != INT64_MIN && o.closes != INT64_MAX && o.closes <= o.time.evict_us)
            return true;
    }
    return false;
}

bool graph_has_first(const struct graph *g)
{
    for (uint32_t i = 0; g->epoch == 1 && i < g->nnodes; i++) {
        const struct plan_node *p = g->nodes[i].plan;
        if (p->kind == NODE_VALUES || (p->kind == NODE_AGGREGATE && p->ngroup == 0))
            return true;
    }
    return false;
}

bool graph_opens(const struct graph *g, const struct plan_node *step, struct graph_open *ret)
{
    const struct node *n = &g->nodes[step - g->config.plan->nodes];
    if (!n->op || !goes_by_time(step))
        return false;
    struct open o = open_of(g, n);
    if (o.by->slowest == UINT32_MAX)
        return false;
    *ret = (struct graph_open){o.closes, o.time, o.by->slowest, waits(step)};
    return true;
}

/* ---- its end ---- */

void graph_end_epoch(struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        if (n->plan->kind == NODE_VALUES && g->epoch == 1) {
            struct batch *rows = values_batch(n->plan, g->now_us, &g->epoch_arena);
            struct carry c = graph_slot(g, 0, 0, &g->slots[0].arena);
            graph_carry(g, n, &c, rows);
            graph_end_round(g);
        }
        if (n->plan->kind != NODE_RELATION)
            end_step(g, n);
    }
    deliver_rejections(g);
}

void graph_on_result(struct graph *g, void (*result)(void *, uint32_t, const struct batch *), void *arg)
{
    g->result = result;
    g->result_arg = arg;
}

void graph_recall(struct graph *g, unsigned from, unsigned to)
{
    g->recalling = true;
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        if (!n->op || !n->op->ops->recall)
            continue;
        n->op->ops->recall(n->op, from, to);
        end_step(g, n);
    }
    g->recalling = false;
}
