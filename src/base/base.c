#include "base/base.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "on-disk formats are written as they lie in memory");

const char hex_digits[] = "0123456789abcdef";

void mem_exhausted(size_t size)
{
    fprintf(stderr, "bourn: out of memory asking for %zu bytes; every finished epoch is in the log\n", size);
    abort();
}

static void *checked(void *p, size_t size)
{
    if (unlikely(!p && size != 0))
        mem_exhausted(size);
    return p;
}

void *mem_alloc(size_t size) { return checked(malloc(size ? size : 1), size); }
void *mem_aligned(size_t alignment, size_t size) { return checked(aligned_alloc(alignment, size), size); }
void *mem_zalloc(size_t size) { return checked(calloc(1, size ? size : 1), size); }
void *mem_realloc(void *old, size_t size) { return checked(realloc(old, size ? size : 1), size); }

void *mem_array(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        checked(NULL, SIZE_MAX);
    return mem_alloc(bytes);
}

void *mem_grow(void *items, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    enum { FIRST = 16 };
    size_t bytes;
    bool overflow = __builtin_mul_overflow(*cap, 2, cap);
    assert(!overflow);
    *cap = MAX(*cap, (uint32_t)FIRST);
    if (__builtin_mul_overflow((size_t)*cap, size, &bytes))
        mem_exhausted(SIZE_MAX);
    return mem_realloc(items, bytes);
}

void *mem_grow_by_count(void *items, uint32_t count, size_t size)
{
    uint32_t cap = count & (count - 1) ? UINT32_MAX : count; /* UINT32_MAX: there is room */
    return mem_grow(items, count, &cap, size);
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = 0;
    return copy;
}

void *mem_dup(const void *p, size_t len)
{
    void *copy = mem_alloc(len);
    if (len)
        memcpy(copy, p, len);
    return copy;
}

void mem_keep_large_blocks(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}
