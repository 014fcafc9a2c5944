/* The bytes of a slot: a header line that guards and chains, then the JSON payload. Private to epoch/. */
#pragma once

#include "base/store.h"

enum { SLOT_HEADER = 221 };

struct slot {
    uint64_t number, term;
    char previous[65]; /* SHA-256 of the whole slot before it, in hex; all zero for the first */
    char nonce[33];    /* 16 random bytes in hex: tells our put from another's */
    struct slice payload;
};

/* The header of a slot with this payload. Its object is the header, then the payload. */
void slot_header(const struct slot *s, char ret[static SLOT_HEADER + 1]);
/* Take `bytes` apart; *ret points into them. ERR_CORRUPT says what is wrong with them; ERR_STATE: a format that this
 * bourn does not know. Messages name the object `name` in `place`. */
enum status slot_read(struct slice bytes, uint64_t number, const char *place, struct slot *ret, struct error *err);

/* "log/<number>" */
void slot_name(uint64_t number, char ret[static 25]);
/* The number in such a name; false: it is none. */
bool slot_number(const char *name, uint64_t *ret);
