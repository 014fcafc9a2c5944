#include "plan/parse.h"

#include <pg_query.h>
#include <stdio.h>

#include "plan/parse_private.h"

#define NODE(kind) PG_QUERY__NODE__NODE_##kind

/* Tokens between two commas, on the way down from the statement to the innermost parenthesis: an upper bound of how
 * deep PostgreSQL's parser and its serializer recurse on what they built (1+1+1+... is one level a sign), which they do
 * not bound themselves. */
enum {
    TOKENS_MAX = 200000, /* in one statement: each costs half a kilobyte on the way */
    TOKENS_MAX_DEPTH = 6000,
    TOKENS_MAX_PARENTHESES = 1000,
    TOKENS_MAX_WORK = 200000000, /* the serializer measures a tree again at each of its levels */
    STATEMENTS_MAX = 10000,
};

/* ---- what the parse*.c files share ---- */

int32_t parser_location(const struct parser *p, int32_t location)
{
    return location > 0 && !p->adrift ? p->base + location : p->start;
}

enum status parser_refuse(struct parser *p, int32_t location, const char *hint, const char *what, ...)
{
    char text[256];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    (void)problem_at(p->text, parser_location(p, location), p->err, ERR_UNSUPPORTED, "%s is not supported", text);
    return hint ? error_hint(p->err, "%s", hint) : FAILED;
}

char *parser_strdup(struct parser *p, const char *s) { return arena_strdup(p->arena, s); }

const char *node_string(const PgQuery__Node *n)
{
    return n && n->node_case == NODE(STRING) && n->string->sval ? n->string->sval : "";
}

struct ast_names parser_names(struct parser *p, PgQuery__Node *const *nodes, size_t n)
{
    struct ast_names names = {arena_array(p->arena, n, sizeof *names.items), (uint32_t)n};
    for (size_t i = 0; i < n; i++)
        names.items[i] = parser_strdup(p, node_string(nodes[i]));
    return names;
}

enum status parse_relation(struct parser *p, const PgQuery__RangeVar *r, const char **ret_schema,
                           const char **ret_name)
{
    const char *schema = r->schemaname && *r->schemaname ? r->schemaname : NULL;
    if (r->catalogname && *r->catalogname)
        return parser_refuse(p, r->location, NULL, "the database \"%s\" in a name", r->catalogname);
    if (schema && strcmp(schema, "public") == 0)
        schema = NULL;
    if (schema && strcmp(schema, "bourn") != 0)
        return parser_refuse(p, r->location, "names have no schema; bourn.* are the system's relations",
                             "the schema \"%s\"", schema);
    if (r->relpersistence && strcmp(r->relpersistence, "t") == 0)
        return parser_refuse(p, r->location, NULL, "a temporary relation");
    *ret_schema = schema ? parser_strdup(p, schema) : NULL;
    *ret_name = parser_strdup(p, r->relname);
    return OK;
}

/* ---- options ---- */

static enum status option_value(struct parser *p, const PgQuery__DefElem *d, const char **ret)
{
    const PgQuery__Node *arg = d->arg;
    if (!arg || arg->node_case != NODE(STRING))
        return parser_refuse(p, d->location, "write option_name 'value'", "an option value that is no string");
    *ret = parser_strdup(p, node_string(arg));
    return OK;
}

static enum status parse_options(struct parser *p, PgQuery__Node *const *nodes, size_t n, struct ast_options *ret)
{
    struct ast_options options = {arena_array(p->arena, n, sizeof *options.items), (uint32_t)n};
    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = nodes[i]->def_elem;
        options.items[i].name = parser_strdup(p, d->defname);
        options.items[i].location = parser_location(p, d->location);
        TRY(option_value(p, d, &options.items[i].value));
    }
    *ret = options;
    return OK;
}

/* ---- tables ---- */

/* The text between the parentheses of the CHECK at `location`, for people. */
static const char *check_text(struct parser *p, int32_t location)
{
    const char *s = p->sql.data, *end = s + p->sql.len, *at = s + MIN((size_t)MAX(location, 0), p->sql.len);
    const char *open = NULL;
    unsigned depth = 0;
    for (; at < end; at++) {
        if (*at == '\'' || *at == '"') {
            const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));
            if (!close)
                break;
            at = close;
        } else if (*at == '(' && depth++ == 0) {
            open = at + 1;
        } else if (*at == ')' && depth && --depth == 0) {
            return arena_strndup(p->arena, open, (size_t)(at - open));
        }
    }
    return "";
}

