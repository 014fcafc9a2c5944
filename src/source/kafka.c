/* The source "kafka": the partitions of one topic, of Apache Kafka, Azure Event Hubs and whatever speaks the protocol.
 *
 * A split is a partition, its position the offset that comes next. Positions live in bourn's log; offsets are
 * committed to the group only so that lag tools see how far we are. A message without a payload (a tombstone) is an
 * empty message.
 *
 * Kafka tells nobody that a topic is another one of the same name. So reading goes on from the message that was read
 * last, which is no row now: it must be the one whose mark is in the log (decision 16).
 *
 * Event Hubs: the mapping has `connection_string`, which says broker, user, password and (EntityPath) hub; the
 * settings that endpoint needs are set by link/event_hubs.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "column/civil.h"
#include "column/jsonb.h"
#include "link/event_hubs.h"
#include "source/connectors.h"

enum {
    SECRET_BYTES = 64 * 1024,
    HEADER_BYTES = 256 << 20,
    POLL_ROWS = 1024, /* the client keeps 0.4 KB a message besides its bytes: more of them leave a core's cache */
};

enum { PARTITION_SHARE = 16 }; /* of the memory in flight, that a partition may fetch ahead */

static const char *const connect_hint = "\"bootstrap.servers\" on the server, or connection_string in a user mapping";

static const struct option_spec kafka_options[] = {
    {"topic", OPT_TEXT, .help = "the topic to read"},
    {"event_hub", OPT_TEXT, .help = "Event Hubs: the hub, where the connection string has no EntityPath"},
    {"start", OPT_CHOICE, .value = "earliest", .choices = "earliest latest timestamp",
     .help = "where a new state begins"},
    {"start_timestamp", OPT_TEXT, .help = "start 'timestamp': the first message at or after this time, with a zone"},
    {"on_lost_offsets", OPT_CHOICE, .value = "error", .choices = "error earliest",
     .help = "messages were deleted before we read them, or are others: stop, or say so and go on with what there is"},
    {"bootstrap.servers", OPT_TEXT, .help = "brokers, host:port with commas between"},
    {"group.id", OPT_TEXT, .help = "the group in which lag tools see how far we are; by default bourn-TABLE"},
    {"connection_string", OPT_SECRET, .on_mapping = true, .help = "Event Hubs: the connection string"},
    {"sasl.username", OPT_SECRET, .on_mapping = true, .help = "a librdkafka option"},
    {"sasl.password", OPT_SECRET, .on_mapping = true, .help = "a librdkafka option"},
    {"ssl.key.password", OPT_SECRET, .on_mapping = true, .help = "a librdkafka option"},
    {"ssl.keystore.password", OPT_SECRET, .on_mapping = true, .help = "a librdkafka option"},
    {"ssl.key.pem", OPT_SECRET, .on_mapping = true, .help = "a librdkafka option"},
    {"ssl.*", OPT_TEXT, .help = "librdkafka's options, under their own names"},
    {"sasl.*", OPT_TEXT, .help = "likewise"},
    {"security.*", OPT_TEXT, .help = "likewise"},
    {"client.*", OPT_TEXT, .help = "likewise"},
    {"socket.*", OPT_TEXT, .help = "likewise"},
    {"broker.*", OPT_TEXT, .help = "likewise"},
    {"session.*", OPT_TEXT, .help = "likewise"},
    {"heartbeat.*", OPT_TEXT, .help = "likewise"},
    {"reconnect.*", OPT_TEXT, .help = "likewise"},
    {"metadata.*", OPT_TEXT, .help = "likewise"},
    {"topic.*", OPT_TEXT, .help = "likewise"},
    {"fetch.*", OPT_TEXT, .help = "likewise"},
    {"queued.*", OPT_TEXT, .help = "likewise"},
    {"receive.*", OPT_TEXT, .help = "likewise"},
    {"message.*", OPT_TEXT, .help = "likewise"},
    {"max.*", OPT_TEXT, .help = "likewise"},
    {"isolation.*", OPT_TEXT, .help = "likewise"},
    {"api.*", OPT_TEXT, .help = "likewise"},
    {"check.*", OPT_TEXT, .help = "likewise"},
    {0},
};

