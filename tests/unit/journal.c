/* epoch/journal: what was appended is what is read; damage, holes and other writers are found; a crash at any store
 * call
 * loses nothing that was promised. */
#include "epoch/journal.h"
#include "epoch/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "epoch/slot.h"
#include "memory_store.h"

static struct error err;

/* ---- a small run ---- */

static struct journal *open_journal(struct store *store)
{
    struct journal *j = NULL;
    enum status s = journal_open(store, &j, &err);
    if (s != OK)
        print_error("%s\n", err.text);
    assert_int_equal(s, OK);
    return j;
}

/* Epoch n: 100 rows, all accounted for; a segment with state and outbox. */
static enum status append_epoch(struct journal *j, struct store *store, int64_t epoch, int64_t confirmed)
{
    struct ledger ledger = {.from = epoch, .to = epoch};
    ledger_line(&ledger, LEDGER_SOURCE, "transactions")->counts = (struct ledger_counts){100, 96, 0, 4, 0, 0, 0};
    ledger_line(&ledger, LEDGER_STEP, "dedup-1")->counts = (struct ledger_counts){96, 90, 0, 0, 1, 5, 0};
    ledger_count_rule(&ledger, "transactions", "R090", 4);
    struct split_position split = {"transactions", "topic/0", 3, 100 * epoch, 5000 + epoch, epoch % 2 == 0, false};
    split.mark = (struct source_mark){epoch % 3 > 0, 100 * epoch - 2, epoch % 3 - 2, 0x0a1b2c3d + (uint32_t)epoch};
    struct source_time time = {"transactions", epoch == 1 ? INT64_MIN : 4000 + epoch, 3999 + epoch};
    struct sink_state sink = {"metrics", confirmed, confirmed, epoch};
    struct segment_ref segment;
    struct segment_writer *w = segment_writer_new();
    buf_puts(segment_section(w, SECTION_KEYED, "groups", 1), "state");
    buf_puts(segment_section(w, SECTION_SET, "ids", 2), "ids");
    segment_sets_end(w, 9000 + epoch);
    buf_puts(segment_section(w, SECTION_OUTBOX, "metrics", 1), "rows");
    enum status s = segment_put(w, store, epoch, epoch, journal_manifest(j)->term, 0, &segment, &err);
    segment_writer_free(w);
    struct journal_record r = {.kind = "epoch", .epoch = epoch, .now_us = 1000000 * epoch, .ledger = &ledger,
                               .splits = &split, .nsplits = 1, .sources = &time, .nsources = 1, .sinks = &sink,
                               .nsinks = 1, .added = &segment, .nadded = 1};
    if (s == OK)
        s = journal_append(j, &r, &err);
    ledger_release(&ledger);
    return s;
}

static void append_epochs(struct journal *j, struct store *store, int64_t from, int64_t to)
{
    for (int64_t e = from; e <= to; e++)
        assert_int_equal(append_epoch(j, store, e, e - 1), OK);
}

