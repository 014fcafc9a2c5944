/* The part of the seam that is about a mapped file without a name. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/os.h"
#include "base/os_fault.h"
#include "base/page_file.h"

enum { TMPFS = 0x01021994, RAMFS = (int)0x858458f6, LOOK = 512, NAME = 4096 };
enum { MOST_GIB = 8 << 10 }; /* what ext4 can address in one file is twice this */

/* ---- a page that cannot be read ---- */

static struct {
    const char *from, *to;
    char said[NAME];
    size_t len;
    struct sigaction before;
} lost;

/* Nothing that was promised is in the page file: recovery makes it again. */
static void on_lost_page(int number, siginfo_t *info, void *context)
{
    (void)context;
    const char *at = info->si_addr;
    if (at >= lost.from && at < lost.to) {
        ssize_t ignored = write(STDERR_FILENO, lost.said, lost.len);
        (void)ignored;
        _exit(error_exit_code(ERR_IO));
    }
    sigaction(number, &lost.before, NULL); /* somebody else's: it comes again, and goes where it would have gone */
}

static void watch_pages(const struct page_file *f)
{
    int n = snprintf(lost.said, sizeof lost.said,
                     "error: a page of the state's page file in %s cannot be read or written\n"
                     "  hint: look at the disk (dmesg); every finished epoch is in the log, and the next run goes on "
                     "from there\n",
                     f->folder);
    lost.len = MIN((size_t)n, sizeof lost.said - 1);
    lost.from = f->base;
    lost.to = f->base + f->reserved;
    struct sigaction act = {.sa_sigaction = on_lost_page, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &act, &lost.before);
}

/* ---- opening ---- */

static enum status refuse_file_system(const char *folder, const char *why, struct error *err)
{
    (void)error_set(err, ERR_UNSUPPORTED, "state cannot spill to %s: %s", folder, why);
    return error_hint(err, "name a folder on a local disk (ext4, xfs): SET bourn.spill = '/var/lib/bourn/spill'");
}

