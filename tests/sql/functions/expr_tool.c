/* Checks functions, casts and aggregates against rows recorded from PostgreSQL (record.py).
 *
 *     expr_tool FILE.tsv ...               check all rows; a function, cast or aggregate without a row fails as well
 *     expr_tool --markdown                 print the function section of docs/sql.md
 *     expr_tool --document docs/sql.md     is the function section there current?
 *
 * A row is: name, expected, argument, ...; fields as COPY's text format has them. An argument is type:value, the bare
 * type for NULL, "?:value" for a literal in quotes without a type. Expected is type:value, the bare type for NULL, or
 * "!SQLSTATE message". Names beside functions and operators: "cast TYPE", "agg NAME" (whose arguments are the rows) and
 * "agg2 NAME" (two arguments a row), both perhaps with DISTINCT and ORDER BY v, a or b; behind WITHIN the second is the
 * fraction, or the array of them, that a percentile of the first is of.
 * Of a function that returns rows, expected is an array of them; "jsonb_each key" is one column of it.
 * differences.tsv has the rows where bourn answers otherwise on purpose: the same fields, and the reason last.
 *
 * Every row is evaluated twice: over columns (with NULLs and dead rows around) and over constants.
 */
#include "../../unit/tsv.h"

#include <math.h>

#include "column/array.h"
#include "column/decimal.h"
#include "expr/aggregate.h"
#include "expr/function.h"
#include "expr/program.h"

enum { MOST_USED = 4096, MOST_DIFFERENCES = 256, ROWS = 70, MOST_ARGS = TSV_FIELDS - 2 };

static const void *used[MOST_USED];
static size_t nused, checked, failed;
static bool rows_are_arrays; /* of the function being checked */
static struct tsv differences[MOST_DIFFERENCES];
static size_t ndifferences;

static void mark_used(const void *what)
{
    for (size_t i = 0; i < nused; i++)
        if (used[i] == what)
            return;
    used[nused++] = what;
}

static bool is_used(const void *what)
{
    for (size_t i = 0; i < nused; i++)
        if (used[i] == what)
            return true;
    return false;
}

static void mark_tree(const struct expr *e)
{
    if (e->kind == EXPR_CALL)
        mark_used(e->function);
    for (uint32_t i = 0; i < e->nargs; i++)
        mark_tree(e->args[i]);
}

/* ---- a row's words ---- */

struct word {
    char type[64];
    struct slice value; /* data NULL: NULL */
};

static struct word word_of(struct slice field)
{
    struct word w = {0};
    const char *colon = memchr(field.data, ':', field.len);
    size_t n = colon ? (size_t)(colon - field.data) : field.len;
    snprintf(w.type, sizeof w.type, "%.*s", (int)n, field.data);
    if (colon)
        w.value = (struct slice){colon + 1, field.len - n - 1};
    return w;
}

/* "numeric(10,2)" */
static enum status parse_type(const char *text, struct type *ret, struct error *err)
{
    char name[64];
    int mods[2], nmods = 0;
    snprintf(name, sizeof name, "%s", text);
    size_t n = strlen(name);
    bool array = n > 2 && strcmp(name + n - 2, "[]") == 0;
    name[array ? n - 2 : n] = 0;
    char *paren = strchr(name, '(');
    if (paren) {
        *paren = 0;
        nmods = sscanf(paren + 1, "%d,%d", &mods[0], &mods[1]);
    }
    TRY(type_parse(name, mods, nmods, ret, err));
    if (array)
        *ret = type_array(*ret);
    return OK;
}

static enum status literal(struct arena *a, const struct word *w, struct expr **ret, struct error *err)
{
    struct expr *text = expr_string(a, w->value.data, w->value.len, -1);
    struct type type;
    if (strcmp(w->type, "?") == 0) {
        *ret = text;
        return OK;
    }
    TRY(parse_type(w->type, &type, err));
    return expr_cast(a, text, type, CAST_EXPLICIT, -1, ret, err);
}

/* ---- evaluating ---- */

struct outcome {
    char text[8192]; /* in the form of the expected field */
};

