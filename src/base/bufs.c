#include "base/bufs.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    SHORT = 32 << 10,       /* copied */
    FULL = 256 << 10,       /* nothing is copied behind so much */
    SPARE_LEAST = 64 << 10, /* what is shorter costs the allocator little */
    SPARE_MOST = 8 << 20,
    SPARES = 1024,
};
static const size_t spares_most = MIB(128);

/* One list for the process: buffers go from the workers, which fill them, through the engine to the sinks' threads. */
static struct {
    pthread_mutex_t lock;
    struct buf items[SPARES];
    uint32_t count;
    size_t bytes;
} spares = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct buf buf_spare(size_t max)
{
    assert(max >= SPARE_MOST);
    struct buf b = {0};
    pthread_mutex_lock(&spares.lock);
    if (spares.count > 0) {
        b = spares.items[--spares.count]; /* the last one given: it is nearest */
        spares.bytes -= b.cap;
    }
    pthread_mutex_unlock(&spares.lock);
    b.max = max;
    return b;
}

void buf_give(struct buf *b)
{
    buf_clear(b);
    if (b->cap >= SPARE_LEAST && b->cap <= SPARE_MOST) {
        pthread_mutex_lock(&spares.lock);
        if (spares.count < SPARES && spares.bytes + b->cap <= spares_most) {
            spares.bytes += b->cap;
            spares.items[spares.count++] = *b;
            *b = (struct buf){0};
        }
        pthread_mutex_unlock(&spares.lock);
    }
    buf_release(b);
}

void buf_spares_drop(void)
{
    pthread_mutex_lock(&spares.lock);
    while (spares.count > 0)
        buf_release(&spares.items[--spares.count]);
    spares.bytes = 0;
    pthread_mutex_unlock(&spares.lock);
}

static struct buf *add(struct bufs *all, struct buf b)
{
    all->items = mem_grow(all->items, all->count, &all->cap, sizeof *all->items);
    all->items[all->count] = b;
    return &all->items[all->count++];
}

void bufs_put(struct bufs *all, struct buf *b)
{
    assert(!b->overflow);
    if (b->len == 0)
        return;
    all->bytes += b->len;
    if (b->len >= SHORT) {
        add(all, *b);
        *b = buf_spare(b->max);
        return;
    }
    struct buf *last = all->count ? &all->items[all->count - 1] : NULL;
    if (!last || last->len + b->len > FULL)
        last = add(all, buf_spare(b->max));
    buf_put_slice(last, buf_slice(b));
    buf_clear(b);
}

void bufs_join(const struct bufs *all, struct buf *to)
{
    for (uint32_t i = 0; i < all->count; i++)
        buf_put_slice(to, buf_slice(&all->items[i]));
}

void bufs_clear(struct bufs *all)
{
    while (all->count > 0)
        buf_give(&all->items[--all->count]);
    all->bytes = 0;
}

void bufs_release(struct bufs *all)
{
    bufs_clear(all);
    free(all->items);
    *all = (struct bufs){0};
}
