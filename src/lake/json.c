#include "lake/json.h"

#include "base/ascii.h"
#include "base/utf8.h"

struct parser {
    const char *p, *end;
    struct arena *arena;
};

static void skip_space(struct parser *s)
{
    while (s->p < s->end && is_json_blank(*s->p))
        s->p++;
}

static bool take(struct parser *s, char c)
{
    skip_space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool take_word(struct parser *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return false;
    s->p += n;
    return true;
}

static bool take_hex(struct parser *s, uint32_t *ret)
{
    uint32_t v = 0;
    if (s->end - s->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(*s->p++);
        if (digit < 0)
            return false;
        v = v << 4 | (uint32_t)digit;
    }
    *ret = v;
    return true;
}

static bool take_unicode(struct parser *s, char **out)
{
    uint32_t c, low;
    if (!take_hex(s, &c) || c == 0)
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (!take_word(s, "\\u") || !take_hex(s, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff)
        return false;
    *out += utf8_put(c, *out);
    return true;
}

static bool take_escape(struct parser *s, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->p == s->end)
        return false;
    char c = *s->p++;
    if (c == 'u')
        return take_unicode(s, out);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at)
        return false;
    *(*out)++ = to[at - from];
    return true;
}

/* After the opening quote. */
static bool take_string(struct parser *s, const char **ret, size_t *ret_len)
{
    const char *q = s->p;
    while (q < s->end && *q != '"')
        q += *q == '\\' ? 2 : 1;
    if (q >= s->end)
        return false;
    char *text = arena_alloc(s->arena, (size_t)(q - s->p) + 1), *out = text; /* unescaping never makes it longer */
    while (s->p < q) {
        char c = *s->p++;
        if ((unsigned char)c < 0x20 || (c == '\\' && !take_escape(s, &out)))
            return false;
        if (c != '\\')
            *out++ = c;
    }
    if (s->p != q)
        return false;
    s->p++;
    *out = 0;
    *ret = text;
    *ret_len = (size_t)(out - text);
    return true;
}

static bool take_digits(struct parser *s)
{
    const char *start = s->p;
    while (s->p < s->end && is_digit(*s->p))
        s->p++;
    return s->p > start;
}

static bool take_number(struct parser *s, struct json *j)
{
    const char *start = s->p;
    if (s->p < s->end && *s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!take_digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!take_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!take_digits(s))
            return false;
    }
    j->kind = JSON_NUMBER;
    j->len = (size_t)(s->p - start);
    j->text = arena_strndup(s->arena, start, j->len);
    return true;
}

static struct json *take_value(struct parser *s, unsigned depth);

static bool take_members(struct parser *s, struct json *j, char close, unsigned depth)
{
    struct json **tail = &j->first;
    if (take(s, close))
        return true;
    do {
        const char *key = NULL;
        size_t len;
        if (close == '}' && (!take(s, '"') || !take_string(s, &key, &len) || !take(s, ':')))
            return false;
        struct json *member = take_value(s, depth + 1);
        if (!member)
            return false;
        member->key = key;
        *tail = member;
        tail = &member->next;
    } while (take(s, ','));
    return take(s, close);
}

static struct json *take_value(struct parser *s, unsigned depth)
{
    struct json *j = arena_zalloc(s->arena, sizeof *j);
    bool good;
    skip_space(s);
    if (s->p == s->end || depth > JSON_MAX_DEPTH)
        return NULL;
    switch (*s->p) {
    case '{':
    case '[':
        j->kind = *s->p == '{' ? JSON_OBJECT : JSON_ARRAY;
        good = take_members(s, j, *s->p++ == '{' ? '}' : ']', depth);
        break;
    case '"':
        s->p++;
        j->kind = JSON_STRING;
        good = take_string(s, &j->text, &j->len);
        break;
    case 't':
    case 'f':
        j->kind = JSON_BOOL;
        j->truth = *s->p == 't';
        good = take_word(s, j->truth ? "true" : "false");
        break;
    case 'n':
        good = take_word(s, "null");
        break;
    default:
        good = take_number(s, j);
    }
    return good ? j : NULL;
}

const struct json *json_parse(struct slice text, struct arena *a)
{
    struct parser s = {.p = text.data, .end = text.data + text.len, .arena = a};
    const struct json *j = take_value(&s, 0);
    skip_space(&s);
    return s.p == s.end ? j : NULL;
}

const struct json *json_get(const struct json *j, const char *key)
{
    if (!j || j->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *m = j->first; m; m = m->next)
        if (strcmp(m->key, key) == 0)
            return m->kind == JSON_NULL ? NULL : m;
    return NULL;
}

const char *json_text(const struct json *j, const char *key)
{
    const struct json *m = json_get(j, key);
    return m && m->kind == JSON_STRING ? m->text : NULL;
}

int64_t json_int(const struct json *j, const char *key, int64_t fallback)
{
    const struct json *m = json_get(j, key);
    if (!m || m->kind != JSON_NUMBER)
        return fallback;
    const char *p = m->text;
    bool negative = *p == '-';
    int64_t v = 0;
    for (p += negative; *p; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -(*p - '0') : *p - '0', &v))
            return fallback;
    return v;
}

bool json_bool(const struct json *j, const char *key, bool fallback)
{
    const struct json *m = json_get(j, key);
    return m && m->kind == JSON_BOOL ? m->truth : fallback;
}

void json_print(const struct json *j, struct buf *out)
{
    switch (j->kind) {
    case JSON_NULL:
        buf_puts(out, "null");
        break;
    case JSON_BOOL:
        buf_puts(out, j->truth ? "true" : "false");
        break;
    case JSON_NUMBER:
        buf_put(out, j->text, j->len);
        break;
    case JSON_STRING:
        buf_put_json(out, (struct slice){j->text, j->len});
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_putc(out, j->kind == JSON_OBJECT ? '{' : '[');
        for (const struct json *m = j->first; m; m = m->next) {
            if (m->key) {
                buf_put_json(out, slice_of(m->key));
                buf_putc(out, ':');
            }
            json_print(m, out);
            if (m->next)
                buf_putc(out, ',');
        }
        buf_putc(out, j->kind == JSON_OBJECT ? '}' : ']');
        break;
    }
}
