/* Interned strings are the same strings; those of few values are kept once, outside of the messages they came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "op/intern.h"

enum { ROWS = 1000, BATCHES = 30, WIDTH = 24 };

static uint64_t seed = 99;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

/* Strings of 0 to WIDTH bytes that differ from each other anywhere, in a message's memory. */
static size_t random_text(char *to, uint32_t values)
{
    uint32_t value = below(values);
    size_t len = value % (WIDTH + 1);
    memset(to, 'a', len);
    if (len)
        to[value / (WIDTH + 1) % len] = (char)('b' + value / (WIDTH + 1) / len % 20);
    return len;
}

/* How many of the last batch's strings of 13 to 20 bytes lie elsewhere than in their message. */
static uint32_t check(uint32_t values, uint32_t *ret_of)
{
    struct arena a = {0};
    struct column c = column_make(&a, TYPE(TYPE_TEXT), ROWS, false);
    struct intern *t = intern_new(3);
    char *messages = mem_alloc(ROWS * WIDTH), *copies = mem_alloc(ROWS * WIDTH);
    size_t len[ROWS];
    uint32_t moved = 0;
    for (int batch = 0; batch < BATCHES; batch++) {
        moved = *ret_of = 0;
        for (uint32_t r = 0; r < ROWS; r++) {
            len[r] = random_text(messages + r * WIDTH, values);
            memcpy(copies + r * WIDTH, messages + r * WIDTH, len[r]);
            ((struct view *)c.data)[r] = view_of(messages + r * WIDTH, len[r]);
        }
        intern_column(t, 2, &c, ROWS);
        for (uint32_t r = 0; r < ROWS; r++) {
            const struct view *v = column_view(&c, r);
            assert_true(slice_equal(view_slice(v), (struct slice){copies + r * WIDTH, len[r]}));
            bool candidate = len[r] > VIEW_INLINE && len[r] <= 20;
            *ret_of += candidate;
            moved += candidate && v->ptr != messages + r * WIDTH;
        }
    }
    intern_free(t);
    free(messages);
    free(copies);
    arena_release(&a);
    return moved;
}

static void test_few_values_are_kept_once(void **state)
{
    (void)state;
    uint32_t of, moved = check(60, &of);
    assert_true(of > 0);
    assert_true(moved > of * 3 / 4);
}

static void test_a_column_of_many_values_is_left_alone(void **state)
{
    (void)state;
    uint32_t of, moved = check(100000, &of);
    assert_true(of > 0);
    assert_int_equal(moved, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_values_are_kept_once),
        cmocka_unit_test(test_a_column_of_many_values_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
