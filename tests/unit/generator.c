/* The generator: an event is a function of seed and number, shares are what was asked for; a stream resumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/os.h"
#include "column/civil.h"
#include "format/formats.h"
#include "source/connectors.h"
#include "source/payments.h"

enum { MANY = 200000 };

static struct events some(uint64_t seed)
{
    return (struct events){.seed = seed,
                             .bad = 1966,
                             .duplicate = 1966,
                             .late = 655, /* 3 %, 3 %, 1 % */
                             .nominal_rate = 100,
                             .base_us = 18262 * MICROS_PER_DAY}; /* 2020-01-01 */
}

static void a_function_of_seed_and_number(void **state)
{
    (void)state;
    struct events forward = some(7), backward = some(7), other = some(8);
    char(*texts)[PAYMENT_BYTES] = mem_zalloc(5000 * sizeof *texts);
    for (uint64_t n = 0; n < 5000; n++) {
        size_t len = payments_make(&forward, n, texts[n]);
        assert_true(len > 0 && len < PAYMENT_BYTES);
    }
    uint64_t same = 0;
    for (uint64_t n = 5000; n-- > 0;) {
        char text[PAYMENT_BYTES] = "", another[PAYMENT_BYTES] = "";
        payments_make(&backward, n, text);
        payments_make(&other, n, another);
        assert_string_equal(text, texts[n]);
        same += strcmp(text, another) == 0;
    }
    assert_true(same < 50); /* but for a few broken ones that have no content */
    free(texts);
}

/* Read all of it back: kinds by their share, amounts, users and times within what the header says. */
static void events_are_what_they_should_be(void **state)
{
    (void)state;
    struct events p = some(1);
    uint64_t kinds[4] = {0}, length = 0;
    char users[500] = {0};
    for (uint64_t n = 0; n < MANY; n++) {
        char text[PAYMENT_BYTES + 1], type[32], channel[16], date[16];
        size_t len = payments_make(&p, n, text);
        text[len] = 0;
        enum event_kind kind = events_kind(&p, n);
        kinds[kind]++;
        length += len;
        if (kind == EVENT_BAD)
            continue;
        int user, pounds, pence, hour, minute;
        double second;
        int found =
            sscanf(text,
                   "{\"event_id\":\"%*8[0-9a-f]-%*4[0-9a-f]-4%*3[0-9a-f]-%*4[0-9a-f]-%*12[0-9a-f]\","
                   "\"event_time\":\"%10[0-9-]T%d:%d:%lfZ\",\"user_id\":\"user_%d\",\"event_type\":\"%31[a-z_]\","
                   "\"channel\":\"%15[a-z]\",\"currency\":\"GBP\",\"amount\":%d.%2d,\"schema_version\":1}",
                   date, &hour, &minute, &second, &user, type, channel, &pounds, &pence);
        if (found != 9)
            fail_msg("%s: %d fields", text, found);
        assert_in_range(user, 0, 499);
        users[user] = 1;
        assert_true(!strcmp(type, "deposit_completed") || !strcmp(type, "withdrawal_completed"));
        assert_true(!strcmp(channel, "web") || !strcmp(channel, "mobile") || !strcmp(channel, "api"));
        int amount = pounds * 100 + pence;
        assert_in_range(amount, 500, 50000);
        int32_t days;
        assert_true(civil_parse_date(slice_of(date), &days));
        int64_t time =
            days * MICROS_PER_DAY + (hour * 60 + minute) * 60 * MICROS_PER_SECOND + (int64_t)(second * 1e6 + 0.5);
        int64_t behind = events_time(&p, n) - time;
        if (kind == EVENT_GOOD)
            assert_int_equal(behind, 0);
        else if (kind == EVENT_DUPLICATE) /* up to 1,000 events before, and then the nearest good one */
            assert_in_range(behind, 0, 11 * MICROS_PER_SECOND);
        else
            assert_in_range(behind, 26 * 3600 * MICROS_PER_SECOND, 50 * 3600 * MICROS_PER_SECOND);
    }
    for (int i = 0; i < 500; i++)
        assert_true(users[i]);
    assert_in_range(kinds[EVENT_BAD], MANY * 29 / 1000, MANY * 31 / 1000);
    assert_in_range(kinds[EVENT_DUPLICATE], MANY * 29 / 1000, MANY * 31 / 1000);
    assert_in_range(kinds[EVENT_LATE], MANY * 9 / 1000, MANY * 11 / 1000);
    assert_in_range(length / MANY, 205, 225);
}

