/* Aggregates: whatever the order, the division among workers, and the rows that come and go again, the result is the
 * same, and the same by row as by column; exact sums of doubles against Python's math.fsum. What each aggregate answers
 * is checked against PostgreSQL in tests/sql/functions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/decimal.h"
#include "expr/aggregate.h"
#include "expr/exact_sum.h"
#include "expr/function.h"
#include "expr/multiset.h"
#include "expr/packed.h"
#include "tsv.h"

enum { ROWS = 64, WORKERS = 4, ROUNDS = 200 };

static uint64_t seed = 12345;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static void fill(struct column *c, struct arena *a, uint32_t r)
{
    static const double doubles[] = {0, -0.0, 1e308, -1e308, 5e-324, 0.1, 1e16, -3.5};
    int64_t word = (int64_t)(seed * 0x9e3779b97f4a7c15) >> below(60);
    switch (c->type.id) {
    case TYPE_BOOL: ((uint8_t *)c->data)[r] = (uint8_t)below(2); break;
    case TYPE_INT4:
    case TYPE_DATE: ((int32_t *)c->data)[r] = (int32_t)word; break;
    case TYPE_FLOAT8: ((double *)c->data)[r] = doubles[below(ARRAY_LEN(doubles))]; break;
    case TYPE_INTERVAL: ((struct interval *)c->data)[r] = (struct interval){word >> 8, (int32_t)below(99), -3}; break;
    case TYPE_NUMERIC: column_set_numeric(c, r, (int128)word * (c->type.precision > 18 ? 1000000007 : 1)); break;
    case TYPE_TEXT: {
        char *text = arena_printf(a, "%.*s%u", (int)below(20), "a prefix of any size", below(50));
        ((struct view *)c->data)[r] = view_of(text, strlen(text));
        break;
    }
    default: ((int64_t *)c->data)[r] = word;
    }
}

/* The result as text, or its SQLSTATE, or NULL. */
static const char *final_text(const struct aggregate *g, const void *state, struct type arg, struct arena *a)
{
    struct column out = column_make(a, g->result(arg), 1, true);
    const char *sqlstate = NULL;
    if (!g->final(state, arg, &out, 0, a, &sqlstate))
        return sqlstate ? sqlstate : "NULL";
    bit_set(out.valid, 0);
    struct buf text = BUF(MIB(1));
    column_print(&out, 0, &text);
    const char *copy = arena_strdup(a, buf_cstr(&text));
    buf_release(&text);
    return copy;
}

static void release(const struct aggregate *g, void *state)
{
    if (g->release)
        g->release(state);
    free(state);
}

/* Through bytes and back, as states are kept. */
static void *repack(const struct aggregate *g, void *state)
{
    void *copy = mem_zalloc(g->state_size);
    struct buf bytes = BUF(MIB(1));
    if (g->pack) {
        g->pack(state, &bytes);
        /* Cut anywhere, the bytes are refused. */
        struct reader cut = reader_of((struct slice){bytes.data, bytes.len - 1});
        assert_false(g->unpack(&cut, copy));
        struct reader in = reader_of(buf_slice(&bytes));
        assert_true(g->unpack(&in, copy));
        assert_int_equal(reader_left(&in), 0);
    } else {
        memcpy(copy, state, g->state_size);
    }
    buf_release(&bytes);
    release(g, state);
    return copy;
}

/* What the packed values of an aggregate are. */
static enum type_id inside(const struct aggregate *g)
{
    bool doubles = g->shape == SHAPE_PAIR || g->shape == SHAPE_QUANTILE || strcmp(g->name, "percentile_cont") == 0;
    return doubles ? TYPE_FLOAT8 : TYPE_TEXT;
}

/* The type of the one column that is read; of a packed one, and what is packed: see pack_argument. */
static struct type concrete(const struct aggregate *g, bool wide)
{
    if (g->shape != SHAPE_ONE)
        return (struct type){.id = TYPE_BYTEA, .element = (uint8_t)inside(g)};
    if (g->arg == TYPE_NUMERIC)
        return wide ? type_numeric(38, 4) : type_numeric(18, 2);
    return g->arg == TYPE_UNKNOWN || (unsigned)g->arg >= TYPE_COUNT ? TYPE(TYPE_INT8) : TYPE(g->arg);
}