static void assert_same_state(const struct manifest *a, const struct manifest *b)
{
    assert_string_equal(a->uuid, b->uuid);
    assert_int_equal(a->hash_seed, b->hash_seed);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->now_us, b->now_us);
    assert_int_equal(a->ended, b->ended);
    assert_string_equal(a->plan, b->plan);
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_int_equal(a->nsplits, b->nsplits);
    assert_int_equal(a->nsources, b->nsources);
    assert_int_equal(a->nsinks, b->nsinks);
    assert_int_equal(a->nsegments, b->nsegments);
    for (uint32_t i = 0; i < a->nsplits; i++) {
        const struct split_position *x = &a->splits[i], *y = &b->splits[i];
        assert_string_equal(x->source, y->source);
        assert_string_equal(x->split, y->split);
        assert_int_equal(x->number, y->number);
        assert_int_equal(x->position, y->position);
        assert_int_equal(x->max_event, y->max_event);
        assert_int_equal(x->idle, y->idle);
        assert_int_equal(x->finished, y->finished);
        assert_int_equal(x->mark.known, y->mark.known);
        if (x->mark.known) {
            assert_int_equal(x->mark.position, y->mark.position);
            assert_int_equal(x->mark.time_us, y->mark.time_us);
            assert_int_equal(x->mark.crc, y->mark.crc);
        }
    }
    for (uint32_t i = 0; i < a->nsources; i++) {
        assert_int_equal(a->sources[i].watermark, b->sources[i].watermark);
        assert_int_equal(a->sources[i].evict, b->sources[i].evict);
    }
    for (uint32_t i = 0; i < a->nsinks; i++) {
        assert_string_equal(a->sinks[i].name, b->sinks[i].name);
        assert_int_equal(a->sinks[i].confirmed, b->sinks[i].confirmed);
        assert_int_equal(a->sinks[i].applied, b->sinks[i].applied);
        assert_int_equal(a->sinks[i].target, b->sinks[i].target);
    }
    for (uint32_t i = 0; i < a->nsegments; i++) {
        const struct segment_ref *x = &a->segments[i], *y = &b->segments[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->bytes, y->bytes);
        assert_int_equal(x->crc, y->crc);
        assert_int_equal(x->level, y->level);
        assert_int_equal(x->has_state, y->has_state);
        assert_int_equal(x->has_outbox, y->has_outbox);
        assert_int_equal(x->has_keyed, y->has_keyed);
        assert_int_equal(x->sets_end_us, y->sets_end_us);
    }
    AUTO(buf) p = BUF(MIB(1)), q = BUF(MIB(1));
    ledger_json(&a->total, &p);
    ledger_json(&b->total, &q);
    assert_int_equal(a->nhistory, b->nhistory);
    for (uint32_t i = 0; i < a->nhistory; i++) {
        ledger_json(&a->history[i], &p);
        ledger_json(&b->history[i], &q);
    }
    assert_true(slice_equal(buf_slice(&p), buf_slice(&q)));
}

static void test_new(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct manifest none;
    bool exists = true;
    assert_int_equal(journal_exists(store, &exists, &err), OK);
    assert_false(exists);
    assert_int_equal(journal_read(store, &none, &err), FAILED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    struct journal *j = open_journal(store);
    const struct manifest *m = journal_manifest(j);
    assert_int_equal(strlen(m->uuid), 36);
    assert_int_equal(m->slot, 1);
    assert_int_equal(m->term, 1);
    assert_int_equal(m->epoch, 0);
    assert_int_equal(journal_exists(store, &exists, &err), OK);
    assert_true(exists);
    journal_close(j);
    journal_close(NULL);
    store_free(store);
}

static void test_read_back(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    char sha[65], again[65];
    sha256_hex("plan", 4, sha);
    sha256_hex("bound", 5, again);
    struct journal_record plan = {.kind = "plan", .plan = sha, .fingerprint = again};
    assert_int_equal(journal_append(j, &plan, &err), OK);
    for (int64_t e = 1; e <= 200; e++) {
        assert_int_equal(append_epoch(j, store, e, e - 1), OK);
        struct manifest m;
        assert_int_equal(journal_read(store, &m, &err), OK);
        assert_int_equal(m.slot, e + 2);
        assert_same_state(&m, journal_manifest(j));
        manifest_release(&m);
        if (e == 77) {
            struct journal *next = open_journal(store);
            assert_same_state(journal_manifest(next), journal_manifest(j));
            assert_int_equal(journal_manifest(next)->term, 2);
            journal_close(j);
            j = next;
            /* The takeover's slot: numbers below shift by one. */
            assert_int_equal(journal_manifest(j)->slot, 80);
            break;
        }
    }
    append_epochs(j, store, 78, 200);
    const struct manifest *m = journal_manifest(j);
    assert_string_equal(m->plan, sha);
    assert_int_equal(m->splits[0].position, 20000);
    assert_int_equal(m->sources[0].watermark, 4200);
    assert_int_equal(m->total.lines[0].counts.in, 20000);
    assert_int_equal(m->total.rules[0].count, 800);
    assert_int_equal(m->total.from, 1);
    assert_int_equal(m->total.to, 200);
    assert_true(m->nhistory <= LEDGER_HISTORY);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < m->nhistory; i++) {
        sum += m->history[i].lines[0].counts.in;
        assert_int_equal(m->history[i].from, i ? m->history[i - 1].to + 1 : 1);
    }
    assert_int_equal(sum, 20000);
    assert_int_equal(m->history[m->nhistory - 1].to, 200);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    journal_close(j);
    store_free(store);
}

