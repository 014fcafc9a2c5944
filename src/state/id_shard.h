/* One shard of an expiring set (expiring.h): an open table of ids, each with the time at which it was first seen. The
 * hot path is inline; id_shard.c makes it larger and smaller. One thread at a time uses a shard.
 *
 * A shard is a row of lines of 64 bytes, four entries each:
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
#pragma once

#include "base/base.h"
#include "base/hash.h"
#include "base/pages.h"

enum { ID_LINE = 64, ID_SLOTS = 4, ID_PASSED_MAX = 15, ID_GENERATIONS = 32 };

#define ID_CODE_MASK ((UINT64_C(1) << 47) - 1)
#define ID_TIME_SPAN ((UINT64_C(1) << 47) - 1) /* times from base to below base + this have a code */
#define ID_PASSED_BIT UINT64_C(1)

struct id_entry {
    uint64_t lo, rest;
};

struct id_line {
    struct id_entry entries[ID_SLOTS];
};
static_assert(sizeof(struct id_line) == ID_LINE, "a look-up touches one cache line");

struct id_generation {
    int64_t newest_us;
    uint32_t count;
};

struct id_history {
    struct pages *pages; /* where the lines come from */
    uint32_t number;     /* of the shard */
    int64_t latest_us;   /* of all that came before the open generation */
    uint32_t closed;     /* sum of the closed generations */
    uint32_t ngenerations;
    struct id_generation generations[ID_GENERATIONS]; /* closed, in the order of insertion */
};

/* What an insertion needs: one cache line. */
struct [[gnu::aligned(ID_LINE)]] id_shard {
    struct id_line *lines; /* from pages_alloc, unless there are none */
    uint32_t nlines;
    uint32_t inserted, turn_at; /* in the open generation: when there are turn_at, look whether there is room */
    int64_t base_us;
    int64_t newest_us; /* of the open generation */
    struct id_history *history;
};
static_assert(sizeof(struct id_shard) == ID_LINE, "a cache line");

/* All of a set's. */
struct id_shards {
    struct id_shard *shards;
    struct id_history histories[SHARDS];
};
/* Empty ones; pages stay the caller's, and outlive them. */
void id_shards_init(struct id_shards *s, struct pages *pages);
void id_shards_release(struct id_shards *s);
uint64_t id_shards_count(const struct id_shards *s);
uint64_t id_shards_bytes(const struct id_shards *s);

/* Without its ids, as large as before. */
void id_shard_clear(struct id_shard *h);
/* For an id of this time there is room afterwards; what has expired by then may be gone. */
void id_shard_make_room(struct id_shard *h, int64_t time_us, int64_t expired_us);
/* Give memory back that what is unexpired does not need. */
void id_shard_shrink(struct id_shard *h, int64_t expired_us);
/* Count no longer what has expired, as far as that is known without a look at it. */
void id_shard_expire(struct id_shard *h, int64_t expired_us);

static inline uint64_t id_shard_places(const struct id_shard *h) { return (uint64_t)h->nlines * ID_SLOTS; }
static inline uint64_t id_shard_bytes(const struct id_shard *h) { return (uint64_t)h->nlines * ID_LINE; }
/* What is unexpired, and perhaps more. */
static inline uint64_t id_shard_count(const struct id_shard *h) { return (uint64_t)h->history->closed + h->inserted; }

/* ---- entries ---- */

static inline uint32_t id_home(const struct id_shard *h, uint64_t id_lo)
{
    return (uint32_t)((id_lo >> 32) * h->nlines >> 32);
}

static inline uint32_t id_after(const struct id_shard *h, uint32_t i) { return i + 1 == h->nlines ? 0 : i + 1; }

static inline uint64_t id_tag(struct hash128 id) { return id.hi >> 40 & 0xffff; }
static inline uint64_t id_entry_tag(const struct id_entry *e) { return e->rest >> 48; }
static inline uint64_t id_entry_code(const struct id_entry *e) { return e->rest >> 1 & ID_CODE_MASK; }
static inline void id_entry_set(struct id_entry *e, uint64_t lo, uint64_t tag, uint64_t code)
{
    *e = (struct id_entry){lo, tag << 48 | code << 1 | (e->rest & ID_PASSED_BIT)};
}

static inline uint64_t id_code(const struct id_shard *h, int64_t time_us)
{
    int64_t since = saturating_sub(time_us, h->base_us);
    return since < 0 ? 1 : MIN((uint64_t)since, ID_TIME_SPAN - 1) + 1;
}

static inline int64_t id_code_time(const struct id_shard *h, uint64_t code) { return h->base_us + (int64_t)(code - 1); }

/* Entries with a code up to this one are free: they are empty (0) or expired. expired_us: the newest time that has
 * expired; INT64_MIN: none has. */
static inline uint64_t id_free_code(const struct id_shard *h, int64_t expired_us)
{
    if (expired_us < h->base_us)
        return 0;
    return MIN((uint64_t)expired_us - (uint64_t)h->base_us, ID_TIME_SPAN - 1) + 1;
}

static inline bool id_line_is_passed(const struct id_line *l)
{
    return (l->entries[0].rest | l->entries[1].rest | l->entries[2].rest | l->entries[3].rest) & ID_PASSED_BIT;
}

/* One more (or less) of the ids whose chain begins at line `from` lies in line `to`. Where the number no longer fits it
 * stays, until the next rebuild. */
