/* jsonb: documents made from others. What comes out is put into normal form again, which sorts keys and lets the last
 * of equal ones win. */
#include <stdlib.h>

#include "column/jsonb.h"
#include "expr/json.h"

enum { RESULT_MAX = MIB(16) };

static void give(struct call *c, uint32_t row, struct buf *json)
{
    struct slice normal;
    struct error err;
    if (json->overflow)
        call_fail(c, row, "54000", "a jsonb value is longer than the %d bytes allowed for it", RESULT_MAX);
    else if (jsonb_normalise(buf_slice(json), RESULT_MAX, c->arena, &normal, &err) == OK)
        call_slice(c, row, normal);
    else
        call_fail(c, row, "54000", "%s", err.text);
}

static bool is_object(struct slice doc) { return doc.data[0] == '{'; }
static bool is_array(struct slice doc) { return doc.data[0] == '['; }
static bool is_scalar(struct slice doc) { return !is_object(doc) && !is_array(doc); }

/* ---- || ---- */

/* The inside of an array, or the document as the one element. */
static void put_elements(struct buf *out, struct slice doc)
{
    struct slice inside = is_array(doc) ? (struct slice){doc.data + 1, doc.len - 2} : doc;
    if (inside.len && out->data[out->len - 1] != '[')
        buf_puts(out, ", ");
    buf_put_slice(out, inside);
}

static void kernel_concatenate(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        struct slice x = arg_text(c, 0, r), y = arg_text(c, 1, r);
        buf_clear(&out);
        if (is_object(x) && is_object(y)) {
            buf_put(&out, x.data, x.len - 1);
            buf_puts(&out, x.len > 2 && y.len > 2 ? ", " : "");
            buf_put(&out, y.data + 1, y.len - 1);
        } else {
            buf_putc(&out, '[');
            put_elements(&out, x);
            put_elements(&out, y);
            buf_putc(&out, ']');
        }
        give(c, r, &out);
    }
}

/* ---- taking parts away ---- */

/* A document being copied child by child. */
struct copying {
    struct buf *out;
    bool any;
};

static void copy_child(struct copying *to, bool object, struct slice key, struct slice value)
{
    if (to->any)
        buf_puts(to->out, ", ");
    to->any = true;
    if (object) {
        buf_put_slice(to->out, key);
        buf_puts(to->out, ": ");
    }
    buf_put_slice(to->out, value);
}

/* As `printed` strings: keys of an object, or strings of an array. */
static bool is_one_of(struct slice printed, const struct slice *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (slice_equal(printed, names[i]))
            return true;
    return false;
}

static void put_without(struct buf *out, struct slice doc, const struct slice *names, uint32_t n)
{
    struct jsonb_walk w = jsonb_walk(doc);
    struct copying to = {out};
    buf_putc(out, w.object ? '{' : '[');
    for (struct slice key, value; jsonb_next(&w, &key, &value);)
        if (!is_one_of(w.object ? key : value, names, n))
            copy_child(&to, w.object, key, value);
    buf_putc(out, w.object ? '}' : ']');
}

/* The strings of a path, as JSON prints them; a NULL is equal to none. */
static struct slice *printed_names(const struct json_path *p, struct arena *a)
{
    struct slice *names = arena_zarray(a, p->n, sizeof *names);
    for (uint32_t i = 0; i < p->n; i++) {
        if (column_is_null(&p->keys, i))
            continue;
        struct slice s = json_path_key(p, i);
        AUTO(buf) out = BUF(s.len * 6 + 2);
        jsonb_put_string(&out, s);
        names[i] = (struct slice){arena_dup(a, out.data, out.len), out.len};
    }
    return names;
}

static void kernel_without_keys(struct call *c)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r);
        buf_clear(&out);
        if (is_scalar(doc)) {
            call_fail(c, r, "22023", "cannot delete from scalar");
            continue;
        }
        struct json_path p = json_path_of(c, 1, r, &scratch);
        put_without(&out, doc, printed_names(&p, &scratch), p.n);
        give(c, r, &out);
        arena_reset(&scratch);
    }
}

static int64_t count_elements(struct slice doc)
{
    struct jsonb_walk w = jsonb_walk(doc);
    int64_t n = 0;
    for (struct slice key, value; jsonb_next(&w, &key, &value);)
        n++;
    return n;
}

