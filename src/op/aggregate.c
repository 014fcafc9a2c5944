/* Aggregate: GROUP BY with accumulators, kept up to date.
 *
 * During an epoch every worker adds into a small table of its own; when the epoch ends these partials are merged into
 * the
 * 256 shards (semantics 24: one hot group does not end up on one core). A group that changed comes out as its old row
 * with
 * weight -1 and its new row with +1.
 *
 * Groups by event time (the end of a window, mostly) are closed by the watermark: rows that come after that are late,
 * the group's state goes, and a `final` aggregate hands the group's row out only then, once (semantics 14, 27).
 *
 * State per group: i64 number of rows, then one accumulator per aggregate. A group without rows is deleted (when it
 * closes, if it does), except the single group of a query without GROUP BY, which exists from the first epoch on, as in
 * PostgreSQL.
 */
#include <stdio.h>
#include <stdlib.h>

#include "column/rowkey.h"
#include "op/groups.h"
#include "op/late.h"
#include "op/operators.h"
#include "op/outcome.h"
#include "op/reject.h"
#include "state/due.h"
#include "state/keyed.h"

enum {
    AGGREGATE_VERSION = 1,
    FIRST_SEEN = KEYED_USER,    /* touched in this epoch... */
    WAS_THERE = KEYED_USER * 2, /* ...and it had rows before */
};

struct worker {
    struct keyed *partials;
    struct groups *groups; /* of partials */
};

struct aggregate_op {
    struct operator op;
    const struct plan_node *node;
    struct arena arena;
    struct keyed *groups;
    struct keyed_codec codec;
    uint32_t *offsets;      /* of each accumulator in a group's value */
    uint32_t *filter;       /* of each aggregate: which of the FILTERs; aggregates share those that are the same */
    int32_t *filters;       /* their columns; -1: none */
    uint32_t nfilters;
    struct type *arg_types;
    struct worker *workers;
    uint32_t nworkers;
    struct outcomes out;
    const char *const *input_names;
    struct closing { /* where groups are closed by time */
        struct due due;
        bool indexed; /* what was loaded is in it */
    } *closing; /* per shard; NULL: they are not */
    int64_t heap; /* bytes that accumulators own beside their own memory; changed by all workers */
};

/* Behind whatever may have changed accumulators; before: aggregate_memory() ahead of it, on the same thread. */
static void count_heap(struct aggregate_op *g, int64_t before)
{
    if (g->codec.release)
        __atomic_fetch_add(&g->heap, aggregate_memory() - before, __ATOMIC_RELAXED);
}

static int64_t *row_count(void *value) { return value; }
static void *accumulator(const struct aggregate_op *g, void *value, uint32_t i)
{
    return (char *)value + g->offsets[i];
}

/* ---- state as bytes ---- */

static void pack_group(void *arg, const void *value, struct buf *out)
{
    const struct aggregate_op *g = arg;
    buf_put(out, value, sizeof(int64_t));
    for (uint32_t i = 0; i < g->node->naggregates; i++) {
        const struct aggregate *f = g->node->aggregates[i].function;
        const void *state = accumulator(g, (void *)value, i);
        if (f->pack)
            f->pack(state, out);
        else
            buf_put(out, state, f->state_size);
    }
}

