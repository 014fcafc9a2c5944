/* jsonb: JSON text in the one form that PostgreSQL prints, which is how bourn holds it.
 *
 *     {"bb":1, "a" : 1e2, "a":[1.50,-0]}   ->   {"a": [1.50, 0], "bb": 1}
 *
 * Keys in order of length, then bytes; of equal keys the last wins; ", " and ": "; numbers written out without
 * exponent, with the digits after the point that they had; strings with \b \f \n \r \t \" \\ and \u00xx for other
 * control characters, everything else as UTF-8. Refused, as in PostgreSQL: \u0000, lone surrogates, bytes that are no
 * UTF-8, numbers of more than 131072 digits before or 16383 after the point. Nesting goes to JSONB_DEPTH.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum { JSONB_DEPTH = 1000 };

/* The normal form of one JSON value (blanks around it allowed), in the arena. `max` bounds its length: a short number
 * with an exponent can be a long text. */
enum status jsonb_normalise(struct slice json, size_t max, struct arena *a, struct slice *ret, struct error *err);

/* ---- reading normal form: what -> and ->> stand on; results point into the document ---- */

/* The value of a key of an object; false: no object, or no such key. */
bool jsonb_field(struct slice doc, struct slice key, struct slice *ret);
/* Element `index` of an array, from the end if negative; a scalar counts as an array of one. false: an object, or no
 * such element. */
bool jsonb_element(struct slice doc, int64_t index, struct slice *ret);
/* The children of an array or object, in the document's order:
 *
 *     struct jsonb_walk w = jsonb_walk(doc);
 *     for (struct slice key, value; jsonb_next(&w, &key, &value);) ...
 *
 * A key comes as it is printed, with its quotes; an array's elements leave `key` alone; a scalar has no children. */
struct jsonb_walk {
    const char *at, *end;
    bool object;
};
struct jsonb_walk jsonb_walk(struct slice doc);
bool jsonb_next(struct jsonb_walk *w, struct slice *ret_key, struct slice *ret_value);
/* A string as it is printed. */
void jsonb_put_string(struct buf *out, struct slice s);
/* A string without its quotes and escapes (in the arena), anything else as it is; false: the value is null. */
bool jsonb_text(struct slice value, struct arena *a, struct slice *ret);

/* ---- comparing: jsonb_order.c ---- */

/* PostgreSQL's order of documents: <0, 0, >0. Numbers compare by value: 1.50 is 1.5. */
int jsonb_order(struct slice a, struct slice b);
/* Does `doc` contain `part`, as PostgreSQL's @> means it? */
bool jsonb_contains(struct slice doc, struct slice part);
