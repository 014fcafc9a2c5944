/* A folder of files, one a publication, exactly once: part-TAG-FROM-TO.ndjson has the rows of epochs FROM to TO. TAG is
 * made from the identity of state and sink, so that parts of an earlier owner are told from ours.
 *
 *   1 the rows into a hidden file of a name that nobody else uses, synced
 *   2 link: the part appears whole, and only if there is none of that range yet
 *   3 sync the folder
 *   4 the mark ".parts.bourn": what is published, though readers may take parts away
 *
 * What is applied is the newer of the mark and the names. Who opens the folder removes the hidden files it finds, so
 * that an earlier process that was halted between 1 and 2 cannot go on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/os.h"
#include "sink/file_sink.h"

static const size_t BATCH_LIMIT = GIB(1);
enum { CHUNK = 1 << 18 };

/* ---- a file that may be compressed ---- */

struct part_file {
    int fd;
    enum file_compression compression;
    z_stream gzip;
    ZSTD_CStream *zstd;
    char *chunk;
    uint64_t written;
};

static void part_file_release(struct part_file *f)
{
    if (f->compression == FILE_GZIP && f->gzip.state)
        deflateEnd(&f->gzip);
    ZSTD_freeCStream(f->zstd);
    if (f->fd >= 0)
        os_file_close(f->fd);
    free(f->chunk);
}

