/* What the statements declare: servers, their secrets, tables with their contracts, settings. */
#include <ctype.h>

#include "plan/bind.h"

/* Where the engine has a setting of the same name, that is the default. */
const struct option_spec plan_source_options[] = {
    {"format", OPT_TEXT, .on_table = true, .help = "how a message becomes a row: json, csv, ..."},
    {"dedup_horizon", OPT_INTERVAL, .on_table = true,
     .help = "how long DISTINCT ON remembers a key; default: the watermark's delay"},
    {"idle_timeout", OPT_INTERVAL, .on_table = true,
     .help = "a split that stays at its end this long no longer holds the watermark back"},
    {"max_ahead", OPT_INTERVAL, .on_table = true,
     .help = "event times further ahead of the clock are rejected"},
    {"max_drift", OPT_INTERVAL, .on_table = true,
     .help = "a split this far ahead of the others in event time is paused; 0: never"},
    {0},
};

const struct option_spec plan_sink_options[] = {
    {"format", OPT_TEXT, .on_table = true, .help = "how a row becomes a record: json, csv, ..."},
    {"commit_interval", OPT_INTERVAL, .on_table = true,
     .help = "how often the sink publishes; sinks of one interval publish the same epoch"},
    {"emit", OPT_TEXT, .on_table = true,
     .help = "'on change': rows as they are after every epoch; 'on close': once, when their window has closed "
             "(the default without a primary key, and for hop windows)"},
    {0},
};

static const struct option_spec column_options[] = {
    {"watermark", OPT_INTERVAL, .on_column = true, .help = "this is the event time, and how late an event may be"},
    {"metadata", OPT_TEXT, .on_column = true, .help = "the column comes from the message's envelope"},
    {0},
};

/* ---- names ---- */

bool catalog_is_broken(const struct binder *b, const char *name)
{
    for (uint32_t i = 0; i < b->nbroken; i++)
        if (strcmp(b->broken[i], name) == 0)
            return true;
    return false;
}

void catalog_mark_broken(struct binder *b, const char *name)
{
    b->broken = binder_grow(b, b->broken, b->nbroken, &b->broken_cap, sizeof *b->broken);
    b->broken[b->nbroken++] = name;
}

struct plan_table *catalog_find_table(struct binder *b, const char *name)
{
    for (uint32_t i = 0; i < b->plan->ntables; i++)
        if (strcmp(b->plan->tables[i].name, name) == 0)
            return &b->plan->tables[i];
    return NULL;
}

struct named_view *catalog_find_view(struct binder *b, const char *name)
{
    for (uint32_t i = 0; i < b->nviews; i++)
        if (strcmp(b->views[i].name, name) == 0)
            return &b->views[i];
    return NULL;
}

enum status catalog_new_name(struct binder *b, const struct ast_statement *s)
{
    if (s->schema)
        return bind_error(b, s->location, "\"%s.%s\" cannot be created: the schema is the system's", s->schema,
                          s->name);
    if (catalog_find_table(b, s->name) || catalog_find_view(b, s->name))
        return bind_error(b, s->location, "\"%s\" is created twice", s->name);
    return OK;
}

static struct plan_server *find_server(struct binder *b, const char *name)
{
    for (uint32_t i = 0; i < b->plan->nservers; i++)
        if (strcmp(b->plan->servers[i].name, name) == 0)
            return &b->plan->servers[i];
    return NULL;
}

static const struct plan_connector *find_connector(const struct binder *b, const char *name)
{
    if (b->world->stand_in)
        return b->world->connectors;
    for (size_t i = 0; i < b->world->nconnectors; i++)
        if (strcmp(b->world->connectors[i].name, name) == 0)
            return &b->world->connectors[i];
    return NULL;
}

const struct plan_connector *catalog_connector(const struct binder *b, const struct plan_table *t)
{
    return find_connector(b, b->plan->servers[t->server].connector);
}

/* ---- options ---- */

/* "${NAME}" and "${NAME:-default}" at p, its value appended; p is moved behind it. ret_unset: where the name goes if it
 * is not set; NULL: that is an error. */
