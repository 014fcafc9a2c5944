/* A script: statements that are done one after the other, as a test of a pipeline has them (cmd/cmd_test.c). Only the
 * order and the words are known here; what they mean is its reader's.
 *
 *     SET name = 'value';                        SCRIPT_SET
 *     INSERT INTO table (columns) VALUES ...;    SCRIPT_INSERT
 *     CHECKPOINT;                                SCRIPT_CHECKPOINT
 *     CLOSE table;  CLOSE ALL;                   SCRIPT_CLOSE
 *     SELECT ...;                                SCRIPT_SELECT
 *     VALUES ...;                                SCRIPT_VALUES
 */
#pragma once

#include "plan/plan.h"

enum script_kind { SCRIPT_SET, SCRIPT_INSERT, SCRIPT_CHECKPOINT, SCRIPT_CLOSE, SCRIPT_SELECT, SCRIPT_VALUES };

struct script_step {
    enum script_kind kind;
    struct place place;
    const char *name;     /* SET, INSERT: the setting, the table; CLOSE: the table, NULL: all */
    const char *value;    /* SET */
    const char **columns; /* INSERT: as listed, none: all */
    struct place *column_places;
    uint32_t ncolumns;
    bool ordered;         /* SELECT, VALUES: it has an ORDER BY */
};

struct script;

/* The text must outlive *ret. On FAILED *err has the first error, with its place. */
enum status script_read(const struct plan_text *text, struct script **ret, struct error *err);
const struct script_step *script_steps(const struct script *s, uint32_t *ret_count);
/* The query of an INSERT, SELECT or VALUES step as plan_query would plan it: one NODE_RESULT. The script must outlive
 * the plan. */
enum status script_query(const struct script *s, uint32_t step, const struct plan_world *world,
                         const struct plan_lookup *lookup, struct plan **ret, struct error *err);
void script_free(struct script *s);
static inline void script_autofree(struct script **s) { script_free(*s); }
