#include <stdlib.h>

#include "base/os.h"
#include "lake/delta_log.h"

/* ---- a new table ---- */

static bool is_ascii_equal(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a >= 'A' && *a <= 'Z' ? *a + 32 : *a) != (*b >= 'A' && *b <= 'Z' ? *b + 32 : *b))
            return false;
    return *a == *b;
}

static enum status check_columns(const struct schema *s, struct error *err)
{
    for (uint32_t i = 0; i < s->ncols; i++) {
        char type[40];
        if (!parquet_can_store(s->types[i]))
            return error_set(err, ERR_USAGE, "column \"%s\": Delta has no type for %s", s->names[i],
                             type_name(s->types[i], type));
        for (uint32_t k = 0; k < i; k++)
            if (is_ascii_equal(s->names[i], s->names[k]))
                return error_set(err, ERR_USAGE, "columns \"%s\" and \"%s\" have the same name for Delta", s->names[k],
                                 s->names[i]);
    }
    return s->ncols ? OK : error_set(err, ERR_USAGE, "a Delta table needs a column");
}

static enum status check_partition(const struct schema *s, const char *const *partition, uint32_t n, struct error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c = 0;
        while (c < s->ncols && strcmp(s->names[c], partition[i]) != 0)
            c++;
        if (c == s->ncols)
            return error_set(err, ERR_USAGE, "the partition column \"%s\" is no column of the table", partition[i]);
        if (s->types[c].id == TYPE_JSONB || s->types[c].id == TYPE_BYTEA || s->types[c].id == TYPE_ARRAY)
            return error_set(err, ERR_USAGE,
                             "a table cannot be partitioned by \"%s\": jsonb, bytea and arrays are not possible",
                             partition[i]);
    }
    return n < s->ncols ? OK : error_set(err, ERR_USAGE, "every column of the table is a partition column");
}

static bool has_local_timestamp(const struct schema *s, uint32_t from)
{
    for (uint32_t i = from; i < s->ncols; i++)
        if (s->types[i].id == TYPE_TIMESTAMP ||
            (s->types[i].id == TYPE_ARRAY && s->types[i].element == TYPE_TIMESTAMP))
            return true;
    return false;
}

static void put_pairs(struct buf *out, const struct delta_pair *pairs, uint32_t n)
{
    buf_putc(out, '{');
    for (uint32_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        buf_put_json(out, slice_of(pairs[i].name));
        buf_putc(out, ':');
        if (pairs[i].value)
            buf_put_json(out, slice_of(pairs[i].value));
        else
            buf_puts(out, "null");
    }
    buf_putc(out, '}');
}

static enum status apply_text(struct delta_table *t, const char *key, struct buf *text, struct error *err)
{
    AUTO(arena) a = {0};
    const struct json *j = json_parse(buf_slice(text), &a);
    assert(j && !text->overflow);
    return delta_apply_action(t, key, j, err);
}

