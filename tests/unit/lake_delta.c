/* The Delta log: what the protocol says, races, answers that got lost, checkpoints, tables that are refused. Tables of
 * other programs, and ours read by them: tests/interop/lake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lake/delta.h"
#include "lake/json.h"
#include "memory_store.h"

static struct error err;
#define must(call) assert_int_equal(call, OK)
#define must_fail(call, expected_code, word)                                                                           \
    do {                                                                                                               \
        assert_int_equal(call, FAILED);                                                                                \
        assert_int_equal(err.code, expected_code);                                                                     \
        if (!strstr(err.text, word))                                                                                   \
            fail_msg("\"%s\" does not say %s", err.text, word);                                                        \
    } while (0)

static const char *names[] = {"id", "day", "note"};
static struct type types[] = {{.id = TYPE_INT8}, {.id = TYPE_DATE}, {.id = TYPE_TEXT}};
static const struct schema schema = {.ncols = 3, .names = names, .types = types};

static void put(struct store *s, const char *name, const char *text)
{
    must(store_put(s, name, slice_of(text), &err));
}

static bool has(struct store *s, const char *name)
{
    struct store_object o;
    struct error ignored;
    return s->ops->head(s, name, &o, &ignored) == OK;
}

/* One file of rows id = first.., day by partition, note "n". */
static enum status append(struct delta_table *t, int64_t first, int64_t rows, const char *day, int64_t epoch,
                          enum delta_outcome *ret)
{
    AUTO(arena) a = {0};
    AUTO(buf) path = BUF(KIB(4));
    AUTO(buf) stats = BUF(KIB(64));
    struct type stored_types[] = {types[0], types[2]};
    const char *stored_names[] = {"id", "note"};
    struct schema stored = {.ncols = 2, .names = stored_names, .types = stored_types};
    struct batch *b = batch_make(&a, stored_types, 2, (uint32_t)rows);
    for (int64_t i = 0; i < rows; i++) {
        ((int64_t *)b->cols[0].data)[i] = first + i;
        ((struct view *)b->cols[1].data)[i] = view_of("n", 1);
    }
    b->rows = b->live = (uint32_t)rows;
    AUTO(parquet_writer) *w = parquet_writer_new(&stored, NULL);
    struct parquet_file file;
    TRY(parquet_writer_add(w, b, &err));
    TRY(parquet_writer_finish(w, &file, &err));
    delta_new_path(t, &day, PARQUET_ZSTD, &path);
    delta_stats_json(&file, &stats);
    TRY(delta_put_file(t, buf_cstr(&path), &file, &err));
    struct delta_add add = {.path = buf_cstr(&path), .partition = &day, .bytes = file.bytes, .stats = buf_cstr(&stats)};
    struct delta_commit c = {.operation = "WRITE",
                             .blind_append = true,
                             .data_change = true,
                             .adds = &add,
                             .nadds = 1,
                             .app_id = "app",
                             .app_version = epoch};
    return delta_commit(t, &c, ret, &err);
}

static struct delta_table *make(struct store *s)
{
    struct delta_table *t = NULL;
    const char *partition = "day";
    must(delta_new(s, "t", &schema, &partition, 1, NULL, 0, &t, &err));
    return t;
}

static int64_t count_rows(const struct delta_table *t, int64_t *ret_sum)
{
    int64_t rows = 0;
    *ret_sum = 0;
    for (uint32_t i = 0; i < delta_file_count(t); i++) {
        AUTO(delta_reader) *r = NULL;
        if (delta_reader_open(t, delta_file_at(t, i), NULL, &r, &err) != OK)
            fail_msg("%s", err.text);
        for (struct batch *b;;) {
            AUTO(arena) a = {0};
            must(delta_reader_next(r, &a, &b, &err));
            if (!b)
                break;
            assert_int_equal(b->ncols, 3);
            for (uint32_t k = 0; k < batch_live(b); k++, rows++)
                *ret_sum += ((const int64_t *)b->cols[0].data)[batch_row(b, k)];
        }
    }
    return rows;
}

/* RFC 8259, and what it does not allow. */
static void json_is_read_exactly(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"{\"a\":[1,-0.50,1e+5,true,null,{}]}", "{\"a\":[1,-0.50,1e+5,true,null,{}]}"},
        {" 123456789012345678901234567890.12345678901234567890 ",
         "123456789012345678901234567890.12345678901234567890"},
        {"\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80\\n/\""},
        {"[[],\n\t[ ]\r]", "[[],[]]"},
    };
    static const char *const bad[] = {
        "",   "{",        "[1,]",    "{\"a\":1,}",         "01",          "1.",  "-",   "+1",
        ".5", "\"a\nb\"", "\"\\x\"", "\"\\ud800\"",        "\"\\u0000\"", "nul", "1 2", "{a:1}",
        "\"", "[1}",      "NaN",     "\"\\ud800\\u0041\"", "1e"};
    AUTO(arena) a = {0};
    AUTO(buf) deep = BUF(KIB(1));
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO(buf) text = BUF(KIB(1));
        const struct json *j = json_parse(slice_of(good[i][0]), &a);
        assert_non_null(j);
        json_print(j, &text);
        assert_string_equal(buf_cstr(&text), good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (json_parse(slice_of(bad[i]), &a))
            fail_msg("%s was taken", bad[i]);
    for (int i = 0; i < 500; i++)
        buf_putc(&deep, '[');
    assert_null(json_parse(buf_slice(&deep), &a));
    const struct json *j = json_parse(SLICE("{\"v\":9223372036854775807,\"w\":9223372036854775808,\"x\":1.0}"), &a);
    assert_int_equal(json_int(j, "v", 0), INT64_MAX);
    assert_int_equal(json_int(j, "w", 7), 7);
    assert_int_equal(json_int(j, "x", 7), 7);
}

