/* The function section of docs/sql.md, from the tables. */
#include "expr/aggregates.h"
#include "expr/function.h"

const char *function_arg_name(uint8_t arg)
{
    static const char *const arrays[TYPE_COUNT] = {[TYPE_TEXT] = "text[]", [TYPE_INT4] = "integer[]",
                                                 [TYPE_INT8] = "bigint[]", [TYPE_JSONB] = "jsonb[]"};
    if (arg & ARRAY_OF)
        return arrays[arg & ~ARRAY_OF];
    switch (arg) {
    case ARG_ARRAY:
    case ARG_ALIKE:
        return "array";
    case ARG_ELEMENT:
        return "element";
    case ARG_ANY:
        return "any";
    case ARG_SAME:
        return "same";
    case TYPE_TIMESTAMP:
        return "timestamp";
    case TYPE_TIMESTAMPTZ:
        return "timestamptz";
    default:
        return type_id_name(arg);
    }
}

/* A vertical bar would end the table's cell. */
static void put_bytes(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '|')
            buf_putc(out, '\\');
        buf_putc(out, text[i]);
    }
}
static void put_cell(struct buf *out, const char *text) { put_bytes(out, text, strlen(text)); }

static bool is_infix(const struct function *f)
{
    return f->nargs == 2 && !((f->name[0] | 0x20) >= 'a' && (f->name[0] | 0x20) <= 'z');
}

/* "text, integer"; arguments of one type are named once. */
static void put_arguments(struct buf *out, const struct function *f)
{
    bool uniform = true;
    for (unsigned i = 1; i < f->nargs; i++)
        uniform &= f->args[i] == f->args[0];
    for (unsigned i = 0; i < (uniform ? MIN(f->nargs, 1u) : f->nargs); i++)
        buf_printf(out, "%s%s", i ? ", " : "", function_arg_name(f->args[i]));
    buf_puts(out, f->flags & FN_VARIADIC ? ", ..." : "");
}

static bool same_meaning(size_t i, size_t k)
{
    const struct function *f = function_at(i), *g = function_at(k);
    return strcmp(f->name, g->name) == 0 && strcmp(f->help, g->help) == 0 && f->nargs == g->nargs &&
           strcmp(function_family(i), function_family(k)) == 0;
}

/* What one of its rows is. */
static const char *row_name(const struct function *f)
{
    if (!(f->result & ARRAY_OF))
        return "element";
    uint8_t element = f->result & ~ARRAY_OF;
    return element == TYPE_BYTEA ? function_arg_name(ARRAY_OF | TYPE_TEXT) : function_arg_name(element);
}

static void put_results(struct buf *out, size_t first)
{
    const struct function *f = function_at(first);
    bool one = true, same = true;
    for (size_t k = first; f->flags & FN_SET && function_at(k); k++)
        if (same_meaning(first, k))
            buf_printf(out, "%s%s", k > first ? "; " : "rows of ", row_name(function_at(k)));
    if (f->flags & FN_SET)
        return;
    for (size_t k = first; function_at(k); k++)
        if (same_meaning(first, k)) {
            one &= function_at(k)->result == f->result;
            same &= function_at(k)->nargs > 0 && function_at(k)->result == function_at(k)->args[0];
        }
    if (one || same) {
        buf_puts(out, one ? function_arg_name(f->result) : "the same");
        return;
    }
    for (size_t k = first; function_at(k); k++)
        if (same_meaning(first, k))
            buf_printf(out, "%s%s", k > first ? "; " : "", function_arg_name(function_at(k)->result));
}

/* The row for function i with all overloads of the same meaning, unless an earlier one had it already. */
static void put_function(struct buf *out, size_t i)
{
    const struct function *f = function_at(i);
    for (size_t k = 0; k < i; k++)
        if (same_meaning(k, i))
            return;
    buf_puts(out, is_infix(f) ? "| `x " : "| `");
    put_bytes(out, f->name, f->flags & FN_SET ? strcspn(f->name, " ") : strlen(f->name));
    buf_puts(out, is_infix(f) ? " y` | " : "` | ");
    for (size_t k = i; function_at(k); k++)
        if (same_meaning(i, k)) {
            buf_puts(out, k > i ? "; " : "");
            put_arguments(out, function_at(k));
        }
    buf_puts(out, " | ");
    put_results(out, i);
    buf_puts(out, " | ");
    put_cell(out, f->help);
    buf_puts(out, f->flags & FN_NOW ? "; reads the epoch's time |\n" : " |\n");
}

static void put_functions(struct buf *out)
{
    const char *family = "";
    for (size_t i = 0; function_at(i); i++) {
        const char *its = function_family(i);
        if (strcmp(its, family) != 0)
            buf_printf(out, "\n### %s\n\n| Call | Takes | Gives | |\n|---|---|---|---|\n", its);
        family = its;
        put_function(out, i);
    }
}

static void put_aggregates(struct buf *out)
{
    char id[64];
    const struct aggregate *g;
    buf_puts(out, "\n### Aggregates\n\n"
                  "Over rows that change (the result of another aggregate, say) some keep every different\n"
                  "value of a group, with its count: about 32 bytes each, and its own if it is longer than 8.\n\n"
                  "| Call | Over rows that change | |\n|---|---|---|\n");
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        if (g->variant != AGGREGATE_CHANGES)
            buf_printf(out, "| `%s` | %s | %s |\n", aggregate_id(g, id),
                       g->grows || aggregate_of_changes(g)->grows ? "keeps every different value" : "yes", g->help);
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
    buf_puts(out, "\nThey mean what they mean in PostgreSQL 15, whose answers they are tested against, overload by\n"
                  "overload. `any` takes every type, `same` brings its arguments to one type. What fails on a row\n"
                  "(division by zero, an overflow, a bad cast) rejects that row with PostgreSQL's SQLSTATE.\n");
    put_functions(out);
    put_aggregates(out);
    put_casts(out);
}