static enum status expand_reference(struct binder *b, const struct ast_option *option, const char **p, struct buf *out,
                                    const char **ret_unset)
{
    const char *start = *p + 2, *end = start;
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    const char *fallback = strncmp(end, ":-", 2) == 0 ? end + 2 : NULL;
    const char *close = strchr(fallback ? fallback : end, '}');
    if (end == start || isdigit((unsigned char)*start) || !close || (!fallback && close != end)) {
        (void)bind_error(b, option->location, "option \"%s\": a reference is ${NAME} or ${NAME:-default}",
                         option->name);
        return error_hint(b->err, "write $${ for the characters themselves");
    }
    const char *name = arena_strndup(b->arena, start, (size_t)(end - start));
    const char *value = b->world->environment ? b->world->environment(b->world->environment_arg, name) : NULL;
    if (value && (*value || !fallback))
        buf_puts(out, value);
    else if (fallback)
        buf_put(out, fallback, (size_t)(close - fallback));
    else if (ret_unset)
        *ret_unset = name;
    else {
        struct place place = text_place(b->text, option->location);
        return option_needs_variable(option->name, name, &place, b->err);
    }
    *p = close + 1;
    return OK;
}

static enum status expand(struct binder *b, const struct ast_option *option, const char **ret, const char **ret_unset)
{
    if (!strstr(option->value, "${")) {
        *ret = option->value;
        return OK;
    }
    AUTO(buf) out = BUF(KIB(64));
    for (const char *p = option->value; *p;) {
        if (strncmp(p, "$${", 3) == 0) {
            buf_puts(&out, "${");
            p += 3;
        } else if (strncmp(p, "${", 2) == 0) {
            TRY(expand_reference(b, option, &p, &out, ret_unset));
        } else {
            buf_putc(&out, *p++);
        }
    }
    if (out.overflow)
        return bind_error(b, option->location, "the value of option \"%s\" is longer than 64 KiB", option->name);
    *ret = arena_strndup(b->arena, out.data ? out.data : "", out.len);
    return OK;
}

/* needed: the plan depends on their values. */
static enum status make_options(struct binder *b, const struct ast_options *from, bool needed, struct options *ret)
{
    bool may_lack = !needed && b->world->may_lack_variables;
    struct options options = {from->count, arena_zarray(b->arena, from->count, sizeof *options.items)};
    for (uint32_t i = 0; i < from->count; i++) {
        struct option *o = &options.items[i];
        o->name = from->items[i].name;
        TRY(expand(b, &from->items[i], &o->value, may_lack ? &o->unset : NULL));
        o->place = text_place(b->text, from->items[i].location);
    }
    *ret = options;
    return OK;
}

static const struct option_spec *sink_options(const struct plan_connector *c)
{
    return c->sink_options ? c->sink_options : c->options;
}

/* ---- servers, mappings, settings ---- */

static enum status unknown_connector(struct binder *b, const struct ast_statement *s, const char *name)
{
    const char **names = arena_array(b->arena, b->world->nconnectors, sizeof *names);
    for (size_t i = 0; i < b->world->nconnectors; i++)
        names[i] = b->world->connectors[i].name;
    (void)bind_unknown(b, s->location, name, names, b->world->nconnectors, "there is no connector \"%s\"", name);
    return error_hint(b->err, "`bourn connectors` lists them");
}

static struct plan_server *add_server(struct binder *b, const char *name, const char *connector)
{
    struct plan *p = b->plan;
    p->servers = binder_grow(b, p->servers, p->nservers, &b->servers_cap, sizeof *p->servers);
    p->servers[p->nservers] = (struct plan_server){.name = name, .connector = connector};
    return &p->servers[p->nservers++];
}

