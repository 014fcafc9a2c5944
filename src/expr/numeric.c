/* Arithmetic on numeric. Result types are static, after the rules at the top of expr.h; binding brings the operands of
 * + - % to one scale, so that kernels add plain integers. */
#include "column/decimal.h"
#include "column/decimal_math.h"
#include "expr/loops.h"

#define BAD_LOGARITHM "2201E"
#define BAD_POWER "2201F"

static void overflow(struct call *c, uint32_t row)
{
    call_fail(c, row, "22003", "value overflows numeric format");
}

static bool is_small(const struct lanes *l) { return type_is_small_numeric(l->col.type); }

/* Lanes where 38 digits may not be enough. */
static void slow_lanes(struct call *c, bool (*op)(int128, int128, int128 *))
{
    CALL_ROWS(c, r) {
        int128 z;
        if (op(arg_numeric(c, 0, r), arg_numeric(c, 1, r), &z))
            OUT(c, int128, r) = z;
        else
            overflow(c, r);
    }
}

static bool add_checked(int128 x, int128 y, int128 *ret) { return decimal_add(x, y, ret); }
static bool sub_checked(int128 x, int128 y, int128 *ret) { return decimal_add(x, -y, ret); }
static bool mul_checked(int128 x, int128 y, int128 *ret) { return decimal_mul(x, y, ret); }

/* Four widths of operands; the result's width is its type's. */
#define NUMERIC_BINARY(NAME, OP, CHECKED)                                                                              \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        struct lanes *z = c->out;                                                                                      \
        bool xs = is_small(&c->args[0]), ys = is_small(&c->args[1]);                                                   \
        if (z->col.type.precision == NUMERIC_MAX_PRECISION) {                                                          \
            slow_lanes(c, CHECKED);                                                                                    \
        } else if (is_small(z)) {                                                                                      \
            int64_t *restrict out = z->col.data;                                                                       \
            LOOP_BINARY(c, int64_t, int64_t, out[r] = (int64_t)((uint64_t)x OP (uint64_t)y));                          \
        } else {                                                                                                       \
            int128 *restrict out = z->col.data;                                                                        \
            if (xs && ys)                                                                                              \
                LOOP_BINARY(c, int64_t, int64_t, out[r] = (int128)x OP (int128)y);                                     \
            else if (xs)                                                                                               \
                LOOP_BINARY(c, int64_t, int128, out[r] = (int128)((uint128)x OP (uint128)y));                          \
            else if (ys)                                                                                               \
                LOOP_BINARY(c, int128, int64_t, out[r] = (int128)((uint128)x OP (uint128)y));                          \
            else                                                                                                       \
                LOOP_BINARY(c, int128, int128, out[r] = (int128)((uint128)x OP (uint128)y));                           \
        }                                                                                                              \
    }
NUMERIC_BINARY(add_numeric, +, add_checked)
NUMERIC_BINARY(sub_numeric, -, sub_checked)
NUMERIC_BINARY(mul_numeric, *, mul_checked)

static void div_numeric(struct call *c)
{
    struct type x = c->args[0].col.type, y = c->args[1].col.type, z = c->out->col.type;
    CALL_ROWS(c, r) {
        int128 divisor = arg_numeric(c, 1, r), quotient;
        if (divisor == 0)
            call_fail(c, r, "22012", "division by zero");
        else if (!decimal_div(arg_numeric(c, 0, r), x.scale, divisor, y.scale, z.scale, &quotient) ||
                 !decimal_fits(quotient, z.precision))
            overflow(c, r);
        else
            column_set_numeric(&c->out->col, r, quotient);
    }
}

/* x * 10^shift modulo y, for 0 <= x and 0 < y < 10^38, without ever holding more than 2 * 10^38. */
static uint128 shifted_mod(uint128 x, unsigned shift, uint128 y)
{
    x %= y;
    for (; shift; shift--) {
        uint128 twice = (x + x) % y, four = (twice + twice) % y;
        x = ((four + four) % y + twice) % y;
    }
    return x;
}

/* The operands may be of different scales: the one brought to the other's could need more than 38 digits. */
static void mod_numeric(struct call *c)
{
    unsigned sx = c->args[0].col.type.scale, sy = c->args[1].col.type.scale;
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r), divisor = arg_numeric(c, 1, r), aligned;
        if (divisor == 0)
            call_fail(c, r, "22012", "division by zero");
        else if (sx < sy) {
            int128 rest = (int128)shifted_mod((uint128)(x < 0 ? -x : x), sy - sx,
                                              (uint128)(divisor < 0 ? -divisor : divisor));
            column_set_numeric(&c->out->col, r, x < 0 ? -rest : rest);
        } else /* a divisor that does not fit is larger than x */
            column_set_numeric(&c->out->col, r, decimal_rescale(divisor, sy, sx, &aligned) ? x % aligned : x);
    }
}

