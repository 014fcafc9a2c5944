/* What the stateful steps keep, and what bounds it: the report of `bourn check`. */
#include <inttypes.h>

#include "expr/function.h"
#include "plan/plan.h"

enum {
    DEDUP_BYTES_PER_KEY = 40, /* the promise; on disk it is less */
    GROUP_OVERHEAD = 32,      /* a group's entry beside its key and accumulators */
    TEXT_GUESS = 24,          /* bytes of a string nobody has seen yet */
    VALUE_BYTES = 32,         /* of a value in a multiset, with the room it leaves free */
};

/* ---- how many different values a column can have ---- */

/* a IN ('x', 'y'), a = 'x', or an OR of such, over one column: how many constants. 0: anything else. */
static uint32_t constants_of(const struct expr *e, uint32_t *column)
{
    uint32_t sum = 0;
    if (e->kind == EXPR_OR) {
        for (uint32_t i = 0; i < e->nargs; i++) {
            uint32_t mine, n = constants_of(e->args[i], &mine);
            if (n == 0 || (i > 0 && mine != *column))
                return 0;
            *column = mine;
            sum += n;
        }
        return sum;
    }
    bool in = e->kind == EXPR_CALL && strcmp(e->function->name, "in") == 0;
    bool equal = e->kind == EXPR_CALL && strcmp(e->function->name, "=") == 0;
    if ((!in && !equal) || e->args[0]->kind != EXPR_COLUMN)
        return 0;
    for (uint32_t i = 1; i < e->nargs; i++)
        if (e->args[i]->kind != EXPR_CONST)
            return 0;
    *column = e->args[0]->column;
    return e->nargs - 1;
}

/* Most different values of a table's column, NULL among them, as its contract says; 0: not known. */
static uint64_t contract_domain(const struct plan_table *t, uint32_t c)
{
    uint64_t domain = t->schema.types[c].id == TYPE_BOOL ? 2 : 0;
    bool not_null = false;
    for (uint32_t i = 0; i < t->nrules; i++) {
        const struct plan_rule *rule = &t->rules[i];
        uint32_t column, n = rule->kind == RULE_CHECK ? constants_of(rule->check, &column) : 0;
        if (n && column == c && (domain == 0 || n < domain))
            domain = n;
        not_null |= rule->kind == RULE_NOT_NULL && rule->column == c;
    }
    return domain ? domain + !not_null : 0;
}

static uint64_t column_domain(const struct plan *p, const struct plan_node *n, uint32_t c);

static uint64_t expr_domain(const struct plan *p, const struct plan_node *input, const struct expr *e)
{
    if (e->kind == EXPR_CONST)
        return 1;
    if (e->kind == EXPR_COLUMN)
        return column_domain(p, input, e->column);
    return e->type.id == TYPE_BOOL ? 3 : 0;
}

static uint64_t column_domain(const struct plan *p, const struct plan_node *n, uint32_t c)
{
    const struct plan_node *input = n->ninputs ? &p->nodes[n->inputs[0]] : NULL;
    switch (n->kind) {
    case NODE_SCAN: return contract_domain(&p->tables[n->table], c);
    case NODE_VALUES: return n->nrows;
    case NODE_PROJECT: return expr_domain(p, input, n->exprs[c]);
    case NODE_AGGREGATE: return c < n->ngroup ? column_domain(p, input, c) : 0;
    case NODE_UNNEST: return c + n->unnest.narrays < input->schema.ncols ? column_domain(p, input, c) : 0;
    case NODE_FILTER:
    case NODE_DEDUP:
    case NODE_SORT: return column_domain(p, input, c);
    default: return 0;
    }
}

/* Most different values of some columns together, NULL for `columns`: of the first n; 0: not known. */
static uint64_t columns_domain(const struct plan *p, const struct plan_node *node, const uint32_t *columns, uint32_t n)
{
    uint64_t domain = 1;
    for (uint32_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(domain, column_domain(p, node, columns ? columns[i] : i), &domain))
            return 0;
    return domain;
}

/* ---- the report ---- */

static uint64_t type_bytes(struct type t) { return type_is_view(t) ? TEXT_GUESS : type_width(t); }

static uint64_t group_bytes(const struct plan_node *n)
{
    uint64_t bytes = GROUP_OVERHEAD;
    for (uint32_t i = 0; i < n->ngroup; i++)
        bytes += type_bytes(n->schema.types[i]);
    for (uint32_t i = 0; i < n->naggregates; i++) {
        const struct aggregate *f = n->aggregates[i].function;
        bytes += f->state_size + (f->heap && !f->grows && !f->sketch ? TEXT_GUESS : 0); /* the one value it keeps */
    }
    return bytes;
}

