#include "lake/parquet_out.h"

#include <stdlib.h>

#include "lake/thrift.h"

static const char magic[4] = {'P', 'A', 'R', '1'};

/* The part owns the buffer's bytes from now on. */
static void add_part(struct parquet_out *o, struct buf *b)
{
    if (b->len == 0) {
        buf_release(b);
        return;
    }
    if (o->nparts == o->parts_capacity) {
        o->parts_capacity = MAX((size_t)16, o->parts_capacity * 2);
        o->parts = mem_realloc(o->parts, o->parts_capacity * sizeof *o->parts);
    }
    o->parts[o->nparts++] = buf_slice(b);
    o->offset += b->len;
    *b = (struct buf)BUF(b->max);
}

static enum codec codec_of(enum parquet_codec codec)
{
    return codec == PARQUET_ZSTD ? CODEC_ZSTD : codec == PARQUET_SNAPPY ? CODEC_SNAPPY : CODEC_NONE;
}

void parquet_out_init(struct parquet_out *o, struct arena arena, struct parquet_node *root, const enum leaf_kind *kinds,
                      const bool *numeric, const struct parquet_options *options)
{
    *o = (struct parquet_out){
        .arena = arena, .root = root, .groups = BUF(PARQUET_MAX_FOOTER), .max_bytes = options->max_bytes};
    o->nleaves = parquet_tree_number(root);
    o->leaves = mem_array(o->nleaves, sizeof *o->leaves);
    leaf_tools_init(&o->tools, codec_of(options->codec), options->level);
    struct parquet_node *n = root;
    for (uint32_t i = 0; i < o->nleaves; i++) {
        while (!parquet_is_leaf(n)) { /* down to the child that holds leaf i */
            uint32_t c = n->nchildren - 1;
            while (n->children[c]->leaf > i)
                c--;
            n = n->children[c];
        }
        leaf_init(&o->leaves[i], n, kinds[i], o->max_bytes);
        o->leaves[i].numeric = numeric && numeric[i] && kinds[i] == LEAF_INT;
        n = root;
    }
    struct buf head = BUF(sizeof magic);
    buf_put(&head, magic, sizeof magic);
    add_part(o, &head);
}

void parquet_out_release(struct parquet_out *o)
{
    for (uint32_t i = 0; i < o->nleaves; i++)
        leaf_release(&o->leaves[i]);
    free(o->leaves);
    leaf_tools_release(&o->tools);
    for (size_t i = 0; i < o->nparts; i++)
        free((void *)o->parts[i].data);
    free(o->parts);
    buf_release(&o->groups);
    arena_release(&o->arena);
}

size_t parquet_out_group_bytes(const struct parquet_out *o)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < o->nleaves; i++)
        sum += leaf_bytes(&o->leaves[i]);
    return sum;
}

static void put_statistics(const struct leaf *l, struct buf *out, int16_t *last)
{
    int16_t inner = 0;
    char text[2][UUID_TEXT];
    struct parquet_stats s = leaf_stats(l, &l->chunk, text);
    AUTO(buf) min = BUF(UINT32_MAX);
    AUTO(buf) max = BUF(UINT32_MAX);
    if (s.has_bounds) {
        leaf_bound_put(l, &s.min, &min);
        leaf_bound_put(l, &s.max, &max);
    }
    thrift_put_struct(out, last, 12);
    thrift_put_int(out, &inner, 3, THRIFT_I64, (int64_t)s.nulls);
    if (s.has_bounds && min.len <= PARQUET_MAX_BOUND && max.len <= PARQUET_MAX_BOUND) {
        thrift_put_binary(out, &inner, 5, buf_slice(&max));
        thrift_put_binary(out, &inner, 6, buf_slice(&min));
    }
    thrift_put_stop(out);
}

static void put_path(const struct parquet_node *n, struct buf *out)
{
    if (n->parent->parent)
        put_path(n->parent, out);
    thrift_put_bytes(out, slice_of(n->name));
}

static uint32_t path_length(const struct parquet_node *n)
{
    return n->parent ? 1 + path_length(n->parent) : 0;
}

