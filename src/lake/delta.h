/* Delta Lake tables: the log, without policy. What is committed when, how a lost race is met, which file a row goes to
 * is decided by the caller (sink/delta, source/delta); here is what the protocol says, nothing else.
 *
 * An append that survives other writers:
 *
 *     TRY(delta_open(store, "metrics/net_flow", &t, err));             // ERR_NOT_FOUND: delta_new instead
 *     if (delta_txn_version(t, app_id, &done) && done >= epoch) return OK;       // applied before
 *     ... write data files with parquet.h, put them with delta_put_file ...
 *     for (;;) {
 *         TRY(delta_commit(t, &commit, &outcome, err));
 *         if (outcome == DELTA_COMMITTED) break;
 *         AUTO(delta_changes) c = {0};
 *         TRY(delta_refresh(t, &c, err));                              // what the winners did
 *         if (c.recreated || c.metadata) ... plan again; if our txn moved ... done or fenced; else the same files again
 *     }
 *     if (delta_checkpoint_due(t)) TRY(delta_checkpoint(t, err));
 *
 * A table handle is the snapshot of one version, held in memory: every live file, txn and unexpired tombstone. It is
 * used by one thread at a time. Pointers into it (files, metadata) live until the next delta_refresh, delta_commit or
 * delta_close. The log's format is at the top of delta_log.c, the checkpoint's at the top of delta_checkpoint.c.
 */
#pragma once

#include "base/store.h"
#include "lake/parquet.h"

struct delta_pair {
    const char *name;
    const char *value; /* NULL: null */
};

struct delta_strings {
    const char **items;
    uint32_t n;
};

struct delta_protocol {
    int32_t min_reader, min_writer;
    struct delta_strings reader_features, writer_features; /* empty below reader 3 / writer 7 */
};

struct delta_metadata {
    const char *id, *schema_string;
    const char *name, *description; /* NULL: none */
    /* All columns, partition columns too, in the table's order, as parquet_reader_schema maps types (string -> text,
     * array, map, struct -> jsonb ...); a type we do not know is TYPE_UNKNOWN. */
    struct schema schema;
    const char **delta_types; /* per column, as schemaString spells it: "decimal(18,2)"; nested: "struct", ... */
    uint32_t *partition;      /* indexes of the partition columns, in partitionColumns' order */
    uint32_t npartition;
    struct delta_pair *configuration;
    uint32_t nconfiguration;
    int64_t created_ms; /* -1: not said */
};

struct delta_dv { /* a deletion vector as the log describes it */
    char storage; /* 'u', 'i', 'p'; 0: none */
    const char *path_or_inline;
    int64_t offset; /* -1: none */
    int64_t bytes, cardinality;
};

/* A live data file. */
struct delta_file {
    const char *path;             /* decoded, relative to the table's root */
    const char *const *partition; /* value per partition column, in metadata order; NULL: null */
    uint64_t bytes;
    int64_t modified_ms;
    const char *stats; /* the stats JSON; NULL: none */
    const char *tags;  /* JSON object; NULL: none */
    struct delta_dv dv;
};

struct delta_table {
    struct store *store;
    char *root;                 /* name prefix of the table inside the store, "" or without '/' at its end */
    int64_t version;            /* -1: delta_new, not committed yet */
    int64_t checkpoint_version; /* of the newest checkpoint known; -1: none */
    struct delta_protocol protocol;
    struct delta_metadata metadata;
    struct delta_log *log; /* private */
};

/* ---- opening ---- */

/* The newest version. ERR_NOT_FOUND: no table there; ERR_CORRUPT: a gap or a broken log, named; ERR_UNSUPPORTED: the
 * table asks a reader for something we do not do, named. The store must outlive the table. */
enum status delta_open(struct store *s, const char *root, struct delta_table **ret, struct error *err);
/* As of a version (ERR_NOT_FOUND: not yet written, or cleaned up), or as of a time: the newest version committed at or
 * before it, by inCommitTimestamp where the table has it, else by the commit file's time. Such a table is only for
 * reading. */
enum status delta_open_version(struct store *s, const char *root, int64_t version, struct delta_table **ret,
                               struct error *err);
enum status delta_open_timestamp(struct store *s, const char *root, int64_t us, struct delta_table **ret,
                                 struct error *err);
