/* The payload of a SECTION_KEYED, version of the container 1: changes, one after the other, strictly ascending by
 * (shard, key):
 *
 *     1         'P' put, 'D' delete
 *     1         shard: the top byte of the key's hash64
 *     varint    bytes of the key
 *     ...       key
 *     varint    bytes of the value     (puts only)
 *     ...       value, as the owner's pack wrote it; of an `identified` table the rest of the key follows
 *
 * In memory each shard is an open table of 8-byte slots (base/slot.h). A miss is decided without a look at any entry,
 * and a hit looks at one. Entries come from the shard's arena in classes of 16 bytes; what is deleted goes to its
 * class's free list.
 */
#include "state/keyed.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"
#include "base/slot.h"

enum {
    CLASS_BYTES = 16,
    CLASSES = 65,        /* entries up to 1024 bytes are pooled, larger ones are allocated singly */
    FIRST_SLOTS = 8,
    DIRTY_KEEP = 1024,   /* a dirty list this long is kept between epochs */
    TEND_EVERY = 2048,   /* entries that are visited or loaded: what is too much leaves memory */
    CACHE_LINE = 64,
    FETCH_MOST = 4 * CACHE_LINE,
    AHEAD = 16,          /* entries that are fetched before they are looked at */
    PIECE_SHARDS = 4,    /* of a section that is made in pieces */
};

/* Changes from which on it pays to have all workers write them. The test build's epochs are small. */
#ifdef BOURN_FAULTS
enum { LATER_FROM = 64 };
#else
enum { LATER_FROM = 4096 };
#endif

struct free_entry {
    struct free_entry *next;
};

struct shard {
    uint64_t *slots; /* 0: empty */
    uint32_t mask, used; /* slots - 1; slots taken, by dead entries too */
    uint32_t live;
    uint32_t ndirty, dirty_cap;
    bool sorted; /* the dirty list is in key order */
    struct keyed_entry **dirty;
    struct free_entry **free_lists; /* CLASSES of them, made when something is first deleted */
    struct arena pool;
    size_t single_bytes; /* of entries too large for the pool */
};

struct keyed {
    struct shard shards[SHARDS];
    struct keyed_codec codec;
    uint32_t version;
    char name[SECTION_NAME_MAX];
};

/* The table of a shard without entries: one empty slot, never written. */
static uint64_t no_slots[1];

static struct keyed_entry *entry_of(uint64_t slot)
{
    return slot_at(slot);
}

static struct shard *shard_at(struct keyed *t, uint64_t hash) { return &t->shards[shard_of(hash)]; }

struct keyed *keyed_new(const char *name, uint32_t version, const struct keyed_codec *codec)
{
    assert(codec->value_size % 8 == 0 && strlen(name) < SECTION_NAME_MAX);
    assert(!codec->identified || codec->pack);
    struct keyed *t = mem_zalloc(sizeof *t);
    t->codec = *codec;
    t->version = version;
    memcpy(t->name, name, strlen(name));
    for (unsigned i = 0; i < SHARDS; i++)
        t->shards[i] = (struct shard){.slots = no_slots, .pool.state = !codec->passing};
    return t;
}

static struct slice behind(struct slice s, size_t n) { return (struct slice){s.data + n, s.len - n}; }

/* ---- memory of entries ---- */

static void *table_alloc(const struct keyed *t, size_t size)
{
    return t->codec.passing ? mem_alloc(size) : heap_alloc(size);
}

static void table_free(const struct keyed *t, void *p)
{
    if (t->codec.passing)
        free(p);
    else
        heap_free(p);
}

static size_t entry_size(const struct keyed *t, size_t key_len)
{
    size_t size;
    bool too_large = __builtin_add_overflow(key_len, sizeof(struct keyed_entry) + t->codec.value_size + 15, &size);
    assert(!too_large && key_len <= UINT32_MAX);
    return size & ~(size_t)15;
}

static struct keyed_entry *entry_alloc(struct keyed *t, struct shard *s, size_t key_len)
{
    size_t size = entry_size(t, key_len), class = size / CLASS_BYTES;
    struct keyed_entry *e;
    if (class >= CLASSES) {
        e = table_alloc(t, size);
        s->single_bytes += size;
    } else if (s->free_lists && s->free_lists[class]) {
        e = (struct keyed_entry *)s->free_lists[class];
        s->free_lists[class] = s->free_lists[class]->next;
    } else {
        e = arena_alloc(&s->pool, size);
    }
    return e;
}

