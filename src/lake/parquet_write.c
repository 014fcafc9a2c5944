#include <stdlib.h>

#include "column/array.h"
#include "lake/parquet_out.h"

struct parquet_writer {
    struct parquet_out out;
    struct schema schema;
    struct parquet_options options;
    struct parquet_stats *stats; /* of the finished file */
    char (*texts)[2][UUID_TEXT];
};

bool parquet_can_store(struct type t)
{
    if (t.id == TYPE_ARRAY)
        return t.element != TYPE_ARRAY && parquet_can_store(type_element(t));
    return t.id != TYPE_UNKNOWN && t.id != TYPE_INTERVAL && t.id < TYPE_COUNT;
}

const char *parquet_codec_name(enum parquet_codec codec)
{
    return codec == PARQUET_ZSTD ? "zstd" : codec == PARQUET_SNAPPY ? "snappy" : "plain";
}

/* ---- the schema ---- */

static enum leaf_kind numeric_node(struct type t, struct parquet_node *n)
{
    n->annotation = ANNOTATION_DECIMAL;
    n->precision = t.precision;
    n->scale = t.scale;
    n->physical = t.precision <= 9 ? PHYSICAL_INT32 : t.precision <= 18 ? PHYSICAL_INT64 : PHYSICAL_FIXED;
    if (n->physical != PHYSICAL_FIXED)
        return LEAF_INT;
    n->length = parquet_decimal_bytes(t.precision);
    return LEAF_DECIMAL;
}

static enum leaf_kind type_node(struct type t, struct parquet_node *n)
{
    switch (t.id) {
    case TYPE_BOOL:
        n->physical = PHYSICAL_BOOLEAN;
        return LEAF_BOOL;
    case TYPE_INT4:
        n->physical = PHYSICAL_INT32;
        return LEAF_INT;
    case TYPE_INT8:
        n->physical = PHYSICAL_INT64;
        return LEAF_INT;
    case TYPE_FLOAT8:
        n->physical = PHYSICAL_DOUBLE;
        return LEAF_DOUBLE;
    case TYPE_DATE:
        n->physical = PHYSICAL_INT32;
        n->annotation = ANNOTATION_DATE;
        return LEAF_INT;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        n->physical = PHYSICAL_INT64;
        n->annotation = ANNOTATION_TIMESTAMP;
        n->unit = UNIT_US;
        n->utc = t.id == TYPE_TIMESTAMPTZ;
        return LEAF_INT;
    case TYPE_NUMERIC:
        return numeric_node(t, n);
    case TYPE_BYTEA:
        n->physical = PHYSICAL_BYTES;
        return LEAF_BYTES;
    default:
        assert(t.id == TYPE_TEXT || t.id == TYPE_JSONB || t.id == TYPE_UUID);
        n->physical = PHYSICAL_BYTES;
        n->annotation = ANNOTATION_STRING;
        return t.id == TYPE_UUID ? LEAF_UUID : LEAF_BYTES;
    }
}

static struct parquet_node *only_child(struct parquet_node *n, const char *name, enum repetition repetition,
                                       struct arena *a)
{
    struct parquet_node *child = arena_zalloc(a, sizeof *child);
    child->name = name;
    child->repetition = repetition;
    n->nchildren = 1;
    n->children = arena_dup(a, &child, sizeof(struct parquet_node *));
    return child;
}

/* A list in three levels, as LogicalTypes.md has it; every column has one leaf. */
static enum leaf_kind column_node(struct type t, struct parquet_node *n, struct arena *a)
{
    if (t.id != TYPE_ARRAY)
        return type_node(t, n);
    n->annotation = ANNOTATION_LIST;
    return type_node(type_element(t), only_child(only_child(n, "list", REPEATED, a), "element", OPTIONAL, a));
}

static void copy_schema(const struct schema *from, struct arena *a, struct schema *to)
{
    *to = (struct schema){.ncols = from->ncols};
    to->names = arena_array(a, from->ncols, sizeof *to->names);
    to->types = arena_dup(a, from->types, from->ncols * sizeof *to->types);
    to->nullable = arena_array(a, from->ncols, sizeof *to->nullable);
    for (uint32_t i = 0; i < from->ncols; i++) {
        to->names[i] = arena_strdup(a, from->names[i]);
        to->nullable[i] = !from->nullable || from->nullable[i];
    }
}

