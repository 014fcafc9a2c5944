#include "cmd/test_run.h"

#include <stdlib.h>

#include "base/os.h"
#include "engine/engine.h"
#include "engine/query.h"
#include "engine/relations.h"

/* The same rows in the same order, otherwise. */
enum cuts { CUTS_WRITTEN, CUTS_ROWS /* each row is an epoch */, CUTS_NONE /* epochs end only where somebody looks */ };

static const struct variant {
    const char *name;
    enum cuts cuts;
    uint32_t workers, batch;
    bool killed;
} variants[] = {
    {"as written", CUTS_WRITTEN, 1, 0, false},
    {"killed in every epoch", CUTS_WRITTEN, 1, 0, true},
    {"in batches of one row, on 2 workers", CUTS_WRITTEN, 2, 1, false},
    {"on 8 workers", CUTS_WRITTEN, 8, 3, false},
    {"every row an epoch", CUTS_ROWS, 1, 0, false},
    {"every row an epoch, on 2 workers, killed in every epoch", CUTS_ROWS, 2, 0, true},
    {"as few epochs as possible", CUTS_NONE, 1, 0, false},
};

struct run {
    struct test_case *test;
    const struct variant *variant;
    const char *state;
    struct engine *engine;
    struct memory_inputs inputs;
    struct memory_outputs outputs;
    struct engine_stand_in stand_in;
    int64_t now_us;
    bool waiting; /* rows were released and are in no epoch yet */
    bool empty;   /* no row was given since the last CHECKPOINT */
    struct arena *arena;
    struct test_failure *failure;
};

static enum status remove_child(void *arg, const char *name, struct error *err)
{
    AUTO(arena) a = {0};
    return test_remove(arena_printf(&a, "%s/%s", (const char *)arg, name), err);
}

enum status test_remove(const char *path, struct error *err)
{
    struct os_stat st;
    TRY(os_stat(path, &st, err));
    if (st.kind == OS_MISSING)
        return OK;
    if (st.kind != OS_FOLDER)
        return os_unlink(path, err);
    TRY(os_folder_list(path, remove_child, (void *)path, err));
    return os_rmdir(path, err);
}

/* ---- the engine, and its deaths ---- */

static enum status start(struct run *r, struct error *err)
{
    struct engine_config config = {.texts = r->test->texts,
                                   .ntexts = r->test->ntexts,
                                   .state = r->state,
                                   .workers = r->variant->workers,
                                   .now_us = r->now_us,
                                   .allow_c_functions = r->test->allow_c_functions,
                                   .stand_in = &r->stand_in};
    return engine_open(&config, &r->engine, err);
}

/* What the engine has not logged is gone; what is outside stays. */
static enum status restart(struct run *r, enum memory_killed killed, struct error *err)
{
    engine_free(r->engine);
    r->engine = NULL;
    for (uint32_t i = 0; i < r->inputs.count; i++)
        r->inputs.items[i].killed = false;
    for (uint32_t i = 0; i < r->outputs.count; i++)
        r->outputs.items[i].killed = killed;
    return start(r, err);
}

/* The end that was asked for is no failure; nor is it one if there was nothing to do it in. */
static enum status survive(enum status status, struct error *err)
{
    return status == FAILED && err->code == ERR_INTERRUPTED ? OK : status;
}

/* After its record nothing outside knows of the epoch; then a sink is written to, or not, and dies. */
static enum status publish_and_die(struct run *r, struct error *err)
{
    TRY(restart(r, MEMORY_KILLED_BEFORE, err));
    TRY(survive(engine_publish(r->engine, err), err));
    TRY(restart(r, MEMORY_KILLED_AFTER, err));
    TRY(survive(engine_publish(r->engine, err), err));
    TRY(restart(r, MEMORY_LIVES, err));
    return engine_publish(r->engine, err);
}

