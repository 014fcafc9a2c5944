/* jsonb: reading parts of documents. A document is text in PostgreSQL's own normal form (column/jsonb.h), so a part of
 * a document is a part of its text, and is not copied.
 */
#include <stdlib.h>

#include "column/decimal.h"
#include "column/float8.h"
#include "column/jsonb.h"
#include "expr/array.h"
#include "expr/json.h"

/* ->> : a string without its quotes, null as NULL. */
static void take_text(struct call *c, uint32_t row, struct slice part)
{
    struct slice text;
    if (jsonb_text(part, c->arena, &text))
        call_slice(c, row, text);
    else
        call_null(c, row);
}

static void give(struct call *c, uint32_t row, bool found, struct slice part, bool as_text)
{
    if (!found)
        call_null(c, row);
    else if (as_text)
        take_text(c, row, part);
    else
        call_slice(c, row, part);
}

static void field(struct call *c, bool as_text)
{
    CALL_ROWS(c, r) {
        struct slice part = {0};
        bool found = jsonb_field(arg_text(c, 0, r), arg_text(c, 1, r), &part);
        give(c, r, found, part, as_text);
    }
}
static void kernel_field(struct call *c) { field(c, false); }
static void kernel_field_text(struct call *c) { field(c, true); }

static void element(struct call *c, bool as_text)
{
    CALL_ROWS(c, r) {
        struct slice part = {0};
        bool found = jsonb_element(arg_text(c, 0, r), ARG(c, 1, int32_t, r), &part);
        give(c, r, found, part, as_text);
    }
}
static void kernel_element(struct call *c) { element(c, false); }
static void kernel_element_text(struct call *c) { element(c, true); }

/* One step of a path: a key of an object, an index of an array. */
static bool step(struct slice *doc, struct slice key)
{
    if (doc->len && doc->data[0] == '{')
        return jsonb_field(*doc, key, doc);
    char number[24], *end;
    if (doc->data[0] != '[' || key.len == 0 || key.len >= sizeof number)
        return false;
    memcpy(number, key.data, key.len);
    number[key.len] = 0;
    long index = strtol(number, &end, 10);
    return *end == 0 && index >= INT32_MIN && index <= INT32_MAX && jsonb_element(*doc, index, doc);
}

struct json_path json_path_of(const struct call *c, uint32_t at, uint32_t row, struct arena *a)
{
    struct json_path p = {0};
    if (c->args[at].col.type.id == TYPE_ARRAY) {
        p.keys = arg_array(c, at, row, a, &p.n);
    } else {
        struct elements e = elements_of(TYPE(TYPE_TEXT), a);
        for (uint32_t i = at; i < c->nargs; i++)
            elements_add(&e, &c->args[i].col, row & c->args[i].mask);
        p.keys = e.col;
        p.n = e.n;
    }
    for (uint32_t i = 0; i < p.n; i++)
        p.has_null |= column_is_null(&p.keys, i);
    return p;
}

static void path(struct call *c, bool as_text)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r);
        struct json_path p = json_path_of(c, 1, r, &scratch);
        bool found = !p.has_null;
        for (uint32_t i = 0; found && i < p.n; i++)
            found = step(&doc, json_path_key(&p, i));
        give(c, r, found, doc, as_text);
        arena_reset(&scratch);
    }
}
static void kernel_path(struct call *c) { path(c, false); }
static void kernel_path_text(struct call *c) { path(c, true); }

static void kernel_has_key(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r), key = arg_text(c, 1, r), part, text;
        bool found = jsonb_field(doc, key, &part);
        if (doc.data[0] == '"')
            found = jsonb_text(doc, c->arena, &text) && slice_equal(text, key);
        for (int64_t i = 0; !found && doc.data[0] == '[' && jsonb_element(doc, i, &part); i++)
            found = part.data[0] == '"' && jsonb_text(part, c->arena, &text) && slice_equal(text, key);
        OUT(c, uint8_t, r) = found;
    }
}

/* ---- what it is ---- */

static const char *kind_of(struct slice doc)
{
    switch (doc.data[0]) {
    case '{': return "object";
    case '[': return "array";
    case '"': return "string";
    case 't':
    case 'f': return "boolean";
    case 'n': return "null";
    default: return "number";
    }
}

static void kernel_typeof(struct call *c)
{
    CALL_ROWS(c, r) {
        const char *kind = kind_of(arg_text(c, 0, r));
        OUT(c, struct view, r) = view_of(kind, strlen(kind));
    }
}

