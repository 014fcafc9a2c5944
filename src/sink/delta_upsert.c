/* An upsert, worked out against one snapshot:
 *
 *   1. the change set is read, ascending by key (delta_change.c)
 *   2. files that may hold a changed key: by the log's bounds of the key columns, then by what is remembered or read of
 *      their keys (delta_keys.c)
 *   3. each is read; rows whose key is changed are marked as dropped, unless the new row is the same
 *   4. files with dropped rows are rewritten, the new row in the old one's place. New keys join a file of their
 *      partition that is rewritten anyway: the one whose keys begin next below, so that files stay clustered by key,
 *      like leaves of a B-tree; a file that outgrows the target size is split in even parts. Where none is rewritten
 *      they join a file that is small in proportion (so that small tables stay one file, and a key is moved O(log n)
 *      times), or make a new one.
 *
 * Everything reads the snapshot; nothing is remembered but facts about files, which never change. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/os.h"
#include "column/rowkey.h"
#include "sink/delta_sink.h"

/* Files above KEYS_FIRST are asked for their key columns before all columns are read. Rows of files that are read are
 * kept for the rewrite up to KEEP_BYTES of encoded files. JOIN_BYTES: always small enough to take new keys. */
static const uint64_t KEYS_FIRST = MIB(4), KEEP_BYTES = MIB(8), JOIN_BYTES = MIB(1);

/* What is to be done with one file of the snapshot. */
struct file_plan {
    const struct delta_file *file;
    struct slice least;     /* rowkey bytes of the lower bound of the first key column; data NULL: not known */
    struct slice partition; /* rowkey bytes of its partition values */
    uint64_t *drop;         /* bit per row in reading order */
    size_t drop_words;
    uint64_t rows, drops;
    struct batch **kept; /* its rows, NULL: read again */
    uint32_t nkept, kept_cap;
    bool rewrite;
    uint32_t first, placed; /* changes written to it: order[first..first+placed) */
};

struct upsert_run {
    struct upsert *u;
    struct delta_sink *s;
    struct changes *c;
    struct arena memory;
    struct file_plan *plans;
    uint32_t nplans, plans_cap;
    struct slice *searched; /* partitions in which a small file to join was looked for */
    uint32_t nsearched;
    uint64_t kept_bytes, new_bytes;
    struct error *err;
};

/* ---- reading the table's files ---- */

enum status sink_reader_open(const struct delta_sink *s, const struct delta_file *f, const uint32_t *only,
                             uint32_t nonly, struct arena *a, struct delta_reader **ret, struct error *err)
{
    uint32_t n = only ? nonly : s->schema.ncols - delta_sink_missing(s);
    struct schema want = {
        .ncols = n, .names = arena_array(a, n, sizeof *want.names), .types = arena_array(a, n, sizeof *want.types)};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t column = only ? only[i] : i;
        want.names[i] = s->schema.names[column];
        want.types[i] = s->schema.types[column];
    }
    if (delta_reader_open(s->table, f, &want, ret, err) != OK)
        return error_prefix(err, "%s", s->place);
    return OK;
}

enum status sink_reader_next(const struct delta_sink *s, struct delta_reader *r, struct arena *a, struct batch **ret,
                             struct error *err)
{
    struct batch *b = NULL;
    TRY(delta_sink_go_on(s, err));
    if (delta_reader_next(r, a, &b, err) != OK)
        return error_prefix(err, "%s", s->place);
    if (b && b->ncols < s->schema.ncols) {
        struct column *cols = arena_array(a, s->schema.ncols, sizeof *cols);
        memcpy(cols, b->cols, b->ncols * sizeof *cols);
        for (uint32_t i = b->ncols; i < s->schema.ncols; i++)
            cols[i] = column_make(a, s->schema.types[i], b->rows, true);
        b->cols = cols;
        b->ncols = s->schema.ncols;
    }
    *ret = b;
    return OK;
}

/* ---- 2. which files may hold a changed key ---- */

