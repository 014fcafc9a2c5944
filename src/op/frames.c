#include "op/frames.h"

#include <stdlib.h>

#include "base/heap.h"
#include "column/rowpack.h"

enum { AT_ONCE = 256, RECOMPUTE_ROWS = 32 };

struct prefix { /* of all rows before a chunk; accumulators follow */
    int64_t rows, groups; /* how many, and how many sort keys they have */
    int64_t charged;
    unsigned shard;
};

static void *accumulator_in(const struct prefix *x, const struct frame_call *c) { return (char *)x + c->offset; }

/* ---- what a call wants ---- */

static int64_t rows_or_all(int64_t n) { return n < 0 ? FRAMES_ALL : n; }

/* Rows that may be taken back slide; else short frames are computed anew. */
static const struct aggregate *sliding(const struct plan_over_call *c)
{
    int64_t rows;
    bool is_short = c->after >= 0 && !__builtin_add_overflow(c->before, c->after, &rows) && rows <= RECOMPUTE_ROWS;
    if (c->before < 0 || c->function->retracts || is_short)
        return c->function;
    const struct aggregate *slides = aggregate_of_changes(c->function);
    return slides ? slides : c->function;
}

static void init_framed(struct frames *f, struct frame_call *fc)
{
    const struct plan_over_call *c = fc->call;
    f->back = MAX(f->back, c->peers ? 0 : rows_or_all(c->after));
    f->forward = MAX(f->forward, rows_or_all(c->before));
    if (c->before >= 0)
        f->before = MAX(f->before, c->before);
    if (c->after >= 0)
        f->after = MAX(f->after, c->after);
    else if (!c->peers && c->kind == OVER_AGGREGATE)
        f->after = FRAMES_ALL;
    f->from_first_peer |= c->peers;
    if (c->kind == OVER_NTH) {
        f->after = MAX(f->after, c->distance - 1);
        f->prefixed |= c->before < 0;
    }
    if (c->kind != OVER_AGGREGATE)
        return;
    fc->function = sliding(c);
    fc->running = c->before < 0;
    if (!fc->running)
        return;
    f->prefixed = true;
    f->prefix_size = (f->prefix_size + 15) & ~15u; /* int128 accumulators */
    fc->offset = f->prefix_size;
    f->prefix_size += fc->function->state_size;
}

static void init_call(struct frames *f, struct frame_call *fc)
{
    switch (fc->call->kind) {
    case OVER_ROW_NUMBER:
    case OVER_RANK:
    case OVER_DENSE_RANK:
        f->forward = FRAMES_ALL;
        f->prefixed = f->from_first_peer = true;
        break;
    case OVER_NTILE:
    case OVER_PERCENT_RANK:
    case OVER_CUME_DIST: /* go by how many rows there are: each changes all */
        f->back = f->forward = FRAMES_ALL;
        f->from_first_peer = true;
        break;
    case OVER_LAG:
        f->forward = MAX(f->forward, fc->call->distance);
        f->before = MAX(f->before, fc->call->distance);
        break;
    case OVER_LEAD:
        f->back = MAX(f->back, fc->call->distance);
        f->after = MAX(f->after, fc->call->distance);
        break;
    case OVER_FIRST:
    case OVER_LAST:
    case OVER_NTH:
    case OVER_AGGREGATE: init_framed(f, fc); break;
    }
}

void frames_init(struct frames *f, const struct plan_over *over, const struct plan_node *input,
                 const struct type *types, struct arena *a)
{
    *f = (struct frames){.input = input, .ncalls = over->ncalls, .types = types,
                         .prefix_size = sizeof(struct prefix)};
    f->calls = arena_zarray(a, over->ncalls, sizeof *f->calls);
    for (uint32_t i = 0; i < over->ncalls; i++) {
        const struct plan_over_call *c = &over->calls[i];
        f->calls[i] = (struct frame_call){.call = c};
        f->calls[i].arg = c->arg >= 0 ? input->schema.types[c->arg] : TYPE(TYPE_UNKNOWN);
        init_call(f, &f->calls[i]);
    }
}