/* Elements of an array, by walking its text once at the outermost level. */
static int32_t count_elements(struct slice doc)
{
    int32_t n = doc.len > 2, depth = 0;
    bool in_string = false;
    for (size_t i = 1; i + 1 < doc.len; i++) {
        char ch = doc.data[i];
        if (in_string) {
            i += ch == '\\';
            in_string = ch != '"';
        } else if (ch == '"')
            in_string = true;
        else if (ch == '[' || ch == '{')
            depth++;
        else if (ch == ']' || ch == '}')
            depth--;
        else
            n += ch == ',' && depth == 0;
    }
    return n;
}

static void kernel_array_length(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r);
        if (doc.data[0] == '[')
            OUT(c, int32_t, r) = count_elements(doc);
        else
            call_fail(c, r, "22023", "cannot get array length of %s", doc.data[0] == '{' ? "a non-array" : "a scalar");
    }
}

/* ---- casts out of jsonb ---- */

static bool is_number(struct slice doc) { return doc.data[0] == '-' || (doc.data[0] >= '0' && doc.data[0] <= '9'); }

static void wrong_kind(struct call *c, uint32_t row, struct slice doc)
{
    static const char *const articles[] = {"jsonb null", "jsonb string", "jsonb numeric", "jsonb boolean",
                                           "jsonb array or object"};
    unsigned kind = doc.data[0] == 'n' ? 0 : doc.data[0] == '"' ? 1 : is_number(doc) ? 2
                    : doc.data[0] == 't' || doc.data[0] == 'f' ? 3 : 4;
    const char *what = doc.data[0] == '{' ? "jsonb object" : doc.data[0] == '[' ? "jsonb array" : articles[kind];
    call_fail(c, row, "22023", "cannot cast %s to type %s", what, function_arg_name(c->out->col.type.id));
}

static void jsonb_to_bool(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r);
        OUT(c, uint8_t, r) = doc.data[0] == 't';
        if (doc.data[0] != 't' && doc.data[0] != 'f')
            wrong_kind(c, r, doc);
    }
}

/* The number as the type asked for, by way of numeric, whose rounding PostgreSQL uses here. */
static void jsonb_to_number(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r);
        struct type to = c->out->col.type;
        int128 value;
        unsigned scale;
        bool overflow;
        if (!is_number(doc)) {
            wrong_kind(c, r, doc);
            continue;
        }
        if (to.id == TYPE_FLOAT8) {
            if (float8_parse(doc, &OUT(c, double, r)) != FLOAT8_OK)
                call_fail(c, r, "22003", "\"%.*s\" is out of range for type double precision", (int)doc.len, doc.data);
            continue;
        }
        bool fits = decimal_parse(doc, &value, &scale, &overflow);
        if (to.id == TYPE_NUMERIC) {
            if (fits && decimal_rescale(value, scale, to.scale, &value) && decimal_fits(value, to.precision))
                column_set_numeric(&c->out->col, r, value);
            else
                call_fail(c, r, "22003", "numeric field overflow");
            continue;
        }
        int128 most = to.id == TYPE_INT4 ? INT32_MAX : INT64_MAX;
        if (!fits || !decimal_rescale(value, scale, 0, &value) || value > most || value < -most - 1)
            call_fail(c, r, "22003", "%s out of range", to.id == TYPE_INT4 ? "integer" : "bigint");
        else if (to.id == TYPE_INT4)
            OUT(c, int32_t, r) = (int32_t)value;
        else
            OUT(c, int64_t, r) = (int64_t)value;
    }
}

/* ---- into jsonb ---- */

static void put_value(const struct column *from, size_t at, struct buf *out);

static void put_array(struct slice bytes, struct type type, struct buf *out)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    struct column elements = array_open(bytes, type, &scratch, &n);
    buf_putc(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        if (column_is_null(&elements, i))
            buf_puts(out, "null");
        else
            put_value(&elements, i, out);
    }
    buf_putc(out, ']');
}

