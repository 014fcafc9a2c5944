/* A page file: memory that may lie on disk. A file without a name, mapped whole: what is not in use is dropped from
 * memory and read again by whoever touches it. Its contents end with the process. Offsets and lengths are multiples of
 * PAGE_FILE_PAGE; all functions may be called from any thread. heap.c gives the memory out, pager.c decides what stays.
 */
#pragma once

#include "base/base.h"

enum { PAGE_FILE_PAGE = 4096 };

struct page_file {
    char *base;    /* `reserved` bytes of address space; only what page_file_back has backed may be touched */
    size_t reserved;
    int fd;
    int pagemap;   /* -1: the kernel does not show it */
    char *folder;
};

/* In the folder, which is made if it is missing. Refused where pages cannot leave memory (tmpfs) or space cannot be
 * reserved. One at a time in a process: a page that cannot be read (SIGBUS) ends it, saying why. */
enum status page_file_open(const char *folder, struct page_file *ret, struct error *err);
/* Nothing of it may be touched any more. */
void page_file_close(struct page_file *f);
/* Reserve disk for these bytes, so that no write to them fails for want of space. What was never written is zero. */
enum status page_file_back(struct page_file *f, uint64_t offset, uint64_t len, struct error *err);
/* Give the disk of these bytes back; they must be backed again before they are touched, and are zero then. */
enum status page_file_punch(struct page_file *f, uint64_t offset, uint64_t len, struct error *err);
/* Take the pages out of the process's page tables; they stay in the cache. */
void page_file_unmap(struct page_file *f, uint64_t offset, uint64_t len);
/* Begin to write the pages that have changed; wait: for what is being written. */
enum status page_file_write(struct page_file *f, uint64_t offset, uint64_t len, bool wait, struct error *err);
/* Drop pages that are neither changed nor in a page table from the cache. */
void page_file_drop(struct page_file *f, uint64_t offset, uint64_t len);
/* Begin to read the pages. */
void page_file_want(struct page_file *f, uint64_t offset, uint64_t len);
/* How many of the pages are in memory, in page tables or only in the cache. */
uint64_t page_file_resident(struct page_file *f, uint64_t offset, uint64_t len);
/* For each of n pages from an offset on: is it in the process's page tables? Where the kernel does not say: none is. */
void page_file_mapped(struct page_file *f, uint64_t offset, size_t n, bool *ret);
/* Pages that the calling thread had to have brought into memory since it began. */
uint64_t page_file_faults(void);
