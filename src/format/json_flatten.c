#include "format/json_flatten.h"

#include <emmintrin.h>

#include "base/ascii.h"

struct json_flatten {
    struct slice *keys;
    size_t nkeys;
};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_json_blank(*p))
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

bool json_flatten_has(const struct json_flatten *f, struct slice key)
{
    for (size_t i = 0; i < f->nkeys; i++)
        if (slice_equal(f->keys[i], key))
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
static char *flatten(const struct json_flatten *f, struct slice message, char *to)
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
        bool chosen = json_flatten_has(f, key);
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

struct slice json_flatten_message(const struct json_flatten *f, struct slice message, struct arena *a)
{
    char *to = arena_alloc(a, message.len + 1), *end = flatten(f, message, to);
    return end ? (struct slice){to, (size_t)(end - to)} : message;
}

struct json_flatten *json_flatten_new(const char *keys, struct arena *a)
{
    struct json_flatten *f = arena_zalloc(a, sizeof *f);
    f->keys = arena_array(a, strlen(keys) + 1, sizeof *f->keys);
    for (const char *p = keys; *p;) {
        size_t n = strcspn(p, " ,");
        if (n > 0)
            f->keys[f->nkeys++] = (struct slice){arena_strndup(a, p, n), n};
        p += n + (p[n] != 0);
    }
    return f;
}
