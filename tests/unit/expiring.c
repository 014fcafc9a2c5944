/* state/expiring: exact expiry against a model, memory an id, saves, loads and merges. */
#include "state/expiring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/os.h"
#include "memory_store.h"
#include "state/keyed.h"
#include "state/merge.h"

static const int64_t second = 1000000, day = 86400 * INT64_C(1000000);
enum { LOGS = 2 };
static struct error err;

static uint64_t random_state = 88172645463325252u;
static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(0x9e3779b97f4a7c15);
}

static struct hash128 id_of(uint64_t n) { return hash128(&n, sizeof n, 42); }

/* Of both logs, one behind the other; what was handed out the last time is not looked at any more. */
static int64_t save_all(struct expiring *s, struct buf *out)
{
    int64_t end = INT64_MIN;
    for (uint32_t log = 0; log < LOGS; log++) {
        const struct bufs *saved;
        int64_t end_of_log = expiring_save(s, log, &saved);
        end = MAX(end, end_of_log);
        bufs_join(saved, out);
    }
    return end;
}

static void test_basics(void **state)
{
    (void)state;
    struct expiring *s = expiring_new("dedup", 10 * second, LOGS);
    assert_true(expiring_insert(s, id_of(1), 100 * second, INT64_MIN));
    assert_false(expiring_insert(s, id_of(1), 105 * second, INT64_MIN)); /* keeps the time of the first */
    assert_false(expiring_insert(s, id_of(1), 105 * second, 110 * second - 1));
    assert_true(expiring_insert(s, id_of(1), 111 * second, 110 * second)); /* exactly at time + horizon */
    assert_false(expiring_insert(s, id_of(1), 112 * second, 120 * second));
    assert_true(expiring_insert(s, id_of(2), 112 * second, 120 * second));
    assert_int_equal(expiring_count(s), 2);
    expiring_free(s);
    expiring_free(NULL);
}

/* Ids that differ in one bit are different ids, in each of the 88 bits that are kept. */
static void test_every_bit(void **state)
{
    (void)state;
    struct expiring *s = expiring_new("dedup", second, LOGS);
    struct hash128 base = id_of(7);
    assert_true(expiring_insert(s, base, 0, INT64_MIN));
    for (int bit = 0; bit < 88; bit++) {
        struct hash128 x = base;
        if (bit < 64)
            x.lo ^= UINT64_C(1) << bit;
        else
            x.hi ^= UINT64_C(1) << (bit - 24);
        assert_true(expiring_insert(s, x, 0, INT64_MIN));
        assert_false(expiring_insert(s, x, 0, INT64_MIN));
    }
    assert_int_equal(expiring_count(s), 89);
    expiring_free(s);
}

/* ---- against a model ---- */

enum { IDS = 5000, STEPS = 200000 };

struct model {
    int64_t time[IDS];
    bool there[IDS];
};

static bool model_insert(struct model *m, int i, int64_t time, int64_t horizon, int64_t evict)
{
    if (m->there[i] && (evict == INT64_MIN || m->time[i] + horizon > evict))
        return false;
    m->there[i] = true;
    m->time[i] = time;
    return true;
}

static bool insert_into(uint32_t log, struct expiring *s, struct hash128 id, int64_t time, int64_t evict)
{
    uint32_t row = 0;
    uint8_t fresh;
    expiring_insert_rows(s, &id, &time, &row, 1, evict, &fresh);
    expiring_note_rows(s, log, &id, &time, &row, 1, &fresh);
    return fresh;
}

/* Saved sections, as segments would keep them. */
static struct buf sections[256];
static int nsections;

static struct expiring *reload(struct expiring *s, int64_t horizon, int64_t evict)
{
    expiring_free(s);
    s = expiring_new("dedup", horizon, LOGS);
    for (int i = 0; i < nsections; i++)
        if (sections[i].len) /* a segment leaves an empty one out */
            assert_int_equal(expiring_load(s, EXPIRING_VERSION, buf_slice(&sections[i]), evict, &err), OK);
    AUTO(buf) nothing = BUF(100);
    assert_true(save_all(s, &nothing) == INT64_MIN); /* what was loaded is no news */
    assert_int_equal(nothing.len, 0);
    return s;
}

