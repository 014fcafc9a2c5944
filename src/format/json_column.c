/* The values of one column, for a block of messages: a loop for each type. Each reads the one common spelling of its
 * values, wherever json_scan.c noted that they stand, and leaves anything else to json_store. Columns are read one by
 * one because a processor that meets the same kind of value again and again guesses right what comes next.
 */
#include <emmintrin.h>

#include "base/ascii.h"
#include "column/civil.h"
#include "format/json.h"
#include "format/value.h"

static __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* ---- text ---- */

/* A string of n <= 12 bytes at p, of which 16 may be read. */
static inline void store_short(const char *p, size_t n, struct view *into)
{
    static const unsigned char mask[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};
    __m128i v = _mm_and_si128(load16(p), load16(mask + 16 - n));
    _mm_storeu_si128((__m128i *)into, _mm_or_si128(_mm_slli_si128(v, 4), _mm_cvtsi32_si128((int)n)));
}

static uint64_t store_text(struct view *into, const struct json_extent *e, uint32_t rows)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < rows; i++, e++) {
        if (e->len < 2 || *e->p != '"') {
            left |= UINT64_C(1) << i;
            continue;
        }
        const char *p = e->p + 1;
        uint32_t n = e->len - 2;
        if (n > VIEW_INLINE) {
            into[i] = (struct view){.len = n, .ptr = p};
            memcpy(into[i].prefix, p, 4);
        } else if (likely(e->left >= 17)) {
            store_short(p, n, &into[i]);
        } else {
            into[i] = view_of(p, n);
        }
    }
    return left;
}

/* ---- numbers ---- */

/* A decimal number: value = digits / 10^scale. */
struct decimal {
    int64_t digits;
    unsigned whole, scale; /* how many digits stand before and behind the point */
};