/* A value that is there: numbers and booleans as they are, arrays as arrays, everything else as a string. */
static void put_value(const struct column *from, size_t at, struct buf *out)
{
    struct column one = *from;
    uint8_t id = one.type.id;
    one.valid = NULL;
    if (id == TYPE_BOOL) {
        buf_puts(out, ((const uint8_t *)one.data)[at] ? "true" : "false");
        return;
    }
    if (id == TYPE_ARRAY) {
        put_array(view_slice(column_view(&one, at)), one.type, out);
        return;
    }
    AUTO(buf) text = BUF(GIB(1));
    column_print(&one, at, &text);
    struct slice s = buf_slice(&text);
    if (id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ)
        *(char *)memchr(text.data, ' ', text.len) = 'T';
    if (id == TYPE_TIMESTAMPTZ)
        buf_puts(&text, ":00");
    s = buf_slice(&text);
    bool number = (id == TYPE_INT4 || id == TYPE_INT8 || id == TYPE_NUMERIC || id == TYPE_FLOAT8) &&
                  s.data[s.len - 1] >= '0' && s.data[s.len - 1] <= '9';
    if (number || id == TYPE_JSONB)
        buf_put_slice(out, s);
    else
        buf_put_json(out, s);
}

static void put_json(struct call *c, uint32_t arg, uint32_t row, struct buf *out)
{
    if (arg_is_null(c, arg, row))
        buf_puts(out, "null");
    else
        put_value(&c->args[arg].col, row & c->args[arg].mask, out);
}

static void put_normal(struct call *c, uint32_t row, const struct buf *json)
{
    struct slice normal;
    struct error err;
    if (jsonb_normalise(buf_slice(json), MIB(16), c->arena, &normal, &err) == OK)
        call_slice(c, row, normal);
    else
        call_fail(c, row, "54000", "%s", err.text);
}

static void kernel_to_jsonb(struct call *c)
{
    AUTO(buf) json = BUF(GIB(1));
    CALL_ROWS(c, r) {
        buf_clear(&json);
        put_json(c, 0, r, &json);
        put_normal(c, r, &json);
    }
}

static void kernel_build_array(struct call *c)
{
    AUTO(buf) json = BUF(GIB(1));
    CALL_ROWS(c, r) {
        buf_clear(&json);
        buf_putc(&json, '[');
        for (uint32_t i = 0; i < c->nargs; i++) {
            if (i)
                buf_putc(&json, ',');
            put_json(c, i, r, &json);
        }
        buf_putc(&json, ']');
        put_normal(c, r, &json);
    }
}

static void kernel_build_object(struct call *c)
{
    AUTO(buf) json = BUF(GIB(1));
    CALL_ROWS(c, r) {
        buf_clear(&json);
        bool null_key = false;
        buf_putc(&json, '{');
        for (uint32_t i = 0; i < c->nargs; i += 2) {
            null_key |= arg_is_null(c, i, r);
            if (i)
                buf_putc(&json, ',');
            put_json(c, i, r, &json);
            buf_putc(&json, ':');
            put_json(c, i + 1, r, &json);
        }
        buf_putc(&json, '}');
        if (null_key)
            call_fail(c, r, "22023", "argument 1: key must not be null");
        else
            put_normal(c, r, &json);
    }
}

static void put_string_or_null(struct buf *json, const struct column *texts, uint32_t i)
{
    if (column_is_null(texts, i))
        buf_puts(json, "null");
    else
        jsonb_put_string(json, view_slice(column_view(texts, i)));
}

/* Of one array keys and values in turn, of two the keys and the values; all are strings. */
static void kernel_object_of_arrays(struct call *c)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) json = BUF(GIB(1));
    uint32_t n, m = 0, two = c->nargs == 2;
    CALL_ROWS(c, r) {
        struct column keys = arg_array(c, 0, r, &scratch, &n), values = two ? arg_array(c, 1, r, &scratch, &m) : keys;
        const char *wrong = two && n != m    ? "mismatched array dimensions"
                            : !two && n % 2 ? "array must have even number of elements"
                                            : NULL;
        bool null_key = false;
        buf_clear(&json);
        buf_putc(&json, '{');
        for (uint32_t i = 0; i < n && !wrong; i += 2 - two) {
            null_key |= column_is_null(&keys, i);
            if (i)
                buf_putc(&json, ',');
            put_string_or_null(&json, &keys, i);
            buf_putc(&json, ':');
            put_string_or_null(&json, &values, i + 1 - two);
        }
        buf_putc(&json, '}');
        if (wrong)
            call_fail(c, r, "2202E", "%s", wrong);
        else if (null_key)
            call_fail(c, r, "22004", "null value not allowed for object key");
        else
            put_normal(c, r, &json);
        arena_reset(&scratch);
    }
}

