/* The ledger: what came in, and what became of it, by source, step, sink and rule (semantics 18). Of one epoch, or
 * added up over several. Memory is the ledger's own; zero is an empty one.
 */
#pragma once

#include "base/buf.h"

/* Counts of one source or step, of one epoch or added up over a range. What cannot occur is 0. */
struct ledger_counts {
    uint64_t in, out, filtered, rejected, late, duplicate, error;
};

struct ledger_rule {
    char source[64], rule[80]; /* "transactions", "R090" */
    uint64_t count;
};

enum ledger_kind { LEDGER_SOURCE, LEDGER_STEP, LEDGER_SINK };
struct ledger_line {
    enum ledger_kind kind;
    char name[100]; /* table or step id */
    struct ledger_counts counts; /* source: in = polled, out = accepted; sink: in = net changes */
    uint64_t inserted, updated, deleted, unchanged; /* sinks */
    uint64_t expired; /* steps: rows of the state dropped by a time to live; no part of the balance */
};

/* A ledger: lines by kind and name, rules by source and rule. Balanced: see ledger_balance. */
struct ledger {
    int64_t from, to; /* epochs */
    struct ledger_line *lines;
    uint32_t nlines;
    struct ledger_rule *rules;
    uint32_t nrules;
};

/* Adds counts; widens the range. */
void ledger_add(struct ledger *into, const struct ledger *from);
void ledger_release(struct ledger *l);
/* Made if it is not there; valid until the next one is made. */
struct ledger_line *ledger_line(struct ledger *l, enum ledger_kind kind, const char *name);
void ledger_count_rule(struct ledger *l, const char *source, const char *rule, uint64_t count);
/* in = out + filtered + rejected + late + duplicate + error for sources and steps; in = inserted + updated + deleted +
 * unchanged + rejected + error for sinks. FAILED (ERR_VERIFY) names the line and both sides. */
enum status ledger_balance(const struct ledger *l, struct error *err);
void ledger_json(const struct ledger *l, struct buf *out);
/* What ledger_json wrote. ERR_CORRUPT names the member that is missing or wrong. */
enum status ledger_parse(struct slice json, struct ledger *ret, struct error *err);
/* Is `part` of the beginning of what `whole` has added up? ERR_VERIFY names a count that is greater than there. */
enum status ledger_within(const struct ledger *part, const struct ledger *whole, struct error *err);
