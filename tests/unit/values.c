/* Values as text, against what PostgreSQL 15 recorded (data/, by record_values.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "column/batch.h"
#include "column/civil.h"
#include "column/float8.h"
#include "column/jsonb.h"
#include "tsv.h"

static struct type type_of(struct slice name)
{
    unsigned precision, scale;
    char text[64];
    struct type t;
    struct error err;
    snprintf(text, sizeof text, "%.*s", (int)name.len, name.data);
    if (sscanf(text, "numeric(%u,%u)", &precision, &scale) == 2)
        return type_numeric(precision, scale);
    assert_int_equal(type_parse(text, NULL, 0, &t, &err), OK);
    return t;
}

/* values.tsv: type, input, SQLSTATE, output */
static void test_values_as_postgresql_has_them(void **unused)
{
    (void)unused;
    struct tsv t;
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(MIB(1));
    int wrong = 0;
    tsv_open(&t, "values.tsv");
    while (tsv_next(&t)) {
        struct error err = {0};
        struct column c = column_make(&a, type_of(t.field[0]), 1, true);
        bool accept = slice_is(t.field[2], "00000");
        enum status status = column_parse(&c, 0, t.field[1], &a, &err);
        buf_clear(&out);
        if (status == OK)
            assert_true(column_print(&c, 0, &out));
        if (accept != (status == OK) || (accept && !slice_equal(buf_slice(&out), t.field[3]))) {
            print_error("line %zu: %s '%.100s': PostgreSQL says %s '%.100s', we say '%.*s' %s\n", t.line,
                        t.field[0].data,
                        t.field[1].data, t.field[2].data, accept ? t.field[3].data : "", (int)out.len, out.data,
                        err.text);
            wrong++;
        }
        arena_reset(&a);
    }
    assert_true(t.line > 2000);
    tsv_close(&t);
    assert_int_equal(wrong, 0);
}

/* float8.tsv: bits, output */
static void test_doubles_print_shortest(void **unused)
{
    (void)unused;
    struct tsv t;
    int wrong = 0;
    tsv_open(&t, "float8.tsv");
    while (tsv_next(&t)) {
        uint64_t bits = strtoull(t.field[0].data, NULL, 16);
        double v, back;
        char text[32];
        memcpy(&v, &bits, sizeof v);
        size_t n = float8_print(v, text);
        if (!slice_equal((struct slice){text, n}, t.field[1])) {
            print_error("line %zu: PostgreSQL prints %s, we print %s\n", t.line, t.field[1].data, text);
            wrong++;
        }
        assert_int_equal(float8_parse(slice_of(text), &back), FLOAT8_OK);
        assert_memory_equal(&back, &v, sizeof v);
    }
    assert_true(t.line > 1000);
    tsv_close(&t);
    assert_int_equal(wrong, 0);
}

/* moments.tsv: timestamp, interval, sum */
static void test_timestamp_plus_interval(void **unused)
{
    (void)unused;
    struct tsv t;
    tsv_open(&t, "moments.tsv");
    while (tsv_next(&t)) {
        struct error err;
        struct interval span;
        int64_t start, sum;
        bool zone;
        char text[40];
        assert_true(civil_parse_timestamp(t.field[0], &start, &zone));
        assert_int_equal(interval_parse(t.field[1], &span, &err), OK);
        bool bc = strstr(t.field[2].data, "BC"), far = t.field[2].data[4] != '-'; /* outside 0001..9999 */
        assert_int_equal(timestamp_add(start, span, &sum), !bc && !far);
        if (bc || far)
            continue;
        civil_print_timestamp(sum, false, text);
        assert_string_equal(text, t.field[2].data);
    }
    assert_true(t.line > 300);
    tsv_close(&t);
}

