/* The roots of a pipeline: what is inserted where, and whether that can be right (semantics 10, 14, 15, 17). */
#include "plan/bind.h"

/* Where a session ends is known of groups alone, so nothing but GROUP BY, and a WHERE below it, may read session(). */
static enum status refuse_open_sessions(struct binder *b, uint32_t node, int32_t location)
{
    if (!node_found(b, node, node_is_session_window))
        return OK;
    (void)bind_refuse(b, location, "session() without GROUP BY right above it");
    return error_hint(b->err, "GROUP BY its key, window_start and window_end, and go on over that; what chooses or "
                              "joins rows before stands in a view that session() reads");
}

/* ---- views and results ---- */

enum status bind_view(struct binder *b, const struct ast_statement *s)
{
    struct relation r;
    TRY(catalog_new_name(b, s));
    b->step = s->name;
    TRY(bind_select(b, NULL, s->query, &r));
    TRY(relation_settle(b, &r));
    for (uint32_t i = 0; i < r.ncols; i++)
        if (expr_size(r.cols[i].expr, BIND_MAX_INLINE + 1) > BIND_MAX_INLINE) {
            TRY(relation_materialise(b, &r, s->location));
            break;
        }
    TRY(relation_rename(b, &r, &s->names, s->name, s->location));
    for (uint32_t i = 0; i < r.ncols; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(r.cols[i].name, r.cols[k].name) == 0)
                return bind_error(b, s->location, "view \"%s\" has two columns named \"%s\"", s->name, r.cols[i].name);
    b->views = binder_grow(b, b->views, b->nviews, &b->views_cap, sizeof *b->views);
    b->views[b->nviews++] = (struct named_view){.name = s->name, .relation = r};
    return OK;
}

/* The text constant in the first column, or NULL. */
static const char *said_first(struct binder *b, const struct relation *r)
{
    const struct expr *e = r->ncols ? r->cols[0].expr : NULL;
    if (!e || e->kind != EXPR_CONST || (e->type.id != TYPE_TEXT && e->type.id != TYPE_UNKNOWN) ||
        column_is_null(&e->value, 0))
        return NULL;
    struct slice said = view_slice(column_view(&e->value, 0));
    return arena_strndup(b->arena, said.data, said.len);
}

/* Does an outer join hand out rows that it takes back, with no step above it that nets them? Nodes stand behind their
 * inputs, and one may be the input of several. */
static bool shows_changes(const struct binder *b, uint32_t node)
{
    bool *shows = arena_zarray(b->arena, (size_t)node + 1, sizeof *shows);
    for (uint32_t k = 0; k <= node; k++) {
        const struct plan_node *n = b->nodes[k];
        bool passes = n->kind == NODE_FILTER || n->kind == NODE_PROJECT || n->kind == NODE_UNNEST ||
                      n->kind == NODE_UNION;
        shows[k] = n->kind == NODE_JOIN && n->mode == MODE_UPDATING;
        for (uint32_t i = 0; passes && i < n->ninputs; i++)
            shows[k] |= shows[n->inputs[i]];
    }
    return shows[node];
}

enum status bind_result(struct binder *b, const struct ast_statement *s)
{
    if (!b->lookup) {
        (void)bind_error(b, s->location, "the result of this SELECT goes nowhere");
        return error_hint(b->err, "INSERT INTO a foreign table, for example one on SERVER console");
    }
    struct relation r;
    TRY(bind_select(b, NULL, s->query, &r));
    TRY(refuse_open_sessions(b, r.node, s->location));
    const char *said = said_first(b, &r), **names = arena_array(b->arena, r.ncols, sizeof *names);
    TRY(relation_materialise(b, &r, s->location));
    for (uint32_t i = 0; i < r.ncols; i++)
        names[i] = r.cols[i].name;
    if (shows_changes(b, r.node))
        TRY(node_sort(b, r.node, NULL, 0, -1, 0, s->location, &r.node));
    b->results = binder_grow(b, b->results, b->nresults, &b->results_cap, sizeof *b->results);
    b->results[b->nresults++] = node_result(b, r.node, names, said, s->location);
    return OK;
}

