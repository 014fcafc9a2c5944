/* Characters of ASCII, whatever the locale. A byte above 127 is none of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }
static inline bool is_letter(char c) { return (unsigned char)((c | 0x20) - 'a') < 26; }
/* White space as PostgreSQL's input functions have it: also vertical tabs and form feeds. */
static inline bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
/* White space as JSON has it. */
static inline bool is_json_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static inline char to_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }
static inline char to_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c; }

/* 0..15; -1: no hexadecimal digit. */
static inline int hex_value(char c)
{
    char lower = (char)(c | 0x20);
    return is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

extern const char hex_digits[]; /* in base.c */
/* n bytes as 2 * n digits, not terminated; returns their end. */
static inline char *hex_put(char *to, const void *bytes, size_t n)
{
    for (const unsigned char *p = bytes, *end = p + n; p < end; p++) {
        *to++ = hex_digits[*p >> 4];
        *to++ = hex_digits[*p & 15];
    }
    return to;
}
