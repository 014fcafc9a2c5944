/* Rows find their groups as they would by their canonical keys: random batches of every type, with NULLs, rows switched
 * off, strings of every length, few groups and many, through epochs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/rowkey.h"
#include "op/groups.h"

enum { ROWS = 400, ROUNDS = 60, BATCHES = 6, COLUMNS_MAX = 3 };

static uint64_t seed = 4711;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static const struct type types[] = {
    {.id = TYPE_BOOL}, {.id = TYPE_INT4}, {.id = TYPE_DATE}, {.id = TYPE_INT8}, {.id = TYPE_FLOAT8},
    {.id = TYPE_TIMESTAMPTZ}, {TYPE_NUMERIC, 12, 2}, {TYPE_NUMERIC, 38, 4}, {.id = TYPE_UUID}, {.id = TYPE_INTERVAL},
    {.id = TYPE_TEXT}, {.id = TYPE_TEXT}, {.id = TYPE_BYTEA}, {.id = TYPE_JSONB},
};

/* With zeros: some hold a NUL, some what a key makes of it. */
static struct view random_text(struct arena *a, uint32_t word, bool zeros)
{
    uint32_t kind = zeros ? word % 4 : 0;
    word -= kind;
    char *text = arena_printf(a, "%.*s%04u%.*s", (int)(word * 7 % 31), "as long as it takes, or longer", word,
                              (int)(word * 11 % 23), " and with an end to it");
    size_t len = strlen(text);
    if (zeros)
        memset(text + len / 2, 'x', len - len / 2);
    if (kind > 1)
        text[len / 2] = 0;
    if (kind > 2) {
        memmove(text + len / 2 + 2, text + len / 2 + 1, len - len / 2 - 2);
        text[len / 2 + 1] = (char)0xff;
    }
    return view_of(text, len);
}

static void fill(struct column *c, uint32_t r, uint32_t groups, struct arena *a)
{
    static const double doubles[] = {0, -0.0, 1.5, -1.5};
    uint32_t word = below(groups);
    switch (c->type.id) {
    case TYPE_BOOL: ((uint8_t *)c->data)[r] = word % 2; break;
    case TYPE_INT4:
    case TYPE_DATE: ((int32_t *)c->data)[r] = (int32_t)word - 3; break;
    case TYPE_FLOAT8: ((double *)c->data)[r] = doubles[word % ARRAY_LEN(doubles)]; break;
    case TYPE_NUMERIC:
        column_set_numeric(c, r, (int128)word * (c->type.precision > 18 ? 1000000000000000007 : 7));
        break;
    case TYPE_UUID: memset((char *)c->data + 16 * r, (int)word, 16); break;
    case TYPE_INTERVAL: /* a month equals 30 days */
        ((struct interval *)c->data)[r] = word % 2 ? (struct interval){.days = 30} : (struct interval){.months = 1};
        break;
    case TYPE_TEXT:
    case TYPE_BYTEA: ((struct view *)c->data)[r] = random_text(a, word, c->type.id == TYPE_BYTEA); break;
    case TYPE_JSONB: {
        char *text = arena_printf(a, word % 2 ? "{\"amount\": %u.50}" : "{\"amount\": %u.5}", word / 2);
        ((struct view *)c->data)[r] = view_of(text, strlen(text));
        break;
    }
    default: ((int64_t *)c->data)[r] = (int64_t)word << 40;
    }
}

static struct batch *random_batch(struct arena *a, const struct type *of, uint32_t ncols, uint32_t groups)
{
    struct batch *b = batch_make(a, of, ncols, ROWS);
    uint32_t *sel = arena_array(a, ROWS, sizeof *sel), live = 0;
    b->rows = ROWS;
    for (uint32_t i = 0; i < ncols; i++) {
        bool nulls = below(2);
        b->cols[i] = column_make(a, of[i], ROWS, nulls);
        for (uint32_t r = 0; r < ROWS; r++) {
            if (nulls && below(4) == 0) { /* of a NULL, only a view is known to be nothing */
                if (!type_is_view(of[i]))
                    fill(&b->cols[i], r, groups, a);
                continue;
            }
            fill(&b->cols[i], r, groups, a);
            if (nulls)
                bit_set(b->cols[i].valid, r);
        }
    }
    bool all = below(2);
    for (uint32_t r = 0; r < ROWS; r++)
        if (all || below(3))
            sel[live++] = r;
    b->sel = all ? NULL : sel;
    b->live = live;
    return b;
}