static uint32_t count_objects(struct store *store, const char *prefix)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < memory_of(store)->count; i++)
        n += strncmp(memory_of(store)->objects[i].name, prefix, strlen(prefix)) == 0;
    return n;
}

static void test_bounded(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    for (int64_t e = 1; e <= 1000; e++) {
        assert_int_equal(append_epoch(j, store, e, e - 1), OK);
        assert_true(count_objects(store, "log/") <= 3 * JOURNAL_FULL_EVERY);
        if (e % 100 == 0)
            assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    }
    journal_close(j);
    store_free(store);
}

/* ---- damage ---- */

static struct buf *slot_bytes(struct store *store, uint64_t number)
{
    char name[40];
    snprintf(name, sizeof name, "log/%020llu", (unsigned long long)number);
    struct memory_object *o = memory_find(memory_of(store), name);
    return o ? &o->bytes : NULL;
}

static void assert_names_slot(uint64_t number)
{
    char name[60];
    snprintf(name, sizeof name, "memory/log/%020llu", (unsigned long long)number);
    if (!strstr(err.text, name))
        print_error("%s\n", err.text);
    assert_non_null(strstr(err.text, name));
    assert_true(err.hint[0]);
}

static void test_chain(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 3);
    for (uint64_t n = 2; n <= 4; n++) {
        char sha[65];
        sha256_hex(slot_bytes(store, n - 1)->data, slot_bytes(store, n - 1)->len, sha);
        char *previous = strstr(buf_cstr(slot_bytes(store, n)), "previous=");
        assert_memory_equal(previous + 9, sha, 64);
    }
    journal_close(j);
    store_free(store);
}

static void test_every_flip(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 3);
    journal_close(j);
    for (uint64_t n = 1; n <= 4; n++) {
        struct buf *b = slot_bytes(store, n);
        for (size_t i = 0; i < b->len; i++)
            for (int bit = 0; bit < 8; bit += 1 + (i > 221)) {
                struct manifest m;
                b->data[i] ^= (char)(1 << bit);
                assert_int_equal(journal_read(store, &m, &err), FAILED);
                assert_true(err.code == ERR_CORRUPT || (err.code == ERR_STATE && i == 10));
                assert_names_slot(n);
                if (bit == 0) {
                    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
                    assert_names_slot(n);
                    assert_int_equal(journal_open(store, &j, &err), FAILED);
                }
                b->data[i] ^= (char)(1 << bit);
            }
    }
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    store_free(store);
}

static void test_every_length(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 2);
    journal_close(j);
    struct manifest m;
    for (uint64_t n = 1; n <= 3; n++) {
        struct buf *b = slot_bytes(store, n);
        size_t whole = b->len;
        for (b->len = 0; b->len < whole; b->len++) {
            assert_int_equal(journal_read(store, &m, &err), FAILED);
            assert_int_equal(err.code, ERR_CORRUPT);
            assert_names_slot(n);
        }
        buf_putc(b, '\n');
        assert_int_equal(journal_read(store, &m, &err), FAILED);
        assert_names_slot(n);
        b->len = whole;
    }
    store_free(store);
}

static void copy_slot(struct store *store, uint64_t from, uint64_t to)
{
    struct buf *b = slot_bytes(store, to);
    buf_clear(b);
    buf_put_slice(b, buf_slice(slot_bytes(store, from)));
}

