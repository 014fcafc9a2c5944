#include "column/jsonb.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"

/* PostgreSQL's limits of a numeric. */
enum { DIGITS_BEFORE = 131072, DIGITS_AFTER = 16383 };

enum kind { PLAIN /* printed form in text */, STRING /* decoded, in text */, ARRAY, OBJECT };

struct node {
    enum kind kind;
    uint32_t count;     /* of children */
    struct slice text;  /* PLAIN, STRING */
    struct slice key;   /* of a child of an object */
    struct node *first; /* children in the order of the text */
    struct node *next;
};

struct parser {
    const char *start, *p, *end;
    struct arena *a;
    struct error *err;
    size_t max;
    unsigned depth;
};

/* ---- reading ---- */

static enum status refuse(const struct parser *s, const char *what)
{
    return error_set(s->err, ERR_SQL, "invalid input syntax for type json: %s at byte %zu", what,
                     (size_t)(s->p - s->start) + 1);
}

static void skip_blanks(struct parser *s)
{
    while (s->p < s->end && is_json_blank(*s->p))
        s->p++;
}

static bool take(struct parser *s, char c)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool parse_hex4(struct parser *s, uint32_t *ret)
{
    uint32_t v = 0;
    if (s->end - s->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(s->p[i]);
        if (digit < 0)
            return false;
        v = v << 4 | (uint32_t)digit;
    }
    s->p += 4;
    *ret = v;
    return true;
}

