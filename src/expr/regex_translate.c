/* PostgreSQL's advanced regular expressions -> RE2's. Everything that is not a letter or a digit goes over as a hex
 * escape, so that no character means more there than here. */
#include <ctype.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "expr/regex.h"

struct translation {
    const char *start, *p, *end;
    struct regex_options options;
    struct buf *out;
    bool lazy;
    bool operand; /* something that a quantifier can follow has just been written */
    unsigned open;
    const char *sqlstate;
    struct error *err;
};

static bool invalid(struct translation *t, const char *what)
{
    t->sqlstate = "2201B";
    (void)error_set(t->err, ERR_SQL, "invalid regular expression: %s", what);
    return false;
}

static bool refuse(struct translation *t, const char *what, const char *hint)
{
    t->sqlstate = "0A000";
    (void)error_set(t->err, ERR_UNSUPPORTED, "%s, at byte %zu of the regular expression, is not supported", what,
                    (size_t)(t->p - t->start) + 1);
    (void)error_hint(t->err, "%s", hint);
    return false;
}

static bool ahead(const struct translation *t, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(t->end - t->p) >= n && memcmp(t->p, what, n) == 0;
}

static uint32_t other_case(uint32_t ch)
{
    bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
    return letter ? ch ^ 0x20 : ch;
}

static void put_plain(struct buf *out, uint32_t ch)
{
    if (ch < 128 && isalnum((int)ch))
        buf_putc(out, (char)ch);
    else
        buf_printf(out, "\\x{%x}", ch);
}

static void put_char(struct translation *t, uint32_t ch)
{
    uint32_t other = t->options.fold ? other_case(ch) : ch;
    if (other != ch)
        buf_printf(t->out, "[%c%c]", (int)ch, (int)other);
    else
        put_plain(t->out, ch);
    t->operand = true;
}

static uint32_t next_char(struct translation *t)
{
    unsigned char c = (unsigned char)*t->p;
    unsigned n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t ch = n == 1 ? c : c & (0x7fu >> n);
    for (unsigned i = 1; i < n && t->p + i < t->end; i++)
        ch = ch << 6 | ((unsigned char)t->p[i] & 0x3f);
    t->p += MIN(n, (size_t)(t->end - t->p));
    return ch;
}

/* ---- escapes ---- */

static bool hex_number(struct translation *t, unsigned least, unsigned most, uint32_t *ret)
{
    uint32_t v = 0;
    unsigned n = 0;
    for (; n < most && t->p < t->end && hex_value(*t->p) >= 0; n++, t->p++) {
        v = v << 4 | (uint32_t)hex_value(*t->p);
    }
    *ret = v;
    return n >= least && v > 0 && v <= 0x10ffff && !(v >= 0xd800 && v <= 0xdfff);
}

/* A character behind a backslash; false: it is none. t->p stands behind the letter. */
static bool character_escape(struct translation *t, char letter, uint32_t *ret)
{
    static const char from[] = "abBefnrtv", into[] = "\a\b\\\033\f\n\r\t\v";
    const char *found = letter ? strchr(from, letter) : NULL;
    if (found) {
        *ret = (unsigned char)into[found - from];
        return true;
    }
    switch (letter) {
    case 'u': return hex_number(t, 4, 4, ret);
    case 'U': return hex_number(t, 8, 8, ret);
    case 'x': return hex_number(t, 1, 8, ret);
    case 'c':
        if (t->p == t->end)
            return false;
        *ret = (unsigned char)*t->p++ & 0x1f;
        return *ret != 0;
    default:
        *ret = (unsigned char)letter;
        return !isalnum((unsigned char)letter) && (unsigned char)letter < 128;
    }
}

static const char *class_of(char letter, bool *ret_negated)
{
    *ret_negated = isupper((unsigned char)letter);
    switch (tolower((unsigned char)letter)) {
    case 'd': return "[:digit:]";
    case 's': return "[:space:]";
    case 'w': return "[:word:]";
    default: return NULL;
    }
}

static bool translate_escape(struct translation *t)
{
    bool negated;
    uint32_t ch;
    const char *at = t->p++;
    if (t->p == t->end)
        return invalid(t, "invalid escape \\ sequence");
    char letter = *t->p;
    if (letter >= '1' && letter <= '9') {
        t->p = at;
        return refuse(t, "a back-reference", "what takes more than linear time has no place in a stream");
    }
    if (letter == 'm' || letter == 'M') {
        t->p = at;
        return refuse(t, "\\m or \\M", "\\y matches at both ends of a word");
    }
    t->p++;
    const char *class = class_of(letter, &negated);
    if (class) {
        buf_printf(t->out, "[%s%s]", negated ? "^" : "", class);
        t->operand = true;
        return true;
    }
    const char *constraint = letter == 'y' ? "\\b" : letter == 'Y' ? "\\B" : letter == 'A' ? "\\A"
                             : letter == 'Z' ? "\\z" : NULL;
    if (constraint) {
        buf_puts(t->out, constraint);
        t->operand = false;
        return true;
    }
    if ((unsigned char)letter >= 128) {
        t->p--;
        put_char(t, next_char(t));
        return true;
    }
    if (!character_escape(t, letter, &ch))
        return invalid(t, "invalid escape \\ sequence");
    put_char(t, ch);
    return true;
}

