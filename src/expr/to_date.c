/* to_date and to_timestamp by a template: PostgreSQL's patterns YYYY YYY YY Y MM MON MONTH DD DDD DY DAY D HH HH12 HH24
 * MI SS MS US FF1 to FF6 AM PM, FM, and quoted text; what it has beside them is refused by name. As there, blanks
 * before a field are skipped, a separator stands for any other or for none, a number ends where it must if a separator
 * follows, and what is left of the text does not matter. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "column/civil.h"
#include "expr/function.h"

enum item { YEAR4, YEAR3, YEAR2, YEAR1, MONTH, MONTH_NAME, MONTH_SHORT, DAY, DAY_OF_YEAR, DAY_NAME, DAY_SHORT, WEEKDAY,
            HOUR24, HOUR12, MINUTE, SECOND, MILLIS, FRACTION, HALF_DAY, FILL, REFUSED };

struct pattern {
    const char *name;
    enum item item;
    uint8_t width;
};
/* A longer name stands before its own beginning. */
static const struct pattern patterns[] = {
    {"YYYY", YEAR4, 4},    {"YYY", YEAR3, 3},   {"YY", YEAR2, 2},     {"Y,YYY", REFUSED, 0}, {"Y", YEAR1, 1},
    {"MONTH", MONTH_NAME, 0}, {"MON", MONTH_SHORT, 0}, {"MM", MONTH, 2}, {"DDD", DAY_OF_YEAR, 3}, {"DD", DAY, 2},
    {"DAY", DAY_NAME, 0},  {"DY", DAY_SHORT, 0}, {"D", WEEKDAY, 1},   {"HH24", HOUR24, 2},   {"HH12", HOUR12, 2},
    {"HH", HOUR12, 2},     {"MI", MINUTE, 2},   {"MS", MILLIS, 3},    {"US", FRACTION, 6},   {"FF1", FRACTION, 1},
    {"FF2", FRACTION, 2},  {"FF3", FRACTION, 3}, {"FF4", FRACTION, 4}, {"FF5", FRACTION, 5}, {"FF6", FRACTION, 6},
    {"SSSSS", REFUSED, 0}, {"SSSS", REFUSED, 0}, {"SS", SECOND, 2},   {"AM", HALF_DAY, 0},   {"PM", HALF_DAY, 0},
    {"FM", FILL, 0},       {"FX", REFUSED, 0},  {"IYYY", REFUSED, 0}, {"IYY", REFUSED, 0},   {"IY", REFUSED, 0},
    {"IDDD", REFUSED, 0},  {"ID", REFUSED, 0},  {"IW", REFUSED, 0},   {"I", REFUSED, 0},     {"WW", REFUSED, 0},
    {"W", REFUSED, 0},     {"CC", REFUSED, 0},  {"J", REFUSED, 0},    {"Q", REFUSED, 0},     {"RM", REFUSED, 0},
    {"TZH", REFUSED, 0},   {"TZM", REFUSED, 0}, {"TZ", REFUSED, 0},   {"OF", REFUSED, 0},    {"BC", REFUSED, 0},
    {"AD", REFUSED, 0},    {"A.M.", REFUSED, 0}, {"P.M.", REFUSED, 0}, {"A.D.", REFUSED, 0}, {"B.C.", REFUSED, 0},
    {"TM", REFUSED, 0},
};

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

struct reading {
    struct call *c;
    uint32_t row;
    const char *p, *end;           /* of the text */
    const char *template, *stop;
    int year, month, day, day_of_year, hour, minute, second, micros;
    bool twelve, afternoon, half_named, failed;
};

/* The pattern that has just been taken, as it is written, for "%.*s". */
#define PATTERN(x, f) (int)strlen((f)->name), (x)->template - strlen((f)->name)

static const struct pattern *pattern_at(const char *at, const char *stop)
{
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        size_t len = strlen(patterns[i].name);
        if (len <= (size_t)(stop - at) && strncasecmp(at, patterns[i].name, len) == 0)
            return &patterns[i];
    }
    return NULL;
}

/* Does a field of digits follow in the template, so that this one ends by its width? */
static bool digits_follow(const struct reading *x)
{
    const struct pattern *next = x->template < x->stop ? pattern_at(x->template, x->stop) : NULL;
    if (!next)
        return x->template < x->stop && isdigit((unsigned char)*x->template);
    return next->width > 0;
}

