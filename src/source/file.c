/* The source "file": the records of files, each file a split.
 *
 * `path` names a file, a folder (its files, except names that begin with . or _), or files by a pattern in the last
 * part of the path (*, ?, [...]). A message is a record of the format without its newline; empty lines are skipped.
 * Its offset, and the position of a split, is the byte where it begins in the uncompressed file.
 *
 * Bounded unless `follow`: the end is where the files end when they are opened. Following, new files and appended lines
 * are read as they come, and a line counts when its newline is there.
 *
 * A named pipe, or - for standard input, is a stream without a way back: it is read with `follow` only, its positions
 * count on over restarts, and what was read of it and is in no committed epoch when a run ends is gone. Its end,
 * when the last writer closes it, is no end of time.
 *
 * Bytes are read in chunks; messages are views into them, so a chunk lives until the last batch over it is released.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "source/connectors.h"
#include "source/stream.h"

enum {
    CHUNK_LEAST = 64 * 1024,
    CHUNK_MOST = 4 * 1024 * 1024,
    OPEN_FILES = 16,    /* of a bounded source, at a time */
    MAX_FILES = 100000, /* found by one path */
    FIRST_SLOTS = 64,
    NAME_END = 170,     /* bytes of a long path that stay in the name of its split */
    SPARE_BYTES = 32 << 20, /* in chunks for later: what one round of all workers releases, the next one wants */
};

static const struct option_spec file_options[] = {
    {"path", OPT_TEXT, .required = true,
     .help = "a file, a folder, a pattern such as in/*.ndjson.gz; with follow a named pipe, or - for standard input"},
    {"follow", OPT_BOOL, .value = "false", .help = "go on with what is appended, and with new files"},
    {"compression", OPT_CHOICE, .value = "auto", .choices = "auto none gzip zstd", .help = "auto: by the first bytes"},
    {"max_line", OPT_BYTES, .value = "16 MiB", .min = 64, .max = 256 << 20, /* so that its key is none of ROWKEY_MAX */
     .help = "a longer line is cut there, and so rejected"},
    {0},
};

struct chunk {
    struct chunk *next; /* in the pool */
    uint32_t refs;
    size_t len, cap;
    char *data;
};

/* What source_batch.owner points to. */
struct file_batch {
    struct file_batch *next; /* in the pool */
    struct chunk *chunk;
    struct view raw[BATCH_ROWS];
    int64_t offset[BATCH_ROWS];
};

struct file_split {
    char *path;
    struct stream *stream; /* NULL: not opened yet, or read to its end */
    struct chunk *chunk;   /* its bytes from `at` on are not handed out yet */
    size_t at;
    uint64_t start; /* where reading begins */
    size_t wanted;  /* bytes that hold about a batch */
    bool drained;   /* nothing followed the chunk when it was read */
    bool skipping;  /* of a pipe: what comes is the rest of a line that was cut */
    bool finished;
    int64_t end; /* when finished */
    uint64_t device, inode;
    int64_t checked_us; /* when we last saw that the followed file is still this one */
};

struct file_source {
    struct source base;
    const struct format *format;
    uint32_t record_style;
    const struct schema *schema;
    const uint64_t *decode;
    struct arena own;
    struct options options;
    char *path;
    bool follow, is_folder, is_pipe;
    const char *pattern; /* last part of the path, or NULL */
    enum compression compression;
    size_t max_line;
    struct file_split *splits;
    uint32_t nsplits, splits_cap, told, open_files;
    uint32_t *slots, mask; /* by path: the number of the split, from 1; 0: empty */
    int64_t looked_us; /* when the folder was listed last */
    struct chunk *chunks;
    size_t spare_bytes;
    struct file_batch *batches;
};

static struct file_source *file_source_of(struct source *s)
{
    return (struct file_source *)s;
}

/* ---- chunks ---- */

static void chunk_free(struct chunk *c)
{
    free(c->data);
    free(c);
}

/* Room for n bytes and a little, so that one that is free now fits what is wanted next. */
static size_t rounded(size_t n)
{
    size_t step = (size_t)1 << (61 - __builtin_clzll(MAX(n, (size_t)CHUNK_LEAST)));
    return (n + step - 1) / step * step;
}

