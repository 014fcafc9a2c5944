/* Made-up payment events: event n is a pure function of (seed, n), so a stream can be resumed anywhere and made again.
 *
 *   {"event_id":"6f1d...","event_time":"2020-01-01T00:00:00.000000Z","user_id":"user_0042",
 *    "event_type":"deposit_completed","channel":"mobile","currency":"GBP","amount":123.45,"schema_version":1}
 *
 * 500 users, 5.00 to 500.00 GBP, three channels, two types; its time is base + n / nominal_rate. Of all events the
 * given shares are
 *   bad        break one rule of the payments contract (or several), have a value of a wrong type, or are no JSON;
 *   duplicate  repeat, byte for byte, a good event 1 to 1,000 events before;
 *   late       good, but 26 to 50 hours older than their neighbours.
 * A share is in 1/65536 and decided per event by its own random bits.
 */
#pragma once

#include "base/base.h"

enum { PAYMENT_BYTES = 256 }; /* no event is longer */

enum payment_kind { PAYMENT_GOOD, PAYMENT_BAD, PAYMENT_DUPLICATE, PAYMENT_LATE };

struct payments {
    uint64_t seed;
    uint32_t bad, duplicate, late; /* shares of 65536; their sum at most half of it */
    uint32_t nominal_rate;         /* events a second of event time, at least 1 */
    int64_t base_us;               /* the time of event 0 */
    /* the date last printed; zero at the beginning */
    int64_t day;
    char day_text[16];
};

/* "0.03" or "3%" -> share of 65536. false: not between 0 and 0.5. */
bool payments_parse_share(const char *text, uint32_t *ret);
/* Are the three shares together at most half? Else the search for a good event to repeat could be long. */
bool payments_check_shares(const struct payments *p);
int64_t payments_time(const struct payments *p, uint64_t n);
enum payment_kind payments_kind(const struct payments *p, uint64_t n);
/* Event n without a newline; returns its length. */
size_t payments_make(struct payments *p, uint64_t n, char out[static PAYMENT_BYTES]);
