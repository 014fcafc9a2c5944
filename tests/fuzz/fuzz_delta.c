/* A Delta table of any bytes. The input is cut at "\n--\n" into the objects of a small table, in this order. */
#include "../unit/memory_store.h"
#include "lake/delta.h"

static const char *const objects[] = {
    "t/_delta_log/00000000000000000000.json",
    "t/_delta_log/00000000000000000001.json",
    "t/_delta_log/00000000000000000001.checkpoint.parquet",
    "t/_delta_log/_last_checkpoint",
    "t/f.parquet",
    "t/deletion_vector_00000000-0000-0000-0000-000000000000.bin",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct store *s, struct slice all)
{
    struct error err;
    for (size_t i = 0; i < ARRAY_LEN(objects) && all.len; i++) {
        const char *end = memmem(all.data, all.len, "\n--\n", 4);
        struct slice one = {all.data, end ? (size_t)(end - all.data) : all.len};
        size_t used = end ? one.len + 4 : one.len;
        if (one.len && store_put(s, objects[i], one, &err) != OK)
            abort();
        all = (struct slice){all.data + used, all.len - used};
    }
}

static void look_at(const struct delta_table *t, const struct delta_file *f)
{
    struct error err;
    AUTO(arena) a = {0};
    AUTO(delta_reader) *r = NULL;
    uint64_t rows;
    (void)delta_file_rows(f, &rows);
    assert(delta_file_bounds(t, f, &a)->rows == 2);
    assert(store_name_ok(f->path));
    if (delta_reader_open(t, f, NULL, &r, &err) != OK)
        return;
    for (int i = 0; i < 16; i++) {
        AUTO(arena) batch = {0};
        struct batch *b;
        if (delta_reader_next(r, &batch, &b, &err) != OK || !b)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct store *s = memory_store_new();
    struct delta_table *t = NULL, *again = NULL;
    enum delta_outcome outcome;
    fill(s, (struct slice){(const char *)data, size});
    if (delta_open(s, "t", &t, &err) == OK) {
        for (uint32_t i = 0; i < MIN(delta_file_count(t), 8u); i++)
            look_at(t, delta_file_at(t, i));
        /* what can be read and written to can be read again, checkpointed too */
        struct delta_commit c = {.operation = "WRITE", .blind_append = true, .data_change = true, .app_id = "fuzz"};
        if (delta_commit(t, &c, &outcome, &err) == OK && outcome == DELTA_COMMITTED &&
            delta_checkpoint(t, &err) == OK) {
            if (delta_open(s, "t", &again, &err) != OK || again->version != t->version ||
                delta_file_count(again) != delta_file_count(t))
                abort();
        }
    }
    delta_close(again);
    delta_close(t);
    store_free(s);
    return 0;
}
