/* The tables a pipeline has published, pinned: each as of one epoch, so that what is read together belongs together
 * (semantics 6, 35). Delta sinks only; other sinks cannot be read back.
 */
#pragma once

#include "engine/query.h"
#include "epoch/journal.h"
#include "lake/delta.h"

struct published_table {
    const struct plan_table *table;
    char *location;            /* "/data/lake/metrics/net_flow" */
    struct store *store;
    struct delta_table *delta; /* NULL: nothing published yet */
    int64_t epoch;             /* the newest epoch in it under this state's name; 0: none */
};

struct published {
    const struct plan *plan;
    struct published_table *tables;
    uint32_t ntables;
    int64_t epoch; /* the newest that all of them have; 0: none */
    const char **names; /* for lookup, system relations among them */
    uint32_t nnames;
    const struct manifest *manifest; /* of the state */
    struct manifest as_of;           /* the same, with the ledger as of `epoch`: what system relations are made of */
    struct ledger ledger;            /* as_of.total, where a table's commit tells it */
    bool has_ledger;                 /* false: nobody knows the ledger as of `epoch`; as_of.total is empty */
};

/* m: of the state whose epochs count, read before the tables; it must outlive *ret. pinned: go back to the newest epoch
 * that all tables have, and the ledger with them (a table's commit tells what the ledger was); else the newest
 * versions. A table that has nothing of the last epochs, because they changed nothing in it, has them. */
enum status published_open(const struct plan *plan, const struct manifest *m, bool pinned, struct published *ret,
                           struct error *err);
void published_release(struct published *p);
/* What the commit that brought the table to its epoch says the ledger was; not known: no commit of the state with this
 * uuid tells it. The table has been published. */
enum status published_ledger(const struct published_table *t, const char *uuid, struct ledger *ret, bool *ret_known,
                             struct error *err);
/* Read every row of a published table: each page against its checksum, and numbers of rows and statistics, by which
 * others leave out files (and our upserts do), against the rows. */
enum status published_check(struct published_table *t, uint64_t *ret_rows, struct error *err);
/* As relations for query_run: tables by their name, and the system relations of engine/relations.h. */
struct query_relations published_relations(struct published *p);
