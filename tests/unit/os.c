/* The seam over the real operating system: files, folders, clock, random, threads. (Injected faults: fault.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"

static char folder[] = "/tmp/bourn-os-XXXXXX";

static void write_file(const char *name, const char *text)
{
    struct error err;
    int fd;
    assert_int_equal(os_file_open(name, OS_REPLACE, &fd, &err), OK);
    assert_int_equal(os_file_write(fd, text, strlen(text), &err), OK);
    assert_int_equal(os_file_sync(fd, &err), OK);
    os_file_close(fd);
}

static void assert_contents(const char *name, const char *want)
{
    AUTO(buf) got = BUF(KIB(64));
    struct error err;
    assert_int_equal(os_file_slurp(name, &got, &err), OK);
    assert_true(slice_is(buf_slice(&got), want));
}

static void test_ways_to_open(void **unused)
{
    (void)unused;
    struct error err;
    int fd = 77;
    assert_int_equal(os_file_open("missing", OS_READ, &fd, &err), FAILED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing"));
    assert_int_equal(fd, 77);
    write_file("ways", "one");
    assert_int_equal(os_file_open("ways", OS_CREATE_NEW, &fd, &err), FAILED);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(os_file_open("ways", OS_APPEND, &fd, &err), OK);
    assert_int_equal(os_file_write(fd, " two", 4, &err), OK);
    os_file_close(fd);
    assert_contents("ways", "one two");
    write_file("ways", "3");
    assert_contents("ways", "3");
}

static void test_reading(void **unused)
{
    (void)unused;
    struct error err;
    char bytes[16];
    size_t n;
    uint64_t size;
    write_file("read me", "0123456789");
    {
        AUTO_FD fd = -1;
        assert_int_equal(os_file_open("read me", OS_READ, &fd, &err), OK);
        assert_int_equal(os_file_size(fd, &size, &err), OK);
        assert_int_equal(size, 10);
        assert_int_equal(os_file_pread(fd, bytes, 4, 6, &err), OK);
        assert_memory_equal(bytes, "6789", 4);
        assert_int_equal(os_file_pread(fd, bytes, 5, 6, &err), FAILED);
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "read me"));
        assert_int_equal(os_file_pread(fd, bytes, 1, UINT64_MAX, &err), FAILED);
        assert_int_equal(os_file_read(fd, bytes, 16, &n, &err), OK);
        assert_int_equal(n, 10);
        assert_int_equal(os_file_read(fd, bytes, 16, &n, &err), OK);
        assert_int_equal(n, 0);
    }
    AUTO(buf) exact = BUF(10), small = BUF(9), appended = BUF(64);
    assert_int_equal(os_file_slurp("read me", &exact, &err), OK);
    assert_int_equal(exact.len, 10);
    assert_int_equal(os_file_slurp("read me", &small, &err), FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    buf_puts(&appended, "> ");
    assert_int_equal(os_file_slurp("read me", &appended, &err), OK);
    assert_true(slice_is(buf_slice(&appended), "> 0123456789"));
    AUTO(buf) endless = BUF(KIB(64)); /* files of /proc say that they have 0 bytes */
    assert_int_equal(os_file_slurp("/proc/self/status", &endless, &err), OK);
    assert_true(endless.len > 100);
}

static void test_mapping(void **unused)
{
    (void)unused;
    struct error err;
    struct slice mapped;
    write_file("map", "mapped");
    write_file("empty", "");
    assert_int_equal(os_file_map("map", &mapped, &err), OK);
    assert_true(slice_is(mapped, "mapped"));
    os_unmap(mapped);
    assert_int_equal(os_file_map("empty", &mapped, &err), OK);
    assert_null(mapped.data);
    os_unmap(mapped);
    assert_int_equal(os_file_map("missing", &mapped, &err), FAILED);
}

static void test_names(void **unused)
{
    (void)unused;
    struct error err;
    struct os_stat st;
    write_file("from", "x");
    assert_int_equal(os_link("from", "linked", &err), OK);
    assert_int_equal(os_link("from", "linked", &err), FAILED);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(os_rename("from", "to", &err), OK);
    assert_int_equal(os_stat("from", &st, &err), OK);
    assert_int_equal(st.kind, OS_MISSING);
    assert_int_equal(os_stat("to/below a file", &st, &err), OK);
    assert_int_equal(st.kind, OS_MISSING);
    assert_int_equal(os_stat("to", &st, &err), OK);
    assert_int_equal(st.kind, OS_FILE);
    assert_int_equal(st.size, 1);
    assert_true(llabs(st.modified_us - os_now_us()) < 60 * 1000000LL);
    uint64_t inode = st.inode;
    assert_int_equal(os_stat("linked", &st, &err), OK);
    assert_true(st.inode == inode);
    assert_int_equal(os_unlink("to", &err), OK);
    assert_int_equal(os_unlink("to", &err), OK);
    assert_int_equal(os_rename("to", "elsewhere", &err), FAILED);
    assert_non_null(strstr(err.text, "elsewhere"));
}

