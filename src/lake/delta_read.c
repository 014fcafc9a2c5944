/* The rows of data files, and what the log knows about them. */
#include <stdlib.h>

#include "column/decimal.h"
#include "lake/delta_log.h"

struct delta_reader {
    struct parquet_reader *parquet;
    struct arena arena;
    struct schema want;
    uint32_t *source;        /* per wanted column: its column in the Parquet batch, or NOT_THERE: a constant */
    struct column *constant; /* per wanted column, one element */
    uint64_t *deleted;       /* by row of the file; NULL: none */
    uint64_t row;
    char *path;
};

enum { NOT_THERE = UINT32_MAX };

/* ---- partition values ---- */

static enum status parse_value(const char *text, struct type type, struct arena *a, struct column *ret,
                               struct error *err)
{
    *ret = column_make(a, type, 1, text == NULL);
    struct error ignored;
    if (!text)
        return OK;
    if (type.id == TYPE_TEXT || type.id == TYPE_BYTEA) {
        size_t n = strlen(text);
        *(struct view *)ret->data = view_of(arena_dup(a, text, n), n);
        return OK;
    }
    /* writers spell a local timestamp with and without Z */
    size_t n = strlen(text);
    if (type.id == TYPE_TIMESTAMP && n && text[n - 1] == 'Z')
        n--;
    struct slice value = {text, n};
    AUTO(buf) zoned = BUF(64);
    if (type.id == TYPE_TIMESTAMPTZ && n < 60 && column_parse(ret, 0, value, a, &ignored) != OK) {
        buf_put_slice(&zoned, value);
        buf_putc(&zoned, 'Z');
        value = buf_slice(&zoned);
    }
    if (column_parse(ret, 0, value, a, err) != OK) {
        err->code = ERR_CORRUPT;
        return FAILED;
    }
    return OK;
}

/* Elements of one row repeated. */
static struct column repeat(const struct column *one, uint32_t rows, struct arena *a)
{
    size_t width = type_width(one->type);
    struct column c = column_make(a, one->type, rows, column_is_null(one, 0));
    if (!column_is_null(one, 0))
        for (uint32_t i = 0; i < rows; i++)
            memcpy((char *)c.data + i * width, one->data, width);
    return c;
}

/* ---- reading ---- */

static uint32_t find_column(const struct delta_metadata *m, const char *name)
{
    for (uint32_t i = 0; i < m->schema.ncols; i++)
        if (strcmp(m->schema.names[i], name) == 0)
            return i;
    return NOT_THERE;
}

/* Which partition column a column is, or NOT_THERE. */
static uint32_t partition_of(const struct delta_metadata *m, uint32_t column)
{
    for (uint32_t i = 0; i < m->npartition; i++)
        if (m->partition[i] == column)
            return i;
    return NOT_THERE;
}

static enum status select_columns(struct delta_reader *r, const struct delta_table *t, const struct delta_file *f,
                                  const struct schema *want, struct error *err)
{
    const struct delta_metadata *m = &t->metadata;
    struct schema stored = {0};
    stored.names = arena_array(&r->arena, MAX(want->ncols, 1u), sizeof *stored.names);
    stored.types = arena_array(&r->arena, MAX(want->ncols, 1u), sizeof *stored.types);
    r->source = arena_array(&r->arena, MAX(want->ncols, 1u), sizeof *r->source);
    r->constant = arena_zarray(&r->arena, MAX(want->ncols, 1u), sizeof *r->constant);
    r->want = (struct schema){.ncols = want->ncols};
    for (uint32_t i = 0; i < want->ncols; i++) {
        uint32_t column = find_column(m, want->names[i]);
        if (column == NOT_THERE)
            return error_set(err, ERR_STATE, "the table has no column \"%s\"", want->names[i]);
        uint32_t partition = partition_of(m, column);
        r->source[i] = NOT_THERE;
        if (partition == NOT_THERE) {
            r->source[i] = stored.ncols;
            stored.names[stored.ncols] = want->names[i];
            stored.types[stored.ncols++] = want->types[i];
        } else if (parse_value(f->partition[partition], want->types[i], &r->arena, &r->constant[i], err) != OK)
            return error_prefix(err, "partition column \"%s\"", want->names[i]);
    }
    return parquet_reader_select(r->parquet, &stored, err);
}

static enum status open_file(struct delta_reader *r, const struct delta_table *t, const struct delta_file *f,
                             const struct schema *want, struct error *err)
{
    AUTO(buf) name = BUF(KIB(64));
    delta_object_name(t, f->path, &name);
    TRY(parquet_reader_open(t->store, buf_cstr(&name), &r->parquet, err));
    TRY(select_columns(r, t, f, want ? want : &t->metadata.schema, err));
    return delta_read_dv(t, &f->dv, parquet_reader_rows(r->parquet), &r->arena, &r->deleted, err);
}

enum status delta_reader_open(const struct delta_table *t, const struct delta_file *f, const struct schema *want,
                              struct delta_reader **ret, struct error *err)
{
    struct delta_reader *r = mem_zalloc(sizeof *r);
    r->path = mem_strdup(f->path);
    if (open_file(r, t, f, want, err) != OK) {
        delta_reader_free(r);
        return FAILED;
    }
    *ret = r;
    return OK;
}

