/* Expressions and programs: building, resolving, laziness of errors, filters, checks, printing. What functions answer
 * is checked against PostgreSQL in tests/sql/functions; random programs against a plain evaluator in expr_random.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "expr/function.h"
#include "expr/program.h"

enum { ROWS = 200 };

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena = (struct arena){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct expr *column(uint32_t i, uint8_t type) { return expr_column(&arena, i, TYPE(type), -1); }

static struct expr *number(const char *text)
{
    struct expr *e;
    struct error err;
    assert_int_equal(expr_number(&arena, text, -1, &e, &err), OK);
    return e;
}

static struct expr *string(const char *text) { return expr_string(&arena, text, strlen(text), -1); }

static struct expr *call(const char *name, struct expr *x, struct expr *y)
{
    struct expr *e, *args[] = {x, y};
    struct error err;
    if (expr_call(&arena, name, args, y ? 2 : x ? 1 : 0, -1, &e, &err) != OK)
        fail_msg("%s: %s", name, err.text);
    return e;
}

static const char *printed(const struct expr *e)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct buf out = BUF(MIB(1));
    expr_print(e, names, &out);
    const char *text = arena_strdup(&arena, buf_cstr(&out));
    buf_release(&out);
    return text;
}

/* a: row number (NULL in every fifth), b: row number modulo 4. Every seventh row is dead. */
static struct batch *sample(void)
{
    static const struct type types[] = {{.id = TYPE_INT4}, {.id = TYPE_INT4}};
    struct batch *b = batch_make(&arena, types, 2, ROWS);
    uint32_t *sel = arena_array(&arena, ROWS, sizeof *sel), live = 0;
    b->rows = ROWS;
    for (uint32_t c = 0; c < 2; c++)
        b->cols[c] = column_make(&arena, types[c], ROWS, c == 0);
    for (uint32_t r = 0; r < ROWS; r++) {
        ((int32_t *)b->cols[0].data)[r] = (int32_t)r;
        ((int32_t *)b->cols[1].data)[r] = (int32_t)(r % 4);
        if (r % 5)
            bit_set(b->cols[0].valid, r);
        if (r % 7)
            sel[live++] = r;
    }
    b->sel = sel;
    b->live = live;
    return b;
}

static struct column run(struct expr *e, struct batch *in, struct row_errors *errors)
{
    struct column out;
    struct program *p = program_compile(&arena, &e, 1);
    struct program_state *s = program_state_new(p);
    program_run(p, s, in, INT64_C(1700000000000000), &arena, &out, errors);
    program_state_free(s);
    return out;
}

/* ---- building ---- */

static void test_numbers_are_typed_as_written(void **state)
{
    (void)state;
    char name[40];
    assert_string_equal(type_name(number("2147483647")->type, name), "integer");
    assert_string_equal(type_name(number("2147483648")->type, name), "bigint");
    assert_string_equal(type_name(number("9223372036854775808")->type, name), "numeric(19,0)");
    assert_string_equal(type_name(number("1.50")->type, name), "numeric(3,2)");
    assert_string_equal(type_name(number("0.05")->type, name), "numeric(2,2)");
    assert_string_equal(type_name(number("1e3")->type, name), "numeric(4,0)");
    struct expr *e;
    struct error err;
    assert_int_equal(expr_number(&arena, "123456789012345678901234567890123456789", -1, &e, &err), FAILED);
    assert_int_equal(err.code, ERR_SQL);
}

static void test_numeric_types_are_static(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        struct type x, y;
        const char *result;
    } rows[] = {
        {"+", {TYPE_NUMERIC, 18, 2}, {TYPE_NUMERIC, 18, 2}, "numeric(19,2)"},
        {"-", {TYPE_NUMERIC, 10, 4}, {TYPE_NUMERIC, 12, 2}, "numeric(15,4)"},
        {"*", {TYPE_NUMERIC, 9, 2}, {TYPE_NUMERIC, 9, 3}, "numeric(18,5)"},
        {"/", {TYPE_NUMERIC, 18, 2}, {TYPE_NUMERIC, 4, 2}, "numeric(34,16)"},
        {"+", {TYPE_NUMERIC, 38, 2}, {TYPE_NUMERIC, 38, 2}, "numeric(38,2)"},
        {"+", {TYPE_NUMERIC, 18, 2}, {TYPE_INT4, 0, 0}, "numeric(19,2)"},
        {"%", {TYPE_NUMERIC, 18, 2}, {TYPE_NUMERIC, 5, 3}, "numeric(5,3)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[40];
        struct expr *e = call(rows[i].op, expr_column(&arena, 0, rows[i].x, -1), expr_column(&arena, 1, rows[i].y, -1));
        assert_string_equal(type_name(e->type, name), rows[i].result);
    }
}

