/* Several values of a row as one bytea: what aggregates of several arguments read, and keep as keys.
 *
 *     the row keys (column/rowkey.h) of all values, one after the other; u32 little-endian, where the payload begins
 *
 * The first values are an order to keep rows in: memcmp on packed rows is that order. The rest, the payload, is what
 * the aggregate needs. Packing is a call of step_pack, whose first argument is a constant text with a letter a value.
 *
 *     a A  a key, ascending, NULLs last or first       r  a key, ascending; without it the row is NULL
 *     d D  a key, descending, NULLs first or last      v  payload; without it the row is NULL
 *                                                      o  payload that may be NULL
 *                                                      w  payload, a string or array as its bytes lie, to the end
 */
#pragma once

#include "expr/function.h"

extern const struct function step_pack;

/* The call that packs `values` as `letters` say; its type is a bytea with `element` (may be untyped) inside. */
struct expr *packed_row(struct arena *a, const char *letters, struct expr *const *values, uint32_t n,
                        struct type element, int32_t location);
struct reader packed_payload(struct slice packed);
/* Does a value of the type come back from a row key as it went in? An interval may come back in days for months, a
 * jsonb without the zeros at the end of its numbers, -0 as 0. */
static inline bool packed_key_is_exact(struct type t)
{
    return t.id != TYPE_INTERVAL && t.id != TYPE_JSONB && t.id != TYPE_FLOAT8;
}
/* Is it enough for arg_min and arg_max to keep the key of what they give? */
static inline bool packed_choice_is_key(struct type t) { return t.id != TYPE_INTERVAL && t.id != TYPE_JSONB; }
/* The type of the value inside. */
struct type packed_element(struct type packed);
