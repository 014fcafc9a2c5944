/* Keys are mostly numbers whose bytes are the same but for a few. Those few, eight at most, are taken out of each key
 * as its head, by which records are sorted a byte at a time and merged. Only where keys differ in more than a head says
 * are they looked at themselves: they lie scattered over memory.
 */
#include "sink/file_runs.h"

#include <stdlib.h>

enum { PLACES = 64, HEAD = 8, FEW = 256, MANY_RUNS = 64 };

void run_release(struct run *r)
{
    free(r->items);
    *r = (struct run){0};
}

/* ---- where keys differ ---- */

static uint64_t first_bits(uint32_t n) { return n >= PLACES ? UINT64_MAX : (UINT64_C(1) << n) - 1; }

/* Where two keys differ, of the bytes that both have. */
static uint64_t differ(const struct record *a, const struct record *b)
{
    uint32_t n = MIN(MIN(a->key_len, b->key_len), (uint32_t)PLACES), i = 0;
    uint64_t bits = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x = load_u64(a->bytes + i) ^ load_u64(b->bytes + i);
        x |= x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f); /* the lowest bit of each byte that is not 0 */
        x |= x >> 2 & UINT64_C(0x0303030303030303);
        x |= x >> 1;
        x &= UINT64_C(0x0101010101010101);
        bits |= (x * UINT64_C(0x0102040810204080) >> 56) << i; /* ...of the first byte first */
    }
    for (; i < n; i++)
        bits |= (uint64_t)(a->bytes[i] != b->bytes[i]) << i;
    return bits;
}

static void note_places(struct run *r, const struct record *added)
{
    struct places *p = &r->places;
    p->differ |= differ(&r->items[0], added);
    p->shortest = r->count == 1 ? added->key_len : MIN(p->shortest, added->key_len);
    p->longest = MAX(p->longest, added->key_len);
}

void run_add(struct run *r, struct slice key, struct slice text, struct arena *a)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->items = mem_realloc(r->items, r->cap * sizeof *r->items);
    }
    assert(key.len <= UINT32_MAX && text.len <= UINT32_MAX);
    char *bytes = arena_alloc(a, key.len + text.len);
    if (key.len)
        memcpy(bytes, key.data, key.len);
    if (text.len)
        memcpy(bytes + key.len, text.data, text.len);
    struct record *added = &r->items[r->count++];
    *added = (struct record){0, bytes, (uint32_t)key.len, (uint32_t)text.len};
    note_places(r, added); /* now, while it is at hand */
}

void run_begin(struct run *r, size_t most, const struct run *like)
{
    *r = (struct run){.items = mem_array(MAX(most, (size_t)1), sizeof *r->items), .cap = most, .places = like->places};
}

/* ---- heads ---- */

static unsigned head_bytes(const struct places *p)
{
    unsigned n = (unsigned)__builtin_popcountll(p->differ);
    return MIN(n, (unsigned)HEAD);
}

/* Does the head tell all keys apart? */
static bool is_whole(const struct places *p)
{
    return p->shortest == p->longest && p->longest <= PLACES && __builtin_popcountll(p->differ) <= HEAD;
}

static void put_heads(struct run *r)
{
    unsigned n = head_bytes(&r->places);
    uint8_t at[HEAD];
    uint64_t left = r->places.differ;
    for (unsigned k = 0; k < n; k++, left &= left - 1)
        at[k] = (uint8_t)__builtin_ctzll(left);
    for (size_t i = 0; i < r->count; i++) {
        run_fetch(r, i, r->places.shortest);
        uint64_t head = 0;
        for (unsigned k = 0; k < n; k++)
            head = head << 8 | (unsigned char)r->items[i].bytes[at[k]];
        r->items[i].head = head;
    }
}

void runs_meet(struct run *const *runs, uint32_t n)
{
    struct places all = {.shortest = UINT32_MAX};
    const struct run *first = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const struct run *r = runs[i];
        if (r->count == 0)
            continue;
        first = first ? first : r;
        all.differ |= r->places.differ | differ(&first->items[0], &r->items[0]);
        all.shortest = MIN(all.shortest, r->places.shortest);
        all.longest = MAX(all.longest, r->places.longest);
    }
    all.differ &= first_bits(all.shortest);
    for (uint32_t i = 0; i < n; i++) {
        bool same = runs[i]->places.differ == all.differ;
        runs[i]->places = all;
        if (!same)
            put_heads(runs[i]);
    }
}

/* ---- order ---- */

static int by_key(const struct record *a, const struct record *b)
{
    return slice_compare((struct slice){a->bytes, a->key_len}, (struct slice){b->bytes, b->key_len});
}

static int by_head(const void *pa, const void *pb)
{
    const struct record *a = pa, *b = pb;
    return a->head != b->head ? (a->head > b->head ? 1 : -1) : by_key(a, b);
}

int run_compare(const struct run *of, const struct record *a, const struct record *b)
{
    if (a->head != b->head)
        return a->head > b->head ? 1 : -1;
    return is_whole(&of->places) ? 0 : by_key(a, b);
}

/* From the last byte of the heads to the first: each pass keeps the order of the one before. */
static void sort_heads(struct run *r)
{
    struct record *other = mem_array(r->count, sizeof *other);
    for (unsigned byte = 0; byte < head_bytes(&r->places); byte++) {
        size_t starts[256] = {0}, at = 0;
        for (size_t i = 0; i < r->count; i++)
            starts[r->items[i].head >> 8 * byte & 255]++;
        for (unsigned value = 0; value < 256; value++) {
            size_t count = starts[value];
            starts[value] = at;
            at += count;
        }
        for (size_t i = 0; i < r->count; i++)
            other[starts[r->items[i].head >> 8 * byte & 255]++] = r->items[i];
        struct record *sorted = other;
        other = r->items;
        r->items = sorted;
    }
    free(other);
    r->cap = r->count;
}

static void sort_alike(struct run *r)
{
    for (size_t from = 0, to; from < r->count; from = to) {
        for (to = from + 1; to < r->count && r->items[to].head == r->items[from].head; to++)
            ;
        if (to - from > 1)
            qsort(r->items + from, to - from, sizeof *r->items, by_head);
    }
}

void run_sort(struct run *r)
{
    if (r->count == 0)
        return;
    r->places.differ &= first_bits(r->places.shortest);
    put_heads(r);
    if (r->count < FEW) {
        qsort(r->items, r->count, sizeof *r->items, by_head);
        return;
    }
    sort_heads(r);
    if (!is_whole(&r->places))
        sort_alike(r);
}

/* ---- merging ---- */

/* The least key of what is left of the runs, by the last run that has it; NULL: nothing is left. */
static const struct record *least(struct run *const *runs, const size_t *at, uint32_t n)
{
    const struct record *found = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const struct record *r = at[i] < runs[i]->count ? &runs[i]->items[at[i]] : NULL;
        if (r && (!found || run_compare(runs[i], r, found) <= 0))
            found = r;
    }
    return found;
}

void runs_merge(struct run *const *runs, uint32_t n, struct run *into)
{
    assert(n > 0 && n <= MANY_RUNS);
    size_t at[MANY_RUNS] = {0}, most = 0;
    runs_meet(runs, n);
    for (uint32_t i = 0; i < n; i++)
        most += runs[i]->count;
    run_begin(into, most, runs[0]);
    for (const struct record *r; (r = least(runs, at, n));) {
        for (uint32_t i = 0; i < n; i++)
            at[i] += at[i] < runs[i]->count && run_compare(runs[i], &runs[i]->items[at[i]], r) == 0;
        run_pass(into, r);
    }
}
