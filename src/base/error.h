/* Status and error: how every fallible function of bourn answers.
 *
 * A fallible function returns enum status and takes `struct error *err` last. On FAILED it has filled *err and left
 * every ret_* output untouched; on OK and AGAIN it has not touched *err. AGAIN is no error: "nothing now, call again".
 *
 *     enum status store_get(struct store *s, const char *name, struct buf *into, struct error *err);
 *     ...
 *     TRY(store_get(s, "log/1", &bytes, err));
 *
 * Nothing is allocated to report an error. A bug in bourn is an assert, not an error; a bad row is data, not an error.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum [[nodiscard]] status { OK, AGAIN, FAILED };

/* What went wrong, coarsely: decides the exit code (error_exit_code) and whether a retry makes sense. */
enum error_code {
    ERR_NONE,
    ERR_USAGE,       /* the command line or the environment */
    ERR_SQL,         /* the pipeline's text: always has a place */
    ERR_UNSUPPORTED, /* understood, but not supported: named */
    ERR_IO,          /* the operating system said no */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_CORRUPT,  /* bytes that fail their checksum or their format */
    ERR_CONFLICT, /* another writer won; applying again may succeed */
    ERR_FENCED,   /* another instance owns the state or sink: stop at once */
    ERR_STATE,    /* state, lake and pipeline do not belong together */
    ERR_LIMIT,    /* one of bourn's own limits, named with its setting */
    ERR_NO_SPACE,
    ERR_DENIED, /* the operating system does not let us: that is for somebody to change */
    ERR_SOURCE,
    ERR_SINK,
    ERR_AUTH,
    ERR_INTERRUPTED, /* asked to stop */
    ERR_VERIFY,      /* a proof failed */
};

/* A place in the pipeline's text. line and column count from 1, columns in characters; line 0 = no place. */
struct place {
    char file[128];
    uint32_t line, column;
};

struct error {
    enum error_code code;
    bool retriable; /* the same call may succeed later without anybody changing anything */
    struct place place;
    char text[600]; /* one sentence without a full stop at its end, no newline, control characters escaped */
    char hint[300]; /* what to do about it, or "" */
};

/* Fill *err; always returns FAILED, so that `return error_set(err, ERR_IO, "...")` reads as one line. */
enum status error_set(struct error *err, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As error_set, and appends ": " and the text of errno. ENOSPC, EDQUOT -> ERR_NO_SPACE; EACCES, EPERM, EROFS ->
 * ERR_DENIED; ENOENT -> ERR_NOT_FOUND; EEXIST -> ERR_EXISTS; else ERR_IO. */
enum status error_errno(struct error *err, int saved_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Add or replace the hint; returns FAILED. */
enum status error_hint(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Put "PREFIX: " before the text: where it happened, said by who knows it. Returns FAILED. */
enum status error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "file:line:column: error: text\n  hint: hint" into out (always terminated). Returns out. */
char *error_print(const struct error *err, char *out, unsigned long size);
/* The process exit code of an error, 1..9; the list is in docs/operations.md. */
int error_exit_code(enum error_code code);
/* A short stable word for logs and --json: "io", "sql", ... */
const char *error_code_name(enum error_code code);

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        enum status try_status_ = (call);                                                                              \
        if (try_status_ != OK)                                                                                         \
            return try_status_;                                                                                        \
    } while (0)

/* AUTO(buf) b = {0}; calls buf_autofree(&b) when b goes out of scope. */
#define AUTO(type) [[gnu::cleanup(type##_autofree)]] struct type
