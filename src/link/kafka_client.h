/* What the consumer and the producer have in common: configuration, the state of the connection, and closing in time.
 * Only for kafka_consumer.c and kafka_producer.c. */
#pragma once

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "link/kafka.h"

/* librdkafka reports every hiccup of every connection; most heal by themselves (an idle connection the broker cut, a
 * broker that restarts). So a report is first a suspicion, and a problem only when it cannot heal by itself (TLS,
 * authentication) or when a request made after it fails too. */
struct kafka_client {
    rd_kafka_t *rk;
    char *topic;
    enum error_code fault; /* ERR_SOURCE or ERR_SINK */
    char **secrets;
    size_t nsecrets;

    pthread_mutex_t lock; /* guards the rest but told_*; librdkafka's threads take it too */
    char certificate[120]; /* why a broker's certificate was refused; "": it was not */
    struct error suspicion, problem;
    bool suspected, failing;
    uint64_t problem_number; /* counts changes of `problem` */

    uint64_t told_number; /* the user's thread only */
    int64_t told_us;
};

/* A configuration with the defaults that consumer and producer share. */
rd_kafka_conf_t *kafka_conf_new(void);
/* conf holds defaults and callbacks of the caller's; given options are added, then `fixed` (ended by a NULL name),
 * which win. Takes conf in any case; on FAILED there is nothing to release. */
enum status kafka_client_init(struct kafka_client *c, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              const struct kafka_option *options, size_t noptions, const struct kafka_option *fixed,
                              const char *topic, struct error *err);
/* Everything but rk, which the caller has destroyed. Wipes the secrets. */
void kafka_client_release(struct kafka_client *c);

/* Set one property of the client's own (a mistake in it is a bug). */
void kafka_conf_must(rd_kafka_conf_t *conf, const char *name, const char *value);

/* Note what an error of librdkafka says. certain: a request failed with it, so it is a problem already. */
void kafka_client_note(struct kafka_client *c, rd_kafka_resp_err_t code, const char *reason, bool certain);
/* A request failed without a cause of its own (a time-out): what was suspected is the cause. */
void kafka_client_confirm(struct kafka_client *c, const char *otherwise);
/* A broker has answered: nothing is wrong. */
void kafka_client_healthy(struct kafka_client *c);
bool kafka_client_is_suspected(struct kafka_client *c);
bool kafka_client_is_failing(struct kafka_client *c);
/* OK: nothing is wrong. FAILED: something is, and it is new or was last told 10 s ago. AGAIN: told already. */
enum status kafka_client_tell(struct kafka_client *c, struct error *err);

/* Replace every secret's value in text by "***". */
void kafka_client_redact(const struct kafka_client *c, char *text);

/* "ssl://host:9093/bootstrap: cause (after 3ms in state CONNECT)" -> broker "host:9093", cause "cause". A reason of
 * another shape is all cause, and broker is "". Both are cut to their size. */
void kafka_reason_split(const char *reason, char *broker, size_t broker_size, char *cause, size_t cause_size);

/* Run finish(arg) on a thread of its own and wait for it at most `limit_us`: librdkafka joins threads that may hang in
 * the resolver, and a process must be able to end all the same. */
void kafka_finish(void (*finish)(void *arg), void *arg, int64_t limit_us);
