/* The parts of the Delta sink: private to sink/delta*.c.
 *
 *   delta.c          options, open, and apply: look at the table, stage files, commit, and again when the race was lost
 *   delta_owner.c    who else writes here: other instances of bourn, other programs, and what they may have undone
 *   delta_stage.c    rows -> data files, one open file per partition, rolled at the target size
 *   delta_change.c   a change set in memory, by key
 *   delta_keys.c     which file holds which keys, remembered
 *   delta_upsert.c   which files hold the changed keys, and what they are rewritten to
 *   delta_guard.c    data files that others delete while they are being written
 *   delta_compact.c  many small files -> few large ones
 */
#pragma once

#include <stdatomic.h>

#include "base/hash.h"
#include "flow/sink.h"
#include "lake/delta.h"

struct key_cache;

/* Files of the commits we made last, or are about to make (delta_guard.c). */
struct guarded_file {
    char *path;
    char *bytes; /* NULL: too large to keep */
    size_t len;
};
struct guard {
    struct guarded_file *files;
    uint32_t nfiles, cap;
    uint64_t kept_bytes;
};

enum { REPLACED_MAX = 512 };

struct stage;
struct delta_sink {
    struct sink base;
    struct store *store;
    struct arena memory;  /* what follows up to `table` */
    const char *root;     /* of the table inside the store */
    const char *place;    /* folder of the table, for messages */
    const char *identity; /* "uuid/sink" */
    struct schema schema;
    uint32_t *key, nkey;       /* 0: append */
    const char **partition_by; /* NULL: as the table is; for a new one: not partitioned */
    uint32_t npartition_by;
    uint64_t target_bytes;  /* of a data file */
    uint32_t compact_files; /* this many small ones are made one; 0: never */
    enum parquet_codec codec;
    bool adopt; /* take the table as it is, until our first commit */
    bool in_state; /* the engine can hand out all rows again */
    bool merge_schema, absence_checked;
    bool others_compact; /* another program does: then we do not */
    const atomic_bool *cancelled;
    struct delta_table *table; /* the snapshot; NULL: not looked at yet; version -1: not there yet */
    int64_t applied;           /* by our identity, as far as we know; never goes back */
    int64_t cleaned_day;       /* when the log was last cleaned, in days since 1970; 0: not since the sink was opened */
    int64_t missing_at; /* the version of which a file was not there; -1: none in this apply */
    struct key_cache *keys;
    struct guard guard;
    char *replaced[REPLACED_MAX]; /* paths that our last commits removed: a ring */
    uint32_t next_replaced;
    struct stage *ahead; /* rows that the next append will hold, staged already; NULL: none */
    int64_t ahead_to;    /* up to this epoch */
};

static inline uint32_t delta_sink_missing(const struct delta_sink *s)
{
    uint32_t have = s->table->metadata.schema.ncols;
    return s->schema.ncols > have ? s->schema.ncols - have : 0;
}

/* ERR_INTERRUPTED once the engine asked to stop. */
static inline enum status delta_sink_go_on(const struct delta_sink *s, struct error *err)
{
    if (s->cancelled && atomic_load_explicit(s->cancelled, memory_order_relaxed))
        return error_set(err, ERR_INTERRUPTED, "writing to %s was interrupted", s->place);
    return OK;
}

/* ---- delta_owner.c ---- */

/* The identity of another state under which the table was last written by a sink of our name, or NULL. */
const char *delta_other_owner(const struct delta_sink *s);
/* Did commits (from, to] of others undo what we have published? ERR_STATE then, saying which. Notes whether others
 * compact the table. */
enum status delta_check_others(struct delta_sink *s, int64_t from, int64_t to, struct error *err);
/* The same for the time when we were not running: back from the snapshot to our own last commit. */
enum status delta_check_absence(struct delta_sink *s, struct error *err);
/* delta_commit, remembering which files it replaced if it was made. */
enum status delta_commit_noted(struct delta_sink *s, const struct delta_commit *commit, enum delta_outcome *ret,
                               struct error *err);
/* Did others replace the same files in a commit after ours? A writer that does not look who was faster puts their rows
 * into the table a second time. ERR_STATE then. */
enum status delta_check_replaced(const struct delta_sink *s, const struct delta_changes *changes, struct error *err);
/* ERR_STATE if the table forgets transactions sooner than a pipeline may be down. */
enum status delta_check_retention(const struct delta_sink *s, struct error *err);

/* ---- delta_stage.c ---- */

/* Data files on their way into one commit. They are durable, but not part of the table before that commit. */
struct stage {
    struct delta_sink *sink;
    struct arena memory; /* of adds */
    struct delta_add *adds;
    uint32_t nadds, cap;
    uint64_t rows, bytes;
    uint64_t roll_bytes; /* a file that has reached this size is closed */
    struct stage_writer *writers;
    uint32_t nwriters, writers_cap, *slots, mask; /* slots: hash of the partition -> writer + 1 */
    struct schema data; /* the columns of a data file: those of the sink that are not the table's partition columns */
    uint32_t *columns;  /* their indexes in a row of the sink */
    struct guard guard; /* of the adds */
    /* What is staged ahead of its apply is in memory only: files that are finished wait here. */
    bool ahead;
    struct held_file {
        const char **partition;
        struct parquet_writer *parquet; /* owns the file's bytes; NULL: it has been put */
        struct parquet_file file;
    } *held;
    uint32_t nheld, held_cap;
    uint64_t held_bytes;
};

