/* Strings: characters are UTF-8 code points, order and letters are those of the C locale (semantics 19). */
#include "base/ascii.h"
#include "expr/text.h"
#include "expr/function.h"
#include "expr/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Longer results are refused as PostgreSQL refuses those of a gigabyte: one event must not make a batch of gigabytes.
 * What is made of a number alone (repeat, lpad) is held tighter than what is made of strings that are already there. */
enum { LONGEST_JOINED = 16 << 20, LONGEST_FILLED = 1 << 20 };

static bool too_long(struct call *c, uint32_t row, int128 bytes, int32_t most)
{
    if (bytes <= most)
        return false;
    call_fail(c, row, "54000", "requested length too large");
    return true;
}

static struct slice part_of(struct slice s, size_t from, size_t to) { return (struct slice){s.data + from, to - from}; }

/* ---- lengths ---- */

static void kernel_length(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = (int32_t)utf8_count(arg_text(c, 0, r));
}

static void kernel_octet_length(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = (int32_t)ARG(c, 0, struct view, r).len;
}

static void kernel_bit_length(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = (int32_t)(ARG(c, 0, struct view, r).len * 8);
}

/* ---- letters ---- */

static bool is_alnum(char ch) { return is_digit(ch) || is_letter(ch); }

[[gnu::always_inline]] static inline void map_bytes(struct call *c, char (*map)(char))
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        if (s.len <= VIEW_INLINE) { /* the zeros after its end map to themselves */
            char bytes[sizeof(struct view)];
            memcpy(bytes, &ARG(c, 0, struct view, r), sizeof bytes);
            for (size_t i = offsetof(struct view, prefix); i < sizeof bytes; i++)
                bytes[i] = map(bytes[i]);
            memcpy(&OUT(c, struct view, r), bytes, sizeof bytes);
            continue;
        }
        char *out = arena_alloc(c->arena, s.len);
        for (size_t i = 0; i < s.len; i++)
            out[i] = map(s.data[i]);
        OUT(c, struct view, r) = view_of(out, s.len);
    }
}
static void kernel_lower(struct call *c) { map_bytes(c, to_lower); }
static void kernel_upper(struct call *c) { map_bytes(c, to_upper); }

static void kernel_initcap(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        char *out = arena_alloc(c->arena, s.len);
        bool in_word = false;
        for (size_t i = 0; i < s.len; i++) {
            out[i] = in_word ? to_lower(s.data[i]) : to_upper(s.data[i]);
            in_word = is_alnum(s.data[i]);
        }
        OUT(c, struct view, r) = view_of(out, s.len);
    }
}

/* ---- parts ---- */

/* Characters [start, end) counted from 1; both may lie outside. */
static void take_range(struct call *c, uint32_t row, int64_t start, int64_t end)
{
    struct slice s = arg_text(c, 0, row);
    size_t from = utf8_offset(s, start - 1);
    size_t to = end <= start ? from : from + utf8_offset(part_of(s, from, s.len), end - MAX(start, (int64_t)1));
    call_slice(c, row, part_of(s, from, to));
}

static void kernel_substring(struct call *c)
{
    CALL_ROWS(c, r)
        take_range(c, r, ARG(c, 1, int32_t, r), INT64_MAX);
}

static void kernel_substring_length(struct call *c)
{
    CALL_ROWS(c, r) {
        int64_t start = ARG(c, 1, int32_t, r), length = ARG(c, 2, int32_t, r);
        if (length < 0)
            call_fail(c, r, "22011", "negative substring length not allowed");
        else
            take_range(c, r, start, start + length);
    }
}

/* A negative count is taken from the other end. */
static void kernel_left(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t n = ARG(c, 1, int32_t, r);
        if (n < 0)
            n = MAX(utf8_count(s) + n, (int64_t)0);
        call_slice(c, r, part_of(s, 0, utf8_offset(s, n)));
    }
}

static void kernel_right(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t n = ARG(c, 1, int32_t, r);
        int64_t skip = n < 0 ? -n : utf8_count(s) - n;
        call_slice(c, r, part_of(s, utf8_offset(s, skip), s.len));
    }
}

static bool has_char(struct slice set, const char *ch, size_t len)
{
    for (size_t i = 0; i + len <= set.len; i++)
        if (memcmp(set.data + i, ch, len) == 0)
            return true;
    return false;
}

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

