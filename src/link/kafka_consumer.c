/* The consumer: two threads meet here. The user's thread drains partition queues and never waits for the network; the
 * watcher asks for metadata, watermarks and timestamps with librdkafka's blocking calls, and serves its callbacks.
 * `client.lock` guards what they share. */
#include <stdlib.h>
#include <time.h>

#include "base/os.h"
#include "link/kafka_client.h"

enum {
    IDLE_WAIT_MS = 50,               /* the watcher's sleep between looks; a request of the user wakes it */
    ASK_MS = 500,                    /* a blocking request while no broker has answered yet: closing waits for it */
    ASK_CONNECTED_MS = 5000,
    PATIENCE_US = 3 * 1000 * 1000,   /* without any answer from any broker before that is told */
    WATERMARKS_US = 5 * 1000 * 1000, /* between two looks at where a partition begins and ends */
    METADATA_US = 30 * 1000 * 1000,  /* between two looks for new partitions */
    RETRY_US = 200 * 1000,           /* after a request that failed */
    STALL_US = 20 * 1000,            /* nothing fetched for so long, though there is more: see fetch_prompt */
    SLEEP_US = 1000 * 1000,          /* the longest that the client's thread for a broker sleeps */
    COMMIT_US = 1000 * 1000,
    CLOSE_US = 900 * 1000,
    LAST_COMMIT_MS = 200,            /* for the last commit on the way out */
    PARTITIONS_MAX = 100000,         /* more than any broker holds: a bound on what metadata can make us allocate */
};

enum phase {
    START_NONE,
    START_ASKED,    /* the watcher is to find out the offset */
    START_RESOLVED, /* `offset` is known; the user's thread begins to fetch at it */
    STARTED,
    LOST,           /* the broker no longer has `offset`; the watcher is to look at the watermarks */
    LOST_SEEN,      /* it has; the user is to be told */
};

struct partition {
    rd_kafka_queue_t *queue; /* user's thread only, as are the next two; NULL: not fetching */
    int64_t position;        /* -1: not resolved */
    bool paused;
    int64_t fetched, fetched_us; /* user's thread, as are the next two: up to where, and since when nothing came */
    int64_t patience_us;         /* how long nothing may come before the next prompt */
    size_t most;                 /* messages that waited in the queue at fetched_us */

    enum phase phase; /* under the lock, as is all below */
    enum kafka_start start;
    int64_t value, offset;
    bool watermarks_known;
    int64_t low, high, looked_us;
    int64_t commit, committed; /* -1: none */
};

struct kafka_consumer {
    struct kafka_client client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *events; /* errors and callbacks; the watcher sleeps on it */
    struct os_thread watcher;
    rd_kafka_message_t **scratch; /* user's thread only */
    uint32_t scratch_size;
    void (*wake)(void *arg); /* user's thread, as is the next; NULL: nobody is to be woken */
    void *wake_arg;

    struct partition **partitions; /* under client.lock; what a pointer in it points at stays where it is */
    uint32_t npartitions;
    bool stopping;
    bool connected; /* a broker has answered at least once */
    pthread_cond_t changed; /* a start was resolved */
    int64_t metadata_due_us, commit_due_us, opened_us; /* the watcher's */
    uint32_t commits_under_way;
};

static void lock(struct kafka_consumer *c) { pthread_mutex_lock(&c->client.lock); }
static void unlock(struct kafka_consumer *c) { pthread_mutex_unlock(&c->client.lock); }

static struct partition *partition_of(struct kafka_consumer *c, uint32_t number)
{
    lock(c);
    assert(number < c->npartitions);
    struct partition *p = c->partitions[number];
    unlock(c);
    return p;
}

static void watcher_wake(struct kafka_consumer *c) { rd_kafka_queue_yield(c->events); }

/* ---- the watcher ---- */

static int ask_ms(struct kafka_consumer *c)
{
    lock(c);
    int ms = c->stopping ? 0 : c->connected ? ASK_CONNECTED_MS : ASK_MS;
    unlock(c);
    return ms;
}

static void answered(struct kafka_consumer *c)
{
    kafka_client_healthy(&c->client);
    lock(c);
    c->connected = true;
    unlock(c);
}

