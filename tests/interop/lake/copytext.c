#include "copytext.h"

#include <stdio.h>
#include <stdlib.h>

static struct slice cut(struct slice *text, char at)
{
    const char *end = memchr(text->data, at, text->len);
    size_t n = end ? (size_t)(end - text->data) : text->len;
    struct slice piece = {text->data, n};
    text->data += end ? n + 1 : n;
    text->len -= end ? n + 1 : n;
    return piece;
}

static enum status parse_type(struct slice text, struct type *ret, struct error *err)
{
    char name[64];
    int mods[2], n = 0;
    snprintf(name, sizeof name, "%.*s", (int)text.len, text.data);
    size_t len = strlen(name);
    bool array = len > 2 && strcmp(name + len - 2, "[]") == 0;
    name[array ? len - 2 : len] = 0;
    char *open = strchr(name, '(');
    if (open) {
        *open = 0;
        n = sscanf(open + 1, "%d,%d", &mods[0], &mods[1]);
    }
    TRY(type_parse(name, mods, n, ret, err));
    if (array)
        *ret = type_array(*ret);
    return OK;
}

enum status copytext_schema(struct slice line, struct arena *a, struct schema *ret, struct error *err)
{
    struct schema s = {0};
    s.names = arena_array(a, line.len + 1, sizeof *s.names);
    s.types = arena_array(a, line.len + 1, sizeof *s.types);
    s.nullable = arena_array(a, line.len + 1, sizeof *s.nullable);
    while (line.len) {
        struct slice column = cut(&line, '\t');
        struct slice name = cut(&column, ':'), type = cut(&column, ':');
        s.names[s.ncols] = arena_strndup(a, name.data, name.len);
        s.nullable[s.ncols] = !slice_is(column, "notnull");
        TRY(parse_type(type, &s.types[s.ncols], err));
        s.ncols++;
    }
    *ret = s;
    return OK;
}

static struct slice unescape(struct slice text, struct arena *a)
{
    char *out = arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.data[++i];
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
        out[n++] = c;
    }
    return (struct slice){out, n};
}

enum status copytext_batch(const struct schema *s, struct slice *text, struct arena *a, struct batch **ret,
                           struct error *err)
{
    if (!text->len) {
        *ret = NULL;
        return OK;
    }
    struct batch *b = batch_make(a, s->types, s->ncols, BATCH_ROWS);
    uint32_t row = 0;
    for (; text->len && row < BATCH_ROWS; row++) {
        struct slice line = cut(text, '\n');
        for (uint32_t c = 0; c < s->ncols; c++) {
            struct slice value = cut(&line, '\t');
            if (slice_is(value, "\\N"))
                column_set_null(&b->cols[c], a, BATCH_ROWS, row);
            else
                TRY(column_parse(&b->cols[c], row, unescape(value, a), a, err));
        }
    }
    b->rows = b->live = row;
    *ret = b;
    return OK;
}

void copytext_print_schema(const struct schema *s, struct buf *out)
{
    for (uint32_t i = 0; i < s->ncols; i++) {
        char type[40];
        buf_printf(out, "%s%s:%s%s", i ? "\t" : "", s->names[i], type_name(s->types[i], type),
                   s->nullable && !s->nullable[i] ? ":notnull" : "");
    }
    buf_putc(out, '\n');
}

static void print_value(const struct column *c, uint32_t row, struct buf *scratch, struct buf *out)
{
    buf_clear(scratch);
    if (!column_print(c, row, scratch)) {
        buf_puts(out, "\\N");
        return;
    }
    for (size_t i = 0; i < scratch->len; i++) {
        char ch = scratch->data[i];
        const char *escaped = ch == '\t' ? "\\t" : ch == '\n' ? "\\n" : ch == '\r' ? "\\r" : ch == '\\' ? "\\\\" : NULL;
        if (escaped)
            buf_puts(out, escaped);
        else
            buf_putc(out, ch);
    }
}

void copytext_print(const struct batch *b, struct buf *out)
{
    AUTO(buf) scratch = BUF(GIB(1));
    for (uint32_t i = 0; i < batch_live(b); i++) {
        for (uint32_t c = 0; c < b->ncols; c++) {
            if (c)
                buf_putc(out, '\t');
            print_value(&b->cols[c], batch_row(b, i), &scratch, out);
        }
        buf_putc(out, '\n');
    }
}

enum status copytext_stdin(struct buf *into, struct error *err)
{
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin));)
        buf_put(into, chunk, n);
    return into->overflow ? error_set(err, ERR_LIMIT, "too much input") : OK;
}
