/* The JSON decoder: what becomes a value, what is rejected and how, and that guessing changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/os.h"
#include "format/formats.h"
#include "format/json.h"
#include "source/payments.h"

static struct decoder *decoder_for(const struct schema *schema, struct options *options)
{
    static const uint64_t all[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    struct decoder *d = NULL;
    struct error err;
    static struct options none;
    assert_int_equal(format_json.decoder_new(schema, all, options ? options : &none, &d, &err), OK);
    return d;
}

static struct batch *decode(struct decoder *d, const struct schema *schema, const struct view *raw, uint32_t rows,
                            struct arena *a, struct decoded *ret)
{
    struct batch *b = batch_make(a, schema->types, schema->ncols, rows);
    d->ops->decode(d, raw, rows, b, a, ret);
    return b;
}

/* ---- one value a case ---- */

struct value_case {
    struct type type;
    const char *json;
    const char *want; /* as PostgreSQL prints it; "NULL"; "type": a field error; "parse": no row */
};

#define NUM(p, s)                                                                                                      \
    {                                                                                                                  \
        TYPE_NUMERIC, p, s                                                                                             \
    }

static const struct value_case value_cases[] = {
    {{TYPE_BOOL}, "true", "t"},
    {{TYPE_BOOL}, "false", "f"},
    {{TYPE_BOOL}, "null", "NULL"},
    {{TYPE_BOOL}, "\"true\"", "type"},
    {{TYPE_BOOL}, "1", "type"},
    {{TYPE_BOOL}, "truex", "parse"},
    {{TYPE_BOOL}, "tru", "parse"},

    {{TYPE_INT4}, "0", "0"},
    {{TYPE_INT4}, "-0", "0"},
    {{TYPE_INT4}, "2147483647", "2147483647"},
    {{TYPE_INT4}, "-2147483648", "-2147483648"},
    {{TYPE_INT4}, "2147483648", "type"},
    {{TYPE_INT4}, "-2147483649", "type"},
    {{TYPE_INT4}, "99999999999999999999999", "type"},
    {{TYPE_INT4}, "1.0", "type"},
    {{TYPE_INT4}, "1e3", "type"},
    {{TYPE_INT4}, "\"1\"", "type"},
    {{TYPE_INT4}, "true", "type"},
    {{TYPE_INT4}, "[1]", "type"},
    {{TYPE_INT4}, "01", "parse"},
    {{TYPE_INT4}, "+1", "parse"},
    {{TYPE_INT4}, "-", "parse"},
    {{TYPE_INT4}, "1.", "parse"},
    {{TYPE_INT4}, "1e", "parse"},
    {{TYPE_INT4}, "12a", "parse"},
    {{TYPE_INT4}, "", "parse"},
    {{TYPE_INT8}, "9223372036854775807", "9223372036854775807"},
    {{TYPE_INT8}, "-9223372036854775808", "-9223372036854775808"},
    {{TYPE_INT8}, "9223372036854775808", "type"},
    {{TYPE_INT8}, "-9223372036854775809", "type"},
    {{TYPE_INT8}, "123456789012345678", "123456789012345678"},
    {{TYPE_INT8}, "1234567890123456789", "1234567890123456789"},

    {NUM(18, 2), "12.5", "12.50"},
    {NUM(18, 2), "\"12.50\"", "12.50"},
    {NUM(18, 2), "12", "12.00"},
    {NUM(18, 2), "-0.01", "-0.01"},
    {NUM(18, 2), "-0", "0.00"},
    {NUM(18, 2), "10.500", "10.50"},
    {NUM(18, 2), "10.005", "type"},
    {NUM(18, 2), "\"10.005\"", "type"},
    {NUM(18, 2), "9999999999999999.99", "9999999999999999.99"},
    {NUM(18, 2), "-9999999999999999.99", "-9999999999999999.99"},
    {NUM(18, 2), "10000000000000000", "type"},
    {NUM(18, 2), "1e2", "100.00"},
    {NUM(18, 2), "1.5E1", "15.00"},
    {NUM(18, 2), "125e-2", "1.25"},
    {NUM(18, 2), "125e-3", "type"},
    {NUM(18, 2), "1e400", "type"},
    {NUM(18, 2), "1e999999999999", "type"},
    {NUM(18, 2), "0e999999999999", "0.00"},
    {NUM(18, 2), "\"NaN\"", "type"},
    {NUM(18, 2), "\"Infinity\"", "type"},
    {NUM(18, 2), "\"\"", "type"},
    {NUM(18, 2), "\" 1\"", "type"},
    {NUM(18, 2), "\"1 \"", "type"},
    {NUM(18, 2), "\"12,50\"", "type"},
    {NUM(18, 2), "\"0x10\"", "type"},
    {NUM(18, 2), "\"1\\u0032\"", "12.00"},
    {NUM(18, 2), "true", "type"},
    {NUM(18, 2), "{}", "type"},
    {NUM(2, 2), "0.50", "0.50"},
    {NUM(2, 2), "0.99", "0.99"},
    {NUM(2, 2), "1.00", "type"},
    {NUM(5, 0), "99999", "99999"},
    {NUM(5, 0), "100000", "type"},
    {NUM(5, 0), "1.0", "1"},
    {NUM(38, 0), "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
    {NUM(38, 0), "100000000000000000000000000000000000000", "type"},
    {NUM(38, 0), "999999999999999999999999999999999999999", "type"},
    {NUM(38, 10), "-1234567890123456789012345678.0123456789", "-1234567890123456789012345678.0123456789"},
    {NUM(38, 2), "5.25", "5.25"},

    {{TYPE_FLOAT8}, "0.1", "0.1"},
    {{TYPE_FLOAT8}, "-0", "-0"},
    {{TYPE_FLOAT8}, "1e308", "1e+308"},
    {{TYPE_FLOAT8}, "1.7976931348623157e308", "1.7976931348623157e+308"},
    {{TYPE_FLOAT8}, "5e-324", "5e-324"},
    {{TYPE_FLOAT8}, "1e400", "type"},
    {{TYPE_FLOAT8}, "-1e400", "type"},
    {{TYPE_FLOAT8}, "1e-400", "type"},
    {{TYPE_FLOAT8}, "0e-400", "0"},
    {{TYPE_FLOAT8}, "9007199254740993", "9.007199254740992e+15"},
    {{TYPE_FLOAT8}, "123456789.123456789", "123456789.12345679"},
    {{TYPE_FLOAT8}, "0.000001", "1e-06"},
    {{TYPE_FLOAT8}, "\"NaN\"", "NaN"},
    {{TYPE_FLOAT8}, "\"-Infinity\"", "-Infinity"},
    {{TYPE_FLOAT8}, "\"1.5\"", "type"},
    {{TYPE_FLOAT8}, "NaN", "parse"},
    {{TYPE_FLOAT8}, ".5", "parse"},
    {{TYPE_FLOAT8}, "00.5", "parse"},

    {{TYPE_TEXT}, "\"\"", ""},
    {{TYPE_TEXT}, "\"abc\"", "abc"},
    {{TYPE_TEXT}, "\"twelve bytes\"", "twelve bytes"},
    {{TYPE_TEXT}, "\"thirteen byte\"", "thirteen byte"},
    {{TYPE_TEXT}, "\"sixteen bytes it\"", "sixteen bytes it"},
    {{TYPE_TEXT}, "\"seventeen bytes it\"", "seventeen bytes it"},
    {{TYPE_TEXT},
     "\"a text that is much longer than two loads of sixteen bytes\"",
     "a text that is much longer than two loads of sixteen bytes"},
    {{TYPE_TEXT}, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
    {{TYPE_TEXT}, "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\u00e9\u20ac\U0001F600"},
    {{TYPE_TEXT}, "\"\u00e9\u20ac\U0001F600 and a good deal more\"", "\u00e9\u20ac\U0001F600 and a good deal more"},
    {{TYPE_TEXT}, "\"\\u0000\"", "type"},
    {{TYPE_TEXT}, "\"\\ud800\"", "type"},
    {{TYPE_TEXT}, "\"\\ude00\\ud83d\"", "type"},
    {{TYPE_TEXT}, "\"\\ud83d\\u0041\"", "type"},
    {{TYPE_TEXT}, "\"\\u12\"", "parse"},
    {{TYPE_TEXT}, "\"\\u12g4\"", "parse"},
    {{TYPE_TEXT}, "\"\\x\"", "parse"},
    {{TYPE_TEXT}, "\"\\", "parse"},
    {{TYPE_TEXT}, "\"tab\there\"", "parse"},
    {{TYPE_TEXT}, "\"new\nline\"", "parse"},
    {{TYPE_TEXT}, "\"\xff\"", "parse"},
    {{TYPE_TEXT}, "\"\xc0\x80\"", "parse"},
    {{TYPE_TEXT}, "\"\xed\xa0\x80\"", "parse"},
    {{TYPE_TEXT}, "\"\xf4\x90\x80\x80\"", "parse"},
    {{TYPE_TEXT}, "\"cut off at the end of it all \xe2\x82\"", "parse"},
    {{TYPE_TEXT}, "\"open", "parse"},
    {{TYPE_TEXT}, "'single'", "parse"},
    {{TYPE_TEXT}, "1", "type"},
    {{TYPE_TEXT}, "false", "type"},
    {{TYPE_TEXT}, "[\"a\"]", "type"},

    {{TYPE_BYTEA}, "\"\\\\x00ff\"", "\\x00ff"},
    {{TYPE_BYTEA}, "\"\\\\xDEADBEEF00112233445566778899aabbcc\"", "\\xdeadbeef00112233445566778899aabbcc"},
    {{TYPE_BYTEA}, "\"\\\\x\"", "\\x"},
    {{TYPE_BYTEA}, "\"\\\\x0\"", "type"},
    {{TYPE_BYTEA}, "\"\\\\xgg\"", "type"},
    {{TYPE_BYTEA}, "\"00\"", "type"},

    {{TYPE_UUID}, "\"6f1D0000-1111-2222-3333-AAAABBBBcccc\"", "6f1d0000-1111-2222-3333-aaaabbbbcccc"},
    {{TYPE_UUID}, "\"6f1d00001111222233334444aaaabbbb\"", "type"},
    {{TYPE_UUID}, "\"6f1g0000-1111-2222-3333-444455556666\"", "type"},
    {{TYPE_UUID}, "\"6f1d0000-1111-2222-3333-44445555666\"", "type"},
    {{TYPE_UUID}, "\"6f1d0000_1111-2222-3333-444455556666\"", "type"},

    {{TYPE_DATE}, "\"2024-02-29\"", "2024-02-29"},
    {{TYPE_DATE}, "\"2023-02-29\"", "type"},
    {{TYPE_DATE}, "\"0001-01-01\"", "0001-01-01"},
    {{TYPE_DATE}, "\"9999-12-31\"", "9999-12-31"},
    {{TYPE_DATE}, "\"0000-01-01\"", "type"},
    {{TYPE_DATE}, "\"10000-01-01\"", "type"},
    {{TYPE_DATE}, "\"infinity\"", "type"},
    {{TYPE_DATE}, "20240229", "type"},

    {{TYPE_TIMESTAMP}, "\"2026-11-21T06:00:00\"", "2026-11-21 06:00:00"},
    {{TYPE_TIMESTAMP}, "\"2026-11-21 06:00:00.25\"", "2026-11-21 06:00:00.25"},
    {{TYPE_TIMESTAMP}, "\"2026-11-21T06:00:00Z\"", "type"},
    {{TYPE_TIMESTAMP}, "\"2026-11-21T06:00:00+01\"", "type"},

    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00Z\"", "2026-11-21 06:00:00+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00.123456Z\"", "2026-11-21 06:00:00.123456+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00.1Z\"", "2026-11-21 06:00:00.1+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00.123456+00:00\"", "2026-11-21 06:00:00.123456+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00.123+01:30\"", "2026-11-21 04:30:00.123+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00-0500\"", "2026-11-21 11:00:00+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21 23:59:59.999999Z\"", "2026-11-21 23:59:59.999999+00"},
    {{TYPE_TIMESTAMPTZ}, "\"1969-12-31T23:59:59.5Z\"", "1969-12-31 23:59:59.5+00"},
    {{TYPE_TIMESTAMPTZ}, "\"0001-01-01T00:00:00Z\"", "0001-01-01 00:00:00+00"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:60Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:60:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T24:00:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-02-30T06:00:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-13-01T06:00:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-00-01T06:00:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"0000-01-01T06:00:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00:00.Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21T06:00Z\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"2026-11-21\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "\"yesterday\"", "type"},
    {{TYPE_TIMESTAMPTZ}, "1732168800", "type"},

    {{TYPE_INTERVAL}, "\"1 day 02:00:00\"", "1 day 02:00:00"},
    {{TYPE_INTERVAL}, "\"soon\"", "type"},

    {{TYPE_JSONB}, "{\"b\": [1, 2.50, null],\"a\":\"x\"}", "{\"a\": \"x\", \"b\": [1, 2.50, null]}"},
    {{TYPE_JSONB}, "\"text\"", "\"text\""},
    {{TYPE_JSONB}, "null", "NULL"},
    {{TYPE_JSONB}, "true", "true"},
    {{TYPE_JSONB}, "1.0", "1.0"},
    {{TYPE_JSONB}, "\"\\u0000\"", "type"},
    {{TYPE_JSONB}, "[1,]", "parse"},
    {{TYPE_JSONB}, "[1 2]", "parse"},
    {{TYPE_JSONB}, "{\"a\":1,}", "parse"},
    {{TYPE_JSONB}, "{\"a\" 1}", "parse"},
    {{TYPE_JSONB}, "{a:1}", "parse"},
    {{TYPE_JSONB}, "[1}", "parse"},
    {{TYPE_JSONB}, "[", "parse"},
};

/* The outcome of the first row, as value_case.want spells it. */
static const char *outcome(const struct batch *b, const struct decoded *got, uint32_t row, struct buf *out)
{
    buf_clear(out);
    if (bit_get(got->bad, row)) {
        assert_non_null(got->bad_text[row]);
        return "parse";
    }
    for (uint32_t i = 0; i < got->nfields; i++)
        if (got->fields[i].row == row && got->fields[i].column == 0) {
            assert_true(column_is_null(&b->cols[0], row));
            return "type";
        }
    if (!column_print(&b->cols[0], row, out))
        return "NULL";
    return buf_cstr(out);
}

/* Each case four times over in one batch, so that the fourth is guessed, with something before and behind the value. */
static void check_value(const struct value_case *c, bool plain, const char *tail)
{
    struct schema schema = {
        .ncols = 2, .names = (const char *[]){"v", "w"}, .types = (struct type[]){c->type, {TYPE_INT4}}};
    struct decoder *d = decoder_for(&schema, NULL);
    json_decoder_set_plain(d, plain);
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(MIB(1));
    struct view raw[4];
    for (int i = 0; i < 4; i++) {
        char *text = i == 0 && strcmp(c->want, "parse") != 0 ? arena_printf(&a, "{\"v\":null%s", tail)
                                                             : arena_printf(&a, "{\"v\":%s%s", c->json, tail);
        raw[i] = view_of(text, strlen(text));
    }
    struct decoded got;
    struct batch *b = decode(d, &schema, raw, 4, &a, &got);
    for (uint32_t i = 1; i < 4; i++) {
        const char *found = outcome(b, &got, i, &out);
        if (strcmp(found, c->want) != 0)
            fail_msg("%s as type %d, %s, row %u: found %s, not %s", c->json, c->type.id, plain ? "plain" : "guessing",
                     i, found, c->want);
    }
    decoder_free(d);
}

static void values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(value_cases); i++)
        for (int plain = 0; plain < 2; plain++) {
            check_value(&value_cases[i], plain, "}");
            check_value(&value_cases[i], plain, ",\"w\":1}");
            check_value(&value_cases[i], plain, " , \"w\" : 1 , \"more\" : \"sixteen bytes or more\" }\r\n");
        }
}

