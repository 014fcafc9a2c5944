/* A folder as a store keeps the promises of base/store.h. (Crashes and power loss: tests/crash.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"
#include "link/local.h"

static char folder[] = "/tmp/bourn store \xc3\xbc XXXXXX";
static struct store *store;
static struct error err;

static void assert_object(const char *name, const char *want)
{
    AUTO(buf) got = BUF(KIB(64));
    assert_int_equal(store_get(store, name, &got, &err), OK);
    assert_true(slice_is(buf_slice(&got), want));
}

static enum status append_name(void *arg, const struct store_object *object, struct error *e)
{
    (void)e;
    buf_printf(arg, "%s:%llu ", object->name, (unsigned long long)object->size);
    return OK;
}

static void assert_listing(const char *prefix, const char *from, const char *want)
{
    AUTO(buf) got = BUF(KIB(64));
    assert_int_equal(store->ops->list(store, prefix, from, append_name, &got, &err), OK);
    assert_string_equal(buf_cstr(&got), want);
}

static void test_put_and_get(void **unused)
{
    (void)unused;
    struct slice parts[] = {SLICE("one "), SLICE(""), SLICE("two")};
    assert_int_equal(store->ops->put(store, "a b/\xc3\xbc/object", parts, 3, &err), OK);
    assert_object("a b/\xc3\xbc/object", "one two");
    assert_int_equal(store_put(store, "a b/\xc3\xbc/object", SLICE("replaced"), &err), OK);
    assert_object("a b/\xc3\xbc/object", "replaced");
    assert_int_equal(store_put(store, "empty", SLICE(""), &err), OK);
    assert_object("empty", "");
    AUTO(buf) small = BUF(3);
    assert_int_equal(store_get(store, "a b/\xc3\xbc/object", &small, &err), FAILED);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(store_get(store, "nothing/here", &small, &err), FAILED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_parts_of_an_object(void **unused)
{
    (void)unused;
    char bytes[4];
    struct store_object object = {0};
    assert_int_equal(store_put(store, "range", SLICE("0123456789"), &err), OK);
    assert_int_equal(store->ops->get_range(store, "range", 6, bytes, 4, &err), OK);
    assert_memory_equal(bytes, "6789", 4);
    assert_int_equal(store->ops->get_range(store, "range", 7, bytes, 4, &err), FAILED);
    assert_int_equal(store->ops->head(store, "range", &object, &err), OK);
    assert_int_equal(object.size, 10);
    assert_int_equal(store->ops->head(store, "ranger", &object, &err), FAILED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

struct pieces {
    int left;
    bool fails;
};

static enum status next_piece(void *arg, struct slice *ret, struct error *e)
{
    struct pieces *p = arg;
    if (p->left-- == 0)
        return p->fails ? error_set(e, ERR_CORRUPT, "no more") : AGAIN;
    *ret = SLICE("piece ");
    return OK;
}

static void test_put_from_pieces(void **unused)
{
    (void)unused;
    struct pieces three = {3, false}, broken = {2, true};
    assert_int_equal(store->ops->put_from(store, "pieces", next_piece, &three, &err), OK);
    assert_object("pieces", "piece piece piece ");
    assert_int_equal(store->ops->put_from(store, "pieces", next_piece, &broken, &err), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_object("pieces", "piece piece piece "); /* as it was */
}

static void test_absent_has_one_winner(void **unused)
{
    (void)unused;
    assert_int_equal(store_put_if_absent(store, "log/1", SLICE("first"), &err), OK);
    assert_int_equal(store_put_if_absent(store, "log/1", SLICE("second"), &err), FAILED);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_non_null(strstr(err.text, "log/1"));
    assert_object("log/1", "first");
}

/* Racing processes: of each name exactly one wins, and what is there is whole and the winner's. */
static void test_racers(void **unused)
{
    (void)unused;
    enum { RACERS = 4, NAMES = 50 };
    char name[32];
    for (int racer = 0; racer < RACERS; racer++) {
        if (fork() != 0)
            continue;
        int won = 0;
        for (int i = 0; i < NAMES; i++) {
            AUTO(buf) bytes = BUF(MIB(1));
            for (int k = 0; k < 5000; k++)
                buf_putc(&bytes, (char)('a' + racer));
            snprintf(name, sizeof name, "race/%d", i);
            won += store_put_if_absent(store, name, buf_slice(&bytes), &err) == OK;
        }
        _exit(won);
    }
    int winners = 0, status;
    while (wait(&status) > 0)
        winners += WEXITSTATUS(status);
    assert_int_equal(winners, NAMES);
    for (int i = 0; i < NAMES; i++) {
        AUTO(buf) got = BUF(MIB(1));
        snprintf(name, sizeof name, "race/%d", i);
        assert_int_equal(store_get(store, name, &got, &err), OK);
        assert_int_equal(got.len, 5000);
        assert_memory_equal(got.data, got.data + 1, 4999);
    }
}

