#include "op/sort_key.h"

#include "column/rowkey.h"

void sort_key_put(struct buf *out, const struct column *cols, const struct plan_sort_key *keys, uint32_t nkeys,
                  uint32_t row)
{
    for (uint32_t i = 0; i < nkeys; i++) {
        const struct plan_sort_key *k = &keys[i];
        bool null = column_is_null(&cols[k->column], row);
        buf_put_u8(out, null ? (k->nulls_first ? 0 : 2) : 1);
        if (null)
            continue;
        size_t at = out->len;
        rowkey_put(out, cols, &k->column, 1, row);
        for (size_t b = at; k->descending && b < out->len; b++)
            out->data[b] = (char)~out->data[b];
    }
}
