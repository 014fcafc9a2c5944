#include "op/late.h"

#include "expr/calendar.h"
#include "op/panes.h"
#include "op/refuse.h"
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

static bool lies_within(const struct plan_window *w, int64_t us)
{
    if (w->kind == WINDOW_SESSION)
        return micros_in_range(us + w->size);
    int64_t step = w->kind == WINDOW_HOP ? w->slide : w->size;
    int64_t last = window_align(us, step, w->offset), first = last;
    if (w->kind == WINDOW_HOP)
        first = window_align(us - w->size, step, w->offset) + step;
    return first > last || (micros_in_range(first) && micros_in_range(last + w->size));
}

void refuse_outside(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                    const struct plan_window *w)
{
    const int64_t *time = b->cols[w->column].data;
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        least = MIN(least, time[batch_row(b, i)]);
        most = MAX(most, time[batch_row(b, i)]);
    }
    if (least > most || (micros_in_range(least - w->size) && micros_in_range(most + w->size)))
        return;
    struct row_error *errors = arena_array(c->arena, batch_live(b), sizeof *errors);
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch_live(b); i++)
        if (!lies_within(w, time[batch_row(b, i)]))
            errors[n++] = (struct row_error){.row = batch_row(b, i), .sqlstate = "22008",
                                             .text = "its window lies outside the years 0001 to 9999"};
    const struct batch all = *b;
    c->counts->error += refuse_failed(c, &all, &(struct row_errors){n, errors}, op->name, names, b);
}

void report_late(struct op_context *c, const struct operator *op, const char *const *names, const struct batch *b,
                 uint32_t row, int64_t limit)
{
    struct rejection *r = b->origin ? reject_row(c->rejections, b, row, c->source_name, op->name, "late", "")
                                    : reject_result(c->rejections, b, row, names, op->name, "late", "");
    r->watermark = limit == INT64_MAX ? INT64_MIN : limit; /* the end of time is none */
    c->counts->late++;
}

void refuse_late(struct op_context *c, const struct operator *op, const char *const *names, struct batch *b,
                 uint32_t column, int64_t length, int64_t limit)
{
    const int64_t *time = b->cols[column].data;
    int64_t latest = limit; /* of the times that are late; at the end of time, any is */
    if (limit == INT64_MIN || (limit != INT64_MAX && __builtin_sub_overflow(limit, length, &latest)))
        return;
    uint64_t *keep = NULL;
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        if (likely(time[row] > latest) || column_is_null(&b->cols[column], row))
            continue;
        if (!keep)
            keep = batch_keep_all(b, c->arena);
        bit_clear(keep, row);
        report_late(c, op, names, b, row, limit);
    }
    if (keep)
        batch_filter(b, keep);
}
