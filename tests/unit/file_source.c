/* The file source: every record once, at its offset, whatever the chunks, the compression and the way there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/os.h"
#include "format/formats.h"
#include "source/connectors.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *how, const void *bytes, size_t n)
{
    FILE *out = fopen(in_folder(name), how);
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(out);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, "w", text, strlen(text));
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/bourn-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct schema one_text = {.ncols = 1, .names = (const char *[]){"v"}, .types = (struct type[]){{TYPE_TEXT}}};

static enum status try_open(const char *path, const char *more, const char *value, struct source **ret,
                            struct error *err)
{
    struct option items[2] = {{.name = "path", .value = path}, {.name = more, .value = value}};
    struct options options = {more ? 2 : 1, items};
    struct source_config config = {.table = "t", .options = &options, .schema = &one_text, .format = &format_json};
    return source_file_connector.open(&config, ret, err);
}

static struct source *open_source(const char *path, const char *more, const char *value)
{
    struct source *s = NULL;
    struct error err = {0};
    if (try_open(path, more, value, &s, &err) != OK)
        fail_msg("%s", err.text);
    return s;
}

static uint32_t count_splits(struct source *s, struct split *splits, uint32_t max)
{
    uint32_t n = 0;
    struct error err;
    assert_int_equal(s->ops->splits(s, splits, max, &n, &err), OK);
    return n;
}

/* Everything a split hands out now: "offset:record|" one after the other; returns the position behind it. */
static int64_t drain(struct source *s, uint32_t split, uint32_t max_rows, struct buf *out)
{
    int64_t position = -1;
    for (;;) {
        struct source_batch b;
        struct error err = {0};
        enum status status = s->ops->poll(s, split, max_rows, &b, &err);
        if (status == FAILED)
            fail_msg("%s", err.text);
        if (status == AGAIN)
            return position;
        assert_true(b.rows >= 1 && b.rows <= max_rows);
        for (uint32_t i = 0; i < b.rows; i++) {
            buf_printf(out, "%lld:", (long long)b.origin.offset[i]);
            buf_put_slice(out, view_slice(&b.origin.raw[i]));
            buf_putc(out, '|');
        }
        position = b.next_position;
        s->ops->release(s, &b);
    }
}

/* A pipe's rows come as they are written; a line that is too long is cut and its rest left out; offsets go on from
 * where the last run was. */
static void pipes(void **state)
{
    (void)state;
    struct source *s;
    struct error err = {0};
    const char *path = in_folder("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(try_open(path, NULL, NULL, &s, &err), FAILED);
    assert_non_null(strstr(err.hint, "follow 'true'"));
    struct option items[] = {
        {.name = "path", .value = path}, {.name = "follow", .value = "true"}, {.name = "max_line", .value = "64"}};
    struct options options = {3, items};
    struct source_config config = {.table = "t", .options = &options, .schema = &one_text, .format = &format_json};
    assert_int_equal(source_file_connector.open(&config, &s, &err), OK);
    struct split split;
    assert_int_equal(count_splits(s, &split, 1), 1);
    assert_int_equal(s->ops->seek(s, 0, 1000, &err), OK);
    AUTO(buf) out = BUF(MIB(1));
    drain(s, 0, 10, &out); /* no writer yet */
    assert_int_equal(s->ops->end_position(s, 0), -1);
    FILE *writer = fopen(path, "w");
    char head[64], wide[300000];
    memset(wide, 'x', sizeof wide);
    memcpy(head, wide, sizeof head);
    fputs("a\nb", writer);
    fflush(writer);
    drain(s, 0, 10, &out);
    assert_string_equal(buf_cstr(&out), "1000:a|");
    fputs("c\n", writer);
    fflush(writer);
    drain(s, 0, 10, &out);
    assert_string_equal(buf_cstr(&out), "1000:a|1002:bc|");
    assert_int_equal(s->ops->end_position(s, 0), -1);
    buf_clear(&out);
    for (size_t at = 0; at < sizeof wide; at += 50000) {
        fwrite(wide + at, 1, 50000, writer);
        fflush(writer);
        drain(s, 0, 10, &out);
    }
    fputs("\nlast", writer);
    fclose(writer);
    drain(s, 0, 10, &out);
    AUTO(buf) want = BUF(KIB(1));
    buf_printf(&want, "1005:%.64s|%d:last|", head, 1005 + (int)sizeof wide + 1);
    assert_string_equal(buf_cstr(&out), buf_cstr(&want));
    assert_int_equal(s->ops->end_position(s, 0), s->ops->position(s, 0));
    assert_false(s->ops->finished(s, 0));
    s->ops->free(s);
}

static void records_and_offsets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n", ""},
        {"\n\r\n\n", ""},
        {"a", "0:a|"},
        {"a\n", "0:a|"},
        {"a\r\n", "0:a|"},
        {"a\nb", "0:a|2:b|"},
        {"a\n\nlonger than twelve bytes\nc\n", "0:a|3:longer than twelve bytes|28:c|"},
        {"\na\r\n\r\nb\r\n", "1:a|6:b|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_text("e.ndjson", cases[i].text);
        struct source *s = open_source(in_folder("e.ndjson"), NULL, NULL);
        struct split split;
        assert_int_equal(count_splits(s, &split, 1), 1);
        assert_string_equal(split.name, in_folder("e.ndjson"));
        struct error err;
        assert_int_equal(s->ops->seek(s, 0, POSITION_START, &err), OK);
        AUTO(buf) got = BUF(KIB(4));
        drain(s, 0, BATCH_ROWS, &got);
        assert_string_equal(buf_cstr(&got), cases[i].want);
        assert_true(s->ops->finished(s, 0));
        assert_int_equal(s->ops->end_position(s, 0), strlen(cases[i].text));
        s->ops->free(s);
    }
}

