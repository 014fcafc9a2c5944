/* Views, columns, filtering, and batches as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/rowcodec.h"

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia 2003): the same numbers in every run. */
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void test_views_compare_as_bytes_do(void **unused)
{
    (void)unused;
    char texts[200][24];
    struct view views[200];
    size_t lens[200];
    for (size_t i = 0; i < 200; i++) {
        lens[i] = next_random() % 20;
        for (size_t k = 0; k < lens[i]; k++)
            texts[i][k] = "\0\1ab\xff"[next_random() % 5];
        views[i] = view_of(texts[i], lens[i]);
        assert_int_equal(views[i].len, lens[i]);
        assert_memory_equal(view_data(&views[i]), texts[i], lens[i]);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < 200; k++) {
            int bytes = memcmp(texts[i], texts[k], MIN(lens[i], lens[k]));
            int want = bytes ? bytes : (lens[i] > lens[k]) - (lens[i] < lens[k]);
            int got = view_compare(&views[i], &views[k]);
            assert_int_equal((got > 0) - (got < 0), (want > 0) - (want < 0));
            assert_int_equal(view_equal(&views[i], &views[k]), want == 0);
        }
}

static void test_a_copied_view_stands_alone(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    char text[] = "longer than twelve bytes";
    struct view v = view_of(text, sizeof text - 1), copy = view_copy(v, &a);
    memset(text, 'x', sizeof text);
    assert_memory_equal(view_data(&copy), "longer than twelve bytes", 24);
}

static void test_filter_keeps_what_is_set(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    for (uint32_t rows = 0; rows < 200; rows += 7) {
        struct batch *b = batch_make(&a, &TYPE(TYPE_INT4), 1, MAX(rows, 1u));
        b->rows = b->live = rows;
        bool alive[200];
        memset(alive, 1, sizeof alive);
        for (int round = 0; round < 3; round++) {
            uint64_t keep[4];
            for (size_t i = 0; i < 4; i++)
                keep[i] = next_random() | (round == 0 ? 0 : next_random());
            for (uint32_t i = 0; i < rows; i++)
                alive[i] &= keep[i / 64] >> (i % 64) & 1;
            batch_filter(b, keep);
            uint32_t n = 0;
            for (uint32_t i = 0; i < rows; i++)
                if (alive[i])
                    assert_int_equal(batch_row(b, n++), i);
            assert_int_equal(batch_live(b), n);
        }
    }
}

static void test_filtering_nothing_leaves_all(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    struct batch *b = batch_make(&a, &TYPE(TYPE_INT8), 1, 100);
    b->rows = b->live = 100;
    uint64_t keep[2] = {UINT64_MAX, UINT64_MAX};
    batch_filter(b, keep);
    assert_null(b->sel);
    assert_int_equal(batch_live(b), 100);
}

static void test_nulls_and_numerics(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    struct column c = column_make(&a, type_numeric(38, 2), 70, false);
    for (size_t i = 0; i < 70; i++)
        column_set_numeric(&c, i, -(int128)i);
    column_set_null(&c, &a, 70, 69);
    assert_true(column_is_null(&c, 69));
    for (size_t i = 0; i < 69; i++) {
        assert_false(column_is_null(&c, i));
        assert_true(column_numeric(&c, i) == -(int128)i);
    }
    struct column small = column_make(&a, type_numeric(18, 2), 1, false);
    column_set_numeric(&small, 0, -5);
    assert_int_equal(((int64_t *)small.data)[0], -5);
    assert_true(column_numeric(&small, 0) == -5);
    struct column none = column_make(&a, TYPE(TYPE_TEXT), 3, true);
    assert_true(column_is_null(&none, 2));
    assert_int_equal(column_view(&none, 2)->len, 0);
}

/* ---- encoding ---- */

enum { COLUMNS = 13, CODEC_ROWS = 150 };

static const struct {
    struct type type;
    const char *values[4];
} samples[COLUMNS] = {
    {{TYPE_BOOL}, {"t", "f", "t", "f"}},
    {{TYPE_INT4}, {"1", "-2", "2147483647", "0"}},
    {{TYPE_INT8}, {"1", "-2", "9223372036854775807", "0"}},
    {{TYPE_FLOAT8}, {"1.5", "NaN", "-Infinity", "5e-324"}},
    {{TYPE_NUMERIC, 12, 2}, {"1.50", "-9999999999.99", "0.00", "7.00"}},
    {{TYPE_NUMERIC, 38, 4}, {"1.5000", "-9999999999999999999999999999999999.9999", "0.0000", "1.0000"}},
    {{TYPE_TEXT}, {"", "short", "a string that is longer than twelve", "é"}},
    {{TYPE_BYTEA}, {"\\x", "\\x00", "\\x000102030405060708090a0b0c0d0e0f", "\\xff"}},
    {{TYPE_UUID}, {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000",
                   "ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000001"}},
    {{TYPE_DATE}, {"1970-01-01", "0001-01-01", "9999-12-31", "2026-11-21"}},
    {{TYPE_TIMESTAMPTZ}, {"1970-01-01 00:00:00+00", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00",
                          "2026-11-21 06:00:00+00"}},
    {{TYPE_INTERVAL}, {"1 mon", "1 day -00:00:01", "00:00:00", "-1 years"}},
    {{TYPE_JSONB}, {"{\"a\": 1}", "null", "[1.50, \"twelve bytes\"]", "\"x\""}},
};

