/* ~ and the regexp_ functions, substring(x FROM pattern), SIMILAR TO. A constant expression is compiled once, for the
 * whole process: plans share them, and they are never freed. One from a column is compiled when it changes. */
#include <stdio.h>
#include <stdlib.h>

#include "expr/array.h"
#include "expr/regex.h"
#include "expr/utf8.h"

enum { RESULT_MAX = MIB(16) };

struct flags {
    struct regex_options options;
    bool global;
};

/* What the function does with its flags. */
enum usage { NO_FLAGS, LOCAL_FLAGS, GLOBAL_FLAGS };

/* ---- compiling ---- */

static bool read_flags(struct slice text, struct flags *ret, char *ret_bad)
{
    struct flags f = {0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool line = c == 'n' || c == 'm';
        switch (c) {
        case 'g': f.global = true; break;
        case 'i': f.options.fold = true; break;
        case 'c': f.options.fold = false; break;
        case 'q': f.options.literal = true; break;
        case 't': break;
        case 's':
        case 'n':
        case 'm':
        case 'p':
        case 'w':
            f.options.dot_line = line || c == 'p';
            f.options.anchor_line = line || c == 'w';
            break;
        default: *ret_bad = c; return false;
        }
    }
    *ret = f;
    return true;
}

static bool is_refused_flag(char c) { return c == 'b' || c == 'e' || c == 'x'; }

static struct regex *compile(struct slice pattern, struct regex_options options, const char **ret_sqlstate,
                             struct error *err)
{
    AUTO(buf) text = BUF(KIB(1024));
    bool lazy;
    const char *problem;
    if (!regex_translate(pattern, options, &text, &lazy, ret_sqlstate, err))
        return NULL;
    struct regex *re = regex_compile(text.data ? text.data : "", text.len, lazy, &problem);
    if (re)
        return re;
    *ret_sqlstate = "2201B";
    (void)error_set(err, ERR_SQL, "invalid regular expression: %s", problem);
    return NULL;
}

struct constant {
    const struct constant *next;
    struct regex_options options;
    struct regex *re;
    size_t len;
    char pattern[];
};

static const struct constant *constants; /* grows at its head only */

static bool same_options(struct regex_options a, struct regex_options b)
{
    return a.fold == b.fold && a.literal == b.literal && a.dot_line == b.dot_line && a.anchor_line == b.anchor_line;
}