/* ---- whole messages ---- */

struct message_case {
    const char *text;
    const char *bad; /* what the rejection says (a part of it); NULL: a row */
    const char *v;   /* column v, integer, as printed */
};

static const struct message_case message_cases[] = {
    {"{}", NULL, "NULL"},
    {" \t\r\n{ } \n", NULL, "NULL"},
    {"{\"v\":7}", NULL, "7"},
    {"{\"v\":7}\r\n", NULL, "7"},
    {"{\"x\":{\"v\":1},\"v\":7}", NULL, "7"},
    {"{\"\\u0076\":7}", NULL, "7"},
    {"{\"V\":7}", NULL, "NULL"},
    {"{\"\":7,\"v\":8}", NULL, "8"},
    {"", "empty message", NULL},
    {"   ", "empty message", NULL},
    {"null", "an object expected at byte 0", NULL},
    {"[1]", "an object expected", NULL},
    {"not json", "an object expected", NULL},
    {"{", "ends too early", NULL},
    {"{\"v\"", "ends too early", NULL},
    {"{\"v\":7", "ends too early at byte 6", NULL},
    {"{\"v\":7,}", "a key in quotes expected at byte 7", NULL},
    {"{\"v\":7}}", "something follows the object at byte 7", NULL},
    {"{\"v\":7} {\"v\":8}", "something follows", NULL},
    {"{\"v\":7,\"v\":7}", "repeated key", NULL},
    {"{\"v\":7,\"\\u0076\":7}", "repeated key", NULL},
    {"{\"x\":7,\"x\":7}", "repeated key", NULL},
    {"{\"x\":7,\"v\":1,\"\\u0078\":7}", "repeated key", NULL},
    {"{'v':7}", "a key in quotes", NULL},
    {"{v:7}", "a key in quotes", NULL},
    {"{\"v\":7,,\"w\":1}", "a key in quotes", NULL},
    {"{\"v\" 7}", "':' expected", NULL},
    {"{\"v\":7 \"w\":8}", "',' or '}' expected at byte 7", NULL},
    {"\xef\xbb\xbf{\"v\":7}", "a byte order mark before the object", NULL},
    {"{\"\xff\":1}", "invalid UTF-8", NULL},
    {"{\"x\":\"\xff\"}", "invalid UTF-8 at byte 6", NULL},
    {"{\"x\":\"\\u0000\",\"v\":3}", NULL, "3"},
    {"{\"v\":7}\v", "something follows", NULL},
};