/* ---- columns of the target ---- */

static enum status target_columns(struct binder *b, const struct ast_statement *s, const struct plan_table *t,
                                  uint32_t *ret, uint32_t *ret_count)
{
    if (s->names.count == 0) {
        for (uint32_t i = 0; i < t->schema.ncols; i++)
            ret[i] = i;
        *ret_count = t->schema.ncols;
        return OK;
    }
    for (uint32_t i = 0; i < s->names.count; i++) {
        uint32_t c = 0;
        while (c < t->schema.ncols && strcmp(t->schema.names[c], s->names.items[i]) != 0)
            c++;
        if (c == t->schema.ncols)
            return bind_unknown(b, s->name_locations[i], s->names.items[i], t->schema.names, t->schema.ncols,
                                "column \"%s\" does not exist in \"%s\"", s->names.items[i], t->name);
        for (uint32_t k = 0; k < i; k++)
            if (ret[k] == c)
                return bind_error(b, s->name_locations[i], "column \"%s\" is named twice", s->names.items[i]);
        ret[i] = c;
    }
    *ret_count = s->names.count;
    return OK;
}

/* Casts that keep different values different. */
static bool cast_is_injective(struct type from, struct type to)
{
    if (type_equal(from, to))
        return true;
    switch (from.id) {
    case TYPE_INT4: return to.id == TYPE_INT8 || to.id == TYPE_NUMERIC || to.id == TYPE_FLOAT8;
    case TYPE_INT8: return to.id == TYPE_NUMERIC;
    case TYPE_NUMERIC: return to.id == TYPE_NUMERIC && to.scale >= from.scale;
    case TYPE_DATE: return to.id == TYPE_TIMESTAMP || to.id == TYPE_TIMESTAMPTZ;
    case TYPE_TIMESTAMP: return to.id == TYPE_TIMESTAMPTZ;
    case TYPE_TIMESTAMPTZ: return to.id == TYPE_TIMESTAMP;
    default: return false;
    }
}

/* What goes into the table: a relation with one expression per column, and the input column that each one holds with
 * its values kept apart, or -1. */
struct assigned {
    struct relation rows;
    int32_t *holds;
};

static enum status assign(struct binder *b, const struct plan_table *t, uint32_t column, struct expr *from,
                          int32_t location, struct assigned *into)
{
    int32_t at = from->location >= 0 ? from->location : location;
    struct type to = t->schema.types[column];
    enum status status =
        expr_cast(b->arena, from, to, CAST_ASSIGNMENT, at, &into->rows.cols[column].expr, b->err);
    if (status == FAILED)
        (void)error_prefix(b->err, "column \"%s\" of \"%s\"", t->schema.names[column], t->name);
    if (from->kind == EXPR_COLUMN && cast_is_injective(from->type, to))
        into->holds[column] = (int32_t)from->column;
    return bind_located(b, at, status);
}

/* Columns that get no value are NULL. */
static enum status assign_all(struct binder *b, const struct ast_statement *s, const struct plan_table *t,
                              const struct relation *from, struct assigned *ret)
{
    uint32_t n = 0, *columns = arena_array(b->arena, MAX(t->schema.ncols, s->names.count), sizeof *columns);
    TRY(target_columns(b, s, t, columns, &n));
    if (from->ncols > n || (s->names.count && from->ncols < n))
        return bind_error(b, s->query->location, "INSERT has %u columns to fill in \"%s\" but the query gives %u", n,
                          t->name, from->ncols);
    struct assigned into = {{.node = from->node, .ncols = t->schema.ncols}, NULL};
    into.rows.cols = arena_zarray(b->arena, t->schema.ncols, sizeof *into.rows.cols);
    into.holds = arena_array(b->arena, t->schema.ncols, sizeof *into.holds);
    memset(into.holds, -1, t->schema.ncols * sizeof *into.holds);
    for (uint32_t i = 0; i < from->ncols; i++)
        TRY(assign(b, t, columns[i], from->cols[i].expr, s->query->location, &into));
    for (uint32_t i = 0; i < t->schema.ncols; i++) {
        into.rows.cols[i].name = t->schema.names[i];
        if (into.rows.cols[i].expr)
            continue;
        if (!t->schema.nullable[i])
            return bind_error(b, s->location, "column \"%s\" of \"%s\" is NOT NULL and gets no value",
                              t->schema.names[i], t->name);
        into.rows.cols[i].expr = expr_null(b->arena, t->schema.types[i], s->location);
    }
    *ret = into;
    return OK;
}

