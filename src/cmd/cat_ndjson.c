/* NDJSON without a schema: the columns are the keys of the first thousand lines, in order of appearance. A column that
 * held nothing but strings so far is text; any other keeps its values as the JSON they are, so that no digit is
 * lost. */
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "cmd/cat_rows.h"
#include "format/json_read.h"
#include "source/stream.h"

enum { SAMPLE_LINES = 1000, LINES_A_BATCH = 512, READ_SIZE = 1 << 16, KEYS_LIMIT = 1000 };
static const size_t LINE_LIMIT = MIB(64);

struct key {
    const char *name;
    bool strings, others; /* values seen; NULL is neither */
};

struct ndjson_rows {
    struct cat_rows base;
    struct arena memory; /* names, sample */
    char *path;
    struct stream *stream; /* NULL: stdin */
    struct buf line;
    char *chunk;
    size_t at, filled;
    bool ended;
    struct slice *sample;
    uint32_t nsample, sampled; /* sampled: handed out of the sample */
    struct key *keys;
    uint32_t nkeys;
    uint64_t lines, bad;
    struct buf late_keys; /* names that came after the sample */
    uint32_t nlate;
};

static struct ndjson_rows *rows_of(struct cat_rows *base)
{
    return (struct ndjson_rows *)base;
}

/* ---- lines ---- */

static enum status read_chunk(struct ndjson_rows *r, struct error *err)
{
    if (r->stream)
        return stream_read(r->stream, r->chunk, READ_SIZE, &r->filled, err);
    return os_file_read(STDIN_FILENO, r->chunk, READ_SIZE, &r->filled, err);
}

/* The next line that is not blank; *ret_end at the end. Valid until the next call. */
static enum status next_line(struct ndjson_rows *r, struct slice *ret, bool *ret_end, struct error *err)
{
    for (;;) {
        buf_clear(&r->line);
        bool whole = false;
        while (!whole) {
            if (r->at == r->filled) {
                r->at = r->filled = 0;
                if (!r->ended)
                    TRY(read_chunk(r, err));
                r->ended = r->ended || r->filled == 0;
                if (r->ended)
                    break;
            }
            const char *from = r->chunk + r->at, *newline = memchr(from, '\n', r->filled - r->at);
            size_t n = newline ? (size_t)(newline - from) : r->filled - r->at;
            buf_put(&r->line, from, n);
            r->at += n + (newline != NULL);
            whole = newline != NULL;
        }
        if (r->line.overflow)
            return error_set(err, ERR_LIMIT, "%s:%llu: a line is longer than %zu MB", r->path,
                             (unsigned long long)r->lines + 1, LINE_LIMIT >> 20);
        struct slice line = buf_slice(&r->line);
        r->lines += whole || line.len;
        while (line.len && strchr(" \t\r", line.data[line.len - 1]))
            line.len--;
        if (line.len || !whole) {
            *ret = line;
            *ret_end = line.len == 0;
            return OK;
        }
    }
}

/* ---- keys and values ---- */

/* Go through the members of a line's object. false: it is no object. */
static bool each_member(struct slice line, struct arena *a,
                        void (*member)(void *arg, struct slice key, const struct json_token *value), void *arg)
{
    struct json_reader in = {.start = line.data, .p = line.data, .end = line.data + line.len};
    json_skip_space(&in);
    if (!json_expect(&in, '{', "an object"))
        return false;
    json_skip_space(&in);
    if (in.p < in.end && *in.p == '}')
        in.p++;
    else
        for (;;) {
            struct json_token key, value;
            json_skip_space(&in);
            if (!json_read_string(&in, &key) || !json_expect(&in, ':', "a colon") || !json_read_value(&in, &value))
                return false;
            struct slice name = key.text;
            if (!key.escaped || !json_unescape(key.text, a, &name))
                member(arg, name, &value);
            json_skip_space(&in);
            if (in.p < in.end && *in.p == ',') {
                in.p++;
                continue;
            }
            if (!json_expect(&in, '}', "the end of the object"))
                return false;
            break;
        }
    json_skip_space(&in);
    return in.p == in.end;
}

static void note_member(void *arg, struct slice name, const struct json_token *value)
{
    struct ndjson_rows *r = arg;
    struct key *key = NULL;
    for (uint32_t i = 0; i < r->nkeys && !key; i++)
        if (slice_is(name, r->keys[i].name))
            key = &r->keys[i];
    if (!key && r->nkeys < KEYS_LIMIT) {
        key = &r->keys[r->nkeys++];
        *key = (struct key){.name = arena_strndup(&r->memory, name.data, name.len)};
    }
    if (!key)
        return;
    key->strings = key->strings || value->kind == JSON_STRING;
    key->others = key->others || (value->kind != JSON_STRING && value->kind != JSON_NULL);
}

static enum status take_sample(struct ndjson_rows *r, struct error *err)
{
    AUTO(arena) scratch = {0};
    r->keys = arena_array(&r->memory, KEYS_LIMIT, sizeof *r->keys);
    r->sample = arena_array(&r->memory, SAMPLE_LINES, sizeof *r->sample);
    while (r->nsample < SAMPLE_LINES && r->memory.total < MIB(32)) {
        struct slice line;
        bool end;
        TRY(next_line(r, &line, &end, err));
        if (end)
            break;
        bool object = each_member(line, &scratch, note_member, r);
        if (!object && r->nsample == 0) {
            (void)error_set(err, ERR_SOURCE, "%s:%llu: this is no JSON object", r->path, (unsigned long long)r->lines);
            return error_hint(err, "cat reads Delta tables, Parquet files, and NDJSON: one JSON object a line");
        }
        line.data = arena_dup(&r->memory, line.data, line.len);
        r->sample[r->nsample++] = line;
        arena_reset(&scratch);
    }
    if (r->nsample == 0)
        return error_set(err, ERR_SOURCE, "%s is empty", r->path);
    return OK;
}

