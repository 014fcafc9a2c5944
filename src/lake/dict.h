/* The dictionary of one column chunk: distinct values, numbered as they come. */
#pragma once

#include "column/batch.h"

enum dict_kind { DICT_64, DICT_128, DICT_BYTES };

struct dict {
    enum dict_kind kind;
    uint32_t n, capacity, nslots;
    uint32_t *slots;  /* index + 1; 0: free; open addressing, at most half full */
    uint32_t *hashes; /* per entry */
    uint64_t *keys;   /* DICT_64: one per entry; DICT_128: two */
    uint32_t *ends;   /* DICT_BYTES: end of each entry in bytes */
    struct buf bytes; /* DICT_BYTES: per entry u32 length and the bytes, as PLAIN wants them */
};

void dict_init(struct dict *d, enum dict_kind kind);
void dict_release(struct dict *d);
void dict_clear(struct dict *d);
/* The numbers of n values; new ones are added. values: int64_t, pairs of uint64_t, struct view by kind. */
void dict_add(struct dict *d, const void *values, size_t n, uint32_t *ret);
/* Bytes held by the values alone. */
static inline size_t dict_bytes(const struct dict *d)
{
    return d->kind == DICT_BYTES ? d->bytes.len : d->n * (d->kind == DICT_64 ? sizeof(uint64_t) : 2 * sizeof(uint64_t));
}
/* Entry i of a DICT_BYTES, with its length before it. */
static inline struct slice dict_entry(const struct dict *d, uint32_t i)
{
    uint32_t start = i ? d->ends[i - 1] : 0;
    return (struct slice){d->bytes.data + start, d->ends[i] - start};
}
