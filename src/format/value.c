#include "format/value.h"

#include <emmintrin.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "column/array.h"
#include "column/civil.h"
#include "column/decimal.h"

const char *value_int(struct column *c, size_t row, struct slice text)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative;
    if (i == text.len)
        return "no integer";
    int64_t v = 0;
    for (; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return "no integer";
        int64_t digit = text.data[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, digit, &v))
            return "out of range";
    }
    if (!negative && __builtin_sub_overflow(INT64_C(0), v, &v))
        return "out of range";
    if (c->type.id == TYPE_INT8)
        ((int64_t *)c->data)[row] = v;
    else if (v < INT32_MIN || v > INT32_MAX)
        return "out of range";
    else
        ((int32_t *)c->data)[row] = (int32_t)v;
    return NULL;
}

const char *value_numeric(struct column *c, size_t row, struct slice text)
{
    int128 v;
    unsigned scale;
    bool overflow = false;
    if (!decimal_parse(text, &v, &scale, &overflow))
        return overflow ? "more than 38 digits" : "no decimal number";
    for (; scale > c->type.scale; scale--) {
        if (v % 10 != 0)
            return "more fraction digits than the column holds";
        v /= 10;
    }
    if (!decimal_rescale(v, scale, c->type.scale, &v) || !decimal_fits(v, c->type.precision))
        return "out of range";
    column_set_numeric(c, row, v);
    return NULL;
}

/* [+-]?digits[.digits][e[+-]digits] with at least one digit: what strtod may see (it would also take hex and "inf"). */
static bool is_decimal_number(struct slice s)
{
    const char *p = s.data, *end = s.data + s.len;
    size_t digits = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end && is_digit(*p); p++)
        digits++;
    if (p < end && *p == '.')
        for (p++; p < end && is_digit(*p); p++)
            digits++;
    if (digits == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        if (p == end || !is_digit(*p))
            return false;
        while (p < end && is_digit(*p))
            p++;
    }
    return p == end;
}

const char *value_double(struct column *c, size_t row, struct slice text, struct arena *a)
{
    char small[64];
    char *terminated = text.len < sizeof small ? small : arena_alloc(a, text.len + 1);
    memcpy(terminated, text.data, text.len);
    terminated[text.len] = 0;
    errno = 0;
    double v = strtod(terminated, NULL);
    if (isinf(v) || (errno == ERANGE && v == 0))
        return "out of range";
    ((double *)c->data)[row] = v;
    return NULL;
}

static const char *double_from_text(struct column *c, size_t row, struct slice text, struct arena *a)
{
    double *into = (double *)c->data + row;
    if (slice_is(text, "NaN"))
        *into = (double)NAN;
    else if (slice_is(text, "Infinity"))
        *into = (double)INFINITY;
    else if (slice_is(text, "-Infinity"))
        *into = (double)-INFINITY;
    else if (is_decimal_number(text))
        return value_double(c, row, text, a);
    else
        return "no number";
    return NULL;
}

/* 16 hex digits to nibbles; *bad collects lanes that are none. */
static __m128i hex_nibbles(__m128i text, __m128i *bad)
{
    __m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_dec = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i is_hex = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    *bad = _mm_or_si128(*bad, _mm_xor_si128(_mm_or_si128(is_dec, is_hex), _mm_set1_epi8(-1)));
    __m128i ten = _mm_add_epi8(letter, _mm_set1_epi8(10));
    return _mm_or_si128(_mm_and_si128(is_dec, digit), _mm_andnot_si128(is_dec, ten));
}

/* Pairs of nibbles (high first) to bytes, in the low half of each 16-bit lane. */
static __m128i nibble_pairs(__m128i nibbles)
{
    __m128i high = _mm_slli_epi16(_mm_and_si128(nibbles, _mm_set1_epi16(0xff)), 4);
    return _mm_or_si128(high, _mm_srli_epi16(nibbles, 8));
}

bool value_parse_uuid(const char *text, unsigned char ret[static 16])
{
    if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    uint64_t first[2] = {load_u64(text), load_u32(text + 9) | (uint64_t)load_u32(text + 14) << 32};
    uint64_t second[2] = {load_u32(text + 19) | (uint64_t)load_u32(text + 24) << 32, load_u64(text + 28)};
    __m128i bad = _mm_setzero_si128();
    __m128i a = nibble_pairs(hex_nibbles(_mm_loadu_si128((const __m128i *)first), &bad));
    __m128i b = nibble_pairs(hex_nibbles(_mm_loadu_si128((const __m128i *)second), &bad));
    if (_mm_movemask_epi8(bad))
        return false;
    _mm_storeu_si128((__m128i *)ret, _mm_packus_epi16(a, b));
    return true;
}

static const char *bytea_from_text(struct column *c, size_t row, struct slice text, struct arena *a)
{
    if (text.len < 2 || text.len % 2 != 0 || text.data[0] != '\\' || text.data[1] != 'x')
        return "bytea is written as \\x and pairs of hex digits";
    size_t n = text.len / 2 - 1;
    char *bytes = arena_alloc(a, n);
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text.data[2 + 2 * i]), low = hex_value(text.data[3 + 2 * i]);
        if (high < 0 || low < 0)
            return "bytea is written as \\x and pairs of hex digits";
        bytes[i] = (char)(high << 4 | low);
    }
    ((struct view *)c->data)[row] = view_of(bytes, n);
    return NULL;
}

