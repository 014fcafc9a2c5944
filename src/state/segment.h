/* Segments: the immutable files that hold state changes and outboxes. One epoch writes one segment; merging writes
 * larger ones. A segment is a row of sections, then a directory of them, then a trailer; every section has its own CRC
 * and nothing is believed before it was checked. Format: top of segment.c. Names: "seg/<from>-<to>-<term>-<random>" (20
 * digits each, then 16 hex digits).
 */
#pragma once

#include "base/arena.h"
#include "base/bufs.h"
#include "base/store.h"

enum section_kind {
    SECTION_KEYED = 1,  /* entries of a keyed table: puts and deletes, sorted by shard, then key */
    SECTION_SET = 2,    /* entries of an expiring set, unordered */
    SECTION_OUTBOX = 3, /* encoded batches of one sink's net changes */
};

enum { SECTION_NAME_MAX = 100 }; /* bytes, its NUL included */

/* What the log keeps of a segment. */
struct segment_ref {
    char name[100];
    uint64_t bytes;
    uint32_t crc;      /* of directory and trailer */
    int64_t from, to;  /* epochs it covers */
    uint32_t level;    /* 0: written by an epoch; n+1: merged from level n */
    bool has_state, has_outbox; /* sections still needed; a segment with neither is deleted */
    bool has_keyed; /* its state is not only sets */
    int64_t sets_end_us; /* once the evict time gets here, all entries of its sets have expired; INT64_MIN: no sets */
};

/* Writing: sections are appended to memory, then the whole is put at once, durable when it returns. Sections without a
 * byte are left out. */
struct segment_writer;
struct segment_writer *segment_writer_new(void);
/* A buffer to append one section's payload to; finished by the next section or by put. The writer owns it. */
struct buf *segment_section(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version);
/* Parallel writers fill buffers of their own and hand them over (the bytes move, b is emptied). */
void segment_add(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version, struct buf *b);
/* A section that is made of pieces, one behind the other: `make` is called for each of them, from segment_make. */
typedef void segment_maker(void *arg, uint32_t piece, struct bufs *out);
void segment_later(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version,
                   segment_maker *make, void *arg, uint32_t pieces);
/* Pieces of all sections that are still to be made, before anything else is asked of the writer: segment_make for each
 * number below this, in any order and by any threads; then segment_made. */
uint32_t segment_unmade(const struct segment_writer *w);
void segment_make(struct segment_writer *w, uint32_t number);
void segment_made(struct segment_writer *w);
/* A section whose payload stays the caller's, unchanged until the writer is reset. */
void segment_lend(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version,
                  const struct bufs *all);
/* Of the set section added last: when all its entries have expired. A set without one is taken to stay for ever. */
void segment_sets_end(struct segment_writer *w, int64_t end_us);
/* Move the sections of sets to another writer if they come to `least` bytes: a file that holds nothing else can go
 * unread when they have expired, while what lies beside them is still needed. */
void segment_take_sets(struct segment_writer *w, uint64_t least, struct segment_writer *ret);
bool segment_is_empty(const struct segment_writer *w);
uint64_t segment_writer_bytes(const struct segment_writer *w); /* of its sections */
/* ERR_LIMIT when a section's buffer has overflowed. The writer keeps its sections: a put may be tried again. */
enum status segment_put(struct segment_writer *w, struct store *store, int64_t from, int64_t to, uint64_t term,
                        uint32_t level, struct segment_ref *ret, struct error *err);
void segment_writer_reset(struct segment_writer *w);
void segment_writer_free(struct segment_writer *w);

/* Writing what does not fit into memory: `next` answers OK with a piece, valid until it is called again; AGAIN at the
 * end. A piece with a name starts a section, one without continues it. */
struct segment_piece {
    enum section_kind kind;
    const char *name; /* NULL: more of the section begun before */
    uint32_t version;
    struct slice bytes;
};
struct segment_feed {
    enum status (*next)(void *arg, struct segment_piece *ret, struct error *err);
    void *arg;
};
enum status segment_put_feed(const struct segment_feed *feed, struct store *store, int64_t from, int64_t to,
                             uint64_t term, uint32_t level, struct segment_ref *ret, struct error *err);

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
/* In the order they were written. */
const struct section *segment_sections(const struct segment *s, uint32_t *ret_count);
/* A whole section's payload appended to *into, its CRC checked. */
enum status segment_read(struct segment *s, const struct section *section, struct buf *into, struct error *err);
/* n bytes at `offset` of a section, NOT checked: the caller reads it to its end, sums the CRC up and hands it to
 * segment_checked before anything comes of it. */
enum status segment_read_part(struct segment *s, const struct section *section, uint64_t offset, void *into, size_t n,
                              struct error *err);
enum status segment_checked(const struct segment *s, const struct section *section, uint32_t crc, struct error *err);
/* ERR_CORRUPT "segment NAME in PLACE, section NAME: WHAT", for a payload whose bytes are intact but make no sense. */
enum status segment_corrupt(const struct segment *s, const struct section *section, const char *what,
                            struct error *err);
void segment_close(struct segment *s);
