#include "lake/decode.h"

#include <math.h>

/* Bytes one call may put together: a hostile page could ask for its longest value 2048 times. */
#define MADE_MAX GIB(1)

enum { JULIAN_1970 = 2440588 };

bool delta_decoder_init(struct delta_decoder *d, struct reader in)
{
    uint64_t block, minis, total, first;
    *d = (struct delta_decoder){0};
    if (!reader_varint(&in, &block) || !reader_varint(&in, &minis) || !reader_varint(&in, &total) ||
        !reader_varint(&in, &first))
        return false;
    if (block == 0 || block > 1 << 20 || minis == 0 || minis > block || block % minis || block / minis % 8)
        return false;
    d->in = in;
    d->minis = d->mini = (uint32_t)minis;
    d->per_mini = (uint32_t)(block / minis);
    d->left = total;
    d->value = (first >> 1) ^ -(first & 1);
    return true;
}

static bool next_mini(struct delta_decoder *d)
{
    if (d->mini == d->minis) {
        uint64_t min;
        const char *widths;
        if (!reader_varint(&d->in, &min) || !reader_bytes(&d->in, d->minis, &widths))
            return false;
        d->min_delta = (min >> 1) ^ -(min & 1);
        d->widths = (const unsigned char *)widths;
        d->mini = 0;
    }
    d->width = d->widths[d->mini++];
    if (d->width > 64)
        return false;
    size_t bytes = MIN((size_t)d->per_mini / 8 * d->width, reader_left(&d->in)); /* the last may be cut short */
    d->bits = d->in.p;
    d->bits_end = d->bits + bytes;
    d->in.p += bytes;
    d->bit = 0;
    d->mini_left = d->per_mini;
    return true;
}

bool delta_decoder_next(struct delta_decoder *d, int64_t *ret, size_t n)
{
    if (n > d->left)
        return false;
    d->left -= n;
    if (n && !d->started) {
        d->started = true;
        *ret++ = (int64_t)d->value;
        n--;
    }
    while (n) {
        if (d->mini_left == 0 && !next_mini(d))
            return false;
        uint64_t deltas[256];
        size_t k = MIN(MIN(n, (size_t)d->mini_left), ARRAY_LEN(deltas));
        if (d->width)
            bits_unpack(d->bits, d->bits_end, d->bit, d->width, deltas, k);
        else
            memset(deltas, 0, k * sizeof *deltas);
        for (size_t i = 0; i < k; i++)
            *ret++ = (int64_t)(d->value += d->min_delta + deltas[i]);
        d->bit += (uint64_t)k * d->width;
        d->mini_left -= (uint32_t)k;
        n -= k;
    }
    return true;
}

/* Go past all its values: what follows in the page begins at d->in. */
static bool delta_skip(struct delta_decoder d, struct reader *ret)
{
    int64_t ignored[512];
    while (d.left)
        if (!delta_decoder_next(&d, ignored, MIN(d.left, (uint64_t)ARRAY_LEN(ignored))))
            return false;
    *ret = d.in;
    return true;
}

/* ---- starting ---- */

static bool encoding_fits(enum physical p, int32_t encoding)
{
    switch (encoding) {
    case ENCODING_PLAIN:
        return true;
    case ENCODING_PLAIN_DICTIONARY:
    case ENCODING_RLE_DICTIONARY:
        return p != PHYSICAL_BOOLEAN;
    case ENCODING_RLE:
        return p == PHYSICAL_BOOLEAN;
    case ENCODING_DELTA_BINARY:
        return p == PHYSICAL_INT32 || p == PHYSICAL_INT64;
    case ENCODING_DELTA_LENGTH:
        return p == PHYSICAL_BYTES;
    case ENCODING_DELTA_BYTES:
        return p == PHYSICAL_BYTES || p == PHYSICAL_FIXED;
    case ENCODING_BYTE_STREAM_SPLIT:
        return p != PHYSICAL_BOOLEAN && p != PHYSICAL_BYTES && p != PHYSICAL_INT96;
    default:
        return false;
    }
}

static bool start_delta(struct decoder *d)
{
    switch (d->encoding) {
    case ENCODING_DELTA_BINARY:
        return delta_decoder_init(&d->numbers, d->in);
    case ENCODING_DELTA_LENGTH:
        return delta_decoder_init(&d->numbers, d->in) && delta_skip(d->numbers, &d->in);
    default:
        return delta_decoder_init(&d->prefixes, d->in) && delta_skip(d->prefixes, &d->in) &&
               delta_decoder_init(&d->numbers, d->in) && delta_skip(d->numbers, &d->in);
    }
}

