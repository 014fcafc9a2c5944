/* A file that is a whole table, its rows upserted by key: one record a row, in the order of the keys.
 *
 *   1 the table with the change set into a temporary file, synced
 *   2 the mark: now = the file as it is, next = the temporary one
 *   3 rename
 *
 * So a reader sees one epoch or the next, never a mixture. The table is held in memory, as the records the file has; a
 * new process reads them back from it.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "column/rowkey.h"
#include "sink/file_sink.h"

static const size_t TABLE_LIMIT = GIB(4), RECORD_LIMIT = MIB(64), WRITE_BYTES = MIB(1);

struct record {
    struct slice key, text; /* text with its newline; of a change: data NULL = the row is gone */
};

struct file_table {
    struct arena arena;
    struct record *records; /* by key */
    size_t count;
};

void file_table_free(struct file_table *t)
{
    if (!t)
        return;
    arena_release(&t->arena);
    free(t);
}

static int by_key(const void *pa, const void *pb)
{
    const struct record *a = pa, *b = pb;
    int order = memcmp(a->key.data, b->key.data, MIN(a->key.len, b->key.len));
    return order ? order : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

/* A list of records that grows; its memory is in an arena. */
struct records {
    struct record *items;
    uint32_t count, cap;
};

static void records_add(struct records *r, struct record item, struct arena *a)
{
    r->items = arena_grow(a, r->items, r->count, &r->cap, sizeof *r->items);
    r->items[r->count++] = item;
}

static void sort_by_key(struct records *r)
{
    if (r->count > 1)
        qsort(r->items, r->count, sizeof *r->items, by_key);
}

static struct slice key_of(struct file_sink *s, const struct batch *b, uint32_t row, struct buf *scratch,
                           struct arena *a)
{
    buf_clear(scratch);
    rowkey_put(scratch, b->cols, s->key, s->nkey, row);
    return (struct slice){arena_dup(a, scratch->data, scratch->len), scratch->len};
}

/* ---- reading the file back ---- */

static enum status unreadable(struct file_sink *s, uint64_t offset, const char *why, struct error *err)
{
    (void)error_set(err, ERR_CORRUPT, "file %s: the record at byte %llu cannot be read back: %s", s->path,
                    (unsigned long long)offset, why);
    return error_hint(err, "the columns of the table may have changed; move the file away and begin with a new state");
}

static enum status take_batch(struct file_sink *s, struct decoder *d, struct view *raw, const struct slice *texts,
                              uint32_t rows, const char *first, struct records *into, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) scratch = BUF(RECORD_LIMIT);
    struct batch *b = batch_make(&a, s->schema.types, s->schema.ncols, rows);
    struct decoded got;
    d->ops->decode(d, raw, rows, b, &a, &got);
    for (uint32_t r = 0; r < rows; r++)
        if (bit_get(got.bad, r))
            return unreadable(s, (uint64_t)(texts[r].data - first), got.bad_text[r], err);
    if (got.nfields > 0)
        return unreadable(s, (uint64_t)(texts[got.fields[0].row].data - first), got.fields[0].text, err);
    for (uint32_t r = 0; r < rows; r++)
        records_add(into, (struct record){key_of(s, b, r, &scratch, &s->table->arena), texts[r]}, &s->table->arena);
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

static enum status read_records(struct file_sink *s, struct decoder *d, struct slice file, struct records *into,
                                struct error *err)
{
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
            TRY(take_batch(s, d, raw, texts, rows, file.data, into, err));
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
    struct slice kept = {arena_dup(&s->table->arena, file.data, file.len), file.len};
    size_t words = BITMAP_WORDS(s->schema.ncols);
    uint64_t *all = arena_alloc(&s->table->arena, words * sizeof *all);
    memset(all, 0xff, words * sizeof *all);
    struct decoder *d;
    TRY(s->format->decoder_new(&s->schema, all, &s->options, &d, err));
    struct records found = {0};
    enum status status = read_records(s, d, kept, &found, err);
    decoder_free(d);
    TRY(status);
    sort_by_key(&found);
    s->table->records = found.items;
    s->table->count = found.count;
    return OK;
}

enum status file_table_settle(struct file_sink *s, struct error *err)
{
    file_table_free(s->table);
    s->table = mem_zalloc(sizeof *s->table);
    return s->resync ? OK : load(s, err);
}

/* ---- applying ---- */

static enum status collect(struct file_sink *s, struct change_set *changes, struct records *into, struct arena *keep,
                           struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) scratch = BUF(RECORD_LIMIT);
    for (;;) {
        struct batch *b;
        enum status status = changes->next(changes, &a, &b, err);
        if (status == FAILED)
            return FAILED;
        if (status == AGAIN)
            break;
        for (uint32_t i = 0; i < batch_live(b); i++) {
            uint32_t row = batch_row(b, i);
            struct record change = {.key = key_of(s, b, row, &scratch, keep)};
            if (batch_weight(b, row) > 0) {
                struct batch one = *b;
                one.sel = &row;
                one.live = 1;
                buf_clear(&scratch);
                s->encoder->ops->encode(s->encoder, &one, &scratch);
                if (scratch.overflow)
                    return error_set(err, ERR_LIMIT, "file %s: a row is more than 64 MiB of text", s->path);
                change.text = (struct slice){arena_dup(keep, scratch.data, scratch.len), scratch.len};
            }
            records_add(into, change, keep);
        }
        arena_reset(&a);
    }
    sort_by_key(into);
    return OK;
}

