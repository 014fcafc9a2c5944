#include "op/collect.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "column/rowcodec.h"
#include "column/rowkey.h"
#include "expr/program.h"
#include "op/contract.h"
#include "op/refuse.h"
#include "op/reject.h"
#include "state/keyed.h"

#define PAYLOAD_MAX GIB(8)
#define PIECE_MAX MIB(64) /* of a payload, that is decoded at a time; a row may be more */

struct collect {
    const struct plan_node *node;
    const struct plan_table *table;
    bool input_appends;
    const char *const *input_names;
    struct arena arena;
    const struct program *program;
    struct program_state **states;
    struct contract *contract;
    bool checked; /* has an output contract that applies */
    uint32_t nworkers, nslots;
    struct buf *slots; /* of the running round */
    atomic_uint_least64_t round_bytes; /* in them */
    struct bufs epoch; /* of the rounds before it */
    struct { uint64_t rejected, error, rows; } *counts; /* per worker */
    uint32_t *compared; /* columns that decide whether a row changed */
    uint32_t ncompared;
};

static struct buf payload_buf(void) { return (struct buf)BUF(PAYLOAD_MAX); }

/* A sink that is fed from bourn.rejected carries no contract (semantics 17): the planner leaves it without rules. */
struct collect *collect_new(const struct plan *plan, const struct plan_node *sink, const struct plan_node *input,
                            uint32_t nworkers, uint32_t nslots)
{
    struct collect *k = mem_zalloc(sizeof *k);
    k->node = sink;
    k->table = &plan->tables[sink->table];
    k->input_appends = input->mode == MODE_APPEND;
    k->input_names = input->schema.names;
    k->program = program_compile(&k->arena, sink->exprs, k->table->schema.ncols);
    k->contract = contract_new(k->table, nworkers);
    k->checked = k->table->nrules > 0;
    k->nworkers = nworkers;
    k->nslots = nslots;
    k->states = program_states_new(k->program, nworkers);
    k->slots = mem_array(nslots, sizeof *k->slots);
    for (uint32_t i = 0; i < nslots; i++)
        k->slots[i] = payload_buf();
    k->counts = mem_zalloc(nworkers * sizeof *k->counts);
    k->compared = arena_array(&k->arena, k->table->schema.ncols, sizeof *k->compared);
    for (uint32_t c = 0; c < k->table->schema.ncols; c++)
        if (!sink->now_columns || !bit_get(sink->now_columns, c))
            k->compared[k->ncompared++] = c;
    return k;
}

void collect_free(struct collect *k)
{
    if (!k)
        return;
    program_states_free(k->states, k->nworkers);
    for (uint32_t i = 0; i < k->nslots; i++)
        buf_release(&k->slots[i]);
    bufs_release(&k->epoch);
    contract_free(k->contract);
    arena_release(&k->arena);
    free(k->slots);
    free(k->counts);
    free(k);
}

void collect_put(struct buf *out, const struct batch *b)
{
    size_t at = out->len;
    buf_put_u32(out, 0);
    batch_encode(b, out);
    assert(!out->overflow); /* an epoch is closed by its byte limit long before */
    size_t bytes = out->len - at - 4;
    if (bytes <= PIECE_MAX || batch_live(b) <= 1) {
        assert(bytes <= UINT32_MAX); /* one row: messages and refused rows have their limits far below */
        store_u32(out->data + at, (uint32_t)bytes);
        return;
    }
    out->len = at;
    AUTO(arena) a = {0};
    uint32_t live = batch_live(b), half = live / 2;
    uint32_t *sel = arena_array(&a, live, sizeof *sel);
    for (uint32_t i = 0; i < live; i++)
        sel[i] = batch_row(b, i);
    struct batch part = *b;
    part.sel = sel;
    part.live = half;
    collect_put(out, &part);
    part.sel = sel + half;
    part.live = live - half;
    collect_put(out, &part);
}

