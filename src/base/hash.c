#include "base/hash.h"

#include <openssl/sha.h>
#include <pthread.h>

/* Inlined: most keys are shorter than the cost of a call into the shared library. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/ascii.h"

uint64_t hash64(const void *p, size_t n, uint64_t seed) { return XXH3_64bits_withSeed(p, n, seed); }

struct hash128 hash128(const void *p, size_t n, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);
    return (struct hash128){.lo = h.low64, .hi = h.high64};
}

/* CRC-32C (Castagnoli), RFC 3720 appendix B.4, reflected polynomial 0x82f63b78, a nibble at a time: the table is 64
 * bytes, and x86-64 processors that need it predate 2008. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    static const uint32_t nibble[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return ~crc;
}

#ifdef __x86_64__
/* The instruction takes three cycles and can begin anew with each: three stretches at a time are summed up side by
 * side, and put together as if each were followed by zeros in place of the next. */
enum { STRETCH = 1024 };

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t c = crc;
    for (; n >= 8; p += 8, n -= 8)
        c = __builtin_ia32_crc32di(c, load_u64(p));
    crc = (uint32_t)c;
    for (; n; p++, n--)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}

/* What becomes of each byte of a sum when STRETCH zeros follow: this is linear, so a sum's four are put together. */
static uint32_t followed[4][256];
static pthread_once_t followed_once = PTHREAD_ONCE_INIT;

static void fill_followed(void)
{
    static const unsigned char zeros[STRETCH];
    for (unsigned place = 0; place < 4; place++)
        for (uint32_t byte = 1; byte < 256; byte++) {
            uint32_t low = byte & (0u - byte);
            followed[place][byte] = byte == low ? crc32c_sse42(byte << 8 * place, zeros, STRETCH)
                                                : followed[place][low] ^ followed[place][byte ^ low];
        }
}

static uint32_t follow(uint32_t crc)
{
    return followed[0][crc & 255] ^ followed[1][crc >> 8 & 255] ^ followed[2][crc >> 16 & 255] ^ followed[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_three(uint32_t crc, const unsigned char *p, size_t n)
{
    for (; n >= 3 * STRETCH; p += 3 * STRETCH, n -= 3 * STRETCH) {
        uint64_t a = crc, b = 0, c = 0;
        for (size_t i = 0; i < STRETCH; i += 8) {
            a = __builtin_ia32_crc32di(a, load_u64(p + i));
            b = __builtin_ia32_crc32di(b, load_u64(p + STRETCH + i));
            c = __builtin_ia32_crc32di(c, load_u64(p + 2 * STRETCH + i));
        }
        crc = follow(follow((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
    }
    return crc32c_sse42(crc, p, n);
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) {
        if (n < 3 * STRETCH)
            return ~crc32c_sse42(~crc, p, n);
        pthread_once(&followed_once, fill_followed);
        return ~crc32c_three(~crc, p, n);
    }
#endif
    return crc32c_portable(crc, p, n);
}

void sha256(const void *p, size_t n, unsigned char ret[static 32]) { SHA256(p, n, ret); }

void sha256_hex(const void *p, size_t n, char ret[static 65])
{
    unsigned char raw[32];
    sha256(p, n, raw);
    *hex_put(ret, raw, sizeof raw) = 0;
}
