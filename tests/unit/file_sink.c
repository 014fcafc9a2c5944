/* The file sink: appended once and upserted once, whatever was interrupted; foreign changes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"
#include "format/formats.h"
#include "sink/connectors.h"

static char folder[64], path[128], mark[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/bourn-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/new/out", folder);
    snprintf(mark, sizeof mark, "%s/new/.out.bourn", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct schema schema = {
    .ncols = 2, .names = (const char *[]){"k", "v"}, .types = (struct type[]){{TYPE_INT4}, {TYPE_TEXT}}};
static atomic_bool cancelled;

static enum status try_open(const char *identity, bool upsert, const struct format *format, bool adopt,
                            struct sink **ret, struct sink_position *position, struct error *err)
{
    static const uint32_t key[] = {0};
    struct option items[] = {{.name = "path", .value = path}, {.name = "header", .value = "true"}};
    struct options options = {format == &format_csv ? 2 : 1, items};
    struct sink_config config = {.table = "t",
                                 .identity = identity,
                                 .options = &options,
                                 .schema = &schema,
                                 .key = key,
                                 .nkey = upsert,
                                 .format = format,
                                 .adopt = adopt,
                                 .cancelled = &cancelled};
    return sink_file_connector.open(&config, ret, position, err);
}

static struct sink *open_sink(bool upsert, const struct format *format, int64_t applied)
{
    struct sink *s = NULL;
    struct sink_position position;
    struct error err = {0};
    if (try_open("uuid/my sink", upsert, format, false, &s, &position, &err) != OK)
        fail_msg("%s", err.text);
    assert_int_equal(position.applied, applied);
    assert_string_equal(position.other_owner, "");
    return s;
}

/* Changes as text: "+1=one -2= " . */
struct fake_changes {
    struct change_set base;
    const char *text, *at;
};

static enum status fake_next(struct change_set *c, struct arena *a, struct batch **ret, struct error *err)
{
    (void)err;
    struct fake_changes *f = (struct fake_changes *)c;
    char sign, value[32];
    int key, used;
    if (sscanf(f->at, " %c%d=%31[^ ]%n", &sign, &key, value, &used) != 3)
        return AGAIN;
    f->at += used;
    struct batch *b = batch_make(a, schema.types, 2, 1);
    b->rows = b->live = 1;
    ((int32_t *)b->cols[0].data)[0] = key;
    ((struct view *)b->cols[1].data)[0] = view_copy(view_of(value, strlen(value)), a);
    int64_t *weight = arena_alloc(a, sizeof *weight);
    *weight = sign == '+' ? 1 : -1;
    b->weight = weight;
    *ret = b;
    return OK;
}

static enum status fake_rewind(struct change_set *c, struct error *err)
{
    (void)err;
    struct fake_changes *f = (struct fake_changes *)c;
    f->at = f->text;
    return OK;
}

static struct sink_result apply(struct sink *s, int64_t from, int64_t to, const char *text)
{
    struct fake_changes c = {{.from = from, .to = to, .next = fake_next, .rewind = fake_rewind}, text, text};
    struct sink_result result;
    struct error err = {0};
    if (s->ops->apply(s, &c.base, &result, &err) != OK)
        fail_msg("%s", err.text);
    return result;
}

static void assert_file(const char *want)
{
    AUTO(buf) text = BUF(KIB(64));
    struct error err;
    assert_int_equal(os_file_slurp(path, &text, &err), OK);
    assert_string_equal(buf_cstr(&text), want);
}

