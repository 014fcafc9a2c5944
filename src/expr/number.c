/* Functions of integers and doubles. Those of numeric are in numeric.c. */
#include <float.h>
#include <math.h>

#include "expr/loops.h"

#define OUT_OF_RANGE "22003"
#define BAD_LOGARITHM "2201E"
#define BAD_POWER "2201F"
#define BAD_BUCKETS "2201G"

/* ---- integers ---- */

#define INTEGER_FUNCTIONS(SUFFIX, T, U, MESSAGE)                                                                       \
    static void abs_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        CALL_ROWS(c, r) {                                                                                              \
            T x = ARG(c, 0, T, r);                                                                                     \
            if (x < 0 && __builtin_sub_overflow((T)0, x, &x))                                                          \
                call_fail(c, r, OUT_OF_RANGE, MESSAGE);                                                                \
            OUT(c, T, r) = x;                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static U gcd_of_##SUFFIX(T x, T y)                                                                                 \
    {                                                                                                                  \
        U a = x < 0 ? 0 - (U)x : (U)x, b = y < 0 ? 0 - (U)y : (U)y;                                                    \
        while (b) {                                                                                                    \
            U rest = a % b;                                                                                            \
            a = b;                                                                                                     \
            b = rest;                                                                                                  \
        }                                                                                                              \
        return a;                                                                                                      \
    }                                                                                                                  \
    static void gcd_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        CALL_ROWS(c, r) {                                                                                              \
            U g = gcd_of_##SUFFIX(ARG(c, 0, T, r), ARG(c, 1, T, r));                                                   \
            OUT(c, T, r) = (T)g;                                                                                       \
            if ((T)g < 0)                                                                                              \
                call_fail(c, r, OUT_OF_RANGE, MESSAGE);                                                                \
        }                                                                                                              \
    }                                                                                                                  \
    static void lcm_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        CALL_ROWS(c, r) {                                                                                              \
            T x = ARG(c, 0, T, r), y = ARG(c, 1, T, r);                                                                \
            U g = gcd_of_##SUFFIX(x, y), z = 0, size = y < 0 ? 0 - (U)y : (U)y;                                        \
            U step = g ? (x < 0 ? 0 - (U)x : (U)x) / g : 0;                                                            \
            if (__builtin_mul_overflow(step, size, &z) || (T)z < 0)                                                    \
                call_fail(c, r, OUT_OF_RANGE, MESSAGE);                                                                \
            OUT(c, T, r) = (T)z;                                                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    static void and_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        LOOP_BINARY(c, T, T, out[r] = x & y);                                                                          \
    }                                                                                                                  \
    static void or_##SUFFIX(struct call *c)                                                                            \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        LOOP_BINARY(c, T, T, out[r] = x | y);                                                                          \
    }                                                                                                                  \
    static void xor_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        LOOP_BINARY(c, T, T, out[r] = x ^ y);                                                                          \
    }                                                                                                                  \
    static void invert_##SUFFIX(struct call *c)                                                                        \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        LOOP_UNARY(c, T, out[r] = ~x);                                                                                 \
    }                                                                                                                  \
    /* The distance counts modulo the width, as the processor (and so PostgreSQL) shifts. */                           \
    static void left_##SUFFIX(struct call *c)                                                                          \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        LOOP_BINARY(c, T, int32_t, out[r] = (T)((U)x << ((uint32_t)y % (8 * sizeof(T)))));                             \
    }                                                                                                                  \
    static void right_##SUFFIX(struct call *c)                                                                         \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        LOOP_BINARY(c, T, int32_t, out[r] = x >> ((uint32_t)y % (8 * sizeof(T))));                                     \
    }

INTEGER_FUNCTIONS(int4, int32_t, uint32_t, "integer out of range")
INTEGER_FUNCTIONS(int8, int64_t, uint64_t, "bigint out of range")

/* ---- doubles: total functions ---- */

#define FLOAT_FUNCTION(NAME, RESULT)                                                                                   \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        double *restrict out = c->out->col.data;                                                                       \
        LOOP_UNARY(c, double, out[r] = (RESULT));                                                                      \
    }
