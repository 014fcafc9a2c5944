/* The bytes of a file, decompressed on the way when it is gzip or zstd: read in order, or from a position.
 *
 * Positions count uncompressed bytes. In a compressed file going to a position means reading everything before it.
 * Nothing else of the file is held than a window; one thread.
 */
#pragma once

#include "base/base.h"

enum compression { COMPRESSION_AUTO, COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct stream;

/* AUTO: by the first bytes of the file; one that begins as other formats do (xz, zip, Parquet ...) is ERR_SOURCE. *err
 * names the path in every error of this interface. */
enum status stream_open(const char *path, enum compression compression, struct stream **ret, struct error *err);
/* A named pipe, or "-": standard input. Positions go on from `start`, for there is no way back to any: it is read once.
 * Reading never waits; what is there now is handed out. Compressed bytes are an error that says so. */
enum status stream_open_pipe(const char *path, uint64_t start, struct stream **ret, struct error *err);
/* NULL is fine. */
void stream_close(struct stream *s);
/* Go to a position. ERR_SOURCE when the file is shorter. */
enum status stream_seek(struct stream *s, uint64_t position, struct error *err);
/* Up to n bytes; *ret = 0: the end, for now if the file is not compressed. A file that became shorter than what was
 * read of it, a compressed one that is not sound or ends too early: ERR_SOURCE. */
enum status stream_read(struct stream *s, void *p, size_t n, size_t *ret, struct error *err);
uint64_t stream_position(const struct stream *s);
/* Do not read past this size of an uncompressed file, whatever is appended to it. */
void stream_limit(struct stream *s, uint64_t size);
/* Of an uncompressed file its size now, or the limit; of a compressed one, and of a pipe, -1 until it was read to its
 * end. */
int64_t stream_size(struct stream *s);
/* Behind the last newline there is from `from` on: where its whole lines end; `from`: there is none. Of a compressed
 * file and of a pipe what stream_size says. -1: not known. */
int64_t stream_lines_end(struct stream *s, uint64_t from);
/* Has the last writer closed the pipe? */
bool stream_pipe_ended(const struct stream *s);
bool stream_is_compressed(const struct stream *s);
