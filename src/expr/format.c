/* format(): a text with places for arguments; names as SQL writes them, and read again; Unicode escapes. */
#include <limits.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "expr/array.h"
#include "expr/text.h"
#include "expr/utf8.h"

/* Words that are no names without quotes: all but PostgreSQL's unreserved ones, in bytewise order. */
static const char *const keywords[] = {
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint",
    "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate",
    "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date",
    "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default",
    "deferrable", "desc", "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float",
    "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in",
    "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "lateral",
    "leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "national", "natural", "nchar", "none",
    "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer",
    "overlaps", "overlay", "placing", "position", "precision", "primary", "real", "references", "returning", "right",
    "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "table",
    "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user",
    "using", "values", "varchar", "variadic", "verbose", "when", "where", "window", "with", "xmlattributes",
    "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
    "xmlserialize", "xmltable",
};

static int compare_word(const void *key, const void *item)
{
    return slice_compare(*(const struct slice *)key, slice_of(*(const char *const *)item));
}

static bool is_plain_name(struct slice s)
{
    bool plain = s.len && ((s.data[0] >= 'a' && s.data[0] <= 'z') || s.data[0] == '_');
    for (size_t i = 0; i < s.len && plain; i++) {
        char ch = s.data[i];
        plain = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_';
    }
    return plain && !bsearch(&s, keywords, ARRAY_LEN(keywords), sizeof *keywords, compare_word);
}

static void put_name(struct buf *out, struct slice s)
{
    if (is_plain_name(s)) {
        buf_put_slice(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '"')
            buf_putc(out, '"');
        buf_putc(out, s.data[i]);
    }
    buf_putc(out, '"');
}

void text_put_literal(struct buf *out, struct slice s)
{
    if (s.len && memchr(s.data, '\\', s.len))
        buf_putc(out, 'E');
    buf_putc(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\'' || s.data[i] == '\\')
            buf_putc(out, s.data[i]);
        buf_putc(out, s.data[i]);
    }
    buf_putc(out, '\'');
}

void text_quote_ident(struct call *c)
{
    AUTO(buf) out = BUF(TEXT_LONGEST);
    CALL_ROWS(c, r) {
        buf_clear(&out);
        put_name(&out, arg_text(c, 0, r));
        text_give(c, r, &out);
    }
}

/* ---- parse_ident() ---- */

static bool begins_name(char ch) { return is_letter(ch) || ch == '_' || (unsigned char)ch >= 0x80; }
static bool continues_name(char ch) { return begins_name(ch) || is_digit(ch) || ch == '$'; }

static void skip_blanks(const char **p, const char *end)
{
    while (*p < end && (is_json_blank(**p) || **p == '\f'))
        (*p)++;
}

/* The name at *p, unquoted or folded to lower case. false: there is none. */
static bool take_name(const char **p, const char *end, struct arena *a, struct slice *ret)
{
    const char *s = *p;
    bool quoted = s < end && *s == '"', closed = false;
    char *name = arena_alloc(a, (size_t)(end - s) + 1);
    size_t n = 0;
    if (!quoted && (s == end || !begins_name(*s)))
        return false;
    for (s += quoted; s < end && !closed && (quoted || continues_name(*s)); s++) {
        bool doubled = quoted && *s == '"' && s + 1 < end && s[1] == '"';
        closed = quoted && *s == '"' && !doubled;
        s += doubled;
        if (!closed)
            name[n++] = quoted ? *s : to_lower(*s);
    }
    *p = s;
    *ret = (struct slice){name, n};
    return quoted ? closed && n > 0 : true;
}

/* Names with dots between them, and, unless strict, anything behind. */
static bool take_names(struct slice text, bool strict, struct arena *a, struct elements *names)
{
    const char *p = text.data, *end = text.data + text.len;
    for (;; p++) { /* past the dot */
        struct slice name;
        skip_blanks(&p, end);
        if (!take_name(&p, end, a, &name))
            return false;
        elements_add_text(names, name);
        skip_blanks(&p, end);
        if (p == end || *p != '.')
            return p == end || !strict;
    }
}

void text_parse_ident(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct slice text = arg_text(c, 0, r);
        struct elements names = elements_of(TYPE(TYPE_TEXT), &scratch);
        if (take_names(text, c->nargs < 2 || ARG(c, 1, uint8_t, r), &scratch, &names))
            elements_give(&names, c, r);
        else
            call_fail(c, r, "22023", "string is not a valid identifier: \"%.*s\"", (int)MIN(text.len, (size_t)100),
                      text.data);
        arena_reset(&scratch);
    }
}

