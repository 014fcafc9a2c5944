/* Inside of the functions of jsonb: paths written as an array's text. */
#pragma once

#include "expr/function.h"

/* Argument `at`, a constant like '{a,0,"b c"}', as constants of text: b->arena has them. */
enum status json_path_constants(struct binding *b, uint32_t at, struct expr ***ret, uint32_t *ret_count,
                                struct error *err);
/* The bind hook of fn(doc, path): the keys of the path become the arguments behind the document. */
enum status json_bind_path(struct binding *b, struct error *err);