/* ---- may these rows go there? ---- */

static const char *column_list(struct binder *b, const struct schema *schema, const uint32_t *columns, uint32_t n)
{
    AUTO(buf) out = BUF(KIB(4));
    for (uint32_t i = 0; i < n; i++)
        buf_printf(&out, "%s%s", i ? ", " : "", schema->names[columns[i]]);
    return arena_strndup(b->arena, out.data ? out.data : "", out.len);
}

/* A column that reads the clock is left to the sink, and what else it reads goes along, behind the table's columns. */
static void project_for_sink(struct binder *b, const struct plan_table *t, struct relation *rows, struct relation *ret)
{
    const struct schema *below = &b->nodes[rows->node]->schema;
    uint32_t most = t->schema.ncols + below->ncols, *at = arena_zarray(b->arena, most, sizeof *at);
    uint64_t *read = arena_zarray(b->arena, BITMAP_WORDS(below->ncols + 1), sizeof *read);
    struct relation p = {.node = rows->node, .cols = arena_array(b->arena, most, sizeof *p.cols)};
    struct expr **moved = arena_zarray(b->arena, below->ncols + 1, sizeof *moved);
    for (uint32_t i = 0; i < t->schema.ncols; i++) {
        if (expr_uses_now(rows->cols[i].expr)) {
            expr_columns(rows->cols[i].expr, read);
            continue;
        }
        at[i] = p.ncols;
        p.cols[p.ncols++] = rows->cols[i];
    }
    for (uint32_t c = 0; c < below->ncols; c++) {
        if (!bit_get(read, c))
            continue;
        struct expr *e = expr_column(b->arena, c, below->types[c], -1);
        moved[c] = expr_column(b->arena, p.ncols, below->types[c], -1);
        p.cols[p.ncols++] = (struct relation_column){.name = below->names[c], .expr = e};
    }
    for (uint32_t i = 0; i < t->schema.ncols; i++) {
        struct expr *e = rows->cols[i].expr;
        rows->cols[i].expr = expr_uses_now(e) ? expr_substitute(b->arena, e, moved)
                                              : expr_column(b->arena, at[i], e->type, e->location);
    }
    *ret = p;
}

/* The rows of each key are counted: where one is alone it is the table's. The key is what the sink is told, so the
 * values are computed first. */
static enum status keep_unique(struct binder *b, const struct plan_table *t, struct relation *rows, int32_t location)
{
    struct relation projected;
    project_for_sink(b, t, rows, &projected);
    TRY(relation_materialise(b, &projected, location));
    struct plan_key key = {.columns = arena_array(b->arena, t->nkey, sizeof *key.columns), .n = t->nkey};
    for (uint32_t i = 0; i < t->nkey; i++)
        key.columns[i] = rows->cols[t->key[i]].expr->column;
    rows->node = node_unique(b, projected.node, &key, location);
    return OK;
}

/* Rows of which several could have one key are counted, and only where a key has one alone it is in the table. */
static enum status check_upsert(struct binder *b, const struct plan_table *t, struct assigned *assigned,
                                int32_t location)
{
    struct relation *rows = &assigned->rows;
    for (uint32_t i = 0; i < t->nkey; i++)
        if (expr_uses_now(rows->cols[t->key[i]].expr))
            return bind_error(b, expr_now_location(rows->cols[t->key[i]].expr),
                              "now() cannot be part of the primary key of \"%s\"", t->name);
    uint32_t *held = arena_array(b->arena, t->nkey, sizeof *held), n = 0;
    for (uint32_t i = 0; i < t->nkey; i++)
        if (assigned->holds[t->key[i]] >= 0)
            held[n++] = (uint32_t)assigned->holds[t->key[i]];
    return keys_within(b->nodes[rows->node], held, n) ? OK : keep_unique(b, t, rows, location);
}

