/* column_parse: text to one value, as PostgreSQL's input functions read it, with these differences: dates and times in
 * the ISO forms below only (no month names, no "today"); NaN and infinity in double precision only; years 0001 to 9999.
 *
 *   date        YYYY-MM-DD (month and day may have one digit), YYYYMMDD
 *   time        H:MM[:SS[.f]] behind T or blanks; 24:00:00 and second 60 carry over
 *   zone        Z, UTC, GMT, +H, +HH, +HHMM, +HH:MM[:SS], maybe behind blanks; ignored by timestamp, as PostgreSQL does
 */
#include <math.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "column/array.h"
#include "column/civil.h"
#include "column/decimal.h"
#include "column/float8.h"
#include "column/jsonb.h"

enum { TEXT_MAX = 1 << 28 }; /* bytes of one text, bytea or jsonb value */

struct parsing {
    struct column *c;
    size_t row;
    struct slice text; /* as given, for messages */
    struct arena *a;
    struct error *err;
};

static struct slice trim(struct slice s)
{
    while (s.len && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* What would have been read. */
static const char *const forms[TYPE_COUNT] = {
    [TYPE_BOOL] = "true, false, t, f, yes, no, y, n, on, off, 1 or 0",
    [TYPE_INT4] = "digits behind an optional sign, without a point",
    [TYPE_INT8] = "digits behind an optional sign, without a point",
    [TYPE_FLOAT8] = "a number as 1, -0.5 or 1e10, or NaN, Infinity, -Infinity",
    [TYPE_NUMERIC] = "a number as 1, -0.5 or 1e10",
    [TYPE_UUID] = "32 hexadecimal digits, as 123e4567-e89b-12d3-a456-426614174000",
    [TYPE_DATE] = "a date as 2026-11-21",
    [TYPE_TIMESTAMP] = "a time as 2026-11-21 06:00:00.123",
    [TYPE_TIMESTAMPTZ] = "a time with its zone as 2026-11-21 06:00:00.123+00",
};

/* Values may be long: a message shows how they begin. */
static enum status wrong_syntax(const struct parsing *p)
{
    char name[40];
    (void)error_set(p->err, ERR_SQL, "invalid input syntax for type %s: \"%.*s\"", type_name(p->c->type, name),
                    (int)MIN(p->text.len, (size_t)100), p->text.data);
    return forms[p->c->type.id] ? error_hint(p->err, "write %s", forms[p->c->type.id]) : FAILED;
}

static enum status out_of_range(const struct parsing *p)
{
    char name[40];
    return error_set(p->err, ERR_SQL, "value \"%.*s\" is out of range for type %s",
                     (int)MIN(p->text.len, (size_t)100), p->text.data, type_name(p->c->type, name));
}

/* ---- booleans and numbers ---- */

static enum status parse_bool(const struct parsing *p)
{
    static const struct {
        const char *word;
        size_t least; /* letters that make it unique */
        bool value;
    } words[] = {{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
                 {"on", 2, true},   {"off", 2, false},   {"1", 1, true},   {"0", 1, false}};
    struct slice s = trim(p->text);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (s.len >= words[i].least && s.len <= strlen(words[i].word) &&
            strncasecmp(s.data, words[i].word, s.len) == 0) {
            ((uint8_t *)p->c->data)[p->row] = words[i].value;
            return OK;
        }
    return wrong_syntax(p);
}

static enum status parse_integer(const struct parsing *p)
{
    struct slice s = trim(p->text);
    bool negative = s.len && s.data[0] == '-', big = false;
    size_t i = s.len && (s.data[0] == '-' || s.data[0] == '+');
    int64_t v = 0;
    if (i == s.len)
        return wrong_syntax(p);
    for (; i < s.len; i++) {
        if (!is_digit(s.data[i]))
            return wrong_syntax(p);
        int64_t digit = negative ? '0' - s.data[i] : s.data[i] - '0';
        big |= __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v);
    }
    if (big || (p->c->type.id == TYPE_INT4 && v != (int32_t)v))
        return out_of_range(p);
    if (p->c->type.id == TYPE_INT4)
        ((int32_t *)p->c->data)[p->row] = (int32_t)v;
    else
        ((int64_t *)p->c->data)[p->row] = v;
    return OK;
}

static enum status parse_float8(const struct parsing *p)
{
    switch (float8_parse(trim(p->text), (double *)p->c->data + p->row)) {
    case FLOAT8_OK: return OK;
    case FLOAT8_RANGE: return out_of_range(p);
    case FLOAT8_SYNTAX: break;
    }
    return wrong_syntax(p);
}

static enum status parse_numeric(const struct parsing *p)
{
    struct slice s = trim(p->text);
    struct type t = p->c->type;
    int128 v;
    char name[40];
    switch (decimal_parse_rounded(s, t.scale, &v)) {
    case DECIMAL_SYNTAX: return wrong_syntax(p);
    case DECIMAL_OK:
        if (decimal_fits(v, t.precision)) {
            column_set_numeric(p->c, p->row, v);
            return OK;
        }
        break;
    case DECIMAL_OVERFLOW: break;
    }
    (void)error_set(p->err, ERR_SQL, "numeric field overflow: \"%.*s\"", (int)MIN(s.len, (size_t)100), s.data);
    return error_hint(p->err, "%s must round to an absolute value less than 10^%u", type_name(t, name),
                      t.precision - t.scale);
}

/* ---- bytes ---- */

static void set_view(const struct parsing *p, const char *bytes, size_t len)
{
    ((struct view *)p->c->data)[p->row] = view_of(bytes, len);
}

static enum status too_long(const struct parsing *p)
{
    return error_set(p->err, ERR_LIMIT, "a value of %zu bytes is longer than the %d allowed", p->text.len, TEXT_MAX);
}

static enum status parse_text(const struct parsing *p)
{
    if (p->text.len > TEXT_MAX)
        return too_long(p);
    if (!utf8_valid(p->text) || (p->text.len && memchr(p->text.data, 0, p->text.len)))
        return error_set(p->err, ERR_SQL, "invalid byte sequence for encoding \"UTF8\"");
    set_view(p, arena_dup(p->a, p->text.data, p->text.len), p->text.len);
    return OK;
}

static enum status parse_bytea_hex(const struct parsing *p, char *out)
{
    size_t n = 0;
    for (size_t i = 2; i < p->text.len; i++) {
        if (is_blank(p->text.data[i]))
            continue;
        int high = hex_value(p->text.data[i]), low = i + 1 < p->text.len ? hex_value(p->text.data[i + 1]) : -1;
        if (high < 0)
            return error_set(p->err, ERR_SQL, "invalid hexadecimal digit: \"%c\"", p->text.data[i]);
        if (low < 0)
            return error_set(p->err, ERR_SQL, "invalid hexadecimal data: odd number of digits");
        out[n++] = (char)(high << 4 | low);
        i++;
    }
    set_view(p, out, n);
    return OK;
}

/* The old form: a backslash doubled, or followed by three octal digits. */
static enum status parse_bytea_escape(const struct parsing *p, char *out)
{
    const char *s = p->text.data, *end = s + p->text.len;
    size_t n = 0;
    while (s < end) {
        if (*s != '\\') {
            out[n++] = *s++;
        } else if (end - s >= 2 && s[1] == '\\') {
            out[n++] = '\\';
            s += 2;
        } else if (end - s >= 4 && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
                   s[3] <= '7') {
            out[n++] = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            return wrong_syntax(p);
        }
    }
    set_view(p, out, n);
    return OK;
}

static enum status parse_bytea(const struct parsing *p)
{
    if (p->text.len > TEXT_MAX)
        return too_long(p);
    char *out = arena_alloc(p->a, p->text.len);
    bool hex = p->text.len >= 2 && p->text.data[0] == '\\' && p->text.data[1] == 'x';
    return hex ? parse_bytea_hex(p, out) : parse_bytea_escape(p, out);
}

static enum status parse_jsonb(const struct parsing *p)
{
    struct slice normal;
    TRY(jsonb_normalise(p->text, TEXT_MAX, p->a, &normal, p->err));
    set_view(p, normal.data, normal.len);
    return OK;
}

/* 32 digits, a hyphen allowed behind every fourth, maybe in braces. */
static enum status parse_uuid(const struct parsing *p)
{
    const char *s = p->text.data, *end = s + p->text.len;
    unsigned char uuid[16];
    bool braces = s < end && *s == '{';
    s += braces;
    for (int i = 0; i < 16; i++) {
        if (end - s < 2 || hex_value(s[0]) < 0 || hex_value(s[1]) < 0)
            return wrong_syntax(p);
        uuid[i] = (unsigned char)(hex_value(s[0]) << 4 | hex_value(s[1]));
        s += 2;
        if (s < end && *s == '-' && i % 2 == 1 && i < 15)
            s++;
    }
    if (braces && (s == end || *s++ != '}'))
        return wrong_syntax(p);
    if (s != end)
        return wrong_syntax(p);
    memcpy((char *)p->c->data + p->row * 16, uuid, 16);
    return OK;
}

/* ---- dates and times ---- */

/* What can be wrong with one: its form, or its numbers. */
enum moment { FINE, BAD_FORMAT, BAD_FIELD };

struct moment_text {
    const char *p, *end;
};

/* least..most digits. */
static bool take_number(struct moment_text *t, int least, int most, int32_t *ret)
{
    int32_t v = 0;
    int n = 0;
    for (; n < most && t->p < t->end && is_digit(*t->p); n++)
        v = v * 10 + (*t->p++ - '0');
    *ret = v;
    return n >= least;
}

static bool take_char(struct moment_text *t, char c)
{
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

static bool take_blanks(struct moment_text *t)
{
    const char *start = t->p;
    while (t->p < t->end && is_blank(*t->p))
        t->p++;
    return t->p > start;
}

static enum moment take_date(struct moment_text *t, int32_t *ret_days)
{
    int32_t year, month, day;
    if (!take_number(t, 4, 4, &year))
        return BAD_FORMAT;
    if (take_char(t, '-')) {
        if (!take_number(t, 1, 2, &month) || !take_char(t, '-') || !take_number(t, 1, 2, &day))
            return BAD_FORMAT;
    } else if (!take_number(t, 2, 2, &month) || !take_number(t, 2, 2, &day)) {
        return BAD_FORMAT;
    }
    if (t->p < t->end && is_digit(*t->p))
        return BAD_FORMAT;
    if (!civil_is_date(year, (unsigned)month, (unsigned)day))
        return BAD_FIELD;
    *ret_days = civil_to_days(year, (unsigned)month, (unsigned)day);
    return FINE;
}

/* ".digits", rounded to micros through a double as PostgreSQL does. */
static int64_t take_fraction(struct moment_text *t)
{
    double v = 0, unit = 1;
    /* Past 17 digits none can change the microseconds. */
    for (int n = 0; t->p < t->end && is_digit(*t->p); t->p++, n++)
        if (n < 17) {
            v = v * 10 + (*t->p - '0');
            unit *= 10;
        }
    return (int64_t)rint(v / unit * 1e6);
}

static enum moment take_time(struct moment_text *t, int64_t *ret_micros)
{
    int32_t hour, minute, second = 0;
    int64_t fraction = 0;
    if (!take_number(t, 1, 2, &hour) || !take_char(t, ':') || !take_number(t, 1, 2, &minute))
        return BAD_FORMAT;
    if (take_char(t, ':')) {
        if (!take_number(t, 1, 2, &second))
            return BAD_FORMAT;
        if (take_char(t, '.'))
            fraction = take_fraction(t);
    }
    int64_t micros = (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + fraction;
    if (hour > 24 || minute > 59 || second > 60 || micros > MICROS_PER_DAY)
        return BAD_FIELD;
    *ret_micros = micros;
    return FINE;
}

/* "+H", "+HH", "+HHMM", "+HH:MM", "+HH:MM:SS" behind its sign. */
static enum moment take_offset(struct moment_text *t, int64_t *ret_seconds)
{
    int32_t hours, minutes = 0, seconds = 0;
    if (!take_number(t, 1, 2, &hours))
        return BAD_FORMAT;
    if (take_char(t, ':')) {
        if (!take_number(t, 1, 2, &minutes) || (take_char(t, ':') && !take_number(t, 1, 2, &seconds)))
            return BAD_FORMAT;
    } else if (t->p < t->end && is_digit(*t->p) && !take_number(t, 2, 2, &minutes)) {
        return BAD_FORMAT;
    }
    if (hours > 15 || minutes > 59 || seconds > 59)
        return BAD_FIELD;
    *ret_seconds = hours * 3600 + minutes * 60 + seconds;
    return FINE;
}

static enum moment take_zone(struct moment_text *t, int64_t *ret_seconds)
{
    bool negative = t->p < t->end && *t->p == '-';
    *ret_seconds = 0;
    if (t->p == t->end)
        return FINE;
    if (take_char(t, '+') || take_char(t, '-')) {
        enum moment outcome = take_offset(t, ret_seconds);
        *ret_seconds = negative ? -*ret_seconds : *ret_seconds;
        return outcome;
    }
    size_t left = (size_t)(t->end - t->p);
    size_t word = left >= 3 && (strncasecmp(t->p, "utc", 3) == 0 || strncasecmp(t->p, "gmt", 3) == 0) ? 3
                  : (*t->p | 0x20) == 'z'                                                             ? 1
                                                                                                      : 0;
    t->p += word;
    return word ? FINE : BAD_FORMAT;
}

static enum moment take_moment(struct slice text, int32_t *ret_days, int64_t *ret_micros, int64_t *ret_zone)
{
    struct moment_text t = {text.data, text.data + text.len};
    enum moment outcome = take_date(&t, ret_days);
    *ret_micros = *ret_zone = 0;
    if (outcome != FINE || t.p == t.end)
        return outcome;
    bool blanks = take_blanks(&t);
    if (blanks || (*t.p | 0x20) == 't') {
        t.p += !blanks;
        if (t.p < t.end && is_digit(*t.p)) {
            outcome = take_time(&t, ret_micros);
            take_blanks(&t);
        } else if (!blanks) {
            return BAD_FORMAT;
        }
    }
    if (outcome == FINE)
        outcome = take_zone(&t, ret_zone);
    return outcome == FINE && t.p != t.end ? BAD_FORMAT : outcome;
}

static enum status parse_moment(const struct parsing *p)
{
    int32_t days;
    int64_t micros, zone;
    char name[40];
    enum moment outcome = take_moment(trim(p->text), &days, &micros, &zone);
    if (outcome == BAD_FORMAT)
        return wrong_syntax(p);
    if (outcome == FINE && p->c->type.id == TYPE_DATE) {
        ((int32_t *)p->c->data)[p->row] = days;
        return OK;
    }
    int64_t offset = p->c->type.id == TYPE_TIMESTAMPTZ ? -zone * MICROS_PER_SECOND : 0;
    /* Going through timestamp_add checks the range. */
    if (outcome == FINE && timestamp_add(days * MICROS_PER_DAY, (struct interval){.micros = micros + offset},
                                         (int64_t *)p->c->data + p->row))
        return OK;
    (void)error_set(p->err, ERR_SQL, "date/time field value out of range: \"%.*s\"",
                    (int)MIN(p->text.len, (size_t)100), p->text.data);
    return error_hint(p->err, "a %s lies between the years 0001 and 9999", type_name(p->c->type, name));
}

static enum status parse_interval(const struct parsing *p)
{
    return interval_parse(p->text, (struct interval *)p->c->data + p->row, p->err);
}

static enum status parse_array(const struct parsing *p)
{
    struct column texts, elements;
    uint32_t n;
    AUTO(arena) scratch = {0};
    AUTO(buf) out = BUF(ARRAY_MAX_BYTES);
    TRY(array_split(p->text, &scratch, &texts, &n, p->err));
    elements = column_make(&scratch, type_element(p->c->type), n, true);
    for (uint32_t i = 0; i < n; i++)
        if (!column_is_null(&texts, i))
            TRY(column_parse(&elements, i, view_slice(column_view(&texts, i)), &scratch, p->err));
    array_put(&out, &elements, 0, n);
    if (out.overflow)
        return error_set(p->err, ERR_LIMIT, "array size exceeds the maximum allowed (%d bytes)", ARRAY_MAX_BYTES);
    ((struct view *)p->c->data)[p->row] = view_copy(view_of(out.data, out.len), p->a);
    return OK;
}

enum status column_parse(struct column *c, size_t row, struct slice text, struct arena *a, struct error *err)
{
    static enum status (*const parsers[TYPE_COUNT])(const struct parsing *p) = {
        [TYPE_UNKNOWN] = parse_text,   [TYPE_BOOL] = parse_bool,          [TYPE_INT4] = parse_integer,
        [TYPE_INT8] = parse_integer,   [TYPE_FLOAT8] = parse_float8,      [TYPE_NUMERIC] = parse_numeric,
        [TYPE_TEXT] = parse_text,      [TYPE_BYTEA] = parse_bytea,        [TYPE_UUID] = parse_uuid,
        [TYPE_DATE] = parse_moment,    [TYPE_TIMESTAMP] = parse_moment,   [TYPE_TIMESTAMPTZ] = parse_moment,
        [TYPE_INTERVAL] = parse_interval, [TYPE_JSONB] = parse_jsonb,
        [TYPE_ARRAY] = parse_array,
    };
    const struct parsing p = {c, row, text, a, err};
    TRY(parsers[c->type.id](&p));
    if (c->valid)
        bit_set(c->valid, row);
    return OK;
}
