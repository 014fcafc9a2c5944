/* Messages whose objects hold other objects, made flat: with the keys "person" and "bid" chosen,
 *
 *     {"type":2,"person":null,"bid":{"auction":1000,"price":7},"n":1}
 * is
 *     {"type":2,"auction":1000,"price":7,"n":1}
 *
 * A chosen key at the top of the message gives its place to the members of its object, or, if it is null, to nothing;
 * a value that is no object stays what it is. The members then are the message's: two of one name are a repeated key.
 * Nothing is judged here: a message that cannot be taken apart is handed on as it came.
 */
#pragma once

#include "flow/format.h"

/* A decoder that hands flat messages to `inner`, which it owns from now on. keys: names with spaces or commas
 * between. */
struct decoder *json_flatten_new(const char *keys, struct decoder *inner);
