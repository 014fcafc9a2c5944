/* state/segment: round trips, and every flipped byte and every truncation is found. */
#include "state/segment.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "memory_store.h"
#include "state/pieces.h"

static struct segment_ref put_sample(struct store *store)
{
    struct segment_writer *w = segment_writer_new();
    struct buf handed = BUF(MIB(1));
    struct segment_ref ref;
    struct error err;
    buf_puts(segment_section(w, SECTION_KEYED, "aggregate-1", 3), "the groups");
    segment_section(w, SECTION_SET, "empty", 1);
    buf_put(&handed, "\0\1\2 binary", 10);
    segment_add(w, SECTION_OUTBOX, "metrics.users", 1, &handed);
    assert_int_equal(handed.len, 0);
    assert_false(segment_is_empty(w));
    assert_int_equal(segment_put(w, store, 7, 9, 4, 2, &ref, &err), OK);
    segment_writer_reset(w);
    assert_true(segment_is_empty(w));
    segment_writer_free(w);
    buf_release(&handed);
    return ref;
}

/* Open, read every section, close. */
static enum status read_all(struct store *store, const struct segment_ref *ref, struct buf *into, struct error *err)
{
    struct segment *s;
    TRY(segment_open(store, ref, &s, err));
    uint32_t n;
    const struct section *sections = segment_sections(s, &n);
    enum status status = OK;
    for (uint32_t i = 0; i < n && status == OK; i++) {
        buf_printf(into, "%d %s v%u: ", sections[i].kind, sections[i].name, sections[i].version);
        status = segment_read(s, &sections[i], into, err);
        buf_puts(into, ";");
    }
    segment_close(s);
    return status;
}

static const char sample[] = "1 aggregate-1 v3: the groups;3 metrics.users v1: \0\1\2 binary;";

static void test_round_trip(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref ref = put_sample(store);
    assert_int_equal(ref.from, 7);
    assert_int_equal(ref.to, 9);
    assert_int_equal(ref.level, 2);
    assert_true(ref.has_state && ref.has_outbox);
    assert_memory_equal(ref.name, "seg/00000000000000000007-00000000000000000009-00000000000000000004-", 67);
    assert_int_equal(strlen(ref.name), 83);
    AUTO(buf) all = BUF(MIB(1));
    struct error err;
    assert_int_equal(read_all(store, &ref, &all, &err), OK);
    assert_int_equal(all.len, sizeof sample - 1);
    assert_memory_equal(all.data, sample, all.len);
    store_free(store);
}

static void make_number(void *arg, uint32_t piece, struct bufs *out)
{
    AUTO(buf) text = BUF(MIB(8));
    for (uint32_t i = 0; i < piece; i++)
        buf_printf(&text, "%s%u.", (const char *)arg, piece);
    bufs_put(out, &text);
    if (piece == 3) { /* long: a buffer of its own */
        buf_reserve(&text, KIB(100));
        memset(text.data, 'x', text.len = KIB(100));
        bufs_put(out, &text);
    }
}

static void test_made_later(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_writer *w = segment_writer_new();
    struct segment_ref ref;
    struct error err;
    char names[][2] = {"m", "n", "l"};
    for (int round = 0; round < 2; round++) { /* the second after a reset */
        buf_puts(segment_section(w, SECTION_KEYED, "before", 1), "b");
        segment_later(w, SECTION_KEYED, "made", 2, make_number, names[0], 4);
        segment_later(w, SECTION_KEYED, "nothing", 2, make_number, names[1], 1);
        segment_later(w, SECTION_KEYED, "last", 2, make_number, names[2], 3);
        for (uint32_t i = segment_unmade(w); i-- > 0;)
            segment_make(w, i);
        segment_made(w);
        assert_int_equal(segment_unmade(w), 0);
        assert_false(segment_is_empty(w));
        assert_int_equal(segment_writer_bytes(w), 1 + 3 * (1 + 2 + 3) + KIB(100) + 3 * (1 + 2));
        assert_int_equal(segment_put(w, store, 1 + round, 1 + round, 1, 0, &ref, &err), OK);
        segment_writer_reset(w);
        assert_true(segment_is_empty(w));
        AUTO(buf) all = BUF(MIB(1)), expected = BUF(MIB(1));
        buf_puts(&expected, "1 before v1: b;1 made v2: m1.m2.m2.m3.m3.m3.");
        for (int i = 0; i < 100 << 10; i++)
            buf_putc(&expected, 'x');
        buf_puts(&expected, ";1 last v2: l1.l2.l2.;");
        assert_int_equal(read_all(store, &ref, &all, &err), OK);
        assert_string_equal(buf_cstr(&all), buf_cstr(&expected));
    }
    segment_writer_free(w);
    store_free(store);
}

