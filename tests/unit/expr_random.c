/* Random expressions over random columns: what programs compute by column, a plain evaluator computes again row by row,
 * with values, NULLs and errors as three kinds of answers. The evaluator is written from the definitions (three-valued
 * logic, left to right) and knows nothing of batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/decimal.h"
#include "expr/function.h"
#include "expr/program.h"

enum { ROWS = 300, COLUMNS = 10, ROUNDS = 3000, DEPTH = 4 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- columns full of limits ---- */

static const struct type types[COLUMNS] = {
    {.id = TYPE_INT4}, {.id = TYPE_INT4}, {.id = TYPE_INT8}, {.id = TYPE_INT8}, {.id = TYPE_BOOL}, {.id = TYPE_BOOL},
    {TYPE_NUMERIC, 12, 2}, {TYPE_NUMERIC, 30, 4}, {.id = TYPE_TEXT}, {.id = TYPE_TEXT},
};

static int64_t random_int(int64_t most)
{
    static const int64_t near[] = {0, 1, -1, 2, 3, 10, -7};
    switch (below(4)) {
    case 0: return most;
    case 1: return -most - 1;
    case 2: return (int64_t)(seed % (uint64_t)most) - most / 2;
    default: return near[below(ARRAY_LEN(near))];
    }
}

static void fill(struct column *c, struct arena *a, uint32_t r)
{
    static const char *const words[] = {"", "a", "b", "twelve bytes", "thirteen byte", "thirteen bytf", "\xc3\xa9",
                                        "twenty bytes are it.", "twenty bytes are it!", "twenty bytes were it",
                                        "twenty-one bytes here", "twenty-one bytes her!"};
    switch (c->type.id) {
    case TYPE_BOOL: ((uint8_t *)c->data)[r] = (uint8_t)below(2); break;
    case TYPE_INT4: ((int32_t *)c->data)[r] = (int32_t)random_int(INT32_MAX); break;
    case TYPE_INT8: ((int64_t *)c->data)[r] = random_int(INT64_MAX); break;
    case TYPE_TEXT: {
        const char *w = words[below(ARRAY_LEN(words))];
        const char *place = below(8) ? w : arena_strdup(a, w); /* comparisons may go by where strings lie */
        ((struct view *)c->data)[r] = view_of(place, strlen(w));
        break;
    }
    default: {
        int128 limit = decimal_pow10[c->type.precision] - 1;
        int64_t kind = below(4), small = random_int(1000);
        column_set_numeric(c, r, kind == 0 ? limit : kind == 1 ? -limit : small);
    }
    }
}

static struct batch *random_batch(struct arena *a)
{
    struct batch *b = batch_make(a, types, COLUMNS, ROWS);
    uint32_t *sel = arena_array(a, ROWS, sizeof *sel), live = 0;
    b->rows = ROWS;
    for (uint32_t i = 0; i < COLUMNS; i++) {
        bool nulls = below(2);
        b->cols[i] = column_make(a, types[i], ROWS, nulls);
        for (uint32_t r = 0; r < ROWS; r++)
            if (!nulls || below(4)) {
                fill(&b->cols[i], a, r);
                if (nulls)
                    bit_set(b->cols[i].valid, r);
            }
    }
    bool all = below(3) == 0;
    for (uint32_t r = 0; r < ROWS; r++)
        if (all || below(3))
            sel[live++] = r;
    b->sel = all ? NULL : sel;
    b->live = live;
    return b;
}

/* ---- random trees ---- */

static struct expr *tree(struct arena *a, unsigned depth, uint8_t want);

static struct expr *leaf(struct arena *a, uint8_t want)
{
    if (below(8) == 0)
        return expr_null(a, want == TYPE_NUMERIC ? type_numeric(12, 2) : TYPE(want), -1);
    for (;;) {
        uint32_t i = below(COLUMNS);
        if (types[i].id != want)
            continue;
        if (below(4))
            return expr_column(a, i, types[i], -1);
        struct expr *e = expr_const(a, types[i], false, -1);
        fill(&e->value, a, 0);
        return e;
    }
}