static bool read_number(struct reading *x, const struct pattern *f, bool filled, int *ret, int *ret_digits)
{
    char word[24];
    int64_t v = 0;
    int n = 0, most = filled || !digits_follow(x) ? 18 : f->width;
    const char *first = x->p;
    bool negative = x->p < x->end && *x->p == '-' && most == 18;
    x->p += negative;
    for (; x->p < x->end && n < most && isdigit((unsigned char)*x->p); n++)
        v = v * 10 + (*x->p++ - '0');
    if (n == 0 || (most == f->width && n < most)) {
        size_t left = (size_t)(x->end - first);
        snprintf(word, sizeof word, "%.*s", (int)MIN(left, most == 18 ? (size_t)f->width : (size_t)most), first);
        if (most != 18 && left < f->width)
            call_fail(x->c, x->row, "22007", "source string too short for \"%.*s\" formatting field", PATTERN(x, f));
        else
            call_fail(x->c, x->row, "22007", "invalid value \"%s\" for \"%.*s\"", word, PATTERN(x, f));
        x->failed = true;
        return false;
    }
    *ret = v > INT32_MAX ? INT32_MAX : negative ? -(int)v : (int)v;
    *ret_digits = n;
    return true;
}

static bool read_name(struct reading *x, const struct pattern *f, const char *const *names, int count, bool whole,
                      int *ret)
{
    for (int i = 0; i < count; i++) {
        size_t len = whole ? strlen(names[i]) : 3;
        if ((size_t)(x->end - x->p) >= len && strncasecmp(x->p, names[i], len) == 0) {
            x->p += len;
            *ret = i;
            return true;
        }
    }
    const char *stop = x->p;
    while (stop < x->end && !isspace((unsigned char)*stop))
        stop++;
    call_fail(x->c, x->row, "22007", "invalid value \"%.*s\" for \"%.*s\"", (int)MIN(stop - x->p, 40), x->p,
              PATTERN(x, f));
    x->failed = true;
    return false;
}

static bool read_half(struct reading *x, const struct pattern *f)
{
    static const char *const halves[] = {"AM ", "PM "};
    size_t left = (size_t)(x->end - x->p);
    for (int i = 0; i < 2 && left >= 2; i++)
        if (strncasecmp(x->p, halves[i], 2) == 0) {
            x->afternoon = i;
            x->half_named = x->twelve = true;
            x->p += 2;
            return true;
        }
    call_fail(x->c, x->row, "22007", "invalid value \"%.*s\" for \"%.*s\"", (int)MIN(left, (size_t)2), x->p,
              PATTERN(x, f));
    x->failed = true;
    return false;
}

/* 26 is 2026, 70 is 1970: the year nearest to 2020. */
static int full_year(int v, int digits)
{
    return digits >= 4 || v > 999 ? v : v < 70 ? v + 2000 : v < 100 ? v + 1900 : v < 520 ? v + 2000 : v + 1000;
}

static int scaled(int v, int digits, int places)
{
    for (; digits < places; digits++)
        v *= 10;
    return v;
}

static bool read_field(struct reading *x, const struct pattern *f, bool filled)
{
    int v = 0, digits = 0;
    switch (f->item) {
    case MONTH_NAME:
    case MONTH_SHORT:
        if (!read_name(x, f, months, ARRAY_LEN(months), f->item == MONTH_NAME, &x->month))
            return false;
        x->month++;
        return true;
    case DAY_NAME:
    case DAY_SHORT: return read_name(x, f, days, ARRAY_LEN(days), f->item == DAY_NAME, &v);
    case HALF_DAY: return read_half(x, f);
    default: break;
    }
    if (!read_number(x, f, filled, &v, &digits))
        return false;
    switch (f->item) {
    case YEAR4: x->year = v; break;
    case YEAR3:
    case YEAR2:
    case YEAR1: x->year = full_year(v, digits); break;
    case MONTH: x->month = v; break;
    case DAY: x->day = v; break;
    case DAY_OF_YEAR: x->day_of_year = v; break;
    case HOUR12: x->twelve = true; [[fallthrough]];
    case HOUR24: x->hour = v; break;
    case MINUTE: x->minute = v; break;
    case SECOND: x->second = v; break;
    case MILLIS: x->micros = scaled(v, digits, 3) * 1000; break;
    case FRACTION: x->micros = scaled(v, digits, 6); break;
    default: break;
    }
    return true;
}

static bool is_separator(char c) { return !isalnum((unsigned char)c) && (unsigned char)c < 128; }

