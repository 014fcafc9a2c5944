/* The plan: what the pipeline's text means, bound and checked, read-only. Made by plan_make; everything in it lives in
 * plan->arena. engine/ turns it into running operators; explain prints it; the log stores the text it was made from.
 *
 * The text may be several files read as one. Locations are resolved to file:line:column in every error.
 */
#pragma once

#include "base/options.h"
#include "expr/aggregate.h"
#include "expr/expr.h"
#include "expr/foreign.h"
#include "expr/program.h"

/* ---- what the planner is told about the world (handed down by engine/) ---- */

struct plan_connector {
    const char *name;
    bool can_read, can_write, can_upsert;
    const struct option_spec *options;      /* when read; when only written, or both are the same: of both */
    const struct option_spec *sink_options; /* when written; NULL: `options` */
    const char *const *metadata; /* columns with OPTIONS (metadata '...'): names, NULL-ended; or NULL */
    /* Does a table with these options (of server and table) end? NULL: never. */
    bool (*bounded)(const struct options *server, const struct options *table);
};

struct plan_format { /* json, csv, parquet...: a table option `format` picks it */
    const char *name;
    const struct option_spec *options;
    bool by_place; /* a record has no names: its values are the columns in their order */
};

struct plan_relation { /* a system relation: bourn.rejected, ... */
    const char *name;  /* without the schema */
    struct schema schema;
    bool streamable; /* may stand in a pipeline; else only in `bourn query` */
};

/* Every server is one of the world's first connector, declared or not: the pipeline is to be tried without the systems
 * it speaks to (`bourn test`). */
struct plan_stand_in {
    const char *format;       /* of tables that name none */
    const char *const *ends;  /* tables whose input ends: they get the option ends 'true' */
    size_t nends;
};

struct plan_world {
    const struct plan_stand_in *stand_in; /* NULL: servers are what they say */
    const struct plan_connector *connectors;
    size_t nconnectors;
    const struct plan_format *formats;
    size_t nformats;
    const struct plan_relation *relations;
    size_t nrelations;
    const struct option_spec *settings; /* SET bourn.NAME */
    const char *(*environment)(void *arg, const char *name); /* for ${NAME}; NULL: unset */
    void *environment_arg;
    bool may_lack_variables; /* who reads what was published: an option is asked for its variable when it is needed */
    /* A function in C: f has name, library and symbol, the rest is what the library says; nothing of it runs. NULL:
     * there are none. */
    enum status (*function)(void *arg, struct foreign *f, struct error *err);
    void *function_arg;
};

/* What `metadata` says of a column with the time of the epoch that a row came in with; any connector that has metadata
 * has it. */
#define PLAN_INGESTION_TIME "ingestion_time"

/* Table options that mean the same for every connector, read by planner and engine with option_text and the like. */
extern const struct option_spec plan_source_options[]; /* format, dedup_horizon, idle_timeout, max_ahead, ... */
extern const struct option_spec plan_sink_options[];   /* format, commit_interval */

struct plan_text {
    const char *name; /* as errors print it */
    struct slice text;
};

/* ---- the plan ---- */

struct plan_server {
    const char *name, *connector;
    struct options options;  /* expanded; secrets still references */
    struct options mapping;  /* of its user mapping */
};

enum plan_rule_kind { RULE_NOT_NULL, RULE_CHECK };
struct plan_rule {
    const char *id; /* the constraint's name: the stable rule id; unnamed ones are "<table>_<column>_not_null" etc. */
    enum plan_rule_kind kind;
    uint32_t column;      /* RULE_NOT_NULL */
    struct expr *check;   /* RULE_CHECK, over the table's columns */
    uint64_t *columns;    /* bitmap of the columns the rule mentions */
    const char *text;     /* as written, for explain and messages */
};

struct plan_table {
    const char *name;
    uint32_t server;
    struct place place;
    struct schema schema;            /* all columns, metadata ones included */
    const char **metadata;           /* per column: NULL, or "offset", "partition", ... */
    struct options *column_options;  /* per column */
    struct options options;
    const char *format;              /* NULL: the connector has none or chooses */
    bool by_place;                   /* the format tells columns by their place, not by name */
    struct plan_rule *rules;         /* in the order written */
    uint32_t nrules;
    int32_t time_column;             /* with OPTIONS (watermark '...'); -1: none */
    int64_t watermark_delay;         /* us */
    bool by_clock;                   /* the time column is the epoch's time: nothing that comes is behind it */
    uint32_t *key;                   /* PRIMARY KEY columns; nkey 0: none */
    uint32_t nkey;
    bool is_source, is_sink;         /* read / inserted into by this pipeline */
    bool reference;                  /* CREATE TABLE: what COPY reads, which ends */
    uint8_t first;                   /* read to its end before the sources with a lower number are read: 2, reference
                                      * data that something is joined with; 1, other data that streams are */
};

