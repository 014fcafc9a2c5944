/* An entry's key is the row (join_state.h), whose identity has the top byte of the join key's hash, so that all rows of
 * a join key are in one shard. Its value: weight, matches, expires, 8 bytes each, little-endian. */
#include "op/join_state.h"

#include <stdlib.h>

#include "base/heap.h"

enum { JOIN_STATE_VERSION = 2, SIDE_AT = KEYED_IDENTITY, FIRST_SLOTS = 16, PACKED = 24 };

/* Join key -> the first of its rows: an open table; a slot's hash and key are those of the row it points to. */
struct heads {
    struct keyed_entry **slots;
    uint32_t mask, used;
};

struct part {
    struct heads heads;
    struct due due;
};

struct join_state {
    struct keyed *rows;
    bool takes_back[2];
    struct part parts[2][SHARDS];
    bool indexed[SHARDS]; /* chains and times have been made from what was loaded */
};

/* ---- keys ---- */

void join_row_seal(struct buf *row, unsigned side, uint32_t key_len, uint64_t key_hash)
{
    assert(!row->overflow); /* it came through the in-flight budget */
    row->data[SIDE_AT] = (char)side;
    store_u32(row->data + SIDE_AT + 1, key_len);
    (void)keyed_identify(row->data, row->len, key_hash);
}

/* Also of rows read back: they may lie about lengths and shards. */
static uint64_t hash_of_row(struct slice row)
{
    uint64_t hash = keyed_identity_hash(row.data);
    if (row.len == KEYED_IDENTITY)
        return hash;
    bool whole = row.len >= JOIN_ROW_HEAD && load_u32(row.data + JOIN_ROW_HEAD - 4) <= row.len - JOIN_ROW_HEAD;
    struct slice key = whole ? join_row_key(row) : (struct slice){0};
    return whole && shard_of(hash64(key.data, key.len, 0)) == shard_of(hash) ? hash : ~hash;
}

static struct slice entry_join_key(const struct join_state *s, const struct keyed_entry *e)
{
    return join_row_key(keyed_key(s->rows, e));
}

struct slice join_state_columns(const struct join_state *s, const struct keyed_entry *e)
{
    return join_row_columns(keyed_key(s->rows, e));
}

/* ---- values ---- */

static void pack_row(void *arg, const void *value, struct buf *out)
{
    (void)arg;
    const struct join_row *r = value;
    buf_put_u64(out, (uint64_t)r->weight);
    buf_put_u64(out, (uint64_t)r->matches);
    buf_put_u64(out, (uint64_t)r->expires);
}

static bool unpack_row(void *arg, struct reader *in, void *value)
{
    (void)arg;
    uint64_t weight, matches, expires;
    if (!reader_u64(in, &weight) || !reader_u64(in, &matches) || !reader_u64(in, &expires))
        return false;
    *(struct join_row *)value = (struct join_row){(int64_t)weight, (int64_t)matches, (int64_t)expires};
    return true;
}

struct join_state *join_state_new(const char *name, const bool takes_back[static 2])
{
    struct join_state *s = mem_zalloc(sizeof *s);
    memcpy(s->takes_back, takes_back, sizeof s->takes_back);
    const struct keyed_codec codec = {
        .value_size = sizeof(struct join_row), .pack = pack_row, .unpack = unpack_row, .hash = hash_of_row,
        .identified = true, .packed = PACKED};
    s->rows = keyed_new(name, JOIN_STATE_VERSION, &codec);
    memset(s->indexed, true, sizeof s->indexed);
    return s;
}

void join_state_free(struct join_state *s)
{
    if (!s)
        return;
    keyed_free(s->rows);
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < SHARDS; i++) {
            heap_free(s->parts[side][i].heads.slots);
            due_release(&s->parts[side][i].due);
        }
    free(s);
}

/* ---- chains ---- */

