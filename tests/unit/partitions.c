/* Top-N and window functions against a model that computes everything anew: random rows come and go, in duplicates, by
 * several workers, over saves and loads; after every epoch what came out in sum is exactly what the model says, and
 * nothing was taken back that was not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/rowpack.h"
#include "memory_store.h"
#include "op/operators.h"
#include "op/reject.h"
#include "state/segment.h"

enum { WORKERS = 3, KEYS = 4, VALUES = 6, IDS_MOST = 100, UNIVERSE = KEYS * VALUES * IDS_MOST, CALLS = 5,
       SLOTS = 1 << 17, SAVES_MOST = 64, SECOND = 1000000 };

static uint64_t seed = 20260101;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- bags of rows, as text ---- */

struct bag {
    struct arena arena;
    struct item { const char *text; int64_t n; } slots[SLOTS];
    int64_t added; /* sum of the weights' absolute values */
};

static int64_t *bag_at(struct bag *b, const char *text)
{
    uint64_t at = hash64(text, strlen(text), 0) % SLOTS;
    while (b->slots[at].text && strcmp(b->slots[at].text, text) != 0)
        at = (at + 1) % SLOTS;
    if (!b->slots[at].text)
        b->slots[at] = (struct item){arena_strdup(&b->arena, text), 0};
    return &b->slots[at].n;
}

static void bag_clear(struct bag *b)
{
    arena_reset(&b->arena);
    memset(b->slots, 0, sizeof b->slots);
    b->added = 0;
}

static int64_t bag_difference(struct bag *a, struct bag *b)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (a->slots[i].text)
            sum += llabs(a->slots[i].n - *bag_at(b, a->slots[i].text));
    for (uint32_t i = 0; i < SLOTS; i++)
        if (b->slots[i].text && b->slots[i].n && *bag_at(a, b->slots[i].text) == 0)
            sum += llabs(b->slots[i].n);
    return sum;
}

static struct bag *found, *wanted, *before;

static void check_equal(const char *what)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        const char *text = wanted->slots[i].text;
        if (text && *bag_at(found, text) != wanted->slots[i].n)
            fail_msg("%s: (%s) is there %d times, wanted %d", what, text, (int)*bag_at(found, text),
                     (int)wanted->slots[i].n);
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        if (found->slots[i].text && found->slots[i].n && *bag_at(wanted, found->slots[i].text) == 0)
            fail_msg("%s: (%s) is there and should not be", what, found->slots[i].text);
}

static void put_number(struct buf *out, bool null, int64_t n)
{
    if (null)
        buf_puts(out, "|-");
    else
        buf_printf(out, "|%lld", (long long)n);
}

/* ---- what is tested ---- */

static const char *names[] = {"k", "v", "id", "r1", "r2", "r3", "r4", "r5"};

struct subject {
    struct plan_node input, node;
    struct plan_sort_key sort[1];
    struct plan_over_call calls[CALLS];
    struct type types[3 + CALLS];
    uint32_t partition[1];
    uint32_t ids;
    struct operator *op;
    struct step_counts counts[WORKERS];
    struct rejections rejections[WORKERS];
    int64_t epoch;
    struct op_time time;
    struct store *store;
    struct segment_ref saved[SAVES_MOST];
    uint32_t nsaved;
};

static void subject_init(struct subject *s, enum node_kind kind)
{
    *s = (struct subject){.ids = IDS_MOST, .time = {INT64_MIN, INT64_MIN}};
    for (int i = 0; i < 3; i++)
        s->types[i] = TYPE(TYPE_INT4);
    s->sort[0] = (struct plan_sort_key){1, below(2), below(2)};
    s->input = (struct plan_node){.name = "input", .id = "input", .mode = MODE_UPDATING};
    s->input.schema = (struct schema){3, names, s->types, NULL};
    s->node = (struct plan_node){.kind = kind, .name = "test", .id = "test-1", .closes = -1};
    s->node.sort = s->sort;
    s->node.nsort = 1;
    s->node.schema = (struct schema){4, names, s->types, NULL};
    s->types[3] = TYPE(TYPE_INT8);
    s->node.topn = (struct plan_topn){.partition = s->partition, .npartition = 1};
    s->node.over = (struct plan_over){.partition = s->partition, .npartition = 1, .calls = s->calls};
}

