/* Checkpoints: the whole state as one Parquet file, so that readers need not replay every commit.
 *
 * Each row is one action: a column per kind of action, of which one is not NULL. Inside, fields as in the JSON commits
 * (top of delta_log.c); maps and lists are Parquet's. We write the classic kind, %020d.checkpoint.parquet, and then
 * _last_checkpoint:
 *
 *   {"version":V,"size":ACTIONS,"sizeInBytes":B,"numOfAddFiles":N}
 *
 * Read are: classic, one part of many, and V2 (Parquet, or JSON lines), whose add and remove actions may lie in
 * sidecars, files of the same form in _delta_log/_sidecars. A checkpoint may have stats_parsed (a struct) in place of
 * stats (text).
 *
 * Reading turns a row back into JSON and takes the same way as a commit's line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "lake/delta_log.h"
#include "lake/parquet_shred.h"

static const char checkpoint_schema[] =
    "txn{appId:s version:l lastUpdated:l} "
    "add{path:s partitionValues:m size:l modificationTime:l dataChange:b tags:m "
    "deletionVector{storageType:s pathOrInlineDv:s offset:i sizeInBytes:i cardinality:l} stats:s} "
    "remove{path:s deletionTimestamp:l dataChange:b extendedFileMetadata:b partitionValues:m size:l "
    "deletionVector{storageType:s pathOrInlineDv:s offset:i sizeInBytes:i cardinality:l}} "
    "metaData{id:s name:s description:s format{provider:s options:m} schemaString:s partitionColumns:a configuration:m "
    "createdTime:l} "
    "protocol{minReaderVersion:i minWriterVersion:i readerFeatures:a writerFeatures:a} "
    "domainMetadata{domain:s configuration:s removed:b}";

/* ---- reading ---- */

/* What says how to read the rest comes first, whatever the order of rows. */
static const char *const first_pass[] = {"protocol", "metaData"};
static const char *const second_pass[] = {"txn", "domainMetadata", "sidecar", "add", "remove"};

static enum status put_sidecar(const struct delta_table *t, const struct json *j, struct buf *sidecars,
                               struct error *err)
{
    const char *path = json_text(j, "path");
    if (!path || strchr(path, '/') || strchr(path, '\n') || !store_name_ok(path))
        return error_set(err, ERR_CORRUPT, "a sidecar has no usable path");
    delta_log_name(t, sidecars, "_sidecars/%s", path);
    buf_putc(sidecars, '\n');
    return OK;
}

static enum status apply_row(struct delta_table *t, const char *key, const struct json *j, struct buf *sidecars,
                             struct error *err)
{
    if (strcmp(key, "sidecar") == 0)
        return put_sidecar(t, j, sidecars, err);
    return delta_apply_action(t, key, j, err);
}

static enum status apply_batch(struct delta_table *t, const struct batch *b, const char *const *keys,
                               struct buf *sidecars, struct error *err)
{
    for (uint32_t row = 0; row < b->rows; row++)
        for (uint32_t c = 0; c < b->ncols; c++) {
            if (column_is_null(&b->cols[c], row))
                continue;
            AUTO(arena) a = {0};
            const struct json *j = json_parse(view_slice(column_view(&b->cols[c], row)), &a);
            if (!j)
                return error_set(err, ERR_CORRUPT, "an action cannot be read");
            TRY(apply_row(t, keys[c], j, sidecars, err));
        }
    return OK;
}

static enum status read_pass(struct delta_table *t, const char *name, const char *const *keys, uint32_t n,
                             struct buf *sidecars, struct error *err)
{
    struct type types[ARRAY_LEN(second_pass)];
    for (uint32_t i = 0; i < n; i++)
        types[i] = TYPE(TYPE_JSONB);
    struct schema want = {.ncols = n, .names = (const char **)keys, .types = types};
    AUTO(parquet_reader) *r = NULL;
    TRY(parquet_reader_open(t->store, name, &r, err));
    TRY(parquet_reader_select(r, &want, err));
    for (struct batch *b;;) {
        AUTO(arena) a = {0};
        TRY(parquet_reader_next(r, &a, &b, err));
        if (!b)
            return OK;
        if (apply_batch(t, b, keys, sidecars, err) != OK)
            return error_prefix(err, "%s", name);
    }
}

/* A V2 checkpoint as JSON lines. */
static enum status read_lines(struct delta_table *t, const char *name, struct buf *sidecars, struct error *err)
{
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    TRY(store_get(t->store, name, &text, err));
    TRY(delta_apply_commit(t, 0, buf_slice(&text), err));
    for (struct slice rest = buf_slice(&text); rest.len;) {
        const char *end = memchr(rest.data, '\n', rest.len);
        struct slice line = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
        rest.data += MIN(line.len + 1, rest.len);
        rest.len -= MIN(line.len + 1, rest.len);
        AUTO(arena) a = {0};
        const struct json *sidecar = json_get(json_parse(line, &a), "sidecar");
        if (sidecar)
            TRY(put_sidecar(t, sidecar, sidecars, err));
    }
    return OK;
}

