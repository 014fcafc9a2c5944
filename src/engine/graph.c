#include "engine/graph.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"
#include "engine/turns.h"
#include "op/operators.h"

/* Slots enough that the last of a round is short beside it: while one worker is at it, the others wait. Where batches
 * are made first and pushed then, all of them are held, so these are fewer. */
enum { SLOTS_PER_WORKER = 64, HELD_PER_WORKER = 8, SHARD_TASKS = 16, FEW_ROWS = 128 };
/* How often a worker looks whether the feed is free before it sleeps: some 50 us. */
enum { LOOKS = 1200 };
/* Batches that a worker has begun at once: while one has no turn yet, the next is decoded. */
enum { HANDS = 2 };

struct node {
    const struct plan_node *plan;
    struct operator *op;
    struct scan *scan;
    struct collect *collect;
    struct edge { uint32_t node, port; } *consumers;
    uint32_t nconsumers;
    uint32_t source;              /* table index of the scan whose rows come here unchanged; UINT32_MAX: of none */
    struct op_time time;          /* of this epoch: the least of the inputs' */
    uint32_t slowest;             /* the source by which it is that; UINT32_MAX: no source */
    struct step_counts *counts;   /* per worker */
    struct turns *turns;          /* OP_EXCHANGE */
    bool again;                   /* OP_EXCHANGE: a slot's batch may come more than once */
};

/* A slot's batches on their way, all by one worker. Those that have come to an exchange are held in the order in which
 * they came, and go on from there one by one. */
struct carry {
    uint32_t worker, slot;
    struct arena *arena;
    struct held {
        struct held *next;
        struct node *node;
        struct parked parked;
    } *first, *last;
};

struct slot {
    struct arena arena;
    struct batch *made; /* of rows that were refused */
};

struct graph {
    struct graph_config config;
    struct arena arena; /* of the graph itself */
    struct node *nodes;
    uint32_t nnodes;
    uint32_t *sinks, nsinks;
    uint32_t nworkers, nslots, nheld;
    struct slot *slots;    /* nheld of them */
    struct arena *working;    /* per worker HANDS: of the source batches that it is at */
    uint32_t hands;           /* of them, those that may be used */
    struct turns *first_turns; /* of the exchange that is first on the way; NULL: there is none */
    pthread_mutex_t feeding;  /* whoever asks the round's feed */
    struct arena epoch_arena;
    struct rejections *rejections; /* per worker */
    int64_t epoch, now_us;
    bool final, recalling;
    struct op_time *times; /* per plan table */
    void (*result)(void *arg, uint32_t node, const struct batch *b);
    void *result_arg;
};

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

/* ---- delivering ---- */

static int64_t behind(int64_t time, int64_t lag)
{
    int64_t earlier;
    if (time == INT64_MIN || time == INT64_MAX)
        return time;
    return __builtin_sub_overflow(time, lag, &earlier) ? INT64_MIN : earlier;
}

static struct op_context context(struct graph *g, struct node *n, uint32_t worker, struct arena *a)
{
    struct op_context c = {
        .worker = worker,
        .nworkers = g->nworkers,
        .epoch = g->epoch,
        .now_us = g->now_us,
        .time = {behind(n->time.late_us, n->plan->lag), behind(n->time.evict_us, n->plan->lag)},
        .final = g->final,
        .arena = a,
        .rejections = &g->rejections[worker],
        .source_name = n->source == UINT32_MAX ? NULL : g->config.plan->tables[n->source].name,
        .counts = &n->counts[worker],
    };
    for (uint32_t i = 0; i < MIN(n->plan->ninputs, (uint32_t)ARRAY_LEN(c.inputs)); i++)
        c.inputs[i] = g->nodes[n->plan->inputs[i]].time;
    return c;
}

static void deliver(struct graph *g, const struct edge *to, struct carry *c, struct batch *b);

static void deliver_on(struct graph *g, struct node *n, struct carry *c, struct batch *b)
{
    for (uint32_t i = 0; b && i < n->nconsumers; i++)
        deliver(g, &n->consumers[i], c, b);
}

/* ---- exchanges: where batches go one behind the other ---- */

/* One of a slot's batches goes through the exchange at which it is. */
static void pass_exchange(struct graph *g, struct carry *c, const struct held *h)
{
    struct node *n = h->node;
    struct op_context x = context(g, n, c->worker, c->arena);
    struct parked mine = h->parked;
    x.arena = NULL; /* resolve allocates nothing */
    for (uint32_t part = 0; part < op_parts(g->nworkers); part++) {
        turns_await(n->turns, part, c->slot);
        n->op->ops->resolve(n->op, &x, part, &mine);
        if (!n->again)
            turns_pass(n->turns, part, c->slot);
    }
    struct batch *out = NULL;
    x.arena = c->arena;
    n->op->ops->finish(n->op, &x, &mine, &out);
    deliver_on(g, n, c, out);
}