static bool is_head_of(const struct join_state *s, struct keyed_entry *e, uint64_t hash, struct slice key)
{
    return join_row_of(e)->key_hash == hash && slice_equal(entry_join_key(s, e), key);
}

static struct keyed_entry **find_head(const struct join_state *s, const struct heads *h, uint64_t hash,
                                      struct slice key)
{
    if (!h->slots)
        return NULL;
    for (uint32_t at = (uint32_t)hash & h->mask; h->slots[at]; at = (at + 1) & h->mask)
        if (is_head_of(s, h->slots[at], hash, key))
            return &h->slots[at];
    return NULL;
}

static void put_head(struct heads *h, struct keyed_entry *e)
{
    uint32_t at = (uint32_t)join_row_of(e)->key_hash & h->mask;
    while (h->slots[at])
        at = (at + 1) & h->mask;
    h->slots[at] = e;
}

static void grow_heads(struct heads *h)
{
    struct heads old = *h;
    uint32_t slots = old.slots ? 2 * (old.mask + 1) : FIRST_SLOTS;
    h->slots = heap_zalloc(slots * sizeof(struct keyed_entry *));
    h->mask = slots - 1;
    for (uint32_t i = 0; heap_spills && old.slots && i <= old.mask; i++)
        heap_want(old.slots[i]);
    for (uint32_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i])
            put_head(h, old.slots[i]);
    heap_free(old.slots);
}

/* The slots behind a freed one move up, so that none is lost to a look-up. */
static void drop_head(struct heads *h, struct keyed_entry **slot)
{
    uint32_t hole = (uint32_t)(slot - h->slots);
    h->slots[hole] = NULL;
    h->used--;
    for (uint32_t at = (hole + 1) & h->mask; h->slots[at]; at = (at + 1) & h->mask) {
        struct keyed_entry *e = h->slots[at];
        h->slots[at] = NULL;
        put_head(h, e);
    }
}

static void chain(struct join_state *s, unsigned side, struct keyed_entry *e)
{
    struct part *p = &s->parts[side][shard_of(e->hash)];
    struct join_row *row = join_row_of(e);
    struct keyed_entry **head = find_head(s, &p->heads, row->key_hash, entry_join_key(s, e));
    row->previous = NULL;
    row->next = head ? *head : NULL;
    if (head) {
        join_row_of(*head)->previous = e;
        *head = e;
    } else {
        if (p->heads.used * 4 >= (p->heads.slots ? p->heads.mask + 1 : 0) * 3)
            grow_heads(&p->heads);
        put_head(&p->heads, e);
        p->heads.used++;
    }
    if (row->expires != INT64_MAX)
        due_put(&p->due, row->expires, e, s->takes_back[side] ? &row->due : NULL);
}

static void unchain(struct join_state *s, struct part *p, struct keyed_entry *e)
{
    struct join_row *row = join_row_of(e);
    if (row->next)
        join_row_of(row->next)->previous = row->previous;
    if (row->previous) {
        join_row_of(row->previous)->next = row->next;
        return;
    }
    struct keyed_entry **head = find_head(s, &p->heads, row->key_hash, entry_join_key(s, e));
    assert(head && *head == e);
    if (row->next)
        *head = row->next;
    else
        drop_head(&p->heads, head);
}

static void index_entry(void *arg, struct keyed_entry *e)
{
    struct join_state *s = arg;
    struct join_row *row = join_row_of(e);
    struct slice key = entry_join_key(s, e);
    row->key_hash = hash64(key.data, key.len, 0);
    chain(s, keyed_key(s->rows, e).data[SIDE_AT] & 1, e);
}

static void index_shard(struct join_state *s, unsigned shard)
{
    if (s->indexed[shard])
        return;
    s->indexed[shard] = true;
    keyed_each(s->rows, shard, index_entry, s);
}

/* ---- rows ---- */

