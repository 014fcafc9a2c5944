/* Join: rows of two inputs that have equal keys and meet a condition, kept up to date as either side changes.
 *
 * During an epoch rows are gathered by the hash of their key. When it ends, each shard applies them one by one: a row
 * of weight w meets the rows of the other side that are there, which gives products of weights, and then is kept for
 * those that come later. What comes out in sum does not depend on the order (semantics 12); the right side goes
 * first, so that a left join does not say "no match" and take it back within one epoch.
 *
 * Rows that must come out without a match, or once whatever the number of matches, know how many they have. A row goes
 * when the other side's watermark says that nothing can meet it any more (semantics 14); a `final` join says "no match"
 * only then.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "column/rowkey.h"
#include "column/rowpack.h"
#include "expr/program.h"
#include "op/gather.h"
#include "op/join_state.h"
#include "op/late.h"
#include "op/operators.h"
#include "op/pairs.h"
#include "op/refuse.h"

enum { LEFT, RIGHT, NO_KEY = 2 /* a bit of gathered.port: some part of the key is NULL */ };
enum { PAIRS = 256, WANTED = 512 };

struct worker {
    struct buf row; /* scratch */
    struct program_state *program;
};

struct join {
    struct operator op;
    const struct plan_node *node;
    const struct plan_join *join;
    const struct plan_node *inputs[2];
    struct arena arena;
    const struct program *condition; /* NULL: the key says all */
    struct gather *gather;
    struct join_state *state;
    struct pairs out;
    struct worker *workers;
    uint32_t nworkers;
    bool keeps[2];    /* rows of the side are kept */
    bool outer[2];    /* rows of the side come out without a match, too */
    bool semi, anti;  /* left rows only, each once: with matches, without */
    bool counts[2];   /* rows of the side know their matches */
    struct type *pair_types; /* left's columns, then right's */
    const char **pair_names;
    uint32_t npair;
};

/* ---- gathering ---- */

/* A row that comes after its side's watermark may have missed rows of the other side that had to go. */
static void refuse_late_side(const struct join *j, struct op_context *c, struct batch *b, unsigned side)
{
    int64_t limit = c->inputs[side].late_us;
    if (j->join->late[side] < 0 || limit == INT64_MIN || limit == INT64_MAX ||
        __builtin_sub_overflow(limit, j->join->lag[side], &limit))
        return;
    refuse_late(c, &j->op, j->inputs[side]->schema.names, b, (uint32_t)j->join->late[side], 0, limit);
}

static int64_t expires_of(const struct join *j, const struct batch *b, unsigned side, uint32_t row)
{
    int32_t column = j->join->expires[side];
    if (column < 0)
        return INT64_MAX;
    return column_is_null(&b->cols[column], row) ? INT64_MIN : ((const int64_t *)b->cols[column].data)[row];
}

static bool has_null(const struct batch *b, const uint32_t *key, uint32_t nkey, uint32_t row)
{
    for (uint32_t i = 0; i < nkey; i++)
        if (column_is_null(&b->cols[key[i]], row))
            return true;
    return false;
}

static void gather_row(struct join *j, struct op_context *c, const struct batch *b, uint32_t row, bool null)
{
    unsigned side = c->port;
    struct buf *out = &j->workers[c->worker].row;
    buf_clear(out);
    if (buf_reserve(out, JOIN_ROW_HEAD))
        out->len = JOIN_ROW_HEAD;
    rowkey_put(out, b->cols, j->join->key[side], j->join->nkey, row);
    size_t key_len = out->len - JOIN_ROW_HEAD;
    uint64_t hash = hash64(out->data + JOIN_ROW_HEAD, key_len, 0);
    rowpack_put(out, b->cols, j->inputs[side]->schema.ncols, row);
    join_row_seal(out, side, (uint32_t)key_len, hash);
    struct gathered head = {.hash = hash,
                            .weight = batch_weight(b, row),
                            .time = expires_of(j, b, side, row),
                            .port = side | (null ? NO_KEY : 0)};
    gather_put(j->gather, c->worker, &head, buf_slice(out));
}