/* What source_batch.owner points to. */
struct kafka_rows {
    struct kafka_rows *next; /* in the pool */
    struct kafka_batch batch;
    struct arena headers_memory;
    struct view raw[POLL_ROWS], key[POLL_ROWS], headers[POLL_ROWS];
    int64_t offset[POLL_ROWS], timestamp[POLL_ROWS];
};

/* A partition that goes on where the log says: not before the message below it was met again. */
struct resumed {
    struct source_mark mark; /* known until then */
    int64_t position;
};

struct kafka_source {
    struct source base;
    struct kafka_consumer *consumer;
    char *topic;
    enum kafka_start start;
    int64_t start_us;
    bool lost_is_error;
    bool with_headers;              /* to ask a message for its headers costs 0.1 us, also where it has none */
    bool resumed;                   /* some split went on where a log says: then a split the log does not know is new */
    struct resumed *resumes;        /* per split */
    uint32_t nsplits, first_splits; /* first_splits: at the first answer; later ones are new */
    struct kafka_rows *pool;
};

static struct kafka_source *kafka_source_of(struct source *s)
{
    return (struct kafka_source *)s;
}

/* ---- splits and positions ---- */

static enum status kafka_splits(struct source *s, struct split *ret, uint32_t max, uint32_t *ret_count,
                                struct error *err)
{
    struct kafka_source *k = kafka_source_of(s);
    uint32_t partitions = 0, n = 0;
    enum status status = kafka_consumer_partitions(k->consumer, &partitions, err);
    if (status == FAILED)
        return FAILED;
    if (status == OK && k->first_splits == 0)
        k->first_splits = partitions;
    for (; k->nsplits < partitions && n < max; k->nsplits++, n++) {
        ret[n] = (struct split){.number = k->nsplits};
        snprintf(ret[n].name, sizeof ret[n].name, "%.180s/%u", k->topic, k->nsplits);
    }
    *ret_count = n;
    k->resumes = mem_realloc(k->resumes, (k->nsplits + 1) * sizeof *k->resumes);
    for (uint32_t i = k->nsplits - n; i < k->nsplits; i++)
        k->resumes[i] = (struct resumed){0};
    return OK;
}

static void kafka_expect(struct source *s, uint32_t split, const struct source_mark *mark)
{
    kafka_source_of(s)->resumes[split].mark = *mark;
}

static enum status kafka_seek(struct source *s, uint32_t split, int64_t position, struct error *err)
{
    struct kafka_source *k = kafka_source_of(s);
    enum kafka_start start = position >= 0 ? KAFKA_OFFSET : k->start;
    k->resumed |= position >= 0;
    /* A partition that came later holds only messages that came later: none of them may be left out. */
    if (position < 0 && (k->resumed || split >= k->first_splits))
        start = KAFKA_EARLIEST;
    struct resumed *resumed = &k->resumes[split];
    resumed->position = position;
    if (resumed->mark.known)
        position = resumed->mark.position;
    return kafka_consumer_start(k->consumer, split, start, position >= 0 ? position : k->start_us, err);
}

/* Where the next poll goes on: also past what holds no rows, such as the markers of transactions. */
static int64_t kafka_position(struct source *s, uint32_t split)
{
    struct kafka_source *k = kafka_source_of(s);
    const struct resumed *resumed = &k->resumes[split];
    return resumed->mark.known ? resumed->position : kafka_consumer_position(k->consumer, split);
}

static int64_t kafka_end_position(struct source *s, uint32_t split)
{
    int64_t low, high;
    return kafka_consumer_watermarks(kafka_source_of(s)->consumer, split, &low, &high) ? high : -1;
}

/* Not before it is known where reading begins. */
static int64_t kafka_readable_end(struct source *s, uint32_t split)
{
    return kafka_position(s, split) < 0 ? -1 : kafka_consumer_readable_end(kafka_source_of(s)->consumer, split);
}

static bool kafka_finished(struct source *s, uint32_t split)
{
    (void)s;
    (void)split;
    return false;
}