static const char *timestamp_from_text(struct column *c, size_t row, struct slice text, unsigned flags)
{
    int64_t micros;
    bool has_zone;
    if (!civil_parse_timestamp(text, &micros, &has_zone))
        return "no ISO 8601 date and time within years 0001 to 9999";
    if (c->type.id == TYPE_TIMESTAMP && has_zone)
        return "a time zone, which timestamp does not hold";
    if (c->type.id == TYPE_TIMESTAMPTZ && !has_zone && !(flags & VALUE_ASSUME_UTC))
        return "no time zone (option assume_utc reads such times as UTC)";
    ((int64_t *)c->data)[row] = micros;
    return NULL;
}

static const char *by_input_function(struct column *c, size_t row, struct slice text, struct arena *a)
{
    struct error err = {0};
    return column_parse(c, row, text, a, &err) == OK ? NULL : arena_strdup(a, err.text);
}

const char *value_set_array(struct column *c, size_t row, const struct column *elements, uint32_t n, struct arena *a)
{
    AUTO(buf) out = BUF(ARRAY_MAX_BYTES);
    array_put(&out, elements, 0, n);
    if (out.overflow)
        return "an array of more than 16 MiB";
    ((struct view *)c->data)[row] = view_copy(view_of(out.data, out.len), a);
    return NULL;
}

static const char *array_from_text(struct column *c, size_t row, struct slice text, unsigned flags, struct arena *a)
{
    struct error err = {0};
    AUTO(arena) scratch = {0};
    struct column texts;
    uint32_t n;
    if (array_split(text, &scratch, &texts, &n, &err) != OK)
        return "an array is written as {1,2,NULL}, in one dimension that begins at 1";
    struct column elements = column_make(&scratch, type_element(c->type), n, true);
    for (uint32_t i = 0; i < n; i++) {
        if (column_is_null(&texts, i))
            continue;
        struct slice s = view_slice(column_view(&texts, i));
        if (c->type.element == TYPE_BOOL && s.len == 1)
            s = s.data[0] == 't' ? SLICE("true") : s.data[0] == 'f' ? SLICE("false") : s;
        const char *why = value_from_text(&elements, i, s, flags, a);
        if (why)
            return arena_printf(a, "element %u: %s", i + 1, why);
        bit_set(elements.valid, i);
    }
    return value_set_array(c, row, &elements, n, a);
}

const char *value_from_text(struct column *c, size_t row, struct slice text, unsigned flags, struct arena *a)
{
    switch ((enum type_id)c->type.id) {
    case TYPE_BOOL:
        if (!slice_is(text, "true") && !slice_is(text, "false"))
            return "neither true nor false";
        ((uint8_t *)c->data)[row] = text.len == 4;
        return NULL;
    case TYPE_INT4:
    case TYPE_INT8:
        return value_int(c, row, text);
    case TYPE_FLOAT8:
        return double_from_text(c, row, text, a);
    case TYPE_NUMERIC:
        return value_numeric(c, row, text);
    case TYPE_TEXT:
        ((struct view *)c->data)[row] = view_of(text.data, text.len);
        return NULL;
    case TYPE_BYTEA:
        return bytea_from_text(c, row, text, a);
    case TYPE_UUID:
        return text.len == 36 && value_parse_uuid(text.data, (unsigned char *)c->data + 16 * row) ? NULL : "no uuid";
    case TYPE_DATE:
        return civil_parse_date(text, (int32_t *)c->data + row) ? NULL : "no date YYYY-MM-DD within years 0001 to 9999";
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return timestamp_from_text(c, row, text, flags);
    case TYPE_INTERVAL:
    case TYPE_JSONB:
        return by_input_function(c, row, text, a);
    case TYPE_ARRAY:
        return array_from_text(c, row, text, flags, a);
    case TYPE_UNKNOWN:
    case TYPE_COUNT:
        break;
    }
    assert(!"a column without a type reached a decoder");
    return NULL;
}

const char *value_excerpt(struct slice text, struct arena *a)
{
    enum { SHOWN = 40 };
    bool cut = text.len > SHOWN;
    size_t n = cut ? SHOWN : text.len;
    while (cut && n > SHOWN - 4 && ((unsigned char)text.data[n] & 0xc0) == 0x80)
        n--;
    char *out = arena_alloc(a, n + 4);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f ? '.' : text.data[i];
    memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
    return out;
}

void value_add_error(struct decoded *out, uint32_t *cap, struct field_error e, struct arena *a)
{
    out->fields = arena_grow(a, out->fields, out->nfields, cap, sizeof *out->fields);
    uint32_t i = out->nfields++;
    for (; i > 0 && out->fields[i - 1].row == e.row && out->fields[i - 1].column > e.column; i--)
        out->fields[i] = out->fields[i - 1];
    out->fields[i] = e;
}
