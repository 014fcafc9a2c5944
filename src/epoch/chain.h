/* Reading the log: which slots there are, and what they add up to. Private to epoch/. */
#pragma once

#include "epoch/manifest.h"
#include "epoch/slot.h"

/* Where the log ends. */
struct chain_end {
    uint64_t first;  /* lowest slot of the unbroken run that ends at `newest` */
    uint64_t newest; /* 0: there is no slot */
    uint64_t full;   /* the newest full record's slot */
    char sha[65];    /* of the newest slot; all '0' where there is none */
};

/* The manifest as of the newest slot (ret->slot, ret->term are the newest's), from the last full record on. An empty
 * log is OK:
 * a zero manifest. */
enum status chain_load(struct store *store, struct manifest *ret, struct chain_end *ret_end, struct error *err);

/* Bytes of one slot, taken apart. The slot points into `bytes`. */
struct slot_bytes {
    struct buf bytes;
    struct slot slot;
    char sha[65];
};
enum status slot_get(struct store *store, uint64_t number, struct slot_bytes *ret, struct error *err);
void slot_bytes_release(struct slot_bytes *s);
