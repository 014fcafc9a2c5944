/* Refused rows as JSON: what is too long is cut, and the row says what and how long it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "op/collect.h"
#include "op/reject.h"

enum { LONG = 70000000, KEPT_AT_LEAST = 8 << 20 };

static const char *const names[] = {"n", "a", "b", "c", "d", "e", "f"};
static const struct type types[] = {{TYPE_INT8, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0},
                                    {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}};

/* A row of a number and `ntexts` texts, refused, as JSON. */
static const char *refuse(struct rejections *r, struct arena *a, const struct slice *texts, uint32_t ntexts)
{
    struct batch *b = batch_make(a, types, 1 + ntexts, 1);
    b->rows = b->live = 1;
    ((int64_t *)b->cols[0].data)[0] = 42;
    for (uint32_t i = 0; i < ntexts; i++)
        ((struct view *)b->cols[1 + i].data)[0] = view_of(texts[i].data, texts[i].len);
    return reject_result(r, b, 0, names, "step", "rule", "")->row_key;
}

/* By somebody else's library. */
static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *row = json_loads(text, 0, &e);
    if (!row)
        fail_msg("%s at %d of %zu bytes", e.text, e.position, strlen(text));
    return row;
}

static json_int_t bytes_of(const json_t *row, const char *name)
{
    const json_t *mark = json_object_get(json_object_get(row, "bourn.cut"), name);
    return mark ? json_integer_value(json_object_get(mark, "bytes")) : -1;
}

static void test_long_values_are_cut_and_say_so(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    struct rejections r = {0};
    char *text = arena_alloc(&a, LONG), *other = arena_alloc(&a, LONG);
    memset(text, 'x', LONG);
    for (size_t i = 1; i + 2 < LONG; i += 4096)
        memcpy(text + i, i % 3 ? "\xc3\xa4" : "\x01\n", 2);
    for (size_t i = (32 << 20) - 1025; i < (32 << 20) + 1025; i += 2) /* where it is cut: within a character */
        memcpy(text + i, "\xc3\xa4", 2);
    memcpy(other, text, LONG);
    other[LONG - 1] = '!'; /* differs only where it is cut off */
    struct slice both[] = {{text, LONG}, {"short", 5}}, others[] = {{other, LONG}, {"short", 5}};
    json_t *row = parse(refuse(&r, &a, both, 2));
    assert_int_equal(json_integer_value(json_object_get(row, "n")), 42);
    assert_string_equal(json_string_value(json_object_get(row, "b")), "short");
    const json_t *cut = json_object_get(row, "a");
    assert_in_range(json_string_length(cut), KEPT_AT_LEAST, LONG - 1);
    assert_memory_equal(json_string_value(cut), text, json_string_length(cut));
    assert_int_equal(bytes_of(row, "a"), LONG);
    assert_int_equal(bytes_of(row, "b"), -1);
    (void)refuse(&r, &a, others, 2);
    assert_string_not_equal(r.items[0].row_key, r.items[1].row_key);
    json_decref(row);
    rejections_release(&r);
}

/* No value is too long by itself, all together are. */
static void test_long_rows_are_cut_and_say_so(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    struct rejections r = {0};
    enum { PART = 60 << 20 };
    char *text = arena_alloc(&a, PART);
    memset(text, 'x', PART);
    struct slice part = {text, PART}, texts[] = {part, part, part, part, part, {"end", 3}};
    const char *row = refuse(&r, &a, texts, 6);
    const char *end = "\"f\":\"end\",\"bourn.cut\":{\"e\":{\"bytes\":62914560,\"xxh128\":\"";
    size_t n = strlen(row), tail = strlen(end) + 32 + strlen("\"}}}"); /* of the hash, 32 digits */
    assert_in_range(n, 4 * (size_t)PART, 260 << 20);
    assert_memory_equal(row + n - tail, end, strlen(end));
    rejections_release(&r);
}

static void test_what_is_not_cut_has_no_mark(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    struct rejections r = {0};
    struct slice texts[] = {{"say \"hi\"\n", 9}, {"", 0}};
    assert_string_equal(refuse(&r, &a, texts, 2),
                        "{\"n\":42,\"a\":\"say \\\"hi\\\"\\n\",\"b\":\"\"}");
    rejections_release(&r);
}

/* As many as an epoch may have do not fit into the 32 bits of a batch's length: they are in the outbox as several. */
static void test_many_long_rows_are_several_batches(void **state)
{
    enum { ROWS = 7, LEFT_OUT = 2, EACH = 30 << 20 };
    (void)state;
    AUTO(arena) a = {0};
    AUTO(buf) payload = BUF(GIB(1));
    struct batch *b = batch_make(&a, types, 2, ROWS), *read;
    char *text = arena_alloc(&a, EACH);
    uint32_t sel[ROWS], live = 0, seen = 0, batches = 0;
    memset(text, 'x', EACH);
    for (uint32_t row = 0; row < ROWS; row++) {
        ((int64_t *)b->cols[0].data)[row] = row;
        ((struct view *)b->cols[1].data)[row] = view_of(text, EACH - row);
        sel[live] = row;
        live += row != LEFT_OUT;
    }
    b->rows = ROWS;
    b->sel = sel;
    b->live = live;
    collect_put(&payload, b);
    struct reader in = reader_of(buf_slice(&payload));
    struct error err;
    const struct schema schema = {.ncols = 2, .types = arena_dup(&a, types, sizeof types)};
    for (; collect_next(&in, &schema, &a, &read, &err) == OK && read; batches++)
        for (uint32_t i = 0; i < batch_live(read); i++, seen++) {
            uint32_t row = batch_row(read, i);
            assert_int_equal(((int64_t *)read->cols[0].data)[row], sel[seen]);
            assert_int_equal(((struct view *)read->cols[1].data)[row].len, EACH - sel[seen]);
        }
    assert_int_equal(seen, live);
    assert_int_equal(batches, 4); /* of one or two rows each */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_values_are_cut_and_say_so),
        cmocka_unit_test(test_long_rows_are_cut_and_say_so),
        cmocka_unit_test(test_what_is_not_cut_has_no_mark),
        cmocka_unit_test(test_many_long_rows_are_several_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
