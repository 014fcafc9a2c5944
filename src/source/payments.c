#include "source/payments.h"

#include <stdlib.h>

#include "base/hash.h"
#include "column/civil.h"

enum { WHOLE = 65536, USERS = 500, DUPLICATE_REACH = 1000 };

static const int64_t LATE_AT_LEAST = 26 * 3600 * MICROS_PER_SECOND, LATE_SPREAD = 24 * 3600 * MICROS_PER_SECOND;

bool payments_parse_share(const char *text, uint32_t *ret)
{
    char *end;
    double share = strtod(text, &end);
    if (end == text)
        return false;
    if (*end == '%') {
        share /= 100;
        end++;
    }
    if (*end != 0 || !(share >= 0 && share <= 0.5))
        return false;
    *ret = (uint32_t)(share * WHOLE + 0.5);
    return true;
}

bool payments_check_shares(const struct payments *p)
{
    return p->bad + p->duplicate + p->late <= WHOLE / 2;
}

int64_t payments_time(const struct payments *p, uint64_t n)
{
    uint64_t seconds = n / p->nominal_rate, rest = n % p->nominal_rate;
    return p->base_us + (int64_t)(seconds * 1000000 + rest * 1000000 / p->nominal_rate);
}

/* The k-th random word of event n. */
static uint64_t random_word(const struct payments *p, uint64_t n, uint64_t k)
{
    return hash_mix(hash_mix(p->seed + 1) + (n * 4 + k) * UINT64_C(0x9e3779b97f4a7c15));
}

enum payment_kind payments_kind(const struct payments *p, uint64_t n)
{
    uint32_t lot = (uint32_t)(random_word(p, n, 0) & (WHOLE - 1));
    if (lot < p->bad)
        return PAYMENT_BAD;
    lot -= p->bad;
    if (lot < p->duplicate)
        return n > 0 ? PAYMENT_DUPLICATE : PAYMENT_GOOD;
    lot -= p->duplicate;
    return lot < p->late ? PAYMENT_LATE : PAYMENT_GOOD;
}

/* The good event that a duplicate repeats; n itself where there is none before it. */
static uint64_t original_of(const struct payments *p, uint64_t n)
{
    uint64_t back = 1 + (random_word(p, n, 0) >> 16) % DUPLICATE_REACH;
    for (uint64_t m = n - MIN(back, n);; m--) {
        if (payments_kind(p, m) == PAYMENT_GOOD)
            return m;
        if (m == 0)
            return n;
    }
}

/* ---- printing; every routine returns the end of what it wrote ---- */

static char *put(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_two(char *to, unsigned v)
{
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

static char *put_hex(char *to, uint64_t v, unsigned digits)
{
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = 0; i < digits; i++)
        to[i] = hex[v >> (60 - 4 * i) & 15];
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

static char *put_time(struct payments *p, char *to, int64_t us, const char *zone)
{
    int64_t day = us / MICROS_PER_DAY - (us % MICROS_PER_DAY < 0);
    uint64_t rest = (uint64_t)(us - day * MICROS_PER_DAY);
    if (day != p->day || !p->day_text[0]) {
        civil_print_date((int32_t)day, p->day_text);
        p->day = day;
    }
    to = put(to, p->day_text, 10);
    *to++ = 'T';
    unsigned seconds = (unsigned)(rest / 1000000), micros = (unsigned)(rest % 1000000);
    to = put_two(to, seconds / 3600);
    *to++ = ':';
    to = put_two(to, seconds / 60 % 60);
    *to++ = ':';
    to = put_two(to, seconds % 60);
    *to++ = '.';
    to = put_two(to, micros / 10000);
    to = put_two(to, micros / 100 % 100);
    to = put_two(to, micros % 100);
    return put(to, zone, strlen(zone));
}

static char *put_user(char *to, unsigned user)
{
    to = PUT(to, "user_0");
    *to++ = (char)('0' + user / 100);
    return put_two(to, user % 100);
}

static char *put_pence(char *to, unsigned pence)
{
    unsigned pounds = pence / 100;
    if (pounds >= 100)
        *to++ = (char)('0' + pounds / 100);
    if (pounds >= 10)
        *to++ = (char)('0' + pounds / 10 % 10);
    *to++ = (char)('0' + pounds % 10);
    *to++ = '.';
    return put_two(to, pence % 100);
}

/* ---- events ---- */

enum field { EVENT_ID, EVENT_TIME, USER_ID, EVENT_TYPE, CHANNEL, CURRENCY, AMOUNT, SCHEMA_VERSION, FIELDS };

/* How an event is spoilt: the value of a field as it is written instead (NULL: the key is left out); or, for no
 * field, the whole message. */
struct spoil {
    enum field field;
    const char *value;
};

static const struct spoil spoils[] = {
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

static char *put_value(struct payments *p, char *to, enum field field, uint64_t n, int64_t time_us)
{
    uint64_t word = random_word(p, n, 1);
    switch (field) {
    case EVENT_ID:
        *to++ = '"';
        to = put_id(to, random_word(p, n, 2), random_word(p, n, 3));
        break;
    case EVENT_TIME:
        *to++ = '"';
        to = put_time(p, to, time_us, "Z");
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
        return put_pence(to, 500 + (unsigned)((word >> 32) * 49501 >> 32));
    case SCHEMA_VERSION:
    case FIELDS:
        return PUT(to, "1");
    }
    *to++ = '"';
    return to;
}

static size_t make(struct payments *p, uint64_t n, int64_t time_us, const struct spoil *spoil, char *out)
{
    if (spoil && spoil->field == FIELDS)
        return (size_t)(put(out, spoil->value, strlen(spoil->value)) - out);
    char *to = out;
    for (enum field f = 0; f < FIELDS; f++) {
        bool spoilt = spoil && spoil->field == f;
        if (spoilt && !spoil->value)
            continue;
        *to = to == out ? '{' : ',';
        to++;
        to = put(to, leads[f], strlen(leads[f]));
        to = spoilt ? put(to, spoil->value, strlen(spoil->value)) : put_value(p, to, f, n, time_us);
    }
    *to++ = '}';
    assert(to - out <= PAYMENT_BYTES);
    return (size_t)(to - out);
}

size_t payments_make(struct payments *p, uint64_t n, char out[static PAYMENT_BYTES])
{
    int64_t time_us = payments_time(p, n);
    uint64_t more = random_word(p, n, 0) >> 16;
    switch (payments_kind(p, n)) {
    case PAYMENT_GOOD:
        break;
    case PAYMENT_BAD:
        return make(p, n, time_us, &spoils[more % ARRAY_LEN(spoils)], out);
    case PAYMENT_DUPLICATE:
        n = original_of(p, n);
        time_us = payments_time(p, n);
        break;
    case PAYMENT_LATE:
        time_us -= LATE_AT_LEAST + (int64_t)(more % (uint64_t)LATE_SPREAD);
        break;
    }
    return make(p, n, time_us, NULL, out);
}