static void duplicates_repeat_a_good_event(void **state)
{
    (void)state;
    struct events p = some(3);
    uint64_t repeated = 0, duplicates = 0;
    for (uint64_t n = 0; n < 20000; n++) {
        if (events_kind(&p, n) != EVENT_DUPLICATE)
            continue;
        duplicates++;
        char text[PAYMENT_BYTES] = "";
        payments_make(&p, n, text);
        for (uint64_t back = 1; back <= MIN(n, 1100); back++) {
            char earlier[PAYMENT_BYTES] = "";
            payments_make(&p, n - back, earlier);
            if (strcmp(text, earlier) == 0) {
                repeated++;
                break;
            }
        }
    }
    assert_true(duplicates > 400);
    assert_int_equal(repeated, duplicates);
}

/* Every way a rule can be broken occurs. */
static void bad_events_break_every_rule(void **state)
{
    (void)state;
    static const char *const wanted[] = {"\"event_id\":null", "\"user_id\":4711", "deposit_pending", "\"branch\"",
                                         "\"EUR\"",           "\"amount\":0.00",  "10.005",          "ten pounds",
                                         "not json at all",   "[1, 2, 3]",        "truncated"};
    struct events p = some(5);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        bool found = false;
        for (uint64_t n = 0; n < 50000 && !found; n++) {
            char text[PAYMENT_BYTES + 1] = "";
            if (events_kind(&p, n) == EVENT_BAD)
                payments_make(&p, n, text);
            found = strstr(text, wanted[i]);
        }
        if (!found)
            fail_msg("no event has %s", wanted[i]);
    }
}

/* Each generator: an event is a function of seed and number, no longer than it says, its key stands in it. */
static void every_generator_goes_on_anywhere(void **state)
{
    (void)state;
    static const char *const names[] = {"payments", "transactions", "nexmark"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct event_generator *g = event_generator_find(names[i]);
        assert_non_null(g);
        struct events forward = some(7), backward = some(7), other = some(8);
        char *text = mem_alloc(g->most), *again = mem_alloc(g->most);
        uint64_t same = 0;
        for (uint64_t k = 0; k < 5000; k++) {
            uint64_t n = k * 7 + 1000003 * (k % 3);
            struct slice key, ignored;
            size_t len = g->make(&forward, n, text, &key);
            assert_true(len > 0 && len <= g->most && !memchr(text, '\n', len));
            assert_true(!key.data || (key.data > text && key.data + key.len < text + len && key.len > 0));
            for (uint64_t noise = 0; noise < 3; noise++)
                g->make(&backward, n + 86400 * noise, again, &ignored);
            assert_int_equal(g->make(&backward, n, again, &ignored), len);
            assert_memory_equal(text, again, len);
            same += g->make(&other, n, again, &ignored) == len && memcmp(text, again, len) == 0;
        }
        assert_true(same < 150);
        free(text);
        free(again);
    }
    assert_null(event_generator_find("nexmar"));
}

