/* FROM and WHERE. The items are bound first, so that every name is known; then each condition of WHERE goes as deep as
 * it may: to the one item it speaks of, to the join of those it speaks of, else above all. EXISTS and IN (SELECT ...)
 * become joins on top, and so do subqueries that are values. What nobody names does not enter a join, because a join
 * keeps what it is given.
 */
#include "plan/bind_from.h"

/* ---- items ---- */

static enum status refuse_around(struct from *f, const struct ast_from *ast);

static struct relation items_columns(struct from *f)
{
    struct relation all = {0};
    for (uint32_t i = 0; i < f->nitems; i++)
        all = join_columns(f->b, &all, &f->items[i].relation);
    return all;
}

/* Its arguments may name what stands before it. Here only the types count; the step is made where the join is. */
static enum status bind_row_item(struct from *f, const struct ast_from *ast, struct relation *ret)
{
    struct relation before = items_columns(f);
    struct rows rows;
    if (ast->lateral && !lateral_is_of_row(ast))
        return joined_columns(f->b, f->ctes, &before, ast, ret);
    if (ast->lateral)
        return lateral_columns(f->b, &before, ast, ret);
    struct scope scope = {.input = &before, .clause = "FROM"};
    TRY(refuse_around(f, ast));
    TRY(rows_bind(f->b, &scope, ast, &rows));
    *ret = rows_columns(f->b, ast, &rows);
    return OK;
}

static enum status bind_item(struct from *f, const struct ast_from *ast, struct relation *ret)
{
    struct binder *b = f->b;
    struct relation r;
    if (ast->kind == AST_FROM_FUNCTION || (ast->lateral && f->nitems)) {
        TRY(bind_row_item(f, ast, &r));
    } else if (ast->kind == AST_FROM_QUERY) {
        TRY(bind_select(b, f->ctes, ast->query, &r));
        TRY(relation_publish(b, &r, ast->location));
    } else if (ast->kind == AST_FROM_WINDOW) {
        TRY(bind_window(b, f->ctes, ast, &r));
    } else {
        TRY(bind_relation(b, f->ctes, ast, &r));
    }
    const char *name = ast->alias                         ? ast->alias
                       : ast->kind == AST_FROM_WINDOW ? ast->args[0]->name
                                                          : ast->name;
    TRY(relation_rename(b, &r, &ast->columns, name, ast->location));
    r.cols = arena_dup(b->arena, r.cols, r.ncols * sizeof *r.cols); /* views keep theirs */
    for (uint32_t i = 0; i < r.ncols; i++)
        r.cols[i].item = name;
    *ret = r;
    return OK;
}

const char *item_name(const struct item *item)
{
    return item->ast->alias                         ? item->ast->alias
           : item->ast->kind == AST_FROM_WINDOW ? item->ast->args[0]->name
                                                    : item->ast->name;
}

static enum status bind_items(struct from *f, const struct ast_from *ast)
{
    if (ast->kind == AST_FROM_JOIN) {
        TRY(bind_items(f, ast->left));
        return bind_items(f, ast->right);
    }
    if (f->nitems == MAX_ITEMS)
        return bind_error(f->b, ast->location, "FROM has more than %d items", MAX_ITEMS);
    struct item *item = &f->items[f->nitems];
    item->ast = ast;
    TRY(bind_item(f, ast, &item->relation));
    item->wanted = arena_zarray(f->b->arena, MAX(item->relation.ncols, 1), sizeof(bool));
    item->until = arena_zarray(f->b->arena, MAX(item->relation.ncols, 1), sizeof *item->until);
    for (uint32_t i = 0; i < f->nitems; i++)
        if (strcmp(item_name(&f->items[i]), item_name(item)) == 0) {
            (void)bind_error(f->b, ast->location, "FROM has two items named \"%s\"", item_name(item));
            return error_hint(f->b->err, "give one another name: %s AS other", item_name(item));
        }
    f->nitems++;
    return OK;
}

enum status from_columns(struct binder *b, struct cte *ctes, const struct ast_from *ast, struct relation *ret)
{
    struct from f = {.b = b, .ctes = ctes};
    TRY(bind_items(&f, ast));
    *ret = items_columns(&f);
    return OK;
}

/* ---- conditions, apart ---- */

/* EXISTS (SELECT ... FROM unnest(t.a)) where t is of the query around. */
static enum status refuse_around(struct from *f, const struct ast_from *ast)
{
    struct conjunct mine = {0}, theirs = {0};
    if (!f->around)
        return OK;
    names_note(f, ast->args, ast->nargs, &mine);
    names_note(f->around, ast->args, ast->nargs, &theirs);
    if (!mine.unknown || !theirs.items)
        return OK;
    (void)bind_refuse(f->b, ast->location, "%s() over an item of the query around", ast->name);
    return error_hint(f->b->err, "ask the value itself: 'x' = ANY (t.array), t.json @? '$[*] ? (@.a == \"x\")'");
}

static uint32_t count_conjuncts(const struct ast_expr *e)
{
    uint32_t n = 0;
    for (uint32_t i = 0; e->kind == AST_AND && i < e->nargs; i++)
        n += count_conjuncts(e->args[i]);
    return e->kind == AST_AND ? n : 1;
}

