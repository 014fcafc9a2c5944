#include "expr/foreign.h"

#include "base/os.h"
#include "base/utf8.h"
#include "column/jsonb.h"
#include "expr/calendar.h"

static const uint8_t types[] = {
    [BOURN_BOOL] = TYPE_BOOL,           [BOURN_INT4] = TYPE_INT4, [BOURN_INT8] = TYPE_INT8,
    [BOURN_FLOAT8] = TYPE_FLOAT8,       [BOURN_TEXT] = TYPE_TEXT, [BOURN_DATE] = TYPE_DATE,
    [BOURN_TIMESTAMP] = TYPE_TIMESTAMP, [BOURN_TIMESTAMPTZ] = TYPE_TIMESTAMPTZ, [BOURN_BYTEA] = TYPE_BYTEA,
    [BOURN_UUID] = TYPE_UUID,           [BOURN_INTERVAL] = TYPE_INTERVAL,       [BOURN_JSONB] = TYPE_JSONB,
    [BOURN_NUMERIC] = TYPE_NUMERIC,
};

/* Elements of these lie as the header says. */
static_assert(sizeof(struct bourn_uuid) == 16);
static_assert(sizeof(struct bourn_interval) == sizeof(struct interval) &&
              offsetof(struct bourn_interval, months) == offsetof(struct interval, months) &&
              offsetof(struct bourn_interval, days) == offsetof(struct interval, days) &&
              offsetof(struct bourn_interval, micros) == offsetof(struct interval, micros));

uint8_t foreign_type(uint32_t bourn_type) { return bourn_type < ARRAY_LEN(types) ? types[bourn_type] : TYPE_UNKNOWN; }

uint32_t foreign_type_of(uint8_t type_id)
{
    for (uint32_t i = 1; i < ARRAY_LEN(types); i++)
        if (types[i] == type_id)
            return i;
    return 0;
}

/* ---- what the function sees ---- */

/* Bits past the last row are 0. */
static uint64_t *own_bits(struct call *c, const uint64_t *map)
{
    size_t words = BITMAP_WORDS(c->rows);
    uint64_t *copy = arena_array(c->arena, words, sizeof *copy);
    for (size_t w = 0; w < words; w++)
        copy[w] = map ? map[w] : ~UINT64_C(0);
    if (c->rows % 64)
        copy[words - 1] &= (UINT64_C(1) << (c->rows % 64)) - 1;
    return copy;
}

static const void *texts_of(struct call *c, uint32_t i)
{
    struct bourn_text *texts = arena_zarray(c->arena, c->rows, sizeof *texts);
    CALL_ROWS(c, r) {
        if (arg_is_null(c, i, r))
            continue;
        const struct view *v = &ARG(c, i, struct view, r);
        texts[r] = (struct bourn_text){v->len ? view_data(v) : NULL, v->len};
    }
    return texts;
}

static const void *numerics_of(struct call *c, uint32_t i)
{
    const struct lanes *arg = &c->args[i];
    struct bourn_numeric *numerics = arena_zarray(c->arena, c->rows, sizeof *numerics);
    CALL_ROWS(c, r) {
        if (arg_is_null(c, i, r))
            continue;
        int128 v = column_numeric(&arg->col, r & arg->mask);
        numerics[r] = (struct bourn_numeric){(int64_t)(v >> 64), (uint64_t)v, arg->col.type.scale, 0};
    }
    return numerics;
}

/* An element per row, also of a constant. */
static const void *elements_of(struct call *c, uint32_t i)
{
    const struct lanes *arg = &c->args[i];
    if (type_is_view(arg->col.type))
        return texts_of(c, i);
    if (arg->col.type.id == TYPE_NUMERIC)
        return numerics_of(c, i);
    if (arg->mask)
        return arg->col.data;
    size_t width = type_width(arg->col.type);
    char *all = arena_zarray(c->arena, c->rows, width);
    for (uint32_t r = 0; r < c->rows && !arg_is_null(c, i, 0); r++)
        memcpy(all + r * width, arg->col.data, width);
    return all;
}

/* ---- what it says ---- */

static void fail_rows(struct call *c, const struct foreign *f, size_t wanted, size_t had)
{
    CALL_ROWS(c, r) {
        if (wanted <= had)
            call_fail(c, r, "38000", "%s: it asks for %zu bytes of scratch, but has %zu", f->name, wanted, had);
        else
            call_fail(c, r, "54000", "%s: it asks for %zu bytes of scratch for a batch; the most is %d", f->name,
                      wanted, FOREIGN_MAX_SCRATCH);
    }
}

/* The part that fits into a message, cut between characters. */
static void fail_row(struct call *c, const struct foreign *f, uint32_t row, const char *message)
{
    enum { LONGEST = 400 };
    size_t len = strnlen(message, LONGEST), n = 0;
    for (unsigned k; n < len && (k = utf8_char(message + n, message + len));)
        n += k;
    if (n < len && (len < LONGEST || n + 4 <= len)) /* not only cut inside a character */
        call_fail(c, row, "38000", "%s: an error whose text is no UTF-8", f->name);
    else
        call_fail(c, row, "38000", "%s: %.*s", f->name, (int)n, message);
}

