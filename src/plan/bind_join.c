/* A join: what its conditions say about the key, and about time.
 *
 * A condition `other.t + c <= X`, where t carries event time of the other side and X is anything of this side, bounds
 * how long a row of this side can still meet new ones: until the other side's watermark has reached X - c. Such
 * bounds come from BETWEEN, from equality of times (windows), or from an end that is itself a column (semantics 14).
 */
#include <inttypes.h>

#include "expr/function.h"
#include "plan/bind.h"

enum { LEFT, RIGHT, NO_SIDE = -1, BOTH_SIDES = -2 };

struct side {
    const struct relation *relation;
    struct expr **exprs;  /* the columns that enter the join: over the relation's node */
    const char **names;
    uint32_t count;
    uint32_t *keys;       /* of those */
    struct expr *expires; /* over the relation's columns, as join_columns numbers them; NULL: never */
    struct plan_time tells; /* see node_join */
    int32_t late;         /* a column of join_columns: time by which the other side's bound counts; -1 */
    int32_t *position;    /* of each relation column among `exprs`, -1: not there */
};

struct joining {
    struct binder *b;
    const struct join_request *request;
    uint32_t nleft, ncols;
    struct side sides[2];
    uint32_t nkey;
    struct expr **residual;
    uint32_t nresidual;
};

struct relation join_columns(struct binder *b, const struct relation *left, const struct relation *right)
{
    struct relation both = {.ncols = left->ncols + right->ncols};
    both.cols = arena_array(b->arena, MAX(both.ncols, 1), sizeof *both.cols);
    for (uint32_t i = 0; i < both.ncols; i++) {
        both.cols[i] = i < left->ncols ? left->cols[i] : right->cols[i - left->ncols];
        if (both.cols[i].expr)
            both.cols[i].expr = expr_column(b->arena, i, both.cols[i].expr->type, both.cols[i].expr->location);
    }
    return both;
}

/* ---- which side ---- */

static int side_of(const struct joining *j, const struct expr *e)
{
    if (e->kind == EXPR_COLUMN)
        return e->column < j->nleft ? LEFT : RIGHT;
    int side = NO_SIDE;
    for (uint32_t i = 0; i < e->nargs; i++) {
        int s = side_of(j, e->args[i]);
        if (s == NO_SIDE || s == side)
            continue;
        side = side == NO_SIDE ? s : BOTH_SIDES;
    }
    return side;
}

/* The expression over a side's own node. */
static struct expr *on_side(struct joining *j, int side, const struct expr *e)
{
    struct expr **replacement = arena_zarray(j->b->arena, MAX(j->ncols, 1), sizeof *replacement);
    const struct relation *r = j->sides[side].relation;
    for (uint32_t i = 0; i < r->ncols; i++)
        replacement[side == LEFT ? i : j->nleft + i] = r->cols[i].expr;
    return expr_substitute(j->b->arena, e, replacement);
}

static uint32_t add_column(struct side *s, struct expr *e, const char *name)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (expr_equal(s->exprs[i], e))
            return i;
    s->exprs[s->count] = e;
    s->names[s->count] = name;
    return s->count++;
}

/* ---- the key ---- */

static bool is_call(const struct expr *e, const char *name)
{
    return e->kind == EXPR_CALL && e->nargs == 2 && strcmp(e->function->name, name) == 0;
}

static const char *name_of(const struct joining *j, const struct expr *e)
{
    if (e->kind != EXPR_COLUMN)
        return "key";
    return e->column < j->nleft ? j->sides[LEFT].relation->cols[e->column].name
                                : j->sides[RIGHT].relation->cols[e->column - j->nleft].name;
}

/* Digits before the point that a value of the type may have. */
static unsigned whole_digits(struct type t)
{
    return t.id == TYPE_INT4 ? 10 : t.id == TYPE_INT8 ? 19 : t.precision > t.scale ? t.precision - t.scale : 0u;
}

/* A value without its digits past `scale`: what equals it equals it so, too. */
static enum status cut_digits(struct joining *j, struct expr **e, unsigned scale)
{
    struct expr *args[2] = {*e, NULL};
    struct arena *a = j->b->arena;
    if (args[0]->type.id != TYPE_NUMERIC || args[0]->type.scale <= scale)
        return OK;
    TRY(expr_number(a, arena_printf(a, "%u", scale), -1, &args[1], j->b->err));
    return expr_call(a, "trunc", args, 2, -1, e, j->b->err);
}

