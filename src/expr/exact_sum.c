#include "expr/exact_sum.h"

#include <math.h>

/* ---- fixed-point integers of any number of limbs, lowest first, two's complement ---- */

/* limbs += value << (64 * at), carried as far as it goes; value has four limbs. */
static void add_at(uint64_t *limbs, unsigned count, unsigned at, const uint64_t value[4])
{
    unsigned carry = 0;
    for (unsigned i = 0; at + i < count && (i < 4 || carry); i++) {
        uint64_t sum, addend = i < 4 ? value[i] : 0;
        unsigned over = __builtin_add_overflow(limbs[at + i], addend, &sum);
        over |= __builtin_add_overflow(sum, (uint64_t)carry, &limbs[at + i]);
        carry = over;
    }
}

static void subtract_at(uint64_t *limbs, unsigned count, unsigned at, const uint64_t value[4])
{
    unsigned borrow = 0;
    for (unsigned i = 0; at + i < count && (i < 4 || borrow); i++) {
        uint64_t rest, subtrahend = i < 4 ? value[i] : 0;
        unsigned under = __builtin_sub_overflow(limbs[at + i], subtrahend, &rest);
        under |= __builtin_sub_overflow(rest, (uint64_t)borrow, &limbs[at + i]);
        borrow = under;
    }
}

static void add_all(uint64_t *into, const uint64_t *from, unsigned count)
{
    unsigned carry = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t sum;
        unsigned over = __builtin_add_overflow(into[i], from[i], &sum);
        over |= __builtin_add_overflow(sum, (uint64_t)carry, &into[i]);
        carry = over;
    }
}

/* |limbs|; true: it was negative. */
static bool magnitude_of(const uint64_t *limbs, unsigned count, uint64_t *ret)
{
    bool negative = limbs[count - 1] >> 63;
    unsigned carry = negative;
    for (unsigned i = 0; i < count; i++)
        carry = __builtin_add_overflow(negative ? ~limbs[i] : limbs[i], (uint64_t)carry, &ret[i]);
    return negative;
}

static bool any_below(const uint64_t *limbs, unsigned bit)
{
    for (unsigned i = 0; i < bit / 64; i++)
        if (limbs[i])
            return true;
    return bit % 64 && (limbs[bit / 64] & ((UINT64_C(1) << (bit % 64)) - 1));
}

static uint64_t bits_at(const uint64_t *limbs, unsigned count, unsigned bit)
{
    unsigned i = bit / 64, shift = bit % 64;
    uint64_t v = limbs[i] >> shift;
    return shift && i + 1 < count ? v | limbs[i + 1] << (64 - shift) : v;
}

/* A magnitude as *ret_mantissa * 2^(what is returned), rounded to 53 bits, ties to even. */
static int round_magnitude(const uint64_t *limbs, unsigned count, double *ret_mantissa)
{
    int top = (int)count - 1;
    while (top > 0 && !limbs[top])
        top--;
    unsigned highest = (unsigned)top * 64 + (limbs[top] ? 63 - (unsigned)__builtin_clzll(limbs[top]) : 0);
    if (highest <= 52) {
        *ret_mantissa = (double)limbs[0];
        return 0;
    }
    unsigned lowest = highest - 52;
    uint64_t mantissa = bits_at(limbs, count, lowest) & ((UINT64_C(1) << 53) - 1);
    bool half = bits_at(limbs, count, lowest - 1) & 1;
    if (half && ((mantissa & 1) || any_below(limbs, lowest - 1)))
        mantissa++;
    *ret_mantissa = (double)mantissa;
    return (int)lowest;
}

/* ---- doubles as integers ---- */

struct parts {
    uint64_t mantissa;
    unsigned position; /* of the mantissa's lowest bit, in units of 2^-1074 */
    bool negative, finite;
};

static struct parts parts_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    unsigned exponent = (bits >> 52) & 0x7ff;
    struct parts p = {.mantissa = bits & ((UINT64_C(1) << 52) - 1), .negative = bits >> 63,
                      .finite = exponent != 0x7ff};
    if (exponent)
        p.mantissa |= UINT64_C(1) << 52;
    p.position = exponent ? exponent - 1 : 0;
    return p;
}