static void a_table_begins_with_its_first_commit(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(delta_table) *again = NULL;
    enum delta_outcome outcome;
    int64_t sum, version;
    must_fail(delta_open(s, "t", &again, &err), ERR_NOT_FOUND, "no Delta table");
    must(append(t, 0, 10, "2026-11-21", 7, &outcome));
    assert_int_equal(outcome, DELTA_COMMITTED);
    assert_int_equal(t->version, 0);
    must(delta_open(s, "t", &again, &err));
    assert_int_equal(again->version, 0);
    assert_int_equal(again->protocol.min_reader, 1);
    assert_int_equal(again->protocol.min_writer, 2);
    assert_string_equal(again->metadata.id, t->metadata.id);
    assert_int_equal(again->metadata.schema.ncols, 3);
    assert_string_equal(again->metadata.delta_types[0], "long");
    assert_true(delta_txn_version(again, "app", &version, NULL));
    assert_int_equal(version, 7);
    assert_false(delta_txn_version(again, "other", &version, NULL));
    assert_int_equal(count_rows(again, &sum), 10);
    assert_int_equal(sum, 45);
    store_free(s);
}

static void a_lost_race_shows_what_the_winner_did(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *one = make(s);
    AUTO(delta_table) *two = make(s);
    AUTO(delta_changes) c = {0};
    enum delta_outcome outcome;
    int64_t sum;
    must(append(one, 0, 1, "2026-11-21", 1, &outcome));
    must(append(two, 0, 1, "2026-11-21", 1, &outcome));
    assert_int_equal(outcome, DELTA_LOST);
    assert_int_equal(two->version, -1);
    must(delta_refresh(two, &c, &err));
    assert_true(c.recreated && c.metadata && c.protocol);
    delta_changes_release(&c);
    assert_string_equal(one->metadata.id, two->metadata.id);
    must(append(one, 1, 1, "2026-11-22", 2, &outcome));
    must(append(two, 2, 1, NULL, 3, &outcome));
    assert_int_equal(outcome, DELTA_LOST);
    must(delta_refresh(two, &c, &err));
    assert_int_equal(c.from, 0);
    assert_int_equal(c.to, 1);
    assert_false(c.metadata || c.protocol || c.recreated);
    assert_true(c.all_blind);
    assert_int_equal(c.nfiles, 1);
    assert_true(c.files[0].added && c.files[0].data_change);
    assert_false(delta_changes_removed(&c, c.files[0].path));
    must(append(two, 2, 1, NULL, 3, &outcome));
    assert_int_equal(outcome, DELTA_COMMITTED);
    assert_int_equal(count_rows(two, &sum), 3);
    assert_int_equal(sum, 3);
    store_free(s);
}

/* Each call to the store during a commit fails, once before and once after its effect: what delta_commit says must be
 * true. */
static void lost_answers_are_looked_up(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++)
        for (uint32_t call = 1; call <= 4; call++) {
            struct store *s = memory_store_new();
            struct memory_store *m = memory_of(s);
            AUTO(delta_table) *t = make(s);
            AUTO(delta_table) *again = NULL;
            enum delta_outcome outcome = DELTA_LOST;
            must(append(t, 0, 1, NULL, 1, &outcome));
            m->calls = 0;
            m->fail_at = call;
            m->fail_after_effect = after;
            enum status status = append(t, 1, 1, NULL, 2, &outcome);
            m->fail_at = 0;
            must(delta_open(s, "t", &again, &err));
            if (status == OK) {
                assert_int_equal(outcome, DELTA_COMMITTED);
                assert_int_equal(again->version, 1);
                assert_int_equal(t->version, 1);
            } else
                assert_int_equal(again->version, t->version);
            if (after && call == 2) /* the answer to put_if_absent got lost */
                assert_int_equal(status, OK);
            if (!after && call == 2)
                assert_true(status == FAILED && err.retriable);
            store_free(s);
        }
}

