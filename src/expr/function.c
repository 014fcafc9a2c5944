#include "expr/function.h"

#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const struct {
    const char *family;
    const struct function *rows;
} families[] = {
    {"Comparison", fn_compare},
    {"Arithmetic", fn_arith},
    {"Arithmetic", fn_numeric},
    {"Numbers", fn_number},
    {"Numbers", fn_to_char_number},
    {"Strings", fn_string},
    {"Strings", fn_text},
    {"Patterns", fn_pattern},
    {"Patterns", fn_regexp},
    {"Bytes and hashes", fn_bytes},
    {"Dates and times", fn_date},
    {"Dates and times", fn_extract},
    {"Dates and times", fn_to_char},
    {"Dates and times", fn_to_date},
    {"JSON", fn_json},
    {"JSON", fn_json_change},
    {"JSON", fn_jsonpath},
    {"Arrays", fn_array},
    {"Arrays", fn_array_change},
    {"NULLs and choices", fn_null},
    {"Rows, in FROM", fn_sets},
    {"Rows, in FROM", fn_regexp_sets},
    {"Rows, in FROM", fn_jsonpath_sets},
};

static const struct cast *const cast_tables[] = {casts_number, casts_text, casts_date, casts_json};

static const struct function *row_at(size_t i, const char **ret_family)
{
    for (size_t f = 0; f < ARRAY_LEN(families); f++)
        for (const struct function *row = families[f].rows; row->name; row++)
            if (i-- == 0) {
                *ret_family = families[f].family;
                return row;
            }
    return NULL;
}

const struct function *function_at(size_t i)
{
    const char *family;
    return row_at(i, &family);
}

/* The cursor is family * 2^16 + row. */
const struct function *function_named(const char *name, size_t *cursor)
{
    size_t f = *cursor >> 16, r = *cursor & 0xffff;
    for (; f < ARRAY_LEN(families); f++, r = 0)
        for (; families[f].rows[r].name; r++)
            if (strcmp(families[f].rows[r].name, name) == 0) {
                *cursor = (f << 16) + r + 1;
                return &families[f].rows[r];
            }
    *cursor = f << 16;
    return NULL;
}

bool function_is_set(const char *name)
{
    size_t n = strlen(name);
    const struct function *f;
    for (size_t i = 0; (f = function_at(i)); i++)
        if (f->flags & FN_SET && strncmp(f->name, name, n) == 0 && (f->name[n] == 0 || f->name[n] == ' '))
            return true;
    return false;
}

const char *function_family(size_t i)
{
    const char *family = NULL;
    row_at(i, &family);
    return family;
}

const struct cast *cast_at(size_t i)
{
    for (size_t t = 0; t < ARRAY_LEN(cast_tables); t++)
        for (const struct cast *row = cast_tables[t]; row->function.name; row++)
            if (i-- == 0)
                return row;
    return NULL;
}

const struct cast *cast_find(uint8_t from, uint8_t to)
{
    for (size_t t = 0; t < ARRAY_LEN(cast_tables); t++)
        for (const struct cast *row = cast_tables[t]; row->function.name; row++)
            if (row->function.args[0] == from && row->function.result == to)
                return row;
    return NULL;
}

/* ---- running one call ---- */

/* Intersect *into (NULL: all) with `map`; a lone map is shared, not copied. */
static void intersect(struct call *c, uint64_t **into, uint64_t *map, bool *owned)
{
    if (!map)
        return;
    if (!*into) {
        *into = map;
        return;
    }
    size_t words = BITMAP_WORDS(c->rows);
    if (!*owned) {
        *into = arena_dup(c->arena, *into, words * sizeof **into);
        *owned = true;
    }
    for (size_t w = 0; w < words; w++)
        (*into)[w] &= map[w];
}

/* The result's errors are those of the arguments; of several the first argument's wins. */
static void merge_errors(struct call *c, const struct lanes *from)
{
    struct lanes *out = c->out;
    size_t words = BITMAP_WORDS(c->rows);
    if (!out->bad) {
        out->bad = arena_zarray(c->arena, words, sizeof *out->bad);
        out->why = arena_zarray(c->arena, c->rows, sizeof *out->why);
    }
    for (uint32_t r = 0; r < c->rows; r++)
        if (bit_get(from->bad, r) && !bit_get(out->bad, r)) {
            bit_set(out->bad, r);
            out->why[r] = from->why[r];
        }
}

static void prepare(struct call *c)
{
    struct lanes *out = c->out;
    const struct function *f = c->function;
    uint64_t *active = (uint64_t *)c->live;
    bool active_owned = false, valid_owned = false;
    out->mask = UINT32_MAX;
    out->bad = NULL;
    out->why = NULL;
    out->col.valid = NULL;
    for (uint32_t i = 0; i < c->nargs; i++) {
        const struct lanes *arg = &c->args[i];
        if (arg->bad && !(f->flags & FN_ERRORS))
            merge_errors(c, arg);
        if (arg->col.valid && !(f->flags & FN_NULLS)) {
            intersect(c, &out->col.valid, arg->col.valid, &valid_owned);
            intersect(c, &active, arg->col.valid, &active_owned);
        }
    }
    if (out->bad) {
        size_t words = BITMAP_WORDS(c->rows);
        uint64_t *good = arena_array(c->arena, words, sizeof *good);
        for (size_t w = 0; w < words; w++)
            good[w] = ~out->bad[w] & (active ? active[w] : ~UINT64_C(0));
        active = good;
    }
    c->active = active;
    /* Lanes that are not computed must still hold views that can be read. */
    if (type_is_view(out->col.type) && active)
        memset(out->col.data, 0, c->rows * sizeof(struct view));
}

