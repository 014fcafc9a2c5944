#include "expr/exact_sum.h"

#include <math.h>

/* limbs += value << (64 * at), carried as far as it goes; value has three limbs. */
static void add_at(uint64_t *limbs, unsigned at, const uint64_t value[3])
{
    unsigned carry = 0;
    for (unsigned i = 0; at + i < EXACT_LIMBS && (i < 3 || carry); i++) {
        uint64_t sum, addend = i < 3 ? value[i] : 0;
        unsigned over = __builtin_add_overflow(limbs[at + i], addend, &sum);
        over |= __builtin_add_overflow(sum, (uint64_t)carry, &limbs[at + i]);
        carry = over;
    }
}

static void subtract_at(uint64_t *limbs, unsigned at, const uint64_t value[3])
{
    unsigned borrow = 0;
    for (unsigned i = 0; at + i < EXACT_LIMBS && (i < 3 || borrow); i++) {
        uint64_t rest, subtrahend = i < 3 ? value[i] : 0;
        unsigned under = __builtin_sub_overflow(limbs[at + i], subtrahend, &rest);
        under |= __builtin_sub_overflow(rest, (uint64_t)borrow, &limbs[at + i]);
        borrow = under;
    }
}

void exact_sum_add(struct exact_sum *s, double v, int64_t weight)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    unsigned exponent = (bits >> 52) & 0x7ff;
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    bool negative = bits >> 63;
    if (exponent == 0x7ff) {
        int64_t *counter = mantissa ? &s->nans : negative ? &s->negative_infinities : &s->infinities;
        *counter += weight;
        return;
    }
    if (exponent)
        mantissa |= UINT64_C(1) << 52;
    unsigned position = exponent ? exponent - 1 : 0; /* of the mantissa's lowest bit */
    uint64_t times = weight < 0 ? 0 - (uint64_t)weight : (uint64_t)weight;
    uint128 product = (uint128)mantissa * times;
    unsigned shift = position % 64;
    uint128 low = product << shift;
    uint64_t value[3] = {(uint64_t)low, (uint64_t)(low >> 64), shift ? (uint64_t)(product >> 64 >> (64 - shift)) : 0};
    if (negative != (weight < 0))
        subtract_at(s->limbs, position / 64, value);
    else
        add_at(s->limbs, position / 64, value);
}

void exact_sum_merge(struct exact_sum *into, const struct exact_sum *from)
{
    unsigned carry = 0;
    for (unsigned i = 0; i < EXACT_LIMBS; i++) {
        uint64_t sum;
        unsigned over = __builtin_add_overflow(into->limbs[i], from->limbs[i], &sum);
        over |= __builtin_add_overflow(sum, (uint64_t)carry, &into->limbs[i]);
        carry = over;
    }
    into->nans += from->nans;
    into->infinities += from->infinities;
    into->negative_infinities += from->negative_infinities;
}

static bool any_below(const uint64_t *limbs, unsigned bit)
{
    for (unsigned i = 0; i < bit / 64; i++)
        if (limbs[i])
            return true;
    return bit % 64 && (limbs[bit / 64] & ((UINT64_C(1) << (bit % 64)) - 1));
}

static uint64_t bits_at(const uint64_t *limbs, unsigned bit)
{
    unsigned i = bit / 64, shift = bit % 64;
    uint64_t v = limbs[i] >> shift;
    return shift && i + 1 < EXACT_LIMBS ? v | limbs[i + 1] << (64 - shift) : v;
}

/* Round a magnitude. */
static double round_magnitude(const uint64_t *limbs)
{
    int top = EXACT_LIMBS - 1;
    while (top >= 0 && !limbs[top])
        top--;
    if (top < 0)
        return 0;
    unsigned highest = (unsigned)top * 64 + 63 - (unsigned)__builtin_clzll(limbs[top]);
    if (highest <= 52)
        return ldexp((double)limbs[0], -1074);
    unsigned lowest = highest - 52;
    uint64_t mantissa = bits_at(limbs, lowest) & ((UINT64_C(1) << 53) - 1);
    bool half = bits_at(limbs, lowest - 1) & 1;
    if (half && ((mantissa & 1) || any_below(limbs, lowest - 1)))
        mantissa++;
    return ldexp((double)mantissa, (int)lowest - 1074);
}

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
    bool negative = s->limbs[EXACT_LIMBS - 1] >> 63;
    unsigned carry = negative;
    for (unsigned i = 0; i < EXACT_LIMBS; i++)
        carry = __builtin_add_overflow(negative ? ~s->limbs[i] : s->limbs[i], (uint64_t)carry, &magnitude[i]);
    double v = round_magnitude(magnitude);
    if (isinf(v))
        return false;
    *ret = negative ? -v : v;
    return true;
}

void exact_sum_pack(const struct exact_sum *s, struct buf *out)
{
    uint64_t fill = (uint64_t)((int64_t)s->limbs[EXACT_LIMBS - 1] >> 63);
    unsigned high = EXACT_LIMBS, low = 0;
    while (high > 0 && s->limbs[high - 1] == fill)
        high--;
    while (low < high && s->limbs[low] == 0)
        low++;
    buf_put_u8(out, (uint8_t)(high - low));
    buf_put_u8(out, (uint8_t)fill);
    for (unsigned i = low; i < high; i++)
        buf_put_u64(out, s->limbs[i]);
    buf_put_u8(out, (uint8_t)low);
    buf_put_u64(out, (uint64_t)s->nans);
    buf_put_u64(out, (uint64_t)s->infinities);
    buf_put_u64(out, (uint64_t)s->negative_infinities);
}

bool exact_sum_unpack(struct reader *in, struct exact_sum *ret)
{
    struct exact_sum s = {0};
    uint8_t kept, fill, low;
    uint64_t limbs[EXACT_LIMBS], counters[3];
    if (!reader_u8(in, &kept) || !reader_u8(in, &fill) || kept > EXACT_LIMBS || (fill != 0 && fill != 0xff))
        return false;
    for (unsigned i = 0; i < kept; i++)
        if (!reader_u64(in, &limbs[i]))
            return false;
    if (!reader_u8(in, &low) || low + kept > EXACT_LIMBS)
        return false;
    for (unsigned i = 0; i < ARRAY_LEN(counters); i++)
        if (!reader_u64(in, &counters[i]))
            return false;
    memcpy(s.limbs + low, limbs, kept * sizeof *limbs);
    memset(s.limbs + low + kept, fill, (EXACT_LIMBS - low - kept) * sizeof *limbs);
    s.nans = (int64_t)counters[0];
    s.infinities = (int64_t)counters[1];
    s.negative_infinities = (int64_t)counters[2];
    *ret = s;
    return true;
}
