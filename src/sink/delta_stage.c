#include <stdlib.h>

#include "base/os.h"
#include "column/rowkey.h"
#include "sink/delta_sink.h"

/* Past this many open partitions the largest file is closed early: memory stays bounded, files become smaller. */
enum { MAX_OPEN_WRITERS = 64 };

struct stage_writer {
    uint64_t hash;
    struct slice key; /* rowkey bytes of the partition values */
    const char **partition;
    struct parquet_writer *parquet; /* NULL: nothing open */
    uint32_t *sel, nsel;            /* rows of the batch at hand */
};

static bool is_partition(const struct delta_metadata *m, uint32_t column)
{
    for (uint32_t i = 0; i < m->npartition; i++)
        if (m->partition[i] == column)
            return true;
    return false;
}

void stage_init(struct stage *st, struct delta_sink *s)
{
    *st = (struct stage){.sink = s, .roll_bytes = s->target_bytes};
    const struct delta_metadata *m = &s->table->metadata;
    uint32_t n = s->schema.ncols;
    st->columns = arena_array(&st->memory, n, sizeof *st->columns);
    st->data = (struct schema){.names = arena_array(&st->memory, n, sizeof *st->data.names),
                               .types = arena_array(&st->memory, n, sizeof *st->data.types),
                               .nullable = arena_array(&st->memory, n, sizeof *st->data.nullable)};
    for (uint32_t i = 0; i < n; i++) {
        if (is_partition(m, i))
            continue;
        uint32_t to = st->data.ncols++;
        st->columns[to] = i;
        st->data.names[to] = s->schema.names[i];
        st->data.types[to] = s->schema.types[i];
        st->data.nullable[to] = !s->schema.nullable || s->schema.nullable[i];
    }
}

/* ---- one file ---- */

static struct delta_add *new_add(struct stage *st)
{
    st->adds = arena_grow(&st->memory, st->adds, st->nadds, &st->cap, sizeof *st->adds);
    return &st->adds[st->nadds];
}

static enum status put_file(struct stage *st, const char **partition, const struct parquet_file *file,
                            struct error *err)
{
    const struct delta_table *t = st->sink->table;
    AUTO(buf) path = BUF(KIB(64));
    delta_new_path(t, partition, st->sink->codec, &path);
    AUTO(buf) stats = BUF(MIB(1));
    delta_stats_json(file, &stats);
    TRY(delta_put_file(t, buf_cstr(&path), file, err));
    struct delta_add *add = new_add(st);
    *add = (struct delta_add){.path = arena_strdup(&st->memory, buf_cstr(&path)),
                              .partition = partition,
                              .bytes = file->bytes,
                              .modified_ms = os_now_us() / 1000,
                              .stats = stats.overflow ? NULL : arena_strdup(&st->memory, buf_cstr(&stats))};
    st->nadds++;
    guard_add(&st->guard, add->path, file);
    st->rows += file->rows;
    st->bytes += file->bytes;
    return OK;
}

static void hold_file(struct stage *st, const char **partition, struct parquet_writer *parquet,
                      const struct parquet_file *file)
{
    st->held = arena_grow(&st->memory, st->held, st->nheld, &st->held_cap, sizeof *st->held);
    st->held[st->nheld++] = (struct held_file){partition, parquet, *file};
    st->held_bytes += file->bytes;
}

/* Finish the writer's file and put it; ahead, it is held until all are closed. */
static enum status close_file(struct stage *st, struct stage_writer *w, struct error *err)
{
    if (!w->parquet)
        return OK;
    struct parquet_file file;
    TRY(parquet_writer_finish(w->parquet, &file, err));
    if (st->ahead) {
        hold_file(st, w->partition, w->parquet, &file);
    } else {
        TRY(put_file(st, w->partition, &file, err));
        parquet_writer_free(w->parquet);
    }
    w->parquet = NULL;
    return OK;
}

static enum status put_held(struct stage *st, struct error *err)
{
    for (uint32_t i = 0; i < st->nheld; i++) {
        struct held_file *h = &st->held[i];
        if (!h->parquet)
            continue;
        TRY(put_file(st, h->partition, &h->file, err));
        parquet_writer_free(h->parquet);
        h->parquet = NULL;
    }
    st->nheld = 0;
    st->held_bytes = 0;
    return OK;
}

uint64_t stage_bytes(const struct stage *st)
{
    uint64_t bytes = st->held_bytes;
    for (uint32_t i = 0; i < st->nwriters; i++)
        bytes += st->writers[i].parquet ? parquet_writer_bytes(st->writers[i].parquet) : 0;
    return bytes;
}