/* A sink that appends knows no weights: a row that is there n times is n rows. */
static uint64_t append_copies(struct buf *out, const struct batch *b, struct arena *a)
{
    enum { AT_ONCE = 4096 };
    uint64_t rows = 0;
    struct batch part = *b;
    uint32_t *sel = arena_array(a, AT_ONCE, sizeof *sel);
    part.sel = sel;
    part.weight = NULL;
    part.live = 0;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        for (int64_t copy = 0; copy < batch_weight(b, row); copy++, rows++) {
            sel[part.live++] = row;
            if (part.live < AT_ONCE)
                continue;
            collect_put(out, &part);
            part.live = 0;
        }
    }
    if (part.live)
        collect_put(out, &part);
    return rows;
}

enum status collect_next(struct reader *in, const struct schema *schema, struct arena *a, struct batch **ret,
                         struct error *err)
{
    *ret = NULL;
    if (reader_left(in) == 0)
        return OK;
    uint32_t len;
    const char *bytes;
    if (!reader_u32(in, &len) || !reader_bytes(in, len, &bytes))
        return error_set(err, ERR_CORRUPT, "outbox payload ends in the middle of a batch");
    return batch_decode((struct slice){bytes, len}, schema->types, schema->ncols, a, ret, err);
}

/* ---- the output contract ---- */

static const char *broken_rules(struct collect *k, struct arena *a, uint64_t *const *broken, uint32_t row)
{
    AUTO(buf) rules = BUF(KIB(64));
    for (uint32_t r = 0; r < k->table->nrules; r++)
        if (broken[r] && bit_get(broken[r], row)) {
            if (rules.len)
                buf_putc(&rules, ',');
            buf_puts(&rules, k->table->rules[r].id);
        }
    return arena_strdup(a, buf_cstr(&rules));
}

/* A violating result is refused. An upsert sink then loses the key: through the retraction that comes with an updating
 * input, or, where the input only appends, through a deletion put in the row's place. */
static void hold_to_contract(struct collect *k, struct op_context *c, struct batch *b)
{
    uint64_t **broken = arena_zarray(c->arena, k->table->nrules, sizeof(uint64_t *));
    uint64_t *any = arena_zarray(c->arena, BITMAP_WORDS(b->rows), sizeof *any);
    bool some = false;
    for (uint32_t r = 0; r < k->table->nrules; r++) {
        uint64_t *bits = arena_array(c->arena, BITMAP_WORDS(b->rows), sizeof *bits);
        if (!contract_check(k->contract, r, c->worker, b, c->now_us, c->arena, bits))
            continue;
        broken[r] = bits;
        some = true;
        for (size_t i = 0; i < BITMAP_WORDS(b->rows); i++)
            any[i] |= bits[i];
    }
    if (!some)
        return;
    bool delete_key = k->input_appends && k->table->nkey > 0;
    int64_t *weight = arena_array(c->arena, b->rows, sizeof *weight);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        weight[row] = batch_weight(b, row);
        if (!bit_get(any, row) || weight[row] < 0)
            continue;
        const struct origin *origin = b->origin;
        b->origin = NULL; /* what is refused is the result, not the message it came from */
        for (int64_t copy = 0; copy < weight[row]; copy++)
            reject_result(c->rejections, b, row, k->table->schema.names, k->node->sink_name,
                          broken_rules(k, c->arena, broken, row), "output contract");
        b->origin = origin;
        k->counts[c->worker].rejected += (uint64_t)weight[row];
        weight[row] = -1;
    }
    if (delete_key) {
        b->weight = weight;
        return;
    }
    for (size_t i = 0; i < BITMAP_WORDS(b->rows); i++)
        any[i] = ~any[i];
    batch_filter(b, any);
}

void collect_push(struct collect *k, struct op_context *c, uint32_t slot, struct batch *in)
{
    struct batch *b = arena_dup(c->arena, in, sizeof *in);
    b->ncols = k->table->schema.ncols;
    b->cols = arena_array(c->arena, b->ncols, sizeof *b->cols);
    struct row_errors errors;
    program_run(k->program, k->states[c->worker], in, c->now_us, c->arena, b->cols, &errors);
    k->counts[c->worker].error += refuse_failed(c, in, &errors, k->node->sink_name, k->input_names, b);
    if (k->checked)
        hold_to_contract(k, c, b);
    if (batch_live(b) == 0)
        return;
    struct buf *out = &k->slots[slot];
    size_t before = out->len;
    if (b->weight && k->table->nkey == 0) {
        k->counts[c->worker].rows += append_copies(out, b, c->arena);
    } else {
        k->counts[c->worker].rows += batch_live(b);
        collect_put(out, b);
    }
    atomic_fetch_add_explicit(&k->round_bytes, out->len - before, memory_order_relaxed);
}

