/* Dates and times: proleptic Gregorian, UTC, years 0001..9999. Pure. */
#pragma once

#include "column/type.h"

#define MICROS_PER_SECOND INT64_C(1000000)
#define MICROS_PER_DAY INT64_C(86400000000)
#define CIVIL_LAST INT64_C(253402300799999999) /* the last microsecond of the year 9999 */

struct civil {
    int32_t year;
    uint8_t month, day, hour, minute, second;
    uint32_t micros;
};

int32_t civil_to_days(int32_t year, unsigned month, unsigned day); /* since 1970-01-01 */
void civil_from_days(int32_t days, int32_t *ret_year, unsigned *ret_month, unsigned *ret_day);
struct civil civil_from_micros(int64_t micros);
int64_t civil_to_micros(const struct civil *c);
bool civil_is_date(int32_t year, unsigned month, unsigned day);

/* ISO 8601 as the decoders accept it: YYYY-MM-DD, then T or space, HH:MM:SS, optional fraction of 1..9 digits (digits
 * beyond micros must be rounded as PostgreSQL does), then Z, +HH, +HHMM, +HH:MM or nothing. *ret_has_zone tells; the
 * result is UTC when there is one. false: anything else, `:60`, out of range. */
bool civil_parse_timestamp(struct slice text, int64_t *ret_micros, bool *ret_has_zone);
bool civil_parse_date(struct slice text, int32_t *ret_days);
/* "2026-11-21 06:00:00.123" + ("+00" if zone), as PostgreSQL prints; returns the length. */
size_t civil_print_timestamp(int64_t micros, bool zone, char out[static 40]);
/* "2026-11-21T06:00:00.123456Z", `digits` (0, 3 or 6) after the point, truncated. */
size_t civil_print_iso(int64_t micros, unsigned digits, char out[static 40]);
/* As with 6 digits, and faster where times come that lie near each other: the minute printed last is remembered. It
 * begins as all zeros. */
struct civil_minute {
    int64_t begins; /* micros */
    char text[20];  /* "2026-11-21T06:00:"; empty: none yet */
};
size_t civil_print_near(int64_t micros, struct civil_minute *minute, char out[static 40]);
size_t civil_print_date(int32_t days, char out[static 16]);
/* PostgreSQL's interval input ("1 day", "10 minutes", "1:30:00", ISO "PT10M") and output ("1 day 02:00:00"). */
enum status interval_parse(struct slice text, struct interval *ret, struct error *err);
size_t interval_print(struct interval v, char out[static 96]);
/* Micros of an interval without months (a day = 24 h); false if it has months, or past int64. */
bool interval_micros(struct interval v, int64_t *ret);
/* What PostgreSQL compares intervals by, in micros: a month has 30 days, a day 24 hours. */
static inline int128 interval_length(struct interval v)
{
    return ((int128)v.months * 30 + v.days) * MICROS_PER_DAY + v.micros;
}
/* timestamp + interval as PostgreSQL: months (day clipped), then days, then micros. false: out of range. */
bool timestamp_add(int64_t micros, struct interval v, int64_t *ret);
