/* Arithmetic on integers and doubles. A first pass computes all lanes and gathers whether any went wrong; only then a
 * second one finds which. */
#include <float.h>
#include <math.h>

#include "expr/loops.h"

#define OVERFLOW_STATE "22003"

#define INTEGER_KERNELS(SUFFIX, T, U, MESSAGE)                                                                         \
    static void add_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        T *restrict out = c->out->col.data, wrong = 0;                                                                 \
        LOOP_BINARY(c, T, T, {                                                                                         \
            T z = (T)((U)x + (U)y);                                                                                    \
            out[r] = z;                                                                                                \
            wrong |= (x ^ z) & (y ^ z);                                                                                \
        });                                                                                                            \
        if (wrong < 0)                                                                                                 \
            CALL_ROWS(c, r)                                                                                            \
                if (__builtin_add_overflow(ARG(c, 0, T, r), ARG(c, 1, T, r), &out[r]))                                 \
                    call_fail(c, r, OVERFLOW_STATE, MESSAGE);                                                          \
    }                                                                                                                  \
    static void sub_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        T *restrict out = c->out->col.data, wrong = 0;                                                                 \
        LOOP_BINARY(c, T, T, {                                                                                         \
            T z = (T)((U)x - (U)y);                                                                                    \
            out[r] = z;                                                                                                \
            wrong |= (x ^ y) & (x ^ z);                                                                                \
        });                                                                                                            \
        if (wrong < 0)                                                                                                 \
            CALL_ROWS(c, r)                                                                                            \
                if (__builtin_sub_overflow(ARG(c, 0, T, r), ARG(c, 1, T, r), &out[r]))                                 \
                    call_fail(c, r, OVERFLOW_STATE, MESSAGE);                                                          \
    }                                                                                                                  \
    static void mul_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        T *restrict out = c->out->col.data;                                                                            \
        bool wrong = false;                                                                                            \
        LOOP_BINARY(c, T, T, wrong |= __builtin_mul_overflow(x, y, &out[r]));                                          \
        if (wrong)                                                                                                     \
            CALL_ROWS(c, r)                                                                                            \
                if (__builtin_mul_overflow(ARG(c, 0, T, r), ARG(c, 1, T, r), &out[r]))                                 \
                    call_fail(c, r, OVERFLOW_STATE, MESSAGE);                                                          \
    }                                                                                                                  \
    static void div_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        CALL_ROWS(c, r) {                                                                                              \
            T x = ARG(c, 0, T, r), y = ARG(c, 1, T, r);                                                                \
            if (y == 0)                                                                                                \
                call_fail(c, r, "22012", "division by zero");                                                          \
            else if (y == -1 && __builtin_sub_overflow((T)0, x, &OUT(c, T, r)))                                        \
                call_fail(c, r, OVERFLOW_STATE, MESSAGE);                                                              \
            else                                                                                                       \
                OUT(c, T, r) = y == -1 ? (T)-x : x / y;                                                                \
        }                                                                                                              \
    }                                                                                                                  \
    static void mod_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        CALL_ROWS(c, r) {                                                                                              \
            T x = ARG(c, 0, T, r), y = ARG(c, 1, T, r);                                                                \
            if (y == 0)                                                                                                \
                call_fail(c, r, "22012", "division by zero");                                                          \
            else                                                                                                       \
                OUT(c, T, r) = y == -1 ? 0 : x % y;                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    static void neg_##SUFFIX(struct call *c)                                                                           \
    {                                                                                                                  \
        CALL_ROWS(c, r)                                                                                                \
            if (__builtin_sub_overflow((T)0, ARG(c, 0, T, r), &OUT(c, T, r)))                                          \
                call_fail(c, r, OVERFLOW_STATE, MESSAGE);                                                              \
    }

INTEGER_KERNELS(int4, int32_t, uint32_t, "integer out of range")
INTEGER_KERNELS(int8, int64_t, uint64_t, "bigint out of range")

void float_check(struct call *c, uint32_t row, double result, bool any_infinite, bool may_be_zero)
{
    if (isinf(result) && !any_infinite)
        call_fail(c, row, OVERFLOW_STATE, "value out of range: overflow");
    else if (result == 0 && !may_be_zero)
        call_fail(c, row, OVERFLOW_STATE, "value out of range: underflow");
}

/* The second pass: an infinity made of finite numbers, a zero made of others. */
static void check_binary(struct call *c, bool zero_matters)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r), y = ARG(c, 1, double, r);
        float_check(c, r, OUT(c, double, r), isinf(x) || isinf(y), !zero_matters || x == 0 || y == 0);
    }
}

