#include "link/local.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"

enum { PATH_LIMIT = 4096, KNOWN_FOLDERS = 64, WRITE_BEHIND = 4 << 20 };
#define TEMP_PREFIX ".tmp-"

struct local_store {
    struct store base;
    char *folder; /* without '/' at its end, except "/" itself */
    /* Hashes of folders whose entries are durable; forgetting one costs an fsync more. */
    _Atomic uint64_t known[KNOWN_FOLDERS];
};

static struct local_store *local_of(struct store *s) { return (struct local_store *)s; }

/* Folder and name as one path. */
static enum status local_path(const struct local_store *l, const char *name, char out[static PATH_LIMIT],
                              struct error *err)
{
    if (!store_name_ok(name))
        return error_set(err, ERR_IO, "\"%s\" is not a name for an object in %s: parts between '/' must have 1 to 255 "
                         "bytes and not be '.' or '..'", name, l->folder);
    int n = snprintf(out, PATH_LIMIT, "%s/%s", strcmp(l->folder, "/") == 0 ? "" : l->folder, name);
    if (n < 0 || n >= PATH_LIMIT)
        return error_set(err, ERR_IO, "the path of \"%s\" in %s is longer than %d bytes", name, l->folder,
                         PATH_LIMIT - 1);
    return OK;
}

/* The folder a path lies in. */
static void parent_of(const char *path, char out[static PATH_LIMIT])
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(out, PATH_LIMIT, ".");
    else
        snprintf(out, PATH_LIMIT, "%.*s", (int)MAX(slash - path, 1), path); /* of "/x" it is "/" */
}

/* ---- folders ---- */

static uint64_t hash_of(const char *folder) { return hash64(folder, strlen(folder), 0) | 1; }

static _Atomic uint64_t *known_slot(struct local_store *l, uint64_t hash)
{
    return &l->known[hash >> 32 & (KNOWN_FOLDERS - 1)];
}

static bool is_known(struct local_store *l, uint64_t hash) { return *known_slot(l, hash) == hash; }

static void forget_folders(struct local_store *l)
{
    for (size_t i = 0; i < KNOWN_FOLDERS; i++)
        l->known[i] = 0;
}

static enum status durable_folder(const char *path, bool beneath, struct error *err)
{
    char parent[PATH_LIMIT];
    struct os_stat st;
    TRY(os_stat(path, &st, err));
    if (st.kind == OS_FOLDER && !beneath)
        return OK;
    TRY(os_mkdirs(path, err));
    parent_of(path, parent);
    return os_folder_sync(parent, err);
}

/* Make the folder of `path` and every missing one above it, so that the chain survives a power loss. Folders above the
 * store's own that were there before are somebody else's. */
static enum status local_folder_ready(struct local_store *l, const char *path, struct error *err)
{
    char folder[PATH_LIMIT], part[PATH_LIMIT];
    parent_of(path, folder);
    if (is_known(l, hash_of(folder)))
        return OK;
    size_t own = strlen(l->folder), len = strlen(folder);
    for (size_t i = 1; i <= len; i++) {
        if (folder[i] != '/' && folder[i] != 0)
            continue;
        memcpy(part, folder, i);
        part[i] = 0;
        uint64_t hash = hash_of(part);
        if (strcmp(part, ".") == 0 || is_known(l, hash))
            continue;
        TRY(durable_folder(part, i >= own, err));
        *known_slot(l, hash) = hash;
    }
    return OK;
}

/* ---- writing ---- */

/* Where the bytes of an object come from: store_ops.put_from. */
struct pieces {
    enum status (*next)(void *arg, struct slice *ret, struct error *err);
    void *arg;
};

struct parts {
    const struct slice *next, *end;
};

static enum status next_part(void *arg, struct slice *ret, struct error *err)
{
    (void)err;
    struct parts *p = arg;
    if (p->next == p->end)
        return AGAIN;
    *ret = *p->next++;
    return OK;
}

static enum status write_whole(int fd, struct pieces pieces, struct error *err)
{
    for (uint64_t written = 0, begun = 0;;) {
        struct slice piece;
        enum status status = pieces.next(pieces.arg, &piece, err);
        if (status == FAILED)
            return FAILED;
        if (status == AGAIN)
            return os_file_sync(fd, err);
        if (piece.len)
            TRY(os_file_write(fd, piece.data, piece.len, err));
        written += piece.len;
        if (written - begun >= WRITE_BEHIND) {
            os_file_write_behind(fd, begun, written - begun);
            begun = written;
        }
    }
}

static void drop(const char *temp)
{
    struct error ignored; /* the first error is the one to report; a leftover temp is never read */
    (void)os_unlink(temp, &ignored);
}

