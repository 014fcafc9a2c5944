/* The formats there are. To add one: a file that defines a struct format, a line here, a line in engine/builtin.c. */
#pragma once

#include "flow/format.h"

extern const struct format format_json;  /* one JSON object a message; files: one a line */
extern const struct format format_csv;   /* RFC 4180 */
extern const struct format format_table; /* aligned columns for people; written only */
