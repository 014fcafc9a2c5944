/* Rows as text: what queries of a test give, and how cells are compared. */
#include <stdlib.h>

#include "cmd/test_case.h"
#include "engine/query.h"

void test_rows_add(struct test_rows *r, const char **cells)
{
    r->cells = arena_grow(r->arena, r->cells, r->count, &r->cap, sizeof *r->cells);
    r->cells[r->count++] = cells;
}

static const char *printed(const struct column *c, uint32_t row, struct arena *a)
{
    AUTO(buf) text = BUF(MIB(16));
    return column_print(c, row, &text) ? arena_strndup(a, text.data ? text.data : "", text.len) : NULL;
}

static void on_result(void *arg, const struct query_result *r)
{
    struct test_rows *into = arg;
    into->ncols = r->schema->ncols;
    for (uint32_t i = 0; r->batch && i < batch_live(r->batch); i++) {
        const char **cells = arena_array(into->arena, into->ncols, sizeof *cells);
        for (uint32_t c = 0; c < into->ncols; c++)
            cells[c] = printed(&r->batch->cols[c], batch_row(r->batch, i), into->arena);
        test_rows_add(into, cells);
    }
}

enum status test_rows_query(struct plan *query, const struct query_relations *relations, struct test_rows *into,
                            struct error *err)
{
    return query_run_plan(query, relations, on_result, into, err);
}

/* ---- cells ---- */

static bool is_number(const char *s)
{
    s += *s == '-' || *s == '+';
    size_t whole = strspn(s, "0123456789"), part = 0;
    if (s[whole] == '.')
        part = 1 + strspn(s + whole + 1, "0123456789");
    return whole + part > 0 && strcmp(s, ".") != 0 && s[whole + part] == 0;
}

/* Two numerics are equal whatever their scale is: 1.50 is 1.5, and -0.0 is 0. */
static const char *plain_number(const char *text, struct arena *a)
{
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    while (text[0] == '0' && text[1] && text[1] != '.')
        text++;
    size_t n = strlen(text);
    if (strchr(text, '.')) {
        while (text[n - 1] == '0')
            n--;
        n -= text[n - 1] == '.';
    }
    bool zero = n == 0 || (n == 1 && *text == '0');
    return zero ? "0" : arena_printf(a, "%s%s%.*s", negative ? "-" : "", *text == '.' ? "0" : "", (int)n, text);
}

enum status test_cell(struct type type, const char *text, struct arena *a, const char **ret, struct error *err)
{
    if (type.id == TYPE_NUMERIC) {
        if (!is_number(text))
            return error_set(err, ERR_SQL, "\"%s\" is no number", text);
        *ret = plain_number(text, a);
        return OK;
    }
    struct column c = column_make(a, type, 1, false);
    TRY(column_parse(&c, 0, slice_of(text), a, err));
    *ret = printed(&c, 0, a);
    return OK;
}
