#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"

struct arena_block {
    struct arena_block *older;
    size_t size; /* of the whole block, this header included */
    _Alignas(16) char bytes[];
};

enum { FIRST_BLOCK = 4 << 10, LAST_BLOCK = 1 << 20 };

void *arena_alloc_slow(struct arena *a, size_t size)
{
    size_t need;
    if (__builtin_add_overflow(size, sizeof(struct arena_block) + 15, &need))
        need = SIZE_MAX; /* mem_alloc aborts with a message */
    size_t want = a->head ? MIN(a->head->size * 2, (size_t)LAST_BLOCK) : (size_t)FIRST_BLOCK;
    size_t block_size = MAX(want, need);
    struct arena_block *block = a->state ? heap_alloc(block_size) : mem_alloc(block_size);
    block->older = a->head;
    block->size = block_size;
    a->head = block;
    a->next = block->bytes;
    a->end = (char *)block + block_size;
    a->total += block_size;
    return arena_alloc(a, size);
}

void *arena_zalloc(struct arena *a, size_t size) { return memset(arena_alloc(a, size), 0, size); }

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    return arena_alloc(a, bytes);
}

void *arena_zarray(struct arena *a, size_t count, size_t size)
{
    void *p = arena_array(a, count, size);
    return memset(p, 0, count * size);
}

char *arena_strdup(struct arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (len)
        memcpy(copy, s, len);
    copy[len] = 0;
    return copy;
}

void *arena_dup(struct arena *a, const void *p, size_t len)
{
    void *copy = arena_alloc(a, len);
    if (len)
        memcpy(copy, p, len);
    return copy;
}

void *arena_grow(struct arena *a, void *items, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    assert(*cap <= UINT32_MAX / 2);
    *cap = *cap ? 2 * *cap : 16;
    void *grown = arena_array(a, *cap, size);
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    char *out = arena_alloc(a, (size_t)n + 1);
    vsnprintf(out, (size_t)n + 1, format, again);
    va_end(again);
    return out;
}

static void free_older(struct arena *a, struct arena_block *keep)
{
    struct arena_block *b = a->head;
    while (b) {
        struct arena_block *older = b->older;
        if (b != keep && a->state)
            heap_free(b);
        else if (b != keep)
            free(b);
        b = older;
    }
}

void arena_reset(struct arena *a)
{
    /* Keep the largest ordinary block: one oversized piece must not stay resident for ever. */
    struct arena_block *keep = NULL;
    for (struct arena_block *b = a->head; b; b = b->older)
        if (b->size <= LAST_BLOCK && (!keep || b->size > keep->size))
            keep = b;
    free_older(a, keep);
    *a = (struct arena){.state = a->state};
    if (!keep)
        return;
    keep->older = NULL;
    a->head = keep;
    a->next = keep->bytes;
    a->end = (char *)keep + keep->size;
    a->total = keep->size;
}

void arena_release(struct arena *a)
{
    free_older(a, NULL);
    *a = (struct arena){.state = a->state};
}