static void check_batch(struct groups *g, struct keyed *table, uint32_t ncols, const struct batch *b, struct arena *a)
{
    static const uint32_t columns[40] = {0, 1, 2};
    char **values;
    uint32_t *ids = arena_array(a, b->live, sizeof *ids);
    uint32_t n = groups_find(g, b, a, ids, &values);
    AUTO(buf) key = BUF(KIB(4));
    for (uint32_t i = 0; i < batch_live(b); i++) {
        buf_clear(&key);
        rowkey_put(&key, b->cols, columns, ncols, batch_row(b, i));
        struct keyed_entry *e = keyed_find(table, hash64(key.data, key.len, 0), key.data, key.len);
        assert_non_null(e);
        uint32_t id = n == 1 ? 0 : ids[i];
        assert_true(id < n);
        assert_ptr_equal(values[id], keyed_value(e));
        ++*(uint64_t *)values[id];
    }
}

static uint64_t sum_dirty(struct keyed *table)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < SHARDS; s++) {
        uint32_t n;
        struct keyed_entry *const *dirty = keyed_dirty(table, s, &n);
        for (uint32_t i = 0; i < n; i++)
            sum += *(uint64_t *)keyed_value(dirty[i]);
    }
    return sum;
}

static void check_round(uint32_t ncols, uint32_t ngroups)
{
    static const struct keyed_codec codec = {.value_size = 8};
    struct arena a = {0};
    struct type of[COLUMNS_MAX];
    for (uint32_t c = 0; c < ncols; c++)
        of[c] = types[below(ARRAY_LEN(types))];
    struct keyed *table = keyed_new("test", 1, &codec);
    struct groups *g = groups_new(ncols, table);
    for (int epoch = 0; epoch < 3; epoch++) {
        uint64_t rows = 0;
        for (int i = 0; i < BATCHES; i++) {
            struct batch *b = random_batch(&a, of, ncols, ngroups);
            check_batch(g, table, ncols, b, &a);
            rows += batch_live(b);
            arena_reset(&a); /* no batch is looked at again */
        }
        assert_int_equal(sum_dirty(table), rows); /* every group that is new was touched */
        groups_forget(g);
        keyed_clear(table);
    }
    groups_free(g);
    keyed_free(table);
    arena_release(&a);
}

static void test_rows_find_the_groups_of_their_keys(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t ncols = 0; ncols <= COLUMNS_MAX; ncols++)
            check_round(ncols, round % 3 == 0 ? 5 : round % 3 == 1 ? 100 : 100000);
}

/* More columns than are looked up by value: by key, then. */
static void test_many_columns(void **state)
{
    (void)state;
    static const struct keyed_codec codec = {.value_size = 8};
    struct arena a = {0};
    struct type of[40];
    uint32_t columns[40], *ids = arena_array(&a, ROWS, sizeof *ids);
    for (uint32_t c = 0; c < 40; c++) {
        of[c] = types[1];
        columns[c] = c;
    }
    struct keyed *table = keyed_new("test", 1, &codec);
    struct groups *g = groups_new(40, table);
    struct batch *b = random_batch(&a, of, 40, 1);
    char **values;
    uint32_t n = groups_find(g, b, &a, ids, &values);
    AUTO(buf) key = BUF(KIB(4));
    for (uint32_t i = 0; i < batch_live(b); i++) {
        buf_clear(&key);
        rowkey_put(&key, b->cols, columns, 40, batch_row(b, i));
        assert_true(ids[i] < n);
        struct keyed_entry *e = keyed_find(table, hash64(key.data, key.len, 0), key.data, key.len);
        assert_ptr_equal(values[ids[i]], keyed_value(e));
    }
    groups_free(g);
    keyed_free(table);
    arena_release(&a);
}

/* Keys of more bytes than a buffer for common rows has: they differ at their ends only, and are two. */
static void test_long_keys(void **state)
{
    (void)state;
    static const struct keyed_codec codec = {.value_size = 8};
    enum { LONG = 65 << 20 };
    struct arena a = {0};
    uint32_t ids[2];
    struct keyed *table = keyed_new("test", 1, &codec);
    struct groups *g = groups_new(1, table);
    struct batch *b = batch_make(&a, &(struct type){.id = TYPE_TEXT}, 1, 2);
    b->rows = b->live = 2;
    for (uint32_t r = 0; r < 2; r++) {
        char *text = arena_alloc(&a, LONG);
        memset(text, 'x', LONG);
        text[LONG - 1] = (char)('a' + r);
        ((struct view *)b->cols[0].data)[r] = view_of(text, LONG);
    }
    char **values;
    assert_int_equal(groups_find(g, b, &a, ids, &values), 2);
    assert_ptr_not_equal(values[ids[0]], values[ids[1]]);
    assert_int_equal(keyed_count(table), 2);
    groups_free(g);
    keyed_free(table);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_find_the_groups_of_their_keys),
        cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
