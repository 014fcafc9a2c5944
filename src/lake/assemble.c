#include "lake/assemble.h"

#include <stdio.h>

struct assembly {
    struct leaf_cursor *cursors;
    uint32_t first; /* leaf of cursors[0] */
    struct buf *out;
};

static struct leaf_cursor *cursor_of(const struct assembly *a, const struct parquet_node *n)
{
    return &a->cursors[n->leaf - a->first];
}

static uint32_t count_leaves(const struct parquet_node *n)
{
    uint32_t sum = parquet_is_leaf(n);
    for (uint32_t i = 0; i < n->nchildren; i++)
        sum += count_leaves(n->children[i]);
    return sum;
}

/* The current entry's levels; ERR_CORRUPT at the end of the column. */
static enum status look(struct leaf_cursor *c, struct error *err)
{
    if (c->entry < c->leaf->n)
        return OK;
    TRY(leaf_reader_fill(c->leaf, DECODE_BLOCK, err));
    c->entry = c->value = 0;
    if (!c->leaf->n)
        return error_set(err, ERR_CORRUPT, "column \"%s\" has fewer values than rows", c->leaf->node->name);
    return OK;
}

static void step(struct leaf_cursor *c)
{
    c->value += c->leaf->def[c->entry] == c->leaf->node->max_def;
    c->entry++;
}

/* Nothing is there at n: one entry of each leaf below it says so. */
static enum status pass(const struct assembly *a, const struct parquet_node *n, struct error *err)
{
    struct leaf_cursor *c = cursor_of(a, n);
    for (uint32_t i = count_leaves(n); i; i--, c++) {
        TRY(look(c, err));
        if (c->leaf->def[c->entry] >= n->max_def)
            return error_set(err, ERR_CORRUPT, "the levels of column \"%s\" contradict each other", n->name);
        step(c);
    }
    return OK;
}

static enum status put_node(struct assembly *a, const struct parquet_node *n, struct error *err);

/* Is there another element of the repeated node n? Asked after one was taken. */
static enum status more(const struct assembly *a, const struct parquet_node *n, bool *ret, struct error *err)
{
    struct leaf_cursor *c = cursor_of(a, n);
    if (a->out->overflow)
        return error_set(err, ERR_LIMIT, "a value of column \"%s\" is longer than %d bytes", n->name,
                         ASSEMBLE_MAX_VALUE);
    if (c->entry == c->leaf->n && c->leaf->entries_left == 0) {
        *ret = false;
        return OK;
    }
    TRY(look(c, err));
    *ret = c->leaf->rep[c->entry] == n->max_rep;
    return OK;
}

/* n is there and not repeated (or one element of it). */
static enum status put_present(struct assembly *a, const struct parquet_node *n, struct error *err);

static bool element_is_child(const struct parquet_node *list, const struct parquet_node *r)
{
    char tuple[300];
    if (r->nchildren != 1 || r->children[0]->repetition == REPEATED)
        return false;
    snprintf(tuple, sizeof tuple, "%s_tuple", list->name);
    return strcmp(r->name, "array") != 0 && strcmp(r->name, tuple) != 0;
}

/* The elements of a repeated node. list: the LIST group around it, or NULL. */
static enum status put_list(struct assembly *a, const struct parquet_node *list, const struct parquet_node *r,
                            struct error *err)
{
    struct leaf_cursor *c = cursor_of(a, r);
    buf_putc(a->out, '[');
    TRY(look(c, err));
    if (c->leaf->def[c->entry] < r->max_def)
        TRY(pass(a, r, err));
    else
        for (bool again = true; again;) {
            TRY(list && element_is_child(list, r) ? put_node(a, r->children[0], err) : put_present(a, r, err));
            TRY(more(a, r, &again, err));
            if (again)
                buf_putc(a->out, ',');
        }
    buf_putc(a->out, ']');
    return OK;
}

static enum status put_entry(struct assembly *a, const struct parquet_node *r, struct error *err)
{
    const struct parquet_node *key = r->children[0];
    struct leaf_cursor *c = cursor_of(a, key);
    AUTO(buf) text = BUF(ASSEMBLE_MAX_VALUE);
    TRY(look(c, err));
    if (c->leaf->def[c->entry] != key->max_def)
        return error_set(err, ERR_CORRUPT, "a map's key is NULL in column \"%s\"", r->parent->name);
    TRY(convert_key(c->leaf, c->value, &text, err));
    step(c);
    buf_put_json(a->out, buf_slice(&text));
    buf_putc(a->out, ':');
    if (r->nchildren == 1) {
        buf_puts(a->out, "null");
        return OK;
    }
    return put_node(a, r->children[1], err);
}

static enum status put_map(struct assembly *a, const struct parquet_node *r, struct error *err)
{
    struct leaf_cursor *c = cursor_of(a, r);
    buf_putc(a->out, '{');
    TRY(look(c, err));
    if (c->leaf->def[c->entry] < r->max_def)
        TRY(pass(a, r, err));
    else
        for (bool again = true; again;) {
            TRY(put_entry(a, r, err));
            TRY(more(a, r, &again, err));
            if (again)
                buf_putc(a->out, ',');
        }
    buf_putc(a->out, '}');
    return OK;
}