static void kafka_pause(struct source *s, uint32_t split, bool paused)
{
    kafka_consumer_pause(kafka_source_of(s)->consumer, split, paused);
}

static void kafka_acknowledge(struct source *s, uint32_t split, int64_t position)
{
    kafka_consumer_commit(kafka_source_of(s)->consumer, split, position);
}

/* ---- messages ---- */

static struct kafka_rows *rows_take(struct kafka_source *k)
{
    struct kafka_rows *r = k->pool;
    if (r)
        k->pool = r->next;
    else
        r = mem_zalloc(sizeof *r);
    return r;
}

static void rows_drop(struct kafka_source *k, struct kafka_rows *r)
{
    arena_reset(&r->headers_memory);
    r->next = k->pool;
    k->pool = r;
}

static const struct view no_view = {.len = ORIGIN_NONE};

/* A header's value as JSON: text if it is any, else its bytes as bytea is written. */
static void put_header_value(struct buf *out, struct slice value)
{
    if (!value.data) {
        buf_puts(out, "null");
        return;
    }
    if (utf8_valid(value) && !memchr(value.data, 0, value.len)) {
        buf_put_json(out, value);
        return;
    }
    buf_puts(out, "\"\\\\x");
    for (size_t i = 0; i < value.len; i++)
        buf_printf(out, "%02x", (unsigned char)value.data[i]);
    buf_putc(out, '"');
}

/* Headers as jsonb: of headers with one name the last stays. */
static struct view headers_of(const struct kafka_message *m, struct arena *a)
{
    const char *name;
    struct slice value, object;
    if (!kafka_message_header(m, 0, &name, &value))
        return no_view;
    AUTO(buf) text = BUF(HEADER_BYTES);
    for (size_t i = 0; kafka_message_header(m, i, &name, &value); i++) {
        buf_putc(&text, i == 0 ? '{' : ',');
        buf_put_json(&text, slice_of(name));
        buf_putc(&text, ':');
        put_header_value(&text, value);
    }
    buf_putc(&text, '}');
    struct error ignored;
    if (text.overflow || jsonb_normalise(buf_slice(&text), HEADER_BYTES, a, &object, &ignored) != OK)
        return no_view; /* past any broker's limit on the size of a message */
    return view_of(object.data, object.len);
}

/* A producer says what time it likes: also none that there is, where it counts in microseconds. */
static bool is_time(int64_t us) { return us >= 0 && us <= CIVIL_LAST; }

static void fill_rows(struct kafka_rows *r, bool with_headers)
{
    for (uint32_t i = 0; i < r->batch.count; i++) {
        const struct kafka_message *m = &r->batch.messages[i];
        r->raw[i] = view_of(m->payload.data ? m->payload.data : "", m->payload.len);
        r->key[i] = m->key.data ? view_of(m->key.data, m->key.len) : no_view;
        r->offset[i] = m->offset;
        r->timestamp[i] = is_time(m->timestamp_us) ? m->timestamp_us : ORIGIN_NO_TIME;
        if (with_headers)
            r->headers[i] = headers_of(m, &r->headers_memory);
    }
}

static const char made_anew[] =
    "the topic was made anew, or this is another cluster: read it with a new state and new tables";

/* The log ends before the position: its offsets are those of other messages now. */
static bool is_past_the_end(struct kafka_source *k, uint32_t split)
{
    int64_t low, high;
    return kafka_consumer_watermarks(k->consumer, split, &low, &high) &&
           kafka_consumer_position(k->consumer, split) > high;
}

/* The position has left the log: messages are gone that we never saw. */
static enum status lost_offsets(struct kafka_source *k, uint32_t split, struct error *err)
{
    if (is_past_the_end(k, split)) {
        err->code = ERR_SOURCE;
        err->retriable = false;
        return error_hint(err, "%s", made_anew);
    }
    if (k->lost_is_error) {
        err->code = ERR_SOURCE;
        err->retriable = false;
        return error_hint(err,
                          "messages were deleted before they were read; on_lost_offsets 'earliest' goes on with the "
                          "oldest there is");
    }
    struct error ignored;
    if (kafka_consumer_start(k->consumer, split, KAFKA_EARLIEST, 0, &ignored) != OK)
        return FAILED;
    err->code = ERR_SOURCE;
    err->retriable = true;
    return error_hint(err, "going on with the oldest message there is, as on_lost_offsets says");
}

