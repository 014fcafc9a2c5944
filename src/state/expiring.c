/* The payload of a SECTION_SET, version 2: blocks, one after the other, in no order:
 *
 *     4         magic "XSET"
 *     4         number of records
 *     8         horizon of the set, microseconds
 *     8         base: a time, signed, microseconds since 1970
 *     16 each   records: id.lo; then 8 bytes: the highest 24 bits of id.hi, and in the lower 40 time - base
 *
 * In memory a shard is a row of lines of 64 bytes, four entries each:
 *
 *     8         id.lo
 *     8         the 16 bits of id.hi below the shard's 8; 47 bits: 1 + time - base of the shard; 1 bit of the line's
 *               four-bit number of ids whose chain begins here or before and that lie further on (15: 15 or more)
 *
 * Of an id 88 bits are kept, those of the shard included (docs/decisions/0008). Time 0 is an empty entry, and so is to
 * an insertion whatever has expired: it takes the place within the line that it looks at anyway. So nothing needs to
 * search for what has expired.
 *
 * The line where an id's chain begins is its id.lo as a fraction of the number of lines (which therefore need not be a
 * power of two), so that a shard's order stays the same in any size, and a rebuild reads and writes in order. A chain
 * ends at the first line that no id has passed by.
 *
 * How full a shard is follows from its generations: so many ids were inserted one after the other, and the newest of
 * them is of this time. A generation whose newest has expired is gone. Their sum is never less than what is unexpired.
 */
#include "state/expiring.h"

#include <stdlib.h>

#include "base/bufs.h"
#include "base/heap.h"
#include "base/os.h"
#include "base/page_file.h"
#include "base/pages.h"

enum { LINE = 64, SLOTS = 4, PASSED_MAX = 15, FIRST_LINES = 8, GENERATIONS = 32 };
/* Bytes of a log that lie together: grown as a whole it would be copied again and again, into new memory. */
enum { PIECE = 1 << 20, PIECE_MAX = 8 << 20 };
enum { AHEAD = 16 }; /* look-ups whose memory is on its way while one is decided */
enum { TEND_EVERY = 2048, LOADED_MOST = 1 << 20 }; /* ids that are loaded: what is too much leaves memory; at once */

/* In hundredths of the entries: a shard grows by half when more than FULL are unexpired; below SPARSE it shrinks to
 * ROOMY. 16 bytes / SPARSE is the most that an id costs. */
enum { FULL = 80, SPARSE = 45, ROOMY = 64 };

static const uint64_t code_mask = (UINT64_C(1) << 47) - 1;
static const uint64_t time_span = (UINT64_C(1) << 47) - 1; /* times from base to below base + this have a code */
static const uint64_t passed_bit = 1;
static const uint64_t record_span = UINT64_C(1) << 40;

struct entry {
    uint64_t lo, rest;
};

struct line {
    struct entry entries[SLOTS];
};
static_assert(sizeof(struct line) == LINE, "a look-up touches one cache line");

struct generation {
    int64_t newest_us;
    uint32_t count;
};

/* What an insertion needs: one cache line. */
struct [[gnu::aligned(LINE)]] shard {
    struct line *lines; /* from pages_alloc, unless there are none */
    uint32_t nlines;
    uint32_t inserted, turn_at; /* in the open generation: when there are turn_at, look whether there is room */
    int64_t base_us;
    int64_t newest_us; /* of the open generation */
    struct history *history;
};
static_assert(sizeof(struct shard) == LINE, "a cache line");

struct history {
    struct pages *pages; /* the set's */
    int64_t latest_us; /* of all that came before the open generation */
    uint32_t closed;   /* sum of the closed generations */
    uint32_t ngenerations;
    struct generation generations[GENERATIONS]; /* closed, in the order of insertion */
};

/* What was inserted since the last save, as it is saved. */
struct [[gnu::aligned(LINE)]] log {
    struct buf open; /* the piece that is written; the open block is its last */
    size_t head;     /* where that begins */
    struct expiring_block block;
    int64_t newest_us;
    struct bufs full, saved; /* the pieces before it; those that were handed out, and are written while others come */
};

