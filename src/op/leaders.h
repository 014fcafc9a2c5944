/* Leaders: how far ahead the first rows of a partition were in this epoch, as far as one worker remembers. A row behind
 * so many of them can be told before it is packed. What is forgotten is only not told.
 */
#pragma once

#include "base/base.h"

enum { LEADERS_MOST = 16 };

struct leaders;
/* limit: how many rows must be ahead; up to LEADERS_MOST. */
struct leaders *leaders_new(uint32_t limit);
void leaders_free(struct leaders *l);
/* Were `limit` rows of this partition with lower sort keys seen in the epoch? If not, this one has been seen now.
 * hash: of the partition's key; sort keys compare by memcmp. */
bool leaders_behind(struct leaders *l, int64_t epoch, uint64_t hash, struct slice partition, struct slice sort_key);