static bool start_rle(struct decoder *d)
{
    uint32_t n;
    uint8_t width;
    const char *bytes;
    if (d->encoding == ENCODING_RLE) {
        if (!reader_u32(&d->in, &n) || n > reader_left(&d->in) || !reader_bytes(&d->in, n, &bytes))
            return false;
        rle_init(&d->rle, (struct slice){bytes, n}, 1);
        return true;
    }
    if (!reader_left(&d->in)) /* no values, no width */
        width = 0;
    else if (!reader_u8(&d->in, &width) || width > 32)
        return false;
    rle_init(&d->rle, (struct slice){(const char *)d->in.p, reader_left(&d->in)}, width);
    return true;
}

enum status decoder_start(struct decoder *d, const struct parquet_node *n, int32_t encoding, struct slice bytes,
                          struct buf *made, struct error *err)
{
    struct buf last = d->last;
    if (!encoding_fits(n->physical, encoding))
        return error_set(err, ERR_UNSUPPORTED, "encoding %d is not supported for this type", encoding);
    *d = (struct decoder){.physical = n->physical,
                          .length = n->length,
                          .encoding = encoding,
                          .in = reader_of(bytes),
                          .made = made,
                          .last = last};
    d->last.max = MADE_MAX;
    buf_clear(&d->last);
    bool good = true;
    if (encoding == ENCODING_RLE || decoder_is_dictionary(d))
        good = start_rle(d);
    else if (encoding == ENCODING_DELTA_BINARY || encoding == ENCODING_DELTA_LENGTH || encoding == ENCODING_DELTA_BYTES)
        good = start_delta(d);
    return good ? OK : error_set(err, ERR_CORRUPT, "a page's values are broken");
}

void decoder_release(struct decoder *d)
{
    buf_release(&d->last);
}

/* ---- values ---- */

static size_t width_of(const struct decoder *d)
{
    switch (d->physical) {
    case PHYSICAL_INT32:
    case PHYSICAL_FLOAT:
        return 4;
    case PHYSICAL_INT96:
        return 12;
    case PHYSICAL_FIXED:
        return (size_t)d->length;
    default:
        return 8;
    }
}

/* Nanoseconds of a day and a Julian day, cut to microseconds since 1970. */
static int64_t int96_micros(const char *p)
{
    uint64_t nanos = load_u64(p);
    int64_t day = (int64_t)(int32_t)load_u32(p + 8) - JULIAN_1970;
    return (int64_t)((uint64_t)day * 86400000000u + nanos / 1000);
}

static void fixed_values(const struct decoder *d, const char *p, union decoded *ret, uint32_t n)
{
    switch (d->physical) {
    case PHYSICAL_INT32:
        for (uint32_t k = 0; k < n; k++)
            ret->i[k] = (int32_t)load_u32(p + k * 4);
        break;
    case PHYSICAL_FLOAT:
        for (uint32_t k = 0; k < n; k++) {
            float f;
            memcpy(&f, p + k * 4, sizeof f);
            ret->d[k] = (double)f;
        }
        break;
    case PHYSICAL_INT96:
        for (uint32_t k = 0; k < n; k++)
            ret->i[k] = int96_micros(p + k * 12);
        break;
    case PHYSICAL_FIXED:
        for (uint32_t k = 0; k < n; k++)
            ret->s[k] = (struct slice){p + (size_t)k * (size_t)d->length, (size_t)d->length};
        break;
    default:
        memcpy(ret, p, (size_t)n * 8);
    }
}

static bool plain_bytes(struct decoder *d, struct slice *ret, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t len;
        if (!reader_u32(&d->in, &len) || len > reader_left(&d->in) || !reader_bytes(&d->in, len, &ret[k].data))
            return false;
        ret[k].len = len;
    }
    return true;
}

static bool plain_bools(struct decoder *d, int64_t *ret, uint32_t n)
{
    if (d->bit + n > (uint64_t)reader_left(&d->in) * 8)
        return false;
    for (uint32_t k = 0; k < n; k++, d->bit++)
        ret[k] = d->in.p[d->bit >> 3] >> (d->bit & 7) & 1;
    return true;
}

