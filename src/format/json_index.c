#include "format/json_index.h"

#include <immintrin.h>

#define INLINED static inline __attribute__((always_inline))

/* What is seen in 64 bytes; `slashes` and `odd` are only ever compared with 0. */
struct seen {
    uint64_t quotes, slashes, odd;
};

/* The places of the bits, `base` added; up to 64 are written. Most often there are about eight, so the loop writes as
 * many at a time, needed or not. */
INLINED void put_places(uint64_t bits, uint32_t base, uint16_t *to)
{
    do {
        for (unsigned i = 0; i < 8; i++) {
            to[i] = (uint16_t)(base + (unsigned)__builtin_ctzll(bits | UINT64_C(1) << 63));
            bits &= bits - 1;
        }
        to += 8;
    } while (unlikely(bits));
}

/* The messages, with one way to look at 64 bytes and one to write places down. What is left of a message is looked at
 * together with the bytes before it, or, if it is shorter, in a copy. */
INLINED void index_with(struct seen (*look)(const char *p), void (*put)(uint64_t bits, uint32_t base, uint16_t *to),
                        const struct view *raw, uint32_t rows, uint16_t *places, struct json_index *ret)
{
    for (uint32_t i = 0; i < rows; i++) {
        const char *p = view_data(&raw[i]);
        uint32_t len = raw[i].len, at = 0, count = 0;
        uint64_t slashes = 0, odd = 0;
        struct seen s;
        if (len > JSON_INDEX_LONGEST)
            len = 0;
        for (; at + 64 <= len; at += 64) {
            s = look(p + at);
            put(s.quotes, at, places + count);
            count += (uint32_t)__builtin_popcountll(s.quotes);
            slashes |= s.slashes;
            odd |= s.odd;
        }
        if (at < len) {
            char copy[64];
            if (at > 0) {
                s = look(p + len - 64);
            } else {
                memset(copy, ' ', sizeof copy - len);
                memcpy(copy + sizeof copy - len, p, len);
                s = look(copy);
            }
            uint64_t quotes = s.quotes >> (64 - (len - at));
            put(quotes, at, places + count);
            count += (uint32_t)__builtin_popcountll(quotes);
            slashes |= s.slashes;
            odd |= s.odd;
        }
        ret[i] = (struct json_index){places, count, slashes != 0, odd != 0};
        places += len + JSON_INDEX_SLACK;
    }
}

INLINED struct seen look_sse2(const char *p)
{
    struct seen s = {0};
    __m128i slashes = _mm_setzero_si128(), odd = slashes;
    for (unsigned i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)p + i);
        s.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"'))) << 16 * i;
        slashes = _mm_or_si128(slashes, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        odd = _mm_or_si128(odd, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20))); /* signed: above 0x7f as well */
    }
    s.slashes = (unsigned)_mm_movemask_epi8(slashes);
    s.odd = (unsigned)_mm_movemask_epi8(odd);
    return s;
}

void json_index_sse2(const struct view *raw, uint32_t rows, uint16_t *places, struct json_index *ret)
{
    index_with(look_sse2, put_places, raw, rows, places, ret);
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2,bmi,popcnt")))
#define AVX512 __attribute__((target("avx2,bmi,popcnt,avx512f,avx512bw,avx512vbmi2")))

AVX2 INLINED struct seen look_avx2(const char *p)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)p), b = _mm256_loadu_si256((const __m256i *)p + 1);
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), space = _mm256_set1_epi8(0x20);
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, quote));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, quote));
    __m256i slashes = _mm256_or_si256(_mm256_cmpeq_epi8(a, slash), _mm256_cmpeq_epi8(b, slash));
    __m256i odd = _mm256_cmpgt_epi8(space, _mm256_min_epi8(a, b));
    return (struct seen){low | (uint64_t)high << 32, (uint32_t)_mm256_movemask_epi8(slashes),
                         (uint32_t)_mm256_movemask_epi8(odd)};
}

AVX2 void json_index_avx2(const struct view *raw, uint32_t rows, uint16_t *places, struct json_index *ret)
{
    index_with(look_avx2, put_places, raw, rows, places, ret);
}

AVX512 INLINED struct seen look_avx512(const char *p)
{
    __m512i v = _mm512_loadu_si512(p);
    return (struct seen){_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')),
                         _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')),
                         _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(0x20))};
}

/* The numbers 0..63 whose bit is set, moved together. */
AVX512 INLINED void put_places_avx512(uint64_t bits, uint32_t base, uint16_t *to)
{
    static const unsigned char numbers[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                              16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                              32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                              48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i found = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(numbers));
    __m512i places =
        _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(found)), _mm512_set1_epi16((int16_t)base));
    _mm512_storeu_si512(to, places);
    if (unlikely(__builtin_popcountll(bits) > 32)) {
        places = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1)),
                                  _mm512_set1_epi16((int16_t)base));
        _mm512_storeu_si512(to + 32, places);
    }
}

AVX512 void json_index_avx512(const struct view *raw, uint32_t rows, uint16_t *places, struct json_index *ret)
{
    index_with(look_avx512, put_places_avx512, raw, rows, places, ret);
}
#endif

json_indexer *json_indexer_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi"))
        return json_index_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return json_index_avx2;
#endif
    return json_index_sse2;
}

/* How many backslashes stand right before p? */
static size_t backslashes_before(const char *p, const char *start)
{
    const char *q = p;
    while (q > start && q[-1] == '\\')
        q--;
    return (size_t)(p - q);
}

struct json_escapes json_index_settle(struct json_index *x, struct slice message)
{
    const char *p = message.data, *end = p + message.len;
    struct json_escapes found = {SIZE_MAX, 0};
    bool quotes = false;
    while (p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
        found.last = (size_t)(p - message.data);
        found.first = MIN(found.first, found.last);
        quotes |= p + 1 < end && p[1] == '"';
        p += 2;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; quotes && i < x->count; i++)
        if (backslashes_before(message.data + x->quotes[i], message.data) % 2 == 0)
            x->quotes[kept++] = x->quotes[i];
    if (quotes)
        x->count = kept;
    return found;
}
