/* Aggregate: GROUP BY with accumulators, kept up to date.
 *
 * During an epoch every worker adds into a small table of its own; when the epoch ends these partials are merged into
 * the 256 shards (semantics 24: one hot group does not end up on one core). A group that changed comes out as its old
 * row with weight -1 and its new row with +1.
 *
 * Groups by event time (the end of a window, mostly) are closed by the watermark: rows that come after that are late,
 * the group's state goes, and a `final` aggregate hands the group's row out only then, once (semantics 14, 27).
 *
 * State per group: i64 number of rows, then one accumulator per aggregate; where the key does not say how a group's
 * value was written, the number of rows again, and per such column a FORM, as below. A group without rows is deleted
 * (when it closes, if it does), except the single group of a query without GROUP BY, which exists from the first epoch
 * on, as in PostgreSQL.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "column/rowkey.h"
#include "op/accumulators.h"
#include "op/groups.h"
#include "op/late.h"
#include "op/operators.h"
#include "op/outcome.h"
#include "state/due.h"
#include "state/keyed.h"

enum {
    AGGREGATE_VERSION = 1,
    FORMS_VERSION = 2,          /* where groups have forms */
    FIRST_SEEN = KEYED_USER,    /* touched in this epoch... */
    WAS_THERE = KEYED_USER * 2, /* ...and it had rows before */
};

/* FORM: where the row came from (u64 epoch, u32 source, u32 split, u64 offset, big-endian; of rows that may be taken
 * back zeros), then the value's bytes as they lie: of these the least is kept, so that the first row's value is
 * shown, and where there is none, any one of those that are there. */
enum { FORM_PLACE = 24 };

struct worker {
    struct keyed *partials;
    struct groups *groups; /* of partials */
};

struct aggregate_op {
    struct operator op;
    const struct plan_node *node;
    struct arena arena;
    struct keyed *groups;
    struct accumulators accumulators;
    struct accumulators forms; /* behind those, in the same value */
    uint32_t *formed, nformed; /* the groups that have one */
    bool places;               /* rows only come: the first one stays */
    struct worker *workers;
    uint32_t nworkers;
    struct outcomes out;
    const char *const *input_names;
    struct closing { /* where groups are closed by time */
        struct due due;
        bool indexed; /* what was loaded is in it */
    } *closing; /* per shard; NULL: they are not */
};

static int64_t *row_count(const struct aggregate_op *g, struct keyed_entry *e)
{
    return accumulators_rows(&g->accumulators, keyed_value(e));
}

/* ---- state as bytes ---- */

static void pack_group(void *arg, const void *value, struct buf *out)
{
    const struct aggregate_op *g = arg;
    accumulators_pack(&g->accumulators, value, out);
    if (g->nformed)
        accumulators_pack(&g->forms, value, out);
}

static bool unpack_group(void *arg, struct reader *in, void *value)
{
    const struct aggregate_op *g = arg;
    return accumulators_unpack(&g->accumulators, in, value) &&
           (!g->nformed || accumulators_unpack(&g->forms, in, value));
}

static void release_group(void *arg, void *value)
{
    const struct aggregate_op *g = arg;
    accumulators_release(&g->accumulators, value);
    if (g->nformed)
        accumulators_release(&g->forms, value);
}

/* ---- how groups are written ---- */

static struct slice value_bytes(const struct column *c, uint32_t row)
{
    if (type_is_view(c->type))
        return view_slice(column_view(c, row));
    size_t width = type_width(c->type);
    return (struct slice){(const char *)c->data + width * row, width};
}

static struct column forms_of(const struct aggregate_op *g, const struct batch *b, uint32_t column, int64_t epoch,
                              struct arena *a)
{
    const struct column *from = &b->cols[column];
    struct column forms = column_make(a, TYPE(TYPE_BYTEA), b->rows, true);
    AUTO(buf) form = BUF(ROWKEY_MAX);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        if (column_is_null(from, row))
            continue;
        const struct origin *o = g->places ? b->origin : NULL;
        buf_clear(&form);
        buf_put_u64(&form, __builtin_bswap64(g->places ? (uint64_t)epoch : 0));
        buf_put_u32(&form, __builtin_bswap32(o ? o->source : 0));
        buf_put_u32(&form, __builtin_bswap32(o ? o->split : 0));
        buf_put_u64(&form, __builtin_bswap64(o ? (uint64_t)o->offset[row] ^ UINT64_C(1) << 63 : 0));
        buf_put_slice(&form, value_bytes(from, row));
        assert(!form.overflow); /* a row came through the in-flight budget */
        ((struct view *)forms.data)[row] = view_copy(view_of(form.data, form.len), a);
        bit_set(forms.valid, row);
    }
    return forms;
}