static void partitions_found(struct kafka_consumer *c, uint32_t count)
{
    lock(c);
    if (count > c->npartitions) {
        c->partitions = mem_realloc(c->partitions, count * sizeof *c->partitions);
        for (uint32_t i = c->npartitions; i < count; i++) {
            c->partitions[i] = mem_zalloc(sizeof **c->partitions);
            c->partitions[i]->position = c->partitions[i]->commit = c->partitions[i]->committed = -1;
        }
        c->npartitions = count;
    }
    unlock(c);
}

/* A request has failed: with a cause of its own, or because nobody answered in time. */
static void request_failed(struct kafka_consumer *c, rd_kafka_resp_err_t code)
{
    bool no_answer = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
                     code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    lock(c);
    c->connected = c->connected && !no_answer;
    bool patient = os_mono_us() - c->opened_us < PATIENCE_US;
    unlock(c);
    if (!no_answer)
        kafka_client_note(&c->client, code, rd_kafka_err2str(code), !patient);
    else if (kafka_client_is_suspected(&c->client) || !patient)
        kafka_client_confirm(&c->client, "no broker answers");
}

static void look_for_partitions(struct kafka_consumer *c)
{
    int64_t now = os_mono_us();
    if (now < c->metadata_due_us && !kafka_client_is_suspected(&c->client))
        return;
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(c->client.rk, 0, c->topic, &found, ask_ms(c));
    if (!code && found->topic_cnt == 1)
        code = found->topics[0].err;
    if (!code && found->topic_cnt == 1) {
        answered(c);
        partitions_found(c, (uint32_t)MIN(MAX(found->topics[0].partition_cnt, 0), PARTITIONS_MAX));
        c->metadata_due_us = now + METADATA_US;
    } else {
        request_failed(c, code ? code : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC);
        c->metadata_due_us = now + RETRY_US;
    }
    if (found)
        rd_kafka_metadata_destroy(found);
}

static bool look_at_watermarks(struct kafka_consumer *c, struct partition *p, uint32_t number)
{
    int64_t low, high;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(c->client.rk, c->client.topic, (int32_t)number, &low,
                                                                &high, ask_ms(c));
    lock(c);
    p->looked_us = os_mono_us();
    if (code) {
        p->looked_us += RETRY_US - WATERMARKS_US;
    } else {
        p->low = low;
        p->high = high;
        p->watermarks_known = true;
        if (p->phase == LOST)
            p->phase = LOST_SEEN;
    }
    unlock(c);
    if (code)
        request_failed(c, code);
    else
        answered(c);
    return !code;
}

/* The offset of the first message at or after a time; false: ask again. */
static bool look_at_time(struct kafka_consumer *c, uint32_t number, int64_t time_us, int64_t *ret)
{
    /* Kafka counts milliseconds: rounded up, so that no earlier message comes. */
    int64_t ms = time_us / 1000 + (time_us % 1000 > 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->client.topic, (int32_t)number)->offset = MAX(ms, 0);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(c->client.rk, list, ask_ms(c));
    if (!code)
        code = list->elems[0].err;
    if (code)
        request_failed(c, code);
    else
        *ret = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return !code;
}

static void resolve_start(struct kafka_consumer *c, struct partition *p, uint32_t number)
{
    if (!look_at_watermarks(c, p, number))
        return;
    lock(c);
    enum kafka_start start = p->start;
    int64_t value = p->value, low = p->low, high = p->high;
    unlock(c);

    int64_t offset = start == KAFKA_EARLIEST ? low : high;
    if (start == KAFKA_TIMESTAMP && !look_at_time(c, number, value, &offset))
        return;
    lock(c);
    /* The user may have asked for another start in the meantime. */
    if (p->phase == START_ASKED && p->start == start && p->value == value) {
        p->offset = offset < 0 ? high : offset; /* no message that young: the end */
        p->phase = START_RESOLVED;
        pthread_cond_signal(&c->changed);
    }
    unlock(c);
}

static void look_at_partition(struct kafka_consumer *c, struct partition *p, uint32_t number)
{
    lock(c);
    enum phase phase = p->phase;
    bool due = os_mono_us() - p->looked_us >= WATERMARKS_US;
    bool stopping = c->stopping;
    unlock(c);
    if (stopping)
        return;
    if (phase == START_ASKED)
        resolve_start(c, p, number);
    else if (due || phase == LOST)
        look_at_watermarks(c, p, number);
}

