#include "column/array.h"

#include <strings.h>

#include "base/ascii.h"
#include "column/decimal.h"

static const uint32_t HAS_NULL = UINT32_C(1) << 31;
static const char zeros[16]; /* as wide as an element can be */

/* ---- bytes ---- */

uint32_t array_count(struct slice bytes) { return bytes.len ? load_u32(bytes.data) & ~HAS_NULL : 0; }

struct column array_open(struct slice bytes, struct type array, struct arena *a, uint32_t *ret_n)
{
    uint32_t n = array_count(bytes);
    struct type type = type_element(array);
    struct column c = {.type = type};
    *ret_n = n;
    if (n == 0) { /* there may be no bytes at all */
        c.data = arena_alloc(a, 0);
        return c;
    }
    const char *p = bytes.data + sizeof n;
    if (load_u32(bytes.data) & HAS_NULL) {
        c.valid = arena_zarray(a, BITMAP_WORDS(n), sizeof *c.valid);
        memcpy(c.valid, p, (n + 7) / 8);
        p += (n + 7) / 8;
    }
    if (!type_is_view(type)) {
        c.data = arena_dup(a, p, n * type_width(type));
        return c;
    }
    struct view *views = arena_array(a, n, sizeof *views);
    const char *text = p + n * sizeof n;
    for (uint32_t i = 0; i < n; i++, p += sizeof n) {
        uint32_t len = load_u32(p);
        views[i] = view_of(text, len);
        text += len;
    }
    c.data = views;
    return c;
}

static void put_valid(struct buf *out, const struct column *c, uint32_t from, uint32_t n)
{
    for (uint32_t base = 0; base < n; base += 8) {
        uint8_t byte = 0;
        for (uint32_t i = base; i < MIN(base + 8, n); i++)
            byte |= (uint8_t)(!column_is_null(c, from + i) << (i - base));
        buf_put_u8(out, byte);
    }
}

void array_put(struct buf *out, const struct column *c, uint32_t from, uint32_t n)
{
    size_t width = type_width(c->type);
    bool nulls = false;
    for (uint32_t i = 0; i < n && !nulls; i++)
        nulls = column_is_null(c, from + i);
    buf_put_u32(out, nulls ? n | HAS_NULL : n);
    if (nulls)
        put_valid(out, c, from, n);
    if (!type_is_view(c->type)) {
        for (uint32_t i = from; i < from + n; i++)
            buf_put(out, column_is_null(c, i) ? zeros : (const char *)c->data + i * width, width);
        return;
    }
    for (uint32_t i = from; i < from + n; i++)
        buf_put_u32(out, column_is_null(c, i) ? 0 : column_view(c, i)->len);
    for (uint32_t i = from; i < from + n; i++)
        if (!column_is_null(c, i))
            buf_put_slice(out, view_slice(column_view(c, i)));
}

/* Values that would make a kernel's arithmetic undefined, or a NULL that is none. */
static bool is_sound(const struct column *c, uint32_t i)
{
    size_t width = type_width(c->type);
    if (column_is_null(c, i))
        return memcmp((const char *)c->data + i * width, zeros, width) == 0;
    if (c->type.id == TYPE_BOOL)
        return ((const uint8_t *)c->data)[i] <= 1;
    return c->type.id != TYPE_NUMERIC || decimal_fits(column_numeric(c, i), c->type.precision);
}

bool array_check(struct slice bytes, struct type array)
{
    AUTO(arena) scratch = {0};
    struct reader in = reader_of(bytes);
    struct type type = type_element(array);
    const char *valid = NULL, *values;
    uint32_t head, n, len;
    if (bytes.len > ARRAY_MAX_BYTES || !reader_u32(&in, &head))
        return false;
    n = head & ~HAS_NULL;
    if (head & HAS_NULL && !reader_bytes(&in, ((size_t)n + 7) / 8, &valid))
        return false;
    if (valid && n % 8 && (uint8_t)valid[n / 8] >> n % 8)
        return false;
    if (!reader_bytes(&in, n * (type_is_view(type) ? sizeof len : type_width(type)), &values))
        return false;
    uint64_t total = 0;
    for (uint32_t i = 0; type_is_view(type) && i < n; i++)
        total += load_u32(values + i * sizeof len);
    if (reader_left(&in) != total)
        return false;
    struct column c = array_open(bytes, array, &scratch, &n);
    for (uint32_t i = 0; i < n; i++)
        if (!is_sound(&c, i))
            return false;
    return true;
}

int array_order(struct slice x, struct slice y, struct type array)
{
    AUTO(arena) scratch = {0};
    uint32_t n, m;
    struct column c = array_open(x, array, &scratch, &n), d = array_open(y, array, &scratch, &m);
    for (uint32_t i = 0; i < MIN(n, m); i++) {
        bool null = column_is_null(&c, i), other = column_is_null(&d, i);
        int order = null || other ? null - other : column_order(&c, i, &d, i);
        if (order)
            return order;
    }
    return (n > m) - (n < m);
}

