/* Bytes: hashes, text encodings, parts. Characters by number, quoting. */
/* MD5 is deprecated as a protection; here it is a function of SQL. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "expr/text.h"
#include "expr/function.h"
#include "expr/utf8.h"

/* ---- hashes ---- */

static void kernel_md5(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        unsigned char hash[MD5_DIGEST_LENGTH];
        char text[2 * MD5_DIGEST_LENGTH];
        MD5((const unsigned char *)s.data, s.len, hash);
        hex_put(text, hash, sizeof hash);
        call_text(c, r, text, sizeof text);
    }
}

static void hash_bytes(struct call *c, unsigned char *(*hash)(const unsigned char *, size_t, unsigned char *), size_t n)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        unsigned char out[SHA512_DIGEST_LENGTH];
        hash((const unsigned char *)s.data, s.len, out);
        call_text(c, r, (char *)out, n);
    }
}
static void kernel_sha224(struct call *c) { hash_bytes(c, SHA224, SHA224_DIGEST_LENGTH); }
static void kernel_sha256(struct call *c) { hash_bytes(c, SHA256, SHA256_DIGEST_LENGTH); }
static void kernel_sha384(struct call *c) { hash_bytes(c, SHA384, SHA384_DIGEST_LENGTH); }
static void kernel_sha512(struct call *c) { hash_bytes(c, SHA512, SHA512_DIGEST_LENGTH); }

/* ---- encode, decode ---- */

enum encoding { ENCODING_HEX, ENCODING_BASE64, ENCODING_ESCAPE, ENCODING_NONE };

static enum encoding encoding_of(struct slice name)
{
    static const char *const names[] = {"hex", "base64", "escape"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (name.len == strlen(names[i]) && strncasecmp(name.data, names[i], name.len) == 0)
            return (enum encoding)i;
    return ENCODING_NONE;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
enum { BASE64_LINE = 76 };

/* Lines of 76 digits, as PostgreSQL writes them (RFC 2045). */
static size_t put_base64(struct slice s, char *out)
{
    const unsigned char *in = (const unsigned char *)s.data;
    char *p = out, *line = out;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *p++ = base64_digits[group >> 18];
        *p++ = base64_digits[(group >> 12) & 63];
        *p++ = left > 1 ? base64_digits[(group >> 6) & 63] : '=';
        *p++ = left > 2 ? base64_digits[group & 63] : '=';
        if (left > 2 && p - line >= BASE64_LINE) {
            *p++ = '\n';
            line = p;
        }
    }
    return (size_t)(p - out);
}

static size_t put_escape(struct slice s, char *out)
{
    char *p = out;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.data[i];
        if (ch == 0 || ch >= 0x80) {
            *p++ = '\\';
            *p++ = (char)('0' + (ch >> 6));
            *p++ = (char)('0' + ((ch >> 3) & 7));
            *p++ = (char)('0' + (ch & 7));
        } else {
            if (ch == '\\')
                *p++ = '\\';
            *p++ = (char)ch;
        }
    }
    return (size_t)(p - out);
}

static void fail_encoding(struct call *c, uint32_t row)
{
    struct slice name = arg_text(c, 1, row);
    call_fail(c, row, "22023", "unrecognized encoding: \"%.*s\"", (int)MIN(name.len, (size_t)60), name.data);
}

static void kernel_encode(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        enum encoding encoding = encoding_of(arg_text(c, 1, r));
        char *out = arena_alloc(c->arena, s.len * 4 + 8);
        switch (encoding) {
        case ENCODING_HEX: OUT(c, struct view, r) = view_of(out, (size_t)(hex_put(out, s.data, s.len) - out)); break;
        case ENCODING_BASE64: OUT(c, struct view, r) = view_of(out, put_base64(s, out)); break;
        case ENCODING_ESCAPE: OUT(c, struct view, r) = view_of(out, put_escape(s, out)); break;
        case ENCODING_NONE: fail_encoding(c, r); break;
        }
    }
}

