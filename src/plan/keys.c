/* What tells the rows of a node apart: a small set of unique keys, and which columns always hold the same value, so
 * that one may stand for another. None of it is part of a step's fingerprint: it follows from the steps.
 *
 *   scan                   the partition with the offset, where both are columns
 *   union                  none
 *   filter                 the input's; a = b and a = constant in the predicate are learned
 *   project                those whose columns are still there, or others that hold the same; a constant is not needed
 *   window                 the input's; of windows that overlap, with the window's end
 *   unnest                 the input's, with the ordinality, or a column that differs within each row
 *   aggregate, DISTINCT    the groups; a key of the input that lies within the groups
 *   session                its key and its end
 *   join                   one side's, where the other has at most one row to a join key; else each of one with each of
 *                          the other. Of an inner join, the two sides of the join key are the same
 *   first rows, OVER       the input's; a partition and its row_number; the partition where there is one row of each
 *   unique                 the input's, and its own
 *
 * NULL is a value here, as for GROUP BY.
 */
#include "expr/function.h"
#include "plan/bind.h"

enum {
    KEYS_MAX = 8,              /* of a node: further ones are not looked for */
    CONSTANT = (int)(1u << 31) /* struct plan_node.same: the column has one value */
};
static_assert(sizeof(CONSTANT) == sizeof(uint32_t));

/* ---- columns that are the same ---- */

static uint32_t same(const struct plan_node *n, uint32_t c) { return c < n->nsame ? n->same[c] : c; }
static bool is_constant(const struct plan_node *n, uint32_t c) { return same(n, c) == (uint32_t)CONSTANT; }

/* The node's own, over all of its columns. */
static void own_same(struct binder *b, struct plan_node *n)
{
    uint32_t *own = arena_array(b->arena, MAX(n->schema.ncols, 1), sizeof *own);
    for (uint32_t c = 0; c < n->schema.ncols; c++)
        own[c] = same(n, c);
    n->same = own;
    n->nsame = n->schema.ncols;
}

/* x, y: what `same` says of two columns, or CONSTANT. */
static void merge(struct plan_node *n, uint32_t x, uint32_t y)
{
    uint32_t to = x == (uint32_t)CONSTANT || y == (uint32_t)CONSTANT ? (uint32_t)CONSTANT : MIN(x, y);
    for (uint32_t c = 0; c < n->nsame; c++)
        if (n->same[c] == x || n->same[c] == y)
            n->same[c] = to;
}

static void learn(struct plan_node *n, const struct expr *e)
{
    if (e->kind == EXPR_AND)
        for (uint32_t i = 0; i < e->nargs; i++)
            learn(n, e->args[i]);
    if (e->kind != EXPR_CALL || e->nargs != 2 || strcmp(e->function->name, "=") != 0)
        return;
    const struct expr *x = e->args[0], *y = e->args[1];
    if (x->kind == EXPR_CONST && y->kind == EXPR_COLUMN) {
        x = e->args[1];
        y = e->args[0];
    }
    if (x->kind != EXPR_COLUMN || !type_equal(x->type, y->type))
        return;
    if (y->kind == EXPR_CONST)
        merge(n, same(n, x->column), (uint32_t)CONSTANT);
    else if (y->kind == EXPR_COLUMN)
        merge(n, same(n, x->column), same(n, y->column));
}

void keys_learn(struct binder *b, struct plan_node *n, const struct expr *predicate)
{
    own_same(b, n);
    learn(n, predicate);
}

/* ---- sets of columns ---- */

static bool has_same(const struct plan_node *n, const uint32_t *columns, uint32_t ncolumns, uint32_t c)
{
    for (uint32_t i = 0; i < ncolumns; i++)
        if (columns[i] == c || same(n, columns[i]) == same(n, c))
            return true;
    return false;
}

/* A window's end tells its start, and mostly the other way round. */
static int32_t other_bound(const struct plan_node *n, uint32_t c)
{
    if ((int32_t)c == n->window_start)
        return n->window_end;
    return (int32_t)c == n->window_end && n->start_tells_end ? n->window_start : -1;
}

static bool is_told(const struct plan_node *n, const uint32_t *columns, uint32_t ncolumns, uint32_t c)
{
    int32_t other = other_bound(n, c);
    return is_constant(n, c) || has_same(n, columns, ncolumns, c) ||
           (other >= 0 && has_same(n, columns, ncolumns, (uint32_t)other));
}

static bool all_told(const struct plan_node *n, const uint32_t *columns, uint32_t ncolumns, const struct plan_key *key)
{
    for (uint32_t i = 0; i < key->n; i++)
        if (!is_told(n, columns, ncolumns, key->columns[i]))
            return false;
    return true;
}

bool keys_within(const struct plan_node *n, const uint32_t *columns, uint32_t ncolumns)
{
    for (uint32_t k = 0; k < n->nkeys; k++)
        if (all_told(n, columns, ncolumns, &n->keys[k]))
            return true;
    return false;
}

