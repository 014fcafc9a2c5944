/* A number here is an array of words, the least first. A `struct real` has five words behind the point and one before
 * it; it is not negative: signs are kept beside. Each step is off by a few units of the last of 320 bits. */
#include "column/decimal_math.h"

#include <math.h>

#include "column/decimal.h"

enum { WORDS = 6, POINT = 5, WORD_BITS = 64, FRACTION_BITS = POINT * WORD_BITS };
/* e^90 has more than 38 digits, and e^-90 none among 38 behind the point. */
enum { EXPONENT_MOST = 90 };

struct real {
    uint64_t w[WORDS];
};

struct signed_real {
    struct real size;
    bool negative;
};

static const struct real one = {{0, 0, 0, 0, 0, 1}};
static const struct real ln_2 = {{0xe7b876206debac98, 0x8a0d175b8baafa2b, 0x40f343267298b62d, 0xc9e3b39803f2f6af,
                                  0xb17217f7d1cf79ab, 0}};
static const struct real ln_10 = {{0x58bc0b5ec6a04173, 0x0f187a0807c0b5ca, 0x8a3fb3e76977e43a, 0xa95b58ae0b4c28a3,
                                   0x4d763776aaa2b05b, 2}};
static const struct real one_per_ln_10 = {{0x3aa1277d0a0179f9, 0x1d1f96a27bc7529e, 0x1f71a30122e4d101,
                                           0x9aadd557d699ee19, 0x6f2dec549b9438ca, 0}};

static uint128 magnitude(int128 v) { return v < 0 ? -(uint128)v : (uint128)v; }

/* ---- words ---- */

static int words_compare(const uint64_t *x, const uint64_t *y, unsigned n)
{
    while (n--)
        if (x[n] != y[n])
            return x[n] < y[n] ? -1 : 1;
    return 0;
}

static bool words_are_zero(const uint64_t *x, unsigned n)
{
    while (n && !x[n - 1])
        n--;
    return n == 0;
}

static void words_add(uint64_t *x, const uint64_t *y, unsigned n)
{
    unsigned carry = 0;
    for (unsigned i = 0; i < n; i++) {
        uint128 sum = (uint128)x[i] + y[i] + carry;
        x[i] = (uint64_t)sum;
        carry = (unsigned)(sum >> WORD_BITS);
    }
}

static void words_subtract(uint64_t *x, const uint64_t *y, unsigned n)
{
    unsigned borrow = 0;
    for (unsigned i = 0; i < n; i++) {
        uint128 rest = (uint128)x[i] - y[i] - borrow;
        x[i] = (uint64_t)rest;
        borrow = (rest >> WORD_BITS) != 0;
    }
}

/* x * by, whose words are enough. */
static void words_multiply(uint64_t *x, unsigned n, uint64_t by)
{
    uint64_t carry = 0;
    for (unsigned i = 0; i < n; i++) {
        uint128 product = (uint128)x[i] * by + carry;
        x[i] = (uint64_t)product;
        carry = (uint64_t)(product >> WORD_BITS);
    }
    assert(carry == 0);
}

static void words_divide(uint64_t *x, unsigned n, uint64_t by)
{
    uint64_t rest = 0;
    while (n--) {
        uint128 part = (uint128)rest << WORD_BITS | x[n];
        x[n] = (uint64_t)(part / by);
        rest = (uint64_t)(part % by);
    }
}

/* The bits of x moved up, or down if `by` is negative; those that leave are lost. */
static void words_shift(uint64_t *x, unsigned n, int by)
{
    int words = by / WORD_BITS, bits = by % WORD_BITS;
    uint64_t from[2 * WORDS];
    assert(n <= ARRAY_LEN(from));
    if (bits < 0) {
        bits += WORD_BITS;
        words--;
    }
    memcpy(from, x, n * sizeof *x);
    for (int i = 0; i < (int)n; i++) {
        int at = i - words;
        uint64_t high = at >= 0 && at < (int)n ? from[at] : 0, low = at > 0 && at <= (int)n ? from[at - 1] : 0;
        x[i] = bits ? high << bits | low >> (WORD_BITS - bits) : high;
    }
}

/* Powers of ten past one word are applied in two. */
static void words_scale(uint64_t *x, unsigned n, unsigned digits, void (*apply)(uint64_t *, unsigned, uint64_t))
{
    for (unsigned part; digits; digits -= part) {
        part = MIN(digits, 19u);
        apply(x, n, (uint64_t)decimal_pow10[part]);
    }
}

