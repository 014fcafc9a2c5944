/* An entry is a hash set of 32-bit tags: the high half of a key's hash says where, the low half (never 0) is what is
 * stored. At most half of the slots are taken, so a key of another file is mistaken for one of ours about once in 2^31.
 * A mistake costs a look into the file, nothing else. */
#include <stdlib.h>

#include "sink/delta_sink.h"

struct key_entry {
    char *path;
    uint32_t *slots, mask; /* 0: free */
    uint64_t used;         /* clock of its last use */
};

struct key_cache {
    struct key_entry *entries;
    uint32_t count, cap;
    uint64_t bytes, max_bytes, clock;
};

struct key_cache *key_cache_new(uint64_t max_bytes)
{
    struct key_cache *k = mem_zalloc(sizeof *k);
    k->max_bytes = max_bytes;
    return k;
}

static uint64_t entry_bytes(const struct key_entry *e)
{
    return ((uint64_t)e->mask + 1) * sizeof *e->slots;
}

static void drop_entry(struct key_cache *k, uint32_t i)
{
    struct key_entry *e = &k->entries[i];
    k->bytes -= entry_bytes(e);
    free(e->path);
    free(e->slots);
    *e = k->entries[--k->count];
}

void key_cache_free(struct key_cache *k)
{
    if (!k)
        return;
    while (k->count)
        drop_entry(k, k->count - 1);
    free(k->entries);
    free(k);
}

static struct key_entry *find_entry(const struct key_cache *k, const char *path)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (strcmp(k->entries[i].path, path) == 0)
            return &k->entries[i];
    return NULL;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash | 1;
}
static uint32_t slot_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static bool entry_has(const struct key_entry *e, uint64_t hash)
{
    for (uint32_t at = slot_of(hash) & e->mask; e->slots[at]; at = (at + 1) & e->mask)
        if (e->slots[at] == tag_of(hash))
            return true;
    return false;
}

bool key_cache_ask(struct key_cache *k, const char *path, const struct changes *c, uint32_t from, uint32_t to,
                   bool *ret_holds)
{
    struct key_entry *e = find_entry(k, path);
    if (!e)
        return false;
    e->used = ++k->clock;
    *ret_holds = false;
    for (uint32_t i = from; i < to && !*ret_holds; i++)
        *ret_holds = entry_has(e, c->items[i].hash);
    return true;
}

static void drop_oldest(struct key_cache *k)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < k->count; i++)
        if (k->entries[i].used < k->entries[oldest].used)
            oldest = i;
    drop_entry(k, oldest);
}

void key_cache_put(struct key_cache *k, const char *path, const uint64_t *hashes, size_t n)
{
    uint64_t size = 16;
    while (size < n * 2)
        size *= 2;
    if (size * sizeof(uint32_t) > k->max_bytes || find_entry(k, path))
        return;
    while (k->count && k->bytes + size * sizeof(uint32_t) > k->max_bytes)
        drop_oldest(k);
    k->entries = mem_grow(k->entries, k->count, &k->cap, sizeof *k->entries);
    struct key_entry *e = &k->entries[k->count++];
    *e = (struct key_entry){.path = mem_strdup(path),
                            .slots = mem_zalloc(size * sizeof *e->slots),
                            .mask = (uint32_t)(size - 1),
                            .used = ++k->clock};
    k->bytes += entry_bytes(e);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = slot_of(hashes[i]) & e->mask;
        while (e->slots[at] && e->slots[at] != tag_of(hashes[i]))
            at = (at + 1) & e->mask;
        e->slots[at] = tag_of(hashes[i]);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void key_cache_trim(struct key_cache *k, const struct delta_table *t)
{
    uint32_t n = delta_file_count(t);
    if (k->count == 0)
        return;
    const char **live = mem_array(MAX(n, 1), sizeof *live);
    for (uint32_t i = 0; i < n; i++)
        live[i] = delta_file_at(t, i)->path;
    qsort(live, n, sizeof *live, by_text);
    for (uint32_t i = k->count; i-- > 0;) {
        const char *path = k->entries[i].path;
        if (!bsearch(&path, live, n, sizeof *live, by_text))
            drop_entry(k, i);
    }
    free(live);
}