static void update_forms(const struct aggregate_op *g, struct op_context *c, const struct batch *in,
                         const uint32_t *ids, char *const *values, uint32_t n)
{
    struct batch b = *in;
    b.ncols = g->nformed;
    b.cols = arena_array(c->arena, b.ncols, sizeof *b.cols);
    for (uint32_t i = 0; i < g->nformed; i++)
        b.cols[i] = forms_of(g, in, g->formed[i], c->epoch, c->arena);
    accumulators_update(&g->forms, &b, c->arena, ids, values, n);
}

/* In place of what the key says. */
static void put_forms(const struct aggregate_op *g, const void *value, struct batch *b, uint32_t row)
{
    for (uint32_t i = 0; i < g->nformed; i++) {
        const char *sqlstate = NULL;
        struct column *into = &b->cols[g->formed[i]], form = column_make(b->arena, TYPE(TYPE_BYTEA), 1, true);
        const struct aggregate *least = g->forms.calls[i].function;
        if (!least->final((const char *)value + g->forms.offsets[i], form.type, &form, 0, b->arena, &sqlstate))
            continue;
        struct slice all = view_slice(column_view(&form, 0)), bytes = {all.data + FORM_PLACE, all.len - FORM_PLACE};
        if (type_is_view(into->type))
            ((struct view *)into->data)[row] = view_copy(view_of(bytes.data, bytes.len), b->arena);
        else
            memcpy((char *)into->data + type_width(into->type) * row, bytes.data, bytes.len);
    }
}

/* Of distinct rows that may be taken back only that they are there is told, so what was told must follow from the
 * key. */
static void init_forms(struct aggregate_op *g, const struct plan_node *input)
{
    const struct plan_node *node = g->node;
    bool changes = input->mode == MODE_UPDATING;
    g->formed = arena_array(&g->arena, node->ngroup + 1, sizeof *g->formed);
    for (uint32_t c = 0; c < node->ngroup && (node->naggregates || !changes); c++)
        if (!rowkey_tells_form(node->schema.types[c]))
            g->formed[g->nformed++] = c;
    if (!g->nformed)
        return;
    struct error err;
    struct expr *arg = expr_column(&g->arena, 0, TYPE(TYPE_TEXT), -1);
    const struct aggregate *least = NULL;
    enum status s = aggregate_resolve(&g->arena, "min", &arg, 1, &least, &err);
    assert(s == OK && least);
    struct plan_aggregate *calls = arena_zarray(&g->arena, g->nformed, sizeof *calls);
    struct type *types = arena_zarray(&g->arena, g->nformed, sizeof *types);
    for (uint32_t i = 0; i < g->nformed; i++) {
        calls[i] = (struct plan_aggregate){.function = changes ? aggregate_of_changes(least) : least,
                                           .arg = (int32_t)i, .filter = -1};
        types[i] = TYPE(TYPE_BYTEA);
    }
    struct plan_node forms = {.aggregates = calls, .naggregates = g->nformed}, from = {.schema.types = types};
    accumulators_init(&g->forms, &forms, &from, g->accumulators.size, &g->arena);
    g->accumulators.owns_heap |= g->forms.owns_heap;
    g->places = !changes;
}

/* ---- gathering ---- */

static void aggregate_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret,
                           void **unused)
{
    (void)unused;
    struct aggregate_op *g = (struct aggregate_op *)op;
    struct batch b = *in;
    c->counts->in += batch_live(&b);
    if (g->closing)
        refuse_late(c, op, g->input_names, &b, (uint32_t)g->node->closes, 0, c->time.late_us);
    uint32_t live = batch_live(&b), *ids = arena_array(c->arena, live, sizeof *ids);
    *ret = NULL;
    if (live == 0)
        return;
    char **values;
    uint32_t n = groups_find(g->workers[c->worker].groups, &b, c->arena, ids, &values);
    int64_t before = aggregate_memory();
    accumulators_update(&g->accumulators, &b, c->arena, ids, values, n);
    if (g->nformed)
        update_forms(g, c, &b, ids, values, n);
    accumulators_count_heap(&g->accumulators, before);
    c->counts->out += live; /* every row is in its group; the step's own results are counted where they go */
}

/* ---- results ---- */

struct merging {
    struct aggregate_op *g;
    unsigned shard;
    struct rejections *rejections;
};

/* One group as a row. */
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
    put_forms(m->g, keyed_value(e), b, row);
    accumulators_put(&m->g->accumulators, &m->g->op, node, keyed_value(e), b, node->ngroup, row, weight,
                     m->rejections);
}

