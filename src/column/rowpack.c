#include "column/rowpack.h"

#include "column/array.h"

void rowpack_put(struct buf *out, const struct column *cols, uint32_t ncols, size_t row)
{
    size_t nbitmap = (ncols + 7) / 8, most = nbitmap;
    for (uint32_t c = 0; c < ncols; c++)
        if (!column_is_null(&cols[c], row))
            most += type_is_view(cols[c].type) ? 4 + (size_t)column_view(&cols[c], row)->len
                                               : type_width(cols[c].type);
    char *begin = buf_reserve(out, most), *at = begin + nbitmap;
    if (!begin)
        return;
    memset(begin, 0, nbitmap);
    for (uint32_t c = 0; c < ncols; c++) {
        if (column_is_null(&cols[c], row)) {
            begin[c / 8] |= (char)(1u << c % 8);
        } else if (type_is_view(cols[c].type)) {
            const struct view *v = column_view(&cols[c], row);
            memcpy(at, &v->len, 4);
            memcpy(at + 4, view_data(v), v->len);
            at += 4 + v->len;
        } else {
            size_t width = type_width(cols[c].type);
            memcpy(at, (const char *)cols[c].data + width * row, width);
            at += width;
        }
    }
    out->len += (size_t)(at - begin);
}

static bool get_view(struct reader *in, struct column *col, size_t at, struct arena *a)
{
    uint32_t len;
    const char *bytes;
    if (!reader_u32(in, &len) || !reader_bytes(in, len, &bytes))
        return false;
    if (col->type.id == TYPE_ARRAY && !array_check((struct slice){bytes, len}, col->type))
        return false;
    ((struct view *)col->data)[at] = view_of(len > VIEW_INLINE && a ? arena_dup(a, bytes, len) : bytes, len);
    return true;
}

bool rowpack_get(struct slice packed, struct column *cols, uint32_t ncols, size_t at, size_t rows, struct arena *a)
{
    struct reader in = reader_of(packed);
    const char *nulls, *bytes;
    if (!reader_bytes(&in, (ncols + 7) / 8, &nulls))
        return false;
    for (uint32_t c = 0; c < ncols; c++) {
        size_t width = type_width(cols[c].type);
        if (nulls[c / 8] >> c % 8 & 1) {
            column_set_null(&cols[c], a, rows, at);
            if (type_is_view(cols[c].type))
                ((struct view *)cols[c].data)[at] = (struct view){0};
            continue;
        }
        if (cols[c].valid)
            bit_set(cols[c].valid, at);
        if (type_is_view(cols[c].type)) {
            if (!get_view(&in, &cols[c], at, a))
                return false;
        } else {
            if (!reader_bytes(&in, width, &bytes))
                return false;
            memcpy((char *)cols[c].data + width * at, bytes, width);
        }
    }
    return reader_left(&in) == 0;
}

/* ---- many rows ---- */

enum { AT_ONCE = 32, CACHE_LINE = 64, FETCH_MOST = 4 * CACHE_LINE };

/* A few rows, on their way through the columns. */
struct some {
    const char *nulls[AT_ONCE], *at[AT_ONCE], *end[AT_ONCE]; /* nulls NULL: nothing but NULLs */
    uint32_t first, n;
    bool ok;
};

static bool is_null(const struct some *s, uint32_t i, uint32_t c)
{
    return !s->nulls[i] || (s->nulls[i][c / 8] >> c % 8 & 1);
}

static void get_null(const struct some *s, uint32_t i, struct column *col, size_t rows, struct arena *a)
{
    size_t row = s->first + i, width = type_width(col->type);
    column_set_null(col, a, rows, row);
    memset((char *)col->data + row * width, 0, width);
}

static void get_views(struct some *s, struct column *col, uint32_t c, size_t rows, struct arena *a)
{
    struct view *to = (struct view *)col->data + s->first;
    bool is_array = col->type.id == TYPE_ARRAY;
    for (uint32_t i = 0; i < s->n; i++) {
        if (is_null(s, i, c)) {
            get_null(s, i, col, rows, a);
            continue;
        }
        const char *at = s->at[i];
        size_t left = (size_t)(s->end[i] - at), len = left < 4 ? 0 : load_u32(at);
        if (left < 4 || left - 4 < len || (is_array && !array_check((struct slice){at + 4, len}, col->type))) {
            s->ok = false;
            return;
        }
        to[i] = view_of(at + 4, len);
        s->at[i] = at + 4 + len;
    }
}

/* Inlined for each width. */
static inline void get_fixed(struct some *s, struct column *col, uint32_t c, size_t width, size_t rows, struct arena *a)
{
    char *to = (char *)col->data + s->first * width;
    for (uint32_t i = 0; i < s->n; i++) {
        if (is_null(s, i, c)) {
            get_null(s, i, col, rows, a);
            continue;
        }
        if ((size_t)(s->end[i] - s->at[i]) < width) {
            s->ok = false;
            return;
        }
        memcpy(to + i * width, s->at[i], width);
        s->at[i] += width;
    }
}

static void get_column(struct some *s, struct column *col, uint32_t c, size_t rows, struct arena *a)
{
    if (type_is_view(col->type)) {
        get_views(s, col, c, rows, a);
        return;
    }
    switch (type_width(col->type)) {
    case 4: get_fixed(s, col, c, 4, rows, a); return;
    case 8: get_fixed(s, col, c, 8, rows, a); return;
    default: get_fixed(s, col, c, type_width(col->type), rows, a); return;
    }
}

static void fetch(struct slice packed)
{
    for (size_t at = 0; packed.data && at < MIN(packed.len, (size_t)FETCH_MOST); at += CACHE_LINE)
        __builtin_prefetch(packed.data + at);
}

static void begin(struct some *s, const struct slice *packed, size_t nbitmap)
{
    for (uint32_t i = 0; i < s->n; i++) {
        s->nulls[i] = packed[i].data;
        if (!packed[i].data)
            continue;
        s->ok &= packed[i].len >= nbitmap;
        s->at[i] = packed[i].data + MIN(nbitmap, packed[i].len);
        s->end[i] = packed[i].data + packed[i].len;
    }
}

bool rowpack_get_all(const struct slice *packed, uint32_t n, struct column *cols, uint32_t ncols, struct arena *a)
{
    struct some s = {.ok = true};
    for (uint32_t i = 0; i < MIN(n, (uint32_t)AT_ONCE); i++)
        fetch(packed[i]);
    for (; s.first < n && s.ok; s.first += AT_ONCE) {
        s.n = MIN(n - s.first, (uint32_t)AT_ONCE);
        for (uint32_t i = s.first + AT_ONCE; i < MIN(n, s.first + 2 * AT_ONCE); i++)
            fetch(packed[i]);
        begin(&s, packed + s.first, (ncols + 7) / 8);
        for (uint32_t c = 0; c < ncols && s.ok; c++)
            get_column(&s, &cols[c], c, n, a);
        for (uint32_t i = 0; i < s.n; i++)
            s.ok &= !s.nulls[i] || s.at[i] == s.end[i];
    }
    return s.ok;
}