static void split(const struct ast_expr *e, const struct ast_expr **list, uint32_t *n)
{
    for (uint32_t i = 0; e->kind == AST_AND && i < e->nargs; i++)
        split(e->args[i], list, n);
    if (e->kind != AST_AND)
        list[(*n)++] = e;
}

static bool is_subquery(const struct ast_expr *e)
{
    return e->kind == AST_EXISTS || e->kind == AST_IN || (e->kind == AST_NOT && is_subquery(e->args[0]));
}

/* Does it hold a subquery that is a value? */
static bool has_value(const struct ast_expr *e)
{
    bool found = e->query && !is_subquery(e);
    for (uint32_t i = 0; i < e->nargs && !found; i++)
        found = e->args[i]->query || has_value(e->args[i]);
    return found;
}

/* Conditions of ON with subqueries, which WHERE says as well: no row is without its other side. A join below an outer
 * one that makes NULLs of it keeps them, and so does one to rows of the row on its left. */
static struct ast_from *take_subqueries(struct binder *b, const struct ast_from *from, struct ast_expr *where)
{
    struct ast_from *copy = arena_dup(b->arena, from, sizeof *from);
    if (from->kind != AST_FROM_JOIN)
        return copy;
    if (from->join == AST_JOIN_INNER || from->join == AST_JOIN_LEFT)
        copy->left = take_subqueries(b, from->left, where);
    if (from->join == AST_JOIN_INNER || from->join == AST_JOIN_RIGHT)
        copy->right = take_subqueries(b, from->right, where);
    bool of_row = from->right->kind == AST_FROM_FUNCTION || from->right->lateral;
    if (from->join != AST_JOIN_INNER || of_row || !from->on || !(is_subquery(from->on) || has_value(from->on)))
        return copy;
    uint32_t n = 0, nsplit = count_conjuncts(from->on);
    const struct ast_expr **list = arena_array(b->arena, nsplit, sizeof *list);
    struct ast_expr *kept = arena_zalloc(b->arena, sizeof *kept);
    struct ast_expr **args = arena_array(b->arena, where->nargs + nsplit, sizeof *args);
    for (uint32_t i = 0; i < where->nargs; i++)
        args[i] = where->args[i];
    where->args = args;
    split(from->on, list, &n);
    *kept = (struct ast_expr){.kind = AST_AND, .location = from->on->location};
    kept->args = arena_array(b->arena, n, sizeof *kept->args);
    for (uint32_t i = 0; i < n; i++) {
        struct ast_expr *to = is_subquery(list[i]) || has_value(list[i]) ? where : kept;
        to->args[to->nargs++] = (struct ast_expr *)list[i];
    }
    copy->on = kept->nargs ? kept : NULL;
    return copy;
}

static const struct ast_select *subqueries_in_where(struct binder *b, const struct ast_select *s)
{
    struct ast_expr *where = arena_zalloc(b->arena, sizeof *where);
    struct ast_select *copy = arena_dup(b->arena, s, sizeof *s);
    *where = (struct ast_expr){.kind = AST_AND, .location = s->location};
    if (s->where) {
        where->args = arena_dup(b->arena, &s->where, sizeof *where->args);
        where->nargs = 1;
    }
    copy->from = take_subqueries(b, s->from, where);
    if (where->nargs == (s->where ? 1 : 0))
        return s;
    copy->where = where;
    return copy;
}

static void split_where(struct from *f)
{
    const struct ast_expr *where = f->select->where;
    uint32_t n = where ? count_conjuncts(where) : 0, k = 0;
    const struct ast_expr **list = arena_array(f->b->arena, n, sizeof *list);
    if (where)
        split(where, list, &k);
    f->conjuncts = arena_zarray(f->b->arena, n, sizeof *f->conjuncts);
    f->nconjuncts = n;
    for (uint32_t i = 0; i < n; i++) {
        f->conjuncts[i].e = list[i];
        if (is_subquery(list[i]) || has_value(list[i]))
            f->conjuncts[i].unknown = true; /* its turn comes last */
        else
            names_note(f, (struct ast_expr *const *)&list[i], 1, &f->conjuncts[i]);
    }
}

/* ---- conditions where they belong ---- */

/* Subqueries of the condition are joined first; r has its columns over that then. */
static enum status join_values(struct from *f, struct values *values, struct expr **condition, struct relation *r)
{
    struct expr ***exprs = arena_array(f->b->arena, (size_t)r->ncols + 1, sizeof *exprs);
    uint32_t n = 0;
    r->cols = arena_dup(f->b->arena, r->cols, r->ncols * sizeof *r->cols);
    for (uint32_t i = 0; i < r->ncols; i++)
        if (r->cols[i].expr)
            exprs[n++] = &r->cols[i].expr;
    exprs[n++] = condition;
    return values_join(f->b, values, &r->node, exprs, n);
}

static enum status filter(struct from *f, struct relation *r, const struct scope *scope, const struct ast_expr *e)
{
    struct values values = {.ctes = f->ctes};
    struct scope inside = *scope;
    struct expr *condition;
    inside.values = &values;
    TRY(bind_condition(f->b, &inside, e, &condition));
    if (values.count)
        TRY(join_values(f, &values, &condition, r));
    return node_filter(f->b, r->node, condition, e->location, &r->node);
}