static bool unpack_group(void *arg, struct reader *in, void *value)
{
    const struct aggregate_op *g = arg;
    const char *bytes;
    if (!reader_bytes(in, sizeof(int64_t), &bytes))
        return false;
    memcpy(value, bytes, sizeof(int64_t));
    for (uint32_t i = 0; i < g->node->naggregates; i++) {
        const struct aggregate *f = g->node->aggregates[i].function;
        void *state = accumulator(g, value, i);
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

static void release_group(void *arg, void *value)
{
    const struct aggregate_op *g = arg;
    for (uint32_t i = 0; i < g->node->naggregates; i++)
        if (g->node->aggregates[i].function->release)
            g->node->aggregates[i].function->release(accumulator(g, value, i));
}

/* ---- gathering ---- */

/* The rows of a batch that a FILTER lets through. */
struct filtered {
    const uint32_t *rows, *groups;
    uint32_t n;
    uint32_t *counts; /* rows by group; NULL until somebody wants it */
};

struct gathering {
    const struct aggregate_op *g;
    const struct batch *b;
    struct arena *arena;
    char **values;
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
    uint32_t which = t->g->filter[aggregate];
    if (t->g->filters[which] < 0)
        return &t->all;
    if (!t->filtered[which].rows)
        t->filtered[which] = pass(t, &t->b->cols[t->g->filters[which]]);
    return &t->filtered[which];
}

static void update(struct gathering *t, uint32_t which)
{
    const struct plan_aggregate *a = &t->g->node->aggregates[which];
    const struct column *arg = a->arg >= 0 ? &t->b->cols[a->arg] : NULL;
    struct filtered *f = rows_of(t, which);
    uint32_t offset = t->g->offsets[which];
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
            *row_count(t->values[t->ngroups > 1 ? t->all.groups[i] : 0]) += t->b->weight[t->all.rows[i]];
        return;
    }
    const uint32_t *counts = count_groups(t, &t->all);
    for (uint32_t i = 0; i < t->ngroups; i++)
        *row_count(t->values[i]) += counts[i];
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

static void aggregate_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                           void **unused)
{
    (void)unused;
    struct aggregate_op *g = (struct aggregate_op *)op;
    struct batch b = *in;
    c->counts->in += batch_live(&b);
    if (g->closing)
        refuse_late(c, op, g->input_names, &b, (uint32_t)g->node->closes, c->time.late_us);
    uint32_t live = batch_live(&b), *ids = arena_array(c->arena, live, sizeof *ids);
    *ret = NULL;
    if (live == 0)
        return;
    struct gathering t = {.g = g, .b = &b, .arena = c->arena};
    t.ngroups = groups_find(g->workers[c->worker].groups, &b, c->arena, ids, &t.values);
    t.all = (struct filtered){live_rows(&b, c->arena), ids, live, NULL};
    t.filtered = arena_zarray(c->arena, g->nfilters, sizeof *t.filtered);
    t.scratch = arena_array(c->arena, t.ngroups, sizeof *t.scratch);
    count_rows(&t);
    int64_t before = aggregate_memory();
    for (uint32_t i = 0; i < g->node->naggregates; i++)
        update(&t, i);
    count_heap(g, before);
    c->counts->out += live; /* every row is in its group; the step's own results are counted where they go */
}

/* ---- results ---- */

struct merging {
    struct aggregate_op *g;
    unsigned shard;
    struct rejections *rejections;
};

/* One group as a row. An aggregate that cannot be represented (overflow) rejects the row: it is simply not there
 * until it is valid again, and, for weight +1, said so. */
static void put_row(struct merging *m, struct keyed_entry *e, int64_t weight)
{
    const struct plan_node *node = m->g->node;
    uint32_t row;
    struct batch *b = outcome_row(&m->g->out, m->shard, weight, &row);
    struct reader key = reader_of(keyed_key(m->g->groups, e));
    for (uint32_t c = 0; c < node->ngroup; c++) {
        bool ok = rowkey_get(&key, &b->cols[c], row, b->arena);
        assert(ok);
    }
    const char *failed = NULL;
    for (uint32_t i = 0; i < node->naggregates; i++) {
        struct column *col = &b->cols[node->ngroup + i];
        const char *sqlstate = NULL;
        if (node->aggregates[i].function->final(accumulator(m->g, keyed_value(e), i), m->g->arg_types[i], col, row,
                                                b->arena, &sqlstate)) {
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
        reject_result(m->rejections, b, row, node->schema.names, m->g->op.name, rule, "aggregate out of range");
    }
    outcome_drop(b);
}

static bool is_there(const struct aggregate_op *g, struct keyed_entry *e)
{
    return *row_count(keyed_value(e)) != 0 || g->node->ngroup == 0;
}

/* ---- closing ---- */

/* The time that closes a group, from its key. A NULL never does. */
static int64_t closing_time(struct aggregate_op *g, struct keyed_entry *e)
{
    AUTO(arena) scratch = {0};
    struct reader key = reader_of(keyed_key(g->groups, e));
    for (int32_t c = 0;; c++) {
        struct column col = column_make(&scratch, g->node->schema.types[c], 1, true);
        bool ok = rowkey_get(&key, &col, 0, &scratch);
        assert(ok);
        if (c == g->node->closes)
            return column_is_null(&col, 0) ? INT64_MAX : *(const int64_t *)col.data;
    }
}

static void note_closing(struct aggregate_op *g, struct keyed_entry *e)
{
    int64_t time = closing_time(g, e);
    if (time != INT64_MAX)
        due_put(&g->closing[shard_of(e->hash)].due, time, e, NULL);
}

static void index_group(void *arg, struct keyed_entry *e) { note_closing(arg, e); }

static void index_shard(struct aggregate_op *g, unsigned shard)
{
    if (!g->closing || g->closing[shard].indexed)
        return;
    g->closing[shard].indexed = true;
    keyed_each(g->groups, shard, index_group, g);
}

static void close_groups(struct merging *m, int64_t evict_us)
{
    struct aggregate_op *g = m->g;
    int64_t time;
    if (!g->closing || evict_us == INT64_MIN)
        return;
    for (struct keyed_entry *e; (e = due_take(&g->closing[m->shard].due, evict_us, &time));) {
        if (g->node->final && is_there(g, e))
            put_row(m, e, +1);
        keyed_remove(g->groups, e);
    }
}

/* ---- merging ---- */

/* First touch of a group in this epoch: its old row leaves before anything is merged in. */
static struct keyed_entry *touch_group(struct merging *m, uint64_t hash, struct slice key)
{
    bool fresh;
    struct aggregate_op *g = m->g;
    struct keyed_entry *e = keyed_get(g->groups, hash, key.data, key.len, &fresh);
    if (e->flags & FIRST_SEEN)
        return e;
    e->flags |= FIRST_SEEN;
    keyed_touch(g->groups, e);
    if (fresh && g->closing)
        note_closing(g, e);
    if (!fresh && is_there(g, e)) {
        e->flags |= WAS_THERE;
        if (!g->node->final && g->node->naggregates)
            put_row(m, e, -1);
    }
    return e;
}

static void merge_partials(struct merging *m)
{
    struct aggregate_op *g = m->g;
    for (uint32_t w = 0; w < g->nworkers; w++) {
        uint32_t n;
        struct keyed_entry *const *partials = keyed_dirty(g->workers[w].partials, m->shard, &n);
        for (uint32_t i = 0; i < n; i++) {
            struct slice key = keyed_key(g->workers[w].partials, partials[i]);
            struct keyed_entry *e = touch_group(m, partials[i]->hash, key);
            *row_count(keyed_value(e)) += *row_count(keyed_value(partials[i]));
            for (uint32_t k = 0; k < g->node->naggregates; k++)
                g->node->aggregates[k].function->merge(accumulator(g, keyed_value(e), k),
                                                       accumulator(g, keyed_value(partials[i]), k));
        }
    }
}

static void put_new_rows(struct merging *m)
{
    struct aggregate_op *g = m->g;
    uint32_t n;
    struct keyed_entry *const *dirty = keyed_dirty(g->groups, m->shard, &n);
    AUTO(arena) scratch = {0};
    struct keyed_entry **emptied = arena_array(&scratch, n, sizeof(struct keyed_entry *));
    uint32_t nemptied = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct keyed_entry *e = dirty[i];
        bool was_there = e->flags & WAS_THERE, distinct = g->node->naggregates == 0;
        e->flags &= ~(uint32_t)(FIRST_SEEN | WAS_THERE);
        if (!g->node->final && is_there(g, e) && !(distinct && was_there)) /* of distinct rows, only that it is there */
            put_row(m, e, +1);
        if (!g->node->final && !is_there(g, e) && distinct && was_there)
            put_row(m, e, -1);
        if (!is_there(g, e) && !g->closing)
            emptied[nemptied++] = e;
    }
    for (uint32_t i = 0; i < nemptied; i++)
        keyed_remove(g->groups, emptied[i]);
}

static void aggregate_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    struct aggregate_op *g = (struct aggregate_op *)op;
    int64_t before = aggregate_memory();
    struct merging m = {.g = g, .rejections = c->rejections};
    for (m.shard = from; m.shard < to; m.shard++) {
        outcome_reset(&g->out, m.shard);
        index_shard(g, m.shard);
        if (g->node->ngroup == 0) {
            uint64_t hash = hash64("", 0, 0);
            bool absent = shard_of(hash) == m.shard && !keyed_find(g->groups, hash, "", 0);
            if (absent)
                touch_group(&m, hash, SLICE(""));
        }
        merge_partials(&m);
        put_new_rows(&m);
        close_groups(&m, c->time.evict_us);
    }
    count_heap(g, before);
}

