/* Subqueries over tables that read the row around them, taken apart into rows that are made once for all rows around,
 * and what ties the two. In
 *
 *     (SELECT sum(i.x) * o.rate FROM items i WHERE i.order_id = o.id AND i.paid)
 *
 * the rows are `SELECT order_id, sum(i.x) AS sum FROM items i WHERE i.paid GROUP BY order_id`, the condition that ties
 * them to o is `order_id = o.id`, and the output `sum * o.rate`. Likewise LIMIT counts the rows of each key. All of it
 * happens on the syntax: rows are bound as any query, the rest by who joins them (bind_value.c). */
#include "plan/bind.h"

#define ITEM "(subquery)" /* the name before a column of the rows, which nobody can write */

struct opening {
    struct binder *b;
    const struct ast_select *s;
    const struct relation *around;
    struct relation own;           /* the columns of its FROM, for their names */
    bool grouped, one;             /* it has groups; it is one group */
    bool first;                    /* LIMIT */
    const struct ast_expr **where; /* its conditions, those that are dealt with NULL */
    uint32_t nwhere;
    struct ast_target *parts; /* what the rows have */
    uint32_t nparts, parts_cap;
    struct subquery *into;
    uint32_t conditions_cap;
};

/* ---- who has a column ---- */

struct reads {
    bool own, around;
    int32_t at; /* of the row around: the first */
};

static bool has_column(const struct relation *r, const struct ast_expr *e)
{
    for (uint32_t i = 0; i < r->ncols; i++) {
        const struct relation_column *c = &r->cols[i];
        bool item = e->qualifier && c->item && strcmp(c->item, e->qualifier) == 0;
        if (strcmp(c->name, e->name) == 0 && (e->qualifier ? item : !c->qualified))
            return true;
        if (c->whole && c->item && !e->qualifier && strcmp(c->item, e->name) == 0)
            return true;
    }
    return false;
}

/* What is bound is about the row around, if it is about any. */
static bool has_columns(const struct expr *e)
{
    bool found = e->kind == EXPR_COLUMN;
    for (uint32_t i = 0; i < e->nargs && !found; i++)
        found = has_columns(e->args[i]);
    return found;
}

static void note_order(const struct opening *o, const struct ast_order *order, uint32_t n, struct reads *r);

/* A subquery inside is taken to be about the rows alone: if it is not, binding it says so. */
static void note(const struct opening *o, const struct ast_expr *e, struct reads *r)
{
    if (!e)
        return;
    bool outer = e->kind == AST_BOUND ? has_columns(e->bound)
                                      : e->kind == AST_COLUMN && !has_column(&o->own, e) && has_column(o->around, e);
    if (outer) {
        r->at = r->around ? r->at : e->location;
        r->around = true;
    } else if (e->kind == AST_COLUMN || (e->query && !o->one)) {
        r->own = true;
    }
    for (uint32_t i = 0; i < e->nargs; i++)
        note(o, e->args[i], r);
    note(o, e->filter, r);
    note_order(o, e->order, e->norder, r);
    for (uint32_t i = 0; e->over && i < e->over->npartition; i++)
        note(o, e->over->partition[i], r);
    if (e->over)
        note_order(o, e->over->order, e->over->norder, r);
}

static void note_order(const struct opening *o, const struct ast_order *order, uint32_t n, struct reads *r)
{
    for (uint32_t i = 0; i < n; i++)
        note(o, order[i].expr, r);
}

static struct reads reads_of(const struct opening *o, const struct ast_expr *e)
{
    struct reads r = {.at = -1};
    note(o, e, &r);
    return r;
}

static enum status refuse_around(struct binder *b, int32_t location, const char *where)
{
    (void)bind_refuse(b, location, "a column of the query around in %s of a subquery", where);
    return error_hint(b->err,
                      "what ties it to the row around stands in WHERE, as column = column; else join the table "
                      "itself, and GROUP BY the key of the row");
}

/* ---- its FROM, which cannot read the row around ---- */

static bool is_item(const struct ast_from *from, const char *name)
{
    if (from->kind == AST_FROM_JOIN)
        return is_item(from->left, name) || is_item(from->right, name);
    const char *own = from->alias ? from->alias : from->kind == AST_FROM_WINDOW ? from->args[0]->name : from->name;
    return strcmp(own, name) == 0;
}