/* Conditions of WHERE that speak only of these items: at once, unless an outer join above makes NULLs of them. */
static enum status filter_items(struct from *f, uint64_t items, struct relation *r)
{
    for (uint32_t i = 0; i < f->nconjuncts; i++) {
        struct conjunct *c = &f->conjuncts[i];
        if (c->done || c->unknown || c->items == 0 || (c->items & ~items))
            continue;
        c->done = true;
        struct scope scope = {.input = r, .clause = "WHERE"};
        TRY(filter(f, r, &scope, c->e));
    }
    return OK;
}

struct conditions {
    struct expr **items;
    uint32_t count;
};

static enum status add_condition(struct from *f, const struct scope *scope, const struct ast_expr *e,
                                 struct conditions *into)
{
    if (e->kind == AST_AND) {
        for (uint32_t i = 0; i < e->nargs; i++)
            TRY(add_condition(f, scope, e->args[i], into));
        return OK;
    }
    return bind_condition(f->b, scope, e, &into->items[into->count++]);
}

/* ON, USING, and of WHERE what speaks of both sides: over join_columns. */
static enum status shared_condition(struct from *f, const struct relation *both, uint32_t nleft, const char *name,
                                    int32_t location, struct expr **ret)
{
    struct expr *args[2] = {0};
    for (uint32_t i = 0; i < both->ncols; i++) {
        struct expr **side = &args[i >= nleft];
        if (strcmp(both->cols[i].name, name) != 0 || both->cols[i].qualified || !both->cols[i].expr)
            continue;
        if (*side)
            return bind_error(f->b, location, "column \"%s\" of USING is ambiguous on the %s", name,
                              i < nleft ? "left" : "right");
        *side = both->cols[i].expr;
    }
    if (!args[0] || !args[1])
        return bind_error(f->b, location, "column \"%s\" of USING does not exist on the %s side", name,
                          args[0] ? "right" : "left");
    return bind_located(f->b, location, expr_call(f->b->arena, "=", args, 2, location, ret, f->b->err));
}

static enum status join_conditions(struct from *f, const struct ast_from *ast, const struct relation *both,
                                   uint32_t nleft, uint64_t items, bool where_too, struct conditions *ret)
{
    struct binder *b = f->b;
    uint32_t most = ast->shared.count + (ast->on ? count_conjuncts(ast->on) : 0) + f->nconjuncts;
    ret->items = arena_array(b->arena, most, sizeof(struct expr *));
    struct scope scope = {.input = both, .clause = "ON"};
    for (uint32_t i = 0; i < ast->shared.count; i++)
        TRY(shared_condition(f, both, nleft, ast->shared.items[i], ast->location, &ret->items[ret->count++]));
    if (ast->on)
        TRY(add_condition(f, &scope, ast->on, ret));
    scope.clause = "WHERE";
    for (uint32_t i = 0; where_too && i < f->nconjuncts; i++) {
        struct conjunct *c = &f->conjuncts[i];
        if (c->done || c->unknown || c->items == 0 || (c->items & ~items))
            continue;
        c->done = true;
        TRY(add_condition(f, &scope, c->e, ret));
    }
    return OK;
}

/* ---- joins ---- */

static enum join_kind kind_of(enum ast_join join)
{
    switch (join) {
    case AST_JOIN_INNER: return JOIN_INNER;
    case AST_JOIN_LEFT: return JOIN_LEFT;
    case AST_JOIN_RIGHT: return JOIN_RIGHT;
    case AST_JOIN_FULL: return JOIN_FULL;
    }
    return JOIN_INNER;
}

static uint64_t *wanted_columns(struct from *f, const struct relation *both)
{
    uint64_t *map = arena_zarray(f->b->arena, MAX(BITMAP_WORDS(both->ncols), 1), sizeof *map);
    for (uint32_t c = 0; c < both->ncols; c++) /* what is not wanted was left without an expression further down */
        if (both->cols[c].expr)
            bit_set(map, c);
    return map;
}

/* One of USING's two columns is seen without a qualifier: the one that is never NULL by the join. Of FULL JOIN it would
 * be neither. */
static enum status hide_shared(struct from *f, const struct ast_from *ast, struct relation *r, uint32_t nleft)
{
    for (uint32_t i = 0; i < ast->shared.count; i++) {
        if (ast->join == AST_JOIN_FULL) {
            (void)bind_refuse(f->b, ast->location, "FULL JOIN with USING");
            return error_hint(f->b->err, "write ON a.%s = b.%s, and select coalesce(a.%s, b.%s)", ast->shared.items[i],
                              ast->shared.items[i], ast->shared.items[i], ast->shared.items[i]);
        }
        uint32_t from = ast->join == AST_JOIN_RIGHT ? 0 : nleft, to = ast->join == AST_JOIN_RIGHT ? nleft : r->ncols;
        for (uint32_t c = from; c < to; c++)
            if (strcmp(r->cols[c].name, ast->shared.items[i]) == 0)
                r->cols[c].qualified = true;
    }
    return OK;
}