static void checkpoints_hold_everything(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    enum delta_outcome outcome;
    char name[100];
    int64_t sum, version;
    for (int i = 0; i < 25; i++) {
        must(append(t, i * 10, 10, i % 3 ? "2026-11-21" : NULL, i, &outcome));
        assert_int_equal(delta_checkpoint_due(t), i % 10 == 0 && i);
        if (delta_checkpoint_due(t))
            must(delta_checkpoint(t, &err));
    }
    const struct delta_file *old[] = {delta_file_at(t, 3)};
    struct delta_commit remove = {.operation = "DELETE", .data_change = true, .removes = old, .nremoves = 1};
    must(delta_commit(t, &remove, &outcome, &err));
    must(delta_checkpoint(t, &err));
    assert_true(has(s, "t/_delta_log/_last_checkpoint"));
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "t/_delta_log/%020d.json", i);
        must(s->ops->remove(s, name, &err));
    }
    for (int hint = 0; hint < 3; hint++) { /* as it was, corrupt, gone */
        AUTO(delta_table) *again = NULL;
        if (hint == 1)
            put(s, "t/_delta_log/_last_checkpoint", "{\"version\":");
        if (hint == 2)
            must(s->ops->remove(s, "t/_delta_log/_last_checkpoint", &err));
        must(delta_open(s, "t", &again, &err));
        assert_int_equal(again->version, 25);
        assert_int_equal(again->checkpoint_version, 25);
        assert_int_equal(delta_file_count(again), 24);
        assert_true(delta_txn_version(again, "app", &version, NULL));
        assert_int_equal(version, 24);
        assert_int_equal(count_rows(again, &sum), 240);
        assert_string_equal(again->metadata.schema_string, t->metadata.schema_string);
        assert_int_equal(again->metadata.npartition, 1);
    }
    /* broken: the one before it serves, if the commits since are there */
    put(s, "t/_delta_log/00000000000000000025.checkpoint.parquet", "PAR1 nonsense PAR1");
    AUTO(delta_table) *none = NULL;
    must_fail(delta_open(s, "t", &none, &err), ERR_CORRUPT, "missing");
    store_free(s);
}

static void versions_and_times_can_be_gone_back_to(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    struct delta_pair in_commit = {"delta.enableInCommitTimestamps", "true"};
    struct delta_table *t = NULL;
    enum delta_outcome outcome;
    AUTO(delta_table) *old = NULL;
    AUTO(delta_table) *when = NULL;
    AUTO(delta_table) *none = NULL;
    const char *partition = "day";
    int64_t sum;
    must(delta_new(s, "t", &schema, &partition, 1, &in_commit, 1, &t, &err));
    for (int i = 0; i < 12; i++)
        must(append(t, i, 1, NULL, i, &outcome));
    must(delta_open_version(s, "t", 5, &old, &err));
    assert_int_equal(count_rows(old, &sum), 6);
    must_fail(append(old, 9, 1, NULL, 99, &outcome), ERR_USAGE, "earlier version");
    must_fail(delta_open_version(s, "t", 12, &none, &err), ERR_NOT_FOUND, "newest is 11");
    must_fail(delta_open_timestamp(s, "t", 1000000, &none, &err), ERR_NOT_FOUND, "that old");
    AUTO(buf) text = BUF(MIB(1));
    AUTO(arena) a = {0};
    must(store_get(s, "t/_delta_log/00000000000000000007.json", &text, &err));
    struct slice first = {text.data, (size_t)((char *)memchr(text.data, '\n', text.len) - text.data)};
    int64_t ms = json_int(json_get(json_parse(first, &a), "commitInfo"), "inCommitTimestamp", 0);
    must(delta_open_timestamp(s, "t", ms * 1000, &when, &err));
    assert_int_equal(when->version, 7); /* every commit has a millisecond of its own */
    delta_close(t);
    store_free(s);
}

static void columns_are_added_at_the_end(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(delta_table) *again = NULL;
    enum delta_outcome outcome;
    uint32_t missing;
    must(append(t, 0, 5, NULL, 1, &outcome));
    const char *more_names[] = {"id", "day", "note", "amount"};
    struct type more_types[] = {types[0], types[1], types[2], type_numeric(18, 2)};
    struct schema more = {.ncols = 4, .names = more_names, .types = more_types};
    must(delta_check_schema(t, &more, &missing, &err));
    assert_int_equal(missing, 1);
    struct delta_commit c = {.operation = "ADD COLUMNS", .schema = &more};
    char *id = mem_strdup(t->metadata.id);
    must(delta_commit(t, &c, &outcome, &err));
    assert_int_equal(t->metadata.schema.ncols, 4);
    assert_string_equal(t->metadata.id, id);
    assert_string_equal(t->metadata.delta_types[3], "decimal(18,2)");
    free(id);
    must(delta_open(s, "t", &again, &err));
    AUTO(delta_reader) *r = NULL;
    AUTO(arena) a = {0};
    struct batch *b;
    must(delta_reader_open(again, delta_file_at(again, 0), NULL, &r, &err));
    must(delta_reader_next(r, &a, &b, &err));
    assert_int_equal(b->ncols, 4);
    assert_true(column_is_null(&b->cols[3], 0));
    assert_true(column_is_null(&b->cols[1], 0)); /* the partition is null */
    more_types[0] = TYPE(TYPE_TEXT);
    must_fail(delta_check_schema(t, &more, &missing, &err), ERR_STATE, "\"id\" is long");
    more.ncols = 3;
    more_types[0] = types[0];
    must_fail(delta_check_schema(t, &more, &missing, &err), ERR_STATE, "amount");
    store_free(s);
}

/* ---- tables of others ---- */

#define META(schema_fields, configuration)                                                                             \
    "{\"metaData\":{\"id\":\"m\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"                                \
    "\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[" schema_fields                                   \
    "]}\",\"partitionColumns\":[],"                                                                                    \
    "\"configuration\":{" configuration "}}}\n"
#define FIELD "{\\\"name\\\":\\\"x\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}"
#define GENERATED                                                                                                      \
    "{\\\"name\\\":\\\"x\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{\\\"delta."             \
    "generationExpression\\\":\\\"1\\\"}}"
#define PROTOCOL(r, w, more) "{\"protocol\":{\"minReaderVersion\":" #r ",\"minWriterVersion\":" #w more "}}\n"