FLOAT_FUNCTION(abs_float8, fabs(x))
FLOAT_FUNCTION(ceil_float8, ceil(x))
FLOAT_FUNCTION(floor_float8, floor(x))
FLOAT_FUNCTION(round_float8, rint(x))
FLOAT_FUNCTION(trunc_float8, trunc(x))
FLOAT_FUNCTION(sign_float8, x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0)
FLOAT_FUNCTION(cbrt_float8, cbrt(x))
FLOAT_FUNCTION(atan_float8, atan(x))
FLOAT_FUNCTION(tanh_float8, tanh(x))
FLOAT_FUNCTION(asinh_float8, asinh(x))
FLOAT_FUNCTION(sinh_float8, sinh(x))
FLOAT_FUNCTION(cosh_float8, cosh(x))

static void atan2_float8(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, double, r) = atan2(ARG(c, 0, double, r), ARG(c, 1, double, r));
}

static void kernel_pi(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, double, r) = M_PI;
}

/* ---- doubles: functions with a domain ---- */

static void kernel_sqrt(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r);
        if (x < 0)
            call_fail(c, r, BAD_POWER, "cannot take square root of a negative number");
        else
            OUT(c, double, r) = sqrt(x);
    }
}

static void logarithm(struct call *c, double (*log_of)(double))
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r);
        if (x == 0)
            call_fail(c, r, BAD_LOGARITHM, "cannot take logarithm of zero");
        else if (x < 0)
            call_fail(c, r, BAD_LOGARITHM, "cannot take logarithm of a negative number");
        else
            OUT(c, double, r) = log_of(x);
    }
}
static void kernel_ln(struct call *c) { logarithm(c, log); }
static void kernel_log10(struct call *c) { logarithm(c, log10); }

static void kernel_exp(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r), z = exp(x);
        OUT(c, double, r) = z;
        float_check(c, r, z, isinf(x), isinf(x));
    }
}

static void kernel_power(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r), y = ARG(c, 1, double, r);
        if (x == 0 && y < 0) {
            call_fail(c, r, BAD_POWER, "zero raised to a negative power is undefined");
        } else if (x < 0 && isfinite(y) && floor(y) != y) {
            call_fail(c, r, BAD_POWER, "a negative number raised to a non-integer power yields a complex result");
        } else {
            double z = pow(x, y);
            OUT(c, double, r) = z;
            float_check(c, r, z, isinf(x) || isinf(y), x == 0 || isinf(x) || isinf(y));
        }
    }
}

/* low, high: the domain; a value outside it, or infinite where that has no value, is 22003. */
static void bounded(struct call *c, double (*f)(double), double low, double high)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r);
        if (x < low || x > high)
            call_fail(c, r, OUT_OF_RANGE, "input is out of range");
        else
            OUT(c, double, r) = f(x);
    }
}
static void kernel_sin(struct call *c) { bounded(c, sin, -DBL_MAX, DBL_MAX); }
static void kernel_cos(struct call *c) { bounded(c, cos, -DBL_MAX, DBL_MAX); }
static void kernel_tan(struct call *c) { bounded(c, tan, -DBL_MAX, DBL_MAX); }
static void kernel_asin(struct call *c) { bounded(c, asin, -1, 1); }
static void kernel_acos(struct call *c) { bounded(c, acos, -1, 1); }

static double to_degrees(double x) { return x / (M_PI / 180); }
static double to_radians(double x) { return x * (M_PI / 180); }

static void scaled(struct call *c, double (*f)(double))
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r), z = f(x);
        OUT(c, double, r) = z;
        float_check(c, r, z, isinf(x), x == 0);
    }
}
/* ---- in degrees: multiples of 30 and 45 are exact ---- */

/* The sine of 0 to 90 degrees. */
static double first_quadrant(double x)
{
    return x == 30 ? 0.5 : x == 90 ? 1 : sin(to_radians(x));
}

static double sine_of(double x)
{
    double sign = x < 0 ? -1 : 1;
    x = fmod(fabs(x), 360);
    if (x > 180) {
        x = 360 - x;
        sign = -sign;
    }
    return sign * first_quadrant(x > 90 ? 180 - x : x);
}

static double cosine_of(double x)
{
    x = fmod(fabs(x), 360);
    x = x > 180 ? 360 - x : x;
    return x > 90 ? -first_quadrant(x - 90) : first_quadrant(90 - x);
}

/* Where they are equal the quotient is 1, whatever the rounding of each. */
static double quotient_of(double over, double under, double x)
{
    if (under == 0)
        return over < 0 ? -INFINITY : INFINITY;
    return fabs(fmod(x, 90)) == 45 ? (over * under < 0 ? -1 : 1) : over / under;
}

static double tangent_of(double x) { return quotient_of(sine_of(x), cosine_of(x), x); }
static double cotangent_of(double x) { return quotient_of(cosine_of(x), sine_of(x), x); }

