#include "lake/dict.h"

#include <stdlib.h>

#include "base/hash.h"

enum { FIRST_SLOTS = 1024 };

void dict_init(struct dict *d, enum dict_kind kind)
{
    *d = (struct dict){.kind = kind, .bytes = BUF(UINT32_MAX)};
}

void dict_release(struct dict *d)
{
    free(d->slots);
    free(d->hashes);
    free(d->keys);
    free(d->ends);
    buf_release(&d->bytes);
    dict_init(d, d->kind);
}

void dict_clear(struct dict *d)
{
    if (d->slots)
        memset(d->slots, 0, d->nslots * sizeof *d->slots);
    d->n = 0;
    buf_clear(&d->bytes);
}

static void grow(struct dict *d)
{
    d->nslots = d->nslots ? d->nslots * 2 : FIRST_SLOTS;
    d->capacity = d->nslots / 2;
    free(d->slots);
    d->slots = mem_zalloc(d->nslots * sizeof *d->slots);
    d->hashes = mem_realloc(d->hashes, d->capacity * sizeof *d->hashes);
    if (d->kind == DICT_BYTES)
        d->ends = mem_realloc(d->ends, d->capacity * sizeof *d->ends);
    else
        d->keys = mem_realloc(d->keys, d->capacity * sizeof *d->keys * (d->kind == DICT_64 ? 1 : 2));
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t at = d->hashes[i] & (d->nslots - 1);
        while (d->slots[at])
            at = (at + 1) & (d->nslots - 1);
        d->slots[at] = i + 1;
    }
}

static uint32_t new_entry(struct dict *d, uint32_t slot, uint32_t hash)
{
    uint32_t i = d->n++;
    d->slots[slot] = i + 1;
    d->hashes[i] = hash;
    return i;
}

static uint32_t add_64(struct dict *d, uint64_t v)
{
    uint32_t hash = (uint32_t)hash_mix(v), at = hash & (d->nslots - 1), entry;
    while ((entry = d->slots[at])) {
        if (d->keys[entry - 1] == v)
            return entry - 1;
        at = (at + 1) & (d->nslots - 1);
    }
    d->keys[d->n] = v;
    return new_entry(d, at, hash);
}

static uint32_t add_128(struct dict *d, const uint64_t v[2])
{
    uint32_t hash = (uint32_t)hash_mix(v[0] ^ hash_mix(v[1])), at = hash & (d->nslots - 1), entry;
    while ((entry = d->slots[at])) {
        if (memcmp(&d->keys[(size_t)(entry - 1) * 2], v, 16) == 0)
            return entry - 1;
        at = (at + 1) & (d->nslots - 1);
    }
    memcpy(&d->keys[(size_t)d->n * 2], v, 16);
    return new_entry(d, at, hash);
}

static uint32_t add_bytes(struct dict *d, const struct view *v)
{
    const char *p = view_data(v);
    uint32_t hash = (uint32_t)hash64(p, v->len, 0), at = hash & (d->nslots - 1), entry;
    while ((entry = d->slots[at])) {
        if (d->hashes[entry - 1] == hash) {
            struct slice known = dict_entry(d, entry - 1);
            if (known.len == v->len + 4 && memcmp(known.data + 4, p, v->len) == 0)
                return entry - 1;
        }
        at = (at + 1) & (d->nslots - 1);
    }
    buf_put_u32(&d->bytes, v->len);
    buf_put(&d->bytes, p, v->len);
    assert(!d->bytes.overflow);
    d->ends[d->n] = (uint32_t)d->bytes.len;
    return new_entry(d, at, hash);
}

void dict_add(struct dict *d, const void *values, size_t n, uint32_t *ret)
{
    while (d->capacity - d->n < n)
        grow(d);
    switch (d->kind) {
    case DICT_64:
        for (size_t i = 0; i < n; i++)
            ret[i] = add_64(d, ((const uint64_t *)values)[i]);
        break;
    case DICT_128:
        for (size_t i = 0; i < n; i++)
            ret[i] = add_128(d, (const uint64_t *)values + i * 2);
        break;
    case DICT_BYTES:
        for (size_t i = 0; i < n; i++)
            ret[i] = add_bytes(d, (const struct view *)values + i);
        break;
    }
}
