#include "state/merge.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "state/expiring.h"
#include "state/keyed.h"

enum { WINDOW = 128 << 10, PIECE = 256 << 10 };

/* The first run of segments of one kind and level that is long enough; its length, 0: there is none. */
static uint32_t find_run(const struct segment_ref *refs, uint32_t count, bool keyed, uint32_t ret[static MERGE_MAX])
{
    uint32_t run = 0;
    for (uint32_t i = 0; i < count && run < MERGE_MAX; i++) {
        if (!refs[i].has_state || refs[i].has_keyed != keyed)
            continue;
        if (run > 0 && refs[i].level != refs[ret[0]].level) {
            if (run >= MERGE_FANOUT)
                break;
            run = 0;
        }
        ret[run++] = i;
    }
    return run >= MERGE_FANOUT ? run : 0;
}

uint32_t merge_choose(const struct segment_ref *refs, uint32_t count, uint32_t ret[static MERGE_MAX])
{
    uint32_t sets[MERGE_MAX];
    uint32_t keyed_run = find_run(refs, count, true, ret), set_run = find_run(refs, count, false, sets);
    if (set_run <= keyed_run)
        return keyed_run;
    memcpy(ret, sets, set_run * sizeof *ret);
    return set_run;
}

static bool sets_have_expired(const struct segment_ref *ref, int64_t evict_us)
{
    return evict_us != INT64_MIN && ref->sets_end_us != INT64_MAX && ref->sets_end_us <= evict_us;
}

bool merge_is_expired(const struct segment_ref *ref, int64_t evict_us)
{
    return ref->has_state && !ref->has_keyed && sets_have_expired(ref, evict_us);
}

/* ---- one section, read through a window ---- */

struct cursor {
    struct segment *segment;
    const struct section *section;
    struct buf window;
    uint64_t fetched; /* bytes of the section that have been in the window */
    uint32_t crc;     /* of those */
    size_t at, next;  /* in the window: the current item, and what follows it */
    bool done;
    struct keyed_change change; /* the current item of a keyed section */
    uint64_t place;             /* its shard and the first bytes of its key: orders as far as it tells */
    bool has_change;
    uint32_t block_left; /* of a set: records left in the block */
    struct expiring_block block;
};

static enum status cursor_odd(const struct cursor *c, const char *what, struct error *err)
{
    return segment_corrupt(c->segment, c->section, what, err);
}

/* Fetch more behind what is from `at` on in the window. AGAIN: the section has no more, and its checksum is right. */
static enum status cursor_fetch(struct cursor *c, struct error *err)
{
    uint64_t left = c->section->bytes - c->fetched;
    if (left == 0) {
        TRY(segment_checked(c->segment, c->section, c->crc, err));
        return AGAIN;
    }
    if (c->at) {
        c->window.len -= c->at;
        memmove(c->window.data, c->window.data + c->at, c->window.len);
        c->next -= c->at;
        c->at = 0;
    }
    /* An item that does not fit doubles the window, so that a large one costs no more than its size. */
    size_t n = (size_t)MIN(left, (uint64_t)MAX(c->window.len, (size_t)WINDOW));
    char *into = buf_reserve(&c->window, n);
    assert(into);
    TRY(segment_read_part(c->segment, c->section, c->fetched, into, n, err));
    c->crc = crc32c(c->crc, into, n);
    c->window.len += n;
    c->fetched += n;
    return OK;
}

static bool parse_change(struct cursor *c, size_t at, struct keyed_change *ret)
{
    if (at == c->window.len)
        return false;
    struct slice rest = {c->window.data + at, c->window.len - at};
    struct reader r = reader_of(rest);
    if (!keyed_read_change(&r, ret))
        return false;
    c->next = (size_t)((const char *)r.p - c->window.data);
    return true;
}

static uint64_t place_of(const struct keyed_change *c)
{
    unsigned char first[8] = {c->shard};
    if (c->key.len)
        memcpy(first + 1, c->key.data, MIN(c->key.len, sizeof first - 1));
    return __builtin_bswap64(load_u64(first));
}