static struct expr *built(enum status status, struct expr *const *e, const struct error *err)
{
    /* A product may need more digits than any type has: another tree, then. */
    if (status == OK)
        return *e;
    assert_non_null(strstr(err->text, "digits after the point"));
    return NULL;
}

static struct expr *boolean(struct arena *a, unsigned depth)
{
    static const char *const compare[] = {"=", "<>", "<", "<=", ">", ">=", "is_distinct_from", "is_not_distinct_from"};
    static const uint8_t operand[] = {TYPE_INT4, TYPE_INT8, TYPE_NUMERIC, TYPE_TEXT, TYPE_BOOL};
    struct expr *args[6], *e = NULL;
    struct error err;
    uint8_t id = operand[below(ARRAY_LEN(operand))];
    switch (below(5)) {
    case 0:
    case 1:
        args[0] = tree(a, depth - 1, id);
        args[1] = tree(a, depth - 1, id);
        return built(expr_call(a, compare[below(ARRAY_LEN(compare))], args, 2, -1, &e, &err), &e, &err);
    case 2:
        args[0] = tree(a, depth - 1, id);
        for (uint32_t i = 1; i < 6; i++) {
            do
                args[i] = leaf(a, id);
            while (!expr_is_const(args[i]));
        }
        return built(expr_call(a, "in", args, 2 + below(5), -1, &e, &err), &e, &err);
    case 3: return expr_is_null(a, tree(a, depth - 1, id), -1);
    default: {
        enum expr_kind kind = below(3) ? below(2) ? EXPR_AND : EXPR_OR : EXPR_NOT;
        uint32_t n = kind == EXPR_NOT ? 1 : 2 + below(2);
        for (uint32_t i = 0; i < n; i++)
            args[i] = tree(a, depth - 1, TYPE_BOOL);
        return built(expr_logic(a, kind, args, n, -1, &e, &err), &e, &err);
    }
    }
}

static struct expr *tree(struct arena *a, unsigned depth, uint8_t want)
{
    static const char *const operators[] = {"+", "-", "*", "%", "/"};
    struct expr *args[5], *e = NULL;
    struct error err;
    if (depth == 0 || below(6) == 0)
        return leaf(a, want);
    uint32_t kind = below(8);
    if (kind == 0) {
        for (uint32_t i = 0; i < 5; i++)
            args[i] = tree(a, depth - 1, i % 2 || i == 4 ? want : TYPE_BOOL);
        e = built(expr_case(a, args, 5, -1, &e, &err), &e, &err);
    } else if (kind == 1) {
        for (uint32_t i = 0; i < 3; i++)
            args[i] = tree(a, depth - 1, want);
        e = built(expr_coalesce(a, args, 3, -1, &e, &err), &e, &err);
    } else if (want == TYPE_BOOL) {
        e = boolean(a, depth);
    } else if (want == TYPE_INT8 && kind == 2) {
        e = built(expr_cast(a, tree(a, depth - 1, TYPE_INT4), TYPE(TYPE_INT8), CAST_EXPLICIT, -1, &e, &err), &e, &err);
    } else if (want != TYPE_TEXT) {
        args[0] = tree(a, depth - 1, want);
        args[1] = tree(a, depth - 1, want);
        uint32_t op = below(want == TYPE_NUMERIC ? 3 : 5);
        e = built(expr_call(a, operators[op], args, 2, -1, &e, &err), &e, &err);
    }
    return e ? e : leaf(a, want);
}

/* ---- the plain evaluator ---- */

enum kind { VALUE, NONE, ERROR };

struct answer {
    enum kind kind;
    int128 number; /* of booleans, integers, numerics (at the expression's scale) */
    struct slice text;
    char sqlstate[6];
};

static struct answer failure(const char *sqlstate)
{
    struct answer a = {.kind = ERROR};
    memcpy(a.sqlstate, sqlstate, 5);
    return a;
}

static struct answer truth(bool b) { return (struct answer){.number = b}; }