static void messages(void **state)
{
    (void)state;
    struct schema schema = {.ncols = 1, .names = (const char *[]){"v"}, .types = (struct type[]){{TYPE_INT4}}};
    AUTO(buf) out = BUF(MIB(1));
    for (size_t i = 0; i < ARRAY_LEN(message_cases); i++)
        for (int plain = 0; plain < 2; plain++) {
            const struct message_case *c = &message_cases[i];
            struct decoder *d = decoder_for(&schema, NULL);
            json_decoder_set_plain(d, plain);
            AUTO(arena) a = {0};
            struct view raw[3];
            for (int k = 0; k < 3; k++)
                raw[k] = view_of(c->text, strlen(c->text));
            struct decoded got;
            struct batch *b = decode(d, &schema, raw, 3, &a, &got);
            for (uint32_t row = 0; row < 3; row++) {
                assert_int_equal(bit_get(got.bad, row), c->bad != NULL);
                if (c->bad && !strstr(got.bad_text[row], c->bad))
                    fail_msg("%s: says \"%s\", not \"%s\"", c->text, got.bad_text[row], c->bad);
                if (!c->bad)
                    assert_string_equal(outcome(b, &got, row, &out), c->v);
            }
            decoder_free(d);
        }
}

static void nested(struct buf *b, const char *open, size_t depth, const char *close)
{
    buf_clear(b);
    buf_puts(b, "{\"x\":");
    for (size_t i = 0; i < depth; i++)
        buf_puts(b, open);
    for (size_t i = 0; i < depth && close; i++)
        buf_puts(b, close);
    buf_puts(b, ",\"v\":1}");
}

