#include "column/civil.h"

#include <math.h>
#include <stdio.h>

enum { DAYS_MIN = -719162, DAYS_MAX = 2932896 }; /* 0001-01-01, 9999-12-31 */
#define MICROS_MIN (DAYS_MIN * MICROS_PER_DAY)
#define MICROS_MAX ((DAYS_MAX + 1) * MICROS_PER_DAY - 1)
#define MICROS_PER_MINUTE (60 * MICROS_PER_SECOND)
#define MICROS_PER_HOUR (3600 * MICROS_PER_SECOND)

/* Of the years that 4 divides, 25 divides those that 100 does, and 16 those of them that 400 does. */
static bool is_leap(int32_t year) { return (year & 3) == 0 && (year % 25 != 0 || (year & 15) == 0); }

static unsigned days_in_month(int32_t year, unsigned month)
{
    static const uint8_t days[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month];
}

int32_t civil_to_days(int32_t year, unsigned month, unsigned day)
{
    static const uint16_t before[] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    /* Counted from a year so early that every term is positive and division truncates downwards. */
    uint32_t y = (uint32_t)(year - 1 + 400 * 100), centuries = y / 100;
    uint32_t leap_day = month > 2 && is_leap(year);
    uint32_t days = y * 365 + y / 4 - centuries + centuries / 4 + before[month] + leap_day + day - 1;
    return (int32_t)(days - 719162 - 146097 * 100);
}

/* Years that begin in March put the leap day last, so that the month follows from the day by a straight line:
 * E. G. Richards, "Mapping Time" (1998), chapter 25; an era is the 400 years after which the calendar repeats. */