static double arc_sine(double x) { return x == 0.5 ? 30 : x == -0.5 ? -30 : to_degrees(asin(x)); }
static double arc_cosine(double x) { return x == 0.5 ? 60 : x == -0.5 ? 120 : to_degrees(acos(x)); }
static double arc_tangent(double x) { return to_degrees(atan(x)); }

static void kernel_sind(struct call *c) { bounded(c, sine_of, -DBL_MAX, DBL_MAX); }
static void kernel_cosd(struct call *c) { bounded(c, cosine_of, -DBL_MAX, DBL_MAX); }
static void kernel_tand(struct call *c) { bounded(c, tangent_of, -DBL_MAX, DBL_MAX); }
static void kernel_cotd(struct call *c) { bounded(c, cotangent_of, -DBL_MAX, DBL_MAX); }
static void kernel_asind(struct call *c) { bounded(c, arc_sine, -1, 1); }
static void kernel_acosd(struct call *c) { bounded(c, arc_cosine, -1, 1); }
static void kernel_atand(struct call *c) { bounded(c, arc_tangent, -INFINITY, INFINITY); }
static void kernel_acosh(struct call *c) { bounded(c, acosh, 1, INFINITY); }
static void kernel_atanh(struct call *c) { bounded(c, atanh, -1, 1); }

static void kernel_atan2d(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, double, r) = to_degrees(atan2(ARG(c, 0, double, r), ARG(c, 1, double, r)));
}

static void kernel_degrees(struct call *c) { scaled(c, to_degrees); }
static void kernel_radians(struct call *c) { scaled(c, to_radians); }

/* tan(pi/2 - x) is not what PostgreSQL has where x is large: the quotient is. */
static double cotangent(double x) { return 1 / tan(x); }
static void kernel_cot(struct call *c) { bounded(c, cotangent, -DBL_MAX, DBL_MAX); }

/* ---- width_bucket ---- */

static bool check_buckets(struct call *c, uint32_t row, double x, double low, double high, int32_t count)
{
    const char *wrong = NULL;
    if (count <= 0)
        wrong = "count must be greater than zero";
    else if (isnan(x) || isnan(low) || isnan(high))
        wrong = "operand, lower bound, and upper bound cannot be NaN";
    else if (isinf(low) || isinf(high))
        wrong = "lower and upper bounds must be finite";
    else if (low == high)
        wrong = "lower bound cannot equal upper bound";
    if (wrong)
        call_fail(c, row, BAD_BUCKETS, "%s", wrong);
    return !wrong;
}

static void kernel_width_bucket(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r), low = ARG(c, 1, double, r), high = ARG(c, 2, double, r);
        int32_t count = ARG(c, 3, int32_t, r);
        if (!check_buckets(c, r, x, low, high, count))
            continue;
        bool up = low < high, before = up ? x < low : x > low, after = up ? x >= high : x <= high;
        if (after && count == INT32_MAX)
            call_fail(c, r, OUT_OF_RANGE, "integer out of range");
        else if (before || after)
            OUT(c, int32_t, r) = before ? 0 : count + 1;
        else {
            /* Halved where the widest bounds overflow (the narrowest would be nothing); and below `high` even when
             * rounding says otherwise. */
            double part = isinf(high - low) ? (x / 2 - low / 2) / (high / 2 - low / 2) : (x - low) / (high - low);
            double at = count * part;
            OUT(c, int32_t, r) = (at >= count ? count - 1 : (int32_t)at) + 1;
        }
    }
}

#define F TYPE_FLOAT8
#define I TYPE_INT4
#define L TYPE_INT8
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .help = HELP}