/* x / 2, rounded half up. */
static void words_halve(uint64_t *x, unsigned n)
{
    unsigned odd = x[0] & 1;
    words_shift(x, n, -1);
    for (unsigned i = 0; odd && i < n; i++)
        odd = __builtin_add_overflow(x[i], (uint64_t)odd, &x[i]);
}

/* A whole number of n words, and how far the fraction in the two words below it is: rounded half away from zero. What
 * is short of a half by less than can be computed is one. */
static bool words_round(const uint64_t *x, unsigned n, uint128 fraction, bool negative, int128 *ret)
{
    uint128 size = (uint128)x[1] << WORD_BITS | x[0];
    for (unsigned i = 2; i < n; i++)
        if (x[i])
            return false;
    if (size >= (uint128)decimal_pow10[38])
        return false;
    size += fraction >= ((uint128)1 << 127) - (1 << 16);
    if (size >= (uint128)decimal_pow10[38])
        return false;
    *ret = negative ? -(int128)size : (int128)size;
    return true;
}

/* The root of a quarter of it, rounded: the root is cut off, and halved. */
static bool words_root(const uint64_t square[WORDS], int128 *ret)
{
    uint64_t root[WORDS] = {0}, rest[WORDS] = {0};
    int n = WORDS;
    while (n > 0 && !square[n - 1])
        n--;
    for (int i = n * WORD_BITS - 2; i >= 0; i -= 2) { /* two digits of the square give one of the root */
        words_shift(rest, WORDS, 2);
        rest[0] |= square[i / WORD_BITS] >> i % WORD_BITS & 3;
        words_shift(root, WORDS, 2);
        root[0] |= 1;
        bool fits = words_compare(rest, root, WORDS) >= 0;
        if (fits)
            words_subtract(rest, root, WORDS);
        words_shift(root, WORDS, -1);
        root[0] = (root[0] & ~UINT64_C(1)) | fits;
    }
    words_halve(root, WORDS);
    return words_round(root, WORDS, 0, false, ret);
}

/* ---- reals ---- */

static struct real real_add(struct real x, struct real y)
{
    words_add(x.w, y.w, WORDS);
    return x;
}

/* x >= y */
static struct real real_subtract(struct real x, struct real y)
{
    words_subtract(x.w, y.w, WORDS);
    return x;
}

static struct signed_real real_difference(struct real x, struct real y)
{
    bool negative = words_compare(x.w, y.w, WORDS) < 0;
    return (struct signed_real){negative ? real_subtract(y, x) : real_subtract(x, y), negative};
}

static struct real real_multiply(struct real x, struct real y)
{
    uint64_t product[2 * WORDS] = {0};
    struct real z;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t carry = 0;
        for (unsigned k = 0; k < WORDS; k++) {
            uint128 sum = (uint128)x.w[i] * y.w[k] + product[i + k] + carry;
            product[i + k] = (uint64_t)sum;
            carry = (uint64_t)(sum >> WORD_BITS);
        }
        product[i + WORDS] = carry;
    }
    memcpy(z.w, product + POINT, sizeof z.w);
    return z;
}

static struct real real_times(struct real x, uint64_t by)
{
    words_multiply(x.w, WORDS, by);
    return x;
}

static struct real real_shift(struct real x, int by)
{
    words_shift(x.w, WORDS, by);
    return x;
}

static bool real_is_zero(const struct real *x) { return words_are_zero(x->w, WORDS); }

static bool real_round(struct signed_real x, unsigned scale, int128 *ret)
{
    uint64_t w[WORDS + 2] = {0};
    memcpy(w, x.size.w, sizeof x.size.w);
    words_scale(w, ARRAY_LEN(w), scale, words_multiply);
    return words_round(w + POINT, ARRAY_LEN(w) - POINT, (uint128)w[POINT - 1] << WORD_BITS | w[POINT - 2], x.negative,
                       ret);
}

/* ---- exponential ---- */

/* e^x for x <= ln 2: the series for x / 2^16, squared 16 times. */
static struct real exp_small(struct real x)
{
    enum { HALVINGS = 16 };
    struct real sum = one, term = one;
    x = real_shift(x, -HALVINGS);
    for (uint64_t n = 1; !real_is_zero(&term); n++) {
        term = real_multiply(term, x);
        words_divide(term.w, WORDS, n);
        sum = real_add(sum, term);
    }
    for (int i = 0; i < HALVINGS; i++)
        sum = real_multiply(sum, sum);
    return sum;
}