static enum status check_append(struct binder *b, const struct plan_table *t, struct relation *rows,
                                int32_t location)
{
    for (uint32_t i = 0; i < rows->ncols; i++)
        if (expr_uses_now(rows->cols[i].expr)) {
            (void)bind_error(b, expr_now_location(rows->cols[i].expr),
                             "now() is allowed only in the last projection before an upsert sink");
            return error_hint(b->err, "\"%s\" has no PRIMARY KEY, so rows are appended", t->name);
        }
    const struct plan_node *input = b->nodes[rows->node];
    if (input->mode != MODE_UPDATING)
        return OK;
    if (node_close(b, rows->node, location, &rows->node) == OK)
        return OK;
    const struct error open = *b->err;
    *b->err = (struct error){0};
    if (input->bounded) /* appended once they have stopped changing */
        return node_sort(b, rows->node, NULL, 0, -1, 0, location, &rows->node);
    (void)bind_error(b, location, "the rows inserted into \"%s\" change later, but it has no PRIMARY KEY", t->name);
    const struct plan_key *known = input->nkeys && input->keys[0].n ? &input->keys[0] : NULL;
    return error_hint(b->err, "add PRIMARY KEY (%s): rows are then upserted; or have them come once: %s",
                      known ? column_list(b, &input->schema, known->columns, known->n) : "...", open.hint);
}

static enum status check_rejected(struct binder *b, const struct plan_table *t, const struct relation *rows,
                                  int32_t location)
{
    if (t->nrules == 0 || !node_reads_relation(b, rows->node))
        return OK;
    (void)bind_error(b, location, "\"%s\" is fed from a bourn.* relation and must carry no constraint (it has \"%s\")",
                     t->name, t->rules[0].id);
    return error_hint(b->err, "a rejected row that is rejected again would have nowhere to go");
}

static enum status check_others(struct binder *b, const struct plan_table *t, uint32_t table, int32_t location)
{
    for (uint32_t i = 0; i < b->ninsertions; i++)
        if (b->insertions[i].table == table && t->nkey) {
            (void)bind_error(b, location, "a second INSERT into \"%s\", whose rows are upserted by key", t->name);
            return error_hint(b->err, "bring the rows together in one INSERT and GROUP BY the key");
        }
    return OK;
}

/* ---- when rows come out ---- */

static bool is_hop(const struct plan_node *n) { return n->kind == NODE_WINDOW && n->window.kind == WINDOW_HOP; }

/* Upserted rows change with every epoch, unless the sink wants them once; overlapping windows would otherwise write
 * each row many times over (semantics 27). */
static enum status emit_when(struct binder *b, const struct plan_table *t, struct relation *rows, int32_t location)
{
    const char *emit = option_given(&t->options, "emit") ? option_text(&t->options, plan_sink_options, "emit") : NULL;
    bool on_close = emit && strcmp(emit, "on close") == 0;
    if (emit && !on_close && strcmp(emit, "on change") != 0) {
        (void)bind_error(b, location, "option emit of \"%s\" is '%s'", t->name, emit);
        return error_hint(b->err, "it is 'on change' or 'on close'");
    }
    if (emit && !on_close && t->nkey == 0) {
        (void)bind_error(b, location, "emit 'on change' needs a PRIMARY KEY on \"%s\" to change rows by", t->name);
        return error_hint(b->err, "rows that are appended come once, when their window has closed");
    }
    if (on_close)
        return node_close(b, rows->node, location, &rows->node);
    if (emit || t->nkey == 0 || !node_found(b, rows->node, is_hop))
        return OK;
    if (node_close(b, rows->node, location, &rows->node) != OK)
        *b->err = (struct error){0}; /* not by windows alone: then as they change */
    return OK;
}

