/* SQL/JSON paths (PostgreSQL's documentation, 9.16.2), read once into a tree and run over documents.
 *
 * All of the language but .datetime() and escapes in names without quotes: these are refused by name, and so is the x
 * flag of like_regex, as by PostgreSQL. A path has at most JSONPATH_NODES parts, nested JSONPATH_DEPTH deep; over one
 * document it may take JSONPATH_STEPS steps (54000 past that), so that .**.** on a large one ends.
 */
#pragma once

#include "base/arena.h"
#include "expr/regex.h"

enum { JSONPATH_NODES = 1000, JSONPATH_DEPTH = 100, JSONPATH_STEPS = 10000000 };

enum jsonpath_kind {
    PATH_ROOT, PATH_CURRENT, PATH_LAST, PATH_VALUE, PATH_VARIABLE, /* where a chain begins */
    PATH_KEY, PATH_ANY_KEY, PATH_INDEX, PATH_ANY_INDEX, PATH_ANY_DEPTH, PATH_FILTER, /* steps */
    PATH_TYPE, PATH_SIZE, PATH_DOUBLE, PATH_CEILING, PATH_FLOOR, PATH_ABS, PATH_KEYVALUE,
    PATH_ADD, PATH_SUBTRACT, PATH_MULTIPLY, PATH_DIVIDE, PATH_MODULO, PATH_PLUS, PATH_MINUS,
    PATH_EQ, PATH_NE, PATH_LT, PATH_LE, PATH_GT, PATH_GE, /* from here on: true, false or unknown */
    PATH_AND, PATH_OR, PATH_NOT, PATH_IS_UNKNOWN, PATH_EXISTS, PATH_STARTS_WITH, PATH_LIKE_REGEX,
};

struct jsonpath_range {
    struct jsonpath_node *from, *to; /* to NULL: from alone */
};

struct jsonpath_node {
    enum jsonpath_kind kind;
    struct jsonpath_node *next;         /* the step behind this one */
    struct jsonpath_node *left, *right; /* operands; of a filter its condition is left */
    struct slice text;   /* VALUE: as jsonb prints it; KEY, VARIABLE: the name */
    struct jsonpath_range *ranges; /* INDEX */
    uint32_t nranges;
    uint32_t first, last; /* ANY_DEPTH: levels; UINT32_MAX: the last one */
    const struct regex *regex; /* LIKE_REGEX */
};

struct jsonpath {
    bool lax;
    struct jsonpath_node *root;
};

static inline bool jsonpath_is_condition(const struct jsonpath_node *n) { return n->kind >= PATH_EQ && !n->next; }

/* The place of the object that begins at `part`, within the document, in PostgreSQL's binary form of that; adds to
 * *steps what it looked at. */
int64_t jsonpath_place(struct slice doc, const char *part, uint32_t *steps);

/* Everything lives in the arena. ERR_SQL or ERR_UNSUPPORTED with PostgreSQL's kind of message. */
enum status jsonpath_parse(struct slice text, struct arena *a, struct jsonpath *ret, struct error *err);
