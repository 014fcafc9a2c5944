/* Bound expressions: typed trees, made by plan/bind through these builders, which know PostgreSQL's rules of overload
 * resolution, implicit casts and result types. Everything lives in the caller's arena and is read-only once built.
 *
 * Numeric result types are static. Of scales s1 and s2, + - and % have max(s1, s2); * has s1 + s2; / and sqrt, exp, ln,
 * log and power have max(16, s1, s2), where PostgreSQL chooses by value, at least 16 significant digits; a literal has
 * the scale it is written with. A result that needs more than 38 digits at run time is SQLSTATE 22003.
 */
#pragma once

#include "column/batch.h"

enum expr_kind {
    EXPR_CONST,    /* value: a column of one row */
    EXPR_COLUMN,   /* input column `column` */
    EXPR_CALL,     /* function over args; strict unless the function says otherwise */
    EXPR_AND,      /* n-ary, three-valued, lazy about errors per lane */
    EXPR_OR,
    EXPR_NOT,
    EXPR_IS_NULL,
    EXPR_CASE,     /* args: condition, value, condition, value, ..., default (always there; may be a NULL constant) */
    EXPR_COALESCE,
};

struct function; /* one row of the function table: expr/function.h */

struct expr {
    enum expr_kind kind;
    struct type type;
    int32_t location; /* byte offset in the pipeline's text, -1: none */
    uint32_t column;  /* EXPR_COLUMN */
    struct column value; /* EXPR_CONST: one row */
    const struct function *function; /* EXPR_CALL */
    const void *extra; /* EXPR_CALL: what the function prepared at bind time (a compiled pattern, ...), or NULL */
    uint32_t nargs;
    struct expr **args;
};

struct expr *expr_column(struct arena *a, uint32_t column, struct type type, int32_t location);
/* A literal. TYPE_UNKNOWN with text: a quoted string that has not met its context yet; text NULL: NULL. */
struct expr *expr_string(struct arena *a, const char *text, size_t len, int32_t location);
struct expr *expr_null(struct arena *a, struct type type, int32_t location);
struct expr *expr_bool(struct arena *a, bool value, int32_t location);
/* An integer or decimal literal as PostgreSQL types it: int4, int8, else numeric with its own scale. */
enum status expr_number(struct arena *a, const char *text, int32_t location, struct expr **ret, struct error *err);
/* A function or operator by name, spelled as PostgreSQL's grammar delivers it: overload resolution with implicit casts,
 * variadics, constant folding where it cannot fail. Syntax that is no call there has these names:
 *
 *     x IN (a, b)              "in", x, a, b
 *     x = ANY (a), x > ALL (a) "= any", "> all", x, a
 *     ARRAY[x, ...]            "ARRAY[x]", x, ...
 *     a[i], a[i:j]             "x[i]", a, i; "x[i:j]", a, i, j
 *     x LIKE p, ILIKE, NOT ..  "~~", "~~*", "!~~", "!~~*"; ESCAPE e: "like_escape", p, e (as the grammar does)
 *     EXTRACT(f FROM x)        "extract", 'f', x
 *     x AT TIME ZONE z         "timezone", z, x
 *     current_timestamp etc.   "now", "current_date", without arguments
 *     GREATEST, LEAST, NULLIF  "greatest", "least", "nullif"
 *     IS [NOT] DISTINCT FROM   "is_distinct_from", "is_not_distinct_from"
 *     x IS [NOT] TRUE, FALSE   "is_true", "is_not_true", "is_false", "is_not_false"; IS UNKNOWN is expr_is_null
 *     -x, x != y               "-" with one argument, "<>" (or "!=")
 *
 * FAILED: ERR_SQL with PostgreSQL's kind of message ("function lower(integer) does not exist") and a hint ("did you
 * mean"). err->place is not set: the caller knows the text. */
enum status expr_call(struct arena *a, const char *name, struct expr **args, uint32_t nargs, int32_t location,
                      struct expr **ret, struct error *err);
/* Explicit cast (CAST, ::), assignment cast (a sink column), or implicit one. */
enum expr_cast { CAST_EXPLICIT, CAST_ASSIGNMENT, CAST_IMPLICIT };
enum status expr_cast(struct arena *a, struct expr *from, struct type to, enum expr_cast how, int32_t location,
                      struct expr **ret, struct error *err);
enum status expr_logic(struct arena *a, enum expr_kind and_or_not, struct expr **args, uint32_t nargs,
                       int32_t location, struct expr **ret, struct error *err);
struct expr *expr_is_null(struct arena *a, struct expr *arg, int32_t location);
/* Branches brought to one common type (PostgreSQL's UNION/CASE rules). args as in EXPR_CASE. */
enum status expr_case(struct arena *a, struct expr **args, uint32_t nargs, int32_t location, struct expr **ret,
                      struct error *err);
enum status expr_coalesce(struct arena *a, struct expr **args, uint32_t nargs, int32_t location, struct expr **ret,
                          struct error *err);
/* The common type of UNION branches and VALUES lists. */
enum status expr_common_type(const struct type *types, uint32_t n, const char *what, struct type *ret,
                             struct error *err);

/* Reads the epoch's time: now(), current_timestamp, ... anywhere inside? */
bool expr_uses_now(const struct expr *e);
/* Can a row be rejected because of it? True for every call. */
bool expr_may_fail(const struct expr *e);
/* Mark in `used` (bitmap) every input column the expression reads. */
void expr_columns(const struct expr *e, uint64_t *used);
/* The same tree with every column c replaced by replacement[c]. */
struct expr *expr_substitute(struct arena *a, const struct expr *e, struct expr *const *replacement);
/* Structural equality, locations aside. */
bool expr_equal(const struct expr *a, const struct expr *b);
/* SQL text of the expression, for explain and fingerprints: canonical, fully parenthesised; names[c] for column c. */
void expr_print(const struct expr *e, const char *const *names, struct buf *out);
