/* A store by the place that a person wrote: the one list of where objects may lie. */
#pragma once

#include "base/store.h"

/* A folder's path, absolute or relative to the working folder, or file:///folder. ERR_UNSUPPORTED: another scheme,
 * named.
 * Nothing is touched yet: a folder that is not there is made by the first put. */
enum status store_open(const char *place, struct store **ret, struct error *err);
