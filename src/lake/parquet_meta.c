#include "lake/parquet_meta.h"

#include "lake/thrift.h"

/* ConvertedType; what is not here is ANNOTATION_OTHER. */
enum converted {
    CONVERTED_UTF8 = 0,
    CONVERTED_MAP = 1,
    CONVERTED_MAP_KEY_VALUE = 2,
    CONVERTED_LIST = 3,
    CONVERTED_ENUM = 4,
    CONVERTED_DECIMAL = 5,
    CONVERTED_DATE = 6,
    CONVERTED_TIME_MILLIS = 7,
    CONVERTED_TIME_MICROS = 8,
    CONVERTED_TIMESTAMP_MILLIS = 9,
    CONVERTED_TIMESTAMP_MICROS = 10,
    CONVERTED_UINT_8 = 11,
    CONVERTED_INT_8 = 15,
    CONVERTED_INT_64 = 18,
    CONVERTED_JSON = 19,
};

enum logical {
    LOGICAL_STRING = 1,
    LOGICAL_MAP = 2,
    LOGICAL_LIST = 3,
    LOGICAL_ENUM = 4,
    LOGICAL_DECIMAL = 5,
    LOGICAL_DATE = 6,
    LOGICAL_TIME = 7,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10,
    LOGICAL_NULL = 11,
    LOGICAL_JSON = 12,
    LOGICAL_UUID = 14,
    LOGICAL_FLOAT16 = 15,
};

