/* Expected rows against those that were found. */
#include "cmd/test_run.h"

static bool same_cell(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static bool same_row(const char **a, const char **b, uint32_t n)
{
    for (uint32_t c = 0; c < n; c++)
        if (!same_cell(a[c], b[c]))
            return false;
    return true;
}

/* Pair equal rows: partner[i] of an expected row, UINT32_MAX: none; taken bits of the found ones. */
static void pair(const struct test_rows *expected, const struct test_rows *found, uint32_t *partner, uint64_t *taken)
{
    for (uint32_t i = 0; i < expected->count; i++) {
        partner[i] = UINT32_MAX;
        for (uint32_t k = 0; k < found->count && partner[i] == UINT32_MAX; k++)
            if (!bit_get(taken, k) && same_row(expected->cells[i], found->cells[k], expected->ncols)) {
                partner[i] = k;
                bit_set(taken, k);
            }
    }
}

static bool is_in_order(const uint32_t *partner, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (partner[i] != i)
            return false;
    return true;
}

static void put(struct test_failure *f, const char *mark, const char **cells)
{
    f->lines[f->nlines] = mark;
    f->cells[f->nlines++] = cells;
}

/* Behind a row that is missing stand those found that look like it: the same first column. */
static void put_difference(const struct test_rows *expected, const struct test_rows *found, const uint32_t *partner,
                           uint64_t *taken, struct test_failure *f)
{
    for (uint32_t i = 0; i < expected->count; i++) {
        put(f, partner[i] == UINT32_MAX ? "-" : " ", expected->cells[i]);
        for (uint32_t k = 0; partner[i] == UINT32_MAX && k < found->count; k++)
            if (!bit_get(taken, k) && same_cell(expected->cells[i][0], found->cells[k][0])) {
                put(f, "+", found->cells[k]);
                bit_set(taken, k);
                break;
            }
    }
    for (uint32_t k = 0; k < found->count; k++)
        if (!bit_get(taken, k))
            put(f, "+", found->cells[k]);
}

bool test_compare(const struct test_action *expectation, const struct test_rows *found, struct arena *a,
                  struct test_failure *ret)
{
    const struct test_rows *expected = &expectation->expected;
    uint32_t *partner = arena_array(a, expected->count, sizeof *partner), missing = 0;
    uint64_t *taken = arena_zarray(a, BITMAP_WORDS(found->count) + 1, sizeof *taken);
    pair(expected, found, partner, taken);
    for (uint32_t i = 0; i < expected->count; i++)
        missing += partner[i] == UINT32_MAX;
    bool same = missing == 0 && expected->count == found->count;
    if (same && (!expectation->ordered || is_in_order(partner, expected->count)))
        return true;
    uint32_t most = expected->count + found->count;
    *ret = (struct test_failure){.place = expectation->place, .columns = expectation->columns, .order = same};
    ret->lines = arena_array(a, most, sizeof *ret->lines);
    ret->cells = arena_array(a, most, sizeof *ret->cells);
    if (same)
        for (uint32_t k = 0; k < found->count; k++)
            put(ret, " ", found->cells[k]);
    else
        put_difference(expected, found, partner, taken, ret);
    return false;
}
