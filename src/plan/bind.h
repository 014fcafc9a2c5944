/* From syntax to plan: names get their meaning, expressions their types, and queries become nodes. The pieces:
 *
 *   catalog.c       servers, user mappings, tables with their contracts, settings
 *   bind_expr.c     expressions over the columns in scope
 *   bind_select.c   a query -> a relation
 *   bind_group.c    GROUP BY and aggregates
 *   bind_insert.c   INSERT and bare SELECT -> roots
 *   logical.c       nodes: what is derived for each (key, mode, bounds), and sharing of equal ones
 */
#pragma once

#include "plan/ast.h"
#include "plan/text.h"

/* Columns as a query sees them: expressions over one node. Projections stay unmaterialised until a node needs them, so
 * that a view costs nothing by itself, and an expression nobody asks for is never computed (as in PostgreSQL). */
struct relation_column {
    const char *name;
    struct expr *expr;
};

struct relation {
    uint32_t node;
    struct relation_column *cols;
    uint32_t ncols;
};

struct cte {
    const char *name;
    struct relation relation;
    struct cte *outer;
};

struct named_view {
    const char *name;
    struct relation relation;
    bool broken; /* its definition has been reported; whoever reads it says nothing */
};

/* An INSERT, kept until all are known: those into one append-only sink become one. */
struct insertion {
    uint32_t table;
    struct relation rows; /* one expression per column of the table, cast */
    int32_t location;
};

struct binder {
    struct arena *arena; /* of the plan: everything made lives there */
    struct plan *plan;
    const struct plan_world *world;
    const struct plan_lookup *lookup; /* plan_query's; NULL for a pipeline */
    const struct text *text;
    struct error *err;
    bool unread;      /* some statement could not be parsed: an unknown name may be of its making */
    const char *step; /* nodes made now are named after this view, CTE or sink */
    uint32_t nbound;  /* expressions bound for this statement: a statement has a limit */

    uint32_t servers_cap, tables_cap, settings_cap;
    struct plan_node **nodes;
    char (*fingerprints)[65];
    uint32_t nnodes, nodes_cap;
    struct named_view *views;
    uint32_t nviews, views_cap;
    const char **broken; /* names of servers and tables whose statement failed */
    uint32_t nbroken, broken_cap;
    struct insertion *insertions;
    uint32_t ninsertions, insertions_cap;
    uint32_t *results; /* nodes of bare SELECTs */
    uint32_t nresults, results_cap;
};

enum {
    BIND_MAX_EXPRESSIONS = 100000, /* in one statement */
    BIND_MAX_INLINE = 64,          /* a view's column of more nodes than this is computed in a step of its own */
    BIND_MAX_COLUMNS = 1600,       /* as in PostgreSQL */
    BIND_MAX_NODES = 10000,
};

/* ---- errors: all return FAILED ---- */