static bool is_there(const struct aggregate_op *g, struct keyed_entry *e)
{
    return *row_count(g, e) != 0 || g->node->ngroup == 0;
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

/* Where state lies on disk, the groups of a shard are read together. */
static void want_groups(const struct aggregate_op *g, struct keyed_entry *const *partials, uint32_t n)
{
    for (uint32_t i = 0; heap_spills && i < n; i++)
        keyed_want(g->groups, partials[i]->hash);
    for (uint32_t i = 0; heap_spills && i < n; i++)
        keyed_want_entry(g->groups, partials[i]->hash);
    for (uint32_t i = 0; heap_spills && g->accumulators.owns_heap && i < n; i++)
        keyed_want_value(g->groups, partials[i]->hash);
}

static void merge_partials(struct merging *m)
{
    struct aggregate_op *g = m->g;
    for (uint32_t w = 0; w < g->nworkers; w++) {
        uint32_t n;
        struct keyed_entry *const *partials = keyed_dirty(g->workers[w].partials, m->shard, &n);
        want_groups(g, partials, n);
        for (uint32_t i = 0; i < n; i++) {
            struct slice key = keyed_key(g->workers[w].partials, partials[i]);
            struct keyed_entry *e = touch_group(m, partials[i]->hash, key);
            accumulators_merge(&g->accumulators, keyed_value(e), keyed_value(partials[i]));
            if (g->nformed)
                accumulators_merge(&g->forms, keyed_value(e), keyed_value(partials[i]));
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
    accumulators_count_heap(&g->accumulators, before);
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
    accumulators_count_heap(&g->accumulators, before);
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
    keyed_save_section(((struct aggregate_op *)op)->groups, w);
}

static enum status aggregate_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                                  struct error *err)
{
    (void)evict_us;
    struct aggregate_op *g = (struct aggregate_op *)op;
    for (unsigned shard = 0; g->closing && shard < SHARDS; shard++)
        g->closing[shard].indexed = false;
    return accumulators_load(&g->accumulators, g->groups, version, payload, err);
}

static uint64_t aggregate_keys(const struct operator *op)
{
    return keyed_count(((const struct aggregate_op *)op)->groups);
}

static uint64_t aggregate_bytes(const struct operator *op)
{
    const struct aggregate_op *g = (const struct aggregate_op *)op;
    uint64_t bytes = keyed_bytes(g->groups) + accumulators_heap(&g->accumulators);
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

static struct op_open aggregate_closes(struct operator *op, int64_t late_us)
{
    (void)late_us;
    struct aggregate_op *g = (struct aggregate_op *)op;
    int64_t next = INT64_MAX;
    for (unsigned s = 0; g->closing && s < SHARDS; s++) {
        index_shard(g, s);
        next = MIN(next, due_next(&g->closing[s].due));
    }
    return (struct op_open){next, -1};
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
    .any_order = true,
    .push = aggregate_push,
    .merge = aggregate_merge,
    .emit = aggregate_emit,
    .recall = aggregate_recall,
    .save = aggregate_save,
    .load = aggregate_load,
    .keys = aggregate_keys,
    .bytes = aggregate_bytes,
    .pending = aggregate_pending,
    .closes = aggregate_closes,
    .free = aggregate_free,
};

struct operator *aggregate_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct aggregate_op *g = mem_zalloc(sizeof *g);
    g->op = (struct operator){&aggregate_ops, node->id, node->name};
    g->node = node;
    accumulators_init(&g->accumulators, node, input, 0, &g->arena);
    init_forms(g, input);
    struct keyed_codec codec = {.value_size = g->nformed ? g->forms.size : g->accumulators.size, .pack = pack_group,
                                .unpack = unpack_group, .arg = g,
                                .release = g->accumulators.owns_heap ? release_group : NULL};
    g->groups = keyed_new(node->id, g->nformed ? FORMS_VERSION : AGGREGATE_VERSION, &codec);
    outcomes_init(&g->out, node->schema.types, node->schema.ncols);
    g->input_names = input->schema.names;
    if (node->closes >= 0) {
        g->closing = mem_zalloc(SHARDS * sizeof *g->closing);
        for (unsigned s = 0; s < SHARDS; s++)
            g->closing[s].indexed = true;
    }
    g->nworkers = nworkers;
    g->workers = mem_zalloc(nworkers * sizeof *g->workers);
    codec.passing = true;
    for (uint32_t w = 0; w < nworkers; w++) {
        g->workers[w].partials = keyed_new("partials", AGGREGATE_VERSION, &codec);
        g->workers[w].groups = groups_new(node->ngroup, g->workers[w].partials);
    }
    return &g->op;
}