void collect_round(struct collect *k)
{
    for (uint32_t i = 0; i < k->nslots; i++)
        bufs_put(&k->epoch, &k->slots[i]);
    k->round_bytes = 0;
}

uint64_t collect_appended(const struct collect *k) { return k->table->nkey ? 0 : k->epoch.bytes + k->round_bytes; }

uint64_t collect_bytes(const struct collect *k)
{
    enum { NETTED = 3 }; /* the bytes, decoded, and what comes of them */
    return k->epoch.bytes * (k->table->nkey ? NETTED : 1);
}

/* ---- netting an upsert sink's epoch ---- */

struct row_ref {
    struct batch *batch;
    uint32_t row;
};

struct net { /* what is known of a key; zero = nothing yet */
    struct row_ref before, after;
    struct open_row { /* of a mixed one: rows that nothing has taken back yet, or that took back nothing yet */
        struct row_ref row;
        int64_t weight;
        struct open_row *next;
    } *open;
    bool mixed; /* its rows did not come in the order in which they replace each other */
};

/* The rows that lie in one buffer, and their part in the result. */
struct netted {
    struct arena arena;
    struct netted_batch {
        struct batch *batch;
        uint64_t *hashes;    /* of the keys, per live row */
        struct slice *keys;
        struct net **nets;
    } *batches;
    uint32_t nbatches;
    struct buf out;
    struct collect_counts counts;
};

/* Who looks at the rows of some shards. */
struct netter {
    struct arena arena;
    struct buf x, y; /* scratch */
};

struct netting {
    struct collect *k;
    struct keyed *keys;
    struct netted *buffers;
    struct netter *parts;
    uint32_t nbuffers, nparts;
};

static void put_keys(const struct collect *k, struct netted_batch *nb, struct arena *a)
{
    AUTO(buf) key = BUF(ROWKEY_MAX);
    const struct batch *b = nb->batch;
    nb->hashes = arena_array(a, batch_live(b), sizeof *nb->hashes);
    nb->keys = arena_array(a, batch_live(b), sizeof *nb->keys);
    nb->nets = arena_array(a, batch_live(b), sizeof *nb->nets);
    for (uint32_t r = 0; r < batch_live(b); r++) {
        buf_clear(&key);
        rowkey_put(&key, b->cols, k->table->key, k->table->nkey, batch_row(b, r));
        nb->hashes[r] = hash64(key.data, key.len, 0);
        nb->keys[r] = (struct slice){arena_dup(a, key.data, key.len), key.len};
    }
}

static void decode_task(void *arg, uint32_t worker, uint32_t task)
{
    (void)worker;
    struct netting *n = arg;
    struct netted *x = &n->buffers[task];
    struct reader in = reader_of(buf_slice(&n->k->epoch.items[task]));
    struct error err;
    for (uint32_t cap = 0;;) {
        struct batch *b;
        enum status s = collect_next(&in, &n->k->table->schema, &x->arena, &b, &err);
        assert(s == OK); /* these bytes were written by this process a moment ago */
        if (!b)
            return;
        x->batches = arena_grow(&x->arena, x->batches, x->nbatches, &cap, sizeof *x->batches);
        struct netted_batch *nb = &x->batches[x->nbatches++];
        nb->batch = b;
        put_keys(n->k, nb, &x->arena);
    }
}

static bool same_row(const struct collect *k, struct netter *n, struct row_ref a, struct row_ref b)
{
    buf_clear(&n->x);
    buf_clear(&n->y);
    rowkey_put(&n->x, a.batch->cols, k->compared, k->ncompared, a.row);
    rowkey_put(&n->y, b.batch->cols, k->compared, k->ncompared, b.row);
    return slice_equal(buf_slice(&n->x), buf_slice(&n->y));
}