/* ---- the message that was read last ---- */

static struct source_mark mark_of(const struct kafka_message *m)
{
    return (struct source_mark){
        .known = true,
        .position = m->offset,
        .time_us = m->timestamp_us,
        .crc = crc32c(crc32c(0, m->key.data, m->key.len), m->payload.data, m->payload.len),
    };
}

static struct source_mark kafka_mark(const struct source_batch *b)
{
    const struct kafka_rows *r = b->owner;
    return mark_of(&r->batch.messages[b->rows - 1]);
}

static const char *time_text(int64_t us, char out[static 40])
{
    if (!is_time(us))
        return "unknown";
    civil_print_iso(us, 3, out);
    return out;
}

static enum status another_message(const struct kafka_source *k, uint32_t split, const struct source_mark *was,
                                   const struct source_mark *is, struct error *err)
{
    char then[40], now[40];
    (void)error_set(err, ERR_SOURCE,
                    "Kafka partition %s/%u: offset %lld has another message than the one that was read there: of time "
                    "%s with checksum %08x, where it was %s and %08x",
                    k->topic, split, (long long)is->position, time_text(is->time_us, now), is->crc,
                    time_text(was->time_us, then), was->crc);
    long long position = k->resumes[split].position;
    err->retriable = !k->lost_is_error;
    if (!k->lost_is_error)
        return error_hint(err, "going on at offset %lld of what is there, as on_lost_offsets says", position);
    return error_hint(err, "%s; on_lost_offsets 'earliest' goes on at offset %lld of what is there", made_anew,
                      position);
}

/* AGAIN: it has not come yet. It is never waited for where there is none: what is gone by retention or compaction, or
 * is behind the end, proves nothing, and the position itself says what is to be said. */
static enum status meet_again(struct kafka_source *k, uint32_t split, struct error *err)
{
    struct resumed *resumed = &k->resumes[split];
    struct source_mark was = resumed->mark, is = {0};
    struct kafka_batch batch;
    int64_t low, high;
    enum status status = kafka_consumer_poll(k->consumer, split, 1, 0, &batch, err);
    if (status == FAILED && err->code != ERR_NOT_FOUND)
        return FAILED;
    if (status == AGAIN && kafka_consumer_position(k->consumer, split) == was.position &&
        (!kafka_consumer_watermarks(k->consumer, split, &low, &high) || high >= resumed->position))
        return AGAIN;
    if (status == OK) {
        is = mark_of(&batch.messages[0]);
        kafka_batch_release(&batch);
    }
    resumed->mark.known = false;
    if (!is.known || is.position != was.position)
        return kafka_consumer_start(k->consumer, split, KAFKA_OFFSET, resumed->position, err);
    kafka_consumer_skip(k->consumer, split, resumed->position);
    return source_mark_differs(&was, &is) ? another_message(k, split, &was, &is, err) : OK;
}

static enum status kafka_poll(struct source *s, uint32_t split, uint32_t max_rows, struct source_batch *ret,
                              struct error *err)
{
    struct kafka_source *k = kafka_source_of(s);
    if (k->resumes[split].mark.known)
        TRY(meet_again(k, split, err));
    struct kafka_rows *r = rows_take(k);
    enum status status =
        kafka_consumer_poll(k->consumer, split, MIN(max_rows, (uint32_t)POLL_ROWS), 0, &r->batch, err);
    if (status != OK) {
        rows_drop(k, r);
        return status == FAILED && err->code == ERR_NOT_FOUND ? lost_offsets(k, split, err) : status;
    }
    fill_rows(r, k->with_headers);
    *ret = (struct source_batch){
        .rows = r->batch.count,
        .origin = {.split = split,
                   .topic = k->topic,
                   .offset = r->offset,
                   .timestamp = r->timestamp,
                   .raw = r->raw,
                   .key = r->key,
                   .headers = k->with_headers ? r->headers : NULL},
        .bytes = r->batch.bytes,
        .next_position = r->batch.next_offset,
        .owner = r,
    };
    return OK;
}

