/* What a JSON value may become, by the column's type; whatever is not listed is a field error (rule "type:<column>").
 *
 *   null, or no such key   NULL, any type
 *   true, false            boolean; jsonb
 * number                 integer, bigint (no point, no exponent); numeric (exactly, no rounding); double precision;
 * jsonb
 *   string                 text; numeric ("12.50"); uuid, date, timestamp, timestamptz, interval, bytea in their text
 *                          form; double precision ("NaN", "Infinity", "-Infinity" only); jsonb
 *   array                  an array, each of whose elements is read as such a value; jsonb
 *   object                 jsonb
 */
#include <stdlib.h>

#include "format/json.h"
#include "format/value.h"

void json_store_null(struct json_target *t, uint32_t column)
{
    struct column *c = &t->cols[column];
    column_set_null(c, t->arena, t->rows, t->row);
    if (type_is_view(c->type))
        ((struct view *)c->data)[t->row] = (struct view){0};
}

void json_store_nulls(struct json_target *t, uint32_t column, uint64_t rows, uint32_t n)
{
    enum { MANY = 8 }; /* then it is cheaper to clear all */
    struct column *c = &t->cols[column];
    const size_t width = type_width(c->type);
    column_set_null(c, t->arena, t->rows, t->row + (uint32_t)__builtin_ctzll(rows));
    c->valid[t->row / 64] &= ~rows; /* blocks begin at the beginning of a word */
    char *first = (char *)c->data + t->row * width;
    if (__builtin_popcountll(rows) > MANY) {
        memset(first, 0, n * width);
        return;
    }
    for (; rows; rows &= rows - 1)
        memset(first + (size_t)__builtin_ctzll(rows) * width, 0, width);
}

static const char *kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_FALSE] = "false", [JSON_TRUE] = "true",    [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array", [JSON_OBJECT] = "object"};
    return names[kind];
}

static void add_field_error(struct json_decoder *d, struct json_target *t, uint32_t column, const char *why,
                            const struct json_token *token)
{
    const char *quote = token->kind == JSON_STRING ? "\"" : "";
    const char *text = arena_printf(t->arena, "%s: %s: %s%s%s", d->type_names[column], why, quote,
                                    value_excerpt(token->text, t->arena), quote);
    value_add_error(t->out, &t->fields_cap, (struct field_error){t->row, column, text}, t->arena);
}

/* Does the table above let a value of this kind become this type? */
static bool kind_fits(enum json_kind kind, const struct json_token *token, struct type type)
{
    if (type.id == TYPE_JSONB)
        return true;
    switch (kind) {
    case JSON_TRUE:
    case JSON_FALSE:
        return type.id == TYPE_BOOL;
    case JSON_NUMBER:
        return type.id == TYPE_INT4 || type.id == TYPE_INT8 || type.id == TYPE_NUMERIC || type.id == TYPE_FLOAT8;
    case JSON_STRING:
        if (type.id == TYPE_FLOAT8)
            return slice_is(token->text, "NaN") || slice_is(token->text, "Infinity") ||
                   slice_is(token->text, "-Infinity");
        return type.id != TYPE_BOOL && type.id != TYPE_INT4 && type.id != TYPE_INT8 && type.id != TYPE_ARRAY;
    case JSON_ARRAY:
        return type.id == TYPE_ARRAY;
    default:
        return false;
    }
}

/* jsonb keeps the text of the whole value, which for a string is one byte to either side of its token. */
static struct slice whole_text(const struct json_token *token)
{
    if (token->kind != JSON_STRING)
        return token->text;
    return (struct slice){token->text.data - 1, token->text.len + 2};
}

static const char *convert_array(struct column *c, size_t row, struct slice text, unsigned flags, struct arena *a);

static const char *convert(struct column *c, size_t row, const struct json_token *token, unsigned flags,
                           struct arena *a)
{
    if (!kind_fits(token->kind, token, c->type))
        return arena_printf(a, "a JSON %s does not fit", kind_name(token->kind));
    if (c->type.id == TYPE_JSONB)
        return value_from_text(c, row, whole_text(token), flags, a);
    if (c->type.id == TYPE_ARRAY)
        return convert_array(c, row, token->text, flags, a);
    if (token->kind == JSON_NUMBER && c->type.id == TYPE_FLOAT8)
        return value_double(c, row, token->text, a);
    if (token->kind == JSON_NUMBER && token->fraction && c->type.id != TYPE_NUMERIC)
        return "no integer";
    struct slice text = token->text;
    if (token->escaped) {
        const char *why = json_unescape(token->text, a, &text);
        if (why)
            return why;
    }
    return value_from_text(c, row, text, flags, a);
}

