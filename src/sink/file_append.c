/* Appending to one file, exactly once.
 *
 *   1 encode the change set to learn its length and CRC (nothing is written; what is not too long is kept for 3)
 *   2 the mark: now = the file as it is, next = with the change set
 *   3 append, sync
 *
 * After a crash the file's length and the CRC of its end tell whether 3 was done. If not, what is behind now.length is
 * cut off, and the engine applies the change set again. Who reads the file while it is written may see a part of 3.
 */
#include "base/hash.h"
#include "base/os.h"
#include "sink/file_sink.h"

enum { COPY_BYTES = 1 << 20, WRITE_BYTES = 16 << 20 };
static const size_t BATCH_LIMIT = GIB(1), KEPT_BYTES = MIB(256);

/* The first `length` bytes of the file become the file: the seam has no truncate, and this is rare. */
static enum status cut(struct file_sink *s, uint64_t length, struct error *err)
{
    AUTO_FD from = -1;
    AUTO_FD to = -1;
    AUTO(arena) a = {0};
    TRY(os_file_open(s->path, OS_READ, &from, err));
    TRY(os_file_open(s->temporary, OS_REPLACE, &to, err));
    char *bytes = arena_alloc(&a, COPY_BYTES);
    for (uint64_t at = 0; at < length;) {
        size_t n = MIN(length - at, (uint64_t)COPY_BYTES);
        TRY(os_file_pread(from, bytes, n, at, err));
        TRY(os_file_write(to, bytes, n, err));
        at += n;
    }
    TRY(os_file_sync(to, err));
    return file_replace(s->temporary, s->path, err);
}

static enum status crc_of_end(const char *path, uint64_t from, uint64_t to, uint32_t *ret, struct error *err)
{
    AUTO_FD fd = -1;
    AUTO(arena) a = {0};
    TRY(os_file_open(path, OS_READ, &fd, err));
    char *bytes = arena_alloc(&a, COPY_BYTES);
    uint32_t crc = 0;
    while (from < to) {
        size_t n = MIN(to - from, (uint64_t)COPY_BYTES);
        TRY(os_file_pread(fd, bytes, n, from, err));
        crc = crc32c(crc, bytes, n);
        from += n;
    }
    *ret = crc;
    return OK;
}

static enum status changed_by_others(struct file_sink *s, uint64_t size, struct error *err)
{
    (void)error_set(err, ERR_STATE, "file %s was changed by somebody else: it has %llu bytes, and we wrote %llu",
                    s->path, (unsigned long long)size, (unsigned long long)s->mark.now.length);
    return error_hint(err, "restore it, or move it away and begin with a new state");
}

enum status file_append_settle(struct file_sink *s, struct error *err)
{
    struct file_mark *m = &s->mark;
    struct os_stat st;
    TRY(os_stat(s->path, &st, err));
    if (st.size == m->next.length && m->next.length > m->now.length) {
        uint32_t crc;
        TRY(crc_of_end(s->path, m->now.length, m->next.length, &crc, err));
        if (crc == m->next.crc) {
            AUTO_FD fd = -1; /* whoever wrote it may have ended before it was durable */
            TRY(os_file_open(s->path, OS_APPEND, &fd, err));
            TRY(os_file_sync(fd, err));
            m->now = m->next;
            return OK;
        }
    }
    if (st.size < m->now.length || st.size > MAX(m->now.length, m->next.length))
        return changed_by_others(s, st.size, err);
    if (st.size > m->now.length && os_planted_bug("file_torn_append_kept"))
        m->now.length = st.size;
    else if (st.size > m->now.length)
        TRY(cut(s, m->now.length, err));
    else if (m->next.length == m->now.length)
        m->now = m->next; /* a change set without rows */
    return OK;
}

/* The change set as the file will have it: as far as it was not written, or grew too long, in `bytes`. */
struct encoded {
    struct file_version version;
    uint64_t rows;
    struct buf bytes;
    bool whole; /* all of it is in bytes */
};

