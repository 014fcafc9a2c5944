/* A whole table in memory, as texts, to be shown again after each change: rows in the order of their keys. It knows
 * what it was given since it was made, no more; at a start that is what the state has of it.
 *
 *     TRY(console_table_apply(t, changes, cancelled, &result, err));
 *     console_table_print(t, 20, 0, &out);     // head, at most 20 rows, "(20 of 153 rows)"
 */
#pragma once

#include "flow/sink.h"

struct console_table;

/* The schema and key outlive the table. truncate: longer texts are cut to so many characters, the last three of them
 * dots; 0: never. */
struct console_table *console_table_new(const struct schema *schema, const uint32_t *key, uint32_t nkey,
                                        uint32_t truncate);
void console_table_free(struct console_table *t);
/* On failure the table may have a part of the changes; they may be applied again. ERR_LIMIT: more than 256 MiB of
 * text. */
enum status console_table_apply(struct console_table *t, struct change_set *changes, const atomic_bool *cancelled,
                                struct sink_result *ret, struct error *err);
/* width: of the terminal; 0: unlimited. Prints 3 lines and one a row. */
void console_table_print(const struct console_table *t, uint64_t most_rows, uint32_t width, struct buf *out);
