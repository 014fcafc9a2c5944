/* The actions of a Delta log and the state they add up to.
 *
 * _delta_log/%020d.json is one commit: JSON objects, one a line, each with one member, the action:
 *
 *   commitInfo  {timestamp, operation, operationParameters{}, readVersion, isolationLevel, isBlindAppend,
 *               operationMetrics{}, engineInfo, txnId [, inCommitTimestamp]}                     first in the file
 *   protocol    {minReaderVersion, minWriterVersion [, readerFeatures[], writerFeatures[]]}
 *   metaData    {id, format{provider, options{}}, schemaString, partitionColumns[], configuration{}, createdTime}
 *   txn         {appId, version, lastUpdated}
 *   add         {path, partitionValues{}, size, modificationTime, dataChange, stats [, tags{}, deletionVector{}]}
 *   remove      {path, deletionTimestamp, dataChange, extendedFileMetadata, partitionValues{}, size
 *               [, deletionVector{}]}
 *   domainMetadata {domain, configuration, removed}
 *   cdc, checkpointMetadata, sidecar and unknown ones: no part of the state
 *
 * path is percent-encoded. The newest action for a (path, deletion vector) wins. partitionValues are strings, "" =
 * null.
 * (https://github.com/delta-io/delta/blob/master/PROTOCOL.md)
 */
#include "lake/delta_log.h"

#include <stdlib.h>

#include "base/hash.h"

/* ---- entries ---- */

static uint64_t key_hash(const char *key)
{
    return hash64(key, strlen(key), 0);
}

/* The slot of a key, or the free one where it would go. */
static struct delta_entry **find_slot(const struct delta_log *log, const char *key, uint64_t hash)
{
    struct delta_entry **freed = NULL;
    for (uint32_t at = (uint32_t)hash & (log->nslots - 1);; at = (at + 1) & (log->nslots - 1)) {
        struct delta_entry *e = log->slots[at];
        if (!e)
            return freed ? freed : &log->slots[at];
        if (e == DELTA_FREED)
            freed = freed ? freed : &log->slots[at];
        else if (e->hash == hash && strcmp(e->key, key) == 0)
            return &log->slots[at];
    }
}

static void resize(struct delta_log *log)
{
    struct delta_entry **old = log->slots;
    uint32_t n = log->nslots;
    log->nslots = 64;
    while (log->nslots < log->nentries * 4)
        log->nslots *= 2;
    log->slots = mem_zalloc(log->nslots * sizeof *log->slots);
    log->used = log->nentries;
    for (uint32_t i = 0; i < n; i++)
        if (old[i] && old[i] != DELTA_FREED)
            *find_slot(log, old[i]->key, old[i]->hash) = old[i];
    free(old);
}

struct delta_entry *delta_find(const struct delta_log *log, const char *key)
{
    if (!log->nslots)
        return NULL;
    struct delta_entry *e = *find_slot(log, key, key_hash(key));
    return e == DELTA_FREED ? NULL : e;
}

static void unlink_live(struct delta_log *log, struct delta_entry *e)
{
    if (!e->live)
        return;
    log->live[e->at] = log->live[--log->nlive];
    log->live[e->at]->at = e->at;
}

static void put_entry(struct delta_log *log, struct delta_entry *e)
{
    if ((log->used + 1) * 2 > log->nslots)
        resize(log);
    struct delta_entry **slot = find_slot(log, e->key, e->hash), *old = *slot;
    if (old && old != DELTA_FREED) {
        unlink_live(log, old);
        free(old);
    } else {
        log->nentries++;
        log->used += !old;
    }
    *slot = e;
    if (!e->live)
        return;
    if (log->nlive == log->live_capacity) {
        log->live_capacity = MAX(64u, log->live_capacity * 2);
        log->live = mem_realloc(log->live, log->live_capacity * sizeof *log->live);
    }
    e->at = log->nlive;
    log->live[log->nlive++] = e;
}

void delta_forget(struct delta_log *log, struct delta_entry *e)
{
    struct delta_entry **slot = find_slot(log, e->key, e->hash);
    assert(*slot == e && !e->live);
    *slot = DELTA_FREED;
    log->nentries--;
    free(e);
}

