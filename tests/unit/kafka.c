/* link/kafka without a broker: connection strings, the words of errors, secrets, and closing in time. What takes a
 * broker is in tests/interop/kafka. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/os.h"
#include "link/event_hubs.h"
#include "link/kafka_client.h"

#define STRING "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=a2V5LXZhbHVl+/==;"

static const char *option_value(const struct event_hubs *e, const char *name)
{
    for (size_t i = 0; i < e->noptions; i++)
        if (!strcmp(e->options[i].name, name))
            return e->options[i].value;
    return NULL;
}

static struct event_hubs *hubs(const char *text, const char *hub, const char *bootstrap)
{
    struct event_hubs *e = NULL;
    struct error err = {0};
    if (event_hubs_new(slice_of(text), hub, bootstrap, false, &e, &err) != OK)
        fail_msg("%s", err.text);
    return e;
}

static void test_connection_string(void **state)
{
    (void)state;
    struct event_hubs *e = hubs(STRING "EntityPath=transactions", NULL, NULL);
    assert_string_equal(e->hub, "transactions");
    assert_string_equal(option_value(e, "bootstrap.servers"), "shop.servicebus.windows.net:9093");
    assert_string_equal(option_value(e, "security.protocol"), "SASL_SSL");
    assert_string_equal(option_value(e, "sasl.mechanism"), "PLAIN");
    assert_string_equal(option_value(e, "sasl.username"), "$ConnectionString");
    /* The whole string is the password, "==" of the key's base64 included. */
    assert_string_equal(option_value(e, "sasl.password"), STRING "EntityPath=transactions");
    assert_string_equal(option_value(e, "socket.keepalive.enable"), "true");
    assert_string_equal(option_value(e, "metadata.max.age.ms"), "180000");
    assert_string_equal(option_value(e, "session.timeout.ms"), "30000");
    for (size_t i = 0; i < e->noptions; i++)
        assert_int_equal(e->options[i].secret, !strcmp(e->options[i].name, "sasl.password"));
    event_hubs_free(e);
}

static void test_connection_string_spellings(void **state)
{
    (void)state;
    /* Any order, any case of names, blanks and a newline around (a secret file has one), unknown parts. */
    const char *text = " \tsharedaccesskey=k==; EntityPath = h ;ENDPOINT=SB://a.b:5671;SharedAccessKeyName=n;New=1\n";
    struct event_hubs *e = hubs(text, NULL, NULL);
    assert_string_equal(e->hub, "h");
    assert_string_equal(e->bootstrap, "a.b:5671");
    event_hubs_free(e);

    e = hubs(STRING, "from-environment", "localhost:19093");
    assert_string_equal(e->hub, "from-environment");
    assert_string_equal(option_value(e, "bootstrap.servers"), "localhost:19093");
    event_hubs_free(e);

    e = hubs(STRING "EntityPath=same", "same", "");
    assert_string_equal(e->bootstrap, "shop.servicebus.windows.net:9093");
    event_hubs_free(e);

    e = hubs("Endpoint=sb://a.b/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y", "h", NULL);
    assert_string_equal(e->hub, "h");
    event_hubs_free(e);
}

static void test_connection_string_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hub, *says;
    } cases[] = {
        {"", "h", "is empty"},
        {"  \n", "h", "is empty"},
        {"hush-hush", "h", "without \"=\""},
        {"SharedAccessKeyName=n;SharedAccessKey=hush", "h", "has no Endpoint"},
        {"Endpoint=sb://a.b/;SharedAccessKey=hush", "h", "has no SharedAccessKeyName"},
        {"Endpoint=sb://a.b/;SharedAccessKeyName=n", "h", "has no SharedAccessKey"},
        {"Endpoint=sb://a.b/;SharedAccessKeyName=n;SharedAccessKey=", "h", "has no SharedAccessKey"},
        {"Endpoint=https://a.b/;SharedAccessKeyName=n;SharedAccessKey=hush", "h", "\"sb://\""},
        {"Endpoint=sb:///;SharedAccessKeyName=n;SharedAccessKey=hush", "h", "without a host"},
        {"Endpoint=sb://a b/;SharedAccessKeyName=n;SharedAccessKey=hush", "h", "no host name"},
        {"Endpoint=sb://a.b/;Endpoint=sb://c.d/;SharedAccessKeyName=n;SharedAccessKey=hush", "h", "twice"},
        {"Endpoint=sb://a.b/;SharedAccessKeyName=n;SharedAccessKey=hush", NULL, "no EntityPath"},
        {"Endpoint=sb://a.b/;SharedAccessKeyName=n;SharedAccessKey=hush;EntityPath=x", "y", "two event hubs"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event_hubs *e = NULL;
        struct error err = {0};
        assert_int_equal(event_hubs_new(slice_of(cases[i].text), cases[i].hub, NULL, false, &e, &err), FAILED);
        assert_null(e);
        assert_int_equal(err.code, ERR_USAGE);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].says);
        assert_true(*err.hint);
        assert_null(strstr(err.text, "hush"));
        assert_null(strstr(err.hint, "hush"));
    }
}