static void kernel_without_element(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        struct slice doc = arg_text(c, 0, r), key, value;
        if (!is_array(doc)) {
            call_fail(c, r, "22023", is_object(doc) ? "cannot delete from object using integer index"
                                                    : "cannot delete from scalar");
            continue;
        }
        int64_t at = ARG(c, 1, int32_t, r), i = 0;
        at += at < 0 ? count_elements(doc) : 0;
        struct copying to = {&out};
        buf_clear(&out);
        buf_putc(&out, '[');
        for (struct jsonb_walk w = jsonb_walk(doc); jsonb_next(&w, &key, &value); i++)
            if (i != at)
                copy_child(&to, false, key, value);
        buf_putc(&out, ']');
        give(c, r, &out);
    }
}

/* ---- at a path: #-, jsonb_set, jsonb_insert ---- */

enum change { DELETE, SET, SET_IF_THERE, INSERT_BEFORE, INSERT_AFTER };

struct change_at {
    struct call *c;
    uint32_t row;
    struct buf *out;
    struct slice *keys; /* the path */
    uint32_t nkeys, step;
    enum change how;
    struct slice value;
    bool failed;
};

static void put_changed(struct change_at *x, struct slice doc);

static bool array_index(struct change_at *x, struct slice key, int64_t *ret)
{
    char number[24], *end = number;
    if (key.len && key.len < sizeof number) {
        memcpy(number, key.data, key.len);
        number[key.len] = 0;
        *ret = strtol(number, &end, 10);
    }
    if (end != number && *end == 0 && *ret >= INT32_MIN && *ret <= INT32_MAX)
        return true;
    call_fail(x->c, x->row, "22P02", "path element at position %u is not an integer: \"%.*s\"", x->step + 1,
              (int)MIN(key.len, (size_t)100), key.data);
    x->failed = true;
    return false;
}

/* The child that the path goes through, or ends at. */
static void put_step(struct change_at *x, struct copying *to, bool object, struct slice key, struct slice old)
{
    bool last = x->step + 1 == x->nkeys;
    if (!last) {
        AUTO(buf) changed = BUF(RESULT_MAX);
        struct change_at inner = *x;
        inner.step++;
        inner.out = &changed;
        put_changed(&inner, old);
        x->failed |= inner.failed;
        copy_child(to, object, key, buf_slice(&changed));
    } else if (x->how == SET || x->how == SET_IF_THERE) {
        copy_child(to, object, key, x->value);
    } else if (x->how != DELETE) {
        if (object) {
            call_fail(x->c, x->row, "22023", "cannot replace existing key");
            x->failed = true;
        }
        if (x->how == INSERT_BEFORE)
            copy_child(to, object, key, x->value);
        copy_child(to, object, key, old);
        if (x->how == INSERT_AFTER)
            copy_child(to, object, key, x->value);
    }
}

static void put_changed_object(struct change_at *x, struct slice doc)
{
    struct copying to = {x->out};
    struct slice want = x->keys[x->step], key, value;
    bool found = false;
    buf_putc(x->out, '{');
    for (struct jsonb_walk w = jsonb_walk(doc); jsonb_next(&w, &key, &value);)
        if (slice_equal(key, want)) {
            put_step(x, &to, true, key, value);
            found = true;
        } else
            copy_child(&to, true, key, value);
    if (!found && x->step + 1 == x->nkeys && x->how != DELETE && x->how != SET_IF_THERE)
        copy_child(&to, true, want, x->value);
    buf_putc(x->out, '}');
}

static void put_changed_array(struct change_at *x, struct slice doc)
{
    struct copying to = {x->out};
    struct slice name, key = {0}, value;
    int64_t at, n = count_elements(doc), i = 0;
    bool adds = x->step + 1 == x->nkeys && x->how != DELETE && x->how != SET_IF_THERE;
    if (n == 0 && (x->how == DELETE || x->how == SET_IF_THERE)) { /* whatever the path says */
        buf_puts(x->out, "[]");
        return;
    }
    (void)jsonb_text(x->keys[x->step], x->c->arena, &name);
    if (!array_index(x, name, &at)) {
        buf_puts(x->out, "[]");
        return;
    }
    at += at < 0 ? n : 0;
    buf_putc(x->out, '[');
    if (at < 0 && adds)
        copy_child(&to, false, key, x->value);
    for (struct jsonb_walk w = jsonb_walk(doc); jsonb_next(&w, &key, &value); i++)
        if (i == at)
            put_step(x, &to, false, key, value);
        else
            copy_child(&to, false, key, value);
    if (at >= n && adds)
        copy_child(&to, false, key, x->value);
    buf_putc(x->out, ']');
}