struct expiring {
    struct log *logs;
    uint32_t nlogs;
    struct shard *shards; /* at a cache line's start, within `memory` */
    void *memory;
    struct pages *pages; /* where the lines of all shards lie */
    struct history histories[SHARDS];
    int64_t horizon_us;
    char name[SECTION_NAME_MAX];
};

static void *to_line(void *p) { return (void *)(((uintptr_t)p + LINE - 1) & ~(uintptr_t)(LINE - 1)); }

static size_t memory_size(uint32_t nlines) { return (size_t)nlines * LINE; }

/* Where the look-ups of a shard without entries go. */
static struct line no_line;

static void log_init(struct log *l, int64_t horizon_us)
{
    *l = (struct log){.open = BUF(PIECE_MAX), .newest_us = INT64_MIN};
    l->block.horizon_us = horizon_us;
}

struct expiring *expiring_new(const char *name, int64_t horizon_us, uint32_t nlogs)
{
    assert(horizon_us > 0 && strlen(name) < SECTION_NAME_MAX && nlogs > 0);
    struct expiring *s = mem_zalloc(sizeof *s);
    s->nlogs = nlogs;
    s->logs = mem_aligned(LINE, nlogs * sizeof *s->logs);
    for (uint32_t i = 0; i < nlogs; i++)
        log_init(&s->logs[i], horizon_us);
    s->memory = mem_zalloc((SHARDS + 1) * sizeof *s->shards);
    s->shards = to_line(s->memory);
    s->pages = pages_new();
    s->horizon_us = horizon_us;
    memcpy(s->name, name, strlen(name));
    for (unsigned i = 0; i < SHARDS; i++) {
        s->shards[i].newest_us = s->histories[i].latest_us = INT64_MIN;
        s->shards[i].history = &s->histories[i];
        s->histories[i].pages = s->pages;
        s->shards[i].lines = &no_line;
    }
    return s;
}

void expiring_free(struct expiring *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        if (s->shards[i].nlines)
            pages_release(s->pages, s->shards[i].lines, memory_size(s->shards[i].nlines));
    }
    for (uint32_t i = 0; i < s->nlogs; i++) {
        buf_release(&s->logs[i].open);
        bufs_release(&s->logs[i].full);
        bufs_release(&s->logs[i].saved);
    }
    free(s->logs);
    pages_free(s->pages);
    free(s->memory);
    free(s);
}

static uint64_t count_of(const struct shard *h) { return (uint64_t)h->history->closed + h->inserted; }
static uint64_t places_of(const struct shard *h) { return (uint64_t)h->nlines * SLOTS; }
static uint32_t limit_of(const struct shard *h) { return (uint32_t)(places_of(h) * FULL / 100); }

uint64_t expiring_count(const struct expiring *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHARDS; i++)
        n += count_of(&s->shards[i]);
    return n;
}

uint64_t expiring_bytes(const struct expiring *s)
{
    uint64_t n = sizeof *s + (SHARDS + 1) * sizeof *s->shards;
    for (unsigned i = 0; i < SHARDS; i++)
        n += memory_size(s->shards[i].nlines);
    for (uint32_t i = 0; i < s->nlogs; i++)
        n += sizeof s->logs[i] + s->logs[i].open.cap + s->logs[i].full.bytes + s->logs[i].saved.bytes;
    return n;
}

/* ---- entries ---- */

static inline uint32_t home_of(const struct shard *h, uint64_t id_lo)
{
    return (uint32_t)((id_lo >> 32) * h->nlines >> 32);
}

static inline uint32_t after(const struct shard *h, uint32_t i) { return i + 1 == h->nlines ? 0 : i + 1; }

static inline uint64_t tag_of(struct hash128 id) { return id.hi >> 40 & 0xffff; }
static inline uint64_t entry_tag(const struct entry *e) { return e->rest >> 48; }
static inline uint64_t entry_code(const struct entry *e) { return e->rest >> 1 & code_mask; }
static inline void entry_set(struct entry *e, uint64_t lo, uint64_t tag, uint64_t code)
{
    *e = (struct entry){lo, tag << 48 | code << 1 | (e->rest & passed_bit)};
}

