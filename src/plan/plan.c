#include <stdlib.h>

#include "plan/bind.h"
#include "plan/parse.h"

/* Servers and functions come before tables and tables before queries, whatever the order of files and statements. */
static int phase_of(const struct ast_statement *s)
{
    switch (s->kind) {
    case AST_CREATE_SERVER:
    case AST_COPY:
    case AST_SET: return 0;
    case AST_CREATE_FUNCTION:
    case AST_CREATE_MAPPING: return 1;
    case AST_CREATE_TABLE: return 2;
    case AST_CREATE_VIEW:
    case AST_INSERT:
    case AST_QUERY:
    case AST_CHECKPOINT:
    case AST_CLOSE: return 3;
    }
    return 3;
}

enum { PHASES = 4 };

static enum status refuse_test_statement(struct binder *b, const struct ast_statement *s)
{
    (void)bind_refuse(b, s->location, "%s in a pipeline", s->kind == AST_CLOSE ? "CLOSE" : "CHECKPOINT");
    return error_hint(b->err, "it belongs into a test (bourn test): a pipeline ends its epochs by itself");
}

static enum status bind_statement(struct binder *b, const struct ast_statement *s)
{
    b->nbound = 0;
    b->step = "query"; /* views and INSERTs have better names */
    switch (s->kind) {
    case AST_CREATE_SERVER: return catalog_server(b, s);
    case AST_CREATE_MAPPING: return catalog_mapping(b, s);
    case AST_SET: return catalog_setting(b, s);
    case AST_COPY: return catalog_copy(b, s);
    case AST_CREATE_TABLE: return catalog_table(b, s);
    case AST_CREATE_FUNCTION: return bind_function(b, s);
    case AST_CREATE_VIEW: return bind_view(b, s);
    case AST_INSERT: return bind_insert(b, s);
    case AST_QUERY: return bind_result(b, s);
    case AST_CHECKPOINT:
    case AST_CLOSE: return refuse_test_statement(b, s);
    }
    return OK;
}

/* What a failed statement would have made exists as far as others are concerned: they say nothing about it. */
static void statement_broken(struct binder *b, const struct ast_statement *s)
{
    if (s->kind == AST_CREATE_SERVER || s->kind == AST_CREATE_TABLE)
        catalog_mark_broken(b, s->name);
    if (s->kind == AST_CREATE_FUNCTION)
        function_broken(b, s);
    if (s->kind != AST_CREATE_VIEW || catalog_find_view(b, s->name))
        return;
    b->views = binder_grow(b, b->views, b->nviews, &b->views_cap, sizeof *b->views);
    b->views[b->nviews++] = (struct named_view){.name = s->name, .broken = true};
}

/* Of the pipeline that a query is about: its functions have been bound, and nothing else of it is wanted. */
static bool is_of_pipeline(const struct binder *b, const struct ast_statement *s)
{
    return b->lookup && b->text->nfiles > 1 && s->location >= text_base(b->text, 1);
}

static void bind_all(struct binder *b, const struct ast_statements *statements, struct problems *problems)
{
    for (int phase = 0; phase < PHASES; phase++)
        for (uint32_t i = 0; i < statements->count; i++) {
            struct error err = {0};
            const struct ast_statement *s = statements->items[i];
            b->err = &err;
            if (phase_of(s) != phase || is_of_pipeline(b, s) || problems->count == PROBLEMS_MAX ||
                bind_statement(b, s) == OK)
                continue;
            problems_add(problems, &err);
            statement_broken(b, s);
        }
}

static void check_unused_tables(struct binder *b, struct problems *problems)
{
    for (uint32_t i = 0; i < b->plan->ntables; i++) {
        struct error err = {0};
        b->err = &err;
        if (catalog_check_unused(b, &b->plan->tables[i]) != OK)
            problems_add(problems, &err);
    }
}