/* ---- along a partition ---- */

struct ordered_at frames_back(const struct ordered_partition *p, struct ordered_at at, int64_t rows)
{
    if (rows == FRAMES_ALL)
        return (struct ordered_at){0, 0};
    while (rows > 0 && ordered_back(p, &at))
        rows -= ordered_row_of(ordered_at(p, at))->weight > 0;
    return at;
}

struct ordered_at frames_on(const struct ordered_partition *p, struct ordered_at at, int64_t rows)
{
    struct ordered_at last = {p->nchunks - 1, p->chunks[p->nchunks - 1].n - 1};
    if (rows == FRAMES_ALL)
        return last;
    while (rows > 0 && (at.chunk != last.chunk || at.index != last.index)) {
        ordered_next(p, &at);
        rows -= ordered_row_of(ordered_at(p, at))->weight > 0;
    }
    return at;
}

struct ordered_at frames_first_peer(const struct frames *f, const struct ordered_partition *p, struct ordered_at at)
{
    struct slice key = ordered_sort_key(f->rows, ordered_at(p, at));
    struct ordered_at first = at;
    while (ordered_back(p, &at) && slice_equal(ordered_sort_key(f->rows, ordered_at(p, at)), key))
        first = at;
    return first;
}

static bool before(struct ordered_at a, struct ordered_at b)
{
    return a.chunk != b.chunk ? a.chunk < b.chunk : a.index < b.index;
}

static void decode(const struct frames *f, const struct keyed_entry *e, struct batch *b, uint32_t row)
{
    bool ok = rowpack_get(ordered_packed(f->rows, e), b->cols, b->ncols, row, b->rows, b->arena);
    assert(ok); /* this process packed it, or a checksum covered it */
}

static struct batch *rows_batch(const struct frames *f, struct arena *a, uint32_t rows)
{
    struct batch *b = batch_make(a, f->input->schema.types, f->input->schema.ncols, MAX(rows, 1));
    b->rows = MAX(rows, 1);
    for (uint32_t c = 0; c < b->ncols; c++)
        b->cols[c] = column_make(a, b->cols[c].type, b->rows, true);
    return b;
}

/* ---- what is known of the rows before ---- */

static void add_rows(const struct aggregate *g, void *state, const struct column *arg, const uint32_t *rows,
                     uint32_t n, const int64_t *weights)
{
    void *states[AT_ONCE];
    for (uint32_t i = 0; i < MIN(n, AT_ONCE); i++)
        states[i] = state;
    for (uint32_t done = 0; done < n; done += AT_ONCE)
        g->update(states, arg, rows + done, MIN(n - done, AT_ONCE), weights);
}

static const struct column *arg_of(const struct frame_call *c, const struct batch *b)
{
    return c->call->arg >= 0 ? &b->cols[c->call->arg] : NULL;
}

/* Rows of the partition that are in one chunk, from `at` to `end`, are now before. */
static void pass_rows(const struct frames *f, const struct ordered_partition *p, struct prefix *x,
                      struct ordered_at at, uint32_t end, struct arena *a)
{
    struct batch *b = rows_batch(f, a, end - at.index);
    struct buf which = BUF(GIB(4));
    struct ordered_at previous = at;
    struct slice key = {0};
    bool first = true; /* of the partition */
    while (first && ordered_back(p, &previous)) {
        struct keyed_entry *e = ordered_at(p, previous);
        if (ordered_row_of(e)->weight > 0) {
            key = ordered_sort_key(f->rows, e);
            first = false;
        }
    }
    for (uint32_t i = at.index; i < end; i++) {
        struct keyed_entry *e = p->chunks[at.chunk].rows[i];
        int64_t weight = ordered_row_of(e)->weight;
        if (weight <= 0)
            continue;
        struct slice own = ordered_sort_key(f->rows, e);
        x->groups += first || !slice_equal(own, key);
        x->rows += weight;
        key = own;
        first = false;
        decode(f, e, b, i - at.index);
        for (int64_t copy = 0; copy < weight; copy++)
            buf_put_u32(&which, i - at.index);
    }
    assert(!which.overflow);
    for (uint32_t c = 0; c < f->ncalls; c++)
        if (f->calls[c].running)
            add_rows(f->calls[c].function, accumulator_in(x, &f->calls[c]), arg_of(&f->calls[c], b),
                     (const uint32_t *)which.data, (uint32_t)(which.len / 4), NULL);
    buf_release(&which);
}

