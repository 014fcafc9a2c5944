/* Values with a count each: the state of aggregates that must know which values there are, so that one can be taken
 * back or counted once. A zeroed multiset is the empty one, and one that became empty again is all zero.
 *
 * Keys are either words (64 bits) or byte strings; one multiset has keys of one kind. A count may be negative for a
 * while: a worker may see a row go that another saw come. An entry whose count is 0 is not there.
 *
 * Memory: 16 bytes a slot, at most 3/4 of them in use, and for byte strings one block each. All of it is counted, in
 * bytes, on the thread that changes it: an operator reads the counter before and after a call.
 */
#pragma once

#include "base/buf.h"

struct multiset_slot {
    uint64_t key; /* a word, or the address of a struct multiset_bytes */
    int64_t count; /* 0: the slot is free */
};

struct multiset_bytes {
    uint64_t hash;
    uint32_t len;
    char data[];
};

struct multiset {
    struct multiset_slot *slots; /* NULL: none */
    uint32_t cap, used;          /* a power of two; entries */
    uint32_t present;            /* entries whose count is positive */
    uint32_t bytes;              /* 1: keys are byte strings */
};

/* Bytes that the calling thread's multisets took, less those it gave back; may be negative where one thread frees what
 * another took. Only differences mean anything. */
int64_t *multiset_memory(void);
/* Memory that belongs to the state of an aggregate without being a multiset's is counted through these. */
void *state_alloc(size_t size);
void state_free(void *p, size_t size);

void multiset_add_word(struct multiset *s, uint64_t key, int64_t weight);
void multiset_add_bytes(struct multiset *s, struct slice key, int64_t weight);
void multiset_merge(struct multiset *into, const struct multiset *from);
void multiset_release(struct multiset *s); /* it is empty afterwards */
/* The next entry at or behind *at, which is 0 at first; NULL: no more. In no order. */
const struct multiset_slot *multiset_next(const struct multiset *s, uint32_t *at);
static inline struct slice multiset_key(const struct multiset_slot *slot)
{
    const struct multiset_bytes *b = (const struct multiset_bytes *)(uintptr_t)slot->key;
    return (struct slice){b->data, b->len};
}
/* u8 kind of keys, varint entries, then per entry the key (u64, or varint length and bytes) and its count as a zigzag
 * varint. */
void multiset_pack(const struct multiset *s, struct buf *out);
bool multiset_unpack(struct reader *in, struct multiset *ret); /* into an empty one; false: corrupt, and it is empty */
