/* base/options: values, checking with "did you mean", secrets that never show. */
#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct option_spec specs[] = {
    {"path", OPT_TEXT, .required = true, .on_table = true, .help = "file or folder"},
    {"follow", OPT_BOOL, .value = "false"},
    {"rows", OPT_INT, .min = 1, .max = 1000},
    {"target_size", OPT_BYTES, .value = "128 MiB"},
    {"interval", OPT_INTERVAL, .value = "30 s"},
    {"start", OPT_CHOICE, .value = "earliest", .choices = "earliest latest timestamp"},
    {"password", OPT_SECRET, .on_mapping = true},
    {"librdkafka.*", OPT_TEXT},
    {0},
};
static const struct option_spec *const tables[] = {specs};

static struct option opt(const char *name, const char *value)
{
    return (struct option){name, value, {.file = "p.sql", .line = 3, .column = 9}};
}

static enum status check(struct option o, enum option_where where, struct error *err)
{
    struct options given = {1, &o};
    return options_check(&given, where, tables, 1, "of server \"s\"", err);
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* -1: refused */
    } cases[] = {
        {"4096", 4096}, {"64 MB", 64000000}, {"64MiB", 67108864}, {"1GiB", 1073741824}, {"1.5 kB", 1500},
        {"0.5 KiB", 512}, {" 2 kb ", 2000}, {"0", 0}, {"", -1}, {"MB", -1}, {"1 XB", -1}, {"-1", -1}, {"1 MB 2", -1},
        {"0.3 B", -1}, {"99999999999 GB", -1}, {"9223372036854775807", INT64_MAX}, {"9223372036854775808", -1},
        {"1.", -1}, {"1..2", -1}, {".5 MB", -1}, {"64 MB x", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = -1;
        bool ok = option_parse_bytes(cases[i].text, &v);
        if (ok != (cases[i].value >= 0) || v != cases[i].value)
            fail_msg("'%s' -> %d %lld", cases[i].text, ok, (long long)v);
    }
}

static void test_intervals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"30 s", 30000000}, {"1 day", 86400000000}, {"1 day 2 hours", 93600000000}, {"10 minutes", 600000000},
        {"500ms", 500000}, {"1.5 s", 1500000}, {"1h30m", 5400000000}, {"2 weeks", 1209600000000}, {"0 s", 0},
        {"1 month", -1}, {"1 year", -1}, {"5", -1}, {"", -1}, {"-1 s", -1}, {"1 day ago", -1}, {"0.0000001 s", -1},
        {"99999999999 days", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = -1;
        bool ok = option_parse_interval(cases[i].text, &v);
        if (ok != (cases[i].value >= 0) || v != cases[i].value)
            fail_msg("'%s' -> %d %lld", cases[i].text, ok, (long long)v);
    }
}

static void test_defaults_and_given(void **state)
{
    (void)state;
    struct option items[] = {opt("follow", "on"), opt("interval", "1 min")};
    struct options given = {2, items};
    assert_true(option_bool(&given, specs, "follow"));
    assert_int_equal(option_int(&given, specs, "interval"), 60000000);
    assert_int_equal(option_int(&given, specs, "target_size"), 128 << 20);
    assert_int_equal(option_int(&given, specs, "rows"), 0);
    assert_string_equal(option_text(&given, specs, "start"), "earliest");
    assert_null(option_text(&given, specs, "path"));
    assert_true(option_given(&given, "follow"));
    assert_false(option_given(&given, "rows"));
}

static void test_accepts(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(check(opt("follow", "true"), OPTION_ON_SERVER, &err), OK);
    assert_int_equal(check(opt("follow", "true"), OPTION_ON_TABLE, &err), OK);
    assert_int_equal(check(opt("rows", "1000"), OPTION_ON_TABLE, &err), OK);
    assert_int_equal(check(opt("start", "latest"), OPTION_ON_TABLE, &err), OK);
    assert_int_equal(check(opt("librdkafka.debug", "all"), OPTION_ON_SERVER, &err), OK);
    assert_int_equal(check(opt("password", "env:PASS"), OPTION_ON_MAPPING, &err), OK);
}

static void refuses(struct option o, enum option_where where, const char *text, const char *hint)
{
    struct error err = {0};
    assert_int_equal(check(o, where, &err), FAILED);
    assert_string_equal(err.text, text);
    assert_string_equal(err.hint, hint);
    assert_string_equal(err.place.file, "p.sql");
    assert_int_equal(err.place.line, 3);
    assert_int_equal(err.place.column, 9);
}