/* Both as one type. Where none has room for the digits of both (numeric(38,0) and numeric(38,38)) the key is what lies
 * before some digit, and the whole is compared once rows meet (*ret_whole: false). */
static enum status common_key(struct joining *j, struct expr **left, struct expr **right, bool *ret_whole)
{
    struct binder *b = j->b;
    struct type both[] = {(*left)->type, (*right)->type}, common;
    int32_t at = (*left)->location;
    *ret_whole = true;
    TRY(bind_located(b, at, expr_common_type(both, 2, "JOIN", &common, b->err)));
    unsigned whole = MAX(whole_digits(both[0]), whole_digits(both[1]));
    if (common.id == TYPE_NUMERIC && whole + common.scale > NUMERIC_MAX_PRECISION) {
        *ret_whole = false;
        common = type_numeric(NUMERIC_MAX_PRECISION, NUMERIC_MAX_PRECISION - MIN(whole, NUMERIC_MAX_PRECISION));
        TRY(bind_located(b, at, cut_digits(j, left, common.scale)));
        TRY(bind_located(b, at, cut_digits(j, right, common.scale)));
    }
    TRY(bind_located(b, at, expr_cast(b->arena, *left, common, CAST_IMPLICIT, at, left, b->err)));
    return bind_located(b, at, expr_cast(b->arena, *right, common, CAST_IMPLICIT, at, right, b->err));
}

static enum status add_key(struct joining *j, struct expr *left, struct expr *right, bool *ret_added)
{
    *ret_added = false;
    if (left->type.id == TYPE_FLOAT8 && right->type.id != TYPE_FLOAT8)
        return OK; /* compared as the function compares */
    TRY(common_key(j, &left, &right, ret_added));
    j->sides[LEFT].keys[j->nkey] = add_column(&j->sides[LEFT], on_side(j, LEFT, left), name_of(j, left));
    j->sides[RIGHT].keys[j->nkey] = add_column(&j->sides[RIGHT], on_side(j, RIGHT, right), name_of(j, right));
    j->nkey++;
    return OK;
}

/* ---- time ---- */

/* The column of a side's node that an expression over join_columns is, -1: it is none. */
static int32_t node_column(const struct joining *j, const struct expr *e)
{
    if (e->kind != EXPR_COLUMN)
        return -1;
    int side = side_of(j, e);
    const struct relation *r = j->sides[side].relation;
    const struct expr *over_node = r->cols[side == LEFT ? e->column : e->column - j->nleft].expr;
    return over_node->kind == EXPR_COLUMN ? (int32_t)over_node->column : -1;
}

static bool constant_shift(const struct expr *e, int64_t *ret)
{
    if (e->kind != EXPR_CONST || e->type.id != TYPE_INTERVAL || column_is_null(&e->value, 0))
        return false;
    const struct interval *i = e->value.data;
    return i->months == 0 && !__builtin_mul_overflow((int64_t)i->days, INT64_C(86400000000), ret) &&
           !__builtin_add_overflow(*ret, i->micros, ret);
}

/* column, column + interval, column - interval: of event time? */
struct time_term {
    int side;
    struct expr *column; /* over join_columns */
    int64_t shift, lag;
};

static bool read_term(const struct joining *j, struct expr *e, struct time_term *ret)
{
    *ret = (struct time_term){0};
    if (is_call(e, "+") || is_call(e, "-")) {
        if (!constant_shift(e->args[1], &ret->shift))
            return false;
        if (is_call(e, "-"))
            ret->shift = -ret->shift;
        e = e->args[0];
    }
    int32_t column = node_column(j, e);
    if (column < 0 || e->type.id != TYPE_TIMESTAMPTZ)
        return false;
    ret->column = e;
    ret->side = side_of(j, e);
    ret->lag = plan_lag(j->b->nodes[j->sides[ret->side].relation->node], column);
    return ret->lag >= 0;
}

