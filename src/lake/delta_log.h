/* The inside of a Delta table: what delta_*.c share. */
#pragma once

#include "lake/delta.h"
#include "lake/json.h"

#define DELTA_MAX_COMMIT MIB(256) /* bytes of one commit file */
#define DELTA_MAX_RETENTION_MS (INT64_C(7) * 86400 * 1000)

/* A file the log speaks of: live (its last action is add), or removed (a tombstone, kept so that checkpoints carry it
 * and VACUUM of others waits). One malloc'ed block with all strings behind it. */
struct delta_entry {
    struct delta_file file;
    uint64_t hash;
    const char *key; /* path, and the deletion vector's id behind a newline */
    bool live;
    bool unplaced;      /* written before a column it has no value of became a partition column */
    uint32_t at;        /* in log->live */
    int64_t deleted_ms; /* tombstones; 0: not said */
};

struct delta_txn {
    char *app_id;
    int64_t version, updated_ms;
};

struct delta_domain {
    char *name, *json; /* the domainMetadata action's value */
};

struct delta_log {
    /* entries by key: open addressing; DELTA_FREED marks a freed slot */
    struct delta_entry **slots;
    uint32_t nslots, used, nentries; /* used counts freed slots too */
    struct delta_entry **live;
    uint32_t nlive, live_capacity;
    struct delta_txn *txns;
    uint32_t ntxns;
    struct delta_domain *domains;
    uint32_t ndomains;
    struct arena metadata, protocol;     /* what table->metadata and table->protocol point into */
    char *metadata_json, *protocol_json; /* the actions' values as they were read; NULL: none yet */
    int64_t commit_ms;                   /* inCommitTimestamp of the newest commit; 0: none */
    struct delta_changes *changes;       /* where a refresh collects; NULL: nowhere */
    bool read_only;                      /* time travel */
    bool repartitioned;                  /* entries may be unplaced */
};

/* ---- delta_log.c: actions ---- */

/* Apply one commit file's lines. ERR_CORRUPT names the line's cause; the caller prefixes the file. */
enum status delta_apply_commit(struct delta_table *t, int64_t version, struct slice text, struct error *err);
/* Apply one action: a JSON object's member, e.g. key "add". Unknown ones are passed over. */
enum status delta_apply_action(struct delta_table *t, const char *key, const struct json *value, struct error *err);
/* To be asked when a checkpoint's actions have been applied: has every live file a value for every partition column?
 * ERR_CORRUPT. (delta_apply_commit asks by itself.) */
enum status delta_check_placed(const struct delta_table *t, struct error *err);
void delta_log_clear(struct delta_table *t);
struct delta_entry *delta_find(const struct delta_log *log, const char *key);
/* Drop a tombstone. */
void delta_forget(struct delta_log *log, struct delta_entry *e);
/* Slots hold NULL, this, or an entry. */
#define DELTA_FREED ((struct delta_entry *)1)
/* Values of actions as JSON objects. */
void delta_put_add(struct buf *out, const struct delta_table *t, const struct delta_file *f, bool data_change);
void delta_put_remove(struct buf *out, const struct delta_table *t, const struct delta_file *f, int64_t deleted_ms,
                      bool data_change);

/* ---- delta_schema.c ---- */

/* Fill m from a metaData action; strings in the arena. */
enum status delta_read_metadata(const struct json *value, struct arena *a, struct delta_metadata *m, struct error *err);
enum status delta_read_protocol(const struct json *value, struct arena *a, struct delta_protocol *p, struct error *err);
/* The schemaString of a schema: the fields of `old` as they are (NULL: none), then columns from..ncols. */
void delta_put_schema(struct buf *out, const char *old, const struct schema *s, uint32_t from);
/* May this table be read? ERR_UNSUPPORTED. */
enum status delta_check_read(const struct delta_table *t, struct error *err);

/* ---- delta_path.c ---- */

/* A path as an action spells it (a URI, maybe absolute), decoded and relative to the root, appended and terminated.
 * ERR_UNSUPPORTED: outside the table's folder; ERR_CORRUPT: no path. */
enum status delta_path_decode(const struct delta_table *t, const char *uri, struct buf *out, struct error *err);
void delta_path_encode(const char *path, struct buf *out);

/* ---- delta_open.c ---- */

/* A handle without a version, for delta_close. */
struct delta_table *delta_table_alloc(struct store *s, const char *root);
/* "ROOT/_delta_log/NAME" with printf. Terminated. */
void delta_log_name(const struct delta_table *t, struct buf *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- delta_checkpoint.c ---- */

/* Apply the actions of one checkpoint file (of any kind). Names of sidecars are appended to sidecars, one a line. */
enum status delta_read_checkpoint(struct delta_table *t, const char *name, struct buf *sidecars, struct error *err);

/* ---- delta_dv.c ---- */

/* The deleted rows of a file as a bitmap over `rows` rows, in the arena; *ret NULL: none. */
enum status delta_read_dv(const struct delta_table *t, const struct delta_dv *dv, uint64_t rows, struct arena *a,
                          uint64_t **ret, struct error *err);
