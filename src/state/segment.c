/* The format of a segment, version 1. Integers are little-endian; nothing is aligned.
 *
 *     8         magic "bournSEG"
 *     ...       payloads of the sections, one after the other, in the directory's order, without gaps
 *     directory, one entry a section:
 *         4     kind (enum section_kind)
 *         4     version of the payload, its owner's
 *         8     offset of the payload in the file
 *         8     bytes of the payload
 *         4     CRC-32C of the payload
 *         1     bytes of the name, 1..99
 *         ...   name
 *     trailer, 64 bytes:
 *         8, 8  epochs it covers: from, to
 *         8     term of the writer
 *         8     offset of the directory
 *         8     bytes of the whole file
 *         4     number of sections
 *         4     level (segment_ref.level)
 *         4     format version: 1
 *         4     CRC-32C of the directory and the trailer's 52 bytes before this
 *         8     magic "bournEND"
 *
 * Whatever a later version looks like, its trailer keeps this layout.
 *
 * The directory follows the payloads so that a segment can be written without knowing its sizes first. Every byte is
 * under a CRC or compared with a constant, and the log holds the trailer's CRC and the file's length, so that no other
 * file, however well formed, can take a segment's place.
 */
#include "state/segment.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"

static const char head_magic[8] = "bournSEG", tail_magic[8] = "bournEND";

enum { FORMAT = 1, HEAD = 8, TRAILER = 64, TRAILER_CHECKED = 52, ENTRY_MIN = 29, SECTIONS_MAX = 1 << 16 };
static const size_t section_max = GIB(16);

struct part {
    struct section section;
    struct buf payload;
    struct bufs made; /* follows the payload */
    bool lent;      /* what follows the payload is somebody else's */
    bool more;      /* of the section of the part before it; section is not set */
    int64_t end_us; /* of a set */
};

struct unmade {
    segment_maker *make;
    void *arg;
    uint32_t piece;
    struct bufs *out;
};

struct segment_writer {
    struct part **parts; /* pointers: a payload's buffer stays where it is when others are added */
    uint32_t count, cap;
    struct unmade *unmade;
    uint32_t nunmade, unmade_cap;
};

struct segment {
    struct store *store;
    struct segment_ref ref;
    struct section *sections;
    uint32_t count;
};

/* ---- writing ---- */

struct segment_writer *segment_writer_new(void) { return mem_zalloc(sizeof(struct segment_writer)); }

static void section_init(struct section *s, enum section_kind kind, const char *name, uint32_t version)
{
    size_t len = strlen(name);
    assert(len > 0 && len < SECTION_NAME_MAX);
    *s = (struct section){.kind = kind, .version = version};
    memcpy(s->name, name, len);
}

static void add_part(struct segment_writer *w, struct part *p)
{
    assert(w->count < SECTIONS_MAX);
    w->parts = mem_grow(w->parts, w->count, &w->cap, sizeof(struct part *));
    w->parts[w->count++] = p;
}

static struct part *add_more(struct segment_writer *w)
{
    struct part *p = mem_zalloc(sizeof *p);
    *p = (struct part){.more = true, .end_us = INT64_MAX};
    add_part(w, p);
    return p;
}

struct buf *segment_section(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version)
{
    struct part *p = mem_zalloc(sizeof *p);
    section_init(&p->section, kind, name, version);
    p->payload.max = section_max;
    p->end_us = INT64_MAX;
    add_part(w, p);
    return &p->payload;
}

void segment_add(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version, struct buf *b)
{
    *segment_section(w, kind, name, version) = *b;
    *b = (struct buf)BUF(b->max);
}

void segment_lend(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version,
                  const struct bufs *all)
{
    (void)segment_section(w, kind, name, version);
    struct part *p = w->parts[w->count - 1];
    p->made = *all;
    p->lent = true;
}

void segment_later(struct segment_writer *w, enum section_kind kind, const char *name, uint32_t version,
                   segment_maker *make, void *arg, uint32_t pieces)
{
    (void)segment_section(w, kind, name, version);
    if (w->unmade_cap - w->nunmade < pieces) {
        w->unmade_cap = MAX(2 * w->unmade_cap, w->nunmade + pieces);
        w->unmade = mem_realloc(w->unmade, w->unmade_cap * sizeof *w->unmade);
    }
    for (uint32_t i = 0; i < pieces; i++)
        w->unmade[w->nunmade++] = (struct unmade){make, arg, i, &add_more(w)->made};
}