static struct expr *shift_by(struct joining *j, struct expr *e, int64_t us)
{
    if (us == 0)
        return e;
    struct expr *args[2] = {e, NULL}, *shifted = NULL;
    AUTO(buf) text = BUF(64);
    buf_printf(&text, "%" PRId64 " microseconds", us);
    struct expr *literal = expr_string(j->b->arena, arena_strndup(j->b->arena, text.data, text.len), text.len, -1);
    enum status s = expr_cast(j->b->arena, literal, TYPE(TYPE_INTERVAL), CAST_IMPLICIT, -1, &args[1], j->b->err);
    if (s == OK)
        s = expr_call(j->b->arena, "+", args, 2, -1, &shifted, j->b->err);
    assert(s == OK); /* a timestamptz plus an interval */
    return shifted;
}

/* other <= bound, where `other` is a time of its side and `bound` an expression of the other one. */
static enum status add_bound(struct joining *j, const struct time_term *other, struct expr *bound, bool strict)
{
    int mine = other->side == LEFT ? RIGHT : LEFT;
    if (side_of(j, bound) != mine || bound->type.id != TYPE_TIMESTAMPTZ)
        return OK;
    struct side *s = &j->sides[mine];
    struct time_term own;
    int64_t by = -other->shift + other->lag - (strict ? 1 : 0);
    bool tells = read_term(j, bound, &own) && own.side == mine;
    bool simple = s->tells.column != UINT32_MAX;
    j->sides[other->side].late = (int32_t)other->column->column;
    if (simple && (!tells || s->tells.lag == 0)) /* one bound is enough: that of the row's own time says most */
        return OK;
    struct expr *expires = shift_by(j, bound, by);
    if (s->expires && !simple && !tells) {
        struct expr *both[] = {s->expires, expires};
        return bind_located(j->b, -1, expr_call(j->b->arena, "least", both, 2, -1, &s->expires, j->b->err));
    }
    s->expires = expires;
    s->tells = (struct plan_time){tells ? own.column->column : UINT32_MAX, tells ? own.shift + by : 0};
    return OK;
}

static enum status note_time(struct joining *j, struct expr *e)
{
    bool less = is_call(e, "<") || is_call(e, "<="), more = is_call(e, ">") || is_call(e, ">=");
    bool equal = is_call(e, "="), strict = is_call(e, "<") || is_call(e, ">");
    struct time_term term;
    if ((less || equal) && read_term(j, e->args[0], &term))
        TRY(add_bound(j, &term, e->args[1], strict));
    if ((more || equal) && read_term(j, e->args[1], &term))
        TRY(add_bound(j, &term, e->args[0], strict));
    return OK;
}

/* ---- conditions ---- */

/* Of one side alone: it can be applied before the join, unless rows that fail it must still come out unmatched. */
static bool goes_below(enum join_kind kind, int side)
{
    switch (kind) {
    case JOIN_INNER:
    case JOIN_SEMI: return true;
    case JOIN_LEFT:
    case JOIN_ANTI: return side == RIGHT;
    case JOIN_RIGHT: return side == LEFT;
    case JOIN_FULL: return false;
    }
    return false;
}

static enum status place(struct joining *j, struct relation *sides, struct expr *e)
{
    int side = side_of(j, e);
    if (side >= 0 && goes_below(j->request->kind, side))
        return node_filter(j->b, sides[side].node, on_side(j, side, e), e->location, &sides[side].node);
    TRY(note_time(j, e));
    if (is_call(e, "=")) {
        int a = side_of(j, e->args[0]), b = side_of(j, e->args[1]);
        bool added = false;
        if (a == LEFT && b == RIGHT)
            TRY(add_key(j, e->args[0], e->args[1], &added));
        else if (a == RIGHT && b == LEFT)
            TRY(add_key(j, e->args[1], e->args[0], &added));
        if (added)
            return OK;
    }
    j->residual[j->nresidual++] = e;
    return OK;
}

/* ---- the sides as nodes ---- */

static void want_residual(struct joining *j, uint64_t *wanted)
{
    for (uint32_t i = 0; i < j->nresidual; i++)
        expr_columns(j->residual[i], wanted);
}

