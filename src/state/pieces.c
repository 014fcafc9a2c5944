#include "state/pieces.h"

#include <stdlib.h>

#include "base/hash.h"
#include "state/expiring.h"
#include "state/keyed.h"

enum { PIECE = 2 << 20 };

struct pieces {
    struct segment *segment;
    const struct section *section;
    enum status (*take)(void *arg, struct slice payload, struct error *err);
    void *arg;
    struct buf bytes;            /* read, not yet taken */
    struct buf records;          /* a block of those that are there */
    struct expiring_block block; /* that was begun; count: records of it that are still to come */
};

/* Of the bytes, the changes that are whole. */
static enum status take_changes(struct pieces *p, size_t *ret_taken, struct error *err)
{
    struct reader r = reader_of(buf_slice(&p->bytes));
    struct keyed_change c;
    while (keyed_read_change(&r, &c))
        ;
    *ret_taken = p->bytes.len - reader_left(&r);
    return *ret_taken ? p->take(p->arg, (struct slice){p->bytes.data, *ret_taken}, err) : OK;
}

static enum status take_records(struct pieces *p, size_t *ret_taken, struct error *err)
{
    const char *at = p->bytes.data;
    size_t left = p->bytes.len;
    for (;;) {
        if (p->block.count == 0) {
            if (left < EXPIRING_BLOCK_HEAD || !expiring_read_block(at, &p->block))
                break;
            at += EXPIRING_BLOCK_HEAD;
            left -= EXPIRING_BLOCK_HEAD;
        }
        struct expiring_block part = p->block;
        part.count = (uint32_t)MIN((size_t)part.count, left / EXPIRING_RECORD);
        if (part.count == 0 && p->block.count > 0)
            break;
        size_t size = part.count * (size_t)EXPIRING_RECORD;
        buf_clear(&p->records);
        expiring_put_block(&p->records, &part);
        buf_put(&p->records, at, size);
        TRY(p->take(p->arg, buf_slice(&p->records), err));
        p->block.count -= part.count;
        at += size;
        left -= size;
    }
    *ret_taken = p->bytes.len - left;
    return OK;
}

static enum status take_all(struct pieces *p, struct error *err)
{
    uint32_t crc = 0;
    TRY(p->take(p->arg, SLICE(""), err)); /* a version that it does not know is refused before its bytes are */
    for (uint64_t done = 0; done < p->section->bytes;) {
        size_t n = (size_t)MIN(p->section->bytes - done, MAX((uint64_t)PIECE, (uint64_t)p->bytes.len)), taken;
        char *at = buf_reserve(&p->bytes, n);
        if (!at)
            return segment_corrupt(p->segment, p->section, "an entry is too large", err);
        TRY(segment_read_part(p->segment, p->section, done, at, n, err));
        crc = crc32c(crc, at, n);
        p->bytes.len += n;
        done += n;
        TRY(p->section->kind == SECTION_SET ? take_records(p, &taken, err) : take_changes(p, &taken, err));
        memmove(p->bytes.data, p->bytes.data + taken, p->bytes.len - taken);
        p->bytes.len -= taken;
    }
    TRY(segment_checked(p->segment, p->section, crc, err));
    if (p->bytes.len || p->block.count)
        return segment_corrupt(p->segment, p->section, "it ends within an entry", err);
    return OK;
}

enum status section_pieces(struct segment *s, const struct section *section,
                           enum status (*take)(void *arg, struct slice payload, struct error *err), void *arg,
                           struct error *err)
{
    struct pieces p = {.segment = s, .section = section, .take = take, .arg = arg};
    p.bytes = (struct buf)BUF(GIB(64));
    p.records = (struct buf)BUF(GIB(64));
    enum status status = take_all(&p, err);
    buf_release(&p.bytes);
    buf_release(&p.records);
    return status;
}

/* ---- copying ---- */

struct copy {
    struct segment *segment;
    const struct section **sections;
    uint32_t count, at; /* which one is copied */
    uint64_t done;      /* of its bytes */
    uint32_t crc;
    struct buf bytes;
};

static enum status copy_next(void *arg, struct segment_piece *ret, struct error *err)
{
    struct copy *c = arg;
    if (c->at == c->count)
        return AGAIN;
    const struct section *section = c->sections[c->at];
    size_t n = (size_t)MIN(section->bytes - c->done, (uint64_t)PIECE);
    buf_clear(&c->bytes);
    char *into = buf_reserve(&c->bytes, n);
    TRY(segment_read_part(c->segment, section, c->done, into, n, err));
    c->crc = crc32c(c->crc, into, n);
    *ret = (struct segment_piece){.kind = section->kind, .version = section->version,
                                  .name = c->done ? NULL : section->name, .bytes = {into, n}};
    c->done += n;
    if (c->done < section->bytes)
        return OK;
    TRY(segment_checked(c->segment, section, c->crc, err)); /* before there is an end to what is written */
    c->at++;
    c->done = c->crc = 0;
    return OK;
}

enum status segment_copy(struct segment *s, const struct segment_ref *ref,
                         bool (*wanted)(void *arg, const struct section *section), void *arg, struct store *store,
                         uint64_t term, struct segment_ref *ret, uint32_t *ret_copied, struct error *err)
{
    uint32_t n;
    const struct section *sections = segment_sections(s, &n);
    struct copy c = {.segment = s, .sections = mem_array(n + 1, sizeof *c.sections), .bytes = BUF(PIECE + 1)};
    for (uint32_t i = 0; i < n; i++)
        if (wanted(arg, &sections[i]))
            c.sections[c.count++] = &sections[i];
    struct segment_feed feed = {copy_next, &c};
    struct segment_ref copy;
    enum status status =
        c.count ? segment_put_feed(&feed, store, ref->from, ref->to, term, ref->level, &copy, err) : OK;
    if (status == OK && c.count) {
        if (copy.sets_end_us != INT64_MIN)
            copy.sets_end_us = ref->sets_end_us;
        *ret = copy;
    }
    if (status == OK)
        *ret_copied = c.count;
    buf_release(&c.bytes);
    free(c.sections);
    return status;
}
