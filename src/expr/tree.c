/* Looking at expression trees, copying them, and printing them. */
#include "expr/expr.h"

#include "expr/function.h"

bool expr_uses_now(const struct expr *e)
{
    if (e->kind == EXPR_CALL && (e->function->flags & FN_NOW))
        return true;
    for (uint32_t i = 0; i < e->nargs; i++)
        if (expr_uses_now(e->args[i]))
            return true;
    return false;
}

bool expr_may_fail(const struct expr *e)
{
    bool may = e->kind == EXPR_CALL;
    for (uint32_t i = 0; i < e->nargs && !may; i++)
        may = expr_may_fail(e->args[i]);
    return may;
}

void expr_columns(const struct expr *e, uint64_t *used)
{
    if (e->kind == EXPR_COLUMN)
        bit_set(used, e->column);
    for (uint32_t i = 0; i < e->nargs; i++)
        expr_columns(e->args[i], used);
}

struct expr *expr_substitute(struct arena *a, const struct expr *e, struct expr *const *replacement)
{
    if (e->kind == EXPR_COLUMN)
        return replacement[e->column];
    struct expr *copy = arena_dup(a, e, sizeof *e);
    if (e->nargs)
        copy->args = arena_array(a, e->nargs, sizeof *copy->args);
    for (uint32_t i = 0; i < e->nargs; i++)
        copy->args[i] = expr_substitute(a, e->args[i], replacement);
    return copy;
}

static bool const_equal(const struct expr *a, const struct expr *b)
{
    bool null = expr_is_null_const(a);
    if (null != expr_is_null_const(b))
        return false;
    if (null)
        return true;
    if (type_is_view(a->type) || a->type.id == TYPE_UNKNOWN)
        return view_equal(a->value.data, b->value.data);
    return memcmp(a->value.data, b->value.data, type_width(a->type)) == 0;
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
    if (a->kind != b->kind || !type_equal(a->type, b->type) || a->nargs != b->nargs || a->function != b->function)
        return false;
    if (a->kind == EXPR_CONST)
        return const_equal(a, b);
    if (a->kind == EXPR_COLUMN)
        return a->column == b->column;
    for (uint32_t i = 0; i < a->nargs; i++)
        if (!expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

/* ---- printing ---- */

static void put_quoted(struct buf *out, struct slice s)
{
    buf_putc(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\'')
            buf_putc(out, '\'');
        buf_putc(out, s.data[i]);
    }
    buf_putc(out, '\'');
}

static void print_const(const struct expr *e, struct buf *out)
{
    char name[40];
    if (expr_is_null_const(e)) {
        buf_puts(out, "NULL");
        if (e->type.id != TYPE_UNKNOWN)
            buf_printf(out, "::%s", type_name(e->type, name));
        return;
    }
    switch (e->type.id) {
    case TYPE_BOOL:
        buf_puts(out, *(const uint8_t *)e->value.data ? "true" : "false");
        return;
    case TYPE_INT4:
        column_print(&e->value, 0, out);
        return;
    case TYPE_UNKNOWN:
        put_quoted(out, view_slice(e->value.data));
        return;
    default: break;
    }
    AUTO(buf) text = BUF(SIZE_MAX);
    column_print(&e->value, 0, &text);
    put_quoted(out, buf_slice(&text));
    buf_printf(out, "::%s", type_name(e->type, name));
}

static void print_args(const struct expr *e, const char *const *names, const char *between, uint32_t from,
                       struct buf *out)
{
    for (uint32_t i = from; i < e->nargs; i++) {
        if (i > from)
            buf_puts(out, between);
        expr_print(e->args[i], names, out);
    }
}

static void print_case(const struct expr *e, const char *const *names, struct buf *out)
{
    buf_puts(out, "CASE");
    for (uint32_t i = 0; i + 1 < e->nargs; i += 2) {
        buf_puts(out, " WHEN ");
        expr_print(e->args[i], names, out);
        buf_puts(out, " THEN ");
        expr_print(e->args[i + 1], names, out);
    }
    buf_puts(out, " ELSE ");
    expr_print(e->args[e->nargs - 1], names, out);
    buf_puts(out, " END");
}

static bool is_operator(const char *name) { return !((name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z'); }

static void print_call(const struct expr *e, const char *const *names, struct buf *out)
{
    const char *name = e->function->name;
    char type[40];
    if (strcmp(name, "cast") == 0) {
        buf_puts(out, "CAST(");
        expr_print(e->args[0], names, out);
        buf_printf(out, " AS %s)", type_name(e->type, type));
    } else if (e->function == &step_in) {
        buf_putc(out, '(');
        expr_print(e->args[0], names, out);
        buf_puts(out, " IN (");
        print_args(e, names, ", ", 1, out);
        buf_puts(out, "))");
    } else if (e->function == &step_array) {
        buf_puts(out, "ARRAY[");
        print_args(e, names, ", ", 0, out);
        buf_putc(out, ']');
    } else if (strncmp(name, "x[", 2) == 0) {
        expr_print(e->args[0], names, out);
        buf_putc(out, '[');
        print_args(e, names, ":", 1, out);
        buf_putc(out, ']');
    } else if (is_operator(name) && e->nargs == 2) {
        buf_putc(out, '(');
        expr_print(e->args[0], names, out);
        buf_printf(out, " %s ", name);
        expr_print(e->args[1], names, out);
        buf_putc(out, ')');
    } else {
        buf_printf(out, is_operator(name) ? "(%s " : "%s(", name);
        print_args(e, names, ", ", 0, out);
        buf_putc(out, ')');
    }
}

void expr_print(const struct expr *e, const char *const *names, struct buf *out)
{
    switch (e->kind) {
    case EXPR_CONST: print_const(e, out); break;
    case EXPR_COLUMN: buf_puts(out, names[e->column]); break;
    case EXPR_CALL: print_call(e, names, out); break;
    case EXPR_AND:
    case EXPR_OR:
        buf_putc(out, '(');
        print_args(e, names, e->kind == EXPR_AND ? " AND " : " OR ", 0, out);
        buf_putc(out, ')');
        break;
    case EXPR_NOT:
        buf_puts(out, "(NOT ");
        expr_print(e->args[0], names, out);
        buf_putc(out, ')');
        break;
    case EXPR_IS_NULL:
        buf_putc(out, '(');
        expr_print(e->args[0], names, out);
        buf_puts(out, " IS NULL)");
        break;
    case EXPR_CASE: print_case(e, names, out); break;
    case EXPR_COALESCE:
        buf_puts(out, "COALESCE(");
        print_args(e, names, ", ", 0, out);
        buf_putc(out, ')');
        break;
    }
}
