/* bourn query: SELECT over the tables that a pipeline has published, all as of one epoch. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/result_print.h"
#include "engine/builtin.h"
#include "engine/published.h"
#include "link/local.h"

struct request {
    const char *state, *sql;
    const struct plan_text *pipeline; /* whose functions the SQL may call */
    size_t npipeline;
    bool allow_c_functions;
    enum result_style style;
    unsigned width;
};

static enum status query(const struct request *r, const struct plan *plan, struct error *err)
{
    struct store *store = store_local_new(r->state);
    struct manifest m = {0};
    bool exists = false;
    enum status s = journal_exists(store, &exists, err);
    if (s == OK && !exists) {
        (void)error_set(err, ERR_STATE, "there is no state at %s, so nothing says which rows belong together",
                        r->state);
        s = error_hint(err,
                       "name the state folder of the run: --state or BOURN_STATE; `bourn cat` reads a table alone");
    }
    if (s == OK)
        s = journal_read(store, &m, err);
    struct published published = {0};
    if (s == OK)
        s = published_open(plan, &m, true, &published, err);
    if (s == OK) {
        struct query_relations relations = published_relations(&published);
        relations.lookup.pipeline = r->pipeline;
        relations.lookup.npipeline = r->npipeline;
        relations.allow_c_functions = r->allow_c_functions;
        struct plan_text text = {"query", slice_of(r->sql)};
        s = result_print(&text, &relations, r->style, r->width, UINT64_MAX, err);
    }
    published_release(&published);
    manifest_release(&m);
    store_free(store);
    return s;
}

int cmd_query(int argc, char **argv)
{
    struct request r = {.state = "./state"};
    bool csv = false, json = false;
    const struct cmd_flag flags[] = {
        {"state", &r.state, NULL},
        {"e", &r.sql, NULL},
        {"csv", NULL, &csv},
        {"json", NULL, &json},
        {"allow-c-functions", NULL, &r.allow_c_functions},
    };
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    if (n == 0 || !r.sql)
        return cmd_usage("query", "the pipeline's files and -e 'SELECT ...', please");
    if (csv && json)
        return cmd_usage("query", "--csv or --json, not both");
    r.style = csv ? RESULT_CSV : json ? RESULT_JSON : RESULT_TABLE;
    r.width = cmd_is_terminal(1) ? cmd_terminal_width() : 0;
    AUTO(arena) a = {0};
    struct error err;
    struct plan_text *texts;
    struct plan *plan = NULL;
    struct plan_world world = *builtin_world();
    world.may_lack_variables = true; /* of the sources, and of other sinks */
    enum status s = cmd_read_texts(argv, n, &a, &texts, &err);
    if (s == OK)
        s = plan_make(texts, (size_t)n, &world, &plan, &err);
    if (s == OK) {
        r.pipeline = texts;
        r.npipeline = (size_t)n;
        s = query(&r, plan, &err);
    }
    plan_free(plan);
    return s == OK ? 0 : cmd_fail(&err);
}
