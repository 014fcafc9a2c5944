/* One row as bytes: what operators keep of rows they may have to give back. Two rows have the same bytes iff their
 * values are the same, bit by bit (1.0 and 1.00 differ, -0.0 and 0.0 do): a retraction finds the row that it takes
 * back.
 *
 *     ceil(n / 8)     bitmap, bit = 1: NULL
 *     per column that is not NULL: an element of fixed width as it lies, or u32 length and the bytes
 *
 * The format is part of the state's format.
 */
#pragma once

#include "column/batch.h"

/* Append row `row` of the columns. */
void rowpack_put(struct buf *out, const struct column *cols, uint32_t ncols, size_t row);
/* Into row `at` of the columns, which have room for `rows` rows; strings are copied into the arena unless they are
 * short; without an arena they point into the bytes, and the columns have their bitmaps. false: the bytes are no row
 * of these columns. */
bool rowpack_get(struct slice bytes, struct column *cols, uint32_t ncols, size_t at, size_t rows, struct arena *a);
/* n rows into n rows of the columns, from the first on, a column at a time; a row whose data is NULL is one of NULLs.
 * Strings are not copied: they point into the bytes. Columns have bitmaps all set, or get them where they need them. */
bool rowpack_get_all(const struct slice *packed, uint32_t n, struct column *cols, uint32_t ncols, struct arena *a);