static void prepare_side(struct joining *j, int side, uint64_t *wanted)
{
    struct side *s = &j->sides[side];
    const struct relation *r = s->relation;
    s->position = arena_array(j->b->arena, MAX(r->ncols, 1), sizeof *s->position);
    for (uint32_t i = 0; i < r->ncols; i++) {
        uint32_t column = side == LEFT ? i : j->nleft + i;
        s->position[i] = -1;
        if (r->cols[i].expr && bit_get(wanted, column))
            s->position[i] = (int32_t)add_column(s, r->cols[i].expr, r->cols[i].name);
    }
}

/* SET bourn.join_ttl, 0: none. */
static int64_t join_ttl(const struct binder *b)
{
    int64_t ttl = 0;
    for (uint32_t i = 0; i < b->plan->nsettings; i++)
        if (strcmp(b->plan->settings[i].name, "join_ttl") == 0)
            (void)option_parse_interval(b->plan->settings[i].value, &ttl); /* checked where it was set */
    return ttl;
}

/* A row that nothing bounds goes some time after its own event time, if the pipeline says so. */
static void bound_by_ttl(struct joining *j, struct side *s, int32_t *ret_expires, struct plan_time *ret_tells,
                         bool *ret_ttl)
{
    const struct plan_node *n = j->b->nodes[s->relation->node];
    int64_t ttl = join_ttl(j->b), after;
    *ret_ttl = !s->expires && ttl > 0 && n->ntimes;
    if (!*ret_ttl || __builtin_add_overflow(ttl, n->times[0].lag, &after))
        return;
    uint32_t c = n->times[0].column;
    struct expr *time = expr_column(j->b->arena, c, n->schema.types[c], -1);
    *ret_tells = (struct plan_time){add_column(s, time, n->schema.names[c]), after};
    time = shift_by(j, time, after);
    *ret_expires = (int32_t)add_column(s, time, relation_name_of(j->b, s->relation, time));
}

/* A row that may still be taken back must be there then. Rows that change do so within their own event time, so a bound
 * by that holds for them too, once the time is over; any other bound says nothing of when they are taken back. */
static void bound_changes(struct joining *j, struct side *s, uint32_t offset)
{
    const struct plan_node *n = j->b->nodes[s->relation->node];
    if (!s->expires || n->mode != MODE_UPDATING)
        return;
    if (s->tells.column == UINT32_MAX) {
        s->expires = NULL;
        return;
    }
    const struct expr *column = s->relation->cols[s->tells.column - offset].expr;
    int64_t lag = plan_lag(n, (int32_t)column->column);
    if (s->tells.lag >= lag)
        return;
    struct expr *time = expr_column(j->b->arena, s->tells.column, column->type, -1);
    s->expires = shift_by(j, time, lag);
    s->tells.lag = lag;
}

static enum status side_node(struct joining *j, int side, uint32_t *ret_node, int32_t *ret_expires, int32_t *ret_late,
                             struct plan_time *ret_tells, bool *ret_ttl)
{
    struct side *s = &j->sides[side];
    *ret_expires = *ret_late = -1;
    *ret_tells = (struct plan_time){UINT32_MAX, 0};
    uint32_t offset = side == LEFT ? 0 : j->nleft;
    bound_changes(j, s, offset);
    bound_by_ttl(j, s, ret_expires, ret_tells, ret_ttl);
    if (s->late >= 0)
        *ret_late = (int32_t)add_column(s, s->relation->cols[(uint32_t)s->late - offset].expr,
                                       s->relation->cols[(uint32_t)s->late - offset].name);
    if (s->expires) {
        struct expr *expires = on_side(j, side, s->expires);
        *ret_expires = (int32_t)add_column(s, expires, relation_name_of(j->b, s->relation, expires));
        if (s->tells.column != UINT32_MAX)
            *ret_tells = (struct plan_time){
                add_column(s, s->relation->cols[s->tells.column - offset].expr,
                           s->relation->cols[s->tells.column - offset].name),
                s->tells.lag};
    }
    return node_project(j->b, s->relation->node, s->exprs, s->names, s->count, j->request->location, ret_node);
}