enum status catalog_server(struct binder *b, const struct ast_statement *s)
{
    const struct plan_connector *connector = find_connector(b, s->server);
    if (!connector)
        return unknown_connector(b, s, s->server);
    if (find_server(b, s->name))
        return bind_error(b, s->location, "server \"%s\" is created twice", s->name);
    struct options options;
    TRY(make_options(b, &s->options, false, &options));
    const struct option_spec *tables[] = {connector->options, sink_options(connector)};
    TRY(options_check(&options, OPTION_ON_SERVER, tables, ARRAY_LEN(tables),
                      arena_printf(b->arena, "of server \"%s\" (%s)", s->name, connector->name), b->err));
    add_server(b, s->name, connector->name)->options = options;
    return OK;
}

static enum status unknown_server(struct binder *b, const struct ast_statement *s)
{
    uint32_t n = 0;
    const char **names = arena_array(b->arena, b->plan->nservers + b->world->nconnectors, sizeof *names);
    if (catalog_is_broken(b, s->server) || b->unread)
        return problem_silent(b->err);
    for (uint32_t i = 0; i < b->plan->nservers; i++)
        names[n++] = b->plan->servers[i].name;
    for (size_t i = 0; i < b->world->nconnectors; i++)
        names[n++] = b->world->connectors[i].name;
    (void)bind_unknown(b, s->location, s->server, names, n, "there is no server \"%s\"", s->server);
    return error_hint(b->err, "create it with CREATE SERVER, perhaps in a file of its own given to the same command");
}

enum status catalog_mapping(struct binder *b, const struct ast_statement *s)
{
    struct plan_server *server = find_server(b, s->server);
    if (!server && b->world->stand_in)
        server = add_server(b, s->server, b->world->connectors->name);
    if (!server)
        return unknown_server(b, s);
    if (server->mapping.count)
        return bind_error(b, s->location, "server \"%s\" has two user mappings", s->server);
    const struct plan_connector *connector = find_connector(b, server->connector);
    struct options options;
    TRY(make_options(b, &s->options, false, &options));
    const struct option_spec *tables[] = {connector->options, sink_options(connector)};
    TRY(options_check(&options, OPTION_ON_MAPPING, tables, ARRAY_LEN(tables),
                      arena_printf(b->arena, "of the user mapping of \"%s\" (%s)", s->server, connector->name),
                      b->err));
    server->mapping = options;
    return OK;
}

enum status catalog_setting(struct binder *b, const struct ast_statement *s)
{
    struct plan *p = b->plan;
    if (strncmp(s->name, "bourn.", 6) != 0) {
        (void)bind_refuse(b, s->location, "SET %s", s->name);
        return error_hint(b->err, "settings are named bourn.*; time zone UTC, ISO dates and bytewise text are fixed");
    }
    struct option given = {s->name + 6, s->value, text_place(b->text, s->location)};
    struct options one = {1, &given};
    TRY(options_check(&one, OPTION_ON_TABLE, &b->world->settings, 1, "of the pipeline (SET bourn.*)", b->err));
    for (uint32_t i = 0; i < p->nsettings; i++)
        if (strcmp(p->settings[i].name, given.name) == 0) { /* the last one counts, as in PostgreSQL */
            p->settings[i] = (struct plan_setting){given.name, given.value, given.place};
            return OK;
        }
    p->settings = binder_grow(b, p->settings, p->nsettings, &b->settings_cap, sizeof *p->settings);
    p->settings[p->nsettings++] = (struct plan_setting){given.name, given.value, given.place};
    return OK;
}

/* ---- tables: columns ---- */

static int32_t find_column(const struct plan_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->schema.ncols; i++)
        if (strcmp(t->schema.names[i], name) == 0)
            return (int32_t)i;
    return -1;
}

static enum status column_type(struct binder *b, const struct ast_column *c, struct type *ret)
{
    if (strcmp(c->type.name, "numeric") == 0 && c->type.nmods == 0) {
        (void)bind_error(b, c->type.location, "column \"%s\" is numeric without precision", c->name);
        return error_hint(b->err, "write numeric(p,s), for example numeric(18,2): at most 38 digits, s of them after "
                                  "the point");
    }
    return bind_type(b, &c->type, ret);
}