/* The number that eight digits are, the first in the lowest byte. */
static inline uint64_t eight_digits(uint64_t d)
{
    d = (d * 10 + (d >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    d = (d * 100 + (d >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (d * 10000 + (d >> 32)) & UINT64_C(0xffffffff);
}

static inline bool are_digits(uint64_t d)
{
    return (((d + UINT64_C(0x7676767676767676)) | d) & UINT64_C(0x8080808080808080)) == 0;
}

/* digits[.digits] of 1 to 8 bytes, of which 8 may be read: all digits of a word at once, the point taken out. */
static inline bool read_short_decimal(const char *p, size_t n, struct decimal *ret)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    unsigned unused = 64 - 8 * (unsigned)n;
    uint64_t d = (load_u64(p) ^ ones * '0') << unused; /* the last byte is the highest; zeros before the first */
    uint64_t x = d ^ ones * ('.' ^ '0'), point = (x - ones) & ~x & ones * 0x80;
    unsigned whole = (unsigned)n, scale = 0;
    if (point) {
        unsigned at = (unsigned)__builtin_ctzll(point) & ~7u;
        uint64_t before = (UINT64_C(1) << at) - 1;
        d = (d & before) << 8 | (d & ~before & ~(UINT64_C(0xff) << at));
        scale = 7 - at / 8;
        whole = (unsigned)n - scale - 1;
        if (scale == 0 || whole == 0)
            return false;
    }
    *ret = (struct decimal){(int64_t)eight_digits(d), whole, scale};
    return are_digits(d);
}

/* The same of any length, up to 18 digits. */
static bool read_long_decimal(const char *p, size_t n, struct decimal *ret)
{
    const char *end = p + n, *first = p, *point = NULL;
    int64_t v = 0;
    for (; p < end; p++) {
        if (*p == '.' && !point)
            point = p;
        else if (!is_digit(*p) || p - first >= 18 + (point != NULL))
            return false;
        else
            v = v * 10 + (*p - '0');
    }
    unsigned whole = (unsigned)((point ? point : end) - first), scale = point ? (unsigned)(end - point) - 1 : 0;
    *ret = (struct decimal){v, whole, scale};
    return whole > 0 && (!point || scale > 0);
}

/* -?digits[.digits], all of the extent or between its quotes. */
static inline bool read_decimal(const struct json_extent *e, bool may_be_quoted, struct decimal *ret)
{
    const char *p = e->p;
    size_t n = e->len;
    if (n == 0)
        return false;
    bool quoted = *p == '"';
    if (quoted && (!may_be_quoted || n < 2))
        return false;
    p += quoted;
    n -= 2 * quoted;
    bool negative = n > 0 && *p == '-';
    p += negative;
    n -= negative;
    if (n - 1 < 8 && likely((size_t)(p - e->p) + 8 <= e->left)) {
        if (!read_short_decimal(p, n, ret))
            return false;
    } else if (!read_long_decimal(p, n, ret)) {
        return false;
    }
    if (!quoted && *p == '0' && ret->whole > 1)
        return false;
    ret->digits = negative ? -ret->digits : ret->digits;
    return true;
}

/* Digits of a small number cannot overflow its column: a column of precision p holds 10^p - 1. */
static uint64_t store_numeric(struct column *c, size_t row, const struct json_extent *e, uint32_t rows)
{
    const struct type type = c->type;
    uint64_t left = 0;
    for (uint32_t i = 0; i < rows; i++, e++) {
        struct decimal v;
        if (!read_decimal(e, true, &v) || v.scale > type.scale || v.whole + type.scale > MIN(type.precision, 18)) {
            left |= UINT64_C(1) << i;
            continue;
        }
        v.digits *= (int64_t)powers_of_ten[type.scale - v.scale];
        if (type.precision <= NUMERIC_SMALL_PRECISION)
            ((int64_t *)c->data)[row + i] = v.digits;
        else
            ((int128 *)c->data)[row + i] = v.digits;
    }
    return left;
}

static uint64_t store_int(struct column *c, size_t row, const struct json_extent *e, uint32_t rows)
{
    const bool small = c->type.id == TYPE_INT4;
    uint64_t left = 0;
    for (uint32_t i = 0; i < rows; i++, e++) {
        struct decimal v;
        if (!read_decimal(e, false, &v) || v.scale > 0 || (small && v.digits != (int32_t)v.digits))
            left |= UINT64_C(1) << i;
        else if (small)
            ((int32_t *)c->data)[row + i] = (int32_t)v.digits;
        else
            ((int64_t *)c->data)[row + i] = v.digits;
    }
    return left;
}

/* Of at most 15 digits: value and power of ten are exact doubles, so one division rounds once. */
static uint64_t store_double(double *into, const struct json_extent *e, uint32_t rows)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < rows; i++, e++) {
        struct decimal v;
        if (!read_decimal(e, false, &v) || v.whole + v.scale > 15) {
            left |= UINT64_C(1) << i;
            continue;
        }
        double magnitude = (double)(v.digits < 0 ? -v.digits : v.digits) / (double)(int64_t)powers_of_ten[v.scale];
        into[i] = *e->p == '-' ? -magnitude : magnitude; /* -0, too */
    }
    return left;
}

/* ---- times ---- */

/* .f{1,6} before `end`, in micros; -1: something else. */
static inline int64_t read_fraction(const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    if (n == 0)
        return 0;
    if (n < 2 || n > 7 || *p != '.')
        return -1;
    int64_t v = 0;
    for (p++; p < end; p++) {
        if (!is_digit(*p))
            return -1;
        v = v * 10 + (*p - '0');
    }
    return v * (int64_t)powers_of_ten[7 - n];
}

/* The day of "YYYY-MM-DD" at p: most often that of the row before. */
static inline bool read_day(struct json_decoder *d, const char *p, int64_t *ret_micros)
{
    uint64_t day[2] = {load_u64(p), load_u16(p + 8)};
    if (unlikely(day[0] != d->day_text[0] || day[1] != d->day_text[1])) {
        int32_t days;
        if (!civil_parse_date((struct slice){p, 10}, &days))
            return false;
        d->day_text[0] = day[0];
        d->day_text[1] = day[1];
        d->day_micros = days * MICROS_PER_DAY;
    }
    *ret_micros = d->day_micros;
    return true;
}

/* "YYYY-MM-DDTHH:MM:SS[.f{1,6}]" with the quotes; with a zone: and Z or +00:00 before the second. */
static inline bool read_instant(struct json_decoder *d, const struct json_extent *e, bool zone, int64_t *ret)
{
    if (e->len < 21 || *e->p != '"')
        return false;
    const char *p = e->p + 1, *end = e->p + e->len - 1;
    if (zone && end[-1] == 'Z')
        end--;
    else if (zone && end - p >= 25 && memcmp(end - 6, "+00:00", 6) == 0)
        end -= 6;
    else if (zone)
        return false;
    static const unsigned char zero[16] = "0000-00-00T00:00";
    static const unsigned char most[16] = {9, 9, 9, 9, 0, 9, 9, 0, 9, 9, 0, 2, 9, 0, 5, 9};
    __m128i digits = _mm_sub_epi8(load16(p), load16(zero)), limit = load16(most);
    if (end - p < 19 || _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, limit), digits)) != 0xffff)
        return false;
    unsigned hour = (unsigned)(p[11] - '0') * 10 + (unsigned)(p[12] - '0');
    unsigned minute = (unsigned)(p[14] - '0') * 10 + (unsigned)(p[15] - '0');
    unsigned tens = (unsigned char)(p[17] - '0'), ones = (unsigned char)(p[18] - '0');
    int64_t day, fraction = read_fraction(p + 19, end);
    if (hour > 23 || p[16] != ':' || tens > 5 || ones > 9 || fraction < 0 || !read_day(d, p, &day))
        return false;
    *ret = day + ((hour * 60 + minute) * 60 + tens * 10 + ones) * MICROS_PER_SECOND + fraction;
    return true;
}