static uint64_t bits_below(uint32_t n) { return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1; }

/* Which items do the function's arguments name? */
static uint64_t items_read(struct from *f, const struct ast_from *ast)
{
    struct conjunct names = {0};
    names_note(f, ast->args, ast->nargs, &names);
    return names.items;
}

/* What nobody but the item that is next and those before it read ends here. */
static void drop_read(const struct from *f, uint32_t first, struct relation *left)
{
    for (uint32_t i = first, at = 0; i < f->next; i++)
        for (uint32_t c = 0; c < f->items[i].relation.ncols; c++, at++)
            if (!f->items[i].wanted[c] && f->items[i].until[c] <= f->next + 1)
                left->cols[at].expr = NULL;
}

/* The rows of the function or LATERAL subquery that is next, of each row of `left`, which begins with item `first`.
 * on: of LEFT JOIN; NULL: none. */
static enum status apply_item(struct from *f, const struct ast_from *ast, uint32_t first, struct relation *left,
                              bool outer, const struct ast_expr *on, struct relation *ret)
{
    struct scope scope = {.input = left, .clause = "FROM"};
    struct rows rows;
    struct relation *item = &f->items[f->next].relation, r;
    struct expr *condition;
    if (ast->lateral) {
        struct relation kept = *left;
        kept.cols = arena_dup(f->b->arena, left->cols, left->ncols * sizeof *left->cols);
        drop_read(f, first, &kept);
        struct lateral_request request = {left, ast, item, on, outer, &kept};
        TRY(lateral_is_of_row(ast) ? lateral_apply(f->b, &request, ret)
                                   : joined_apply(f->b, f->ctes, &request, ret));
        drop_read(f, first, ret);
        return OK;
    }
    TRY(rows_bind(f->b, &scope, ast, &rows));
    if (!on)
        drop_read(f, first, left);
    TRY(rows_apply(f->b, left, ast, &rows, item, outer, &r));
    if (on) {
        scope = (struct scope){.input = &r, .clause = "ON"};
        TRY(bind_condition(f->b, &scope, on, &condition));
        TRY(node_unnest_where(f->b, &r.node, condition));
        drop_read(f, first, &r);
    }
    *ret = r;
    return OK;
}

/* A function that reads no other item is one of its own. */
static enum status function_leaf(struct from *f, const struct ast_from *ast, struct relation *ret)
{
    struct relation nothing;
    if (items_read(f, ast)) {
        (void)bind_refuse(f->b, ast->location, "%s() of items that are not on its left by JOIN or LEFT JOIN",
                          ast->name);
        return error_hint(f->b->err, "FROM t CROSS JOIN LATERAL %s(t.x), or LEFT JOIN LATERAL %s(t.x) ON true",
                          ast->name, ast->name);
    }
    TRY(relation_nothing(f->b, ast->location, &nothing));
    return apply_item(f, ast, f->next, &nothing, false, NULL, ret);
}

/* What nobody wants has no expression from here on. */
static enum status leaf(struct from *f, const struct ast_from *ast, bool nullable, struct relation *ret)
{
    struct item *item = &f->items[f->next];
    struct relation r = item->relation;
    if (ast->kind == AST_FROM_FUNCTION)
        TRY(function_leaf(f, ast, &r));
    if (ast->lateral && f->next) {
        (void)bind_refuse(f->b, ast->location,
                          "LATERAL (SELECT ...) that is not joined to its left by JOIN or LEFT JOIN");
        return error_hint(f->b->err,
                          "FROM t CROSS JOIN LATERAL (SELECT ...) AS s, or LEFT JOIN LATERAL ... ON condition");
    }
    if (!nullable)
        TRY(filter_items(f, UINT64_C(1) << f->next, &r));
    for (uint32_t c = 0; c < r.ncols; c++)
        if (!item->wanted[c] && !item->until[c])
            r.cols[c].expr = NULL;
    f->next++;
    *ret = r;
    return OK;
}

static bool is_always(const struct ast_expr *on) { return !on || (on->kind == AST_BOOL && on->flag); }

/* Is this join the rows of a function, or of a LATERAL subquery, for each row on its left? */
static bool is_lateral(struct from *f, const struct ast_from *ast)
{
    bool function = ast->right->kind == AST_FROM_FUNCTION, left = ast->join == AST_JOIN_LEFT;
    if (ast->shared.count || (!left && ast->join != AST_JOIN_INNER))
        return false;
    if (function && left && !is_always(ast->on)) /* rows that are the same for all are a side of a join */
        return items_read(f, ast->right);
    return function || ast->right->lateral;
}

/* ---- subqueries that ON of an outer join holds: columns of the side whose rows they read, below the join ---- */

struct lifted {
    struct relation *sides[2];
    uint64_t items[2]; /* which the sides have */
    uint32_t own[2];   /* columns they had before */
    struct lifted_value {
        struct ast_expr *e; /* AST_BOUND */
        uint32_t side, column;
    } *values;
    uint32_t count, cap;
};

