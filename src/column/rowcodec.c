#include "column/rowcodec.h"

#include "column/array.h"
#include "column/decimal.h"

enum { ROWS_MAX = 1 << 24, COLUMNS_MAX = 1 << 16 };

/* ---- writing ---- */

static bool has_live_null(const struct batch *b, const struct column *c)
{
    if (c->valid)
        for (uint32_t i = 0; i < batch_live(b); i++)
            if (!bit_get(c->valid, batch_row(b, i)))
                return true;
    return false;
}

static bool has_live_weight(const struct batch *b)
{
    if (b->weight)
        for (uint32_t i = 0; i < batch_live(b); i++)
            if (b->weight[batch_row(b, i)] != 1)
                return true;
    return false;
}

static void put_valid(const struct batch *b, const struct column *c, struct buf *out)
{
    for (uint32_t base = 0; base < batch_live(b); base += 64) {
        uint64_t word = 0;
        for (uint32_t i = base; i < MIN(base + 64, batch_live(b)); i++)
            word |= (uint64_t)bit_get(c->valid, batch_row(b, i)) << (i - base);
        buf_put_u64(out, word);
    }
}

/* NULLs are written as zeros: the same rows give the same bytes, whatever a kernel left behind. */
static void put_fixed(const struct batch *b, const struct column *c, bool has_null, struct buf *out)
{
    size_t width = type_width(c->type);
    if (!b->sel && !has_null) {
        buf_put(out, c->data, b->rows * width);
        return;
    }
    char *to = buf_reserve(out, batch_live(b) * width);
    if (!to)
        return;
    for (uint32_t i = 0; i < batch_live(b); i++, to += width) {
        uint32_t row = batch_row(b, i);
        if (has_null && column_is_null(c, row))
            memset(to, 0, width);
        else
            memcpy(to, (const char *)c->data + row * width, width);
    }
    out->len += batch_live(b) * width;
}

static void put_views(const struct batch *b, const struct column *c, struct buf *out)
{
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        buf_put_u32(out, column_is_null(c, row) ? 0 : column_view(c, row)->len);
    }
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        if (!column_is_null(c, row))
            buf_put_slice(out, view_slice(column_view(c, row)));
    }
}

/* What the batch takes at most, strings as they are: growing a buffer step by step copies it as often. */
static size_t most_bytes(const struct batch *b)
{
    size_t rows = batch_live(b), most = 16 + rows * sizeof(int64_t);
    for (uint32_t k = 0; k < b->ncols; k++) {
        const struct column *c = &b->cols[k];
        bool is_view = type_is_view(c->type);
        most += 4 + BITMAP_WORDS(rows) * sizeof(uint64_t) + rows * (is_view ? sizeof(uint32_t) : type_width(c->type));
        for (uint32_t i = 0; is_view && i < rows; i++)
            most += column_view(c, batch_row(b, i))->len;
    }
    return most;
}

void batch_encode(const struct batch *b, struct buf *out)
{
    bool has_weight = has_live_weight(b);
    assert(batch_live(b) <= ROWS_MAX && b->ncols <= COLUMNS_MAX);
    size_t most = most_bytes(b);
    if (most <= out->max - out->len)
        (void)buf_reserve(out, most);
    buf_put_u32(out, batch_live(b));
    buf_put_u32(out, b->ncols);
    buf_put_u8(out, has_weight);
    for (uint32_t i = 0; has_weight && i < batch_live(b); i++)
        buf_put_u64(out, (uint64_t)batch_weight(b, batch_row(b, i)));
    for (uint32_t k = 0; k < b->ncols; k++) {
        const struct column *c = &b->cols[k];
        bool has_null = has_live_null(b, c);
        uint8_t element = c->type.id == TYPE_ARRAY ? c->type.element : 0;
        const uint8_t head[4] = {c->type.id, c->type.precision, c->type.scale, (uint8_t)(element << 1 | has_null)};
        buf_put(out, head, sizeof head);
        if (has_null)
            put_valid(b, c, out);
        if (type_is_view(c->type))
            put_views(b, c, out);
        else
            put_fixed(b, c, has_null, out);
    }
}

/* ---- reading ---- */

static bool type_is_sound(struct type t)
{
    if (t.id == TYPE_UNKNOWN || t.id >= TYPE_COUNT)
        return false;
    if (t.id == TYPE_ARRAY)
        return t.element != TYPE_ARRAY && type_is_sound(type_element(t));
    if (t.element)
        return false;
    if (t.id == TYPE_NUMERIC)
        return t.precision >= 1 && t.precision <= NUMERIC_MAX_PRECISION && t.scale <= t.precision;
    return t.precision == 0 && t.scale == 0;
}

static const char *get_valid(struct reader *in, struct column *c, uint32_t rows, struct arena *a)
{
    const char *bytes;
    size_t size = BITMAP_WORDS(rows) * sizeof(uint64_t);
    if (!reader_bytes(in, size, &bytes))
        return "the NULL bitmap is cut short";
    c->valid = arena_dup(a, bytes, size);
    return NULL;
}

