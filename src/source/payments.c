#include "source/payments.h"

#include "base/ascii.h"
#include "source/event_flat.h"

enum { USERS = 500 };

static char *put_hex(char *to, uint64_t v, unsigned digits)
{
    for (unsigned i = 0; i < digits; i++)
        to[i] = hex_digits[v >> (60 - 4 * i) & 15];
    return to + digits;
}

static char *put_id(char *to, uint64_t a, uint64_t b)
{
    to = put_hex(to, a, 8);
    *to++ = '-';
    to = put_hex(to, a << 32, 4);
    to = PUT(to, "-4");
    to = put_hex(to, a << 48, 3);
    *to++ = '-';
    *to++ = "89ab"[b >> 62];
    to = put_hex(to, b << 4, 3);
    *to++ = '-';
    return put_hex(to, b << 16, 12);
}

static char *put_user(char *to, unsigned user)
{
    to = PUT(to, "user_0");
    *to++ = (char)('0' + user / 100);
    return put_two(to, user % 100);
}

/* ---- events ---- */

enum field { EVENT_ID, EVENT_TIME, USER_ID, EVENT_TYPE, CHANNEL, CURRENCY, AMOUNT, SCHEMA_VERSION, FIELDS };

static const struct event_spoil spoils[] = {
    {EVENT_ID, NULL},
    {EVENT_ID, "null"},
    {EVENT_TIME, NULL},
    {EVENT_TIME, "null"},
    {USER_ID, NULL},
    {USER_ID, "null"},
    {EVENT_TYPE, NULL},
    {EVENT_TYPE, "null"},
    {CHANNEL, NULL},
    {CURRENCY, NULL},
    {CURRENCY, "null"},
    {AMOUNT, NULL},
    {AMOUNT, "null"},
    {SCHEMA_VERSION, NULL},
    {EVENT_TYPE, "\"deposit_pending\""},
    {EVENT_TYPE, "\"refund_completed\""},
    {CHANNEL, "\"branch\""},
    {CHANNEL, "\"\""},
    {CURRENCY, "\"EUR\""},
    {CURRENCY, "\"USD\""},
    {AMOUNT, "0.00"},
    {AMOUNT, "-12.50"},
    {AMOUNT, "\"ten pounds\""},
    {AMOUNT, "10.005"},
    {AMOUNT, "true"},
    {AMOUNT, "123456789012345678.90"},
    {USER_ID, "4711"},
    {SCHEMA_VERSION, "\"1\""},
    {SCHEMA_VERSION, "1.5"},
    {EVENT_TIME, "\"yesterday\""},
    {EVENT_TIME, "\"2026-02-30T12:00:00Z\""},
    {EVENT_TIME, "\"2026-01-01T12:00:00\""},
    {CHANNEL, "{\"name\":\"web\"}"},
    {FIELDS, "{\"event_id\":\"truncated"},
    {FIELDS, "not json at all"},
    {FIELDS, "[1, 2, 3]"},
    {FIELDS, "{\"amount\":1.00,\"amount\":2.00}"},
    {FIELDS, "{}"},
    {FIELDS, "{\"currency\":\"EUR\",\"amount\":-1.00,\"channel\":\"fax\"}"},
};

static const char *const leads[FIELDS] = {
    "\"event_id\":", "\"event_time\":", "\"user_id\":", "\"event_type\":",
    "\"channel\":",  "\"currency\":",   "\"amount\":",  "\"schema_version\":",
};

static char *put_value(struct events *p, char *to, unsigned field, uint64_t n, int64_t time_us)
{
    uint64_t word = events_random(p, n, 1);
    switch ((enum field)field) {
    case EVENT_ID:
        *to++ = '"';
        to = put_id(to, events_random(p, n, 2), events_random(p, n, 3));
        break;
    case EVENT_TIME:
        *to++ = '"';
        to = PUT(put_time(p, to, time_us, 6), "Z");
        break;
    case USER_ID:
        *to++ = '"';
        to = put_user(to, (unsigned)((word & 0xffffff) * USERS >> 24));
        break;
    case EVENT_TYPE:
        if (word >> 24 & 3) /* three deposits to a withdrawal */
            return PUT(to, "\"deposit_completed\"");
        return PUT(to, "\"withdrawal_completed\"");
    case CHANNEL: {
        static const char *const channels[] = {"\"web\"", "\"mobile\"", "\"api\"", "\"mobile\""};
        const char *channel = channels[word >> 26 & 3];
        return put(to, channel, strlen(channel));
    }
    case CURRENCY:
        return PUT(to, "\"GBP\"");
    case AMOUNT:
        return put_cents(to, 500 + (unsigned)((word >> 32) * 49501 >> 32));
    case SCHEMA_VERSION:
    case FIELDS:
        return PUT(to, "1");
    }
    *to++ = '"';
    return to;
}

static const struct event_shape shape = {
    .leads = leads,
    .nfields = FIELDS,
    .key = USER_ID,
    .put_value = put_value,
    .spoils = spoils,
    .nspoils = ARRAY_LEN(spoils),
    .most = PAYMENT_BYTES,
    .late_at_least_us = 26 * 3600 * MICROS_PER_SECOND,
    .late_spread_us = 24 * 3600 * MICROS_PER_SECOND,
};

static size_t payments_event(struct events *p, uint64_t n, char *out, struct slice *ret_key)
{
    return event_flat(p, &shape, n, out, ret_key);
}

size_t payments_make(struct events *e, uint64_t n, char out[static PAYMENT_BYTES])
{
    struct slice key;
    return payments_event(e, n, out, &key);
}

const struct event_generator event_generator_payments = {
    .name = "payments",
    .help = "deposits and withdrawals of 500 users",
    .nominal_rate = 100,
    .most = PAYMENT_BYTES,
    .shares = true,
    .make = payments_event,
};