static void entry_free(struct keyed *t, struct shard *s, struct keyed_entry *e)
{
    size_t size = entry_size(t, e->key_len), class = size / CLASS_BYTES;
    if (class >= CLASSES) {
        s->single_bytes -= size;
        table_free(t, e);
        return;
    }
    if (!s->free_lists)
        s->free_lists = mem_zalloc(CLASSES * sizeof(struct free_entry *));
    struct free_entry *f = (struct free_entry *)e;
    f->next = s->free_lists[class];
    s->free_lists[class] = f;
}

static void value_release(struct keyed *t, struct keyed_entry *e)
{
    if (t->codec.release)
        t->codec.release(t->codec.arg, e->bytes);
    memset(e->bytes, 0, t->codec.value_size);
}

/* Release every value and every entry that is not in the pool. */
static void shard_empty(struct keyed *t, struct shard *s)
{
    if (s->used == 0 || (!t->codec.release && s->single_bytes == 0))
        return;
    for (uint32_t i = 0; i <= s->mask; i++) {
        struct keyed_entry *e = entry_of(s->slots[i]);
        if (!e)
            continue;
        value_release(t, e);
        if (entry_size(t, e->key_len) / CLASS_BYTES >= CLASSES)
            table_free(t, e);
    }
    s->single_bytes = 0;
}

void keyed_clear(struct keyed *t)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &t->shards[i];
        if (s->used == 0)
            continue;
        shard_empty(t, s);
        memset(s->slots, 0, ((size_t)s->mask + 1) * sizeof *s->slots);
        s->used = s->live = s->ndirty = 0;
        free(s->free_lists);
        s->free_lists = NULL;
        arena_reset(&s->pool);
    }
}

void keyed_free(struct keyed *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &t->shards[i];
        shard_empty(t, s);
        if (s->slots != no_slots)
            table_free(t, s->slots);
        free(s->dirty);
        free(s->free_lists);
        arena_release(&s->pool);
    }
    free(t);
}

uint64_t keyed_count(const struct keyed *t)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        n += t->shards[i].live;
    return n;
}

uint64_t keyed_bytes(const struct keyed *t)
{
    uint64_t n = sizeof *t;
    for (unsigned i = 0; i < SHARDS; i++) {
        const struct shard *s = &t->shards[i];
        n += s->pool.total + s->single_bytes + s->dirty_cap * sizeof *s->dirty;
        n += s->slots == no_slots ? 0 : ((uint64_t)s->mask + 1) * sizeof *s->slots;
        n += s->free_lists ? CLASSES * sizeof *s->free_lists : 0;
    }
    return n;
}

/* ---- lookup ---- */

struct slice keyed_key(const struct keyed *t, const struct keyed_entry *e)
{
    return (struct slice){(const char *)e->bytes + t->codec.value_size, e->key_len};
}

/* The next entry with this hash, from slot *at on; NULL: there is none. */
static inline struct keyed_entry *next_of_hash(const struct shard *s, uint64_t hash, uint32_t *at)
{
    uint64_t slot;
    for (; (slot = s->slots[*at & s->mask]); ++*at)
        if (slot_has(slot, hash) && entry_of(slot)->hash == hash) {
            ++*at;
            return entry_of(slot);
        }
    return NULL;
}

/* What an identity stands for is compared, not the identity. */
static inline struct keyed_entry *shard_find(const struct keyed *t, const struct shard *s, uint64_t hash,
                                             const void *key, size_t len)
{
    size_t skip = t->codec.identified ? KEYED_IDENTITY : 0;
    uint32_t at = (uint32_t)hash;
    struct keyed_entry *e;
    while ((e = next_of_hash(s, hash, &at)))
        if (e->key_len == len &&
            (len == skip || !memcmp(e->bytes + t->codec.value_size + skip, (const char *)key + skip, len - skip)))
            return e;
    return NULL;
}

