/* The types of values: PostgreSQL's names, with a fixed physical form each.
 *
 *   SQL                    id              physical element                        width
 *   boolean                TYPE_BOOL       uint8_t 0/1                             1
 *   integer                TYPE_INT4       int32_t                                 4
 *   bigint                 TYPE_INT8       int64_t                                 8
 *   double precision       TYPE_FLOAT8     double                                  8
 *   numeric(p,s), p <= 18  TYPE_NUMERIC    int64_t, value * 10^s                   8
 *   numeric(p,s), p <= 38  TYPE_NUMERIC    int128, value * 10^s                    16
 *   text                   TYPE_TEXT       struct view, valid UTF-8 without NUL    16
 *   bytea                  TYPE_BYTEA      struct view                             16
 *   jsonb                  TYPE_JSONB      struct view, text as PostgreSQL prints  16
 *   uuid                   TYPE_UUID       16 bytes, big-endian as printed         16
 *   date                   TYPE_DATE       int32_t, days since 1970-01-01          4
 *   timestamp              TYPE_TIMESTAMP  int64_t, microseconds since 1970        8
 *   timestamptz            TYPE_TIMESTAMPTZ int64_t, microseconds since 1970 UTC   8
 *   interval               TYPE_INTERVAL   struct interval                         16
 *   text[], bigint[], ...  TYPE_ARRAY      struct view, encoded as array.h says    16
 *
 * Infinite dates and timestamps are not values of bourn (rejected on input). NaN and infinities exist in double only.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum type_id {
    TYPE_UNKNOWN, /* a bare NULL or string literal before it met its context */
    TYPE_BOOL,
    TYPE_INT4,
    TYPE_INT8,
    TYPE_FLOAT8,
    TYPE_NUMERIC,
    TYPE_TEXT,
    TYPE_BYTEA,
    TYPE_UUID,
    TYPE_DATE,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMPTZ,
    TYPE_INTERVAL,
    TYPE_JSONB,
    TYPE_ARRAY,
    TYPE_COUNT
};

struct type {
    uint8_t id;               /* enum type_id */
    uint8_t precision, scale; /* numeric only: 1..38, 0..precision */
    /* Of an array the id of its elements; of a row packed for an aggregate (expr/aggregate.h), a bytea otherwise, that
     * of the value inside. The element's precision and scale are then the ones above. 0: none. */
    uint8_t element;
};

enum { NUMERIC_MAX_PRECISION = 38, NUMERIC_SMALL_PRECISION = 18 };

struct interval {
    int64_t micros;
    int32_t days, months;
};

#define TYPE(tid) ((struct type){.id = (tid)})
static inline struct type type_numeric(unsigned precision, unsigned scale)
{
    return (struct type){.id = TYPE_NUMERIC, .precision = (uint8_t)precision, .scale = (uint8_t)scale};
}
static inline bool type_equal(struct type a, struct type b)
{
    return a.id == b.id && a.precision == b.precision && a.scale == b.scale && a.element == b.element;
}
static inline bool type_is_small_numeric(struct type t)
{
    return t.id == TYPE_NUMERIC && t.precision <= NUMERIC_SMALL_PRECISION;
}
static inline bool type_is_view(struct type t)
{
    return t.id == TYPE_TEXT || t.id == TYPE_BYTEA || t.id == TYPE_JSONB || t.id == TYPE_ARRAY;
}
/* The array of a scalar type, and what it is made of. */
static inline struct type type_array(struct type element)
{
    return (struct type){TYPE_ARRAY, element.precision, element.scale, element.id};
}
static inline struct type type_element(struct type t) { return (struct type){t.element, t.precision, t.scale, 0}; }
/* Bytes of one physical element. */
size_t type_width(struct type t);
/* PostgreSQL's spelling of an enum type_id: "numeric", "timestamp with time zone". */
const char *type_id_name(uint8_t id);
/* The same with precision and scale, "numeric(18,2)", and the elements of an array, "text[]"; returns out. */
char *type_name(struct type t, char out[static 40]);
/* A type by a PostgreSQL name or alias as libpg_query spells it ("int4", "numeric", "timestamptz", "varchar"...),
 * lower case. mods: type modifiers, nmods 0..2. numeric without modifiers answers precision 0, which no column may
 * have: it is refused where one is declared, and a literal or a cast takes its precision from the value. FAILED:
 * unknown, or one that bourn has not (ERR_UNSUPPORTED), with what to use instead as the hint. */
enum status type_parse(const char *name, const int *mods, int nmods, struct type *ret, struct error *err);