/* ---- INSERT ---- */

static enum status insert_target(struct binder *b, const struct ast_statement *s, struct plan_table **ret)
{
    if (s->schema)
        return bind_error(b, s->location, "\"%s.%s\" is a relation of the system: it is only read", s->schema, s->name);
    if (catalog_find_view(b, s->name))
        return bind_error(b, s->location, "\"%s\" is a view: rows go into foreign tables", s->name);
    struct plan_table *t = catalog_find_table(b, s->name);
    if (catalog_is_broken(b, s->name) || (!t && b->unread))
        return problem_silent(b->err);
    if (t) {
        TRY(catalog_write(b, t));
        *ret = t;
        return OK;
    }
    const char **names = arena_array(b->arena, b->plan->ntables, sizeof *names);
    for (uint32_t i = 0; i < b->plan->ntables; i++)
        names[i] = b->plan->tables[i].name;
    return bind_unknown(b, s->location, s->name, names, b->plan->ntables, "table \"%s\" does not exist", s->name);
}

enum status bind_insert(struct binder *b, const struct ast_statement *s)
{
    struct plan_table *t = NULL;
    struct relation from;
    struct assigned into = {0};
    if (b->lookup)
        return bind_error(b, s->location, "only SELECT can be queried");
    TRY(insert_target(b, s, &t));
    b->step = t->name;
    TRY(bind_select(b, NULL, s->query, &from));
    TRY(refuse_open_sessions(b, from.node, s->location));
    TRY(assign_all(b, s, t, &from, &into));
    uint32_t table = (uint32_t)(t - b->plan->tables);
    TRY(check_others(b, t, table, s->location));
    TRY(check_rejected(b, t, &into.rows, s->location));
    TRY(emit_when(b, t, &into.rows, s->location));
    TRY(t->nkey ? check_upsert(b, t, &into, s->location) : check_append(b, t, &into.rows, s->location));
    b->insertions = binder_grow(b, b->insertions, b->ninsertions, &b->insertions_cap, sizeof *b->insertions);
    b->insertions[b->ninsertions++] = (struct insertion){table, into.rows, s->location};
    return OK;
}

/* ---- the sinks ---- */

static struct expr **relation_exprs(struct binder *b, const struct relation *r)
{
    struct expr **exprs = arena_array(b->arena, r->ncols, sizeof *exprs);
    for (uint32_t i = 0; i < r->ncols; i++)
        exprs[i] = r->cols[i].expr;
    return exprs;
}

/* Several INSERTs into one append-only table are one sink that takes the union of their rows. */
static enum status sink_of(struct binder *b, uint32_t first)
{
    const struct insertion *insertion = &b->insertions[first];
    uint32_t n = 0, *inputs = arena_array(b->arena, b->ninsertions, sizeof *inputs);
    for (uint32_t i = first; i < b->ninsertions; i++)
        n += b->insertions[i].table == insertion->table;
    struct relation rows = insertion->rows;
    if (n > 1) {
        n = 0;
        for (uint32_t i = first; i < b->ninsertions; i++) {
            if (b->insertions[i].table != insertion->table)
                continue;
            rows = b->insertions[i].rows;
            TRY(relation_materialise(b, &rows, b->insertions[i].location));
            inputs[n++] = rows.node;
        }
        TRY(node_end_together(b, inputs, n, insertion->location));
        rows.node = node_union(b, inputs, n, insertion->location);
    }
    node_sink(b, insertion->table, rows.node, relation_exprs(b, &rows), insertion->location);
    return OK;
}

enum status bind_sinks(struct binder *b, struct problems *problems)
{
    for (uint32_t i = 0; i < b->ninsertions; i++) {
        bool later = false;
        for (uint32_t k = 0; k < i && !later; k++)
            later = b->insertions[k].table == b->insertions[i].table;
        b->step = b->plan->tables[b->insertions[i].table].name;
        if (!later && sink_of(b, i) != OK) {
            problems_add(problems, b->err);
            return FAILED;
        }
    }
    return OK;
}
