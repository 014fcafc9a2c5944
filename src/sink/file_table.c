/* A file that is a whole table, its rows upserted by key: one record a row, in the order of the keys.
 *
 *   1 the table with the change set into a temporary file, synced
 *   2 the mark: now = the file as it is, next = the temporary one
 *   3 rename
 *
 * So a reader sees one epoch or the next, never a mixture. The table is held in memory, as the records the file has; a
 * new process reads them back from it. A change set is put in order by itself and then merged with them; what is staged
 * is put in order when it comes, so that merging and writing alone are left to 1.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "column/rowkey.h"
#include "sink/file_runs.h"
#include "sink/file_sink.h"

enum { STAGED_MOST = 32 };
static const size_t TABLE_LIMIT = GIB(4), RECORD_LIMIT = MIB(64), WRITE_BYTES = MIB(1), SPARSE_LEAST = MIB(1);

/* What records say. */
struct said {
    struct said *next;
    struct arena arena;
};

struct file_table {
    struct run rows;                /* as the file has them */
    struct run staged[STAGED_MOST]; /* changes that are not in the file, oldest first */
    uint32_t nstaged;
    int64_t staged_to; /* the last epoch of them */
    struct said *said; /* by all of these, and by what is no more */
};

static struct arena *say(struct file_table *t)
{
    struct said *more = mem_zalloc(sizeof *more);
    more->next = t->said;
    t->said = more;
    return &more->arena;
}

/* Returns the next. */
static struct said *unsay(struct said *s)
{
    struct said *next = s->next;
    arena_release(&s->arena);
    free(s);
    return next;
}

static void drop_staged(struct file_table *t)
{
    while (t->nstaged > 0)
        run_release(&t->staged[--t->nstaged]);
}

void file_table_free(struct file_table *t)
{
    if (!t)
        return;
    drop_staged(t);
    run_release(&t->rows);
    while (t->said)
        t->said = unsay(t->said);
    free(t);
}

static struct slice key_of(struct file_sink *s, const struct batch *b, uint32_t row, struct buf *scratch)
{
    buf_clear(scratch);
    rowkey_put(scratch, b->cols, s->key, s->nkey, row);
    return buf_slice(scratch);
}

/* ---- reading the file back ---- */

static enum status unreadable(struct file_sink *s, uint64_t offset, const char *why, struct error *err)
{
    (void)error_set(err, ERR_CORRUPT, "file %s: the record at byte %llu cannot be read back: %s", s->path,
                    (unsigned long long)offset, why);
    return error_hint(err, "the columns of the table may have changed; move the file away and begin with a new state");
}

static enum status take_batch(struct file_sink *s, struct decoder *d, struct view *raw, const struct slice *texts,
                              uint32_t rows, const char *first, struct arena *said, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) scratch = BUF(ROWKEY_MAX);
    struct batch *b = batch_make(&a, s->schema.types, s->schema.ncols, rows);
    struct decoded got;
    d->ops->decode(d, raw, rows, b, &a, &got);
    for (uint32_t r = 0; r < rows; r++)
        if (bit_get(got.bad, r))
            return unreadable(s, (uint64_t)(texts[r].data - first), got.bad_text[r], err);
    if (got.nfields > 0)
        return unreadable(s, (uint64_t)(texts[got.fields[0].row].data - first), got.fields[0].text, err);
    for (uint32_t r = 0; r < rows; r++)
        run_add(&s->table->rows, key_of(s, b, r, &scratch), texts[r], said);
    return OK;
}

static size_t record_length(const struct file_sink *s, const char *p, const char *end)
{
    const char *next = s->format->record_end ? s->format->record_end(s->format->record_style(&s->options), p, end)
                                             : memchr(p, '\n', (size_t)(end - p));
    if (next && !s->format->record_end)
        next++;
    return next ? (size_t)(next - p) : (size_t)(end - p);
}

