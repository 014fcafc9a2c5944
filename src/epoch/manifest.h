/* The manifest: what a journal's records add up to. Pure data, no I/O; the same code runs when a record is written and
 * when it is read back. Private to epoch/. */
#pragma once

#include "epoch/journal.h"

/* May `r` follow `m`? ERR_VERIFY names what would go back (an epoch, a position, a watermark, a confirmation), or
 * refers to what is not there. */
enum status manifest_check(const struct manifest *m, const struct journal_record *r, struct error *err);
/* Make the record's changes, which manifest_check has passed. Outboxes that every sink named so far has confirmed are
 * needed no more. */
void manifest_apply(struct manifest *m, const struct journal_record *r);
/* Take one segment out that nothing needs any more; false: there is none. */
bool manifest_take_unneeded(struct manifest *m, struct segment_ref *ret);
