/* to_char(timestamp, template), also of intervals: PostgreSQL's template patterns (its documentation, table 9.28), in
 * English. Of an interval, names of months and days, eras and zones are refused, and so are weeks and days of ISO years
 * and J, which PostgreSQL counts from a date that an interval does not have.
 *
 *   years      YYYY YYY YY Y Y,YYY IYYY IYY IY I CC      months  MM MONTH Month month MON Mon mon RM Q
 *   days       DD DDD D ID IDDD J DAY Day day DY Dy dy   weeks   WW W IW
 *   time       HH24 HH12 HH MI SS MS US FF1..FF6 SSSS AM PM A.M. P.M.
 *   zone       TZ TZH TZM OF                             era     AD BC A.D. B.C.
 *
 * A pattern may be written in lower case, which matters where letters come out. FM before it drops padding, TH or th
 * after it makes an ordinal. "Quoted" text and everything else is copied.
 */
#include <ctype.h>
#include <stdio.h>

#include "expr/calendar.h"

enum item {
    YEAR_COMMA, YEAR4, YEAR3, YEAR2, YEAR1, ISO_YEAR4, ISO_YEAR3, ISO_YEAR2, ISO_YEAR1, CENTURY, MONTH_NUMBER,
    MONTH_NAME, MONTH_SHORT, MONTH_ROMAN, QUARTER, DAY_OF_MONTH, DAY_OF_YEAR, DAY_OF_WEEK, ISO_DAY_OF_WEEK,
    ISO_DAY_OF_YEAR, JULIAN, DAY_NAME, DAY_SHORT, WEEK_OF_YEAR, WEEK_OF_MONTH, ISO_WEEK, HOUR24, HOUR12, MINUTE,
    SECOND, MILLISECOND, MICROSECOND, FRACTION1, FRACTION2, FRACTION3, FRACTION4, FRACTION5, FRACTION6,
    SECONDS_OF_DAY, HALF_DAY, HALF_DAY_DOTS, ZONE, ZONE_HOUR, ZONE_MINUTE, ZONE_OFFSET, ERA, ERA_DOTS,
};

/* Longer ones first where one begins another. */
static const struct {
    const char *name;
    enum item item;
    bool capitalised; /* Month is a third spelling */
} patterns[] = {
    {"Y,YYY", YEAR_COMMA, false}, {"YYYY", YEAR4, false}, {"YYY", YEAR3, false}, {"YY", YEAR2, false},
    {"Y", YEAR1, false}, {"IYYY", ISO_YEAR4, false}, {"IYY", ISO_YEAR3, false}, {"IY", ISO_YEAR2, false},
    {"IDDD", ISO_DAY_OF_YEAR, false}, {"ID", ISO_DAY_OF_WEEK, false}, {"IW", ISO_WEEK, false}, {"I", ISO_YEAR1, false},
    {"CC", CENTURY, false}, {"MONTH", MONTH_NAME, true}, {"MON", MONTH_SHORT, true}, {"MM", MONTH_NUMBER, false},
    {"MI", MINUTE, false}, {"MS", MILLISECOND, false}, {"RM", MONTH_ROMAN, false}, {"Q", QUARTER, false},
    {"DAY", DAY_NAME, true}, {"DDD", DAY_OF_YEAR, false}, {"DD", DAY_OF_MONTH, false}, {"DY", DAY_SHORT, true},
    {"D", DAY_OF_WEEK, false}, {"J", JULIAN, false}, {"WW", WEEK_OF_YEAR, false}, {"W", WEEK_OF_MONTH, false},
    {"HH24", HOUR24, false}, {"HH12", HOUR12, false}, {"HH", HOUR12, false}, {"SSSSS", SECONDS_OF_DAY, false},
    {"SSSS", SECONDS_OF_DAY, false}, {"SS", SECOND, false}, {"US", MICROSECOND, false}, {"FF1", FRACTION1, false},
    {"FF2", FRACTION2, false}, {"FF3", FRACTION3, false}, {"FF4", FRACTION4, false}, {"FF5", FRACTION5, false},
    {"FF6", FRACTION6, false}, {"A.M.", HALF_DAY_DOTS, false}, {"P.M.", HALF_DAY_DOTS, false}, {"AM", HALF_DAY, false},
    {"PM", HALF_DAY, false}, {"A.D.", ERA_DOTS, false}, {"B.C.", ERA_DOTS, false}, {"AD", ERA, false},
    {"BC", ERA, false}, {"TZH", ZONE_HOUR, false}, {"TZM", ZONE_MINUTE, false}, {"TZ", ZONE, false},
    {"OF", ZONE_OFFSET, false},
};