static bool next_plain(struct decoder *d, union decoded *ret, uint32_t n)
{
    if (d->physical == PHYSICAL_BYTES)
        return plain_bytes(d, ret->s, n);
    if (d->physical == PHYSICAL_BOOLEAN)
        return plain_bools(d, ret->i, n);
    const char *p;
    size_t bytes = (size_t)n * width_of(d);
    if (bytes > reader_left(&d->in) || !reader_bytes(&d->in, bytes, &p))
        return false;
    fixed_values(d, p, ret, n);
    return true;
}

static bool next_delta_lengths(struct decoder *d, struct slice *ret, uint32_t n)
{
    int64_t lengths[DECODE_BLOCK];
    if (!delta_decoder_next(&d->numbers, lengths, n))
        return false;
    for (uint32_t k = 0; k < n; k++) {
        if (lengths[k] < 0 || (uint64_t)lengths[k] > reader_left(&d->in) ||
            !reader_bytes(&d->in, (size_t)lengths[k], &ret[k].data))
            return false;
        ret[k].len = (size_t)lengths[k];
    }
    return true;
}

static bool next_delta_bytes(struct decoder *d, struct slice *ret, uint32_t n)
{
    int64_t prefixes[DECODE_BLOCK];
    if (!delta_decoder_next(&d->prefixes, prefixes, n) || !next_delta_lengths(d, ret, n))
        return false;
    d->made->max = MADE_MAX;
    buf_clear(d->made);
    for (uint32_t k = 0; k < n; k++) {
        struct slice suffix = ret[k];
        if (prefixes[k] < 0 || (uint64_t)prefixes[k] > d->last.len)
            return false;
        d->last.len = (size_t)prefixes[k];
        buf_put_slice(&d->last, suffix);
        buf_put_slice(d->made, buf_slice(&d->last));
        ret[k].len = d->last.len;
        if (d->made->overflow || d->last.overflow || (d->physical == PHYSICAL_FIXED && ret[k].len != (size_t)d->length))
            return false;
    }
    const char *p = buf_cstr(d->made);
    for (uint32_t k = 0; k < n; k++) {
        ret[k].data = p;
        p += ret[k].len;
    }
    return true;
}

static bool next_split(struct decoder *d, union decoded *ret, uint32_t n)
{
    size_t width = width_of(d), total = reader_left(&d->in) / width;
    if (reader_left(&d->in) % width || n > total - d->bit)
        return false;
    d->made->max = MADE_MAX * 2;
    buf_clear(d->made);
    char *rows = buf_reserve(d->made, n * width);
    if (!rows)
        return n == 0;
    for (size_t b = 0; b < width; b++)
        for (uint32_t k = 0; k < n; k++)
            rows[k * width + b] = (char)d->in.p[b * total + d->bit + k];
    d->bit += n;
    fixed_values(d, rows, ret, n);
    return true;
}

static bool next_rle_bools(struct decoder *d, int64_t *ret, uint32_t n)
{
    uint32_t bits[DECODE_BLOCK];
    if (!rle_next(&d->rle, bits, n))
        return false;
    for (uint32_t k = 0; k < n; k++)
        ret[k] = bits[k];
    return true;
}

bool decoder_next(struct decoder *d, union decoded *ret, uint32_t n)
{
    assert(n <= DECODE_BLOCK);
    switch (d->encoding) {
    case ENCODING_PLAIN:
        return next_plain(d, ret, n);
    case ENCODING_RLE:
        return next_rle_bools(d, ret->i, n);
    case ENCODING_DELTA_BINARY:
        if (!delta_decoder_next(&d->numbers, ret->i, n))
            return false;
        for (uint32_t k = 0; d->physical == PHYSICAL_INT32 && k < n; k++)
            ret->i[k] = (int32_t)ret->i[k];
        return true;
    case ENCODING_DELTA_LENGTH:
        return next_delta_lengths(d, ret->s, n);
    case ENCODING_DELTA_BYTES:
        return next_delta_bytes(d, ret->s, n);
    case ENCODING_BYTE_STREAM_SPLIT:
        return next_split(d, ret, n);
    default:
        return false;
    }
}

bool decoder_indexes(struct decoder *d, uint32_t *ret, uint32_t n)
{
    return rle_next(&d->rle, ret, n);
}
