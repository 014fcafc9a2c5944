/* One leaf column being written: values and levels in, pages out.
 *
 * Values come dense (NULLs have none), as one array per call, its element chosen by the leaf's kind. A page ends at
 * LEAF_PAGE_ENTRIES entries or about LEAF_PAGE_BYTES; a chunk (all pages of a row group) ends at leaf_finish_chunk.
 *
 * A chunk starts with a dictionary. It is dropped at the first page if it does not pay there, and no longer added to
 * once it holds LEAF_DICT_BYTES; from then on pages are PLAIN. A column whose dictionary did not pay is not tried again
 * in the file.
 */
#pragma once

#include "lake/codec.h"
#include "lake/dict.h"
#include "lake/parquet.h"
#include "lake/parquet_meta.h"

enum { LEAF_PAGE_ENTRIES = 1 << 16, LEAF_PAGE_BYTES = 1 << 20, LEAF_DICT_BYTES = 1 << 20 };

enum leaf_kind {
    LEAF_BOOL,    /* int64_t 0/1 */
    LEAF_INT,     /* int64_t, written as INT32 or INT64 */
    LEAF_DOUBLE,  /* double */
    LEAF_DECIMAL, /* int128, written as big-endian bytes */
    LEAF_UUID,    /* 16 bytes, written as 36 characters */
    LEAF_BYTES,   /* struct view */
};

/* The bounds of values seen so far; which members count depends on the kind. */
struct leaf_bounds {
    uint64_t nulls;
    bool any, nan;
    int64_t imin, imax;
    double dmin, dmax;
    int128 nmin, nmax; /* LEAF_UUID: the bytes as a number */
    struct buf smin, smax;
};

struct leaf {
    const struct parquet_node *node;
    enum leaf_kind kind;
    bool numeric; /* LEAF_INT holds a DECIMAL: its bounds are given in .n */
    /* the page */
    uint32_t entries, values;
    uint32_t capacity; /* of def, rep and index */
    bool has_levels; /* def (and rep) hold this page's levels; else all values are there */
    uint8_t *def, *rep;
    uint32_t *index; /* dictionary numbers of the page's values */
    struct buf plain;
    /* the chunk */
    struct dict dict;
    bool use_dict, dict_pages, plain_pages, hopeless;
    struct buf pages, dict_page;
    uint64_t chunk_values, uncompressed;
    struct leaf_bounds chunk, file;
};

/* What all leaves of a writer share. */
struct leaf_tools {
    struct codec_state *codecs;
    enum codec codec;
    int level;
    struct buf body, packed; /* scratch: a page before and after compression */
    uint32_t *levels;        /* scratch: LEAF_PAGE_ENTRIES */
};

/* A finished chunk; the bytes are the caller's to release. */
struct leaf_chunk {
    struct buf dict_page, pages; /* in this order in the file; dict_page may be empty */
    uint64_t values, uncompressed;
    bool dict_pages, plain_pages;
};

void leaf_tools_init(struct leaf_tools *t, enum codec codec, int level);
void leaf_tools_release(struct leaf_tools *t);
void leaf_init(struct leaf *l, const struct parquet_node *node, enum leaf_kind kind, uint64_t max_bytes);
void leaf_release(struct leaf *l);

/* How many more entries this page takes. At least 1. */
static inline uint32_t leaf_room(const struct leaf *l)
{
    return LEAF_PAGE_ENTRIES - l->entries;
}
/* Add n entries (at most leaf_room), of which nvalues have a value. def NULL: all have; rep NULL: none repeats. The
 * page is closed when it is full. Where values repeat, the caller also says where a row ends. */
void leaf_put(struct leaf *l, struct leaf_tools *t, const uint8_t *def, const uint8_t *rep, uint32_t n,
              const void *values, uint32_t nvalues);
void leaf_end_row(struct leaf *l, struct leaf_tools *t);
/* Encoded bytes of the chunk so far, about. */
size_t leaf_bytes(const struct leaf *l);
/* End the chunk: *ret takes its bytes; bounds are left in l->chunk, which the caller resets with leaf_merge_bounds. */
void leaf_finish_chunk(struct leaf *l, struct leaf_tools *t, struct leaf_chunk *ret);
/* Fold the chunk's bounds into the file's and forget them. */
void leaf_merge_bounds(struct leaf *l);
/* The bounds as parquet.h gives them. Strings point into b, a uuid's into text. */
struct parquet_stats leaf_stats(const struct leaf *l, const struct leaf_bounds *b, char text[2][UUID_TEXT]);
/* A bound as Statistics wants it, appended. */
void leaf_bound_put(const struct leaf *l, const union parquet_bound *v, struct buf *out);
