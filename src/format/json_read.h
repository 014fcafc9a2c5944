/* A JSON reader (RFC 8259) in the plainest form: one value at a time, byte by byte. It is what the fast scanner
 * (json_scan.c) turns to for everything unusual, and what tests hold the scanner against. Knows nothing of columns.
 *
 * Strict: no trailing comma, no comment, no leading zero, no control character inside a string, valid UTF-8 in every
 * string and key. An escape must be well-formed; whether it stands for a character is asked only by json_unescape.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"

enum { JSON_MAX_DEPTH = 64 }; /* levels of objects and arrays inside one value */

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_token {
    enum json_kind kind;
    bool escaped;      /* a string with a backslash in it */
    bool fraction;     /* a number with a point or an exponent */
    struct slice text; /* of a string, what stands between the quotes; else the whole value */
};

/* On failure `cause` says what was expected, and p where. */
struct json_reader {
    const char *start, *p, *end;
    const char *cause;
};

void json_skip_space(struct json_reader *r);
/* Consume `c` after white space, or fail with `cause`. */
bool json_expect(struct json_reader *r, char c, const char *cause);
/* The value at p (white space before it is skipped). Arrays and objects are checked and returned as text. */
bool json_read_value(struct json_reader *r, struct json_token *ret);
/* The string at p. */
bool json_read_string(struct json_reader *r, struct json_token *ret);
/* The characters an escaped string stands for, into `out`, which has room for raw.len bytes. Returns NULL, or why there
 * is no such text (\u0000, half a surrogate pair; of a string that json_read_string did not pass, also no escape). */
const char *json_unescape_into(struct slice raw, char *out, size_t *ret_len);
/* The same in the arena. */
const char *json_unescape(struct slice raw, struct arena *a, struct slice *ret);
