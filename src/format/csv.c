/* CSV as RFC 4180 has it, and as PostgreSQL's COPY ... (FORMAT csv) reads and writes it:
 *
 *   record = field *( delimiter field ) [CR] LF      a record's fields are the columns in their order
 *   field  = "quoted"    anything, newlines too; a quote inside is doubled
 *          | plain       no delimiter, quote or newline
 *
 * A plain field that is the null string (option `null`, by default nothing at all) is NULL; "" is an empty string.
 * Values are in the text forms of format/value.h; true and false may be t and f. A record is no row (rule "parse")
 * when it has more or fewer fields than there are columns, when a quote stands where none may, or when it is not
 * UTF-8.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "column/civil.h"
#include "column/decimal.h"
#include "format/formats.h"
#include "format/value.h"

static const struct option_spec csv_options[] = {
    {"header", OPT_BOOL, .value = "false", .help = "the first record of a file names the columns"},
    {"delimiter", OPT_TEXT, .value = ",", .help = "what stands between fields: one character, or \\t"},
    {"null", OPT_TEXT, .value = "", .help = "how NULL is written, without quotes"},
    {"assume_utc", OPT_BOOL, .value = "false", .help = "read a timestamptz without a zone as UTC"},
    {0},
};

static char delimiter_of(const struct options *o)
{
    const char *text = option_text(o, csv_options, "delimiter");
    return strcmp(text, "\\t") == 0 ? '\t' : text[0];
}

static enum status check_delimiter(const struct options *o, struct error *err)
{
    const char *text = option_text(o, csv_options, "delimiter");
    bool fits = strlen(text) == 1 && (unsigned char)text[0] < 0x80 && !strchr("\"\r\n", text[0]);
    if (fits || strcmp(text, "\\t") == 0)
        return OK;
    (void)error_set(err, ERR_SQL, "option delimiter: \"%s\" is not one character (other than a quote or a newline)",
                    text);
    return option_blame(o, "delimiter", err);
}

/* ---- reading ---- */

struct csv_decoder {
    struct decoder base;
    struct arena own;
    char delimiter;
    struct slice null;
    unsigned flags;
    uint32_t *wanted; /* columns that come from the record, in order */
    uint32_t nwanted;
    struct type *types;
    char (*type_names)[40];
};

struct csv_field {
    struct slice text; /* without quotes, quotes inside still doubled */
    bool quoted, doubled;
};

/* The field at *p, and *p one past it. Returns NULL, or what is wrong with it. */
static const char *read_field(const char **p, const char *end, char delimiter, struct csv_field *ret)
{
    const char *q = *p;
    *ret = (struct csv_field){.quoted = q < end && *q == '"'};
    if (!ret->quoted) {
        while (q < end && *q != delimiter && *q != '"')
            q++;
        if (q < end && *q == '"')
            return "a quote in the middle of a field";
        ret->text = (struct slice){*p, (size_t)(q - *p)};
        *p = q;
        return NULL;
    }
    const char *first = ++q;
    for (;; q += 2) {
        q = memchr(q, '"', (size_t)(end - q));
        if (!q)
            return "a quoted field does not end";
        if (q + 1 == end || q[1] != '"')
            break;
        ret->doubled = true;
    }
    ret->text = (struct slice){first, (size_t)(q - first)};
    *p = q + 1;
    return *p < end && **p != delimiter ? "something follows a quoted field" : NULL;
}

static const char *csv_record_end(uint32_t style, const char *p, const char *end)
{
    const char delimiter = (char)style;
    while (p < end) {
        if (*p == '"') {
            for (p++;; p += 2) {
                p = memchr(p, '"', (size_t)(end - p));
                if (!p || p + 1 == end)
                    return NULL; /* the byte after tells whether the quote closes */
                if (p[1] != '"')
                    break;
            }
            p++;
        }
        while (p < end && *p != delimiter && *p != '\n')
            p++;
        if (p < end && *p++ == '\n')
            return p;
    }
    return NULL;
}