struct keyed_entry *join_state_first(struct join_state *s, unsigned side, uint64_t hash, struct slice key)
{
    unsigned shard = shard_of(hash);
    index_shard(s, shard);
    struct keyed_entry **head = find_head(s, &s->parts[side][shard].heads, hash, key);
    return head ? *head : NULL;
}

void join_state_prefetch(const struct join_state *s, unsigned side, uint64_t hash)
{
    const struct heads *h = &s->parts[side][shard_of(hash)].heads;
    if (h->slots)
        __builtin_prefetch(h->slots + ((uint32_t)hash & h->mask));
}

void join_state_prefetch_row(const struct join_state *s, struct slice row)
{
    keyed_prefetch(s->rows, keyed_identity_hash(row.data));
}

void join_state_want(const struct join_state *s, uint64_t hash, struct slice row, unsigned step)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct heads *h = &s->parts[side][shard_of(hash)].heads;
        struct keyed_entry *const *slot = h->slots ? h->slots + ((uint32_t)hash & h->mask) : NULL;
        heap_want(step == 0 || !slot ? (const void *)slot : *slot);
    }
    if (step == 0)
        keyed_want(s->rows, keyed_identity_hash(row.data));
    else
        keyed_want_entry(s->rows, keyed_identity_hash(row.data));
}

bool join_state_has(struct join_state *s, struct slice row)
{
    return keyed_find(s->rows, keyed_identity_hash(row.data), row.data, row.len) != NULL;
}

struct keyed_entry *join_state_add(struct join_state *s, uint64_t hash, struct slice row, int64_t weight,
                                   int64_t expires)
{
    unsigned shard = shard_of(hash), side = row.data[SIDE_AT] & 1;
    index_shard(s, shard);
    struct part *p = &s->parts[side][shard];
    bool fresh;
    struct keyed_entry *e = keyed_get(s->rows, keyed_identity_hash(row.data), row.data, row.len, &fresh);
    struct join_row *r = join_row_of(e);
    if (fresh) {
        *r = (struct join_row){.expires = expires, .key_hash = hash};
        chain(s, side, e);
    }
    r->weight += weight;
    keyed_touch(s->rows, e);
    if (r->weight != 0)
        return e;
    if (r->expires != INT64_MAX) {
        assert(s->takes_back[side]);
        due_remove(&p->due, r->due);
    }
    unchain(s, p, e);
    keyed_remove(s->rows, e);
    return NULL;
}

void join_state_touch(struct join_state *s, struct keyed_entry *e) { keyed_touch(s->rows, e); }

void join_state_expire(struct join_state *s, unsigned side, unsigned shard, int64_t until,
                       void (*visit)(void *arg, struct keyed_entry *e), void *arg)
{
    index_shard(s, shard);
    struct part *p = &s->parts[side][shard];
    int64_t time;
    for (struct keyed_entry *e; (e = due_take(&p->due, until, &time));) {
        visit(arg, e);
        unchain(s, p, e);
        keyed_remove(s->rows, e);
    }
}

int64_t join_state_next(struct join_state *s, unsigned side)
{
    int64_t next = INT64_MAX;
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        index_shard(s, shard);
        next = MIN(next, due_next(&s->parts[side][shard].due));
    }
    return next;
}

/* ---- keeping ---- */

void join_state_save(struct join_state *s, struct segment_writer *w) { keyed_save_section(s->rows, w); }

enum status join_state_load(struct join_state *s, uint32_t version, struct slice payload, struct error *err)
{
    memset(s->indexed, 0, sizeof s->indexed);
    return keyed_load(s->rows, version, payload, err);
}

uint64_t join_state_count(const struct join_state *s) { return keyed_count(s->rows); }

uint64_t join_state_bytes(const struct join_state *s)
{
    uint64_t bytes = keyed_bytes(s->rows);
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < SHARDS; i++) {
            const struct part *p = &s->parts[side][i];
            bytes += due_bytes(&p->due) + (p->heads.slots ? (p->heads.mask + 1) * sizeof *p->heads.slots : 0);
        }
    return bytes;
}