static uint64_t store_instants(struct json_decoder *d, struct column *c, size_t row, const struct json_extent *e,
                               uint32_t rows)
{
    const bool zone = c->type.id == TYPE_TIMESTAMPTZ;
    int64_t *into = (int64_t *)c->data + row;
    uint64_t left = 0;
    for (uint32_t i = 0; i < rows; i++)
        if (unlikely(!read_instant(d, e + i, zone, into + i)))
            left |= UINT64_C(1) << i;
    return left;
}

/* ---- others ---- */

static bool read_other(struct column *c, size_t row, const struct json_extent *e)
{
    const char *p = e->p;
    switch (c->type.id) {
    case TYPE_DATE:
        return e->len == 12 && *p == '"' && civil_parse_date((struct slice){p + 1, 10}, (int32_t *)c->data + row);
    case TYPE_UUID:
        return e->len == 38 && *p == '"' && value_parse_uuid(p + 1, (unsigned char *)c->data + 16 * row);
    case TYPE_BOOL:
        ((uint8_t *)c->data)[row] = e->len == 4;
        return (e->len == 4 && memcmp(p, "true", 4) == 0) || (e->len == 5 && memcmp(p, "false", 5) == 0);
    default:
        return false;
    }
}

uint64_t json_store_column(struct json_decoder *d, struct json_target *t, const struct json_name *name, uint32_t first,
                           uint32_t rows)
{
    const struct json_extent *extents = name->into + first;
    struct column *c = &t->cols[name->column];
    const uint32_t row = t->row + first;
    uint64_t left = 0;
    switch (name->type.id) {
    case TYPE_TEXT:
        return store_text((struct view *)c->data + row, extents, rows);
    case TYPE_INT4:
    case TYPE_INT8:
        return store_int(c, row, extents, rows);
    case TYPE_NUMERIC:
        return store_numeric(c, row, extents, rows);
    case TYPE_FLOAT8:
        return store_double((double *)c->data + row, extents, rows);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return store_instants(d, c, row, extents, rows);
    default:
        for (uint32_t i = 0; i < rows; i++)
            if (!read_other(c, row + i, &extents[i]))
                left |= UINT64_C(1) << i;
        return left;
    }
}