/* Write the pieces to a new temp file beside `path`, durable but under no name that anybody reads. */
static enum status write_temp(struct local_store *l, const char *path, struct pieces pieces,
                              char temp[static PATH_LIMIT], struct error *err)
{
    char folder[PATH_LIMIT], uuid[37];
    TRY(local_folder_ready(l, path, err));
    parent_of(path, folder);
    os_uuid(uuid);
    int n = snprintf(temp, PATH_LIMIT, "%s/" TEMP_PREFIX "%s", folder, uuid);
    if (n < 0 || n >= PATH_LIMIT)
        return error_set(err, ERR_IO, "the path %s is too long for a temporary file beside it", path);
    AUTO_FD fd = -1;
    struct error why;
    enum status status = os_file_open(temp, OS_CREATE_NEW, &fd, &why);
    if (status != OK && why.code == ERR_NOT_FOUND) { /* somebody removed the folder after it had become known */
        forget_folders(l);
        TRY(local_folder_ready(l, path, err));
        status = os_file_open(temp, OS_CREATE_NEW, &fd, &why);
    }
    if (status == OK)
        status = write_whole(fd, pieces, &why);
    if (status != OK) {
        drop(temp);
        *err = why;
    }
    return status;
}

static enum status local_put_from(struct store *s, const char *name,
                                  enum status (*next)(void *arg, struct slice *ret, struct error *err), void *arg,
                                  struct error *err)
{
    char path[PATH_LIMIT], temp[PATH_LIMIT], folder[PATH_LIMIT];
    TRY(local_path(local_of(s), name, path, err));
    TRY(write_temp(local_of(s), path, (struct pieces){next, arg}, temp, err));
    enum status status = os_rename(temp, path, err);
    if (status != OK) {
        drop(temp);
        return status;
    }
    parent_of(path, folder);
    return os_folder_sync(folder, err);
}

static enum status local_put(struct store *s, const char *name, const struct slice *parts, size_t nparts,
                             struct error *err)
{
    struct parts all = {parts, parts + nparts};
    return local_put_from(s, name, next_part, &all, err);
}

static enum status local_put_if_absent(struct store *s, const char *name, const struct slice *parts, size_t nparts,
                                       struct error *err)
{
    char path[PATH_LIMIT], temp[PATH_LIMIT], folder[PATH_LIMIT];
    TRY(local_path(local_of(s), name, path, err));
    struct parts all = {parts, parts + nparts};
    TRY(write_temp(local_of(s), path, (struct pieces){next_part, &all}, temp, err));
    parent_of(path, folder);
    enum status status = os_link(temp, path, err);
    if (status == OK)
        status = os_folder_sync(folder, err);
    else if (err->code == ERR_EXISTS)
        status = error_set(err, ERR_EXISTS, "%s exists already", path);
    drop(temp);
    return status;
}

static enum status local_discard(struct store *s, const char *name, struct error *err)
{
    char path[PATH_LIMIT];
    TRY(local_path(local_of(s), name, path, err));
    return os_unlink(path, err);
}

static enum status local_remove(struct store *s, const char *name, struct error *err)
{
    char path[PATH_LIMIT], folder[PATH_LIMIT];
    struct os_stat st;
    TRY(local_path(local_of(s), name, path, err));
    TRY(os_unlink(path, err));
    parent_of(path, folder);
    TRY(os_stat(folder, &st, err));
    return st.kind == OS_MISSING ? OK : os_folder_sync(folder, err);
}

/* ---- reading ---- */

static enum status local_get(struct store *s, const char *name, struct buf *into, struct error *err)
{
    char path[PATH_LIMIT];
    TRY(local_path(local_of(s), name, path, err));
    return os_file_slurp(path, into, err);
}

static enum status local_get_range(struct store *s, const char *name, uint64_t offset, void *into, size_t len,
                                   struct error *err)
{
    char path[PATH_LIMIT];
    AUTO_FD fd = -1;
    TRY(local_path(local_of(s), name, path, err));
    TRY(os_file_open(path, OS_READ, &fd, err));
    return os_file_pread(fd, into, len, offset, err);
}

static enum status local_head(struct store *s, const char *name, struct store_object *ret, struct error *err)
{
    char path[PATH_LIMIT];
    struct os_stat st;
    TRY(local_path(local_of(s), name, path, err));
    TRY(os_stat(path, &st, err));
    if (st.kind != OS_FILE)
        return error_set(err, ERR_NOT_FOUND, "there is no object %s", path);
    *ret = (struct store_object){.size = st.size, .modified_us = st.modified_us};
    return OK;
}

struct listing {
    const char *folder, *from;
    const char *name_prefix; /* "sub/" of "sub/00" */
    size_t name_prefix_len;
    const char *last_prefix; /* "00" */
    enum status (*visit)(void *arg, const struct store_object *object, struct error *err);
    void *arg;
};

