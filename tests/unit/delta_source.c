/* The Delta source over a table that the Delta sink made: every row once, from any position, in the version it began
 * with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/os.h"
#include "sink/connectors.h"
#include "source/connectors.h"

enum { ROWS = 1500, APPENDS = 4 };

static char lake[200];
static const char *names[2] = {"n", "who"};
static struct type types[2];
static const struct schema schema = {.ncols = 2, .names = names, .types = types};

/* ---- the table: append k holds the numbers [k * ROWS, k * ROWS + ROWS) ---- */

struct one_batch {
    struct change_set base;
    int64_t first;
    bool done;
};

static enum status next_batch(struct change_set *c, struct arena *a, struct batch **ret, struct error *err)
{
    struct one_batch *o = (struct one_batch *)c;
    (void)err;
    if (o->done)
        return AGAIN;
    struct batch *b = batch_make(a, types, 2, ROWS);
    for (int i = 0; i < ROWS; i++) {
        int64_t n = o->first + i;
        char *text = arena_printf(a, "somebody with a number %lld", (long long)n);
        ((int64_t *)b->cols[0].data)[i] = n;
        ((struct view *)b->cols[1].data)[i] = view_of(text, strlen(text));
        if (n % 10 == 3)
            column_set_null(&b->cols[1], a, ROWS, (size_t)i);
    }
    b->rows = b->live = ROWS;
    o->done = true;
    *ret = b;
    return OK;
}

static enum status rewind_batch(struct change_set *c, struct error *err)
{
    (void)err;
    ((struct one_batch *)c)->done = false;
    return OK;
}

static void append(int from, int to)
{
    struct option path = {.name = "path", .value = lake};
    const struct options server = {.count = 1, .items = &path}, none = {0};
    const struct sink_config config = {.table = "t",
                                       .identity = "11111111-1111-4111-8111-111111111111/t",
                                       .server = &server,
                                       .options = &none,
                                       .schema = &schema};
    struct sink *sink;
    struct sink_position position;
    struct error err;
    assert_int_equal(sink_delta_connector.open(&config, &sink, &position, &err), OK);
    for (int k = from; k < to; k++) {
        struct one_batch set = {.base = {.from = k + 1, .to = k + 1, .next = next_batch, .rewind = rewind_batch},
                                .first = (int64_t)k * ROWS};
        struct sink_result result;
        assert_int_equal(sink->ops->apply(sink, &set.base, &result, &err), OK);
    }
    sink->ops->free(sink);
}

/* ---- reading ---- */

static enum status open_source(const struct schema *want, const char *option, const char *value, struct source **ret,
                               struct error *err)
{
    struct option path = {.name = "path", .value = lake}, given = {.name = option, .value = value};
    const struct options server = {.count = 1, .items = &path}, options = {.count = option != NULL, .items = &given};
    const struct source_config config = {.table = "t", .server = &server, .options = &options, .schema = want};
    return source_delta_connector.open(&config, ret, err);
}

/* Read on from a position to the end; each number must come `times` times in seen[] then. Answers the rows read. */
static int64_t read_on(struct source *s, int64_t position, uint32_t max_rows, uint8_t *seen)
{
    struct error err;
    int64_t rows = 0;
    if (s->ops->seek(s, 0, position, &err) != OK)
        fail_msg("%s", err.text);
    for (;;) {
        struct source_batch b;
        enum status got = s->ops->poll(s, 0, max_rows, &b, &err);
        if (got == AGAIN)
            break;
        assert_int_equal(got, OK);
        assert_true(b.rows >= 1 && b.rows <= max_rows && b.typed->rows == b.rows && !b.typed->sel);
        for (uint32_t i = 0; i < b.rows; i++) {
            int64_t n = ((int64_t *)b.typed->cols[0].data)[i];
            char text[60];
            assert_in_range(n, 0, ROWS * (APPENDS + 1) - 1);
            seen[n]++;
            assert_int_equal(column_is_null(&b.typed->cols[1], i), n % 10 == 3);
            snprintf(text, sizeof text, "somebody with a number %lld", (long long)n);
            if (n % 10 != 3)
                assert_true(slice_is(view_slice(column_view(&b.typed->cols[1], i)), text));
        }
        rows += b.rows;
        assert_int_equal(b.next_position, b.origin.offset[0] + b.rows);
        s->ops->release(s, &b);
    }
    assert_true(s->ops->finished(s, 0));
    return rows;
}

