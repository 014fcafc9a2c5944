#include "lake/parquet_shred.h"

/* ---- the schema ---- */

struct spec {
    const char *p;
    struct arena *arena;
    enum leaf_kind kinds[128]; /* by leaf */
    uint32_t nleaves;
};

static struct parquet_node *make_node(struct spec *s, const char *name, size_t len, enum repetition r,
                                      uint32_t nchildren)
{
    struct parquet_node *n = arena_zalloc(s->arena, sizeof *n);
    n->name = arena_strndup(s->arena, name, len);
    n->repetition = r;
    n->nchildren = nchildren;
    n->children = arena_array(s->arena, MAX(nchildren, 1u), sizeof *n->children);
    return n;
}

static void set_leaf(struct spec *s, struct parquet_node *n, char type)
{
    assert(s->nleaves < ARRAY_LEN(s->kinds));
    s->kinds[s->nleaves++] = type == 's' ? LEAF_BYTES : type == 'b' ? LEAF_BOOL : LEAF_INT;
    n->physical = type == 's'   ? PHYSICAL_BYTES
                  : type == 'l' ? PHYSICAL_INT64
                  : type == 'i' ? PHYSICAL_INT32
                                : PHYSICAL_BOOLEAN;
    n->annotation = type == 's' ? ANNOTATION_STRING : ANNOTATION_NONE;
}

static struct parquet_node *string_leaf(struct spec *s, const char *name, enum repetition r)
{
    struct parquet_node *n = make_node(s, name, strlen(name), r, 0);
    set_leaf(s, n, 's');
    return n;
}

static void set_field(struct spec *s, struct parquet_node **field, const char *name, size_t len, char type)
{
    struct parquet_node *n = *field = make_node(s, name, len, OPTIONAL, type == 'a' || type == 'm');
    if (type == 'a') {
        n->annotation = ANNOTATION_LIST;
        n->children[0] = make_node(s, "list", 4, REPEATED, 1);
        n->children[0]->children[0] = string_leaf(s, "element", OPTIONAL);
    } else if (type == 'm') {
        n->annotation = ANNOTATION_MAP;
        n->children[0] = make_node(s, "key_value", 9, REPEATED, 2);
        n->children[0]->children[0] = string_leaf(s, "key", REQUIRED);
        n->children[0]->children[1] = string_leaf(s, "value", OPTIONAL);
    } else
        set_leaf(s, n, type);
}

static struct parquet_node *parse_group(struct spec *s, const char *name, size_t len)
{
    struct parquet_node *fields[64];
    uint32_t n = 0;
    while (*s->p && *s->p != '}') {
        const char *field = s->p;
        size_t k = strcspn(s->p, ":{");
        assert(n < ARRAY_LEN(fields) && field[k]);
        s->p += k + 1;
        if (field[k] == ':')
            set_field(s, &fields[n++], field, k, *s->p++);
        else {
            fields[n++] = parse_group(s, field, k);
            s->p++; /* the brace */
        }
        s->p += *s->p == ' ';
    }
    struct parquet_node *group = make_node(s, name, len, OPTIONAL, n);
    memcpy(group->children, fields, n * sizeof(struct parquet_node *));
    return group;
}

void parquet_shred_init(struct parquet_out *o, const char *schema, const struct parquet_options *options)
{
    struct arena a = {0};
    struct spec s = {.p = schema, .arena = &a};
    struct parquet_node *root = parse_group(&s, "schema", 6);
    root->repetition = REQUIRED;
    enum leaf_kind *kinds = arena_dup(&a, s.kinds, sizeof s.kinds);
    parquet_out_init(o, a, root, kinds, NULL, options);
}

/* ---- rows ---- */

static void put_entry(struct parquet_out *o, const struct parquet_node *n, uint8_t rep, uint8_t def, const void *value)
{
    leaf_put(&o->leaves[n->leaf], &o->tools, &def, &rep, 1, value, value != NULL);
}

/* Nothing below n: every leaf gets an entry that says down to where there was something. */
static void put_nothing(struct parquet_out *o, const struct parquet_node *n, uint8_t rep, uint8_t def)
{
    if (parquet_is_leaf(n))
        put_entry(o, n, rep, def, NULL);
    for (uint32_t i = 0; i < n->nchildren; i++)
        put_nothing(o, n->children[i], rep, def);
}

static void put_string(struct parquet_out *o, const struct parquet_node *n, const char *s, size_t len, uint8_t rep)
{
    struct view v = view_of(s, len);
    put_entry(o, n, rep, n->max_def, &v);
}

static void put_leaf(struct parquet_out *o, const struct parquet_node *n, const struct json *row, const char *key,
                     uint8_t rep, uint8_t def)
{
    const struct json *j = json_get(row, key);
    int64_t v;
    if (n->physical == PHYSICAL_BYTES && j && j->kind == JSON_STRING)
        put_string(o, n, j->text, j->len, rep);
    else if (n->physical == PHYSICAL_BOOLEAN && j && j->kind == JSON_BOOL) {
        v = j->truth;
        put_entry(o, n, rep, n->max_def, &v);
    } else if (n->physical != PHYSICAL_BYTES && n->physical != PHYSICAL_BOOLEAN && j && j->kind == JSON_NUMBER) {
        v = json_int(row, key, 0);
        put_entry(o, n, rep, n->max_def, &v);
    } else
        put_entry(o, n, rep, def, NULL);
}

/* A list or map that is there: r is its repeated node. */
static void put_repeated(struct parquet_out *o, const struct parquet_node *r, const struct json *j, uint8_t rep,
                         uint8_t def)
{
    if (!j->first)
        put_nothing(o, r, rep, def);
    for (const struct json *m = j->first; m; m = m->next, rep = r->max_rep) {
        const struct parquet_node *value = r->children[r->nchildren - 1];
        if (r->nchildren == 2)
            put_string(o, r->children[0], m->key, strlen(m->key), rep);
        if (m->kind == JSON_STRING)
            put_string(o, value, m->text, m->len, rep);
        else
            put_entry(o, value, rep, r->max_def, NULL);
    }
}

static void put_fields(struct parquet_out *o, const struct parquet_node *n, const struct json *row, uint8_t rep)
{
    for (uint32_t i = 0; i < n->nchildren; i++) {
        const struct parquet_node *c = n->children[i];
        const struct json *j = json_get(row, c->name);
        bool list = c->annotation == ANNOTATION_LIST;
        if (parquet_is_leaf(c))
            put_leaf(o, c, row, c->name, rep, n->max_def);
        else if (!j || j->kind != (list ? JSON_ARRAY : JSON_OBJECT))
            put_nothing(o, c, rep, n->max_def);
        else if (c->annotation)
            put_repeated(o, c->children[0], j, rep, c->max_def);
        else
            put_fields(o, c, j, rep);
    }
}

void parquet_shred_row(struct parquet_out *o, const struct json *row)
{
    put_fields(o, o->root, row, 0);
    for (uint32_t i = 0; i < o->nleaves; i++)
        leaf_end_row(&o->leaves[i], &o->tools);
    o->group_rows++;
}