#define FLOAT_SUM_KERNEL(NAME, OP)                                                                                     \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        double *restrict out = c->out->col.data;                                                                       \
        int wrong = 0;                                                                                                 \
        LOOP_BINARY(c, double, double, {                                                                               \
            double z = x OP y;                                                                                         \
            out[r] = z;                                                                                                \
            wrong |= !(fabs(z) <= DBL_MAX);                                                                            \
        });                                                                                                            \
        if (wrong)                                                                                                     \
            check_binary(c, false);                                                                                    \
    }
FLOAT_SUM_KERNEL(add_float8, +)
FLOAT_SUM_KERNEL(sub_float8, -)

static void mul_float8(struct call *c)
{
    double *restrict out = c->out->col.data;
    int wrong = 0;
    LOOP_BINARY(c, double, double, {
        double z = x * y;
        out[r] = z;
        wrong |= (int)!(fabs(z) <= DBL_MAX) | (int)((z == 0) & (x != 0) & (y != 0));
    });
    if (wrong)
        check_binary(c, true);
}

static void div_float8(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = ARG(c, 0, double, r), y = ARG(c, 1, double, r), z = x / y;
        OUT(c, double, r) = z;
        if (y == 0 && !isnan(x))
            call_fail(c, r, "22012", "division by zero");
        else
            float_check(c, r, z, isinf(x), x == 0 || isinf(y));
    }
}

static void neg_float8(struct call *c)
{
    double *restrict out = c->out->col.data;
    LOOP_UNARY(c, double, out[r] = -x);
}

/* Unary plus. */
static void same(struct call *c)
{
    size_t width = type_width(c->out->col.type);
    CALL_ROWS(c, r)
        memcpy((char *)c->out->col.data + r * width,
               (const char *)c->args[0].col.data + (r & c->args[0].mask) * width, width);
}

static enum status bind_same(struct binding *b, struct error *err)
{
    (void)err;
    b->result = b->args[0]->type;
    return OK;
}

#define BINARY(NAME, ID, KERNEL, HELP)                                                                                 \
    {.name = NAME, .result = ID, .nargs = 2, .args = {ID, ID}, .kernel = KERNEL, .help = HELP}
#define UNARY(NAME, ID, KERNEL, HELP)                                                                                  \
    {.name = NAME, .result = ID, .nargs = 1, .args = {ID}, .kernel = KERNEL, .help = HELP}

const struct function fn_arith[] = {
    BINARY("+", TYPE_INT4, add_int4, "sum"),
    BINARY("+", TYPE_INT8, add_int8, "sum"),
    BINARY("+", TYPE_FLOAT8, add_float8, "sum"),
    BINARY("-", TYPE_INT4, sub_int4, "difference"),
    BINARY("-", TYPE_INT8, sub_int8, "difference"),
    BINARY("-", TYPE_FLOAT8, sub_float8, "difference"),
    BINARY("*", TYPE_INT4, mul_int4, "product"),
    BINARY("*", TYPE_INT8, mul_int8, "product"),
    BINARY("*", TYPE_FLOAT8, mul_float8, "product"),
    BINARY("/", TYPE_INT4, div_int4, "quotient, truncated toward zero"),
    BINARY("/", TYPE_INT8, div_int8, "quotient, truncated toward zero"),
    BINARY("/", TYPE_FLOAT8, div_float8, "quotient"),
    BINARY("%", TYPE_INT4, mod_int4, "remainder; its sign is the dividend's"),
    BINARY("%", TYPE_INT8, mod_int8, "remainder; its sign is the dividend's"),
    UNARY("-", TYPE_INT4, neg_int4, "negation"),
    UNARY("-", TYPE_INT8, neg_int8, "negation"),
    UNARY("-", TYPE_FLOAT8, neg_float8, "negation"),
    UNARY("+", TYPE_INT4, same, "the number itself"),
    UNARY("+", TYPE_INT8, same, "the number itself"),
    UNARY("+", TYPE_FLOAT8, same, "the number itself"),
    {.name = "+", .result = TYPE_NUMERIC, .nargs = 1, .args = {TYPE_NUMERIC}, .kernel = same, .bind = bind_same,
     .help = "the number itself"},
    BINARY("mod", TYPE_INT4, mod_int4, "remainder; its sign is the dividend's"),
    BINARY("mod", TYPE_INT8, mod_int8, "remainder; its sign is the dividend's"),
    {0},
};
