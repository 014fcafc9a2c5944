#include "column/rowkey.h"

#include <math.h>

#include "base/ascii.h"
#include "column/array.h"
#include "column/civil.h"

enum { ARRAY_END = 0, TAG_VALUE = 1, TAG_NULL = 2 };

/* ---- writing ---- */

static char *put_u32(char *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static char *put_u64(char *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static char *put_int128(char *p, int128 v)
{
    uint128 flipped = (uint128)v ^ ((uint128)1 << 127);
    return put_u64(put_u64(p, (uint64_t)(flipped >> 64)), (uint64_t)flipped);
}

/* All zeros equal, all NaNs equal and above all else; otherwise the bits of a double sort as its value once the
 * negative ones are turned around. */
static uint64_t ordered_bits(double d)
{
    uint64_t bits;
    d = d == 0 ? 0 : isnan(d) ? NAN : d;
    memcpy(&bits, &d, sizeof bits);
    if (isnan(d))
        bits = UINT64_C(0x7ff8000000000000);
    return bits >> 63 ? ~bits : bits ^ UINT64_C(1) << 63;
}

static size_t count_zeros(struct slice s)
{
    size_t n = 0;
    const char *from = s.data, *end = s.data + s.len;
    for (; from < end && (from = memchr(from, 0, (size_t)(end - from))); from++)
        n++;
    return n;
}

/* 0x00 -> 0x00 0xff, so that the end 0x00 0x00 sorts below every continuation. Text has none. */
static char *put_bytes(char *p, struct slice s, size_t zeros)
{
    const char *from = s.data, *end = s.data + s.len;
    for (; zeros; zeros--) {
        size_t n = (size_t)((const char *)memchr(from, 0, (size_t)(end - from)) - from) + 1;
        memcpy(p, from, n);
        p += n;
        *p++ = (char)0xff;
        from += n;
    }
    memcpy(p, from, (size_t)(end - from));
    p += end - from;
    *p++ = 0;
    *p++ = 0;
    return p;
}

/* jsonb compares its numbers as numerics: 1.50 is 1.5. So zeros at the end of a fraction are left out; strings are
 * copied as they are. */
static char *put_jsonb(char *p, struct slice s)
{
    bool in_string = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        *p++ = c;
        if (in_string && c == '\\' && i + 1 < s.len) {
            *p++ = s.data[++i];
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && c == '.') {
            for (; i + 1 < s.len && is_digit(s.data[i + 1]); i++)
                *p++ = s.data[i + 1];
            while (p[-1] == '0')
                p--;
            if (p[-1] == '.')
                p--;
        }
    }
    *p++ = 0;
    *p++ = 0;
    return p;
}

/* No value but a string takes more than this, its tag included. */
enum { FIXED_MAX = 17 };

static char *put_fixed(char *p, const struct column *c, size_t row)
{
    switch (c->type.id) {
    case TYPE_BOOL: *p = (char)((const uint8_t *)c->data)[row]; return p + 1;
    case TYPE_INT4:
    case TYPE_DATE: return put_u32(p, (uint32_t)((const int32_t *)c->data)[row] ^ UINT32_C(1) << 31);
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ: return put_u64(p, (uint64_t)((const int64_t *)c->data)[row] ^ UINT64_C(1) << 63);
    case TYPE_FLOAT8: return put_u64(p, ordered_bits(((const double *)c->data)[row]));
    case TYPE_NUMERIC: return put_int128(p, column_numeric(c, row));
    case TYPE_UUID: memcpy(p, (const char *)c->data + row * 16, 16); return p + 16;
    case TYPE_INTERVAL: return put_int128(p, interval_length(((const struct interval *)c->data)[row]));
    }
    assert(!"a type without a key form");
    return p;
}

static void put_view(struct buf *out, const struct column *c, size_t row)
{
    struct slice s = view_slice(column_view(c, row));
    size_t zeros = count_zeros(s);
    char *start = buf_reserve(out, s.len + zeros + 3), *p = start;
    if (!p)
        return;
    *p++ = TAG_VALUE;
    p = c->type.id == TYPE_JSONB ? put_jsonb(p, s) : put_bytes(p, s, zeros);
    out->len += (size_t)(p - start);
}

/* A NULL sorts above all values, and the end below them: as PostgreSQL orders arrays. */
static void put_array(struct buf *out, const struct column *c, size_t row)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    const uint32_t first = 0;
    struct column elements = array_open(view_slice(column_view(c, row)), c->type, &scratch, &n);
    buf_put_u8(out, TAG_VALUE);
    for (uint32_t i = 0; i < n && !out->overflow; i++)
        rowkey_put(out, &elements, &first, 1, i);
    buf_put_u8(out, ARRAY_END);
}

bool rowkey_tells_form(struct type type)
{
    if (type.id == TYPE_ARRAY)
        type = type_element(type);
    return type.id != TYPE_INTERVAL && type.id != TYPE_JSONB;
}

void rowkey_put(struct buf *out, const struct column *cols, const uint32_t *which, uint32_t n, size_t row)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct column *c = &cols[which[i]];
        if (column_is_null(c, row)) {
            buf_put_u8(out, TAG_NULL);
        } else if (c->type.id == TYPE_ARRAY) {
            put_array(out, c, row);
        } else if (type_is_view(c->type)) {
            put_view(out, c, row);
        } else {
            char *start = buf_reserve(out, FIXED_MAX);
            if (!start)
                return; /* out->overflow says it */
            *start = TAG_VALUE;
            out->len += (size_t)(put_fixed(start + 1, c, row) - start);
        }
    }
}