static uint64_t code_of(const struct shard *h, int64_t time_us)
{
    int64_t since = saturating_sub(time_us, h->base_us);
    return since < 0 ? 1 : MIN((uint64_t)since, time_span - 1) + 1;
}

static int64_t time_of(const struct shard *h, uint64_t code) { return h->base_us + (int64_t)(code - 1); }

/* The newest time that has expired; INT64_MIN: none has. */
static inline int64_t expired_time(const struct expiring *s, int64_t evict_us)
{
    return evict_us == INT64_MIN ? INT64_MIN : saturating_sub(evict_us, s->horizon_us);
}

/* Entries with a code up to this one are free: they are empty (0) or expired. */
static inline uint64_t free_code(const struct shard *h, int64_t expired_us)
{
    if (expired_us < h->base_us)
        return 0;
    return MIN((uint64_t)expired_us - (uint64_t)h->base_us, time_span - 1) + 1;
}

static inline bool is_passed(const struct line *l)
{
    return (l->entries[0].rest | l->entries[1].rest | l->entries[2].rest | l->entries[3].rest) & passed_bit;
}

/* One more (or less) of the ids whose chain begins at line `from` lies in line `to`. Where the number no longer fits it
 * stays, until the next rebuild. */
static void count_passing(struct shard *h, uint32_t from, uint32_t to, int change)
{
    for (; from != to; from = after(h, from)) {
        struct entry *e = h->lines[from].entries;
        uint64_t n = (e[0].rest & 1) | (e[1].rest & 1) << 1 | (e[2].rest & 1) << 2 | (e[3].rest & 1) << 3;
        if (n == PASSED_MAX)
            continue;
        uint64_t flipped = n ^ (n + (uint64_t)(int64_t)change);
        e[0].rest ^= flipped & 1;
        e[1].rest ^= flipped >> 1 & 1;
        e[2].rest ^= flipped >> 2 & 1;
        e[3].rest ^= flipped >> 3 & 1;
    }
}

static inline bool is_empty(const struct entry *e) { return e->rest << 16 >> 17 == 0; }

static inline unsigned empties_of(const struct line *l)
{
    const struct entry *e = l->entries;
    return (unsigned)is_empty(&e[0]) | (unsigned)is_empty(&e[1]) << 1 | (unsigned)is_empty(&e[2]) << 2 |
           (unsigned)is_empty(&e[3]) << 3;
}

/* Put an id that is not there into a table that is being filled; there is room. */
static inline void place(struct shard *h, uint64_t lo, uint64_t tag, uint64_t code)
{
    uint32_t home = home_of(h, lo), at = home;
    unsigned empty = empties_of(&h->lines[at]);
    while (unlikely(!empty)) {
        at = after(h, at);
        empty = empties_of(&h->lines[at]);
    }
    entry_set(&h->lines[at].entries[__builtin_ctz(empty)], lo, tag, code);
    if (unlikely(at != home))
        count_passing(h, home, at, 1);
}

/* ---- size ---- */

/* The generations of what is in a rebuilt shard: by equal stretches of time. */
struct census {
    uint64_t from;  /* code */
    unsigned shift; /* width of a stretch, as a power of two */
    struct generation stretches[GENERATIONS / 2];
};

static struct census census_of(const struct shard *h, uint64_t free_up_to, int64_t latest_us)
{
    struct census c = {.from = free_up_to + 1};
    uint64_t last = MAX(code_of(h, latest_us), c.from);
    while ((last - c.from) >> c.shift >= GENERATIONS / 2)
        c.shift++;
    return c;
}

static void census_add(struct census *c, uint64_t code, int64_t time_us)
{
    struct generation *g = &c->stretches[MIN((code - c->from) >> c->shift, (uint64_t)GENERATIONS / 2 - 1)];
    g->newest_us = g->count ? MAX(g->newest_us, time_us) : time_us;
    g->count++;
}

