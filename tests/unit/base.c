/* Arenas, buffers, errors, hashes, UTF-8, the log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bufs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/store.h"
#include "base/utf8.h"

static void test_arena_gives_aligned_memory_of_its_own(void **unused)
{
    (void)unused;
    AUTO(arena) a = {0};
    char *pieces[300];
    for (size_t i = 0; i < 300; i++) {
        pieces[i] = arena_alloc(&a, i * 37 % 5000);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i * 37 % 5000);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < i * 37 % 5000; k++)
            assert_int_equal((unsigned char)pieces[i][k], (unsigned char)i);
    char *large = arena_zalloc(&a, MIB(3));
    assert_int_equal(large[0] | large[MIB(3) - 1], 0);
    assert_true(a.total >= MIB(3));
    arena_reset(&a);
    assert_true(a.total <= MIB(1)); /* the large piece is not kept */
    size_t kept = a.total;
    arena_alloc(&a, 100);
    assert_int_equal(a.total, kept); /* and a steady loop allocates nothing */
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
}

static void test_a_buffer_stops_at_its_maximum(void **unused)
{
    (void)unused;
    AUTO(buf) b = BUF(10);
    buf_puts(&b, "123456789");
    assert_false(b.overflow);
    buf_puts(&b, "ab");
    assert_true(b.overflow);
    assert_int_equal(b.len, 9);
    buf_putc(&b, 'x'); /* once over, it stays so */
    assert_int_equal(b.len, 9);
    assert_string_equal(buf_cstr(&b), "123456789");
    buf_clear(&b);
    buf_printf(&b, "%s", "0123456789");
    assert_true(b.overflow || b.len == 10);
}

static void test_varints_come_back(void **unused)
{
    (void)unused;
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX};
    AUTO(buf) b = BUF(256);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        buf_put_varint(&b, values[i]);
    struct reader in = reader_of(buf_slice(&b));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        uint64_t v;
        assert_true(reader_varint(&in, &v));
        assert_true(v == values[i]);
    }
    uint64_t v;
    assert_false(reader_varint(&in, &v));
    in = reader_of(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")); /* 65 bits */
    assert_false(reader_varint(&in, &v));
}

static void test_json_strings(void **unused)
{
    (void)unused;
    AUTO(buf) b = BUF(256);
    buf_put_json(&b, SLICE("a\"b\\c\n\t\x01\x7f é \xff\xed\xa0\x80"));
    assert_string_equal(buf_cstr(&b),
                        "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f é \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Every place of a byte that does not stand for itself, in texts of every length up to three times 16. */
static void test_json_strings_at_any_place(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes, *json;
    } odd[] = {{"\"", "\\\""}, {"\x1f", "\\u001f"}, {"é", "é"}, {"\xff", "\xef\xbf\xbd"}, {"x", "x"}};
    for (size_t len = 0; len <= 48; len++)
        for (size_t at = 0; at <= len; at++)
            for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
                static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
                char text[128], want[128];
                int before = (int)at, behind = (int)(len - at);
                int n = snprintf(text, sizeof text, "%.*s%s%.*s", before, letters, odd[i].bytes, behind, letters);
                snprintf(want, sizeof want, "\"%.*s%s%.*s\"", before, letters, odd[i].json, behind, letters);
                AUTO(buf) b = BUF(256);
                buf_put_json(&b, (struct slice){text, (size_t)n});
                assert_string_equal(buf_cstr(&b), want);
            }
}

