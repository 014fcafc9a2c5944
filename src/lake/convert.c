#include "lake/convert.h"

#include <math.h>

#include "column/civil.h"
#include "column/decimal.h"

enum form form_of(const struct parquet_node *n)
{
    enum annotation a = n->annotation;
    switch (n->physical) {
    case PHYSICAL_BOOLEAN:
        return FORM_BOOL;
    case PHYSICAL_INT32:
    case PHYSICAL_INT64:
        if (a == ANNOTATION_INTEGER && !n->is_signed)
            return FORM_UINT;
        return a == ANNOTATION_DECIMAL     ? FORM_DECIMAL_INT
               : a == ANNOTATION_DATE      ? FORM_DATE
               : a == ANNOTATION_TIMESTAMP ? FORM_TIMESTAMP
                                           : FORM_INT;
    case PHYSICAL_INT96:
        return FORM_TIMESTAMP;
    case PHYSICAL_FLOAT:
    case PHYSICAL_DOUBLE:
        return FORM_DOUBLE;
    case PHYSICAL_BYTES:
        return a == ANNOTATION_DECIMAL                          ? FORM_DECIMAL_BYTES
               : a == ANNOTATION_STRING || a == ANNOTATION_JSON ? FORM_STRING
                                                                : FORM_BYTES;
    case PHYSICAL_FIXED:
        return a == ANNOTATION_DECIMAL                     ? FORM_DECIMAL_BYTES
               : a == ANNOTATION_UUID && n->length == 16   ? FORM_UUID
               : a == ANNOTATION_FLOAT16 && n->length == 2 ? FORM_HALF
                                                           : FORM_BYTES;
    }
    return FORM_UNKNOWN;
}

struct type natural_type(const struct parquet_node *n)
{
    switch (form_of(n)) {
    case FORM_BOOL:
        return TYPE(TYPE_BOOL);
    case FORM_INT:
        return TYPE(n->physical == PHYSICAL_INT32 && n->annotation != ANNOTATION_TIME ? TYPE_INT4 : TYPE_INT8);
    case FORM_UINT:
        return n->physical == PHYSICAL_INT64 ? type_numeric(20, 0) : TYPE(n->bits < 32 ? TYPE_INT4 : TYPE_INT8);
    case FORM_DOUBLE:
    case FORM_HALF:
        return TYPE(TYPE_FLOAT8);
    case FORM_DECIMAL_INT:
    case FORM_DECIMAL_BYTES:
        if (n->precision < 1 || n->precision > NUMERIC_MAX_PRECISION || n->scale < 0 || n->scale > n->precision)
            return TYPE(TYPE_UNKNOWN);
        return type_numeric((unsigned)n->precision, (unsigned)n->scale);
    case FORM_STRING:
        return TYPE(n->annotation == ANNOTATION_JSON ? TYPE_JSONB : TYPE_TEXT);
    case FORM_BYTES:
        return TYPE(TYPE_BYTEA);
    case FORM_UUID:
        return TYPE(TYPE_UUID);
    case FORM_DATE:
        return TYPE(TYPE_DATE);
    case FORM_TIMESTAMP:
        return TYPE(n->physical == PHYSICAL_INT96 || n->utc ? TYPE_TIMESTAMPTZ : TYPE_TIMESTAMP);
    default:
        return TYPE(TYPE_UNKNOWN);
    }
}

static bool is_text_like(unsigned id)
{
    return id == TYPE_TEXT || id == TYPE_JSONB || id == TYPE_UUID;
}

static bool can_convert(enum form form, unsigned to)
{
    switch (form) {
    case FORM_INT:
    case FORM_UINT:
        return to == TYPE_INT4 || to == TYPE_INT8 || to == TYPE_NUMERIC || to == TYPE_FLOAT8;
    case FORM_DECIMAL_INT:
    case FORM_DECIMAL_BYTES:
        return to == TYPE_NUMERIC;
    case FORM_STRING:
        return is_text_like(to) || to == TYPE_BYTEA;
    case FORM_BYTES: /* writers of old left the annotation of strings out */
        return to == TYPE_BYTEA || to == TYPE_TEXT;
    case FORM_UUID:
        return to == TYPE_UUID || to == TYPE_TEXT;
    case FORM_DATE:
        return to == TYPE_DATE || to == TYPE_TIMESTAMP;
    case FORM_TIMESTAMP:
        return to == TYPE_TIMESTAMP || to == TYPE_TIMESTAMPTZ;
    default:
        return false;
    }
}

