/* Refusing rows whose expressions failed: rule "error:SQLSTATE". Such a row is data, never the end of the job. */
#pragma once

#include "expr/program.h"
#include "flow/operator.h"

/* One rejection per row that has errors. Rows with an origin keep their place and bytes; rows past the first stateful
 * step are named by their values, and only those of weight > 0 (a retraction of a row that was refused before says
 * nothing new). Answers how many rows had errors. */
uint64_t refuse_errors(struct op_context *c, const struct batch *b, const struct row_errors *errors, const char *step,
                       const char *const *names);
/* The same for what was made of the rows of `in`: those that failed leave `out`, whose struct is the caller's own. */
uint64_t refuse_failed(struct op_context *c, const struct batch *in, const struct row_errors *errors, const char *step,
                       const char *const *names, struct batch *out);
