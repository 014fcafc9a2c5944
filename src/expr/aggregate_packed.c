/* arg_min, arg_max, any_value, string_agg, array_agg, jsonb_agg, jsonb_object_agg: aggregates that read packed rows
 * (packed.h). */
#include <stdlib.h>

#include "column/array.h"
#include "column/jsonb.h"
#include "column/rowkey.h"
#include "expr/aggregate_values.h"
#include "expr/packed.h"

enum { RESULT_MAX = MIB(16) };

static const char too_long[] = "54000";

static int compare_keys(struct slice x, struct slice y)
{
    int order = memcmp(x.data, y.data, MIN(x.len, y.len));
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void update_packed(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                          const int64_t *weights)
{
    UPDATE_LOOP(struct multiset, multiset_add_bytes(state, view_slice(column_view(arg, r)), w));
}

/* The value that arg_min and arg_max give: where its key does not say how it was written, an array of it stands behind
 * the key. */
static bool get_value(struct slice packed, struct column *out, size_t row, struct arena *a)
{
    struct reader in = packed_payload(packed);
    uint32_t n = 1;
    bool good = rowkey_get(&in, out, row, a);
    assert(good);
    if (packed_choice_is_key(out->type))
        return true;
    struct slice rest = {(const char *)in.p, reader_left(&in)};
    struct column one = array_open(rest, type_array(out->type), a, &n);
    size_t width = type_width(out->type);
    assert(n == 1);
    memcpy((char *)out->data + row * width, one.data, width);
    if (type_is_view(out->type))
        ((struct view *)out->data)[row] = view_copy(*column_view(&one, 0), a);
    return true;
}

/* ---- arg_min, arg_max ---- */

struct best {
    char *data; /* the packed row; NULL: none yet */
    uint64_t len;
};

static struct slice best_key(const struct best *s) { return (struct slice){s->data, s->len}; }

static void best_release(void *state)
{
    struct best *s = state;
    state_free(s->data, s->len);
    *s = (struct best){0};
}

static void offer(struct best *s, struct slice key, int sign)
{
    if (s->data && compare_keys(key, best_key(s)) * sign <= 0)
        return;
    char *copy = state_alloc(key.len);
    memcpy(copy, key.data, key.len);
    best_release(s);
    *s = (struct best){copy, key.len};
}

static void least_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                         const int64_t *weights)
{
    UPDATE_LOOP(struct best, (assert(w > 0), offer(state, view_slice(column_view(arg, r)), -1)));
}

static void most_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                        const int64_t *weights)
{
    UPDATE_LOOP(struct best, (assert(w > 0), offer(state, view_slice(column_view(arg, r)), 1)));
}

static void least_merge(void *into, const void *from)
{
    const struct best *f = from;
    if (f->data)
        offer(into, best_key(f), -1);
}

static void most_merge(void *into, const void *from)
{
    const struct best *f = from;
    if (f->data)
        offer(into, best_key(f), 1);
}

static bool best_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                       const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    const struct best *s = state;
    return s->data && get_value(best_key(s), out, row, a);
}

/* u8 has, then varint length and bytes. */
static void best_pack(const void *state, struct buf *out)
{
    const struct best *s = state;
    buf_put_u8(out, s->data != NULL);
    if (!s->data)
        return;
    buf_put_varint(out, s->len);
    buf_put_slice(out, best_key(s));
}

static bool best_unpack(struct reader *in, void *state)
{
    uint8_t has;
    uint64_t len;
    const char *bytes;
    if (!reader_u8(in, &has) || has > 1)
        return false;
    *(struct best *)state = (struct best){0};
    if (!has)
        return true;
    if (!reader_varint(in, &len) || len > UINT32_MAX || !reader_bytes(in, len, &bytes))
        return false;
    offer(state, (struct slice){bytes, len}, 1);
    return true;
}

static struct type result_element(struct type arg) { return packed_element(arg); }

static bool chosen_final(const struct multiset *s, int sign, struct column *out, size_t row, struct arena *a)
{
    const struct multiset_slot *slot, *best = NULL;
    for (uint32_t at = 0; (slot = multiset_next(s, &at));)
        if (slot->count > 0 && (!best || compare_keys(multiset_key(slot), multiset_key(best)) * sign > 0))
            best = slot;
    return best && get_value(multiset_key(best), out, row, a);
}

static bool least_of_changes(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                             const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    return chosen_final(state, -1, out, row, a);
}

static bool most_of_changes(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                            const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    return chosen_final(state, 1, out, row, a);
}

/* ---- lists: all rows in the order of their keys ---- */

struct entry {
    struct slice key;
    int64_t count;
};

static int by_key(const void *x, const void *y)
{
    return compare_keys(((const struct entry *)x)->key, ((const struct entry *)y)->key);
}

static struct entry *sorted_entries(const struct multiset *s, struct arena *a, uint32_t *ret_count)
{
    struct entry *entries = arena_array(a, s->used, sizeof *entries);
    const struct multiset_slot *slot;
    uint32_t n = 0;
    for (uint32_t at = 0; (slot = multiset_next(s, &at));)
        if (slot->count > 0)
            entries[n++] = (struct entry){multiset_key(slot), slot->count};
    qsort(entries, n, sizeof *entries, by_key);
    *ret_count = n;
    return entries;
}

