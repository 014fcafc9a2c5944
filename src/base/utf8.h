/* UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include "base/base.h"

/* Length (1..4) of the valid character at p, or 0. */
unsigned utf8_char(const char *p, const char *end);
bool utf8_valid(struct slice s);
/* The code point of the valid character at p, whose length is `len`. */
uint32_t utf8_code(const char *p, unsigned len);
/* Write a code point below 0x110000 that is no surrogate; returns its length. */
unsigned utf8_put(uint32_t code, char out[static 4]);
