/* Sort keys as bytes: memcmp on them orders rows as the keys say. */
#pragma once

#include "plan/plan.h"

/* Append the sort key of a row: rowkey's bytes are ascending with NULLS LAST; a descending key has every byte inverted,
 * and a NULL that belongs on the other side another first byte. */
void sort_key_put(struct buf *out, const struct column *cols, const struct plan_sort_key *keys, uint32_t nkeys,
                  uint32_t row);