static void decode_hex(struct call *c, uint32_t row, struct slice s, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (is_json_blank(s.data[i]))
            continue;
        int high = hex_value(s.data[i]), low = i + 1 < s.len ? hex_value(s.data[i + 1]) : -1;
        if (high < 0 || (i + 1 < s.len && low < 0)) {
            const char *bad = s.data + i + (high >= 0);
            call_fail(c, row, "22023", "invalid hexadecimal digit: \"%.*s\"",
                      (int)(utf8_next(bad, s.data + s.len) - bad), bad);
            return;
        }
        if (low < 0) {
            call_fail(c, row, "22023", "invalid hexadecimal data: odd number of digits");
            return;
        }
        out[n++] = (char)(high << 4 | low);
        i++;
    }
    OUT(c, struct view, row) = view_of(out, n);
}

static void decode_base64(struct call *c, uint32_t row, struct slice s, char *out)
{
    uint32_t group = 0;
    unsigned have = 0, keep = 3; /* digits of the group; bytes it stands for, fewer once padded */
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *digit = s.data[i] ? strchr(base64_digits, s.data[i]) : NULL;
        if (is_json_blank(s.data[i]))
            continue;
        if (s.data[i] == '=') {
            if (keep == 3 && have != 2 && have != 3) {
                call_fail(c, row, "22023", "unexpected \"=\" while decoding base64 sequence");
                return;
            }
            keep = keep == 3 ? have - 1 : keep;
        } else if (!digit) {
            call_fail(c, row, "22023", "invalid symbol \"%.*s\" found while decoding base64 sequence",
                      (int)(utf8_next(s.data + i, s.data + s.len) - (s.data + i)), s.data + i);
            return;
        }
        group = group << 6 | (s.data[i] == '=' ? 0 : (uint32_t)(digit - base64_digits));
        if (++have < 4)
            continue;
        for (unsigned k = 0; k < keep; k++)
            out[n++] = (char)(group >> (16 - 8 * k));
        group = have = 0;
    }
    if (have)
        call_fail(c, row, "22023", "invalid base64 end sequence");
    else
        OUT(c, struct view, row) = view_of(out, n);
}

static bool is_octal(char ch, char most) { return ch >= '0' && ch <= most; }

static void decode_escape(struct call *c, uint32_t row, struct slice s, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '\\') {
            out[n++] = s.data[i];
        } else if (i + 3 < s.len && is_octal(s.data[i + 1], '3') && is_octal(s.data[i + 2], '7') &&
                   is_octal(s.data[i + 3], '7')) {
            out[n++] = (char)((s.data[i + 1] - '0') << 6 | (s.data[i + 2] - '0') << 3 | (s.data[i + 3] - '0'));
            i += 3;
        } else if (i + 1 < s.len && s.data[i + 1] == '\\') {
            out[n++] = s.data[i++];
        } else {
            call_fail(c, row, "22P02", "invalid input syntax for type bytea");
            return;
        }
    }
    OUT(c, struct view, row) = view_of(out, n);
}

static void kernel_decode(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        char *out = arena_alloc(c->arena, s.len + 4);
        switch (encoding_of(arg_text(c, 1, r))) {
        case ENCODING_HEX: decode_hex(c, r, s, out); break;
        case ENCODING_BASE64: decode_base64(c, r, s, out); break;
        case ENCODING_ESCAPE: decode_escape(c, r, s, out); break;
        case ENCODING_NONE: fail_encoding(c, r); break;
        }
    }
}

/* ---- bytea ---- */

static void kernel_byte_length(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = (int32_t)ARG(c, 0, struct view, r).len;
}

static void kernel_byte_join(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice x = arg_text(c, 0, r), y = arg_text(c, 1, r);
        char *out = arena_alloc(c->arena, x.len + y.len);
        memcpy(mempcpy(out, x.data, x.len), y.data, y.len);
        OUT(c, struct view, r) = view_of(out, x.len + y.len);
    }
}

static void kernel_byte_substring(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t start = (int64_t)ARG(c, 1, int32_t, r) - 1, length = c->nargs > 2 ? ARG(c, 2, int32_t, r) : INT32_MAX;
        if (length < 0) {
            call_fail(c, r, "22011", "negative substring length not allowed");
            continue;
        }
        int64_t from = MIN(MAX(start, (int64_t)0), (int64_t)s.len), to = MIN(MAX(start + length, from), (int64_t)s.len);
        OUT(c, struct view, r) = view_of(s.data + from, (size_t)(to - from));
    }
}