static void depth_is_limited(void **state)
{
    (void)state;
    struct schema schema = {.ncols = 1, .names = (const char *[]){"v"}, .types = (struct type[]){{TYPE_INT4}}};
    struct decoder *d = decoder_for(&schema, NULL);
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(MIB(16));
    struct decoded got;
    struct {
        const char *open, *close;
        size_t depth;
        bool bad;
    } cases[] = {{"[", "]", 64, false},
                 {"[", "]", 65, true},
                 {"[", "]", 100000, true},
                 {"[", NULL, 100000, true},
                 {"{\"a\":", NULL, 1000000, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        nested(&text, cases[i].open, cases[i].depth, cases[i].close);
        struct view raw = view_of(text.data, text.len);
        decode(d, &schema, &raw, 1, &a, &got);
        assert_int_equal(got.nbad, cases[i].bad);
        if (cases[i].bad)
            assert_non_null(strstr(got.bad_text[0], "nested deeper than 64"));
    }
    decoder_free(d);
}

static void a_wrong_field_does_not_hide_others(void **state)
{
    (void)state;
    struct schema schema = {.ncols = 3,
                            .names = (const char *[]){"a", "b", "c"},
                            .types = (struct type[]){{TYPE_INT4}, {TYPE_NUMERIC, 12, 2}, {TYPE_TEXT}}};
    struct decoder *d = decoder_for(&schema, NULL);
    AUTO(arena) a = {0};
    const char *text = "{\"c\":12,\"b\":10.005,\"a\":4}";
    struct view raw = view_of(text, strlen(text));
    struct decoded got;
    struct batch *b = decode(d, &schema, &raw, 1, &a, &got);
    assert_int_equal(got.nbad, 0);
    assert_null(got.bad_text);
    assert_int_equal(got.nfields, 2);
    assert_int_equal(got.fields[0].column, 1);
    assert_string_equal(got.fields[0].text, "numeric(12,2): more fraction digits than the column holds: 10.005");
    assert_int_equal(got.fields[1].column, 2);
    assert_string_equal(got.fields[1].text, "text: a JSON number does not fit: 12");
    assert_int_equal(((int32_t *)b->cols[0].data)[0], 4);
    assert_false(column_is_null(&b->cols[0], 0));
    decoder_free(d);
}

static void zone_may_be_assumed(void **state)
{
    (void)state;
    struct schema schema = {.ncols = 1, .names = (const char *[]){"t"}, .types = (struct type[]){{TYPE_TIMESTAMPTZ}}};
    struct option item = {.name = "assume_utc", .value = "true"};
    struct options options = {1, &item};
    struct decoder *d = decoder_for(&schema, &options);
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(KIB(1));
    const char *text = "{\"t\":\"2026-11-21T06:00:00\"}";
    struct view raw = view_of(text, strlen(text));
    struct decoded got;
    struct batch *b = decode(d, &schema, &raw, 1, &a, &got);
    assert_string_equal(outcome(b, &got, 0, &out), "2026-11-21 06:00:00+00");
    decoder_free(d);
}

static void metadata_columns_are_left_alone(void **state)
{
    (void)state;
    struct schema schema = {
        .ncols = 2, .names = (const char *[]){"v", "offset"}, .types = (struct type[]){{TYPE_INT4}, {TYPE_INT8}}};
    uint64_t only_first = 1;
    struct options none = {0};
    struct decoder *d;
    struct error err;
    assert_int_equal(format_json.decoder_new(&schema, &only_first, &none, &d, &err), OK);
    AUTO(arena) a = {0};
    const char *text = "{\"offset\":5,\"v\":1}";
    struct view raw = view_of(text, strlen(text));
    struct batch *b = batch_make(&a, schema.types, 2, 1);
    ((int64_t *)b->cols[1].data)[0] = 42;
    struct decoded got;
    d->ops->decode(d, &raw, 1, b, &a, &got);
    assert_int_equal(got.nbad + got.nfields, 0);
    assert_int_equal(((int64_t *)b->cols[1].data)[0], 42);
    assert_int_equal(((int32_t *)b->cols[0].data)[0], 1);
    decoder_free(d);
}

/* ---- guessing changes nothing ---- */

static uint64_t random_state;
static uint64_t random_below(uint64_t n)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(random_state) % n;
}

