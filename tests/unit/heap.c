/* base/heap on disk: pieces keep their bytes however they leave memory, whoever makes and frees them; disk is given
 * back; a full disk is an error of heap_check, never of an allocation. */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/os.h"
#include "base/page_file.h"

enum { PIECES = 3000, STEPS = 16000, THREADS = 4 };

static char folder[] = "heap-test-XXXXXX";

struct piece {
    unsigned char *bytes;
    size_t size;
    unsigned char value;
};

static uint64_t next(uint64_t *seed) { return hash_mix(++*seed); }

/* Mostly small, some of several spans. */
static size_t random_size(uint64_t *seed)
{
    uint64_t r = next(seed);
    return (size_t)(r % 100 < 90 ? (r >> 8) % 600 : r % 100 < 99 ? (r >> 8) % 40000 : (r >> 8) % 2000000);
}

static void expect_bytes(const unsigned char *p, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != value)
            fail_msg("byte %zu of %zu is %u, not %u", i, size, p[i], value);
}

static void make(struct piece *p, uint64_t *seed)
{
    size_t size = random_size(seed);
    bool zero = next(seed) % 2;
    p->value = (unsigned char)next(seed);
    p->bytes = zero ? heap_zalloc(size) : heap_alloc(size);
    p->size = size;
    assert((uintptr_t)p->bytes % 16 == 0);
    if (zero)
        expect_bytes(p->bytes, size, 0);
    if (size)
        memset(p->bytes, p->value, size);
}

static void resize(struct piece *p, uint64_t *seed)
{
    size_t size = random_size(seed);
    p->bytes = heap_realloc(p->bytes, size);
    expect_bytes(p->bytes, MIN(size, p->size), p->value);
    p->size = size;
    if (size)
        memset(p->bytes, p->value, size);
}

static void drop(struct piece *p)
{
    expect_bytes(p->bytes, p->size, p->value);
    heap_free(p->bytes);
    *p = (struct piece){0};
}

static void turn_over(struct piece *pieces, uint32_t n, uint32_t steps, uint64_t seed)
{
    for (uint32_t i = 0; i < steps; i++) {
        struct piece *p = &pieces[next(&seed) % n];
        if (!p->bytes)
            make(p, &seed);
        else if (next(&seed) % 4 == 0)
            resize(p, &seed);
        else
            drop(p);
        if (i % 64 == 0)
            heap_tend();
    }
}

static int open_folder(void **state)
{
    (void)state;
    struct error err;
    uint64_t number;
    os_random(&number, sizeof number);
    snprintf(folder, sizeof folder, "heap-test-%06u", (unsigned)(number % 1000000));
    return os_mkdirs(folder, &err) == OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    struct error err;
    return os_rmdir(folder, &err) == OK ? 0 : -1; /* it is empty: the file has no name */
}

static void spill(uint64_t memory)
{
    struct error err;
    char said[1200];
    if (heap_spill(folder, memory, &err) != OK)
        fail_msg("%s", error_print(&err, said, sizeof said));
}

static void test_without(void **state)
{
    (void)state;
    static struct piece pieces[PIECES];
    turn_over(pieces, PIECES, STEPS / 4, 1);
    struct heap_status s;
    heap_status(&s);
    assert_int_equal(s.disk, 0);
    spill(MIB(1)); /* what was made before is freed all the same */
    for (uint32_t i = 0; i < PIECES; i++)
        if (pieces[i].bytes)
            drop(&pieces[i]);
    heap_end();
}

/* A hundred times the memory that it may take, and disk goes back when all is freed. */
static void test_turnover(void **state)
{
    (void)state;
    static struct piece pieces[PIECES];
    struct error err;
    struct heap_status s;
    spill(MIB(2));
    turn_over(pieces, PIECES, STEPS, 7);
    heap_tend();
    heap_status(&s);
    assert_true(s.disk > MIB(8));
    assert_true(s.memory <= s.limit + MIB(4)); /* what came since, at most one large piece */
    assert_true(heap_check(&err) == OK);
    for (uint32_t i = 0; i < PIECES; i++)
        if (pieces[i].bytes)
            drop(&pieces[i]);
    heap_status(&s);
    assert_true(s.disk < MIB(12)); /* a span of each size may stay */
    heap_end();
}