static enum status set_time_column(struct binder *b, struct plan_table *t, uint32_t c, const struct option *o)
{
    uint8_t type = t->schema.types[c].id;
    if (t->time_column >= 0)
        return bind_error(b, -1, "table \"%s\" has two columns with a watermark", t->name);
    if (type != TYPE_TIMESTAMP && type != TYPE_TIMESTAMPTZ)
        return bind_error(b, -1, "the watermark's column \"%s\" must be timestamptz or timestamp",
                          t->schema.names[c]);
    t->time_column = (int32_t)c;
    bool parsed = option_parse_interval(o->value, &t->watermark_delay);
    assert(parsed);
    return OK;
}

/* What the envelope's columns are; a connector may have others, of its own type. */
static const struct {
    const char *name;
    enum type_id type;
} metadata_types[] = {
    {"topic", TYPE_TEXT},  {"partition", TYPE_INT4},        {"offset", TYPE_INT8},
    {"key", TYPE_BYTEA},   {"timestamp", TYPE_TIMESTAMPTZ}, {"headers", TYPE_JSONB},
    {PLAN_INGESTION_TIME, TYPE_TIMESTAMPTZ},
};

/* processing_time is another word for it: rows are worked on in the epoch they come in with. */
static bool is_ingestion_time(const char *name)
{
    return strcmp(name, PLAN_INGESTION_TIME) == 0 || strcmp(name, "processing_time") == 0;
}

static enum status set_metadata(struct binder *b, struct plan_table *t, uint32_t c, const struct option *o)
{
    const struct plan_connector *connector = catalog_connector(b, t);
    size_t n = 0;
    const char *name = NULL;
    for (; connector->metadata && connector->metadata[n]; n++)
        if (strcmp(connector->metadata[n], o->value) == 0)
            name = connector->metadata[n];
    if (connector->metadata && is_ingestion_time(o->value))
        name = PLAN_INGESTION_TIME;
    if (!name)
        return bind_unknown(b, -1, o->value, connector->metadata, n, "the %s connector has no metadata \"%s\"",
                            connector->name, o->value);
    for (size_t i = 0; i < ARRAY_LEN(metadata_types); i++)
        if (strcmp(metadata_types[i].name, name) == 0 && metadata_types[i].type != t->schema.types[c].id) {
            char type[40];
            return bind_error(b, -1, "column \"%s\" holds the message's %s and must be %s", t->schema.names[c], name,
                              type_name(TYPE(metadata_types[i].type), type));
        }
    t->metadata[c] = name;
    return OK;
}

static enum status column_settings(struct binder *b, struct plan_table *t, uint32_t c)
{
    const struct options *options = &t->column_options[c];
    const struct plan_connector *connector = catalog_connector(b, t);
    const struct option_spec *tables[] = {column_options, connector->options, sink_options(connector)};
    TRY(options_check(options, OPTION_ON_COLUMN, tables, ARRAY_LEN(tables),
                      arena_printf(b->arena, "of column \"%s\"", t->schema.names[c]), b->err));
    for (uint32_t i = 0; i < options->count; i++) {
        const struct option *o = &options->items[i];
        enum status status = strcmp(o->name, "watermark") == 0  ? set_time_column(b, t, c, o)
                             : strcmp(o->name, "metadata") == 0 ? set_metadata(b, t, c, o)
                                                                : OK;
        if (status != OK)
            return option_blame(options, o->name, b->err);
    }
    t->by_clock |= t->time_column == (int32_t)c && t->metadata[c] && strcmp(t->metadata[c], PLAN_INGESTION_TIME) == 0;
    return OK;
}