uint32_t segment_unmade(const struct segment_writer *w) { return w->nunmade; }

void segment_make(struct segment_writer *w, uint32_t number)
{
    assert(number < w->nunmade);
    const struct unmade *u = &w->unmade[number];
    u->make(u->arg, u->piece, u->out);
}

void segment_made(struct segment_writer *w) { w->nunmade = 0; }

void segment_sets_end(struct segment_writer *w, int64_t end_us)
{
    assert(w->count > 0 && w->parts[w->count - 1]->section.kind == SECTION_SET);
    w->parts[w->count - 1]->end_us = end_us;
}

static uint64_t part_bytes(const struct part *p) { return p->payload.len + p->made.bytes; }

void segment_take_sets(struct segment_writer *w, uint64_t least, struct segment_writer *ret)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < w->count; i++)
        bytes += w->parts[i]->section.kind == SECTION_SET ? part_bytes(w->parts[i]) : 0;
    if (bytes < least)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->parts[i]->section.kind == SECTION_SET)
            add_part(ret, w->parts[i]);
        else
            w->parts[kept++] = w->parts[i];
    w->count = kept;
}

bool segment_is_empty(const struct segment_writer *w)
{
    assert(w->nunmade == 0);
    for (uint32_t i = 0; i < w->count; i++)
        if (w->parts[i]->payload.len || w->parts[i]->payload.overflow || w->parts[i]->made.count)
            return false;
    return true;
}

uint64_t segment_writer_bytes(const struct segment_writer *w)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < w->count; i++)
        bytes += part_bytes(w->parts[i]);
    return bytes;
}

void segment_writer_reset(struct segment_writer *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        buf_release(&w->parts[i]->payload);
        if (!w->parts[i]->lent)
            bufs_release(&w->parts[i]->made);
        free(w->parts[i]);
    }
    w->count = w->nunmade = 0;
}

void segment_writer_free(struct segment_writer *w)
{
    if (!w)
        return;
    segment_writer_reset(w);
    free(w->parts);
    free(w->unmade);
    free(w);
}

static void ref_init(struct segment_ref *ref, int64_t from, int64_t to, uint64_t term, uint32_t level)
{
    assert(0 <= from && from <= to);
    uint64_t random;
    os_random(&random, sizeof random);
    *ref = (struct segment_ref){.from = from, .to = to, .level = level, .sets_end_us = INT64_MIN};
    snprintf(ref->name, sizeof ref->name, "seg/%020lld-%020lld-%020llu-%016llx", (long long)from, (long long)to,
             (unsigned long long)term, (unsigned long long)random);
}

static void put_entry(struct buf *b, const struct section *s)
{
    size_t len = strlen(s->name);
    buf_put_u32(b, (uint32_t)s->kind);
    buf_put_u32(b, s->version);
    buf_put_u64(b, s->offset);
    buf_put_u64(b, s->bytes);
    buf_put_u32(b, s->crc);
    buf_put_u8(b, (uint8_t)len);
    buf_put(b, s->name, len);
}

/* Close the directory in `b` with a trailer; completes *ref. */
static void put_trailer(struct buf *b, uint32_t sections, uint64_t directory, uint64_t term, struct segment_ref *ref)
{
    ref->bytes = directory + b->len + TRAILER;
    buf_put_u64(b, (uint64_t)ref->from);
    buf_put_u64(b, (uint64_t)ref->to);
    buf_put_u64(b, term);
    buf_put_u64(b, directory);
    buf_put_u64(b, ref->bytes);
    buf_put_u32(b, sections);
    buf_put_u32(b, ref->level);
    buf_put_u32(b, FORMAT);
    ref->crc = crc32c(0, b->data, b->len);
    buf_put_u32(b, ref->crc);
    buf_put(b, tail_magic, sizeof tail_magic);
}

