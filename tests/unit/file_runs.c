/* Runs of records: what sorting and merging make of keys of all kinds, beside qsort with plain memcmp and a walk over
 * all runs for each key. */
#include "sink/file_runs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

enum { KINDS = 5, KEY_MOST = 200, RUNS = 7 };

static uint64_t seed = 20261121;

static uint32_t any(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % below);
}

/* A key of number n; different numbers give different keys. */
static size_t make_key(int kind, uint32_t n, char to[static KEY_MOST])
{
    switch (kind) {
    case 0: /* two numbers, big-endian */
        memset(to, 0, 18);
        to[0] = to[9] = 1;
        to[7] = (char)(n >> 16);
        to[8] = (char)(n >> 8);
        to[17] = (char)n;
        return 18;
    case 1: return (size_t)snprintf(to, KEY_MOST, "%u", n); /* of several lengths, one the start of another */
    case 2: return (size_t)snprintf(to, KEY_MOST, "%080u", n * 7); /* alike for longer than is looked at */
    case 3: /* more places than a head has */
        for (unsigned i = 0; i < 32; i++)
            to[i] = (char)(n >> i % 24 & 1);
        for (unsigned i = 0; i < 24; i++)
            to[32 + i] = (char)(n >> i & 1);
        return 56;
    default:
        memset(to, 'a', n % KEY_MOST); /* nothing but lengths, the empty key among them */
        return n % KEY_MOST;
    }
}

static int by_bytes(const void *pa, const void *pb)
{
    const struct record *a = pa, *b = pb;
    int order = memcmp(a->bytes, b->bytes, MIN(a->key_len, b->key_len));
    return order ? order : (int)a->key_len - (int)b->key_len;
}

/* `count` different numbers below `below`, in any order; the text says which run and which number. */
static void fill(struct run *r, int kind, uint32_t count, uint32_t below, uint32_t which, struct arena *a)
{
    uint32_t *numbers = arena_array(a, below, sizeof *numbers);
    for (uint32_t i = 0; i < below; i++)
        numbers[i] = i;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = i + any(below - i), n = numbers[k];
        numbers[k] = numbers[i];
        char key[KEY_MOST], text[64];
        size_t len = make_key(kind, n, key);
        int told = any(4) ? snprintf(text, sizeof text, "%u of run %u\n", n, which) : 0; /* 0: gone */
        run_add(r, (struct slice){key, len}, (struct slice){text, (size_t)told}, a);
    }
    run_sort(r);
}

static void check_order(const struct run *r)
{
    for (size_t i = 1; i < r->count; i++)
        assert_true(by_bytes(&r->items[i - 1], &r->items[i]) < 0);
}

static bool same_record(const struct record *a, const struct record *b)
{
    return slice_equal(record_key(a), record_key(b)) && slice_equal(record_text(a), record_text(b));
}

/* All records by key, of each key the last run's. */
static size_t expect(const struct run *runs, uint32_t n, struct record *into)
{
    size_t count = 0, kept = 0;
    for (uint32_t i = n; i-- > 0;) /* the newest first */
        for (size_t k = 0; k < runs[i].count; k++) {
            bool newer = false;
            for (uint32_t j = i + 1; j < n && !newer; j++)
                newer = bsearch(&runs[i].items[k], runs[j].items, runs[j].count, sizeof(struct record), by_bytes);
            if (!newer)
                into[count++] = runs[i].items[k];
        }
    qsort(into, count, sizeof *into, by_bytes);
    for (size_t i = 0; i < count; i++)
        kept += i == 0 || by_bytes(&into[i - 1], &into[i]) != 0;
    assert_int_equal(kept, count);
    return count;
}

static void check_merge(int kind, uint32_t nruns)
{
    AUTO(arena) a = {0};
    struct run runs[RUNS] = {0}, *which[RUNS], merged;
    size_t all = 0;
    for (uint32_t i = 0; i < nruns; i++) {
        uint32_t below = kind == 4 ? KEY_MOST : 1 + any(3000);
        fill(&runs[i], kind, any(below + 1), below, i, &a);
        check_order(&runs[i]);
        which[i] = &runs[i];
        all += runs[i].count;
    }
    runs_merge(which, nruns, &merged);
    struct record *expected = arena_array(&a, all + 1, sizeof *expected);
    size_t count = expect(runs, nruns, expected);
    assert_int_equal(merged.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(same_record(&merged.items[i], &expected[i]));
    for (size_t i = 1; i < count; i++)
        assert_true(run_compare(&merged, &merged.items[i - 1], &merged.items[i]) < 0);
    run_release(&merged);
    for (uint32_t i = 0; i < nruns; i++)
        run_release(&runs[i]);
}

static void merges(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++)
        for (int kind = 0; kind < KINDS; kind++)
            check_merge(kind, 1 + any(RUNS));
}

static void nothing(void **state)
{
    (void)state;
    struct run none = {0}, also = {0}, merged;
    run_sort(&none);
    runs_merge((struct run *[]){&none, &also}, 2, &merged);
    assert_int_equal(merged.count, 0);
    run_release(&merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(merges), cmocka_unit_test(nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
