/* JSON as a tree in an arena, for the Delta log. Numbers stay text: a decimal(38,10) minimum or a 64-bit version never
 * passes through a double. (The decoders of format/ are for event streams: they know the schema and build columns.)
 *
 * RFC 8259; nesting up to JSON_MAX_DEPTH; of a repeated key the first one counts. \u0000 is refused: names and paths
 * are handled as C strings. Bytes inside strings are not held against UTF-8.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum { JSON_MAX_DEPTH = 64 };

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool truth;         /* JSON_BOOL */
    const char *text;   /* JSON_NUMBER: as written; JSON_STRING: unescaped; terminated */
    size_t len;         /* of text */
    const char *key;    /* of a member; terminated */
    struct json *first; /* of an array or object */
    struct json *next;  /* sibling */
};

/* One value and nothing but white space around it; NULL: not JSON. */
const struct json *json_parse(struct slice text, struct arena *a);
/* A member by name; NULL when it is missing or null, or j is NULL or no object. */
const struct json *json_get(const struct json *j, const char *key);
/* The string at that member; NULL when it is missing, null or no string. */
const char *json_text(const struct json *j, const char *key);
/* The number at that member as an integer; fallback when it is missing or no integer of 64 bits. */
int64_t json_int(const struct json *j, const char *key, int64_t fallback);
bool json_bool(const struct json *j, const char *key, bool fallback);
/* Compact text of a value, appended. */
void json_print(const struct json *j, struct buf *out);