static struct chunk *chunk_take(struct file_source *f, size_t least)
{
    size_t cap = rounded(least);
    for (struct chunk **at = &f->chunks; *at; at = &(*at)->next) {
        struct chunk *c = *at;
        if (c->cap < cap || c->cap > 2 * cap)
            continue;
        *at = c->next;
        f->spare_bytes -= c->cap;
        c->refs = 1;
        c->len = 0;
        return c;
    }
    struct chunk *c = mem_alloc(sizeof *c);
    *c = (struct chunk){.refs = 1, .cap = cap, .data = mem_alloc(cap)};
    return c;
}

static void chunk_drop(struct file_source *f, struct chunk *c)
{
    if (!c || --c->refs > 0)
        return;
    if (f->spare_bytes + c->cap > SPARE_BYTES) {
        chunk_free(c);
        return;
    }
    c->next = f->chunks;
    f->chunks = c;
    f->spare_bytes += c->cap;
}

/* ---- finding files ---- */

/* Where the split of that path is, or would be. */
static uint32_t *slot_of_path(struct file_source *f, const char *path)
{
    uint32_t i = (uint32_t)hash64(path, strlen(path), 0) & f->mask;
    while (f->slots[i] && strcmp(f->splits[f->slots[i] - 1].path, path) != 0)
        i = (i + 1) & f->mask;
    return &f->slots[i];
}

/* At most half of the slots are taken. */
static void grow_slots(struct file_source *f)
{
    if (f->slots && f->nsplits <= f->mask / 2)
        return;
    uint32_t mask = f->slots ? 2 * f->mask + 1 : FIRST_SLOTS - 1;
    free(f->slots);
    f->mask = mask;
    f->slots = mem_zalloc(((size_t)f->mask + 1) * sizeof *f->slots);
    for (uint32_t i = 0; i < f->nsplits; i++)
        *slot_of_path(f, f->splits[i].path) = i + 1;
}

static enum status add_file(struct file_source *f, const char *path, const struct os_stat *st, struct error *err)
{
    grow_slots(f);
    uint32_t *slot = slot_of_path(f, path);
    if (*slot)
        return OK;
    if (f->nsplits == MAX_FILES)
        return error_set(err, ERR_LIMIT, "path %s names more than %d files", f->path, MAX_FILES);
    f->splits = mem_grow(f->splits, f->nsplits, &f->splits_cap, sizeof *f->splits);
    f->splits[f->nsplits++] = (struct file_split){
        .path = arena_strdup(&f->own, path), .wanted = CHUNK_LEAST, .device = st->device, .inode = st->inode};
    *slot = f->nsplits;
    return OK;
}

struct listing {
    struct file_source *source;
    const char *folder;
};

static enum status visit_name(void *arg, const char *name, struct error *err)
{
    struct listing *l = arg;
    struct file_source *f = l->source;
    if (f->pattern ? fnmatch(f->pattern, name, FNM_PERIOD) != 0 : name[0] == '.' || name[0] == '_')
        return OK;
    AUTO(buf) path = BUF(KIB(8));
    buf_printf(&path, "%s/%s", l->folder, name);
    struct os_stat st;
    TRY(os_stat(buf_cstr(&path), &st, err));
    return st.kind == OS_FILE ? add_file(f, buf_cstr(&path), &st, err) : OK;
}

static enum status find_files(struct file_source *f, struct error *err)
{
    f->looked_us = os_mono_us();
    if (f->is_pipe)
        return add_file(f, f->path, &(struct os_stat){0}, err);
    if (!f->is_folder && !f->pattern) {
        struct os_stat st;
        TRY(os_stat(f->path, &st, err));
        return st.kind == OS_FILE ? add_file(f, f->path, &st, err) : OK;
    }
    AUTO(buf) folder = BUF(KIB(8));
    size_t len = f->pattern ? (size_t)(f->pattern - f->path) : strlen(f->path);
    while (len > 1 && f->path[len - 1] == '/')
        len--;
    buf_put(&folder, len ? f->path : ".", len ? len : 1);
    struct listing listing = {f, buf_cstr(&folder)};
    if (strcmp(listing.folder, "/") == 0)
        listing.folder = "";
    return os_folder_list(buf_cstr(&folder), visit_name, &listing, err);
}

