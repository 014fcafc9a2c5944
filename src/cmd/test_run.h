/* Running a case of `bourn test`: as it is written, and again in ways that must make no difference. */
#pragma once

#include "cmd/test_case.h"

/* What was not as expected. Lives in the arena of its maker. */
struct test_failure {
    const char *variant;  /* "as written", "killed in every epoch", ... */
    int64_t epoch;
    const char *error;    /* the run itself failed: why; or NULL */
    struct place place;
    const struct schema *columns;
    bool order;           /* the rows are right, but not their order */
    const char **lines;   /* the difference, a row each: found and expected ' ', only expected '-', only found '+' */
    const char ***cells;
    uint32_t nlines;
};

/* state: a folder that is not there, and is not there afterwards. *ret_runs: variants that were run. true: all went
 * well; false: *ret says what did not. */
bool test_run(struct test_case *t, const char *state, struct arena *a, uint32_t *ret_runs, struct test_failure *ret);

/* Do the rows found answer the expectation? The difference goes to *ret. */
bool test_compare(const struct test_action *expected, const struct test_rows *found, struct arena *a,
                  struct test_failure *ret);

/* A folder and all that is in it; what is not there is OK. */
enum status test_remove(const char *path, struct error *err);
