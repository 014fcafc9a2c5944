/* Flat events: JSON objects of a fixed row of fields, and how some of them are spoilt. What a generator of such events
 * adds is its fields' names and values; the shape is a constant, so that all of it is compiled into one routine.
 */
#pragma once

#include "source/event_text.h"

/* How an event is spoilt: the value of a field as it is written instead (NULL: the key is left out); or, for the field
 * after the last, the whole message. */
struct event_spoil {
    unsigned field;
    const char *value;
};

struct event_shape {
    const char *const *leads; /* "\"name\":", by field */
    unsigned nfields;
    unsigned key; /* the field whose value, a string, is the message's key */
    /* The value of a field of event n, as JSON; returns its end. */
    char *(*put_value)(struct events *e, char *to, unsigned field, uint64_t n, int64_t time_us);
    const struct event_spoil *spoils;
    size_t nspoils;
    size_t most; /* no event is longer */
    int64_t late_at_least_us, late_spread_us; /* how much older than its neighbours a late event is */
};

static inline size_t event_flat_print(struct events *e, const struct event_shape *s, uint64_t n, int64_t time_us,
                                      const struct event_spoil *spoil, char *out, struct slice *ret_key)
{
    *ret_key = (struct slice){0};
    if (spoil && spoil->field == s->nfields)
        return (size_t)(put(out, spoil->value, strlen(spoil->value)) - out);
    char *to = out;
    for (unsigned f = 0; f < s->nfields; f++) {
        bool spoilt = spoil && spoil->field == f;
        if (spoilt && !spoil->value)
            continue;
        *to = to == out ? '{' : ',';
        to++;
        to = put(to, s->leads[f], strlen(s->leads[f]));
        const char *value = to;
        to = spoilt ? put(to, spoil->value, strlen(spoil->value)) : s->put_value(e, to, f, n, time_us);
        if (f == s->key && !spoilt)
            *ret_key = (struct slice){value + 1, (size_t)(to - value) - 2};
    }
    *to++ = '}';
    assert((size_t)(to - out) <= s->most);
    return (size_t)(to - out);
}

/* Event n, of whichever kind it is: struct event_generator's make. */
static inline size_t event_flat(struct events *e, const struct event_shape *s, uint64_t n, char *out,
                                struct slice *ret_key)
{
    int64_t time_us = events_time(e, n);
    uint64_t more = events_random(e, n, 0) >> 16;
    switch (events_kind(e, n)) {
    case EVENT_GOOD:
        break;
    case EVENT_BAD:
        return event_flat_print(e, s, n, time_us, &s->spoils[more % s->nspoils], out, ret_key);
    case EVENT_DUPLICATE:
        n = events_original(e, n);
        time_us = events_time(e, n);
        break;
    case EVENT_LATE:
        time_us -= s->late_at_least_us + (int64_t)(more % (uint64_t)s->late_spread_us);
        break;
    }
    return event_flat_print(e, s, n, time_us, NULL, out, ret_key);
}