static enum status table_columns(struct binder *b, const struct ast_statement *s, struct plan_table *t)
{
    uint32_t n = s->ncolumns;
    if (n == 0 || n > BIND_MAX_COLUMNS)
        return bind_error(b, s->location, "table \"%s\" must have 1 to %d columns", s->name, BIND_MAX_COLUMNS);
    t->schema.names = arena_zarray(b->arena, n, sizeof *t->schema.names);
    t->schema.types = arena_zarray(b->arena, n, sizeof *t->schema.types);
    t->schema.nullable = arena_zarray(b->arena, n, sizeof *t->schema.nullable);
    t->metadata = arena_zarray(b->arena, n, sizeof *t->metadata);
    t->column_options = arena_zarray(b->arena, n, sizeof *t->column_options);
    t->time_column = -1;
    for (uint32_t i = 0; i < n; i++) {
        const struct ast_column *c = &s->columns[i];
        if (find_column(t, c->name) >= 0)
            return bind_error(b, c->location, "column \"%s\" is declared twice", c->name);
        t->schema.names[i] = c->name;
        t->schema.nullable[i] = true;
        t->schema.ncols = i + 1;
        TRY(column_type(b, c, &t->schema.types[i]));
        TRY(make_options(b, &c->options, true, &t->column_options[i]));
        TRY(column_settings(b, t, i));
    }
    return OK;
}

/* ---- tables: the contract ---- */

static bool rule_exists(const struct plan_table *t, const char *id)
{
    for (uint32_t i = 0; i < t->nrules; i++)
        if (strcmp(t->rules[i].id, id) == 0)
            return true;
    return false;
}

/* As PostgreSQL names constraints: table_column_label, with a number behind when that is taken. */
static const char *default_rule_id(struct binder *b, const struct plan_table *t, const char *column,
                                   const char *label)
{
    const char *base = column ? arena_printf(b->arena, "%s_%s_%s", t->name, column, label)
                              : arena_printf(b->arena, "%s_%s", t->name, label);
    const char *id = base;
    for (unsigned i = 1; rule_exists(t, id); i++)
        id = arena_printf(b->arena, "%s%u", base, i);
    return id;
}

static struct plan_rule *add_rule(struct plan_table *t, enum plan_rule_kind kind, const char *id, uint64_t *columns)
{
    struct plan_rule *rule = &t->rules[t->nrules++];
    *rule = (struct plan_rule){.id = id, .kind = kind, .columns = columns};
    return rule;
}

static bool has_not_null(const struct plan_table *t, uint32_t column)
{
    for (uint32_t i = 0; i < t->nrules; i++)
        if (t->rules[i].kind == RULE_NOT_NULL && t->rules[i].column == column)
            return true;
    return false;
}

static void add_not_null(struct binder *b, struct plan_table *t, const char *id, uint32_t column)
{
    uint64_t *columns = arena_zarray(b->arena, BITMAP_WORDS(t->schema.ncols), sizeof *columns);
    bit_set(columns, column);
    struct plan_rule *rule = add_rule(t, RULE_NOT_NULL, id, columns);
    rule->column = column;
    rule->text = arena_printf(b->arena, "%s IS NOT NULL", t->schema.names[column]);
    t->schema.nullable[column] = false;
}

/* The only column a CHECK mentions, or NULL: PostgreSQL puts it into the constraint's name. */
static const char *only_column(const struct plan_table *t, const uint64_t *columns)
{
    const char *only = NULL;
    for (uint32_t i = 0; i < t->schema.ncols; i++)
        if (bit_get(columns, i)) {
            if (only)
                return NULL;
            only = t->schema.names[i];
        }
    return only;
}

static struct relation table_relation(struct binder *b, const struct plan_table *t)
{
    struct relation r = {.ncols = t->schema.ncols, .cols = arena_array(b->arena, t->schema.ncols, sizeof *r.cols)};
    for (uint32_t i = 0; i < r.ncols; i++)
        r.cols[i] = (struct relation_column){t->schema.names[i],
                                             expr_column(b->arena, i, t->schema.types[i], -1)};
    return r;
}

static enum status add_check(struct binder *b, struct plan_table *t, const struct ast_constraint *c)
{
    struct relation columns_of_table = table_relation(b, t);
    struct scope scope = {.input = &columns_of_table, .alias = t->name, .clause = "CHECK"};
    struct expr *check;
    TRY(bind_condition(b, &scope, c->check, &check));
    if (expr_uses_now(check)) {
        (void)bind_error(b, expr_now_location(check), "a CHECK must not read the clock: now() changes, the row does "
                                                      "not");
        return error_hint(b->err, "option max_ahead of the table rejects rows from the future");
    }
    uint64_t *columns = arena_zarray(b->arena, BITMAP_WORDS(t->schema.ncols), sizeof *columns);
    expr_columns(check, columns);
    const char *id = c->name ? c->name : default_rule_id(b, t, only_column(t, columns), "check");
    struct plan_rule *rule = add_rule(t, RULE_CHECK, id, columns);
    rule->check = check;
    rule->text = c->text;
    return OK;
}