/* ---- unistr() ---- */

enum { HIGH_SURROGATES = 0xd800, LOW_SURROGATES = 0xdc00, SURROGATES_END = 0xe000, CODES_END = 0x110000 };

/* The code of \XXXX, \uXXXX, \+XXXXXX or \UXXXXXXXX at *p, behind the backslash. */
static bool take_code(const char **p, const char *end, uint32_t *ret)
{
    const char *s = *p;
    char kind = s < end ? *s : 0;
    int digits = kind == 'U' ? 8 : kind == '+' ? 6 : 4, value;
    uint32_t code = 0;
    for (s += kind == 'U' || kind == '+' || kind == 'u'; digits > 0; digits--, s++) {
        if (s == end || (value = hex_value(*s)) < 0)
            return false;
        code = code << 4 | (uint32_t)value;
    }
    *p = s;
    *ret = code;
    return true;
}

/* NULL, or what is wrong with it. */
static const char *put_code(struct buf *out, uint32_t code, uint32_t *high)
{
    char bytes[4];
    bool low = code >= LOW_SURROGATES && code < SURROGATES_END;
    if (low != (*high != 0))
        return "invalid Unicode surrogate pair";
    if (code >= HIGH_SURROGATES && code < LOW_SURROGATES) {
        *high = code;
        return NULL;
    }
    if (low)
        code = 0x10000 + ((*high - HIGH_SURROGATES) << 10) + (code - LOW_SURROGATES);
    *high = 0;
    buf_put(out, bytes, utf8_put(code, bytes));
    return NULL;
}

static void unistr(struct call *c, uint32_t row, struct buf *out)
{
    struct slice text = arg_text(c, 0, row);
    const char *end = text.data + text.len, *problem = NULL;
    uint32_t high = 0, code;
    for (const char *p = text.data; p < end && !problem;) {
        bool escape = *p == '\\' && !(p + 1 < end && p[1] == '\\');
        if (!escape && high) {
            problem = "invalid Unicode surrogate pair";
        } else if (!escape) {
            buf_putc(out, *p);
            p += *p == '\\' ? 2 : 1;
        } else if (p++, !take_code(&p, end, &code)) {
            problem = "invalid Unicode escape";
        } else if (code == 0 || code >= CODES_END) {
            call_fail(c, row, "22023", "invalid Unicode code point: %04X", code);
            return;
        } else {
            problem = put_code(out, code, &high);
        }
    }
    if (problem || high)
        call_fail(c, row, "42601", "%s", problem ? problem : "invalid Unicode surrogate pair");
    else
        text_give(c, row, out);
}

void text_unistr(struct call *c)
{
    AUTO(buf) out = BUF(TEXT_LONGEST);
    CALL_ROWS(c, r) {
        buf_clear(&out);
        unistr(c, r, &out);
    }
}

/* ---- format() ---- */

/* A template being read, in one row. */
struct formatting {
    struct call *c;
    uint32_t row;
    const char *p, *end;
    uint32_t arg; /* the last one that was taken; 0: none */
    struct buf *out;
    bool failed;
};

/* What is between % and the letter. */
struct directive {
    int32_t arg; /* 0: the next one */
    bool left;
    int64_t width;
};

static bool fail(struct formatting *f, const char *sqlstate, const char *text)
{
    call_fail(f->c, f->row, sqlstate, "%s", text);
    f->failed = true;
    return false;
}

static bool more(struct formatting *f)
{
    return f->p < f->end || fail(f, "22023", "unterminated format() type specifier");
}

/* false: there are none, or they fail. */
static bool take_digits(struct formatting *f, int32_t *ret)
{
    int64_t n = 0;
    const char *from = f->p;
    for (; f->p < f->end && *f->p >= '0' && *f->p <= '9'; f->p++) {
        n = n * 10 + (*f->p - '0');
        if (n > INT32_MAX)
            return fail(f, "22003", "number is out of range");
    }
    if (f->p == from)
        return false;
    *ret = (int32_t)n;
    return more(f);
}

static bool take_argument(struct formatting *f, int32_t position)
{
    f->arg = position ? (uint32_t)position : f->arg + 1;
    return f->arg < f->c->nargs || fail(f, "22023", "too few arguments for format()");
}

#define FROM_ONE "format specifies argument 0, but arguments are numbered from 1"