static void column_names(const struct plan_node *n, const uint32_t *columns, uint32_t count, struct buf *out)
{
    buf_putc(out, '(');
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", n->schema.names[columns[i]]);
    buf_putc(out, ')');
}

static void step_name(const struct plan_node *n, struct buf *out)
{
    buf_printf(out, "%s, %s: ", n->name, n->id);
}

static void report_sort(const struct plan_node *n, struct buf *out)
{
    step_name(n, out);
    buf_printf(out, "%s: bounded by its input, which ends\n", n->nsort ? "ORDER BY" : "rows held until the end");
}

static void report_dedup(const struct plan_node *n, struct buf *out)
{
    step_name(n, out);
    buf_puts(out, "DISTINCT ON ");
    column_names(n, n->dedup_key, n->ndedup_key, out);
    double hours = (double)n->dedup_horizon / 3600e6;
    buf_printf(out, ": bounded by the watermark: a key is kept %.4g h of event time; at most %d bytes a key, %.4g GB "
                    "at 1,000 new keys a second\n",
               hours, DEDUP_BYTES_PER_KEY, hours * 3600 * 1000 * DEDUP_BYTES_PER_KEY / 1e9);
}

/* What a group keeps beside its accumulators. */
static void report_growth(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct schema *in = &p->nodes[n->inputs[0]].schema;
    const char *before = "";
    for (uint32_t i = 0; i < n->naggregates; i++) {
        const struct plan_aggregate *call = &n->aggregates[i];
        char id[64];
        if (!call->function->grows)
            continue;
        buf_printf(out, "%s%s", *before ? before : "    and every different value of ",
                   call->written ? call->written : aggregate_title(call->function, in->types[call->arg], id));
        before = ", ";
    }
    if (*before)
        buf_printf(out, ": about %d bytes each, and its own if it is longer than 8\n", VALUE_BYTES);
    for (uint32_t i = 0; i < n->naggregates; i++) {
        const struct plan_aggregate *call = &n->aggregates[i];
        char id[64];
        if (call->function->sketch)
            buf_printf(out, "    and the sketch of %s: %s\n",
                       call->written ? call->written : aggregate_title(call->function, in->types[call->arg], id),
                       call->function->sketch);
    }
}

static void report_aggregate(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    uint64_t most = columns_domain(p, &p->nodes[n->inputs[0]], NULL, n->ngroup), bytes = group_bytes(n);
    step_name(n, out);
    buf_printf(out, "%s ", n->naggregates ? "GROUP BY" : "DISTINCT");
    column_names(n, n->keys[0].columns, n->keys[0].n, out);
    if (n->bounded)
        buf_printf(out, ": bounded by its input, which ends; about %" PRIu64 " bytes a group\n", bytes);
    else if (n->closes >= 0)
        buf_printf(out, ": bounded by the watermark, which closes %s; about %" PRIu64 " bytes a group\n",
                   n->schema.names[n->closes], bytes);
    else if (most)
        buf_printf(out, ": bounded: at most %" PRIu64 " group%s of about %" PRIu64 " bytes\n", most,
                   most == 1 ? "" : "s", bytes);
    else
        buf_printf(out, ": UNBOUNDED: grows with the number of different keys; about %" PRIu64 " bytes a key\n",
                   bytes);
    report_growth(p, n, out);
}

static void kept_until(const struct plan_node *n, const struct plan_node *input, struct buf *out)
{
    if (n->bounded)
        buf_puts(out, ": bounded by its input, which ends");
    else if (n->closes >= 0)
        buf_printf(out, ": bounded by the watermark, which closes %s", input->schema.names[n->closes]);
    else
        buf_puts(out, ": UNBOUNDED: grows with the rows it may still need");
}

static uint64_t row_bytes(const struct plan_node *input)
{
    uint64_t bytes = GROUP_OVERHEAD;
    for (uint32_t i = 0; i < input->schema.ncols; i++)
        bytes += type_bytes(input->schema.types[i]);
    return bytes;
}

static void report_ordered(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct plan_node *input = &p->nodes[n->inputs[0]];
    step_name(n, out);
    if (n->kind == NODE_TOPN) {
        buf_printf(out, "first %" PRId64 " of each ", n->topn.limit);
        column_names(input, n->topn.partition, n->topn.npartition, out);
        if (input->mode == MODE_UPDATING)
            buf_puts(out, ", all rows kept because they can change");
    } else {
        buf_puts(out, "window functions within ");
        column_names(input, n->over.partition, n->over.npartition, out);
    }
    kept_until(n, input, out);
    buf_printf(out, "; about %" PRIu64 " bytes a row\n", row_bytes(input));
}