static char *put_string(char **at, const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = memcpy(*at, s, n);
    *at += n;
    return copy;
}

static size_t string_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

/* One block: the entry, its partition values, its strings. */
static struct delta_entry *make_entry(const struct delta_file *f, const char *key, uint32_t npartition)
{
    size_t size = sizeof(struct delta_entry) + npartition * sizeof(char *) + string_size(f->path) + string_size(key) +
                  string_size(f->stats) + string_size(f->tags) + string_size(f->dv.path_or_inline);
    for (uint32_t i = 0; i < npartition; i++)
        size += string_size(f->partition[i]);
    struct delta_entry *e = mem_zalloc(size);
    const char **partition = (const char **)(e + 1);
    char *at = (char *)(partition + npartition);
    e->file = *f;
    e->hash = key_hash(key);
    e->key = put_string(&at, key);
    e->file.path = put_string(&at, f->path);
    e->file.stats = f->stats ? put_string(&at, f->stats) : NULL;
    e->file.tags = f->tags ? put_string(&at, f->tags) : NULL;
    e->file.dv.path_or_inline = f->dv.storage ? put_string(&at, f->dv.path_or_inline) : NULL;
    for (uint32_t i = 0; i < npartition; i++)
        partition[i] = f->partition[i] ? put_string(&at, f->partition[i]) : NULL;
    e->file.partition = partition;
    return e;
}

void delta_log_clear(struct delta_table *t)
{
    struct delta_log *log = t->log;
    for (uint32_t i = 0; i < log->nslots; i++)
        if (log->slots[i] != DELTA_FREED)
            free(log->slots[i]);
    for (uint32_t i = 0; i < log->ntxns; i++)
        free(log->txns[i].app_id);
    for (uint32_t i = 0; i < log->ndomains; i++) {
        free(log->domains[i].name);
        free(log->domains[i].json);
    }
    free(log->slots);
    free(log->live);
    free(log->txns);
    free(log->domains);
    free(log->metadata_json);
    free(log->protocol_json);
    arena_release(&log->metadata);
    arena_release(&log->protocol);
    struct delta_changes *changes = log->changes;
    bool read_only = log->read_only;
    *log = (struct delta_log){.changes = changes, .read_only = read_only};
    t->metadata = (struct delta_metadata){0};
    t->protocol = (struct delta_protocol){0};
    t->version = -1;
}

/* ---- changes, for a caller that lost a race ---- */

static void note_file(struct delta_log *log, int64_t version, bool added, bool data_change, const char *path)
{
    struct delta_changes *c = log->changes;
    if (!c)
        return;
    c->files = arena_grow(&c->arena, c->files, c->nfiles, &c->capacity, sizeof *c->files);
    c->files[c->nfiles++] = (struct delta_change){version, added, data_change, arena_strdup(&c->arena, path)};
}

/* ---- actions ---- */

static void read_dv(const struct json *j, struct delta_dv *dv)
{
    const char *storage = json_text(j, "storageType"), *where = json_text(j, "pathOrInlineDv");
    if (!storage || !where)
        return;
    *dv = (struct delta_dv){.storage = storage[0],
                            .path_or_inline = where,
                            .offset = json_int(j, "offset", -1),
                            .bytes = json_int(j, "sizeInBytes", -1),
                            .cardinality = json_int(j, "cardinality", -1)};
}

static void put_key(struct buf *out, const struct delta_file *f)
{
    buf_puts(out, f->path);
    if (f->dv.storage) {
        buf_printf(out, "\n%c%s", f->dv.storage, f->dv.path_or_inline);
        if (f->dv.offset >= 0)
            buf_printf(out, "@%lld", (long long)f->dv.offset);
    }
}

static const char *member_json(const struct json *j, const char *key, struct arena *a)
{
    const struct json *m = json_get(j, key);
    if (!m || m->kind != JSON_OBJECT || !m->first)
        return NULL;
    AUTO(buf) text = BUF(MIB(64));
    json_print(m, &text);
    return text.overflow ? NULL : arena_strndup(a, text.data, text.len);
}

