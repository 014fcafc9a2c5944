/* Arrays: a value of TYPE_ARRAY is a byte string that holds its elements, in one dimension, counted from 1. A column's
 * type says what they are (type_element), so the bytes do not. The encoding is part of the state's format:
 *
 *   u32 little-endian, n elements; its highest bit: some of them are NULL
 *   if so:       ceil(n / 8) bytes, bit i of them (lowest first) = 1: element i has a value; the bits behind are 0
 *   fixed width: n x type_width bytes, each as a column holds it; those of a NULL are 0
 *   strings:     n x u32 length (0 for NULL), then the bytes of all, one after the other
 *
 * An array has up to ARRAY_MAX_BYTES. What PostgreSQL has beyond that is refused by name: more dimensions, and bounds
 * that do not begin at 1. Order and equality are PostgreSQL's: element by element, a NULL equal to a NULL and above
 * everything else, and the shorter array first if the other goes on.
 */
#pragma once

#include "column/batch.h"

enum { ARRAY_MAX_BYTES = MIB(16) };

/* The elements as a column of their type: n of them, in the arena, strings pointing into `bytes`. No bytes at all (what
 * lies in the lane of a NULL) are an empty array. The bytes are ours: array_check has seen those that are not. */
struct column array_open(struct slice bytes, struct type array, struct arena *a, uint32_t *ret_n);
uint32_t array_count(struct slice bytes);
/* Append the array of `n` elements of a column, from `from` on. */
void array_put(struct buf *out, const struct column *elements, uint32_t from, uint32_t n);
/* Are these the bytes of an array of that type? */
bool array_check(struct slice bytes, struct type array);
/* <0, 0, >0. */
int array_order(struct slice x, struct slice y, struct type array);

/* PostgreSQL's text: {1,2,NULL} or {"a b","say \"x\""}. */
void array_print(struct slice bytes, struct type array, struct buf *out);
/* Its elements, each as text, in a column of type text that points into the arena; NULL ones are NULL. FAILED: it is no
 * array, or ERR_UNSUPPORTED: one of a kind that is refused. */
enum status array_split(struct slice text, struct arena *a, struct column *ret, uint32_t *ret_n, struct error *err);