static void release_accumulators(const struct frames *f, struct prefix *x)
{
    for (uint32_t c = 0; c < f->ncalls; c++)
        if (f->calls[c].running && f->calls[c].function->heap)
            f->calls[c].function->release(accumulator_in(x, &f->calls[c]));
}

/* Into one that is all zero. */
static void copy_prefix(const struct frames *f, struct prefix *into, const struct prefix *from)
{
    into->rows = from->rows;
    into->groups = from->groups;
    for (uint32_t c = 0; c < f->ncalls; c++)
        if (f->calls[c].running)
            f->calls[c].function->merge(accumulator_in(into, &f->calls[c]), accumulator_in(from, &f->calls[c]));
}

void frames_forget(const struct frames *f, void *prefix)
{
    struct prefix *x = prefix;
    ordered_charge(f->rows, x->shard, -x->charged);
    release_accumulators(f, x);
    heap_free(x);
}

static const struct prefix *prefix_of(const struct frames *f, struct ordered_partition *p, uint32_t chunk,
                                      struct arena *a)
{
    for (; p->prefixes <= chunk; p->prefixes++) {
        uint32_t i = p->prefixes;
        if (p->chunks[i].prefix)
            frames_forget(f, p->chunks[i].prefix);
        int64_t memory = aggregate_memory();
        struct prefix *x = p->chunks[i].prefix = heap_zalloc(f->prefix_size);
        x->shard = shard_of(p->hash);
        if (i > 0) {
            copy_prefix(f, x, p->chunks[i - 1].prefix);
            pass_rows(f, p, x, (struct ordered_at){i - 1, 0}, p->chunks[i - 1].n, a);
        }
        x->charged = f->prefix_size + aggregate_memory() - memory;
        ordered_charge(f->rows, x->shard, x->charged);
    }
    return p->chunks[chunk].prefix;
}

/* Of all rows before `at`. */
static struct prefix *base_at(const struct frames *f, struct ordered_partition *p, struct ordered_at at,
                              struct arena *a)
{
    struct prefix *x = arena_zalloc(a, f->prefix_size);
    copy_prefix(f, x, prefix_of(f, p, at.chunk, a));
    pass_rows(f, p, x, (struct ordered_at){at.chunk, 0}, at.index, a);
    return x;
}

/* ---- results ---- */

struct run {
    const struct frames *f;
    struct ordered_partition *p;
    struct arena *a;
    struct batch *b;               /* the rows that are read, a row a copy */
    struct keyed_entry **entries;
    uint32_t n, first, last;       /* of these, results are for [first, last) */
    uint32_t *rows;                /* 0, 1, 2... */
    uint32_t *peers_end;           /* by row, where peers matter */
    int64_t *minus;                /* all -1 */
    struct prefix *base;           /* of the rows before `first`; NULL: nobody asks */
    struct frames_result *result;
};

static void copy_cell(struct column *to, uint32_t at, const struct column *from, uint32_t row)
{
    size_t width = type_width(to->type);
    if (column_is_null(from, row))
        return;
    memcpy((char *)to->data + width * at, (const char *)from->data + width * row, width);
    bit_set(to->valid, at);
}