/* ---- text ---- */

static bool is_null_word(struct slice s) { return s.len == 4 && strncasecmp(s.data, "null", 4) == 0; }

static bool needs_quotes(struct slice s)
{
    if (s.len == 0 || is_null_word(s))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (memchr("\"\\{},", s.data[i], 5) || is_blank(s.data[i]))
            return true;
    return false;
}

static void put_element(struct buf *out, struct slice s)
{
    if (!needs_quotes(s)) {
        buf_put_slice(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, s.data[i]);
    }
    buf_putc(out, '"');
}

void array_print(struct slice bytes, struct type array, struct buf *out)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) text = BUF(GIB(1));
    uint32_t n;
    struct column c = array_open(bytes, array, &scratch, &n);
    buf_putc(out, '{');
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        buf_clear(&text);
        if (column_print(&c, i, &text))
            put_element(out, buf_slice(&text));
        else
            buf_puts(out, "NULL");
    }
    buf_putc(out, '}');
}

struct splitting {
    const char *p, *end;
    struct slice whole;
    struct error *err;
};

static enum status malformed(const struct splitting *s)
{
    (void)error_set(s->err, ERR_SQL, "malformed array literal: \"%.*s\"", (int)MIN(s->whole.len, (size_t)100),
                    s->whole.data);
    return error_hint(s->err, "an array is written as {1,2,NULL} or {\"a b\",c}");
}

static enum status refuse(const struct splitting *s, const char *what, const char *hint)
{
    (void)error_set(s->err, ERR_UNSUPPORTED, "%s not supported: \"%.*s\"", what, (int)MIN(s->whole.len, (size_t)100),
                    s->whole.data);
    return error_hint(s->err, "%s", hint);
}

static void skip_blanks(struct splitting *s)
{
    while (s->p < s->end && is_blank(*s->p))
        s->p++;
}

/* One element, up to the comma or brace behind it, its text built at `to`; ret->data NULL: NULL. */
static enum status take_element(struct splitting *s, char *to, struct slice *ret)
{
    char *start = to, *last = to; /* behind the last character that is no blank to be trimmed */
    bool plain = true;
    skip_blanks(s);
    if (s->p < s->end && *s->p == '{')
        return refuse(s, "arrays of more than one dimension are", "keep the nested value as jsonb");
    if (s->p < s->end && *s->p == '"') {
        for (s->p++; s->p < s->end && *s->p != '"'; *to++ = *s->p++)
            if (*s->p == '\\' && ++s->p == s->end)
                return malformed(s);
        if (s->p == s->end)
            return malformed(s);
        s->p++;
        *ret = (struct slice){start, (size_t)(to - start)};
        skip_blanks(s);
        return OK;
    }
    for (; s->p < s->end && *s->p != ',' && *s->p != '}'; s->p++) {
        if (*s->p == '"' || *s->p == '{' || (*s->p == '\\' && s->p + 1 == s->end))
            return malformed(s);
        bool escaped = *s->p == '\\';
        plain &= !escaped;
        s->p += escaped;
        *to++ = *s->p;
        if (escaped || !is_blank(*s->p))
            last = to;
    }
    *ret = (struct slice){start, (size_t)(last - start)};
    if (ret->len == 0)
        return malformed(s);
    if (plain && is_null_word(*ret))
        *ret = (struct slice){0};
    return OK;
}

enum status array_split(struct slice text, struct arena *a, struct column *ret, uint32_t *ret_n, struct error *err)
{
    struct splitting s = {text.data, text.data + text.len, text, err};
    skip_blanks(&s);
    if (s.p < s.end && *s.p == '[')
        return refuse(&s, "arrays with bounds of their own are", "leave the bounds out: they begin at 1");
    if (s.p == s.end || *s.p++ != '{')
        return malformed(&s);
    uint32_t n = 0, cap = 1;
    for (size_t i = 0; i < text.len; i++)
        cap += text.data[i] == ',';
    struct column c = column_make(a, TYPE(TYPE_TEXT), cap, true);
    char *to = arena_alloc(a, text.len);
    skip_blanks(&s);
    bool more = s.p == s.end || *s.p != '}';
    while (more) {
        struct slice element = {0};
        TRY(take_element(&s, to, &element));
        if (element.data) {
            ((struct view *)c.data)[n] = view_of(element.data, element.len);
            bit_set(c.valid, n);
            to += element.len;
        }
        n++;
        more = s.p < s.end && *s.p == ',';
        s.p += more;
    }
    if (s.p == s.end || *s.p++ != '}')
        return malformed(&s);
    skip_blanks(&s);
    if (s.p != s.end)
        return malformed(&s);
    *ret = c;
    *ret_n = n;
    return OK;
}
