/* Made-up events: event n is a pure function of (seed, n), so a stream can be resumed anywhere and made again.
 *
 * A generator makes the text of its events; what they have in common is here. The time of event n is base +
 * n / nominal_rate. Of all events the given shares are
 *   bad        break a rule of the contract (or several), have a value of a wrong type, or are no JSON;
 *   duplicate  repeat, byte for byte, a good event up to 1,000 events before (or the nearest good one before that);
 *   late       good, but older than their neighbours.
 * A share is in 1/65536 and decided per event by its own random bits.
 *
 * To add a generator: a file that defines a struct event_generator, a line here, a line in events.c.
 */
#pragma once

#include "base/base.h"

enum event_kind { EVENT_GOOD, EVENT_BAD, EVENT_DUPLICATE, EVENT_LATE };

struct events {
    uint64_t seed;
    uint32_t bad, duplicate, late; /* shares of 65536; their sum at most half of it */
    uint32_t nominal_rate;         /* events a second of event time, at least 1 */
    int64_t base_us;               /* the time of event 0 */
    /* the date last printed; zero at the beginning */
    int64_t day;
    char day_text[16];
};

struct event_generator {
    const char *name, *help;
    uint32_t nominal_rate; /* where none is asked for */
    size_t most;           /* no event is longer */
    bool shares;           /* does it make bad, duplicate and late events? */
    /* Event n without a newline; returns its length. *ret_key: what a message's key would be, within `out`; data NULL:
     * it has none. */
    size_t (*make)(struct events *e, uint64_t n, char *out, struct slice *ret_key);
};

extern const struct event_generator event_generator_payments;
extern const struct event_generator event_generator_transactions;
extern const struct event_generator event_generator_nexmark;

/* NULL: there is none of that name. */
const struct event_generator *event_generator_find(const char *name);
/* "payments transactions nexmark" */
extern const char event_generator_names[];

/* "0.03" or "3%" -> share of 65536. false: not between 0 and 0.5. */
bool events_parse_share(const char *text, uint32_t *ret);
/* Are the three shares together at most half? Else the search for a good event to repeat could be long. */
bool events_check_shares(const struct events *e);
int64_t events_time(const struct events *e, uint64_t n);
enum event_kind events_kind(const struct events *e, uint64_t n);
/* The good event that duplicate n repeats; n itself where there is none before it. */
uint64_t events_original(const struct events *e, uint64_t n);
/* The k-th random word of event n, k < 4. The low 16 bits of word 0 decide its kind. */
uint64_t events_random(const struct events *e, uint64_t n, uint64_t k);
