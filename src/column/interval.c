/* Intervals, read and printed as PostgreSQL 15 does with IntervalStyle postgres. What is read:
 *
 *   verbose     [@] quantity unit [quantity unit ...] [ago]   "1 year 2 mons -3.5 days", "1h30m", "2 weeks ago"
 *   time        [quantity] [+-]H:MM[:SS[.f]]                  "1 -02:03", "4:05:06.7"
 *   years       [+-]Y-M                                       "1-2" = 1 year 2 mons
 *   ISO 8601    PnYnMnWnDTnHnMnS, each n signed, maybe with a fraction
 *
 * A fraction spills into the smaller fields as in PostgreSQL: of a year into months, of a month into days of a 30-day
 * month, of a week into days, of a day into micros. Not read: ISO 8601's alternative form ("P0001-02-03").
 */
#include "column/civil.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"

enum unit { MICROSECOND, MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, YEAR, DECADE, CENTURY, MILLENNIUM, NONE };

enum outcome { FINE, BAD_FORMAT, OUT_OF_RANGE };

struct sum {
    int64_t micros, days, months;
};

static const struct {
    int64_t micros, days, months; /* exactly one is not 0 */
} units[] = {
    [MICROSECOND] = {.micros = 1},
    [MILLISECOND] = {.micros = 1000},
    [SECOND] = {.micros = MICROS_PER_SECOND},
    [MINUTE] = {.micros = 60 * MICROS_PER_SECOND},
    [HOUR] = {.micros = 3600 * MICROS_PER_SECOND},
    [DAY] = {.days = 1},
    [WEEK] = {.days = 7},
    [MONTH] = {.months = 1},
    [YEAR] = {.months = 12},
    [DECADE] = {.months = 120},
    [CENTURY] = {.months = 1200},
    [MILLENNIUM] = {.months = 12000},
};

/* ---- adding quantities ---- */

static bool add_product(int64_t *sum, int64_t a, int64_t b)
{
    int64_t product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(*sum, product, sum);
}

/* Half a microsecond is dropped, more is rounded away from zero. */
static bool add_fraction_micros(struct sum *s, double fraction, int64_t scale)
{
    double micros = fraction * (double)scale;
    int64_t whole = (int64_t)micros;
    micros -= (double)whole;
    whole += (micros > 0.5) - (micros < -0.5);
    return !__builtin_add_overflow(s->micros, whole, &s->micros);
}

static bool add_fraction_days(struct sum *s, double fraction, int64_t scale)
{
    double days = fraction * (double)scale;
    int64_t whole = (int64_t)days;
    return !__builtin_add_overflow(s->days, whole, &s->days) &&
           add_fraction_micros(s, days - (double)whole, MICROS_PER_DAY);
}

/* |fraction| < 1, of the sign of the quantity. */
static bool add_quantity(struct sum *s, enum unit unit, int64_t value, double fraction)
{
    if (units[unit].micros)
        return add_product(&s->micros, value, units[unit].micros) &&
               add_fraction_micros(s, fraction, units[unit].micros);
    if (units[unit].days)
        return add_product(&s->days, value, units[unit].days) &&
               (unit == DAY ? add_fraction_micros(s, fraction, MICROS_PER_DAY) : add_fraction_days(s, fraction, 7));
    if (!add_product(&s->months, value, units[unit].months))
        return false;
    if (unit == MONTH)
        return add_fraction_days(s, fraction, 30);
    return add_product(&s->months, (int64_t)rint(fraction * (double)units[unit].months), 1);
}

/* ---- words and numbers ---- */

static bool is_punctuation(char c) { return c > ' ' && c < 0x7f && !is_digit(c) && !is_letter(c); }