/* add and remove have the same form, as far as they matter. */
static enum status apply_file(struct delta_table *t, const struct json *j, bool add, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) path = BUF(KIB(64));
    AUTO(buf) key = BUF(KIB(256));
    const char *uri = json_text(j, "path");
    if (!uri)
        return error_set(err, ERR_CORRUPT, "%s without a path", add ? "an add" : "a remove");
    TRY(delta_path_decode(t, uri, &path, err));
    const struct json *values = json_get(j, "partitionValues");
    const char **partition = arena_array(&a, MAX(t->metadata.npartition, 1u), sizeof *partition);
    for (uint32_t i = 0; i < t->metadata.npartition; i++) {
        const char *v = json_text(values, t->metadata.schema.names[t->metadata.partition[i]]);
        partition[i] = v && *v ? v : NULL;
    }
    int64_t bytes = json_int(j, "size", 0);
    struct delta_file f = {.path = buf_cstr(&path),
                           .partition = partition,
                           .bytes = bytes < 0 ? 0 : (uint64_t)bytes,
                           .modified_ms = json_int(j, "modificationTime", 0)};
    if (add) {
        f.stats = json_text(j, "stats");
        if (!f.stats)
            f.stats = member_json(j, "stats_parsed", &a);
        f.tags = member_json(j, "tags", &a);
    }
    read_dv(json_get(j, "deletionVector"), &f.dv);
    put_key(&key, &f);
    if (path.overflow || key.overflow)
        return error_set(err, ERR_LIMIT, "a path is too long");
    struct delta_entry *e = make_entry(&f, buf_cstr(&key), t->metadata.npartition);
    e->live = add;
    e->deleted_ms = add ? 0 : json_int(j, "deletionTimestamp", 0);
    put_entry(t->log, e);
    note_file(t->log, t->version + 1, add, json_bool(j, "dataChange", true), f.path);
    return OK;
}

static enum status apply_txn(struct delta_table *t, const struct json *j, struct error *err)
{
    struct delta_log *log = t->log;
    const char *app_id = json_text(j, "appId");
    if (!app_id)
        return error_set(err, ERR_CORRUPT, "a txn without an appId");
    uint32_t i = 0;
    while (i < log->ntxns && strcmp(log->txns[i].app_id, app_id) != 0)
        i++;
    if (i == log->ntxns) {
        log->txns = mem_realloc(log->txns, (log->ntxns + 1) * sizeof *log->txns);
        log->txns[log->ntxns++].app_id = mem_strdup(app_id);
    }
    log->txns[i].version = json_int(j, "version", -1);
    log->txns[i].updated_ms = json_int(j, "lastUpdated", -1);
    return OK;
}

static char *json_dup(const struct json *j)
{
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    json_print(j, &text);
    return mem_strndup(text.data, text.len);
}

static enum status apply_domain(struct delta_table *t, const struct json *j, struct error *err)
{
    struct delta_log *log = t->log;
    const char *name = json_text(j, "domain");
    if (!name)
        return error_set(err, ERR_CORRUPT, "a domainMetadata without a domain");
    uint32_t i = 0;
    while (i < log->ndomains && strcmp(log->domains[i].name, name) != 0)
        i++;
    if (json_bool(j, "removed", false)) {
        if (i < log->ndomains) {
            free(log->domains[i].name);
            free(log->domains[i].json);
            log->domains[i] = log->domains[--log->ndomains];
        }
        return OK;
    }
    if (i == log->ndomains) {
        log->domains = mem_realloc(log->domains, (log->ndomains + 1) * sizeof *log->domains);
        log->domains[log->ndomains++] = (struct delta_domain){.name = mem_strdup(name)};
    }
    free(log->domains[i].json);
    log->domains[i].json = json_dup(j);
    return OK;
}

static const char *partition_name(const struct delta_metadata *m, uint32_t i)
{
    return m->schema.names[m->partition[i]];
}

static bool same_partition(const struct delta_metadata *a, const struct delta_metadata *b)
{
    if (a->npartition != b->npartition)
        return false;
    for (uint32_t i = 0; i < a->npartition; i++)
        if (strcmp(partition_name(a, i), partition_name(b, i)) != 0)
            return false;
    return true;
}

/* Entries hold a value per partition column, so they are made anew when those change: a table that was replaced keeps
 * its tombstones, and may remove its old files only further down in the same commit. */
