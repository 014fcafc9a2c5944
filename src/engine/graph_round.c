/* Batches on their way through the graph: from step to step, one behind the other through exchanges, and in rounds from
 * the source, by all workers. */
#include "base/heap.h"
#include "base/os.h"
#include "engine/graph_private.h"

/* How often a worker looks whether the feed is free before it sleeps: some 50 us. */
enum { LOOKS = 1200 };

/* ---- from step to step ---- */

struct op_context graph_context(struct graph *g, struct node *n, uint32_t worker, struct arena *a)
{
    struct op_context c = {
        .worker = worker,
        .nworkers = g->nworkers,
        .epoch = g->epoch,
        .now_us = g->now_us,
        .time = {graph_behind(n->time.late_us, n->plan->lag), graph_behind(n->time.evict_us, n->plan->lag)},
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
    struct op_context x = graph_context(g, n, c->worker, c->arena);
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
    struct op_context x = graph_context(g, n, c->worker, c->arena);
    x.port = to->port;
    x.place = c->unordered ? NULL : &c->place;
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

void graph_carry(struct graph *g, struct node *n, struct carry *c, struct batch *b)
{
    deliver_on(g, n, c, b);
    carry_on(g, c);
}

/* ---- a round ---- */

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
    struct node *n = graph_scan_node(g, h->in.origin.source);
    struct op_context c = graph_context(g, n, h->carry.worker, h->carry.arena);
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

void graph_end_round(struct graph *g)
{
    g->slots_before += g->nslots;
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
        next->carry = graph_slot(g, next->carry.worker, slot, next->carry.arena);
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
    graph_end_round(g);
    return r.taken;
}