static void subject_start(struct subject *s)
{
    s->store = s->store ? s->store : memory_store_new();
    s->op = s->node.kind == NODE_TOPN ? topn_new(&s->node, &s->input, WORKERS)
                                      : over_new(&s->node, &s->input, WORKERS);
}

static void subject_stop(struct subject *s)
{
    operator_free(s->op);
    for (int w = 0; w < WORKERS; w++)
        rejections_release(&s->rejections[w]);
    store_free(s->store);
    s->store = NULL;
}

static struct op_context context(struct subject *s, uint32_t worker, struct arena *a)
{
    return (struct op_context){.worker = worker, .nworkers = WORKERS, .epoch = s->epoch, .arena = a, .time = s->time,
                               .rejections = &s->rejections[worker], .source_name = "t",
                               .counts = &s->counts[worker]};
}

static void push(struct subject *s, uint32_t worker, struct batch *b, struct arena *a)
{
    struct op_context c = context(s, worker, a);
    struct batch *out;
    void *unused;
    s->op->ops->push(s->op, &c, b, &out, &unused);
    assert_null(out);
}

static void take_batch(const struct batch *b)
{
    AUTO(buf) text = BUF(MIB(1));
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        buf_clear(&text);
        for (uint32_t c = 0; c < b->ncols; c++) {
            buf_putc(&text, '|');
            if (!column_print(&b->cols[c], row, &text))
                buf_putc(&text, '-');
        }
        int64_t *n = bag_at(found, buf_cstr(&text));
        *n += batch_weight(b, row);
        found->added += llabs(batch_weight(b, row));
        if (*n < 0)
            fail_msg("(%s) was taken back and was not there", buf_cstr(&text));
    }
}

static void end_epoch(struct subject *s)
{
    struct op_context c = context(s, 0, NULL);
    for (unsigned shard = 0; shard < SHARDS; shard += 64)
        s->op->ops->merge(s->op, &c, shard, shard + 64);
    for (struct batch *b; (b = s->op->ops->emit(s->op, &c));)
        take_batch(b);
    s->op->ops->emitted(s->op);
    struct segment_writer *w = segment_writer_new();
    struct error err;
    s->op->ops->save(s->op, w);
    for (uint32_t i = 0; i < segment_unmade(w); i++)
        segment_make(w, i);
    segment_made(w);
    s->epoch++;
    if (!segment_is_empty(w)) {
        assert_true(s->nsaved < SAVES_MOST);
        assert_int_equal(segment_put(w, s->store, s->epoch, s->epoch, 1, 0, &s->saved[s->nsaved++], &err), OK);
    }
    segment_writer_free(w);
}

static void restart(struct subject *s)
{
    operator_free(s->op);
    subject_start(s);
    for (uint32_t i = 0; i < s->nsaved; i++) {
        struct segment *segment;
        struct error err;
        uint32_t n;
        assert_int_equal(segment_open(s->store, &s->saved[i], &segment, &err), OK);
        const struct section *sections = segment_sections(segment, &n);
        assert_int_equal(n, 1);
        AUTO(buf) payload = BUF(MIB(64));
        assert_int_equal(segment_read(segment, &sections[0], &payload, &err), OK);
        assert_int_equal(s->op->ops->load(s->op, sections[0].version, buf_slice(&payload), INT64_MIN, &err), OK);
        segment_close(segment);
    }
}

/* ---- rows: by number, so that the model is an array of how often each is there ---- */

struct row {
    bool null[3];
    int32_t value[3];
};

