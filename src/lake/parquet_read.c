#include <stdlib.h>

#include "column/array.h"
#include "lake/assemble.h"
#include "lake/parquet.h"

enum { TAIL = 1 << 16 };         /* bytes read at the end of a file at first: most footers are shorter */
#define BATCH_STRINGS_MAX GIB(1) /* bytes of strings in one batch */

struct read_column {
    const struct parquet_node *node; /* NULL: not in the file */
    struct type type;
    bool nested;
    uint32_t nleaves;
    struct leaf_reader **leaves;
    struct leaf_cursor *cursors; /* nested */
    struct view *views;          /* per dictionary entry, see convert_target */
    uint32_t *stamps;
    uint32_t nviews, stamp;
};

struct parquet_reader {
    struct store *store; /* NULL: bytes */
    struct slice bytes;
    uint64_t file_bytes;
    char *name;
    struct arena arena;
    struct parquet_footer footer;
    struct schema schema;
    struct codec_state *codecs;
    struct read_column *columns;
    uint32_t ncolumns;
    struct type *types; /* of the columns */
    bool selected;
    uint32_t group;
    uint64_t rows_left; /* in the row group */
};

/* ---- opening ---- */

static enum status read_range(struct parquet_reader *r, uint64_t offset, void *into, size_t n, struct error *err)
{
    if (n == 0)
        return OK;
    if (r->store)
        return r->store->ops->get_range(r->store, r->name, offset, into, n, err);
    assert(offset <= r->bytes.len && n <= r->bytes.len - offset);
    memcpy(into, r->bytes.data + offset, n);
    return OK;
}

static enum status read_footer(struct parquet_reader *r, struct error *err)
{
    if (r->file_bytes < 12)
        return error_set(err, ERR_CORRUPT, "not a Parquet file: %llu bytes", (unsigned long long)r->file_bytes);
    size_t tail = (size_t)MIN(r->file_bytes, (uint64_t)TAIL);
    AUTO(buf) b = BUF(PARQUET_MAX_FOOTER + TAIL);
    TRY(read_range(r, r->file_bytes - tail, buf_reserve(&b, tail), tail, err));
    const char *end = b.data + tail;
    if (memcmp(end - 4, "PARE", 4) == 0)
        return error_set(err, ERR_UNSUPPORTED, "the file is encrypted");
    /* the first bytes are looked at only where they cost no request of their own */
    if ((tail == r->file_bytes && memcmp(b.data, "PAR1", 4) != 0) || memcmp(end - 4, "PAR1", 4) != 0)
        return error_set(err, ERR_CORRUPT, "not a Parquet file");
    size_t n = load_u32(end - 8);
    if (n > r->file_bytes - 12 || n > PARQUET_MAX_FOOTER)
        return error_set(err, ERR_CORRUPT, "the footer is said to have %zu bytes", n);
    struct slice footer = {end - 8 - n, n};
    if (n > tail - 8) {
        buf_clear(&b);
        char *at = buf_reserve(&b, n);
        TRY(read_range(r, r->file_bytes - 8 - n, at, n, err));
        footer = (struct slice){at, n};
    }
    return parquet_footer_read(footer, r->file_bytes, &r->arena, &r->footer, err);
}

static bool is_nested(const struct parquet_node *n)
{
    return !parquet_is_leaf(n) || n->repetition == REPEATED;
}

static void make_schema(struct parquet_reader *r)
{
    const struct parquet_node *root = r->footer.root;
    uint32_t n = root->nchildren;
    r->schema = (struct schema){.ncols = n};
    r->schema.names = arena_array(&r->arena, MAX(n, 1u), sizeof *r->schema.names);
    r->schema.types = arena_array(&r->arena, MAX(n, 1u), sizeof *r->schema.types);
    r->schema.nullable = arena_array(&r->arena, MAX(n, 1u), sizeof *r->schema.nullable);
    for (uint32_t i = 0; i < n; i++) {
        const struct parquet_node *c = root->children[i];
        r->schema.names[i] = c->name;
        r->schema.types[i] = is_nested(c) ? TYPE(TYPE_JSONB) : natural_type(c);
        r->schema.nullable[i] = c->repetition != REQUIRED;
    }
}