/* Behind "\u". */
static enum status parse_unicode(struct parser *s, char **to)
{
    uint32_t code, low;
    if (!parse_hex4(s, &code))
        return refuse(s, "\\u needs four hexadecimal digits");
    if (code == 0)
        return refuse(s, "\\u0000 cannot be converted to text");
    if (code >= 0xdc00 && code <= 0xdfff)
        return refuse(s, "a low surrogate without a high one");
    if (code >= 0xd800 && code <= 0xdbff) {
        if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
            return refuse(s, "a high surrogate without a low one");
        s->p += 2;
        if (!parse_hex4(s, &low) || low < 0xdc00 || low > 0xdfff)
            return refuse(s, "a high surrogate without a low one");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *to += utf8_put(code, *to);
    return OK;
}

static enum status parse_escape(struct parser *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (s->p == s->end)
        return refuse(s, "a string without its end");
    char c = *s->p++;
    if (c == 'u')
        return parse_unicode(s, to);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return refuse(s, "an unknown escape");
    *(*to)++ = into[found - from];
    return OK;
}

/* A string at its opening quote, decoded. */
static enum status parse_string(struct parser *s, struct slice *ret)
{
    const char *first = ++s->p, *close = first;
    while (close < s->end && *close != '"')
        close += 1 + (*close == '\\');
    if (close >= s->end)
        return refuse(s, "a string without its end");
    /* No escape is longer decoded than written. */
    char *copy = arena_alloc(s->a, (size_t)(close - first)), *to = copy;
    while (s->p < close) {
        unsigned char c = (unsigned char)*s->p;
        if (c < 0x20)
            return refuse(s, "a control character inside a string");
        unsigned n = utf8_char(s->p, close);
        if (n == 0)
            return refuse(s, "bytes that are not UTF-8");
        if (c == '\\') {
            s->p++;
            TRY(parse_escape(s, &to));
            continue;
        }
        memcpy(to, s->p, n);
        to += n;
        s->p += n;
    }
    s->p = close + 1;
    *ret = (struct slice){copy, (size_t)(to - copy)};
    return OK;
}

/* A number as its text has it: `digits` are those before and after the point, put together. */
struct number {
    const char *digits; /* without leading zeros */
    int64_t count;
    int64_t scale; /* digits after the point; negative: zeros to add before it */
    bool negative;
};

/* Number to PostgreSQL's numeric text: no exponent, the scale kept. */
static enum status print_number(struct parser *s, const struct number *n, struct slice *ret)
{
    int64_t after = MAX(n->scale, 0), before = MAX(n->count - n->scale, 1);
    if (before > DIGITS_BEFORE || after > DIGITS_AFTER)
        return refuse(s, "a number that overflows the numeric format");
    size_t len = (size_t)(n->negative + before + after + (after > 0));
    if (len > s->max)
        return error_set(s->err, ERR_LIMIT, "a jsonb value is longer than the %zu bytes allowed for it", s->max);
    char *out = arena_alloc(s->a, len), *p = out;
    if (n->negative)
        *p++ = '-';
    /* Position i counts from the left of the printed digits; the number's own digits end `scale` after the point. */
    int64_t lead = before + n->scale - n->count; /* zeros before the first digit */
    for (int64_t i = 0; i < before + after; i++) {
        if (i == before)
            *p++ = '.';
        int64_t at = i - lead;
        *p++ = at >= 0 && at < n->count ? n->digits[at] : '0';
    }
    *ret = (struct slice){out, (size_t)(p - out)};
    return OK;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

/* "e[+-]digits" at s->p, if it is there. */
static bool parse_exponent(struct parser *s, int64_t *ret)
{
    *ret = 0;
    if (s->p == s->end || (*s->p | 0x20) != 'e')
        return true;
    s->p++;
    bool negative = s->p < s->end && *s->p == '-';
    if (s->p < s->end && (*s->p == '-' || *s->p == '+'))
        s->p++;
    const char *first = s->p;
    s->p = skip_digits(first, s->end);
    int64_t v = 0;
    for (const char *p = first; p < s->p; p++)
        v = MIN(v * 10 + (*p - '0'), INT64_C(1000000));
    *ret = negative ? -v : v;
    return s->p > first;
}

static enum status parse_number(struct parser *s, struct slice *ret)
{
    struct number n = {.negative = *s->p == '-'};
    s->p += n.negative;
    const char *whole = s->p, *fraction = NULL, *fraction_end = NULL;
    s->p = skip_digits(whole, s->end);
    const char *whole_end = s->p;
    if (whole_end == whole || (whole_end - whole > 1 && *whole == '0'))
        return refuse(s, "an invalid number");
    if (s->p < s->end && *s->p == '.') {
        fraction = s->p + 1;
        fraction_end = s->p = skip_digits(fraction, s->end);
        if (fraction_end == fraction)
            return refuse(s, "an invalid number");
        n.scale = fraction_end - fraction;
    }
    int64_t exponent;
    if (!parse_exponent(s, &exponent))
        return refuse(s, "an invalid number");
    n.scale -= exponent;
    size_t whole_len = (size_t)(whole_end - whole), fraction_len = (size_t)(fraction_end - fraction);
    char *digits = arena_alloc(s->a, whole_len + fraction_len);
    memcpy(digits, whole, whole_len);
    if (fraction_len)
        memcpy(digits + whole_len, fraction, fraction_len);
    n.digits = digits;
    n.count = (int64_t)(whole_len + fraction_len);
    for (; n.count && *n.digits == '0'; n.count--)
        n.digits++;
    if (n.count == 0) { /* zero has no sign, and an exponent cannot make it long */
        n.negative = false;
        n.scale = MAX(n.scale, 0);
    }
    return print_number(s, &n, ret);
}

static enum status parse_value(struct parser *s, struct node **ret);

/* The children of an array or an object behind its opening bracket. */
static enum status parse_children(struct parser *s, struct node *parent, char closing)
{
    struct node **last = &parent->first;
    if (take(s, closing))
        return OK;
    do {
        struct slice key = {0};
        skip_blanks(s);
        if (parent->kind == OBJECT) {
            if (s->p == s->end || *s->p != '"')
                return refuse(s, "a key was expected");
            TRY(parse_string(s, &key));
            if (!take(s, ':'))
                return refuse(s, "\":\" was expected");
        }
        TRY(parse_value(s, last));
        (*last)->key = key;
        last = &(*last)->next;
        parent->count++;
    } while (take(s, ','));
    return take(s, closing) ? OK : refuse(s, parent->kind == OBJECT ? "\",\" or \"}\" was expected"
                                                                    : "\",\" or \"]\" was expected");
}

static bool take_word(struct parser *s, const char *word, struct slice *ret)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return false;
    *ret = (struct slice){word, len};
    s->p += len;
    return true;
}

static enum status parse_value(struct parser *s, struct node **ret)
{
    struct node *n = arena_zalloc(s->a, sizeof *n);
    skip_blanks(s);
    if (s->p == s->end)
        return refuse(s, "the text ended early");
    char c = *s->p;
    if (c == '{' || c == '[') {
        n->kind = c == '{' ? OBJECT : ARRAY;
        if (++s->depth > JSONB_DEPTH)
            return error_set(s->err, ERR_LIMIT, "json is nested deeper than %d levels", JSONB_DEPTH);
        s->p++;
        TRY(parse_children(s, n, c == '{' ? '}' : ']'));
        s->depth--;
    } else if (c == '"') {
        n->kind = STRING;
        TRY(parse_string(s, &n->text));
    } else if (c == '-' || is_digit(c)) {
        TRY(parse_number(s, &n->text));
    } else if (!take_word(s, "true", &n->text) && !take_word(s, "false", &n->text) &&
               !take_word(s, "null", &n->text)) {
        return refuse(s, "a value was expected");
    }
    *ret = n;
    return OK;
}

/* ---- writing ---- */

void jsonb_put_string(struct buf *out, struct slice s)
{
    static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    buf_putc(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        const char *found = c ? strchr(from, c) : NULL;
        buf_put(out, s.data + start, i - start);
        if (found)
            buf_put(out, (char[]){'\\', into[found - from]}, 2);
        else
            buf_printf(out, "\\u%04x", c);
        start = i + 1;
    }
    buf_put(out, s.data + start, s.len - start);
    buf_putc(out, '"');
}

struct member {
    const struct node *node;
    uint32_t position;
};

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    struct slice k = x->node->key, l = y->node->key;
    if (k.len != l.len)
        return k.len < l.len ? -1 : 1;
    int order = k.len ? memcmp(k.data, l.data, k.len) : 0;
    return order ? order : (x->position > y->position) - (x->position < y->position);
}

static void put_node(struct buf *out, const struct node *n, struct arena *a);