/* A file that nobody else sees, and that is gone however the process ends. */
static int open_unnamed(const char *folder)
{
    int e = os_fault("page_open");
    if (e) {
        errno = e;
        return -1;
    }
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char path[NAME];
    snprintf(path, sizeof path, "%s/.spill-%ld", folder, (long)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static enum status check_file_system(struct page_file *f, uint64_t *ret_bytes, struct error *err)
{
    struct statfs fs;
    if (fstatfs(f->fd, &fs) != 0)
        return error_errno(err, errno, "cannot look at the file system of %s", f->folder);
    if ((int)fs.f_type == TMPFS || (int)fs.f_type == RAMFS)
        return refuse_file_system(f->folder, "it is memory itself (tmpfs), so nothing would leave memory", err);
    *ret_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
    if (fallocate(f->fd, 0, 0, PAGE_FILE_PAGE) != 0 && errno == EOPNOTSUPP)
        return refuse_file_system(f->folder, "its file system cannot reserve space (fallocate)", err);
    return OK; /* a full disk is seen when there is something to put there */
}

static enum status map_all(struct page_file *f, uint64_t disk_bytes, struct error *err)
{
    uint64_t reserved = MAX(MIN(disk_bytes, (uint64_t)GIB(MOST_GIB)), (uint64_t)GIB(1));
    f->reserved = (size_t)(reserved & ~(uint64_t)(MIB(1) - 1));
    char *base = mmap(NULL, f->reserved, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f->fd, 0);
    if (base == MAP_FAILED)
        return error_errno(err, errno, "cannot map a page file of %zu bytes in %s", f->reserved, f->folder);
    f->base = base;
    (void)madvise(base, f->reserved, MADV_RANDOM); /* neighbours are strangers: one page is read at a time */
    (void)madvise(base, f->reserved, MADV_DONTDUMP);
    return OK;
}

enum status page_file_open(const char *folder, struct page_file *ret, struct error *err)
{
    struct page_file f = {.folder = mem_strdup(folder), .fd = -1, .pagemap = -1};
    uint64_t disk_bytes = 0;
    enum status s = os_mkdirs_private(folder, err);
    if (s == OK && (f.fd = open_unnamed(folder)) < 0)
        s = error_errno(err, errno, "cannot make the state's page file in %s", folder);
    if (s == OK)
        s = check_file_system(&f, &disk_bytes, err);
    if (s == OK)
        s = map_all(&f, disk_bytes, err);
    if (s != OK) {
        page_file_close(&f);
        return s;
    }
    f.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    *ret = f;
    watch_pages(ret);
    return OK;
}

void page_file_close(struct page_file *f)
{
    if (f->base) {
        if (lost.from == f->base) {
            sigaction(SIGBUS, &lost.before, NULL);
            lost.from = lost.to = NULL;
        }
        munmap(f->base, f->reserved);
    }
    if (f->pagemap >= 0)
        close(f->pagemap);
    if (f->fd >= 0)
        close(f->fd);
    free(f->folder);
    *f = (struct page_file){.fd = -1, .pagemap = -1};
}

/* ---- disk ---- */

enum status page_file_back(struct page_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    int e = os_fault("page_back");
    while (!e && fallocate(f->fd, 0, (off_t)offset, (off_t)len) != 0)
        if (errno != EINTR)
            e = errno;
    return e ? error_errno(err, e, "the state's page file in %s cannot grow to %llu bytes", f->folder,
                           (unsigned long long)(offset + len))
             : OK;
}

enum status page_file_punch(struct page_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    int e = os_fault("page_punch");
    if (!e && fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) != 0)
        e = errno;
    return e ? error_errno(err, e, "the state's page file in %s cannot give back disk", f->folder) : OK;
}

enum status page_file_write(struct page_file *f, uint64_t offset, uint64_t len, bool wait, struct error *err)
{
    unsigned how = wait ? SYNC_FILE_RANGE_WAIT_BEFORE : SYNC_FILE_RANGE_WRITE;
    int e = os_fault("page_write");
    if (!e && sync_file_range(f->fd, (off_t)offset, (off_t)len, how) != 0)
        e = errno;
    return e ? error_errno(err, e, "the state's page file in %s cannot be written", f->folder) : OK;
}

/* ---- residency: advice, which the kernel may ignore ---- */

void page_file_unmap(struct page_file *f, uint64_t offset, uint64_t len)
{
    (void)madvise(f->base + offset, len, MADV_DONTNEED);
}

void page_file_drop(struct page_file *f, uint64_t offset, uint64_t len)
{
    (void)posix_fadvise(f->fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
}

void page_file_want(struct page_file *f, uint64_t offset, uint64_t len)
{
    (void)madvise(f->base + offset, len, MADV_WILLNEED);
}

uint64_t page_file_resident(struct page_file *f, uint64_t offset, uint64_t len)
{
    unsigned char there[LOOK];
    uint64_t pages = len / PAGE_FILE_PAGE, sum = 0;
    for (uint64_t done = 0; done < pages;) {
        size_t n = (size_t)MIN(pages - done, (uint64_t)LOOK);
        if (mincore(f->base + offset + done * PAGE_FILE_PAGE, n * PAGE_FILE_PAGE, there) != 0)
            return sum;
        for (size_t i = 0; i < n; i++)
            sum += there[i] & 1;
        done += n;
    }
    return sum;
}

void page_file_mapped(struct page_file *f, uint64_t offset, size_t n, bool *ret)
{
    uint64_t items[LOOK];
    uint64_t first = ((uintptr_t)f->base + offset) / PAGE_FILE_PAGE;
    memset(ret, 0, n * sizeof *ret);
    for (size_t done = 0; f->pagemap >= 0 && done < n;) {
        size_t want = MIN(n - done, (size_t)LOOK);
        ssize_t got = pread(f->pagemap, items, want * sizeof *items, (off_t)((first + done) * sizeof *items));
        if (got <= 0)
            return;
        for (size_t i = 0; i < (size_t)got / sizeof *items; i++)
            ret[done + i] = items[i] >> 63;
        done += (size_t)got / sizeof *items;
    }
}

uint64_t page_file_faults(void)
{
    struct rusage u;
    return getrusage(RUSAGE_THREAD, &u) == 0 ? (uint64_t)u.ru_majflt : 0;
}
