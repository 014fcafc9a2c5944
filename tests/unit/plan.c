/* Plans: tests/sql/plans/NAME.sql holds cases, each begun by a line "-- case: title"; NAME.expected what explain says
 * of each, or its errors. "-- query" as the next line plans SELECTs over given relations. tables.sql stands before
 * every case of the other files. BOURN_RECORD=1 writes the .expected files anew: review the difference. */
#include "plan/plan.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/os.h"
#include "plan_world.h"

static const char *folder(void)
{
    static char path[4096];
    const char *data = getenv("BOURN_TEST_DATA");
    assert_non_null(data);
    snprintf(path, sizeof path, "%s/../../sql/plans", data);
    return path;
}

static struct slice slurp(const char *path, struct buf *into, bool must)
{
    struct error err;
    into->max = MIB(16);
    if (os_file_slurp(path, into, &err) != OK && must)
        fail_msg("%s", err.text);
    return (struct slice){buf_cstr(into), into->len};
}

/* Ids are structural: 12 hex digits behind a dash. They say nothing to a reviewer, and neither do sizes. */
static void put_without_ids(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        size_t n = 0;
        if (s.len - i > 6 && memcmp(s.data + i, "about ", 6) == 0) {
            buf_puts(out, "about #");
            for (i += 6; i + 1 < s.len && s.data[i + 1] != ' ';)
                i++;
            continue;
        }
        while (s.data[i] == '-' && i + 1 + n < s.len && strchr("0123456789abcdef", s.data[i + 1 + n]) && n < 12)
            n++;
        buf_putc(out, s.data[i]);
        if (n == 12)
            i += 12;
    }
}

static void put_error(struct buf *out, const struct error *e)
{
    char line[2000];
    buf_printf(out, "%s\n", error_print(e, line, sizeof line));
}

static void run_case(struct slice prelude, struct slice sql, struct buf *out)
{
    struct plan_text texts[] = {{"tables.sql", prelude}, {"case.sql", sql}};
    AUTO(plan) *plan = NULL;
    struct plan_errors others = {0};
    struct error err = {0};
    bool query = sql.len > 9 && memcmp(sql.data, "-- query\n", 9) == 0;
    enum status status = query ? plan_query(&texts[1], plan_test_world(), plan_test_lookup(), &plan, &err)
                               : plan_check(texts, 2, plan_test_world(), &plan, &others, &err);
    if (status != OK) {
        put_error(out, &err);
        for (uint32_t i = 0; i < others.count; i++)
            put_error(out, &others.items[i]);
        return;
    }
    AUTO(buf) text = BUF(MIB(4));
    plan_explain(plan, &text);
    text.len -= 70; /* "plan " and the fingerprint */
    plan_check_report(plan, &text);
    put_without_ids(out, buf_slice(&text));
}

static const char *next_case(const char *p) { return strstr(p, "-- case: "); }

static void run_file(struct slice prelude, struct slice sql, struct buf *out)
{
    const char *end = sql.data + sql.len;
    for (const char *at = next_case(sql.data), *next; at; at = next) {
        next = next_case(at + 1);
        const char *line = memchr(at, '\n', (size_t)(end - at)), *stop = next ? next : end;
        assert_non_null(line);
        buf_printf(out, "==== %.*s\n", (int)(line - at - 9), at + 9);
        run_case(prelude, (struct slice){line + 1, (size_t)(stop - line - 1)}, out);
    }
}

static void compare(const char *name, const struct buf *got, const char *expected_path)
{
    AUTO(buf) expected = {0};
    if (getenv("BOURN_RECORD")) {
        FILE *f = fopen(expected_path, "w");
        assert_non_null(f);
        fwrite(got->data, 1, got->len, f);
        fclose(f);
        return;
    }
    struct slice want = slurp(expected_path, &expected, true);
    if (slice_equal(want, buf_slice(got)))
        return;
    size_t i = 0, line = 1;
    while (i < want.len && i < got->len && want.data[i] == got->data[i])
        line += got->data[i++] == '\n';
    fail_msg("%s: first difference in line %zu of %s; got:\n%.*s", name, line, expected_path, 400,
             buf_cstr((struct buf *)(uintptr_t)got) + i);
}

