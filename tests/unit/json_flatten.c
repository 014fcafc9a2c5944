/* Messages made flat: what a decoder behind it is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/formats.h"
#include "format/json.h"

static const struct {
    const char *message, *flat; /* flat NULL: as it came */
} cases[] = {
    {"{\"type\":2,\"person\":null,\"bid\":{\"auction\":1000,\"price\":7},\"n\":1}",
     "{\"type\":2,\"auction\":1000,\"price\":7,\"n\":1}"},
    {"{\"person\":{\"a\":1},\"bid\":{\"b\":2}}", "{\"a\":1,\"b\":2}"},
    {"{\"person\":{},\"bid\":{ }}", "{}"},
    {"{\"person\":null}", "{}"},
    {" { \"type\" : 2 , \"bid\" : { \"x\" : 1 } } ", "{\"type\" : 2,\"x\" : 1 } "},
    {"{\"bid\":{\"url\":\"}{\\\"][,\\\\\",\"o\":{\"bid\":{}}},\"z\":[{},[]]}",
     "{\"url\":\"}{\\\"][,\\\\\",\"o\":{\"bid\":{}},\"z\":[{},[]]}"},
    {"{\"bid\":7,\"person\":[{}]}", "{\"bid\":7,\"person\":[{}]}"}, /* no objects: they stay */
    {"{\"bid\":{\"a\":\"0123456789abcdef0123456789abcdef\\\"0123456789abcdef\"}}",
     "{\"a\":\"0123456789abcdef0123456789abcdef\\\"0123456789abcdef\"}"},
    {"{\"bid\":{\"a\":1},}", NULL},
    {"{\"bid\":{\"a\":1}", "{\"a\":1"}, /* as unfinished as it was */
    {"{\"bid\":{\"a\":1", NULL},
    {"{\"bid\":{\"a\":1]}", "{\"bid\":{\"a\":1]}"},
    {"{\"bid\"", NULL},
    {"{\"bid", NULL},
    {"{\"bid\\", NULL},
    {"[]", NULL},
    {"", NULL},
    {"{\"a\":}", NULL},
};

static void what_is_handed_on(void **state)
{
    (void)state;
    struct arena a = {0};
    struct json_flatten *f = json_flatten_new("person, bid", &a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice flat = json_flatten_message(f, slice_of(cases[i].message), &a);
        assert_true(slice_is(flat, cases[i].flat ? cases[i].flat : cases[i].message));
    }
    arena_release(&a);
}

/* ---- a decoder that flattens while it scans, beside one that reads flat messages plainly ---- */

static const char *names[] = {"type", "bid", "a", "url", "price", "n", "at"};
static struct type types[] = {{TYPE_INT8}, {TYPE_JSONB}, {TYPE_INT8}, {TYPE_TEXT}, {TYPE_NUMERIC, 10, 2}, {TYPE_INT8},
                              {TYPE_TIMESTAMPTZ}};
static const struct schema schema = {.ncols = ARRAY_LEN(names), .names = names, .types = types};

static struct decoder *decoder_for(bool plain)
{
    static struct option item = {.name = "flatten", .value = "person bid"};
    struct options options = {1, &item};
    uint64_t all = UINT64_MAX;
    struct decoder *d;
    struct error err;
    assert_int_equal(format_json.decoder_new(&schema, &all, &options, &d, &err), OK);
    json_decoder_set_plain(d, plain);
    return d;
}

static void assert_same_rows(const struct batch *x, const struct decoded *dx, const struct batch *y,
                             const struct decoded *dy)
{
    AUTO(buf) a = BUF(MIB(1)), b = BUF(MIB(1));
    for (uint32_t row = 0; row < x->rows; row++) {
        assert_int_equal(bit_get(dx->bad, row), bit_get(dy->bad, row));
        if (bit_get(dx->bad, row))
            assert_string_equal(dx->bad_text[row], dy->bad_text[row]);
        for (uint32_t c = 0; c < schema.ncols; c++) {
            buf_clear(&a);
            buf_clear(&b);
            assert_int_equal(column_print(&x->cols[c], row, &a), column_print(&y->cols[c], row, &b));
            assert_string_equal(buf_cstr(&a), buf_cstr(&b));
        }
    }
    assert_int_equal(dx->nfields, dy->nfields);
    for (uint32_t i = 0; i < dx->nfields; i++) {
        assert_int_equal(dx->fields[i].row, dy->fields[i].row);
        assert_int_equal(dx->fields[i].column, dy->fields[i].column);
        assert_string_equal(dx->fields[i].text, dy->fields[i].text);
    }
}

/* What a message is made of: parts of every kind, most of which fit together, some of which do not. */
static const char *const pieces[] = {
    "{", "}", ",", "\"type\":2", "\"person\":null", "\"bid\":null", "\"bid\":{", "\"person\":{", "\"a\":1",
    "\"url\":\"http://x/{},:\"", "\"price\": 12.5", "\"n\" : 7", "\"at\":\"2026-01-02T03:04:05Z\"", "\"bid\":7",
    "\"url\":\"a\\\"b\"", "\"bid\": { ", " } ", "\"unknown\":[{\"a\":1}]", "\"n\":{}", "\"price\":1.234", "null", " ",
    "\"bid\":nullx", "\"url\":\"\xc3\xa4\"",
};