/* limbs += or -= x * times << position; x has up to 106 bits. */
static void accumulate(uint64_t *limbs, unsigned count, uint128 x, uint64_t times, unsigned position, bool subtract)
{
    uint128 low = (uint128)(uint64_t)x * times, high = (x >> 64) * times + (low >> 64);
    uint64_t product[3] = {(uint64_t)low, (uint64_t)high, (uint64_t)(high >> 64)}, value[4];
    unsigned shift = position % 64;
    value[0] = product[0] << shift;
    for (unsigned i = 1; i < 3; i++)
        value[i] = product[i] << shift | (shift ? product[i - 1] >> (64 - shift) : 0);
    value[3] = shift ? product[2] >> (64 - shift) : 0;
    (subtract ? subtract_at : add_at)(limbs, count, position / 64, value);
}

static uint64_t size_of_weight(int64_t weight) { return weight < 0 ? 0 - (uint64_t)weight : (uint64_t)weight; }

/* ---- sums ---- */

void exact_sum_add(struct exact_sum *s, double v, int64_t weight)
{
    struct parts p = parts_of(v);
    if (p.finite) {
        accumulate(s->limbs, EXACT_LIMBS, p.mantissa, size_of_weight(weight), p.position, p.negative != (weight < 0));
        return;
    }
    int64_t *counter = isnan(v) ? &s->nans : p.negative ? &s->negative_infinities : &s->infinities;
    *counter += weight;
}

void exact_sum_merge(struct exact_sum *into, const struct exact_sum *from)
{
    add_all(into->limbs, from->limbs, EXACT_LIMBS);
    into->nans += from->nans;
    into->infinities += from->infinities;
    into->negative_infinities += from->negative_infinities;
}

enum { UNIT_EXPONENT = -1074 };

bool exact_sum_round(const struct exact_sum *s, double *ret)
{
    if (s->nans > 0 || (s->infinities > 0 && s->negative_infinities > 0)) {
        *ret = NAN;
        return true;
    }
    if (s->infinities > 0 || s->negative_infinities > 0) {
        *ret = s->infinities > 0 ? INFINITY : -INFINITY;
        return true;
    }
    uint64_t magnitude[EXACT_LIMBS];
    double mantissa;
    bool negative = magnitude_of(s->limbs, EXACT_LIMBS, magnitude);
    int exponent = round_magnitude(magnitude, EXACT_LIMBS, &mantissa);
    double v = ldexp(mantissa, exponent + UNIT_EXPONENT);
    if (isinf(v))
        return false;
    *ret = negative ? -v : v;
    return true;
}

/* ---- squares ---- */

void exact_squares_add(struct exact_squares *s, double v, int64_t weight)
{
    struct parts p = parts_of(v);
    if (p.finite)
        accumulate(s->limbs, EXACT_SQUARE_LIMBS, (uint128)p.mantissa * p.mantissa, size_of_weight(weight),
                   2 * p.position, weight < 0);
}

void exact_squares_merge(struct exact_squares *into, const struct exact_squares *from)
{
    add_all(into->limbs, from->limbs, EXACT_SQUARE_LIMBS);
}

void exact_products_add(struct exact_squares *s, double x, double y, int64_t weight)
{
    struct parts p = parts_of(x), q = parts_of(y);
    if (p.finite && q.finite)
        accumulate(s->limbs, EXACT_SQUARE_LIMBS, (uint128)p.mantissa * q.mantissa, size_of_weight(weight),
                   p.position + q.position, (p.negative != q.negative) != (weight < 0));
}

enum { MOMENT_LIMBS = EXACT_SQUARE_LIMBS + 2 }; /* times n, and a sign */

static void negate(uint64_t *limbs, unsigned count)
{
    unsigned carry = 1;
    for (unsigned i = 0; i < count; i++)
        carry = __builtin_add_overflow(~limbs[i], (uint64_t)carry, &limbs[i]);
}

