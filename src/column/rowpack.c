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
    ((struct view *)col->data)[at] = view_of(len > VIEW_INLINE ? arena_dup(a, bytes, len) : bytes, len);
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