static enum status read_records(struct file_sink *s, struct decoder *d, struct slice file, struct error *err)
{
    if (file.len == 0)
        return OK;
    struct arena *said = say(s->table);
    struct view raw[BATCH_ROWS];
    struct slice texts[BATCH_ROWS];
    uint32_t rows = 0;
    AUTO(buf) heading = BUF(RECORD_LIMIT);
    s->encoder->ops->begin(s->encoder, &heading);
    const char *p = file.data + MIN(heading.len, file.len), *end = file.data + file.len;
    while (p < end) {
        size_t n = record_length(s, p, end);
        texts[rows] = (struct slice){p, n};
        raw[rows++] = view_of(p, n - 1);
        p += n;
        if (rows == BATCH_ROWS || p == end) {
            TRY(take_batch(s, d, raw, texts, rows, file.data, said, err));
            rows = 0;
        }
    }
    return OK;
}

static enum status load(struct file_sink *s, struct error *err)
{
    AUTO(buf) file = BUF(TABLE_LIMIT);
    struct os_stat st;
    TRY(os_stat(s->path, &st, err));
    if (st.kind == OS_FILE)
        TRY(os_file_slurp(s->path, &file, err));
    struct file_mark *m = &s->mark;
    uint32_t crc = crc32c(0, file.data, file.len);
    if (file.len == m->next.length && crc == m->next.crc)
        m->now = m->next;
    else if (file.len != m->now.length || crc != m->now.crc) {
        (void)error_set(err, ERR_STATE, "file %s was changed by somebody else since epoch %lld was written", s->path,
                        (long long)m->now.epoch);
        return error_hint(err, s->in_state ? "restore it, or let --resync write it anew from the state"
                                           : "restore it, or move it away and begin with a new state");
    }
    if (st.kind == OS_FILE) /* whoever renamed it may have ended before that was durable */
        TRY(file_sync_folder(s->path, err));
    AUTO(arena) a = {0};
    size_t words = BITMAP_WORDS(s->schema.ncols);
    uint64_t *all = arena_alloc(&a, words * sizeof *all);
    memset(all, 0xff, words * sizeof *all);
    struct decoder *d;
    TRY(s->format->decoder_new(&s->schema, all, &s->options, &d, err));
    enum status status = read_records(s, d, buf_slice(&file), err);
    decoder_free(d);
    TRY(status);
    run_sort(&s->table->rows);
    return OK;
}

enum status file_table_settle(struct file_sink *s, struct error *err)
{
    file_table_free(s->table);
    s->table = mem_zalloc(sizeof *s->table);
    return s->resync ? OK : load(s, err);
}

/* ---- changes ---- */

struct encoding {
    struct file_sink *sink;
    struct run *into;
    struct arena *said;
    struct buf key, text; /* scratch */
};

static enum status add_rows(struct encoding *e, const struct batch *b, struct error *err)
{
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        struct slice key = key_of(e->sink, b, row, &e->key);
        buf_clear(&e->text);
        if (batch_weight(b, row) > 0) {
            struct batch one = *b;
            one.sel = &row;
            one.live = 1;
            e->sink->encoder->ops->encode(e->sink->encoder, &one, &e->text);
            if (e->text.overflow)
                return error_set(err, ERR_LIMIT, "file %s: a row is more than 64 MiB of text", e->sink->path);
        }
        run_add(e->into, key, buf_slice(&e->text), e->said);
    }
    return OK;
}

static enum status add_changes(struct encoding *e, struct change_set *changes, struct error *err)
{
    AUTO(arena) a = {0};
    struct batch *b;
    enum status status;
    while ((status = change_set_next(changes, e->sink->cancelled, &a, &b, err)) == OK)
        TRY(add_rows(e, b, err));
    return status == AGAIN ? OK : FAILED;
}

