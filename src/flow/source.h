/* Sources: where rows come from. A source has splits (Kafka partitions, files); each split is a sequence of messages
 * with ascending 64-bit positions. The engine visits splits in order, each once per epoch, and asks for a batch at a
 * time; positions live in bourn's log only, so a source keeps nothing durable. Calls come one at a time: `poll`,
 * `failing` and `release` from any worker, `free` from any thread, all others from the engine's. Nothing here blocks: a
 * source that waits for the network has threads of its own below.
 */
#pragma once

#include "base/options.h"
#include "column/batch.h"
#include "flow/format.h"

/* What a source is told when it is opened. Everything outlives the source. */
struct source_config {
    const char *table;
    const struct options *server, *mapping, *options; /* of CREATE SERVER, USER MAPPING, FOREIGN TABLE */
    const struct schema *schema;
    const struct format *format; /* NULL: rows come typed, or the source chooses */
    const uint64_t *decode;      /* bitmap of the columns that come from the message; NULL: all */
    uint32_t time_column_plus1;  /* 0: none */
    int64_t memory;              /* bytes all that is in flight may take; 0: not said */
    bool with_headers;           /* a column takes the headers: else origin.headers may be left out */
    int64_t now_us;
    void *outside; /* what a stand-in reads (engine/engine.h); NULL for all others */
};

struct split {
    char name[200];   /* stable identity within the source: "transactions/3", "/data/e.ndjson" */
    uint32_t number;  /* ordinal: partition number, or order of discovery */
};

/* By what the message is known again that was read last below a position: a topic that was deleted and made anew has
 * another one there. Kept in the log, with the position. */
struct source_mark {
    bool known;
    int64_t position; /* its own: not always the one before where reading goes on */
    int64_t time_us;  /* as the source has it; -1: none */
    uint32_t crc;     /* CRC-32C of its key and payload */
};

static inline bool source_mark_differs(const struct source_mark *a, const struct source_mark *b)
{
    return a->known && b->known && a->position == b->position && (a->time_us != b->time_us || a->crc != b->crc);
}

/* A batch as it came. Valid until source_release. */
struct source_batch {
    uint32_t rows;         /* 1..BATCH_ROWS */
    struct origin origin;  /* raw: set when the format must decode */
    struct batch *typed;   /* set when rows come typed (delta); origin.raw is NULL then */
    uint64_t bytes;        /* of payload, for budgets */
    int64_t next_position; /* where to go on after this batch */
    void *owner;           /* the source's */
};

struct source;
struct source_ops {
    /* Splits that no call has named before, `max` at most, into *ret, which the caller owns. As many as that: there
     * may be more, and the caller asks again. */
    enum status (*splits)(struct source *s, struct split *ret, uint32_t max, uint32_t *ret_count, struct error *err);
    /* Start or go on at `position`; POSITION_START = as the options say (earliest, latest, timestamp). The position
     * that was meant is answered by the first poll or `position`. Position gone (retention): ERR_SOURCE says so. */
    enum status (*seek)(struct source *s, uint32_t split, int64_t position, struct error *err);
    /* Of the last row of a batch. NULL, as then is `expect`: the source itself sees that a split is another one. */
    struct source_mark (*mark)(const struct source_batch *b);
    /* Called before the seek to a position that the log has: another message at the mark, and ERR_SOURCE says so
     * before anything is read on, or so far as the options have it go on. One that is gone proves nothing. */
    void (*expect)(struct source *s, uint32_t split, const struct source_mark *mark);
    /* Can `seek` go back to what was read before, in another run? NULL: it can. */
    bool (*rereads)(const struct source *s);
    /* At most max_rows rows now. AGAIN: nothing now. */
    enum status (*poll)(struct source *s, uint32_t split, uint32_t max_rows, struct source_batch *ret,
                        struct error *err);
    /* From now on, until `free`: call wake(arg), from any thread, when something has come where `poll` said AGAIN.
     * NULL: it is asked again and again. */
    void (*notify)(struct source *s, void (*wake)(void *arg), void *arg);
    /* After an error that was retriable: does what it reads from still not answer? NULL: a poll without error shows
     * that it does. */
    bool (*failing)(struct source *s);
    void (*release)(struct source *s, struct source_batch *b);
    /* Where the next poll goes on, once that is known: where "earliest" is, or past what holds no rows (the markers of
     * transactions). -1: not known yet. NULL: positions move by batches only. */
    int64_t (*position)(struct source *s, uint32_t split);
    /* The end as far as is known now: position one past the last message. -1: not known. */
    int64_t (*end_position)(struct source *s, uint32_t split);
    /* The end of what can be read now, for a run that goes no further: short of a transaction that is open, or of a
     * line that is not complete. -1: not known yet. NULL: end_position. */
    int64_t (*readable_end)(struct source *s, uint32_t split);
    /* The split is finite and position is its true end: nothing will ever follow. */
    bool (*finished)(struct source *s, uint32_t split);
    /* Stop or go on fetching for a split that the engine does not poll for a while. May be NULL. */
    void (*pause)(struct source *s, uint32_t split, bool paused);
    /* Everything below these positions is in a logged epoch: tell lag tools. May be NULL. */
    void (*acknowledge)(struct source *s, uint32_t split, int64_t position);
    void (*free)(struct source *s);
};
struct source {
    const struct source_ops *ops;
};

enum { POSITION_START = -1 };

struct source_connector {
    const char *name;
    const struct option_spec *options;
    const char *const *metadata; /* NULL-ended names its rows can carry: "offset", "partition", ... */
    const char *help;
    const char *default_format; /* NULL: typed */
    /* open must not block on the network: problems of reachability come from poll as retriable errors. */
    enum status (*open)(const struct source_config *config, struct source **ret, struct error *err);
    /* Does a table with these options end one day? NULL: never. */
    bool (*bounded)(const struct options *server, const struct options *table);
};
