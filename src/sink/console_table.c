#include "sink/console_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "column/rowkey.h"
#include "format/table_write.h"

static const size_t TABLE_LIMIT = MIB(256), CELL_LIMIT = MIB(64);

/* One allocation: the cells' and the key's bytes stand behind the array. */
struct row {
    struct slice key;
    size_t bytes;
    bool gone;            /* of a change: the row is to be removed */
    struct slice cells[]; /* data NULL: NULL */
};

struct rows {
    struct row **items;
    size_t count, cap;
};

struct console_table {
    const struct schema *schema;
    const uint32_t *key;
    uint32_t nkey, truncate;
    struct rows rows; /* by key */
    size_t bytes;
};

static void rows_add(struct rows *r, struct row *row)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->items = mem_realloc(r->items, r->cap * sizeof *r->items);
    }
    r->items[r->count++] = row;
}

static void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->items[i]);
    free(r->items);
    *r = (struct rows){0};
}

static int by_key(const void *pa, const void *pb)
{
    const struct slice a = (*(struct row *const *)pa)->key, b = (*(struct row *const *)pb)->key;
    return slice_compare(a, b);
}

struct console_table *console_table_new(const struct schema *schema, const uint32_t *key, uint32_t nkey,
                                        uint32_t truncate)
{
    struct console_table *t = mem_zalloc(sizeof *t);
    *t = (struct console_table){.schema = schema, .key = key, .nkey = nkey, .truncate = truncate};
    return t;
}

void console_table_free(struct console_table *t)
{
    if (!t)
        return;
    rows_free(&t->rows);
    free(t);
}

/* Cut the text that begins at `from` to the table's number of characters. */
static void cut(const struct console_table *t, struct buf *text, size_t from)
{
    const char *p = text->data + from, *end = text->data + text->len, *keep = p;
    uint32_t most = t->truncate, dots = most > 3 ? 3 : 0;
    for (uint32_t n = 0; p < end; n++) {
        if (n == most) {
            text->len = (size_t)(keep - text->data);
            if (dots > 0)
                buf_puts(text, "...");
            return;
        }
        unsigned len = utf8_char(p, end);
        p += len ? len : 1;
        if (n + 1 <= most - dots)
            keep = p;
    }
}

static struct row *make_row(const struct console_table *t, const struct batch *b, uint32_t row, struct buf *text)
{
    uint32_t ncols = t->schema->ncols;
    struct row *r = mem_zalloc(sizeof *r + ncols * sizeof *r->cells);
    buf_clear(text);
    for (uint32_t i = 0; i < ncols; i++) {
        size_t from = text->len;
        bool value = column_print(&b->cols[i], row, text);
        if (value && t->truncate > 0)
            cut(t, text, from);
        r->cells[i] = (struct slice){value ? "" : NULL, text->len - from};
    }
    size_t from = text->len;
    rowkey_put(text, b->cols, t->key, t->nkey, row);
    size_t head = sizeof *r + ncols * sizeof *r->cells;
    r = mem_realloc(r, head + text->len);
    char *bytes = (char *)r + head;
    memcpy(bytes, text->data, text->len);
    r->key = (struct slice){bytes + from, text->len - from};
    for (uint32_t i = 0; i < ncols; i++) {
        if (r->cells[i].data)
            r->cells[i].data = bytes;
        bytes += r->cells[i].len;
    }
    r->bytes = head + text->len;
    r->gone = batch_weight(b, row) < 0;
    return r;
}

static void count_change(struct sink_result *result, const struct row *old, const struct row *change)
{
    if (change->gone)
        result->deleted += old != NULL;
    else if (old)
        result->updated++;
    else
        result->inserted++;
}

/* The rows with the changes (both by key) in them; takes the changes. */
static void merge(struct console_table *t, struct rows *changes, struct sink_result *result)
{
    struct rows old = t->rows, into = {0};
    size_t i = 0, k = 0;
    t->bytes = 0;
    while (i < old.count || k < changes->count) {
        int order = i == old.count ? 1 : k == changes->count ? -1 : by_key(&old.items[i], &changes->items[k]);
        struct row *was = order <= 0 ? old.items[i++] : NULL, *change = order >= 0 ? changes->items[k++] : NULL;
        if (change)
            count_change(result, was, change);
        struct row *now = change ? change : was;
        if (change)
            free(was);
        if (now->gone) {
            free(now);
            continue;
        }
        t->bytes += now->bytes;
        rows_add(&into, now);
    }
    free(old.items);
    free(changes->items);
    *changes = (struct rows){0};
    t->rows = into;
}

static enum status collect(struct console_table *t, struct change_set *changes, const atomic_bool *cancelled,
                           struct rows *into, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(CELL_LIMIT);
    size_t bytes = t->bytes;
    struct batch *b;
    enum status status;
    while ((status = change_set_next(changes, cancelled, &a, &b, err)) == OK)
        for (uint32_t i = 0; i < batch_live(b); i++) {
            struct row *row = make_row(t, b, batch_row(b, i), &text);
            bytes += row->bytes;
            rows_add(into, row);
            if (text.overflow || bytes > TABLE_LIMIT) {
                (void)error_set(err, ERR_LIMIT, "the table to be shown has more than %zu MiB", TABLE_LIMIT >> 20);
                return error_hint(err, "show what changed with mode 'update', or less of it");
            }
        }
    return status == AGAIN ? OK : FAILED;
}

enum status console_table_apply(struct console_table *t, struct change_set *changes, const atomic_bool *cancelled,
                                struct sink_result *ret, struct error *err)
{
    struct rows list = {0};
    struct sink_result result = {.version = -1};
    enum status status = collect(t, changes, cancelled, &list, err);
    if (status != OK) {
        rows_free(&list);
        return status;
    }
    if (list.count > 1)
        qsort(list.items, list.count, sizeof *list.items, by_key);
    merge(t, &list, &result);
    *ret = result;
    return OK;
}

void console_table_print(const struct console_table *t, uint64_t most_rows, uint32_t width, struct buf *out)
{
    struct table_writer *writer = table_writer_new(t->schema, width);
    size_t shown = (size_t)MIN(t->rows.count, most_rows);
    for (size_t i = 0; i < shown; i++)
        table_writer_add_texts(writer, t->rows.items[i]->cells, out);
    char rows[60];
    if (shown < t->rows.count)
        snprintf(rows, sizeof rows, "%zu of %zu rows", shown, t->rows.count);
    else
        snprintf(rows, sizeof rows, "%zu row%s", shown, shown == 1 ? "" : "s");
    table_writer_end(writer, rows, out);
    table_writer_free(writer);
}
