/* A growing byte buffer that cannot be made without a maximum.
 *
 *     AUTO(buf) b = BUF(MIB(16));
 *     buf_puts(&b, "hello ");
 *     buf_printf(&b, "%d", 42);
 *     if (b.overflow) return error_set(err, ERR_LIMIT, ...);   // checked once, at the end
 *
 * Past its maximum a buffer stops taking bytes and sets `overflow`; appending never fails otherwise.
 * b.data is not terminated; buf_cstr terminates it.
 */
#pragma once

#include "base/base.h"

struct buf {
    char *data;
    size_t len, cap, max;
    bool overflow;
};

#define BUF(maximum) {.max = (maximum)}

char *buf_reserve_slow(struct buf *b, size_t n);

/* Room for n more bytes at data+len, or NULL on overflow. The caller then adds to len what it wrote. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    if (likely(n <= b->cap - b->len && b->data && !b->overflow))
        return b->data + b->len;
    return buf_reserve_slow(b, n);
}
static inline void buf_put(struct buf *b, const void *bytes, size_t n)
{
    char *at = buf_reserve(b, n);
    if (unlikely(!at) || n == 0)
        return;
    memcpy(at, bytes, n);
    b->len += n;
}
static inline void buf_puts(struct buf *b, const char *s) { buf_put(b, s, strlen(s)); }
static inline void buf_put_slice(struct buf *b, struct slice s) { buf_put(b, s.data, s.len); }
static inline void buf_putc(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);
    if (likely(at)) {
        *at = c;
        b->len++;
    }
}
static inline void buf_put_u8(struct buf *b, uint8_t v) { buf_putc(b, (char)v); }
static inline void buf_put_u32(struct buf *b, uint32_t v) { buf_put(b, &v, sizeof v); }
static inline void buf_put_u64(struct buf *b, uint64_t v) { buf_put(b, &v, sizeof v); }
/* LEB128. */
void buf_put_varint(struct buf *b, uint64_t v);
extern const char two_digits[201]; /* "000102...99": those of n are at 2 * n */
extern const uint64_t powers_of_ten[20]; /* 1 .. 10^19 */
/* In decimal: INT_PRINTED_MAX bytes at most; returns how many. */
enum { INT_PRINTED_MAX = 20 };
size_t int_print(int64_t v, char out[static INT_PRINTED_MAX]);
void buf_put_int(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string with quotes; bytes that are no UTF-8 become U+FFFD. */
void buf_put_json(struct buf *b, struct slice s);
/* Terminated contents; valid until the next change. */
const char *buf_cstr(struct buf *b);
static inline struct slice buf_slice(const struct buf *b) { return (struct slice){b->data, b->len}; }
static inline void buf_clear(struct buf *b) { b->len = 0; b->overflow = false; }
void buf_release(struct buf *b);
static inline void buf_autofree(struct buf *b) { buf_release(b); }

/* Reading the same encodings back from bytes that may lie: every getter answers false at the end, and stays there. */
struct reader {
    const unsigned char *p, *end;
};
static inline struct reader reader_of(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    return (struct reader){p, s.len ? p + s.len : p}; /* of nothing, p may be NULL */
}
static inline size_t reader_left(const struct reader *r) { return (size_t)(r->end - r->p); }
bool reader_u8(struct reader *r, uint8_t *ret);
bool reader_u32(struct reader *r, uint32_t *ret);
bool reader_u64(struct reader *r, uint64_t *ret);
bool reader_varint(struct reader *r, uint64_t *ret);
/* n bytes in place. */
bool reader_bytes(struct reader *r, size_t n, const char **ret);
