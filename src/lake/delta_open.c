/* From the files in _delta_log to a snapshot, and on to newer ones.
 *
 *   %020d.json                                  a commit
 *   %020d.checkpoint.parquet                    the state at a version
 *   %020d.checkpoint.%010d.%010d.parquet        part i of n of one
 *   %020d.checkpoint.UUID.json / .parquet       one whose files may lie in _delta_log/_sidecars
 *   _last_checkpoint                            {"version":N,...}: where to start looking; never trusted
 *
 * The state is the newest checkpoint that can be read, and every commit after it without a gap. Other names are passed
 * over.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "lake/delta_log.h"

void delta_log_name(const struct delta_table *t, struct buf *out, const char *format, ...)
{
    char name[300];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    buf_printf(out, "%s%s_delta_log/%s", t->root, *t->root ? "/" : "", name);
    buf_cstr(out);
}

/* ---- listing ---- */

struct listed {
    int64_t version;
    uint32_t part, parts; /* 0, 0: a commit; 1, 1: a checkpoint in one file */
    int64_t modified_us;
    char *name; /* checkpoints */
};

struct listing {
    struct listed *items;
    size_t n, capacity;
};

static void listing_release(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].name);
    free(l->items);
}
static inline void listing_autofree(struct listing *l)
{
    listing_release(l);
}

static bool parse_version(const char *name, int64_t *ret)
{
    int64_t v = 0;
    for (int i = 0; i < 20; i++)
        if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, name[i] - '0', &v))
            return false;
    *ret = v;
    return true;
}

/* What a name below _delta_log is; false: nothing of ours. */
static bool parse_name(const char *name, struct listed *ret)
{
    struct listed l = {0};
    int used = 0;
    if (strlen(name) < 25 || !parse_version(name, &l.version))
        return false;
    const char *rest = name + 20;
    if (strncmp(rest, ".checkpoint.", 12) == 0) {
        rest += 12;
        size_t n = strlen(rest);
        l.part = l.parts = 1;
        if (strcmp(rest, "parquet") != 0 && !(n == 36 + 5 && strcmp(rest + 36, ".json") == 0) &&
            !(n == 36 + 8 && strcmp(rest + 36, ".parquet") == 0) &&
            (sscanf(rest, "%10u.%10u.parquet%n", &l.part, &l.parts, &used) != 2 || rest[used] || l.part < 1 ||
             l.part > l.parts))
            return false;
    } else if (strcmp(rest, ".json") != 0)
        return false;
    *ret = l;
    return true;
}

static enum status visit(void *arg, const struct store_object *object, struct error *err)
{
    struct listing *list = arg;
    struct listed l;
    (void)err;
    const char *slash = strrchr(object->name, '/');
    if (!parse_name(slash ? slash + 1 : object->name, &l))
        return OK;
    l.modified_us = object->modified_us;
    l.name = l.parts ? mem_strdup(object->name) : NULL;
    if (list->n == list->capacity) {
        list->capacity = MAX((size_t)64, list->capacity * 2);
        list->items = mem_realloc(list->items, list->capacity * sizeof *list->items);
    }
    list->items[list->n++] = l;
    return OK;
}

/* The log's files of versions `from` and later. */
static enum status list_log(const struct delta_table *t, int64_t from, struct listing *ret, struct error *err)
{
    AUTO(buf) folder = BUF(KIB(64));
    AUTO(buf) start = BUF(KIB(64));
    delta_log_name(t, &folder, "%s", "");
    delta_log_name(t, &start, "%020lld", (long long)from);
    return t->store->ops->list(t->store, buf_cstr(&folder), buf_cstr(&start), visit, ret, err);
}

/* ---- loading ---- */

static enum status read_commit(const struct delta_table *t, int64_t version, struct buf *into, struct error *err)
{
    AUTO(buf) name = BUF(KIB(64));
    delta_log_name(t, &name, "%020lld.json", (long long)version);
    return store_get(t->store, buf_cstr(&name), into, err);
}

static enum status apply_version(struct delta_table *t, int64_t version, struct error *err)
{
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    TRY(read_commit(t, version, &text, err));
    if (delta_apply_commit(t, version, buf_slice(&text), err) != OK)
        return error_prefix(err, "%s%s_delta_log/%020lld.json", t->root, *t->root ? "/" : "", (long long)version);
    return OK;
}

