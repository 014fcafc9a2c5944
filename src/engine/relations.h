/* System relations of a state, for queries: what the journal knows, as rows (docs/sql.md lists the columns). */
#pragma once

#include "column/batch.h"
#include "epoch/journal.h"

/* The relation's schema by its full name, "bourn.ledger"; false: there is no such relation. Static. */
bool relation_schema(const char *name, struct schema *ret);
/* All its rows as one batch in the arena; NULL: none. */
struct batch *relation_rows(const char *name, const struct manifest *m, struct arena *a);
/* Names, for "did you mean"; NULL past the end. */
const char *relation_name(size_t i);