static struct keyed_entry *find_identity(const struct keyed *t, const struct shard *s, uint64_t hash,
                                         struct slice identity)
{
    uint32_t at = (uint32_t)hash;
    struct keyed_entry *e;
    while ((e = next_of_hash(s, hash, &at)))
        if (!memcmp(e->bytes + t->codec.value_size, identity.data, KEYED_IDENTITY))
            return e;
    return NULL;
}

struct keyed_entry *keyed_find(struct keyed *t, uint64_t hash, const void *key, size_t len)
{
    struct keyed_entry *e = shard_find(t, shard_at(t, hash), hash, key, len);
    return e && !(e->flags & KEYED_DEAD) ? e : NULL;
}

void keyed_prefetch(const struct keyed *t, uint64_t hash)
{
    const struct shard *s = &t->shards[shard_of(hash)];
    __builtin_prefetch(&s->slots[(uint32_t)hash & s->mask]);
}

void keyed_prefetch_entry(const struct keyed *t, uint64_t hash)
{
    const struct shard *s = &t->shards[shard_of(hash)];
    uint64_t slot = s->slots[(uint32_t)hash & s->mask];
    __builtin_prefetch(entry_of(slot));
}

void keyed_want(const struct keyed *t, uint64_t hash)
{
    const struct shard *s = &t->shards[shard_of(hash)];
    heap_want(&s->slots[(uint32_t)hash & s->mask]);
}

/* The first entry with the hash's tag: mostly it is the one. */
static const struct keyed_entry *likely_entry(const struct keyed *t, uint64_t hash)
{
    const struct shard *s = &t->shards[shard_of(hash)];
    uint64_t slot;
    for (uint32_t i = (uint32_t)hash & s->mask; (slot = s->slots[i]); i = (i + 1) & s->mask)
        if (slot_has(slot, hash))
            return entry_of(slot);
    return NULL;
}

void keyed_want_entry(const struct keyed *t, uint64_t hash)
{
    if (heap_spills)
        heap_want(likely_entry(t, hash));
}

/* Whatever in it may be an address is taken for one. */
static void want_value(const struct keyed *t, const struct keyed_entry *e)
{
    for (uint32_t i = 0; i < t->codec.value_size; i += sizeof(uint64_t))
        heap_want((const void *)(uintptr_t)load_u64(e->bytes + i));
}

void keyed_want_value(const struct keyed *t, uint64_t hash)
{
    const struct keyed_entry *e = heap_spills ? likely_entry(t, hash) : NULL;
    if (e)
        want_value(t, e);
}

static void slots_put(struct shard *s, uint64_t hash, uint64_t slot)
{
    uint32_t i = (uint32_t)hash & s->mask;
    while (s->slots[i])
        i = (i + 1) & s->mask;
    s->slots[i] = slot;
}

static void shard_grow(struct keyed *t, struct shard *s)
{
    uint64_t *old = s->slots;
    uint32_t old_slots = old == no_slots ? 0 : s->mask + 1;
    uint32_t slots = old_slots ? old_slots * 2 : FIRST_SLOTS;
    assert(slots > old_slots);
    size_t size = slots * sizeof *s->slots;
    s->slots = t->codec.passing ? mem_zalloc(size) : heap_zalloc(size);
    s->mask = slots - 1;
    for (uint32_t i = 0; heap_spills && i < old_slots; i++)
        heap_want(entry_of(old[i]));
    for (uint32_t i = 0; i < old_slots; i++) {
        if (i + AHEAD < old_slots)
            __builtin_prefetch(entry_of(old[i + AHEAD]));
        if (old[i])
            slots_put(s, entry_of(old[i])->hash, old[i]);
    }
    if (old != no_slots)
        table_free(t, old);
}

/* At most three quarters of the slots are taken. */
static bool shard_is_full(const struct shard *s)
{
    return s->slots == no_slots || s->used >= (s->mask + 1) / 4 * 3;
}

static struct keyed_entry *shard_insert(struct keyed *t, struct shard *s, uint64_t hash, const void *key, size_t len)
{
    if (shard_is_full(s))
        shard_grow(t, s);
    struct keyed_entry *e = entry_alloc(t, s, len);
    *e = (struct keyed_entry){.hash = hash, .key_len = (uint32_t)len};
    memset(e->bytes, 0, t->codec.value_size);
    if (len)
        memcpy(e->bytes + t->codec.value_size, key, len);
    slots_put(s, hash, slot_of(hash, e));
    s->used++;
    s->live++;
    return e;
}

