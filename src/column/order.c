/* column_order: two values of a type, in PostgreSQL's order. */
#include "column/array.h"
#include "column/civil.h"
#include "column/decimal.h"
#include "column/jsonb.h"

static int order_float(double x, double y)
{
    if (x != x || y != y)
        return (x != x) - (y != y);
    return (x > y) - (x < y);
}

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))

int column_order(const struct column *x, size_t i, const struct column *y, size_t k)
{
    const void *p = (const char *)x->data + i * type_width(x->type);
    const void *q = (const char *)y->data + k * type_width(y->type);
    switch (x->type.id) {
    case TYPE_BOOL: return ORDER(*(const uint8_t *)p, *(const uint8_t *)q);
    case TYPE_INT4:
    case TYPE_DATE: return ORDER(*(const int32_t *)p, *(const int32_t *)q);
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ: return ORDER(*(const int64_t *)p, *(const int64_t *)q);
    case TYPE_FLOAT8: return order_float(*(const double *)p, *(const double *)q);
    case TYPE_NUMERIC:
        return decimal_compare(column_numeric(x, i), x->type.scale, column_numeric(y, k), y->type.scale);
    case TYPE_UUID: return memcmp(p, q, 16);
    case TYPE_INTERVAL:
        return ORDER(interval_length(*(const struct interval *)p), interval_length(*(const struct interval *)q));
    case TYPE_ARRAY: return array_order(view_slice(p), view_slice(q), x->type);
    case TYPE_JSONB: return jsonb_order(view_slice(p), view_slice(q));
    default: return view_compare(p, q);
    }
}