/* A uuid from the log's bound, which has its first 32 characters only: the rest is filled up with `rest`. */
static void uuid_bound(struct slice text, char rest, unsigned char ret[static 16])
{
    unsigned n = 0;
    memset(ret, 0, 16);
    for (size_t i = 0; n < 32; i++) {
        char c = i < text.len ? text.data[i] : rest;
        if (c == '-')
            continue;
        const char *digit = c ? strchr(hex_digits, c) : NULL;
        unsigned value = digit ? (unsigned)(digit - hex_digits) : (unsigned)(rest == 'f' ? 15 : 0);
        ret[n / 2] |= (unsigned char)(n % 2 ? value : value << 4);
        n++;
    }
}

/* The rowkey bytes of a bound of a key column, as our type. data NULL: no bound. */
static struct slice bound_key(struct upsert_run *r, const struct batch *bounds, uint32_t column, size_t row)
{
    struct column *c = &bounds->cols[column];
    if (column_is_null(c, row))
        return (struct slice){NULL, 0};
    struct column as_uuid = {.type = TYPE(TYPE_UUID)};
    unsigned char uuid[2][16];
    if (r->s->schema.types[column].id == TYPE_UUID && type_is_view(c->type)) {
        uuid_bound(view_slice(column_view(c, row)), row ? 'f' : '0', uuid[row]);
        as_uuid.data = uuid;
        c = &as_uuid;
    }
    AUTO(buf) key = BUF(ROWKEY_MAX);
    const uint32_t first = 0;
    rowkey_put(&key, c, &first, 1, row);
    return (struct slice){arena_dup(&r->memory, key.data, key.len), key.len};
}

/* The changes whose first key column lies within the file's bounds: [*ret_from, *ret_to). false: none can be there. */
static bool in_bounds(struct upsert_run *r, const struct batch *bounds, uint32_t *ret_from, uint32_t *ret_to)
{
    const struct delta_sink *s = r->s;
    *ret_from = 0;
    *ret_to = r->c->count;
    for (uint32_t i = 0; i < s->nkey; i++) {
        if (s->key[i] >= bounds->ncols)
            continue;
        struct slice least = bound_key(r, bounds, s->key[i], 0), most = bound_key(r, bounds, s->key[i], 1);
        if (least.data && slice_compare(least, r->c->most[i]) > 0)
            return false;
        if (most.data && slice_compare(most, r->c->least[i]) < 0)
            return false;
        if (i == 0 && least.data)
            *ret_from = changes_lower_bound(r->c, least);
        if (i == 0 && most.data) { /* keys that begin with `most` belong to it: the next value up ends the range */
            char *next = arena_dup(&r->memory, most.data, most.len);
            size_t at = most.len;
            while (at > 0 && (unsigned char)next[at - 1] == 0xff)
                at--;
            if (at > 0) {
                next[at - 1] = (char)((unsigned char)next[at - 1] + 1);
                *ret_to = changes_lower_bound(r->c, (struct slice){next, at});
            }
        }
    }
    return *ret_from < *ret_to;
}

/* Read the file's key columns, remember them, and tell whether a changed key is among them. */
static enum status learn_keys(struct upsert_run *r, const struct delta_file *f, bool *ret_holds)
{
    struct delta_sink *s = r->s;
    AUTO(arena) a = {0}, names = {0};
    AUTO(delta_reader) *reader = NULL;
    AUTO(buf) key = BUF(ROWKEY_MAX), hashes = BUF(GIB(4));
    TRY(sink_reader_open(s, f, s->key, s->nkey, &names, &reader, r->err));
    uint32_t *columns = arena_array(&names, s->nkey, sizeof *columns);
    for (uint32_t i = 0; i < s->nkey; i++)
        columns[i] = i;
    bool holds = false;
    for (;;) {
        struct batch *b = NULL;
        arena_reset(&a);
        TRY(delta_sink_go_on(s, r->err));
        TRY(delta_reader_next(reader, &a, &b, r->err));
        if (!b)
            break;
        for (uint32_t i = 0; i < batch_live(b); i++) {
            buf_clear(&key);
            rowkey_put(&key, b->cols, columns, s->nkey, batch_row(b, i));
            uint64_t hash = hash64(key.data, key.len, 0);
            buf_put_u64(&hashes, hash);
            holds = holds || changes_find(r->c, hash, buf_slice(&key));
        }
    }
    if (!hashes.overflow)
        key_cache_put(s->keys, f->path, (const uint64_t *)hashes.data, hashes.len / sizeof(uint64_t));
    *ret_holds = holds;
    return OK;
}

