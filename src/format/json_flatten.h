/* Messages whose objects hold other objects, made flat: with the keys "person" and "bid" chosen,
 *
 *     {"type":2,"person":null,"bid":{"auction":1000,"price":7},"n":1}
 * is
 *     {"type":2,"auction":1000,"price":7,"n":1}
 *
 * A chosen key at the top of the message gives its place to the members of its object, or, if it is null, to nothing;
 * a value that is no object stays what it is. The members then are the message's: two of one name are a repeated key.
 * Nothing is judged here: a message that cannot be taken apart is handed on as it came. json_scan.c does the same to
 * messages without copying them.
 */
#pragma once

#include "base/arena.h"

struct json_flatten;

/* keys: names with spaces or commas between. It lies in the arena. */
struct json_flatten *json_flatten_new(const char *keys, struct arena *a);
/* Is it one of the keys? */
bool json_flatten_has(const struct json_flatten *f, struct slice key);
/* The flat message, in the arena, or the message as it came. */
struct slice json_flatten_message(const struct json_flatten *f, struct slice message, struct arena *a);