static enum status lift_value(struct from *f, struct lifted *l, struct ast_expr *e, struct ast_expr **ret)
{
    struct conjunct reads = {0};
    struct values values = {.ctes = f->ctes};
    struct relation both = join_columns(f->b, l->sides[0], l->sides[1]);
    struct scope scope = {.input = &both, .clause = "ON", .values = &values};
    struct expr *value;
    names_note(f, &e, 1, &reads);
    uint32_t side = (reads.items & l->items[1]) != 0;
    for (uint32_t i = 0; i < e->nargs; i++) /* a name that both have is ambiguous */
        TRY(bind_expr(f->b, &scope, e->args[i], &value));
    if (reads.items & ~l->items[side]) {
        (void)bind_refuse(f->b, e->location, "a subquery in ON of an outer join that reads both sides");
        return error_hint(f->b->err, "name its own columns with their table; else join it in FROM");
    }
    struct relation *r = l->sides[side];
    scope.input = r;
    TRY(bind_expr(f->b, &scope, e, &value));
    TRY(bind_settle(f->b, &value));
    TRY(join_values(f, &values, &value, r));
    struct relation_column *cols = arena_array(f->b->arena, r->ncols + 1, sizeof *cols);
    memcpy(cols, r->cols, r->ncols * sizeof *cols);
    cols[r->ncols] = (struct relation_column){.name = "", .expr = value, .qualified = true};
    r->cols = cols;
    *ret = arena_zalloc(f->b->arena, sizeof **ret);
    **ret = (struct ast_expr){.kind = AST_BOUND, .location = e->location};
    l->values = binder_grow(f->b, l->values, l->count, &l->cap, sizeof *l->values);
    l->values[l->count++] = (struct lifted_value){*ret, side, r->ncols++};
    return OK;
}

static enum status lift_values(struct from *f, struct lifted *l, struct ast_expr **e)
{
    if ((*e)->query)
        return lift_value(f, l, *e, e);
    struct ast_expr *copy = *e = arena_dup(f->b->arena, *e, sizeof *copy);
    copy->args = arena_dup(f->b->arena, copy->args, copy->nargs * sizeof *copy->args);
    for (uint32_t i = 0; i < copy->nargs; i++)
        TRY(lift_values(f, l, &copy->args[i]));
    return OK;
}

static uint32_t lifted_column(const struct lifted *l, uint32_t value)
{
    return l->values[value].column + (l->values[value].side ? l->sides[0]->ncols : 0);
}

/* Only the conditions read them. */
static void drop_lifted(const struct lifted *l, struct relation *r)
{
    memmove(r->cols + l->own[0], r->cols + l->sides[0]->ncols, l->own[1] * sizeof *r->cols);
    r->ncols = l->own[0] + l->own[1];
}

static enum status join_tree(struct from *f, const struct ast_from *ast, bool nullable, struct relation *ret);

static enum status join_rows(struct from *f, const struct ast_from *ast, bool nullable, struct relation *ret)
{
    struct relation left, r;
    struct conditions conditions = {0};
    uint32_t first = f->next;
    TRY(join_tree(f, ast->left, nullable, &left));
    uint64_t reads = items_read(f, ast->right), there = bits_below(f->next) & ~bits_below(first);
    if (reads & ~there) /* it is said there what is wrong */
        return function_leaf(f, ast->right, ret);
    bool outer = ast->join == AST_JOIN_LEFT;
    bool joined = ast->right->lateral && !lateral_is_of_row(ast->right), always = is_always(ast->on);
    TRY(apply_item(f, ast->right, first, &left, outer, (outer || joined) && !always ? ast->on : NULL, &r));
    f->next++;
    if (!outer && !joined && !always)
        TRY(join_conditions(f, ast, &r, left.ncols, 0, false, &conditions));
    for (uint32_t i = 0; i < conditions.count; i++)
        TRY(node_filter(f->b, r.node, conditions.items[i], ast->on->location, &r.node));
    *ret = r;
    return nullable ? OK : filter_items(f, bits_below(f->next) & ~bits_below(first), ret);
}

/* nullable: an outer join above may make NULLs of these rows, so WHERE does not speak of them yet. */
static enum status join_tree(struct from *f, const struct ast_from *ast, bool nullable, struct relation *ret)
{
    if (ast->kind != AST_FROM_JOIN)
        return leaf(f, ast, nullable, ret);
    if (is_lateral(f, ast))
        return join_rows(f, ast, nullable, ret);
    struct relation left, right;
    struct ast_from lifted = *ast;
    uint32_t first = f->next;
    bool left_nullable = ast->join == AST_JOIN_RIGHT || ast->join == AST_JOIN_FULL;
    bool right_nullable = ast->join == AST_JOIN_LEFT || ast->join == AST_JOIN_FULL;
    TRY(join_tree(f, ast->left, nullable || left_nullable, &left));
    uint64_t left_items = bits_below(f->next) & ~bits_below(first);
    TRY(join_tree(f, ast->right, nullable || right_nullable, &right));
    uint64_t items = bits_below(f->next) & ~bits_below(first);
    struct lifted l = {{&left, &right}, {left_items, items & ~left_items}, {left.ncols, right.ncols}};
    if (ast->on && (is_subquery(ast->on) || has_value(ast->on)))
        TRY(lift_values(f, &l, &lifted.on));
    struct relation both = join_columns(f->b, &left, &right);
    for (uint32_t i = 0; i < l.count; i++)
        l.values[i].e->bound = both.cols[lifted_column(&l, i)].expr;
    struct conditions conditions = {0};
    TRY(join_conditions(f, &lifted, &both, left.ncols, items, !nullable && ast->join == AST_JOIN_INNER, &conditions));
    uint64_t *wanted = wanted_columns(f, &both);
    for (uint32_t i = 0; i < l.count; i++)
        bit_clear(wanted, lifted_column(&l, i));
    struct join_request request = {.kind = kind_of(ast->join),
                                   .left = &left,
                                   .right = &right,
                                   .conditions = conditions.items,
                                   .nconditions = conditions.count,
                                   .wanted = wanted,
                                   .location = ast->location};
    TRY(bind_join(f->b, &request, ret));
    drop_lifted(&l, ret);
    TRY(hide_shared(f, ast, ret, l.own[0]));
    return nullable ? OK : filter_items(f, items, ret);
}