static void put(const char *name, const char *how, const char *text)
{
    FILE *f = fopen(name, how);
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void keep_copy(const char *from, struct buf *into)
{
    struct error err;
    buf_clear(into);
    assert_int_equal(os_file_slurp(from, into, &err), OK);
}

static void start_over(void)
{
    remove(path);
    remove(mark);
}

static void appends_once(void **state)
{
    (void)state;
    start_over();
    struct sink *s = open_sink(false, &format_json, 0);
    assert_int_equal(apply(s, 1, 2, "+1=a +2=b").inserted, 2);
    assert_int_equal(apply(s, 1, 2, "+1=a +2=b").inserted, 0);
    apply(s, 3, 7, "+3=c");
    s->ops->free(s);
    s = open_sink(false, &format_json, 7);
    apply(s, 3, 7, "+3=c");
    apply(s, 8, 8, "");
    apply(s, 9, 9, "+4=d");
    s->ops->free(s);
    s = open_sink(false, &format_json, 9);
    s->ops->free(s);
    assert_file("{\"k\":1,\"v\":\"a\"}\n{\"k\":2,\"v\":\"b\"}\n{\"k\":3,\"v\":\"c\"}\n{\"k\":4,\"v\":\"d\"}\n");
}

/* Every way to be interrupted between the mark and the end of the append. */
static void torn_appends_are_cut(void **state)
{
    (void)state;
    static const char first[] = "{\"k\":1,\"v\":\"a\"}\n", second[] = "{\"k\":2,\"v\":\"b\"}\n";
    for (size_t torn = 0; torn <= strlen(second); torn++) {
        start_over();
        struct sink *s = open_sink(false, &format_json, 0);
        apply(s, 1, 1, "+1=a");
        apply(s, 2, 2, "+2=b"); /* the mark now says: first, then second */
        s->ops->free(s);
        char text[64];
        snprintf(text, sizeof text, "%s%.*s", first, (int)torn, second);
        put(path, "w", text);
        bool whole = torn == strlen(second);
        s = open_sink(false, &format_json, whole ? 2 : 1);
        assert_file(whole ? text : first);
        apply(s, 2, 2, "+2=b");
        s->ops->free(s);
        snprintf(text, sizeof text, "%s%s", first, second);
        assert_file(text);
    }
    put(path, "w", "{\"k\":1,\"v\":\"a\"}\n{\"k\":2,\"\0\0\0\0\0\0\0\0");
    struct error err;
    AUTO(buf) text = BUF(KIB(1));
    buf_puts(&text, first);
    for (size_t i = 0; i < strlen(second); i++)
        buf_putc(&text, 0); /* the length is there, the bytes are not: a power loss */
    int fd;
    assert_int_equal(os_file_open(path, OS_REPLACE, &fd, &err), OK);
    assert_int_equal(os_file_write(fd, text.data, text.len, &err), OK);
    os_file_close(fd);
    struct sink *s = open_sink(false, &format_json, 1);
    s->ops->free(s);
    assert_file(first);
}

/* A change set of `rows` rows whose text is 3 MiB of one letter each, which fails at row `breaks`. */
struct long_changes {
    struct change_set base;
    int at, rows, breaks;
};
enum { long_rows = 23 };
static const size_t long_text = MIB(3);

static enum status long_next(struct change_set *c, struct arena *a, struct batch **ret, struct error *err)
{
    struct long_changes *l = (struct long_changes *)c;
    if (l->at == l->breaks)
        return error_set(err, ERR_IO, "it breaks");
    if (l->at == l->rows)
        return AGAIN;
    char *text = arena_alloc(a, long_text);
    memset(text, 'a' + l->at, long_text);
    struct batch *b = batch_make(a, schema.types, 2, 1);
    b->rows = b->live = 1;
    ((int32_t *)b->cols[0].data)[0] = l->at++;
    ((struct view *)b->cols[1].data)[0] = view_of(text, long_text);
    *ret = b;
    return OK;
}

static uint64_t long_apply(struct sink *s, int64_t epoch, int breaks)
{
    struct long_changes c = {{.from = epoch, .to = epoch, .next = long_next}, 0, long_rows, breaks};
    struct sink_result result;
    struct error err = {0};
    assert_int_equal(s->ops->apply(s, &c.base, &result, &err), breaks < 0 ? OK : FAILED);
    return result.inserted;
}

static void assert_long_file(const char *head)
{
    AUTO(buf) want = BUF(MIB(100)), text = BUF(MIB(100));
    struct error err;
    buf_puts(&want, head);
    for (int row = 0; row < long_rows; row++) {
        buf_printf(&want, "{\"k\":%d,\"v\":\"", row);
        memset(buf_reserve(&want, long_text), 'a' + row, long_text);
        want.len += long_text;
        buf_puts(&want, "\"}\n");
    }
    assert_int_equal(os_file_slurp(path, &text, &err), OK);
    assert_int_equal(text.len, want.len);
    assert_memory_equal(text.data, want.data, want.len);
}

/* Longer than is held in memory, and than the mark allows at once: cut off however much of it is there. */
static void long_appends_are_cut(void **state)
{
    (void)state;
    static const char first[] = "{\"k\":1,\"v\":\"a\"}\n";
    struct os_stat st;
    struct error err;
    for (int breaks = 1; breaks < long_rows; breaks *= 4) {
        bool reopen = breaks == 4;
        start_over();
        struct sink *s = open_sink(false, &format_json, 0);
        apply(s, 1, 1, "+1=a");
        long_apply(s, 2, breaks);
        assert_int_equal(os_stat(path, &st, &err), OK);
        assert_int_equal(st.size > strlen(first), breaks > 1);
        if (reopen) {
            s->ops->free(s);
            s = open_sink(false, &format_json, 1);
            assert_file(first);
        }
        assert_int_equal(long_apply(s, 2, -1), long_rows);
        s->ops->free(s);
        s = open_sink(false, &format_json, 2);
        assert_int_equal(long_apply(s, 2, -1), 0);
        apply(s, 3, 3, "");
        s->ops->free(s);
        assert_long_file(first);
    }
    start_over();
    struct sink *s = open_sink(false, &format_json, 0);
    long_apply(s, 1, 20);
    s->ops->free(s);
    AUTO(buf) kept = BUF(MIB(100));
    keep_copy(path, &kept);
    buf_putc(&kept, 'x');
    for (int i = 0; i < 2; i++) { /* what others put behind it, past what the mark allows */
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        for (int times = 0; times <= 3 * (1 - i); times++)
            assert_int_equal(fwrite(kept.data, 1, kept.len, f), kept.len);
        fclose(f);
        struct sink_position position;
        assert_int_equal(try_open("uuid/my sink", false, &format_json, false, &s, &position, &err), i ? OK : FAILED);
    }
    s->ops->free(s);
    assert_file("");
}

static void upserts_by_key(void **state)
{
    (void)state;
    const struct format *const formats[] = {&format_json, &format_csv};
    static const char *const want[][2] = {
        {"{\"k\":-1,\"v\":\"z\"}\n{\"k\":1,\"v\":\"a,1\"}\n{\"k\":2,\"v\":\"b\"}\n",
         "{\"k\":1,\"v\":\"A\"}\n{\"k\":3,\"v\":\"c\"}\n"},
        {"k,v\n-1,z\n1,\"a,1\"\n2,b\n", "k,v\n1,A\n3,c\n"},
    };
    for (size_t i = 0; i < 2; i++) {
        start_over();
        struct sink *s = open_sink(true, formats[i], 0);
        struct sink_result r = apply(s, 1, 4, "+2=b +1=a,1 +-1=z");
        assert_int_equal(r.inserted, 3);
        assert_file(want[i][0]);
        s->ops->free(s);
        s = open_sink(true, formats[i], 4);
        r = apply(s, 1, 4, "+2=b +1=a,1 +-1=z");
        assert_int_equal(r.inserted + r.updated + r.unchanged, 0);
        r = apply(s, 5, 5, "+1=A --1=z +3=c -2=b -9=x");
        assert_int_equal(r.inserted, 1);
        assert_int_equal(r.updated, 1);
        assert_int_equal(r.deleted, 2);
        assert_file(want[i][1]);
        assert_int_equal(apply(s, 6, 6, "+3=c").unchanged, 1);
        s->ops->free(s);
        s = open_sink(true, formats[i], 6);
        struct fake_changes all = {{.from = 1, .to = 6, .next = fake_next, .rewind = fake_rewind}, "+7=x", "+7=x"};
        struct error err;
        assert_int_equal(s->ops->resync(s, &all.base, &err), OK);
        s->ops->free(s);
        assert_file(i ? "k,v\n7,x\n" : "{\"k\":7,\"v\":\"x\"}\n");
    }
}

/* The mark is written before the rename: with either file in place the state is known. */
static void upsert_interrupted_before_the_rename(void **state)
{
    (void)state;
    start_over();
    struct sink *s = open_sink(true, &format_json, 0);
    apply(s, 1, 1, "+1=a");
    AUTO(buf) before = BUF(KIB(4));
    keep_copy(path, &before);
    apply(s, 2, 2, "+1=b");
    s->ops->free(s);
    put(path, "w", buf_cstr(&before));
    s = open_sink(true, &format_json, 1);
    apply(s, 2, 2, "+1=b");
    s->ops->free(s);
    assert_file("{\"k\":1,\"v\":\"b\"}\n");
}

static void expect_refused(const char *identity, bool upsert, bool adopt, const char *text)
{
    struct sink *s = NULL;
    struct sink_position position;
    struct error err = {0};
    assert_int_equal(try_open(identity, upsert, &format_json, adopt, &s, &position, &err), FAILED);
    if (!strstr(err.text, text))
        fail_msg("says \"%s\", not \"%s\"", err.text, text);
}

static void foreign_files_are_refused(void **state)
{
    (void)state;
    for (int upsert = 0; upsert < 2; upsert++) {
        start_over();
        put(path, "w", "{\"k\":5,\"v\":\"mine\"}\n");
        expect_refused("uuid/my sink", upsert, false, "was not written by bourn");
        remove(path);
        struct sink *s = open_sink(upsert, &format_json, 0);
        apply(s, 1, 1, "+1=a");
        apply(s, 2, 2, "+2=b");
        s->ops->free(s);
        put(path, "a", "{\"k\":5,\"v\":\"mine\"}\n");
        expect_refused("uuid/my sink", upsert, false, "changed by somebody else");
        put(path, "w", "");
        expect_refused("uuid/my sink", upsert, false, "changed by somebody else");
        put(mark, "w", "bourn-file 1\nowner me\n");
        expect_refused("uuid/my sink", upsert, false, "cannot be read");
    }
}

static void another_owner_is_told_and_adopted(void **state)
{
    (void)state;
    for (int upsert = 0; upsert < 2; upsert++) {
        start_over();
        struct sink *s = open_sink(upsert, &format_json, 0);
        apply(s, 1, 9, "+1=a");
        s->ops->free(s);
        struct sink_position position;
        struct error err;
        assert_int_equal(try_open("other/sink", upsert, &format_json, false, &s, &position, &err), OK);
        assert_string_equal(position.other_owner, "uuid/my sink");
        s->ops->free(s);
        assert_int_equal(try_open("other/sink", upsert, &format_json, true, &s, &position, &err), OK);
        assert_string_equal(position.other_owner, "");
        assert_int_equal(position.applied, 0);
        apply(s, 1, 1, "+2=b");
        s->ops->free(s);
        assert_file("{\"k\":1,\"v\":\"a\"}\n{\"k\":2,\"v\":\"b\"}\n");
    }
}

/* ---- a folder of parts ---- */

/* What is in the parts of the folder, in the order of their names. */
static enum status read_part(void *arg, const char *name, struct error *err)
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", path, name);
    return name[0] == '.' ? OK : os_file_slurp(full, arg, err);
}

