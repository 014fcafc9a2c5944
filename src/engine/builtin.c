#include "engine/builtin.h"

#include <stdlib.h>

#include "base/os.h"
#include "engine/functions.h"
#include "format/formats.h"
#include "op/reject.h"
#include "sink/connectors.h"
#include "source/connectors.h"

static const struct source_connector *const sources[] = {
    &source_generator_connector,
    &source_file_connector,
    &source_kafka_connector,
    &source_delta_connector,
};

static const struct sink_connector *const sinks[] = {
    &sink_delta_connector,
    &sink_file_connector,
    &sink_console_connector,
    &sink_blackhole_connector,
};

static const struct format *const formats[] = {
    &format_json,
    &format_csv,
    &format_table,
};

const struct option_spec builtin_settings[] = {
    {"epoch_interval", OPT_INTERVAL, .value = "10 ms",
     .help = "an epoch reads for at most this long, or ten times what a commit takes"},
    {"join_ttl", OPT_INTERVAL, .value = "0 s", .min = 0, .max = INT64_MAX,
     .help = "a row that a join would keep for ever goes this long after its event time; 0: it stays"},
    {"epoch_rows", OPT_INT, .value = "4000000", .min = 1, .max = INT64_C(1) << 40,
     .help = "an epoch takes at most about this many rows"},
    {"epoch_bytes", OPT_BYTES, .value = "1 GiB", .min = 1 << 16, .max = INT64_C(1) << 40,
     .help = "an epoch takes at most about this many bytes of messages"},
    {"commit_interval", OPT_INTERVAL, .value = "30 s", .help = "how often sinks publish, unless they say otherwise"},
    {"state_memory", OPT_BYTES, .value = "1 GiB", .min = 1 << 20, .max = INT64_C(1) << 44,
     .help = "state may take this much memory; past it the run stops and names the step, or bourn.spill has the rest"},
    {"spill", OPT_TEXT, .value = "",
     .help = "a folder on a local disk: what state takes past bourn.state_memory lies there; '': nowhere"},
    {"memory_in_flight", OPT_BYTES, .value = "256 MiB", .min = 16 << 20, .max = INT64_C(1) << 40,
     .help = "an epoch ends when what it holds takes this much memory; a Kafka partition fetches 1/16 of it ahead"},
    {"outbox_limit", OPT_BYTES, .value = "8 GiB", .min = 1 << 20, .max = INT64_C(1) << 44,
     .help = "what waits for failing sinks may take this much disk; past it sources pause"},
    {"give_up_after", OPT_INTERVAL,
     .help = "a source or sink that fails for so long ends the run; 0 s: never, as is the default but of a run until "
             "caught up, whose is 5 minutes"},
    {"max_ahead", OPT_INTERVAL, .value = "1 hour", .help = "event times beyond now + this are rejected as `future`"},
    {"idle_timeout", OPT_INTERVAL, .value = "1 minute",
     .help = "a split without news for this long holds no watermark back"},
    {"max_drift", OPT_INTERVAL, .value = "0 s",
     .help = "a split this far ahead of the others in event time is paused (0: never)"},
    {"workers", OPT_INT, .value = "1", .min = 1, .max = 64, .help = "threads that decode and compute"},
    {"on_error", OPT_CHOICE, .value = "reject", .choices = "reject stop",
     .help = "an expression that fails: reject the row, or stop as PostgreSQL does"},
    {0},
};

#define FIND(list, wanted)                                                                                             \
    for (size_t i = 0; i < ARRAY_LEN(list); i++)                                                                       \
        if (!strcmp((list)[i]->name, wanted))                                                                          \
            return (list)[i];                                                                                          \
    return NULL

const struct source_connector *builtin_source(const char *name) { FIND(sources, name); }
const struct sink_connector *builtin_sink(const char *name) { FIND(sinks, name); }
const struct source_connector *builtin_source_at(size_t i) { return i < ARRAY_LEN(sources) ? sources[i] : NULL; }
const struct sink_connector *builtin_sink_at(size_t i) { return i < ARRAY_LEN(sinks) ? sinks[i] : NULL; }
const struct format *builtin_format_at(size_t i) { return i < ARRAY_LEN(formats) ? formats[i] : NULL; }

const struct format *builtin_format(const char *name)
{
    if (!name)
        return NULL;
    FIND(formats, name);
}

