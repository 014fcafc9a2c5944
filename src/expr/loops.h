/* The loops of tight kernels: over all lanes, with a constant on either side hoisted out, so that the compiler can turn
 * each into vector code. The body sees x, y (elements) and r (row). */
#pragma once

#include "expr/function.h"

#define LOOP_UNARY(c, T, ...)                                                                                         \
    do {                                                                                                               \
        const T *xs_ = (c)->args[0].col.data;                                                                          \
        const uint32_t mask_ = (c)->args[0].mask, rows_ = (c)->rows;                                                   \
        if (mask_)                                                                                                     \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const T x = xs_[r];                                                                                    \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
        else                                                                                                           \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const T x = xs_[0];                                                                                    \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
    } while (0)

#define LOOP_BINARY(c, TX, TY, ...)                                                                                   \
    do {                                                                                                               \
        const TX *xs_ = (c)->args[0].col.data;                                                                         \
        const TY *ys_ = (c)->args[1].col.data;                                                                         \
        const uint32_t xmask_ = (c)->args[0].mask, rows_ = (c)->rows;                                                  \
        if (!(c)->args[1].mask) {                                                                                      \
            const TY y = *ys_;                                                                                         \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const TX x = xs_[r & xmask_];                                                                          \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
        } else if (!xmask_) {                                                                                          \
            const TX x = *xs_;                                                                                         \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const TY y = ys_[r];                                                                                   \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
        } else                                                                                                         \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const TX x = xs_[r];                                                                                   \
                const TY y = ys_[r];                                                                                   \
                __VA_ARGS__;                                                                                           \
            }                                                                                                          \
    } while (0)
