#include "cmd/cat_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/options.h"
#include "base/os.h"
#include "column/civil.h"
#include "lake/delta.h"
#include "link/store_open.h"

enum { LISTED_TABLES = 8, LISTED_DEPTH = 3, PATH_LIMIT = 4096 };

/* ---- choosing columns ---- */

static const char *find_column(const struct schema *have, struct slice name, uint32_t *ret)
{
    for (int exact = 1; exact >= 0; exact--)
        for (uint32_t i = 0; i < have->ncols; i++) {
            const char *candidate = have->names[i];
            if (strlen(candidate) == name.len &&
                (exact ? memcmp(candidate, name.data, name.len) : strncasecmp(candidate, name.data, name.len)) == 0) {
                *ret = i;
                return candidate;
            }
        }
    return NULL;
}

enum status cat_choose(const struct schema *have, const char *columns, struct arena *a, struct schema *ret,
                       struct error *err)
{
    uint32_t room = have->ncols + 1;
    for (const char *p = columns; p && *p; p++)
        room += *p == ',';
    struct schema out = {.names = arena_array(a, room, sizeof *out.names),
                         .types = arena_array(a, room, sizeof *out.types)};
    for (uint32_t i = 0; !columns && i < have->ncols; i++)
        if (have->types[i].id != TYPE_UNKNOWN) {
            out.names[out.ncols] = arena_strdup(a, have->names[i]);
            out.types[out.ncols++] = have->types[i];
        }
    for (const char *p = columns; p && *p; p += *p == ',') {
        size_t len = strcspn(p, ",");
        struct slice name = {p, len};
        uint32_t i = 0;
        p += len;
        while (name.len && *name.data == ' ')
            name.data++, name.len--;
        while (name.len && name.data[name.len - 1] == ' ')
            name.len--;
        if (!find_column(have, name, &i)) {
            const char *near = nearest_name(arena_strndup(a, name.data, name.len), have->names, have->ncols);
            (void)error_set(err, ERR_USAGE, "there is no column \"%.*s\"", (int)name.len, name.data);
            return near ? error_hint(err, "did you mean \"%s\"?", near) : FAILED;
        }
        out.names[out.ncols] = arena_strdup(a, have->names[i]);
        out.types[out.ncols++] = have->types[i];
    }
    if (out.ncols == 0)
        return error_set(err, ERR_USAGE, "there is no column to show");
    *ret = out;
    return OK;
}

/* ---- a Delta table ---- */

struct delta_rows {
    struct cat_rows base;
    struct arena memory;
    struct store *store;
    struct delta_table *table;
    const struct delta_file **files;
    uint32_t nfiles, file;
    struct delta_reader *reader;
};

static enum status delta_rows_next(struct cat_rows *base, struct arena *a, struct batch **ret, struct error *err)
{
    struct delta_rows *r = (struct delta_rows *)base;
    struct batch *b = NULL;
    while (!b) {
        if (!r->reader && r->file == r->nfiles)
            break;
        if (!r->reader)
            TRY(delta_reader_open(r->table, r->files[r->file++], &base->schema, &r->reader, err));
        TRY(delta_reader_next(r->reader, a, &b, err));
        if (!b) {
            delta_reader_free(r->reader);
            r->reader = NULL;
        }
    }
    *ret = b;
    return OK;
}

static void delta_rows_free(struct cat_rows *base)
{
    struct delta_rows *r = (struct delta_rows *)base;
    delta_reader_free(r->reader);
    delta_close(r->table);
    store_free(r->store);
    arena_release(&r->memory);
    free(r);
}

/* Oldest first, so that appended rows come about in their order. */
static int by_age(const void *a, const void *b)
{
    const struct delta_file *x = *(const struct delta_file *const *)a, *y = *(const struct delta_file *const *)b;
    if (x->modified_ms != y->modified_ms)
        return x->modified_ms < y->modified_ms ? -1 : 1;
    return strcmp(x->path, y->path);
}

static enum status open_version(struct delta_rows *r, const struct cat_choice *choice, struct error *err)
{
    if (choice->version >= 0)
        return delta_open_version(r->store, "", choice->version, &r->table, err);
    if (!choice->timestamp)
        return delta_open(r->store, "", &r->table, err);
    int64_t us;
    bool zone;
    if (!civil_parse_timestamp(slice_of(choice->timestamp), &us, &zone)) {
        (void)error_set(err, ERR_USAGE, "\"%s\" is no date and time", choice->timestamp);
        return error_hint(err, "write 2026-11-21T06:00:00Z");
    }
    return delta_open_timestamp(r->store, "", us, &r->table, err);
}

static enum status open_delta(const char *path, const struct cat_choice *choice, struct cat_rows **ret,
                              struct error *err)
{
    struct delta_rows *r = mem_zalloc(sizeof *r);
    r->base.next = delta_rows_next;
    r->base.free = delta_rows_free;
    if (store_open(path, &r->store, err) != OK || open_version(r, choice, err) != OK ||
        cat_choose(&r->table->metadata.schema, choice->columns, &r->memory, &r->base.schema, err) != OK) {
        delta_rows_free(&r->base);
        return FAILED;
    }
    r->nfiles = delta_file_count(r->table);
    r->files = arena_array(&r->memory, r->nfiles + 1, sizeof *r->files);
    for (uint32_t i = 0; i < r->nfiles; i++)
        r->files[i] = delta_file_at(r->table, i);
    qsort(r->files, r->nfiles, sizeof *r->files, by_age);
    *ret = &r->base;
    return OK;
}

