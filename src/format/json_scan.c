/* The scanner that guesses: the hot path of every JSON stream.
 *
 * Producers write the same keys in the same order with the same white space. So after each value we compare the bytes
 * that followed it the last time (`,"user_id":`) and know, when they match, key and column without looking at a single
 * character; then the value is read by a routine for the column's type. Each routine reads the one common spelling of
 * its values and answers NULL for anything else; then the plain reader reads that one value. A key that was not
 * guessed is looked up. Whatever is wrong with the message as a whole is left to json_read_message, which finds the
 * same wrong and says it in words. Nothing is read beyond the message's last byte.
 */
#include <emmintrin.h>

#include "base/utf8.h"
#include "column/civil.h"
#include "format/json.h"
#include "format/value.h"

static __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* ---- keys ---- */

/* Does the message go on with the edge's glue? */
static inline bool edge_matches(const struct json_edge *e, const char *p, const char *end)
{
    size_t n = e->len, left = (size_t)(end - p);
    if (left < n || n == JSON_NO_EDGE)
        return false;
    if (n < 16) {
        if (left < 16)
            return memcmp(p, e->glue, n) == 0;
        unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(load16(p), load16(e->glue)));
        return (~same & ((1u << n) - 1)) == 0;
    }
    __m128i same = _mm_and_si128(_mm_cmpeq_epi8(load16(p), load16(e->glue)),
                                 _mm_cmpeq_epi8(load16(p + n - 16), load16(e->glue + n - 16)));
    if (_mm_movemask_epi8(same) != 0xffff)
        return false;
    return n <= 32 || memcmp(p + 16, e->glue + 16, n - 32) == 0;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* Where keys come in no steady order, what follows a key is not worth remembering each time. */
static void edge_remember(struct json_name *from, const char *glue, size_t len, uint32_t next)
{
    enum { EVERY = 8 };
    bool full = from->edges[JSON_EDGES - 1].len != JSON_NO_EDGE;
    if (len > JSON_GLUE || (full && ++from->misses % EVERY != 0))
        return;
    from->newest = (from->newest + 1) % JSON_EDGES;
    struct json_edge *e = &from->edges[from->newest];
    memcpy(e->glue, glue, len);
    e->len = (uint8_t)len;
    e->next = next;
}

/* The next quote, escaped or not; end if there is none. */
static const char *next_quote(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned quotes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(load16(p), _mm_set1_epi8('"')));
        if (quotes)
            return p + __builtin_ctz(quotes);
    }
    while (p < end && *p != '"')
        p++;
    return p;
}

/* A key that was not guessed: look it up and remember it. Returns where its value begins; NULL: not plain. */
static const char *find_key(struct json_decoder *d, uint32_t from, const char *p, const char *end, uint32_t *ret_next)
{
    const char *glue = p;
    p = skip_space(p, end);
    if (p == end || *p != (from == 0 ? '{' : ','))
        return NULL;
    p = skip_space(p + 1, end);
    if (p == end || *p != '"')
        return NULL;
    const char *key = ++p;
    p = next_quote(p, end);
    struct json_name *name = json_name_find(d, (struct slice){key, (size_t)(p - key)});
    if (p == end || !name || !name->verbatim)
        return NULL;
    p = skip_space(p + 1, end);
    if (p == end || *p != ':')
        return NULL;
    p = skip_space(p + 1, end);
    *ret_next = (uint32_t)(name - d->names);
    edge_remember(&d->names[from], glue, (size_t)(p - glue), *ret_next);
    return p;
}

/* ---- values: each returns where the value ends, or NULL ---- */

/* The first n bytes of v, others zero. */
static __m128i keep_bytes(__m128i v, size_t n)
{
    static const unsigned char mask[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};
    return _mm_and_si128(v, load16(mask + 16 - n));
}

/* Bytes that end a run of plain characters: quote, backslash, control; and everything above 0x7f. */
static unsigned special_bytes(__m128i v)
{
    __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(odd, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20))));
}

