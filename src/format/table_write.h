/* Rows as a table for people, as psql draws it:
 *
 *      user_id | total_deposits
 *     ---------+----------------
 *      u-1     |          10.00
 *      u-2     | NULL
 *
 * Names stand in the middle, numbers at the right. Control characters are shown as \n, \t or \x1b, so that a value
 * can neither break a line nor speak to the terminal. Widths are counted in terminal cells.
 */
#pragma once

#include "flow/format.h"

struct table_writer;

/* The schema's names are copied. width: of the terminal; texts that do not fit are cut with an ellipsis, numbers never,
 * and columns for which there is no room even so are left out, the last ones first; 0: unlimited. */
struct table_writer *table_writer_new(const struct schema *schema, uint32_t width);
/* Append the live rows to the table, printed to out as soon as the widths are known: after a thousand rows or at a
 * flush. The head is printed before the first row; a later value that is too wide for its column pushes the others
 * aside. */
void table_writer_add(struct table_writer *t, const struct batch *b, struct buf *out);
/* The same with a row of texts, one per column; data NULL: a NULL. */
void table_writer_add_texts(struct table_writer *t, const struct slice *texts, struct buf *out);
/* Print what is held back, and the head if it was not yet. */
void table_writer_flush(struct table_writer *t, struct buf *out);
/* A flush, and a line in brackets: rows ("6 rows", "first 10 rows"), and the columns that were left out. */
void table_writer_end(struct table_writer *t, const char *rows, struct buf *out);
void table_writer_free(struct table_writer *t);

/* The format "table" (formats.h) is the same as an encoder that flushes after every batch. */