/* The column of two random arguments that an aggregate of another shape reads. */
static void pack_argument(const struct aggregate *g, struct column *c, struct arena *a, uint32_t r)
{
    enum type_id first = inside(g);
    struct column args[2] = {column_make(a, TYPE(first), 1, false), column_make(a, TYPE(first), 1, false)};
    struct expr *values[2], *packed, *folded;
    static const char *const letters[] = {[SHAPE_PAIR] = "vv", [SHAPE_CHOICE] = "rv", [SHAPE_QUANTILE] = "vv",
                                          [SHAPE_STRINGS] = "vo", [SHAPE_JSON] = "v", [SHAPE_MEMBERS] = "ov",
                                          [SHAPE_ARRAY] = "o", [SHAPE_ANY] = "rv", [SHAPE_WITHIN] = "rw"};
    static const char half[] = "\0\1\0\0\0\0\0\0\xe0\x3f"; /* ascending, 0.5 */
    for (int i = 0; i < 2; i++) {
        fill(&args[i], a, 0);
        if (i == 0 && g->shape == SHAPE_QUANTILE)
            *(double *)args[i].data = 0.5;
        if (i == 1 && g->shape == SHAPE_MEMBERS)
            ((struct view *)args[i].data)[0] = view_of("1", 1);
        if (i == 1 && g->shape == SHAPE_WITHIN) {
            args[i] = column_make(a, TYPE(TYPE_BYTEA), 1, false);
            ((struct view *)args[i].data)[0] = view_of(half, sizeof half - 1);
        }
        values[i] = expr_const(a, args[i].type, false, -1);
        values[i]->value = args[i];
    }
    packed = packed_row(a, letters[g->shape], values, (uint32_t)strlen(letters[g->shape]), TYPE(TYPE_TEXT), -1);
    assert_int_equal(function_fold(a, packed, &folded), OK);
    ((struct view *)c->data)[r] = *column_view(&folded->value, 0);
}

static void fill_argument(const struct aggregate *g, struct column *c, struct arena *a, uint32_t r)
{
    if (g->shape == SHAPE_ONE)
        fill(c, a, r);
    else
        pack_argument(g, c, a, r);
}

