/* The source "generator": made-up events (events.h), for demonstrations, tests and benchmarks.
 *
 * Split s of S hands out events s, s + S, s + 2S, ...; its position counts its own events, so event = position * S + s.
 * Without `rows` the stream has no end, but it never runs ahead of the clock: an event is not handed out before its
 * time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "column/civil.h"
#include "source/connectors.h"
#include "source/events.h"

static const struct option_spec generator_options[] = {
    {"generator", OPT_CHOICE, .value = "payments", .choices = event_generator_names, .help = "what to make"},
    {"rows", OPT_INT, .min = 0, .max = INT64_MAX, .help = "end after so many events; not set: no end"},
    {"rate", OPT_INT, .value = "0", .min = 0, .max = 1000000000,
     .help = "events a second; 0: as fast as they are taken"},
    {"nominal_rate", OPT_INT, .min = 1, .max = 1000000000,
     .help = "events a second of event time: event n happened at base + n / nominal_rate; default: 100, nexmark 10000"},
    {"base", OPT_TEXT, .value = "2020-01-01T00:00:00Z", .help = "the event time of the first event"},
    {"seed", OPT_INT, .value = "1", .min = 0, .max = INT64_MAX, .help = "another seed, other events"},
    {"bad", OPT_TEXT, .value = "0.03",
     .help = "share of events that break the contract (0.03 or 3%); of nexmark none"},
    {"duplicates", OPT_TEXT, .value = "0.03", .help = "share of events that repeat an earlier one"},
    {"late", OPT_TEXT, .value = "0.001",
     .help = "share of events older than their neighbours: payments 26 to 50 hours, transactions 15 to 45 minutes"},
    {"splits", OPT_INT, .value = "1", .min = 1, .max = 256, .help = "how many partitions share the events"},
    {0},
};

/* The memory of one batch; pooled, so that a steady run allocates nothing. */
struct generator_batch {
    struct generator_batch *next;
    struct view raw[BATCH_ROWS];
    int64_t offset[BATCH_ROWS], timestamp[BATCH_ROWS];
    char text[]; /* BATCH_ROWS events of at most generator->most bytes, one behind the other */
};

struct generator_split {
    uint64_t position;
    uint64_t paced_from; /* position when pacing began */
    int64_t paced_since; /* and the monotonic time then; 0: not yet */
};

struct generator {
    struct source base;
    const struct event_generator *generator;
    struct events events;
    bool bounded;
    uint64_t rows, rate;    /* of all splits */
    uint32_t nsplits, told; /* told: splits already reported */
    struct generator_split *splits;
    struct generator_batch *pool;
};

static struct generator *generator_of(struct source *s)
{
    return (struct generator *)s;
}

static enum status generator_splits(struct source *s, struct split *ret, uint32_t max, uint32_t *ret_count,
                                    struct error *err)
{
    (void)err;
    struct generator *g = generator_of(s);
    uint32_t n = 0;
    for (; g->told < g->nsplits && n < max; g->told++, n++) {
        ret[n] = (struct split){.number = g->told};
        snprintf(ret[n].name, sizeof ret[n].name, "%s/%u", g->generator->name, g->told);
    }
    *ret_count = n;
    return OK;
}

static enum status generator_seek(struct source *s, uint32_t split, int64_t position, struct error *err)
{
    (void)err;
    struct generator *g = generator_of(s);
    g->splits[split] = (struct generator_split){.position = position < 0 ? 0 : (uint64_t)position};
    return OK;
}

/* Events of this split before the end of the stream; UINT64_MAX without an end. */
static uint64_t split_rows(const struct generator *g, uint32_t split)
{
    if (!g->bounded)
        return UINT64_MAX;
    return g->rows / g->nsplits + (split < g->rows % g->nsplits);
}

/* How many events a paced split may hand out by now. At most a second's worth is made up for after a pause. */
static uint64_t paced_limit(struct generator *g, struct generator_split *sp)
{
    int64_t now = os_mono_us();
    if (sp->paced_since == 0) {
        sp->paced_since = now;
        sp->paced_from = sp->position;
    }
    uint64_t rate = MAX(g->rate / g->nsplits, 1);
    uint64_t due = sp->paced_from + (uint64_t)((uint128)(now - sp->paced_since) * rate / 1000000);
    if (due > sp->position + rate) {
        sp->paced_from = sp->position;
        sp->paced_since = now - 1000000;
        due = sp->position + rate;
    }
    return due;
}

/* Of an endless stream: events that have happened by now. */
static uint64_t happened(const struct generator *g)
{
    int64_t age = os_now_us() - g->events.base_us;
    if (age < 0)
        return 0;
    return (uint64_t)((uint128)age * g->events.nominal_rate / 1000000) + 1;
}

static uint32_t rows_now(struct generator *g, uint32_t split, uint32_t max_rows)
{
    struct generator_split *sp = &g->splits[split];
    uint64_t limit = split_rows(g, split);
    if (g->rate > 0)
        limit = MIN(limit, paced_limit(g, sp));
    if (!g->bounded) {
        uint64_t events = happened(g);
        limit = MIN(limit, events / g->nsplits + (split < events % g->nsplits));
    }
    uint64_t most = MIN(max_rows, (uint32_t)BATCH_ROWS);
    return limit > sp->position ? (uint32_t)MIN(limit - sp->position, most) : 0;
}

