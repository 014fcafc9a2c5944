/* Formats: bytes <-> columns. A decoder turns the raw messages of one batch into typed columns; an encoder turns rows
 * into bytes. Schemas come resolved. One decoder per worker: not thread-safe, no I/O, no clock. */
#pragma once

#include "base/options.h"
#include "column/batch.h"

/* A field that could not be made a value of its column: rule "type:<column>"; the element is NULL. */
struct field_error {
    uint32_t row, column;
    const char *text; /* "numeric(18,2) wants at most 2 fraction digits" */
};

struct decoded {
    uint64_t *bad;            /* bit = 1: the message is no row at all (rule "parse"); bad_text says why */
    uint32_t nbad;
    const char **bad_text;    /* per row, where bad; NULL array when nbad is 0 */
    struct field_error *fields; /* by row, then column */
    uint32_t nfields;
};

struct decoder;
struct decoder_ops {
    /* Messages origin->raw[0..rows) into batch->cols (made by the caller through batch_make: element memory there,
     * validity not yet; its rows and live are set here). Columns with decode[c] false are not the format's (metadata)
     * and are left alone. Strings may point into the messages. Never fails: a message that cannot be read is a bad row,
     * NULL in all columns. */
    void (*decode)(struct decoder *d, const struct view *raw, uint32_t rows, struct batch *into, struct arena *a,
                   struct decoded *ret);
    void (*free)(struct decoder *d);
};
struct decoder { const struct decoder_ops *ops; };

struct encoder;
struct encoder_ops {
    /* What stands once at the beginning (a CSV header), or nothing. */
    void (*begin)(struct encoder *e, struct buf *out);
    /* Live rows, one record each. */
    void (*encode)(struct encoder *e, const struct batch *b, struct buf *out);
    void (*free)(struct encoder *e);
};
struct encoder { const struct encoder_ops *ops; };

struct format {
    const char *name;
    const struct option_spec *options;
    const char *help;
    /* A record ends at a newline: file sources can split their bytes into messages. */
    bool by_line;
    bool by_place; /* a record has no names: its values are the columns in their order */
    /* For file sources: one past the newline that ends the record at p, NULL if none before `end` does. A NULL
     * function: the first newline (csv has newlines inside quotes). style: what record_style makes of the options. */
    const char *(*record_end)(uint32_t style, const char *p, const char *end);
    uint32_t (*record_style)(const struct options *options);
    /* For file sources: is a file's first record a heading? One that does not fit the columns that come from the
     * message (decode; NULL: all) is an error. A NULL function: never. */
    enum status (*heading)(const struct schema *schema, const uint64_t *decode, const struct options *options,
                           struct slice record, bool *ret_is_heading, struct error *err);
    /* decode: bitmap of columns that come from the message. */
    enum status (*decoder_new)(const struct schema *schema, const uint64_t *decode, const struct options *options,
                               struct decoder **ret, struct error *err);
    enum status (*encoder_new)(const struct schema *schema, const struct options *options, struct encoder **ret,
                               struct error *err);
};

static inline void decoder_free(struct decoder *d) { if (d) d->ops->free(d); }
static inline void encoder_free(struct encoder *e) { if (e) e->ops->free(e); }
