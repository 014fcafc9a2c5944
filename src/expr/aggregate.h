/* Aggregate functions: one table row each. An accumulator is a fixed-size piece of memory in the group's state; the
 * operator owns the memory, the function knows what is in it. All accumulators are independent of the order of updates
 * and of how rows were divided among workers (semantics 21, 24).
 *
 * What grows with a group's rows (different values, sketches, strings) hangs on the accumulator as heap memory: `heap`
 * is set then, release gives it back, and every byte of it is counted on the thread that takes or gives it
 * (aggregate_memory). A zeroed accumulator owns nothing, and one whose rows were all taken back is all zero again.
 *
 * An aggregate of several arguments, or with an ORDER BY of its own, still reads one column: its arguments are packed
 * into one bytea (packed.h), whose type says which value is inside. So operators know of one argument only.
 */
#pragma once

#include "expr/expr.h"

/* Rows of a batch, each of weight +1, that fall into a few groups: what a kernel over whole columns is given. */
struct aggregate_rows {
    const uint32_t *rows;   /* n of them, ascending */
    const uint32_t *groups; /* rows[i] is of group groups[i] < ngroups; not read when there is one group */
    uint32_t n, ngroups;
    const uint32_t *counts; /* by group: how many of the rows are of it */
    char *const *values;    /* by group: where its accumulators lie; two groups may be the same memory */
    int64_t *scratch;       /* by group: room for the kernel */
};

/* Which calls of the name a row is for. */
enum aggregate_variant {
    AGGREGATE_PLAIN,
    AGGREGATE_DISTINCT, /* name(DISTINCT ...) */
    AGGREGATE_CHANGES,  /* over rows that may be taken back, where the plain one cannot do that */
};

/* How a call's arguments become the one that is read. */
enum aggregate_shape {
    SHAPE_ONE,      /* it is the argument, or count(*) */
    SHAPE_PAIR,     /* (y, x): two doubles */
    SHAPE_CHOICE,   /* (value, by): by, value */
    SHAPE_ANY,      /* (value): the same, by itself */
    SHAPE_QUANTILE, /* (x, q): q is a constant from 0 to 1 */
    SHAPE_WITHIN,   /* (fractions) WITHIN GROUP (ORDER BY x): x as a key, the same as bytes where the key does not say
                     * how it was written, what is one for all rows (aggregate_within.c) */
    SHAPE_STRINGS,  /* (x, delimiter ORDER BY ...): keys, x, delimiter */
    SHAPE_JSON,     /* (x ORDER BY ...): keys, x as jsonb's text */
    SHAPE_MEMBERS,  /* (key, value ORDER BY ...): keys, key as text, value as jsonb's text */
    SHAPE_ARRAY,    /* (x ORDER BY ...): keys, x; of a type whose key does not say how it was written, x, array of x */
};

struct aggregate {
    const char *name;
    enum type_id arg;     /* argument type after implicit casts; TYPE_UNKNOWN: count(*), or another shape */
    enum aggregate_variant variant;
    enum aggregate_shape shape;
    const char *takes;    /* of another shape, for people: "any, any" */
    uint32_t state_size;  /* bytes, multiple of 8; a zeroed state is the empty one */
    bool retracts;        /* takes rows of weight < 0 */
    bool heap;            /* states own heap memory: release must be called */
    bool grows;           /* ...without a bound: with the number of different values */
    const char *sketch;   /* ...of what is an estimate: how much at most, and how far it may be off; NULL: exact */
    const char *help;
    struct type (*result)(struct type arg);
    /* states[i] belongs to row rows[i] (n of them); arg is NULL for count(*). NULL arguments are skipped here.
     * weights is indexed by row, NULL: all +1. */
    void (*update)(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                   const int64_t *weights);
    /* The same over grouped rows, the accumulators at values[group] + offset; only for an arg (NULL for count(*)) in
     * which no row is NULL. NULL: there is no such kernel, update does it. */
    void (*fold)(const struct aggregate_rows *r, const struct column *arg, uint32_t offset);
    void (*merge)(void *into, const void *from); /* `from` stays owned by its owner */
    /* The result into row `row` of `out` (of type result(arg)); strings go to the arena. false: NULL. An error
     * (overflow) sets *ret_sqlstate to a static code and answers false. */
    bool (*final)(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                  const char **ret_sqlstate);
    void (*release)(void *state);                     /* NULL unless heap */
    void (*pack)(const void *state, struct buf *out); /* NULL: the state's bytes as they are */
    bool (*unpack)(struct reader *in, void *state);   /* false: corrupt */
};

struct aggregate_order {
    struct expr *key;
    bool descending, nulls_first;
};

/* A call as it is written. */
struct aggregate_call {
    const char *name;
    struct expr *const *args;
    uint32_t nargs;
    bool distinct;
    bool within; /* the order is WITHIN GROUP */
    const struct aggregate_order *order;
    uint32_t norder;
};

/* The row a call means, and the one expression that it reads (NULL: count(*)). ERR_SQL: no such aggregate for these
 * arguments; *ret NULL with OK: the name is no aggregate's. */
enum status aggregate_bind(struct arena *a, const struct aggregate_call *call, const struct aggregate **ret,
                           struct expr **ret_arg, struct error *err);
/* The row that does the same over rows that may be taken back: g itself, or another one; NULL: there is none. */
const struct aggregate *aggregate_of_changes(const struct aggregate *g);
/* And back: the row that does the same over rows that only come. */
const struct aggregate *aggregate_of_additions(const struct aggregate *g);
/* Heap bytes of accumulators that the calling thread took, less those it gave back. Only differences mean anything:
 * read it before and after a call. */
int64_t aggregate_memory(void);

/* By name and argument (nargs 0 or 1), casting *arg where PostgreSQL would. ERR_SQL: no such aggregate for the type;
 * *ret NULL with OK: `name` is no aggregate at all. */
enum status aggregate_resolve(struct arena *a, const char *name, struct expr **arg, uint32_t nargs,
                              const struct aggregate **ret, struct error *err);
/* For docs and completeness: the i-th row, NULL past the end. */
const struct aggregate *aggregate_at(size_t i);
/* By its position's stable identity, used in state: "sum(numeric)". NULL: none. */
const struct aggregate *aggregate_by_id(const char *id);
const char *aggregate_id(const struct aggregate *g, char out[static 64]);
/* The same for people, of an argument of this type: "array_agg(text)". */
const char *aggregate_title(const struct aggregate *g, struct type arg, char out[static 64]);