/* Names with a qualifier are told apart before anything is bound. */
static const struct ast_expr *around_in(const struct opening *o, const struct ast_expr *e)
{
    const struct ast_expr *found = NULL;
    if (e && e->kind == AST_COLUMN && e->qualifier && !is_item(o->s->from, e->qualifier) && has_column(o->around, e))
        return e;
    for (uint32_t i = 0; e && i < e->nargs && !found; i++)
        found = around_in(o, e->args[i]);
    return found;
}

static enum status check_from(const struct opening *o, const struct ast_from *from)
{
    const struct ast_expr *found = from->kind == AST_FROM_JOIN    ? around_in(o, from->on)
                                   : from->kind == AST_FROM_QUERY ? around_in(o, from->query->where)
                                                                  : NULL;
    for (uint32_t i = 0; from->kind == AST_FROM_FUNCTION && i < from->nargs && !found; i++)
        found = around_in(o, from->args[i]);
    if (found)
        return refuse_around(o->b, found->location,
                             from->kind == AST_FROM_QUERY ? "FROM, or below HAVING, LIMIT or OFFSET," : "FROM");
    if (from->kind != AST_FROM_JOIN)
        return OK;
    TRY(check_from(o, from->left));
    return check_from(o, from->right);
}

/* ---- what the rows have ---- */

static const char *part_name(const struct opening *o, const struct ast_expr *e)
{
    bool named = e->kind == AST_COLUMN || (e->kind == AST_CALL && e->plain);
    const char *name = named ? e->name : e->kind == AST_BOOL ? "matched" : "value", *unique = name;
    for (uint32_t i = 0, n = 1; i < o->nparts; i++)
        if (strcmp(o->parts[i].name, unique) == 0) {
            unique = arena_printf(o->b->arena, "%s%u", name, ++n);
            i = UINT32_MAX;
        }
    return unique;
}

static bool same_column(const struct ast_expr *x, const struct ast_expr *y)
{
    if (x->kind != AST_COLUMN || y->kind != AST_COLUMN || strcmp(x->name, y->name) != 0)
        return false;
    return x->qualifier ? y->qualifier && strcmp(x->qualifier, y->qualifier) == 0 : !y->qualifier;
}

static struct ast_expr *part(const struct opening *o, uint32_t i)
{
    struct ast_expr *e = arena_zalloc(o->b->arena, sizeof *e);
    *e = (struct ast_expr){
        .kind = AST_COLUMN, .location = o->parts[i].expr->location, .qualifier = ITEM, .name = o->parts[i].name};
    return e;
}

static struct ast_expr *add_part(struct opening *o, struct ast_expr *e)
{
    for (uint32_t i = 0; i < o->nparts; i++)
        if (same_column(o->parts[i].expr, e))
            return part(o, i);
    const char *name = part_name(o, e);
    o->parts = binder_grow(o->b, o->parts, o->nparts, &o->parts_cap, sizeof *o->parts);
    o->parts[o->nparts] = (struct ast_target){e, name};
    return part(o, o->nparts++);
}

/* A column that says that there is a row. */
static struct ast_expr *add_mark(struct opening *o)
{
    struct ast_expr *yes = arena_zalloc(o->b->arena, sizeof *yes);
    *yes = (struct ast_expr){.kind = AST_BOOL, .flag = true, .location = o->s->location};
    return add_part(o, yes);
}

static bool is_part(const struct ast_expr *e)
{
    return e->kind == AST_COLUMN && e->qualifier && strcmp(e->qualifier, ITEM) == 0;
}

/* Of no rows it is 0; what the others are is NULL. */
static bool is_count(const char *name)
{
    return strcmp(name, "count") == 0 || strcmp(name, "regr_count") == 0 || strcmp(name, "approx_count_distinct") == 0;
}

static struct ast_expr *zero_for_null(struct binder *b, struct ast_expr *count)
{
    struct ast_expr *zero = arena_zalloc(b->arena, sizeof *zero), *e = arena_zalloc(b->arena, sizeof *e);
    *zero = (struct ast_expr){.kind = AST_NUMBER, .location = count->location, .name = "0", .len = 1};
    *e = (struct ast_expr){.kind = AST_COALESCE, .location = count->location, .nargs = 2};
    e->args = arena_dup(b->arena, (struct ast_expr *[]){count, zero}, 2 * sizeof *e->args);
    return e;
}

