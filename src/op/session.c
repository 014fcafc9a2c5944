/* Sessions: the rows of a key that follow each other by the gap or less, [first, last + gap), with aggregates over
 * them.
 *
 * During an epoch every worker makes sessions of the rows it sees; when the epoch ends these are brought into the
 * shards. A session that meets others becomes one with them. That is the same whatever came first: two are one exactly
 * if some row of one is no further than the gap from some row of the other, and accumulators merge in any order.
 *
 * A session that grew comes out as its old row with weight -1 and its new row with +1, and those that became one are
 * taken back. When the watermark reaches a session's end nothing can meet it any more: it goes, and a `final` step
 * hands its row out only then, once (semantics 14, 27).
 *
 * A row is late when the watermark has passed its own end, that of the session it would be alone, as in Spark: so it is
 * late where it would make a session that is closed already, and never where its session is open. One that comes when
 * sessions it would have tied together are closed makes another beside them (decision 0013).
 *
 * State: an entry a session. Key: the session's key (rowkey), then its start as 8 bytes, big-endian, the sign flipped.
 * The hash has the top byte of the key's hash, so that all sessions of a key are in one shard. Value: start, end, 8
 * bytes each, little-endian, then the accumulators.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "column/rowkey.h"
#include "op/late.h"
#include "op/operators.h"
#include "op/outcome.h"
#include "op/partials.h"
#include "state/due.h"
#include "state/keyed.h"

enum { SESSION_VERSION = 2, FIRST_SEEN = KEYED_USER };

struct session_op {
    struct operator op;
    const struct plan_node *node;
    const char *const *input_names;
    struct arena arena;
    const char *null_rule;
    struct accumulators accumulators;
    struct keyed *sessions;
    struct keyed *index; /* session key -> struct spans of entries' values; in memory only */
    struct span_shard shards[SHARDS]; /* due: sessions, by their ends */
    struct partials *partials;
    struct outcomes out;
};

/* ---- entries ---- */

static struct span *span_of(struct keyed_entry *e) { return keyed_value(e); }

static void pack_session(void *arg, const void *value, struct buf *out)
{
    const struct span *s = value;
    buf_put_u64(out, (uint64_t)s->start);
    buf_put_u64(out, (uint64_t)s->end);
    accumulators_pack(arg, value, out);
}

static bool unpack_session(void *arg, struct reader *in, void *value)
{
    uint64_t start, end;
    if (!reader_u64(in, &start) || !reader_u64(in, &end))
        return false;
    *(struct span *)value = (struct span){.start = (int64_t)start, .end = (int64_t)end};
    return accumulators_unpack(arg, in, value);
}

static void release_index(void *arg, void *value)
{
    (void)arg;
    spans_release(value);
}

/* ---- gathering ---- */

static void session_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    struct session_op *o = (struct session_op *)op;
    struct batch b = *in;
    c->counts->in += batch_live(&b);
    refuse_null(c, op, o->input_names, &b, o->node->window.column, o->null_rule);
    refuse_outside(c, op, o->input_names, &b, &o->node->window);
    refuse_late(c, op, o->input_names, &b, o->node->window.column, o->node->window.size, c->time.late_us);
    *ret = NULL;
    if (batch_live(&b) == 0)
        return;
    uint32_t live = batch_live(&b);
    const int64_t *time = b.cols[o->node->window.column].data;
    int64_t *starts = arena_array(c->arena, live, sizeof *starts), *ends = arena_array(c->arena, live, sizeof *ends);
    for (uint32_t i = 0; i < live; i++) {
        starts[i] = time[batch_row(&b, i)];
        ends[i] = saturating_add(starts[i], o->node->window.size);
    }
    partials_add(o->partials, c->worker, &b, &b, starts, ends, c->arena);
    c->counts->out += batch_live(&b); /* every row is in its session; results are counted where they go */
}

/* ---- results ---- */

struct merging {
    struct session_op *o;
    unsigned shard;
    struct rejections *rejections;
};

static void put_row(struct merging *m, struct keyed_entry *e, int64_t weight)
{
    struct session_op *o = m->o;
    uint32_t row, nkey = o->node->window.nkey;
    struct batch *b = outcome_row(&o->out, m->shard, weight, &row);
    struct reader key = reader_of(span_key(keyed_key(o->sessions, e)));
    for (uint32_t c = 0; c < nkey; c++) {
        bool ok = rowkey_get(&key, &b->cols[c], row, b->arena);
        assert(ok);
    }
    const int64_t bounds[] = {span_of(e)->start, span_of(e)->end};
    for (uint32_t i = 0; i < ARRAY_LEN(bounds); i++) {
        ((int64_t *)b->cols[nkey + i].data)[row] = bounds[i];
        bit_set(b->cols[nkey + i].valid, row);
    }
    accumulators_put(&o->accumulators, &o->op, o->node, span_of(e), b, nkey + 2, row, weight, m->rejections);
}

/* First touch of a session in this epoch: its old row leaves before anything changes. */
static void take_back(struct merging *m, struct keyed_entry *e)
{
    if (e->flags & FIRST_SEEN)
        return;
    e->flags |= FIRST_SEEN;
    keyed_touch(m->o->sessions, e);
    if (!m->o->node->final)
        put_row(m, e, -1);
}