static void take_jsonb(struct call *c, const struct foreign *f, uint32_t row, struct slice json)
{
    struct slice normal;
    struct error err;
    if (jsonb_normalise(json, FOREIGN_MAX_SCRATCH, c->arena, &normal, &err) == OK)
        call_text(c, row, normal.data, normal.len);
    else
        call_fail(c, row, "22P02", "%s: the result is no jsonb: %.300s", f->name, err.text);
}

static void take_text(struct call *c, const struct foreign *f, uint32_t row, const struct bourn_text *text)
{
    bool is_text = c->out->col.type.id == TYPE_TEXT;
    if (text->len > FOREIGN_MAX_SCRATCH)
        call_fail(c, row, "54000", "%s: a result of %zu bytes is longer than the %d allowed", f->name, text->len,
                  FOREIGN_MAX_SCRATCH);
    else if (is_text && text->len &&
             (memchr(text->data, 0, text->len) || !utf8_valid((struct slice){text->data, text->len})))
        call_fail(c, row, "22021", "%s: the result is no valid UTF-8", f->name);
    else if (c->out->col.type.id == TYPE_JSONB)
        take_jsonb(c, f, row, (struct slice){text->len ? text->data : "", text->len});
    else
        call_text(c, row, text->len ? text->data : "", text->len);
}

static bool in_range(const struct call *c, uint32_t row)
{
    switch (c->out->col.type.id) {
    case TYPE_DATE: return days_in_range(OUT(c, int32_t, row));
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ: return micros_in_range(OUT(c, int64_t, row));
    default: return true;
    }
}

static void take_row(struct call *c, const struct foreign *f, const struct bourn_call *b, uint32_t row)
{
    if (b->error[row])
        fail_row(c, f, row, b->error[row]);
    else if (!bourn_bit(b->valid, row))
        call_null(c, row);
    else if (type_is_view(c->out->col.type))
        take_text(c, f, row, (const struct bourn_text *)b->result + row);
    else if (!in_range(c, row))
        call_fail(c, row, "22008", "%s: the result lies outside the years 0001 to 9999", f->name);
    else if (c->out->col.type.id == TYPE_BOOL)
        OUT(c, uint8_t, row) = OUT(c, uint8_t, row) != 0;
}

/* ---- the call ---- */

static size_t run_once(struct call *c, const struct foreign *f, struct bourn_call *b, size_t width)
{
    memset(b->result, 0, c->rows * width);
    memset(b->valid, 0xff, BITMAP_WORDS(c->rows) * sizeof *b->valid);
    memset(b->error, 0, c->rows * sizeof *b->error);
    const char *before = os_crash_culprit(f->culprit);
    size_t wanted = f->run(b);
    os_crash_culprit(before);
    return wanted;
}

static void kernel_foreign(struct call *c)
{
    const struct foreign *f = c->extra;
    size_t words = BITMAP_WORDS(c->rows);
    bool views = type_is_view(c->out->col.type);
    size_t width = views ? sizeof(struct bourn_text) : type_width(c->out->col.type);
    assert(f->run);
    c->active = own_bits(c, c->active);
    if (!bit_any(c->active, words))
        return;
    struct bourn_column *args = arena_zarray(c->arena, MAX(c->nargs, 1u), sizeof *args);
    for (uint32_t i = 0; i < c->nargs; i++)
        args[i] = (struct bourn_column){elements_of(c, i), own_bits(c, c->args[i].col.valid)};
    struct bourn_call b = {.rows = c->rows, .nargs = c->nargs, .active = c->active, .args = args};
    b.result = views ? arena_array(c->arena, c->rows, width) : c->out->col.data;
    b.valid = arena_array(c->arena, words, sizeof *b.valid);
    b.error = arena_array(c->arena, c->rows, sizeof *b.error);
    for (size_t wanted; (wanted = run_once(c, f, &b, width)) > 0;) {
        if (wanted <= b.scratch_size || wanted > FOREIGN_MAX_SCRATCH) {
            fail_rows(c, f, wanted, b.scratch_size);
            return;
        }
        b.scratch = arena_alloc(c->arena, wanted);
        b.scratch_size = wanted;
    }
    if (views)
        memset(c->out->col.data, 0, c->rows * sizeof(struct view));
    CALL_ROWS(c, r)
        take_row(c, f, &b, r);
}

/* ---- binding ---- */

const struct function *foreign_function(struct arena *a, const struct foreign *f, struct type result, bool strict)
{
    struct function *row = arena_zalloc(a, sizeof *row);
    row->name = arena_printf(a, "%s@%.16s", f->symbol, f->sha256);
    row->result = result.id;
    row->flags = strict ? 0 : FN_NULLS;
    row->kernel = kernel_foreign;
    return row;
}

struct expr *foreign_call(struct arena *a, const struct function *f, const struct foreign *foreign, struct type result,
                          struct expr *const *args, uint32_t nargs, int32_t location)
{
    struct expr *e = expr_raw_call(a, f, result, args, nargs, location);
    e->extra = foreign;
    return e;
}
