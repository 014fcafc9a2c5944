/* A source that stands in for others in a test: it hands out rows that somebody keeps in memory, as far as they are
 * released, one split a table. Positions are indexes of rows. Whoever owns the rows changes them only between epochs.
 */
#pragma once

#include "flow/source.h"

struct memory_row {
    struct slice raw;    /* a message: the table's format decodes it... */
    struct slice packed; /* ...or, data not NULL, the table's columns as column/rowpack.h packs them */
    struct slice key;    /* of the message; data NULL: none */
    int64_t timestamp;   /* of the message; ORIGIN_NO_TIME: none */
};

struct memory_input {
    const char *table;
    struct memory_row *rows;
    uint32_t count, released; /* released: how many may be read */
    uint32_t batch;           /* at most so many a poll; 0: as many as are asked for */
    bool closed;              /* nothing follows those that are there */
    bool killed;              /* the end comes when what is released has been read, before the epoch is closed */
};

/* source_config.outside points to this. */
struct memory_inputs {
    struct memory_input *items;
    uint32_t count;
};

/* Not in the list of connectors: a pipeline cannot name it. */
extern const struct source_connector source_memory_connector;