static void begin_generation(struct shard *h)
{
    uint32_t limit = limit_of(h), room = limit > h->history->closed ? limit - h->history->closed : 0;
    h->inserted = 0;
    h->newest_us = INT64_MIN;
    h->turn_at = MIN(room, (uint32_t)MAX(places_of(h) / GENERATIONS, UINT64_C(1)));
}

static void take_census(struct shard *h, const struct census *c)
{
    h->history->closed = h->history->ngenerations = 0;
    for (unsigned i = 0; i < GENERATIONS / 2; i++)
        if (c->stretches[i].count) {
            h->history->generations[h->history->ngenerations++] = c->stretches[i];
            h->history->closed += c->stretches[i].count;
        }
    begin_generation(h);
}

/* Move what is not expired into a table of nlines whose times count from base_us. */
static void rebuild(struct shard *h, uint32_t nlines, int64_t base_us, int64_t expired_us)
{
    struct shard old = *h;
    uint32_t nfilled = count_of(h) ? h->nlines : 0;
    uint64_t free_up_to = free_code(&old, expired_us);
    h->history->latest_us = MAX(h->history->latest_us, h->newest_us);
    h->lines = pages_alloc(h->history->pages, memory_size(nlines));
    h->nlines = nlines;
    h->base_us = MAX(base_us, INT64_MIN + 1); /* INT64_MIN stands for "none has expired" */
    bool moved = h->base_us != old.base_us;
    struct census census = census_of(h, free_code(h, expired_us), h->history->latest_us);
    for (uint32_t i = 0; i < nfilled; i++)
        for (unsigned k = 0; k < SLOTS; k++) {
            const struct entry *e = &old.lines[i].entries[k];
            uint64_t code = entry_code(e);
            if (code <= free_up_to)
                continue;
            int64_t time_us = time_of(&old, code);
            if (moved)
                code = code_of(h, time_us);
            place(h, e->lo, entry_tag(e), code);
            census_add(&census, MAX(code, census.from), time_of(h, code));
        }
    take_census(h, &census);
    if (old.nlines)
        pages_release(h->history->pages, old.lines, memory_size(old.nlines));
    heap_tend();
}

static uint32_t count_live(const struct shard *h, int64_t expired_us)
{
    uint64_t free_up_to = free_code(h, expired_us);
    uint32_t live = 0;
    for (uint32_t i = 0; i < h->nlines; i++)
        for (unsigned k = 0; k < SLOTS; k++)
            live += entry_code(&h->lines[i].entries[k]) > free_up_to;
    return live;
}

/* Lines so that `live` ids fill `percent` of their entries. */
static uint32_t lines_for(uint64_t live, unsigned percent)
{
    uint64_t n = MAX((live * 100 + SLOTS * percent - 1) / (SLOTS * percent), (uint64_t)FIRST_LINES);
    assert(n <= UINT32_MAX);
    return (uint32_t)n;
}

static void drop_expired_generations(struct shard *h, int64_t expired_us)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->history->ngenerations; i++)
        if (h->history->generations[i].newest_us <= expired_us && expired_us != INT64_MIN)
            h->history->closed -= h->history->generations[i].count;
        else
            h->history->generations[kept++] = h->history->generations[i];
    h->history->ngenerations = kept;
}

/* Two neighbours become one, those with the least ids. */
static void join_generations(struct shard *h)
{
    struct generation *g = h->history->generations;
    uint32_t best = 0;
    for (uint32_t i = 1; i + 1 < h->history->ngenerations; i++)
        if (g[i].count + g[i + 1].count < g[best].count + g[best + 1].count)
            best = i;
    g[best].count += g[best + 1].count;
    g[best].newest_us = MAX(g[best].newest_us, g[best + 1].newest_us);
    h->history->ngenerations--;
    memmove(&g[best + 1], &g[best + 2], (h->history->ngenerations - best - 1) * sizeof *g);
}