/* Lines of many lengths, some longer than a chunk. */
static void make_lines(struct buf *text, struct buf *want)
{
    uint64_t word = 42;
    for (int i = 0; i < 20000; i++) {
        word = hash_mix(word + 1);
        size_t len = i % 5000 == 4999 ? 150000 : word % 400;
        if (len > 0) {
            buf_printf(want, "%zu:", text->len);
            for (size_t k = 0; k < len; k++)
                buf_putc(want, (char)('a' + (i + k) % 26));
            buf_putc(want, '|');
        }
        for (size_t k = 0; k < len; k++)
            buf_putc(text, (char)('a' + (i + k) % 26));
        buf_puts(text, word & 1024 ? "\n" : "\r\n");
    }
    assert_false(text->overflow || want->overflow);
}

static void write_gzip(const char *name, struct slice s, size_t members)
{
    for (size_t i = 0; i < members; i++) {
        gzFile out = gzopen(in_folder(name), i == 0 ? "wb1" : "ab1");
        size_t from = s.len * i / members, to = s.len * (i + 1) / members;
        assert_int_equal(gzwrite(out, s.data + from, (unsigned)(to - from)), to - from);
        assert_int_equal(gzclose(out), Z_OK);
    }
}

static void write_zstd(const char *name, struct slice s)
{
    size_t cap = ZSTD_compressBound(s.len);
    char *out = mem_alloc(cap);
    size_t half = ZSTD_compress(out, cap, s.data, s.len / 2, 1);
    write_file(name, "w", out, half);
    size_t rest = ZSTD_compress(out, cap, s.data + s.len / 2, s.len - s.len / 2, 1);
    write_file(name, "a", out, rest);
    free(out);
}

static void same_through_chunks_and_compression(void **state)
{
    (void)state;
    AUTO(buf) text = BUF(MIB(16));
    AUTO(buf) want = BUF(MIB(16));
    make_lines(&text, &want);
    write_file("plain", "w", text.data, text.len);
    write_gzip("members.gz", buf_slice(&text), 3);
    write_zstd("frames.zst", buf_slice(&text));
    static const char *const names[] = {"plain", "members.gz", "frames.zst"};
    static const uint32_t most[] = {1, 7, BATCH_ROWS};
    for (size_t n = 0; n < ARRAY_LEN(names); n++)
        for (size_t m = 0; m < ARRAY_LEN(most); m++) {
            struct source *s = open_source(in_folder(names[n]), NULL, NULL);
            struct split split;
            count_splits(s, &split, 1);
            struct error err;
            assert_int_equal(s->ops->seek(s, 0, POSITION_START, &err), OK);
            AUTO(buf) got = BUF(MIB(16));
            assert_int_equal(drain(s, 0, most[m], &got), text.len);
            assert_true(slice_equal(buf_slice(&got), buf_slice(&want)));
            assert_true(s->ops->finished(s, 0));
            s->ops->free(s);
        }
}

