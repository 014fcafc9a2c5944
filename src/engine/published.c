#include "engine/published.h"

#include <stdio.h>
#include <stdlib.h>

#include "column/rowkey.h"
#include "engine/builtin.h"
#include "engine/relations.h"
#include "lake/table_path.h"
#include "link/store_open.h"

enum { MAX_RELATIONS = 32 };

static enum status open_table(struct published_table *t, const struct plan *plan, const char *uuid, struct error *err)
{
    const struct plan_server *server = &plan->servers[t->table->server];
    const struct option_spec *specs = builtin_sink("delta")->options;
    TRY(option_must_be_set(&server->options, "path", err));
    TRY(option_must_be_set(&t->table->options, "path", err));
    const char *lake = option_text(&server->options, specs, "path");
    const char *path = option_text(&t->table->options, specs, "path");
    AUTO(arena) a = {0};
    const char *root;
    TRY(table_path(path ? path : t->table->name, &a, &root, err));
    TRY(store_open(lake ? lake : ".", &t->store, err));
    t->location = mem_strdup(arena_printf(&a, "%s/%s", lake ? lake : ".", root));
    enum status s = delta_open(t->store, root, &t->delta, err);
    if (s == FAILED && err->code == ERR_NOT_FOUND)
        return OK;
    TRY(s);
    char identity[160];
    snprintf(identity, sizeof identity, "%s/%s", uuid, t->table->name);
    if (!delta_txn_version(t->delta, identity, &t->epoch, NULL))
        t->epoch = 0;
    return OK;
}

/* Back to the newest version that holds nothing after `epoch`. */
static enum status pin_table(struct published_table *t, const char *uuid, int64_t epoch, struct error *err)
{
    char identity[160];
    snprintf(identity, sizeof identity, "%s/%s", uuid, t->table->name);
    char *root = mem_strdup(t->delta->root);
    enum status s = OK;
    while (s == OK && t->delta && t->epoch > epoch) {
        int64_t version = t->delta->version;
        delta_close(t->delta);
        t->delta = NULL;
        t->epoch = 0;
        if (version == 0)
            break;
        s = delta_open_version(t->store, root, version - 1, &t->delta, err);
        if (s == OK && !delta_txn_version(t->delta, identity, &t->epoch, NULL))
            t->epoch = 0;
    }
    free(root);
    return s;
}

/* ---- the epoch they have in common ---- */

/* INT64_MAX: a table that was lost, or never asked for. */
static int64_t has_epoch(const struct published_table *t, const struct manifest *m)
{
    const struct sink_state *s = manifest_sink(m, t->table->name);
    if (!t->delta && (!s || s->applied > 0))
        return INT64_MAX;
    return s && t->epoch >= s->applied ? MAX(t->epoch, s->confirmed) : t->epoch;
}

enum status published_ledger(const struct published_table *t, const char *uuid, struct ledger *ret, bool *ret_known,
                             struct error *err)
{
    *ret_known = false;
    AUTO(arena) a = {0};
    const char *identity = arena_printf(&a, "%s/%s", uuid, t->table->name);
    for (int64_t v = t->delta->version; v >= 0; v--) {
        struct delta_commit_summary c;
        struct error why;
        if (delta_read_commit(t->delta, v, &a, &c, &why) != OK)
            return why.code == ERR_NOT_FOUND ? OK : (*err = why, FAILED);
        if (!c.app_id || strcmp(c.app_id, identity) || c.app_version != t->epoch)
            continue;
        if (!c.ledger)
            return OK;
        TRY(ledger_parse(slice_of(c.ledger), ret, err));
        *ret_known = ret->to == t->epoch;
        return OK;
    }
    return OK;
}

/* Between the newest commit of all tables and the epoch they have in common nothing has changed: so that commit's
 * ledger is the one that goes with them. */
static enum status find_ledger(struct published *p, struct error *err)
{
    const struct manifest *m = p->manifest;
    p->as_of = *m;
    if (p->ntables == 0) /* no table is waited for: the newest record tells it */
        p->epoch = m->epoch;
    p->has_ledger = p->epoch == m->epoch;
    if (p->has_ledger)
        return OK;
    const struct published_table *newest = NULL;
    for (uint32_t i = 0; i < p->ntables; i++)
        if (p->tables[i].delta && (!newest || p->tables[i].epoch > newest->epoch))
            newest = &p->tables[i];
    p->epoch = newest ? newest->epoch : 0;
    if (newest)
        TRY(published_ledger(newest, m->uuid, &p->ledger, &p->has_ledger, err));
    p->as_of.total = p->has_ledger ? p->ledger : (struct ledger){0};
    while (p->as_of.nhistory && p->as_of.history[p->as_of.nhistory - 1].to > p->epoch)
        p->as_of.nhistory--;
    return OK;
}