/* A key has at most one live row (the planner saw to that), so its rows of an epoch are mostly: maybe an old one
 * leaving, then new ones replacing each other. Where a key's rows are made by several groups or partitions, which hand
 * out theirs one after the other, the new one may come before the old one leaves: that is sorted out in a second pass.
 */
static void note_row(const struct collect *k, struct netter *n, struct net *net, struct row_ref row, int64_t weight)
{
    if (weight > 0) {
        net->mixed |= net->after.batch != NULL;
        net->after = row;
    } else if (net->after.batch) {
        net->mixed |= !same_row(k, n, net->after, row);
        net->after = (struct row_ref){0};
    } else {
        net->mixed |= net->before.batch != NULL;
        net->before = row;
    }
}

/* What takes back what, whatever their order. */
static void match_row(const struct collect *k, struct netter *n, struct net *net, struct row_ref row, int64_t weight)
{
    for (struct open_row **at = &net->open; *at; at = &(*at)->next)
        if (((*at)->weight > 0) != (weight > 0) && same_row(k, n, (*at)->row, row)) {
            *at = (*at)->next;
            return;
        }
    struct open_row *o = arena_zalloc(&n->arena, sizeof *o);
    *o = (struct open_row){row, weight, net->open};
    net->open = o;
}

/* The rows of the keys that are this part's, in their order, each with what is known of its key. */
static void each_row(struct netting *n, uint32_t part,
                     void (*visit)(struct netting *n, struct netter *by, struct netted_batch *nb, uint32_t r))
{
    for (uint32_t i = 0; i < n->nbuffers; i++)
        for (uint32_t k = 0; k < n->buffers[i].nbatches; k++) {
            struct netted_batch *nb = &n->buffers[i].batches[k];
            for (uint32_t r = 0; r < batch_live(nb->batch); r++)
                if (op_part(shard_of(nb->hashes[r]), n->nparts) == part)
                    visit(n, &n->parts[part], nb, r);
        }
}

static void note(struct netting *n, struct netter *by, struct netted_batch *nb, uint32_t r)
{
    bool fresh;
    uint32_t row = batch_row(nb->batch, r);
    struct keyed_entry *e = keyed_get(n->keys, nb->hashes[r], nb->keys[r].data, nb->keys[r].len, &fresh);
    nb->nets[r] = keyed_value(e);
    note_row(n->k, by, nb->nets[r], (struct row_ref){nb->batch, row}, batch_weight(nb->batch, row));
}

static void settle(struct netting *n, struct netter *by, struct netted_batch *nb, uint32_t r)
{
    struct net *net = nb->nets[r];
    uint32_t row = batch_row(nb->batch, r);
    if (!net->mixed)
        return;
    match_row(n->k, by, net, (struct row_ref){nb->batch, row}, batch_weight(nb->batch, row));
    net->before = net->after = (struct row_ref){0};
    for (const struct open_row *o = net->open; o; o = o->next)
        *(o->weight > 0 ? &net->after : &net->before) = o->row;
}

static void net_task(void *arg, uint32_t worker, uint32_t part)
{
    (void)worker;
    each_row(arg, part, note);
    each_row(arg, part, settle);
}

/* What a row contributes to the payload: +1, -1, or 0: nothing. */
static int64_t verdict(const struct collect *k, struct netter *by, const struct net *net, struct row_ref row,
                       struct collect_counts *counts)
{
    if (net->after.batch == row.batch && net->after.row == row.row) {
        if (!net->before.batch) {
            counts->inserted++;
            return 1;
        }
        if (same_row(k, by, net->before, net->after)) {
            counts->unchanged++;
            return 0;
        }
        counts->updated++;
        return 1;
    }
    if (!net->after.batch && net->before.batch == row.batch && net->before.row == row.row) {
        counts->deleted++;
        return -1;
    }
    return 0;
}

