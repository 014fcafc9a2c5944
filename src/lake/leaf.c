#include "lake/leaf.h"

#include <math.h>
#include <stdlib.h>
#include <zlib.h>

#include "lake/rle.h"

void leaf_tools_init(struct leaf_tools *t, enum codec codec, int level)
{
    *t = (struct leaf_tools){.codecs = codec_state_new(),
                             .codec = codec,
                             .level = level,
                             .body = BUF(UINT32_MAX),
                             .packed = BUF(UINT32_MAX)};
    t->levels = mem_array(LEAF_PAGE_ENTRIES, sizeof *t->levels);
}

void leaf_tools_release(struct leaf_tools *t)
{
    codec_state_free(t->codecs);
    buf_release(&t->body);
    buf_release(&t->packed);
    free(t->levels);
}

static void bounds_init(struct leaf_bounds *b)
{
    struct buf smin = b->smin, smax = b->smax;
    *b = (struct leaf_bounds){.smin = smin, .smax = smax};
}

void leaf_init(struct leaf *l, const struct parquet_node *node, enum leaf_kind kind, uint64_t max_bytes)
{
    *l = (struct leaf){.node = node,
                       .kind = kind,
                       .plain = BUF(UINT32_MAX),
                       .pages = BUF(max_bytes),
                       .dict_page = BUF(max_bytes),
                       .use_dict = kind != LEAF_BOOL};
    l->chunk.smin = l->chunk.smax = l->file.smin = l->file.smax = (struct buf)BUF(UINT32_MAX);
    dict_init(&l->dict, kind == LEAF_BYTES                          ? DICT_BYTES
                        : kind == LEAF_DECIMAL || kind == LEAF_UUID ? DICT_128
                                                                    : DICT_64);
    l->hopeless = kind == LEAF_BOOL;
}

void leaf_release(struct leaf *l)
{
    free(l->def);
    free(l->rep);
    free(l->index);
    buf_release(&l->plain);
    buf_release(&l->pages);
    buf_release(&l->dict_page);
    buf_release(&l->chunk.smin);
    buf_release(&l->chunk.smax);
    buf_release(&l->file.smin);
    buf_release(&l->file.smax);
    dict_release(&l->dict);
}

/* ---- bounds ---- */

