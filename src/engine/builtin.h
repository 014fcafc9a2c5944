/* The one list of everything bourn is made of: connectors, formats, system relations, settings. */
#pragma once

#include "flow/sink.h"
#include "flow/source.h"
#include "plan/plan.h"

/* NULL: no such thing. */
const struct source_connector *builtin_source(const char *name);
const struct sink_connector *builtin_sink(const char *name);
const struct format *builtin_format(const char *name);

/* The format of a table's bytes: the one it names, else its connector's. NULL: rows are typed. */
const struct format *builtin_table_format(const struct plan *plan, const struct plan_table *t);

/* Walking the lists, for `bourn connectors` and the docs; NULL past the end. */
const struct source_connector *builtin_source_at(size_t i);
const struct sink_connector *builtin_sink_at(size_t i);
const struct format *builtin_format_at(size_t i);

/* What the planner is told. Static. */
const struct plan_world *builtin_world(void);

/* SET bourn.NAME, as numbers. */
struct settings {
    int64_t epoch_interval_us, epoch_rows, epoch_bytes;
    int64_t commit_interval_us; /* default of sinks that do not say */
    int64_t state_memory, memory_in_flight, outbox_limit;
    const char *spill; /* folder, the plan's; "": state stays in memory */
    int64_t give_up_us; /* 0: never; -1: as the run is */
    int64_t max_ahead_us, idle_timeout_us, max_drift_us;
    uint32_t workers;
    bool stop_on_error;
};
extern const struct option_spec builtin_settings[];
/* From the plan's SETs over the defaults. Values were checked when the plan was made. */
struct settings builtin_settings_of(const struct plan *plan);
