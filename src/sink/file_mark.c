/* The mark beside an output file, ".NAME.bourn": five lines, replaced whole.
 *
 *   bourn-file 1
 *   owner UUID/SINK
 *   now EPOCH LENGTH CRC       the file before
 *   next EPOCH LENGTH CRC      the file after: which of the two it is, the file itself tells
 *   crc32c CRC                 of the lines above; CRCs are 8 hex digits
 *
 * Where a long change set is being appended, the first line is "bourn-file 2", and instead of next there is
 *
 *   until LENGTH               the file is `now` and a part of what comes behind it, not past this length
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "sink/file_sink.h"

enum { MARK_BYTES = 512 };

char *file_beside(const char *path, const char *suffix, struct arena *a)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    return arena_printf(a, "%.*s.%s.%s", folder, path, path + folder, suffix);
}

enum status file_sync_folder(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    AUTO(arena) a = {0};
    const char *folder = !slash ? "." : slash == path ? "/" : arena_strndup(&a, path, (size_t)(slash - path));
    return os_folder_sync(folder, err);
}

enum status file_replace(const char *temporary, const char *path, struct error *err)
{
    TRY(os_rename(temporary, path, err));
    return file_sync_folder(path, err);
}

static bool parse(const char *text, size_t len, struct file_mark *ret)
{
    static const char last[] = "crc32c ";
    const char *end = len > 16 ? memmem(text, len, last, sizeof last - 1) : NULL;
    uint32_t crc;
    int used = 0;
    unsigned version;
    if (!end || sscanf(end + sizeof last - 1, "%8" SCNx32, &crc) != 1 || crc32c(0, text, (size_t)(end - text)) != crc)
        return false;
    if (sscanf(text, "bourn-file %u owner %159[^\n] now %" SCNd64 " %" SCNu64 " %8" SCNx32 "%n", &version, ret->owner,
               &ret->now.epoch, &ret->now.length, &ret->now.crc, &used) != 5)
        return false;
    ret->next = ret->now;
    if (version == 2)
        return sscanf(text + used, " until %" SCNu64, &ret->until) == 1 && ret->until > 0;
    return version == 1 && sscanf(text + used, " next %" SCNd64 " %" SCNu64 " %8" SCNx32, &ret->next.epoch,
                                  &ret->next.length, &ret->next.crc) == 3;
}

enum status file_mark_load(const char *path, struct file_mark *ret, struct error *err)
{
    AUTO(arena) a = {0};
    const char *name = file_beside(path, "bourn", &a);
    struct os_stat st;
    TRY(os_stat(name, &st, err));
    *ret = (struct file_mark){0};
    if (st.kind == OS_MISSING)
        return OK;
    AUTO(buf) text = BUF(MARK_BYTES);
    TRY(os_file_slurp(name, &text, err));
    struct file_mark mark = {0};
    if (!parse(buf_cstr(&text), text.len, &mark)) {
        (void)error_set(err, ERR_CORRUPT, "%s, which says what is in %s, cannot be read", name, path);
        return error_hint(err, "move both files away and begin with a new state");
    }
    *ret = mark;
    return OK;
}

enum status file_mark_store(const char *path, const struct file_mark *m, struct error *err)
{
    AUTO(arena) a = {0};
    const char *name = file_beside(path, "bourn", &a), *temporary = file_beside(path, "bourn.new", &a);
    AUTO(buf) text = BUF(MARK_BYTES);
    buf_printf(&text, "bourn-file %d\nowner %s\n", m->until ? 2 : 1, m->owner);
    buf_printf(&text, "now %" PRId64 " %" PRIu64 " %08" PRIx32 "\n", m->now.epoch, m->now.length, m->now.crc);
    if (m->until)
        buf_printf(&text, "until %" PRIu64 "\n", m->until);
    else
        buf_printf(&text, "next %" PRId64 " %" PRIu64 " %08" PRIx32 "\n", m->next.epoch, m->next.length, m->next.crc);
    buf_printf(&text, "crc32c %08" PRIx32 "\n", crc32c(0, text.data, text.len));
    assert(!text.overflow);
    AUTO_FD fd = -1;
    TRY(os_file_open(temporary, OS_REPLACE, &fd, err));
    TRY(os_file_write(fd, text.data, text.len, err));
    TRY(os_file_sync(fd, err));
    return file_replace(temporary, name, err);
}
