/* Thrift's compact protocol, as far as Parquet's metadata needs it.
 *
 * A struct is a sequence of fields and a stop byte 0. A field's head is one byte, (id - previous id) << 4 | type; a
 * difference of 0 means that the id follows as a zigzag varint. Types: 1 true, 2 false, 3 i8, 4 i16, 5 i32, 6 i64
 * (integers as zigzag varints), 7 double (8 bytes), 8 binary (varint length, bytes), 9 list, 10 set (size << 4 |
 * element type; size 15 = a varint follows), 11 map (varint size, then key type << 4 | value type unless empty), 12
 * struct. In a list a bool is one byte, 1 true, 2 false (0 is taken as false too).
 *
 * Reading never fails at once: the first bad byte sets `bad`, from then on fields end and values are 0, and the caller
 * looks once. Nothing is allocated. Lists are bounded by the bytes that are left, nesting by THRIFT_MAX_DEPTH.
 *
 *     for (int16_t id = 0; (type = thrift_field(&r, &id));)
 *         switch (id) {
 *         case 1: n = thrift_int(&r, type); break;
 *         default: thrift_skip(&r, type);
 *         }
 *     if (r.bad) ...
 */
#pragma once

#include "base/buf.h"

enum { THRIFT_MAX_DEPTH = 32 };

enum thrift_type {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_I8,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT,
};

struct thrift_reader {
    struct reader in;
    bool bad;
};

static inline struct thrift_reader thrift_reader_of(struct slice bytes)
{
    return (struct thrift_reader){.in = reader_of(bytes)};
}
/* The type of the next field, THRIFT_STOP after the last one. *id is the previous field's id, 0 before the first;
 * becomes this field's. */
enum thrift_type thrift_field(struct thrift_reader *r, int16_t *id);
/* The value of a field of any integer or bool type; another type is bad. */
int64_t thrift_int(struct thrift_reader *r, enum thrift_type type);
/* The same, and bad unless it fits int32_t. */
int32_t thrift_i32(struct thrift_reader *r, enum thrift_type type);
bool thrift_bool(struct thrift_reader *r, enum thrift_type type);
/* Bytes in place. */
struct slice thrift_binary(struct thrift_reader *r, enum thrift_type type);
/* The head of a list whose elements are of `element` type: their number. */
uint32_t thrift_list(struct thrift_reader *r, enum thrift_type type, enum thrift_type element);
/* The element of a list of integers. */
int64_t thrift_element(struct thrift_reader *r);
void thrift_skip(struct thrift_reader *r, enum thrift_type type);

/* Writing, into a buf. The struct's `last` id is kept by the caller: int16_t last = 0 at its start. */
void thrift_put_int(struct buf *b, int16_t *last, int16_t id, enum thrift_type type, int64_t v);
void thrift_put_bool(struct buf *b, int16_t *last, int16_t id, bool v);
void thrift_put_binary(struct buf *b, int16_t *last, int16_t id, struct slice v);
void thrift_put_struct(struct buf *b, int16_t *last, int16_t id); /* its fields and thrift_put_stop follow */
void thrift_put_list(struct buf *b, int16_t *last, int16_t id, enum thrift_type element, uint32_t n);
/* One element of a list of integers, of binaries. */
void thrift_put_varint(struct buf *b, int64_t v);
void thrift_put_bytes(struct buf *b, struct slice v);
void thrift_put_stop(struct buf *b);