/* What is in bytes goes to fd; fd -1: it is forgotten. */
static enum status flush(struct file_sink *s, struct encoded *e, int fd, struct error *err)
{
    for (size_t at = 0; fd >= 0 && at < e->bytes.len; at += WRITE_BYTES) {
        if (atomic_load(s->cancelled))
            return error_set(err, ERR_INTERRUPTED, "stopped while writing file %s", s->path);
        TRY(os_file_write(fd, e->bytes.data + at, MIN(e->bytes.len - at, (size_t)WRITE_BYTES), err));
    }
    buf_clear(&e->bytes);
    return OK;
}

/* Encode all rows, into `e`, which is empty: to write to fd at once, or (-1) to be kept as long as it is short. */
static enum status encode_all(struct file_sink *s, struct change_set *changes, int fd, struct encoded *e,
                              struct error *err)
{
    AUTO(arena) a = {0};
    e->whole = fd < 0;
    if (s->mark.now.length == 0)
        s->encoder->ops->begin(s->encoder, &e->bytes);
    for (size_t done = 0;; done = e->bytes.len) {
        struct batch *b = NULL;
        enum status status = changes->next(changes, &a, &b, err);
        if (status == FAILED)
            return FAILED;
        if (atomic_load(s->cancelled))
            return error_set(err, ERR_INTERRUPTED, "stopped while writing file %s", s->path);
        if (status == OK) {
            s->encoder->ops->encode(s->encoder, b, &e->bytes);
            e->rows += batch_live(b);
        }
        if (e->bytes.overflow)
            return error_set(err, ERR_LIMIT, "file %s: a batch of rows is more than 1 GiB", s->path);
        if (e->bytes.len > done)
            e->version.crc = crc32c(e->version.crc, e->bytes.data + done, e->bytes.len - done);
        e->version.length += e->bytes.len - done;
        e->whole &= e->bytes.len <= KEPT_BYTES;
        if (!e->whole)
            TRY(flush(s, e, fd, err));
        arena_reset(&a);
        if (status == AGAIN)
            return OK;
    }
}

/* Step 3; what was kept is written, what was not is encoded again. */
static enum status append(struct file_sink *s, struct change_set *changes, struct encoded *first, struct error *err)
{
    AUTO_FD fd = -1;
    TRY(os_file_open(s->path, OS_APPEND, &fd, err));
    if (first->whole) {
        TRY(flush(s, first, fd, err));
        return os_file_sync(fd, err);
    }
    struct encoded again = {.version.length = s->mark.now.length, .bytes = BUF(BATCH_LIMIT + KEPT_BYTES)};
    enum status status = changes->rewind(changes, err);
    if (status == OK)
        status = encode_all(s, changes, fd, &again, err);
    buf_release(&again.bytes);
    TRY(status);
    assert(again.version.length == first->version.length && again.version.crc == first->version.crc);
    return os_file_sync(fd, err);
}

static enum status write_marked(struct file_sink *s, struct change_set *changes, struct encoded *e, struct error *err)
{
    TRY(encode_all(s, changes, -1, e, err));
    struct file_mark next = s->mark;
    next.next = e->version;
    TRY(file_mark_store(s->path, &next, err));
    s->mark = next;
    TRY(append(s, changes, e, err));
    s->mark.now = s->mark.next;
    return OK;
}

enum status file_append_apply(struct sink *base, struct change_set *changes, struct sink_result *ret, struct error *err)
{
    struct file_sink *s = (struct file_sink *)base;
    *ret = (struct sink_result){.version = -1};
    TRY(file_append_settle(s, err));
    if (changes->to <= s->mark.now.epoch)
        return OK;
    uint64_t before = s->mark.now.length;
    struct encoded e = {.version = {.epoch = changes->to, .length = before},
                        .bytes = BUF(BATCH_LIMIT + KEPT_BYTES)};
    enum status status = write_marked(s, changes, &e, err);
    buf_release(&e.bytes);
    TRY(status);
    ret->inserted = e.rows;
    ret->bytes_written = s->mark.now.length - before;
    return OK;
}
