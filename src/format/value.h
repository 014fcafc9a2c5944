/* How text becomes a value of a column: the one set of rules that JSON strings and CSV fields share, strict where
 * PostgreSQL is generous. The normative table is in docs/sql.md.
 *
 *   boolean           true, false
 *   integer, bigint   -?[0-9]+ in range
 *   double precision  a decimal number, correctly rounded, in range; NaN, Infinity, -Infinity
 * numeric(p,s)      a decimal number whose value has at most s fraction digits and p-s before the point: never
 * rounded
 *   text              as it is
 *   bytea             \x and pairs of hex digits
 *   uuid              8-4-4-4-12 hex digits, either case
 *   date              YYYY-MM-DD, years 0001..9999
 *   timestamp         ISO 8601 without a zone; timestamptz: with one (VALUE_ASSUME_UTC: or none)
 *   interval          as PostgreSQL reads it
 *   jsonb             as PostgreSQL reads it
 *   array             {1,2,NULL} or {"a b"}, each element as here; a boolean t or f as well
 */
#pragma once

#include "flow/format.h"

enum value_flags { VALUE_ASSUME_UTC = 1 };

/* Put the value into an existing element. Returns NULL, or why the text is no value of the column's type: a phrase that
 * lives as long as the arena. Text without NUL bytes and valid UTF-8; views may point into it. */
const char *value_from_text(struct column *c, size_t row, struct slice text, unsigned flags, struct arena *a);

/* The same for one kind of text, where the caller has seen what it is. */
const char *value_int(struct column *c, size_t row, struct slice text);
const char *value_numeric(struct column *c, size_t row, struct slice text);
/* text: a decimal number, checked by the caller. */
const char *value_double(struct column *c, size_t row, struct slice text, struct arena *a);
/* The array of `n` elements into an existing element. */
const char *value_set_array(struct column *c, size_t row, const struct column *elements, uint32_t n, struct arena *a);
/* 36 characters into 16 bytes; false: no uuid. */
bool value_parse_uuid(const char *text, unsigned char ret[static 16]);

/* What a rejection shows of the offending text: at most 40 bytes, cut at a character, control characters as '.'. */
const char *value_excerpt(struct slice text, struct arena *a);

/* Add a field error behind or among those of its row, by column. *cap: of out->fields, 0 at first. */
void value_add_error(struct decoded *out, uint32_t *cap, struct field_error e, struct arena *a);
