/* The one seam between bourn and the operating system: files, folders, clock, random bytes, threads, signals.
 *
 * Nothing above base/ calls libc for these (tests/style checks it), so that the test build can, at any call: count it,
 * kill the process before it, fail it once or for ever (EIO, ENOSPC, short write), and record it so that the states a
 * power loss would leave can be built. See os_fault.c; in the release build the seam costs nothing.
 *
 * Paths are absolute or relative to the working folder, UTF-8, below 4096 bytes. Times are microseconds since
 * 1970-01-01 UTC unless a name says otherwise. All functions may be called from any thread.
 */
#pragma once

#include <pthread.h>

#include "base/buf.h"

/* ---- files ---- */

enum os_open { OS_READ, OS_CREATE_NEW /* fails if it exists */, OS_REPLACE /* created or emptied */, OS_APPEND };

enum status os_file_open(const char *path, enum os_open how, int *ret_fd, struct error *err);
void os_file_close(int fd);
static inline void os_fd_autoclose(int *fd) { if (*fd >= 0) os_file_close(*fd); }
#define AUTO_FD [[gnu::cleanup(os_fd_autoclose)]] int
/* Up to n bytes into p; *ret = 0 at the end of the file. */
enum status os_file_read(int fd, void *p, size_t n, size_t *ret, struct error *err);
/* Exactly n bytes at offset, else FAILED (ERR_CORRUPT when the file is shorter). */
enum status os_file_pread(int fd, void *p, size_t n, uint64_t offset, struct error *err);
/* All n bytes, or FAILED. */
enum status os_file_write(int fd, const void *p, size_t n, struct error *err);
/* The disk may begin with these bytes, so that little is left to wait for in os_file_sync, which says how it went. */
void os_file_write_behind(int fd, uint64_t offset, uint64_t n);
/* Once this has failed the file's contents are unknown: never call it again on that file; stop and recover. */
enum status os_file_sync(int fd, struct error *err);
enum status os_file_size(int fd, uint64_t *ret, struct error *err);
/* A whole file of at most `max` bytes, appended to *into. */
enum status os_file_slurp(const char *path, struct buf *into, struct error *err);
/* A named pipe, for reading; does not wait for a writer. "-": standard input, whatever it is. */
enum status os_pipe_open(const char *path, int *ret_fd, struct error *err);
/* Up to n bytes that are there now. AGAIN: none; *ret = 0: every writer has closed it. */
enum status os_pipe_read(int fd, void *p, size_t n, size_t *ret, struct error *err);
/* Standard input stays open. */
void os_pipe_close(int fd);
/* Map a whole file for reading; *ret.data is NULL for an empty file. os_unmap takes what it returned. */
enum status os_file_map(const char *path, struct slice *ret, struct error *err);
void os_unmap(struct slice mapped);

/* Zeroed memory, at a huge page's start, which the kernel is asked to back with huge pages. Aborts when the machine has
 * none left. */
void *os_pages_map(size_t size);
void os_pages_unmap(void *p, size_t size);
/* Have memory of os_pages_map that was not touched yet backed now. A kernel without that does it when it is touched. */
void os_pages_fetch(void *p, size_t size);

enum os_kind { OS_MISSING, OS_FILE, OS_FOLDER, OS_OTHER };
struct os_stat {
    enum os_kind kind;
    bool pipe; /* OS_OTHER: a named pipe */
    uint64_t size;
    int64_t modified_us;
    uint64_t inode, device;
};
/* A missing path is OK with kind OS_MISSING. Follows links. */
enum status os_stat(const char *path, struct os_stat *ret, struct error *err);
/* mkdir -p. */
enum status os_mkdirs(const char *path, struct error *err);
/* The same; the last folder, where it is new, is for its owner alone (mode 0700). */
enum status os_mkdirs_private(const char *path, struct error *err);
enum status os_rename(const char *from, const char *to, struct error *err);
/* Hard link: the atomic "create whole, fail if it exists". ERR_EXISTS = somebody else won. */
enum status os_link(const char *from, const char *to, struct error *err);
/* A missing file is OK. */
enum status os_unlink(const char *path, struct error *err);
enum status os_rmdir(const char *path, struct error *err);
/* Make renames, links and unlinks in the folder durable. */
enum status os_folder_sync(const char *path, struct error *err);
/* Call visit for each name in the folder except . and .., sorted bytewise; visit may stop by returning non-OK, which is
 * passed on. */
