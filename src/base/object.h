/* What a shared object says of itself, read from its bytes: nothing of it is loaded or run. */
#pragma once

#include "base/base.h"
#include "base/error.h"

/* The first `size` bytes of the constant `symbol` that the file exports, as they lie in it: pointers in them are not
 * filled in. Every offset and length in the file is checked. FAILED: the file is no shared object for this machine, or
 * has no such symbol, or it is no data of at least that size; with a hint. name: of the file, for messages. */
enum status object_data(struct slice file, const char *name, const char *symbol, void *into, size_t size,
                        struct error *err);
