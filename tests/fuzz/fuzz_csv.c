/* Any bytes as a CSV file: split into records that together are the file, each a row or a rejection; and rows written
 * as CSV are split and read back as the same rows. The first byte chooses delimiter and null string. */
#include <stdlib.h>

#include "format/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS = 5, ROWS = 256 };

static const char *names[COLUMNS] = {"a", "b", "c", "d", "e"};
static struct type types[COLUMNS] = {{TYPE_INT4}, {TYPE_TEXT}, {TYPE_NUMERIC, 18, 2}, {TYPE_TIMESTAMPTZ}, {TYPE_BOOL}};
static const struct schema schema = {.ncols = COLUMNS, .names = names, .types = types};

/* Records of the text; *ret_rows at most ROWS. */
static void split(const struct options *options, struct slice text, struct view *raw, uint32_t *ret_rows)
{
    const char *p = text.data, *end = text.data + text.len;
    uint32_t style = format_csv.record_style(options), rows = 0;
    while (p < end && rows < ROWS) {
        const char *next = format_csv.record_end(style, p, end);
        assert(!next || (next > p && next <= end && next[-1] == '\n'));
        next = next ? next : end;
        raw[rows++] = view_of(p, (size_t)(next - p));
        p = next;
    }
    *ret_rows = rows;
}

static struct batch *decode(struct decoder *d, const struct view *raw, uint32_t rows, struct arena *a,
                            struct decoded *ret)
{
    struct batch *b = batch_make(a, types, COLUMNS, rows);
    d->ops->decode(d, raw, rows, b, a, ret);
    return b;
}

static void check_round_trip(const struct options *options, const struct batch *b, struct decoder *d, struct arena *a)
{
    struct encoder *e = NULL;
    struct error err;
    AUTO(buf) out = BUF(MIB(64)), x = BUF(MIB(64)), y = BUF(MIB(64));
    enum status status = format_csv.encoder_new(&schema, options, &e, &err);
    assert(status == OK);
    e->ops->encode(e, b, &out);
    encoder_free(e);
    struct view raw[ROWS];
    uint32_t rows;
    split(options, buf_slice(&out), raw, &rows);
    assert(rows == b->rows);
    struct decoded got;
    struct batch *back = decode(d, raw, rows, a, &got);
    assert(got.nbad == 0 && got.nfields == 0);
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t c = 0; c < COLUMNS; c++) {
            buf_clear(&x);
            buf_clear(&y);
            bool has_x = column_print(&b->cols[c], row, &x), has_y = column_print(&back->cols[c], row, &y);
            assert(has_x == has_y && slice_equal(buf_slice(&x), buf_slice(&y)));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const delimiters[] = {",", ";", "\\t", "|"}, *const nulls[] = {"", "NULL"};
    if (size < 2)
        return 0;
    struct option items[] = {{.name = "delimiter", .value = delimiters[data[0] & 3]},
                             {.name = "null", .value = nulls[data[0] >> 2 & 1]}};
    struct options options = {2, items};
    static const uint64_t all = UINT64_MAX;
    AUTO(arena) a = {0};
    struct decoder *d = NULL;
    struct error err;
    enum status status = format_csv.decoder_new(&schema, &all, &options, &d, &err);
    assert(status == OK);
    char *text = mem_dup(data + 1, size - 1); /* of exactly this length: overreads are seen */
    struct view raw[ROWS];
    uint32_t rows;
    split(&options, (struct slice){text, size - 1}, raw, &rows);
    struct decoded got;
    struct batch *b = decode(d, raw, rows, &a, &got);
    for (uint32_t i = 1; i < got.nfields; i++)
        assert(got.fields[i - 1].row <= got.fields[i].row);
    check_round_trip(&options, b, d, &a);
    decoder_free(d);
    free(text);
    return 0;
}
