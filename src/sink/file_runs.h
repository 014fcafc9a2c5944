/* Records by key: what file_table.c holds of a table, and of changes on their way into it. Each change set is put in
 * order by itself; runs are then merged, and what the records say stays where it is.
 *
 *     run_add(&r, key, text, &arena); ...
 *     run_sort(&r);
 *     runs_meet(runs, n);               // from here on their heads say the same
 *     run_compare(runs[0], a, b)
 */
#pragma once

#include "base/arena.h"

struct record {
    uint64_t head;     /* bytes of the key, of those in which the keys of its run differ the first */
    const char *bytes; /* the key, then the text */
    uint32_t key_len;
    uint32_t text_len; /* its newline included; 0: the row is gone */
};

/* Where keys differ: bit i, in byte i. Looked at is as much as every key has, 64 bytes at most. */
struct places {
    uint64_t differ;
    uint32_t shortest, longest; /* key */
};

struct run { /* by key bytewise, a shorter key first; each key once */
    struct record *items; /* malloc'ed */
    size_t count, cap;
    struct places places;
};

static inline struct slice record_key(const struct record *r) { return (struct slice){r->bytes, r->key_len}; }
static inline struct slice record_text(const struct record *r)
{
    return (struct slice){r->bytes + r->key_len, r->text_len};
}

/* A record behind the others, whatever its key; its bytes are copied into the arena. text of 0 bytes: gone. */
void run_add(struct run *r, struct slice key, struct slice text, struct arena *a);
/* Put in order what was added; each key was added once. */
void run_sort(struct run *r);
/* Let heads be of the same places in all of these runs. */
void runs_meet(struct run *const *runs, uint32_t n);
/* <0, 0, >0. Both are of runs that have met, `of` is one of them. */
int run_compare(const struct run *of, const struct record *a, const struct record *b);
/* All of them as one, into an empty run: of each key the record of the last run that has it. */
void runs_merge(struct run *const *runs, uint32_t n, struct run *into);
/* Room for so many records in an empty run that is to have the places of `like`; they are passed in order. */
void run_begin(struct run *r, size_t most, const struct run *like);
static inline void run_pass(struct run *r, const struct record *record) { r->items[r->count++] = *record; }
/* Of the records' bytes, which lie anywhere, some of a later one are looked at soon. */
static inline void run_fetch(const struct run *r, size_t at, size_t bytes)
{
    enum { AHEAD = 16, CACHE_LINE = 64, MOST = 6 * CACHE_LINE };
    if (at + AHEAD < r->count)
        for (size_t i = 0; i < MIN(bytes, (size_t)MOST); i += CACHE_LINE)
            __builtin_prefetch(r->items[at + AHEAD].bytes + i);
}
void run_release(struct run *r);
