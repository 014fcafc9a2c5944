/* Writing a target anew from the state (`--resync`, semantics 1): where the state holds the rows of a sink, they are
 * handed out again as they stand. */
#pragma once

#include "engine/graph.h"
#include "engine/outbox.h"
#include "epoch/journal.h"
#include "flow/sink.h"

/* The rows of the i-th sink of the graph, which graph_forgets nothing of, as one change set up to the manifest's epoch.
 * They are read from the state a few shards at a time. Graph and manifest must outlive it; no epoch runs meanwhile. */
struct change_set *recalled_rows(struct graph *g, uint32_t sink, const struct plan *plan,
                                 const struct manifest *m);
void recalled_rows_free(struct change_set *c);

/* The rows that the outbox says stand in an upserted table, whose life begins with epoch `from`: as they are at the
 * manifest's epoch. */
struct change_set *standing_rows(struct store *store, const struct manifest *m, const struct plan_table *table,
                                 int64_t from);
void standing_rows_free(struct change_set *c);
