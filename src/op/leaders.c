#include "op/leaders.h"

#include <stdlib.h>

/* Where each partition has its place; of two that want the same one the later has it. Keys that are longer are not
 * remembered. Sort keys are compared by their first bytes: those that have them in common count as equal. */
enum { PLACES = 8192, KEY_MOST = 32 };

struct lead {
    int64_t epoch;
    uint8_t key_len, count;
    char key[KEY_MOST];
    uint128 ahead[]; /* the lowest, ascending */
};

struct leaders {
    uint32_t limit;
    size_t place_size;
    char *places;
};

struct leaders *leaders_new(uint32_t limit)
{
    assert(limit > 0 && limit <= LEADERS_MOST);
    struct leaders *l = mem_zalloc(sizeof *l);
    l->limit = limit;
    l->place_size = sizeof(struct lead) + limit * sizeof(uint128);
    l->places = mem_zalloc(PLACES * l->place_size);
    return l;
}

void leaders_free(struct leaders *l)
{
    if (!l)
        return;
    free(l->places);
    free(l);
}

/* The first bytes as a number that orders as they do; a shorter key is below those that it begins. */
static uint128 first_bytes(struct slice key)
{
    unsigned char bytes[16] = {0};
    if (key.len)
        memcpy(bytes, key.data, MIN(key.len, sizeof bytes));
    return (uint128)__builtin_bswap64(load_u64(bytes)) << 64 | __builtin_bswap64(load_u64(bytes + 8));
}

bool leaders_behind(struct leaders *l, int64_t epoch, uint64_t hash, struct slice partition, struct slice sort_key)
{
    if (partition.len > KEY_MOST)
        return false;
    struct lead *p = (struct lead *)(l->places + (hash % PLACES) * l->place_size);
    if (p->epoch != epoch || !slice_equal((struct slice){p->key, p->key_len}, partition)) {
        p->epoch = epoch;
        p->count = 0;
        p->key_len = (uint8_t)partition.len;
        if (partition.len)
            memcpy(p->key, partition.data, partition.len);
    }
    uint128 key = first_bytes(sort_key);
    uint32_t at = p->count;
    if (at == l->limit && p->ahead[at - 1] < key)
        return true;
    at -= at == l->limit;
    for (; at > 0 && p->ahead[at - 1] > key; at--)
        p->ahead[at] = p->ahead[at - 1];
    p->ahead[at] = key;
    p->count = (uint8_t)MIN(p->count + 1u, l->limit);
    return false;
}