static enum status read_sidecars(struct delta_table *t, struct buf *sidecars, struct error *err)
{
    AUTO(buf) none = BUF(KIB(64));
    if (!sidecars->len)
        return OK;
    for (char *at = sidecars->data, *end = sidecars->data + sidecars->len; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        *stop = 0;
        TRY(delta_read_checkpoint(t, at, &none, err));
        at = stop + 1;
    }
    return OK;
}

/* All files of the checkpoint that begins at items[i]; ERR_CORRUPT when one is missing. */
static enum status load_checkpoint(struct delta_table *t, const struct listing *list, size_t i, struct error *err)
{
    AUTO(buf) sidecars = BUF(MIB(16));
    const struct listed *first = &list->items[i];
    uint32_t found = 0;
    delta_log_clear(t);
    for (uint32_t part = 1; part <= first->parts; part++)
        for (size_t k = i; k < list->n && list->items[k].version == first->version; k++)
            if (list->items[k].parts == first->parts && list->items[k].part == part) {
                TRY(delta_read_checkpoint(t, list->items[k].name, &sidecars, err));
                found++;
                break;
            }
    if (found != first->parts)
        return error_set(err, ERR_CORRUPT, "a checkpoint lacks parts");
    if (sidecars.overflow)
        return error_set(err, ERR_LIMIT, "a checkpoint has too many sidecars");
    TRY(read_sidecars(t, &sidecars, err));
    if (!t->metadata.id || !t->protocol.min_reader)
        return error_set(err, ERR_CORRUPT, "a checkpoint without protocol or metaData");
    t->version = t->checkpoint_version = first->version;
    return OK;
}

/* The newest readable checkpoint at or below `target`; none: an empty state at version -1. A broken one is passed over,
 * since an older one or the commits may still tell everything; *ret_why says why the first of them was. */
static enum status load_newest_checkpoint(struct delta_table *t, const struct listing *list, int64_t target,
                                          struct error *ret_why, struct error *err)
{
    int64_t tried = INT64_MAX;
    struct error why;
    for (size_t i = list->n; i-- > 0;) {
        const struct listed *l = &list->items[i];
        /* from the back: parts of one checkpoint follow each other, part 1 first */
        if (!l->parts || l->part != 1 || l->version > target || l->version > tried)
            continue;
        if (load_checkpoint(t, list, i, &why) == OK)
            return OK;
        if (why.code != ERR_CORRUPT && why.code != ERR_NOT_FOUND && why.code != ERR_LIMIT) {
            *err = why;
            return FAILED;
        }
        tried = l->version;
        if (!ret_why->code)
            *ret_why = why;
    }
    delta_log_clear(t);
    t->checkpoint_version = -1;
    return OK;
}

/* Between a store and a table in it; the store may be the table. */
static const char *slash(const char *root) { return *root ? "/" : ""; }

static enum status apply_commits(struct delta_table *t, const struct listing *list, int64_t target, struct error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct listed *l = &list->items[i];
        if (l->parts || l->version <= t->version || l->version > target)
            continue;
        if (l->version != t->version + 1)
            return error_set(err, ERR_CORRUPT, "%s%s%s: version %lld of the Delta log is missing",
                             t->store->ops->describe(t->store), slash(t->root), t->root, (long long)t->version + 1);
        TRY(apply_version(t, l->version, err));
    }
    return OK;
}

static enum status check_loaded(const struct delta_table *t, int64_t target, struct error *err)
{
    const char *place = t->store->ops->describe(t->store);
    if (t->version < 0 && target != INT64_MAX)
        return error_set(err, ERR_NOT_FOUND, "%s%s%s: version %lld of a Delta table is not there, or no longer", place,
                         slash(t->root), t->root, (long long)target);
    if (t->version < 0)
        return error_set(err, ERR_NOT_FOUND, "no Delta table at %s%s%s", place, slash(t->root), t->root);
    if (!t->metadata.id || !t->protocol.min_reader)
        return error_set(err, ERR_CORRUPT, "%s%s%s: the Delta log has no protocol or no metaData", place,
                         slash(t->root), t->root);
    if (target != INT64_MAX && t->version != target)
        return error_set(err, ERR_NOT_FOUND, "%s%s%s: there is no version %lld; the newest is %lld", place,
                         slash(t->root), t->root, (long long)target, (long long)t->version);
    if (delta_check_read(t, err) != OK)
        return error_prefix(err, "%s%s%s", place, slash(t->root), t->root);
    return OK;
}