static enum status unknown_table_column(struct binder *b, const struct plan_table *t, const char *name,
                                        int32_t location)
{
    return bind_unknown(b, location, name, t->schema.names, t->schema.ncols,
                        "column \"%s\" does not exist in \"%s\"", name, t->name);
}

static enum status set_key(struct binder *b, struct plan_table *t, const struct ast_constraint *c)
{
    if (t->nkey)
        return bind_error(b, c->location, "table \"%s\" has two primary keys", t->name);
    struct ast_names one = {arena_array(b->arena, 1, sizeof *one.items), 1};
    one.items[0] = c->column;
    const struct ast_names *keys = c->column ? &one : &c->keys;
    t->key = arena_array(b->arena, keys->count, sizeof *t->key);
    for (uint32_t i = 0; i < keys->count; i++) {
        int32_t column = find_column(t, keys->items[i]);
        if (column < 0)
            return unknown_table_column(b, t, keys->items[i], c->location);
        for (uint32_t k = 0; k < t->nkey; k++)
            if (t->key[k] == (uint32_t)column)
                return bind_error(b, c->location, "column \"%s\" stands twice in the primary key", keys->items[i]);
        t->key[t->nkey++] = (uint32_t)column;
    }
    return OK;
}

static enum status table_constraint(struct binder *b, struct plan_table *t, const struct ast_constraint *c)
{
    if (c->kind == AST_PRIMARY_KEY)
        return set_key(b, t, c);
    if (c->name && rule_exists(t, c->name)) {
        (void)bind_error(b, c->location, "constraint \"%s\" of \"%s\" stands twice", c->name, t->name);
        return error_hint(b->err, "its name is the id of the rule, by which rejections are counted");
    }
    if (c->kind == AST_CHECK)
        return add_check(b, t, c);
    int32_t column = find_column(t, c->column);
    assert(column >= 0);
    if (has_not_null(t, (uint32_t)column))
        return bind_error(b, c->location, "column \"%s\" is NOT NULL twice", c->column);
    add_not_null(b, t, c->name ? c->name : default_rule_id(b, t, c->column, "not_null"), (uint32_t)column);
    return OK;
}

static enum status table_constraints(struct binder *b, const struct ast_statement *s, struct plan_table *t)
{
    t->rules = arena_zarray(b->arena, (size_t)s->nconstraints + s->ncolumns, sizeof *t->rules);
    for (uint32_t i = 0; i < s->nconstraints; i++)
        TRY(table_constraint(b, t, &s->constraints[i]));
    for (uint32_t i = 0; i < t->nkey; i++) /* as in PostgreSQL, a primary key is NOT NULL */
        if (!has_not_null(t, t->key[i]))
            add_not_null(b, t, default_rule_id(b, t, t->schema.names[t->key[i]], "not_null"), t->key[i]);
    return OK;
}

/* ---- tables: the whole ---- */

static enum status table_format(struct binder *b, struct plan_table *t)
{
    const char *name = option_text(&t->options, NULL, "format");
    const char **names = arena_array(b->arena, b->world->nformats, sizeof *names);
    if (!name)
        return OK;
    for (size_t i = 0; i < b->world->nformats; i++) {
        names[i] = b->world->formats[i].name;
        if (strcmp(names[i], name) == 0) {
            t->format = names[i];
            t->by_place = b->world->formats[i].by_place;
            return OK;
        }
    }
    (void)bind_unknown(b, -1, name, names, b->world->nformats, "there is no format \"%s\"", name);
    return option_blame(&t->options, "format", b->err);
}

