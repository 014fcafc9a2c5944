/* A Parquet file of any bytes: every column read, as its own type and as text; errors are fine, nothing else is. */
#include "lake/parquet.h"

enum { MAX_BATCHES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the file's types, or everything that can be as jsonb, numeric, bytea; or nested columns alone, as arrays. */
enum reading { PLAIN, OTHER, ARRAYS_OF_TEXT, ARRAYS_OF_INT8 };

static void read_as(struct slice bytes, enum reading how)
{
    struct error err;
    AUTO(arena) a = {0};
    AUTO(parquet_reader) *r = NULL;
    if (parquet_reader_open_bytes(bytes, "fuzz", &r, &err) != OK)
        return;
    const struct schema *schema = parquet_reader_schema(r);
    struct schema want = {.ncols = 0};
    want.names = arena_array(&a, schema->ncols + 1, sizeof *want.names);
    want.types = arena_array(&a, schema->ncols + 1, sizeof *want.types);
    for (uint32_t i = 0; i < schema->ncols && want.ncols < 50; i++) {
        struct type t = schema->types[i];
        if (t.id == TYPE_UNKNOWN || (how > OTHER && t.id != TYPE_JSONB))
            continue;
        if (how > OTHER)
            t = type_array(TYPE(how == ARRAYS_OF_TEXT ? TYPE_TEXT : TYPE_INT8));
        if (how == OTHER)
            t = t.id == TYPE_TEXT ? TYPE(TYPE_UUID) : t.id == TYPE_INT8 ? type_numeric(30, 5) : t;
        want.names[want.ncols] = schema->names[i];
        want.types[want.ncols++] = t;
    }
    if (parquet_reader_select(r, &want, &err) != OK)
        return;
    for (int i = 0; i < MAX_BATCHES; i++) {
        AUTO(arena) rows = {0};
        struct batch *b;
        if (parquet_reader_next(r, &rows, &b, &err) != OK || !b)
            return;
        assert(b->rows > 0 && b->rows <= BATCH_ROWS && b->ncols == want.ncols);
        AUTO(buf) text = BUF(MIB(256));
        for (uint32_t c = 0; c < b->ncols; c++)
            for (uint32_t k = 0; k < b->rows; k += 17)
                (void)column_print(&b->cols[c], k, &text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    for (enum reading how = PLAIN; how <= ARRAYS_OF_INT8; how++)
        read_as(bytes, how);
    return 0;
}