static void close_generation(struct shard *h)
{
    if (h->inserted == 0)
        return;
    if (h->history->ngenerations == GENERATIONS)
        join_generations(h);
    h->history->generations[h->history->ngenerations++] = (struct generation){h->newest_us, h->inserted};
    h->history->closed += h->inserted;
    h->history->latest_us = MAX(h->history->latest_us, h->newest_us);
    begin_generation(h);
}

/* The open generation is complete, or the shard may be full: afterwards there is room for one more. */
static void turn(struct shard *h, int64_t expired_us)
{
    close_generation(h);
    drop_expired_generations(h, expired_us);
    uint64_t places = places_of(h);
    if (h->history->closed < limit_of(h)) {
        begin_generation(h);
        return;
    }
    uint64_t live = count_live(h, expired_us);
    uint32_t nlines = h->nlines;
    if (live * 100 > places * ROOMY)
        nlines = lines_for(places + places / 2, 100);
    else if (live * 100 < places * SPARSE)
        nlines = lines_for(live, ROOMY);
    rebuild(h, nlines, h->base_us, expired_us);
}

/* The first id of a shard, or a time that its 47 bits do not reach. */
static void settle(struct expiring *s, struct shard *h, int64_t time_us, int64_t expired_us)
{
    int64_t quarter = (int64_t)(time_span / 4);
    if (h->nlines == 0) {
        /* Shards begin at different sizes, so that they do not all grow in the same epoch, and memory an id is the same
         * at every count. */
        unsigned number = (unsigned)(h - s->shards);
        rebuild(h, FIRST_LINES + FIRST_LINES * number / (2 * SHARDS), saturating_sub(time_us, quarter), INT64_MIN);
    } else if (time_us > h->base_us) {
        rebuild(h, h->nlines, saturating_sub(time_us, 3 * quarter), expired_us);
    } else {
        /* Only if it is worth it: where the span is used up, ever older ids must not rebuild the shard each time. */
        int64_t latest_us = MAX(h->history->latest_us, h->newest_us);
        int64_t span = saturating_sub(latest_us, time_us), room = (int64_t)time_span - 1 - span;
        if (room > quarter / 64)
            rebuild(h, h->nlines, saturating_sub(time_us, MIN(room, quarter) / 2), expired_us);
    }
}

void expiring_sweep(struct expiring *s, int64_t evict_us, unsigned from, unsigned to)
{
    int64_t expired_us = expired_time(s, evict_us);
    if (expired_us == INT64_MIN)
        return;
    for (unsigned i = from; i < to; i++) {
        struct shard *h = &s->shards[i];
        if (h->inserted && h->newest_us <= expired_us)
            close_generation(h);
        drop_expired_generations(h, expired_us);
        uint64_t count = count_of(h);
        if (h->nlines > 2 * FIRST_LINES && count * 100 < places_of(h) * SPARSE)
            rebuild(h, lines_for(count, ROOMY), h->base_us, expired_us);
    }
}

void expiring_prepare(struct expiring *s) { pages_prepare(s->pages); }

/* ---- looking up ---- */

/* Inlined by force: gcc 12 takes a function that only prefetches for one without effect, and drops the call. */
[[gnu::always_inline]] static inline void prefetch(const struct expiring *s, struct hash128 id)
{
    const struct shard *h = &s->shards[expiring_shard(id)];
    const struct line *home = &h->lines[home_of(h, id.lo)];
    __builtin_prefetch(home, 1);
    __builtin_prefetch(home + 1, 1); /* every fourth chain goes on there */
}

/* Where the lines lie on disk: what is not in memory is on its way. */
static void want(const struct expiring *s, struct hash128 id)
{
    const struct shard *h = &s->shards[expiring_shard(id)];
    heap_want(&h->lines[home_of(h, id.lo)]);
}

/* Which of a line's entries are free, and is one of the others this id? All four are compared at once, because which of
 * them it is, or how many there are, no branch predictor can know; written out, because gcc 12 leaves a loop a loop. */
