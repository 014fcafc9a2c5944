#include "link/kafka_client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/os.h"
#include "link/tls_reason.h"

enum { TELL_AGAIN_US = 10 * 1000 * 1000 };

/* ---- options and secrets ---- */

bool kafka_option_is_secret(const char *name)
{
    static const char *const secrets[] = {
        "sasl.password",   "ssl.key.password",      "ssl.key.pem",       "ssl.keystore.password",
        "ssl_key",         "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret",
    };
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (!strcmp(name, secrets[i]))
            return true;
    return false;
}

static void secrets_keep(struct kafka_client *c, const struct kafka_option *options, size_t n)
{
    c->secrets = mem_array(n, sizeof *c->secrets);
    for (size_t i = 0; i < n; i++)
        if ((options[i].secret || kafka_option_is_secret(options[i].name)) && *options[i].value)
            c->secrets[c->nsecrets++] = mem_strdup(options[i].value);
}

void kafka_client_redact(const struct kafka_client *c, char *text)
{
    for (size_t i = 0; i < c->nsecrets; i++) {
        size_t len = strlen(c->secrets[i]);
        for (char *at; (at = strstr(text, c->secrets[i]));) {
            size_t mark = MIN(len, 3);
            memset(at, '*', mark);
            memmove(at + mark, at + len, strlen(at + len) + 1);
            if (c->secrets[i][0] == '*')
                break; /* the mark itself could hold it */
        }
    }
}

void kafka_conf_must(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[200];
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, text, sizeof text);
    assert(res == RD_KAFKA_CONF_OK);
}

rd_kafka_conf_t *kafka_conf_new(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kafka_conf_must(conf, "client.id", "bourn");
    kafka_conf_must(conf, "log.connection.close", "false");
    kafka_conf_must(conf, "reconnect.backoff.max.ms", "2000");
    return conf;
}

static enum status conf_set(struct kafka_client *c, rd_kafka_conf_t *conf, const struct kafka_option *o,
                            struct error *err)
{
    char text[300];
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, o->name, o->value, text, sizeof text);
    if (res == RD_KAFKA_CONF_OK)
        return OK;
    if (res == RD_KAFKA_CONF_UNKNOWN) {
        (void)error_set(err, ERR_USAGE, "the Kafka client has no option \"%s\"", o->name);
        return error_hint(err, "options of librdkafka %s pass through under their own names", rd_kafka_version_str());
    }
    kafka_client_redact(c, text);
    return error_set(err, ERR_USAGE, "the Kafka client refuses option \"%s\": %s", o->name, text);
}

static enum status conf_fill(struct kafka_client *c, rd_kafka_conf_t *conf, const struct kafka_option *options,
                             size_t noptions, const struct kafka_option *fixed, struct error *err)
{
    bool has_brokers = false;
    for (size_t i = 0; i < noptions; i++) {
        TRY(conf_set(c, conf, &options[i], err));
        has_brokers |= !strcmp(options[i].name, "bootstrap.servers");
    }
    if (!has_brokers)
        return error_set(err, ERR_USAGE, "no broker is named: \"bootstrap.servers\" is missing");
    for (; fixed->name; fixed++)
        kafka_conf_must(conf, fixed->name, fixed->value);
    return OK;
}

/* ---- what librdkafka says ---- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    kafka_client_note(opaque, (rd_kafka_resp_err_t)code, reason, false);
}

/* Everything worth saying comes as an error too; the library does not print. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

/* librdkafka says of any bad certificate only that it could not be verified. Here we learn why. */
static int on_certificate(rd_kafka_t *rk, const char *broker, int32_t broker_id, int *x509_error, int depth,
                          const char *der, size_t size, char *text, size_t text_size, void *opaque)
{
    (void)rk, (void)broker, (void)broker_id, (void)depth, (void)der, (void)size;
    if (*x509_error == 0)
        return 1;
    struct kafka_client *c = opaque;
    pthread_mutex_lock(&c->lock);
    snprintf(c->certificate, sizeof c->certificate, "%s", tls_reason(*x509_error));
    pthread_mutex_unlock(&c->lock);
    snprintf(text, text_size, "%s", tls_reason(*x509_error));
    return 0;
}