static struct slice partition_key(struct upsert_run *r, const struct batch *b, uint32_t row)
{
    const struct delta_metadata *m = &r->s->table->metadata;
    AUTO(buf) key = BUF(ROWKEY_MAX);
    rowkey_put(&key, b->cols, m->partition, m->npartition, row);
    return (struct slice){key.len ? arena_dup(&r->memory, key.data, key.len) : "", key.len};
}

static struct file_plan *add_plan(struct upsert_run *r, const struct delta_file *f)
{
    for (uint32_t i = 0; i < r->nplans; i++)
        if (r->plans[i].file == f)
            return &r->plans[i];
    r->plans = mem_grow(r->plans, r->nplans, &r->plans_cap, sizeof *r->plans);
    struct file_plan *p = &r->plans[r->nplans++];
    *p = (struct file_plan){.file = f};
    struct batch *bounds = delta_file_bounds(r->s->table, f, &r->memory);
    p->partition = partition_key(r, bounds, 0);
    if (r->s->key[0] < bounds->ncols)
        p->least = bound_key(r, bounds, r->s->key[0], 0);
    return p;
}

/* ---- 3. which rows go ---- */

static void drop_row(struct file_plan *p, uint64_t row)
{
    size_t words = BITMAP_WORDS(row + 1);
    if (words > p->drop_words) {
        size_t more = MAX(words, p->drop_words * 2);
        p->drop = mem_realloc(p->drop, more * sizeof *p->drop);
        memset(p->drop + p->drop_words, 0, (more - p->drop_words) * sizeof *p->drop);
        p->drop_words = more;
    }
    bit_set(p->drop, row);
    p->drops++;
}

static bool is_dropped(const struct file_plan *p, uint64_t row)
{
    return row / 64 < p->drop_words && bit_get(p->drop, row);
}

/* A row of the table whose key is changed: answers whether it goes. */
static bool meet(struct upsert_run *r, uint32_t plan, struct change *change, const struct batch *b, uint32_t row)
{
    if (change->fate != CHANGE_NEW)
        return true; /* the key a second time: somebody else appended it */
    if (change->remove) {
        change->fate = CHANGE_DELETED;
        return true;
    }
    if (rows_equal(change->batch, change->row, b, row)) {
        change->fate = CHANGE_SAME;
        return false;
    }
    change->fate = CHANGE_UPDATED;
    if (slice_equal(partition_key(r, change->batch, change->row), r->plans[plan].partition))
        change->file = plan;
    return true;
}

static void examine_batch(struct upsert_run *r, uint32_t plan, const struct batch *b, struct buf *key)
{
    struct file_plan *p = &r->plans[plan];
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        buf_clear(key);
        rowkey_put(key, b->cols, r->s->key, r->s->nkey, row);
        struct change *change = changes_find(r->c, hash64(key->data, key->len, 0), buf_slice(key));
        if (change && meet(r, plan, change, b, row))
            drop_row(p, p->rows);
        p->rows++;
    }
}

static void keep_rows(struct upsert_run *r, struct file_plan *p, struct batch *b)
{
    p->kept = arena_grow(&r->memory, p->kept, p->nkept, &p->kept_cap, sizeof(struct batch *));
    p->kept[p->nkept++] = b;
}

static enum status examine(struct upsert_run *r, uint32_t plan)
{
    struct file_plan *p = &r->plans[plan];
    bool keep = r->kept_bytes + p->file->bytes <= KEEP_BYTES;
    AUTO(arena) scratch = {0};
    AUTO(delta_reader) *reader = NULL;
    AUTO(buf) key = BUF(ROWKEY_MAX);
    TRY(sink_reader_open(r->s, p->file, NULL, 0, &r->memory, &reader, r->err));
    for (;;) {
        struct batch *b = NULL;
        arena_reset(&scratch);
        TRY(sink_reader_next(r->s, reader, keep ? &r->memory : &scratch, &b, r->err));
        if (!b)
            break;
        examine_batch(r, plan, b, &key);
        if (keep)
            keep_rows(r, p, b);
    }
    r->kept_bytes += keep ? p->file->bytes : 0;
    p->rewrite = p->drops > 0;
    return OK;
}

