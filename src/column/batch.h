/* Columns and batches: what flows between operators.
 *
 * A batch is up to BATCH_ROWS rows held by column. Rows may be switched off without moving any: `sel` lists the live
 * ones, ascending. Loop over live rows like this, never over 0..rows:
 *
 *     for (uint32_t i = 0; i < batch_live(b); i++) {
 *         uint32_t r = batch_row(b, i);
 *         ...
 *     }
 *
 * Ownership: columns' memory belongs to the batch's arena, or to whatever the batch was made over (the message a view
 * points into). It is valid until the push that received the batch returns; what an operator keeps, it copies.
 * A NULL value's element is unspecified except that views are {0}: kernels may compute on it but must not trap.
 */
#pragma once

#include "column/type.h"

enum { BATCH_ROWS = 2048 };

/* A string by value: 16 bytes, short ones (<= 12 bytes) whole inside. The prefix lets most comparisons end early. */
struct view {
    uint32_t len;
    char prefix[4]; /* first bytes, zero-padded; of a short string, bytes 0..3 */
    union {
        char rest[8]; /* bytes 4..11 of a short string, zero-padded */
        const char *ptr; /* all bytes of a long one */
    };
};

enum { VIEW_INLINE = 12 };

static inline struct view view_of(const char *p, size_t len)
{
    struct view v = {.len = (uint32_t)len};
    if (len <= VIEW_INLINE)
        memcpy((char *)&v + offsetof(struct view, prefix), p, len);
    else {
        memcpy(v.prefix, p, 4);
        v.ptr = p;
    }
    return v;
}
/* The bytes; for a short string they lie inside *v, so *v must outlive them. */
static inline const char *view_data(const struct view *v)
{
    return v->len <= VIEW_INLINE ? (const char *)v + offsetof(struct view, prefix) : v->ptr;
}
static inline struct slice view_slice(const struct view *v) { return (struct slice){view_data(v), v->len}; }
static inline bool view_equal(const struct view *a, const struct view *b)
{
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    if (x != y) /* length and prefix */
        return false;
    if (a->len <= VIEW_INLINE)
        return memcmp(a->rest, b->rest, 8) == 0;
    if (a->len > 20)
        return memcmp(a->ptr + 4, b->ptr + 4, a->len - 4) == 0;
    return load_u64(a->ptr + 4) == load_u64(b->ptr + 4) && /* two words that overlap */
           load_u64(a->ptr + a->len - 8) == load_u64(b->ptr + a->len - 8);
}
/* Bytewise order: <0, 0, >0. */
int view_compare(const struct view *a, const struct view *b);
/* The same string with its bytes in the arena. */
struct view view_copy(struct view v, struct arena *a);

struct column {
    struct type type;
    void *data;      /* type_width(type) * rows bytes */
    uint64_t *valid; /* bit = 1: there is a value; NULL: all rows have one */
};

static inline bool column_is_null(const struct column *c, size_t row) { return c->valid && !bit_get(c->valid, row); }
static inline const struct view *column_view(const struct column *c, size_t row)
{
    return (const struct view *)c->data + row;
}
/* A column of `rows` elements in the arena; with_valid: bitmap allocated, all 0 (NULL), elements zeroed. */
struct column column_make(struct arena *a, struct type type, size_t rows, bool with_valid);
/* Mark a row NULL, allocating the bitmap (over `rows` rows, others valid) when there is none. */
void column_set_null(struct column *c, struct arena *a, size_t rows, size_t row);
/* A numeric element of either width. */
int128 column_numeric(const struct column *c, size_t row);
void column_set_numeric(struct column *c, size_t row, int128 v);

/* Where the rows of a source batch came from. Only between a source and the first stateful step. Arrays by row. */
struct origin {
    uint32_t source, split; /* index of the source in the plan; split (partition) number */
    const char *topic;      /* or file name; "" if the source has none */
    const int64_t *offset;
    const int64_t *timestamp;  /* of the message, us; NULL: none; in a row: ORIGIN_NO_TIME */
    const struct view *raw;    /* the message's bytes; NULL: rows do not come from bytes (generator, delta) */
    const struct view *key;    /* NULL: none; a row without one has len ORIGIN_NONE */
    const struct view *headers; /* JSON object text; likewise */
};

#define ORIGIN_NONE UINT32_MAX
#define ORIGIN_NO_TIME INT64_MIN
static inline bool origin_has(const struct view *views, size_t row) { return views && views[row].len != ORIGIN_NONE; }

struct batch {
    uint32_t rows, ncols;
    struct column *cols;
    const uint32_t *sel; /* live rows, ascending; NULL: all */
    uint32_t live;       /* length of sel; = rows when sel is NULL */
    const int64_t *weight; /* per row, never 0; NULL: all +1 */
    const struct origin *origin; /* NULL past the first stateful step */
    struct arena *arena; /* owns what is not owned elsewhere; may be shared by several batches */
};

static inline uint32_t batch_live(const struct batch *b) { return b->live; }
static inline uint32_t batch_row(const struct batch *b, uint32_t i) { return b->sel ? b->sel[i] : i; }
static inline int64_t batch_weight(const struct batch *b, uint32_t row) { return b->weight ? b->weight[row] : 1; }

/* An empty batch with columns of these types and room for `rows` rows, all in the arena. */
struct batch *batch_make(struct arena *a, const struct type *types, uint32_t ncols, uint32_t rows);
/* A bitmap in the arena with a set bit for every row: clear those of rows that go, then batch_filter. */
uint64_t *batch_keep_all(const struct batch *b, struct arena *a);
/* Keep the live rows whose bit is set in `keep` (indexed by row). */
void batch_filter(struct batch *b, const uint64_t *keep);
/* Names and types of a batch's columns, where a reader needs them. */
struct schema {
    uint32_t ncols;
    const char **names;
    struct type *types;
    bool *nullable; /* NULL: all nullable */
};

/* Order of element i of x and k of y, of one type (numerics may differ in scale): <0, 0, >0. Neither is NULL. */
int column_order(const struct column *x, size_t i, const struct column *y, size_t k);

/* ---- values, one at a time: for printing, literals, tests; never in a hot loop ---- */

enum { UUID_TEXT = 36 };
/* The text of a uuid's 16 bytes, not terminated; returns its length, UUID_TEXT. */
size_t uuid_print(const void *bytes, char out[static UUID_TEXT]);
/* The value as PostgreSQL prints it (DateStyle ISO, UTC); NULL appends nothing and answers false. */
bool column_print(const struct column *c, size_t row, struct buf *out);
/* Parse text as PostgreSQL's input function for the type would (trimmed where it trims), strict about ranges, into
 * row `row` of a column whose elements may be overwritten; strings are copied into the arena. FAILED carries the
 * PostgreSQL-like message. */
enum status column_parse(struct column *c, size_t row, struct slice text, struct arena *a, struct error *err);