enum status bind_error(struct binder *b, int32_t location, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status bind_refuse(struct binder *b, int32_t location, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* `text`, and "; did you mean ...?" if one of the names is near. */
enum status bind_unknown(struct binder *b, int32_t location, const char *name, const char *const *names, size_t n,
                         const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Grow an arena array by one when it is full. */
void *binder_grow(struct binder *b, void *items, uint32_t count, uint32_t *cap, size_t size);

/* ---- catalog.c ---- */

enum status catalog_server(struct binder *b, const struct ast_statement *s);
enum status catalog_mapping(struct binder *b, const struct ast_statement *s);
enum status catalog_table(struct binder *b, const struct ast_statement *s);
enum status catalog_setting(struct binder *b, const struct ast_statement *s);
/* The table `name`, or NULL. */
struct plan_table *catalog_find_table(struct binder *b, const char *name);
struct named_view *catalog_find_view(struct binder *b, const char *name);
/* Refuses a name that a table, view or the system has already. */
enum status catalog_new_name(struct binder *b, const struct ast_statement *s);
bool catalog_is_broken(const struct binder *b, const char *name);
void catalog_mark_broken(struct binder *b, const char *name);
const struct plan_connector *catalog_connector(const struct binder *b, const struct plan_table *t);
/* The pipeline reads it, or writes to it: may it, and are its options good for that? */
enum status catalog_read(struct binder *b, struct plan_table *t);
enum status catalog_write(struct binder *b, struct plan_table *t);
/* A table that nobody uses: its options at least. */
enum status catalog_check_unused(struct binder *b, const struct plan_table *t);
/* "${NAME:-default}" -> its value. */
enum status catalog_expand(struct binder *b, const struct ast_option *option, const char **ret);

/* ---- bind_expr.c ---- */

struct grouping;

/* Where an expression stands: what it may name. */
struct scope {
    const struct relation *input; /* NULL: no columns */
    const char *alias;            /* its name in FROM */
    const char *clause;           /* "WHERE", for messages */
    struct grouping *grouping;    /* aggregates go here; NULL: none are allowed */
    bool in_aggregate;
};

enum status bind_expr(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
/* As bind_expr; the result must be boolean. */
enum status bind_condition(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
enum status bind_type(struct binder *b, const struct ast_type *t, struct type *ret);
/* Give the result a location unless it has one, and place an error of expr/. */
enum status bind_located(struct binder *b, int32_t location, enum status status);
/* A bare string or NULL becomes text, as PostgreSQL decides where nothing else does. */
enum status bind_settle(struct binder *b, struct expr **e);
/* Nodes of the tree, counted up to `limit`. */
uint32_t expr_size(const struct expr *e, uint32_t limit);
/* The first use of now() in the tree: its location. */
int32_t expr_now_location(const struct expr *e);

/* ---- bind_group.c ---- */

/* An aggregate call met while binding: column GROUPING_COLUMN + i stands for it until the node exists. */
enum { GROUPING_COLUMN = 1 << 30 };

struct grouping {
    struct expr **groups;
    const char **names; /* of the groups */
    uint32_t ngroups;
    struct grouped_call {
        const struct aggregate *function;
        struct expr *arg, *filter; /* may be NULL */
        int32_t location;
        const char *name;
    } *calls;
    uint32_t ncalls, cap;
};

/* Is it the name of an aggregate? */
bool grouping_is_aggregate(const char *name);
/* Does the expression call one? */
bool grouping_has_call(const struct ast_expr *e);
/* An aggregate call -> its column. */
enum status grouping_call(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
/* Make the nodes over *input and rewrite the expressions over their output; input becomes the aggregate's relation. */
enum status grouping_finish(struct binder *b, struct grouping *g, struct relation *input, struct expr ***exprs,
                            uint32_t nexprs, int32_t location);

/* ---- bind_select.c ---- */

enum status bind_select(struct binder *b, struct cte *ctes, const struct ast_select *s, struct relation *ret);
/* Settle all columns' types. */
enum status relation_settle(struct binder *b, struct relation *r);
/* Columns renamed by a list; fewer names than columns leave the rest. */
enum status relation_rename(struct binder *b, struct relation *r, const struct ast_names *names, const char *what,
                            int32_t location);
/* The relation with its expressions computed by a node: columns are plain references then. */
enum status relation_materialise(struct binder *b, struct relation *r, int32_t location);

/* ---- bind_insert.c ---- */

enum status bind_view(struct binder *b, const struct ast_statement *s);
enum status bind_insert(struct binder *b, const struct ast_statement *s);
enum status bind_result(struct binder *b, const struct ast_statement *s);
/* Sink nodes for all insertions. */
enum status bind_sinks(struct binder *b, struct problems *problems);

/* ---- logical.c: nodes; equal ones are made once ---- */

uint32_t node_scan(struct binder *b, uint32_t table, int32_t location);
uint32_t node_relation(struct binder *b, uint32_t relation, int32_t location);
/* Expressions that read the clock are refused here: only sinks and results may evaluate them (semantics 10). */
enum status node_values(struct binder *b, struct expr ***rows, uint32_t nrows, const struct schema *schema,
                        int32_t location, uint32_t *ret);
enum status node_filter(struct binder *b, uint32_t input, struct expr *predicate, int32_t location, uint32_t *ret);
enum status node_project(struct binder *b, uint32_t input, struct expr **exprs, const char **names, uint32_t n,
                         int32_t location, uint32_t *ret);
enum status node_dedup(struct binder *b, uint32_t input, uint32_t *key, uint32_t nkey, int32_t location,
                       uint32_t *ret);
enum status node_aggregate(struct binder *b, uint32_t input, uint32_t ngroup, struct plan_aggregate *aggregates,
                           uint32_t naggregates, const char **names, int32_t location, uint32_t *ret);
uint32_t node_union(struct binder *b, const uint32_t *inputs, uint32_t n, int32_t location);
enum status node_sort(struct binder *b, uint32_t input, struct plan_sort_key *sort, uint32_t nsort, int64_t limit,
                      int64_t offset, int32_t location, uint32_t *ret);
uint32_t node_sink(struct binder *b, uint32_t table, uint32_t input, struct expr **exprs, int32_t location);
uint32_t node_result(struct binder *b, uint32_t input, const char **names, const char *name, int32_t location);
/* Does any row of the node come from a system relation? */
bool node_reads_relation(const struct binder *b, uint32_t node);
/* Keep what the roots need, in order, and compute the plan's fingerprint. */
void nodes_finish(struct binder *b);
