#include "column/decimal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"

#define E9 INT64_C(1000000000)
#define E18 ((int128)E9 * E9)
#define POW10_FROM(base)                                                                                               \
    (base), (base) * 10, (base) * 100, (base) * 1000, (base) * 10000, (base) * 100000, (base) * 1000000,               \
        (base) * 10000000, (base) * 100000000

const int128 decimal_pow10[39] = {
    POW10_FROM((int128)1), POW10_FROM((int128)E9), POW10_FROM(E18), POW10_FROM(E18 *E9), E18 *E18, E18 *E18 * 10,
    E18 *E18 * 100,
};

/* 256 bits, least significant word first. Intermediate results only. */
struct wide {
    uint128 lo, hi;
};

static uint128 magnitude(int128 v) { return v < 0 ? -(uint128)v : (uint128)v; }

static struct wide mul_wide(uint128 a, uint128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    uint128 low = (uint128)a0 * b0, mid1 = (uint128)a1 * b0, mid2 = (uint128)a0 * b1, high = (uint128)a1 * b1;
    uint128 mid = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;
    return (struct wide){
        .lo = (mid << 64) | (uint64_t)low,
        .hi = high + (mid1 >> 64) + (mid2 >> 64) + (mid >> 64),
    };
}

/* Sign and magnitude back to a value of at most 38 digits. */
static bool from_magnitude(uint128 m, bool negative, int128 *ret)
{
    if (m >= (uint128)decimal_pow10[38])
        return false;
    *ret = negative ? -(int128)m : (int128)m;
    return true;
}

/* One step of long division in base 2^64: (r * 2^64 + next) / d for r < d; the remainder goes back into *r.
 * Knuth, TAOCP volume 2, 4.3.1, algorithm D with two-word divisors; d has its top bit set. */
static uint64_t divide_step(uint128 *r, uint64_t next, uint128 d)
{
    uint64_t d1 = (uint64_t)(d >> 64), d0 = (uint64_t)d;
    uint64_t r1 = (uint64_t)(*r >> 64);
    uint128 q = r1 >= d1 ? UINT64_MAX : *r / d1;
    /* q is at most 2 too large: take the product off and correct. */
    uint128 product_low = (uint128)(uint64_t)q * d0, product_high = (uint128)(uint64_t)q * d1 + (product_low >> 64);
    uint64_t low = (uint64_t)product_low;
    /* The 192-bit number r:next against product_high:low. */
    while (product_high > *r || (product_high == *r && low > next)) {
        q--;
        product_high -= d1 + (uint128)(low < d0);
        low -= d0;
    }
    uint128 rest_high = *r - product_high - (next < low);
    *r = (rest_high << 64) | (uint64_t)(next - low);
    return (uint64_t)q;
}

/* n / d, rounded half away from zero; false: the quotient needs more than 128 bits. d != 0. */
static bool divide_wide(struct wide n, uint128 d, uint128 *ret)
{
    if (n.hi >= d)
        return false;
    uint128 q, r;
    if (n.hi == 0) {
        q = n.lo / d;
        r = n.lo % d;
    } else {
        unsigned shift = d >> 64 ? (unsigned)__builtin_clzll((uint64_t)(d >> 64))
                                 : 64 + (unsigned)__builtin_clzll((uint64_t)d);
        uint128 dn = d << shift;
        r = shift ? (n.hi << shift) | (n.lo >> (128 - shift)) : n.hi;
        uint128 low = n.lo << shift;
        q = (uint128)divide_step(&r, (uint64_t)(low >> 64), dn) << 64;
        q |= divide_step(&r, (uint64_t)low, dn);
        r >>= shift;
    }
    if (r >= d - r && ++q == 0)
        return false;
    *ret = q;
    return true;
}

bool decimal_fits(int128 v, unsigned precision) { return magnitude(v) < (uint128)decimal_pow10[precision]; }

bool decimal_rescale(int128 v, unsigned from, unsigned to, int128 *ret)
{
    if (from == to) {
        if (!decimal_fits(v, NUMERIC_MAX_PRECISION))
            return false;
        *ret = v;
        return true;
    }
    if (from < to) {
        struct wide w = mul_wide(magnitude(v), (uint128)decimal_pow10[to - from]);
        return w.hi == 0 && from_magnitude(w.lo, v < 0, ret);
    }
    uint128 unit = (uint128)decimal_pow10[from - to], m = magnitude(v), q, r;
    if ((m | unit) >> 64) {
        q = m / unit;
        r = m % unit;
    } else {
        q = (uint64_t)m / (uint64_t)unit;
        r = (uint64_t)m % (uint64_t)unit;
    }
    return from_magnitude(q + (r >= unit - r), v < 0, ret);
}

bool decimal_mul(int128 a, int128 b, int128 *ret)
{
    if (a == (int64_t)a && b == (int64_t)b) {
        int128 product = (int128)(int64_t)a * (int64_t)b; /* below 2^126, which is below 10^38 */
        *ret = product;
        return true;
    }
    struct wide w = mul_wide(magnitude(a), magnitude(b));
    return w.hi == 0 && from_magnitude(w.lo, (a < 0) != (b < 0), ret);
}

