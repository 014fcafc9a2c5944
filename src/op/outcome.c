#include "op/outcome.h"

#include <stdlib.h>

void outcomes_init(struct outcomes *o, const struct type *types, uint32_t ncols)
{
    *o = (struct outcomes){.types = types, .ncols = ncols};
}

void outcomes_release(struct outcomes *o)
{
    for (unsigned s = 0; s < SHARDS; s++) {
        arena_release(&o->shards[s].arena);
        free(o->shards[s].batches);
    }
}

void outcome_reset(struct outcomes *o, unsigned shard)
{
    if (o->shards[shard].count == 0)
        return;
    arena_reset(&o->shards[shard].arena);
    o->shards[shard].count = 0;
}

static struct batch *start_batch(struct outcomes *o, struct outcome *out)
{
    struct batch *b = batch_make(&out->arena, o->types, o->ncols, OUTCOME_ROWS);
    for (uint32_t c = 0; c < o->ncols; c++)
        b->cols[c].valid = arena_zarray(&out->arena, BITMAP_WORDS(OUTCOME_ROWS), sizeof(uint64_t));
    out->weight = arena_array(&out->arena, OUTCOME_ROWS, sizeof *out->weight);
    b->weight = out->weight;
    b->rows = b->live = 0;
    out->batches = mem_grow(out->batches, out->count, &out->cap, sizeof(struct batch *));
    out->batches[out->count++] = b;
    return b;
}

struct batch *outcome_row(struct outcomes *o, unsigned shard, int64_t weight, uint32_t *ret_row)
{
    struct outcome *out = &o->shards[shard];
    struct batch *b = out->count ? out->batches[out->count - 1] : NULL;
    if (!b || b->rows == OUTCOME_ROWS)
        b = start_batch(o, out);
    out->weight[b->rows] = weight;
    *ret_row = b->rows++;
    b->live = b->rows;
    return b;
}

void outcome_drop(struct batch *b) { b->live = --b->rows; }

struct batch *outcomes_next(struct outcomes *o)
{
    for (; o->shard < SHARDS; o->shard++, o->batch = 0) {
        struct outcome *out = &o->shards[o->shard];
        while (o->batch < out->count) {
            struct batch *b = out->batches[o->batch++];
            if (b->live)
                return b;
        }
    }
    o->shard = 0;
    o->batch = 0;
    return NULL;
}
