/* A small world for tests of the planner: connectors, formats and relations like the real ones, and nothing behind
 * them. */
#pragma once

#include <stdlib.h>

#include "plan/plan.h"

static const struct option_spec plan_test_stream[] = {
    {"bootstrap.servers", OPT_TEXT, .on_server = true, .help = "brokers"},
    {"topic", OPT_TEXT, .help = "the topic"},
    {"start", OPT_CHOICE, .value = "earliest", .choices = "earliest latest"},
    {"password", OPT_SECRET, .on_mapping = true, .help = "of the broker"},
    {0}};
static const struct option_spec plan_test_file[] = {
    {"path", OPT_TEXT, .required = true, .help = "a file or folder"},
    {"follow", OPT_BOOL, .value = "false", .on_table = true},
    {0}};
static const struct option_spec plan_test_delta[] = {
    {"path", OPT_TEXT, .help = "folder of the tables"},
    {"partition_by", OPT_TEXT, .on_table = true},
    {0}};
static const struct option_spec plan_test_any[] = {
    {"*", OPT_TEXT, .on_server = true, .on_mapping = true, .on_table = true},
    {0}};
static const struct option_spec plan_test_none[] = {{0}};
static const struct option_spec plan_test_csv[] = {{"header", OPT_BOOL, .value = "true", .on_table = true}, {0}};
static const struct option_spec plan_test_settings[] = {
    {"epoch_interval", OPT_INTERVAL, .value = "10 ms"},
    {"join_ttl", OPT_INTERVAL, .value = "0 s"},
    {"on_error", OPT_CHOICE, .value = "reject", .choices = "reject stop"},
    {0}};

static const char *const plan_test_metadata[] = {"topic", "partition", "offset", "key", "timestamp", "headers", NULL};

static inline bool plan_test_file_ends(const struct options *server, const struct options *table)
{
    (void)server;
    return !option_bool(table, plan_test_file, "follow");
}

static const char *plan_test_rejected_names[] = {
    "source", "topic", "partition", "offset", "message_time", "key", "epoch", "rejected_at", "rules", "error",
    "watermark", "step", "row_key", "raw", "id"};
static struct type plan_test_rejected_types[] = {
    {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_INT4, 0, 0}, {TYPE_INT8, 0, 0}, {TYPE_TIMESTAMPTZ, 0, 0},
    {TYPE_BYTEA, 0, 0}, {TYPE_INT8, 0, 0}, {TYPE_TIMESTAMPTZ, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0},
    {TYPE_TIMESTAMPTZ, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_BYTEA, 0, 0}, {TYPE_TEXT, 0, 0}};

static inline const char *plan_test_environment(void *arg, const char *name)
{
    (void)arg;
    static const char *const set[] = {"SET", "EVENTS", "KAFKA"};
    for (size_t i = 0; i < ARRAY_LEN(set); i++)
        if (strcmp(name, set[i]) == 0)
            return "value";
    return NULL;
}

static inline const struct plan_world *plan_test_world(void)
{
    static const struct plan_connector connectors[] = {
        {.name = "stream", .can_read = true, .options = plan_test_stream, .metadata = plan_test_metadata},
        {.name = "file", .can_read = true, .can_write = true, .options = plan_test_file,
         .bounded = plan_test_file_ends},
        {.name = "delta", .can_read = true, .can_write = true, .can_upsert = true, .options = plan_test_delta},
        {.name = "lake", .can_write = true, .can_upsert = true, .options = plan_test_delta},
        {.name = "generator", .can_read = true, .options = plan_test_any},
        {.name = "kafka", .can_read = true, .options = plan_test_any, .metadata = plan_test_metadata},
        {.name = "console", .can_write = true, .options = plan_test_none},
    };
    static const struct plan_format formats[] = {{"json", plan_test_none}, {"csv", plan_test_csv}};
    static struct plan_relation relations[2];
    relations[0] = (struct plan_relation){
        "rejected", {15, plan_test_rejected_names, plan_test_rejected_types, NULL}, true};
    relations[1] = (struct plan_relation){"ledger", {1, plan_test_rejected_names, plan_test_rejected_types, NULL},
                                          false};
    static struct plan_world world;
    world = (struct plan_world){.connectors = connectors,
                                .nconnectors = ARRAY_LEN(connectors),
                                .formats = formats,
                                .nformats = ARRAY_LEN(formats),
                                .relations = relations,
                                .nrelations = ARRAY_LEN(relations),
                                .settings = plan_test_settings,
                                .environment = plan_test_environment};
    return &world;
}

/* plan_query: the relations "metrics", "bourn.ledger", and "every", with a column of each type. */
static inline enum status plan_test_relation(void *arg, const char *name, struct arena *a, struct schema *ret,
                                             struct error *err)
{
    (void)arg;
    (void)a;
    static const char *names[] = {"user_id", "total", "n"};
    static struct type types[] = {{TYPE_TEXT, 0, 0}, {TYPE_NUMERIC, 38, 2}, {TYPE_INT8, 0, 0}};
    static const char *every_names[] = {"b", "i", "l", "f", "m", "t", "y", "u", "d", "ts", "tz", "v", "j"};
    static struct type every_types[] = {
        {TYPE_BOOL, 0, 0}, {TYPE_INT4, 0, 0}, {TYPE_INT8, 0, 0}, {TYPE_FLOAT8, 0, 0}, {TYPE_NUMERIC, 12, 2},
        {TYPE_TEXT, 0, 0}, {TYPE_BYTEA, 0, 0}, {TYPE_UUID, 0, 0}, {TYPE_DATE, 0, 0}, {TYPE_TIMESTAMP, 0, 0},
        {TYPE_TIMESTAMPTZ, 0, 0}, {TYPE_INTERVAL, 0, 0}, {TYPE_JSONB, 0, 0}};
    if (strcmp(name, "every") == 0) {
        *ret = (struct schema){ARRAY_LEN(every_types), every_names, every_types, NULL};
        return OK;
    }
    if (strcmp(name, "metrics") != 0 && strcmp(name, "bourn.ledger") != 0)
        return error_set(err, ERR_NOT_FOUND, "no such relation");
    *ret = (struct schema){3, names, types, NULL};
    return OK;
}

static inline const struct plan_lookup *plan_test_lookup(void)
{
    static const char *const names[] = {"metrics", "bourn.ledger"};
    static const struct plan_lookup lookup = {plan_test_relation, NULL, names, 2};
    return &lookup;
}