enum node_kind {
    NODE_SCAN,      /* a table read: decode and contract included; rejected rows go to bourn.rejected */
    NODE_RELATION,  /* a system relation read as a stream */
    NODE_VALUES,    /* constant rows */
    NODE_FILTER,
    NODE_PROJECT,
    NODE_DEDUP,     /* DISTINCT ON without ORDER BY: first per key */
    NODE_UNNEST,    /* a row once for each element of its arrays */
    NODE_WINDOW,    /* tumble, hop, cumulate: a row once for each window that holds it */
    NODE_AGGREGATE,
    NODE_SESSION,   /* session windows with their aggregates */
    NODE_JOIN,
    NODE_TOPN,      /* the first rows of each partition, by rank */
    NODE_OVER,      /* window functions over ordered partitions */
    NODE_UNIQUE,    /* the row of each key that has one alone; where there are several, none */
    NODE_UNION,     /* UNION ALL */
    NODE_SORT,      /* ORDER BY [LIMIT/OFFSET]: finite input only */
    NODE_SINK,      /* root of an INSERT */
    NODE_RESULT,    /* root of a bare SELECT (bourn query, verify); there now() may stand anywhere */
};

/* What an edge carries (semantics 14). */
enum node_mode { MODE_APPEND, MODE_FINAL, MODE_UPDATING };

struct plan_aggregate {
    const struct aggregate *function;
    int32_t arg;    /* input column, -1: count(*) */
    int32_t filter; /* boolean input column, -1: none */
    bool distinct;
    int32_t location;
    const char *written; /* of several arguments, which `arg` holds in one: the call for people; else NULL */
};

/* A column that carries event time: the rows that are still to come have values above the watermark less `lag`. */
struct plan_time {
    uint32_t column;
    int64_t lag; /* us, >= 0 */
};

enum window_kind { WINDOW_TUMBLE, WINDOW_HOP, WINDOW_CUMULATE, WINDOW_SESSION };

/* [start, end), aligned to 1970-01-01 UTC plus the offset (semantics 11: no months). All in microseconds. */
struct plan_window {
    enum window_kind kind;
    uint32_t column;  /* of the input: the time that decides */
    int64_t size;     /* of a session: its gap */
    int64_t slide;    /* HOP: between starts; CUMULATE: between ends; divides the size of a CUMULATE */
    int64_t offset;
    int64_t pane;     /* HOP, CUMULATE: rows come once, with the bounds of their pane of this length; 0: they come with
                       * each window they are in */
    uint32_t *key, nkey; /* SESSION: input columns */
};

/* The last `narrays` input columns are arrays. The output has the input's other columns, then one per array with its
 * elements side by side (NULL where the array is shorter), then perhaps their number, from 1. */
struct plan_unnest {
    uint32_t narrays;
    bool ordinality;
    bool outer; /* a row without elements comes once, with NULL in their place */
};

enum join_kind { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL, JOIN_SEMI, JOIN_ANTI };

/* The output has the columns of the left input, then of the right one; of SEMI and ANTI, of the left one only. */
struct plan_join {
    enum join_kind kind;
    uint32_t *key[2], nkey;  /* columns of each side that are equal, of one type; a NULL meets nothing */
    struct expr *condition;  /* over the left's columns, then the right's; NULL: the key is all */
    int32_t expires[2];      /* timestamptz column of a side: the row meets nothing more, and may go, when the *other*
                              * side's watermark has reached it (NULL: at once), of a side whose rows change also its
                              * own; -1: never */
    int32_t late[2];         /* time column of a side by which rows are late, -1: none is... */
    int64_t lag[2];          /* ...when the side's watermark less this has reached it */
    bool ttl[2];             /* it is not that nothing can meet it: the pipeline says rows go (bourn.join_ttl) */
    bool fixed[2];           /* this side ends, and is read to its end before the other begins: it is not updated by
                              * anything later, so the other side's rows need not be kept */
};

enum over_kind {
    OVER_ROW_NUMBER,
    OVER_RANK,
    OVER_DENSE_RANK,
    OVER_LAG,
    OVER_LEAD,
    OVER_FIRST,
    OVER_LAST,
    OVER_AGGREGATE,
    OVER_NTH,
    OVER_NTILE,
    OVER_PERCENT_RANK,
    OVER_CUME_DIST,
};