struct seen {
    char names[256];
    int stop_after;
};

static enum status see(void *arg, const char *name, struct error *err)
{
    struct seen *s = arg;
    strcat(strcat(s->names, name), " ");
    return --s->stop_after == 0 ? error_set(err, ERR_INTERRUPTED, "enough") : OK;
}

static void test_folders(void **unused)
{
    (void)unused;
    struct error err;
    struct os_stat st;
    assert_int_equal(os_mkdirs("deep/er/est", &err), OK);
    assert_int_equal(os_mkdirs("deep/er/est/", &err), OK);
    assert_int_equal(os_stat("deep/er/est", &st, &err), OK);
    assert_int_equal(st.kind, OS_FOLDER);
    write_file("deep/file", "");
    assert_int_equal(os_mkdirs("deep/file/x", &err), FAILED);
    write_file("deep/b", "");
    write_file("deep/a", "");
    write_file("deep/B", "");
    write_file("deep/\xc3\xbc", "");
    struct seen all = {0}, some = {.stop_after = 2};
    assert_int_equal(os_folder_list("deep", see, &all, &err), OK);
    assert_string_equal(all.names, "B a b er file \xc3\xbc "); /* bytewise */
    assert_int_equal(os_folder_list("deep", see, &some, &err), FAILED);
    assert_int_equal(err.code, ERR_INTERRUPTED);
    assert_string_equal(some.names, "B a ");
    assert_int_equal(os_folder_list("nowhere", see, &all, &err), FAILED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(os_folder_sync("deep", &err), OK);
    assert_int_equal(os_folder_sync("deep/a", &err), FAILED);
    assert_int_equal(os_rmdir("deep", &err), FAILED);
    assert_int_equal(os_rmdir("deep/er/est", &err), OK);
}

static void test_a_lock_has_one_holder(void **unused)
{
    (void)unused;
    struct error err;
    write_file("lock", "");
    int first, second;
    assert_int_equal(os_file_open("lock", OS_APPEND, &first, &err), OK);
    assert_int_equal(os_file_open("lock", OS_APPEND, &second, &err), OK);
    assert_int_equal(os_file_lock(first, &err), OK);
    assert_int_equal(os_file_lock(second, &err), AGAIN);
    os_file_close(first);
    assert_int_equal(os_file_lock(second, &err), OK);
    os_file_close(second);
}

static void test_clock_random_memory(void **unused)
{
    (void)unused;
    int64_t start = os_mono_us();
    assert_true(llabs(os_now_us() / 1000000 - (int64_t)time(NULL)) < 5);
    os_sleep_us(20000);
    assert_true(os_mono_us() - start >= 20000);
    os_sleep_us(-1);
    assert_true(os_cpu_us() > 0);
    char a[37], b[37];
    os_uuid(a);
    os_uuid(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(a[14], '4'); /* RFC 4122: version 4, variant 10 */
    assert_non_null(strchr("89ab", a[19]));
    assert_true(os_memory_resident() > KIB(100));
    assert_true(os_memory_peak() >= os_memory_resident() / 2);
    assert_true(os_cpu_count() >= 1);
    uint64_t bytes;
    struct error err;
    assert_int_equal(os_disk_free(".", &bytes, &err), OK);
    assert_int_equal(os_disk_free("nowhere", &bytes, &err), FAILED);
    assert_non_null(os_env("PATH"));
    assert_null(os_env("BOURN_SURELY_NOT_SET"));
}

static void *add_one(void *arg)
{
    ++*(int *)arg;
    return NULL;
}

static void test_threads(void **unused)
{
    (void)unused;
    struct os_thread t;
    int n = 0;
    os_thread_start(&t, add_one, &n, "a name longer than the kernel takes");
    os_thread_join(&t);
    assert_int_equal(n, 1);
}

static void *name_a_culprit(void *arg)
{
    *(const char **)arg = os_crash_culprit("a function");
    return (void *)os_crash_culprit(NULL);
}

/* A thread that ran code of others ends like any: also where a sanitizer has given it a stack for signals. */
static void test_threads_with_a_culprit(void **unused)
{
    (void)unused;
    const char *before = "";
    for (int i = 0; i < 2; i++) {
        struct os_thread t;
        os_thread_start(&t, name_a_culprit, &before, "culprit");
        os_thread_join(&t);
        assert_null(before);
    }
}

static int enter_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **unused)
{
    (void)unused;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_to_open),          cmocka_unit_test(test_reading),
        cmocka_unit_test(test_mapping),               cmocka_unit_test(test_names),
        cmocka_unit_test(test_folders),               cmocka_unit_test(test_a_lock_has_one_holder),
        cmocka_unit_test(test_clock_random_memory),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_with_a_culprit),
    };
    return cmocka_run_group_tests_name("os", tests, enter_folder, remove_folder);
}
