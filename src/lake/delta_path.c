/* Paths of data files: what the log says, what the folder says, and partition values in both.
 *
 * In the log a path is a URI reference: percent-encoded once; relative to the table's root, or absolute. In a
 * partitioned table writers put files into folders column=value (Hive's habit), where value has its own escapes, %XX of
 * a few characters; readers take values from partitionValues alone. So "a/b=c%" in column p is
 *
 *   object  p=a%2Fb%3Dc%25/part-....parquet        path  p=a%252Fb%253Dc%2525/part-....parquet
 */
#include <stdio.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/os.h"
#include "column/civil.h"
#include "lake/delta_log.h"

enum { MAX_FOLDER = 200 }; /* of 255 bytes a name may have; a longer value is only its hash */

static bool has_scheme(const char *uri)
{
    size_t n = strcspn(uri, ":/%=");
    return n > 1 && uri[n] == ':';
}

/* What is left of an absolute path behind the table's own folder; NULL: it lies elsewhere. */
static const char *inside_root(const struct delta_table *t, const char *path)
{
    const char *place = t->store->ops->describe(t->store);
    if (strncmp(path, "file:", 5) == 0) {
        path += 5;
        if (path[0] == '/' && path[1] == '/' && path[2] == '/')
            path += 2;
    }
    size_t n = strlen(place);
    while (n && place[n - 1] == '/')
        n--;
    if (n == 0 || strncmp(path, place, n) != 0 || path[n] != '/')
        return NULL;
    path += n + 1;
    n = strlen(t->root);
    if (n == 0)
        return path;
    return strncmp(path, t->root, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

enum status delta_path_decode(const struct delta_table *t, const char *uri, struct buf *out, struct error *err)
{
    AUTO(buf) plain = BUF(KIB(64));
    for (const char *p = uri; *p; p++) {
        int high, low;
        if (*p != '%' || (high = hex_value(p[1])) < 0 || (low = hex_value(p[2])) < 0) {
            buf_putc(&plain, *p);
            continue;
        }
        buf_putc(&plain, (char)(high << 4 | low));
        p += 2;
    }
    if (plain.overflow || memchr(buf_cstr(&plain), 0, plain.len))
        return error_set(err, ERR_CORRUPT, "a path is too long or holds a NUL");
    const char *path = buf_cstr(&plain);
    if (path[0] == '/' || has_scheme(uri)) {
        path = inside_root(t, path);
        if (!path)
            return error_set(err, ERR_UNSUPPORTED, "the file %.200s lies outside the table's folder", uri);
    }
    if (!store_name_ok(path))
        return error_set(err, ERR_CORRUPT, "the path %.200s is not one of a file inside the table", uri);
    buf_puts(out, path);
    buf_cstr(out);
    return OK;
}

void delta_path_encode(const char *path, struct buf *out)
{
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        bool plain =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_.~/=", *p);
        if (plain)
            buf_putc(out, (char)*p);
        else
            buf_printf(out, "%%%02X", *p);
    }
}

/* ---- partitions ---- */

bool delta_partition_print(const struct column *c, size_t row, struct buf *out)
{
    size_t before = out->len;
    char text[40];
    if (column_is_null(c, row))
        return false;
    if (c->type.id == TYPE_BOOL)
        buf_puts(out, ((const uint8_t *)c->data)[row] ? "true" : "false");
    else if (c->type.id == TYPE_TIMESTAMPTZ) {
        size_t n = civil_print_iso(((const int64_t *)c->data)[row], 6, text);
        buf_put(out, text, n);
    } else
        (void)column_print(c, row, out);
    return out->len > before;
}

/* A value as the name of a folder. */
static void put_folder_value(struct buf *out, const char *value)
{
    if (!value) {
        buf_puts(out, "__HIVE_DEFAULT_PARTITION__");
        return;
    }
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if (*p < 0x20 || *p == 0x7f || strchr("\"#%'*/:=?\\{[]^", *p))
            buf_printf(out, "%%%02X", *p);
        else
            buf_putc(out, (char)*p);
}

static void put_folder(struct buf *out, const char *column, const char *value)
{
    AUTO(buf) name = BUF(KIB(256));
    put_folder_value(&name, column);
    buf_putc(&name, '=');
    put_folder_value(&name, value);
    if (name.len > MAX_FOLDER || name.overflow)
        buf_printf(out, "p=%016llx/", (unsigned long long)hash64(name.data, name.len, 0));
    else {
        buf_put_slice(out, buf_slice(&name));
        buf_putc(out, '/');
    }
}

void delta_new_path(const struct delta_table *t, const char *const *partition, enum parquet_codec codec,
                    struct buf *out)
{
    char uuid[37];
    const struct delta_metadata *m = &t->metadata;
    for (uint32_t i = 0; i < m->npartition; i++)
        put_folder(out, m->schema.names[m->partition[i]], partition[i]);
    os_uuid(uuid);
    buf_printf(out, "part-00000-%s-c000.%s.parquet", uuid, parquet_codec_name(codec));
}

void delta_object_name(const struct delta_table *t, const char *path, struct buf *out)
{
    buf_printf(out, "%s%s%s", t->root, *t->root ? "/" : "", path);
    buf_cstr(out);
}

enum status delta_put_file(const struct delta_table *t, const char *path, const struct parquet_file *file,
                           struct error *err)
{
    AUTO(buf) name = BUF(KIB(64));
    delta_object_name(t, path, &name);
    return t->store->ops->put(t->store, buf_cstr(&name), file->parts, file->nparts, err);
}
