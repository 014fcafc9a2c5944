#include "op/gather.h"

#include <stdlib.h>

enum { FIRST_CHUNK = 512, LAST_CHUNK = 32 << 10 }; /* bytes */

struct lists {
    struct arena arena;
    struct list {
        struct gathered *first, *last;
        char *at, *end; /* room behind the last one */
        uint32_t chunk; /* bytes of the last chunk */
    } shards[SHARDS];
    bool used;
};

struct gather {
    uint32_t nworkers;
    struct lists *workers;
};

struct gather *gather_new(uint32_t nworkers)
{
    struct gather *g = mem_zalloc(sizeof *g);
    g->nworkers = nworkers;
    g->workers = mem_zalloc(nworkers * sizeof *g->workers);
    return g;
}

void gather_free(struct gather *g)
{
    if (!g)
        return;
    for (uint32_t w = 0; w < g->nworkers; w++)
        arena_release(&g->workers[w].arena);
    free(g->workers);
    free(g);
}

static void *list_alloc(struct list *list, struct arena *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if ((size_t)(list->end - list->at) < size) {
        list->chunk = list->chunk ? MIN(2 * list->chunk, (uint32_t)LAST_CHUNK) : FIRST_CHUNK;
        size_t room = MAX(size, (size_t)list->chunk);
        list->at = arena_alloc(a, room);
        list->end = list->at + room;
    }
    void *p = list->at;
    list->at += size;
    return p;
}

void gather_put(struct gather *g, uint32_t worker, const struct gathered *head, struct slice bytes)
{
    struct lists *lists = &g->workers[worker];
    struct list *list = &lists->shards[shard_of(head->hash)];
    struct gathered *r = list_alloc(list, &lists->arena, sizeof *r + bytes.len);
    *r = *head;
    r->next = NULL;
    r->len = (uint32_t)bytes.len;
    if (bytes.len)
        memcpy(r->bytes, bytes.data, bytes.len);
    if (list->last)
        list->last->next = r;
    else
        list->first = r;
    list->last = r;
    lists->used = true;
}

const struct gathered *gather_first(const struct gather *g, uint32_t worker, unsigned shard)
{
    return g->workers[worker].shards[shard].first;
}

void gather_clear(struct gather *g)
{
    for (uint32_t w = 0; w < g->nworkers; w++) {
        if (!g->workers[w].used)
            continue;
        memset(g->workers[w].shards, 0, sizeof g->workers[w].shards);
        arena_reset(&g->workers[w].arena);
        g->workers[w].used = false;
    }
}

size_t gather_bytes(const struct gather *g)
{
    size_t bytes = 0;
    for (uint32_t w = 0; w < g->nworkers; w++)
        bytes += g->workers[w].arena.total;
    return bytes;
}