static void test_calls_are_resolved_as_postgres_does(void **state)
{
    (void)state;
    assert_string_equal(printed(call("+", column(0, TYPE_INT4), column(1, TYPE_INT8))), "(CAST(a AS bigint) + b)");
    assert_string_equal(printed(call("=", column(0, TYPE_DATE), string("2026-01-01"))), "(a = '2026-01-01'::date)");
    assert_string_equal(printed(call("||", column(0, TYPE_TEXT), column(1, TYPE_INT4))), "(a || CAST(b AS text))");
    assert_string_equal(printed(call("sqrt", column(0, TYPE_INT4), NULL)), "sqrt(CAST(a AS double precision))");
    assert_string_equal(printed(call("~~", column(0, TYPE_TEXT), string("a%"))), "(a ~~ 'a%'::text)");
    /* A literal is brought to the column's scale, so that the comparison is one of plain integers. */
    struct expr *amount = expr_column(&arena, 0, type_numeric(18, 2), -1);
    assert_string_equal(printed(call(">", amount, number("0"))), "(a > '0.00'::numeric(18,2))");
    assert_string_equal(printed(call("=", amount, string("1.005"))),
                        "(CAST(a AS numeric(19,3)) = '1.005'::numeric(19,3))");
}

static void test_constants_are_folded(void **state)
{
    (void)state;
    assert_string_equal(printed(call("+", number("1"), number("2"))), "3");
    assert_string_equal(printed(call("lower", string("ABC"), NULL)), "'abc'::text");
    assert_string_equal(printed(call("+", column(0, TYPE_INT4), expr_null(&arena, TYPE(TYPE_INT4), -1))),
                        "NULL::integer");
    /* What would fail stays: it may stand in a branch never taken. */
    assert_string_equal(printed(call("/", number("1"), number("0"))), "(1 / 0)");
    assert_string_equal(printed(call("now", NULL, NULL)), "now()");
}

static void expect_error(const char *name, struct expr **args, uint32_t nargs, const char *text, const char *hint)
{
    struct expr *e = NULL;
    struct error err;
    assert_int_equal(expr_call(&arena, name, args, nargs, -1, &e, &err), FAILED);
    assert_string_equal(err.text, text);
    if (hint)
        assert_non_null(strstr(err.hint, hint));
    assert_null(e);
}

static void test_what_does_not_exist_is_named(void **state)
{
    (void)state;
    struct expr *i = column(0, TYPE_INT4), *t = column(1, TYPE_TEXT), *d = column(2, TYPE_DATE);
    expect_error("lower", &i, 1, "function lower(integer) does not exist", "it takes (text)");
    expect_error("uper", &t, 1, "function uper(text) does not exist", "did you mean \"upper\"?");
    expect_error("+", (struct expr *[]){i, t}, 2, "operator integer + text does not exist", NULL);
    expect_error("-", &t, 1, "operator - text does not exist", NULL);
    expect_error("+", (struct expr *[]){d, d}, 2, "operator date + date does not exist", NULL);
    expect_error("random", NULL, 0, "function random() does not exist", "repeat");
    expect_error("=", (struct expr *[]){i, string("x")}, 2, "invalid input syntax for type integer: \"x\"", NULL);
    expect_error("in", (struct expr *[]){i, t}, 2, "operator integer = text does not exist", NULL);
    expect_error("timezone", (struct expr *[]){string("Europe/Paris"), column(0, TYPE_TIMESTAMPTZ)}, 2,
                 "time zone \"Europe/Paris\" is not supported", "UTC");
}

static void test_casts_that_read_the_clock_are_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"now", " NOW ", "today", "Tomorrow", "yesterday"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct expr *e;
        struct error err;
        assert_int_equal(expr_cast(&arena, string(words[i]), TYPE(TYPE_TIMESTAMPTZ), CAST_EXPLICIT, -1, &e, &err),
                         FAILED);
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.hint, "now()"));
    }
}