static enum status examine_files(struct upsert_run *r)
{
    const struct delta_table *t = r->s->table;
    for (uint32_t i = 0; i < delta_file_count(t) && r->c->count; i++) {
        const struct delta_file *f = delta_file_at(t, i);
        uint32_t from, to;
        bool holds = true;
        if (!in_bounds(r, delta_file_bounds(t, f, &r->memory), &from, &to))
            continue;
        if (!key_cache_ask(r->s->keys, f->path, r->c, from, to, &holds) && f->bytes > KEYS_FIRST)
            TRY(learn_keys(r, f, &holds));
        if (!holds)
            continue;
        add_plan(r, f);
        TRY(examine(r, r->nplans - 1));
    }
    return OK;
}

/* ---- 4. where new rows go ---- */

/* The file that is rewritten anyway whose keys begin next below this one; else the first above. */
static uint32_t leaf_for(const struct upsert_run *r, struct slice partition, struct slice key)
{
    uint32_t best = NO_FILE;
    for (uint32_t i = 0; i < r->nplans; i++) {
        const struct file_plan *p = &r->plans[i];
        if (!p->rewrite || p->file->bytes >= r->s->target_bytes || !slice_equal(p->partition, partition))
            continue;
        if (best == NO_FILE) {
            best = i;
            continue;
        }
        struct slice least = p->least.data ? p->least : (struct slice){"", 0};
        struct slice best_least = r->plans[best].least.data ? r->plans[best].least : (struct slice){"", 0};
        bool below = slice_compare(least, key) <= 0, best_below = slice_compare(best_least, key) <= 0;
        int order = slice_compare(least, best_least);
        if (below != best_below ? below : below ? order > 0 : order < 0)
            best = i;
    }
    return best;
}

/* A file that is small in proportion to what is new: joined by new keys. */
static uint32_t small_file(struct upsert_run *r, struct slice partition)
{
    const struct delta_table *t = r->s->table;
    uint64_t most = MIN(MAX(JOIN_BYTES, r->new_bytes * 2), r->s->target_bytes);
    const struct delta_file *best = NULL;
    for (uint32_t i = 0; i < delta_file_count(t); i++) {
        const struct delta_file *f = delta_file_at(t, i);
        if (f->bytes > most || (best && f->bytes >= best->bytes))
            continue;
        if (t->metadata.npartition && !slice_equal(partition_key(r, delta_file_bounds(t, f, &r->memory), 0), partition))
            continue;
        best = f;
    }
    if (!best)
        return NO_FILE;
    struct file_plan *p = add_plan(r, best);
    p->rewrite = true;
    return (uint32_t)(p - r->plans);
}

/* Has a small file been looked for in this partition? Only the first to ask is told no. */
static bool searched_before(struct upsert_run *r, struct slice partition)
{
    for (uint32_t i = r->nsearched; i-- > 0;)
        if (slice_equal(r->searched[i], partition))
            return true;
    r->searched = mem_realloc(r->searched, (r->nsearched + 1) * sizeof *r->searched);
    r->searched[r->nsearched++] = partition;
    return false;
}

static void place_new_rows(struct upsert_run *r)
{
    for (uint32_t i = 0; i < r->c->count; i++) {
        struct change *change = &r->c->items[i];
        bool homeless = change->fate == CHANGE_NEW || (change->fate == CHANGE_UPDATED && change->file == NO_FILE);
        if (!homeless || change->remove)
            continue;
        struct slice partition = partition_key(r, change->batch, change->row);
        change->file = leaf_for(r, partition, change->key);
        if (change->file == NO_FILE && !searched_before(r, partition))
            change->file = small_file(r, partition);
    }
}

/* ---- writing ---- */

/* Rows on their way into the stage, in order. */
struct rows_out {
    struct stage *stage;
    struct arena memory;
    struct batch *batch;
    uint32_t n;
};