/* The closing quote of an unescaped string that begins at p, or NULL. */
static const char *find_quote(const char *p, const char *end)
{
    const char *first = p;
    bool ascii = true;
    for (;; p++) {
        while (end - p >= 16) {
            unsigned special = special_bytes(load16(p));
            if (special) {
                p += __builtin_ctz(special);
                break;
            }
            p += 16;
        }
        if (p == end || *p == '\\' || (unsigned char)*p < 0x20)
            return NULL;
        if (*p == '"')
            break;
        if ((unsigned char)*p >= 0x80)
            ascii = false;
    }
    return ascii || utf8_valid((struct slice){first, (size_t)(p - first)}) ? p : NULL;
}

static inline const char *scan_text(const char *p, const char *end, struct view *into)
{
    if (end - p < 17 || *p != '"') /* the last 16 bytes of a message */
        return NULL;
    p++;
    __m128i v = load16(p);
    unsigned special = special_bytes(v);
    if (special) {
        size_t n = (size_t)__builtin_ctz(special);
        if (n <= VIEW_INLINE && p[n] == '"') {
            __m128i whole = _mm_or_si128(_mm_slli_si128(keep_bytes(v, n), 4), _mm_cvtsi32_si128((int)n));
            _mm_storeu_si128((__m128i *)into, whole);
            return p + n + 1;
        }
    }
    const char *quote = find_quote(p, end);
    if (!quote)
        return NULL;
    *into = view_of(p, (size_t)(quote - p));
    return quote + 1;
}

static inline const char *scan_text_short(const char *p, const char *end, struct view *into)
{
    if (p == end || *p != '"')
        return NULL;
    const char *quote = find_quote(p + 1, end);
    if (!quote)
        return NULL;
    *into = view_of(p + 1, (size_t)(quote - p - 1));
    return quote + 1;
}

/* -?[0-9]{1,18} that is not followed by more of a number. */
static inline const char *scan_int(const char *p, const char *end, int64_t *ret)
{
    bool negative = p < end && *p == '-';
    p += negative;
    const char *first = p;
    int64_t v = 0;
    while (p < end && is_digit(*p) && p - first < 18)
        v = v * 10 + (*p++ - '0');
    if (p == first || (*first == '0' && p - first > 1))
        return NULL;
    if (p < end && (is_digit(*p) || *p == '.' || (*p | 0x20) == 'e'))
        return NULL;
    *ret = negative ? -v : v;
    return p;
}

static const int64_t pow10_small[19] = {1,
                                        10,
                                        100,
                                        1000,
                                        10000,
                                        100000,
                                        1000000,
                                        10000000,
                                        100000000,
                                        1000000000,
                                        10000000000,
                                        100000000000,
                                        1000000000000,
                                        10000000000000,
                                        100000000000000,
                                        1000000000000000,
                                        10000000000000000,
                                        100000000000000000,
                                        1000000000000000000};

/* -?digits[.digits], bare or in quotes, of at most 18 digits together, into the column's scale. */
static inline const char *scan_numeric(const char *p, const char *end, struct type type, int64_t *ret)
{
    bool quoted = p < end && *p == '"';
    p += quoted;
    bool negative = p < end && *p == '-';
    p += negative;
    const char *first = p;
    int64_t v = 0;
    while (p < end && is_digit(*p) && p - first < 18)
        v = v * 10 + (*p++ - '0');
    size_t digits = (size_t)(p - first), scale = 0;
    if (digits == 0 || (*first == '0' && digits > 1 && !quoted))
        return NULL;
    if (p < end && *p == '.') {
        const char *point = p++;
        while (p < end && is_digit(*p) && digits + scale < 18) {
            v = v * 10 + (*p++ - '0');
            scale++;
        }
        if (p == point + 1)
            return NULL;
    }
    if (scale > type.scale || digits + type.scale > 18 || digits + type.scale > type.precision)
        return NULL;
    if (p < end && (is_digit(*p) || *p == '.' || (*p | 0x20) == 'e'))
        return NULL;
    if (quoted && (p == end || *p++ != '"'))
        return NULL;
    v *= pow10_small[type.scale - scale];
    *ret = negative ? -v : v;
    return p;
}

