/* Casts among numbers, booleans, dates and times. Casts from and to text are in cast_text.c. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "column/civil.h"
#include "column/decimal.h"
#include "expr/loops.h"

#define OUT_OF_RANGE "22003"

/* ---- integers and doubles ---- */

#define WIDEN_KERNEL(NAME, FROM, TO)                                                                                   \
    static void NAME(struct call *c)                                                                                   \
    {                                                                                                                  \
        TO *restrict out = c->out->col.data;                                                                           \
        LOOP_UNARY(c, FROM, out[r] = (TO)x);                                                                           \
    }
WIDEN_KERNEL(int4_to_int8, int32_t, int64_t)
WIDEN_KERNEL(int4_to_float8, int32_t, double)
WIDEN_KERNEL(int8_to_float8, int64_t, double)
WIDEN_KERNEL(bool_to_int4, uint8_t, int32_t)

static void int8_to_int4(struct call *c)
{
    CALL_ROWS(c, r) {
        int64_t x = ARG(c, 0, int64_t, r);
        OUT(c, int32_t, r) = (int32_t)x;
        if (x != (int32_t)x)
            call_fail(c, r, OUT_OF_RANGE, "integer out of range");
    }
}

static void int4_to_bool(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, uint8_t, r) = ARG(c, 0, int32_t, r) != 0;
}

/* Half to even, as rint; the bounds are exact doubles. */
static void float8_to_int4(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = rint(ARG(c, 0, double, r));
        if (!(x >= -0x1p31 && x < 0x1p31))
            call_fail(c, r, OUT_OF_RANGE, "integer out of range");
        else
            OUT(c, int32_t, r) = (int32_t)x;
    }
}

static void float8_to_int8(struct call *c)
{
    CALL_ROWS(c, r) {
        double x = rint(ARG(c, 0, double, r));
        if (!(x >= -0x1p63 && x < 0x1p63))
            call_fail(c, r, OUT_OF_RANGE, "bigint out of range");
        else
            OUT(c, int64_t, r) = (int64_t)x;
    }
}

/* ---- numeric ---- */

static void set_numeric(struct call *c, uint32_t row, int128 value, unsigned scale)
{
    struct type to = c->out->col.type;
    int128 moved;
    if (!decimal_rescale(value, scale, to.scale, &moved) || !decimal_fits(moved, to.precision))
        call_fail(c, row, OUT_OF_RANGE, "numeric field overflow");
    else
        column_set_numeric(&c->out->col, row, moved);
}

static void int4_to_numeric(struct call *c)
{
    CALL_ROWS(c, r)
        set_numeric(c, r, ARG(c, 0, int32_t, r), 0);
}

static void int8_to_numeric(struct call *c)
{
    CALL_ROWS(c, r)
        set_numeric(c, r, ARG(c, 0, int64_t, r), 0);
}

/* PostgreSQL keeps the 15 digits a double always holds. */
static void float8_to_numeric(struct call *c)
{
    CALL_ROWS(c, r) {
        char text[64];
        int128 value;
        unsigned scale;
        bool overflow;
        int n = snprintf(text, sizeof text, "%.*g", DBL_DIG, ARG(c, 0, double, r));
        if (fabs(ARG(c, 0, double, r)) < 1e-60)
            set_numeric(c, r, 0, 0); /* below half of the smallest numeric */
        else if (decimal_parse((struct slice){text, (size_t)n}, &value, &scale, &overflow))
            set_numeric(c, r, value, scale);
        else
            call_fail(c, r, OUT_OF_RANGE, "numeric field overflow");
    }
}

static void numeric_to_float8(struct call *c)
{
    unsigned scale = c->args[0].col.type.scale;
    CALL_ROWS(c, r)
        OUT(c, double, r) = decimal_to_double(arg_numeric(c, 0, r), scale);
}

static void numeric_to_int4(struct call *c)
{
    unsigned scale = c->args[0].col.type.scale;
    CALL_ROWS(c, r) {
        int128 x;
        if (!decimal_rescale(arg_numeric(c, 0, r), scale, 0, &x) || x < INT32_MIN || x > INT32_MAX)
            call_fail(c, r, OUT_OF_RANGE, "integer out of range");
        else
            OUT(c, int32_t, r) = (int32_t)x;
    }
}

static void numeric_to_int8(struct call *c)
{
    unsigned scale = c->args[0].col.type.scale;
    CALL_ROWS(c, r) {
        int128 x;
        if (!decimal_rescale(arg_numeric(c, 0, r), scale, 0, &x) || x < INT64_MIN || x > INT64_MAX)
            call_fail(c, r, OUT_OF_RANGE, "bigint out of range");
        else
            OUT(c, int64_t, r) = (int64_t)x;
    }
}