static void test_replaced_and_missing(void **state)
{
    (void)state;
    struct store *store = memory_store_new(), *other = memory_store_new();
    struct journal *j = open_journal(store), *k = open_journal(other);
    append_epochs(j, store, 1, 10);
    append_epochs(k, other, 1, 10);
    journal_close(k);
    struct manifest m;
    /* A well-formed slot of another state in our slot's place. */
    struct buf kept = *slot_bytes(store, 5);
    *slot_bytes(store, 5) = (struct buf)BUF(MIB(1));
    buf_put_slice(slot_bytes(store, 5), buf_slice(slot_bytes(other, 5)));
    assert_int_equal(journal_read(store, &m, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
    assert_names_slot(5);
    /* Another of our own. */
    copy_slot(store, 6, 5);
    assert_int_equal(journal_read(store, &m, &err), FAILED);
    assert_names_slot(5);
    buf_release(slot_bytes(store, 5));
    *slot_bytes(store, 5) = kept;
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    /* A hole. */
    memory_drop(memory_of(store), memory_find(memory_of(store), "log/00000000000000000005"));
    assert_int_equal(journal_read(store, &m, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_names_slot(5);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
    assert_names_slot(5);
    journal_close(j);
    store_free(store);
    store_free(other);
}

static void remove_slot(struct store *store, uint64_t number)
{
    char name[25];
    slot_name(number, name);
    memory_drop(memory_of(store), memory_find(memory_of(store), name));
}

/* The hole is right behind the first slot: no fenced writer's orphan, for its term is that of what follows. */
static void test_second_slot_missing(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 5);
    journal_close(j);
    journal_close(open_journal(store));
    remove_slot(store, 2);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_names_slot(2);
    store_free(store);
}

/* Somebody who knows the format changes a number, and makes every checksum and link of the log right again. */
static void forge(struct store *store, uint64_t number, const char *from, const char *to)
{
    char previous[65] = "";
    for (; slot_bytes(store, number); number++) {
        struct buf *b = slot_bytes(store, number), forged = BUF(MIB(10));
        struct slot s;
        char header[SLOT_HEADER + 1];
        assert_int_equal(slot_read(buf_slice(b), number, "memory", &s, &err), OK);
        char *at = previous[0] ? NULL : memmem(s.payload.data, s.payload.len, from, strlen(from));
        assert_true(at || previous[0]);
        if (at)
            memcpy(at, to, strlen(to));
        if (previous[0])
            memcpy(s.previous, previous, sizeof previous);
        slot_header(&s, header);
        buf_put(&forged, header, SLOT_HEADER);
        buf_put_slice(&forged, s.payload);
        sha256_hex(forged.data, forged.len, previous);
        buf_release(b);
        *b = forged;
    }
}

static void test_forged(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 150);
    journal_close(j);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    /* Slot 129 is full, and tells of 127 epochs of 100 rows. */
    forge(store, 129, "\"in\":12700", "\"in\":12600");
    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
    assert_int_equal(err.code, ERR_VERIFY);
    assert_names_slot(129);
    forge(store, 129, "\"in\":12600", "\"in\":12700");
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    /* One epoch's ledger. */
    forge(store, 140, "\"rejected\":4", "\"rejected\":3");
    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
    assert_int_equal(err.code, ERR_VERIFY);
    assert_names_slot(140);
    forge(store, 140, "\"rejected\":3", "\"rejected\":4");
    /* A position. */
    forge(store, 145, "\"position\":14400", "\"position\":14100");
    assert_int_equal(journal_verify(store, NULL, NULL, &err), FAILED);
    assert_int_equal(err.code, ERR_VERIFY);
    assert_names_slot(145);
    store_free(store);
}

/* A version that we do not know is named as such, with what to do. */
static void test_unknown_version(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    journal_close(open_journal(store));
    struct manifest m;
    slot_bytes(store, 1)->data[10] = '2';
    assert_int_equal(journal_read(store, &m, &err), FAILED);
    assert_int_equal(err.code, ERR_STATE);
    assert_non_null(strstr(err.text, "log format 2"));
    assert_names_slot(1);
    store_free(store);
}

/* ---- fencing ---- */

static void test_fenced(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *a = open_journal(store);
    append_epochs(a, store, 1, 5);
    struct journal *b = open_journal(store);
    assert_int_equal(append_epoch(a, store, 6, 5), FAILED);
    assert_int_equal(err.code, ERR_FENCED);
    assert_non_null(strstr(err.text, "term 2"));
    assert_int_equal(journal_manifest(a)->epoch, 5);
    assert_int_equal(append_epoch(a, store, 6, 5), FAILED); /* and it stays so */
    append_epochs(b, store, 6, 8);
    struct manifest m;
    assert_int_equal(journal_read(store, &m, &err), OK);
    assert_same_state(&m, journal_manifest(b));
    manifest_release(&m);
    journal_close(a);
    journal_close(b);
    store_free(store);
}

/* The zombie sleeps until its next slot has been won by another, and truncated away again. */
static void test_fenced_after_truncation(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *a = open_journal(store);
    append_epochs(a, store, 1, 5);
    struct journal *b = open_journal(store);
    append_epochs(b, store, 6, 300);
    assert_null(slot_bytes(store, 7));
    assert_int_equal(append_epoch(a, store, 6, 5), FAILED);
    assert_int_equal(err.code, ERR_FENCED);
    assert_null(slot_bytes(store, 7));
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);

    /* The zombie dies between its put and the check: its slot is no part of the log, and goes with the next takeover.
     * */
    struct journal *c = open_journal(store);
    append_epochs(c, store, 301, 500);
    AUTO(buf) stale = BUF(MIB(1));
    struct store *past = memory_store_new();
    struct journal *z = open_journal(past);
    buf_put_slice(&stale, buf_slice(slot_bytes(past, 1)));
    memory_set(memory_of(store), "log/00000000000000000001", stale);
    stale = (struct buf)BUF(1);
    struct manifest m;
    assert_int_equal(journal_read(store, &m, &err), OK);
    assert_same_state(&m, journal_manifest(c));
    manifest_release(&m);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    journal_close(open_journal(store));
    assert_null(slot_bytes(store, 1));
    journal_close(a);
    journal_close(b);
    journal_close(c);
    journal_close(z);
    store_free(past);
    store_free(store);
}

static struct journal *intruder;

static void take_over_first(struct memory_store *m, const char *name)
{
    if (strncmp(name, "log/", 4) != 0)
        return;
    m->before_put = NULL;
    intruder = open_journal(&m->base);
}

/* Another wins the slot between the decision and the put. */
static void test_race(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *a = open_journal(store);
    append_epochs(a, store, 1, 2);
    memory_of(store)->before_put = take_over_first;
    assert_int_equal(append_epoch(a, store, 3, 2), FAILED);
    assert_int_equal(err.code, ERR_FENCED);
    append_epochs(intruder, store, 3, 3);
    /* A takeover that loses its slot to another takeover takes the next. */
    struct journal *first = intruder;
    memory_of(store)->before_put = take_over_first;
    struct journal *c = open_journal(store);
    assert_int_equal(journal_manifest(c)->slot, journal_manifest(intruder)->slot + 1);
    assert_int_equal(append_epoch(intruder, store, 4, 3), FAILED);
    assert_int_equal(err.code, ERR_FENCED);
    append_epochs(c, store, 4, 4);
    journal_close(a);
    journal_close(first);
    journal_close(intruder);
    journal_close(c);
    store_free(store);
}

static void test_ambiguous_put(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct memory_store *m = memory_of(store);
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 1);
    /* The store says "try again", and had done it: our own nonce is found. */
    m->fail_after_effect = m->retriable = true;
    m->fail_at = m->calls + 2; /* 1: the segment */
    assert_int_equal(append_epoch(j, store, 2, 1), OK);
    assert_int_equal(journal_manifest(j)->slot, 3);
    assert_null(slot_bytes(store, 4));
    /* The same, not done. */
    m->fail_after_effect = false;
    m->fail_at = m->calls + 2;
    assert_int_equal(append_epoch(j, store, 3, 2), OK);
    /* An error that must not be tried again (a failed fsync): stop. What was done is found at the next start. */
    m->retriable = false;
    m->fail_after_effect = true;
    m->fail_at = m->calls + 2;
    assert_int_equal(append_epoch(j, store, 4, 3), FAILED);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(append_epoch(j, store, 4, 3), FAILED);
    assert_int_equal(err.code, ERR_STATE);
    journal_close(j);
    j = open_journal(store);
    assert_int_equal(journal_manifest(j)->epoch, 4);
    journal_close(j);
    store_free(store);
}