static const char *fragments[] = {
    "\"v\"",
    "null",
    "true",
    "false",
    "1",
    "-1.50",
    "12.505",
    "1e3",
    "\"\"",
    "\"a\\nb\"",
    "[1,2]",
    "{\"a\":[]}",
    ":",
    ",",
    "{",
    "}",
    "\"\\u0041\"",
    " ",
    "\"\u00e9\"",
    "\"12\"",
    "123456789",
    "\"2026-11-21T06:00:00Z\"",
    "\"2026-11-21T06:00:00.5+00:00\"",
    "\"GBP\"",
    "\"amount\"",
    "\"id\"",
    "0.1",
    "1234567890123456789",
    "\"6f1d0000-1111-2222-3333-444455556666\"",
    "\"x\"",
    "\\",
    "\"",
    "\xff",
    "\"event_id\":",
    "99999999999999999999",
    "\"2026-11-21\"",
};

/* {A,B} -> {B,A}, where B begins at a random key. */
static void rotate(char *text, size_t len)
{
    char copy[1024];
    size_t at = random_below(len);
    const char *comma = memmem(text + at, len - at, ",\"", 2);
    if (!comma)
        return;
    size_t first = (size_t)(comma - text) - 1, second = len - first - 3;
    memcpy(copy, comma + 1, second);
    copy[second] = ',';
    memcpy(copy + second + 1, text + 1, first);
    memcpy(text + 1, copy, len - 2);
}

/* An event, sometimes changed: bytes flipped, pieces put in or taken out, the end cut off. */
static size_t mutated(struct events *p, uint64_t n, bool rotated, char *out, size_t cap)
{
    size_t len = payments_make(p, n, out);
    if (rotated && len > 2)
        rotate(out, len);
    for (uint64_t left = random_below(3) * random_below(4); left > 0 && len > 2; left--) {
        size_t at = random_below(len);
        switch (random_below(5)) {
        case 0:
            out[at] = (char)random_below(256);
            break;
        case 1:
            len = at;
            break;
        case 2: {
            size_t wish = random_below(20), cut = MIN(wish, len - at);
            memmove(out + at, out + at + cut, len - at - cut);
            len -= cut;
            break;
        }
        default: {
            const char *piece = fragments[random_below(ARRAY_LEN(fragments))];
            size_t size = strlen(piece), over = random_below(2) ? MIN(size, len - at) : 0;
            if (len + size > cap)
                break;
            memmove(out + at + size, out + at + over, len - at - over);
            memcpy(out + at, piece, size);
            len += size - over;
        }
        }
    }
    return len;
}

