/* Collect: the last step before a sink. Evaluates the sink's own expressions (now() among them), holds the rows to the
 * output contract, nets an epoch's changes per key, and encodes them as the payload of the sink's outbox section:
 *
 *   per batch: u32 length, then that many bytes of column/rowcodec.h, in the sink table's columns;
 *   weight +1: insert or upsert the row, -1: delete its key. An upsert payload has at most one row a key.
 */
#pragma once

#include "base/bufs.h"
#include "flow/operator.h"
#include "plan/plan.h"

struct collect;

struct collect_counts { /* in = net changes (inserted, updated, deleted, unchanged) + rejected + error: semantics 18 */
    uint64_t in, inserted, updated, deleted, unchanged, rejected, error;
};

struct collect *collect_new(const struct plan *plan, const struct plan_node *sink, const struct plan_node *input,
                            uint32_t nworkers, uint32_t nslots);
void collect_free(struct collect *k);
/* From any worker; slot: which batch of the round this is (0..nslots-1), so that appends keep the order of ordinals. */
void collect_push(struct collect *k, struct op_context *c, uint32_t slot, struct batch *in);
/* The round is over: what its slots gathered follows what came before. */
void collect_round(struct collect *k);
/* Bytes of the running epoch's rows for a sink that appends; 0 for another one: its rows are netted in the end. While
 * a round is under way, from any worker, about so many. */
uint64_t collect_appended(const struct collect *k);
/* Bytes that the running epoch's rows take, and will take when they are netted, about. */
uint64_t collect_bytes(const struct collect *k);
/* Workers: run(arg, n, task, task_arg) does task(task_arg, worker, 0..n-1), in any order, and returns when all are
 * done. */
struct collect_pool {
    void (*run)(void *arg, uint32_t n, void (*task)(void *arg, uint32_t worker, uint32_t task), void *task_arg);
    void *arg;
};
/* The epoch is over: its payload (moved to *ret, empty when nothing changed; a batch lies in one buffer), counts. */
void collect_finish(struct collect *k, const struct collect_pool *pool, struct bufs *ret,
                    struct collect_counts *ret_counts);

/* The live rows onto a payload: as a batch, or, where that would be more than 64 MiB, as several. */
void collect_put(struct buf *out, const struct batch *b);
/* Walk a payload: the next batch, or NULL at the end. ERR_CORRUPT on anything odd. */
enum status collect_next(struct reader *in, const struct schema *schema, struct arena *a, struct batch **ret,
                         struct error *err);