void function_run(struct call *c)
{
    prepare(c);
    c->function->kernel(c);
}

/* valid may be shared with an argument until the first lane of this call turns NULL. */
void call_null(struct call *c, uint32_t row)
{
    size_t words = BITMAP_WORDS(c->rows);
    uint64_t *old = c->out->col.valid;
    bool own = old && c->out_valid_owned;
    if (!own) {
        uint64_t *valid = arena_array(c->arena, words, sizeof *valid);
        for (size_t w = 0; w < words; w++)
            valid[w] = old ? old[w] : ~UINT64_C(0);
        c->out->col.valid = valid;
        c->out_valid_owned = true;
    }
    bit_clear(c->out->col.valid, row);
    if (type_is_view(c->out->col.type))
        OUT(c, struct view, row) = (struct view){0};
}

void call_fail(struct call *c, uint32_t row, const char *sqlstate, const char *format, ...)
{
    struct lanes *out = c->out;
    if (!out->bad) {
        out->bad = arena_zarray(c->arena, BITMAP_WORDS(c->rows), sizeof *out->bad);
        out->why = arena_zarray(c->arena, c->rows, sizeof *out->why);
    }
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct lane_error *why = arena_zalloc(c->arena, sizeof *why);
    memcpy(why->sqlstate, sqlstate, 5);
    why->text = arena_strdup(c->arena, text);
    bit_set(out->bad, row);
    out->why[row] = why;
    if (type_is_view(out->col.type))
        OUT(c, struct view, row) = (struct view){0};
}

void call_text(struct call *c, uint32_t row, const char *bytes, size_t n)
{
    if (n > VIEW_INLINE)
        bytes = arena_dup(c->arena, bytes, n);
    OUT(c, struct view, row) = view_of(n ? bytes : "", n);
}

/* 64 bytes to 64 bits. */
static uint64_t pack64(const uint8_t *p)
{
    uint64_t bits = 0;
#ifdef __SSE2__
    for (unsigned k = 0; k < 4; k++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(p + 16 * k));
        /* Shifted by seven, bit 0 of each byte is its sign. */
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16(bytes, 7)) << (16 * k);
    }
#else
    for (unsigned k = 0; k < 8; k++) {
        uint64_t lowest = load_u64(p + 8 * k) & UINT64_C(0x0101010101010101);
        bits |= ((lowest * UINT64_C(0x0102040810204080)) >> 56) << (8 * k);
    }
#endif
    return bits;
}

void bools_pack(const struct lanes *l, uint32_t rows, uint64_t *ret_bits)
{
    const uint8_t *p = l->col.data;
    size_t words = BITMAP_WORDS(rows), whole = rows / 64;
    uint64_t tail = rows % 64 ? (UINT64_C(1) << (rows % 64)) - 1 : 0;
    if (!l->mask) {
        for (size_t w = 0; w < words; w++)
            ret_bits[w] = *p ? w < whole ? ~UINT64_C(0) : tail : 0;
        return;
    }
    for (size_t w = 0; w < whole; w++)
        ret_bits[w] = pack64(p + 64 * w);
    if (tail) {
        uint8_t last[64] = {0};
        memcpy(last, p + 64 * whole, rows % 64);
        ret_bits[whole] = pack64(last);
    }
}

void bools_unpack(const uint64_t *bits, uint32_t rows, uint8_t *ret_bools)
{
    uint32_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        uint64_t byte = (bits[r >> 6] >> (r & 63)) & 0xff;
        /* Spread bit k to byte k: the multiplication copies the byte eight times, the mask picks one bit of each. */
        uint64_t spread = (byte * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
        store_u64(ret_bools + r, ((spread + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101));
    }
    for (; r < rows; r++)
        ret_bools[r] = bit_get(bits, r);
}

enum status function_fold(struct arena *a, struct expr *call, struct expr **ret)
{
    if (call->kind != EXPR_CALL || call->nargs > 64 || (call->function->flags & FN_NOW))
        return AGAIN;
    /* A strict function of a NULL is NULL, whatever its other arguments are: PostgreSQL does not look at them either.
     * */
    for (uint32_t i = 0; i < call->nargs && !(call->function->flags & FN_NULLS); i++)
        if (expr_is_null_const(call->args[i])) {
            *ret = expr_null(a, call->type, call->location);
            return OK;
        }
    struct lanes args[64];
    uint64_t none = 0;
    for (uint32_t i = 0; i < call->nargs; i++) {
        if (!expr_is_const(call->args[i]) || call->args[i]->type.id == TYPE_UNKNOWN)
            return AGAIN;
        bool null = expr_is_null_const(call->args[i]);
        args[i] = (struct lanes){.col = call->args[i]->value, .mask = 0};
        args[i].col.valid = null ? &none : NULL;
    }
    struct expr *folded = expr_const(a, call->type, false, call->location);
    struct lanes out = {.col = folded->value};
    struct call c = {.function = call->function, .extra = call->extra, .args = args, .nargs = call->nargs, .rows = 1,
                     .out = &out, .arena = a};
    function_run(&c);
    if (lane_is_bad(&out, 0))
        return AGAIN;
    *ret = column_is_null(&out.col, 0) ? expr_null(a, call->type, call->location) : folded;
    return OK;
}