/* The text of an array that was read before, so that it is well-formed. */
static const char *convert_array(struct column *c, size_t row, struct slice text, unsigned flags, struct arena *a)
{
    AUTO(arena) scratch = {0};
    struct json_reader r = {text.data, text.data + 1, text.data + text.len, NULL};
    uint32_t n = 0, cap = 1;
    for (size_t i = 0; i < text.len; i++)
        cap += text.data[i] == ',';
    struct column elements = column_make(&scratch, type_element(c->type), cap, true);
    json_skip_space(&r);
    for (bool more = *r.p != ']'; more; n++) {
        struct json_token token;
        if (!json_read_value(&r, &token))
            return r.cause;
        const char *why = token.kind == JSON_NULL ? NULL : convert(&elements, n, &token, flags, a);
        if (why)
            return arena_printf(a, "element %u: %s", n + 1, why);
        if (token.kind != JSON_NULL)
            bit_set(elements.valid, n);
        json_skip_space(&r);
        more = *r.p++ == ',';
    }
    return value_set_array(c, row, &elements, n, a);
}

void json_store(struct json_decoder *d, struct json_target *t, const struct json_name *name,
                const struct json_token *token)
{
    if (token->kind == JSON_NULL) {
        json_store_null(t, (uint32_t)name->column);
        return;
    }
    const char *why = convert(&t->cols[name->column], t->row, token, d->flags, t->arena);
    if (!why) {
        struct column *c = &t->cols[name->column];
        if (c->valid)
            bit_set(c->valid, t->row);
        return;
    }
    json_store_null(t, (uint32_t)name->column);
    add_field_error(d, t, (uint32_t)name->column, why, token);
}

/* ---- a message, plainly ---- */

static bool reject(struct json_target *t, const char *at, const char *start, const char *why)
{
    t->bad = arena_printf(t->arena, "%s at byte %zu", why, (size_t)(at - start));
    return false;
}

/* Top-level keys that have no name yet: kept to see whether one comes twice. */
struct unknown_keys {
    struct slice *keys;
    uint32_t count, cap;
};

static int key_order(const void *pa, const void *pb)
{
    const struct slice *a = pa, *b = pb;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->data, b->data, a->len);
}

static bool all_different(struct json_target *t, struct unknown_keys *u)
{
    if (u->count > 1)
        qsort(u->keys, u->count, sizeof *u->keys, key_order);
    for (size_t i = 1; i < u->count; i++)
        if (slice_equal(u->keys[i - 1], u->keys[i])) {
            t->bad = arena_printf(t->arena, "repeated key \"%s\"", value_excerpt(u->keys[i], t->arena));
            return false;
        }
    return true;
}

static void unknown_add(struct json_decoder *d, struct unknown_keys *u, struct slice key, struct arena *a)
{
    uint32_t before = d->nnames;
    json_name_add(d, key);
    if (d->nnames != before)
        return;
    u->keys = arena_grow(a, u->keys, u->count, &u->cap, sizeof *u->keys);
    u->keys[u->count++] = key;
}

/* "key": value */
static bool read_member(struct json_decoder *d, struct json_target *t, struct json_reader *r, struct unknown_keys *u)
{
    json_skip_space(r);
    const char *at = r->p;
    struct json_token token;
    if (r->p == r->end || *r->p != '"')
        return reject(t, at, r->start, r->p == r->end ? "the message ends too early" : "a key in quotes expected");
    if (!json_read_string(r, &token))
        return reject(t, r->p, r->start, r->cause);
    struct slice key = token.text;
    const char *why = token.escaped ? json_unescape(token.text, t->arena, &key) : NULL;
    if (why)
        return reject(t, at, r->start, why);
    uint64_t head[2];
    json_name_head(key, head);
    struct json_name *name = json_name_find(d, key, head);
    if (name && name->seen == d->serial)
        return reject(t, at, r->start, "repeated key");
    if (name)
        name->seen = d->serial;
    else
        unknown_add(d, u, key, t->arena);
    if (!json_expect(r, ':', "':' expected after a key") || !json_read_value(r, &token))
        return reject(t, r->p, r->start, r->cause);
    if (name && name->column >= 0)
        json_store(d, t, name, &token);
    return true;
}

static const char *why_no_object(const struct json_reader *r)
{
    static const char mark[] = "\xef\xbb\xbf"; /* it cannot be seen in what is quoted of the message */
    if (r->p == r->end)
        return "empty message";
    return r->end - r->p >= 3 && memcmp(r->p, mark, 3) == 0 ? "a byte order mark before the object"
                                                            : "an object expected";
}

bool json_read_message(struct json_decoder *d, struct json_target *t, struct slice message)
{
    struct json_reader r = {message.data, message.data, message.data + message.len, NULL};
    struct unknown_keys unknown = {0};
    if (!json_expect(&r, '{', ""))
        return reject(t, r.p, r.start, why_no_object(&r));
    json_skip_space(&r);
    bool more = r.p == r.end || *r.p != '}';
    while (more) {
        if (!read_member(d, t, &r, &unknown))
            return false;
        json_skip_space(&r);
        more = r.p < r.end && *r.p == ',';
        if (more)
            r.p++;
    }
    if (!json_expect(&r, '}', "',' or '}' expected"))
        return reject(t, r.p, r.start, r.cause);
    json_skip_space(&r);
    if (r.p != r.end)
        return reject(t, r.p, r.start, "something follows the object");
    if (!all_different(t, &unknown))
        return false;
    for (uint32_t i = 1; i < d->nnames; i++)
        if (d->names[i].column >= 0 && d->names[i].seen != d->serial)
            json_store_null(t, (uint32_t)d->names[i].column);
    return true;
}
