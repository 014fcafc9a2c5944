/* Gathering: an epoch's rows on their way from the workers that pushed them to the shards that keep them. Each worker
 * writes lists of its own, one a shard; when workers have met, a shard's owner reads all of them. The rows of a list
 * lie one after the other, because they are read when they have long left the caches.
 */
#pragma once

#include "base/hash.h"
#include "column/batch.h"

struct gathered {
    struct gathered *next;
    uint64_t hash; /* of the key: tells the shard */
    int64_t weight;
    int64_t time;  /* the operator's */
    uint32_t len;
    uint32_t port; /* the operator's, too */
    char bytes[];  /* the row, as the operator wrote it */
};

static inline struct slice gathered_bytes(const struct gathered *r) { return (struct slice){r->bytes, r->len}; }

struct gather;
struct gather *gather_new(uint32_t nworkers);
void gather_free(struct gather *g);
/* A row, by the worker that runs this; its bytes are copied. */
void gather_put(struct gather *g, uint32_t worker, const struct gathered *head, struct slice bytes);
/* The rows of a shard, those of one worker in the order they were put. */
const struct gathered *gather_first(const struct gather *g, uint32_t worker, unsigned shard);
/* Forget the epoch's rows. */
void gather_clear(struct gather *g);
size_t gather_bytes(const struct gather *g);
