/* Messages made flat: what a decoder behind it is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/formats.h"
#include "format/json_flatten.h"

/* A decoder that keeps what it is given. */
struct keeper {
    struct decoder base;
    char texts[32][200];
};

static void keep(struct decoder *base, const struct view *raw, uint32_t rows, struct batch *into, struct arena *a,
                 struct decoded *ret)
{
    (void)into, (void)a, (void)ret;
    struct keeper *k = (struct keeper *)base;
    for (uint32_t r = 0; r < rows; r++) {
        struct slice s = view_slice(&raw[r]);
        assert_true(s.len < sizeof k->texts[r]);
        memcpy(k->texts[r], s.data, s.len);
        k->texts[r][s.len] = 0;
    }
}

static void ignore(struct decoder *base)
{
    (void)base;
}

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
    static const struct decoder_ops ops = {keep, ignore};
    static struct keeper keeper = {.base = {&ops}};
    struct decoder *d = json_flatten_new("person, bid", &keeper.base);
    struct arena a = {0};
    struct view raw[ARRAY_LEN(cases)];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        raw[i] = view_of(cases[i].message, strlen(cases[i].message));
    d->ops->decode(d, raw, ARRAY_LEN(cases), NULL, &a, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(keeper.texts[i], cases[i].flat ? cases[i].flat : cases[i].message);
    arena_release(&a);
    decoder_free(d);
}

/* A message of one byte less, wherever it ends, is never read past its end (the sanitizers look), and is no row. */
static void unfinished_messages_are_no_rows(void **state)
{
    (void)state;
    const char *whole = "{\"type\":2,\"bid\":{\"auction\":1000,\"url\":\"a\\\"b{\"},\"person\":null}";
    struct schema schema = {.ncols = 2,
                            .names = (const char *[]){"type", "auction"},
                            .types = (struct type[]){{TYPE_INT8}, {TYPE_INT8}}};
    struct option item = {.name = "flatten", .value = "person bid"};
    struct options options = {1, &item};
    uint64_t all = UINT64_MAX;
    struct decoder *d;
    struct error err;
    assert_int_equal(format_json.decoder_new(&schema, &all, &options, &d, &err), OK);
    for (size_t len = 0; len <= strlen(whole); len++) {
        struct arena a = {0};
        char *text = malloc(len ? len : 1);
        memcpy(text, whole, len);
        struct view raw = view_of(text, len);
        struct batch *b = batch_make(&a, schema.types, 2, 1);
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
        cmocka_unit_test(unfinished_messages_are_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