static const char *get_views(struct reader *in, struct column *c, uint32_t rows, struct arena *a)
{
    const char *lengths, *bytes;
    if (!reader_bytes(in, rows * sizeof(uint32_t), &lengths))
        return "the lengths of its strings are cut short";
    struct view *views = arena_array(a, rows, sizeof *views);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t len = load_u32(lengths + i * sizeof len);
        if (!reader_bytes(in, len, &bytes))
            return "its strings are cut short";
        if (len && column_is_null(c, i))
            return "a NULL has bytes";
        views[i] = view_of(bytes, len);
        if (c->type.id == TYPE_ARRAY && !column_is_null(c, i) && !array_check((struct slice){bytes, len}, c->type))
            return "an array is none of its type";
    }
    c->data = views;
    return NULL;
}

/* Values that would make a kernel's arithmetic undefined. */
static const char *check_fixed(const struct column *c, uint32_t rows)
{
    if (c->type.id == TYPE_BOOL)
        for (uint32_t i = 0; i < rows; i++)
            if (((const uint8_t *)c->data)[i] > 1)
                return "a boolean is neither 0 nor 1";
    if (c->type.id == TYPE_NUMERIC)
        for (uint32_t i = 0; i < rows; i++)
            if (!decimal_fits(column_numeric(c, i), c->type.precision))
                return "a numeric is wider than its type";
    return NULL;
}

static const char *get_fixed(struct reader *in, struct column *c, uint32_t rows, struct arena *a)
{
    const char *bytes;
    size_t size = rows * type_width(c->type);
    if (!reader_bytes(in, size, &bytes))
        return "its values are cut short";
    c->data = arena_dup(a, bytes, size); /* copied, since the bytes lie at any address and kernels want aligned ones */
    return check_fixed(c, rows);
}

/* Answers what is wrong, or NULL. */
static const char *get_column(struct reader *in, struct column *c, const struct type *want, uint32_t rows,
                              struct arena *a)
{
    const char *head, *odd = NULL;
    if (!reader_bytes(in, 4, &head))
        return "its head is cut short";
    *c = (struct column){.type = {(uint8_t)head[0], (uint8_t)head[1], (uint8_t)head[2],
                                         (uint8_t)head[3] >> 1}};
    bool has_valid = head[3] & 1;
    if (!type_is_sound(c->type))
        return "its type is unknown";
    if (want && !type_equal(*want, c->type))
        return "its type is another one than expected";
    if (has_valid)
        odd = get_valid(in, c, rows, a);
    if (!odd)
        odd = type_is_view(c->type) ? get_views(in, c, rows, a) : get_fixed(in, c, rows, a);
    return odd;
}

static const char *get_weights(struct reader *in, struct batch *b, struct arena *a)
{
    const char *bytes;
    if (!reader_bytes(in, b->rows * sizeof(int64_t), &bytes))
        return "the weights are cut short";
    b->weight = arena_dup(a, bytes, b->rows * sizeof(int64_t));
    for (uint32_t i = 0; i < b->rows; i++)
        if (b->weight[i] == 0)
            return "a weight is 0";
    return NULL;
}

enum status batch_decode(struct slice bytes, const struct type *types, uint32_t ncols, struct arena *a,
                         struct batch **ret, struct error *err)
{
    struct reader in = reader_of(bytes);
    struct batch *b = arena_zalloc(a, sizeof *b);
    uint8_t has_weight;
    if (!reader_u32(&in, &b->rows) || !reader_u32(&in, &b->ncols) || !reader_u8(&in, &has_weight) || has_weight > 1 ||
        b->rows > ROWS_MAX || b->ncols > COLUMNS_MAX)
        return error_set(err, ERR_CORRUPT, "encoded rows: no valid head in %zu bytes", bytes.len);
    if (types && b->ncols != ncols)
        return error_set(err, ERR_CORRUPT, "encoded rows: %u columns where %u were expected", b->ncols, ncols);
    const char *odd = has_weight ? get_weights(&in, b, a) : NULL;
    if (odd)
        return error_set(err, ERR_CORRUPT, "encoded rows: %s", odd);
    /* A column takes at least 4 bytes, so a lying count cannot make us allocate more than the bytes allow. */
    if (reader_left(&in) / 4 < b->ncols)
        return error_set(err, ERR_CORRUPT, "encoded rows: the columns are cut short");
    b->cols = arena_zarray(a, b->ncols, sizeof *b->cols);
    for (uint32_t k = 0; k < b->ncols; k++) {
        odd = get_column(&in, &b->cols[k], types ? &types[k] : NULL, b->rows, a);
        if (odd)
            return error_set(err, ERR_CORRUPT, "encoded rows: column %u: %s", k + 1, odd);
    }
    if (reader_left(&in))
        return error_set(err, ERR_CORRUPT, "encoded rows: %zu bytes too many", reader_left(&in));
    b->live = b->rows;
    b->arena = a;
    *ret = b;
    return OK;
}