static enum status nothing_found(const struct file_source *f, struct error *err)
{
    if (f->pattern || f->is_folder)
        return error_set(err, ERR_NOT_FOUND, "%s %s: there is no file", f->is_folder ? "folder" : "path", f->path);
    (void)error_set(err, ERR_NOT_FOUND, "file %s does not exist", f->path);
    if (f->path[0] != '/')
        return error_hint(err, "the path is relative to the folder the command was started in");
    return FAILED;
}

static enum status look_at_pipe(struct file_source *f, struct error *err)
{
    const char *name = strcmp(f->path, "-") == 0 ? "standard input" : f->path;
    if (!f->follow) {
        (void)error_set(err, ERR_SOURCE, "%s is a pipe, and what comes through it cannot be read again after a crash",
                        name);
        return error_hint(err, "write it into a file; or say follow 'true', if rows may be lost when a run ends");
    }
    if (f->compression == COMPRESSION_GZIP || f->compression == COMPRESSION_ZSTD)
        return error_set(err, ERR_UNSUPPORTED, "%s is a pipe: decompress what comes through it before", name);
    if (f->format->heading)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s is a pipe: format %s, whose files may begin with a heading, cannot be "
                         "read from it",
                         name, f->format->name);
    return find_files(f, err);
}

/* What kind of path is it, and is there anything? Following may begin before the first file is there. */
static enum status look_at_path(struct file_source *f, struct error *err)
{
    struct os_stat st;
    TRY(os_stat(f->path, &st, err));
    f->is_pipe = strcmp(f->path, "-") == 0 || st.pipe;
    if (f->is_pipe)
        return look_at_pipe(f, err);
    if (st.kind == OS_OTHER)
        return error_set(err, ERR_SOURCE, "%s is neither a file nor a folder nor a pipe", f->path);
    f->is_folder = st.kind == OS_FOLDER;
    if (st.kind == OS_MISSING && strpbrk(f->path, "*?[")) {
        const char *slash = strrchr(f->path, '/');
        f->pattern = slash ? slash + 1 : f->path;
        if (slash && strcspn(f->path, "*?[") < (size_t)(slash - f->path))
            return error_set(err, ERR_SOURCE, "path %s: a pattern may stand in the last part only", f->path);
    }
    TRY(find_files(f, err));
    return f->nsplits == 0 && !f->follow ? nothing_found(f, err) : OK;
}

static_assert(sizeof "0123456789abcdef:" + NAME_END <= sizeof ((struct split *)NULL)->name, "a long path's name fits");

static enum status file_splits(struct source *s, struct split *ret, uint32_t max, uint32_t *ret_count,
                               struct error *err)
{
    struct file_source *f = file_source_of(s);
    if (f->follow && f->told == f->nsplits && os_mono_us() - f->looked_us > 1000000)
        TRY(find_files(f, err));
    uint32_t n = 0;
    for (; f->told < f->nsplits && n < max; f->told++, n++) {
        const char *path = f->splits[f->told].path;
        size_t len = strlen(path);
        ret[n] = (struct split){.number = f->told};
        if (len < sizeof ret[n].name)
            memcpy(ret[n].name, path, len);
        else /* the end of a long path, and a hash that tells it from others with this end */
            snprintf(ret[n].name, sizeof ret[n].name, "%016llx:%s", (unsigned long long)hash64(path, len, 0),
                     path + len - NAME_END);
    }
    *ret_count = n;
    return OK;
}

/* ---- opening, reading ---- */

static void close_split(struct file_source *f, struct file_split *sp)
{
    if (sp->stream)
        f->open_files--;
    stream_close(sp->stream);
    sp->stream = NULL;
    chunk_drop(f, sp->chunk);
    sp->chunk = NULL;
    sp->at = 0;
}

