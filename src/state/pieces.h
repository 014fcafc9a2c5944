/* Sections read in pieces: what is loaded lies in memory once, as state, however large its section is. */
#pragma once

#include "state/segment.h"

/* Hands the payload of a table's or a set's section to `take`, a few MiB at a time: each piece is a payload of its own,
 * of whole entries. Its CRC is checked when all were taken, so nothing may come of them before this answers OK. */
enum status section_pieces(struct segment *s, const struct section *section,
                           enum status (*take)(void *arg, struct slice payload, struct error *err), void *arg,
                           struct error *err);
