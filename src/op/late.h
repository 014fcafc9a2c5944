/* Rows that have no time, those whose windows have none, and late rows: those whose time the watermark has passed. Late
 * ones are refused as rule `late`, with the watermark they missed, and counted; never dropped in silence (semantics
 * 8). */
#pragma once

#include "flow/operator.h"
#include "plan/plan.h"

/* Rows whose `column` is NULL leave the batch, refused as `rule`: past an outer join a time can be that. names: of the
 * batch's columns, whose struct is the caller's own. */
void refuse_null(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                 uint32_t column, const char *rule);
/* Rows of which a window would begin or end outside the years 1 to 9999 leave the batch, whose struct is the caller's
 * own, as rule `error:22008`. */
void refuse_outside(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                    const struct plan_window *w);
/* One late row, in so many words; it stays in the batch. */
void report_late(struct op_context *c, const struct operator *op, const char *const *names, const struct batch *b,
                 uint32_t row, int64_t limit);
/* Rows whose `column` plus `length` (us, >= 0) is at or before `limit` (INT64_MIN: none is) leave the batch, whose
 * struct is the caller's own. names: of the batch's columns. A NULL is not late. */
void refuse_late(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                 uint32_t column, int64_t length, int64_t limit);