int32_t parquet_decimal_bytes(unsigned precision)
{
    static const uint8_t bytes[] = {9, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
    assert(precision >= 19 && precision <= 38);
    return bytes[precision - 19];
}

/* ---- reading the schema ---- */

struct element {
    struct parquet_node node;
    int32_t nchildren;
    bool has_type;
};

static void annotate(struct parquet_node *n, enum annotation a, enum time_unit unit, bool utc)
{
    n->annotation = (uint8_t)a;
    n->unit = (uint8_t)unit;
    n->utc = utc;
}

static void apply_converted(struct parquet_node *n, int32_t converted)
{
    switch (converted) {
    case CONVERTED_UTF8:
    case CONVERTED_ENUM:
        annotate(n, ANNOTATION_STRING, 0, false);
        break;
    case CONVERTED_MAP:
    case CONVERTED_MAP_KEY_VALUE:
        annotate(n, ANNOTATION_MAP, 0, false);
        break;
    case CONVERTED_LIST:
        annotate(n, ANNOTATION_LIST, 0, false);
        break;
    case CONVERTED_DECIMAL:
        annotate(n, ANNOTATION_DECIMAL, 0, false);
        break;
    case CONVERTED_DATE:
        annotate(n, ANNOTATION_DATE, 0, false);
        break;
    case CONVERTED_TIME_MILLIS:
    case CONVERTED_TIME_MICROS:
        annotate(n, ANNOTATION_TIME, converted == CONVERTED_TIME_MILLIS ? UNIT_MS : UNIT_US, true);
        break;
    case CONVERTED_TIMESTAMP_MILLIS:
    case CONVERTED_TIMESTAMP_MICROS:
        annotate(n, ANNOTATION_TIMESTAMP, converted == CONVERTED_TIMESTAMP_MILLIS ? UNIT_MS : UNIT_US, true);
        break;
    case CONVERTED_JSON:
        annotate(n, ANNOTATION_JSON, 0, false);
        break;
    default:
        annotate(n, ANNOTATION_OTHER, 0, false);
        if (converted >= CONVERTED_UINT_8 && converted <= CONVERTED_INT_64) {
            n->annotation = ANNOTATION_INTEGER;
            n->is_signed = converted >= CONVERTED_INT_8;
            n->bits = (uint8_t)(8u << ((converted - CONVERTED_UINT_8) & 3));
        }
    }
}

static void read_decimal(struct thrift_reader *r, struct parquet_node *n)
{
    int16_t id = 0;
    n->annotation = ANNOTATION_DECIMAL;
    for (enum thrift_type t; (t = thrift_field(r, &id));)
        if (id == 1)
            n->scale = thrift_i32(r, t);
        else if (id == 2)
            n->precision = thrift_i32(r, t);
        else
            thrift_skip(r, t);
}

static void read_time(struct thrift_reader *r, struct parquet_node *n, enum annotation a)
{
    int16_t id = 0;
    annotate(n, a, 0, false);
    for (enum thrift_type t; (t = thrift_field(r, &id));) {
        if (id == 1)
            n->utc = thrift_bool(r, t);
        else if (id == 2 && t == THRIFT_STRUCT) {
            int16_t unit = 0;
            for (enum thrift_type u; (u = thrift_field(r, &unit)); thrift_skip(r, u))
                n->unit = unit >= UNIT_MS && unit <= UNIT_NS ? (uint8_t)unit : 0;
        } else
            thrift_skip(r, t);
    }
    if (!n->unit)
        n->annotation = ANNOTATION_OTHER;
}

static void read_integer(struct thrift_reader *r, struct parquet_node *n)
{
    int16_t id = 0;
    n->annotation = ANNOTATION_INTEGER;
    for (enum thrift_type t; (t = thrift_field(r, &id));)
        if (id == 1)
            n->bits = (uint8_t)thrift_int(r, t);
        else if (id == 2)
            n->is_signed = thrift_bool(r, t);
        else
            thrift_skip(r, t);
}

static void read_logical(struct thrift_reader *r, struct parquet_node *n)
{
    static const uint8_t plain[] = {
        [LOGICAL_STRING] = ANNOTATION_STRING, [LOGICAL_MAP] = ANNOTATION_MAP,         [LOGICAL_LIST] = ANNOTATION_LIST,
        [LOGICAL_ENUM] = ANNOTATION_STRING,   [LOGICAL_DATE] = ANNOTATION_DATE,       [LOGICAL_JSON] = ANNOTATION_JSON,
        [LOGICAL_UUID] = ANNOTATION_UUID,     [LOGICAL_FLOAT16] = ANNOTATION_FLOAT16,
    };
    int16_t id = 0;
    for (enum thrift_type t; (t = thrift_field(r, &id));) {
        if (t != THRIFT_STRUCT)
            r->bad = true;
        else if (id == LOGICAL_DECIMAL)
            read_decimal(r, n);
        else if (id == LOGICAL_TIME || id == LOGICAL_TIMESTAMP)
            read_time(r, n, id == LOGICAL_TIME ? ANNOTATION_TIME : ANNOTATION_TIMESTAMP);
        else if (id == LOGICAL_INTEGER)
            read_integer(r, n);
        else {
            uint8_t a = id < (int16_t)sizeof plain ? plain[id] : ANNOTATION_NONE;
            n->annotation = a || id == LOGICAL_NULL ? a : ANNOTATION_OTHER;
            thrift_skip(r, t);
        }
    }
}

static void read_element(struct thrift_reader *r, struct arena *a, struct element *ret)
{
    struct element e = {.node.name = ""};
    int32_t converted = -1;
    bool logical = false;
    int16_t id = 0;
    for (enum thrift_type t; (t = thrift_field(r, &id));)
        switch (id) {
        case 1:
            e.node.physical = (enum physical)thrift_i32(r, t);
            e.has_type = true;
            break;
        case 2:
            e.node.length = thrift_i32(r, t);
            break;
        case 3:
            e.node.repetition = (enum repetition)thrift_i32(r, t);
            break;
        case 4: {
            struct slice name = thrift_binary(r, t);
            e.node.name = arena_strndup(a, name.data, name.len);
            break;
        }
        case 5:
            e.nchildren = thrift_i32(r, t);
            break;
        case 6:
            converted = thrift_i32(r, t);
            break;
        case 7:
            e.node.scale = thrift_i32(r, t);
            break;
        case 8:
            e.node.precision = thrift_i32(r, t);
            break;
        case 10:
            if (t == THRIFT_STRUCT)
                read_logical(r, &e.node);
            else
                r->bad = true;
            logical = true;
            break;
        default:
            thrift_skip(r, t);
        }
    if (converted >= 0 && !logical)
        apply_converted(&e.node, converted);
    *ret = e;
}

struct tree_reader {
    struct thrift_reader *r;
    struct arena *arena;
    uint32_t left; /* elements */
    struct parquet_node **leaves;
    uint32_t nleaves;
};

static enum status element_check(const struct element *e, struct error *err)
{
    if ((unsigned)e->node.repetition > REPEATED)
        return error_set(err, ERR_CORRUPT, "column \"%s\": unknown repetition", e->node.name);
    if (!e->has_type)
        return OK;
    if ((unsigned)e->node.physical > PHYSICAL_FIXED)
        return error_set(err, ERR_CORRUPT, "column \"%s\": unknown physical type", e->node.name);
    if (e->node.physical == PHYSICAL_FIXED && (e->node.length <= 0 || e->node.length > (int32_t)MIB(1)))
        return error_set(err, ERR_CORRUPT, "column \"%s\": odd type length %d", e->node.name, e->node.length);
    return OK;
}

static enum status read_node(struct tree_reader *t, struct parquet_node *parent, unsigned depth,
                             struct parquet_node **ret, struct error *err)
{
    struct element e;
    if (t->left == 0 || depth > PARQUET_MAX_DEPTH)
        return error_set(err, ERR_CORRUPT, "the schema is no tree, or too deep");
    t->left--;
    read_element(t->r, t->arena, &e);
    if (t->r->bad)
        return error_set(err, ERR_CORRUPT, "the schema is broken");
    TRY(element_check(&e, err));
    if (e.nchildren < 0 || (uint32_t)e.nchildren > t->left || (e.nchildren == 0 && parent && !e.has_type))
        return error_set(err, ERR_CORRUPT, "column \"%s\" is neither a value nor a group", e.node.name);
    struct parquet_node *n = arena_dup(t->arena, &e.node, sizeof e.node);
    n->parent = parent;
    n->leaf = t->nleaves;
    if (parent) {
        n->max_def = (uint8_t)(parent->max_def + (n->repetition != REQUIRED));
        n->max_rep = (uint8_t)(parent->max_rep + (n->repetition == REPEATED));
    }
    if (e.nchildren == 0 && parent) {
        if (t->nleaves == PARQUET_MAX_LEAVES)
            return error_set(err, ERR_LIMIT, "more than %d columns", PARQUET_MAX_LEAVES);
        t->leaves[t->nleaves++] = n;
    }
    n->nchildren = (uint32_t)e.nchildren;
    n->children = arena_array(t->arena, n->nchildren, sizeof *n->children);
    for (uint32_t i = 0; i < n->nchildren; i++)
        TRY(read_node(t, n, depth + 1, &n->children[i], err));
    *ret = n;
    return OK;
}

static enum status read_schema(struct thrift_reader *r, enum thrift_type type, struct arena *a,
                               struct parquet_footer *f, struct error *err)
{
    struct tree_reader t = {.r = r, .arena = a, .left = thrift_list(r, type, THRIFT_STRUCT)};
    if (f->root)
        return error_set(err, ERR_CORRUPT, "two schemas");
    t.leaves = arena_array(a, MIN(t.left, (uint32_t)PARQUET_MAX_LEAVES), sizeof(struct parquet_node *));
    TRY(read_node(&t, NULL, 0, &f->root, err));
    if (t.left)
        return error_set(err, ERR_CORRUPT, "the schema has elements outside its tree");
    f->leaves = t.leaves;
    f->nleaves = t.nleaves;
    return OK;
}

/* ---- reading row groups ---- */

static void read_chunk_meta(struct thrift_reader *r, struct parquet_chunk *c)
{
    int16_t id = 0;
    int64_t data = 0, dictionary = 0, bytes = 0, values = 0;
    for (enum thrift_type t; (t = thrift_field(r, &id));)
        switch (id) {
        case 1:
            c->physical = (enum physical)thrift_i32(r, t);
            break;
        case 4:
            c->codec = thrift_i32(r, t);
            break;
        case 5:
            values = thrift_int(r, t);
            break;
        case 7:
            bytes = thrift_int(r, t);
            break;
        case 9:
            data = thrift_int(r, t);
            break;
        case 11:
            dictionary = thrift_int(r, t);
            break;
        default:
            thrift_skip(r, t);
        }
    /* old writers say 0 for "no dictionary", and some a dictionary behind the data */
    int64_t start = dictionary > 0 && dictionary < data ? dictionary : data;
    if (start < 0 || bytes < 0 || values < 0)
        r->bad = true;
    c->offset = (uint64_t)start;
    c->bytes = (uint64_t)bytes;
    c->num_values = (uint64_t)values;
}

static enum status read_chunk(struct thrift_reader *r, uint64_t file_bytes, struct parquet_chunk *ret,
                              struct error *err)
{
    struct parquet_chunk c = {0};
    bool meta = false, encrypted = false, elsewhere = false;
    int16_t id = 0;
    for (enum thrift_type t; (t = thrift_field(r, &id));) {
        if (id == 3 && t == THRIFT_STRUCT && !meta) {
            read_chunk_meta(r, &c);
            meta = true;
            continue;
        }
        elsewhere |= id == 1;
        encrypted |= id == 8;
        thrift_skip(r, t);
    }
    if (encrypted)
        return error_set(err, ERR_UNSUPPORTED, "columns are encrypted");
    if (elsewhere)
        return error_set(err, ERR_UNSUPPORTED, "columns lie in other files");
    if (r->bad || !meta || c.offset > file_bytes || c.bytes > file_bytes - c.offset)
        return error_set(err, ERR_CORRUPT, "a column chunk lies outside the file");
    *ret = c;
    return OK;
}

static enum status read_group(struct thrift_reader *r, uint64_t file_bytes, struct arena *a,
                              const struct parquet_footer *f, struct parquet_group *ret, struct error *err)
{
    struct parquet_group g = {0};
    int64_t rows = -1;
    int16_t id = 0;
    for (enum thrift_type t; (t = thrift_field(r, &id));) {
        if (id == 1 && !g.chunks) {
            uint32_t n = thrift_list(r, t, THRIFT_STRUCT);
            if (r->bad || n != f->nleaves)
                return error_set(err, ERR_CORRUPT, "a row group without all columns");
            g.chunks = arena_zarray(a, MAX(n, 1u), sizeof *g.chunks);
            for (uint32_t i = 0; i < n; i++)
                TRY(read_chunk(r, file_bytes, &g.chunks[i], err));
        } else if (id == 3)
            rows = thrift_int(r, t);
        else
            thrift_skip(r, t);
    }
    if (r->bad || !g.chunks || rows < 0)
        return error_set(err, ERR_CORRUPT, "a row group is broken");
    for (uint32_t i = 0; i < f->nleaves; i++) {
        const struct parquet_chunk *c = &g.chunks[i];
        const struct parquet_node *n = f->leaves[i];
        if (c->physical != n->physical || (n->max_rep == 0 && c->num_values != (uint64_t)rows))
            return error_set(err, ERR_CORRUPT, "column \"%s\" does not fit its row group", n->name);
    }
    g.rows = (uint64_t)rows;
    *ret = g;
    return OK;
}

static enum status read_groups(struct thrift_reader *r, enum thrift_type type, uint64_t file_bytes, struct arena *a,
                               struct parquet_footer *f, struct error *err)
{
    if (!f->root || f->groups)
        return error_set(err, ERR_CORRUPT, "row groups without a schema");
    uint32_t n = thrift_list(r, type, THRIFT_STRUCT);
    f->groups = arena_array(a, MAX(n, 1u), sizeof *f->groups);
    f->ngroups = n;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        TRY(read_group(r, file_bytes, a, f, &f->groups[i], err));
        if (__builtin_add_overflow(sum, f->groups[i].rows, &sum))
            return error_set(err, ERR_CORRUPT, "more rows than can be");
    }
    f->rows = sum;
    return OK;
}