/* The two texts of a payload; data NULL: NULL, or not there. */
static void get_texts(struct slice packed, struct arena *a, struct slice ret[static 2])
{
    struct reader in = packed_payload(packed);
    for (int i = 0; i < 2; i++) {
        uint64_t valid = 0;
        struct view *v = arena_zalloc(a, sizeof *v);
        struct column c = {TYPE(TYPE_TEXT), v, &valid};
        ret[i] = reader_left(&in) && rowkey_get(&in, &c, 0, a) && valid ? view_slice(v) : (struct slice){0};
    }
}

/* Writes what follows `texts` of one row; first: of all. false: the aggregate fails with *ret_sqlstate. */
typedef bool put_fn(struct buf *out, const struct slice texts[static 2], bool first, const char **ret_sqlstate);

static bool put_all(const struct multiset *s, bool once, put_fn *put, struct buf *out, const char **ret_sqlstate)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    struct entry *entries = sorted_entries(s, &scratch, &n);
    bool first = true;
    for (uint32_t i = 0; i < n; i++) {
        struct slice texts[2];
        get_texts(entries[i].key, &scratch, texts);
        for (int64_t k = 0; k < (once ? 1 : entries[i].count) && !out->overflow; k++, first = false)
            if (!put(out, texts, first, ret_sqlstate))
                return false;
    }
    if (out->overflow)
        *ret_sqlstate = too_long;
    return !out->overflow && n > 0;
}

static void set_text(struct column *out, size_t row, struct arena *a, struct slice s)
{
    ((struct view *)out->data)[row] = view_copy(view_of(s.data ? s.data : "", s.len), a);
}

static bool put_string(struct buf *out, const struct slice texts[static 2], bool first, const char **ret_sqlstate)
{
    (void)ret_sqlstate;
    if (!first)
        buf_put_slice(out, texts[1]);
    buf_put_slice(out, texts[0]);
    return true;
}

static bool put_element(struct buf *out, const struct slice texts[static 2], bool first, const char **ret_sqlstate)
{
    (void)ret_sqlstate;
    buf_puts(out, first ? "" : ", ");
    buf_put_slice(out, texts[0]);
    return true;
}

static bool put_member(struct buf *out, const struct slice texts[static 2], bool first, const char **ret_sqlstate)
{
    if (!texts[0].data) { /* field name must not be null */
        *ret_sqlstate = "22023";
        return false;
    }
    buf_puts(out, first ? "" : ", ");
    jsonb_put_string(out, texts[0]);
    buf_puts(out, ": ");
    buf_put_slice(out, texts[1]);
    return true;
}

static bool strings_final(const void *state, bool once, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    AUTO(buf) text = BUF(RESULT_MAX);
    if (!put_all(state, once, put_string, &text, ret_sqlstate))
        return false;
    set_text(out, row, a, buf_slice(&text));
    return true;
}

static bool json_final(const void *state, bool once, struct column *out, size_t row, struct arena *a,
                       const char **ret_sqlstate)
{
    AUTO(buf) text = BUF(RESULT_MAX);
    buf_putc(&text, '[');
    if (!put_all(state, once, put_element, &text, ret_sqlstate))
        return false;
    buf_putc(&text, ']');
    set_text(out, row, a, buf_slice(&text));
    return true;
}

#define LIST_FINAL(NAME, FINAL, ONCE)                                                                                  \
    static bool NAME(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,              \
                     const char **ret_sqlstate)                                                                        \
    {                                                                                                                  \
        (void)arg;                                                                                                     \
        return FINAL(state, ONCE, out, row, a, ret_sqlstate);                                                          \
    }
LIST_FINAL(all_strings, strings_final, false)
LIST_FINAL(different_strings, strings_final, true)
LIST_FINAL(all_json, json_final, false)
LIST_FINAL(different_json, json_final, true)

/* Of equal keys the last one wins, in the order of the rows. */
static bool members_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                          const char **ret_sqlstate)
{
    (void)arg;
    AUTO(buf) text = BUF(RESULT_MAX);
    struct slice normal;
    struct error err;
    buf_putc(&text, '{');
    if (!put_all(state, true, put_member, &text, ret_sqlstate))
        return false;
    buf_putc(&text, '}');
    if (jsonb_normalise(buf_slice(&text), RESULT_MAX, a, &normal, &err) != OK) {
        *ret_sqlstate = too_long;
        return false;
    }
    set_text(out, row, a, normal);
    return true;
}

/* ---- array_agg: the elements as keys, or each as an array of one (aggregate.c decides) ---- */

/* The element of a row, as a column of one. */
static struct column get_element(struct slice packed, struct type type, bool key, struct arena *a)
{
    struct reader in = packed_payload(packed);
    uint32_t n;
    if (!key)
        return array_open((struct slice){(const char *)in.p, reader_left(&in)}, type_array(type), a, &n);
    struct column c = column_make(a, type, 1, true);
    bit_set(c.valid, 0);
    bool good = rowkey_get(&in, &c, 0, a);
    assert(good);
    return c;
}

