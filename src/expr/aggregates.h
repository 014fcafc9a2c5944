/* Inside of the aggregate functions: the families' tables, each ended by a row without name. */
#pragma once

#include "expr/aggregate.h"
#include "expr/function.h"

extern const struct aggregate aggregates_sum[], aggregates_distinct[], aggregates_float[], aggregates_pair[],
    aggregates_extreme[], aggregates_values[], aggregates_packed[], aggregates_sketch[], aggregates_within[],
    aggregates_bits[], aggregates_spread[];

/* What is the same for all rows of a call WITHIN GROUP, as a constant: the last of the values that are packed. */
enum status within_constant(struct arena *a, const struct aggregate_call *call, struct expr **ret, struct error *err);

/* Loop over an update's rows that have a value: with neither NULLs nor weights nothing is tested. The body sees r
 * (row), state, and w (weight). */
#define UPDATE_LOOP(STATE, ...)                                                                                       \
    do {                                                                                                               \
        if (!arg->valid && !weights)                                                                                   \
            for (uint32_t i_ = 0; i_ < n; i_++) {                                                                      \
                const uint32_t r = rows[i_];                                                                           \
                STATE *state = states[i_];                                                                             \
                const int64_t w = 1;                                                                                   \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
        else                                                                                                           \
            for (uint32_t i_ = 0; i_ < n; i_++) {                                                                      \
                const uint32_t r = rows[i_];                                                                           \
                if (column_is_null(arg, r))                                                                            \
                    continue;                                                                                          \
                STATE *state = states[i_];                                                                             \
                const int64_t w = weights ? weights[r] : 1;                                                            \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
    } while (0)
