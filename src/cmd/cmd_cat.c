/* bourn cat: what is in a table or a file, for eyes and for pipes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/options.h"
#include "cmd/cat_rows.h"
#include "cmd/cmd.h"
#include "column/rowkey.h"
#include "format/formats.h"
#include "format/table_write.h"

static const size_t OUTPUT_LIMIT = GIB(1), OUTPUT_CHUNK = MIB(1);

/* Where rows go: as a table, or through one of the formats. */
struct printer {
    struct table_writer *table;
    struct encoder *encoder;
    struct buf out;
    uint64_t rows, limit;
    bool closed; /* the reader of our output has gone */
};

static uint32_t terminal_width(void)
{
    struct winsize size;
    if (!cmd_is_terminal(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col;
}

static enum status printer_write(struct printer *p, struct error *err)
{
    if (p->out.overflow)
        return error_set(err, ERR_LIMIT, "one batch of rows is larger than %zu MB as text", OUTPUT_LIMIT >> 20);
    if (p->out.len && !p->closed && (fwrite(p->out.data, 1, p->out.len, stdout) < p->out.len || fflush(stdout) != 0)) {
        if (errno != EPIPE)
            return error_errno(err, errno, "cannot write the output");
        p->closed = true;
    }
    buf_clear(&p->out);
    return OK;
}

/* Print the live rows of a batch, up to the limit. */
static enum status printer_add(struct printer *p, struct batch *b, struct error *err)
{
    if (batch_live(b) > p->limit - p->rows) {
        AUTO(arena) a = {0};
        uint64_t *keep = arena_zarray(&a, BITMAP_WORDS(b->rows), sizeof *keep);
        for (uint32_t i = 0; i < p->limit - p->rows; i++)
            bit_set(keep, batch_row(b, i));
        batch_filter(b, keep);
    }
    p->rows += batch_live(b);
    if (p->encoder)
        p->encoder->ops->encode(p->encoder, b, &p->out);
    else
        table_writer_add(p->table, b, &p->out);
    return p->out.len >= OUTPUT_CHUNK || p->out.overflow ? printer_write(p, err) : OK;
}

static enum status printer_begin(struct printer *p, const struct schema *schema, bool csv, bool json, struct error *err)
{
    static struct option header[] = {{.name = "header", .value = "true"}};
    static const struct options with_header = {.count = 1, .items = header}, none = {0};
    p->out = (struct buf)BUF(OUTPUT_LIMIT);
    if (!csv && !json) {
        p->table = table_writer_new(schema, terminal_width());
        return OK;
    }
    const struct format *format = csv ? &format_csv : &format_json;
    TRY(format->encoder_new(schema, csv ? &with_header : &none, &p->encoder, err));
    p->encoder->ops->begin(p->encoder, &p->out);
    return OK;
}

static enum status printer_end(struct printer *p, bool more, struct error *err)
{
    if (p->table) {
        char rows[40];
        snprintf(rows, sizeof rows, "%s%llu row%s", more ? "first " : "", (unsigned long long)p->rows,
                 p->rows == 1 ? "" : "s");
        table_writer_end(p->table, rows, &p->out);
    }
    return printer_write(p, err);
}

static void printer_release(struct printer *p)
{
    table_writer_free(p->table);
    encoder_free(p->encoder);
    buf_release(&p->out);
}

/* ---- in order ---- */

struct sorted_row {
    struct slice key;
    struct batch *batch;
    uint32_t row;
    bool descending;
};

static int by_key(const void *a, const void *b)
{
    const struct sorted_row *x = a, *y = b;
    int order = slice_compare(x->key, y->key);
    return x->descending ? -order : order;
}

/* rowkey bytes; of JSON without a schema, numbers come first and by their value. */
static struct slice sort_key(const struct column *c, uint32_t row, struct buf *key, struct arena *a)
{
    const uint32_t first = 0;
    buf_clear(key);
    if (c->type.id == TYPE_JSONB && !column_is_null(c, row)) {
        struct slice text = view_slice(column_view(c, row));
        const char *terminated = arena_strndup(a, text.data, text.len);
        char *end;
        double number = strtod(terminated, &end);
        const struct column as_number = {.type = TYPE(TYPE_FLOAT8), .data = &number};
        if (!*end)
            rowkey_put(key, &as_number, &first, 1, 0);
        else
            buf_put_u8(key, 1), buf_put_u8(key, 0xff), buf_put_slice(key, text);
    } else
        rowkey_put(key, c, &first, 1, row);
    return (struct slice){arena_dup(a, key->data, key->len), key->len};
}

/* "amount" or "amount desc": which column, and which way. */
static enum status parse_order(const struct schema *schema, const char *text, uint32_t *ret, bool *ret_descending,
                               struct error *err)
{
    AUTO(arena) a = {0};
    char *name = arena_strdup(&a, text);
    size_t len = strlen(name);
    bool descending = len > 5 && strcmp(name + len - 5, " desc") == 0;
    if (descending)
        name[len - 5] = 0;
    struct schema chosen;
    TRY(cat_choose(schema, name, &a, &chosen, err));
    for (uint32_t i = 0; i < schema->ncols; i++)
        if (strcmp(schema->names[i], chosen.names[0]) == 0) {
            *ret = i;
            *ret_descending = descending;
        }
    return OK;
}

static enum status print_sorted(struct cat_rows *rows, struct printer *p, const char *order, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) all = BUF(GIB(64)), key = BUF(MIB(64));
    uint32_t column = 0;
    bool descending = false;
    TRY(parse_order(&rows->schema, order, &column, &descending, err));
    for (;;) {
        struct batch *b = NULL;
        TRY(rows->next(rows, &a, &b, err));
        if (!b)
            break;
        for (uint32_t i = 0; i < batch_live(b); i++) {
            uint32_t at = batch_row(b, i);
            struct sorted_row row = {sort_key(&b->cols[column], at, &key, &a), b, at, descending};
            buf_put(&all, &row, sizeof row);
        }
    }
    size_t n = all.len / sizeof(struct sorted_row);
    struct sorted_row *sorted = (struct sorted_row *)all.data;
    if (n)
        qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 0; i < n && p->rows < p->limit && !p->closed; i++) {
        struct batch one = *sorted[i].batch;
        one.sel = &sorted[i].row;
        one.live = 1;
        TRY(printer_add(p, &one, err));
    }
    return printer_end(p, n > p->limit, err);
}