static uint32_t csv_record_style(const struct options *options)
{
    return (unsigned char)delimiter_of(options);
}

static struct slice undouble(struct slice text, struct arena *a)
{
    char *out = arena_alloc(a, text.len), *to = out;
    for (size_t i = 0; i < text.len; i++) {
        *to++ = text.data[i];
        i += text.data[i] == '"';
    }
    return (struct slice){out, (size_t)(to - out)};
}

/* Where the values of a batch go. */
struct csv_target {
    struct batch *into;
    struct arena *arena;
    struct decoded *out;
    uint32_t rows, row, fields_cap;
};

static void store_null(struct csv_target *t, uint32_t column)
{
    struct column *c = &t->into->cols[column];
    column_set_null(c, t->arena, t->rows, t->row);
    if (type_is_view(c->type))
        ((struct view *)c->data)[t->row] = (struct view){0};
}

static void add_field_error(struct csv_decoder *d, struct csv_target *t, uint32_t i, const char *why, struct slice text)
{
    const char *said = arena_printf(t->arena, "%s: %s: %s", d->type_names[i], why, value_excerpt(text, t->arena));
    value_add_error(t->out, &t->fields_cap, (struct field_error){t->row, d->wanted[i], said}, t->arena);
}

static void store_field(struct csv_decoder *d, struct csv_target *t, uint32_t i, const struct csv_field *field)
{
    uint32_t column = d->wanted[i];
    if (!field->quoted && slice_equal(field->text, d->null)) {
        store_null(t, column);
        return;
    }
    struct slice text = field->doubled ? undouble(field->text, t->arena) : field->text;
    if (d->types[i].id == TYPE_BOOL && text.len == 1)
        text = text.data[0] == 't' ? SLICE("true") : text.data[0] == 'f' ? SLICE("false") : text;
    const char *why = value_from_text(&t->into->cols[column], t->row, text, d->flags, t->arena);
    if (!why)
        return;
    store_null(t, column);
    add_field_error(d, t, i, why, text);
}

static const char *decode_record(struct csv_decoder *d, struct csv_target *t, struct slice record)
{
    const char *p = record.data, *end = p + record.len;
    if (end > p && end[-1] == '\n')
        end--;
    if (end > p && end[-1] == '\r')
        end--;
    if (!utf8_valid(record) || memchr(record.data, 0, record.len))
        return "a NUL byte or invalid UTF-8";
    for (uint32_t i = 0;; i++) {
        const char *first = p;
        struct csv_field field;
        const char *why = read_field(&p, end, d->delimiter, &field);
        if (why)
            return arena_printf(t->arena, "%s at byte %zu", why, (size_t)(first - record.data));
        if (i == d->nwanted)
            return arena_printf(t->arena, "more fields than the table has columns (%u)", d->nwanted);
        store_field(d, t, i, &field);
        if (p == end && i + 1 < d->nwanted)
            return arena_printf(t->arena, "%u fields, and the table has %u columns", i + 1, d->nwanted);
        if (p == end)
            return NULL;
        p++;
    }
}

static void csv_decode(struct decoder *base, const struct view *raw, uint32_t rows, struct batch *into, struct arena *a,
                       struct decoded *ret)
{
    struct csv_decoder *d = (struct csv_decoder *)base;
    into->rows = into->live = rows;
    *ret = (struct decoded){.bad = arena_zarray(a, BITMAP_WORDS(rows), sizeof *ret->bad)};
    struct csv_target t = {.into = into, .arena = a, .out = ret, .rows = rows};
    for (t.row = 0; t.row < rows; t.row++) {
        uint32_t nfields = ret->nfields;
        const char *why = decode_record(d, &t, view_slice(&raw[t.row]));
        if (!why)
            continue;
        ret->nfields = nfields;
        for (uint32_t i = 0; i < d->nwanted; i++)
            store_null(&t, d->wanted[i]);
        if (!ret->bad_text)
            ret->bad_text = arena_zarray(a, rows, sizeof *ret->bad_text);
        ret->bad_text[t.row] = why;
        bit_set(ret->bad, t.row);
        ret->nbad++;
    }
}