/* What is said to be in memory is what the kernel says, and it is not more than was allowed. */
static void test_memory_is_held(void **state)
{
    (void)state;
    enum { COUNT = 40000, SIZE = 1000 };
    static uint64_t *all[COUNT];
    uint64_t seed = 3;
    struct heap_status s;
    spill(MIB(4));
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = heap_zalloc(SIZE);
        all[i][0] = i;
        if (i % 128 == 0)
            heap_tend();
    }
    uint64_t before = os_memory_resident();
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t k = (uint32_t)(next(&seed) % COUNT);
        if (i % 128 == 0)
            for (uint64_t ahead = seed, n = 0; n < 128; n++)
                heap_want(all[next(&ahead) % COUNT]);
        assert_int_equal(all[k][0], k);
        all[k][1]++;
        if (i % 128 == 0)
            heap_tend();
    }
    heap_tend();
    heap_status(&s);
    assert_true(s.disk >= (uint64_t)COUNT * SIZE);
    assert_true(s.memory <= s.limit);
    assert_true(os_memory_resident() < before + MIB(6));
    for (uint32_t i = 0; i < COUNT; i++)
        heap_free(all[i]);
    heap_end();
}

static void test_alignment(void **state)
{
    (void)state;
    spill(MIB(1));
    for (size_t size = 64; size < KIB(70); size += 64 * 7) {
        char *p = heap_aligned(64, size), *q = heap_dup("seven b", 8);
        assert_int_equal((uintptr_t)p % 64, 0);
        expect_bytes((unsigned char *)p, size, 0);
        memset(p, 1, size);
        assert_string_equal(q, "seven b");
        heap_free(p);
        heap_free(q);
    }
    heap_free(NULL);
    heap_end();
}

/* ---- threads: each works on pieces of its own and frees what its neighbour made ---- */

static struct piece shared[THREADS][PIECES / THREADS];

static void *work(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    turn_over(shared[me], PIECES / THREADS, STEPS / THREADS, me * 1000);
    return NULL;
}

static void *sweep(void *arg)
{
    uint32_t mine = ((uint32_t)(uintptr_t)arg + 1) % THREADS;
    for (uint32_t i = 0; i < PIECES / THREADS; i++)
        if (shared[mine][i].bytes)
            drop(&shared[mine][i]);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct os_thread threads[THREADS];
    spill(MIB(2));
    for (int round = 0; round < 2; round++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            os_thread_start(&threads[i], work, (void *)i, "work");
        for (uint32_t i = 0; i < THREADS; i++)
            os_thread_join(&threads[i]);
        for (uintptr_t i = 0; i < THREADS; i++)
            os_thread_start(&threads[i], sweep, (void *)i, "sweep");
        for (uint32_t i = 0; i < THREADS; i++)
            os_thread_join(&threads[i]);
    }
    heap_end();
}

/* ---- refused ---- */

static void test_memory_is_no_disk(void **state)
{
    (void)state;
    struct error err;
    struct os_stat st;
    if (os_stat("/dev/shm", &st, &err) != OK || st.kind != OS_FOLDER)
        skip();
    assert_int_equal(heap_spill("/dev/shm", MIB(1), &err), FAILED);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "tmpfs"));
    assert_false(heap_spills);
    assert_int_equal(heap_spill("/proc/nowhere", MIB(1), &err), FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without),   cmocka_unit_test(test_turnover), cmocka_unit_test(test_memory_is_held),
        cmocka_unit_test(test_alignment), cmocka_unit_test(test_threads),  cmocka_unit_test(test_memory_is_no_disk),
    };
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