/* Quotient truncated to an integer, at scale 0. */
static void div_whole_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 divisor = arg_numeric(c, 1, r);
        if (divisor == 0)
            call_fail(c, r, "22012", "division by zero");
        else
            column_set_numeric(&c->out->col, r, arg_numeric(c, 0, r) / divisor);
    }
}

static void neg_numeric(struct call *c)
{
    if (is_small(c->out)) {
        int64_t *restrict out = c->out->col.data;
        LOOP_UNARY(c, int64_t, out[r] = (int64_t)(0 - (uint64_t)x));
    } else {
        int128 *restrict out = c->out->col.data;
        LOOP_UNARY(c, int128, out[r] = (int128)(0 - (uint128)x));
    }
}

static void abs_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r);
        column_set_numeric(&c->out->col, r, x < 0 ? -x : x);
    }
}

static void sign_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r);
        column_set_numeric(&c->out->col, r, (x > 0) - (x < 0));
    }
}

/* ---- rounding: to the scale of the result, which is that of the argument or less; digits from the second argument
 * may ask for fewer, down to tens and hundreds ---- */

enum rounding { ROUND_NEAREST, ROUND_TRUNCATE, ROUND_UP, ROUND_DOWN };

static int128 rounded_to(int128 x, unsigned drop, enum rounding how)
{
    if (drop > NUMERIC_MAX_PRECISION)
        return 0;
    int128 unit = decimal_pow10[drop], whole = x / unit, rest = x % unit;
    switch (how) {
    case ROUND_NEAREST: {
        int128 size = rest < 0 ? -rest : rest;
        if (size >= unit - size && rest != 0)
            whole += rest < 0 ? -1 : 1;
        break;
    }
    case ROUND_UP: whole += rest > 0; break;
    case ROUND_DOWN: whole -= rest < 0; break;
    case ROUND_TRUNCATE: break;
    }
    return whole;
}

static void round_lanes(struct call *c, enum rounding how)
{
    struct type from = c->args[0].col.type, to = c->out->col.type;
    CALL_ROWS(c, r) {
        /* Digits to keep after the point; beyond what the type has, nothing changes. */
        int32_t digits = c->nargs > 1 ? ARG(c, 1, int32_t, r) : 0;
        digits = MAX(MIN(digits, (int32_t)from.scale), -2 * NUMERIC_MAX_PRECISION);
        int128 x = arg_numeric(c, 0, r), z = rounded_to(x, (unsigned)(from.scale - digits), how);
        /* Back to the scale of the result, which is at least `digits`. */
        int32_t pad = to.scale - digits;
        if (z != 0 && (pad > NUMERIC_MAX_PRECISION || !decimal_mul(z, decimal_pow10[MAX(pad, 0)], &z)))
            overflow(c, r);
        else
            column_set_numeric(&c->out->col, r, z);
    }
}
static void round_numeric(struct call *c) { round_lanes(c, ROUND_NEAREST); }
static void trunc_numeric(struct call *c) { round_lanes(c, ROUND_TRUNCATE); }
static void ceil_numeric(struct call *c) { round_lanes(c, ROUND_UP); }
static void floor_numeric(struct call *c) { round_lanes(c, ROUND_DOWN); }

/* ---- whole parts: both operands at one scale ---- */

static int128 divisor_of(int128 x, int128 y)
{
    x = x < 0 ? -x : x;
    y = y < 0 ? -y : y;
    while (y) {
        int128 rest = x % y;
        x = y;
        y = rest;
    }
    return x;
}

static void gcd_numeric(struct call *c)
{
    CALL_ROWS(c, r)
        column_set_numeric(&c->out->col, r, divisor_of(arg_numeric(c, 0, r), arg_numeric(c, 1, r)));
}

static void lcm_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r), y = arg_numeric(c, 1, r), d = divisor_of(x, y), z;
        if (!decimal_mul(d ? x / d : 0, y, &z))
            overflow(c, r);
        else
            column_set_numeric(&c->out->col, r, z < 0 ? -z : z);
    }
}