static void place_anew(struct delta_table *t, const struct delta_metadata *m)
{
    struct delta_log *log = t->log;
    log->repartitioned = true;
    AUTO(arena) a = {0};
    const char **partition = arena_array(&a, MAX(m->npartition, 1u), sizeof *partition);
    for (uint32_t slot = 0; slot < log->nslots; slot++) {
        struct delta_entry *old = log->slots[slot];
        if (!old || old == DELTA_FREED)
            continue;
        bool unplaced = false;
        for (uint32_t i = 0; i < m->npartition; i++) {
            uint32_t from = 0;
            while (from < t->metadata.npartition &&
                   strcmp(partition_name(&t->metadata, from), partition_name(m, i)) != 0)
                from++;
            bool known = from < t->metadata.npartition;
            partition[i] = known ? old->file.partition[from] : NULL;
            unplaced |= !known;
        }
        struct delta_file f = old->file;
        f.partition = partition;
        struct delta_entry *e = make_entry(&f, old->key, m->npartition);
        e->live = old->live;
        e->unplaced = unplaced || old->unplaced;
        e->at = old->at;
        e->deleted_ms = old->deleted_ms;
        log->slots[slot] = e;
        if (e->live)
            log->live[e->at] = e;
        free(old);
    }
}

enum status delta_check_placed(const struct delta_table *t, struct error *err)
{
    struct delta_log *log = t->log;
    for (uint32_t i = 0; log->repartitioned && i < log->nlive; i++)
        if (log->live[i]->unplaced)
            return error_set(err, ERR_CORRUPT,
                             "the partition columns changed, but %.200s, written under the old ones, was not removed",
                             log->live[i]->file.path);
    log->repartitioned = false;
    return OK;
}

static enum status apply_metadata(struct delta_table *t, const struct json *j, struct error *err)
{
    struct arena a = {0};
    struct delta_metadata m = {0};
    if (delta_read_metadata(j, &a, &m, err) != OK) {
        arena_release(&a);
        return FAILED;
    }
    struct delta_changes *c = t->log->changes;
    if (c) {
        c->metadata = true;
        c->recreated |= t->metadata.id && strcmp(t->metadata.id, m.id) != 0;
    }
    if (!same_partition(&t->metadata, &m))
        place_anew(t, &m);
    arena_release(&t->log->metadata);
    t->log->metadata = a;
    t->metadata = m;
    free(t->log->metadata_json);
    t->log->metadata_json = json_dup(j);
    return OK;
}

static enum status apply_protocol(struct delta_table *t, const struct json *j, struct error *err)
{
    struct arena a = {0};
    struct delta_protocol p = {0};
    if (delta_read_protocol(j, &a, &p, err) != OK) {
        arena_release(&a);
        return FAILED;
    }
    if (t->log->changes)
        t->log->changes->protocol = true;
    arena_release(&t->log->protocol);
    t->log->protocol = a;
    t->protocol = p;
    free(t->log->protocol_json);
    t->log->protocol_json = json_dup(j);
    return OK;
}

enum status delta_apply_action(struct delta_table *t, const char *key, const struct json *value, struct error *err)
{
    if (value->kind != JSON_OBJECT)
        return OK;
    if (strcmp(key, "add") == 0)
        return apply_file(t, value, true, err);
    if (strcmp(key, "remove") == 0)
        return apply_file(t, value, false, err);
    if (strcmp(key, "txn") == 0)
        return apply_txn(t, value, err);
    if (strcmp(key, "metaData") == 0)
        return apply_metadata(t, value, err);
    if (strcmp(key, "protocol") == 0)
        return apply_protocol(t, value, err);
    if (strcmp(key, "domainMetadata") == 0)
        return apply_domain(t, value, err);
    return OK;
}

static bool is_commit_wide(const char *key)
{
    return strcmp(key, "metaData") == 0 || strcmp(key, "protocol") == 0;
}