static struct answer element(const struct column *c, uint32_t row)
{
    struct answer a = {.kind = column_is_null(c, row) ? NONE : VALUE};
    if (a.kind == NONE)
        return a;
    switch (c->type.id) {
    case TYPE_BOOL: a.number = ((const uint8_t *)c->data)[row]; break;
    case TYPE_INT4: a.number = ((const int32_t *)c->data)[row]; break;
    case TYPE_INT8: a.number = ((const int64_t *)c->data)[row]; break;
    case TYPE_TEXT: a.text = view_slice(column_view(c, row)); break;
    default: a.number = column_numeric(c, row);
    }
    return a;
}

static int compare(const struct expr *x, struct answer p, const struct expr *y, struct answer q)
{
    if (x->type.id != TYPE_TEXT)
        return decimal_compare(p.number, x->type.scale, q.number, y->type.scale);
    int order = memcmp(p.text.data, q.text.data, MIN(p.text.len, q.text.len));
    return order ? order : (p.text.len > q.text.len) - (p.text.len < q.text.len);
}

static struct answer in_range(int128 v, struct type t)
{
    if (t.id == TYPE_INT4 && v != (int32_t)v)
        return failure("22003");
    if (t.id == TYPE_INT8 && v != (int64_t)v)
        return failure("22003");
    return (struct answer){.number = v};
}

static struct answer arithmetic(const struct expr *e, char op, struct answer p, struct answer q)
{
    int128 x = p.number, y = q.number, z;
    if ((op == '/' || op == '%') && y == 0)
        return failure("22012");
    if (e->type.id == TYPE_NUMERIC) {
        bool fits = op == '*' ? decimal_mul(x, y, &z) : decimal_add(x, op == '+' ? y : -y, &z);
        return fits ? (struct answer){.number = z} : failure("22003");
    }
    switch (op) {
    case '+': return in_range(x + y, e->type);
    case '-': return in_range(x - y, e->type);
    case '*': return in_range(x * y, e->type);
    case '/': return in_range(x / y, e->type);
    default: return in_range(x % y, e->type);
    }
}

static struct answer eval(const struct expr *e, const struct batch *b, uint32_t row);

static struct answer eval_in(const struct expr *e, const struct batch *b, uint32_t row)
{
    struct answer x = eval(e->args[0], b, row);
    bool null = false;
    if (x.kind != VALUE)
        return x;
    for (uint32_t i = 1; i < e->nargs; i++) {
        struct answer y = eval(e->args[i], b, row);
        if (y.kind == NONE)
            null = true;
        else if (compare(e->args[0], x, e->args[i], y) == 0)
            return truth(true);
    }
    return null ? (struct answer){.kind = NONE} : truth(false);
}

static struct answer eval_cast(const struct expr *e, struct answer x)
{
    struct type from = e->args[0]->type;
    if (x.kind != VALUE || e->type.id == TYPE_INT8)
        return x;
    if (!decimal_rescale(x.number, from.id == TYPE_NUMERIC ? from.scale : 0, e->type.scale, &x.number) ||
        !decimal_fits(x.number, e->type.precision))
        return failure("22003");
    return x;
}

static struct answer eval_call(const struct expr *e, const struct batch *b, uint32_t row)
{
    const char *name = e->function->name;
    if (strcmp(name, "in") == 0)
        return eval_in(e, b, row);
    struct answer x = eval(e->args[0], b, row);
    if (strcmp(name, "cast") == 0)
        return eval_cast(e, x);
    struct answer y = eval(e->args[1], b, row);
    if (x.kind == ERROR)
        return x;
    if (y.kind == ERROR)
        return y;
    bool distinct = strcmp(name, "is_distinct_from") == 0;
    if (distinct || strcmp(name, "is_not_distinct_from") == 0) {
        bool same = x.kind == NONE || y.kind == NONE ? x.kind == y.kind : compare(e->args[0], x, e->args[1], y) == 0;
        return truth(same != distinct);
    }
    if (x.kind == NONE || y.kind == NONE)
        return (struct answer){.kind = NONE};
    if (e->type.id != TYPE_BOOL)
        return arithmetic(e, *name, x, y);
    int order = compare(e->args[0], x, e->args[1], y);
    if (strcmp(name, "=") == 0)
        return truth(order == 0);
    if (strcmp(name, "<>") == 0)
        return truth(order != 0);
    return truth(name[0] == '<' ? order < 0 || (name[1] && order == 0) : order > 0 || (name[1] && order == 0));
}

