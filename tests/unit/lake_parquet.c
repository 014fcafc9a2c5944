/* Parquet: encodings against the examples of the format's own documents, every type there and back, and broken files.
 * Files of other programs, and ours read by them: tests/interop/lake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "column/batch.h"
#include "lake/codec.h"
#include "lake/decode.h"
#include "lake/parquet.h"
#include "lake/rle.h"
#include "lake/thrift.h"

static struct error err;
#define must(call) assert_int_equal(call, OK)

/* ---- encodings ---- */

/* Encodings.md, "RLE / Bit-Packing Hybrid": 0..7 at width 3 are 88 C6 FA. */
static void rle_packs_as_documented(void **state)
{
    (void)state;
    uint32_t values[] = {0, 1, 2, 3, 4, 5, 6, 7}, back[8];
    AUTO(buf) b = BUF(100);
    struct rle r;
    rle_encode(values, 8, 3, &b);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "\x03\x88\xc6\xfa", 4);
    rle_init(&r, buf_slice(&b), 3);
    assert_true(rle_next(&r, back, 8));
    assert_memory_equal(back, values, sizeof values);
    assert_false(rle_next(&r, back, 1));
}

static void rle_takes_any_values(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint32_t values[N], back[N];
    srand(7);
    for (unsigned width = 1; width <= 32; width++)
        for (int runs = 0; runs < 3; runs++) {
            uint32_t mask = width == 32 ? UINT32_MAX : (1u << width) - 1;
            for (int i = 0; i < N; i++)
                values[i] = runs && i && rand() % 40 ? values[i - 1] : ((uint32_t)rand() * 2654435761u) & mask;
            AUTO(buf) b = BUF(MIB(1));
            rle_encode(values, N - runs, width, &b);
            struct rle r;
            rle_init(&r, buf_slice(&b), width);
            size_t take = 0;
            for (size_t done = 0; done < (size_t)(N - runs); done += take) {
                take = (size_t)(rand() % 100);
                take = MIN(take, (size_t)(N - runs) - done);
                assert_true(rle_next(&r, back + done, take));
            }
            assert_memory_equal(values, back, (size_t)(N - runs) * sizeof *values);
        }
}

/* Encodings.md, "Delta Encoding", example 1: 1, 2, 3, 4, 5; and example 2: 7, 5, 3, 1, 2, 3, 4, 5. */
static void delta_reads_as_documented(void **state)
{
    (void)state;
    static const char one[] = "\x80\x01\x04\x05\x02\x02\x00\x00\x00\x00";
    /* smallest delta -2; relative to it 0 0 0 3 3 3 3 0...: width 2, one miniblock of 32 */
    static const char two[] = "\x80\x01\x04\x08\x0e\x03\x02\x00\x00\x00\xc0\x3f\x00\x00\x00\x00\x00\x00";
    struct delta_decoder d;
    int64_t v[8];
    assert_true(delta_decoder_init(&d, reader_of((struct slice){one, sizeof one - 1})));
    assert_true(delta_decoder_next(&d, v, 5));
    for (int i = 0; i < 5; i++)
        assert_int_equal(v[i], i + 1);
    assert_false(delta_decoder_next(&d, v, 1));
    static const int64_t expected[] = {7, 5, 3, 1, 2, 3, 4, 5};
    assert_true(delta_decoder_init(&d, reader_of((struct slice){two, sizeof two - 1})));
    assert_true(delta_decoder_next(&d, v, 3));
    assert_true(delta_decoder_next(&d, v + 3, 5));
    assert_memory_equal(v, expected, sizeof expected);
}

static void thrift_stops_at_bad_bytes(void **state)
{
    (void)state;
    AUTO(buf) deep = BUF(KIB(1));
    for (int i = 0; i < 500; i++)
        buf_put_u8(&deep, 0x1c); /* a struct in a struct in ... */
    struct thrift_reader r = thrift_reader_of(buf_slice(&deep));
    thrift_skip(&r, THRIFT_STRUCT);
    assert_true(r.bad);
    r = thrift_reader_of(SLICE("\x19\xfc\xff\xff\xff\xff\x0f")); /* a list of 4 G structs in 7 bytes */
    int16_t id = 0;
    enum thrift_type type = thrift_field(&r, &id);
    assert_int_equal(type, THRIFT_LIST);
    assert_int_equal(thrift_list(&r, type, THRIFT_STRUCT), 0);
    assert_true(r.bad);
    assert_int_equal(thrift_field(&r, &id), THRIFT_STOP);
}

