/* Slots of open tables: an address, with 16 bits of its key's hash in the 16 that a user-space address leaves free on
 * x86-64 and AArch64. What has another hash is told without a look at what the slot points to. 0: empty. */
#pragma once

#include "base/base.h"

#define SLOT_POINTER ((UINT64_C(1) << 48) - 1)

enum { SLOT_TAG_SHIFT = 32 }; /* bits 32..47 of the hash; position takes the low ones, the shard the top eight */

static inline uint64_t slot_of(uint64_t hash, const void *p)
{
    uint64_t pointer = (uintptr_t)p;
    assert((pointer & ~SLOT_POINTER) == 0);
    return hash >> SLOT_TAG_SHIFT << 48 | pointer;
}

static inline void *slot_at(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & SLOT_POINTER);
}

/* May it be of this hash? */
static inline bool slot_has(uint64_t slot, uint64_t hash)
{
    return (slot & ~SLOT_POINTER) == hash >> SLOT_TAG_SHIFT << 48;
}