static void bounds_int(struct leaf_bounds *b, const int64_t *v, uint32_t n)
{
    int64_t lo = b->any ? b->imin : v[0], hi = b->any ? b->imax : v[0];
    for (uint32_t i = 0; i < n; i++) {
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    b->imin = lo;
    b->imax = hi;
}

static void bounds_double(struct leaf_bounds *b, const double *v, uint32_t n)
{
    double lo = b->any ? b->dmin : v[0], hi = b->any ? b->dmax : v[0];
    bool nan = false;
    for (uint32_t i = 0; i < n; i++) {
        nan |= v[i] != v[i];
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    b->nan |= nan;
    b->dmin = lo;
    b->dmax = hi;
}

static void bounds_number(struct leaf_bounds *b, int128 v, bool any)
{
    if (!any || v < b->nmin)
        b->nmin = v;
    if (!any || v > b->nmax)
        b->nmax = v;
}

/* The bytes of a uuid as a number that orders alike; its top bit is flipped to fit a signed one. */
static int128 uuid_number(const void *bytes)
{
    uint128 v =
        (uint128)__builtin_bswap64(load_u64(bytes)) << 64 | __builtin_bswap64(load_u64((const char *)bytes + 8));
    return (int128)(v ^ (uint128)1 << 127);
}

static void bounds_bytes(struct leaf_bounds *b, struct slice v, bool any)
{
    if (!any || slice_compare(v, buf_slice(&b->smin)) < 0) {
        buf_clear(&b->smin);
        buf_put_slice(&b->smin, v);
    }
    if (!any || slice_compare(v, buf_slice(&b->smax)) > 0) {
        buf_clear(&b->smax);
        buf_put_slice(&b->smax, v);
    }
}

static void bounds_add(struct leaf *l, const void *values, uint32_t n)
{
    struct leaf_bounds *b = &l->chunk;
    if (!n)
        return;
    switch (l->kind) {
    case LEAF_BOOL:
    case LEAF_INT:
        bounds_int(b, values, n);
        break;
    case LEAF_DOUBLE:
        bounds_double(b, values, n);
        break;
    case LEAF_DECIMAL:
        for (uint32_t i = 0; i < n; i++)
            bounds_number(b, ((const int128 *)values)[i], b->any || i);
        break;
    case LEAF_UUID:
        for (uint32_t i = 0; i < n; i++)
            bounds_number(b, uuid_number((const char *)values + i * 16), b->any || i);
        break;
    case LEAF_BYTES:
        for (uint32_t i = 0; i < n; i++)
            bounds_bytes(b, view_slice((const struct view *)values + i), b->any || i);
        break;
    }
    b->any = true;
}

void leaf_merge_bounds(struct leaf *l)
{
    struct leaf_bounds *c = &l->chunk, *f = &l->file;
    f->nulls += c->nulls;
    f->nan |= c->nan;
    if (c->any) {
        bounds_number(f, c->nmin, f->any);
        bounds_number(f, c->nmax, true);
        f->imin = f->any ? MIN(f->imin, c->imin) : c->imin;
        f->imax = f->any ? MAX(f->imax, c->imax) : c->imax;
        f->dmin = f->any && f->dmin < c->dmin ? f->dmin : c->dmin;
        f->dmax = f->any && f->dmax > c->dmax ? f->dmax : c->dmax;
        bounds_bytes(f, buf_slice(&c->smin), f->any);
        bounds_bytes(f, buf_slice(&c->smax), true);
        f->any = true;
    }
    bounds_init(c);
}

static struct slice uuid_bound(int128 v, char out[static UUID_TEXT])
{
    uint128 u = (uint128)v ^ (uint128)1 << 127;
    uint64_t halves[2] = {__builtin_bswap64((uint64_t)(u >> 64)), __builtin_bswap64((uint64_t)u)};
    return (struct slice){out, uuid_print(halves, out)};
}

struct parquet_stats leaf_stats(const struct leaf *l, const struct leaf_bounds *b, char text[2][UUID_TEXT])
{
    struct parquet_stats s = {.nulls = b->nulls, .has_bounds = b->any && !b->nan};
    if (!s.has_bounds)
        return s;
    switch (l->kind) {
    case LEAF_BOOL:
    case LEAF_INT:
        if (l->numeric) {
            s.min.n = b->imin;
            s.max.n = b->imax;
        } else {
            s.min.i = b->imin;
            s.max.i = b->imax;
        }
        break;
    case LEAF_DOUBLE:
        s.min.d = b->dmin == 0 ? -0.0 : b->dmin; /* what the format asks for: which zero is smaller is not known */
        s.max.d = b->dmax == 0 ? 0.0 : b->dmax;
        break;
    case LEAF_DECIMAL:
        s.min.n = b->nmin;
        s.max.n = b->nmax;
        break;
    case LEAF_UUID:
        s.min.s = uuid_bound(b->nmin, text[0]);
        s.max.s = uuid_bound(b->nmax, text[1]);
        break;
    case LEAF_BYTES:
        s.min.s = buf_slice(&b->smin);
        s.max.s = buf_slice(&b->smax);
        break;
    }
    return s;
}

static void put_big_endian(int128 v, int32_t bytes, struct buf *out)
{
    unsigned char be[16];
    for (int i = 15; i >= 0; i--, v >>= 8)
        be[i] = (unsigned char)v;
    buf_put(out, be + 16 - bytes, (size_t)bytes);
}

void leaf_bound_put(const struct leaf *l, const union parquet_bound *v, struct buf *out)
{
    int64_t i = l->numeric ? (int64_t)v->n : v->i;
    switch (l->kind) {
    case LEAF_BOOL:
        buf_put(out, &i, 1);
        break;
    case LEAF_INT:
        buf_put(out, &i, l->node->physical == PHYSICAL_INT32 ? 4 : 8);
        break;
    case LEAF_DOUBLE:
        buf_put(out, &v->d, sizeof v->d);
        break;
    case LEAF_DECIMAL:
        put_big_endian(v->n, l->node->length, out);
        break;
    case LEAF_UUID:
    case LEAF_BYTES:
        buf_put_slice(out, v->s);
        break;
    }
}

/* ---- PLAIN ---- */

static void plain_ints(struct leaf *l, const int64_t *v, uint32_t n, struct buf *out)
{
    if (l->node->physical == PHYSICAL_INT64) {
        buf_put(out, v, n * sizeof *v);
        return;
    }
    int32_t *at = (int32_t *)buf_reserve(out, n * sizeof *at);
    for (uint32_t i = 0; at && i < n; i++) {
        int32_t narrow = (int32_t)v[i];
        memcpy(at + i, &narrow, sizeof narrow);
    }
    out->len += at ? n * sizeof *at : 0;
}

static void plain_uuids(const char *v, uint32_t n, struct buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        char text[4 + UUID_TEXT];
        store_u32(text, UUID_TEXT);
        uuid_print(v + (size_t)i * 16, text + 4);
        buf_put(out, text, sizeof text);
    }
}

/* Booleans wait as one byte each; they are packed when the page is closed. */
static void plain_put(struct leaf *l, const void *values, uint32_t n, struct buf *out)
{
    switch (l->kind) {
    case LEAF_BOOL:
        for (uint32_t i = 0; i < n; i++)
            buf_put_u8(out, (uint8_t)((const int64_t *)values)[i]);
        break;
    case LEAF_INT:
        plain_ints(l, values, n, out);
        break;
    case LEAF_DOUBLE:
        buf_put(out, values, n * sizeof(double));
        break;
    case LEAF_DECIMAL:
        for (uint32_t i = 0; i < n; i++)
            put_big_endian(((const int128 *)values)[i], l->node->length, out);
        break;
    case LEAF_UUID:
        plain_uuids(values, n, out);
        break;
    case LEAF_BYTES:
        for (uint32_t i = 0; i < n; i++) {
            const struct view *v = (const struct view *)values + i;
            buf_put_u32(out, v->len);
            buf_put(out, view_data(v), v->len);
        }
        break;
    }
}

static size_t plain_size(const struct leaf *l)
{
    switch (l->kind) {
    case LEAF_INT:
        return l->node->physical == PHYSICAL_INT32 ? 4 : 8;
    case LEAF_DECIMAL:
        return (size_t)l->node->length;
    case LEAF_UUID:
        return 40;
    default:
        return 8;
    }
}

/* Give the dictionary up for this chunk; what the page holds as numbers becomes values again. */
static void leave_dict(struct leaf *l)
{
    l->use_dict = false;
    for (uint32_t i = 0; i < l->values; i++) {
        uint32_t k = l->index[i];
        if (l->kind == LEAF_BYTES)
            buf_put_slice(&l->plain, dict_entry(&l->dict, k));
        else if (l->dict.kind == DICT_128)
            plain_put(l, &l->dict.keys[(size_t)k * 2], 1, &l->plain);
        else
            plain_put(l, &l->dict.keys[k], 1, &l->plain);
    }
}

/* ---- pages ---- */

static void put_levels(struct leaf_tools *t, const uint8_t *levels, uint32_t n, uint8_t all, uint8_t max)
{
    size_t start = t->body.len;
    buf_put_u32(&t->body, 0);
    for (uint32_t i = 0; i < n; i++)
        t->levels[i] = levels ? levels[i] : all;
    rle_encode(t->levels, n, rle_width(max), &t->body);
    if (!t->body.overflow)
        store_u32(t->body.data + start, (uint32_t)(t->body.len - start - 4));
}

static void put_page(struct leaf *l, struct leaf_tools *t, struct parquet_page page, struct buf *out)
{
    assert(!t->body.overflow);
    buf_clear(&t->packed);
    codec_compress(t->codecs, t->codec, t->level, buf_slice(&t->body), &t->packed);
    page.uncompressed = (uint32_t)t->body.len;
    page.compressed = (uint32_t)t->packed.len;
    page.crc = (uint32_t)crc32(0, (const Bytef *)t->packed.data, (uInt)t->packed.len);
    size_t before = out->len;
    parquet_page_put(&page, out);
    l->uncompressed += out->len - before + t->body.len;
    buf_put_slice(out, buf_slice(&t->packed));
}

static void put_bools(const struct buf *bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes->len; i += 8) {
        unsigned packed = 0;
        for (size_t k = 0; k < 8 && i + k < bytes->len; k++)
            packed |= (unsigned)bytes->data[i + k] << k;
        buf_put_u8(out, (uint8_t)packed);
    }
}