static void merge_one(const struct record *old, const struct record *change, struct records *into, struct arena *a,
                      struct sink_result *result)
{
    const struct record *row = change ? change : old;
    if (change && old && change->text.data && slice_equal(change->text, old->text))
        result->unchanged++;
    else if (change && old)
        *(change->text.data ? &result->updated : &result->deleted) += 1;
    else if (change && change->text.data)
        result->inserted++;
    if (!row->text.data)
        return;
    struct record kept = {{arena_dup(a, row->key.data, row->key.len), row->key.len},
                          {arena_dup(a, row->text.data, row->text.len), row->text.len}};
    records_add(into, kept, a);
}

static struct file_table *merge(const struct file_table *old, const struct records *changes, struct sink_result *result)
{
    struct file_table *t = mem_zalloc(sizeof *t);
    struct records into = {0};
    size_t i = 0, k = 0;
    while (i < old->count || k < changes->count) {
        int order = i == old->count ? 1 : k == changes->count ? -1 : by_key(&old->records[i], &changes->items[k]);
        merge_one(order <= 0 ? &old->records[i] : NULL, order >= 0 ? &changes->items[k] : NULL, &into, &t->arena,
                  result);
        i += order <= 0;
        k += order >= 0;
    }
    t->records = into.items;
    t->count = into.count;
    return t;
}

static enum status write_out(int fd, struct buf *out, struct file_version *version, struct error *err)
{
    TRY(os_file_write(fd, out->data, out->len, err));
    version->crc = crc32c(version->crc, out->data, out->len);
    version->length += out->len;
    buf_clear(out);
    return OK;
}

static enum status write_table(struct file_sink *s, const struct file_table *t, struct file_version *version,
                               struct error *err)
{
    AUTO_FD fd = -1;
    AUTO(buf) out = BUF(TABLE_LIMIT);
    TRY(os_file_open(s->temporary, OS_REPLACE, &fd, err));
    s->encoder->ops->begin(s->encoder, &out);
    for (size_t i = 0; i < t->count; i++) {
        buf_put_slice(&out, t->records[i].text);
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

static enum status put_table(struct file_sink *s, struct file_table *t, int64_t epoch, struct sink_result *result,
                             struct error *err)
{
    struct file_mark next = s->mark;
    next.next = (struct file_version){.epoch = epoch};
    TRY(write_table(s, t, &next.next, err));
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

static enum status apply_to(struct file_sink *s, const struct file_table *old, struct change_set *changes,
                            struct sink_result *ret, struct error *err)
{
    AUTO(arena) a = {0};
    struct records list = {0};
    struct sink_result result = {.version = -1};
    TRY(collect(s, changes, &list, &a, err));
    struct file_table *t = merge(old, &list, &result);
    if (put_table(s, t, changes->to, &result, err) != OK) {
        file_table_free(t);
        return FAILED;
    }
    file_table_free(s->table);
    s->table = t;
    *ret = result;
    return OK;
}

enum status file_table_apply(struct sink *base, struct change_set *changes, struct sink_result *ret, struct error *err)
{
    struct file_sink *s = (struct file_sink *)base;
    *ret = (struct sink_result){.version = -1};
    if (changes->to <= s->mark.now.epoch)
        return OK;
    return apply_to(s, s->table, changes, ret, err);
}

enum status file_table_resync(struct sink *base, struct change_set *all_rows, struct error *err)
{
    const struct file_table empty = {0};
    struct sink_result ignored;
    return apply_to((struct file_sink *)base, &empty, all_rows, &ignored, err);
}