static inline bool look(const struct line *l, uint64_t lo, uint64_t tag, uint64_t free_up_to, unsigned *ret_free)
{
    const struct entry *e = l->entries;
    const uint64_t free_rest = free_up_to << 17 | passed_bit << 16; /* the highest of a free entry, without its tag */
    unsigned found = (unsigned)(e[0].lo == lo) | (unsigned)(e[1].lo == lo) << 1 | (unsigned)(e[2].lo == lo) << 2 |
                     (unsigned)(e[3].lo == lo) << 3;
    unsigned vacant = (unsigned)(e[0].rest << 16 <= free_rest) | (unsigned)(e[1].rest << 16 <= free_rest) << 1 |
                      (unsigned)(e[2].rest << 16 <= free_rest) << 2 | (unsigned)(e[3].rest << 16 <= free_rest) << 3;
    *ret_free = vacant;
    for (found &= ~vacant; unlikely(found); found &= found - 1)
        if (entry_tag(&e[__builtin_ctz(found)]) == tag)
            return true;
    return false;
}

/* On from the first line, which has no place or was passed by: is the id further on? false: it is not, and *at and
 * *vacancies, which are the first line's, become those of the line where it goes. */
static bool walk(const struct shard *h, uint64_t lo, uint64_t tag, uint64_t free_up_to, uint32_t *at,
                 unsigned *vacancies)
{
    bool chained = is_passed(&h->lines[*at]), placed = *vacancies != 0;
    for (uint32_t i = after(h, *at), n = 1; n < h->nlines && (chained || !placed); i = after(h, i), n++) {
        unsigned vacant;
        if (look(&h->lines[i], lo, tag, free_up_to, &vacant))
            return true;
        if (!placed && vacant) {
            placed = true;
            *at = i;
            *vacancies = vacant;
        }
        chained = chained && is_passed(&h->lines[i]);
    }
    assert(placed); /* the generations never say less than what is unexpired */
    return false;
}

/* As expiring_insert, without noting it for the next save. An id that is there unexpired keeps its time. */
static inline bool insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t expired_us)
{
    struct shard *h = &s->shards[expiring_shard(id)];
    if (unlikely((uint64_t)time_us - (uint64_t)h->base_us >= time_span || h->nlines == 0))
        settle(s, h, time_us, expired_us);
    if (unlikely(h->inserted >= h->turn_at))
        turn(h, expired_us);
    uint64_t free_up_to = free_code(h, expired_us), tag = tag_of(id);
    uint32_t home = home_of(h, id.lo), at = home;
    unsigned vacancies;
    if (look(&h->lines[home], id.lo, tag, free_up_to, &vacancies))
        return false;
    if (unlikely(!vacancies || is_passed(&h->lines[home]))) {
        if (walk(h, id.lo, tag, free_up_to, &at, &vacancies))
            return false;
        if (at != home)
            count_passing(h, home, at, 1);
    }
    struct entry *e = &h->lines[at].entries[__builtin_ctz(vacancies)];
    if (entry_code(e) && unlikely(home_of(h, e->lo) != at))
        count_passing(h, home_of(h, e->lo), at, -1);
    entry_set(e, id.lo, tag, code_of(h, time_us));
    h->newest_us = MAX(h->newest_us, time_us);
    h->inserted++;
    return true;
}

/* ---- payload ---- */

static const char block_magic[4] = "XSET";

void expiring_put_block(struct buf *out, const struct expiring_block *b)
{
    buf_put(out, block_magic, sizeof block_magic);
    buf_put_u32(out, b->count);
    buf_put_u64(out, (uint64_t)b->horizon_us);
    buf_put_u64(out, (uint64_t)b->base_us);
}

bool expiring_read_block(const void *head, struct expiring_block *ret)
{
    const char *p = head;
    if (memcmp(p, block_magic, sizeof block_magic) != 0)
        return false;
    *ret = (struct expiring_block){load_u32(p + 4), (int64_t)load_u64(p + 8), (int64_t)load_u64(p + 16)};
    return true;
}

/* ---- what is new ---- */