static void test_cases(void **state)
{
    (void)state;
    AUTO(buf) tables = {0};
    char path[5000];
    snprintf(path, sizeof path, "%s/tables.sql", folder());
    struct slice prelude = slurp(path, &tables, true);
    struct dirent **entries;
    int files = 0, n = scandir(folder(), &entries, NULL, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(entries[i]->d_name, '.');
        if (dot && strcmp(dot, ".sql") == 0 && strcmp(entries[i]->d_name, "tables.sql") != 0) {
            AUTO(buf) sql = {0}, got = BUF(MIB(4));
            snprintf(path, sizeof path, "%s/%s", folder(), entries[i]->d_name);
            run_file(prelude, slurp(path, &sql, true), &got);
            snprintf(path, sizeof path, "%s/%.*s.expected", folder(), (int)(dot - entries[i]->d_name),
                     entries[i]->d_name);
            compare(entries[i]->d_name, &got, path);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(files >= 5);
}

/* ---- names and types of results, as PostgreSQL says (tests/sql/describe/record.py) ---- */

static void describe(const char *query, struct buf *out)
{
    struct plan_text text = {"query.sql", slice_of(query)};
    AUTO(plan) *plan = NULL;
    struct error err = {0};
    if (plan_query(&text, plan_test_world(), plan_test_lookup(), &plan, &err) != OK) {
        buf_puts(out, "!");
        return;
    }
    const struct schema *s = &plan->nodes[plan->nnodes - 1].schema;
    for (uint32_t i = 0; i < s->ncols; i++) {
        char type[40];
        type_name(s->types[i], type);
        size_t bare = strcspn(type, "(");
        const char *rest = strchr(type, ')');
        buf_printf(out, "%s%s:%.*s%s", i ? "," : "", s->names[i], (int)bare, type, rest ? rest + 1 : "");
    }
}

static void test_results_are_described_as_by_postgresql(void **state)
{
    (void)state;
    AUTO(buf) file = {0}, differences = BUF(MIB(1));
    char path[5000];
    snprintf(path, sizeof path, "%s/../describe/queries.tsv", folder());
    AUTO(arena) lines = {0};
    char *line, *rest = arena_strdup(&lines, slurp(path, &file, true).data);
    uint32_t queries = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        const char *query = strsep(&line, "\t"), *want = strsep(&line, "\t");
        AUTO(buf) got = BUF(KIB(64));
        describe(query, &got);
        if (strcmp(buf_cstr(&got), line ? "!" : want) != 0)
            buf_printf(&differences, "%s\n  PostgreSQL: %s\n  bourn:      %s\n", query, want, buf_cstr(&got));
        queries++;
    }
    if (differences.len)
        fail_msg("\n%s", buf_cstr(&differences));
    assert_true(queries > 100);
}

/* ---- the payments pipeline ---- */

static struct plan_text example(const char *name, struct buf *into)
{
    char path[5000];
    snprintf(path, sizeof path, "%s/../../../examples/payments/%s", folder(), name);
    return (struct plan_text){name, slurp(path, into, true)};
}

static struct plan *payments(const char *connection, const char *more)
{
    AUTO(buf) first = {0}, second = {0}, third = {0};
    struct plan_text texts[] = {example(connection, &first), example("payments.sql", &second),
                                more ? example(more, &third) : (struct plan_text){0}};
    struct plan *plan = NULL;
    struct error err = {0};
    char text[2000];
    if (plan_make(texts, more ? 3 : 2, plan_test_world(), &plan, &err) != OK)
        fail_msg("%s", error_print(&err, text, sizeof text));
    return plan;
}

static void test_payments(void **state)
{
    (void)state;
    AUTO(plan) *p = payments("local.sql", "curated.sql");
    AUTO(buf) text = BUF(MIB(1)), got = BUF(MIB(1));
    plan_explain(p, &text);
    text.len -= 70;
    plan_check_report(p, &text);
    put_without_ids(&got, buf_slice(&text));
    char path[5000];
    snprintf(path, sizeof path, "%s/payments.expected", folder());
    compare("payments.sql", &got, path);

    static const char *const rules[] = {"R010", "R020", "R030", "R040", "R050", "R060",
                                        "R070", "R080", "R090", "R100", "R110", "R120"};
    assert_int_equal(p->tables[0].nrules, ARRAY_LEN(rules));
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        assert_string_equal(p->tables[0].rules[i].id, rules[i]);
}

/* State belongs to the pipeline, not to where its events come from. */
static void test_payments_mean_the_same_everywhere(void **state)
{
    (void)state;
    static const char *const connections[] = {"file.sql", "kafka.sql", "eventhubs.sql"};
    AUTO(plan) *local = payments("local.sql", NULL);
    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        AUTO(plan) *p = payments(connections[i], NULL);
        assert_string_equal(p->fingerprint, local->fingerprint);
    }
}

