/* Regular expressions: linear time, bounded memory, refusals. What they match is checked against PostgreSQL in
 * tests/sql/functions/regexp.tsv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "expr/regex.h"

static struct regex *compile(const char *pattern, struct error *err)
{
    AUTO(buf) text = BUF(KIB(256));
    const char *sqlstate = NULL, *problem = NULL;
    bool lazy;
    if (!regex_translate(slice_of(pattern), (struct regex_options){0}, &text, &lazy, &sqlstate, err))
        return NULL;
    struct regex *re = regex_compile(text.data, text.len, lazy, &problem);
    if (!re)
        (void)error_set(err, ERR_SQL, "%s", problem);
    return re;
}

/* A matcher that backtracks would take longer than the universe has. */
static void test_time_is_linear(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a*)*b", "(a|aa)*b", "(a+a+)+b", "(a?){100}a{100}b", "((a*)*)*b$"};
    size_t len = MIB(1);
    char *text = malloc(len);
    struct error err;
    memset(text, 'a', len);
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct regex *re = compile(patterns[i], &err);
        struct slice groups[2];
        assert_non_null(re);
        assert_false(regex_find(re, text, len, 0, groups, 2));
        regex_free(re);
    }
    free(text);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct error err;
    assert_null(compile("((a{255}){255}){255}", &err));
    assert_non_null(strstr(err.text, "invalid repetition count(s)"));
    assert_null(compile("((((([a-z]{1,9}){1,9}){1,9}){1,9})){1,9}x{200}([0-9]{100}y){200}", &err));
}

static void test_what_is_not_linear_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"(a)\\1", "a back-reference, at byte 4 of the regular expression, is not supported"},
        {"ab(?=c)", "look-around, at byte 3 of the regular expression, is not supported"},
        {"(?!c)", "look-around, at byte 1 of the regular expression, is not supported"},
        {"x(?<=c)", "look-around, at byte 2 of the regular expression, is not supported"},
        {"x(?<!c)", "look-around, at byte 2 of the regular expression, is not supported"},
        {"\\mword", "\\m or \\M, at byte 1 of the regular expression, is not supported"},
        {"[[.a.]]", "a collating element, at byte 2 of the regular expression, is not supported"},
    };
    struct error err;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(compile(cases[i].pattern, &err));
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(err.code, ERR_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_linear),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_what_is_not_linear_is_refused_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