/* From every position that a batch ended at, a new source gives exactly the rest. */
static void goes_on_where_it_stopped(void **state)
{
    (void)state;
    AUTO(buf) text = BUF(MIB(16));
    AUTO(buf) want = BUF(MIB(16));
    make_lines(&text, &want);
    write_file("plain", "w", text.data, text.len);
    write_gzip("e.gz", buf_slice(&text), 1);
    static const char *const names[] = {"plain", "e.gz"};
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        AUTO(buf) got = BUF(MIB(16));
        int64_t position = POSITION_START;
        for (int part = 0; part < 8; part++) {
            struct source *s = open_source(in_folder(names[n]), NULL, NULL);
            struct split split;
            count_splits(s, &split, 1);
            struct error err;
            assert_int_equal(s->ops->seek(s, 0, position, &err), OK);
            for (int i = 0; i < 2; i++) {
                struct source_batch b;
                if (s->ops->poll(s, 0, BATCH_ROWS, &b, &err) != OK)
                    break;
                for (uint32_t r = 0; r < b.rows; r++) {
                    buf_printf(&got, "%lld:", (long long)b.origin.offset[r]);
                    buf_put_slice(&got, view_slice(&b.origin.raw[r]));
                    buf_putc(&got, '|');
                }
                position = b.next_position;
                s->ops->release(s, &b);
            }
            if (part == 7)
                drain(s, 0, BATCH_ROWS, &got);
            s->ops->free(s);
        }
        assert_true(slice_equal(buf_slice(&got), buf_slice(&want)));
    }
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    AUTO(buf) text = BUF(MIB(4));
    AUTO(buf) want = BUF(MIB(4));
    for (int i = 0; i < 3; i++) {
        buf_printf(&want, "%zu:short%d|", text.len, i);
        buf_printf(&text, "short%d\n", i);
        buf_printf(&want, "%zu:", text.len);
        for (int k = 0; k < 1000; k++)
            buf_putc(&want, 'x');
        buf_putc(&want, '|');
        for (int k = 0; k < 1000 + 200000 * i + (i == 0); k++)
            buf_putc(&text, 'x');
        if (i < 2) /* the last one ends with the file */
            buf_putc(&text, '\n');
    }
    write_file("long", "w", text.data, text.len);
    struct source *s = open_source(in_folder("long"), "max_line", "1000");
    struct split split;
    count_splits(s, &split, 1);
    AUTO(buf) got = BUF(MIB(4));
    assert_int_equal(drain(s, 0, BATCH_ROWS, &got), text.len);
    assert_string_equal(buf_cstr(&got), buf_cstr(&want));
    s->ops->free(s);
}

static void folders_and_patterns(void **state)
{
    (void)state;
    char name[300];
    snprintf(name, sizeof name, "mkdir '%s/d' '%s/d/sub'", folder, folder);
    assert_int_equal(system(name), 0);
    for (int i = 40; i >= 0; i--) {
        snprintf(name, sizeof name, "d/f%02d.ndjson", i);
        write_text(name, "x\n");
    }
    write_text("d/.hidden", "x\n");
    write_text("d/_temporary", "x\n");
    write_text("d/other.txt", "x\n");
    static const struct {
        const char *path;
        uint32_t files;
    } cases[] = {{"d", 42}, {"d/", 42}, {"d/*.ndjson", 41}, {"d/f0[12].*", 2}, {"d/f?5.ndjson", 4}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct source *s = open_source(in_folder(cases[i].path), NULL, NULL);
        struct split splits[64];
        assert_int_equal(count_splits(s, splits, 64), cases[i].files);
        assert_int_equal(count_splits(s, splits, 64), 0);
        AUTO(buf) got = BUF(KIB(4));
        for (uint32_t round = 0; round < 4; round++) /* so many are open at a time; others wait */
            for (uint32_t f = 0; f < cases[i].files; f++)
                drain(s, f, BATCH_ROWS, &got);
        assert_int_equal(got.len, 4 * cases[i].files);
        for (uint32_t f = 0; f < cases[i].files; f++)
            assert_true(s->ops->finished(s, f));
        s->ops->free(s);
    }
}