bool exact_moment(const struct exact_sum *x, const struct exact_sum *y, const struct exact_squares *products,
                  uint64_t n, uint128 divisor, double *ret)
{
    uint64_t moment[MOMENT_LIMBS] = {0}, xs[EXACT_LIMBS], ys[EXACT_LIMBS], sizes[EXACT_SQUARE_LIMBS], carry = 0;
    bool negative = magnitude_of(products->limbs, EXACT_SQUARE_LIMBS, sizes);
    for (unsigned i = 0; i < EXACT_SQUARE_LIMBS; i++) {
        uint128 product = (uint128)sizes[i] * n + carry;
        moment[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    moment[EXACT_SQUARE_LIMBS] = carry;
    if (negative)
        negate(moment, MOMENT_LIMBS);
    bool differ = magnitude_of(x->limbs, EXACT_LIMBS, xs) != magnitude_of(y->limbs, EXACT_LIMBS, ys);
    for (unsigned i = 0; i < EXACT_LIMBS; i++)
        for (unsigned k = 0; xs[i] && k < EXACT_LIMBS; k++) {
            uint128 product = (uint128)xs[i] * ys[k];
            uint64_t value[4] = {(uint64_t)product, (uint64_t)(product >> 64)};
            (differ ? add_at : subtract_at)(moment, MOMENT_LIMBS, i + k, value);
        }
    uint64_t magnitude[MOMENT_LIMBS];
    negative = magnitude_of(moment, MOMENT_LIMBS, magnitude);
    double mantissa;
    int exponent = round_magnitude(magnitude, MOMENT_LIMBS, &mantissa);
    double v = ldexp(mantissa / (double)divisor, exponent + 2 * UNIT_EXPONENT);
    if (isinf(v))
        return false;
    *ret = negative ? -v : v;
    return true;
}

bool exact_spread(const struct exact_sum *sum, const struct exact_squares *squares, uint64_t n, uint128 divisor,
                  double *ret)
{
    return exact_moment(sum, sum, squares, n, divisor, ret);
}

/* ---- as bytes ---- */

static void pack_limbs(const uint64_t *limbs, unsigned count, struct buf *out)
{
    uint64_t fill = (uint64_t)((int64_t)limbs[count - 1] >> 63);
    unsigned high = count, low = 0;
    while (high > 0 && limbs[high - 1] == fill)
        high--;
    while (low < high && limbs[low] == 0)
        low++;
    buf_put_u8(out, (uint8_t)(high - low));
    buf_put_u8(out, (uint8_t)fill);
    for (unsigned i = low; i < high; i++)
        buf_put_u64(out, limbs[i]);
    buf_put_u8(out, (uint8_t)low);
}

static bool unpack_limbs(struct reader *in, unsigned count, uint64_t *ret)
{
    uint8_t kept, fill, low;
    uint64_t limbs[EXACT_SQUARE_LIMBS];
    if (!reader_u8(in, &kept) || !reader_u8(in, &fill) || kept > count || (fill != 0 && fill != 0xff))
        return false;
    for (unsigned i = 0; i < kept; i++)
        if (!reader_u64(in, &limbs[i]))
            return false;
    if (!reader_u8(in, &low) || low + kept > count)
        return false;
    memset(ret, 0, low * sizeof *ret);
    memcpy(ret + low, limbs, kept * sizeof *ret);
    memset(ret + low + kept, fill, (count - low - kept) * sizeof *ret);
    return true;
}

void exact_sum_pack(const struct exact_sum *s, struct buf *out)
{
    pack_limbs(s->limbs, EXACT_LIMBS, out);
    buf_put_u64(out, (uint64_t)s->nans);
    buf_put_u64(out, (uint64_t)s->infinities);
    buf_put_u64(out, (uint64_t)s->negative_infinities);
}

bool exact_sum_unpack(struct reader *in, struct exact_sum *ret)
{
    struct exact_sum s;
    uint64_t counters[3];
    if (!unpack_limbs(in, EXACT_LIMBS, s.limbs))
        return false;
    for (unsigned i = 0; i < ARRAY_LEN(counters); i++)
        if (!reader_u64(in, &counters[i]))
            return false;
    s.nans = (int64_t)counters[0];
    s.infinities = (int64_t)counters[1];
    s.negative_infinities = (int64_t)counters[2];
    *ret = s;
    return true;
}

void exact_squares_pack(const struct exact_squares *s, struct buf *out)
{
    pack_limbs(s->limbs, EXACT_SQUARE_LIMBS, out);
}

bool exact_squares_unpack(struct reader *in, struct exact_squares *ret)
{
    return unpack_limbs(in, EXACT_SQUARE_LIMBS, ret->limbs);
}