enum status os_folder_list(const char *path, enum status (*visit)(void *arg, const char *name, struct error *err),
                           void *arg, struct error *err);
/* An exclusive advisory lock on an open file, held until it is closed or the process ends. AGAIN = somebody has it. */
enum status os_file_lock(int fd, struct error *err);
/* Bytes free to us on the file system of path. */
enum status os_disk_free(const char *path, uint64_t *ret, struct error *err);

/* ---- clock, random, environment ---- */

int64_t os_now_us(void);  /* wall clock; may jump */
int64_t os_mono_us(void); /* monotonic */
int64_t os_cpu_us(void);  /* processor time of the whole process */
void os_sleep_us(int64_t us);
/* What waits in a loop, for what comes soon, gives its processor time to the other half. */
static inline void os_pause(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}
void os_random(void *p, size_t n);
/* A version 4 UUID as 36 characters and a NUL. */
void os_uuid(char ret[static 37]);
/* NULL if unset. The pointer lives until the process ends. */
const char *os_env(const char *name);
/* The i-th variable, NAME=value; NULL behind the last, past which nobody may ask. */
const char *os_env_at(size_t i);
/* Set a variable that is not set yet. Before threads are started. */
void os_env_default(const char *name, const char *value);
uint64_t os_memory_resident(void); /* bytes of RSS */
uint64_t os_memory_peak(void);
int os_cpu_count(void); /* that this process may run on, by affinity and its container's quota; at least 1 */

/* ---- sockets between processes of one user ---- */

/* Listen at a path (an old socket there is replaced), mode 0600. The path may be longer than a socket's name may be. */
enum status os_local_listen(const char *path, int *ret_fd, struct error *err);
/* The next client, waiting at most timeout_us. AGAIN: none came. */
enum status os_local_accept(int fd, int64_t timeout_us, int *ret_fd, struct error *err);
/* ERR_NOT_FOUND: nobody listens there. */
enum status os_local_connect(const char *path, int *ret_fd, struct error *err);
/* Up to n bytes, waiting at most timeout_us; *ret = 0 at the end. AGAIN: the time is over. Sockets are written with
 * os_file_write and closed with os_file_close. */
enum status os_socket_read(int fd, void *p, size_t n, int64_t timeout_us, size_t *ret, struct error *err);

/* ---- threads: pthreads behind names the checker can find ---- */

struct os_thread { pthread_t id; };
void os_thread_start(struct os_thread *t, void *(*run)(void *), void *arg, const char *name);
void os_thread_join(struct os_thread *t);
/* Wait for a signal, at most timeout_us of monotonic time (negative: for ever). false: the time is over. */
bool os_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t timeout_us);

/* ---- code of others: shared objects ---- */

/* May code be taken from this file? FAILED ERR_USAGE: it or a folder on the way to it could be changed by somebody who
 * is neither root nor this process' user: it is another's, or writable by everybody (a folder with the sticky bit may
 * be, if it is not the file's own). */
enum status os_code_trusted(const char *path, struct error *err);
/* Load a shared object that has been read into memory: what runs is what was read, whatever becomes of the file. Its
 * initialisers run here. It stays for as long as the process. name: for messages. */
enum status os_code_load(const char *name, struct slice bytes, void **ret_handle, struct error *err);
/* NULL: no such symbol. */
const void *os_code_symbol(void *handle, const char *symbol);
/* From here on a crash of the process says first what its thread was in: see os_crash_culprit. */
void os_crash_watch(void);
/* Whose code this thread runs from here on, NULL: ours. Answers what it was before. */
const char *os_crash_culprit(const char *culprit);

/* ---- the test build's switches (compiled to 0 in release) ---- */

#ifdef BOURN_FAULTS
/* Is the planted bug `name` switched on (environment BOURN_BUG)? tests/crash/bugs.tsv lists them. */
bool os_planted_bug(const char *name);
/* A named point in the program where tests may kill or stop the process (environment BOURN_STOP_AT). */
void os_test_point(const char *name);
#else
static inline bool os_planted_bug(const char *name) { (void)name; return false; }
static inline void os_test_point(const char *name) { (void)name; }
#endif
