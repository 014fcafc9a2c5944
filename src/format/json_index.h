/* Where the quotes of a message stand, found 64 bytes at a time with the widest instructions this processor has. Knows
 * nothing else of JSON; which quotes are escaped is settled by json_index_settle. */
#pragma once

#include "column/batch.h"

enum {
    JSON_INDEX_LONGEST = UINT16_MAX, /* longer messages are not indexed */
    JSON_INDEX_SLACK = 64            /* places written behind the last quote, at most */
};

/* Of one message. */
struct json_index {
    uint16_t *quotes; /* places, ascending */
    uint32_t count;
    bool backslash; /* there is one: quotes may be escaped */
    bool uneven;    /* a byte below 0x20 or above 0x7f is there */
};

/* Each reads `rows` messages into ret[0..rows), whose places lie one behind the other in `places`: for each message
 * there is room for its length and JSON_INDEX_SLACK. A message that is too long has no quotes. All give the same. */
typedef void json_indexer(const struct view *raw, uint32_t rows, uint16_t *places, struct json_index *ret);
json_indexer json_index_sse2;
#ifdef __x86_64__
json_indexer json_index_avx2, json_index_avx512;
#endif
/* The fastest this processor can run. */
json_indexer *json_indexer_best(void);

/* Take escaped quotes out of the index of a message that has backslashes. Returns where the first and the last escape
 * begin. */
struct json_escapes {
    size_t first, last;
};
struct json_escapes json_index_settle(struct json_index *x, struct slice message);
