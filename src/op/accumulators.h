/* The accumulators of one group: a piece of memory with the number of its rows and, behind it, the accumulator of each
 * aggregate of a plan node. What groups by keys, by panes or by sessions keeps them here.
 */
#pragma once

#include "flow/operator.h"
#include "plan/plan.h"
#include "state/keyed.h"

struct accumulators {
    const struct plan_aggregate *calls;
    uint32_t ncalls;
    uint32_t head;        /* bytes at the beginning of a value that are its owner's; then i64 rows, then these */
    uint32_t size;        /* of a value; a zeroed one is a group without rows */
    uint32_t *offsets;    /* of each accumulator in a value */
    uint32_t *filter;     /* of each aggregate: which of the FILTERs; aggregates share those that are the same */
    int32_t *filters;     /* their columns; -1: none */
    uint32_t nfilters;
    struct type *arg_types;
    bool owns_heap;       /* values must be released */
    int64_t heap;         /* bytes that values own beside themselves; changed by all workers */
};

/* Of the aggregates of `node` over rows of `input`. head: a multiple of 8. */
void accumulators_init(struct accumulators *a, const struct plan_node *node, const struct plan_node *input,
                       uint32_t head, struct arena *arena);
static inline int64_t *accumulators_rows(const struct accumulators *a, void *value)
{
    return (int64_t *)((char *)value + a->head);
}
/* A value but for its head, as bytes; false: corrupt. */
void accumulators_pack(const struct accumulators *a, const void *value, struct buf *out);
bool accumulators_unpack(const struct accumulators *a, struct reader *in, void *value);
void accumulators_release(const struct accumulators *a, void *value);
/* `from` stays owned by its owner. */
void accumulators_merge(const struct accumulators *a, void *into, const void *from);
/* Every live row of the batch into its group: ids by live row, unless there is one group; values by id, of which two
 * may be the same. Scratch is taken from the arena. */
void accumulators_update(const struct accumulators *a, const struct batch *b, struct arena *arena, const uint32_t *ids,
                         char *const *values, uint32_t nvalues);
/* The results into the columns `first` and following of a row of `b` that outcome_row made. An aggregate that cannot be
 * represented (overflow) drops the row again: it is simply not there until it is valid, and, for weight +1, said so. */
void accumulators_put(const struct accumulators *a, const struct operator *op, const struct plan_node *node,
                      const void *value, struct batch *b, uint32_t first, uint32_t row, int64_t weight,
                      struct rejections *rejections);
/* Of a keyed table of values; pack and unpack are given `a`. */
struct keyed_codec accumulators_codec(struct accumulators *a,
                                      void (*pack)(void *arg, const void *value, struct buf *out),
                                      bool (*unpack)(void *arg, struct reader *in, void *value));
/* keyed_load of such a table, what its values own counted. */
enum status accumulators_load(struct accumulators *a, struct keyed *t, uint32_t version, struct slice payload,
                              struct error *err);
/* Behind whatever may have changed values; before: aggregate_memory() ahead of it, on the same thread. */
void accumulators_count_heap(struct accumulators *a, int64_t before);
uint64_t accumulators_heap(const struct accumulators *a);
