/* Where parts of a document stand in PostgreSQL's binary form of it: .keyvalue() tells objects apart by that. An array
 * or object is a word of head and a word for each element, key and value; then the keys, then the values, where numbers
 * and what has elements begin at a word. Strings are their bytes; null, true and false are nothing. */
#include "expr/jsonpath.h"

#include "column/jsonb.h"

enum { WORD = 4 };

static size_t next_word(size_t at) { return (at + WORD - 1) / WORD * WORD; }

/* Bytes of a string in quotes: an escape is one. */
static size_t string_bytes(struct slice quoted)
{
    size_t n = 0;
    for (size_t i = 1; i + 1 < quoted.len; i++, n++)
        if (quoted.data[i] == '\\')
            i += quoted.data[i + 1] == 'u' ? 5 : 1;
    return n;
}

/* A numeric: a length, a head, and its digits to the base 10000 from the first that is not 0 to the last one. */
static size_t number_bytes(struct slice text)
{
    enum { LENGTH = 4, SHORT_HEAD = 2, LONG_HEAD = 4, PLACES = 4, SHORT_SCALE = 63 };
    const char *point = memchr(text.data, '.', text.len);
    int64_t whole = point ? point - text.data : (int64_t)text.len, scale = point ? (int64_t)text.len - whole - 1 : 0;
    int64_t first = 0, last = 0;
    bool any = false;
    for (int64_t i = text.data[0] == '-'; i < (int64_t)text.len; i++) {
        int64_t power = i < whole ? whole - 1 - i : whole - i; /* of ten */
        if (text.data[i] == '0' || i == whole)
            continue;
        last = power >= 0 ? power / PLACES : -((PLACES - 1 - power) / PLACES);
        first = any ? first : last;
        any = true;
    }
    bool is_short = scale <= SHORT_SCALE && first <= SHORT_SCALE && first >= -SHORT_SCALE - 1;
    return LENGTH + (is_short ? SHORT_HEAD : LONG_HEAD) + (any ? (size_t)(first - last + 1) * 2 : 0);
}

/* Answers where the value ends that begins at or behind `at`. */
static size_t lay_out(struct slice value, size_t at, const char *part, int64_t *ret, uint32_t *steps)
{
    bool object = value.data[0] == '{';
    struct jsonb_walk w = jsonb_walk(value);
    struct slice key, child;
    ++*steps;
    if (value.data[0] == '"')
        return at + string_bytes(value);
    if (value.data[0] == '-' || (unsigned char)(value.data[0] - '0') < 10)
        return next_word(at) + number_bytes(value);
    if (!object && value.data[0] != '[')
        return at;
    at = next_word(at);
    if (value.data == part)
        *ret = (int64_t)at;
    at += WORD;
    while (jsonb_next(&w, &key, &child))
        at += object ? 2 * WORD + string_bytes(key) : WORD;
    w = jsonb_walk(value);
    while (*ret < 0 && jsonb_next(&w, &key, &child))
        at = lay_out(child, at, part, ret, steps);
    return at;
}

int64_t jsonpath_place(struct slice doc, const char *part, uint32_t *steps)
{
    int64_t place = -1;
    (void)lay_out(doc, 0, part, &place, steps);
    return MAX(place, 0);
}