static struct row row_of(uint32_t number)
{
    struct row r = {.value = {(int32_t)(number % KEYS), (int32_t)(number / KEYS % VALUES),
                              (int32_t)(number / KEYS / VALUES)}};
    r.null[0] = r.value[0] == 0;
    r.null[1] = r.value[1] == 0;
    return r;
}

static struct batch *batch_of(const uint32_t *numbers, const int64_t *weights, uint32_t n, struct arena *a)
{
    static const struct type types[3] = {{.id = TYPE_INT4}, {.id = TYPE_INT4}, {.id = TYPE_INT4}};
    struct batch *b = batch_make(a, types, 3, n);
    b->rows = b->live = n;
    b->weight = weights ? arena_dup(a, weights, n * sizeof *weights) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        struct row r = row_of(numbers[i]);
        for (uint32_t c = 0; c < 3; c++) {
            ((int32_t *)b->cols[c].data)[i] = r.value[c];
            if (r.null[c])
                column_set_null(&b->cols[c], a, n, i);
        }
    }
    return b;
}

static struct packed { struct buf bytes; } packed[UNIVERSE];

static void pack_all(void)
{
    struct arena a = {0};
    for (uint32_t i = 0; i < UNIVERSE; i++) {
        packed[i].bytes = (struct buf)BUF(KIB(1));
        struct batch *b = batch_of(&i, NULL, 1, &a);
        rowpack_put(&packed[i].bytes, b->cols, 3, 0);
        arena_reset(&a);
    }
    arena_release(&a);
}

static const struct subject *ordering;

static int compare_values(uint32_t x, uint32_t y)
{
    const struct plan_sort_key *k = &ordering->sort[0];
    struct row a = row_of(x), b = row_of(y);
    if (a.null[1] || b.null[1])
        return a.null[1] == b.null[1] ? 0 : (a.null[1] ? 1 : -1) * (k->nulls_first ? -1 : 1);
    return ((a.value[1] > b.value[1]) - (a.value[1] < b.value[1])) * (k->descending ? -1 : 1);
}

static int by_order(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    int c = compare_values(a, b);
    return c ? c : memcmp(packed[a].bytes.data, packed[b].bytes.data, MIN(packed[a].bytes.len, packed[b].bytes.len));
}

static int64_t counts[UNIVERSE];

/* The rows of a partition in order, copy by copy. */
static uint32_t rows_of(const struct subject *s, uint32_t key, uint32_t *rows)
{
    uint32_t n = 0;
    for (uint32_t i = key; i < KEYS * VALUES * s->ids; i += KEYS)
        for (int64_t copy = 0; copy < counts[i]; copy++)
            rows[n++] = i;
    ordering = s;
    qsort(rows, n, sizeof *rows, by_order);
    return n;
}

/* ---- the model ---- */

static int64_t model_rank(enum over_kind kind, const uint32_t *rows, uint32_t i)
{
    int64_t rank = 1;
    for (uint32_t k = 1; k <= i && kind != OVER_ROW_NUMBER; k++)
        if (compare_values(rows[k - 1], rows[k]) != 0)
            rank = kind == OVER_RANK ? k + 1 : rank + 1;
    return kind == OVER_ROW_NUMBER ? i + 1 : rank;
}

/* Row by row into buckets, the first of which have one more. */
static int64_t model_ntile(int64_t buckets, uint32_t n, uint32_t i)
{
    int64_t bucket = 1, room = n / buckets + (n % buckets > 0);
    for (uint32_t k = 0; k < i; k++)
        if (--room == 0)
            room = n / buckets + (n % buckets > bucket++);
    return bucket;
}

static void model_frame(const struct plan_over_call *c, const uint32_t *rows, uint32_t n, uint32_t i, uint32_t *ret_low,
                        uint32_t *ret_high)
{
    *ret_low = c->before < 0 || c->before > i ? 0 : i - (uint32_t)c->before;
    *ret_high = c->after < 0 || c->after >= n - i ? n : i + (uint32_t)c->after + 1;
    for (*ret_high = c->peers ? i + 1 : *ret_high; c->peers && *ret_high < n; ++*ret_high)
        if (compare_values(rows[i], rows[*ret_high]) != 0)
            break;
}

