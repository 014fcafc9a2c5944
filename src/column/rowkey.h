/* Row keys: values of several columns as one canonical string of bytes.
 *
 * Two rows get the same bytes iff they are equal as PostgreSQL groups them (NULL equals NULL, 1.0 equals 1.00, -0.0
 * equals 0.0, all NaNs equal), and memcmp on the bytes orders them as ORDER BY a, b ... NULLS LAST does. The format
 * is part of the state's format:
 *
 *   per value: 0x01, then   bool 1 byte | int4, date: 4 B big-endian, sign flipped | int8, timestamps: 8 B likewise
 *                           | float8: 8 B, IEEE total order | numeric: 16 B big-endian int128, sign flipped, at the
 *                           column's scale | uuid 16 B | interval 16 B by length | text, bytea, jsonb: bytes with 0x00
 *                           -> 0x00 0xff, ended by 0x00 0x00 | array: the keys of its elements, ended by 0x00
 *   NULL: 0x02
 *
 * Callers that compare numerics of different scales bring them to one scale first (plan/ does).
 */
#pragma once

#include "column/batch.h"

/* The most that a key, or a key with its row, may take: their lengths in state are 32 bits. A buffer of less would cut
 * what a large message decodes to (the key of an array of numbers is eight times its JSON), and make rows equal that
 * are not. */
#define ROWKEY_MAX (GIB(4) - 1)

/* Do equal values of the type look the same? Not of an interval, whose months are days, nor of a jsonb, whose 1.50 is
 * 1.5: what is read back from a key is then another one that is equal. */
bool rowkey_tells_form(struct type type);
/* Append the key of one row to out. */
void rowkey_put(struct buf *out, const struct column *cols, const uint32_t *which, uint32_t n, size_t row);
/* Read one value back into row `row` of a column (strings are copied into the arena): one that is equal to what was
 * put, though an interval may come back in days for months, and jsonb numbers without zeros at their end. A column that
 * may be NULL needs its bitmap. false: not a key of this type, or cut short. */
bool rowkey_get(struct reader *in, struct column *into, size_t row, struct arena *a);