/* Where _last_checkpoint says to start; 0 when it says nothing. */
static int64_t checkpoint_hint(const struct delta_table *t)
{
    AUTO(arena) a = {0};
    AUTO(buf) name = BUF(KIB(64));
    AUTO(buf) text = BUF(MIB(1));
    struct error ignored;
    delta_log_name(t, &name, "_last_checkpoint");
    if (store_get(t->store, buf_cstr(&name), &text, &ignored) != OK)
        return 0;
    int64_t version = json_int(json_parse(buf_slice(&text), &a), "version", 0);
    return MAX(version, INT64_C(0));
}

static bool has_checkpoint(const struct listing *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].parts)
            return true;
    return false;
}

static enum status load_from(struct delta_table *t, int64_t from, int64_t target, bool *ret_checkpoint,
                             struct error *err)
{
    AUTO(listing) list = {0};
    TRY(list_log(t, from, &list, err));
    *ret_checkpoint = has_checkpoint(&list);
    if (from > 0 && !*ret_checkpoint)
        return OK;
    struct error why = {0};
    TRY(load_newest_checkpoint(t, &list, target, &why, err));
    TRY(apply_commits(t, &list, target, err));
    if (t->version < 0 && why.code) { /* there is a table: whoever is told "not found" would make it anew */
        *err = why;
        err->code = ERR_CORRUPT;
        return error_prefix(err, "%s%s%s", t->store->ops->describe(t->store), slash(t->root), t->root);
    }
    return OK;
}

static enum status load(struct delta_table *t, int64_t target, struct error *err)
{
    struct error why;
    bool checkpoint;
    int64_t hint = checkpoint_hint(t);
    if (hint > 0 && hint <= target && load_from(t, hint, target, &checkpoint, &why) == OK && checkpoint &&
        t->version >= hint)
        return check_loaded(t, target, err);
    delta_log_clear(t);
    TRY(load_from(t, 0, target, &checkpoint, err));
    return check_loaded(t, target, err);
}

/* ---- opening ---- */

struct delta_table *delta_table_alloc(struct store *s, const char *root)
{
    struct delta_table *t = mem_zalloc(sizeof *t);
    size_t n = strlen(root);
    while (n && root[n - 1] == '/')
        n--;
    t->store = s;
    t->root = mem_strndup(root, n);
    t->version = t->checkpoint_version = -1;
    t->log = mem_zalloc(sizeof *t->log);
    return t;
}

void delta_close(struct delta_table *t)
{
    if (!t)
        return;
    delta_log_clear(t);
    free(t->log);
    free(t->root);
    free(t);
}

enum status delta_open_version(struct store *s, const char *root, int64_t version, struct delta_table **ret,
                               struct error *err)
{
    struct delta_table *t = delta_table_alloc(s, root);
    t->log->read_only = version != INT64_MAX;
    if (load(t, version, err) != OK) {
        delta_close(t);
        return FAILED;
    }
    *ret = t;
    return OK;
}

enum status delta_open(struct store *s, const char *root, struct delta_table **ret, struct error *err)
{
    return delta_open_version(s, root, INT64_MAX, ret, err);
}

/* When a version was committed, in ms. */
static enum status commit_time(const struct delta_table *t, const struct listed *l, int64_t *ret, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    *ret = l->modified_us / 1000;
    TRY(read_commit(t, l->version, &text, err));
    const char *end = memchr(text.data, '\n', text.len);
    struct slice first = {text.data, end ? (size_t)(end - text.data) : text.len};
    *ret = json_int(json_get(json_parse(first, &a), "commitInfo"), "inCommitTimestamp", *ret);
    return OK;
}