/* PostgreSQL compares the first 10 letters of a word only. */
static enum unit unit_of(struct slice word)
{
    static const struct {
        const char *names;
        enum unit unit;
    } table[] = {
        {" us usec usecs useconds microsecon ", MICROSECOND},
        {" ms msec msecs mseconds millisecon ", MILLISECOND},
        {" s sec secs second seconds ", SECOND},
        {" m min mins minute minutes ", MINUTE},
        {" h hr hrs hour hours ", HOUR},
        {" d day days ", DAY},
        {" w week weeks ", WEEK},
        {" mon mons month months ", MONTH},
        {" y yr yrs year years ", YEAR},
        {" dec decs decade decades ", DECADE},
        {" c cent century centuries ", CENTURY},
        {" mil mils millennia millennium ", MILLENNIUM},
    };
    char padded[16] = " ";
    size_t n = MIN(word.len, (size_t)10);
    for (size_t i = 0; i < n; i++)
        padded[1 + i] = (char)(word.data[i] | 0x20);
    padded[1 + n] = ' ';
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strstr(table[i].names, padded))
            return table[i].unit;
    return NONE;
}

/* Digits at *p, at least `least` of them; false also past int64. */
static bool parse_digits(const char **p, const char *end, int least, int64_t *ret)
{
    int64_t v = 0;
    int n = 0;
    for (; *p < end && is_digit(**p); (*p)++, n++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **p - '0', &v))
            return false;
    *ret = v;
    return n >= least;
}

/* ".digits" at *p, perhaps without any, as the nearest double. */
static double parse_fraction(const char **p, const char *end)
{
    char text[48] = "0", *out = text + 1; /* more than 40 digits change no double that is rounded to micros */
    int digits = 0;
    for ((*p)++; *p < end && is_digit(**p); (*p)++)
        if (digits < 40) {
            *out++ = **p;
            digits++;
        }
    snprintf(out, sizeof text - (size_t)(out - text), "e-%d", digits);
    return strtod(text, NULL);
}

/* ---- the verbose form ---- */

/* The text cut into fields. PostgreSQL reads them from right to left, so that a unit is known before its number. */
enum { FIELDS = 32 };
struct fields {
    struct slice at[FIELDS];
    int count;
};

static const char *scan_number(const char *p, const char *end)
{
    while (p < end && (is_digit(*p) || *p == ':' || *p == '.' || *p == '-'))
        p++;
    return p;
}

/* One-letter units may be glued to the number that follows ("1h30m"); longer words may not. */
static const char *scan_word(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && is_letter(*p))
        p++;
    if (p < end && (*p == '-' || *p == '/' || *p == '.'))
        return NULL;
    if (p < end && (*p == '+' || is_digit(*p)) && (p - start > 1 || !strchr("dhmsy", *start | 0x20)))
        return NULL;
    return p;
}

static bool split_fields(struct slice text, struct fields *f)
{
    const char *p = text.data, *end = p + text.len;
    while (p < end) {
        const char *start = p;
        if (is_blank(*p)) {
            p++;
            continue;
        }
        if (f->count == FIELDS)
            return false;
        if (is_digit(*p) || *p == '.') {
            p = scan_number(p, end);
        } else if (*p == '+' || *p == '-') {
            do
                p++;
            while (p < end && is_blank(*p));
            if (p == end || !(is_digit(*p) || *p == '.'))
                return false;
            p = scan_number(p, end);
        } else if (is_letter(*p)) {
            p = scan_word(p, end);
            if (!p)
                return false;
        } else if (is_punctuation(*p)) {
            p++;
            continue;
        } else {
            return false;
        }
        f->at[f->count++] = (struct slice){start, (size_t)(p - start)};
    }
    return f->count > 0;
}

/* H:MM, H:MM:SS[.f], or M:SS.f */
static enum outcome add_time(struct sum *s, const char *p, const char *end, bool negative)
{
    int64_t first, second, third = 0;
    double fraction = 0;
    if (!parse_digits(&p, end, 1, &first))
        return OUT_OF_RANGE;
    p++; /* the ':' that made it a time */
    if (!parse_digits(&p, end, 0, &second))
        return OUT_OF_RANGE;
    if (p < end && *p == ':') {
        p++;
        if (!parse_digits(&p, end, 0, &third))
            return OUT_OF_RANGE;
        if (p < end && *p == '.')
            fraction = parse_fraction(&p, end);
    } else if (p < end && *p == '.') {
        fraction = parse_fraction(&p, end);
        third = second;
        second = first;
        first = 0;
    }
    if (p != end)
        return BAD_FORMAT;
    if (second > 59 || third > 60)
        return OUT_OF_RANGE;
    int64_t micros = (second * 60 + third) * MICROS_PER_SECOND + (int64_t)rint(fraction * 1e6);
    if (!add_product(&micros, first, units[HOUR].micros) || !add_product(&s->micros, negative ? -1 : 1, micros))
        return OUT_OF_RANGE;
    return FINE;
}

