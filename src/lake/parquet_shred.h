/* Nested values into Parquet: a JSON object a row, cut into the leaves of a schema (the other way round than
 * assemble.h). Meant for Delta checkpoints, not for speed.
 *
 * A schema is written as text: fields separated by spaces; name:TYPE, or name{fields} for a struct; TYPE is s string, l
 * INT64, i INT32, b BOOLEAN, a list of strings, m map of strings. Everything is nullable.
 *
 *     "txn{appId:s version:l lastUpdated:l} protocol{minReaderVersion:i readerFeatures:a}"
 */
#pragma once

#include "lake/json.h"
#include "lake/parquet_out.h"

/* schema is trusted (asserted). */
void parquet_shred_init(struct parquet_out *o, const char *schema, const struct parquet_options *options);
/* One row. Members the schema does not know are passed over; a value of another kind than the schema's is NULL. */
void parquet_shred_row(struct parquet_out *o, const struct json *row);