/* e^x as a number from 1 to 2 and a power of two, for |x| < EXPONENT_MOST. */
static struct real exp_split(struct signed_real x, int *ret_power)
{
    int power = 0;
    for (int step = 128; step; step /= 2) {
        struct real part = real_times(ln_2, (uint64_t)step);
        if (words_compare(x.size.w, part.w, WORDS) >= 0) {
            x.size = real_subtract(x.size, part);
            power += step;
        }
    }
    *ret_power = x.negative ? -power - 1 : power;
    return exp_small(x.negative ? real_subtract(ln_2, x.size) : x.size);
}

static bool exp_round(struct signed_real x, unsigned scale, int128 *ret)
{
    uint64_t w[WORDS + 4] = {0};
    int power;
    if (x.size.w[POINT] >= EXPONENT_MOST) {
        if (x.negative)
            *ret = 0;
        return x.negative;
    }
    struct real m = exp_split(x, &power);
    memcpy(w, m.w, sizeof m.w);
    words_scale(w, ARRAY_LEN(w), scale, words_multiply);
    words_shift(w, ARRAY_LEN(w), power);
    return words_round(w + POINT, ARRAY_LEN(w) - POINT, (uint128)w[POINT - 1] << WORD_BITS | w[POINT - 2], false, ret);
}

/* ---- logarithm ---- */

/* ln(1 + d) for |d| < 2^-40. */
static struct signed_real ln_near_one(struct signed_real d)
{
    struct real up = {0}, down = {0}, power = d.size, term;
    for (uint64_t n = 1; !real_is_zero(&power); n++) {
        term = power;
        words_divide(term.w, WORDS, n);
        if (d.negative || n % 2 == 0)
            down = real_add(down, term);
        else
            up = real_add(up, term);
        power = real_multiply(power, d.size);
    }
    return real_difference(up, down);
}

/* ln f for 1 <= f < 2: a guess g, and the logarithm of what f / e^g is off from 1. */
static struct real ln_small(struct real f)
{
    double guess = log(1 + (double)f.w[POINT - 1] * 0x1p-64);
    struct real g = {{0, 0, 0, 0, (uint64_t)(guess * 0x1p64), 0}};
    struct real quotient = real_shift(real_multiply(f, exp_small(real_subtract(ln_2, g))), -1);
    struct signed_real rest = ln_near_one(real_difference(quotient, one));
    if (!rest.negative)
        return real_add(g, rest.size);
    struct signed_real l = real_difference(g, rest.size);
    return l.negative ? (struct real){0} : l.size; /* of 1, whose last bits are not sure */
}

static struct signed_real ln_of(int128 x, unsigned sx)
{
    uint128 m = (uint128)x;
    uint64_t high = (uint64_t)(m >> WORD_BITS);
    int power = high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)m);
    struct real f = {{(uint64_t)m, high}};
    f = real_shift(f, FRACTION_BITS - power);
    struct real whole = real_add(real_times(ln_2, (uint64_t)power), ln_small(f));
    return real_difference(whole, real_times(ln_10, sx));
}

/* ---- for everyone ---- */

bool decimal_sqrt(int128 x, unsigned sx, unsigned scale, int128 *ret)
{
    uint64_t square[WORDS] = {(uint64_t)x, (uint64_t)((uint128)x >> WORD_BITS)};
    assert(x >= 0 && scale >= sx);
    words_scale(square, WORDS, 2 * scale - sx, words_multiply);
    words_shift(square, WORDS, 2);
    return words_root(square, ret);
}

bool decimal_ln(int128 x, unsigned sx, unsigned scale, int128 *ret) { return real_round(ln_of(x, sx), scale, ret); }

bool decimal_log10(int128 x, unsigned sx, unsigned scale, int128 *ret)
{
    struct signed_real l = ln_of(x, sx);
    l.size = real_multiply(l.size, one_per_ln_10);
    return real_round(l, scale, ret);
}

