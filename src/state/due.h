/* What is due when: entries by the time at which something happens to them. In memory only; who owns the entries
 * rebuilds it after a load. One thread at a time.
 */
#pragma once

#include "base/base.h"

struct due_item {
    int64_t time;
    void *what;
    uint32_t *position; /* kept up to date: where in the heap the item is; NULL: nobody asks */
};

struct due {
    struct due_item *items; /* a heap, the earliest first */
    uint32_t count, cap;
    uint32_t taken; /* since what comes next was wanted */
};

void due_put(struct due *d, int64_t time, void *what, uint32_t *position);
/* The earliest item, if its time is at or before `until`: it is taken out. NULL: there is none. Where state lies on
 * disk, those that are taken next are read together. */
void *due_take(struct due *d, int64_t until, int64_t *ret_time);
/* Take out the item whose *position this is. */
void due_remove(struct due *d, uint32_t position);
/* When the earliest item is due; INT64_MAX: there is none. */
static inline int64_t due_next(const struct due *d) { return d->count ? d->items[0].time : INT64_MAX; }
void due_release(struct due *d);
static inline size_t due_bytes(const struct due *d) { return d->cap * sizeof *d->items; }