static void test_casts_know_their_context(void **state)
{
    (void)state;
    struct expr *e, *big = column(0, TYPE_INT8), *text = column(1, TYPE_TEXT);
    struct error err;
    assert_int_equal(expr_cast(&arena, big, TYPE(TYPE_INT4), CAST_EXPLICIT, -1, &e, &err), OK);
    assert_int_equal(expr_cast(&arena, big, TYPE(TYPE_INT4), CAST_ASSIGNMENT, -1, &e, &err), OK);
    assert_int_equal(expr_cast(&arena, big, TYPE(TYPE_INT4), CAST_IMPLICIT, -1, &e, &err), FAILED);
    assert_int_equal(expr_cast(&arena, text, TYPE(TYPE_INT4), CAST_EXPLICIT, -1, &e, &err), OK);
    assert_int_equal(expr_cast(&arena, text, TYPE(TYPE_INT4), CAST_ASSIGNMENT, -1, &e, &err), FAILED);
    /* A scale that only the values know is asked for. */
    assert_int_equal(expr_cast(&arena, text, type_numeric(0, 0), CAST_EXPLICIT, -1, &e, &err), FAILED);
    assert_non_null(strstr(err.hint, "numeric(18,2)"));
}

/* ---- running ---- */

static void test_errors_are_lazy(void **state)
{
    (void)state;
    struct batch *in = sample();
    struct expr *a = column(0, TYPE_INT4), *b = column(1, TYPE_INT4), *e;
    struct expr *quotient = call("/", a, b), *zero = call("=", b, number("0"));
    struct row_errors errors;
    struct error err;
    struct column out = run(quotient, in, &errors);
    uint32_t expected = 0;
    for (uint32_t r = 0; r < ROWS; r++)
        expected += r % 7 && r % 5 && r % 4 == 0;
    assert_int_equal(errors.count, expected);
    for (uint32_t i = 0; i < errors.count; i++) {
        assert_true(errors.items[i].row % 7 && errors.items[i].row % 4 == 0);
        assert_string_equal(errors.items[i].sqlstate, "22012");
        assert_string_equal(errors.items[i].text, "division by zero");
    }
    struct expr *branches[] = {zero, number("-1"), quotient};
    assert_int_equal(expr_case(&arena, branches, 3, -1, &e, &err), OK);
    out = run(e, in, &errors);
    assert_int_equal(errors.count, 0);
    for (uint32_t i = 0; i < in->live; i++) {
        uint32_t r = in->sel[i];
        if (r % 4 == 0)
            assert_int_equal(((int32_t *)out.data)[r], -1);
        else if (r % 5 == 0)
            assert_true(column_is_null(&out, r));
        else
            assert_int_equal(((int32_t *)out.data)[r], (int32_t)(r / (r % 4)));
    }
    /* AND and OR look from left to right. */
    struct expr *large = call(">", quotient, number("5"));
    struct expr *guarded[] = {call("<>", b, number("0")), large}, *late[] = {large, guarded[0]};
    assert_int_equal(expr_logic(&arena, EXPR_AND, guarded, 2, -1, &e, &err), OK);
    run(e, in, &errors);
    assert_int_equal(errors.count, 0);
    assert_int_equal(expr_logic(&arena, EXPR_AND, late, 2, -1, &e, &err), OK);
    run(e, in, &errors);
    assert_int_equal(errors.count, expected);
    struct expr *either[] = {zero, large};
    assert_int_equal(expr_logic(&arena, EXPR_OR, either, 2, -1, &e, &err), OK);
    run(e, in, &errors);
    assert_int_equal(errors.count, 0);
    struct expr *first[] = {b, quotient};
    assert_int_equal(expr_coalesce(&arena, first, 2, -1, &e, &err), OK);
    run(e, in, &errors);
    assert_int_equal(errors.count, 0);
}

static void test_filter_keeps_true_and_check_breaks_on_false(void **state)
{
    (void)state;
    struct batch *in = sample();
    struct expr *e = call(">", call("/", column(0, TYPE_INT4), column(1, TYPE_INT4)), number("20"));
    struct program *p = program_compile(&arena, &e, 1);
    struct program_state *s = program_state_new(p);
    struct row_errors errors;
    uint64_t keep[BITMAP_WORDS(ROWS)], broken[BITMAP_WORDS(ROWS)];
    program_filter(p, s, in, 0, &arena, keep, &errors);
    program_check(p, s, in, 0, &arena, broken);
    for (uint32_t r = 0; r < ROWS; r++) {
        bool live = r % 7, null = r % 5 == 0, bad = !null && r % 4 == 0, yes = !null && !bad && r / (r % 4) > 20;
        assert_int_equal(bit_get(keep, r), live && yes);
        assert_int_equal(bit_get(broken, r), live && !null && !yes);
    }
    for (uint32_t r = ROWS; r < BITMAP_WORDS(ROWS) * 64; r++)
        assert_false(bit_get(keep, r) || bit_get(broken, r));
    assert_true(errors.count > 0);
    program_state_free(s);
}

