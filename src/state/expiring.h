/* Expiring sets: have we seen this 128-bit id within its time? The state of deduplication.
 *
 * An id is remembered with the time it was first seen and forgotten when `evict_us` reaches time + horizon. Expiry is
 * exact, and costs nothing: a new id takes the place of an expired one where it has to look anyway. Each of the 256
 * shards is an open table of 64-byte lines, each with four 16-byte entries (88 bits of the id, those that choose the
 * shard included, and 47 bits of time), so that a look-up touches one cache line and an id costs about 25 bytes, at
 * most 40. Different shards may be used by different threads at once.
 *
 * 47 bits of microseconds reach over 4.4 years. Where the unexpired ids of one shard lie further apart than that (or
 * than 3.3 years, when the newest arrives last), the oldest are remembered with a later time than theirs: they are
 * forgotten late, never early.
 */
#pragma once

#include "base/bufs.h"
#include "base/hash.h"
#include "state/segment.h"

struct expiring;
/* name: stable identity in segments; horizon in microseconds, > 0. What is inserted is noted in one of `nlogs`
 * logs, which saves hand out: threads that note at once have a log each. */
struct expiring *expiring_new(const char *name, int64_t horizon_us, uint32_t nlogs);
void expiring_free(struct expiring *s);

static inline unsigned expiring_shard(struct hash128 id) { return shard_of(id.hi); }

/* true: the id is new (or was expired: time + horizon <= evict_us) and is now remembered with `time_us`, part of the
 * next save of log 0. false: it is there, unexpired, and nothing changed. evict_us INT64_MIN: nothing expires. evict_us
 * never goes back. ids are hashes: all their bits are taken to be random. */
bool expiring_insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us);
/* The same for rows[0..n) of columns of ids and times, in this order, with the memory of later rows on its way while
 * one is decided; ret_fresh is by row, too. What is new is part of a save only once it was noted. */
void expiring_insert_rows(struct expiring *s, const struct hash128 *ids, const int64_t *times_us, const uint32_t *rows,
                          uint32_t n, int64_t evict_us, uint8_t *ret_fresh);
/* What was new of these rows goes into this log. In any order, also while others insert: what must wait its turn to be
 * inserted need not wait to be noted. */
void expiring_note_rows(struct expiring *s, uint32_t log, const struct hash128 *ids, const int64_t *times_us,
                        const uint32_t *rows, uint32_t n, const uint8_t *fresh);
/* Give memory back that what is unexpired in shards [from, to) does not need any more: called once an epoch; without
 * something to give back it costs some microseconds. No other thread may use these shards meanwhile. */
void expiring_sweep(struct expiring *s, int64_t evict_us, unsigned from, unsigned to);
/* Get ready what inserting will need soon, for a few milliseconds at most, while nobody waits. From any thread. */
void expiring_prepare(struct expiring *s);
/* What is unexpired, and at most so many more as come in a twentieth of a horizon. */
uint64_t expiring_count(const struct expiring *s);
uint64_t expiring_bytes(const struct expiring *s);

/* What was inserted under this log since its last save, 16 bytes each: *ret stays the set's, and is good until the log
 * is saved again. Returns the evict time at which all of it is forgotten; INT64_MIN: there is nothing. */
int64_t expiring_save(struct expiring *s, uint32_t log, const struct bufs **ret);
/* As keyed_load. A load may come in several sections; a saved horizon that is not the set's is ERR_STATE. */
enum status expiring_load(struct expiring *s, uint32_t version, struct slice payload, int64_t evict_us,
                          struct error *err);
enum { EXPIRING_VERSION = 2 };

/* ---- the payload, shared with merge.c; format: top of expiring.c ---- */

enum { EXPIRING_BLOCK_HEAD = 24, EXPIRING_RECORD = 16 };
struct expiring_block {
    uint32_t count;
    int64_t horizon_us;
    int64_t base_us; /* of its records' times */
};
void expiring_put_block(struct buf *out, const struct expiring_block *b);
/* Takes the header's EXPIRING_BLOCK_HEAD bytes apart; false: they are none. */
bool expiring_read_block(const void *head, struct expiring_block *ret);
/* The time of a record of EXPIRING_RECORD bytes. */
static inline int64_t expiring_record_time(const struct expiring_block *b, const void *record)
{
    return (int64_t)((uint64_t)b->base_us + (load_u64((const char *)record + 8) & ((UINT64_C(1) << 40) - 1)));
}
/* The evict time at which an id first seen at time_us is forgotten; INT64_MAX: never. */
static inline int64_t expiring_end(int64_t time_us, int64_t horizon_us)
{
    return saturating_add(time_us, horizon_us);
}
/* Is an id first seen at time_us forgotten at evict_us? */
static inline bool expiring_is_expired(int64_t time_us, int64_t horizon_us, int64_t evict_us)
{
    int64_t end = expiring_end(time_us, horizon_us);
    return evict_us != INT64_MIN && end != INT64_MAX && end <= evict_us;
}
