/* state/keyed and state/merge: against a simple model, through saves, loads and random merges. */
#include "state/keyed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "memory_store.h"
#include "state/merge.h"

/* ---- a value that owns memory ---- */

struct text {
    char *s;
    uint64_t len;
};

static int alive; /* values that own memory now */

static void text_set(struct text *t, const char *s, size_t len)
{
    if (t->s)
        free(t->s), alive--;
    t->s = mem_strndup(s, len);
    t->len = len;
    alive++;
}

static void text_pack(void *arg, const void *value, struct buf *out)
{
    (void)arg;
    const struct text *t = value;
    buf_put_varint(out, t->len);
    buf_put(out, t->s, t->len);
}

static bool text_unpack(void *arg, struct reader *in, void *value)
{
    (void)arg;
    uint64_t len;
    const char *s;
    if (!reader_varint(in, &len) || !reader_bytes(in, len, &s))
        return false;
    text_set(value, s, len);
    return true;
}

static void text_release(void *arg, void *value)
{
    (void)arg;
    struct text *t = value;
    if (t->s)
        free(t->s), alive--;
}

static const struct keyed_codec text_codec = {sizeof(struct text), text_pack, text_unpack, text_release, NULL};
static const struct keyed_codec plain_codec = {.value_size = 8};

static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 33) % n);
}

static struct keyed_entry *put(struct keyed *t, const char *key, uint64_t value)
{
    bool fresh;
    struct keyed_entry *e = keyed_get(t, hash64(key, strlen(key), 0), key, strlen(key), &fresh);
    *(uint64_t *)keyed_value(e) = value;
    keyed_touch(t, e);
    return e;
}

static struct keyed_entry *find(struct keyed *t, const char *key)
{
    return keyed_find(t, hash64(key, strlen(key), 0), key, strlen(key));
}

/* ---- the table alone ---- */

static void test_basics(void **state)
{
    (void)state;
    struct keyed *t = keyed_new("t", 1, &plain_codec);
    assert_null(find(t, "a"));
    struct keyed_entry *a = put(t, "a", 1);
    assert_int_equal((uintptr_t)keyed_value(a) % 16, 0);
    assert_ptr_equal(find(t, "a"), a);
    assert_int_equal(keyed_count(t), 1);
    keyed_remove(t, a);
    assert_null(find(t, "a"));
    assert_int_equal(keyed_count(t), 0);
    bool fresh;
    assert_ptr_equal(keyed_get(t, hash64("a", 1, 0), "a", 1, &fresh), a); /* back from the dead, with a fresh value */
    assert_true(fresh);
    assert_int_equal(*(uint64_t *)keyed_value(a), 0);
    assert_int_equal(keyed_count(t), 1);
    put(t, "", 9); /* the key of an aggregate over everything */
    assert_int_equal(*(uint64_t *)keyed_value(find(t, "")), 9);
    keyed_clear(t);
    assert_int_equal(keyed_count(t), 0);
    assert_null(find(t, "a"));
    assert_null(find(t, ""));
    keyed_free(t);
    keyed_free(NULL);
}

static void test_entries_stay(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct keyed *t = keyed_new("t", 1, &plain_codec);
    struct keyed_entry **at = mem_array(N, sizeof *at);
    char key[40];
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "user-%d", i);
        at[i] = put(t, key, (uint64_t)i);
    }
    assert_int_equal(keyed_count(t), N);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "user-%d", i);
        assert_ptr_equal(find(t, key), at[i]);
        assert_int_equal(*(uint64_t *)keyed_value(at[i]), i);
    }
    free(at);
    keyed_free(t);
}

