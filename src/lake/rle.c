#include "lake/rle.h"

enum { RUN_WORTH = 16 }; /* a shorter run costs more than it saves */

static size_t run_length(const uint32_t *values, size_t n)
{
    size_t k = 1;
    while (k < n && values[k] == values[0])
        k++;
    return k;
}

static void put_run(uint32_t value, size_t n, unsigned width, struct buf *out)
{
    buf_put_varint(out, (uint64_t)n << 1);
    buf_put(out, &value, (width + 7) / 8);
}

/* n a multiple of 8, or the end of the values: the last group is filled with 0. */
static void put_packed(const uint32_t *values, size_t n, unsigned width, struct buf *out)
{
    size_t groups = (n + 7) / 8;
    buf_put_varint(out, (uint64_t)groups << 1 | 1);
    unsigned char *at = (unsigned char *)buf_reserve(out, groups * width);
    if (!at)
        return;
    uint64_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < groups * 8; i++) {
        held |= (uint64_t)(i < n ? values[i] : 0) << bits;
        bits += width;
        for (; bits >= 8; bits -= 8, held >>= 8)
            *at++ = (unsigned char)held;
    }
    out->len += groups * width;
}

void rle_encode(const uint32_t *values, size_t n, unsigned width, struct buf *out)
{
    size_t packed = 0; /* values before i that wait to be bit-packed; a multiple of 8 */
    for (size_t i = 0; i < n;) {
        size_t run = run_length(values + i, n - i);
        if (run >= RUN_WORTH) {
            if (packed)
                put_packed(values + i - packed, packed, width, out);
            packed = 0;
            put_run(values[i], run, width, out);
            i += run;
        } else {
            size_t take = MIN(n - i, (size_t)8);
            packed += take;
            i += take;
        }
    }
    if (packed)
        put_packed(values + n - packed, packed, width, out);
}

void rle_init(struct rle *r, struct slice bytes, unsigned width)
{
    assert(width <= 32);
    *r = (struct rle){.in = reader_of(bytes), .width = width};
}

static uint64_t load_tail(const unsigned char *p, const unsigned char *end)
{
    uint64_t v = 0;
    if (p < end)
        memcpy(&v, p, MIN((size_t)(end - p), sizeof v));
    return v;
}

void bits_unpack(const unsigned char *p, const unsigned char *end, uint64_t bit, unsigned width, uint64_t *ret,
                 size_t n)
{
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    uint64_t size = (uint64_t)(end - p);
    for (size_t i = 0; i < n; i++, bit += width) {
        uint64_t byte = bit >> 3;
        unsigned shift = bit & 7;
        if (byte >= size) {
            ret[i] = 0;
            continue;
        }
        uint64_t v = (size - byte >= 8 ? load_u64(p + byte) : load_tail(p + byte, end)) >> shift;
        if (shift + width > 64 && size - byte > 8)
            v |= (uint64_t)p[byte + 8] << (64 - shift);
        ret[i] = v & mask;
    }
}

static bool next_run(struct rle *r)
{
    uint64_t head;
    if (!reader_varint(&r->in, &head) || head >> 1 == 0)
        return false;
    if (head & 1) {
        uint64_t groups = head >> 1, left = reader_left(&r->in);
        /* some writers cut the padding of the last group off */
        uint64_t bytes = groups > left ? left : MIN(groups * r->width, left);
        if (bytes == 0 || groups > UINT32_MAX)
            return false;
        r->bits = r->in.p;
        r->bits_end = r->bits + bytes;
        r->bit = 0;
        r->literals = bytes * 8 / r->width;
        r->in.p += bytes;
        return true;
    }
    const char *p;
    if (head >> 1 > UINT32_MAX || !reader_bytes(&r->in, (r->width + 7) / 8, &p))
        return false;
    r->value = 0;
    memcpy(&r->value, p, (r->width + 7) / 8);
    r->run = (uint32_t)(head >> 1);
    return r->width == 32 || r->value >> r->width == 0;
}

static void take_literals(struct rle *r, uint32_t *ret, size_t n)
{
    uint64_t wide[256];
    for (size_t done = 0, k; done < n; done += k) {
        k = MIN(n - done, ARRAY_LEN(wide));
        bits_unpack(r->bits, r->bits_end, r->bit, r->width, wide, k);
        for (size_t i = 0; i < k; i++)
            ret[done + i] = (uint32_t)wide[i];
        r->bit += (uint64_t)k * r->width;
    }
    r->literals -= n;
}

bool rle_next(struct rle *r, uint32_t *ret, size_t n)
{
    if (r->width == 0) {
        memset(ret, 0, n * sizeof *ret);
        return true;
    }
    while (n) {
        size_t k;
        if (r->run) {
            k = MIN((size_t)r->run, n);
            for (size_t i = 0; i < k; i++)
                ret[i] = r->value;
            r->run -= (uint32_t)k;
        } else if (r->literals) {
            k = MIN(r->literals, n);
            take_literals(r, ret, k);
        } else {
            if (!next_run(r))
                return false;
            continue;
        }
        ret += k;
        n -= k;
    }
    return true;
}