static bool array_final(const void *state, struct type arg, bool once, struct column *out, size_t row, struct arena *a,
                        const char **ret_sqlstate)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) bytes = BUF(RESULT_MAX);
    struct type type = packed_element(arg);
    size_t width = type_width(type);
    uint32_t n;
    uint64_t total = 0, at = 0;
    struct entry *entries = sorted_entries(state, &scratch, &n);
    for (uint32_t i = 0; i < n; i++)
        total += once ? 1 : (uint64_t)entries[i].count;
    if (total > RESULT_MAX) {
        *ret_sqlstate = too_long;
        return false;
    }
    struct column all = column_make(&scratch, type, total, true);
    for (uint32_t i = 0; i < n; i++) {
        struct column one = get_element(entries[i].key, type, once || packed_key_is_exact(type), &scratch);
        for (int64_t k = 0; k < (once ? 1 : entries[i].count); k++, at++) {
            if (column_is_null(&one, 0))
                continue;
            memcpy((char *)all.data + at * width, one.data, width);
            bit_set(all.valid, at);
        }
    }
    array_put(&bytes, &all, 0, (uint32_t)total);
    if (bytes.overflow)
        *ret_sqlstate = too_long;
    if (bytes.overflow || n == 0)
        return false;
    set_text(out, row, a, buf_slice(&bytes));
    return true;
}

static bool all_elements(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                         const char **ret_sqlstate)
{
    return array_final(state, arg, false, out, row, a, ret_sqlstate);
}

static bool different_elements(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                               const char **ret_sqlstate)
{
    return array_final(state, arg, true, out, row, a, ret_sqlstate);
}

static struct type result_array(struct type arg) { return type_array(packed_element(arg)); }

static struct type result_text(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_TEXT);
}

static struct type result_jsonb(struct type arg)
{
    (void)arg;
    return TYPE(TYPE_JSONB);
}

#define CHOICE(NAME, SHAPE, TAKES, SUFFIX, HELP)                                                                       \
    {.name = NAME, .shape = SHAPE, .takes = TAKES, .state_size = sizeof(struct best), .heap = true,                    \
     .update = SUFFIX##_update, .merge = SUFFIX##_merge, .final = best_final, .result = result_element,                \
     .release = best_release, .pack = best_pack, .unpack = best_unpack, .help = HELP},                                 \
    LIST(NAME, AGGREGATE_CHANGES, SHAPE, TAKES, SUFFIX##_of_changes, result_element, HELP)
#define LIST(NAME, VARIANT, SHAPE, TAKES, FINAL, RESULT, HELP)                                                         \
    {.name = NAME, .variant = VARIANT, .shape = SHAPE, .takes = TAKES, .state_size = sizeof(struct multiset),          \
     .retracts = true, .heap = true, .grows = true, .update = update_packed, .merge = values_merge, .final = FINAL,    \
     .result = RESULT, .release = values_release, .pack = values_pack, .unpack = values_unpack, .help = HELP}

const struct aggregate aggregates_packed[] = {
    CHOICE("arg_min", SHAPE_CHOICE, "any, any", least,
           "the first argument where the second is least; of several, the least"),
    CHOICE("arg_max", SHAPE_CHOICE, "any, any", most,
           "the first argument where the second is greatest; of several, the greatest"),
    CHOICE("min_by", SHAPE_CHOICE, "any, any", least, "arg_min"),
    CHOICE("max_by", SHAPE_CHOICE, "any, any", most, "arg_max"),
    CHOICE("any_value", SHAPE_ANY, "any", least, "one of the values that are not NULL: the least"),
    LIST("string_agg", AGGREGATE_PLAIN, SHAPE_STRINGS, "text, text", all_strings, result_text,
         "strings with a delimiter between them, by its ORDER BY, then by themselves; up to 16 MiB"),
    LIST("string_agg", AGGREGATE_DISTINCT, SHAPE_STRINGS, "text, text", different_strings, result_text,
         "different strings with a delimiter between them, in order; up to 16 MiB"),
    LIST("array_agg", AGGREGATE_PLAIN, SHAPE_ARRAY, "any", all_elements, result_array,
         "an array of the values, NULLs among them, by its ORDER BY, then by themselves; up to 16 MiB"),
    LIST("array_agg", AGGREGATE_DISTINCT, SHAPE_ARRAY, "any", different_elements, result_array,
         "an array of the different values, in order; up to 16 MiB"),
    LIST("jsonb_agg", AGGREGATE_PLAIN, SHAPE_JSON, "any", all_json, result_jsonb,
         "an array of the values, by its ORDER BY, then by their text; up to 16 MiB"),
    LIST("jsonb_agg", AGGREGATE_DISTINCT, SHAPE_JSON, "any", different_json, result_jsonb,
         "an array of the different values; up to 16 MiB"),
    LIST("jsonb_object_agg", AGGREGATE_PLAIN, SHAPE_MEMBERS, "any, any", members_final, result_jsonb,
         "an object of keys and values; of equal keys the last by its ORDER BY; up to 16 MiB"),
    {0},
};
