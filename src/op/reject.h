/* Rejections: rows that were refused, with every reason, on their way to bourn.rejected. One collector a worker; the
 * engine merges them at the end of an epoch in the order of ordinals, so that the relation does not depend on workers.
 */
#pragma once

#include "column/batch.h"

struct rejection {
    uint32_t source; /* index of the table in the plan; UINT32_MAX: past the first stateful step */
    uint32_t split;
    const char *source_name, *topic;
    int64_t offset;       /* -1: none */
    int64_t message_time; /* us; INT64_MIN: none */
    struct slice key, raw; /* data NULL: none */
    const char *rules;    /* "R090,R120" */
    const char *error;    /* details, "; "-separated, or "" */
    int64_t watermark;    /* the one a late row missed; INT64_MIN: none */
    const char *step;     /* step's name, "" for the contract */
    const char *row_key;  /* JSON, past the first stateful step; NULL: none */
};

struct rejections {
    struct arena arena; /* everything the items point to; reset every epoch */
    struct rejection *items;
    uint32_t count, cap;
    uint32_t *order, nordered; /* of rejections_sort */
};

/* A row of a batch with an origin: its place and bytes are copied. rules and error are copied too. */
struct rejection *reject_row(struct rejections *r, const struct batch *b, uint32_t row, const char *source_name,
                             const char *step, const char *rules, const char *error);
/* A row past the first stateful step: all its columns as a JSON object take the place of the bytes. A value whose JSON
 * is longer than 64 MiB (or what is left of 256 MiB for all of the row) is cut, and named in the member "bourn.cut"
 * with the bytes of its text and their hash: {"t":"...","bourn.cut":{"t":{"bytes":70000000,"xxh128":"..."}}}. */
struct rejection *reject_result(struct rejections *r, const struct batch *b, uint32_t row, const char *const *names,
                                const char *step, const char *rules, const char *error);
void rejections_reset(struct rejections *r);
void rejections_release(struct rejections *r);

/* ---- as rows of bourn.rejected, ordered by source, split, offset, then content ---- */

extern const struct schema rejected_schema;
struct rejected_place {
    uint32_t collector, item;
};
/* Each collector's own items first, by any thread; what is added later is left out. */
void rejections_sort(struct rejections *r);
/* Then those of all. */
const struct rejected_place *rejections_merge(const struct rejections *collectors, uint32_t n, struct arena *a,
                                              uint32_t *ret_count);
/* `rows` of them as a batch. Its views point into the collectors. */
struct batch *rejections_batch(const struct rejections *collectors, const struct rejected_place *places, uint32_t rows,
                               int64_t epoch, int64_t now_us, struct arena *a);
