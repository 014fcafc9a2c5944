/* The pipeline's text and what is wrong with it. Several files are one text: the location of a byte is its offset in
 * the files laid end to end, so that a tree may carry one int32_t. An error's place is made from it at the last moment.
 */
#pragma once

#include "plan/plan.h"

enum {
    TEXT_MAX_BYTES = 4 << 20, /* of all files together */
    TEXT_MARK_BYTES = 4096,
    PROBLEMS_MAX = 21, /* the first error and 20 further ones */
};

struct text {
    const struct plan_text *files;
    size_t nfiles;
    struct text_mark { /* line and column at every TEXT_MARK_BYTES-th byte */
        uint32_t line, column;
    } *marks;
};

/* The marks lie in the arena. FAILED: too much text. */
enum status text_init(struct text *t, const struct plan_text *files, size_t nfiles, struct arena *a,
                      struct error *err);

/* Location of the first byte of a file. */
int32_t text_base(const struct text *t, size_t file);
/* File, line and column (in characters) of a location; -1 has none. */
struct place text_place(const struct text *t, int32_t location);

/* Bytes before the first that is NUL or no UTF-8; the whole length if there is none. */
size_t text_utf8_prefix(struct slice s);

/* The errors found so far. A problem that follows from one already reported is not reported again: its error has the
 * code ERR_NONE (see problem_silent). */
struct problems {
    const struct text *text;
    uint32_t count;
    struct error items[PROBLEMS_MAX];
};

/* Set *err with its place; FAILED. */
enum status problem_at(const struct text *t, int32_t location, struct error *err, enum error_code code,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Give an error that has no place yet this one; passes `status` on. */
enum status problem_locate(const struct text *t, int32_t location, enum status status, struct error *err);
/* FAILED, and nothing to say: the cause has been reported. */
enum status problem_silent(struct error *err);
/* Keep an error, if there is room and it has something to say. */
void problems_add(struct problems *p, const struct error *err);