/* Keys long enough for the pool's end, and beyond it. */
static void test_long_keys(void **state)
{
    (void)state;
    struct keyed *t = keyed_new("t", 1, &plain_codec);
    char key[3000];
    AUTO(buf) saved = BUF(MIB(100));
    for (size_t n = 0; n < sizeof key; n += 7) {
        memset(key, 'k', n);
        key[n] = 0;
        put(t, key, n);
    }
    uint64_t bytes = keyed_bytes(t);
    keyed_save(t, 0, SHARDS, &saved);
    for (size_t n = 0; n < sizeof key; n += 7) {
        memset(key, 'k', n);
        key[n] = 0;
        assert_int_equal(*(uint64_t *)keyed_value(find(t, key)), n);
        keyed_remove(t, find(t, key));
    }
    buf_clear(&saved);
    keyed_save(t, 0, SHARDS, &saved);
    assert_int_equal(keyed_count(t), 0);
    assert_true(keyed_bytes(t) < bytes);
    keyed_free(t);
}

static int compare_slices(struct slice a, struct slice b)
{
    int c = memcmp(a.data, b.data, MIN(a.len, b.len));
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static void test_dirty_in_key_order(void **state)
{
    (void)state;
    struct keyed *t = keyed_new("t", 1, &plain_codec);
    char key[40];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "common prefix %d", (i * 7919) % 20000);
        put(t, key, 1);
    }
    uint32_t total = 0, removed = 0;
    for (unsigned s = 0; s < SHARDS; s++) {
        uint32_t n, again;
        struct keyed_entry *const *d = keyed_dirty(t, s, &n);
        total += n;
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(shard_of(d[i]->hash), s);
            if (i)
                assert_true(compare_slices(keyed_key(t, d[i - 1]), keyed_key(t, d[i])) < 0);
        }
        for (uint32_t i = 0; i < n; i += 3, removed++)
            keyed_remove(t, d[i]); /* the array stays while its entries are removed */
        d = keyed_dirty(t, s, &again);
        assert_int_equal(again, n - (n + 2) / 3);
        for (uint32_t i = 1; i < again; i++)
            assert_true(compare_slices(keyed_key(t, d[i - 1]), keyed_key(t, d[i])) < 0);
    }
    assert_int_equal(total, 20000);
    assert_int_equal(keyed_count(t), 20000 - removed);
    AUTO(buf) saved = BUF(MIB(10));
    keyed_save(t, 0, SHARDS, &saved);
    /* What was never saved leaves no tombstone. */
    struct reader r = reader_of(buf_slice(&saved));
    struct keyed_change c;
    uint32_t changes = 0;
    for (; keyed_read_change(&r, &c); changes++)
        assert_false(c.is_delete);
    assert_int_equal(changes, 20000 - removed);
    assert_int_equal(reader_left(&r), 0);
    size_t before = saved.len;
    keyed_save(t, 0, SHARDS, &saved);
    assert_int_equal(saved.len, before); /* nothing changed, nothing written */
    keyed_free(t);
}

static void each_sum(void *arg, struct keyed_entry *e) { *(uint64_t *)arg += *(uint64_t *)keyed_value(e); }

static void test_each(void **state)
{
    (void)state;
    struct keyed *t = keyed_new("t", 1, &plain_codec);
    char key[20];
    uint64_t sum = 0, seen = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%llu", (unsigned long long)i);
        put(t, key, i);
        sum += i;
    }
    keyed_remove(t, find(t, "500"));
    for (unsigned s = 0; s < SHARDS; s++)
        keyed_each(t, s, each_sum, &seen);
    assert_int_equal(seen, sum - 500);
    keyed_free(t);
}

/* ---- keys that have an identity ---- */

enum { ROWS = 60, LONG_ROW = 300 };

static void pack_word(void *arg, const void *value, struct buf *out)
{
    (void)arg;
    buf_put_u64(out, *(const uint64_t *)value);
}

static bool unpack_word(void *arg, struct reader *in, void *value)
{
    (void)arg;
    return reader_u64(in, value);
}

static uint64_t hash_of_identity(struct slice key) { return keyed_identity_hash(key.data); }

static const struct keyed_codec row_codec = {
    8, pack_word, unpack_word, NULL, NULL, .hash = hash_of_identity, .identified = true, .packed = 8};

