/* Expiring sets: have we seen this 128-bit id within its time? The state of deduplication.
 *
 * An id is remembered with the time it was first seen and forgotten when `now_evict` passes time + horizon. Expiry is exact:
 * what `expiring_insert` answers does not depend on when memory is swept. Each of the 256 shards is an open table of
 * 64-byte buckets, each with three 21-byte entries (the 120 bits of the id that do not choose the shard, and 48 bits of
 * time), so a lookup touches one cache line and an id costs about 30 bytes, at most 40. Different shards may be used by
 * different threads at once.
 */
#pragma once

#include "base/arena.h"
#include "base/hash.h"
#include "state/segment.h"

struct expiring;
/* horizon in microseconds, > 0. */
struct expiring *expiring_new(const char *name, int64_t horizon_us);
void expiring_free(struct expiring *s);

static inline unsigned expiring_shard(struct hash128 id) { return (unsigned)(id.hi >> 56); }

void expiring_prefetch(const struct expiring *s, struct hash128 id);
/* true: the id is new (or was expired: time + horizon <= evict_us) and is now remembered with `time_us`, part of the next save.
 * false: it is there, unexpired, and nothing changed. evict_us INT64_MIN: nothing expires. */
bool expiring_insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us);
/* Drop what is expired, a share of the shards at a time so that no epoch pauses for it: called once an epoch, it sweeps at most what
 * keeps memory within an eighth of a horizon of exact. */
void expiring_sweep(struct expiring *s, int64_t evict_us);
uint64_t expiring_count(const struct expiring *s); /* including expired ones that are not swept yet */
uint64_t expiring_bytes(const struct expiring *s);

/* As keyed_save/keyed_load: what was inserted since the last save, as (id 16 B, time 8 B). */
void expiring_save(struct expiring *s, unsigned from, unsigned to, struct buf *out);
enum status expiring_load(struct expiring *s, uint32_t version, struct slice payload, int64_t evict_us,
                          struct error *err);
enum { EXPIRING_VERSION = 1 };
