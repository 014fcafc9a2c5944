#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Whatever came from outside must not move the terminal's cursor or forge a log line. */
static void escape_control(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

enum status error_set(struct error *err, enum error_code code, const char *format, ...)
{
    struct error fresh = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(fresh.text, sizeof fresh.text, format, args);
    va_end(args);
    escape_control(fresh.text);
    *err = fresh;
    return FAILED;
}

static enum error_code code_of_errno(int e)
{
    switch (e) {
    case ENOSPC:
    case EDQUOT: return ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS: return ERR_DENIED;
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    default: return ERR_IO;
    }
}

enum status error_errno(struct error *err, int saved_errno, const char *format, ...)
{
    char what[400], why[128];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(err, code_of_errno(saved_errno), "%s: %s", what, strerror_r(saved_errno, why, sizeof why));
}

enum status error_hint(struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    escape_control(err->hint);
    return FAILED;
}

enum status error_prefix(struct error *err, const char *format, ...)
{
    char prefix[200], old[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    escape_control(prefix);
    memcpy(old, err->text, sizeof old);
    snprintf(err->text, sizeof err->text, "%s: %.390s", prefix, old);
    return FAILED;
}

char *error_print(const struct error *err, char *out, unsigned long size)
{
    int n = 0;
    if (err->place.line)
        n = snprintf(out, size, "%s:%u:%u: ", err->place.file, err->place.line, err->place.column);
    if (n >= 0 && (unsigned long)n < size)
        snprintf(out + n, size - (unsigned long)n, "error: %s%s%s", err->text, err->hint[0] ? "\n  hint: " : "",
                 err->hint);
    return out;
}

static const struct {
    const char *name;
    int exit_code;
} codes[] = {
    [ERR_NONE] = {"none", 0},          [ERR_USAGE] = {"usage", 2},         [ERR_SQL] = {"sql", 3},
    [ERR_UNSUPPORTED] = {"unsupported", 3}, [ERR_IO] = {"io", 4},          [ERR_NOT_FOUND] = {"not-found", 4},
    [ERR_EXISTS] = {"exists", 4},      [ERR_CORRUPT] = {"corrupt", 6},     [ERR_CONFLICT] = {"conflict", 5},
    [ERR_FENCED] = {"fenced", 6},      [ERR_STATE] = {"state", 6},         [ERR_LIMIT] = {"limit", 7},
    [ERR_NO_SPACE] = {"no-space", 7},  [ERR_DENIED] = {"denied", 4},       [ERR_SOURCE] = {"source", 4},
    [ERR_SINK] = {"sink", 5},
    [ERR_AUTH] = {"auth", 8},          [ERR_INTERRUPTED] = {"interrupted", 9}, [ERR_VERIFY] = {"verify", 1},
};

int error_exit_code(enum error_code code) { return codes[code].exit_code; }
const char *error_code_name(enum error_code code) { return codes[code].name; }
