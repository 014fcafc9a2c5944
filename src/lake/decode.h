/* Values of one data page, by encoding. Integers, booleans and INT96 (as microseconds) come as int64_t, floats as
 * double, byte arrays as slices into the page, or into `made` where the encoding puts them together.
 *
 * DELTA_BINARY_PACKED:  varint values in a block (B), miniblocks in a block (M), values in all; zigzag first value;
 *                       per block: zigzag smallest delta, M bytes of bit widths, per miniblock B/M deltas less the
 *                       smallest, packed
 * DELTA_LENGTH_BYTES:   lengths as DELTA_BINARY_PACKED, then all bytes
 * DELTA_BYTES:          lengths of prefixes shared with the value before as DELTA_BINARY_PACKED, suffixes as
 *                       DELTA_LENGTH_BYTES
 * BYTE_STREAM_SPLIT:    first bytes of all values, second bytes of all values, ...
 */
#pragma once

#include "lake/parquet_meta.h"
#include "lake/rle.h"

enum { DECODE_BLOCK = 2048 };

struct delta_decoder {
    struct reader in;
    uint32_t minis, per_mini;
    uint64_t left; /* values still to come */
    bool started;
    uint64_t value, min_delta;
    const unsigned char *widths;
    uint32_t mini, mini_left; /* miniblocks of the block entered; values left in this one */
    unsigned width;
    const unsigned char *bits, *bits_end;
    uint64_t bit;
};

bool delta_decoder_init(struct delta_decoder *d, struct reader in);
/* The next n values, or false. */
bool delta_decoder_next(struct delta_decoder *d, int64_t *ret, size_t n);

union decoded {
    int64_t i[DECODE_BLOCK];
    double d[DECODE_BLOCK];
    struct slice s[DECODE_BLOCK];
};

struct decoder {
    enum physical physical;
    int32_t length; /* PHYSICAL_FIXED */
    int32_t encoding;
    struct reader in; /* PLAIN, and the bytes of the delta encodings */
    uint64_t bit;     /* PLAIN booleans; BYTE_STREAM_SPLIT: values given */
    struct rle rle;   /* dictionary indexes, RLE booleans */
    struct delta_decoder numbers, prefixes;
    struct buf *made; /* the caller's: values put together, valid until the next call */
    struct buf last;  /* DELTA_BYTES: the value before */
};

/* Start on the values of a page. ERR_UNSUPPORTED: an encoding we do not know, or not for this type. */
enum status decoder_start(struct decoder *d, const struct parquet_node *n, int32_t encoding, struct slice bytes,
                          struct buf *made, struct error *err);
static inline bool decoder_is_dictionary(const struct decoder *d)
{
    return d->encoding == ENCODING_RLE_DICTIONARY || d->encoding == ENCODING_PLAIN_DICTIONARY;
}
/* The next n <= DECODE_BLOCK values; false: broken. Not for dictionary pages: those use decoder_indexes. */
bool decoder_next(struct decoder *d, union decoded *ret, uint32_t n);
bool decoder_indexes(struct decoder *d, uint32_t *ret, uint32_t n);
void decoder_release(struct decoder *d);