static void check_one(const struct aggregate *g, struct arena *a, bool wide, bool nulls)
{
    struct type type = concrete(g, wide);
    struct column col = column_make(a, type, ROWS, nulls);
    const struct column *arg = g->arg == TYPE_UNKNOWN && g->shape == SHAPE_ONE ? NULL : &col;
    int64_t memory = aggregate_memory();
    void *one = mem_zalloc(g->state_size), *many[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        many[i] = mem_zalloc(g->state_size);
    int64_t weights[ROWS];
    uint32_t rows[ROWS], order[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) {
        fill_argument(g, &col, a, r);
        if (nulls && below(3))
            bit_set(col.valid, r);
        weights[r] = g->retracts ? (int64_t)below(3) + 1 : 1;
        rows[r] = order[r] = r;
    }
    for (uint32_t r = ROWS - 1; r > 0; r--) {
        uint32_t other = below(r + 1), kept = order[r];
        order[r] = order[other];
        order[other] = kept;
    }
    /* All rows at once and in order... */
    void *states[ROWS];
    for (uint32_t r = 0; r < ROWS; r++)
        states[r] = one;
    g->update(states, arg, rows, ROWS, weights);
    /* ...and shuffled among workers, each of weight w as w rows, some taken back and given again. */
    for (uint32_t i = 0; i < ROWS; i++) {
        void *state = many[below(WORKERS)];
        int64_t back[ROWS];
        back[order[i]] = -weights[order[i]];
        for (int64_t w = 0; w < weights[order[i]]; w++)
            g->update(&state, arg, &order[i], 1, NULL);
        if (g->retracts && below(2)) {
            g->update(&many[below(WORKERS)], arg, &order[i], 1, back);
            g->update(&many[below(WORKERS)], arg, &order[i], 1, weights);
        }
    }
    for (int i = 0; i < WORKERS; i++)
        many[i] = repack(g, many[i]);
    for (int i = 1; i < WORKERS; i++)
        g->merge(many[0], many[i]);
    char id[64];
    const char *want = final_text(g, one, type, a), *got = final_text(g, many[0], type, a);
    if (strcmp(want, got) != 0)
        fail_msg("%s: %s and %s", aggregate_id(g, id), want, got);
    release(g, one);
    for (int i = 0; i < WORKERS; i++)
        release(g, many[i]);
    assert_int_equal(aggregate_memory(), memory);
}

static void test_results_do_not_depend_on_order_workers_or_history(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        for (uint32_t round = 0; round < ROUNDS; round++) {
            check_one(g, &a, round % 2, round % 4 > 1);
            arena_reset(&a);
        }
    arena_release(&a);
}

/* The kernel over grouped rows against the one that goes row by row: the same result, whatever the groups. Two numbers
 * may stand for one group. */
static void check_fold(const struct aggregate *g, struct arena *a, bool wide)
{
    enum { OFFSET = 16 };
    uint32_t ngroups = 1 + below(below(2) ? 6 : ROWS), n = 0, distinct = MAX(ngroups - below(2), 1u);
    struct type type = concrete(g, wide);
    struct column col = column_make(a, type, ROWS, false);
    uint32_t rows[ROWS], groups[ROWS], *counts = arena_zarray(a, ngroups, sizeof *counts);
    void *states[ROWS], *plain[ROWS];
    char *values[ROWS];
    for (uint32_t i = 0; i < ngroups; i++) {
        values[i] = i < distinct ? arena_zalloc(a, OFFSET + g->state_size) : values[0];
        plain[i] = i < distinct ? mem_zalloc(g->state_size) : plain[0];
    }
    for (uint32_t round = 0; round < 2; round++, n = 0) { /* onto what is there, too */
        memset(counts, 0, ngroups * sizeof *counts);
        for (uint32_t r = 0; r < ROWS; r++) {
            fill(&col, a, r);
            if (below(3) == 0)
                continue;
            groups[n] = below(ngroups);
            counts[groups[n]]++;
            states[n] = plain[groups[n]];
            rows[n++] = r;
        }
        struct aggregate_rows in = {rows, groups, n, ngroups, counts, values,
                                    arena_array(a, ngroups, sizeof(int64_t))};
        g->fold(&in, g->arg == TYPE_UNKNOWN ? NULL : &col, OFFSET);
        g->update(states, g->arg == TYPE_UNKNOWN ? NULL : &col, rows, n, NULL);
    }
    char id[64];
    for (uint32_t i = 0; i < distinct; i++) {
        const char *want = final_text(g, plain[i], type, a), *got = final_text(g, values[i] + OFFSET, type, a);
        if (strcmp(want, got) != 0)
            fail_msg("%s, group %u of %u: %s and %s", aggregate_id(g, id), i, ngroups, want, got);
        release(g, plain[i]);
    }
}

static void test_columns_add_up_like_rows(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct aggregate *g;
    uint32_t folding = 0;
    for (size_t i = 0; (g = aggregate_at(i)); i++) {
        folding += g->fold != NULL;
        for (uint32_t round = 0; g->fold && round < ROUNDS; round++) {
            check_fold(g, &a, round % 2);
            arena_reset(&a);
        }
    }
    assert_true(folding > 20);
    arena_release(&a);
}

/* Everything taken back leaves the empty state, bit for bit. */
static void test_retraction_leaves_no_residue(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)); i++) {
        if (!g->retracts)
            continue;
        struct column col = column_make(&a, concrete(g, true), ROWS, false);
        void *one = mem_zalloc(g->state_size), *empty = mem_zalloc(g->state_size), *states[ROWS];
        int64_t back[ROWS];
        uint32_t rows[ROWS];
        for (uint32_t r = 0; r < ROWS; r++) {
            fill_argument(g, &col, &a, r);
            states[r] = one;
            back[r] = -1;
            rows[r] = r;
        }
        g->update(states, &col, rows, ROWS, NULL);
        assert_memory_not_equal(one, empty, g->state_size);
        g->update(states, &col, rows, ROWS, back);
        assert_memory_equal(one, empty, g->state_size);
        release(g, one);
        release(g, empty);
    }
    arena_release(&a);
}