/* An epoch of what was released. watermark: INT64_MIN, or event time to go on from. */
static enum status step(struct run *r, int64_t watermark, struct error *err)
{
    r->waiting = false;
    if (r->variant->killed) {
        for (uint32_t i = 0; i < r->inputs.count; i++)
            r->inputs.items[i].killed = true;
        if (watermark != INT64_MIN)
            engine_advance(r->engine, watermark);
        TRY(survive(engine_step(r->engine, r->now_us, err), err));
        TRY(restart(r, MEMORY_LIVES, err));
    }
    if (watermark != INT64_MIN)
        engine_advance(r->engine, watermark);
    TRY(engine_step(r->engine, r->now_us, err));
    return r->variant->killed ? publish_and_die(r, err) : OK;
}

static enum status flush(struct run *r, struct error *err) { return r->waiting ? step(r, INT64_MIN, err) : OK; }

static bool has_ended(const struct run *r) { return engine_manifest(r->engine)->ended; }

/* ---- actions ---- */

static enum status give(struct run *r, const struct test_action *a, struct error *err)
{
    struct memory_input *in = &r->inputs.items[a->input];
    uint32_t n = MIN(a->nrows, in->count - in->released); /* reference data is there already */
    r->empty &= a->nrows == 0;
    if (r->variant->cuts != CUTS_ROWS) {
        in->released += n;
        r->waiting |= a->nrows > 0;
        return OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        in->released++;
        TRY(step(r, INT64_MIN, err));
    }
    return OK;
}

static enum status cut(struct run *r, struct error *err)
{
    bool empty = r->empty;
    r->empty = true;
    if (!empty && r->variant->cuts == CUTS_NONE)
        return OK;
    TRY(flush(r, err));
    return empty && !has_ended(r) ? step(r, INT64_MIN, err) : OK;
}

/* Rows are late from the second epoch on, and windows close in it. */
static enum status advance(struct run *r, int64_t us, struct error *err)
{
    TRY(flush(r, err));
    TRY(step(r, us, err));
    return step(r, INT64_MIN, err);
}

static enum status close_inputs(struct run *r, const struct test_action *a, struct error *err)
{
    TRY(flush(r, err));
    for (uint32_t i = 0; i < r->inputs.count; i++)
        if (a->input == UINT32_MAX || a->input == i)
            r->inputs.items[i].closed = true;
    return has_ended(r) ? OK : step(r, INT64_MIN, err);
}

static enum status lookup(void *arg, const char *name, struct arena *a, struct schema *ret, struct error *err)
{
    const struct run *r = arg;
    (void)a;
    if (test_is_relation(r->test->plan, name, ret))
        return OK;
    return error_set(err, ERR_NOT_FOUND, "the pipeline writes no table \"%s\"", name);
}

static enum status read_relation(void *arg, const char *name, enum status (*take)(void *, struct batch *),
                                 void *take_arg, struct error *err)
{
    const struct run *r = arg;
    AUTO(arena) a = {0};
    (void)err;
    for (uint32_t i = 0; i < r->outputs.count; i++) {
        if (strcmp(r->outputs.items[i].table, name))
            continue;
        struct batch *rows = memory_output_rows(&r->outputs.items[i], &a);
        return rows ? take(take_arg, rows) : OK;
    }
    struct batch *rows = relation_rows(name, engine_manifest(r->engine), &a);
    return rows ? take(take_arg, rows) : OK;
}

static enum status find_rows(struct run *r, const struct test_action *a, struct test_rows *found, struct error *err)
{
    struct query_relations relations = {.lookup = {.relation = lookup, .arg = r}, .read = read_relation,
                                        .allow_c_functions = r->test->allow_c_functions};
    TRY(test_rows_query(a->query, &relations, found, err));
    for (uint32_t i = 0; i < found->count; i++)
        for (uint32_t c = 0; c < found->ncols; c++)
            if (found->cells[i][c])
                TRY(test_cell(a->columns->types[c], found->cells[i][c], r->arena, &found->cells[i][c], err));
    return OK;
}

/* The stream comes to rest before it is looked at: an epoch without rows lets go what the watermark has passed. AGAIN:
 * the rows are not those expected. */
static enum status expect(struct run *r, const struct test_action *a, struct error *err)
{
    struct test_rows found = {.arena = r->arena};
    TRY(flush(r, err));
    if (!has_ended(r))
        TRY(step(r, INT64_MIN, err));
    TRY(engine_publish(r->engine, err));
    if (find_rows(r, a, &found, err) != OK) {
        err->place = a->place;
        return FAILED;
    }
    return test_compare(a, &found, r->arena, r->failure) ? OK : AGAIN;
}