/* Rows that are arrays come as an array of their bytes (expr/regexp.c): as one of their texts. */
static struct column texts_of(const struct column *c, size_t row, struct arena *a)
{
    uint32_t n = 0;
    struct column arrays = array_open(view_slice(column_view(c, row)), c->type, a, &n);
    struct column texts = column_make(a, TYPE(TYPE_TEXT), n, false), out;
    AUTO(buf) bytes = BUF(MIB(16));
    for (uint32_t i = 0; i < n; i++) {
        AUTO(buf) text = BUF(MIB(16));
        array_print(view_slice(column_view(&arrays, i)), type_array(TYPE(TYPE_TEXT)), &text);
        ((struct view *)texts.data)[i] = view_copy(view_of(buf_cstr(&text), text.len), a);
    }
    array_put(&bytes, &texts, 0, n);
    out = column_make(a, type_array(TYPE(TYPE_TEXT)), 1, false);
    *(struct view *)out.data = view_copy(view_of(bytes.data, bytes.len), a);
    return out;
}

static void set_value(struct outcome *o, const struct column *c, size_t row)
{
    AUTO(arena) scratch = {0};
    char name[40];
    struct column texts;
    if (rows_are_arrays && !column_is_null(c, row)) {
        texts = texts_of(c, row, &scratch);
        c = &texts;
        row = 0;
    }
    struct type bare = c->type;
    bare.precision = bare.scale = 0;
    AUTO(buf) out = BUF(MIB(16));
    buf_puts(&out, type_name(bare, name));
    if (!column_is_null(c, row)) {
        buf_putc(&out, ':');
        if (c->type.id == TYPE_BOOL)
            buf_puts(&out, ((const uint8_t *)c->data)[row] ? "true" : "false");
        else
            column_print(c, row, &out);
    }
    snprintf(o->text, sizeof o->text, "%s", buf_cstr(&out));
}

/* Live rows of a batch of ROWS: not the first, and every third dead. */
static bool is_live(uint32_t row) { return row % 3 != 0; }

static void evaluate(struct arena *a, struct expr *e, struct batch *in, struct outcome *ret)
{
    struct program *p = program_compile(a, &e, 1);
    struct program_state *s = program_state_new(p);
    struct column out;
    struct row_errors errors;
    program_run(p, s, in, 0, a, &out, &errors);
    for (uint32_t i = 0; i < in->live; i++) {
        uint32_t r = batch_row(in, i);
        struct outcome one = {0};
        const struct row_error *error = NULL;
        for (uint32_t k = 0; k < errors.count; k++)
            if (errors.items[k].row == r)
                error = &errors.items[k];
        if (error)
            snprintf(one.text, sizeof one.text, "!%s %s", error->sqlstate, error->text);
        else
            set_value(&one, &out, r);
        if (i > 0 && strcmp(one.text, ret->text) != 0)
            snprintf(one.text, sizeof one.text, "rows %u and %u differ", batch_row(in, 0), r);
        *ret = one;
    }
    program_state_free(s);
}

static enum status build(struct arena *a, const char *name, struct expr **args, uint32_t nargs, struct expr **ret,
                         struct error *err)
{
    struct type type;
    rows_are_arrays = strcmp(name, "regexp_matches") == 0;
    if (strncmp(name, "cast ", 5) == 0) {
        TRY(parse_type(name + 5, &type, err));
        return expr_cast(a, args[0], type, CAST_EXPLICIT, -1, ret, err);
    }
    TRY(expr_call(a, name, args, nargs, -1, ret, err));
    if (!function_is_set(name))
        return OK;
    struct expr *rows[] = {*ret, expr_string(a, "{}", 2, -1)}; /* no rows, as the recorded answer has them */
    return expr_coalesce(a, rows, 2, -1, ret, err);
}

static void set_error(struct outcome *o, const struct error *err)
{
    snprintf(o->text, sizeof o->text, "!bind %s", err->text);
}