/* Row i. Every third has its identity in common with others, as if their hashes were equal. */
static void row_of(int i, struct buf *row)
{
    buf_clear(row);
    for (int k = 0; k < KEYED_IDENTITY; k++)
        buf_putc(row, 0);
    buf_printf(row, "row %d %*s", i, i % 5 ? i : LONG_ROW, "");
    (void)keyed_identify(row->data, row->len, (uint64_t)(i % 7) << 56);
    if (i % 3 == 0) {
        store_u64(row->data, 0x0102030405060708);
        store_u64(row->data + 8, 9);
    }
}

static struct keyed_entry *row_entry(struct keyed *t, int i, bool make)
{
    AUTO(buf) row = BUF(KIB(4));
    bool fresh;
    row_of(i, &row);
    uint64_t hash = keyed_identity_hash(row.data);
    return make ? keyed_get(t, hash, row.data, row.len, &fresh) : keyed_find(t, hash, row.data, row.len);
}

static void compare_rows(struct keyed *t, const uint64_t model[static ROWS])
{
    uint64_t live = 0;
    for (int i = 0; i < ROWS; i++) {
        const struct keyed_entry *e = row_entry(t, i, false);
        assert_int_equal(e ? *(const uint64_t *)e->bytes : 0, model[i]);
        live += model[i] != 0;
    }
    assert_int_equal(keyed_count(t), live);
}

static void test_identities(void **state)
{
    (void)state;
    uint64_t model[ROWS] = {0};
    struct buf saved[40];
    struct error err;
    struct keyed *t = keyed_new("t", 1, &row_codec);
    for (size_t round = 0; round < ARRAY_LEN(saved); round++) {
        bool removes = round % 4 == 3;
        uint32_t removed = 0;
        for (uint32_t n = random_below(ROWS); n > 0; n--) {
            int i = (int)random_below(ROWS);
            struct keyed_entry *e = row_entry(t, i, !removes);
            model[i] = removes ? 0 : 1 + random_below(1000);
            removed += e && removes;
            if (e && removes)
                keyed_remove(t, e);
            if (e && !removes) {
                *(uint64_t *)keyed_value(e) = model[i];
                keyed_touch(t, e);
            }
        }
        saved[round] = (struct buf)BUF(MIB(1));
        keyed_save(t, 0, SHARDS, &saved[round]);
        if (removes) /* a row that goes is named by its identity, however long it is */
            assert_int_equal(saved[round].len, removed * (3 + KEYED_IDENTITY));
        if (round % 3 == 0) {
            keyed_free(t);
            t = keyed_new("t", 1, &row_codec);
            for (size_t i = 0; i <= round; i++)
                if (saved[i].len)
                    assert_int_equal(keyed_load(t, 1, buf_slice(&saved[i]), &err), OK);
        }
        compare_rows(t, model);
    }
    for (size_t n = 0; n < saved[0].len; n++) { /* cut anywhere, or with a bit that is wrong: no more than an error */
        struct keyed *damaged = keyed_new("t", 1, &row_codec);
        enum status s = keyed_load(damaged, 1, (struct slice){saved[0].data, n}, &err);
        assert_true(s == OK || err.code == ERR_CORRUPT);
        keyed_free(damaged);
        damaged = keyed_new("t", 1, &row_codec);
        saved[0].data[n] ^= 0x11;
        s = keyed_load(damaged, 1, buf_slice(&saved[0]), &err);
        assert_true(s == OK || err.code == ERR_CORRUPT);
        saved[0].data[n] ^= 0x11;
        keyed_free(damaged);
    }
    keyed_free(t);
    for (size_t i = 0; i < ARRAY_LEN(saved); i++)
        buf_release(&saved[i]);
}

/* ---- damage ---- */