void stage_init(struct stage *st, struct delta_sink *s);
/* Add the live rows of a batch with the sink's columns. */
enum status stage_add(struct stage *st, const struct batch *b, struct error *err);
/* The rows of a change set, as they come. */
enum status stage_add_all(struct stage *st, struct change_set *c, struct error *err);
/* What is in memory, encoded. */
uint64_t stage_bytes(const struct stage *st);
/* Finish and put every open file. */
enum status stage_close_files(struct stage *st, struct error *err);
/* Are all files still there? A VACUUM without mercy deletes files that no commit names yet. */
enum status stage_check(const struct stage *st, bool *ret_complete, struct error *err);
/* Delete what was put: only when it is certain that no commit names it. Failing leaves garbage for VACUUM. */
void stage_discard(struct stage *st);
void stage_release(struct stage *st);
/* The sink's `stage` (flow/sink.h). */
enum status stage_ahead(struct sink *s, struct change_set *changes, struct error *err);
/* What was so staged, if it is what the set says; all of it is the caller's then. */
bool stage_take_ahead(struct delta_sink *s, const struct change_set *c, struct stage *ret);
/* Forget it: it fits the table no more. */
void stage_drop_ahead(struct delta_sink *s);
static inline void stage_autofree(struct stage *st)
{
    stage_release(st);
}

/* ---- delta_guard.c ---- */

void guard_add(struct guard *g, const char *path, const struct parquet_file *file);
/* Move everything from one to the other. */
void guard_take(struct guard *g, struct guard *from);
void guard_clear(struct guard *g);
/* Are the files of our last commits there, as far as the table still has them? Puts back what it can; ERR_STATE else.
 * */
enum status guard_check(struct delta_sink *s, struct error *err);
/* Are the newest files of the table there? For a sink that was just opened and has nothing in memory. */
enum status guard_check_newest(const struct delta_sink *s, struct error *err);

/* ---- delta_change.c ---- */

enum change_fate {
    CHANGE_NEW,     /* no row of the table has the key, as far as was seen */
    CHANGE_SAME,    /* the table has this very row */
    CHANGE_UPDATED, /* the table's row is another and goes */
    CHANGE_DELETED,
};

/* The net change of one key. */
struct change {
    uint64_t hash;    /* of key */
    struct slice key; /* rowkey bytes of the key columns */
    const struct batch *batch;
    uint32_t row;
    bool remove;
    uint8_t fate;
    uint32_t file; /* the file of the plan that the row is written to, NO_FILE: none */
};
enum { NO_FILE = UINT32_MAX };

/* All changes of a set, ascending by key. */
struct changes {
    struct arena memory;
    struct change *items;
    uint32_t count, cap;
    uint32_t *slots, mask;      /* hash -> index + 1 */
    struct slice *least, *most; /* per key column: the range of its rowkey bytes */
};

enum status changes_read(struct changes *c, const struct delta_sink *s, struct change_set *from, struct error *err);
/* The change of this key, or NULL. */
struct change *changes_find(const struct changes *c, uint64_t hash, struct slice key);
/* Index of the first change whose key is >= the given bytes. */
uint32_t changes_lower_bound(const struct changes *c, struct slice key);
void changes_release(struct changes *c);
static inline void changes_autofree(struct changes *c)
{
    changes_release(c);
}

/* Are two rows of the same columns equal, value by value, bit by bit? */
bool rows_equal(const struct batch *a, uint32_t row_a, const struct batch *b, uint32_t row_b);

/* ---- delta_keys.c ---- */

/* Which keys a data file holds, as a set of hashes kept in memory. A file never changes, so neither does what is known
 * of it: other writers' commits make files come and go, but make no entry here wrong. */
struct key_cache *key_cache_new(uint64_t max_bytes);
void key_cache_free(struct key_cache *k);
/* Is anything known of the file? Then *ret_holds: may it hold one of these keys? (Wrong once in a billion.) */
bool key_cache_ask(struct key_cache *k, const char *path, const struct changes *c, uint32_t from, uint32_t to,
                   bool *ret_holds);
void key_cache_put(struct key_cache *k, const char *path, const uint64_t *hashes, size_t n);
/* Forget files that the table does not have any more. */
void key_cache_trim(struct key_cache *k, const struct delta_table *t);

/* ---- delta_upsert.c ---- */

struct upsert {
    struct stage stage;
    const struct delta_file **removes;
    uint32_t nremoves;
    struct arena memory;
};

/* Work out and stage what this change set does to the table as it is now. Counts rows in *result. */
enum status upsert_prepare(struct upsert *u, struct delta_sink *s, struct change_set *from, struct sink_result *result,
                           struct error *err);
void upsert_release(struct upsert *u);
static inline void upsert_autofree(struct upsert *u)
{
    upsert_release(u);
}

/* Open a file of the table for rows with the sink's columns; those that the table does not have yet are left out (see
 * delta_sink_missing). only: the columns wanted, NULL: all. */
enum status sink_reader_open(const struct delta_sink *s, const struct delta_file *f, const uint32_t *only,
                             uint32_t nonly, struct arena *a, struct delta_reader **ret, struct error *err);
/* The next rows of a reader of all columns, or NULL at its end; columns that the table lacks are NULL. */
enum status sink_reader_next(const struct delta_sink *s, struct delta_reader *r, struct arena *a, struct batch **ret,
                             struct error *err);

/* ---- delta_compact.c ---- */

/* If a partition has too many small files, rewrite some of them as one. Gives up without a word: the next apply
 * comes. */
void delta_compact(struct delta_sink *s, struct sink_result *result);
