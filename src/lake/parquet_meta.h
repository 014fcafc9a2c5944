/* Parquet's own metadata: the footer, the schema tree, page headers.
 *
 * A file is
 *
 *   "PAR1"
 *   per row group, per leaf column, a chunk:   [dictionary page] data page...
 *       a page: PageHeader (thrift), then its bytes, compressed as one
 *   FileMetaData (thrift)
 *   u32 length of FileMetaData, "PAR1"
 *
 *   FileMetaData  1 version 2 [SchemaElement] 3 num_rows 4 [RowGroup] 5 [key, value] 6 created_by 7 [ColumnOrder]
 *   SchemaElement 1 type 2 type_length 3 repetition 4 name 5 num_children 6 converted 7 scale 8 precision 10 logical;
 *                 the tree in pre-order, root first
 *   RowGroup      1 [ColumnChunk] 2 total_byte_size 3 num_rows 5 file_offset 6 total_compressed_size 7 ordinal
 *   ColumnChunk   1 file_path 2 file_offset 3 ColumnMetaData 8 crypto
 *   ColumnMetaData 1 type 2 [encoding] 3 [path] 4 codec 5 num_values 6 uncompressed 7 compressed 9 data_page_offset
 *                 11 dictionary_page_offset 12 Statistics
 *   Statistics    3 null_count 5 max_value 6 min_value (1 max, 2 min: deprecated, neither written nor read)
 *   PageHeader    1 type (0 data, 2 dictionary, 3 data v2) 2 uncompressed 3 compressed 4 crc32 of the compressed bytes
 *                 5 v1 {1 n 2 encoding 3, 4 level encodings} 7 dictionary {1 n 2 encoding}
 *                 8 v2 {1 n 2 nulls 3 rows 4 encoding 5 def bytes 6 rep bytes 7 compressed}
 *   LogicalType   1 STRING 2 MAP 3 LIST 4 ENUM 5 DECIMAL{1 scale 2 precision} 6 DATE 7 TIME 8 TIMESTAMP{1 utc 2 unit}
 *                 10 INTEGER{1 width 2 signed} 12 JSON 13 BSON 14 UUID 15 FLOAT16; unit = {1 ms | 2 us | 3 ns}
 *
 * A page of a column with levels begins, v1, with [u32 length, RLE repetition levels] where the column repeats, then
 * the same for definition levels where it can be NULL; v2: the levels without lengths and never compressed.
 * (https://github.com/apache/parquet-format: src/main/thrift/parquet.thrift, LogicalTypes.md, Encodings.md)
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

#define PARQUET_MAX_FOOTER MIB(64)
enum { PARQUET_MAX_LEAVES = 10000, PARQUET_MAX_DEPTH = 30 };

enum physical {
    PHYSICAL_BOOLEAN,
    PHYSICAL_INT32,
    PHYSICAL_INT64,
    PHYSICAL_INT96,
    PHYSICAL_FLOAT,
    PHYSICAL_DOUBLE,
    PHYSICAL_BYTES,
    PHYSICAL_FIXED, /* FIXED_LEN_BYTE_ARRAY */
};

enum repetition { REQUIRED, OPTIONAL, REPEATED };

enum annotation { /* ConvertedType and LogicalType as one */
                  ANNOTATION_NONE,
                  ANNOTATION_STRING,
                  ANNOTATION_MAP,
                  ANNOTATION_LIST,
                  ANNOTATION_DECIMAL,
                  ANNOTATION_DATE,
                  ANNOTATION_TIME,
                  ANNOTATION_TIMESTAMP,
                  ANNOTATION_INTEGER,
                  ANNOTATION_JSON,
                  ANNOTATION_UUID,
                  ANNOTATION_FLOAT16,
                  ANNOTATION_OTHER, /* stored, not understood */
};

enum time_unit { UNIT_MS = 1, UNIT_US = 2, UNIT_NS = 3 };

struct parquet_node {
    const char *name;
    enum repetition repetition;
    uint8_t max_def, max_rep; /* levels of a value that is there, at this node */
    uint8_t annotation;       /* enum annotation */
    uint8_t unit;             /* TIME, TIMESTAMP */
    uint8_t bits;             /* INTEGER */
    bool utc, is_signed;
    int32_t precision, scale; /* DECIMAL */
    enum physical physical;   /* leaves */
    int32_t length;           /* PHYSICAL_FIXED */
    uint32_t leaf;            /* leaves: their number; groups: of their first leaf */
    uint32_t nchildren;       /* 0: a leaf */
    struct parquet_node **children;
    struct parquet_node *parent;
};

struct parquet_chunk {
    int32_t codec;
    enum physical physical;
    uint64_t num_values;
    uint64_t offset, bytes; /* of all pages in the file, the dictionary's too */
};

struct parquet_group {
    uint64_t rows;
    struct parquet_chunk *chunks; /* per leaf */
};

struct parquet_footer {
    struct parquet_node *root;
    struct parquet_node **leaves;
    uint32_t nleaves, ngroups;
    struct parquet_group *groups;
    uint64_t rows;
    const char *created_by; /* "" if not said */
};

enum page_type { PAGE_DATA = 0, PAGE_INDEX = 1, PAGE_DICTIONARY = 2, PAGE_DATA_V2 = 3 };

enum encoding {
    ENCODING_PLAIN = 0,
    ENCODING_PLAIN_DICTIONARY = 2,
    ENCODING_RLE = 3,
    ENCODING_BIT_PACKED = 4,
    ENCODING_DELTA_BINARY = 5,
    ENCODING_DELTA_LENGTH = 6,
    ENCODING_DELTA_BYTES = 7,
    ENCODING_RLE_DICTIONARY = 8,
    ENCODING_BYTE_STREAM_SPLIT = 9,
};

struct parquet_page {
    enum page_type type;
    uint32_t uncompressed, compressed;
    uint32_t values; /* with NULLs */
    int32_t encoding;
    int32_t def_encoding, rep_encoding; /* v1 */
    uint32_t def_bytes, rep_bytes; /* v2 */
    bool is_compressed, has_crc;
    uint32_t crc;
};

/* Read FileMetaData of a file of file_bytes. Everything is checked that a reader relies on: the tree, levels, one chunk
 * per leaf and group, chunks inside the file, row numbers that add up. ERR_CORRUPT, ERR_UNSUPPORTED, ERR_LIMIT. */
enum status parquet_footer_read(struct slice bytes, uint64_t file_bytes, struct arena *a, struct parquet_footer *ret,
                                struct error *err);
/* Read a page header at the start of bytes; *ret_len is its length. */
enum status parquet_page_read(struct slice bytes, struct parquet_page *ret, size_t *ret_len, struct error *err);

/* Set parents, levels and leaf numbers of a tree made by hand. Returns the number of leaves. */
uint32_t parquet_tree_number(struct parquet_node *root);
/* Append the SchemaElements of a tree; returns how many. */
uint32_t parquet_tree_put(const struct parquet_node *root, struct buf *out);
void parquet_page_put(const struct parquet_page *page, struct buf *out);

static inline bool parquet_is_leaf(const struct parquet_node *n)
{
    return n->nchildren == 0;
}
/* Bytes of a DECIMAL's FIXED_LEN_BYTE_ARRAY as Spark chooses them, for 19 <= precision <= 38. */
int32_t parquet_decimal_bytes(unsigned precision);
