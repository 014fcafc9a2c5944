/* Where `bourn cat` gets its rows: one small interface over what can be printed. */
#pragma once

#include "column/batch.h"

/* What to show: column names separated by commas (NULL: all), and of a Delta table which version (-1: the newest) or
 * time (NULL: now). */
struct cat_choice {
    const char *columns;
    int64_t version;
    const char *timestamp;
};

struct cat_rows {
    struct schema schema;
    /* The next rows, in the arena, or NULL at the end. */
    enum status (*next)(struct cat_rows *r, struct arena *a, struct batch **ret, struct error *err);
    /* What the reader should know at the end (lines left out ...), appended to out; may be NULL. */
    void (*remarks)(struct cat_rows *r, struct buf *out);
    void (*free)(struct cat_rows *r);
};

/* A path: the folder of a Delta table, a Parquet file, or NDJSON (compressed or not); "-": NDJSON from stdin. */
enum status cat_open(const char *path, const struct cat_choice *choice, struct cat_rows **ret, struct error *err);
static inline void cat_rows_autofree(struct cat_rows **r)
{
    if (*r)
        (*r)->free(*r);
}

/* The columns of a choice, in its order, out of those there are; those without a type are left out unless named.
 * ERR_USAGE: no such column. Names and types are in the arena. */
enum status cat_choose(const struct schema *have, const char *columns, struct arena *a, struct schema *ret,
                       struct error *err);

/* cat_ndjson.c */
enum status cat_open_ndjson(const char *path, const struct cat_choice *choice, struct cat_rows **ret,
                            struct error *err);