static void test_listing(void **unused)
{
    (void)unused;
    static const char *const names[] = {"l/00", "l/01", "l/10", "l/B", "l/a", "l/sub/x", "l/_tmp1", "l/.hidden",
                                        "l/_delta"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(store_put(store, names[i], SLICE("x"), &err), OK);
    assert_listing("l/", NULL, "l/00:1 l/01:1 l/10:1 l/B:1 l/_delta:1 l/a:1 ");
    assert_listing("l/0", NULL, "l/00:1 l/01:1 ");
    assert_listing("l/", "l/10", "l/10:1 l/B:1 l/_delta:1 l/a:1 ");
    assert_listing("l/", "l/010", "l/10:1 l/B:1 l/_delta:1 l/a:1 ");
    assert_listing("l/sub/", NULL, "l/sub/x:1 ");
    assert_listing("l/su", NULL, "");
    assert_listing("nowhere/", NULL, "");
    assert_listing("range", NULL, "range:10 ");
}

static void test_remove(void **unused)
{
    (void)unused;
    assert_int_equal(store_put(store, "gone", SLICE("x"), &err), OK);
    assert_int_equal(store->ops->remove(store, "gone", &err), OK);
    assert_int_equal(store->ops->remove(store, "gone", &err), OK);
    assert_int_equal(store->ops->remove(store, "no/such/folder", &err), OK);
    AUTO(buf) got = BUF(64);
    assert_int_equal(store_get(store, "gone", &got, &err), FAILED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_put(store, "garbage", SLICE("x"), &err), OK);
    assert_int_equal(store->ops->discard(store, "garbage", &err), OK);
    assert_int_equal(store->ops->discard(store, "garbage", &err), OK);
    assert_int_equal(store->ops->discard(store, "../garbage", &err), FAILED);
    assert_int_equal(store_get(store, "garbage", &got, &err), FAILED);
}

static void test_names_cannot_leave_the_folder(void **unused)
{
    (void)unused;
    static const char *const bad[] = {"", "..", "../x", "/etc/passwd", "a/../../x", "a//b", "a/"};
    AUTO(buf) got = BUF(KIB(64));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct store_object object;
        assert_int_equal(store_put(store, bad[i], SLICE("x"), &err), FAILED);
        assert_int_equal(store_put_if_absent(store, bad[i], SLICE("x"), &err), FAILED);
        assert_int_equal(store_get(store, bad[i], &got, &err), FAILED);
        assert_int_equal(store->ops->head(store, bad[i], &object, &err), FAILED);
        assert_int_equal(store->ops->remove(store, bad[i], &err), FAILED);
    }
    assert_int_equal(store->ops->list(store, "../", NULL, append_name, &got, &err), FAILED);
    assert_int_equal(got.len, 0);
}

/* Nothing but whole objects is left in the folders, and a folder removed under us comes back. */
static void test_no_leftovers(void **unused)
{
    (void)unused;
    char command[256];
    assert_int_equal(store_put(store, "left/over", SLICE("x"), &err), OK);
    assert_int_equal(store_put_if_absent(store, "left/over", SLICE("y"), &err), FAILED);
    snprintf(command, sizeof command, "test -z \"$(find '%s' -name '.tmp-*')\"", folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "rm -r '%s/left'", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(store_put(store, "left/over", SLICE("again"), &err), OK);
    assert_object("left/over", "again");
}

static void test_sweeping(void **unused)
{
    (void)unused;
    char command[256];
    snprintf(command, sizeof command, "cd '%s' && mkdir -p w && touch w/.tmp-new w/.hidden && touch -d '2 hours ago' "
             "w/.tmp-old w/.old", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(store_put(store, "w/x", SLICE("x"), &err), OK);
    assert_int_equal(store_sweep(store, "w/", INT64_C(3600) * 1000000, &err), OK);
    snprintf(command, sizeof command,
             "test \"$(cd '%s/w' && LC_ALL=C ls -A | tr '\\n' ' ')\" = '.hidden .old .tmp-new x '", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(store_sweep(store, "nowhere/", 0, &err), OK);
    assert_int_equal(store_sweep(store, "../", 0, &err), FAILED);
}

static void test_a_store_that_is_not_there_yet(void **unused)
{
    (void)unused;
    char path[128];
    snprintf(path, sizeof path, "%s/not/yet//", folder);
    struct store *fresh = store_local_new(path);
    AUTO(buf) got = BUF(64);
    path[strlen(path) - 2] = 0;
    assert_string_equal(fresh->ops->describe(fresh), path);
    assert_int_equal(fresh->ops->list(fresh, "", NULL, append_name, &got, &err), OK);
    assert_int_equal(got.len, 0);
    assert_int_equal(store_put_if_absent(fresh, "x", SLICE("made"), &err), OK);
    assert_int_equal(store_get(fresh, "x", &got, &err), OK);
    assert_true(slice_is(buf_slice(&got), "made"));
    store_free(fresh);
    store_free(NULL);
}

static int make_store(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    store = store_local_new(folder);
    return 0;
}

static int remove_store(void **unused)
{
    (void)unused;
    char command[128];
    store_free(store);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_parts_of_an_object),
        cmocka_unit_test(test_put_from_pieces),
        cmocka_unit_test(test_absent_has_one_winner),
        cmocka_unit_test(test_racers),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_names_cannot_leave_the_folder),
        cmocka_unit_test(test_no_leftovers),
        cmocka_unit_test(test_sweeping),
        cmocka_unit_test(test_a_store_that_is_not_there_yet),
    };
    return cmocka_run_group_tests_name("store_local", tests, make_store, remove_store);
}
