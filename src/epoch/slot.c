/* The format of a slot, version 1: one header line of 221 bytes, made to be read by a person, too, then the payload:
 *
 *     bourn-log 1 slot=<20 digits> term=<20 digits> bytes=<10 digits> crc=<8 hex> previous=<64 hex> nonce=<32 hex>
 *     head=<8 hex>\n
 *
 *     slot      its number, as in its name
 *     term      of the writer; a process that takes over begins a new one
 *     bytes     length of the payload, which is all of the rest
 *     crc       CRC-32C of the payload
 *     previous  SHA-256 of the whole slot before, header and payload
 *     nonce     random: whose put has won, where an answer was lost
 *     head      CRC-32C of the header up to " head="
 *
 * Whatever a later version looks like, it begins with "bourn-log ", its number and a space.
 */
#include "epoch/slot.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"

static const char head_magic[] = "bourn-log ";
enum { VERSION = 1, HEAD_CRC = 14 /* " head=", eight digits */, PAYLOAD_MAX = 1 << 30 };

void slot_header(const struct slot *s, char ret[static SLOT_HEADER + 1])
{
    assert(s->payload.len <= PAYLOAD_MAX);
    int n = snprintf(ret, SLOT_HEADER + 1,
                     "%s%d slot=%020" PRIu64 " term=%020" PRIu64 " bytes=%010zu crc=%08" PRIx32 " previous=%s nonce=%s",
                     head_magic, VERSION, s->number, s->term, s->payload.len,
                     crc32c(0, s->payload.data, s->payload.len), s->previous, s->nonce);
    assert(n == SLOT_HEADER - HEAD_CRC - 1);
    snprintf(ret + n, HEAD_CRC + 2, " head=%08" PRIx32 "\n", crc32c(0, ret, (size_t)n));
}

void slot_name(uint64_t number, char ret[static 25]) { snprintf(ret, 25, "log/%020" PRIu64, number); }

bool slot_number(const char *name, uint64_t *ret)
{
    uint64_t number = 0;
    if (strncmp(name, "log/", 4) != 0 || strlen(name) != 24 || strspn(name + 4, "0123456789") != 20)
        return false;
    for (const char *p = name + 4; *p; p++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
            return false;
    *ret = number;
    return true;
}

static enum status damaged(uint64_t number, const char *place, const char *what, struct error *err)
{
    (void)error_set(err, ERR_CORRUPT, "%s/log/%020" PRIu64 " is damaged: %s", place, number, what);
    return error_hint(err,
                      "restore this file from a copy; without one, start with a new state and a new lake: bourn does "
                      "not guess at what was committed");
}

/* The version of whatever this is; -1: nothing of ours. */
static long version_of(struct slice bytes)
{
    size_t magic = sizeof head_magic - 1, i = magic;
    if (bytes.len <= magic || memcmp(bytes.data, head_magic, magic) != 0)
        return -1;
    long version = 0;
    for (; i < bytes.len && i < magic + 6 && bytes.data[i] >= '0' && bytes.data[i] <= '9'; i++)
        version = version * 10 + (bytes.data[i] - '0');
    return i > magic && i < bytes.len && bytes.data[i] == ' ' ? version : -1;
}

enum status slot_read(struct slice bytes, uint64_t number, const char *place, struct slot *ret, struct error *err)
{
    long version = version_of(bytes);
    if (version < 0)
        return damaged(number, place, "it does not begin as a slot of bourn's log does", err);
    if (version != VERSION) {
        (void)error_set(err, ERR_STATE, "%s/log/%020" PRIu64 " is in log format %ld, this bourn reads format %d", place,
                        number, version, VERSION);
        return error_hint(err, "it was written by another version of bourn: run that version on this state");
    }
    if (bytes.len < SLOT_HEADER)
        return damaged(number, place, "it ends within its first line", err);
    char head[SLOT_HEADER + 1], again[SLOT_HEADER + 1];
    memcpy(head, bytes.data, SLOT_HEADER);
    head[SLOT_HEADER] = 0;
    struct slot s = {.payload = {bytes.data + SLOT_HEADER, bytes.len - SLOT_HEADER}};
    uint64_t payload;
    uint32_t crc;
    if (sscanf(head, "bourn-log 1 slot=%20" SCNu64 " term=%20" SCNu64 " bytes=%10" SCNu64 " crc=%8" SCNx32
                     " previous=%64[0-9a-f] nonce=%32[0-9a-f]",
               &s.number, &s.term, &payload, &crc, s.previous, s.nonce) != 6 ||
        strlen(s.previous) != 64 || strlen(s.nonce) != 32 || s.payload.len > PAYLOAD_MAX)
        return damaged(number, place, "its first line cannot be read", err);
    if (payload != s.payload.len)
        return damaged(number, place, "its length is not what its first line says", err);
    if (s.number != number)
        return damaged(number, place, "it says that it is another slot", err);
    slot_header(&s, again);
    if (memcmp(again, head, SLOT_HEADER) != 0)
        return damaged(number, place, "its checksum is wrong", err);
    *ret = s;
    return OK;
}