/* ---- reading ---- */

static bool get_u32(struct reader *in, uint32_t *ret)
{
    uint32_t v;
    if (!reader_u32(in, &v))
        return false;
    *ret = __builtin_bswap32(v);
    return true;
}

static bool get_u64(struct reader *in, uint64_t *ret)
{
    uint64_t v;
    if (!reader_u64(in, &v))
        return false;
    *ret = __builtin_bswap64(v);
    return true;
}

static bool get_int128(struct reader *in, int128 *ret)
{
    uint64_t hi, lo;
    if (!get_u64(in, &hi) || !get_u64(in, &lo))
        return false;
    *ret = (int128)(((uint128)hi << 64 | lo) ^ (uint128)1 << 127);
    return true;
}

static bool get_bytes(struct reader *in, struct view *ret, struct arena *a)
{
    /* First the length, then the copy: the key may be part of a much longer buffer. */
    const unsigned char *p = in->p;
    size_t len = 0;
    for (;; len++, p++) {
        if (in->end - p < 2)
            return false;
        if (*p != 0)
            continue;
        if (p[1] == 0)
            break;
        if (*++p != 0xff)
            return false;
    }
    char *copy = arena_alloc(a, len), *to = copy;
    for (const unsigned char *from = in->p; from < p; from++) {
        *to++ = (char)*from;
        from += *from == 0;
    }
    in->p = p + 2;
    *ret = view_of(copy, len);
    return true;
}

static int64_t clamp_int32(int128 v) { return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int64_t)v; }

/* The plainest interval of a length: days and micros, months only where days are too many for their field. It is equal
 * to what was put; it need not look the same. */
static bool get_interval(struct reader *in, struct interval *ret)
{
    int128 length;
    if (!get_int128(in, &length))
        return false;
    int128 all_days = length / MICROS_PER_DAY;
    int64_t months = all_days == clamp_int32(all_days) ? 0 : clamp_int32(all_days / 30);
    int64_t days = clamp_int32(all_days - months * 30);
    int128 micros = length - ((int128)months * 30 + days) * MICROS_PER_DAY;
    if (micros != (int64_t)micros)
        return false;
    *ret = (struct interval){.months = (int32_t)months, .days = (int32_t)days, .micros = (int64_t)micros};
    return true;
}

static bool get_double(struct reader *in, double *ret)
{
    uint64_t bits;
    if (!get_u64(in, &bits))
        return false;
    bits = bits >> 63 ? bits ^ UINT64_C(1) << 63 : ~bits;
    memcpy(ret, &bits, sizeof *ret);
    return true;
}

static bool get_array(struct reader *in, struct column *into, size_t row, struct arena *a)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) out = BUF(ARRAY_MAX_BYTES);
    uint32_t n = 0, cap = (uint32_t)MIN(reader_left(in), (size_t)ARRAY_MAX_BYTES); /* an element takes a byte or more */
    struct column elements = column_make(&scratch, type_element(into->type), cap, true);
    for (; reader_left(in) && *in->p != ARRAY_END && n < cap; n++)
        if (!rowkey_get(in, &elements, n, &scratch))
            return false;
    uint8_t tag;
    if (!reader_u8(in, &tag) || tag != ARRAY_END)
        return false;
    array_put(&out, &elements, 0, n);
    if (out.overflow)
        return false;
    ((struct view *)into->data)[row] = view_copy(view_of(out.data, out.len), a);
    return true;
}

static bool get_value(struct reader *in, struct column *into, size_t row, struct arena *a)
{
    uint8_t byte;
    uint32_t u32;
    uint64_t u64;
    int128 wide;
    const char *bytes;
    switch (into->type.id) {
    case TYPE_BOOL:
        if (!reader_u8(in, &byte) || byte > 1)
            return false;
        ((uint8_t *)into->data)[row] = byte;
        return true;
    case TYPE_INT4:
    case TYPE_DATE:
        if (!get_u32(in, &u32))
            return false;
        ((int32_t *)into->data)[row] = (int32_t)(u32 ^ UINT32_C(1) << 31);
        return true;
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        if (!get_u64(in, &u64))
            return false;
        ((int64_t *)into->data)[row] = (int64_t)(u64 ^ UINT64_C(1) << 63);
        return true;
    case TYPE_FLOAT8: return get_double(in, (double *)into->data + row);
    case TYPE_NUMERIC:
        if (!get_int128(in, &wide) || (type_is_small_numeric(into->type) && wide != (int64_t)wide))
            return false;
        column_set_numeric(into, row, wide);
        return true;
    case TYPE_UUID:
        if (!reader_bytes(in, 16, &bytes))
            return false;
        memcpy((char *)into->data + row * 16, bytes, 16);
        return true;
    case TYPE_INTERVAL: return get_interval(in, (struct interval *)into->data + row);
    case TYPE_TEXT:
    case TYPE_BYTEA:
    case TYPE_JSONB: return get_bytes(in, (struct view *)into->data + row, a);
    case TYPE_ARRAY: return get_array(in, into, row, a);
    }
    return false;
}

bool rowkey_get(struct reader *in, struct column *into, size_t row, struct arena *a)
{
    uint8_t tag;
    if (!reader_u8(in, &tag))
        return false;
    if (tag == TAG_NULL && into->valid) {
        bit_clear(into->valid, row);
        size_t width = type_width(into->type);
        memset((char *)into->data + row * width, 0, width);
        return true;
    }
    if (tag != TAG_VALUE || !get_value(in, into, row, a))
        return false;
    if (into->valid)
        bit_set(into->valid, row);
    return true;
}