enum { NUMBER_AT = KEYED_IDENTITY - 4 };

uint64_t keyed_identify(char *key, size_t len, uint64_t shard_hash)
{
    assert(len >= KEYED_IDENTITY);
    const uint64_t top = UINT64_C(0xff) << 56;
    struct hash128 h = hash128(key + KEYED_IDENTITY, len - KEYED_IDENTITY, 0);
    uint64_t hash = (shard_hash & top) | (h.lo & ~top);
    store_u64(key, hash);
    store_u64(key + 8, h.hi);
    store_u32(key + NUMBER_AT, 0);
    return hash;
}

/* Keys that differ and have their hashes in common, which nobody should see, are numbered. */
static uint32_t free_number(const struct keyed *t, const struct shard *s, uint64_t hash, const char *key)
{
    uint32_t number = 0, at = (uint32_t)hash;
    const struct keyed_entry *e;
    while ((e = next_of_hash(s, hash, &at))) {
        const char *other = (const char *)e->bytes + t->codec.value_size;
        if (!memcmp(other, key, NUMBER_AT))
            number = MAX(number, load_u32(other + NUMBER_AT) + 1);
    }
    return number;
}

struct keyed_entry *keyed_get(struct keyed *t, uint64_t hash, const void *key, size_t len, bool *ret_new)
{
    struct shard *s = shard_at(t, hash);
    struct keyed_entry *e = shard_find(t, s, hash, key, len);
    *ret_new = !e || (e->flags & KEYED_DEAD);
    if (!e) {
        uint32_t number = t->codec.identified ? free_number(t, s, hash, key) : 0;
        e = shard_insert(t, s, hash, key, len);
        if (number)
            store_u32((char *)e->bytes + t->codec.value_size + NUMBER_AT, number);
        return e;
    }
    if (e->flags & KEYED_DEAD) { /* its value is zero since it was removed */
        e->flags &= KEYED_DIRTY | KEYED_STORED;
        s->live++;
    }
    return e;
}

/* Take an entry out of the slots, moving later ones of its chain up so that no marker is left behind (Knuth, TAOCP 3,
 * 6.4, algorithm R). */
static void shard_erase(struct keyed *t, struct shard *s, struct keyed_entry *e)
{
    uint32_t hole = (uint32_t)e->hash & s->mask;
    while (entry_of(s->slots[hole]) != e)
        hole = (hole + 1) & s->mask;
    for (uint32_t i = (hole + 1) & s->mask; s->slots[i]; i = (i + 1) & s->mask) {
        uint32_t home = (uint32_t)entry_of(s->slots[i])->hash & s->mask;
        if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
            s->slots[hole] = s->slots[i];
            hole = i;
        }
    }
    s->slots[hole] = 0;
    s->used--;
    entry_free(t, s, e);
}

/* ---- changes ---- */

void keyed_touch(struct keyed *t, struct keyed_entry *e)
{
    if (e->flags & KEYED_DIRTY)
        return;
    struct shard *s = shard_at(t, e->hash);
    s->dirty = mem_grow(s->dirty, s->ndirty, &s->dirty_cap, sizeof *s->dirty);
    e->flags |= KEYED_DIRTY;
    s->dirty[s->ndirty++] = e;
    s->sorted = false;
}

void keyed_remove(struct keyed *t, struct keyed_entry *e)
{
    assert(!(e->flags & KEYED_DEAD));
    keyed_touch(t, e);
    value_release(t, e);
    e->flags |= KEYED_DEAD;
    shard_at(t, e->hash)->live--;
}

/* A key's first eight bytes as a number that orders as they do, so that most comparisons touch no entry. */
struct sort_item {
    uint64_t prefix;
    struct keyed_entry *entry;
};

static uint64_t prefix_of(struct slice key)
{
    unsigned char first[8] = {0};
    if (key.len)
        memcpy(first, key.data, MIN(key.len, sizeof first));
    return __builtin_bswap64(load_u64(first));
}

