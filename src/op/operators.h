/* The operators, one per kind of plan node. Each is made from its node; to add one, write its file, declare it here and
 * add it to the list in engine/graph.c. nworkers: on how many workers push may run at once.
 */
#pragma once

#include "flow/operator.h"
#include "plan/plan.h"

struct operator *filter_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
struct operator *project_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
/* hash_seed: of the state; it keys the hashes that stand for ids. */
struct operator *dedup_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers,
                           uint64_t hash_seed);
struct operator *aggregate_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
/* ORDER BY / LIMIT over a finite input: everything is held until the input ends (its time is at the end of time, or
 * op_context.final). */
struct operator *sort_new(const struct plan_node *node, uint32_t nworkers);

struct operator *unnest_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
struct operator *window_new(const struct plan_node *node, const struct plan_node *input);
/* An AGGREGATE over panes of windows. */
struct operator *panes_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
struct operator *session_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
/* The first rows of each partition, and window functions over its rows. */
struct operator *topn_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
struct operator *over_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
/* The rows that are alone with their key. Where several have one, what had come out is taken back and one of them is
 * refused, once. */
struct operator *unique_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers);
struct operator *join_new(const struct plan_node *node, const struct plan_node *const inputs[2], uint32_t nworkers);

/* What comes out of a VALUES, which is no operator: nothing goes in. */
struct batch *values_batch(const struct plan_node *node, int64_t now_us, struct arena *a);

static inline void operator_free(struct operator *op)
{
    if (op)
        op->ops->free(op);
}