static void finish_block(struct log *l)
{
    if (l->block.count)
        store_u32(l->open.data + l->head + 4, l->block.count);
}

static void begin_block(struct log *l, int64_t base_us)
{
    finish_block(l);
    if (l->open.len + EXPIRING_BLOCK_HEAD + EXPIRING_RECORD > PIECE)
        bufs_put(&l->full, &l->open);
    if (!l->open.data)
        l->open = buf_spare(PIECE_MAX);
    (void)buf_reserve(&l->open, PIECE - l->open.len);
    l->head = l->open.len;
    l->block.count = 0;
    l->block.base_us = base_us;
    expiring_put_block(&l->open, &l->block);
}

/* As many blocks as the times and the pieces need. */
static inline void note(struct log *l, struct hash128 id, int64_t time_us)
{
    if (unlikely(l->block.count == 0 || (uint64_t)time_us - (uint64_t)l->block.base_us >= record_span ||
                 l->open.len + EXPIRING_RECORD > PIECE))
        begin_block(l, saturating_sub(time_us, (int64_t)(record_span / 2)));
    char *to = l->open.data + l->open.len;
    store_u64(to, id.lo);
    store_u64(to + 8, id.hi >> 40 << 40 | ((uint64_t)time_us - (uint64_t)l->block.base_us));
    l->open.len += EXPIRING_RECORD;
    l->block.count++;
    l->newest_us = MAX(l->newest_us, time_us);
}

bool expiring_insert(struct expiring *s, struct hash128 id, int64_t time_us, int64_t evict_us)
{
    if (!insert(s, id, time_us, expired_time(s, evict_us)))
        return false;
    note(&s->logs[0], id, time_us);
    return true;
}

void expiring_insert_rows(struct expiring *s, const struct hash128 *ids, const int64_t *times_us, const uint32_t *rows,
                          uint32_t n, int64_t evict_us, uint8_t *ret_fresh)
{
    int64_t expired_us = expired_time(s, evict_us);
    for (uint32_t i = 0; heap_spills && i < n; i++)
        want(s, ids[rows[i]]);
    for (uint32_t i = 0; i < MIN(n, (uint32_t)AHEAD); i++)
        prefetch(s, ids[rows[i]]);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = rows[i];
        if (i + AHEAD < n)
            prefetch(s, ids[rows[i + AHEAD]]);
        ret_fresh[row] = insert(s, ids[row], times_us[row], expired_us);
    }
}

void expiring_note_rows(struct expiring *s, uint32_t log, const struct hash128 *ids, const int64_t *times_us,
                        const uint32_t *rows, uint32_t n, const uint8_t *fresh)
{
    assert(log < s->nlogs);
    for (uint32_t i = 0; i < n; i++)
        if (fresh[rows[i]])
            note(&s->logs[log], ids[rows[i]], times_us[rows[i]]);
}

int64_t expiring_save(struct expiring *s, uint32_t log, const struct bufs **ret)
{
    assert(log < s->nlogs);
    struct log *l = &s->logs[log];
    finish_block(l);
    bufs_put(&l->full, &l->open);
    bufs_clear(&l->saved);
    struct bufs handed_on = l->full;
    l->full = l->saved; /* which is empty, and keeps its list */
    l->saved = handed_on;
    int64_t newest_us = l->newest_us;
    if (os_planted_bug("expiring-not-saved"))
        bufs_clear(&l->saved);
    l->block.count = 0;
    l->newest_us = INT64_MIN;
    *ret = &l->saved;
    return newest_us == INT64_MIN ? INT64_MIN : expiring_end(newest_us, s->horizon_us);
}

static enum status odd(const struct expiring *s, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "the saved ids of \"%s\" are damaged: %s", s->name, what);
}

static struct hash128 record_id(const char *record)
{
    return (struct hash128){.lo = load_u64(record), .hi = load_u64(record + 8) >> 40 << 40};
}

/* Records on their way into the set: many at a time, shard by shard, so that each piece of memory is touched once for
 * many of them. Where it lies on disk, and little of it is in memory, all else would be to read it anew for each. */