static void put_changed(struct change_at *x, struct slice doc)
{
    if (!x->keys[x->step].data) {
        call_fail(x->c, x->row, "22004", "path element at position %u is null", x->step + 1);
        x->failed = true;
    } else if (is_object(doc))
        put_changed_object(x, doc);
    else if (is_array(doc))
        put_changed_array(x, doc);
    else
        buf_put_slice(x->out, doc);
}

/* Without a path nothing changes. */
static void change(struct call *c, uint32_t row, enum change how, struct slice value, struct buf *out)
{
    AUTO(arena) scratch = {0};
    struct slice doc = arg_text(c, 0, row);
    struct change_at x = {.c = c, .row = row, .out = out, .how = how, .value = value};
    struct json_path p = json_path_of(c, 1, row, &scratch);
    x.keys = printed_names(&p, &scratch);
    x.nkeys = p.n;
    buf_clear(out);
    if (is_scalar(doc)) {
        call_fail(c, row, "22023", how == DELETE ? "cannot delete path in scalar" : "cannot set path in scalar");
        return;
    }
    if (p.n == 0)
        buf_put_slice(out, doc);
    else
        put_changed(&x, doc);
    if (!x.failed)
        give(c, row, out);
}

static void kernel_delete_path(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r)
        change(c, r, DELETE, (struct slice){0}, &out);
}

/* The flag of a call with four arguments, or what it is without. */
static bool flag(const struct call *c, uint32_t row, bool otherwise)
{
    return c->nargs > 3 ? ARG(c, 3, uint8_t, row) : otherwise;
}

static void kernel_set(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r)
        change(c, r, flag(c, r, true) ? SET : SET_IF_THERE, arg_text(c, 2, r), &out);
}

/* jsonb_set_lax(): what becomes of a value that is NULL, by the fifth argument. */
static void set_null(struct call *c, uint32_t row, struct buf *out)
{
    struct slice how = c->nargs < 5             ? SLICE("use_json_null")
                       : arg_is_null(c, 4, row) ? SLICE("")
                                                : arg_text(c, 4, row);
    if (slice_is(how, "use_json_null"))
        change(c, row, flag(c, row, true) ? SET : SET_IF_THERE, SLICE("null"), out);
    else if (slice_is(how, "delete_key"))
        change(c, row, DELETE, (struct slice){0}, out);
    else if (slice_is(how, "return_target"))
        call_slice(c, row, arg_text(c, 0, row));
    else if (slice_is(how, "raise_exception"))
        call_fail(c, row, "22004", "JSON value must not be null");
    else
        call_fail(c, row, "22023", "null_value_treatment must be \"delete_key\", \"return_target\", "
                                   "\"use_json_null\", or \"raise_exception\"");
}

static void kernel_set_lax(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        if (arg_is_null(c, 0, r) || arg_is_null(c, 1, r) || (c->nargs > 3 && arg_is_null(c, 3, r)))
            call_null(c, r);
        else if (arg_is_null(c, 2, r) || (c->nargs > 4 && arg_is_null(c, 4, r)))
            set_null(c, r, &out);
        else
            change(c, r, flag(c, r, true) ? SET : SET_IF_THERE, arg_text(c, 2, r), &out);
    }
}

static void kernel_insert(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r)
        change(c, r, flag(c, r, false) ? INSERT_AFTER : INSERT_BEFORE, arg_text(c, 2, r), &out);
}

/* ---- questions ---- */

static void kernel_contains(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, uint8_t, r) = jsonb_contains(arg_text(c, 0, r), arg_text(c, 1, r));
}
static void kernel_contained(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, uint8_t, r) = jsonb_contains(arg_text(c, 1, r), arg_text(c, 0, r));
}

static bool has_name(struct slice doc, struct slice printed)
{
    struct jsonb_walk w = jsonb_walk(doc);
    for (struct slice key, value; jsonb_next(&w, &key, &value);)
        if (slice_equal(w.object ? key : value, printed))
            return true;
    return is_scalar(doc) && slice_equal(doc, printed);
}

static void has_names(struct call *c, bool all)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct json_path p = json_path_of(c, 1, r, &scratch);
        struct slice doc = arg_text(c, 0, r), *names = printed_names(&p, &scratch);
        bool answer = all;
        for (uint32_t i = 0; i < p.n && answer == all; i++)
            answer = column_is_null(&p.keys, i) ? all : has_name(doc, names[i]);
        OUT(c, uint8_t, r) = answer;
        arena_reset(&scratch);
    }
}
static void kernel_has_any(struct call *c) { has_names(c, false); }
static void kernel_has_all(struct call *c) { has_names(c, true); }

/* ---- in another form ---- */

