#include "op/accumulators.h"

#include <stdio.h>

#include "op/outcome.h"
#include "op/reject.h"

static void *accumulator(const struct accumulators *a, const void *value, uint32_t i)
{
    return (char *)value + a->offsets[i];
}

/* ---- as bytes ---- */

void accumulators_pack(const struct accumulators *a, const void *value, struct buf *out)
{
    buf_put(out, (const char *)value + a->head, sizeof(int64_t));
    for (uint32_t i = 0; i < a->ncalls; i++) {
        const struct aggregate *f = a->calls[i].function;
        const void *state = accumulator(a, value, i);
        if (f->pack)
            f->pack(state, out);
        else
            buf_put(out, state, f->state_size);
    }
}

bool accumulators_unpack(const struct accumulators *a, struct reader *in, void *value)
{
    const char *bytes;
    if (!reader_bytes(in, sizeof(int64_t), &bytes))
        return false;
    memcpy((char *)value + a->head, bytes, sizeof(int64_t));
    for (uint32_t i = 0; i < a->ncalls; i++) {
        const struct aggregate *f = a->calls[i].function;
        void *state = accumulator(a, value, i);
        if (f->unpack) {
            if (!f->unpack(in, state))
                return false;
        } else {
            if (!reader_bytes(in, f->state_size, &bytes))
                return false;
            memcpy(state, bytes, f->state_size);
        }
    }
    return true;
}

void accumulators_release(const struct accumulators *a, void *value)
{
    for (uint32_t i = 0; i < a->ncalls; i++)
        if (a->calls[i].function->release)
            a->calls[i].function->release(accumulator(a, value, i));
}

/* ---- memory ---- */

void accumulators_count_heap(struct accumulators *a, int64_t before)
{
    if (a->owns_heap)
        __atomic_fetch_add(&a->heap, aggregate_memory() - before, __ATOMIC_RELAXED);
}

uint64_t accumulators_heap(const struct accumulators *a)
{
    return (uint64_t)__atomic_load_n(&a->heap, __ATOMIC_RELAXED);
}

/* ---- a table of them ---- */

static void release_value(void *arg, void *value) { accumulators_release(arg, value); }

struct keyed_codec accumulators_codec(struct accumulators *a,
                                      void (*pack)(void *arg, const void *value, struct buf *out),
                                      bool (*unpack)(void *arg, struct reader *in, void *value))
{
    return (struct keyed_codec){.value_size = a->size, .pack = pack, .unpack = unpack,
                                .release = a->owns_heap ? release_value : NULL, .arg = a};
}

enum status accumulators_load(struct accumulators *a, struct keyed *t, uint32_t version, struct slice payload,
                              struct error *err)
{
    int64_t before = aggregate_memory();
    enum status status = keyed_load(t, version, payload, err);
    accumulators_count_heap(a, before);
    return status;
}

/* ---- rows ---- */

/* The rows of a batch that a FILTER lets through. */
struct filtered {
    const uint32_t *rows, *groups;
    uint32_t n;
    uint32_t *counts; /* rows by group; NULL until somebody wants it */
};

struct gathering {
    const struct accumulators *a;
    const struct batch *b;
    struct arena *arena;
    char *const *values;
    uint32_t ngroups;
    struct filtered *filtered; /* by filter; rows NULL: not looked at yet */
    struct filtered all;
    int64_t *scratch;
    void **states;
};

static const uint32_t *count_groups(struct gathering *t, struct filtered *f)
{
    if (f->counts)
        return f->counts;
    f->counts = arena_zarray(t->arena, t->ngroups, sizeof *f->counts);
    if (t->ngroups == 1)
        f->counts[0] = f->n;
    for (uint32_t i = 0; t->ngroups > 1 && i < f->n; i++)
        f->counts[f->groups[i]]++;
    return f->counts;
}

static struct filtered pass(struct gathering *t, const struct column *filter)
{
    uint32_t *rows = arena_array(t->arena, t->all.n, sizeof *rows), n = 0;
    uint32_t *groups = arena_array(t->arena, t->all.n, sizeof *groups);
    const uint8_t *yes = filter->data;
    for (uint32_t i = 0; i < t->all.n; i++) { /* without a branch: whether a row passes is anybody's guess */
        uint32_t row = t->all.rows[i];
        rows[n] = row;
        groups[n] = t->all.groups[i];
        n += yes[row] & !column_is_null(filter, row);
    }
    return (struct filtered){rows, groups, n, NULL};
}

static struct filtered *rows_of(struct gathering *t, uint32_t aggregate)
{
    uint32_t which = t->a->filter[aggregate];
    if (t->a->filters[which] < 0)
        return &t->all;
    if (!t->filtered[which].rows)
        t->filtered[which] = pass(t, &t->b->cols[t->a->filters[which]]);
    return &t->filtered[which];
}