/* ---- rows ---- */

struct row_into {
    struct ndjson_rows *rows;
    struct batch *batch;
    struct arena *a;
    uint32_t row;
};

static void note_late(struct ndjson_rows *r, struct slice name)
{
    for (uint32_t i = 0; i < r->nkeys; i++)
        if (slice_is(name, r->keys[i].name))
            return; /* not among the columns asked for */
    if (r->nkeys == KEYS_LIMIT)
        return;
    r->keys[r->nkeys++] = (struct key){.name = arena_strndup(&r->memory, name.data, name.len)};
    buf_puts(&r->late_keys, r->nlate++ ? ", " : "");
    buf_put_slice(&r->late_keys, name);
}

static void put_member(void *arg, struct slice name, const struct json_token *value)
{
    struct row_into *into = arg;
    struct batch *b = into->batch;
    bool shown = false;
    for (uint32_t i = 0; i < b->ncols; i++) {
        if (!slice_is(name, into->rows->base.schema.names[i]))
            continue;
        shown = true;
        if (value->kind == JSON_NULL)
            continue;
        struct slice text = value->text;
        bool quoted = value->kind == JSON_STRING;
        if (quoted && b->cols[i].type.id == TYPE_JSONB) /* with its quotes, which stand around it */
            text = (struct slice){text.data - 1, text.len + 2};
        else if (quoted && value->escaped && json_unescape(text, into->a, &text))
            text = value->text;
        ((struct view *)b->cols[i].data)[into->row] = view_copy(view_of(text.data, text.len), into->a);
        bit_set(b->cols[i].valid, into->row);
    }
    if (!shown)
        note_late(into->rows, name);
}

static enum status ndjson_next(struct cat_rows *base, struct arena *a, struct batch **ret, struct error *err)
{
    struct ndjson_rows *r = rows_of(base);
    AUTO(arena) scratch = {0};
    struct batch *b = batch_make(a, base->schema.types, base->schema.ncols, LINES_A_BATCH);
    for (uint32_t i = 0; i < b->ncols; i++)
        b->cols[i] = column_make(a, base->schema.types[i], LINES_A_BATCH, true);
    struct row_into into = {r, b, a, 0};
    while (into.row < LINES_A_BATCH) {
        struct slice line;
        bool end = false;
        if (r->sampled < r->nsample)
            line = r->sample[r->sampled++];
        else
            TRY(next_line(r, &line, &end, err));
        if (end)
            break;
        for (uint32_t i = 0; i < b->ncols; i++)
            bit_clear(b->cols[i].valid, into.row);
        if (each_member(line, &scratch, put_member, &into))
            into.row++;
        else
            r->bad++;
        arena_reset(&scratch);
    }
    for (uint32_t i = 0; i < b->ncols; i++)
        if (into.row < LINES_A_BATCH)
            bit_clear(b->cols[i].valid, into.row);
    b->rows = b->live = into.row;
    *ret = into.row ? b : NULL;
    return OK;
}

static void ndjson_remarks(struct cat_rows *base, struct buf *out)
{
    struct ndjson_rows *r = rows_of(base);
    if (r->bad)
        buf_printf(out, "%llu line%s no JSON object and not shown\n", (unsigned long long)r->bad,
                   r->bad == 1 ? " is" : "s are");
    if (r->nlate)
        buf_printf(out, "keys that first appear after line %d are not shown: %s\n", SAMPLE_LINES,
                   buf_cstr(&r->late_keys));
}

static void ndjson_free(struct cat_rows *base)
{
    struct ndjson_rows *r = rows_of(base);
    stream_close(r->stream);
    buf_release(&r->line);
    buf_release(&r->late_keys);
    free(r->chunk);
    free(r->path);
    arena_release(&r->memory);
    free(r);
}

static enum status begin(struct ndjson_rows *r, const struct cat_choice *choice, struct error *err)
{
    if (strcmp(r->path, "-") != 0)
        TRY(stream_open(r->path, COMPRESSION_AUTO, &r->stream, err));
    TRY(take_sample(r, err));
    struct schema all = {.ncols = r->nkeys,
                         .names = arena_array(&r->memory, r->nkeys + 1, sizeof *all.names),
                         .types = arena_array(&r->memory, r->nkeys + 1, sizeof *all.types)};
    for (uint32_t i = 0; i < r->nkeys; i++) {
        all.names[i] = r->keys[i].name;
        all.types[i] = TYPE(r->keys[i].others ? TYPE_JSONB : TYPE_TEXT);
    }
    return cat_choose(&all, choice->columns, &r->memory, &r->base.schema, err);
}

enum status cat_open_ndjson(const char *path, const struct cat_choice *choice, struct cat_rows **ret, struct error *err)
{
    struct ndjson_rows *r = mem_zalloc(sizeof *r);
    r->base = (struct cat_rows){.next = ndjson_next, .remarks = ndjson_remarks, .free = ndjson_free};
    r->path = mem_strdup(path);
    r->chunk = mem_alloc(READ_SIZE);
    r->line = (struct buf)BUF(LINE_LIMIT);
    r->late_keys = (struct buf)BUF(KIB(4));
    if (begin(r, choice, err) != OK) {
        ndjson_free(&r->base);
        return FAILED;
    }
    *ret = &r->base;
    return OK;
}