static void trim(struct call *c, unsigned sides)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), set = c->nargs > 1 ? arg_text(c, 1, r) : SLICE(" ");
        size_t from = 0, to = s.len;
        while ((sides & TRIM_LEFT) && from < to) {
            size_t next = (size_t)(utf8_next(s.data + from, s.data + to) - s.data);
            if (!has_char(set, s.data + from, next - from))
                break;
            from = next;
        }
        while ((sides & TRIM_RIGHT) && to > from) {
            size_t last = to - 1;
            while (last > from && !utf8_starts(s.data[last]))
                last--;
            if (!has_char(set, s.data + last, to - last))
                break;
            to = last;
        }
        call_slice(c, r, part_of(s, from, to));
    }
}
static void kernel_btrim(struct call *c) { trim(c, TRIM_LEFT | TRIM_RIGHT); }
static void kernel_ltrim(struct call *c) { trim(c, TRIM_LEFT); }
static void kernel_rtrim(struct call *c) { trim(c, TRIM_RIGHT); }

/* ---- padding and repeating ---- */

static void pad(struct call *c, bool left)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), fill = c->nargs > 2 ? arg_text(c, 2, r) : SLICE(" ");
        int64_t want = MAX(ARG(c, 1, int32_t, r), 0), have = utf8_count(s), unit = utf8_count(fill);
        if (have >= want || unit == 0) {
            call_slice(c, r, part_of(s, 0, utf8_offset(s, want)));
            continue;
        }
        int64_t missing = want - have;
        size_t rest = utf8_offset(fill, missing % unit);
        int128 bytes = (int128)(missing / unit) * (int128)fill.len + rest + s.len;
        if (too_long(c, r, bytes, LONGEST_FILLED))
            continue;
        char *out = arena_alloc(c->arena, (size_t)bytes), *p = out;
        if (!left && s.len)
            p = mempcpy(p, s.data, s.len);
        for (int64_t i = 0; i < missing / unit; i++)
            p = mempcpy(p, fill.data, fill.len);
        p = mempcpy(p, fill.data, rest);
        if (left && s.len)
            memcpy(p, s.data, s.len);
        OUT(c, struct view, r) = view_of(out, (size_t)bytes);
    }
}
static void kernel_lpad(struct call *c) { pad(c, true); }
static void kernel_rpad(struct call *c) { pad(c, false); }

static void kernel_repeat(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t n = MAX(ARG(c, 1, int32_t, r), 0);
        if (too_long(c, r, (int128)s.len * n, LONGEST_FILLED))
            continue;
        size_t bytes = s.len * (size_t)n;
        char *out = arena_alloc(c->arena, bytes);
        for (size_t at = 0; at < bytes; at += s.len)
            memcpy(out + at, s.data, s.len);
        OUT(c, struct view, r) = view_of(out, bytes);
    }
}

static void kernel_reverse(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        char *out = arena_alloc(c->arena, s.len), *p = out + s.len;
        for (const char *ch = s.data, *end = s.data + s.len; ch < end;) {
            const char *next = utf8_next(ch, end);
            p -= next - ch;
            memcpy(p, ch, (size_t)(next - ch));
            ch = next;
        }
        OUT(c, struct view, r) = view_of(out, s.len);
    }
}

/* ---- searching and replacing ---- */

static const char *find(struct slice in, struct slice what)
{
    assert(in.data && what.data); /* even a view of nothing has an address */
    return memmem(in.data, in.len, what.data, what.len);
}

static void kernel_position(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        const char *hit = find(s, arg_text(c, 1, r));
        OUT(c, int32_t, r) = hit ? (int32_t)utf8_count(part_of(s, 0, (size_t)(hit - s.data))) + 1 : 0;
    }
}

static void kernel_starts_with(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), prefix = arg_text(c, 1, r);
        OUT(c, uint8_t, r) = s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
    }
}

static void kernel_replace(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), from = arg_text(c, 1, r), to = arg_text(c, 2, r), rest = s;
        int64_t hits = 0;
        const char *hit;
        for (; from.len && (hit = find(rest, from)); hits++)
            rest = part_of(s, (size_t)(hit - s.data) + from.len, s.len);
        int128 bytes = (int128)s.len + hits * ((int128)to.len - (int128)from.len);
        if (too_long(c, r, bytes, LONGEST_JOINED))
            continue;
        if (hits == 0) {
            call_slice(c, r, s);
            continue;
        }
        char *out = arena_alloc(c->arena, (size_t)bytes), *p = out;
        for (rest = s; (hit = find(rest, from));) {
            p = mempcpy(p, rest.data, (size_t)(hit - rest.data));
            p = mempcpy(p, to.data, to.len);
            rest = part_of(s, (size_t)(hit - s.data) + from.len, s.len);
        }
        memcpy(p, rest.data, rest.len);
        OUT(c, struct view, r) = view_of(out, (size_t)bytes);
    }
}