static enum status pin(struct published *p, struct error *err)
{
    for (uint32_t i = 0; i < p->ntables; i++)
        if (p->tables[i].delta)
            TRY(pin_table(&p->tables[i], p->manifest->uuid, p->epoch, err));
    return find_ledger(p, err);
}

enum status published_open(const struct plan *plan, const struct manifest *m, bool pinned, struct published *ret,
                           struct error *err)
{
    *ret = (struct published){.plan = plan, .manifest = m, .as_of = *m};
    ret->tables = mem_zalloc((plan->ntables + 1) * sizeof *ret->tables);
    ret->names = mem_zalloc((plan->ntables + MAX_RELATIONS) * sizeof *ret->names);
    for (size_t i = 0; relation_name(i); i++)
        ret->names[ret->nnames++] = relation_name(i);
    ret->epoch = INT64_MAX;
    for (uint32_t i = 0; i < plan->ntables; i++) {
        if (!plan->tables[i].is_sink || strcmp(plan->servers[plan->tables[i].server].connector, "delta"))
            continue;
        struct published_table *t = &ret->tables[ret->ntables];
        ret->ntables++;
        ret->names[ret->nnames++] = plan->tables[i].name;
        t->table = &plan->tables[i];
        if (open_table(t, plan, m->uuid, err) != OK)
            return error_prefix(err, "table \"%s\"", plan->tables[i].name);
        ret->epoch = MIN(ret->epoch, has_epoch(t, m));
    }
    if (ret->epoch == INT64_MAX)
        ret->epoch = 0;
    return pinned ? pin(ret, err) : OK;
}

void published_release(struct published *p)
{
    for (uint32_t i = 0; i < p->ntables; i++) {
        delta_close(p->tables[i].delta);
        store_free(p->tables[i].store);
        free(p->tables[i].location);
    }
    free(p->tables);
    free(p->names);
    ledger_release(&p->ledger);
    *p = (struct published){0};
}

/* ---- as relations ---- */

static struct published_table *find(struct published *p, const char *name)
{
    for (uint32_t i = 0; i < p->ntables; i++)
        if (!strcmp(p->tables[i].table->name, name))
            return &p->tables[i];
    return NULL;
}

static enum status relation(void *arg, const char *name, struct arena *a, struct schema *ret, struct error *err)
{
    (void)a;
    if (relation_schema(name, ret))
        return OK;
    const struct published_table *t = find(arg, name);
    if (!t)
        return error_set(err, ERR_NOT_FOUND, "the pipeline publishes no Delta table \"%s\"", name);
    *ret = t->table->schema;
    return OK;
}

/* The columns that the table has. Those that merge_schema will add with its next rows stand behind them: until then
 * they are NULL. */
static struct schema columns_there(const struct published_table *t)
{
    const struct schema *stored = &t->delta->metadata.schema;
    struct schema there = t->table->schema;
    if (!option_bool(&t->table->options, builtin_sink("delta")->options, "merge_schema"))
        return there;
    for (; there.ncols; there.ncols--)
        for (uint32_t i = 0; i < stored->ncols; i++)
            if (!strcmp(stored->names[i], there.names[there.ncols - 1]))
                return there;
    return there;
}

static void add_columns(struct batch *b, const struct schema *all, struct arena *a)
{
    struct column *cols = arena_array(a, all->ncols, sizeof *cols);
    for (uint32_t i = 0; i < all->ncols; i++)
        cols[i] = i < b->ncols ? b->cols[i] : column_make(a, all->types[i], b->rows, true);
    b->cols = cols;
    b->ncols = all->ncols;
}

static enum status read_file(struct published_table *t, const struct delta_file *f,
                             enum status (*take)(void *, struct batch *), void *take_arg, struct error *err)
{
    struct delta_reader *reader;
    const struct schema there = columns_there(t);
    TRY(delta_reader_open(t->delta, f, &there, &reader, err));
    AUTO(arena) a = {0};
    enum status s;
    struct batch *b;
    while ((s = delta_reader_next(reader, &a, &b, err)) == OK && b) {
        if (there.ncols < t->table->schema.ncols)
            add_columns(b, &t->table->schema, &a);
        s = take(take_arg, b);
        arena_reset(&a);
        if (s != OK)
            break;
    }
    delta_reader_free(reader);
    return s;
}

