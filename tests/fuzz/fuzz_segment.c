/* A segment of any bytes, whose checksums are made right: opened, read, loaded, merged. Nothing but clean errors. */
#include <stdlib.h>

#include "../unit/memory_store.h"
#include "base/hash.h"
#include "state/expiring.h"
#include "state/keyed.h"
#include "state/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TRAILER = 64 };

/* The trailer's checksum and length, as the log would know them; epochs are the trailer's own. */
static struct segment_ref ref_of(struct buf *b)
{
    struct segment_ref ref = {.name = "seg/x", .bytes = b->len};
    if (b->len < TRAILER)
        return ref;
    char *trailer = b->data + b->len - TRAILER;
    uint64_t directory = load_u64(trailer + 24);
    store_u64(trailer + 32, b->len);
    if (directory <= b->len - TRAILER)
        ref.crc = crc32c(0, b->data + directory, b->len - 12 - (size_t)directory);
    store_u32(trailer + 52, ref.crc);
    ref.from = (int64_t)load_u64(trailer);
    ref.to = (int64_t)load_u64(trailer + 8);
    ref.level = load_u32(trailer + 44);
    ref.has_state = ref.has_keyed = true;
    ref.sets_end_us = INT64_MAX;
    return ref;
}

static void load(const struct section *x, struct slice payload)
{
    static const struct keyed_codec codec = {.value_size = 8};
    struct error err;
    struct keyed *t = keyed_new("t", 1, &codec);
    struct expiring *s = expiring_new("s", 1000000, 1);
    enum status status = x->kind == SECTION_SET ? expiring_load(s, EXPIRING_VERSION, payload, INT64_MIN, &err)
                                                : keyed_load(t, 1, payload, &err);
    (void)status;
    keyed_free(t);
    expiring_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct store *store = memory_store_new();
    struct buf bytes = BUF(MIB(64));
    buf_put(&bytes, data, size);
    struct segment_ref ref = ref_of(&bytes), merged[MERGE_RESULTS];
    memory_set(memory_of(store), ref.name, bytes);
    struct segment *g;
    uint32_t n;
    if (segment_open(store, &ref, &g, &err) == OK) {
        const struct section *x = segment_sections(g, &n);
        for (uint32_t i = 0; i < n; i++) {
            AUTO(buf) payload = BUF(MIB(64));
            char *at = buf_reserve(&payload, (size_t)x[i].bytes);
            if (!at || segment_read_part(g, &x[i], 0, at, (size_t)x[i].bytes, &err) != OK)
                abort();
            load(&x[i], (struct slice){at, (size_t)x[i].bytes});
        }
        segment_close(g);
        if (ref.from >= 0 && ref.from <= ref.to &&
            merge_segments(store, &ref, 1, true, 0, 1, merged, &n, &err) == OK)
            assert(n > 0 && merged[0].from == ref.from);
    }
    store_free(store);
    return 0;
}
