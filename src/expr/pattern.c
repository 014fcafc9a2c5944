/* LIKE and ILIKE. A pattern is a list of pieces between '%': each piece is matched by its first fit, which is right
 * because '%' takes anything, and makes matching at worst (text x pattern), without recursion.
 */
#include "base/ascii.h"
#include "expr/array.h"

struct piece {
    const char *bytes; /* literal bytes, escapes removed */
    const bool *any;   /* any[i]: bytes[i] stands for one character, whatever it is ('_') */
    uint32_t n;
};

struct pattern {
    struct piece *pieces;
    uint32_t n;
    bool open_start, open_end; /* begins, ends with '%' */
    bool plain;                /* no '_' anywhere */
    bool fold;                 /* ILIKE: ASCII letters match either case */
    bool broken;               /* ends in a lone escape character: an error for texts that get that far */
};

/* ---- compiling ---- */

static bool ends_in_escape(struct slice text)
{
    size_t i = 0;
    while (i < text.len)
        i += text.data[i] == '\\' ? 2 : 1;
    return i > text.len;
}

static struct pattern *compile(struct arena *a, struct slice text, bool fold)
{
    bool broken = ends_in_escape(text);
    if (broken) {
        /* It is reached by a text that has a character left there. */
        char *reached = arena_alloc(a, text.len + 1);
        memcpy(reached, text.data, text.len - 1);
        memcpy(reached + text.len - 1, "_%", 2);
        text = (struct slice){reached, text.len + 1};
    }
    struct pattern *p = arena_zalloc(a, sizeof *p);
    p->pieces = arena_array(a, text.len + 1, sizeof *p->pieces);
    p->fold = fold;
    p->plain = true;
    p->broken = broken;
    char *bytes = arena_alloc(a, text.len + 1);
    bool *any = arena_zalloc(a, text.len + 1);
    uint32_t used = 0, start = 0;
    p->open_start = text.len && text.data[0] == '%';
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.data[i];
        p->open_end = ch == '%';
        if (ch == '%') {
            if (used > start || (i > 0 && p->n == 0 && !p->open_start))
                p->pieces[p->n++] = (struct piece){bytes + start, any + start, used - start};
            start = used;
            continue;
        }
        i += ch == '\\';
        any[used] = ch == '_';
        p->plain &= ch != '_';
        bytes[used++] = fold ? to_lower(text.data[i]) : text.data[i];
    }
    if (!p->open_end)
        p->pieces[p->n++] = (struct piece){bytes + start, any + start, used - start};
    return p;
}

/* ---- matching ---- */

static size_t char_length(const char *s, const char *end)
{
    const char *p = s + 1;
    while (p < end && ((unsigned char)*p & 0xc0) == 0x80)
        p++;
    return (size_t)(p - s);
}

/* Where the piece ends if it matches at s, else NULL. */
static const char *match_here(const struct pattern *p, const struct piece *piece, const char *s, const char *end)
{
    if (p->plain && !p->fold)
        return (size_t)(end - s) >= piece->n && (piece->n == 0 || memcmp(s, piece->bytes, piece->n) == 0)
                   ? s + piece->n : NULL;
    for (uint32_t i = 0; i < piece->n; i++) {
        if (s == end)
            return NULL;
        if (piece->any[i])
            s += char_length(s, end);
        else if ((p->fold ? to_lower(*s) : *s) != piece->bytes[i])
            return NULL;
        else
            s++;
    }
    return s;
}

static const char *find(const struct pattern *p, const struct piece *piece, const char *s, const char *end)
{
    if (p->plain && !p->fold) {
        const char *hit = memmem(s, (size_t)(end - s), piece->bytes, piece->n);
        return hit ? hit + piece->n : NULL;
    }
    for (;;) {
        const char *after = match_here(p, piece, s, end);
        if (after || s == end)
            return after;
        s += char_length(s, end);
    }
}

/* The last piece must end where the text ends: tried at every start from s on. */
static bool match_end(const struct pattern *p, const struct piece *piece, const char *s, const char *end)
{
    if (p->plain)
        return (size_t)(end - s) >= piece->n && match_here(p, piece, end - piece->n, end) == end;
    for (;; s += char_length(s, end)) {
        if (match_here(p, piece, s, end) == end)
            return true;
        if (s == end)
            return false;
    }
}

static bool matches(const struct pattern *p, struct slice text)
{
    const char *s = text.data, *end = text.data + text.len;
    if (p->n == 0)
        return p->open_end || text.len == 0;
    uint32_t i = 0;
    if (!p->open_start) {
        s = match_here(p, &p->pieces[0], s, end);
        if (!s || (p->n == 1 && !p->open_end))
            return s == end;
        i = 1;
    }
    for (; i < p->n; i++) {
        if (i + 1 == p->n && !p->open_end)
            return match_end(p, &p->pieces[i], s, end);
        s = find(p, &p->pieces[i], s, end);
        if (!s)
            return false;
    }
    return true;
}

/* ---- kernels ---- */

