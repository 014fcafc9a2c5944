/* Arrays made from others, searched, and made from text. */
#include "expr/array.h"
#include "expr/utf8.h"

/* Equal as IS NOT DISTINCT FROM: how elements are searched for. */
static bool is_same(const struct call *c, const struct column *list, uint32_t i, uint32_t arg, uint32_t row)
{
    size_t at = row & c->args[arg].mask;
    bool null = column_is_null(list, i), other = column_is_null(&c->args[arg].col, at);
    return null || other ? null == other : column_order(list, i, &c->args[arg].col, at) == 0;
}

static void add_all(struct elements *e, const struct column *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        elements_add(e, list, i);
}

static void give_unless(struct elements *e, struct call *c, uint32_t row, bool null)
{
    if (null)
        call_null(c, row);
    else
        elements_give(e, c, row);
    arena_reset(e->arena);
}

/* ---- joining: of a NULL array nothing ---- */

static void kernel_cat(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n, m;
    CALL_ROWS(c, r) {
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        struct column x = arg_array(c, 0, r, &scratch, &n), y = arg_array(c, 1, r, &scratch, &m);
        add_all(&e, &x, n);
        add_all(&e, &y, m);
        give_unless(&e, c, r, arg_is_null(c, 0, r) && arg_is_null(c, 1, r));
    }
}

static void add_one(struct elements *e, const struct lanes *arg, uint32_t row)
{
    elements_add(e, &arg->col, row & arg->mask);
}

static void kernel_append(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        struct column x = arg_array(c, 0, r, &scratch, &n);
        add_all(&e, &x, n);
        add_one(&e, &c->args[1], r);
        give_unless(&e, c, r, false);
    }
}

static void kernel_prepend(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        struct column x = arg_array(c, 1, r, &scratch, &n);
        add_one(&e, &c->args[0], r);
        add_all(&e, &x, n);
        give_unless(&e, c, r, false);
    }
}

static enum status bind_prepend(struct binding *b, struct error *err)
{
    (void)err;
    b->result = b->args[1]->type;
    return OK;
}

/* ---- changing ---- */

/* The array, with another value in the place of each element that is the second argument; NULL: with none. */
static void exchange(struct call *c, const struct lanes *with)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        struct column x = arg_array(c, 0, r, &scratch, &n);
        for (uint32_t i = 0; i < n; i++)
            if (!is_same(c, &x, i, 1, r))
                elements_add(&e, &x, i);
            else if (with)
                add_one(&e, with, r);
        give_unless(&e, c, r, arg_is_null(c, 0, r));
    }
}

static void kernel_remove(struct call *c) { exchange(c, NULL); }
static void kernel_replace(struct call *c) { exchange(c, &c->args[2]); }

/* ---- searching ---- */

static void kernel_position(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column x = arg_array(c, 0, r, &scratch, &n);
        bool no_start = c->nargs > 2 && arg_is_null(c, 2, r);
        uint32_t i = c->nargs > 2 && !no_start ? (uint32_t)MAX(ARG(c, 2, int32_t, r), 1) - 1 : 0;
        while (i < n && !is_same(c, &x, i, 1, r))
            i++;
        OUT(c, int32_t, r) = (int32_t)i + 1;
        if (!arg_is_null(c, 0, r) && no_start)
            call_fail(c, r, "22004", "initial position must not be null");
        else if (i >= n)
            call_null(c, r);
        arena_reset(&scratch);
    }
}

static void kernel_positions(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct elements e = elements_of(TYPE(TYPE_INT4), &scratch);
        struct column x = arg_array(c, 0, r, &scratch, &n);
        for (uint32_t i = 0; i < n; i++) {
            int32_t at = (int32_t)i + 1;
            const struct column one = {.type = TYPE(TYPE_INT4), .data = &at};
            if (is_same(c, &x, i, 1, r))
                elements_add(&e, &one, 0);
        }
        give_unless(&e, c, r, arg_is_null(c, 0, r));
    }
}

