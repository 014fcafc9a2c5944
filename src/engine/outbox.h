/* Reading the outbox: the net changes of one sink over a range of epochs, as a change set. Segments are read one at a
 * time; what waits for a sink costs disk only, and recovery reads the same way. Up to a limit the bytes are remembered
 * as well until they are applied, so that they need not be read back.
 *
 * An append sink gets its epochs oldest first. An upsert sink gets one row a key: segments are read newest first, and a
 * key that was seen already is skipped.
 */
#pragma once

#include "base/bufs.h"
#include "epoch/journal.h"
#include "flow/sink.h"
#include "plan/plan.h"

/* Payloads that are in a segment as well; thread-safe. */
struct outbox_memory;
struct outbox_memory *outbox_memory_new(uint64_t most);
void outbox_memory_free(struct outbox_memory *m);
/* Of a sink in this segment, whose record is not there yet. Moved, if there is room; else it stays the caller's. */
void outbox_remember(struct outbox_memory *m, const struct segment_ref *segment, const char *sink,
                     struct bufs *payload);
/* The sink's up to this epoch are not needed any more. */
void outbox_forget(struct outbox_memory *m, const char *sink, int64_t to);
uint64_t outbox_remembered(struct outbox_memory *m);

/* What to read: everything is copied or outlives it. */
struct outbox_range {
    struct store *store;
    struct outbox_memory *memory; /* of its sink nothing is forgotten while it is read; NULL: none */
    const struct plan_table *table;
    const char *sink; /* section name */
    int64_t from, to, now_us;
    struct segment_ref *refs; /* owned; ascending */
    uint32_t nrefs;
    uint64_t least, most; /* rows that the ledger says were written for the sink in these epochs */
    int64_t staged;       /* the sink has those of epochs up to this one already... */
    uint64_t staged_rows; /* ...so many; 0: none */
    char *info; /* JSON for commitInfo; owned; may be NULL */
};

struct outbox_range *outbox_range_new(struct store *store, const struct manifest *m, const struct plan_table *table,
                                      int64_t from, int64_t to, int64_t now_us);
void outbox_range_free(struct outbox_range *r);
/* Does no segment of the range hold changes for the sink? ERR_CORRUPT if the ledger says that some were written: to
 * take lost changes for none would confirm them. Reading the rows checks their number in the same way. */
enum status outbox_is_empty(struct outbox_range *r, bool *ret, struct error *err);

/* Reader of the range's rows; the range must outlive it. */
struct change_set *outbox_changes(struct outbox_range *r);
void outbox_changes_free(struct change_set *c);
/* Rows that were read since it began, or began anew. */
uint64_t outbox_changes_read(const struct change_set *c);