const struct format *builtin_table_format(const struct plan *plan, const struct plan_table *t)
{
    if (t->format)
        return builtin_format(t->format);
    const char *connector = plan->servers[t->server].connector;
    const struct source_connector *source = t->is_source ? builtin_source(connector) : NULL;
    const struct sink_connector *sink = t->is_sink ? builtin_sink(connector) : NULL;
    return builtin_format(source ? source->default_format : sink ? sink->default_format : NULL);
}

/* ---- the planner's world ---- */

static const char *environment(void *arg, const char *name)
{
    (void)arg;
    return os_env(name);
}

/* Connectors that both read and write under one name are one entry with the options of both. */
static size_t join_options(const struct option_spec *a, const struct option_spec *b, struct option_spec *into)
{
    size_t n = 0;
    for (; a && a->name; a++)
        into[n++] = *a;
    for (; b && b->name; b++) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= !strcmp(into[i].name, b->name);
        if (!known)
            into[n++] = *b;
    }
    into[n] = (struct option_spec){0};
    return n;
}

enum { MAX_CONNECTORS = 32, MAX_OPTIONS = 64 };

static void add_connector(struct plan_connector *list, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(list[i].name, name))
            return;
    const struct source_connector *source = builtin_source(name);
    const struct sink_connector *sink = builtin_sink(name);
    static struct option_spec joined[MAX_CONNECTORS][MAX_OPTIONS];
    assert(*n < MAX_CONNECTORS);
    size_t options = join_options(source ? source->options : NULL, sink ? sink->options : NULL, joined[*n]);
    assert(options < MAX_OPTIONS);
    list[*n] = (struct plan_connector){
        .name = name,
        .can_read = source,
        .can_write = sink,
        .can_upsert = sink && sink->can_upsert,
        .options = joined[*n],
        .metadata = source ? source->metadata : NULL,
        .bounded = source ? source->bounded : NULL,
    };
    ++*n;
}

const struct plan_world *builtin_world(void)
{
    static struct plan_connector connectors[MAX_CONNECTORS];
    static struct plan_format plan_formats[ARRAY_LEN(formats)];
    static struct plan_relation relations[1];
    static struct plan_world world;
    if (world.connectors)
        return &world;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        add_connector(connectors, &n, sources[i]->name);
    for (size_t i = 0; i < ARRAY_LEN(sinks); i++)
        add_connector(connectors, &n, sinks[i]->name);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        plan_formats[i] = (struct plan_format){formats[i]->name, formats[i]->options, formats[i]->by_place};
    relations[0] = (struct plan_relation){"rejected", rejected_schema, true};
    world = (struct plan_world){.connectors = connectors,
                                .nconnectors = n,
                                .formats = plan_formats,
                                .nformats = ARRAY_LEN(formats),
                                .relations = relations,
                                .nrelations = 1,
                                .settings = builtin_settings,
                                .environment = environment,
                                .function = functions_declare};
    return &world;
}

/* ---- settings ---- */

struct settings builtin_settings_of(const struct plan *plan)
{
    struct option *items = mem_array(plan->nsettings + 1, sizeof *items);
    for (uint32_t i = 0; i < plan->nsettings; i++)
        items[i] = (struct option){plan->settings[i].name, plan->settings[i].value, plan->settings[i].place};
    struct options o = {plan->nsettings, items};
    struct settings s = {
        .epoch_interval_us = option_int(&o, builtin_settings, "epoch_interval"),
        .epoch_rows = option_int(&o, builtin_settings, "epoch_rows"),
        .epoch_bytes = option_int(&o, builtin_settings, "epoch_bytes"),
        .commit_interval_us = option_int(&o, builtin_settings, "commit_interval"),
        .state_memory = option_int(&o, builtin_settings, "state_memory"),
        .spill = option_text(&o, builtin_settings, "spill"),
        .memory_in_flight = option_int(&o, builtin_settings, "memory_in_flight"),
        .outbox_limit = option_int(&o, builtin_settings, "outbox_limit"),
        .give_up_us = option_given(&o, "give_up_after") ? option_int(&o, builtin_settings, "give_up_after") : -1,
        .max_ahead_us = option_int(&o, builtin_settings, "max_ahead"),
        .idle_timeout_us = option_int(&o, builtin_settings, "idle_timeout"),
        .max_drift_us = option_int(&o, builtin_settings, "max_drift"),
        .workers = (uint32_t)option_int(&o, builtin_settings, "workers"),
        .stop_on_error = !strcmp(option_text(&o, builtin_settings, "on_error"), "stop"),
    };
    free(items);
    return s;
}