bool decimal_log(int128 b, unsigned sb, int128 x, unsigned sx, unsigned scale, int128 *ret)
{
    struct signed_real base = ln_of(b, sb), l = ln_of(x, sx);
    uint64_t dividend[WORDS + 2] = {0}, quotient[WORDS + 2] = {0}, rest[WORDS + 1] = {0}, divisor[WORDS + 1] = {0};
    memcpy(dividend, l.size.w, sizeof l.size.w);
    memcpy(divisor, base.size.w, sizeof base.size.w);
    words_scale(dividend, ARRAY_LEN(dividend), scale, words_multiply);
    for (int i = ARRAY_LEN(dividend) * WORD_BITS - 1; i >= 0; i--) {
        words_shift(rest, ARRAY_LEN(rest), 1);
        rest[0] |= dividend[i / WORD_BITS] >> i % WORD_BITS & 1;
        if (words_compare(rest, divisor, ARRAY_LEN(rest)) < 0)
            continue;
        words_subtract(rest, divisor, ARRAY_LEN(rest));
        quotient[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
    }
    words_shift(rest, ARRAY_LEN(rest), 1);
    bool up = words_compare(rest, divisor, ARRAY_LEN(rest)) >= 0;
    return words_round(quotient, ARRAY_LEN(quotient), up ? (uint128)1 << 127 : 0, base.negative != l.negative, ret);
}

bool decimal_exp(int128 x, unsigned sx, unsigned scale, int128 *ret)
{
    uint64_t w[WORDS + 1] = {0};
    uint128 size = magnitude(x);
    struct signed_real r = {.negative = x < 0};
    w[POINT] = (uint64_t)size;
    w[POINT + 1] = (uint64_t)(size >> WORD_BITS);
    words_scale(w, ARRAY_LEN(w), sx, words_divide);
    memcpy(r.size.w, w, sizeof r.size.w);
    if (w[POINT + 1])
        r.size.w[POINT] = EXPONENT_MOST;
    return exp_round(r, scale, ret);
}

bool decimal_power(int128 x, unsigned sx, int128 y, unsigned sy, unsigned scale, int128 *ret)
{
    struct signed_real l = ln_of(x, sx);
    uint128 size = magnitude(y);
    uint64_t low[WORDS + 2] = {0}, high[WORDS + 2] = {0};
    memcpy(low, l.size.w, sizeof l.size.w);
    memcpy(high + 1, l.size.w, sizeof l.size.w);
    words_multiply(low, ARRAY_LEN(low), (uint64_t)size);
    words_multiply(high, ARRAY_LEN(high), (uint64_t)(size >> WORD_BITS));
    words_add(low, high, ARRAY_LEN(low));
    words_scale(low, ARRAY_LEN(low), sy, words_divide);
    l.negative ^= y < 0;
    memcpy(l.size.w, low, sizeof l.size.w);
    if (low[WORDS] || low[WORDS + 1])
        l.size.w[POINT] = EXPONENT_MOST;
    return exp_round(l, scale, ret);
}

/* ---- how far values are from their mean ---- */

/* The last word is a sign's, as in two's complement. */
static void words_count(uint64_t *x, unsigned n, uint64_t *size, int64_t weight, bool negative)
{
    uint64_t times = weight < 0 ? 0 - (uint64_t)weight : (uint64_t)weight;
    if (times != 1)
        words_multiply(size, n, times);
    (negative != (weight < 0) ? words_subtract : words_add)(x, size, n);
}

void decimal_moments_add(struct decimal_moments *m, int128 v, int64_t weight)
{
    uint128 size = magnitude(v), low = (uint128)(uint64_t)size * (uint64_t)size;
    uint64_t high = (uint64_t)(size >> WORD_BITS);
    uint64_t value[ARRAY_LEN(m->sum)] = {(uint64_t)size, high};
    uint64_t square[ARRAY_LEN(m->squares)] = {(uint64_t)low, (uint64_t)(low >> WORD_BITS)};
    if (high) {
        uint128 middle = (uint128)(uint64_t)size * high, top = (uint128)high * high; /* both below 2^127 */
        uint64_t twice[] = {0, (uint64_t)(middle << 1), (uint64_t)(middle >> 63), 0, 0};
        uint64_t upper[] = {0, 0, (uint64_t)top, (uint64_t)(top >> WORD_BITS), 0};
        words_add(square, twice, ARRAY_LEN(square));
        words_add(square, upper, ARRAY_LEN(square));
    }
    words_count(m->sum, ARRAY_LEN(m->sum), value, weight, v < 0);
    words_count(m->squares, ARRAY_LEN(m->squares), square, weight, false);
    m->n += weight;
}

void decimal_moments_merge(struct decimal_moments *into, const struct decimal_moments *from)
{
    words_add(into->sum, from->sum, ARRAY_LEN(into->sum));
    words_add(into->squares, from->squares, ARRAY_LEN(into->squares));
    into->n += from->n;
}

enum { SPREAD_WORDS = 8, BASE = 10000, BASE_PLACES = 4, DIGITS_THAT_COUNT = 16 /* at least */ };

struct spread {
    uint64_t above[SPREAD_WORDS]; /* n * sum(x * x) - sum(x)^2, which is not negative */
    uint64_t by[2];               /* to be divided by n and n, or n and n - 1 */
    unsigned scale;               /* of what is above */
};

static struct spread spread_of(const struct decimal_moments *m, unsigned scale, bool sample)
{
    enum { SUM = ARRAY_LEN(m->sum) };
    uint64_t n = (uint64_t)m->n, sum[SUM], size[SUM] = {0};
    struct spread s = {.by = {n, sample ? n - 1 : n}, .scale = 2 * scale};
    memcpy(s.above, m->squares, sizeof m->squares);
    words_multiply(s.above, SPREAD_WORDS, n);
    memcpy(sum, m->sum, sizeof sum);
    words_count(size, SUM, sum, 1, sum[SUM - 1] >> (WORD_BITS - 1));
    for (unsigned i = 0; i < SUM; i++) {
        uint64_t part[SPREAD_WORDS] = {0};
        memcpy(part + i, size, sizeof size);
        words_multiply(part, SPREAD_WORDS, size[i]);
        words_subtract(s.above, part, SPREAD_WORDS);
    }
    if (s.above[SPREAD_WORDS - 1]) /* sums that no values have */
        memset(s.above, 0, sizeof s.above);
    return s;
}

/* The first digit of x / 10^scale to the base 10000, and its place: that of the ones is 0. */
static int first_digit(const uint64_t x[SPREAD_WORDS], unsigned scale, uint64_t *ret)
{
    unsigned n = SPREAD_WORDS, up = (0 - scale) % BASE_PLACES;
    int place = -(int)((scale + up) / BASE_PLACES);
    uint64_t rest[SPREAD_WORDS];
    memcpy(rest, x, sizeof rest);
    words_scale(rest, n, up, words_multiply);
    for (;; place++) {
        while (n > 1 && !rest[n - 1])
            n--;
        if (n == 1 && rest[0] < BASE)
            break;
        words_divide(rest, n, BASE);
    }
    *ret = rest[0];
    return place;
}

/* Digits after the point that PostgreSQL gives the quotient: as many as are divided, and so that 16 count. */
static unsigned spread_places(const struct spread *s)
{
    uint128 by = (uint128)s->by[0] * s->by[1];
    uint64_t below[SPREAD_WORDS] = {(uint64_t)by, (uint64_t)(by >> WORD_BITS)}, digit, digit_below;
    int place = first_digit(s->above, s->scale, &digit) - first_digit(below, 0, &digit_below);
    place -= digit <= digit_below;
    return (unsigned)MAX(DIGITS_THAT_COUNT - place * BASE_PLACES, (int)s->scale);
}

/* So many times the quotient with so many digits after the point, the rest cut off. */
static void spread_divide(const struct spread *s, unsigned times, unsigned places, uint64_t ret[SPREAD_WORDS])
{
    memcpy(ret, s->above, sizeof s->above);
    words_multiply(ret, SPREAD_WORDS, times);
    if (places > s->scale)
        words_scale(ret, SPREAD_WORDS, places - s->scale, words_multiply);
    words_divide(ret, SPREAD_WORDS, s->by[0]);
    words_divide(ret, SPREAD_WORDS, s->by[1]);
    if (places < s->scale)
        words_scale(ret, SPREAD_WORDS, s->scale - places, words_divide);
}

bool decimal_variance(const struct decimal_moments *m, unsigned scale, bool sample, unsigned to, int128 *ret)
{
    struct spread s = spread_of(m, scale, sample);
    unsigned places = MIN(spread_places(&s), to);
    uint64_t v[SPREAD_WORDS];
    int128 z;
    spread_divide(&s, 2, places, v);
    words_halve(v, SPREAD_WORDS);
    return words_round(v, SPREAD_WORDS, 0, false, &z) && decimal_rescale(z, places, to, ret);
}

bool decimal_deviation(const struct decimal_moments *m, unsigned scale, bool sample, unsigned to, int128 *ret)
{
    struct spread s = spread_of(m, scale, sample);
    unsigned places = spread_places(&s), root_places = MIN(places, to);
    uint64_t v[SPREAD_WORDS];
    int128 z;
    if (places <= 2 * to) {
        spread_divide(&s, 2, places, v);
        words_halve(v, SPREAD_WORDS);
        words_shift(v, SPREAD_WORDS, 2);
    } else { /* how PostgreSQL rounds the variance is not seen in a root with less than half of its digits */
        places = 2 * to;
        spread_divide(&s, 4, places, v);
    }
    if (!words_are_zero(v + WORDS, SPREAD_WORDS - WORDS))
        return false;
    words_scale(v, SPREAD_WORDS, 2 * root_places - places, words_multiply);
    return words_are_zero(v + WORDS, SPREAD_WORDS - WORDS) && words_root(v, &z) &&
           decimal_rescale(z, root_places, to, ret);
}
