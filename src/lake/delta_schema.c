/* What a Delta table is made of: its schemaString, its protocol, and what they allow us.
 *
 * schemaString: {"type":"struct","fields":[{"name","type","nullable","metadata":{}},...]}; type is a word (string long
 * integer short byte float double boolean binary date timestamp timestamp_ntz decimal(p,s)) or an object (struct,
 * array, map).
 */
#include <stdio.h>
#include <stdlib.h>

#include "lake/delta_log.h"

/* ---- types ---- */

static struct type type_of_word(const char *word)
{
    static const struct {
        const char *word;
        uint8_t id;
    } words[] = {
        {"string", TYPE_TEXT},
        {"long", TYPE_INT8},
        {"integer", TYPE_INT4},
        {"short", TYPE_INT4},
        {"byte", TYPE_INT4},
        {"float", TYPE_FLOAT8},
        {"double", TYPE_FLOAT8},
        {"boolean", TYPE_BOOL},
        {"binary", TYPE_BYTEA},
        {"date", TYPE_DATE},
        {"timestamp", TYPE_TIMESTAMPTZ},
        {"timestamp_ntz", TYPE_TIMESTAMP},
    };
    unsigned p, s;
    char close, more;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].word, word) == 0)
            return TYPE(words[i].id);
    if (sscanf(word, "decimal(%2u,%2u%c%c", &p, &s, &close, &more) == 3 && close == ')' && p >= 1 &&
        p <= NUMERIC_MAX_PRECISION && s <= p)
        return type_numeric(p, s);
    if (strncmp(word, "varchar(", 8) == 0 || strncmp(word, "char(", 5) == 0)
        return TYPE(TYPE_TEXT);
    return TYPE(TYPE_UNKNOWN);
}

/* A type in one word, as columns are compared: a scalar's own, or array<long>. */
static void put_word(struct buf *out, struct type t)
{
    static const char *const words[TYPE_COUNT] = {
        [TYPE_BOOL] = "boolean",
        [TYPE_INT4] = "integer",
        [TYPE_INT8] = "long",
        [TYPE_FLOAT8] = "double",
        [TYPE_TEXT] = "string",
        [TYPE_BYTEA] = "binary",
        [TYPE_UUID] = "string",
        [TYPE_DATE] = "date",
        [TYPE_TIMESTAMP] = "timestamp_ntz",
        [TYPE_JSONB] = "string",
        [TYPE_TIMESTAMPTZ] = "timestamp",
    };
    if (t.id == TYPE_ARRAY) {
        buf_puts(out, "array<");
        put_word(out, type_element(t));
        buf_putc(out, '>');
    } else if (t.id == TYPE_NUMERIC)
        buf_printf(out, "decimal(%u,%u)", t.precision, t.scale);
    else {
        assert(words[t.id]);
        buf_puts(out, words[t.id]);
    }
}

static void put_type(struct buf *out, struct type t)
{
    bool array = t.id == TYPE_ARRAY;
    buf_puts(out, array ? "{\"type\":\"array\",\"elementType\":\"" : "\"");
    put_word(out, array ? type_element(t) : t);
    buf_puts(out, array ? "\",\"containsNull\":true}" : "\"");
}

void delta_put_schema(struct buf *out, const char *old, const struct schema *s, uint32_t from)
{
    AUTO(arena) a = {0};
    const struct json *fields = old ? json_get(json_parse(slice_of(old), &a), "fields") : NULL;
    const char *separator = "";
    buf_puts(out, "{\"type\":\"struct\",\"fields\":[");
    for (const struct json *f = fields ? fields->first : NULL; f; f = f->next, separator = ",") {
        buf_puts(out, separator);
        json_print(f, out);
    }
    for (uint32_t i = from; i < s->ncols; i++, separator = ",") {
        buf_printf(out, "%s{\"name\":", separator);
        buf_put_json(out, slice_of(s->names[i]));
        buf_puts(out, ",\"type\":");
        put_type(out, s->types[i]);
        buf_printf(out, ",\"nullable\":%s,\"metadata\":{}}", !s->nullable || s->nullable[i] ? "true" : "false");
    }
    buf_puts(out, "]}");
}

