/* What the files of engine/ share: the engine's parts. */
#pragma once

#include <stdatomic.h>

#include "engine/builtin.h"
#include "engine/control.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "engine/input.h"
#include "engine/merger.h"
#include "engine/publish.h"

enum { EPOCH_SEGMENTS = 2 };

/* An epoch that is being closed: its record is not in the manifest. */
struct commit {
    bool open;
    bool beside; /* a thread writes its segments and its record */
    struct os_thread thread;
    atomic_bool written; /* that is done, with: */
    enum status status;
    struct error error;
    int64_t began_us, epoch, now_us; /* began_us: monotonic */
    uint64_t bytes; /* held in memory meanwhile */
    struct arena arena;
    struct ledger ledger;
    struct bufs *payloads; /* per sink of the graph: lent to the segment, then to the sink's thread */
    struct segment_ref added[EPOCH_SEGMENTS + MERGE_RESULTS];
    uint32_t first; /* of them that is the epoch's own; those before it were merged */
    struct journal_record record;
};

struct engine {
    struct engine_config config;
    struct plan *plan;
    struct settings settings;
    bool spills; /* the heap is on disk, and ours */
    int lock_fd;
    struct store *store;
    struct journal *journal;
    struct pool *pool;
    struct graph *graph;
    struct inputs inputs;
    struct publisher *publisher;
    struct merger *merger;
    struct control *control;
    struct segment_writer *segment;
    struct arena arena; /* of one record without an epoch */
    struct commit commit;
    struct op_time *times;
    atomic_bool stop;
    /* progress */
    int64_t started_us, last_progress_us, last_discovery_us;
    uint64_t rows, bytes;
    int64_t commit_us; /* how long a commit takes, smoothed */
    int64_t epoch_us;  /* how long the last epoch took, reading and committing */
    int64_t busy_us, busy_then, measured_us; /* all epochs of this run; when it was measured last; and when that was */
    bool paused;    /* the outbox is at its limit */
    uint32_t quiet; /* passes without a row in a row */
};

/* The time of the epoch that begins now, if that is not before the last one's. */
int64_t engine_now(const struct engine *e);
/* recover.c: from a state folder to a graph as of the last epoch. */
enum status engine_lock(struct engine *e, struct error *err);
enum status engine_recover(struct engine *e, struct error *err);
/* rebuild.c: the log's plan differs from the engine's, whose text has this SHA-256. Publishes what the old one left,
 * and appends the record that changes it; recovery goes on from there. */
enum status engine_change(struct engine *e, const char *sha, struct error *err);
/* commit.c: close the epoch that the graph has just computed: balance, segment, record, publish. A large segment and
 * its record are written while the next epoch is read, up to engine_commit_end, which lets sinks begin; what is small,
 * or the end of all input, is over when this returns. */
enum status engine_commit(struct engine *e, int64_t epoch, int64_t now_us, bool ended, struct error *err);
/* Wait for that; OK also where nothing is open. Before anything else that looks at the log or adds to it. */
enum status engine_commit_end(struct engine *e, struct error *err);
/* Would engine_commit_end go through without waiting, and is there something to end? */
bool engine_commit_is_written(struct engine *e);
void engine_commit_release(struct engine *e);
/* A record without an epoch: what sinks confirmed, what was merged. */
enum status engine_confirm(struct engine *e, struct error *err);
/* A step's and a sink's line of the ledger, added to what it has. */
void engine_count_step(struct ledger *l, const char *id, const struct step_counts *c);
void engine_count_sink(struct ledger *l, const char *name, const struct collect_counts *c);
