/* The parts of the Delta sink that need no table: a change set by key, what is remembered of files' keys, table
 * paths. The
 * whole is tested by tests/interop/delta_sink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/rowkey.h"
#include "lake/table_path.h"
#include "sink/delta_sink.h"

enum { ROWS = 1000, BATCHES = 3 };

/* Keys 0, 7, 14 ... mod 3000 in three batches; the batches' memory is overwritten once they were handed out. */
struct test_set {
    struct change_set base;
    int next;
    struct arena memory;
};

static struct type types[2] = {{.id = TYPE_TEXT}, {.id = TYPE_INT8}};
static const char *names[2] = {"k", "v"};

static int64_t key_number(int batch, int row)
{
    return (int64_t)(batch * ROWS + row) * 7 % (ROWS * BATCHES);
}

static enum status next_batch(struct change_set *c, struct arena *a, struct batch **ret, struct error *err)
{
    struct test_set *s = (struct test_set *)c;
    (void)err, (void)a;
    arena_reset(&s->memory);
    memset(arena_alloc(&s->memory, KIB(512)), 'x', KIB(512));
    arena_reset(&s->memory);
    if (s->next == BATCHES)
        return AGAIN;
    struct batch *b = batch_make(&s->memory, types, 2, ROWS);
    int64_t *weight = arena_array(&s->memory, ROWS, sizeof *weight);
    for (int row = 0; row < ROWS; row++) {
        int64_t n = key_number(s->next, row);
        char *text = arena_printf(&s->memory, "a key of some length %08lld", (long long)n);
        ((struct view *)b->cols[0].data)[row] = view_of(text, strlen(text));
        ((int64_t *)b->cols[1].data)[row] = n * 2;
        weight[row] = n % 5 ? 1 : -1;
    }
    b->rows = b->live = ROWS;
    b->weight = weight;
    s->next++;
    *ret = b;
    return OK;
}

static struct slice key_of(struct buf *out, int64_t n)
{
    AUTO(arena) a = {0};
    char *text = arena_printf(&a, "a key of some length %08lld", (long long)n);
    struct view view = view_of(text, strlen(text));
    const struct column column = {.type = types[0], .data = &view};
    const uint32_t first = 0;
    buf_clear(out);
    rowkey_put(out, &column, &first, 1, 0);
    return buf_slice(out);
}

static void changes_by_key(void **state)
{
    (void)state;
    uint32_t key[1] = {0};
    struct delta_sink sink = {.schema = {.ncols = 2, .names = names, .types = types}, .key = key, .nkey = 1};
    struct test_set set = {.base = {.next = next_batch}};
    AUTO(changes) c = {0};
    AUTO(buf) bytes = BUF(KIB(1));
    struct error err;
    assert_int_equal(changes_read(&c, &sink, &set.base, &err), OK);
    arena_release(&set.memory);
    assert_int_equal(c.count, ROWS * BATCHES);
    for (int64_t n = 0; n < ROWS * BATCHES; n++) {
        struct slice k = key_of(&bytes, n);
        struct change *found = changes_find(&c, hash64(k.data, k.len, 0), k);
        assert_non_null(found);
        assert_ptr_equal(found, &c.items[n]); /* ascending */
        assert_int_equal(changes_lower_bound(&c, k), n);
        assert_int_equal(found->remove, n % 5 == 0);
        assert_int_equal(((int64_t *)found->batch->cols[1].data)[found->row], n * 2);
        assert_true(slice_equal(view_slice(column_view(&found->batch->cols[0], found->row)),
                                (struct slice){k.data + 1, k.len - 3}));
    }
    struct slice k = key_of(&bytes, ROWS * BATCHES);
    assert_null(changes_find(&c, hash64(k.data, k.len, 0), k));
    assert_int_equal(changes_lower_bound(&c, k), ROWS * BATCHES);
    assert_true(slice_equal(c.least[0], c.items[0].key));
    assert_true(slice_equal(c.most[0], c.items[c.count - 1].key));
}

static void change_items(struct change *items, uint64_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct change){.hash = hash_mix(from + i)};
}

static void keys_of_files(void **state)
{
    (void)state;
    enum { KEYS = 10000 };
    struct key_cache *k = key_cache_new(KIB(200));
    uint64_t *hashes = mem_array(KEYS, sizeof *hashes);
    struct change items[100];
    struct changes c = {.items = items, .count = ARRAY_LEN(items)};
    bool holds;
    assert_false(key_cache_ask(k, "a", &c, 0, c.count, &holds));
    for (uint64_t i = 0; i < KEYS; i++)
        hashes[i] = hash_mix(i);
    key_cache_put(k, "a", hashes, KEYS);
    for (uint32_t from = 0; from < KEYS; from++) { /* every single key is found */
        change_items(items, from, 1);
        assert_true(key_cache_ask(k, "a", &c, 0, 1, &holds));
        assert_true(holds);
    }
    change_items(items, KEYS, ARRAY_LEN(items)); /* others are not */
    assert_true(key_cache_ask(k, "a", &c, 0, c.count, &holds));
    assert_false(holds);
    items[50].hash = hash_mix(3);
    assert_true(key_cache_ask(k, "a", &c, 0, c.count, &holds) && holds);
    assert_true(key_cache_ask(k, "a", &c, 0, 50, &holds) && !holds); /* only the range asked for */
    key_cache_put(k, "b", hashes, KEYS);                             /* both do not fit: the older goes */
    assert_true(key_cache_ask(k, "b", &c, 0, c.count, &holds) && holds);
    assert_false(key_cache_ask(k, "a", &c, 0, c.count, &holds));
    key_cache_free(k);
    free(hashes);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *written, *name;
    } cases[] = {{"metrics/net_flow", "metrics/net_flow"},
                 {"./metrics//net_flow/", "metrics/net_flow"},
                 {".", ""},
                 {"a/./b", "a/b"},
                 {"..a", "..a"},
                 {"/lake/t", NULL},
                 {"../t", NULL},
                 {"a/../b", NULL},
                 {"a/..", NULL}};
    AUTO(arena) a = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *name = NULL;
        struct error err;
        if (cases[i].name) {
            assert_int_equal(table_path(cases[i].written, &a, &name, &err), OK);
            assert_string_equal(name, cases[i].name);
        } else
            assert_int_equal(table_path(cases[i].written, &a, &name, &err), FAILED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_by_key),
        cmocka_unit_test(keys_of_files),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