static void all_rows_once(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {2048, 700, 1};
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct source *s;
        struct error err;
        uint8_t seen[ROWS * (APPENDS + 1)] = {0};
        assert_int_equal(open_source(&schema, NULL, NULL, &s, &err), OK);
        assert_false(s->ops->finished(s, 0));
        assert_int_equal(read_on(s, POSITION_START, sizes[k], seen), ROWS * APPENDS);
        for (int i = 0; i < ROWS * APPENDS; i++)
            assert_int_equal(seen[i], 1);
        s->ops->free(s);
    }
}

/* Stopped after some rows; meanwhile the table grows; a new source goes on where the first one was. */
static void goes_on_in_its_version(void **state)
{
    (void)state;
    struct source *s, *resumed;
    struct error err;
    struct source_batch b;
    int64_t position = POSITION_START, taken = 0;
    uint8_t seen[ROWS * (APPENDS + 1)] = {0};
    assert_int_equal(open_source(&schema, NULL, NULL, &s, &err), OK);
    assert_int_equal(s->ops->seek(s, 0, POSITION_START, &err), OK);
    while (taken < ROWS * 2 + 77) {
        assert_int_equal(s->ops->poll(s, 0, 777, &b, &err), OK);
        for (uint32_t i = 0; i < b.rows; i++)
            seen[((int64_t *)b.typed->cols[0].data)[i]]++;
        taken += b.rows;
        position = b.next_position;
        s->ops->release(s, &b);
    }
    int64_t end = s->ops->end_position(s, 0);
    s->ops->free(s);
    append(APPENDS, APPENDS + 1);
    assert_int_equal(open_source(&schema, NULL, NULL, &resumed, &err), OK);
    assert_int_equal(read_on(resumed, position, 2048, seen), ROWS * APPENDS - taken);
    assert_int_equal(resumed->ops->end_position(resumed, 0), end);
    for (int i = 0; i < ROWS * (APPENDS + 1); i++)
        assert_int_equal(seen[i], i < ROWS * APPENDS);
    resumed->ops->free(resumed);
}

static void an_older_version(void **state)
{
    (void)state;
    struct source *s;
    struct error err;
    uint8_t seen[ROWS * (APPENDS + 1)] = {0};
    assert_int_equal(open_source(&schema, "version", "1", &s, &err), OK);
    assert_int_equal(read_on(s, POSITION_START, 2048, seen), ROWS * 2);
    s->ops->free(s);
}

static void must_refuse(const struct schema *want, const char *option, const char *value, const char *text)
{
    struct source *s;
    struct error err = {0};
    assert_int_equal(open_source(want, option, value, &s, &err), FAILED);
    char whole[1200];
    if (!strstr(error_print(&err, whole, sizeof whole), text))
        fail_msg("\"%s\" is not in: %s", text, whole);
}

static void refusals(void **state)
{
    (void)state;
    const char *wrong_names[2] = {"n", "whoo"};
    struct type wrong_types[2] = {TYPE(TYPE_DATE), TYPE(TYPE_TEXT)};
    const struct schema misnamed = {.ncols = 2, .names = wrong_names, .types = types};
    const struct schema mistyped = {.ncols = 2, .names = names, .types = wrong_types};
    must_refuse(&misnamed, NULL, NULL, "did you mean \"who\"");
    must_refuse(&mistyped, NULL, NULL, "\"n\"");
    must_refuse(&schema, "version", "77", "77");
    must_refuse(&schema, "timestamp", "yesterday", "no date and time");
    must_refuse(&schema, "timestamp", "2001-01-01T00:00:00Z", "no version of the table is that old");
    must_refuse(&schema, "path", "elsewhere", "no Delta table");
}

static int make_table(void **state)
{
    (void)state;
    char uuid[37];
    types[0] = TYPE(TYPE_INT8);
    types[1] = TYPE(TYPE_TEXT);
    os_uuid(uuid);
    const char *temporary = os_env("TMPDIR");
    snprintf(lake, sizeof lake, "%.100s/bourn-unit-%s", temporary ? temporary : "/tmp", uuid);
    append(0, APPENDS);
    return 0;
}

static int remove_table(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", lake);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_once),
        cmocka_unit_test(goes_on_in_its_version),
        cmocka_unit_test(an_older_version),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, make_table, remove_table);
}