/* ---- a Parquet file ---- */

struct parquet_rows {
    struct cat_rows base;
    struct arena memory;
    struct store *store;
    struct parquet_reader *reader;
};

static enum status parquet_rows_next(struct cat_rows *base, struct arena *a, struct batch **ret, struct error *err)
{
    return parquet_reader_next(((struct parquet_rows *)base)->reader, a, ret, err);
}

static void parquet_rows_free(struct cat_rows *base)
{
    struct parquet_rows *r = (struct parquet_rows *)base;
    parquet_reader_free(r->reader);
    store_free(r->store);
    arena_release(&r->memory);
    free(r);
}

static enum status open_parquet(const char *path, const struct cat_choice *choice, struct cat_rows **ret,
                                struct error *err)
{
    struct parquet_rows *r = mem_zalloc(sizeof *r);
    r->base.next = parquet_rows_next;
    r->base.free = parquet_rows_free;
    const char *slash = strrchr(path, '/');
    const char *folder = !slash ? "." : slash == path ? "/" : arena_strndup(&r->memory, path, (size_t)(slash - path));
    const char *name = slash ? slash + 1 : path;
    if (store_open(folder, &r->store, err) != OK || parquet_reader_open(r->store, name, &r->reader, err) != OK ||
        cat_choose(parquet_reader_schema(r->reader), choice->columns, &r->memory, &r->base.schema, err) != OK ||
        parquet_reader_select(r->reader, &r->base.schema, err) != OK) {
        parquet_rows_free(&r->base);
        return FAILED;
    }
    *ret = &r->base;
    return OK;
}

/* ---- what is it? ---- */

struct table_search {
    const char *top;
    char path[PATH_LIMIT];
    int depth;
    uint32_t found;
    struct buf list;
};

static enum status is_table(const char *folder, bool *ret, struct error *err)
{
    char log[PATH_LIMIT + 16];
    struct os_stat s;
    int n = snprintf(log, sizeof log, "%s/_delta_log", folder);
    *ret = false;
    if (n < 0 || (size_t)n >= sizeof log)
        return OK;
    TRY(os_stat(log, &s, err));
    *ret = s.kind == OS_FOLDER;
    return OK;
}

/* Names of folders below that are tables; whatever cannot be looked into holds none. */
static enum status search_tables(void *arg, const char *name, struct error *err)
{
    struct table_search *search = arg;
    size_t len = strlen(search->path);
    struct os_stat s;
    bool table = false;
    if (name[0] == '.' || name[0] == '_' || len + strlen(name) + 2 > sizeof search->path)
        return OK;
    search->path[len] = '/';
    memcpy(search->path + len + 1, name, strlen(name) + 1);
    if (os_stat(search->path, &s, err) == OK && s.kind == OS_FOLDER && is_table(search->path, &table, err) == OK) {
        if (table && search->found++ < LISTED_TABLES)
            buf_printf(&search->list, "%s%s", search->found > 1 ? ", " : "", search->path);
        if (!table && search->depth < LISTED_DEPTH) {
            search->depth++;
            (void)os_folder_list(search->path, search_tables, search, err);
            search->depth--;
        }
    }
    search->path[len] = 0;
    return OK;
}

static enum status refuse_folder(const char *path, struct error *err)
{
    struct table_search search = {.list = BUF(KIB(8))};
    struct error ignored;
    if (strlen(path) < PATH_LIMIT) {
        size_t len = strlen(path);
        memcpy(search.path, path, len + 1);
        while (len > 1 && search.path[len - 1] == '/')
            search.path[--len] = 0;
        (void)os_folder_list(search.path, search_tables, &search, &ignored);
    }
    (void)error_set(err, ERR_NOT_FOUND, "%s is a folder, but not a Delta table: it has no _delta_log", path);
    if (search.found > LISTED_TABLES)
        buf_printf(&search.list, " and %u more", search.found - LISTED_TABLES);
    if (search.found)
        (void)error_hint(err, "tables in it: %s", buf_cstr(&search.list));
    else
        (void)error_hint(err, "a table of bourn has one from the first rows on that are published to it");
    buf_release(&search.list);
    return FAILED;
}

static enum status is_parquet(const char *path, bool *ret, struct error *err)
{
    AUTO_FD fd = -1;
    char magic[4] = {0};
    size_t n = 0;
    TRY(os_file_open(path, OS_READ, &fd, err));
    TRY(os_file_read(fd, magic, sizeof magic, &n, err));
    *ret = n == sizeof magic && memcmp(magic, "PAR1", 4) == 0;
    return OK;
}

enum status cat_open(const char *path, const struct cat_choice *choice, struct cat_rows **ret, struct error *err)
{
    struct os_stat s;
    bool yes = false;
    if (strcmp(path, "-") == 0)
        return cat_open_ndjson(path, choice, ret, err);
    TRY(os_stat(path, &s, err));
    if (s.kind == OS_MISSING)
        return error_set(err, ERR_NOT_FOUND, "there is no file or folder %s", path);
    if (s.kind == OS_FOLDER) {
        TRY(is_table(path, &yes, err));
        return yes ? open_delta(path, choice, ret, err) : refuse_folder(path, err);
    }
    if (choice->version >= 0 || choice->timestamp)
        return error_set(err, ERR_USAGE, "%s is a file: only a Delta table has versions", path);
    if (s.kind == OS_FILE)
        TRY(is_parquet(path, &yes, err));
    return yes ? open_parquet(path, choice, ret, err) : cat_open_ndjson(path, choice, ret, err);
}