static void test_long_names_are_refused(void **state)
{
    (void)state;
    char host[700], text[1000];
    struct event_hubs *e = NULL;
    struct error err = {0};
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = 0;
    snprintf(text, sizeof text, "Endpoint=sb://%s/;SharedAccessKeyName=n;SharedAccessKey=k", host);
    assert_int_equal(event_hubs_new(slice_of(text), "h", NULL, false, &e, &err), FAILED);
    assert_int_equal(event_hubs_new(slice_of(STRING), host, NULL, false, &e, &err), FAILED);
    assert_int_equal(event_hubs_new(slice_of(STRING), "h", host, false, &e, &err), FAILED);
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *broker, *cause;
    } cases[] = {
        {"127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 1ms in state CONNECT)",
         "127.0.0.1:1", "Connect to ipv4#127.0.0.1:1 failed: Connection refused"},
        {"sasl_ssl://h.example:9093/1: SASL authentication error: no (after 3ms in state AUTH_REQ, 2 identical error(s)"
         " suppressed)",
         "h.example:9093", "SASL authentication error: no"},
        {"ssl://[::1]:9093/bootstrap: closed", "[::1]:9093", "closed"},
        {"Failed to write to a/b: full", "", "Failed to write to a/b: full"},
        {"Broker: Unknown topic", "", "Broker: Unknown topic"},
        {"", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char broker[64], cause[128];
        kafka_reason_split(cases[i].reason, broker, sizeof broker, cause, sizeof cause);
        assert_string_equal(broker, cases[i].broker);
        assert_string_equal(cause, cases[i].cause);
    }
    char broker[4], cause[4];
    kafka_reason_split("host:1/bootstrap: cause", broker, sizeof broker, cause, sizeof cause);
    assert_string_equal(broker, "hos");
    assert_string_equal(cause, "cau");
}

static void test_secrets_are_redacted(void **state)
{
    (void)state;
    char hush[] = "hush", star[] = "*", longer[] = "longer secret";
    char *secrets[] = {hush, star, longer};
    struct kafka_client c = {.secrets = secrets, .nsecrets = 3};
    char text[] = "hush and a longer secret, hushhush";
    kafka_client_redact(&c, text);
    assert_null(strstr(text, "hush"));
    assert_null(strstr(text, "longer"));
    assert_non_null(strstr(text, "*** and a ***, ******"));
}

static void expect_refused(const struct kafka_option *options, size_t n, const char *says)
{
    struct kafka_consumer *c = NULL;
    struct error err = {0};
    assert_int_equal(kafka_consumer_open(options, n, "t", &c, &err), FAILED);
    assert_null(c);
    assert_int_equal(err.code, ERR_USAGE);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    assert_null(strstr(err.text, "hush"));
}

static void test_options_refused(void **state)
{
    (void)state;
    expect_refused(NULL, 0, "bootstrap.servers");
    struct kafka_option unknown[] = {{"bootstrap.servers", "h:1", false}, {"no.such.option", "hush", true}};
    expect_refused(unknown, 2, "\"no.such.option\"");
    struct kafka_option bad[] = {{"bootstrap.servers", "h:1", false}, {"security.protocol", "hush", true}};
    expect_refused(bad, 2, "security.protocol");
    /* Known by its name to be a secret, although nobody said so. */
    struct kafka_option leaked[] = {{"sasl.password", "hush", false}, {"security.protocol", "hush", false}};
    expect_refused(leaked, 2, "security.protocol");
    struct kafka_option missing[] = {{"bootstrap.servers", "h:1", false}, {"security.protocol", "ssl", false},
                                     {"ssl.ca.location", "/nowhere/ca.pem", false}};
    expect_refused(missing, 3, "ssl.ca.location");
}

/* A port of this machine on which nobody listens, most probably: the discard service's. */
static const struct kafka_option nobody[] = {{"bootstrap.servers", "127.0.0.1:9", false}};

static void test_close_in_time(void **state)
{
    (void)state;
    struct error err = {0};
    struct kafka_consumer *c = NULL;
    assert_int_equal(kafka_consumer_open(nobody, 1, "t", &c, &err), OK);
    uint32_t count = 77;
    enum status status = AGAIN;
    int64_t begin = os_mono_us();
    while (status == AGAIN && os_mono_us() - begin < 10 * 1000000) {
        status = kafka_consumer_partitions(c, &count, &err);
        os_sleep_us(1000);
    }
    assert_int_equal(status, FAILED);
    assert_int_equal(count, 77);
    assert_int_equal(err.code, ERR_SOURCE);
    assert_true(err.retriable);
    assert_non_null(strstr(err.text, "127.0.0.1:9"));
    /* Told once. */
    assert_int_equal(kafka_consumer_partitions(c, &count, &err), AGAIN);
    begin = os_mono_us();
    kafka_consumer_close(c);
    assert_true(os_mono_us() - begin < 1500 * 1000);
    kafka_consumer_close(NULL);

    struct kafka_producer *p = NULL;
    assert_int_equal(kafka_producer_open(nobody, 1, "t", &p, &err), OK);
    assert_int_equal(kafka_producer_send(p, (struct slice){0}, SLICE("x"), 0, 0, &err), OK);
    uint64_t left = 0;
    assert_int_equal(kafka_producer_flush(p, 1000, &left, &err), AGAIN);
    assert_int_equal(left, 1);
    begin = os_mono_us();
    kafka_producer_close(p);
    assert_true(os_mono_us() - begin < 1500 * 1000);
    kafka_producer_close(NULL);
}

static void test_close_at_once(void **state)
{
    (void)state;
    struct error err = {0};
    for (int i = 0; i < 3; i++) {
        struct kafka_consumer *c = NULL;
        assert_int_equal(kafka_consumer_open(nobody, 1, "t", &c, &err), OK);
        kafka_consumer_close(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_string),
        cmocka_unit_test(test_connection_string_spellings),
        cmocka_unit_test(test_connection_string_refused),
        cmocka_unit_test(test_long_names_are_refused),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_secrets_are_redacted),
        cmocka_unit_test(test_options_refused),
        cmocka_unit_test(test_close_in_time),
        cmocka_unit_test(test_close_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