/* ---- crashes ---- */

/* Fail for ever from call n on; then a new process recovers. What had been promised is there, and at most the epoch in
 * flight besides. */
static void crash_at(uint32_t n, bool after_effect, bool *ret_reached)
{
    struct store *store = memory_store_new();
    struct memory_store *m = memory_of(store);
    m->fail_for_ever = n;
    m->fail_after_effect = after_effect;
    int64_t promised = 0;
    struct journal *j = NULL;
    if (journal_open(store, &j, &err) == OK)
        while (promised < 70 && append_epoch(j, store, promised + 1, promised) == OK)
            promised++;
    *ret_reached = promised < 70;
    journal_close(j);
    m->fail_for_ever = 0;
    bool exists;
    assert_int_equal(journal_exists(store, &exists, &err), OK);
    if (exists)
        assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    j = open_journal(store);
    int64_t epoch = journal_manifest(j)->epoch;
    assert_true(epoch == promised || epoch == promised + 1);
    for (uint32_t i = 0; i < journal_manifest(j)->nsegments; i++) {
        struct segment *s;
        assert_int_equal(segment_open(store, &journal_manifest(j)->segments[i], &s, &err), OK);
        segment_close(s);
    }
    /* No orphan is left of the crashed term. */
    assert_int_equal(count_objects(store, "seg/"), journal_manifest(j)->nsegments);
    append_epochs(j, store, epoch + 1, epoch + 2);
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    journal_close(j);
    store_free(store);
}