static struct batch *aggregate_emit(struct operator *op, struct op_context *c)
{
    (void)c;
    struct aggregate_op *g = (struct aggregate_op *)op;
    struct batch *b = outcomes_next(&g->out);
    if (b)
        return b;
    int64_t before = aggregate_memory();
    for (uint32_t w = 0; w < g->nworkers; w++) {
        groups_forget(g->workers[w].groups);
        keyed_clear(g->workers[w].partials);
    }
    count_heap(g, before);
    return NULL;
}

static void recall_group(void *arg, struct keyed_entry *e)
{
    keyed_touch(arg, e);
}

/* A group that is touched and was not seen in this epoch comes out as its new row only. */
static void aggregate_recall(struct operator *op, unsigned from, unsigned to)
{
    struct aggregate_op *g = (struct aggregate_op *)op;
    for (unsigned shard = from; shard < to; shard++)
        keyed_each(g->groups, shard, recall_group, g->groups);
}

static void aggregate_save(struct operator *op, struct segment_writer *w)
{
    struct aggregate_op *g = (struct aggregate_op *)op;
    struct buf payload = BUF(GIB(8));
    keyed_save(g->groups, 0, SHARDS, &payload);
    if (payload.len)
        segment_add(w, SECTION_KEYED, op->id, AGGREGATE_VERSION, &payload);
    buf_release(&payload);
}

