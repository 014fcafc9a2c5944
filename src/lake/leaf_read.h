/* One leaf column being read: the bytes of a chunk in, blocks of levels and values out. */
#pragma once

#include "lake/codec.h"
#include "lake/decode.h"

struct leaf_reader {
    const struct parquet_node *node;
    struct codec_state *codecs;
    /* the chunk */
    struct buf chunk;
    size_t at;
    int codec;
    uint64_t entries_left;
    /* its dictionary */
    uint32_t ndict;
    bool has_dict;
    int64_t *dict_i;      /* or doubles */
    struct slice *dict_s; /* into dict_bytes */
    struct buf dict_bytes, dict_made;
    /* the page */
    struct buf page;
    uint32_t page_left;
    struct rle rep_levels, def_levels;
    struct decoder decoder;
    struct buf made;
    /* the block: n entries, of which nvalues have a value */
    uint32_t n, nvalues;
    uint8_t def[DECODE_BLOCK], rep[DECODE_BLOCK];
    union decoded values;
    uint32_t index[DECODE_BLOCK];  /* of each value in the dictionary; UINT32_MAX in [0]: not from one */
    uint32_t levels[DECODE_BLOCK]; /* scratch */
};

void leaf_reader_init(struct leaf_reader *l, const struct parquet_node *node, struct codec_state *codecs);
void leaf_reader_release(struct leaf_reader *l);
/* Where the caller puts the chunk's bytes: chunk->bytes of them; then leaf_reader_fill. */
char *leaf_reader_start(struct leaf_reader *l, const struct parquet_chunk *chunk);
/* The next block of 1..max entries (max <= DECODE_BLOCK), fewer at the end of a page; n = 0: end of the chunk. Slices
 * are valid until the next call. */
enum status leaf_reader_fill(struct leaf_reader *l, uint32_t max, struct error *err);