/* Of rows that are never taken back the second one settles it for ever: no more than two of a key are kept. */
static void report_unique(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    const struct plan_node *input = &p->nodes[n->inputs[0]];
    uint64_t most = columns_domain(p, input, n->unique.columns, n->unique.n), bytes = row_bytes(input);
    bool changes = input->mode == MODE_UPDATING;
    step_name(n, out);
    buf_puts(out, "the only row of each ");
    column_names(input, n->unique.columns, n->unique.n, out);
    buf_puts(out, changes ? ", all rows kept because they can change" : ", two rows of a key kept at most");
    if (n->bounded || n->closes >= 0)
        kept_until(n, input, out);
    else if (most && !changes)
        buf_printf(out, ": bounded: at most %" PRIu64 " rows", 2 * most);
    else
        buf_printf(out, ": UNBOUNDED: grows with the number of different %s", changes ? "rows" : "keys");
    buf_printf(out, "; about %" PRIu64 " bytes a row\n    a key that several rows have is not in the table, and in "
                    "bourn.rejected as error:23505\n", bytes);
}

static void report_session(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    step_name(n, out);
    buf_puts(out, "sessions by ");
    column_names(n, n->window.key, n->window.nkey, out);
    buf_printf(out, ": bounded by the watermark, which closes them; about %" PRIu64 " bytes a session\n",
               group_bytes(n) + 16);
    report_growth(p, n, out);
}

static void report_join(const struct plan *p, const struct plan_node *n, struct buf *out)
{
    static const char *const names[] = {"left", "right"};
    for (int side = 0; side < 2; side++) {
        const struct plan_node *input = &p->nodes[n->inputs[side]];
        step_name(n, out);
        buf_printf(out, "%s rows of the join", names[side]);
        if (n->join.fixed[!side])
            buf_puts(out, ": none are kept");
        else if (input->bounded)
            buf_puts(out, ": bounded by its input, which ends");
        else if (n->join.expires[side] >= 0)
            buf_printf(out, ": bounded by %s, until %s", n->join.ttl[side] ? "bourn.join_ttl" : "the watermark",
                       input->schema.names[n->join.expires[side]]);
        else
            buf_puts(out, ": UNBOUNDED: every row may meet one that is still to come");
        buf_printf(out, "; about %" PRIu64 " bytes a row\n", row_bytes(input));
    }
}

/* Windows that do not touch: is it what was meant, or the order of the arguments? */
static void report_gaps(const struct plan_node *n, struct buf *out)
{
    if (n->window.kind != WINDOW_HOP || n->window.slide <= n->window.size)
        return;
    step_name(n, out);
    buf_printf(out,
               "hop() leaves gaps: each window begins %.10g s after the one before and is %.10g s long; rows between "
               "them are in none\n    its arguments are the slide, then the size\n",
               (double)n->window.slide / 1e6, (double)n->window.size / 1e6);
}

/* How its rows come, and what tells them apart. */
static void report_rows(const struct plan_node *n, struct buf *out)
{
    static const char *const modes[] = {
        [MODE_APPEND] = "only added", [MODE_FINAL] = "added once they are final", [MODE_UPDATING] = "changed later"};
    buf_printf(out, "    its rows are %s", modes[n->mode]);
    if (n->nkeys == 0)
        buf_puts(out, "; no unique key is known");
    else if (n->keys[0].n == 0)
        buf_puts(out, "; there is one at most");
    for (uint32_t k = 0; k < n->nkeys && n->keys[k].n; k++) {
        buf_puts(out, k ? " or " : "; unique by ");
        column_names(n, n->keys[k].columns, n->keys[k].n, out);
    }
    buf_putc(out, '\n');
}

static void report_spill(const struct plan *p, struct buf *out)
{
    for (uint32_t i = 0; i < p->nsettings; i++)
        if (!strcmp(p->settings[i].name, "spill") && p->settings[i].value[0])
            buf_printf(out, "state past bourn.state_memory lies on disk, in %s\n", p->settings[i].value);
}

void plan_check_report(const struct plan *p, struct buf *out)
{
    for (uint32_t i = 0; i < p->nnodes; i++) {
        const struct plan_node *n = &p->nodes[i];
        if (n->kind == NODE_DEDUP)
            report_dedup(n, out);
        else if (n->kind == NODE_AGGREGATE)
            report_aggregate(p, n, out);
        else if (n->kind == NODE_SORT)
            report_sort(n, out);
        else if (n->kind == NODE_TOPN || n->kind == NODE_OVER)
            report_ordered(p, n, out);
        else if (n->kind == NODE_UNIQUE)
            report_unique(p, n, out);
        else if (n->kind == NODE_WINDOW)
            report_gaps(n, out);
        else if (n->kind == NODE_SESSION)
            report_session(p, n, out);
        else if (n->kind == NODE_JOIN)
            report_join(p, n, out);
        if (n->stateful)
            report_rows(n, out);
    }
    report_spill(p, out);
}
