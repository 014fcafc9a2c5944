/* From syntax to plan: names get their meaning, expressions their types, and queries become nodes. What the files share
 * stands below file by file; README.md says what each is for.
 */
#pragma once

#include "plan/ast.h"
#include "plan/text.h"

/* Columns as a query sees them: expressions over one node. Projections stay unmaterialised until a node needs them, so
 * that a view costs nothing by itself, and an expression nobody asks for is never computed (as in PostgreSQL). */
struct relation_column {
    const char *name;
    struct expr *expr; /* NULL: of a join, and nobody asks for it */
    const char *item;  /* the name in FROM that may stand before it, NULL: none */
    bool qualified;    /* only with that name: JOIN ... USING shows the other one, a subquery its own */
    bool whole;        /* that name alone means it: the item is a function whose rows are values */
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

/* CREATE FUNCTION. A call of one in SQL is bound as its body with the arguments in place of the parameters; one in C is
 * a call. */
struct user_function {
    const char *name;
    const struct ast_function *ast;
    struct type *params, result;    /* numeric: precision 0, as the value is */
    const struct function *foreign; /* LANGUAGE c: what is called, with... */
    struct foreign *extra;
    bool broken;                    /* its definition has been reported */
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
    const struct scope *around; /* of a subquery that is bound as it stands: where it is; NULL: nowhere... */
    bool reads_around;          /* ...and that it failed because it names something of there */

