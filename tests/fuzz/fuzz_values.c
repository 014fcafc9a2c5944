/* Any text for any type: refused, or a value whose printed form reads back as the same value, whose key reads back as
 * an equal one, and whose encoding reads back as the same. The first byte chooses the type.
 * Seeds: the inputs of tests/unit/data/values.tsv. */
#include "column/rowcodec.h"
#include "column/rowkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct type type_of(uint8_t choice)
{
    static const struct type types[] = {
        {TYPE_BOOL}, {TYPE_INT4}, {TYPE_INT8}, {TYPE_FLOAT8}, {TYPE_NUMERIC, 12, 2}, {TYPE_NUMERIC, 38, 10},
        {TYPE_TEXT}, {TYPE_BYTEA}, {TYPE_UUID}, {TYPE_DATE}, {TYPE_TIMESTAMP}, {TYPE_TIMESTAMPTZ}, {TYPE_INTERVAL},
        {TYPE_JSONB}, {TYPE_ARRAY, .element = TYPE_TEXT}, {TYPE_ARRAY, .element = TYPE_BOOL},
        {TYPE_ARRAY, 12, 2, TYPE_NUMERIC}, {TYPE_ARRAY, .element = TYPE_INTERVAL}, {TYPE_ARRAY, .element = TYPE_BYTEA},
    };
    return types[choice % ARRAY_LEN(types)];
}

static void put_key(struct column *c, size_t row, struct buf *out)
{
    buf_clear(out);
    rowkey_put(out, c, (uint32_t[]){0}, 1, row);
    assert(!out->overflow);
}

static void check_value(struct batch *b, struct arena *a)
{
    struct column *c = &b->cols[0];
    struct error err;
    struct batch *back;
    AUTO(buf) text = BUF(MIB(64)), again = BUF(MIB(64)), key = BUF(MIB(64)), key_again = BUF(MIB(64));

    /* Row 1 is the printed form of row 0, row 2 the key of row 0 read back. */
    assert(column_print(c, 0, &text));
    enum status status = column_parse(c, 1, buf_slice(&text), a, &err);
    assert(status == OK);
    column_print(c, 1, &again);
    assert(slice_equal(buf_slice(&text), buf_slice(&again)));
    put_key(c, 0, &key);
    put_key(c, 1, &key_again);
    assert(slice_equal(buf_slice(&key), buf_slice(&key_again)));
    struct reader in = reader_of(buf_slice(&key));
    bool read = rowkey_get(&in, c, 2, a);
    assert(read && reader_left(&in) == 0);
    put_key(c, 2, &key_again);
    assert(slice_equal(buf_slice(&key), buf_slice(&key_again)));

    buf_clear(&text);
    buf_clear(&again);
    batch_encode(b, &text);
    status = batch_decode(buf_slice(&text), &c->type, 1, a, &back, &err);
    assert(status == OK);
    batch_encode(back, &again);
    assert(slice_equal(buf_slice(&text), buf_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    AUTO(arena) a = {0};
    struct type type = type_of(data[0]);
    struct batch *b = batch_make(&a, &type, 1, 3);
    struct error err = {0};
    b->rows = b->live = 3;
    if (column_parse(&b->cols[0], 0, (struct slice){(const char *)data + 1, size - 1}, &a, &err) == OK)
        check_value(b, &a);
    else
        assert(err.text[0]);
    return 0;
}
