/* What the three parts of a graph share: graph.c (its steps, what they did, their state), graph_round.c (batches on
 * their way through it) and graph_epoch.c (event time, and what comes out at an epoch's end).
 */
#pragma once

#include <pthread.h>

#include "engine/graph.h"
#include "engine/turns.h"
#include "op/operators.h"

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
    bool unordered;    /* what comes out of a step's state: in which order is a matter of how it came in */
    uint64_t place;    /* of the next row that somebody counts: see op_context */
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
    uint64_t slots_before; /* of this epoch's rounds before this one */
    bool final, recalling;
    struct op_time *times; /* per plan table */
    void (*result)(void *arg, uint32_t node, const struct batch *b);
    void *result_arg;
};

/* ---- graph_round.c ---- */

/* A slot of the round, before anything is in it. */
static inline struct carry graph_slot(const struct graph *g, uint32_t worker, uint32_t slot, struct arena *a)
{
    enum { PLACES = 36 }; /* bits for the rows of a slot */
    return (struct carry){.worker = worker, .slot = slot, .place = (g->slots_before + slot) << PLACES, .arena = a};
}
/* What a step is told when this worker calls it; what it makes lies in `a`. */
struct op_context graph_context(struct graph *g, struct node *n, uint32_t worker, struct arena *a);
/* What came out of the node goes all the way, through every exchange. NULL: nothing did; the next slot may go. */
void graph_carry(struct graph *g, struct node *n, struct carry *c, struct batch *b);
/* All slots are through. */
void graph_end_round(struct graph *g);

static inline struct node *graph_scan_node(const struct graph *g, uint32_t table)
{
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (g->nodes[i].plan->kind == NODE_SCAN && g->nodes[i].plan->table == table)
            return &g->nodes[i];
    return NULL;
}

/* The event time of a step that is so much behind its inputs. */
static inline int64_t graph_behind(int64_t time, int64_t lag)
{
    int64_t earlier;
    if (time == INT64_MIN || time == INT64_MAX)
        return time;
    return __builtin_sub_overflow(time, lag, &earlier) ? INT64_MIN : earlier;
}