static enum status close_largest(struct stage *st, struct error *err)
{
    struct stage_writer *largest = NULL;
    uint64_t bytes = 0;
    uint32_t open = 0;
    for (uint32_t i = 0; i < st->nwriters; i++) {
        struct stage_writer *w = &st->writers[i];
        if (!w->parquet)
            continue;
        open++;
        if (!largest || parquet_writer_bytes(w->parquet) > bytes) {
            largest = w;
            bytes = parquet_writer_bytes(w->parquet);
        }
    }
    return open > MAX_OPEN_WRITERS ? close_file(st, largest, err) : OK;
}

static enum status write_rows(struct stage *st, struct stage_writer *w, const struct batch *b, struct error *err)
{
    if (!w->parquet) {
        const struct parquet_options options = {.codec = st->sink->codec};
        w->parquet = parquet_writer_new(&st->data, &options);
    }
    TRY(parquet_writer_add(w->parquet, b, err));
    if (parquet_writer_bytes(w->parquet) >= st->roll_bytes)
        return close_file(st, w, err);
    return close_largest(st, err);
}

/* ---- which file a row goes to ---- */

/* The partition's values as the log spells them. */
static const char **partition_values(struct stage *st, const struct batch *b, uint32_t row)
{
    const struct delta_metadata *m = &st->sink->table->metadata;
    const char **values = arena_array(&st->memory, m->npartition, sizeof *values);
    AUTO(buf) text = BUF(MIB(16));
    for (uint32_t i = 0; i < m->npartition; i++) {
        buf_clear(&text);
        values[i] = NULL;
        if (delta_partition_print(&b->cols[m->partition[i]], row, &text))
            values[i] = arena_strdup(&st->memory, buf_cstr(&text));
    }
    return values;
}

static void index_writer(struct stage *st, uint32_t writer)
{
    uint32_t at = (uint32_t)st->writers[writer].hash & st->mask;
    while (st->slots[at])
        at = (at + 1) & st->mask;
    st->slots[at] = writer + 1;
}

static void grow_writers(struct stage *st)
{
    st->writers_cap = st->writers_cap ? st->writers_cap * 2 : 8;
    st->writers = mem_realloc(st->writers, st->writers_cap * sizeof *st->writers);
    free(st->slots);
    st->slots = mem_zalloc(st->writers_cap * 2 * sizeof *st->slots);
    st->mask = st->writers_cap * 2 - 1;
    for (uint32_t i = 0; i < st->nwriters; i++)
        index_writer(st, i);
}

static struct stage_writer *writer_of(struct stage *st, const struct batch *b, uint32_t row, struct slice key)
{
    uint64_t hash = hash64(key.data, key.len, 0);
    for (uint32_t at = (uint32_t)hash; st->slots && st->slots[at & st->mask]; at++) {
        struct stage_writer *w = &st->writers[st->slots[at & st->mask] - 1];
        if (w->hash == hash && slice_equal(w->key, key))
            return w;
    }
    if (st->nwriters == st->writers_cap)
        grow_writers(st);
    struct stage_writer *w = &st->writers[st->nwriters++];
    *w = (struct stage_writer){.hash = hash,
                               .key = {arena_dup(&st->memory, key.data, key.len), key.len},
                               .partition = partition_values(st, b, row)};
    index_writer(st, st->nwriters - 1);
    return w;
}

/* Give every live row to the writer of its partition. */
static void distribute(struct stage *st, const struct batch *b, struct arena *scratch)
{
    const struct delta_metadata *m = &st->sink->table->metadata;
    AUTO(buf) key = BUF(ROWKEY_MAX);
    struct stage_writer *w = NULL;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        buf_clear(&key);
        rowkey_put(&key, b->cols, m->partition, m->npartition, row);
        if (!w || !slice_equal(w->key, buf_slice(&key)))
            w = writer_of(st, b, row, buf_slice(&key));
        if (!w->sel)
            w->sel = arena_array(scratch, b->rows, sizeof *w->sel);
        w->sel[w->nsel++] = row;
    }
}