static enum status ungrouped(struct binder *b, const struct ast_expr *e)
{
    (void)bind_error(b, e->location, "column \"%s\" must appear in GROUP BY or be used in an aggregate function",
                     e->name);
    return error_hint(b->err, "the subquery is one row of many: say which value, for example min(%s)", e->name);
}

/* An expression of the subquery as one over the row around and the parts. */
static enum status lift(struct opening *o, struct ast_expr *e, struct ast_expr **ret)
{
    struct reads r = reads_of(o, e);
    bool call = e->kind == AST_CALL && e->plain && !e->over && grouping_is_aggregate(e->name);
    if (!r.own && !grouping_has_call(e)) {
        *ret = e;
        return OK;
    }
    if (call && r.around)
        return refuse_around(o->b, r.at, "an aggregate");
    if (call || (!o->one && !r.around)) {
        *ret = add_part(o, e);
        if (o->one && is_count(e->name))
            *ret = zero_for_null(o->b, *ret);
        return OK;
    }
    if (e->kind == AST_COLUMN && o->one)
        return ungrouped(o->b, e);
    if (e->kind == AST_COLUMN) {
        *ret = add_part(o, e);
        return OK;
    }
    struct ast_expr *copy = arena_dup(o->b->arena, e, sizeof *e);
    copy->args = arena_array(o->b->arena, MAX(e->nargs, 1), sizeof *copy->args);
    for (uint32_t i = 0; i < e->nargs; i++)
        TRY(lift(o, e->args[i], &copy->args[i]));
    *ret = copy;
    return OK;
}

/* ---- WHERE ---- */

static void add_condition(struct opening *o, struct ast_expr *e)
{
    struct subquery *q = o->into;
    q->conditions = binder_grow(o->b, q->conditions, q->nconditions, &o->conditions_cap, sizeof *q->conditions);
    q->conditions[q->nconditions++] = e;
}

static void split(struct opening *o, const struct ast_expr *e, uint32_t *cap)
{
    for (uint32_t i = 0; e->kind == AST_AND && i < e->nargs; i++)
        split(o, e->args[i], cap);
    if (e->kind == AST_AND)
        return;
    o->where = binder_grow(o->b, o->where, o->nwhere, cap, sizeof *o->where);
    o->where[o->nwhere++] = e;
}

/* own = around, either way round: a key of the rows. */
static bool take_key(struct opening *o, const struct ast_expr *e)
{
    if (e->kind != AST_CALL || e->plain || strcmp(e->name, "=") != 0 || e->nargs != 2)
        return false;
    struct reads x = reads_of(o, e->args[0]), y = reads_of(o, e->args[1]);
    bool turned = x.around;
    if (x.own == x.around || y.own == y.around || x.own == y.own || grouping_has_call(e))
        return false;
    struct ast_expr *key = arena_dup(o->b->arena, e, sizeof *e);
    struct ast_expr *args[] = {add_part(o, e->args[turned]), e->args[!turned]};
    key->args = arena_dup(o->b->arena, args, sizeof args);
    add_condition(o, key);
    return true;
}

/* Keys first: they are the first parts. What else reads the row around is a condition of the join, if rows are joined
 * one by one. */
static enum status take_where(struct opening *o)
{
    uint32_t cap = 0;
    if (o->s->where)
        split(o, o->s->where, &cap);
    for (uint32_t i = 0; i < o->nwhere; i++)
        if (take_key(o, o->where[i]))
            o->where[i] = NULL;
    o->into->nkeys = o->nparts;
    for (uint32_t i = 0; i < o->nwhere; i++) {
        struct reads r = o->where[i] ? reads_of(o, o->where[i]) : (struct reads){0};
        struct ast_expr *lifted;
        if (!r.around)
            continue;
        if (r.own && (o->grouped || o->first || o->s->distinct != AST_DISTINCT_NONE)) {
            (void)bind_refuse(o->b, o->where[i]->location,
                              "a subquery with %s that is tied to the row around by "
                              "anything but column = column",
                              o->grouped ? "aggregates"
                              : o->first ? "LIMIT"
                                         : "DISTINCT");
            return error_hint(o->b->err, "join the table itself, FROM t JOIN other ON ..., and GROUP BY the key of t");
        }
        TRY(lift(o, (struct ast_expr *)o->where[i], &lifted));
        add_condition(o, lifted);
        o->where[i] = NULL;
    }
    return OK;
}

