/* Rows as JSON objects, one a line. */
#pragma once

#include "flow/format.h"

enum status json_encoder_new(const struct schema *schema, const struct options *options, struct encoder **ret,
                             struct error *err);
/* One value as JSON: numbers for integers, numeric (all digits of its scale) and double; "NaN", "Infinity" for what
 * JSON has no number for; ISO 8601 for times (2026-11-21T06:00:00.123456Z; timestamp without the Z); jsonb as it is;
 * arrays as arrays; null. */
void json_put_value(struct buf *out, const struct column *c, size_t row);
