/* Why a step is rebuilt, for people: the lowest step below it that the old plan does not have, and what of it is
 * another, as `bourn explain` writes it. */
#include <stdio.h>

#include "engine/change.h"

enum { LONGEST = 160 }; /* of a line that is quoted */

/* ---- finding the step ---- */

static bool has_rows(const struct plan *p, const char *rows)
{
    for (uint32_t i = 0; i < p->nnodes; i++)
        if (!strcmp(p->nodes[i].identity.rows, rows))
            return true;
    return false;
}

/* sound: NULL for steps of the old plan. */
static const struct plan_node *unknown_input(const struct plan *of, const struct plan_node *n, const struct plan *other,
                                             const bool *sound)
{
    for (uint32_t i = 0; i < n->ninputs; i++) {
        const struct plan_node *input = &of->nodes[n->inputs[i]];
        if ((sound && !sound[n->inputs[i]]) || !has_rows(other, input->identity.rows))
            return input;
    }
    return NULL;
}

static const struct plan_node *lowest(const struct plan *of, const struct plan_node *n, const struct plan *other,
                                      const bool *sound)
{
    for (const struct plan_node *below; (below = unknown_input(of, n, other, sound));)
        n = below;
    return n;
}

/* ---- finding what of it ---- */

static struct slice next_line(struct slice *text)
{
    const char *end = memchr(text->data, '\n', text->len);
    struct slice line = {text->data, end ? (size_t)(end - text->data) : text->len};
    size_t taken = line.len + (end != NULL);
    *text = (struct slice){text->data + taken, text->len - taken};
    while (line.len && *line.data == ' ')
        line = (struct slice){line.data + 1, line.len - 1};
    return line;
}

/* The first line of `text` that `other` does not have; empty: there is none. */
static struct slice first_other(struct slice text, struct slice other)
{
    while (text.len) {
        struct slice line = next_line(&text), rest = other;
        bool found = false;
        while (rest.len && !found)
            found = slice_equal(next_line(&rest), line);
        if (!found)
            return line;
    }
    return (struct slice){0};
}

static void put_line(struct buf *out, struct slice line)
{
    buf_put_slice(out, (struct slice){line.data, MIN(line.len, (size_t)LONGEST)});
    buf_puts(out, line.len > LONGEST ? "..." : "");
}

static void put_step(struct buf *out, const struct plan *p, const struct plan_node *n)
{
    AUTO(buf) text = BUF(SIZE_MAX);
    plan_explain_step(p, n, &text);
    struct slice rest = buf_slice(&text);
    put_line(out, next_line(&rest));
}

static bool put_lines(struct buf *out, const struct change *c, const struct plan_node *now,
                      const struct plan_node *before)
{
    AUTO(buf) new = BUF(SIZE_MAX), old = BUF(SIZE_MAX);
    plan_explain_step(c->now, now, &new);
    plan_explain_step(c->before, before, &old);
    struct slice is = first_other(buf_slice(&new), buf_slice(&old));
    struct slice was = first_other(buf_slice(&old), buf_slice(&new));
    put_line(out, is.len ? is : was);
    if (is.len && was.len) {
        buf_puts(out, ", was ");
        put_line(out, was);
    } else if (is.len || was.len) {
        buf_puts(out, is.len ? " is new" : " is gone");
    }
    return is.len || was.len;
}

static bool reads_column(const struct plan *p, const struct plan_node *n, const char *identity)
{
    for (uint32_t i = 0; i < n->ninputs; i++) {
        const struct plan_node *input = &p->nodes[n->inputs[i]];
        for (uint32_t k = 0; k < input->schema.ncols; k++)
            if (!strcmp(input->identity.columns[k], identity))
                return true;
    }
    return false;
}

/* A column that comes in to `n` and does not to `other`. */
static const char *other_column(const struct plan *p, const struct plan_node *n, const struct plan *others,
                                const struct plan_node *other)
{
    for (uint32_t i = 0; i < n->ninputs; i++) {
        const struct plan_node *input = &p->nodes[n->inputs[i]];
        for (uint32_t k = 0; k < input->schema.ncols; k++)
            if (!reads_column(others, other, input->identity.columns[k]))
                return input->schema.names[k];
    }
    return NULL;
}

static void put_difference(struct buf *out, const struct change *c, const struct plan_node *now,
                           const struct plan_node *before)
{
    const char *column;
    if (put_lines(out, c, now, before))
        return;
    const struct plan_node *gone = lowest(c->before, before, c->now, NULL);
    if (gone != before) {
        put_step(out, c->before, gone);
        buf_puts(out, " is gone");
    } else if ((column = other_column(c->now, now, c->before, before))) {
        buf_printf(out, "it reads column \"%s\", which is new or another", column);
    } else if ((column = other_column(c->before, before, c->now, now))) {
        buf_printf(out, "it reads column \"%s\" no more", column);
    } else {
        buf_puts(out, "its columns have another order");
    }
}

/* A column of another type, or out of which rows were refused that are not any more. */
static void put_source(struct buf *out, const struct change *c, const struct plan_node *now,
                       const struct plan_node *before)
{
    char is[40], was[40];
    for (uint32_t i = 0; i < now->schema.ncols; i++)
        for (uint32_t k = 0; k < before->schema.ncols; k++)
            if (!strcmp(now->schema.names[i], before->schema.names[k]) &&
                !type_equal(now->schema.types[i], before->schema.types[k])) {
                buf_printf(out, "column \"%s\" is %s, was %s", now->schema.names[i],
                           type_name(now->schema.types[i], is), type_name(before->schema.types[k], was));
                return;
            }
    const char *gone = change_refusing_column(c, now, before);
    if (gone)
        buf_printf(out, "column \"%s\" is gone, by whose type rows were rejected", gone);
    else
        put_difference(out, c, now, before);
}

void change_reason(const struct change *c, const struct change_step *s, struct buf *out)
{
    if (!s->now || !s->before || (s->fate == STEP_KEPT && s->sink != SINK_GROWN))
        return;
    const struct plan_node *n = lowest(c->now, s->now, c->before, c->sound);
    const struct plan_node *before = c->steps[n - c->now->nodes].before;
    if (n != s->now)
        buf_printf(out, "since %s, %s: ", n->id, n->name);
    if (!before) {
        put_step(out, c->now, n);
        buf_puts(out, " is new");
    } else if (n->kind == NODE_SCAN) {
        put_source(out, c, n, before);
    } else if (n->kind == NODE_RELATION) {
        buf_puts(out, "a source has another contract");
    } else {
        put_difference(out, c, n, before);
    }
}