static int compare_places(const struct cursor *a, const struct cursor *b)
{
    if (likely(a->place != b->place))
        return a->place < b->place ? -1 : 1;
    return keyed_compare_changes(&a->change, &b->change);
}

/* The current change again: the window has moved since it was read. */
static void reread_change(struct cursor *c)
{
    size_t next = c->next;
    bool whole = parse_change(c, c->at, &c->change);
    assert(whole);
    c->next = next;
}

/* On to the next change of a keyed section, or done. */
static enum status cursor_step(struct cursor *c, struct error *err)
{
    size_t length = c->next - c->at; /* of the current change, which stays for the comparison */
    struct keyed_change change;
    bool moved = false;
    while (!parse_change(c, c->at + length, &change)) {
        moved = true;
        enum status status = cursor_fetch(c, err);
        if (status == AGAIN && c->at + length == c->window.len) {
            c->done = true;
            return OK;
        }
        if (status == AGAIN)
            return cursor_odd(c, "it ends within an entry", err);
        TRY(status);
    }
    if (c->has_change && moved)
        reread_change(c);
    uint64_t place = place_of(&change);
    if (c->has_change && c->place >= place && keyed_compare_changes(&c->change, &change) >= 0)
        return cursor_odd(c, "its keys are not in order", err);
    c->at += length;
    c->change = change;
    c->place = place;
    c->has_change = true;
    return OK;
}

/* n bytes of a set section in place. AGAIN: it ends here. */
static enum status cursor_take(struct cursor *c, size_t n, const char **ret, struct error *err)
{
    while (c->window.len - c->next < n) {
        c->at = c->next;
        enum status status = cursor_fetch(c, err);
        if (status == AGAIN && c->next < c->window.len)
            return cursor_odd(c, "it ends within an entry", err);
        TRY(status);
    }
    *ret = c->window.data + c->next;
    c->next += n;
    return OK;
}

/* ---- merging ---- */

/* The sections of one table in all inputs, oldest first; they become one section. */
struct group {
    struct section section;
    struct cursor *cursors;
    uint32_t count;
    bool other_version; /* another group has the same table in another version */
};

struct merge {
    struct segment **segments;
    uint32_t nsegments;
    struct group *groups;
    uint32_t ngroups;
    uint32_t current; /* group */
    bool begun;       /* its first change was read */
    bool named;       /* its first piece was given out */
    bool is_oldest, drop_newest;
    int64_t evict_us;
    enum section_kind only; /* write groups of this kind; 0: all */
    int64_t sets_end_us;    /* of what was written */
    struct buf out;
};

