/* Functions: one row per overload, and what a kernel is called with.
 *
 * Adding one: write its kernel in its family's file (number.c, string.c, ...), add one row to the table at that file's
 * end, record expected rows (tests/sql/functions). Everything else (resolution, documentation, completeness checks)
 * follows from the row.
 *
 * A kernel computes the lanes of one call over a batch. Before a strict kernel runs, out->col.valid and out->bad are
 * already what the arguments make them and `active` is what is left to do; a kernel may write any lane's element (so
 * a tight loop may run over 0..rows), but may trap, allocate or fail only for active lanes:
 *
 *     static void kernel_ascii(struct call *c)
 *     {
 *         CALL_ROWS(c, r) {
 *             struct slice s = arg_text(c, 0, r);
 *             OUT(c, int32_t, r) = ...;
 *         }
 *     }
 */
#pragma once

#include "expr/expr.h"

struct lane_error {
    char sqlstate[6];
    const char *text;
};

/* A register: a column whose lanes hold a value, NULL, or an error. */
struct lanes {
    struct column col;             /* constant: one element; valid then covers all rows (NULL or all 0) */
    uint32_t mask;                 /* index of a lane's element: row & mask; 0 for constants, else UINT32_MAX */
    uint64_t *bad;                 /* bit = 1: the lane is an error (its valid bit means nothing); NULL: none */
    const struct lane_error **why; /* by row, set where bad */
};

struct call {
    const struct function *function;
    const void *extra; /* of the bound call */
    const struct lanes *args;
    uint32_t nargs, rows;
    const uint64_t *live;   /* rows of the batch that count; NULL: all */
    const uint64_t *active; /* live, and for a strict function without NULL or bad argument; NULL: all */
    struct lanes *out;      /* col.type and col.data (rows elements) are set */
    struct arena *arena;    /* of the output: strings, bitmaps, errors */
    int64_t now_us;
    bool out_valid_owned;   /* out->col.valid is this call's own, not shared with an argument */
};

enum {
    FN_VARIADIC = 1, /* the last argument may repeat */
    FN_NULLS = 2,    /* not strict: the kernel sees NULL arguments and sets out->col.valid (initially NULL) */
    FN_ERRORS = 4,   /* the kernel sees errors as well, and sets out->bad (initially NULL) */
    FN_NOW = 8,      /* reads the epoch's time */
    FN_SET = 16,     /* returns the rows it stands for in FROM, as an array */
};

/* Pseudo-types of arguments, beside enum type_id. */
enum {
    ARG_ANY = TYPE_COUNT, /* taken as it is; an untyped literal becomes text */
    ARG_SAME,             /* all such arguments are brought to one common type */
    RESULT_SAME = ARG_SAME,
    /* Arrays, and single elements: of several such arguments the elements are brought to one type. ARG_ALIKE is an
     * array too, but only numerics of another scale are brought to it. */
    ARG_ARRAY,
    ARG_ELEMENT,
    ARG_ALIKE,
    RESULT_ELEMENT = ARG_ELEMENT, /* of the first argument, an array */
    ARRAY_OF = 0x40,      /* ARRAY_OF | TYPE_TEXT: an array of texts */
};

/* What a function's bind hook sees and decides. */
struct binding {
    struct arena *arena;
    const struct function *function;
    struct expr **args; /* cast to the argument types; the hook may replace them, and the array */
    uint32_t nargs;
    struct type result; /* preset from the row; of a numeric result the hook sets precision and scale */
    const void *extra;
};

enum { FUNCTION_MAX_ARGS = 7 };

struct function {
    const char *name;
    uint8_t result; /* enum type_id, RESULT_SAME, RESULT_ELEMENT, or ARRAY_OF one */
    uint8_t nargs;
    uint8_t args[FUNCTION_MAX_ARGS];
    uint8_t flags;
    void (*kernel)(struct call *c);
    enum status (*bind)(struct binding *b, struct error *err); /* NULL: nothing to prepare */
    const char *help;
};

struct cast {
    enum expr_cast how; /* the least explicit way in which it may happen */
    struct function function; /* args[0] -> result */
};

/* The tables, each ended by a row without name. */
extern const struct function fn_compare[], fn_arith[], fn_numeric[], fn_number[], fn_string[], fn_text[], fn_pattern[],
    fn_regexp[],
    fn_bytes[], fn_date[], fn_extract[], fn_to_char[], fn_to_date[],
    fn_to_char_number[], fn_json[], fn_json_change[], fn_jsonpath[], fn_array[], fn_array_change[], fn_null[],
    fn_sets[], fn_regexp_sets[], fn_jsonpath_sets[];
/* Casts, ended by a row without name. */
extern const struct cast casts_number[], casts_text[], casts_date[], casts_json[];
/* The steps behind EXPR_AND, EXPR_OR, EXPR_NOT, EXPR_IS_NULL, EXPR_CASE (condition, value, otherwise),
 * EXPR_COALESCE. */