static struct answer eval_logic(const struct expr *e, const struct batch *b, uint32_t row)
{
    bool decides = e->kind == EXPR_OR, null = false;
    for (uint32_t i = 0; i < e->nargs; i++) {
        struct answer x = eval(e->args[i], b, row);
        if (x.kind == ERROR || (x.kind == VALUE && (bool)x.number == decides))
            return x;
        null |= x.kind == NONE;
    }
    return null ? (struct answer){.kind = NONE} : truth(!decides);
}

static struct answer eval(const struct expr *e, const struct batch *b, uint32_t row)
{
    struct answer x;
    switch (e->kind) {
    case EXPR_CONST: return element(&e->value, 0);
    case EXPR_COLUMN: return element(&b->cols[e->column], row);
    case EXPR_CALL: return eval_call(e, b, row);
    case EXPR_AND:
    case EXPR_OR: return eval_logic(e, b, row);
    case EXPR_NOT:
        x = eval(e->args[0], b, row);
        return x.kind == VALUE ? truth(!x.number) : x;
    case EXPR_IS_NULL:
        x = eval(e->args[0], b, row);
        return x.kind == ERROR ? x : truth(x.kind == NONE);
    case EXPR_CASE:
        for (uint32_t i = 0; i + 1 < e->nargs; i += 2) {
            x = eval(e->args[i], b, row);
            if (x.kind == ERROR)
                return x;
            if (x.kind == VALUE && x.number)
                return eval(e->args[i + 1], b, row);
        }
        return eval(e->args[e->nargs - 1], b, row);
    case EXPR_COALESCE:
        for (uint32_t i = 0; i < e->nargs; i++) {
            x = eval(e->args[i], b, row);
            if (x.kind != NONE)
                return x;
        }
        return (struct answer){.kind = NONE};
    }
    abort();
}

/* ---- both ---- */

static void agree(const struct expr *e, const struct batch *b, const struct column *out,
                  const struct row_errors *errors, uint32_t root, uint32_t row)
{
    static const char *const names[] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"};
    struct answer want = eval(e, b, row), got = {0};
    const struct row_error *error = NULL;
    for (uint32_t i = 0; i < errors->count; i++)
        if (errors->items[i].row == row && errors->items[i].root == root)
            error = &errors->items[i];
    got = error ? failure(error->sqlstate) : element(out, row);
    bool same = got.kind == want.kind && strcmp(got.sqlstate, want.sqlstate) == 0 &&
                (got.kind != VALUE || (got.number == want.number && slice_equal(got.text, want.text)));
    if (same)
        return;
    struct buf text = BUF(MIB(1));
    expr_print(e, names, &text);
    fail_msg("row %u of %s: kind %d (%s) number %lld, expected kind %d (%s) number %lld", row, buf_cstr(&text),
             got.kind, got.sqlstate, (long long)got.number, want.kind, want.sqlstate, (long long)want.number);
}

static void test_programs_agree_with_a_plain_evaluator(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {TYPE_BOOL, TYPE_INT4, TYPE_INT8, TYPE_NUMERIC, TYPE_TEXT};
    struct arena a = {0};
    size_t kinds[3] = {0};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct batch *b = random_batch(&a);
        struct expr *roots[2] = {tree(&a, DEPTH, wanted[below(ARRAY_LEN(wanted))]), tree(&a, DEPTH, TYPE_BOOL)};
        struct column out[2];
        struct row_errors errors;
        struct program *p = program_compile(&a, roots, 2);
        struct program_state *s = program_state_new(p);
        program_run(p, s, b, 0, &a, out, &errors);
        for (uint32_t i = 0; i < b->live; i++)
            for (uint32_t k = 0; k < 2; k++) {
                agree(roots[k], b, &out[k], &errors, k, batch_row(b, i));
                kinds[eval(roots[k], b, batch_row(b, i)).kind]++;
            }
        program_state_free(s);
        arena_reset(&a);
    }
    arena_release(&a);
    /* All three kinds of answers were really met. */
    for (int k = 0; k < 3; k++)
        assert_true(kinds[k] > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_programs_agree_with_a_plain_evaluator)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
