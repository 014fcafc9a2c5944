#include "cmd/test_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "column/civil.h"
#include "column/rowpack.h"
#include "engine/builtin.h"
#include "engine/query.h"
#include "engine/relations.h"
#include "op/reject.h"

/* What is read of one case, and where reading is. */
struct reading {
    struct test_file *file;
    const struct script_step *steps;
    uint32_t first, end; /* of the case's own steps */
    struct test_case *into;
    const char *pipeline; /* as SET test.pipeline says */
    struct place pipeline_place;
    struct error *err;
};

static const char *const setting_names[] = {"test.name", "test.pipeline", "test.now", "test.watermark", "test.cuts"};

static enum status fail_at(const struct place *place, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum status fail_at(const struct place *place, struct error *err, const char *format, ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)error_set(err, ERR_SQL, "%s", text);
    err->place = *place;
    return FAILED;
}

static enum status placed(enum status status, const struct place *place, struct error *err)
{
    if (status == FAILED && err->place.line == 0)
        err->place = *place;
    return status;
}

static enum status near(const char *name, const char *const *names, size_t n, struct error *err)
{
    const char *found = nearest_name(name, names, n);
    return found ? error_hint(err, "did you mean \"%s\"?", found) : FAILED;
}

/* ---- the pipeline ---- */

static const char *folder_of(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_strndup(a, path, (size_t)(slash - path) + 1) : "";
}

/* "a.sql, b.sql", beside the test. */
static enum status read_pipeline(struct reading *r)
{
    struct test_case *t = r->into;
    struct arena *a = &r->file->arena;
    if (!r->pipeline) {
        (void)fail_at(&t->place, r->err, "the test does not say what it tests");
        return error_hint(r->err, "SET test.pipeline = 'pipeline.sql'; before the first test");
    }
    char *names[16], *list = arena_strdup(a, r->pipeline);
    int n = 0;
    for (char *name = list, *comma; name && n < (int)ARRAY_LEN(names); name = comma) {
        comma = strchr(name, ',');
        if (comma)
            *comma++ = 0;
        name += strspn(name, " ");
        name[strcspn(name, " ")] = 0;
        names[n++] = *name == '/' ? name : arena_printf(a, "%s%s", folder_of(r->file->path, a), name);
    }
    struct plan_text *texts;
    TRY(placed(cmd_read_texts(names, n, a, &texts, r->err), &r->pipeline_place, r->err));
    t->ntexts = (size_t)n + 1;
    t->texts = arena_array(a, t->ntexts, sizeof *t->texts);
    memcpy(t->texts, texts, (size_t)n * sizeof *texts);
    AUTO(buf) sink = BUF(KIB(16));
    buf_puts(&sink, "CREATE FOREIGN TABLE \"bourn.rejected\" (");
    for (uint32_t c = 0; c < rejected_schema.ncols; c++) {
        char type[40];
        buf_printf(&sink, "%s\"%s\" %s", c ? ", " : "", rejected_schema.names[c],
                   type_name(rejected_schema.types[c], type));
    }
    buf_puts(&sink, ") SERVER memory; INSERT INTO \"bourn.rejected\" SELECT * FROM bourn.rejected;");
    t->texts[n] = (struct plan_text){"bourn test", {arena_dup(a, sink.data, sink.len), sink.len}};
    return OK;
}

/* A test does not depend on what is set where it runs. */
static const char *no_environment(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return "";
}