enum status parquet_footer_read(struct slice bytes, uint64_t file_bytes, struct arena *a, struct parquet_footer *ret,
                                struct error *err)
{
    struct thrift_reader r = thrift_reader_of(bytes);
    struct parquet_footer f = {.created_by = ""};
    int64_t rows = -1;
    int16_t id = 0;
    for (enum thrift_type t; (t = thrift_field(&r, &id));)
        switch (id) {
        case 2:
            TRY(read_schema(&r, t, a, &f, err));
            break;
        case 3:
            rows = thrift_int(&r, t);
            break;
        case 4:
            TRY(read_groups(&r, t, file_bytes, a, &f, err));
            break;
        case 6: {
            struct slice by = thrift_binary(&r, t);
            f.created_by = arena_strndup(a, by.data, by.len);
            break;
        }
        default:
            thrift_skip(&r, t);
        }
    if (r.bad || !f.root || rows < 0 || (uint64_t)rows != f.rows)
        return error_set(err, ERR_CORRUPT, "the footer is broken");
    *ret = f;
    return OK;
}

/* ---- page headers ---- */

/* DataPageHeader, DictionaryPageHeader, or with v2 DataPageHeaderV2: the first two are the same as far as they go, but
 * for a dictionary's 3 (is it sorted?), which lands where nobody looks. */