static void test_crash_at_every_call(void **state)
{
    (void)state;
    bool reached = true;
    uint32_t n = 1;
    for (; reached; n++) {
        crash_at(n, false, &reached);
        if (reached)
            crash_at(n, true, &reached);
    }
    assert_true(n > 200); /* the loop has met the calls of 70 epochs */
}

/* A failed removal is no failed commit, and is made up for. */
static void test_failing_removals(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct memory_store *m = memory_of(store);
    struct journal *j = open_journal(store);
    for (int64_t e = 1; e <= 300; e++) {
        /* put segment, put slot, look at the slot before: the fourth call removes. */
        m->fail_at = e % 3 == 0 ? m->calls + 4 : 0;
        assert_int_equal(append_epoch(j, store, e, e - 1), OK);
    }
    m->fail_at = 0;
    assert_int_equal(journal_verify(store, NULL, NULL, &err), OK);
    assert_true(count_objects(store, "log/") <= 3 * JOURNAL_FULL_EVERY);
    journal_close(j);
    store_free(store);
}

/* ---- segments ---- */

static void test_segments(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    const struct manifest *m = journal_manifest(j);
    for (int64_t e = 1; e <= 4; e++)
        assert_int_equal(append_epoch(j, store, e, 0), OK);
    assert_int_equal(m->nsegments, 4);
    assert_true(m->segments[0].has_outbox && m->segments[3].has_outbox);
    /* Confirmed to 2: the first two lose their outbox, and keep their state. */
    struct sink_state sink = {"metrics", 2, 2, 4};
    struct journal_record confirm = {.kind = "confirm", .epoch = 4, .now_us = 4000000, .sinks = &sink, .nsinks = 1};
    assert_int_equal(journal_append(j, &confirm, &err), OK);
    assert_false(m->segments[0].has_outbox || m->segments[1].has_outbox);
    assert_true(m->segments[2].has_outbox && m->segments[0].has_state);
    /* Merged: state of all four; the two that have an outbox stay, without state. */
    struct segment_ref merged;
    struct segment_writer *w = segment_writer_new();
    buf_puts(segment_section(w, SECTION_KEYED, "groups", 1), "merged");
    assert_int_equal(segment_put(w, store, 1, 4, m->term, 1, &merged, &err), OK);
    segment_writer_free(w);
    char names[4][100];
    const char *dropped[4];
    for (int i = 0; i < 4; i++)
        dropped[i] = strcpy(names[i], m->segments[i].name);
    struct journal_record merge = {.kind = "confirm", .epoch = 4, .now_us = 4000000, .added = &merged, .nadded = 1,
                                   .dropped_state = dropped, .ndropped_state = 4};
    assert_int_equal(journal_append(j, &merge, &err), OK);
    assert_int_equal(m->nsegments, 3);
    assert_string_equal(m->segments[0].name, merged.name);
    assert_int_equal(count_objects(store, "seg/"), 3);
    assert_null(memory_find(memory_of(store), names[0]));
    assert_false(m->segments[1].has_state);
    /* Dropped twice: refused, nothing written. */
    assert_int_equal(journal_append(j, &merge, &err), FAILED);
    assert_int_equal(err.code, ERR_VERIFY);
    struct manifest again;
    assert_int_equal(journal_read(store, &again, &err), OK);
    assert_same_state(&again, m);
    manifest_release(&again);
    journal_close(j);
    store_free(store);
}

