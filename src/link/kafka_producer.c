/* The producer: librdkafka's own threads deliver; its delivery reports are served by whoever sends or flushes. */
#include <stdlib.h>

#include "base/os.h"
#include "link/kafka_client.h"

enum {
    CLOSE_US = 900 * 1000,
    SERVE_EVERY = 64,              /* messages between two looks at the delivery reports */
    PATIENCE_US = 2 * 1000 * 1000, /* of messages that wait while the connection is in trouble */
};

struct kafka_producer {
    struct kafka_client client;
    rd_kafka_topic_t *topic;
    uint64_t sent;
    int64_t progress_us; /* when a message was last delivered, or the first one began to wait */
    struct error failed; /* the first message that could not be delivered */
    bool has_failed;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct kafka_producer *p = opaque; /* the client is its first member */
    if (!m->err) {
        p->progress_us = os_mono_us();
        kafka_client_healthy(&p->client);
        return;
    }
    if (p->has_failed)
        return;
    p->has_failed = true;
    /* A message that timed out says nothing of why the broker could not be reached; what was suspected does. */
    if (m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
        kafka_client_confirm(&p->client, "a message could not be delivered in time");
    else
        kafka_client_note(&p->client, m->err, rd_kafka_err2str(m->err), true);
    p->failed = p->client.problem;
}

enum status kafka_producer_open(const struct kafka_option *options, size_t noptions, const char *topic,
                                struct kafka_producer **ret, struct error *err)
{
    static const struct kafka_option fixed[] = {{0}};
    rd_kafka_conf_t *conf = kafka_conf_new();
    kafka_conf_must(conf, "enable.idempotence", "true");
    kafka_conf_must(conf, "linger.ms", "5");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);

    struct kafka_producer *p = mem_zalloc(sizeof *p);
    if (kafka_client_init(&p->client, RD_KAFKA_PRODUCER, conf, options, noptions, fixed, topic, err) != OK) {
        free(p);
        return FAILED;
    }
    p->topic = rd_kafka_topic_new(p->client.rk, topic, NULL);
    *ret = p;
    return OK;
}

static void producer_finish(void *arg)
{
    struct kafka_producer *p = arg;
    rd_kafka_purge(p->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->client.rk);
    kafka_client_release(&p->client);
    free(p);
}

void kafka_producer_close(struct kafka_producer *p)
{
    if (p)
        kafka_finish(producer_finish, p, CLOSE_US);
}

/* What is wrong now, if anything: a message lost, or a connection that cannot come about. */
static enum status health(struct kafka_producer *p, struct error *err)
{
    if (p->has_failed) {
        *err = p->failed;
        return FAILED;
    }
    if (kafka_client_is_suspected(&p->client) && rd_kafka_outq_len(p->client.rk) > 0 &&
        os_mono_us() - p->progress_us > PATIENCE_US)
        kafka_client_confirm(&p->client, "no broker takes messages");
    return kafka_client_tell(&p->client, err) == FAILED ? FAILED : OK;
}

static rd_kafka_resp_err_t produce(struct kafka_producer *p, struct slice key, struct slice payload,
                                   int64_t timestamp_us)
{
    void *value = (void *)(uintptr_t)payload.data; /* copied, not changed */
    return rd_kafka_producev(p->client.rk, RD_KAFKA_V_RKT(p->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(key.data, key.len), RD_KAFKA_V_VALUE(value, payload.len),
                             RD_KAFKA_V_TIMESTAMP(timestamp_us / 1000), RD_KAFKA_V_END);
}

enum status kafka_producer_send(struct kafka_producer *p, struct slice key, struct slice payload, int64_t timestamp_us,
                                int64_t wait_us, struct error *err)
{
    if (p->sent % SERVE_EVERY == 0) {
        rd_kafka_poll(p->client.rk, 0);
        TRY(health(p, err));
    }
    if (rd_kafka_outq_len(p->client.rk) == 0)
        p->progress_us = os_mono_us();
    rd_kafka_resp_err_t code = produce(p, key, payload, timestamp_us);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(p->client.rk, (int)(wait_us / 1000));
        TRY(health(p, err));
        code = produce(p, key, payload, timestamp_us);
    }
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return AGAIN;
    if (code) {
        (void)error_set(err, ERR_SINK, "Kafka topic \"%s\": a message of %zu bytes is refused: %s", p->client.topic,
                  payload.len, rd_kafka_err2str(code));
        return error_hint(err, "message.max.bytes is the largest the client sends");
    }
    p->sent++;
    return OK;
}

enum status kafka_producer_flush(struct kafka_producer *p, int64_t wait_us, uint64_t *ret_left, struct error *err)
{
    int64_t until = os_mono_us() + wait_us;
    for (;;) {
        int64_t left_us = until - os_mono_us();
        /* In short steps, so that trouble with the connection is told when it comes up. */
        rd_kafka_resp_err_t code = rd_kafka_flush(p->client.rk, (int)(MIN(MAX(left_us, 0), 100000) / 1000));
        TRY(health(p, err));
        if (!code)
            return OK;
        if (left_us <= 0)
            break;
    }
    *ret_left = (uint64_t)rd_kafka_outq_len(p->client.rk);
    return AGAIN;
}
