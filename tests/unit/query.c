/* Queries run to their end give the rows PostgreSQL gives: tests/sql/queries/, recorded by record.py there. */
#include "engine/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/os.h"

struct rows {
    struct arena arena;
    const char **lines;
    size_t count, cap;
    unsigned statements;
};

/* Zeros at the end of a fraction say which scale the column has, not which value it is. */
static void strip_zeros(struct buf *line, size_t from)
{
    size_t digits = from + (line->len > from && line->data[from] == '-');
    for (size_t i = digits; i < line->len; i++)
        if (!strchr("0123456789.", line->data[i]))
            return;
    if (!memchr(line->data + from, '.', line->len - from))
        return;
    while (line->data[line->len - 1] == '0')
        line->len--;
    line->len -= line->data[line->len - 1] == '.';
}

static void put_row(struct rows *rows, const struct query_result *r, uint32_t row)
{
    AUTO(buf) line = BUF(MIB(1));
    for (uint32_t c = 0; c < r->schema->ncols; c++) {
        buf_puts(&line, c ? "|" : "");
        size_t from = line.len;
        if (!column_print(&r->batch->cols[c], row, &line))
            buf_puts(&line, "\\N");
        strip_zeros(&line, from);
    }
    if (rows->count == rows->cap) {
        rows->cap = rows->cap ? 2 * rows->cap : 64;
        rows->lines = mem_realloc(rows->lines, rows->cap * sizeof *rows->lines);
    }
    rows->lines[rows->count++] = arena_strdup(&rows->arena, buf_cstr(&line));
}

static void take(void *arg, const struct query_result *r)
{
    struct rows *rows = arg;
    rows->statements += r->batch == NULL;
    for (uint32_t i = 0; r->batch && i < batch_live(r->batch); i++) {
        int64_t weight = batch_weight(r->batch, batch_row(r->batch, i));
        assert_true(weight > 0); /* what is left at the end */
        while (weight-- > 0)
            put_row(rows, r, batch_row(r->batch, i));
    }
}

static enum status no_relation(void *arg, const char *name, struct arena *a, struct schema *ret, struct error *err)
{
    (void)arg, (void)a, (void)ret;
    return error_set(err, ERR_NOT_FOUND, "no relation %s", name);
}

static enum status no_rows(void *arg, const char *name, enum status (*row)(void *take_arg, struct batch *b),
                           void *take_arg, struct error *err)
{
    (void)arg, (void)row, (void)take_arg;
    return error_set(err, ERR_NOT_FOUND, "no relation %s", name);
}

static int compare_lines(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void answer(const char *data, const char *query, struct buf *out)
{
    AUTO(buf) sql = BUF(MIB(1));
    buf_printf(&sql, "%s\n%s;", data, query);
    struct plan_text text = {"query.sql", buf_slice(&sql)};
    struct query_relations relations = {.lookup = {.relation = no_relation}, .read = no_rows};
    struct rows rows = {0};
    struct error err = {0};
    buf_printf(out, "==== %s\n", query);
    if (query_run(&text, &relations, take, &rows, &err) != OK)
        buf_puts(out, "error\n");
    else
        assert_int_equal(rows.statements, 1);
    if (err.code)
        rows.count = 0;
    if (!strstr(query, "ORDER BY") && rows.count)
        qsort(rows.lines, rows.count, sizeof *rows.lines, compare_lines);
    for (size_t i = 0; i < rows.count; i++)
        buf_printf(out, "%s\n", rows.lines[i]);
    free(rows.lines);
    arena_release(&rows.arena);
}

static char *slurp(struct arena *a, const char *name)
{
    char path[4200];
    AUTO(buf) b = BUF(MIB(4));
    struct error err;
    snprintf(path, sizeof path, "%s/../../sql/queries/%s", getenv("BOURN_TEST_DATA"), name);
    if (os_file_slurp(path, &b, &err) != OK)
        fail_msg("%s", err.text);
    return arena_strdup(a, buf_cstr(&b));
}

/* The answer to one query in the file of all: from its "==== query" line to the next. */
static struct slice recorded(const char *expected, const char *query, struct arena *a)
{
    const char *head = arena_printf(a, "==== %s\n", query), *start = strstr(expected, head);
    if (!start)
        fail_msg("not recorded: %s", query);
    const char *end = strstr(start + 5, "\n==== ");
    return (struct slice){start, end ? (size_t)(end + 1 - start) : strlen(start)};
}

static void test_rows_are_postgresqls(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    AUTO(buf) differences = BUF(MIB(4));
    const char *data = slurp(&a, "data.sql"), *expected = slurp(&a, "queries.expected");
    char *rest = slurp(&a, "queries.sql"), *line;
    unsigned queries = 0;
    while ((line = strsep(&rest, "\n"))) {
        if (!*line || strncmp(line, "--", 2) == 0)
            continue;
        AUTO(buf) got = BUF(MIB(1));
        answer(data, line, &got);
        struct slice want = recorded(expected, line, &a);
        if (!slice_equal(want, buf_slice(&got)))
            buf_printf(&differences, "PostgreSQL:\n%.*sbourn:\n%s\n", (int)want.len, want.data, buf_cstr(&got));
        queries++;
    }
    if (differences.len)
        fail_msg("\n%s", buf_cstr(&differences));
    assert_true(queries > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_are_postgresqls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