static enum status parse_constraint(struct parser *p, const PgQuery__Constraint *c, const char *column,
                                    struct ast_statement *into)
{
    struct ast_constraint constraint = {.column = column, .location = parser_location(p, c->location)};
    switch (c->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NULL: return OK;
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL: constraint.kind = AST_NOT_NULL; break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
        constraint.kind = AST_CHECK;
        TRY(parse_expr(p, c->raw_expr, &constraint.check));
        constraint.text = check_text(p, c->location);
        break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
        constraint.kind = AST_PRIMARY_KEY;
        constraint.keys = parser_names(p, c->keys, c->n_keys);
        break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT:
        return parser_refuse(p, c->location, "write the value in the INSERT's SELECT", "DEFAULT");
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE: return parser_refuse(p, c->location, "use PRIMARY KEY", "UNIQUE");
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN: return parser_refuse(p, c->location, NULL, "REFERENCES");
    case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED:
    case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
        return parser_refuse(p, c->location, "compute it in a SELECT", "GENERATED");
    default: return parser_refuse(p, c->location, NULL, "this constraint");
    }
    if (c->conname && *c->conname)
        constraint.name = parser_strdup(p, c->conname);
    into->constraints[into->nconstraints++] = constraint;
    return OK;
}

static enum status parse_column_def(struct parser *p, const PgQuery__ColumnDef *d, struct ast_statement *into)
{
    struct ast_column *column = &into->columns[into->ncolumns++];
    column->name = parser_strdup(p, d->colname);
    column->location = parser_location(p, d->location);
    if (d->coll_clause)
        return parser_refuse(p, d->coll_clause->location, "text compares by its bytes", "COLLATE");
    TRY(parse_type(p, d->type_name, &column->type));
    TRY(parse_options(p, d->fdwoptions, d->n_fdwoptions, &column->options));
    for (size_t i = 0; i < d->n_constraints; i++)
        TRY(parse_constraint(p, d->constraints[i]->constraint, column->name, into));
    return OK;
}

static enum status parse_table(struct parser *p, const PgQuery__CreateStmt *base, struct ast_statement *into)
{
    into->kind = AST_CREATE_TABLE;
    TRY(parse_relation(p, base->relation, &into->schema, &into->name));
    into->location = parser_location(p, base->relation->location);
    if (base->n_inh_relations || base->partbound || base->partspec)
        return parser_refuse(p, -1, NULL, "INHERITS and PARTITION OF");
    size_t nconstraints = 0;
    for (size_t i = 0; i < base->n_table_elts; i++)
        nconstraints += base->table_elts[i]->node_case == NODE(COLUMN_DEF)
                            ? base->table_elts[i]->column_def->n_constraints
                            : 1;
    into->columns = arena_zarray(p->arena, base->n_table_elts, sizeof *into->columns);
    into->constraints = arena_zarray(p->arena, nconstraints, sizeof *into->constraints);
    for (size_t i = 0; i < base->n_table_elts; i++) {
        const PgQuery__Node *n = base->table_elts[i];
        if (n->node_case == NODE(COLUMN_DEF))
            TRY(parse_column_def(p, n->column_def, into));
        else if (n->node_case == NODE(CONSTRAINT))
            TRY(parse_constraint(p, n->constraint, NULL, into));
        else
            return parser_refuse(p, -1, "list the columns", "LIKE in a table");
    }
    return OK;
}

static enum status parse_foreign_table(struct parser *p, const PgQuery__CreateForeignTableStmt *s,
                                       struct ast_statement *into)
{
    TRY(parse_table(p, s->base_stmt, into));
    into->server = parser_strdup(p, s->servername);
    return parse_options(p, s->options, s->n_options, &into->options);
}

