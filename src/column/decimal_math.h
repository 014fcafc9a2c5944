/* Roots, logarithms, powers and spreads of decimals: `x` at scale `sx` and so on, the result with `scale` digits after
 * the point, rounded half away from zero. They are computed with 320 bits behind the point, at least 50 more than any
 * result has; roots and spreads are exact. Pure, as decimal.h. false: the result has more than 38 digits. */
#pragma once

#include "column/type.h"

bool decimal_sqrt(int128 x, unsigned sx, unsigned scale, int128 *ret);  /* x >= 0; scale >= sx */
bool decimal_ln(int128 x, unsigned sx, unsigned scale, int128 *ret);    /* x > 0 */
bool decimal_log10(int128 x, unsigned sx, unsigned scale, int128 *ret); /* x > 0 */
/* The logarithm of x to the base b: both > 0, and b is not 1. */
bool decimal_log(int128 b, unsigned sb, int128 x, unsigned sx, unsigned scale, int128 *ret);
bool decimal_exp(int128 x, unsigned sx, unsigned scale, int128 *ret);
/* x to the power of y: x > 0. */
bool decimal_power(int128 x, unsigned sx, int128 y, unsigned sy, unsigned scale, int128 *ret);

/* What values of one scale spread, from sums that are exact: in any order, with values taken back, in parts that are
 * merged. Zeroed: none. They are two's complement, the least word first. */
struct decimal_moments {
    uint64_t sum[3], squares[5];
    int64_t n;
};

void decimal_moments_add(struct decimal_moments *m, int128 v, int64_t weight);
void decimal_moments_merge(struct decimal_moments *into, const struct decimal_moments *from);
/* The variance, and its root, of n >= 1 values (of a sample: n >= 2) at scale `scale`, with `to` digits after the
 * point, which are at least 16 and `scale`. They are the numbers that PostgreSQL gives, which chooses how many digits
 * it gives by the value: where these are fewer, zeros follow. So the root is the rounded variance's. */
bool decimal_variance(const struct decimal_moments *m, unsigned scale, bool sample, unsigned to, int128 *ret);
bool decimal_deviation(const struct decimal_moments *m, unsigned scale, bool sample, unsigned to, int128 *ret);
