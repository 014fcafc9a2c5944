/* Compression of Parquet pages. Numbers are those of Parquet's CompressionCodec. */
#pragma once

#include "base/buf.h"

enum codec {
    CODEC_NONE = 0,
    CODEC_SNAPPY = 1,
    CODEC_GZIP = 2,
    CODEC_LZ4_HADOOP = 5,
    CODEC_ZSTD = 6,
    CODEC_LZ4_RAW = 7
};

/* No page of ours comes near; foreign ones beyond it are refused, whatever they claim. */
#define CODEC_MAX_PAGE MIB(256)
/* More bytes out of one byte in than any codec here gives on real pages: a bomb. */
#define CODEC_MAX_RATIO 40000

struct codec_state; /* contexts that are dear to make; one per writer or reader */
struct codec_state *codec_state_new(void);
void codec_state_free(struct codec_state *s);

bool codec_is_known(int codec);
const char *codec_name(int codec); /* "brotli" too, for messages */
/* Append the compressed bytes of `in`. codec: NONE, SNAPPY or ZSTD at `level`. Overflow of out is the only failure. */
void codec_compress(struct codec_state *s, enum codec codec, int level, struct slice in, struct buf *out);
/* Exactly `size` bytes into `into`, or ERR_CORRUPT. The caller has held size against codec_check_size. */
enum status codec_decompress(struct codec_state *s, enum codec codec, struct slice in, char *into, size_t size,
                             struct error *err);
/* May a page claim to have `size` bytes out of `compressed` ones? ERR_LIMIT. */
enum status codec_check_size(size_t compressed, size_t size, struct error *err);