static void join_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    struct join *j = (struct join *)op;
    unsigned side = c->port;
    struct batch b = *in;
    c->counts->in += batch_live(in);
    refuse_late_side(j, c, &b, side);
    for (uint32_t i = 0; i < batch_live(&b); i++) {
        uint32_t row = batch_row(&b, i);
        bool null = has_null(&b, j->join->key[side], j->join->nkey, row);
        if (null && !j->outer[side] && !(j->anti && side == LEFT))
            continue; /* meets nothing and is not missed */
        gather_row(j, c, &b, row, null);
    }
    c->counts->out += batch_live(&b); /* all are in the state or were looked at; results are counted where they go */
    *ret = NULL;
}

/* ---- results ---- */

struct merging {
    struct join *j;
    struct op_context *c;
    unsigned shard, side; /* side: of the row being applied, or of those that expire */
    struct arena scratch;
};

/* Without the other side: its columns stay NULL. */
static void emit_alone(struct merging *m, unsigned side, struct slice columns, int64_t weight)
{
    struct pair pair = {.weight = weight};
    pair.rows[side] = columns;
    pairs_put(&m->j->out, m->shard, &pair);
}

static void emit_pair(struct merging *m, struct slice mine, struct slice other, int64_t weight)
{
    struct pair pair = {.weight = weight};
    pair.rows[m->side] = mine;
    pair.rows[!m->side] = other;
    pairs_put(&m->j->out, m->shard, &pair);
}

static struct slice columns_of(const struct gathered *r) { return join_row_columns(gathered_bytes(r)); }

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    bool overflow = __builtin_mul_overflow(a, b, &product);
    assert(!overflow); /* 2^63 equal rows were never read */
    return product;
}

/* A kept row's matches went from `before` to `after`: does it come out, or go, by that? */
static void matches_changed(struct merging *m, unsigned side, struct keyed_entry *e, int64_t before, int64_t after)
{
    struct join *j = m->j;
    if ((before > 0) == (after > 0))
        return;
    struct slice row = join_state_columns(j->state, e);
    int64_t weight = join_row_of(e)->weight, sign = after > 0 ? 1 : -1;
    if (j->semi)
        emit_alone(m, side, row, sign * weight);
    else if ((j->anti || j->outer[side]) && !j->node->final)
        emit_alone(m, side, row, -sign * weight);
}

/* failed: whether the two meet is not known. So there is no result of both, and neither stands alone either. */
static void meet(struct merging *m, const struct gathered *r, struct keyed_entry *other, bool failed, int64_t *matches)
{
    struct join *j = m->j;
    struct join_row *o = join_row_of(other);
    if (failed && j->semi)
        return;
    *matches += o->weight;
    if (!j->semi && !j->anti && !failed)
        emit_pair(m, columns_of(r), join_state_columns(j->state, other), times(r->weight, o->weight));
    if (!j->counts[!m->side])
        return;
    int64_t before = o->matches;
    o->matches += r->weight;
    join_state_touch(j->state, other);
    matches_changed(m, !m->side, other, before, o->matches);
}

/* A pair whose condition failed came in, too: every row of a side is counted as out, since it is kept. */
static void refuse_pairs(const struct join *j, struct op_context *c, const struct batch *pairs,
                         const struct row_errors *errors)
{
    uint64_t failed = refuse_errors(c, pairs, errors, j->op.name, j->pair_names);
    c->counts->in += failed;
    c->counts->error += failed;
}

