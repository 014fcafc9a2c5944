/* The function section of docs/sql.md, from the tables. */
#include "expr/aggregates.h"
#include "expr/function.h"

const char *function_arg_name(uint8_t arg)
{
    static const char *const names[] = {
        [TYPE_UNKNOWN] = "unknown",
        [TYPE_BOOL] = "boolean",
        [TYPE_INT4] = "integer",
        [TYPE_INT8] = "bigint",
        [TYPE_FLOAT8] = "double precision",
        [TYPE_NUMERIC] = "numeric",
        [TYPE_TEXT] = "text",
        [TYPE_BYTEA] = "bytea",
        [TYPE_UUID] = "uuid",
        [TYPE_DATE] = "date",
        [TYPE_TIMESTAMP] = "timestamp",
        [TYPE_TIMESTAMPTZ] = "timestamptz",
        [TYPE_INTERVAL] = "interval",
        [TYPE_JSONB] = "jsonb",
        [ARG_ANY] = "any",
        [ARG_SAME] = "same",
    };
    return names[arg];
}

/* A vertical bar would end the table's cell. */
static void put_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static bool is_infix(const struct function *f)
{
    return f->nargs == 2 && !((f->name[0] | 0x20) >= 'a' && (f->name[0] | 0x20) <= 'z');
}

static void put_signature(struct buf *out, const struct function *f)
{
    buf_puts(out, "| `");
    if (is_infix(f)) {
        buf_printf(out, "%s ", function_arg_name(f->args[0]));
        put_cell(out, f->name);
        buf_printf(out, " %s", function_arg_name(f->args[1]));
    } else {
        buf_puts(out, f->name);
        buf_putc(out, '(');
        for (unsigned i = 0; i < f->nargs; i++)
            buf_printf(out, "%s%s", i ? ", " : "", function_arg_name(f->args[i]));
        buf_puts(out, f->flags & FN_VARIADIC ? ", ...)" : ")");
    }
    buf_printf(out, "` | %s | ", function_arg_name(f->result));
    put_cell(out, f->help);
    if (f->flags & FN_NOW)
        buf_puts(out, "; reads the epoch's time");
    buf_puts(out, " |\n");
}

static void put_functions(struct buf *out)
{
    const char *family = "";
    const struct function *f;
    for (size_t i = 0; (f = function_at(i)); i++) {
        const char *its = function_family(i);
        if (strcmp(its, family) != 0)
            buf_printf(out, "\n### %s\n\n| Call | Result | |\n|---|---|---|\n", its);
        family = its;
        put_signature(out, f);
    }
}

static void put_aggregates(struct buf *out)
{
    char id[64];
    const struct aggregate *g;
    buf_puts(out, "\n### Aggregates\n\n| Call | Takes rows back | |\n|---|---|---|\n");
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        buf_printf(out, "| `%s` | %s | %s |\n", aggregate_id(g, id), g->retracts ? "yes" : "no", g->help);
}

static void put_casts(struct buf *out)
{
    static const char *const how[] = {
        [CAST_EXPLICIT] = "explicit", [CAST_ASSIGNMENT] = "also on assignment", [CAST_IMPLICIT] = "also by itself"};
    const struct cast *c;
    buf_puts(out, "\n### Casts\n\n| From | To | |\n|---|---|---|\n");
    for (size_t i = 0; (c = cast_at(i)); i++)
        buf_printf(out, "| %s | %s | %s |\n", function_arg_name(c->function.args[0]),
                   function_arg_name(c->function.result), how[c->how]);
}

void expr_functions_markdown(struct buf *out)
{
    put_functions(out);
    put_aggregates(out);
    put_casts(out);
}
