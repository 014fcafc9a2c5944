/* The inside of the JSON decoder: what its files share (json.c, json_scan.c, json_column.c, json_value.c). Others use
 * format_json.
 *
 * JSON_BLOCK messages at a time: the quotes of all are found (json_index.c); then each message is walked from key to
 * key, which notes where its values stand and reads none (json_scan.c); then each column's values are read, one after
 * the other, by a routine for its type (json_column.c). What any of these does not know is left to the plain reader
 * (json_read.c, json_value.c): one value, or the whole message.
 *
 * The decoder knows the table's columns and keeps, for each key it has seen, which key followed it last time and the
 * very bytes in between. A message that goes on the way earlier ones did costs one comparison a key. */
#pragma once

#include "flow/format.h"
#include "format/json_flatten.h"
#include "format/json_index.h"
#include "format/json_read.h"

enum {
    JSON_BLOCK = 64,         /* messages read together: a bitmap of them is one word */
    JSON_SKIPPED = -1,       /* column of a key that is none */
    JSON_GLUE = 53,          /* longest remembered text between two values */
    JSON_EDGES = 2,          /* remembered followers of a key: an optional key makes two */
    JSON_LEVELS = 2,         /* where a key may stand: in the message, in an object that was made flat */
    JSON_OTHER_NAMES = 64,   /* remembered keys that are no columns */
    JSON_NO_EDGE = UINT8_MAX /* len of an unused edge */
};

/* Where the value of one row and column stands: a string with its quotes. len 0: the message has none. */
struct json_extent {
    const char *p;
    uint32_t len;
    uint32_t left; /* bytes that may be read from p on */
};

/* From the end of a value to the beginning of the next: `, "user_id": `; where objects are made flat, with all that is
 * no key of the flat message: `,"person":null,"bid":{"auction":`. */
struct json_edge {
    char glue[JSON_GLUE];
    uint8_t len, quotes;    /* of the glue; quotes in it */
    uint8_t level;          /* where next stands */
    struct json_name *next; /* the last name in the glue */
};

/* What came after a key. */
struct json_followers {
    struct json_edge edges[JSON_EDGES];
    uint32_t newest, misses; /* the edge remembered last; how often none was right */
};

/* A key of the top-level object; names[0] stands for the beginning of a message. */
struct json_name {
    struct json_followers after[JSON_LEVELS]; /* by where the key stood */
    struct json_extent *into; /* where its values of a block are noted */
    uint64_t present;         /* bit i = 1: message i of the block has one, unless it is to be read plainly */
    struct slice text;
    uint64_t head[2]; /* its first 16 bytes, zeros behind */
    int32_t column;
    struct type type;
    bool verbatim; /* the text stands for itself between quotes: nothing in it wants an escape */
    uint64_t seen; /* serial number of the last message that had it: a second time is a repeated key */
};

struct json_decoder {
    struct decoder base;
    struct arena own;
    unsigned flags; /* enum value_flags */
    struct json_flatten *flatten; /* NULL: objects stay what they are */
    bool plain;     /* read with json_read_message only: tests compare the two ways */
    uint32_t ncolumns;
    struct json_name *names; /* beginning, columns, others */
    uint32_t nnames, others;
    uint32_t nwanted; /* columns that come from the message */
    struct json_name **table; /* by hash; NULL: empty */
    uint32_t table_mask;
    uint64_t multiplier; /* of the hash */
    uint64_t serial;        /* of the message being read */
    char (*type_names)[40]; /* per column */

    json_indexer *index;
    uint16_t *places; /* of the quotes of a block */
    size_t places_cap;
    struct json_extent skipped[JSON_BLOCK];
    uint64_t *left;              /* by name: its values of a block that json_store_column left */
    bool guess;                  /* do edges fit often enough to be tried? */
    uint32_t batches;            /* read so far */
    uint32_t keys, missed;       /* in this batch; not guessed */

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

/* The first 16 bytes of a name, zeros behind. */
static inline void json_name_head(struct slice text, uint64_t ret[static 2])
{
    ret[0] = ret[1] = 0;
    memcpy(ret, text.data, MIN(text.len, 2 * sizeof *ret));
}

/* Names are told apart by length and head; the multiplier is chosen so that the columns do not collide. */
static inline uint32_t json_name_slot(const struct json_decoder *d, size_t len, const uint64_t head[static 2])
{
    uint64_t mixed = head[0] ^ (head[1] << 29 | head[1] >> 35) ^ len;
    return (uint32_t)(mixed * d->multiplier >> 40) & d->table_mask;
}

/* The name with exactly this text, or NULL. */
static inline struct json_name *json_name_find(const struct json_decoder *d, struct slice text,
                                               const uint64_t head[static 2])
{
    for (uint32_t i = json_name_slot(d, text.len, head);; i = (i + 1) & d->table_mask) {
        struct json_name *name = d->table[i];
        if (!name)
            return NULL;
        if (name->text.len == text.len && name->head[0] == head[0] && name->head[1] == head[1] &&
            (text.len <= 16 || memcmp(name->text.data + 16, text.data + 16, text.len - 16) == 0))
            return name;
    }
}

/* Remember a key that is no column; may decline. */
void json_name_add(struct json_decoder *d, struct slice text);

/* One message, plainly. false: no row; target->bad says why. */
bool json_read_message(struct json_decoder *d, struct json_target *t, struct slice message);
/* Note where the values of message `i` of a block stand. false: it is to be read plainly. */
bool json_scan_message(struct json_decoder *d, struct json_target *t, struct slice message, struct json_index *x,
                       uint32_t i);
/* Read the values of a column of a block: those of its rows from `first` on. Returns which were not read, as of len 0:
 * bit i = 1: row first + i of the block. */
uint64_t json_store_column(struct json_decoder *d, struct json_target *t, const struct json_name *name, uint32_t first,
                           uint32_t rows);
/* A value as a column of the row. What is no value of its type becomes NULL and a field error. */
void json_store(struct json_decoder *d, struct json_target *t, const struct json_name *name,
                const struct json_token *token);
void json_store_null(struct json_target *t, uint32_t column);
/* The same for some of the n rows of the block that begins at t->row, before any of its values is there: bit i of
 * `rows` is its row i. */
void json_store_nulls(struct json_target *t, uint32_t column, uint64_t rows, uint32_t n);

/* For tests: read with the plain reader only; find quotes another way. */
void json_decoder_set_plain(struct decoder *d, bool plain);
void json_decoder_set_indexer(struct decoder *d, json_indexer *index);
