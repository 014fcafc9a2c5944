/* What a run has left behind, for a person: the tables, the ledger, what it used, and how to read the tables
 * elsewhere. */
#pragma once

#include "engine/engine.h"

/* Answers the exit code. */
int show_run(struct engine *e);
