#include "op/late.h"

#include "op/reject.h"

void refuse_null(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                 uint32_t column, const char *rule)
{
    const struct column *time = &b->cols[column];
    if (!time->valid)
        return;
    uint64_t before = c->counts->error;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        if (!column_is_null(time, row))
            continue;
        c->counts->error++;
        if (b->origin)
            reject_row(c->rejections, b, row, c->source_name, op->name, rule, "");
        else if (batch_weight(b, row) > 0)
            reject_result(c->rejections, b, row, names, op->name, rule, "");
    }
    if (c->counts->error != before)
        batch_filter(b, arena_dup(c->arena, time->valid, BITMAP_WORDS(b->rows) * sizeof *time->valid));
}

void report_late(struct op_context *c, const struct operator *op, const char *const *names, const struct batch *b,
                 uint32_t row, int64_t limit)
{
    struct rejection *r = b->origin ? reject_row(c->rejections, b, row, c->source_name, op->name, "late", "")
                                    : reject_result(c->rejections, b, row, names, op->name, "late", "");
    r->watermark = limit;
    c->counts->late++;
}

void refuse_late(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                 uint32_t column, int64_t limit)
{
    const int64_t *time = b->cols[column].data;
    if (limit == INT64_MIN)
        return;
    uint64_t *keep = NULL;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        if (likely(time[row] > limit) || column_is_null(&b->cols[column], row))
            continue;
        if (!keep) {
            keep = arena_array(c->arena, BITMAP_WORDS(b->rows), sizeof *keep);
            memset(keep, 0xff, BITMAP_WORDS(b->rows) * sizeof *keep);
        }
        bit_clear(keep, row);
        report_late(c, op, names, b, row, limit);
    }
    if (keep)
        batch_filter(b, keep);
}
