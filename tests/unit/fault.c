/* The test build's seam itself: what it injects happens, at the call it names, and what it records is what was done.
 * Every case runs in a child of its own, since the switches are read once per process. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"

static char folder[] = "/tmp/bourn-fault-XXXXXX";

/* What every child does unless its test says otherwise: 7 calls of the seam. */
static int write_one_file(void)
{
    struct error err;
    int fd;
    if (os_file_open("temp", OS_CREATE_NEW, &fd, &err) != OK || /* 1 */
        os_file_write(fd, "12345678", 8, &err) != OK ||          /* 2 */
        os_file_write(fd, "9", 1, &err) != OK ||                 /* 3 */
        os_file_sync(fd, &err) != OK)                            /* 4 */
        return (int)err.code;
    os_file_close(fd);
    if (os_rename("temp", "done", &err) != OK || /* 5 */
        os_folder_sync(".", &err) != OK ||       /* 6 */
        os_unlink("done", &err) != OK)           /* 7 */
        return (int)err.code;
    return 0;
}

/* The child's wait status; switches are "NAME=VALUE". Runs in an empty folder, which stays for the test to look at. */
static int run_child(int (*body)(void), const char *first, ...)
{
    pid_t child = fork();
    if (child == 0) {
        const char *variable = first;
        va_list more;
        va_start(more, first);
        for (; variable; variable = va_arg(more, const char *))
            putenv(strdup(variable));
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        fclose(stderr);
        if (chdir(folder) != 0 || system("rm -rf ./*") != 0)
            _exit(99);
        _exit(body());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool exists(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static long size_of(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static size_t read_whole(const char *name, char *out, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    fclose(f);
    return n;
}

static void test_counts_survive_any_end(void **unused)
{
    (void)unused;
    char text[2048];
    static const char *const kill_at[] = {"BOURN_FAULT=", "BOURN_FAULT=kill:7"};
    for (int i = 0; i < 2; i++) {
        int status = run_child(write_one_file, kill_at[i], "BOURN_FAULT_COUNT=counts", NULL);
        assert_int_equal(i ? WIFSIGNALED(status) : WIFEXITED(status), 1);
        read_whole("counts", text, sizeof text);
        unsigned long total, writes, unlinks;
        assert_int_equal(sscanf(text, "total %lu", &total), 1);
        assert_int_equal(sscanf(strstr(text, "\nwrite "), " write %lu", &writes), 1);
        assert_int_equal(sscanf(strstr(text, "\nunlink "), " unlink %lu", &unlinks), 1);
        assert_int_equal(total, 7);
        assert_int_equal(writes, 2);
        assert_int_equal(unlinks, 1);
    }
}

static void test_kill_comes_before_the_call(void **unused)
{
    (void)unused;
    static const struct {
        const char *rule;
        bool temp, done;
        long size;
    } cases[] = {
        {"BOURN_FAULT=kill:1", false, false, -1}, {"BOURN_FAULT=kill:2", true, false, 0},
        {"BOURN_FAULT=kill:3", true, false, 8},   {"BOURN_FAULT=kill:write:2", true, false, 8},
        {"BOURN_FAULT=kill:5", true, false, 9},   {"BOURN_FAULT=kill:folder_sync:1", false, true, -1},
        {"BOURN_FAULT=kill:7", false, true, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = run_child(write_one_file, cases[i].rule, NULL);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(exists("temp"), cases[i].temp);
        assert_int_equal(exists("done"), cases[i].done);
        assert_int_equal(size_of("temp"), cases[i].size);
    }
    assert_int_equal(run_child(write_one_file, "BOURN_FAULT=kill:8", NULL), 0);
}

static void test_a_call_fails_as_told(void **unused)
{
    (void)unused;
    static const struct {
        const char *rule;
        enum error_code code;
        long size; /* of temp */
    } cases[] = {
        {"BOURN_FAULT=fail:1", ERR_IO, -1},           {"BOURN_FAULT=fail:1:ENOSPC", ERR_NO_SPACE, -1},
        {"BOURN_FAULT=fail:2", ERR_IO, 0},            {"BOURN_FAULT=fail:write:2:EDQUOT", ERR_NO_SPACE, 8},
        {"BOURN_FAULT=short:1", ERR_NO_SPACE, 4},     {"BOURN_FAULT=fail:sync:1:EIO", ERR_IO, 9},
        {"BOURN_FAULT=fail:rename:1", ERR_IO, 9},     {"BOURN_FAULT=fail:folder_sync:1+:EROFS", ERR_DENIED, -1},
        {"BOURN_FAULT=fail:unlink:9;fail:4", ERR_IO, 9},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = run_child(write_one_file, cases[i].rule, NULL);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), cases[i].code);
        assert_int_equal(size_of("temp"), cases[i].size);
    }
}

static int sync_three_times(void)
{
    struct error err;
    int fd, failed = 0;
    if (os_file_open("f", OS_REPLACE, &fd, &err) != OK)
        return 99;
    for (int i = 0; i < 3; i++)
        failed = failed * 2 + (os_file_sync(fd, &err) != OK);
    return failed;
}

static void test_once_and_for_ever(void **unused)
{
    (void)unused;
    assert_int_equal(WEXITSTATUS(run_child(sync_three_times, "BOURN_FAULT=fail:sync:2", NULL)), 2);
    assert_int_equal(WEXITSTATUS(run_child(sync_three_times, "BOURN_FAULT=fail:sync:2+", NULL)), 3);
}

static int pass_points(void)
{
    os_test_point("a");
    os_test_point("b");
    os_test_point("a");
    return os_planted_bug("two") + 2 * os_planted_bug("on") + 4 * os_planted_bug("one");
}

static void test_points_and_bugs(void **unused)
{
    (void)unused;
    int status = run_child(pass_points, "BOURN_STOP_AT=a:2:kill", NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(WEXITSTATUS(run_child(pass_points, "BOURN_STOP_AT=a:3:kill;c:1:stop", NULL)), 0);
    assert_int_equal(WEXITSTATUS(run_child(pass_points, "BOURN_BUG=one,two", NULL)), 1 + 4);
}

static int clock_is_a_day_early(void) { return llabs(os_now_us() / 1000000 + 86400 - (int64_t)time(NULL)) < 10; }
static int clock_stands(void) { return os_now_us() == INT64_C(1700000000000000) && os_now_us() == os_now_us(); }
static int clock_begins_in_2038(void) { return llabs(os_now_us() / 1000000 - INT64_C(2147483647)) < 10; }

static void test_clock(void **unused)
{
    (void)unused;
    assert_int_equal(WEXITSTATUS(run_child(clock_is_a_day_early, "BOURN_CLOCK=-86400s", NULL)), 1);
    assert_int_equal(WEXITSTATUS(run_child(clock_is_a_day_early, "BOURN_CLOCK=-1d", NULL)), 1);
    assert_int_equal(WEXITSTATUS(run_child(clock_stands, "BOURN_CLOCK==1700000000", NULL)), 1);
    assert_int_equal(WEXITSTATUS(run_child(clock_begins_in_2038, "BOURN_CLOCK=@2147483647", NULL)), 1);
}

static void test_nonsense_stops_the_process(void **unused)
{
    (void)unused;
    static const char *const bad[] = {"BOURN_FAULT=kill",       "BOURN_FAULT=kill:0",     "BOURN_FAULT=kill:fsync:1",
                                      "BOURN_FAULT=fail:1:EWHAT", "BOURN_FAULT=fail:1x",  "BOURN_STOP_AT=a:1",
                                      "BOURN_CLOCK=tomorrow",   "BOURN_RECORD=/nowhere",
                                      "BOURN_FAULT_COUNT=/nowhere/x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int status = run_child(write_one_file, bad[i], NULL);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

/* ---- the record ---- */

struct record {
    uint8_t kind;
    uint64_t sequence;
    struct reader body;
};

static bool next_record(struct reader *in, struct record *ret)
{
    uint32_t size, process;
    const char *body;
    if (!reader_u32(in, &size) || !reader_bytes(in, size, &body))
        return false;
    ret->body = reader_of((struct slice){body, size});
    return reader_u8(&ret->body, &ret->kind) && reader_u32(&ret->body, &process) &&
           reader_u64(&ret->body, &ret->sequence);
}

static struct slice text_of(struct reader *in)
{
    const char *bytes;
    assert_true(reader_bytes(in, 2, &bytes));
    uint16_t n = load_u16(bytes);
    assert_true(reader_bytes(in, n, &bytes));
    return (struct slice){bytes, n};
}

static uint32_t u32_of(struct reader *in)
{
    uint32_t v = 0;
    assert_true(reader_u32(in, &v));
    return v;
}

static uint64_t u64_of(struct reader *in)
{
    uint64_t v = 0;
    assert_true(reader_u64(in, &v));
    return v;
}

static void assert_path(struct reader *in, const char *name)
{
    char want[256];
    snprintf(want, sizeof want, "%s/%s", folder, name);
    assert_true(slice_equal(text_of(in), slice_of(want)));
}

static void test_the_record_is_what_was_done(void **unused)
{
    (void)unused;
    enum { START, OPEN, WRITE, SYNC, CLOSE, MKDIR, RENAME, LINK, UNLINK, RMDIR, FOLDER_SYNC, POINT };
    static const uint8_t want[] = {START, OPEN, WRITE, WRITE, SYNC, CLOSE, RENAME, FOLDER_SYNC, UNLINK};
    char bytes[4096];
    const char *p;
    char record[64];
    snprintf(record, sizeof record, "BOURN_RECORD=%s", folder);
    assert_int_equal(run_child(write_one_file, record, NULL), 0);
    struct reader in = reader_of((struct slice){bytes, read_whole("os.rec", bytes, sizeof bytes)});
    struct record r;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(next_record(&in, &r));
        assert_int_equal(r.kind, want[i]);
        assert_int_equal(r.sequence, i + 1);
        switch (r.kind) {
        case OPEN:
            assert_int_equal(u32_of(&r.body), 1);
            assert_true(reader_bytes(&r.body, 1, &p) && *p == OS_CREATE_NEW);
            assert_int_equal(u64_of(&r.body), 0);
            assert_path(&r.body, "temp");
            break;
        case WRITE:
            assert_int_equal(u32_of(&r.body), 1);
            assert_int_equal(u64_of(&r.body), i == 2 ? 0 : 8);
            uint32_t n = u32_of(&r.body);
            assert_true(reader_bytes(&r.body, n, &p));
            assert_memory_equal(p, i == 2 ? "12345678" : "9", i == 2 ? 8 : 1);
            break;
        case SYNC:
            assert_int_equal(u32_of(&r.body), 1);
            assert_int_equal(u64_of(&r.body), 4); /* both writes are covered */
            break;
        case CLOSE: assert_int_equal(u32_of(&r.body), 1); break;
        case RENAME:
            assert_path(&r.body, "temp");
            assert_path(&r.body, "done");
            break;
        case FOLDER_SYNC:
            assert_path(&r.body, ".");
            assert_int_equal(u64_of(&r.body), 7);
            break;
        case UNLINK: assert_path(&r.body, "done"); break;
        }
        assert_int_equal(reader_left(&r.body), 0);
    }
    assert_int_equal(reader_left(&in), 0);
}

static void test_planted_bugs_are_not_recorded_as_syncs(void **unused)
{
    (void)unused;
    char bytes[4096], record[64];
    snprintf(record, sizeof record, "BOURN_RECORD=%s", folder);
    assert_int_equal(run_child(write_one_file, record, "BOURN_BUG=no-sync,no-folder-sync", NULL), 0);
    struct reader in = reader_of((struct slice){bytes, read_whole("os.rec", bytes, sizeof bytes)});
    for (struct record r; next_record(&in, &r);)
        assert_true(r.kind != 3 && r.kind != 10);
}

static int make_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
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
        cmocka_unit_test(test_counts_survive_any_end),
        cmocka_unit_test(test_kill_comes_before_the_call),
        cmocka_unit_test(test_a_call_fails_as_told),
        cmocka_unit_test(test_once_and_for_ever),
        cmocka_unit_test(test_points_and_bugs),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_nonsense_stops_the_process),
        cmocka_unit_test(test_the_record_is_what_was_done),
        cmocka_unit_test(test_planted_bugs_are_not_recorded_as_syncs),
    };
    return cmocka_run_group_tests_name("fault", tests, make_folder, remove_folder);
}