static void model_aggregate(const struct plan_over_call *c, const uint32_t *rows, uint32_t low, uint32_t high,
                            struct buf *out)
{
    int64_t sum = 0, most = INT64_MIN, any = 0;
    for (uint32_t i = low; i < high; i++) {
        struct row r = row_of(rows[i]);
        if (c->arg >= 0 && r.null[c->arg])
            continue;
        any++;
        sum += c->arg >= 0 ? r.value[c->arg] : 0;
        most = c->arg >= 0 ? MAX(most, r.value[c->arg]) : 0;
    }
    if (strcmp(c->function->name, "count") == 0)
        put_number(out, false, any);
    else
        put_number(out, any == 0, strcmp(c->function->name, "sum") == 0 ? sum : most);
}

static void put_cell(struct buf *out, uint32_t number, int32_t column)
{
    struct row r = row_of(number);
    put_number(out, r.null[column], r.value[column]);
}

static void model_call(const struct plan_over_call *c, const uint32_t *rows, uint32_t n, uint32_t i, struct buf *out)
{
    uint32_t low, high;
    int64_t other = c->kind == OVER_LAG ? (int64_t)i - c->distance : (int64_t)i + c->distance;
    switch (c->kind) {
    case OVER_ROW_NUMBER:
    case OVER_RANK:
    case OVER_DENSE_RANK: put_number(out, false, model_rank(c->kind, rows, i)); return;
    case OVER_LAG:
    case OVER_LEAD:
        if (other >= 0 && other < n)
            put_cell(out, rows[other], c->arg);
        else if (c->otherwise >= 0)
            put_cell(out, rows[i], c->otherwise);
        else
            put_number(out, true, 0);
        return;
    case OVER_NTILE: put_number(out, false, model_ntile(c->distance, n, i)); return;
    case OVER_FIRST:
    case OVER_LAST:
    case OVER_NTH:
    case OVER_AGGREGATE: break;
    case OVER_PERCENT_RANK:
    case OVER_CUME_DIST: fail_msg("not drawn: fractions are compared with PostgreSQL's");
    }
    model_frame(c, rows, n, i, &low, &high);
    if (c->kind == OVER_AGGREGATE)
        model_aggregate(c, rows, low, high, out);
    else if (c->kind == OVER_NTH && c->distance > high - low)
        put_number(out, true, 0);
    else if (c->kind == OVER_NTH)
        put_cell(out, rows[low + c->distance - 1], c->arg);
    else
        put_cell(out, rows[c->kind == OVER_FIRST ? low : high - 1], c->arg);
}

static void model(const struct subject *s)
{
    static uint32_t rows[UNIVERSE * 4];
    AUTO(buf) text = BUF(KIB(4));
    bag_clear(wanted);
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t n = rows_of(s, key, rows);
        for (uint32_t i = 0; i < n; i++) {
            buf_clear(&text);
            for (int32_t c = 0; c < 3; c++)
                put_cell(&text, rows[i], c);
            if (s->node.kind == NODE_TOPN) {
                int64_t rank = model_rank(s->node.topn.kind, rows, i);
                if (rank > s->node.topn.limit)
                    break;
                put_number(&text, false, rank);
            }
            for (uint32_t c = 0; c < s->node.over.ncalls; c++)
                model_call(&s->calls[c], rows, n, i, &text);
            ++*bag_at(wanted, buf_cstr(&text));
        }
    }
}

/* ---- epochs ---- */