/* The arguments as columns of a batch whose dead rows are NULL. */
static void over_columns(struct arena *a, const char *name, const struct word *words, uint32_t n, struct outcome *ret)
{
    struct expr *args[MOST_ARGS], *e;
    struct column cols[MOST_ARGS];
    uint32_t sel[ROWS], live = 0;
    struct error err;
    for (uint32_t r = 0; r < ROWS; r++)
        if (is_live(r))
            sel[live++] = r;
    for (uint32_t i = 0; i < n; i++) {
        if (literal(a, &words[i], &args[i], &err) != OK) {
            set_error(ret, &err);
            return;
        }
        if (args[i]->type.id == TYPE_UNKNOWN || (strcmp(name, "in") == 0 && i > 0))
            continue;
        size_t width = type_width(args[i]->type);
        bool null = column_is_null(&args[i]->value, 0);
        cols[i] = column_make(a, args[i]->type, ROWS, true);
        for (uint32_t r = 0; r < ROWS && !null; r++)
            if (is_live(r)) {
                memcpy((char *)cols[i].data + r * width, args[i]->value.data, width);
                bit_set(cols[i].valid, r);
            }
        args[i] = expr_column(a, i, args[i]->type, -1);
    }
    struct batch in = {.rows = ROWS, .ncols = n, .cols = cols, .sel = sel, .live = live, .arena = a};
    if (build(a, name, args, n, &e, &err) != OK) {
        set_error(ret, &err);
        return;
    }
    mark_tree(e);
    evaluate(a, e, &in, ret);
}

static void over_constants(struct arena *a, const char *name, const struct word *words, uint32_t n, struct outcome *ret)
{
    struct expr *args[MOST_ARGS], *e;
    struct error err;
    struct batch in = {.rows = 3, .live = 3, .arena = a};
    for (uint32_t i = 0; i < n; i++)
        if (literal(a, &words[i], &args[i], &err) != OK) {
            set_error(ret, &err);
            return;
        }
    if (build(a, name, args, n, &e, &err) != OK)
        set_error(ret, &err);
    else
        evaluate(a, e, &in, ret);
}

/* ---- aggregates: half of the rows in each of two states, one of them with a row that comes and goes ---- */

/* "agg NAME", "agg2 NAME" of two arguments; behind it perhaps DISTINCT, and ORDER BY v, a or b, perhaps DESC. */
struct rows_call {
    char name[64];
    bool distinct, ordered, descending, within;
    uint32_t nargs, order_by;
    uint32_t nrows;
    struct column cols[2];
    struct expr *args[2];
};

static void read_call(struct rows_call *call, const char *name, uint32_t nwords)
{
    call->nargs = name[3] == '2' ? 2 : 1;
    snprintf(call->name, sizeof call->name, "%s", strchr(name, ' ') + 1);
    call->name[strcspn(call->name, " ")] = 0;
    call->distinct = strstr(name, " DISTINCT");
    const char *order = strstr(name, " ORDER BY ");
    call->ordered = order;
    call->within = strstr(name, " WITHIN");
    call->order_by = order && order[10] == 'b';
    call->descending = order && strstr(order, " DESC");
    call->nrows = nwords / call->nargs;
}

/* Argument k of all rows as a column of their common type. */
static enum status read_column(struct arena *a, struct rows_call *call, uint32_t k, const struct word *words,
                               struct error *err)
{
    struct expr *values[MOST_ARGS];
    for (uint32_t i = 0; i < call->nrows; i++)
        TRY(literal(a, &words[i * call->nargs + k], &values[i], err));
    TRY(expr_to_common(a, values, call->nrows, "VALUES", err));
    call->cols[k] = column_make(a, values[0]->type, call->nrows, true);
    size_t width = type_width(values[0]->type);
    for (uint32_t i = 0; i < call->nrows; i++)
        if (!column_is_null(&values[i]->value, 0)) {
            memcpy((char *)call->cols[k].data + i * width, values[i]->value.data, width);
            bit_set(call->cols[k].valid, i);
        }
    /* The fraction of a percentile is one for all rows. */
    bool constant = k == 1 && (call->within || strcmp(call->name, "approx_percentile") == 0);
    call->args[k] = constant ? values[0] : expr_column(a, k, values[0]->type, -1);
    return OK;
}

/* What the aggregate reads, over all rows. */
static struct column read_argument(struct arena *a, struct rows_call *call, struct expr *arg)
{
    struct batch in = {.rows = call->nrows, .ncols = call->nargs, .cols = call->cols, .live = call->nrows, .arena = a};
    struct program *p = program_compile(a, &arg, 1);
    struct program_state *s = program_state_new(p);
    struct column out;
    struct row_errors errors;
    program_run(p, s, &in, 0, a, &out, &errors);
    program_state_free(s);
    assert(errors.count == 0);
    return out;
}