/* A record of before segments told sets from keyed tables: what is not known is taken to be needed. */
static void test_older_segments(void **state)
{
    (void)state;
    struct record_read *r;
    AUTO(buf) json = BUF(MIB(1));
    const struct segment_ref old = {.name = "seg/1", .bytes = 100, .from = 1, .to = 1, .has_state = true};
    struct journal_record record = {.kind = "epoch", .epoch = 1, .now_us = 1, .added = &old, .nadded = 1};
    record_json(1, 1, &record, NULL, &json);
    char *cut = strstr(buf_cstr(&json), ",\"keyed\":false,\"sets_end\":0");
    assert_non_null(cut);
    memset(cut, ' ', strlen(",\"keyed\":false,\"sets_end\":0"));
    assert_int_equal(record_read_new(buf_slice(&json), &r, &err), OK);
    assert_true(r->record.added[0].has_state && r->record.added[0].has_keyed);
    assert_true(r->record.added[0].sets_end_us == INT64_MAX);
    record_read_free(r);
}

/* What the mark of a split says is refused where it cannot be: one that is not below the position above all, at which
 * reading would begin. */
static void test_marks(void **state)
{
    (void)state;
    struct record_read *r;
    AUTO(buf) json = BUF(MIB(1));
    const struct split_position split = {.source = "s", .split = "t/0", .position = 7,
                                         .mark = {true, 6, -1, 0xff}};
    struct journal_record record = {.kind = "epoch", .epoch = 1, .now_us = 1, .splits = &split, .nsplits = 1};
    record_json(1, 1, &record, NULL, &json);
    char *at = strstr(buf_cstr(&json), "\"mark\":{\"position\":6,\"time\":-1,\"crc\":\"000000ff\"}");
    assert_non_null(at);
    assert_int_equal(record_read_new(buf_slice(&json), &r, &err), OK);
    assert_true(r->record.splits[0].mark.known && r->record.splits[0].mark.crc == 0xff);
    record_read_free(r);
    strstr(at, "6")[0] = '7';
    assert_int_equal(record_read_new(buf_slice(&json), &r, &err), FAILED);
    assert_non_null(strstr(err.text, "\"mark\""));
    strstr(at, "7")[0] = '6';
    strstr(at, "crc")[0] = 'x';
    assert_int_equal(record_read_new(buf_slice(&json), &r, &err), FAILED);
    assert_non_null(strstr(err.text, "\"crc\""));
    strstr(at, "mark")[0] = 'x'; /* an older log has none */
    assert_int_equal(record_read_new(buf_slice(&json), &r, &err), OK);
    assert_false(r->record.splits[0].mark.known);
    record_read_free(r);
}

