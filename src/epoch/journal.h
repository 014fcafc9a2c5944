/* The journal: bourn's slotted log. One record per epoch; winning a slot is THE commit point and the fence (semantics
 * 2). Format of a slot: top of slot.c. Slot n is the object "log/<n, 20 digits>", put whole, once. Each record
 * carries the SHA-256 of the one before it, its own CRCs, a nonce and the writer's term.
 *
 * Records hold edits; at least every JOURNAL_FULL_EVERY-th record, and the first of each term, is full: it stands for
 * everything before it, so that older slots can be truncated (strictly ascending) and recovery reads a bounded number
 * of slots.
 */
#pragma once

#include "base/arena.h"
#include "base/store.h"
#include "epoch/ledger.h"
#include "flow/source.h"
#include "state/segment.h"

enum { JOURNAL_FULL_EVERY = 64 };

struct split_position {
    char source[100], split[200]; /* the table's name; the source's own name of the split (flow/source.h) */
    uint32_t number;
    int64_t position;   /* next message to read */
    int64_t max_event;  /* greatest accepted event time, us; INT64_MIN: none */
    bool idle, finished;
    int64_t start;      /* where reading began: the first message, once there was one; -1: an older log did not say */
    struct source_mark mark; /* of the message read last below position; an older log did not say */
};

/* Event time of one source (semantics 7, 8). The watermark after epoch N is what epoch N+1 evicts with; what N evicted
 * with is what N+1 calls late. */
struct source_time {
    char source[100];
    int64_t watermark; /* from data up to and including this epoch, us; INT64_MIN: none */
    int64_t evict;     /* the one this epoch evicted with */
    int64_t delay;     /* the watermark is that much behind a split's newest event, us; -1: an older log did not say */
    int64_t since;     /* when the watermark became what it is: an epoch's time; INT64_MIN: an older log did not say */
};

/* Event time of a step that keeps state by it. For people: recovery does without. */
struct step_time {
    char step[24], name[100]; /* as of the plan node */
    char source[100];         /* that is furthest behind */
    int64_t watermark, evict; /* as of a source: what the next epoch evicts with, and calls late */
    int64_t closes;           /* the event time at which the earliest that is open closes; INT64_MIN: nothing is open */
    int64_t since;
    int64_t lag;              /* what closes does so when the source's watermark less this has reached it, us */
    bool waits;               /* its rows come out only when they close */
};

/* From where the rows come that replace a target's: the state, or the outbox after `confirmed`. */
enum sink_renewal { RENEW_NOT, RENEW_FROM_STATE, RENEW_FROM_OUTBOX };

struct sink_state {
    char name[100];
    int64_t confirmed; /* all epochs up to this are applied */
    int64_t applied;   /* the newest epoch that was really handed to the sink and done: <= confirmed, because a range in
                          which nothing changed is confirmed without asking the sink */
    int64_t target;    /* decided to publish up to this epoch (>= confirmed) */
    enum sink_renewal renew; /* the pipeline was changed: what the target holds is still to be replaced */
};

/* Everything that is durable at one moment. Owned arrays. */
struct manifest {
    char uuid[37];
    uint64_t hash_seed;    /* of this state's id hashes */
    uint64_t slot, term;
    int64_t epoch, now_us; /* of the last finished epoch; 0: none */
    struct source_time *sources;
    uint32_t nsources;
    struct step_time *steps; /* forgotten when the plan changes, and known again after its first epoch */
    uint32_t nsteps;
    char plan[65];         /* sha256 of the plan text object "plan/<sha256>" */
    char fingerprint[65];  /* of the bound plan */
    bool ended;            /* END: bounded sources are at their true end, all windows closed */
    struct split_position *splits;
    uint32_t nsplits;
    struct sink_state *sinks;
    uint32_t nsinks;
    struct segment_ref *segments; /* by `from`, ascending */
    uint32_t nsegments;
    struct ledger total;    /* since the beginning */
    struct ledger *history; /* at most LEDGER_HISTORY adjacent ranges, oldest first */
    uint32_t nhistory;
};
enum { LEDGER_HISTORY = 48 };