static void hold(struct carry *c, struct node *n, struct parked parked)
{
    struct held *h = arena_alloc(c->arena, sizeof *h);
    *h = (struct held){NULL, n, parked};
    *(c->last ? &c->last->next : &c->first) = h;
    c->last = h;
}

/* May the slot go on without waiting? */
static bool may_go_on(const struct graph *g, const struct carry *c)
{
    const struct turns *next = c->first ? c->first->node->turns : g->first_turns;
    return !next || turns_has_come(next, 0, c->slot);
}

/* What is held goes on, through one exchange after the other. Where the slot has nothing the next one may go. */
static void carry_on(struct graph *g, struct carry *c)
{
    for (; c->first; c->first = c->first->next)
        pass_exchange(g, c, c->first);
    c->last = NULL;
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (g->nodes[i].turns)
            turns_pass_rest(g->nodes[i].turns, c->slot);
}

static void deliver(struct graph *g, const struct edge *to, struct carry *c, struct batch *b)
{
    struct node *n = &g->nodes[to->node];
    struct op_context x = context(g, n, c->worker, c->arena);
    x.port = to->port;
    if (g->recalling && n->op && n->op->ops->shape != OP_ROWS)
        return; /* what is recalled is in its state already */
    if (n->collect) {
        collect_push(n->collect, &x, c->slot, b);
    } else if (n->plan->kind == NODE_RESULT) {
        if (g->result)
            g->result(g->result_arg, to->node, b);
    } else if (!n->op) {
        deliver_on(g, n, c, b);
    } else {
        struct batch *out = NULL;
        void *prepared = NULL;
        n->op->ops->push(n->op, &x, b, &out, &prepared);
        if (n->op->ops->shape == OP_EXCHANGE)
            hold(c, n, (struct parked){out, prepared});
        else
            deliver_on(g, n, c, out);
    }
}

/* All the way. */
static void deliver_all(struct graph *g, struct node *n, struct carry *c, struct batch *b)
{
    deliver_on(g, n, c, b);
    carry_on(g, c);
}

/* ---- an epoch ---- */

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

static struct node *scan_node(const struct graph *g, uint32_t table)
{
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (g->nodes[i].plan->kind == NODE_SCAN && g->nodes[i].plan->table == table)
            return &g->nodes[i];
    return NULL;
}

/* A source batch that a worker has begun. */
struct hand {
    struct source_batch in;
    struct carry carry;
    int64_t max_event;
    bool through; /* and to be handed back */
};

/* As far as an exchange. */
static void begin_batch(struct graph *g, struct hand *h)
{
    struct node *n = scan_node(g, h->in.origin.source);
    struct op_context c = context(g, n, h->carry.worker, h->carry.arena);
    struct scan_result result;
    struct batch *out;
    scan_push(n->scan, &c, &h->in, &out, &result);
    if (os_planted_bug("rows_lost_in_round") && out)
        out->live--;
    h->max_event = result.max_event;
    deliver_on(g, n, &h->carry, out);
    heap_tend();
}

static void finish_batch(struct graph *g, struct hand *h)
{
    carry_on(g, &h->carry);
    arena_reset(h->carry.arena);
    h->through = true;
    heap_tend();
}

static void end_round(struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (g->nodes[i].turns)
            turns_begin(g->nodes[i].turns);
    for (uint32_t i = 0; i < g->nsinks; i++)
        collect_round(g->nodes[g->sinks[i]].collect);
    for (uint32_t s = 0; s < g->nheld; s++)
        arena_reset(&g->slots[s].arena);
}

/* A round under way. The first two batches are there before the workers begin: one alone is not worth waking them. */
struct round {
    struct graph *g;
    const struct graph_feed *feed;
    struct source_batch first[2];
    uint32_t nfirst, taken;
    bool ended;
};

static bool take_batch(struct round *r, struct source_batch *ret)
{
    if (r->taken < r->nfirst)
        *ret = r->first[r->taken];
    else if (r->ended || r->taken == r->g->nslots || !r->feed->next(r->feed->arg, ret))
        return !(r->ended = true);
    r->taken++;
    return true;
}

/* Who has it is done soon: a worker that sleeps is later than that. */
static void lock_feed(struct graph *g)
{
    for (int i = 0; i < LOOKS; i++) {
        if (pthread_mutex_trylock(&g->feeding) == 0)
            return;
        os_pause();
    }
    pthread_mutex_lock(&g->feeding);
}