/* Answers whether there was anything to commit. */
static bool commit_what_is_done(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    lock(c);
    for (uint32_t i = 0; i < c->npartitions; i++) {
        struct partition *p = c->partitions[i];
        if (p->commit > p->committed) {
            rd_kafka_topic_partition_list_add(list, c->client.topic, (int32_t)i)->offset = p->commit;
            p->committed = p->commit;
        }
    }
    bool any = list->cnt > 0;
    c->commits_under_way += any;
    unlock(c);
    /* For lag tools only: should it fail, the next one says more. */
    if (any && rd_kafka_commit(c->client.rk, list, 1)) {
        lock(c);
        c->commits_under_way--;
        unlock(c);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return any;
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    (void)rk, (void)code, (void)offsets;
    struct kafka_consumer *c = opaque; /* the client is its first member */
    lock(c);
    c->commits_under_way--;
    unlock(c);
}

static void serve_events(struct kafka_consumer *c, int wait_ms)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(c->client.rk, wait_ms);
    if (!m)
        return;
    if (m->err)
        kafka_client_note(&c->client, m->err, rd_kafka_message_errstr(m), false);
    rd_kafka_message_destroy(m);
}

static bool is_stopping(struct kafka_consumer *c)
{
    lock(c);
    bool stopping = c->stopping;
    unlock(c);
    return stopping;
}

static void *watch(void *arg)
{
    struct kafka_consumer *c = arg;
    while (!is_stopping(c)) {
        look_for_partitions(c);
        lock(c);
        uint32_t count = c->connected ? c->npartitions : 0;
        unlock(c);
        for (uint32_t i = 0; i < count; i++)
            look_at_partition(c, partition_of(c, i), i);
        if (os_mono_us() >= c->commit_due_us) {
            commit_what_is_done(c);
            c->commit_due_us = os_mono_us() + COMMIT_US;
        }
        serve_events(c, IDLE_WAIT_MS);
    }
    if (c->connected && (commit_what_is_done(c) || c->commits_under_way)) {
        int64_t until = os_mono_us() + LAST_COMMIT_MS * 1000;
        while (c->commits_under_way && os_mono_us() < until)
            serve_events(c, 10);
    }
    return NULL;
}

/* ---- opening and closing ---- */

enum status kafka_consumer_open(const struct kafka_option *options, size_t noptions, const char *topic,
                                struct kafka_consumer **ret, struct error *err)
{
    static const struct kafka_option fixed[] = {
        {"enable.auto.commit", "false", false},      {"enable.auto.offset.store", "false", false},
        {"enable.partition.eof", "true", false},     {"auto.offset.reset", "error", false},
        {"allow.auto.create.topics", "false", false}, {0},
    };
    rd_kafka_conf_t *conf = kafka_conf_new();
    kafka_conf_must(conf, "group.id", "bourn");
    /* Per partition here, where librdkafka's own default of 64 MB is meant for all of them. */
    kafka_conf_must(conf, "queued.max.messages.kbytes", "16384");
    kafka_conf_must(conf, "fetch.wait.max.ms", "100");
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);

    struct kafka_consumer *c = mem_zalloc(sizeof *c);
    if (kafka_client_init(&c->client, RD_KAFKA_CONSUMER, conf, options, noptions, fixed, topic, err) != OK) {
        free(c);
        return FAILED;
    }
    rd_kafka_poll_set_consumer(c->client.rk);
    c->events = rd_kafka_queue_get_consumer(c->client.rk);
    c->topic = rd_kafka_topic_new(c->client.rk, topic, NULL);
    c->opened_us = os_mono_us();
    pthread_cond_init(&c->changed, NULL);
    os_thread_start(&c->watcher, watch, c, "kafka-watch");
    *ret = c;
    return OK;
}