/* ---- the same value many times ---- */

/* Elements that the array of its dimensions has; -1: the lane has failed. */
static int64_t filled_length(struct call *c, uint32_t row, struct arena *scratch)
{
    uint32_t n;
    struct column dimensions = arg_array(c, 1, row, scratch, &n);
    const int32_t *length = dimensions.data;
    if (arg_is_null(c, 1, row))
        call_fail(c, row, "22004", "dimension array or low bound array cannot be null");
    else if (n > 1)
        call_fail(c, row, "0A000", "arrays of more than one dimension are not supported");
    else if (n == 1 && column_is_null(&dimensions, 0))
        call_fail(c, row, "22004", "dimension values cannot be null");
    else if (n == 1 && *length < 0)
        call_fail(c, row, "54000", "array size exceeds the maximum allowed (134217727)"); /* as PostgreSQL counts */
    else if (n == 1 && *length > ARRAY_MAX_BYTES)
        call_fail(c, row, "54000", "array size exceeds the maximum allowed (%d bytes)", ARRAY_MAX_BYTES);
    else
        return n ? *length : 0;
    return -1;
}

static void kernel_fill(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        int64_t n = filled_length(c, r, &scratch);
        struct elements e = elements_of(type_element(c->out->col.type), &scratch);
        for (int64_t i = 0; i < n; i++)
            elements_add(&e, &c->args[0].col, r & c->args[0].mask);
        if (n >= 0)
            elements_give(&e, c, r);
        arena_reset(&scratch);
    }
}

static enum status bind_fill(struct binding *b, struct error *err)
{
    if (b->args[0]->type.id == TYPE_ARRAY) {
        (void)error_set(err, ERR_UNSUPPORTED, "arrays of more than one dimension are not supported");
        return error_hint(err, "keep the nested value as jsonb: jsonb_build_array()");
    }
    b->result = type_array(b->args[0]->type);
    return OK;
}

/* ---- text ---- */

static void put_joined(struct call *c, uint32_t row, const struct column *x, uint32_t n, struct buf *out)
{
    bool shows_null = c->nargs > 2 && !arg_is_null(c, 2, row), any = false;
    for (uint32_t i = 0; i < n; i++) {
        if (column_is_null(x, i) && !shows_null)
            continue;
        if (any)
            buf_put_slice(out, arg_text(c, 1, row));
        any = true;
        if (!column_print(x, i, out))
            buf_put_slice(out, arg_text(c, 2, row));
    }
}

static void kernel_to_string(struct call *c)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) out = BUF(ARRAY_MAX_BYTES);
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column x = arg_array(c, 0, r, &scratch, &n);
        bool null = arg_is_null(c, 0, r) || arg_is_null(c, 1, r);
        buf_clear(&out);
        if (!null)
            put_joined(c, r, &x, n, &out);
        if (null)
            call_null(c, r);
        else if (out.overflow)
            call_fail(c, r, "54000", "the text is longer than the %d bytes allowed for it", ARRAY_MAX_BYTES);
        else
            call_text(c, r, out.data, out.len);
        arena_reset(&scratch);
    }
}

/* Up to the delimiter: NULL cuts at every character, "" nowhere. */
static size_t part_length(struct slice text, bool by_character, struct slice delimiter)
{
    if (by_character)
        return (size_t)(utf8_next(text.data, text.data + text.len) - text.data);
    const char *at = delimiter.len ? memmem(text.data, text.len, delimiter.data, delimiter.len) : NULL;
    return at ? (size_t)(at - text.data) : text.len;
}