/* Rows of all types; every fifth value NULL in every second column. */
static struct batch *make_samples(struct arena *a, struct type types[COLUMNS])
{
    for (size_t k = 0; k < COLUMNS; k++)
        types[k] = samples[k].type;
    struct batch *b = batch_make(a, types, COLUMNS, CODEC_ROWS);
    b->rows = b->live = CODEC_ROWS;
    for (size_t k = 0; k < COLUMNS; k++)
        for (size_t i = 0; i < CODEC_ROWS; i++) {
            struct error err;
            assert_int_equal(column_parse(&b->cols[k], i, slice_of(samples[k].values[(i + k) % 4]), a, &err), OK);
            if (k % 2 && i % 5 == 0)
                column_set_null(&b->cols[k], a, CODEC_ROWS, i);
        }
    return b;
}

static void assert_same_rows(const struct batch *want, const struct batch *got)
{
    assert_int_equal(batch_live(got), batch_live(want));
    assert_int_equal(got->ncols, want->ncols);
    for (uint32_t i = 0; i < batch_live(want); i++) {
        uint32_t row = batch_row(want, i);
        assert_int_equal(batch_weight(got, i), batch_weight(want, row));
        for (uint32_t k = 0; k < want->ncols; k++) {
            AUTO(buf) x = BUF(256), y = BUF(256);
            assert_int_equal(column_print(&want->cols[k], row, &x), column_print(&got->cols[k], i, &y));
            assert_true(slice_equal(buf_slice(&x), buf_slice(&y)));
        }
    }
}

static void test_batches_come_back(void **unused)
{
    (void)unused;
    for (int variant = 0; variant < 4; variant++) {
        AUTO(arena) a = {0};
        AUTO(buf) bytes = BUF(MIB(1)), again = BUF(MIB(1));
        struct type types[COLUMNS];
        struct batch *b = make_samples(&a, types), *back;
        struct error err;
        int64_t weights[CODEC_ROWS];
        for (size_t i = 0; i < CODEC_ROWS; i++)
            weights[i] = i % 3 ? 1 : -2;
        if (variant & 1)
            b->weight = weights;
        uint64_t keep[3] = {0x123456789abcdef0, 0xf0f0f0f0f0f0f0f0, 0x3};
        if (variant & 2)
            batch_filter(b, keep);
        batch_encode(b, &bytes);
        assert_int_equal(batch_decode(buf_slice(&bytes), types, COLUMNS, &a, &back, &err), OK);
        assert_same_rows(b, back);
        assert_int_equal(back->weight != NULL, variant & 1);
        batch_encode(back, &again);
        assert_true(slice_equal(buf_slice(&bytes), buf_slice(&again))); /* the same rows, the same bytes */
    }
}

static void test_damage_is_corrupt_or_harmless(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0}, scratch = {0};
    AUTO(buf) bytes = BUF(MIB(1));
    struct type types[COLUMNS];
    struct batch *b = make_samples(&a, types), *back;
    struct error err;
    batch_encode(b, &bytes);
    for (size_t n = 0; n < bytes.len; n++) {
        assert_int_equal(batch_decode((struct slice){bytes.data, n}, NULL, 0, &scratch, &back, &err), FAILED);
        assert_int_equal(err.code, ERR_CORRUPT);
        arena_reset(&scratch);
    }
    AUTO(buf) sink = BUF(MIB(4));
    for (int i = 0; i < 20000; i++) {
        size_t at = next_random() % bytes.len;
        char old = bytes.data[at];
        bytes.data[at] ^= (char)(1 << next_random() % 8);
        if (batch_decode(buf_slice(&bytes), types, COLUMNS, &scratch, &back, &err) == OK) {
            buf_clear(&sink);
            batch_encode(back, &sink); /* touches every byte: a bad view would be seen by the sanitizer */
        }
        bytes.data[at] = old;
        arena_reset(&scratch);
    }
}