/* ---- the index ---- */

static struct spans *spans_of(struct session_op *o, uint64_t hash, struct slice key)
{
    bool fresh;
    return keyed_value(keyed_get(o->index, hash, key.data, key.len, &fresh));
}

static void note_end(struct session_op *o, struct keyed_entry *e)
{
    struct span *s = span_of(e);
    due_put(&o->shards[shard_of(e->hash)].due, s->end, e, &s->due);
}

static void index_session(void *arg, struct keyed_entry *e)
{
    struct session_op *o = arg;
    struct slice key = span_key(keyed_key(o->sessions, e));
    struct spans *spans = spans_of(o, hash64(key.data, key.len, 0), key);
    struct span *s = span_of(e);
    struct meeting place = spans_meet(spans, s->start, s->end, true);
    assert(place.from == place.to); /* a checksum covered them */
    spans_replace(spans, place, s);
    note_end(o, e);
}

static void index_shard(struct session_op *o, unsigned shard)
{
    if (o->shards[shard].indexed)
        return;
    o->shards[shard].indexed = true;
    keyed_each(o->sessions, shard, index_session, o);
}

/* ---- merging ---- */

static struct keyed_entry *make_session(struct merging *m, uint64_t key_hash, struct slice key, int64_t start)
{
    struct session_op *o = m->o;
    struct keyed_entry *e = span_make(o->sessions, key_hash, key, start, &o->shards[m->shard].scratch);
    e->flags |= FIRST_SEEN;
    keyed_touch(o->sessions, e);
    return e;
}

static void absorb(struct merging *m, struct keyed_entry *into, struct span *other)
{
    struct session_op *o = m->o;
    take_back(m, span_entry(other));
    due_remove(&o->shards[m->shard].due, other->due);
    accumulators_merge(&o->accumulators, span_of(into), other);
    keyed_remove(o->sessions, span_entry(other));
}

/* A worker's session meets those of the shard: what comes of it has the least start and the last end. */
static void bring_in(struct merging *m, uint64_t hash, struct slice key, struct spans *spans, const struct span *s)
{
    struct session_op *o = m->o;
    struct meeting with = spans_meet(spans, s->start, s->end, true);
    struct span **items = spans_items(spans), *first = with.from < with.to ? items[with.from] : NULL;
    int64_t start = first ? MIN(first->start, s->start) : s->start;
    int64_t end = first ? MAX(items[with.to - 1]->end, s->end) : s->end;
    struct keyed_entry *into;
    bool grows = first && first->start == start;
    if (grows) {
        into = span_entry(first);
        take_back(m, into);
        due_remove(&o->shards[m->shard].due, first->due);
    } else {
        into = make_session(m, hash, key, start);
    }
    for (uint32_t i = with.from + grows; i < with.to; i++)
        absorb(m, into, items[i]);
    accumulators_merge(&o->accumulators, span_of(into), s);
    span_of(into)->start = start;
    span_of(into)->end = end;
    note_end(o, into);
    spans_replace(spans, with, span_of(into));
}

/* Where state lies on disk, the keys of a shard are read together, and the sessions of each: mostly it has one. */
static void want_sessions(const struct session_op *o, struct keyed_entry *const *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        keyed_want(o->index, keys[i]->hash);
    for (uint32_t i = 0; i < n; i++)
        keyed_want_entry(o->index, keys[i]->hash);
    for (uint32_t i = 0; i < n; i++)
        keyed_want_value(o->index, keys[i]->hash);
}

static void merge_partials(struct merging *m)
{
    struct session_op *o = m->o;
    for (uint32_t w = 0; w < partials_workers(o->partials); w++) {
        uint32_t n;
        struct keyed *partials = partials_of(o->partials, w);
        struct keyed_entry *const *keys = keyed_dirty(partials, m->shard, &n);
        if (unlikely(heap_spills))
            want_sessions(o, keys, n);
        for (uint32_t i = 0; i < n; i++) {
            struct slice key = keyed_key(partials, keys[i]);
            struct spans *mine = keyed_value(keys[i]), *spans = spans_of(o, keys[i]->hash, key);
            for (uint32_t k = 0; k < mine->count; k++)
                bring_in(m, keys[i]->hash, key, spans, spans_items(mine)[k]);
        }
    }
}

static void put_new_rows(struct merging *m)
{
    struct session_op *o = m->o;
    uint32_t n;
    struct keyed_entry *const *dirty = keyed_dirty(o->sessions, m->shard, &n);
    for (uint32_t i = 0; i < n; i++) {
        dirty[i]->flags &= ~(uint32_t)FIRST_SEEN;
        if (!o->node->final)
            put_row(m, dirty[i], +1);
    }
}