static bool is_utf8_name(struct slice name)
{
    return (name.len == 4 && strncasecmp(name.data, "utf8", 4) == 0) ||
           (name.len == 5 && strncasecmp(name.data, "utf-8", 5) == 0);
}

static bool check_utf8_name(struct call *c, uint32_t row, const char *which)
{
    struct slice name = arg_text(c, 1, row);
    if (is_utf8_name(name))
        return true;
    call_fail(c, row, "22023", "invalid %s encoding name \"%.*s\"", which, (int)MIN(name.len, (size_t)60), name.data);
    return false;
}

/* The bytes of the first character that is none, as PostgreSQL shows them. */
static void fail_utf8(struct call *c, uint32_t row, struct slice s)
{
    const char *p = s.data, *end = s.data + s.len;
    unsigned n;
    while (*p && (n = utf8_char(p, end)))
        p += n;
    unsigned char first = (unsigned char)*p;
    size_t shown = first < 0xc0 || first >= 0xf8 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    char text[32] = "";
    for (size_t i = 0; i < shown && p + i < end; i++)
        snprintf(text + strlen(text), 8, "%s0x%02x", i ? " " : "", (unsigned char)p[i]);
    call_fail(c, row, "22021", "invalid byte sequence for encoding \"UTF8\": %s", text);
}

static void kernel_convert_from(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        if (!check_utf8_name(c, r, "source"))
            continue;
        if (!utf8_valid(s) || memchr(s.data, 0, s.len))
            fail_utf8(c, r, s);
        else
            OUT(c, struct view, r) = ARG(c, 0, struct view, r);
    }
}

static void kernel_convert_to(struct call *c)
{
    CALL_ROWS(c, r)
        if (check_utf8_name(c, r, "destination"))
            OUT(c, struct view, r) = ARG(c, 0, struct view, r);
}

/* ---- characters and digits ---- */

static void kernel_ascii(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        if (s.len == 0) {
            OUT(c, int32_t, r) = 0;
            continue;
        }
        OUT(c, int32_t, r) = (int32_t)utf8_code(s.data, utf8_char(s.data, s.data + s.len));
    }
}

static void kernel_chr(struct call *c)
{
    CALL_ROWS(c, r) {
        int32_t code = ARG(c, 0, int32_t, r);
        char out[4];
        if (code < 0)
            call_fail(c, r, "22023", "character number must be positive");
        else if (code == 0)
            call_fail(c, r, "54000", "null character not permitted");
        else if (code > 0x10ffff)
            call_fail(c, r, "54000", "requested character too large for encoding: %d", code);
        else if (code >= 0xd800 && code < 0xe000)
            call_fail(c, r, "54000", "requested character not valid for encoding: %d", code);
        else
            call_text(c, r, out, utf8_put((uint32_t)code, out));
    }
}

static void kernel_to_hex4(struct call *c)
{
    CALL_ROWS(c, r) {
        char out[24];
        call_text(c, r, out, (size_t)snprintf(out, sizeof out, "%x", (uint32_t)ARG(c, 0, int32_t, r)));
    }
}

static void kernel_to_hex8(struct call *c)
{
    CALL_ROWS(c, r) {
        char out[24];
        call_text(c, r, out, (size_t)snprintf(out, sizeof out, "%lx", (unsigned long)ARG(c, 0, int64_t, r)));
    }
}

static void quote(struct call *c, uint32_t row)
{
    struct slice s = arg_text(c, 0, row);
    AUTO(buf) out = BUF(s.len * 2 + 3);
    text_put_literal(&out, s);
    text_give(c, row, &out);
}

static void kernel_quote_literal(struct call *c)
{
    CALL_ROWS(c, r)
        quote(c, r);
}

static void kernel_quote_nullable(struct call *c)
{
    CALL_ROWS(c, r) {
        if (arg_is_null(c, 0, r))
            call_text(c, r, "NULL", 4);
        else
            quote(c, r);
    }
}

/* ---- single bytes and bits ---- */

/* Is there an `index`-th of `count`? If not the lane fails. */
static bool has_index(struct call *c, uint32_t row, int64_t index, int64_t count)
{
    if (index >= 0 && index < count)
        return true;
    call_fail(c, row, "2202E", "index %lld out of valid range, 0..%lld", (long long)index, (long long)count - 1);
    return false;
}