enum spelling { UPPER, LOWER, CAPITALISED };

struct moment {
    struct civil civil;
    int32_t days;
    int64_t rest; /* microseconds of the day */
    bool zone;
    const struct interval *span; /* it is this, and none of the above */
};

/* ---- templates ---- */

static bool spelled(const char *text, size_t left, const char *name, enum spelling how)
{
    size_t n = strlen(name);
    if (left < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool upper = how == UPPER || (how == CAPITALISED && i == 0);
        if (text[i] != (upper ? name[i] : (char)tolower((unsigned char)name[i])))
            return false;
    }
    return true;
}

/* The index of the pattern at the start of the text, or -1. */
static int find_pattern(const char *text, size_t left, enum spelling *ret_spelling)
{
    for (size_t i = 0; i < ARRAY_LEN(patterns) && left > 0; i++) {
        if (toupper((unsigned char)*text) != patterns[i].name[0])
            continue;
        for (enum spelling how = UPPER; how <= (patterns[i].capitalised ? CAPITALISED : LOWER); how++)
            if (spelled(text, left, patterns[i].name, how)) {
                *ret_spelling = how;
                return (int)i;
            }
    }
    return -1;
}

/* ---- fields ---- */

static void put_word(struct buf *out, const char *word, enum spelling how, int width)
{
    int n = 0;
    for (; word[n]; n++) {
        bool upper = how == UPPER || (how == CAPITALISED && n == 0);
        buf_putc(out, (char)(upper ? toupper((unsigned char)word[n]) : tolower((unsigned char)word[n])));
    }
    for (; n < width; n++)
        buf_putc(out, ' ');
}