/* A column of join_columns -> its place in the join's output. */
static enum status output_condition(struct joining *j, struct expr **ret)
{
    struct binder *b = j->b;
    *ret = NULL;
    if (j->nresidual == 0)
        return OK;
    struct expr **replacement = arena_zarray(b->arena, MAX(j->ncols, 1), sizeof *replacement);
    for (uint32_t i = 0; i < j->ncols; i++) {
        int side = i < j->nleft ? LEFT : RIGHT;
        const struct side *s = &j->sides[side];
        uint32_t c = side == LEFT ? i : i - j->nleft;
        uint32_t first = side == RIGHT ? j->sides[LEFT].count : 0;
        if (s->position[c] >= 0)
            replacement[i] = expr_column(b->arena, first + (uint32_t)s->position[c], s->relation->cols[c].expr->type,
                                         -1);
    }
    for (uint32_t i = 0; i < j->nresidual; i++)
        j->residual[i] = expr_substitute(b->arena, j->residual[i], replacement);
    *ret = j->residual[0];
    return j->nresidual == 1 ? OK
                             : bind_located(b, j->request->location,
                                            expr_logic(b->arena, EXPR_AND, j->residual, j->nresidual,
                                                       j->request->location, ret, b->err));
}

static struct relation output_relation(struct joining *j, uint32_t node)
{
    bool left_only = j->request->kind == JOIN_SEMI || j->request->kind == JOIN_ANTI;
    struct relation r = join_columns(j->b, j->request->left, j->request->right);
    r.node = node;
    if (left_only)
        r.ncols = j->nleft;
    for (uint32_t i = 0; i < r.ncols; i++) {
        int side = i < j->nleft ? LEFT : RIGHT;
        int32_t at = j->sides[side].position[side == LEFT ? i : i - j->nleft];
        if (!bit_get(j->request->wanted, i) || at < 0)
            r.cols[i].expr = NULL;
        else
            r.cols[i].expr = expr_column(j->b->arena, (side == RIGHT ? j->sides[LEFT].count : 0) + (uint32_t)at,
                                         r.cols[i].expr->type, -1);
    }
    return r;
}

static void side_init(struct joining *j, struct side *s, const struct relation *r)
{
    uint32_t most = r->ncols + j->request->nconditions + 4;
    *s = (struct side){.relation = r, .late = -1, .tells.column = UINT32_MAX};
    s->exprs = arena_array(j->b->arena, most, sizeof(struct expr *));
    s->names = arena_array(j->b->arena, most, sizeof *s->names);
    s->keys = arena_array(j->b->arena, j->request->nconditions + 1, sizeof *s->keys);
}

static enum status make_join(struct joining *j, uint32_t *ret)
{
    uint64_t *wanted = arena_dup(j->b->arena, j->request->wanted,
                                 MAX(BITMAP_WORDS(j->ncols), 1) * sizeof *wanted);
    if (j->request->kind == JOIN_SEMI || j->request->kind == JOIN_ANTI)
        for (uint32_t i = j->nleft; i < j->ncols; i++)
            bit_clear(wanted, i);
    want_residual(j, wanted);
    struct plan_join join = {.kind = j->request->kind, .nkey = j->nkey};
    struct plan_time tells[2];
    uint32_t inputs[2];
    for (int side = LEFT; side <= RIGHT; side++) {
        prepare_side(j, side, wanted);
        join.key[side] = j->sides[side].keys;
        TRY(side_node(j, side, &inputs[side], &join.expires[side], &join.late[side], &tells[side],
                      &join.ttl[side]));
    }
    TRY(output_condition(j, &join.condition));
    TRY(node_end_together(j->b, inputs, 2, j->request->location));
    *ret = node_join(j->b, inputs, &join, tells, j->request->location);
    return OK;
}

enum status bind_join(struct binder *b, const struct join_request *r, struct relation *ret)
{
    struct relation sides[2] = {*r->left, *r->right};
    struct joining j = {.b = b, .request = r, .nleft = r->left->ncols, .ncols = r->left->ncols + r->right->ncols};
    side_init(&j, &j.sides[LEFT], &sides[LEFT]);
    side_init(&j, &j.sides[RIGHT], &sides[RIGHT]);
    j.residual = arena_array(b->arena, r->nconditions, sizeof(struct expr *));
    for (uint32_t i = 0; i < r->nconditions; i++)
        TRY(place(&j, sides, r->conditions[i]));
    uint32_t node;
    TRY(make_join(&j, &node));
    *ret = output_relation(&j, node);
    return OK;
}