/* COPY t FROM 'path' WITH (FORMAT csv, HEADER true): the rows of a reference table. */
static enum status parse_copy(struct parser *p, const PgQuery__CopyStmt *s, struct ast_statement *into)
{
    into->kind = AST_COPY;
    if (!s->relation || !s->is_from || s->is_program || !s->filename || !*s->filename)
        return parser_refuse(p, -1, "write COPY table FROM 'file.csv' WITH (FORMAT csv, HEADER true)",
                             "this form of COPY");
    if (s->n_attlist || s->where_clause)
        return parser_refuse(p, -1, "read the file through a foreign table of a file server, and select from it",
                             "COPY with a column list or WHERE");
    TRY(parse_relation(p, s->relation, &into->schema, &into->name));
    into->location = parser_location(p, s->relation->location);
    into->value = parser_strdup(p, s->filename);
    return parse_options(p, s->options, s->n_options, &into->options);
}

/* ---- the other statements ---- */

static enum status parse_server(struct parser *p, const PgQuery__CreateForeignServerStmt *s,
                                struct ast_statement *into)
{
    into->kind = AST_CREATE_SERVER;
    into->name = parser_strdup(p, s->servername);
    into->server = parser_strdup(p, s->fdwname);
    return parse_options(p, s->options, s->n_options, &into->options);
}

static enum status parse_mapping(struct parser *p, const PgQuery__CreateUserMappingStmt *s,
                                 struct ast_statement *into)
{
    into->kind = AST_CREATE_MAPPING;
    into->name = into->server = parser_strdup(p, s->servername);
    if (s->user && s->user->roletype == PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CSTRING)
        return parser_refuse(p, s->user->location, "write FOR CURRENT_USER", "a user mapping of another user");
    return parse_options(p, s->options, s->n_options, &into->options);
}

static enum status parse_view(struct parser *p, const PgQuery__ViewStmt *s, struct ast_statement *into)
{
    into->kind = AST_CREATE_VIEW;
    TRY(parse_relation(p, s->view, &into->schema, &into->name));
    into->location = parser_location(p, s->view->location);
    if (s->query->node_case != NODE(SELECT_STMT))
        return parser_refuse(p, -1, NULL, "this view");
    if (s->n_options || s->with_check_option > PG_QUERY__VIEW_CHECK_OPTION__NO_CHECK_OPTION)
        return parser_refuse(p, s->view->location, NULL, "a view with options");
    into->names = parser_names(p, s->aliases, s->n_aliases);
    return parse_select(p, s->query->select_stmt, &into->query);
}

static enum status parse_insert(struct parser *p, const PgQuery__InsertStmt *s, struct ast_statement *into)
{
    into->kind = AST_INSERT;
    TRY(parse_relation(p, s->relation, &into->schema, &into->name));
    into->location = parser_location(p, s->relation->location);
    if (s->with_clause)
        return parser_refuse(p, s->with_clause->location, "write INSERT INTO t WITH ... SELECT ...",
                             "WITH before INSERT");
    if (s->on_conflict_clause)
        return parser_refuse(p, s->on_conflict_clause->location, "a sink with a PRIMARY KEY is upserted by itself",
                             "ON CONFLICT");
    if (s->n_returning_list)
        return parser_refuse(p, s->returning_list[0]->res_target->location, NULL, "RETURNING");
    if (!s->select_stmt || s->select_stmt->node_case != NODE(SELECT_STMT))
        return parser_refuse(p, -1, NULL, "INSERT ... DEFAULT VALUES");
    into->names = (struct ast_names){arena_array(p->arena, s->n_cols, sizeof *into->names.items),
                                     (uint32_t)s->n_cols};
    into->name_locations = arena_array(p->arena, s->n_cols, sizeof *into->name_locations);
    for (size_t i = 0; i < s->n_cols; i++) {
        into->names.items[i] = parser_strdup(p, s->cols[i]->res_target->name);
        into->name_locations[i] = parser_location(p, s->cols[i]->res_target->location);
    }
    return parse_select(p, s->select_stmt->select_stmt, &into->query);
}

