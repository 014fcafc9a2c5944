/* Tables for people: what psql 15 draws for the same rows (\pset null NULL; border 1, and no blanks at the end of a
 * line),
 * and what a terminal must be kept from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "format/formats.h"
#include "format/table_write.h"

enum { COLUMNS = 4 };
static const char *names[COLUMNS] = {"user_id", "n", "amount", "doc"};
static struct type types[COLUMNS];
static const struct schema schema = {.ncols = COLUMNS, .names = names, .types = types};

/* Rows of texts; NULL is NULL. */
static struct batch *make(struct arena *a, const char *const (*rows)[COLUMNS], uint32_t n)
{
    struct batch *b = batch_make(a, types, COLUMNS, n);
    for (uint32_t i = 0; i < COLUMNS; i++) {
        b->cols[i] = column_make(a, types[i], n, true);
        for (uint32_t row = 0; row < n; row++) {
            struct error err;
            if (!rows[row][i])
                continue;
            bit_set(b->cols[i].valid, row);
            if (type_is_view(types[i]))
                ((struct view *)b->cols[i].data)[row] = view_of(rows[row][i], strlen(rows[row][i]));
            else
                assert_int_equal(column_parse(&b->cols[i], row, slice_of(rows[row][i]), a, &err), OK);
        }
    }
    b->rows = b->live = n;
    return b;
}

static void must_print(uint32_t width, const char *const (*rows)[COLUMNS], uint32_t n, const char *expected)
{
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(MIB(1));
    struct table_writer *t = table_writer_new(&schema, width);
    table_writer_add(t, make(&a, rows, n), &out);
    table_writer_flush(t, &out);
    table_writer_free(t);
    assert_string_equal(buf_cstr(&out), expected);
}

static int setup(void **state)
{
    (void)state;
    types[0] = TYPE(TYPE_TEXT);
    types[1] = TYPE(TYPE_INT8);
    types[2] = type_numeric(18, 2);
    types[3] = TYPE(TYPE_JSONB);
    return 0;
}

static void as_psql(void **state)
{
    (void)state;
    const char *const rows[][COLUMNS] = {{"u-1", "7", "10.00", "{\"a\": 1}"}, {"häßlich 🎉", "-12345", NULL, NULL}};
    must_print(0, rows, 2,
               "  user_id   |   n    | amount |   doc\n"
               "------------+--------+--------+----------\n"
               " u-1        |      7 |  10.00 | {\"a\": 1}\n"
               " häßlich 🎉 | -12345 |   NULL | NULL\n");
}

static void numbers_in_json_stand_right(void **state)
{
    (void)state;
    const char *const rows[][COLUMNS] = {{"a", NULL, NULL, "1.5"}, {"b", NULL, NULL, "1000"}, {"c", NULL, NULL, NULL}};
    must_print(0, rows, 3,
               " user_id |  n   | amount | doc\n"
               "---------+------+--------+------\n"
               " a       | NULL |   NULL |  1.5\n"
               " b       | NULL |   NULL | 1000\n"
               " c       | NULL |   NULL | NULL\n");
}

static void no_rows(void **state)
{
    (void)state;
    must_print(0, NULL, 0, " user_id | n | amount | doc\n---------+---+--------+-----\n");
}

static void controls_are_shown(void **state)
{
    (void)state;
    const char *const rows[][COLUMNS] = {{"a\nb\t\x1b[31m", "1", "1", "2"},
                                         {"\xc2\x9b\xe2\x80\xae\x7f", "1", "1", "2"}};
    must_print(0, rows, 2,
               "    user_id     | n | amount | doc\n"
               "----------------+---+--------+-----\n"
               " a\\nb\\t\\x1b[31m | 1 |   1.00 |   2\n"
               " \\x9b\\u202e\\x7f | 1 |   1.00 |   2\n");
}

static void cut_to_the_terminal(void **state)
{
    (void)state;
    const char *const rows[][COLUMNS] = {
        {"abcdefghijklmnopqrstuvwxyz", "12345678901", "12345678901234.25", "日本語日本語日本語日本語"}};
    must_print(64, rows, 1,
               "   user_id   |      n      |      amount       |      doc\n"
               "-------------+-------------+-------------------+---------------\n"
               " abcdefghij… | 12345678901 | 12345678901234.25 | 日本語日本語…\n");
}

/* Half a number is another number. */
static void numbers_are_whole_or_left_out(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(MIB(1));
    const char *const rows[][COLUMNS] = {{"abcdefghijklmnopqrstuvwxyz", "12345678901", "12345678901234.25", "[]"}};
    struct table_writer *t = table_writer_new(&schema, 40);
    table_writer_add(t, make(&a, rows, 1), &out);
    table_writer_end(t, "1 row", &out);
    table_writer_free(t);
    assert_string_equal(buf_cstr(&out), "         user_id         |      n\n"
                                        "-------------------------+-------------\n"
                                        " abcdefghijklmnopqrstuv… | 12345678901\n"
                                        "(1 row; no room for amount, doc)\n");
}

static void later_rows_keep_the_columns(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(MIB(1));
    const char *const narrow[][COLUMNS] = {{"a", "1", "1", "1"}}, *const wide[][COLUMNS] = {
                                                                      {"abcdefgh", "1", "1", "1"}};
    struct encoder *e;
    struct error err;
    assert_int_equal(format_table.encoder_new(&schema, NULL, &e, &err), OK);
    e->ops->begin(e, &out);
    e->ops->encode(e, make(&a, narrow, 1), &out);
    e->ops->encode(e, make(&a, wide, 1), &out);
    encoder_free(e);
    assert_string_equal(buf_cstr(&out),
                        " user_id | n | amount | doc\n"
                        "---------+---+--------+-----\n"
                        " a       | 1 |   1.00 |   1\n"
                        " abcdefgh | 1 |   1.00 |   1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_psql),
        cmocka_unit_test(numbers_in_json_stand_right),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(controls_are_shown),
        cmocka_unit_test(cut_to_the_terminal),
        cmocka_unit_test(numbers_are_whole_or_left_out),
        cmocka_unit_test(later_rows_keep_the_columns),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
