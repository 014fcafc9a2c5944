/* bourn test: the tests of pipelines that stand beside them in *.test.sql. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/utf8.h"
#include "cmd/cmd.h"
#include "cmd/test_run.h"

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
    (void)number;
    asked_to_stop = 1;
}

struct testing {
    struct arena arena; /* names of files */
    const char **files;
    uint32_t nfiles, files_cap;
    const char *state; /* folder for the state of whatever runs */
    bool json, allow_c_functions;
    struct buf out;
    uint32_t passed, failed;
};

/* ---- finding tests ---- */

static bool is_test(const char *name)
{
    static const char suffix[] = ".test.sql";
    size_t n = strlen(name);
    return n > sizeof suffix - 1 && !strcmp(name + n - (sizeof suffix - 1), suffix);
}

static void add_file(struct testing *t, const char *path)
{
    t->files = mem_grow(t->files, t->nfiles, &t->files_cap, sizeof *t->files);
    t->files[t->nfiles++] = path;
}

struct visit {
    struct testing *testing;
    const char *folder;
    unsigned depth;
};

static enum status find_in(void *arg, const char *name, struct error *err)
{
    struct visit *v = arg;
    enum { DEEPEST = 32 };
    struct testing *t = v->testing;
    if (*name == '.')
        return OK;
    const char *path = !strcmp(v->folder, ".") ? arena_strdup(&t->arena, name)
                                               : arena_printf(&t->arena, "%s/%s", v->folder, name);
    struct os_stat st;
    TRY(os_stat(path, &st, err));
    if (st.kind == OS_FILE && is_test(name))
        add_file(t, path);
    if (st.kind != OS_FOLDER || v->depth == DEEPEST)
        return OK;
    struct visit inside = {t, path, v->depth + 1};
    return os_folder_list(path, find_in, &inside, err);
}

static enum status find_tests(struct testing *t, const char *name, struct error *err)
{
    struct os_stat st;
    TRY(os_stat(name, &st, err));
    if (st.kind == OS_MISSING)
        return error_set(err, ERR_USAGE, "there is no file or folder %s", name);
    if (st.kind != OS_FOLDER) {
        add_file(t, name);
        return OK;
    }
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        n--;
    struct visit v = {t, arena_strndup(&t->arena, name, n), 0};
    return os_folder_list(v.folder, find_in, &v, err);
}

/* ---- a difference, aligned ---- */

enum { WIDEST = 60 };

static uint32_t width_of(const char *cell)
{
    uint32_t n = 0;
    for (const char *p = cell ? cell : "NULL"; *p; p++)
        n += ((unsigned char)*p & 0xC0) != 0x80;
    return n;
}

static void put_cell(struct buf *out, const char *cell, uint32_t width, bool last)
{
    for (const char *p = cell ? cell : "NULL"; *p; p++)
        buf_putc(out, *p == '\n' || *p == '\r' || *p == '\t' ? ' ' : *p);
    for (uint32_t n = width_of(cell); !last && n < width; n++)
        buf_putc(out, ' ');
}

static void put_row(struct buf *out, const char *mark, const char *const *cells, uint32_t n, const uint32_t *widths)
{
    buf_printf(out, "#   %s  ", mark);
    for (uint32_t c = 0; c < n; c++) {
        put_cell(out, cells[c], widths[c], c + 1 == n);
        buf_puts(out, c + 1 < n ? " | " : "\n");
    }
}

static void put_difference(struct buf *out, const struct test_failure *f, struct arena *a)
{
    uint32_t n = f->columns->ncols, *widths = arena_array(a, n, sizeof *widths);
    for (uint32_t c = 0; c < n; c++) {
        widths[c] = width_of(f->columns->names[c]);
        for (uint32_t i = 0; i < f->nlines; i++)
            widths[c] = MAX(widths[c], MIN(width_of(f->cells[i][c]), (uint32_t)WIDEST));
    }
    put_row(out, " ", f->columns->names, n, widths);
    for (uint32_t i = 0; i < f->nlines; i++)
        put_row(out, f->lines[i], f->cells[i], n, widths);
}

/* ---- reports ---- */

