/* Turns: the batches of a round go through an exchange one behind the other, in the order in which they were read, and
 * part by part of its shards, so that one can follow another closely (docs/decisions/0014). Whoever has passed a part
 * lets the next slot in there; a slot that stays away passes all parts, too.
 *
 * Thread-safe, but for turns_begin. Slots are begun in their order and wait only for those before them, so somebody can
 * always go on.
 */
#pragma once

#include "base/base.h"

struct turns;
struct turns *turns_new(uint32_t parts);
void turns_free(struct turns *t);

/* Slot 0 is the next in every part. Nobody waits. */
void turns_begin(struct turns *t);
/* Has this slot's turn come, or gone by? */
bool turns_has_come(const struct turns *t, uint32_t part, uint32_t slot);
/* Wait until it has; its own slot is passed once. */
void turns_await(struct turns *t, uint32_t part, uint32_t slot);
void turns_pass(struct turns *t, uint32_t part, uint32_t slot);
/* Wait for the turns that have not gone by, and pass them. */
void turns_pass_rest(struct turns *t, uint32_t slot);