static bool same_table(const struct section *a, const struct section *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static void merge_add(struct merge *m, struct segment *segment, const struct section *section)
{
    struct group *g = NULL;
    bool other_version = false;
    for (uint32_t i = 0; i < m->ngroups; i++) {
        if (!same_table(&m->groups[i].section, section))
            continue;
        if (m->groups[i].section.version == section->version)
            g = &m->groups[i];
        else
            m->groups[i].other_version = other_version = true;
    }
    if (!g) {
        m->groups = mem_realloc(m->groups, (m->ngroups + 1) * sizeof *m->groups);
        g = &m->groups[m->ngroups++];
        *g = (struct group){.section = *section};
    }
    g->other_version |= other_version;
    g->cursors = mem_realloc(g->cursors, (g->count + 1) * sizeof *g->cursors);
    g->cursors[g->count++] = (struct cursor){.segment = segment, .section = section, .window = BUF(SIZE_MAX / 2)};
}

static void group_release(struct group *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        buf_release(&g->cursors[i].window);
    free(g->cursors);
    g->cursors = NULL;
    g->count = 0;
}

static void merge_release(struct merge *m)
{
    for (uint32_t i = 0; i < m->ngroups; i++)
        group_release(&m->groups[i]);
    free(m->groups);
    for (uint32_t i = 0; i < m->nsegments; i++)
        segment_close(m->segments[i]);
    free(m->segments);
    buf_release(&m->out);
}

static enum status merge_open(struct merge *m, struct store *store, const struct segment_ref *refs, uint32_t count,
                              struct error *err)
{
    m->segments = mem_zalloc(count * sizeof(struct segment *));
    for (; m->nsegments < count; m->nsegments++) {
        struct segment *s;
        TRY(segment_open(store, &refs[m->nsegments], &s, err));
        m->segments[m->nsegments] = s;
        uint32_t n;
        const struct section *sections = segment_sections(s, &n);
        bool sets = !sets_have_expired(&refs[m->nsegments], m->evict_us);
        for (uint32_t i = 0; i < n; i++)
            if (sections[i].kind == SECTION_KEYED || (sections[i].kind == SECTION_SET && sets))
                merge_add(m, s, &sections[i]);
    }
    return OK;
}

/* The least key's newest change; every cursor on that key moves on. NULL at the end. */
static const struct cursor *least(const struct group *g)
{
    const struct cursor *best = NULL;
    for (uint32_t i = 0; i < g->count; i++) {
        const struct cursor *c = &g->cursors[i];
        if (!c->done && (!best || compare_places(c, best) <= 0))
            best = c;
    }
    return best;
}

static const struct cursor *oldest_alike(const struct group *g, const struct cursor *best)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (!g->cursors[i].done && compare_places(&g->cursors[i], best) == 0)
            return &g->cursors[i];
    return best;
}

static enum status merge_keyed(struct merge *m, struct group *g, bool *ret_done, struct error *err)
{
    if (!m->begun)
        for (uint32_t i = 0; i < g->count; i++)
            TRY(cursor_step(&g->cursors[i], err));
    m->begun = true;
    bool drop_tombstones = m->is_oldest && !g->other_version;
    while (m->out.len < PIECE) {
        const struct cursor *best = least(g);
        *ret_done = !best;
        if (!best)
            return OK;
        const struct cursor *winner = m->drop_newest ? oldest_alike(g, best) : best;
        if (!winner->change.is_delete || !drop_tombstones)
            buf_put(&m->out, winner->window.data + winner->at, winner->next - winner->at);
        /* `best` last: the others are compared with it. */
        for (uint32_t i = 0; i < g->count; i++) {
            struct cursor *c = &g->cursors[i];
            if (c != best && !c->done && compare_places(c, best) == 0)
                TRY(cursor_step(c, err));
        }
        TRY(cursor_step(&g->cursors[best - g->cursors], err));
    }
    return OK;
}

/* Copy a cursor's unexpired records into one block at the end of `out`; *ret_done when the section ends. */
static enum status copy_records(struct merge *m, struct cursor *c, bool *ret_done, struct error *err)
{
    const char *p;
    if (c->block_left == 0) {
        enum status status = cursor_take(c, EXPIRING_BLOCK_HEAD, &p, err);
        *ret_done = status == AGAIN;
        if (status != OK)
            return status == AGAIN ? OK : status;
        if (!expiring_read_block(p, &c->block))
            return cursor_odd(c, "a block does not begin as it should", err);
        c->block_left = c->block.count;
    }
    size_t head = m->out.len;
    struct expiring_block block = c->block;
    int64_t newest_us = INT64_MIN;
    block.count = 0;
    expiring_put_block(&m->out, &block);
    for (; c->block_left > 0 && m->out.len < PIECE; c->block_left--) {
        enum status status = cursor_take(c, EXPIRING_RECORD, &p, err);
        if (status == AGAIN)
            return cursor_odd(c, "a block ends early", err);
        TRY(status);
        int64_t time_us = expiring_record_time(&block, p);
        if (expiring_is_expired(time_us, block.horizon_us, m->evict_us))
            continue;
        buf_put(&m->out, p, EXPIRING_RECORD);
        newest_us = MAX(newest_us, time_us);
        block.count++;
    }
    if (block.count)
        m->sets_end_us = MAX(m->sets_end_us, expiring_end(newest_us, block.horizon_us));
    size_t end = block.count ? m->out.len : head;
    m->out.len = head;
    expiring_put_block(&m->out, &block);
    m->out.len = end;
    return OK;
}

