/* Memory for large tables that are read in no order: cut from chunks that the kernel may back with huge pages, so that
 * a look-up does not also have to look for the address in page tables that are themselves out of the cache. Smaller
 * pieces come from the heap (heap.h), and so do all where state spills: a small table shall not cost a huge page.
 *
 *     struct pages *p = pages_new();
 *     char *table = pages_alloc(p, size);       // zeroed, at a cache line's start
 *     pages_release(p, table, size);            // the same size
 *
 * Pieces of a chunk are cut one behind the other; a chunk whose pieces are all released is cut anew, or goes back to
 * the kernel when there are some in reserve. That suits tables that are made and released at about the same times,
 * seldom, as the shards of a table that grows are. New memory is dear: the kernel clears it, and its host may have to
 * find it first, milliseconds for a huge page; pages_prepare has that done ahead. May be called from any thread.
 */
#pragma once

#include "base/base.h"

struct pages;
/* stays: where state spills, what comes from it stays in memory if it can (heap_kept). */
struct pages *pages_new(bool stays);
/* All that came from it must have been released. */
void pages_free(struct pages *p);
void *pages_alloc(struct pages *p, size_t size);
void pages_release(struct pages *p, void *piece, size_t size); /* NULL is fine */
/* For a thread that nobody waits for: fetch some of the memory that will be cut next, at most 2 MiB (which may take
 * milliseconds). At once where 8 MiB are ready, where another thread is at it, or where nothing was cut yet. */
void pages_prepare(struct pages *p);
