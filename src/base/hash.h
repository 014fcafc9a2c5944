/* Hashes. hash64/hash128 (XXH3) are for tables and for identities kept in state: their values are part of the state's
 * format and never change. crc32c guards bytes on disk and is what Kafka and others use. sha256 is for identities
 * that outlive a state (plan fingerprints, chains). */
#pragma once

#include "base/base.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t hash64(const void *p, size_t n, uint64_t seed);
struct hash128 hash128(const void *p, size_t n, uint64_t seed);
uint32_t crc32c(uint32_t crc, const void *p, size_t n); /* start with 0 */
/* The same without the instruction that makes it fast: what crc32c does on processors that have none. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);
void sha256(const void *p, size_t n, unsigned char ret[static 32]);
/* 64 lower-case hex digits and a NUL. */
void sha256_hex(const void *p, size_t n, char ret[static 65]);

/* A good mix of one 64-bit word (for integer keys). */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xe9846af9b1a615d);
    x ^= x >> 32;
    x *= UINT64_C(0xe9846af9b1a615d);
    return x ^ (x >> 28);
}

enum { SHARDS = 256 }; /* logical shards of all keyed state; fixed for ever (docs/decisions) */
static inline unsigned shard_of(uint64_t key_hash) { return (unsigned)(key_hash >> 56); }
/* A hash of `bytes` in the shard of another hash, so that all that belongs to one key is in one shard. */
static inline uint64_t hash_in_shard_of(uint64_t key_hash, struct slice bytes)
{
    const uint64_t shard = UINT64_C(0xff) << 56;
    return (key_hash & shard) | (hash64(bytes.data, bytes.len, 0) & ~shard);
}
