/* Sort: ORDER BY, LIMIT and OFFSET over a finite input. Everything is held, and sorted when the input ends. */
#include <stdlib.h>

#include "column/rowcodec.h"
#include "column/rowkey.h"
#include "op/operators.h"

struct held {
    char *key; /* canonical bytes, one sort key after the other, each with its own direction */
    uint32_t key_len;
    uint32_t row;
    struct batch *batch;
    uint64_t arrival; /* ties keep the order of arrival */
};

struct sort {
    struct operator op;
    const struct plan_node *node;
    struct arena arena; /* the rows, until the end */
    struct held *rows;
    uint64_t count, cap;
    bool emitted;
};

/* A sort key's bytes: rowkey order is ascending, NULLS LAST; descending inverts every byte, and a NULL that belongs
 * on the
 * other side gets another first byte. */
static void put_sort_key(struct buf *out, const struct batch *b, const struct plan_sort_key *k, uint32_t row)
{
    bool null = column_is_null(&b->cols[k->column], row);
    buf_put_u8(out, null ? (k->nulls_first ? 0 : 2) : 1);
    if (null)
        return;
    size_t at = out->len;
    rowkey_put(out, b->cols, &k->column, 1, row);
    for (size_t i = at; k->descending && i < out->len; i++)
        out->data[i] = (char)~out->data[i];
}

static void sort_push(struct operator *op, struct op_context *c, struct batch *in, struct batch **ret, void **unused)
{
    (void)unused;
    struct sort *s = (struct sort *)op;
    AUTO(buf) bytes = BUF(GIB(1));
    batch_encode(in, &bytes);
    char *kept = arena_dup(&s->arena, bytes.data, bytes.len);
    struct batch *b;
    struct error err;
    enum status ok = batch_decode((struct slice){kept, bytes.len}, NULL, in->ncols, &s->arena, &b, &err);
    assert(ok == OK);
    for (uint32_t row = 0; row < b->rows; row++) {
        buf_clear(&bytes);
        for (uint32_t k = 0; k < s->node->nsort; k++)
            put_sort_key(&bytes, b, &s->node->sort[k], row);
        if (s->count == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 256;
            s->rows = mem_realloc(s->rows, s->cap * sizeof *s->rows);
        }
        s->rows[s->count] = (struct held){arena_dup(&s->arena, bytes.data, bytes.len), (uint32_t)bytes.len, row, b,
                                          s->count};
        s->count++;
    }
    c->counts->in += batch_live(in);
    c->counts->out += batch_live(in);
    *ret = NULL;
}

static int compare_held(const void *x, const void *y)
{
    const struct held *a = x, *b = y;
    int d = memcmp(a->key, b->key, MIN(a->key_len, b->key_len));
    if (!d && a->key_len != b->key_len)
        d = a->key_len < b->key_len ? -1 : 1;
    return d ? d : (a->arrival < b->arrival ? -1 : a->arrival > b->arrival);
}

static void sort_merge(struct operator *op, struct op_context *c, unsigned from, unsigned to)
{
    (void)to;
    struct sort *s = (struct sort *)op;
    if (from == 0 && c->final && s->count)
        qsort(s->rows, s->count, sizeof *s->rows, compare_held);
}

static void copy_value(struct column *to, uint32_t at, const struct column *from, uint32_t row, uint32_t rows,
                       struct arena *a)
{
    size_t width = type_width(from->type);
    if (column_is_null(from, row))
        column_set_null(to, a, rows, at);
    else
        memcpy((char *)to->data + width * at, (const char *)from->data + width * row, width);
}

static struct batch *sort_emit(struct operator *op, struct op_context *c)
{
    struct sort *s = (struct sort *)op;
    if (!c->final || s->emitted)
        return NULL;
    s->emitted = true;
    uint64_t first = MIN((uint64_t)s->node->offset, s->count);
    uint64_t n = s->count - first;
    if (s->node->limit >= 0)
        n = MIN(n, (uint64_t)s->node->limit);
    if (n == 0)
        return NULL;
    struct batch *out = batch_make(&s->arena, s->node->schema.types, s->node->schema.ncols, (uint32_t)n);
    out->rows = out->live = (uint32_t)n;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t col = 0; col < out->ncols; col++)
            copy_value(&out->cols[col], i, &s->rows[first + i].batch->cols[col], s->rows[first + i].row, out->rows,
                       &s->arena);
    return out;
}

static uint64_t sort_keys(const struct operator *op) { return ((const struct sort *)op)->count; }
static uint64_t sort_bytes(const struct operator *op)
{
    const struct sort *s = (const struct sort *)op;
    return s->arena.total + s->cap * sizeof *s->rows;
}

static void sort_free(struct operator *op)
{
    struct sort *s = (struct sort *)op;
    arena_release(&s->arena);
    free(s->rows);
    free(s);
}

static const struct operator_ops sort_ops = {.shape = OP_KEEP,
                                             .push = sort_push,
                                             .merge = sort_merge,
                                             .emit = sort_emit,
                                             .keys = sort_keys,
                                             .bytes = sort_bytes,
                                             .free = sort_free};

struct operator *sort_new(const struct plan_node *node)
{
    struct sort *s = mem_zalloc(sizeof *s);
    s->op = (struct operator){&sort_ops, node->id, node->name};
    s->node = node;
    return &s->op;
}
