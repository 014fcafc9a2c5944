/* `bourn generate`: the events of the source "generator" (source/events.h), written to a file, stdout or a broker. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "cmd/cmd.h"
#include "column/civil.h"
#include "link/event_hubs.h"
#include "source/events.h"

enum { WRITE_BYTES = 256 * 1024, PACE_US = 10000, WAIT_US = 200000 };

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    if (stopping) /* a second time: at once */
        _exit(128 + number);
    stopping = 1;
}

struct flags {
    const char *to, *generator, *rate, *rows, *seed, *bad, *duplicates, *late, *base, *nominal_rate, *from;
};

/* Where events go. send may keep them, flush brings them there. AGAIN: the reader has gone, and all is well. */
struct target {
    const struct target_ops *ops;
    int fd;
    struct buf lines;
    struct kafka_producer *producer;
    struct event_hubs *hubs;
};
struct target_ops {
    enum status (*send)(struct target *t, struct slice key, struct slice text, int64_t time_us, struct error *err);
    enum status (*flush)(struct target *t, struct error *err);
};

/* ---- a file, stdout ---- */

static enum status lines_flush(struct target *t, struct error *err)
{
    if (t->lines.len == 0)
        return OK;
    errno = 0;
    enum status status = os_file_write(t->fd, t->lines.data, t->lines.len, err);
    buf_clear(&t->lines);
    return status == FAILED && errno == EPIPE ? AGAIN : status;
}

static enum status lines_send(struct target *t, struct slice key, struct slice text, int64_t time_us,
                              struct error *err)
{
    (void)key, (void)time_us;
    buf_put_slice(&t->lines, text);
    buf_putc(&t->lines, '\n');
    return t->lines.len >= WRITE_BYTES ? lines_flush(t, err) : OK;
}

static const struct target_ops lines_ops = {lines_send, lines_flush};

/* ---- Kafka, Event Hubs ---- */

/* A message has its event's time, unless that is more than a day from now: a broker deletes what is older than its
 * retention, and what is far ahead never. */
static enum status kafka_send(struct target *t, struct slice key, struct slice text, int64_t time_us,
                              struct error *err)
{
    int64_t age = os_now_us() - time_us;
    if (age > MICROS_PER_DAY || age < -MICROS_PER_DAY)
        time_us = 0;
    enum status status;
    do
        status = kafka_producer_send(t->producer, key, text, time_us, WAIT_US, err);
    while (status == AGAIN && !stopping);
    return status;
}

static enum status kafka_flush(struct target *t, struct error *err)
{
    uint64_t left;
    enum status status;
    do
        status = kafka_producer_flush(t->producer, WAIT_US, &left, err);
    while (status == AGAIN && !stopping);
    if (status == AGAIN && left > 0)
        fprintf(stderr, "bourn generate: %llu events were not delivered\n", (unsigned long long)left);
    return status;
}

static const struct target_ops kafka_ops = {kafka_send, kafka_flush};

/* kafka:BROKERS/TOPIC */
static enum status open_kafka(struct target *t, const char *where, struct error *err)
{
    const char *slash = strrchr(where, '/');
    if (!slash || slash == where || !slash[1])
        return error_set(err, ERR_USAGE, "--to kafka:%s: write kafka:HOST:PORT/TOPIC", where);
    char *brokers = mem_strndup(where, (size_t)(slash - where));
    struct kafka_option option = {.name = "bootstrap.servers", .value = brokers};
    enum status status = kafka_producer_open(&option, 1, slash + 1, &t->producer, err);
    free(brokers);
    return status;
}

static enum status open_event_hubs(struct target *t, struct error *err)
{
    const char *connection = os_env("EVENT_HUB_CONNECTION_STRING");
    if (!connection)
        return error_set(err, ERR_USAGE, "--to eventhubs: EVENT_HUB_CONNECTION_STRING is not set");
    TRY(event_hubs_new(slice_of(connection), os_env("EVENT_HUB_NAME"), os_env("EVENT_HUB_BOOTSTRAP"), true, &t->hubs,
                       err));
    return kafka_producer_open(t->hubs->options, t->hubs->noptions, t->hubs->hub, &t->producer, err);
}

/* ---- */

static enum status open_target(struct target *t, const char *to, struct error *err)
{
    *t = (struct target){.ops = &lines_ops, .fd = -1, .lines = BUF(2 * WRITE_BYTES)};
    if (strcmp(to, "-") == 0) {
        t->fd = STDOUT_FILENO;
        return OK;
    }
    bool kafka = strncmp(to, "kafka:", 6) == 0;
    if (!kafka && strcmp(to, "eventhubs") != 0)
        return os_file_open(to, OS_REPLACE, &t->fd, err);
    t->ops = &kafka_ops;
    return kafka ? open_kafka(t, to + 6, err) : open_event_hubs(t, err);
}

static void close_target(struct target *t)
{
    if (t->fd > STDERR_FILENO)
        os_file_close(t->fd);
    kafka_producer_close(t->producer);
    event_hubs_free(t->hubs);
    buf_release(&t->lines);
}