static void following(void **state)
{
    (void)state;
    write_text("live", "one\ntw");
    struct source *s = open_source(in_folder("live"), "follow", "true");
    struct split split;
    count_splits(s, &split, 1);
    AUTO(buf) got = BUF(KIB(4));
    drain(s, 0, BATCH_ROWS, &got);
    assert_string_equal(buf_cstr(&got), "0:one|");
    assert_false(s->ops->finished(s, 0));
    drain(s, 0, BATCH_ROWS, &got);
    write_file("live", "a", "o\nthree\n", 8);
    assert_int_equal(drain(s, 0, BATCH_ROWS, &got), 14);
    assert_string_equal(buf_cstr(&got), "0:one|4:two|8:three|");
    write_text("live", "cut\n");
    struct source_batch b;
    struct error err = {0};
    assert_int_equal(s->ops->poll(s, 0, BATCH_ROWS, &b, &err), FAILED);
    assert_non_null(strstr(err.text, "became shorter"));
    s->ops->free(s);
}

static void bounded_ends_where_the_file_ended(void **state)
{
    (void)state;
    write_text("grows", "one\ntwo\n");
    struct source *s = open_source(in_folder("grows"), NULL, NULL);
    struct split split;
    count_splits(s, &split, 1);
    struct source_batch b;
    struct error err = {0};
    assert_int_equal(s->ops->poll(s, 0, 1, &b, &err), OK);
    s->ops->release(s, &b);
    write_file("grows", "a", "three\n", 6);
    AUTO(buf) got = BUF(KIB(4));
    assert_int_equal(drain(s, 0, BATCH_ROWS, &got), 8);
    assert_string_equal(buf_cstr(&got), "4:two|");
    assert_true(s->ops->finished(s, 0));
    s->ops->free(s);
}

static void expect_error(const char *path, const char *more, const char *value, int64_t position, const char *text)
{
    struct source *s = NULL;
    struct error err = {0};
    enum status status = try_open(path, more, value, &s, &err);
    while (status == OK) {
        struct source_batch b;
        if (position >= 0)
            assert_int_equal(s->ops->seek(s, 0, position, &err), OK);
        position = -1;
        status = s->ops->poll(s, 0, BATCH_ROWS, &b, &err);
        if (status == OK)
            s->ops->release(s, &b);
    }
    if (s)
        s->ops->free(s);
    assert_int_equal(status, FAILED);
    if (!strstr(err.text, text))
        fail_msg("says \"%s\", not \"%s\"", err.text, text);
}

static void errors_name_the_file(void **state)
{
    (void)state;
    expect_error("missing.ndjson", NULL, NULL, -1, "missing.ndjson does not exist");
    expect_error(in_folder("no*.ndjson"), NULL, NULL, -1, "there is no file");
    expect_error("/tmp/*/x", NULL, NULL, -1, "last part");
    expect_error("/dev/null", NULL, NULL, -1, "neither a file nor a folder");
    AUTO(buf) text = BUF(MIB(16));
    AUTO(buf) want = BUF(MIB(16));
    make_lines(&text, &want);
    write_gzip("e.gz", buf_slice(&text), 1);
    write_zstd("e.zst", buf_slice(&text));
    static const char *const names[] = {"e.gz", "e.zst"};
    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(in_folder(names[i]), "r");
        AUTO(buf) bytes = BUF(MIB(16));
        bytes.len = fread(buf_reserve(&bytes, MIB(8)), 1, MIB(8), f);
        fclose(f);
        write_file("cut", "w", bytes.data, bytes.len - 5);
        expect_error(in_folder("cut"), NULL, NULL, -1, "ends too early");
        bytes.data[bytes.len / 2] ^= 0x55;
        write_file("flipped", "w", bytes.data, bytes.len);
        expect_error(in_folder("flipped"), NULL, NULL, -1, "is no sound");
        expect_error(in_folder(names[i]), NULL, NULL, INT64_C(1) << 40, "is shorter than it was");
        expect_error(in_folder(names[i]), "follow", "true", -1, "cannot be followed");
    }
    write_text("short", "a\n");
    expect_error(in_folder("short"), NULL, NULL, 100, "is shorter than it was");
    write_text("noformat", "a\n");
    expect_error(in_folder("noformat"), "compression", "gzip", -1, "is no sound gzip file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_and_offsets),
        cmocka_unit_test(pipes),
        cmocka_unit_test(same_through_chunks_and_compression),
        cmocka_unit_test(goes_on_where_it_stopped),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(folders_and_patterns),
        cmocka_unit_test(following),
        cmocka_unit_test(bounded_ends_where_the_file_ended),
        cmocka_unit_test(errors_name_the_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
