/* Expiring sets: have we seen this 128-bit id within its time? The state of deduplication.
 *
 * An id is remembered with the time it was first seen and forgotten when `evict_us` reaches time + horizon. Expiry is
 * exact:
 * what `expiring_insert` answers does not depend on when memory is swept. Each of the 256 shards is an open table of
 * 64-byte buckets, each with three 21-byte entries (the 120 bits of the id that do not choose the shard, and 48 bits of
 * time), so a lookup touches one cache line and an id costs about 30 bytes, at most 40. Different shards may be used by
 * different threads at once.
 *
 * 48 bits of microseconds reach over 8.9 years. Where the unexpired ids of one shard lie further apart than that (or
 * than
 * 6.6 years, when the newest arrives last), the oldest are remembered with a later time than theirs: they are forgotten
 * late, never early.
 */
#pragma once

#include "base/arena.h"
#include "base/hash.h"
#include "state/segment.h"

struct expiring;
/* name: stable identity in segments; horizon in microseconds, > 0. */
struct expiring *expiring_new(const char *name, int64_t horizon_us);
void expiring_free(struct expiring *s);

static inline unsigned expiring_shard(struct hash128 id) { return (unsigned)(id.hi >> 56); }

/* ids are hashes: all their bits are taken to be random. */
void expiring_prefetch(const struct expiring *s, struct hash128 id);
/* true: the id is new (or was expired: time + horizon <= evict_us) and is now remembered with `time_us`, part of the
 * next save.
 * false: it is there, unexpired, and nothing changed. evict_us INT64_MIN: nothing expires. evict_us never goes back. */
bool expiring_insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us);
/* Drop what is expired, a share of the shards at a time so that no epoch pauses for it: called once an epoch, it
 * sweeps at most what
 * keeps memory within an eighth of a horizon of exact. Touches every shard: no other thread may use the set
 * meanwhile. */
void expiring_sweep(struct expiring *s, int64_t evict_us);
uint64_t expiring_count(const struct expiring *s); /* including expired ones that are not swept yet */
uint64_t expiring_bytes(const struct expiring *s);

/* As keyed_save/keyed_load: what was inserted since the last save, as (id 16 B, time 8 B). A load may come in several
 * sections; a saved horizon that is not the set's is ERR_STATE. */
/* ... Returns the evict time at which all that was saved is forgotten; INT64_MIN: nothing was saved. */
int64_t expiring_save(struct expiring *s, unsigned from, unsigned to, struct buf *out);
enum status expiring_load(struct expiring *s, uint32_t version, struct slice payload, int64_t evict_us,
                          struct error *err);
enum { EXPIRING_VERSION = 1 };

/* ---- the payload, shared with merge.c; format: top of expiring.c ---- */

enum { EXPIRING_BLOCK_HEAD = 16, EXPIRING_RECORD = 24 };
struct expiring_block {
    uint32_t count;
    int64_t horizon_us;
};
void expiring_put_block(struct buf *out, const struct expiring_block *b);
/* Takes the header's EXPIRING_BLOCK_HEAD bytes apart; false: they are none. */
bool expiring_read_block(const void *head, struct expiring_block *ret);
/* The time of a record of EXPIRING_RECORD bytes. */
static inline int64_t expiring_record_time(const void *record) { return (int64_t)load_u64((const char *)record + 16); }
/* The evict time at which an id first seen at time_us is forgotten; INT64_MAX: never. */
static inline int64_t expiring_end(int64_t time_us, int64_t horizon_us)
{
    int64_t end;
    return __builtin_add_overflow(time_us, horizon_us, &end) ? INT64_MAX : end;
}
/* Is an id first seen at time_us forgotten at evict_us? */
static inline bool expiring_is_expired(int64_t time_us, int64_t horizon_us, int64_t evict_us)
{
    int64_t end = expiring_end(time_us, horizon_us);
    return evict_us != INT64_MIN && end != INT64_MAX && end <= evict_us;
}