static void consumer_finish(void *arg)
{
    struct kafka_consumer *c = arg;
    os_thread_join(&c->watcher);
    for (uint32_t i = 0; i < c->npartitions; i++) {
        if (c->partitions[i]->queue)
            rd_kafka_queue_destroy(c->partitions[i]->queue);
        free(c->partitions[i]);
    }
    rd_kafka_topic_destroy(c->topic);
    rd_kafka_queue_destroy(c->events);
    rd_kafka_destroy_flags(c->client.rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    kafka_client_release(&c->client);
    pthread_cond_destroy(&c->changed);
    free(c->partitions);
    free(c->scratch);
    free(c);
}

enum status kafka_consumer_partitions(struct kafka_consumer *c, uint32_t *ret, struct error *err)
{
    enum status status = kafka_client_tell(&c->client, err);
    if (status == FAILED)
        return FAILED;
    lock(c);
    uint32_t count = c->npartitions;
    unlock(c);
    if (!count)
        return AGAIN;
    *ret = count;
    return OK;
}

bool kafka_consumer_failing(struct kafka_consumer *c) { return kafka_client_is_failing(&c->client); }

/* ---- starting, pausing ---- */

static rd_kafka_topic_partition_list_t *list_of_one(struct kafka_consumer *c, uint32_t number, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->client.topic, (int32_t)number)->offset = offset;
    return list;
}

static void on_arrival(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    const struct kafka_consumer *c = opaque;
    c->wake(c->wake_arg);
}

/* The client calls with the queue's lock held, so that nobody is woken any more when a queue has been told so. */
static void queue_notifies(struct kafka_consumer *c, struct partition *p, bool yes)
{
    if (p->queue && c->wake)
        rd_kafka_queue_cb_event_enable(p->queue, yes ? on_arrival : NULL, c);
}