/* Which of these rows meet the condition together with r, and with which does it fail? */
static void check_pairs(struct merging *m, const struct gathered *r, struct keyed_entry *const *others, uint32_t n,
                        uint64_t *ret_keep, uint64_t *ret_failed)
{
    struct join *j = m->j;
    arena_reset(&m->scratch);
    struct batch *b = batch_make(&m->scratch, j->pair_types, j->npair, n);
    b->rows = b->live = n;
    int64_t *weight = arena_array(&m->scratch, n, sizeof *weight);
    b->weight = weight;
    uint32_t nleft = j->inputs[LEFT]->schema.ncols;
    struct slice packed[2][PAIRS];
    for (uint32_t i = 0; i < n; i++) {
        weight[i] = times(r->weight, join_row_of(others[i])->weight);
        packed[m->side][i] = columns_of(r);
        packed[!m->side][i] = join_state_columns(j->state, others[i]);
    }
    bool ok = rowpack_get_all(packed[LEFT], n, b->cols, nleft, &m->scratch) &&
              rowpack_get_all(packed[RIGHT], n, b->cols + nleft, j->npair - nleft, &m->scratch);
    assert(ok); /* this process packed them, or a checksum covered them */
    struct row_errors errors;
    program_filter(j->condition, j->workers[m->c->worker].program, b, m->c->now_us, &m->scratch, ret_keep, &errors);
    for (uint32_t i = 0; i < errors.count; i++)
        bit_set(ret_failed, errors.items[i].row);
    refuse_pairs(j, m->c, b, &errors);
}

/* Where matches count, a condition is decided before they do; else on whole batches of results. */
static bool decides_early(const struct join *j) { return j->condition && j->join->kind != JOIN_INNER; }

static int64_t meet_all(struct merging *m, const struct gathered *r)
{
    struct join *j = m->j;
    int64_t matches = 0;
    struct slice key = join_row_key(gathered_bytes(r));
    struct keyed_entry *pairs[PAIRS], *e = join_state_first(j->state, !m->side, r->hash, key);
    if (!decides_early(j)) {
        for (; e; e = join_row_of(e)->next)
            meet(m, r, e, false, &matches);
        return matches;
    }
    while (e) {
        uint64_t keep[BITMAP_WORDS(PAIRS)] = {0}, failed[BITMAP_WORDS(PAIRS)] = {0};
        uint32_t n = 0;
        for (; e && n < PAIRS; e = join_row_of(e)->next)
            pairs[n++] = e;
        check_pairs(m, r, pairs, n, keep, failed);
        for (uint32_t i = 0; i < n; i++)
            if (bit_get(keep, i) || bit_get(failed, i))
                meet(m, r, pairs[i], bit_get(failed, i), &matches);
    }
    return matches;
}

/* A row is taken back that had to go by its time to live: what it gave stands. */
static bool is_gone(const struct merging *m, const struct gathered *r)
{
    const struct join *j = m->j;
    if (!j->join->ttl[m->side] || !j->keeps[m->side] || r->weight > 0)
        return false;
    return r->time <= m->c->inputs[!m->side].evict_us &&
           !join_state_has(j->state, gathered_bytes(r));
}

static void apply(struct merging *m, const struct gathered *r)
{
    struct join *j = m->j;
    unsigned side = m->side;
    if (!(r->port & NO_KEY) && is_gone(m, r)) {
        m->c->counts->expired++;
        return;
    }
    int64_t matches = r->port & NO_KEY ? 0 : meet_all(m, r);
    bool waits = j->node->final && !(r->port & NO_KEY); /* a match may come: that there is none is said at the end */
    if (side == LEFT && j->semi && matches > 0)
        emit_alone(m, side, columns_of(r), r->weight);
    if ((j->outer[side] || (side == LEFT && j->anti)) && matches == 0 && !(waits && j->keeps[side]))
        emit_alone(m, side, columns_of(r), r->weight);
    if (!j->keeps[side] || (r->port & NO_KEY))
        return;
    struct keyed_entry *e = join_state_add(j->state, r->hash, gathered_bytes(r), r->weight, r->time);
    if (e)
        join_row_of(e)->matches = matches;
}

static void expired(void *arg, struct keyed_entry *e)
{
    struct merging *m = arg;
    struct join *j = m->j;
    const struct join_row *row = join_row_of(e);
    m->c->counts->expired += j->join->ttl[m->side];
    if (j->node->final && row->matches == 0 && (j->outer[m->side] || (j->anti && m->side == LEFT)))
        emit_alone(m, m->side, join_state_columns(j->state, e), row->weight);
}