/* The first rows of each partition. The rank is the last output column, bigint. */
struct plan_topn {
    enum over_kind kind;  /* one of the three ranks */
    uint32_t *partition, npartition;
    int64_t limit;        /* rows whose rank is at most this; > 0 */
};

struct plan_over_call {
    enum over_kind kind;
    int32_t arg;                      /* input column, -1: none */
    int32_t otherwise;                /* LAG, LEAD: input column with the value where there is no such row, -1: NULL */
    int64_t distance;                 /* LAG, LEAD: rows; >= 0. NTH: which row of the frame, NTILE: buckets; > 0 */
    const struct aggregate *function; /* AGGREGATE */
    int64_t before, after;            /* FIRST, LAST, NTH, AGGREGATE: rows of the frame around the current; -1: all */
    bool peers;                       /* the frame is PostgreSQL's default: to the last peer of the current row */
};

struct plan_over {
    uint32_t *partition, npartition;
    struct plan_over_call *calls; uint32_t ncalls;
};

struct plan_sort_key {
    uint32_t column;
    bool descending, nulls_first;
};

/* Columns that make a row unique; n 0: there is at most one row. */
struct plan_key {
    uint32_t *columns, n;
};

/* plan/identity.c: equal texts mean the same, in any two plans. */
struct plan_identity {
    const char *rows;     /* which rows come out, whatever columns are beside those that the step uses */
    const char **columns; /* per output column (of a SINK, of the table): what it holds in them */
    const char *whole;    /* both */
};

struct plan_node {
    enum node_kind kind;
    char id[24];           /* "dedup-3f9a...": of its rows, of a PROJECT of its columns, too; names state */
    struct plan_identity identity;
    const char *name;      /* for people: the view's or table's name nearest to it, or "query"; of a RESULT: what its
                            * first column says, if that is a text constant (evidence.sql names its proofs so), or
                            * NULL */
    struct place place;
    uint32_t *inputs, ninputs; /* indexes of nodes before this one */
    struct schema schema;  /* output */
    enum node_mode mode;
    struct plan_key *keys; uint32_t nkeys; /* each makes a row unique; 0: none is known. Of a SINK: its primary key */
    uint32_t *same, nsame; /* plan/keys.c: output columns that hold equal values have equal numbers; past nsame, their
                            * own */
    struct plan_time *times; uint32_t ntimes; /* output columns that carry event time; the first is used */
    int32_t window_start, window_end; /* output columns that are the bounds of a window, -1: none */
    uint32_t closed_as;    /* while planning: the node whose rows come once (node_close), 0: nobody asked */
    bool start_tells_end;  /* one start (and session key) has one end; an end always has one start */
    bool bounded;          /* all inputs finite */
    bool all_reference, some_reference; /* of the tables it reads, which are reference data */
    bool constants;        /* VALUES alone are below: all its rows are there before anything is read */
    bool early;            /* some rows come before what is to be read first has been: VALUES, a count of nothing yet */
    bool at_end;           /* some come only when all input has ended: ORDER BY, LIMIT */
    bool stateful;
    bool after_state;      /* some node below is stateful, a relation or VALUES: rows have no origin any more */

    uint32_t table;                    /* SCAN, SINK */
    uint32_t relation;                 /* RELATION: index into the world's */
    struct expr *predicate;            /* FILTER; of an outer UNNEST, over its output: which of the rows that are made
                                        * of one count, NULL: all */
    struct expr **exprs;               /* PROJECT: one per output column */
    struct expr ***rows; uint32_t nrows; /* VALUES */
    uint32_t *dedup_key, ndedup_key;   /* DEDUP */
    int64_t dedup_horizon;             /* us, > 0; the input has a time column */
    struct plan_window window;         /* WINDOW: output is the input's columns, then start and end; SESSION; AGGREGATE
                                        * with a pane: what comes in are panes of these windows */
    struct plan_unnest unnest;         /* UNNEST */
    uint32_t ngroup;                   /* AGGREGATE: the first ngroup input columns are the groups... */
    struct plan_aggregate *aggregates; /* ...and the output is groups, then aggregates; SESSION: the session's key,
                                        * start, end, then aggregates */
    uint32_t naggregates;
    struct plan_join join;             /* JOIN */
    struct plan_topn topn;             /* TOPN: with `sort` */
    struct plan_over over;             /* OVER: with `sort` */
    struct plan_key unique;            /* UNIQUE: input columns, which are those of the output */
    /* AGGREGATE, TOPN, OVER, UNIQUE: the input column, one of those it groups by, that carries event time: the end of
     * a window, say. What is kept for a value goes when the watermark, less `lag`, reaches it; rows that come after
     * that are late. -1: none. */
    int32_t closes;
    int64_t lag;                       /* us; of DEDUP, SESSION: of its time column */
    bool final;                        /* AGGREGATE, SESSION, TOPN, OVER: rows come out once, when their window closes;
                                        * JOIN: a row without a match, when none can come any more */
    struct plan_sort_key *sort; uint32_t nsort; /* SORT, TOPN, OVER */
    int64_t limit, offset;             /* -1, 0: none; without all three it collects rows until they stop changing */
    /* SINK: output column i of the table is exprs[i] over the input's columns, evaluated once per net change; those
     * that use now() are in the bitmap `now_columns` and are ignored when deciding whether a row changed. The node's
     * key is the sink's primary key. A RESULT's columns are its input's. */
    uint64_t *now_columns;
    const char *sink_name;             /* stable identity of the sink: the table's name */
};

