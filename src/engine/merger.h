/* Merging state segments in the background: chooses, runs on a thread of its own, and hands the result to the next
 * record. */
#pragma once

#include "epoch/journal.h"
#include "state/merge.h"

struct merger;
struct merger *merger_new(struct store *store);
/* Waits for a merge that is under way; its file is an orphan then, removed at the next start. */
void merger_free(struct merger *m);
/* Start one if there is something to do and none is running. The manifest is only read during the call. */
void merger_poke(struct merger *m, const struct manifest *manifest);
/* What a record says of segments: those of a finished merge are added (at most MERGE_RESULTS, to `added` behind
 * r->nadded), those whose state it holds now are dropped, and so are, unread, those of nothing but expired ids. The
 * names are the arena's. An error of the merge itself is reported once, as FAILED by merger_check. */
void merger_record(struct merger *m, const struct manifest *manifest, struct arena *a, struct journal_record *r,
                   struct segment_ref *added);
/* The record was written: another merge may begin. */
void merger_recorded(struct merger *m);
enum status merger_check(struct merger *m, struct error *err);