static int compare_items(const void *a, const void *b, void *table)
{
    const struct sort_item *x = a, *y = b;
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    return slice_compare(keyed_key(table, x->entry), keyed_key(table, y->entry));
}

/* Items whose prefixes are hashes: most find their place by their first bits, and the rest is a step or two. */
static void sort_hashes(struct keyed *t, struct sort_item *items, uint32_t n)
{
    uint32_t bits = 31 - (uint32_t)__builtin_clz(n), shift = 64 - bits;
    uint32_t *ends = mem_zalloc((((size_t)1 << bits) + 1) * sizeof *ends);
    struct sort_item *from = mem_array(n, sizeof *from);
    memcpy(from, items, n * sizeof *from);
    for (uint32_t i = 0; i < n; i++)
        ends[(from[i].prefix >> shift) + 1]++;
    for (size_t i = 1; i <= (size_t)1 << bits; i++)
        ends[i] += ends[i - 1];
    for (uint32_t i = 0; i < n; i++)
        items[ends[from[i].prefix >> shift]++] = from[i];
    for (uint32_t i = 1; i < n; i++) {
        struct sort_item item = items[i];
        uint32_t at = i;
        for (; at > 0 && compare_items(&item, &items[at - 1], t) < 0; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
    free(from);
    free(ends);
}

static void shard_sort(struct keyed *t, struct shard *s)
{
    if (s->sorted)
        return;
    s->sorted = true;
    if (s->ndirty < 2)
        return;
    struct sort_item *items = mem_array(s->ndirty, sizeof *items);
    for (uint32_t i = 0; i < s->ndirty; i++) {
        if (i + AHEAD < s->ndirty)
            __builtin_prefetch(s->dirty[i + AHEAD]->bytes + t->codec.value_size);
        items[i] = (struct sort_item){prefix_of(keyed_key(t, s->dirty[i])), s->dirty[i]};
    }
    if (t->codec.identified)
        sort_hashes(t, items, s->ndirty);
    else
        qsort_r(items, s->ndirty, sizeof *items, compare_items, t);
    for (uint32_t i = 0; i < s->ndirty; i++)
        s->dirty[i] = items[i].entry;
    free(items);
}

/* The dead ones behind the live ones, which stay in order. Answers how many live. */
static uint32_t shard_part(struct shard *s)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < s->ndirty; i++) {
        struct keyed_entry *e = s->dirty[i];
        if (e->flags & KEYED_DEAD)
            continue;
        s->dirty[i] = s->dirty[live];
        s->dirty[live++] = e;
    }
    s->sorted &= live == s->ndirty;
    return live;
}

struct keyed_entry *const *keyed_dirty(struct keyed *t, unsigned shard, uint32_t *ret_count)
{
    struct shard *s = &t->shards[shard];
    shard_sort(t, s);
    *ret_count = shard_part(s);
    return s->dirty;
}

void keyed_each(struct keyed *t, unsigned shard, void (*visit)(void *arg, struct keyed_entry *e), void *arg)
{
    struct shard *s = &t->shards[shard];
    for (uint32_t i = 0; s->live && i <= s->mask; i++) {
        struct keyed_entry *e = entry_of(s->slots[i]);
        if (e && !(e->flags & KEYED_DEAD))
            visit(arg, e);
        if (i % TEND_EVERY == 0)
            heap_tend();
    }
}

/* ---- payload ---- */

void keyed_put_change(struct buf *out, const struct keyed_change *c)
{
    buf_putc(out, c->is_delete ? 'D' : 'P');
    buf_put_u8(out, c->shard);
    buf_put_varint(out, c->key.len);
    buf_put_slice(out, c->key);
    if (c->is_delete)
        return;
    buf_put_varint(out, c->value.len);
    buf_put_slice(out, c->value);
}

static bool read_counted(struct reader *r, struct slice *ret)
{
    uint64_t len;
    return reader_varint(r, &len) && len <= UINT32_MAX && reader_bytes(r, (size_t)len, &ret->data) &&
           (ret->len = (size_t)len, true);
}

