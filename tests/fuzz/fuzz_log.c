/* A slot of the log of any bytes: read, applied, written again and read again gives the same. */
#include <stdlib.h>

#include "epoch/record.h"
#include "epoch/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be applied to the state it tells, and that state written and read again. */
static void replay(struct record_read *r)
{
    struct error err;
    if (!r->is_full || manifest_check(&r->full, &r->record, &err) != OK)
        return;
    manifest_apply(&r->full, &r->record);
    for (struct segment_ref gone; manifest_take_unneeded(&r->full, &gone);)
        ;
    AUTO(buf) first = BUF(MIB(64)), second = BUF(MIB(64)), full = BUF(MIB(64));
    record_json(1, 1, &r->record, &r->full, &first);
    struct record_read *again;
    if (record_read_new(buf_slice(&first), &again, &err) != OK)
        abort();
    record_json(1, 1, &again->record, &again->full, &second);
    manifest_json(&r->full, &full);
    assert(slice_equal(buf_slice(&first), buf_slice(&second)));
    record_read_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct slice bytes = {(const char *)data, size};
    struct slot s;
    struct record_read *r;
    if (slot_read(bytes, 1, "fuzz", &s, &err) == OK)
        bytes = s.payload; /* checksums right: rare, but the payload alone is read below either way */
    if (record_read_new(bytes, &r, &err) != OK)
        return 0;
    replay(r);
    record_read_free(r);
    return 0;
}