static void put_chunk_meta(const struct parquet_out *o, const struct leaf *l, const struct leaf_chunk *c,
                           struct buf *out)
{
    int16_t last = 0;
    thrift_put_int(out, &last, 1, THRIFT_I32, l->node->physical);
    thrift_put_list(out, &last, 2, THRIFT_I32, 1 + c->plain_pages + c->dict_pages * (c->plain_pages ? 1 : 2));
    thrift_put_varint(out, ENCODING_RLE);
    if (c->plain_pages || c->dict_pages)
        thrift_put_varint(out, ENCODING_PLAIN);
    if (c->dict_pages)
        thrift_put_varint(out, ENCODING_RLE_DICTIONARY);
    thrift_put_list(out, &last, 3, THRIFT_BINARY, path_length(l->node));
    put_path(l->node, out);
    thrift_put_int(out, &last, 4, THRIFT_I32, o->tools.codec);
    thrift_put_int(out, &last, 5, THRIFT_I64, (int64_t)c->values);
    thrift_put_int(out, &last, 6, THRIFT_I64, (int64_t)c->uncompressed);
    thrift_put_int(out, &last, 7, THRIFT_I64, (int64_t)(c->dict_page.len + c->pages.len));
    thrift_put_int(out, &last, 9, THRIFT_I64, (int64_t)(o->offset + c->dict_page.len));
    if (c->dict_pages)
        thrift_put_int(out, &last, 11, THRIFT_I64, (int64_t)o->offset);
    put_statistics(l, out, &last);
    thrift_put_stop(out);
}

enum status parquet_out_end_group(struct parquet_out *o, struct error *err)
{
    if (!o->group_rows)
        return OK;
    uint64_t start = o->offset, uncompressed = 0;
    int16_t last = 0;
    struct buf *g = &o->groups;
    bool overflow = false;
    thrift_put_list(g, &last, 1, THRIFT_STRUCT, o->nleaves);
    for (uint32_t i = 0; i < o->nleaves; i++) {
        struct leaf *l = &o->leaves[i];
        struct leaf_chunk c;
        int16_t column = 0;
        leaf_finish_chunk(l, &o->tools, &c);
        overflow |= c.pages.overflow || c.dict_page.overflow;
        uncompressed += c.uncompressed;
        thrift_put_int(g, &column, 2, THRIFT_I64, 0);
        thrift_put_struct(g, &column, 3);
        put_chunk_meta(o, l, &c, g);
        thrift_put_stop(g);
        leaf_merge_bounds(l);
        add_part(o, &c.dict_page);
        add_part(o, &c.pages);
    }
    thrift_put_int(g, &last, 2, THRIFT_I64, (int64_t)uncompressed);
    thrift_put_int(g, &last, 3, THRIFT_I64, (int64_t)o->group_rows);
    thrift_put_int(g, &last, 5, THRIFT_I64, (int64_t)start);
    thrift_put_int(g, &last, 6, THRIFT_I64, (int64_t)(o->offset - start));
    thrift_put_int(g, &last, 7, THRIFT_I16, MIN(o->ngroups, (uint32_t)INT16_MAX));
    thrift_put_stop(g);
    o->ngroups++;
    o->rows += o->group_rows;
    o->group_rows = 0;
    if (overflow || g->overflow || o->offset > o->max_bytes)
        return error_set(err, ERR_LIMIT, "a Parquet file would be larger than %llu bytes",
                         (unsigned long long)o->max_bytes);
    return OK;
}

static void put_footer(const struct parquet_out *o, struct buf *out)
{
    int16_t last = 0;
    AUTO(buf) schema = BUF(PARQUET_MAX_FOOTER);
    uint32_t nelements = parquet_tree_put(o->root, &schema);
    thrift_put_int(out, &last, 1, THRIFT_I32, 1);
    thrift_put_list(out, &last, 2, THRIFT_STRUCT, nelements);
    buf_put_slice(out, buf_slice(&schema));
    thrift_put_int(out, &last, 3, THRIFT_I64, (int64_t)o->rows);
    thrift_put_list(out, &last, 4, THRIFT_STRUCT, o->ngroups);
    buf_put_slice(out, buf_slice(&o->groups));
    thrift_put_binary(out, &last, 6, SLICE("bourn version " BOURN_VERSION " (build " BOURN_VERSION ")"));
    thrift_put_list(out, &last, 7, THRIFT_STRUCT, o->nleaves);
    for (uint32_t i = 0; i < o->nleaves; i++) { /* TYPE_ORDER */
        int16_t order = 0;
        thrift_put_struct(out, &order, 1);
        thrift_put_stop(out);
        thrift_put_stop(out);
    }
    thrift_put_stop(out);
}

enum status parquet_out_finish(struct parquet_out *o, struct error *err)
{
    TRY(parquet_out_end_group(o, err));
    struct buf footer = BUF(PARQUET_MAX_FOOTER * 2);
    put_footer(o, &footer);
    buf_put_u32(&footer, (uint32_t)footer.len);
    buf_put(&footer, magic, sizeof magic);
    bool overflow = footer.overflow || footer.len > PARQUET_MAX_FOOTER;
    add_part(o, &footer);
    if (overflow)
        return error_set(err, ERR_LIMIT, "the footer of a Parquet file would be larger than %zu bytes",
                         PARQUET_MAX_FOOTER);
    return OK;
}