static const char *const month_names[] = {"January", "February", "March", "April", "May", "June", "July", "August",
                                          "September", "October", "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
static const char *const roman[] = {"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"};

/* Of a span, months back from the end of the year are counted, too; none where it has neither years nor months. */
static const char *roman_month(const struct moment *m)
{
    int month = m->span ? m->span->months % 12 : m->civil.month;
    if (month)
        return roman[month < 0 ? 12 + month : month - 1];
    return roman[m->span->months < 0 ? 0 : 11];
}

static void put_name(struct buf *out, const struct moment *m, enum item item, enum spelling how, bool padded)
{
    enum { LONGEST_NAME = 9, LONGEST_ROMAN = 4 };
    char start[4] = "";
    const char *month = m->span ? NULL : month_names[m->civil.month - 1];
    const char *day = m->span ? NULL : day_names[iso_weekday(m->days) - 1];
    bool morning = m->span ? m->span->micros / MICROS_PER_SECOND / 3600 % 24 < 12 : m->civil.hour < 12;
    switch (item) {
    case MONTH_NAME: put_word(out, month, how, padded ? LONGEST_NAME : 0); break;
    case DAY_NAME: put_word(out, day, how, padded ? LONGEST_NAME : 0); break;
    case MONTH_SHORT:
    case DAY_SHORT:
        memcpy(start, item == MONTH_SHORT ? month : day, 3);
        put_word(out, start, how, 0);
        break;
    case MONTH_ROMAN: put_word(out, roman_month(m), how, padded ? LONGEST_ROMAN : 0); break;
    case HALF_DAY: put_word(out, morning ? "AM" : "PM", how, 0); break;
    case HALF_DAY_DOTS: put_word(out, morning ? "A.M." : "P.M.", how, 0); break;
    case ERA: put_word(out, "AD", how, 0); break;
    case ERA_DOTS: put_word(out, "A.D.", how, 0); break;
    case ZONE: put_word(out, m->zone ? "UTC" : "", how, 0); break;
    case ZONE_HOUR:
    case ZONE_OFFSET: buf_puts(out, "+00"); break;
    case ZONE_MINUTE: buf_puts(out, "00"); break;
    default: assert(!"a number");
    }
}

struct number {
    int64_t value;
    int width;
    enum { PADDED, FIXED /* also by FM */, NOTHING } kind;
};

static struct number fraction(int micros, unsigned digits)
{
    static const int units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    return (struct number){micros / units[digits], (int)digits, FIXED};
}

static struct number iso_year(const struct moment *m, int width)
{
    static const int64_t modulus[] = {[1] = 10, [2] = 100, [3] = 1000, [4] = 10000};
    int32_t year;
    iso_week(m->days, &year);
    return (struct number){year % modulus[width], width};
}

static struct number time_number(const struct moment *m, enum item item)
{
    switch (item) {
    case HOUR24: return (struct number){m->civil.hour, 2};
    case HOUR12: return (struct number){m->civil.hour % 12 ? m->civil.hour % 12 : 12, 2};
    case MINUTE: return (struct number){m->civil.minute, 2};
    case SECOND: return (struct number){m->civil.second, 2};
    case MILLISECOND: return fraction((int)m->civil.micros, 3);
    case MICROSECOND: return fraction((int)m->civil.micros, 6);
    case SECONDS_OF_DAY: return (struct number){m->rest / MICROS_PER_SECOND, 0};
    default: return fraction((int)m->civil.micros, item - FRACTION1 + 1);
    }
}

static unsigned week_of(const struct moment *m)
{
    int32_t year;
    return iso_week(m->days, &year);
}

static struct number number_of(const struct moment *m, enum item item)
{
    int32_t year = m->civil.year;
    int64_t julian = 0;
    switch (item) {
    case YEAR_COMMA:
    case YEAR4: return (struct number){year, 4};
    case YEAR3: return (struct number){year % 1000, 3};
    case YEAR2: return (struct number){year % 100, 2};
    case YEAR1: return (struct number){year % 10, 1};
    case ISO_YEAR4: return iso_year(m, 4);
    case ISO_YEAR3: return iso_year(m, 3);
    case ISO_YEAR2: return iso_year(m, 2);
    case ISO_YEAR1: return iso_year(m, 1);
    case CENTURY: return (struct number){(year + 99) / 100, 2};
    case MONTH_NUMBER: return (struct number){m->civil.month, 2};
    case QUARTER: return (struct number){(m->civil.month + 2) / 3, 0};
    case DAY_OF_MONTH: return (struct number){m->civil.day, 2};
    case DAY_OF_YEAR: return (struct number){day_of_year(m->days), 3};
    case DAY_OF_WEEK: return (struct number){iso_weekday(m->days) % 7 + 1, 0};
    case ISO_DAY_OF_WEEK: return (struct number){iso_weekday(m->days), 0};
    case ISO_DAY_OF_YEAR: return (struct number){(week_of(m) - 1) * 7 + iso_weekday(m->days), 3};
    case WEEK_OF_YEAR: return (struct number){(day_of_year(m->days) - 1) / 7 + 1, 2};
    case WEEK_OF_MONTH: return (struct number){(m->civil.day - 1) / 7 + 1, 0};
    case ISO_WEEK: return (struct number){week_of(m), 2};
    case JULIAN:
        (void)field_of_days(FIELD_JULIAN, m->days, &julian);
        return (struct number){julian, 0};
    default: return time_number(m, item);
    }
}

/* Of spans: a sign has a place of its own. */
static struct number signed_number(int64_t value, int width)
{
    return (struct number){value, width + (value < 0)};
}

static struct number number_of_time(int64_t micros, enum item item)
{
    int64_t seconds = micros / MICROS_PER_SECOND, hours = seconds / 3600;
    int rest = (int)(micros % MICROS_PER_SECOND);
    switch (item) {
    case HOUR24: return signed_number(hours, 2);
    case HOUR12: return (struct number){hours % 12 ? hours % 12 : 12, hours < 0 ? 3 : 2};
    case MINUTE: return signed_number(seconds / 60 % 60, 2);
    case SECOND: return signed_number(seconds % 60, 2);
    case SECONDS_OF_DAY: return (struct number){seconds, 0};
    case MILLISECOND: return fraction(rest, 3);
    case MICROSECOND: return fraction(rest, 6);
    default: return fraction(rest, item - FRACTION1 + 1);
    }
}

static struct number number_of_span(const struct interval *span, enum item item)
{
    int32_t year = span->months / 12, month = span->months % 12;
    int64_t days = (int64_t)span->months * 30 + span->days;
    switch (item) {
    case YEAR_COMMA:
    case YEAR4: return signed_number(year, 4);
    case YEAR3: return (struct number){year % 1000, year < 0 ? 4 : 3};
    case YEAR2: return (struct number){year % 100, year < 0 ? 3 : 2};
    case YEAR1: return (struct number){year % 10, 0};
    case CENTURY: return signed_number(year / 100, 2);
    case MONTH_NUMBER: return signed_number(month, 2);
    case QUARTER: return (struct number){(month - 1) / 3 + 1, 0, month ? PADDED : NOTHING};
    case DAY_OF_MONTH: return (struct number){span->days, 2};
    case DAY_OF_YEAR: return (struct number){days, 3};
    case WEEK_OF_YEAR: return (struct number){(days - 1) / 7 + 1, 2};
    case WEEK_OF_MONTH: return (struct number){(span->days - 1) / 7 + 1, 0};
    default: return number_of_time(span->micros, item);
    }
}

static bool is_of_spans(enum item item)
{
    switch (item) {
    case MONTH_NAME:
    case MONTH_SHORT:
    case DAY_NAME:
    case DAY_SHORT:
    case DAY_OF_WEEK:
    case ISO_DAY_OF_WEEK:
    case ISO_YEAR4 ... ISO_YEAR1:
    case ISO_DAY_OF_YEAR:
    case ISO_WEEK:
    case JULIAN:
    case ZONE ... ERA_DOTS: return false;
    default: return true;
    }
}

static const char *ordinal(const char *digits, size_t n, bool upper)
{
    static const char *const endings[][2] = {{"th", "TH"}, {"st", "ST"}, {"nd", "ND"}, {"rd", "RD"}};
    int last = digits[n - 1] - '0';
    bool teen = n > 1 && digits[n - 2] == '1';
    return endings[!teen && last <= 3 ? last : 0][upper];
}

/* Answers how many characters of the template the ordinal suffix took. */
static size_t put_number(struct buf *out, struct number v, bool comma, bool padded, const char *rest, size_t left)
{
    size_t start = out->len;
    if (v.kind != NOTHING && comma)
        buf_printf(out, "%d,%03d", (int)(v.value / 1000), (int)(v.value % 1000));
    else if (v.kind != NOTHING)
        buf_printf(out, "%0*lld", padded || v.kind == FIXED ? v.width : 0, (long long)v.value);
    bool upper = spelled(rest, left, "TH", UPPER);
    if (!upper && !spelled(rest, left, "TH", LOWER))
        return 0;
    if (v.kind != NOTHING)
        buf_puts(out, ordinal(out->data + start, out->len - start, upper));
    return 2;
}

static bool is_named(enum item item)
{
    return item == MONTH_NAME || item == MONTH_SHORT || item == MONTH_ROMAN || item == DAY_NAME || item == DAY_SHORT ||
           item == HALF_DAY || item == HALF_DAY_DOTS || item >= ZONE;
}

/* How long the item stays what it is, from the beginning of such a time on. */
static int64_t steady_for(enum item item)
{
    switch (item) {
    case HOUR24:
    case HOUR12:
    case HALF_DAY:
    case HALF_DAY_DOTS: return 3600 * MICROS_PER_SECOND;
    case MINUTE: return 60 * MICROS_PER_SECOND;
    case SECOND:
    case SECONDS_OF_DAY: return MICROS_PER_SECOND;
    case MILLISECOND:
    case MICROSECOND:
    case FRACTION1 ... FRACTION6: return 1;
    default: return MICROS_PER_DAY; /* at least */
    }
}

/* Quoted text from the character after the quote; answers where the template goes on. */
static size_t put_quoted(struct buf *out, struct slice template, size_t i)
{
    for (; i < template.len && template.data[i] != '"'; i++) {
        if (template.data[i] == '\\' && i + 1 < template.len)
            i++;
        buf_putc(out, template.data[i]);
    }
    return i + 1;
}

enum { NO_SUCH_FIELD = -1 };

/* Answers how long the text stays what it is: what its least steady item says. */
static int64_t format(struct buf *out, const struct moment *m, struct slice template)
{
    int64_t steady = MICROS_PER_DAY;
    for (size_t i = 0; i < template.len;) {
        const char *at = template.data + i;
        size_t left = template.len - i;
        bool padded = !spelled(at, left, "FM", UPPER) && !spelled(at, left, "FM", LOWER);
        enum spelling how = UPPER;
        int found = find_pattern(at + (padded ? 0 : 2), left - (padded ? 0 : 2), &how);
        if (found >= 0) {
            enum item item = patterns[found].item;
            i += (padded ? 0 : 2) + strlen(patterns[found].name);
            steady = MIN(steady, steady_for(item));
            if (m->span && !is_of_spans(item))
                return NO_SUCH_FIELD;
            if (m->span && item == MONTH_ROMAN && m->span->months == 0)
                continue;
            if (is_named(item))
                put_name(out, m, item, how, padded);
            else
                i += put_number(out, m->span ? number_of_span(m->span, item) : number_of(m, item), item == YEAR_COMMA,
                                padded, template.data + i, template.len - i);
        } else if (!padded)
            i += 2;
        else if (*at == '"')
            i = put_quoted(out, template, i + 1);
        else {
            i += *at == '\\' && left > 1 && at[1] == '"';
            buf_putc(out, template.data[i++]);
        }
    }
    return steady;
}

/* Rows most often follow each other in time: a text is made anew where it may differ from the one before. */
static void kernel_to_char(struct call *c)
{
    AUTO(buf) out = BUF(MIB(16));
    struct slice last = {0};
    int64_t from = 0, steady = 0;
    uint32_t made = 0;
    CALL_ROWS(c, r) {
        int64_t micros = ARG(c, 0, int64_t, r);
        struct slice template = arg_text(c, 1, r);
        if (template.data == last.data && template.len == last.len && micros >= from && micros - from < steady) {
            OUT(c, struct view, r) = OUT(c, struct view, made);
            continue;
        }
        if (template.len == 0) {
            call_null(c, r);
            continue;
        }
        struct moment m = {.civil = civil_from_micros(micros), .zone = c->args[0].col.type.id == TYPE_TIMESTAMPTZ};
        m.days = split_days(micros, &m.rest);
        buf_clear(&out);
        steady = format(&out, &m, template);
        from = micros - m.rest % steady;
        last = template;
        made = r;
        call_text(c, r, out.len ? out.data : "", out.len);
    }
}

static void kernel_to_char_interval(struct call *c)
{
    AUTO(buf) out = BUF(MIB(16));
    CALL_ROWS(c, r) {
        struct slice template = arg_text(c, 1, r);
        struct interval span = ARG(c, 0, struct interval, r);
        struct moment m = {.span = &span};
        buf_clear(&out);
        if (template.len == 0)
            call_null(c, r);
        else if (format(&out, &m, template) == NO_SUCH_FIELD)
            call_fail(c, r, "22007", "invalid format specification for an interval value");
        else
            call_text(c, r, out.len ? out.data : "", out.len);
    }
}

#define TO_CHAR(SOURCE)                                                                                                \
    {.name = "to_char", .result = TYPE_TEXT, .nargs = 2, .args = {SOURCE, TYPE_TEXT}, .kernel = kernel_to_char,        \
     .help = "by a template: 'YYYY-MM-DD HH24:MI:SS.US', 'FMMonth DDth', 'IYYY-IW'"}

const struct function fn_to_char[] = {
    TO_CHAR(TYPE_TIMESTAMP),
    TO_CHAR(TYPE_TIMESTAMPTZ),
    {.name = "to_char", .result = TYPE_TEXT, .nargs = 2, .args = {TYPE_INTERVAL, TYPE_TEXT},
     .kernel = kernel_to_char_interval, .help = "by a template: 'HH24:MI:SS', 'FMDD \"days\"'"},
    {0},
};