static void put_stripped(struct buf *out, struct slice doc)
{
    if (is_scalar(doc)) {
        buf_put_slice(out, doc);
        return;
    }
    struct jsonb_walk w = jsonb_walk(doc);
    bool any = false;
    buf_putc(out, w.object ? '{' : '[');
    for (struct slice key, value; jsonb_next(&w, &key, &value);) {
        if (w.object && slice_is(value, "null"))
            continue;
        buf_puts(out, any ? ", " : "");
        any = true;
        if (w.object) {
            buf_put_slice(out, key);
            buf_puts(out, ": ");
        }
        put_stripped(out, value);
    }
    buf_putc(out, w.object ? '}' : ']');
}

static void kernel_strip_nulls(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        buf_clear(&out);
        put_stripped(&out, arg_text(c, 0, r));
        call_text(c, r, out.data, out.len);
    }
}

static void put_pretty(struct buf *out, struct slice doc, int depth)
{
    if (is_scalar(doc)) {
        buf_put_slice(out, doc);
        return;
    }
    struct jsonb_walk w = jsonb_walk(doc);
    bool any = false;
    buf_putc(out, w.object ? '{' : '[');
    for (struct slice key, value; jsonb_next(&w, &key, &value);) {
        buf_printf(out, "%s\n%*s", any ? "," : "", depth * 4 + 4, "");
        any = true;
        if (w.object) {
            buf_put_slice(out, key);
            buf_puts(out, ": ");
        }
        put_pretty(out, value, depth + 1);
    }
    buf_printf(out, "\n%*s%c", depth * 4, "", w.object ? '}' : ']');
}

static void kernel_pretty(struct call *c)
{
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        buf_clear(&out);
        put_pretty(&out, arg_text(c, 0, r), 0);
        if (out.overflow)
            call_fail(c, r, "54000", "the text is longer than the %d bytes allowed for it", RESULT_MAX);
        else
            call_text(c, r, out.data, out.len);
    }
}

#define J TYPE_JSONB
#define T TYPE_TEXT
#define B TYPE_BOOL
#define K (ARRAY_OF | TYPE_TEXT)
#define FN(NAME, RESULT, N, KERNEL, BIND, HELP, ...)                                                                   \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .bind = BIND, .help = HELP}
#define LAX(N, HELP)                                                                                                   \
    {.name = "jsonb_set_lax", .result = J, .nargs = N, .args = {J, K, J, B, T}, .flags = FN_NULLS,                     \
     .kernel = kernel_set_lax, .help = HELP}

const struct function fn_json_change[] = {
    FN("||", J, 2, kernel_concatenate, NULL, "objects merged, the right one's keys winning; else arrays joined", J, J),
    FN("-", J, 2, kernel_without_keys, NULL, "without a key, or the strings of an array that are equal", J, T),
    FN("-", J, 2, kernel_without_keys, NULL, "without the keys, or the strings of an array", J, K),
    FN("-", J, 2, kernel_without_element, NULL, "without an element, from 0; from the end if negative", J, TYPE_INT4),
    FN("#-", J, 2, kernel_delete_path, NULL, "without what is at a path", J, K),
    FN("@>", B, 2, kernel_contains, NULL, "does it contain the other?", J, J),
    FN("<@", B, 2, kernel_contained, NULL, "is it contained in the other?", J, J),
    FN("?|", B, 2, kernel_has_any, NULL, "is one of these there, as a key or a string? x ?| '{a,b}'", J, K),
    FN("?&", B, 2, kernel_has_all, NULL, "are all of these there?", J, K),
    FN("jsonb_set", J, 3, kernel_set, NULL, "with a new value at a path, whose last step may be new", J, K, J),
    FN("jsonb_set", J, 4, kernel_set, NULL, "with a new value at a path; true: its last step may be new", J, K,
       J, B),
    LAX(3, "as jsonb_set; a new value that is NULL is a JSON null"),
    LAX(4, "the same; true: the path's last step may be new"),
    LAX(5, "the same; a new value that is NULL: 'use_json_null', 'delete_key', 'return_target' or 'raise_exception'"),
    FN("jsonb_insert", J, 3, kernel_insert, NULL, "with a value inserted before a path", J, K, J),
    FN("jsonb_insert", J, 4, kernel_insert, NULL, "with a value inserted before a path; true: after it", J, K, J,
       B),
    FN("jsonb_strip_nulls", J, 1, kernel_strip_nulls, NULL, "without the keys whose value is null", J),
    FN("jsonb_pretty", T, 1, kernel_pretty, NULL, "as text with one line a value", J),
    {0},
};
