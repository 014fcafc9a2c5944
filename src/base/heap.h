/* The memory of state. Everything that a stateful step keeps from epoch to epoch comes from here, so that it can live
 * on disk: after heap_spill it lies in a page file (page_file.h), of which so much stays in memory as was said there
 * (pager.h); before, and without, it is malloc's.
 *
 *     struct span *s = heap_zalloc(sizeof *s);
 *     heap_free(s);                             // whoever made it, whichever thread frees it
 *
 * There is one heap in a process, as there is one malloc. All functions may be called from any thread, but for
 * heap_spill and heap_end, which no other call may overlap.
 *
 * No allocation fails. Where the disk is full, pieces come from memory instead and heap_check says so; whoever changes
 * state asks it before the epoch is committed.
 */
#pragma once

#include "base/base.h"

extern bool heap_spills; /* read only */

void *heap_spill_alloc(size_t size, size_t alignment, bool zero);
void *heap_spill_realloc(void *old, size_t size);
void heap_spill_free(void *p);
void heap_spill_tend(void);
void heap_spill_want(const void *p);
void heap_spill_want_all(const void *p, size_t size);

/* Not zeroed; at a multiple of 16. */
static inline void *heap_alloc(size_t size)
{
    return unlikely(heap_spills) ? heap_spill_alloc(size, 16, false) : mem_alloc(size);
}
static inline void *heap_zalloc(size_t size)
{
    return unlikely(heap_spills) ? heap_spill_alloc(size, 16, true) : mem_zalloc(size);
}
/* Zeroed, at a multiple of `alignment`, a power of two up to 4096; size is a multiple of it, too. */
void *heap_aligned(size_t alignment, size_t size);
static inline void *heap_realloc(void *old, size_t size)
{
    return unlikely(heap_spills) ? heap_spill_realloc(old, size) : mem_realloc(old, size);
}
void *heap_dup(const void *p, size_t len);
/* Also of what malloc made. NULL is fine. */
void heap_free(void *p);
/* As heap_aligned, for what is small and looked at all the time: stays in memory where state spills, as long as all
 * that is kept is no more than three quarters of what may be in memory. heap_kept_free is told the same size; NULL is
 * fine. */
void *heap_kept(size_t alignment, size_t size);
void heap_kept_free(void *p, size_t size);

/* ---- on disk ---- */

/* From now on pieces lie in a page file in this folder, `memory` bytes of which stay in memory. Pieces made before stay
 * where they are. */
enum status heap_spill(const char *folder, uint64_t memory, struct error *err);
/* Every piece must have been freed, or is not touched any more. */
void heap_end(void);
/* The first thing that went wrong with the page file since heap_spill, or OK. */
enum status heap_check(struct error *err);
/* Called again and again while much state is touched, between pieces of work: what is too much leaves memory. */
static inline void heap_tend(void)
{
    if (unlikely(heap_spills))
        heap_spill_tend();
}
/* What lies here will be touched soon: begin to read it. For many at once, before the first is touched. */
static inline void heap_want(const void *p)
{
    if (unlikely(heap_spills))
        heap_spill_want(p);
}

/* All of a piece, or so much of it from here on, will be. */
static inline void heap_want_all(const void *p, size_t size)
{
    if (unlikely(heap_spills))
        heap_spill_want_all(p, size);
}

struct heap_status {
    uint64_t disk;   /* bytes that the page file takes; 0: nothing spills */
    uint64_t memory; /* of these, in memory, and what is kept beside; at most about */
    uint64_t limit;  /* of these */
};
void heap_status(struct heap_status *ret);