static void out_begin(struct rows_out *o, const struct delta_sink *s)
{
    arena_reset(&o->memory);
    o->batch = batch_make(&o->memory, s->schema.types, s->schema.ncols, BATCH_ROWS);
    for (uint32_t i = 0; i < s->schema.ncols; i++)
        o->batch->cols[i].valid = arena_zarray(&o->memory, BITMAP_WORDS(BATCH_ROWS), sizeof(uint64_t));
    o->n = 0;
}

static enum status out_flush(struct rows_out *o, struct error *err)
{
    if (o->n == 0)
        return OK;
    o->batch->rows = o->batch->live = o->n;
    TRY(stage_add(o->stage, o->batch, err));
    for (uint32_t i = 0; i < o->batch->ncols; i++)
        memset(o->batch->cols[i].valid, 0, BITMAP_WORDS(BATCH_ROWS) * sizeof(uint64_t));
    o->n = 0;
    return OK;
}

static enum status out_row(struct rows_out *o, const struct batch *b, uint32_t row, struct error *err)
{
    if (o->n == BATCH_ROWS)
        TRY(out_flush(o, err));
    for (uint32_t i = 0; i < b->ncols; i++) {
        const struct column *from = &b->cols[i];
        struct column *to = &o->batch->cols[i];
        size_t width = type_width(from->type);
        memcpy((char *)to->data + o->n * width, (const char *)from->data + row * width, width);
        if (!column_is_null(from, row))
            bit_set(to->valid, o->n);
    }
    o->n++;
    return OK;
}

struct merge {
    struct upsert_run *r;
    struct file_plan *plan;
    const uint32_t *order; /* indexes of the changes that are written here, ascending by key */
    uint32_t next;
    uint64_t row;
    struct rows_out *out;
};

/* Write the changes whose key is at most `key`; data NULL: all that are left. */
static enum status merge_changes(struct merge *m, struct slice key)
{
    for (; m->next < m->plan->placed; m->next++) {
        const struct change *change = &m->r->c->items[m->order[m->next]];
        if (key.data && slice_compare(change->key, key) > 0)
            break;
        TRY(out_row(m->out, change->batch, change->row, m->r->err));
    }
    return OK;
}

static enum status merge_batch(struct merge *m, const struct batch *b, struct buf *key)
{
    const struct delta_sink *s = m->r->s;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        if (m->next < m->plan->placed) {
            buf_clear(key);
            rowkey_put(key, b->cols, s->key, s->nkey, row);
            TRY(merge_changes(m, buf_slice(key)));
        }
        if (!is_dropped(m->plan, m->row++))
            TRY(out_row(m->out, b, row, m->r->err));
    }
    return out_flush(m->out, m->r->err); /* strings of the batch are about to go */
}

static enum status merge_file(struct merge *m)
{
    struct upsert_run *r = m->r;
    AUTO(buf) key = BUF(ROWKEY_MAX);
    if (m->plan->kept) {
        for (uint32_t i = 0; i < m->plan->nkept; i++)
            TRY(merge_batch(m, m->plan->kept[i], &key));
        return merge_changes(m, (struct slice){NULL, 0});
    }
    AUTO(arena) scratch = {0};
    AUTO(delta_reader) *reader = NULL;
    TRY(sink_reader_open(r->s, m->plan->file, NULL, 0, &r->memory, &reader, r->err));
    for (;;) {
        struct batch *b = NULL;
        arena_reset(&scratch);
        TRY(sink_reader_next(r->s, reader, &scratch, &b, r->err));
        if (!b)
            return merge_changes(m, (struct slice){NULL, 0});
        TRY(merge_batch(m, b, &key));
    }
}

/* A file that outgrows the target is split in even parts, not in a full one and a splinter. */
static uint64_t roll_size(const struct upsert_run *r, const struct file_plan *p)
{
    uint64_t row_bytes = p->rows ? p->file->bytes / p->rows + 1 : 64;
    uint64_t bytes = p->file->bytes + row_bytes * p->placed, target = r->s->target_bytes;
    uint64_t parts = (bytes + target - 1) / target;
    return parts <= 1 ? target * 2 : bytes / parts + bytes / parts / 8;
}

