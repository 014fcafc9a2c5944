/* A sink that stands in for others in a test: tables in memory that outlive the engine, like the systems outside. They
 * remember under which epoch and whose name they were last written, so that what is applied again changes nothing.
 * Looked at only while no engine is applying anything.
 */
#pragma once

#include "flow/sink.h"

enum memory_killed {
    MEMORY_LIVES,
    MEMORY_KILLED_BEFORE, /* the end comes before the next change set has any effect */
    MEMORY_KILLED_AFTER,  /* ...after it, before anybody is told */
};

struct memory_output {
    const char *table;
    const struct schema *schema;
    struct slice *rows; /* packed as column/rowpack.h has it, in the order they came */
    struct slice *keys; /* of each, where the table has a primary key */
    uint32_t count, cap;
    int64_t applied;
    char owner[160];
    enum memory_killed killed;
};

/* sink_config.outside points to this. */
struct memory_outputs {
    struct memory_output *items;
    uint32_t count;
};

/* Forget all rows, and who wrote them. */
void memory_output_clear(struct memory_output *o);
/* All rows as one batch in the arena; NULL: there are none. */
struct batch *memory_output_rows(const struct memory_output *o, struct arena *a);

/* Not in the list of connectors: a pipeline cannot name it. */
extern const struct sink_connector sink_memory_connector;
