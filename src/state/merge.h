/* Merging: many small segments become one larger, in a background thread, without a look at live memory (semantics 25).
 * Size-tiered: MERGE_FANOUT neighbouring segments of one level become one of the next. Keyed sections are merged by
 * key,
 * newest wins, tombstones are dropped when nothing older is left; set sections are concatenated without what is
 * expired; outbox sections are never merged: a segment whose outbox is still needed stays for that.
 *
 * So a state has at most MERGE_FANOUT segments a level, and every change is written again once a level. Levels end at
 * MERGE_LEVEL_MAX: segments of the highest are merged with each other, so that however long a stream runs, the number
 * of
 * segments is bounded, and what is deleted or expired leaves the disk.
 */
#pragma once

#include "state/segment.h"

enum { MERGE_FANOUT = 8, MERGE_MAX = 4 * MERGE_FANOUT, MERGE_LEVEL_MAX = 5 };

/* Which neighbouring segments (oldest first, by epoch) to merge next: indexes [*ret_first, *ret_first + *ret_count);
 * false: none.
 * Only refs with has_state count; others within the range are to be left out. At least MERGE_FANOUT that count, and
 * up to
 * MERGE_MAX when merging has fallen behind. */
bool merge_choose(const struct segment_ref *refs, uint32_t count, uint32_t *ret_first, uint32_t *ret_count);
/* Merge `count` refs, oldest first, streaming (memory: about 128 KiB a ref, whatever their size; an entry larger than
 * that
 * is held whole). is_oldest: nothing with state is older, so tombstones go. evict_us: for sets; horizon is in each set
 * section's payload header. The result covers the refs' epochs, one level above their highest where there is
 * one; if nothing is left it has neither state nor outbox. */
enum status merge_segments(struct store *store, const struct segment_ref *refs, uint32_t count, bool is_oldest,
                           int64_t evict_us, uint64_t term, struct segment_ref *ret, struct error *err);