static void test_refuses(void **state)
{
    (void)state;
    refuses(opt("folow", "true"), OPTION_ON_SERVER,
            "unknown option \"folow\" of server \"s\"; did you mean \"follow\"?", "");
    refuses(opt("zzz", "true"), OPTION_ON_SERVER, "unknown option \"zzz\" of server \"s\"", "");
    refuses(opt("follow", "maybe"), OPTION_ON_SERVER, "option \"follow\" wants true or false, not 'maybe'", "");
    refuses(opt("rows", "0"), OPTION_ON_TABLE, "option \"rows\" is out of range: 0 is not within 1..1000", "");
    refuses(opt("rows", "1e3"), OPTION_ON_TABLE, "option \"rows\" wants a whole number, not '1e3'", "");
    refuses(opt("start", "late"), OPTION_ON_TABLE, "option \"start\" cannot be 'late'",
            "one of: earliest latest timestamp");
    refuses(opt("start", "earliest latest"), OPTION_ON_TABLE, "option \"start\" cannot be 'earliest latest'",
            "one of: earliest latest timestamp");
    refuses(opt("path", "x"), OPTION_ON_SERVER, "option \"path\" of server \"s\" does not stand on the SERVER",
            "write it on the FOREIGN TABLE");
    refuses(opt("interval", "1 month"), OPTION_ON_TABLE,
            "option \"interval\" wants a time such as '30 s', '10 minutes' or '1 day', not '1 month'", "");
}

static void test_secret_is_never_printed(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(check(opt("password", "hunter2"), OPTION_ON_MAPPING, &err), FAILED);
    assert_null(strstr(err.text, "hunter2"));
    assert_null(strstr(err.hint, "hunter2"));
    AUTO(buf) b = BUF(100);
    assert_int_equal(secret_resolve("hunter2", &b, &err), FAILED);
    assert_null(strstr(err.text, "hunter2"));
    assert_int_equal(b.len, 0);
}

static void test_secrets(void **state)
{
    (void)state;
    struct error err = {0};
    AUTO(buf) b = BUF(100);
    setenv("BOURN_TEST_SECRET", "s3cret", 1);
    assert_int_equal(secret_resolve("env:BOURN_TEST_SECRET", &b, &err), OK);
    assert_string_equal(buf_cstr(&b), "s3cret");
    secret_wipe(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.data[0], 0);
    assert_int_equal(secret_resolve("env:BOURN_TEST_UNSET", &b, &err), FAILED);
    assert_string_equal(err.text, "environment variable BOURN_TEST_UNSET is not set");

    char path[] = "/tmp/bourn-secret-XXXXXX", reference[64];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "from file\n", 10), 10);
    close(fd);
    snprintf(reference, sizeof reference, "file:%s", path);
    assert_int_equal(secret_resolve(reference, &b, &err), OK);
    assert_string_equal(buf_cstr(&b), "from file");
    unlink(path);
    assert_int_equal(secret_resolve(reference, &b, &err), FAILED);
}

static void test_required(void **state)
{
    (void)state;
    struct error err = {0};
    struct place place = {.file = "p.sql", .line = 7, .column = 1};
    struct option item = opt("path", "x");
    struct options none = {0}, some = {1, &item};
    const struct options *const without[] = {&none, &none}, *const with[] = {&none, &some};
    assert_int_equal(options_require(with, 2, tables, 1, "of table \"t\"", &place, &err), OK);
    assert_int_equal(options_require(without, 2, tables, 1, "of table \"t\"", &place, &err), FAILED);
    assert_string_equal(err.text, "option \"path\" of table \"t\" is missing");
    assert_string_equal(err.hint, "path: file or folder; write it on the FOREIGN TABLE");
    assert_int_equal(err.place.line, 7);
}

static void test_given_twice(void **state)
{
    (void)state;
    struct error err = {0};
    struct option items[] = {opt("rows", "1"), opt("rows", "2")};
    struct options given = {2, items};
    assert_int_equal(options_check(&given, OPTION_ON_TABLE, tables, 1, "of table \"t\"", &err), FAILED);
    assert_string_equal(err.text, "option \"rows\" of table \"t\" is given twice");
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"amount", "currency", "id", "event_id", "event_time"};
    assert_string_equal(nearest_name("amonut", names, 5), "amount");
    assert_string_equal(nearest_name("AMOUNT", names, 5), "amount");
    assert_string_equal(nearest_name("event_tim", names, 5), "event_time");
    assert_string_equal(nearest_name("curency", names, 5), "currency");
    assert_null(nearest_name("x", names, 5));
    assert_null(nearest_name("total", names, 5));
    assert_null(nearest_name("", names, 5));
    char long_name[100];
    memset(long_name, 'a', 99);
    long_name[99] = 0;
    assert_null(nearest_name(long_name, names, 5));
    assert_null(nearest_name("x", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_defaults_and_given),
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_secret_is_never_printed),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_given_twice),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