static void read_page_part(struct thrift_reader *r, struct parquet_page *p, bool v2)
{
    int16_t id = 0;
    p->is_compressed = true;
    p->def_encoding = p->rep_encoding = ENCODING_RLE;
    for (enum thrift_type t; (t = thrift_field(r, &id));) {
        if (id > (v2 ? 7 : 4)) {
            thrift_skip(r, t);
            continue;
        }
        int32_t v = thrift_i32(r, t);
        if (id == 1)
            p->values = (uint32_t)v;
        else if (id == (v2 ? 4 : 2))
            p->encoding = v;
        else if (!v2)
            *(id == 3 ? &p->def_encoding : &p->rep_encoding) = v;
        else if (id == 5)
            p->def_bytes = (uint32_t)v;
        else if (id == 6)
            p->rep_bytes = (uint32_t)v;
        else if (id == 7)
            p->is_compressed = v != 0;
        r->bad |= v < 0;
    }
}

enum status parquet_page_read(struct slice bytes, struct parquet_page *ret, size_t *ret_len, struct error *err)
{
    struct thrift_reader r = thrift_reader_of(bytes);
    struct parquet_page p = {.encoding = -1, .is_compressed = true};
    int32_t type = -1, uncompressed = -1, compressed = -1;
    int16_t id = 0;
    for (enum thrift_type t; (t = thrift_field(&r, &id));) {
        if (id == 1)
            type = thrift_i32(&r, t);
        else if (id == 2)
            uncompressed = thrift_i32(&r, t);
        else if (id == 3)
            compressed = thrift_i32(&r, t);
        else if (id == 4) {
            p.crc = (uint32_t)thrift_i32(&r, t);
            p.has_crc = true;
        } else if ((id == 5 || id == 7 || id == 8) && t == THRIFT_STRUCT)
            read_page_part(&r, &p, id == 8);
        else
            thrift_skip(&r, t);
    }
    bool known = type == PAGE_DATA || type == PAGE_DICTIONARY || type == PAGE_DATA_V2;
    if (r.bad || uncompressed < 0 || compressed < 0 || (known && p.encoding < 0))
        return error_set(err, ERR_CORRUPT, "a page header is broken");
    p.type = (enum page_type)type;
    p.uncompressed = (uint32_t)uncompressed;
    p.compressed = (uint32_t)compressed;
    *ret_len = (size_t)((const char *)r.in.p - bytes.data);
    *ret = p;
    return OK;
}