/* SET bourn.name = 'value', a number, or a word. */
static enum status parse_set(struct parser *p, const PgQuery__VariableSetStmt *s, struct ast_statement *into)
{
    into->kind = AST_SET;
    into->name = parser_strdup(p, s->name ? s->name : "");
    if (s->kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE || s->n_args != 1 ||
        s->args[0]->node_case != NODE(A_CONST))
        return parser_refuse(p, -1, "write SET bourn.name = 'value'", "this form of SET");
    const PgQuery__AConst *c = s->args[0]->a_const;
    switch (c->val_case) {
    case PG_QUERY__A__CONST__VAL_SVAL: into->value = parser_strdup(p, c->sval->sval); return OK;
    case PG_QUERY__A__CONST__VAL_IVAL: into->value = arena_printf(p->arena, "%d", c->ival->ival); return OK;
    case PG_QUERY__A__CONST__VAL_FVAL: into->value = parser_strdup(p, c->fval->fval); return OK;
    case PG_QUERY__A__CONST__VAL_BOOLVAL: into->value = c->boolval->boolval ? "true" : "false"; return OK;
    default: return parser_refuse(p, -1, "write SET bourn.name = 'value'", "this form of SET");
    }
}

static const struct {
    PgQuery__Node__NodeCase kind;
    const char *what, *hint;
} refused_statements[] = {
    {NODE(CREATE_TABLE_AS_STMT), "CREATE TABLE AS", "INSERT INTO a foreign table"},
    {NODE(UPDATE_STMT), "UPDATE", "a pipeline states what rows are, with INSERT INTO ... SELECT"},
    {NODE(DELETE_STMT), "DELETE", "a pipeline states what rows are, with INSERT INTO ... SELECT"},
    {NODE(MERGE_STMT), "MERGE", "INSERT INTO a foreign table with a PRIMARY KEY upserts"},
    {NODE(EXPLAIN_STMT), "EXPLAIN", "run `bourn explain`"},
    {NODE(DROP_STMT), "DROP", "delete the statement that creates it"},
    {NODE(ALTER_TABLE_STMT), "ALTER TABLE", "change the CREATE FOREIGN TABLE statement"},
    {NODE(ALTER_FOREIGN_SERVER_STMT), "ALTER SERVER", "change the CREATE SERVER statement"},
    {NODE(TRUNCATE_STMT), "TRUNCATE", NULL},
    {NODE(INDEX_STMT), "CREATE INDEX", NULL},
    {NODE(CREATE_FDW_STMT), "CREATE FOREIGN DATA WRAPPER", "connectors are built in: see `bourn connectors`"},
    {NODE(CREATE_EXTENSION_STMT), "CREATE EXTENSION", "connectors and functions are built in"},
    {NODE(CREATE_SCHEMA_STMT), "CREATE SCHEMA", "names have no schema"},
    {NODE(TRANSACTION_STMT), "a transaction", "a pipeline is one unit already"},
    {NODE(VARIABLE_SHOW_STMT), "SHOW", NULL},
    {NODE(CREATE_TRIG_STMT), "CREATE TRIGGER", NULL},
    {NODE(COMMENT_STMT), "COMMENT ON", "write a comment: -- ..."},
};

static enum status refuse_statement(struct parser *p, const PgQuery__Node *n)
{
    if (n->node_case == NODE(CREATE_TABLE_AS_STMT) &&
        n->create_table_as_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW)
        return parser_refuse(p, -1, "INSERT INTO a foreign table with a PRIMARY KEY", "CREATE MATERIALIZED VIEW");
    for (size_t i = 0; i < ARRAY_LEN(refused_statements); i++)
        if (refused_statements[i].kind == n->node_case)
            return parser_refuse(p, -1, refused_statements[i].hint, "%s", refused_statements[i].what);
    return parser_refuse(p, -1, "docs/sql.md lists the statements of a pipeline", "this statement");
}

