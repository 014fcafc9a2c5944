/* Records and manifests as JSON: the payload of a slot. Private to epoch/.
 *
 *     {"slot": 42, "term": 3, "kind": "epoch", "epoch": 40, "now": 1763712000000000, "ended": false,
 *      "sources":  [{"source", "watermark", "evict", "delay", "since"}],         what moved
 *      "steps":    [{"step", "name", "source", "watermark", "evict", "closes", "since", "lag",
 *                   "waits"}],
 *      "splits":   [{"source", "split", "number", "position", "start", "mark": {"position", "time", "crc"},
 *                   "max_event", "idle", "finished"}],
 *      "sinks":    [{"name", "confirmed", "applied", "target", "renew"}],
 *      "added":    [{"name", "bytes", "crc", "from", "to", "level", "state", "outbox", "keyed",
 *                "sets_end"}],
 *      "dropped":  ["seg/..."],
 *      "gone_sources": ["name"], "gone_sinks": ["name"],                         of a changed plan
 *      "plan": "<sha256>", "fingerprint": "<sha256>", "ledger": {...},          where there is one
 *      "full":     {"uuid", "seed", "epoch", "now", "ended", "plan", "fingerprint", "sources", "steps", "splits",
 *                   "sinks", "segments", "total", "history"}}    full records: everything after this one
 *
 * Of a split "start" and "mark" are missing in older logs, "mark" also where the source has none, and of a source
 * "delay" and "since"; "renew" is "state" or "outbox",
 * where it is due.
 * Members stand in this order, the outer ones a line each. Times are microseconds, null where there is none; crc and
 * seed are hexadecimal text; a ledger is what ledger_json writes. Empty lists are left out of the outer object.
 */
#pragma once

#include "epoch/manifest.h"

/* full: the manifest after the record, or NULL. */
void record_json(uint64_t slot, uint64_t term, const struct journal_record *r, const struct manifest *full,
                 struct buf *out);
void manifest_json(const struct manifest *m, struct buf *out);

/* A record as it was read; `record` points into the rest. */
struct record_read {
    uint64_t slot, term;
    struct journal_record record;
    bool is_full;
    struct manifest full; /* without slot and term */

    char kind[16], plan[65], fingerprint[65];
    struct source_time *sources;
    struct step_time *steps;
    struct split_position *splits;
    struct sink_state *sinks;
    struct segment_ref *added;
    char **dropped, **gone_sources, **gone_sinks;
    struct ledger ledger;
};
/* ERR_CORRUPT names the member that is missing or wrong. */
enum status record_read_new(struct slice json, struct record_read **ret, struct error *err);
void record_read_free(struct record_read *r);