/* ---- brackets ---- */

/* [:class:]; t->p at the inner bracket. */
static bool translate_class(struct translation *t)
{
    static const char *const names[] = {"alpha", "digit", "alnum", "upper", "lower", "punct", "space",
                                        "print", "graph", "cntrl", "xdigit", "blank", "word"};
    const char *close = t->p + 2;
    while (close + 1 < t->end && !(close[0] == ':' && close[1] == ']'))
        close++;
    size_t len = (size_t)(close - t->p - 2);
    for (size_t i = 0; close + 1 < t->end && i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], t->p + 2, len) == 0) {
            bool both = t->options.fold && (i == 3 || i == 4);
            buf_printf(t->out, "[:%s:]", both ? "alpha" : names[i]);
            t->p = close + 2;
            return true;
        }
    return invalid(t, "invalid character class");
}

/* One end of a range, or a character by itself. */
static bool bracket_char(struct translation *t, uint32_t *ret)
{
    if (*t->p != '\\') {
        *ret = next_char(t);
        return true;
    }
    t->p++;
    if (t->p == t->end)
        return invalid(t, "brackets [] not balanced");
    char letter = *t->p++;
    return character_escape(t, letter, ret) || invalid(t, "invalid escape \\ sequence");
}

static void put_range(struct buf *out, uint32_t from, uint32_t to)
{
    if (from > to)
        return;
    put_plain(out, from);
    buf_putc(out, '-');
    put_plain(out, to);
}

static bool bracket_item(struct translation *t)
{
    bool negated;
    uint32_t from, to;
    if (ahead(t, "[:"))
        return translate_class(t);
    if (ahead(t, "[.") || ahead(t, "[="))
        return refuse(t, "a collating element", "write the characters themselves");
    const char *class = t->p + 1 < t->end && *t->p == '\\' ? class_of(t->p[1], &negated) : NULL;
    if (class) {
        if (negated)
            return invalid(t, "invalid escape \\ sequence");
        buf_puts(t->out, class);
        t->p += 2;
        return true;
    }
    if (!bracket_char(t, &from))
        return false;
    to = from;
    if (t->end - t->p >= 2 && *t->p == '-' && t->p[1] != ']') {
        t->p++;
        if (!bracket_char(t, &to))
            return false;
    }
    if (to < from)
        return invalid(t, "invalid character range");
    put_range(t->out, from, to);
    if (t->options.fold) {
        put_range(t->out, MAX(from, (uint32_t)'a') - 32, MIN(to, (uint32_t)'z') - 32);
        put_range(t->out, MAX(from, (uint32_t)'A') + 32, MIN(to, (uint32_t)'Z') + 32);
    }
    return true;
}

static bool translate_brackets(struct translation *t)
{
    if (ahead(t, "[[:<:]]") || ahead(t, "[[:>:]]"))
        return refuse(t, "the end of a word as [[:<:]] or [[:>:]]", "\\y matches at both ends of a word");
    t->p++;
    bool negated = t->p < t->end && *t->p == '^';
    t->p += negated;
    buf_puts(t->out, negated ? "[^" : "[");
    if (negated && t->options.dot_line)
        buf_puts(t->out, "\\n");
    for (bool first = true; t->p < t->end && (first || *t->p != ']'); first = false)
        if (!bracket_item(t))
            return false;
    if (t->p == t->end)
        return invalid(t, "brackets [] not balanced");
    t->p++;
    buf_putc(t->out, ']');
    t->operand = true;
    return true;
}

/* ---- the rest ---- */

static bool translate_open(struct translation *t)
{
    if (ahead(t, "(?=") || ahead(t, "(?!") || ahead(t, "(?<"))
        return refuse(t, "look-around", "match what stands around as well, and take the part in brackets");
    bool plain = ahead(t, "(?:");
    if (!plain && ahead(t, "(?"))
        return invalid(t, "quantifier operand invalid");
    t->p += plain ? 3 : 1;
    buf_puts(t->out, plain ? "(?:" : "(");
    t->open++;
    t->operand = false;
    return true;
}