enum status catalog_copy(struct binder *b, const struct ast_statement *s)
{
    for (uint32_t i = 0; i < b->ncopies; i++)
        if (strcmp(b->copies[i]->name, s->name) == 0)
            return bind_error(b, s->location, "a second COPY into \"%s\"", s->name);
    b->copies = binder_grow(b, b->copies, b->ncopies, &b->copies_cap, sizeof(struct ast_statement *));
    b->copies[b->ncopies++] = s;
    return OK;
}

const char *catalog_path(struct binder *b, int32_t location, const char *path)
{
    struct place place = text_place(b->text, location);
    const char *slash = strrchr(place.file, '/');
    return *path == '/' || !slash ? path
                                  : arena_printf(b->arena, "%.*s/%s", (int)(slash - place.file), place.file, path);
}

/* CREATE TABLE is reference data: what COPY reads into it from a file, as a table of the file connector. */
static enum status as_foreign(struct binder *b, const struct ast_statement *s, struct ast_statement *ret)
{
    const struct ast_statement *copy = NULL;
    for (uint32_t i = 0; i < b->ncopies; i++)
        if (strcmp(b->copies[i]->name, s->name) == 0)
            copy = b->copies[i];
    if (!copy) {
        (void)bind_error(b, s->location, "nothing is copied into table \"%s\"", s->name);
        return error_hint(b->err, "COPY %s FROM 'file.csv' WITH (FORMAT csv, HEADER true); a stream is a "
                                  "CREATE FOREIGN TABLE ... SERVER ...", s->name);
    }
    *ret = *s;
    ret->server = "file";
    ret->options.count = copy->options.count + 2;
    ret->options.items = arena_array(b->arena, ret->options.count, sizeof *ret->options.items);
    memcpy(ret->options.items, copy->options.items, copy->options.count * sizeof *ret->options.items);
    bool format = false;
    for (uint32_t i = 0; i < copy->options.count; i++)
        format |= strcmp(copy->options.items[i].name, "format") == 0;
    ret->options.items[copy->options.count] =
        (struct ast_option){"path", catalog_path(b, copy->location, copy->value), copy->location};
    if (format)
        ret->options.count--;
    else
        ret->options.items[copy->options.count + 1] = (struct ast_option){"format", "csv", copy->location};
    return OK;
}

/* A table that a stand-in reads or writes; its input may have an end. */
static void stand_in_table(struct binder *b, struct plan_table *t)
{
    const struct plan_stand_in *s = b->world->stand_in;
    bool ends = t->reference;
    for (size_t i = 0; i < s->nends; i++)
        ends |= strcmp(s->ends[i], t->name) == 0;
    if (!t->format)
        t->format = s->format;
    if (!ends)
        return;
    struct option *items = arena_zarray(b->arena, t->options.count + 1, sizeof *items);
    if (t->options.count)
        memcpy(items, t->options.items, t->options.count * sizeof *items);
    items[t->options.count] = (struct option){"ends", "true", t->place};
    t->options = (struct options){t->options.count + 1, items};
}

enum status catalog_table(struct binder *b, const struct ast_statement *s)
{
    struct plan *p = b->plan;
    struct ast_statement reference = {0};
    TRY(catalog_new_name(b, s));
    if (!s->server) {
        TRY(as_foreign(b, s, &reference));
        s = &reference;
    }
    struct plan_server *server = find_server(b, s->server);
    if (!server && !find_connector(b, s->server))
        return unknown_server(b, s);
    if (!server) /* a connector that needs no options may be named directly */
        server = add_server(b, s->server, find_connector(b, s->server)->name);
    struct plan_table table = {.name = s->name, .server = (uint32_t)(server - p->servers),
                               .place = text_place(b->text, s->location)};
    TRY(table_columns(b, s, &table));
    TRY(make_options(b, &s->options, false, &table.options));
    TRY(table_format(b, &table));
    TRY(table_constraints(b, s, &table));
    table.reference = s == &reference;
    if (table.reference) /* its PRIMARY KEY says NOT NULL; that it is unique is the file's business */
        table.nkey = 0;
    if (b->world->stand_in)
        stand_in_table(b, &table);
    p->tables = binder_grow(b, p->tables, p->ntables, &b->tables_cap, sizeof *p->tables);
    p->tables[p->ntables++] = table;
    return OK;
}