/* What is left of WHERE, which is about its own rows; NULL: nothing. */
static struct ast_expr *own_where(const struct opening *o)
{
    struct ast_expr *all = arena_zalloc(o->b->arena, sizeof *all);
    *all = (struct ast_expr){.kind = AST_AND};
    all->args = arena_array(o->b->arena, MAX(o->nwhere, 1), sizeof *all->args);
    for (uint32_t i = 0; i < o->nwhere; i++)
        if (o->where[i])
            all->args[all->nargs++] = (struct ast_expr *)o->where[i];
    if (all->nargs == 0)
        return NULL;
    all->location = all->args[0]->location;
    return all->nargs == 1 ? all->args[0] : all;
}

/* ---- the SELECT list ---- */

static void add_output(struct opening *o, struct ast_expr *e, const char *name)
{
    struct subquery *q = o->into;
    q->outputs[q->noutputs++] = (struct ast_target){e, name};
}

static enum status add_star(struct opening *o, const struct ast_expr *star)
{
    uint32_t before = o->into->noutputs;
    for (uint32_t i = 0; i < o->own.ncols; i++) {
        const struct relation_column *c = &o->own.cols[i];
        struct ast_expr *e = arena_zalloc(o->b->arena, sizeof *e), *lifted;
        *e = (struct ast_expr){.kind = AST_COLUMN, .location = star->location, .name = c->name, .qualifier = c->item};
        if (star->qualifier ? !c->item || strcmp(c->item, star->qualifier) != 0 : c->qualified)
            continue;
        TRY(lift(o, e, &lifted));
        add_output(o, lifted, c->name);
    }
    if (o->into->noutputs > before)
        return OK;
    return bind_error(o->b, star->location, "* stands for no column of the subquery");
}

static enum status take_targets(struct opening *o)
{
    const struct ast_select *s = o->s;
    uint32_t most = s->ntargets * (1 + o->own.ncols);
    o->into->outputs = arena_array(o->b->arena, MAX(most, 1), sizeof *o->into->outputs);
    for (uint32_t i = 0; i < s->ntargets; i++) {
        struct ast_expr *e = s->targets[i].expr;
        if (e->kind == AST_STAR) {
            TRY(add_star(o, e));
            continue;
        }
        TRY(lift(o, e, &e));
        if (s->distinct != AST_DISTINCT_NONE && !o->one && reads_of(o, s->targets[i].expr).around)
            return refuse_around(o->b, e->location, "SELECT DISTINCT");
        add_output(o, e, s->targets[i].name);
    }
    return OK;
}

/* GROUP BY and ORDER BY may name the list by position or name. */
static enum status of_list(const struct opening *o, struct ast_expr *e, const char *clause, bool own_first,
                           struct ast_expr **ret)
{
    const struct ast_select *s = o->s;
    int64_t position = 0;
    struct reads r;
    bool name = e->kind == AST_COLUMN && !e->qualifier && !(own_first && has_column(&o->own, e));
    for (uint32_t i = 0; name && i < s->ntargets && position == 0; i++)
        if (strcmp(s->targets[i].name, e->name) == 0)
            position = i + 1;
    if (e->kind == AST_NUMBER && (!option_parse_int(e->name, &position) || position < 1 || position > s->ntargets))
        return bind_error(o->b, e->location, "%s position %s is not in the SELECT list", clause, e->name);
    *ret = position ? s->targets[position - 1].expr : e;
    r = reads_of(o, *ret);
    return r.around ? refuse_around(o->b, r.at, clause) : OK;
}

/* ---- the rows as a query ---- */

static enum status group(struct opening *o, struct ast_select *rows)
{
    uint32_t nkeys = o->into->nkeys;
    rows->grouped = true;
    rows->ngroup = nkeys + o->s->ngroup;
    rows->group = arena_array(o->b->arena, MAX(rows->ngroup, 1), sizeof *rows->group);
    for (uint32_t i = 0; i < rows->ngroup; i++)
        if (i < nkeys)
            rows->group[i] = o->parts[i].expr;
        else
            TRY(of_list(o, o->s->group[i - nkeys], "GROUP BY", true, &rows->group[i]));
    return OK;
}