static enum status aggregate_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                                  struct error *err)
{
    (void)evict_us;
    struct aggregate_op *g = (struct aggregate_op *)op;
    for (unsigned shard = 0; g->closing && shard < SHARDS; shard++)
        g->closing[shard].indexed = false;
    int64_t before = aggregate_memory();
    enum status status = keyed_load(g->groups, version, payload, err);
    count_heap(g, before);
    return status;
}

static uint64_t aggregate_keys(const struct operator *op)
{
    return keyed_count(((const struct aggregate_op *)op)->groups);
}

static uint64_t aggregate_bytes(const struct operator *op)
{
    const struct aggregate_op *g = (const struct aggregate_op *)op;
    uint64_t bytes = keyed_bytes(g->groups) + (uint64_t)__atomic_load_n(&g->heap, __ATOMIC_RELAXED);
    for (uint32_t w = 0; w < g->nworkers; w++)
        bytes += keyed_bytes(g->workers[w].partials) + groups_bytes(g->workers[w].groups);
    for (unsigned s = 0; g->closing && s < SHARDS; s++)
        bytes += due_bytes(&g->closing[s].due);
    return bytes;
}

/* A changed group is two rows: in the batches that are emitted, in the payload of the sink, and decoded once more when
 * that is netted. */
static uint64_t aggregate_pending(const struct operator *op)
{
    enum { COPIES = 3, KEY_AND_OVERHEAD = 64 };
    const struct aggregate_op *g = (const struct aggregate_op *)op;
    uint64_t row = KEY_AND_OVERHEAD, groups = 0;
    for (uint32_t c = 0; c < g->node->schema.ncols; c++)
        row += type_width(g->node->schema.types[c]);
    for (uint32_t w = 0; w < g->nworkers; w++)
        groups += keyed_count(g->workers[w].partials);
    return groups * 2 * COPIES * row;
}