static bool read_count(struct translation *t, unsigned *ret)
{
    const char *first = t->p;
    unsigned v = 0;
    for (; t->p < t->end && isdigit((unsigned char)*t->p); t->p++)
        v = MIN(v * 10 + (unsigned)(*t->p - '0'), 1000u);
    *ret = v;
    return t->p > first;
}

static bool translate_bound(struct translation *t)
{
    unsigned least, most;
    t->p++;
    (void)read_count(t, &least);
    most = least;
    bool comma = t->p < t->end && *t->p == ',', open_ended = false;
    t->p += comma;
    if (comma)
        open_ended = !read_count(t, &most);
    if (t->p == t->end || *t->p != '}')
        return invalid(t, t->p == t->end ? "braces {} not balanced" : "invalid repetition count(s)");
    if (least > 255 || (!open_ended && (most > 255 || most < least)))
        return invalid(t, "invalid repetition count(s)");
    t->p++;
    if (open_ended)
        buf_printf(t->out, "{%u,}", least);
    else
        buf_printf(t->out, "{%u,%u}", least, most);
    return true;
}

static bool translate_quantifier(struct translation *t)
{
    if (!t->operand)
        return invalid(t, "quantifier operand invalid");
    if (*t->p == '{') {
        if (!translate_bound(t))
            return false;
    } else
        buf_putc(t->out, *t->p++);
    if (t->p < t->end && *t->p == '?') {
        buf_putc(t->out, '?');
        t->lazy = true;
        t->p++;
    }
    t->operand = false;
    return true;
}

static bool translate_one(struct translation *t)
{
    char c = *t->p;
    bool counts = c == '{' && t->p + 1 < t->end && isdigit((unsigned char)t->p[1]);
    if (c == '*' || c == '+' || c == '?' || counts)
        return translate_quantifier(t);
    switch (c) {
    case '\\': return translate_escape(t);
    case '[': return translate_brackets(t);
    case '(': return translate_open(t);
    case ')':
        if (t->open == 0)
            return invalid(t, "parentheses () not balanced");
        t->open--;
        t->operand = true;
        break;
    case '|':
    case '^':
    case '$': t->operand = false; break;
    case '.':
        buf_puts(t->out, t->options.dot_line ? "[^\\n]" : ".");
        t->p++;
        t->operand = true;
        return true;
    default: put_char(t, next_char(t)); return true;
    }
    buf_putc(t->out, c);
    t->p++;
    return true;
}

/* (?i) and the like, which stand only in front. */
static bool take_options(struct translation *t)
{
    if (!ahead(t, "(?") || t->end - t->p < 3 || !isalpha((unsigned char)t->p[2]))
        return true;
    for (t->p += 2; t->p < t->end && *t->p != ')'; t->p++) {
        bool line = *t->p == 'n' || *t->p == 'm';
        switch (*t->p) {
        case 'i': t->options.fold = true; break;
        case 'c': t->options.fold = false; break;
        case 'q': t->options.literal = true; break;
        case 's':
        case 'n':
        case 'm':
        case 'p':
        case 'w':
            t->options.dot_line = line || *t->p == 'p';
            t->options.anchor_line = line || *t->p == 'w';
            break;
        case 't': break;
        case 'b':
        case 'e':
        case 'x': return refuse(t, "the option b, e or x", "write an advanced expression without blanks");
        default: return invalid(t, "invalid embedded option");
        }
    }
    if (t->p == t->end)
        return invalid(t, "invalid embedded option");
    t->p++;
    return true;
}

bool regex_translate(struct slice pattern, struct regex_options options, struct buf *out, bool *ret_lazy,
                     const char **ret_sqlstate, struct error *err)
{
    struct translation t = {.start = pattern.data, .p = pattern.data, .end = pattern.data + pattern.len,
                            .options = options, .out = out, .err = err};
    bool good = pattern.len <= REGEX_LENGTH || invalid(&t, "regular expression is too complex");
    if (good && !options.literal && ahead(&t, "***=")) {
        t.options.literal = true;
        t.p += 4;
    } else if (good && !options.literal) {
        t.p += ahead(&t, "***:") ? 4 : 0;
        good = take_options(&t);
    }
    if (good && t.options.anchor_line)
        buf_puts(out, "(?m)");
    while (good && t.p < t.end) {
        if (t.options.literal)
            put_char(&t, next_char(&t));
        else
            good = translate_one(&t);
    }
    if (good && t.open)
        good = invalid(&t, "parentheses () not balanced");
    *ret_sqlstate = t.sqlstate;
    *ret_lazy = t.lazy;
    return good;
}
