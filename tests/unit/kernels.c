/* Every function and cast, over columns whose NULL lanes and dead rows hold any bits at all: what a kernel makes of
 * many rows is what it makes of each row alone, in a batch of one. Under UndefinedBehaviorSanitizer this is also where
 * arithmetic on lanes that mean nothing shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "expr/function.h"
#include "expr/program.h"

enum { ROWS = 130, MOST_ARGS = 8, TRIES = 24 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- values, as text ---- */

static const char *const bools[] = {"t", "f", NULL};
static const char *const ints[] = {"0", "1", "-1", "2", "7", "2147483647", "-2147483648", NULL};
static const char *const bigints[] = {"0", "1", "-1", "3", "9223372036854775807", "-9223372036854775808", NULL};
static const char *const doubles[] = {"0", "-0", "1", "-2.5", "1e300", "NaN", "Infinity", "-Infinity", "5e-324", NULL};
static const char *const numerics[] = {"0", "0.5", "-0.25", "0.99", NULL};
static const char *const larger_numerics[] = {"0", "1", "-7.5", "99", "-99.5", NULL};
static const char *const texts[] = {"", "a", "year", "day", "YYYY-MM-DD", "2024-02-29", "12.5", "9", "{\"a\": [1]}",
                                    "a.*", "ünïcödé and more of it", "%a_", "UTC", "99D9", "1 day", "hex", NULL};
