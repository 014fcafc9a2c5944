#include "expr/multiset.h"

#include "base/hash.h"
#include "base/heap.h"

enum { FIRST_CAP = 4 };

static _Thread_local int64_t memory;

int64_t *multiset_memory(void) { return &memory; }

void *state_alloc(size_t size)
{
    memory += (int64_t)size;
    return heap_zalloc(size);
}

void state_free(void *p, size_t size)
{
    if (p)
        memory -= (int64_t)size;
    heap_free(p);
}

/* ---- keys ---- */

static const struct multiset_bytes *bytes_of(uint64_t key)
{
    return (const struct multiset_bytes *)(uintptr_t)key;
}

static uint64_t hash_of(const struct multiset *s, uint64_t key)
{
    return s->bytes ? bytes_of(key)->hash : hash_mix(key);
}

static uint64_t new_bytes(struct slice key, uint64_t hash)
{
    struct multiset_bytes *b = state_alloc(sizeof *b + key.len);
    b->hash = hash;
    b->len = (uint32_t)key.len;
    memcpy(b->data, key.data, key.len);
    return (uint64_t)(uintptr_t)b;
}

static void free_key(const struct multiset *s, uint64_t key)
{
    if (s->bytes)
        state_free((void *)(uintptr_t)key, sizeof(struct multiset_bytes) + bytes_of(key)->len);
}

/* ---- slots ---- */

static void set_cap(struct multiset *s, uint32_t cap)
{
    struct multiset_slot *old = s->slots;
    uint32_t old_cap = s->cap;
    s->slots = cap ? state_alloc(cap * sizeof *s->slots) : NULL;
    s->cap = cap;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i].count == 0)
            continue;
        uint32_t at = (uint32_t)hash_of(s, old[i].key) & (cap - 1);
        while (s->slots[at].count)
            at = (at + 1) & (cap - 1);
        s->slots[at] = old[i];
    }
    state_free(old, old_cap * sizeof *old);
}

/* The slot is free: entries behind it that could not lie at their own place move up. */
static void close_gap(struct multiset *s, uint32_t gap)
{
    uint32_t mask = s->cap - 1;
    for (uint32_t i = (gap + 1) & mask; s->slots[i].count; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)hash_of(s, s->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            s->slots[gap] = s->slots[i];
            gap = i;
        }
    }
    s->slots[gap] = (struct multiset_slot){0};
}

static void change_count(struct multiset *s, uint32_t at, int64_t weight)
{
    struct multiset_slot *slot = &s->slots[at];
    bool was = slot->count > 0;
    int64_t count;
    bool overflow = __builtin_add_overflow(slot->count, weight, &count);
    assert(!overflow);
    slot->count = count;
    s->present += (count > 0) - was;
    if (count)
        return;
    free_key(s, slot->key);
    close_gap(s, at);
    if (--s->used == 0)
        multiset_release(s);
    else if (s->cap > FIRST_CAP && s->used < s->cap / 8)
        set_cap(s, s->cap / 2);
}

static void make_room(struct multiset *s)
{
    if (s->used + 1 > s->cap / 4 * 3) {
        assert(s->cap < UINT32_C(1) << 31);
        set_cap(s, s->cap ? s->cap * 2 : FIRST_CAP);
    }
}

static void fill(struct multiset *s, uint32_t at, uint64_t key, int64_t weight)
{
    s->slots[at] = (struct multiset_slot){key, weight};
    s->used++;
    s->present += weight > 0;
}

void multiset_add_word(struct multiset *s, uint64_t key, int64_t weight)
{
    if (weight == 0)
        return;
    make_room(s);
    uint32_t mask = s->cap - 1, at = (uint32_t)hash_mix(key) & mask;
    for (; s->slots[at].count; at = (at + 1) & mask)
        if (s->slots[at].key == key) {
            change_count(s, at, weight);
            return;
        }
    fill(s, at, key, weight);
}

static void add_bytes(struct multiset *s, struct slice key, uint64_t hash, int64_t weight)
{
    if (weight == 0)
        return;
    s->bytes = 1;
    make_room(s);
    uint32_t mask = s->cap - 1, at = (uint32_t)hash & mask;
    for (; s->slots[at].count; at = (at + 1) & mask)
        if (bytes_of(s->slots[at].key)->hash == hash && slice_equal(multiset_key(&s->slots[at]), key)) {
            change_count(s, at, weight);
            return;
        }
    fill(s, at, new_bytes(key, hash), weight);
}

void multiset_add_bytes(struct multiset *s, struct slice key, int64_t weight)
{
    add_bytes(s, key, hash64(key.data, key.len, 0), weight);
}

const struct multiset_slot *multiset_next(const struct multiset *s, uint32_t *at)
{
    while (*at < s->cap)
        if (s->slots[(*at)++].count)
            return &s->slots[*at - 1];
    return NULL;
}

void multiset_merge(struct multiset *into, const struct multiset *from)
{
    const struct multiset_slot *slot;
    for (uint32_t at = 0; (slot = multiset_next(from, &at));)
        if (from->bytes)
            add_bytes(into, multiset_key(slot), bytes_of(slot->key)->hash, slot->count);
        else
            multiset_add_word(into, slot->key, slot->count);
}

void multiset_release(struct multiset *s)
{
    const struct multiset_slot *slot;
    for (uint32_t at = 0; s->bytes && (slot = multiset_next(s, &at));)
        free_key(s, slot->key);
    state_free(s->slots, s->cap * sizeof *s->slots);
    *s = (struct multiset){0};
}

/* ---- as bytes ---- */

void multiset_pack(const struct multiset *s, struct buf *out)
{
    const struct multiset_slot *slot;
    buf_put_u8(out, (uint8_t)s->bytes);
    buf_put_varint(out, s->used);
    for (uint32_t at = 0; (slot = multiset_next(s, &at));) {
        if (s->bytes) {
            buf_put_varint(out, multiset_key(slot).len);
            buf_put_slice(out, multiset_key(slot));
        } else
            buf_put_u64(out, slot->key);
        buf_put_varint(out, (uint64_t)slot->count << 1 ^ (uint64_t)(slot->count >> 63));
    }
}

static bool read_entry(struct reader *in, bool bytes, struct multiset *into)
{
    uint64_t word = 0, len = 0, zigzag;
    const char *data = NULL;
    if (bytes ? !reader_varint(in, &len) || len > UINT32_MAX || !reader_bytes(in, len, &data) : !reader_u64(in, &word))
        return false;
    if (!reader_varint(in, &zigzag) || zigzag == 0)
        return false;
    int64_t count = (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
    if (count > INT64_MAX / 2 || count < INT64_MIN / 2) /* a key that comes twice must not overflow */
        return false;
    uint32_t before = into->used;
    if (bytes)
        multiset_add_bytes(into, (struct slice){data, len}, count);
    else
        multiset_add_word(into, word, count);
    return into->used == before + 1; /* each key comes once */
}

bool multiset_unpack(struct reader *in, struct multiset *ret)
{
    struct multiset s = {0};
    uint8_t bytes;
    uint64_t n;
    bool good = reader_u8(in, &bytes) && bytes <= 1 && reader_varint(in, &n) && n <= reader_left(in);
    for (uint64_t i = 0; good && i < n; i++)
        good = read_entry(in, bytes, &s);
    if (!good) {
        multiset_release(&s);
        return false;
    }
    *ret = s;
    return true;
}