static void csv_decoder_free(struct decoder *base)
{
    struct csv_decoder *d = (struct csv_decoder *)base;
    arena_release(&d->own);
    free(d);
}

static enum status csv_decoder_new(const struct schema *schema, const uint64_t *decode, const struct options *options,
                                   struct decoder **ret, struct error *err)
{
    static const struct decoder_ops ops = {csv_decode, csv_decoder_free};
    TRY(check_delimiter(options, err));
    struct csv_decoder *d = mem_zalloc(sizeof *d);
    d->base.ops = &ops;
    d->delimiter = delimiter_of(options);
    d->null = slice_of(arena_strdup(&d->own, option_text(options, csv_options, "null")));
    d->flags = option_bool(options, csv_options, "assume_utc") ? VALUE_ASSUME_UTC : 0;
    d->wanted = arena_array(&d->own, schema->ncols, sizeof *d->wanted);
    d->types = arena_array(&d->own, schema->ncols, sizeof *d->types);
    d->type_names = arena_array(&d->own, schema->ncols, sizeof *d->type_names);
    for (uint32_t c = 0; c < schema->ncols; c++) {
        if (!bit_get(decode, c))
            continue;
        d->wanted[d->nwanted] = c;
        d->types[d->nwanted] = schema->types[c];
        type_name(schema->types[c], d->type_names[d->nwanted++]);
    }
    *ret = &d->base;
    return OK;
}

static enum status heading_differs(const struct schema *schema, uint32_t column, struct slice found, struct error *err)
{
    AUTO(arena) a = {0};
    if (column == schema->ncols)
        (void)error_set(err, ERR_SOURCE, "its heading goes on with \"%s\", and the table has no more columns",
                        value_excerpt(found, &a));
    else
        (void)error_set(err, ERR_SOURCE, "its heading has \"%s\" where the table has column \"%s\"",
                        value_excerpt(found, &a), schema->names[column]);
    return error_hint(err, "declare the columns in the file's order, under the file's names");
}

static enum status csv_heading(const struct schema *schema, const uint64_t *decode, const struct options *options,
                               struct slice record, bool *ret_is_heading, struct error *err)
{
    *ret_is_heading = option_bool(options, csv_options, "header");
    if (!*ret_is_heading)
        return OK;
    static const char bom[] = "\xef\xbb\xbf"; /* written by spreadsheets */
    const char *p = record.data, *end = p + record.len;
    while (end > p && (end[-1] == '\n' || end[-1] == '\r'))
        end--;
    if (record.len >= 3 && memcmp(p, bom, 3) == 0)
        p += 3;
    AUTO(arena) a = {0};
    uint32_t column = 0;
    for (bool more = true; more; p++) {
        struct csv_field field;
        const char *why = read_field(&p, end, delimiter_of(options), &field);
        if (why)
            return error_set(err, ERR_SOURCE, "its heading cannot be read: %s", why);
        while (decode && column < schema->ncols && !bit_get(decode, column))
            column++;
        struct slice name = field.doubled ? undouble(field.text, &a) : field.text;
        if (column == schema->ncols || !slice_is(name, schema->names[column]))
            return heading_differs(schema, column, name, err);
        column++;
        more = p < end;
    }
    while (decode && column < schema->ncols && !bit_get(decode, column))
        column++;
    if (column < schema->ncols)
        return heading_differs(schema, column, (struct slice){0}, err);
    return OK;
}

/* ---- writing ---- */

struct csv_encoder {
    struct encoder base;
    struct arena own;
    char delimiter;
    struct slice null;
    bool header;
    uint32_t ncols;
    struct slice *names;
};

