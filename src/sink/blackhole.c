/* The sink "blackhole": rows are computed, committed to the outbox, counted, and thrown away. It shows what a query
 * costs without what it writes, and keeps a query running for its ledger alone.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "sink/connectors.h"

static const struct option_spec no_options[] = {{0}};

struct blackhole_sink {
    struct sink base;
    const atomic_bool *cancelled;
};

static enum status blackhole_apply(struct sink *base, struct change_set *changes, struct sink_result *ret,
                                   struct error *err)
{
    struct blackhole_sink *s = (struct blackhole_sink *)base;
    AUTO(arena) a = {0};
    struct sink_result result = {.version = -1};
    struct batch *b;
    enum status status;
    while ((status = change_set_next(changes, s->cancelled, &a, &b, err)) == OK)
        sink_count(&result, b);
    if (status == FAILED)
        return FAILED;
    *ret = result;
    return OK;
}

static void blackhole_free(struct sink *base)
{
    free(base);
}

static enum status blackhole_open(const struct sink_config *config, struct sink **ret,
                                  struct sink_position *ret_position, struct error *err)
{
    static const struct sink_ops ops = {.any_time = true, .apply = blackhole_apply, .free = blackhole_free};
    (void)err;
    struct blackhole_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = &ops;
    s->cancelled = config->cancelled;
    *ret_position = (struct sink_position){.applied = -1};
    *ret = &s->base;
    return OK;
}

const struct sink_connector sink_blackhole_connector = {
    .name = "blackhole",
    .options = no_options,
    .help = "nowhere: rows are computed, counted and thrown away",
    .default_format = "json",
    .can_upsert = true,
    .guarantee = SINK_AT_LEAST_ONCE,
    .open = blackhole_open,
};