void manifest_release(struct manifest *m);
/* What it has of them, by name; NULL: nothing. */
struct source_time *manifest_source(const struct manifest *m, const char *source);
struct split_position *manifest_split(const struct manifest *m, const char *source, const char *split);
struct step_time *manifest_step(const struct manifest *m, const char *step);
struct sink_state *manifest_sink(const struct manifest *m, const char *sink);

/* One record: what changed. Pointers are the caller's, read only. */
struct journal_record {
    const char *kind; /* "open", "epoch", "confirm", "plan", "end" */
    int64_t epoch, now_us;
    bool ended;
    const struct source_time *sources; /* those that moved */
    uint32_t nsources;
    const struct step_time *steps; /* those that moved */
    uint32_t nsteps;
    const struct split_position *splits; /* those that moved */
    uint32_t nsplits;
    const struct sink_state *sinks; /* those that moved */
    uint32_t nsinks;
    const struct segment_ref *added; /* new segments (an epoch's, or a merge's result) */
    uint32_t nadded;
    const char *const *dropped_state;  /* names of segments whose state sections were merged away */
    uint32_t ndropped_state;
    const struct ledger *ledger; /* of this epoch; NULL: none */
    const char *plan, *fingerprint; /* NULL: unchanged */
    /* Sources (their splits and times) and sinks that the changed plan does not have, or begins anew: forgotten before
     * the lists above are looked at, so that what stands there may begin anywhere. */
    const char *const *gone_sources, *const *gone_sinks;
    uint32_t ngone_sources, ngone_sinks;
};

struct journal;
/* What is in this store? *ret_exists false: no journal. Reads nothing else. */
enum status journal_exists(struct store *store, bool *ret_exists, struct error *err);
/* Read-only: the manifest as of the newest slot, chain verified from the last full record on. For readers beside a live
 * process too: a slot that vanishes by truncation while reading is retried. */
enum status journal_read(struct store *store, struct manifest *ret, struct error *err);
/* Verify every slot that is there: chain, CRCs, progression of epochs and positions, ledgers; calls visit per record
 * (JSON payload). */
enum status journal_verify(struct store *store,
                           enum status (*visit)(void *arg, uint64_t slot, struct slice json, struct error *err),
                           void *arg, struct error *err);
/* Take over: recover the manifest (or start a new one: uuid and seed are minted), then win the next slot with an "open"
 * record of a new term. From then on any other writer is fenced. Segments that no record names and that belong to older
 * terms are removed. */
enum status journal_open(struct store *store, struct journal **ret, struct error *err);
const struct manifest *journal_manifest(const struct journal *j);
/* Append a record: durable and committed when OK. Its ledger is balanced and its progress checked first (ERR_VERIFY,
 * nothing was written). ERR_FENCED: somebody else won the slot, or N-1 is gone: stop at once. After any other error too
 * the journal takes no more records, and only recovery can tell whether this one was committed.
 *
 * Kind "epoch" or "end": epoch is the manifest's plus one; other kinds: the manifest's. Nothing goes back: not
 * positions, watermarks, confirmations, nor now_us.
 *
 * Updates the manifest; outbox segments at or below every sink's `confirmed` lose has_outbox, and segments with neither
 * flag and slots below the full record before the last are deleted afterwards (never before), a few with every append.
 * Every sink means those that a record has named: the record that adds the first outbox must name all sinks, also those
 * at epoch 0. */
enum status journal_append(struct journal *j, const struct journal_record *r, struct error *err);
/* The same in steps, for who goes on meanwhile. journal_write makes the record durable and committed, in any thread;
 * until then others may read the manifest, which is as it was. journal_written, if that was OK, takes the record into
 * it. journal_sweep deletes a few of what is not needed: in any thread, too, where nobody is at another step. */
enum status journal_write(struct journal *j, const struct journal_record *r, struct error *err);
void journal_written(struct journal *j, const struct journal_record *r);
void journal_sweep(struct journal *j);
void journal_close(struct journal *j);