static enum status part_file_open(struct part_file *f, const char *path, enum file_compression compression,
                                  struct error *err)
{
    *f = (struct part_file){.fd = -1, .compression = compression, .chunk = mem_alloc(CHUNK)};
    if (compression == FILE_GZIP) {
        int code = deflateInit2(&f->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
        assert(code == Z_OK); /* 15: the largest window, +16: a gzip header */
    } else if (compression == FILE_ZSTD) {
        f->zstd = ZSTD_createCStream();
        assert(f->zstd);
    }
    return os_file_open(path, OS_CREATE_NEW, &f->fd, err);
}

static enum status put_bytes(struct part_file *f, const void *p, size_t n, struct error *err)
{
    f->written += n;
    return n > 0 ? os_file_write(f->fd, p, n, err) : OK;
}

static enum status put_gzip(struct part_file *f, const char *p, size_t n, bool last, struct error *err)
{
    f->gzip.next_in = (Bytef *)p;
    f->gzip.avail_in = (uInt)n;
    for (;;) {
        f->gzip.next_out = (Bytef *)f->chunk;
        f->gzip.avail_out = CHUNK;
        int code = deflate(&f->gzip, last ? Z_FINISH : Z_NO_FLUSH);
        assert(code != Z_STREAM_ERROR);
        TRY(put_bytes(f, f->chunk, CHUNK - f->gzip.avail_out, err));
        if (f->gzip.avail_out > 0)
            return OK;
    }
}

static enum status put_zstd(struct part_file *f, const char *p, size_t n, bool last, struct error *err)
{
    ZSTD_inBuffer in = {p, n, 0};
    for (;;) {
        ZSTD_outBuffer out = {f->chunk, CHUNK, 0};
        size_t left = ZSTD_compressStream2(f->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        assert(!ZSTD_isError(left));
        TRY(put_bytes(f, f->chunk, out.pos, err));
        if (last ? left == 0 : in.pos == in.size)
            return OK;
    }
}

/* At most 1 GiB at a time. */
static enum status part_file_put(struct part_file *f, struct slice bytes, bool last, struct error *err)
{
    switch (f->compression) {
    case FILE_GZIP:
        return put_gzip(f, bytes.data, bytes.len, last, err);
    case FILE_ZSTD:
        return put_zstd(f, bytes.data, bytes.len, last, err);
    case FILE_PLAIN:
        break;
    }
    return put_bytes(f, bytes.data, bytes.len, err);
}

/* ---- names ---- */

static const char *part_name(const struct file_sink *s, int64_t from, int64_t to, struct arena *a)
{
    static const char *const endings[] = {[FILE_PLAIN] = "", [FILE_GZIP] = ".gz", [FILE_ZSTD] = ".zst"};
    const char *kind = strcmp(s->format->name, "json") == 0 ? "ndjson" : s->format->name;
    return arena_printf(a, "part-%016" PRIx64 "-%012" PRId64 "-%012" PRId64 ".%s%s", s->tag, from, to, kind,
                        endings[s->compression]);
}

struct listing {
    struct file_sink *s;
    bool clean;      /* remove hidden files of ours */
    uint64_t others; /* files that are neither parts of ours nor the mark */
    int64_t newest;  /* last epoch of any part */
};

static enum status look_at(void *arg, const char *name, struct error *err)
{
    struct listing *l = arg;
    uint64_t tag;
    int64_t from, to;
    int used = 0;
    if (sscanf(name, "part-%16" SCNx64 "-%12" SCNd64 "-%12" SCNd64 ".%n", &tag, &from, &to, &used) == 3 && used > 0 &&
        tag == l->s->tag) {
        l->newest = MAX(l->newest, to);
    } else if (strncmp(name, ".part-", 6) == 0) {
        AUTO(arena) a = {0};
        if (l->clean)
            return os_unlink(arena_printf(&a, "%s%s", l->s->folder, name), err);
    } else if (name[0] != '.') {
        l->others++;
    }
    return OK;
}

static enum status list_parts(struct file_sink *s, bool clean, struct listing *ret, struct error *err)
{
    *ret = (struct listing){.s = s, .clean = clean};
    return os_folder_list(s->folder, look_at, ret, err);
}

/* ---- the sink ---- */

enum status file_parts_settle(struct file_sink *s, bool adopt, struct sink_position *ret_position, struct error *err)
{
    struct listing found;
    s->tag = hash64(s->identity, strlen(s->identity), 0);
    TRY(os_mkdirs(s->folder, err));
    TRY(file_mark_load(s->path, &s->mark, err));
    bool ours = strcmp(s->mark.owner, s->identity) == 0;
    if (!ours && s->mark.owner[0] && !adopt) {
        snprintf(ret_position->other_owner, sizeof ret_position->other_owner, "%s", s->mark.owner);
        return OK;
    }
    TRY(list_parts(s, ours || adopt, &found, err));
    if (!ours && !s->mark.owner[0] && found.others > 0 && !adopt) {
        (void)error_set(err, ERR_STATE, "folder %s has files that were not written by bourn", s->folder);
        return error_hint(err, "choose another path, move them away, or write beside them with --adopt");
    }
    if (!ours) {
        s->mark = (struct file_mark){0};
        snprintf(s->mark.owner, sizeof s->mark.owner, "%s", s->identity);
        TRY(file_mark_store(s->path, &s->mark, err));
    }
    if (found.newest > s->mark.now.epoch) /* whoever linked it may have ended before that was durable */
        TRY(os_folder_sync(s->folder, err));
    s->mark.now.epoch = MAX(s->mark.now.epoch, found.newest);
    ret_position->applied = s->mark.now.epoch;
    return OK;
}

static enum status write_rows(struct file_sink *s, struct change_set *changes, struct part_file *f, uint64_t *ret_rows,
                              struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(BATCH_LIMIT);
    *ret_rows = 0;
    s->encoder->ops->begin(s->encoder, &out);
    for (;;) {
        struct batch *b = NULL;
        enum status status = change_set_next(changes, s->cancelled, &a, &b, err);
        if (status == FAILED)
            return FAILED;
        if (status == OK) {
            s->encoder->ops->encode(s->encoder, b, &out);
            *ret_rows += batch_live(b);
        }
        if (out.overflow)
            return error_set(err, ERR_LIMIT, "folder %s: a batch of rows is more than 1 GiB", s->folder);
        TRY(part_file_put(f, buf_slice(&out), status == AGAIN, err));
        buf_clear(&out);
        if (status == AGAIN)
            return os_file_sync(f->fd, err);
    }
}

/* The hidden file becomes the part, unless somebody published that range meanwhile: then with the same rows. */
static enum status publish(struct file_sink *s, const char *hidden, const char *part, struct error *err)
{
    enum status status = os_link(hidden, part, err);
    if (status == FAILED && err->code != ERR_EXISTS)
        return FAILED;
    TRY(os_unlink(hidden, err));
    return os_folder_sync(s->folder, err);
}

enum status file_parts_apply(struct sink *base, struct change_set *changes, struct sink_result *ret, struct error *err)
{
    struct file_sink *s = (struct file_sink *)base;
    struct listing found;
    *ret = (struct sink_result){.version = -1};
    TRY(list_parts(s, false, &found, err));
    int64_t applied = MAX(s->mark.now.epoch, found.newest);
    if (changes->to <= applied)
        return OK;
    if (changes->from <= applied) {
        (void)error_set(err, ERR_STATE, "folder %s has epochs up to %" PRId64 " already, of %" PRId64 " to %" PRId64,
                        s->folder, applied, changes->from, changes->to);
        return error_hint(err, "another process with this state wrote there; start again");
    }
    AUTO(arena) a = {0};
    uint64_t nonce, rows = 0;
    os_random(&nonce, sizeof nonce);
    const char *name = part_name(s, changes->from, changes->to, &a);
    const char *hidden = arena_printf(&a, "%s.%s.%016" PRIx64, s->folder, name, nonce);
    struct part_file f;
    enum status status = part_file_open(&f, hidden, s->compression, err);
    if (status == OK)
        status = write_rows(s, changes, &f, &rows, err);
    ret->bytes_written = f.written;
    part_file_release(&f);
    TRY(status);
    TRY(publish(s, hidden, arena_printf(&a, "%s%s", s->folder, name), err));
    struct file_mark next = s->mark;
    next.now.epoch = next.next.epoch = changes->to;
    TRY(file_mark_store(s->path, &next, err));
    s->mark = next;
    ret->inserted = rows;
    ret->files_added = 1;
    return OK;
}
