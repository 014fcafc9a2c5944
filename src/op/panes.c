/* Windows that overlap, with their aggregates, handed out when they close. A row is kept once, in its pane; what a
 * window is made of is merged when it closes (semantics 27).
 *
 * Windows of a key close in order, so each has the panes of the one before, less some at the beginning, with some more
 * at the end. The merges of the panes are therefore kept in two parts: `front` has, for each of the first panes, the
 * merge of it and all that follow it there; `back` is the merge of those behind. A new pane is merged into `back`, one
 * that leaves takes its element of `front` with it, and when `front` is used up it is made anew of what is there. So a
 * pane is merged about three times, however many windows it is in. Nothing needs to be subtracted.
 *
 * A row that comes while some of its windows are closed still counts in the others, and is reported as late once.
 *
 * State: an entry a pane. Key: the group's columns but for the window's bounds (rowkey), then the pane's start as 8
 * bytes, big-endian, the sign flipped. The hash has the top byte of the group's hash, so that all panes of a group are
 * in one shard. Value: start, 8 bytes, little-endian, then the accumulators. Merges are in memory only.
 */
#include "op/panes.h"

#include <stdlib.h>

#include "base/heap.h"
#include "column/rowkey.h"
#include "op/late.h"
#include "op/operators.h"
#include "op/outcome.h"
#include "op/partials.h"
#include "state/due.h"

/* ROWS: that a shard hands back at a time. A watermark that leaps closes more windows than fit into memory. */
enum { PANES_VERSION = 1, ROWS = 8192 };

/* The panes of one group, in order. */
struct row {
    struct span **items;
    uint32_t first, count, cap; /* items[first], ... */
    uint32_t split, folded;     /* the first `split` are in `front`, those up to `folded` in `back` */
    uint32_t nfront;            /* elements that `front` was made with: the last `split` are in use */
    char *front, *back;
    uint32_t due;
};

struct panes_op {
    struct operator op;
    const struct plan_node *node;
    const struct plan_window *window;
    const char *const *input_names;
    struct arena arena;
    struct accumulators accumulators;
    struct keyed *panes;
    struct keyed *index; /* group -> struct row; in memory only */
    struct span_shard shards[SHARDS]; /* due: groups, by the end of the window that closes next */
    struct partials *partials;
    struct outcomes out;
    uint32_t *key, nkey; /* input columns of a group but for the bounds */
    int64_t derived;     /* bytes of merges and lists; changed by all workers */
};

static void count_bytes(struct panes_op *o, int64_t bytes) { __atomic_fetch_add(&o->derived, bytes, __ATOMIC_RELAXED); }

/* ---- entries ---- */

static void pack_pane(void *arg, const void *value, struct buf *out)
{
    buf_put_u64(out, (uint64_t)((const struct span *)value)->start);
    accumulators_pack(arg, value, out);
}

static bool unpack_pane(void *arg, struct reader *in, void *value)
{
    uint64_t start;
    if (!reader_u64(in, &start))
        return false;
    *(struct span *)value = (struct span){.start = (int64_t)start};
    return accumulators_unpack(arg, in, value);
}

/* ---- what is merged of a group's panes ---- */

static char *new_values(struct panes_op *o, uint32_t n)
{
    count_bytes(o, (int64_t)n * o->accumulators.size);
    return heap_zalloc((size_t)n * o->accumulators.size);
}

static void free_values(struct panes_op *o, char *values, uint32_t n, uint32_t used)
{
    if (!values)
        return;
    for (uint32_t i = n - used; o->accumulators.owns_heap && i < n; i++)
        accumulators_release(&o->accumulators, values + (size_t)i * o->accumulators.size);
    count_bytes(o, -(int64_t)n * o->accumulators.size);
    heap_free(values);
}

static char *front_of(const struct panes_op *o, const struct row *r)
{
    return r->front + (size_t)(r->nfront - r->split) * o->accumulators.size;
}