const struct regex *regex_constant(struct slice pattern, struct regex_options options, struct error *err)
{
    const char *sqlstate;
    const struct constant *head = __atomic_load_n(&constants, __ATOMIC_ACQUIRE);
    for (const struct constant *c = head; c; c = c->next)
        if (same_options(c->options, options) && slice_equal((struct slice){c->pattern, c->len}, pattern))
            return c->re;
    struct regex *re = compile(pattern, options, &sqlstate, err);
    if (!re)
        return NULL;
    struct constant *c = mem_zalloc(sizeof *c + pattern.len);
    c->options = options;
    c->re = re;
    c->len = pattern.len;
    memcpy(c->pattern, pattern.data, pattern.len);
    c->next = head;
    while (!__atomic_compare_exchange_n(&constants, &c->next, c, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    return re;
}

/* ---- what a kernel matches with ---- */

struct matcher {
    struct call *c;
    enum usage usage;
    uint32_t flags_at; /* the argument; 0: none */
    const struct regex *re; /* of the last row */
    struct regex *own;      /* the same, if it is to be freed */
    struct slice pattern, flags_text;
    struct flags flags;
    bool any;
};

static bool use_flags(struct matcher *m, uint32_t row, struct slice text)
{
    char bad = 0;
    if (!read_flags(text, &m->flags, &bad)) {
        if (is_refused_flag(bad))
            call_fail(m->c, row, "0A000", "the regular expression option \"%c\" is not supported", bad);
        else
            call_fail(m->c, row, "22023", "invalid regular expression option: \"%c\"", bad);
        return false;
    }
    if (m->flags.global && m->usage != GLOBAL_FLAGS) {
        call_fail(m->c, row, "22023", "%s() does not support the \"global\" option", m->c->function->name);
        return false;
    }
    return true;
}

/* false: the lane has failed. */
static bool ready(struct matcher *m, uint32_t row)
{
    struct call *c = m->c;
    struct slice pattern = arg_text(c, 1, row), text = m->flags_at ? arg_text(c, m->flags_at, row) : SLICE("");
    if (m->any && slice_equal(pattern, m->pattern) && slice_equal(text, m->flags_text))
        return true;
    m->any = false;
    if (!use_flags(m, row, text))
        return false;
    m->flags.options.fold |= strchr(c->function->name, '*') != NULL;
    regex_free(m->own);
    m->own = NULL;
    m->re = c->extra;
    if (!m->re) {
        struct error err;
        const char *sqlstate;
        m->own = compile(pattern, m->flags.options, &sqlstate, &err);
        m->re = m->own;
        if (!m->own) {
            call_fail(c, row, sqlstate, "%s", err.text);
            return false;
        }
    }
    m->pattern = pattern;
    m->flags_text = text;
    m->any = true;
    return true;
}

static void matcher_autofree(struct matcher *m) { regex_free(m->own); }

/* flags_at: the argument with flags, where the overload has one. */
static enum status bind_pattern_flags(struct binding *b, uint32_t flags_at, struct error *err)
{
    struct flags f = {0};
    char bad;
    bool has_flags = flags_at && flags_at < b->nargs;
    if (!expr_is_const(b->args[1]) || expr_is_null_const(b->args[1]))
        return OK;
    if (has_flags && (!expr_is_const(b->args[flags_at]) || expr_is_null_const(b->args[flags_at])))
        return OK;
    if (has_flags && !read_flags(view_slice(b->args[flags_at]->value.data), &f, &bad))
        return OK; /* the call will say so */
    f.options.fold |= strchr(b->function->name, '*') != NULL;
    b->extra = regex_constant(view_slice(b->args[1]->value.data), f.options, err);
    return b->extra ? OK : FAILED;
}

static uint32_t flags_argument(const struct function *f)
{
    for (uint32_t i = 2; i < f->nargs; i++)
        if (f->args[i] == TYPE_TEXT && !(i == 2 && strcmp(f->name, "regexp_replace") == 0))
            return i;
    return 0;
}

static enum status bind_regex(struct binding *b, struct error *err)
{
    return bind_pattern_flags(b, flags_argument(b->function), err);
}

#define MATCHER(NAME, CALL, USAGE)                                                                                     \
    AUTO(matcher) NAME = {.c = (CALL), .usage = (USAGE), .flags_at = flags_argument((CALL)->function)}

/* ---- is there a match? ---- */

static void test(struct call *c, bool flip)
{
    MATCHER(m, c, LOCAL_FLAGS);
    CALL_ROWS(c, r) {
        struct slice text = arg_text(c, 0, r);
        if (ready(&m, r))
            OUT(c, uint8_t, r) = regex_find(m.re, text.data, text.len, 0, NULL, 0) != flip;
    }
}
static void kernel_test(struct call *c) { test(c, false); }
static void kernel_not(struct call *c) { test(c, true); }

/* ---- all matches, one after the other ---- */

struct scan {
    const struct regex *re;
    struct slice text;
    size_t from;
    bool done;
    unsigned ngroups; /* with the whole match */
    struct slice groups[REGEX_GROUPS + 1];
};

static struct scan scan_start(const struct regex *re, struct slice text, size_t from)
{
    return (struct scan){.re = re, .text = text, .from = from, .done = from > text.len,
                         .ngroups = MIN(regex_groups(re), (unsigned)REGEX_GROUPS) + 1};
}

static bool scan_next(struct scan *s)
{
    if (s->done || !regex_find(s->re, s->text.data, s->text.len, s->from, s->groups, s->ngroups))
        return false;
    size_t end = (size_t)(s->groups[0].data - s->text.data) + s->groups[0].len;
    s->from = end;
    if (s->groups[0].len == 0) { /* an empty match is found again at the next character */
        s->done = end >= s->text.len;
        for (s->from++; s->from < s->text.len && ((unsigned char)s->text.data[s->from] & 0xc0) == 0x80; s->from++)
            ;
    }
    return true;
}

/* An integer argument that must be at least `least`; false: the lane has failed. */
static bool get_number(struct call *c, uint32_t arg, uint32_t row, int32_t least, const char *name, int32_t *ret)
{
    *ret = ARG(c, arg, int32_t, row);
    if (*ret >= least)
        return true;
    call_fail(c, row, "22023", "invalid value for parameter \"%s\": %d", name, *ret);
    return false;
}

/* The byte at which character `start`, from 1, begins; past the end if there is none. */
static size_t byte_of(struct slice text, int32_t start)
{
    size_t at = 0;
    for (int32_t i = 1; i < start; i++) {
        if (at >= text.len)
            return text.len + 1;
        for (at++; at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80; at++)
            ;
    }
    return at;
}

static int32_t count_chars(const char *from, const char *to)
{
    int32_t n = 0;
    for (; from < to; from++)
        n += ((unsigned char)*from & 0xc0) != 0x80;
    return n;
}

/* Arguments `at` and `at` + 1, where they are given: start and n. */
static bool get_start(struct call *c, uint32_t at, uint32_t row, int32_t least_n, int32_t *start, int32_t *n)
{
    if (c->nargs > at && c->function->args[at] == TYPE_INT4 && !get_number(c, at, row, 1, "start", start))
        return false;
    return c->nargs <= at + 1 || c->function->args[at + 1] != TYPE_INT4 ||
           get_number(c, at + 1, row, least_n, "n", n);
}

static void kernel_count(struct call *c)
{
    MATCHER(m, c, LOCAL_FLAGS);
    CALL_ROWS(c, r) {
        int32_t start = 1, n = 0;
        if (!get_start(c, 2, r, 0, &start, &n) || !ready(&m, r))
            continue;
        struct slice text = arg_text(c, 0, r);
        struct scan s = scan_start(m.re, text, byte_of(text, start));
        for (n = 0; scan_next(&s);)
            n++;
        OUT(c, int32_t, r) = n;
    }
}

/* The n-th match; data NULL: there is none. */
static struct slice find_nth(struct scan *s, int32_t n, unsigned group)
{
    for (int32_t i = 0; i < n; i++)
        if (!scan_next(s))
            return (struct slice){0};
    return group < s->ngroups ? s->groups[group] : (struct slice){0};
}

static void kernel_substr(struct call *c)
{
    MATCHER(m, c, LOCAL_FLAGS);
    CALL_ROWS(c, r) {
        int32_t start = 1, n = 1, group = 0;
        if (!get_start(c, 2, r, 1, &start, &n))
            continue;
        if (c->nargs > 5 && !get_number(c, 5, r, 0, "subexpr", &group))
            continue;
        if (!ready(&m, r))
            continue;
        struct slice text = arg_text(c, 0, r);
        struct scan s = scan_start(m.re, text, byte_of(text, start));
        struct slice found = find_nth(&s, n, (unsigned)group);
        if (found.data)
            call_slice(c, r, found);
        else
            call_null(c, r);
    }
}

static void kernel_instr(struct call *c)
{
    MATCHER(m, c, LOCAL_FLAGS);
    CALL_ROWS(c, r) {
        int32_t start = 1, n = 1, end = 0, group = 0;
        if (!get_start(c, 2, r, 1, &start, &n))
            continue;
        if (c->nargs > 4 && (!get_number(c, 4, r, 0, "endoption", &end) || end > 1)) {
            if (end > 1)
                call_fail(c, r, "22023", "invalid value for parameter \"endoption\": %d", end);
            continue;
        }
        if (c->nargs > 6 && !get_number(c, 6, r, 0, "subexpr", &group))
            continue;
        if (!ready(&m, r))
            continue;
        struct slice text = arg_text(c, 0, r);
        struct scan s = scan_start(m.re, text, byte_of(text, start));
        struct slice found = find_nth(&s, n, (unsigned)group);
        OUT(c, int32_t, r) = found.data ? count_chars(text.data, found.data + (end ? found.len : 0)) + 1 : 0;
    }
}

/* substring(x FROM pattern): the first group, if there is one. */
static void kernel_substring(struct call *c)
{
    MATCHER(m, c, NO_FLAGS);
    CALL_ROWS(c, r) {
        struct slice text = arg_text(c, 0, r), groups[2] = {0};
        if (!ready(&m, r))
            continue;
        unsigned group = regex_groups(m.re) > 0;
        if (regex_find(m.re, text.data, text.len, 0, groups, group + 1) && groups[group].data)
            call_slice(c, r, groups[group]);
        else
            call_null(c, r);
    }
}

/* ---- matches and what lies between them, as arrays ---- */

/* The groups of a match, or all of it where there are none. */
static struct elements groups_of(const struct scan *s, struct arena *a)
{
    struct elements e = elements_of(TYPE(TYPE_TEXT), a);
    for (unsigned i = s->ngroups > 1; i < s->ngroups; i++)
        if (s->groups[i].data)
            elements_add_text(&e, s->groups[i]);
        else
            elements_add_null(&e);
    return e;
}

static void kernel_match(struct call *c)
{
    MATCHER(m, c, LOCAL_FLAGS);
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        if (!ready(&m, r))
            continue;
        struct scan s = scan_start(m.re, arg_text(c, 0, r), 0);
        if (scan_next(&s)) {
            struct elements e = groups_of(&s, &scratch);
            elements_give(&e, c, r);
        } else {
            call_null(c, r);
        }
        arena_reset(&scratch);
    }
}

/* Rows that are arrays: an array of their bytes. */
static void kernel_matches(struct call *c)
{
    MATCHER(m, c, GLOBAL_FLAGS);
    AUTO(arena) scratch = {0};
    AUTO(buf) bytes = BUF(ARRAY_MAX_BYTES);
    CALL_ROWS(c, r) {
        if (!ready(&m, r))
            continue;
        struct elements rows = elements_of(TYPE(TYPE_BYTEA), &scratch);
        struct scan s = scan_start(m.re, arg_text(c, 0, r), 0);
        size_t total = 0;
        for (bool more = true; more && total <= ARRAY_MAX_BYTES && scan_next(&s); more = m.flags.global) {
            struct elements e = groups_of(&s, &scratch);
            buf_clear(&bytes);
            array_put(&bytes, &e.col, 0, e.n);
            total += bytes.overflow ? ARRAY_MAX_BYTES + 1 : bytes.len;
            elements_add_text(&rows, (struct slice){arena_dup(&scratch, bytes.data, bytes.len), bytes.len});
        }
        if (total > ARRAY_MAX_BYTES)
            call_fail(c, r, "54000", "the matches are longer than the %d bytes allowed for them", ARRAY_MAX_BYTES);
        else
            elements_give(&rows, c, r);
        arena_reset(&scratch);
    }
}

/* Empty matches at the ends of the text and right behind another one cut nothing, as in PostgreSQL. */
static void kernel_split(struct call *c)
{
    MATCHER(m, c, LOCAL_FLAGS);
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        if (!ready(&m, r))
            continue;
        struct slice text = arg_text(c, 0, r);
        struct elements e = elements_of(TYPE(TYPE_TEXT), &scratch);
        struct scan s = scan_start(m.re, text, 0);
        size_t from = 0;
        while (scan_next(&s)) {
            size_t at = (size_t)(s.groups[0].data - text.data), end = at + s.groups[0].len;
            if (at >= text.len || end <= from)
                continue;
            elements_add_text(&e, (struct slice){text.data + from, at - from});
            from = end;
        }
        elements_add_text(&e, (struct slice){text.data + from, text.len - from});
        elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}

/* ---- replacing ---- */

static void put_replacement(struct buf *out, const struct scan *s, struct slice with)
{
    for (size_t i = 0; i < with.len; i++) {
        char next = i + 1 < with.len ? with.data[i + 1] : 0;
        if (with.data[i] != '\\' || !next) {
            buf_putc(out, with.data[i]);
            continue;
        }
        unsigned group = next == '&' ? 0 : next >= '1' && next <= '9' ? (unsigned)(next - '0') : UINT32_MAX;
        if (group < s->ngroups && s->groups[group].data)
            buf_put_slice(out, s->groups[group]);
        else if (group == UINT32_MAX && next != '\\')
            buf_putc(out, '\\');
        i += group != UINT32_MAX || next == '\\';
        if (next == '\\')
            buf_putc(out, '\\');
    }
}

/* n: which match, 0: all. */
static void replace(struct buf *out, const struct regex *re, struct slice text, struct slice with, int32_t start,
                    int32_t n)
{
    struct scan s = scan_start(re, text, byte_of(text, start));
    const char *copied = text.data, *end = text.data + text.len;
    for (int32_t i = 1; (n == 0 || i <= n) && !out->overflow && scan_next(&s); i++) {
        if (n && i < n)
            continue;
        buf_put(out, copied, (size_t)(s.groups[0].data - copied));
        put_replacement(out, &s, with);
        copied = s.groups[0].data + s.groups[0].len;
    }
    buf_put(out, copied, (size_t)(end - copied));
}

static void kernel_replace(struct call *c)
{
    MATCHER(m, c, GLOBAL_FLAGS);
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        int32_t start = 1, n = -1;
        struct slice text = arg_text(c, 0, r);
        if (!get_start(c, 3, r, 0, &start, &n) || !ready(&m, r))
            continue;
        buf_clear(&out);
        replace(&out, m.re, text, arg_text(c, 2, r), start, n >= 0 ? n : m.flags.global ? 0 : 1);
        if (out.overflow)
            call_fail(c, r, "54000", "the text is longer than the %d bytes allowed for it", RESULT_MAX);
        else
            call_text(c, r, out.len ? out.data : "", out.len);
    }
}