/* ---- EXISTS and IN (SELECT ...) ---- */

struct membership {
    bool negated, in;
    const struct ast_expr *e; /* the AST_EXISTS or AST_IN */
};

static struct membership membership_of(const struct ast_expr *e)
{
    struct membership m = {0};
    for (; e->kind == AST_NOT; e = e->args[0])
        m.negated = !m.negated;
    m.in = e->kind == AST_IN;
    m.e = e;
    return m;
}

/* Of EXISTS, at most n rows are as many as all. */
static bool limits(const struct membership *m, const struct ast_expr *limit)
{
    int64_t n;
    return limit && (m->in || limit->kind != AST_NUMBER || !option_parse_int(limit->name, &n) || n < 1);
}

/* Of EXISTS, groups are there where a row is, and so are different rows; of IN, different rows are as good as all. */
static bool is_simple(const struct membership *m)
{
    const struct ast_select *s = m->e->query;
    bool groups = s->kind == AST_SELECT_PLAIN && (m->in ? select_has_groups(s) : !select_has_any(s));
    return s->kind == AST_SELECT_PLAIN && s->from && !groups && (!m->in || s->distinct != AST_DISTINCT_ON) &&
           !limits(m, s->limit) && !s->offset && s->nctes == 0;
}

/* A correlated subquery: its FROM, the conditions that are its own, and those that join it to the query around it. */
static enum status open_subquery(struct from *outer, const struct ast_select *s, struct from *inner,
                                 struct relation *ret)
{
    s = subqueries_in_where(outer->b, s);
    *inner = (struct from){.b = outer->b, .around = outer, .ctes = outer->ctes, .select = s};
    TRY(bind_items(inner, s->from));
    names_want(inner);
    split_where(inner);
    return join_tree(inner, s->from, false, ret);
}

static enum status must_have(struct binder *b, const struct ast_expr *in)
{
    return bind_error(b, in->location, "the subquery of IN must have %s",
                      in->nargs == 1 ? "one column" : "as many columns as the row");
}

static enum status subquery_conditions(struct from *outer, struct from *inner, const struct relation *left,
                                       const struct relation *right, const struct membership *m,
                                       struct conditions *ret)
{
    struct binder *b = outer->b;
    struct relation both = join_columns(b, left, right);
    relation_shadow(&both, left->ncols);
    ret->items = arena_array(b->arena, (size_t)inner->nconjuncts + m->e->nargs, sizeof(struct expr *));
    struct scope scope = {.input = &both, .clause = "WHERE"};
    for (uint32_t i = 0; i < inner->nconjuncts; i++) {
        if (inner->conjuncts[i].done)
            continue;
        if (is_subquery(inner->conjuncts[i].e))
            return bind_refuse(b, inner->conjuncts[i].e->location, "a subquery inside a subquery of WHERE");
        TRY(add_condition(outer, &scope, inner->conjuncts[i].e, ret));
    }
    if (!m->in)
        return OK;
    const struct ast_select *s = m->e->query;
    struct expr *args[2];
    struct relation alone = {.ncols = left->ncols, .cols = both.cols}; /* x of "x IN" is of the query around */
    for (uint32_t i = 0; i < left->ncols; i++)
        alone.cols[i] = (struct relation_column){left->cols[i].name, both.cols[i].expr, left->cols[i].item,
                                                 left->cols[i].qualified};
    struct scope around = {.input = &alone, .clause = "WHERE"};
    struct relation inside = {.ncols = right->ncols, .cols = both.cols + left->ncols};
    struct scope target = {.input = &inside, .clause = "the SELECT list"};
    for (uint32_t i = 0; i < m->e->nargs; i++) {
        if (s->ntargets != m->e->nargs || s->targets[i].expr->kind == AST_STAR)
            return must_have(b, m->e);
        TRY(bind_expr(b, &around, m->e->args[i], &args[0]));
        TRY(bind_expr(b, &target, s->targets[i].expr, &args[1]));
        TRY(bind_located(b, m->e->location, expr_call(b->arena, "=", args, 2, m->e->location,
                                                      &ret->items[ret->count++], b->err)));
    }
    return OK;
}

