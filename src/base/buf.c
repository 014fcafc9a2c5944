#include "base/buf.h"

#include <emmintrin.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

char *buf_reserve_slow(struct buf *b, size_t n)
{
    assert(b->max > 0);
    size_t need;
    if (b->overflow || __builtin_add_overflow(b->len, n, &need) || need > b->max) {
        b->overflow = true;
        return NULL;
    }
    if (need > b->cap || !b->data) {
        size_t cap = MAX(MAX(b->cap + b->cap / 2, need), (size_t)64);
        b->cap = MIN(cap, b->max);
        b->data = mem_realloc(b->data, b->cap);
    }
    return b->data + b->len;
}

void buf_put_varint(struct buf *b, uint64_t v)
{
    unsigned char out[10];
    size_t n = 0;
    do {
        out[n] = (unsigned char)(v & 0x7f);
        v >>= 7;
        out[n++] |= v ? 0x80 : 0;
    } while (v);
    buf_put(b, out, n);
}

void buf_put_int(struct buf *b, int64_t v)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char text[20], *p = text + sizeof text;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    for (; left >= 100; left /= 100) {
        p -= 2;
        memcpy(p, pairs + left % 100 * 2, 2);
    }
    if (left >= 10) {
        p -= 2;
        memcpy(p, pairs + left * 2, 2);
    } else {
        *--p = (char)('0' + left);
    }
    if (v < 0)
        *--p = '-';
    buf_put(b, p, (size_t)(text + sizeof text - p));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    char *at = buf_reserve(b, (size_t)n + 1);
    if (at) {
        vsnprintf(at, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

static void put_json_ascii(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"': buf_puts(b, "\\\""); break;
    case '\\': buf_puts(b, "\\\\"); break;
    case '\n': buf_puts(b, "\\n"); break;
    case '\r': buf_puts(b, "\\r"); break;
    case '\t': buf_puts(b, "\\t"); break;
    default:
        if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else
            buf_putc(b, (char)c);
    }
}

/* Which of 16 bytes do not stand for themselves in a JSON string of ASCII, a bit each. */
static unsigned odd_bytes(__m128i v)
{
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* as signed: those from 0x80 on, too */
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i last = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, quote), _mm_or_si128(slash, last)));
}

/* How many bytes at the start stand for themselves; it may miss some of the last fifteen. */
static size_t plain_length(const char *p, size_t n)
{
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        unsigned odd = odd_bytes(_mm_loadu_si128((const __m128i *)(p + i)));
        if (odd)
            return i + (size_t)__builtin_ctz(odd);
    }
    if (i == n)
        return n;
    if (n >= 16) /* the last 16, some of them again */
        return odd_bytes(_mm_loadu_si128((const __m128i *)(p + n - 16))) ? i : n;
    if (n < 8)
        return 0;
    __m128i halves = _mm_set_epi64x((int64_t)load_u64(p + n - 8), (int64_t)load_u64(p));
    return odd_bytes(halves) ? 0 : n;
}

void buf_put_json(struct buf *b, struct slice s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.len;) {
        const char *p = s.data + i;
        size_t plain = plain_length(p, s.len - i);
        if (plain) {
            buf_put(b, p, plain);
            i += plain;
            continue;
        }
        size_t n = utf8_char(p, s.data + s.len);
        if (n == 1)
            put_json_ascii(b, (unsigned char)*p);
        else if (n)
            buf_put(b, p, n);
        else
            buf_puts(b, "\xef\xbf\xbd");
        i += n ? n : 1;
    }
    buf_putc(b, '"');
}

const char *buf_cstr(struct buf *b)
{
    if (b->len + 1 > b->cap) {
        b->cap = b->len + 1;
        b->data = mem_realloc(b->data, b->cap);
    }
    b->data[b->len] = 0;
    return b->data;
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

bool reader_bytes(struct reader *r, size_t n, const char **ret)
{
    if (reader_left(r) < n) {
        r->p = r->end;
        return false;
    }
    *ret = (const char *)r->p;
    r->p += n;
    return true;
}

bool reader_u8(struct reader *r, uint8_t *ret)
{
    const char *p;
    if (!reader_bytes(r, 1, &p))
        return false;
    *ret = (uint8_t)*p;
    return true;
}

bool reader_u32(struct reader *r, uint32_t *ret)
{
    const char *p;
    if (!reader_bytes(r, sizeof *ret, &p))
        return false;
    *ret = load_u32(p);
    return true;
}

bool reader_u64(struct reader *r, uint64_t *ret)
{
    const char *p;
    if (!reader_bytes(r, sizeof *ret, &p))
        return false;
    *ret = load_u64(p);
    return true;
}

bool reader_varint(struct reader *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;
        if (!reader_u8(r, &byte) || (shift == 63 && byte > 1))
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}