static void forget_merges(struct panes_op *o, struct row *r)
{
    free_values(o, r->front, r->nfront, r->split);
    free_values(o, r->back, 1, 1);
    r->front = r->back = NULL;
    r->nfront = r->split = r->folded = 0;
}

/* All that is merged goes into `front`. */
static void make_front(struct panes_op *o, struct row *r, uint32_t n)
{
    struct span **items = r->items + r->first;
    uint32_t size = o->accumulators.size;
    forget_merges(o, r);
    if (n == 0)
        return;
    r->front = new_values(o, n);
    r->nfront = r->split = r->folded = n;
    for (uint32_t i = n; i-- > 0;) {
        accumulators_merge(&o->accumulators, r->front + (size_t)i * size, items[i]);
        if (i + 1 < n)
            accumulators_merge(&o->accumulators, r->front + (size_t)i * size, r->front + (size_t)(i + 1) * size);
    }
}

static void drop_front(struct panes_op *o, struct row *r)
{
    if (o->accumulators.owns_heap)
        accumulators_release(&o->accumulators, front_of(o, r));
    r->split--;
}

static void release_row(void *arg, void *value)
{
    struct panes_op *o = arg;
    struct row *r = value;
    forget_merges(o, r);
    count_bytes(o, -(int64_t)(r->cap * sizeof *r->items));
    heap_free(r->items);
}

/* ---- the list ---- */

static uint32_t place_of(const struct row *r, int64_t start)
{
    uint32_t low = 0, high = r->count;
    if (high && r->items[r->first + high - 1]->start < start)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->items[r->first + middle]->start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct panes_op *o, struct row *r, uint32_t at, struct span *s)
{
    if (r->first + r->count == r->cap) {
        if (r->first > r->cap / 2) {
            memmove(r->items, r->items + r->first, r->count * sizeof *r->items);
            r->first = 0;
        } else {
            assert(r->cap < UINT32_MAX / 2);
            uint32_t cap = r->cap ? 2 * r->cap : 4;
            count_bytes(o, (int64_t)((cap - r->cap) * sizeof *r->items));
            r->items = heap_realloc(r->items, cap * sizeof *r->items);
            r->cap = cap;
        }
    }
    struct span **items = r->items + r->first;
    memmove(items + at + 1, items + at, (r->count - at) * sizeof *items);
    items[at] = s;
    r->count++;
}

/* The first n panes are in no window any more. */
static void leave(struct panes_op *o, struct row *r, uint32_t n)
{
    if (n == 0)
        return;
    for (uint32_t i = 0; i < n; i++)
        keyed_remove(o->panes, span_entry(r->items[r->first + i]));
    r->first += n;
    r->count -= n;
    bool used_up = n >= r->split;
    for (uint32_t i = MIN(n, r->split); i > 0; i--)
        drop_front(o, r);
    r->folded -= MIN(n, r->folded);
    if (used_up)
        make_front(o, r, r->folded);
}

/* ---- gathering ---- */

static const int64_t *pane_starts(const struct panes_op *o, const struct batch *b, struct arena *a)
{
    if (o->node->window_start >= 0)
        return b->cols[o->node->window_start].data;
    const int64_t *ends = b->cols[o->node->window_end].data;
    int64_t *starts = arena_array(a, b->rows, sizeof *starts);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        starts[row] = ends[row] - o->window->pane;
    }
    return starts;
}

/* The watermark by ends of windows: where their start closes them, it is that much further. */
static int64_t by_ends(const struct panes_op *o, int64_t us)
{
    if (us == INT64_MIN || us == INT64_MAX || o->node->closes == o->node->window_end)
        return us;
    return saturating_add(us, o->window->size);
}