static const char *const byteas[] = {"\\x", "\\x00", "\\x00ff00ff00ff00ff00ff00ff00", NULL};
static const char *const uuids[] = {"00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                    NULL};
static const char *const dates[] = {"0001-01-01", "9999-12-31", "1970-01-01", "2024-02-29", NULL};
static const char *const times[] = {"0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "2024-02-29 12:00:00.5",
                                    "1969-12-31 23:59:59.999999", NULL};
static const char *const intervals[] = {"0", "1 mon", "-1 day", "2147483647 days", "-178000000 years",
                                        "2562047788:00:54.775807", "00:00:00.000001", NULL};
static const char *const jsons[] = {"1", "null", "\"a\"", "{}", "{\"a\": {\"b\": [1, 2.50]}}", "[1, \"a\", null]",
                                    NULL};
static const char *const arrays[] = {"{}", "{NULL}", "{1}", "{1,NULL,0}", NULL};

static const char *const *const pools[TYPE_COUNT] = {
    [TYPE_BOOL] = bools, [TYPE_INT4] = ints, [TYPE_INT8] = bigints, [TYPE_FLOAT8] = doubles, [TYPE_NUMERIC] = numerics,
    [TYPE_TEXT] = texts, [TYPE_BYTEA] = byteas, [TYPE_UUID] = uuids, [TYPE_DATE] = dates, [TYPE_TIMESTAMP] = times,
    [TYPE_TIMESTAMPTZ] = times, [TYPE_INTERVAL] = intervals, [TYPE_JSONB] = jsons, [TYPE_ARRAY] = arrays,
};

static const char *value_of(struct type t)
{
    const char *const *pool = t.id == TYPE_NUMERIC && t.precision - t.scale > 1 ? larger_numerics : pools[t.id];
    uint32_t n = 0;
    while (pool[n])
        n++;
    return pool[below(n)];
}

static void set(struct column *c, size_t row, struct arena *a)
{
    struct error err;
    const char *text = value_of(c->type);
    if (c->type.id == TYPE_ARRAY && c->type.element != TYPE_INT4 && c->type.element != TYPE_TEXT)
        text = below(2) ? "{}" : "{NULL,NULL}"; /* what every type can hold */
    enum status s = column_parse(c, row, slice_of(text), a, &err);
    if (s != OK)
        fail_msg("%s: %s", text, err.text);
}

/* Bits that are no value. Strings of NULL lanes are {0} (column/batch.h). */
static void scribble(struct column *c, size_t row, bool dead)
{
    size_t width = type_width(c->type);
    unsigned char *p = (unsigned char *)c->data + row * width;
    if (type_is_view(c->type) && !dead) {
        memset(p, 0, width);
        return;
    }
    for (size_t i = 0; i < width; i++)
        p[i] = below(3) == 0 ? 0xff : below(2) ? 0x7f : (unsigned char)below(256);
}

static struct batch *random_batch(struct arena *a, const struct type *types, uint32_t n)
{
    struct batch *b = batch_make(a, types, n, ROWS);
    uint32_t *sel = arena_array(a, ROWS, sizeof *sel), live = 0;
    b->rows = ROWS;
    for (uint32_t r = 0; r < ROWS; r++)
        if (below(4))
            sel[live++] = r;
    b->sel = sel;
    b->live = live;
    for (uint32_t i = 0; i < n; i++) {
        bool nulls = below(3) > 0;
        b->cols[i] = column_make(a, types[i], ROWS, nulls);
        for (uint32_t r = 0, next = 0; r < ROWS; r++) {
            bool dead = next == live || sel[next] != r;
            next += !dead;
            if (nulls && below(3) && !dead)
                bit_set(b->cols[i].valid, r);
            if (dead || (nulls && !bit_get(b->cols[i].valid, r)))
                scribble(&b->cols[i], r, dead);
            else
                set(&b->cols[i], r, a);
        }
    }
    return b;
}

static struct batch *one_row(struct arena *a, const struct batch *b, uint32_t row)
{
    struct batch *one = arena_dup(a, b, sizeof *b);
    one->rows = one->live = 1;
    one->sel = NULL;
    one->cols = arena_array(a, b->ncols, sizeof *one->cols);
    for (uint32_t i = 0; i < b->ncols; i++) {
        size_t width = type_width(b->cols[i].type);
        one->cols[i] = column_make(a, b->cols[i].type, 1, column_is_null(&b->cols[i], row));
        if (!one->cols[i].valid)
            memcpy(one->cols[i].data, (const char *)b->cols[i].data + row * width, width);
    }
    return one;
}

/* ---- calls ---- */

static struct type scalar(uint8_t id)
{
    static const struct type kinds[] = {{TYPE_NUMERIC, 12, 2, 0}, {TYPE_NUMERIC, 38, 0, 0}, {TYPE_NUMERIC, 38, 38, 0},
                                        {TYPE_NUMERIC, 30, 10, 0}, {TYPE_NUMERIC, 18, 0, 0}};
    return id == TYPE_NUMERIC ? kinds[below(ARRAY_LEN(kinds))] : TYPE(id);
}

static struct type argument_type(uint8_t arg, struct type same)
{
    switch (arg) {
    case ARG_ANY: return scalar((uint8_t)(1 + below(TYPE_ARRAY - 1)));
    case ARG_SAME:
    case ARG_ELEMENT: return same;
    case ARG_ARRAY:
    case ARG_ALIKE: return type_array(same);
    default: return arg & ARRAY_OF ? type_array(scalar(arg & ~ARRAY_OF)) : scalar(arg);
    }
}

/* The text of a lane: its value, "NULL", or its error. */
static void lane_text(const struct column *c, const struct row_errors *errors, uint32_t row, struct buf *out)
{
    buf_clear(out);
    for (uint32_t i = 0; i < errors->count; i++)
        if (errors->items[i].row == row) {
            buf_printf(out, "error %s", errors->items[i].sqlstate);
            return;
        }
    if (column_is_null(c, row))
        buf_printf(out, "NULL");
    else
        (void)column_print(c, row, out);
}

static void agree(const char *name, struct arena *a, struct expr *e, const struct batch *b)
{
    struct column many, single;
    struct row_errors errors, error;
    AUTO(buf) got = BUF(MIB(64)), want = BUF(MIB(64));
    struct program *p = program_compile(a, &e, 1);
    struct program_state *s = program_state_new(p), *alone = program_state_new(p);
    program_run(p, s, b, 0, a, &many, &errors);
    for (uint32_t i = 0; i < b->live; i++) {
        uint32_t row = batch_row(b, i);
        program_run(p, alone, one_row(a, b, row), 0, a, &single, &error);
        lane_text(&many, &errors, row, &got);
        lane_text(&single, &error, 0, &want);
        if (strcmp(buf_cstr(&got), buf_cstr(&want)) != 0)
            fail_msg("%s, row %u: %.200s of many, %.200s alone", name, row, buf_cstr(&got), buf_cstr(&want));
    }
    program_state_free(alone);
    program_state_free(s);
}

static struct expr *argument(struct arena *a, struct type t, uint32_t column, bool constant)
{
    if (!constant)
        return expr_column(a, column, t, -1);
    struct expr *e = expr_const(a, t, false, -1);
    set(&e->value, 0, a);
    return e;
}

static bool try_function(const struct function *f, struct arena *a)
{
    struct type types[MOST_ARGS], same = scalar((uint8_t)(1 + below(TYPE_ARRAY - 1)));
    struct expr *args[MOST_ARGS], *e;
    struct error err;
    uint32_t n = f->nargs + (f->flags & FN_VARIADIC ? below(3) : 0);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = argument_type(f->args[MIN(i, f->nargs - 1u)], same);
        args[i] = argument(a, types[i], i, below(3) == 0);
    }
    if (expr_call(a, f->name, args, n, -1, &e, &err) != OK || e->kind != EXPR_CALL)
        return false; /* it wants another constant, or is one */
    agree(f->name, a, e, random_batch(a, types, n));
    return true;
}

static void test_functions_take_each_row_by_itself(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct function *f;
    size_t rows = 0, tried = 0;
    for (; (f = function_at(rows)); rows++) {
        bool any = false;
        for (uint32_t i = 0; i < TRIES; i++) {
            any |= try_function(f, &a);
            arena_reset(&a);
        }
        tried += any;
        if (!any)
            printf("# not tried: %s of %u\n", f->name, f->nargs);
    }
    arena_release(&a);
    assert_true(tried > rows * 9 / 10);
}

static void test_casts_take_each_row_by_itself(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct cast *c;
    for (size_t k = 0; (c = cast_at(k)); k++)
        for (uint32_t i = 0; i < TRIES; i++) {
            struct type from = scalar(c->function.args[0]);
            struct expr *e;
            struct error err;
            struct type to = scalar(c->function.result);
            enum status s = expr_cast(&a, expr_column(&a, 0, from, -1), to, CAST_EXPLICIT, -1, &e, &err);
            if (s == OK && e->kind == EXPR_CALL)
                agree(c->function.name, &a, e, random_batch(&a, &from, 1));
            arena_reset(&a);
        }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_functions_take_each_row_by_itself),
                                       cmocka_unit_test(test_casts_take_each_row_by_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
