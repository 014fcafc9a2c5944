/* What the parse*.c files share: walking one statement's PostgreSQL tree. */
#pragma once

#include <pg_query/pg_query.pb-c.h>

#include "plan/parse.h"

enum {
    PARSE_MAX_DEPTH = 500, /* levels of a tree: all that walk it recurse */
    PARSE_MAX_CTES = 1000,
};

struct parser {
    struct arena *arena;
    const struct text *text;
    int32_t base;        /* location of the statement's first byte */
    int32_t start;       /* location of its first token: where an error stands that has no better place */
    struct slice sql;    /* the statement */
    unsigned depth;
    bool inner;          /* the statement is the body of a function, which has... */
    uint32_t nparams;    /* ...this many parameters */
    PgQuery__Node **windows; /* WINDOW of the SELECT that is being read */
    size_t nwindows;
    bool adrift;         /* its bytes are not those of the file (a quote is doubled): all of it stands at `start` */
    struct error *err;
};

/* The text's location of one in the parse tree (0 and -1: unknown there). */
int32_t parser_location(const struct parser *p, int32_t location);
/* FAILED with ERR_UNSUPPORTED: "<what> is not supported", and a hint unless NULL. */
enum status parser_refuse(struct parser *p, int32_t location, const char *hint, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
char *parser_strdup(struct parser *p, const char *s);
/* The string in a String node. */
const char *node_string(const PgQuery__Node *n);
/* A list of String nodes. */
struct ast_names parser_names(struct parser *p, PgQuery__Node *const *nodes, size_t n);

enum status parse_expr(struct parser *p, const PgQuery__Node *n, struct ast_expr **ret);
enum status parse_exprs(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_expr ***ret);
enum status parse_type(struct parser *p, const PgQuery__TypeName *t, struct ast_type *ret);
/* CREATE FUNCTION. */
enum status parse_function(struct parser *p, const PgQuery__CreateFunctionStmt *f, struct ast_statement *into);
/* The one statement in p->sql, which is terminated: the body of a function. */
enum status parse_inner(struct parser *p, struct ast_statement **ret);
enum status parse_select(struct parser *p, const PgQuery__SelectStmt *s, struct ast_select **ret);
/* The list of FROM, commas as joins; NULL: no FROM. */
enum status parse_from(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_from **ret);
enum status parse_order(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_order **ret);
/* Refuses relation names with a schema other than public and bourn, and other things a name may carry. */
enum status parse_relation(struct parser *p, const PgQuery__RangeVar *r, const char **ret_schema,
                           const char **ret_name);