static enum status list_one(void *arg, const char *last, struct error *err)
{
    struct listing *g = arg;
    char name[PATH_LIMIT], path[PATH_LIMIT];
    if (last[0] == '.' || strncmp(last, "_tmp", 4) == 0 || strncmp(last, g->last_prefix, strlen(g->last_prefix)) != 0)
        return OK;
    int n = snprintf(name, sizeof name, "%.*s%s", (int)g->name_prefix_len, g->name_prefix, last);
    int m = snprintf(path, sizeof path, "%s/%s", g->folder, last);
    if (n < 0 || n >= PATH_LIMIT || m < 0 || m >= PATH_LIMIT || (g->from && strcmp(name, g->from) < 0))
        return OK; /* what is too long cannot have been put */
    struct os_stat st;
    TRY(os_stat(path, &st, err));
    if (st.kind != OS_FILE)
        return OK;
    struct store_object object = {.name = name, .size = st.size, .modified_us = st.modified_us};
    return g->visit(g->arg, &object, err);
}

/* The folder that a prefix lies in; AGAIN if it is not there. */
static enum status folder_of_prefix(struct local_store *l, const char *prefix, char folder[static PATH_LIMIT],
                                    struct error *err)
{
    char probe[PATH_LIMIT], path[PATH_LIMIT];
    const char *slash = strrchr(prefix, '/');
    /* "sub/" names the folder of "sub/x", whatever x is; the name check is the same. */
    int n = snprintf(probe, sizeof probe, "%.*sx", slash ? (int)(slash + 1 - prefix) : 0, prefix);
    if (n < 0 || n >= PATH_LIMIT)
        return error_set(err, ERR_IO, "the prefix of a listing in %s is too long", l->folder);
    TRY(local_path(l, probe, path, err));
    parent_of(path, folder);
    struct os_stat st;
    TRY(os_stat(folder, &st, err));
    return st.kind == OS_MISSING ? AGAIN : OK;
}

static enum status local_list(struct store *s, const char *prefix, const char *from,
                              enum status (*visit)(void *arg, const struct store_object *object, struct error *err),
                              void *arg, struct error *err)
{
    char folder[PATH_LIMIT];
    enum status there = folder_of_prefix(local_of(s), prefix, folder, err);
    if (there != OK)
        return there == AGAIN ? OK : there;
    const char *slash = strrchr(prefix, '/');
    struct listing g = {
        .folder = folder,
        .from = from,
        .name_prefix = prefix,
        .name_prefix_len = slash ? (size_t)(slash + 1 - prefix) : 0,
        .last_prefix = slash ? slash + 1 : prefix,
        .visit = visit,
        .arg = arg,
    };
    return os_folder_list(folder, list_one, &g, err);
}

struct sweeping {
    const char *folder;
    int64_t before_us;
};

static enum status sweep_one(void *arg, const char *last, struct error *err)
{
    const struct sweeping *g = arg;
    char path[PATH_LIMIT];
    struct os_stat st;
    int n = snprintf(path, sizeof path, "%s/%s", g->folder, last);
    if (strncmp(last, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0 || n < 0 || n >= PATH_LIMIT)
        return OK;
    TRY(os_stat(path, &st, err));
    return st.kind == OS_FILE && st.modified_us <= g->before_us ? os_unlink(path, err) : OK;
}

static enum status local_sweep(struct store *s, const char *prefix, int64_t age_us, struct error *err)
{
    char folder[PATH_LIMIT];
    enum status there = folder_of_prefix(local_of(s), prefix, folder, err);
    if (there != OK)
        return there == AGAIN ? OK : there;
    struct sweeping g = {.folder = folder, .before_us = os_now_us() - age_us};
    return os_folder_list(folder, sweep_one, &g, err);
}

static const char *local_describe(struct store *s) { return local_of(s)->folder; }

static void local_free(struct store *s)
{
    free(local_of(s)->folder);
    free(s);
}

struct store *store_local_new(const char *folder)
{
    static const struct store_ops ops = {
        .get = local_get,
        .get_range = local_get_range,
        .head = local_head,
        .put = local_put,
        .put_from = local_put_from,
        .put_if_absent = local_put_if_absent,
        .list = local_list,
        .remove = local_remove,
        .describe = local_describe,
        .free = local_free,
        .sweep = local_sweep,
        .discard = local_discard,
    };
    struct local_store *l = mem_zalloc(sizeof *l);
    l->base.ops = &ops;
    size_t len = strlen(folder);
    while (len > 1 && folder[len - 1] == '/')
        len--;
    l->folder = mem_strndup(len ? folder : ".", len ? len : 1);
    return &l->base;
}