static enum status make_plan(struct reading *r)
{
    static const struct plan_connector memory = {.name = "memory", .can_read = true, .can_write = true,
                                                 .can_upsert = true};
    struct test_case *t = r->into;
    struct plan_connector *connector = arena_dup(&r->file->arena, &memory, sizeof memory);
    connector->options = source_memory_connector.options;
    connector->metadata = source_memory_connector.metadata;
    connector->bounded = source_memory_connector.bounded;
    const char **ends = arena_array(&r->file->arena, r->end - r->first, sizeof *ends);
    for (uint32_t i = r->first; i < r->end; i++)
        if (r->steps[i].kind == SCRIPT_CLOSE && r->steps[i].name)
            ends[t->stand_in.nends++] = r->steps[i].name;
    t->stand_in.ends = ends;
    t->stand_in.format = source_memory_connector.default_format;
    t->world = *builtin_world();
    t->world.connectors = connector;
    t->world.nconnectors = 1;
    t->world.environment = no_environment;
    t->world.stand_in = &t->stand_in;
    return plan_make(t->texts, t->ntexts, &t->world, &t->plan, r->err);
}

/* CLOSE ALL names no table, so which those are is known only from a plan. */
static enum status plan_case(struct reading *r)
{
    struct test_case *t = r->into;
    bool all = false;
    TRY(make_plan(r));
    for (uint32_t i = r->first; i < r->end; i++)
        all |= r->steps[i].kind == SCRIPT_CLOSE && !r->steps[i].name;
    if (all) {
        const char **ends = arena_array(&r->file->arena, t->plan->ntables, sizeof *ends);
        t->stand_in.nends = 0;
        for (uint32_t i = 0; i < t->plan->ntables; i++)
            if (t->plan->tables[i].is_source)
                ends[t->stand_in.nends++] = arena_strdup(&r->file->arena, t->plan->tables[i].name);
        t->stand_in.ends = ends;
        plan_free(t->plan);
        t->plan = NULL;
        TRY(plan_make(t->texts, t->ntexts, &t->world, &t->plan, r->err));
    }
    t->inputs = arena_zarray(&r->file->arena, t->plan->ntables, sizeof *t->inputs);
    for (uint32_t i = 0; i < t->plan->ntables; i++)
        if (t->plan->tables[i].is_source)
            t->inputs[t->ninputs++].table = t->plan->tables[i].name;
    return OK;
}

static const struct plan_table *table_of(const struct test_case *t, const char *name)
{
    for (uint32_t i = 0; i < t->plan->ntables; i++)
        if (!strcmp(t->plan->tables[i].name, name))
            return &t->plan->tables[i];
    return NULL;
}

static enum status find_input(struct reading *r, const struct script_step *s, uint32_t *ret)
{
    struct test_case *t = r->into;
    const char **names = arena_array(&r->file->arena, t->ninputs, sizeof *names);
    for (uint32_t i = 0; i < t->ninputs; i++) {
        names[i] = t->inputs[i].table;
        if (!strcmp(names[i], s->name)) {
            *ret = i;
            return OK;
        }
    }
    (void)fail_at(&s->place, r->err, "the pipeline reads no table \"%s\"", s->name);
    return near(s->name, names, t->ninputs, r->err);
}

/* ---- queries ---- */

bool test_is_relation(const struct plan *plan, const char *name, struct schema *ret)
{
    for (uint32_t i = 0; i < plan->ntables; i++)
        if (plan->tables[i].is_sink && !strcmp(plan->tables[i].name, name)) {
            *ret = plan->tables[i].schema;
            return true;
        }
    return relation_schema(name, ret);
}

static enum status lookup_relation(void *arg, const char *name, struct arena *a, struct schema *ret, struct error *err)
{
    (void)a;
    const struct test_case *t = arg;
    if (t && test_is_relation(t->plan, name, ret))
        return OK;
    return error_set(err, ERR_NOT_FOUND, "the pipeline writes no table \"%s\"", name);
}

static enum status no_rows(void *arg, const char *name, enum status (*take)(void *, struct batch *), void *take_arg,
                           struct error *err)
{
    (void)arg, (void)name, (void)take, (void)take_arg, (void)err;
    return OK;
}

/* Rows that stand in the test itself. */
static enum status literal_rows(struct reading *r, uint32_t step, struct test_rows *ret)
{
    struct query_relations nothing = {.lookup = {.relation = lookup_relation}, .read = no_rows};
    AUTO(plan) *query = NULL;
    *ret = (struct test_rows){.arena = &r->file->arena};
    TRY(script_query(r->file->script, step, builtin_world(), &nothing.lookup, &query, r->err));
    return placed(test_rows_query(query, &nothing, ret, r->err), &r->steps[step].place, r->err);
}