/* ---- metaData and protocol ---- */

static uint32_t count(const struct json *j)
{
    uint32_t n = 0;
    for (const struct json *m = j ? j->first : NULL; m; m = m->next)
        n++;
    return n;
}

static struct type field_type(const struct json *type, struct arena *a, const char **ret_word)
{
    if (type && type->kind == JSON_STRING) {
        *ret_word = arena_strdup(a, type->text);
        return type_of_word(type->text);
    }
    const char *word = json_text(type, "type"), *element = json_text(type, "elementType");
    *ret_word = arena_strdup(a, word ? word : "?");
    if (word && element && strcmp(word, "array") == 0)
        *ret_word = arena_printf(a, json_bool(type, "containsNull", true) ? "array<%s>" : "array<%s> without NULLs",
                                 element);
    return TYPE(word ? TYPE_JSONB : TYPE_UNKNOWN);
}

static enum status read_schema(const char *text, struct arena *a, struct delta_metadata *m, struct error *err)
{
    AUTO(arena) scratch = {0};
    const struct json *fields = json_get(json_parse(slice_of(text), &scratch), "fields");
    if (!fields || fields->kind != JSON_ARRAY)
        return error_set(err, ERR_CORRUPT, "metaData has no readable schemaString");
    uint32_t n = count(fields), i = 0;
    m->schema = (struct schema){.ncols = n};
    m->schema.names = arena_array(a, MAX(n, 1u), sizeof *m->schema.names);
    m->schema.types = arena_array(a, MAX(n, 1u), sizeof *m->schema.types);
    m->schema.nullable = arena_array(a, MAX(n, 1u), sizeof *m->schema.nullable);
    m->delta_types = arena_array(a, MAX(n, 1u), sizeof *m->delta_types);
    for (const struct json *f = fields->first; f; f = f->next, i++) {
        const char *name = json_text(f, "name");
        if (!name || !*name)
            return error_set(err, ERR_CORRUPT, "column %u of the schemaString has no name", i + 1);
        m->schema.names[i] = arena_strdup(a, name);
        m->schema.types[i] = field_type(json_get(f, "type"), a, &m->delta_types[i]);
        m->schema.nullable[i] = json_bool(f, "nullable", true);
    }
    return OK;
}

static enum status read_partition(const struct json *columns, struct arena *a, struct delta_metadata *m,
                                  struct error *err)
{
    m->partition = arena_array(a, MAX(count(columns), 1u), sizeof *m->partition);
    for (const struct json *c = columns ? columns->first : NULL; c; c = c->next) {
        uint32_t i = 0;
        while (i < m->schema.ncols && (c->kind != JSON_STRING || strcmp(m->schema.names[i], c->text) != 0))
            i++;
        if (i == m->schema.ncols)
            return error_set(err, ERR_CORRUPT, "a partition column is not in the schema");
        m->partition[m->npartition++] = i;
    }
    return OK;
}

enum status delta_read_metadata(const struct json *j, struct arena *a, struct delta_metadata *m, struct error *err)
{
    const char *id = json_text(j, "id"), *schema = json_text(j, "schemaString");
    const char *name = json_text(j, "name"), *description = json_text(j, "description");
    const char *provider = json_text(json_get(j, "format"), "provider");
    if (!id || !schema)
        return error_set(err, ERR_CORRUPT, "metaData without id or schemaString");
    if (provider && strcmp(provider, "parquet") != 0)
        return error_set(err, ERR_UNSUPPORTED, "a Delta table of %.40s files is not supported", provider);
    m->id = arena_strdup(a, id);
    m->schema_string = arena_strdup(a, schema);
    m->name = name ? arena_strdup(a, name) : NULL;
    m->description = description ? arena_strdup(a, description) : NULL;
    m->created_ms = json_int(j, "createdTime", -1);
    TRY(read_schema(schema, a, m, err));
    TRY(read_partition(json_get(j, "partitionColumns"), a, m, err));
    const struct json *configuration = json_get(j, "configuration");
    m->configuration = arena_array(a, MAX(count(configuration), 1u), sizeof *m->configuration);
    for (const struct json *c = configuration ? configuration->first : NULL; c; c = c->next)
        if (c->key && c->kind == JSON_STRING)
            m->configuration[m->nconfiguration++] =
                (struct delta_pair){arena_strdup(a, c->key), arena_strdup(a, c->text)};
    return OK;
}

