/* A table's data contract, ready to run: which rows break which rule. Used on the way in (scan) and on the way out
 * (collect). */
#pragma once

#include "column/batch.h"
#include "plan/plan.h"

struct contract;
struct contract *contract_new(const struct plan_table *table, uint32_t nworkers);
void contract_free(struct contract *c);
/* Bits of the rows of b that break rule `rule` (NULL passes a CHECK, an error does not), BITMAP_WORDS(b->rows) words.
 * Rows that are not live may have any bit. false: nobody breaks it, and ret_broken is not set. */
bool contract_check(struct contract *c, uint32_t rule, uint32_t worker, const struct batch *b, int64_t now_us,
                    struct arena *a, uint64_t *ret_broken);
/* Bits of the NULL rows of a column. false: none. */
bool null_rows(const struct column *c, uint32_t rows, uint64_t *ret);