static void codecs_refuse_lies(void **state)
{
    (void)state;
    struct codec_state *s = codec_state_new();
    AUTO(buf) packed = BUF(MIB(1));
    char text[100] = "a page of a hundred bytes", back[200];
    static const enum codec codecs[] = {CODEC_SNAPPY, CODEC_ZSTD, CODEC_NONE};
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        buf_clear(&packed);
        codec_compress(s, codecs[i], 1, (struct slice){text, sizeof text}, &packed);
        must(codec_decompress(s, codecs[i], buf_slice(&packed), back, sizeof text, &err));
        assert_memory_equal(text, back, sizeof text);
        assert_int_equal(codec_decompress(s, codecs[i], buf_slice(&packed), back, 101, &err), FAILED);
        assert_int_equal(codec_decompress(s, codecs[i], buf_slice(&packed), back, 99, &err), FAILED);
    }
    must(codec_check_size(100, 1000000, &err));
    assert_int_equal(codec_check_size(100, MIB(100), &err), FAILED);
    assert_int_equal(codec_check_size(MIB(200), MIB(300), &err), FAILED);
    codec_state_free(s);
}

/* ---- there and back ---- */

enum { NCOLS = 14 };
static const char *names[NCOLS] = {"b", "i", "l", "f", "n9", "n18", "n38", "t", "y", "u", "d", "ts", "tz", "j"};
static struct type types[NCOLS];

static void make_types(void)
{
    static const uint8_t ids[NCOLS] = {
        TYPE_BOOL,  TYPE_INT4, TYPE_INT8, TYPE_FLOAT8,    TYPE_NUMERIC,     0,         0, TYPE_TEXT,
        TYPE_BYTEA, TYPE_UUID, TYPE_DATE, TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ, TYPE_JSONB};
    for (int i = 0; i < NCOLS; i++)
        types[i] = TYPE(ids[i]);
    types[4] = type_numeric(9, 2);
    types[5] = type_numeric(18, 4);
    types[6] = type_numeric(38, 10);
}

/* Row n of column c as PostgreSQL prints it; NULL: NULL. kinds: how many different rows there are. */
static const char *cell(unsigned c, unsigned n, char out[static 400])
{
    if ((n * 7 + c) % 11 == 0)
        return NULL;
    switch (c) {
    case 0:
        return n % 3 ? "t" : "f";
    case 1:
        snprintf(out, 400, "%d", n == 1 ? INT32_MIN : n == 2 ? INT32_MAX : (int)n * 1000 - 50000);
        break;
    case 2:
        snprintf(out, 400, "%lld", n == 1 ? INT64_MIN : n == 2 ? (long long)INT64_MAX : (long long)n << 33);
        break;
    case 3:
        snprintf(out, 400, "%s", n == 3 ? "-Infinity" : n == 4 ? "1e+308" : n == 5 ? "5e-324" : "-0.5");
        break;
    case 4:
        snprintf(out, 400, "%d.%02u", n == 1 ? -9999999 : (int)n - 40, n % 100);
        break;
    case 5:
        snprintf(out, 400, "%lld.%04u", n == 1 ? -99999999999999 : (long long)n * 1000003, n % 10000);
        break;
    case 6:
        snprintf(out, 400, "%s%u.%010u", n % 2 ? "-99999999999999999999999" : "12345678901234567", n % 10, n);
        break;
    case 7:
        snprintf(out, 400, "%*s%u", (int)(n % 300), n % 5 ? "" : "\xc3\xa9", n / 9);
        break;
    case 8:
        snprintf(out, 400, "\\x%02x00ff", n % 256);
        break;
    case 9:
        snprintf(out, 400, "%08x-ffff-0000-8000-%012x", n * 2654435761u, n);
        break;
    case 10:
        snprintf(out, 400, "%s", n == 1 ? "0001-01-01" : n == 2 ? "9999-12-31" : "2026-11-21");
        break;
    case 11:
        snprintf(out, 400, "%s", n == 1 ? "0001-01-01 00:00:00" : "2026-11-21 06:00:00.123456");
        break;
    case 12:
        snprintf(out, 400, "%s", n == 2 ? "9999-12-31 23:59:59.999999+00" : "1969-12-31 23:59:59.999999+00");
        break;
    default:
        snprintf(out, 400, "{\"n\": %u}", n);
    }
    return out;
}

