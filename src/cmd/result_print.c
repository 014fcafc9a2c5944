#include "cmd/result_print.h"

#include <stdio.h>

#include "format/formats.h"
#include "format/table_write.h"

struct printing {
    enum result_style style;
    unsigned width;
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
    if (p->out.len)
        fwrite(p->out.data, 1, p->out.len, stdout);
    buf_clear(&p->out);
}

static void end_statement(struct printing *p)
{
    if (!p->open)
        return;
    if (p->table) {
        table_writer_flush(p->table, &p->out);
        buf_printf(&p->out, "(%llu row%s)\n", (unsigned long long)p->rows, p->rows == 1 ? "" : "s");
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
    static const struct options no_options;
    end_statement(p);
    p->open = true;
    p->statement = r->statement;
    p->rows = 0;
    if (p->style == RESULT_TABLE) {
        p->table = table_writer_new(r->schema, p->width);
        return;
    }
    const struct format *f = p->style == RESULT_CSV ? &format_csv : &format_json;
    if (f->encoder_new(r->schema, &no_options, &p->encoder, &p->error) != OK) {
        p->failed = true;
        return;
    }
    p->encoder->ops->begin(p->encoder, &p->out);
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
    p->rows += batch_live(r->batch);
    if (p->table)
        table_writer_add(p->table, r->batch, &p->out);
    else
        p->encoder->ops->encode(p->encoder, r->batch, &p->out);
    flush(p);
}

enum status result_print(const struct plan_text *text, const struct query_relations *relations,
                         enum result_style style, unsigned width, struct error *err)
{
    struct printing p = {.style = style, .width = width, .out = BUF(MIB(256))};
    enum status s = query_run(text, relations, on_result, &p, err);
    end_statement(&p);
    buf_release(&p.out);
    if (s == OK && p.failed) {
        *err = p.error;
        return FAILED;
    }
    return s;
}
