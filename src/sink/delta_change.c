#include <stdlib.h>

#include "column/rowkey.h"
#include "sink/delta_sink.h"

bool rows_equal(const struct batch *a, uint32_t row_a, const struct batch *b, uint32_t row_b)
{
    for (uint32_t i = 0; i < a->ncols; i++) {
        const struct column *x = &a->cols[i], *y = &b->cols[i];
        bool null = column_is_null(x, row_a);
        if (null != column_is_null(y, row_b))
            return false;
        if (null)
            continue;
        size_t width = type_width(x->type);
        if (type_is_view(x->type)) {
            if (!view_equal(column_view(x, row_a), column_view(y, row_b)))
                return false;
        } else if (memcmp((char *)x->data + width * row_a, (char *)y->data + width * row_b, width) != 0)
            return false;
    }
    return true;
}

/* ---- reading a set ---- */

/* The batch with its strings, whatever they pointed to. */
static const struct batch *keep_batch(const struct batch *b, struct arena *a)
{
    struct batch *kept = arena_dup(a, b, sizeof *b);
    kept->sel = NULL;
    kept->weight = NULL;
    kept->cols = arena_array(a, b->ncols, sizeof *kept->cols);
    for (uint32_t i = 0; i < b->ncols; i++) {
        const struct column *from = &b->cols[i];
        struct column *to = &kept->cols[i];
        *to = *from;
        to->data = arena_dup(a, from->data, b->rows * type_width(from->type));
        if (from->valid)
            to->valid = arena_dup(a, from->valid, BITMAP_WORDS(b->rows) * sizeof *from->valid);
        if (!type_is_view(from->type))
            continue;
        for (uint32_t row = 0; row < b->rows; row++)
            if (!column_is_null(to, row))
                ((struct view *)to->data)[row] = view_copy(*column_view(from, row), a);
    }
    return kept;
}

static void add_change(struct changes *c, struct change change)
{
    c->items = mem_grow(c->items, c->count, &c->cap, sizeof *c->items);
    c->items[c->count++] = change;
}

/* Widen the range of each key column by a row's values. */
static void widen(struct changes *c, const struct delta_sink *s, const struct batch *b, uint32_t row, struct buf *value)
{
    for (uint32_t i = 0; i < s->nkey; i++) {
        buf_clear(value);
        rowkey_put(value, b->cols, &s->key[i], 1, row);
        struct slice v = buf_slice(value);
        if (c->least[i].data && slice_compare(v, c->least[i]) >= 0 && slice_compare(v, c->most[i]) <= 0)
            continue;
        v.data = arena_dup(&c->memory, v.data, v.len);
        if (!c->least[i].data || slice_compare(v, c->least[i]) < 0)
            c->least[i] = v;
        if (!c->most[i].data || slice_compare(v, c->most[i]) > 0)
            c->most[i] = v;
    }
}

static int by_key(const void *a, const void *b)
{
    return slice_compare(((const struct change *)a)->key, ((const struct change *)b)->key);
}

static void build_slots(struct changes *c)
{
    uint32_t size = 16;
    while (size < c->count * 2)
        size *= 2;
    c->mask = size - 1;
    c->slots = arena_zarray(&c->memory, size, sizeof *c->slots);
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t at = (uint32_t)c->items[i].hash & c->mask;
        for (; c->slots[at]; at = (at + 1) & c->mask)
            assert(!slice_equal(c->items[c->slots[at] - 1].key, c->items[i].key)); /* one change a key */
        c->slots[at] = i + 1;
    }
}

enum status changes_read(struct changes *c, const struct delta_sink *s, struct change_set *from, struct error *err)
{
    c->least = arena_zarray(&c->memory, s->nkey, sizeof *c->least);
    c->most = arena_zarray(&c->memory, s->nkey, sizeof *c->most);
    AUTO(buf) key = BUF(ROWKEY_MAX), value = BUF(ROWKEY_MAX);
    AUTO(arena) scratch = {0};
    struct batch *next;
    enum status status;
    while ((status = change_set_next(from, s->cancelled, &scratch, &next, err)) == OK) {
        const struct batch *b = keep_batch(next, &c->memory);
        const int64_t *weight = next->weight;
        for (uint32_t i = 0; i < batch_live(next); i++) {
            uint32_t row = batch_row(next, i);
            buf_clear(&key);
            rowkey_put(&key, b->cols, s->key, s->nkey, row);
            struct slice bytes = {arena_dup(&c->memory, key.data, key.len), key.len};
            add_change(c, (struct change){.hash = hash64(bytes.data, bytes.len, 0),
                                          .key = bytes,
                                          .batch = b,
                                          .row = row,
                                          .remove = weight && weight[row] < 0,
                                          .file = NO_FILE});
            widen(c, s, b, row, &value);
        }
    }
    if (status == FAILED)
        return FAILED;
    if (c->count)
        qsort(c->items, c->count, sizeof *c->items, by_key);
    build_slots(c);
    return OK;
}

/* ---- asking ---- */

struct change *changes_find(const struct changes *c, uint64_t hash, struct slice key)
{
    for (uint32_t at = (uint32_t)hash & c->mask; c->slots[at]; at = (at + 1) & c->mask) {
        struct change *found = &c->items[c->slots[at] - 1];
        if (found->hash == hash && slice_equal(found->key, key))
            return found;
    }
    return NULL;
}

uint32_t changes_lower_bound(const struct changes *c, struct slice key)
{
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(c->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void changes_release(struct changes *c)
{
    free(c->items);
    arena_release(&c->memory);
}
