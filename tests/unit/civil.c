/* The calendar against libc's, and the decoders' strict ISO 8601. (Text as PostgreSQL has it: values.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "column/civil.h"

static void test_every_day_of_the_calendar(void **unused)
{
    (void)unused;
    for (int32_t days = -719162; days <= 2932896; days++) {
        time_t seconds = (time_t)days * 86400;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        int32_t year;
        unsigned month, day;
        civil_from_days(days, &year, &month, &day);
        if (year != tm.tm_year + 1900 || (int)month != tm.tm_mon + 1 || (int)day != tm.tm_mday)
            fail_msg("day %d is %d-%u-%u", days, year, month, day);
        assert_int_equal(civil_to_days(year, month, day), days);
        assert_true(civil_is_date(year, month, day));
    }
}

static void test_what_is_no_date(void **unused)
{
    (void)unused;
    assert_false(civil_is_date(0, 1, 1));
    assert_false(civil_is_date(10000, 1, 1));
    assert_false(civil_is_date(2026, 0, 1));
    assert_false(civil_is_date(2026, 13, 1));
    assert_false(civil_is_date(2026, 4, 31));
    assert_false(civil_is_date(1900, 2, 29));
    assert_true(civil_is_date(2000, 2, 29));
    assert_false(civil_is_date(2026, 1, 0));
    int32_t days = 7;
    static const char *const bad[] = {"", "2026-11-2", "2026-11-211", "2026/11/21", "2026-1-21", "0000-01-01",
                                      "2026-02-29",
                                      "x026-11-21", "2026-11-2x", "+026-11-21", "2026-11 21"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(civil_parse_date(slice_of(bad[i]), &days));
    assert_int_equal(days, 7);
    assert_true(civil_parse_date(SLICE("1970-01-02"), &days));
    assert_int_equal(days, 1);
}

static void test_timestamps_of_the_decoders(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int64_t micros;
        bool zone;
    } good[] = {
        {"1970-01-01T00:00:00", 0, false},
        {"1970-01-01 00:00:00", 0, false},
        {"1970-01-01T00:00:00Z", 0, true},
        {"1970-01-01T00:00:01.5Z", 1500000, true},
        {"1970-01-01T00:00:00.000001Z", 1, true},
        {"1970-01-01T00:00:00.1234567Z", 123457, true},
        {"1970-01-01T00:00:00.9999999Z", 1000000, true},
        {"1970-01-01T00:00:00.123456789", 123457, false},
        {"1970-01-01T02:00:00+02", 0, true},
        {"1970-01-01T02:30:00+0230", 0, true},
        {"1970-01-01T02:30:00.5+02:30", 500000, true},
        {"1969-12-31T19:00:00-05:00", 0, true},
        {"1969-12-31T23:59:59.999999Z", -1, true},
        {"2026-11-21T06:07:08Z", INT64_C(1795241228000000), true}, /* date -u -d ... +%s */
        {"0001-01-01T00:00:00Z", INT64_C(-62135596800000000), true},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999), true},
        {"1970-01-01T15:59:00+15:59", 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t micros;
        bool zone;
        assert_true(civil_parse_timestamp(slice_of(good[i].text), &micros, &zone));
        assert_int_equal(micros, good[i].micros);
        assert_int_equal(zone, good[i].zone);
    }
}

static void test_every_digit_of_a_timestamp(void **unused)
{
    (void)unused;
    /* A step that is prime to minutes, hours, days: every digit takes every value at every place. */
    for (time_t seconds = -62135596800; seconds < 253402300800; seconds += 86399 * 1009) {
        struct tm tm;
        char text[40];
        int64_t micros;
        int32_t days;
        bool zone;
        gmtime_r(&seconds, &tm);
        int64_t milli = tm.tm_yday * 7 % 1000, want = seconds * 1000000 + milli * 1000;
        int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)milli);
        if (!civil_parse_timestamp((struct slice){text, (size_t)n}, &micros, &zone) || micros != want)
            fail_msg("%s", text);
        assert_true(civil_parse_date((struct slice){text, 10}, &days));
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        assert_int_equal(days, timegm(&tm) / 86400);
        /* One character changed to its neighbours in ASCII: never taken for a digit or a separator that it is not. */
        size_t at = (size_t)tm.tm_yday % 19;
        char good = text[at], bad[] = {'/', ':', good == '-' ? '.' : '-', '\0', (char)0xb0, ' '};
        for (size_t i = 0; i < sizeof bad; i++) {
            text[at] = bad[i] == good ? 'x' : bad[i];
            if (at == 10 && text[at] == ' ')
                continue;
            assert_false(civil_parse_timestamp((struct slice){text, (size_t)n}, &micros, &zone));
        }
    }
}