static void kernel_get_byte(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int32_t at = ARG(c, 1, int32_t, r);
        if (has_index(c, r, at, (int64_t)s.len))
            OUT(c, int32_t, r) = (unsigned char)s.data[at];
    }
}

static void kernel_get_bit(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t at = ARG(c, 1, int64_t, r);
        if (has_index(c, r, at, (int64_t)s.len * 8))
            OUT(c, int32_t, r) = (unsigned char)s.data[at / 8] >> (at % 8) & 1;
    }
}

static void kernel_set_byte(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int32_t at = ARG(c, 1, int32_t, r);
        if (!has_index(c, r, at, (int64_t)s.len))
            continue;
        char *copy = arena_dup(c->arena, s.data, s.len);
        copy[at] = (char)ARG(c, 2, int32_t, r);
        call_slice(c, r, (struct slice){copy, s.len});
    }
}

static void kernel_set_bit(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t at = ARG(c, 1, int64_t, r);
        int32_t bit = ARG(c, 2, int32_t, r);
        if (!has_index(c, r, at, (int64_t)s.len * 8))
            continue;
        if (bit != 0 && bit != 1) {
            call_fail(c, r, "22023", "new bit must be 0 or 1");
            continue;
        }
        char *copy = arena_dup(c->arena, s.data, s.len);
        unsigned mask = 1u << (at % 8), old = (unsigned char)copy[at / 8];
        copy[at / 8] = (char)(bit ? old | mask : old & ~mask);
        call_slice(c, r, (struct slice){copy, s.len});
    }
}

static void kernel_bit_count(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r);
        int64_t n = 0;
        for (size_t i = 0; i < s.len; i++)
            n += __builtin_popcount((unsigned char)s.data[i]);
        OUT(c, int64_t, r) = n;
    }
}

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

static void trim(struct call *c, unsigned sides)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), set = arg_text(c, 1, r);
        while ((sides & TRIM_LEFT) && s.len && set.len && memchr(set.data, s.data[0], set.len))
            s = (struct slice){s.data + 1, s.len - 1};
        while ((sides & TRIM_RIGHT) && s.len && set.len && memchr(set.data, s.data[s.len - 1], set.len))
            s.len--;
        call_slice(c, r, s);
    }
}
static void kernel_btrim(struct call *c) { trim(c, TRIM_LEFT | TRIM_RIGHT); }
static void kernel_ltrim(struct call *c) { trim(c, TRIM_LEFT); }
static void kernel_rtrim(struct call *c) { trim(c, TRIM_RIGHT); }

static void kernel_byte_position(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), part = arg_text(c, 1, r);
        const char *at = part.len == 0 ? s.data : s.len ? memmem(s.data, s.len, part.data, part.len) : NULL;
        OUT(c, int32_t, r) = part.len == 0 ? 1 : at ? (int32_t)(at - s.data) + 1 : 0;
    }
}

static void kernel_byte_overlay(struct call *c)
{
    CALL_ROWS(c, r) {
        struct slice s = arg_text(c, 0, r), with = arg_text(c, 1, r);
        int64_t start = ARG(c, 2, int32_t, r), length = c->nargs > 3 ? ARG(c, 3, int32_t, r) : (int64_t)with.len;
        if (start <= 0) {
            call_fail(c, r, "22011", "negative substring length not allowed");
            continue;
        }
        if (start + length > INT32_MAX) {
            call_fail(c, r, "22003", "integer out of range");
            continue;
        }
        size_t head = (size_t)MIN(start - 1, (int64_t)s.len);
        size_t tail = (size_t)MIN(MAX(start + length - 1, 0), (int64_t)s.len), bytes = head + with.len + s.len - tail;
        char *out = arena_alloc(c->arena, bytes), *p = out;
        p = head ? mempcpy(p, s.data, head) : p;
        p = with.len ? mempcpy(p, with.data, with.len) : p;
        if (tail < s.len)
            memcpy(p, s.data + tail, s.len - tail);
        call_slice(c, r, (struct slice){out, bytes});
    }
}

static void kernel_byte_bits(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = (int32_t)(arg_text(c, 0, r).len * 8);
}