static struct delta_strings read_strings(const struct json *j, struct arena *a)
{
    struct delta_strings s = {.items = arena_array(a, MAX(count(j), 1u), sizeof(char *))};
    for (const struct json *m = j ? j->first : NULL; m; m = m->next)
        if (m->kind == JSON_STRING)
            s.items[s.n++] = arena_strdup(a, m->text);
    return s;
}

enum status delta_read_protocol(const struct json *j, struct arena *a, struct delta_protocol *p, struct error *err)
{
    int64_t reader = json_int(j, "minReaderVersion", -1), writer = json_int(j, "minWriterVersion", -1);
    if (reader < 0 || reader > INT32_MAX || writer < 0 || writer > INT32_MAX)
        return error_set(err, ERR_CORRUPT, "protocol without its versions");
    p->min_reader = (int32_t)reader;
    p->min_writer = (int32_t)writer;
    p->reader_features = read_strings(json_get(j, "readerFeatures"), a);
    p->writer_features = read_strings(json_get(j, "writerFeatures"), a);
    return OK;
}

const char *delta_property(const struct delta_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->metadata.nconfiguration; i++)
        if (strcmp(t->metadata.configuration[i].name, name) == 0)
            return t->metadata.configuration[i].value;
    return NULL;
}

int64_t delta_property_ms(const struct delta_table *t, const char *name, int64_t fallback)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"week", 604800000}, {"day", 86400000}, {"hour", 3600000},
                 {"minute", 60000},   {"second", 1000},  {"millisecond", 1}};
    const char *value = delta_property(t, name);
    char unit[16];
    long long n;
    if (!value)
        return fallback;
    if (strncmp(value, "interval ", 9) == 0)
        value += 9;
    int used = 0;
    if (sscanf(value, "%9lld %15[a-z]%n", &n, unit, &used) != 2 || value[used] || n < 0)
        return fallback;
    size_t len = strlen(unit);
    if (len && unit[len - 1] == 's')
        unit[len - 1] = 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(units[i].unit, unit) == 0)
            return n * units[i].ms;
    return fallback;
}

/* ---- what is allowed ---- */

static bool is_on(const struct delta_table *t, const char *property)
{
    const char *v = delta_property(t, property);
    return v && strcmp(v, "true") == 0;
}

