/* to_char(number, template): PostgreSQL's template patterns (its documentation, table 9.29), for locale C.
 *
 *   9  digit, blank if it leads   0  digit, always   . D  the point   , G  between groups of digits, once there are any
 *   S  sign beside the number     MI PL SG  minus, plus, either, where they stand    PR  <negative in brackets>
 *   FM no padding                 TH th  1ST 2nd     RN rn  roman     V  times 10 for each 9 behind it
 *   EEEE  1.23e+04                L  the currency's symbol, which is a blank         "text", and what is none of these
 *
 * A template is read into items; the number becomes digits with as many places as the template has, and the items are
 * written from both. A number that is too long is #'s.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "column/decimal.h"
#include "expr/function.h"
#include "expr/utf8.h"

enum item {
    DIGIT,
    ZERO,
    POINT,
    COMMA,
    BLANK, /* L */
    SIGN,
    MINUS,
    PLUS,
    EITHER_SIGN,
    BRACKETS,
    ORDINAL,
    ROMAN,
    TIMES,
    SCIENTIFIC,
    FILL,
    NOTHING, /* B, C and SP mean nothing, or are not done by PostgreSQL either */
    LITERAL,
};

struct pattern {
    const char *name;
    enum item item;
};
/* Letters are taken in either case; a longer name stands before its own beginning. */
static const struct pattern patterns[] = {
    {",", COMMA},        {".", POINT},  {"0", ZERO},        {"9", DIGIT},    {"B", NOTHING},  {"C", NOTHING},
    {"D", POINT},        {"EEEE", SCIENTIFIC},              {"FM", FILL},    {"G", COMMA},    {"L", BLANK},
    {"MI", MINUS},       {"PL", PLUS},  {"PR", BRACKETS},   {"RN", ROMAN},   {"SG", EITHER_SIGN},
    {"SP", NOTHING},     {"S", SIGN},   {"TH", ORDINAL},    {"V", TIMES},
};

enum { MOST_ITEMS = 256, MOST_DIGITS = 400, ROMAN_WIDTH = 15 };

struct format {
    struct {
        uint8_t item;
        char ch; /* of a literal; of others the pattern's first letter as written */
    } items[MOST_ITEMS];
    uint32_t n;
    int before, after;   /* places before and behind the point */
    int times;           /* 9s behind V */
    int zero_from;       /* places before the first 0; -1: there is no 0 before the point */
    int zero_end;        /* places up to the last 0 */
    int sign_at;         /* places before S */
    bool point, sign, sign_behind, minus, plus, brackets, roman, scientific, fill, multiplies;
    const char *problem; /* NULL: the template is good */
};

/* ---- the template ---- */

static int find_pattern(const char *at, size_t left)
{
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        size_t len = strlen(patterns[i].name);
        if (len <= left && strncasecmp(at, patterns[i].name, len) == 0) {
            bool upper = true, lower = true; /* Mi is M and i */
            for (size_t k = 0; k < len; k++) {
                upper &= !islower((unsigned char)at[k]);
                lower &= !isupper((unsigned char)at[k]);
            }
            if (upper || lower)
                return (int)i;
        }
    }
    return -1;
}

static const char *count_place(struct format *f, bool zero)
{
    if (f->brackets)
        return zero ? "\"0\" must be ahead of \"PR\"" : "\"9\" must be ahead of \"PR\"";
    if (!zero && f->multiplies) {
        f->times++;
        return NULL;
    }
    if (zero && f->zero_from < 0 && !f->point)
        f->zero_from = f->before;
    if (f->point)
        f->after++;
    else
        f->before++;
    if (zero)
        f->zero_end = f->before + f->after;
    return NULL;
}

static const char *take_sign(struct format *f, enum item item)
{
    if (item == SIGN) {
        if (f->sign)
            return "cannot use \"S\" twice";
        if (f->plus || f->minus || f->brackets)
            return "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together";
        f->sign = true;
        f->sign_behind = f->point;
        f->sign_at = f->before;
        return NULL;
    }
    if (item == BRACKETS) {
        if (f->sign || f->plus || f->minus)
            return "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together";
        f->brackets = true;
        return NULL;
    }
    if (f->sign)
        return item == MINUS  ? "cannot use \"S\" and \"MI\" together"
               : item == PLUS ? "cannot use \"S\" and \"PL\" together"
                              : "cannot use \"S\" and \"SG\" together";
    f->minus |= item != PLUS;
    f->plus |= item != MINUS;
    return NULL;
}