bool decimal_div(int128 a, unsigned sa, int128 b, unsigned sb, unsigned scale, int128 *ret)
{
    assert(b != 0);
    bool negative = (a < 0) != (b < 0);
    int exponent = (int)(scale + sb) - (int)sa;
    struct wide n = {.lo = magnitude(a)};
    uint128 d = magnitude(b), q;
    for (; exponent > 0 && (n.lo || n.hi); exponent -= MIN(exponent, NUMERIC_MAX_PRECISION)) {
        /* Past 256 bits the quotient by less than 2^127 has more than 38 digits whatever b is. */
        uint128 factor = (uint128)decimal_pow10[MIN(exponent, NUMERIC_MAX_PRECISION)];
        struct wide low = mul_wide(n.lo, factor), high = mul_wide(n.hi, factor);
        if (high.hi || __builtin_add_overflow(low.hi, high.lo, &n.hi))
            return false;
        n.lo = low.lo;
    }
    if (exponent < 0) {
        struct wide wide_d = mul_wide(d, (uint128)decimal_pow10[-exponent]);
        if (wide_d.hi) { /* |a| < 2^127, so the quotient is below one half */
            *ret = 0;
            return true;
        }
        d = wide_d.lo;
    }
    return divide_wide(n, d, &q) && from_magnitude(q, negative, ret);
}

int decimal_compare(int128 a, unsigned sa, int128 b, unsigned sb)
{
    if (sa == sb || (a < 0) != (b < 0))
        return (a > b) - (a < b);
    struct wide x = {.lo = magnitude(a)}, y = {.lo = magnitude(b)};
    if (sa < sb)
        x = mul_wide(x.lo, (uint128)decimal_pow10[sb - sa]);
    else
        y = mul_wide(y.lo, (uint128)decimal_pow10[sa - sb]);
    int order = x.hi != y.hi ? (x.hi > y.hi ? 1 : -1) : (x.lo > y.lo) - (x.lo < y.lo);
    return a < 0 ? -order : order;
}

/* Digits being read: value * 10^zeros, so that zeros which end a fraction cost no digits. */
struct digits {
    uint128 value;
    unsigned zeros;
    bool overflow;
};

static void digits_flush(struct digits *d, unsigned zeros)
{
    if (d->value == 0)
        return;
    struct wide w = {.hi = 1};
    if (zeros <= NUMERIC_MAX_PRECISION)
        w = mul_wide(d->value, (uint128)decimal_pow10[zeros]);
    if (w.hi || w.lo >= (uint128)decimal_pow10[38])
        d->overflow = true;
    else
        d->value = w.lo;
}

static void digits_add(struct digits *d, unsigned digit)
{
    if (digit == 0 || d->overflow) {
        d->zeros++;
        return;
    }
    digits_flush(d, d->zeros + 1);
    d->zeros = 0;
    if (d->value + digit >= (uint128)decimal_pow10[38])
        d->overflow = true;
    else
        d->value += digit;
}

/* "e[+-]digits" at p..end, clamped to +-100000, which is past every digit a numeric has. */
static bool parse_exponent(const char *p, const char *end, int *ret)
{
    bool negative = false;
    if (++p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end)
        return false;
    int e = 0;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        e = MIN(e * 10 + (*p - '0'), 100000);
    }
    *ret = negative ? -e : e;
    return true;
}

/* Bring value * 10^(zeros - scale) to a value with a scale of 0..38. */
static bool settle(struct digits *d, int64_t scale, unsigned *ret_scale)
{
    if (d->value == 0) {
        *ret_scale = (unsigned)MIN(MAX(scale, 0), NUMERIC_MAX_PRECISION);
        return true;
    }
    int64_t zeros = (int64_t)d->zeros;
    if (scale < 0) {
        zeros -= scale;
        scale = 0;
    }
    /* Zeros at the end of the fraction are kept where they fit, and dropped where they do not. */
    for (struct digits kept = *d; zeros >= 0; zeros--, scale--) {
        kept = *d;
        digits_flush(&kept, (unsigned)MIN(zeros, 1000));
        if (!kept.overflow && scale <= NUMERIC_MAX_PRECISION) {
            d->value = kept.value;
            *ret_scale = (unsigned)scale;
            return true;
        }
        if (scale == 0)
            return false;
    }
    return false;
}

