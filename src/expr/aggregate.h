/* Aggregate functions: one table row each. An accumulator is a fixed-size piece of memory in the group's state; the
 * operator owns the memory, the function knows what is in it. All accumulators are independent of the order of updates
 * and of how rows were divided among workers (semantics 21, 24).
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

struct aggregate {
    const char *name;
    enum type_id arg;     /* argument type after implicit casts; TYPE_UNKNOWN: count(*) */
    uint32_t state_size;  /* bytes, multiple of 8; a zeroed state is the empty one */
    bool retracts;        /* takes rows of weight < 0 */
    bool heap;            /* states own heap memory: release must be called */
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

/* By name and argument (nargs 0 or 1), casting *arg where PostgreSQL would. ERR_SQL: no such aggregate for the type;
 * *ret NULL with OK: `name` is no aggregate at all. */
enum status aggregate_resolve(struct arena *a, const char *name, struct expr **arg, uint32_t nargs,
                              const struct aggregate **ret, struct error *err);
/* For docs and completeness: the i-th row, NULL past the end. */
const struct aggregate *aggregate_at(size_t i);
/* By its position's stable identity, used in state: "sum(numeric)". NULL: none. */
const struct aggregate *aggregate_by_id(const char *id);
const char *aggregate_id(const struct aggregate *g, char out[static 64]);