/* May a row of the side be taken back until its own watermark has passed it? */
static bool takes_back(const struct join *j, unsigned side)
{
    return j->inputs[side]->mode == MODE_UPDATING && !j->join->ttl[side];
}

/* Where state lies on disk, what the next rows look at is read together. */
static void want_state(const struct merging *m, const struct gathered *first)
{
    heap_tend();
    for (unsigned step = 0; step < JOIN_STATE_WANTS; step++) {
        uint32_t n = 0;
        for (const struct gathered *r = first; r && n < WANTED; r = r->next, n++)
            join_state_want(m->j->state, r->hash, gathered_bytes(r), step);
    }
}

/* The rows of a side, from this one on. */
static void apply_all(struct merging *m, const struct gathered *first)
{
    enum { AHEAD = 8 };
    const struct gathered *ahead = first;
    uint32_t n = 0;
    for (uint32_t i = 0; i < AHEAD && ahead; i++)
        ahead = ahead->next;
    for (const struct gathered *r = first; r; r = r->next) {
        if (unlikely(heap_spills) && n++ % WANTED == 0)
            want_state(m, r);
        if (ahead) {
            join_state_prefetch(m->j->state, !m->side, ahead->hash);
            join_state_prefetch_row(m->j->state, gathered_bytes(ahead));
            ahead = ahead->next;
        }
        if ((r->port & RIGHT) == m->side)
            apply(m, r);
    }
}

static void join_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    struct join *j = (struct join *)op;
    struct merging m = {.j = j, .c = c};
    for (m.shard = from; m.shard < to; m.shard++) {
        pairs_reset(&j->out, m.shard);
        for (unsigned i = 0; i < 2; i++) {
            m.side = j->join->fixed[LEFT] ? i : RIGHT - i; /* rows that are not kept come last */
            for (uint32_t w = 0; w < j->nworkers; w++)
                apply_all(&m, gather_first(j->gather, w, m.shard));
        }
        for (unsigned side = LEFT; side <= RIGHT; side++) {
            m.side = side;
            int64_t until = c->inputs[!side].evict_us;
            if (takes_back(j, side))
                until = MIN(until, c->inputs[side].evict_us); /* before that it may be taken back */
            if (until != INT64_MIN)
                join_state_expire(j->state, side, m.shard, until, expired, &m);
        }
    }
    arena_release(&m.scratch);
}

/* Pairs that were not decided before: all at once. */
static bool keep_pairs(struct join *j, struct op_context *c, struct batch *b)
{
    uint64_t *keep = arena_array(b->arena, BITMAP_WORDS(b->rows), sizeof *keep);
    struct row_errors errors;
    program_filter(j->condition, j->workers[c->worker].program, b, c->now_us, b->arena, keep, &errors);
    refuse_pairs(j, c, b, &errors);
    batch_filter(b, keep);
    return batch_live(b) > 0;
}

static struct batch *join_emit(struct operator *op, struct op_context *c)
{
    return pairs_next(&((struct join *)op)->out, c->arena);
}

static void join_finish(struct operator *op, struct op_context *c, struct parked *p, struct batch **ret)
{
    struct join *j = (struct join *)op;
    struct batch *b = pairs_columns(&j->out, p->batch, c->arena);
    *ret = !j->condition || decides_early(j) || keep_pairs(j, c, b) ? b : NULL;
}

static void join_emitted(struct operator *op) { gather_clear(((struct join *)op)->gather); }

/* ---- state ---- */

static void join_save(struct operator *op, struct segment_writer *w)
{
    join_state_save(((struct join *)op)->state, w);
}

static enum status join_load(struct operator *op, uint32_t version, struct slice payload, int64_t evict_us,
                             struct error *err)
{
    (void)evict_us;
    return join_state_load(((struct join *)op)->state, version, payload, err);
}

static uint64_t join_keys(const struct operator *op) { return join_state_count(((const struct join *)op)->state); }

static uint64_t join_bytes(const struct operator *op)
{
    const struct join *j = (const struct join *)op;
    return join_state_bytes(j->state) + gather_bytes(j->gather);
}

