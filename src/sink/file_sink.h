/* The inside of the file sink: one file, appended to (file_append.c) or replaced whole (file_table.c), or a folder of
 * parts (file_parts.c); and beside them a mark that says which epochs are in it (file_mark.c). */
#pragma once

#include "flow/sink.h"

/* The file after one apply. */
struct file_version {
    int64_t epoch;   /* last epoch in it */
    uint64_t length; /* bytes of it */
    uint32_t crc;    /* CRC-32C: of a replaced file all of it, of an appended one what the last apply added, as long as
                        it was short; else 0 */
};

struct file_mark {
    char owner[160];               /* "uuid/sink" */
    struct file_version now, next; /* next: about to be made when the mark was written */
    uint64_t until;                /* unless 0: next is not known yet, and the file may have up to so many bytes */
};

/* The mark of the file at path. OK with an empty owner: there is none. ERR_CORRUPT: one that cannot be read. */
enum status file_mark_load(const char *path, struct file_mark *ret, struct error *err);
/* Durable when it returns. */
enum status file_mark_store(const char *path, const struct file_mark *m, struct error *err);

/* "folder/.name.suffix" beside "folder/name", in the arena. */
char *file_beside(const char *path, const char *suffix, struct arena *a);
/* Make names in the folder of path durable. */
enum status file_sync_folder(const char *path, struct error *err);
/* Rename `temporary` (synced) over path, durably. */
enum status file_replace(const char *temporary, const char *path, struct error *err);

enum file_compression { FILE_PLAIN, FILE_GZIP, FILE_ZSTD };

struct file_sink {
    struct sink base;
    struct arena own;
    const char *path, *temporary;
    const char *identity;
    const struct format *format;
    struct options options;
    struct schema schema;
    struct encoder *encoder;
    const atomic_bool *cancelled;
    const uint32_t *key;
    uint32_t nkey;
    bool in_state, resync; /* see struct sink_config */
    struct file_mark mark;
    struct buf bytes; /* file_append.c: rows on their way; kept, because new memory costs more than to write into it */
    struct file_table *table; /* nkey > 0 */
    /* a folder of parts; path is the name "parts" in it, which only the mark is beside */
    const char *folder; /* with the / at its end */
    enum file_compression compression;
    uint64_t tag;
};

/* Finish or undo what an earlier process began, so that mark.now is the file. */
enum status file_append_settle(struct file_sink *s, struct error *err);
enum status file_append_apply(struct sink *base, struct change_set *changes, struct sink_result *ret,
                              struct error *err);

enum status file_table_settle(struct file_sink *s, struct error *err);
enum status file_table_stage(struct sink *base, struct change_set *changes, struct error *err);
enum status file_table_apply(struct sink *base, struct change_set *changes, struct sink_result *ret, struct error *err);
enum status file_table_resync(struct sink *base, struct change_set *all_rows, struct error *err);
/* Whose folder is it, and what is in it? Answers the other owner, if any, in ret_position. */
enum status file_parts_settle(struct file_sink *s, bool adopt, struct sink_position *ret_position, struct error *err);
enum status file_parts_apply(struct sink *base, struct change_set *changes, struct sink_result *ret, struct error *err);
void file_table_free(struct file_table *t);
