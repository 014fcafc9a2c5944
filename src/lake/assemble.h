/* Nested columns as JSON: structs are objects, lists arrays, maps objects with their keys as text. Lists and maps are
 * taken in their 3-level and 2-level spellings (LogicalTypes.md, "Nested Types").
 *
 * A column's leaves are read side by side. A value is there at a node when the leaf's definition level reaches the
 * node's; a repeated node goes on while the next entry's repetition level equals the node's.
 */
#pragma once

#include "lake/convert.h"

enum { ASSEMBLE_MAX_VALUE = 64 << 20 };

/* A place in a leaf's block. */
struct leaf_cursor {
    struct leaf_reader *leaf;
    uint32_t entry, value; /* in the block */
};

/* The leaf of the elements of a list of scalars, in any of its spellings; NULL: n is no such list. */
const struct parquet_node *assemble_element(const struct parquet_node *n);
/* One top-level value of such a list: its elements into a column of their type, with a bitmap, whose first *ret_n
 * elements it becomes; it grows in t->arena. */
enum status assemble_list(const struct parquet_node *n, struct leaf_cursor *cursor, struct column *elements,
                          uint32_t *cap, uint32_t *ret_n, bool *ret_null, struct convert_target *t, struct error *err);
/* One top-level value of node n, appended to out; cursors: per leaf below n. *ret_null: it is NULL (nothing appended).
 */
enum status assemble_value(const struct parquet_node *n, struct leaf_cursor *cursors, struct buf *out, bool *ret_null,
                           struct error *err);