static enum status file_seek(struct source *s, uint32_t split, int64_t position, struct error *err)
{
    (void)err;
    struct file_source *f = file_source_of(s);
    struct file_split *sp = &f->splits[split];
    close_split(f, sp);
    sp->start = position < 0 ? 0 : (uint64_t)position;
    sp->drained = sp->finished = false;
    return OK;
}

static bool file_rereads(const struct source *s) { return !((const struct file_source *)s)->is_pipe; }

static enum status check_followed(struct file_split *sp, struct error *err)
{
    if (stream_is_compressed(sp->stream))
        return error_set(err, ERR_UNSUPPORTED, "file %s is compressed and cannot be followed", sp->path);
    int64_t now = os_mono_us();
    if (now - sp->checked_us < 1000000)
        return OK;
    sp->checked_us = now;
    struct os_stat st;
    TRY(os_stat(sp->path, &st, err));
    if (st.kind == OS_FILE && st.device == sp->device && st.inode == sp->inode)
        return OK;
    (void)error_set(err, ERR_SOURCE, "file %s was %s while it was followed", sp->path,
                    st.kind == OS_FILE ? "replaced by another" : "removed");
    return error_hint(err, "follow a folder or a pattern, and give each file a name of its own");
}

/* The heading is checked whenever a file is opened, also when reading goes on in the middle. */
static enum status skip_heading(struct file_source *f, struct file_split *sp, struct error *err)
{
    if (!f->format->heading)
        return OK;
    char *head = mem_alloc(CHUNK_LEAST);
    size_t n = 0, got = 0;
    enum status status = OK;
    do {
        status = stream_read(sp->stream, head + n, CHUNK_LEAST - n, &got, err);
        n += got;
    } while (status == OK && got > 0 && n < CHUNK_LEAST);
    const char *end = NULL;
    if (status == OK)
        end = f->format->record_end ? f->format->record_end(f->record_style, head, head + n) : memchr(head, '\n', n);
    bool is_heading = false;
    size_t len = end ? (size_t)(end - head) : n;
    if (status == OK && n > 0)
        status = f->format->heading(f->schema, f->decode, &f->options, (struct slice){head, len}, &is_heading, err);
    free(head);
    if (status != OK)
        return error_prefix(err, "file %s", sp->path);
    if (is_heading && sp->start < len)
        sp->start = len;
    return OK;
}

static enum status open_split(struct file_source *f, struct file_split *sp, struct error *err)
{
    if (!f->follow && f->open_files == OPEN_FILES)
        return AGAIN;
    sp->drained = false;
    if (f->is_pipe) {
        TRY(stream_open_pipe(sp->path, sp->start, &sp->stream, err));
        f->open_files++;
        return OK;
    }
    TRY(stream_open(sp->path, f->compression, &sp->stream, err));
    f->open_files++;
    if (f->follow)
        TRY(check_followed(sp, err));
    else if (!stream_is_compressed(sp->stream))
        stream_limit(sp->stream, (uint64_t)stream_size(sp->stream));
    TRY(skip_heading(f, sp, err));
    return stream_seek(sp->stream, sp->start, err);
}

/* The file position of the chunk's byte `at`. */
static uint64_t position_of(const struct file_split *sp, size_t at)
{
    return stream_position(sp->stream) - (sp->chunk ? sp->chunk->len - at : 0);
}

static size_t unread(const struct file_split *sp)
{
    return sp->chunk ? sp->chunk->len - sp->at : 0;
}

/* Read on behind what is left of the chunk, in a new chunk; *ret_got = 0: there is nothing more for now. */
static enum status fill(struct file_source *f, struct file_split *sp, size_t *ret_got, struct error *err)
{
    size_t left = unread(sp), got = 0, n = 0, want = MAX(sp->wanted, left);
    struct chunk *fresh = chunk_take(f, left + want);
    do {
        if (stream_read(sp->stream, fresh->data + left + got, want - got, &n, err) != OK) {
            chunk_drop(f, fresh);
            return FAILED;
        }
        got += n;
    } while (n > 0 && got < want);
    sp->drained = n == 0;
    *ret_got = got;
    if (got == 0) {
        chunk_drop(f, fresh);
        return OK;
    }
    if (left > 0)
        memcpy(fresh->data, sp->chunk->data + sp->at, left);
    fresh->len = left + got;
    chunk_drop(f, sp->chunk);
    sp->chunk = fresh;
    sp->at = 0;
    return OK;
}

