/* Which group each row of a batch belongs to, for one worker of an aggregate.
 *
 * Groups live in a keyed table, by canonical key. Most rows' groups were seen a moment ago: those are found by the
 * values of their columns as they lie in the batch, without building or hashing a key.
 */
#pragma once

#include "column/batch.h"
#include "state/keyed.h"

struct groups;
/* Keys are the first ncols columns of a batch; groups are entries of `table`, which the caller owns. */
struct groups *groups_new(uint32_t ncols, struct keyed *table);
void groups_free(struct groups *g);
/* ret_ids[i] is the group of live row i, numbered from 0 in this batch; *ret_values: by number, where the group's value
 * lies, in the arena. Two numbers may name the same group. Groups that are new are made, and touched. Answers how many
 * numbers there are; where it is 1, ret_ids is not set. */
uint32_t groups_find(struct groups *g, const struct batch *b, struct arena *a, uint32_t *ret_ids, char ***ret_values);
/* Before the table is cleared, or anything in it removed: no entry is remembered. */
void groups_forget(struct groups *g);
uint64_t groups_bytes(const struct groups *g);