/* Read into another program's terms: the offsets of the format's description. */
static void test_format(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref ref = put_sample(store);
    struct buf *b = &memory_find(memory_of(store), ref.name)->bytes;
    assert_int_equal(ref.bytes, b->len);
    assert_memory_equal(b->data, "bournSEG" "the groups" "\0\1\2 binary", 28);
    const char *end = b->data + b->len;
    assert_memory_equal(end - 8, "bournEND", 8);
    assert_int_equal(load_u32(end - 12), ref.crc);
    assert_int_equal(load_u32(end - 16), 1);                    /* version */
    assert_int_equal(load_u32(end - 24), 2);                    /* sections */
    assert_int_equal(load_u64(end - 32), b->len);
    assert_int_equal(load_u64(end - 40), 28);                   /* directory */
    assert_int_equal(load_u64(end - 48), 4);                    /* term */
    assert_int_equal(load_u64(b->data + 28 + 8), 8);            /* the first section's offset, bytes */
    assert_int_equal(load_u64(b->data + 28 + 16), 10);
    assert_memory_equal(b->data + 28 + 28, "\13aggregate-1", 12);
    store_free(store);
}

static void test_every_flip(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref ref = put_sample(store);
    struct buf *b = &memory_find(memory_of(store), ref.name)->bytes;
    AUTO(buf) all = BUF(MIB(1));
    for (size_t i = 0; i < b->len; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct error err;
            b->data[i] ^= (char)(1 << bit);
            buf_clear(&all);
            assert_int_equal(read_all(store, &ref, &all, &err), FAILED);
            assert_int_equal(err.code, ERR_CORRUPT);
            assert_non_null(strstr(err.text, ref.name));
            b->data[i] ^= (char)(1 << bit);
        }
    buf_clear(&all);
    struct error err;
    assert_int_equal(read_all(store, &ref, &all, &err), OK);
    store_free(store);
}