enum status delta_read_checkpoint(struct delta_table *t, const char *name, struct buf *sidecars, struct error *err)
{
    size_t n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".json") == 0)
        return read_lines(t, name, sidecars, err);
    TRY(read_pass(t, name, first_pass, ARRAY_LEN(first_pass), sidecars, err));
    TRY(read_pass(t, name, second_pass, ARRAY_LEN(second_pass), sidecars, err));
    return delta_check_placed(t, err);
}

/* ---- writing ---- */

static int64_t retention_ms(const struct delta_table *t)
{
    return delta_property_ms(t, "delta.deletedFileRetentionDuration", DELTA_MAX_RETENTION_MS);
}

static void forget_expired(struct delta_table *t, int64_t now_ms)
{
    int64_t before = now_ms - retention_ms(t);
    for (uint32_t i = 0; i < t->log->nslots; i++) {
        struct delta_entry *e = t->log->slots[i];
        if (e && e != DELTA_FREED && !e->live && e->deleted_ms < before)
            delta_forget(t->log, e);
    }
}

/* {"KEY":VALUE} as a row. */
static void put_action(struct parquet_out *o, const char *key, struct buf *text, uint64_t *count)
{
    AUTO(arena) a = {0};
    struct json row = {.kind = JSON_OBJECT};
    const struct json *value = json_parse(buf_slice(text), &a);
    assert(value && !text->overflow);
    struct json member = *value;
    member.key = key;
    row.first = &member;
    parquet_shred_row(o, &row);
    ++*count;
    buf_clear(text);
}

static void put_state(struct parquet_out *o, const struct delta_table *t, uint64_t *count)
{
    const struct delta_log *log = t->log;
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    buf_puts(&text, log->protocol_json);
    put_action(o, "protocol", &text, count);
    buf_puts(&text, log->metadata_json);
    put_action(o, "metaData", &text, count);
    for (uint32_t i = 0; i < log->ntxns; i++) {
        buf_puts(&text, "{\"appId\":");
        buf_put_json(&text, slice_of(log->txns[i].app_id));
        buf_printf(&text, ",\"version\":%lld", (long long)log->txns[i].version);
        if (log->txns[i].updated_ms >= 0)
            buf_printf(&text, ",\"lastUpdated\":%lld", (long long)log->txns[i].updated_ms);
        buf_putc(&text, '}');
        put_action(o, "txn", &text, count);
    }
    for (uint32_t i = 0; i < log->ndomains; i++) {
        buf_puts(&text, log->domains[i].json);
        put_action(o, "domainMetadata", &text, count);
    }
    for (uint32_t i = 0; i < log->nslots; i++) {
        const struct delta_entry *e = log->slots[i];
        if (!e || e == DELTA_FREED)
            continue;
        if (e->live)
            delta_put_add(&text, t, &e->file, false);
        else
            delta_put_remove(&text, t, &e->file, e->deleted_ms, false);
        put_action(o, e->live ? "add" : "remove", &text, count);
    }
}

static enum status put_hint(struct delta_table *t, uint64_t actions, uint64_t bytes, struct error *err)
{
    AUTO(buf) name = BUF(KIB(64));
    AUTO(buf) crc = BUF(KIB(64));
    AUTO(buf) text = BUF(KIB(4));
    delta_log_name(t, &name, "_last_checkpoint");
    delta_log_name(t, &crc, "._last_checkpoint.crc");
    buf_printf(&text, "{\"version\":%lld,\"size\":%llu,\"sizeInBytes\":%llu,\"numOfAddFiles\":%u}",
               (long long)t->version, (unsigned long long)actions, (unsigned long long)bytes, t->log->nlive);
    /* Hadoop's checksum of the file that Spark wrote there would no longer fit */
    TRY(t->store->ops->remove(t->store, buf_cstr(&crc), err));
    return store_put(t->store, buf_cstr(&name), buf_slice(&text), err);
}

static enum status put_checkpoint(struct delta_table *t, struct parquet_out *o, struct error *err)
{
    AUTO(buf) name = BUF(KIB(64));
    uint64_t actions = 0;
    put_state(o, t, &actions);
    TRY(parquet_out_finish(o, err));
    delta_log_name(t, &name, "%020lld.checkpoint.parquet", (long long)t->version);
    TRY(t->store->ops->put(t->store, buf_cstr(&name), o->parts, o->nparts, err));
    t->checkpoint_version = t->version;
    return put_hint(t, actions, o->offset, err);
}

enum status delta_checkpoint(struct delta_table *t, struct error *err)
{
    assert(t->version >= 0);
    TRY(delta_check_append(t, err));
    struct parquet_options options = {.codec = PARQUET_SNAPPY, .level = 1, .max_bytes = GIB(2)};
    struct parquet_out out;
    forget_expired(t, os_now_us() / 1000);
    parquet_shred_init(&out, checkpoint_schema, &options);
    enum status status = put_checkpoint(t, &out, err);
    parquet_out_release(&out);
    return status;
}

bool delta_checkpoint_due(const struct delta_table *t)
{
    const char *property = delta_property(t, "delta.checkpointInterval");
    long interval = property ? strtol(property, NULL, 10) : 10;
    if (interval < 1)
        interval = 10;
    return t->version - MAX(t->checkpoint_version, INT64_C(0)) >= interval;
}
