/* Nodes that bring rows together or put them in order: join, window functions, Top-N; and the only row of a key. */
#include "expr/function.h"
#include "plan/bind.h"

/* ---- join ---- */

static struct schema both_schemas(struct binder *b, const struct plan_node *left, const struct plan_node *right)
{
    struct schema schema = node_schema(b, left->schema.ncols + right->schema.ncols);
    for (uint32_t i = 0; i < schema.ncols; i++) {
        const struct schema *from = i < left->schema.ncols ? &left->schema : &right->schema;
        uint32_t c = i < left->schema.ncols ? i : i - left->schema.ncols;
        schema.names[i] = from->names[c];
        schema.types[i] = from->types[c];
    }
    return schema;
}

/* A row that waits for its match is behind by as long as it waits. */
static void side_times(struct plan_node *n, const struct plan_node *input, uint32_t offset,
                       const struct plan_time *tells, bool waits)
{
    for (uint32_t i = 0; i < input->ntimes; i++) {
        struct plan_time t = {offset + input->times[i].column, input->times[i].lag};
        if (waits && input->times[i].column != tells->column)
            continue;
        if (waits)
            t.lag = MAX(t.lag, tells->lag);
        n->times[n->ntimes++] = t;
    }
}

static void join_times(struct binder *b, struct plan_node *n, const struct plan_node *left,
                       const struct plan_node *right, const struct plan_time tells[2])
{
    const struct plan_join *j = &n->join;
    n->times = arena_array(b->arena, MAX(left->ntimes + right->ntimes, 1), sizeof *n->times);
    side_times(n, left, 0, &tells[0], !j->fixed[1]);
    if (j->kind == JOIN_SEMI || j->kind == JOIN_ANTI) {
        n->window_start = left->window_start;
        n->window_end = left->window_end;
        n->start_tells_end = left->start_tells_end;
        return;
    }
    if (j->kind == JOIN_INNER || j->kind == JOIN_LEFT) {
        n->window_start = left->window_start;
        n->window_end = left->window_end;
        n->start_tells_end = left->start_tells_end;
    }
    if (j->kind == JOIN_RIGHT || j->kind == JOIN_FULL)
        n->ntimes = 0; /* the left's columns may be NULL */
    if (j->kind == JOIN_INNER || j->kind == JOIN_RIGHT)
        side_times(n, right, left->schema.ncols, &tells[1], !j->fixed[0]);
}

static enum node_mode join_mode(const struct plan_node *n)
{
    if (n->mode == MODE_UPDATING)
        return MODE_UPDATING;
    switch (n->join.kind) {
    case JOIN_INNER:
    case JOIN_SEMI: return n->mode;
    case JOIN_LEFT:
    case JOIN_ANTI: return n->join.fixed[1] ? n->mode : MODE_UPDATING;
    case JOIN_RIGHT: return n->join.fixed[0] ? n->mode : MODE_UPDATING;
    case JOIN_FULL: return MODE_UPDATING;
    }
    return MODE_UPDATING;
}

/* Is it read to its end before the other begins? What is given with the pipeline is read before all else, and
 * constants are there before that. */
static bool is_fixed(const struct plan_node *mine, const struct plan_node *other)
{
    if (!mine->bounded || mine->mode != MODE_APPEND || mine->at_end)
        return false;
    if (mine->constants)
        return !other->constants;
    return !other->early && (!other->bounded || (mine->all_reference && !other->some_reference));
}

uint32_t node_join(struct binder *b, const uint32_t inputs[2], const struct plan_join *join,
                   const struct plan_time tells[2], int32_t location)
{
    const struct plan_node *left = b->nodes[inputs[0]], *right = b->nodes[inputs[1]];
    struct plan_node *n = node_new(b, NODE_JOIN, inputs, 2, location);
    n->join = *join;
    for (int side = 0; side < 2; side++) {
        const struct plan_node *mine = side ? right : left, *other = side ? left : right;
        n->join.fixed[side] = is_fixed(mine, other);
        n->join.lag[side] = MAX(plan_lag(mine, join->late[side]), 0);
    }
    bool left_only = join->kind == JOIN_SEMI || join->kind == JOIN_ANTI;
    n->schema = left_only ? left->schema : both_schemas(b, left, right);
    n->mode = join_mode(n);
    n->stateful = true;
    keys_join(b, n, left, right);
    join_times(b, n, left, right, tells);
    return node_add(b, n);
}

/* ---- order within partitions ---- */

static void partition_times(struct plan_node *n, const uint32_t *partition, uint32_t npartition)
{
    for (uint32_t i = 0; i < npartition; i++) {
        int64_t lag = plan_lag(n, (int32_t)partition[i]);
        if (lag < 0 || (n->closes >= 0 && lag >= n->lag))
            continue;
        n->closes = (int32_t)partition[i];
        n->lag = lag;
    }
}

/* One that keeps the rows of each partition: what it hands out of them changes with every row, until event time closes
 * the partition. Only times that are the partition's own move no row afterwards. */
static struct plan_node *node_of_partitions(struct binder *b, enum node_kind kind, uint32_t input,
                                            const uint32_t *partition, uint32_t npartition, int32_t location)
{
    struct plan_node *n = node_new(b, kind, &input, 1, location);
    node_inherit(b, n);
    partition_times(n, partition, npartition);
    n->ntimes = n->closes >= 0;
    if (n->closes >= 0)
        n->times = arena_dup(b->arena, &(struct plan_time){(uint32_t)n->closes, n->lag}, sizeof *n->times);
    n->stateful = true;
    n->mode = MODE_UPDATING;
    return n;
}