static enum status act(struct run *r, const struct test_action *a, struct error *err)
{
    switch (a->kind) {
    case TEST_GIVE: return give(r, a, err);
    case TEST_CUT: return cut(r, err);
    case TEST_NOW:
        TRY(flush(r, err));
        r->now_us = a->us;
        return OK;
    case TEST_WATERMARK: return advance(r, a->us, err);
    case TEST_CLOSE: return close_inputs(r, a, err);
    case TEST_EXPECT: return expect(r, a, err);
    }
    return OK;
}

/* ---- a variant ---- */

/* A reference table is there before anything else comes. */
static void give_reference_data(struct run *r)
{
    for (uint32_t i = 0; i < r->inputs.count; i++) {
        struct memory_input *in = &r->inputs.items[i];
        bool ends = false, closed = false;
        for (uint32_t k = 0; k < r->test->plan->ntables; k++)
            if (!strcmp(r->test->plan->tables[k].name, in->table))
                ends = option_given(&r->test->plan->tables[k].options, "ends");
        for (size_t k = 0; k < r->test->stand_in.nends; k++)
            closed |= !strcmp(r->test->stand_in.ends[k], in->table);
        if (ends && !closed) {
            in->released = in->count;
            in->closed = true;
        }
    }
}

static void prepare(struct run *r)
{
    const struct plan *plan = r->test->plan;
    r->inputs.count = r->test->ninputs;
    r->inputs.items = arena_dup(r->arena, r->test->inputs, r->inputs.count * sizeof *r->inputs.items);
    for (uint32_t i = 0; i < r->inputs.count; i++)
        r->inputs.items[i].batch = r->variant->batch;
    r->outputs.items = arena_zarray(r->arena, plan->ntables, sizeof *r->outputs.items);
    for (uint32_t i = 0; i < plan->ntables; i++)
        if (plan->tables[i].is_sink)
            r->outputs.items[r->outputs.count++] =
                (struct memory_output){.table = plan->tables[i].name, .schema = &plan->tables[i].schema};
    r->stand_in = (struct engine_stand_in){.world = &r->test->world,
                                           .source = &source_memory_connector,
                                           .sink = &sink_memory_connector,
                                           .source_arg = &r->inputs,
                                           .sink_arg = &r->outputs};
    give_reference_data(r);
}

static enum status run_actions(struct run *r, const struct test_action **at, struct error *err)
{
    TRY(start(r, err));
    for (uint32_t i = 0; i < r->test->nactions; i++) {
        *at = &r->test->actions[i];
        TRY(act(r, *at, err));
    }
    TRY(flush(r, err));
    return engine_publish(r->engine, err);
}

static bool run_variant(struct test_case *t, const struct variant *v, const char *state, struct arena *a,
                        struct test_failure *ret)
{
    struct run r = {.test = t, .variant = v, .state = state, .now_us = t->now_us, .empty = true, .arena = a,
                    .failure = ret};
    const struct test_action *at = t->actions;
    struct error err, ignored;
    prepare(&r);
    enum status status = test_remove(state, &err);
    if (status == OK)
        status = run_actions(&r, &at, &err);
    int64_t epoch = r.engine ? engine_manifest(r.engine)->epoch : 0;
    engine_free(r.engine);
    for (uint32_t i = 0; i < r.outputs.count; i++)
        memory_output_clear(&r.outputs.items[i]);
    (void)!test_remove(state, &ignored);
    if (status == OK)
        return true;
    if (status == FAILED) {
        char text[1200];
        *ret = (struct test_failure){.place = at->place};
        ret->error = arena_strdup(a, error_print(&err, text, sizeof text));
    }
    ret->variant = v->name;
    ret->epoch = epoch;
    return false;
}

bool test_run(struct test_case *t, const char *state, struct arena *a, uint32_t *ret_runs, struct test_failure *ret)
{
    *ret_runs = 0;
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        if (t->as_written && variants[i].cuts != CUTS_WRITTEN)
            continue;
        ++*ret_runs;
        if (!run_variant(t, &variants[i], state, a, ret))
            return false;
    }
    return true;
}