void delta_reader_free(struct delta_reader *r)
{
    if (!r)
        return;
    parquet_reader_free(r->parquet);
    arena_release(&r->arena);
    free(r->path);
    free(r);
}

static void drop_deleted(const struct delta_reader *r, struct batch *b, struct arena *a)
{
    uint64_t *keep = arena_zarray(a, BITMAP_WORDS(b->rows), sizeof *keep);
    for (uint32_t i = 0; i < b->rows; i++)
        if (!bit_get(r->deleted, r->row + i))
            bit_set(keep, i);
    batch_filter(b, keep);
}

enum status delta_reader_next(struct delta_reader *r, struct arena *a, struct batch **ret, struct error *err)
{
    struct batch *b;
    TRY(parquet_reader_next(r->parquet, a, &b, err));
    if (b) {
        struct column *cols = arena_array(a, MAX(r->want.ncols, 1u), sizeof *cols);
        for (uint32_t i = 0; i < r->want.ncols; i++)
            cols[i] = r->source[i] == NOT_THERE ? repeat(&r->constant[i], b->rows, a) : b->cols[r->source[i]];
        b->cols = cols;
        b->ncols = r->want.ncols;
        if (r->deleted)
            drop_deleted(r, b, a);
        r->row += b->rows;
    }
    *ret = b;
    return OK;
}

/* ---- statistics ---- */

bool delta_file_rows(const struct delta_file *f, uint64_t *ret)
{
    AUTO(arena) a = {0};
    if (!f->stats)
        return false;
    int64_t n = json_int(json_parse(slice_of(f->stats), &a), "numRecords", -1);
    int64_t gone = f->dv.storage ? f->dv.cardinality : 0;
    if (n < 0 || gone < 0 || gone > n)
        return false;
    *ret = (uint64_t)(n - gone);
    return true;
}

/* Some writers take a decimal through a double, so what they say may be off in its 15th digit; the bounds of one that
 * needs more than 64 bits they even cut at what 64 bits hold. */
static bool widen_numeric(struct column *one, bool up)
{
    int128 v = column_numeric(one, 0);
    if (one->type.precision <= 15 || one->type.precision > NUMERIC_SMALL_PRECISION)
        return one->type.precision <= 15;
    v += (up ? 1 : -1) * ((v < 0 ? -v : v) / 1000000000000000 + 1);
    if (!decimal_fits(v, one->type.precision))
        return false;
    column_set_numeric(one, 0, v);
    return true;
}

/* One bound into row 0 or 1; stays NULL when it cannot be told. */
static void put_bound(struct column *c, uint32_t row, const struct json *value, struct arena *a)
{
    struct column one;
    struct error ignored;
    /* a maximum may have been taken without the NaNs, which are above all */
    if (!value || (value->kind != JSON_NUMBER && value->kind != JSON_STRING) ||
        (row == 1 && c->type.id == TYPE_FLOAT8) || c->type.id == TYPE_UNKNOWN || c->type.id == TYPE_JSONB ||
        c->type.id == TYPE_BYTEA || parse_value(value->text, c->type, a, &one, &ignored) != OK)
        return;
    /* many writers cut a maximum to milliseconds */
    if (row == 1 && (c->type.id == TYPE_TIMESTAMP || c->type.id == TYPE_TIMESTAMPTZ) &&
        __builtin_add_overflow(*(int64_t *)one.data, 999, (int64_t *)one.data))
        return;
    if (c->type.id == TYPE_NUMERIC && !widen_numeric(&one, row == 1))
        return;
    size_t width = type_width(c->type);
    memcpy((char *)c->data + row * width, one.data, width);
    bit_set(c->valid, row);
}

struct batch *delta_file_bounds(const struct delta_table *t, const struct delta_file *f, struct arena *a)
{
    const struct delta_metadata *m = &t->metadata;
    const struct json *stats = f->stats ? json_parse(slice_of(f->stats), a) : NULL;
    const struct json *min = json_get(stats, "minValues"), *max = json_get(stats, "maxValues");
    struct batch *b = arena_zalloc(a, sizeof *b);
    b->arena = a;
    b->rows = b->live = 2;
    b->ncols = m->schema.ncols;
    b->cols = arena_array(a, MAX(b->ncols, 1u), sizeof *b->cols);
    for (uint32_t i = 0; i < b->ncols; i++) {
        struct type type = m->schema.types[i];
        struct column one;
        struct error ignored;
        uint32_t partition = partition_of(m, i);
        b->cols[i] = column_make(a, type.id == TYPE_UNKNOWN ? TYPE(TYPE_TEXT) : type, 2, true);
        b->cols[i].type = type;
        if (partition == NOT_THERE) {
            put_bound(&b->cols[i], 0, json_get(min, m->schema.names[i]), a);
            put_bound(&b->cols[i], 1, json_get(max, m->schema.names[i]), a);
        } else if (f->partition[partition] && type.id != TYPE_UNKNOWN &&
                   parse_value(f->partition[partition], type, a, &one, &ignored) == OK)
            b->cols[i] = repeat(&one, 2, a);
    }
    return b;
}