static void assert_same_column(const struct column *a, const struct column *b, uint32_t row, const struct view *raw)
{
    AUTO(buf) x = BUF(MIB(1));
    AUTO(buf) y = BUF(MIB(1));
    bool has_x = column_print(a, row, &x), has_y = column_print(b, row, &y);
    if (has_x != has_y || !slice_equal(buf_slice(&x), buf_slice(&y)))
        fail_msg("guessing reads %s, plainly %s from %.*s", has_x ? buf_cstr(&x) : "NULL",
                 has_y ? buf_cstr(&y) : "NULL", (int)raw->len, view_data(raw));
    if (has_x && type_is_view(a->type)) /* equal strings have equal views: short ones zero-padded */
        assert_true(view_equal(column_view(a, row), column_view(b, row)));
}

static void assert_same(const struct batch *a, const struct decoded *da, const struct batch *b,
                        const struct decoded *db, const struct view *raw)
{
    assert_int_equal(da->nbad, db->nbad);
    assert_int_equal(da->nfields, db->nfields);
    for (uint32_t i = 0; i < da->nfields; i++) {
        assert_int_equal(da->fields[i].row, db->fields[i].row);
        assert_int_equal(da->fields[i].column, db->fields[i].column);
        assert_string_equal(da->fields[i].text, db->fields[i].text);
    }
    for (uint32_t row = 0; row < a->rows; row++) {
        assert_int_equal(bit_get(da->bad, row), bit_get(db->bad, row));
        if (bit_get(da->bad, row))
            assert_string_equal(da->bad_text[row], db->bad_text[row]);
        for (uint32_t c = 0; c < a->ncols; c++)
            assert_same_column(&a->cols[c], &b->cols[c], row, &raw[row]);
    }
}

static void guessing_changes_nothing(void **state)
{
    (void)state;
    const char *names[] = {"event_id", "event_time", "user_id", "event_type",
                           "channel",  "currency",   "amount",  "schema_version"};
    struct type tables[][8] = {
        {{TYPE_TEXT},
         {TYPE_TIMESTAMPTZ},
         {TYPE_TEXT},
         {TYPE_TEXT},
         {TYPE_TEXT},
         {TYPE_TEXT},
         {TYPE_NUMERIC, 18, 2},
         {TYPE_INT4}},
        {{TYPE_UUID},
         {TYPE_TIMESTAMP},
         {TYPE_TEXT},
         {TYPE_TEXT},
         {TYPE_JSONB},
         {TYPE_BYTEA},
         {TYPE_FLOAT8},
         {TYPE_INT8}},
        {{TYPE_UUID},
         {TYPE_DATE},
         {TYPE_TEXT},
         {TYPE_BOOL},
         {TYPE_TEXT},
         {TYPE_TEXT},
         {TYPE_NUMERIC, 38, 4},
         {TYPE_NUMERIC, 3, 1}},
    };
    enum { ROWS = 256 };
    const char *rounds = os_env("BOURN_TEST_ROUNDS"), *seed = os_env("BOURN_TEST_SEED");
    uint64_t total = rounds ? strtoull(rounds, NULL, 10) : 1500;
    random_state = seed ? strtoull(seed, NULL, 10) : 20261121;
    AUTO(arena) a = {0};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        struct schema schema = {.ncols = 8, .names = names, .types = tables[t]};
        struct decoder *guessing = decoder_for(&schema, NULL), *plain = decoder_for(&schema, NULL);
        json_decoder_set_plain(plain, true);
        if (t == 1)
            json_decoder_set_indexer(guessing, json_index_sse2);
        struct events p = {
            .seed = random_below(1000), .bad = 3000, .duplicate = 1000, .late = 100, .nominal_rate = 10};
        for (uint64_t round = 0; round < total; round++) {
            arena_reset(&a);
            struct view raw[ROWS];
            for (uint32_t i = 0; i < ROWS; i++) {
                char text[1024];
                size_t len = mutated(&p, round * ROWS + i, round % 64 >= 32, text, sizeof text);
                const char *exact = len > VIEW_INLINE ? mem_dup(text, len) : text; /* overreads are seen by ASan */
                raw[i] = view_of(exact, len);
            }
            struct decoded dg, dp;
            struct batch *bg = decode(guessing, &schema, raw, ROWS, &a, &dg);
            struct batch *bp = decode(plain, &schema, raw, ROWS, &a, &dp);
            assert_same(bg, &dg, bp, &dp, raw);
            for (uint32_t i = 0; i < ROWS; i++)
                if (raw[i].len > VIEW_INLINE)
                    free((void *)(uintptr_t)raw[i].ptr);
        }
        decoder_free(guessing);
        decoder_free(plain);
    }
}

/* ---- where quotes stand ---- */

/* Found byte by byte, escaped ones and all. */
static void check_index(const struct json_index *x, struct slice message)
{
    uint32_t n = 0;
    bool backslash = false, uneven = false;
    for (size_t i = 0; i < message.len; i++) {
        unsigned char c = (unsigned char)message.data[i];
        backslash |= c == '\\';
        uneven |= c < 0x20 || c > 0x7f;
        if (c == '"') {
            assert_true(n < x->count);
            assert_int_equal(x->quotes[n++], i);
        }
    }
    assert_int_equal(x->count, n);
    assert_int_equal(x->backslash, backslash);
    assert_int_equal(x->uneven, uneven);
}