void kafka_reason_split(const char *reason, char *broker, size_t broker_size, char *cause, size_t cause_size)
{
    const char *name = reason, *end = strstr(reason, ": ");
    const char *scheme = strstr(reason, "://");
    if (scheme && end && scheme < end)
        name = scheme + 3;
    const char *slash = end ? memchr(name, '/', (size_t)(end - name)) : NULL;
    if (slash && !memchr(name, ' ', (size_t)(slash - name))) {
        snprintf(broker, broker_size, "%.*s", (int)(slash - name), name);
        reason = end + 2;
    } else {
        *broker = 0;
    }
    const char *tail = strstr(reason, " (after ");
    size_t len = tail ? (size_t)(tail - reason) : strlen(reason);
    snprintf(cause, cause_size, "%.*s", (int)MIN(len, cause_size), reason);
}

/* One row per kind of trouble: what it is, whether the client gets over it by itself, and what a person can do. */
struct trouble {
    rd_kafka_resp_err_t code;
    const char *in_cause; /* part of the cause that must occur; NULL: any */
    enum error_code is;   /* ERR_NONE: the client's fault code */
    bool heals;
    const char *hint;
};

static const char check_user[] = "check the user (sasl.username), the secret (sasl.password) and sasl.mechanism; "
                                 "for Event Hubs, the connection string";

static const struct trouble troubles[] = {
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, NULL, ERR_AUTH, false, check_user},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, NULL, ERR_AUTH, false, check_user},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NULL, ERR_AUTH, false,
     "this user may not read or write the topic: grant it on the broker"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, NULL, ERR_AUTH, false,
     "this user may not use the consumer group: grant it, or name another in group.id"},
    {RD_KAFKA_RESP_ERR__SSL, "has expired", ERR_AUTH, false,
     "renew the broker's certificate, or correct this machine's clock"},
    {RD_KAFKA_RESP_ERR__SSL, "not yet valid", ERR_AUTH, false,
     "correct this machine's clock, or the broker's certificate"},
    {RD_KAFKA_RESP_ERR__SSL, "mismatch", ERR_AUTH, false,
     "bootstrap.servers and the broker's advertised listeners must use a name that stands in the certificate"},
    {RD_KAFKA_RESP_ERR__SSL, "certificate", ERR_AUTH, false,
     "name the certificate of the CA that signed the broker's in ssl.ca.location"},
    {RD_KAFKA_RESP_ERR__SSL, NULL, ERR_AUTH, false,
     "is this the broker's TLS listener? check security.protocol and the port"},
    {RD_KAFKA_RESP_ERR__RESOLVE, NULL, ERR_NONE, true, "check the host in bootstrap.servers, and the name server"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, "refused", ERR_NONE, true,
     "is the broker running? check host and port in bootstrap.servers"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, "security.protocol", ERR_NONE, true, "check security.protocol and the port"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, NULL, ERR_NONE, true, "check bootstrap.servers, the network and firewalls"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NULL, ERR_NONE, false,
     "create the topic, or correct its name; a broker may also hide a topic this user may not see"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, NULL, ERR_NONE, false, "create the topic, or correct its name"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NULL, ERR_NONE, false,
     "the broker's message.max.bytes or the client's message.max.bytes is smaller than the message"},
};

static const struct trouble *trouble_of(rd_kafka_resp_err_t code, const char *cause)
{
    for (size_t i = 0; i < ARRAY_LEN(troubles); i++)
        if (troubles[i].code == code && (!troubles[i].in_cause || strstr(cause, troubles[i].in_cause)))
            return &troubles[i];
    return NULL;
}

/* Caller holds the lock. */
static void describe(struct kafka_client *c, rd_kafka_resp_err_t code, const char *reason, struct error *ret)
{
    char broker[200], cause[400];
    kafka_reason_split(reason, broker, sizeof broker, cause, sizeof cause);
    if (code == RD_KAFKA_RESP_ERR__SSL && *c->certificate)
        snprintf(cause, sizeof cause, "its certificate is refused: %s", c->certificate);
    kafka_client_redact(c, cause);
    const struct trouble *trouble = trouble_of(code, cause);
    enum error_code is = trouble && trouble->is != ERR_NONE ? trouble->is : c->fault;
    if (*broker)
        (void)error_set(ret, is, "Kafka broker %s: %s", broker, cause);
    else
        (void)error_set(ret, is, "Kafka topic \"%s\": %s", c->topic, cause);
    ret->retriable = trouble ? trouble->heals : true;
    if (trouble)
        (void)error_hint(ret, "%s", trouble->hint);
}

/* Caller holds the lock. */
static void problem_set(struct kafka_client *c, const struct error *e)
{
    if (!c->failing || strcmp(c->problem.text, e->text))
        c->problem_number++;
    c->problem = *e;
    c->failing = true;
}

