/* What came in and what became of it, for people: a line for each source of each range of epochs, its numbers under
 * those of the others, and below them the rules.
 *
 *       epochs 1-7, tx: in   98304 = accepted   95315 + rejected  2989; of the accepted, late  88, duplicate  2912
 *       epochs 8-8, tx: in 1388544 = accepted 1346903 + rejected 41641; of the accepted, late 119, duplicate 41519
 */
#pragma once

#include "epoch/journal.h"

/* Lines of the ranges, from the oldest to the newest; named: each says which epochs it is of. Rows are late or repeated
 * in steps, which may read several sources: of a pipeline with several these have a line of their own. */
void account_print(const struct ledger *ranges, uint32_t n, bool named);
/* The rules: "    rejected by R090  8855"; with their source where there are several. */
void account_print_rules(const struct ledger *l, const char *before);