/* The width comes from an argument: *, or *n$. */
static bool take_star(struct formatting *f, struct directive *at)
{
    int32_t position = 0;
    f->p++;
    if (!more(f))
        return false;
    if (take_digits(f, &position)) {
        if (*f->p != '$')
            return fail(f, "22023", "width argument position must be ended by \"$\"");
        if (position == 0)
            return fail(f, "22023", FROM_ONE);
        f->p++;
        if (!more(f))
            return false;
    }
    if (f->failed || !take_argument(f, position))
        return false;
    if (arg_is_null(f->c, f->arg, f->row))
        return true;
    struct slice text = arg_text(f->c, f->arg, f->row);
    if (!option_parse_int(arena_strndup(f->c->arena, text.data, text.len), &at->width)) {
        call_fail(f->c, f->row, "22P02", "invalid input syntax for type integer: \"%.*s\"", (int)text.len, text.data);
        f->failed = true;
    } else if (at->width <= INT32_MIN || at->width > INT32_MAX)
        return fail(f, "22003", "number is out of range");
    return !f->failed;
}

static bool take_place(struct formatting *f, struct directive *at)
{
    int32_t n;
    if (!more(f))
        return false;
    if (take_digits(f, &n)) {
        if (*f->p != '$') { /* a width, and nothing else */
            at->width = n;
            return true;
        }
        if (n == 0)
            return fail(f, "22023", FROM_ONE);
        at->arg = n;
        f->p++;
        if (!more(f))
            return false;
    }
    for (; !f->failed && *f->p == '-'; at->left = true) {
        f->p++;
        if (!more(f))
            return false;
    }
    if (f->failed)
        return false;
    if (*f->p == '*')
        return take_star(f, at);
    if (take_digits(f, &n))
        at->width = n;
    return !f->failed;
}

static void put_padded(struct formatting *f, const struct directive *at, struct slice text)
{
    bool left = at->left || at->width < 0;
    int64_t width = at->width < 0 ? -at->width : at->width, missing = width - utf8_count(text);
    for (int64_t i = 0; i < missing && !left && !f->out->overflow; i++)
        buf_putc(f->out, ' ');
    buf_put_slice(f->out, text);
    for (int64_t i = 0; i < missing && left && !f->out->overflow; i++)
        buf_putc(f->out, ' ');
}

static bool put_place(struct formatting *f, struct buf *word)
{
    struct directive at = {0};
    if (!take_place(f, &at))
        return false;
    char letter = *f->p;
    if (letter != 's' && letter != 'I' && letter != 'L') {
        call_fail(f->c, f->row, "22023", "unrecognized format() type specifier \"%.*s\"",
                  (int)(utf8_next(f->p, f->end) - f->p), f->p);
        return false;
    }
    f->p++;
    if (!take_argument(f, at.arg))
        return false;
    bool null = arg_is_null(f->c, f->arg, f->row);
    struct slice text = null ? SLICE("") : arg_text(f->c, f->arg, f->row);
    if (null && letter == 'I')
        return fail(f, "22004", "null values cannot be formatted as an SQL identifier");
    buf_clear(word);
    if (letter == 'I')
        put_name(word, text);
    else if (letter == 'L' && !null)
        text_put_literal(word, text);
    else
        buf_put_slice(word, null && letter == 'L' ? SLICE("NULL") : text);
    put_padded(f, &at, buf_slice(word));
    return true;
}

void text_format(struct call *c)
{
    AUTO(buf) out = BUF(TEXT_LONGEST), word = BUF(TEXT_LONGEST);
    CALL_ROWS(c, r) {
        if (arg_is_null(c, 0, r)) {
            call_null(c, r);
            continue;
        }
        struct slice template = arg_text(c, 0, r);
        struct formatting f = {.c = c, .row = r, .p = template.data, .end = template.data + template.len, .out = &out};
        bool good = true;
        buf_clear(&out);
        while (good && f.p < f.end) {
            if (*f.p != '%') {
                buf_putc(&out, *f.p++);
                continue;
            }
            f.p++;
            if (f.p < f.end && *f.p == '%')
                buf_putc(&out, *f.p++);
            else
                good = put_place(&f, &word);
        }
        if (good)
            text_give(c, r, &out);
    }
}

void text_give(struct call *c, uint32_t row, const struct buf *out)
{
    if (out->overflow)
        call_fail(c, row, "54000", "requested length too large");
    else
        call_text(c, row, out->len ? out->data : "", out->len);
}
