/* Inside of the functions of jsonb: paths, which are arrays of text, or the arguments of a variadic function. */
#pragma once

#include "expr/array.h"

struct json_path {
    struct column keys; /* of type text */
    uint32_t n;
    bool has_null;
};

/* The path in argument `at`, or in all arguments from there on, of the row. It lives in `a`. */
struct json_path json_path_of(const struct call *c, uint32_t at, uint32_t row, struct arena *a);
static inline struct slice json_path_key(const struct json_path *p, uint32_t i)
{
    return view_slice(column_view(&p->keys, i));
}
