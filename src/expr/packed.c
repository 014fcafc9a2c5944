#include "expr/packed.h"

#include "column/rowkey.h"

static bool is_required(char letter) { return letter == 'r' || letter == 'v' || letter == 'w'; }
static bool is_payload(char letter) { return letter == 'v' || letter == 'o' || letter == 'w'; }

static void put_key(struct buf *out, const struct call *c, uint32_t arg, uint32_t row, char letter)
{
    const uint32_t first = 0;
    size_t start = out->len;
    if (letter == 'w' && !arg_is_null(c, arg, row)) {
        buf_put_slice(out, arg_text(c, arg, row));
        return;
    }
    rowkey_put(out, &c->args[arg].col, &first, 1, row & c->args[arg].mask);
    bool descends = letter == 'd' || letter == 'D';
    if (out->overflow || is_payload(letter))
        return;
    if (arg_is_null(c, arg, row))
        out->data[start] = letter == 'A' || letter == 'd' ? 0 : (char)0xff;
    else
        for (size_t i = start; descends && i < out->len; i++)
            out->data[i] = (char)~out->data[i];
}

static void kernel_pack(struct call *c)
{
    struct slice letters = arg_text(c, 0, 0);
    AUTO(buf) out = BUF(MIB(256));
    CALL_ROWS(c, r) {
        bool missing = false;
        uint32_t payload = UINT32_MAX;
        buf_clear(&out);
        for (uint32_t i = 1; i < c->nargs && !missing; i++) {
            char letter = letters.data[i - 1];
            missing = is_required(letter) && arg_is_null(c, i, r);
            if (is_payload(letter) && payload == UINT32_MAX)
                payload = (uint32_t)out.len;
            put_key(&out, c, i, r, letter);
        }
        buf_put_u32(&out, payload);
        if (missing)
            call_null(c, r);
        else if (out.overflow)
            call_fail(c, r, "54000", "the arguments of an aggregate are longer than 256 MiB");
        else
            call_text(c, r, out.data, out.len);
    }
}

const struct function step_pack = {.name = "pack", .result = TYPE_BYTEA, .nargs = 1, .args = {TYPE_TEXT},
                                   .flags = FN_VARIADIC | FN_NULLS, .kernel = kernel_pack};

struct expr *packed_row(struct arena *a, const char *letters, struct expr *const *values, uint32_t n,
                        struct type element, int32_t location)
{
    struct expr **args = arena_array(a, n + 1, sizeof *args);
    args[0] = expr_const(a, TYPE(TYPE_TEXT), false, location);
    *(struct view *)args[0]->value.data = view_copy(view_of(letters, strlen(letters)), a);
    memcpy(args + 1, values, n * sizeof *args);
    struct type type = {.id = TYPE_BYTEA, .precision = element.precision, .scale = element.scale,
                        .element = element.id};
    return expr_raw_call(a, &step_pack, type, args, n + 1, location);
}

struct reader packed_payload(struct slice packed)
{
    uint32_t at;
    assert(packed.len >= sizeof at);
    memcpy(&at, packed.data + packed.len - sizeof at, sizeof at);
    assert(at <= packed.len - sizeof at);
    return reader_of((struct slice){packed.data + at, packed.len - sizeof at - at});
}

struct type packed_element(struct type packed)
{
    return (struct type){.id = packed.element, .precision = packed.precision, .scale = packed.scale};
}
