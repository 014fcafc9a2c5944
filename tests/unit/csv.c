/* CSV: fields and records, NULL and the empty string, headings, and that what is written is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/formats.h"

static struct schema schema = {.ncols = 3,
                               .names = (const char *[]){"a", "b", "c"},
                               .types = (struct type[]){{TYPE_INT4}, {TYPE_TEXT}, {TYPE_NUMERIC, 8, 2}}};
static const uint64_t all = UINT64_MAX;

static struct decoder *decoder_with(struct options *options)
{
    struct decoder *d = NULL;
    struct error err;
    assert_int_equal(format_csv.decoder_new(&schema, &all, options, &d, &err), OK);
    return d;
}

/* The row as "[1|x|NULL]", field errors as "type"; or the text of its rejection. */
static void row_text(const struct batch *b, const struct decoded *got, uint32_t row, struct buf *out)
{
    if (bit_get(got->bad, row)) {
        buf_puts(out, got->bad_text[row]);
        return;
    }
    buf_putc(out, '[');
    for (uint32_t c = 0; c < b->ncols; c++) {
        bool failed = false;
        for (uint32_t i = 0; i < got->nfields; i++)
            failed |= got->fields[i].row == row && got->fields[i].column == c;
        buf_puts(out, c ? "|" : "");
        if (failed)
            buf_puts(out, "type");
        else if (!column_print(&b->cols[c], row, out))
            buf_puts(out, "NULL");
    }
    buf_putc(out, ']');
}

static void check_record(struct options *options, const char *text, const char *want)
{
    struct decoder *d = decoder_with(options);
    AUTO(arena) a = {0};
    AUTO(buf) found = BUF(KIB(4));
    struct view raw = view_of(text, strlen(text));
    struct batch *b = batch_make(&a, schema.types, schema.ncols, 1);
    struct decoded got;
    d->ops->decode(d, &raw, 1, b, &a, &got);
    row_text(b, &got, 0, &found);
    if (strcmp(buf_cstr(&found), want) != 0)
        fail_msg("%s: found %s, not %s", text, buf_cstr(&found), want);
    decoder_free(d);
}

static void records(void **state)
{
    (void)state;
    struct options none = {0};
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"1,x,2.5", "[1|x|2.50]"},
        {"1,x,2.5\r\n", "[1|x|2.50]"},
        {",,", "[NULL|NULL|NULL]"},
        {"1,\"\",2", "[1||2.00]"},
        {"1,\"a,b\",\"2\"", "[1|a,b|2.00]"},
        {"1,\"a \"\"quoted\"\" word that is long\",2", "[1|a \"quoted\" word that is long|2.00]"},
        {"1,\"two\nlines\",2", "[1|two\nlines|2.00]"},
        {"1, x ,2", "[1| x |2.00]"},
        {"one,x,2", "[type|x|2.00]"},
        {"\"\",x,2.005", "[type|x|type]"},
        {"1,x", "2 fields, and the table has 3 columns"},
        {"1,x,2,3", "more fields than the table has columns (3)"},
        {"1,x,2,", "more fields than the table has columns (3)"},
        {"1,x\"y,2", "a quote in the middle of a field at byte 2"},
        {"1,\"x\"y,2", "something follows a quoted field at byte 2"},
        {"1,\"x,2", "a quoted field does not end at byte 2"},
        {"1,\xff,2", "a NUL byte or invalid UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_record(&none, cases[i].text, cases[i].want);
}

static void other_delimiters_and_nulls(void **state)
{
    (void)state;
    struct option items[] = {{.name = "delimiter", .value = ";"}, {.name = "null", .value = "NA"}};
    struct options options = {2, items};
    check_record(&options, "1;NA;NA", "[1|NULL|NULL]");
    check_record(&options, "1;\"NA\";2", "[1|NA|2.00]");
    check_record(&options, "1;;2", "[1||2.00]");
    check_record(&options, "1;a,b;2", "[1|a,b|2.00]");
    struct option tab = {.name = "delimiter", .value = "\\t"};
    struct options tabbed = {1, &tab};
    check_record(&tabbed, "1\tx\t2", "[1|x|2.00]");
    static const char *const refused[] = {"", ",,", "\"", "\n", "\u00e9"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct option bad = {.name = "delimiter", .value = refused[i]};
        struct options with = {1, &bad};
        struct decoder *d;
        struct error err;
        assert_int_equal(format_csv.decoder_new(&schema, &all, &with, &d, &err), FAILED);
    }
}