static void transactions_are_what_they_should_be(void **state)
{
    (void)state;
    const struct event_generator *g = event_generator_find("transactions");
    struct events e = some(1);
    bool customers[101] = {false};
    uint64_t kinds[4] = {0};
    for (uint64_t n = 0; n < MANY; n++) {
        char text[400], category[16], date[16], location[8], method[16];
        struct slice key;
        text[g->make(&e, n, text, &key)] = 0;
        enum event_kind kind = events_kind(&e, n);
        kinds[kind]++;
        if (kind == EVENT_BAD)
            continue;
        unsigned id, customer, whole, cents, hour, minute, second, ms;
        int found = sscanf(text,
                           "{\"transaction_id\":\"T%6u\",\"customer_id\":\"C%3u\",\"amount\":%u.%2u,"
                           "\"category\":\"%15[a-z]\",\"timestamp\":\"%10[0-9-]T%2u:%2u:%2u.%3uZ\","
                           "\"location\":\"%7[A-Z]\",\"payment_method\":\"%15[a-z_]\"}",
                           &id, &customer, &whole, &cents, category, date, &hour, &minute, &second, &ms, location,
                           method);
        if (found != 12)
            fail_msg("%s: %d fields", text, found);
        assert_int_equal(id, 1 + (kind == EVENT_DUPLICATE ? events_original(&e, n) : n));
        assert_true(customer >= 1 && customer <= 100 && key.len == 4);
        customers[customer] = true;
        assert_in_range(whole * 100 + cents, 1000, 50000);
        assert_true(strstr("electronics clothing groceries books sports", category) != NULL);
        assert_true(strstr("US UK EU APAC", location) != NULL);
        assert_true(strstr("credit_card debit_card paypal", method) != NULL);
    }
    for (int c = 1; c <= 100; c++)
        assert_true(customers[c]);
    assert_in_range(kinds[EVENT_DUPLICATE], MANY * 29 / 1000, MANY * 31 / 1000);
}

static void shares(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t share; /* -1: refused */
    } cases[] = {{"0", 0},     {"0.5", 32768}, {"0.03", 1966}, {"3%", 1966}, {"50%", 32768}, {"0.51", -1}, {"51%", -1},
                 {"-0.1", -1}, {"", -1},       {"x", -1},      {"0.1x", -1}, {"nan", -1},    {"0.1%%", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t share = 77;
        assert_int_equal(events_parse_share(cases[i].text, &share), cases[i].share >= 0);
        assert_int_equal(share, cases[i].share >= 0 ? cases[i].share : 77);
    }
}

/* ---- the source ---- */

static struct source *open_source(struct option *items, uint32_t n)
{
    struct schema schema = {.ncols = 1, .names = (const char *[]){"v"}, .types = (struct type[]){{TYPE_TEXT}}};
    struct options options = {n, items};
    struct source_config config = {.table = "t", .options = &options, .schema = &schema, .format = &format_json};
    struct source *s = NULL;
    struct error err = {0};
    if (source_generator_connector.open(&config, &s, &err) != OK)
        fail_msg("%s", err.text);
    return s;
}

/* From `position`, at most `limit` rows in batches of `size`; each must be the event it should be. */
static int64_t check_rows(struct source *s, uint32_t split, uint32_t nsplits, int64_t position, uint32_t size,
                          int64_t limit)
{
    struct events p = some(1);
    struct error err;
    assert_int_equal(s->ops->seek(s, split, position, &err), OK);
    int64_t next = MAX(position, 0);
    while (next < limit) {
        struct source_batch b;
        if (s->ops->poll(s, split, size, &b, &err) != OK)
            break;
        for (uint32_t i = 0; i < b.rows; i++) {
            char text[PAYMENT_BYTES];
            size_t len = payments_make(&p, (uint64_t)(next + i) * nsplits + split, text);
            assert_true(slice_equal(view_slice(&b.origin.raw[i]), (struct slice){text, len}));
            assert_int_equal(b.origin.offset[i], next + i);
        }
        next += b.rows;
        assert_int_equal(b.next_position, next);
        s->ops->release(s, &b);
    }
    return next;
}

