#include "engine/change.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/builtin.h"
#include "engine/functions.h"
#include "engine/graph.h"

/* ---- finding ---- */

static const struct plan_node *find_id(const struct plan *p, const char *id)
{
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (!strcmp(p->nodes[i].id, id))
            return &p->nodes[i];
    return NULL;
}

static const struct plan_node *find_sink(const struct plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (p->nodes[i].kind == NODE_SINK && !strcmp(p->nodes[i].sink_name, name))
            return &p->nodes[i];
    return NULL;
}

static const struct plan_node *find_scan(const struct plan *p, const char *table)
{
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (p->nodes[i].kind == NODE_SCAN && !strcmp(p->tables[p->nodes[i].table].name, table))
            return &p->nodes[i];
    return NULL;
}

static bool has_name(const struct plan_node *scan, const char *column)
{
    for (uint32_t i = 0; i < scan->schema.ncols; i++)
        if (!strcmp(scan->schema.names[i], column))
            return true;
    return false;
}

/* Columns of one name hold the same. */
static bool has_equal_columns(const struct plan_node *now, const struct plan_node *before)
{
    for (uint32_t i = 0; i < now->schema.ncols; i++)
        for (uint32_t k = 0; k < before->schema.ncols; k++)
            if (!strcmp(now->schema.names[i], before->schema.names[k]) &&
                strcmp(now->identity.columns[i], before->identity.columns[k]) != 0)
                return false;
    return true;
}

const char *change_refusing_column(const struct change *c, const struct plan_node *now, const struct plan_node *before)
{
    const struct ledger *total = c->manifest ? &c->manifest->total : NULL;
    for (uint32_t i = 0; total && i < total->nrules; i++) {
        const char *column = strncmp(total->rules[i].rule, "type:", 5) ? NULL : total->rules[i].rule + 5;
        if (column && !strcmp(total->rules[i].source, before->name) && total->rules[i].count &&
            has_name(before, column) && !has_name(now, column))
            return column;
    }
    return NULL;
}

bool change_alters_source(const struct change *c, const char *table)
{
    const struct plan_node *now = find_scan(c->now, table), *before = find_scan(c->before, table);
    return now && before &&
           (strcmp(now->id, before->id) != 0 || !has_equal_columns(now, before) ||
            change_refusing_column(c, now, before));
}

/* ---- fates ---- */

/* The refused rows come from the contracts of all sources, which are no part of the relation's identity. */
static bool same_contracts(const struct change *c)
{
    for (uint32_t i = 0; i < c->now->ntables; i++)
        if (c->now->tables[i].is_source && change_alters_source(c, c->now->tables[i].name))
            return false;
    return true;
}

static bool is_sound(const struct change *c, const struct plan_node *n)
{
    bool sound = true;
    if (n->kind == NODE_RELATION)
        sound = same_contracts(c);
    if (n->kind == NODE_SCAN)
        sound = !change_alters_source(c, c->now->tables[n->table].name);
    for (uint32_t k = 0; k < n->ninputs; k++)
        sound &= c->sound[n->inputs[k]];
    return sound;
}

static bool is_taken(const struct change *c, const struct plan_node *before)
{
    for (uint32_t i = 0; i < c->nsteps; i++)
        if (c->steps[i].before == before)
            return true;
    return false;
}

/* The step of the old plan that this one stands for: of the same kind and name. */
static const struct plan_node *counterpart(const struct change *c, const struct plan_node *n)
{
    for (uint32_t i = 0; i < c->before->nnodes; i++) {
        const struct plan_node *old = &c->before->nodes[i];
        if (old->kind == n->kind && !strcmp(old->name, n->name) && !is_taken(c, old))
            return old;
    }
    return NULL;
}

static void compare_steps(struct change *c)
{
    c->steps = arena_zarray(&c->arena, (size_t)c->now->nnodes + c->before->nnodes, sizeof *c->steps);
    c->nsteps = c->now->nnodes;
    for (uint32_t i = 0; i < c->now->nnodes; i++) {
        struct change_step *s = &c->steps[i];
        s->now = &c->now->nodes[i];
        c->sound[i] = is_sound(c, s->now);
        s->before = c->sound[i] ? find_id(c->before, s->now->id) : NULL;
        s->fate = s->before ? STEP_KEPT : STEP_ADDED;
    }
    for (uint32_t i = 0; i < c->now->nnodes; i++) {
        struct change_step *s = &c->steps[i];
        if (s->fate == STEP_ADDED && (s->before = counterpart(c, s->now)))
            s->fate = STEP_REBUILT;
    }
    for (uint32_t i = 0; i < c->before->nnodes; i++)
        if (!is_taken(c, &c->before->nodes[i]))
            c->steps[c->nsteps++] = (struct change_step){.fate = STEP_DROPPED, .before = &c->before->nodes[i]};
}