static void note_section(struct segment_ref *ref, enum section_kind kind, int64_t set_end_us)
{
    ref->has_state |= kind != SECTION_OUTBOX;
    ref->has_keyed |= kind == SECTION_KEYED;
    ref->has_outbox |= kind == SECTION_OUTBOX;
    if (kind == SECTION_SET)
        ref->sets_end_us = MAX(ref->sets_end_us, set_end_us);
}

static void sum_bytes(struct section *s, const struct buf *b)
{
    s->crc = crc32c(s->crc, b->data, b->len);
    s->bytes += b->len;
}

/* A section is as long as the parts that follow with more of it; returns the part behind them. */
static uint32_t sum_section(struct segment_writer *w, uint32_t first, uint64_t offset)
{
    struct section *s = &w->parts[first]->section;
    s->offset = offset;
    s->bytes = 0;
    s->crc = 0;
    uint32_t i = first;
    do {
        const struct part *p = w->parts[i];
        sum_bytes(s, &p->payload);
        for (uint32_t k = 0; k < p->made.count; k++)
            sum_bytes(s, &p->made.items[k]);
    } while (++i < w->count && w->parts[i]->more);
    return i;
}

static enum status check_parts(const struct segment_writer *w, struct error *err)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->parts[i]->payload.overflow)
            return error_set(err, ERR_LIMIT, "the changes of one epoch to \"%s\" are larger than %zu bytes",
                             w->parts[i]->section.name, w->parts[i]->payload.max);
    return OK;
}

static size_t count_slices(const struct segment_writer *w)
{
    size_t n = w->count;
    for (uint32_t i = 0; i < w->count; i++)
        n += w->parts[i]->made.count;
    return n;
}

static size_t put_slices(const struct part *p, struct slice *ret)
{
    ret[0] = buf_slice(&p->payload);
    for (uint32_t i = 0; i < p->made.count; i++)
        ret[1 + i] = buf_slice(&p->made.items[i]);
    return 1 + p->made.count;
}

enum status segment_put(struct segment_writer *w, struct store *store, int64_t from, int64_t to, uint64_t term,
                        uint32_t level, struct segment_ref *ret, struct error *err)
{
    assert(w->nunmade == 0);
    struct segment_ref ref;
    ref_init(&ref, from, to, term, level);
    AUTO(buf) directory = BUF(MIB(32));
    AUTO(arena) scratch = {0};
    struct slice *slices = arena_array(&scratch, count_slices(w) + 2, sizeof *slices);
    size_t nslices = 0;
    uint32_t sections = 0;
    uint64_t offset = HEAD;
    TRY(check_parts(w, err));
    slices[nslices++] = (struct slice){head_magic, HEAD};
    for (uint32_t i = 0, next; i < w->count; i = next) {
        struct section *s = &w->parts[i]->section;
        next = sum_section(w, i, offset);
        if (s->bytes == 0)
            continue;
        put_entry(&directory, s);
        note_section(&ref, s->kind, w->parts[i]->end_us);
        for (uint32_t k = i; k < next; k++)
            nslices += put_slices(w->parts[k], slices + nslices);
        offset += s->bytes;
        sections++;
    }
    put_trailer(&directory, sections, offset, term, &ref);
    slices[nslices++] = buf_slice(&directory);
    TRY(store->ops->put(store, ref.name, slices, nslices, err));
    *ret = ref;
    return OK;
}

/* ---- writing what does not fit into memory ---- */

struct feeding {
    const struct segment_feed *feed;
    struct segment_ref ref;
    uint64_t term, offset;
    struct section open; /* the section being written; kind 0: none yet */
    struct buf directory;
    uint32_t sections;
    enum { FEED_HEAD, FEED_SECTIONS, FEED_END } phase;
};

static void finish_section(struct feeding *f)
{
    if (f->open.bytes == 0)
        return;
    put_entry(&f->directory, &f->open);
    note_section(&f->ref, f->open.kind, INT64_MAX);
    f->sections++;
}

