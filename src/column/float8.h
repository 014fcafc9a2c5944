/* double precision as text, as PostgreSQL 15 reads and prints it (extra_float_digits = 1). The process never sets
 * LC_NUMERIC, so that libc's conversions speak with a point. */
#pragma once

#include "base/base.h"

/* The shortest digits that read back as v: "0.1", "1e+15", "9.999999999999999e+22", "-0", "NaN", "-Infinity". Returns
 * the length. */
size_t float8_print(double v, char out[static 32]);

enum float8_outcome { FLOAT8_OK, FLOAT8_SYNTAX, FLOAT8_RANGE };

/* "1.5", "-1e-3", ".5", "Infinity", "inf", "NaN", in any case; no blanks, no hexadecimal, at most 399 bytes.
 * FLOAT8_RANGE: not 0, but too large or too small to be a double. */
enum float8_outcome float8_parse(struct slice text, double *ret);
