/* Parquet files: columns to bytes and back, without policy.
 *
 * How values are stored (both ConvertedType and LogicalType are written, where Parquet has both):
 *
 *   bool BOOLEAN | int4 INT32 | int8 INT64 | float8 DOUBLE | date INT32 DATE | text, jsonb BYTE_ARRAY STRING
 *   bytea BYTE_ARRAY | uuid BYTE_ARRAY STRING of 36 characters (Delta has no uuid)
 *   numeric(p,s): p <= 9 INT32, p <= 18 INT64, else FIXED_LEN_BYTE_ARRAY of Spark's length; all DECIMAL(p,s)
 *   timestamp INT64 TIMESTAMP(us, local) | timestamptz INT64 TIMESTAMP(us, UTC) | interval: not storable
 *   array: a LIST in three levels (list.element), its elements nullable, without bounds of its own
 *
 * A writer:
 *
 *     struct parquet_writer *w = parquet_writer_new(&schema, NULL);
 *     TRY(parquet_writer_add(w, batch, err));                     // as often as there are batches
 *     struct parquet_file file;
 *     TRY(parquet_writer_finish(w, &file, err));
 *     TRY(store->ops->put(store, name, file.parts, file.nparts, err));
 *     parquet_writer_free(w);
 *
 * A reader:
 *
 *     TRY(parquet_reader_open(store, name, &r, err));
 *     TRY(parquet_reader_select(r, &want, err));                  // or not: all columns
 *     do {
 *         TRY(parquet_reader_next(r, &arena, &batch, err));
 *     } while (batch && use(batch));
 *
 * One object, one owner: none of these may be used by two threads at once; different objects are independent.
 * The layout of the file is at the top of parquet_meta.h.
 */
#pragma once

#include "base/store.h"
#include "column/batch.h"

enum parquet_codec { PARQUET_ZSTD, PARQUET_SNAPPY, PARQUET_PLAIN };

struct parquet_options {
    enum parquet_codec codec;
    int level;               /* zstd only; 0 = 1 */
    uint32_t row_group_rows; /* 0 = 1 Mi rows */
    size_t row_group_bytes;  /* encoded, before compression; 0 = 128 MiB. Whichever comes first ends a row group */
    uint64_t max_bytes;      /* of the whole file; 0 = 2 GiB. Past it adding fails with ERR_LIMIT */
};

/* May a column of this type be written? (false: interval, unknown) */
bool parquet_can_store(struct type t);
/* "zstd", "snappy", "plain": the word in a file's name. */
const char *parquet_codec_name(enum parquet_codec codec);

/* What is known of one column of a written file. Exact, not truncated. has_bounds is false when there is no value or
 * when any value is NaN. -0.0 is below 0.0: a float8 minimum of 0 is given as -0.0 and a maximum of 0 as 0.0. bool,
 * int4, int8, date, timestamps in .i; float8 in .d; numeric of either width in .n; text, bytea, jsonb (bytewise order)
 * and uuid (its 36 characters) in .s. */
union parquet_bound {
    int64_t i;
    double d;
    int128 n;
    struct slice s;
};
struct parquet_stats {
    uint64_t nulls;
    bool has_bounds;
    union parquet_bound min, max;
};

/* A finished file: the concatenation of parts. Everything belongs to the writer and dies with it. */
struct parquet_file {
    const struct slice *parts;
    size_t nparts;
    uint64_t bytes, rows;
    const struct schema *schema;
    const struct parquet_stats *stats; /* per column */
};

struct parquet_writer;

/* The schema is copied; every type must be storable and there must be a column (asserted). options NULL: defaults. */
struct parquet_writer *parquet_writer_new(const struct schema *schema, const struct parquet_options *options);
/* Append the live rows of a batch whose columns have the schema's types, in its order (asserted). Weights and origin
 * are not looked at. The batch is not needed afterwards. ERR_STATE: NULL in a column that is not nullable (nothing of
 * the batch may then be used: free the writer). ERR_LIMIT: the file is full. */
enum status parquet_writer_add(struct parquet_writer *w, const struct batch *b, struct error *err);
uint64_t parquet_writer_rows(const struct parquet_writer *w);
/* About the bytes the file would have if it were finished now. */
uint64_t parquet_writer_bytes(const struct parquet_writer *w);
/* End the file. A file without rows is a valid one. Nothing may be added afterwards. */
enum status parquet_writer_finish(struct parquet_writer *w, struct parquet_file *ret, struct error *err);
void parquet_writer_free(struct parquet_writer *w);

struct parquet_reader;

/* Read the footer. ERR_CORRUPT: not a Parquet file, or a broken one; ERR_UNSUPPORTED: encrypted. Errors name the file.
 * The store must outlive the reader. */
enum status parquet_reader_open(struct store *s, const char *name, struct parquet_reader **ret, struct error *err);
/* The same over bytes in memory, which must outlive the reader; name is for messages. */
enum status parquet_reader_open_bytes(struct slice bytes, const char *name, struct parquet_reader **ret,
                                      struct error *err);
uint64_t parquet_reader_rows(const struct parquet_reader *r);
/* The file's top-level columns. Types of others are widened to ours: 8 to 16 bit integers and INT32 -> int4, unsigned
 * 32 bit -> int8, unsigned 64 bit -> numeric(20,0), float and float16 -> float8, INT96 -> timestamptz, TIMESTAMP of any
 * unit -> timestamp or timestamptz (nanoseconds are cut towards the past), TIME -> int8 as stored, structs, lists and
 * maps -> jsonb, UUID -> uuid; a type we cannot read is TYPE_UNKNOWN and may only be left unselected. */
const struct schema *parquet_reader_schema(const struct parquet_reader *r);
/* Choose columns by name (exact, else ignoring ASCII case if that is unambiguous) and the types they come as; a column
 * the file does not have is all NULL. Besides its own type a column can be had as: any wider integer, numeric (exactly,
 * else ERR_STATE at the value), int as float8, text as uuid or jsonb and back, date as timestamp, timestamp as
 * timestamptz and back. ERR_STATE: not convertible; ERR_UNSUPPORTED: a type or codec we cannot read. Before the first
 * next. */
enum status parquet_reader_select(struct parquet_reader *r, const struct schema *want, struct error *err);
/* The next 1..BATCH_ROWS rows, all live, allocated in the arena (strings too: they outlive the reader), or NULL at the
 * end. */
enum status parquet_reader_next(struct parquet_reader *r, struct arena *a, struct batch **ret, struct error *err);
void parquet_reader_free(struct parquet_reader *r);
static inline void parquet_reader_autofree(struct parquet_reader **r)
{
    parquet_reader_free(*r);
}
static inline void parquet_writer_autofree(struct parquet_writer **w)
{
    parquet_writer_free(*w);
}