/* ---- records ---- */

static inline const char *record_end(const struct file_source *f, const char *p, const char *end)
{
    if (f->format->record_end)
        return f->format->record_end(f->record_style, p, end);
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    return newline ? newline + 1 : NULL;
}

static inline size_t without_newline(const char *p, const char *end)
{
    if (end > p && end[-1] == '\n')
        end--;
    if (end > p && end[-1] == '\r')
        end--;
    return (size_t)(end - p);
}

/* Records of the chunk into the batch, until it is full or the chunk holds no whole one. */
static uint32_t take_records(struct file_source *f, struct file_split *sp, struct file_batch *b, uint32_t max)
{
    const char *p = sp->chunk->data + sp->at, *end = sp->chunk->data + sp->chunk->len;
    const bool ends_here = sp->drained && (!f->follow || stream_pipe_ended(sp->stream));
    int64_t position = (int64_t)position_of(sp, sp->at);
    uint32_t rows = 0;
    while (rows < max && p < end) {
        const char *next = record_end(f, p, end);
        if (!next && !ends_here)
            break;
        if (!next)
            next = end;
        size_t len = without_newline(p, next);
        if (len > 0) {
            b->raw[rows] = view_of(p, MIN(len, f->max_line));
            b->offset[rows++] = position;
        }
        position += next - p;
        p = next;
    }
    sp->at = (size_t)(p - sp->chunk->data);
    if (rows == 0)
        return 0;
    b->chunk = sp->chunk;
    b->chunk->refs++;
    if (rows == max) /* so many bytes make a batch: the next chunk is to hold one and a little */
        sp->wanted = MIN(MAX((size_t)(position - b->offset[0]) / 16 * 17, CHUNK_LEAST), CHUNK_MOST);
    else if (!sp->drained)
        sp->wanted = MIN(sp->wanted * 2, CHUNK_MOST);
    return rows;
}

/* The same, where there is no way back: the rest of the line is left out as it comes. */
static void cut_line(struct file_source *f, struct file_split *sp, struct file_batch *b)
{
    b->raw[0] = view_of(sp->chunk->data + sp->at, f->max_line);
    b->offset[0] = (int64_t)position_of(sp, sp->at);
    b->chunk = sp->chunk;
    sp->chunk = NULL;
    sp->at = 0;
    sp->skipping = true;
}

static void skip_rest(struct file_split *sp)
{
    if (!sp->skipping || !sp->chunk)
        return;
    const char *newline = memchr(sp->chunk->data + sp->at, '\n', unread(sp));
    sp->at = newline ? (size_t)(newline + 1 - sp->chunk->data) : sp->chunk->len;
    sp->skipping = !newline;
}

/* What is left of the chunk is the beginning of a line longer than max_line: one row of its first bytes, and read
 * past its end. Following, the end may not be there yet. */
static enum status take_long_line(struct file_source *f, struct file_split *sp, struct file_batch *b, struct error *err)
{
    const uint64_t resume = stream_position(sp->stream);
    struct chunk *rest = chunk_take(f, CHUNK_LEAST);
    const char *newline = NULL;
    while (!newline) {
        if (stream_read(sp->stream, rest->data, rest->cap, &rest->len, err) != OK) {
            chunk_drop(f, rest);
            return FAILED;
        }
        if (rest->len == 0)
            break;
        newline = memchr(rest->data, '\n', rest->len);
    }
    if (!newline && f->follow) {
        chunk_drop(f, rest);
        TRY(stream_seek(sp->stream, resume, err));
        return AGAIN;
    }
    b->raw[0] = view_of(sp->chunk->data + sp->at, f->max_line);
    b->offset[0] = (int64_t)(resume - unread(sp));
    b->chunk = sp->chunk;
    sp->chunk = rest;
    sp->at = newline ? (size_t)(newline + 1 - rest->data) : 0;
    sp->drained = !newline;
    return OK;
}