/* What the worker is through with goes back, and the next comes, if there is one. */
static bool next_batch(struct round *r, struct hand hands[HANDS], struct hand *next)
{
    struct graph *g = r->g;
    lock_feed(g);
    for (unsigned i = 0; i < HANDS; i++) {
        if (hands[i].through)
            r->feed->done(r->feed->arg, &hands[i].in, hands[i].max_event);
        hands[i].through = false;
    }
    bool taken = take_batch(r, &next->in);
    uint32_t slot = r->taken - 1;
    pthread_mutex_unlock(&g->feeding);
    if (taken)
        next->carry.slot = slot;
    return taken;
}

/* As long as it has no batch nobody waits for a worker. */
static void prepare_exchanges(struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (g->nodes[i].turns && g->nodes[i].op->ops->prepare)
            g->nodes[i].op->ops->prepare(g->nodes[i].op);
}

static void work_task(void *arg, uint32_t worker, uint32_t task)
{
    (void)task;
    struct round *r = arg;
    struct graph *g = r->g;
    struct hand hands[HANDS] = {0};
    for (unsigned i = 0; i < HANDS; i++)
        hands[i].carry = (struct carry){.worker = worker, .arena = &g->working[worker * HANDS + i]};
    uint32_t first = 0, begun = 0;
    for (;;) {
        if (begun == 0 && g->nworkers > 1)
            prepare_exchanges(g);
        struct hand *oldest = &hands[first], *next = &hands[(first + begun) % HANDS];
        bool more = begun == 0 || (begun < g->hands && !may_go_on(g, &oldest->carry));
        if (more && next_batch(r, hands, next)) {
            begin_batch(g, next);
            begun++;
        } else if (begun > 0) {
            finish_batch(g, oldest);
            first = (first + 1) % HANDS;
            begun--;
        } else {
            return;
        }
    }
}

uint32_t graph_round(struct graph *g, const struct graph_feed *feed)
{
    struct round r = {.g = g, .feed = feed};
    uint32_t most = MIN(g->nslots, (uint32_t)ARRAY_LEN(r.first));
    while (r.nfirst < most && feed->next(feed->arg, &r.first[r.nfirst]))
        r.nfirst++;
    r.ended = r.nfirst < most;
    if (r.nfirst == 0)
        return 0;
    pool_run(g->config.pool, MIN(r.nfirst, g->nworkers), work_task, &r);
    end_round(g);
    return r.taken;
}

struct merging {
    struct graph *g;
    struct node *n;
};

static void merge_task(void *arg, uint32_t worker, uint32_t task)
{
    struct merging *m = arg;
    struct op_context c = context(m->g, m->n, worker, NULL);
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
        struct op_context c = context(x->g, x->n, worker, a);
        x->n->op->ops->finish(x->n->op, &c, &mine, &out);
    }
    deliver_all(x->g, x->n, &(struct carry){worker, slot, a}, out);
}

/* Answers whether there may be more. */
static bool emit_some(struct emitting *x)
{
    struct op_context c = context(x->g, x->n, 0, &x->g->epoch_arena);
    uint32_t count = 0;
    while (count < x->most && (x->batches[count] = x->n->op->ops->emit(x->n->op, &c)))
        count++;
    if (count)
        pool_run(x->g->config.pool, count, emit_task, x);
    end_round(x->g);
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

/* What was refused, on its way to a node of bourn.rejected. */
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
    deliver_all(r->g, r->n, &(struct carry){worker, slot, &s->arena}, s->made);
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
        end_round(g);
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
    struct op_time time = {behind(n->time.late_us, n->plan->lag), behind(n->time.evict_us, n->plan->lag)};
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
        if (!n->op || !n->op->ops->closes || !goes_by_time(n->plan) || (n->plan->kind == NODE_JOIN && !waits(n->plan)))
            continue;
        struct open o = open_of(g, n);
        if (o.time.evict_us != INT64_MIN && o.closes != INT64_MAX && o.closes <= o.time.evict_us)
            return true;
    }
    return false;
}

void graph_end_epoch(struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++) {
        struct node *n = &g->nodes[i];
        if (n->plan->kind == NODE_VALUES && g->epoch == 1) {
            struct batch *rows = values_batch(n->plan, g->now_us, &g->epoch_arena);
            deliver_all(g, n, &(struct carry){.arena = &g->slots[0].arena}, rows);
            end_round(g);
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
    struct node *n = scan_node(g, table);
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
        int64_t evict = n->source == UINT32_MAX ? INT64_MIN : behind(times[n->source].evict_us, n->plan->lag);
        return n->op->ops->load(n->op, section->version, payload, evict, err);
    }
    (void)error_set(err, ERR_STATE, "the state holds step %s, which the pipeline does not have", section->name);
    return error_hint(err, "run the pipeline that made this state, or start with a new state folder");
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