enum status delta_open_timestamp(struct store *s, const char *root, int64_t us, struct delta_table **ret,
                                 struct error *err)
{
    struct delta_table *t = delta_table_alloc(s, root);
    AUTO(listing) list = {0};
    enum status status = list_log(t, 0, &list, err);
    int64_t found = -1, before = INT64_MIN;
    for (size_t i = 0; status == OK && i < list.n; i++) {
        int64_t ms;
        if (list.items[i].parts)
            continue;
        status = commit_time(t, &list.items[i], &ms, err);
        if (status != OK)
            break;
        ms = MAX(ms, before == INT64_MIN ? before : before + 1); /* as Spark: never earlier than the commit before */
        if (ms > us / 1000)
            break;
        before = ms;
        found = list.items[i].version;
    }
    delta_close(t);
    TRY(status);
    if (found < 0)
        return error_set(err, ERR_NOT_FOUND, "%s%s%s: no version of the table is that old", s->ops->describe(s),
                         slash(root), root);
    return delta_open_version(s, root, found, ret, err);
}

/* ---- going on ---- */

/* The next commit is not there. Is the table at its newest version, was its log cleaned up past us, or is it gone? */
static enum status look_further(struct delta_table *t, bool *ret_reload, struct error *err)
{
    AUTO(listing) list = {0};
    TRY(list_log(t, MAX(t->version, INT64_C(0)), &list, err));
    *ret_reload = list.n && list.items[list.n - 1].version > t->version;
    if (t->version >= 0 && list.n == 0)
        return error_set(err, ERR_STATE,
                         "%s%s%s: the Delta log has lost its version %lld: the table was deleted or "
                         "replaced",
                         t->store->ops->describe(t->store), slash(t->root), t->root, (long long)t->version);
    return OK;
}

/* Everything anew; what happened in between is not known, so the caller is told that all did. */
static enum status reload(struct delta_table *t, struct error *err)
{
    struct delta_changes *changes = t->log->changes;
    char *id = t->metadata.id ? mem_strdup(t->metadata.id) : NULL;
    t->log->changes = NULL;
    enum status status = load(t, INT64_MAX, err);
    t->log->changes = changes;
    if (status == OK && changes) {
        changes->protocol = changes->metadata = true;
        changes->all_blind = false;
        changes->recreated |= id && strcmp(id, t->metadata.id) != 0;
    }
    free(id);
    return status;
}

static enum status refresh(struct delta_table *t, struct error *err)
{
    for (;;) {
        struct error why;
        AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
        if (read_commit(t, t->version + 1, &text, &why) == OK) {
            int64_t version = t->version + 1;
            if (delta_apply_commit(t, version, buf_slice(&text), err) != OK)
                return error_prefix(err, "%s%s_delta_log/%020lld.json", t->root, *t->root ? "/" : "",
                                    (long long)version);
            continue;
        }
        if (why.code != ERR_NOT_FOUND) {
            *err = why;
            return FAILED;
        }
        bool again = false;
        TRY(look_further(t, &again, err));
        if (again)
            return reload(t, err);
        return t->version < 0 ? OK : delta_check_read(t, err);
    }
}

enum status delta_refresh(struct delta_table *t, struct delta_changes *ret, struct error *err)
{
    struct delta_changes c = {.from = t->version, .all_blind = true};
    t->log->changes = &c;
    enum status status = refresh(t, err);
    t->log->changes = NULL;
    c.to = t->version;
    if (status == OK && ret)
        *ret = c;
    else
        delta_changes_release(&c);
    return status;
}

bool delta_changes_removed(const struct delta_changes *c, const char *path)
{
    for (uint32_t i = 0; i < c->nfiles; i++)
        if (!c->files[i].added && strcmp(c->files[i].path, path) == 0)
            return true;
    return false;
}

void delta_changes_release(struct delta_changes *c)
{
    arena_release(&c->arena);
    *c = (struct delta_changes){0};
}

/* ---- cleaning up ---- */

#define LOG_RETENTION_MS (INT64_C(30) * 86400 * 1000)

/* The checkpoint to start from at the newest version committed before `us`; -1: none. */
static int64_t checkpoint_before(const struct listing *list, int64_t us)
{
    int64_t newest = -1, checkpoint = -1;
    for (size_t i = 0; i < list->n; i++)
        if (!list->items[i].parts) {
            if (list->items[i].modified_us >= us)
                break;
            newest = list->items[i].version;
        }
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].parts == 1 && list->items[i].version <= newest)
            checkpoint = list->items[i].version;
    return checkpoint;
}