/* How many events are due by now; rate 0: no end to it. */
static uint64_t due(int64_t since, uint64_t rate)
{
    return rate == 0 ? UINT64_MAX : (uint64_t)((uint128)(os_mono_us() - since) * rate / 1000000);
}

static enum status generate(struct target *t, const struct event_generator *g, struct events *e, uint64_t from,
                            uint64_t rows, uint64_t rate, struct error *err)
{
    AUTO(arena) a = {0};
    char *text = arena_alloc(&a, g->most);
    const int64_t since = os_mono_us();
    uint64_t done = 0;
    while (done < rows && !stopping) {
        uint64_t now = MIN(due(since, rate), rows);
        for (; done < now && !stopping; done++) {
            struct slice key;
            size_t len = g->make(e, from + done, text, &key);
            TRY(t->ops->send(t, key, (struct slice){text, len}, events_time(e, from + done), err));
        }
        if (done == rows || stopping)
            break;
        TRY(t->ops->flush(t, err));
        os_sleep_us(PACE_US);
    }
    return t->ops->flush(t, err);
}

static bool read_number(const char *text, int64_t least, const char *flag, uint64_t *ret)
{
    int64_t v;
    if (!option_parse_int(text, &v) || v < least) {
        cmd_usage("generate", "--%s: \"%s\" is no number from %lld on", flag, text, (long long)least);
        return false;
    }
    *ret = (uint64_t)v;
    return true;
}

static bool read_share(const char *text, const char *flag, uint32_t *ret)
{
    if (events_parse_share(text, ret))
        return true;
    cmd_usage("generate", "--%s: \"%s\" is no share from 0 to 0.5", flag, text);
    return false;
}

static bool read_shares(const struct flags *f, const struct event_generator *g, struct events *e)
{
    const struct {
        const char *text, *flag, *value;
        uint32_t *into;
    } shares[] = {{f->bad, "bad", "0.03", &e->bad},
                  {f->duplicates, "duplicates", "0.03", &e->duplicate},
                  {f->late, "late", "0.001", &e->late}};
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        const char *text = shares[i].text ? shares[i].text : g->shares ? shares[i].value : "0";
        if (!read_share(text, shares[i].flag, shares[i].into))
            return false;
        if (!g->shares && *shares[i].into > 0) {
            cmd_usage("generate", "--%s: the events of %s have no such share", shares[i].flag, g->name);
            return false;
        }
    }
    if (events_check_shares(e))
        return true;
    cmd_usage("generate", "--bad, --duplicates and --late together are more than half of all events");
    return false;
}

static bool read_events(const struct flags *f, const struct event_generator *g, struct events *e)
{
    uint64_t nominal = g->nominal_rate;
    bool zone;
    if (!read_number(f->seed, 0, "seed", &e->seed) ||
        (f->nominal_rate && !read_number(f->nominal_rate, 1, "nominal-rate", &nominal)) || !read_shares(f, g, e))
        return false;
    e->nominal_rate = (uint32_t)MIN(nominal, (uint64_t)1000000000);
    if (strcmp(f->base, "now") == 0)
        e->base_us = os_now_us();
    else if (!civil_parse_timestamp(slice_of(f->base), &e->base_us, &zone) || !zone) {
        cmd_usage("generate", "--base: \"%s\" is neither now nor a time such as 2020-01-01T00:00:00Z", f->base);
        return false;
    }
    return true;
}

int cmd_generate(int argc, char **argv)
{
    struct flags f = {.to = "-",
                      .generator = "payments",
                      .rate = "100",
                      .seed = "1",
                      .base = "2020-01-01T00:00:00Z",
                      .from = "0"};
    const struct cmd_flag flags[] = {
        {"to", .value = &f.to},     {"generator", .value = &f.generator}, {"rate", .value = &f.rate},
        {"rows", .value = &f.rows}, {"seed", .value = &f.seed},           {"bad", .value = &f.bad},
        {"late", .value = &f.late}, {"duplicates", .value = &f.duplicates},
        {"base", .value = &f.base}, {"nominal-rate", .value = &f.nominal_rate},
        {"from", .value = &f.from},
    };
    int plain = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (plain < 0)
        return 2;
    if (plain > 0)
        return cmd_usage("generate", "\"%s\" is no flag", argv[0]);
    const struct event_generator *g = event_generator_find(f.generator);
    if (!g)
        return cmd_usage("generate", "--generator: \"%s\" is none of %s", f.generator, event_generator_names);
    struct events events = {0};
    uint64_t rate, from, rows = UINT64_MAX;
    if (!read_number(f.rate, 0, "rate", &rate) || !read_number(f.from, 0, "from", &from) ||
        (f.rows && !read_number(f.rows, 0, "rows", &rows)) || !read_events(&f, g, &events))
        return 2;
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    struct target target;
    struct error err;
    enum status status = open_target(&target, f.to, &err);
    if (status == OK)
        status = generate(&target, g, &events, from, rows, rate, &err);
    close_target(&target);
    return status == FAILED ? cmd_fail(&err) : 0;
}