static enum status generator_poll(struct source *s, uint32_t split, uint32_t max_rows, struct source_batch *ret,
                                  struct error *err)
{
    (void)err;
    struct generator *g = generator_of(s);
    struct generator_split *sp = &g->splits[split];
    uint32_t rows = rows_now(g, split, max_rows);
    if (rows == 0)
        return AGAIN;
    struct generator_batch *b = g->pool;
    if (b)
        g->pool = b->next;
    else
        b = mem_alloc(sizeof *b + BATCH_ROWS * g->generator->most);
    char *text = b->text;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t n = (sp->position + i) * g->nsplits + split;
        struct slice key;
        size_t len = g->generator->make(&g->events, n, text, &key);
        b->raw[i] = view_of(text, len);
        b->offset[i] = (int64_t)(sp->position + i);
        b->timestamp[i] = events_time(&g->events, n);
        text += len;
    }
    sp->position += rows;
    *ret = (struct source_batch){
        .rows = rows,
        .origin = {.split = split,
                   .topic = g->generator->name,
                   .offset = b->offset,
                   .timestamp = b->timestamp,
                   .raw = b->raw},
        .bytes = (uint64_t)(text - b->text),
        .next_position = (int64_t)sp->position,
        .owner = b,
    };
    return OK;
}

static void generator_release(struct source *s, struct source_batch *batch)
{
    struct generator *g = generator_of(s);
    struct generator_batch *b = batch->owner;
    b->next = g->pool;
    g->pool = b;
}

static int64_t generator_end_position(struct source *s, uint32_t split)
{
    struct generator *g = generator_of(s);
    return g->bounded ? (int64_t)split_rows(g, split) : -1;
}

static bool generator_finished(struct source *s, uint32_t split)
{
    struct generator *g = generator_of(s);
    return g->bounded && g->splits[split].position >= split_rows(g, split);
}

static void generator_free(struct source *s)
{
    struct generator *g = generator_of(s);
    while (g->pool) {
        struct generator_batch *next = g->pool->next;
        free(g->pool);
        g->pool = next;
    }
    free(g->splits);
    free(g);
}

static enum status read_share(const struct options *o, const char *name, uint32_t *ret, struct error *err)
{
    const char *text = option_text(o, generator_options, name);
    if (events_parse_share(text, ret))
        return OK;
    (void)error_set(err, ERR_SQL, "option %s: \"%s\" is no share between 0 and 0.5", name, text);
    (void)error_hint(err, "write 0.03 or 3%%");
    return option_blame(o, name, err);
}

static enum status read_shares(const struct options *o, const struct event_generator *g, struct events *e,
                               struct error *err)
{
    static const char *const names[] = {"bad", "duplicates", "late"};
    uint32_t *shares[] = {&e->bad, &e->duplicate, &e->late};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!g->shares && !option_given(o, names[i]))
            continue;
        TRY(read_share(o, names[i], shares[i], err));
        if (!g->shares && *shares[i] > 0) {
            (void)error_set(err, ERR_SQL, "option %s: the events of %s have no such share", names[i], g->name);
            return option_blame(o, names[i], err);
        }
    }
    if (!events_check_shares(e))
        return error_set(err, ERR_SQL, "options bad, duplicates and late together are more than half of all events");
    return OK;
}

static enum status read_events(const struct options *o, const struct event_generator *g, struct events *ret,
                               struct error *err)
{
    struct events e = {.seed = (uint64_t)option_int(o, generator_options, "seed"), .nominal_rate = g->nominal_rate};
    if (option_given(o, "nominal_rate"))
        e.nominal_rate = (uint32_t)option_int(o, generator_options, "nominal_rate");
    TRY(read_shares(o, g, &e, err));
    const char *base = option_text(o, generator_options, "base");
    bool zone;
    if (!civil_parse_timestamp(slice_of(base), &e.base_us, &zone) || !zone) {
        (void)error_set(err, ERR_SQL, "option base: \"%s\" is no date and time with a zone", base);
        (void)error_hint(err, "write 2020-01-01T00:00:00Z");
        return option_blame(o, "base", err);
    }
    *ret = e;
    return OK;
}

static enum status generator_open(const struct source_config *config, struct source **ret, struct error *err)
{
    static const struct source_ops ops = {
        .splits = generator_splits,
        .seek = generator_seek,
        .poll = generator_poll,
        .release = generator_release,
        .end_position = generator_end_position,
        .finished = generator_finished,
        .free = generator_free,
    };
    AUTO(arena) scratch = {0};
    const struct options joined = options_join(config->options, config->server, &scratch), *o = &joined;
    const struct event_generator *generator = event_generator_find(option_text(o, generator_options, "generator"));
    assert(generator);
    struct events events;
    TRY(read_events(o, generator, &events, err));
    struct generator *g = mem_zalloc(sizeof *g);
    g->base.ops = &ops;
    g->generator = generator;
    g->events = events;
    g->bounded = option_given(o, "rows");
    g->rows = g->bounded ? (uint64_t)option_int(o, generator_options, "rows") : 0;
    g->rate = (uint64_t)option_int(o, generator_options, "rate");
    g->nsplits = (uint32_t)option_int(o, generator_options, "splits");
    g->splits = mem_zalloc(g->nsplits * sizeof *g->splits);
    *ret = &g->base;
    return OK;
}

static bool generator_bounded(const struct options *server, const struct options *table)
{
    return option_given(table, "rows") || option_given(server, "rows");
}

static const char *const generator_metadata[] = {"topic", "partition", "offset", "timestamp", NULL};

const struct source_connector source_generator_connector = {
    .name = "generator",
    .options = generator_options,
    .metadata = generator_metadata,
    .help = "made-up payments, transactions or Nexmark events, reproducible from a seed",
    .default_format = "json",
    .bounded = generator_bounded,
    .open = generator_open,
};
