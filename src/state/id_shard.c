#include "state/id_shard.h"

#include <stdlib.h>

#include "base/heap.h"

enum { FIRST_LINES = 8 };
/* In hundredths of the entries: a shard grows by half when more than FULL are unexpired; below SPARSE it shrinks to
 * ROOMY. 16 bytes / SPARSE is the most that an id costs. */
enum { FULL = 80, SPARSE = 45, ROOMY = 64 };

/* Where the look-ups of a shard without entries go. */
static struct id_line no_line;

static size_t memory_size(uint32_t nlines) { return (size_t)nlines * ID_LINE; }
static uint32_t limit_of(const struct id_shard *h) { return (uint32_t)(id_shard_places(h) * FULL / 100); }

void id_shards_init(struct id_shards *s, struct pages *pages)
{
    s->shards = mem_aligned(ID_LINE, SHARDS * sizeof *s->shards);
    for (uint32_t i = 0; i < SHARDS; i++) {
        s->histories[i] = (struct id_history){.pages = pages, .number = i, .latest_us = INT64_MIN};
        s->shards[i] = (struct id_shard){.lines = &no_line, .newest_us = INT64_MIN, .history = &s->histories[i]};
    }
}

void id_shards_release(struct id_shards *s)
{
    for (uint32_t i = 0; i < SHARDS; i++)
        if (s->shards[i].nlines)
            pages_release(s->histories[i].pages, s->shards[i].lines, memory_size(s->shards[i].nlines));
    free(s->shards);
}

uint64_t id_shards_count(const struct id_shards *s)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < SHARDS; i++)
        n += id_shard_count(&s->shards[i]);
    return n;
}

uint64_t id_shards_bytes(const struct id_shards *s)
{
    uint64_t n = SHARDS * sizeof *s->shards;
    for (uint32_t i = 0; i < SHARDS; i++)
        n += memory_size(s->shards[i].nlines);
    return n;
}

/* ---- entries ---- */

static inline bool is_empty(const struct id_entry *e) { return e->rest << 16 >> 17 == 0; }

static inline unsigned empties_of(const struct id_line *l)
{
    const struct id_entry *e = l->entries;
    return (unsigned)is_empty(&e[0]) | (unsigned)is_empty(&e[1]) << 1 | (unsigned)is_empty(&e[2]) << 2 |
           (unsigned)is_empty(&e[3]) << 3;
}

/* Put an id that is not there into a table that is being filled; there is room. */
static inline void place(struct id_shard *h, uint64_t lo, uint64_t tag, uint64_t code)
{
    uint32_t home = id_home(h, lo), at = home;
    unsigned empty = empties_of(&h->lines[at]);
    while (unlikely(!empty)) {
        at = id_after(h, at);
        empty = empties_of(&h->lines[at]);
    }
    id_entry_set(&h->lines[at].entries[__builtin_ctz(empty)], lo, tag, code);
    if (unlikely(at != home))
        id_count_passing(h, home, at, 1);
}

/* ---- size ---- */

/* The generations of what is in a rebuilt shard: by equal stretches of time. */
struct census {
    uint64_t from;  /* code */
    unsigned shift; /* width of a stretch, as a power of two */
    struct id_generation stretches[ID_GENERATIONS / 2];
};

static struct census census_of(const struct id_shard *h, uint64_t free_up_to, int64_t latest_us)
{
    struct census c = {.from = free_up_to + 1};
    uint64_t last = MAX(id_code(h, latest_us), c.from);
    while ((last - c.from) >> c.shift >= ID_GENERATIONS / 2)
        c.shift++;
    return c;
}

static void census_add(struct census *c, uint64_t code, int64_t time_us)
{
    struct id_generation *g = &c->stretches[MIN((code - c->from) >> c->shift, (uint64_t)ID_GENERATIONS / 2 - 1)];
    g->newest_us = g->count ? MAX(g->newest_us, time_us) : time_us;
    g->count++;
}

static void begin_generation(struct id_shard *h)
{
    uint32_t limit = limit_of(h), room = limit > h->history->closed ? limit - h->history->closed : 0;
    h->inserted = 0;
    h->newest_us = INT64_MIN;
    h->turn_at = MIN(room, (uint32_t)MAX(id_shard_places(h) / ID_GENERATIONS, UINT64_C(1)));
}

static void take_census(struct id_shard *h, const struct census *c)
{
    h->history->closed = h->history->ngenerations = 0;
    for (unsigned i = 0; i < ID_GENERATIONS / 2; i++)
        if (c->stretches[i].count) {
            h->history->generations[h->history->ngenerations++] = c->stretches[i];
            h->history->closed += c->stretches[i].count;
        }
    begin_generation(h);
}

/* Move what is not expired into a table of nlines whose times count from base_us. */
static void rebuild(struct id_shard *h, uint32_t nlines, int64_t base_us, int64_t expired_us)
{
    struct id_shard old = *h;
    uint32_t nfilled = id_shard_count(h) ? h->nlines : 0;
    uint64_t free_up_to = id_free_code(&old, expired_us);
    h->history->latest_us = MAX(h->history->latest_us, h->newest_us);
    h->lines = pages_alloc(h->history->pages, memory_size(nlines));
    h->nlines = nlines;
    h->base_us = MAX(base_us, INT64_MIN + 1); /* INT64_MIN stands for "none has expired" */
    bool moved = h->base_us != old.base_us;
    heap_want_all(old.lines, memory_size(nfilled));
    struct census census = census_of(h, id_free_code(h, expired_us), h->history->latest_us);
    for (uint32_t i = 0; i < nfilled; i++)
        for (unsigned k = 0; k < ID_SLOTS; k++) {
            const struct id_entry *e = &old.lines[i].entries[k];
            uint64_t code = id_entry_code(e);
            if (code <= free_up_to)
                continue;
            int64_t time_us = id_code_time(&old, code);
            if (moved)
                code = id_code(h, time_us);
            place(h, e->lo, id_entry_tag(e), code);
            census_add(&census, MAX(code, census.from), id_code_time(h, code));
        }
    take_census(h, &census);
    if (old.nlines)
        pages_release(h->history->pages, old.lines, memory_size(old.nlines));
    heap_tend();
}

