#include "format/json_write.h"

#include <math.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "column/array.h"
#include "column/civil.h"
#include "column/decimal.h"

struct json_encoder {
    struct encoder base;
    uint32_t ncols;
    struct lead { /* `{"key":` or `,"key":` */
        char *text;
        size_t len;
    } *leads; /* per column; of up to LEAD_AT_ONCE bytes, that many can be read */
    struct civil_minute minute;
    struct arena own;
};

enum {
    LEAD_AT_ONCE = 16,
    BOUNDED_MOST = 64, /* bytes that a value without a column-sized content takes at most, quotes included */
};

static void put_quoted(struct buf *out, const char *text, size_t n)
{
    buf_putc(out, '"');
    buf_put(out, text, n);
    buf_putc(out, '"');
}

static void put_printed(struct buf *out, const struct column *c, size_t row, bool quoted)
{
    if (quoted)
        buf_putc(out, '"');
    column_print(c, row, out);
    if (quoted)
        buf_putc(out, '"');
}

static void put_bytea(struct buf *out, struct slice bytes)
{
    buf_puts(out, "\"\\\\x");
    char *to = buf_reserve(out, bytes.len * 2);
    if (!to)
        return;
    hex_put(to, bytes.data, bytes.len);
    out->len += bytes.len * 2;
    buf_putc(out, '"');
}

static void put_array(struct buf *out, struct slice bytes, struct type type)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    struct column elements = array_open(bytes, type, &scratch, &n);
    buf_putc(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        json_put_value(out, &elements, i);
    }
    buf_putc(out, ']');
}

void json_put_value(struct buf *out, const struct column *c, size_t row)
{
    char text[96];
    if (column_is_null(c, row)) {
        buf_puts(out, "null");
        return;
    }
    switch ((enum type_id)c->type.id) {
    case TYPE_BOOL:
        buf_puts(out, ((uint8_t *)c->data)[row] ? "true" : "false");
        return;
    case TYPE_NUMERIC:
        buf_put(out, text, decimal_print(column_numeric(c, row), c->type.scale, text));
        return;
    case TYPE_FLOAT8:
        put_printed(out, c, row, !isfinite(((double *)c->data)[row]));
        return;
    case TYPE_TEXT:
        buf_put_json(out, view_slice(column_view(c, row)));
        return;
    case TYPE_BYTEA:
        put_bytea(out, view_slice(column_view(c, row)));
        return;
    case TYPE_JSONB:
        buf_put_slice(out, view_slice(column_view(c, row)));
        return;
    case TYPE_ARRAY:
        put_array(out, view_slice(column_view(c, row)), c->type);
        return;
    case TYPE_DATE:
        put_quoted(out, text, civil_print_date(((int32_t *)c->data)[row], text));
        return;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ: {
        size_t n = civil_print_iso(((int64_t *)c->data)[row], 6, text);
        put_quoted(out, text, n - (c->type.id == TYPE_TIMESTAMP)); /* without the Z */
        return;
    }
    case TYPE_UUID:
    case TYPE_INTERVAL:
        put_printed(out, c, row, true);
        return;
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_UNKNOWN:
    case TYPE_COUNT:
        put_printed(out, c, row, false);
        return;
    }
}

static void json_begin(struct encoder *base, struct buf *out)
{
    (void)base;
    (void)out;
}

/* A value of the types below, whose text has a bound, where BOUNDED_MOST bytes have room; returns its end. NULL: it is
 * of another type. */
static char *put_bounded(struct json_encoder *e, char *to, const struct column *c, size_t row)
{
    switch ((enum type_id)c->type.id) {
    case TYPE_INT4:
        return to + int_print(((const int32_t *)c->data)[row], to);
    case TYPE_INT8:
        return to + int_print(((const int64_t *)c->data)[row], to);
    case TYPE_NUMERIC:
        return to + decimal_print(column_numeric(c, row), c->type.scale, to);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        *to = '"';
        to += 1 + civil_print_near(((const int64_t *)c->data)[row], &e->minute, to + 1);
        to -= c->type.id == TYPE_TIMESTAMP; /* without the Z */
        *to = '"';
        return to + 1;
    default:
        return NULL;
    }
}

static bool put_row(struct json_encoder *e, const struct batch *b, uint32_t row, struct buf *out)
{
    for (uint32_t k = 0; k < e->ncols; k++) {
        const struct column *c = &b->cols[k];
        const struct lead *lead = &e->leads[k];
        char *at = buf_reserve(out, MAX(lead->len, (size_t)LEAD_AT_ONCE) + BOUNDED_MOST);
        if (unlikely(!at))
            return false;
        memcpy(at, lead->text, LEAD_AT_ONCE);
        if (unlikely(lead->len > LEAD_AT_ONCE))
            memcpy(at, lead->text, lead->len);
        at += lead->len;
        out->len += lead->len;
        char *end = column_is_null(c, row) ? NULL : put_bounded(e, at, c, row);
        if (end)
            out->len += (size_t)(end - at);
        else
            json_put_value(out, c, row);
    }
    buf_put(out, e->ncols ? "}\n" : "{}\n", e->ncols ? 2 : 3);
    return !out->overflow;
}

static void json_encode(struct encoder *base, const struct batch *b, struct buf *out)
{
    struct json_encoder *e = (struct json_encoder *)base;
    assert(b->ncols == e->ncols);
    for (uint32_t i = 0; i < batch_live(b) && put_row(e, b, batch_row(b, i), out); i++)
        ;
}

static void json_encoder_free(struct encoder *base)
{
    struct json_encoder *e = (struct json_encoder *)base;
    arena_release(&e->own);
    free(e);
}

enum status json_encoder_new(const struct schema *schema, const struct options *options, struct encoder **ret,
                             struct error *err)
{
    (void)options;
    (void)err;
    static const struct encoder_ops ops = {json_begin, json_encode, json_encoder_free};
    struct json_encoder *e = mem_zalloc(sizeof *e);
    e->base.ops = &ops;
    e->ncols = schema->ncols;
    e->leads = arena_array(&e->own, schema->ncols, sizeof *e->leads);
    AUTO(buf) lead = BUF(MIB(1));
    for (uint32_t c = 0; c < schema->ncols; c++) {
        buf_clear(&lead);
        buf_putc(&lead, c == 0 ? '{' : ',');
        buf_put_json(&lead, slice_of(schema->names[c]));
        buf_putc(&lead, ':');
        e->leads[c] = (struct lead){arena_zalloc(&e->own, MAX(lead.len, (size_t)LEAD_AT_ONCE)), lead.len};
        memcpy(e->leads[c].text, lead.data, lead.len);
    }
    *ret = &e->base;
    return OK;
}