/* jsonb.tsv: document, operator, operand, result */
static void test_jsonb_access(void **unused)
{
    (void)unused;
    struct tsv t;
    AUTO(arena) a = {0};
    tsv_open(&t, "jsonb.tsv");
    while (tsv_next(&t)) {
        struct slice found, text;
        bool field = t.field[1].data[0] == '-', as_text = t.field[1].len == (field ? 3 : 2);
        bool have = field ? jsonb_field(t.field[0], t.field[2], &found)
                          : jsonb_element(t.field[0], atoll(t.field[2].data), &found);
        if (have && as_text)
            have = jsonb_text(found, &a, &text);
        else
            text = found;
        if (have != (t.field[3].data != NULL))
            fail_msg("line %zu: found or not", t.line);
        if (have && !slice_equal(text, t.field[3]))
            fail_msg("line %zu: '%.*s' where '%s' was expected", t.line, (int)text.len, text.data, t.field[3].data);
    }
    assert_true(t.line > 100);
    tsv_close(&t);
}

/* Where bourn says no and PostgreSQL does not: the table of types in column/type.h, rule 20 of the semantics. */
static void test_values_that_are_none_of_ours(void **unused)
{
    (void)unused;
    static const struct {
        struct type type;
        const char *text;
    } cases[] = {
        {{TYPE_NUMERIC, 12, 2}, "NaN"},          {{TYPE_NUMERIC, 12, 2}, "Infinity"}, {{TYPE_DATE}, "infinity"},
        {{TYPE_TIMESTAMP}, "-infinity"},         {{TYPE_TIMESTAMPTZ}, "now"},         {{TYPE_DATE}, "today"},
        {{TYPE_TIMESTAMP}, "10000-01-01"},       {{TYPE_TIMESTAMP}, "0001-01-01 BC"}, {{TYPE_DATE}, "0000-01-01"},
        {{TYPE_TIMESTAMPTZ}, "9999-12-31 23:59:59-01"}, {{TYPE_FLOAT8}, "0x10"},
    };
    AUTO(arena) a = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        struct column c = column_make(&a, cases[i].type, 1, true);
        assert_int_equal(column_parse(&c, 0, slice_of(cases[i].text), &a, &err), FAILED);
        assert_true(err.text[0] != 0);
        assert_true(column_is_null(&c, 0));
    }
}

static void test_jsonb_is_bounded(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    AUTO(buf) deep = BUF(KIB(8));
    struct slice ret = {0};
    struct error err;
    for (int i = 0; i < JSONB_DEPTH; i++)
        buf_putc(&deep, '[');
    for (int i = 0; i < JSONB_DEPTH; i++)
        buf_putc(&deep, ']');
    assert_int_equal(jsonb_normalise(buf_slice(&deep), KIB(8), &a, &ret, &err), OK);
    assert_true(slice_equal(ret, buf_slice(&deep)));
    for (size_t i = 0; i < deep.len; i++)
        deep.data[i] = '[';
    assert_int_equal(jsonb_normalise(buf_slice(&deep), KIB(8), &a, &ret, &err), FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(jsonb_normalise(SLICE("[1e1000,1e1000]"), 2005, &a, &ret, &err), FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(jsonb_normalise(SLICE("[1e1000,1e1000]"), 2006, &a, &ret, &err), OK);
    assert_int_equal(ret.len, 2006);
    assert_int_equal(jsonb_normalise(SLICE("1e131071"), MIB(1), &a, &ret, &err), OK);
    assert_int_equal(ret.len, 131072);
    assert_int_equal(jsonb_normalise(SLICE("1e-16383"), MIB(1), &a, &ret, &err), OK);
    assert_int_equal(ret.len, 16385);
}

static void test_printing_null_says_so(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(64);
    struct column c = column_make(&a, TYPE(TYPE_TEXT), 1, true);
    assert_false(column_print(&c, 0, &out));
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_as_postgresql_has_them), cmocka_unit_test(test_doubles_print_shortest),
        cmocka_unit_test(test_timestamp_plus_interval),       cmocka_unit_test(test_jsonb_access),
        cmocka_unit_test(test_values_that_are_none_of_ours),  cmocka_unit_test(test_jsonb_is_bounded),
        cmocka_unit_test(test_printing_null_says_so),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
