/* Rows of a batch, each as often as it is named. */
#pragma once

#include "column/batch.h"

/* A batch of `n` rows: row i is row rows[i] of `in`, with its weight and origin, and the first `ncols` columns of it;
 * there is room for `more` columns behind these, which the caller sets. All in the arena; strings are shared. */
struct batch *batch_repeat(const struct batch *in, uint32_t ncols, const uint32_t *rows, uint32_t n, uint32_t more,
                           struct arena *a);
