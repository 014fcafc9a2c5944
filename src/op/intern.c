#include "op/intern.h"

#include <stdlib.h>

enum {
    PLACES = 64,      /* a power of two; values a column may have without crowding */
    LONGEST = 20,     /* bytes: two words behind the prefix hold them; a longer string is rarely one of few */
    TRIAL = 8 * 1024, /* strings after which a column is judged */
    LOOKS = 8 * TRIAL,
    RARE = 16, /* or rows, of which not one in so many had such a string */
};

/* A string of 13 to 20 bytes as words: of two that agree in all three, all bytes do. */
struct words {
    uint64_t head, first, last; /* length and prefix; bytes 4 to 11; the last eight */
};

struct familiar {
    bool gave_up;
    uint32_t looked, seen, known;
    struct kept {
        struct words words;
        const char *bytes; /* NULL: free */
    } places[PLACES];
};

struct intern {
    struct arena arena; /* what was interned stays: at most PLACES strings a column */
    struct familiar *columns;
};

struct intern *intern_new(uint32_t ncols)
{
    struct intern *t = mem_zalloc(sizeof *t);
    t->columns = mem_zalloc((ncols + 1) * sizeof *t->columns);
    return t;
}

void intern_free(struct intern *t)
{
    if (!t)
        return;
    arena_release(&t->arena);
    free(t->columns);
    free(t);
}

static inline bool is_candidate(const struct view *v)
{
    return v->len > VIEW_INLINE && v->len <= LONGEST;
}

static inline struct words words_of(const struct view *v)
{
    return (struct words){load_u64(v), load_u64(v->ptr + 4), load_u64(v->ptr + v->len - 8)};
}

static inline uint32_t place_of(struct words w)
{
    return (uint32_t)((w.head ^ w.first ^ w.last * 31) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (PLACES - 1);
}

void intern_column(struct intern *t, uint32_t which, struct column *c, uint32_t rows)
{
    struct familiar *f = &t->columns[which];
    struct view *views = c->data;
    if (f->gave_up || !type_is_view(c->type))
        return;
    uint32_t seen = 0, known = 0;
    for (uint32_t r = 0; r < rows; r++) {
        struct view *v = &views[r];
        if (!is_candidate(v))
            continue;
        struct words w = words_of(v);
        struct kept *p = &f->places[place_of(w)];
        seen++;
        if (likely(p->words.head == w.head && p->words.first == w.first && p->words.last == w.last)) {
            v->ptr = p->bytes;
            known++;
        } else if (!p->bytes) {
            *p = (struct kept){w, arena_dup(&t->arena, v->ptr, v->len)};
        }
    }
    f->looked += rows;
    f->seen += seen;
    f->known += known;
    bool rare = f->looked >= LOOKS && f->seen < f->looked / RARE;
    if (f->seen < TRIAL && !rare)
        return;
    f->gave_up = rare || f->known < f->seen / 2;
    f->looked = f->seen = f->known = 0;
}