/* A character of the template that is no pattern. */
static void skip_one(struct reading *x, char c)
{
    if (x->p >= x->end)
        return;
    if (!is_separator(c) || is_separator(*x->p))
        x->p++;
}

static bool read_all(struct reading *x)
{
    bool filled = false, quoted = false;
    while (x->template < x->stop && x->p < x->end) {
        const struct pattern *f = quoted ? NULL : pattern_at(x->template, x->stop);
        if (!f) {
            char c = *x->template++;
            if (c == '"')
                quoted = !quoted;
            else
                skip_one(x, quoted ? 'x' : c);
            continue;
        }
        x->template += strlen(f->name);
        if (f->item == REFUSED) {
            call_fail(x->c, x->row, "0A000", "the pattern \"%s\" of %s() is not supported", f->name,
                      x->c->function->name);
            return false;
        }
        if (f->item == FILL) {
            filled = true;
            continue;
        }
        while (x->p < x->end && isspace((unsigned char)*x->p))
            x->p++;
        if (x->p == x->end)
            break;
        if (!read_field(x, f, filled))
            return false;
        filled = false;
    }
    return true;
}

static bool find_date(struct reading *x, int32_t *ret)
{
    if (x->year == 0 && x->p == x->end && !x->month && !x->day)
        return false;
    if (x->day_of_year && !x->month) {
        bool leap = civil_is_date(x->year, 2, 29);
        if (x->year < 1 || x->day_of_year < 1 || x->day_of_year > 365 + leap)
            return false;
        *ret = civil_to_days(x->year, 1, 1) + x->day_of_year - 1;
        return true;
    }
    int month = x->month ? x->month : 1, day = x->day ? x->day : 1;
    if (x->year < 1 || x->year > 9999 || month < 1 || month > 12 || day < 1 ||
        !civil_is_date(x->year, (unsigned)month, (unsigned)day))
        return false;
    *ret = civil_to_days(x->year, (unsigned)month, (unsigned)day);
    return true;
}

static bool find_time(struct reading *x, int64_t *ret)
{
    if (x->twelve && (x->hour < 1 || x->hour > 12) && x->hour) {
        call_fail(x->c, x->row, "22007", "hour \"%d\" is invalid for the 12-hour clock", x->hour);
        x->failed = true;
        return false;
    }
    int hour = x->half_named ? x->hour % 12 + (x->afternoon ? 12 : 0) : x->twelve ? x->hour % 12 : x->hour;
    if (hour < 0 || hour > 23 || x->minute < 0 || x->minute > 59 || x->second < 0 || x->second > 59)
        return false;
    *ret = ((int64_t)hour * 3600 + x->minute * 60 + x->second) * MICROS_PER_SECOND + x->micros;
    return true;
}

static void read_by_template(struct call *c, bool with_time)
{
    CALL_ROWS(c, r) {
        struct slice text = arg_text(c, 0, r), template = arg_text(c, 1, r);
        struct reading x = {.c = c, .row = r, .p = text.data, .end = text.data + text.len, .template = template.data,
                            .stop = template.data + template.len};
        int32_t date = 0;
        int64_t time = 0;
        if (!read_all(&x))
            continue;
        if (!find_date(&x, &date) || !find_time(&x, &time)) {
            if (!x.failed)
                call_fail(c, r, "22008", "date/time field value out of range: \"%.*s\"",
                          (int)MIN(text.len, (size_t)100), text.data);
        } else if (with_time)
            OUT(c, int64_t, r) = (int64_t)date * MICROS_PER_DAY + time;
        else
            OUT(c, int32_t, r) = date;
    }
}
static void kernel_to_date(struct call *c) { read_by_template(c, false); }
static void kernel_to_timestamp(struct call *c) { read_by_template(c, true); }

const struct function fn_to_date[] = {
    {.name = "to_date", .result = TYPE_DATE, .nargs = 2, .args = {TYPE_TEXT, TYPE_TEXT}, .kernel = kernel_to_date,
     .help = "a date read by a template: 'DD Mon YYYY'"},
    {.name = "to_timestamp", .result = TYPE_TIMESTAMPTZ, .nargs = 2, .args = {TYPE_TEXT, TYPE_TEXT},
     .kernel = kernel_to_timestamp, .help = "a time in UTC read by a template: 'YYYY-MM-DD HH24:MI:SS.US'"},
    {0},
};