static void check_indexer(json_indexer *index)
{
    enum { MESSAGES = 12, LONGEST = 300 };
    static const char bytes[] = "\"\"\"\"\\ab,:{}1\x1f\xc3\xa9";
    uint16_t places[MESSAGES * (LONGEST + JSON_INDEX_SLACK)];
    for (int round = 0; round < 3000; round++) {
        struct view raw[MESSAGES];
        char *texts[MESSAGES];
        struct json_index found[MESSAGES];
        for (int m = 0; m < MESSAGES; m++) {
            size_t len = random_below(LONGEST + 1), few = 5 + random_below(sizeof bytes - 5);
            texts[m] = mem_alloc(len + !len); /* of exactly this length: overreads are seen by ASan */
            for (size_t i = 0; i < len; i++)
                texts[m][i] = round % 3 == 0 ? '"' : round % 3 == 1 ? "abc"[i % 3] : bytes[random_below(few)];
            raw[m] = view_of(texts[m], len);
        }
        index(raw, MESSAGES, places, found);
        for (int m = 0; m < MESSAGES; m++) {
            check_index(&found[m], view_slice(&raw[m]));
            free(texts[m]);
        }
    }
}

static void quotes_are_found_by_every_instruction(void **state)
{
    (void)state;
    random_state = 7;
    check_indexer(json_index_sse2);
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        check_indexer(json_index_avx2);
    if (json_indexer_best() == json_index_avx512)
        check_indexer(json_index_avx512);
#endif
}

/* ---- any order of keys, escapes, white space ---- */

static void put_string(struct buf *out, const char *text)
{
    buf_puts(out, "\"");
    for (const char *p = text; *p; p++) {
        uint64_t how = random_below(12);
        if (*p == '"' || *p == '\\' || (*p == '/' && how == 0))
            buf_printf(out, "\\%c", *p);
        else if (how == 1)
            buf_printf(out, "\\u%04x", *p);
        else
            buf_put(out, p, 1);
    }
    buf_puts(out, "\"");
}

static void put_space(struct buf *out, bool some)
{
    static const char *const spaces[] = {"", "", " ", "  ", "\t", "\r\n"};
    if (some)
        buf_puts(out, spaces[random_below(ARRAY_LEN(spaces))]);
}

static const char *const order_names[] = {"id", "amount", "at", "a name of more than sixteen bytes", "n", "f", "other"};
static const char *const order_values[][3] = {
    {"x", "a/b", "quote \" and back\\slash \\\\ in a longer text"},
    {"1.5", "-123456789.25", "0"},
    {"2026-11-21T06:00:00.5Z", "2026-11-21T06:00:00Z", "2026-11-21T06:00:00.123456Z"},
    {"", "twelve bytes", "\\\\\""},
    {"7", "-2147483648", "123456789"},
    {"0.25", "123456.5", "-0"},
    {"skipped", "\"{[", "\\"},
};