static const char *take_item(struct format *f, enum item item)
{
    if (f->scientific && item != SCIENTIFIC)
        return "\"EEEE\" must be the last pattern used";
    switch (item) {
    case DIGIT:
    case ZERO: return count_place(f, item == ZERO);
    case POINT:
        if (f->point)
            return "multiple decimal points";
        if (f->multiplies)
            return "cannot use \"V\" and decimal point together";
        f->point = true;
        return NULL;
    case SIGN:
    case MINUS:
    case PLUS:
    case EITHER_SIGN:
    case BRACKETS: return take_sign(f, item);
    case FILL: f->fill = true; return NULL;
    case ROMAN: f->roman = true; return NULL;
    case TIMES:
        if (f->point)
            return "cannot use \"V\" and decimal point together";
        f->multiplies = true;
        return NULL;
    case SCIENTIFIC:
        if (f->scientific)
            return "cannot use \"EEEE\" twice";
        if (f->fill || f->sign || f->brackets || f->minus || f->plus || f->roman || f->multiplies)
            return "\"EEEE\" is incompatible with other formats";
        f->scientific = true;
        return NULL;
    default: return NULL;
    }
}

static void add_item(struct format *f, enum item item, char ch)
{
    if (f->n == MOST_ITEMS)
        f->problem = "the template has more than 256 parts";
    else
        f->items[f->n++] = (typeof(f->items[0])){(uint8_t)item, ch};
}

static struct format read_template(struct slice t)
{
    struct format f = {.zero_from = -1};
    bool quoted = false;
    for (size_t i = 0; i < t.len && !f.problem;) {
        char ch = t.data[i];
        int found = quoted ? -1 : find_pattern(t.data + i, t.len - i);
        if (found >= 0) {
            f.problem = take_item(&f, patterns[found].item);
            if (!f.problem)
                add_item(&f, patterns[found].item, ch);
            i += strlen(patterns[found].name);
            continue;
        }
        i++;
        if (ch == '"') {
            quoted = !quoted;
            continue;
        }
        if (ch == '\\' && i < t.len && (quoted || t.data[i] == '"'))
            ch = t.data[i++];
        add_item(&f, LITERAL, ch);
    }
    return f;
}

/* ---- the number ---- */

struct digits {
    char text[MOST_DIGITS]; /* without sign: digits, and a point if there are places behind it */
    bool negative;
    int blanks;             /* places of the template before the first digit */
};

/* `whole`: characters before the point in text. */
static void fit(struct digits *d, const struct format *f, int whole)
{
    int places = f->before + f->times;
    d->blanks = MAX(places - whole, 0);
    if (whole <= places)
        return;
    int n = places + f->after + 1;
    memset(d->text, '#', (size_t)n);
    d->text[places] = '.';
    d->text[n] = 0;
}

/* `digits`, an integer without sign, with a point `after` places from its end. */
static void place_point(struct digits *d, const struct format *f, const char *digits, int after)
{
    int len = (int)strlen(digits), whole = MAX(len - after, 1), at = 0;
    if (len + after + 4 > MOST_DIGITS) /* no template is that long: it will not fit */
        after = 0;
    for (int i = 0; i < whole + after; i++) {
        if (i == whole)
            d->text[at++] = '.';
        int from = i - (whole + after - len);
        d->text[at++] = from >= 0 ? digits[from] : '0';
    }
    d->text[at] = 0;
    fit(d, f, whole);
}

/* An ordinal needs a place for its digit. */
static bool has_ordinal_of_nothing(const struct format *f, const struct digits *d)
{
    size_t n = strlen(d->text);
    bool asked = false;
    for (uint32_t i = 0; i < f->n; i++)
        asked |= f->items[i].item == ORDINAL;
    return asked && !f->point && !d->negative && d->text[0] != '#' && n && !isdigit((unsigned char)d->text[n - 1]);
}

