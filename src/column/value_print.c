/* column_print: one value as PostgreSQL prints it. */
#include "base/ascii.h"
#include "column/array.h"
#include "column/civil.h"
#include "column/decimal.h"
#include "column/float8.h"

size_t uuid_print(const void *bytes, char out[static UUID_TEXT])
{
    const char *from = bytes;
    for (int i = 0; i < 16; i += 2) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        out = hex_put(out, from + i, 2);
    }
    return UUID_TEXT;
}

static void print_bytea(struct slice s, struct buf *out)
{
    buf_puts(out, "\\x");
    char *p = buf_reserve(out, s.len * 2); /* len is below 2^32 */
    if (!p)
        return;
    hex_put(p, s.data, s.len);
    out->len += s.len * 2;
}

bool column_print(const struct column *c, size_t row, struct buf *out)
{
    char text[96];
    if (column_is_null(c, row))
        return false;
    switch (c->type.id) {
    case TYPE_BOOL: buf_putc(out, ((const uint8_t *)c->data)[row] ? 't' : 'f'); break;
    case TYPE_INT4: buf_put_int(out, ((const int32_t *)c->data)[row]); break;
    case TYPE_INT8: buf_put_int(out, ((const int64_t *)c->data)[row]); break;
    case TYPE_FLOAT8: buf_put(out, text, float8_print(((const double *)c->data)[row], text)); break;
    case TYPE_NUMERIC: buf_put(out, text, decimal_print(column_numeric(c, row), c->type.scale, text)); break;
    case TYPE_UUID: buf_put(out, text, uuid_print((const char *)c->data + row * 16, text)); break;
    case TYPE_DATE: buf_put(out, text, civil_print_date(((const int32_t *)c->data)[row], text)); break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ: {
        bool zone = c->type.id == TYPE_TIMESTAMPTZ;
        buf_put(out, text, civil_print_timestamp(((const int64_t *)c->data)[row], zone, text));
        break;
    }
    case TYPE_INTERVAL: buf_put(out, text, interval_print(((const struct interval *)c->data)[row], text)); break;
    case TYPE_BYTEA: print_bytea(view_slice(column_view(c, row)), out); break;
    case TYPE_ARRAY: array_print(view_slice(column_view(c, row)), c->type, out); break;
    default: buf_put_slice(out, view_slice(column_view(c, row))); break; /* text, jsonb, unknown: as they lie */
    }
    return true;
}