/* Against an array of counts: 200,000 changes of 1,000 keys, of both kinds. */
static void test_a_multiset_counts(void **state)
{
    (void)state;
    enum { KEYS = 1000, CHANGES = 200000 };
    static int64_t counts[KEYS];
    int64_t memory = *multiset_memory();
    for (int bytes = 0; bytes < 2; bytes++) {
        struct multiset s = {0}, other = {0};
        uint32_t used = 0, present = 0;
        memset(counts, 0, sizeof counts);
        for (int i = 0; i < CHANGES; i++) {
            uint32_t key = below(i % 20000 < 10000 ? KEYS : 10); /* it grows, and shrinks */
            int64_t weight = i % 20000 >= 15000 ? -counts[key] : (int64_t)below(5) - 2;
            char text[64];
            int n = snprintf(text, sizeof text, "%*u", (int)(key % 40), key);
            counts[key] += weight;
            if (bytes)
                multiset_add_bytes(&s, (struct slice){text, (size_t)n}, weight);
            else
                multiset_add_word(&s, key * UINT64_C(1) << 40, weight);
        }
        for (int k = 0; k < KEYS; k++) {
            used += counts[k] != 0;
            present += counts[k] > 0;
        }
        assert_int_equal(s.used, used);
        assert_int_equal(s.present, present);
        const struct multiset_slot *slot;
        for (uint32_t at = 0; (slot = multiset_next(&s, &at));)
            assert_int_equal(slot->count, counts[bytes ? strtoul(multiset_key(slot).data, NULL, 10) : slot->key >> 40]);
        multiset_merge(&other, &s);
        assert_int_equal(other.used, used);
        multiset_release(&s);
        multiset_release(&other);
    }
    assert_int_equal(*multiset_memory(), memory);
}

/* The errors that docs/sql.md states, on a million rows. */
static void test_sketches_keep_their_error(void **state)
{
    (void)state;
    enum { VALUES = 1000000, BATCH = 1000 };
    struct arena a = {0};
    const struct aggregate *count = aggregate_by_id("approx_count_distinct(any)");
    void *counter = mem_zalloc(count->state_size), *states[BATCH];
    struct column col = column_make(&a, TYPE(TYPE_INT8), BATCH, false);
    struct column out = column_make(&a, TYPE(TYPE_INT8), 1, false);
    uint32_t rows[BATCH];
    const char *sqlstate = NULL;
    for (int64_t from = 0; from < VALUES; from += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            ((int64_t *)col.data)[i] = (from + i) * 7919;
            rows[i] = i;
            states[i] = counter;
        }
        count->update(states, &col, rows, BATCH, NULL);
        count->update(states, &col, rows, BATCH, NULL); /* twice is once */
        assert_true(count->final(counter, col.type, &out, 0, &a, &sqlstate));
        double exact = (double)(from + BATCH), got = (double)*(int64_t *)out.data;
        if (fabs(got - exact) > 0.0163 * 3.5 * exact)
            fail_msg("%.0f of %.0f", got, exact);
    }
    release(count, counter);
    arena_release(&a);
}

