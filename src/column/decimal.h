/* Exact decimals: int128 scaled by a power of ten. Everything here is pure arithmetic: no allocation, no locale.
 * A result that needs more than 38 digits is reported (false), never rounded silently. */
#pragma once

#include "column/type.h"

/* 10^n for n in 0..38. */
extern const int128 decimal_pow10[39];

/* |v| < 10^precision */
bool decimal_fits(int128 v, unsigned precision);
/* Move v from scale `from` to scale `to`, rounding half away from zero; false: does not fit 38 digits. */
bool decimal_rescale(int128 v, unsigned from, unsigned to, int128 *ret);
/* Equal scales; false: past 38 digits. (Twice 10^38 is past int128 itself, so the sum may wrap, too.) */
static inline bool decimal_add(int128 a, int128 b, int128 *ret)
{
    const uint128 most = (uint128)decimal_pow10[38] - 1;
    int128 sum;
    if (unlikely(__builtin_add_overflow(a, b, &sum) || (uint128)sum + most > most * 2))
        return false;
    *ret = sum;
    return true;
}
bool decimal_mul(int128 a, int128 b, int128 *ret); /* scales add; false: past 38 digits */
/* a / b with `scale` result digits after the point, a at scale sa, b at scale sb, b != 0; rounded half away from
 * zero; intermediate results are exact (256 bits). */
bool decimal_div(int128 a, unsigned sa, int128 b, unsigned sb, unsigned scale, int128 *ret);
/* -1, 0, 1; scales may differ. */
int decimal_compare(int128 a, unsigned sa, int128 b, unsigned sb);
/* Parse "[+-]digits[.digits][e[+-]digits]" exactly; as in PostgreSQL one side of the point may be empty. No blanks.
 * *ret_scale = digits after the point as written (after applying the exponent, at least 0); zeros at the end of a
 * fraction that would need a 39th digit are dropped. false: not a number; *ret_overflow (always set) tells a number
 * that needs more than 38 digits. */
bool decimal_parse(struct slice text, int128 *ret, unsigned *ret_scale, bool *ret_overflow);

enum decimal_outcome { DECIMAL_OK, DECIMAL_SYNTAX, DECIMAL_OVERFLOW };
/* The same text, rounded half away from zero to `scale` digits after the point, however many digits it has:
 * PostgreSQL's input of a numeric(p,scale). Overflow: more than 38 digits are left. */
enum decimal_outcome decimal_parse_rounded(struct slice text, unsigned scale, int128 *ret);
/* Digits with exactly `scale` after the point; at most 41 characters and a NUL; returns the length. */
size_t decimal_print(int128 v, unsigned scale, char out[static 48]);
double decimal_to_double(int128 v, unsigned scale); /* correctly rounded */