struct loading {
    struct expiring *set;
    int64_t expired_us;
    struct loaded {
        const char *record;
        int64_t time_us;
    } *items;
    uint32_t *order; /* by shard */
    uint32_t count, most;
};

static unsigned loaded_shard(const struct loaded *l) { return expiring_shard(record_id(l->record)); }

/* All of a shard will be touched. */
static void want_shard(const struct shard *h)
{
    for (uint32_t line = 0; heap_spills && line < h->nlines; line += PAGE_FILE_PAGE / LINE)
        heap_want(&h->lines[line]);
}

static enum status insert_loaded(struct loading *l, struct error *err)
{
    uint32_t next[SHARDS + 1] = {0};
    for (uint32_t i = 0; i < l->count; i++)
        next[loaded_shard(&l->items[i]) + 1]++;
    for (unsigned k = 1; k < SHARDS; k++)
        next[k] += next[k - 1];
    for (uint32_t i = 0; i < l->count; i++)
        l->order[next[loaded_shard(&l->items[i])]++] = i;
    for (uint32_t i = 0; i < l->count; i++) {
        if (i % TEND_EVERY == TEND_EVERY - 1) {
            heap_tend();
            TRY(heap_check(err));
        }
        if (i + AHEAD < l->count)
            prefetch(l->set, record_id(l->items[l->order[i + AHEAD]].record));
        const struct loaded *x = &l->items[l->order[i]];
        if (i == 0 || loaded_shard(x) != loaded_shard(&l->items[l->order[i - 1]]))
            want_shard(&l->set->shards[loaded_shard(x)]);
        (void)insert(l->set, record_id(x->record), x->time_us, l->expired_us);
    }
    l->count = 0;
    return OK;
}

static enum status load_records(struct loading *l, const struct expiring_block *b, const char *records,
                                struct error *err)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const char *record = records + EXPIRING_RECORD * (size_t)i;
        int64_t time_us = expiring_record_time(b, record);
        if (l->expired_us != INT64_MIN && time_us <= l->expired_us)
            continue;
        l->items[l->count++] = (struct loaded){record, time_us};
        if (l->count == l->most)
            TRY(insert_loaded(l, err));
    }
    return OK;
}

static enum status load_blocks(struct loading *l, struct reader *r, struct error *err)
{
    const struct expiring *s = l->set;
    while (reader_left(r)) {
        const char *head, *records;
        struct expiring_block block;
        if (!reader_bytes(r, EXPIRING_BLOCK_HEAD, &head) || !expiring_read_block(head, &block))
            return odd(s, "a block does not begin as it should", err);
        if (block.horizon_us != s->horizon_us)
            return error_set(err, ERR_STATE, "the saved ids of \"%s\" were kept for %lld us, the pipeline says %lld us",
                             s->name, (long long)block.horizon_us, (long long)s->horizon_us);
        if (!reader_bytes(r, (size_t)block.count * EXPIRING_RECORD, &records))
            return odd(s, "a block ends early", err);
        TRY(load_records(l, &block, records, err));
    }
    return insert_loaded(l, err);
}

enum status expiring_load(struct expiring *s, uint32_t version, struct slice payload, int64_t evict_us,
                          struct error *err)
{
    if (version != EXPIRING_VERSION) {
        (void)error_set(err, ERR_STATE, "the saved ids of \"%s\" have version %u, this bourn reads version %d", s->name,
                        version, EXPIRING_VERSION);
        return error_hint(err, "run the version of bourn that wrote them");
    }
    AUTO(arena) a = {0};
    struct reader r = reader_of(payload);
    struct loading l = {.set = s, .expired_us = expired_time(s, evict_us)};
    l.most = (uint32_t)MIN(payload.len / EXPIRING_RECORD + 1, (size_t)LOADED_MOST);
    l.items = arena_array(&a, l.most, sizeof *l.items);
    l.order = arena_array(&a, l.most, sizeof *l.order);
    return load_blocks(&l, &r, err);
}