void keys_add(struct binder *b, struct plan_node *n, const uint32_t *columns, uint32_t ncolumns)
{
    if (n->nkeys == KEYS_MAX || keys_within(n, columns, ncolumns))
        return;
    struct plan_key *keys = arena_array(b->arena, n->nkeys + 1, sizeof *keys); /* the old may be the input's, too */
    if (n->nkeys)
        memcpy(keys, n->keys, n->nkeys * sizeof *keys);
    keys[n->nkeys].columns = arena_array(b->arena, MAX(ncolumns, 1), sizeof *columns);
    keys[n->nkeys].n = ncolumns;
    if (ncolumns)
        memcpy(keys[n->nkeys].columns, columns, ncolumns * sizeof *columns);
    n->keys = keys;
    n->nkeys++;
}

static void add_two(struct binder *b, struct plan_node *n, const struct plan_key *x, uint32_t x_offset,
                    const struct plan_key *y, uint32_t y_offset)
{
    uint32_t *both = arena_array(b->arena, x->n + y->n + 1, sizeof *both);
    for (uint32_t i = 0; i < x->n; i++)
        both[i] = x_offset + x->columns[i];
    for (uint32_t i = 0; i < y->n; i++)
        both[x->n + i] = y_offset + y->columns[i];
    keys_add(b, n, both, x->n + y->n);
}

/* ---- by node ---- */

void keys_scan(struct binder *b, struct plan_node *n, const struct plan_table *t)
{
    static const char *const place[] = {"partition", "offset"};
    uint32_t key[ARRAY_LEN(place)], found = 0;
    for (size_t i = 0; i < ARRAY_LEN(place); i++)
        for (uint32_t c = 0; found == i && t->metadata && c < t->schema.ncols; c++)
            if (t->metadata[c] && strcmp(t->metadata[c], place[i]) == 0)
                key[found++] = c;
    if (found == ARRAY_LEN(place))
        keys_add(b, n, key, found);
}

void keys_inherit(struct plan_node *n, const struct plan_node *input)
{
    n->keys = input->keys;
    n->nkeys = input->nkeys;
    n->same = input->same;
    n->nsame = input->nsame;
}

void keys_widen(struct binder *b, struct plan_node *n, uint32_t column)
{
    const struct plan_key *keys = n->keys, more = {&column, 1};
    uint32_t nkeys = n->nkeys;
    n->nkeys = 0;
    for (uint32_t k = 0; k < nkeys; k++)
        add_two(b, n, &keys[k], 0, &more, 0);
}

static bool is_kept(const struct plan_key *key, uint32_t kept)
{
    for (uint32_t i = 0; i < key->n; i++)
        if (key->columns[i] >= kept)
            return false;
    return true;
}

void keys_unnest(struct binder *b, struct plan_node *n, uint32_t kept, const uint32_t *tell, uint32_t ntell)
{
    const struct plan_key *keys = n->keys;
    uint32_t nkeys = n->nkeys;
    n->nkeys = 0;
    n->nsame = MIN(n->nsame, kept); /* a column stands for later ones only */
    for (uint32_t k = 0; k < nkeys; k++)
        for (uint32_t i = 0; i < ntell && is_kept(&keys[k], kept); i++)
            add_two(b, n, &keys[k], 0, &(struct plan_key){(uint32_t *)&tell[i], 1}, 0);
}

/* An output column that holds what input column `c` does, or -1. */
static int32_t output_of(const struct plan_node *n, const struct plan_node *input, uint32_t c)
{
    int32_t found = -1;
    for (uint32_t i = n->schema.ncols; i-- > 0;) {
        const struct expr *e = n->exprs[i];
        if (e->kind != EXPR_COLUMN || same(input, e->column) != same(input, c))
            continue;
        found = (int32_t)i;
    }
    for (uint32_t i = 0; i < n->schema.ncols; i++) /* the column itself rather than another */
        if (n->exprs[i]->kind == EXPR_COLUMN && n->exprs[i]->column == c)
            return (int32_t)i;
    return found;
}

static bool project_one(const struct plan_node *n, const struct plan_node *input, const struct plan_key *from,
                        struct plan_key *to)
{
    for (uint32_t i = 0; i < from->n; i++) {
        uint32_t c = from->columns[i];
        int32_t column = output_of(n, input, c), other = other_bound(input, c);
        if (column < 0 && other >= 0)
            column = output_of(n, input, (uint32_t)other);
        if (column < 0 && !is_constant(input, c))
            return false;
        if (column >= 0)
            to->columns[to->n++] = (uint32_t)column;
    }
    return true;
}