static struct batch *make_batch(struct arena *a, unsigned first, unsigned rows)
{
    struct batch *b = batch_make(a, types, NCOLS, rows);
    char text[400];
    for (unsigned c = 0; c < NCOLS; c++)
        for (unsigned r = 0; r < rows; r++) {
            const char *value = cell(c, first + r, text);
            if (value)
                must(column_parse(&b->cols[c], r, slice_of(value), a, &err));
            else
                column_set_null(&b->cols[c], a, rows, r);
        }
    b->rows = b->live = rows;
    return b;
}

static void join(const struct parquet_file *file, struct buf *out)
{
    for (size_t i = 0; i < file->nparts; i++)
        buf_put_slice(out, file->parts[i]);
    assert_int_equal(out->len, file->bytes);
}

/* Rows first.. of a reader, all of them, hold what cell says. */
static void check_rows(struct parquet_reader *r, unsigned rows)
{
    unsigned n = 0;
    for (struct batch *b;;) {
        AUTO(arena) a = {0};
        AUTO(buf) got = BUF(KIB(8));
        char text[400];
        must(parquet_reader_next(r, &a, &b, &err));
        if (!b)
            break;
        for (uint32_t i = 0; i < b->rows; i++, n++)
            for (unsigned c = 0; c < NCOLS; c++) {
                const char *expected = cell(c, n, text);
                buf_clear(&got);
                assert_int_equal(column_print(&b->cols[c], i, &got), expected != NULL);
                if (expected)
                    assert_string_equal(buf_cstr(&got), expected);
            }
    }
    assert_int_equal(n, rows);
}

static void write_rows(struct parquet_writer *w, unsigned rows)
{
    for (unsigned n = 0; n < rows; n += BATCH_ROWS) {
        AUTO(arena) a = {0};
        must(parquet_writer_add(w, make_batch(&a, n, MIN(rows - n, (unsigned)BATCH_ROWS)), &err));
    }
}

static void every_type_there_and_back(void **state)
{
    (void)state;
    static const struct {
        enum parquet_codec codec;
        uint32_t group;
        unsigned rows;
    } runs[] = {{PARQUET_ZSTD, 0, 5000},
                {PARQUET_SNAPPY, 2048, 7000},
                {PARQUET_PLAIN, 0, 70000},
                {PARQUET_ZSTD, 0, 0},
                {PARQUET_ZSTD, 0, 1}};
    make_types();
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        struct schema schema = {.ncols = NCOLS, .names = names, .types = types};
        struct parquet_options options = {.codec = runs[i].codec, .row_group_rows = runs[i].group};
        AUTO(parquet_writer) *w = parquet_writer_new(&schema, &options);
        AUTO(parquet_reader) *r = NULL;
        AUTO(buf) bytes = BUF(GIB(1));
        struct parquet_file file;
        write_rows(w, runs[i].rows);
        must(parquet_writer_finish(w, &file, &err));
        assert_int_equal(file.rows, runs[i].rows);
        join(&file, &bytes);
        must(parquet_reader_open_bytes(buf_slice(&bytes), "memory", &r, &err));
        assert_int_equal(parquet_reader_rows(r), runs[i].rows);
        struct schema want = {.ncols = NCOLS, .names = names, .types = types};
        must(parquet_reader_select(r, &want, &err));
        check_rows(r, runs[i].rows);
    }
}

static void only_live_rows_are_written(void **state)
{
    (void)state;
    make_types();
    AUTO(arena) a = {0};
    struct schema schema = {.ncols = NCOLS, .names = names, .types = types};
    AUTO(parquet_writer) *w = parquet_writer_new(&schema, NULL);
    struct batch *b = make_batch(&a, 0, 100);
    uint32_t live[] = {4, 50, 99};
    struct parquet_file file;
    b->sel = live;
    b->live = 3;
    must(parquet_writer_add(w, b, &err));
    must(parquet_writer_finish(w, &file, &err));
    assert_int_equal(file.rows, 3);
    assert_int_equal(file.stats[1].nulls, 0);
    assert_int_equal(file.stats[1].min.i, 4 * 1000 - 50000);
    assert_int_equal(file.stats[1].max.i, 99 * 1000 - 50000);
    assert_int_equal(file.stats[3].has_bounds, true);
}