static void fetch_stop(struct kafka_consumer *c, struct partition *p, uint32_t number)
{
    if (!p->queue)
        return;
    rd_kafka_topic_partition_list_t *list = list_of_one(c, number, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_error_destroy(rd_kafka_incremental_unassign(c->client.rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    queue_notifies(c, p, false);
    rd_kafka_queue_destroy(p->queue);
    p->queue = NULL;
}

static enum status fetch_start(struct kafka_consumer *c, struct partition *p, uint32_t number, int64_t offset,
                               struct error *err)
{
    /* Cut off from the consumer's common queue before the first message can get there. */
    p->queue = rd_kafka_queue_get_partition(c->client.rk, c->client.topic, (int32_t)number);
    rd_kafka_queue_forward(p->queue, NULL);
    queue_notifies(c, p, true);
    rd_kafka_topic_partition_list_t *list = list_of_one(c, number, offset);
    rd_kafka_error_t *e = rd_kafka_incremental_assign(c->client.rk, list);
    if (!e && p->paused)
        rd_kafka_pause_partitions(c->client.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (e) {
        (void)error_set(err, c->client.fault, "Kafka partition %s/%u: cannot fetch from offset %lld: %s",
                        c->client.topic, number, (long long)offset, rd_kafka_error_string(e));
        rd_kafka_error_destroy(e);
        queue_notifies(c, p, false);
        rd_kafka_queue_destroy(p->queue);
        p->queue = NULL;
        return FAILED;
    }
    p->position = offset;
    return OK;
}

/* All partitions that there are by now; one that starts later sees for itself. */
static void all_notify(struct kafka_consumer *c, bool yes)
{
    lock(c);
    uint32_t count = c->npartitions;
    unlock(c);
    for (uint32_t i = 0; i < count; i++)
        queue_notifies(c, partition_of(c, i), yes);
}

void kafka_consumer_notify(struct kafka_consumer *c, void (*wake)(void *arg), void *arg)
{
    c->wake = wake;
    c->wake_arg = arg;
    all_notify(c, true);
}

void kafka_consumer_close(struct kafka_consumer *c)
{
    if (!c)
        return;
    all_notify(c, false);
    lock(c);
    c->stopping = true;
    unlock(c);
    watcher_wake(c);
    kafka_finish(consumer_finish, c, CLOSE_US);
}

enum status kafka_consumer_start(struct kafka_consumer *c, uint32_t partition, enum kafka_start start, int64_t value,
                                 struct error *err)
{
    struct partition *p = partition_of(c, partition);
    fetch_stop(c, p, partition);
    p->position = -1;
    lock(c);
    p->start = start;
    p->value = value;
    p->phase = start == KAFKA_OFFSET ? STARTED : START_ASKED;
    unlock(c);
    if (start == KAFKA_OFFSET)
        return fetch_start(c, p, partition, value, err);
    watcher_wake(c);
    return OK;
}

void kafka_consumer_skip(struct kafka_consumer *c, uint32_t partition, int64_t offset)
{
    struct partition *p = partition_of(c, partition);
    p->position = MAX(p->position, offset);
}

int64_t kafka_consumer_position(struct kafka_consumer *c, uint32_t partition)
{
    struct partition *p = partition_of(c, partition);
    if (p->position >= 0)
        return p->position;
    lock(c);
    int64_t offset = p->phase == START_RESOLVED ? p->offset : -1;
    unlock(c);
    return offset;
}

void kafka_consumer_pause(struct kafka_consumer *c, uint32_t partition, bool paused)
{
    struct partition *p = partition_of(c, partition);
    if (p->paused == paused)
        return;
    p->paused = paused;
    if (!p->queue)
        return;
    rd_kafka_topic_partition_list_t *list = list_of_one(c, partition, RD_KAFKA_OFFSET_INVALID);
    if (paused)
        rd_kafka_pause_partitions(c->client.rk, list);
    else
        rd_kafka_resume_partitions(c->client.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- polling ---- */

/* Waits up to wait_us for the watcher to resolve a start; OK: the partition has a queue. */
static enum status settle(struct kafka_consumer *c, struct partition *p, uint32_t number, int64_t wait_us,
                          struct error *err)
{
    int64_t until = os_mono_us() + wait_us;
    struct timespec deadline = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};
    lock(c);
    assert(p->phase != START_NONE);
    while (p->phase == START_ASKED && wait_us > 0)
        if (pthread_cond_clockwait(&c->changed, &c->client.lock, CLOCK_MONOTONIC, &deadline))
            break;
    bool resolved = p->phase == START_RESOLVED;
    int64_t offset = p->offset;
    if (resolved)
        p->phase = STARTED;
    unlock(c);
    return resolved ? fetch_start(c, p, number, offset, err) : AGAIN;
}

/* The partition's offset is gone: stop fetching until somebody starts it again. */
static void partition_lost(struct kafka_consumer *c, struct partition *p, uint32_t number)
{
    fetch_stop(c, p, number);
    lock(c);
    p->phase = LOST;
    unlock(c);
    watcher_wake(c);
}

static enum status tell_lost(struct kafka_consumer *c, struct partition *p, uint32_t number, struct error *err)
{
    lock(c);
    enum phase phase = p->phase;
    int64_t low = p->low, high = p->high;
    unlock(c);
    if (phase != LOST_SEEN)
        return AGAIN;
    long long at = p->position;
    if (at < low) {
        (void)error_set(err, ERR_NOT_FOUND,
                        "Kafka partition %s/%u: offset %lld is gone, the oldest kept is %lld: %lld messages are lost",
                        c->client.topic, number, at, (long long)low, (long long)low - at);
        return error_hint(err, "the topic's retention is shorter than this pipeline was down");
    }
    (void)error_set(err, ERR_NOT_FOUND, "Kafka partition %s/%u: offset %lld is past the end, which is at %lld",
              c->client.topic, number, at, (long long)high);
    return error_hint(err, "the topic was made anew, or this is another cluster");
}

/* What librdkafka hands out that is no message. Answers false when the partition was lost. */
static bool take_event(struct kafka_consumer *c, struct partition *p, uint32_t number, const rd_kafka_message_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        /* The end as a reader sees it: past transaction markers and aborted messages. */
        p->position = MAX(p->position, m->offset);
        return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        partition_lost(c, p, number);
        return false;
    default:
        kafka_client_note(&c->client, m->err, rd_kafka_message_errstr(m), true);
        return true;
    }
}

static struct kafka_message message_of(rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(m, &type);
    return (struct kafka_message){
        .payload = {m->payload, m->len},
        .key = {m->key, m->key_len},
        .offset = m->offset,
        .timestamp_us = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 || ms > INT64_MAX / 1000 ? -1 : ms * 1000,
        .handle = m,
    };
}

static void scratch_reserve(struct kafka_consumer *c, uint32_t size)
{
    if (c->scratch_size >= size)
        return;
    free(c->scratch);
    c->scratch = mem_array(size, sizeof *c->scratch);
    c->scratch_size = size;
}

/* When all its queues were full, the client's thread for a broker sleeps for up to a second, and nothing that is taken
 * out of a queue wakes it: a fast reader would starve. A request to the broker does, so the watcher is made to ask for
 * the partition's watermarks, as it does now and then anyway. */
static void fetch_prompt(struct kafka_consumer *c, struct partition *p, uint32_t number)
{
    size_t waiting = rd_kafka_queue_length(p->queue);
    int64_t fetched = p->position + (int64_t)waiting, now = os_mono_us(), low, high;
    if (fetched != p->fetched) {
        p->fetched = fetched;
        p->fetched_us = now;
        p->patience_us = STALL_US;
        p->most = waiting;
    }
    if (now - p->fetched_us < p->patience_us || p->patience_us > SLEEP_US || waiting > p->most / 2)
        return;
    p->patience_us *= 2;
    if (!kafka_consumer_watermarks(c, number, &low, &high) || high <= fetched)
        return;
    lock(c);
    p->looked_us = now - WATERMARKS_US;
    unlock(c);
    watcher_wake(c);
}

enum status kafka_consumer_poll(struct kafka_consumer *c, uint32_t partition, uint32_t max, int64_t wait_us,
                                struct kafka_batch *ret, struct error *err)
{
    struct partition *p = partition_of(c, partition);
    if (!p->queue) {
        TRY(kafka_client_tell(&c->client, err));
        enum status lost = tell_lost(c, p, partition, err);
        if (lost == FAILED)
            return FAILED;
        TRY(settle(c, p, partition, wait_us, err));
    }
    scratch_reserve(c, max);
    ssize_t n = rd_kafka_consume_batch_queue(p->queue, (int)(wait_us / 1000), c->scratch, max);
    struct kafka_batch batch = {0};
    bool alive = true;
    for (ssize_t i = 0; i < n; i++) {
        rd_kafka_message_t *m = c->scratch[i];
        if (m->err || !alive || m->offset < p->position) {
            alive = alive && (!m->err || take_event(c, p, partition, m));
            rd_kafka_message_destroy(m);
            continue;
        }
        if (!batch.messages)
            batch.messages = mem_array((size_t)(n - i), sizeof *batch.messages);
        batch.messages[batch.count++] = message_of(m);
        batch.bytes += m->len + m->key_len;
        p->position = m->offset + 1;
    }
    if (p->queue)
        fetch_prompt(c, p, partition);
    if (!batch.count)
        return kafka_client_tell(&c->client, err) == FAILED ? FAILED : AGAIN;
    batch.next_offset = p->position;
    *ret = batch;
    return OK;
}

void kafka_batch_release(struct kafka_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        rd_kafka_message_destroy(b->messages[i].handle);
    free(b->messages);
    *b = (struct kafka_batch){0};
}

bool kafka_message_header(const struct kafka_message *m, size_t i, const char **ret_name, struct slice *ret_value)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(m->handle, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_all(headers, i, ret_name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret_value = (struct slice){value, size};
    return true;
}

bool kafka_consumer_watermarks(struct kafka_consumer *c, uint32_t partition, int64_t *ret_low, int64_t *ret_high)
{
    struct partition *p = partition_of(c, partition);
    lock(c);
    bool known = p->watermarks_known;
    int64_t low = p->low, high = p->high;
    unlock(c);
    if (!known)
        return false;
    /* While we fetch, every answer of the broker says where the end is. */
    int64_t fetched_low, fetched_high;
    if (p->queue &&
        !rd_kafka_get_watermark_offsets(c->client.rk, c->client.topic, (int32_t)partition, &fetched_low, &fetched_high))
        high = MAX(high, fetched_high);
    *ret_low = low;
    *ret_high = high;
    return true;
}

int64_t kafka_consumer_readable_end(struct kafka_consumer *c, uint32_t partition)
{
    struct partition *p = partition_of(c, partition);
    lock(c);
    int64_t end = p->watermarks_known ? p->high : -1; /* asked for as a reader of what is committed */
    unlock(c);
    return end;
}

void kafka_consumer_commit(struct kafka_consumer *c, uint32_t partition, int64_t offset)
{
    struct partition *p = partition_of(c, partition);
    lock(c);
    p->commit = MAX(p->commit, offset);
    unlock(c);
}