static enum status published_schema(void *arg, const char *name, struct arena *a, struct schema *ret,
                                    struct error *err)
{
    static const char *const names[] = {"kind", "rows_out", "rejected", "late", "duplicate", "error"};
    static const struct type types[] = {{TYPE_TEXT, 0, 0}, {TYPE_INT8, 0, 0}, {TYPE_INT8, 0, 0},
                                        {TYPE_INT8, 0, 0}, {TYPE_INT8, 0, 0}, {TYPE_INT8, 0, 0}};
    const struct plan *p = arg;
    (void)a;
    if (strcmp(name, "bourn.ledger") == 0) {
        *ret = (struct schema){ARRAY_LEN(names), (const char **)names, (struct type *)types, NULL};
        return OK;
    }
    for (uint32_t i = 0; i < p->ntables; i++)
        if (p->tables[i].is_sink && strcmp(p->tables[i].name, name) == 0) {
            *ret = p->tables[i].schema;
            return OK;
        }
    return error_set(err, ERR_NOT_FOUND, "no such table");
}

static void test_payments_evidence(void **state)
{
    (void)state;
    AUTO(plan) *p = payments("local.sql", NULL);
    AUTO(buf) sql = {0};
    struct plan_text text = example("evidence.sql", &sql);
    struct plan_lookup lookup = {.relation = published_schema, .arg = p};
    AUTO(plan) *evidence = NULL;
    struct error err = {0};
    char message[2000];
    if (plan_query(&text, plan_test_world(), &lookup, &evidence, &err) != OK)
        fail_msg("%s", error_print(&err, message, sizeof message));
    uint32_t proofs = 0;
    for (uint32_t i = 0; i < evidence->nnodes; i++)
        if (evidence->nodes[i].kind == NODE_RESULT) {
            assert_non_null(evidence->nodes[i].name);
            proofs++;
        }
    assert_true(proofs >= 10);
}

/* ---- properties that explain does not show ---- */

static struct plan *plan_of(const char *sql)
{
    struct plan_text texts[] = {{"p.sql", slice_of(sql)}};
    struct plan *plan = NULL;
    struct error err;
    if (plan_make(texts, 1, plan_test_world(), &plan, &err) != OK)
        fail_msg("%s (line %u column %u)", err.text, err.place.line, err.place.column);
    return plan;
}

#define TABLES                                                                                                         \
    "CREATE FOREIGN TABLE t (id text, v numeric(18,2), ts timestamptz OPTIONS (watermark '1 day')) SERVER stream;"    \
    "CREATE FOREIGN TABLE s (id text PRIMARY KEY, total numeric(30,2)) SERVER lake;"
#define AGGREGATE "INSERT INTO s SELECT id, sum(v) FROM t GROUP BY id"

static uint32_t count_kind(const struct plan *p, enum node_kind kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->nnodes; i++)
        n += p->nodes[i].kind == kind;
    return n;
}