void kafka_client_note(struct kafka_client *c, rd_kafka_resp_err_t code, const char *reason, bool certain)
{
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return; /* says only that others were said before */
    struct error e = {0};
    pthread_mutex_lock(&c->lock);
    describe(c, code, reason, &e);
    c->suspicion = e;
    c->suspected = true;
    if (certain || e.code == ERR_AUTH)
        problem_set(c, &e);
    pthread_mutex_unlock(&c->lock);
}

void kafka_client_confirm(struct kafka_client *c, const char *otherwise)
{
    pthread_mutex_lock(&c->lock);
    if (!c->suspected) {
        c->suspicion = (struct error){0};
        (void)error_set(&c->suspicion, c->fault, "Kafka topic \"%s\": %s", c->topic, otherwise);
        (void)error_hint(&c->suspicion,
                         "check bootstrap.servers, and that security.protocol is what the listener speaks");
        c->suspicion.retriable = true;
        c->suspected = true;
    }
    problem_set(c, &c->suspicion);
    pthread_mutex_unlock(&c->lock);
}

void kafka_client_healthy(struct kafka_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->suspected = c->failing = false;
    *c->certificate = 0;
    pthread_mutex_unlock(&c->lock);
}

bool kafka_client_is_suspected(struct kafka_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool suspected = c->suspected;
    pthread_mutex_unlock(&c->lock);
    return suspected;
}

bool kafka_client_is_failing(struct kafka_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool failing = c->failing;
    pthread_mutex_unlock(&c->lock);
    return failing;
}

enum status kafka_client_tell(struct kafka_client *c, struct error *err)
{
    enum status status = OK;
    pthread_mutex_lock(&c->lock);
    if (c->failing) {
        int64_t now = os_mono_us();
        status = AGAIN;
        if (c->told_number != c->problem_number || now - c->told_us > TELL_AGAIN_US) {
            *err = c->problem;
            c->told_number = c->problem_number;
            c->told_us = now;
            status = FAILED;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

/* ---- from birth to death ---- */

enum status kafka_client_init(struct kafka_client *c, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              const struct kafka_option *options, size_t noptions, const struct kafka_option *fixed,
                              const char *topic, struct error *err)
{
    *c = (struct kafka_client){.topic = mem_strdup(topic),
                               .fault = type == RD_KAFKA_CONSUMER ? ERR_SOURCE : ERR_SINK};
    pthread_mutex_init(&c->lock, NULL);
    secrets_keep(c, options, noptions);
    enum status status = conf_fill(c, conf, options, noptions, fixed, err);
    if (status == OK) {
        char text[300];
        rd_kafka_conf_set_opaque(conf, c);
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_log_cb(conf, on_log);
        rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate);
        c->rk = rd_kafka_new(type, conf, text, sizeof text);
        if (c->rk)
            return OK;
        kafka_client_redact(c, text);
        status = error_set(err, ERR_USAGE, "the Kafka client cannot be set up: %s", text);
    }
    rd_kafka_conf_destroy(conf);
    kafka_client_release(c);
    return status;
}

void kafka_client_release(struct kafka_client *c)
{
    for (size_t i = 0; i < c->nsecrets; i++) {
        explicit_bzero(c->secrets[i], strlen(c->secrets[i]));
        free(c->secrets[i]);
    }
    free(c->secrets);
    free(c->topic);
    pthread_mutex_destroy(&c->lock);
}

/* Shared by the two threads, freed by the one that leaves last. */
struct finishing {
    void (*finish)(void *arg);
    void *arg;
    atomic_int holders;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool finished;
};

static void finishing_leave(struct finishing *f)
{
    if (atomic_fetch_sub(&f->holders, 1) > 1)
        return;
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f);
}

static void *finishing_run(void *arg)
{
    struct finishing *f = arg;
    f->finish(f->arg);
    pthread_mutex_lock(&f->lock);
    f->finished = true;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
    finishing_leave(f);
    return NULL;
}

void kafka_finish(void (*finish)(void *arg), void *arg, int64_t limit_us)
{
    struct finishing *f = mem_zalloc(sizeof *f);
    *f = (struct finishing){.finish = finish, .arg = arg, .holders = 2};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    struct os_thread thread;
    os_thread_start(&thread, finishing_run, f, "kafka-close");

    int64_t until = os_mono_us() + limit_us;
    struct timespec deadline = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};
    pthread_mutex_lock(&f->lock);
    int timed_out = 0;
    while (!f->finished && !timed_out)
        timed_out = pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &deadline);
    bool finished = f->finished;
    pthread_mutex_unlock(&f->lock);
    if (finished)
        os_thread_join(&thread);
    else
        pthread_detach(thread.id);
    finishing_leave(f);
}