static void test_bad_payloads(void **state)
{
    (void)state;
    struct keyed *t = keyed_new("t", 1, &text_codec);
    bool fresh;
    char key[20];
    AUTO(buf) good = BUF(MIB(1));
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "key %d", i);
        struct keyed_entry *e = keyed_get(t, hash64(key, strlen(key), 0), key, strlen(key), &fresh);
        text_set(keyed_value(e), key, strlen(key));
        keyed_touch(t, e);
    }
    keyed_save(t, 0, SHARDS, &good);
    keyed_free(t);
    struct error err;
    for (size_t n = 0; n < good.len; n++) { /* cut anywhere: an error, or whole entries; never more, never a leak */
        t = keyed_new("t", 1, &text_codec);
        enum status s = keyed_load(t, 1, (struct slice){good.data, n}, &err);
        assert_true(s == OK || err.code == ERR_CORRUPT);
        assert_true(keyed_count(t) < 20);
        keyed_free(t);
    }
    for (size_t i = 0; i < good.len; i++) { /* the segment's CRC finds flips; here they must only do no harm */
        good.data[i] ^= 0x11;
        t = keyed_new("t", 1, &text_codec);
        enum status s = keyed_load(t, 1, buf_slice(&good), &err);
        assert_true(s == OK || err.code == ERR_CORRUPT);
        keyed_free(t);
        good.data[i] ^= 0x11;
    }
    t = keyed_new("t", 2, &text_codec);
    assert_int_equal(keyed_load(t, 1, buf_slice(&good), &err), FAILED);
    assert_int_equal(err.code, ERR_STATE);
    keyed_free(t);
    AUTO(buf) twice = BUF(MIB(1));
    buf_put_slice(&twice, buf_slice(&good));
    buf_put_slice(&twice, buf_slice(&good));
    t = keyed_new("t", 1, &text_codec);
    assert_int_equal(keyed_load(t, 1, buf_slice(&twice), &err), FAILED); /* not in order */
    assert_int_equal(err.code, ERR_CORRUPT);
    keyed_free(t);
    assert_int_equal(alive, 0);
}

/* ---- against a model, through segments and merges ---- */

enum { KEYS = 400, ROUNDS = 300, SEGMENTS_MAX = 400 };

struct world {
    struct store *store;
    struct segment_ref refs[SEGMENTS_MAX];
    uint32_t nrefs;
    char *model[KEYS]; /* NULL: not there */
};

static void key_of(int k, char key[static 40])
{
    /* Some short, some sharing long prefixes, one empty. */
    *key = 0;
    if (k > 0)
        snprintf(key, 40, k % 2 ? "%d" : "a long common prefix of keys %d", k);
}

static struct keyed_entry *model_entry(struct keyed *t, int k, bool make)
{
    char key[40];
    bool fresh;
    key_of(k, key);
    uint64_t hash = hash64(key, strlen(key), 0);
    return make ? keyed_get(t, hash, key, strlen(key), &fresh) : keyed_find(t, hash, key, strlen(key));
}

static void compare_with_model(struct keyed *t, const struct world *w)
{
    uint64_t live = 0;
    for (int k = 0; k < KEYS; k++) {
        struct keyed_entry *e = model_entry(t, k, false);
        assert_int_equal(e != NULL, w->model[k] != NULL);
        if (!e)
            continue;
        live++;
        const struct text *x = keyed_value(e);
        assert_int_equal(x->len, strlen(w->model[k]));
        assert_memory_equal(x->s, w->model[k], x->len);
    }
    assert_int_equal(keyed_count(t), live);
}

static void change_some(struct keyed *t, struct world *w, int round)
{
    for (uint32_t n = random_below(40); n > 0; n--) {
        int k = (int)random_below(KEYS);
        struct keyed_entry *e = model_entry(t, k, false);
        free(w->model[k]);
        w->model[k] = NULL;
        if (random_below(3) == 0) {
            if (e)
                keyed_remove(t, e);
            continue;
        }
        char text[60];
        snprintf(text, sizeof text, "%d of round %d%s", k, round, random_below(2) ? ", a longer value" : "");
        w->model[k] = mem_strdup(text);
        e = model_entry(t, k, true);
        text_set(keyed_value(e), text, strlen(text));
        keyed_touch(t, e);
    }
}

