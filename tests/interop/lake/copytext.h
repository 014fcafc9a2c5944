/* Tables as text between lake_tool and its Python side: a first line "name:type[:notnull]" per column, then a line a
 * row; values separated by tabs and printed as PostgreSQL's COPY does: \N is NULL, tab, newline, return and backslash
 * are \t \n \r
 * \\. Types by PostgreSQL's names, "numeric(18,2)" with its modifiers. */
#pragma once

#include "column/batch.h"

/* Parse a header line into a schema in the arena. */
enum status copytext_schema(struct slice line, struct arena *a, struct schema *ret, struct error *err);
/* The next rows of text, at most BATCH_ROWS; *text moves on; *ret NULL at its end. */
enum status copytext_batch(const struct schema *s, struct slice *text, struct arena *a, struct batch **ret,
                           struct error *err);
void copytext_print_schema(const struct schema *s, struct buf *out);
void copytext_print(const struct batch *b, struct buf *out);
/* All of stdin. */
enum status copytext_stdin(struct buf *into, struct error *err);
