/* Two functions for functions.sql: is an account number (IBAN, ISO 13616) one, and how it may be shown.
 *
 *     cc -shared -fPIC -O2 -o libiban.so iban.c
 *
 * after `make install`; before it, with -I../../src/expr, where bourn_function.h lies.
 */
#include <bourn_function.h>
#include <string.h>

enum { LONGEST = 34 };

static int is_digit(char c) { return c >= '0' && c <= '9'; }
static int is_letter(char c) { return c >= 'A' && c <= 'Z'; }

/* Rotated by four characters, letters as two digits, the number is 1 modulo 97. */
static int is_valid(const struct bourn_text *t)
{
    unsigned rest = 0;
    if (t->len < 5 || t->len > LONGEST || !is_letter(t->data[0]) || !is_letter(t->data[1]) || !is_digit(t->data[2]) ||
        !is_digit(t->data[3]))
        return 0;
    for (size_t i = 0; i < t->len; i++) {
        char c = t->data[(i + 4) % t->len];
        if (is_digit(c))
            rest = (rest * 10 + (unsigned)(c - '0')) % 97;
        else if (is_letter(c))
            rest = (rest * 100 + (unsigned)(c - 'A' + 10)) % 97;
        else
            return 0;
    }
    return rest == 1;
}

static size_t run_valid(const struct bourn_call *c)
{
    const struct bourn_text *text = c->args[0].data;
    uint8_t *out = c->result;
    for (uint32_t i = 0; i < c->rows; i++)
        if (bourn_bit(c->active, i))
            out[i] = (uint8_t)is_valid(&text[i]);
    return 0;
}

/* The country and the last four characters, stars between. */
static size_t run_masked(const struct bourn_call *c)
{
    const struct bourn_text *text = c->args[0].data;
    struct bourn_text *out = c->result;
    size_t needed = (size_t)c->rows * LONGEST;
    if (c->scratch_size < needed)
        return needed;
    for (uint32_t i = 0; i < c->rows; i++) {
        char *masked = c->scratch + (size_t)i * LONGEST;
        if (!bourn_bit(c->active, i))
            continue;
        if (!is_valid(&text[i])) {
            c->error[i] = "this is no account number";
            continue;
        }
        memset(masked, '*', text[i].len);
        memcpy(masked, text[i].data, 2);
        memcpy(masked + text[i].len - 4, text[i].data + text[i].len - 4, 4);
        out[i].data = masked;
        out[i].len = text[i].len;
    }
    return 0;
}

BOURN_FUNCTION(iban_valid) = {BOURN_ABI, sizeof iban_valid, BOURN_PURE, BOURN_BOOL, 1, {BOURN_TEXT}, run_valid};
BOURN_FUNCTION(iban_masked) = {BOURN_ABI, sizeof iban_masked, BOURN_PURE, BOURN_TEXT, 1, {BOURN_TEXT}, run_masked};
