/* Characters of valid UTF-8: text is valid by its type, so nothing is checked here. */
#pragma once

#include "base/base.h"

static inline bool utf8_starts(char byte) { return ((unsigned char)byte & 0xc0) != 0x80; }

/* The start of the character after the one at s < end. */
static inline const char *utf8_next(const char *s, const char *end)
{
    do
        s++;
    while (s < end && !utf8_starts(*s));
    return s;
}

static inline int64_t utf8_count(struct slice text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += utf8_starts(text.data[i]);
    return n;
}

/* The byte offset of character `n` (from 0), or the length when there are fewer. */
static inline size_t utf8_offset(struct slice text, int64_t n)
{
    const char *s = text.data, *end = text.data + text.len;
    while (n-- > 0 && s < end)
        s = utf8_next(s, end);
    return (size_t)(s - text.data);
}