enum status stage_add(struct stage *st, const struct batch *b, struct error *err)
{
    if (batch_live(b) == 0)
        return OK;
    AUTO(arena) scratch = {0};
    for (uint32_t i = 0; i < st->nwriters; i++) {
        st->writers[i].sel = NULL;
        st->writers[i].nsel = 0;
    }
    struct batch part = *b;
    part.ncols = st->data.ncols;
    part.cols = arena_array(&scratch, st->data.ncols, sizeof *part.cols);
    for (uint32_t i = 0; i < st->data.ncols; i++)
        part.cols[i] = b->cols[st->columns[i]];
    if (st->sink->table->metadata.npartition == 0)
        return write_rows(st, writer_of(st, b, 0, (struct slice){"", 0}), &part, err);
    distribute(st, b, &scratch);
    for (uint32_t i = 0; i < st->nwriters; i++) {
        struct stage_writer *w = &st->writers[i];
        if (w->nsel == 0)
            continue;
        part.sel = w->sel;
        part.live = w->nsel;
        TRY(write_rows(st, w, &part, err));
    }
    return OK;
}

enum status stage_add_all(struct stage *st, struct change_set *c, struct error *err)
{
    AUTO(arena) a = {0};
    struct batch *b;
    enum status status;
    while ((status = change_set_next(c, st->sink->cancelled, &a, &b, err)) == OK)
        TRY(stage_add(st, b, err));
    return status == AGAIN ? OK : FAILED;
}

enum status stage_close_files(struct stage *st, struct error *err)
{
    st->ahead = false;
    TRY(put_held(st, err));
    for (uint32_t i = 0; i < st->nwriters; i++)
        TRY(close_file(st, &st->writers[i], err));
    return OK;
}

/* ---- afterwards ---- */

enum status stage_check(const struct stage *st, bool *ret_complete, struct error *err)
{
    const struct delta_table *t = st->sink->table;
    AUTO(buf) name = BUF(KIB(64));
    for (uint32_t i = 0; i < st->nadds; i++) {
        struct store_object object;
        struct error why;
        buf_clear(&name);
        delta_object_name(t, st->adds[i].path, &name);
        if (t->store->ops->head(t->store, buf_cstr(&name), &object, &why) == OK)
            continue;
        if (why.code != ERR_NOT_FOUND)
            return *err = why, FAILED;
        *ret_complete = false;
        return OK;
    }
    *ret_complete = true;
    return OK;
}

void stage_discard(struct stage *st)
{
    const struct delta_table *t = st->sink->table;
    AUTO(buf) name = BUF(KIB(64));
    for (uint32_t i = 0; i < st->nadds; i++) {
        struct error ignored;
        buf_clear(&name);
        delta_object_name(t, st->adds[i].path, &name);
        (void)!t->store->ops->remove(t->store, buf_cstr(&name), &ignored);
    }
    guard_clear(&st->guard);
    st->nadds = 0;
    st->rows = st->bytes = 0;
}

void stage_release(struct stage *st)
{
    for (uint32_t i = 0; i < st->nwriters; i++)
        parquet_writer_free(st->writers[i].parquet);
    for (uint32_t i = 0; i < st->nheld; i++)
        parquet_writer_free(st->held[i].parquet);
    free(st->writers);
    free(st->slots);
    guard_clear(&st->guard);
    arena_release(&st->memory);
}

/* ---- ahead of the apply ---- */

/* Encoded: an append of more than this is staged for the rest when it is applied. */
static const uint64_t AHEAD_BYTES = MIB(64);

void stage_drop_ahead(struct delta_sink *s)
{
    if (s->ahead)
        stage_release(s->ahead);
    free(s->ahead);
    s->ahead = NULL;
}

enum status stage_ahead(struct sink *base, struct change_set *c, struct error *err)
{
    struct delta_sink *s = (struct delta_sink *)base;
    if (s->nkey > 0)
        return AGAIN; /* what is rewritten depends on all of the changes */
    if (!s->table || c->bytes > AHEAD_BYTES || (s->ahead && stage_bytes(s->ahead) + c->bytes > AHEAD_BYTES))
        return AGAIN;
    if (!s->ahead) {
        s->ahead = mem_alloc(sizeof *s->ahead);
        stage_init(s->ahead, s);
        s->ahead->ahead = true;
    }
    s->ahead_to = c->to;
    if (stage_add_all(s->ahead, c, err) == OK)
        return OK;
    stage_drop_ahead(s);
    return FAILED;
}

bool stage_take_ahead(struct delta_sink *s, const struct change_set *c, struct stage *ret)
{
    if (!s->ahead || c->staged == 0 || c->staged != s->ahead_to)
        return false;
    *ret = *s->ahead;
    free(s->ahead);
    s->ahead = NULL;
    return true;
}
