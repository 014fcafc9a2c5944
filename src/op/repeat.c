#include "op/repeat.h"

static void copy_elements(struct column *to, const struct column *from, const uint32_t *rows, uint32_t n,
                          struct arena *a)
{
    size_t width = type_width(from->type);
    for (uint32_t i = 0; i < n; i++)
        memcpy((char *)to->data + width * i, (const char *)from->data + width * rows[i], width);
    if (!from->valid)
        return;
    to->valid = arena_zarray(a, BITMAP_WORDS(n), sizeof(uint64_t));
    for (uint32_t i = 0; i < n; i++)
        if (bit_get(from->valid, rows[i]))
            bit_set(to->valid, i);
}

static const void *copy_array(const void *from, size_t width, const uint32_t *rows, uint32_t n, struct arena *a)
{
    if (!from)
        return NULL;
    char *to = arena_array(a, n, width);
    for (uint32_t i = 0; i < n; i++)
        memcpy(to + width * i, (const char *)from + width * rows[i], width);
    return to;
}

static const struct origin *copy_origin(const struct origin *from, const uint32_t *rows, uint32_t n, struct arena *a)
{
    if (!from)
        return NULL;
    struct origin *to = arena_dup(a, from, sizeof *from);
    to->offset = copy_array(from->offset, sizeof *from->offset, rows, n, a);
    to->timestamp = copy_array(from->timestamp, sizeof *from->timestamp, rows, n, a);
    to->raw = copy_array(from->raw, sizeof *from->raw, rows, n, a);
    to->key = copy_array(from->key, sizeof *from->key, rows, n, a);
    to->headers = copy_array(from->headers, sizeof *from->headers, rows, n, a);
    return to;
}

struct batch *batch_repeat(const struct batch *in, uint32_t ncols, const uint32_t *rows, uint32_t n, uint32_t more,
                           struct arena *a)
{
    struct batch *out = arena_dup(a, in, sizeof *in);
    out->rows = out->live = n;
    out->sel = NULL;
    out->ncols = ncols + more;
    out->cols = arena_zarray(a, out->ncols, sizeof *out->cols);
    for (uint32_t i = 0; i < ncols; i++) {
        out->cols[i] = column_make(a, in->cols[i].type, n, false);
        copy_elements(&out->cols[i], &in->cols[i], rows, n, a);
    }
    out->weight = copy_array(in->weight, sizeof *in->weight, rows, n, a);
    out->origin = copy_origin(in->origin, rows, n, a);
    return out;
}
