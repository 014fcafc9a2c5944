/* Inside of the aggregate functions: aggregates whose state is the multiset of their argument's values. */
#pragma once

#include "expr/aggregates.h"
#include "expr/multiset.h"

/* Values of types of up to 8 bytes are words that compare, as int64_t, as the values do; others are row keys, which
 * compare bytewise. */
bool value_is_word(struct type t);
uint64_t value_word(const struct column *c, size_t row);
/* An entry's key as a value. */
void value_get(const struct multiset_slot *slot, struct column *out, size_t row, struct arena *a);

/* The entries that are there, in the order of their values: n of them, in the arena. */
struct multiset_slot *values_sorted(const struct multiset *s, struct arena *a, uint32_t *ret_n);

/* The functions of such an aggregate; its state is a struct multiset. */
void values_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                   const int64_t *weights);
void values_merge(void *into, const void *from);
void values_release(void *state);
void values_pack(const void *state, struct buf *out);
bool values_unpack(struct reader *in, void *state);
/* name(DISTINCT x): the plain aggregate over each value that is there, once. */
typedef void update_fn(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                       const int64_t *weights);
typedef bool final_fn(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate);
bool values_fold(const void *state, struct type arg, update_fn *update, size_t state_size, final_fn *final,
                 struct column *out, size_t row, struct arena *a, const char **ret_sqlstate);

/* The row of an aggregate over distinct values. */
#define DISTINCT(NAME, ARG_TYPE, FINAL, RESULT, HELP)                                                                  \
    {.name = NAME, .arg = ARG_TYPE, .variant = AGGREGATE_DISTINCT, .state_size = sizeof(struct multiset),              \
     .retracts = true, .heap = true, .grows = true, .update = values_update, .merge = values_merge, .final = FINAL,    \
     .result = RESULT, .release = values_release, .pack = values_pack, .unpack = values_unpack, .help = HELP}
/* Its final, made of the plain aggregate's parts. */
#define DISTINCT_FINAL(FINAL, STATE, PLAIN_UPDATE, PLAIN_FINAL)                                                        \
    static bool FINAL(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,             \
                      const char **ret_sqlstate)                                                                       \
    {                                                                                                                  \
        return values_fold(state, arg, PLAIN_UPDATE, sizeof(STATE), PLAIN_FINAL, out, row, a, ret_sqlstate);           \
    }