static void test_layout_is_no_part_of_the_plan(void **state)
{
    (void)state;
    AUTO(plan) *a = plan_of(TABLES AGGREGATE);
    AUTO(plan) *b = plan_of("/* a comment */ " AGGREGATE " ;\n\n" TABLES);
    AUTO(plan) *other = plan_of(TABLES "INSERT INTO s SELECT id, sum(v + 1) FROM t GROUP BY id");
    AUTO(plan) *swapped = plan_of(TABLES "CREATE FOREIGN TABLE u (n bigint) SERVER lake;"
                                         "INSERT INTO u SELECT 1;" AGGREGATE);
    AUTO(plan) *in_order = plan_of(TABLES "CREATE FOREIGN TABLE u (n bigint) SERVER lake;" AGGREGATE
                                          ";INSERT INTO u SELECT 1;");
    assert_string_equal(swapped->fingerprint, in_order->fingerprint);
    AUTO(plan) *contract = plan_of("CREATE FOREIGN TABLE t (id text NOT NULL, v numeric(18,2), ts timestamptz OPTIONS "
                                   "(watermark '1 day')) SERVER stream; CREATE FOREIGN TABLE s (id text PRIMARY KEY, "
                                   "total numeric(30,2)) SERVER lake;" AGGREGATE);
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_string_not_equal(a->fingerprint, other->fingerprint);
    assert_string_not_equal(a->fingerprint, contract->fingerprint);
    for (uint32_t i = 0; i < a->nnodes; i++)
        assert_string_equal(a->nodes[i].id, b->nodes[i].id);
}

static void test_state_ids_survive_edits_elsewhere(void **state)
{
    (void)state;
    AUTO(plan) *a = plan_of(TABLES AGGREGATE);
    AUTO(plan) *b = plan_of(TABLES "CREATE FOREIGN TABLE s2 (n bigint) SERVER lake;"
                                   "INSERT INTO s SELECT t2.id, sum(t2.v) AS renamed FROM t AS t2 GROUP BY 1");
    for (uint32_t i = 0; i < a->nnodes; i++)
        if (a->nodes[i].stateful)
            assert_string_equal(a->nodes[i].id, b->nodes[i].id);
}

/* The id of the step of this kind. */
static const char *id_of(const struct plan *p, enum node_kind kind)
{
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (p->nodes[i].kind == kind)
            return p->nodes[i].id;
    fail_msg("there is no such step");
    return NULL;
}

#define WIDER(more)                                                                                                    \
    "CREATE FOREIGN TABLE t (" more "id text, v numeric(18,2), ts timestamptz OPTIONS (watermark '1 day')) SERVER "    \
    "stream;CREATE FOREIGN TABLE s (id text PRIMARY KEY, total numeric(30,2)) SERVER lake;"
#define FIRST "INSERT INTO s SELECT id, sum(v) FROM (SELECT DISTINCT ON (id) * FROM t) AS u GROUP BY id"
#define JOINED(less)                                                                                                   \
    "INSERT INTO s SELECT a.id, sum(b.v) FROM t AS a JOIN t AS b ON a.id = b.id WHERE " less " GROUP BY a.id"
#define LATEST                                                                                                         \
    "INSERT INTO s SELECT id, v FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY ts) AS r FROM t) AS u "   \
    "WHERE r = 1"

/* Of what a step reads, its own columns alone name it; what keeps whole rows is named by all of them, and each side of
 * a join is told from the other. */
static void test_columns_beside_name_no_step(void **state)
{
    (void)state;
    AUTO(plan) *a = plan_of(WIDER("") FIRST);
    AUTO(plan) *b = plan_of(WIDER("coupon text, n bigint, ") FIRST);
    assert_string_equal(id_of(a, NODE_SCAN), id_of(b, NODE_SCAN));
    assert_string_equal(id_of(a, NODE_DEDUP), id_of(b, NODE_DEDUP));
    assert_string_equal(id_of(a, NODE_AGGREGATE), id_of(b, NODE_AGGREGATE));
    assert_string_equal(id_of(a, NODE_SINK), id_of(b, NODE_SINK));
    assert_string_not_equal(a->fingerprint, b->fingerprint);
    AUTO(plan) *c = plan_of(WIDER("coupon text NOT NULL, ") FIRST);
    assert_string_not_equal(id_of(a, NODE_SCAN), id_of(c, NODE_SCAN));
    assert_string_not_equal(id_of(a, NODE_AGGREGATE), id_of(c, NODE_AGGREGATE));
    AUTO(plan) *d = plan_of(WIDER("") JOINED("a.v < b.v"));
    AUTO(plan) *e = plan_of(WIDER("coupon text, ") JOINED("a.v < b.v"));
    AUTO(plan) *turned = plan_of(WIDER("") JOINED("b.v < a.v"));
    assert_string_equal(id_of(d, NODE_JOIN), id_of(e, NODE_JOIN));
    assert_string_not_equal(id_of(d, NODE_JOIN), id_of(turned, NODE_JOIN));
    AUTO(plan) *f = plan_of(WIDER("") LATEST);
    AUTO(plan) *g = plan_of(WIDER("coupon text, ") LATEST);
    assert_string_not_equal(id_of(f, NODE_TOPN), id_of(g, NODE_TOPN));
    AUTO(plan) *fails = plan_of(WIDER("") "CREATE VIEW u AS SELECT DISTINCT ON (id) id, v, 1 / v AS x FROM t;"
                                          "INSERT INTO s SELECT id, sum(v) FROM u GROUP BY id");
    assert_string_not_equal(id_of(a, NODE_DEDUP), id_of(fails, NODE_DEDUP));
}

