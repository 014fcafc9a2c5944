/* VALUES: rows that stand in the pipeline. */
#include "op/operators.h"

struct batch *values_batch(const struct plan_node *node, int64_t now_us, struct arena *a)
{
    struct batch *b = batch_make(a, node->schema.types, node->schema.ncols, node->nrows);
    b->rows = b->live = node->nrows;
    struct batch one = {.rows = 1, .live = 1};
    for (uint32_t r = 0; r < node->nrows; r++) {
        const struct program *program = program_compile(a, node->rows[r], node->schema.ncols);
        struct program_state *state = program_state_new(program);
        struct column *cols = arena_array(a, node->schema.ncols, sizeof *cols);
        struct row_errors errors;
        program_run(program, state, &one, now_us, a, cols, &errors);
        for (uint32_t c = 0; c < node->schema.ncols; c++) {
            size_t width = type_width(node->schema.types[c]);
            if (column_is_null(&cols[c], 0))
                column_set_null(&b->cols[c], a, node->nrows, r);
            else
                memcpy((char *)b->cols[c].data + width * r, cols[c].data, width);
        }
        program_state_free(state);
    }
    return b;
}
