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

const char two_digits[201] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243"
                             "4445464748495051525354555657585960616263646566676869707172737475767778798081828384858687"
                             "888990919293949596979899";

#define K(n) UINT64_C(n), UINT64_C(n##0), UINT64_C(n##00)
const uint64_t powers_of_ten[20] = {K(1), K(1000), K(1000000), K(1000000000), K(1000000000000), K(1000000000000000),
                                    UINT64_C(1000000000000000000), UINT64_C(10000000000000000000)};
#undef K

static unsigned count_digits(uint64_t v)
{
    v |= 1; /* 0 has a digit, too, and no other power is odd */
    unsigned bits = 64 - (unsigned)__builtin_clzll(v);
    unsigned about = bits * 1233 >> 12; /* by log10(2), one too low at most */
    return about + (v >= powers_of_ten[about]);
}

size_t int_print(int64_t v, char out[static INT_PRINTED_MAX])
{
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    *out = '-';
    size_t n = count_digits(left) + (v < 0);
    char *p = out + n;
    for (; left >= 100; left /= 100)
        memcpy(p -= 2, two_digits + left % 100 * 2, 2);
    if (left >= 10)
        memcpy(p - 2, two_digits + left * 2, 2);
    else
        p[-1] = (char)('0' + left);
    return n;
}

void buf_put_int(struct buf *b, int64_t v)
{
    char *at = buf_reserve(b, INT_PRINTED_MAX);
    char text[INT_PRINTED_MAX];
    if (at)
        b->len += int_print(v, at);
    else
        buf_put(b, text, int_print(v, text));
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

static bool all_plain(uint64_t a, uint64_t z) { return odd_bytes(_mm_set_epi64x((int64_t)z, (int64_t)a)) == 0; }

/* Fewer than 16 bytes: copied if all of them stand for themselves, true; else false. Four and more are taken as two
 * words that may overlap. */
static bool copy_few(char *to, const char *p, size_t n)
{
    if (n >= 8) {
        uint64_t a = load_u64(p), z = load_u64(p + n - 8);
        memcpy(to, &a, 8);
        memcpy(to + n - 8, &z, 8);
        return all_plain(a, z);
    }
    if (n >= 4) {
        uint32_t a = load_u32(p), z = load_u32(p + n - 4);
        memcpy(to, &a, 4);
        memcpy(to + n - 4, &z, 4);
        uint64_t both = (uint64_t)a << 32 | z;
        return all_plain(both, both);
    }
    uint64_t each = UINT64_C(0x6161616161616161); /* of bytes that do */
    for (size_t i = 0; i < n; i++) {
        to[i] = p[i];
        each = each << 8 | (unsigned char)p[i];
    }
    return all_plain(each, each);
}

/* Copy what stands for itself at the start, of ASCII; it may leave some of the last fifteen. Returns how many. */
static size_t copy_plain(char *to, const char *p, size_t n)
{
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        unsigned odd = odd_bytes(v);
        _mm_storeu_si128((__m128i *)(to + i), v);
        if (odd)
            return i + (size_t)__builtin_ctz(odd);
    }
    return copy_few(to + i, p + i, n - i) ? n : i;
}

void buf_put_json(struct buf *b, struct slice s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.len;) {
        const char *p = s.data + i;
        char *at = buf_reserve(b, s.len - i); /* it is no shorter for being escaped */
        if (!at)
            return;
        size_t plain = copy_plain(at, p, s.len - i);
        if (plain) {
            b->len += plain;
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