static void features_are_refused_by_name(void **state)
{
    (void)state;
    enum { READ, APPEND, REWRITE, FINE };
    static const struct {
        int refused;
        const char *commit, *word;
    } tables[] = {
        {FINE, PROTOCOL(1, 2, "") META(FIELD, ""), ""},
        {FINE, PROTOCOL(2, 5, "") META(FIELD, ""), ""},
        {FINE,
         PROTOCOL(3, 7,
                  ",\"readerFeatures\":[\"deletionVectors\",\"v2Checkpoint\"],\"writerFeatures\":[\"deletion"
                  "Vectors\",\"v2Checkpoint\",\"domainMetadata\"]") META(FIELD, ""),
         ""},
        {READ, PROTOCOL(99, 7, "") META(FIELD, ""), "reader version 99"},
        {READ,
         PROTOCOL(3, 7, ",\"readerFeatures\":[\"variantType\"],\"writerFeatures\":[\"variantType\"]") META(FIELD, ""),
         "variantType"},
        {READ, PROTOCOL(2, 5, "") META(FIELD, "\"delta.columnMapping.mode\":\"name\""), "columnMapping"},
        {APPEND, PROTOCOL(1, 8, "") META(FIELD, ""), "writer version 8"},
        {APPEND, PROTOCOL(1, 7, ",\"writerFeatures\":[\"rowTracking\"]") META(FIELD, ""), "rowTracking"},
        {APPEND, PROTOCOL(1, 3, "") META(FIELD, "\"delta.constraints.positive\":\"x > 0\""), "positive"},
        {APPEND, PROTOCOL(1, 4, "") META(GENERATED, ""), "generatedColumns"},
        {REWRITE, PROTOCOL(1, 2, "") META(FIELD, "\"delta.appendOnly\":\"true\""), "append-only"},
        {REWRITE, PROTOCOL(1, 4, "") META(FIELD, "\"delta.enableChangeDataFeed\":\"true\""), "change data feed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct store *s = memory_store_new();
        AUTO(delta_table) *t = NULL;
        put(s, "t/_delta_log/00000000000000000000.json", tables[i].commit);
        if (tables[i].refused == READ)
            must_fail(delta_open(s, "t", &t, &err), ERR_UNSUPPORTED, tables[i].word);
        else {
            must(delta_open(s, "t", &t, &err));
            if (tables[i].refused == APPEND)
                must_fail(delta_check_append(t, &err), ERR_UNSUPPORTED, tables[i].word);
            else
                must(delta_check_append(t, &err));
            if (tables[i].refused == REWRITE)
                must_fail(delta_check_rewrite(t, &err), ERR_UNSUPPORTED, tables[i].word);
            if (tables[i].refused == FINE)
                must(delta_check_rewrite(t, &err));
        }
        store_free(s);
    }
}

static void broken_logs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *commit;
        enum error_code code;
        const char *word;
    } logs[] = {
        {"", ERR_CORRUPT, "no protocol"},
        {PROTOCOL(1, 2, ""), ERR_CORRUPT, "no metaData"},
        {META(FIELD, ""), ERR_CORRUPT, "no protocol"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":", ERR_CORRUPT, "line 3"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":{\"path\":\"../../etc/passwd\"}}", ERR_CORRUPT,
         "inside the table"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":{\"path\":\"a%2F..%2F..%2Fb\"}}", ERR_CORRUPT,
         "inside the table"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":{\"path\":\"a%00b\"}}", ERR_CORRUPT, "NUL"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":{\"path\":\"/etc/passwd\"}}", ERR_UNSUPPORTED, "outside"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":{\"path\":\"s3://other/t/f\"}}", ERR_UNSUPPORTED, "outside"},
        {PROTOCOL(1, 2, "") META(FIELD, "") "{\"add\":{}}", ERR_CORRUPT, "without a path"},
        {PROTOCOL(1, 2, "") META("]", ""), ERR_CORRUPT, "schemaString"},
    };
    for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
        struct store *s = memory_store_new();
        AUTO(delta_table) *t = NULL;
        put(s, "t/_delta_log/00000000000000000000.json", logs[i].commit);
        must_fail(delta_open(s, "t", &t, &err), logs[i].code, logs[i].word);
        store_free(s);
    }
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = NULL;
    put(s, "t/_delta_log/00000000000000000000.json", PROTOCOL(1, 2, "") META(FIELD, ""));
    put(s, "t/_delta_log/00000000000000000002.json", "{\"commitInfo\":{}}");
    must_fail(delta_open(s, "t", &t, &err), ERR_CORRUPT, "version 1 of the Delta log is missing");
    store_free(s);
}

#define STRING(name)                                                                                                   \
    "{\\\"name\\\":\\\"" name "\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}"
#define PARTITIONED(columns)                                                                                           \
    "{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\"},"                                               \
    "\"schemaString\":\"{\\\"type\\\":\\\"struct\\\","                                                                 \
    "\\\"fields\\\":[" FIELD "," STRING("p") "," STRING("q") "]}\","                                                   \
    "\"partitionColumns\":[" columns "],\"configuration\":{}}}\n"
#define A_FILE(verb, path, values) "{\"" verb "\":{\"path\":\"" path "\",\"partitionValues\":{" values "}}}\n"