/* One pass over the lines: the actions that say how to read the others (wide), or those others. */
static enum status apply_lines(struct delta_table *t, struct slice text, bool wide, bool *ret_blind, struct error *err)
{
    for (unsigned line = 1; text.len; line++) {
        const char *end = memchr(text.data, '\n', text.len);
        struct slice one = {text.data, end ? (size_t)(end - text.data) : text.len};
        text.data += MIN(one.len + 1, text.len);
        text.len -= MIN(one.len + 1, text.len);
        if (one.len == 0 || (one.len == 1 && one.data[0] == '\r'))
            continue;
        AUTO(arena) a = {0};
        const struct json *j = json_parse(one, &a);
        if (!j || j->kind != JSON_OBJECT)
            return error_set(err, ERR_CORRUPT, "line %u is no JSON object", line);
        for (const struct json *m = j->first; m; m = m->next) {
            if (strcmp(m->key, "commitInfo") == 0 && !wide) {
                *ret_blind = json_bool(m, "isBlindAppend", false);
                t->log->commit_ms = json_int(m, "inCommitTimestamp", 0);
            }
            if (is_commit_wide(m->key) == wide && delta_apply_action(t, m->key, m, err) != OK)
                return error_prefix(err, "line %u", line);
        }
    }
    return OK;
}

enum status delta_apply_commit(struct delta_table *t, int64_t version, struct slice text, struct error *err)
{
    bool blind = false;
    t->version = version - 1;
    TRY(apply_lines(t, text, true, &blind, err));
    TRY(apply_lines(t, text, false, &blind, err));
    TRY(delta_check_placed(t, err));
    t->version = version;
    if (t->log->changes)
        t->log->changes->all_blind &= blind;
    return OK;
}

/* ---- printing ---- */

static void put_partition(struct buf *out, const struct delta_table *t, const struct delta_file *f)
{
    buf_puts(out, "\"partitionValues\":{");
    for (uint32_t i = 0; i < t->metadata.npartition; i++) {
        buf_puts(out, i ? "," : "");
        buf_put_json(out, slice_of(t->metadata.schema.names[t->metadata.partition[i]]));
        buf_putc(out, ':');
        if (f->partition[i])
            buf_put_json(out, slice_of(f->partition[i]));
        else
            buf_puts(out, "null");
    }
    buf_putc(out, '}');
}

static void put_dv(struct buf *out, const struct delta_dv *dv)
{
    if (!dv->storage)
        return;
    buf_printf(out, ",\"deletionVector\":{\"storageType\":\"%c\",\"pathOrInlineDv\":", dv->storage);
    buf_put_json(out, slice_of(dv->path_or_inline));
    if (dv->offset >= 0)
        buf_printf(out, ",\"offset\":%lld", (long long)dv->offset);
    buf_printf(out, ",\"sizeInBytes\":%lld,\"cardinality\":%lld}", (long long)dv->bytes, (long long)dv->cardinality);
}

static void put_path(struct buf *out, const char *path)
{
    AUTO(buf) uri = BUF(KIB(256));
    delta_path_encode(path, &uri);
    buf_puts(out, "\"path\":");
    buf_put_json(out, buf_slice(&uri));
    buf_putc(out, ',');
}

void delta_put_add(struct buf *out, const struct delta_table *t, const struct delta_file *f, bool data_change)
{
    buf_putc(out, '{');
    put_path(out, f->path);
    put_partition(out, t, f);
    buf_printf(out, ",\"size\":%llu,\"modificationTime\":%lld,\"dataChange\":%s", (unsigned long long)f->bytes,
               (long long)f->modified_ms, data_change ? "true" : "false");
    if (f->stats) {
        buf_puts(out, ",\"stats\":");
        buf_put_json(out, slice_of(f->stats));
    }
    if (f->tags) {
        buf_puts(out, ",\"tags\":");
        buf_puts(out, f->tags);
    }
    put_dv(out, &f->dv);
    buf_putc(out, '}');
}

void delta_put_remove(struct buf *out, const struct delta_table *t, const struct delta_file *f, int64_t deleted_ms,
                      bool data_change)
{
    buf_putc(out, '{');
    put_path(out, f->path);
    buf_printf(out, "\"deletionTimestamp\":%lld,\"dataChange\":%s,\"extendedFileMetadata\":true,",
               (long long)deleted_ms, data_change ? "true" : "false");
    put_partition(out, t, f);
    buf_printf(out, ",\"size\":%llu", (unsigned long long)f->bytes);
    put_dv(out, &f->dv);
    buf_putc(out, '}');
}
