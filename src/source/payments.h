/* Made-up payments (events.h):
 *
 *   {"event_id":"6f1d...","event_time":"2020-01-01T00:00:00.000000Z","user_id":"user_0042",
 *    "event_type":"deposit_completed","channel":"mobile","currency":"GBP","amount":123.45,"schema_version":1}
 *
 * 500 users, 5.00 to 500.00 GBP, three channels, two types. Late ones are 26 to 50 hours older than their neighbours.
 * The key is the user's id.
 */
#pragma once

#include "source/events.h"

enum { PAYMENT_BYTES = 256 }; /* no event is longer */

/* Event n without a newline; returns its length. */
size_t payments_make(struct events *e, uint64_t n, char out[static PAYMENT_BYTES]);