static void test_what_is_no_timestamp(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",                            "2026-11-21",                 "2026-11-21T06:00",          "2026-11-21T06:00:0",
        "2026-11-21t06:00:00",         "2026-11-21X06:00:00",        "2026-11-21T24:00:00",       "2026-11-21T23:60:00",
        "2026-11-21T23:59:60",         "2026-11-21T06:00:00.",       "2026-11-21T06:00:00.Z",
        "2026-11-21T06:00:00.1234567890",
        "2026-11-21T06:00:00z",        "2026-11-21T06:00:00ZZ",      "2026-11-21T06:00:00+",
        "2026-11-21T06:00:00+1",
        "2026-11-21T06:00:00+123",     "2026-11-21T06:00:00+16:00",  "2026-11-21T06:00:00+02:60",
        "2026-11-21T06:00:00+02-00",
        "2026-11-21T06:00:00 +02",     " 2026-11-21T06:00:00",       "2026-11-21T06:00:00 ",      "2026-02-29T06:00:00",
        "0000-01-01T00:00:00",         "0001-01-01T00:00:00+00:01",  "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59.9999999",
        "2026-11-21T0a:00:00",         "2026-11-21T06-00-00",        "2026-11-21T06:00:00.1a",    "-026-11-21T06:00:00",
        "2026-11-21T06:00:00+2:00",    "2026-11-21T06:00:00,5",      "2026-11-21T+6:00:00",
        "2026-11-21T06:00:00+02:00:00",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t micros = 7;
        bool zone = true;
        if (civil_parse_timestamp(slice_of(bad[i]), &micros, &zone))
            fail_msg("'%s' was taken", bad[i]);
        assert_true(micros == 7 && zone);
    }
}

static void test_printing(void **unused)
{
    (void)unused;
    char out[40], date[16];
    assert_int_equal(civil_print_timestamp(INT64_C(1795241228120000), true, out), 25);
    assert_string_equal(out, "2026-11-21 06:07:08.12+00");
    civil_print_timestamp(-1, false, out);
    assert_string_equal(out, "1969-12-31 23:59:59.999999");
    assert_int_equal(civil_print_iso(INT64_C(1795241228123456), 0, out), 20);
    assert_string_equal(out, "2026-11-21T06:07:08Z");
    civil_print_iso(INT64_C(1795241228123456), 3, out);
    assert_string_equal(out, "2026-11-21T06:07:08.123Z");
    civil_print_iso(INT64_C(1795241228123456), 6, out);
    assert_string_equal(out, "2026-11-21T06:07:08.123456Z");
    assert_int_equal(civil_print_date(-719162, date), 10);
    assert_string_equal(date, "0001-01-01");
}

/* The minute printed last must never show in another one. */
static void test_printing_near(void **unused)
{
    (void)unused;
    static const int64_t steps[] = {1, 999999, 1000000, 59999999, 60000000, 60000001, 86400000000, -1, -60000000};
    struct civil_minute minute = {0};
    char near[40], want[40];
    for (int64_t start = -2; start <= 2; start++)
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
            int64_t at = start * INT64_C(31622400000000) - 3 * steps[i];
            for (int k = 0; k < 200; k++, at += steps[i]) {
                assert_int_equal(civil_print_near(at, &minute, near), civil_print_iso(at, 6, want));
                assert_string_equal(near, want);
            }
        }
    const int64_t ends[] = {INT64_C(-62135596800000000), INT64_C(253402300799999999)};
    for (size_t i = 0; i < 4; i++) {
        civil_print_near(ends[i % 2], &minute, near);
        civil_print_iso(ends[i % 2], 6, want);
        assert_string_equal(near, want);
    }
}

static void test_civil_fields(void **unused)
{
    (void)unused;
    const int64_t first = INT64_C(-62135596800000000), last = INT64_C(253402300799999999);
    const int64_t step = INT64_C(12345678901234);
    for (int64_t micros = first; micros < last; micros += step) {
        struct civil c = civil_from_micros(micros);
        time_t seconds = (time_t)((micros - (int64_t)c.micros) / 1000000);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        assert_true(c.micros < 1000000 && (micros - (int64_t)c.micros) % 1000000 == 0);
        assert_true(c.hour == tm.tm_hour && c.minute == tm.tm_min && c.second == tm.tm_sec && c.day == tm.tm_mday &&
                    c.month == tm.tm_mon + 1 && c.year == tm.tm_year + 1900);
        assert_int_equal(civil_to_micros(&c), micros);
    }
}

static void test_interval_length(void **unused)
{
    (void)unused;
    int64_t micros = 7;
    assert_false(interval_micros((struct interval){.months = 1}, &micros));
    assert_int_equal(micros, 7);
    assert_true(interval_micros((struct interval){.days = 1, .micros = -1}, &micros));
    assert_int_equal(micros, INT64_C(86399999999));
    assert_false(interval_micros((struct interval){.days = 1, .micros = INT64_MAX}, &micros));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day_of_the_calendar),  cmocka_unit_test(test_what_is_no_date),
        cmocka_unit_test(test_timestamps_of_the_decoders), cmocka_unit_test(test_every_digit_of_a_timestamp),
        cmocka_unit_test(test_what_is_no_timestamp),
        cmocka_unit_test(test_printing),                   cmocka_unit_test(test_printing_near),
        cmocka_unit_test(test_civil_fields),
        cmocka_unit_test(test_interval_length),
    };
    return cmocka_run_group_tests_name("civil", tests, NULL, NULL);
}