/* All rows of some neighbouring values are taken back: a stretch of each partition. */
static void empty_stretch(struct subject *s, struct arena *a)
{
    int32_t from = (int32_t)below(VALUES), to = from + (int32_t)below(VALUES);
    for (uint32_t i = 0; i < KEYS * VALUES * s->ids; i++) {
        int64_t all = -counts[i];
        if (all == 0 || row_of(i).value[1] < from || row_of(i).value[1] > to)
            continue;
        push(s, below(WORKERS), batch_of(&i, &all, 1, a), a);
        counts[i] = 0;
    }
}

static void change_rows(struct subject *s, uint32_t most)
{
    struct arena a = {0};
    bool append = s->input.mode != MODE_UPDATING;
    for (uint32_t w = 0; w < WORKERS; w++) {
        uint32_t n = below(most + 1), *numbers = arena_array(&a, n, sizeof *numbers);
        int64_t *weights = arena_array(&a, n, sizeof *weights);
        for (uint32_t i = 0; i < n; i++) {
            numbers[i] = below(KEYS * VALUES * s->ids);
            int64_t there = counts[numbers[i]];
            weights[i] = append ? 1 : (int64_t)below(4) - 1;
            if (weights[i] <= 0) /* taken back, perhaps ahead of being given */
                weights[i] = there > 0 ? -(int64_t)(1 + below((uint32_t)there)) : 1;
            if (there + weights[i] > 3 && !append)
                weights[i] = there == 3 ? -3 : 3 - there;
            counts[numbers[i]] += weights[i];
        }
        push(s, w, batch_of(numbers, append ? NULL : weights, n, &a), &a);
    }
    if (!append && below(6) == 0)
        empty_stretch(s, &a);
    arena_release(&a);
}

/* What comes out is exactly the difference, where that is said. */
static void run_epochs(struct subject *s, uint32_t epochs, uint32_t most, bool least)
{
    memset(counts, 0, sizeof counts);
    bag_clear(found);
    subject_start(s);
    for (uint32_t e = 0; e < epochs; e++) {
        struct bag *kept = before;
        model(s);
        before = wanted;
        wanted = kept;
        found->added = 0;
        change_rows(s, e % 8 ? 2 : most);
        model(s);
        end_epoch(s);
        check_equal(s->node.kind == NODE_TOPN ? "topn" : "over");
        if (least)
            assert_int_equal(found->added, bag_difference(before, wanted));
        if (below(4) == 0)
            restart(s);
    }
    subject_stop(s);
}

static void test_topn_is_what_the_model_says(void **state)
{
    (void)state;
    static const enum over_kind kinds[] = {OVER_ROW_NUMBER, OVER_RANK, OVER_DENSE_RANK};
    static const int64_t limits[] = {1, 2, 3, 7, 100, 100000};
    for (uint32_t round = 0; round < 72; round++) {
        struct subject s;
        subject_init(&s, NODE_TOPN);
        s.ids = 1 + below(IDS_MOST);
        s.node.topn.kind = kinds[round % 3];
        s.node.topn.limit = limits[round / 3 % 6];
        s.input.mode = round / 18 % 2 ? MODE_APPEND : MODE_UPDATING;
        run_epochs(&s, 16, 1 + below(round % 5 ? 30 : 400), true);
    }
}

static const struct aggregate *aggregate_named(const char *name, enum type_id arg)
{
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        if (strcmp(g->name, name) == 0 && g->variant == AGGREGATE_PLAIN && g->arg == arg)
            return g;
    fail_msg("no aggregate %s", name);
    return NULL;
}

