/* Inside of the functions of strings: texts made from templates, and as SQL writes them. */
#pragma once

#include "base/options.h"
#include "expr/function.h"

enum { TEXT_LONGEST = 64 << 20 }; /* bytes of what is made */

/* 'text' with its quotes doubled, as E'' where there is a backslash. */
void text_put_literal(struct buf *out, struct slice s);
/* It becomes the lane's text; 54000 if it is too long. */
void text_give(struct call *c, uint32_t row, const struct buf *out);
/* A bind hook: arguments of any type are taken as their texts. */
enum status text_bind_args(struct binding *b, struct error *err);

/* Kernels: format(template, texts ...), which sees NULLs, quote_ident(text), parse_ident(text[, strict]) and
 * unistr(text). */
void text_format(struct call *c);
void text_quote_ident(struct call *c);
void text_parse_ident(struct call *c);
void text_unistr(struct call *c);
