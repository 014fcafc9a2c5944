#include "cmd/result_print.h"

#include <stdio.h>

#include "format/formats.h"
#include "format/table_write.h"

enum { ROWS_AT_ONCE = 64 }; /* their text may be long: it is printed before that of others is made */
#define OUTPUT_MAX GIB(8)

struct printing {
    enum result_style style;
    unsigned width;
    uint64_t most;
    bool more; /* than `most` rows */
    bool open;
    uint32_t statement;
    uint64_t rows;
    struct table_writer *table;
    struct encoder *encoder;
    struct buf out;
    struct error error;
    bool failed;
};

static void flush(struct printing *p)
{
    if (p->out.overflow && !p->failed) {
        (void)error_set(&p->error, ERR_LIMIT, "rows are larger than %llu MB as text",
                        (unsigned long long)(p->out.max >> 20));
        p->failed = true;
    }
    if (p->out.len && !p->failed)
        fwrite(p->out.data, 1, p->out.len, stdout);
    buf_clear(&p->out);
}

static void end_statement(struct printing *p)
{
    if (!p->open)
        return;
    if (p->table) {
        table_writer_flush(p->table, &p->out);
        buf_printf(&p->out, "(%s%llu row%s)\n", p->more ? "first " : "", (unsigned long long)p->rows,
                   p->rows == 1 ? "" : "s");
    }
    flush(p);
    table_writer_free(p->table);
    encoder_free(p->encoder);
    p->table = NULL;
    p->encoder = NULL;
    p->open = false;
}

static void begin_statement(struct printing *p, const struct query_result *r)
{
    static struct option header[] = {{.name = "header", .value = "true"}};
    static const struct options with_header = {.count = 1, .items = header}, none = {0};
    end_statement(p);
    p->open = true;
    p->statement = r->statement;
    p->rows = 0;
    p->more = false;
    if (p->style == RESULT_TABLE) {
        p->table = table_writer_new(r->schema, p->width);
        return;
    }
    const struct format *f = p->style == RESULT_CSV ? &format_csv : &format_json;
    if (f->encoder_new(r->schema, p->style == RESULT_CSV ? &with_header : &none, &p->encoder, &p->error) != OK) {
        p->failed = true;
        return;
    }
    p->encoder->ops->begin(p->encoder, &p->out);
}

static void put_rows(struct printing *p, const struct batch *b)
{
    uint32_t n = (uint32_t)MIN((uint64_t)batch_live(b), p->most - p->rows), sel[ROWS_AT_ONCE];
    p->more |= n < batch_live(b);
    for (uint32_t from = 0; from < n && !p->failed; from += ROWS_AT_ONCE) {
        struct batch part = *b;
        part.sel = sel;
        part.live = MIN(n - from, (uint32_t)ROWS_AT_ONCE);
        for (uint32_t i = 0; i < part.live; i++)
            sel[i] = batch_row(b, from + i);
        if (p->table)
            table_writer_add(p->table, &part, &p->out);
        else
            p->encoder->ops->encode(p->encoder, &part, &p->out);
        flush(p);
    }
    p->rows += n;
}

/* Statements are announced before any rows; rows come statement by statement. */
static void on_result(void *arg, const struct query_result *r)
{
    struct printing *p = arg;
    if (!r->batch)
        return;
    if (!p->open || p->statement != r->statement)
        begin_statement(p, r);
    if (p->failed)
        return;
    put_rows(p, r->batch);
}

enum status result_print(const struct plan_text *text, const struct query_relations *relations,
                         enum result_style style, unsigned width, uint64_t most, struct error *err)
{
    struct printing p = {.style = style, .width = width, .most = most, .out = BUF(OUTPUT_MAX)};
    enum status s = query_run(text, relations, on_result, &p, err);
    end_statement(&p);
    buf_release(&p.out);
    if (s == OK && p.failed) {
        *err = p.error;
        return FAILED;
    }
    return s;
}