static void project_same(struct binder *b, struct plan_node *n, const struct plan_node *input)
{
    own_same(b, n);
    for (uint32_t i = 0; i < n->schema.ncols; i++) {
        const struct expr *e = n->exprs[i];
        if (e->kind == EXPR_CONST || (e->kind == EXPR_COLUMN && is_constant(input, e->column)))
            n->same[i] = (uint32_t)CONSTANT;
        for (uint32_t k = 0; e->kind == EXPR_COLUMN && k < i && n->same[i] == i; k++)
            if (n->exprs[k]->kind == EXPR_COLUMN && same(input, n->exprs[k]->column) == same(input, e->column))
                n->same[i] = k;
    }
}

void keys_project(struct binder *b, struct plan_node *n, const struct plan_node *input)
{
    project_same(b, n, input);
    for (uint32_t k = 0; k < input->nkeys; k++) {
        const struct plan_key *from = &input->keys[k];
        struct plan_key to = {.columns = arena_array(b->arena, MAX(from->n, 1), sizeof *to.columns)};
        if (project_one(n, input, from, &to))
            keys_add(b, n, to.columns, to.n);
    }
}

void keys_group(struct binder *b, struct plan_node *n, const struct plan_node *input)
{
    uint32_t *groups = arena_array(b->arena, MAX(n->ngroup, 1), sizeof *groups), count = 0;
    n->same = input->same;
    n->nsame = MIN(input->nsame, n->ngroup);
    for (uint32_t i = 0; i < n->ngroup; i++) /* not the start of a window whose end is there */
        if ((int32_t)i != n->window_start || n->window_end < 0)
            groups[count++] = i;
    keys_add(b, n, groups, count);
    for (uint32_t i = 0; i < n->ngroup; i++)
        groups[i] = i;
    for (uint32_t k = 0; k < input->nkeys; k++) {
        const struct plan_key *key = &input->keys[k];
        bool inside = true;
        for (uint32_t i = 0; i < key->n; i++)
            inside &= key->columns[i] < n->ngroup;
        if (inside)
            keys_add(b, n, key->columns, key->n);
    }
}

/* At most one row of the side has a given join key. */
static bool is_unique(const struct plan_join *j, const struct plan_node *input, int side)
{
    return keys_within(input, j->key[side], j->nkey);
}

static void join_same(struct binder *b, struct plan_node *n, const struct plan_node *left,
                      const struct plan_node *right)
{
    enum join_kind kind = n->join.kind;
    uint32_t first = left->schema.ncols;
    own_same(b, n);
    for (uint32_t c = 0; c < n->schema.ncols; c++) {
        const struct plan_node *side = c < first ? left : right;
        bool may_be_null = c < first ? kind == JOIN_RIGHT || kind == JOIN_FULL : kind == JOIN_LEFT || kind == JOIN_FULL;
        uint32_t offset = c < first ? 0 : first, of = same(side, c - offset);
        if (of == (uint32_t)CONSTANT)
            n->same[c] = may_be_null ? c : (uint32_t)CONSTANT;
        else
            n->same[c] = offset + of;
    }
    for (uint32_t i = 0; kind == JOIN_INNER && i < n->join.nkey; i++)
        merge(n, same(n, n->join.key[0][i]), same(n, first + n->join.key[1][i]));
}

void keys_join(struct binder *b, struct plan_node *n, const struct plan_node *left, const struct plan_node *right)
{
    static const struct plan_key none;
    const struct plan_join *j = &n->join;
    uint32_t first = left->schema.ncols;
    if (j->kind == JOIN_SEMI || j->kind == JOIN_ANTI) {
        keys_inherit(n, left);
        return;
    }
    join_same(b, n, left, right);
    bool left_stays = j->kind == JOIN_INNER || j->kind == JOIN_LEFT;
    bool right_stays = j->kind == JOIN_INNER || j->kind == JOIN_RIGHT;
    for (uint32_t l = 0; left_stays && is_unique(j, right, 1) && l < left->nkeys; l++)
        add_two(b, n, &left->keys[l], 0, &none, 0);
    for (uint32_t r = 0; right_stays && is_unique(j, left, 0) && r < right->nkeys; r++)
        add_two(b, n, &none, 0, &right->keys[r], first);
    for (uint32_t l = 0; l < left->nkeys; l++)
        for (uint32_t r = 0; r < right->nkeys; r++)
            if (j->kind != JOIN_FULL || left->keys[l].n || right->keys[r].n) /* one row of each may be two */
                add_two(b, n, &left->keys[l], 0, &right->keys[r], first);
}

void keys_rank(struct binder *b, struct plan_node *n, const uint32_t *partition, uint32_t npartition, int32_t rank)
{
    uint32_t *key = arena_array(b->arena, npartition + 1, sizeof *key);
    if (npartition)
        memcpy(key, partition, npartition * sizeof *key);
    if (rank >= 0)
        key[npartition++] = (uint32_t)rank;
    keys_add(b, n, key, npartition);
}