static void factorial(struct call *c)
{
    CALL_ROWS(c, r) {
        int64_t n = ARG(c, 0, int64_t, r);
        int128 z = 1;
        bool fits = true;
        if (n < 0) {
            call_fail(c, r, "22003", "factorial of a negative number is undefined");
            continue;
        }
        for (int64_t i = 2; i <= n && fits; i++)
            fits = decimal_mul(z, i, &z);
        if (fits)
            column_set_numeric(&c->out->col, r, z);
        else
            overflow(c, r);
    }
}

static void scale_numeric(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = c->args[0].col.type.scale;
}

static void min_scale_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r);
        int32_t scale = c->args[0].col.type.scale;
        for (; scale && x % 10 == 0; scale--)
            x /= 10;
        OUT(c, int32_t, r) = scale;
    }
}

/* ---- roots, logarithms, powers ---- */

static void put_result(struct call *c, uint32_t row, bool fits, const int128 *value)
{
    if (fits && decimal_fits(*value, c->out->col.type.precision))
        column_set_numeric(&c->out->col, row, *value);
    else
        call_fail(c, row, "22003", "value overflows numeric format");
}

static unsigned scale_of(const struct call *c, uint32_t arg) { return c->args[arg].col.type.scale; }
static unsigned result_scale(const struct call *c) { return c->out->col.type.scale; }

static void sqrt_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r), z = 0;
        if (x < 0)
            call_fail(c, r, BAD_POWER, "cannot take square root of a negative number");
        else
            put_result(c, r, decimal_sqrt(x, scale_of(c, 0), result_scale(c), &z), &z);
    }
}

static void exp_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 z = 0;
        put_result(c, r, decimal_exp(arg_numeric(c, 0, r), scale_of(c, 0), result_scale(c), &z), &z);
    }
}

static bool has_logarithm(struct call *c, uint32_t row, int128 x)
{
    if (x <= 0)
        call_fail(c, row, BAD_LOGARITHM,
                  x ? "cannot take logarithm of a negative number" : "cannot take logarithm of zero");
    return x > 0;
}

static void logarithm(struct call *c, bool (*log_of)(int128, unsigned, unsigned, int128 *))
{
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r), z = 0;
        if (has_logarithm(c, r, x))
            put_result(c, r, log_of(x, scale_of(c, 0), result_scale(c), &z), &z);
    }
}
static void ln_numeric(struct call *c) { logarithm(c, decimal_ln); }
static void log10_numeric(struct call *c) { logarithm(c, decimal_log10); }

static void log_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        int128 b = arg_numeric(c, 0, r), x = arg_numeric(c, 1, r), z = 0;
        if (!has_logarithm(c, r, b) || !has_logarithm(c, r, x))
            continue;
        if (b == decimal_pow10[scale_of(c, 0)])
            call_fail(c, r, "22012", "division by zero");
        else
            put_result(c, r, decimal_log(b, scale_of(c, 0), x, scale_of(c, 1), result_scale(c), &z), &z);
    }
}

static void power_numeric(struct call *c)
{
    unsigned sx = scale_of(c, 0), sy = scale_of(c, 1), scale = result_scale(c);
    CALL_ROWS(c, r) {
        int128 x = arg_numeric(c, 0, r), y = arg_numeric(c, 1, r), z = 0, whole = decimal_pow10[sy];
        bool fits = true;
        if (x == 0 && y < 0) {
            call_fail(c, r, BAD_POWER, "zero raised to a negative power is undefined");
            continue;
        }
        if (x < 0 && y % whole != 0) {
            call_fail(c, r, BAD_POWER, "a negative number raised to a non-integer power yields a complex result");
            continue;
        }
        if (y == 0)
            z = decimal_pow10[scale];
        else if (x != 0)
            fits = decimal_power(x < 0 ? -x : x, sx, y, sy, scale, &z);
        z = x < 0 && y / whole % 2 ? -z : z;
        put_result(c, r, fits, &z);
    }
}

/* ---- result types ---- */

static unsigned whole_digits(struct type t) { return t.precision - t.scale; }

static struct type clamped(unsigned whole, unsigned scale)
{
    return type_numeric(MAX(MIN(whole + scale, (unsigned)NUMERIC_MAX_PRECISION), 1u), scale);
}

/* Both operands at the larger scale, each with the digits it had before the point. */
static enum status align(struct binding *b, struct error *err)
{
    unsigned scale = MAX(b->args[0]->type.scale, b->args[1]->type.scale);
    for (uint32_t i = 0; i < 2; i++)
        TRY(expr_cast(b->arena, b->args[i], clamped(whole_digits(b->args[i]->type), scale), CAST_IMPLICIT,
                      b->args[i]->location, &b->args[i], err));
    b->result = clamped(MAX(whole_digits(b->args[0]->type), whole_digits(b->args[1]->type)), scale);
    return OK;
}

