/* Fields of dates, timestamps and intervals, as EXTRACT and date_trunc name them. */
#pragma once

#include "column/civil.h"
#include "expr/function.h"

enum field {
    FIELD_MICROSECONDS, FIELD_MILLISECONDS, FIELD_SECOND, FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_WEEK, FIELD_MONTH,
    FIELD_QUARTER, FIELD_YEAR, FIELD_DECADE, FIELD_CENTURY, FIELD_MILLENNIUM, /* up to here: date_trunc's */
    FIELD_DOW, FIELD_ISODOW, FIELD_DOY, FIELD_ISOYEAR, FIELD_EPOCH, FIELD_JULIAN, FIELD_TIMEZONE, FIELD_TIMEZONE_HOUR,
    FIELD_TIMEZONE_MINUTE, FIELD_UNKNOWN,
};

enum field field_parse(struct slice name);
/* Digits after the point of the field's value. */
unsigned field_scale(enum field f);
/* The field's value * 10^scale; false: the type has no such field. */
bool field_of_micros(enum field f, int64_t micros, bool zone, int64_t *ret);
bool field_of_days(enum field f, int32_t days, int64_t *ret);
bool field_of_interval(enum field f, struct interval v, int128 *ret);
/* from + (to - from) * part, as PostgreSQL computes it; false: out of range. */
bool interval_between(struct interval from, struct interval to, double part, struct interval *ret);
/* v / k, k not 0, as PostgreSQL computes it; false: out of range. */
bool interval_divide(struct interval v, double k, struct interval *ret);
/* ISO 8601 week (1..53) and its year. */
unsigned iso_week(int32_t days, int32_t *ret_year);
/* 1 (Monday) .. 7 (Sunday). */
unsigned iso_weekday(int32_t days);
/* 1 .. 366. */
unsigned day_of_year(int32_t days);

/* Days since 1970 and what is left of the day. */
static inline int32_t split_days(int64_t micros, int64_t *ret_rest)
{
    int64_t days = micros / MICROS_PER_DAY, rest = micros % MICROS_PER_DAY;
    if (rest < 0) {
        days--;
        rest += MICROS_PER_DAY;
    }
    *ret_rest = rest;
    return (int32_t)days;
}
/* Years 0001..9999, as a value of the type must be. */
bool micros_in_range(int64_t micros);
bool days_in_range(int64_t days);