static enum status describe_new(struct delta_table *t, const struct schema *schema, const char *const *partition,
                                uint32_t npartition, const struct delta_pair *configuration, uint32_t nconfiguration,
                                struct error *err)
{
    AUTO(buf) fields = BUF(MIB(16));
    AUTO(buf) metadata = BUF(MIB(64));
    AUTO(buf) protocol = BUF(KIB(4));
    char uuid[37];
    os_uuid(uuid);
    delta_put_schema(&fields, NULL, schema, 0);
    buf_printf(&metadata,
               "{\"id\":\"%s\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":", uuid);
    buf_put_json(&metadata, buf_slice(&fields));
    buf_puts(&metadata, ",\"partitionColumns\":[");
    for (uint32_t i = 0; i < npartition; i++) {
        buf_puts(&metadata, i ? "," : "");
        buf_put_json(&metadata, slice_of(partition[i]));
    }
    buf_puts(&metadata, "],\"configuration\":");
    put_pairs(&metadata, configuration, nconfiguration);
    buf_printf(&metadata, ",\"createdTime\":%lld}", (long long)(os_now_us() / 1000));
    buf_puts(&protocol, has_local_timestamp(schema, 0)
                            ? "{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"timestampNtz\"],"
                              "\"writerFeatures\":[\"timestampNtz\",\"appendOnly\",\"invariants\"]}"
                            : "{\"minReaderVersion\":1,\"minWriterVersion\":2}");
    TRY(apply_text(t, "protocol", &protocol, err));
    return apply_text(t, "metaData", &metadata, err);
}

enum status delta_new(struct store *s, const char *root, const struct schema *schema, const char *const *partition,
                      uint32_t npartition, const struct delta_pair *configuration, uint32_t nconfiguration,
                      struct delta_table **ret, struct error *err)
{
    TRY(check_columns(schema, err));
    TRY(check_partition(schema, partition, npartition, err));
    AUTO(delta_table) *t = delta_table_alloc(s, root);
    TRY(describe_new(t, schema, partition, npartition, configuration, nconfiguration, err));
    *ret = t;
    t = NULL;
    return OK;
}

/* ---- a commit's lines ---- */

static void put_info(struct buf *out, const struct delta_table *t, const struct delta_commit *c, const char *txn_id,
                     int64_t now_ms)
{
    const char *timestamps = delta_property(t, "delta.enableInCommitTimestamps");
    buf_printf(out, "{\"commitInfo\":{\"timestamp\":%lld,\"operation\":", (long long)now_ms);
    buf_put_json(out, slice_of(c->operation));
    buf_puts(out, ",\"operationParameters\":");
    put_pairs(out, c->parameters, c->nparameters);
    if (t->version >= 0)
        buf_printf(out, ",\"readVersion\":%lld", (long long)t->version);
    buf_printf(out, ",\"isolationLevel\":\"Serializable\",\"isBlindAppend\":%s,\"operationMetrics\":",
               c->blind_append ? "true" : "false");
    put_pairs(out, c->metrics, c->nmetrics);
    buf_printf(out, ",\"engineInfo\":\"bourn/%s\",\"txnId\":\"%s\"", BOURN_VERSION, txn_id);
    if (timestamps && strcmp(timestamps, "true") == 0)
        buf_printf(out, ",\"inCommitTimestamp\":%lld", (long long)MAX(now_ms, t->log->commit_ms + 1));
    for (uint32_t i = 0; i < c->ninfo; i++) {
        buf_putc(out, ',');
        buf_put_json(out, slice_of(c->info[i].name));
        buf_printf(out, ":%s", c->info[i].value);
    }
    buf_puts(out, "}}\n");
}

/* The metaData action with the schema's missing columns added; everything else stays as it was read. */
static void put_evolved(struct buf *out, const struct delta_table *t, const struct schema *s)
{
    AUTO(arena) a = {0};
    AUTO(buf) fields = BUF(MIB(16));
    delta_put_schema(&fields, t->metadata.schema_string, s, t->metadata.schema.ncols);
    const struct json *old = json_parse(slice_of(t->log->metadata_json), &a);
    buf_puts(out, "{\"metaData\":{");
    for (const struct json *m = old->first; m; m = m->next) {
        buf_put_json(out, slice_of(m->key));
        buf_putc(out, ':');
        if (strcmp(m->key, "schemaString") == 0)
            buf_put_json(out, buf_slice(&fields));
        else
            json_print(m, out);
        buf_puts(out, m->next ? "," : "");
    }
    buf_puts(out, "}}\n");
}

static enum status put_metadata(struct buf *out, const struct delta_table *t, const struct delta_commit *c,
                                struct error *err)
{
    uint32_t missing = 0;
    if (t->version < 0) {
        buf_printf(out, "{\"protocol\":%s}\n{\"metaData\":%s}\n", t->log->protocol_json, t->log->metadata_json);
        return OK;
    }
    if (!c->schema)
        return OK;
    TRY(delta_check_schema(t, c->schema, &missing, err));
    if (!missing)
        return OK;
    bool has_ntz = false;
    for (uint32_t i = 0; i < t->protocol.reader_features.n; i++)
        has_ntz |= strcmp(t->protocol.reader_features.items[i], "timestampNtz") == 0;
    if (has_local_timestamp(c->schema, t->metadata.schema.ncols) && !has_ntz)
        return error_set(err, ERR_UNSUPPORTED,
                         "a timestamp without time zone cannot be added to a table without the "
                         "Delta feature timestampNtz");
    put_evolved(out, t, c->schema);
    return OK;
}

static enum status put_lines(struct buf *out, const struct delta_table *t, const struct delta_commit *c,
                             const char *txn_id, struct error *err)
{
    int64_t now_ms = os_now_us() / 1000;
    put_info(out, t, c, txn_id, now_ms);
    TRY(put_metadata(out, t, c, err));
    if (c->app_id) {
        buf_puts(out, "{\"txn\":{\"appId\":");
        buf_put_json(out, slice_of(c->app_id));
        buf_printf(out, ",\"version\":%lld,\"lastUpdated\":%lld}}\n", (long long)c->app_version, (long long)now_ms);
    }
    for (uint32_t i = 0; i < c->nadds; i++) {
        const struct delta_add *a = &c->adds[i];
        assert(store_name_ok(a->path)); /* else our own commit could not be read back */
        struct delta_file f = {.path = a->path,
                               .partition = a->partition,
                               .bytes = a->bytes,
                               .stats = a->stats,
                               .modified_ms = a->modified_ms ? a->modified_ms : now_ms};
        buf_puts(out, "{\"add\":");
        delta_put_add(out, t, &f, c->data_change);
        buf_puts(out, "}\n");
    }
    for (uint32_t i = 0; i < c->nremoves; i++) {
        buf_puts(out, "{\"remove\":");
        delta_put_remove(out, t, c->removes[i], now_ms, c->data_change);
        buf_puts(out, "}\n");
    }
    if (out->overflow)
        return error_set(err, ERR_LIMIT, "a Delta commit would be larger than %zu bytes", DELTA_MAX_COMMIT);
    return OK;
}

/* ---- putting it ---- */

enum winner { WINNER_NONE, WINNER_US, WINNER_OTHER };

/* Whose commit has that name? */
static enum status find_winner(const struct delta_table *t, const char *name, const char *txn_id, enum winner *ret,
                               struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    struct error why;
    if (store_get(t->store, name, &text, &why) != OK) {
        if (why.code == ERR_NOT_FOUND) {
            *ret = WINNER_NONE;
            return OK;
        }
        *err = why;
        return FAILED;
    }
    const char *end = memchr(text.data, '\n', text.len);
    struct slice first = {text.data, end ? (size_t)(end - text.data) : text.len};
    const char *id = json_text(json_get(json_parse(first, &a), "commitInfo"), "txnId");
    *ret = id && strcmp(id, txn_id) == 0 ? WINNER_US : WINNER_OTHER;
    return OK;
}

/* Nobody knows whether the commit was or will be written: the caller looks again. A full disk or a refused password
 * stay what they are: the commit was just looked for, and is not there. */
static enum status unknown_outcome(struct error *err)
{
    err->retriable |= err->code == ERR_IO || err->code == ERR_EXISTS;
    err->code = err->code == ERR_EXISTS ? ERR_IO : err->code;
    return FAILED;
}

static enum status put_commit(struct delta_table *t, const char *name, struct slice text, const char *txn_id,
                              enum delta_outcome *ret, struct error *err)
{
    struct error why, again;
    enum winner winner;
    if (store_put_if_absent(t->store, name, text, &why) == OK) {
        *ret = DELTA_COMMITTED;
        return OK;
    }
    /* also after ERR_EXISTS: a client that tried twice may have met its own first try */
    if (find_winner(t, name, txn_id, &winner, &again) != OK) {
        *err = why.code == ERR_EXISTS ? again : why;
        return unknown_outcome(err);
    }
    if (winner == WINNER_NONE) {
        *err = why;
        return unknown_outcome(err);
    }
    *ret = winner == WINNER_US ? DELTA_COMMITTED : DELTA_LOST;
    return OK;
}

enum status delta_commit(struct delta_table *t, const struct delta_commit *c, enum delta_outcome *ret,
                         struct error *err)
{
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    AUTO(buf) name = BUF(KIB(64));
    enum delta_outcome outcome;
    char txn_id[37];
    assert(!c->blind_append || !c->nremoves);
    TRY(c->nremoves && c->data_change ? delta_check_rewrite(t, err) : delta_check_append(t, err));
    os_uuid(txn_id);
    TRY(put_lines(&text, t, c, txn_id, err));
    delta_log_name(t, &name, "%020lld.json", (long long)t->version + 1);
    TRY(put_commit(t, buf_cstr(&name), buf_slice(&text), txn_id, &outcome, err));
    if (outcome == DELTA_COMMITTED)
        TRY(delta_apply_commit(t, t->version + 1, buf_slice(&text), err));
    *ret = outcome;
    return OK;
}