static double from_hex(const char *text)
{
    uint64_t bits = strtoull(text, NULL, 16);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void test_exact_sums_are_exact(void **state)
{
    (void)state;
    struct tsv t;
    tsv_open(&t, "exact_sums.tsv");
    while (tsv_next(&t)) {
        struct exact_sum s = {0};
        struct exact_squares squares = {0};
        uint64_t n = 0;
        double got = 0, want = from_hex(t.field[1].data), spread = INFINITY, want_spread = from_hex(t.field[2].data);
        for (char *word = strtok((char *)t.field[0].data, " "); word; word = strtok(NULL, " "), n++) {
            exact_sum_add(&s, from_hex(word), 1);
            exact_squares_add(&squares, from_hex(word), 1);
        }
        assert_true(exact_sum_round(&s, &got));
        if (got != want)
            fail_msg("line %zu: %a, expected %a", t.line, got, want);
        /* Two roundings: of the spread, and of its quotient. */
        if (!exact_spread(&s, &squares, n, (uint128)n * n, &spread))
            assert_true(isinf(want_spread));
        else if (fabs(spread - want_spread) > 0x1p-51 * want_spread)
            fail_msg("line %zu: variance %a, expected %a", t.line, spread, want_spread);
    }
    assert_true(t.line > 100);
    tsv_close(&t);
}

static void test_sums_past_any_double_come_back(void **state)
{
    (void)state;
    struct exact_sum s = {0};
    double v = 0;
    exact_sum_add(&s, 1.7976931348623157e308, INT64_MAX);
    assert_false(exact_sum_round(&s, &v));
    exact_sum_add(&s, -1.7976931348623157e308, INT64_MAX - 1);
    assert_true(exact_sum_round(&s, &v));
    assert_true(v == 1.7976931348623157e308);
}

static void test_wide_sums_do_not_overflow_inside(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct aggregate *sum = aggregate_by_id("sum(numeric)");
    struct column col = column_make(&a, type_numeric(38, 0), 2, false);
    column_set_numeric(&col, 0, decimal_pow10[38] - 1);
    column_set_numeric(&col, 1, -(decimal_pow10[38] - 1));
    void *state_of_sum = mem_zalloc(sum->state_size), *states[] = {state_of_sum, state_of_sum};
    int64_t weights[] = {INT64_MAX / 2, INT64_MAX / 2 - 1};
    uint32_t rows[] = {0, 1};
    sum->update(states, &col, rows, 1, weights);
    assert_string_equal(final_text(sum, state_of_sum, col.type, &a), "22003");
    sum->update(states, &col, rows + 1, 1, weights);
    assert_string_equal(final_text(sum, state_of_sum, col.type, &a), "99999999999999999999999999999999999999");
    release(sum, state_of_sum);
    arena_release(&a);
}

static void test_aggregates_are_found_by_name_and_by_id(void **state)
{
    (void)state;
    struct arena a = {0};
    struct error err;
    char id[64];
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        assert_ptr_equal(aggregate_by_id(aggregate_id(g, id)), g);
    assert_null(aggregate_by_id("sum(text)"));
    struct expr *text = expr_column(&a, 0, TYPE(TYPE_TEXT), -1), *arg = text;
    assert_int_equal(aggregate_resolve(&a, "lower", &arg, 1, &g, &err), OK);
    assert_null(g);
    assert_int_equal(aggregate_resolve(&a, "sum", &arg, 1, &g, &err), FAILED);
    assert_string_equal(err.text, "function sum(text) does not exist");
    assert_int_equal(aggregate_resolve(&a, "count", &arg, 1, &g, &err), OK);
    assert_string_equal(aggregate_id(g, id), "count(any)");
    assert_int_equal(aggregate_resolve(&a, "count", NULL, 0, &g, &err), OK);
    assert_string_equal(aggregate_id(g, id), "count(*)");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_do_not_depend_on_order_workers_or_history),
        cmocka_unit_test(test_columns_add_up_like_rows),
        cmocka_unit_test(test_retraction_leaves_no_residue),
        cmocka_unit_test(test_a_multiset_counts),
        cmocka_unit_test(test_sketches_keep_their_error),
        cmocka_unit_test(test_exact_sums_are_exact),
        cmocka_unit_test(test_sums_past_any_double_come_back),
        cmocka_unit_test(test_wide_sums_do_not_overflow_inside),
        cmocka_unit_test(test_aggregates_are_found_by_name_and_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
