#include "op/refuse.h"

#include <stdio.h>

#include "op/reject.h"

static void refuse_one(struct op_context *c, const struct batch *b, const struct row_error *e, const char *step,
                       const char *const *names)
{
    char rule[16];
    snprintf(rule, sizeof rule, "error:%s", e->sqlstate);
    if (b->origin)
        reject_row(c->rejections, b, e->row, c->source_name, step, rule, e->text);
    else if (batch_weight(b, e->row) > 0)
        reject_result(c->rejections, b, e->row, names, step, rule, e->text);
}

uint64_t refuse_errors(struct op_context *c, const struct batch *b, const struct row_errors *errors, const char *step,
                       const char *const *names)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < errors->count; i++) {
        if (i && errors->items[i].row == errors->items[i - 1].row)
            continue; /* PostgreSQL reports the first error of a row, too */
        refuse_one(c, b, &errors->items[i], step, names);
        rows++;
    }
    return rows;
}

uint64_t refuse_failed(struct op_context *c, const struct batch *in, const struct row_errors *errors, const char *step,
                       const char *const *names, struct batch *out)
{
    if (errors->count == 0)
        return 0;
    uint64_t *keep = batch_keep_all(in, c->arena);
    for (uint32_t i = 0; i < errors->count; i++)
        bit_clear(keep, errors->items[i].row);
    batch_filter(out, keep);
    return refuse_errors(c, in, errors, step, names);
}
