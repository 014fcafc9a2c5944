/* The scanner that guesses: from key to key through a message, noting where values stand.
 *
 * Producers write the same keys in the same order with the same white space. So after each value we compare the bytes
 * that followed it the last time (`,"user_id":`) and know, when they match, key and column without looking at a single
 * character. Where they mostly do not match, keys are looked up at once. Where a string ends the index of quotes tells.
 * No value is read here: json_column.c reads those of many messages together, column by column. Whatever is wrong with
 * the message as a whole is left to json_read_message, which finds the same wrong and says it in words. Nothing is
 * read beyond the message's last byte.
 */
#include <emmintrin.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "format/json.h"

#define INLINED static inline __attribute__((always_inline))

static __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
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
    while (p < end && is_json_blank(*p))
        p++;
    return p;
}

/* Where keys come in no steady order, what follows a key is not worth remembering each time. */
static void edge_remember(struct json_followers *from, const char *glue, size_t len, size_t quotes,
                          struct json_name *next, unsigned level)
{
    enum { EVERY = 8 };
    bool full = from->edges[JSON_EDGES - 1].len != JSON_NO_EDGE;
    if (len > JSON_GLUE || (full && ++from->misses % EVERY != 0))
        return;
    from->newest = (from->newest + 1) % JSON_EDGES;
    struct json_edge *e = &from->edges[from->newest];
    memcpy(e->glue, glue, len);
    e->len = (uint8_t)len;
    e->quotes = (uint8_t)quotes; /* at most as many as bytes */
    e->level = (uint8_t)level;
    e->next = next;
}

/* A message on its way. */
struct walk {
    const char *start, *end;
    const uint16_t *quotes, *last; /* the next ones; past the last */
    size_t escape_at;              /* the first that was not passed yet; SIZE_MAX: there is none */
    size_t last_escape;            /* of all */
    bool uneven;
};

/* The first n bytes of v, others zero. */
static inline __m128i keep_bytes(__m128i v, size_t n)
{
    static const unsigned char mask[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};
    return _mm_and_si128(v, load16(mask + 16 - n));
}

/* Is there between p and end but one byte `c`, and white space? */
static bool is_only(const char *p, const char *end, char c)
{
    p = skip_space(p, end);
    return p < end && *p == c && skip_space(p + 1, end) == end;
}

/* Past a colon, where white space may stand. NULL: there is none. */
static const char *find_colon(const char *p, const char *end)
{
    p = skip_space(p, end);
    return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

/* The key between the next two quotes, which was not guessed: look it up. `first`: what comes before it. *p moves to
 * its value. NULL: not plain. */
INLINED struct json_name *find_key(const struct json_decoder *d, const char *start, const char *end,
                                   const uint16_t *quotes, char first, const char **p)
{
    const char *key = start + quotes[0] + 1;
    struct slice text = {key, (size_t)(quotes[1] - quotes[0]) - 1};
    if (unlikely(key != *p + 2 || **p != first) && !is_only(*p, key - 1, first))
        return NULL;
    uint64_t head[2];
    if (likely(end - key >= 16)) {
        __m128i v = keep_bytes(load16(key), MIN(text.len, (size_t)16));
        head[0] = (uint64_t)_mm_cvtsi128_si64(v);
        head[1] = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v));
    } else {
        json_name_head(text, head);
    }
    struct json_name *name = json_name_find(d, text, head);
    if (unlikely(!name || !name->verbatim))
        return NULL;
    const char *value = key + text.len + 2;
    if ((value >= end || value[-1] != ':' || is_json_blank(*value)) && !(value = find_colon(key + text.len + 1, end)))
        return NULL;
    *p = value;
    return name;
}

/* Where a message is and how deep. */
struct spot {
    const char *p;
    const uint16_t *quotes; /* the next ones */
    char first;             /* what comes before the next key: { or a comma */
    uint8_t level;
};