static void test_bytes_in_several_buffers(void **unused)
{
    (void)unused;
    for (int round = 0; round < 2; round++) { /* in the second with buffers of the first */
        struct bufs all = {0};
        AUTO(buf) piece = BUF(MIB(16));
        AUTO(buf) want = BUF(MIB(16));
        AUTO(buf) got = BUF(MIB(16));
        for (unsigned i = 0; i < 300; i++) {
            size_t len = i % 10 == 3 ? 0 : i % 7 == 0 ? 40000 + i : i * 13;
            memset(buf_reserve(&piece, len + 1), (int)i, len);
            piece.len = len;
            buf_put_slice(&want, buf_slice(&piece));
            bufs_put(&all, &piece);
            assert_int_equal(piece.len, 0);
            assert_int_equal(piece.max, MIB(16));
            assert_int_equal(all.bytes, want.len);
        }
        assert_in_range(all.count, 30, 60); /* 39 long ones, and few beside */
        bufs_join(&all, &got);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
        bufs_clear(&all);
        assert_int_equal(all.bytes, 0);
        struct buf spare = buf_spare(MIB(16));
        assert_true(spare.cap > 0 && spare.len == 0 && !spare.overflow);
        buf_release(&spare);
        bufs_release(&all);
    }
    buf_spares_drop();
    struct buf fresh = buf_spare(MIB(16));
    assert_int_equal(fresh.cap, 0);
}

static void test_integers(void **unused)
{
    (void)unused;
    uint64_t ten = 1;
    for (int digits = 1; digits <= 19; digits++, ten *= 10)
        for (int64_t near = -2; near <= 2; near++)
            for (int sign = -1; sign <= 1; sign += 2) {
                int64_t v = (int64_t)(ten + (uint64_t)near) * sign;
                AUTO(buf) b = BUF(INT_PRINTED_MAX + 1);
                char want[32];
                snprintf(want, sizeof want, "%lld", (long long)v);
                buf_put_int(&b, v);
                assert_string_equal(buf_cstr(&b), want);
            }
    static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 0};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        AUTO(buf) b = BUF(INT_PRINTED_MAX + 1);
        char want[32];
        snprintf(want, sizeof want, "%lld", (long long)ends[i]);
        buf_put_int(&b, ends[i]);
        assert_string_equal(buf_cstr(&b), want);
    }
}

static void test_errors(void **unused)
{
    (void)unused;
    struct error err = {0};
    char out[1000];
    assert_int_equal(error_set(&err, ERR_IO, "bad %s", "a\x1b[2J\nb"), FAILED);
    assert_string_equal(err.text, "bad a?[2J?b"); /* nothing from outside moves the cursor or forges a line */
    (void)error_prefix(&err, "file %d", 7);
    (void)error_hint(&err, "try %s", "again");
    err.place = (struct place){"p.sql", 12, 14};
    assert_string_equal(error_print(&err, out, sizeof out),
                        "p.sql:12:14: error: file 7: bad a?[2J?b\n  hint: try again");
    (void)error_errno(&err, ENOSPC, "cannot write x");
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_string_equal(err.text, "cannot write x: No space left on device");
    (void)error_errno(&err, ENOENT, "x");
    assert_int_equal(err.code, ERR_NOT_FOUND);
    char small[8];
    error_print(&err, small, sizeof small);
    assert_string_equal(small, "error: ");
}

/* RFC 3720, appendix B.4; the check value of the catalogue of CRC algorithms for "123456789". */
static void test_crc32c_vectors(void **unused)
{
    (void)unused;
    unsigned char bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    for (int i = 0; i <= 32; i++) /* in pieces it is the same */
        assert_int_equal(crc32c(crc32c(0, bytes, (size_t)i), bytes + i, (size_t)(32 - i)), 0x46dd794e);
    for (size_t i = 0; i <= 32; i++)
        assert_int_equal(crc32c_portable(crc32c_portable(7, bytes, i), bytes + i, 32 - i), crc32c(7, bytes, 32));
    assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
}