void array_from_string(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct elements e = elements_of(TYPE(TYPE_TEXT), &scratch);
        bool null = arg_is_null(c, 0, r), characters = arg_is_null(c, 1, r);
        bool marks_null = c->nargs > 2 && !arg_is_null(c, 2, r);
        struct slice text = null ? SLICE("") : arg_text(c, 0, r);
        struct slice delimiter = characters ? SLICE("") : arg_text(c, 1, r);
        for (bool more = text.len > 0; more;) {
            struct slice part = {text.data, part_length(text, characters, delimiter)};
            if (marks_null && slice_equal(part, arg_text(c, 2, r)))
                elements_add_null(&e);
            else
                elements_add_text(&e, part);
            more = part.len < text.len;
            text.data += more ? part.len + delimiter.len : 0;
            text.len -= more ? part.len + delimiter.len : 0;
        }
        give_unless(&e, c, r, null);
    }
}

#define A ARG_ARRAY
#define E ARG_ELEMENT
#define T TYPE_TEXT
/* How many of the thresholds, which ascend, are not above the value. */
static void kernel_bucket(struct call *c)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    CALL_ROWS(c, r) {
        struct column list = arg_array(c, 1, r, &scratch, &n);
        uint32_t low = 0, high = n;
        bool null = false;
        for (uint32_t i = 0; i < n; i++)
            null |= column_is_null(&list, i);
        if (null)
            call_fail(c, r, "22004", "thresholds array must not contain NULLs");
        while (!null && low < high) {
            uint32_t middle = (low + high) / 2;
            if (column_order(&c->args[0].col, r & c->args[0].mask, &list, middle) < 0)
                high = middle;
            else
                low = middle + 1;
        }
        OUT(c, int32_t, r) = (int32_t)low;
        arena_reset(&scratch);
    }
}

#define I TYPE_INT4
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .flags = FN_NULLS, .kernel = KERNEL,           \
     .help = HELP}
#define PREPEND(NAME, HELP)                                                                                            \
    {.name = NAME, .result = A, .nargs = 2, .args = {E, A}, .flags = FN_NULLS, .kernel = kernel_prepend,               \
     .bind = bind_prepend, .help = HELP}

const struct function fn_array_change[] = {
    FN("||", RESULT_SAME, 2, kernel_cat, "both, one after the other; of a NULL array the other", A, A),
    FN("||", RESULT_SAME, 2, kernel_append, "with an element behind it", A, E),
    PREPEND("||", "with an element before it"),
    FN("array_cat", RESULT_SAME, 2, kernel_cat, "both, one after the other; of a NULL array the other", A, A),
    FN("array_append", RESULT_SAME, 2, kernel_append, "with an element behind it", A, E),
    PREPEND("array_prepend", "with an element before it"),
    FN("array_remove", RESULT_SAME, 2, kernel_remove, "without the elements that are equal; NULL is equal to NULL", A,
       E),
    FN("array_replace", RESULT_SAME, 3, kernel_replace, "with the elements that are equal replaced", A, E, E),
    FN("array_position", I, 2, kernel_position, "the subscript of the first element that is equal", A, E),
    FN("array_position", I, 3, kernel_position, "the same from a subscript on", A, E, I),
    {.name = "width_bucket", .result = I, .nargs = 2, .args = {E, A}, .kernel = kernel_bucket,
     .help = "how many of the thresholds, which ascend, the value has reached"},
    FN("array_positions", ARRAY_OF | I, 2, kernel_positions, "the subscripts of all elements that are equal", A, E),
    {.name = "array_fill", .result = A, .nargs = 2, .args = {ARG_ANY, ARRAY_OF | I}, .flags = FN_NULLS,
     .kernel = kernel_fill, .bind = bind_fill, .help = "array_fill(x, ARRAY[n]): x, n times"},
    FN("array_to_string", T, 2, kernel_to_string, "the elements as text with a delimiter between them, without NULLs",
       A, T),
    FN("array_to_string", T, 3, kernel_to_string, "the same with a text for NULLs", A, T, T),
    FN("string_to_array", ARRAY_OF | T, 2, array_from_string, "cut at a delimiter; NULL: at every character", T, T),
    FN("string_to_array", ARRAY_OF | T, 3, array_from_string, "the same, a text being taken as NULL", T, T, T),
    {0},
};