static enum status open_reader(struct parquet_reader *r, struct parquet_reader **ret, struct error *err)
{
    if (read_footer(r, err) != OK) {
        enum status failed = error_prefix(err, "%s", r->name);
        parquet_reader_free(r);
        return failed;
    }
    make_schema(r);
    r->codecs = codec_state_new();
    *ret = r;
    return OK;
}

enum status parquet_reader_open(struct store *s, const char *name, struct parquet_reader **ret, struct error *err)
{
    struct store_object object;
    TRY(s->ops->head(s, name, &object, err));
    struct parquet_reader *r = mem_zalloc(sizeof *r);
    r->store = s;
    r->name = mem_strdup(name);
    r->file_bytes = object.size;
    return open_reader(r, ret, err);
}

enum status parquet_reader_open_bytes(struct slice bytes, const char *name, struct parquet_reader **ret,
                                      struct error *err)
{
    struct parquet_reader *r = mem_zalloc(sizeof *r);
    r->bytes = bytes;
    r->name = mem_strdup(name);
    r->file_bytes = bytes.len;
    return open_reader(r, ret, err);
}

static void column_release(struct read_column *c)
{
    for (uint32_t i = 0; i < c->nleaves; i++) {
        leaf_reader_release(c->leaves[i]);
        free(c->leaves[i]);
    }
    free(c->leaves);
    free(c->cursors);
    free(c->views);
    free(c->stamps);
}

void parquet_reader_free(struct parquet_reader *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->ncolumns; i++)
        column_release(&r->columns[i]);
    free(r->columns);
    free(r->types);
    codec_state_free(r->codecs);
    arena_release(&r->arena);
    free(r->name);
    free(r);
}

uint64_t parquet_reader_rows(const struct parquet_reader *r)
{
    return r->footer.rows;
}

const struct schema *parquet_reader_schema(const struct parquet_reader *r)
{
    return &r->schema;
}

/* ---- choosing columns ---- */

