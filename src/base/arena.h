/* Arena: memory that is freed all at once. Allocation is a pointer bump; there is no free of one piece.
 *
 *     AUTO(arena) a = {0};                      // zero is a valid empty arena
 *     char *name = arena_strdup(&a, "bourn");
 *     arena_reset(&a);                          // keeps the largest block for the next round
 *
 * Not thread-safe: one arena, one owner. Blocks double from 4 KiB to 1 MiB; larger pieces get a block of their own.
 * Everything is aligned to 16 bytes and NOT zeroed unless the name says so. Pieces of 0 bytes are not NULL either.
 */
#pragma once

#include "base/base.h"

struct arena {
    struct arena_block *head;
    char *next, *end;
    size_t total; /* bytes in all blocks: what a budget is charged */
    bool state;   /* blocks are the heap's (heap.h), not malloc's; set before the first allocation */
};

void *arena_alloc_slow(struct arena *a, size_t size);

static inline void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = (size + !size + 15) & ~(size_t)15;
    if (unlikely(rounded < size || (size_t)(a->end - a->next) < rounded))
        return arena_alloc_slow(a, size);
    void *p = a->next;
    a->next += rounded;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size);
/* count * size, overflow-checked (aborts). */
void *arena_array(struct arena *a, size_t count, size_t size);
void *arena_zarray(struct arena *a, size_t count, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);
void *arena_dup(struct arena *a, const void *p, size_t len);
/* Room for one more item of an array that has `count`: the array, or a larger copy of it when all of *cap is used. */
void *arena_grow(struct arena *a, void *items, uint32_t count, uint32_t *cap, size_t size);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forget everything; keep one block so that a steady loop allocates nothing. */
void arena_reset(struct arena *a);
void arena_release(struct arena *a);
static inline void arena_autofree(struct arena *a) { arena_release(a); }
