/* Casts from and to text: through the types' input and output forms (column_parse, column_print). */
#include "expr/function.h"

static bool contains(const char *text, const char *what) { return strstr(text, what) != NULL; }

/* The SQLSTATE of what column_parse complained about. */
static const char *parse_sqlstate(uint8_t type, const char *message)
{
    bool date = type == TYPE_DATE || type == TYPE_TIMESTAMP || type == TYPE_TIMESTAMPTZ || type == TYPE_INTERVAL;
    if (contains(message, "not supported:"))
        return "0A000";
    if (contains(message, "malformed array literal"))
        return "22P02";
    if (contains(message, "array size exceeds"))
        return "54000";
    if (contains(message, "hexadecimal"))
        return "22023";
    if (contains(message, "invalid byte sequence"))
        return "22021";
    if (contains(message, "out of range"))
        return date ? "22008" : "22003";
    if (contains(message, "overflow"))
        return "22003";
    return date ? "22007" : "22P02";
}

static void text_to_any(struct call *c)
{
    const struct type to = c->out->col.type;
    CALL_ROWS(c, r) {
        struct error err;
        if (column_parse(&c->out->col, r, arg_text(c, 0, r), c->arena, &err) != OK)
            call_fail(c, r, parse_sqlstate(to.id == TYPE_ARRAY ? to.element : to.id, err.text), "%s", err.text);
    }
}

static void any_to_text(struct call *c)
{
    AUTO(buf) text = BUF(GIB(1));
    struct column one = c->args[0].col;
    one.valid = NULL;
    CALL_ROWS(c, r) {
        buf_clear(&text);
        column_print(&one, r & c->args[0].mask, &text);
        call_text(c, r, text.data, text.len);
    }
}

static void put_integer(struct call *c, uint32_t row, int64_t v)
{
    char text[24], *p = text + sizeof text;
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do
        *--p = (char)('0' + size % 10);
    while (size /= 10);
    if (v < 0)
        *--p = '-';
    call_text(c, row, p, (size_t)(text + sizeof text - p));
}

static void int4_to_text(struct call *c)
{
    CALL_ROWS(c, r)
        put_integer(c, r, ARG(c, 0, int32_t, r));
}

static void int8_to_text(struct call *c)
{
    CALL_ROWS(c, r)
        put_integer(c, r, ARG(c, 0, int64_t, r));
}

static void jsonb_to_text(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, struct view, r) = ARG(c, 0, struct view, r);
}

/* The output form of a boolean is t or f, but its cast to text spells it out. */
static void bool_to_text(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, struct view, r) = ARG(c, 0, uint8_t, r) ? view_of("true", 4) : view_of("false", 5);
}

#define FROM_TEXT(TO)                                                                                                  \
    {CAST_EXPLICIT, {.name = "cast", .result = TO, .nargs = 1, .args = {TYPE_TEXT}, .kernel = text_to_any}}
#define TO_TEXT(FROM, KERNEL)                                                                                          \
    {CAST_ASSIGNMENT, {.name = "cast", .result = TYPE_TEXT, .nargs = 1, .args = {FROM}, .kernel = KERNEL}}

const struct cast casts_text[] = {
    FROM_TEXT(TYPE_BOOL),
    FROM_TEXT(TYPE_INT4),
    FROM_TEXT(TYPE_INT8),
    FROM_TEXT(TYPE_FLOAT8),
    FROM_TEXT(TYPE_NUMERIC),
    FROM_TEXT(TYPE_BYTEA),
    FROM_TEXT(TYPE_UUID),
    FROM_TEXT(TYPE_DATE),
    FROM_TEXT(TYPE_TIMESTAMP),
    FROM_TEXT(TYPE_TIMESTAMPTZ),
    FROM_TEXT(TYPE_INTERVAL),
    FROM_TEXT(TYPE_JSONB),
    FROM_TEXT(TYPE_ARRAY),
    TO_TEXT(TYPE_BOOL, bool_to_text),
    TO_TEXT(TYPE_INT4, int4_to_text),
    TO_TEXT(TYPE_INT8, int8_to_text),
    TO_TEXT(TYPE_FLOAT8, any_to_text),
    TO_TEXT(TYPE_NUMERIC, any_to_text),
    TO_TEXT(TYPE_BYTEA, any_to_text),
    TO_TEXT(TYPE_UUID, any_to_text),
    TO_TEXT(TYPE_DATE, any_to_text),
    TO_TEXT(TYPE_TIMESTAMP, any_to_text),
    TO_TEXT(TYPE_TIMESTAMPTZ, any_to_text),
    TO_TEXT(TYPE_INTERVAL, any_to_text),
    TO_TEXT(TYPE_JSONB, jsonb_to_text),
    TO_TEXT(TYPE_ARRAY, any_to_text),
    {0},
};
