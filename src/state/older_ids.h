/* Where state lies on disk: the ids of an expiring set that are not its latest. Ids lie in no order, so that with all
 * of them on disk each new one would read a page and write it. So a set keeps those that came last in shards that are
 * small enough to stay in memory, and moves a shard's here when it is full, in the order of both: a page is read and
 * written once for many. And for each shard there is a filter in memory, which says of nearly every new id that it is
 * not here, without a look at the disk.
 *
 * Different shards may be used by different threads at once.
 */
#pragma once

#include "state/id_shard.h"

struct older_ids;
struct older_ids *older_ids_new(void);
void older_ids_free(struct older_ids *o); /* NULL is fine */

/* Is the id here, unexpired? */
bool older_ids_has(const struct older_ids *o, struct hash128 id, int64_t expired_us);
/* What it takes to say so of ids[rows[0..n)] is on its way into memory. */
void older_ids_want(const struct older_ids *o, const struct hash128 *ids, const uint32_t *rows, uint32_t n);

/* Where as many ids are in `recent` as a shard may keep in memory: moves them here. */
void older_ids_take(struct older_ids *o, struct id_shard *recent, int64_t expired_us);
/* Ids of one shard come: begin, put each, end. */
void older_ids_begin(struct older_ids *o, unsigned shard);
void older_ids_put(struct older_ids *o, struct hash128 id, int64_t time_us, int64_t expired_us);
void older_ids_end(struct older_ids *o, unsigned shard, int64_t expired_us);

/* Give back what the unexpired ids of a shard do not need. */
void older_ids_shrink(struct older_ids *o, unsigned shard, int64_t expired_us);
/* What is unexpired, and perhaps more. */
uint64_t older_ids_count(const struct older_ids *o);
uint64_t older_ids_bytes(const struct older_ids *o);