static void kafka_notify(struct source *s, void (*wake)(void *arg), void *arg)
{
    kafka_consumer_notify(kafka_source_of(s)->consumer, wake, arg);
}

static bool kafka_failing(struct source *s) { return kafka_consumer_failing(kafka_source_of(s)->consumer); }

static void kafka_release(struct source *s, struct source_batch *batch)
{
    struct kafka_rows *r = batch->owner;
    kafka_batch_release(&r->batch);
    rows_drop(kafka_source_of(s), r);
}

static void kafka_free(struct source *s)
{
    struct kafka_source *k = kafka_source_of(s);
    kafka_consumer_close(k->consumer);
    while (k->pool) {
        struct kafka_rows *next = k->pool->next;
        arena_release(&k->pool->headers_memory);
        free(k->pool);
        k->pool = next;
    }
    free(k->resumes);
    free(k->topic);
    free(k);
}

/* ---- opening ---- */

/* What goes to librdkafka, gathered; its strings live in the arena. Secrets are wiped after the client was made. */
struct client_options {
    struct kafka_option *items;
    size_t count;
    const char *topic;
    struct event_hubs *hubs;
    struct buf *secrets;
    size_t nsecrets;
    struct arena arena;
};

static void client_options_release(struct client_options *c)
{
    for (size_t i = 0; i < c->nsecrets; i++) {
        secret_wipe(&c->secrets[i]);
        buf_release(&c->secrets[i]);
    }
    event_hubs_free(c->hubs);
    arena_release(&c->arena);
}

static enum status resolve_into(struct client_options *c, const char *reference, const char **ret, struct error *err)
{
    struct buf *secret = &c->secrets[c->nsecrets++];
    *secret = (struct buf)BUF(SECRET_BYTES);
    TRY(secret_resolve(reference, secret, err));
    *ret = buf_cstr(secret);
    return OK;
}

