#include "lake/leaf_read.h"

#include <stdlib.h>
#include <zlib.h>

enum { MAX_PAGE_VALUES = 1 << 26, MAX_HEADER = 1 << 20 };

void leaf_reader_init(struct leaf_reader *l, const struct parquet_node *node, struct codec_state *codecs)
{
    memset(l, 0, sizeof *l);
    l->node = node;
    l->codecs = codecs;
    l->chunk.max = SIZE_MAX;
    l->page.max = l->dict_bytes.max = CODEC_MAX_PAGE * 2;
    l->made.max = l->dict_made.max = GIB(1);
}

static void drop_dictionary(struct leaf_reader *l)
{
    free(l->dict_i);
    free(l->dict_s);
    l->dict_i = NULL;
    l->dict_s = NULL;
    l->has_dict = false;
    l->ndict = 0;
}

void leaf_reader_release(struct leaf_reader *l)
{
    drop_dictionary(l);
    decoder_release(&l->decoder);
    buf_release(&l->chunk);
    buf_release(&l->dict_bytes);
    buf_release(&l->dict_made);
    buf_release(&l->page);
    buf_release(&l->made);
}

char *leaf_reader_start(struct leaf_reader *l, const struct parquet_chunk *chunk)
{
    drop_dictionary(l);
    buf_clear(&l->chunk);
    char *at = buf_reserve(&l->chunk, chunk->bytes);
    l->chunk.len = chunk->bytes;
    l->at = 0;
    l->codec = chunk->codec;
    l->entries_left = chunk->num_values;
    l->page_left = l->n = 0;
    return at;
}

/* ---- pages ---- */

static enum status unpack(struct leaf_reader *l, const struct parquet_page *p, struct slice bytes, size_t plain,
                          struct buf *into, struct error *err)
{
    int codec = p->is_compressed ? l->codec : CODEC_NONE;
    size_t size = p->uncompressed - plain;
    TRY(codec_check_size(bytes.len, size, err));
    buf_clear(into);
    char *at = buf_reserve(into, plain + size + 1); /* + 1: never NULL for an empty page */
    if (!at)
        return error_set(err, ERR_LIMIT, "a page is too large");
    memcpy(at, bytes.data, plain);
    bytes = (struct slice){bytes.data + plain, bytes.len - plain};
    TRY(codec_decompress(l->codecs, codec, bytes, at + plain, size, err));
    into->len = plain + size;
    return OK;
}

/* The least an entry of a PLAIN dictionary takes. */
static size_t entry_bytes(const struct parquet_node *n)
{
    switch (n->physical) {
    case PHYSICAL_INT96:
        return 12;
    case PHYSICAL_INT64:
    case PHYSICAL_DOUBLE:
        return 8;
    case PHYSICAL_FIXED:
        return (size_t)n->length;
    default:
        return 4;
    }
}

static enum status read_dictionary(struct leaf_reader *l, const struct parquet_page *p, struct slice bytes,
                                   struct error *err)
{
    if (l->has_dict || l->node->physical == PHYSICAL_BOOLEAN)
        return error_set(err, ERR_CORRUPT, "an unexpected dictionary");
    TRY(unpack(l, p, bytes, 0, &l->dict_bytes, err));
    if (p->values > l->dict_bytes.len / entry_bytes(l->node))
        return error_set(err, ERR_CORRUPT, "a dictionary is shorter than it says");
    bool slices = l->node->physical == PHYSICAL_BYTES || l->node->physical == PHYSICAL_FIXED;
    struct decoder d = {0};
    enum status status = decoder_start(&d, l->node, ENCODING_PLAIN, buf_slice(&l->dict_bytes), &l->dict_made, err);
    union decoded *block = mem_alloc(sizeof *block);
    l->has_dict = true;
    if (slices)
        l->dict_s = mem_array(p->values, sizeof *l->dict_s);
    else
        l->dict_i = mem_array(p->values, sizeof *l->dict_i);
    for (uint32_t n; status == OK && l->ndict < p->values; l->ndict += n) {
        n = MIN(p->values - l->ndict, (uint32_t)DECODE_BLOCK);
        if (!decoder_next(&d, block, n))
            status = error_set(err, ERR_CORRUPT, "a dictionary is broken");
        else if (slices)
            memcpy(l->dict_s + l->ndict, block->s, n * sizeof *block->s);
        else
            memcpy(l->dict_i + l->ndict, block->i, n * sizeof *block->i);
    }
    free(block);
    decoder_release(&d);
    return status;
}

static bool cut_levels(struct reader *in, bool v2, uint32_t bytes, uint8_t max, struct rle *ret)
{
    const char *p;
    if (!max)
        return !v2 || reader_bytes(in, bytes, &p);
    if (!v2 && !reader_u32(in, &bytes))
        return false;
    if (bytes > reader_left(in) || !reader_bytes(in, bytes, &p))
        return false;
    rle_init(ret, (struct slice){p, bytes}, rle_width(max));
    return true;
}

