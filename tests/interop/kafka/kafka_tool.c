/* kafka_tool: link/kafka.h on the command line, for tests/interop/kafka. Options of librdkafka follow as NAME=VALUE;
 * `secret:NAME=VALUE` marks a secret.
 *
 *   kafka_tool read TOPIC START SECONDS [NAME=VALUE...]   START: earliest latest time:US offset:N[,N...]
 *       prints "partition offset timestamp_us key payload" a line; then, for each, "end partition position low high"
 *   kafka_tool watch ...                                  as read, but goes on where the others stop at the end
 *   kafka_tool drain TOPIC [NAME=VALUE...]                counts from earliest to the end, prints messages and seconds
 *   kafka_tool write TOPIC SECONDS [NAME=VALUE...]        lines of stdin as payloads; prints what was delivered
 *   kafka_tool write-timed ...                            as write, of lines "TIMESTAMP_US KEY PAYLOAD"
 *   kafka_tool hubs [HUB]                                 parses a connection string on stdin, prints the options
 *
 * A failure is printed as "error CODE RETRIABLE TEXT | HINT"; one that cannot heal ends the program with 1.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "link/event_hubs.h"

enum { OPTIONS_MAX = 40, PARTITIONS_MAX = 64, BATCH = 4096 };

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal) { (void)signal; interrupted = 1; }

struct arguments {
    struct kafka_option options[OPTIONS_MAX];
    size_t n;
};

static struct arguments options_of(char **words, int n)
{
    struct arguments a = {0};
    for (int i = 0; i < n && i < OPTIONS_MAX; i++) {
        bool secret = !strncmp(words[i], "secret:", 7);
        char *name = words[i] + (secret ? 7 : 0), *equals = strchr(name, '=');
        if (!equals)
            exit(2);
        *equals = 0;
        a.options[a.n++] = (struct kafka_option){name, equals + 1, secret};
    }
    return a;
}

static void print_error(const struct error *e)
{
    printf("error %s %s %s | %s\n", error_code_name(e->code), e->retriable ? "retriable" : "final", e->text, e->hint);
    fflush(stdout);
}

/* Prints a failure; ends the program if waiting cannot help. At once: the client's threads still run, and what OpenSSL
 * frees when a process exits is theirs. */
static void failed(const struct error *e)
{
    print_error(e);
    if (!e->retriable)
        _exit(1);
}

static uint32_t wait_for_partitions(struct kafka_consumer *c, int64_t until)
{
    uint32_t count = 0;
    struct error e = {0};
    while (!interrupted && os_mono_us() < until) {
        enum status s = kafka_consumer_partitions(c, &count, &e);
        if (s == OK)
            return count;
        if (s == FAILED)
            failed(&e);
        os_sleep_us(1000);
    }
    return 0;
}

static void start_all(struct kafka_consumer *c, uint32_t count, char *how)
{
    struct error e = {0};
    char *numbers = strchr(how, ':');
    for (uint32_t i = 0; i < count; i++) {
        enum kafka_start start = !strncmp(how, "earliest", 8) ? KAFKA_EARLIEST
                                 : !strncmp(how, "latest", 6) ? KAFKA_LATEST
                                 : !strncmp(how, "time:", 5)  ? KAFKA_TIMESTAMP
                                                              : KAFKA_OFFSET;
        int64_t value = numbers ? strtoll(numbers + 1, NULL, 10) : 0;
        if (kafka_consumer_start(c, i, start, value, &e) != OK)
            failed(&e);
        char *comma = numbers ? strchr(numbers, ',') : NULL;
        if (comma) {
            numbers = comma;
            *numbers = ':';
        }
    }
}

static void print_batch(uint32_t partition, const struct kafka_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct kafka_message *m = &b->messages[i];
        printf("%u %lld %lld %.*s %.*s", partition, (long long)m->offset, (long long)m->timestamp_us,
               m->key.data ? (int)m->key.len : 1, m->key.data ? m->key.data : "-", (int)m->payload.len,
               m->payload.data ? m->payload.data : "");
        const char *name;
        struct slice value;
        for (size_t h = 0; kafka_message_header(m, h, &name, &value); h++)
            printf(" %s=%.*s", name, (int)value.len, value.data);
        putchar('\n');
    }
    fflush(stdout);
}

static bool at_end(struct kafka_consumer *c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t low, high;
        if (!kafka_consumer_watermarks(c, i, &low, &high) || kafka_consumer_position(c, i) < high)
            return false;
    }
    return true;
}

