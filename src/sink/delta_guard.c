/* A VACUUM with no retention deletes whatever its snapshot does not name: also a data file that was put, but not yet
 * committed, when it looked; it may do so after our commit has named the file. Such a VACUUM is a mistake, but not one
 * that may cost rows in silence. So the files of the last commits are looked after until the next ones are made: what
 * has gone is put again from memory, and where it was too large to keep, the sink stops. */
#include <stdlib.h>

#include "sink/delta_sink.h"

static const uint64_t KEPT_BYTES = MIB(8);
enum { CHECKED_AT_OPEN = 16 };

void guard_clear(struct guard *g)
{
    for (uint32_t i = 0; i < g->nfiles; i++) {
        free(g->files[i].path);
        free(g->files[i].bytes);
    }
    free(g->files);
    *g = (struct guard){0};
}

void guard_add(struct guard *g, const char *path, const struct parquet_file *file)
{
    g->files = mem_grow(g->files, g->nfiles, &g->cap, sizeof *g->files);
    struct guarded_file *kept = &g->files[g->nfiles++];
    *kept = (struct guarded_file){.path = mem_strdup(path)};
    if (g->kept_bytes + file->bytes > KEPT_BYTES)
        return;
    g->kept_bytes += file->bytes;
    kept->bytes = mem_alloc(MAX(file->bytes, 1));
    for (size_t i = 0; i < file->nparts; i++) {
        memcpy(kept->bytes + kept->len, file->parts[i].data, file->parts[i].len);
        kept->len += file->parts[i].len;
    }
}

void guard_take(struct guard *g, struct guard *from)
{
    g->files = mem_realloc(g->files, (g->nfiles + from->nfiles + 1) * sizeof *g->files);
    if (from->nfiles)
        memcpy(g->files + g->nfiles, from->files, from->nfiles * sizeof *g->files);
    g->nfiles += from->nfiles;
    g->cap = g->nfiles + 1;
    g->kept_bytes += from->kept_bytes;
    from->nfiles = 0;
    guard_clear(from);
}

/* AGAIN: the object is not there. */
static enum status look_for(const struct delta_table *t, const char *path, struct buf *name, struct error *err)
{
    struct store_object object;
    struct error why;
    buf_clear(name);
    delta_object_name(t, path, name);
    if (t->store->ops->head(t->store, buf_cstr(name), &object, &why) == OK)
        return OK;
    if (why.code == ERR_NOT_FOUND)
        return AGAIN;
    *err = why;
    return FAILED;
}

static enum status file_is_gone(const struct delta_sink *s, const char *path, struct error *err)
{
    (void)error_set(err, ERR_STATE,
                    "%s has lost its data file %s: a VACUUM without retention deletes files while they "
                    "are being written",
                    s->place, path);
    return error_hint(err, s->in_state ? "--resync writes the table anew from the state"
                                       : "bring the file back; --adopt goes on without its rows");
}

static bool is_live(const struct delta_table *t, const char *path)
{
    for (uint32_t i = delta_file_count(t); i-- > 0;)
        if (strcmp(delta_file_at(t, i)->path, path) == 0)
            return true;
    return false;
}

enum status guard_check(struct delta_sink *s, struct error *err)
{
    const struct delta_table *t = s->table;
    AUTO(buf) name = BUF(KIB(64));
    for (uint32_t i = 0; i < s->guard.nfiles && !s->adopt; i++) {
        const struct guarded_file *kept = &s->guard.files[i];
        enum status found = look_for(t, kept->path, &name, err);
        if (found == OK)
            continue;
        if (found == FAILED)
            return error_prefix(err, "%s", s->place);
        if (!is_live(t, kept->path))
            continue;
        if (!kept->bytes)
            return file_is_gone(s, kept->path, err);
        TRY(store_put(t->store, buf_cstr(&name), (struct slice){kept->bytes, kept->len}, err));
    }
    return OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct delta_file *x = *(const struct delta_file *const *)a, *y = *(const struct delta_file *const *)b;
    return (x->modified_ms < y->modified_ms) - (x->modified_ms > y->modified_ms);
}

enum status guard_check_newest(const struct delta_sink *s, struct error *err)
{
    const struct delta_table *t = s->table;
    uint32_t n = delta_file_count(t);
    AUTO(arena) a = {0};
    AUTO(buf) name = BUF(KIB(64));
    const struct delta_file **files = arena_array(&a, n + 1, sizeof *files);
    for (uint32_t i = 0; i < n; i++)
        files[i] = delta_file_at(t, i);
    qsort(files, n, sizeof *files, newest_first);
    for (uint32_t i = 0; i < n && i < CHECKED_AT_OPEN && !s->adopt; i++) {
        enum status found = look_for(t, files[i]->path, &name, err);
        if (found == FAILED)
            return error_prefix(err, "%s", s->place);
        if (found == AGAIN)
            return file_is_gone(s, files[i]->path, err);
    }
    return OK;
}