static void close_page(struct leaf *l, struct leaf_tools *t)
{
    if (!l->entries)
        return;
    const struct parquet_node *n = l->node;
    buf_clear(&t->body);
    if (n->max_rep)
        put_levels(t, l->has_levels ? l->rep : NULL, l->entries, 0, n->max_rep);
    if (n->max_def)
        put_levels(t, l->has_levels ? l->def : NULL, l->entries, n->max_def, n->max_def);
    if (l->use_dict) {
        unsigned width = rle_width(l->dict.n ? l->dict.n - 1 : 0);
        buf_put_u8(&t->body, (uint8_t)width);
        rle_encode(l->index, l->values, width, &t->body);
        l->dict_pages = true;
    } else {
        if (l->kind == LEAF_BOOL)
            put_bools(&l->plain, &t->body);
        else
            buf_put_slice(&t->body, buf_slice(&l->plain));
        l->plain_pages = true;
    }
    enum encoding encoding = l->use_dict ? ENCODING_RLE_DICTIONARY : ENCODING_PLAIN;
    put_page(l, t, (struct parquet_page){.type = PAGE_DATA, .values = l->entries, .encoding = encoding}, &l->pages);
    l->chunk_values += l->entries;
    l->entries = l->values = 0;
    l->has_levels = false;
    buf_clear(&l->plain);
}

