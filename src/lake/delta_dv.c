/* Deletion vectors: which rows of a data file are gone. Read only.
 *
 * Where:  'u'  [prefix] + 20 characters Z85 = a UUID: the file [prefix/]deletion_vector_UUID.bin below the table's root
 *         'p'  the path of such a file, as in an add
 *         'i'  the bitmap itself in Z85
 * A file: byte 1, then per vector, at its offset: BE u32 size, the bitmap, BE u32 CRC-32 of it.
 * Bitmap: LE u32 magic 1681511377, LE u64 n, n times { LE u32 high half of the row number, a 32-bit Roaring bitmap }.
 * Roaring (portable, https://github.com/RoaringBitmap/RoaringFormatSpec), all little-endian:
 *         u32 cookie: 12346, then u32 containers;
 *             or 12347 | (containers - 1) << 16, then a bit per container: is it runs?
 *         per container u16 key, u16 cardinality - 1
 *         u32 offsets per container, unless there are runs and fewer than 4 containers
 *         container: runs: u16 n, n times {u16 start, u16 length - 1};
 *             cardinality <= 4096: sorted u16s; else 8192 bytes of bits
 *
 * Read by own code, since the library of the day trusts what is inside a container, and these bytes are a stranger's.
 */
#include <zlib.h>

#include "lake/delta_log.h"

enum { MAGIC = 1681511377, COOKIE = 12346, COOKIE_RUNS = 12347, ARRAY_MAX = 4096, BITSET_BYTES = 8192 };
#define DV_MAX_BYTES MIB(256)
#define DV_MAX_ROWS (UINT64_C(1) << 31)

/* ---- Z85 ---- */

static int z85_digit(char c)
{
    static const char digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool z85_decode(struct slice text, struct buf *out)
{
    if (text.len % 5)
        return false;
    for (size_t i = 0; i < text.len; i += 5) {
        uint64_t v = 0;
        for (size_t k = 0; k < 5; k++) {
            int digit = z85_digit(text.data[i + k]);
            if (digit < 0)
                return false;
            v = v * 85 + (unsigned)digit;
        }
        if (v > UINT32_MAX)
            return false;
        buf_put_u32(out, __builtin_bswap32((uint32_t)v));
    }
    return !out->overflow;
}

/* ---- roaring ---- */

struct rows {
    uint64_t *bits, n;
};

static bool set_range(struct rows *r, uint64_t first, uint64_t n)
{
    if (first > r->n || n > r->n - first)
        return false;
    for (uint64_t i = first; i < first + n; i++)
        bit_set(r->bits, i);
    return true;
}

static bool take_u16(struct reader *in, uint16_t *ret)
{
    const char *p;
    if (!reader_bytes(in, 2, &p))
        return false;
    *ret = load_u16(p);
    return true;
}

static bool take_runs(struct reader *in, uint64_t base, struct rows *r)
{
    uint16_t n, start, length;
    if (!take_u16(in, &n))
        return false;
    for (; n; n--)
        if (!take_u16(in, &start) || !take_u16(in, &length) || !set_range(r, base + start, (uint64_t)length + 1))
            return false;
    return true;
}

static bool take_bitset(struct reader *in, uint64_t base, struct rows *r)
{
    const char *p;
    if (!reader_bytes(in, BITSET_BYTES, &p))
        return false;
    for (unsigned word = 0; word < BITSET_BYTES / 8; word++)
        for (uint64_t bits = load_u64(p + word * 8); bits; bits &= bits - 1)
            if (!set_range(r, base + word * 64 + (unsigned)__builtin_ctzll(bits), 1))
                return false;
    return true;
}

static bool take_array(struct reader *in, unsigned n, uint64_t base, struct rows *r)
{
    uint16_t v;
    for (; n; n--)
        if (!take_u16(in, &v) || !set_range(r, base + v, 1))
            return false;
    return true;
}

static bool take_roaring(struct reader *in, uint64_t high, struct rows *r)
{
    uint32_t cookie, n;
    const char *runs = NULL, *heads, *offsets;
    if (!reader_u32(in, &cookie))
        return false;
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        n = (cookie >> 16) + 1;
        if (!reader_bytes(in, (n + 7) / 8, &runs))
            return false;
    } else if (cookie != COOKIE || !reader_u32(in, &n) || n > 65536)
        return false;
    if (!reader_bytes(in, (size_t)n * 4, &heads) || ((!runs || n >= 4) && !reader_bytes(in, (size_t)n * 4, &offsets)))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t base = high << 32 | (uint64_t)load_u16(heads + i * 4) << 16;
        unsigned cardinality = load_u16(heads + i * 4 + 2) + 1u;
        bool good = runs && (unsigned char)runs[i / 8] >> (i % 8) & 1 ? take_runs(in, base, r)
                    : cardinality <= ARRAY_MAX                        ? take_array(in, cardinality, base, r)
                                                                      : take_bitset(in, base, r);
        if (!good)
            return false;
    }
    return true;
}