static void run_rank(struct run *r, enum over_kind kind, struct column *out)
{
    int64_t *ranks = out->data, groups = r->base->groups, rank = 0;
    for (uint32_t i = r->first; i < r->last; i++) {
        bool fresh = i == r->first || r->peers_end[i] != r->peers_end[i - 1];
        groups += fresh;
        if (fresh || kind == OVER_ROW_NUMBER)
            rank = r->base->rows + (i - r->first) + 1;
        ranks[i - r->first] = kind == OVER_DENSE_RANK ? groups : rank;
        bit_set(out->valid, i - r->first);
    }
}

static void run_distant(struct run *r, const struct plan_over_call *c, struct column *out)
{
    const struct column *arg = &r->b->cols[c->arg];
    for (uint32_t i = r->first; i < r->last; i++) {
        bool is_there = c->kind == OVER_LAG ? c->distance <= i : c->distance < r->n - i;
        if (is_there)
            copy_cell(out, i - r->first, arg, c->kind == OVER_LAG ? i - (uint32_t)c->distance
                                                                  : i + (uint32_t)c->distance);
        else if (c->otherwise >= 0)
            copy_cell(out, i - r->first, &r->b->cols[c->otherwise], i);
    }
}

/* Of a partition all of whose rows are computed. */
static void run_share(struct run *r, const struct plan_over_call *c, struct column *out)
{
    uint32_t whole = r->n / (uint32_t)c->distance, rest = r->n % (uint32_t)c->distance, rank = 0;
    uint32_t longer = rest * (whole + 1); /* rows in buckets that have one more */
    for (uint32_t i = 0; i < r->n; i++) {
        if (i > 0 && r->peers_end[i] != r->peers_end[i - 1])
            rank = i;
        if (c->kind == OVER_NTILE)
            ((int32_t *)out->data)[i] = (int32_t)(i < longer ? i / (whole + 1) : rest + (i - longer) / whole) + 1;
        else if (c->kind == OVER_CUME_DIST)
            ((double *)out->data)[i] = (double)r->peers_end[i] / r->n;
        else
            ((double *)out->data)[i] = r->n > 1 ? (double)rank / (r->n - 1) : 0;
        bit_set(out->valid, i);
    }
}

static const struct column *cell_of(struct run *r, struct ordered_at at, uint32_t column)
{
    struct batch *b = rows_batch(r->f, r->a, 1);
    decode(r->f, ordered_at(r->p, at), b, 0);
    return &b->cols[column];
}

/* The partition's n-th row that is there, from 1; NULL: it has not so many. */
static const struct column *nth_row(struct run *r, int64_t n, uint32_t column)
{
    struct keyed_entry *e;
    for (struct ordered_at at = {0}; (e = ordered_at(r->p, at)); ordered_next(r->p, &at))
        if ((n -= MAX(ordered_row_of(e)->weight, 0)) <= 0)
            return cell_of(r, at, column);
    return NULL;
}

static const struct column *last_row(struct run *r, uint32_t column)
{
    struct ordered_at at = frames_on(r->p, (struct ordered_at){0}, FRAMES_ALL);
    while (ordered_row_of(ordered_at(r->p, at))->weight <= 0)
        ordered_back(r->p, &at);
    return cell_of(r, at, column);
}

static void run_edge(struct run *r, const struct plan_over_call *c, struct column *out)
{
    bool last = c->kind == OVER_LAST;
    const struct column *arg = &r->b->cols[c->arg], *edge = NULL;
    if (last && c->after < 0 && !c->peers)
        edge = last_row(r, (uint32_t)c->arg);
    else if (!last && c->before < 0)
        edge = nth_row(r, 1, (uint32_t)c->arg);
    for (uint32_t i = r->first; i < r->last; i++) {
        uint32_t row = 0;
        if (edge)
            row = 0;
        else if (!last)
            row = c->before > i ? 0 : i - (uint32_t)c->before;
        else if (c->peers)
            row = r->peers_end[i] - 1;
        else
            row = c->after >= r->n - i ? r->n - 1 : i + (uint32_t)c->after;
        copy_cell(out, i - r->first, edge ? edge : arg, row);
    }
}

