#include "column/type.h"

#include <stdio.h>

#include "base/options.h"

size_t type_width(struct type t)
{
    static const uint8_t widths[TYPE_COUNT] = {
        [TYPE_UNKNOWN] = 16, [TYPE_BOOL] = 1, [TYPE_INT4] = 4,  [TYPE_INT8] = 8,      [TYPE_FLOAT8] = 8,
        [TYPE_TEXT] = 16,    [TYPE_BYTEA] = 16, [TYPE_UUID] = 16, [TYPE_DATE] = 4,    [TYPE_TIMESTAMP] = 8,
        [TYPE_TIMESTAMPTZ] = 8, [TYPE_INTERVAL] = 16, [TYPE_JSONB] = 16, [TYPE_ARRAY] = 16,
    };
    if (t.id == TYPE_NUMERIC)
        return type_is_small_numeric(t) ? 8 : 16;
    return widths[t.id];
}

const char *type_id_name(uint8_t id)
{
    static const char *const names[TYPE_COUNT] = {
        [TYPE_UNKNOWN] = "unknown",
        [TYPE_BOOL] = "boolean",
        [TYPE_INT4] = "integer",
        [TYPE_INT8] = "bigint",
        [TYPE_FLOAT8] = "double precision",
        [TYPE_NUMERIC] = "numeric",
        [TYPE_TEXT] = "text",
        [TYPE_BYTEA] = "bytea",
        [TYPE_UUID] = "uuid",
        [TYPE_DATE] = "date",
        [TYPE_TIMESTAMP] = "timestamp without time zone",
        [TYPE_TIMESTAMPTZ] = "timestamp with time zone",
        [TYPE_INTERVAL] = "interval",
        [TYPE_JSONB] = "jsonb",
        [TYPE_ARRAY] = "array",
    };
    return names[id];
}

char *type_name(struct type t, char out[static 40])
{
    bool array = t.id == TYPE_ARRAY && t.element;
    uint8_t id = array ? t.element : t.id;
    if (id == TYPE_NUMERIC && t.precision)
        snprintf(out, 40, "numeric(%u,%u)%s", t.precision, t.scale, array ? "[]" : "");
    else
        snprintf(out, 40, "%s%s", type_id_name(id), array ? "[]" : "");
    return out;
}

static enum status parse_numeric(const int *mods, int nmods, struct type *ret, struct error *err)
{
    int precision = nmods > 0 ? mods[0] : 0, scale = nmods > 1 ? mods[1] : 0;
    if (nmods > 2)
        return error_set(err, ERR_SQL, "invalid NUMERIC type modifier");
    if (nmods > 0 && (precision < 1 || precision > NUMERIC_MAX_PRECISION)) {
        (void)error_set(err, ERR_SQL, "NUMERIC precision %d must be between 1 and %d", precision,
                        NUMERIC_MAX_PRECISION);
        return error_hint(err, "a numeric of bourn holds up to 38 digits, exactly");
    }
    if (scale < 0 || scale > precision)
        return error_set(err, ERR_SQL, "NUMERIC scale %d must be between 0 and precision %d", scale, precision);
    *ret = type_numeric((unsigned)precision, (unsigned)scale);
    return OK;
}

/* Microseconds are the only precision there is; asking for it by name changes nothing. */
static enum status parse_micros(uint8_t id, const char *name, const int *mods, int nmods, struct type *ret,
                                struct error *err)
{
    if (nmods > 1 || (nmods == 1 && mods[0] != 6)) {
        (void)error_set(err, ERR_UNSUPPORTED, "%s with a precision other than 6 is not supported", name);
        return error_hint(err, "use %s, which keeps microseconds, and date_trunc() where less is wanted", name);
    }
    *ret = TYPE(id);
    return OK;
}

enum status type_parse(const char *name, const int *mods, int nmods, struct type *ret, struct error *err)
{
    static const struct {
        const char *name;
        uint8_t id;
    } types[] = {
        {"bool", TYPE_BOOL},           {"boolean", TYPE_BOOL},     {"int4", TYPE_INT4},
        {"int", TYPE_INT4},            {"integer", TYPE_INT4},     {"int8", TYPE_INT8},
        {"bigint", TYPE_INT8},         {"float8", TYPE_FLOAT8},    {"double precision", TYPE_FLOAT8},
        {"numeric", TYPE_NUMERIC},     {"decimal", TYPE_NUMERIC},  {"text", TYPE_TEXT},
        {"varchar", TYPE_TEXT},        {"character varying", TYPE_TEXT}, {"bytea", TYPE_BYTEA},
        {"uuid", TYPE_UUID},           {"date", TYPE_DATE},        {"timestamp", TYPE_TIMESTAMP},
        {"timestamp without time zone", TYPE_TIMESTAMP},           {"timestamptz", TYPE_TIMESTAMPTZ},
        {"timestamp with time zone", TYPE_TIMESTAMPTZ},            {"interval", TYPE_INTERVAL},
        {"jsonb", TYPE_JSONB},
    };
    static const struct {
        const char *name, *hint;
    } neighbours[] = {
        {"int2", "use integer"},          {"smallint", "use integer"},
        {"float4", "use double precision"}, {"real", "use double precision"},
        {"json", "use jsonb"},            {"bpchar", "use text, and CHECK (length(...) = ...) for the length"},
        {"char", "use text, and CHECK (length(...) = ...) for the length"},
        {"money", "use numeric(18,2)"},   {"timetz", "use timestamptz"},
        {"time", "use interval or text"}, {"name", "use text"},
        {"serial", "a stream has no sequence: use a key that the events carry"},
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        uint8_t id = types[i].id;
        if (strcmp(name, types[i].name) != 0)
            continue;
        if (id == TYPE_NUMERIC)
            return parse_numeric(mods, nmods, ret, err);
        if (id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ)
            return parse_micros(id, name, mods, nmods, ret, err);
        if (nmods == 0) {
            *ret = TYPE(id);
            return OK;
        }
        if (id != TYPE_TEXT)
            return error_set(err, ERR_SQL, "type modifier is not allowed for type \"%s\"", name);
        (void)error_set(err, ERR_UNSUPPORTED, "%s(%d) is not supported", name, mods[0]);
        return error_hint(err, "use text, and CHECK (length(...) <= %d) to keep the limit as a rule", mods[0]);
    }
    const char *names[ARRAY_LEN(types)];
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        names[i] = types[i].name;
    const char *near = nearest_name(name, names, ARRAY_LEN(names));
    (void)error_set(err, ERR_SQL, "type \"%s\" does not exist%s%s%s", name, near ? "; did you mean \"" : "",
                    near ? near : "", near ? "\"?" : "");
    for (size_t i = 0; i < ARRAY_LEN(neighbours); i++)
        if (strcmp(name, neighbours[i].name) == 0) {
            (void)error_set(err, ERR_UNSUPPORTED, "type \"%s\" is not supported", name);
            (void)error_hint(err, "%s", neighbours[i].hint);
        }
    return FAILED;
}