void parquet_page_put(const struct parquet_page *page, struct buf *out)
{
    int16_t last = 0, inner = 0;
    thrift_put_int(out, &last, 1, THRIFT_I32, page->type);
    thrift_put_int(out, &last, 2, THRIFT_I32, page->uncompressed);
    thrift_put_int(out, &last, 3, THRIFT_I32, page->compressed);
    thrift_put_int(out, &last, 4, THRIFT_I32, (int32_t)page->crc);
    thrift_put_struct(out, &last, page->type == PAGE_DICTIONARY ? 7 : 5);
    thrift_put_int(out, &inner, 1, THRIFT_I32, page->values);
    thrift_put_int(out, &inner, 2, THRIFT_I32, page->encoding);
    if (page->type == PAGE_DATA) {
        thrift_put_int(out, &inner, 3, THRIFT_I32, ENCODING_RLE);
        thrift_put_int(out, &inner, 4, THRIFT_I32, ENCODING_RLE);
    }
    thrift_put_stop(out);
    thrift_put_stop(out);
}

/* ---- writing the schema ---- */

static uint32_t number_node(struct parquet_node *n, uint32_t leaf)
{
    n->leaf = leaf;
    if (parquet_is_leaf(n))
        return leaf + 1;
    for (uint32_t i = 0; i < n->nchildren; i++) {
        struct parquet_node *child = n->children[i];
        child->parent = n;
        child->max_def = (uint8_t)(n->max_def + (child->repetition != REQUIRED));
        child->max_rep = (uint8_t)(n->max_rep + (child->repetition == REPEATED));
        leaf = number_node(child, leaf);
    }
    return leaf;
}