/* A table that is not there yet: version -1. Its first delta_commit carries protocol and metaData with whatever else it
 * holds, as one atomic commit 0, and is DELTA_LOST if somebody else made the table first. Every type must be storable;
 * partition columns are named, and not of type jsonb or bytea (ERR_USAGE). The protocol is 1/2, or 3/7 with
 * timestampNtz if a column is a timestamp without zone. Nothing is written here. */
enum status delta_new(struct store *s, const char *root, const struct schema *schema, const char *const *partition,
                      uint32_t npartition, const struct delta_pair *configuration, uint32_t nconfiguration,
                      struct delta_table **ret, struct error *err);
void delta_close(struct delta_table *t);
static inline void delta_table_autofree(struct delta_table **t)
{
    delta_close(*t);
}

/* ---- asking ---- */

/* May rows be appended / may files be rewritten (upsert, with dataChange)? FAILED with ERR_UNSUPPORTED names the
 * feature, property or column in the way. delta_commit asks again by itself. */
enum status delta_check_append(const struct delta_table *t, struct error *err);
enum status delta_check_rewrite(const struct delta_table *t, struct error *err);
/* Do rows of this schema belong into the table: the same columns in the same order, each stored as the table's type,
 * none nullable where the table says it is not? ERR_STATE names the first column that differs. *ret_missing: how many
 * columns at the end of `rows` the table does not have yet (all nullable, can be added by delta_commit.schema). */
enum status delta_check_schema(const struct delta_table *t, const struct schema *rows, uint32_t *ret_missing,
                               struct error *err);
/* The value of a table property, or NULL. */
const char *delta_property(const struct delta_table *t, const char *name);
/* Milliseconds of a property that is an interval ("interval 30 days"); fallback if unset or not understood. */
int64_t delta_property_ms(const struct delta_table *t, const char *name, int64_t fallback);
/* The newest txn version of an application; false: none. *ret_updated_ms (may be NULL): its lastUpdated, -1 if not
 * said. */
bool delta_txn_version(const struct delta_table *t, const char *app_id, int64_t *ret, int64_t *ret_updated_ms);
/* The txn of every application, in no particular order: i = 0, 1, ... until false. Strings as long as delta_file_at's.
 */
bool delta_txn_at(const struct delta_table *t, uint32_t i, const char **ret_app_id, int64_t *ret_version,
                  int64_t *ret_updated_ms);
/* The live files: delta_file_at(t, 0..delta_file_count-1), in no particular order. */
uint32_t delta_file_count(const struct delta_table *t);
const struct delta_file *delta_file_at(const struct delta_table *t, uint32_t i);
/* The live file at a path, or NULL: to find a file again after a refresh. */
const struct delta_file *delta_file_find(const struct delta_table *t, const char *path);
/* Rows in the file as the log knows them (deleted ones subtracted); false: not said. */
bool delta_file_rows(const struct delta_file *f, uint64_t *ret);
/* What the log knows of the file's values, as a batch of two rows with the table's columns: every value v that is not
 * NULL has row 0 <= v <= row 1 (bounds, maybe wider than the truth); NULL: unknown. Partition columns have their value
 * in both. */
struct batch *delta_file_bounds(const struct delta_table *t, const struct delta_file *f, struct arena *a);

/* ---- reading ---- */

/* The rows of one file, deletion vector applied, partition columns filled in. want NULL: all columns of the table;
 * names that the table does not have are ERR_STATE; types as parquet_reader_select. */
struct delta_reader;
enum status delta_reader_open(const struct delta_table *t, const struct delta_file *f, const struct schema *want,
                              struct delta_reader **ret, struct error *err);
/* The next batch (maybe without live rows), or NULL at the end. */
enum status delta_reader_next(struct delta_reader *r, struct arena *a, struct batch **ret, struct error *err);
void delta_reader_free(struct delta_reader *r);
static inline void delta_reader_autofree(struct delta_reader **r)
{
    delta_reader_free(*r);
}

/* ---- writing ---- */

/* A new unique path for a data file: "[col=value/...]part-00000-UUID-c000.zstd.parquet", appended to out, terminated.
 * partition: a value per partition column (NULL = null), in metadata order. */
void delta_new_path(const struct delta_table *t, const char *const *partition, enum parquet_codec codec,
                    struct buf *out);
/* A value as partitionValues spells it; false: null (an empty string is null too). */
bool delta_partition_print(const struct column *c, size_t row, struct buf *out);
/* The stats JSON of a written file: first 32 columns, strings cut at 32 characters, appended to out. */
void delta_stats_json(const struct parquet_file *file, struct buf *out);
/* The object's name in the store of a path in the table, appended to out and terminated. */
void delta_object_name(const struct delta_table *t, const char *path, struct buf *out);
/* Put a finished data file at its path. */
enum status delta_put_file(const struct delta_table *t, const char *path, const struct parquet_file *file,
                           struct error *err);

