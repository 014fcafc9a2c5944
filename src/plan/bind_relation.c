/* Names of relations: CTEs, views, tables, the system's own, and what a query's caller knows. */
#include "plan/bind.h"

/* A query is over what was published, not over what is read; or over what the log knows. */
static enum status hint_published(struct binder *b, bool system)
{
    AUTO(buf) names = BUF(200);
    for (size_t i = 0; i < b->lookup->nnames; i++)
        if ((strncmp(b->lookup->names[i], "bourn.", 6) == 0) == system)
            buf_printf(&names, "%s%s", names.len ? ", " : "", b->lookup->names[i]);
    if (names.len == 0 || names.overflow)
        return FAILED;
    if (system)
        return error_hint(b->err, "there are %s", buf_cstr(&names));
    return error_hint(b->err, "a query reads what the pipeline publishes: %s; and bourn.ledger, bourn.epochs, ...",
                      buf_cstr(&names));
}

/* What goes by with the stream is nowhere kept. */
static enum status not_kept(struct binder *b, const struct ast_from *from)
{
    (void)bind_error(b, from->location, "bourn.%s is not kept, so it cannot be queried", from->name);
    return error_hint(b->err, "let the pipeline keep it, INSERT INTO t SELECT ... FROM bourn.%s, and query t; how many "
                              "they are says bourn.rules", from->name);
}

static enum status unknown_relation(struct binder *b, const struct ast_from *from, const struct cte *ctes)
{
    uint32_t n = 0, most = b->plan->ntables + b->nviews + (uint32_t)b->world->nrelations;
    for (const struct cte *c = ctes; c; c = c->outer)
        most++;
    most += b->lookup ? (uint32_t)b->lookup->nnames : 0;
    const char **names = arena_array(b->arena, most, sizeof *names);
    for (const struct cte *c = ctes; c && !from->schema; c = c->outer)
        names[n++] = c->name;
    for (uint32_t i = 0; i < b->plan->ntables && !from->schema && !b->lookup; i++)
        names[n++] = b->plan->tables[i].name;
    for (uint32_t i = 0; i < b->nviews && !from->schema; i++)
        names[n++] = b->views[i].name;
    for (size_t i = 0; i < b->world->nrelations && from->schema; i++) {
        bool streams = b->world->relations[i].streamable;
        if (b->lookup && streams && strcmp(b->world->relations[i].name, from->name) == 0)
            return not_kept(b, from);
        if (!b->lookup || !streams)
            names[n++] = arena_printf(b->arena, "bourn.%s", b->world->relations[i].name);
    }
    for (size_t i = 0; b->lookup && i < b->lookup->nnames; i++)
        names[n++] = b->lookup->names[i];
    const char *name = from->schema ? arena_printf(b->arena, "%s.%s", from->schema, from->name) : from->name;
    (void)bind_unknown(b, from->location, name, names, n, "relation \"%s\" does not exist", name);
    return b->lookup && !nearest_name(name, names, n) ? hint_published(b, from->schema) : FAILED;
}

static enum status scan_relation(struct binder *b, uint32_t node, struct relation *ret)
{
    const struct schema *schema = &b->nodes[node]->schema;
    *ret = relation_of_node(b, node, schema->names, schema->ncols);
    return OK;
}

static enum status from_system(struct binder *b, const struct ast_from *from, struct relation *ret)
{
    for (size_t i = 0; i < b->world->nrelations; i++) {
        if (strcmp(b->world->relations[i].name, from->name) != 0)
            continue;
        if (b->world->relations[i].streamable)
            return scan_relation(b, node_relation(b, (uint32_t)i, from->location), ret);
        (void)bind_refuse(b, from->location, "reading bourn.%s inside a pipeline", from->name);
        return error_hint(b->err, "ask beside it: bourn query FILE.sql -e 'SELECT * FROM bourn.%s'", from->name);
    }
    return unknown_relation(b, from, NULL);
}

/* plan_query: the caller knows the relations. */
static enum status from_lookup(struct binder *b, const struct ast_from *from, struct cte *ctes, struct relation *ret)
{
    const char *name =
        from->schema ? arena_printf(b->arena, "%s.%s", from->schema, from->name) : from->name;
    struct plan_table *t = catalog_find_table(b, name);
    if (!t) {
        struct plan *p = b->plan;
        struct plan_table table = {.name = name, .place = text_place(b->text, from->location), .time_column = -1,
                                   .is_source = true};
        struct error err = {0};
        enum status status = b->lookup->relation(b->lookup->arg, name, b->arena, &table.schema, &err);
        if (status != OK && err.code == ERR_NOT_FOUND)
            return unknown_relation(b, from, ctes);
        if (status != OK) {
            *b->err = err;
            return bind_located(b, from->location, status);
        }
        p->tables = binder_grow(b, p->tables, p->ntables, &b->tables_cap, sizeof *p->tables);
        t = &p->tables[p->ntables++];
        *t = table;
    }
    return scan_relation(b, node_scan(b, (uint32_t)(t - b->plan->tables), from->location), ret);
}

enum status bind_relation(struct binder *b, struct cte *ctes, const struct ast_from *from, struct relation *ret)
{
    for (const struct cte *c = ctes; c && !from->schema; c = c->outer)
        if (strcmp(c->name, from->name) == 0) {
            *ret = c->relation;
            return OK;
        }
    const struct named_view *view = from->schema ? NULL : catalog_find_view(b, from->name);
    if (view) {
        *ret = view->relation;
        return view->broken ? problem_silent(b->err) : OK;
    }
    if (b->lookup)
        return from_lookup(b, from, ctes, ret);
    if (from->schema)
        return from_system(b, from, ret);
    if (catalog_is_broken(b, from->name))
        return problem_silent(b->err);
    struct plan_table *t = catalog_find_table(b, from->name);
    if (!t)
        return b->unread ? problem_silent(b->err) : unknown_relation(b, from, ctes);
    TRY(catalog_read(b, t));
    return scan_relation(b, node_scan(b, (uint32_t)(t - b->plan->tables), from->location), ret);
}