enum status delta_clean_log(const struct delta_table *t, struct error *err)
{
    AUTO(listing) list = {0};
    const int64_t day_us = INT64_C(86400) * 1000000;
    const char *enabled = delta_property(t, "delta.enableExpiredLogCleanup");
    if (enabled && strcmp(enabled, "true") != 0)
        return OK;
    TRY(delta_check_append(t, err));
    TRY(list_log(t, 0, &list, err));
    int64_t before = os_now_us() - delta_property_ms(t, "delta.logRetentionDuration", LOG_RETENTION_MS) * 1000;
    int64_t keep = checkpoint_before(&list, before - before % day_us);
    /* oldest first: what is left when we are stopped in between still has no gap */
    for (size_t i = 0; i < list.n && list.items[i].version < keep; i++) {
        AUTO(buf) name = BUF(KIB(64));
        if (list.items[i].parts)
            buf_puts(&name, list.items[i].name);
        else
            delta_log_name(t, &name, "%020lld.json", (long long)list.items[i].version);
        TRY(t->store->ops->remove(t->store, buf_cstr(&name), err));
    }
    return OK;
}

/* ---- asking ---- */

bool delta_txn_version(const struct delta_table *t, const char *app_id, int64_t *ret, int64_t *ret_updated_ms)
{
    const char *id;
    int64_t version, updated;
    for (uint32_t i = 0; delta_txn_at(t, i, &id, &version, &updated); i++)
        if (strcmp(id, app_id) == 0) {
            *ret = version;
            if (ret_updated_ms)
                *ret_updated_ms = updated;
            return true;
        }
    return false;
}

bool delta_txn_at(const struct delta_table *t, uint32_t i, const char **ret_app_id, int64_t *ret_version,
                  int64_t *ret_updated_ms)
{
    if (i >= t->log->ntxns)
        return false;
    *ret_app_id = t->log->txns[i].app_id;
    *ret_version = t->log->txns[i].version;
    *ret_updated_ms = t->log->txns[i].updated_ms;
    return true;
}

uint32_t delta_file_count(const struct delta_table *t)
{
    return t->log->nlive;
}

const struct delta_file *delta_file_at(const struct delta_table *t, uint32_t i)
{
    assert(i < t->log->nlive);
    return &t->log->live[i]->file;
}

const struct delta_file *delta_file_find(const struct delta_table *t, const char *path)
{
    const struct delta_entry *e = delta_find(t->log, path);
    if (e && e->live)
        return &e->file;
    for (uint32_t i = 0; i < t->log->nlive; i++) /* with a deletion vector the key is longer */
        if (strcmp(t->log->live[i]->file.path, path) == 0)
            return &t->log->live[i]->file;
    return NULL;
}

static void summarize(const struct json *line, struct arena *a, struct delta_commit_summary *s)
{
    const struct json *info = json_get(line, "commitInfo"), *txn = json_get(line, "txn");
    const struct json *add = json_get(line, "add"), *remove = json_get(line, "remove");
    const char *operation = json_text(info, "operation"), *app_id = json_text(txn, "appId");
    const char *ledger = json_text(json_get(info, "operationParameters"), "ledger");
    if (operation)
        s->operation = arena_strdup(a, operation);
    if (ledger)
        s->ledger = arena_strdup(a, ledger);
    if (app_id && !s->app_id) {
        s->app_id = arena_strdup(a, app_id);
        s->app_version = json_int(txn, "version", -1);
    }
    s->metadata |= json_get(line, "metaData") != NULL;
    s->adds |= add && json_bool(add, "dataChange", true);
    s->removes |= remove && json_bool(remove, "dataChange", true);
}

enum status delta_read_commit(const struct delta_table *t, int64_t version, struct arena *a,
                              struct delta_commit_summary *ret, struct error *err)
{
    AUTO(buf) text = BUF(DELTA_MAX_COMMIT);
    struct delta_commit_summary s = {.app_version = -1};
    TRY(read_commit(t, version, &text, err));
    for (struct slice rest = buf_slice(&text); rest.len;) {
        const char *end = memchr(rest.data, '\n', rest.len);
        struct slice line = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
        rest.data += MIN(line.len + 1, rest.len);
        rest.len -= MIN(line.len + 1, rest.len);
        AUTO(arena) scratch = {0};
        summarize(json_parse(line, &scratch), a, &s);
    }
    *ret = s;
    return OK;
}
