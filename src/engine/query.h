/* Queries on results: SELECTs over relations that somebody provides, run to their end at once. */
#pragma once

#include "plan/plan.h"

/* Where relations come from. */
struct query_relations {
    struct plan_lookup lookup;
    bool allow_c_functions; /* those in C may be loaded and run */
    /* Hand every row of a relation (its schema as `lookup` said) to take, batch by batch; each may be forgotten
     * after. */
    enum status (*read)(void *arg, const char *name, enum status (*take)(void *take_arg, struct batch *b),
                        void *take_arg, struct error *err);
};

/* Run every SELECT of the text; results come statement by statement index, batch by batch (maybe none). An expression
 * that fails ends the query, as in PostgreSQL. */
struct query_result {
    uint32_t statement; /* 0.. in the order of the text */
    const struct schema *schema;
    struct place place;
    const char *name;          /* what the first column says, if that is a text constant; else NULL */
    const struct batch *batch; /* live rows; NULL: announces the statement, before its rows */
};
enum status query_run(const struct plan_text *text, const struct query_relations *relations,
                      void (*result)(void *arg, const struct query_result *r), void *arg, struct error *err);
/* The same for a plan that plan_query or script_query made over these relations. */
enum status query_run_plan(struct plan *plan, const struct query_relations *relations,
                           void (*result)(void *arg, const struct query_result *r), void *arg, struct error *err);