static void update(struct gathering *t, uint32_t which)
{
    const struct plan_aggregate *a = &t->a->calls[which];
    const struct column *arg = a->arg >= 0 ? &t->b->cols[a->arg] : NULL;
    struct filtered *f = rows_of(t, which);
    uint32_t offset = t->a->offsets[which];
    if (a->function->fold && !t->b->weight && !(arg && arg->valid)) {
        struct aggregate_rows r = {f->rows, f->groups, f->n, t->ngroups, count_groups(t, f), t->values, t->scratch};
        a->function->fold(&r, arg, offset);
        return;
    }
    if (!t->states)
        t->states = arena_array(t->arena, t->all.n, sizeof *t->states);
    for (uint32_t i = 0; i < f->n; i++)
        t->states[i] = t->values[t->ngroups > 1 ? f->groups[i] : 0] + offset;
    a->function->update(t->states, arg, f->rows, f->n, t->b->weight);
}

static void count_rows(struct gathering *t)
{
    if (t->b->weight) {
        for (uint32_t i = 0; i < t->all.n; i++)
            *accumulators_rows(t->a, t->values[t->ngroups > 1 ? t->all.groups[i] : 0]) += t->b->weight[t->all.rows[i]];
        return;
    }
    const uint32_t *counts = count_groups(t, &t->all);
    for (uint32_t i = 0; i < t->ngroups; i++)
        *accumulators_rows(t->a, t->values[i]) += counts[i];
}

static const uint32_t *live_rows(const struct batch *b, struct arena *a)
{
    if (b->sel)
        return b->sel;
    uint32_t *rows = arena_array(a, b->rows, sizeof *rows);
    for (uint32_t i = 0; i < b->rows; i++)
        rows[i] = i;
    return rows;
}

void accumulators_update(const struct accumulators *a, const struct batch *b, struct arena *arena, const uint32_t *ids,
                         char *const *values, uint32_t nvalues)
{
    struct gathering t = {.a = a, .b = b, .arena = arena, .values = values, .ngroups = nvalues};
    t.all = (struct filtered){live_rows(b, arena), ids, batch_live(b), NULL};
    t.filtered = arena_zarray(arena, a->nfilters, sizeof *t.filtered);
    t.scratch = arena_array(arena, nvalues, sizeof *t.scratch);
    count_rows(&t);
    for (uint32_t i = 0; i < a->ncalls; i++)
        update(&t, i);
}

void accumulators_merge(const struct accumulators *a, void *into, const void *from)
{
    *accumulators_rows(a, into) += *accumulators_rows(a, (void *)from);
    for (uint32_t i = 0; i < a->ncalls; i++)
        a->calls[i].function->merge(accumulator(a, into, i), accumulator(a, from, i));
}

/* ---- results ---- */

void accumulators_put(const struct accumulators *a, const struct operator *op, const struct plan_node *node,
                      const void *value, struct batch *b, uint32_t first, uint32_t row, int64_t weight,
                      struct rejections *rejections)
{
    const char *failed = NULL;
    for (uint32_t i = 0; i < a->ncalls; i++) {
        struct column *col = &b->cols[first + i];
        const char *sqlstate = NULL;
        if (a->calls[i].function->final(accumulator(a, value, i), a->arg_types[i], col, row, b->arena, &sqlstate)) {
            bit_set(col->valid, row);
        } else {
            column_set_null(col, b->arena, OUTCOME_ROWS, row);
            failed = sqlstate ? sqlstate : failed;
        }
    }
    if (!failed)
        return;
    if (weight > 0) {
        char rule[16];
        snprintf(rule, sizeof rule, "error:%s", failed);
        reject_result(rejections, b, row, node->schema.names, op->name, rule, "aggregate out of range");
    }
    outcome_drop(b);
}

/* ---- layout ---- */

static void share_filters(struct accumulators *a, struct arena *arena)
{
    a->filter = arena_array(arena, a->ncalls + 1, sizeof *a->filter);
    a->filters = arena_array(arena, a->ncalls + 1, sizeof *a->filters);
    for (uint32_t i = 0; i < a->ncalls; i++) {
        uint32_t f = 0;
        while (f < a->nfilters && a->filters[f] != a->calls[i].filter)
            f++;
        if (f == a->nfilters)
            a->filters[a->nfilters++] = a->calls[i].filter;
        a->filter[i] = f;
    }
}

void accumulators_init(struct accumulators *a, const struct plan_node *node, const struct plan_node *input,
                       uint32_t head, struct arena *arena)
{
    *a = (struct accumulators){.calls = node->aggregates, .ncalls = node->naggregates, .head = head};
    a->offsets = arena_array(arena, a->ncalls + 1, sizeof *a->offsets);
    a->arg_types = arena_array(arena, a->ncalls + 1, sizeof *a->arg_types);
    uint32_t size = head + (uint32_t)sizeof(int64_t);
    for (uint32_t i = 0; i < a->ncalls; i++) {
        const struct plan_aggregate *call = &a->calls[i];
        size = (size + 15) & ~15u; /* int128 accumulators */
        a->offsets[i] = size;
        size += call->function->state_size;
        a->owns_heap |= call->function->heap;
        a->arg_types[i] = call->arg >= 0 ? input->schema.types[call->arg] : TYPE(TYPE_UNKNOWN);
    }
    share_filters(a, arena);
    a->size = (size + 7) & ~7u;
}