static void test_bytes_that_belong_to_nothing(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    AUTO(buf) bytes = BUF(KIB(1));
    struct type text = TYPE(TYPE_TEXT);
    struct batch *b = batch_make(&a, &text, 1, 1), *back;
    struct error err;
    b->rows = b->live = 1;
    ((struct view *)b->cols[0].data)[0] = view_of("x", 1);
    column_set_null(&b->cols[0], &a, 1, 0);
    batch_encode(b, &bytes);
    assert_int_equal(batch_decode(buf_slice(&bytes), &text, 1, &a, &back, &err), OK);
    buf_putc(&bytes, 'x'); /* behind the end */
    assert_int_equal(batch_decode(buf_slice(&bytes), &text, 1, &a, &back, &err), FAILED);
    store_u32(bytes.data + bytes.len - 5, 1); /* now the bytes of a NULL */
    assert_int_equal(batch_decode(buf_slice(&bytes), &text, 1, &a, &back, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
}

static void test_other_types_are_refused(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    AUTO(buf) bytes = BUF(MIB(1));
    struct type types[COLUMNS];
    struct batch *back = NULL;
    struct error err;
    batch_encode(make_samples(&a, types), &bytes);
    types[4].scale = 3;
    assert_int_equal(batch_decode(buf_slice(&bytes), types, COLUMNS, &a, &back, &err), FAILED);
    assert_int_equal(batch_decode(buf_slice(&bytes), types, COLUMNS - 1, &a, &back, &err), FAILED);
    assert_int_equal(batch_decode(buf_slice(&bytes), NULL, 0, &a, &back, &err), OK);
    assert_int_equal(back->cols[4].type.scale, 2);
}

/* ---- types ---- */

static void test_types_by_name(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        int mods[2], nmods;
        const char *shown; /* NULL: refused */
        size_t width;
    } cases[] = {
        {"bool", {0}, 0, "boolean", 1},          {"int4", {0}, 0, "integer", 4},
        {"int8", {0}, 0, "bigint", 8},           {"float8", {0}, 0, "double precision", 8},
        {"numeric", {12, 2}, 2, "numeric(12,2)", 8}, {"numeric", {18, 18}, 2, "numeric(18,18)", 8},
        {"numeric", {19}, 1, "numeric(19,0)", 16}, {"numeric", {38, 38}, 2, "numeric(38,38)", 16},
        {"text", {0}, 0, "text", 16},            {"varchar", {0}, 0, "text", 16},
        {"uuid", {0}, 0, "uuid", 16},            {"date", {0}, 0, "date", 4},
        {"timestamp", {0}, 0, "timestamp without time zone", 8}, {"timestamptz", {6}, 1, "timestamp with time zone", 8},
        {"interval", {0}, 0, "interval", 16},    {"jsonb", {0}, 0, "jsonb", 16},
        {"bytea", {0}, 0, "bytea", 16},          {"numeric", {39, 2}, 2, NULL, 0},
        {"numeric", {0}, 1, NULL, 0},            {"numeric", {5, 6}, 2, NULL, 0},
        {"numeric", {5, -1}, 2, NULL, 0},        {"varchar", {10}, 1, NULL, 0},
        {"timestamp", {3}, 1, NULL, 0},          {"int4", {3}, 1, NULL, 0},
        {"float4", {0}, 0, NULL, 0},             {"json", {0}, 0, NULL, 0},
        {"nonsense", {0}, 0, NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct type t = {TYPE_COUNT, 0, 0};
        struct error err = {0};
        char name[40];
        enum status status = type_parse(cases[i].name, cases[i].mods, cases[i].nmods, &t, &err);
        assert_int_equal(status, cases[i].shown ? OK : FAILED);
        if (!cases[i].shown) {
            assert_non_null(strstr(err.text, cases[i].nmods && strcmp(cases[i].name, "numeric") == 0 ? "NUMERIC"
                                                                                                   : cases[i].name));
            assert_int_equal(t.id, TYPE_COUNT);
            continue;
        }
        assert_string_equal(type_name(t, name), cases[i].shown);
        assert_int_equal(type_width(t), cases[i].width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_compare_as_bytes_do),     cmocka_unit_test(test_a_copied_view_stands_alone),
        cmocka_unit_test(test_filter_keeps_what_is_set),      cmocka_unit_test(test_filtering_nothing_leaves_all),
        cmocka_unit_test(test_nulls_and_numerics),            cmocka_unit_test(test_batches_come_back),
        cmocka_unit_test(test_damage_is_corrupt_or_harmless), cmocka_unit_test(test_other_types_are_refused),
        cmocka_unit_test(test_bytes_that_belong_to_nothing),  cmocka_unit_test(test_types_by_name),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