struct delta_add {
    const char *path; /* of delta_new_path */
    const char *const *partition;
    uint64_t bytes;
    int64_t modified_ms; /* 0: now */
    const char *stats;   /* of delta_stats_json; NULL: none */
};

struct delta_commit {
    const char *operation;                         /* "WRITE", "STREAMING UPDATE", "MERGE", "OPTIMIZE" ... */
    const struct delta_pair *parameters, *metrics; /* of the operation; values are written as strings */
    const struct delta_pair *info; /* more members of commitInfo, for people and verify; values are JSON text */
    uint32_t nparameters, nmetrics, ninfo;
    const char *app_id; /* NULL: no txn */
    int64_t app_version;
    bool blind_append; /* nothing of the table was read to decide what is added; asserts nremoves == 0 */
    bool data_change;  /* false: the same rows in other files (compaction) */
    const struct delta_add *adds;
    uint32_t nadds;
    const struct delta_file *const *removes; /* files of this table's snapshot */
    uint32_t nremoves;
    const struct schema *schema; /* not NULL: delta_check_schema's rows; its missing columns are added to the table */
};

enum delta_outcome {
    DELTA_COMMITTED, /* durable; the table is at the new version */
    DELTA_LOST,      /* another writer has version + 1: nothing was written; refresh, look, try again */
};

/* Try to write version + 1, once. An answer that got lost on the way is resolved by reading the commit back and
 * comparing its txnId. FAILED: not committed, unless err->retriable with ERR_IO, when the outcome is unknown:
 * delta_refresh and look at the txn. */
enum status delta_commit(struct delta_table *t, const struct delta_commit *c, enum delta_outcome *ret,
                         struct error *err);

/* What the commits (from, to] did, for a caller that has read the table at `from`. */
struct delta_change {
    int64_t version;
    bool added;       /* else removed */
    bool data_change; /* false: rows moved between files only */
    const char *path; /* decoded */
};
struct delta_changes {
    int64_t from, to; /* equal: nothing happened */
    bool protocol, metadata;
    bool recreated; /* metaData.id is another: this is not the table that was read */
    bool all_blind; /* every commit said isBlindAppend */
    struct delta_change *files;
    uint32_t nfiles, capacity;
    struct arena arena;
};
/* Was a file with this path removed by one of these commits? */
bool delta_changes_removed(const struct delta_changes *c, const char *path);
void delta_changes_release(struct delta_changes *c);
static inline void delta_changes_autofree(struct delta_changes *c)
{
    delta_changes_release(c);
}

/* Go on to the newest version. ret may be NULL. On FAILED the table is as it was, or unusable if err says ERR_CORRUPT.
 */
enum status delta_refresh(struct delta_table *t, struct delta_changes *ret, struct error *err);

/* What one commit said it did: for a writer that looks back at what others did while it was away. */
struct delta_commit_summary {
    const char *operation; /* of commitInfo; NULL: not said */
    const char *ledger;    /* of its operationParameters, which bourn's commits have; NULL: not said */
    const char *app_id;    /* of the first txn; NULL: none */
    int64_t app_version;
    bool metadata;
    bool adds, removes; /* rows: actions with dataChange false are not counted */
};
/* Strings are in the arena. ERR_NOT_FOUND: not written yet, or cleaned up. */
enum status delta_read_commit(const struct delta_table *t, int64_t version, struct arena *a,
                              struct delta_commit_summary *ret, struct error *err);

/* Is the newest checkpoint delta.checkpointInterval (10) versions old? */
bool delta_checkpoint_due(const struct delta_table *t);
/* Write a classic checkpoint of this version, then _last_checkpoint. Expired tombstones are left out. Failing does no
 * harm. */
enum status delta_checkpoint(struct delta_table *t, struct error *err);
/* Remove commits and checkpoints older than delta.logRetentionDuration (30 days), as Spark does after its checkpoints:
 * the newest checkpoint that is older than that, and everything since, stays. Nothing happens when
 * delta.enableExpiredLogCleanup is false. Lists the whole log: once a day is often enough. Failing does no harm. */
enum status delta_clean_log(const struct delta_table *t, struct error *err);