/* "key": of a flattened key, with an object or nothing behind it: to the bracket, or past the null. */
static bool pass_flat_key(const struct json_decoder *d, const char *start, const char *end, struct spot *at)
{
    const char *p = skip_space(at->p, end), *key = start + at->quotes[0] + 1;
    if (p == end || *p != at->first || skip_space(p + 1, end) != key - 1)
        return false;
    struct slice text = {key, (size_t)(at->quotes[1] - at->quotes[0]) - 1};
    const char *value = json_flatten_has(d->flatten, text) ? find_colon(key + text.len + 1, end) : NULL;
    if (!value || value == end)
        return false;
    bool object = *value == '{';
    if (!object && (end - value < 5 || memcmp(value, "null", 4) != 0 || !strchr(",} \t\r\n", value[4])))
        return false;
    *at = (struct spot){value + (object ? 0 : 4), at->quotes + 2, object ? '{' : ',', object};
    return true;
}

/* Past what has no place in the flat message: up to its next key, or its end. */
static void pass_structure(const struct json_decoder *d, const char *start, const char *end, const uint16_t *last,
                           struct spot *at)
{
    for (;;) {
        const char *p = skip_space(at->p + (at->level > 0 && at->first == '{'), end);
        if (at->level > 0 && p < end && *p == '}')
            *at = (struct spot){p + 1, at->quotes, ',', 0};
        else if (at->level > 0 || last - at->quotes < 2 || !pass_flat_key(d, start, end, at))
            return;
    }
}

/* ---- values ---- */

/* No control character, and UTF-8. */
static bool is_clean(const char *p, const char *end)
{
    for (const char *q = p; q < end; q++)
        if ((unsigned char)*q < 0x20)
            return false;
    return utf8_valid((struct slice){p, (size_t)(end - p)});
}

static void pass_escapes(struct walk *w, const char *p)
{
    if (w->escape_at >= (size_t)(p - w->start))
        return;
    const char *next = (size_t)(p - w->start) > w->last_escape ? NULL : memchr(p, '\\', (size_t)(w->end - p));
    w->escape_at = next ? (size_t)(next - w->start) : SIZE_MAX;
}

/* A string with escapes. Of a text column it is noted as it stands for itself, in the arena. */
static bool note_escaped(struct json_target *t, const struct json_name *name, struct json_extent *e)
{
    enum { MORE = 16 }; /* readable behind it */
    struct json_reader r = {e->p, e->p, e->p + e->len, NULL};
    struct json_token token;
    if (name->column < 0)
        return json_read_string(&r, &token);
    if (name->type.id != TYPE_TEXT)
        return true;
    char *copy = arena_alloc(t->arena, e->len + MORE);
    size_t len;
    if (json_unescape_into((struct slice){e->p + 1, e->len - 2}, copy + 1, &len))
        return false;
    copy[0] = copy[len + 1] = '"';
    *e = (struct json_extent){copy, (uint32_t)len + 2, (uint32_t)len + 2 + MORE};
    return true;
}

/* An object, an array, or anything of a key that is no column: nobody reads it later, so it is checked here. */
static const char *read_through(struct walk *w, const char *p)
{
    struct json_reader r = {p, p, w->end, NULL};
    struct json_token token;
    if (!json_read_value(&r, &token))
        return NULL;
    pass_escapes(w, r.p);
    return r.p;
}

/* A string from `at` to before `after`, in a message with backslashes or bytes that are no ASCII. false: not plain. */
static bool note_careful(struct walk *w, struct json_target *t, const struct json_name *name, struct json_extent *e)
{
    const char *after = e->p + e->len;
    if (w->uneven && !is_clean(e->p + 1, after - 1))
        return false;
    if (w->escape_at >= (size_t)(after - w->start))
        return true;
    pass_escapes(w, after);
    return note_escaped(t, name, e);
}

/* Where a number or a word that begins at p ends: before the comma or bracket that must follow. If there is more than
 * that, the value will not be read as one. */
INLINED const char *scalar_end(const char *start, const char *end, const uint16_t *quotes, const uint16_t *last,
                               const char *p)
{
    const char *after = quotes < last ? start + quotes[0] - 1 : end - 1;
    if (likely(*after == (quotes < last ? ',' : '}')))
        return after;
    while (p < end && *p != ',' && *p != '}' && *p != '"' && !is_json_blank(*p))
        p++;
    return p;
}