/* What is computed names a step, not what it is called. */
static void test_functions_name_no_step(void **state)
{
    (void)state;
    AUTO(plan) *a = plan_of(TABLES "INSERT INTO s SELECT id, sum(v + v * 2) FROM t GROUP BY id");
    AUTO(plan) *b = plan_of(TABLES "CREATE FUNCTION f(x numeric) RETURNS numeric RETURN x + x * 2;"
                                   "INSERT INTO s SELECT id, sum(f(v)) FROM t GROUP BY id");
    AUTO(plan) *c = plan_of(TABLES "INSERT INTO s SELECT id, sum(renamed(v)) FROM t GROUP BY id;"
                                   "CREATE FUNCTION two() RETURNS integer RETURN 2;"
                                   "CREATE FUNCTION renamed(numeric) RETURNS numeric AS 'SELECT $1 + $1 * two()'");
    AUTO(plan) *d = plan_of(TABLES "CREATE FUNCTION f(x numeric) RETURNS numeric RETURN x + x * 3;"
                                   "INSERT INTO s SELECT id, sum(f(v)) FROM t GROUP BY id");
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_string_equal(a->fingerprint, c->fingerprint);
    assert_string_not_equal(a->fingerprint, d->fingerprint);
}

static void test_equal_steps_are_one(void **state)
{
    (void)state;
    AUTO(plan) *p = plan_of(
        TABLES "CREATE FOREIGN TABLE s2 (id text PRIMARY KEY, n bigint) SERVER lake;"
               "INSERT INTO s SELECT id, sum(v) FROM (SELECT DISTINCT ON (id) * FROM t WHERE v > 0) x GROUP BY id;"
               "INSERT INTO s2 SELECT id, count(*) FROM (SELECT DISTINCT ON (id) * FROM t WHERE v > 0) y GROUP BY id;");
    assert_int_equal(count_kind(p, NODE_SCAN), 1);
    assert_int_equal(count_kind(p, NODE_DEDUP), 1);
    assert_int_equal(count_kind(p, NODE_FILTER), 1);
    assert_int_equal(count_kind(p, NODE_AGGREGATE), 2);
    assert_int_equal(count_kind(p, NODE_SINK), 2);
    for (uint32_t i = 0; i < p->nnodes; i++)
        for (uint32_t k = 0; k < p->nodes[i].ninputs; k++)
            assert_true(p->nodes[i].inputs[k] < i);
}

static void test_unused_views_are_not_planned(void **state)
{
    (void)state;
    AUTO(plan) *p = plan_of(TABLES "CREATE VIEW v AS SELECT DISTINCT ON (id) * FROM t;" AGGREGATE);
    assert_int_equal(count_kind(p, NODE_DEDUP), 0);
}

static void test_now_is_marked(void **state)
{
    (void)state;
    AUTO(plan) *p = plan_of("CREATE FOREIGN TABLE t (id text) SERVER stream;"
                            "CREATE FOREIGN TABLE s (id text PRIMARY KEY, n bigint, at timestamptz) SERVER lake;"
                            "CREATE VIEW v AS SELECT id, count(*) AS n, now() AS at FROM t GROUP BY id;"
                            "INSERT INTO s SELECT * FROM v;");
    const struct plan_node *sink = &p->nodes[p->nnodes - 1];
    assert_int_equal(sink->kind, NODE_SINK);
    assert_false(bit_get(sink->now_columns, 0));
    assert_false(bit_get(sink->now_columns, 1));
    assert_true(bit_get(sink->now_columns, 2));
    assert_string_equal(sink->sink_name, "s");
}

