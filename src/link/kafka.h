/* Kafka, and what speaks its protocol (Event Hubs, Redpanda): a client over librdkafka without policy. It keeps no
 * positions and decides nothing about retries; it fetches, delivers and says what is wrong in words.
 *
 * A consumer reads one topic, each partition from its own queue, so that its user can drain one after the other:
 *
 *     TRY(kafka_consumer_open(options, n, "transactions", &c, err));      // does not wait for the network
 *     while (kafka_consumer_partitions(c, &count, err) == AGAIN) ...      // known after a first answer
 *     TRY(kafka_consumer_start(c, 0, KAFKA_OFFSET, 4711, err));
 *     switch (kafka_consumer_poll(c, 0, 4096, 0, &batch, err)) ...        // slices into librdkafka's own memory
 *     kafka_batch_release(&batch);
 *
 * Threads: the functions of one consumer or producer are called from one thread at a time, except kafka_batch_release,
 * which any thread may call, until the consumer is closed. No call waits for the network longer than it says;
 * what has to wait (metadata, watermarks, timestamps) is done by a thread of the consumer's own.
 *
 * Errors carry a code: ERR_AUTH (the broker refused us, or we its certificate; not retriable), ERR_NOT_FOUND (only
 * from poll: the offset is gone), ERR_USAGE (an option librdkafka refuses), ERR_SOURCE or ERR_SINK (the rest, retriable
 * when the client goes on trying by itself). Values of secret options never stand in a message.
 */
#pragma once

#include "base/buf.h"

/* Passed to librdkafka under its own name. A secret's value is kept out of every message. */
struct kafka_option {
    const char *name, *value;
    bool secret;
};

/* Is `name` a property of librdkafka that holds a secret, whatever the caller says? */
bool kafka_option_is_secret(const char *name);

/* ---- consumer ---- */

struct kafka_consumer;

/* Defaults are set for what bourn needs (no stored offsets, no commits of its own, an error and not a jump where an
 * offset is gone); given options come after them and win, but for those the contract above rests on:
 * enable.auto.commit, enable.auto.offset.store, enable.partition.eof, auto.offset.reset. bootstrap.servers must be
 * given; group.id is where offsets are committed for lag tools. */
enum status kafka_consumer_open(const struct kafka_option *options, size_t noptions, const char *topic,
                                struct kafka_consumer **ret, struct error *err);
/* Returns within 1 s, broker reachable or not. All batches must have been released. */
void kafka_consumer_close(struct kafka_consumer *c);

/* How many partitions the topic has: 0..*ret-1. AGAIN until the first answer. New ones are looked for every 30 s.
 * FAILED: no broker reachable, not authorised, no such topic; told once each time it changes and every 10 s, AGAIN in
 * between. */
enum status kafka_consumer_partitions(struct kafka_consumer *c, uint32_t *ret, struct error *err);
/* Is that so still, told or not? */
bool kafka_consumer_failing(struct kafka_consumer *c);

enum kafka_start {
    KAFKA_OFFSET,    /* at this offset */
    KAFKA_EARLIEST,  /* the oldest message there is; value unused */
    KAFKA_LATEST,    /* after the newest message of now; value unused */
    KAFKA_TIMESTAMP, /* the first message with a timestamp at or after value, us since 1970; the end if there is none */
};

/* Begin, or go on elsewhere. What was fetched before and not polled is dropped. All but KAFKA_OFFSET are first resolved
 * to an offset, which kafka_consumer_position then answers. Not before kafka_consumer_partitions has told of the
 * partition. */
enum status kafka_consumer_start(struct kafka_consumer *c, uint32_t partition, enum kafka_start start, int64_t value,
                                 struct error *err);
/* Go on at `offset`, past the position: what is fetched below it does not come. */
void kafka_consumer_skip(struct kafka_consumer *c, uint32_t partition, int64_t offset);
/* The offset that comes next: after the last message polled, past markers of transactions. -1: not resolved yet. */
int64_t kafka_consumer_position(struct kafka_consumer *c, uint32_t partition);
/* Stop fetching (buffered messages are dropped and fetched again) or go on at the position. */
void kafka_consumer_pause(struct kafka_consumer *c, uint32_t partition, bool paused);

struct kafka_message {
    struct slice payload; /* data NULL: a tombstone */
    struct slice key;     /* data NULL: none */
    int64_t offset;
    int64_t timestamp_us; /* -1: none */
    void *handle;         /* rd_kafka_message_t */
};

struct kafka_batch {
    uint32_t count;
    struct kafka_message *messages; /* ascending offsets */
    int64_t next_offset;            /* the position after this batch */
    uint64_t bytes;                 /* of payloads and keys */
};

/* At most `max` messages of one partition, waiting up to wait_us for the first. AGAIN: nothing now. FAILED with
 * ERR_NOT_FOUND: the position has left the log on either side, the text says where it begins and ends now; nothing
 * comes until the partition is started again. Other failures as in kafka_consumer_partitions. */
enum status kafka_consumer_poll(struct kafka_consumer *c, uint32_t partition, uint32_t max, int64_t wait_us,
                                struct kafka_batch *ret, struct error *err);
void kafka_batch_release(struct kafka_batch *b);
/* From now on, until it is closed: wake(arg) is called by threads of the client's when a poll that would have said
 * AGAIN would not any more. It may call nothing of the consumer's. */
void kafka_consumer_notify(struct kafka_consumer *c, void (*wake)(void *arg), void *arg);

/* The i-th header of a message; false past the last. Names may repeat; a value's data may be NULL. */
bool kafka_message_header(const struct kafka_message *m, size_t i, const char **ret_name, struct slice *ret_value);

/* Oldest offset and one past the newest, as last seen (never more than some seconds old). False: not known yet. */
bool kafka_consumer_watermarks(struct kafka_consumer *c, uint32_t partition, int64_t *ret_low, int64_t *ret_high);
/* The end as the broker told it when it was asked last: of a reader of what is committed, before a transaction that is
 * open. -1: not known yet. */
int64_t kafka_consumer_readable_end(struct kafka_consumer *c, uint32_t partition);
/* Everything below `offset` is done: committed to the group within a second, for lag tools; failures are ignored. */
void kafka_consumer_commit(struct kafka_consumer *c, uint32_t partition, int64_t offset);

/* ---- producer ---- */

struct kafka_producer;

enum status kafka_producer_open(const struct kafka_option *options, size_t noptions, const char *topic,
                                struct kafka_producer **ret, struct error *err);
/* Drops what was not delivered (flush first); returns within 1 s. */
void kafka_producer_close(struct kafka_producer *p);
/* Hand over a copy of one message; it is delivered later. key.data NULL: none; then partitions are chosen at random.
 * timestamp_us 0: now. Waits up to wait_us for room in the queue, AGAIN when there is none. FAILED: an earlier message
 * could not be delivered, or this one is too large. */
enum status kafka_producer_send(struct kafka_producer *p, struct slice key, struct slice payload, int64_t timestamp_us,
                                int64_t wait_us, struct error *err);
/* Until everything sent is delivered (OK) or wait_us is over (AGAIN: call again; *ret_left messages are still under
 * way). FAILED: one could not be delivered. */
enum status kafka_producer_flush(struct kafka_producer *p, int64_t wait_us, uint64_t *ret_left, struct error *err);
