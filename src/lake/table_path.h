/* Where a table lies inside a store, from what a person wrote: "./metrics//net_flow/" is "metrics/net_flow". */
#pragma once

#include "base/arena.h"

/* The name prefix for delta_open: without "." parts, doubled '/' and a '/' at its end; "." alone is "" (the store's own
 * root). ERR_USAGE for an absolute path and for "..": a table stays below the folder of its server. */
enum status table_path(const char *written, struct arena *a, const char **ret, struct error *err);