struct parquet_writer *parquet_writer_new(const struct schema *schema, const struct parquet_options *options)
{
    struct parquet_writer *w = mem_zalloc(sizeof *w);
    struct arena a = {0};
    assert(schema->ncols > 0);
    copy_schema(schema, &a, &w->schema);
    if (options)
        w->options = *options;
    w->options.level = w->options.level ? w->options.level : 1;
    w->options.row_group_rows = w->options.row_group_rows ? w->options.row_group_rows : 1u << 20;
    w->options.row_group_bytes = w->options.row_group_bytes ? w->options.row_group_bytes : MIB(128);
    w->options.max_bytes = w->options.max_bytes ? w->options.max_bytes : GIB(2);
    struct parquet_node *root = arena_zalloc(&a, sizeof *root);
    enum leaf_kind *kinds = arena_array(&a, schema->ncols, sizeof *kinds);
    bool *numeric = arena_array(&a, schema->ncols, sizeof *numeric);
    root->name = "schema";
    root->nchildren = schema->ncols;
    root->children = arena_array(&a, schema->ncols, sizeof *root->children);
    for (uint32_t i = 0; i < schema->ncols; i++) {
        struct parquet_node *n = root->children[i] = arena_zalloc(&a, sizeof *n);
        assert(parquet_can_store(schema->types[i]));
        n->name = w->schema.names[i];
        n->repetition = w->schema.nullable[i] ? OPTIONAL : REQUIRED;
        kinds[i] = column_node(schema->types[i], n, &a);
        numeric[i] = schema->types[i].id == TYPE_NUMERIC;
    }
    parquet_out_init(&w->out, a, root, kinds, numeric, &w->options);
    return w;
}

void parquet_writer_free(struct parquet_writer *w)
{
    if (!w)
        return;
    parquet_out_release(&w->out);
    free(w->stats);
    free(w->texts);
    free(w);
}

uint64_t parquet_writer_rows(const struct parquet_writer *w)
{
    return w->out.rows + w->out.group_rows;
}

uint64_t parquet_writer_bytes(const struct parquet_writer *w)
{
    uint64_t bytes = w->out.offset;
    for (uint32_t i = 0; i < w->out.nleaves; i++) {
        const struct leaf *l = &w->out.leaves[i];
        bytes += l->pages.len + (leaf_bytes(l) - l->uncompressed);
    }
    return bytes;
}

/* ---- values ---- */

/* The rows from..from+n of a batch's live ones, dense and widened to what the leaf's kind takes. */
struct gathered {
    uint8_t def[BATCH_ROWS];
    bool has_def;
    uint32_t n, nvalues;
    union {
        int64_t i[BATCH_ROWS];
        double d[BATCH_ROWS];
        int128 n[BATCH_ROWS];
        struct view v[BATCH_ROWS];
    } values;
};

#define GATHER(field, type)                                                                                            \
    for (uint32_t k = 0; k < n; k++)                                                                                   \
    g->values.field[k] = ((const type *)c->data)[rows[k]]

/* All columns of a kind by their element; rows: those that have a value. */
static void gather_values(const struct column *c, const uint32_t *rows, uint32_t n, struct gathered *g)
{
    switch (c->type.id) {
    case TYPE_BOOL:
        GATHER(i, uint8_t);
        break;
    case TYPE_INT4:
    case TYPE_DATE:
        GATHER(i, int32_t);
        break;
    case TYPE_FLOAT8:
        GATHER(d, double);
        break;
    case TYPE_NUMERIC:
        if (type_is_small_numeric(c->type))
            GATHER(i, int64_t);
        else
            GATHER(n, int128);
        break;
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        GATHER(i, int64_t);
        break;
    default: /* views, uuid: 16 bytes each */
        GATHER(v, struct view);
    }
}

/* How many of the n rows fit a page of variable-length values; at least 1. */
static uint32_t fit_page(const struct column *c, const uint32_t *rows, uint32_t n)
{
    size_t bytes = 0;
    for (uint32_t k = 0; k < n; k++) {
        bytes += column_is_null(c, rows[k]) ? 0 : column_view(c, rows[k])->len;
        if (bytes > LEAF_PAGE_BYTES && k)
            return k;
    }
    return n;
}

static void gather(const struct column *c, const uint32_t *rows, uint32_t n, struct gathered *g)
{
    uint32_t there[BATCH_ROWS];
    g->n = g->nvalues = n;
    g->has_def = false;
    if (c->valid) {
        g->nvalues = 0;
        for (uint32_t k = 0; k < n; k++) {
            bool valid = bit_get(c->valid, rows[k]);
            g->def[k] = valid;
            there[g->nvalues] = rows[k];
            g->nvalues += valid;
        }
        g->has_def = g->nvalues < n;
        rows = there;
    }
    gather_values(c, rows, g->nvalues, g);
}

