/* Any bytes as an encoded batch: ERR_CORRUPT, or rows of which every byte can be touched, and that encode to a batch of
 * the same rows. */
#include "column/rowcodec.h"
#include "column/rowkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(MIB(256)), again = BUF(MIB(256)), keys = BUF(MIB(256));
    struct batch *b, *back;
    struct error err = {0};
    if (batch_decode((struct slice){(const char *)data, size}, NULL, 0, &a, &b, &err) != OK) {
        assert(err.code == ERR_CORRUPT);
        return 0;
    }
    for (uint32_t row = 0; row < b->rows; row++)
        for (uint32_t k = 0; k < b->ncols; k++) {
            column_print(&b->cols[k], row, &keys);
            rowkey_put(&keys, b->cols, &k, 1, row);
        }
    batch_encode(b, &out);
    enum status status = batch_decode(buf_slice(&out), NULL, 0, &a, &back, &err);
    assert(status == OK && back->rows == b->rows);
    batch_encode(back, &again);
    assert(slice_equal(buf_slice(&out), buf_slice(&again)));
    return 0;
}