static enum status bind_sum(struct binding *b, struct error *err)
{
    TRY(align(b, err));
    b->result = clamped(whole_digits(b->result) + 1, b->result.scale);
    return OK;
}

static enum status bind_product(struct binding *b, struct error *err)
{
    struct type x = b->args[0]->type, y = b->args[1]->type;
    if (x.scale + y.scale > NUMERIC_MAX_PRECISION) {
        (void)error_set(err, ERR_SQL, "this product has %u digits after the point; numeric holds %d in all",
                        x.scale + y.scale, NUMERIC_MAX_PRECISION);
        return error_hint(err, "round or cast an operand to fewer digits first");
    }
    b->result = clamped(whole_digits(x) + whole_digits(y), x.scale + y.scale);
    return OK;
}

enum { QUOTIENT_SCALE = 16, LOGARITHM_DIGITS = 2 /* before the point: ln(10^38) is 87.5 */ };

static enum status bind_quotient(struct binding *b, struct error *err)
{
    (void)err;
    struct type x = b->args[0]->type, y = b->args[1]->type;
    unsigned scale = MAX(MAX(x.scale, y.scale), (unsigned)QUOTIENT_SCALE);
    b->result = clamped(whole_digits(x) + y.scale, scale);
    return OK;
}

static enum status bind_remainder(struct binding *b, struct error *err)
{
    (void)err;
    struct type x = b->args[0]->type, y = b->args[1]->type;
    b->result = clamped(MIN(whole_digits(x), whole_digits(y)), MAX(x.scale, y.scale));
    return OK;
}

static enum status bind_multiple(struct binding *b, struct error *err)
{
    TRY(align(b, err));
    b->result = clamped(whole_digits(b->args[0]->type) + whole_digits(b->args[1]->type) + b->result.scale,
                        b->result.scale);
    return OK;
}

static enum status bind_factorial(struct binding *b, struct error *err)
{
    (void)err;
    b->result = type_numeric(NUMERIC_MAX_PRECISION, 0);
    return OK;
}

static enum status bind_whole_quotient(struct binding *b, struct error *err)
{
    unsigned whole = whole_digits(b->args[0]->type) + b->args[1]->type.scale;
    TRY(align(b, err));
    b->result = clamped(whole, 0);
    return OK;
}

static enum status bind_same(struct binding *b, struct error *err)
{
    (void)err;
    b->result = b->args[0]->type;
    return OK;
}

static enum status bind_sign(struct binding *b, struct error *err)
{
    (void)err;
    b->result = type_numeric(1, 0);
    return OK;
}

/* Rounding may carry into one more digit. A constant number of digits is the scale; else the scale stays. */
static enum status bind_round(struct binding *b, struct error *err)
{
    (void)err;
    struct type x = b->args[0]->type;
    unsigned scale = 0;
    if (b->nargs > 1) {
        scale = x.scale;
        if (expr_is_const(b->args[1]) && !expr_is_null_const(b->args[1])) {
            int32_t digits = *(int32_t *)b->args[1]->value.data;
            int32_t most = MAX((int32_t)x.scale, NUMERIC_MAX_PRECISION - 1 - (int32_t)whole_digits(x));
            scale = (unsigned)MAX(MIN(digits, most), 0);
        }
    }
    b->result = clamped(whole_digits(x) + 1, scale);
    return OK;
}

/* Of roots, logarithms and powers: the scale is as that of a quotient. */
static void set_scaled(struct binding *b, unsigned whole)
{
    unsigned scale = QUOTIENT_SCALE;
    for (uint32_t i = 0; i < b->nargs; i++)
        scale = MAX(scale, (unsigned)b->args[i]->type.scale);
    b->result = clamped(whole, scale);
}

static enum status bind_root(struct binding *b, struct error *err)
{
    (void)err;
    struct type x = b->args[0]->type;
    set_scaled(b, (unsigned)(x.precision - x.scale) / 2 + 1);
    return OK;
}

static enum status bind_logarithm(struct binding *b, struct error *err)
{
    (void)err;
    set_scaled(b, LOGARITHM_DIGITS);
    return OK;
}

static enum status bind_power(struct binding *b, struct error *err)
{
    (void)err;
    set_scaled(b, NUMERIC_MAX_PRECISION);
    return OK;
}

