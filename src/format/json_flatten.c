#include "format/json_flatten.h"

#include <emmintrin.h>
#include <stdlib.h>

struct flatten_decoder {
    struct decoder base;
    struct arena own;
    struct decoder *inner;
    struct slice *keys;
    size_t nkeys;
};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* p: behind the opening quote. Returns one past the closing one, NULL if there is none. */
static const char *skip_string(const char *p, const char *end)
{
    for (;;) {
        while (end - p >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)p);
            __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
            unsigned mask = (unsigned)_mm_movemask_epi8(odd);
            if (mask) {
                p += __builtin_ctz(mask);
                break;
            }
            p += 16;
        }
        if (p == end)
            return NULL;
        if (*p == '"')
            return p + 1;
        p += *p == '\\' ? 2 : 1;
        if (p >= end)
            return NULL;
    }
}

/* One past the value at p, whose brackets are only counted; NULL: it does not end. */
static const char *skip_value(const char *p, const char *end)
{
    uint32_t depth = 0;
    while (p < end) {
        char c = *p;
        if (depth == 0 && (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t'))
            return p;
        p++;
        if (c == '"') {
            p = skip_string(p, end);
            if (!p)
                return NULL;
        }
        depth += c == '{' || c == '[';
        if (c == '}' || c == ']')
            depth--;
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return p;
    }
    return NULL;
}

static bool is_chosen(const struct flatten_decoder *d, struct slice key)
{
    for (size_t i = 0; i < d->nkeys; i++)
        if (slice_equal(d->keys[i], key))
            return true;
    return false;
}

static char *add(char *to, const char *first, const char *text, size_t n)
{
    if (n == 0)
        return to;
    if (to > first)
        *to++ = ',';
    memcpy(to, text, n);
    return to + n;
}

/* The message in at most its own length and one byte more; returns the end, NULL: it cannot be taken apart. */
static char *flatten(const struct flatten_decoder *d, struct slice message, char *to)
{
    const char *end = message.data + message.len, *p = skip_space(message.data, end);
    if (p == end || *p != '{')
        return NULL;
    *to++ = '{';
    const char *first = to;
    p = skip_space(p + 1, end);
    for (;;) {
        const char *member = p;
        if (p == end || *p != '"')
            return NULL;
        p = skip_string(p + 1, end);
        if (!p)
            return NULL;
        struct slice key = {member + 1, (size_t)(p - member) - 2};
        p = skip_space(p, end);
        if (p == end || *p != ':')
            return NULL;
        const char *value = skip_space(p + 1, end);
        p = skip_value(value, end);
        if (!p || p == value)
            return NULL;
        struct slice text = {value, (size_t)(p - value)};
        bool chosen = is_chosen(d, key);
        if (chosen && *value == '{' && p[-1] == '}') {
            const char *from = skip_space(value + 1, p - 1);
            to = add(to, first, from, (size_t)(p - 1 - from));
        } else if (!chosen || !slice_is(text, "null")) {
            to = add(to, first, member, (size_t)(p - member));
        }
        p = skip_space(p, end);
        if (p == end || *p != ',')
            break;
        p = skip_space(p + 1, end);
    }
    memcpy(to, p, (size_t)(end - p));
    return to + (end - p);
}

static void flatten_decode(struct decoder *base, const struct view *raw, uint32_t rows, struct batch *into,
                           struct arena *a, struct decoded *ret)
{
    struct flatten_decoder *d = (struct flatten_decoder *)base;
    struct view *flat = arena_array(a, rows, sizeof *flat);
    size_t bytes = rows;
    for (uint32_t r = 0; r < rows; r++)
        bytes += view_slice(&raw[r]).len;
    char *to = arena_alloc(a, bytes);
    for (uint32_t r = 0; r < rows; r++) {
        char *end = flatten(d, view_slice(&raw[r]), to);
        flat[r] = end ? view_of(to, (size_t)(end - to)) : raw[r];
        to = end ? end : to;
    }
    d->inner->ops->decode(d->inner, flat, rows, into, a, ret);
}

static void flatten_free(struct decoder *base)
{
    struct flatten_decoder *d = (struct flatten_decoder *)base;
    decoder_free(d->inner);
    arena_release(&d->own);
    free(d);
}

struct decoder *json_flatten_new(const char *keys, struct decoder *inner)
{
    static const struct decoder_ops ops = {flatten_decode, flatten_free};
    struct flatten_decoder *d = mem_zalloc(sizeof *d);
    d->base.ops = &ops;
    d->inner = inner;
    d->keys = arena_array(&d->own, strlen(keys) + 1, sizeof *d->keys);
    for (const char *p = keys; *p;) {
        size_t n = strcspn(p, " ,");
        if (n > 0)
            d->keys[d->nkeys++] = (struct slice){arena_strndup(&d->own, p, n), n};
        p += n + (p[n] != 0);
    }
    return &d->base;
}