/* What was gathered meets what is kept: as a guess, a pair a row. */
static uint64_t join_pending(const struct operator *op) { return 2 * gather_bytes(((const struct join *)op)->gather); }

static struct op_open join_closes(struct operator *op, int64_t late_us)
{
    (void)late_us;
    struct join *j = (struct join *)op;
    int64_t next[] = {join_state_next(j->state, LEFT), join_state_next(j->state, RIGHT)};
    unsigned side = next[LEFT] <= next[RIGHT] ? LEFT : RIGHT;
    return (struct op_open){next[side], takes_back(j, side) ? -1 : (int32_t)!side};
}

static void join_free(struct operator *op)
{
    struct join *j = (struct join *)op;
    for (uint32_t w = 0; w < j->nworkers; w++) {
        buf_release(&j->workers[w].row);
        program_state_free(j->workers[w].program);
    }
    free(j->workers);
    gather_free(j->gather);
    join_state_free(j->state);
    pairs_release(&j->out);
    arena_release(&j->arena);
    free(j);
}

static const struct operator_ops join_ops = {.shape = OP_KEEP,
                                             .push = join_push,
                                             .merge = join_merge,
                                             .emit = join_emit,
                                             .finish = join_finish,
                                             .emitted = join_emitted,
                                             .save = join_save,
                                             .load = join_load,
                                             .keys = join_keys,
                                             .bytes = join_bytes,
                                             .pending = join_pending,
                                             .closes = join_closes,
                                             .free = join_free};

static void set_kind(struct join *j)
{
    enum join_kind kind = j->join->kind;
    j->semi = kind == JOIN_SEMI;
    j->anti = kind == JOIN_ANTI;
    j->outer[LEFT] = kind == JOIN_LEFT || kind == JOIN_FULL;
    j->outer[RIGHT] = kind == JOIN_RIGHT || kind == JOIN_FULL;
    for (unsigned side = LEFT; side <= RIGHT; side++) {
        j->keeps[side] = !j->join->fixed[!side];
        j->counts[side] = (j->outer[side] || (side == LEFT && (j->semi || j->anti))) && j->keeps[side];
    }
}

static void set_pairs(struct join *j)
{
    const struct schema *left = &j->inputs[LEFT]->schema, *right = &j->inputs[RIGHT]->schema;
    j->npair = left->ncols + right->ncols;
    j->pair_types = arena_array(&j->arena, j->npair, sizeof *j->pair_types);
    j->pair_names = arena_array(&j->arena, j->npair, sizeof *j->pair_names);
    for (uint32_t i = 0; i < j->npair; i++) {
        const struct schema *of = i < left->ncols ? left : right;
        uint32_t column = i < left->ncols ? i : i - left->ncols;
        j->pair_types[i] = of->types[column];
        j->pair_names[i] = of->names[column];
    }
}

struct operator *join_new(const struct plan_node *node, const struct plan_node *const inputs[2], uint32_t nworkers)
{
    struct join *j = mem_zalloc(sizeof *j);
    j->op = (struct operator){&join_ops, node->id, node->name};
    j->node = node;
    j->join = &node->join;
    j->inputs[LEFT] = inputs[LEFT];
    j->inputs[RIGHT] = inputs[RIGHT];
    set_kind(j);
    set_pairs(j);
    if (node->join.condition)
        j->condition = program_compile(&j->arena, (struct expr *const *)&node->join.condition, 1);
    j->gather = gather_new(nworkers);
    j->state = join_state_new(node->id, (const bool[]){inputs[LEFT]->mode == MODE_UPDATING,
                                                       inputs[RIGHT]->mode == MODE_UPDATING});
    uint32_t nleft = inputs[LEFT]->schema.ncols;
    pairs_init(&j->out, j->pair_types, nleft, node->schema.ncols - nleft);
    j->nworkers = nworkers;
    j->workers = mem_zalloc(nworkers * sizeof *j->workers);
    for (uint32_t w = 0; w < nworkers; w++) {
        j->workers[w].row.max = ROWKEY_MAX;
        if (j->condition)
            j->workers[w].program = program_state_new(j->condition);
    }
    return &j->op;
}
