/* A function in C that a pipeline calls: what its shared object holds. This header needs no other of bourn's, and is C
 * and C++. `make install` puts it where compilers look.
 *
 *     CREATE FUNCTION half(bigint) RETURNS double precision LANGUAGE c IMMUTABLE STRICT AS 'libhalf.so', 'half';
 *
 *     #include <bourn_function.h>                     // cc -shared -fPIC -O2 -o libhalf.so half.c
 *
 *     static size_t run(const struct bourn_call *c)
 *     {
 *         const int64_t *x = c->args[0].data;
 *         double *out = c->result;
 *         for (uint32_t i = 0; i < c->rows; i++)
 *             if (bourn_bit(c->active, i))
 *                 out[i] = (double)x[i] / 2;
 *         return 0;
 *     }
 *
 *     BOURN_FUNCTION(half) = {BOURN_ABI, sizeof half, BOURN_PURE, BOURN_FLOAT8, 1, {BOURN_INT8}, run};
 *
 * The symbol is constant data: what it declares is read from the file, and compared with the SQL, before anything of
 * the object runs. What it must keep to, for nothing can check it:
 *
 *   - the same arguments give the same result, in every process and on every machine: an epoch is worked on again after
 *     a crash. No clock, no chance, no files, no locale, no state that outlives the call
 *   - several threads may be in it at once; a row's result depends on that row alone: batches are cut anew each time
 *   - it does not exit, longjmp, throw, start threads, change how floating point rounds, or write outside what it is
 *     given; it comes to an end. It runs inside bourn and can do all that bourn can
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BOURN_ABI 1u
#define BOURN_MAX_ARGS 6
#define BOURN_PURE 1u /* flag: the author has read the list above; without it the function is refused */

/* What a row's element of a column is, by SQL type. */
enum bourn_type {
    BOURN_BOOL = 1,        /* boolean: uint8_t, 0 or 1 */
    BOURN_INT4 = 2,        /* integer: int32_t */
    BOURN_INT8 = 3,        /* bigint: int64_t */
    BOURN_FLOAT8 = 4,      /* double precision: double */
    BOURN_TEXT = 5,        /* text: struct bourn_text, valid UTF-8 without NUL */
    BOURN_DATE = 6,        /* date: int32_t, days since 1970-01-01; years 1 to 9999 */
    BOURN_TIMESTAMP = 7,   /* timestamp: int64_t, microseconds since 1970-01-01; years 1 to 9999 */
    BOURN_TIMESTAMPTZ = 8, /* timestamptz: the same, in UTC */
    BOURN_BYTEA = 9,       /* bytea: struct bourn_text, any bytes */
    BOURN_UUID = 10,       /* uuid: struct bourn_uuid */
    BOURN_INTERVAL = 11,   /* interval: struct bourn_interval */
    BOURN_JSONB = 12,      /* jsonb: struct bourn_text, one JSON value. Of an argument as PostgreSQL prints it: keys in
                            * order of length, then bytes, ", " and ": ", numbers without exponent. As a result any
                            * form will do */
    BOURN_NUMERIC = 13     /* numeric: struct bourn_numeric; only of arguments. A result is made of what it can say, a
                            * text say, and cast by who calls: to numeric(18,2), whose scale the text cannot know */
};

struct bourn_text {
    const char *data; /* not terminated; NULL where len is 0 */
    size_t len;
};

struct bourn_uuid {
    uint8_t bytes[16]; /* in the order they are written */
};

struct bourn_interval { /* months have no length, nor have days: each counts for itself */
    int64_t micros;
    int32_t days, months;
};

struct bourn_numeric { /* (high * 2^64 + low) / 10^scale: at most 38 digits, of the SQL type's scale */
    int64_t high;
    uint64_t low;
    int32_t scale; /* 0 to 38 */
    int32_t unused; /* 0 */
};

struct bourn_column {
    const void *data;      /* an element per row; those of NULLs, and of rows that are not active, mean nothing */
    const uint64_t *valid; /* bit = 1: there is a value; never a null pointer */
};

/* One call: a batch of rows. In all bitmaps row i is bit i % 64 of word i / 64. */
struct bourn_call {
    uint32_t rows, nargs;
    const uint64_t *active; /* the rows to compute; what is written for others is ignored. Of a STRICT function no row
                             * with a NULL argument is active */
    const struct bourn_column *args;
    void *result;       /* an element per row, zero at first */
    uint64_t *valid;    /* of the result, all 1 at first */
    const char **error; /* per row, NULL at first: a message in UTF-8, and the row fails with SQLSTATE 38000 */
    char *scratch;      /* for texts of results and messages, which may as well be constants or parts of arguments */
    size_t scratch_size;
};

struct bourn_function {
    uint32_t abi;    /* BOURN_ABI */
    uint32_t size;   /* sizeof(struct bourn_function) */
    uint32_t flags;  /* BOURN_PURE */
    uint32_t result; /* enum bourn_type */
    uint32_t nargs;
    uint32_t args[BOURN_MAX_ARGS]; /* enum bourn_type */
    /* 0: done. Else the bytes of scratch that it needs, more than it has (at first, none; at most 64 MiB): it is called
     * again from the beginning, with as many. */
    size_t (*run)(const struct bourn_call *c);
};

/* BOURN_FUNCTION(name) = {...}; */
#ifdef __cplusplus
#define BOURN_FUNCTION(name)                                                                                           \
    extern "C" {                                                                                                       \
    extern __attribute__((visibility("default"))) const struct bourn_function name;                                   \
    }                                                                                                                  \
    const struct bourn_function name
#else
#define BOURN_FUNCTION(name)                                                                                           \
    extern __attribute__((visibility("default"))) const struct bourn_function name;                                   \
    const struct bourn_function name
#endif

static inline int bourn_bit(const uint64_t *map, uint32_t row) { return (int)(map[row / 64] >> (row % 64) & 1); }

/* The row's result is NULL. */
static inline void bourn_null(const struct bourn_call *c, uint32_t row)
{
    c->valid[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

#ifdef __cplusplus
}
#endif