/* REPLACE TABLE ... PARTITIONED BY: the new columns come before the old files are removed. */
static void partition_columns_may_change(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = NULL;
    AUTO(delta_changes) changes = {0};
    put(s, "t/_delta_log/00000000000000000000.json",
        PROTOCOL(1, 2, "") PARTITIONED("\"p\"") A_FILE("add", "one", "\"p\":\"x\"") A_FILE("add", "two", ""));
    must(delta_open(s, "t", &t, &err));
    put(s, "t/_delta_log/00000000000000000001.json",
        PARTITIONED("\"q\",\"p\"") A_FILE("add", "three", "\"p\":\"v\",\"q\":\"w\"") A_FILE("remove", "one", "")
            A_FILE("remove", "two", ""));
    must(delta_refresh(t, NULL, &err));
    assert_int_equal(delta_file_count(t), 1);
    assert_string_equal(delta_file_at(t, 0)->partition[0], "w");
    assert_string_equal(delta_file_at(t, 0)->partition[1], "v");
    put(s, "t/_delta_log/00000000000000000002.json", PARTITIONED("\"p\""));
    must(delta_refresh(t, NULL, &err));
    assert_string_equal(delta_file_at(t, 0)->partition[0], "v");
    must(delta_checkpoint(t, &err)); /* with tombstones of three partitionings */
    delta_close(t);
    t = NULL;
    must(delta_open(s, "t", &t, &err));
    assert_string_equal(delta_file_at(t, 0)->partition[0], "v");
    put(s, "t/_delta_log/00000000000000000003.json", PARTITIONED("\"q\""));
    must_fail(delta_refresh(t, &changes, &err), ERR_CORRUPT, "three, written under the old ones, was not removed");
    delta_close(t);
    t = NULL;
    store_free(s);
}

static void what_is_unknown_is_passed_over(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = NULL;
    int64_t version;
    put(s, "t/_delta_log/00000000000000000000.json",
        "{\"commitInfo\":{\"x\":[1,{}]},\"tomorrow\":{\"a\":1}}\n\n" PROTOCOL(1, 2, ",\"more\":null") META(FIELD, "")
            "{\"cdc\":{\"path\":\"_change_data/x\"}}\n{\"add\":{\"path\":\"a%20b.parquet\",\"size\":9007199254740993,"
            "\"new\":true,\"deletionVector\":null}}\n{\"txn\":{\"appId\":\"a\",\"version\":9007199254740993}}\r\n");
    put(s, "t/_delta_log/00000000000000000000.json.tmp", "x");
    put(s, "t/_delta_log/00000000000000000000.00000000000000000001.compacted.json", "x");
    put(s, "t/_delta_log/00000000000000000000.crc", "x");
    put(s, "t/_delta_log/_commits/00000000000000000001.uuid.json", "x");
    must(delta_open(s, "t", &t, &err));
    assert_int_equal(t->version, 0);
    assert_string_equal(delta_file_at(t, 0)->path, "a b.parquet");
    assert_int_equal(delta_file_at(t, 0)->bytes, 9007199254740993);
    assert_non_null(delta_file_find(t, "a b.parquet"));
    assert_true(delta_txn_version(t, "a", &version, NULL));
    assert_int_equal(version, 9007199254740993);
    store_free(s);
}

static void a_table_that_vanished_is_noticed(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    enum delta_outcome outcome;
    for (int i = 0; i < 3; i++)
        must(append(t, i, 1, NULL, i, &outcome));
    memory_clear(memory_of(s));
    must_fail(delta_refresh(t, NULL, &err), ERR_STATE, "deleted or replaced");
    store_free(s);
}

/* ---- statistics and bounds ---- */

static void check_stats(struct type type, const char *const *values, unsigned n, const char *expected)
{
    AUTO(arena) a = {0};
    AUTO(buf) stats = BUF(KIB(64));
    const char *called = "c";
    struct schema one = {.ncols = 1, .names = &called, .types = &type};
    AUTO(parquet_writer) *w = parquet_writer_new(&one, NULL);
    struct batch *b = batch_make(&a, &type, 1, n);
    struct parquet_file file;
    for (unsigned i = 0; i < n; i++)
        if (values[i])
            must(column_parse(&b->cols[0], i, slice_of(values[i]), &a, &err));
        else
            column_set_null(&b->cols[0], &a, n, i);
    b->rows = b->live = n;
    must(parquet_writer_add(w, b, &err));
    must(parquet_writer_finish(w, &file, &err));
    delta_stats_json(&file, &stats);
    assert_string_equal(buf_cstr(&stats), expected);
}

