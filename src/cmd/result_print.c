#include "cmd/result_print.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/formats.h"
#include "format/table_write.h"

enum { ROWS_AT_ONCE = 64 }; /* their text may be long: it is printed before that of others is made */
#define OUTPUT_MAX GIB(8)

/* How a statement's rows are printed: made when it is announced, so that one without rows has its names, too. */
struct printer {
    struct table_writer *table;
    struct encoder *encoder;
    struct buf head; /* of the encoder */
    uint64_t rows;
    bool more; /* than `most` rows */
};

struct printing {
    enum result_style style;
    unsigned width;
    uint64_t most;
    struct printer *printers; /* per statement */
    uint32_t count, now;      /* those before `now` are done */
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
    struct printer *r = &p->printers[p->now++];
    buf_put_slice(&p->out, buf_slice(&r->head));
    buf_clear(&r->head);
    if (r->table) {
        char rows[40];
        snprintf(rows, sizeof rows, "%s%llu row%s", r->more ? "first " : "", (unsigned long long)r->rows,
                 r->rows == 1 ? "" : "s");
        table_writer_end(r->table, rows, &p->out);
    }
    flush(p);
}

static void announce(struct printing *p, const struct query_result *r)
{
    static struct option header[] = {{.name = "header", .value = "true"}};
    static const struct options with_header = {.count = 1, .items = header}, none = {0};
    assert(r->statement == p->count);
    p->printers = mem_realloc(p->printers, (p->count + 1) * sizeof *p->printers);
    struct printer *new = &p->printers[p->count++];
    *new = (struct printer){.head = BUF(OUTPUT_MAX)};
    if (p->style == RESULT_TABLE) {
        new->table = table_writer_new(r->schema, p->width);
        return;
    }
    const struct format *f = p->style == RESULT_CSV ? &format_csv : &format_json;
    if (f->encoder_new(r->schema, p->style == RESULT_CSV ? &with_header : &none, &new->encoder, &p->error) != OK) {
        p->failed = true;
        return;
    }
    new->encoder->ops->begin(new->encoder, &new->head);
}

static void put_rows(struct printing *p, struct printer *r, const struct batch *b)
{
    uint32_t n = (uint32_t)MIN((uint64_t)batch_live(b), p->most - r->rows), sel[ROWS_AT_ONCE];
    r->more |= n < batch_live(b);
    for (uint32_t from = 0; from < n && !p->failed; from += ROWS_AT_ONCE) {
        struct batch part = *b;
        part.sel = sel;
        part.live = MIN(n - from, (uint32_t)ROWS_AT_ONCE);
        for (uint32_t i = 0; i < part.live; i++)
            sel[i] = batch_row(b, from + i);
        if (r->table)
            table_writer_add(r->table, &part, &p->out);
        else
            r->encoder->ops->encode(r->encoder, &part, &p->out);
        flush(p);
    }
    r->rows += n;
}

/* Statements are announced before any rows; rows come statement by statement. */
static void on_result(void *arg, const struct query_result *r)
{
    struct printing *p = arg;
    if (!r->batch) {
        announce(p, r);
        return;
    }
    while (p->now < r->statement && !p->failed)
        end_statement(p);
    if (p->failed)
        return;
    struct printer *printer = &p->printers[r->statement];
    buf_put_slice(&p->out, buf_slice(&printer->head));
    buf_clear(&printer->head);
    put_rows(p, printer, r->batch);
}

enum status result_print(const struct plan_text *text, const struct query_relations *relations,
                         enum result_style style, unsigned width, uint64_t most, struct error *err)
{
    struct printing p = {.style = style, .width = width, .most = most, .out = BUF(OUTPUT_MAX)};
    enum status s = query_run(text, relations, on_result, &p, err);
    while (p.now < p.count && s == OK && !p.failed)
        end_statement(&p);
    for (uint32_t i = 0; i < p.count; i++) {
        table_writer_free(p.printers[i].table);
        encoder_free(p.printers[i].encoder);
        buf_release(&p.printers[i].head);
    }
    free(p.printers);
    buf_release(&p.out);
    if (s == OK && p.failed) {
        *err = p.error;
        return FAILED;
    }
    return s;
}