static void save_round(struct keyed *t, struct world *w, int round)
{
    struct segment_writer *sw = segment_writer_new();
    struct error err;
    struct buf *out = segment_section(sw, SECTION_KEYED, "t", 1);
    for (unsigned i = 0, n; round % 2 == 0 && i < SHARDS; i++)
        (void)keyed_dirty(t, i, &n); /* what was emitted before may leave its order, not the payload's */
    unsigned cut = random_below(SHARDS);
    keyed_save(t, 0, cut, out); /* in two parts, as two workers would */
    keyed_save(t, cut, SHARDS, out);
    if (!segment_is_empty(sw))
        assert_int_equal(segment_put(sw, w->store, round, round, 1, 0, &w->refs[w->nrefs++], &err), OK);
    segment_writer_free(sw);
}

/* Much that changed is written in pieces, in any order, and gives the bytes that one call gives. */
static void test_save_in_pieces(void **state)
{
    (void)state;
    enum { MANY = 50000 };
    struct store *store = memory_store_new();
    struct keyed *tables[] = {keyed_new("t", 1, &plain_codec), keyed_new("t", 1, &plain_codec)};
    AUTO(buf) whole = BUF(MIB(100)), pieces = BUF(MIB(100));
    for (unsigned round = 0; round < 2; round++) {
        struct segment_writer *w = segment_writer_new();
        struct segment_ref ref;
        struct segment *s;
        struct error err;
        uint32_t n;
        for (unsigned i = 0; i < ARRAY_LEN(tables); i++)
            for (uint64_t k = 0; k < MANY; k++) {
                char key[40];
                snprintf(key, sizeof key, "user-%u", (unsigned)k);
                if (round && k % 3 == 0)
                    keyed_remove(tables[i], find(tables[i], key));
                else
                    put(tables[i], key, k);
            }
        buf_clear(&whole);
        buf_clear(&pieces);
        keyed_save(tables[0], 0, SHARDS, &whole);
        keyed_save_section(tables[1], w);
        assert_true(segment_unmade(w) > 1);
        for (uint32_t i = segment_unmade(w); i-- > 0;)
            segment_make(w, i);
        segment_made(w);
        assert_int_equal(segment_put(w, store, 1 + round, 1 + round, 1, 0, &ref, &err), OK);
        segment_writer_reset(w);
        keyed_save_section(tables[1], w);
        assert_true(segment_unmade(w) == 0 && segment_is_empty(w)); /* nothing has changed since */
        segment_writer_free(w);
        assert_int_equal(segment_open(store, &ref, &s, &err), OK);
        const struct section *sections = segment_sections(s, &n);
        assert_int_equal(n, 1);
        assert_int_equal(segment_read(s, &sections[0], &pieces, &err), OK);
        segment_close(s);
        assert_true(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    }
    keyed_free(tables[0]);
    keyed_free(tables[1]);
    store_free(store);
}

static void merge_range(struct world *w, uint32_t first, uint32_t count)
{
    struct segment_ref merged[MERGE_RESULTS];
    struct error err;
    uint32_t n;
    assert_int_equal(merge_segments(w->store, w->refs + first, count, first == 0, INT64_MIN, 1, merged, &n, &err), OK);
    assert_int_equal(n, 1);
    assert_int_equal(merged[0].from, w->refs[first].from);
    assert_int_equal(merged[0].to, w->refs[first + count - 1].to);
    w->refs[first] = merged[0];
    memmove(w->refs + first + 1, w->refs + first + count, (w->nrefs - first - count) * sizeof *w->refs);
    w->nrefs -= count - 1;
}

static struct keyed *load_all(const struct world *w)
{
    struct keyed *t = keyed_new("t", 1, &text_codec);
    struct error err;
    for (uint32_t i = 0; i < w->nrefs; i++) {
        struct segment *s;
        uint32_t n;
        AUTO(buf) payload = BUF(MIB(10));
        assert_int_equal(segment_open(w->store, &w->refs[i], &s, &err), OK);
        const struct section *sections = segment_sections(s, &n);
        for (uint32_t k = 0; k < n; k++) {
            buf_clear(&payload);
            assert_int_equal(segment_read(s, &sections[k], &payload, &err), OK);
            assert_int_equal(keyed_load(t, sections[k].version, buf_slice(&payload), &err), OK);
        }
        segment_close(s);
    }
    return t;
}

static void test_model(void **state)
{
    (void)state;
    static struct world w;
    w.store = memory_store_new();
    struct keyed *t = keyed_new("t", 1, &text_codec);
    for (int round = 1; round <= ROUNDS; round++) {
        change_some(t, &w, round);
        compare_with_model(t, &w);
        save_round(t, &w, round);
        if (w.nrefs > 2 && random_below(4) == 0) {
            uint32_t first = random_below(3) ? 0 : random_below(w.nrefs - 2);
            merge_range(&w, first, 2 + random_below(w.nrefs - first - 1));
        }
        if (round % 20 == 0) {
            keyed_free(t);
            t = load_all(&w);
            compare_with_model(t, &w);
            AUTO(buf) nothing = BUF(MIB(1));
            keyed_save(t, 0, SHARDS, &nothing);
            assert_int_equal(nothing.len, 0); /* what was loaded is clean */
        }
    }
    for (int k = 0; k < KEYS; k++) { /* all gone: a merge of everything keeps neither entries nor tombstones */
        struct keyed_entry *e = model_entry(t, k, false);
        if (e)
            keyed_remove(t, e);
        free(w.model[k]);
        w.model[k] = NULL;
    }
    save_round(t, &w, ROUNDS + 1);
    merge_range(&w, 0, w.nrefs);
    assert_false(w.refs[0].has_state);
    keyed_free(t);
    store_free(w.store);
    assert_int_equal(alive, 0);
}

static struct segment_ref put_version(struct store *store, uint32_t version, int64_t epoch, bool is_delete)
{
    struct segment_writer *sw = segment_writer_new();
    struct segment_ref ref;
    struct error err;
    struct keyed_change c = {(uint8_t)shard_of(hash64("k", 1, 0)), is_delete, {"k", 1}, {"12345678", 8}};
    keyed_put_change(segment_section(sw, SECTION_KEYED, "t", version), &c);
    assert_int_equal(segment_put(sw, store, epoch, epoch, 1, 0, &ref, &err), OK);
    segment_writer_free(sw);
    return ref;
}

/* A table whose values changed their format: versions stay apart, and a tombstone stays while an older one has the
 * key. */
static void test_merge_of_versions(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct segment_ref refs[2] = {put_version(store, 1, 1, false), put_version(store, 2, 2, true)};
    struct segment_ref merged[MERGE_RESULTS];
    struct error err;
    struct segment *s;
    uint32_t n;
    assert_int_equal(merge_segments(store, refs, 2, true, INT64_MIN, 1, merged, &n, &err), OK);
    assert_int_equal(segment_open(store, &merged[0], &s, &err), OK);
    const struct section *sections = segment_sections(s, &n);
    assert_int_equal(n, 2);
    for (uint32_t i = 0; i < 2; i++) {
        AUTO(buf) payload = BUF(1000);
        struct keyed_change c;
        assert_int_equal(sections[i].version, i + 1);
        assert_int_equal(segment_read(s, &sections[i], &payload, &err), OK);
        struct reader r = reader_of(buf_slice(&payload));
        assert_true(keyed_read_change(&r, &c));
        assert_int_equal(c.is_delete, i == 1);
    }
    segment_close(s);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),       cmocka_unit_test(test_entries_stay),
        cmocka_unit_test(test_long_keys),    cmocka_unit_test(test_dirty_in_key_order),
        cmocka_unit_test(test_each),         cmocka_unit_test(test_save_in_pieces),
        cmocka_unit_test(test_identities),         cmocka_unit_test(test_bad_payloads),
        cmocka_unit_test(test_model),        cmocka_unit_test(test_merge_of_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
