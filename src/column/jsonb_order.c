/* Order and containment of jsonb documents, on their text. Equal documents may differ in their text only by zeros at
 * the end of a number's fraction. */
#include "column/jsonb.h"

enum kind { NOTHING, STRING, NUMBER, TRUTH, ARRAY, OBJECT }; /* in their order */

static enum kind kind_of(struct slice doc)
{
    switch (doc.data[0]) {
    case 'n': return NOTHING;
    case '"': return STRING;
    case 't':
    case 'f': return TRUTH;
    case '[': return ARRAY;
    case '{': return OBJECT;
    default: return NUMBER;
    }
}

static int sign_of(int64_t v) { return (v > 0) - (v < 0); }

/* Strings as they are printed, compared as the bytes they stand for. */
static int order_strings(struct slice a, struct slice b)
{
    AUTO(arena) scratch = {0};
    struct slice x, y;
    if (memchr(a.data, '\\', a.len) || memchr(b.data, '\\', b.len)) {
        jsonb_text(a, &scratch, &x);
        jsonb_text(b, &scratch, &y);
    } else {
        x = (struct slice){a.data + 1, a.len - 2};
        y = (struct slice){b.data + 1, b.len - 2};
    }
    return slice_compare(x, y);
}

/* Digits before the point, and the fraction without zeros at its end. */
static void split_number(struct slice s, struct slice *ret_whole, struct slice *ret_fraction)
{
    const char *point = memchr(s.data, '.', s.len);
    *ret_whole = (struct slice){s.data, point ? (size_t)(point - s.data) : s.len};
    *ret_fraction = (struct slice){point ? point + 1 : s.data, point ? s.len - ret_whole->len - 1 : 0};
    while (ret_fraction->len && ret_fraction->data[ret_fraction->len - 1] == '0')
        ret_fraction->len--;
}

static int order_numbers(struct slice a, struct slice b)
{
    bool negative = a.data[0] == '-';
    if (negative != (b.data[0] == '-'))
        return negative ? -1 : 1;
    struct slice x, y, u, v;
    split_number((struct slice){a.data + negative, a.len - negative}, &x, &u);
    split_number((struct slice){b.data + negative, b.len - negative}, &y, &v);
    int order = sign_of((int64_t)x.len - (int64_t)y.len);
    if (!order)
        order = memcmp(x.data, y.data, x.len);
    if (!order)
        order = memcmp(u.data, v.data, MIN(u.len, v.len));
    if (!order)
        order = sign_of((int64_t)u.len - (int64_t)v.len);
    return negative ? -order : order;
}

static int64_t count_children(struct slice doc)
{
    int64_t n = 0;
    struct jsonb_walk w = jsonb_walk(doc);
    for (struct slice key, value; jsonb_next(&w, &key, &value);)
        n++;
    return n;
}

static int order_values(struct slice a, struct slice b);

static int order_children(struct slice a, struct slice b)
{
    int order = sign_of(count_children(a) - count_children(b));
    struct jsonb_walk v = jsonb_walk(a), w = jsonb_walk(b);
    struct slice key, other_key, value, other;
    while (!order && jsonb_next(&v, &key, &value) && jsonb_next(&w, &other_key, &other)) {
        if (v.object)
            order = order_strings(key, other_key);
        if (!order)
            order = order_values(value, other);
    }
    return order;
}

static int order_values(struct slice a, struct slice b)
{
    enum kind kind = kind_of(a);
    if (slice_equal(a, b))
        return 0;
    if (kind != kind_of(b))
        return kind < kind_of(b) ? -1 : 1;
    switch (kind) {
    case STRING: return order_strings(a, b);
    case NUMBER: return order_numbers(a, b);
    case TRUTH: return a.data[0] == 't' ? 1 : -1;
    default: return order_children(a, b);
    }
}

int jsonb_order(struct slice a, struct slice b)
{
    /* PostgreSQL holds a scalar document as an array of one that comes before other arrays of one. */
    bool scalar = kind_of(a) < ARRAY, other = kind_of(b) < ARRAY;
    if (scalar == other)
        return order_values(a, b);
    if (scalar)
        return -jsonb_order(b, a);
    return kind_of(a) == ARRAY && count_children(a) == 0 ? -1 : 1;
}

/* ---- containment ---- */

static bool contains(struct slice doc, struct slice part);

static bool array_contains(struct slice doc, struct slice part)
{
    enum kind kind = kind_of(part);
    struct jsonb_walk w = jsonb_walk(doc);
    for (struct slice key, value; jsonb_next(&w, &key, &value);)
        if (kind_of(value) == kind && (kind < ARRAY ? order_values(value, part) == 0 : contains(value, part)))
            return true;
    return false;
}

/* A key as it is printed. */
static bool find_key(struct slice doc, struct slice key, struct slice *ret)
{
    struct jsonb_walk w = jsonb_walk(doc);
    for (struct slice name; jsonb_next(&w, &name, ret);)
        if (slice_equal(name, key))
            return true;
    return false;
}

/* Two arrays, or two objects. */
static bool contains(struct slice doc, struct slice part)
{
    struct jsonb_walk w = jsonb_walk(part);
    for (struct slice key, value, own; jsonb_next(&w, &key, &value);) {
        if (!w.object) {
            if (!array_contains(doc, value))
                return false;
            continue;
        }
        if (!find_key(doc, key, &own) || kind_of(own) != kind_of(value))
            return false;
        if (kind_of(value) < ARRAY ? order_values(own, value) != 0 : !contains(own, value))
            return false;
    }
    return true;
}

bool jsonb_contains(struct slice doc, struct slice part)
{
    enum kind kind = kind_of(doc), other = kind_of(part);
    if (other < ARRAY)
        return kind < ARRAY ? order_values(doc, part) == 0 : kind == ARRAY && array_contains(doc, part);
    return kind == other && contains(doc, part);
}
