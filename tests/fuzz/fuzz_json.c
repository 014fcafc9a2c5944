/* Lines of any bytes as JSON messages: the guessing scanner and the plain reader agree on every value, error and
 * text; and rows written as JSON are read back as the same rows. Seeds: `bourn generate --rows 1000 --bad 0.3`. */
#include <stdlib.h>

#include "format/formats.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS = 16, ROWS = 64 };

static const char *names[COLUMNS] = {
    "event_id", "event_time", "user_id", "event_type", "channel", "currency", "amount", "schema_version",
    "u",        "d",          "t",       "f",          "b",       "j",        "y",      "i"};
static struct type types[COLUMNS] = {{TYPE_TEXT}, {TYPE_TIMESTAMPTZ}, {TYPE_TEXT},           {TYPE_TEXT},
                                     {TYPE_TEXT}, {TYPE_TEXT},        {TYPE_NUMERIC, 18, 2}, {TYPE_INT4},
                                     {TYPE_UUID}, {TYPE_DATE},        {TYPE_TIMESTAMP},      {TYPE_FLOAT8},
                                     {TYPE_BOOL}, {TYPE_JSONB},       {TYPE_BYTEA},          {TYPE_INTERVAL}};
static const struct schema schema = {.ncols = COLUMNS, .names = names, .types = types};

static struct decoder *decoder(bool plain, bool flatten)
{
    static const uint64_t all = UINT64_MAX;
    static struct option item = {.name = "flatten", .value = "j o"};
    const struct options options = {flatten, &item};
    struct decoder *d = NULL;
    struct error err;
    enum status status = format_json.decoder_new(&schema, &all, &options, &d, &err);
    assert(status == OK);
    json_decoder_set_plain(d, plain);
    return d;
}

static struct batch *decode(struct decoder *d, const struct view *raw, uint32_t rows, struct arena *a,
                            struct decoded *ret)
{
    struct batch *b = batch_make(a, types, COLUMNS, rows);
    d->ops->decode(d, raw, rows, b, a, ret);
    return b;
}

static void assert_same_values(const struct batch *x, const struct batch *y)
{
    AUTO(buf) a = BUF(MIB(64)), b = BUF(MIB(64));
    for (uint32_t row = 0; row < x->rows; row++)
        for (uint32_t c = 0; c < COLUMNS; c++) {
            buf_clear(&a);
            buf_clear(&b);
            bool has_a = column_print(&x->cols[c], row, &a), has_b = column_print(&y->cols[c], row, &b);
            assert(has_a == has_b && slice_equal(buf_slice(&a), buf_slice(&b)));
        }
}

static void assert_same_errors(const struct decoded *x, const struct decoded *y, uint32_t rows)
{
    assert(x->nbad == y->nbad && x->nfields == y->nfields);
    for (uint32_t i = 0; i < x->nfields; i++) {
        const struct field_error *a = &x->fields[i], *b = &y->fields[i];
        assert(a->row == b->row && a->column == b->column && strcmp(a->text, b->text) == 0);
        assert(i == 0 || a[-1].row < a->row || (a[-1].row == a->row && a[-1].column < a->column));
    }
    for (uint32_t row = 0; row < rows; row++) {
        assert(bit_get(x->bad, row) == bit_get(y->bad, row));
        assert(!bit_get(x->bad, row) || strcmp(x->bad_text[row], y->bad_text[row]) == 0);
    }
}

static void check_round_trip(const struct batch *b, struct decoder *d, struct arena *a)
{
    static const struct options none = {0};
    struct encoder *e = NULL;
    struct error err;
    AUTO(buf) out = BUF(MIB(64));
    enum status status = format_json.encoder_new(&schema, &none, &e, &err);
    assert(status == OK);
    e->ops->encode(e, b, &out);
    encoder_free(e);
    struct view raw[ROWS];
    const char *p = out.data, *end = out.data + out.len;
    for (uint32_t row = 0; row < b->rows; row++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        assert(newline);
        raw[row] = view_of(p, (size_t)(newline - p));
        p = newline + 1;
    }
    assert(p == end);
    struct decoded got;
    struct batch *back = decode(d, raw, b->rows, a, &got);
    assert(got.nbad == 0 && got.nfields == 0);
    assert_same_values(b, back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) a = {0};
    struct view raw[ROWS];
    char *texts[ROWS];
    uint32_t rows = 0;
    for (const uint8_t *p = data, *end = data + size; p < end && rows < ROWS; rows++) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((newline ? newline : end) - p);
        texts[rows] = memcpy(mem_alloc(len + (len == 0)), p, len); /* of exactly this length: overreads are seen */
        raw[rows] = view_of(texts[rows], len);
        p += len + 1;
    }
    if (rows == 0)
        return 0;
    bool flatten = size % 4 >= 2; /* of "j", a column, too */
    struct decoder *guessing = decoder(false, flatten), *plain = decoder(true, flatten);
    struct decoded dg, dp;
    struct batch *bg = NULL, *bp = decode(plain, raw, rows, &a, &dp);
    if (size % 2)
        json_decoder_set_indexer(guessing, json_index_sse2);
    for (int round = 0; round < 2; round++) { /* in the second it knows whether guessing was worth while */
        bg = decode(guessing, raw, rows, &a, &dg);
        assert_same_errors(&dg, &dp, rows);
        assert_same_values(bg, bp);
    }
    if (!flatten) /* objects that were made flat stay so */
        check_round_trip(bg, guessing, &a);
    decoder_free(guessing);
    decoder_free(plain);
    for (uint32_t i = 0; i < rows; i++)
        free(texts[i]);
    return 0;
}