static enum status feed_next(void *arg, struct slice *ret, struct error *err)
{
    struct feeding *f = arg;
    if (f->phase == FEED_END)
        return AGAIN;
    if (f->phase == FEED_HEAD) {
        f->phase = FEED_SECTIONS;
        f->offset = HEAD;
        *ret = (struct slice){head_magic, HEAD};
        return OK;
    }
    struct segment_piece piece = {0};
    enum status status = f->feed->next(f->feed->arg, &piece, err);
    if (status == FAILED)
        return FAILED;
    if (status == AGAIN) {
        finish_section(f);
        put_trailer(&f->directory, f->sections, f->offset, f->term, &f->ref);
        f->phase = FEED_END;
        *ret = buf_slice(&f->directory);
        return OK;
    }
    if (piece.name) {
        assert(f->sections < SECTIONS_MAX);
        finish_section(f);
        section_init(&f->open, piece.kind, piece.name, piece.version);
        f->open.offset = f->offset;
    }
    assert(f->open.kind);
    f->open.crc = crc32c(f->open.crc, piece.bytes.data, piece.bytes.len);
    f->open.bytes += piece.bytes.len;
    f->offset += piece.bytes.len;
    *ret = piece.bytes;
    return OK;
}

enum status segment_put_feed(const struct segment_feed *feed, struct store *store, int64_t from, int64_t to,
                             uint64_t term, uint32_t level, struct segment_ref *ret, struct error *err)
{
    struct feeding f = {.feed = feed, .term = term, .directory = BUF(MIB(32))};
    ref_init(&f.ref, from, to, term, level);
    enum status status = store->ops->put_from(store, f.ref.name, feed_next, &f, err);
    buf_release(&f.directory);
    if (status == OK)
        *ret = f.ref;
    return status;
}

/* ---- reading ---- */

static enum status corrupt(const struct segment *s, struct error *err, const char *what)
{
    (void)error_set(err, ERR_CORRUPT, "the segment %s in %s is damaged: %s", s->ref.name,
                    s->store->ops->describe(s->store), what);
    return error_hint(err, "restore this file from a copy, or start a new state: bourn does not guess at state");
}

enum status segment_corrupt(const struct segment *s, const struct section *section, const char *what,
                            struct error *err)
{
    char text[300];
    snprintf(text, sizeof text, "section \"%s\": %s", section->name, what);
    return corrupt(s, err, text);
}

static enum status check_trailer(const struct segment *s, const char *trailer, struct error *err)
{
    const struct segment_ref *ref = &s->ref;
    if (memcmp(trailer + TRAILER - 8, tail_magic, 8) != 0)
        return corrupt(s, err, "it does not end as a segment does");
    if (load_u32(trailer + TRAILER_CHECKED) != ref->crc)
        return corrupt(s, err, "its trailer is not the one that the log names");
    if (load_u64(trailer + 32) != ref->bytes || (int64_t)load_u64(trailer) != ref->from ||
        (int64_t)load_u64(trailer + 8) != ref->to || load_u32(trailer + 44) != ref->level)
        return corrupt(s, err, "its length, epochs or level differ from the log's");
    return OK;
}

static bool read_entry(struct reader *r, struct section *ret)
{
    uint32_t kind;
    uint8_t len;
    const char *name;
    if (!reader_u32(r, &kind) || !reader_u32(r, &ret->version) || !reader_u64(r, &ret->offset) ||
        !reader_u64(r, &ret->bytes) || !reader_u32(r, &ret->crc) || !reader_u8(r, &len) || len == 0 ||
        len >= SECTION_NAME_MAX || !reader_bytes(r, len, &name) || memchr(name, 0, len))
        return false;
    ret->kind = (enum section_kind)kind;
    memcpy(ret->name, name, len);
    ret->name[len] = 0;
    return true;
}

/* The directory's CRC is right, so what is odd here was written so; it is refused all the same. */
static enum status read_directory(struct segment *s, struct slice bytes, uint32_t count, uint64_t directory,
                                  struct error *err)
{
    if (count > SECTIONS_MAX || count > bytes.len / ENTRY_MIN)
        return corrupt(s, err, "its directory is shorter than its number of sections");
    s->sections = mem_zalloc(MAX(count, 1u) * sizeof *s->sections);
    struct reader r = reader_of(bytes);
    uint64_t at = HEAD;
    for (; s->count < count; s->count++) {
        struct section *x = &s->sections[s->count];
        if (!read_entry(&r, x) || x->offset != at || x->bytes > directory - at)
            return corrupt(s, err, "its directory contradicts itself");
        at += x->bytes;
    }
    return at == directory && reader_left(&r) == 0 ? OK : corrupt(s, err, "its directory contradicts itself");
}

