/* Regular expressions in linear time: PostgreSQL's advanced ones (its documentation, 9.7.3), translated for RE2.
 *
 * What takes more than linear time, or what RE2 has not, is refused by name: back-references, look-around, \m \M,
 * collating elements, the options b, e and x. Matches are the leftmost and longest, as PostgreSQL's; an expression with
 * a non-greedy quantifier prefers as Perl does instead. Letters fold as ASCII. Time is linear in the text, and memory
 * is at most REGEX_MEMORY for an expression, whatever it is.
 */
#pragma once

#include "base/buf.h"

enum { REGEX_MEMORY = 8 << 20, REGEX_GROUPS = 100, REGEX_LENGTH = 1 << 16 };

struct regex_options {
    bool fold;       /* i */
    bool literal;    /* q */
    bool dot_line;   /* n, p: . and [^ do not match a newline */
    bool anchor_line; /* n, w: ^ and $ match at lines */
};

struct regex;

/* The expression for RE2. false: *ret_sqlstate and what is wrong with it in `err` (ERR_UNSUPPORTED: it is refused). */
bool regex_translate(struct slice pattern, struct regex_options options, struct buf *out, bool *ret_lazy,
                     const char **ret_sqlstate, struct error *err);

/* Compiled; NULL: *ret_problem (static) says what PostgreSQL calls it. */
struct regex *regex_compile(const char *translated, size_t len, bool lazy, const char **ret_problem);
void regex_free(struct regex *re);
/* Translated and compiled once for the whole process, never freed, for any number of threads. NULL: why, in `err`. */
const struct regex *regex_constant(struct slice pattern, struct regex_options options, struct error *err);
/* Groups in the expression, without the whole match. */
unsigned regex_groups(const struct regex *re);
/* The leftmost match that begins at or behind `from`; ret[0] is the whole, ret[i] group i (data NULL: it took no part).
 * Any number of threads at once. */
bool regex_find(const struct regex *re, const char *text, size_t len, size_t from, struct slice *ret, unsigned n);