bool keyed_read_change(struct reader *r, struct keyed_change *ret)
{
    struct reader at = *r;
    struct keyed_change c = {0};
    uint8_t what;
    if (!reader_u8(&at, &what) || (what != 'P' && what != 'D') || !reader_u8(&at, &c.shard) ||
        !read_counted(&at, &c.key) || (what == 'P' && !read_counted(&at, &c.value)))
        return false;
    c.is_delete = what == 'D';
    *ret = c;
    *r = at;
    return true;
}

int keyed_compare_changes(const struct keyed_change *a, const struct keyed_change *b)
{
    return a->shard != b->shard ? (a->shard < b->shard ? -1 : 1) : slice_compare(a->key, b->key);
}

static void put_value(struct keyed *t, const struct keyed_entry *e, struct buf *scratch, struct slice *ret)
{
    *ret = (struct slice){(const char *)e->bytes, t->codec.value_size};
    if (!t->codec.pack)
        return;
    buf_clear(scratch);
    t->codec.pack(t->codec.arg, e->bytes, scratch);
    if (t->codec.identified) {
        assert(scratch->len == t->codec.packed);
        buf_put_slice(scratch, behind(keyed_key(t, e), KEYED_IDENTITY));
    }
    assert(!scratch->overflow);
    *ret = buf_slice(scratch);
}

static void save_entry(struct keyed *t, struct shard *s, struct keyed_entry *e, struct buf *scratch, struct buf *out)
{
    struct keyed_change c = {.shard = (uint8_t)shard_of(e->hash), .key = keyed_key(t, e)};
    if (t->codec.identified)
        c.key.len = KEYED_IDENTITY;
    c.is_delete = e->flags & KEYED_DEAD;
    if (!c.is_delete)
        put_value(t, e, scratch, &c.value);
    if (!c.is_delete || (e->flags & KEYED_STORED))
        keyed_put_change(out, &c);
    if (c.is_delete) {
        shard_erase(t, s, e);
        return;
    }
    e->flags = (e->flags & ~(uint32_t)KEYED_DIRTY) | KEYED_STORED;
}

static void fetch_entry(const struct keyed *t, const struct keyed_entry *e)
{
    size_t most = MIN(sizeof *e + t->codec.value_size + KEYED_IDENTITY, (size_t)FETCH_MOST);
    for (size_t at = 0; at < most; at += CACHE_LINE)
        __builtin_prefetch((const char *)e + at);
}

/* What is saved is read together, where it has left memory since it was changed. */
static void want_dirty(const struct keyed *t, const struct shard *s)
{
    heap_tend();
    for (uint32_t k = 0; k < s->ndirty; k++)
        heap_want(s->dirty[k]);
    for (uint32_t k = 0; t->codec.pack && k < s->ndirty; k++)
        want_value(t, s->dirty[k]);
}

void keyed_save(struct keyed *t, unsigned from, unsigned to, struct buf *out)
{
    assert(from <= to && to <= SHARDS);
    AUTO(buf) scratch = BUF(UINT32_MAX);
    bool forget = os_planted_bug("keyed-save-forgets");
    for (unsigned i = from; i < to; i++) {
        struct shard *s = &t->shards[i];
        if (heap_spills && !t->codec.passing)
            want_dirty(t, s);
        shard_sort(t, s);
        for (uint32_t k = 0; k < s->ndirty; k++) {
            if (k + AHEAD / 2 < s->ndirty)
                fetch_entry(t, s->dirty[k + AHEAD / 2]);
            size_t before = out->len;
            save_entry(t, s, s->dirty[k], &scratch, out);
            if (forget && k == s->ndirty - 1)
                out->len = before;
        }
        if (s->dirty_cap > DIRTY_KEEP && s->ndirty < s->dirty_cap / 4) {
            s->dirty_cap /= 2;
            s->dirty = mem_realloc(s->dirty, s->dirty_cap * sizeof *s->dirty);
        }
        s->ndirty = 0;
    }
}

/* A shard at a time, so that what is written lies in buffers that are used again. */
static void save_piece(void *table, uint32_t piece, struct bufs *out)
{
    struct buf shard = buf_spare(GIB(16));
    for (unsigned i = piece * PIECE_SHARDS; i < (piece + 1) * PIECE_SHARDS; i++) {
        keyed_save(table, i, i + 1, &shard);
        bufs_put(out, &shard);
    }
    buf_release(&shard);
}

