#include "format/json_read.h"

#include <emmintrin.h>

#include "base/ascii.h"
#include "base/utf8.h"

static bool fail(struct json_reader *r, const char *cause)
{
    r->cause = cause;
    return false;
}

static bool at_digit(const struct json_reader *r)
{
    return r->p < r->end && is_digit(*r->p);
}

static bool at(const struct json_reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

void json_skip_space(struct json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

bool json_expect(struct json_reader *r, char c, const char *cause)
{
    json_skip_space(r);
    if (!at(r, c))
        return fail(r, r->p == r->end ? "the message ends too early" : cause);
    r->p++;
    return true;
}

/* p is past the backslash. */
static bool read_escape(struct json_reader *r)
{
    if (r->p == r->end)
        return fail(r, "the message ends inside a string");
    char c = *r->p;
    if (c == 'u') {
        for (int i = 1; i <= 4; i++)
            if (r->end - r->p <= i || hex_value(r->p[i]) < 0)
                return fail(r, "\\u wants four hex digits");
        r->p += 5;
        return true;
    }
    if (c == 0 || !strchr("\"\\/bfnrt", c))
        return fail(r, "unknown escape in a string");
    r->p++;
    return true;
}

/* Past what is neither quote, backslash, control character, nor above 0x7f, as far as it is sixteen bytes together. */
static void skip_plain(struct json_reader *r)
{
    for (; r->end - r->p >= 16; r->p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)r->p);
        __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        if (_mm_movemask_epi8(_mm_or_si128(odd, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)))) != 0)
            return;
    }
}

bool json_read_string(struct json_reader *r, struct json_token *ret)
{
    r->p++;
    const char *first = r->p;
    bool escaped = false;
    const char *looked = first; /* what stopped a skip is not looked at again */
    for (;;) {
        if (r->p >= looked) {
            skip_plain(r);
            looked = r->p + 16;
        }
        if (at(r, '"'))
            break;
        if (r->p == r->end)
            return fail(r, "the message ends inside a string");
        if (*r->p == '\\') {
            escaped = true;
            r->p++;
            if (!read_escape(r))
                return false;
            continue;
        }
        if ((unsigned char)*r->p < 0x20)
            return fail(r, "control character in a string");
        unsigned n = utf8_char(r->p, r->end);
        if (n == 0)
            return fail(r, "invalid UTF-8");
        r->p += n;
    }
    *ret = (struct json_token){.kind = JSON_STRING, .escaped = escaped, .text = {first, (size_t)(r->p - first)}};
    r->p++;
    return true;
}

static bool read_digits(struct json_reader *r, const char *cause)
{
    if (!at_digit(r))
        return fail(r, cause);
    while (at_digit(r))
        r->p++;
    return true;
}

static bool read_number(struct json_reader *r, struct json_token *ret)
{
    const char *first = r->p;
    bool fraction = false;
    if (at(r, '-'))
        r->p++;
    if (at(r, '0')) {
        r->p++;
        if (at_digit(r))
            return fail(r, "a number begins with 0");
    } else if (!read_digits(r, "a digit expected"))
        return false;
    if (at(r, '.')) {
        fraction = true;
        r->p++;
        if (!read_digits(r, "a digit expected after the point"))
            return false;
    }
    if (at(r, 'e') || at(r, 'E')) {
        fraction = true;
        r->p++;
        if (at(r, '+') || at(r, '-'))
            r->p++;
        if (!read_digits(r, "a digit expected in the exponent"))
            return false;
    }
    *ret = (struct json_token){.kind = JSON_NUMBER, .fraction = fraction, .text = {first, (size_t)(r->p - first)}};
    return true;
}

static bool read_word(struct json_reader *r, const char *word, enum json_kind kind, struct json_token *ret)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return fail(r, "a value expected");
    *ret = (struct json_token){.kind = kind, .text = {r->p, n}};
    r->p += n;
    return true;
}

static bool read_scalar(struct json_reader *r, struct json_token *ret)
{
    if (r->p == r->end)
        return fail(r, "the message ends too early");
    switch (*r->p) {
    case '"':
        return json_read_string(r, ret);
    case 't':
        return read_word(r, "true", JSON_TRUE, ret);
    case 'f':
        return read_word(r, "false", JSON_FALSE, ret);
    case 'n':
        return read_word(r, "null", JSON_NULL, ret);
    case '-':
    case '0' ... '9':
        return read_number(r, ret);
    default:
        return fail(r, "a value expected");
    }
}