static void where_records_end(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int end; /* -1: not within the text */
    } cases[] = {
        {"a,b\nc", 4},          {"\n", 1},         {"a,b", -1},       {"\"a\nb\",c\nd", 8},
        {"\"a\"\"\nb\"\nd", 8}, {"a,\"\n", -1},    {"a,\"\"\n", 5},   {"a,\"x\"", -1},
        {"5\" pipe,b\nc", 10},  {"\"\"\"\"\n", 5}, {"\"a\"b\"\n", 6},
    };
    struct options none = {0};
    uint32_t style = format_csv.record_style(&none);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = cases[i].text, *end = format_csv.record_end(style, text, text + strlen(text));
        int found = end ? (int)(end - text) : -1;
        if (found != cases[i].end)
            fail_msg("%s: ends at %d, not %d", text, found, cases[i].end);
    }
}

static void headings(void **state)
{
    (void)state;
    struct option on = {.name = "header", .value = "true"};
    struct options with = {1, &on}, without = {0};
    static const struct {
        const char *text, *error; /* NULL: fits */
    } cases[] = {
        {"a,b,c\n", NULL},
        {"a,b,c\r\n", NULL},
        {"\"a\",b,\"c\"\n", NULL},
        {"\xef\xbb\xbf"
         "a,b,c\n",
         NULL},
        {"a,c,b\n", "has \"c\" where the table has column \"b\""},
        {"a,b\n", "has \"\" where the table has column \"c\""},
        {"a,b,c,d\n", "goes on with \"d\""},
        {"a,\"b\n", "cannot be read"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool heading = false;
        struct error err;
        struct slice record = slice_of(cases[i].text);
        enum status status = format_csv.heading(&schema, &all, &with, record, &heading, &err);
        assert_int_equal(status, cases[i].error ? FAILED : OK);
        if (cases[i].error)
            assert_non_null(strstr(err.text, cases[i].error));
        else
            assert_true(heading);
        assert_int_equal(format_csv.heading(&schema, &all, &without, record, &heading, &err), OK);
        assert_false(heading);
    }
    uint64_t not_b = 5; /* b is metadata */
    bool heading;
    struct error err;
    assert_int_equal(format_csv.heading(&schema, &not_b, &with, SLICE("a,c\n"), &heading, &err), OK);
    assert_int_equal(format_csv.heading(&schema, &not_b, &with, SLICE("a,b\n"), &heading, &err), FAILED);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "1,x,2.50", "2,\"a,b\",-0.01", "3,\"say \"\"hi\"\"\",", "4,\"two\nlines\",0.00", "5,\"\",1.00", ",,",
    };
    struct option header = {.name = "header", .value = "true"};
    struct options options = {1, &header};
    struct decoder *d = decoder_with(&options);
    AUTO(arena) a = {0};
    struct view raw[ARRAY_LEN(lines)];
    AUTO(buf) want = BUF(KIB(4));
    buf_puts(&want, "a,b,c\n");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        raw[i] = view_of(lines[i], strlen(lines[i]));
        buf_printf(&want, "%s\n", lines[i]);
    }
    struct batch *b = batch_make(&a, schema.types, schema.ncols, ARRAY_LEN(lines));
    struct decoded got;
    d->ops->decode(d, raw, ARRAY_LEN(lines), b, &a, &got);
    assert_int_equal(got.nbad + got.nfields, 0);
    struct encoder *e;
    struct error err;
    assert_int_equal(format_csv.encoder_new(&schema, &options, &e, &err), OK);
    AUTO(buf) out = BUF(KIB(4));
    e->ops->begin(e, &out);
    e->ops->encode(e, b, &out);
    assert_string_equal(buf_cstr(&out), buf_cstr(&want));
    encoder_free(e);
    decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),           cmocka_unit_test(other_delimiters_and_nulls),   cmocka_unit_test(headings),
        cmocka_unit_test(where_records_end), cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