/* One object in a random order of keys; picks[] says which value each key has, or 3: none. */
static void put_event(struct buf *out, uint64_t picks[static ARRAY_LEN(order_names)], bool spaces)
{
    enum { NAMES = ARRAY_LEN(order_names) };
    size_t order[NAMES];
    for (size_t i = 0; i < NAMES; i++) {
        size_t at = random_below(i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    const char *before = "{";
    for (size_t i = 0; i < NAMES; i++) {
        size_t k = order[i];
        if (picks[k] == 3)
            continue;
        put_space(out, spaces);
        buf_puts(out, before);
        put_space(out, spaces);
        if (random_below(200) == 0)
            put_string(out, order_names[k]);
        else
            buf_printf(out, "\"%s\"", order_names[k]);
        put_space(out, spaces);
        buf_puts(out, ":");
        put_space(out, spaces);
        if (k == 1 || k == 4 || k == 5)
            buf_puts(out, order_values[k][picks[k]]);
        else
            put_string(out, order_values[k][picks[k]]);
        before = ",";
    }
    put_space(out, spaces);
    buf_puts(out, *before == ',' ? "}" : "{}");
    put_space(out, spaces);
}

static void check_event(const struct batch *b, uint32_t row, const uint64_t *picks, const char *json)
{
    static const char *const printed[][3] = {
        {"x", "a/b", "quote \" and back\\slash \\\\ in a longer text"},
        {"1.50", "-123456789.25", "0.00"},
        {"2026-11-21 06:00:00.5+00", "2026-11-21 06:00:00+00", "2026-11-21 06:00:00.123456+00"},
        {"", "twelve bytes", "\\\\\""},
        {"7", "-2147483648", "123456789"},
        {"0.25", "123456.5", "-0"},
    };
    AUTO(buf) out = BUF(KIB(4));
    for (uint32_t c = 0; c < b->ncols; c++) {
        buf_clear(&out);
        bool has = column_print(&b->cols[c], row, &out);
        if (has != (picks[c] < 3) || (has && strcmp(buf_cstr(&out), printed[c][picks[c]]) != 0))
            fail_msg("column %u is %s of %s", c, has ? buf_cstr(&out) : "NULL", json);
    }
}

/* Every order, every value in every place, with the indexer of each kind of processor; what was written is known. */
static void any_order_of_keys(void **state)
{
    (void)state;
    enum { NAMES = ARRAY_LEN(order_names), COLUMNS = NAMES - 1, ROWS = 130 };
    struct type types[COLUMNS] = {{TYPE_TEXT}, NUM(18, 2), {TYPE_TIMESTAMPTZ}, {TYPE_TEXT}, {TYPE_INT4}, {TYPE_FLOAT8}};
    struct schema schema = {.ncols = COLUMNS, .names = (const char **)order_names, .types = types};
    json_indexer *const indexers[] = {json_index_sse2, json_indexer_best()};
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(KIB(4));
    random_state = 11;
    for (int round = 0; round < 600; round++) {
        struct decoder *d = decoder_for(&schema, NULL);
        json_decoder_set_indexer(d, indexers[round % 2]);
        arena_reset(&a);
        struct view raw[ROWS];
        uint64_t picks[ROWS][NAMES];
        for (uint32_t i = 0; i < ROWS; i++) {
            for (size_t k = 0; k < NAMES; k++)
                picks[i][k] = random_below(round % 3 ? 3 : 4);
            buf_clear(&text);
            put_event(&text, picks[i], round % 5 == 0);
            raw[i] = view_of(arena_dup(&a, text.data, text.len), text.len);
        }
        for (int again = 0; again < 3; again++) { /* keys that are no columns are known by then */
            struct decoded got;
            struct batch *b = decode(d, &schema, raw, ROWS, &a, &got);
            assert_int_equal(got.nbad + got.nfields, 0);
            for (uint32_t i = 0; i < ROWS; i++)
                check_event(b, i, picks[i], arena_strndup(&a, view_data(&raw[i]), raw[i].len));
        }
        decoder_free(d);
    }
}

/* Keys that are no columns are remembered up to a limit; past it, and with repeats among very many, all is the same. */
static void many_unknown_keys(void **state)
{
    (void)state;
    struct schema schema = {.ncols = 1, .names = (const char *[]){"v"}, .types = (struct type[]){{TYPE_INT4}}};
    struct decoder *d = decoder_for(&schema, NULL);
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(MIB(64));
    for (int repeat = 0; repeat < 2; repeat++) {
        buf_clear(&text);
        buf_puts(&text, "{\"v\":1");
        for (int i = 0; i < 200000; i++)
            buf_printf(&text, ",\"key%d\":%d", i, i);
        buf_puts(&text, repeat ? ",\"key150000\":0}" : "}");
        struct view raw = view_of(text.data, text.len);
        struct decoded got;
        decode(d, &schema, &raw, 1, &a, &got);
        assert_int_equal(got.nbad, repeat);
        if (repeat)
            assert_string_equal(got.bad_text[0], "repeated key \"key150000\"");
    }
    decoder_free(d);
}

static void rows_as_json(void **state)
{
    (void)state;
    struct schema schema = {.ncols = 7,
                            .names = (const char *[]){"id", "a \"b\"", "n", "t", "f", "j", "y"},
                            .types = (struct type[]){{TYPE_INT8},
                                                     {TYPE_TEXT},
                                                     {TYPE_NUMERIC, 18, 2},
                                                     {TYPE_TIMESTAMPTZ},
                                                     {TYPE_FLOAT8},
                                                     {TYPE_JSONB},
                                                     {TYPE_BYTEA}}};
    const char *text =
        "{\"id\":1,\"a \\\"b\\\"\":\"q\\\"\\\\\\n\\u00e9\",\"n\":-0.5,\"t\":\"2026-11-21T06:00:00.5Z\","
        "\"f\":\"NaN\",\"j\":{\"k\":[1]},\"y\":\"\\\\x0aff\"}";
    struct decoder *d = decoder_for(&schema, NULL);
    AUTO(arena) a = {0};
    struct view raw[2] = {view_of(text, strlen(text)), view_of("{}", 2)};
    struct decoded got;
    struct batch *b = decode(d, &schema, raw, 2, &a, &got);
    assert_int_equal(got.nbad + got.nfields, 0);
    struct encoder *e;
    struct error err;
    struct options none = {0};
    assert_int_equal(format_json.encoder_new(&schema, &none, &e, &err), OK);
    AUTO(buf) out = BUF(MIB(1));
    e->ops->begin(e, &out);
    e->ops->encode(e, b, &out);
    assert_string_equal(
        buf_cstr(&out),
        "{\"id\":1,\"a \\\"b\\\"\":\"q\\\"\\\\\\n\u00e9\",\"n\":-0.50,\"t\":\"2026-11-21T06:00:00.500000Z\","
        "\"f\":\"NaN\",\"j\":{\"k\": [1]},\"y\":\"\\\\x0aff\"}\n"
        "{\"id\":null,\"a \\\"b\\\"\":null,\"n\":null,\"t\":null,\"f\":null,\"j\":null,\"y\":null}\n");
    encoder_free(e);
    decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(messages),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(a_wrong_field_does_not_hide_others),
        cmocka_unit_test(zone_may_be_assumed),
        cmocka_unit_test(metadata_columns_are_left_alone),
        cmocka_unit_test(guessing_changes_nothing),
        cmocka_unit_test(quotes_are_found_by_every_instruction),
        cmocka_unit_test(any_order_of_keys),
        cmocka_unit_test(many_unknown_keys),
        cmocka_unit_test(rows_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
