/* Merging: many small segments become one larger, in a background thread, without a look at live memory (semantics 25).
 * Size-tiered: MERGE_FANOUT neighbouring segments of one level become one of the next. Keyed sections are merged by
 * key, newest wins, tombstones are dropped when nothing older is left; set sections are concatenated without what is
 * expired; outbox sections are never merged: a segment whose outbox is still needed stays for that.
 *
 * So a state has at most MERGE_FANOUT segments a level, and every change is written again once a level. Levels end at
 * MERGE_LEVEL_MAX: segments of the highest are merged with each other, so that however long a stream runs, the number
 * of segments is bounded, and what is deleted or expired leaves the disk.
 */
#pragma once

#include "state/segment.h"

enum { MERGE_FANOUT = 8, MERGE_MAX = 4 * MERGE_FANOUT, MERGE_LEVEL_MAX = 5 };

/* Below this, sets stay in one file with the rest of an epoch's or a merge's state; from here on they are worth a file,
 * and an fsync, of their own. */
#ifdef BOURN_FAULTS
enum { MERGE_SETS_APART = 8 << 10 }; /* the small epochs of the crash tests go this way, too */
#else
enum { MERGE_SETS_APART = 64 << 10 };
#endif

/* Which segments (oldest first, by epoch) to merge next: writes their indexes, ascending, and returns how many; 0:
 * none. Segments of nothing but sets are merged with each other, those with keyed tables with each other: neighbours of
 * one level within their kind, at least MERGE_FANOUT, and up to MERGE_MAX when merging has fallen behind. */
uint32_t merge_choose(const struct segment_ref *refs, uint32_t count, uint32_t ret[static MERGE_MAX]);
/* Nothing but sets, and all their entries have expired: the state can be dropped unread. */
bool merge_is_expired(const struct segment_ref *ref, int64_t evict_us);
/* Merge `count` refs, oldest first, streaming (memory: about 128 KiB a ref, whatever their size; an entry larger than
 * that is held whole). is_oldest: no keyed table is older, so tombstones go. evict_us: for sets; horizon is in each set
 * section's payload header; sections whose sets_end_us has passed are not read. The results cover the refs' epochs, one
 * level above their highest where there is one; large sets come apart from keyed tables. What is left empty has neither
 * state nor outbox. */
enum { MERGE_RESULTS = 2 };
enum status merge_segments(struct store *store, const struct segment_ref *refs, uint32_t count, bool is_oldest,
                           int64_t evict_us, uint64_t term, struct segment_ref ret[static MERGE_RESULTS],
                           uint32_t *ret_count, struct error *err);