static enum status read_data(struct leaf_reader *l, const struct parquet_page *p, struct slice bytes, struct error *err)
{
    bool v2 = p->type == PAGE_DATA_V2;
    size_t levels = 0;
    if (v2 && (__builtin_add_overflow((size_t)p->def_bytes, (size_t)p->rep_bytes, &levels) || levels > bytes.len ||
               levels > p->uncompressed))
        return error_set(err, ERR_CORRUPT, "a page's levels are larger than it");
    if ((l->node->max_def && p->def_encoding != ENCODING_RLE) || (l->node->max_rep && p->rep_encoding != ENCODING_RLE))
        return error_set(err, ERR_UNSUPPORTED, "levels in encoding %d are not supported", p->def_encoding);
    TRY(unpack(l, p, bytes, levels, &l->page, err));
    struct reader in = reader_of(buf_slice(&l->page));
    if (!cut_levels(&in, v2, p->rep_bytes, l->node->max_rep, &l->rep_levels) ||
        !cut_levels(&in, v2, p->def_bytes, l->node->max_def, &l->def_levels))
        return error_set(err, ERR_CORRUPT, "a page's levels are broken");
    TRY(decoder_start(&l->decoder, l->node, p->encoding, (struct slice){(const char *)in.p, reader_left(&in)}, &l->made,
                      err));
    if (decoder_is_dictionary(&l->decoder) && !l->has_dict)
        return error_set(err, ERR_CORRUPT, "a page without its dictionary");
    if (p->values > l->entries_left || p->values > MAX_PAGE_VALUES)
        return error_set(err, ERR_CORRUPT, "a page holds more values than its column");
    l->page_left = p->values;
    return OK;
}

static enum status next_page(struct leaf_reader *l, struct error *err)
{
    struct slice rest = {l->chunk.data + l->at, l->chunk.len - l->at};
    struct parquet_page p;
    size_t head;
    TRY(parquet_page_read((struct slice){rest.data, MIN(rest.len, (size_t)MAX_HEADER)}, &p, &head, err));
    if (p.compressed > rest.len - head)
        return error_set(err, ERR_CORRUPT, "a page is cut off");
    struct slice bytes = {rest.data + head, p.compressed};
    l->at += head + p.compressed;
    if (p.has_crc && (uint32_t)crc32(0, (const Bytef *)bytes.data, (uInt)bytes.len) != p.crc)
        return error_set(err, ERR_CORRUPT, "a page fails its checksum");
    if (p.type == PAGE_DICTIONARY)
        return read_dictionary(l, &p, bytes, err);
    if (p.type == PAGE_DATA || p.type == PAGE_DATA_V2)
        return read_data(l, &p, bytes, err);
    return OK; /* index pages and what may come are passed over */
}

/* ---- blocks ---- */

static bool take_levels(struct leaf_reader *l, struct rle *r, uint8_t max, uint8_t *ret)
{
    if (!max) {
        memset(ret, 0, l->n);
        return true;
    }
    if (!rle_next(r, l->levels, l->n))
        return false;
    for (uint32_t k = 0; k < l->n; k++) {
        if (l->levels[k] > max)
            return false;
        ret[k] = (uint8_t)l->levels[k];
    }
    return true;
}

static bool take_values(struct leaf_reader *l)
{
    if (!decoder_is_dictionary(&l->decoder)) {
        l->index[0] = UINT32_MAX;
        return decoder_next(&l->decoder, &l->values, l->nvalues);
    }
    if (!decoder_indexes(&l->decoder, l->index, l->nvalues))
        return false;
    for (uint32_t k = 0; k < l->nvalues; k++) {
        if (l->index[k] >= l->ndict)
            return false;
        if (l->dict_s)
            l->values.s[k] = l->dict_s[l->index[k]];
        else
            l->values.i[k] = l->dict_i[l->index[k]];
    }
    return true;
}

enum status leaf_reader_fill(struct leaf_reader *l, uint32_t max, struct error *err)
{
    l->n = l->nvalues = 0;
    if (!l->entries_left)
        return OK;
    while (!l->page_left) {
        if (l->at >= l->chunk.len)
            return error_set(err, ERR_CORRUPT, "a column has fewer values than it says");
        TRY(next_page(l, err));
    }
    l->n = MIN(MIN(l->page_left, max), (uint32_t)DECODE_BLOCK);
    if (!take_levels(l, &l->rep_levels, l->node->max_rep, l->rep) ||
        !take_levels(l, &l->def_levels, l->node->max_def, l->def))
        return error_set(err, ERR_CORRUPT, "a page's levels are broken");
    l->nvalues = l->n;
    for (uint32_t k = 0; l->node->max_def && k < l->n; k++)
        l->nvalues -= l->def[k] != l->node->max_def;
    if (!take_values(l))
        return error_set(err, ERR_CORRUPT, "a page's values are broken");
    l->page_left -= l->n;
    l->entries_left -= l->n;
    return OK;
}
