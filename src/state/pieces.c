#include "state/pieces.h"

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
