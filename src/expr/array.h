/* Inside of the functions of arrays and jsonb: arrays read and made, element by element. */
#pragma once

#include "column/array.h"
#include "expr/function.h"

/* A list being made. What it points to (long strings) is not copied: it lives until the list is given. */
struct elements {
    struct column col;
    uint32_t n, cap;
    struct arena *arena;
};

static inline struct elements elements_of(struct type element, struct arena *a)
{
    return (struct elements){.col.type = element, .arena = a};
}
/* The element at `row` of a column of the same type, which may be NULL. */
void elements_add(struct elements *e, const struct column *from, size_t row);
void elements_add_text(struct elements *e, struct slice text);
void elements_add_null(struct elements *e);
/* They become the lane's array; 54000 if it is too long. */
void elements_give(struct elements *e, struct call *c, uint32_t row);

/* string_to_array() and string_to_table(). */
void array_from_string(struct call *c);

/* An argument that is an array, opened in `a`; a NULL one has no elements. */
struct column arg_array(const struct call *c, uint32_t i, uint32_t row, struct arena *a, uint32_t *ret_n);
