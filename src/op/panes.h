/* Panes: pieces of time of which hopping and cumulating windows are made whole, so that a row is kept once and not once
 * for each window that holds it. A pane is as long as the greatest length that divides size and slide.
 */
#pragma once

#include "plan/plan.h"

/* The greatest time <= us that is a whole number of steps from the offset. */
static inline int64_t window_align(int64_t us, int64_t step, int64_t offset)
{
    int64_t from = us - offset, rest = from % step;
    return us - (rest < 0 ? rest + step : rest);
}

/* The start of the window that ends at `end`. */
static inline int64_t window_start_of(const struct plan_window *w, int64_t end)
{
    return w->kind == WINDOW_CUMULATE ? window_align(end - 1, w->size, w->offset) : end - w->size;
}

/* The end of the first window behind `after` (INT64_MIN: of all) that holds the pane that starts at `pane`; INT64_MAX:
 * there is none. */
static inline int64_t window_first_end(const struct plan_window *w, int64_t pane, int64_t after)
{
    int64_t from = after > pane ? after : pane;
    if (from == INT64_MAX)
        return INT64_MAX;
    int64_t anchor = w->offset + (w->kind == WINDOW_CUMULATE ? 0 : w->size % w->slide);
    int64_t end = window_align(from, w->slide, anchor) + w->slide;
    return window_start_of(w, end) <= pane ? end : INT64_MAX;
}

/* The end of the last window that holds it, if one does. */
static inline int64_t window_last_end(const struct plan_window *w, int64_t pane)
{
    return window_align(pane, w->kind == WINDOW_CUMULATE ? w->size : w->slide, w->offset) + w->size;
}
