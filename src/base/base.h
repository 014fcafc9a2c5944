/* The small words every other file uses: slices, sizes, checked arithmetic, bits. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

#ifdef NDEBUG
#error "asserts stay on in release builds: they stop the process before a wrong answer is committed"
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define GIB(n) ((size_t)(n) << 30)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

typedef __int128 int128;
typedef unsigned __int128 uint128;

/* Bytes somebody else owns; not terminated. */
struct slice {
    const char *data;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *terminated)
{
    return (struct slice){terminated, strlen(terminated)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Bytewise; where one begins the other, the shorter is less: <0, 0, >0. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t n = MIN(a.len, b.len);
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_is(struct slice a, const char *terminated)
{
    return slice_equal(a, slice_of(terminated));
}

/* a + b and a - b, as far as 64 bits go: for times, whose ends stand for never and for ever. */
static inline int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_add_overflow(a, b, &r) ? (b > 0 ? INT64_MAX : INT64_MIN) : r;
}

static inline int64_t saturating_sub(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_sub_overflow(a, b, &r) ? (b > 0 ? INT64_MIN : INT64_MAX) : r;
}

/* Unaligned little-endian loads and stores; bourn runs on little-endian machines only (checked in base.c). */
static inline uint16_t load_u16(const void *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t load_u32(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t load_u64(const void *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
static inline void store_u32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void store_u64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* Bitmaps of uint64_t words, bit i of word i/64. */
#define BITMAP_WORDS(bits) (((size_t)(bits) + 63) / 64)
static inline bool bit_get(const uint64_t *map, size_t i) { return (map[i >> 6] >> (i & 63)) & 1; }
static inline void bit_set(uint64_t *map, size_t i) { map[i >> 6] |= UINT64_C(1) << (i & 63); }
static inline void bit_clear(uint64_t *map, size_t i) { map[i >> 6] &= ~(UINT64_C(1) << (i & 63)); }
static inline bool bit_any(const uint64_t *map, size_t words)
{
    uint64_t any = 0;
    for (size_t w = 0; w < words; w++)
        any |= map[w];
    return any != 0;
}

/* Memory that must not fail: these abort with a message when the machine has none left. State and in-flight data are
 * held within budgets long before that. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
/* At a multiple of `alignment`, a power of two; size is a multiple of it, too. free() takes it. */
void *mem_aligned(size_t alignment, size_t size);
/* Once, before threads: let the allocator keep large blocks instead of giving them back to the kernel and faulting them
 * in again, which growing tables would pay for with every growth. */
void mem_keep_large_blocks(void);
/* The machine has no memory left: say so, and abort. */
void mem_exhausted(size_t size) __attribute__((noreturn));
void *mem_realloc(void *old, size_t size);
/* count * size, overflow-checked. */
void *mem_array(size_t count, size_t size);
/* Room for one more item of an array that has `count`: the array, or twice as large a one when all of *cap is used.
 *
 *     list->items = mem_grow(list->items, list->count, &list->cap, sizeof *list->items);
 *     list->items[list->count++] = item;
 */
void *mem_grow(void *items, uint32_t count, uint32_t *cap, size_t size);
/* The same for an array that keeps no capacity: it is full when `count` is a power of two, or 0. */
void *mem_grow_by_count(void *items, uint32_t count, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);
void *mem_dup(const void *p, size_t len);