static void assert_parts(const char *want)
{
    AUTO(buf) text = BUF(KIB(64));
    struct error err;
    assert_int_equal(os_folder_list(path, read_part, &text, &err), OK);
    assert_string_equal(buf_cstr(&text), want);
}

static enum status remove_mark(void *arg, const char *name, struct error *err)
{
    (void)arg, (void)err;
    char full[400];
    snprintf(full, sizeof full, "%s%s", path, name);
    return strcmp(name, ".parts.bourn") == 0 ? os_unlink(full, err) : OK;
}

static void a_folder_gets_each_part_once(void **state)
{
    (void)state;
    struct error err = {0};
    snprintf(path, sizeof path, "%s/parts/", folder);
    struct sink *s = open_sink(false, &format_csv, 0);
    assert_int_equal(apply(s, 1, 2, "+1=a +2=b").inserted, 2);
    assert_int_equal(apply(s, 1, 2, "+1=a +2=b").inserted, 0);
    apply(s, 3, 7, "+3=c");
    s->ops->free(s);
    s = open_sink(false, &format_csv, 7);
    apply(s, 3, 7, "+3=c");
    assert_parts("k,v\n1,a\n2,b\nk,v\n3,c\n");

    /* A predecessor that goes on has published part of what is offered. */
    struct sink *zombie = open_sink(false, &format_csv, 7);
    apply(zombie, 8, 9, "+4=d");
    struct fake_changes c = {{.from = 8, .to = 12, .next = fake_next, .rewind = fake_rewind}, "+4=d +5=e", "+4=d +5=e"};
    struct sink_result ignored;
    assert_int_equal(s->ops->apply(s, &c.base, &ignored, &err), FAILED);
    assert_int_equal(err.code, ERR_STATE);
    zombie->ops->free(zombie);
    s->ops->free(s);

    /* The names alone tell what is applied; what a dead process left is removed. */
    char left[200];
    snprintf(left, sizeof left, "%s.part-0-1-2.csv.77", path);
    put(left, "w", "half");
    s = open_sink(false, &format_csv, 9);
    assert_int_equal(access(left, F_OK), -1);
    s->ops->free(s);
    AUTO(buf) kept = BUF(KIB(4));
    char name[200];
    snprintf(name, sizeof name, "%s.parts.bourn", path);
    keep_copy(name, &kept);
    s = open_sink(false, &format_csv, 9);
    apply(s, 10, 10, "+6=f");
    s->ops->free(s);
    put(name, "w", buf_cstr(&kept)); /* killed between the link and the mark */
    s = open_sink(false, &format_csv, 10);
    apply(s, 10, 10, "+6=f");
    s->ops->free(s);
    assert_parts("k,v\n1,a\n2,b\nk,v\n3,c\nk,v\n4,d\nk,v\n6,f\n");

    struct sink_position position;
    assert_int_equal(try_open("other/sink", false, &format_csv, false, &s, &position, &err), OK);
    assert_string_equal(position.other_owner, "uuid/my sink");
    s->ops->free(s);
    assert_int_equal(try_open("other/sink", false, &format_csv, true, &s, &position, &err), OK);
    assert_int_equal(position.applied, 0);
    s->ops->free(s);
    expect_refused("uuid/my sink", true, true, "is one file");
    assert_int_equal(os_folder_list(path, remove_mark, NULL, &err), OK);
    expect_refused("third/sink", false, false, "not written by bourn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_once),
        cmocka_unit_test(torn_appends_are_cut),
        cmocka_unit_test(long_appends_are_cut),
        cmocka_unit_test(upserts_by_key),
        cmocka_unit_test(upsert_interrupted_before_the_rename),
        cmocka_unit_test(foreign_files_are_refused),
        cmocka_unit_test(another_owner_is_told_and_adopted),
        cmocka_unit_test(a_folder_gets_each_part_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
