/* Sections read in pieces: what is loaded lies in memory once, as state, however large its section is; what is copied,
 * not at all. */
#pragma once

#include "state/segment.h"

/* Hands the payload of a table's or a set's section to `take`, a few MiB at a time: each piece is a payload of its own,
 * of whole entries. Its CRC is checked when all were taken, so nothing may come of them before this answers OK. */
enum status section_pieces(struct segment *s, const struct section *section,
                           enum status (*take)(void *arg, struct slice payload, struct error *err), void *arg,
                           struct error *err);
/* The sections that are `wanted`, byte for byte, as a segment of its own for the same epochs, durable when this answers
 * OK. *ret_copied: how many; 0: none is, and there is no such segment. */
enum status segment_copy(struct segment *s, const struct segment_ref *ref,
                         bool (*wanted)(void *arg, const struct section *section), void *arg, struct store *store,
                         uint64_t term, struct segment_ref *ret, uint32_t *ret_copied, struct error *err);