static enum status rewrite(struct upsert_run *r, struct rows_out *out, struct file_plan *p, const uint32_t *order)
{
    struct upsert *u = r->u;
    u->stage.roll_bytes = roll_size(r, p);
    struct merge m = {.r = r, .plan = p, .order = order + p->first, .out = out};
    if (p->rows == 0 || p->drops < p->rows || p->placed)
        TRY(merge_file(&m));
    TRY(out_flush(out, r->err));
    TRY(stage_close_files(&u->stage, r->err));
    if (!os_planted_bug("delta_drops_remove"))
        u->removes[u->nremoves++] = p->file;
    return OK;
}

/* Sort the changes to be written by file (stable: by key within one); those without a file come last. */
static uint32_t *order_by_file(struct upsert_run *r, uint32_t *ret_rest, uint32_t *ret_nrest)
{
    uint32_t *order = arena_array(&r->memory, r->c->count + 1, sizeof *order);
    uint32_t *at = arena_zarray(&r->memory, r->nplans + 1, sizeof *at), sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < r->c->count; i++) {
            const struct change *c = &r->c->items[i];
            bool written = !c->remove && (c->fate == CHANGE_NEW || c->fate == CHANGE_UPDATED);
            if (!written)
                continue;
            uint32_t file = c->file == NO_FILE ? r->nplans : c->file;
            if (pass == 0)
                at[file]++;
            else
                order[at[file]++] = i;
        }
        for (uint32_t i = 0; i <= r->nplans && pass == 0; i++) {
            uint32_t n = at[i];
            if (i < r->nplans) {
                r->plans[i].first = sum;
                r->plans[i].placed = n;
            } else {
                *ret_rest = sum;
                *ret_nrest = n;
            }
            at[i] = sum;
            sum += n;
        }
    }
    return order;
}

static enum status write_files(struct upsert_run *r)
{
    struct rows_out out = {.stage = &r->u->stage};
    uint32_t rest = 0, nrest = 0;
    const uint32_t *order = order_by_file(r, &rest, &nrest);
    r->u->removes = arena_array(&r->u->memory, r->nplans + 1, sizeof(struct delta_file *));
    out_begin(&out, r->s);
    enum status status = OK;
    for (uint32_t i = 0; i < r->nplans && status == OK; i++)
        if (r->plans[i].rewrite)
            status = rewrite(r, &out, &r->plans[i], order);
    r->u->stage.roll_bytes = r->s->target_bytes;
    for (uint32_t i = 0; i < nrest && status == OK; i++) {
        const struct change *change = &r->c->items[order[rest + i]];
        status = out_row(&out, change->batch, change->row, r->err);
    }
    if (status == OK)
        status = out_flush(&out, r->err);
    if (status == OK)
        status = stage_close_files(&r->u->stage, r->err);
    arena_release(&out.memory);
    return status;
}

/* ---- all of it ---- */

static void count_rows(const struct changes *c, struct sink_result *result)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const struct change *change = &c->items[i];
        result->inserted += change->fate == CHANGE_NEW && !change->remove;
        result->updated += change->fate == CHANGE_UPDATED;
        result->deleted += change->fate == CHANGE_DELETED;
        result->unchanged += change->fate == CHANGE_SAME || (change->fate == CHANGE_NEW && change->remove);
    }
}

static void run_release(struct upsert_run *r)
{
    for (uint32_t i = 0; i < r->nplans; i++)
        free(r->plans[i].drop);
    free(r->plans);
    free(r->searched);
    arena_release(&r->memory);
}

enum status upsert_prepare(struct upsert *u, struct delta_sink *s, struct change_set *from, struct sink_result *result,
                           struct error *err)
{
    AUTO(changes) c = {0};
    stage_init(&u->stage, s);
    key_cache_trim(s->keys, s->table);
    TRY(changes_read(&c, s, from, err));
    struct upsert_run r = {.u = u, .s = s, .c = &c, .new_bytes = from->bytes, .err = err};
    enum status status = examine_files(&r);
    if (status == OK) {
        place_new_rows(&r);
        status = write_files(&r);
    }
    if (status == OK)
        count_rows(&c, result);
    run_release(&r);
    return status;
}

void upsert_release(struct upsert *u)
{
    stage_release(&u->stage);
    arena_release(&u->memory);
}