/* Lengths around the stretches that are summed up side by side. */
static void test_crc32c_of_long_texts(void **unused)
{
    (void)unused;
    enum { LONGEST = 10000 };
    static unsigned char bytes[LONGEST + 8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(hash64(&i, sizeof i, 5) >> 7);
    for (size_t n = 0; n <= LONGEST; n = n % 3072 < 40 || n % 3072 > 3030 ? n + 1 : n + 211) {
        const unsigned char *from = bytes + n % 8;
        assert_int_equal(crc32c((uint32_t)n, from, n), crc32c_portable((uint32_t)n, from, n));
    }
}

/* FIPS 180-4 examples. */
static void test_sha256_vectors(void **unused)
{
    (void)unused;
    char hex[65];
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* `printf abc | xxhsum -H3` and -H2 (xxHash 0.8.1): part of the state's format, so they never change. */
static void test_hashes_never_change(void **unused)
{
    (void)unused;
    struct hash128 h = hash128("abc", 3, 0);
    assert_true(hash64("abc", 3, 0) == UINT64_C(0x78af5f94892f3950));
    assert_true(h.hi == UINT64_C(0x06b05ab6733a6185) && h.lo == UINT64_C(0x78af5f94892f3950));
    assert_true(hash64("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    unsigned shards[SHARDS] = {0};
    for (uint64_t i = 0; i < 256 * 1000; i++)
        shards[shard_of(hash_mix(i))]++;
    for (size_t i = 0; i < SHARDS; i++)
        assert_in_range(shards[i], 800, 1200);
}

static void test_utf8(void **unused)
{
    (void)unused;
    static const char *const good[] = {"", "plain ascii of more than sixteen bytes", "\xc2\x80", "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                                      "sixteen ascii bytes then \xfe"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(utf8_valid(slice_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8_valid(slice_of(bad[i])));
    for (uint32_t code = 1; code < 0x110000; code++) {
        if (code >= 0xd800 && code < 0xe000)
            continue;
        char text[4];
        unsigned n = utf8_put(code, text);
        assert_int_equal(utf8_char(text, text + n), n);
        if (n > 1)
            assert_int_equal(utf8_char(text, text + n - 1), 0);
    }
}

static char last_line[4096];

static bool keep_line(void *arg, const char *line)
{
    (void)arg;
    snprintf(last_line, sizeof last_line, "%s", line);
    return true;
}

static void test_log_lines_cannot_be_forged(void **unused)
{
    (void)unused;
    int year, month, day, hour, minute, second, milli, at = 0;
    log_set_hook(keep_line, NULL);
    log_info("%s", "one\n2026 error two\x1b[2J");
    assert_int_equal(sscanf(last_line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second,
                            &milli,
                            &at), 7);
    assert_string_equal(last_line + at, " info one\\x0a2026 error two\\x1b[2J");
    last_line[0] = 0;
    log_debug("not shown");
    assert_string_equal(last_line, "");
    log_set_level(LOG_DEBUG);
    log_debug("shown");
    assert_non_null(strstr(last_line, " debug shown"));
    log_set_hook(NULL, NULL);
}

static void test_names_of_objects(void **unused)
{
    (void)unused;
    char part[300];
    memset(part, 'x', sizeof part);
    part[255] = 0;
    assert_true(store_name_ok(part));
    part[255] = 'x';
    part[256] = 0;
    assert_false(store_name_ok(part));
    static const char *const good[] = {"a", "a/b", "a b/ü", "...", ".a", "a..b",
                                       "_delta_log/00000000000000000000.json"};
    static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(store_name_ok(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(store_name_ok(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_gives_aligned_memory_of_its_own),
        cmocka_unit_test(test_a_buffer_stops_at_its_maximum),
        cmocka_unit_test(test_varints_come_back),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_json_strings_at_any_place),
        cmocka_unit_test(test_bytes_in_several_buffers),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_crc32c_vectors),
        cmocka_unit_test(test_crc32c_of_long_texts),
        cmocka_unit_test(test_sha256_vectors),
        cmocka_unit_test(test_hashes_never_change),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_log_lines_cannot_be_forged),
        cmocka_unit_test(test_names_of_objects),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