static bool same_ignoring_case(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a, y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

static const struct parquet_node *find_column(const struct parquet_reader *r, const char *name)
{
    const struct parquet_node *root = r->footer.root, *found = NULL;
    unsigned matches = 0;
    for (uint32_t i = 0; i < root->nchildren; i++) {
        if (strcmp(root->children[i]->name, name) == 0)
            return root->children[i];
        if (same_ignoring_case(root->children[i]->name, name)) {
            found = root->children[i];
            matches++;
        }
    }
    return matches == 1 ? found : NULL;
}

static enum status check_codecs(const struct parquet_reader *r, uint32_t leaf, struct error *err)
{
    for (uint32_t g = 0; g < r->footer.ngroups; g++) {
        int codec = r->footer.groups[g].chunks[leaf].codec;
        if (!codec_is_known(codec))
            return error_set(err, ERR_UNSUPPORTED, "compression %s is not supported", codec_name(codec));
    }
    return OK;
}

static enum status open_column(struct parquet_reader *r, struct read_column *c, const char *name, struct type type,
                               struct error *err)
{
    *c = (struct read_column){.node = find_column(r, name), .type = type};
    if (type.id == TYPE_UNKNOWN)
        return error_set(err, ERR_UNSUPPORTED, "column \"%s\" has a type that cannot be read", name);
    if (!c->node)
        return OK;
    c->nested = is_nested(c->node);
    if (!c->nested)
        TRY(convert_check(c->node, type, err));
    else if (type.id == TYPE_ARRAY && assemble_element(c->node))
        TRY(convert_check(assemble_element(c->node), type_element(type), err));
    else if (type.id != TYPE_JSONB && type.id != TYPE_TEXT)
        return error_set(err, ERR_STATE,
                         "column \"%s\" is nested in the file and can only be read as jsonb, text or, if it is a list "
                         "of scalars, as an array",
                         name);
    uint32_t end = c->node->leaf;
    while (end < r->footer.nleaves) { /* leaves below the node are neighbours */
        const struct parquet_node *up = r->footer.leaves[end];
        while (up->parent && up->parent != r->footer.root)
            up = up->parent;
        if (up != c->node)
            break;
        end++;
    }
    uint32_t n = end - c->node->leaf;
    c->leaves = mem_array(n, sizeof(struct leaf_reader *));
    c->cursors = mem_zalloc(n * sizeof *c->cursors);
    for (; c->nleaves < n; c->nleaves++) {
        uint32_t leaf = c->node->leaf + c->nleaves;
        TRY(check_codecs(r, leaf, err));
        c->leaves[c->nleaves] = mem_alloc(sizeof(struct leaf_reader));
        leaf_reader_init(c->leaves[c->nleaves], r->footer.leaves[leaf], r->codecs);
        c->cursors[c->nleaves].leaf = c->leaves[c->nleaves];
    }
    return OK;
}

enum status parquet_reader_select(struct parquet_reader *r, const struct schema *want, struct error *err)
{
    assert(!r->selected);
    r->columns = mem_zalloc(MAX(want->ncols, 1u) * sizeof *r->columns);
    r->types = mem_array(MAX(want->ncols, 1u), sizeof *r->types);
    for (uint32_t i = 0; i < want->ncols; i++) {
        r->types[i] = want->types[i];
        r->ncolumns++;
        if (open_column(r, &r->columns[i], want->names[i], want->types[i], err) != OK)
            return error_prefix(err, "%s", r->name);
    }
    r->selected = true;
    return OK;
}

/* ---- rows ---- */

static enum status start_group(struct parquet_reader *r, struct error *err)
{
    const struct parquet_group *g = &r->footer.groups[r->group++];
    r->rows_left = g->rows;
    for (uint32_t i = 0; i < r->ncolumns; i++) {
        struct read_column *c = &r->columns[i];
        for (uint32_t k = 0; k < c->nleaves; k++) {
            const struct parquet_chunk *chunk = &g->chunks[c->node->leaf + k];
            char *at = leaf_reader_start(c->leaves[k], chunk);
            TRY(read_range(r, chunk->offset, at, chunk->bytes, err));
            c->cursors[k].entry = c->cursors[k].value = 0;
        }
        c->nviews = 0;
    }
    return OK;
}

/* Remember copied strings by dictionary entry once the block's dictionary is known. */
static void remember_strings(struct read_column *c, struct convert_target *t)
{
    const struct leaf_reader *l = c->leaves[0];
    t->views = NULL;
    if (!l->dict_s || !type_is_view(c->type))
        return;
    if (c->nviews != l->ndict) {
        free(c->views);
        free(c->stamps);
        c->views = mem_array(MAX(l->ndict, 1u), sizeof *c->views);
        c->stamps = mem_zalloc(MAX(l->ndict, 1u) * sizeof *c->stamps);
        c->nviews = l->ndict;
    }
    t->views = c->views;
    t->stamps = c->stamps;
    t->stamp = c->stamp;
}

static enum status read_flat(struct read_column *c, struct column *out, uint32_t n, struct convert_target *t,
                             struct error *err)
{
    struct leaf_reader *l = c->leaves[0];
    c->stamp++;
    for (uint32_t done = 0; done < n; done += l->n) {
        TRY(leaf_reader_fill(l, n - done, err));
        if (!l->n)
            return error_set(err, ERR_CORRUPT, "column \"%s\" has fewer values than rows", c->node->name);
        remember_strings(c, t);
        TRY(convert_block(l, out, done, n, t, err));
    }
    return OK;
}

static enum status read_nested(struct read_column *c, struct column *out, uint32_t n, struct convert_target *t,
                               struct error *err)
{
    AUTO(buf) text = BUF(ASSEMBLE_MAX_VALUE);
    for (uint32_t row = 0; row < n; row++) {
        bool null;
        buf_clear(&text);
        TRY(assemble_value(c->node, c->cursors, &text, &null, err));
        if (null) {
            column_set_null(out, t->arena, n, row);
            ((struct view *)out->data)[row] = (struct view){0};
            continue;
        }
        if (text.len > t->bytes_left)
            return error_set(err, ERR_LIMIT, "column \"%s\": values of a batch are too long", c->node->name);
        t->bytes_left -= text.len;
        const char *p = text.len > VIEW_INLINE ? arena_dup(t->arena, text.data, text.len) : text.data;
        ((struct view *)out->data)[row] = view_of(p, text.len);
    }
    return OK;
}

static enum status read_arrays(struct read_column *c, struct column *out, uint32_t n, struct convert_target *t,
                               struct error *err)
{
    AUTO(arena) strings = {0};
    AUTO(buf) bytes = BUF(ARRAY_MAX_BYTES);
    struct convert_target own = {.arena = &strings, .bytes_left = t->bytes_left};
    for (uint32_t row = 0; row < n; row++) {
        struct column elements = {.type = type_element(c->type)};
        uint32_t count, cap = 0;
        bool null;
        TRY(assemble_list(c->node, c->cursors, &elements, &cap, &count, &null, &own, err));
        buf_clear(&bytes);
        array_put(&bytes, &elements, 0, count);
        if (bytes.overflow || bytes.len > t->bytes_left)
            return error_set(err, ERR_LIMIT, "column \"%s\": an array, or those of a batch, are too long",
                             c->node->name);
        t->bytes_left -= bytes.len;
        if (null)
            column_set_null(out, t->arena, n, row);
        else
            ((struct view *)out->data)[row] = view_copy(view_of(bytes.data, bytes.len), t->arena);
        arena_reset(&strings);
    }
    return OK;
}

static void all_null(struct column *c, struct arena *a, uint32_t n)
{
    c->valid = arena_zarray(a, BITMAP_WORDS(n), sizeof *c->valid);
    memset(c->data, 0, n * type_width(c->type));
}

static enum status next_batch(struct parquet_reader *r, struct arena *a, struct batch **ret, struct error *err)
{
    while (r->rows_left == 0) {
        if (r->group == r->footer.ngroups) {
            *ret = NULL;
            return OK;
        }
        TRY(start_group(r, err));
    }
    uint32_t n = (uint32_t)MIN(r->rows_left, (uint64_t)BATCH_ROWS);
    struct batch *b = batch_make(a, r->types, r->ncolumns, n);
    struct convert_target t = {.arena = a, .bytes_left = BATCH_STRINGS_MAX};
    for (uint32_t i = 0; i < r->ncolumns; i++) {
        struct read_column *c = &r->columns[i];
        if (!c->node)
            all_null(&b->cols[i], a, n);
        else if (c->nested && c->type.id == TYPE_ARRAY)
            TRY(read_arrays(c, &b->cols[i], n, &t, err));
        else if (c->nested)
            TRY(read_nested(c, &b->cols[i], n, &t, err));
        else
            TRY(read_flat(c, &b->cols[i], n, &t, err));
    }
    b->rows = b->live = n;
    r->rows_left -= n;
    *ret = b;
    return OK;
}

enum status parquet_reader_next(struct parquet_reader *r, struct arena *a, struct batch **ret, struct error *err)
{
    if (!r->selected)
        TRY(parquet_reader_select(r, &r->schema, err));
    if (next_batch(r, a, ret, err) != OK)
        return error_prefix(err, "%s", r->name);
    return OK;
}
