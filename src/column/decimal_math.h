/* Roots, logarithms and powers of decimals: `x` at scale `sx` and so on, the result with `scale` digits after the
 * point, rounded half away from zero. They are computed with 320 bits behind the point, at least 50 more than any
 * result has; the root is exact. Pure, as decimal.h. false: the result has more than 38 digits. */
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