static void goes_on_anywhere(void **state)
{
    (void)state;
    struct option items[] = {{.name = "rows", .value = "10001"},
                             {.name = "splits", .value = "3"},
                             {.name = "bad", .value = "3%"},
                             {.name = "duplicates", .value = "3%"},
                             {.name = "late", .value = "1%"}};
    struct source *s = open_source(items, ARRAY_LEN(items));
    struct split splits[4];
    uint32_t n;
    struct error err;
    assert_int_equal(s->ops->splits(s, splits, 4, &n, &err), OK);
    assert_int_equal(n, 3);
    static const int64_t rows[] = {3334, 3334, 3333};
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(check_rows(s, k, 3, POSITION_START, BATCH_ROWS, INT64_MAX), rows[k]);
        assert_true(s->ops->finished(s, k));
        assert_int_equal(check_rows(s, k, 3, 1234, 100, 2000), 2034);
        assert_false(s->ops->finished(s, k));
        assert_int_equal(check_rows(s, k, 3, 2034, 7, INT64_MAX), rows[k]);
        assert_int_equal(s->ops->end_position(s, k), rows[k]);
    }
    s->ops->free(s);
}

static void does_not_run_ahead_of_the_clock(void **state)
{
    (void)state;
    char base[40], text[40];
    int64_t now = os_now_us();
    civil_print_iso(now - 10 * MICROS_PER_SECOND, 6, base);
    snprintf(text, sizeof text, "%s", base);
    struct option items[] = {{.name = "base", .value = text}, {.name = "nominal_rate", .value = "100"}};
    struct source *s = open_source(items, 2);
    struct error err;
    struct source_batch b;
    int64_t rows = 0;
    assert_int_equal(s->ops->seek(s, 0, POSITION_START, &err), OK);
    while (s->ops->poll(s, 0, BATCH_ROWS, &b, &err) == OK) {
        rows += b.rows;
        s->ops->release(s, &b);
    }
    int64_t seconds = (os_now_us() - now) / MICROS_PER_SECOND;
    assert_in_range(rows, 1000, 1002 + 100 * (seconds + 1));
    s->ops->free(s);
}

static void keeps_to_its_rate(void **state)
{
    (void)state;
    struct option items[] = {{.name = "rate", .value = "2000"}};
    struct source *s = open_source(items, 1);
    struct error err;
    struct source_batch b;
    int64_t rows = 0, since = os_mono_us();
    assert_int_equal(s->ops->seek(s, 0, POSITION_START, &err), OK);
    while (os_mono_us() - since < 200000) {
        if (s->ops->poll(s, 0, BATCH_ROWS, &b, &err) == OK) {
            rows += b.rows;
            s->ops->release(s, &b);
        }
        os_sleep_us(1000);
    }
    int64_t due = (os_mono_us() - since) * 2000 / MICROS_PER_SECOND;
    assert_true(rows > 0 && rows <= due + 1);
    s->ops->free(s);
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *text;
    } cases[] = {{"bad", "0.6", "is no share"},
                 {"base", "yesterday", "no date and time"},
                 {"base", "2020-01-01T00:00:00", "zone"}};
    struct option nexmark[] = {{.name = "generator", .value = "nexmark"}, {.name = "bad", .value = "1%"}};
    struct options both = {2, nexmark};
    struct source_config of_nexmark = {.table = "t", .options = &both};
    struct source *none;
    struct error refusal = {0};
    assert_int_equal(source_generator_connector.open(&of_nexmark, &none, &refusal), FAILED);
    assert_non_null(strstr(refusal.text, "no such share"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct option item = {.name = cases[i].name, .value = cases[i].value, .place = {.file = "p.sql", .line = 4}};
        struct options options = {1, &item};
        struct source_config config = {.table = "t", .options = &options};
        struct source *s;
        struct error err = {0};
        assert_int_equal(source_generator_connector.open(&config, &s, &err), FAILED);
        assert_non_null(strstr(err.text, cases[i].text));
        assert_int_equal(err.place.line, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_of_seed_and_number),
        cmocka_unit_test(events_are_what_they_should_be),
        cmocka_unit_test(duplicates_repeat_a_good_event),
        cmocka_unit_test(bad_events_break_every_rule),
        cmocka_unit_test(every_generator_goes_on_anywhere),
        cmocka_unit_test(transactions_are_what_they_should_be),
        cmocka_unit_test(shares),
        cmocka_unit_test(goes_on_anywhere),
        cmocka_unit_test(does_not_run_ahead_of_the_clock),
        cmocka_unit_test(keeps_to_its_rate),
        cmocka_unit_test(refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
