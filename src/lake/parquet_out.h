/* A Parquet file being written, below the question where values come from: parquet_write.c fills its leaves from
 * batches, parquet_shred.c from nested values. */
#pragma once

#include "lake/leaf.h"

/* Values of more bytes give no min/max in the footer: nobody prunes by a megabyte. */
enum { PARQUET_MAX_BOUND = 4096 };

struct parquet_out {
    struct arena arena; /* tree and names */
    struct parquet_node *root;
    struct leaf *leaves;
    uint32_t nleaves;
    struct leaf_tools tools;
    uint64_t max_bytes;
    struct slice *parts; /* every one malloc'ed */
    size_t nparts, parts_capacity;
    uint64_t offset;   /* bytes in parts = where the next one begins in the file */
    struct buf groups; /* RowGroups so far */
    uint32_t ngroups;
    uint64_t rows, group_rows;
};

/* The tree, its arena included, becomes the file's; kinds and numeric: per leaf. */
void parquet_out_init(struct parquet_out *o, struct arena arena, struct parquet_node *root, const enum leaf_kind *kinds,
                      const bool *numeric, const struct parquet_options *options);
void parquet_out_release(struct parquet_out *o);
/* Encoded bytes of the row group so far. */
size_t parquet_out_group_bytes(const struct parquet_out *o);
/* Close the row group, if it has rows. ERR_LIMIT: the file is larger than it may be. */
enum status parquet_out_end_group(struct parquet_out *o, struct error *err);
/* Close the file: parts are whole. */
enum status parquet_out_finish(struct parquet_out *o, struct error *err);