static void random_call(struct plan_over_call *c, struct type *type)
{
    static const int64_t sides[] = {-1, 0, 1, 2, 5, 40};
    *c = (struct plan_over_call){.kind = below(OVER_NTILE + 1), .arg = (int32_t)below(3), .otherwise = -1};
    c->distance = below(4) ? below(4) : below(200);
    c->otherwise = below(2) ? 0 : -1;
    c->peers = below(3) == 0;
    c->before = c->peers ? -1 : sides[below(ARRAY_LEN(sides))];
    c->after = c->peers ? -1 : sides[below(ARRAY_LEN(sides))];
    if (c->kind == OVER_NTH || c->kind == OVER_NTILE)
        c->distance++;
    *type = TYPE(TYPE_INT4);
    if (c->kind <= OVER_DENSE_RANK)
        *type = TYPE(TYPE_INT8);
    if (c->kind <= OVER_DENSE_RANK || c->kind == OVER_NTILE)
        c->arg = -1;
    if (c->kind != OVER_AGGREGATE)
        return;
    switch (below(3)) {
    case 0:
        c->arg = -1;
        c->function = aggregate_named("count", TYPE_UNKNOWN);
        break;
    case 1: c->function = aggregate_named("sum", TYPE_INT4); break;
    default: c->function = aggregate_named("max", TYPE_INT4);
    }
    *type = c->function->result(c->arg >= 0 ? TYPE(TYPE_INT4) : TYPE(TYPE_UNKNOWN));
}

static void test_over_is_what_the_model_says(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 120; round++) {
        struct subject s;
        subject_init(&s, NODE_OVER);
        s.ids = round % 4 ? 1 + below(20) : IDS_MOST;
        s.node.over.ncalls = 1 + below(round % 3 ? 1 : CALLS);
        s.node.schema.ncols = 3 + s.node.over.ncalls;
        for (uint32_t c = 0; c < s.node.over.ncalls; c++)
            random_call(&s.calls[c], &s.types[3 + c]);
        run_epochs(&s, 16, 1 + below(round % 4 ? 20 : 500), false);
    }
}

/* ---- the ordinal ---- */

static void test_the_first_of_equal_rows_is_the_one_read_first(void **state)
{
    (void)state;
    struct subject s;
    struct arena a = {0};
    subject_init(&s, NODE_TOPN);
    s.input.mode = MODE_APPEND;
    s.node.topn.kind = OVER_ROW_NUMBER;
    s.node.topn.limit = 1;
    bag_clear(found);
    subject_start(&s);
    for (uint32_t w = 0; w < WORKERS; w++) { /* equal keys; the least split has the greatest offsets and bytes */
        uint32_t numbers[2] = {1 + KEYS + KEYS * VALUES * (50 - w), 1 + KEYS + KEYS * VALUES * (90 - w)};
        int64_t offsets[2] = {40 + 10 * (int64_t)w, 7 + (int64_t)w};
        struct batch *b = batch_of(numbers, NULL, 2, &a);
        b->origin = &(struct origin){.source = 0, .split = 5 - w, .topic = "", .offset = offsets};
        push(&s, w, b, &a);
    }
    end_epoch(&s);
    assert_int_equal(*bag_at(found, "|1|1|88|1"), 1);
    uint32_t later = 1 + KEYS;
    int64_t offset = 0;
    struct batch *b = batch_of(&later, NULL, 1, &a);
    b->origin = &(struct origin){.source = 0, .split = 0, .topic = "", .offset = &offset};
    push(&s, 0, b, &a); /* a lesser split and offset, and a later epoch */
    end_epoch(&s);
    assert_int_equal(*bag_at(found, "|1|1|88|1"), 1);
    assert_int_equal(s.op->ops->keys(s.op), 1);
    subject_stop(&s);
    arena_release(&a);
}

/* ---- closing ---- */

static struct batch *timed(const int64_t *times, const int32_t *values, uint32_t n, int64_t weight, struct arena *a)
{
    static const struct type types[2] = {{.id = TYPE_TIMESTAMPTZ}, {.id = TYPE_INT4}};
    struct batch *b = batch_make(a, types, 2, n);
    int64_t *weights = arena_array(a, n, sizeof *weights);
    b->rows = b->live = n;
    for (uint32_t i = 0; i < n; i++) {
        ((int64_t *)b->cols[0].data)[i] = times[i];
        ((int32_t *)b->cols[1].data)[i] = values[i];
        weights[i] = weight;
    }
    b->weight = weights;
    return b;
}