/* Full shards are few here, and their chains long. */
static struct hash128 model_id(int i, unsigned shards)
{
    struct hash128 id = id_of((uint64_t)i);
    id.hi = (id.hi & ((UINT64_C(1) << 56) - 1)) | (id.hi >> 56) % shards << 56;
    return id;
}

static void run_model(int64_t horizon, int64_t pace, bool sweep, unsigned shards)
{
    static struct model m;
    memset(&m, 0, sizeof m);
    struct expiring *s = expiring_new("dedup", horizon, LOGS);
    int64_t clock = 1700000000 * second, evict = INT64_MIN;
    nsections = 0;
    for (int step = 1; step <= STEPS; step++) {
        clock += (int64_t)(random_u64() % (uint64_t)pace);
        if (step % 1000 == 0) { /* an epoch ends */
            evict = MAX(evict, clock - 50 * pace);
            if (sweep)
                expiring_sweep(s, evict, 0, SHARDS);
            if (step % 4000 == 0) {
                sections[nsections] = (struct buf)BUF(MIB(100));
                save_all(s, &sections[nsections++]);
            }
            if (step % 40000 == 0)
                s = reload(s, horizon, evict);
        }
        int i = (int)(random_u64() % IDS);
        int64_t time = clock - (int64_t)(random_u64() % (uint64_t)(40 * pace));
        assert_int_equal(insert_into((unsigned)(random_u64() % LOGS), s, model_id(i, shards), time, evict),
                         model_insert(&m, i, time, horizon, evict));
    }
    while (nsections)
        buf_release(&sections[--nsections]);
    expiring_free(s);
}

static void test_model(void **state)
{
    (void)state;
    for (unsigned shards = 1; shards <= SHARDS; shards *= SHARDS) {
        run_model(20000 * second, second, true, shards);  /* most ids expire and come back */
        run_model(20000 * second, second, false, shards); /* and the answers do not depend on sweeping */
        run_model(2000 * second, second, true, shards);   /* so often that places are used again and again */
        run_model(INT64_MAX / 4, second, true, shards);   /* nothing ever expires */
        run_model(1, second, true, shards);               /* everything does, at once */
    }
}

/* A set that many times its content passes through, in one shard: with an outlier in each stretch, which is the newest
 * for long, and waves of ids that are nearly expired when they come. Neither size nor answers suffer. */
static void test_turnover(void **state)
{
    (void)state;
    enum { LIVE = 20000, TURNS = 30 };
    AUTO(buf) out = BUF(MIB(10));
    struct expiring *s = expiring_new("dedup", LIVE, LOGS);
    for (int64_t n = 0; n < TURNS * LIVE; n++) {
        int64_t time = n % 100 == 0 ? n + LIVE / 2 : n / 5000 % 2 ? n - LIVE + 100 : n, evict = MAX(n, INT64_C(1));
        struct hash128 id = model_id((int)n, 1), old = model_id((int)(n - 90), 1);
        assert_true(expiring_insert(s, id, time, evict));
        if (n > 5100 && (n - 90) / 5000 == n / 5000 && (n - 90) % 5000 > 100)
            assert_false(expiring_insert(s, old, time, evict));
        if (n % 1000 == 0) {
            expiring_sweep(s, evict, 0, SHARDS);
            buf_clear(&out);
            (void)save_all(s, &out);
            assert_true(n < LIVE || expiring_bytes(s) < 40 * LIVE * 2 + 300000);
        }
    }
    expiring_free(s);
}

/* Times of one save that lie years apart go into several blocks, and come back exactly. */
static void test_blocks(void **state)
{
    (void)state;
    struct expiring *s = expiring_new("dedup", day, LOGS);
    AUTO(buf) out = BUF(MIB(1));
    for (uint64_t i = 0; i < 100; i++)
        assert_true(expiring_insert(s, id_of(i), (int64_t)(i % 10) * 100 * day, INT64_MIN));
    assert_int_equal(save_all(s, &out), 901 * day);
    assert_in_range(out.len, 100 * EXPIRING_RECORD + 10 * EXPIRING_BLOCK_HEAD,
                    100 * (EXPIRING_RECORD + EXPIRING_BLOCK_HEAD));
    expiring_free(s);
    s = expiring_new("dedup", day, LOGS);
    assert_int_equal(expiring_load(s, EXPIRING_VERSION, buf_slice(&out), INT64_MIN, &err), OK);
    assert_int_equal(expiring_count(s), 100);
    for (int64_t t = 0; t < 10; t++) {
        int64_t end = t * 100 * day + day;
        for (uint64_t i = (uint64_t)t; i < 100; i += 10)
            assert_false(expiring_insert(s, id_of(i), 1000 * day, end - 1));
        for (uint64_t i = (uint64_t)t; i < 100; i += 10)
            assert_true(expiring_insert(s, id_of(i), 1000 * day, end));
    }
    expiring_free(s);
}