bool decimal_parse(struct slice text, int128 *ret, unsigned *ret_scale, bool *ret_overflow)
{
    const char *p = text.data, *end = text.data + text.len;
    bool negative = false;
    *ret_overflow = false;
    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';

    struct digits d = {0};
    const char *start = p;
    int64_t scale = 0;
    /* The common number has at most 18 digits: no 128-bit arithmetic for it. */
    uint64_t small = 0;
    for (; p < end && is_digit(*p) && p - start < 18; p++)
        small = small * 10 + (uint64_t)(*p - '0');
    d.value = small;
    for (; p < end && is_digit(*p); p++)
        digits_add(&d, (unsigned)(*p - '0'));
    size_t count = (size_t)(p - start);
    if (p < end && *p == '.') {
        const char *point = p++;
        if (d.zeros == 0 && !d.overflow && count + (size_t)(end - p) <= 18) {
            for (small = (uint64_t)d.value; p < end && is_digit(*p); p++)
                small = small * 10 + (uint64_t)(*p - '0');
            d.value = small;
        }
        for (; p < end && is_digit(*p); p++)
            digits_add(&d, (unsigned)(*p - '0'));
        scale = p - point - 1;
        count += (size_t)scale;
    }
    if (count == 0)
        return false;
    if (p < end) {
        int exponent;
        if ((*p != 'e' && *p != 'E') || !parse_exponent(p, end, &exponent))
            return false;
        scale -= exponent;
    }
    unsigned final_scale;
    if (d.overflow || !settle(&d, scale, &final_scale)) {
        *ret_overflow = true;
        return false;
    }
    *ret = negative ? -(int128)d.value : (int128)d.value;
    *ret_scale = final_scale;
    return true;
}

/* PostgreSQL refuses to read more digits after the point than a numeric of its own can hold. */
enum { FRACTION_LIMIT = 16383 };

enum decimal_outcome decimal_parse_rounded(struct slice text, unsigned scale, int128 *ret)
{
    int128 v;
    unsigned have;
    bool overflow;
    if (decimal_parse(text, &v, &have, &overflow))
        return decimal_rescale(v, have, scale, ret) ? DECIMAL_OK : DECIMAL_OVERFLOW;
    if (!overflow)
        return DECIMAL_SYNTAX;

    /* A number of many digits: those that stay, and one more that rounds them. Its syntax is known to be good. */
    const char *p = text.data, *end = text.data + text.len;
    bool negative = *p == '-';
    p += *p == '-' || *p == '+';
    size_t mantissa = 0;
    while (p + mantissa < end && (is_digit(p[mantissa]) || p[mantissa] == '.'))
        mantissa++;
    const char *point = memchr(p, '.', mantissa);
    int exponent = 0;
    if (p + mantissa < end && !parse_exponent(p + mantissa, end, &exponent))
        return DECIMAL_SYNTAX;
    int64_t whole = (point ? point - p : (int64_t)mantissa) + exponent; /* digits before the point, once moved */
    if ((int64_t)mantissa - whole > FRACTION_LIMIT)
        return DECIMAL_OVERFLOW;
    uint128 m = 0;
    int64_t position = 0;
    for (const char *at = p; at < p + mantissa && position <= whole + scale; at++) {
        if (*at == '.')
            continue;
        if (position == whole + scale) {
            m += *at >= '5';
        } else if (m >= (uint128)decimal_pow10[37]) {
            return DECIMAL_OVERFLOW;
        } else {
            m = m * 10 + (unsigned)(*at - '0');
        }
        position++;
    }
    for (; m && position < whole + scale; position++) {
        if (m >= (uint128)decimal_pow10[37])
            return DECIMAL_OVERFLOW;
        m *= 10;
    }
    return from_magnitude(m, negative, ret) ? DECIMAL_OK : DECIMAL_OVERFLOW;
}

/* The digits of m, right-aligned so that they end at `end`; returns where they start. */
static char *print_digits(uint128 m, char *end)
{
    while (m >> 64) {
        uint64_t low = (uint64_t)(m % (uint128)E18);
        m /= (uint128)E18;
        for (int i = 0; i < 18; i++, low /= 10)
            *--end = (char)('0' + low % 10);
    }
    uint64_t low = (uint64_t)m;
    for (; low >= 100; low /= 100)
        memcpy(end -= 2, two_digits + low % 100 * 2, 2);
    if (low >= 10)
        return memcpy(end - 2, two_digits + low * 2, 2);
    *--end = (char)('0' + low);
    return end;
}

size_t decimal_print(int128 v, unsigned scale, char out[static 48])
{
    char digits[80];
    char *end = digits + sizeof digits, *p = print_digits(magnitude(v), end);
    while (end - p <= scale)
        *--p = '0';
    size_t n = 0, whole = (size_t)(end - p) - scale;
    if (v < 0)
        out[n++] = '-';
    memcpy(out + n, p, whole);
    n += whole;
    if (scale) {
        out[n++] = '.';
        memcpy(out + n, p + whole, scale);
        n += scale;
    }
    out[n] = 0;
    return n;
}

double decimal_to_double(int128 v, unsigned scale)
{
    /* Both exact below 2^53 and 10^22, so that the one division rounds once. */
    if (magnitude(v) <= UINT64_C(1) << 53 && scale <= 22)
        return (double)(int64_t)v / (double)decimal_pow10[scale];
    char text[80], digits[48];
    decimal_print(v, 0, digits);
    snprintf(text, sizeof text, "%se-%u", digits, scale); /* no point: strtod's depends on the locale */
    return strtod(text, NULL);
}