static enum status select_query(struct reading *r, uint32_t step, struct plan **ret)
{
    struct test_case *t = r->into;
    const char **names = arena_array(&r->file->arena, t->plan->ntables + 32, sizeof *names);
    size_t n = 0;
    for (uint32_t i = 0; i < t->plan->ntables; i++)
        if (t->plan->tables[i].is_sink)
            names[n++] = t->plan->tables[i].name;
    for (size_t i = 0; relation_name(i) && i < 32; i++)
        names[n++] = relation_name(i);
    struct plan_lookup lookup = {lookup_relation, t, names, n, t->texts, t->ntexts};
    return script_query(r->file->script, step, builtin_world(), &lookup, ret, r->err);
}

/* ---- given rows ---- */

enum { COLUMN_RAW = -1, COLUMN_KEY = -2, COLUMN_TIMESTAMP = -3 };

static enum status given_column(struct reading *r, const struct script_step *s, uint32_t i, const struct plan_table *t,
                                int32_t *ret)
{
    const char *name = s->columns[i];
    for (uint32_t c = 0; c < t->schema.ncols; c++) {
        if (strcmp(t->schema.names[c], name))
            continue;
        const char *metadata = t->metadata ? t->metadata[c] : NULL;
        *ret = !metadata ? (int32_t)c : !strcmp(metadata, "key") ? COLUMN_KEY : COLUMN_TIMESTAMP;
        if (!metadata || !strcmp(metadata, "key") || !strcmp(metadata, "timestamp"))
            return OK;
        (void)fail_at(&s->column_places[i], r->err, "column \"%s\" is the message's %s, which a test does not give",
                      name, metadata);
        return error_hint(r->err, "leave it out: topic is '', partition 0, offset counts the rows that are given");
    }
    if (!strcmp(name, "raw")) {
        *ret = COLUMN_RAW;
        return OK;
    }
    (void)fail_at(&s->column_places[i], r->err, "column \"%s\" does not exist in \"%s\"", name, t->name);
    return near(name, t->schema.names, t->schema.ncols, r->err);
}

/* Without a list: the columns that come from the message, in their order. */
static enum status given_columns(struct reading *r, const struct script_step *s, const struct plan_table *t,
                                 int32_t **ret, uint32_t *ret_count)
{
    uint32_t n = 0;
    bool raw = false, typed = false;
    int32_t *columns = arena_array(&r->file->arena, MAX(s->ncolumns, t->schema.ncols), sizeof *columns);
    for (uint32_t i = 0; i < s->ncolumns; i++) {
        TRY(given_column(r, s, i, t, &columns[n]));
        raw |= columns[n] == COLUMN_RAW;
        typed |= columns[n++] >= 0;
    }
    for (uint32_t c = 0; s->ncolumns == 0 && c < t->schema.ncols; c++)
        if (!t->metadata || !t->metadata[c])
            columns[n++] = (int32_t)c;
    if (raw && typed) {
        (void)fail_at(&s->place, r->err, "rows are given as messages (raw) or by their columns, not as both");
        return error_hint(r->err, "beside raw there may be columns that hold the message's key or timestamp");
    }
    *ret = columns;
    *ret_count = n;
    return OK;
}

static enum status give_cell(struct test_file *f, const struct plan_table *t, int32_t column, const char *text,
                             struct batch *row, struct memory_row *into, struct error *err)
{
    struct type type = column >= 0 ? t->schema.types[column] : TYPE(TYPE_TIMESTAMPTZ);
    if (column == COLUMN_RAW) {
        into->raw = text ? slice_of(text) : (struct slice){0};
        return OK;
    }
    if (column == COLUMN_KEY) {
        into->key = text ? slice_of(text) : (struct slice){0};
        return OK;
    }
    if (!text)
        return OK;
    struct column time = column_make(&f->arena, type, 1, false), *c = column >= 0 ? &row->cols[column] : &time;
    TRY(column_parse(c, 0, slice_of(text), &f->arena, err));
    if (column == COLUMN_TIMESTAMP)
        into->timestamp = *(int64_t *)c->data;
    else
        bit_set(c->valid, 0);
    return OK;
}