static void check_purpose(const struct binder *b, struct problems *problems)
{
    struct error err = {0};
    if (problems->count || b->ninsertions || b->nresults)
        return;
    (void)problem_at(b->text, 0, &err, ERR_SQL, "there is nothing to do: the text has no %s",
                     b->lookup ? "SELECT" : "INSERT INTO ... SELECT");
    problems_add(problems, &err);
}

/* ---- what is told ---- */

static size_t file_rank(const struct text *t, const struct place *p)
{
    size_t i = 0;
    while (i < t->nfiles && strncmp(t->files[i].name, p->file, sizeof p->file - 1) != 0)
        i++;
    return i;
}

static bool stands_before(const struct text *t, const struct place *a, const struct place *b)
{
    size_t fa = file_rank(t, a), fb = file_rank(t, b);
    if (fa != fb)
        return fa < fb;
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void sort_problems(struct problems *p)
{
    for (uint32_t i = 1; i < p->count; i++) {
        struct error moved = p->items[i];
        uint32_t at = i;
        for (; at > 0 && stands_before(p->text, &moved.place, &p->items[at - 1].place); at--)
            p->items[at] = p->items[at - 1];
        p->items[at] = moved;
    }
}

static enum status tell(struct problems *problems, struct plan_errors *ret_others, struct error *err)
{
    sort_problems(problems);
    *err = problems->items[0];
    if (ret_others) {
        ret_others->count = problems->count - 1;
        memcpy(ret_others->items, problems->items + 1, ret_others->count * sizeof *ret_others->items);
    }
    return FAILED;
}

/* ---- the two ways in ---- */

static enum status make(const struct plan_text *texts, size_t ntexts, const struct plan_world *world,
                        const struct plan_lookup *lookup, struct plan **ret, struct plan_errors *ret_others,
                        struct error *err)
{
    AUTO(plan) *p = mem_zalloc(sizeof *p);
    struct text text;
    TRY(text_init(&text, texts, ntexts, &p->arena, err));
    struct problems problems = {.text = &text};
    struct binder b = {.arena = &p->arena, .plan = p, .world = world, .lookup = lookup, .text = &text};
    struct ast_statements statements;
    parse_text(&text, &p->arena, &problems, &statements);
    b.unread = statements.nfailed > 0;
    if (lookup && lookup->npipeline)
        bind_pipeline_functions(&b, &statements, &problems);
    bind_all(&b, &statements, &problems);
    if (!lookup)
        check_unused_tables(&b, &problems);
    check_purpose(&b, &problems);
    if (problems.count == 0) {
        struct error last = {0};
        b.err = &last;
        (void)bind_sinks(&b, &problems);
    }
    if (problems.count)
        return tell(&problems, ret_others, err);
    nodes_finish(&b);
    *ret = p;
    p = NULL;
    return OK;
}

enum status plan_make(const struct plan_text *texts, size_t ntexts, const struct plan_world *world, struct plan **ret,
                      struct error *err)
{
    return make(texts, ntexts, world, NULL, ret, NULL, err);
}

enum status plan_check(const struct plan_text *texts, size_t ntexts, const struct plan_world *world,
                       struct plan **ret, struct plan_errors *ret_others, struct error *err)
{
    return make(texts, ntexts, world, NULL, ret, ret_others, err);
}

enum status plan_query(const struct plan_text *text, const struct plan_world *world, const struct plan_lookup *lookup,
                       struct plan **ret, struct error *err)
{
    AUTO(arena) a = {0};
    struct plan_text *texts = arena_array(&a, lookup->npipeline + 1, sizeof *texts);
    texts[0] = *text;
    if (lookup->npipeline)
        memcpy(texts + 1, lookup->pipeline, lookup->npipeline * sizeof *texts);
    return make(texts, lookup->npipeline + 1, world, lookup, ret, NULL, err);
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    struct arena all = p->arena; /* the plan lies outside it, but everything else inside */
    arena_release(&all);
    free(p);
}