static void finish(struct file_source *f, struct file_split *sp)
{
    sp->end = (int64_t)position_of(sp, sp->at);
    sp->finished = true;
    close_split(f, sp);
}

/* The next records of an open split. AGAIN: none for now, or (finished) ever. Small rests of a chunk wait for more, so
 * that batches are full. */
static enum status next_records(struct file_source *f, struct file_split *sp, struct file_batch *b, uint32_t max,
                                uint32_t *ret_rows, struct error *err)
{
    for (size_t got = 1;;) {
        if (unread(sp) > MIN(sp->wanted / 2, f->max_line) || (sp->drained && unread(sp) > 0)) {
            *ret_rows = take_records(f, sp, b, max);
            if (*ret_rows > 0)
                return OK;
        }
        if (sp->drained && !f->follow && unread(sp) == 0) {
            finish(f, sp);
            return AGAIN;
        }
        if (unread(sp) > f->max_line) {
            if (f->is_pipe)
                cut_line(f, sp, b);
            else
                TRY(take_long_line(f, sp, b, err));
            *ret_rows = 1;
            return OK;
        }
        if (got == 0)
            return AGAIN;
        TRY(fill(f, sp, &got, err));
        skip_rest(sp);
        if (got == 0 && !f->follow)
            got = 1; /* the end: what is left is the last record */
    }
}

static struct file_batch *batch_take(struct file_source *f)
{
    struct file_batch *b = f->batches;
    if (b)
        f->batches = b->next;
    else
        b = mem_alloc(sizeof *b);
    b->chunk = NULL;
    return b;
}

static void batch_drop(struct file_source *f, struct file_batch *b)
{
    chunk_drop(f, b->chunk);
    b->next = f->batches;
    f->batches = b;
}

static enum status file_poll(struct source *s, uint32_t split, uint32_t max_rows, struct source_batch *ret,
                             struct error *err)
{
    struct file_source *f = file_source_of(s);
    struct file_split *sp = &f->splits[split];
    if (sp->finished)
        return AGAIN;
    if (!sp->stream)
        TRY(open_split(f, sp, err));
    struct file_batch *b = batch_take(f);
    uint32_t rows;
    enum status status = next_records(f, sp, b, MIN(max_rows, (uint32_t)BATCH_ROWS), &rows, err);
    if (status != OK)
        batch_drop(f, b);
    if (status == AGAIN && f->follow && !f->is_pipe)
        TRY(check_followed(sp, err));
    TRY(status);
    int64_t next = (int64_t)position_of(sp, sp->at);
    *ret = (struct source_batch){
        .rows = rows,
        .origin = {.split = split, .topic = sp->path, .offset = b->offset, .raw = b->raw},
        .bytes = (uint64_t)(next - b->offset[0]),
        .next_position = next,
        .owner = b,
    };
    return OK;
}

static void file_release(struct source *s, struct source_batch *batch)
{
    batch_drop(file_source_of(s), batch->owner);
}

/* Past empty lines at the end of what is followed. */
static int64_t file_position(struct source *s, uint32_t split)
{
    struct file_source *f = file_source_of(s);
    struct file_split *sp = &f->splits[split];
    bool moved = sp->stream && (f->is_pipe || sp->at > 0);
    return f->follow && moved ? (int64_t)position_of(sp, sp->at) : -1;
}

static int64_t file_end_position(struct source *s, uint32_t split)
{
    struct file_split *sp = &file_source_of(s)->splits[split];
    if (sp->finished)
        return sp->end;
    return sp->stream ? stream_size(sp->stream) : -1;
}

/* A line that has no end yet may get one, or never: it is not waited for. */
static int64_t file_readable_end(struct source *s, uint32_t split)
{
    struct file_split *sp = &file_source_of(s)->splits[split];
    if (sp->finished || !sp->stream)
        return file_end_position(s, split);
    return stream_lines_end(sp->stream, position_of(sp, sp->at));
}

