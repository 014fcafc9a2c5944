#include "column/batch.h"

int view_compare(const struct view *a, const struct view *b)
{
    uint32_t x, y;
    memcpy(&x, a->prefix, 4);
    memcpy(&y, b->prefix, 4);
    if (x != y) /* the zero padding sorts below every byte, as the end of a string does */
        return __builtin_bswap32(x) < __builtin_bswap32(y) ? -1 : 1;
    return slice_compare(view_slice(a), view_slice(b));
}

struct view view_copy(struct view v, struct arena *a)
{
    if (v.len > VIEW_INLINE)
        v.ptr = arena_dup(a, v.ptr, v.len);
    return v;
}

struct column column_make(struct arena *a, struct type type, size_t rows, bool with_valid)
{
    struct column c = {.type = type};
    if (with_valid) {
        c.data = arena_zarray(a, rows, type_width(type));
        c.valid = arena_zarray(a, BITMAP_WORDS(rows), sizeof *c.valid);
    } else {
        c.data = arena_array(a, rows, type_width(type));
    }
    return c;
}

void column_set_null(struct column *c, struct arena *a, size_t rows, size_t row)
{
    assert(row < rows);
    if (!c->valid) {
        c->valid = arena_array(a, BITMAP_WORDS(rows), sizeof *c->valid);
        memset(c->valid, 0xff, BITMAP_WORDS(rows) * sizeof *c->valid);
    }
    bit_clear(c->valid, row);
    size_t width = type_width(c->type);
    memset((char *)c->data + row * width, 0, width);
}

int128 column_numeric(const struct column *c, size_t row)
{
    if (type_is_small_numeric(c->type))
        return ((const int64_t *)c->data)[row];
    return ((const int128 *)c->data)[row];
}

void column_set_numeric(struct column *c, size_t row, int128 v)
{
    if (type_is_small_numeric(c->type))
        ((int64_t *)c->data)[row] = (int64_t)v;
    else
        ((int128 *)c->data)[row] = v;
}

struct batch *batch_make(struct arena *a, const struct type *types, uint32_t ncols, uint32_t rows)
{
    struct batch *b = arena_zalloc(a, sizeof *b);
    b->arena = a;
    b->ncols = ncols;
    b->cols = arena_array(a, ncols, sizeof *b->cols);
    for (uint32_t i = 0; i < ncols; i++)
        b->cols[i] = column_make(a, types[i], rows, false);
    return b;
}

static uint32_t select_from_all(const uint64_t *keep, uint32_t rows, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t base = 0; base < rows; base += 64) {
        uint64_t word = keep[base / 64];
        if (rows - base < 64)
            word &= (UINT64_C(1) << (rows - base)) - 1;
        for (; word; word &= word - 1)
            out[n++] = base + (uint32_t)__builtin_ctzll(word);
    }
    return n;
}

uint64_t *batch_keep_all(const struct batch *b, struct arena *a)
{
    uint64_t *keep = arena_array(a, BITMAP_WORDS(b->rows), sizeof *keep);
    memset(keep, 0xff, BITMAP_WORDS(b->rows) * sizeof *keep);
    return keep;
}

void batch_filter(struct batch *b, const uint64_t *keep)
{
    /* One slot more than rows can live: the last store of the branch-free loop may land there. */
    uint32_t *out = arena_array(b->arena, (size_t)b->live + 1, sizeof *out), n = 0;
    if (!b->sel) {
        n = select_from_all(keep, b->rows, out);
    } else {
        for (uint32_t i = 0; i < b->live; i++) {
            out[n] = b->sel[i];
            n += bit_get(keep, b->sel[i]);
        }
    }
    if (n == b->live)
        return; /* nothing was filtered: "all rows" stays the cheap case it is */
    b->sel = out;
    b->live = n;
}