/* Would the page be smaller without a dictionary, its own bytes counted in? By a fifth at least, or it stays. */
static bool dict_pays(const struct leaf *l)
{
    size_t plain = l->values * plain_size(l);
    if (l->kind == LEAF_BYTES) {
        plain = 0;
        for (uint32_t i = 0; i < l->values; i++)
            plain += dict_entry(&l->dict, l->index[i]).len;
    }
    size_t width = rle_width(l->dict.n ? l->dict.n - 1 : 0);
    size_t entries = l->kind == LEAF_BYTES ? l->dict.bytes.len : l->dict.n * plain_size(l);
    return entries + l->values * width / 8 <= plain - plain / 5;
}

static void end_page(struct leaf *l, struct leaf_tools *t)
{
    if (l->use_dict && !l->dict_pages && l->values && !dict_pays(l)) {
        leave_dict(l);
        l->hopeless = true;
    }
    close_page(l, t);
}

/* ---- entries ---- */

/* Room for n more entries. A table of many columns with few rows takes little. */
static void reserve(struct leaf *l, uint32_t n)
{
    if (n <= l->capacity - l->entries)
        return;
    l->capacity = MIN((uint32_t)LEAF_PAGE_ENTRIES, MAX(l->entries + n, l->capacity * 2));
    l->def = mem_realloc(l->def, l->capacity);
    l->rep = mem_realloc(l->rep, l->capacity);
    l->index = mem_realloc(l->index, l->capacity * sizeof *l->index);
}

/* Levels are kept only from the first entry on that has no value. */
static void put_entry_levels(struct leaf *l, const uint8_t *def, const uint8_t *rep, uint32_t n)
{
    uint8_t max = l->node->max_def;
    if (!def && !rep && !l->has_levels)
        return;
    if (!l->has_levels) {
        memset(l->def, max, l->entries);
        memset(l->rep, 0, l->entries);
        l->has_levels = true;
    }
    if (def)
        memcpy(l->def + l->entries, def, n);
    else
        memset(l->def + l->entries, max, n);
    if (rep)
        memcpy(l->rep + l->entries, rep, n);
    else
        memset(l->rep + l->entries, 0, n);
}

void leaf_put(struct leaf *l, struct leaf_tools *t, const uint8_t *def, const uint8_t *rep, uint32_t n,
              const void *values, uint32_t nvalues)
{
    assert(n <= leaf_room(l) && nvalues <= n);
    reserve(l, n);
    put_entry_levels(l, def, rep, n);
    l->chunk.nulls += n - nvalues;
    bounds_add(l, values, nvalues);
    if (l->use_dict) {
        dict_add(&l->dict, values, nvalues, l->index + l->values);
    } else
        plain_put(l, values, nvalues, &l->plain);
    l->entries += n;
    l->values += nvalues;
    if (l->use_dict && dict_bytes(&l->dict) > LEAF_DICT_BYTES) {
        if (l->dict_pages) {
            close_page(l, t);
            l->use_dict = false;
        } else {
            leave_dict(l);
            l->hopeless = true;
        }
    }
    /* where values repeat, a page ends between rows, so leaf_end_row decides, unless a row is larger than a page */
    if (l->entries == LEAF_PAGE_ENTRIES || (l->plain.len >= LEAF_PAGE_BYTES && !l->node->max_rep))
        end_page(l, t);
}

void leaf_end_row(struct leaf *l, struct leaf_tools *t)
{
    if (l->entries > LEAF_PAGE_ENTRIES / 2 || l->plain.len >= LEAF_PAGE_BYTES)
        end_page(l, t);
}

size_t leaf_bytes(const struct leaf *l)
{
    size_t bytes = l->uncompressed + l->plain.len;
    return bytes + (l->use_dict ? l->values * 2 + dict_bytes(&l->dict) : 0);
}

static void put_dict_page(struct leaf *l, struct leaf_tools *t)
{
    buf_clear(&t->body);
    if (l->kind == LEAF_BYTES)
        buf_put_slice(&t->body, buf_slice(&l->dict.bytes));
    else
        plain_put(l, l->dict.keys, l->dict.n, &t->body);
    struct parquet_page page = {.type = PAGE_DICTIONARY, .values = l->dict.n, .encoding = ENCODING_PLAIN};
    put_page(l, t, page, &l->dict_page);
}

void leaf_finish_chunk(struct leaf *l, struct leaf_tools *t, struct leaf_chunk *ret)
{
    end_page(l, t);
    if (l->dict_pages)
        put_dict_page(l, t);
    *ret = (struct leaf_chunk){.dict_page = l->dict_page,
                               .pages = l->pages,
                               .values = l->chunk_values,
                               .uncompressed = l->uncompressed,
                               .dict_pages = l->dict_pages,
                               .plain_pages = l->plain_pages};
    l->dict_page = (struct buf)BUF(l->dict_page.max);
    l->pages = (struct buf)BUF(l->pages.max);
    l->chunk_values = l->uncompressed = 0;
    l->dict_pages = l->plain_pages = false;
    l->use_dict = !l->hopeless;
    dict_clear(&l->dict);
}