static enum status merge_set(struct merge *m, struct group *g, bool *ret_done, struct error *err)
{
    for (uint32_t i = 0; i < g->count; i++) {
        struct cursor *c = &g->cursors[i];
        while (!c->done) {
            if (m->out.len + EXPIRING_BLOCK_HEAD + EXPIRING_RECORD > PIECE)
                return OK;
            TRY(copy_records(m, c, &c->done, err));
        }
    }
    *ret_done = true;
    return OK;
}

static enum status merge_next(void *arg, struct segment_piece *ret, struct error *err)
{
    struct merge *m = arg;
    buf_clear(&m->out);
    while (m->current < m->ngroups) {
        struct group *g = &m->groups[m->current];
        bool done = false;
        if (m->only && g->section.kind != m->only) {
            m->current++;
            continue;
        }
        if (g->section.kind == SECTION_KEYED)
            TRY(merge_keyed(m, g, &done, err));
        else
            TRY(merge_set(m, g, &done, err));
        assert(!m->out.overflow);
        *ret = (struct segment_piece){.kind = g->section.kind, .version = g->section.version,
                                      .name = m->named ? NULL : g->section.name, .bytes = buf_slice(&m->out)};
        m->named = true;
        if (done) {
            m->current++;
            m->begun = m->named = false;
            group_release(g);
        }
        if (m->out.len)
            return OK;
    }
    return AGAIN;
}

static uint64_t bytes_of(const struct merge *m, enum section_kind kind)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->ngroups; i++)
        for (uint32_t k = 0; k < m->groups[i].count && m->groups[i].section.kind == kind; k++)
            bytes += m->groups[i].cursors[k].section->bytes;
    return bytes;
}

/* One file of the groups of a kind (0: of all). */
static enum status write_groups(struct merge *m, enum section_kind only, struct store *store,
                                const struct segment_ref *like, uint64_t term, struct segment_ref *ret,
                                struct error *err)
{
    m->only = only;
    m->current = 0;
    m->sets_end_us = INT64_MIN;
    struct segment_feed feed = {merge_next, m};
    TRY(segment_put_feed(&feed, store, like->from, like->to, term, like->level, ret, err));
    ret->sets_end_us = m->sets_end_us;
    return OK;
}

enum status merge_segments(struct store *store, const struct segment_ref *refs, uint32_t count, bool is_oldest,
                           int64_t evict_us, uint64_t term, struct segment_ref ret[static MERGE_RESULTS],
                           uint32_t *ret_count, struct error *err)
{
    assert(count > 0);
    struct merge m = {.is_oldest = is_oldest,
                      .drop_newest = os_planted_bug("merge-drops-newest"),
                      .evict_us = evict_us,
                      .out = BUF(SIZE_MAX / 2)};
    struct segment_ref like = {.from = refs[0].from, .to = refs[count - 1].to}, results[MERGE_RESULTS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        like.level = MAX(like.level, refs[i].level);
    like.level = MIN(like.level + 1, (uint32_t)MERGE_LEVEL_MAX);
    enum status status = merge_open(&m, store, refs, count, err);
    if (status == OK && bytes_of(&m, SECTION_KEYED) && bytes_of(&m, SECTION_SET) >= MERGE_SETS_APART) {
        status = write_groups(&m, SECTION_SET, store, &like, term, &results[n++], err);
        if (status == OK)
            status = write_groups(&m, SECTION_KEYED, store, &like, term, &results[n++], err);
    } else if (status == OK) {
        status = write_groups(&m, 0, store, &like, term, &results[n++], err);
    }
    merge_release(&m);
    if (status != OK)
        return status;
    memcpy(ret, results, n * sizeof *ret);
    *ret_count = n;
    return OK;
}