#define BINARY(NAME, KERNEL, BIND, HELP)                                                                               \
    {.name = NAME, .result = TYPE_NUMERIC, .nargs = 2, .args = {TYPE_NUMERIC, TYPE_NUMERIC}, .kernel = KERNEL,         \
     .bind = BIND, .help = HELP}
#define UNARY(NAME, KERNEL, BIND, HELP)                                                                                \
    {.name = NAME, .result = TYPE_NUMERIC, .nargs = 1, .args = {TYPE_NUMERIC}, .kernel = KERNEL, .bind = BIND,         \
     .help = HELP}
#define DIGITS(NAME, KERNEL, HELP)                                                                                     \
    {.name = NAME, .result = TYPE_NUMERIC, .nargs = 2, .args = {TYPE_NUMERIC, TYPE_INT4}, .kernel = KERNEL,            \
     .bind = bind_round, .help = HELP}

#define AS_QUOTIENT "; scale = 16, or the larger scale if that is more"

const struct function fn_numeric[] = {
    BINARY("+", add_numeric, bind_sum, "sum, exact; scale = the larger scale"),
    BINARY("-", sub_numeric, bind_sum, "difference, exact; scale = the larger scale"),
    BINARY("*", mul_numeric, bind_product, "product, exact; scale = the sum of the scales"),
    BINARY("/", div_numeric, bind_quotient, "quotient; scale = 16, or the larger scale if that is more"),
    BINARY("%", mod_numeric, bind_remainder, "remainder, exact; its sign is the dividend's"),
    BINARY("mod", mod_numeric, bind_remainder, "remainder, exact; its sign is the dividend's"),
    BINARY("div", div_whole_numeric, bind_whole_quotient, "quotient, truncated toward zero"),
    UNARY("-", neg_numeric, bind_same, "negation"),
    UNARY("abs", abs_numeric, bind_same, "absolute value"),
    UNARY("@", abs_numeric, bind_same, "absolute value"),
    UNARY("sign", sign_numeric, bind_sign, "-1, 0 or 1"),
    UNARY("round", round_numeric, bind_round, "nearest integer, half away from zero"),
    DIGITS("round", round_numeric, "to so many digits after the point, half away from zero; a constant is the scale"),
    UNARY("trunc", trunc_numeric, bind_round, "toward zero"),
    DIGITS("trunc", trunc_numeric, "toward zero, keeping so many digits after the point; a constant is the scale"),
    UNARY("ceil", ceil_numeric, bind_round, "nearest integer not below"),
    UNARY("ceiling", ceil_numeric, bind_round, "nearest integer not below"),
    UNARY("floor", floor_numeric, bind_round, "nearest integer not above"),
    BINARY("gcd", gcd_numeric, align, "greatest common divisor"),
    BINARY("lcm", lcm_numeric, bind_multiple, "least common multiple"),
    {.name = "factorial", .result = TYPE_NUMERIC, .nargs = 1, .args = {TYPE_INT8}, .kernel = factorial,
     .bind = bind_factorial, .help = "1 * 2 * ... * n; up to 33"},
    {.name = "scale", .result = TYPE_INT4, .nargs = 1, .args = {TYPE_NUMERIC}, .kernel = scale_numeric,
     .help = "digits after the point, of the type"},
    {.name = "min_scale", .result = TYPE_INT4, .nargs = 1, .args = {TYPE_NUMERIC}, .kernel = min_scale_numeric,
     .help = "digits after the point that it takes to write the value"},
    UNARY("sqrt", sqrt_numeric, bind_root, "square root" AS_QUOTIENT),
    UNARY("exp", exp_numeric, bind_power, "e to the power of x" AS_QUOTIENT),
    UNARY("ln", ln_numeric, bind_logarithm, "natural logarithm" AS_QUOTIENT),
    UNARY("log", log10_numeric, bind_logarithm, "logarithm to base 10" AS_QUOTIENT),
    UNARY("log10", log10_numeric, bind_logarithm, "logarithm to base 10" AS_QUOTIENT),
    BINARY("log", log_numeric, bind_power, "log(b, x): logarithm to base b" AS_QUOTIENT),
    BINARY("power", power_numeric, bind_power, "x to the power of y" AS_QUOTIENT),
    BINARY("pow", power_numeric, bind_power, "x to the power of y" AS_QUOTIENT),
    BINARY("^", power_numeric, bind_power, "x to the power of y" AS_QUOTIENT),
    {0},
};
