/* Text to syntax tree, through PostgreSQL's own parser (libpg_query 15). The parse*.c files are the only ones that know
 * that library. Statements that bourn does not support are refused here, by name. */
#pragma once

#include "plan/ast.h"
#include "plan/text.h"

struct ast_statements {
    struct ast_statement **items;
    uint32_t count;
    int32_t *failed_at; /* locations of statements that could not be read */
    uint32_t nfailed;
};

/* All statements of all files, in order. What is wrong is added to *problems, at least one error for each statement
 * that could not be read; the others are in *ret. */
void parse_text(const struct text *text, struct arena *a, struct problems *problems, struct ast_statements *ret);
