#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/os_fault.h"

enum { PATH_LIMIT = 4096 };

/* What to call an open file in a message. */
static const char *fd_name(int fd, char out[static PATH_LIMIT])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_LIMIT - 1);
    if (n < 0)
        return "a file";
    out[n] = 0;
    return out;
}

static enum status fd_failed(int fd, int saved_errno, const char *verb, struct error *err)
{
    char name[PATH_LIMIT];
    return error_errno(err, saved_errno, "cannot %s %s", verb, fd_name(fd, name));
}

/* ---- files ---- */

enum status os_file_open(const char *path, enum os_open how, int *ret_fd, struct error *err)
{
    static const int flags[] = {
        [OS_READ] = O_RDONLY,
        [OS_CREATE_NEW] = O_WRONLY | O_CREAT | O_EXCL,
        [OS_REPLACE] = O_WRONLY | O_CREAT | O_TRUNC,
        [OS_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    };
    int fd = -1, e = os_fault("open");
    if (!e) {
        do
            fd = open(path, flags[how] | O_CLOEXEC, 0666);
        while (fd < 0 && errno == EINTR);
        e = fd < 0 ? errno : 0;
    }
    if (e)
        return error_errno(err, e, "cannot %s %s", how == OS_READ ? "open" : "open for writing", path);
    if (how != OS_READ)
        os_record_open(path, how, fd);
    *ret_fd = fd;
    return OK;
}

void os_file_close(int fd)
{
    os_record_close(fd);
    close(fd); /* not retried on EINTR: Linux has released the number either way */
}

enum status os_file_read(int fd, void *p, size_t n, size_t *ret, struct error *err)
{
    int e = os_fault("read");
    ssize_t got = -1;
    if (!e) {
        do
            got = read(fd, p, n);
        while (got < 0 && errno == EINTR);
        e = got < 0 ? errno : 0;
    }
    if (e)
        return fd_failed(fd, e, "read", err);
    *ret = (size_t)got;
    return OK;
}

enum status os_file_pread(int fd, void *p, size_t n, uint64_t offset, struct error *err)
{
    int e = os_fault("pread");
    if (!e && (offset > INT64_MAX || n > INT64_MAX - offset))
        e = EOVERFLOW;
    for (size_t done = 0; !e && done < n;) {
        ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(offset + done));
        if (got == 0) {
            char name[PATH_LIMIT];
            return error_set(err, ERR_CORRUPT, "%s ends at byte %llu, %zu bytes at %llu were expected",
                             fd_name(fd, name), (unsigned long long)(offset + done), n, (unsigned long long)offset);
        }
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            e = errno;
    }
    return e ? fd_failed(fd, e, "read", err) : OK;
}