static void put_object(struct buf *out, const struct node *n, struct arena *a)
{
    struct member *members = arena_array(a, n->count, sizeof *members);
    uint32_t count = 0;
    for (const struct node *c = n->first; c; c = c->next, count++)
        members[count] = (struct member){c, count};
    qsort(members, count, sizeof *members, by_key);
    buf_putc(out, '{');
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && slice_equal(members[i].node->key, members[i + 1].node->key))
            continue; /* the last of equal keys wins */
        if (any)
            buf_puts(out, ", ");
        jsonb_put_string(out, members[i].node->key);
        buf_puts(out, ": ");
        put_node(out, members[i].node, a);
        any = true;
    }
    buf_putc(out, '}');
}

static void put_node(struct buf *out, const struct node *n, struct arena *a)
{
    switch (n->kind) {
    case PLAIN: buf_put_slice(out, n->text); break;
    case STRING: jsonb_put_string(out, n->text); break;
    case OBJECT: put_object(out, n, a); break;
    case ARRAY:
        buf_putc(out, '[');
        for (const struct node *c = n->first; c; c = c->next) {
            put_node(out, c, a);
            if (c->next)
                buf_puts(out, ", ");
        }
        buf_putc(out, ']');
    }
}

enum status jsonb_normalise(struct slice json, size_t max, struct arena *a, struct slice *ret, struct error *err)
{
    AUTO(arena) tree = {0};
    AUTO(buf) out = BUF(MAX(max, (size_t)1));
    struct parser s = {json.data, json.data, json.data + json.len, &tree, err, max, 0};
    struct node *root;
    TRY(parse_value(&s, &root));
    skip_blanks(&s);
    if (s.p < s.end)
        return refuse(&s, "something follows the value");
    put_node(&out, root, &tree);
    if (out.overflow)
        return error_set(err, ERR_LIMIT, "a jsonb value is longer than the %zu bytes allowed for it", max);
    *ret = (struct slice){arena_dup(a, out.data, out.len), out.len};
    return OK;
}

/* ---- reading normal form ---- */

/* Behind the string that starts at p. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\';
    return p < end ? p + 1 : end;
}

/* Behind the value that starts at p. */
static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else {
            while (p < end && !strchr(",:{}[]\"", *p))
                p++;
        }
        if (depth == 0)
            return p;
        while (p < end && (*p == ',' || *p == ':' || *p == ' '))
            p++;
    }
    return end;
}

struct jsonb_walk jsonb_walk(struct slice doc)
{
    bool container = doc.len && (doc.data[0] == '{' || doc.data[0] == '[');
    return (struct jsonb_walk){doc.data + container, container ? doc.data + doc.len : doc.data,
                               container && doc.data[0] == '{'};
}

bool jsonb_next(struct jsonb_walk *w, struct slice *ret_key, struct slice *ret_value)
{
    const char *p = w->at;
    if (p >= w->end || *p == ']' || *p == '}')
        return false;
    if (w->object) {
        const char *key_end = skip_string(p, w->end);
        *ret_key = (struct slice){p, (size_t)(key_end - p)};
        p = key_end + 2; /* ": " */
    }
    const char *value_end = skip_value(p, w->end);
    *ret_value = (struct slice){p, (size_t)(value_end - p)};
    w->at = value_end < w->end && *value_end == ',' ? value_end + 2 : value_end;
    return true;
}

bool jsonb_field(struct slice doc, struct slice key, struct slice *ret)
{
    if (doc.len < 2 || doc.data[0] != '{')
        return false;
    /* Compared in printed form, which is one to one. */
    AUTO(buf) want = BUF(key.len * 6 + 2);
    jsonb_put_string(&want, key);
    struct jsonb_walk w = jsonb_walk(doc);
    for (struct slice name, value; jsonb_next(&w, &name, &value);)
        if (slice_equal(name, buf_slice(&want))) {
            *ret = value;
            return true;
        }
    return false;
}

bool jsonb_element(struct slice doc, int64_t index, struct slice *ret)
{
    if (doc.len == 0 || doc.data[0] == '{')
        return false;
    if (doc.data[0] != '[') { /* PostgreSQL holds a scalar as an array of one */
        if (index != 0 && index != -1)
            return false;
        *ret = doc;
        return true;
    }
    struct slice value, none;
    struct jsonb_walk w = jsonb_walk(doc);
    if (index < 0) {
        int64_t count = 0;
        while (jsonb_next(&w, &none, &value))
            count++;
        index += count;
        w = jsonb_walk(doc);
    }
    for (int64_t i = 0; index >= 0 && jsonb_next(&w, &none, &value); i++)
        if (i == index) {
            *ret = value;
            return true;
        }
    return false;
}

bool jsonb_text(struct slice value, struct arena *a, struct slice *ret)
{
    if (slice_is(value, "null"))
        return false;
    if (value.len < 2 || value.data[0] != '"') {
        *ret = value;
        return true;
    }
    struct error ignored;
    struct parser s = {value.data, value.data, value.data + value.len, a, &ignored, value.len, 0};
    return parse_string(&s, ret) == OK;
}
