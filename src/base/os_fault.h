/* The hooks that os.c calls around every touch of the outside world. In the release build they are empty and cost
 * nothing; in the test build (meson -Dfaults=true) os_fault.c counts, kills, fails and records there.
 *
 * Private to base/. Names of calls: open read pread write sync size map stat mkdir rename link unlink rmdir folder_sync
 * list lock disk_free listen accept connect receive.
 */
#pragma once

#include "base/os.h"

#ifdef BOURN_FAULTS

/* One call of the seam is about to happen. Answers 0 to go on, or the errno it must fail with. */
int os_fault(const char *call);
/* The same for a write: *n may be made smaller; the write of the smaller piece happens, then fails with the answer. */
int os_fault_write(size_t *n);
/* What the wall clock shall say at `now`. */
int64_t os_fault_clock(int64_t now);

/* How many mutations are recorded so far: taken before a sync, which covers only what was recorded before it began. */
uint64_t os_record_mark(void);
/* A mutation has succeeded. */
void os_record_open(const char *path, enum os_open how, int fd);
void os_record_close(int fd);
void os_record_write(int fd, const void *p, size_t n);
void os_record_sync(int fd, uint64_t mark);
void os_record_path(const char *call, const char *path, const char *to, uint64_t mark);

#else

static inline int os_fault(const char *call) { (void)call; return 0; }
static inline int os_fault_write(size_t *n) { (void)n; return 0; }
static inline int64_t os_fault_clock(int64_t now) { return now; }
static inline uint64_t os_record_mark(void) { return 0; }
static inline void os_record_open(const char *path, enum os_open how, int fd) { (void)path, (void)how, (void)fd; }
static inline void os_record_close(int fd) { (void)fd; }
static inline void os_record_write(int fd, const void *p, size_t n) { (void)fd, (void)p, (void)n; }
static inline void os_record_sync(int fd, uint64_t mark) { (void)fd, (void)mark; }
static inline void os_record_path(const char *call, const char *path, const char *to, uint64_t mark)
{
    (void)call, (void)path, (void)to, (void)mark;
}

#endif
