/* The inside of the JSON decoder: what its files share (json.c, json_scan.c, json_value.c). Others use format_json.
 *
 * The decoder knows the table's columns and keeps, for each key it has seen, which key followed it last time and the
 * very bytes in between. A message that goes on the way earlier ones did costs one comparison a key. */
#pragma once

#include "flow/format.h"
#include "format/json_read.h"

enum {
    JSON_SKIPPED = -1,       /* column of a key that is none */
    JSON_GLUE = 51,          /* longest remembered text between two values */
    JSON_EDGES = 2,          /* remembered followers of a key: an optional key makes two */
    JSON_OTHER_NAMES = 64,   /* remembered keys that are no columns */
    JSON_NO_EDGE = UINT8_MAX /* len of an unused edge */
};

/* From the end of a value to the beginning of the next: `, "user_id": `. */
struct json_edge {
    char glue[JSON_GLUE];
    uint8_t len;
    uint32_t next; /* the name in the glue */
};

/* A key of the top-level object; names[0] stands for the beginning of a message. */
struct json_name {
    struct slice text;
    int32_t column;
    struct type type;
    bool verbatim;           /* the text stands for itself between quotes: nothing in it wants an escape */
    uint64_t seen;           /* serial number of the last message that had it: a second time is a repeated key */
    uint32_t newest, misses; /* the edge remembered last; how often none was right */
    struct json_edge edges[JSON_EDGES];
};

struct json_decoder {
    struct decoder base;
    struct arena own;
    unsigned flags; /* enum value_flags */
    bool plain;     /* read with json_read_message only: tests compare the two ways */
    uint32_t ncolumns;
    struct json_name *names; /* beginning, columns, others */
    uint32_t nnames, others;
    uint32_t nwanted; /* columns that come from the message */
    uint32_t *table;  /* names by hash; 0: empty */
    uint32_t table_mask;
    uint64_t serial;        /* of the message being read */
    char (*type_names)[40]; /* per column */

    uint64_t day_text[2]; /* last "YYYY-MM-DD" seen, and the day it is */
    int64_t day_micros;
};

/* Where the values of one message go. */
struct json_target {
    struct column *cols;
    uint32_t row, rows;
    struct arena *arena;
    struct decoded *out;
    uint32_t fields_cap;
    const char *bad; /* set when the message is no row */
};

/* The name with exactly this text, or NULL. */
struct json_name *json_name_find(const struct json_decoder *d, struct slice text);
/* Remember a key that is no column; may decline. */
void json_name_add(struct json_decoder *d, struct slice text);

/* One message, plainly. false: no row; target->bad says why. */
bool json_read_message(struct json_decoder *d, struct json_target *t, struct slice message);
/* One message by guessing. false: it is to be read plainly; what was stored meanwhile is overwritten then. */
bool json_scan_message(struct json_decoder *d, struct json_target *t, struct slice message);
/* A value as a column of the row. What is no value of its type becomes NULL and a field error. */
void json_store(struct json_decoder *d, struct json_target *t, const struct json_name *name,
                const struct json_token *token);
void json_store_null(struct json_target *t, uint32_t column);

/* For tests: switch guessing off. */
void json_decoder_set_plain(struct decoder *d, bool plain);