static void test_refused(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 3);
    uint32_t slots = count_objects(store, "log/");
    const struct split_position back = {"transactions", "topic/0", 3, 299, 9000, false, false};
    const struct source_time old = {"transactions", 1, 1};
    const struct sink_state beyond = {"metrics", 4, 4, 5};
    struct ledger off = {.from = 4, .to = 4};
    ledger_line(&off, LEDGER_SINK, "metrics")->counts.in = 3;
    ledger_line(&off, LEDGER_SINK, "metrics")->inserted = 2;
    const struct {
        struct journal_record r;
        const char *says;
    } cases[] = {
        {{.kind = "epoch", .epoch = 5, .now_us = 9000000}, "epoch 5 follows epoch 3"},
        {{.kind = "epoch", .epoch = 3, .now_us = 9000000}, "epoch 3 follows epoch 3"},
        {{.kind = "confirm", .epoch = 4, .now_us = 9000000}, "epoch 4 follows"},
        {{.kind = "epoch", .epoch = 4, .now_us = 1}, "time of the epochs"},
        {{.kind = "epoch", .epoch = 4, .now_us = 9000000, .splits = &back, .nsplits = 1}, "\"topic/0\""},
        {{.kind = "epoch", .epoch = 4, .now_us = 9000000, .sources = &old, .nsources = 1}, "watermark"},
        {{.kind = "epoch", .epoch = 4, .now_us = 9000000, .sinks = &beyond, .nsinks = 1}, "targets 5 in epoch 4"},
        {{.kind = "epoch", .epoch = 4, .now_us = 9000000, .ledger = &off}, "took in 3 rows and accounts for 2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(journal_append(j, &cases[i].r, &err), FAILED);
        assert_int_equal(err.code, ERR_VERIFY);
        if (!strstr(err.text, cases[i].says))
            print_error("%s\n", err.text);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_int_equal(count_objects(store, "log/"), slots);
    }
    append_epochs(j, store, 4, 4); /* it was only asked; nothing is broken */
    ledger_release(&off);
    journal_close(j);
    store_free(store);
}

static enum status note_visit(void *arg, uint64_t slot, struct slice json, struct error *e)
{
    uint64_t *seen = arg;
    if (slot == 20)
        return error_set(e, ERR_INTERRUPTED, "enough");
    assert_int_equal(slot, *seen + 1);
    assert_int_equal(json.data[0], '{');
    *seen = slot;
    return OK;
}

static void test_verify_visits(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    append_epochs(j, store, 1, 10);
    uint64_t seen = 0;
    assert_int_equal(journal_verify(store, note_visit, &seen, &err), OK);
    assert_int_equal(seen, 11);
    append_epochs(j, store, 11, 30);
    seen = 0;
    assert_int_equal(journal_verify(store, note_visit, &seen, &err), FAILED);
    assert_int_equal(err.code, ERR_INTERRUPTED);
    journal_close(j);
    store_free(store);
}

/* Names with quotes, backslashes and control characters come back as they were. */
static void test_names(void **state)
{
    (void)state;
    struct store *store = memory_store_new();
    struct journal *j = open_journal(store);
    struct split_position split = {.source = "a\"b", .split = "path/\\with \x01\n\xc3\xa9", .max_event = INT64_MIN};
    struct ledger ledger = {.from = 1, .to = 1};
    ledger_line(&ledger, LEDGER_STEP, "\"}")->counts = (struct ledger_counts){.in = INT64_MAX, .out = INT64_MAX};
    struct journal_record r = {.kind = "epoch", .epoch = 1, .splits = &split, .nsplits = 1, .ledger = &ledger};
    assert_int_equal(journal_append(j, &r, &err), OK);
    struct manifest m;
    assert_int_equal(journal_read(store, &m, &err), OK);
    assert_same_state(&m, journal_manifest(j));
    assert_string_equal(m.splits[0].split, split.split);
    manifest_release(&m);
    ledger_release(&ledger);
    journal_close(j);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_every_flip),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_replaced_and_missing),
        cmocka_unit_test(test_second_slot_missing),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_unknown_version),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_fenced_after_truncation),
        cmocka_unit_test(test_race),
        cmocka_unit_test(test_ambiguous_put),
        cmocka_unit_test(test_crash_at_every_call),
        cmocka_unit_test(test_failing_removals),
        cmocka_unit_test(test_older_segments),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_verify_visits),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