/* A column of rows gives what one after the other does. */
static void test_rows(void **state)
{
    (void)state;
    enum { N = 3000 };
    static struct hash128 ids[N];
    static int64_t times[N];
    static uint32_t rows[N];
    static uint8_t fresh[N];
    struct expiring *all = expiring_new("dedup", 1000, LOGS), *single = expiring_new("dedup", 1000, LOGS);
    for (int64_t round = 0; round < 5; round++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < N; i++) {
            ids[i] = id_of(random_u64() % (2 * N));
            times[i] = round * 900 + (int64_t)(random_u64() % 100);
            fresh[i] = 7;
            if (random_u64() % 4)
                rows[n++] = i;
        }
        expiring_insert_rows(all, ids, times, rows, n, round * 900, fresh);
        expiring_note_rows(all, 1, ids, times, rows, n, fresh);
        for (uint32_t i = 0, k = 0; i < N; i++) {
            bool wanted = k < n && rows[k] == i;
            assert_int_equal(fresh[i], wanted ? expiring_insert(single, ids[i], times[i], round * 900) : 7);
            k += wanted;
        }
    }
    expiring_free(all);
    expiring_free(single);
}

/* ---- time beyond 47 bits ---- */

static void test_distant_times(void **state)
{
    (void)state;
    struct expiring *s = expiring_new("dedup", day, LOGS);
    int64_t year = 365 * day, start = 1577836800 * second;
    /* Forty years of history pass through, a day at a time. */
    for (int64_t d = 0; d < 40 * 365; d++) {
        int64_t time = start + d * day, evict = time - day;
        assert_true(expiring_insert(s, id_of((uint64_t)d + 2), time, evict));
        assert_false(expiring_insert(s, id_of((uint64_t)d + 2), time + 1, evict));
        if (d > 3) { /* of two days before: at the edge, exact */
            assert_false(expiring_insert(s, id_of((uint64_t)d + 1), time, time - second));
            assert_true(expiring_insert(s, id_of((uint64_t)d + 1), time, time));
        }
        assert_true(expiring_insert(s, id_of(1), time, time));
    }
    expiring_free(s);
    /* Older and older in one shard, within what 47 bits reach: exact. */
    s = expiring_new("dedup", day, LOGS);
    struct hash128 id = id_of(1);
    for (int64_t y = 0; y <= 3; y++, id.lo += UINT64_C(1) << 50)
        assert_true(expiring_insert(s, id, start - y * year, INT64_MIN));
    for (int64_t y = 3; y >= 0; y--) {
        id.lo -= UINT64_C(1) << 50;
        assert_false(expiring_insert(s, id, start, start - y * year + day - 1));
        assert_true(expiring_insert(s, id, start, start - y * year + day));
    }
    expiring_free(s);
    /* One epoch without a watermark that holds 1970 and 2026: late to forget, never early. */
    s = expiring_new("dedup", day, LOGS);
    assert_true(expiring_insert(s, id_of(1), 56 * year, INT64_MIN));
    for (uint64_t i = 2; i < 2000; i++)
        assert_true(expiring_insert(s, id_of(i), (int64_t)i * second, INT64_MIN));
    for (uint64_t i = 2; i < 2000; i++)
        assert_false(expiring_insert(s, id_of(i), 0, INT64_MIN));
    assert_false(expiring_insert(s, id_of(1), 0, 56 * year));
    assert_true(expiring_insert(s, id_of(1), 57 * year, 56 * year + day));
    expiring_free(s);
    s = expiring_new("dedup", day, LOGS);
    for (uint64_t i = 2; i < 2000; i++)
        assert_true(expiring_insert(s, id_of(i), (int64_t)i * second, INT64_MIN));
    assert_true(expiring_insert(s, id_of(1), 56 * year, INT64_MIN));
    for (uint64_t i = 2; i < 2000; i++)
        assert_false(expiring_insert(s, id_of(i), 0, INT64_MIN));
    assert_true(expiring_insert(s, id_of(1), 57 * year, 56 * year + day)); /* the newest is exact */
    expiring_free(s);
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 }; /* its quarantine keeps what was freed resident */
#elif defined(__has_feature)
enum { SANITIZED = __has_feature(address_sanitizer) };
#else
enum { SANITIZED = 0 };
#endif