static void statistics_are_exact(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    struct type some[] = {TYPE(TYPE_FLOAT8), TYPE(TYPE_TEXT), type_numeric(30, 1), TYPE(TYPE_UUID), TYPE(TYPE_FLOAT8)};
    const char *called[] = {"f", "t", "n", "u", "nan"};
    static const char *const rows[][5] = {
        {"-0", "b", "-5.5", "ffffffff-0000-0000-0000-000000000000", "1"},
        {"0", NULL, NULL, NULL, "NaN"},
        {"0", "\xc3\xa9", "99999999999999999999999999999.9", "00000000-0000-0000-0000-000000000001", "2"},
        {"-0", "", "0", "7fffffff-0000-0000-0000-000000000000", "3"},
    };
    struct schema schema = {.ncols = 5, .names = called, .types = some};
    struct batch *b = batch_make(&a, some, 5, 4);
    for (unsigned r = 0; r < 4; r++)
        for (unsigned c = 0; c < 5; c++)
            if (rows[r][c])
                must(column_parse(&b->cols[c], r, slice_of(rows[r][c]), &a, &err));
            else
                column_set_null(&b->cols[c], &a, 4, r);
    b->rows = b->live = 4;
    AUTO(parquet_writer) *w = parquet_writer_new(&schema, NULL);
    struct parquet_file file;
    must(parquet_writer_add(w, b, &err));
    must(parquet_writer_finish(w, &file, &err));
    const struct parquet_stats *s = file.stats;
    assert_true(s[0].has_bounds && s[0].min.d == 0 && s[0].max.d == 0);
    assert_true(__builtin_signbit(s[0].min.d) && !__builtin_signbit(s[0].max.d));
    assert_int_equal(s[1].nulls, 1);
    assert_int_equal(s[1].min.s.len, 0);
    assert_true(slice_is(s[1].max.s, "\xc3\xa9"));
    assert_true(s[2].min.n == -55);
    assert_true(s[2].max.n > (int128)INT64_MAX);
    assert_true(slice_is(s[3].min.s, "00000000-0000-0000-0000-000000000001"));
    assert_true(slice_is(s[3].max.s, "ffffffff-0000-0000-0000-000000000000"));
    assert_false(s[4].has_bounds);
}

static void not_null_is_kept(void **state)
{
    (void)state;
    AUTO(arena) a = {0};
    struct type t = TYPE(TYPE_INT8);
    const char *called = "id";
    bool nullable = false;
    struct schema schema = {.ncols = 1, .names = &called, .types = &t, .nullable = &nullable};
    AUTO(parquet_writer) *w = parquet_writer_new(&schema, NULL);
    struct batch *b = batch_make(&a, &t, 1, 2);
    ((int64_t *)b->cols[0].data)[0] = 5;
    column_set_null(&b->cols[0], &a, 2, 1);
    b->rows = 2;
    b->live = 2;
    assert_int_equal(parquet_writer_add(w, b, &err), FAILED);
    assert_int_equal(err.code, ERR_STATE);
    assert_non_null(strstr(err.text, "id"));
}

/* ---- columns chosen, missing, converted ---- */

static void write_small(struct buf *bytes, const char *column, struct type type, const char *value)
{
    AUTO(arena) a = {0};
    struct schema schema = {.ncols = 1, .names = &column, .types = &type};
    AUTO(parquet_writer) *w = parquet_writer_new(&schema, NULL);
    struct parquet_file file;
    struct batch *b = batch_make(&a, &type, 1, 1);
    must(column_parse(&b->cols[0], 0, slice_of(value), &a, &err));
    b->rows = b->live = 1;
    must(parquet_writer_add(w, b, &err));
    must(parquet_writer_finish(w, &file, &err));
    join(&file, bytes);
}

/* What comes out, or NULL for an error of that code. */
static void check_as(struct type from, const char *value, struct type to, const char *expected, enum error_code code)
{
    AUTO(buf) bytes = BUF(MIB(1));
    AUTO(buf) got = BUF(KIB(8));
    AUTO(arena) a = {0};
    AUTO(parquet_reader) *r = NULL;
    const char *called[] = {"V", "missing"};
    struct type both[] = {to, TYPE(TYPE_INT4)};
    struct schema want = {.ncols = 2, .names = called, .types = both};
    struct batch *b;
    write_small(&bytes, "v", from, value); /* found although "V" is asked for */
    must(parquet_reader_open_bytes(buf_slice(&bytes), "memory", &r, &err));
    enum status status = parquet_reader_select(r, &want, &err);
    if (status == OK)
        status = parquet_reader_next(r, &a, &b, &err);
    assert_int_equal(status, expected ? OK : FAILED);
    if (!expected) {
        assert_int_equal(err.code, code);
        return;
    }
    assert_true(column_print(&b->cols[0], 0, &got));
    assert_string_equal(buf_cstr(&got), expected);
    assert_true(column_is_null(&b->cols[1], 0));
}