static void aggregate_free(struct operator *op)
{
    struct aggregate_op *g = (struct aggregate_op *)op;
    for (uint32_t w = 0; w < g->nworkers; w++) {
        groups_free(g->workers[w].groups);
        keyed_free(g->workers[w].partials);
    }
    free(g->workers);
    keyed_free(g->groups);
    outcomes_release(&g->out);
    for (unsigned s = 0; g->closing && s < SHARDS; s++)
        due_release(&g->closing[s].due);
    free(g->closing);
    arena_release(&g->arena);
    free(g);
}

static const struct operator_ops aggregate_ops = {
    .shape = OP_KEEP,
    .push = aggregate_push,
    .merge = aggregate_merge,
    .emit = aggregate_emit,
    .recall = aggregate_recall,
    .save = aggregate_save,
    .load = aggregate_load,
    .keys = aggregate_keys,
    .bytes = aggregate_bytes,
    .pending = aggregate_pending,
    .free = aggregate_free,
};

static void share_filters(struct aggregate_op *g)
{
    g->filter = arena_array(&g->arena, g->node->naggregates + 1, sizeof *g->filter);
    g->filters = arena_array(&g->arena, g->node->naggregates + 1, sizeof *g->filters);
    for (uint32_t i = 0; i < g->node->naggregates; i++) {
        uint32_t f = 0;
        while (f < g->nfilters && g->filters[f] != g->node->aggregates[i].filter)
            f++;
        if (f == g->nfilters)
            g->filters[g->nfilters++] = g->node->aggregates[i].filter;
        g->filter[i] = f;
    }
}

struct operator *aggregate_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct aggregate_op *g = mem_zalloc(sizeof *g);
    g->op = (struct operator){&aggregate_ops, node->id, node->name};
    g->node = node;
    g->offsets = arena_array(&g->arena, node->naggregates + 1, sizeof *g->offsets);
    g->arg_types = arena_array(&g->arena, node->naggregates + 1, sizeof *g->arg_types);
    uint32_t size = sizeof(int64_t);
    bool heap = false;
    for (uint32_t i = 0; i < node->naggregates; i++) {
        const struct aggregate *f = node->aggregates[i].function;
        size = (size + 15) & ~15u; /* int128 accumulators */
        g->offsets[i] = size;
        size += f->state_size;
        heap |= f->heap;
        g->arg_types[i] = node->aggregates[i].arg >= 0 ? input->schema.types[node->aggregates[i].arg]
                                                        : TYPE(TYPE_UNKNOWN);
    }
    share_filters(g);
    g->codec = (struct keyed_codec){(size + 7) & ~7u, pack_group, unpack_group, heap ? release_group : NULL, g};
    g->groups = keyed_new(node->id, AGGREGATE_VERSION, &g->codec);
    outcomes_init(&g->out, node->schema.types, node->schema.ncols);
    g->input_names = input->schema.names;
    if (node->closes >= 0) {
        g->closing = mem_zalloc(SHARDS * sizeof *g->closing);
        for (unsigned s = 0; s < SHARDS; s++)
            g->closing[s].indexed = true;
    }
    g->nworkers = nworkers;
    g->workers = mem_zalloc(nworkers * sizeof *g->workers);
    for (uint32_t w = 0; w < nworkers; w++) {
        g->workers[w].partials = keyed_new("partials", AGGREGATE_VERSION, &g->codec);
        g->workers[w].groups = groups_new(node->ngroup, g->workers[w].partials);
    }
    return &g->op;
}
