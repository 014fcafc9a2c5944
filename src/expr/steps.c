/* The steps that see NULLs and errors themselves: AND, OR, NOT, IS NULL, CASE, COALESCE. */
#include "expr/function.h"

/* Three-valued logic as bitmaps. */
struct truth {
    uint64_t *yes, *no, *bad;
};

static struct truth truth_of(struct call *c, const struct lanes *l)
{
    size_t words = BITMAP_WORDS(c->rows);
    struct truth t = {arena_array(c->arena, words, sizeof *t.yes), arena_array(c->arena, words, sizeof *t.no),
                      arena_array(c->arena, words, sizeof *t.bad)};
    bools_pack(l, c->rows, t.yes);
    for (size_t w = 0; w < words; w++) {
        uint64_t bad = l->bad ? l->bad[w] : 0, known = (l->col.valid ? l->col.valid[w] : ~UINT64_C(0)) & ~bad;
        t.no[w] = ~t.yes[w] & known;
        t.yes[w] &= known;
        t.bad[w] = bad;
    }
    return t;
}

/* The reasons of the lanes in out->bad: the first argument's where it is bad, else the second's. */
static void take_reasons(struct call *c, const struct lanes *first, const struct lanes *second)
{
    struct lanes *out = c->out;
    out->why = arena_zalloc(c->arena, c->rows * sizeof *out->why);
    for (uint32_t r = 0; r < c->rows; r++)
        if (bit_get(out->bad, r))
            out->why[r] = lane_is_bad(first, r) ? first->why[r] : second->why[r];
}

/* x AND y; with x and y both negated and the result too, this is OR: `yes` and `no` change places. */
static void and_or_slow(struct call *c, bool is_or)
{
    size_t words = BITMAP_WORDS(c->rows);
    struct truth x = truth_of(c, &c->args[0]), y = truth_of(c, &c->args[1]);
    const uint64_t *x_no = is_or ? x.yes : x.no, *y_no = is_or ? y.yes : y.no;
    const uint64_t *x_yes = is_or ? x.no : x.yes, *y_yes = is_or ? y.no : y.yes;
    uint64_t *bad = arena_array(c->arena, words, sizeof *bad), *valid = arena_array(c->arena, words, sizeof *valid);
    uint64_t *value = arena_array(c->arena, words, sizeof *value);
    for (size_t w = 0; w < words; w++) {
        bad[w] = x.bad[w] | (y.bad[w] & ~x_no[w]);
        uint64_t no = (x_no[w] | y_no[w]) & ~bad[w], yes = x_yes[w] & y_yes[w];
        valid[w] = yes | no;
        value[w] = is_or ? no : yes;
    }
    bools_unpack(value, c->rows, c->out->col.data);
    c->out->col.valid = valid;
    c->out->bad = NULL;
    if (bit_any(bad, words)) {
        c->out->bad = bad;
        take_reasons(c, &c->args[0], &c->args[1]);
    }
}

static bool is_plain(const struct lanes *l) { return !l->col.valid && !l->bad && l->mask; }

static void kernel_and(struct call *c)
{
    if (!is_plain(&c->args[0]) || !is_plain(&c->args[1])) {
        and_or_slow(c, false);
        return;
    }
    const uint8_t *x = c->args[0].col.data, *y = c->args[1].col.data;
    uint8_t *restrict out = c->out->col.data;
    for (uint32_t r = 0; r < c->rows; r++)
        out[r] = x[r] & y[r];
}

static void kernel_or(struct call *c)
{
    if (!is_plain(&c->args[0]) || !is_plain(&c->args[1])) {
        and_or_slow(c, true);
        return;
    }
    const uint8_t *x = c->args[0].col.data, *y = c->args[1].col.data;
    uint8_t *restrict out = c->out->col.data;
    for (uint32_t r = 0; r < c->rows; r++)
        out[r] = x[r] | y[r];
}

static void kernel_not(struct call *c)
{
    const uint8_t *x = c->args[0].col.data;
    uint8_t *restrict out = c->out->col.data;
    uint32_t mask = c->args[0].mask;
    if (!mask)
        memset(out, *x ^ 1, c->rows);
    else
        for (uint32_t r = 0; r < c->rows; r++)
            out[r] = x[r] ^ 1;
}

static void kernel_is_null(struct call *c)
{
    const uint64_t *valid = c->args[0].col.valid;
    uint8_t *out = c->out->col.data;
    if (!valid) {
        memset(out, 0, c->rows);
        return;
    }
    bools_unpack(valid, c->rows, out);
    for (uint32_t r = 0; r < c->rows; r++)
        out[r] ^= 1;
}