static void put_net(const struct collect *k, struct netter *by, struct netted *x, struct netted_batch *nb)
{
    struct batch net = *nb->batch;
    uint32_t *sel = arena_array(&x->arena, net.live, sizeof *sel);
    int64_t *weight = arena_zarray(&x->arena, net.rows, sizeof *weight);
    uint32_t live = 0;
    for (uint32_t r = 0; r < net.live; r++) {
        uint32_t row = batch_row(nb->batch, r);
        weight[row] = verdict(k, by, nb->nets[r], (struct row_ref){nb->batch, row}, &x->counts);
        sel[live] = row;
        live += weight[row] != 0;
    }
    if (live == 0)
        return;
    net.sel = sel;
    net.live = live;
    net.weight = weight;
    collect_put(&x->out, &net);
}

static void put_task(void *arg, uint32_t worker, uint32_t task)
{
    (void)worker;
    struct netting *n = arg;
    struct netted *x = &n->buffers[task];
    struct netter by = {.x = BUF(ROWKEY_MAX), .y = BUF(ROWKEY_MAX)};
    x->out = buf_spare(PAYLOAD_MAX);
    for (uint32_t i = 0; i < x->nbatches; i++)
        put_net(n->k, &by, x, &x->batches[i]);
    buf_release(&by.x);
    buf_release(&by.y);
}

static void add_counts(struct collect_counts *sum, const struct collect_counts *c)
{
    sum->inserted += c->inserted;
    sum->updated += c->updated;
    sum->deleted += c->deleted;
    sum->unchanged += c->unchanged;
}

/* Rows in the order in which they came, whoever netted them. */
static void net_epoch(struct collect *k, const struct collect_pool *pool, struct bufs *ret,
                      struct collect_counts *counts)
{
    static const struct keyed_codec codec = {.value_size = sizeof(struct net), .passing = true};
    struct netting n = {.k = k, .keys = keyed_new("net", 1, &codec), .nbuffers = k->epoch.count};
    n.nparts = op_parts(k->nworkers);
    n.buffers = mem_zalloc(n.nbuffers * sizeof *n.buffers);
    n.parts = mem_zalloc(n.nparts * sizeof *n.parts);
    for (uint32_t p = 0; p < n.nparts; p++)
        n.parts[p].x = n.parts[p].y = (struct buf)BUF(ROWKEY_MAX);
    pool->run(pool->arg, n.nbuffers, decode_task, &n);
    pool->run(pool->arg, n.nparts, net_task, &n);
    pool->run(pool->arg, n.nbuffers, put_task, &n);
    for (uint32_t i = 0; i < n.nbuffers; i++) {
        bufs_put(ret, &n.buffers[i].out);
        buf_give(&n.buffers[i].out);
        add_counts(counts, &n.buffers[i].counts);
        arena_release(&n.buffers[i].arena);
    }
    for (uint32_t p = 0; p < n.nparts; p++) {
        arena_release(&n.parts[p].arena);
        buf_release(&n.parts[p].x);
        buf_release(&n.parts[p].y);
    }
    keyed_free(n.keys);
    free(n.buffers);
    free(n.parts);
}

void collect_finish(struct collect *k, const struct collect_pool *pool, struct bufs *ret,
                    struct collect_counts *ret_counts)
{
    struct collect_counts counts = {0};
    struct bufs payload = {0};
    uint64_t rows = 0;
    for (uint32_t w = 0; w < k->nworkers; w++) {
        counts.rejected += k->counts[w].rejected;
        counts.error += k->counts[w].error;
        rows += k->counts[w].rows;
    }
    memset(k->counts, 0, k->nworkers * sizeof *k->counts);
    if (k->table->nkey > 0) {
        if (k->epoch.count)
            net_epoch(k, pool, &payload, &counts);
        bufs_clear(&k->epoch);
    } else {
        payload = k->epoch;
        k->epoch = (struct bufs){0};
        counts.inserted = rows;
    }
    counts.in = counts.inserted + counts.updated + counts.deleted + counts.unchanged + counts.rejected + counts.error;
    *ret = payload;
    *ret_counts = counts;
}