/* ---- SIMILAR TO ---- */

/* An SQL regular expression as an advanced one; escape: its bytes, maybe none. */
static void put_similar(struct buf *out, struct slice p, struct slice escape)
{
    bool bracket = false;
    buf_puts(out, "^(?:");
    for (size_t i = 0; i < p.len; i++) {
        char c = p.data[i];
        if (escape.len && p.len - i > escape.len && memcmp(p.data + i, escape.data, escape.len) == 0) {
            i += escape.len;
            buf_printf(out, "\\%c", p.data[i]);
        } else if (bracket) {
            buf_puts(out, c == '\\' ? "\\" : "");
            buf_putc(out, c);
            bracket = c != ']';
        } else if (c == '[') {
            buf_putc(out, c);
            bracket = true;
        } else if (c == '%')
            buf_puts(out, ".*");
        else if (c == '_')
            buf_putc(out, '.');
        else if (c == '(')
            buf_puts(out, "(?:");
        else {
            buf_puts(out, c == '\\' || c == '.' || c == '^' || c == '$' ? "\\" : "");
            buf_putc(out, c);
        }
    }
    buf_puts(out, ")$");
}

static void kernel_similar(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        struct slice p = arg_text(c, 0, r), escape = c->nargs > 1 ? arg_text(c, 1, r) : SLICE("\\");
        if (count_chars(escape.data, escape.data + escape.len) > 1) {
            call_fail(c, r, "22025", "invalid escape string");
            continue;
        }
        buf_clear(&out);
        put_similar(&out, p, escape);
        call_text(c, r, out.data, out.len);
    }
}

