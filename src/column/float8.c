#include "column/float8.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* d.ddd * 10^exponent */
struct digits {
    char digit[20]; /* terminated, no zeros at the end except a single one */
    int count, exponent;
};

/* v > 0 with `count` significant digits, correctly rounded. */
static struct digits round_to(double v, int count)
{
    struct digits d;
    char text[40];
    snprintf(text, sizeof text, "%.*e", count - 1, v); /* d.ddde-dd */
    d.digit[0] = text[0];
    memcpy(d.digit + 1, text + 2, (size_t)count - 1);
    d.count = count;
    d.exponent = atoi(strchr(text, 'e') + 1);
    while (d.count > 1 && d.digit[d.count - 1] == '0')
        d.count--;
    d.digit[d.count] = 0;
    return d;
}

static const char *as_text(const struct digits *d, char out[static 40])
{
    snprintf(out, 40, "%se%d", d->digit, d->exponent - d->count + 1);
    return out;
}

/* A number exactly between v and a neighbour reads back as v when v is even, but PostgreSQL's shortest output (Ryu
 * without the bounds of the interval) does not take it: 1e23 is printed 9.999999999999999e+22. */
static bool is_halfway(const struct digits *d, double v)
{
    char text[40], exact[800]; /* a midpoint has at most 768 digits */
    long double read = strtold(as_text(d, text), NULL);
    double neighbour = nextafter(v, read > (long double)v ? INFINITY : 0);
    long double middle = ((long double)v + (long double)neighbour) / 2;
    if (read != middle)
        return false;
    snprintf(exact, sizeof exact, "%.780Le", middle);
    size_t fraction = strspn(exact + 2, "0123456789");
    return exact[0] == d->digit[0] && memcmp(exact + 2, d->digit + 1, (size_t)d->count - 1) == 0 &&
           strspn(exact + 2 + d->count - 1, "0") == fraction - (size_t)(d->count - 1);
}

static bool reads_back(const struct digits *d, double v)
{
    char text[40];
    return strtod(as_text(d, text), NULL) == v && !is_halfway(d, v);
}

/* The next larger number of 16 digits. */
static struct digits step_up(struct digits d)
{
    while (d.count < 16)
        d.digit[d.count++] = '0';
    int i = d.count - 1;
    for (; i > 0 && d.digit[i] == '9'; i--)
        ;
    d.digit[i]++; /* the first digit is never a 9 before nines only: powers of two have no such digits */
    d.count = i + 1;
    d.digit[d.count] = 0;
    return d;
}

/* v > 0 and finite. Fifteen digits survive the way to a double and back, so that a shorter number that reads back as v
 * is v rounded to fifteen digits; below DBL_MIN a double has fewer digits than that. */
static struct digits shortest(double v)
{
    struct digits d;
    for (int count = v < DBL_MIN ? 1 : DBL_DIG; count < DBL_DECIMAL_DIG; count++) {
        d = round_to(v, count);
        if (reads_back(&d, v))
            return d;
    }
    int exponent;
    if (frexp(v, &exponent) == 0.5) { /* below a power of two doubles lie closer: there may be a number above it only */
        d = step_up(round_to(v, 16));
        if (reads_back(&d, v))
            return d;
    }
    return round_to(v, DBL_DECIMAL_DIG);
}

/* The quick way for numbers that came from few decimal digits, 1e-4 <= v < 1e15: m / 10^k, both exact, rounds once, so
 * it is what the text reads back as; with m of at most fifteen digits it is the shortest, and never halfway. */
static bool few_digits(double v, struct digits *ret)
{
    static const double powers[] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    for (size_t k = 0; k < ARRAY_LEN(powers) && v * powers[k] < 1e15 - 1; k++) {
        int64_t m = (int64_t)(v * powers[k] + 0.5);
        if ((double)m / powers[k] != v)
            continue;
        ret->count = snprintf(ret->digit, sizeof ret->digit, "%lld", (long long)m);
        ret->exponent = ret->count - 1 - (int)k;
        return true;
    }
    return false;
}

static char *put_scientific(char *p, const struct digits *d)
{
    *p++ = d->digit[0];
    if (d->count > 1) {
        *p++ = '.';
        memcpy(p, d->digit + 1, (size_t)d->count - 1);
        p += d->count - 1;
    }
    return p + snprintf(p, 6, "e%+03d", d->exponent); /* e-324 */
}

static char *put_plain(char *p, const struct digits *d)
{
    if (d->exponent < 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = -1; i > d->exponent; i--)
            *p++ = '0';
    }
    for (int i = 0; i < MAX(d->count, d->exponent + 1); i++) {
        if (i > 0 && i == d->exponent + 1)
            *p++ = '.';
        *p++ = i < d->count ? d->digit[i] : '0';
    }
    return p;
}

size_t float8_print(double v, char out[static 32])
{
    if (isnan(v))
        return (size_t)snprintf(out, 32, "NaN");
    if (isinf(v))
        return (size_t)snprintf(out, 32, "%sInfinity", v < 0 ? "-" : "");
    char *p = out;
    if (signbit(v))
        *p++ = '-';
    if (v == 0) {
        *p++ = '0';
    } else {
        struct digits d;
        if (fabs(v) < 1e-4 || !few_digits(fabs(v), &d))
            d = shortest(fabs(v));
        p = d.exponent < -4 || d.exponent >= 15 ? put_scientific(p, &d) : put_plain(p, &d);
    }
    *p = 0;
    return (size_t)(p - out);
}

static bool parse_word(const char *text, double *ret)
{
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    if (strcasecmp(text, "infinity") == 0 || strcasecmp(text, "inf") == 0)
        *ret = negative ? -INFINITY : INFINITY;
    else if (strcasecmp(text, "nan") == 0)
        *ret = NAN;
    else
        return false;
    return true;
}

enum float8_outcome float8_parse(struct slice text, double *ret)
{
    char copy[400]; /* longer only by digits that nobody means; refused */
    if (text.len == 0 || text.len >= sizeof copy)
        return FLOAT8_SYNTAX;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (parse_word(copy, ret))
        return FLOAT8_OK;
    if (strspn(copy, "0123456789+-.eE") != text.len)
        return FLOAT8_SYNTAX;
    char *end;
    double v = strtod(copy, &end);
    if (*end || end == copy)
        return FLOAT8_SYNTAX;
    bool is_zero = strcspn(copy, "123456789eE") == strcspn(copy, "eE"); /* no digit but 0 before the exponent */
    if (isinf(v) || (v == 0 && !is_zero))
        return FLOAT8_RANGE;
    *ret = v;
    return FLOAT8_OK;
}
