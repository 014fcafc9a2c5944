/* Partials: what the workers of a step gathered in an epoch, by key and by span of time. Each worker has a table of
 * its own, in the shards of the keys; rows of one key whose spans overlap are in one span. When workers have met, a
 * shard's owner reads all of them.
 */
#pragma once

#include "op/accumulators.h"
#include "op/spans.h"
#include "state/keyed.h"

struct partials;
/* a: the head of its values is a struct span. nkey: how many columns the key has. touching: spans that touch are one,
 * not only those that overlap. */
struct partials *partials_new(struct accumulators *a, uint32_t nkey, bool touching, uint32_t nworkers);
void partials_free(struct partials *p);
/* The live rows of `b`, each with its span, starts[i] and ends[i] by live row. keys: the same rows, the key's columns
 * first. Scratch is taken from the arena. */
void partials_add(struct partials *p, uint32_t worker, const struct batch *b, const struct batch *keys,
                  const int64_t *starts, const int64_t *ends, struct arena *arena);
/* Key -> struct spans; the keys of this epoch are its dirty entries. */
struct keyed *partials_of(const struct partials *p, uint32_t worker);
uint32_t partials_workers(const struct partials *p);
/* Forget the epoch's rows. */
void partials_clear(struct partials *p);
uint64_t partials_keys(const struct partials *p);
uint64_t partials_bytes(const struct partials *p);
