#include "lake/codec.h"

#include <lz4.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

struct codec_state {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
};

struct codec_state *codec_state_new(void)
{
    return mem_zalloc(sizeof(struct codec_state));
}

void codec_state_free(struct codec_state *s)
{
    if (!s)
        return;
    ZSTD_freeCCtx(s->compress);
    ZSTD_freeDCtx(s->decompress);
    free(s);
}

bool codec_is_known(int codec)
{
    return codec == CODEC_NONE || codec == CODEC_SNAPPY || codec == CODEC_GZIP || codec == CODEC_LZ4_HADOOP ||
           codec == CODEC_ZSTD || codec == CODEC_LZ4_RAW;
}

const char *codec_name(int codec)
{
    static const char *const names[] = {"none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"};
    return codec >= 0 && codec < (int)ARRAY_LEN(names) ? names[codec] : "unknown";
}

void codec_compress(struct codec_state *s, enum codec codec, int level, struct slice in, struct buf *out)
{
    if (codec == CODEC_NONE) {
        buf_put_slice(out, in);
        return;
    }
    size_t bound = codec == CODEC_ZSTD ? ZSTD_compressBound(in.len) : snappy_max_compressed_length(in.len);
    char *at = buf_reserve(out, bound);
    if (!at)
        return;
    if (codec == CODEC_ZSTD) {
        if (!s->compress)
            s->compress = ZSTD_createCCtx();
        assert(s->compress);
        size_t n = ZSTD_compressCCtx(s->compress, at, bound, in.data, in.len, level);
        assert(!ZSTD_isError(n));
        out->len += n;
    } else {
        assert(codec == CODEC_SNAPPY);
        snappy_status status = snappy_compress(in.data, in.len, at, &bound);
        assert(status == SNAPPY_OK);
        out->len += bound;
    }
}

enum status codec_check_size(size_t compressed, size_t size, struct error *err)
{
    if (size > CODEC_MAX_PAGE)
        return error_set(err, ERR_LIMIT, "a page of %zu bytes is larger than %zu", size, CODEC_MAX_PAGE);
    if (size > KIB(64) && size / CODEC_MAX_RATIO > compressed)
        return error_set(err, ERR_LIMIT, "a page of %zu bytes claims to hold %zu", compressed, size);
    return OK;
}

static bool gunzip(struct slice in, char *into, size_t size)
{
    z_stream z = {
        .next_in = (Bytef *)in.data, .avail_in = (uInt)in.len, .next_out = (Bytef *)into, .avail_out = (uInt)size};
    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return false;
    int result = inflate(&z, Z_FINISH);
    while (result == Z_STREAM_END && z.avail_in && z.avail_out) { /* several members */
        if (inflateReset(&z) != Z_OK)
            break;
        result = inflate(&z, Z_FINISH);
    }
    inflateEnd(&z);
    return result == Z_STREAM_END && z.avail_out == 0;
}

static bool lz4_raw(struct slice in, char *into, size_t size)
{
    return LZ4_decompress_safe(in.data, into, (int)in.len, (int)size) == (int)size;
}

/* Hadoop's framing: [u32 BE bytes out][u32 BE bytes in][block], repeated. Some writers left the frame out. */
static bool lz4_hadoop(struct slice in, char *into, size_t size)
{
    size_t done = 0;
    struct slice left = in;
    while (left.len > 8) {
        uint32_t out = __builtin_bswap32(load_u32(left.data)), block = __builtin_bswap32(load_u32(left.data + 4));
        if (block > left.len - 8 || out > size - done ||
            !lz4_raw((struct slice){left.data + 8, block}, into + done, out))
            return lz4_raw(in, into, size);
        done += out;
        left.data += 8 + block;
        left.len -= 8 + block;
    }
    return left.len == 0 && done == size;
}

static bool unzstd(struct codec_state *s, struct slice in, char *into, size_t size)
{
    if (!s->decompress)
        s->decompress = ZSTD_createDCtx();
    assert(s->decompress);
    return ZSTD_decompressDCtx(s->decompress, into, size, in.data, in.len) == size;
}

static bool unsnappy(struct slice in, char *into, size_t size)
{
    size_t n;
    return snappy_uncompressed_length(in.data, in.len, &n) == SNAPPY_OK && n == size &&
           snappy_uncompress(in.data, in.len, into, &n) == SNAPPY_OK;
}

enum status codec_decompress(struct codec_state *s, enum codec codec, struct slice in, char *into, size_t size,
                             struct error *err)
{
    bool good = in.len == 0 && size == 0; /* a page of NULLs only may have no bytes at all */
    if (!good && in.len <= CODEC_MAX_PAGE * 2 && size <= CODEC_MAX_PAGE)
        switch (codec) {
        case CODEC_NONE:
            good = in.len == size;
            if (good && size)
                memcpy(into, in.data, size);
            break;
        case CODEC_SNAPPY:
            good = unsnappy(in, into, size);
            break;
        case CODEC_GZIP:
            good = gunzip(in, into, size);
            break;
        case CODEC_LZ4_HADOOP:
            good = lz4_hadoop(in, into, size);
            break;
        case CODEC_ZSTD:
            good = unzstd(s, in, into, size);
            break;
        case CODEC_LZ4_RAW:
            good = lz4_raw(in, into, size);
            break;
        }
    return good ? OK : error_set(err, ERR_CORRUPT, "a page does not decompress (%s)", codec_name(codec));
}
