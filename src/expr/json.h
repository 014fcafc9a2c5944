/* Inside of the functions of jsonb: paths, which are arrays of text. */
#pragma once

#include "expr/function.h"

/* The elements of argument `at`, a constant like '{a,0,"b c"}' or ARRAY[x, ...]: b->arena has them. */
enum status json_path_constants(struct binding *b, uint32_t at, struct expr ***ret, uint32_t *ret_count,
                                struct error *err);
/* The bind hook of fn(doc, path): the keys of the path become the arguments behind the document. */
enum status json_bind_path(struct binding *b, struct error *err);