/* The end of a scalar in a flattened object, whose bracket may have been taken for one of the message. */
static const char *before_bracket(const char *p, const char *after)
{
    const char *q = after;
    while (q > p && is_json_blank(q[-1]))
        q--;
    if (q == p || q[-1] != '}')
        return after;
    for (q--; q > p && is_json_blank(q[-1]);)
        q--;
    return q;
}

/* The message from key to key, noting values as number i of the block. Returns how many were wanted; -1: not plain.
 * guess: try edges. careful: there are backslashes, or bytes that are no ASCII. */
INLINED int32_t walk_keys(struct json_decoder *d, struct json_target *t, struct walk *w, uint32_t i, bool guess,
                          bool careful)
{
    const char *const start = w->start, *const end = w->end, *p = start;
    const uint16_t *quotes = w->quotes, *const last = w->last;
    const uint64_t serial = d->serial;
    struct json_followers *from = d->names->after;
    unsigned level = 0;
    int32_t wanted = 0;
    for (char first = '{';; first = ',') {
        struct json_name *name;
        const struct json_edge *edge = from->edges;
        if (guess && (likely(edge_matches(edge, p, end)) || edge_matches(++edge, p, end))) {
            p += edge->len;
            quotes += edge->quotes;
            level = edge->level;
            name = edge->next;
        } else {
            struct spot at = {p, quotes, first, (uint8_t)level};
            if (d->flatten)
                pass_structure(d, start, end, last, &at);
            if (last - at.quotes < 2)
                return at.first == ',' && at.quotes == last && is_only(at.p, end, '}') ? wanted : -1;
            name = find_key(d, start, end, at.quotes, at.first, &at.p);
            if (unlikely(!name))
                return -1;
            d->missed++;
            at.quotes += 2;
            bool flat_key = d->flatten && at.level == 0 && json_flatten_has(d->flatten, name->text);
            if (guess && !flat_key) /* of such a key the value tells what it is */
                edge_remember(from, p, (size_t)(at.p - p), (size_t)(at.quotes - quotes), name, at.level);
            p = at.p;
            quotes = at.quotes;
            level = at.level;
        }
        if (unlikely(name->seen == serial || p == end))
            return -1;
        name->seen = serial;
        name->present |= UINT64_C(1) << i;
        from = &name->after[level];
        wanted += name->column >= 0;
        const char *after;
        if (*p == '"') {
            if (unlikely(last - quotes < 2 || start + quotes[0] != p))
                return -1;
            after = start + quotes[1] + 1;
            quotes += 2;
        } else if (unlikely(*p == '{' || *p == '[' || name->column < 0)) {
            after = read_through(w, p);
            while (after && quotes < last && start + quotes[0] < after)
                quotes++;
        } else {
            after = scalar_end(start, end, quotes, last, p);
            if (level > 0)
                after = before_bracket(p, after);
        }
        if (unlikely(!after || after <= p))
            return -1;
        struct json_extent *into = &name->into[i];
        *into = (struct json_extent){p, (uint32_t)(after - p), (uint32_t)(end - p)};
        bool escaped = careful && w->escape_at < (size_t)(after - start);
        if (careful && unlikely(escaped || w->uneven) && *p == '"' && !note_careful(w, t, name, into))
            return -1;
        p = after;
    }
}

bool json_scan_message(struct json_decoder *d, struct json_target *t, struct slice message, struct json_index *x,
                       uint32_t i)
{
    struct walk w = {
        .start = message.data, .end = message.data + message.len, .escape_at = SIZE_MAX, .uneven = x->uneven};
    if (unlikely(x->backslash)) {
        struct json_escapes escapes = json_index_settle(x, message);
        w.escape_at = escapes.first;
        w.last_escape = escapes.last;
    }
    w.quotes = x->quotes;
    w.last = x->quotes + x->count;
    int32_t wanted;
    if (unlikely(x->backslash || x->uneven))
        wanted = d->guess ? walk_keys(d, t, &w, i, true, true) : walk_keys(d, t, &w, i, false, true);
    else if (d->guess)
        wanted = walk_keys(d, t, &w, i, true, false);
    else
        wanted = walk_keys(d, t, &w, i, false, false);
    if (unlikely(wanted < 0))
        return false;
    d->keys += (uint32_t)wanted;
    return true;
}