/* To at least as many digits on both sides of the point: a multiplication that cannot overflow. */
static void numeric_widen(struct call *c)
{
    struct type from = c->args[0].col.type, to = c->out->col.type;
    int128 factor = decimal_pow10[to.scale - from.scale];
    if (type_is_small_numeric(to)) {
        int64_t *restrict out = c->out->col.data, k = (int64_t)factor;
        LOOP_UNARY(c, int64_t, out[r] = (int64_t)((uint64_t)x * (uint64_t)k));
    } else if (type_is_small_numeric(from)) {
        int128 *restrict out = c->out->col.data;
        LOOP_UNARY(c, int64_t, out[r] = (int128)((uint128)x * (uint128)factor));
    } else {
        int128 *restrict out = c->out->col.data;
        LOOP_UNARY(c, int128, out[r] = (int128)((uint128)x * (uint128)factor));
    }
}

static void numeric_to_numeric(struct call *c)
{
    struct type from = c->args[0].col.type, to = c->out->col.type;
    if (to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale) {
        numeric_widen(c);
        return;
    }
    CALL_ROWS(c, r)
        set_numeric(c, r, arg_numeric(c, 0, r), from.scale);
}

/* ---- dates and times: UTC, so that timestamp and timestamptz hold the same number ---- */

static void date_to_timestamp(struct call *c)
{
    int64_t *restrict out = c->out->col.data;
    LOOP_UNARY(c, int32_t, out[r] = (int64_t)((uint64_t)x * MICROS_PER_DAY)); /* of a NULL lane x may be anything */
}

static void timestamp_to_date(struct call *c)
{
    CALL_ROWS(c, r) {
        int64_t x = ARG(c, 0, int64_t, r), days = x / MICROS_PER_DAY;
        OUT(c, int32_t, r) = (int32_t)(days - (x % MICROS_PER_DAY < 0));
    }
}

static void timestamp_same(struct call *c)
{
    int64_t *restrict out = c->out->col.data;
    LOOP_UNARY(c, int64_t, out[r] = x);
}

#define CAST(FROM, TO, KERNEL, HOW)                                                                                    \
    {HOW, {.name = "cast", .result = TO, .nargs = 1, .args = {FROM}, .kernel = KERNEL, .help = ""}}

const struct cast casts_number[] = {
    CAST(TYPE_INT4, TYPE_INT8, int4_to_int8, CAST_IMPLICIT),
    CAST(TYPE_INT4, TYPE_FLOAT8, int4_to_float8, CAST_IMPLICIT),
    CAST(TYPE_INT4, TYPE_NUMERIC, int4_to_numeric, CAST_IMPLICIT),
    CAST(TYPE_INT4, TYPE_BOOL, int4_to_bool, CAST_EXPLICIT),
    CAST(TYPE_BOOL, TYPE_INT4, bool_to_int4, CAST_EXPLICIT),
    CAST(TYPE_INT8, TYPE_INT4, int8_to_int4, CAST_ASSIGNMENT),
    CAST(TYPE_INT8, TYPE_FLOAT8, int8_to_float8, CAST_IMPLICIT),
    CAST(TYPE_INT8, TYPE_NUMERIC, int8_to_numeric, CAST_IMPLICIT),
    CAST(TYPE_FLOAT8, TYPE_INT4, float8_to_int4, CAST_ASSIGNMENT),
    CAST(TYPE_FLOAT8, TYPE_INT8, float8_to_int8, CAST_ASSIGNMENT),
    CAST(TYPE_FLOAT8, TYPE_NUMERIC, float8_to_numeric, CAST_ASSIGNMENT),
    CAST(TYPE_NUMERIC, TYPE_INT4, numeric_to_int4, CAST_ASSIGNMENT),
    CAST(TYPE_NUMERIC, TYPE_INT8, numeric_to_int8, CAST_ASSIGNMENT),
    CAST(TYPE_NUMERIC, TYPE_FLOAT8, numeric_to_float8, CAST_IMPLICIT),
    CAST(TYPE_NUMERIC, TYPE_NUMERIC, numeric_to_numeric, CAST_IMPLICIT),
    {0},
};

const struct cast casts_date[] = {
    CAST(TYPE_DATE, TYPE_TIMESTAMP, date_to_timestamp, CAST_IMPLICIT),
    CAST(TYPE_DATE, TYPE_TIMESTAMPTZ, date_to_timestamp, CAST_IMPLICIT),
    CAST(TYPE_TIMESTAMP, TYPE_DATE, timestamp_to_date, CAST_ASSIGNMENT),
    CAST(TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ, timestamp_same, CAST_IMPLICIT),
    CAST(TYPE_TIMESTAMPTZ, TYPE_DATE, timestamp_to_date, CAST_ASSIGNMENT),
    CAST(TYPE_TIMESTAMPTZ, TYPE_TIMESTAMP, timestamp_same, CAST_ASSIGNMENT),
    {0},
};
