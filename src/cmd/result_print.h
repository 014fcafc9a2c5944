/* Query results on stdout, as a table, CSV with the names at its head, or one JSON object a line. */
#pragma once

#include "engine/query.h"

enum result_style { RESULT_TABLE, RESULT_CSV, RESULT_JSON };

/* Run the SELECTs of a text and print what they give. width: cut table cells to a terminal's width; 0: do not.
 * most: print no more rows than that of a SELECT. */
enum status result_print(const struct plan_text *text, const struct query_relations *relations,
                         enum result_style style, unsigned width, uint64_t most, struct error *err);