static void check_memory(const struct expiring *s, uint64_t count, uint64_t resident_before)
{
    assert_int_equal(expiring_count(s), count);
    double counted = (double)expiring_bytes(s) / (double)count;
    double resident = ((double)os_memory_resident() - (double)resident_before) / (double)count;
    print_message("%9llu ids: %.1f bytes an id, resident %.1f\n", (unsigned long long)count, counted, resident);
    assert_true(counted <= 40);
    /* below that shows what is a few MiB at any count: the chunk that is cut, and the process's own noise */
    assert_true(SANITIZED || count < 2000000 || resident <= 40);
}

/* At any size from 100 K to 10 M ids (1 M where a sanitizer has the memory), at most 40 bytes each, as saved epochs of
 * 10 K ids bring them. */
static void test_memory(void **state)
{
    (void)state;
    uint64_t before = os_memory_resident(), next = 100000, most = SANITIZED ? 1000000 : 10000000;
    struct expiring *s = expiring_new("dedup", day, LOGS);
    struct buf out = BUF(MIB(10));
    for (uint64_t n = 1; n <= most; n++) {
        assert_true(expiring_insert(s, id_of(n), (int64_t)n, INT64_MIN));
        if (n % 10000 == 0) {
            buf_clear(&out);
            save_all(s, &out);
            assert_int_equal(out.len, EXPIRING_BLOCK_HEAD + 10000 * EXPIRING_RECORD); /* one block */
        }
        if (n == next) {
            check_memory(s, n, before);
            next = next * 23 / 20 / 10000 * 10000;
        }
    }
    check_memory(s, most, before);
    buf_release(&out);
    expiring_free(s);
}

/* A day's ids at a steady rate: memory follows what is unexpired within an eighth of the horizon, up and down. */
static void test_sweep_bounds_memory(void **state)
{
    (void)state;
    enum { RATE = 20000 }; /* an epoch */
    struct expiring *s = expiring_new("dedup", 100 * second, LOGS);
    uint64_t n = 0, resident = 0;
    struct buf out = BUF(MIB(10));
    for (int64_t epoch = 1; epoch <= 400; epoch++) {
        uint64_t rate = epoch <= 250 ? RATE : RATE / 20; /* then the stream dries up */
        int64_t evict = (epoch - 2) * second;
        for (uint64_t i = 0; i < rate; i++)
            assert_true(expiring_insert(s, id_of(n++), epoch * second, evict));
        expiring_sweep(s, evict, 0, SHARDS);
        buf_clear(&out);
        save_all(s, &out);
        if (epoch > 130 && epoch < 250)
            assert_true(expiring_count(s) <= (uint64_t)RATE * (102 + 100 / 8 + 2));
        if (epoch == 250)
            resident = expiring_bytes(s);
    }
    assert_true(expiring_count(s) <= RATE / 20 * (102 + 100 / 8 + 2));
    assert_true(expiring_bytes(s) < resident / 8);
    buf_release(&out);
    expiring_free(s);
}

/* ---- payload ---- */