/* The n-th place of a byte, n > 0; NULL: there are fewer. Fields are short: a call of memchr for each takes longer. */
static const char *nth_byte(const char *p, const char *end, char byte, int64_t n)
{
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8(byte);
    for (; end - p >= 16; p += 16) {
        unsigned hits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), wanted));
        for (; hits; hits &= hits - 1)
            if (--n == 0)
                return p + __builtin_ctz(hits);
    }
#endif
    for (; p < end; p++)
        if (*p == byte && --n == 0)
            return p;
    return NULL;
}

static struct slice field_by_byte(struct slice s, char separator, int64_t n)
{
    const char *begin = s.data, *end = s.data + s.len;
    if (n > 1) {
        begin = nth_byte(begin, end, separator, n - 1);
        if (!begin)
            return SLICE("");
        begin++;
    }
    const char *next = nth_byte(begin, end, separator, 1);
    return (struct slice){begin, (size_t)((next ? next : end) - begin)};
}

/* Field n of s (n > 0), or nothing. */
static struct slice field_of(struct slice s, struct slice separator, int64_t n)
{
    if (separator.len == 1)
        return field_by_byte(s, separator.data[0], n);
    const char *hit = NULL;
    for (; n > 1; n--) {
        hit = find(s, separator);
        if (!hit)
            return SLICE("");
        s = part_of(s, (size_t)(hit - s.data) + separator.len, s.len);
    }
    hit = find(s, separator);
    return hit ? part_of(s, 0, (size_t)(hit - s.data)) : s;
}

static int64_t count_fields(struct slice s, struct slice separator)
{
    int64_t n = 1;
    for (const char *hit; (hit = find(s, separator)); n++)
        s = part_of(s, (size_t)(hit - s.data) + separator.len, s.len);
    return n;
}

static void kernel_split_part(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), separator = arg_text(c, 1, r);
        int64_t n = ARG(c, 2, int32_t, r);
        if (n == 0) {
            call_fail(c, r, "22023", "field position must not be zero");
            continue;
        }
        if (separator.len == 0) {
            call_slice(c, r, n == 1 || n == -1 ? s : SLICE(""));
            continue;
        }
        if (n < 0)
            n += count_fields(s, separator) + 1;
        call_slice(c, r, n > 0 ? field_of(s, separator, n) : SLICE(""));
    }
}

/* Each character of s found in `from` becomes the one at the same place of `to`, or nothing if `to` is shorter. */
static void kernel_translate(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), from = arg_text(c, 1, r), to = arg_text(c, 2, r);
        char *out = arena_alloc(c->arena, s.len * 4), *p = out;
        for (const char *ch = s.data, *end = s.data + s.len; ch < end;) {
            const char *next = utf8_next(ch, end), *f = from.data, *f_end = from.data + from.len;
            int64_t at = 0;
            while (f < f_end && !(utf8_next(f, f_end) - f == next - ch && memcmp(f, ch, (size_t)(next - ch)) == 0)) {
                f = utf8_next(f, f_end);
                at++;
            }
            size_t start = utf8_offset(to, at);
            if (f == f_end)
                p = mempcpy(p, ch, (size_t)(next - ch));
            else if (start < to.len)
                p = mempcpy(p, to.data + start, utf8_offset(part_of(to, start, to.len), 1));
            ch = next;
        }
        OUT(c, struct view, r) = view_of(out, (size_t)(p - out));
    }
}

static void kernel_overlay(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), with = arg_text(c, 1, r);
        int64_t start = ARG(c, 2, int32_t, r), length = c->nargs > 3 ? ARG(c, 3, int32_t, r) : utf8_count(with);
        if (start <= 0) {
            call_fail(c, r, "22011", "negative substring length not allowed");
            continue;
        }
        if (start + length > INT32_MAX) {
            call_fail(c, r, "22003", "integer out of range");
            continue;
        }
        size_t head = utf8_offset(s, start - 1), tail = utf8_offset(s, start + length - 1);
        size_t bytes = head + with.len + (s.len - tail);
        char *out = arena_alloc(c->arena, bytes), *p = mempcpy(out, s.data, head);
        p = mempcpy(p, with.data, with.len);
        memcpy(p, s.data + tail, s.len - tail);
        OUT(c, struct view, r) = view_of(out, bytes);
    }
}