/* ---- use: read or written ---- */

static enum status check_table_options(struct binder *b, const struct plan_table *t, bool read, bool written)
{
    const struct plan_connector *connector = catalog_connector(b, t);
    const struct plan_server *server = &b->plan->servers[t->server];
    const struct option_spec *tables[5];
    size_t n = 0;
    for (size_t i = 0; t->format && i < b->world->nformats; i++)
        if (strcmp(b->world->formats[i].name, t->format) == 0)
            tables[n++] = b->world->formats[i].options;
    if (read) { /* before a connector that takes any option at all */
        tables[n++] = plan_source_options;
        tables[n++] = connector->options;
    }
    if (written) {
        tables[n++] = plan_sink_options;
        tables[n++] = sink_options(connector);
    }
    const char *role = read && written ? "" : read ? ", read" : ", written";
    const char *what = arena_printf(b->arena, "of table \"%s\" (%s%s)", t->name, connector->name, role);
    TRY(options_check(&t->options, OPTION_ON_TABLE, tables, n, what, b->err));
    const struct options *given[] = {&server->options, &server->mapping, &t->options};
    return read && written ? OK
                           : options_require(given, ARRAY_LEN(given), tables, n, what, &t->place, b->err);
}

static enum status table_error(struct binder *b, const struct plan_table *t, const char *text, const char *hint)
{
    (void)error_set(b->err, ERR_SQL, "table \"%s\" %s", t->name, text);
    b->err->place = t->place;
    return hint ? error_hint(b->err, "%s", hint) : FAILED;
}

static enum status both_ways(struct binder *b, const struct plan_table *t)
{
    return table_error(b, t, "is both read and written by this pipeline",
                       "give the rows a name with CREATE VIEW and read that");
}

static enum status check_read(struct binder *b, const struct plan_table *t)
{
    const struct plan_connector *connector = catalog_connector(b, t);
    if (t->is_sink)
        return both_ways(b, t);
    if (!connector->can_read)
        return table_error(b, t, arena_printf(b->arena, "cannot be read: %s is only written to", connector->name),
                           NULL);
    if (t->nkey)
        return table_error(b, t, "is read and has a PRIMARY KEY, which nothing would check",
                           "drop it, and keep the first of each key with SELECT DISTINCT ON (key) * FROM ...");
    return check_table_options(b, t, true, false);
}

static enum status check_written(struct binder *b, const struct plan_table *t)
{
    const struct plan_connector *connector = catalog_connector(b, t);
    if (t->is_source)
        return both_ways(b, t);
    if (!connector->can_write)
        return table_error(b, t, arena_printf(b->arena, "cannot be written: %s is only read", connector->name), NULL);
    if (t->nkey && !connector->can_upsert)
        return table_error(b, t, arena_printf(b->arena, "has a PRIMARY KEY, but %s only appends", connector->name),
                           "drop the key, or write to delta");
    if (t->time_column >= 0)
        return table_error(b, t, "is written and has a watermark", "a watermark belongs to a table that is read");
    for (uint32_t i = 0; i < t->schema.ncols; i++)
        if (t->metadata[i])
            return table_error(b, t, "is written and has a metadata column",
                               "metadata belongs to a table that is read");
    return check_table_options(b, t, false, true);
}

enum status catalog_read(struct binder *b, struct plan_table *t)
{
    if (t->is_source)
        return OK;
    enum status status = check_read(b, t);
    if (status == OK)
        t->is_source = true;
    else
        catalog_mark_broken(b, t->name);
    return status;
}

enum status catalog_write(struct binder *b, struct plan_table *t)
{
    if (t->is_sink)
        return OK;
    enum status status = check_written(b, t);
    if (status == OK)
        t->is_sink = true;
    else
        catalog_mark_broken(b, t->name);
    return status;
}

enum status catalog_check_unused(struct binder *b, const struct plan_table *t)
{
    return t->is_source || t->is_sink || catalog_is_broken(b, t->name) ? OK : check_table_options(b, t, true, true);
}
