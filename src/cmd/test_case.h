/* What `bourn test` tries: the cases of a *.test.sql, bound against the pipeline they are about.
 *
 * A text is read by PostgreSQL's grammar (plan/script.h). What stands before the first SET test.name holds for all of
 * its cases. docs/testing.md says what each statement means.
 */
#pragma once

#include "plan/script.h"
#include "sink/memory.h"
#include "source/memory.h"

/* Rows as text, each cell as PostgreSQL prints it, NULL where it is NULL. */
struct test_rows {
    struct arena *arena;
    uint32_t ncols, count, cap;
    const char ***cells;
};
void test_rows_add(struct test_rows *r, const char **cells);
/* Run a query of a script, its rows appended: `into->arena` and `ncols` are set. */
struct query_relations;
enum status test_rows_query(struct plan *query, const struct query_relations *relations, struct test_rows *into,
                            struct error *err);
/* The text as values of the type are compared and shown: numerics without zeros at their end. FAILED: it is no such
 * value. */
enum status test_cell(struct type type, const char *text, struct arena *a, const char **ret, struct error *err);

enum test_action_kind {
    TEST_GIVE,      /* rows of a source */
    TEST_CUT,       /* an epoch ends; one without rows where none are waiting */
    TEST_NOW,       /* the clock stands at `us` */
    TEST_WATERMARK, /* event time has reached `us` */
    TEST_CLOSE,     /* the input ends */
    TEST_EXPECT,    /* a query gives these rows */
};

struct test_action {
    enum test_action_kind kind;
    struct place place; /* of an expectation: of its VALUES, of its SELECT if there are none */
    uint32_t input;     /* GIVE, CLOSE: index into inputs; CLOSE ALL: UINT32_MAX */
    uint32_t nrows;     /* GIVE */
    int64_t us;
    struct plan *query; /* EXPECT: one NODE_RESULT */
    const struct schema *columns;
    bool ordered;
    struct test_rows expected;
};

struct test_case {
    const char *name;
    struct place place;
    int64_t now_us;       /* at the start; 0: the clock runs */
    bool as_written;      /* no other cuts than those that are written */
    bool allow_c_functions; /* set by whoever runs it */
    struct plan_text *texts; /* the pipeline; last, what the test adds to it */
    size_t ntexts;
    struct plan_stand_in stand_in;
    struct plan_world world;
    struct plan *plan;
    struct test_action *actions;
    uint32_t nactions;
    struct memory_input *inputs; /* all sources, with every row that is given */
    uint32_t ninputs;
};

struct test_file {
    const char *path;
    struct arena arena;
    struct plan_text text;
    struct script *script;
    struct test_case **cases;
    uint32_t ncases;
};

/* FAILED: what is wrong, with its place in the test or in the pipeline. *ret is to be released in any case. */
enum status test_file_read(const char *path, struct test_file *ret, struct error *err);
void test_file_release(struct test_file *f);

/* The relations that a test sees: what the pipeline writes, and the system's. */
bool test_is_relation(const struct plan *plan, const char *name, struct schema *ret);