static enum status whole_number(struct binder *b, const struct ast_expr *e, const char *clause, int64_t *ret)
{
    if (e->kind != AST_NUMBER || !option_parse_int(e->name, ret) || *ret < 0)
        return bind_error(b, e->location, "%s wants a whole number", clause);
    return OK;
}

static struct ast_expr *call_of(struct binder *b, const char *name, struct ast_expr *x, int64_t n)
{
    struct ast_expr *e = arena_zalloc(b->arena, sizeof *e), *number = arena_zalloc(b->arena, sizeof *number);
    *number = (struct ast_expr){.kind = AST_NUMBER, .location = x->location};
    number->name = arena_printf(b->arena, "%lld", (long long)n);
    *e = (struct ast_expr){.kind = AST_CALL, .name = name, .location = x->location, .nargs = 2};
    e->args = arena_dup(b->arena, (struct ast_expr *[]){x, number}, 2 * sizeof *e->args);
    return e;
}

/* Which ranks: a single one is told as such, for it makes the key unique. */
static struct ast_expr *is_between(struct binder *b, struct ast_expr *rank, int64_t after, int64_t last)
{
    struct ast_expr *most = call_of(b, last - after == 1 ? "=" : "<=", rank, last);
    if (after == 0 || last - after == 1)
        return most;
    struct ast_expr *both = arena_zalloc(b->arena, sizeof *both), *args[] = {most, call_of(b, ">", rank, after)};
    *both = (struct ast_expr){.kind = AST_AND, .location = rank->location, .nargs = 2};
    both->args = arena_dup(b->arena, args, sizeof args);
    return both;
}

/* ORDER BY x LIMIT n: those whose row_number() OVER (PARTITION BY key ORDER BY x) is at most n. */
static enum status first_rows(struct opening *o, struct ast_select *rows)
{
    struct arena *a = o->b->arena;
    const struct ast_select *s = o->s;
    int64_t limit, offset = 0;
    TRY(whole_number(o->b, s->limit, "LIMIT", &limit));
    if (s->offset)
        TRY(whole_number(o->b, s->offset, "OFFSET", &offset));
    if (__builtin_add_overflow(limit, offset, &limit))
        return bind_error(o->b, s->limit->location, "LIMIT and OFFSET together are too large");
    struct ast_over *over = arena_zalloc(a, sizeof *over);
    *over = (struct ast_over){.npartition = o->into->nkeys, .norder = s->norder, .location = s->limit->location};
    over->partition = arena_array(a, MAX(over->npartition, 1), sizeof *over->partition);
    for (uint32_t i = 0; i < over->npartition; i++)
        over->partition[i] = o->parts[i].expr;
    over->order = arena_dup(a, s->order, s->norder * sizeof *over->order);
    for (uint32_t i = 0; i < s->norder; i++)
        TRY(of_list(o, s->order[i].expr, "ORDER BY", false, &over->order[i].expr));
    struct ast_expr *rank = arena_zalloc(a, sizeof *rank);
    *rank = (struct ast_expr){
        .kind = AST_CALL, .name = "row_number", .location = s->limit->location, .plain = true, .over = over};
    uint32_t nparts = o->nparts;
    rank = add_part(o, rank);
    rows->targets = o->parts;
    rows->ntargets = o->nparts;
    struct ast_select *inner = arena_dup(a, rows, sizeof *rows);
    struct ast_from *from = arena_zalloc(a, sizeof *from);
    *from =
        (struct ast_from){.kind = AST_FROM_QUERY, .query = inner, .name = ITEM, .alias = ITEM, .location = s->location};
    *rows = (struct ast_select){.kind = AST_SELECT_PLAIN, .location = s->location, .from = from, .ntargets = nparts};
    rows->targets = arena_dup(a, o->parts, MAX(nparts, 1) * sizeof *rows->targets);
    for (uint32_t i = 0; i < nparts; i++)
        rows->targets[i].expr = part(o, i);
    rows->where = is_between(o->b, rank, offset, limit);
    return OK;
}