static enum status give_row(struct reading *r, const struct script_step *s, const struct plan_table *t,
                            const int32_t *columns, const struct test_rows *rows, uint32_t i, struct memory_row *into)
{
    struct arena *a = &r->file->arena;
    struct batch *row = batch_make(a, t->schema.types, t->schema.ncols, 1);
    bool raw = false;
    for (uint32_t c = 0; c < t->schema.ncols; c++)
        row->cols[c] = column_make(a, t->schema.types[c], 1, true);
    *into = (struct memory_row){.timestamp = ORIGIN_NO_TIME};
    for (uint32_t k = 0; k < rows->ncols; k++) {
        raw |= columns[k] == COLUMN_RAW;
        if (give_cell(r->file, t, columns[k], rows->cells[i][k], row, into, r->err) == OK)
            continue;
        (void)error_prefix(r->err, "row %u, column %u of \"%s\"", i + 1, k + 1, t->name);
        (void)placed(FAILED, &s->place, r->err);
        return error_hint(r->err, "a message that breaks its table's types is given whole: INSERT INTO %s (raw) "
                                  "VALUES ('...')", t->name);
    }
    if (raw)
        return OK;
    AUTO(buf) packed = BUF(MIB(64));
    rowpack_put(&packed, row->cols, row->ncols, 0);
    into->packed = (struct slice){arena_dup(a, packed.data, packed.len), packed.len};
    return OK;
}

static enum status read_insert(struct reading *r, uint32_t step, struct test_action *into)
{
    const struct script_step *s = &r->steps[step];
    into->kind = TEST_GIVE;
    TRY(find_input(r, s, &into->input));
    struct memory_input *input = &r->into->inputs[into->input];
    const struct plan_table *t = table_of(r->into, input->table);
    int32_t *columns = NULL;
    uint32_t ncolumns = 0;
    struct test_rows rows;
    if (input->closed)
        return fail_at(&s->place, r->err, "rows of \"%s\" after it was closed", s->name);
    TRY(given_columns(r, s, t, &columns, &ncolumns));
    TRY(literal_rows(r, step, &rows));
    if (rows.ncols != ncolumns)
        return fail_at(&s->place, r->err, "INSERT has %u columns to fill in \"%s\" but the query gives %u", ncolumns,
                       t->name, rows.ncols);
    struct memory_row *grown = arena_array(&r->file->arena, input->count + rows.count, sizeof *grown);
    if (input->count)
        memcpy(grown, input->rows, input->count * sizeof *grown);
    input->rows = grown;
    for (uint32_t i = 0; i < rows.count; i++)
        TRY(give_row(r, s, t, columns, &rows, i, &grown[input->count + i]));
    into->nrows = rows.count;
    input->count += rows.count;
    return OK;
}

/* ---- expectations ---- */

static enum status expected_rows(struct reading *r, uint32_t step, struct test_action *into)
{
    const struct script_step *s = &r->steps[step];
    into->place = s->place;
    TRY(literal_rows(r, step, &into->expected));
    if (into->expected.ncols != into->columns->ncols) {
        (void)fail_at(&s->place, r->err, "VALUES has rows of %u columns, the SELECT before it gives %u",
                      into->expected.ncols, into->columns->ncols);
        return FAILED;
    }
    for (uint32_t i = 0; i < into->expected.count; i++)
        for (uint32_t c = 0; c < into->expected.ncols; c++) {
            const char **cell = &into->expected.cells[i][c];
            if (!*cell || test_cell(into->columns->types[c], *cell, &r->file->arena, cell, r->err) == OK)
                continue;
            (void)error_prefix(r->err, "row %u, column \"%s\"", i + 1, into->columns->names[c]);
            return placed(FAILED, &s->place, r->err);
        }
    return OK;
}

