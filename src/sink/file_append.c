/* Appending to one file, exactly once.
 *
 *   1 encode the change set, as long as it is short
 *   2 the mark: now = the file as it is, next = with the change set
 *   3 append, sync
 *
 * A longer one is not held in memory until its length is known:
 *
 *   2 the mark: now = the file as it is, until = how long it may get; again whenever it gets there
 *   3 append what is encoded so far, and so on; sync
 *   4 the mark: now = next = the file with the change set
 *
 * After a crash the file's length, and behind a short change set the CRC of its end, tell whether 3 was done. If not
 * (or nobody can tell: before 4), what is behind now.length is cut off, and the engine applies the change set again.
 * Who reads the file while it is written may see a part of 3.
 */
#include "base/hash.h"
#include "base/os.h"
#include "sink/file_sink.h"

/* SHORT_BYTES: held in memory. PIECE_BYTES: of a long one, so that they are written while they lie in the cache.
 * AHEAD_BYTES: what the mark allows. The test build's change sets are small. */
#ifdef BOURN_FAULTS
enum { SHORT_BYTES = 2 << 10, PIECE_BYTES = 1 << 10, AHEAD_BYTES = 4 << 10 };
#else
enum { SHORT_BYTES = 4 << 20, PIECE_BYTES = 1 << 20, AHEAD_BYTES = 64 << 20 };
#endif
enum { COPY_BYTES = 1 << 20, WRITE_BEHIND = 4 << 20 };
static const size_t BATCH_LIMIT = GIB(1), REMEMBERED_BYTES = MIB(16);

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

static enum status settle_long(struct file_sink *s, uint64_t size, struct error *err)
{
    struct file_mark *m = &s->mark;
    if (size < m->now.length || size > m->until)
        return changed_by_others(s, size, err);
    if (size > m->now.length && os_planted_bug("file_torn_append_kept")) {
        m->now.length = size;
    } else if (size > m->now.length) {
        TRY(file_mark_store(s->path, m, err)); /* that of 4 may be there, though storing it failed */
        TRY(cut(s, m->now.length, err));
    }
    m->next = m->now;
    m->until = 0;
    return OK;
}

enum status file_append_settle(struct file_sink *s, struct error *err)
{
    struct file_mark *m = &s->mark;
    struct os_stat st;
    TRY(os_stat(s->path, &st, err));
    if (m->until)
        return settle_long(s, st.size, err);
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

/* The change set, on its way into the file. */
struct appending {
    struct file_sink *sink;
    struct file_version version; /* the file with what was encoded so far */
    uint64_t rows, begun;        /* begun: what is in the file up to there the disk has been told to write */
    int fd;                      /* -1: nothing is written yet */
};

static enum status write_bytes(struct appending *a, struct error *err)
{
    struct file_sink *s = a->sink;
    if (a->fd < 0)
        TRY(os_file_open(s->path, OS_APPEND, &a->fd, err));
    if (s->bytes.len)
        TRY(os_file_write(a->fd, s->bytes.data, s->bytes.len, err));
    buf_clear(&s->bytes);
    return OK;
}

static enum status write_piece(struct appending *a, struct error *err)
{
    struct file_sink *s = a->sink;
    if (a->version.length > s->mark.until) {
        struct file_mark allowed = s->mark;
        allowed.next = allowed.now;
        allowed.until = a->version.length + AHEAD_BYTES;
        TRY(file_mark_store(s->path, &allowed, err));
        s->mark = allowed;
    }
    TRY(write_bytes(a, err));
    if (a->version.length - a->begun >= WRITE_BEHIND) {
        os_file_write_behind(a->fd, a->begun, a->version.length - a->begun);
        a->begun = a->version.length;
    }
    return OK;
}

static enum status append_rows(struct appending *a, struct change_set *changes, struct error *err)
{
    struct file_sink *s = a->sink;
    AUTO(arena) memory = {0};
    if (s->mark.now.length == 0)
        s->encoder->ops->begin(s->encoder, &s->bytes);
    for (size_t done = 0;; done = s->bytes.len) {
        struct batch *b = NULL;
        enum status status = change_set_next(changes, s->cancelled, &memory, &b, err);
        if (status == FAILED)
            return FAILED;
        if (status == OK) {
            s->encoder->ops->encode(s->encoder, b, &s->bytes);
            a->rows += batch_live(b);
        }
        if (s->bytes.overflow)
            return error_set(err, ERR_LIMIT, "file %s: a batch of rows is more than 1 GiB", s->path);
        if (s->bytes.len > done && a->fd < 0)
            a->version.crc = crc32c(a->version.crc, s->bytes.data + done, s->bytes.len - done);
        a->version.length += s->bytes.len - done;
        if (s->bytes.len > (a->fd < 0 ? (size_t)SHORT_BYTES : (size_t)PIECE_BYTES))
            TRY(write_piece(a, err));
        if (status == AGAIN)
            return OK;
    }
}

/* What is left, and the end: steps 2 and 3 of a short change set, 3 and 4 of a long one. */
static enum status finish(struct appending *a, struct error *err)
{
    struct file_sink *s = a->sink;
    struct file_mark done = s->mark;
    done.next = a->version;
    if (a->fd < 0) {
        TRY(file_mark_store(s->path, &done, err));
        s->mark = done;
        TRY(write_bytes(a, err));
        TRY(os_file_sync(a->fd, err));
        s->mark.now = s->mark.next;
        return OK;
    }
    TRY(write_piece(a, err));
    TRY(os_file_sync(a->fd, err));
    done.next.crc = 0; /* nobody will ask: the file is durable before the mark is */
    done.now = done.next;
    done.until = 0;
    TRY(file_mark_store(s->path, &done, err));
    s->mark = done;
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
    struct appending a = {.sink = s, .version = {.epoch = changes->to, .length = before}, .begun = before, .fd = -1};
    if (s->bytes.cap > REMEMBERED_BYTES)
        buf_release(&s->bytes);
    s->bytes.max = BATCH_LIMIT + SHORT_BYTES;
    buf_clear(&s->bytes);
    enum status status = append_rows(&a, changes, err);
    if (status == OK)
        status = finish(&a, err);
    if (a.fd >= 0)
        os_file_close(a.fd);
    TRY(status);
    ret->inserted = a.rows;
    ret->bytes_written = s->mark.now.length - before;
    return OK;
}
