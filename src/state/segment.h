/* Segments: the immutable files that hold state changes and outboxes. One epoch writes one segment; merging writes larger ones.
 * A segment is a row of sections, then a directory of them, then a trailer; every section has its own CRC and nothing is
 * believed before it was checked. Format: top of segment.c. Names: "seg/<from>-<to>-<term>-<random>" (epochs, 20 digits).
 */
#pragma once

#include "base/arena.h"
#include "base/store.h"

enum section_kind {
    SECTION_KEYED = 1,  /* entries of a keyed table: puts and deletes, sorted by shard, then key */
    SECTION_SET = 2,    /* entries of an expiring set, unordered */
    SECTION_OUTBOX = 3, /* encoded batches of one sink's net changes */
};

enum { SECTION_NAME_MAX = 100 };

/* What the log keeps of a segment. */
struct segment_ref {
    char name[100];
    uint64_t bytes;
    uint32_t crc;      /* of directory and trailer */
    int64_t from, to;  /* epochs it covers */
    uint32_t level;    /* 0: written by an epoch; n+1: merged from level n */
    bool has_state, has_outbox; /* sections still needed; a segment with neither is deleted */
};

/* Writing: sections are appended to memory, then the whole is put at once, durable when it returns. */
struct segment_writer;
struct segment_writer *segment_writer_new(void);
/* A buffer to append one section's payload to; finished by the next section or by put. The writer owns it. */
struct buf *segment_section(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version);
/* Parallel writers fill buffers of their own and hand them over (the bytes move, b is emptied). */
void segment_add(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version, struct buf *b);
bool segment_is_empty(const struct segment_writer *w);
enum status segment_put(struct segment_writer *w, struct store *store, int64_t from, int64_t to, uint64_t term,
                        uint32_t level, struct segment_ref *ret, struct error *err);
void segment_writer_reset(struct segment_writer *w);
void segment_writer_free(struct segment_writer *w);

/* Reading. */
struct section {
    enum section_kind kind;
    char name[SECTION_NAME_MAX];
    uint32_t version;
    uint64_t offset, bytes;
    uint32_t crc;
};
struct segment;
/* Reads and checks trailer and directory; ERR_CORRUPT names the file and what differs. */
enum status segment_open(struct store *store, const struct segment_ref *ref, struct segment **ret, struct error *err);
const struct section *segment_sections(const struct segment *s, uint32_t *ret_count);
/* A whole section's payload appended to *into, its CRC checked. */
enum status segment_read(struct segment *s, const struct section *section, struct buf *into, struct error *err);
void segment_close(struct segment *s);