static void stats_are_as_the_protocol_wants(void **state)
{
    (void)state;
    check_stats(
        TYPE(TYPE_INT8), (const char *[]){"-9223372036854775808", NULL, "9223372036854775807"}, 3,
        "{\"numRecords\":3,\"minValues\":{\"c\":-9223372036854775808},\"maxValues\":{\"c\":9223372036854775807},"
        "\"nullCount\":{\"c\":1}}");
    check_stats(
        type_numeric(38, 2), (const char *[]){"999999999999999999999999999999999999.99", "-0.01"}, 2,
        "{\"numRecords\":2,\"minValues\":{\"c\":-0.01},\"maxValues\":{\"c\":999999999999999999999999999999999999."
        "99},\"nullCount\":{\"c\":0}}");
    check_stats(
        TYPE(TYPE_TIMESTAMPTZ), (const char *[]){"1969-12-31 23:59:59.999999+00", "2026-11-21 06:00:00.123001+00"}, 2,
        "{\"numRecords\":2,\"minValues\":{\"c\":\"1969-12-31T23:59:59.999Z\"},\"maxValues\":{\"c\":\"2026-11-21T"
        "06:00:00.124Z\"},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_BOOL), (const char *[]){"t", "f"}, 2,
                "{\"numRecords\":2,\"minValues\":{},\"maxValues\":{},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_FLOAT8), (const char *[]){"NaN", "1"}, 2,
                "{\"numRecords\":2,\"minValues\":{},\"maxValues\":{},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_FLOAT8), (const char *[]){"0.1", "Infinity"}, 2,
                "{\"numRecords\":2,\"minValues\":{\"c\":0.1},\"maxValues\":{},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_TEXT), (const char *[]){NULL}, 1,
                "{\"numRecords\":1,\"minValues\":{},\"maxValues\":{},\"nullCount\":{\"c\":1}}");
}

#define A31 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static void long_strings_are_cut(void **state)
{
    (void)state;
    check_stats(TYPE(TYPE_TEXT), (const char *[]){A31 "b"}, 1,
                "{\"numRecords\":1,\"minValues\":{\"c\":\"" A31 "b\"},\"maxValues\":{\"c\":\"" A31
                "b\"},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_TEXT), (const char *[]){A31 "bc"}, 1,
                "{\"numRecords\":1,\"minValues\":{\"c\":\"" A31 "b\"},\"maxValues\":{\"c\":\"" A31
                "b\x7f\"},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_TEXT), (const char *[]){A31 "\xc3\xa9\xc3\xa9"}, 1,
                "{\"numRecords\":1,\"minValues\":{\"c\":\"" A31 "\xc3\xa9\"},\"maxValues\":{\"c\":\"" A31
                "\xc3\xa9\xf4\x8f\xbf\xbf\"},\"nullCount\":{\"c\":0}}");
    check_stats(TYPE(TYPE_TEXT), (const char *[]){A31 "b\xf4\x8f\xbf\xbf"}, 1,
                "{\"numRecords\":1,\"minValues\":{\"c\":\"" A31 "b\"},\"maxValues\":{},\"nullCount\":{\"c\":0}}");
}

static void bounds_come_back(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(KIB(1));
    enum delta_outcome outcome;
    uint64_t rows;
    must(append(t, 100, 50, "2026-11-21", 1, &outcome));
    struct batch *b = delta_file_bounds(t, delta_file_at(t, 0), &a);
    assert_int_equal(((int64_t *)b->cols[0].data)[0], 100);
    assert_int_equal(((int64_t *)b->cols[0].data)[1], 149);
    assert_true(column_print(&b->cols[1], 0, &text));
    assert_string_equal(buf_cstr(&text), "2026-11-21");
    assert_true(slice_is(view_slice(column_view(&b->cols[2], 1)), "n"));
    assert_true(delta_file_rows(delta_file_at(t, 0), &rows));
    assert_int_equal(rows, 50);
    store_free(s);
}

/* ---- deletion vectors ---- */

/* The protocol's example of rows 3, 4, 7, 11, 18 and 29, in the portable form (as delta-kernel's tests have it). */
static void a_deletion_vector_hides_its_rows(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(delta_table) *again = NULL;
    AUTO(buf) commit = BUF(KIB(4));
    enum delta_outcome outcome;
    uint64_t rows;
    int64_t sum;
    must(append(t, 0, 30, NULL, 1, &outcome));
    const char *path = delta_file_at(t, 0)->path;
    buf_printf(
        &commit,
        "{\"remove\":{\"path\":\"%s\",\"dataChange\":true}}\n{\"add\":{\"path\":\"%s\",\"partitionValues\":{},"
        "\"size\":1,\"dataChange\":true,\"stats\":\"{\\\"numRecords\\\":30}\",\"deletionVector\":{\"storageType\":"
        "\"i\",\"pathOrInlineDv\":\"^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L\",\"sizeInBytes\":44,"
        "\"cardinality\":6}}}\n",
        path, path);
    put(s, "t/_delta_log/00000000000000000001.json", buf_cstr(&commit));
    must(delta_open(s, "t", &again, &err));
    assert_int_equal(delta_file_count(again), 1);
    assert_true(delta_file_rows(delta_file_at(again, 0), &rows));
    assert_int_equal(rows, 24);
    assert_int_equal(count_rows(again, &sum), 24);
    assert_int_equal(sum, 29 * 30 / 2 - (3 + 4 + 7 + 11 + 18 + 29));
    assert_ptr_equal(delta_file_find(again, path), delta_file_at(again, 0));
    store_free(s);
}

static void put_u16(struct buf *b, unsigned v)
{
    buf_put_u8(b, (uint8_t)v);
    buf_put_u8(b, (uint8_t)(v >> 8));
}

static void put_z85(struct buf *out, const struct buf *bytes)
{
    static const char digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    for (size_t i = 0; i < bytes->len; i += 4) {
        uint32_t v = __builtin_bswap32(load_u32(bytes->data + i));
        char five[5];
        for (int k = 4; k >= 0; k--, v /= 85)
            five[k] = digits[v % 85];
        buf_put(out, five, 5);
    }
}