/* ---- rows, and what the log says of them ---- */

/* Of a column in one file: row keys; data NULL: not told. */
struct bound {
    struct slice least, greatest;
};

struct checking {
    const struct schema *schema;
    const struct bound *bounds;
    const char *path;
    struct buf key;
    uint64_t rows;
    struct error *err;
};

static struct slice bound_key(const struct batch *bounds, uint32_t column, size_t row, struct arena *a)
{
    AUTO(buf) key = BUF(ROWKEY_MAX);
    if (column_is_null(&bounds->cols[column], row))
        return (struct slice){0};
    rowkey_put(&key, bounds->cols, &column, 1, row);
    return (struct slice){arena_dup(a, key.data, key.len), key.len};
}

static struct bound *bounds_of(const struct published_table *t, const struct delta_file *f, struct arena *a)
{
    const struct schema *ours = &t->table->schema, *stored = &t->delta->metadata.schema;
    const struct batch *b = delta_file_bounds(t->delta, f, a);
    struct bound *bounds = arena_zarray(a, ours->ncols, sizeof *bounds);
    for (uint32_t i = 0; i < ours->ncols; i++)
        for (uint32_t k = 0; k < stored->ncols; k++)
            if (!strcmp(ours->names[i], stored->names[k]) && type_equal(ours->types[i], stored->types[k]))
                bounds[i] = (struct bound){bound_key(b, k, 0, a), bound_key(b, k, 1, a)};
    return bounds;
}

static enum status check_rows(void *arg, struct batch *b)
{
    struct checking *c = arg;
    c->rows += batch_live(b);
    for (uint32_t i = 0; i < b->ncols; i++) {
        const struct bound *bound = &c->bounds[i];
        for (uint32_t k = 0; (bound->least.data || bound->greatest.data) && k < batch_live(b); k++) {
            uint32_t row = batch_row(b, k);
            if (column_is_null(&b->cols[i], row))
                continue;
            buf_clear(&c->key);
            rowkey_put(&c->key, b->cols, &i, 1, row);
            if ((bound->least.data && slice_compare(bound->least, buf_slice(&c->key)) > 0) ||
                (bound->greatest.data && slice_compare(buf_slice(&c->key), bound->greatest) > 0))
                return error_set(c->err, ERR_VERIFY,
                                 "%s has a \"%s\" that is not within what the table's log says of it", c->path,
                                 c->schema->names[i]);
        }
    }
    return OK;
}

static enum status check_file(struct published_table *t, const struct delta_file *f, uint64_t *rows, struct error *err)
{
    AUTO(arena) a = {0};
    struct checking c = {.schema = &t->table->schema, .bounds = bounds_of(t, f, &a), .path = f->path,
                         .key = BUF(ROWKEY_MAX), .err = err};
    uint64_t said;
    enum status s = read_file(t, f, check_rows, &c, err);
    buf_release(&c.key);
    TRY(s);
    if (delta_file_rows(f, &said) && said != c.rows)
        return error_set(err, ERR_VERIFY, "%s has %llu rows, and the table's log says %llu", f->path,
                         (unsigned long long)c.rows, (unsigned long long)said);
    *rows += c.rows;
    return OK;
}

enum status published_check(struct published_table *t, uint64_t *ret_rows, struct error *err)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < delta_file_count(t->delta); i++)
        TRY(check_file(t, delta_file_at(t->delta, i), &rows, err));
    *ret_rows = rows;
    return OK;
}

/* ---- as relations ---- */

static enum status read_relation(void *arg, const char *name, enum status (*take)(void *, struct batch *),
                                 void *take_arg, struct error *err)
{
    struct schema unused;
    if (relation_schema(name, &unused)) {
        AUTO(arena) a = {0};
        struct batch *rows = relation_rows(name, &((struct published *)arg)->as_of, &a);
        return rows ? take(take_arg, rows) : OK;
    }
    struct published_table *t = find(arg, name);
    for (uint32_t i = 0; t->delta && i < delta_file_count(t->delta); i++)
        TRY(read_file(t, delta_file_at(t->delta, i), take, take_arg, err));
    return OK;
}

struct query_relations published_relations(struct published *p)
{
    return (struct query_relations){
        .lookup = {relation, p, p->names, p->nnames},
        .read = read_relation,
    };
}