static enum status parse_statement(struct parser *p, const PgQuery__Node *n, struct ast_statement *into)
{
    switch (n->node_case) {
    case NODE(CREATE_FOREIGN_SERVER_STMT): return parse_server(p, n->create_foreign_server_stmt, into);
    case NODE(CREATE_USER_MAPPING_STMT): return parse_mapping(p, n->create_user_mapping_stmt, into);
    case NODE(CREATE_FOREIGN_TABLE_STMT): return parse_foreign_table(p, n->create_foreign_table_stmt, into);
    case NODE(CREATE_STMT): return parse_table(p, n->create_stmt, into);
    case NODE(COPY_STMT): return parse_copy(p, n->copy_stmt, into);
    case NODE(VIEW_STMT): return parse_view(p, n->view_stmt, into);
    case NODE(CREATE_FUNCTION_STMT): return parse_function(p, n->create_function_stmt, into);
    case NODE(INSERT_STMT): return parse_insert(p, n->insert_stmt, into);
    case NODE(VARIABLE_SET_STMT): return parse_set(p, n->variable_set_stmt, into);
    case NODE(SELECT_STMT):
        into->kind = AST_QUERY;
        return parse_select(p, n->select_stmt, &into->query);
    case NODE(CHECK_POINT_STMT): into->kind = AST_CHECKPOINT; return OK;
    case NODE(CLOSE_PORTAL_STMT):
        into->kind = AST_CLOSE;
        into->name = n->close_portal_stmt->portalname && *n->close_portal_stmt->portalname
                         ? parser_strdup(p, n->close_portal_stmt->portalname)
                         : NULL;
        return OK;
    default: return refuse_statement(p, n);
    }
}

/* ---- from text to PostgreSQL's tree ---- */

/* Byte offset of PostgreSQL's 1-based character position; the end of the text stands at its last character, for what
 * comes behind it may be another file. */
static int32_t cursor_offset(struct slice sql, int cursor)
{
    size_t offset = 0, last = 0;
    for (int chars = 1; offset < sql.len; offset++) {
        if (((unsigned char)sql.data[offset] & 0xC0) == 0x80)
            continue;
        last = offset;
        if (chars++ >= cursor)
            break;
    }
    return (int32_t)last;
}

/* Where PostgreSQL's grammar surprises. */
static const struct {
    const char *message, *hint;
    const char *beside; /* also in the statement; NULL: nothing is asked for */
} syntax_hints[] = {
    {"syntax error at or near \"OPTIONS\"", "a column's OPTIONS (...) stand right behind its type, before NOT NULL and "
                                            "CHECK"},
    {"subquery in FROM must have an alias", "for example, FROM (SELECT ...) AS s"},
    {"syntax error at or near \"SERVER\"", "tables with a SERVER are created with CREATE FOREIGN TABLE"},
    {"syntax error at or near \"TABLE\"",
     "windows name relation and column as they are: tumble(t, ts, interval '5 minutes')", "DESCRIPTOR"},
    {"syntax error at or near \"window\"", "windows stand in FROM: tumble(t, ts, interval '5 minutes')", NULL},
};

/* The first word of a statement is none. */
static enum status hint_statement(struct parser *p, const PgQueryError *e)
{
    static const char *const words[] = {"CREATE", "INSERT", "SELECT", "SET", "WITH", "COPY"};
    char word[16];
    const char *near = sscanf(e->message, "syntax error at or near \"%15[A-Za-z]\"", word) == 1
                           ? nearest_name(word, words, ARRAY_LEN(words)) : NULL;
    if (near)
        return error_hint(p->err, "did you mean %s?", near);
    return error_hint(p->err, "a statement begins with CREATE, INSERT, SELECT, SET, WITH or COPY");
}

static enum status syntax_error(struct parser *p, const PgQueryError *e)
{
    int32_t location = e->cursorpos > 0 && !p->adrift ? p->base + cursor_offset(p->sql, e->cursorpos) : p->start;
    (void)problem_at(p->text, location, p->err, ERR_SQL, "%s", e->message);
    for (size_t i = 0; i < ARRAY_LEN(syntax_hints); i++)
        if (strcmp(e->message, syntax_hints[i].message) == 0 &&
            (!syntax_hints[i].beside || strcasestr(p->sql.data, syntax_hints[i].beside)))
            return error_hint(p->err, "%s", syntax_hints[i].hint);
    return location == p->start && !p->inner ? hint_statement(p, e) : FAILED;
}

static enum status unpack_statement(struct parser *p, const PgQueryProtobuf *packed, struct ast_statement *into)
{
    PgQuery__ParseResult *tree =
        pg_query__parse_result__unpack(NULL, packed->len, (const uint8_t *)packed->data);
    if (!tree)
        return problem_at(p->text, p->start, p->err, ERR_LIMIT, "the statement nests too deeply");
    enum status status = OK;
    if (tree->n_stmts != 1 || !tree->stmts[0]->stmt)
        status = problem_at(p->text, p->start, p->err, ERR_SQL, "one statement expected");
    else
        status = parse_statement(p, tree->stmts[0]->stmt, into);
    pg_query__parse_result__free_unpacked(tree, NULL);
    return status;
}