static enum status print_all(struct cat_rows *rows, struct printer *p, struct error *err)
{
    AUTO(arena) a = {0};
    bool more = false;
    while (!p->closed) {
        struct batch *b = NULL;
        arena_reset(&a);
        TRY(rows->next(rows, &a, &b, err));
        more = b && batch_live(b) > p->limit - p->rows;
        if (!b || (more && p->rows == p->limit))
            break;
        TRY(printer_add(p, b, err));
        if (more)
            break;
    }
    return printer_end(p, more, err);
}

/* ---- the verb ---- */

static enum status cat(const char *path, const struct cat_choice *choice, const char *order, bool csv, bool json,
                       uint64_t limit, struct error *err)
{
    AUTO(cat_rows) *rows = NULL;
    struct printer p = {.limit = limit};
    TRY(cat_open(path, choice, &rows, err));
    enum status status = printer_begin(&p, &rows->schema, csv, json, err);
    if (status == OK)
        status = order ? print_sorted(rows, &p, order, err) : print_all(rows, &p, err);
    printer_release(&p);
    if (status == OK && rows->remarks) {
        AUTO(buf) remarks = BUF(KIB(16));
        rows->remarks(rows, &remarks);
        fputs(buf_cstr(&remarks), stderr);
    }
    return status;
}

static bool parse_count(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!*text || *end || errno || n < 0)
        return false;
    *ret = n;
    return true;
}

int cmd_cat(int argc, char **argv)
{
    const char *limit = NULL, *version = NULL, *order = NULL;
    bool csv = false, json = false;
    struct cat_choice choice = {.version = -1};
    int64_t most = INT64_MAX;
    const struct cmd_flag flags[] = {{"csv", .on = &csv},
                                     {"json", .on = &json},
                                     {"limit", .value = &limit},
                                     {"columns", .value = &choice.columns},
                                     {"version", .value = &version},
                                     {"timestamp", .value = &choice.timestamp},
                                     {"order-by", .value = &order}};
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    if (n != 1)
        return cmd_usage("cat", n == 0 ? "what should be printed?" : "one table or file at a time");
    if (csv && json)
        return cmd_usage("cat", "--csv or --json, not both");
    if (limit && !parse_count(limit, &most))
        return cmd_usage("cat", "--limit \"%s\" is no number of rows", limit);
    if (version && !parse_count(version, &choice.version))
        return cmd_usage("cat", "--version \"%s\" is no version of a table", version);
    if (version && choice.timestamp)
        return cmd_usage("cat", "--version or --timestamp, not both");
    struct error err;
    return cat(argv[0], &choice, order, csv, json, (uint64_t)most, &err) == OK ? 0 : cmd_fail(&err);
}
