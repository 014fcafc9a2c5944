/* The syntax tree: what the text says, before anybody asks what its names mean. Made by parse.c from PostgreSQL's parse
 * tree, with everything spelled one way: BETWEEN, IN, IS TRUE, NULLIF and the like are already AND, OR and calls.
 * What bourn does not support has been refused before it gets here. Lives in an arena; locations are text.h's.
 */
#pragma once

#include "column/type.h"

enum ast_kind {
    AST_COLUMN,   /* name, perhaps qualified */
    AST_STAR,     /* *, or qualifier.*: only as a target */
    AST_NUMBER,   /* name: its digits */
    AST_STRING,   /* name, len */
    AST_PARAM,    /* len: $1 is 1; only in the body of a function, which has that many */
    AST_BOOL,     /* flag */
    AST_NULL,
    AST_CALL,     /* function, aggregate or operator `name` */
    AST_AND,
    AST_OR,
    AST_NOT,
    AST_IS_NULL,
    AST_CASE,     /* args: condition, value, ..., default */
    AST_COALESCE,
    AST_CAST,     /* args[0] to type */
    AST_EXISTS,   /* query */
    AST_IN,       /* args[0], or a row of several, IN (query) */
    AST_ANY,      /* args[0] name ANY (query); not of =, which is IN */
    AST_VALUE,    /* (query) */
    AST_ARRAY,    /* ARRAY(query) */
    AST_BOUND,    /* bound: while binding, what stands for itself already (bind_value.c) */
};

struct ast_type {
    const char *name;
    int mods[2], nmods;
    bool array; /* of one dimension */
    int32_t location;
};

struct ast_expr {
    enum ast_kind kind;
    int32_t location;
    const char *name, *qualifier;
    size_t len;
    bool flag;     /* AST_BOOL: its value; AST_CALL: count(*) */
    bool distinct; /* AST_CALL: aggregate(DISTINCT ...) */
    bool plain;    /* AST_CALL: written as a function, so it may be an aggregate */
    bool within;   /* AST_CALL: its order is WITHIN GROUP (ORDER BY ...) */
    struct ast_expr *filter; /* AST_CALL: FILTER (WHERE ...), or NULL */
    struct ast_over *over;   /* AST_CALL: OVER (...), or NULL */
    struct ast_select *query; /* AST_EXISTS, AST_IN, AST_ANY, AST_VALUE, AST_ARRAY */
    struct expr *bound;
    struct ast_order *order; /* AST_CALL: aggregate(... ORDER BY ...) */
    uint32_t norder;
    struct ast_expr **args;
    uint32_t nargs;
    struct ast_type type;
};

struct ast_names {
    const char **items;
    uint32_t count;
};

struct ast_target {
    struct ast_expr *expr;
    const char *name; /* as written after AS, or as PostgreSQL names such an expression */
};

enum ast_from_kind { AST_FROM_RELATION, AST_FROM_QUERY, AST_FROM_WINDOW, AST_FROM_FUNCTION, AST_FROM_JOIN };
enum ast_join { AST_JOIN_INNER, AST_JOIN_LEFT, AST_JOIN_RIGHT, AST_JOIN_FULL };

struct ast_from {
    enum ast_from_kind kind;
    const char *schema, *name; /* RELATION; of a WINDOW: "tumble", ...; of a FUNCTION: the first one */
    struct ast_select *query;  /* QUERY */
    struct ast_expr **args;    /* WINDOW: a column that names the relation, then its arguments; FUNCTION: the calls,
                                * whose rows stand side by side */
    uint32_t nargs;
    bool ordinality;           /* FUNCTION: WITH ORDINALITY */
    bool hidden;               /* FUNCTION: it stood in a SELECT list, and only that sees it */
    bool lateral;              /* QUERY: it may read what stands before it */
    bool defined;              /* FUNCTION: a list of columns with types says what its records have */
    enum ast_join join;        /* JOIN; a comma or CROSS JOIN is INNER without a condition */
    struct ast_from *left, *right;
    struct ast_expr *on;       /* NULL: none */
    struct ast_names shared;   /* USING (a, b, ...) */
    const char *alias;
    struct ast_names columns;  /* alias (a, b, ...) */
    int32_t location;
};

struct ast_order {
    struct ast_expr *expr;
    bool descending, nulls_first;
};