static void check_closing(enum node_kind kind, enum node_mode mode, bool final)
{
    struct subject s;
    struct arena a = {0};
    static const int64_t times[] = {SECOND, SECOND, 2 * SECOND, 2 * SECOND, SECOND};
    static const int32_t values[] = {5, 3, 9, 8, 4};
    subject_init(&s, kind);
    s.types[0] = TYPE(TYPE_TIMESTAMPTZ);
    s.types[2] = TYPE(TYPE_INT8);
    s.input.schema.ncols = 2;
    s.input.mode = mode;
    s.node.schema.ncols = 3;
    s.node.closes = 0;
    s.node.final = final;
    s.sort[0] = (struct plan_sort_key){1, false, false};
    s.node.topn.kind = OVER_ROW_NUMBER;
    s.node.topn.limit = 2;
    s.node.over.ncalls = 1;
    s.calls[0] = (struct plan_over_call){.kind = OVER_ROW_NUMBER, .arg = -1, .otherwise = -1};
    bag_clear(found);
    subject_start(&s);
    push(&s, 0, timed(times, values, 5, 1, &a), &a);
    end_epoch(&s);
    uint64_t all = kind == NODE_OVER ? 5 : 4;
    assert_int_equal(found->added, final ? 0 : all);
    assert_int_equal(s.op->ops->keys(s.op), kind == NODE_TOPN && mode != MODE_UPDATING ? 4 : 5);
    restart(&s);
    found->added = 0;
    s.time.evict_us = SECOND;
    end_epoch(&s); /* the first second is closed */
    assert_int_equal(s.op->ops->keys(s.op), 2);
    assert_int_equal(found->added, final ? all - 2 : 0);
    assert_int_equal(*bag_at(found, "|1970-01-01 00:00:01+00|3|1"), 1);
    assert_int_equal(*bag_at(found, "|1970-01-01 00:00:01+00|4|2"), 1);
    assert_int_equal(*bag_at(found, "|1970-01-01 00:00:02+00|8|1"), !final);
    s.time = (struct op_time){SECOND, 3 * SECOND};
    push(&s, 1, timed(times, values, 3, 1, &a), &a); /* two of them late */
    end_epoch(&s);
    assert_int_equal(s.counts[1].late, 2);
    assert_int_equal(s.rejections[1].count, 2);
    assert_int_equal(s.op->ops->keys(s.op), 0);
    if (final)
        assert_int_equal(*bag_at(found, "|1970-01-01 00:00:02+00|9|2"), 1);
    subject_stop(&s);
    arena_release(&a);
}

static void test_partitions_close_by_event_time(void **state)
{
    (void)state;
    for (int final = 0; final < 2; final++)
        for (enum node_mode mode = MODE_APPEND; mode <= MODE_UPDATING; mode++) {
            check_closing(NODE_TOPN, mode, final);
            check_closing(NODE_OVER, mode, final);
        }
}

/* ---- recall ---- */

static void test_recall_gives_all_rows_once_more(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++)
        for (int loaded = 0; loaded < 2; loaded++) {
            struct subject s;
            subject_init(&s, kind ? NODE_OVER : NODE_TOPN);
            s.ids = 10;
            s.node.topn.kind = OVER_RANK;
            s.node.topn.limit = 5;
            s.node.over.ncalls = kind;
            s.calls[0] = (struct plan_over_call){.kind = OVER_LAG, .arg = 2, .otherwise = -1, .distance = 2};
            s.types[3] = TYPE(kind ? TYPE_INT4 : TYPE_INT8);
            memset(counts, 0, sizeof counts);
            bag_clear(found);
            subject_start(&s);
            change_rows(&s, 200);
            end_epoch(&s);
            if (loaded)
                restart(&s);
            bag_clear(found);
            s.op->ops->recall(s.op, 0, SHARDS);
            end_epoch(&s);
            model(&s);
            check_equal("recalled");
            change_rows(&s, 50); /* and it goes on from there */
            end_epoch(&s);
            model(&s);
            check_equal("after a recall");
            subject_stop(&s);
        }
}