/* The lag of the input's event time in that column, -1: it carries none. */
static inline int64_t plan_lag(const struct plan_node *n, int32_t column)
{
    for (uint32_t i = 0; i < n->ntimes; i++)
        if ((int32_t)n->times[i].column == column)
            return n->times[i].lag;
    return -1;
}

/* A function in C. Before programs run that call it, it must be loaded: `run`, which is not the plan's, is set. */
struct plan_foreign {
    struct foreign *foreign;
    struct place place;
};

struct plan_setting {
    const char *name, *value; /* without "bourn." */
    struct place place;
};

struct plan {
    struct arena arena;
    struct plan_server *servers; uint32_t nservers;
    struct plan_table *tables; uint32_t ntables;
    struct plan_node *nodes; uint32_t nnodes; /* topological: inputs before users */
    struct plan_setting *settings; uint32_t nsettings;
    struct plan_foreign *foreigns; uint32_t nforeigns; /* in the order of the text */
    char fingerprint[65]; /* sha256 of the bound plan, comments, layout and connection options aside */
};

struct plan_errors {
    uint32_t count;
    struct error items[20];
};

/* Parse, bind and check. The texts need not outlive the call. Servers, tables and settings may stand in any order and
 * file; a view stands before its readers. On FAILED *err has the first error in the order of the text, with its
 * place. */
enum status plan_make(const struct plan_text *texts, size_t ntexts, const struct plan_world *world, struct plan **ret,
                      struct error *err);
/* The same for `bourn check`: *ret_others gets up to 20 further errors, at least one for each statement that is wrong
 * by itself. */
enum status plan_check(const struct plan_text *texts, size_t ntexts, const struct plan_world *world,
                       struct plan **ret, struct plan_errors *ret_others, struct error *err);
/* SELECTs (bourn query, evidence.sql), and views for them, over relations the caller resolves: a name -> schema lookup.
 * The plan's scans have kind NODE_SCAN with table = index into plan->tables, filled from `lookup`. Several SELECTs in
 * one text give several NODE_RESULT nodes, in order, the last nodes of the plan. */
struct plan_lookup {
    /* schema of "name" or "schema.name"; FAILED ERR_NOT_FOUND: no such relation. */
    enum status (*relation)(void *arg, const char *name, struct arena *a, struct schema *ret, struct error *err);
    void *arg;
    const char *const *names; size_t nnames; /* for "did you mean" */
    const struct plan_text *pipeline; size_t npipeline; /* whose functions may be called; none: NULL */
};
enum status plan_query(const struct plan_text *text, const struct plan_world *world, const struct plan_lookup *lookup,
                       struct plan **ret, struct error *err);
/* The plan as an indented tree a person reads; secrets stay references. */
void plan_explain(const struct plan *p, struct buf *out);
/* One step of it, without what follows from its inputs: a line, and one for each expression, call or rule. */
void plan_explain_step(const struct plan *p, const struct plan_node *n, struct buf *out);
/* The tables that are read, with the columns, types and metadata that their rows have. */
void plan_print_sources(const struct plan *p, struct buf *out);
/* What `bourn check` says of state: per stateful step its bound, key, bytes per key, or UNBOUNDED. */
void plan_check_report(const struct plan *p, struct buf *out);
void plan_free(struct plan *p);
static inline void plan_autofree(struct plan **p) { plan_free(*p); }