enum status convert_check(const struct parquet_node *n, struct type to, struct error *err)
{
    struct type natural = natural_type(n);
    char from[40], into[40];
    if (natural.id == TYPE_UNKNOWN)
        return error_set(err, ERR_UNSUPPORTED, "column \"%s\" has a type that cannot be read", n->name);
    if (natural.id == to.id || can_convert(form_of(n), to.id))
        return OK;
    return error_set(err, ERR_STATE, "column \"%s\" is %s in the file and cannot be read as %s", n->name,
                     type_name(natural, from), type_name(to, into));
}

/* ---- numbers ---- */

static enum status too_large(const struct parquet_node *n, struct type to, struct error *err)
{
    char type[40];
    return error_set(err, ERR_STATE, "column \"%s\": a value does not fit %s", n->name, type_name(to, type));
}

static int64_t floor_div(int64_t v, int64_t by)
{
    return v / by - (v % by < 0);
}

/* To microseconds since 1970; false: too large. */
static bool to_micros(const struct parquet_node *n, int64_t v, int64_t *ret)
{
    if (n->annotation == ANNOTATION_DATE)
        return !__builtin_mul_overflow(v, MICROS_PER_DAY, ret);
    if (n->physical != PHYSICAL_INT96 && n->unit == UNIT_MS)
        return !__builtin_mul_overflow(v, INT64_C(1000), ret);
    *ret = n->physical != PHYSICAL_INT96 && n->unit == UNIT_NS ? floor_div(v, 1000) : v;
    return true;
}

static uint64_t unsigned_value(const struct parquet_node *n, int64_t v)
{
    return n->physical == PHYSICAL_INT32 ? (uint32_t)v : (uint64_t)v;
}

/* The value as an integer of type `to`; false: it does not fit. */
static bool int_value(const struct leaf_reader *l, uint32_t k, struct type to, int64_t *ret)
{
    int64_t v = l->values.i[k];
    if (to.id == TYPE_TIMESTAMP || to.id == TYPE_TIMESTAMPTZ)
        return to_micros(l->node, v, ret);
    if (form_of(l->node) == FORM_UINT) {
        uint64_t u = unsigned_value(l->node, v);
        if (u > INT64_MAX)
            return false;
        v = (int64_t)u;
    }
    *ret = v;
    return (to.id != TYPE_INT4 && to.id != TYPE_DATE) || v == (int32_t)v;
}

static bool big_endian(struct slice s, int128 *ret)
{
    const unsigned char *p = (const unsigned char *)s.data;
    unsigned char sign = s.len && p[0] & 0x80 ? 0xff : 0;
    for (; s.len > 16; p++, s.len--)
        if (*p != sign)
            return false;
    uint128 v = sign ? ~(uint128)0 : 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | p[i];
    *ret = (int128)v;
    return true;
}

static bool numeric_value(const struct leaf_reader *l, uint32_t k, struct type to, int128 *ret)
{
    int128 v;
    unsigned scale = 0;
    switch (form_of(l->node)) {
    case FORM_UINT:
        v = unsigned_value(l->node, l->values.i[k]);
        break;
    case FORM_DECIMAL_BYTES:
        if (!big_endian(l->values.s[k], &v))
            return false;
        scale = (unsigned)l->node->scale;
        break;
    case FORM_DECIMAL_INT:
        scale = (unsigned)l->node->scale;
        [[fallthrough]];
    default:
        v = l->values.i[k];
    }
    int128 scaled, back;
    if (!decimal_fits(v, NUMERIC_MAX_PRECISION) || !decimal_rescale(v, scale, to.scale, &scaled) ||
        !decimal_fits(scaled, to.precision))
        return false;
    if (scale > to.scale && (!decimal_rescale(scaled, to.scale, scale, &back) || back != v))
        return false;
    *ret = scaled;
    return true;
}