void civil_from_days(int32_t days, int32_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = (int64_t)days + 719468; /* since 0000-03-01 */
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned day_of_era = (unsigned)(z - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153; /* 0 = March */
    *ret_day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *ret_month = shifted < 10 ? shifted + 3 : shifted - 9;
    *ret_year = (int32_t)(year_of_era + era * 400) + (*ret_month <= 2);
}

static int64_t floor_days(int64_t micros, int64_t *ret_rest)
{
    int64_t days = micros / MICROS_PER_DAY, rest = micros % MICROS_PER_DAY;
    if (rest < 0) {
        days--;
        rest += MICROS_PER_DAY;
    }
    *ret_rest = rest;
    return days;
}

struct civil civil_from_micros(int64_t micros)
{
    int64_t rest, days = floor_days(micros, &rest);
    struct civil c;
    unsigned month, day;
    civil_from_days((int32_t)days, &c.year, &month, &day);
    uint32_t seconds = (uint32_t)(rest / MICROS_PER_SECOND);
    c.micros = (uint32_t)(rest - seconds * MICROS_PER_SECOND);
    c.month = (uint8_t)month;
    c.day = (uint8_t)day;
    c.hour = (uint8_t)(seconds / 3600);
    c.minute = (uint8_t)(seconds / 60 % 60);
    c.second = (uint8_t)(seconds % 60);
    return c;
}

int64_t civil_to_micros(const struct civil *c)
{
    int64_t seconds = (int64_t)civil_to_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
                      c->second;
    return seconds * MICROS_PER_SECOND + c->micros;
}

bool civil_is_date(int32_t year, unsigned month, unsigned day)
{
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
           (day <= 28 || day <= days_in_month(year, month));
}

/* ---- reading ---- */

/* Eight bytes at once: XOR with the form ("0000-00-") leaves 0..9 where a digit must be and 0 where a separator must
 * be; `slack` is 0x7f minus the most that each byte may be, so that whatever is more sets the top bit of its byte. */
static inline bool has_form(uint64_t *bytes, uint64_t form, uint64_t slack)
{
    *bytes ^= form;
    return ((*bytes | (*bytes + slack)) & UINT64_C(0x8080808080808080)) == 0;
}

/* From digits 0..9 in bytes: byte i becomes the number of digits i and i + 1. */
static inline uint64_t pair_up(uint64_t digits) { return digits * 10 + (digits >> 8); }
static inline unsigned byte_of(uint64_t bytes, unsigned i) { return (unsigned)(bytes >> (i * 8)) & 0xff; }

/* Two digits; 100 or more when they are not. */
static unsigned two(const char *p)
{
    unsigned tens = (unsigned char)(p[0] - '0'), ones = (unsigned char)(p[1] - '0');
    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

/* The ten bytes of YYYY-MM-DD. */
static bool parse_days(const char *p, int32_t *ret_days)
{
    uint64_t bytes = load_u64(p);
    if (!has_form(&bytes, UINT64_C(0x2d30302d30303030), UINT64_C(0x7f76767f76767676)))
        return false;
    bytes = pair_up(bytes);
    int32_t year = (int32_t)(byte_of(bytes, 0) * 100 + byte_of(bytes, 2));
    unsigned month = byte_of(bytes, 5), day = two(p + 8);
    if (!civil_is_date(year, month, day))
        return false;
    *ret_days = civil_to_days(year, month, day);
    return true;
}

bool civil_parse_date(struct slice text, int32_t *ret_days)
{
    return text.len == 10 && parse_days(text.data, ret_days);
}

/* A fraction of 1..9 digits at p, rounded to micros (0..1000000) as PostgreSQL rounds it: through a double. */
static const char *parse_fraction(const char *p, const char *end, uint32_t *ret)
{
    static const double units[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    static const uint32_t scales[] = {0, 100000, 10000, 1000, 100, 10, 1};
    uint32_t n = 0, digits = 0;
    for (; p < end && (unsigned char)(*p - '0') < 10; p++, digits++) {
        if (digits == 9)
            return NULL;
        n = n * 10 + (uint32_t)(*p - '0');
    }
    if (digits == 0)
        return NULL;
    *ret = digits <= 6 ? n * scales[digits] : (uint32_t)rint((double)n / units[digits] * 1e6);
    return p;
}

/* Z, +HH, +HHMM or +HH:MM from p to exactly end; PostgreSQL's limit is 15:59. */
static bool parse_zone(const char *p, const char *end, int64_t *ret_offset)
{
    if (end - p == 1 && *p == 'Z') {
        *ret_offset = 0;
        return true;
    }
    size_t n = (size_t)(end - p);
    if ((n != 3 && n != 5 && n != 6) || (*p != '+' && *p != '-') || (n == 6 && p[3] != ':'))
        return false;
    unsigned hours = two(p + 1), minutes = n == 3 ? 0 : two(end - 2);
    if (hours > 15 || minutes > 59)
        return false;
    int64_t offset = hours * MICROS_PER_HOUR + minutes * MICROS_PER_MINUTE;
    *ret_offset = *p == '-' ? -offset : offset;
    return true;
}

bool civil_parse_timestamp(struct slice text, int64_t *ret_micros, bool *ret_has_zone)
{
    const char *p = text.data, *end = p + text.len;
    int32_t days;
    if (text.len < 19 || !parse_days(p, &days))
        return false;
    uint64_t bytes = load_u64(p + 11);
    if ((p[10] != 'T' && p[10] != ' ') ||
        !has_form(&bytes, UINT64_C(0x30303a30303a3030), UINT64_C(0x76767f76767f7676)))
        return false;
    bytes = pair_up(bytes);
    unsigned hour = byte_of(bytes, 0), minute = byte_of(bytes, 3), second = byte_of(bytes, 6);
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t micros = (int64_t)days * MICROS_PER_DAY + (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND;
    p += 19;
    if (end - p == 5 && p[0] == '.' && p[4] == 'Z') { /* the form that most producers write */
        unsigned first = two(p + 1), last = (unsigned char)(p[3] - '0');
        if (first > 99 || last > 9)
            return false;
        *ret_micros = micros + (first * 10 + last) * 1000;
        *ret_has_zone = true;
        return true;
    }
    if (p < end && *p == '.') {
        uint32_t fraction;
        p = parse_fraction(p + 1, end, &fraction);
        if (!p)
            return false;
        micros += fraction;
    }
    bool zone = p < end;
    if (zone) {
        int64_t offset;
        if (!parse_zone(p, end, &offset))
            return false;
        micros -= offset;
    }
    if (micros < MICROS_MIN || micros > MICROS_MAX)
        return false;
    *ret_micros = micros;
    *ret_has_zone = zone;
    return true;
}

/* ---- printing ---- */

/* v below 100. */
static char *put_two(char *p, unsigned v)
{
    memcpy(p, two_digits + v * 2, 2);
    return p + 2;
}

static char *put_date(char *p, int32_t year, unsigned month, unsigned day)
{
    p = put_two(p, (unsigned)year / 100 % 100);
    p = put_two(p, (unsigned)year % 100);
    *p++ = '-';
    p = put_two(p, month);
    *p++ = '-';
    return put_two(p, day);
}

static char *put_time(char *p, const struct civil *c)
{
    p = put_two(p, c->hour);
    *p++ = ':';
    p = put_two(p, c->minute);
    *p++ = ':';
    return put_two(p, c->second);
}

/* The first `digits` digits of six. */
static char *put_micros(char *p, uint32_t micros, unsigned digits)
{
    char six[6];
    put_two(put_two(put_two(six, micros / 10000), micros / 100 % 100), micros % 100);
    memcpy(p, six, digits);
    return p + digits;
}

/* ".5", ".000001", or nothing: PostgreSQL drops the zeros at the end. */
static char *put_fraction(char *p, uint32_t micros)
{
    if (!micros)
        return p;
    *p++ = '.';
    p = put_micros(p, micros, 6);
    while (p[-1] == '0')
        p--;
    return p;
}

size_t civil_print_timestamp(int64_t micros, bool zone, char out[static 40])
{
    struct civil c = civil_from_micros(micros);
    char *p = put_date(out, c.year, c.month, c.day);
    *p++ = ' ';
    p = put_fraction(put_time(p, &c), c.micros);
    if (zone) {
        memcpy(p, "+00", 3);
        p += 3;
    }
    *p = 0;
    return (size_t)(p - out);
}

size_t civil_print_iso(int64_t micros, unsigned digits, char out[static 40])
{
    assert(digits <= 6);
    struct civil c = civil_from_micros(micros);
    char *p = put_date(out, c.year, c.month, c.day);
    *p++ = 'T';
    p = put_time(p, &c);
    if (digits) {
        *p++ = '.';
        p = put_micros(p, c.micros, digits);
    }
    *p++ = 'Z';
    *p = 0;
    return (size_t)(p - out);
}

size_t civil_print_near(int64_t micros, struct civil_minute *minute, char out[static 40])
{
    enum { TO_MINUTE = 17, WHOLE = 27 };
    uint64_t rest = (uint64_t)micros - (uint64_t)minute->begins;
    if (rest >= MICROS_PER_MINUTE || !minute->text[0]) {
        size_t n = civil_print_iso(micros, 6, out);
        int64_t within = micros % MICROS_PER_MINUTE;
        minute->begins = micros - within - (within < 0 ? MICROS_PER_MINUTE : 0);
        memcpy(minute->text, out, TO_MINUTE);
        return n;
    }
    memcpy(out, minute->text, TO_MINUTE);
    uint32_t second = (uint32_t)rest / (uint32_t)MICROS_PER_SECOND;
    char *p = put_two(out + TO_MINUTE, second);
    *p++ = '.';
    p = put_micros(p, (uint32_t)rest - second * (uint32_t)MICROS_PER_SECOND, 6);
    memcpy(p, "Z", 2);
    return WHOLE;
}

size_t civil_print_date(int32_t days, char out[static 16])
{
    int32_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    char *p = put_date(out, year, month, day);
    *p = 0;
    return (size_t)(p - out);
}

/* ---- arithmetic ---- */

bool timestamp_add(int64_t micros, struct interval v, int64_t *ret)
{
    int64_t rest, days = floor_days(micros, &rest), moved;
    if (micros < MICROS_MIN || micros > MICROS_MAX)
        return false;
    if (v.months) {
        int32_t year;
        unsigned month, day;
        civil_from_days((int32_t)days, &year, &month, &day);
        int64_t months = (int64_t)year * 12 + (month - 1) + v.months;
        if (months < 12 || months >= 10000 * 12)
            return false;
        year = (int32_t)(months / 12);
        month = (unsigned)(months % 12) + 1;
        days = civil_to_days(year, month, MIN(day, days_in_month(year, month)));
    }
    days += v.days;
    /* |days| < 2^33, so only the micros can overflow. */
    if (__builtin_mul_overflow(days, MICROS_PER_DAY, &moved) || __builtin_add_overflow(moved, rest, &moved) ||
        __builtin_add_overflow(moved, v.micros, &moved) || moved < MICROS_MIN || moved > MICROS_MAX)
        return false;
    *ret = moved;
    return true;
}
