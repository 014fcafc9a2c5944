#include "expr/calendar.h"

#include <strings.h>

enum { JULIAN_1970 = 2440588 };

static const struct {
    const char *name;
    enum field field;
} names[] = {
    {"microseconds", FIELD_MICROSECONDS}, {"microsecond", FIELD_MICROSECONDS}, {"us", FIELD_MICROSECONDS},
    {"usec", FIELD_MICROSECONDS}, {"milliseconds", FIELD_MILLISECONDS}, {"millisecond", FIELD_MILLISECONDS},
    {"ms", FIELD_MILLISECONDS}, {"msec", FIELD_MILLISECONDS}, {"second", FIELD_SECOND}, {"seconds", FIELD_SECOND},
    {"sec", FIELD_SECOND}, {"s", FIELD_SECOND}, {"minute", FIELD_MINUTE}, {"minutes", FIELD_MINUTE},
    {"min", FIELD_MINUTE}, {"m", FIELD_MINUTE}, {"hour", FIELD_HOUR}, {"hours", FIELD_HOUR}, {"hr", FIELD_HOUR},
    {"h", FIELD_HOUR}, {"day", FIELD_DAY}, {"days", FIELD_DAY}, {"d", FIELD_DAY}, {"week", FIELD_WEEK},
    {"weeks", FIELD_WEEK}, {"w", FIELD_WEEK}, {"month", FIELD_MONTH}, {"months", FIELD_MONTH}, {"mon", FIELD_MONTH},
    {"quarter", FIELD_QUARTER}, {"qtr", FIELD_QUARTER}, {"year", FIELD_YEAR}, {"years", FIELD_YEAR},
    {"yr", FIELD_YEAR}, {"y", FIELD_YEAR}, {"decade", FIELD_DECADE}, {"decades", FIELD_DECADE},
    {"century", FIELD_CENTURY}, {"centuries", FIELD_CENTURY}, {"millennium", FIELD_MILLENNIUM},
    {"millennia", FIELD_MILLENNIUM}, {"dow", FIELD_DOW}, {"isodow", FIELD_ISODOW}, {"doy", FIELD_DOY},
    {"isoyear", FIELD_ISOYEAR}, {"epoch", FIELD_EPOCH}, {"julian", FIELD_JULIAN}, {"timezone", FIELD_TIMEZONE},
    {"timezone_hour", FIELD_TIMEZONE_HOUR}, {"timezone_minute", FIELD_TIMEZONE_MINUTE},
};

enum field field_parse(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (name.len == strlen(names[i].name) && strncasecmp(name.data, names[i].name, name.len) == 0)
            return names[i].field;
    return FIELD_UNKNOWN;
}

unsigned field_scale(enum field f)
{
    return f == FIELD_SECOND || f == FIELD_EPOCH ? 6 : f == FIELD_MILLISECONDS ? 3 : 0;
}

unsigned iso_weekday(int32_t days)
{
    /* 1970-01-01 was a Thursday. */
    int32_t d = (days + 3) % 7;
    return (unsigned)(d < 0 ? d + 7 : d) + 1;
}

unsigned day_of_year(int32_t days)
{
    int32_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    return (unsigned)(days - civil_to_days(year, 1, 1)) + 1;
}

/* A week belongs to the year that has its Thursday. */
unsigned iso_week(int32_t days, int32_t *ret_year)
{
    int32_t thursday = days + 4 - (int32_t)iso_weekday(days);
    unsigned month, day;
    civil_from_days(thursday, ret_year, &month, &day);
    return (day_of_year(thursday) - 1) / 7 + 1;
}

bool field_of_days(enum field f, int32_t days, int64_t *ret)
{
    int32_t year, week_year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    switch (f) {
    case FIELD_DAY: *ret = day; return true;
    case FIELD_WEEK: *ret = iso_week(days, &week_year); return true;
    case FIELD_MONTH: *ret = month; return true;
    case FIELD_QUARTER: *ret = (month + 2) / 3; return true;
    case FIELD_YEAR: *ret = year; return true;
    case FIELD_DECADE: *ret = year / 10; return true;
    case FIELD_CENTURY: *ret = (year + 99) / 100; return true;
    case FIELD_MILLENNIUM: *ret = (year + 999) / 1000; return true;
    case FIELD_DOW: *ret = iso_weekday(days) % 7; return true;
    case FIELD_ISODOW: *ret = iso_weekday(days); return true;
    case FIELD_DOY: *ret = day_of_year(days); return true;
    case FIELD_ISOYEAR:
        iso_week(days, &week_year);
        *ret = week_year;
        return true;
    case FIELD_EPOCH: *ret = days * MICROS_PER_DAY; return true;
    case FIELD_JULIAN: *ret = (int64_t)days + JULIAN_1970; return true;
    default: return false;
    }
}

bool field_of_micros(enum field f, int64_t micros, bool zone, int64_t *ret)
{
    int64_t rest;
    int32_t days = split_days(micros, &rest);
    switch (f) {
    case FIELD_MICROSECONDS:
    case FIELD_MILLISECONDS: /* thousandths of them: microseconds either way */
    case FIELD_SECOND: *ret = rest % (60 * MICROS_PER_SECOND); return true;
    case FIELD_MINUTE: *ret = rest / (60 * MICROS_PER_SECOND) % 60; return true;
    case FIELD_HOUR: *ret = rest / (3600 * MICROS_PER_SECOND); return true;
    case FIELD_EPOCH: *ret = micros; return true;
    case FIELD_TIMEZONE:
    case FIELD_TIMEZONE_HOUR:
    case FIELD_TIMEZONE_MINUTE: *ret = 0; return zone;
    case FIELD_JULIAN: return false; /* of a moment it is a fraction without an end */
    default: return field_of_days(f, days, ret);
    }
}

bool field_of_interval(enum field f, struct interval v, int128 *ret)
{
    const int64_t minute = 60 * MICROS_PER_SECOND;
    switch (f) {
    case FIELD_MICROSECONDS:
    case FIELD_MILLISECONDS:
    case FIELD_SECOND: *ret = v.micros % minute; return true;
    case FIELD_MINUTE: *ret = v.micros / minute % 60; return true;
    case FIELD_HOUR: *ret = v.micros / (60 * minute); return true;
    case FIELD_DAY: *ret = v.days; return true;
    case FIELD_MONTH: *ret = v.months % 12; return true;
    case FIELD_QUARTER: *ret = v.months % 12 / 3 + 1; return true;
    case FIELD_YEAR: *ret = v.months / 12; return true;
    case FIELD_DECADE: *ret = v.months / 120; return true;
    case FIELD_CENTURY: *ret = v.months / 1200; return true;
    case FIELD_MILLENNIUM: *ret = v.months / 12000; return true;
    case FIELD_EPOCH:
        /* A year is 365.25 days, a month 30. */
        *ret = ((int128)(v.months / 12) * 1461 * (MICROS_PER_DAY / 4)) +
               ((int128)(v.months % 12) * 30 + v.days) * MICROS_PER_DAY + v.micros;
        return true;
    default: return false;
    }
}

bool days_in_range(int64_t days) { return days >= civil_to_days(1, 1, 1) && days <= civil_to_days(9999, 12, 31); }

bool micros_in_range(int64_t micros)
{
    int64_t rest;
    return days_in_range(split_days(micros, &rest));
}
