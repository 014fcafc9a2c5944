#include "op/partials.h"

#include <stdlib.h>

#include "op/groups.h"

struct worker {
    struct keyed *table;
    struct groups *groups; /* of the table */
    struct arena arena;    /* the spans with what lies behind them */
    uint64_t batch;
};

struct partials {
    struct accumulators *accumulators;
    bool touching;
    struct worker *workers;
    uint32_t nworkers;
};

static void release_spans(void *arg, void *value)
{
    const struct partials *p = arg;
    struct spans *spans = value;
    for (uint32_t i = 0; p->accumulators->owns_heap && i < spans->count; i++)
        accumulators_release(p->accumulators, spans_items(spans)[i]);
    spans_release(spans);
}

struct partials *partials_new(struct accumulators *a, uint32_t nkey, bool touching, uint32_t nworkers)
{
    struct partials *p = mem_zalloc(sizeof *p);
    p->accumulators = a;
    p->touching = touching;
    p->nworkers = nworkers;
    p->workers = mem_zalloc(nworkers * sizeof *p->workers);
    const struct keyed_codec codec = {
        .value_size = sizeof(struct spans), .release = release_spans, .arg = p, .passing = true};
    for (uint32_t w = 0; w < nworkers; w++) {
        p->workers[w].table = keyed_new("partials", 1, &codec);
        p->workers[w].groups = groups_new(nkey, p->workers[w].table);
    }
    return p;
}

void partials_free(struct partials *p)
{
    if (!p)
        return;
    for (uint32_t w = 0; w < p->nworkers; w++) {
        groups_free(p->workers[w].groups);
        keyed_free(p->workers[w].table);
        arena_release(&p->workers[w].arena);
    }
    free(p->workers);
    free(p);
}

struct adding {
    const struct accumulators *a;
    struct worker *w;
    struct arena *arena;
    char **values; /* spans of this batch, by number */
    uint32_t nvalues;
    bool touching;
    struct tied {  /* spans that became one within the batch: some of its rows go to either */
        struct span *into, *from;
    } *tied;
    uint32_t ntied, tied_cap;
};

static void tie(struct adding *t, struct span *into, struct span *from)
{
    t->tied = arena_grow(t->arena, t->tied, t->ntied, &t->tied_cap, sizeof *t->tied);
    t->tied[t->ntied++] = (struct tied){into, from};
}

/* The span, among those of its key, that a row is in. */
static struct span *find_span(struct adding *t, struct spans *spans, int64_t start, int64_t end)
{
    struct meeting with = spans_meet(spans, start, end, t->touching);
    if (with.from == with.to) {
        struct span *fresh = arena_alloc(&t->w->arena, t->a->size);
        memset(fresh, 0, t->a->size);
        *fresh = (struct span){.start = start, .end = end};
        spans_replace(spans, with, fresh);
        return fresh;
    }
    struct span **items = spans_items(spans), *s = items[with.from];
    for (uint32_t i = with.from + 1; i < with.to; i++)
        tie(t, s, items[i]);
    s->start = MIN(s->start, start);
    s->end = MAX(items[with.to - 1]->end, end);
    if (with.to - with.from > 1)
        spans_replace(spans, with, s);
    return s;
}

static uint32_t number_of(struct adding *t, struct span *s)
{
    if (s->batch != t->w->batch) {
        s->batch = t->w->batch;
        s->number = t->nvalues;
        t->values[t->nvalues++] = (char *)s;
    }
    return s->number;
}

void partials_add(struct partials *p, uint32_t worker, const struct batch *b, const struct batch *keys,
                  const int64_t *starts, const int64_t *ends, struct arena *arena)
{
    struct adding t = {.a = p->accumulators, .w = &p->workers[worker], .arena = arena, .touching = p->touching};
    uint32_t live = batch_live(b), *ids = arena_array(arena, live, sizeof *ids);
    int64_t before = aggregate_memory();
    char **by_key;
    uint32_t nkeys = groups_find(t.w->groups, keys, arena, ids, &by_key);
    t.values = arena_array(arena, live, sizeof *t.values);
    t.w->batch++;
    for (uint32_t i = 0; i < live; i++) {
        struct spans *spans = (struct spans *)by_key[nkeys > 1 ? ids[i] : 0];
        ids[i] = number_of(&t, find_span(&t, spans, starts[i], ends[i]));
    }
    accumulators_update(t.a, b, arena, ids, t.values, t.nvalues);
    for (uint32_t i = 0; i < t.ntied; i++) { /* in order: what was tied may have been tied to before */
        accumulators_merge(t.a, t.tied[i].into, t.tied[i].from);
        accumulators_release(t.a, t.tied[i].from);
    }
    accumulators_count_heap(p->accumulators, before);
}

struct keyed *partials_of(const struct partials *p, uint32_t worker) { return p->workers[worker].table; }

uint32_t partials_workers(const struct partials *p) { return p->nworkers; }

void partials_clear(struct partials *p)
{
    int64_t before = aggregate_memory();
    for (uint32_t w = 0; w < p->nworkers; w++) {
        groups_forget(p->workers[w].groups);
        keyed_clear(p->workers[w].table);
        arena_reset(&p->workers[w].arena);
    }
    accumulators_count_heap(p->accumulators, before);
}

uint64_t partials_keys(const struct partials *p)
{
    uint64_t keys = 0;
    for (uint32_t w = 0; w < p->nworkers; w++)
        keys += keyed_count(p->workers[w].table);
    return keys;
}

uint64_t partials_bytes(const struct partials *p)
{
    uint64_t bytes = 0;
    for (uint32_t w = 0; w < p->nworkers; w++)
        bytes += keyed_bytes(p->workers[w].table) + groups_bytes(p->workers[w].groups) + p->workers[w].arena.total;
    return bytes;
}