static bool is_map(const struct parquet_node *n)
{
    if (n->annotation != ANNOTATION_MAP || n->nchildren != 1)
        return false;
    const struct parquet_node *r = n->children[0];
    return r->repetition == REPEATED && (r->nchildren == 1 || r->nchildren == 2) && parquet_is_leaf(r->children[0]) &&
           r->children[0]->repetition != REPEATED;
}

static enum status put_present(struct assembly *a, const struct parquet_node *n, struct error *err)
{
    if (parquet_is_leaf(n)) {
        struct leaf_cursor *c = cursor_of(a, n);
        TRY(look(c, err));
        if (c->leaf->def[c->entry] != n->max_def)
            return error_set(err, ERR_CORRUPT, "the levels of column \"%s\" contradict each other", n->name);
        TRY(convert_json(c->leaf, c->value, a->out, err));
        step(c);
        return OK;
    }
    if (is_map(n))
        return put_map(a, n->children[0], err);
    if (n->annotation == ANNOTATION_LIST && n->nchildren == 1 && n->children[0]->repetition == REPEATED)
        return put_list(a, n, n->children[0], err);
    buf_putc(a->out, '{');
    for (uint32_t i = 0; i < n->nchildren; i++) {
        if (i)
            buf_putc(a->out, ',');
        buf_put_json(a->out, slice_of(n->children[i]->name));
        buf_putc(a->out, ':');
        TRY(put_node(a, n->children[i], err));
    }
    buf_putc(a->out, '}');
    return OK;
}

static enum status is_there(const struct assembly *a, const struct parquet_node *n, bool *ret, struct error *err)
{
    struct leaf_cursor *c = cursor_of(a, n);
    TRY(look(c, err));
    *ret = n->repetition != OPTIONAL || c->leaf->def[c->entry] >= n->max_def;
    return OK;
}

static enum status put_node(struct assembly *a, const struct parquet_node *n, struct error *err)
{
    bool there;
    if (n->repetition == REPEATED)
        return put_list(a, NULL, n, err);
    TRY(is_there(a, n, &there, err));
    if (there)
        return put_present(a, n, err);
    buf_puts(a->out, "null");
    return pass(a, n, err);
}

enum status assemble_value(const struct parquet_node *n, struct leaf_cursor *cursors, struct buf *out, bool *ret_null,
                           struct error *err)
{
    struct assembly a = {.cursors = cursors, .first = n->leaf, .out = out};
    bool there;
    TRY(is_there(&a, n, &there, err));
    if (there)
        TRY(put_node(&a, n, err));
    else
        TRY(pass(&a, n, err));
    if (out->overflow)
        return error_set(err, ERR_LIMIT, "a value of column \"%s\" is longer than %d bytes", n->name,
                         ASSEMBLE_MAX_VALUE);
    *ret_null = !there;
    return OK;
}

/* ---- lists of scalars ---- */

const struct parquet_node *assemble_element(const struct parquet_node *n)
{
    if (n->repetition == REPEATED)
        return parquet_is_leaf(n) ? n : NULL;
    if (n->annotation != ANNOTATION_LIST || n->nchildren != 1 || n->children[0]->repetition != REPEATED)
        return NULL;
    const struct parquet_node *r = n->children[0];
    if (parquet_is_leaf(r))
        return r;
    return element_is_child(n, r) && parquet_is_leaf(r->children[0]) ? r->children[0] : NULL;
}

static void grow(struct column *c, uint32_t *cap, struct arena *a)
{
    uint32_t before = *cap;
    *cap = before ? before * 2 : 64;
    struct column more = column_make(a, c->type, *cap, true);
    if (before) {
        memcpy(more.data, c->data, before * type_width(c->type));
        memcpy(more.valid, c->valid, BITMAP_WORDS(before) * sizeof *more.valid);
    }
    *c = more;
}

static enum status put_element(struct leaf_cursor *c, struct column *elements, uint32_t at, struct convert_target *t,
                               struct error *err)
{
    size_t width = type_width(elements->type);
    bool there = c->leaf->def[c->entry] == c->leaf->node->max_def;
    if (there) {
        TRY(convert_one(c->leaf, c->value, elements, at, t, err));
        bit_set(elements->valid, at);
    } else {
        bit_clear(elements->valid, at);
        memset((char *)elements->data + at * width, 0, width);
    }
    step(c);
    return OK;
}

enum status assemble_list(const struct parquet_node *n, struct leaf_cursor *cursor, struct column *elements,
                          uint32_t *cap, uint32_t *ret_n, bool *ret_null, struct convert_target *t, struct error *err)
{
    const struct parquet_node *r = n->repetition == REPEATED ? n : n->children[0];
    uint32_t count = 0;
    TRY(look(cursor, err));
    uint8_t def = cursor->leaf->def[cursor->entry];
    *ret_null = n->repetition == OPTIONAL && def < n->max_def;
    *ret_n = 0;
    if (def < r->max_def) {
        step(cursor);
        return OK;
    }
    for (bool again = true; again;) {
        if (count == *cap)
            grow(elements, cap, t->arena);
        TRY(put_element(cursor, elements, count++, t, err));
        again = cursor->entry < cursor->leaf->n || cursor->leaf->entries_left > 0;
        if (again)
            TRY(look(cursor, err));
        again = again && cursor->leaf->rep[cursor->entry] == r->max_rep;
        if (again && count > ASSEMBLE_MAX_VALUE / 4)
            return error_set(err, ERR_LIMIT, "an array of column \"%s\" has too many elements", n->name);
    }
    *ret_n = count;
    return OK;
}