static void over_states(struct arena *a, const struct aggregate *g, const struct column *col, uint32_t n,
                        struct type type, struct outcome *ret)
{
    void *left = mem_zalloc(g->state_size), *right = mem_zalloc(g->state_size);
    uint32_t rows[MOST_ARGS + 2], nrows = 0;
    void *states[MOST_ARGS + 2];
    int64_t weights[MOST_ARGS];
    for (uint32_t i = 0; i < n; i++) {
        rows[nrows] = i;
        states[nrows++] = i % 2 ? right : left;
        weights[i] = 1;
    }
    g->update(states, col, rows, nrows, NULL);
    if (g->retracts) {
        g->update(&left, col, rows, 1, weights);
        weights[0] = -1;
        g->update(&right, col, rows, 1, weights);
    }
    g->merge(left, right);
    struct column out = column_make(a, g->result(type), 1, true);
    const char *sqlstate = NULL;
    if (g->final(left, type, &out, 0, a, &sqlstate))
        bit_set(out.valid, 0);
    if (sqlstate)
        snprintf(ret->text, sizeof ret->text, "!%s", sqlstate);
    else
        set_value(ret, &out, 0);
    if (g->release) {
        g->release(left);
        g->release(right);
    }
    free(left);
    free(right);
}

static void over_rows(struct arena *a, const char *name, const struct word *words, uint32_t n, struct outcome *ret)
{
    rows_are_arrays = false;
    struct rows_call call = {0};
    const struct aggregate *g = NULL;
    struct expr *arg = NULL;
    struct error err;
    read_call(&call, name, n);
    for (uint32_t k = 0; k < call.nargs; k++)
        if (read_column(a, &call, k, words, &err) != OK) {
            set_error(ret, &err);
            return;
        }
    bool star = strcmp(call.name, "count(*)") == 0;
    struct aggregate_order order = {call.args[call.order_by], call.descending, call.descending};
    struct aggregate_call written = {star ? "count" : call.name, call.args, star ? 0 : call.nargs, call.distinct,
                                     call.within, &order, call.ordered};
    if (call.within) {
        written.args = call.args + 1;
        written.nargs = call.nargs - 1;
    }
    if (aggregate_bind(a, &written, &g, &arg, &err) != OK || !g) {
        set_error(ret, &err);
        return;
    }
    mark_used(g);
    struct column col = arg ? read_argument(a, &call, arg) : (struct column){0};
    struct type type = arg ? arg->type : TYPE(TYPE_UNKNOWN);
    over_states(a, g, arg ? &col : NULL, call.nrows, type, ret);
    const struct aggregate *changes = aggregate_of_changes(g);
    struct outcome other = {0};
    if (changes && changes != g) {
        mark_used(changes);
        over_states(a, changes, &col, call.nrows, type, &other);
        if (strcmp(other.text, ret->text) != 0)
            snprintf(ret->text, sizeof ret->text, "of changes otherwise: %.4000s", other.text);
    }
}

/* ---- comparing ---- */

/* Scales are not compared; quotients are, at the smaller scale: PostgreSQL chooses theirs by value, bourn by type. */
static bool same_numeric(struct slice got, struct slice want, bool quotient)
{
    int128 x, y;
    unsigned sx, sy;
    bool overflow;
    if (!decimal_parse(got, &x, &sx, &overflow))
        return false;
    if (!decimal_parse(want, &y, &sy, &overflow)) /* more digits than a numeric of bourn holds */
        return quotient && decimal_parse_rounded(want, sx, &y) == DECIMAL_OK && x == y;
    if (quotient && sy > sx)
        return decimal_rescale(y, sy, sx, &y) && x == y;
    if (quotient && sy < sx)
        return decimal_rescale(x, sx, sy, &x) && x == y;
    return decimal_compare(x, sx, y, sy) == 0;
}

/* Without the zeros at the end of fractions: {1.50,2.00} is {1.5,2}. */
static void shorten(char *text)
{
    char *to = text;
    bool fraction = false;
    for (; *text; text++) {
        bool end = text[1] == ',' || text[1] == '}';
        fraction = *text == '.' || (fraction && *text >= '0' && *text <= '9');
        *to++ = *text;
        while (fraction && end && (to[-1] == '0' || to[-1] == '.'))
            fraction = *--to != '.';
    }
    *to = 0;
}

