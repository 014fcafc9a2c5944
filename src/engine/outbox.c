#include "engine/outbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "column/rowkey.h"
#include "op/collect.h"
#include "state/keyed.h"

enum { PAYLOAD_LIMIT_GIB = 8 };

/* The ledger's history is exact to the epoch where it is young, and of older epochs knows ranges: one that the limits
 * of ours cut through may have any part of its rows here. */
static void expect_rows(struct outbox_range *r, const struct manifest *m)
{
    if (r->to > m->epoch) {
        r->most = UINT64_MAX;
        return;
    }
    for (uint32_t i = 0; i < m->nhistory; i++) {
        const struct ledger *l = &m->history[i];
        if (l->to < r->from || l->from > r->to)
            continue;
        for (uint32_t k = 0; k < l->nlines; k++) {
            const struct ledger_line *line = &l->lines[k];
            if (line->kind != LEDGER_SINK || strcmp(line->name, r->sink))
                continue;
            uint64_t rows = line->inserted + line->updated + line->deleted;
            r->most += rows;
            if (l->from >= r->from && l->to <= r->to)
                r->least += rows;
        }
    }
}

static enum status check_rows(const struct outbox_range *r, uint64_t rows, struct error *err)
{
    if (rows >= r->least && rows <= r->most)
        return OK;
    (void)error_set(err, ERR_CORRUPT,
                    "the outbox of epochs %lld to %lld has %llu rows for sink \"%s\", and the ledger says that %s%llu "
                    "were written",
                    (long long)r->from, (long long)r->to, (unsigned long long)rows, r->sink,
                    r->least == r->most ? "" : rows < r->least ? "at least " : "at most ",
                    (unsigned long long)(rows < r->least ? r->least : r->most));
    return error_hint(err, "segments are missing from the state: restore it from a copy, or begin with a new state and "
                           "new targets; nothing was published to this sink or confirmed for it");
}

struct outbox_range *outbox_range_new(struct store *store, const struct manifest *m, const struct plan_table *table,
                                      int64_t from, int64_t to, int64_t now_us)
{
    struct outbox_range *r = mem_zalloc(sizeof *r);
    *r = (struct outbox_range){.store = store, .table = table, .sink = table->name, .from = from, .to = to,
                               .now_us = now_us};
    r->refs = mem_array(m->nsegments + 1, sizeof *r->refs);
    for (uint32_t i = 0; i < m->nsegments; i++)
        if (m->segments[i].has_outbox && m->segments[i].level == 0 && m->segments[i].from >= from &&
            m->segments[i].to <= to)
            r->refs[r->nrefs++] = m->segments[i];
    expect_rows(r, m);
    return r;
}

void outbox_range_free(struct outbox_range *r)
{
    if (!r)
        return;
    free(r->refs);
    free(r->info);
    free(r);
}

/* ---- what is remembered ---- */

struct remembered {
    struct remembered *next;
    char segment[sizeof((struct segment_ref){0}.name)];
    const char *sink; /* the plan's */
    int64_t epoch;
    struct bufs payload;
};

struct outbox_memory {
    pthread_mutex_t lock;
    uint64_t most, bytes;
    struct remembered *items;
};