static enum status load_directory(struct segment *s, struct error *err)
{
    const struct segment_ref *ref = &s->ref;
    struct store_object object;
    TRY(s->store->ops->head(s->store, ref->name, &object, err));
    if (object.size != ref->bytes || ref->bytes < HEAD + TRAILER) {
        char what[100];
        snprintf(what, sizeof what, "it has %llu bytes, the log says %llu", (unsigned long long)object.size,
                 (unsigned long long)ref->bytes);
        return corrupt(s, err, what);
    }
    char head[HEAD], trailer[TRAILER];
    TRY(s->store->ops->get_range(s->store, ref->name, 0, head, HEAD, err));
    TRY(s->store->ops->get_range(s->store, ref->name, ref->bytes - TRAILER, trailer, TRAILER, err));
    if (memcmp(head, head_magic, HEAD) != 0)
        return corrupt(s, err, "it does not begin as a segment does");
    TRY(check_trailer(s, trailer, err));
    uint64_t directory = load_u64(trailer + 24), end = ref->bytes - TRAILER;
    AUTO(buf) bytes = BUF(MIB(32));
    char *at = directory >= HEAD && directory <= end ? buf_reserve(&bytes, (size_t)(end - directory)) : NULL;
    if (!at && directory != end)
        return corrupt(s, err, "its directory lies outside of it");
    if (directory != end)
        TRY(s->store->ops->get_range(s->store, ref->name, directory, at, (size_t)(end - directory), err));
    bytes.len = (size_t)(end - directory);
    if (crc32c(crc32c(0, bytes.data, bytes.len), trailer, TRAILER_CHECKED) != ref->crc)
        return corrupt(s, err, "the checksum of its directory is wrong");
    if (load_u32(trailer + 48) != FORMAT) {
        (void)error_set(err, ERR_STATE, "the segment %s in %s has format %u, this bourn reads format %d", ref->name,
                        s->store->ops->describe(s->store), load_u32(trailer + 48), FORMAT);
        return error_hint(err, "it was written by another version of bourn: run that version");
    }
    return read_directory(s, buf_slice(&bytes), load_u32(trailer + 40), directory, err);
}

enum status segment_open(struct store *store, const struct segment_ref *ref, struct segment **ret, struct error *err)
{
    struct segment *s = mem_zalloc(sizeof *s);
    s->store = store;
    s->ref = *ref;
    enum status status = load_directory(s, err);
    if (status == OK)
        *ret = s;
    else
        segment_close(s);
    if (status == FAILED && err->code == ERR_NOT_FOUND) {
        (void)error_set(err, ERR_CORRUPT, "the segment %s, which the log names, is missing in %s", ref->name,
                  store->ops->describe(store));
        return error_hint(err, "restore this file from a copy, or start a new state: bourn does not guess at state");
    }
    return status;
}

const struct section *segment_sections(const struct segment *s, uint32_t *ret_count)
{
    *ret_count = s->count;
    return s->sections;
}

enum status segment_read(struct segment *s, const struct section *section, struct buf *into, struct error *err)
{
    size_t n = (size_t)section->bytes;
    char *at = buf_reserve(into, n);
    if (!at)
        return error_set(err, ERR_LIMIT, "section \"%s\" of %s has %zu bytes, more than the %zu allowed for it",
                         section->name, s->ref.name, n, into->max);
    TRY(segment_read_part(s, section, 0, at, n, err));
    TRY(segment_checked(s, section, crc32c(0, at, n), err));
    into->len += n;
    return OK;
}

enum status segment_read_part(struct segment *s, const struct section *section, uint64_t offset, void *into, size_t n,
                              struct error *err)
{
    assert(offset <= section->bytes && n <= section->bytes - offset);
    return s->store->ops->get_range(s->store, s->ref.name, section->offset + offset, into, n, err);
}

enum status segment_checked(const struct segment *s, const struct section *section, uint32_t crc, struct error *err)
{
    return crc == section->crc ? OK : segment_corrupt(s, section, "its checksum is wrong", err);
}

void segment_close(struct segment *s)
{
    if (!s)
        return;
    free(s->sections);
    free(s);
}
