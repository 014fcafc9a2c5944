/* Programs: expressions compiled to a flat list of steps over columns, one tight kernel per step and type.
 *
 * Errors are a third kind of lane beside value and NULL: a step that fails on a lane (division by zero, overflow, bad
 * cast) marks the lane; strict steps pass the mark on; CASE, COALESCE, AND and OR drop the marks of lanes they do not
 * select. What arrives at a root is reported by program_run. So errors are as lazy as PostgreSQL's, and no row stops
 * a batch.
 */
#pragma once

#include "expr/expr.h"

struct program; /* read-only once compiled: may be run by any number of threads, each with a state of its own */

/* Compile roots (all over the same input columns); common subexpressions are computed once. Lives in the arena. */
struct program *program_compile(struct arena *a, struct expr *const *roots, uint32_t nroots);

struct program_state; /* scratch of one thread */
struct program_state *program_state_new(const struct program *p);
void program_state_free(struct program_state *s);
/* One for each of nworkers. */
struct program_state **program_states_new(const struct program *p, uint32_t nworkers);
void program_states_free(struct program_state **states, uint32_t nworkers);

struct row_error {
    uint32_t row;  /* of the input batch */
    uint32_t root;
    char sqlstate[6];
    const char *text; /* PostgreSQL's message, "division by zero"; lives as long as the output */
};

struct row_errors {
    uint32_t count;
    const struct row_error *items; /* by row, then root; live rows only */
};

/* Evaluate all roots over the live rows of `in`. Output columns are indexed by the input's rows (rows that are not live
 * have unspecified values) and live in `out`, or alias input columns or constants. now_us: the epoch's time. */
void program_run(const struct program *p, struct program_state *s, const struct batch *in, int64_t now_us,
                 struct arena *out, struct column *ret_columns, struct row_errors *ret_errors);
/* One boolean root as a filter: ret_keep (BITMAP_WORDS(in->rows) words, by row) has the live rows where it is true. */
void program_filter(const struct program *p, struct program_state *s, const struct batch *in, int64_t now_us,
                    struct arena *out, uint64_t *ret_keep, struct row_errors *ret_errors);
/* As a CHECK: the live rows where it is *false* (NULL passes); a row with an error counts as false. */
void program_check(const struct program *p, struct program_state *s, const struct batch *in, int64_t now_us,
                   struct arena *out, uint64_t *ret_broken);