static bool wants_quotes(const struct csv_encoder *e, struct slice text)
{
    if (text.len == 0 || slice_equal(text, e->null))
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == e->delimiter || text.data[i] == '"' || text.data[i] == '\n' || text.data[i] == '\r')
            return true;
    return false;
}

static void put_field(const struct csv_encoder *e, struct slice text, struct buf *out)
{
    if (!wants_quotes(e, text)) {
        buf_put_slice(out, text);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buf_putc(out, '"');
        buf_putc(out, text.data[i]);
    }
    buf_putc(out, '"');
}

static void put_value(const struct csv_encoder *e, const struct column *c, size_t row, struct buf *scratch,
                      struct buf *out)
{
    char text[40];
    if (column_is_null(c, row)) {
        buf_put_slice(out, e->null);
    } else if (c->type.id == TYPE_TEXT || c->type.id == TYPE_JSONB) {
        put_field(e, view_slice(column_view(c, row)), out);
    } else if (c->type.id == TYPE_TIMESTAMP || c->type.id == TYPE_TIMESTAMPTZ) {
        size_t n = civil_print_iso(((int64_t *)c->data)[row], 6, text);
        put_field(e, (struct slice){text, n - (c->type.id == TYPE_TIMESTAMP)}, out); /* without the Z */
    } else if (c->type.id == TYPE_BOOL) {
        put_field(e, ((uint8_t *)c->data)[row] ? SLICE("true") : SLICE("false"), out);
    } else {
        buf_clear(scratch);
        column_print(c, row, scratch);
        put_field(e, buf_slice(scratch), out);
    }
}

static void csv_begin(struct encoder *base, struct buf *out)
{
    const struct csv_encoder *e = (const struct csv_encoder *)base;
    if (!e->header)
        return;
    for (uint32_t c = 0; c < e->ncols; c++) {
        if (c > 0)
            buf_putc(out, e->delimiter);
        put_field(e, e->names[c], out);
    }
    buf_putc(out, '\n');
}

static void csv_encode(struct encoder *base, const struct batch *b, struct buf *out)
{
    const struct csv_encoder *e = (const struct csv_encoder *)base;
    AUTO(buf) scratch = BUF(GIB(1));
    for (uint32_t i = 0; i < batch_live(b); i++) {
        for (uint32_t c = 0; c < e->ncols; c++) {
            if (c > 0)
                buf_putc(out, e->delimiter);
            put_value(e, &b->cols[c], batch_row(b, i), &scratch, out);
        }
        buf_putc(out, '\n');
    }
}

static void csv_encoder_free(struct encoder *base)
{
    struct csv_encoder *e = (struct csv_encoder *)base;
    arena_release(&e->own);
    free(e);
}

static enum status csv_encoder_new(const struct schema *schema, const struct options *options, struct encoder **ret,
                                   struct error *err)
{
    static const struct encoder_ops ops = {csv_begin, csv_encode, csv_encoder_free};
    TRY(check_delimiter(options, err));
    struct csv_encoder *e = mem_zalloc(sizeof *e);
    e->base.ops = &ops;
    e->delimiter = delimiter_of(options);
    e->null = slice_of(arena_strdup(&e->own, option_text(options, csv_options, "null")));
    e->header = option_bool(options, csv_options, "header");
    e->ncols = schema->ncols;
    e->names = arena_array(&e->own, schema->ncols, sizeof *e->names);
    for (uint32_t c = 0; c < schema->ncols; c++)
        e->names[c] = slice_of(arena_strdup(&e->own, schema->names[c]));
    *ret = &e->base;
    return OK;
}

const struct format format_csv = {
    .name = "csv",
    .options = csv_options,
    .help = "comma-separated values (RFC 4180); fields are the columns in their order",
    .by_line = true,
    .by_place = true,
    .record_end = csv_record_end,
    .record_style = csv_record_style,
    .heading = csv_heading,
    .decoder_new = csv_decoder_new,
    .encoder_new = csv_encoder_new,
};