/* A subquery that stands for itself: with groups, LIMIT, UNION. IN compares with its one column. */
static enum status whole_subquery(struct from *f, const struct membership *m, const struct relation *left,
                                  struct relation *right, struct conditions *ret)
{
    struct binder *b = f->b;
    const struct scope *around = b->around;
    b->around = &(struct scope){.input = left, .alias = f->nitems == 1 ? item_name(&f->items[0]) : NULL};
    enum status s = bind_select(b, f->ctes, m->e->query, right);
    b->around = around;
    TRY(s);
    TRY(relation_publish(b, right, m->e->location));
    ret->items = arena_array(b->arena, MAX(m->e->nargs, 1), sizeof(struct expr *));
    if (!m->in)
        return OK;
    if (right->ncols != m->e->nargs)
        return must_have(b, m->e);
    struct relation both = join_columns(b, left, right);
    struct relation first = {.ncols = left->ncols, .cols = both.cols};
    struct scope scope = {.input = &first, .clause = "WHERE"};
    for (uint32_t i = 0; i < m->e->nargs; i++) {
        struct expr *args[2] = {NULL, both.cols[left->ncols + i].expr};
        TRY(bind_expr(b, &scope, m->e->args[i], &args[0]));
        TRY(bind_located(b, m->e->location, expr_call(b->arena, "=", args, 2, m->e->location,
                                                      &ret->items[ret->count++], b->err)));
    }
    return OK;
}

static enum status join_member(struct from *f, enum join_kind kind, const struct relation *right,
                               const struct conditions *conditions, int32_t location, struct relation *r)
{
    struct relation both = join_columns(f->b, r, right);
    struct join_request request = {.kind = kind,
                                   .left = r,
                                   .right = right,
                                   .conditions = conditions->items,
                                   .nconditions = conditions->count,
                                   .wanted = wanted_columns(f, &both),
                                   .location = location};
    struct relation joined;
    TRY(bind_join(f->b, &request, &joined));
    *r = joined;
    return OK;
}

/* x NOT IN (S) is true when S is empty; else when x is not NULL, S holds no NULL, and not x. How many rows and NULLs S
 * has is one row that every x is joined with. */
static enum status filter_nulls(struct from *f, const struct membership *m, const struct relation *right,
                                struct relation *r)
{
    struct binder *b = f->b;
    int32_t at = m->e->location;
    struct relation set = *right;
    TRY(relation_materialise(b, &set, at));
    struct expr *member = set.cols[0].expr, *args[2];
    struct plan_aggregate *counts = arena_zarray(b->arena, 2, sizeof *counts);
    TRY(bind_located(b, at, aggregate_resolve(b->arena, "count", NULL, 0, &counts[0].function, b->err)));
    TRY(bind_located(b, at, aggregate_resolve(b->arena, "count", &member, 1, &counts[1].function, b->err)));
    counts[0] = (struct plan_aggregate){.function = counts[0].function, .arg = -1, .filter = -1, .location = at};
    counts[1] = (struct plan_aggregate){.function = counts[1].function, .arg = 0, .filter = -1, .location = at};
    uint32_t node;
    const char **names = arena_array(b->arena, 2, sizeof *names);
    names[0] = "members";
    names[1] = "values";
    TRY(node_aggregate(b, set.node, 0, counts, 2, names, at, &node));
    struct relation numbers = relation_of_node(b, node, names, 2);
    uint32_t first = r->ncols;
    TRY(join_member(f, JOIN_INNER, &numbers, &(struct conditions){0}, at, r));
    struct scope scope = {.input = &(struct relation){.node = r->node, .cols = r->cols, .ncols = first},
                          .clause = "WHERE"};
    struct expr *x, *empty, *no_null, *there, *members = r->cols[first].expr, *values = r->cols[first + 1].expr;
    TRY(bind_expr(b, &scope, m->e->args[0], &x));
    args[0] = members;
    TRY(bind_located(b, at, expr_number(b->arena, "0", at, &args[1], b->err)));
    TRY(bind_located(b, at, expr_call(b->arena, "=", args, 2, at, &empty, b->err)));
    args[1] = values;
    TRY(bind_located(b, at, expr_call(b->arena, "=", args, 2, at, &no_null, b->err)));
    args[0] = expr_is_null(b->arena, x, at);
    TRY(bind_located(b, at, expr_logic(b->arena, EXPR_NOT, args, 1, at, &there, b->err)));
    TRY(bind_located(b, at, expr_logic(b->arena, EXPR_AND, (struct expr *[]){no_null, there}, 2, at, &there, b->err)));
    TRY(bind_located(b, at, expr_logic(b->arena, EXPR_OR, (struct expr *[]){empty, there}, 2, at, &there, b->err)));
    TRY(node_filter(b, r->node, there, at, &r->node));
    r->ncols = first;
    return OK;
}

/* (x, y) NOT IN (S) is true when of each row of S one column is known to differ: no key says which those are. */
static enum status may_be_equal(struct binder *b, const struct membership *m, struct conditions *c)
{
    int32_t at = m->e->location;
    uint32_t n = m->e->nargs;
    struct expr *equal;
    c->count -= n;
    TRY(bind_located(b, at, expr_logic(b->arena, EXPR_AND, c->items + c->count, n, at, &equal, b->err)));
    return bind_located(b, at, expr_call(b->arena, "is_not_false", &equal, 1, at, &c->items[c->count++], b->err));
}

