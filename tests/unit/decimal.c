/* Exact decimals against Python's decimal module (data/decimal.tsv, by record_values.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "column/decimal.h"
#include "column/decimal_math.h"
#include "tsv.h"

/* Independent of decimal_parse. */
static int128 wide_of(struct slice s)
{
    int128 v = 0;
    bool negative = s.data[0] == '-';
    for (size_t i = negative; i < s.len; i++)
        v = v * 10 + (s.data[i] - '0');
    return negative ? -v : v;
}

static unsigned small_of(struct slice s) { return (unsigned)atoi(s.data); }

static void check_result(const struct tsv *t, bool have, const int128 *got, struct slice want)
{
    char text[48];
    if (have)
        decimal_print(*got, 0, text);
    if (have != (want.data != NULL) || (have && *got != wide_of(want)))
        fail_msg("line %zu: %s of %s, %s: %s where %s was expected", t->line, t->field[0].data, t->field[1].data,
                 t->field[2].data, have ? text : "overflow", want.data ? want.data : "overflow");
}

/* "math NAME", scale of the result, the result, arguments and their scales. */
static void check_math(const struct tsv *t)
{
    const struct slice *f = t->field;
    unsigned scale = small_of(f[1]), sx = small_of(f[4]), sy = t->fields > 5 ? small_of(f[6]) : 0;
    int128 x = wide_of(f[3]), y = t->fields > 5 ? wide_of(f[5]) : 0, got = 0;
    bool have = slice_is(f[0], "math sqrt")    ? decimal_sqrt(x, sx, scale, &got)
                : slice_is(f[0], "math ln")    ? decimal_ln(x, sx, scale, &got)
                : slice_is(f[0], "math log10") ? decimal_log10(x, sx, scale, &got)
                : slice_is(f[0], "math exp")   ? decimal_exp(x, sx, scale, &got)
                : slice_is(f[0], "math log")   ? decimal_log(x, sx, y, sy, scale, &got)
                                               : decimal_power(x, sx, y, sy, scale, &got);
    check_result(t, have, &got, f[2]);
}

static void test_arithmetic_as_python_has_it(void **unused)
{
    (void)unused;
    struct tsv t;
    size_t seen = 0;
    tsv_open(&t, "decimal.tsv");
    while (tsv_next(&t)) {
        const struct slice *f = t.field;
        int128 a = wide_of(f[1]), got = 0;
        if (slice_is(f[0], "add"))
            check_result(&t, decimal_add(a, wide_of(f[2]), &got), &got, f[3]);
        else if (slice_is(f[0], "mul"))
            check_result(&t, decimal_mul(a, wide_of(f[2]), &got), &got, f[3]);
        else if (slice_is(f[0], "rescale"))
            check_result(&t, decimal_rescale(a, small_of(f[2]), small_of(f[3]), &got), &got, f[4]);
        else if (slice_is(f[0], "div"))
            check_result(&t, decimal_div(a, small_of(f[2]), wide_of(f[3]), small_of(f[4]), small_of(f[5]), &got), &got,
                         f[6]);
        else if (f[0].len > 5 && memcmp(f[0].data, "math ", 5) == 0)
            check_math(&t);
        else if (slice_is(f[0], "compare"))
            assert_int_equal(decimal_compare(a, small_of(f[2]), wide_of(f[3]), small_of(f[4])), atoi(f[5].data));
        else
            continue;
        seen++;
    }
    assert_true(seen > 3000);
    tsv_close(&t);
}

static void test_to_double_rounds_once(void **unused)
{
    (void)unused;
    struct tsv t;
    size_t seen = 0;
    tsv_open(&t, "decimal.tsv");
    while (tsv_next(&t)) {
        if (!slice_is(t.field[0], "double"))
            continue;
        double got = decimal_to_double(wide_of(t.field[1]), small_of(t.field[2])), want;
        uint64_t bits = strtoull(t.field[3].data, NULL, 16);
        memcpy(&want, &bits, sizeof want);
        assert_true(got == want);
        seen++;
    }
    assert_true(seen > 500);
    tsv_close(&t);
}

static void test_print_parse(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int64_t value;
        unsigned scale;
        const char *printed;
    } cases[] = {
        {"0", 0, 0, "0"},          {"-0", 0, 0, "0"},        {"0.00", 0, 2, "0.00"},    {"1.50", 150, 2, "1.50"},
        {"-0.005", -5, 3, "-0.005"}, {"1e3", 1000, 0, "1000"}, {"1.50e1", 150, 1, "15.0"}, {"1e-3", 1, 3, "0.001"},
        {".5", 5, 1, "0.5"},       {"5.", 5, 0, "5"},        {"+7", 7, 0, "7"},         {"0e99", 0, 0, "0"},
        {"1E+2", 100, 0, "100"},   {"00012.3400", 123400, 4, "12.3400"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int128 v;
        unsigned scale;
        bool overflow;
        char text[48];
        assert_true(decimal_parse(slice_of(cases[i].text), &v, &scale, &overflow));
        assert_true(v == cases[i].value && scale == cases[i].scale && !overflow);
        assert_int_equal(decimal_print(v, scale, text), strlen(cases[i].printed));
        assert_string_equal(text, cases[i].printed);
    }
}

static void test_every_power_of_ten_prints(void **unused)
{
    (void)unused;
    for (unsigned n = 0; n <= 38; n++) {
        char want[64] = "1", got[48];
        memset(want + 1, '0', n);
        want[n + 1] = 0;
        decimal_print(decimal_pow10[n], 0, got);
        assert_string_equal(got, want);
        assert_true(decimal_fits(decimal_pow10[n] - 1, n));
        assert_false(decimal_fits(decimal_pow10[n], n));
        assert_false(decimal_fits(-decimal_pow10[n], n));
    }
}

static void test_what_is_no_number(void **unused)
{
    (void)unused;
    static const char *const bad[] = {"", "+", "-", ".", "e5", "1e", "1e+", "1x", "1.2.3", " 1", "1 ", "--1", "0x1",
                                      "NaN", "1,5"};
    int128 v = 77;
    unsigned scale = 7;
    bool overflow;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(decimal_parse(slice_of(bad[i]), &v, &scale, &overflow));
        assert_false(overflow);
    }
    static const char *const wide[] = {"100000000000000000000000000000000000000", "-1e38", "1e99999999999999999999",
                                       "1e-39",
                                       "0.123456789012345678901234567890123456789"};
    for (size_t i = 0; i < ARRAY_LEN(wide); i++) {
        assert_false(decimal_parse(slice_of(wide[i]), &v, &scale, &overflow));
        assert_true(overflow);
    }
    assert_true(v == 77 && scale == 7); /* outputs untouched on failure */
    assert_true(decimal_parse(SLICE("1.00000000000000000000000000000000000000000000"), &v, &scale, &overflow));
    assert_true(v == decimal_pow10[scale]); /* zeros that do not fit are no digits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic_as_python_has_it), cmocka_unit_test(test_to_double_rounds_once),
        cmocka_unit_test(test_print_parse),                 cmocka_unit_test(test_every_power_of_ten_prints),
        cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