static uint32_t frame_end(const struct run *r, const struct plan_over_call *c, uint32_t i)
{
    if (c->peers)
        return r->peers_end[i];
    return c->after < 0 || c->after >= r->n - i ? r->n : i + (uint32_t)c->after + 1;
}

/* One row of the partition for all whose frame begins with it and comes so far; else one of each frame. */
static void run_nth(struct run *r, const struct plan_over_call *c, struct column *out)
{
    const struct column *nth = &r->b->cols[c->arg];
    if (c->before < 0 && !(nth = nth_row(r, c->distance, (uint32_t)c->arg)))
        return;
    for (uint32_t i = r->first; i < r->last; i++) {
        uint32_t end = frame_end(r, c, i), begin = c->before > i ? 0 : i - (uint32_t)c->before;
        if (c->before < 0 && r->base->rows + end - r->first >= c->distance)
            copy_cell(out, i - r->first, nth, 0);
        else if (c->before >= 0 && c->distance <= end - begin)
            copy_cell(out, i - r->first, nth, begin + (uint32_t)c->distance - 1);
    }
}

/* NULL, or why it cannot be represented. */
static const char *finish(struct run *r, const struct frame_call *fc, const void *state, struct column *out,
                          uint32_t row)
{
    const char *sqlstate = NULL;
    if (!fc->function->final(state, fc->arg, out, row, r->a, &sqlstate))
        return sqlstate;
    bit_set(out->valid, row);
    return NULL;
}

static void reset(const struct frame_call *fc, void *state)
{
    if (fc->function->heap)
        fc->function->release(state);
    memset(state, 0, fc->function->state_size);
}

struct frame {
    uint32_t low, high; /* [low, high) of the rows that are read */
};

static void slide(const struct run *r, const struct frame_call *fc, void *state, const struct frame *from,
                  const struct frame *to)
{
    const struct column *arg = arg_of(fc, r->b);
    uint32_t high = from->high;
    if (to->low > from->low && fc->function->retracts) {
        add_rows(fc->function, state, arg, r->rows + from->low, to->low - from->low, r->minus);
    } else if (to->low > from->low) {
        reset(fc, state);
        high = to->low;
    }
    if (to->high > high)
        add_rows(fc->function, state, arg, r->rows + high, to->high - high, NULL);
}

/* The accumulator covers the rows of the frame, [low, high), and, if it is running, all that were before. */
static void run_aggregate(struct run *r, const struct frame_call *fc, struct column *out)
{
    const struct plan_over_call *c = fc->call;
    void *state = arena_zalloc(r->a, fc->function->state_size);
    const char *failed = NULL;
    uint32_t low = 0, high = 0;
    if (fc->running) {
        fc->function->merge(state, accumulator_in(r->base, fc));
        low = high = r->first;
    } else if (c->before < r->first) {
        low = high = r->first - (uint32_t)c->before;
    }
    for (uint32_t i = r->first; i < r->last; i++) {
        uint32_t begin = fc->running || c->before >= i ? low : i - (uint32_t)c->before, end = frame_end(r, c, i);
        bool moved = begin != low || end != high || i == r->first;
        slide(r, fc, state, &(struct frame){low, high}, &(struct frame){begin, end});
        low = begin;
        high = end;
        if (moved)
            failed = finish(r, fc, state, out, i - r->first);
        else
            copy_cell(out, i - r->first, out, i - r->first - 1);
        if (failed)
            r->result->failed[i - r->first] = failed;
    }
    reset(fc, state);
}