static bool take_bitmap(struct slice bytes, struct rows *r)
{
    struct reader in = reader_of(bytes);
    uint32_t magic, high;
    uint64_t n;
    if (!reader_u32(&in, &magic) || magic != MAGIC || !reader_u64(&in, &n) || n > bytes.len)
        return false;
    for (; n; n--)
        if (!reader_u32(&in, &high) || !take_roaring(&in, high, r))
            return false;
    return true;
}

/* ---- finding it ---- */

static enum status dv_object(const struct delta_table *t, const struct delta_dv *dv, struct buf *out, struct error *err)
{
    AUTO(buf) path = BUF(KIB(64));
    if (dv->storage == 'p') {
        TRY(delta_path_decode(t, dv->path_or_inline, &path, err));
        delta_object_name(t, buf_cstr(&path), out);
        return OK;
    }
    AUTO(buf) uuid = BUF(64);
    size_t n = strlen(dv->path_or_inline);
    if (n < 20 || !z85_decode((struct slice){dv->path_or_inline + n - 20, 20}, &uuid))
        return error_set(err, ERR_CORRUPT, "a deletion vector has no usable name");
    buf_put(&path, dv->path_or_inline, n - 20);
    buf_puts(&path, n > 20 ? "/deletion_vector_" : "deletion_vector_");
    for (size_t i = 0; i < 16; i++)
        buf_printf(&path, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", (unsigned char)uuid.data[i]);
    buf_puts(&path, ".bin");
    if (!store_name_ok(buf_cstr(&path)))
        return error_set(err, ERR_CORRUPT, "a deletion vector has no usable name");
    delta_object_name(t, buf_cstr(&path), out);
    return OK;
}

static enum status read_stored(const struct delta_table *t, const struct delta_dv *dv, struct buf *out,
                               struct error *err)
{
    AUTO(buf) name = BUF(KIB(64));
    TRY(dv_object(t, dv, &name, err));
    size_t n = (size_t)dv->bytes;
    uint64_t offset = dv->offset < 0 ? 1 : (uint64_t)dv->offset; /* byte 0 is the file's version */
    char *at = buf_reserve(out, n + 8);
    if (!at)
        return error_set(err, ERR_LIMIT, "%s: a deletion vector of %zu bytes", buf_cstr(&name), n);
    TRY(t->store->ops->get_range(t->store, buf_cstr(&name), offset, at, n + 8, err));
    if (__builtin_bswap32(load_u32(at)) != n ||
        __builtin_bswap32(load_u32(at + 4 + n)) != (uint32_t)crc32(0, (const Bytef *)at + 4, (uInt)n))
        return error_set(err, ERR_CORRUPT, "%s: a deletion vector fails its checksum", buf_cstr(&name));
    memmove(at, at + 4, n);
    out->len = n;
    return OK;
}

enum status delta_read_dv(const struct delta_table *t, const struct delta_dv *dv, uint64_t rows, struct arena *a,
                          uint64_t **ret, struct error *err)
{
    AUTO(buf) bytes = BUF(DV_MAX_BYTES);
    if (!dv->storage) {
        *ret = NULL;
        return OK;
    }
    if (rows > DV_MAX_ROWS || dv->bytes < 0 || (uint64_t)dv->bytes > DV_MAX_BYTES - 8)
        return error_set(err, ERR_LIMIT, "a deletion vector over %llu rows is too large", (unsigned long long)rows);
    if (dv->storage == 'i') {
        if (!z85_decode(slice_of(dv->path_or_inline), &bytes))
            return error_set(err, ERR_CORRUPT, "an inline deletion vector is broken");
    } else if (dv->storage == 'u' || dv->storage == 'p')
        TRY(read_stored(t, dv, &bytes, err));
    else
        return error_set(err, ERR_UNSUPPORTED, "a deletion vector of kind '%c' is not supported", dv->storage);
    struct rows r = {.bits = arena_zarray(a, BITMAP_WORDS(rows) + 1, sizeof(uint64_t)), .n = rows};
    if (!take_bitmap(buf_slice(&bytes), &r))
        return error_set(err, ERR_CORRUPT, "a deletion vector of %s is broken", t->root);
    *ret = r.bits;
    return OK;
}