static void kernel_is_not_null(struct call *c)
{
    const uint64_t *valid = c->args[0].col.valid;
    if (valid)
        bools_unpack(valid, c->rows, c->out->col.data);
    else
        memset(c->out->col.data, 1, c->rows);
}

#define BLEND(T)                                                                                                       \
    do {                                                                                                               \
        const T *x = a->col.data, *y = b->col.data;                                                                    \
        T *restrict out = c->out->col.data;                                                                            \
        for (uint32_t r = 0; r < c->rows; r++)                                                                         \
            out[r] = pick[r] ? x[r & a->mask] : y[r & b->mask];                                                        \
    } while (0)

/* Lanes of `a` where picked, else of `b`, with their NULLs and errors. */
static void blend(struct call *c, const uint64_t *pick_bits, const struct lanes *a, const struct lanes *b)
{
    uint8_t *pick = arena_alloc(c->arena, c->rows);
    bools_unpack(pick_bits, c->rows, pick);
    switch (type_width(c->out->col.type)) {
    case 1: BLEND(uint8_t); break;
    case 4: BLEND(uint32_t); break;
    case 8: BLEND(uint64_t); break;
    default: BLEND(struct view); break;
    }
    size_t words = BITMAP_WORDS(c->rows);
    if (a->col.valid || b->col.valid) {
        uint64_t *valid = arena_array(c->arena, words, sizeof *valid);
        for (size_t w = 0; w < words; w++)
            valid[w] = (pick_bits[w] & (a->col.valid ? a->col.valid[w] : ~UINT64_C(0))) |
                       (~pick_bits[w] & (b->col.valid ? b->col.valid[w] : ~UINT64_C(0)));
        c->out->col.valid = valid;
    }
    if (a->bad || b->bad) {
        uint64_t *bad = arena_array(c->arena, words, sizeof *bad);
        for (size_t w = 0; w < words; w++)
            bad[w] = (pick_bits[w] & (a->bad ? a->bad[w] : 0)) | (~pick_bits[w] & (b->bad ? b->bad[w] : 0));
        if (bit_any(bad, words)) {
            c->out->bad = bad;
            take_reasons(c, a, b);
            for (uint32_t r = 0; r < c->rows; r++)
                if (bit_get(bad, r))
                    c->out->why[r] = bit_get(pick_bits, r) ? a->why[r] : b->why[r];
        }
    }
}

/* CASE WHEN args[0] THEN args[1] ELSE args[2]. */
static void kernel_select(struct call *c)
{
    const struct lanes *condition = &c->args[0];
    struct truth t = truth_of(c, condition);
    blend(c, t.yes, &c->args[1], &c->args[2]);
    if (!condition->bad)
        return;
    struct lanes *out = c->out, chosen = *out;
    size_t words = BITMAP_WORDS(c->rows);
    uint64_t *bad = arena_array(c->arena, words, sizeof *bad);
    for (size_t w = 0; w < words; w++)
        bad[w] = condition->bad[w] | (chosen.bad ? chosen.bad[w] : 0);
    out->bad = bad;
    take_reasons(c, condition, &chosen);
}

static void kernel_coalesce(struct call *c)
{
    const struct lanes *a = &c->args[0];
    size_t words = BITMAP_WORDS(c->rows);
    uint64_t *pick = arena_array(c->arena, words, sizeof *pick);
    for (size_t w = 0; w < words; w++)
        pick[w] = (a->col.valid ? a->col.valid[w] : ~UINT64_C(0)) | (a->bad ? a->bad[w] : 0);
    blend(c, pick, a, &c->args[1]);
}

const struct function step_and = {.name = "AND", .result = TYPE_BOOL, .nargs = 2, .flags = FN_NULLS | FN_ERRORS,
                                  .kernel = kernel_and};
const struct function step_or = {.name = "OR", .result = TYPE_BOOL, .nargs = 2, .flags = FN_NULLS | FN_ERRORS,
                                 .kernel = kernel_or};
const struct function step_not = {.name = "NOT", .result = TYPE_BOOL, .nargs = 1, .kernel = kernel_not};
const struct function step_is_null = {.name = "IS NULL", .result = TYPE_BOOL, .nargs = 1, .flags = FN_NULLS,
                                      .kernel = kernel_is_null};
const struct function step_is_not_null = {.name = "IS NOT NULL", .result = TYPE_BOOL, .nargs = 1, .flags = FN_NULLS,
                                          .kernel = kernel_is_not_null};
const struct function step_select = {.name = "CASE", .nargs = 3, .flags = FN_NULLS | FN_ERRORS,
                                     .kernel = kernel_select};
const struct function step_coalesce = {.name = "COALESCE", .nargs = 2, .flags = FN_NULLS | FN_ERRORS,
                                       .kernel = kernel_coalesce};