static bool same_numerics(const char *got, const char *want)
{
    struct outcome x, y;
    snprintf(x.text, sizeof x.text, "%s", got);
    snprintf(y.text, sizeof y.text, "%s", want);
    shorten(x.text);
    shorten(y.text);
    return strcmp(x.text, y.text) == 0;
}

static bool same_double(const char *name, const char *got, const char *want)
{
    double x = strtod(got, NULL), y = strtod(want, NULL);
    double tolerance = strcmp(name, "agg2 approx_percentile") == 0 ? 0.0100001 : 1e-14;
    return fabs(x - y) <= tolerance * fabs(y);
}

/* Where bourn's types are narrower than PostgreSQL's by design (semantics 20, 22), what is outside of them is an
 * error. */
static bool beyond_types(const char *got, const char *want)
{
    bool numeric = strncmp(want, "numeric:", 8) == 0;
    bool when = strncmp(want, "date:", 5) == 0 || strncmp(want, "timestamp", 9) == 0;
    const char *value = strchr(want, ':');
    if (numeric && strncmp(got, "!22003", 6) == 0)
        return strcmp(value, ":NaN") == 0 || strspn(value + 1, "-0123456789.") > NUMERIC_MAX_PRECISION;
    size_t year = when && value ? strspn(value + 1, "0123456789") : 0;
    return when && strncmp(got, "!22008", 6) == 0 &&
           (year > 4 || strstr(want, " BC") || strstr(want, "infinity"));
}

/* The words of a type's input function are its own; errors met while binding have no SQLSTATE. */
static bool same_error(const char *name, const char *got, const char *want)
{
    bool sqlstate = strncmp(got, want, 6) == 0, loose = strncmp(name, "agg", 3) == 0 || strncmp(name, "cast ", 5) == 0;
    if (strncmp(got, "!bind ", 6) == 0)
        return loose || strcmp(got + 6, want + 7) == 0;
    return loose && sqlstate;
}

static bool same(const char *name, const char *got, const char *want)
{
    if (strcmp(got, want) == 0)
        return true;
    const char *x = strchr(got, ':'), *y = strchr(want, ':');
    if (got[0] == '!' && want[0] == '!')
        return same_error(name, got, want);
    if (got[0] == '!' || want[0] == '!')
        return beyond_types(got, want);
    if (!x || !y || x - got != y - want || strncmp(got, want, (size_t)(x - got)) != 0)
        return false;
    static const char *const quotients[] = {"/", "sqrt", "exp", "ln", "log", "log10", "power", "pow", "^"};
    bool quotient = strncmp(name, "agg avg", 7) == 0 || strncmp(name, "agg var", 7) == 0 ||
                    strncmp(name, "agg stddev", 10) == 0;
    for (size_t i = 0; i < ARRAY_LEN(quotients); i++)
        quotient |= strcmp(name, quotients[i]) == 0;
    if (strncmp(got, "numeric[]:", 10) == 0)
        return same_numerics(got, want);
    if (strncmp(got, "numeric:", 8) == 0)
        return same_numeric(slice_of(x + 1), slice_of(y + 1), quotient);
    return strncmp(got, "double precision:", 17) == 0 && same_double(name, x + 1, y + 1);
}

static void read_differences(struct tsv *t)
{
    while (tsv_next(t)) {
        assert(ndifferences < MOST_DIFFERENCES);
        differences[ndifferences++] = *t;
    }
}

/* What bourn answers on purpose, if the row is listed; else what PostgreSQL answers. */
static const char *expectation(const struct tsv *row, const char *recorded)
{
    static char listed[8192];
    for (size_t k = 0; k < ndifferences; k++) {
        const struct tsv *t = &differences[k];
        bool all = t->fields == row->fields + 1 && slice_equal(t->field[0], row->field[0]);
        for (int i = 2; all && i < row->fields; i++)
            all = slice_equal(t->field[i], row->field[i]);
        if (all) {
            snprintf(listed, sizeof listed, "%.*s", (int)t->field[1].len, t->field[1].data);
            return listed;
        }
    }
    return recorded;
}

