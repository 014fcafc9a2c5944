#include "op/pairs.h"

#include "column/rowpack.h"

enum { FIRST_PAIRS = 16, CHUNK_PAIRS = 512, BATCH_PAIRS = 1024, LISTS = 64 };

/* Of one batch; the batch is first, so that one is the other. */
struct drained {
    struct batch batch;
    uint32_t nchunks;
    const struct pairs_chunk *chunks[LISTS];
};

void pairs_init(struct pairs *p, const struct type *types, uint32_t nleft, uint32_t nright)
{
    *p = (struct pairs){.types = types, .ncols = {nleft, nright}};
}

void pairs_release(struct pairs *p)
{
    for (unsigned i = 0; i < SHARDS; i++)
        arena_release(&p->shards[i].arena);
}

void pairs_reset(struct pairs *p, unsigned shard)
{
    struct pairs_list *list = &p->shards[shard];
    if (!list->first)
        return;
    arena_reset(&list->arena);
    list->first = list->last = NULL;
}

static struct pairs_chunk *add_chunk(struct pairs_list *list)
{
    uint32_t cap = list->last ? MIN(2 * list->last->cap, (uint32_t)CHUNK_PAIRS) : FIRST_PAIRS;
    struct pairs_chunk *chunk = arena_alloc(&list->arena, sizeof *chunk + cap * sizeof *chunk->items);
    *chunk = (struct pairs_chunk){.cap = cap};
    if (list->last)
        list->last->next = chunk;
    else
        list->first = chunk;
    list->last = chunk;
    return chunk;
}

void pairs_put(struct pairs *p, unsigned shard, const struct pair *pair)
{
    struct pairs_chunk *chunk = p->shards[shard].last;
    if (!chunk || chunk->n == chunk->cap)
        chunk = add_chunk(&p->shards[shard]);
    chunk->items[chunk->n++] = *pair;
}

static const struct pairs_chunk *next_chunk(struct pairs *p)
{
    while (!p->chunk && p->shard < SHARDS)
        p->chunk = p->shards[p->shard++].first;
    const struct pairs_chunk *chunk = p->chunk;
    if (chunk)
        p->chunk = chunk->next;
    return chunk;
}

struct batch *pairs_next(struct pairs *p, struct arena *a)
{
    struct drained *d = NULL;
    const struct pairs_chunk *chunk;
    while ((!d || (d->batch.rows < BATCH_PAIRS && d->nchunks < LISTS)) && (chunk = next_chunk(p))) {
        if (!d)
            d = arena_zalloc(a, sizeof *d);
        d->chunks[d->nchunks++] = chunk;
        d->batch.rows += chunk->n;
    }
    if (!d) {
        p->shard = 0;
        return NULL;
    }
    d->batch.live = d->batch.rows;
    return &d->batch;
}

struct batch *pairs_columns(const struct pairs *p, const struct batch *drained, struct arena *a)
{
    const struct drained *d = (const struct drained *)drained;
    uint32_t rows = drained->rows, at = 0;
    struct batch *b = batch_make(a, p->types, p->ncols[0] + p->ncols[1], rows);
    struct slice *packed[2] = {arena_array(a, rows, sizeof(struct slice)), arena_array(a, rows, sizeof(struct slice))};
    int64_t *weight = arena_array(a, rows, sizeof *weight);
    bool counts = false;
    for (uint32_t k = 0; k < d->nchunks; k++)
        for (uint32_t i = 0; i < d->chunks[k]->n; i++, at++) {
            const struct pair *pair = &d->chunks[k]->items[i];
            packed[0][at] = pair->rows[0];
            packed[1][at] = pair->rows[1];
            weight[at] = pair->weight;
            counts |= pair->weight != 1;
        }
    assert(at == rows);
    b->rows = b->live = rows;
    b->weight = counts ? weight : NULL;
    bool ok = rowpack_get_all(packed[0], rows, b->cols, p->ncols[0], a) &&
              (p->ncols[1] == 0 || rowpack_get_all(packed[1], rows, b->cols + p->ncols[0], p->ncols[1], a));
    assert(ok); /* this process packed them, or a checksum covered them */
    return b;
}