#define T TYPE_TEXT
#define I TYPE_INT4
#define TEXTS (ARRAY_OF | TYPE_TEXT)
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .bind = bind_regex,          \
     .help = HELP}

const struct function fn_regexp[] = {
    FN("~", TYPE_BOOL, 2, kernel_test, "does the regular expression match somewhere?", T, T),
    FN("!~", TYPE_BOOL, 2, kernel_not, "does it not match?", T, T),
    FN("~*", TYPE_BOOL, 2, kernel_test, "does it match, ASCII letters in either case?", T, T),
    FN("!~*", TYPE_BOOL, 2, kernel_not, "does it not match, in either case?", T, T),
    FN("regexp_like", TYPE_BOOL, 2, kernel_test, "does it match?", T, T),
    FN("regexp_like", TYPE_BOOL, 3, kernel_test, "does it match, with flags?", T, T, T),
    FN("regexp_count", I, 2, kernel_count, "how often it matches", T, T),
    FN("regexp_count", I, 3, kernel_count, "how often it matches, from a character on", T, T, I),
    FN("regexp_count", I, 4, kernel_count, "how often it matches, from a character on, with flags", T, T, I, T),
    FN("regexp_substr", T, 2, kernel_substr, "the first match", T, T),
    FN("regexp_substr", T, 3, kernel_substr, "the first match from a character on", T, T, I),
    FN("regexp_substr", T, 4, kernel_substr, "the n-th match from a character on", T, T, I, I),
    FN("regexp_substr", T, 5, kernel_substr, "the n-th match from a character on, with flags", T, T, I, I, T),
    FN("regexp_substr", T, 6, kernel_substr, "a group of the n-th match", T, T, I, I, T, I),
    FN("regexp_instr", I, 2, kernel_instr, "where the first match begins, from 1; 0: none", T, T),
    FN("regexp_instr", I, 3, kernel_instr, "where the first match from a character on begins", T, T, I),
    FN("regexp_instr", I, 4, kernel_instr, "where the n-th match begins", T, T, I, I),
    FN("regexp_instr", I, 5, kernel_instr, "where the n-th match begins (0), or what follows it (1)", T, T, I, I, I),
    FN("regexp_instr", I, 6, kernel_instr, "the same with flags", T, T, I, I, I, T),
    FN("regexp_instr", I, 7, kernel_instr, "the same of a group of the n-th match", T, T, I, I, I, T, I),
    FN("regexp_replace", T, 3, kernel_replace, "with the first match replaced: \\1 is group 1, \\& all of it", T, T, T),
    FN("regexp_replace", T, 4, kernel_replace, "with the first match replaced, or all by flag g", T, T, T, T),
    FN("regexp_replace", T, 4, kernel_replace, "with the first match from a character on replaced", T, T, T, I),
    FN("regexp_replace", T, 5, kernel_replace, "with the n-th match replaced; 0: all", T, T, T, I, I),
    FN("regexp_replace", T, 6, kernel_replace, "with the n-th match replaced, with flags", T, T, T, I, I, T),
    FN("regexp_match", TEXTS, 2, kernel_match, "the groups of the first match, or all of it; NULL: none", T, T),
    FN("regexp_match", TEXTS, 3, kernel_match, "the same with flags", T, T, T),
    FN("regexp_split_to_array", TEXTS, 2, kernel_split, "what lies between the matches", T, T),
    FN("regexp_split_to_array", TEXTS, 3, kernel_split, "the same with flags", T, T, T),
    FN("substring", T, 2, kernel_substring, "x FROM pattern: the first group that matches, or the match", T, T),
    {.name = "similar_to_escape", .result = T, .nargs = 1, .args = {T}, .kernel = kernel_similar,
     .help = "a pattern of SIMILAR TO as a regular expression"},
    {.name = "similar_to_escape", .result = T, .nargs = 2, .args = {T, T}, .kernel = kernel_similar,
     .help = "a pattern of SIMILAR TO ESCAPE as a regular expression"},
    {0},
};

#define SET(NAME, RESULT, N, KERNEL, HELP)                                                                             \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {T, T, T}, .flags = FN_SET, .kernel = KERNEL,                 \
     .bind = bind_regex, .help = HELP}

const struct function fn_regexp_sets[] = {
    SET("regexp_matches", ARRAY_OF | TYPE_BYTEA, 2, kernel_matches, "the groups of the first match, as one text[]"),
    SET("regexp_matches", ARRAY_OF | TYPE_BYTEA, 3, kernel_matches, "the same with flags; of every match by flag g"),
    SET("regexp_split_to_table", TEXTS, 2, kernel_split, "what lies between the matches"),
    SET("regexp_split_to_table", TEXTS, 3, kernel_split, "the same with flags"),
    {0},
};
