/* Batches as bytes: the payload of outbox change sets and of keyed-state segments. Column-wise and self-describing
 * only as far as the schema is known to both sides; checksums are the segment's business (state/segment.h).
 *
 *   u32 rows, u32 ncols, u8 has_weight
 *   has_weight: rows x i64
 *   per column: u8 type id, u8 precision, u8 scale, u8 has_valid, to which an array adds 2 * its element's type id
 *               has_valid: BITMAP_WORDS(rows) x u64
 *               fixed width: rows x width bytes
 *               views: rows x u32 length, then the bytes of all values, one after the other
 *
 * Only live rows are written; origin is not.
 */
#pragma once

#include "column/batch.h"

void batch_encode(const struct batch *b, struct buf *out);
/* The batch's columns are checked against `types` (NULL: whatever they are); views point into `in`, which must outlive
 * the batch. ERR_CORRUPT on anything odd: lengths are never trusted. Up to 16 M rows. */
enum status batch_decode(struct slice in, const struct type *types, uint32_t ncols, struct arena *a,
                         struct batch **ret, struct error *err);
