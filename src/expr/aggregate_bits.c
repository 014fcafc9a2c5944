/* bit_and, bit_or, bit_xor. To take a row back, and and or count how many rows have each bit; xor needs no more than
 * itself. */
#include "expr/aggregate_values.h"

struct bits {
    int64_t rows;
    uint64_t word; /* of all rows; an integer's upper half is its sign */
};

struct bit_counts {
    int64_t rows;
    int64_t ones[64]; /* rows that have the bit */
};

static bool put_word(const struct bits *s, struct column *out, size_t row)
{
    if (s->rows <= 0)
        return false;
    if (out->type.id == TYPE_INT4)
        ((int32_t *)out->data)[row] = (int32_t)(int64_t)s->word;
    else
        ((int64_t *)out->data)[row] = (int64_t)s->word;
    return true;
}

static bool bits_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                       const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    return put_word(state, out, row);
}

/* ---- rows that only come, and xor ---- */

static void combine_and(struct bits *s, uint64_t word, int64_t rows)
{
    s->word = s->rows ? s->word & word : word;
    s->rows += rows;
}

static void combine_or(struct bits *s, uint64_t word, int64_t rows)
{
    s->word |= word;
    s->rows += rows;
}

static void combine_xor(struct bits *s, uint64_t word, int64_t rows)
{
    s->word ^= word;
    s->rows += rows;
}

static void bit_and_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                           const int64_t *weights)
{
    UPDATE_LOOP(struct bits, (assert(w > 0), combine_and(state, value_word(arg, r), w)));
}

static void bit_or_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                          const int64_t *weights)
{
    UPDATE_LOOP(struct bits, (assert(w > 0), combine_or(state, value_word(arg, r), w)));
}

static void bit_xor_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                           const int64_t *weights)
{
    UPDATE_LOOP(struct bits, combine_xor(state, w % 2 ? value_word(arg, r) : 0, w));
}

#define MERGE(NAME)                                                                                                    \
    static void bit_##NAME##_merge(void *into, const void *from)                                                       \
    {                                                                                                                  \
        const struct bits *f = from;                                                                                   \
        if (f->rows || f->word)                                                                                        \
            combine_##NAME(into, f->word, f->rows);                                                                    \
    }
MERGE(and)
MERGE(or)
MERGE(xor)

DISTINCT_FINAL(xor_of_different, struct bits, bit_xor_update, bits_final)

/* ---- and and or of rows that may be taken back ---- */

static void count_bits(struct bit_counts *s, uint64_t word, int64_t weight)
{
    s->rows += weight;
    for (; word; word &= word - 1)
        s->ones[__builtin_ctzll(word)] += weight;
}

static void counts_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                          const int64_t *weights)
{
    UPDATE_LOOP(struct bit_counts, count_bits(state, value_word(arg, r), w));
}

static void counts_merge(void *into, const void *from)
{
    struct bit_counts *s = into;
    const struct bit_counts *f = from;
    s->rows += f->rows;
    for (size_t i = 0; i < ARRAY_LEN(s->ones); i++)
        s->ones[i] += f->ones[i];
}

/* The bits that at least so many rows have. */
static bool put_bits(const struct bit_counts *s, int64_t least, struct column *out, size_t row)
{
    struct bits result = {.rows = s->rows};
    for (size_t i = 0; i < ARRAY_LEN(s->ones); i++)
        result.word |= (uint64_t)(s->ones[i] >= least) << i;
    return put_word(&result, out, row);
}

static bool and_of_counts(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    return put_bits(state, ((const struct bit_counts *)state)->rows, out, row);
}

static bool or_of_counts(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                         const char **ret_sqlstate)
{
    (void)arg, (void)a, (void)ret_sqlstate;
    return put_bits(state, 1, out, row);
}

static struct type result_same(struct type arg)
{
    return arg;
}

#define PLAIN(NAME, ID, RETRACTS, HELP)                                                                                \
    {                                                                                                                  \
        .name = #NAME, .arg = ID, .state_size = sizeof(struct bits), .retracts = RETRACTS, .update = NAME##_update,    \
        .merge = NAME##_merge, .final = bits_final, .result = result_same, .help = HELP                                \
    }
#define COUNTS(NAME, ID, FINAL, HELP)                                                                                  \
    {                                                                                                                  \
        .name = NAME, .arg = ID, .variant = AGGREGATE_CHANGES, .state_size = sizeof(struct bit_counts),                \
        .retracts = true, .update = counts_update, .merge = counts_merge, .final = FINAL, .result = result_same,       \
        .help = HELP                                                                                                   \
    }
#define BITS(ID)                                                                                                       \
    PLAIN(bit_and, ID, false, "bitwise and of all values"), COUNTS("bit_and", ID, and_of_counts, "the same"),          \
        PLAIN(bit_or, ID, false, "bitwise or of all values"), COUNTS("bit_or", ID, or_of_counts, "the same"),          \
        PLAIN(bit_xor, ID, true, "bitwise exclusive or of all values"),                                                \
        DISTINCT("bit_xor", ID, xor_of_different, result_same, "bitwise exclusive or of the different values")

const struct aggregate aggregates_bits[] = {
    BITS(TYPE_INT4),
    BITS(TYPE_INT8),
    {0},
};