void keyed_save_section(struct keyed *t, struct segment_writer *w)
{
    uint64_t changed = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        changed += t->shards[i].ndirty;
    if (changed >= LATER_FROM)
        segment_later(w, SECTION_KEYED, t->name, t->version, save_piece, t, SHARDS / PIECE_SHARDS);
    else if (changed)
        keyed_save(t, 0, SHARDS, segment_section(w, SECTION_KEYED, t->name, t->version));
}

static enum status odd(const struct keyed *t, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "the saved state of \"%s\" is damaged: %s", t->name, what);
}

/* The key as it was in memory: its identity, then what was saved with the value. */
static enum status whole_key(const struct keyed *t, struct keyed_change *c, struct buf *whole, struct error *err)
{
    if (c->key.len != KEYED_IDENTITY)
        return odd(t, "an identity has the wrong length", err);
    if (c->is_delete)
        return OK;
    if (c->value.len < t->codec.packed)
        return odd(t, "a value has the wrong length", err);
    buf_clear(whole);
    buf_put_slice(whole, c->key);
    buf_put_slice(whole, behind(c->value, t->codec.packed));
    c->key = buf_slice(whole);
    c->value.len = t->codec.packed;
    return OK;
}

static enum status find_loaded(const struct keyed *t, const struct keyed_change *c, uint64_t hash,
                               struct keyed_entry **ret, struct error *err)
{
    const struct shard *s = &t->shards[shard_of(hash)];
    if (!t->codec.identified) {
        *ret = shard_find(t, s, hash, c->key.data, c->key.len);
        return OK;
    }
    struct keyed_entry *e = find_identity(t, s, hash, c->key);
    if (e && !c->is_delete && !slice_equal(keyed_key(t, e), c->key))
        return odd(t, "two rows have one identity", err);
    *ret = e;
    return OK;
}

static enum status load_change(struct keyed *t, struct keyed_change *c, struct buf *whole, struct error *err)
{
    if (t->codec.identified)
        TRY(whole_key(t, c, whole, err));
    uint64_t hash = t->codec.hash ? t->codec.hash(c->key) : hash64(c->key.data, c->key.len, 0);
    if (shard_of(hash) != c->shard)
        return odd(t, "a key lies in the wrong shard", err);
    struct shard *s = shard_at(t, hash);
    struct keyed_entry *e = NULL;
    TRY(find_loaded(t, c, hash, &e, err));
    if (c->is_delete) {
        if (e) {
            value_release(t, e);
            s->live--;
            shard_erase(t, s, e);
        }
        return OK;
    }
    if (e)
        value_release(t, e);
    else
        e = shard_insert(t, s, hash, c->key.data, c->key.len);
    e->flags |= KEYED_STORED;
    if (t->codec.unpack) {
        struct reader value = reader_of(c->value);
        if (!t->codec.unpack(t->codec.arg, &value, e->bytes) || reader_left(&value) != 0)
            return odd(t, "a value cannot be read", err);
        return OK;
    }
    if (c->value.len != t->codec.value_size)
        return odd(t, "a value has the wrong length", err);
    if (c->value.len)
        memcpy(e->bytes, c->value.data, c->value.len);
    return OK;
}

enum status keyed_load(struct keyed *t, uint32_t version, struct slice payload, struct error *err)
{
    if (version != t->version) {
        (void)error_set(err, ERR_STATE, "the saved state of \"%s\" has version %u, this bourn reads version %u",
                        t->name, version, t->version);
        return error_hint(err, "run the version of bourn that wrote it");
    }
    struct reader r = reader_of(payload);
    struct keyed_change before = {0}, c;
    AUTO(buf) whole = BUF(UINT32_MAX);
    uint64_t n = 0;
    for (bool first = true; reader_left(&r); first = false, before = c) {
        if (++n % TEND_EVERY == 0) {
            heap_tend();
            TRY(heap_check(err));
        }
        if (!keyed_read_change(&r, &c))
            return odd(t, "it ends within an entry", err);
        if (!first && keyed_compare_changes(&before, &c) >= 0)
            return odd(t, "its keys are not in order", err);
        struct keyed_change change = c;
        TRY(load_change(t, &change, &whole, err));
    }
    return OK;
}
