/* Row keys order and equal as PostgreSQL does (data/order.tsv, by record_values.py), and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "column/rowkey.h"
#include "tsv.h"

enum { ROWS = 64 };

static struct type type_of(struct slice name)
{
    unsigned precision, scale;
    struct type t;
    struct error err;
    size_t n = strcspn(name.data, "[");
    char scalar[40];
    snprintf(scalar, sizeof scalar, "%.*s", (int)n, name.data);
    if (sscanf(name.data, "numeric(%u,%u)", &precision, &scale) == 2)
        t = type_numeric(precision, scale);
    else
        assert_int_equal(type_parse(scalar, NULL, 0, &t, &err), OK);
    return name.data[n] ? type_array(t) : t;
}

static int sign(int v) { return (v > 0) - (v < 0); }

static int compare_keys(const struct buf *a, const struct buf *b)
{
    int order = memcmp(a->data, b->data, MIN(a->len, b->len));
    return sign(order ? order : (int)a->len - (int)b->len);
}

struct keyed {
    struct type type;
    struct column column;
    struct buf keys[ROWS];
    int ranks[ROWS];
    size_t rows;
};

static void check_group(const struct keyed *k, struct arena *a)
{
    char name[40];
    for (size_t i = 0; i < k->rows; i++) {
        for (size_t j = 0; j < k->rows; j++)
            if (compare_keys(&k->keys[i], &k->keys[j]) != sign(k->ranks[i] - k->ranks[j]))
                fail_msg("%s: rows %zu and %zu are ordered otherwise than PostgreSQL does", type_name(k->type, name),
                         i, j);
        for (size_t j = 0; j < k->rows; j++)
            if (!column_is_null(&k->column, i) && !column_is_null(&k->column, j))
                assert_int_equal(sign(column_order(&k->column, i, &k->column, j)), sign(k->ranks[i] - k->ranks[j]));
        /* Read back and put again: an equal value has the same key. */
        struct column back = column_make(a, k->type, 1, true);
        struct reader in = reader_of(buf_slice(&k->keys[i]));
        AUTO(buf) again = BUF(KIB(1));
        assert_true(rowkey_get(&in, &back, 0, a));
        assert_int_equal(reader_left(&in), 0);
        rowkey_put(&again, &back, (uint32_t[]){0}, 1, 0);
        assert_int_equal(compare_keys(&again, &k->keys[i]), 0);
        /* Every shorter piece is refused. */
        for (size_t n = 0; n < k->keys[i].len; n++) {
            in = reader_of((struct slice){k->keys[i].data, n});
            assert_false(rowkey_get(&in, &back, 0, a));
        }
    }
}

static void test_order_is_postgresqls(void **unused)
{
    (void)unused;
    struct tsv t;
    AUTO(arena) a = {0};
    struct keyed k = {0};
    size_t groups = 0;
    tsv_open(&t, "order.tsv");
    for (bool more = tsv_next(&t); more;) {
        struct type type = type_of(t.field[0]);
        struct error err;
        if (k.rows == 0) {
            k.type = type;
            k.column = column_make(&a, type, ROWS, true);
        }
        if (t.field[1].data)
            assert_int_equal(column_parse(&k.column, k.rows, t.field[1], &a, &err), OK);
        k.keys[k.rows] = (struct buf)BUF(KIB(1));
        rowkey_put(&k.keys[k.rows], &k.column, (uint32_t[]){0}, 1, k.rows);
        k.ranks[k.rows++] = atoi(t.field[2].data);
        more = tsv_next(&t);
        if (more && type_equal(type_of(t.field[0]), k.type))
            continue;
        check_group(&k, &a);
        for (size_t i = 0; i < k.rows; i++)
            buf_release(&k.keys[i]);
        k.rows = 0;
        groups++;
    }
    assert_int_equal(groups, 19);
    tsv_close(&t);
}

static void test_a_key_of_several_columns(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    struct error err;
    struct column cols[] = {column_make(&a, TYPE(TYPE_TEXT), 3, true), column_make(&a, TYPE(TYPE_INT4), 3, true)};
    static const char *const texts[] = {"a", "a", "ab"}, *const numbers[] = {"2", NULL, "1"};
    struct buf keys[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(column_parse(&cols[0], i, slice_of(texts[i]), &a, &err), OK);
        if (numbers[i])
            assert_int_equal(column_parse(&cols[1], i, slice_of(numbers[i]), &a, &err), OK);
        keys[i] = (struct buf)BUF(64);
        rowkey_put(&keys[i], cols, (uint32_t[]){0, 1}, 2, i);
    }
    /* ("a",2) < ("a",NULL) < ("ab",1) */
    assert_int_equal(compare_keys(&keys[0], &keys[1]), -1);
    assert_int_equal(compare_keys(&keys[1], &keys[2]), -1);
    /* The format is part of the state's: byte for byte as the header says. */
    assert_int_equal(keys[0].len, 9);
    assert_memory_equal(keys[0].data, "\x01" "a\0\0" "\x01\x80\0\0\2", 9);
    assert_memory_equal(keys[1].data, "\x01" "a\0\0" "\x02", 5);
    for (size_t i = 0; i < 3; i++)
        buf_release(&keys[i]);
}

static void test_equal_jsonb_has_equal_keys(void **unused)
{
    (void)unused;
    static const struct {
        const char *a, *b;
        bool equal; /* as PostgreSQL's = has it */
    } cases[] = {
        {"1.0", "1.00", true},     {"1", "1.000", true},     {"10", "1.0", false},     {"{\"a\": 1.50}", "{\"a\":1.5}",
                                                                                        true},
        {"\"1.0\"", "\"1.00\"", false}, {"[1.10, 2]", "[1.1, 2.0]", true}, {"\"a\\\"1.0\"", "\"a\\\"1.00\"", false},
        {"null", "\"null\"", false}, {"100", "1e2", true},   {"0.0", "-0", true},
    };
    AUTO(arena) a = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct column c = column_make(&a, TYPE(TYPE_JSONB), 2, true);
        AUTO(buf) x = BUF(64), y = BUF(64);
        assert_int_equal(column_parse(&c, 0, slice_of(cases[i].a), &a, &err), OK);
        assert_int_equal(column_parse(&c, 1, slice_of(cases[i].b), &a, &err), OK);
        rowkey_put(&x, &c, (uint32_t[]){0}, 1, 0);
        rowkey_put(&y, &c, (uint32_t[]){0}, 1, 1);
        assert_int_equal(compare_keys(&x, &y) == 0, cases[i].equal);
    }
}

static void test_overflow_is_told(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    AUTO(buf) tiny = BUF(4);
    struct column c = column_make(&a, TYPE(TYPE_INT8), 1, false);
    ((int64_t *)c.data)[0] = 1;
    rowkey_put(&tiny, &c, (uint32_t[]){0}, 1, 0);
    assert_true(tiny.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_postgresqls),       cmocka_unit_test(test_a_key_of_several_columns),
        cmocka_unit_test(test_equal_jsonb_has_equal_keys), cmocka_unit_test(test_overflow_is_told),
    };
    return cmocka_run_group_tests_name("rowkey", tests, NULL, NULL);
}