/* A SELECT, and the VALUES behind it: *step is moved to the last statement that belongs to it. */
static enum status read_expectation(struct reading *r, uint32_t *step, struct test_action *into)
{
    const struct script_step *s = &r->steps[*step];
    into->kind = TEST_EXPECT;
    into->ordered = s->ordered;
    into->expected.arena = &r->file->arena;
    TRY(select_query(r, *step, &into->query));
    const struct plan_node *result = &into->query->nodes[into->query->nnodes - 1];
    assert(result->kind == NODE_RESULT);
    into->columns = &result->schema;
    into->expected.ncols = into->columns->ncols;
    if (*step + 1 < r->end && r->steps[*step + 1].kind == SCRIPT_VALUES)
        return expected_rows(r, ++*step, into);
    return OK;
}

/* ---- settings ---- */

static enum status read_time(const struct script_step *s, int64_t *ret, struct error *err)
{
    bool zoned;
    if (civil_parse_timestamp(slice_of(s->value), ret, &zoned))
        return OK;
    (void)fail_at(&s->place, err, "%s: \"%s\" is no time", s->name, s->value);
    return error_hint(err, "write '2026-01-01 12:00:00Z'");
}

static enum status read_cuts(struct reading *r, const struct script_step *s)
{
    bool as_written = !strcmp(s->value, "as written");
    if (!as_written && strcmp(s->value, "any")) {
        (void)fail_at(&s->place, r->err, "test.cuts is '%s'", s->value);
        return error_hint(r->err, "it is 'any' or 'as written'");
    }
    r->into->as_written = as_written;
    return OK;
}

/* Before the case's own actions: what its pipeline is, and how it is cut. */
static enum status read_setting(struct reading *r, const struct script_step *s)
{
    if (!strcmp(s->name, "test.cuts"))
        return read_cuts(r, s);
    if (!strcmp(s->name, "test.pipeline")) {
        r->pipeline = s->value;
        r->pipeline_place = s->place;
        return OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(setting_names); i++)
        if (!strcmp(setting_names[i], s->name))
            return OK;
    (void)fail_at(&s->place, r->err, "a test has no setting \"%s\"", s->name);
    return near(s->name, setting_names, ARRAY_LEN(setting_names), r->err);
}

/* ---- cases ---- */

static enum status read_close(struct reading *r, const struct script_step *s, struct test_action *into)
{
    into->kind = TEST_CLOSE;
    into->input = UINT32_MAX;
    if (s->name)
        TRY(find_input(r, s, &into->input));
    for (uint32_t i = 0; i < r->into->ninputs; i++)
        if (!s->name || i == into->input)
            r->into->inputs[i].closed = true; /* as far as reading is */
    return OK;
}

/* *ret_done: the step is an action. */
static enum status read_action(struct reading *r, uint32_t *step, struct test_action *into, bool *ret_done)
{
    const struct script_step *s = &r->steps[*step];
    *into = (struct test_action){.place = s->place};
    *ret_done = true;
    switch (s->kind) {
    case SCRIPT_INSERT: return read_insert(r, *step, into);
    case SCRIPT_CHECKPOINT: into->kind = TEST_CUT; return OK;
    case SCRIPT_CLOSE: return read_close(r, s, into);
    case SCRIPT_SELECT: return read_expectation(r, step, into);
    case SCRIPT_VALUES:
        (void)fail_at(&s->place, r->err, "VALUES stands behind no SELECT");
        return error_hint(r->err, "SELECT ...; VALUES (...), (...); says what rows the SELECT gives");
    case SCRIPT_SET: break;
    }
    *ret_done = !strcmp(s->name, "test.now") || !strcmp(s->name, "test.watermark");
    into->kind = strcmp(s->name, "test.now") ? TEST_WATERMARK : TEST_NOW;
    return *ret_done ? read_time(s, &into->us, r->err) : OK;
}

