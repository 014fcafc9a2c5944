#include "op/gather.h"

#include <stdlib.h>

struct lists {
    struct arena arena;
    struct list {
        struct gathered *first, *last;
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

void gather_put(struct gather *g, uint32_t worker, const struct gathered *head, struct slice key, struct slice row)
{
    struct lists *lists = &g->workers[worker];
    struct list *list = &lists->shards[shard_of(head->hash)];
    struct gathered *r = arena_alloc(&lists->arena, sizeof *r + key.len + row.len);
    *r = *head;
    r->next = NULL;
    r->key_len = (uint32_t)key.len;
    r->row_len = (uint32_t)row.len;
    if (key.len)
        memcpy(r->bytes, key.data, key.len);
    if (row.len)
        memcpy(r->bytes + key.len, row.data, row.len);
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
