/* Late rows: those whose time the watermark has passed. They are refused as rule `late`, with the watermark they
 * missed, and counted; never dropped in silence (semantics 8). */
#pragma once

#include "flow/operator.h"

/* Rows whose `column` is at or before `limit` (INT64_MIN: none is) leave the batch, whose struct is the caller's own.
 * names: of the batch's columns. A NULL is not late. */
void refuse_late(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                 uint32_t column, int64_t limit);