/* What is said of a row that is late names the window it missed: the last it would have been in, or the first. */
static struct batch *with_bounds(const struct panes_op *o, const struct batch *b, const int64_t *ends, struct arena *a)
{
    struct batch *said = arena_dup(a, b, sizeof *b);
    said->cols = arena_dup(a, b->cols, b->ncols * sizeof *b->cols);
    int64_t *starts = arena_array(a, b->rows, sizeof *starts);
    for (uint32_t i = 0; i < batch_live(b); i++)
        starts[batch_row(b, i)] = window_start_of(o->window, ends[batch_row(b, i)]);
    if (o->node->window_start >= 0)
        said->cols[o->node->window_start].data = starts;
    if (o->node->window_end >= 0)
        said->cols[o->node->window_end].data = (void *)ends;
    return said;
}

/* Rows whose windows are all closed leave, and those that are in no window; those that miss some are reported. */
static void check_late(struct panes_op *o, struct op_context *c, struct batch *b, const int64_t *panes)
{
    int64_t closed = by_ends(o, c->time.late_us);
    uint64_t *keep = batch_keep_all(b, c->arena);
    int64_t *missed = arena_array(c->arena, b->rows, sizeof *missed);
    uint32_t nmissed = 0, nleft = 0;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        int64_t first = window_first_end(o->window, panes[row], INT64_MIN);
        missed[row] = first;
        if (first == INT64_MAX) {
            bit_clear(keep, row);
            c->counts->filtered++; /* windows further apart than they are long */
            nleft++;
        } else if (unlikely(first <= closed)) {
            int64_t last = window_last_end(o->window, panes[row]);
            nmissed++;
            if (last > closed)
                continue;
            missed[row] = last;
            bit_clear(keep, row);
            nleft++;
        }
    }
    if (nmissed) {
        const struct batch *said = with_bounds(o, b, missed, c->arena);
        for (uint32_t i = 0; i < batch_live(b); i++)
            if (missed[batch_row(b, i)] <= closed)
                report_late(c, &o->op, o->input_names, said, batch_row(b, i), c->time.late_us);
    }
    if (nleft)
        batch_filter(b, keep);
}

static void panes_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    struct panes_op *o = (struct panes_op *)op;
    struct batch b = *in, keys;
    const int64_t *panes = pane_starts(o, &b, c->arena);
    uint64_t left_out = c->counts->filtered + c->counts->late;
    check_late(o, c, &b, panes);
    uint32_t live = batch_live(&b);
    /* A row that misses some of its windows is two: one that came late, and one that did not. */
    c->counts->in += live + c->counts->filtered + c->counts->late - left_out;
    c->counts->out += live;
    *ret = NULL;
    if (live == 0)
        return;
    keys = b;
    keys.ncols = o->nkey;
    keys.cols = arena_array(c->arena, o->nkey + 1, sizeof *keys.cols);
    for (uint32_t i = 0; i < o->nkey; i++)
        keys.cols[i] = b.cols[o->key[i]];
    int64_t *starts = arena_array(c->arena, live, sizeof *starts), *ends = arena_array(c->arena, live, sizeof *ends);
    for (uint32_t i = 0; i < live; i++) {
        starts[i] = panes[batch_row(&b, i)];
        ends[i] = starts[i] + o->window->pane;
    }
    partials_add(o->partials, c->worker, &b, &keys, starts, ends, c->arena);
}

/* ---- merging ---- */

struct merging {
    struct panes_op *o;
    unsigned shard;
    struct rejections *rejections;
    int64_t closed; /* windows that end here or before were handed out in earlier epochs */
    char *whole;    /* scratch: a window's accumulators, all zero between uses */
};

/* A pane's group closes a window no later than the pane's first one. */
static void note_window(struct merging *m, struct keyed_entry *group, int64_t end)
{
    struct row *r = keyed_value(group);
    struct due *due = &m->o->shards[m->shard].due;
    if (r->count > 1) {
        if (due->items[r->due].time <= end)
            return;
        due_remove(due, r->due);
    }
    due_put(due, end, group, &r->due);
}