static enum status bind_object(struct binding *b, struct error *err)
{
    if (b->nargs % 2) {
        (void)error_set(err, ERR_SQL, "argument list must have even number of elements");
        return error_hint(err, "jsonb_build_object takes keys and values in turn");
    }
    /* Keys are strings; dates already are, in their JSON form. */
    for (uint32_t i = 0; i < b->nargs; i += 2)
        if (b->args[i]->type.id != TYPE_TIMESTAMP && b->args[i]->type.id != TYPE_TIMESTAMPTZ)
            TRY(expr_cast(b->arena, b->args[i], TYPE(TYPE_TEXT), CAST_EXPLICIT, b->args[i]->location, &b->args[i],
                          err));
    return OK;
}

#define J TYPE_JSONB
#define T TYPE_TEXT
#define I TYPE_INT4
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .help = HELP}
#define CAST(TO, KERNEL)                                                                                               \
    {CAST_EXPLICIT, {.name = "cast", .result = TO, .nargs = 1, .args = {J}, .kernel = KERNEL, .help = ""}}

const struct function fn_json[] = {
    FN("->", J, 2, kernel_field, "the value of a key", J, T),
    FN("->", J, 2, kernel_element, "an element of an array, from 0; from the end if negative", J, I),
    FN("->>", T, 2, kernel_field_text, "the value of a key, as text", J, T),
    FN("->>", T, 2, kernel_element_text, "an element of an array, as text", J, I),
    FN("?", TYPE_BOOL, 2, kernel_has_key, "is there such a key, or such a string in the array?", J, T),
    {.name = "jsonb_extract_path", .result = J, .nargs = 2, .args = {J, T}, .flags = FN_VARIADIC,
     .kernel = kernel_path, .help = "the value at a path of keys and indexes"},
    {.name = "jsonb_extract_path_text", .result = T, .nargs = 2, .args = {J, T}, .flags = FN_VARIADIC,
     .kernel = kernel_path_text, .help = "the value at a path of keys and indexes, as text"},
    {.name = "#>", .result = J, .nargs = 2, .args = {J, ARRAY_OF | T}, .kernel = kernel_path,
     .help = "the value at a path: x #> '{items,0,price}'"},
    {.name = "#>>", .result = T, .nargs = 2, .args = {J, ARRAY_OF | T}, .kernel = kernel_path_text,
     .help = "the value at a path, as text"},
    FN("jsonb_typeof", T, 1, kernel_typeof, "object, array, string, number, boolean or null", J),
    FN("jsonb_array_length", I, 1, kernel_array_length, "elements of an array", J),
    {.name = "to_jsonb", .result = J, .nargs = 1, .args = {ARG_ANY}, .kernel = kernel_to_jsonb,
     .help = "as JSON: numbers and booleans as they are, arrays as arrays, dates in ISO 8601, else a string"},
    {.name = "jsonb_build_array", .result = J, .nargs = 0, .kernel = kernel_build_array, .help = "[]"},
    {.name = "jsonb_build_array", .result = J, .nargs = 1, .args = {ARG_ANY}, .flags = FN_VARIADIC | FN_NULLS,
     .kernel = kernel_build_array, .help = "an array of the arguments"},
    {.name = "jsonb_build_object", .result = J, .nargs = 0, .kernel = kernel_build_object, .help = "{}"},
    {.name = "jsonb_object", .result = J, .nargs = 1, .args = {ARRAY_OF | T}, .kernel = kernel_object_of_arrays,
     .help = "an object of the keys and values, all strings, that take turns in an array"},
    {.name = "jsonb_object", .result = J, .nargs = 2, .args = {ARRAY_OF | T, ARRAY_OF | T},
     .kernel = kernel_object_of_arrays, .help = "an object of the keys in one array and the strings in another"},
    {.name = "jsonb_build_object", .result = J, .nargs = 1, .args = {ARG_ANY},
     .flags = FN_VARIADIC | FN_NULLS, .kernel = kernel_build_object, .bind = bind_object,
     .help = "an object of keys and values in turn"},
    {0},
};

const struct cast casts_json[] = {
    CAST(TYPE_BOOL, jsonb_to_bool),      CAST(TYPE_INT4, jsonb_to_number),    CAST(TYPE_INT8, jsonb_to_number),
    CAST(TYPE_FLOAT8, jsonb_to_number),  CAST(TYPE_NUMERIC, jsonb_to_number), {0},
};
