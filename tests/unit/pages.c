/* base/pages: pieces are zeroed, apart from each other and at a cache line's start, whatever was released before. */
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PIECES = 200, ROUNDS = 20 };

static size_t size_of(unsigned piece, unsigned round) { return ((size_t)piece * 977 + round * 7919) % 300000 + 1; }

static void assert_all(const unsigned char *p, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != value)
            fail_msg("byte %zu of %zu is %u, not %u", i, size, p[i], value);
}

/* Each round every piece makes room for its next; a third of them stays for two rounds. */
static void test_turnover(void **state)
{
    (void)state;
    struct pages *pages = pages_new(false);
    unsigned char *pieces[PIECES] = {0};
    size_t sizes[PIECES] = {0};
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < PIECES; i++) {
            if (pieces[i] && (i + round) % 3 == 0)
                continue;
            unsigned char *next = pages_alloc(pages, size_of(i, round));
            assert_int_equal((uintptr_t)next % 64, 0);
            assert_all(next, size_of(i, round), 0);
            memset(next, (int)i + 1, size_of(i, round));
            if (pieces[i])
                assert_all(pieces[i], sizes[i], (unsigned char)(i + 1));
            pages_release(pages, pieces[i], sizes[i]);
            pieces[i] = next;
            sizes[i] = size_of(i, round);
        }
    for (unsigned i = 0; i < PIECES; i++) {
        assert_all(pieces[i], sizes[i], (unsigned char)(i + 1));
        pages_release(pages, pieces[i], sizes[i]);
    }
    pages_free(pages);
    pages_free(NULL);
}

static void test_larger_than_a_chunk(void **state)
{
    (void)state;
    struct pages *pages = pages_new(false);
    size_t large = MIB(40) + 1;
    unsigned char *small = pages_alloc(pages, MIB(1)), *p = pages_alloc(pages, large);
    assert_all(p, large, 0);
    memset(p, 1, large);
    pages_release(pages, small, MIB(1));
    pages_release(pages, p, large);
    unsigned char *again = pages_alloc(pages, large);
    assert_all(again, large, 0);
    pages_release(pages, again, large);
    pages_free(pages);
}

/* What was fetched ahead is zeroed as the rest is, in a new chunk and in one that is cut anew. */
static void test_fetched_ahead(void **state)
{
    (void)state;
    struct pages *pages = pages_new(false);
    unsigned char *pieces[64];
    pages_prepare(pages); /* nothing is cut yet */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
            pieces[i] = pages_alloc(pages, 500000);
            for (unsigned k = 0; k < i % 7; k++)
                pages_prepare(pages);
            assert_all(pieces[i], 500000, 0);
            memset(pieces[i], (int)i + 1, 500000);
        }
        for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
            assert_all(pieces[i], 500000, (unsigned char)(i + 1));
            pages_release(pages, pieces[i], 500000);
        }
    }
    pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turnover), cmocka_unit_test(test_larger_than_a_chunk),
                                       cmocka_unit_test(test_fetched_ahead)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
