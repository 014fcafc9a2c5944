/* Printing events fast: every routine returns the end of what it wrote. */
#pragma once

#include "column/civil.h"
#include "source/events.h"

static inline char *put(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static inline char *put_two(char *to, unsigned v)
{
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

/* At least `digits` digits, zeros before the first. */
static inline char *put_number(char *to, uint64_t v, unsigned digits)
{
    char text[20];
    unsigned n = 0;
    do {
        text[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (digits > n) {
        *to++ = '0';
        digits--;
    }
    while (n > 0)
        *to++ = text[--n];
    return to;
}

/* "2020-01-01T00:00:00.000000", with 3 or 6 digits after the point. */
static inline char *put_time(struct events *e, char *to, int64_t us, unsigned digits)
{
    int64_t day = us / MICROS_PER_DAY - (us % MICROS_PER_DAY < 0);
    uint64_t rest = (uint64_t)(us - day * MICROS_PER_DAY);
    if (day != e->day || !e->day_text[0]) {
        civil_print_date((int32_t)day, e->day_text);
        e->day = day;
    }
    to = put(to, e->day_text, 10);
    *to++ = 'T';
    unsigned seconds = (unsigned)(rest / 1000000), micros = (unsigned)(rest % 1000000);
    to = put_two(to, seconds / 3600);
    *to++ = ':';
    to = put_two(to, seconds / 60 % 60);
    *to++ = ':';
    to = put_two(to, seconds % 60);
    *to++ = '.';
    if (digits == 3)
        return put_number(to, micros / 1000, 3);
    to = put_two(to, micros / 10000);
    to = put_two(to, micros / 100 % 100);
    return put_two(to, micros % 100);
}

/* Hundredths as 123.45. */
static inline char *put_cents(char *to, unsigned cents)
{
    to = put_number(to, cents / 100, 1);
    *to++ = '.';
    return put_two(to, cents % 100);
}
