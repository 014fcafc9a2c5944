#include "state/due.h"

#include "base/heap.h"

/* A heap in which each has four below it: half as deep as with two, and what is moved is written elsewhere, too. */
enum { BELOW = 4 };

enum { WANTED = 512 }; /* items at the top of the heap that are wanted at a time */

static void place(struct due *d, uint32_t at, struct due_item item)
{
    d->items[at] = item;
    if (item.position)
        *item.position = at;
}

static void sift_up(struct due *d, uint32_t at, struct due_item item)
{
    while (at > 0 && item.time < d->items[(at - 1) / BELOW].time) {
        place(d, at, d->items[(at - 1) / BELOW]);
        at = (at - 1) / BELOW;
    }
    place(d, at, item);
}

static void sift_down(struct due *d, uint32_t at, struct due_item item)
{
    for (;;) {
        uint64_t first = (uint64_t)BELOW * at + 1, end = MIN(first + BELOW, (uint64_t)d->count);
        if (first >= end)
            break;
        uint32_t child = (uint32_t)first;
        for (uint64_t i = first + 1; i < end; i++)
            child = d->items[i].time < d->items[child].time ? (uint32_t)i : child;
        if (item.time <= d->items[child].time)
            break;
        place(d, at, d->items[child]);
        at = child;
    }
    place(d, at, item);
}

void due_put(struct due *d, int64_t time, void *what, uint32_t *position)
{
    if (d->count == d->cap) {
        assert(d->cap < UINT32_MAX / 2);
        d->cap = d->cap ? d->cap * 2 : 16;
        d->items = heap_realloc(d->items, d->cap * sizeof *d->items);
    }
    sift_up(d, d->count++, (struct due_item){time, what, position});
}

void due_remove(struct due *d, uint32_t position)
{
    assert(position < d->count);
    struct due_item last = d->items[--d->count];
    if (position == d->count)
        return;
    if (position > 0 && last.time < d->items[(position - 1) / BELOW].time)
        sift_up(d, position, last);
    else
        sift_down(d, position, last);
}

/* The earliest lie at the top, if not in order. */
static void want_next(struct due *d, int64_t until)
{
    if (d->taken++ % (WANTED / 2) != 0)
        return;
    heap_tend();
    for (uint32_t i = 0; i < MIN(d->count, (uint32_t)WANTED); i++)
        if (d->items[i].time <= until)
            heap_want(d->items[i].what);
}

void *due_take(struct due *d, int64_t until, int64_t *ret_time)
{
    if (d->count == 0 || d->items[0].time > until) {
        d->taken = 0;
        return NULL;
    }
    if (unlikely(heap_spills))
        want_next(d, until);
    void *what = d->items[0].what;
    *ret_time = d->items[0].time;
    due_remove(d, 0);
    return what;
}

void due_release(struct due *d)
{
    heap_free(d->items);
    *d = (struct due){0};
}