static void add_pane(struct merging *m, struct keyed_entry *group, uint32_t at, struct span *s)
{
    struct row *r = keyed_value(group);
    insert(m->o, r, at, s);
    int64_t end = window_first_end(m->o->window, s->start, m->closed);
    assert(end != INT64_MAX); /* a pane whose windows are all closed is late, or gone */
    note_window(m, group, end);
}

static struct keyed_entry *group_of(struct panes_op *o, uint64_t hash, struct slice key)
{
    bool fresh;
    return keyed_get(o->index, hash, key.data, key.len, &fresh);
}

static void index_pane(void *arg, struct keyed_entry *e)
{
    struct merging *m = arg;
    struct slice key = span_key(keyed_key(m->o->panes, e));
    struct keyed_entry *group = group_of(m->o, hash64(key.data, key.len, 0), key);
    struct span *s = keyed_value(e);
    add_pane(m, group, place_of(keyed_value(group), s->start), s);
}

static void index_shard(struct merging *m)
{
    struct span_shard *shard = &m->o->shards[m->shard];
    if (shard->indexed)
        return;
    shard->indexed = true;
    keyed_each(m->o->panes, m->shard, index_pane, m);
}

static struct span *make_pane(struct merging *m, uint64_t key_hash, struct slice key, int64_t start)
{
    struct panes_op *o = m->o;
    struct span *s = keyed_value(span_make(o->panes, key_hash, key, start, &o->shards[m->shard].scratch));
    s->start = start;
    return s;
}

static void bring_in(struct merging *m, uint64_t hash, struct slice key, const struct span *from)
{
    struct panes_op *o = m->o;
    struct keyed_entry *group = group_of(o, hash, key);
    struct row *r = keyed_value(group);
    uint32_t at = place_of(r, from->start);
    if (at < r->folded) /* rare: behind what closed windows were made of */
        forget_merges(o, r);
    if (at == r->count || r->items[r->first + at]->start != from->start)
        add_pane(m, group, at, make_pane(m, hash, key, from->start));
    struct span *into = r->items[r->first + at];
    accumulators_merge(&o->accumulators, into, from);
    keyed_touch(o->panes, span_entry(into));
}

/* Where state lies on disk, the groups of a shard are read together, and the last pane of each. */
static void want_groups(struct panes_op *o, const struct keyed *partials, struct keyed_entry *const *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        keyed_want(o->index, keys[i]->hash);
    for (uint32_t i = 0; i < n; i++)
        keyed_want_entry(o->index, keys[i]->hash);
    for (uint32_t i = 0; i < n; i++)
        keyed_want_value(o->index, keys[i]->hash);
    for (uint32_t i = 0; i < n; i++) {
        struct slice key = keyed_key(partials, keys[i]);
        struct keyed_entry *group = keyed_find(o->index, keys[i]->hash, key.data, key.len);
        const struct row *r = group ? keyed_value(group) : NULL;
        if (r && r->count)
            heap_want(r->items[r->first + r->count - 1]);
    }
}

static void merge_partials(struct merging *m)
{
    struct panes_op *o = m->o;
    for (uint32_t w = 0; w < partials_workers(o->partials); w++) {
        uint32_t n;
        struct keyed *partials = partials_of(o->partials, w);
        struct keyed_entry *const *keys = keyed_dirty(partials, m->shard, &n);
        if (unlikely(heap_spills))
            want_groups(o, partials, keys, n);
        for (uint32_t i = 0; i < n; i++) {
            struct spans *mine = keyed_value(keys[i]);
            for (uint32_t k = 0; k < mine->count; k++)
                bring_in(m, keys[i]->hash, keyed_key(partials, keys[i]), spans_items(mine)[k]);
        }
    }
}

/* ---- closing ---- */