/* OVER (PARTITION BY ... ORDER BY ... frame). */
struct ast_over {
    struct ast_expr **partition;
    uint32_t npartition;
    struct ast_order *order;
    uint32_t norder;
    bool framed;  /* a frame is written, and it is... */
    bool peers;   /* ...the one that is meant where none is; */
    bool rows;    /* ...ROWS BETWEEN `before` PRECEDING AND `after` FOLLOWING; else some other */
    struct ast_expr *before, *after; /* NULL: unbounded; the current row is 0 */
    int32_t location;
};

struct ast_cte {
    const char *name;
    struct ast_names columns;
    struct ast_select *query;
    int32_t location;
};

enum ast_select_kind { AST_SELECT_PLAIN, AST_SELECT_VALUES, AST_SELECT_UNION };
enum ast_distinct { AST_DISTINCT_NONE, AST_DISTINCT_ROWS, AST_DISTINCT_ON };

struct ast_select {
    enum ast_select_kind kind;
    int32_t location;
    struct ast_cte *ctes;
    uint32_t nctes;

    struct ast_target *targets; /* PLAIN */
    uint32_t ntargets;
    struct ast_from *from;      /* NULL: no FROM */
    struct ast_expr *where, *having;
    struct ast_expr **group;
    uint32_t ngroup;
    uint64_t *sets;             /* GROUPING SETS, ROLLUP, CUBE: which groups each has, as bits; nsets 0: all of them */
    uint32_t nsets;
    bool distinct_sets;         /* GROUP BY DISTINCT: equal ones are one */
    bool grouped;               /* GROUP BY is written, perhaps as GROUP BY () */
    enum ast_distinct distinct;
    struct ast_expr **on;
    uint32_t non;

    struct ast_expr ***rows;    /* VALUES: nrows lists of ncells */
    uint32_t nrows, ncells;

    struct ast_select *left, *right; /* UNION */
    bool all;

    struct ast_order *order;    /* any kind */
    uint32_t norder;
    struct ast_expr *limit, *offset;
};

struct ast_option {
    const char *name, *value;
    int32_t location;
};

struct ast_options {
    struct ast_option *items;
    uint32_t count;
};

enum ast_constraint_kind { AST_NOT_NULL, AST_CHECK, AST_PRIMARY_KEY };

struct ast_constraint {
    enum ast_constraint_kind kind;
    const char *name;       /* NULL: unnamed */
    const char *column;     /* of a column constraint; NULL: of the table */
    struct ast_expr *check;
    const char *text;       /* CHECK: as written between its parentheses */
    struct ast_names keys;  /* PRIMARY KEY */
    int32_t location;
};

struct ast_column {
    const char *name;
    struct ast_type type;
    struct ast_options options;
    int32_t location;
};

struct ast_parameter {
    const char *name;
    struct ast_type type;
    struct ast_expr *otherwise; /* DEFAULT; NULL: none */
};

struct ast_function {
    struct ast_parameter *params;
    uint32_t nparams;
    struct ast_type result;
    bool strict;
    struct ast_expr *body;            /* LANGUAGE sql */
    const char *library, *symbol;     /* LANGUAGE c; else NULL */
    int32_t library_location;
};

enum ast_statement_kind {
    AST_CREATE_SERVER,
    AST_CREATE_MAPPING,
    AST_CREATE_TABLE,
    AST_CREATE_VIEW,
    AST_CREATE_FUNCTION,
    AST_INSERT,
    AST_QUERY,
    AST_SET,
    AST_COPY,
    AST_CHECKPOINT, /* in a test: an epoch ends */
    AST_CLOSE,      /* in a test: the input `name` ends; NULL: all of it */
};

struct ast_statement {
    enum ast_statement_kind kind;
    int32_t location;
    const char *schema, *name;  /* what is created, inserted into or set */
    const char *server;         /* TABLE (NULL: reference data), MAPPING; of SERVER: its connector */
    struct ast_options options;
    struct ast_column *columns; /* TABLE */
    uint32_t ncolumns;
    struct ast_constraint *constraints;
    uint32_t nconstraints;
    struct ast_names names;     /* VIEW, INSERT: column list, count 0: none */
    int32_t *name_locations;    /* INSERT: of each */
    struct ast_select *query;   /* VIEW, INSERT, QUERY */
    struct ast_function *function;
    const char *value;          /* SET; COPY: the file */
};
