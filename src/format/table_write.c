#include "format/table_write.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "format/formats.h"

enum { HELD_ROWS = 1000, LEAST_WIDTH = 11 /* of a text that is cut: the date of a time */ };
static const size_t CELL_LIMIT = MIB(64);

struct cell {
    struct slice text;
    uint32_t width;
    bool number; /* looks like one, or is NULL */
};

struct table_writer {
    uint32_t ncols, terminal;
    uint32_t shown; /* columns from the left; there is no room for the others */
    struct arena names_memory, memory; /* memory: of the rows held back */
    struct cell *names;
    bool *by_type, *right; /* right: numbers; by_type: it is known from the column's type */
    uint32_t *widths, *natural; /* natural: what the column would take */
    struct cell *cells; /* nrows * ncols */
    uint32_t nrows;
    bool headed;
    struct buf scratch;
};

/* ---- text in terminal cells ---- */

struct range {
    uint32_t first, last;
};

static bool within(const struct range *ranges, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* Terminal cells of a character: the East Asian wide blocks and emoji take two, combining marks none. */
static uint32_t cells_of(uint32_t code)
{
    static const struct range none[] = {{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x200b, 0x200d},
                                        {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};
    static const struct range two[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                                       {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    if (code < 0x300)
        return 1;
    if (within(none, ARRAY_LEN(none), code))
        return 0;
    return within(two, ARRAY_LEN(two), code) ? 2 : 1;
}

/* Does this character do something to a terminal, or turn the order of others around? */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x2028 || code == 0x2029;
}

static void put_escaped(struct buf *out, uint32_t code)
{
    switch (code) {
    case '\n':
        buf_puts(out, "\\n");
        break;
    case '\r':
        buf_puts(out, "\\r");
        break;
    case '\t':
        buf_puts(out, "\\t");
        break;
    default:
        buf_printf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
    }
}

/* Text as it may be shown, in the arena. */
static struct cell make_cell(struct arena *a, struct slice text, struct buf *scratch)
{
    struct cell cell = {0};
    const char *p = text.data, *end = text.data + text.len;
    buf_clear(scratch);
    while (p < end) {
        unsigned len = utf8_char(p, end);
        uint32_t code = len ? utf8_code(p, len) : (unsigned char)*p;
        if (len == 0 || is_control(code)) {
            size_t before = scratch->len;
            put_escaped(scratch, code);
            cell.width += (uint32_t)(scratch->len - before);
        } else {
            buf_put(scratch, p, len);
            cell.width += cells_of(code);
        }
        p += len ? len : 1;
    }
    cell.text = (struct slice){scratch->len ? arena_dup(a, scratch->data, scratch->len) : "", scratch->len};
    return cell;
}

static bool looks_like_number(struct slice s)
{
    size_t i = s.len && s.data[0] == '-', digits = 0;
    for (; i < s.len; i++) {
        if (s.data[i] >= '0' && s.data[i] <= '9')
            digits++;
        else if (!strchr(".eE+-", s.data[i]))
            return false;
    }
    return digits > 0;
}

/* ---- printing ---- */

static void put_spaces(struct buf *out, uint32_t n)
{
    char *to = buf_reserve(out, n);
    if (!to)
        return;
    memset(to, ' ', n);
    out->len += n;
}

/* As much of the text as fits, with an ellipsis at its end. */
static uint32_t put_cut(struct buf *out, struct slice text, uint32_t width)
{
    const char *p = text.data, *end = text.data + text.len;
    uint32_t used = 0;
    while (p < end) {
        unsigned len = utf8_char(p, end);
        uint32_t cells = cells_of(utf8_code(p, len));
        if (used + cells > width - 1)
            break;
        buf_put(out, p, len);
        used += cells;
        p += len;
    }
    buf_puts(out, "…");
    return used + 1;
}

static void put_cell(const struct table_writer *t, const struct cell *cell, uint32_t column, struct buf *out)
{
    uint32_t width = t->widths[column], used = cell->width;
    bool last = column + 1 == t->shown, cut = t->terminal && !t->right[column] && used > width;
    buf_puts(out, column ? " | " : " ");
    if (t->right[column] && used < width)
        put_spaces(out, width - used);
    if (cut)
        used = put_cut(out, cell->text, width);
    else
        buf_put_slice(out, cell->text);
    if (!t->right[column] && !last && used < width)
        put_spaces(out, width - used);
}

/* Names stand in the middle. */
static void put_head(const struct table_writer *t, struct buf *out)
{
    for (uint32_t i = 0; i < t->shown; i++) {
        struct cell name = t->names[i];
        uint32_t space = t->widths[i] > name.width ? t->widths[i] - name.width : 0;
        buf_puts(out, i ? " | " : " ");
        put_spaces(out, space / 2);
        if (t->terminal && name.width > t->widths[i])
            put_cut(out, name.text, t->widths[i]);
        else
            buf_put_slice(out, name.text);
        if (i + 1 < t->shown)
            put_spaces(out, space - space / 2);
    }
    buf_putc(out, '\n');
    for (uint32_t i = 0; i < t->shown; i++) {
        buf_puts(out, i ? "+-" : "-");
        for (uint32_t k = 0; k <= t->widths[i]; k++)
            buf_putc(out, '-');
    }
    buf_putc(out, '\n');
}

/* Take from the widest texts until the shown columns fit the terminal; numbers stay whole, as half of one is another
 * one. */
static bool cut_texts(struct table_writer *t)
{
    uint64_t total = 3 * (uint64_t)t->shown;
    for (uint32_t i = 0; i < t->shown; i++)
        total += t->widths[i] = t->natural[i];
    while (total > t->terminal) {
        uint32_t widest = t->shown, second = LEAST_WIDTH;
        for (uint32_t i = 0; i < t->shown; i++)
            if (!t->right[i] && (widest == t->shown || t->widths[i] > t->widths[widest]))
                widest = i;
        if (widest == t->shown || t->widths[widest] <= LEAST_WIDTH)
            return false;
        for (uint32_t i = 0; i < t->shown; i++)
            if (i != widest && !t->right[i] && t->widths[i] < t->widths[widest])
                second = MAX(second, t->widths[i]);
        uint64_t step = MIN(total - t->terminal, (uint64_t)t->widths[widest] - second);
        t->widths[widest] -= (uint32_t)step;
        total -= step;
    }
    return true;
}

/* What still does not fit is left out, from the right. */
static void fit_widths(struct table_writer *t)
{
    memcpy(t->widths, t->natural, t->ncols * sizeof *t->widths);
    t->shown = t->ncols;
    while (t->terminal && !cut_texts(t) && t->shown > 1)
        t->shown--;
}

static void decide_widths(struct table_writer *t)
{
    for (uint32_t i = 0; i < t->ncols; i++) {
        bool numbers = t->nrows > 0;
        t->natural[i] = t->names[i].width;
        for (uint32_t row = 0; row < t->nrows; row++) {
            const struct cell *cell = &t->cells[(size_t)row * t->ncols + i];
            t->natural[i] = MAX(t->natural[i], cell->width);
            numbers = numbers && cell->number;
        }
        t->right[i] = t->by_type[i] ? t->right[i] : numbers;
    }
    fit_widths(t);
}

void table_writer_flush(struct table_writer *t, struct buf *out)
{
    if (!t->headed) {
        decide_widths(t);
        put_head(t, out);
        t->headed = true;
    }
    for (uint32_t row = 0; row < t->nrows; row++) {
        for (uint32_t i = 0; i < t->shown; i++)
            put_cell(t, &t->cells[(size_t)row * t->ncols + i], i, out);
        buf_putc(out, '\n');
    }
    t->nrows = 0;
    arena_reset(&t->memory);
}

void table_writer_end(struct table_writer *t, const char *rows, struct buf *out)
{
    table_writer_flush(t, out);
    buf_printf(out, "(%s", rows);
    for (uint32_t i = t->shown; i < t->ncols; i++) {
        buf_puts(out, i == t->shown ? "; no room for " : ", ");
        buf_put_slice(out, t->names[i].text);
    }
    buf_puts(out, ")\n");
}

/* The next row's cell of a column; data NULL: a NULL. */
static void set_cell(struct table_writer *t, uint32_t column, struct slice text)
{
    struct cell *cell = &t->cells[(size_t)t->nrows * t->ncols + column];
    *cell = text.data ? make_cell(&t->memory, text, &t->scratch) : (struct cell){.text = SLICE("NULL"), .width = 4};
    cell->number = !text.data || looks_like_number(cell->text);
}

static void end_row(struct table_writer *t, struct buf *out)
{
    if (++t->nrows == HELD_ROWS)
        table_writer_flush(t, out);
}

void table_writer_add(struct table_writer *t, const struct batch *b, struct buf *out)
{
    AUTO(buf) text = BUF(CELL_LIMIT);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        for (uint32_t k = 0; k < t->ncols; k++) {
            buf_clear(&text);
            bool value = column_print(&b->cols[k], row, &text);
            set_cell(t, k, value ? (struct slice){text.data ? text.data : "", text.len} : (struct slice){0});
        }
        end_row(t, out);
    }
}

void table_writer_add_texts(struct table_writer *t, const struct slice *texts, struct buf *out)
{
    for (uint32_t k = 0; k < t->ncols; k++)
        set_cell(t, k, texts[k]);
    end_row(t, out);
}

/* ---- making and freeing ---- */

static bool is_number(struct type t)
{
    return t.id == TYPE_INT4 || t.id == TYPE_INT8 || t.id == TYPE_FLOAT8 || t.id == TYPE_NUMERIC;
}

struct table_writer *table_writer_new(const struct schema *schema, uint32_t width)
{
    struct table_writer *t = mem_zalloc(sizeof *t);
    struct arena *a = &t->names_memory;
    t->ncols = schema->ncols;
    t->terminal = width;
    t->scratch = (struct buf)BUF(CELL_LIMIT * 4);
    t->names = arena_array(a, t->ncols, sizeof *t->names);
    t->by_type = arena_zarray(a, t->ncols, sizeof *t->by_type);
    t->right = arena_zarray(a, t->ncols, sizeof *t->right);
    t->widths = arena_zarray(a, t->ncols, sizeof *t->widths);
    t->natural = arena_zarray(a, t->ncols, sizeof *t->natural);
    t->cells = mem_array((size_t)HELD_ROWS * MAX(t->ncols, 1), sizeof *t->cells);
    for (uint32_t i = 0; i < t->ncols; i++) {
        t->names[i] = make_cell(a, slice_of(schema->names[i]), &t->scratch);
        t->by_type[i] = schema->types[i].id != TYPE_JSONB; /* a number in JSON is found by its looks */
        t->right[i] = is_number(schema->types[i]);
    }
    return t;
}

void table_writer_free(struct table_writer *t)
{
    if (!t)
        return;
    arena_release(&t->names_memory);
    arena_release(&t->memory);
    buf_release(&t->scratch);
    free(t->cells);
    free(t);
}

/* ---- as an encoder ---- */

struct table_encoder {
    struct encoder base;
    struct table_writer *writer;
};

static void table_begin(struct encoder *e, struct buf *out)
{
    (void)e, (void)out; /* the head is as wide as the rows: it comes with the first of them */
}

static void table_encode(struct encoder *e, const struct batch *b, struct buf *out)
{
    struct table_writer *t = ((struct table_encoder *)e)->writer;
    table_writer_add(t, b, out);
    table_writer_flush(t, out);
}

static void table_free(struct encoder *e)
{
    table_writer_free(((struct table_encoder *)e)->writer);
    free(e);
}

static enum status table_encoder_new(const struct schema *schema, const struct options *options, struct encoder **ret,
                                     struct error *err)
{
    static const struct encoder_ops ops = {.begin = table_begin, .encode = table_encode, .free = table_free};
    (void)options, (void)err;
    struct table_encoder *e = mem_zalloc(sizeof *e);
    e->base.ops = &ops;
    e->writer = table_writer_new(schema, 0);
    *ret = &e->base;
    return OK;
}

static const struct option_spec no_options[] = {{0}};

const struct format format_table = {
    .name = "table",
    .options = no_options,
    .help = "columns aligned for reading, as psql draws them; for output only",
    .encoder_new = table_encoder_new,
};