static void test_now_is_the_epochs_time(void **state)
{
    (void)state;
    struct batch *in = sample();
    struct row_errors errors;
    struct expr *now = call("now", NULL, NULL), *day = call("current_date", NULL, NULL);
    struct column out = run(now, in, &errors);
    assert_int_equal(((int64_t *)out.data)[3], INT64_C(1700000000000000));
    out = run(day, in, &errors);
    assert_int_equal(((int32_t *)out.data)[3], 19675);
    assert_true(expr_uses_now(call("-", now, column(0, TYPE_TIMESTAMPTZ))));
    assert_true(expr_uses_now(call("localtimestamp", NULL, NULL)));
    assert_true(expr_uses_now(call("transaction_timestamp", NULL, NULL)));
    assert_false(expr_uses_now(call("-", column(1, TYPE_TIMESTAMPTZ), column(0, TYPE_TIMESTAMPTZ))));
}

static void test_constants_and_columns_may_be_roots(void **state)
{
    (void)state;
    struct batch *in = sample();
    struct expr *roots[] = {column(1, TYPE_INT4), number("7"), expr_null(&arena, TYPE(TYPE_TEXT), -1), string("x")};
    struct column out[4];
    struct row_errors errors;
    struct program *p = program_compile(&arena, roots, 4);
    struct program_state *s = program_state_new(p);
    program_run(p, s, in, 0, &arena, out, &errors);
    for (uint32_t r = 0; r < ROWS; r++) {
        assert_int_equal(((int32_t *)out[0].data)[r], (int32_t)(r % 4));
        assert_int_equal(((int32_t *)out[1].data)[r], 7);
        assert_true(column_is_null(&out[2], r));
        assert_int_equal(column_view(&out[3], r)->len, 1);
    }
    program_state_free(s);
}

/* ---- trees ---- */

static void test_trees_can_be_looked_at(void **state)
{
    (void)state;
    struct expr *a = column(0, TYPE_INT4), *c = column(2, TYPE_INT4);
    struct expr *e = call("*", call("+", a, c), number("2"));
    uint64_t columns[1] = {0};
    expr_columns(e, columns);
    assert_int_equal(columns[0], 5);
    struct expr *with[] = {number("3"), NULL, column(1, TYPE_INT4)};
    assert_string_equal(printed(expr_substitute(&arena, e, with)), "((3 + b) * 2)");
    assert_true(expr_equal(e, call("*", call("+", a, c), number("2"))));
    assert_false(expr_equal(e, call("*", call("+", c, a), number("2"))));
    assert_false(expr_equal(number("1"), call("-", number("2"), number("2"))));
    assert_string_equal(printed(expr_is_null(&arena, a, -1)), "(a IS NULL)");
    assert_string_equal(printed(call("=", column(0, TYPE_TEXT), string("it's"))), "(a = 'it''s'::text)");
}

static void test_common_types(void **state)
{
    (void)state;
    char name[40];
    struct type ret;
    struct error err;
    struct type numbers[] = {TYPE(TYPE_UNKNOWN), TYPE(TYPE_INT4), type_numeric(10, 2), TYPE(TYPE_INT8)};
    assert_int_equal(expr_common_type(numbers, 4, "UNION", &ret, &err), OK);
    assert_string_equal(type_name(ret, name), "numeric(21,2)");
    struct type dates[] = {TYPE(TYPE_DATE), TYPE(TYPE_TIMESTAMP)};
    assert_int_equal(expr_common_type(dates, 2, "UNION", &ret, &err), OK);
    assert_int_equal(ret.id, TYPE_TIMESTAMP);
    struct type mixed[] = {TYPE(TYPE_INT4), TYPE(TYPE_TEXT)};
    assert_int_equal(expr_common_type(mixed, 2, "UNION", &ret, &err), FAILED);
    assert_string_equal(err.text, "UNION types integer and text cannot be matched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers_are_typed_as_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numeric_types_are_static, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_are_resolved_as_postgres_does, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constants_are_folded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_exist_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_casts_that_read_the_clock_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_casts_know_their_context, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_are_lazy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filter_keeps_true_and_check_breaks_on_false, setup, teardown),
        cmocka_unit_test_setup_teardown(test_now_is_the_epochs_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constants_and_columns_may_be_roots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trees_can_be_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(test_common_types, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
