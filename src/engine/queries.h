/* The running queries, one an INSERT, as status shows them. The engine's thread only. */
#pragma once

#include "base/buf.h"
#include "epoch/journal.h"

struct engine;

/* Rates are those of the last second or so: to be called more often than that. */
void queries_measure(struct engine *e);
/* A JSON array, for each INSERT: id (the identity under which its sink knows it), name, state (running, paused, trying
 * again, ended, stopped), rows (handed to the sink since the state began), and, null where no process runs:
 * data_available, trigger, input_rows_per_second, processed_rows_per_second, batch_duration_us, lag (what its sources
 * have beyond what was read: messages, of files bytes). e: NULL: no process. */
void queries_json(struct engine *e, const struct manifest *m, struct buf *out);