static void close_sessions(struct merging *m, int64_t evict_us)
{
    struct session_op *o = m->o;
    int64_t time;
    if (evict_us == INT64_MIN)
        return;
    for (struct keyed_entry *e; (e = due_take(&o->shards[m->shard].due, evict_us, &time));) {
        if (o->node->final)
            put_row(m, e, +1);
        struct slice key = span_key(keyed_key(o->sessions, e));
        struct keyed_entry *of_key = keyed_find(o->index, hash64(key.data, key.len, 0), key.data, key.len);
        struct spans *spans = keyed_value(of_key);
        spans_remove(spans, spans_meet(spans, span_of(e)->start, span_of(e)->end, true));
        if (spans->count == 0)
            keyed_remove(o->index, of_key);
        keyed_remove(o->sessions, e);
    }
    struct buf nothing = BUF(0);
    keyed_save(o->index, m->shard, m->shard + 1, &nothing); /* lets go of keys without sessions; none is written */
    assert(nothing.len == 0);
}

static void session_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    struct session_op *o = (struct session_op *)op;
    int64_t before = aggregate_memory();
    struct merging m = {.o = o, .rejections = c->rejections};
    for (m.shard = from; m.shard < to; m.shard++) {
        outcome_reset(&o->out, m.shard);
        index_shard(o, m.shard);
        merge_partials(&m);
        put_new_rows(&m);
        close_sessions(&m, c->time.evict_us);
    }
    accumulators_count_heap(&o->accumulators, before);
}

static struct batch *session_emit(struct operator *op, struct op_context *c)
{
    (void)c;
    struct session_op *o = (struct session_op *)op;
    struct batch *b = outcomes_next(&o->out);
    if (b)
        return b;
    partials_clear(o->partials);
    return NULL;
}

/* ---- state ---- */

static void session_save(struct operator *op, struct segment_writer *w)
{
    keyed_save_section(((struct session_op *)op)->sessions, w);
}

static enum status session_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                                struct error *err)
{
    (void)evict_us;
    struct session_op *o = (struct session_op *)op;
    span_shards_loaded(o->shards);
    return accumulators_load(&o->accumulators, o->sessions, version, payload, err);
}

static uint64_t session_keys(const struct operator *op)
{
    return keyed_count(((const struct session_op *)op)->sessions);
}

static uint64_t session_bytes(const struct operator *op)
{
    const struct session_op *o = (const struct session_op *)op;
    uint64_t lists = keyed_count(o->sessions) * sizeof(struct span *); /* what those of more than one take, about */
    return keyed_bytes(o->sessions) + keyed_bytes(o->index) + accumulators_heap(&o->accumulators) +
           partials_bytes(o->partials) + span_shards_bytes(o->shards) + lists;
}

/* A changed session is two rows: in the batches that are emitted, in the payload of the sink, and decoded once more
 * when that is netted. */
static uint64_t session_pending(const struct operator *op)
{
    enum { COPIES = 3, KEY_AND_OVERHEAD = 64 };
    const struct session_op *o = (const struct session_op *)op;
    uint64_t row = KEY_AND_OVERHEAD;
    for (uint32_t c = 0; c < o->node->schema.ncols; c++)
        row += type_width(o->node->schema.types[c]);
    return partials_keys(o->partials) * 2 * COPIES * row;
}

static struct op_open session_closes(struct operator *op, int64_t late_us)
{
    (void)late_us;
    struct session_op *o = (struct session_op *)op;
    int64_t next = INT64_MAX;
    for (unsigned s = 0; s < SHARDS; s++) {
        index_shard(o, s);
        next = MIN(next, due_next(&o->shards[s].due));
    }
    return (struct op_open){next, -1};
}

static void session_free(struct operator *op)
{
    struct session_op *o = (struct session_op *)op;
    partials_free(o->partials);
    keyed_free(o->index);
    keyed_free(o->sessions);
    outcomes_release(&o->out);
    span_shards_release(o->shards);
    arena_release(&o->arena);
    free(o);
}

static const struct operator_ops session_ops = {
    .shape = OP_KEEP,
    .push = session_push,
    .merge = session_merge,
    .emit = session_emit,
    .save = session_save,
    .load = session_load,
    .keys = session_keys,
    .bytes = session_bytes,
    .pending = session_pending,
    .closes = session_closes,
    .free = session_free,
};

struct operator *session_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct session_op *o = mem_zalloc(sizeof *o);
    o->op = (struct operator){&session_ops, node->id, node->name};
    o->node = node;
    o->input_names = input->schema.names;
    o->null_rule = arena_printf(&o->arena, "null:%s", input->schema.names[node->window.column]);
    accumulators_init(&o->accumulators, node, input, sizeof(struct span), &o->arena);
    struct keyed_codec codec = accumulators_codec(&o->accumulators, pack_session, unpack_session);
    codec.hash = span_hash;
    o->sessions = keyed_new(node->id, SESSION_VERSION, &codec);
    o->index = keyed_new("sessions by key", SESSION_VERSION,
                         &(struct keyed_codec){.value_size = sizeof(struct spans), .release = release_index});
    outcomes_init(&o->out, node->schema.types, node->schema.ncols);
    span_shards_init(o->shards);
    o->partials = partials_new(&o->accumulators, node->window.nkey, true, nworkers);
    return &o->op;
}
