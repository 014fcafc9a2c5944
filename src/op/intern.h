/* Strings that come again and again, kept once.
 *
 * A decoded string points into its message, which is far out of the cache by the time a later step compares it. In a
 * column of few values (a kind of event, a currency's name) every view is made to point to one copy of its bytes, which
 * stays near. Columns that turn out to hold mostly new values, or hardly any that are long enough, are left alone.
 */
#pragma once

#include "column/batch.h"

struct intern;
/* For one worker's batches of `ncols` columns. */
struct intern *intern_new(uint32_t ncols);
/* What was interned is good until here. */
void intern_free(struct intern *t);
/* The views of column `which` of a fresh batch: equal before and after. */
void intern_column(struct intern *t, uint32_t which, struct column *c, uint32_t rows);