static bool is_own(const char *name)
{
    static const char *const own[] = {"topic",           "event_hub",       "start",
                                      "start_timestamp", "on_lost_offsets", "connection_string"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (strcmp(own[i], name) == 0)
            return true;
    return strchr(name, '.') == NULL; /* the format's, the engine's; librdkafka's all have a dot */
}

static enum status add_event_hubs(struct client_options *c, const struct options *o, const struct options *mapping,
                                  struct error *err)
{
    const char *connection, *hub = option_text(o, kafka_options, "event_hub");
    if (!hub || !*hub)
        hub = option_text(o, kafka_options, "topic");
    TRY(resolve_into(c, option_text(mapping, kafka_options, "connection_string"), &connection, err));
    TRY(event_hubs_new(slice_of(connection), hub && *hub ? hub : NULL,
                       option_text(o, kafka_options, "bootstrap.servers"), false, &c->hubs, err));
    memcpy(c->items, c->hubs->options, c->hubs->noptions * sizeof *c->items);
    c->count = c->hubs->noptions;
    c->topic = c->hubs->hub;
    return OK;
}

static enum status gather(struct client_options *c, const struct source_config *config, const struct options *o,
                          struct error *err)
{
    const struct options *mapping = config->mapping;
    size_t given = o->count + (mapping ? mapping->count : 0);
    c->items = arena_array(&c->arena, given + EVENT_HUBS_OPTIONS + 2, sizeof *c->items);
    c->secrets = arena_array(&c->arena, given + 1, sizeof *c->secrets);
    c->topic = option_text(o, kafka_options, "topic");
    if (mapping && option_given(mapping, "connection_string"))
        TRY(add_event_hubs(c, o, mapping, err));
    else if (!option_given(o, "bootstrap.servers")) {
        (void)error_set(err, ERR_SQL, "table \"%s\": no broker is named", config->table);
        return error_hint(err, "%s", connect_hint);
    }
    if (!c->topic || !*c->topic)
        return error_set(err, ERR_SQL, "table \"%s\": option topic is missing", config->table);
    if (!option_given(o, "group.id"))
        c->items[c->count++] =
            (struct kafka_option){"group.id", arena_printf(&c->arena, "bourn-%s", config->table), false};
    if (config->memory) { /* per partition; what is given by name goes before */
        int64_t ahead = MIN(MAX(config->memory / PARTITION_SHARE, (int64_t)MIB(1)), (int64_t)MIB(16));
        c->items[c->count++] = (struct kafka_option){
            "queued.max.messages.kbytes", arena_printf(&c->arena, "%lld", (long long)(ahead >> 10)), false};
    }
    for (uint32_t i = o->count; i-- > 0;) { /* the nearest last: it wins */
        const char *name = o->items[i].name;
        if (!is_own(name) && !(c->hubs && strcmp(name, "bootstrap.servers") == 0))
            c->items[c->count++] = (struct kafka_option){name, o->items[i].value, kafka_option_is_secret(name)};
    }
    for (uint32_t i = 0; mapping && i < mapping->count; i++) {
        if (is_own(mapping->items[i].name))
            continue;
        struct kafka_option *item = &c->items[c->count++];
        *item = (struct kafka_option){.name = mapping->items[i].name, .secret = true};
        TRY(resolve_into(c, mapping->items[i].value, &item->value, err));
    }
    return OK;
}

static enum status read_start(struct kafka_source *k, const struct options *o, struct error *err)
{
    const char *start = option_text(o, kafka_options, "start"), *at = option_text(o, kafka_options, "start_timestamp");
    k->start = strcmp(start, "latest") == 0      ? KAFKA_LATEST
               : strcmp(start, "timestamp") == 0 ? KAFKA_TIMESTAMP
                                                 : KAFKA_EARLIEST;
    k->lost_is_error = strcmp(option_text(o, kafka_options, "on_lost_offsets"), "error") == 0;
    if (k->start != KAFKA_TIMESTAMP)
        return OK;
    bool zone;
    if (at && civil_parse_timestamp(slice_of(at), &k->start_us, &zone) && zone)
        return OK;
    (void)error_set(err, ERR_SQL, "start 'timestamp' wants start_timestamp '2026-11-21T06:00:00Z'");
    return option_blame(o, at ? "start_timestamp" : "start", err);
}

static enum status kafka_open(const struct source_config *config, struct source **ret, struct error *err)
{
    static const struct source_ops ops = {
        .splits = kafka_splits,
        .mark = kafka_mark,
        .expect = kafka_expect,
        .seek = kafka_seek,
        .poll = kafka_poll,
        .notify = kafka_notify,
        .failing = kafka_failing,
        .release = kafka_release,
        .position = kafka_position,
        .end_position = kafka_end_position,
        .readable_end = kafka_readable_end,
        .finished = kafka_finished,
        .pause = kafka_pause,
        .acknowledge = kafka_acknowledge,
        .free = kafka_free,
    };
    struct kafka_source *k = mem_zalloc(sizeof *k);
    k->base.ops = &ops;
    k->with_headers = config->with_headers;
    struct client_options client = {0};
    const struct options joined = options_join(config->options, config->server, &client.arena);
    enum status status = read_start(k, &joined, err);
    if (status == OK)
        status = gather(&client, config, &joined, err);
    if (status == OK) {
        k->topic = mem_strdup(client.topic);
        status = kafka_consumer_open(client.items, client.count, k->topic, &k->consumer, err);
    }
    client_options_release(&client);
    if (status != OK) {
        kafka_free(&k->base);
        return status;
    }
    *ret = &k->base;
    return OK;
}

static const char *const kafka_metadata[] = {"topic", "partition", "offset", "timestamp", "key", "headers", NULL};

const struct source_connector source_kafka_connector = {
    .name = "kafka",
    .options = kafka_options,
    .metadata = kafka_metadata,
    .help = "a topic of Kafka or Event Hubs",
    .default_format = "json",
    .open = kafka_open,
};
