#include "base/pages.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"

enum {
    CUT_FROM = 48 << 10, /* bytes: a shard's table of this size has 255 others beside it */
    CHUNK = 8 << 20,
    STEP = 2 << 20, /* what is fetched at once: a huge page */
    SPARE_CHUNKS = 4,
    LINE = 64,
};

struct chunk {
    char *start;
    size_t size, cut, live; /* bytes from the start on that were given out; of these, not released */
    size_t ready;           /* bytes from the start on that were touched or fetched, in whole steps */
    bool used;              /* before it was cut this time: not zero any more */
};

struct pages {
    bool stays;
    pthread_mutex_t lock; /* of what follows */
    struct chunk *chunks; /* the last is the one that is cut */
    size_t nchunks, cap;
    char *spare[SPARE_CHUNKS]; /* all of CHUNK bytes, used before */
    size_t nspare;
    char *next; /* of CHUNK bytes, for when there is no spare one; NULL: none yet */
    size_t next_ready;
    bool preparing;
};

struct pages *pages_new(bool stays)
{
    struct pages *p = mem_zalloc(sizeof *p);
    p->stays = stays;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void pages_free(struct pages *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->nchunks; i++) {
        assert(p->chunks[i].live == 0);
        os_pages_unmap(p->chunks[i].start, p->chunks[i].size);
    }
    for (size_t i = 0; i < p->nspare; i++)
        os_pages_unmap(p->spare[i], CHUNK);
    if (p->next)
        os_pages_unmap(p->next, CHUNK);
    pthread_mutex_destroy(&p->lock);
    free(p->chunks);
    free(p);
}

static size_t to_lines(size_t size) { return (size + LINE - 1) & ~(size_t)(LINE - 1); }

static void drop_chunk(struct pages *p, size_t i)
{
    if (p->chunks[i].size == CHUNK && p->nspare < SPARE_CHUNKS)
        p->spare[p->nspare++] = p->chunks[i].start;
    else
        os_pages_unmap(p->chunks[i].start, p->chunks[i].size);
    memmove(&p->chunks[i], &p->chunks[i + 1], (p->nchunks - i - 1) * sizeof *p->chunks);
    p->nchunks--;
}

static struct chunk *add_chunk(struct pages *p, size_t size)
{
    if (p->nchunks && p->chunks[p->nchunks - 1].live == 0)
        drop_chunk(p, p->nchunks - 1);
    if (p->nchunks == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->chunks = mem_realloc(p->chunks, p->cap * sizeof *p->chunks);
    }
    struct chunk *c = &p->chunks[p->nchunks++];
    *c = (struct chunk){.size = MAX(size, (size_t)CHUNK)};
    if (c->size > CHUNK) {
        c->start = os_pages_map(c->size);
    } else if (p->nspare > 0) {
        c->start = p->spare[--p->nspare];
        c->used = true;
        c->ready = CHUNK;
    } else {
        c->start = p->next ? p->next : os_pages_map(CHUNK);
        c->ready = p->next_ready;
        p->next = NULL;
        p->next_ready = 0;
    }
    return c;
}

void *pages_alloc(struct pages *p, size_t size)
{
    size_t whole = to_lines(size);
    assert(size > 0 && whole >= size);
    if (whole < CUT_FROM || heap_spills)
        return p->stays ? heap_kept(LINE, whole) : heap_aligned(LINE, whole);
    pthread_mutex_lock(&p->lock);
    struct chunk *c = p->nchunks ? &p->chunks[p->nchunks - 1] : NULL;
    if (!c || c->size - c->cut < whole)
        c = add_chunk(p, whole);
    char *piece = c->start + c->cut;
    c->cut += whole;
    c->live += whole;
    if (c->ready < c->cut)
        c->ready = MIN(c->size, (c->cut + STEP - 1) / STEP * STEP);
    bool used = c->used;
    pthread_mutex_unlock(&p->lock);
    if (used)
        memset(piece, 0, whole);
    return piece;
}

void pages_release(struct pages *p, void *piece, size_t size)
{
    size_t whole = to_lines(size), i = 0;
    if (!piece || whole < CUT_FROM || heap_spills) {
        if (p->stays)
            heap_kept_free(piece, whole);
        else
            heap_free(piece);
        return;
    }
    const char *at = piece;
    pthread_mutex_lock(&p->lock);
    while (at < p->chunks[i].start || at >= p->chunks[i].start + p->chunks[i].size) {
        i++;
        assert(i < p->nchunks);
    }
    p->chunks[i].live -= whole;
    if (p->chunks[i].live == 0 && i + 1 < p->nchunks)
        drop_chunk(p, i);
    pthread_mutex_unlock(&p->lock);
}

/* The next step that nothing has touched, which counts as ready from now on: whoever cuts from it before it is finds it
 * as it is. NULL: there is enough. */
static char *take_step(struct pages *p)
{
    struct chunk *c = p->nchunks ? &p->chunks[p->nchunks - 1] : NULL;
    if (!c || c->ready - c->cut + p->nspare * CHUNK + p->next_ready >= CHUNK)
        return NULL;
    if (c->ready < c->size) {
        c->ready += STEP;
        return c->start + c->ready - STEP;
    }
    if (!p->next)
        p->next = os_pages_map(CHUNK);
    p->next_ready += STEP;
    return p->next + p->next_ready - STEP;
}

void pages_prepare(struct pages *p)
{
    pthread_mutex_lock(&p->lock);
    char *step = p->preparing ? NULL : take_step(p);
    p->preparing |= step != NULL;
    pthread_mutex_unlock(&p->lock);
    if (!step)
        return;
    os_pages_fetch(step, STEP);
    pthread_mutex_lock(&p->lock);
    p->preparing = false;
    pthread_mutex_unlock(&p->lock);
}