static void columns_come_as_asked(void **state)
{
    (void)state;
    check_as(TYPE(TYPE_INT4), "7", TYPE(TYPE_INT8), "7", 0);
    check_as(TYPE(TYPE_INT8), "7", TYPE(TYPE_INT4), "7", 0);
    check_as(TYPE(TYPE_INT8), "3000000000", TYPE(TYPE_INT4), NULL, ERR_STATE);
    check_as(TYPE(TYPE_INT8), "-7", type_numeric(10, 2), "-7.00", 0);
    check_as(TYPE(TYPE_INT8), "7", TYPE(TYPE_FLOAT8), "7", 0);
    check_as(type_numeric(9, 2), "1.25", type_numeric(38, 10), "1.2500000000", 0);
    check_as(type_numeric(38, 10), "1.2500000000", type_numeric(9, 2), "1.25", 0);
    check_as(type_numeric(38, 10), "1.2500000001", type_numeric(9, 2), NULL, ERR_STATE);
    check_as(TYPE(TYPE_UUID), "00112233-4455-6677-8899-aabbccddeeff", TYPE(TYPE_UUID),
             "00112233-4455-6677-8899-aabbccddeeff", 0);
    check_as(TYPE(TYPE_TEXT), "no uuid", TYPE(TYPE_UUID), NULL, ERR_STATE);
    check_as(TYPE(TYPE_DATE), "2026-11-21", TYPE(TYPE_TIMESTAMP), "2026-11-21 00:00:00", 0);
    check_as(TYPE(TYPE_TIMESTAMP), "2026-11-21 06:00:00", TYPE(TYPE_TIMESTAMPTZ), "2026-11-21 06:00:00+00", 0);
    check_as(TYPE(TYPE_TEXT), "x", TYPE(TYPE_BOOL), NULL, ERR_STATE);
    check_as(TYPE(TYPE_TEXT), "x", TYPE(TYPE_INTERVAL), NULL, ERR_STATE);
}

/* ---- broken files ---- */

/* Read everything; the answer does not matter, only that there is one. */
static enum status read_all(struct slice bytes)
{
    AUTO(parquet_reader) *r = NULL;
    TRY(parquet_reader_open_bytes(bytes, "memory", &r, &err));
    for (struct batch *b;;) {
        AUTO(arena) a = {0};
        TRY(parquet_reader_next(r, &a, &b, &err));
        if (!b)
            return OK;
    }
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    make_types();
    struct schema schema = {.ncols = NCOLS, .names = names, .types = types};
    AUTO(parquet_writer) *w = parquet_writer_new(&schema, NULL);
    AUTO(buf) bytes = BUF(MIB(16));
    struct parquet_file file;
    write_rows(w, 200);
    must(parquet_writer_finish(w, &file, &err));
    join(&file, &bytes);
    size_t footer = bytes.len - 8 - load_u32(bytes.data + bytes.len - 8);
    must(read_all(buf_slice(&bytes)));
    for (size_t n = 0; n < bytes.len; n++)
        assert_int_equal(read_all((struct slice){bytes.data, n}), FAILED);
    for (size_t i = 0; i < bytes.len; i++) { /* what is in a page fails its checksum */
        for (int bit = 0; bit < 8; bit += 3) {
            bytes.data[i] ^= (char)(1 << bit);
            enum status status = read_all(buf_slice(&bytes));
            assert_true(status == FAILED || i >= 4);
            if (status == FAILED && i < footer)
                assert_true(err.code == ERR_CORRUPT || err.code == ERR_LIMIT || err.code == ERR_UNSUPPORTED);
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
}

static void flipped_values_never_pass(void **state)
{
    (void)state;
    AUTO(buf) bytes = BUF(MIB(1));
    write_small(&bytes, "v", TYPE(TYPE_TEXT), "a value long enough to be found in the file as it is, word for word");
    bytes.data[50] ^= 4; /* behind the page's header */
    assert_int_equal(read_all(buf_slice(&bytes)), FAILED);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rle_packs_as_documented),    cmocka_unit_test(rle_takes_any_values),
        cmocka_unit_test(delta_reads_as_documented),  cmocka_unit_test(thrift_stops_at_bad_bytes),
        cmocka_unit_test(codecs_refuse_lies),         cmocka_unit_test(every_type_there_and_back),
        cmocka_unit_test(only_live_rows_are_written), cmocka_unit_test(statistics_are_exact),
        cmocka_unit_test(not_null_is_kept),           cmocka_unit_test(columns_come_as_asked),
        cmocka_unit_test(broken_files_are_refused),   cmocka_unit_test(flipped_values_never_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