/* Three containers, as the format's specification says: an array, runs, a bitset of every third row. */
static void deletion_vectors_of_every_container(void **state)
{
    (void)state;
    enum { ROWS = 3 * 65536 };
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(delta_table) *again = NULL;
    AUTO(buf) bytes = BUF(KIB(64));
    AUTO(buf) text = BUF(KIB(64));
    AUTO(buf) commit = BUF(KIB(64));
    enum delta_outcome outcome;
    int64_t sum, gone = 0, expected = 0;
    must(append(t, 0, ROWS, NULL, 1, &outcome));
    buf_put_u32(&bytes, 1681511377);
    buf_put_u64(&bytes, 1);
    buf_put_u32(&bytes, 0);
    buf_put_u32(&bytes, 12347 | 2 << 16);
    buf_put_u8(&bytes, 2); /* the second is runs */
    static const unsigned heads[3][2] = {{0, 2}, {1, 30}, {2, 65536 / 3 + 1}};
    for (int i = 0; i < 3; i++) {
        put_u16(&bytes, heads[i][0]);
        put_u16(&bytes, heads[i][1] - 1);
    }
    put_u16(&bytes, 1);
    put_u16(&bytes, 65535);
    put_u16(&bytes, 2); /* runs: 10 rows from 10, 20 from 65516 */
    put_u16(&bytes, 10);
    put_u16(&bytes, 9);
    put_u16(&bytes, 65516);
    put_u16(&bytes, 19);
    for (unsigned word = 0; word < 1024; word++) {
        uint64_t bits = 0;
        for (unsigned k = 0; k < 64; k++)
            bits |= (uint64_t)((word * 64 + k) % 3 == 0) << k;
        buf_put_u64(&bytes, bits);
    }
    while (bytes.len % 4)
        buf_put_u8(&bytes, 0);
    put_z85(&text, &bytes);
    for (int64_t row = 0; row < ROWS; row++) {
        int64_t low = row % 65536;
        bool deleted = row < 65536    ? low == 1 || low == 65535
                       : row < 131072 ? (low >= 10 && low < 20) || low >= 65516
                                      : low % 3 == 0;
        gone += deleted;
        expected += deleted ? 0 : row;
    }
    buf_printf(&commit, "{\"add\":{\"path\":\"%s\",\"partitionValues\":{},\"size\":1,\"dataChange\":true,",
               delta_file_at(t, 0)->path);
    buf_printf(&commit, "\"deletionVector\":{\"storageType\":\"i\",\"sizeInBytes\":%zu,\"cardinality\":%lld,",
               bytes.len, (long long)gone);
    buf_printf(&commit, "\"pathOrInlineDv\":\"%s\"}}}\n{\"remove\":{\"path\":\"%s\"}}", buf_cstr(&text),
               delta_file_at(t, 0)->path);
    put(s, "t/_delta_log/00000000000000000001.json", buf_cstr(&commit));
    must(delta_open(s, "t", &again, &err));
    assert_int_equal(count_rows(again, &sum), ROWS - gone);
    assert_int_equal(sum, expected);
    store_free(s);
}

/* The remove actions of a table's checkpoint, as JSON. */
static unsigned read_removes(struct store *s, const char *name, struct buf *out)
{
    AUTO(parquet_reader) *r = NULL;
    struct type type = TYPE(TYPE_JSONB);
    const char *column = "remove";
    struct schema want = {.ncols = 1, .names = &column, .types = &type};
    unsigned n = 0;
    must(parquet_reader_open(s, name, &r, &err));
    must(parquet_reader_select(r, &want, &err));
    for (struct batch *b;;) {
        AUTO(arena) a = {0};
        must(parquet_reader_next(r, &a, &b, &err));
        if (!b)
            return n;
        for (uint32_t i = 0; i < b->rows; i++)
            n += column_print(&b->cols[0], i, out);
    }
}

static void checkpoints_keep_tombstones_while_they_matter(void **state)
{
    (void)state;
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(delta_table) *again = NULL;
    AUTO(buf) removes = BUF(KIB(64));
    enum delta_outcome outcome;
    must(append(t, 0, 1, NULL, 1, &outcome));
    char *path = mem_strdup(delta_file_at(t, 0)->path);
    const struct delta_file *old[] = {delta_file_at(t, 0)};
    struct delta_commit c = {.operation = "DELETE", .data_change = true, .removes = old, .nremoves = 1};
    must(delta_commit(t, &c, &outcome, &err));
    put(s, "t/_delta_log/00000000000000000002.json", /* deleted in 1970 */
        "{\"remove\":{\"path\":\"old.parquet\",\"deletionTimestamp\":1000,\"dataChange\":true}}");
    must(delta_refresh(t, NULL, &err));
    must(delta_checkpoint(t, &err));
    assert_int_equal(read_removes(s, "t/_delta_log/00000000000000000002.checkpoint.parquet", &removes), 1);
    assert_non_null(strstr(buf_cstr(&removes), path));
    assert_null(strstr(buf_cstr(&removes), "\"deletionTimestamp\":null"));
    must(delta_open(s, "t", &again, &err));
    assert_int_equal(delta_file_count(again), 0);
    free(path);
    store_free(s);
}

static void copy_object(struct store *s, const char *from, const char *to)
{
    AUTO(buf) bytes = BUF(MIB(1));
    must(store_get(s, from, &bytes, &err));
    must(store_put(s, to, buf_slice(&bytes), &err));
}

