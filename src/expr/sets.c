/* Functions that return rows: those that stand in FROM. Each returns its rows as an array, which the step of FROM takes
 * apart (op/unnest.c); one whose rows have two columns is two functions, named "name column". */
#include "expr/array.h"

#include "column/civil.h"
#include "column/decimal.h"
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

/* What jsonb_to_recordset() and jsonb_to_record() have their columns of: documents, each an object. */
static void kernel_recordset(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r), key, value;
        bool objects = true;
        if (!is_kind(c, r, doc, '[', "cannot call jsonb_to_recordset on a non-array", false))
            continue;
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        for (struct jsonb_walk w = jsonb_walk(doc); objects && jsonb_next(&w, &key, &value);) {
            objects = value.data[0] == '{';
            elements_add_text(&e, value);
        }
        if (objects)
            elements_give(&e, c, r);
        else
            call_fail(c, r, "22023", "argument of jsonb_to_recordset must be an array of objects");
        arena_reset(&scratch);
    }
}

static void kernel_record(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        bool null = arg_is_null(c, 0, r);
        struct slice doc = null ? (struct slice){0} : arg_text(c, 0, r);
        if (!null && !is_kind(c, r, doc, '{', "cannot call populate_composite on ", true))
            continue;
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        if (null)
            elements_add_null(&e);
        else
            elements_add_text(&e, doc);
        elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}

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

static void series_too_long(struct call *c, uint32_t row)
{
    call_fail(c, row, "54000", "generate_series() would make more than %d rows of one", SERIES_MAX);
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
            series_too_long(c, r);
        else
            put_series(c, r, start, step, n, &scratch);
        arena_reset(&scratch);
    }
}

/* The values are added up one after the other, as they are by PostgreSQL: 31 January and months give 28 March. */
static void kernel_series_time(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        int64_t at = ARG(c, 0, int64_t, r), stop = ARG(c, 1, int64_t, r);
        struct interval step = ARG(c, 2, struct interval, r);
        int128 length = (int128)step.micros + ((int128)step.months * 30 + step.days) * MICROS_PER_DAY;
        if (length == 0) {
            call_fail(c, r, "22023", "step size cannot equal zero");
            continue;
        }
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        const struct column one = {.type = e.col.type, .data = &at};
        bool more = true; /* what comes behind the last year is past any end */
        for (; more && (length > 0 ? at <= stop : at >= stop) && e.n <= SERIES_MAX; more = timestamp_add(at, step, &at))
            elements_add(&e, &one, 0);
        if (e.n > SERIES_MAX)
            series_too_long(c, r);
        else
            elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}

static enum status bind_series(struct binding *b, struct error *err)
{
    TRY(expr_to_common(b->arena, b->args, b->nargs, "generate_series", err));
    b->result = type_array(b->args[0]->type);
    return OK;
}

/* All arguments are of one scale, which is that of the values. */
static void kernel_series_numeric(struct call *c)
{
    AUTO(arena) scratch = {0};
    struct type type = type_element(c->out->col.type);
    CALL_ROWS(c, r) {
        int128 at = arg_numeric(c, 0, r), stop = arg_numeric(c, 1, r), step;
        bool fits = true;
        if (c->nargs > 2)
            step = arg_numeric(c, 2, r);
        else
            fits = decimal_rescale(1, 0, type.scale, &step);
        if (fits && step == 0) {
            call_fail(c, r, "22023", "step size cannot equal zero");
            continue;
        }
        struct elements e = elements_of(type, &scratch);
        struct column one = column_make(&scratch, type, 1, false);
        for (bool more = fits; more && (step > 0 ? at <= stop : at >= stop) && e.n <= SERIES_MAX;) {
            column_set_numeric(&one, 0, at);
            elements_add(&e, &one, 0);
            more = !__builtin_add_overflow(at, step, &at);
        }
        if (!fits && at == stop) { /* a step of 1 is more than the type holds */
            column_set_numeric(&one, 0, at);
            elements_add(&e, &one, 0);
        }
        if (e.n > SERIES_MAX)
            series_too_long(c, r);
        else
            elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}

/* 1 to the number of elements, in dimension 1; backwards if the third argument says so. */
static void kernel_subscripts(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        uint32_t n = ARG(c, 1, int32_t, r) == 1 ? array_count(arg_text(c, 0, r)) : 0;
        bool back = c->nargs > 2 && ARG(c, 2, uint8_t, r);
        put_series(c, r, back ? n : 1, back ? -1 : 1, n, &scratch);
        arena_reset(&scratch);
    }
}

#define A ARG_ARRAY
#define J TYPE_JSONB
#define T TYPE_TEXT
#define I TYPE_INT4
#define L TYPE_INT8
#define N TYPE_NUMERIC
#define V TYPE_INTERVAL
#define SET(NAME, RESULT, N, KERNEL, HELP, ...)                                                                        \
    {.name = NAME, .result = ARRAY_OF | (RESULT), .nargs = N, .args = {__VA_ARGS__}, .flags = FN_SET,                  \
     .kernel = KERNEL, .help = HELP}

#define SERIES_NUMERIC(COUNT, HELP, ...)                                                                               \
    {.name = "generate_series", .result = ARRAY_OF | N, .nargs = COUNT, .args = {__VA_ARGS__}, .flags = FN_SET,        \
     .kernel = kernel_series_numeric, .bind = bind_series, .help = HELP}

const struct function fn_sets[] = {
    {.name = "unnest", .result = RESULT_SAME, .nargs = 1, .args = {A}, .flags = FN_SET, .kernel = kernel_unnest,
     .help = "the elements of an array; unnest(a, b): of several side by side, the shorter ones filled up with NULL"},
    SET("jsonb_array_elements", J, 1, kernel_elements, "the elements of a JSON array, as \"value\"", J),
    SET("jsonb_array_elements_text", T, 1, kernel_elements_text, "the same as text", J),
    SET("jsonb_to_recordset", J, 1, kernel_recordset,
        "the objects of an array as rows of a list of columns: AS r (a integer, b text)", J),
    {.name = "jsonb_to_record", .result = ARRAY_OF | J, .nargs = 1, .args = {J}, .flags = FN_SET | FN_NULLS,
     .kernel = kernel_record, .help = "an object as a row of a list of columns: AS r (a integer, b text)"},
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
    SERIES_NUMERIC(2, "the numbers from one to another; at most 10,000", N, N),
    SERIES_NUMERIC(3, "the same by steps", N, N, N),
    SET("generate_series", TYPE_TIMESTAMP, 3, kernel_series_time,
        "the times from one to another by steps; at most 10,000", TYPE_TIMESTAMP, TYPE_TIMESTAMP, V),
    SET("generate_series", TYPE_TIMESTAMPTZ, 3, kernel_series_time,
        "the times from one to another by steps; at most 10,000", TYPE_TIMESTAMPTZ, TYPE_TIMESTAMPTZ, V),
    SET("generate_subscripts", I, 2, kernel_subscripts, "the subscripts of an array, in dimension 1", A, I),
    SET("generate_subscripts", I, 3, kernel_subscripts, "the same; true: from the last to the first", A, I, TYPE_BOOL),
    {0},
};
