#include "source/stream.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/os.h"

enum { INPUT_BYTES = 128 * 1024 };

struct stream {
    char *path;
    int fd;
    enum compression compression; /* never AUTO */
    uint64_t position;            /* of the next byte handed out */
    uint64_t limit;
    bool ended; /* compressed: the last member or frame was read to its end; a pipe: its writers have closed it */
    bool pipe;
    uint64_t start; /* of a pipe: position of its first byte */

    unsigned char *input; /* compressed bytes not yet taken */
    size_t input_at, input_len;
    uint64_t taken;           /* compressed bytes read from the file, for errors */
    bool input_ended, inside; /* inside: a member or frame has begun and not ended */
    z_stream gzip;
    ZSTD_DStream *zstd;
};

static enum compression compression_of(const unsigned char *head, size_t n)
{
    if (n >= 2 && head[0] == 0x1f && head[1] == 0x8b)
        return COMPRESSION_GZIP;
    if (n >= 4 && load_u32(head) == 0xfd2fb528)
        return COMPRESSION_ZSTD;
    return COMPRESSION_NONE;
}

/* What is no text, and not unpacked here either: every line of it would be rejected. */
static enum status refuse_others(const char *path, const unsigned char *head, size_t n, struct error *err)
{
    static const struct { const char *what, *bytes; size_t n, at; } others[] = {
        {"xz", "\xfd" "7zXZ\0", 6, 0},    {"zip", "PK\3\4", 4, 0},
        {"bzip2", "1AY&SY", 6, 4},         {"lz4", "\x04\x22\x4d\x18", 4, 0},
        {"snappy", "\xff\6\0\0sNaPpY", 10, 0}, {"Parquet", "PAR1\x15", 5, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (n >= others[i].at + others[i].n && memcmp(head + others[i].at, others[i].bytes, others[i].n) == 0) {
            (void)error_set(err, ERR_SOURCE, "file %s is %s, which is not read here", path, others[i].what);
            return error_hint(err, "a file is lines of text, plain or packed with gzip or zstd; compression 'none' "
                                   "reads it as it is");
        }
    return OK;
}

/* The first bytes of the file decide; a file of fewer bytes is not compressed. */
static enum status detect(struct stream *s, struct error *err)
{
    uint64_t size;
    unsigned char head[16];
    TRY(os_file_size(s->fd, &size, err));
    size_t n = MIN(size, sizeof head);
    TRY(os_file_pread(s->fd, head, n, 0, err));
    s->compression = compression_of(head, n);
    return refuse_others(s->path, head, n, err);
}

static void decoder_begin(struct stream *s)
{
    if (s->compression == COMPRESSION_GZIP) {
        inflateEnd(&s->gzip);
        s->gzip = (z_stream){0};
        int code = inflateInit2(&s->gzip, 15 + 16); /* 15: the largest window, +16: a gzip header */
        assert(code == Z_OK);
    } else {
        if (!s->zstd)
            s->zstd = ZSTD_createDStream();
        assert(s->zstd);
        ZSTD_initDStream(s->zstd);
    }
}

static enum status open_as(struct stream *s, enum compression compression, struct error *err)
{
    TRY(os_file_open(s->path, OS_READ, &s->fd, err));
    s->compression = compression;
    if (compression == COMPRESSION_AUTO)
        TRY(detect(s, err));
    if (s->compression != COMPRESSION_NONE) {
        s->input = mem_alloc(INPUT_BYTES);
        decoder_begin(s);
    }
    return OK;
}

enum status stream_open(const char *path, enum compression compression, struct stream **ret, struct error *err)
{
    struct stream *s = mem_zalloc(sizeof *s);
    s->path = mem_strdup(path);
    s->fd = -1;
    s->limit = UINT64_MAX;
    enum status status = open_as(s, compression, err);
    if (status != OK) {
        stream_close(s);
        return status;
    }
    *ret = s;
    return OK;
}

enum status stream_open_pipe(const char *path, uint64_t start, struct stream **ret, struct error *err)
{
    struct stream *s = mem_zalloc(sizeof *s);
    s->path = mem_strdup(path);
    s->pipe = true;
    s->position = s->start = start;
    s->limit = UINT64_MAX;
    s->fd = -1;
    enum status status = os_pipe_open(path, &s->fd, err);
    if (status != OK) {
        stream_close(s);
        return status;
    }
    *ret = s;
    return OK;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    if (s->fd >= 0 && s->pipe)
        os_pipe_close(s->fd);
    else if (s->fd >= 0)
        os_file_close(s->fd);
    if (s->compression == COMPRESSION_GZIP)
        inflateEnd(&s->gzip);
    ZSTD_freeDStream(s->zstd);
    free(s->input);
    free(s->path);
    free(s);
}

void stream_limit(struct stream *s, uint64_t size)
{
    s->limit = size;
}

uint64_t stream_position(const struct stream *s)
{
    return s->position;
}

bool stream_is_compressed(const struct stream *s)
{
    return s->compression != COMPRESSION_NONE;
}

bool stream_pipe_ended(const struct stream *s)
{
    return s->pipe && s->ended;
}

int64_t stream_size(struct stream *s)
{
    if (s->pipe || stream_is_compressed(s))
        return s->ended ? (int64_t)s->position : -1;
    struct error ignored;
    uint64_t size;
    if (os_file_size(s->fd, &size, &ignored) != OK)
        return -1;
    return (int64_t)MIN(size, s->limit);
}

int64_t stream_lines_end(struct stream *s, uint64_t from)
{
    enum { PIECE = 16 << 10 };
    char piece[PIECE];
    struct error ignored;
    int64_t size = stream_size(s);
    if (size < 0 || s->pipe || stream_is_compressed(s))
        return size;
    for (uint64_t end = (uint64_t)size; end > from;) {
        size_t n = (size_t)MIN(end - from, (uint64_t)PIECE);
        if (os_file_pread(s->fd, piece, n, end - n, &ignored) != OK)
            return -1;
        const char *newline = memrchr(piece, '\n', n);
        if (newline)
            return (int64_t)(end - n + (uint64_t)(newline - piece) + 1);
        end -= n;
    }
    return (int64_t)from;
}

static enum status became_shorter(struct stream *s, uint64_t size, struct error *err)
{
    (void)error_set(err, ERR_SOURCE, "file %s became shorter while it was read: it has %llu bytes, and %llu were read",
                    s->path, (unsigned long long)size, (unsigned long long)s->position);
    return error_hint(err, "a file may only grow; for rotated files give each its own name");
}

static enum status plain_read(struct stream *s, void *p, size_t n, size_t *ret, struct error *err)
{
    uint64_t size;
    TRY(os_file_size(s->fd, &size, err));
    if (size < s->position)
        return became_shorter(s, size, err);
    uint64_t left = MIN(size, s->limit) - MIN(s->position, s->limit);
    n = MIN(n, left);
    if (n > 0 && os_file_pread(s->fd, p, n, s->position, err) != OK) {
        if (err->code == ERR_CORRUPT && os_file_size(s->fd, &size, err) == OK)
            return became_shorter(s, size, err);
        return error_prefix(err, "file %s", s->path);
    }
    s->position += n;
    *ret = n;
    return OK;
}

/* Another writer may open a named pipe that was closed: then it goes on. */
static enum status pipe_read(struct stream *s, void *p, size_t n, size_t *ret, struct error *err)
{
    size_t got = 0;
    enum status status = os_pipe_read(s->fd, p, n, &got, err);
    if (status == FAILED)
        return error_prefix(err, "pipe %s", s->path);
    if (s->position == s->start && compression_of(p, got) != COMPRESSION_NONE) {
        (void)error_set(err, ERR_UNSUPPORTED, "what comes through pipe %s is compressed", s->path);
        return error_hint(err, "decompress it on the way: zcat or zstdcat FILE | bourn run ...");
    }
    s->ended = status == OK && got == 0;
    s->position += got;
    *ret = got;
    return OK;
}

/* ---- compressed ---- */

static enum status refill(struct stream *s, struct error *err)
{
    size_t n;
    TRY(os_file_read(s->fd, s->input, INPUT_BYTES, &n, err));
    s->input_at = 0;
    s->input_len = n;
    s->taken += n;
    s->input_ended = n == 0;
    return OK;
}

static enum status corrupt(struct stream *s, const char *kind, const char *why, struct error *err)
{
    return error_set(err, ERR_SOURCE, "file %s is no sound %s file: %s near byte %llu", s->path, kind, why,
                     (unsigned long long)(s->taken - (s->input_len - s->input_at)));
}

/* Decompress what input there is into p; several members one after the other are one file. */
static enum status gzip_step(struct stream *s, void *p, size_t n, size_t *ret, struct error *err)
{
    if (!s->inside)
        inflateReset(&s->gzip);
    s->inside = true;
    s->gzip.next_in = s->input + s->input_at;
    s->gzip.avail_in = (uInt)(s->input_len - s->input_at);
    s->gzip.next_out = p;
    s->gzip.avail_out = (uInt)n;
    int code = inflate(&s->gzip, Z_NO_FLUSH);
    s->input_at = s->input_len - s->gzip.avail_in;
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return corrupt(s, "gzip", s->gzip.msg ? s->gzip.msg : "cannot be decompressed", err);
    if (code == Z_STREAM_END)
        s->inside = false;
    *ret = n - s->gzip.avail_out;
    return OK;
}

static enum status zstd_step(struct stream *s, void *p, size_t n, size_t *ret, struct error *err)
{
    ZSTD_inBuffer in = {s->input, s->input_len, s->input_at};
    ZSTD_outBuffer out = {p, n, 0};
    size_t code = ZSTD_decompressStream(s->zstd, &out, &in);
    if (ZSTD_isError(code))
        return corrupt(s, "zstd", ZSTD_getErrorName(code), err);
    s->input_at = in.pos;
    s->inside = code != 0; /* 0: a frame ended and all of it was handed out */
    *ret = out.pos;
    return OK;
}

static enum status compressed_read(struct stream *s, void *p, size_t n, size_t *ret, struct error *err)
{
    const bool gzip = s->compression == COMPRESSION_GZIP;
    n = MIN(n, GIB(1));
    size_t got = 0;
    while (got == 0 && !s->ended) {
        if (s->input_at == s->input_len && !s->input_ended)
            TRY(refill(s, err));
        if (s->input_ended && !s->inside) {
            s->ended = true;
            break;
        }
        TRY(gzip ? gzip_step(s, p, n, &got, err) : zstd_step(s, p, n, &got, err));
        if (got == 0 && s->input_ended && s->inside)
            return corrupt(s, gzip ? "gzip" : "zstd", "it ends too early", err);
    }
    s->position += got;
    *ret = got;
    return OK;
}

enum status stream_read(struct stream *s, void *p, size_t n, size_t *ret, struct error *err)
{
    if (s->pipe)
        return pipe_read(s, p, n, ret, err);
    if (stream_is_compressed(s))
        return compressed_read(s, p, n, ret, err);
    return plain_read(s, p, n, ret, err);
}

/* From the beginning again: there is no other way back in a compressed file. */
static enum status reopen(struct stream *s, struct error *err)
{
    os_file_close(s->fd);
    s->fd = -1;
    TRY(os_file_open(s->path, OS_READ, &s->fd, err));
    s->position = s->taken = 0;
    s->input_at = s->input_len = 0;
    s->ended = s->input_ended = s->inside = false;
    decoder_begin(s);
    return OK;
}

static enum status too_short(struct stream *s, uint64_t position, uint64_t size, struct error *err)
{
    (void)error_set(err, ERR_SOURCE,
                    "file %s is shorter than it was: reading was to go on at byte %llu, and it has %llu", s->path,
                    (unsigned long long)position, (unsigned long long)size);
    return error_hint(err,
                      "the state remembers how far this file was read; put the file back or begin with a new state");
}

enum status stream_seek(struct stream *s, uint64_t position, struct error *err)
{
    if (!stream_is_compressed(s)) {
        uint64_t size;
        TRY(os_file_size(s->fd, &size, err));
        if (position > size)
            return too_short(s, position, size, err);
        s->position = position;
        return OK;
    }
    if (position < s->position)
        TRY(reopen(s, err));
    char *skipped = mem_alloc(INPUT_BYTES);
    enum status status = OK;
    while (status == OK && s->position < position) {
        size_t n = 0;
        status = stream_read(s, skipped, MIN(position - s->position, (uint64_t)INPUT_BYTES), &n, err);
        if (status == OK && n == 0)
            status = too_short(s, position, s->position, err);
    }
    free(skipped);
    return status;
}
