/* From the values of a Parquet leaf to a column of one of our types. */
#pragma once

#include "column/batch.h"
#include "lake/leaf_read.h"

enum form { /* what the annotations make of the physical type */
            FORM_UNKNOWN,
            FORM_BOOL,
            FORM_INT,
            FORM_UINT,
            FORM_DOUBLE,
            FORM_HALF, /* 2 bytes, IEEE binary16 */
            FORM_DECIMAL_INT,
            FORM_DECIMAL_BYTES, /* big-endian two's complement of any length */
            FORM_STRING,
            FORM_BYTES,
            FORM_UUID, /* 16 bytes */
            FORM_DATE,
            FORM_TIMESTAMP,
};

enum form form_of(const struct parquet_node *leaf);
/* The type a leaf comes as when nothing else is asked for; TYPE_UNKNOWN: cannot be read. */
struct type natural_type(const struct parquet_node *leaf);
/* Can a leaf be had as this type? ERR_STATE. */
enum status convert_check(const struct parquet_node *leaf, struct type to, struct error *err);

/* What one call of parquet_reader_next may still copy, over all its columns. */
struct convert_target {
    struct arena *arena;
    size_t bytes_left;
    /* Strings of a dictionary are copied once per batch: views by entry, valid where stamps[entry] = stamp. */
    struct view *views;
    uint32_t *stamps, stamp;
};

/* The values of the leaf's block into rows row.. of c (whose type is `to`), NULLs where the block has none; c->valid is
 * allocated over `rows` rows at the first NULL. ERR_STATE: a value does not fit the type; ERR_CORRUPT: it is none. */
enum status convert_block(const struct leaf_reader *l, struct column *c, uint32_t row, uint32_t rows,
                          struct convert_target *t, struct error *err);
/* Value k of the block into an element of a column of a type that convert_check has passed. */
enum status convert_one(const struct leaf_reader *l, uint32_t k, struct column *c, uint32_t row,
                        struct convert_target *t, struct error *err);
/* Value k of the block as JSON. */
enum status convert_json(const struct leaf_reader *l, uint32_t k, struct buf *out, struct error *err);
/* The same as the text of a JSON object's key, without quotes. */
enum status convert_key(const struct leaf_reader *l, uint32_t k, struct buf *out, struct error *err);