static enum status read_actions(struct reading *r)
{
    struct test_case *t = r->into;
    bool expects = false;
    t->actions = arena_array(&r->file->arena, r->end - r->first, sizeof *t->actions);
    for (uint32_t i = r->first; i < r->end; i++) {
        bool done;
        TRY(read_action(r, &i, &t->actions[t->nactions], &done));
        expects |= done && t->actions[t->nactions].kind == TEST_EXPECT;
        t->nactions += done;
    }
    for (uint32_t i = 0; i < t->ninputs; i++)
        t->inputs[i].closed = false;
    if (expects)
        return OK;
    (void)fail_at(&t->place, r->err, "the test \"%s\" expects nothing", t->name);
    return error_hint(r->err, "SELECT ... FROM what the pipeline writes, and behind it VALUES (...), (...)");
}

static enum status read_case(struct test_file *f, const struct script_step *steps, uint32_t common, uint32_t first,
                             uint32_t end, struct error *err)
{
    struct test_case *t = arena_zalloc(&f->arena, sizeof *t);
    struct reading r = {.file = f, .steps = steps, .first = first + 1, .end = end, .into = t, .err = err};
    f->cases[f->ncases++] = t;
    t->name = steps[first].value;
    t->place = steps[first].place;
    for (uint32_t i = 0; i < common; i++) {
        TRY(read_setting(&r, &steps[i]));
        if (!strcmp(steps[i].name, "test.now"))
            TRY(read_time(&steps[i], &t->now_us, err));
    }
    for (uint32_t i = first; i < end; i++)
        if (steps[i].kind == SCRIPT_SET)
            TRY(read_setting(&r, &steps[i]));
    TRY(read_pipeline(&r));
    TRY(plan_case(&r));
    return read_actions(&r);
}

static bool begins_case(const struct script_step *s) { return s->kind == SCRIPT_SET && !strcmp(s->name, "test.name"); }

static enum status read_cases(struct test_file *f, struct error *err)
{
    uint32_t n, common = 0;
    const struct script_step *steps = script_steps(f->script, &n);
    for (; common < n && !begins_case(&steps[common]); common++)
        if (steps[common].kind != SCRIPT_SET) {
            (void)fail_at(&steps[common].place, err, "before the first test there are only settings");
            return error_hint(err, "a test begins with SET test.name = 'what it shows'");
        } else if (!strcmp(steps[common].name, "test.watermark")) {
            return fail_at(&steps[common].place, err, "test.watermark belongs into a test");
        }
    f->cases = arena_array(&f->arena, n, sizeof *f->cases);
    for (uint32_t first = common, end; first < n; first = end) {
        for (end = first + 1; end < n && !begins_case(&steps[end]);)
            end++;
        TRY(read_case(f, steps, common, first, end, err));
    }
    if (f->ncases)
        return OK;
    (void)error_set(err, ERR_SQL, "%s has no test", f->path);
    return error_hint(err, "a test begins with SET test.name = 'what it shows'");
}

enum status test_file_read(const char *path, struct test_file *ret, struct error *err)
{
    struct test_file *f = ret;
    *f = (struct test_file){.path = path};
    struct plan_text *texts;
    char *names[] = {(char *)path};
    TRY(cmd_read_texts(names, 1, &f->arena, &texts, err));
    f->text = texts[0];
    TRY(script_read(&f->text, &f->script, err));
    return read_cases(f, err);
}

void test_file_release(struct test_file *f)
{
    for (uint32_t i = 0; i < f->ncases; i++) {
        struct test_case *t = f->cases[i];
        for (uint32_t k = 0; k < t->nactions; k++)
            plan_free(t->actions[k].query);
        plan_free(t->plan);
    }
    script_free(f->script);
    arena_release(&f->arena);
}