extern const struct function step_and, step_or, step_not, step_is_null, step_select, step_coalesce;
/* NOT (x IS NULL), which every contract is full of, in one step. */
extern const struct function step_is_not_null;
/* The elements of arrays cast one by one, by the cast in `extra`. */
extern const struct function step_array_cast;
/* ARRAY[x, ...]: a row of fn_array. */
#define step_array fn_array[0]
/* IN over a list of constants: made by expr_call("in"). */
extern const struct function step_in;
enum status step_in_bind(struct binding *b, struct error *err);

/* The i-th row of all tables in documentation order, NULL past the end. */
const struct function *function_at(size_t i);
/* The next row of this name, NULL after the last; *cursor is 0 at first and belongs to this function. */
const struct function *function_named(const char *name, size_t *cursor);
/* Does it return rows: may it stand in FROM, and nowhere else? */
bool function_is_set(const char *name);
/* The family ("Strings") the i-th row belongs to. */
const char *function_family(size_t i);
const struct cast *cast_find(uint8_t from, uint8_t to);
const struct cast *cast_at(size_t i);
/* The function section of docs/sql.md. */
void expr_functions_markdown(struct buf *out);

/* Run a call: prepares NULLs, errors and `active` as above, then the kernel. */
void function_run(struct call *c);
/* A call over constants, or a strict one of a NULL, as a constant; AGAIN: it fails at run time (or reads the time),
 * so it stays a call. */
enum status function_fold(struct arena *a, struct expr *call, struct expr **ret);

/* ---- for kernels ---- */

/* The lane fails with an SQLSTATE and PostgreSQL's message. */
void call_fail(struct call *c, uint32_t row, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The lane's result is NULL. */
void call_null(struct call *c, uint32_t row);
/* `n` bytes into the lane, copied to the arena if long. */
void call_text(struct call *c, uint32_t row, const char *bytes, size_t n);

/* A part of an argument: no bytes are copied, except of a short string, which lies in its view. */
static inline void call_slice(struct call *c, uint32_t row, struct slice part)
{
    ((struct view *)c->out->col.data)[row] = view_of(part.data, part.len);
}

static inline uint32_t call_next(const struct call *c, uint32_t row)
{
    if (!c->active || row >= c->rows)
        return row;
    uint64_t word = c->active[row >> 6] >> (row & 63);
    if (word)
        return row + (uint32_t)__builtin_ctzll(word);
    for (uint32_t w = (row >> 6) + 1; w < BITMAP_WORDS(c->rows); w++)
        if (c->active[w])
            return (w << 6) + (uint32_t)__builtin_ctzll(c->active[w]);
    return c->rows;
}

#define CALL_ROWS(c, r) for (uint32_t r = call_next(c, 0); r < (c)->rows; r = call_next(c, r + 1))
#define ARG(c, i, T, r) (((const T *)(c)->args[i].col.data)[(r) & (c)->args[i].mask])
#define OUT(c, T, r) (((T *)(c)->out->col.data)[r])

static inline struct slice arg_text(const struct call *c, uint32_t i, uint32_t row)
{
    return view_slice(&ARG(c, i, struct view, row));
}
static inline int128 arg_numeric(const struct call *c, uint32_t i, uint32_t row)
{
    return column_numeric(&c->args[i].col, row & c->args[i].mask);
}
static inline bool arg_is_null(const struct call *c, uint32_t i, uint32_t row)
{
    return column_is_null(&c->args[i].col, row);
}
static inline bool lane_is_bad(const struct lanes *l, uint32_t row) { return l->bad && bit_get(l->bad, row); }

/* A double computed from others is 22003 when it is infinite and none of them was, or 0 where it cannot be. */
void float_check(struct call *c, uint32_t row, double result, bool any_infinite, bool may_be_zero);

/* 0/1 bytes as bits, lowest row first, and back. BITMAP_WORDS(rows) words; the bits past `rows` are 0. */
void bools_pack(const struct lanes *l, uint32_t rows, uint64_t *ret_bits);
void bools_unpack(const uint64_t *bits, uint32_t rows, uint8_t *ret_bools);

/* ---- for bind hooks ---- */

static inline bool expr_is_const(const struct expr *e) { return e->kind == EXPR_CONST; }
static inline bool expr_is_null_const(const struct expr *e)
{
    return e->kind == EXPR_CONST && column_is_null(&e->value, 0);
}
/* A constant of `type` with an uninitialised element (NULL: `null`). */
struct expr *expr_const(struct arena *a, struct type type, bool null, int32_t location);
/* A numeric constant with just the digits it needs. */
struct expr *expr_decimal(struct arena *a, int128 value, unsigned scale, int32_t location);
/* args[i] cast in place to one common type; what: "CASE", for the message. */
enum status expr_to_common(struct arena *a, struct expr **args, uint32_t nargs, const char *what, struct error *err);
/* An EXPR_CALL as it stands: no resolution, no folding. */
struct expr *expr_raw_call(struct arena *a, const struct function *f, struct type type, struct expr *const *args,
                           uint32_t nargs, int32_t location);

/* ---- PostgreSQL's type categories ---- */

unsigned type_category(uint8_t id);
bool type_is_preferred(uint8_t id);
bool type_is_string_category(uint8_t id);
bool type_casts_implicitly(uint8_t from, uint8_t to);

/* The type id of a value in `type`'s documentation form: "text", "any". */
const char *function_arg_name(uint8_t arg);
