#include "lake/thrift.h"

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static int64_t fail(struct thrift_reader *r)
{
    r->bad = true;
    r->in.p = r->in.end;
    return 0;
}

static uint8_t next_u8(struct thrift_reader *r)
{
    uint8_t v;
    return reader_u8(&r->in, &v) ? v : (uint8_t)fail(r);
}

static uint64_t next_varint(struct thrift_reader *r)
{
    uint64_t v;
    return reader_varint(&r->in, &v) ? v : (uint64_t)fail(r);
}

enum thrift_type thrift_field(struct thrift_reader *r, int16_t *id)
{
    uint8_t head = next_u8(r);
    unsigned type = head & 15;
    if (r->bad || type == THRIFT_STOP)
        return THRIFT_STOP;
    int64_t to = head >> 4 ? *id + (head >> 4) : unzigzag(next_varint(r));
    if (r->bad || type > THRIFT_STRUCT || to <= 0 || to > INT16_MAX) {
        fail(r);
        return THRIFT_STOP;
    }
    *id = (int16_t)to;
    return type;
}

int64_t thrift_int(struct thrift_reader *r, enum thrift_type type)
{
    switch (type) {
    case THRIFT_TRUE:
        return 1;
    case THRIFT_FALSE:
        return 0;
    case THRIFT_I8:
        return (int8_t)next_u8(r);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        return unzigzag(next_varint(r));
    default:
        return fail(r);
    }
}

int32_t thrift_i32(struct thrift_reader *r, enum thrift_type type)
{
    int64_t v = thrift_int(r, type);
    return v == (int32_t)v ? (int32_t)v : (int32_t)fail(r);
}

bool thrift_bool(struct thrift_reader *r, enum thrift_type type)
{
    return thrift_int(r, type) != 0;
}

static struct slice next_bytes(struct thrift_reader *r)
{
    uint64_t n = next_varint(r);
    const char *p;
    if (n > reader_left(&r->in) || !reader_bytes(&r->in, n, &p)) {
        fail(r);
        return (struct slice){"", 0};
    }
    return (struct slice){p, n};
}

struct slice thrift_binary(struct thrift_reader *r, enum thrift_type type)
{
    if (type != THRIFT_BINARY) {
        fail(r);
        return (struct slice){"", 0};
    }
    return next_bytes(r);
}

static uint32_t list_head(struct thrift_reader *r, enum thrift_type *ret_element)
{
    uint8_t head = next_u8(r);
    uint64_t n = head >> 4 == 15 ? next_varint(r) : head >> 4;
    *ret_element = head & 15;
    if (n > reader_left(&r->in)) /* every element takes a byte or more */
        return (uint32_t)fail(r);
    return (uint32_t)n;
}

uint32_t thrift_list(struct thrift_reader *r, enum thrift_type type, enum thrift_type element)
{
    if (type != THRIFT_LIST)
        return (uint32_t)fail(r);
    enum thrift_type found;
    uint32_t n = list_head(r, &found);
    if (n && found != element)
        return (uint32_t)fail(r);
    return n;
}

int64_t thrift_element(struct thrift_reader *r)
{
    return unzigzag(next_varint(r));
}

static void skip(struct thrift_reader *r, enum thrift_type type, bool in_list, unsigned depth);

static void skip_map(struct thrift_reader *r, unsigned depth)
{
    uint64_t n = next_varint(r);
    if (!n)
        return;
    uint8_t types = next_u8(r);
    for (; n && !r->bad; n--) {
        if (!reader_left(&r->in))
            fail(r);
        skip(r, types >> 4, true, depth);
        skip(r, types & 15, true, depth);
    }
}

static void skip_list(struct thrift_reader *r, unsigned depth)
{
    enum thrift_type element;
    for (uint32_t n = list_head(r, &element); n && !r->bad; n--)
        skip(r, element, true, depth);
}

static void skip(struct thrift_reader *r, enum thrift_type type, bool in_list, unsigned depth)
{
    if (depth >= THRIFT_MAX_DEPTH || r->bad) {
        fail(r);
        return;
    }
    int16_t id = 0;
    const char *ignored;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        if (in_list)
            next_u8(r);
        break;
    case THRIFT_I8:
        next_u8(r);
        break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        next_varint(r);
        break;
    case THRIFT_DOUBLE:
        if (!reader_bytes(&r->in, 8, &ignored))
            fail(r);
        break;
    case THRIFT_BINARY:
        next_bytes(r);
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        skip_list(r, depth + 1);
        break;
    case THRIFT_MAP:
        skip_map(r, depth + 1);
        break;
    case THRIFT_STRUCT:
        for (enum thrift_type t; (t = thrift_field(r, &id));)
            skip(r, t, false, depth + 1);
        break;
    default:
        fail(r);
    }
}

void thrift_skip(struct thrift_reader *r, enum thrift_type type)
{
    skip(r, type, false, 0);
}

static void put_head(struct buf *b, int16_t *last, int16_t id, enum thrift_type type)
{
    assert(id > *last && id - *last < 16);
    buf_put_u8(b, (uint8_t)((id - *last) << 4 | type));
    *last = id;
}

void thrift_put_varint(struct buf *b, int64_t v)
{
    buf_put_varint(b, zigzag(v));
}

void thrift_put_int(struct buf *b, int16_t *last, int16_t id, enum thrift_type type, int64_t v)
{
    put_head(b, last, id, type);
    if (type == THRIFT_I8)
        buf_put_u8(b, (uint8_t)v);
    else
        thrift_put_varint(b, v);
}

void thrift_put_bool(struct buf *b, int16_t *last, int16_t id, bool v)
{
    put_head(b, last, id, v ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_put_bytes(struct buf *b, struct slice v)
{
    buf_put_varint(b, v.len);
    buf_put_slice(b, v);
}

void thrift_put_binary(struct buf *b, int16_t *last, int16_t id, struct slice v)
{
    put_head(b, last, id, THRIFT_BINARY);
    thrift_put_bytes(b, v);
}

void thrift_put_struct(struct buf *b, int16_t *last, int16_t id)
{
    put_head(b, last, id, THRIFT_STRUCT);
}

void thrift_put_list(struct buf *b, int16_t *last, int16_t id, enum thrift_type element, uint32_t n)
{
    put_head(b, last, id, THRIFT_LIST);
    if (n < 15)
        buf_put_u8(b, (uint8_t)(n << 4 | element));
    else {
        buf_put_u8(b, (uint8_t)(0xf0 | element));
        buf_put_varint(b, n);
    }
}

void thrift_put_stop(struct buf *b)
{
    buf_put_u8(b, 0);
}
