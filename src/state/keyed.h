/* Keyed tables: key bytes -> fixed-size value, in memory, in 256 shards. What changed since the last epoch is known, so
 * that an epoch writes only that. Different shards may be used by different threads at once; one shard by one.
 *
 * Values may own heap memory; then the table is given pack/unpack/release (see struct keyed_codec).
 */
#pragma once

#include "base/arena.h"
#include "base/hash.h"
#include "state/segment.h"

struct keyed_codec {
    uint32_t value_size; /* multiple of 8; a fresh value is all zero */
    void (*pack)(void *arg, const void *value, struct buf *out); /* NULL: the bytes as they are */
    /* Into a zero value, to the end of `in`. false: corrupt; the value can be released all the same. */
    bool (*unpack)(void *arg, struct reader *in, void *value);
    void (*release)(void *arg, void *value); /* NULL: nothing to free */
    void *arg;
    /* What stands for hash64 of the key wherever this table is used, so that related keys share a shard; NULL: hash64.
     * Its value is part of the state's format. */
    uint64_t (*hash)(struct slice key);
    bool passing; /* what one epoch works with, no state: it never lies on disk */
    /* Keys are whole rows, and begin with KEYED_IDENTITY bytes that stand for the rest (keyed_identify): in segments
     * only these are the key, and the rest is part of the value, behind the `packed` bytes that pack writes. So what is
     * deleted is named in few bytes, and keys are put in order by their first. `hash` is asked for the whole key, or,
     * of one that is deleted, for the identity alone. */
    bool identified;
    uint32_t packed;
};

enum {
    KEYED_DIRTY = 1,  /* changed since keyed_save */
    KEYED_DEAD = 2,   /* deleted since keyed_save: a tombstone is written, then it is gone */
    KEYED_STORED = 4, /* some segment holds it: without this a deleted entry needs no tombstone */
    KEYED_USER = 16,  /* first bit for the owner's own marks */
};

struct keyed_entry {
    uint64_t hash;
    uint32_t key_len;
    uint32_t flags;
    unsigned char bytes[] __attribute__((aligned(16))); /* value_size bytes of value, then the key */
};

enum { KEYED_IDENTITY = 20 };

/* The identity of a key of an `identified` table, before the rest of it: two words of a hash, the first of which has
 * the top byte of `shard_hash` and is the hash that the table goes by: it is handed back; then a number, the table's,
 * which tells apart what has both words in common. key: KEYED_IDENTITY bytes to be filled, then the rest. */
uint64_t keyed_identify(char *key, size_t len, uint64_t shard_hash);
/* The same hash, of a key that has its identity. */
static inline uint64_t keyed_identity_hash(const char *key) { return load_u64(key); }

struct keyed;
/* name: stable identity in segments ("aggregate-3f9a"); version: of the value's format. */
struct keyed *keyed_new(const char *name, uint32_t version, const struct keyed_codec *codec);
void keyed_free(struct keyed *t);

static inline void *keyed_value(struct keyed_entry *e) { return e->bytes; }
struct slice keyed_key(const struct keyed *t, const struct keyed_entry *e);

/* The entry of a key, or NULL. hash = hash64(key, len, 0); shard_of(hash) is its shard. Dead entries are not found. */
struct keyed_entry *keyed_find(struct keyed *t, uint64_t hash, const void *key, size_t len);
/* The entry of a key, made with a zero value if it is not there (*ret_new). Entries never move. A new entry is saved
 * only once it is touched. */
struct keyed_entry *keyed_get(struct keyed *t, uint64_t hash, const void *key, size_t len, bool *ret_new);
/* Fetch into the cache what a lookup of this hash will touch: first the slot, and, a dozen lookups later, the entry
 * that the slot points to. */
void keyed_prefetch(const struct keyed *t, uint64_t hash);
void keyed_prefetch_entry(const struct keyed *t, uint64_t hash);
/* The same for a table that may lie on disk: what is not in memory is on its way, for many look-ups at once. Call one
 * for all of them, then the next. Without a spill folder they do nothing. */
void keyed_want(const struct keyed *t, uint64_t hash);
void keyed_want_entry(const struct keyed *t, uint64_t hash);
/* And what its value owns. */
void keyed_want_value(const struct keyed *t, uint64_t hash);
/* The value was or will be changed: it is part of the next keyed_save. */
void keyed_touch(struct keyed *t, struct keyed_entry *e);
/* Releases the value at once; the entry itself stays readable until the next keyed_save, keyed_get or keyed_clear. */
void keyed_remove(struct keyed *t, struct keyed_entry *e);
/* Forget every entry, without tombstones, keeping memory for the next round: for tables that are no state. */
void keyed_clear(struct keyed *t);
/* Live entries touched since the last keyed_save, of one shard, in key order (so that what is emitted does not depend
 * on arrival); valid until the shard changes: keyed_remove of the entries given leaves the array alone. */
struct keyed_entry *const *keyed_dirty(struct keyed *t, unsigned shard, uint32_t *ret_count);
/* Visit every live entry of a shard in unspecified order. A visit may touch or remove the entry it is given, no
 * other. */
void keyed_each(struct keyed *t, unsigned shard, void (*visit)(void *arg, struct keyed_entry *e), void *arg);
uint64_t keyed_count(const struct keyed *t);
/* All memory of the table, for the state budget; not what values own elsewhere. */
uint64_t keyed_bytes(const struct keyed *t);

/* Append the changes of shards [from, to) since the last save to `out` as a SECTION_KEYED payload part and mark them
 * clean.
 * Parts of ascending shard ranges concatenate to one valid payload. Nothing changed: nothing is appended. */
void keyed_save(struct keyed *t, unsigned from, unsigned to, struct buf *out);
/* All that changed, as a section of the table's name and version; nothing changed: none. If it is much, the section is
 * made later, in pieces (segment_later): the table stays as it is until then. */
void keyed_save_section(struct keyed *t, struct segment_writer *w);
/* Apply a section's payload (oldest segment first). ERR_CORRUPT on anything odd, then the table is good only for
 * keyed_free; a version we do not know is ERR_STATE. */
enum status keyed_load(struct keyed *t, uint32_t version, struct slice payload, struct error *err);

/* ---- the payload, shared with merge.c; format: top of keyed.c ---- */

struct keyed_change {
    uint8_t shard;
    bool is_delete;
    struct slice key, value; /* value: of a put */
};
void keyed_put_change(struct buf *out, const struct keyed_change *c);
/* false: the bytes end within a change, or are none; *r is then unchanged. */
bool keyed_read_change(struct reader *r, struct keyed_change *ret);
/* By shard, then key bytewise, a shorter key first: the order of a payload. */
int keyed_compare_changes(const struct keyed_change *a, const struct keyed_change *b);
