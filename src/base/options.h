/* Options: what a connector, a format or the engine lets people set, stated once in a table. From the table come
 * parsing, checking (with "did you mean"), `bourn connectors`, and the docs.
 *
 *     static const struct option_spec options[] = {
 *         {"path", OPT_TEXT, .required = true, .help = "file or folder"},
 *         {"follow", OPT_BOOL, .value = "false", .help = "keep reading what is appended"},
 *         {0}};
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum option_type {
    OPT_TEXT,
    OPT_BOOL,     /* true/false/on/off/1/0 */
    OPT_INT,      /* decimal integer */
    OPT_BYTES,    /* 64 MB, 1GiB, 4096: kB MB GB TB are powers of 1000, KiB MiB GiB TiB of 1024 */
    OPT_INTERVAL, /* '30 s', '10 minutes', '1 day 2 hours': microseconds, never months */
    OPT_SECRET,   /* 'env:NAME' or 'file:PATH': only ever a reference; resolved by secret_resolve at open */
    OPT_CHOICE,   /* one of `choices` */
};

struct option_spec {
    const char *name; /* NULL ends the table; a name ending in '*' takes any name with that prefix; "*" any at all */
    enum option_type type;
    const char *value;   /* default, as it would be written; NULL: none */
    const char *choices; /* "earliest latest timestamp" */
    int64_t min, max;    /* OPT_INT, OPT_BYTES, OPT_INTERVAL (us); both 0: no bound */
    bool required;
    bool on_server, on_table, on_column, on_mapping; /* where it may stand; none set: server or table */
    const char *help;
};

/* One option as given: value after ${NAME:-default} expansion, and where its value stood. */
struct option {
    const char *name, *value;
    struct place place;
    const char *unset; /* the variable that the value needs and that is not set: to be read as not given; NULL: none */
};

struct options {
    uint32_t count;
    struct option *items;
};

/* The value given, or the table's default, or NULL. Values have been checked against the table at plan time. */
const char *option_text(const struct options *o, const struct option_spec *specs, const char *name);
bool option_bool(const struct options *o, const struct option_spec *specs, const char *name);
int64_t option_int(const struct options *o, const struct option_spec *specs, const char *name);
/* Is it given at all? */
bool option_given(const struct options *o, const char *name);
/* The options of `near` and behind them those of `far` (a table's, then its server's; either may be NULL): a look-up
 * finds the nearest. The list lives in the arena, its options where they were. */
struct options options_join(const struct options *near, const struct options *far, struct arena *a);
/* ERR_SQL: the option's value, which stands at `place`, needs a variable that is not set. Returns FAILED. */
enum status option_needs_variable(const char *option, const char *variable, const struct place *place,
                                  struct error *err);
/* That, if it is so of this option. */
enum status option_must_be_set(const struct options *o, const char *name, struct error *err);
/* Say in *err where the option's value stood, if it was given; returns FAILED. */
enum status option_blame(const struct options *o, const char *name, struct error *err);

enum option_where { OPTION_ON_SERVER, OPTION_ON_TABLE, OPTION_ON_COLUMN, OPTION_ON_MAPPING };

/* Check options given at one place against tables (each ended by a NULL name; `ntables` of them, searched in order): a
 * name given twice, an unknown one (with the nearest known one), one that stands elsewhere, a wrong type, out of range.
 * `what` ends the sentence: "of server \"events\" (kafka)". Places come from the options. */
enum status options_check(const struct options *given, enum option_where where,
                          const struct option_spec *const *tables, size_t ntables, const char *what,
                          struct error *err);
/* Every required option of the tables is in one of the `ngiven` lists (a server's, its mapping's and a table's); the
 * error stands at `place`. */
enum status options_require(const struct options *const *given, size_t ngiven,
                            const struct option_spec *const *tables, size_t ntables, const char *what,
                            const struct place *place, struct error *err);
/* One value against one spec. */
enum status option_check_value(const struct option_spec *spec, const struct option *given, struct error *err);

/* The spec that a name falls under, exact names before prefixes; NULL: none. */
const struct option_spec *option_find(const struct option_spec *const *tables, size_t ntables, const char *name);

bool option_parse_bool(const char *text, bool *ret);
bool option_parse_int(const char *text, int64_t *ret);
bool option_parse_bytes(const char *text, int64_t *ret);
bool option_parse_interval(const char *text, int64_t *ret_us);

/* 'env:NAME' -> the variable, 'file:PATH' -> the file without its trailing newline; anything else is refused (a
 * secret never stands in a pipeline). The value is appended to *into; the caller wipes it (secret_wipe). */
enum status secret_resolve(const char *reference, struct buf *into, struct error *err);
void secret_wipe(struct buf *b);

/* The nearest of n names to `name` by edit distance (swapped neighbours count once, case not at all), or NULL when
 * none is within a third of its length: for "did you mean". */
const char *nearest_name(const char *name, const char *const *names, size_t n);