/* The change set as a run in order, its bytes in the arena. */
static enum status collect(struct file_sink *s, struct change_set *changes, struct run *into, struct arena *said,
                           struct error *err)
{
    struct encoding e = {s, into, said, BUF(ROWKEY_MAX), BUF(RECORD_LIMIT)};
    enum status status = add_changes(&e, changes, err);
    buf_release(&e.key);
    buf_release(&e.text);
    if (status == OK)
        run_sort(into);
    return status;
}

static size_t count_said(const struct run *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->count; i++)
        bytes += (size_t)r->items[i].key_len + r->items[i].text_len;
    return bytes;
}

static void say_run(struct run *r, struct arena *a)
{
    for (size_t i = 0; i < r->count; i++) {
        run_fetch(r, i, (size_t)r->items[i].key_len + r->items[i].text_len);
        r->items[i].bytes = arena_dup(a, r->items[i].bytes, (size_t)r->items[i].key_len + r->items[i].text_len);
    }
}

/* Where half of what was said is no more, the rest is said anew, in the order in which it is written. */
static void say_anew(struct file_table *t)
{
    size_t all = 0, live = count_said(&t->rows);
    for (const struct said *s = t->said; s; s = s->next)
        all += s->arena.total;
    for (uint32_t i = 0; i < t->nstaged; i++)
        live += count_said(&t->staged[i]);
    if (all < SPARSE_LEAST || all / 2 < live)
        return;
    struct said *old = t->said;
    t->said = NULL;
    struct arena *a = say(t);
    say_run(&t->rows, a);
    for (uint32_t i = 0; i < t->nstaged; i++)
        say_run(&t->staged[i], a);
    while (old)
        old = unsay(old);
}

/* Those that are there become one. */
static void merge_staged(struct file_table *t)
{
    struct run *runs[STAGED_MOST], one;
    for (uint32_t i = 0; i < t->nstaged; i++)
        runs[i] = &t->staged[i];
    runs_merge(runs, t->nstaged, &one);
    drop_staged(t);
    t->staged[t->nstaged++] = one;
}

static enum status stage(struct file_sink *s, struct file_table *t, struct change_set *changes, struct error *err)
{
    if (changes->to <= t->staged_to)
        return OK;
    if (t->nstaged == STAGED_MOST) {
        merge_staged(t);
        say_anew(t);
    }
    struct run run = {0};
    if (collect(s, changes, &run, say(t), err) != OK) {
        run_release(&run);
        t->said = unsay(t->said);
        return FAILED;
    }
    t->staged[t->nstaged++] = run;
    t->staged_to = changes->to;
    return OK;
}

enum status file_table_stage(struct sink *base, struct change_set *changes, struct error *err)
{
    struct file_sink *s = (struct file_sink *)base;
    enum status status = stage(s, s->table, changes, err);
    if (status != OK) {
        drop_staged(s->table);
        s->table->staged_to = 0;
    }
    return status;
}

/* ---- applying ---- */

static void pass_one(const struct record *old, const struct record *change, struct run *into,
                     struct sink_result *result)
{
    const struct record *row = change ? change : old;
    if (change && old && change->text_len && slice_equal(record_text(change), record_text(old)))
        result->unchanged++;
    else if (change && old)
        *(change->text_len ? &result->updated : &result->deleted) += 1;
    else if (change && change->text_len)
        result->inserted++;
    if (row->text_len)
        run_pass(into, row);
}

/* The rows with the changes, which have met. */
static void put_changes(const struct run *old, const struct run *changes, struct run *into, struct sink_result *result)
{
    size_t i = 0, k = 0;
    run_begin(into, old->count + changes->count, changes);
    while (i < old->count || k < changes->count) {
        int order = i == old->count         ? 1
                    : k == changes->count   ? -1
                                            : run_compare(old, &old->items[i], &changes->items[k]);
        pass_one(order <= 0 ? &old->items[i] : NULL, order >= 0 ? &changes->items[k] : NULL, into, result);
        i += order <= 0;
        k += order >= 0;
    }
}

