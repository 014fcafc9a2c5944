#include "base/utf8.h"

#include <emmintrin.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

unsigned utf8_char(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    if (left >= 1 && u[0] < 0x80)
        return 1;
    if (left >= 2 && u[0] >= 0xc2 && u[0] <= 0xdf && is_tail(u[1]))
        return 2;
    if (left >= 3 && (u[0] & 0xf0) == 0xe0 && is_tail(u[1]) && is_tail(u[2])) {
        bool overlong = u[0] == 0xe0 && u[1] < 0xa0;
        bool surrogate = u[0] == 0xed && u[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (left >= 4 && u[0] >= 0xf0 && u[0] <= 0xf4 && is_tail(u[1]) && is_tail(u[2]) && is_tail(u[3])) {
        bool overlong = u[0] == 0xf0 && u[1] < 0x90;
        bool beyond = u[0] == 0xf4 && u[1] >= 0x90;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

bool utf8_valid(struct slice s)
{
    const char *p = s.data, *end = s.data + s.len;
    while (p < end) {
        if (end - p >= 16 && _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)p)) == 0) {
            p += 16;
            continue;
        }
        unsigned n = utf8_char(p, end);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

uint32_t utf8_code(const char *p, unsigned len)
{
    unsigned char lead = (unsigned char)*p;
    uint32_t code = len == 1 ? lead : lead & (0x7fu >> len);
    for (unsigned i = 1; i < len; i++)
        code = code << 6 | (p[i] & 0x3f);
    return code;
}

unsigned utf8_put(uint32_t code, char out[static 4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (unsigned i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[n] | code);
    return n;
}