static double half_value(struct slice s)
{
    unsigned bits = (unsigned char)s.data[0] | (unsigned)(unsigned char)s.data[1] << 8;
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023;
    double v = exponent == 0    ? ldexp(fraction, -24)
               : exponent == 31 ? (fraction != 0 ? (double)NAN : (double)INFINITY)
                                : ldexp(fraction + 1024, exponent - 25);
    return bits & 0x8000 ? -v : v;
}

static double double_value(const struct leaf_reader *l, uint32_t k)
{
    switch (form_of(l->node)) {
    case FORM_HALF:
        return half_value(l->values.s[k]);
    case FORM_INT:
        return (double)l->values.i[k];
    case FORM_UINT:
        return (double)unsigned_value(l->node, l->values.i[k]);
    default:
        return l->values.d[k];
    }
}

/* ---- strings ---- */

static bool is_text(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data, *end = p + s.len;
    while (p < end) {
        if (end - p >= 8 && !((load_u64(p) - 0x0101010101010101u) & 0x8080808080808080u) &&
            !(load_u64(p) & 0x8080808080808080u)) {
            p += 8; /* ASCII without NUL */
            continue;
        }
        if (*p < 0x80) {
            if (*p++ == 0)
                return false;
            continue;
        }
        size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
        if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) < n)
            return false;
        for (size_t i = 1; i < n; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
            (p[0] == 0xf4 && p[1] > 0x8f))
            return false;
        p += n;
    }
    return true;
}

static enum status copy_string(struct slice s, bool text, const struct parquet_node *n, struct convert_target *t,
                               struct view *ret, struct error *err)
{
    if (text && !is_text(s))
        return error_set(err, ERR_STATE, "column \"%s\": a string is not UTF-8 or holds a NUL", n->name);
    if (s.len > t->bytes_left || s.len > UINT32_MAX)
        return error_set(err, ERR_LIMIT, "column \"%s\": strings of a batch are too long", n->name);
    if (s.len > VIEW_INLINE) {
        t->bytes_left -= s.len;
        *ret = view_of(arena_dup(t->arena, s.data, s.len), s.len);
    } else
        *ret = view_of(s.len ? s.data : "", s.len);
    return OK;
}

static enum status string_value(const struct leaf_reader *l, uint32_t k, struct type to, struct convert_target *t,
                                struct view *ret, struct error *err)
{
    char text[UUID_TEXT];
    struct slice s = l->values.s[k];
    if (form_of(l->node) == FORM_UUID)
        s = (struct slice){text, uuid_print(s.data, text)};
    uint32_t entry = l->index[0] == UINT32_MAX || !t->views ? UINT32_MAX : l->index[k];
    if (entry != UINT32_MAX && t->stamps[entry] == t->stamp) {
        *ret = t->views[entry];
        return OK;
    }
    TRY(copy_string(s, to.id != TYPE_BYTEA, l->node, t, ret, err));
    if (entry != UINT32_MAX) {
        t->views[entry] = *ret;
        t->stamps[entry] = t->stamp;
    }
    return OK;
}

static enum status uuid_value(const struct leaf_reader *l, uint32_t k, struct column *c, uint32_t row, struct arena *a,
                              struct error *err)
{
    struct slice s = l->values.s[k];
    if (form_of(l->node) != FORM_UUID) {
        if (column_parse(c, row, s, a, err) != OK) {
            err->code = ERR_STATE;
            return error_prefix(err, "column \"%s\"", l->node->name);
        }
    } else
        memcpy((char *)c->data + (size_t)row * 16, s.data, 16);
    return OK;
}

/* ---- blocks ---- */

enum status convert_one(const struct leaf_reader *l, uint32_t k, struct column *c, uint32_t row,
                        struct convert_target *t, struct error *err)
{
    int64_t i;
    int128 n;
    switch (c->type.id) {
    case TYPE_BOOL:
        ((uint8_t *)c->data)[row] = (uint8_t)l->values.i[k];
        return OK;
    case TYPE_INT4:
    case TYPE_DATE:
        if (!int_value(l, k, c->type, &i))
            return too_large(l->node, c->type, err);
        ((int32_t *)c->data)[row] = (int32_t)i;
        return OK;
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        if (!int_value(l, k, c->type, &i))
            return too_large(l->node, c->type, err);
        ((int64_t *)c->data)[row] = i;
        return OK;
    case TYPE_FLOAT8:
        ((double *)c->data)[row] = double_value(l, k);
        return OK;
    case TYPE_NUMERIC:
        if (!numeric_value(l, k, c->type, &n))
            return too_large(l->node, c->type, err);
        column_set_numeric(c, row, n);
        return OK;
    case TYPE_UUID:
        return uuid_value(l, k, c, row, t->arena, err);
    default:
        return string_value(l, k, c->type, t, (struct view *)c->data + row, err);
    }
}

