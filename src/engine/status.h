/* What a state has done and what a running process is doing, as one JSON object: the answer of `bourn status`, and what
 * `bourn why` reasons from. With e NULL only what the log knows is said ("running": false), and `pid`: of a process
 * that has the state and cannot be asked, as it is starting or ending; 0: there is none.
 *
 *   {"running", "pid", "state", "uuid", "epoch", "now", "ended", "plan", "memory": bytes,
 *    "sources": [{"name", "watermark", "evict", "delay_us", "trouble", "splits": [{"name", "position", "end", "lag",
 *                 "max_event", "idle", "finished"}]}],
 *    "steps": [{"id", "name", "keys", "bytes"}],
 *    "sinks": [{"name", "confirmed", "target", "applying", "trouble", "version", "rows"...}],
 *    "ledger": {...}}
 *
 * Times are ISO 8601 text or null.
 */
#pragma once

#include "engine/engine.h"

void status_json(struct engine *e, const struct manifest *m, long pid, struct buf *out);