/* A number of at most 15 digits and a point: value and power of ten are exact doubles, so one division rounds once. */
static inline const char *scan_double(const char *p, const char *end, double *ret)
{
    bool negative = p < end && *p == '-';
    p += negative;
    const char *first = p, *point = NULL;
    int64_t v = 0;
    while (p < end && p - first < 16 && (is_digit(*p) || (*p == '.' && !point))) {
        if (*p == '.')
            point = p;
        else
            v = v * 10 + (*p - '0');
        p++;
    }
    size_t digits = (size_t)(p - first) - (point != NULL);
    size_t scale = point ? (size_t)(p - point) - 1 : 0;
    if (digits == 0 || digits > 15 || point == first || (point && scale == 0))
        return NULL;
    if (*first == '0' && point != first + 1 && digits > 1)
        return NULL;
    if (p < end && (is_digit(*p) || *p == '.' || (*p | 0x20) == 'e'))
        return NULL;
    double magnitude = (double)v / (double)pow10_small[scale];
    *ret = negative ? -magnitude : magnitude;
    return p;
}

/* "YYYY-MM-DDTHH:MM:SS[.f{1,6}]" with the quotes; with a zone: and Z or +00:00 before the second. */
static inline const char *scan_instant(struct json_decoder *d, const char *p, const char *end, bool zone, int64_t *ret)
{
    if (end - p < 38 || *p != '"') /* the longest such text, with its quotes, has 34 */
        return NULL;
    p++;
    static const unsigned char zero[16] = "0000-00-00T00:00";
    static const unsigned char most[16] = {9, 9, 9, 9, 0, 9, 9, 0, 9, 9, 0, 2, 9, 0, 5, 9};
    __m128i digits = _mm_sub_epi8(load16(p), load16(zero)), limit = load16(most);
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, limit), digits)) != 0xffff)
        return NULL;
    unsigned hour = (unsigned)(p[11] - '0') * 10 + (unsigned)(p[12] - '0');
    unsigned minute = (unsigned)(p[14] - '0') * 10 + (unsigned)(p[15] - '0');
    unsigned tens = (unsigned char)(p[17] - '0'), ones = (unsigned char)(p[18] - '0');
    if (hour > 23 || p[16] != ':' || tens > 5 || ones > 9)
        return NULL;
    uint64_t day[2] = {load_u64(p), load_u16(p + 8)};
    if (day[0] != d->day_text[0] || day[1] != d->day_text[1]) {
        int32_t days;
        if (!civil_parse_date((struct slice){p, 10}, &days))
            return NULL;
        d->day_text[0] = day[0];
        d->day_text[1] = day[1];
        d->day_micros = days * MICROS_PER_DAY;
    }
    p += 19;
    int64_t fraction = 0;
    if (*p == '.') {
        const char *first = ++p;
        while (is_digit(*p) && p - first < 6)
            fraction = fraction * 10 + (*p++ - '0');
        if (p == first)
            return NULL;
        fraction *= pow10_small[6 - (p - first)];
    }
    if (zone && *p == 'Z')
        p++;
    else if (zone && memcmp(p, "+00:00", 6) == 0)
        p += 6;
    else if (zone)
        return NULL;
    if (*p != '"')
        return NULL;
    *ret = d->day_micros + ((hour * 60 + minute) * 60 + tens * 10 + ones) * MICROS_PER_SECOND + fraction;
    return p + 1;
}

static const char *scan_date(const char *p, const char *end, int32_t *into)
{
    if (end - p < 12 || p[0] != '"' || p[11] != '"' || !civil_parse_date((struct slice){p + 1, 10}, into))
        return NULL;
    return p + 12;
}

static const char *scan_bool(const char *p, const char *end, uint8_t *into)
{
    if (end - p >= 4 && memcmp(p, "true", 4) == 0) {
        *into = 1;
        return p + 4;
    }
    if (end - p >= 5 && memcmp(p, "false", 5) == 0) {
        *into = 0;
        return p + 5;
    }
    return NULL;
}