static enum status bind_rows(struct opening *o, struct cte *ctes)
{
    struct binder *b = o->b;
    struct ast_select *rows = arena_dup(b->arena, o->s, sizeof *rows);
    rows->where = own_where(o);
    rows->order = NULL;
    rows->norder = 0;
    rows->limit = rows->offset = NULL;
    rows->having = o->one ? NULL : rows->having;
    rows->distinct = o->one ? AST_DISTINCT_NONE : rows->distinct;
    if (o->grouped)
        TRY(group(o, rows));
    if (o->first)
        TRY(first_rows(o, rows));
    if (!o->first) {
        rows->targets = o->parts;
        rows->ntargets = o->nparts;
    }
    struct relation *r = &o->into->rows;
    TRY(bind_select(b, ctes, rows, r));
    TRY(relation_publish(b, r, o->s->location));
    r->cols = arena_dup(b->arena, r->cols, r->ncols * sizeof *r->cols);
    for (uint32_t i = 0; i < r->ncols; i++) {
        r->cols[i].item = ITEM;
        r->cols[i].qualified = true;
    }
    return OK;
}

/* ---- what it may be ---- */

static bool has_over(const struct ast_select *s)
{
    for (uint32_t i = 0; i < s->ntargets; i++)
        if (over_has_call(s->targets[i].expr))
            return true;
    return false;
}

static enum status check(const struct opening *o)
{
    const struct ast_select *s = o->s;
    const char *what = s->kind != AST_SELECT_PLAIN          ? "UNION or VALUES"
                       : !s->from                           ? "no FROM"
                       : s->nctes                           ? "WITH"
                       : s->nsets                           ? "GROUPING SETS, ROLLUP or CUBE"
                       : s->distinct == AST_DISTINCT_ON     ? "DISTINCT ON"
                       : has_over(s)                        ? "OVER"
                       : o->first && s->distinct && !o->one ? "DISTINCT and LIMIT"
                       : s->offset && !s->limit             ? "OFFSET and no LIMIT"
                                                            : NULL;
    if (what) {
        (void)bind_refuse(o->b, s->location, "a subquery over the row around with %s", what);
        return error_hint(o->b->err, "put that into a view, and the subquery over the view");
    }
    if (!o->first || s->norder || o->one)
        return OK;
    (void)bind_refuse(o->b, s->limit->location, "LIMIT without ORDER BY in a subquery");
    return error_hint(o->b->err, "ORDER BY says which rows are the first");
}

enum status subquery_open(struct binder *b, struct cte *ctes, const struct relation *around, const struct ast_select *s,
                          bool outer, struct subquery *ret)
{
    struct subquery q = {0};
    struct opening o = {.b = b, .s = s, .around = around, .into = &q};
    o.grouped = s->kind == AST_SELECT_PLAIN && select_has_groups(s);
    o.one = q.one = o.grouped && s->ngroup == 0 && s->nsets == 0;
    bool some = s->limit && s->limit->kind == AST_NUMBER && strcmp(s->limit->name, "0") != 0 && !s->offset;
    if ((b->nbound += BIND_SUBQUERY) > BIND_MAX_EXPRESSIONS)
        return bind_error(b, s->location, "the statement has subqueries that nest too deeply");
    o.first = s->limit && !(o.one && some); /* of one row, the first ones are that */
    TRY(check(&o));
    if (o.one && o.first)
        return bind_refuse(b, s->limit->location, "this LIMIT of one row");
    TRY(check_from(&o, s->from));
    TRY(from_columns(b, ctes, s->from, &o.own));
    TRY(take_where(&o));
    TRY(take_targets(&o));
    if (s->having && !o.one && reads_of(&o, s->having).around)
        return refuse_around(b, reads_of(&o, s->having).at, "HAVING");
    if (s->having && o.one)
        TRY(lift(&o, s->having, &q.having));
    for (uint32_t i = 0; i < q.noutputs && outer && !q.one && !q.there; i++)
        if (!is_part(q.outputs[i].expr))
            q.there = add_mark(&o);
    if (o.nparts == 0)
        (void)add_mark(&o);
    TRY(bind_rows(&o, ctes));
    *ret = q;
    return OK;
}

bool subquery_has_output(const struct subquery *q, uint32_t output)
{
    return is_part(q->outputs[output].expr);
}