/* n <= BATCH_ROWS rows of one column. */
static enum status add_rows(struct parquet_writer *w, uint32_t column, const struct column *c, const uint32_t *rows,
                            uint32_t n, struct gathered *g, struct error *err)
{
    struct leaf *l = &w->out.leaves[column];
    while (n) {
        uint32_t take = MIN(n, leaf_room(l));
        if (type_is_view(c->type))
            take = fit_page(c, rows, take);
        gather(c, rows, take, g);
        if (g->has_def && !w->schema.nullable[column])
            return error_set(err, ERR_STATE, "column \"%s\" is NOT NULL in the file but has a NULL",
                             w->schema.names[column]);
        leaf_put(l, &w->out.tools, g->has_def ? g->def : NULL, NULL, g->n, &g->values, g->nvalues);
        rows += take;
        n -= take;
    }
    return OK;
}

/* One array: an entry that says there is none, or that it is empty, or one for each element. */
static void add_array(struct leaf *l, struct leaf_tools *t, const struct column *elements, uint32_t n, bool null,
                      struct gathered *g)
{
    uint8_t rep[BATCH_ROWS];
    uint32_t rows[BATCH_ROWS];
    const uint8_t element = l->node->max_def, none = (uint8_t)(element - 2 - null);
    if (n == 0)
        leaf_put(l, t, &none, &(uint8_t){0}, 1, NULL, 0);
    for (uint32_t from = 0; from < n; from += g->n) {
        uint32_t take = MIN(MIN(n - from, leaf_room(l)), (uint32_t)BATCH_ROWS);
        memset(rep, l->node->max_rep, take);
        rep[0] = from ? l->node->max_rep : 0;
        for (uint32_t k = 0; k < take; k++)
            rows[k] = from + k;
        gather(elements, rows, take, g);
        for (uint32_t k = 0; k < take; k++)
            g->def[k] = g->has_def ? (uint8_t)(element - 1 + g->def[k]) : element;
        leaf_put(l, t, g->def, rep, take, &g->values, g->nvalues);
    }
    leaf_end_row(l, t);
}

static enum status add_arrays(struct parquet_writer *w, uint32_t column, const struct column *c, const uint32_t *rows,
                              uint32_t n, struct gathered *g, struct error *err)
{
    AUTO(arena) scratch = {0};
    for (uint32_t k = 0; k < n; k++) {
        bool null = column_is_null(c, rows[k]);
        uint32_t count = 0;
        struct column elements = {0};
        if (null && !w->schema.nullable[column])
            return error_set(err, ERR_STATE, "column \"%s\" is NOT NULL in the file but has a NULL",
                             w->schema.names[column]);
        if (!null)
            elements = array_open(view_slice(column_view(c, rows[k])), c->type, &scratch, &count);
        add_array(&w->out.leaves[column], &w->out.tools, &elements, count, null, g);
        arena_reset(&scratch);
    }
    return OK;
}

enum status parquet_writer_add(struct parquet_writer *w, const struct batch *b, struct error *err)
{
    assert(b->ncols == w->schema.ncols);
    struct gathered *g = mem_alloc(sizeof *g);
    uint32_t rows[BATCH_ROWS];
    enum status status = OK;
    for (uint32_t from = 0; from < batch_live(b) && status == OK; from += BATCH_ROWS) {
        uint32_t n = MIN(batch_live(b) - from, (uint32_t)BATCH_ROWS);
        for (uint32_t k = 0; k < n; k++)
            rows[k] = batch_row(b, from + k);
        for (uint32_t c = 0; c < b->ncols && status == OK; c++) {
            assert(type_equal(b->cols[c].type, w->schema.types[c]));
            status = b->cols[c].type.id == TYPE_ARRAY ? add_arrays(w, c, &b->cols[c], rows, n, g, err)
                                                      : add_rows(w, c, &b->cols[c], rows, n, g, err);
        }
        w->out.group_rows += n;
        if (status == OK && (w->out.group_rows >= w->options.row_group_rows ||
                             parquet_out_group_bytes(&w->out) >= w->options.row_group_bytes))
            status = parquet_out_end_group(&w->out, err);
    }
    free(g);
    return status;
}

enum status parquet_writer_finish(struct parquet_writer *w, struct parquet_file *ret, struct error *err)
{
    assert(!w->stats);
    TRY(parquet_out_finish(&w->out, err));
    w->stats = mem_array(w->schema.ncols, sizeof *w->stats);
    w->texts = mem_array(w->schema.ncols, sizeof *w->texts);
    for (uint32_t i = 0; i < w->schema.ncols; i++)
        w->stats[i] = w->schema.types[i].id == TYPE_ARRAY /* what is known is of its elements */
                          ? (struct parquet_stats){0}
                          : leaf_stats(&w->out.leaves[i], &w->out.leaves[i].file, w->texts[i]);
    *ret = (struct parquet_file){.parts = w->out.parts,
                                 .nparts = w->out.nparts,
                                 .bytes = w->out.offset,
                                 .rows = w->out.rows,
                                 .schema = &w->schema,
                                 .stats = w->stats};
    return OK;
}