#define T TYPE_TEXT
#define B TYPE_BYTEA
#define I TYPE_INT4
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .help = HELP}

const struct function fn_text[] = {
    FN("ascii", I, 1, kernel_ascii, "code point of the first character; 0 of an empty string", T),
    FN("chr", T, 1, kernel_chr, "the character of a code point", I),
    FN("to_hex", T, 1, kernel_to_hex4, "in hexadecimal, two's complement", I),
    FN("to_hex", T, 1, kernel_to_hex8, "in hexadecimal, two's complement", TYPE_INT8),
    FN("quote_literal", T, 1, kernel_quote_literal, "as an SQL string literal", T),
    {.name = "quote_nullable", .result = T, .nargs = 1, .args = {T}, .flags = FN_NULLS,
     .kernel = kernel_quote_nullable, .help = "as an SQL string literal, or the word NULL"},
    {.name = "quote_literal", .result = T, .nargs = 1, .args = {ARG_ANY}, .kernel = kernel_quote_literal,
     .bind = text_bind_args, .help = "the value's text as an SQL string literal"},
    {.name = "quote_nullable", .result = T, .nargs = 1, .args = {ARG_ANY}, .flags = FN_NULLS,
     .kernel = kernel_quote_nullable, .bind = text_bind_args, .help = "the same, or the word NULL"},
    {0},
};

const struct function fn_bytes[] = {
    FN("md5", T, 1, kernel_md5, "MD5 as hexadecimal text: a checksum, not a protection", T),
    FN("md5", T, 1, kernel_md5, "MD5 as hexadecimal text: a checksum, not a protection", B),
    FN("sha224", B, 1, kernel_sha224, "SHA-224", B),
    FN("sha256", B, 1, kernel_sha256, "SHA-256", B),
    FN("sha384", B, 1, kernel_sha384, "SHA-384", B),
    FN("sha512", B, 1, kernel_sha512, "SHA-512", B),
    FN("encode", T, 2, kernel_encode, "as 'hex', 'base64' or 'escape' text", B, T),
    FN("decode", B, 2, kernel_decode, "from 'hex', 'base64' or 'escape' text", T, T),
    FN("length", I, 1, kernel_byte_length, "bytes", B),
    FN("octet_length", I, 1, kernel_byte_length, "bytes", B),
    FN("bit_length", I, 1, kernel_byte_bits, "bits", B),
    FN("btrim", B, 2, kernel_btrim, "without any of these bytes at both ends", B, B),
    FN("ltrim", B, 2, kernel_ltrim, "without any of these bytes at the start", B, B),
    FN("rtrim", B, 2, kernel_rtrim, "without any of these bytes at the end", B, B),
    FN("position", I, 2, kernel_byte_position, "position(y IN x): first place of y in x, 0 if none", B, B),
    FN("overlay", B, 3, kernel_byte_overlay, "the second written over the first from a byte on", B, B, I),
    FN("overlay", B, 4, kernel_byte_overlay, "the second in place of so many bytes of the first", B, B, I, I),
    FN("||", B, 2, kernel_byte_join, "joined", B, B),
    FN("substring", B, 2, kernel_byte_substring, "from a byte on, the first is 1", B, I),
    FN("substring", B, 3, kernel_byte_substring, "from a byte on, so many", B, I, I),
    FN("substr", B, 2, kernel_byte_substring, "from a byte on, the first is 1", B, I),
    FN("substr", B, 3, kernel_byte_substring, "from a byte on, so many", B, I, I),
    FN("get_byte", I, 2, kernel_get_byte, "a byte, from 0", B, I),
    FN("get_bit", I, 2, kernel_get_bit, "a bit, from 0, the lowest of each byte first", B, TYPE_INT8),
    FN("set_byte", B, 3, kernel_set_byte, "with a byte set", B, I, I),
    FN("set_bit", B, 3, kernel_set_bit, "with a bit set to 0 or 1", B, TYPE_INT8, I),
    FN("bit_count", TYPE_INT8, 1, kernel_bit_count, "how many bits are 1", B),
    FN("convert_from", T, 2, kernel_convert_from, "bytes in 'UTF8' as text", B, T),
    FN("convert_to", B, 2, kernel_convert_to, "text as bytes in 'UTF8'", T, T),
    {0},
};