static bool file_finished(struct source *s, uint32_t split)
{
    return file_source_of(s)->splits[split].finished;
}

static void file_free(struct source *s)
{
    struct file_source *f = file_source_of(s);
    for (uint32_t i = 0; i < f->nsplits; i++)
        close_split(f, &f->splits[i]);
    while (f->batches) {
        struct file_batch *next = f->batches->next;
        free(f->batches);
        f->batches = next;
    }
    while (f->chunks) {
        struct chunk *next = f->chunks->next;
        chunk_free(f->chunks);
        f->chunks = next;
    }
    arena_release(&f->own);
    free(f->splits);
    free(f->slots);
    free(f);
}

static enum compression chosen_compression(const char *name)
{
    static const char *const names[] = {[COMPRESSION_AUTO] = "auto",
                                        [COMPRESSION_NONE] = "none",
                                        [COMPRESSION_GZIP] = "gzip",
                                        [COMPRESSION_ZSTD] = "zstd"};
    enum compression c = COMPRESSION_AUTO;
    while (c < COMPRESSION_ZSTD && strcmp(names[c], name) != 0)
        c++;
    return c;
}

/* Lines of CSV are rejected, each one of them, where they are read as JSON because nothing says otherwise. */
static enum status check_name(const struct file_source *f, struct error *err)
{
    const char *end = strrchr(f->path, '/'), *csv = strstr(end ? end : f->path, ".csv");
    bool named = csv && (!csv[4] || !strcmp(csv + 4, ".gz") || !strcmp(csv + 4, ".zst"));
    if (!named || option_given(&f->options, "format"))
        return OK;
    (void)error_set(err, ERR_SQL, "the name of %s says CSV, and its lines are read as JSON unless a format is named",
                    f->path);
    return error_hint(err, "name it: OPTIONS (path '...', format 'csv'), or format 'json'");
}

static enum status file_open(const struct source_config *config, struct source **ret, struct error *err)
{
    static const struct source_ops ops = {
        .splits = file_splits,
        .seek = file_seek,
        .rereads = file_rereads,
        .poll = file_poll,
        .release = file_release,
        .position = file_position,
        .end_position = file_end_position,
        .readable_end = file_readable_end,
        .finished = file_finished,
        .free = file_free,
    };
    if (!config->format || !config->format->by_line || !config->format->decoder_new)
        return error_set(err, ERR_SQL, "the file connector reads records that end at newlines; format %s has none",
                         config->format ? config->format->name : "(none)");
    struct file_source *f = mem_zalloc(sizeof *f);
    f->base.ops = &ops;
    f->format = config->format;
    f->schema = config->schema;
    f->decode = config->decode;
    f->options = options_join(config->options, config->server, &f->own);
    f->record_style = f->format->record_style ? f->format->record_style(&f->options) : 0;
    f->path = arena_strdup(&f->own, option_text(&f->options, file_options, "path"));
    f->follow = option_bool(&f->options, file_options, "follow");
    f->compression = chosen_compression(option_text(&f->options, file_options, "compression"));
    f->max_line = (size_t)option_int(&f->options, file_options, "max_line");
    if (check_name(f, err) != OK || look_at_path(f, err) != OK) {
        file_free(&f->base);
        return FAILED;
    }
    *ret = &f->base;
    return OK;
}

static bool file_bounded(const struct options *server, const struct options *table)
{
    AUTO(arena) scratch = {0};
    const struct options joined = options_join(table, server, &scratch);
    return !option_bool(&joined, file_options, "follow");
}

/* A timestamp, too, so that a pipeline made for a broker reads files: it is NULL. */
static const char *const file_metadata[] = {"topic", "partition", "offset", "timestamp", NULL};

const struct source_connector source_file_connector = {
    .name = "file",
    .options = file_options,
    .metadata = file_metadata,
    .help =
        "NDJSON or CSV files, plain, gzip or zstd; bounded, or followed as a stream; NDJSON from a pipe, followed, "
        "whose rows are lost if they are in no committed epoch when a run ends",
    .default_format = "json",
    .bounded = file_bounded,
    .open = file_open,
};