static int read_topic(int argc, char **argv, bool for_ever)
{
    struct arguments a = options_of(argv + 5, argc - 5);
    struct kafka_consumer *c;
    struct error e = {0};
    if (kafka_consumer_open(a.options, a.n, argv[2], &c, &e) != OK)
        failed(&e), exit(1);
    int64_t until = os_mono_us() + strtoll(argv[4], NULL, 10) * 1000000;
    uint32_t count = wait_for_partitions(c, until);
    start_all(c, count, argv[3]);
    while (!interrupted && os_mono_us() < until && (for_ever || !at_end(c, count))) {
        for (uint32_t i = 0; i < count; i++) {
            struct kafka_batch b;
            enum status s = kafka_consumer_poll(c, i, BATCH, 2000, &b, &e);
            if (s == FAILED)
                failed(&e);
            if (s != OK)
                continue;
            print_batch(i, &b);
            kafka_consumer_commit(c, i, b.next_offset);
            kafka_batch_release(&b);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t low = -1, high = -1;
        (void)kafka_consumer_watermarks(c, i, &low, &high);
        printf("end %u %lld %lld %lld\n", i, (long long)kafka_consumer_position(c, i), (long long)low, (long long)high);
    }
    int64_t begin = os_mono_us();
    kafka_consumer_close(c);
    printf("closed in %lld ms\n", (long long)(os_mono_us() - begin) / 1000);
    return 0;
}

static int drain(int argc, char **argv)
{
    struct arguments a = options_of(argv + 3, argc - 3);
    struct kafka_consumer *c;
    struct error e = {0};
    if (kafka_consumer_open(a.options, a.n, argv[2], &c, &e) != OK)
        failed(&e), exit(1);
    int64_t begin = os_mono_us(), cpu = os_cpu_us();
    uint32_t count = wait_for_partitions(c, begin + 30 * 1000000);
    char earliest[] = "earliest";
    start_all(c, count, earliest);
    uint64_t messages = 0, bytes = 0;
    while (!interrupted && !at_end(c, count)) {
        for (uint32_t i = 0; i < count; i++) {
            struct kafka_batch b;
            enum status s = kafka_consumer_poll(c, i, BATCH, 0, &b, &e);
            if (s == FAILED)
                failed(&e);
            if (s != OK)
                continue;
            messages += b.count;
            bytes += b.bytes;
            kafka_batch_release(&b);
        }
    }
    printf("%llu messages %llu bytes %.3f s %.3f s of processor\n", (unsigned long long)messages,
           (unsigned long long)bytes, (os_mono_us() - begin) / 1e6, (os_cpu_us() - cpu) / 1e6);
    kafka_consumer_close(c);
    return 0;
}

/* One line to the topic, for as long as it takes. */
static enum status send_line(struct kafka_producer *p, char *line, size_t len, bool timed, struct error *e)
{
    struct slice key = {0};
    int64_t timestamp_us = 0;
    if (timed) {
        char *rest = line;
        timestamp_us = strtoll(line, &rest, 10);
        char *payload = strchr(++rest, ' ');
        key = (struct slice){rest, (size_t)(payload - rest)};
        len -= (size_t)(payload + 1 - line);
        line = payload + 1;
    }
    enum status s;
    do
        s = kafka_producer_send(p, key, (struct slice){line, len}, timestamp_us, 100000, e);
    while (s == AGAIN && !interrupted);
    return s;
}

static int write_topic(int argc, char **argv, bool timed)
{
    struct arguments a = options_of(argv + 4, argc - 4);
    struct kafka_producer *p;
    struct error e = {0};
    if (kafka_producer_open(a.options, a.n, argv[2], &p, &e) != OK)
        failed(&e), exit(1);
    int64_t until = os_mono_us() + strtoll(argv[3], NULL, 10) * 1000000;
    char *line = NULL;
    size_t size = 0;
    uint64_t sent = 0, left = 0;
    enum status s = OK;
    for (ssize_t n; s != FAILED && (n = getline(&line, &size, stdin)) > 0; sent++)
        s = send_line(p, line, (size_t)n - 1, timed, &e);
    while (s != FAILED && !interrupted && os_mono_us() < until &&
           (s = kafka_producer_flush(p, 200000, &left, &e)) == AGAIN)
        ;
    if (s == FAILED)
        print_error(&e);
    printf("%llu sent, %llu left\n", (unsigned long long)sent, (unsigned long long)left);
    int64_t begin = os_mono_us();
    kafka_producer_close(p);
    printf("closed in %lld ms\n", (long long)(os_mono_us() - begin) / 1000);
    free(line);
    return s == OK ? 0 : 1;
}

static int hubs(int argc, char **argv)
{
    char text[4096];
    size_t n = fread(text, 1, sizeof text, stdin);
    struct event_hubs *hubs;
    struct error e = {0};
    if (event_hubs_new((struct slice){text, n}, argc > 2 ? argv[2] : NULL, NULL, false, &hubs, &e) != OK)
        failed(&e), exit(1);
    printf("hub=%s\n", hubs->hub);
    for (size_t i = 0; i < hubs->noptions; i++)
        printf("%s=%s\n", hubs->options[i].name, hubs->options[i].secret ? "***" : hubs->options[i].value);
    event_hubs_free(hubs);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    if (argc >= 5 && (!strcmp(argv[1], "read") || !strcmp(argv[1], "watch")))
        return read_topic(argc, argv, !strcmp(argv[1], "watch"));
    if (argc >= 3 && !strcmp(argv[1], "drain"))
        return drain(argc, argv);
    if (argc >= 4 && (!strcmp(argv[1], "write") || !strcmp(argv[1], "write-timed")))
        return write_topic(argc, argv, !strcmp(argv[1], "write-timed"));
    if (argc >= 2 && !strcmp(argv[1], "hubs"))
        return hubs(argc, argv);
    fprintf(stderr, "see the head of kafka_tool.c\n");
    return 2;
}