struct outbox_memory *outbox_memory_new(uint64_t most)
{
    struct outbox_memory *m = mem_zalloc(sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->most = most;
    return m;
}

void outbox_memory_free(struct outbox_memory *m)
{
    if (!m)
        return;
    for (struct remembered *r = m->items, *next; r; r = next) {
        next = r->next;
        bufs_release(&r->payload);
        free(r);
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void outbox_remember(struct outbox_memory *m, const struct segment_ref *segment, const char *sink, struct bufs *payload)
{
    assert(segment->has_outbox);
    pthread_mutex_lock(&m->lock);
    if (payload->bytes <= m->most - m->bytes) {
        struct remembered *r = mem_zalloc(sizeof *r);
        *r = (struct remembered){m->items, "", sink, segment->to, *payload};
        memcpy(r->segment, segment->name, sizeof r->segment);
        *payload = (struct bufs){0};
        m->items = r;
        m->bytes += r->payload.bytes;
    }
    pthread_mutex_unlock(&m->lock);
}

void outbox_forget(struct outbox_memory *m, const char *sink, int64_t to)
{
    struct remembered *gone = NULL;
    pthread_mutex_lock(&m->lock);
    for (struct remembered **at = &m->items, *r; (r = *at);) {
        if (r->epoch > to || strcmp(r->sink, sink)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        m->bytes -= r->payload.bytes;
        r->next = gone;
        gone = r;
    }
    pthread_mutex_unlock(&m->lock);
    for (struct remembered *next; gone; gone = next) {
        next = gone->next;
        bufs_release(&gone->payload);
        free(gone);
    }
}

uint64_t outbox_remembered(struct outbox_memory *m)
{
    pthread_mutex_lock(&m->lock);
    uint64_t bytes = m->bytes;
    pthread_mutex_unlock(&m->lock);
    return bytes;
}

/* The payload of a segment, if it is remembered: it stays, since only the sink's own thread has it forgotten. */
static const struct bufs *recall(const struct outbox_range *r, uint32_t ref)
{
    const struct bufs *found = NULL;
    if (!r->memory)
        return NULL;
    pthread_mutex_lock(&r->memory->lock);
    for (const struct remembered *x = r->memory->items; x && !found; x = x->next)
        if (!strcmp(x->segment, r->refs[ref].name) && !strcmp(x->sink, r->sink))
            found = &x->payload;
    pthread_mutex_unlock(&r->memory->lock);
    return found;
}

/* ---- what is in the segments ---- */

static enum status find_section(struct outbox_range *r, uint32_t ref, struct segment **ret_segment,
                                const struct section **ret, struct error *err)
{
    *ret = NULL;
    TRY(segment_open(r->store, &r->refs[ref], ret_segment, err));
    uint32_t n;
    const struct section *sections = segment_sections(*ret_segment, &n);
    for (uint32_t i = 0; i < n; i++)
        if (sections[i].kind == SECTION_OUTBOX && !strcmp(sections[i].name, r->sink))
            *ret = &sections[i];
    return OK;
}

enum status outbox_is_empty(struct outbox_range *r, bool *ret, struct error *err)
{
    for (uint32_t i = 0; i < r->nrefs && r->staged_rows == 0; i++) {
        struct segment *segment;
        const struct section *section = NULL;
        bool remembered = recall(r, i) != NULL;
        if (!remembered) {
            TRY(find_section(r, i, &segment, &section, err));
            segment_close(segment);
        }
        if (remembered || section) {
            *ret = false;
            return OK;
        }
    }
    *ret = r->staged_rows == 0;
    return *ret ? check_rows(r, 0, err) : OK;
}

/* ---- a change set over a range ---- */

struct changes {
    struct change_set set;
    struct outbox_range *range;
    uint32_t skipped; /* segments at the oldest end that are not read */
    uint32_t done;    /* of the others, those read so far, from the end that is read first */
    const struct bufs *recalled; /* the segment's payload, if it is remembered: of it... */
    uint32_t next;               /* ...this buffer comes next */
    struct buf payload;          /* else its bytes, read */
    struct reader reader;
    uint64_t rows; /* read so far, those of keys seen before among them */
    struct keyed *seen; /* upsert: keys that a newer segment has had its say on */
    struct buf key;
};

static enum status next_payload(struct changes *c, bool *ret_end, struct error *err)
{
    bool newest_first = c->seen;
    *ret_end = false;
    if (c->recalled && c->next < c->recalled->count) {
        c->reader = reader_of(buf_slice(&c->recalled->items[c->next++]));
        return OK;
    }
    while (c->done < c->range->nrefs - c->skipped) {
        uint32_t ref = newest_first ? c->range->nrefs - 1 - c->done : c->skipped + c->done;
        c->done++;
        if ((c->recalled = recall(c->range, ref))) {
            c->reader = reader_of(buf_slice(&c->recalled->items[0]));
            c->next = 1;
            return OK;
        }
        struct segment *segment;
        const struct section *section;
        TRY(find_section(c->range, ref, &segment, &section, err));
        buf_clear(&c->payload);
        enum status s = section ? segment_read(segment, section, &c->payload, err) : OK;
        segment_close(segment);
        if (s != OK)
            return s;
        if (section) {
            c->reader = reader_of(buf_slice(&c->payload));
            return OK;
        }
    }
    *ret_end = true;
    return OK;
}

/* Keep the rows whose key was not seen in a newer segment. Within a segment a key stands once. */
static void skip_seen(struct changes *c, struct batch *b, struct arena *a)
{
    const struct plan_table *t = c->range->table;
    uint64_t *keep = arena_zarray(a, BITMAP_WORDS(b->rows), sizeof *keep);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        buf_clear(&c->key);
        rowkey_put(&c->key, b->cols, t->key, t->nkey, row);
        bool fresh;
        (void)keyed_get(c->seen, hash64(c->key.data, c->key.len, 0), c->key.data, c->key.len, &fresh);
        if (fresh)
            bit_set(keep, row);
    }
    batch_filter(b, keep);
}

static enum status changes_next(struct change_set *set, struct arena *a, struct batch **ret, struct error *err)
{
    struct changes *c = (struct changes *)set;
    for (;;) {
        struct batch *b;
        TRY(collect_next(&c->reader, &c->range->table->schema, a, &b, err));
        if (!b) {
            bool end;
            TRY(next_payload(c, &end, err));
            if (!end)
                continue;
            TRY(check_rows(c->range, c->rows, err));
            return AGAIN;
        }
        c->rows += batch_live(b);
        if (c->seen)
            skip_seen(c, b, a);
        if (batch_live(b) == 0)
            continue;
        *ret = b;
        return OK;
    }
}

static enum status changes_rewind(struct change_set *set, struct error *err)
{
    (void)err;
    struct changes *c = (struct changes *)set;
    c->skipped = c->done = 0;
    c->rows = 0;
    c->recalled = NULL;
    c->reader = (struct reader){0};
    if (c->seen)
        keyed_clear(c->seen);
    return OK;
}

static enum status changes_rest(struct change_set *set, struct error *err)
{
    struct changes *c = (struct changes *)set;
    assert(set->staged >= set->from);
    TRY(changes_rewind(set, err));
    while (c->skipped < c->range->nrefs && c->range->refs[c->skipped].to <= set->staged)
        c->skipped++;
    c->rows = c->range->staged_rows;
    return OK;
}

/* What the sink's rows take; of segments that are not remembered, what all that is in them takes. */
static uint64_t bytes_of(const struct outbox_range *r)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->nrefs; i++) {
        const struct bufs *payload = recall(r, i);
        bytes += payload ? payload->bytes : r->refs[i].bytes;
    }
    return bytes;
}

struct change_set *outbox_changes(struct outbox_range *r)
{
    static const struct keyed_codec no_value = {.value_size = 8, .passing = true};
    struct changes *c = mem_zalloc(sizeof *c);
    c->range = r;
    c->payload = (struct buf)BUF(GIB(PAYLOAD_LIMIT_GIB));
    c->key = (struct buf)BUF(ROWKEY_MAX);
    if (r->table->nkey && r->nrefs > 1)
        c->seen = keyed_new("seen", 1, &no_value);
    c->set = (struct change_set){.from = r->from, .to = r->to, .now_us = r->now_us, .info = r->info,
                                 .bytes = bytes_of(r), .next = changes_next, .rewind = changes_rewind};
    if (r->staged_rows > 0) {
        c->set.staged = r->staged;
        c->set.rest = changes_rest;
    }
    return &c->set;
}

uint64_t outbox_changes_read(const struct change_set *set) { return ((const struct changes *)set)->rows; }

void outbox_changes_free(struct change_set *set)
{
    struct changes *c = (struct changes *)set;
    if (!c)
        return;
    keyed_free(c->seen);
    buf_release(&c->payload);
    buf_release(&c->key);
    free(c);
}