static void compare(const char *file, const struct tsv *row, const char *how, const char *got)
{
    char name[64], recorded[8192];
    snprintf(name, sizeof name, "%.*s", (int)row->field[0].len, row->field[0].data);
    snprintf(recorded, sizeof recorded, "%.*s", (int)row->field[1].len, row->field[1].data);
    checked++;
    if (same(name, got, expectation(row, recorded)))
        return;
    failed++;
    printf("%s:%zu: %s(", file, row->line, name);
    for (int i = 2; i < row->fields; i++)
        printf("%s%.*s", i > 2 ? ", " : "", (int)MIN(row->field[i].len, (size_t)80), row->field[i].data);
    printf(") over %s\n    got      %.300s\n    expected %.300s\n", how, got, expectation(row, recorded));
}

static void check_row(const char *file, const struct tsv *row)
{
    static struct outcome o;
    AUTO(arena) a = {0};
    struct word words[MOST_ARGS];
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)row->field[0].len, row->field[0].data);
    uint32_t n = (uint32_t)row->fields - 2;
    for (uint32_t i = 0; i < n; i++)
        words[i] = word_of(row->field[i + 2]);
    if (strncmp(name, "agg ", 4) == 0 || strncmp(name, "agg2 ", 5) == 0) {
        over_rows(&a, name, words, n, &o);
        compare(file, row, "rows", o.text);
        return;
    }
    over_columns(&a, name, words, n, &o);
    compare(file, row, "columns", o.text);
    over_constants(&a, name, words, n, &o);
    compare(file, row, "constants", o.text);
    const struct function *f;
    for (size_t i = 0; n == 0 && (f = function_at(i)); i++)
        if (strcmp(f->name, name) == 0)
            mark_used(f);
}

static void check_file(const char *file)
{
    const char *slash = strrchr(file, '/');
    struct tsv t;
    tsv_open(&t, slash ? slash + 1 : file);
    while (tsv_next(&t))
        if (t.fields > 1 && t.field[0].len && strncmp(t.field[0].data, "# ", 2) != 0)
            check_row(slash ? slash + 1 : file, &t);
    tsv_close(&t);
}

/* Functions of the epoch's time have no recorded rows: tests/unit/expr.c checks them. */
static void check_complete(void)
{
    const struct function *f;
    const struct cast *c;
    const struct aggregate *g;
    char id[64];
    for (size_t i = 0; (f = function_at(i)); i++)
        if (!(f->flags & FN_NOW) && !is_used(f)) {
            failed++;
            printf("no row: %s(", f->name);
            for (unsigned k = 0; k < f->nargs; k++)
                printf("%s%s", k ? ", " : "", function_arg_name(f->args[k]));
            printf(")\n");
        }
    for (size_t i = 0; (c = cast_at(i)); i++)
        if (!is_used(&c->function)) {
            failed++;
            printf("no row: cast %s to %s\n", function_arg_name(c->function.args[0]),
                   function_arg_name(c->function.result));
        }
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        if (!is_used(g)) {
            failed++;
            printf("no row: %s\n", aggregate_id(g, id));
        }
}

static int check_document(const char *path)
{
    static const char begin[] = "<!-- functions: generated from the function table, do not edit below -->\n";
    static const char end[] = "<!-- functions: end -->";
    AUTO(buf) text = BUF(MIB(16)), want = BUF(MIB(16));
    struct error err;
    if (os_file_slurp(path, &text, &err) != OK) {
        printf("%s\n", err.text);
        return 1;
    }
    expr_functions_markdown(&want);
    const char *from = strstr(buf_cstr(&text), begin), *to = from ? strstr(from, end) : NULL;
    if (!to) {
        printf("%s: no function section between \"%s\" and \"%s\"\n", path, begin, end);
        return 1;
    }
    from += strlen(begin);
    if (slice_equal((struct slice){from, (size_t)(to - from)}, buf_slice(&want)))
        return 0;
    printf("%s: the function section is not current: put there what expr_tool --markdown prints\n", path);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--markdown") == 0) {
        AUTO(buf) out = BUF(MIB(16));
        expr_functions_markdown(&out);
        fwrite(out.data, 1, out.len, stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--document") == 0)
        return check_document(argv[2]);
    struct tsv listed;
    tsv_open(&listed, "differences.tsv");
    read_differences(&listed);
    for (int i = 1; i < argc; i++)
        check_file(argv[i]);
    check_complete();
    tsv_close(&listed);
    printf("%zu checks, %zu failed\n", checked, failed);
    return failed != 0;
}