/* The common cases need no look at each value. */
static bool convert_all(const struct leaf_reader *l, struct column *c, uint32_t row)
{
    const struct parquet_node *n = l->node;
    enum form form = form_of(n);
    if (c->type.id == TYPE_INT8 && form == FORM_INT)
        memcpy((int64_t *)c->data + row, l->values.i, l->n * sizeof(int64_t));
    else if ((c->type.id == TYPE_TIMESTAMP || c->type.id == TYPE_TIMESTAMPTZ) && form == FORM_TIMESTAMP &&
             n->physical == PHYSICAL_INT64 && n->unit == UNIT_US)
        memcpy((int64_t *)c->data + row, l->values.i, l->n * sizeof(int64_t));
    else if (c->type.id == TYPE_FLOAT8 && form == FORM_DOUBLE)
        memcpy((double *)c->data + row, l->values.d, l->n * sizeof(double));
    else
        return false;
    return true;
}

enum status convert_block(const struct leaf_reader *l, struct column *c, uint32_t row, uint32_t rows,
                          struct convert_target *t, struct error *err)
{
    if (l->nvalues == l->n && convert_all(l, c, row))
        return OK;
    for (uint32_t e = 0, k = 0; e < l->n; e++) {
        if (l->def[e] == l->node->max_def)
            TRY(convert_one(l, k++, c, row + e, t, err));
        else {
            column_set_null(c, t->arena, rows, row + e);
            memset((char *)c->data + (row + e) * type_width(c->type), 0, type_width(c->type));
        }
    }
    return OK;
}

/* ---- JSON ---- */

static enum status text_value(const struct leaf_reader *l, uint32_t k, struct buf *out, struct error *err)
{
    struct type type = natural_type(l->node);
    char element[16] __attribute__((aligned(16))), text[40];
    struct column c = {.type = type, .data = element};
    struct convert_target none = {0};
    if (type.id == TYPE_UNKNOWN)
        return error_set(err, ERR_UNSUPPORTED, "column \"%s\" has a type that cannot be read", l->node->name);
    if (type.id == TYPE_UUID) {
        buf_put(out, text, uuid_print(l->values.s[k].data, text));
        return OK;
    }
    if (type.id == TYPE_BYTEA) {
        for (size_t i = 0; i < l->values.s[k].len; i++)
            buf_printf(out, "%02x", (unsigned char)l->values.s[k].data[i]);
        return OK;
    }
    TRY(convert_one(l, k, &c, 0, &none, err));
    if (type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ) {
        size_t n = civil_print_iso(*(int64_t *)c.data, 6, text);
        buf_put(out, text, type.id == TYPE_TIMESTAMP ? n - 1 : n);
    } else
        column_print(&c, 0, out);
    return OK;
}

enum status convert_key(const struct leaf_reader *l, uint32_t k, struct buf *out, struct error *err)
{
    if (is_text_like(natural_type(l->node).id) && form_of(l->node) == FORM_STRING) {
        buf_put_slice(out, l->values.s[k]);
        return OK;
    }
    return text_value(l, k, out, err);
}

enum status convert_json(const struct leaf_reader *l, uint32_t k, struct buf *out, struct error *err)
{
    enum form form = form_of(l->node);
    if (form == FORM_STRING) {
        buf_put_json(out, l->values.s[k]);
        return OK;
    }
    if (form == FORM_BOOL) {
        buf_puts(out, l->values.i[k] ? "true" : "false");
        return OK;
    }
    bool bare = form == FORM_INT || form == FORM_UINT || form == FORM_DECIMAL_INT || form == FORM_DECIMAL_BYTES ||
                ((form == FORM_DOUBLE || form == FORM_HALF) && isfinite(double_value(l, k)));
    if (!bare)
        buf_putc(out, '"');
    TRY(text_value(l, k, out, err));
    if (!bare)
        buf_putc(out, '"');
    return OK;
}