static bool uses_column_mapping(const struct delta_table *t)
{
    const char *mode = delta_property(t, "delta.columnMapping.mode");
    return mode && strcmp(mode, "none") != 0;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

enum status delta_check_read(const struct delta_table *t, struct error *err)
{
    static const char *const known[] = {"columnMapping", "deletionVectors",     "timestampNtz",
                                        "v2Checkpoint",  "vacuumProtocolCheck", NULL};
    const struct delta_protocol *p = &t->protocol;
    if (p->min_reader > 3)
        return error_set(err, ERR_UNSUPPORTED, "the table asks for Delta reader version %d; 3 is supported",
                         p->min_reader);
    for (uint32_t i = 0; i < p->reader_features.n; i++)
        if (!is_one_of(p->reader_features.items[i], known))
            return error_set(err, ERR_UNSUPPORTED, "the table uses the Delta feature %.60s, which is not supported",
                             p->reader_features.items[i]);
    if (uses_column_mapping(t))
        return error_set(err, ERR_UNSUPPORTED,
                         "the table uses the Delta feature columnMapping, which is not supported");
    return OK;
}

/* Columns whose values a writer would have to make or check. */
static enum status check_fields(const struct delta_table *t, struct error *err)
{
    static const struct {
        const char *key, *feature;
    } keys[] = {{"delta.generationExpression", "generatedColumns"},
                {"delta.identity.start", "identityColumns"},
                {"delta.invariants", "invariants"}};
    AUTO(arena) a = {0};
    const struct json *fields = json_get(json_parse(slice_of(t->metadata.schema_string), &a), "fields");
    for (const struct json *f = fields ? fields->first : NULL; f; f = f->next)
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            if (json_get(json_get(f, "metadata"), keys[i].key))
                return error_set(err, ERR_UNSUPPORTED,
                                 "column \"%.60s\" uses the Delta feature %s, which a writer here "
                                 "does not support",
                                 json_text(f, "name"), keys[i].feature);
    return OK;
}

enum status delta_check_append(const struct delta_table *t, struct error *err)
{
    /* the last three are harmless while nothing uses them, which is checked below */
    static const char *const known[] = {"appendOnly",        "invariants",
                                        "checkConstraints",  "changeDataFeed",
                                        "timestampNtz",      "deletionVectors",
                                        "v2Checkpoint",      "domainMetadata",
                                        "inCommitTimestamp", "vacuumProtocolCheck",
                                        "generatedColumns",  "identityColumns",
                                        "columnMapping",     NULL};
    const struct delta_protocol *p = &t->protocol;
    TRY(delta_check_read(t, err));
    if (t->log->read_only)
        return error_set(err, ERR_USAGE, "a table opened as of an earlier version cannot be written");
    if (p->min_writer > 7)
        return error_set(err, ERR_UNSUPPORTED, "the table asks for Delta writer version %d; 7 is supported",
                         p->min_writer);
    for (uint32_t i = 0; i < p->writer_features.n; i++)
        if (!is_one_of(p->writer_features.items[i], known))
            return error_set(err, ERR_UNSUPPORTED,
                             "the table uses the Delta feature %.60s, which a writer here does not "
                             "support",
                             p->writer_features.items[i]);
    for (uint32_t i = 0; i < t->metadata.nconfiguration; i++) {
        const char *name = t->metadata.configuration[i].name;
        if (strncmp(name, "delta.constraints.", 18) == 0)
            return error_set(err, ERR_UNSUPPORTED,
                             "the table has the constraint %.60s, which a writer here does not check", name + 18);
    }
    return check_fields(t, err);
}

enum status delta_check_rewrite(const struct delta_table *t, struct error *err)
{
    TRY(delta_check_append(t, err));
    if (is_on(t, "delta.appendOnly"))
        return error_set(err, ERR_UNSUPPORTED, "the table is append-only (delta.appendOnly)");
    if (is_on(t, "delta.enableChangeDataFeed"))
        return error_set(err, ERR_UNSUPPORTED,
                         "the table keeps a change data feed (delta.enableChangeDataFeed), which "
                         "is supported for appends only");
    return OK;
}

enum status delta_check_schema(const struct delta_table *t, const struct schema *rows, uint32_t *ret_missing,
                               struct error *err)
{
    const struct delta_metadata *m = &t->metadata;
    for (uint32_t i = 0; i < rows->ncols; i++) {
        bool nullable = !rows->nullable || rows->nullable[i];
        if (!parquet_can_store(rows->types[i]))
            return error_set(err, ERR_STATE, "column \"%s\": a type that Delta does not have", rows->names[i]);
        if (i >= m->schema.ncols) {
            if (!nullable)
                return error_set(err, ERR_STATE, "column \"%s\" is not in the table and cannot be added NOT NULL",
                                 rows->names[i]);
            continue;
        }
        if (strcmp(rows->names[i], m->schema.names[i]) != 0) {
            (void)error_set(err, ERR_STATE, "column %u is \"%s\" in the table, not \"%s\"", i + 1, m->schema.names[i],
                            rows->names[i]);
            return error_hint(err, "declare the columns in the table's order, and new ones behind them");
        }
        AUTO(buf) word = BUF(64);
        put_word(&word, rows->types[i]);
        if (strcmp(buf_cstr(&word), m->delta_types[i]) != 0)
            return error_set(err, ERR_STATE, "column \"%s\" is %.60s in the table, not %s", rows->names[i],
                             m->delta_types[i], buf_cstr(&word));
        if (nullable && !m->schema.nullable[i])
            return error_set(err, ERR_STATE, "column \"%s\" is not nullable in the table", rows->names[i]);
    }
    if (rows->ncols < m->schema.ncols)
        return error_set(err, ERR_STATE, "the table has the column \"%s\" too", m->schema.names[rows->ncols]);
    *ret_missing = rows->ncols - m->schema.ncols;
    return OK;
}