static uint32_t count_live(const struct id_shard *h, int64_t expired_us)
{
    uint64_t free_up_to = id_free_code(h, expired_us);
    uint32_t live = 0;
    for (uint32_t i = 0; i < h->nlines; i++)
        for (unsigned k = 0; k < ID_SLOTS; k++)
            live += id_entry_code(&h->lines[i].entries[k]) > free_up_to;
    return live;
}

/* Lines so that `live` ids fill `percent` of their entries. */
static uint32_t lines_for(uint64_t live, unsigned percent)
{
    uint64_t n = MAX((live * 100 + ID_SLOTS * percent - 1) / (ID_SLOTS * percent), (uint64_t)FIRST_LINES);
    assert(n <= UINT32_MAX);
    return (uint32_t)n;
}

static void drop_expired_generations(struct id_shard *h, int64_t expired_us)
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
static void join_generations(struct id_shard *h)
{
    struct id_generation *g = h->history->generations;
    uint32_t best = 0;
    for (uint32_t i = 1; i + 1 < h->history->ngenerations; i++)
        if (g[i].count + g[i + 1].count < g[best].count + g[best + 1].count)
            best = i;
    g[best].count += g[best + 1].count;
    g[best].newest_us = MAX(g[best].newest_us, g[best + 1].newest_us);
    h->history->ngenerations--;
    memmove(&g[best + 1], &g[best + 2], (h->history->ngenerations - best - 1) * sizeof *g);
}

static void close_generation(struct id_shard *h)
{
    if (h->inserted == 0)
        return;
    if (h->history->ngenerations == ID_GENERATIONS)
        join_generations(h);
    h->history->generations[h->history->ngenerations++] = (struct id_generation){h->newest_us, h->inserted};
    h->history->closed += h->inserted;
    h->history->latest_us = MAX(h->history->latest_us, h->newest_us);
    begin_generation(h);
}

/* The open generation is complete, or the shard may be full: afterwards there is room for one more. */
static void turn(struct id_shard *h, int64_t expired_us)
{
    close_generation(h);
    drop_expired_generations(h, expired_us);
    uint64_t places = id_shard_places(h);
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
static void settle(struct id_shard *h, int64_t time_us, int64_t expired_us)
{
    int64_t quarter = (int64_t)(ID_TIME_SPAN / 4);
    if (h->nlines == 0) {
        /* Shards begin at different sizes, so that they do not all grow in the same epoch, and memory an id is the same
         * at every count. */
        uint32_t nlines = FIRST_LINES + FIRST_LINES * h->history->number / (2 * SHARDS);
        rebuild(h, nlines, saturating_sub(time_us, quarter), INT64_MIN);
    } else if (time_us > h->base_us) {
        rebuild(h, h->nlines, saturating_sub(time_us, 3 * quarter), expired_us);
    } else {
        /* Only if it is worth it: where the span is used up, ever older ids must not rebuild the shard each time. */
        int64_t latest_us = MAX(h->history->latest_us, h->newest_us);
        int64_t span = saturating_sub(latest_us, time_us), room = (int64_t)ID_TIME_SPAN - 1 - span;
        if (room > quarter / 64)
            rebuild(h, h->nlines, saturating_sub(time_us, MIN(room, quarter) / 2), expired_us);
    }
}

void id_shard_make_room(struct id_shard *h, int64_t time_us, int64_t expired_us)
{
    if ((uint64_t)time_us - (uint64_t)h->base_us >= ID_TIME_SPAN || h->nlines == 0)
        settle(h, time_us, expired_us);
    if (h->inserted >= h->turn_at)
        turn(h, expired_us);
}

void id_shard_expire(struct id_shard *h, int64_t expired_us)
{
    if (h->inserted && h->newest_us <= expired_us)
        close_generation(h);
    drop_expired_generations(h, expired_us);
}

void id_shard_shrink(struct id_shard *h, int64_t expired_us)
{
    id_shard_expire(h, expired_us);
    uint64_t count = id_shard_count(h);
    if (h->nlines > 2 * FIRST_LINES && count * 100 < id_shard_places(h) * SPARSE)
        rebuild(h, lines_for(count, ROOMY), h->base_us, expired_us);
}

void id_shard_clear(struct id_shard *h)
{
    memset(h->lines, 0, memory_size(h->nlines));
    h->history->latest_us = INT64_MIN;
    h->history->closed = h->history->ngenerations = 0;
    begin_generation(h);
}

/* ---- looking up ---- */

bool id_shard_walk(const struct id_shard *h, uint64_t lo, uint64_t tag, uint64_t free_up_to, struct id_place *to)
{
    bool chained = id_line_is_passed(&h->lines[to->at]), placed = to->vacancies != 0;
    for (uint32_t i = id_after(h, to->at), n = 1; n < h->nlines && (chained || !placed); i = id_after(h, i), n++) {
        unsigned vacant;
        if (id_line_look(&h->lines[i], lo, tag, free_up_to, &vacant))
            return true;
        if (!placed && vacant) {
            placed = true;
            to->at = i;
            to->vacancies = vacant;
        }
        chained = chained && id_line_is_passed(&h->lines[i]);
    }
    return false;
}
