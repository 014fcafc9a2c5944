/* Scan: the first step of every source. Raw messages become typed rows, and every row is held to the table's data
 * contract. A row that breaks it goes to the rejections with *all* the rules it broke and touches nothing else.
 *
 * Rules, in the order they are named: `parse` (no row at all; then no other), `type:<column>` (its rules are skipped),
 * the table's constraints as written, `null:<time column>` (no event time), `future` (event time beyond now +
 * max_ahead).
 */
#pragma once

#include "flow/format.h"
#include "flow/operator.h"
#include "flow/source.h"
#include "plan/plan.h"

struct scan;

struct scan_config {
    const struct plan_table *table;
    uint32_t source; /* index of the table in the plan */
    const struct format *format; /* NULL: rows come typed */
    int64_t max_ahead_us;
    uint32_t nworkers;
};

/* What a batch did, for the watermark. */
struct scan_result {
    int64_t max_event; /* greatest event time among accepted rows, us; INT64_MIN: none */
};

enum status scan_new(const struct scan_config *config, struct scan **ret, struct error *err);
void scan_free(struct scan *s);
/* On worker c->worker: *ret holds the accepted rows (sel), or NULL if there is none. Memory: c->arena and the source
 * batch. counts: in = polled, out = accepted; the difference was rejected. */
void scan_push(struct scan *s, struct op_context *c, const struct source_batch *in, struct batch **ret,
               struct scan_result *ret_result);
/* Rule ids and how often each was broken since the last scan_reset_counts, all workers. */
uint32_t scan_rule_count(const struct scan *s);
const char *scan_rule(const struct scan *s, uint32_t i, uint64_t *ret_count);
void scan_reset_counts(struct scan *s);