    uint32_t servers_cap, tables_cap, settings_cap, foreigns_cap;
    struct plan_node **nodes;
    uint32_t nnodes, nodes_cap;
    struct named_view *views;
    uint32_t nviews, views_cap;
    struct user_function *functions;
    uint32_t nfunctions, functions_cap;
    const char *defining; /* the function whose body is being checked; NULL: none */
    uint32_t inlining;    /* calls of functions around the one being bound */
    const char **broken; /* names of servers and tables whose statement failed */
    uint32_t nbroken, broken_cap;
    const struct ast_statement **copies; /* COPY statements */
    uint32_t ncopies, copies_cap;
    struct insertion *insertions;
    uint32_t ninsertions, insertions_cap;
    uint32_t *results; /* nodes of bare SELECTs */
    uint32_t nresults, results_cap;
};

enum {
    BIND_MAX_EXPRESSIONS = 100000, /* in one statement */
    BIND_SUBQUERY = 64,            /* expressions that a subquery over the row around counts as: it is bound repeatedly,
                                    * and so is each inside of it */
    BIND_MAX_INLINE = 64,          /* a view's column of more nodes than this is computed in a step of its own */
    BIND_MAX_CALL = 10000,         /* nodes that a call of a user's function may become */
    BIND_MAX_CALLS = 100,          /* functions calling functions */
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
/* Kept until its table is made: CREATE TABLE and COPY may stand in any order. */
enum status catalog_copy(struct binder *b, const struct ast_statement *s);
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
/* A path beside the file that names it. */
const char *catalog_path(struct binder *b, int32_t location, const char *path);
/* A table that nobody uses: its options at least. */
enum status catalog_check_unused(struct binder *b, const struct plan_table *t);

/* ---- bind_expr.c ---- */

struct grouping;
struct over_calls;
struct values;

/* Where an expression stands: what it may name. */
struct scope {
    const struct relation *input; /* NULL: no columns */
    const char *alias;            /* its name in FROM; NULL: it has several */
    const char *clause;           /* "WHERE", for messages */
    struct grouping *grouping;    /* aggregates go here; NULL: none are allowed */
    struct over_calls *over;      /* window functions go here; NULL: none are allowed */
    struct values *values;        /* subqueries that are values go here; NULL: none are allowed */
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
/* Rows are ordered by their keys (column/rowkey.h), which put a jsonb elsewhere than PostgreSQL does: it is refused. */
enum status bind_has_order(struct binder *b, const struct expr *e, int32_t location);
/* Nodes of the tree, counted up to `limit`. */
uint32_t expr_size(const struct expr *e, uint32_t limit);
/* The first use of now() in the tree: its location. */
int32_t expr_now_location(const struct expr *e);

/* ---- bind_function.c ---- */

struct ast_statements;

enum status bind_function(struct binder *b, const struct ast_statement *s);
/* Those of the pipeline that a query is about: all files of the text behind the first. */
void bind_pipeline_functions(struct binder *b, const struct ast_statements *statements, struct problems *problems);
/* A statement that failed would have made this one. */
void function_broken(struct binder *b, const struct ast_statement *s);
/* NULL: there is no such function. */
const struct user_function *function_find(const struct binder *b, const char *name);
/* Is it unknown, and perhaps of a statement that could not be parsed? */
bool function_may_be_unread(const struct binder *b, const char *name);
enum status function_call(struct binder *b, const struct scope *scope, const struct user_function *f,
                          const struct ast_expr *e, struct expr **ret);

/* ---- bind_group.c ---- */

/* An aggregate call met while binding: column GROUPING_COLUMN + i stands for it until the node exists. */
enum {
    GROUPING_COLUMN = 1 << 30,
    MARKER_COLUMN = 1 << 28, /* likewise for GROUPING() */
};

struct grouping {
    struct expr **groups;
    const char **names; /* of the groups */
    const struct ast_expr **targets; /* where each stands in the SELECT list, or NULL: that is groups[i] itself */
    uint32_t ngroups;
    struct values *below; /* subqueries of groups and arguments: joined before rows are grouped */
    struct grouped_call {
        const struct aggregate *function;
        struct expr *arg, *filter; /* may be NULL */
        int32_t location;
        const char *name;
        struct expr **written; /* its arguments as they are written, where `arg` is several in one; else NULL */
        uint32_t nwritten;
    } *calls;
    uint32_t ncalls, cap;
    uint64_t *sets; /* GROUPING SETS: which groups each has, as bits; nsets 0: all of them */
    uint32_t nsets;
    uint64_t *markers; /* GROUPING(a, b): its arguments, one byte each, the last in the lowest */
    uint32_t *marker_counts, nmarkers, markers_cap;
};

/* Is it the name of an aggregate? */
bool grouping_is_aggregate(const char *name);
/* Does the expression call one? */
bool grouping_has_call(const struct ast_expr *e);
/* An aggregate has arguments; but for count(*), and nothing else has the star. */
enum status grouping_has_arguments(struct binder *b, const struct ast_expr *e);
/* GROUPING(...) -> its column. */
enum status grouping_marker(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
/* An aggregate call -> its column. */
enum status grouping_call(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
/* Make the nodes over *input and rewrite the expressions over their output; input becomes the aggregate's relation. */
enum status grouping_finish(struct binder *b, struct grouping *g, struct relation *input, struct expr ***exprs,
                            uint32_t nexprs, int32_t location);

/* ---- bind_from.c ---- */

/* What FROM and WHERE of a SELECT with FROM leave: its columns say of which item they are. */
enum status bind_from(struct binder *b, struct cte *ctes, const struct ast_select *s, struct relation *ret);
/* The columns of all items of FROM, for their names. */
enum status from_columns(struct binder *b, struct cte *ctes, const struct ast_from *ast, struct relation *ret);
/* The relation of that name: a CTE, view, table, or one of the system. */
enum status bind_relation(struct binder *b, struct cte *ctes, const struct ast_from *from, struct relation *ret);

/* ---- bind_join.c ---- */

/* Left's columns, then right's, as `conditions` of a join see them: column i stands for the i-th of both. */
struct relation join_columns(struct binder *b, const struct relation *left, const struct relation *right);

struct join_request {
    enum join_kind kind;
    const struct relation *left, *right;
    struct expr **conditions; /* all must hold; over join_columns */
    uint32_t nconditions;
    const uint64_t *wanted; /* bitmap over join_columns: those that are read afterwards */
    int32_t location;
};
/* *ret has the columns of join_columns (SEMI, ANTI: the left's), those that are not wanted without an expression. */
enum status bind_join(struct binder *b, const struct join_request *r, struct relation *ret);

/* ---- bind_window.c ---- */

enum status bind_window(struct binder *b, struct cte *ctes, const struct ast_from *from, struct relation *ret);

/* ---- bind_rows.c: functions in FROM ---- */

/* The arrays that the calls return: columns of rows that stand side by side. */
struct rows {
    struct expr **arrays;
    const char **sources; /* what each is made of, for people */
    const char **names;   /* of the columns */
    struct type *types;   /* of their elements */
    uint32_t count;
    int32_t distinct;     /* the column in which all rows of one call differ, -1: none is known to */
};

/* The calls of a FUNCTION; scope: what they may read. */
enum status rows_bind(struct binder *b, const struct scope *scope, const struct ast_from *from, struct rows *ret);
/* Their columns, with the ordinality, as an item of FROM whose node is not made yet. */
struct relation rows_columns(struct binder *b, const struct ast_from *from, const struct rows *rows);
/* Each row of `left` once for each of the rows made of it, which are over its node. outer: at least once. *ret has
 * left's columns, then those of `item`; without an expression those that had none. */
enum status rows_apply(struct binder *b, const struct relation *left, const struct ast_from *from,
                         const struct rows *rows, const struct relation *item, bool outer, struct relation *ret);
/* A relation with its expressions computed by a step, and the event time below it. */
enum status rows_compute(struct binder *b, struct relation *r, int32_t location);
/* Does such a call stand in the SELECT list? Then it is taken for one in FROM: *ret is that query. */
enum status rows_from_list(struct binder *b, const struct ast_select *s, const struct ast_select **ret);

/* ---- bind_lateral.c ---- */

/* Is it about the row on its left and functions of it alone? If not, it is joined: bind_value.c. */
bool lateral_is_of_row(const struct ast_from *ast);
/* The columns of LATERAL (SELECT ...) behind a row of these columns; no step is made. */
enum status lateral_columns(struct binder *b, const struct relation *before, const struct ast_from *ast,
                            struct relation *ret);

struct lateral_request {
    const struct relation *left;
    const struct ast_from *ast;
    const struct relation *item; /* lateral_columns, named */
    const struct ast_expr *on;   /* NULL: none; lateral_apply has that of LEFT JOIN alone */
    bool outer;                  /* LEFT JOIN */
    const struct relation *kept; /* left, what nobody reads afterwards without an expression */
};
/* *ret has left's columns, then the item's. */
enum status lateral_apply(struct binder *b, const struct lateral_request *q, struct relation *ret);
/* The first `nouter` columns are hidden by those behind them that have their name. */
void relation_shadow(struct relation *both, uint32_t nouter);

/* ---- bind_subquery.c ---- */

/* A subquery taken apart. Its rows are made once for all rows around; a row around goes with those for which the
 * conditions are true. Conditions and what follows are syntax over the columns of both. */
struct subquery {
    struct relation rows;
    struct ast_expr **conditions;
    uint32_t nconditions, nkeys;  /* each of the first nkeys columns of rows equals something of the row around */
    struct ast_target *outputs;   /* what it selects */
    uint32_t noutputs;
    bool one;                     /* it has one row for each row around, though `rows` may have none with that key... */
    struct ast_expr *having;      /* ...unless this is not true; NULL: none */
    struct ast_expr *there;       /* NULL where there is no row; NULL: nobody needs to ask */
};

/* outer: rows around that have none remain. Refused by name is what cannot be made once for all rows around. */
enum status subquery_open(struct binder *b, struct cte *ctes, const struct relation *around, const struct ast_select *s,
                          bool outer, struct subquery *ret);
/* Is the output a column of its rows? */
bool subquery_has_output(const struct subquery *q, uint32_t output);

/* ---- bind_value.c ---- */

/* Subqueries met as values while binding: column VALUE_COLUMN + i stands for column i of all their rows until they
 * are joined. */
enum { VALUE_COLUMN = 1 << 27, VALUE_ABOVE = 1 << 26 /* the first of those that are joined to groups */ };

struct values {
    struct cte *ctes;
    struct joined_value {
        struct relation rows;
        uint32_t first;           /* its first column, of those of all */
        struct expr **conditions; /* over what the query reads, and VALUE_COLUMNs */
        uint32_t nconditions;
        bool always;              /* there is a row in any case */
        int32_t location;
    } *items;
    uint32_t count, cap, ncolumns;
};

/* (SELECT ...), EXISTS (...), ARRAY(SELECT ...) -> an expression over VALUE_COLUMNs. */
enum status value_of_subquery(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
/* Join them to *node, and rewrite the expressions over the result; nothing else of *node is left in it. */
enum status values_join(struct binder *b, struct values *v, uint32_t *node, struct expr ***exprs, uint32_t nexprs);
/* As lateral_columns and lateral_apply. */
enum status joined_columns(struct binder *b, struct cte *ctes, const struct relation *before,
                           const struct ast_from *ast, struct relation *ret);
enum status joined_apply(struct binder *b, struct cte *ctes, const struct lateral_request *q, struct relation *ret);

/* ---- bind_over.c ---- */

/* A window function met while binding: column OVER_COLUMN + i stands for it until the node exists. */
enum { OVER_COLUMN = 1 << 29 };

struct over_calls {
    struct expr **partition; /* all calls of one SELECT have the same OVER (PARTITION BY ... ORDER BY ...) */
    uint32_t npartition;
    struct expr **order;
    struct plan_sort_key *sort; /* directions; columns are not known yet */
    uint32_t norder;
    struct over_call {
        struct plan_over_call call;
        struct expr *arg, *otherwise; /* may be NULL */
        struct type type;
    } *items;
    uint32_t count, cap;
};

bool over_has_call(const struct ast_expr *e);
/* A call with OVER -> its column. */
enum status over_call(struct binder *b, const struct scope *scope, const struct ast_expr *e, struct expr **ret);
/* Make the node over *input and rewrite the expressions over its output; *input becomes its relation. */
enum status over_finish(struct binder *b, struct over_calls *o, struct relation *input, struct expr ***exprs,
                        uint32_t nexprs, int32_t location);

/* ---- bind_select.c ---- */

struct relation relation_of_node(struct binder *b, uint32_t node, const char *const *names, uint32_t ncols);
enum status bind_select(struct binder *b, struct cte *ctes, const struct ast_select *s, struct relation *ret);
/* What to call an expression over the relation: as its reader does, by a column of it, or else as it is written. */
const char *relation_name_of(struct binder *b, const struct relation *r, const struct expr *e);
/* One row without columns: what there is without FROM. */
enum status relation_nothing(struct binder *b, int32_t location, struct relation *ret);
/* Does a plain SELECT have GROUP BY, HAVING or aggregates? */
bool select_has_groups(const struct ast_select *s);
/* Does it have rows where what it selects from has any, and only there? */
bool select_has_any(const struct ast_select *s);
/* Settle all columns' types. */
enum status relation_settle(struct binder *b, struct relation *r);
/* Columns renamed by a list; fewer names than columns leave the rest. */
enum status relation_rename(struct binder *b, struct relation *r, const struct ast_names *names, const char *what,
                            int32_t location);
/* A relation as others may read it: typed, and no column so large that repeating it would hurt. */
enum status relation_publish(struct binder *b, struct relation *r, int32_t location);
/* The relation with its expressions computed by a node: columns are plain references then. */
enum status relation_materialise(struct binder *b, struct relation *r, int32_t location);

/* ---- bind_insert.c ---- */

enum status bind_view(struct binder *b, const struct ast_statement *s);
enum status bind_insert(struct binder *b, const struct ast_statement *s);
enum status bind_result(struct binder *b, const struct ast_statement *s);
/* Sink nodes for all insertions. */
enum status bind_sinks(struct binder *b, struct problems *problems);

/* ---- keys.c: unique keys; while a node is made, its schema and what is special to its kind are set ---- */

/* These columns tell its rows apart: kept unless a key that is known says so already. */
void keys_add(struct binder *b, struct plan_node *n, const uint32_t *columns, uint32_t ncolumns);
/* Do these columns tell its rows apart? */
bool keys_within(const struct plan_node *n, const uint32_t *columns, uint32_t ncolumns);
void keys_scan(struct binder *b, struct plan_node *n, const struct plan_table *t);
void keys_inherit(struct plan_node *n, const struct plan_node *input);
/* The predicate holds for every row. */
void keys_learn(struct binder *b, struct plan_node *n, const struct expr *predicate);
/* A row may be there several times, with different values of this column. */
void keys_widen(struct binder *b, struct plan_node *n, uint32_t column);
void keys_project(struct binder *b, struct plan_node *n, const struct plan_node *input);
/* UNNEST: the first `kept` columns are the input's; what is new are the columns of `tell`, each of which tells the rows
 * apart that are made of one. */
void keys_unnest(struct binder *b, struct plan_node *n, uint32_t kept, const uint32_t *tell, uint32_t ntell);
/* n->ngroup columns, which are the input's first. */
void keys_group(struct binder *b, struct plan_node *n, const struct plan_node *input);
void keys_join(struct binder *b, struct plan_node *n, const struct plan_node *left, const struct plan_node *right);
/* Column `rank` counts the rows of each partition; -1: each has one row. */
void keys_rank(struct binder *b, struct plan_node *n, const uint32_t *partition, uint32_t npartition, int32_t rank);

/* ---- identity.c ---- */

/* Fills in the identity, and the id made from it, of a node whose inputs have theirs. */
void identity_find(struct binder *b, struct plan_node *n);
/* The id of the number-th of several nodes whose rows are the same; 0: the one it has. */
void identity_number(struct plan_node *n, uint32_t number);

/* ---- logical.c, logical_*.c: nodes; equal ones are made once ---- */

/* For makers of nodes: one with what follows from its inputs, to be completed and added. */
struct plan_node *node_new(struct binder *b, enum node_kind kind, const uint32_t *inputs, uint32_t ninputs,
                           int32_t location);
/* Columns, times, windows and key of the first input. */
void node_inherit(struct binder *b, struct plan_node *n);
/* The node's index; that of an equal one if there is one. */
uint32_t node_add(struct binder *b, struct plan_node *n);
struct schema node_schema(struct binder *b, uint32_t ncols);
/* Columns of one type behind those that it has. */
void node_append(struct binder *b, struct plan_node *n, const char *const *names, struct type type, uint32_t count);

/* The rows of each key, where there is one alone. */
uint32_t node_unique(struct binder *b, uint32_t input, const struct plan_key *key, int32_t location);
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
/* The windows a row is in. window->column carries event time. A session's bounds are known only to the aggregate over
 * it: node_session. */
enum status node_window(struct binder *b, uint32_t input, const struct plan_window *window, int32_t location,
                        uint32_t *ret);
/* The last of the input's columns are arrays; `item` has what is new in the output. distinct: the array whose elements
 * differ, -1: none is known to. */
enum status node_unnest(struct binder *b, uint32_t input, const struct plan_unnest *unnest, const struct relation *item,
                        int32_t distinct, int32_t location, uint32_t *ret);
/* An outer UNNEST without a predicate, and the same with one, over its output. */
enum status node_unnest_where(struct binder *b, uint32_t *node, struct expr *predicate);
/* Over the input of a WINDOW node that is a session, projected to: its key, its time, what the aggregates read. */
enum status node_session(struct binder *b, uint32_t input, const struct plan_window *window,
                         struct plan_aggregate *aggregates, uint32_t naggregates, const char **names,
                         int32_t location, uint32_t *ret);
/* condition and the columns named in *join: over the inputs as they are. tells[i]: side i's `expires` column is its
 * time column tells[i].column plus tells[i].lag; column UINT32_MAX: it is not. */
uint32_t node_join(struct binder *b, const uint32_t inputs[2], const struct plan_join *join,
                   const struct plan_time tells[2], int32_t location);
/* Output: the input's columns, then one per call. */
/* Of what a window function gives; `arg`: of its argument, if it has one. */
struct type over_type(const struct plan_over_call *c, struct type arg);
uint32_t node_over(struct binder *b, uint32_t input, const struct plan_over *over, struct plan_sort_key *sort,
                   uint32_t nsort, const char **names, int32_t location);
/* Output: the input's columns, then the rank. */
uint32_t node_topn(struct binder *b, uint32_t input, const struct plan_topn *topn, struct plan_sort_key *sort,
                   uint32_t nsort, const char *rank_name, int32_t location);
/* A filter rank <= N over an OVER node with that one rank makes it a TOPN: *node is replaced, and *predicate is what is
 * left to filter by, NULL: nothing. */
enum status node_first_rows(struct binder *b, uint32_t *node, struct expr **predicate, int32_t location);
/* The same rows, each once, when it can change no more; FAILED: for these rows such a time does not come. */
enum status node_close(struct binder *b, uint32_t node, int32_t location, uint32_t *ret);
uint32_t node_union(struct binder *b, const uint32_t *inputs, uint32_t n, int32_t location);
/* Refused: rows that come when all input has ended, together with such as have no end. */
enum status node_end_together(struct binder *b, const uint32_t *inputs, uint32_t n, int32_t location);
enum status node_sort(struct binder *b, uint32_t input, struct plan_sort_key *sort, uint32_t nsort, int64_t limit,
                      int64_t offset, int32_t location, uint32_t *ret);
uint32_t node_sink(struct binder *b, uint32_t table, uint32_t input, struct expr **exprs, int32_t location);
uint32_t node_result(struct binder *b, uint32_t input, const char **names, const char *name, int32_t location);
/* By index up to `node`: is it one of the steps that `node` is made of, itself among them? */
bool *nodes_reached(const struct binder *b, uint32_t node);
/* The first of them that is so; NULL: none. */
const struct plan_node *node_found(const struct binder *b, uint32_t node, bool (*is)(const struct plan_node *n));
/* session() in FROM, which becomes a step only together with the aggregates over it. */
bool node_is_session_window(const struct plan_node *n);
/* Does any row of the node come from a system relation? */
bool node_reads_relation(const struct binder *b, uint32_t node);
/* Keep what the roots need, in order, and compute the plan's fingerprint. */
void nodes_finish(struct binder *b);