/* p->sql holds one statement, terminated. */
static enum status parse_one(struct parser *p, struct ast_statement **ret)
{
    struct ast_statement *into = arena_zalloc(p->arena, sizeof *into);
    into->location = p->start;
    PgQueryProtobufParseResult result = pg_query_parse_protobuf(p->sql.data);
    enum status status = result.error ? syntax_error(p, result.error) : unpack_statement(p, &result.parse_tree, into);
    pg_query_free_protobuf_parse_result(result);
    if (status == OK)
        *ret = into;
    return status;
}

/* ---- statements of a file ---- */

struct splitter {
    struct arena *arena;
    const struct text *text;
    struct problems *problems;
    struct ast_statements *out;
    uint32_t cap;
    struct slice file;
    int32_t base;
};

static void statement_failed(struct splitter *s, int32_t location, const struct error *err)
{
    problems_add(s->problems, err);
    struct ast_statements *out = s->out;
    int32_t *grown = arena_array(s->arena, out->nfailed + 1, sizeof *grown);
    if (out->nfailed)
        memcpy(grown, out->failed_at, out->nfailed * sizeof *grown);
    grown[out->nfailed++] = location;
    out->failed_at = grown;
}

static void statement_add(struct splitter *s, struct ast_statement *statement)
{
    struct ast_statements *out = s->out;
    out->items = arena_grow(s->arena, out->items, out->count, &s->cap, sizeof(struct ast_statement *));
    out->items[out->count++] = statement;
}

/* Does the parser dare to descend into these tokens? See TOKENS_MAX_DEPTH. */
static bool too_deep(PgQuery__ScanToken *const *tokens, size_t n)
{
    uint32_t run[TOKENS_MAX_PARENTHESES + 1] = {0}, sum = 0, depth = 0, joins = 0;
    uint64_t work = 0;
    for (size_t i = 0; i < n; i++) {
        switch (tokens[i]->token) {
        case PG_QUERY__TOKEN__ASCII_40:
            if (++depth > TOKENS_MAX_PARENTHESES)
                return true;
            run[depth] = 0;
            break;
        case PG_QUERY__TOKEN__ASCII_41:
            if (depth)
                sum -= run[depth--];
            break;
        case PG_QUERY__TOKEN__ASCII_44:
            sum -= run[depth];
            run[depth] = 0;
            break;
        case PG_QUERY__TOKEN__UNION:
        case PG_QUERY__TOKEN__INTERSECT:
        case PG_QUERY__TOKEN__EXCEPT:
        case PG_QUERY__TOKEN__JOIN: joins++; break; /* a chain of these is deep in spite of commas */
        default: break;
        }
        run[depth]++;
        work += ++sum;
        if (sum > TOKENS_MAX_DEPTH || joins > PARSE_MAX_DEPTH || work > TOKENS_MAX_WORK)
            return true;
    }
    return false;
}

static enum status check_tokens(const struct parser *p, PgQuery__ScanToken *const *tokens, size_t n)
{
    if (n > TOKENS_MAX)
        return problem_at(p->text, p->start, p->err, ERR_LIMIT, "the statement has more than %d words", TOKENS_MAX);
    if (too_deep(tokens, n))
        return problem_at(p->text, p->start, p->err, ERR_LIMIT,
                          "the statement nests too deeply or chains too many operators");
    return OK;
}

enum status parse_inner(struct parser *p, struct ast_statement **ret)
{
    PgQueryScanResult scanned = pg_query_scan(p->sql.data);
    PgQuery__ScanResult *tokens =
        scanned.error ? NULL
                      : pg_query__scan_result__unpack(NULL, scanned.pbuf.len, (const uint8_t *)scanned.pbuf.data);
    enum status status = OK;
    if (scanned.error)
        status = syntax_error(p, scanned.error);
    else if (!tokens || tokens->n_tokens == 0)
        status = problem_at(p->text, p->start, p->err, ERR_SQL, "the function has no body");
    else
        status = check_tokens(p, tokens->tokens, tokens->n_tokens);
    if (tokens)
        pg_query__scan_result__free_unpacked(tokens, NULL);
    pg_query_free_scan_result(scanned);
    return status == OK ? parse_one(p, ret) : status;
}

