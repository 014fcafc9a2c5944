/* The hybrid of run lengths and bit packing that Parquet uses for levels, dictionary indexes and (v2) booleans.
 *
 *   run := varint h, then
 *     h & 1: (h >> 1) groups of 8 values, bit-packed, least significant bit first: width bytes a group
 *     else:  a run of h >> 1 equal values: the value once, in (width + 7) / 8 little-endian bytes
 */
#pragma once

#include "base/buf.h"

/* Values below 2^width, width 1..32. */
void rle_encode(const uint32_t *values, size_t n, unsigned width, struct buf *out);
/* Bits of the largest value, at least 1. */
static inline unsigned rle_width(uint32_t largest)
{
    return largest ? 32 - (unsigned)__builtin_clz(largest) : 1;
}

struct rle {
    struct reader in;
    unsigned width;
    uint32_t run, value; /* values left of a run */
    uint64_t literals;   /* values left of bit-packed groups */
    const unsigned char *bits, *bits_end;
    uint64_t bit; /* of the next literal, from `bits` */
};

/* width 0..32 (asserted); width 0 is an endless run of 0. */
void rle_init(struct rle *r, struct slice bytes, unsigned width);
/* The next n values; false: there are fewer, or the bytes are broken. */
bool rle_next(struct rle *r, uint32_t *ret, size_t n);

/* n values of `width` (1..64) bits, least significant bit first, starting at bit `bit` of p..end; bits past the end are
 * 0. */
void bits_unpack(const unsigned char *p, const unsigned char *end, uint64_t bit, unsigned width, uint64_t *ret,
                 size_t n);
