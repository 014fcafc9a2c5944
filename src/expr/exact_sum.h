/* Exact sums of doubles: the order of additions, the division among workers and rows taken back leave no trace.
 *
 * The sum is one fixed-point two's-complement integer wide enough for every finite double: bit 0 of limb 0 is worth
 * 2^-1074 (the smallest subnormal), the largest double ends at bit 2097, and above it there is room for 2^63 of them
 * and a sign: 2162 bits, in 34 limbs. What cannot be added is counted.
 *
 * Squares are summed alike, in units of 2^-2148 and 68 limbs. From both, n * sum(x * x) - sum(x)^2 is an integer
 * without any error, so a variance is rounded at its end only, however far the values are from 0.
 */
#pragma once

#include "base/buf.h"

enum { EXACT_LIMBS = 34, EXACT_SQUARE_LIMBS = 68 };

struct exact_sum {
    uint64_t limbs[EXACT_LIMBS];
    int64_t nans, infinities, negative_infinities; /* how many of them, net of those taken back */
};

/* sum += weight * v */
void exact_sum_add(struct exact_sum *s, double v, int64_t weight);
void exact_sum_merge(struct exact_sum *into, const struct exact_sum *from);
/* The sum, rounded once, to nearest, ties to even. false: it is finite but no double is that large. */
bool exact_sum_round(const struct exact_sum *s, double *ret);

struct exact_squares {
    uint64_t limbs[EXACT_SQUARE_LIMBS];
};

/* s += weight * v * v; what is not finite is left to the sum's counters. */
void exact_squares_add(struct exact_squares *s, double v, int64_t weight);
/* s += weight * x * y, unless one of them is not finite. */
void exact_products_add(struct exact_squares *s, double x, double y, int64_t weight);
void exact_squares_merge(struct exact_squares *into, const struct exact_squares *from);
/* (n * squares - sum^2) / divisor for n values, all finite, divisor > 0. false: no double is that large. */
bool exact_spread(const struct exact_sum *sum, const struct exact_squares *squares, uint64_t n, uint128 divisor,
                  double *ret);
/* (n * products - x * y) / divisor: the same of two variables. */
bool exact_moment(const struct exact_sum *x, const struct exact_sum *y, const struct exact_squares *products,
                  uint64_t n, uint128 divisor, double *ret);

/* u8 limbs kept, u8 sign fill (0 or 0xff), that many u64 limbs from the lowest kept, u8 its index; 3 x i64 counters. */
void exact_sum_pack(const struct exact_sum *s, struct buf *out);
bool exact_sum_unpack(struct reader *in, struct exact_sum *ret);
/* The same without counters. */
void exact_squares_pack(const struct exact_squares *s, struct buf *out);
bool exact_squares_unpack(struct reader *in, struct exact_squares *ret);