/* Is it a column in which the contract of its source lets no NULL be? */
static bool is_never_null(const struct binder *b, uint32_t node, const struct expr *e)
{
    const struct plan_node *n = b->nodes[node];
    while (n->kind == NODE_FILTER)
        n = b->nodes[n->inputs[0]];
    const struct plan_table *t = n->kind == NODE_SCAN && e->kind == EXPR_COLUMN ? &b->plan->tables[n->table] : NULL;
    for (uint32_t i = 0; t && i < t->nrules; i++)
        if (t->rules[i].kind == RULE_NOT_NULL && t->rules[i].column == e->column)
            return true;
    return false;
}

/* Where neither x nor the set can be NULL, x NOT IN (...) is whether none equals x, and nothing is to be counted. */
static enum status has_nulls(struct from *f, const struct membership *m, const struct relation *right,
                             const struct relation *r, bool *ret)
{
    struct expr *x;
    TRY(bind_expr(f->b, &(struct scope){.input = r, .clause = "WHERE"}, m->e->args[0], &x));
    *ret = !is_never_null(f->b, r->node, x) || !is_never_null(f->b, right->node, right->cols[0].expr);
    return OK;
}

/* One that reads the row around is a value, unless it is rows to join with. */
static enum status apply_subquery(struct from *f, const struct scope *scope, const struct ast_expr *e,
                                  struct relation *r)
{
    struct membership m = membership_of(e);
    struct conditions conditions = {0};
    struct from inner;
    struct relation right;
    bool not_in = m.in && m.negated, null_aware = not_in && m.e->nargs == 1;
    if (is_simple(&m) && !null_aware) {
        TRY(open_subquery(f, m.e->query, &inner, &right));
        TRY(subquery_conditions(f, &inner, r, &right, &m, &conditions));
    } else {
        f->b->reads_around = false;
        if (whole_subquery(f, &m, r, &right, &conditions) != OK)
            return f->b->reads_around ? filter(f, r, scope, e) : FAILED;
    }
    if (not_in && !null_aware)
        TRY(may_be_equal(f->b, &m, &conditions));
    if (null_aware)
        TRY(has_nulls(f, &m, &right, r, &null_aware));
    if (null_aware) {
        TRY(filter_nulls(f, &m, &right, r));
        conditions.count = 0;
        struct relation both = join_columns(f->b, r, &right);
        struct relation around = {.ncols = r->ncols, .cols = both.cols};
        struct scope left = {.input = &around, .clause = "WHERE"};
        struct expr *args[2] = {NULL, both.cols[r->ncols].expr};
        TRY(bind_expr(f->b, &left, m.e->args[0], &args[0]));
        TRY(bind_located(f->b, m.e->location, expr_call(f->b->arena, "=", args, 2, m.e->location,
                                                        &conditions.items[conditions.count++], f->b->err)));
    }
    return join_member(f, m.negated ? JOIN_ANTI : JOIN_SEMI, &right, &conditions, m.e->location, r);
}

/* ---- FROM and WHERE ---- */

/* What is left: conditions without a column, and those with names nobody has, which say so now. */
static enum status filter_rest(struct from *f, struct relation *r)
{
    struct scope scope = {.input = r, .clause = "WHERE"};
    if (f->nitems == 1)
        scope.alias = item_name(&f->items[0]);
    for (int values = 0; values < 2; values++) /* what is filtered need not be joined */
        for (uint32_t i = 0; i < f->nconjuncts; i++)
            if (!f->conjuncts[i].done && !is_subquery(f->conjuncts[i].e) && has_value(f->conjuncts[i].e) == values)
                TRY(filter(f, r, &scope, f->conjuncts[i].e));
    for (uint32_t i = 0; i < f->nconjuncts; i++)
        if (!f->conjuncts[i].done && is_subquery(f->conjuncts[i].e))
            TRY(apply_subquery(f, &scope, f->conjuncts[i].e, r));
    return OK;
}

enum status bind_from(struct binder *b, struct cte *ctes, const struct ast_select *s, struct relation *ret)
{
    s = subqueries_in_where(b, s);
    struct from f = {.b = b, .ctes = ctes, .select = s};
    struct relation r;
    TRY(bind_items(&f, s->from));
    split_where(&f);
    bool subqueries = false;
    for (uint32_t i = 0; i < f.nconjuncts; i++)
        subqueries |= is_subquery(f.conjuncts[i].e) || has_value(f.conjuncts[i].e);
    bool one = f.nitems == 1 && s->from->kind != AST_FROM_FUNCTION;
    if (one && !subqueries) { /* the common case: one relation, one filter */
        r = f.items[0].relation;
        struct scope scope = {.input = &r, .alias = item_name(&f.items[0]), .clause = "WHERE"};
        if (s->where)
            TRY(filter(&f, &r, &scope, s->where));
        *ret = r;
        return OK;
    }
    names_want(&f);
    TRY(join_tree(&f, s->from, false, &r));
    TRY(filter_rest(&f, &r));
    *ret = r;
    return OK;
}