/* ---- joining ---- */

static void kernel_concat_pair(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice x = arg_text(c, 0, r), y = arg_text(c, 1, r);
        if (too_long(c, r, (int128)x.len + y.len, LONGEST_JOINED))
            continue;
        char *out = arena_alloc(c->arena, x.len + y.len);
        memcpy(mempcpy(out, x.data, x.len), y.data, y.len);
        OUT(c, struct view, r) = view_of(out, x.len + y.len);
    }
}

/* Arguments from `first` on, NULLs left out, with a separator between. */
static void join(struct call *c, uint32_t row, uint32_t first, struct slice separator)
{
    size_t bytes = 0;
    uint32_t parts = 0;
    for (uint32_t i = first; i < c->nargs; i++)
        if (!arg_is_null(c, i, row)) {
            bytes += ARG(c, i, struct view, row).len + (parts++ ? separator.len : 0);
        }
    if (too_long(c, row, bytes, LONGEST_JOINED))
        return;
    char *out = arena_alloc(c->arena, bytes), *p = out;
    parts = 0;
    for (uint32_t i = first; i < c->nargs; i++) {
        if (arg_is_null(c, i, row))
            continue;
        struct slice s = arg_text(c, i, row);
        if (parts++)
            p = mempcpy(p, separator.data, separator.len);
        p = mempcpy(p, s.data, s.len);
    }
    OUT(c, struct view, row) = view_of(out, bytes);
}

static void kernel_concat(struct call *c)
{
    CALL_ROWS(c, r)
        join(c, r, 0, SLICE(""));
}

static void kernel_concat_ws(struct call *c)
{
    CALL_ROWS(c, r) {
        if (arg_is_null(c, 0, r))
            call_null(c, r);
        else
            join(c, r, 1, arg_text(c, 0, r));
    }
}

/* What is not text is joined as its text form. */
enum status text_bind_args(struct binding *b, struct error *err)
{
    for (uint32_t i = 0; i < b->nargs; i++) {
        struct expr *arg = b->args[i];
        /* concat() and format() print a boolean as t or f, unlike a cast. */
        if (arg->type.id == TYPE_BOOL && strchr("cf", *b->function->name)) {
            struct expr *t = expr_string(b->arena, "t", 1, arg->location);
            struct expr *f = expr_string(b->arena, "f", 1, arg->location);
            struct expr *null = expr_string(b->arena, NULL, 0, arg->location);
            struct expr *no;
            TRY(expr_logic(b->arena, EXPR_NOT, &arg, 1, arg->location, &no, err));
            TRY(expr_case(b->arena, (struct expr *[]){arg, t, no, f, null}, 5, arg->location, &b->args[i], err));
        } else
            TRY(expr_cast(b->arena, arg, TYPE(TYPE_TEXT), CAST_EXPLICIT, arg->location, &b->args[i], err));
    }
    return OK;
}

#define T TYPE_TEXT
#define I TYPE_INT4
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .help = HELP}