const struct function fn_number[] = {
    FN("abs", I, 1, abs_int4, "absolute value", I),
    FN("abs", L, 1, abs_int8, "absolute value", L),
    FN("abs", F, 1, abs_float8, "absolute value", F),
    FN("@", I, 1, abs_int4, "absolute value", I),
    FN("@", L, 1, abs_int8, "absolute value", L),
    FN("@", F, 1, abs_float8, "absolute value", F),
    FN("ceil", F, 1, ceil_float8, "nearest integer not below", F),
    FN("ceiling", F, 1, ceil_float8, "nearest integer not below", F),
    FN("floor", F, 1, floor_float8, "nearest integer not above", F),
    FN("round", F, 1, round_float8, "nearest integer, half to even", F),
    FN("trunc", F, 1, trunc_float8, "toward zero", F),
    FN("sign", F, 1, sign_float8, "-1, 0 or 1", F),
    FN("sqrt", F, 1, kernel_sqrt, "square root", F),
    FN("cbrt", F, 1, cbrt_float8, "cube root", F),
    FN("|/", F, 1, kernel_sqrt, "square root", F),
    FN("||/", F, 1, cbrt_float8, "cube root", F),
    FN("exp", F, 1, kernel_exp, "e to the power of x", F),
    FN("ln", F, 1, kernel_ln, "natural logarithm", F),
    FN("log", F, 1, kernel_log10, "logarithm to base 10", F),
    FN("log10", F, 1, kernel_log10, "logarithm to base 10", F),
    FN("power", F, 2, kernel_power, "x to the power of y", F, F),
    FN("pow", F, 2, kernel_power, "x to the power of y", F, F),
    FN("^", F, 2, kernel_power, "x to the power of y", F, F),
    FN("sin", F, 1, kernel_sin, "sine, of radians", F),
    FN("cos", F, 1, kernel_cos, "cosine, of radians", F),
    FN("tan", F, 1, kernel_tan, "tangent, of radians", F),
    FN("cot", F, 1, kernel_cot, "cotangent, of radians", F),
    FN("asin", F, 1, kernel_asin, "inverse sine, in radians", F),
    FN("acos", F, 1, kernel_acos, "inverse cosine, in radians", F),
    FN("atan", F, 1, atan_float8, "inverse tangent, in radians", F),
    FN("atan2", F, 2, atan2_float8, "inverse tangent of y/x, in radians", F, F),
    FN("sind", F, 1, kernel_sind, "sine of degrees", F),
    FN("cosd", F, 1, kernel_cosd, "cosine of degrees", F),
    FN("tand", F, 1, kernel_tand, "tangent of degrees", F),
    FN("cotd", F, 1, kernel_cotd, "cotangent of degrees", F),
    FN("asind", F, 1, kernel_asind, "inverse sine, in degrees", F),
    FN("acosd", F, 1, kernel_acosd, "inverse cosine, in degrees", F),
    FN("atand", F, 1, kernel_atand, "inverse tangent, in degrees", F),
    FN("atan2d", F, 2, kernel_atan2d, "inverse tangent of y/x, in degrees", F, F),
    FN("sinh", F, 1, sinh_float8, "hyperbolic sine", F),
    FN("cosh", F, 1, cosh_float8, "hyperbolic cosine", F),
    FN("acosh", F, 1, kernel_acosh, "inverse hyperbolic cosine", F),
    FN("atanh", F, 1, kernel_atanh, "inverse hyperbolic tangent", F),
    FN("tanh", F, 1, tanh_float8, "hyperbolic tangent", F),
    FN("asinh", F, 1, asinh_float8, "inverse hyperbolic sine", F),
    FN("degrees", F, 1, kernel_degrees, "radians to degrees", F),
    FN("radians", F, 1, kernel_radians, "degrees to radians", F),
    {.name = "pi", .result = F, .nargs = 0, .kernel = kernel_pi, .help = "3.14159..."},
    FN("gcd", I, 2, gcd_int4, "greatest common divisor", I, I),
    FN("gcd", L, 2, gcd_int8, "greatest common divisor", L, L),
    FN("lcm", I, 2, lcm_int4, "least common multiple", I, I),
    FN("lcm", L, 2, lcm_int8, "least common multiple", L, L),
    FN("width_bucket", I, 4, kernel_width_bucket,
       "which of n equal buckets between two bounds; 0 below, n + 1 above", F, F, F, I),
    FN("&", I, 2, and_int4, "bitwise and", I, I),
    FN("&", L, 2, and_int8, "bitwise and", L, L),
    FN("|", I, 2, or_int4, "bitwise or", I, I),
    FN("|", L, 2, or_int8, "bitwise or", L, L),
    FN("#", I, 2, xor_int4, "bitwise exclusive or", I, I),
    FN("#", L, 2, xor_int8, "bitwise exclusive or", L, L),
    FN("~", I, 1, invert_int4, "bitwise not", I),
    FN("~", L, 1, invert_int8, "bitwise not", L),
    FN("<<", I, 2, left_int4, "bits shifted left", I, I),
    FN("<<", L, 2, left_int8, "bits shifted left", L, I),
    FN(">>", I, 2, right_int4, "bits shifted right, the sign kept", I, I),
    FN(">>", L, 2, right_int8, "bits shifted right, the sign kept", L, I),
    {0},
};