static void test_bad_payloads(void **state)
{
    (void)state;
    struct expiring *s = expiring_new("dedup", day, LOGS);
    struct buf good = BUF(MIB(1));
    for (uint64_t i = 0; i < 20; i++)
        assert_true(expiring_insert(s, id_of(i), second, INT64_MIN));
    save_all(s, &good);
    expiring_free(s);
    assert_memory_equal(good.data, "XSET\24\0\0\0", 8);
    for (size_t n = 1; n < good.len; n++) {
        s = expiring_new("dedup", day, LOGS);
        assert_int_equal(expiring_load(s, EXPIRING_VERSION, (struct slice){good.data, n}, INT64_MIN, &err), FAILED);
        assert_int_equal(err.code, ERR_CORRUPT);
        expiring_free(s);
    }
    s = expiring_new("dedup", day, LOGS);
    assert_int_equal(expiring_load(s, 1, buf_slice(&good), INT64_MIN, &err), FAILED);
    assert_int_equal(err.code, ERR_STATE); /* of before 0.1.0: refused by name */
    assert_non_null(strstr(err.text, "version 1"));
    good.data[0] = 'Y';
    assert_int_equal(expiring_load(s, EXPIRING_VERSION, buf_slice(&good), INT64_MIN, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    good.data[0] = 'X';
    expiring_free(s);
    s = expiring_new("dedup", 2 * day, LOGS);
    assert_int_equal(expiring_load(s, EXPIRING_VERSION, buf_slice(&good), INT64_MIN, &err), FAILED);
    assert_int_equal(err.code, ERR_STATE);
    expiring_free(s);
    buf_release(&good);
}

static struct segment_ref put_ids(struct store *store, struct expiring *s, int64_t epoch)
{
    struct segment_writer *w = segment_writer_new();
    struct segment_ref ref;
    segment_sets_end(w, save_all(s, segment_section(w, SECTION_SET, "dedup", EXPIRING_VERSION)));
    assert_int_equal(segment_put(w, store, epoch, epoch, 1, 0, &ref, &err), OK);
    segment_writer_free(w);
    return ref;
}

static struct segment_ref merge_one(struct store *store, const struct segment_ref *refs, uint32_t count, int64_t evict)
{
    struct segment_ref merged[MERGE_RESULTS];
    uint32_t n;
    assert_int_equal(merge_segments(store, refs, count, true, evict, 1, merged, &n, &err), OK);
    assert_int_equal(n, 1);
    return merged[0];
}

/* Merged segments remember what the parts did, less what is expired; damage in a part stops the merge. */
static void test_merge(void **state)
{
    (void)state;
    enum { EACH = 30000, PARTS = 8 };
    struct store *store = memory_store_new();
    struct expiring *s = expiring_new("dedup", 10 * second, LOGS);
    struct segment_ref refs[PARTS], merged, results[MERGE_RESULTS];
    uint32_t n;
    for (int64_t e = 0; e < PARTS; e++) {
        for (uint64_t i = 0; i < EACH; i++)
            assert_true(expiring_insert(s, id_of((uint64_t)e * EACH + i), e * second, INT64_MIN));
        refs[e] = put_ids(store, s, e + 1);
    }
    expiring_free(s);
    int64_t evict = 12 * second; /* those of times 0, 1, 2 are expired */
    merged = merge_one(store, refs, PARTS, evict);
    assert_int_equal(merged.level, 1);
    assert_int_equal(merged.sets_end_us, (PARTS - 1 + 10) * second);
    assert_false(merged.has_keyed);
    uint64_t records = EACH * 5;
    assert_in_range(merged.bytes, records * EXPIRING_RECORD, records * EXPIRING_RECORD * 101 / 100);
    struct segment *g;
    struct buf payload = BUF(MIB(100));
    assert_int_equal(segment_open(store, &merged, &g, &err), OK);
    const struct section *section = segment_sections(g, &n);
    assert_int_equal(n, 1);
    assert_int_equal(segment_read(g, section, &payload, &err), OK);
    assert_int_equal(section->version, EXPIRING_VERSION);
    segment_close(g);
    s = expiring_new("dedup", 10 * second, LOGS);
    assert_int_equal(expiring_load(s, EXPIRING_VERSION, buf_slice(&payload), evict, &err), OK);
    assert_int_equal(expiring_count(s), records);
    for (uint64_t i = 0; i < PARTS * EACH; i++)
        assert_int_equal(expiring_insert(s, id_of(i), 20 * second, evict), i < 3 * EACH);
    expiring_free(s);
    buf_release(&payload);
    /* All expired: nothing is left. */
    merged = merge_one(store, refs, PARTS, 100 * second);
    assert_false(merged.has_state || merged.has_outbox);
    /* What has wholly expired is not read: damage there shows as little as if it were gone. */
    memory_find(memory_of(store), refs[1].name)->bytes.data[EACH] ^= 1;
    assert_int_equal(merge_one(store, refs, PARTS, evict).sets_end_us, (PARTS - 1 + 10) * second);
    memory_find(memory_of(store), refs[3].name)->bytes.data[EACH] ^= 1;
    assert_int_equal(merge_segments(store, refs, PARTS, true, evict, 1, results, &n, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.text, refs[3].name));
    store_free(store);
}

/* Which ones: the first and last index, and how many. */
static void check_choice(const struct segment_ref *refs, uint32_t count, uint32_t first, uint32_t last, uint32_t n)
{
    uint32_t chosen[MERGE_MAX];
    assert_int_equal(merge_choose(refs, count, chosen), n);
    if (n == 0)
        return;
    assert_int_equal(chosen[0], first);
    assert_int_equal(chosen[n - 1], last);
}

static void test_merge_choice(void **state)
{
    (void)state;
    enum { N = MERGE_FANOUT };
    struct segment_ref refs[60] = {0};
    for (int i = 0; i < 60; i++)
        refs[i].has_state = refs[i].has_keyed = true;
    check_choice(refs, N - 1, 0, 0, 0);
    check_choice(refs, N, 0, N - 1, N);
    refs[0].level = refs[1].level = 1;
    check_choice(refs, N + 1, 0, 0, 0);
    check_choice(refs, N + 2, 2, N + 1, N);
    refs[5].has_state = false; /* kept for its outbox: does not count, does not part the others */
    refs[5].level = 7;
    check_choice(refs, N + 2, 0, 0, 0);
    check_choice(refs, N + 3, 2, N + 2, N);
    refs[6].has_keyed = false; /* nothing but sets: with its like, does not part the others either */
    check_choice(refs, N + 3, 0, 0, 0);
    check_choice(refs, N + 4, 2, N + 3, N);
    check_choice(refs, 60, 2, MERGE_MAX + 3, MERGE_MAX); /* behind: more at once, but not all */
    for (int i = 0; i < N; i++)
        refs[i] = (struct segment_ref){.has_state = true, .has_keyed = true, .level = 3};
    check_choice(refs, N + 4, 0, N - 1, N);
    for (int i = 20; i < 60; i++)
        refs[i].has_keyed = false;
    check_choice(refs, 60, 20, 20 + MERGE_MAX - 1, MERGE_MAX); /* the longer row first */
}

static void test_expired(void **state)
{
    (void)state;
    struct segment_ref ref = {.has_state = true, .sets_end_us = 100};
    assert_false(merge_is_expired(&ref, 99));
    assert_true(merge_is_expired(&ref, 100));
    assert_false(merge_is_expired(&ref, INT64_MIN));
    ref.has_keyed = true;
    assert_false(merge_is_expired(&ref, 100));
    ref = (struct segment_ref){.has_outbox = true, .sets_end_us = INT64_MIN};
    assert_false(merge_is_expired(&ref, 100));
    ref = (struct segment_ref){.has_state = true, .sets_end_us = INT64_MAX}; /* of an older record: not known */
    assert_false(merge_is_expired(&ref, INT64_MAX));
}

/* Large sets and keyed tables of the same segments come out as two; what is expired only as one. */
static void test_merge_apart(void **state)
{
    (void)state;
    enum { EACH = MERGE_SETS_APART / 16, PARTS = 4 };
    struct store *store = memory_store_new();
    struct expiring *s = expiring_new("dedup", 10 * second, LOGS);
    struct segment_ref refs[PARTS], merged[MERGE_RESULTS];
    uint32_t n;
    for (int64_t e = 0; e < PARTS; e++) {
        struct segment_writer *w = segment_writer_new(), *apart = segment_writer_new();
        struct keyed_change c = {(uint8_t)e, false, {"k", 1}, {"12345678", 8}};
        for (uint64_t i = 0; i < EACH; i++)
            assert_true(expiring_insert(s, id_of((uint64_t)e * EACH + i), e * second, INT64_MIN));
        segment_sets_end(w, save_all(s, segment_section(w, SECTION_SET, "d", EXPIRING_VERSION)));
        keyed_put_change(segment_section(w, SECTION_KEYED, "t", 1), &c);
        segment_take_sets(w, GIB(1), apart);
        assert_true(segment_is_empty(apart));
        assert_int_equal(segment_put(w, store, e + 1, e + 1, 1, 0, &refs[e], &err), OK);
        assert_true(refs[e].has_keyed);
        assert_int_equal(refs[e].sets_end_us, (e + 10) * second);
        segment_take_sets(w, 1, apart);
        assert_false(segment_is_empty(apart) || segment_is_empty(w));
        segment_writer_free(w);
        segment_writer_free(apart);
    }
    assert_int_equal(merge_segments(store, refs, PARTS, true, 11 * second, 1, merged, &n, &err), OK);
    assert_int_equal(n, 2);
    assert_true(merged[0].has_state && !merged[0].has_keyed && merged[1].has_state && merged[1].has_keyed);
    assert_int_equal(merged[0].sets_end_us, (PARTS - 1 + 10) * second);
    assert_int_equal(merged[1].sets_end_us, INT64_MIN);
    assert_true(merged[0].bytes >= 2 * EACH * EXPIRING_RECORD && merged[0].bytes < 3 * EACH * EXPIRING_RECORD);
    assert_int_equal(merge_segments(store, refs, PARTS, true, 100 * second, 1, merged, &n, &err), OK);
    assert_int_equal(n, 1);
    assert_true(merged[0].has_keyed && merged[0].bytes < 1000);
    expiring_free(s);
    store_free(store);
}

/* A stream of a horizon of 500 epochs runs for 300,000: segments and bytes stay bounded. */
static void test_merge_for_ever(void **state)
{
    (void)state;
    enum { EPOCHS = 300000, HORIZON = 500 };
    static struct segment_ref refs[MERGE_FANOUT * (MERGE_LEVEL_MAX + 2)];
    uint32_t n = 0, most = 0;
    struct store *store = memory_store_new();
    struct expiring *s = expiring_new("dedup", HORIZON, LOGS);
    for (int64_t e = 1; e <= EPOCHS; e++) {
        uint32_t chosen[MERGE_MAX], count;
        assert_true(expiring_insert(s, id_of((uint64_t)e), e, e - 1));
        expiring_sweep(s, e - 1, 0, SHARDS);
        refs[n++] = put_ids(store, s, e);
        if (!(count = merge_choose(refs, n, chosen)))
            continue;
        uint32_t first = chosen[0];
        struct segment_ref merged = merge_one(store, refs + first, count, e);
        assert_true(merged.level <= MERGE_LEVEL_MAX);
        for (uint32_t i = first; i < first + count; i++)
            memory_drop(memory_of(store), memory_find(memory_of(store), refs[i].name));
        refs[first] = merged;
        memmove(refs + first + 1, refs + first + count, (n - first - count) * sizeof *refs);
        n -= count - 1;
        most = MAX(most, n);
    }
    assert_in_range(most, MERGE_FANOUT, MERGE_FANOUT * (MERGE_LEVEL_MAX + 1));
    expiring_free(s);
    store_free(store);
}

/* ---- where state lies on disk: the same tests with little memory, so that ids move on again and again ---- */

static char folder[64];

static int spill(void **state)
{
    (void)state;
    uint64_t number;
    os_random(&number, sizeof number);
    snprintf(folder, sizeof folder, "expiring-test-%06u", (unsigned)(number % 1000000));
    return heap_spill(folder, MIB(1), &err) == OK ? 0 : -1;
}

static int unspill(void **state)
{
    (void)state;
    bool whole = heap_check(&err) == OK;
    heap_end();
    return os_rmdir(folder, &err) == OK && whole ? 0 : -1; /* it is empty: the file has no name */
}

#define ON_DISK(test) {"on_disk_" #test, test, spill, unspill, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),         cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_memory),         cmocka_unit_test(test_model),
        cmocka_unit_test(test_distant_times),  cmocka_unit_test(test_sweep_bounds_memory),
        cmocka_unit_test(test_bad_payloads),   cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_choice),   cmocka_unit_test(test_merge_for_ever),
        cmocka_unit_test(test_merge_apart),    cmocka_unit_test(test_expired),
        cmocka_unit_test(test_turnover),       cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_rows),           ON_DISK(test_every_bit),
        ON_DISK(test_model),                   ON_DISK(test_distant_times),
        ON_DISK(test_turnover),                ON_DISK(test_blocks),
        ON_DISK(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