static void test_every_length(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref ref = put_sample(store);
    struct buf *b = &memory_find(memory_of(store), ref.name)->bytes;
    AUTO(buf) all = BUF(MIB(1));
    size_t whole = b->len;
    struct error err;
    for (b->len = 0; b->len < whole; b->len++) {
        assert_int_equal(read_all(store, &ref, &all, &err), FAILED);
        assert_int_equal(err.code, ERR_CORRUPT);
    }
    buf_putc(b, 0);
    assert_int_equal(read_all(store, &ref, &all, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    store_free(store);
}

static void test_another_in_its_place(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref a = put_sample(store), b = a;
    struct segment_writer *w = segment_writer_new();
    struct error err;
    buf_puts(segment_section(w, SECTION_KEYED, "aggregate-1", 3), "The groups");
    struct buf other = BUF(100);
    buf_put(&other, "\0\1\2 binary", 10);
    segment_add(w, SECTION_OUTBOX, "metrics.users", 1, &other);
    assert_int_equal(segment_put(w, store, 7, 9, 4, 2, &b, &err), OK);
    assert_int_equal(a.bytes, b.bytes);
    memcpy(b.name, a.name, sizeof b.name); /* the log says b, the file is a */
    AUTO(buf) all = BUF(MIB(1));
    assert_int_equal(read_all(store, &b, &all, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    memory_drop(memory_of(store), memory_find(memory_of(store), a.name));
    assert_int_equal(read_all(store, &a, &all, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "missing"));
    segment_writer_free(w);
    store_free(store);
}

static void test_limits(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref ref = put_sample(store);
    struct segment *s;
    struct error err;
    uint32_t n;
    AUTO(buf) small = BUF(5);
    assert_int_equal(segment_open(store, &ref, &s, &err), OK);
    const struct section *sections = segment_sections(s, &n);
    assert_int_equal(n, 2);
    assert_int_equal(segment_read(s, &sections[0], &small, &err), FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    segment_close(s);

    struct segment_writer *w = segment_writer_new();
    struct buf *b = segment_section(w, SECTION_OUTBOX, "sink", 1);
    b->overflow = true;
    assert_false(segment_is_empty(w));
    assert_int_equal(segment_put(w, store, 1, 1, 1, 0, &ref, &err), FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "sink"));
    segment_writer_free(w);
    store_free(store);
}

struct pieces {
    int next;
};

static enum status next_piece(void *arg, struct segment_piece *ret, struct error *err)
{
    struct pieces *p = arg;
    static const struct segment_piece all[] = {
        {SECTION_KEYED, "aggregate-1", 3, {"the ", 4}},
        {.bytes = {"groups", 6}},
        {SECTION_SET, "nothing", 1, {"", 0}},
        {SECTION_OUTBOX, "metrics.users", 1, {"\0\1\2 bin", 7}},
        {.bytes = {"ary", 3}},
    };
    if (p->next == -1)
        return error_set(err, ERR_IO, "no more");
    if (p->next == ARRAY_LEN(all))
        return AGAIN;
    *ret = all[p->next++];
    return OK;
}

static void test_feed(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct pieces p = {0};
    struct segment_ref ref, same = put_sample(store);
    struct error err;
    assert_int_equal(segment_put_feed(&(struct segment_feed){next_piece, &p}, store, 7, 9, 4, 2, &ref, &err), OK);
    assert_int_equal(ref.crc, same.crc);
    assert_int_equal(ref.bytes, same.bytes);
    assert_true(ref.has_state && ref.has_outbox);
    AUTO(buf) all = BUF(MIB(1));
    assert_int_equal(read_all(store, &ref, &all, &err), OK);
    assert_memory_equal(all.data, sample, sizeof sample - 1);
    p.next = -1;
    uint32_t before = memory_of(store)->count;
    assert_int_equal(segment_put_feed(&(struct segment_feed){next_piece, &p}, store, 7, 9, 4, 2, &ref, &err), FAILED);
    assert_int_equal(memory_of(store)->count, before);
    store_free(store);
}

static bool is_wanted(void *arg, const struct section *section) { return strstr(section->name, arg) != NULL; }

/* Sections of several pieces among others; the copy is what a writer of them alone would have made. */
static void test_copy(void **state)
{
    (void)state;
    enum { BYTES = 5 * 1000 * 1000 };
    struct store *store = memory_store_new();
    struct segment_writer *w[] = {segment_writer_new(), segment_writer_new()};
    static const char *const names[] = {"keep-a", "drop-b", "keep-c", "drop-d"};
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        for (int all = 0; all < 2; all++) {
            if (!all && names[i][0] == 'd')
                continue;
            enum section_kind kind = i == 2 ? SECTION_SET : SECTION_KEYED;
            struct buf *b = segment_section(w[all], kind, names[i], i + 1);
            char *bytes = buf_reserve(b, BYTES);
            for (size_t k = 0; k < BYTES; k++)
                bytes[k] = (char)((k * 2654435761u >> 13) + i);
            b->len = i == 2 ? 77 : BYTES;
            if (i == 2)
                segment_sets_end(w[all], 1234);
        }
    struct segment_ref wanted, all, copy = {0};
    struct segment *s;
    struct error err;
    uint32_t n;
    char keep[] = "keep", none[] = "none";
    assert_int_equal(segment_put(w[0], store, 3, 5, 9, 2, &wanted, &err), OK);
    assert_int_equal(segment_put(w[1], store, 3, 5, 4, 2, &all, &err), OK);
    assert_int_equal(segment_open(store, &all, &s, &err), OK);
    assert_int_equal(segment_copy(s, &all, is_wanted, keep, store, 9, &copy, &n, &err), OK);
    assert_int_equal(n, 2);
    assert_int_equal(copy.crc, wanted.crc);
    assert_int_equal(copy.bytes, wanted.bytes);
    assert_int_equal(copy.sets_end_us, 1234);
    assert_true(copy.has_state && copy.has_keyed && !copy.has_outbox && copy.from == 3 && copy.to == 5);
    struct buf *x = &memory_find(memory_of(store), wanted.name)->bytes;
    const struct buf *y = &memory_find(memory_of(store), copy.name)->bytes;
    assert_int_equal(x->len, y->len);
    assert_memory_equal(x->data, y->data, x->len);
    uint32_t before = memory_of(store)->count;
    assert_int_equal(segment_copy(s, &all, is_wanted, none, store, 9, &copy, &n, &err), OK);
    assert_int_equal(n, 0);
    memory_find(memory_of(store), all.name)->bytes.data[BYTES - 1] ^= 1; /* a bit of a section that is copied */
    assert_int_equal(segment_copy(s, &all, is_wanted, keep, store, 9, &copy, &n, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(memory_of(store)->count, before);
    segment_close(s);
    segment_writer_free(w[0]);
    segment_writer_free(w[1]);
    store_free(store);
}

/* What was lent in pieces is one section, wherever the pieces end; sets that are taken away do not part them. */
static void test_pieces(void **state)
{
    (void)state;
    static const char text[] = "lent in pieces";
    struct store *store = memory_store_new();
    for (size_t first = 1; first < sizeof text - 2; first++) {
        struct segment_writer *w = segment_writer_new(), *sets = segment_writer_new();
        struct buf items[3] = {BUF(MIB(1)), BUF(MIB(1)), BUF(MIB(1))};
        struct bufs parts = {.items = items, .count = ARRAY_LEN(items), .bytes = strlen(text)};
        AUTO(buf) got = BUF(MIB(1));
        struct segment_ref ref;
        struct error err;
        buf_put(&items[0], text, first);
        buf_put(&items[1], text + first, 1);
        buf_puts(&items[2], text + first + 1);
        buf_puts(segment_section(w, SECTION_SET, "set", 1), "taken");
        segment_lend(w, SECTION_OUTBOX, "a", 1, &parts);
        buf_puts(segment_section(w, SECTION_OUTBOX, "b", 1), "more");
        segment_take_sets(w, 1, sets);
        assert_int_equal(segment_writer_bytes(w), strlen(text) + 4);
        assert_int_equal(segment_put(w, store, 1, 1, 1, 0, &ref, &err), OK);
        segment_writer_free(w);
        segment_writer_free(sets);
        for (size_t i = 0; i < ARRAY_LEN(items); i++)
            buf_release(&items[i]);
        assert_int_equal(read_all(store, &ref, &got, &err), OK);
        assert_string_equal(buf_cstr(&got), "3 a v1: lent in pieces;3 b v1: more;");
    }
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_pieces),   cmocka_unit_test(test_format),
        cmocka_unit_test(test_made_later),
        cmocka_unit_test(test_every_flip),   cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_another_in_its_place), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_feed),         cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
