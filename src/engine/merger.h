/* Merging state segments in the background: chooses, runs on a thread of its own, and hands the result to the next
 * record. */
#pragma once

#include "epoch/journal.h"

struct merger;
struct merger *merger_new(struct store *store);
/* Waits for a merge that is under way; its file is an orphan then, removed at the next start. */
void merger_free(struct merger *m);
/* Start one if there is something to do and none is running. The manifest is only read during the call. */
void merger_poke(struct merger *m, const struct manifest *manifest);
/* A finished merge for the record: the new segment and the names of those whose state it holds now. false: none. They
 * live
 * until merger_recorded. An error of the merge itself is reported once, as FAILED by merger_check. */
bool merger_result(struct merger *m, const struct segment_ref **ret_added, const char *const **ret_dropped,
                   uint32_t *ret_ndropped);
void merger_recorded(struct merger *m);
enum status merger_check(struct merger *m, struct error *err);