static void checkpoints_of_other_kinds_are_read(void **state)
{
    (void)state;
    static const char whole[] = "t/_delta_log/00000000000000000001.checkpoint.parquet";
    static const char one[] = "t/_delta_log/00000000000000000001.checkpoint.0000000001.0000000002.parquet";
    static const char two[] = "t/_delta_log/00000000000000000001.checkpoint.0000000002.0000000002.parquet";
    static const char v2[] = "t/_delta_log/00000000000000000001.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
    struct store *s = memory_store_new();
    AUTO(delta_table) *t = make(s);
    AUTO(delta_table) *none = NULL;
    AUTO(buf) text = BUF(KIB(64));
    enum delta_outcome outcome;
    must(append(t, 0, 3, NULL, 1, &outcome));
    must(append(t, 3, 4, NULL, 2, &outcome));
    must(delta_checkpoint(t, &err));
    must(store_get(s, "t/_delta_log/00000000000000000000.json", &text, &err));
    must(store_get(s, "t/_delta_log/00000000000000000001.json", &text, &err));
    buf_puts(&text, "{\"checkpointMetadata\":{\"version\":1}}\n{\"sidecar\":{\"path\":\"s.parquet\"}}\n");
    copy_object(s, whole, one);
    copy_object(s, whole, "t/_delta_log/_sidecars/s.parquet");
    must(s->ops->remove(s, whole, &err));
    must(s->ops->remove(s, "t/_delta_log/00000000000000000000.json", &err));
    must(s->ops->remove(s, "t/_delta_log/00000000000000000001.json", &err));
    must_fail(delta_open(s, "t", &none, &err), ERR_CORRUPT, "lacks parts");
    for (int kind = 0; kind < 2; kind++) {
        AUTO(delta_table) *again = NULL;
        int64_t sum;
        if (kind == 0)
            copy_object(s, one, two);
        else {
            must(s->ops->remove(s, two, &err));
            put(s, v2, buf_cstr(&text));
        }
        must(delta_open(s, "t", &again, &err));
        assert_int_equal(again->version, 1);
        assert_int_equal(delta_file_count(again), 2);
        assert_int_equal(count_rows(again, &sum), 7);
        assert_int_equal(sum, 21);
    }
    put(s, v2, "{\"sidecar\":{\"path\":\"../../00000000000000000001.json\"}}");
    must_fail(delta_open(s, "t", &none, &err), ERR_CORRUPT, "sidecar");
    store_free(s);
}

/* The store in memory says that everything is of 1970. */
static void old_commits_are_cleaned_up(void **state)
{
    (void)state;
    static const struct {
        const char *property, *value;
        bool cleaned;
    } tables[] = {{"delta.enableExpiredLogCleanup", "false", false},
                  {"delta.logRetentionDuration", "interval 3000 weeks", false}, /* before 1970 */
                  {"delta.x", "y", true}};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct store *s = memory_store_new();
        struct delta_pair property = {tables[i].property, tables[i].value};
        struct delta_table *t = NULL;
        AUTO(delta_table) *again = NULL;
        const char *partition = "day";
        enum delta_outcome outcome;
        int64_t sum;
        must(delta_new(s, "t", &schema, &partition, 1, &property, 1, &t, &err));
        for (int k = 0; k < 23; k++) {
            must(append(t, k, 1, NULL, k, &outcome));
            if (delta_checkpoint_due(t))
                must(delta_checkpoint(t, &err));
        }
        must(delta_clean_log(t, &err));
        assert_int_equal(has(s, "t/_delta_log/00000000000000000000.json"), !tables[i].cleaned);
        assert_int_equal(has(s, "t/_delta_log/00000000000000000019.json"), !tables[i].cleaned);
        assert_int_equal(has(s, "t/_delta_log/00000000000000000010.checkpoint.parquet"), !tables[i].cleaned);
        assert_true(has(s, "t/_delta_log/00000000000000000020.json"));
        assert_true(has(s, "t/_delta_log/00000000000000000020.checkpoint.parquet"));
        must(delta_open(s, "t", &again, &err));
        assert_int_equal(count_rows(again, &sum), 23);
        delta_close(t);
        store_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_exactly),
        cmocka_unit_test(a_table_begins_with_its_first_commit),
        cmocka_unit_test(a_lost_race_shows_what_the_winner_did),
        cmocka_unit_test(lost_answers_are_looked_up),
        cmocka_unit_test(checkpoints_hold_everything),
        cmocka_unit_test(versions_and_times_can_be_gone_back_to),
        cmocka_unit_test(columns_are_added_at_the_end),
        cmocka_unit_test(features_are_refused_by_name),
        cmocka_unit_test(broken_logs_are_refused),
        cmocka_unit_test(partition_columns_may_change),
        cmocka_unit_test(what_is_unknown_is_passed_over),
        cmocka_unit_test(a_table_that_vanished_is_noticed),
        cmocka_unit_test(stats_are_as_the_protocol_wants),
        cmocka_unit_test(long_strings_are_cut),
        cmocka_unit_test(bounds_come_back),
        cmocka_unit_test(a_deletion_vector_hides_its_rows),
        cmocka_unit_test(deletion_vectors_of_every_container),
        cmocka_unit_test(checkpoints_keep_tombstones_while_they_matter),
        cmocka_unit_test(old_commits_are_cleaned_up),
        cmocka_unit_test(checkpoints_of_other_kinds_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