/* A number, "Y-M" or a time; *unit is that of the word to its right, and becomes that of a number to its left. */
static enum outcome add_field(struct sum *s, struct slice field, enum unit *unit, uint32_t *seen)
{
    const char *p = field.data, *end = p + field.len;
    bool negative = *p == '-';
    if (*p == '+' || *p == '-')
        do
            p++;
        while (is_blank(*p));
    uint32_t mask;
    enum outcome outcome = FINE;
    if (memchr(p, ':', (size_t)(end - p))) {
        outcome = is_digit(*p) ? add_time(s, p, end, negative) : BAD_FORMAT;
        *unit = DAY;
        mask = 1u << HOUR | 1u << MINUTE | 1u << SECOND;
    } else {
        int64_t value = 0, sign = negative ? -1 : 1, months;
        double fraction = 0;
        *unit = *unit == NONE ? SECOND : *unit;
        if (!parse_digits(&p, end, 0, &value))
            return OUT_OF_RANGE;
        if (p < end && *p == '-') {
            p++;
            if (!parse_digits(&p, end, 0, &months) || months > 11 || !add_product(&s->months, sign * value, 12))
                return OUT_OF_RANGE;
            value = months;
            *unit = MONTH;
        } else if (p < end && *p == '.') {
            fraction = parse_fraction(&p, end);
        }
        if (p != end)
            return BAD_FORMAT;
        if (!add_quantity(s, *unit, sign * value, (double)sign * fraction))
            return OUT_OF_RANGE;
        mask = 1u << *unit;
        if (*unit == SECOND && fraction != 0) /* then milliseconds and microseconds have been said too */
            mask |= 1u << MILLISECOND | 1u << MICROSECOND;
    }
    if (*seen & mask)
        return BAD_FORMAT;
    *seen |= mask;
    return outcome;
}

static enum outcome parse_verbose(struct slice text, struct sum *s)
{
    struct fields f = {0};
    uint32_t seen = 0;
    bool ago = false;
    enum unit unit = NONE;
    if (!split_fields(text, &f))
        return BAD_FORMAT;
    for (int i = f.count - 1; i >= 0; i--) {
        struct slice field = f.at[i];
        if (is_letter(field.data[0])) {
            bool is_ago = field.len == 3 && strncasecmp(field.data, "ago", 3) == 0;
            unit = is_ago ? NONE : unit_of(field);
            ago |= is_ago;
            if (!is_ago && unit == NONE)
                return BAD_FORMAT;
            continue;
        }
        enum outcome outcome = add_field(s, field, &unit, &seen);
        if (outcome != FINE)
            return outcome;
    }
    if (!seen)
        return BAD_FORMAT;
    if (ago && (__builtin_sub_overflow(0, s->micros, &s->micros) || __builtin_sub_overflow(0, s->days, &s->days) ||
                __builtin_sub_overflow(0, s->months, &s->months)))
        return OUT_OF_RANGE;
    return FINE;
}

/* ---- ISO 8601 ---- */

static enum unit iso_unit(char designator, bool time)
{
    static const char date_designators[] = "YMWD", time_designators[] = "HMS";
    static const enum unit date_units[] = {YEAR, MONTH, WEEK, DAY}, time_units[] = {HOUR, MINUTE, SECOND};
    const char *all = time ? time_designators : date_designators;
    const char *found = designator ? strchr(all, designator) : NULL;
    if (!found)
        return NONE;
    return time ? time_units[found - all] : date_units[found - all];
}