static void put_comment(struct buf *out, const char *text)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        buf_printf(out, "# %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static void put_failure(struct testing *t, const struct test_failure *f, struct arena *a)
{
    struct buf *out = &t->out;
    if (f->error) {
        buf_printf(out, "# %s:%u:%u: the run failed (%s, epoch %lld)\n", f->place.file, f->place.line, f->place.column,
                   f->variant, (long long)f->epoch);
        put_comment(out, f->error);
        return;
    }
    buf_printf(out, "# %s:%u:%u: %s (%s, epoch %lld)\n", f->place.file, f->place.line, f->place.column,
               f->order ? "the rows are those expected, but come in this order"
                        : "rows differ: - expected and missing, + found and not expected",
               f->variant, (long long)f->epoch);
    put_difference(out, f, a);
}

static void put_cells_json(struct buf *out, const struct test_failure *f, const char *mark)
{
    bool first = true;
    for (uint32_t i = 0; i < f->nlines; i++) {
        if (*f->lines[i] != *mark)
            continue;
        buf_puts(out, first ? "[" : ",[");
        first = false;
        for (uint32_t c = 0; c < f->columns->ncols; c++) {
            buf_puts(out, c ? "," : "");
            if (f->cells[i][c])
                buf_put_json(out, slice_of(f->cells[i][c]));
            else
                buf_puts(out, "null");
        }
        buf_putc(out, ']');
    }
}

static void put_failure_json(struct buf *out, const struct test_failure *f)
{
    buf_puts(out, ",\"variant\":");
    buf_put_json(out, slice_of(f->variant));
    buf_printf(out, ",\"epoch\":%lld,\"line\":%u", (long long)f->epoch, f->place.line);
    if (f->error) {
        buf_puts(out, ",\"error\":");
        buf_put_json(out, slice_of(f->error));
        return;
    }
    buf_printf(out, ",\"only_order\":%s,\"columns\":[", f->order ? "true" : "false");
    for (uint32_t c = 0; c < f->columns->ncols; c++) {
        buf_puts(out, c ? "," : "");
        buf_put_json(out, slice_of(f->columns->names[c]));
    }
    buf_puts(out, "],\"missing\":[");
    put_cells_json(out, f, "-");
    buf_puts(out, "],\"extra\":[");
    put_cells_json(out, f, "+");
    buf_putc(out, ']');
}

/* failure, error: of the test, of its file; both NULL: it passed. */
static void report(struct testing *t, const char *file, const char *name, uint32_t runs,
                   const struct test_failure *failure, const char *error, struct arena *a)
{
    bool ok = !failure && !error;
    struct buf *out = &t->out;
    uint32_t number = t->passed + t->failed + 1;
    if (t->json) {
        buf_printf(out, "%s{\"file\":", number > 1 ? "," : "");
        buf_put_json(out, slice_of(file));
        buf_puts(out, ",\"test\":");
        buf_put_json(out, slice_of(name));
        buf_printf(out, ",\"ok\":%s,\"runs\":%u", ok ? "true" : "false", runs);
        if (failure)
            put_failure_json(out, failure);
        if (error) {
            buf_puts(out, ",\"error\":");
            buf_put_json(out, slice_of(error));
        }
        buf_putc(out, '}');
    } else {
        if (failure)
            put_failure(t, failure, a);
        if (error)
            put_comment(out, error);
        buf_printf(out, "%sok %u - %s: %s\n", ok ? "" : "not ", number, file, name);
        fwrite(out->data, 1, out->len, stdout);
        fflush(stdout);
        buf_clear(out);
    }
    t->passed += ok;
    t->failed += !ok;
}

/* ---- the verb ---- */

static void test_file(struct testing *t, const char *path)
{
    struct test_file f;
    struct error err;
    if (test_file_read(path, &f, &err) != OK) {
        char text[1200];
        report(t, path, "is understood", 0, NULL, error_print(&err, text, sizeof text), &f.arena);
        test_file_release(&f);
        return;
    }
    for (uint32_t i = 0; i < f.ncases && !asked_to_stop; i++) {
        AUTO(arena) a = {0};
        struct test_failure failure;
        uint32_t runs;
        f.cases[i]->allow_c_functions = t->allow_c_functions;
        bool ok = test_run(f.cases[i], t->state, &a, &runs, &failure);
        report(t, path, f.cases[i]->name, runs, ok ? NULL : &failure, NULL, &a);
    }
    test_file_release(&f);
}

/* Nothing in it outlives the command, so memory will do. */
static const char *state_folder(struct arena *a)
{
    struct os_stat st;
    struct error err;
    const char *folder = os_env("TMPDIR");
    uint64_t tag;
    if (!folder)
        folder = os_stat("/dev/shm", &st, &err) == OK && st.kind == OS_FOLDER ? "/dev/shm" : "/tmp";
    os_random(&tag, sizeof tag);
    return arena_printf(a, "%s/bourn-test-%016llx", folder, (unsigned long long)tag);
}

static enum status find_all(struct testing *t, char **names, int n, struct error *err)
{
    for (int i = 0; i < n; i++)
        TRY(find_tests(t, names[i], err));
    if (n == 0)
        TRY(find_tests(t, ".", err));
    if (t->nfiles)
        return OK;
    (void)error_set(err, ERR_USAGE, "there is no *.test.sql");
    return error_hint(err, "name the file, or the folder that it is in");
}

int cmd_test(int argc, char **argv)
{
    struct testing t = {.out = BUF(MIB(64))};
    const struct cmd_flag flags[] = {{"json", NULL, &t.json}, {"allow-c-functions", NULL, &t.allow_c_functions}};
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    struct error err;
    enum status s = find_all(&t, argv, n, &err);
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    t.state = state_folder(&t.arena);
    if (t.json && s == OK)
        buf_puts(&t.out, "{\"tests\":[");
    for (uint32_t i = 0; s == OK && i < t.nfiles && !asked_to_stop; i++)
        test_file(&t, t.files[i]);
    if (s == OK && t.json)
        buf_printf(&t.out, "],\"passed\":%u,\"failed\":%u}\n", t.passed, t.failed);
    else if (s == OK)
        buf_printf(&t.out, "%u passed, %u failed\n", t.passed, t.failed);
    if (s == OK && t.out.data)
        fwrite(t.out.data, 1, t.out.len, stdout);
    int code = s != OK ? cmd_fail(&err) : asked_to_stop ? 9 : t.failed ? 1 : 0;
    buf_release(&t.out);
    free(t.files);
    arena_release(&t.arena);
    return code;
}