/* ---- many rows of one partition ---- */

enum { HOT_ROWS = 100000, HOT_BATCH = 500 };

/* Rows that come in order change nothing that was there: each epoch hands out its own rows and no more. */
static void hot_rows(struct subject *s, bool backwards)
{
    static const struct type types[3] = {{.id = TYPE_INT4}, {.id = TYPE_INT4}, {.id = TYPE_INT4}};
    struct arena a = {0};
    s->sort[0] = (struct plan_sort_key){1, false, false};
    subject_start(s);
    for (int32_t at = 0; at < HOT_ROWS; at += HOT_BATCH) {
        struct batch *b = batch_make(&a, types, 3, HOT_BATCH);
        int64_t *weights = arena_array(&a, HOT_BATCH, sizeof *weights);
        b->rows = b->live = HOT_BATCH;
        b->weight = weights;
        for (int32_t i = 0; i < HOT_BATCH; i++) {
            ((int32_t *)b->cols[0].data)[i] = 1;
            ((int32_t *)b->cols[1].data)[i] = backwards ? HOT_ROWS - at - i : at + i;
            ((int32_t *)b->cols[2].data)[i] = 1;
            weights[i] = 1;
        }
        push(s, 0, b, &a);
        struct op_context c = context(s, 0, NULL);
        s->op->ops->merge(s->op, &c, 0, SHARDS);
        int64_t out = 0;
        for (struct batch *o; (o = s->op->ops->emit(s->op, &c));)
            out += batch_live(o);
        s->op->ops->emitted(s->op);
        assert_true(out <= HOT_BATCH * (backwards ? 2 : 1) + 4);
        arena_reset(&a);
    }
    assert_int_equal(s->op->ops->keys(s->op), HOT_ROWS);
    subject_stop(s);
    arena_release(&a);
}

static void test_a_hot_partition_costs_what_changes(void **state)
{
    (void)state;
    struct subject s;
    subject_init(&s, NODE_TOPN);
    s.node.topn.kind = OVER_ROW_NUMBER;
    s.node.topn.limit = 3;
    hot_rows(&s, false);
    hot_rows(&s, true);
    subject_init(&s, NODE_OVER);
    s.node.over.ncalls = 2;
    s.node.schema.ncols = 5;
    s.types[3] = TYPE(TYPE_INT4);
    s.types[4] = TYPE(TYPE_INT8);
    s.calls[0] = (struct plan_over_call){.kind = OVER_LAG, .arg = 1, .otherwise = -1, .distance = 1};
    s.calls[1] = (struct plan_over_call){.kind = OVER_AGGREGATE, .arg = 2, .otherwise = -1, .before = -1, .after = 0,
                                         .function = aggregate_named("sum", TYPE_INT4)};
    hot_rows(&s, false);
    s.calls[1].before = 3;
    hot_rows(&s, true);
}

static int set_up(void **state)
{
    (void)state;
    found = calloc(1, sizeof *found);
    wanted = calloc(1, sizeof *wanted);
    before = calloc(1, sizeof *before);
    pack_all();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct bag *bags[] = {found, wanted, before};
    for (int i = 0; i < 3; i++) {
        arena_release(&bags[i]->arena);
        free(bags[i]);
    }
    for (uint32_t i = 0; i < UNIVERSE; i++)
        buf_release(&packed[i].bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topn_is_what_the_model_says),
        cmocka_unit_test(test_over_is_what_the_model_says),
        cmocka_unit_test(test_the_first_of_equal_rows_is_the_one_read_first),
        cmocka_unit_test(test_partitions_close_by_event_time),
        cmocka_unit_test(test_recall_gives_all_rows_once_more),
        cmocka_unit_test(test_a_hot_partition_costs_what_changes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