/* The rows that are read, copy by copy. */
static void read_rows(struct run *r, struct ordered_at from, struct ordered_at to)
{
    const struct ordered_partition *p = r->p;
    struct ordered_at low = frames_back(p, from, r->f->before), high = frames_on(p, to, r->f->after);
    uint64_t n = 0;
    struct keyed_entry *e;
    for (struct ordered_at at = low; (e = ordered_at(p, at)) && !before(high, at); ordered_next(p, &at))
        n += (uint64_t)MAX(ordered_row_of(e)->weight, 0);
    assert(n < UINT32_MAX); /* they are in memory */
    r->n = (uint32_t)n;
    r->b = rows_batch(r->f, r->a, r->n);
    r->entries = arena_array(r->a, r->n, sizeof(struct keyed_entry *));
    uint32_t row = 0;
    for (struct ordered_at at = low; (e = ordered_at(p, at)) && !before(high, at); ordered_next(p, &at)) {
        if (at.chunk == from.chunk && at.index == from.index)
            r->first = row;
        for (int64_t copy = 0; copy < ordered_row_of(e)->weight; copy++) {
            decode(r->f, e, r->b, row);
            r->entries[row++] = e;
        }
        if (at.chunk == to.chunk && at.index == to.index)
            r->last = row;
    }
    r->rows = arena_array(r->a, r->n, sizeof *r->rows);
    r->minus = arena_array(r->a, r->n, sizeof *r->minus);
    for (uint32_t i = 0; i < r->n; i++) {
        r->rows[i] = i;
        r->minus[i] = -1;
    }
}

static void find_peers(struct run *r)
{
    r->peers_end = arena_array(r->a, r->n, sizeof *r->peers_end);
    for (uint32_t i = r->n; i-- > 0;) {
        bool same = i + 1 < r->n && (r->entries[i] == r->entries[i + 1] ||
                                     slice_equal(ordered_sort_key(r->f->rows, r->entries[i]),
                                                 ordered_sort_key(r->f->rows, r->entries[i + 1])));
        r->peers_end[i] = same ? r->peers_end[i + 1] : i + 1;
    }
}

static void run_call(struct run *r, const struct frame_call *fc, struct column *out)
{
    switch (fc->call->kind) {
    case OVER_ROW_NUMBER:
    case OVER_RANK:
    case OVER_DENSE_RANK: run_rank(r, fc->call->kind, out); break;
    case OVER_LAG:
    case OVER_LEAD: run_distant(r, fc->call, out); break;
    case OVER_FIRST:
    case OVER_LAST: run_edge(r, fc->call, out); break;
    case OVER_NTH: run_nth(r, fc->call, out); break;
    case OVER_NTILE:
    case OVER_PERCENT_RANK:
    case OVER_CUME_DIST: run_share(r, fc->call, out); break;
    case OVER_AGGREGATE: run_aggregate(r, fc, out); break;
    }
}

void frames_run(const struct frames *f, struct ordered_partition *p, struct ordered_at from, struct ordered_at to,
                struct arena *a, struct frames_result *ret)
{
    struct run r = {.f = f, .p = p, .a = a, .result = ret};
    read_rows(&r, from, to);
    uint32_t n = r.last - r.first;
    *ret = (struct frames_result){.entries = r.entries + r.first, .n = n};
    ret->cols = arena_array(a, f->ncalls, sizeof *ret->cols);
    ret->failed = arena_zarray(a, n, sizeof *ret->failed);
    if (n == 0)
        return;
    if (f->from_first_peer)
        find_peers(&r);
    if (f->prefixed)
        r.base = base_at(f, p, from, a);
    for (uint32_t c = 0; c < f->ncalls; c++) {
        ret->cols[c] = column_make(a, f->types[c], n, true);
        run_call(&r, &f->calls[c], &ret->cols[c]);
    }
    if (r.base)
        release_accumulators(f, r.base);
}
