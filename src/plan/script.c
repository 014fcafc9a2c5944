#include "plan/script.h"

#include <stdlib.h>

#include "plan/bind.h"
#include "plan/parse.h"

struct script {
    struct arena arena;
    struct text text;
    struct ast_statements statements;
    struct script_step *steps;
};

static enum status refuse(const struct script *s, const struct ast_statement *a, struct error *err)
{
    (void)problem_at(&s->text, a->location, err, ERR_UNSUPPORTED, "%s in a test is not supported",
                     a->kind == AST_COPY ? "COPY" : "CREATE");
    return error_hint(err, "it belongs into the pipeline; a test has SET, INSERT, CHECKPOINT, CLOSE, SELECT and "
                           "VALUES");
}

static void read_insert(struct script *s, const struct ast_statement *a, struct script_step *into)
{
    into->columns = a->names.items;
    into->ncolumns = a->names.count;
    into->column_places = arena_array(&s->arena, a->names.count, sizeof *into->column_places);
    for (uint32_t i = 0; i < a->names.count; i++)
        into->column_places[i] = text_place(&s->text, a->name_locations[i]);
}

static enum status read_step(struct script *s, const struct ast_statement *a, struct script_step *into,
                             struct error *err)
{
    *into = (struct script_step){.place = text_place(&s->text, a->location), .name = a->name, .value = a->value};
    switch (a->kind) {
    case AST_SET: into->kind = SCRIPT_SET; return OK;
    case AST_CHECKPOINT: into->kind = SCRIPT_CHECKPOINT; return OK;
    case AST_CLOSE: into->kind = SCRIPT_CLOSE; return OK;
    case AST_QUERY:
        into->kind = a->query->kind == AST_SELECT_VALUES ? SCRIPT_VALUES : SCRIPT_SELECT;
        into->ordered = a->query->norder > 0;
        return OK;
    case AST_INSERT:
        into->kind = SCRIPT_INSERT;
        if (a->schema)
            into->name = arena_printf(&s->arena, "%s.%s", a->schema, a->name);
        read_insert(s, a, into);
        return OK;
    default: return refuse(s, a, err);
    }
}

enum status script_read(const struct plan_text *text, struct script **ret, struct error *err)
{
    AUTO(script) *s = mem_zalloc(sizeof *s);
    TRY(text_init(&s->text, text, 1, &s->arena, err));
    struct problems problems = {.text = &s->text};
    parse_text(&s->text, &s->arena, &problems, &s->statements);
    if (problems.count) {
        *err = problems.items[0];
        return FAILED;
    }
    s->steps = arena_array(&s->arena, s->statements.count, sizeof *s->steps);
    for (uint32_t i = 0; i < s->statements.count; i++)
        TRY(read_step(s, s->statements.items[i], &s->steps[i], err));
    *ret = s;
    s = NULL;
    return OK;
}

const struct script_step *script_steps(const struct script *s, uint32_t *ret_count)
{
    *ret_count = s->statements.count;
    return s->steps;
}

/* The script is the first file, so that its places stay what they are. */
static enum status bind_functions(const struct script *s, const struct plan_lookup *lookup, struct binder *b,
                                  struct text *text, struct error *err)
{
    struct plan_text *texts = arena_array(b->arena, lookup->npipeline + 1, sizeof *texts);
    texts[0] = s->text.files[0];
    memcpy(texts + 1, lookup->pipeline, lookup->npipeline * sizeof *texts);
    TRY(text_init(text, texts, lookup->npipeline + 1, b->arena, err));
    struct problems problems = {.text = text};
    struct ast_statements statements;
    parse_text(text, b->arena, &problems, &statements);
    b->text = text;
    bind_pipeline_functions(b, &statements, &problems);
    b->err = err;
    if (problems.count == 0)
        return OK;
    *err = problems.items[0];
    return FAILED;
}

enum status script_query(const struct script *s, uint32_t step, const struct plan_world *world,
                         const struct plan_lookup *lookup, struct plan **ret, struct error *err)
{
    AUTO(plan) *p = mem_zalloc(sizeof *p);
    assert(s->statements.items[step]->query);
    struct ast_statement query = *s->statements.items[step];
    query.kind = AST_QUERY;
    struct binder b = {.arena = &p->arena, .plan = p, .world = world, .lookup = lookup, .text = &s->text, .err = err,
                       .step = "query"};
    struct text text;
    if (lookup->npipeline)
        TRY(bind_functions(s, lookup, &b, &text, err));
    TRY(bind_result(&b, &query));
    nodes_finish(&b);
    *ret = p;
    p = NULL;
    return OK;
}

void script_free(struct script *s)
{
    if (!s)
        return;
    struct arena all = s->arena;
    arena_release(&all);
    free(s);
}
