/* Functions that return rows: those that stand in FROM. Each returns its rows as an array, which the step of FROM takes
 * apart (op/unnest.c); one whose rows have two columns is two functions, named "name column". */
#include "expr/array.h"

#include "column/jsonb.h"

enum { SERIES_MAX = 10000 }; /* rows that generate_series() may make of one */

static void kernel_unnest(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, struct view, r) = ARG(c, 0, struct view, r);
}

/* ---- jsonb ---- */

/* false: the lane has failed, which `why` ends with, or with what the document is. */
static bool is_kind(struct call *c, uint32_t row, struct slice doc, char kind, const char *why, bool tells)
{
    if (doc.data[0] == kind)
        return true;
    const char *what = doc.data[0] == '{' ? "an object" : doc.data[0] == '[' ? "an array" : "a scalar";
    call_fail(c, row, "22023", "%s%s", why, tells ? what : "");
    return false;
}

/* A value as jsonb, or as the text that ->> gives of it. */
static void add_value(struct elements *e, struct slice value, bool as_text)
{
    if (as_text && !jsonb_text(value, e->arena, &value))
        elements_add_null(e);
    else
        elements_add_text(e, value);
}

static void array_elements(struct call *c, bool as_text)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r), key, value;
        if (!is_kind(c, r, doc, '[', "cannot extract elements from ", true))
            continue;
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        for (struct jsonb_walk w = jsonb_walk(doc); jsonb_next(&w, &key, &value);)
            add_value(&e, value, as_text);
        elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}
static void kernel_elements(struct call *c) { array_elements(c, false); }
static void kernel_elements_text(struct call *c) { array_elements(c, true); }

enum part { KEYS, VALUES, TEXTS };

static void object_parts(struct call *c, enum part part, const char *why, bool tells)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r), key, value;
        if (!is_kind(c, r, doc, '{', why, tells))
            continue;
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        for (struct jsonb_walk w = jsonb_walk(doc); jsonb_next(&w, &key, &value);)
            add_value(&e, part == KEYS ? key : value, part != VALUES);
        elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}
static void kernel_object_keys(struct call *c) { object_parts(c, KEYS, "cannot call jsonb_object_keys on ", true); }
#define EACH "cannot call jsonb_each on a non-object"
#define EACH_TEXT "cannot call jsonb_each_text on a non-object"
static void kernel_each_key(struct call *c) { object_parts(c, KEYS, EACH, false); }
static void kernel_each_value(struct call *c) { object_parts(c, VALUES, EACH, false); }
static void kernel_each_text_key(struct call *c) { object_parts(c, KEYS, EACH_TEXT, false); }
static void kernel_each_text_value(struct call *c) { object_parts(c, TEXTS, EACH_TEXT, false); }

/* ---- numbers ---- */

/* How many there are from `start` to `stop`; all that are too many are as many. */
static uint32_t series_count(int64_t start, int64_t stop, int64_t step)
{
    int128 way = (int128)stop - start;
    if (way != 0 && (way < 0) != (step < 0))
        return 0;
    return (uint32_t)MIN(way / step + 1, (int128)SERIES_MAX + 1);
}

static void put_series(struct call *c, uint32_t row, int64_t start, int64_t step, uint32_t n, struct arena *scratch)
{
    struct elements e = elements_of(type_element(c->out->col.type), scratch);
    struct column one = {.type = e.col.type};
    for (uint32_t i = 0; i < n; i++) {
        int64_t wide = (int64_t)((int128)start + (int128)step * i);
        int32_t narrow = (int32_t)wide;
        one.data = one.type.id == TYPE_INT4 ? (void *)&narrow : (void *)&wide;
        elements_add(&e, &one, 0);
    }
    elements_give(&e, c, row);
}

static int64_t get_integer(const struct call *c, uint32_t arg, uint32_t row)
{
    return c->args[arg].col.type.id == TYPE_INT4 ? ARG(c, arg, int32_t, row) : ARG(c, arg, int64_t, row);
}

static void kernel_series(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        int64_t start = get_integer(c, 0, r), step = c->nargs > 2 ? get_integer(c, 2, r) : 1;
        if (step == 0) {
            call_fail(c, r, "22023", "step size cannot equal zero");
            continue;
        }
        uint32_t n = series_count(start, get_integer(c, 1, r), step);
        if (n > SERIES_MAX)
            call_fail(c, r, "54000", "generate_series() would make more than %d rows of one", SERIES_MAX);
        else
            put_series(c, r, start, step, n, &scratch);
        arena_reset(&scratch);
    }
}

#define A ARG_ARRAY
#define J TYPE_JSONB
#define T TYPE_TEXT
#define I TYPE_INT4
#define L TYPE_INT8
#define SET(NAME, RESULT, N, KERNEL, HELP, ...)                                                                        \
    {.name = NAME, .result = ARRAY_OF | (RESULT), .nargs = N, .args = {__VA_ARGS__}, .flags = FN_SET,                  \
     .kernel = KERNEL, .help = HELP}

const struct function fn_sets[] = {
    {.name = "unnest", .result = RESULT_SAME, .nargs = 1, .args = {A}, .flags = FN_SET, .kernel = kernel_unnest,
     .help = "the elements of an array; unnest(a, b): of several side by side, the shorter ones filled up with NULL"},
    SET("jsonb_array_elements", J, 1, kernel_elements, "the elements of a JSON array, as \"value\"", J),
    SET("jsonb_array_elements_text", T, 1, kernel_elements_text, "the same as text", J),
    SET("jsonb_object_keys", T, 1, kernel_object_keys, "the keys of an object", J),
    SET("jsonb_each key", T, 1, kernel_each_key, "jsonb_each(x): the keys of an object, as \"key\", and", J),
    SET("jsonb_each value", J, 1, kernel_each_value, "jsonb_each(x): their values, as \"value\"", J),
    SET("jsonb_each_text key", T, 1, kernel_each_text_key, "jsonb_each_text(x): the keys of an object, and", J),
    SET("jsonb_each_text value", T, 1, kernel_each_text_value, "jsonb_each_text(x): their values as text", J),
    {.name = "string_to_table", .result = ARRAY_OF | T, .nargs = 2, .args = {T, T}, .flags = FN_SET | FN_NULLS,
     .kernel = array_from_string, .help = "cut at a delimiter; NULL: at every character"},
    {.name = "string_to_table", .result = ARRAY_OF | T, .nargs = 3, .args = {T, T, T}, .flags = FN_SET | FN_NULLS,
     .kernel = array_from_string, .help = "the same, a text being taken as NULL"},
    SET("generate_series", I, 2, kernel_series, "the numbers from one to another; at most 10,000", I, I),
    SET("generate_series", I, 3, kernel_series, "the same by steps", I, I, I),
    SET("generate_series", L, 2, kernel_series, "the numbers from one to another; at most 10,000", L, L),
    SET("generate_series", L, 3, kernel_series, "the same by steps", L, L, L),
    {0},
};