static void test_environment_is_expanded_in_options_only(void **state)
{
    (void)state;
    AUTO(plan) *p = plan_of("CREATE SERVER l FOREIGN DATA WRAPPER delta OPTIONS (path '${SET}/x/${UNSET:-d}/$${y}$z');"
                            "CREATE FOREIGN TABLE s (id text) SERVER l;"
                            "INSERT INTO s SELECT '${SET}';");
    assert_string_equal(p->servers[0].options.items[0].value, "value/x/d/${y}$z");
    const struct plan_node *sink = &p->nodes[p->nnodes - 1];
    struct slice said = view_slice(column_view(&sink->exprs[0]->value, 0));
    assert_true(slice_is(said, "${SET}"));
}

static void test_schema_of_a_source(void **state)
{
    (void)state;
    AUTO(plan) *p = plan_of("CREATE FOREIGN TABLE t (a integer NOT NULL, b bigint, "
                            "o bigint OPTIONS (metadata 'offset'), CONSTRAINT c CHECK (a + b > 0)) SERVER stream;"
                            "CREATE FOREIGN TABLE s (a integer) SERVER lake; INSERT INTO s SELECT a FROM t;");
    const struct plan_table *t = &p->tables[0];
    assert_true(t->is_source && !t->is_sink);
    assert_false(t->schema.nullable[0]);
    assert_true(t->schema.nullable[1]);
    assert_null(t->metadata[1]);
    assert_string_equal(t->metadata[2], "offset");
    assert_int_equal(t->nrules, 2);
    assert_string_equal(t->rules[0].id, "t_a_not_null");
    assert_int_equal(t->rules[1].columns[0], 3);
    assert_string_equal(t->rules[1].text, "a + b > 0");
}

static void test_an_error_at_the_end_of_a_file_stands_in_it(void **state)
{
    (void)state;
    struct plan_text texts[] = {{"a.sql", SLICE("\nCREATE VIEW v AS SELECT 1 +")}, {"b.sql", SLICE("SELECT 'x")}};
    struct plan *plan = NULL;
    struct plan_errors others = {0};
    struct error err = {0};
    assert_int_equal(plan_check(texts, 2, plan_test_world(), &plan, &others, &err), FAILED);
    assert_string_equal(err.place.file, "a.sql");
    assert_int_equal(err.place.line, 2);
    assert_int_equal(err.place.column, 27);
    assert_int_equal(others.count, 1);
    assert_string_equal(others.items[0].place.file, "b.sql");
    assert_int_equal(others.items[0].place.column, 8);
}

/* Any text must be answered, also these. */
static void test_hostile_text(void **state)
{
    (void)state;
    static const struct {
        const char *start, *piece, *end;
        uint32_t times;
    } cases[] = {
        {"SELECT ", "1+", "1", 200000},
        {"SELECT ", "(", "1", 200000},
        {"SELECT ", "NOT ", "true", 200000},
        {"SELECT 1", " UNION ALL SELECT 1", "", 20000},
        {"SELECT ", "(1,2)+", "1", 100000},
        {"SELECT ", "f(a,", "1", 100000},
        {"SELECT a", "::int", "", 100000},
        {"SELECT ", "'a'||", "'b'", 100000},
        {"SELECT * FROM ", "(SELECT * FROM ", "t", 10000},
        {"SELECT ", "1,", "1", 5000},
        {"", "SELECT 1;", "", 20000},
        {"SELECT ", "CASE WHEN true THEN ", "1", 20000},
        {"SELECT ", "nullif(", "1", 400},
        {"SELECT * FROM a", " JOIN b ON true", "", 20000},
        {"SELECT ", "a[", "1", 50000},
        {"", "SELECT 1;", "", 400000},
        {"SELECT ", "x ", "", 1000000},
        {"", "SELECT 1 AS a,'", "", 200000},
        {"", "\n", "SELECT", 4000000},
        {"SELECT ", "a,", "b", 1000000},
        {"SELECT 1", " BETWEEN 0 AND 1", "", 3000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) sql = BUF(MIB(16));
        buf_puts(&sql, cases[i].start);
        for (uint32_t k = 0; k < cases[i].times; k++)
            buf_puts(&sql, cases[i].piece);
        buf_puts(&sql, cases[i].end);
        struct plan_text text = {"hostile.sql", buf_slice(&sql)};
        struct plan *plan = NULL;
        struct error err = {0};
        assert_int_equal(plan_make(&text, 1, plan_test_world(), &plan, &err), FAILED);
        assert_true(err.text[0] != 0);
    }
}