/* With a comma where one belongs, mostly; whole messages of a usual kind among them. */
static size_t make_message(uint64_t *seed, char *to)
{
    static const char *const usual[] = {
        ("{\"type\":2,\"person\":null,\"bid\":{\"a\":1,\"price\":2.50,\"url\":\"abcdefghijklmnop\","
        "\"at\":\"2026-01-02T03:04:05.006Z\"}}"),
        "{\"type\":0,\"person\":{\"n\":5,\"url\":\"short\"},\"bid\":null}",
        "{\"person\":{\"url\":\"u\",\"n\":5},\"type\":0}",
        "{\"bid\":{\"a\":-3},\"type\":9}",
    };
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    uint64_t r = *seed >> 33;
    if (r % 2)
        return (size_t)sprintf(to, "%s", usual[r / 2 % ARRAY_LEN(usual)]);
    size_t n = (size_t)sprintf(to, "{"), depth = 1;
    for (unsigned i = 0, parts = r / 2 % 8; i < parts; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        const char *piece = pieces[(*seed >> 33) % ARRAY_LEN(pieces)];
        bool opened = n > 0 && to[n - 1] == '{';
        n += (size_t)sprintf(to + n, "%s%s", opened || strchr("} ", *piece) || *seed >> 60 == 0 ? "" : ",", piece);
        depth += strchr(piece, '{') && !strchr(piece, '}');
    }
    for (; depth > 0; depth--)
        to[n++] = '}';
    return n;
}

static void scanning_gives_the_same_as_reading_plainly(void **state)
{
    (void)state;
    enum { ROWS = 200, ROUNDS = 300 };
    static char texts[ROWS][512];
    uint64_t seed = 7, good = 0;
    struct decoder *fast = decoder_for(false), *plain = decoder_for(true);
    for (int round = 0; round < ROUNDS; round++) {
        struct arena a = {0};
        struct view raw[ROWS];
        for (int i = 0; i < ROWS; i++) {
            size_t n = make_message(&seed, texts[i]);
            raw[i] = view_of(memcpy(arena_alloc(&a, n), texts[i], n), n);
        }
        struct batch *x = batch_make(&a, types, schema.ncols, ROWS), *y = batch_make(&a, types, schema.ncols, ROWS);
        struct decoded dx, dy;
        fast->ops->decode(fast, raw, ROWS, x, &a, &dx);
        plain->ops->decode(plain, raw, ROWS, y, &a, &dy);
        assert_same_rows(x, &dx, y, &dy);
        good += ROWS - dx.nbad;
        arena_release(&a);
    }
    assert_true(good > ROWS * ROUNDS / 2 && good < ROWS * ROUNDS);
    decoder_free(fast);
    decoder_free(plain);
}

/* Messages that look alike are not copied: their strings are where they were. */
static void usual_messages_stay_where_they_are(void **state)
{
    (void)state;
    static const char text[] = "{\"type\":2,\"person\":null,\"bid\":{\"a\":1,\"url\":\"abcdefghijklmnop\",\"n\":5}}";
    struct decoder *d = decoder_for(false);
    struct arena a = {0};
    struct view raw[20];
    for (size_t i = 0; i < ARRAY_LEN(raw); i++)
        raw[i] = view_of(text, sizeof text - 1);
    struct batch *b = batch_make(&a, types, schema.ncols, ARRAY_LEN(raw));
    struct decoded got;
    d->ops->decode(d, raw, ARRAY_LEN(raw), b, &a, &got);
    assert_int_equal(got.nbad + got.nfields, 0);
    for (uint32_t row = 0; row < ARRAY_LEN(raw); row++)
        assert_ptr_equal(view_data(column_view(&b->cols[3], row)), strstr(text, "abc"));
    arena_release(&a);
    decoder_free(d);
}

/* A message of one byte less, wherever it ends, is never read past its end (the sanitizers look), and is no row. */
static void unfinished_messages_are_no_rows(void **state)
{
    (void)state;
    const char *whole = "{\"type\":2,\"bid\":{\"auction\":1000,\"url\":\"a\\\"b{\"},\"person\":null}";
    struct schema two = {.ncols = 2,
                         .names = (const char *[]){"type", "auction"},
                         .types = (struct type[]){{TYPE_INT8}, {TYPE_INT8}}};
    struct option item = {.name = "flatten", .value = "person bid"};
    struct options options = {1, &item};
    uint64_t all = UINT64_MAX;
    struct decoder *d;
    struct error err;
    assert_int_equal(format_json.decoder_new(&two, &all, &options, &d, &err), OK);
    for (size_t len = 0; len <= strlen(whole); len++) {
        struct arena a = {0};
        char *text = malloc(len ? len : 1);
        memcpy(text, whole, len);
        struct view raw = view_of(text, len);
        struct batch *b = batch_make(&a, two.types, 2, 1);
        struct decoded got;
        d->ops->decode(d, &raw, 1, b, &a, &got);
        assert_int_equal(bit_get(got.bad, 0), len < strlen(whole));
        if (len == strlen(whole))
            assert_int_equal(((int64_t *)b->cols[1].data)[0], 1000);
        free(text);
        arena_release(&a);
    }
    decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_handed_on),
        cmocka_unit_test(scanning_gives_the_same_as_reading_plainly),
        cmocka_unit_test(usual_messages_stay_where_they_are),
        cmocka_unit_test(unfinished_messages_are_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