static void split_statement(struct splitter *s, PgQuery__ScanToken *const *tokens, size_t n)
{
    if (n == 0 || s->problems->count == PROBLEMS_MAX)
        return;
    struct error err = {0};
    int32_t first = tokens[0]->start, last = tokens[n - 1]->end;
    char *sql = arena_strndup(s->arena, s->file.data + first, (size_t)(last - first));
    struct parser p = {.arena = s->arena, .text = s->text, .base = s->base + first, .start = s->base + first,
                       .sql = slice_of(sql), .err = &err};
    struct ast_statement *statement = NULL;
    enum status status = check_tokens(&p, tokens, n);
    if (s->out->count == STATEMENTS_MAX)
        status = problem_at(s->text, p.start, &err, ERR_LIMIT, "there are more than %d statements", STATEMENTS_MAX);
    if (status == OK)
        status = parse_one(&p, &statement);
    if (status == OK)
        statement_add(s, statement);
    else
        statement_failed(s, p.start, &err);
}

static bool is_comment(const PgQuery__ScanToken *t)
{
    return t->token == PG_QUERY__TOKEN__SQL_COMMENT || t->token == PG_QUERY__TOKEN__C_COMMENT;
}

static void split_tokens(struct splitter *s, PgQuery__ScanToken **tokens, size_t n)
{
    size_t kept = 0; /* comments fall out in place */
    for (size_t i = 0; i < n; i++)
        if (tokens[i]->token == PG_QUERY__TOKEN__ASCII_59) {
            split_statement(s, tokens, kept);
            tokens += i + 1;
            n -= i + 1;
            i = (size_t)-1;
            kept = 0;
        } else if (!is_comment(tokens[i])) {
            PgQuery__ScanToken *token = tokens[i];
            tokens[i] = tokens[kept];
            tokens[kept++] = token;
        }
    split_statement(s, tokens, kept);
}

/* What PostgreSQL's parser takes for granted. */
static enum status check_bytes(const struct splitter *s, struct error *err)
{
    size_t good = text_utf8_prefix(s->file);
    if (good == s->file.len)
        return OK;
    unsigned char bad = (unsigned char)s->file.data[good];
    if (bad == 0)
        return problem_at(s->text, s->base + (int32_t)good, err, ERR_SQL, "the text holds a NUL byte");
    return problem_at(s->text, s->base + (int32_t)good, err, ERR_SQL, "byte 0x%02x is no UTF-8", bad);
}

static void split_file(struct splitter *s)
{
    struct error err = {0};
    if (check_bytes(s, &err) != OK) {
        statement_failed(s, s->base, &err);
        return;
    }
    char *copy = arena_strndup(s->arena, s->file.data, s->file.len);
    struct parser p = {.arena = s->arena, .text = s->text, .base = s->base, .start = s->base,
                       .sql = slice_of(copy), .err = &err};
    PgQueryScanResult scanned = pg_query_scan(copy);
    PgQuery__ScanResult *tokens =
        scanned.error ? NULL
                      : pg_query__scan_result__unpack(NULL, scanned.pbuf.len, (const uint8_t *)scanned.pbuf.data);
    if (tokens)
        split_tokens(s, tokens->tokens, tokens->n_tokens);
    else if (scanned.error && syntax_error(&p, scanned.error) != OK)
        statement_failed(s, s->base, &err);
    if (tokens)
        pg_query__scan_result__free_unpacked(tokens, NULL);
    pg_query_free_scan_result(scanned);
}

void parse_text(const struct text *text, struct arena *a, struct problems *problems, struct ast_statements *ret)
{
    struct splitter s = {.arena = a, .text = text, .problems = problems, .out = ret};
    *ret = (struct ast_statements){0};
    for (size_t i = 0; i < text->nfiles; i++) {
        s.file = text->files[i].text;
        s.base = text_base(text, i);
        split_file(&s);
    }
}
