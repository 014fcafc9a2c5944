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
    bool (*unpack)(void *arg, struct reader *in, void *value);   /* false: corrupt */
    void (*release)(void *arg, void *value);                     /* NULL: nothing to free */
    void *arg;
};

enum {
    KEYED_DIRTY = 1, /* changed since keyed_save */
    KEYED_DEAD = 2,  /* deleted since keyed_save: a tombstone is written, then it is gone */
    KEYED_USER = 16, /* first bit for the owner's own marks */
};

struct keyed_entry {
    uint64_t hash;
    uint32_t key_len;
    uint32_t flags;
    unsigned char bytes[] __attribute__((aligned(16))); /* value_size bytes of value, then the key */
};

struct keyed;
/* name: stable identity in segments ("aggregate-3f9a"); version: of the value's format. */
struct keyed *keyed_new(const char *name, uint32_t version, const struct keyed_codec *codec);
void keyed_free(struct keyed *t);

static inline void *keyed_value(struct keyed_entry *e) { return e->bytes; }
struct slice keyed_key(const struct keyed *t, const struct keyed_entry *e);

/* The entry of a key, or NULL. hash = hash64(key, len, 0); shard_of(hash) is its shard. Dead entries are not found. */
struct keyed_entry *keyed_find(struct keyed *t, uint64_t hash, const void *key, size_t len);
/* The entry of a key, made with a zero value if it is not there (*ret_new). Entries never move. */
struct keyed_entry *keyed_get(struct keyed *t, uint64_t hash, const void *key, size_t len, bool *ret_new);
/* Fetch into the cache what a lookup of this hash will touch. */
void keyed_prefetch(const struct keyed *t, uint64_t hash);
/* The value was or will be changed: it is part of the next keyed_save. */
void keyed_touch(struct keyed *t, struct keyed_entry *e);
void keyed_remove(struct keyed *t, struct keyed_entry *e);
/* Forget every entry, without tombstones, keeping memory for the next round: for tables that are no state. */
void keyed_clear(struct keyed *t);
/* Entries touched since the last keyed_save, of one shard, in key order (so that what is emitted does not depend on
 * arrival); valid until the shard changes. */
struct keyed_entry *const *keyed_dirty(struct keyed *t, unsigned shard, uint32_t *ret_count);
/* Visit every live entry of a shard in unspecified order. */
void keyed_each(struct keyed *t, unsigned shard, void (*visit)(void *arg, struct keyed_entry *e), void *arg);
uint64_t keyed_count(const struct keyed *t);
uint64_t keyed_bytes(const struct keyed *t); /* all memory, for the state budget */

/* Append the changes of shards [from, to) since the last save to `out` as a SECTION_KEYED payload part and mark them clean.
 * Parts of ascending shard ranges concatenate to one valid payload. */
void keyed_save(struct keyed *t, unsigned from, unsigned to, struct buf *out);
/* Apply a section's payload (oldest segment first). ERR_CORRUPT on anything odd; a version we do not know is ERR_STATE. */
enum status keyed_load(struct keyed *t, uint32_t version, struct slice payload, struct error *err);
