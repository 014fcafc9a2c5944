/* The loops of tight kernels: over all lanes, with a constant on either side hoisted out, so that the compiler can turn
 * each into vector code. TEST and BODY see x, y (elements) and r (row). */
#pragma once

#include "expr/function.h"

#define LOOP_UNARY(c, T, BODY)                                                                                         \
    do {                                                                                                               \
        const T *xs_ = (c)->args[0].col.data;                                                                          \
        const uint32_t mask_ = (c)->args[0].mask, rows_ = (c)->rows;                                                   \
        if (mask_)                                                                                                     \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const T x = xs_[r];                                                                                    \
                BODY;                                                                                                  \
            }                                                                                                          \
        else                                                                                                           \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const T x = xs_[0];                                                                                    \
                BODY;                                                                                                  \
            }                                                                                                          \
    } while (0)

#define LOOP_BINARY(c, TX, TY, BODY)                                                                                   \
    do {                                                                                                               \
        const TX *xs_ = (c)->args[0].col.data;                                                                         \
        const TY *ys_ = (c)->args[1].col.data;                                                                         \
        const uint32_t xmask_ = (c)->args[0].mask, rows_ = (c)->rows;                                                  \
        if (!(c)->args[1].mask) {                                                                                      \
            const TY y = *ys_;                                                                                         \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const TX x = xs_[r & xmask_];                                                                          \
                BODY;                                                                                                  \
            }                                                                                                          \
        } else if (!xmask_) {                                                                                          \
            const TX x = *xs_;                                                                                         \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const TY y = ys_[r];                                                                                   \
                BODY;                                                                                                  \
            }                                                                                                          \
        } else                                                                                                         \
            for (uint32_t r = 0; r < rows_; r++) {                                                                     \
                const TX x = xs_[r];                                                                                   \
                const TY y = ys_[r];                                                                                   \
                BODY;                                                                                                  \
            }                                                                                                          \
    } while (0)