static const char *scan_uuid(const char *p, const char *end, unsigned char *into)
{
    if (end - p < 38 || p[0] != '"' || p[37] != '"' || !value_parse_uuid(p + 1, into))
        return NULL;
    return p + 38;
}

/* Digits of a small number cannot overflow its column: a column of precision p holds 10^p - 1. */
static const char *scan_number(const char *p, const char *end, struct column *c, size_t row, struct type type)
{
    int64_t v;
    if (type.id == TYPE_NUMERIC) {
        p = scan_numeric(p, end, type, &v);
        if (p && type.precision <= NUMERIC_SMALL_PRECISION)
            ((int64_t *)c->data)[row] = v;
        else if (p)
            ((int128 *)c->data)[row] = v;
        return p;
    }
    p = scan_int(p, end, &v);
    if (!p || (type.id == TYPE_INT4 && v != (int32_t)v))
        return NULL;
    if (type.id == TYPE_INT4)
        ((int32_t *)c->data)[row] = (int32_t)v;
    else
        ((int64_t *)c->data)[row] = v;
    return p;
}

static inline const char *scan_value(struct json_decoder *d, struct json_target *t, const struct json_name *name,
                                     const char *p, const char *end)
{
    size_t row = t->row;
    if (name->column < 0)
        return NULL;
    struct column *c = &t->cols[name->column];
    switch ((enum type_id)name->type.id) {
    case TYPE_TEXT: {
        struct view *into = (struct view *)c->data + row;
        const char *q = scan_text(p, end, into);
        return q ? q : scan_text_short(p, end, into);
    }
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_NUMERIC:
        return scan_number(p, end, c, row, name->type);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return scan_instant(d, p, end, name->type.id == TYPE_TIMESTAMPTZ, (int64_t *)c->data + row);
    case TYPE_DATE:
        return scan_date(p, end, (int32_t *)c->data + row);
    case TYPE_UUID:
        return scan_uuid(p, end, (unsigned char *)c->data + 16 * row);
    case TYPE_FLOAT8:
        return scan_double(p, end, (double *)c->data + row);
    case TYPE_BOOL:
        return scan_bool(p, end, (uint8_t *)c->data + row);
    default:
        return NULL;
    }
}

/* A value in no common spelling. NULL: it is none at all. */
static const char *read_value(struct json_decoder *d, struct json_target *t, const struct json_name *name,
                              const char *p, const char *end)
{
    struct json_reader r = {p, p, end, NULL};
    struct json_token token;
    if (!json_read_value(&r, &token))
        return NULL;
    if (name->column >= 0)
        json_store(d, t, name, &token);
    return r.p;
}

/* Is this the end of the object and of the message? */
static bool at_end(const char *p, const char *end)
{
    p = skip_space(p, end);
    return p < end && *p == '}' && skip_space(p + 1, end) == end;
}

bool json_scan_message(struct json_decoder *d, struct json_target *t, struct slice message)
{
    const char *p = message.data, *end = p + message.len;
    uint32_t at = 0, filled = 0;
    for (;;) {
        struct json_name *from = &d->names[at];
        if (likely(edge_matches(&from->edges[0], p, end))) {
            p += from->edges[0].len;
            at = from->edges[0].next;
        } else if (edge_matches(&from->edges[1], p, end)) {
            p += from->edges[1].len;
            at = from->edges[1].next;
        } else if (at != 0 && at_end(p, end)) {
            break;
        } else {
            p = find_key(d, at, p, end, &at);
            if (!p)
                return false;
        }
        struct json_name *name = &d->names[at];
        if (unlikely(name->seen == d->serial))
            return false;
        name->seen = d->serial;
        filled += name->column >= 0;
        const char *next = scan_value(d, t, name, p, end);
        if (unlikely(!next))
            next = read_value(d, t, name, p, end);
        if (!next)
            return false;
        p = next;
    }
    if (unlikely(filled < d->nwanted))
        for (uint32_t i = 1; i < d->nnames; i++)
            if (d->names[i].column >= 0 && d->names[i].seen != d->serial)
                json_store_null(t, (uint32_t)d->names[i].column);
    return true;
}