static void put_row(struct merging *m, struct keyed_entry *group, int64_t end, const void *value)
{
    struct panes_op *o = m->o;
    const struct plan_node *node = o->node;
    uint32_t row;
    struct batch *b = outcome_row(&o->out, m->shard, +1, &row);
    struct reader key = reader_of(keyed_key(o->index, group));
    for (uint32_t c = 0; c < node->ngroup; c++) {
        if ((int32_t)c == node->window_start || (int32_t)c == node->window_end) {
            ((int64_t *)b->cols[c].data)[row] =
                (int32_t)c == node->window_end ? end : window_start_of(o->window, end);
            bit_set(b->cols[c].valid, row);
            continue;
        }
        bool ok = rowkey_get(&key, &b->cols[c], row, b->arena);
        assert(ok);
    }
    accumulators_put(&o->accumulators, &o->op, node, value, b, node->ngroup, row, +1, m->rejections);
}

static void put_window(struct merging *m, struct keyed_entry *group, int64_t end)
{
    struct panes_op *o = m->o;
    struct row *r = keyed_value(group);
    for (; r->folded < r->count && r->items[r->first + r->folded]->start < end; r->folded++) {
        if (!r->back)
            r->back = new_values(o, 1);
        accumulators_merge(&o->accumulators, r->back, r->items[r->first + r->folded]);
    }
    if (r->split == 0 || !r->back) {
        put_row(m, group, end, r->split ? front_of(o, r) : r->back);
        return;
    }
    accumulators_merge(&o->accumulators, m->whole, front_of(o, r));
    accumulators_merge(&o->accumulators, m->whole, r->back);
    put_row(m, group, end, m->whole);
    accumulators_release(&o->accumulators, m->whole);
    memset(m->whole, 0, o->accumulators.size);
}

/* The panes that start before a window does are in no later one either. */
static void close_window(struct merging *m, struct keyed_entry *group, int64_t end)
{
    struct panes_op *o = m->o;
    struct row *r = keyed_value(group);
    leave(o, r, place_of(r, window_start_of(o->window, end)));
    put_window(m, group, end);
    uint32_t gone = 0;
    int64_t next = INT64_MAX;
    for (; gone < r->count; gone++) {
        next = window_first_end(o->window, r->items[r->first + gone]->start, end);
        if (next != INT64_MAX)
            break;
    }
    leave(o, r, gone);
    if (r->count)
        due_put(&o->shards[m->shard].due, next, group, &r->due);
    else
        keyed_remove(o->index, group);
}

static void close_windows(struct merging *m, int64_t until)
{
    struct panes_op *o = m->o;
    struct span_shard *shard = &o->shards[m->shard];
    int64_t end;
    if (until == INT64_MIN)
        return;
    uint32_t rows = 0;
    for (struct keyed_entry *group; rows < ROWS && (group = due_take(&shard->due, until, &end)); rows++)
        close_window(m, group, end);
    shard->more = rows == ROWS;
    struct buf nothing = BUF(0);
    keyed_save(o->index, m->shard, m->shard + 1, &nothing); /* lets go of groups without panes; none is written */
    assert(nothing.len == 0);
}

static void panes_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    struct panes_op *o = (struct panes_op *)op;
    int64_t before = aggregate_memory();
    struct merging m = {.o = o, .rejections = c->rejections, .closed = by_ends(o, c->time.late_us)};
    m.whole = mem_zalloc(o->accumulators.size);
    for (m.shard = from; m.shard < to; m.shard++) {
        outcome_reset(&o->out, m.shard);
        index_shard(&m);
        merge_partials(&m);
        close_windows(&m, by_ends(o, c->time.evict_us));
    }
    free(m.whole);
    accumulators_count_heap(&o->accumulators, before);
}

/* The windows that did not fit. False: there are none. */
static bool close_more(struct panes_op *o, struct op_context *c)
{
    bool some = false;
    int64_t before = aggregate_memory();
    struct merging m = {.o = o, .rejections = c->rejections};
    m.whole = mem_zalloc(o->accumulators.size);
    for (m.shard = 0; m.shard < SHARDS; m.shard++) {
        outcome_reset(&o->out, m.shard);
        some |= o->shards[m.shard].more;
        if (o->shards[m.shard].more)
            close_windows(&m, by_ends(o, c->time.evict_us));
    }
    free(m.whole);
    accumulators_count_heap(&o->accumulators, before);
    return some;
}