const struct function fn_string[] = {
    FN("length", I, 1, kernel_length, "characters", T),
    FN("char_length", I, 1, kernel_length, "characters", T),
    FN("character_length", I, 1, kernel_length, "characters", T),
    FN("octet_length", I, 1, kernel_octet_length, "bytes", T),
    FN("bit_length", I, 1, kernel_bit_length, "bits", T),
    FN("lower", T, 1, kernel_lower, "ASCII letters to lower case", T),
    FN("upper", T, 1, kernel_upper, "ASCII letters to upper case", T),
    FN("initcap", T, 1, kernel_initcap, "each word capitalised, ASCII letters only", T),
    FN("substring", T, 2, kernel_substring, "from a character on, the first is 1", T, I),
    FN("substring", T, 3, kernel_substring_length, "from a character on, so many", T, I, I),
    FN("substr", T, 2, kernel_substring, "from a character on, the first is 1", T, I),
    FN("substr", T, 3, kernel_substring_length, "from a character on, so many", T, I, I),
    FN("left", T, 2, kernel_left, "the first n characters; n < 0: all but the last -n", T, I),
    FN("right", T, 2, kernel_right, "the last n characters; n < 0: all but the first -n", T, I),
    FN("btrim", T, 1, kernel_btrim, "without blanks at both ends; also trim()", T),
    FN("btrim", T, 2, kernel_btrim, "without any of these characters at both ends", T, T),
    FN("ltrim", T, 1, kernel_ltrim, "without blanks at the start", T),
    FN("ltrim", T, 2, kernel_ltrim, "without any of these characters at the start", T, T),
    FN("rtrim", T, 1, kernel_rtrim, "without blanks at the end", T),
    FN("rtrim", T, 2, kernel_rtrim, "without any of these characters at the end", T, T),
    FN("lpad", T, 2, kernel_lpad, "filled with blanks at the start, or cut, to so many characters", T, I),
    FN("lpad", T, 3, kernel_lpad, "filled at the start, or cut, to so many characters", T, I, T),
    FN("rpad", T, 2, kernel_rpad, "filled with blanks at the end, or cut, to so many characters", T, I),
    FN("rpad", T, 3, kernel_rpad, "filled at the end, or cut, to so many characters", T, I, T),
    FN("repeat", T, 2, kernel_repeat, "so many times", T, I),
    FN("reverse", T, 1, kernel_reverse, "characters in reverse order", T),
    FN("position", I, 2, kernel_position, "position(y IN x): first place of y in x, 0 if none", T, T),
    FN("strpos", I, 2, kernel_position, "first place of the second in the first, 0 if none", T, T),
    FN("starts_with", TYPE_BOOL, 2, kernel_starts_with, "does the first start with the second?", T, T),
    FN("^@", TYPE_BOOL, 2, kernel_starts_with, "does the first start with the second?", T, T),
    FN("replace", T, 3, kernel_replace, "every occurrence of the second replaced by the third", T, T, T),
    FN("split_part", T, 3, kernel_split_part, "field n between separators; n < 0 counts from the end", T, T, I),
    FN("translate", T, 3, kernel_translate, "characters of the second replaced by those of the third", T, T, T),
    FN("overlay", T, 3, kernel_overlay, "the second written over the first from a character on", T, T, I),
    FN("overlay", T, 4, kernel_overlay, "the second in place of so many characters of the first", T, T, I, I),
    FN("||", T, 2, kernel_concat_pair, "joined", T, T),
    {.name = "||", .result = T, .nargs = 2, .args = {T, ARG_ANY}, .kernel = kernel_concat_pair,
     .bind = text_bind_args, .help = "joined, the second as text"},
    {.name = "||", .result = T, .nargs = 2, .args = {ARG_ANY, T}, .kernel = kernel_concat_pair,
     .bind = text_bind_args, .help = "joined, the first as text"},
    {.name = "concat", .result = T, .nargs = 1, .args = {ARG_ANY}, .flags = FN_VARIADIC | FN_NULLS,
     .kernel = kernel_concat, .bind = text_bind_args, .help = "joined as text; NULLs are left out"},
    {.name = "concat_ws", .result = T, .nargs = 2, .args = {T, ARG_ANY}, .flags = FN_VARIADIC | FN_NULLS,
     .kernel = kernel_concat_ws, .bind = text_bind_args,
     .help = "joined as text with the first between; NULLs are left out"},
    {.name = "format", .result = T, .nargs = 1, .args = {T}, .flags = FN_NULLS, .kernel = text_format,
     .help = "the template, where %% is %"},
    {.name = "format", .result = T, .nargs = 2, .args = {T, ARG_ANY}, .flags = FN_VARIADIC | FN_NULLS,
     .kernel = text_format, .bind = text_bind_args,
     .help = "with arguments in place of %s (text), %I (a name) and %L (a literal); %2$s the second, %-9s 9 wide"},
    FN("quote_ident", T, 1, text_quote_ident, "as an SQL name, in quotes if it needs them", T),
    FN("parse_ident", (ARRAY_OF | T), 1, text_parse_ident, "the names of a.\"B\", unquoted or in lower case", T),
    FN("parse_ident", (ARRAY_OF | T), 2, text_parse_ident, "the same; false: what follows the names is left", T,
       TYPE_BOOL),
    FN("unistr", T, 1, text_unistr, "with the characters of \\XXXX, \\+XXXXXX, \\uXXXX and \\UXXXXXXXX", T),
    {0},
};