static enum outcome parse_iso(struct slice text, struct sum *s)
{
    const char *p = text.data, *end = p + text.len;
    bool time = false;
    if (text.len < 2 || *p++ != 'P')
        return BAD_FORMAT;
    while (p < end) {
        if (*p == 'T') {
            time = true;
            p++;
            continue;
        }
        bool negative = *p == '-';
        p += negative;
        const char *number = p;
        int64_t value, sign = negative ? -1 : 1;
        double fraction = 0;
        if (p == end || !(is_digit(*p) || *p == '.'))
            return BAD_FORMAT;
        if (!parse_digits(&p, end, 0, &value) || value > INT64_C(1000000000000000))
            return OUT_OF_RANGE;
        if (p < end && *p == '.')
            fraction = parse_fraction(&p, end);
        if (p == end || (p - number == 1 && *number == '.'))
            return BAD_FORMAT;
        enum unit unit = iso_unit(*p++, time);
        if (unit == NONE)
            return BAD_FORMAT;
        if (!add_quantity(s, unit, sign * value, (double)sign * fraction))
            return OUT_OF_RANGE;
    }
    return FINE;
}

/* ---- the contract ---- */

enum status interval_parse(struct slice text, struct interval *ret, struct error *err)
{
    struct sum s = {0};
    enum outcome outcome = parse_verbose(text, &s);
    if (outcome == BAD_FORMAT) {
        s = (struct sum){0};
        outcome = parse_iso(text, &s);
    }
    int shown = (int)MIN(text.len, (size_t)100);
    if (outcome == BAD_FORMAT)
        return error_set(err, ERR_SQL, "invalid input syntax for type interval: \"%.*s\"", shown, text.data);
    if (outcome == OUT_OF_RANGE || s.days != (int32_t)s.days || s.months != (int32_t)s.months)
        return error_set(err, ERR_SQL, "interval field value out of range: \"%.*s\"", shown, text.data);
    *ret = (struct interval){.micros = s.micros, .days = (int32_t)s.days, .months = (int32_t)s.months};
    return OK;
}

/* "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808" is the longest and shorter than this. */
enum { INTERVAL_TEXT = 96 };

/* " 2 mons": a field that follows a negative one shows its own sign. */
static char *put_field(char *p, char *start, int32_t value, const char *unit, bool *after_negative)
{
    if (value == 0)
        return p;
    p += snprintf(p, (size_t)(start + INTERVAL_TEXT - p), "%s%s%d %s%s", p > start ? " " : "",
                  *after_negative && value > 0 ? "+" : "", value, unit, value == 1 ? "" : "s");
    *after_negative = value < 0;
    return p;
}

size_t interval_print(struct interval v, char out[static 96])
{
    bool after_negative = false;
    char *p = out;
    p = put_field(p, out, v.months / 12, "year", &after_negative);
    p = put_field(p, out, v.months % 12, "mon", &after_negative);
    p = put_field(p, out, v.days, "day", &after_negative);
    if (v.micros || p == out) {
        uint64_t m = v.micros < 0 ? -(uint64_t)v.micros : (uint64_t)v.micros;
        uint64_t seconds = m / 1000000;
        unsigned fraction = (unsigned)(m % 1000000);
        p += snprintf(p, (size_t)(out + INTERVAL_TEXT - p), "%s%s%02llu:%02u:%02u", p > out ? " " : "",
                      v.micros < 0 ? "-" : after_negative ? "+" : "", (unsigned long long)(seconds / 3600),
                      (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
        if (fraction) {
            p += snprintf(p, (size_t)(out + INTERVAL_TEXT - p), ".%06u", fraction);
            while (p[-1] == '0')
                p--;
            *p = 0;
        }
    }
    return (size_t)(p - out);
}

bool interval_micros(struct interval v, int64_t *ret)
{
    int64_t micros;
    if (v.months || __builtin_mul_overflow((int64_t)v.days, MICROS_PER_DAY, &micros) ||
        __builtin_add_overflow(micros, v.micros, &micros))
        return false;
    *ret = micros;
    return true;
}