static enum status write_out(int fd, struct buf *out, struct file_version *version, struct error *err)
{
    TRY(os_file_write(fd, out->data, out->len, err));
    version->crc = crc32c(version->crc, out->data, out->len);
    version->length += out->len;
    buf_clear(out);
    return OK;
}

static enum status write_table(struct file_sink *s, const struct run *rows, struct file_version *version,
                               struct error *err)
{
    AUTO_FD fd = -1;
    AUTO(buf) out = BUF(TABLE_LIMIT);
    TRY(os_file_open(s->temporary, OS_REPLACE, &fd, err));
    s->encoder->ops->begin(s->encoder, &out);
    for (size_t i = 0; i < rows->count; i++) {
        run_fetch(rows, i, (size_t)rows->items[i].key_len + rows->items[i].text_len);
        buf_put_slice(&out, record_text(&rows->items[i]));
        if (out.len >= WRITE_BYTES)
            TRY(write_out(fd, &out, version, err));
        if (atomic_load(s->cancelled))
            return error_set(err, ERR_INTERRUPTED, "stopped while writing file %s", s->path);
    }
    TRY(write_out(fd, &out, version, err));
    if (version->length > TABLE_LIMIT) {
        (void)error_set(err, ERR_LIMIT, "file %s would have more than 4 GiB", s->path);
        return error_hint(err, "a table of this size belongs into Delta or PostgreSQL");
    }
    return os_file_sync(fd, err);
}

static enum status put_table(struct file_sink *s, const struct run *rows, int64_t epoch, struct sink_result *result,
                             struct error *err)
{
    struct file_mark next = s->mark;
    next.next = (struct file_version){.epoch = epoch};
    TRY(write_table(s, rows, &next.next, err));
    if (os_planted_bug("file_replaced_before_mark"))
        TRY(file_replace(s->temporary, s->path, err));
    TRY(file_mark_store(s->path, &next, err));
    if (!os_planted_bug("file_replaced_before_mark"))
        TRY(file_replace(s->temporary, s->path, err));
    next.now = next.next;
    s->mark = next;
    result->bytes_written = next.now.length;
    result->files_added = result->files_removed = 1;
    return OK;
}

/* What was staged, and the change set, which is staged first: what fails behind that is done again without it. */
static enum status apply_to(struct file_sink *s, struct file_table *t, struct change_set *changes,
                            struct sink_result *ret, struct error *err)
{
    struct sink_result result = {.version = -1};
    struct run rows;
    TRY(stage(s, t, changes, err));
    merge_staged(t);
    runs_meet((struct run *[]){&t->rows, &t->staged[0]}, 2);
    put_changes(&t->rows, &t->staged[0], &rows, &result);
    if (put_table(s, &rows, changes->to, &result, err) != OK) {
        run_release(&rows);
        return FAILED;
    }
    drop_staged(t);
    run_release(&t->rows);
    t->rows = rows;
    say_anew(t);
    *ret = result;
    return OK;
}

enum status file_table_apply(struct sink *base, struct change_set *changes, struct sink_result *ret, struct error *err)
{
    struct file_sink *s = (struct file_sink *)base;
    *ret = (struct sink_result){.version = -1};
    if (changes->to <= s->mark.now.epoch)
        return OK;
    if (changes->staged)
        TRY(changes->rest(changes, err));
    if (os_planted_bug("file_staged_lost")) {
        drop_staged(s->table);
        s->table->staged_to = 0;
    }
    return apply_to(s, s->table, changes, ret, err);
}

enum status file_table_resync(struct sink *base, struct change_set *all_rows, struct error *err)
{
    struct file_sink *s = (struct file_sink *)base;
    struct sink_result ignored;
    file_table_free(s->table);
    s->table = mem_zalloc(sizeof *s->table);
    return apply_to(s, s->table, all_rows, &ignored, err);
}