/* value = v / 10^scale */
static void digits_of_decimal(struct digits *d, const struct format *f, int128 v, unsigned scale)
{
    char digits[MOST_ITEMS + 64];
    unsigned want = (unsigned)(f->after + f->times);
    if (want < scale)
        (void)decimal_rescale(v, scale, want, &v);
    d->negative = v < 0;
    size_t n = decimal_print(v < 0 ? -v : v, 0, digits);
    for (unsigned i = scale; i < want && v; i++)
        digits[n++] = '0';
    digits[n] = 0;
    place_point(d, f, digits, f->after);
}

/* Digits past the 15 that a double is sure of are not asked for. */
static void digits_of_double(struct digits *d, struct format *f, double v)
{
    enum { SURE = 15 };
    v *= pow(10, f->times);
    char number[MOST_DIGITS];
    int whole = isfinite(v) ? snprintf(number, sizeof number, "%.0f", fabs(v)) : isnan(v) ? 3 : 8;
    if (isfinite(v))
        f->after = whole >= SURE ? 0 : MIN(f->after, SURE - whole);
    if (isfinite(v))
        snprintf(number, sizeof number, "%.*f", f->after, v);
    else
        snprintf(number, sizeof number, "%s", isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
    d->negative = number[0] == '-';
    snprintf(d->text, sizeof d->text, "%s", number + d->negative);
    const char *point = strchr(d->text, '.');
    fit(d, f, point ? (int)(point - d->text) : (int)strlen(d->text));
}

static void put_roman(struct buf *out, int64_t v, bool upper, bool fill)
{
    static const struct {
        int value;
        const char *letters;
    } steps[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
                 {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"}};
    char text[ROMAN_WIDTH + 1] = ""; /* the longest is MMMDCCCLXXXVIII */
    size_t n = 0;
    if (v < 1 || v > 3999)
        memset(text, '#', ROMAN_WIDTH);
    for (size_t i = 0; i < ARRAY_LEN(steps) && text[0] != '#'; i++)
        for (; v >= steps[i].value; v -= steps[i].value)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", steps[i].letters);
    for (char *p = text; *p && !upper; p++)
        *p = (char)tolower((unsigned char)*p);
    buf_printf(out, "%*s", fill ? 0 : ROMAN_WIDTH, text);
}

static void put_scientific_decimal(struct buf *out, int128 v, unsigned scale, int after)
{
    char digits[48];
    int n = (int)decimal_print(v < 0 ? -v : v, 0, digits), exponent = v ? n - 1 - (int)scale : 0;
    if (n - 1 > after) { /* round to after + 1 digits; a carry makes one more */
        int128 rounded;
        (void)decimal_rescale(v < 0 ? -v : v, (unsigned)(n - 1), (unsigned)after, &rounded);
        int longer = (int)decimal_print(rounded, 0, digits) - (after + 1);
        exponent += longer;
        n = after + 1;
    }
    buf_printf(out, "%c%c", v < 0 ? '-' : ' ', digits[0]);
    for (int i = 1; i <= after; i++)
        buf_printf(out, "%s%c", i == 1 ? "." : "", i < n ? digits[i] : '0');
    buf_printf(out, "e%+03d", exponent);
}

static void put_scientific_double(struct buf *out, double v, const struct format *f)
{
    if (isfinite(v)) {
        buf_printf(out, "%+.*e", f->after, v);
        out->data[0] = out->data[0] == '+' ? ' ' : out->data[0];
        return;
    }
    for (int i = 0; i < f->before + f->after + 6; i++)
        buf_putc(out, i == 0 ? ' ' : i == f->before + 1 ? '.' : '#');
}

/* ---- writing ---- */

struct writing {
    const struct format *f;
    const struct digits *d;
    struct buf *out;
    const char *next;     /* character of the number */
    const char *relevant; /* FM: last one that matters; NULL: all do */
    int place;            /* of the template */
    int last_place;
    bool sign_done, sign_behind, brackets, in_number;
};

static bool hides_zero(const struct writing *w) /* 0.1 by 9.9 is .1 */
{
    return w->f->zero_from < 0 && w->next == w->d->text && *w->next == '0' && w->f->after != 0;
}

static bool ends_at_point(const struct writing *w) { return w->relevant && *w->relevant == '.'; }

static void start(struct writing *w)
{
    const struct format *f = w->f;
    bool filled_plus = !w->d->negative && f->fill;
    w->next = w->d->text;
    w->brackets = f->brackets && !(filled_plus && !f->plus && !f->minus);
    w->sign_behind = f->sign_behind;
    if (f->plus || f->minus)
        w->sign_done = f->minus;
    else {
        w->sign_done = filled_plus && !f->sign;
        w->sign_behind |= f->sign && f->before == f->sign_at;
    }
    w->last_place = f->after + f->before + f->times - 1;
    const char *point = strchr(w->d->text, '.');
    if (f->fill && f->point && point) {
        w->relevant = point;
        for (const char *p = point + 1; *p; p++)
            w->relevant = *p != '0' ? p : w->relevant;
        int last_zero = MIN((int)strlen(w->d->text) - 1, f->zero_end - w->d->blanks);
        if (f->zero_end > w->d->blanks)
            w->relevant = MAX(w->relevant, w->d->text + last_zero);
    }
    w->last_place += !w->sign_done && w->d->blanks == 0;
}

static void put_own_sign(struct writing *w)
{
    const struct format *f = w->f;
    bool begins = w->place >= w->d->blanks || (f->zero_from >= 0 && f->zero_from == w->place);
    if (w->sign_done || !begins || (hides_zero(w) && !ends_at_point(w)))
        return;
    if (f->sign) {
        if (w->sign_behind)
            return;
        buf_putc(w->out, w->d->negative ? '-' : '+');
    } else if (w->brackets)
        buf_putc(w->out, w->d->negative ? '<' : ' ');
    else if (w->d->negative)
        buf_putc(w->out, '-');
    else if (!f->fill)
        buf_putc(w->out, ' ');
    w->sign_done = true;
}

static void put_character(struct writing *w, enum item item)
{
    if (*w->next == '.')
        buf_putc(w->out, '.');
    else if (w->relevant && w->next > w->relevant && item != ZERO)
        ;
    else if (hides_zero(w)) {
        if (!w->f->fill)
            buf_putc(w->out, ' ');
        else if (ends_at_point(w))
            buf_putc(w->out, '0');
    } else if (*w->next) {
        buf_putc(w->out, *w->next);
        w->in_number = true;
    }
    w->next += *w->next != 0;
}

static void put_place(struct writing *w, enum item item)
{
    const struct format *f = w->f;
    bool zeros = f->zero_from >= 0 && f->zero_from <= w->place;
    w->in_number = false;
    put_own_sign(w);
    if (w->place >= w->d->blanks)
        put_character(w, item);
    else if (zeros) {
        buf_putc(w->out, '0');
        w->in_number = true;
    } else if (!f->fill)
        buf_putc(w->out, ' ');
    int end = w->last_place + (w->d->blanks > 0) + f->point;
    if (w->relevant && w->relevant == w->next)
        end = w->place;
    if (w->place + 1 == end) {
        if (w->sign_done && w->brackets)
            buf_putc(w->out, w->d->negative ? '>' : ' ');
        else if (f->sign && w->sign_behind)
            buf_putc(w->out, w->d->negative ? '-' : '+');
    }
    w->place++;
}

static void put_ordinal(struct writing *w, bool upper)
{
    static const char *const endings[][2] = {{"th", "TH"}, {"st", "ST"}, {"nd", "ND"}, {"rd", "RD"}};
    size_t n = strlen(w->d->text);
    if (w->d->text[0] == '#' || w->d->negative || w->f->point || n == 0)
        return;
    int last = w->d->text[n - 1] - '0';
    bool teen = n > 1 && w->d->text[n - 2] == '1';
    buf_puts(w->out, endings[!teen && last >= 0 && last <= 3 ? last : 0][upper]);
}

static void put_item(struct writing *w, enum item item, char ch)
{
    bool fill = w->f->fill, negative = w->d->negative;
    switch (item) {
    case DIGIT:
    case ZERO:
    case POINT: put_place(w, item); break;
    case COMMA:
        if (w->in_number || !fill)
            buf_putc(w->out, w->in_number ? ',' : ' ');
        break;
    case BLANK: buf_putc(w->out, ' '); break;
    case MINUS:
        if (negative || !fill)
            buf_putc(w->out, negative ? '-' : ' ');
        break;
    case PLUS:
        if (!negative || !fill)
            buf_putc(w->out, negative ? ' ' : '+');
        break;
    case EITHER_SIGN: buf_putc(w->out, negative ? '-' : '+'); break;
    case ORDINAL: put_ordinal(w, isupper((unsigned char)ch)); break;
    case LITERAL: buf_putc(w->out, ch); break;
    default: break;
    }
}

static void put_number(struct call *c, uint32_t row, struct buf *out, const struct format *f, const struct digits *d)
{
    if (has_ordinal_of_nothing(f, d)) {
        call_fail(c, row, "22P02", "\"%s\" is not a number", d->text);
        return;
    }
    struct writing w = {.f = f, .d = d, .out = out};
    start(&w);
    for (uint32_t i = 0; i < f->n; i++)
        put_item(&w, f->items[i].item, f->items[i].ch);
}

static void put_as_roman(struct buf *out, const struct format *f, int64_t v)
{
    for (uint32_t i = 0; i < f->n; i++) {
        enum item item = f->items[i].item;
        if (item == ROMAN)
            put_roman(out, v, isupper((unsigned char)f->items[i].ch), f->fill);
        else if (item == LITERAL)
            buf_putc(out, f->items[i].ch);
        else if (item == BLANK || (item == COMMA && !f->fill))
            buf_putc(out, ' ');
    }
}

/* ---- kernels ---- */

static bool is_ready(struct call *c, uint32_t row, struct slice text, struct format *f)
{
    *f = read_template(text);
    if (f->problem)
        call_fail(c, row, "42601", "%s", f->problem);
    return !f->problem;
}

static void kernel_numeric(struct call *c)
{
    AUTO(buf) out = BUF(MIB(1));
    struct format f;
    struct digits d = {0};
    unsigned scale = c->args[0].col.type.scale;
    CALL_ROWS(c, r) {
        int128 v = arg_numeric(c, 0, r), whole = 0;
        if (!is_ready(c, r, arg_text(c, 1, r), &f))
            continue;
        buf_clear(&out);
        if (f.roman) {
            (void)decimal_rescale(v, scale, 0, &whole);
            if (whole > INT32_MAX || whole < INT32_MIN) {
                call_fail(c, r, "22003", "integer out of range");
                continue;
            }
            put_as_roman(&out, &f, (int64_t)whole);
        } else if (f.scientific)
            put_scientific_decimal(&out, v, scale, f.after);
        else {
            digits_of_decimal(&d, &f, v, scale);
            put_number(c, r, &out, &f, &d);
        }
        call_text(c, r, out.len ? out.data : "", out.len);
    }
}

static void put_integer(struct call *c, uint32_t row, const struct format *f, int64_t v, struct buf *out)
{
    bool small = c->args[0].col.type.id == TYPE_INT4;
    struct digits d = {0};
    if (f->roman && v != (int32_t)v) {
        call_fail(c, row, "22003", "integer out of range");
        return;
    }
    if (f->roman)
        put_as_roman(out, f, v);
    else if (f->scientific)
        put_scientific_decimal(out, v, 0, f->after);
    else {
        int128 product = v;
        for (int i = 0; i < f->times && product <= INT64_MAX && product >= INT64_MIN; i++)
            product *= 10;
        if (product > (small ? INT32_MAX : INT64_MAX) || product < (small ? INT32_MIN : INT64_MIN)) {
            call_fail(c, row, "22003", small ? "integer out of range" : "bigint out of range");
            return;
        }
        digits_of_decimal(&d, f, v, 0);
        put_number(c, row, out, f, &d);
    }
    call_text(c, row, out->len ? out->data : "", out->len);
}

static void kernel_integer(struct call *c)
{
    AUTO(buf) out = BUF(MIB(1));
    struct format f;
    bool small = c->args[0].col.type.id == TYPE_INT4;
    CALL_ROWS(c, r) {
        buf_clear(&out);
        if (is_ready(c, r, arg_text(c, 1, r), &f))
            put_integer(c, r, &f, small ? ARG(c, 0, int32_t, r) : ARG(c, 0, int64_t, r), &out);
    }
}

static void kernel_double(struct call *c)
{
    AUTO(buf) out = BUF(MIB(1));
    struct format f;
    struct digits d = {0};
    CALL_ROWS(c, r) {
        double v = ARG(c, 0, double, r);
        if (!is_ready(c, r, arg_text(c, 1, r), &f))
            continue;
        buf_clear(&out);
        if (f.roman)
            put_as_roman(&out, &f, fabs(v) < 5000 ? (int64_t)rint(v) : 0);
        else if (f.scientific)
            put_scientific_double(&out, v, &f);
        else {
            digits_of_double(&d, &f, v);
            put_number(c, r, &out, &f, &d);
        }
        call_text(c, r, out.len ? out.data : "", out.len);
    }
}

/* ---- reading ---- */

/* A text is read along the template: each place for a digit takes one, or the point, where there is one, and what is
 * neither digit nor sign is passed over by the patterns that would have written something else. */
struct reading {
    const struct format *f;
    struct slice text;
    size_t at;
    char sign;                     /* 0: none yet */
    char digits[MOST_ITEMS];
    int whole, fraction;           /* how many */
    bool point;
};

static char upcoming(const struct reading *g) { return g->at < g->text.len ? g->text.data[g->at] : 0; }

static void pass_character(struct reading *g)
{
    const char *end = g->text.data + g->text.len;
    g->at = (size_t)(utf8_next(g->text.data + g->at, end) - g->text.data);
}

static void pass_over(struct reading *g, int n)
{
    static const char data[] = "0123456789.,+-";
    while (n-- > 0 && g->at < g->text.len && !strchr(data, g->text.data[g->at]))
        pass_character(g);
}

static void take_sign_before(struct reading *g)
{
    char ch = upcoming(g);
    if (ch != '-' && ch != '+' && !(ch == '<' && g->f->brackets))
        return;
    g->sign = ch == '+' ? '+' : '-';
    g->at++;
}

/* S stands right behind the last digit; MI, PL and SG are met there where the text is shorter than the template. */
static void take_sign_behind(struct reading *g, bool taken)
{
    const struct format *f = g->f;
    char ch = upcoming(g), next = g->at + 1 < g->text.len ? g->text.data[g->at + 1] : 0;
    if (f->sign && taken && (next == '-' || next == '+')) {
        g->sign = next;
        g->at++;
    } else if (!f->sign && !taken && (f->plus || f->minus) && (ch == '-' || ch == '+'))
        g->sign = ch;
}

/* Answers, as take_pattern does, whether the character that is next is done with. */
static bool take_place(struct reading *g, enum item item)
{
    bool taken = false;
    g->at += upcoming(g) == ' ';
    if (!g->sign && item != POINT && g->whole + g->fraction == 0)
        take_sign_before(g);
    char ch = upcoming(g);
    if (isdigit((unsigned char)ch)) {
        if (g->point && g->fraction == g->f->after)
            return true;
        g->digits[g->whole + g->fraction] = ch;
        ++*(g->point ? &g->fraction : &g->whole);
        taken = true;
    } else if (ch == '.' && g->f->point && !g->point)
        g->point = taken = true;
    if (!g->sign && g->whole + g->fraction > 0 && g->at < g->text.len)
        take_sign_behind(g, taken);
    return true;
}

/* Answers whether the character that is next is done with. */
static bool take_pattern(struct reading *g, enum item item)
{
    char ch = upcoming(g);
    switch (item) {
    case DIGIT:
    case ZERO:
    case POINT: return take_place(g, item);
    case COMMA: return ch == ',' && !g->f->fill;
    case BLANK: pass_over(g, 1); return false;
    case ORDINAL: pass_over(g, 2); return false;
    case MINUS:
    case PLUS:
    case EITHER_SIGN:
        if ((ch == '-' && item != PLUS) || (ch == '+' && item != MINUS)) {
            g->sign = ch;
            return true;
        }
        pass_over(g, 1);
        return false;
    default: return false;
    }
}

static void read_number(struct reading *g)
{
    for (uint32_t i = 0; i < g->f->n && g->at < g->text.len; i++) {
        enum item item = g->f->items[i].item;
        if (item != LITERAL)
            g->at += take_pattern(g, item);
        else if (utf8_starts(g->f->items[i].ch))
            pass_character(g);
    }
}

static void kernel_to_number(struct call *c)
{
    const struct format *f = c->extra;
    CALL_ROWS(c, r) {
        struct reading g = {.f = f, .text = arg_text(c, 0, r)};
        char text[MOST_ITEMS + 2];
        int128 v = 0;
        unsigned scale;
        bool overflow;
        if (!f->n) {
            call_null(c, r);
            continue;
        }
        read_number(&g);
        int n = snprintf(text, sizeof text, "%c%.*s%s%.*s", g.sign ? g.sign : ' ', g.whole, g.digits,
                         g.fraction ? "." : "", g.fraction, g.digits + g.whole);
        bool number = decimal_parse((struct slice){text + !g.sign, (size_t)(n - !g.sign)}, &v, &scale, &overflow);
        unsigned places = (unsigned)(f->before + f->times + g.fraction);
        if (!number && !overflow)
            call_fail(c, r, "22P02", "invalid input syntax for type numeric: \"%s\"", text);
        else if (!number || !decimal_fits(v, MIN(places, (unsigned)NUMERIC_MAX_PRECISION)) ||
                 !decimal_rescale(v, scale, (unsigned)f->after, &v))
            call_fail(c, r, "22003", "numeric field overflow");
        else
            column_set_numeric(&c->out->col, r, v);
    }
}

/* The template says how many digits there are. */
static enum status bind_to_number(struct binding *b, struct error *err)
{
    const struct expr *template = b->args[1];
    struct format *f = arena_zalloc(b->arena, sizeof *f);
    if (!expr_is_const(template)) {
        (void)error_set(err, ERR_UNSUPPORTED, "the template of to_number must be a constant");
        return error_hint(err, "a CASE with a call for each template does the same");
    }
    if (!expr_is_null_const(template))
        *f = read_template(view_slice(template->value.data));
    if (f->problem)
        return error_set(err, ERR_SQL, "%s", f->problem);
    if (f->scientific || f->roman)
        return error_set(err, ERR_UNSUPPORTED, "\"%s\" not supported for input", f->scientific ? "EEEE" : "RN");
    int scale = f->after + f->times, precision = MAX(f->before + scale, 1);
    if (scale > NUMERIC_MAX_PRECISION)
        return error_set(err, ERR_UNSUPPORTED, "a template of to_number with more than %d digits after the point",
                         NUMERIC_MAX_PRECISION);
    b->result = type_numeric(MIN(precision, NUMERIC_MAX_PRECISION), (unsigned)scale);
    b->extra = f;
    return OK;
}

#define TO_CHAR(SOURCE, KERNEL)                                                                                        \
    {.name = "to_char", .result = TYPE_TEXT, .nargs = 2, .args = {SOURCE, TYPE_TEXT}, .kernel = KERNEL,                \
     .help = "by a template: 'FM999,990.00', 'S9.99EEEE', '0000MI', 'RN'"}

const struct function fn_to_char_number[] = {
    TO_CHAR(TYPE_INT4, kernel_integer),
    TO_CHAR(TYPE_INT8, kernel_integer),
    TO_CHAR(TYPE_NUMERIC, kernel_numeric),
    TO_CHAR(TYPE_FLOAT8, kernel_double),
    {.name = "to_number", .result = TYPE_NUMERIC, .nargs = 2, .args = {TYPE_TEXT, TYPE_TEXT},
     .kernel = kernel_to_number, .bind = bind_to_number,
     .help = "by a template, a constant, whose digits are the result's: to_number('1,234.50-', '9,999.99S')"},
    {0},
};
