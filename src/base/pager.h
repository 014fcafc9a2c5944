/* What of a page file stays in memory. Counts what is brought in, and when that is more than the limit, three hands go
 * round the file, a stretch of 2 MiB at a time:
 *
 *   the first takes pages out of the page tables: who needs one finds it in the cache, for half a microsecond;
 *   the second begins to write those that nobody has needed since;
 *   the third drops them from the cache, once they are written.
 *
 * So what stays is what is used again before the second hand comes, whatever memory the machine has beside. What is
 * used all the time is not written. Any thread may call; one does the work while others go on, unless far too much is
 * in memory: then they wait.
 */
#pragma once

#include "base/page_file.h"

struct pager;
/* limit: bytes. The file stays the caller's. */
struct pager *pager_new(struct page_file *file, uint64_t limit);
void pager_free(struct pager *p);
void pager_set_limit(struct pager *p, uint64_t limit);
/* size: the bytes of the file that are in use so far; it never shrinks. */
void pager_tend(struct pager *p, uint64_t size);
/* The pages of these bytes will be touched: begin to read them if they are not in memory. */
void pager_want(struct pager *p, uint64_t offset, uint64_t len);
/* The first thing that went wrong in writing, or OK. */
enum status pager_check(struct pager *p, struct error *err);
/* How many bytes are in memory, as far as it is known: not less than there are. */
uint64_t pager_memory(const struct pager *p);