/* ---- sinks ---- */

static void refuse(struct change *c, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void refuse(struct change *c, const char *hint, const char *format, ...)
{
    if (c->refused)
        return;
    va_list args;
    va_start(args, format);
    char text[sizeof c->refusal.text];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->refused = true;
    (void)error_set(&c->refusal, ERR_STATE, "%s", text);
    (void)error_hint(&c->refusal, "%s", hint);
}

static void print_rules(const struct plan_table *t, struct buf *out)
{
    for (uint32_t i = 0; i < t->nrules; i++) {
        buf_put_json(out, slice_of(t->rules[i].id));
        if (t->rules[i].kind == RULE_CHECK)
            expr_print(t->rules[i].check, t->schema.names, out);
        else
            buf_put_json(out, slice_of(t->schema.names[t->rules[i].column]));
    }
}

static bool same_rules(const struct plan_table *a, const struct plan_table *b)
{
    AUTO(buf) one = BUF(SIZE_MAX), other = BUF(SIZE_MAX);
    print_rules(a, &one);
    print_rules(b, &other);
    return slice_equal(buf_slice(&one), buf_slice(&other));
}

static bool has_column(const struct plan_node *sink, const char *name, struct type type, const char *holds)
{
    for (uint32_t i = 0; i < sink->schema.ncols; i++)
        if (!strcmp(sink->schema.names[i], name))
            return type_equal(sink->schema.types[i], type) && !strcmp(sink->identity.columns[i], holds);
    return false;
}

/* The same rows, with the columns they had and more: none of what was appended is wrong. */
static bool is_grown(const struct change *c, const struct plan_node *now, const struct plan_node *before)
{
    const struct plan_table *table = &c->now->tables[now->table], *old = &c->before->tables[before->table];
    bool grown =
        now->nkeys == 0 && before->nkeys == 0 && !table->by_place && !old->by_place && c->sound[now->inputs[0]] &&
        same_rules(table, old) &&
        !strcmp(c->now->nodes[now->inputs[0]].identity.rows, c->before->nodes[before->inputs[0]].identity.rows);
    for (uint32_t i = 0; grown && i < before->schema.ncols; i++)
        grown = has_column(now, before->schema.names[i], before->schema.types[i], before->identity.columns[i]);
    return grown;
}

static enum sink_fate fate_of_sink(struct change *c, struct change_step *s, bool in_state, bool adopt)
{
    if (s->fate == STEP_KEPT)
        return SINK_KEPT;
    if (s->before && is_grown(c, s->now, s->before)) {
        s->fate = STEP_KEPT;
        return SINK_GROWN;
    }
    bool upserted = s->now->nkeys > 0;
    if (upserted && in_state)
        return SINK_RENEWED;
    if (!find_sink(c->before, s->now->sink_name))
        return SINK_FILLED;
    if (upserted)
        return SINK_REPLACED;
    if (c->manifest && c->manifest->epoch == 0) /* a run that came to nothing: there are no rows to contradict */
        return SINK_FILLED;
    if (!adopt)
        refuse(c,
               "send the changed rows to a new table, which gets all of them; or --adopt: the rows that are there "
               "stay, and the new pipeline's follow",
               "the rows of sink \"%s\" would be others, and those it has were appended and cannot be taken back",
               s->now->sink_name);
    return SINK_GOES_ON;
}

/* Which sinks' rows are in the state, the operators say. */
static void compare_sinks(struct change *c, bool adopt)
{
    struct pool *pool = pool_new(1);
    struct graph_config config = {.plan = c->now, .pool = pool, .format = builtin_table_format};
    struct graph *g = NULL;
    if (graph_new(&config, &g, &c->refusal) != OK) {
        c->refused = true;
        pool_free(pool);
        return;
    }
    for (uint32_t i = 0; i < graph_sink_count(g); i++) {
        struct change_step *s = &c->steps[graph_sink_node(g, i) - c->now->nodes];
        s->sink = fate_of_sink(c, s, !graph_forgets(g, i), adopt);
    }
    graph_free(g);
    pool_free(pool);
}

/* ---- what is to be read again ---- */

static void want_inputs(struct change *c)
{
    bool all = false; /* every step may refuse rows */
    for (uint32_t i = c->now->nnodes; i-- > 0;) {
        const struct plan_node *n = &c->now->nodes[i];
        c->wanted[i] |= c->built[i];
        all |= c->wanted[i] && n->kind == NODE_RELATION;
        for (uint32_t k = 0; c->wanted[i] && k < n->ninputs; k++)
            c->wanted[n->inputs[k]] = true;
    }
    for (uint32_t i = 0; all && i < c->now->nnodes; i++)
        c->wanted[i] = true;
}

/* A source that is new begins when the others go on; but what streams are joined with comes before them, here too. */
static bool is_read_now(const struct change *c, const struct plan_table *t)
{
    return t->first || find_scan(c->before, t->name);
}

static void choose_reading(struct change *c)
{
    for (uint32_t i = 0; i < c->now->nnodes; i++) {
        const struct change_step *s = &c->steps[i];
        bool anew = s->now->stateful && s->fate != STEP_KEPT;
        c->built[i] = anew || (s->now->kind == NODE_SINK && (s->sink == SINK_FILLED || s->sink == SINK_REPLACED));
        c->rereads |= c->built[i];
    }
    want_inputs(c);
    for (uint32_t i = 0; i < c->now->nnodes; i++) {
        const struct plan_node *n = &c->now->nodes[i];
        if (c->wanted[i] && n->kind == NODE_SCAN)
            c->reread[n->table] = is_read_now(c, &c->now->tables[n->table]);
    }
}

/* Rows that must be read again and cannot be. */
static void look_at_splits(struct change *c, const struct manifest *m)
{
    static const char *const new_state = "start with a new state (--state FOLDER) and new tables";
    for (uint32_t t = 0; t < c->now->ntables; t++) {
        const struct plan_table *table = &c->now->tables[t];
        if (table->is_source && m->ended && !c->reread[t] && !find_scan(c->before, table->name))
            refuse(c, new_state, "source \"%s\" is new, but this state has seen the end of its input and closed",
                   table->name);
        for (uint32_t i = 0; c->reread[t] && i < m->nsplits; i++)
            if (!strcmp(m->splits[i].source, table->name) && m->splits[i].position >= 0 && m->splits[i].start < 0)
                refuse(c, new_state,
                       "source \"%s\" would be read again, but where reading of %s began is not in the log of this "
                       "older state",
                       table->name, m->splits[i].split);
    }
}

struct change *change_new(const struct plan *before, const struct plan *now, const struct manifest *m, bool adopt)
{
    struct change *c = mem_zalloc(sizeof *c);
    c->before = before;
    c->now = now;
    c->manifest = m;
    c->built = arena_zarray(&c->arena, MAX(now->nnodes, 1u), sizeof *c->built);
    c->wanted = arena_zarray(&c->arena, MAX(now->nnodes, 1u), sizeof *c->wanted);
    c->sound = arena_zarray(&c->arena, MAX(now->nnodes, 1u), sizeof *c->sound);
    c->reread = arena_zarray(&c->arena, MAX(now->ntables, 1u), sizeof *c->reread);
    compare_steps(c);
    compare_sinks(c, adopt);
    choose_reading(c);
    if (m)
        look_at_splits(c, m);
    return c;
}

void change_free(struct change *c)
{
    if (!c)
        return;
    arena_release(&c->arena);
    free(c);
}

bool change_keeps(const struct change *c, const char *id)
{
    for (uint32_t i = 0; i < c->now->nnodes; i++)
        if (c->steps[i].fate == STEP_KEPT && !strcmp(c->now->nodes[i].id, id))
            return true;
    return false;
}

bool change_loses_state(const struct change *c)
{
    for (uint32_t i = 0; i < c->nsteps; i++)
        if (c->steps[i].fate != STEP_KEPT && c->steps[i].before && c->steps[i].before->stateful)
            return true;
    return false;
}

/* ---- the state's side ---- */

enum status change_logged_plan(struct store *store, const struct manifest *m, struct plan **ret, struct error *err)
{
    AUTO(buf) text = BUF(MIB(64));
    char name[80];
    snprintf(name, sizeof name, "plan/%s", m->plan);
    TRY(store_get(store, name, &text, err));
    struct plan_text logged = {name, buf_slice(&text)};
    struct plan_world world = *builtin_world();
    world.function = functions_logged;
    world.function_arg = &logged.text;
    AUTO(plan) *plan = NULL;
    if (plan_make(&logged, 1, &world, &plan, err) != OK) {
        (void)error_prefix(err, "the pipeline that this state has run so far");
        return error_hint(err,
                          "it is needed, to publish what waits and to compare: give it the variables it was run "
                          "with");
    }
    if (strcmp(plan->fingerprint, m->fingerprint) != 0) { /* its steps have other names than the state's */
        (void)error_set(err, ERR_STATE,
                        "what this state has run so far cannot be compared: its text does not mean what it meant then, "
                        "because of another ${VARIABLE} or another version of bourn");
        return error_hint(err,
                          "set the variables as in the last run, and change the file instead; or run the version of "
                          "bourn that made the state; or start with a new state (--state FOLDER) and new tables");
    }
    *ret = plan;
    plan = NULL;
    return OK;
}

static enum status check_segment(struct graph *g, const struct change *c, struct store *store,
                                 const struct segment_ref *ref, const struct op_time *times, struct error *err)
{
    struct segment *segment;
    enum status s = segment_open(store, ref, &segment, err);
    if (s != OK)
        return err->code == ERR_NOT_FOUND ? OK : s; /* merged meanwhile */
    uint32_t n;
    const struct section *sections = segment_sections(segment, &n);
    for (uint32_t i = 0; s == OK && i < n; i++)
        if (sections[i].kind != SECTION_OUTBOX && change_keeps(c, sections[i].name))
            s = graph_load(g, &sections[i], SLICE(""), times, err); /* none of its rows */
    segment_close(segment);
    return s;
}

enum status change_check_state(struct store *store, const struct manifest *m, const struct change *c, struct error *err)
{
    AUTO(arena) a = {0};
    struct op_time *times = arena_zarray(&a, c->now->ntables + 1, sizeof *times);
    struct pool *pool = pool_new(1);
    struct graph_config config = {.plan = c->now, .pool = pool, .hash_seed = m->hash_seed,
                                  .format = builtin_table_format};
    struct graph *graph = NULL;
    enum status s = graph_new(&config, &graph, err);
    for (uint32_t i = 0; s == OK && i < m->nsegments; i++)
        if (m->segments[i].has_state)
            s = check_segment(graph, c, store, &m->segments[i], times, err);
    graph_free(graph);
    pool_free(pool);
    return s;
}

static void add_size(struct step_size *sizes, uint32_t *n, const struct section *s)
{
    uint32_t i = 0;
    while (i < *n && strcmp(sizes[i].id, s->name) != 0)
        i++;
    if (i == *n) {
        memcpy(sizes[i].id, s->name, sizeof s->name);
        sizes[i].bytes = 0;
        ++*n;
    }
    sizes[i].bytes += s->bytes;
}

struct step_size *change_sizes(struct store *store, const struct manifest *m, struct arena *a, uint32_t *ret_count)
{
    struct step_size *sizes = NULL;
    uint32_t n = 0, room = 0;
    for (uint32_t i = 0; i < m->nsegments; i++) {
        struct segment *segment;
        struct error ignored;
        if (!m->segments[i].has_state || segment_open(store, &m->segments[i], &segment, &ignored) != OK)
            continue;
        uint32_t count;
        const struct section *sections = segment_sections(segment, &count);
        if (n + count > room) {
            struct step_size *more = arena_array(a, room = 2 * (n + count), sizeof *more);
            if (n)
                memcpy(more, sizes, n * sizeof *sizes);
            sizes = more;
        }
        for (uint32_t k = 0; k < count; k++)
            if (sections[k].kind != SECTION_OUTBOX)
                add_size(sizes, &n, &sections[k]);
        segment_close(segment);
    }
    *ret_count = n;
    return sizes;
}