static void like(struct call *c, bool fold, bool flip)
{
    CALL_ROWS(c, r) {
        const struct pattern *p = c->extra ? c->extra : compile(c->arena, arg_text(c, 1, r), fold);
        bool match = matches(p, arg_text(c, 0, r));
        if (match && p->broken)
            call_fail(c, r, "22025", "LIKE pattern must not end with escape character");
        else
            OUT(c, uint8_t, r) = match ^ flip;
    }
}
static void kernel_like(struct call *c) { like(c, false, false); }
static void kernel_not_like(struct call *c) { like(c, false, true); }
static void kernel_ilike(struct call *c) { like(c, true, false); }
static void kernel_not_ilike(struct call *c) { like(c, true, true); }

static enum status bind_pattern(struct binding *b, struct error *err)
{
    (void)err;
    const struct expr *pattern = b->args[1];
    if (expr_is_const(pattern) && !expr_is_null_const(pattern)) {
        struct slice text = view_slice(pattern->value.data);
        b->extra = compile(b->arena, text, strstr(b->function->name, "*") != NULL);
    }
    return OK;
}

/* x LIKE ANY (array), ALL (array): three-valued, as the comparisons with an array are. */
static void like_each(struct call *c, bool fold, bool flip, bool all)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column patterns = arg_array(c, 1, r, &scratch, &n);
        bool null = arg_is_null(c, 0, r), unknown = arg_is_null(c, 1, r) || (null && n), decided = false;
        for (uint32_t i = 0; i < n && !null && !decided; i++) {
            if (column_is_null(&patterns, i)) {
                unknown = true;
                continue;
            }
            const struct pattern *p = compile(&scratch, view_slice(column_view(&patterns, i)), fold);
            bool match = matches(p, arg_text(c, 0, r));
            if (match && p->broken) {
                call_fail(c, r, "22025", "LIKE pattern must not end with escape character");
                break;
            }
            decided = (match ^ flip) != all;
        }
        OUT(c, uint8_t, r) = decided != all;
        if (unknown && !decided)
            call_null(c, r);
        arena_reset(&scratch);
    }
}
#define LIKE_EACH(NAME, FOLD, FLIP)                                                                                    \
    static void NAME##_any(struct call *c) { like_each(c, FOLD, FLIP, false); }                                        \
    static void NAME##_all(struct call *c) { like_each(c, FOLD, FLIP, true); }
LIKE_EACH(like, false, false)
LIKE_EACH(not_like, false, true)
LIKE_EACH(ilike, true, false)
LIKE_EACH(not_ilike, true, true)

/* A pattern with another escape character as one with backslash. */
static void kernel_like_escape(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice pattern = arg_text(c, 0, r), escape = arg_text(c, 1, r);
        if (escape.len && char_length(escape.data, escape.data + escape.len) != escape.len) {
            call_fail(c, r, "22025", "invalid escape string");
            continue;
        }
        char *out = arena_alloc(c->arena, pattern.len * 2 + 1);
        size_t n = 0;
        bool escaped = false;
        for (size_t i = 0; i < pattern.len;) {
            if (!escaped && escape.len && pattern.len - i >= escape.len &&
                memcmp(pattern.data + i, escape.data, escape.len) == 0) {
                out[n++] = '\\';
                i += escape.len;
                escaped = true;
                continue;
            }
            if (pattern.data[i] == '\\' && !escaped)
                out[n++] = '\\';
            out[n++] = pattern.data[i++];
            escaped = false;
        }
        OUT(c, struct view, r) = view_of(out, n);
    }
}

#define LIKE(NAME, KERNEL, HELP)                                                                                       \
    {.name = NAME, .result = TYPE_BOOL, .nargs = 2, .args = {TYPE_TEXT, TYPE_TEXT}, .kernel = KERNEL,                  \
     .bind = bind_pattern, .help = HELP}
#define LIKE_ROWS(NAME, WORDS, KERNEL)                                                                                 \
    {.name = NAME " any", .result = TYPE_BOOL, .nargs = 2, .args = {TYPE_TEXT, ARRAY_OF | TYPE_TEXT},                  \
     .flags = FN_NULLS, .kernel = KERNEL##_any, .help = "x " WORDS " ANY (array): is it so for one pattern?"},         \
    {                                                                                                                  \
        .name = NAME " all", .result = TYPE_BOOL, .nargs = 2, .args = {TYPE_TEXT, ARRAY_OF | TYPE_TEXT},               \
        .flags = FN_NULLS, .kernel = KERNEL##_all, .help = "x " WORDS " ALL (array): is it so for all patterns?"       \
    }

const struct function fn_pattern[] = {
    LIKE("~~", kernel_like, "x LIKE pattern: % any characters, _ one, \\ takes the next as it is"),
    LIKE("!~~", kernel_not_like, "x NOT LIKE pattern"),
    LIKE("~~*", kernel_ilike, "x ILIKE pattern: ASCII letters match either case"),
    LIKE("!~~*", kernel_not_ilike, "x NOT ILIKE pattern"),
    LIKE_ROWS("~~", "LIKE", like),
    LIKE_ROWS("!~~", "NOT LIKE", not_like),
    LIKE_ROWS("~~*", "ILIKE", ilike),
    LIKE_ROWS("!~~*", "NOT ILIKE", not_ilike),
    {.name = "like_escape", .result = TYPE_TEXT, .nargs = 2, .args = {TYPE_TEXT, TYPE_TEXT},
     .kernel = kernel_like_escape, .help = "LIKE pattern ESCAPE character: the pattern with \\ as the escape"},
    {0},
};