/* Views that double each other: the plan must not grow with 2^n. */
static void test_doubling_views(void **state)
{
    (void)state;
    AUTO(buf) sql = BUF(MIB(1));
    buf_puts(&sql, "CREATE FOREIGN TABLE t (a bigint) SERVER stream; CREATE FOREIGN TABLE s (a bigint) SERVER lake;"
                   "CREATE VIEW v0 AS SELECT a FROM t;");
    for (int i = 1; i < 60; i++)
        buf_printf(&sql, "CREATE VIEW v%d AS SELECT a - a AS a FROM v%d;", i, i - 1);
    buf_puts(&sql, "INSERT INTO s SELECT a FROM v59;");
    AUTO(plan) *p = plan_of(buf_cstr(&sql));
    assert_true(p->nnodes < 30);
}

/* What is asked of all steps below one is asked of each once, however many ways lead there. */
static void test_doubling_inputs(void **state)
{
    (void)state;
    AUTO(buf) sql = BUF(MIB(1));
    buf_puts(&sql, "CREATE FOREIGN TABLE t (k bigint, ts timestamptz OPTIONS (watermark '5 s') NOT NULL) SERVER stream;"
                   "CREATE FOREIGN TABLE once (k bigint, ts timestamptz, CHECK (k > 0)) SERVER lake;"
                   "CREATE FOREIGN TABLE keyed (k bigint, ts timestamptz, PRIMARY KEY (k, ts)) SERVER lake;"
                   "CREATE VIEW v0 AS SELECT k, window_end AS ts FROM tumble(t, ts, interval '1 s') "
                   "GROUP BY k, window_end HAVING count(*) > 1;");
    for (int i = 1; i < 60; i++)
        buf_printf(&sql, "CREATE VIEW v%d AS SELECT * FROM v%d UNION ALL SELECT k + %d, ts FROM v%d;", i, i - 1, i,
                   i - 1);
    buf_puts(&sql, "INSERT INTO once SELECT * FROM v59; INSERT INTO keyed SELECT k, ts FROM v59;");
    AUTO(plan) *p = plan_of(buf_cstr(&sql));
    assert_true(p->nnodes < 600);
}

/* Each of these is bound several times for each time that the one around it is: they are refused, soon. */
static void test_subqueries_nest_so_deep(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        AUTO(buf) sql = BUF(MIB(1)), got = BUF(KIB(64));
        for (int i = 0; i < 60; i++)
            buf_puts(&sql, kind ? "SELECT (SELECT max(l) FROM (" : "SELECT 1 FROM every x, LATERAL (");
        buf_puts(&sql, "SELECT l FROM every");
        for (int i = 0; i < 60; i++)
            buf_puts(&sql, kind ? ") y) AS l FROM every" : ") y");
        describe(buf_cstr(&sql), &got);
        assert_string_equal(buf_cstr(&got), "!");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subqueries_nest_so_deep),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_results_are_described_as_by_postgresql),
        cmocka_unit_test(test_payments),
        cmocka_unit_test(test_payments_mean_the_same_everywhere),
        cmocka_unit_test(test_payments_evidence),
        cmocka_unit_test(test_layout_is_no_part_of_the_plan),
        cmocka_unit_test(test_state_ids_survive_edits_elsewhere),
        cmocka_unit_test(test_columns_beside_name_no_step),
        cmocka_unit_test(test_functions_name_no_step),
        cmocka_unit_test(test_equal_steps_are_one),
        cmocka_unit_test(test_unused_views_are_not_planned),
        cmocka_unit_test(test_now_is_marked),
        cmocka_unit_test(test_environment_is_expanded_in_options_only),
        cmocka_unit_test(test_schema_of_a_source),
        cmocka_unit_test(test_an_error_at_the_end_of_a_file_stands_in_it),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_doubling_views),
        cmocka_unit_test(test_doubling_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