struct type over_type(const struct plan_over_call *c, struct type arg)
{
    switch (c->kind) {
    case OVER_ROW_NUMBER:
    case OVER_RANK:
    case OVER_DENSE_RANK: return TYPE(TYPE_INT8);
    case OVER_NTILE: return TYPE(TYPE_INT4);
    case OVER_PERCENT_RANK:
    case OVER_CUME_DIST: return TYPE(TYPE_FLOAT8);
    case OVER_AGGREGATE: return c->function->result(arg);
    case OVER_LAG:
    case OVER_LEAD:
    case OVER_FIRST:
    case OVER_LAST:
    case OVER_NTH: break;
    }
    return arg;
}

uint32_t node_over(struct binder *b, uint32_t input, const struct plan_over *over, struct plan_sort_key *sort,
                   uint32_t nsort, const char **names, int32_t location)
{
    struct plan_node *n = node_of_partitions(b, NODE_OVER, input, over->partition, over->npartition, location);
    const struct schema below = n->schema;
    n->over = *over;
    n->sort = sort;
    n->nsort = nsort;
    for (uint32_t i = 0; i < over->ncalls; i++) {
        const struct plan_over_call *c = &over->calls[i];
        struct type arg = c->arg >= 0 ? below.types[c->arg] : TYPE(TYPE_UNKNOWN);
        node_append(b, n, &names[i], over_type(c, arg), 1);
        if (c->kind == OVER_ROW_NUMBER)
            keys_rank(b, n, over->partition, over->npartition, (int32_t)below.ncols + (int32_t)i);
    }
    return node_add(b, n);
}

uint32_t node_topn(struct binder *b, uint32_t input, const struct plan_topn *topn, struct plan_sort_key *sort,
                   uint32_t nsort, const char *rank_name, int32_t location)
{
    struct plan_node *n = node_of_partitions(b, NODE_TOPN, input, topn->partition, topn->npartition, location);
    uint32_t rank = n->schema.ncols;
    n->topn = *topn;
    n->sort = sort;
    n->nsort = nsort;
    node_append(b, n, &rank_name, TYPE(TYPE_INT8), 1);
    if (topn->kind == OVER_ROW_NUMBER)
        keys_rank(b, n, topn->partition, topn->npartition, topn->limit > 1 ? (int32_t)rank : -1);
    return node_add(b, n);
}

uint32_t node_unique(struct binder *b, uint32_t input, const struct plan_key *key, int32_t location)
{
    struct plan_node *n = node_of_partitions(b, NODE_UNIQUE, input, key->columns, key->n, location);
    n->unique = *key;
    keys_add(b, n, key->columns, key->n);
    return node_add(b, n);
}

/* ---- rank <= N ---- */

static bool constant_count(const struct expr *e, int64_t *ret)
{
    if (e->kind != EXPR_CONST || column_is_null(&e->value, 0))
        return false;
    if (e->type.id == TYPE_INT4)
        *ret = *(const int32_t *)e->value.data;
    else if (e->type.id == TYPE_INT8)
        *ret = *(const int64_t *)e->value.data;
    else
        return false;
    return true;
}

/* rank <= N, rank < N, rank = N, and the same the other way round: the rank's greatest value. */
static bool rank_limit(const struct expr *e, uint32_t rank, int64_t *ret, bool *ret_all)
{
    if (e->kind != EXPR_CALL || e->nargs != 2)
        return false;
    const char *name = e->function->name;
    bool turned = e->args[1]->kind == EXPR_COLUMN;
    const struct expr *column = e->args[turned], *constant = e->args[!turned];
    if (column->kind != EXPR_COLUMN || column->column != rank || !constant_count(constant, ret))
        return false;
    bool below = strcmp(name, turned ? ">" : "<") == 0, most = strcmp(name, turned ? ">=" : "<=") == 0;
    bool equal = strcmp(name, "=") == 0;
    if (below)
        --*ret;
    *ret_all = !equal || *ret == 1;
    return (below || most || equal) && *ret > 0;
}

static bool is_rank(const struct plan_node *n)
{
    return n->kind == NODE_OVER && n->over.ncalls == 1 && n->over.calls[0].kind <= OVER_DENSE_RANK;
}

enum status node_first_rows(struct binder *b, uint32_t *node, struct expr **predicate, int32_t location)
{
    const struct plan_node *n = b->nodes[*node];
    struct expr *p = *predicate;
    if (!is_rank(n))
        return OK;
    uint32_t rank = n->schema.ncols - 1, count = p->kind == EXPR_AND ? p->nargs : 1, nrest = 0;
    struct expr **terms = p->kind == EXPR_AND ? p->args : &p, **rest = arena_array(b->arena, count, sizeof *rest);
    int64_t limit = 0, n_here;
    for (uint32_t i = 0; i < count; i++) {
        bool all = true, is_limit = rank_limit(terms[i], rank, &n_here, &all);
        if (is_limit)
            limit = limit ? MIN(limit, n_here) : n_here;
        if (!is_limit || !all)
            rest[nrest++] = terms[i];
    }
    if (limit == 0)
        return OK;
    struct plan_topn topn = {n->over.calls[0].kind, n->over.partition, n->over.npartition, limit};
    *node = node_topn(b, n->inputs[0], &topn, n->sort, n->nsort, n->schema.names[rank], location);
    *predicate = nrest ? rest[0] : NULL;
    if (nrest < 2)
        return OK;
    return bind_located(b, location,
                        expr_logic(b->arena, EXPR_AND, rest, nrest, location, predicate, b->err));
}
