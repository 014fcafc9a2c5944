/* Made-up transactions of customers (events.h):
 *
 *   {"transaction_id":"T000001","customer_id":"C042","amount":123.45,"category":"books",
 *    "timestamp":"2020-01-01T00:00:00.000Z","location":"US","payment_method":"paypal"}
 *
 * 100 customers, 10.00 to 500.00, five categories, four locations, three ways to pay. Event n has the id n + 1. Late
 * ones are 15 to 45 minutes older than their neighbours. The key is the customer's id.
 */
#include "source/event_flat.h"

enum { CUSTOMERS = 100, LEAST_CENTS = 1000, MOST_CENTS = 50000, TRANSACTION_BYTES = 256 };

enum field { TRANSACTION_ID, CUSTOMER_ID, AMOUNT, CATEGORY, TIMESTAMP, LOCATION, PAYMENT_METHOD, FIELDS };

static const char *const leads[FIELDS] = {
    "\"transaction_id\":", "\"customer_id\":", "\"amount\":", "\"category\":", "\"timestamp\":", "\"location\":",
    "\"payment_method\":"};

static const struct event_spoil spoils[] = {
    {TRANSACTION_ID, "null"}, {CUSTOMER_ID, "null"},  {AMOUNT, "null"},
    {AMOUNT, "-12.50"},       {AMOUNT, "\"a lot\""},  {AMOUNT, "10.005"},
    {CATEGORY, "\"\""},       {CATEGORY, "17"},       {TIMESTAMP, "\"yesterday\""},
    {TIMESTAMP, "null"},      {LOCATION, "\"MOON\""}, {PAYMENT_METHOD, "\"shells\""},
    {FIELDS, "not json"},     {FIELDS, "{}"},         {FIELDS, "{\"transaction_id\":\"T00"},
};

static char *put_choice(char *to, const char *const *choices, uint64_t n, uint64_t lot)
{
    const char *text = choices[(lot & 0xffff) * n >> 16];
    *to++ = '"';
    to = put(to, text, strlen(text));
    *to++ = '"';
    return to;
}

static char *put_value(struct events *e, char *to, unsigned field, uint64_t n, int64_t time_us)
{
    static const char *const categories[] = {"electronics", "clothing", "groceries", "books", "sports"};
    static const char *const locations[] = {"US", "UK", "EU", "APAC"};
    static const char *const methods[] = {"credit_card", "debit_card", "paypal"};
    uint64_t word = events_random(e, n, 1);
    switch ((enum field)field) {
    case TRANSACTION_ID:
        to = put_number(PUT(to, "\"T"), n + 1, 6);
        break;
    case CUSTOMER_ID:
        to = put_number(PUT(to, "\"C"), 1 + (events_random(e, n, 2) >> 32) * CUSTOMERS / (UINT64_C(1) << 32), 3);
        break;
    case AMOUNT:
        return put_cents(to, LEAST_CENTS + (unsigned)((word >> 32) * (MOST_CENTS - LEAST_CENTS + 1) >> 32));
    case CATEGORY:
        return put_choice(to, categories, ARRAY_LEN(categories), word);
    case TIMESTAMP:
        *to++ = '"';
        to = PUT(put_time(e, to, time_us, 3), "Z");
        break;
    case LOCATION:
        return put_choice(to, locations, ARRAY_LEN(locations), word >> 16);
    case PAYMENT_METHOD:
        return put_choice(to, methods, ARRAY_LEN(methods), events_random(e, n, 2));
    case FIELDS:
        break;
    }
    *to++ = '"';
    return to;
}

static const struct event_shape shape = {
    .leads = leads,
    .nfields = FIELDS,
    .key = CUSTOMER_ID,
    .put_value = put_value,
    .spoils = spoils,
    .nspoils = ARRAY_LEN(spoils),
    .most = TRANSACTION_BYTES,
    .late_at_least_us = 15 * 60 * MICROS_PER_SECOND,
    .late_spread_us = 30 * 60 * MICROS_PER_SECOND,
};

static size_t transactions_make(struct events *e, uint64_t n, char *out, struct slice *ret_key)
{
    return event_flat(e, &shape, n, out, ret_key);
}

const struct event_generator event_generator_transactions = {
    .name = "transactions",
    .help = "purchases of 100 customers",
    .nominal_rate = 100,
    .most = TRANSACTION_BYTES,
    .shares = true,
    .make = transactions_make,
};