enum status os_file_write(int fd, const void *p, size_t n, struct error *err)
{
    size_t want = n;
    int injected = os_fault_write(&want), e = 0;
    size_t done = 0;
    while (done < want && !e) {
        ssize_t put = write(fd, (const char *)p + done, want - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            e = errno;
    }
    if (done)
        os_record_write(fd, p, done);
    e = e ? e : injected;
    return e ? fd_failed(fd, e, "write", err) : OK;
}

void os_file_write_behind(int fd, uint64_t offset, uint64_t n)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

enum status os_file_sync(int fd, struct error *err)
{
    uint64_t mark = os_record_mark();
    int e = os_fault("sync");
    if (!e && !os_planted_bug("no-sync") && fsync(fd) != 0)
        e = errno;
    if (e)
        return fd_failed(fd, e, "make durable", err);
    if (!os_planted_bug("no-sync"))
        os_record_sync(fd, mark);
    return OK;
}

enum status os_file_size(int fd, uint64_t *ret, struct error *err)
{
    struct stat st;
    int e = os_fault("size");
    if (!e && fstat(fd, &st) != 0)
        e = errno;
    if (e)
        return fd_failed(fd, e, "read the size of", err);
    *ret = (uint64_t)st.st_size;
    return OK;
}

enum status os_file_slurp(const char *path, struct buf *into, struct error *err)
{
    AUTO_FD fd = -1;
    uint64_t size = 0;
    TRY(os_file_open(path, OS_READ, &fd, err));
    TRY(os_file_size(fd, &size, err));
    /* Files that do not know their size (pipes, /proc) say 0; files may grow meanwhile: so read until the end. */
    for (size_t piece = (size_t)size + 1;; piece = KIB(64)) {
        size_t room = into->max - MIN(into->len, into->max), got = 0;
        char beyond, *at = room ? buf_reserve(into, MIN(piece, room)) : &beyond;
        TRY(os_file_read(fd, at, room ? MIN(piece, room) : 1, &got, err));
        if (got == 0)
            return OK;
        if (!room)
            return error_set(err, ERR_LIMIT, "%s is larger than the %zu bytes allowed for it", path, into->max);
        into->len += got;
    }
}

enum status os_file_map(const char *path, struct slice *ret, struct error *err)
{
    AUTO_FD fd = -1;
    uint64_t size = 0;
    TRY(os_file_open(path, OS_READ, &fd, err));
    TRY(os_file_size(fd, &size, err));
    if (size == 0) {
        *ret = (struct slice){0};
        return OK;
    }
    int e = os_fault("map");
    void *p = e ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return error_errno(err, e ? e : errno, "cannot map %s", path);
    *ret = (struct slice){p, (size_t)size};
    return OK;
}

void os_unmap(struct slice mapped)
{
    if (mapped.data)
        munmap((void *)(uintptr_t)mapped.data, mapped.len);
}

/* ---- memory ---- */

enum { PAGE = 4096, HUGE_PAGE = 2 << 20 };

static char *round_up(char *p, size_t to) { return (char *)(((uintptr_t)p + to - 1) & ~(uintptr_t)(to - 1)); }

void *os_pages_map(size_t size)
{
    char *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        mem_exhausted(size);
    char *p = round_up(all, HUGE_PAGE), *end = round_up(p + size, PAGE);
    if (p > all)
        munmap(all, (size_t)(p - all));
    if (all + size + HUGE_PAGE > end)
        munmap(end, (size_t)(all + size + HUGE_PAGE - end));
    (void)madvise(p, size, MADV_HUGEPAGE); /* a kernel without them does without */
    return p;
}

void os_pages_unmap(void *p, size_t size) { munmap(p, size); }

void os_pages_fetch(void *p, size_t size) { (void)madvise(p, size, MADV_POPULATE_WRITE); }

/* ---- names ---- */

enum status os_stat(const char *path, struct os_stat *ret, struct error *err)
{
    struct stat st;
    int e = os_fault("stat");
    if (!e && stat(path, &st) != 0)
        e = errno;
    if (e == ENOENT || e == ENOTDIR) {
        *ret = (struct os_stat){.kind = OS_MISSING};
        return OK;
    }
    if (e)
        return error_errno(err, e, "cannot look at %s", path);
    *ret = (struct os_stat){
        .kind = S_ISREG(st.st_mode) ? OS_FILE : S_ISDIR(st.st_mode) ? OS_FOLDER : OS_OTHER,
        .pipe = S_ISFIFO(st.st_mode),
        .size = (uint64_t)st.st_size,
        .modified_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000,
        .inode = st.st_ino,
        .device = st.st_dev,
    };
    return OK;
}

static enum status make_folder(const char *path, mode_t mode, struct error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return OK;
    int e = os_fault("mkdir");
    if (!e && mkdir(path, mode) != 0)
        e = errno;
    if (e == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return OK; /* somebody else made it meanwhile */
    if (e)
        return error_errno(err, e == EEXIST ? ENOTDIR : e, "cannot create the folder %s", path);
    os_record_path("mkdir", path, NULL, 0);
    return OK;
}

static enum status make_folders(const char *path, mode_t last, struct error *err)
{
    char part[PATH_LIMIT];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return error_errno(err, ENAMETOOLONG, "cannot create the folder %.80s...", path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        TRY(make_folder(part, path[i] ? 0777 : last, err));
    }
    return OK;
}

enum status os_mkdirs(const char *path, struct error *err)
{
    return make_folders(path, 0777, err);
}

enum status os_mkdirs_private(const char *path, struct error *err)
{
    return make_folders(path, 0700, err);
}

enum status os_rename(const char *from, const char *to, struct error *err)
{
    int e = os_fault("rename");
    if (!e && rename(from, to) != 0)
        e = errno;
    if (e)
        return error_errno(err, e, "cannot rename %s to %s", from, to);
    os_record_path("rename", from, to, 0);
    return OK;
}

enum status os_link(const char *from, const char *to, struct error *err)
{
    int e = os_fault("link");
    if (!e && link(from, to) != 0)
        e = errno;
    if (e)
        return error_errno(err, e, "cannot link %s to %s", from, to);
    os_record_path("link", from, to, 0);
    return OK;
}

enum status os_unlink(const char *path, struct error *err)
{
    int e = os_fault("unlink");
    if (!e && unlink(path) != 0)
        e = errno;
    if (e == ENOENT)
        return OK;
    if (e)
        return error_errno(err, e, "cannot remove %s", path);
    os_record_path("unlink", path, NULL, 0);
    return OK;
}

enum status os_rmdir(const char *path, struct error *err)
{
    int e = os_fault("rmdir");
    if (!e && rmdir(path) != 0)
        e = errno;
    if (e)
        return error_errno(err, e, "cannot remove the folder %s", path);
    os_record_path("rmdir", path, NULL, 0);
    return OK;
}

enum status os_folder_sync(const char *path, struct error *err)
{
    uint64_t mark = os_record_mark();
    int e = os_fault("folder_sync");
    if (!e) {
        AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || (!os_planted_bug("no-folder-sync") && fsync(fd) != 0))
            e = errno;
    }
    if (e)
        return error_errno(err, e, "cannot make the folder %s durable", path);
    if (!os_planted_bug("no-folder-sync"))
        os_record_path("folder_sync", path, NULL, mark);
    return OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **at;
    size_t len, cap;
};

static void names_autofree(struct names *n)
{
    for (size_t i = 0; i < n->len; i++)
        free(n->at[i]);
    free(n->at);
}

static int read_names(const char *path, struct names *names)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno;
    for (struct dirent *d; errno = 0, (d = readdir(folder));) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (names->len == names->cap) {
            names->cap = names->cap ? names->cap * 2 : 64;
            names->at = mem_realloc(names->at, names->cap * sizeof *names->at);
        }
        names->at[names->len++] = mem_strdup(d->d_name);
    }
    int e = errno;
    closedir(folder);
    if (names->len)
        qsort(names->at, names->len, sizeof *names->at, by_bytes);
    return e;
}

enum status os_folder_list(const char *path, enum status (*visit)(void *arg, const char *name, struct error *err),
                           void *arg, struct error *err)
{
    AUTO(names) names = {0};
    int e = os_fault("list");
    if (!e)
        e = read_names(path, &names);
    if (e)
        return error_errno(err, e, "cannot list the folder %s", path);
    for (size_t i = 0; i < names.len; i++)
        TRY(visit(arg, names.at[i], err));
    return OK;
}

enum status os_file_lock(int fd, struct error *err)
{
    int e = os_fault("lock");
    if (!e && flock(fd, LOCK_EX | LOCK_NB) != 0)
        e = errno;
    if (e == EWOULDBLOCK)
        return AGAIN;
    return e ? fd_failed(fd, e, "lock", err) : OK;
}

enum status os_disk_free(const char *path, uint64_t *ret, struct error *err)
{
    struct statvfs fs;
    int e = os_fault("disk_free");
    if (!e && statvfs(path, &fs) != 0)
        e = errno;
    if (e)
        return error_errno(err, e, "cannot read the free space at %s", path);
    *ret = (uint64_t)fs.f_bavail * fs.f_frsize;
    return OK;
}
