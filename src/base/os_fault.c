#include "base/os_fault.h"

#ifdef BOURN_FAULTS

int os_fault(const char *call) { (void)call; return 0; }
int os_fault_write(size_t *n) { (void)n; return 0; }
int64_t os_fault_clock(void) { return 0; }
uint64_t os_record_mark(void) { return 0; }
void os_record_open(const char *path, enum os_open how, int fd) { (void)path, (void)how, (void)fd; }
void os_record_close(int fd) { (void)fd; }
void os_record_write(int fd, const void *p, size_t n) { (void)fd, (void)p, (void)n; }
void os_record_sync(int fd, uint64_t mark) { (void)fd, (void)mark; }
void os_record_path(const char *call, const char *path, const char *to, uint64_t mark)
{
    (void)call, (void)path, (void)to, (void)mark;
}
bool os_planted_bug(const char *name) { (void)name; return false; }
void os_test_point(const char *name) { (void)name; }

#endif