static inline void id_count_passing(struct id_shard *h, uint32_t from, uint32_t to, int change)
{
    for (; from != to; from = id_after(h, from)) {
        struct id_entry *e = h->lines[from].entries;
        uint64_t n = (e[0].rest & 1) | (e[1].rest & 1) << 1 | (e[2].rest & 1) << 2 | (e[3].rest & 1) << 3;
        if (n == ID_PASSED_MAX)
            continue;
        uint64_t flipped = n ^ (n + (uint64_t)(int64_t)change);
        e[0].rest ^= flipped & 1;
        e[1].rest ^= flipped >> 1 & 1;
        e[2].rest ^= flipped >> 2 & 1;
        e[3].rest ^= flipped >> 3 & 1;
    }
}

/* The shard's unexpired ids one by one, in its order: *at is 0 before the first. */
static inline bool id_shard_next(const struct id_shard *h, uint64_t free_up_to, uint64_t *at, struct hash128 *ret_id,
                                 int64_t *ret_time_us)
{
    for (; *at < id_shard_places(h); ++*at) {
        const struct id_entry *e = &h->lines[*at / ID_SLOTS].entries[*at % ID_SLOTS];
        uint64_t code = id_entry_code(e);
        if (code <= free_up_to)
            continue;
        *ret_id = (struct hash128){.lo = e->lo, .hi = (uint64_t)h->history->number << 56 | id_entry_tag(e) << 40};
        *ret_time_us = id_code_time(h, code);
        ++*at;
        return true;
    }
    return false;
}

/* ---- looking up ---- */

struct id_place {
    uint32_t home, at;
    unsigned vacancies;
};

/* Which of a line's entries are free, and is one of the others this id? All four are compared at once, because which of
 * them it is, or how many there are, no branch predictor can know; written out, because gcc 12 leaves a loop a loop. */
static inline bool id_line_look(const struct id_line *l, uint64_t lo, uint64_t tag, uint64_t free_up_to,
                                unsigned *ret_free)
{
    const struct id_entry *e = l->entries;
    /* the highest of a free entry, without its tag */
    const uint64_t free_rest = free_up_to << 17 | ID_PASSED_BIT << 16;
    unsigned found = (unsigned)(e[0].lo == lo) | (unsigned)(e[1].lo == lo) << 1 | (unsigned)(e[2].lo == lo) << 2 |
                     (unsigned)(e[3].lo == lo) << 3;
    unsigned vacant = (unsigned)(e[0].rest << 16 <= free_rest) | (unsigned)(e[1].rest << 16 <= free_rest) << 1 |
                      (unsigned)(e[2].rest << 16 <= free_rest) << 2 | (unsigned)(e[3].rest << 16 <= free_rest) << 3;
    *ret_free = vacant;
    for (found &= ~vacant; unlikely(found); found &= found - 1)
        if (id_entry_tag(&e[__builtin_ctz(found)]) == tag)
            return true;
    return false;
}

/* On from the first line, which has no place or was passed by: is the id further on? false: it is not, and `to`, which
 * was of the first line, is where it goes; without vacancies, if the shard has none. */
bool id_shard_walk(const struct id_shard *h, uint64_t lo, uint64_t tag, uint64_t free_up_to, struct id_place *to);

/* Is the id there, unexpired? false: *ret is where it goes. There are lines. */
static inline bool id_shard_find(const struct id_shard *h, struct hash128 id, int64_t expired_us, struct id_place *ret)
{
    uint64_t free_up_to = id_free_code(h, expired_us), tag = id_tag(id);
    ret->home = ret->at = id_home(h, id.lo);
    if (id_line_look(&h->lines[ret->home], id.lo, tag, free_up_to, &ret->vacancies))
        return true;
    return unlikely(!ret->vacancies || id_line_is_passed(&h->lines[ret->home])) &&
           id_shard_walk(h, id.lo, tag, free_up_to, ret);
}

/* An id that is not there; `to` is what find said, after room was made. */
static inline void id_shard_put(struct id_shard *h, struct hash128 id, int64_t time_us, const struct id_place *to)
{
    assert(to->vacancies); /* the generations never say less than what is unexpired */
    if (unlikely(to->at != to->home))
        id_count_passing(h, to->home, to->at, 1);
    struct id_entry *e = &h->lines[to->at].entries[__builtin_ctz(to->vacancies)];
    if (id_entry_code(e) && unlikely(id_home(h, e->lo) != to->at))
        id_count_passing(h, id_home(h, e->lo), to->at, -1);
    id_entry_set(e, id.lo, id_tag(id), id_code(h, time_us));
    h->newest_us = MAX(h->newest_us, time_us);
    h->inserted++;
}

/* Must room be made before an id of this time is put? */
static inline bool id_shard_is_due(const struct id_shard *h, int64_t time_us)
{
    return (uint64_t)time_us - (uint64_t)h->base_us >= ID_TIME_SPAN || h->inserted >= h->turn_at;
}

/* An id that may be there; true: it was not. */
static inline bool id_shard_insert(struct id_shard *h, struct hash128 id, int64_t time_us, int64_t expired_us)
{
    struct id_place place;
    if (unlikely(id_shard_is_due(h, time_us)))
        id_shard_make_room(h, time_us, expired_us);
    if (id_shard_find(h, id, expired_us, &place))
        return false;
    id_shard_put(h, id, time_us, &place);
    return true;
}