uint32_t parquet_tree_number(struct parquet_node *root)
{
    return number_node(root, 0);
}

static int32_t converted_of(const struct parquet_node *n)
{
    switch (n->annotation) {
    case ANNOTATION_STRING:
        return CONVERTED_UTF8;
    case ANNOTATION_MAP:
        return CONVERTED_MAP;
    case ANNOTATION_LIST:
        return CONVERTED_LIST;
    case ANNOTATION_DECIMAL:
        return CONVERTED_DECIMAL;
    case ANNOTATION_DATE:
        return CONVERTED_DATE;
    default: /* the format asks for it on local timestamps too, for readers that know no other */
        assert(n->annotation == ANNOTATION_TIMESTAMP);
        return CONVERTED_TIMESTAMP_MICROS;
    }
}

static void put_logical(const struct parquet_node *n, struct buf *out, int16_t *last)
{
    static const int16_t ids[] = {[ANNOTATION_STRING] = LOGICAL_STRING, [ANNOTATION_MAP] = LOGICAL_MAP,
                                  [ANNOTATION_LIST] = LOGICAL_LIST,     [ANNOTATION_DECIMAL] = LOGICAL_DECIMAL,
                                  [ANNOTATION_DATE] = LOGICAL_DATE,     [ANNOTATION_TIMESTAMP] = LOGICAL_TIMESTAMP};
    int16_t choice = 0, inner = 0, unit = 0;
    thrift_put_struct(out, last, 10);
    thrift_put_struct(out, &choice, ids[n->annotation]);
    if (n->annotation == ANNOTATION_DECIMAL) {
        thrift_put_int(out, &inner, 1, THRIFT_I32, n->scale);
        thrift_put_int(out, &inner, 2, THRIFT_I32, n->precision);
    } else if (n->annotation == ANNOTATION_TIMESTAMP) {
        thrift_put_bool(out, &inner, 1, n->utc);
        thrift_put_struct(out, &inner, 2);
        thrift_put_struct(out, &unit, UNIT_US);
        thrift_put_stop(out);
        thrift_put_stop(out);
    }
    thrift_put_stop(out);
    thrift_put_stop(out);
}

uint32_t parquet_tree_put(const struct parquet_node *n, struct buf *out)
{
    int16_t last = 0;
    bool leaf = parquet_is_leaf(n);
    if (leaf)
        thrift_put_int(out, &last, 1, THRIFT_I32, n->physical);
    if (leaf && n->physical == PHYSICAL_FIXED)
        thrift_put_int(out, &last, 2, THRIFT_I32, n->length);
    if (n->parent)
        thrift_put_int(out, &last, 3, THRIFT_I32, n->repetition);
    thrift_put_binary(out, &last, 4, slice_of(n->name));
    if (!leaf)
        thrift_put_int(out, &last, 5, THRIFT_I32, n->nchildren);
    if (n->annotation) {
        thrift_put_int(out, &last, 6, THRIFT_I32, converted_of(n));
        if (n->annotation == ANNOTATION_DECIMAL) {
            thrift_put_int(out, &last, 7, THRIFT_I32, n->scale);
            thrift_put_int(out, &last, 8, THRIFT_I32, n->precision);
        }
        put_logical(n, out, &last);
    }
    thrift_put_stop(out);
    uint32_t count = 1;
    for (uint32_t i = 0; i < n->nchildren; i++)
        count += parquet_tree_put(n->children[i], out);
    return count;
}