/* "key": */
static bool read_key(struct json_reader *r)
{
    struct json_token key;
    json_skip_space(r);
    if (!at(r, '"'))
        return fail(r, "a key in quotes expected");
    return json_read_string(r, &key) && json_expect(r, ':', "':' expected after a key");
}

/* Objects and arrays, without recursion: bit d of `objects` tells what level d is. */
static bool read_nested(struct json_reader *r, struct json_token *ret)
{
    const char *first = r->p;
    enum json_kind kind = *first == '{' ? JSON_OBJECT : JSON_ARRAY;
    uint64_t objects = 0;
    unsigned depth = 0;
    struct json_token scalar;
    do {
        json_skip_space(r);
        bool opened = at(r, '{') || at(r, '[');
        if (opened) {
            if (depth == JSON_MAX_DEPTH)
                return fail(r, "nested deeper than 64 levels");
            objects = objects << 1 | (*r->p == '{');
            depth++;
            r->p++;
        } else if (!read_scalar(r, &scalar))
            return false;
        for (; depth > 0; depth--, objects >>= 1, opened = false) {
            bool in_object = objects & 1;
            json_skip_space(r);
            if (!at(r, in_object ? '}' : ']')) {
                if (!opened && !json_expect(r, ',', in_object ? "',' or '}' expected" : "',' or ']' expected"))
                    return false;
                if (in_object && !read_key(r))
                    return false;
                break;
            }
            r->p++;
        }
    } while (depth > 0);
    *ret = (struct json_token){.kind = kind, .text = {first, (size_t)(r->p - first)}};
    return true;
}

bool json_read_value(struct json_reader *r, struct json_token *ret)
{
    json_skip_space(r);
    if (at(r, '{') || at(r, '['))
        return read_nested(r, ret);
    return read_scalar(r, ret);
}

/* Four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* The code point of \uXXXX at p (past the 'u'), or of a surrogate pair, written at *to. Returns the end; NULL: none. */
static const char *unescape_unicode(const char *p, const char *end, char **to)
{
    int32_t code = hex4(p, end);
    p += 4;
    if (code >= 0xd800 && code <= 0xdfff) {
        int32_t low = code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    if (code <= 0)
        return NULL;
    *to += utf8_put((uint32_t)code, *to);
    return p;
}

/* What stands before the next backslash, copied. */
static const char *copy_plain(const char *p, const char *end, char **to)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (; end - p >= 8; p += 8, *to += 8) {
        uint64_t word = load_u64(p), x = word ^ ones * '\\';
        uint64_t slash = (x - ones) & ~x & ones * 0x80;
        store_u64(*to, word);
        if (slash) {
            size_t n = (size_t)__builtin_ctzll(slash) / 8;
            *to += n;
            return p + n;
        }
    }
    while (p < end && *p != '\\')
        *(*to)++ = *p++;
    return p;
}

const char *json_unescape_into(struct slice raw, char *out, size_t *ret_len)
{
    static const char plain[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    char *to = out;
    const char *p = raw.data, *end = raw.data + raw.len;
    while ((p = copy_plain(p, end, &to)) < end) {
        char c = p + 1 < end ? plain[(unsigned char)p[1]] : 0;
        if (c != 0) {
            *to++ = c;
            p += 2;
            continue;
        }
        if (end - p < 6 || p[1] != 'u')
            return "unknown escape in a string";
        const char *after = unescape_unicode(p + 2, end, &to);
        if (!after)
            return memcmp(p + 2, "0000", 4) == 0 ? "\\u0000 is no text" : "half a surrogate pair";
        p = after;
    }
    *ret_len = (size_t)(to - out);
    return NULL;
}

const char *json_unescape(struct slice raw, struct arena *a, struct slice *ret)
{
    char *out = arena_alloc(a, raw.len);
    const char *why = json_unescape_into(raw, out, &ret->len);
    if (!why)
        ret->data = out;
    return why;
}