static struct batch *panes_emit(struct operator *op, struct op_context *c)
{
    struct panes_op *o = (struct panes_op *)op;
    for (;;) {
        struct batch *b = outcomes_next(&o->out);
        if (b)
            return b;
        if (!close_more(o, c))
            break;
    }
    partials_clear(o->partials);
    return NULL;
}

/* ---- state ---- */

static void panes_save(struct operator *op, struct segment_writer *w)
{
    keyed_save_section(((struct panes_op *)op)->panes, w);
}

static enum status panes_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                              struct error *err)
{
    (void)evict_us;
    struct panes_op *o = (struct panes_op *)op;
    span_shards_loaded(o->shards);
    return accumulators_load(&o->accumulators, o->panes, version, payload, err);
}

static uint64_t panes_keys(const struct operator *op) { return keyed_count(((const struct panes_op *)op)->panes); }

static uint64_t panes_bytes(const struct operator *op)
{
    const struct panes_op *o = (const struct panes_op *)op;
    return keyed_bytes(o->panes) + keyed_bytes(o->index) + accumulators_heap(&o->accumulators) +
           partials_bytes(o->partials) + span_shards_bytes(o->shards) +
           (uint64_t)__atomic_load_n(&o->derived, __ATOMIC_RELAXED);
}

static struct op_open panes_closes(struct operator *op, int64_t late_us)
{
    struct panes_op *o = (struct panes_op *)op;
    int64_t next = INT64_MAX;
    for (unsigned s = 0; s < SHARDS; s++) {
        struct merging m = {.o = o, .shard = s, .closed = by_ends(o, late_us)};
        index_shard(&m);
        next = MIN(next, due_next(&o->shards[s].due));
    }
    if (next != INT64_MAX && o->node->closes != o->node->window_end)
        next -= o->window->size; /* their start does */
    return (struct op_open){next, -1};
}

static void panes_free(struct operator *op)
{
    struct panes_op *o = (struct panes_op *)op;
    partials_free(o->partials);
    keyed_free(o->index);
    keyed_free(o->panes);
    outcomes_release(&o->out);
    span_shards_release(o->shards);
    arena_release(&o->arena);
    free(o);
}

static const struct operator_ops panes_ops = {
    .shape = OP_KEEP,
    .push = panes_push,
    .merge = panes_merge,
    .emit = panes_emit,
    .save = panes_save,
    .load = panes_load,
    .keys = panes_keys,
    .bytes = panes_bytes,
    .closes = panes_closes,
    .free = panes_free,
};

struct operator *panes_new(const struct plan_node *node, const struct plan_node *input, uint32_t nworkers)
{
    struct panes_op *o = mem_zalloc(sizeof *o);
    o->op = (struct operator){&panes_ops, node->id, node->name};
    o->node = node;
    o->window = &node->window;
    o->input_names = input->schema.names;
    o->key = arena_array(&o->arena, node->ngroup + 1, sizeof *o->key);
    for (uint32_t i = 0; i < node->ngroup; i++)
        if ((int32_t)i != node->window_start && (int32_t)i != node->window_end)
            o->key[o->nkey++] = i;
    accumulators_init(&o->accumulators, node, input, sizeof(struct span), &o->arena);
    struct keyed_codec codec = accumulators_codec(&o->accumulators, pack_pane, unpack_pane);
    codec.hash = span_hash;
    o->panes = keyed_new(node->id, PANES_VERSION, &codec);
    o->index = keyed_new("groups", PANES_VERSION,
                         &(struct keyed_codec){.value_size = sizeof(struct row), .release = release_row, .arg = o});
    outcomes_init(&o->out, node->schema.types, node->schema.ncols);
    span_shards_init(o->shards);
    o->partials = partials_new(&o->accumulators, o->nkey, false, nworkers);
    return &o->op;
}
