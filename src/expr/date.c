/* Dates, timestamps and intervals. Everything is UTC, so timestamp and timestamptz compute alike. */
#include <math.h>
#include <strings.h>

#include "expr/calendar.h"

#define OUT_OF_RANGE "22008"

static void set_micros(struct call *c, uint32_t row, int128 micros)
{
    if (micros < INT64_MIN || micros > INT64_MAX || !micros_in_range((int64_t)micros))
        call_fail(c, row, OUT_OF_RANGE, "timestamp out of range");
    else
        OUT(c, int64_t, row) = (int64_t)micros;
}

static void set_days(struct call *c, uint32_t row, int64_t days)
{
    if (!days_in_range(days))
        call_fail(c, row, OUT_OF_RANGE, "date out of range");
    else
        OUT(c, int32_t, row) = (int32_t)days;
}

/* ---- the epoch's time ---- */

static void kernel_now(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int64_t, r) = c->now_us;
}

static void kernel_current_date(struct call *c)
{
    int64_t rest;
    int32_t today = split_days(c->now_us, &rest);
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = today;
}

/* ---- date and timestamp arithmetic ---- */

static void date_plus(struct call *c)
{
    CALL_ROWS(c, r)
        set_days(c, r, (int64_t)ARG(c, 0, int32_t, r) + ARG(c, 1, int32_t, r));
}

static void date_minus(struct call *c)
{
    CALL_ROWS(c, r)
        set_days(c, r, (int64_t)ARG(c, 0, int32_t, r) - ARG(c, 1, int32_t, r));
}

static void date_difference(struct call *c)
{
    CALL_ROWS(c, r)
        OUT(c, int32_t, r) = ARG(c, 0, int32_t, r) - ARG(c, 1, int32_t, r);
}

static void shift(struct call *c, uint32_t time_arg, int sign, bool date)
{
    CALL_ROWS(c, r) {
        int64_t t = date ? ARG(c, time_arg, int32_t, r) * MICROS_PER_DAY : ARG(c, time_arg, int64_t, r), moved;
        struct interval v = ARG(c, 1 - time_arg, struct interval, r);
        if (sign < 0) {
            if (v.micros == INT64_MIN || v.days == INT32_MIN || v.months == INT32_MIN) {
                call_fail(c, r, OUT_OF_RANGE, "interval out of range");
                continue;
            }
            v = (struct interval){-v.micros, -v.days, -v.months};
        }
        if (timestamp_add(t, v, &moved))
            OUT(c, int64_t, r) = moved;
        else
            call_fail(c, r, OUT_OF_RANGE, "timestamp out of range");
    }
}
static void timestamp_plus(struct call *c) { shift(c, 0, 1, false); }
static void timestamp_minus(struct call *c) { shift(c, 0, -1, false); }
static void plus_timestamp(struct call *c) { shift(c, 1, 1, false); }
static void date_plus_interval(struct call *c) { shift(c, 0, 1, true); }
static void date_minus_interval(struct call *c) { shift(c, 0, -1, true); }
static void interval_plus_date(struct call *c) { shift(c, 1, 1, true); }

/* Whole days are taken out of the difference, as PostgreSQL does. */
static void timestamp_difference(struct call *c)
{
    CALL_ROWS(c, r) {
        int64_t micros = ARG(c, 0, int64_t, r) - ARG(c, 1, int64_t, r);
        OUT(c, struct interval, r) = (struct interval){micros % MICROS_PER_DAY, (int32_t)(micros / MICROS_PER_DAY), 0};
    }
}

/* ---- interval arithmetic ---- */

static bool interval_of(int128 micros, int64_t days, int64_t months, struct interval *ret)
{
    if (micros < INT64_MIN || micros > INT64_MAX || days != (int32_t)days || months != (int32_t)months)
        return false;
    *ret = (struct interval){(int64_t)micros, (int32_t)days, (int32_t)months};
    return true;
}

static void set_interval(struct call *c, uint32_t row, int128 micros, int64_t days, int64_t months)
{
    if (!interval_of(micros, days, months, &OUT(c, struct interval, row)))
        call_fail(c, row, OUT_OF_RANGE, "interval out of range");
}

static bool interval_add(struct interval x, struct interval y, int sign, struct interval *ret)
{
    return interval_of((int128)x.micros + (int128)sign * y.micros, (int64_t)x.days + (int64_t)sign * y.days,
                       (int64_t)x.months + (int64_t)sign * y.months, ret);
}

static void interval_sum(struct call *c, int sign)
{
    CALL_ROWS(c, r) {
        struct interval x = ARG(c, 0, struct interval, r), y = ARG(c, 1, struct interval, r);
        if (!interval_add(x, y, sign, &OUT(c, struct interval, r)))
            call_fail(c, r, OUT_OF_RANGE, "interval out of range");
    }
}
static void interval_plus(struct call *c) { interval_sum(c, 1); }
static void interval_minus(struct call *c) { interval_sum(c, -1); }

static void interval_negate(struct call *c)
{
    CALL_ROWS(c, r) {
        struct interval x = ARG(c, 0, struct interval, r);
        set_interval(c, r, -(int128)x.micros, -(int64_t)x.days, -(int64_t)x.months);
    }
}

static double round_micros(double seconds) { return rint(seconds * 1e6) / 1e6; }

/* Fractions of months become days of a 30-day month, fractions of days become seconds, each rounded to a microsecond on
 * the way: PostgreSQL's interval_mul, whose results are what users compare with. months and days are the exact
 * products. */
static bool interval_scaled(double months, double days, double micros, struct interval *ret)
{
    if (isnan(months) || fabs(months) > INT32_MAX || isnan(days) || fabs(days) > INT32_MAX)
        return false;
    int32_t whole_months = (int32_t)months, whole_days = (int32_t)days;
    double month_days = round_micros((months - whole_months) * 30);
    double seconds = round_micros((days - whole_days + month_days - (int)month_days) * 86400);
    int64_t carried = 0;
    if (fabs(seconds) >= 86400) {
        carried = (int64_t)(seconds / 86400);
        seconds -= (double)carried * 86400;
    }
    double total = rint(micros + seconds * 1e6);
    return total >= -0x1p63 && total < 0x1p63 &&
           interval_of((int64_t)total, whole_days + carried + (int64_t)month_days, whole_months, ret);
}

static void interval_scale(struct call *c, uint32_t row, double months, double days, double micros)
{
    if (!interval_scaled(months, days, micros, &OUT(c, struct interval, row)))
        call_fail(c, row, OUT_OF_RANGE, "interval out of range");
}

bool interval_between(struct interval from, struct interval to, double part, struct interval *ret)
{
    struct interval way, step;
    return interval_add(to, from, -1, &way) &&
           interval_scaled(way.months * part, way.days * part, (double)way.micros * part, &step) &&
           interval_add(step, from, 1, ret);
}

static void interval_times(struct call *c, uint32_t interval_arg)
{
    CALL_ROWS(c, r) {
        struct interval v = ARG(c, interval_arg, struct interval, r);
        double k = ARG(c, 1 - interval_arg, double, r);
        interval_scale(c, r, v.months * k, v.days * k, (double)v.micros * k);
    }
}
static void interval_mul(struct call *c) { interval_times(c, 0); }
static void mul_interval(struct call *c) { interval_times(c, 1); }

bool interval_divide(struct interval v, double k, struct interval *ret)
{
    return interval_scaled(v.months / k, v.days / k, (double)v.micros / k, ret);
}

static void interval_div(struct call *c)
{
    CALL_ROWS(c, r) {
        struct interval v = ARG(c, 0, struct interval, r);
        double k = ARG(c, 1, double, r);
        if (k == 0)
            call_fail(c, r, "22012", "division by zero");
        else if (!interval_divide(v, k, &OUT(c, struct interval, r)))
            call_fail(c, r, OUT_OF_RANGE, "interval out of range");
    }
}

/* Carry so that the lower field has the sign of the upper one and less than one of its units. */
static void carry(int64_t *low, int64_t unit, int64_t *high)
{
    *high += *low / unit;
    *low %= unit;
    if (*high > 0 && *low < 0) {
        *low += unit;
        --*high;
    } else if (*high < 0 && *low > 0) {
        *low -= unit;
        ++*high;
    }
}

static void justify(struct call *c, bool hours, bool days)
{
    CALL_ROWS(c, r) {
        struct interval v = ARG(c, 0, struct interval, r);
        int64_t micros = v.micros, d = v.days, months = v.months;
        if (hours && days) {
            /* Days first take what they can from both sides, so that signs agree in the end. */
            d += micros / MICROS_PER_DAY;
            micros %= MICROS_PER_DAY;
            carry(&d, 30, &months);
            if (months > 0 && (d < 0 || (d == 0 && micros < 0))) {
                d += 30;
                months--;
            } else if (months < 0 && (d > 0 || (d == 0 && micros > 0))) {
                d -= 30;
                months++;
            }
            carry(&micros, MICROS_PER_DAY, &d);
        } else if (hours)
            carry(&micros, MICROS_PER_DAY, &d);
        else
            carry(&d, 30, &months);
        set_interval(c, r, micros, d, months);
    }
}
static void justify_hours(struct call *c) { justify(c, true, false); }
static void justify_days(struct call *c) { justify(c, false, true); }
static void justify_interval(struct call *c) { justify(c, true, true); }

/* ---- age: the difference in years, months, days as people count them ---- */

static int64_t month_length(int32_t year, unsigned month)
{
    return (month == 12 ? civil_to_days(year + 1, 1, 1) : civil_to_days(year, month + 1, 1)) -
           civil_to_days(year, month, 1);
}

static struct interval age_of(int64_t later, int64_t earlier)
{
    struct civil x = civil_from_micros(later), y = civil_from_micros(earlier);
    int64_t rest_x, rest_y;
    split_days(later, &rest_x);
    split_days(earlier, &rest_y);
    int64_t micros = rest_x - rest_y, days = (int64_t)x.day - y.day;
    int64_t months = ((int64_t)x.year - y.year) * 12 + x.month - y.month;
    if (micros < 0) {
        micros += MICROS_PER_DAY;
        days--;
    }
    while (days < 0) {
        days += month_length(y.year, y.month);
        months--;
    }
    return (struct interval){micros, (int32_t)days, (int32_t)months};
}

/* Since the day of now() began. */
static void kernel_age_now(struct call *c)
{
    int64_t rest, today = split_days(c->now_us, &rest) * MICROS_PER_DAY;
    CALL_ROWS(c, r) {
        int64_t x = ARG(c, 0, int64_t, r);
        struct interval v = today >= x ? age_of(today, x) : age_of(x, today);
        OUT(c, struct interval, r) = today >= x ? v : (struct interval){-v.micros, -v.days, -v.months};
    }
}

static void kernel_age(struct call *c)
{
    CALL_ROWS(c, r) {
        int64_t x = ARG(c, 0, int64_t, r), y = ARG(c, 1, int64_t, r);
        struct interval v = x >= y ? age_of(x, y) : age_of(y, x);
        OUT(c, struct interval, r) = x >= y ? v : (struct interval){-v.micros, -v.days, -v.months};
    }
}

/* ---- making ---- */

static void kernel_make_date(struct call *c)
{
    CALL_ROWS(c, r) {
        int32_t year = ARG(c, 0, int32_t, r), month = ARG(c, 1, int32_t, r), day = ARG(c, 2, int32_t, r);
        if (month < 1 || day < 1 || !civil_is_date(year, (unsigned)month, (unsigned)day))
            call_fail(c, r, OUT_OF_RANGE, "date field value out of range: %d-%02d-%02d", year, month, day);
        else
            OUT(c, int32_t, r) = civil_to_days(year, (unsigned)month, (unsigned)day);
    }
}

static void kernel_make_timestamp(struct call *c)
{
    CALL_ROWS(c, r) {
        int32_t year = ARG(c, 0, int32_t, r), month = ARG(c, 1, int32_t, r), day = ARG(c, 2, int32_t, r);
        int32_t hour = ARG(c, 3, int32_t, r), minute = ARG(c, 4, int32_t, r);
        double second = ARG(c, 5, double, r);
        if (month < 1 || day < 1 || !civil_is_date(year, (unsigned)month, (unsigned)day)) {
            call_fail(c, r, OUT_OF_RANGE, "date field value out of range: %d-%02d-%02d", year, month, day);
            continue;
        }
        bool midnight = hour == 24 && minute == 0 && second == 0;
        if (hour < 0 || minute < 0 || minute > 59 || !(second >= 0 && second <= 60) || (hour > 23 && !midnight)) {
            call_fail(c, r, OUT_OF_RANGE,
                      isnan(second) ? "time field value out of range: %d:%02d:NaN"
                                    : "time field value out of range: %d:%02d:%02g",
                      hour, minute, second);
            continue;
        }
        int64_t micros = (int64_t)rint(second * 1e6) + (hour * INT64_C(60) + minute) * 60 * MICROS_PER_SECOND;
        set_micros(c, r, civil_to_days(year, (unsigned)month, (unsigned)day) * MICROS_PER_DAY + micros);
    }
}

static void kernel_make_interval(struct call *c)
{
    CALL_ROWS(c, r) {
        int32_t v[6];
        for (uint32_t i = 0; i < ARRAY_LEN(v); i++)
            v[i] = ARG(c, i, int32_t, r);
        double seconds = ARG(c, 6, double, r), micros = rint(seconds * 1e6);
        if (!(fabs(micros) < 9e18)) {
            call_fail(c, r, OUT_OF_RANGE, "interval out of range");
            continue;
        }
        int128 time = (int128)(v[4] * INT64_C(60) + v[5]) * 60 * MICROS_PER_SECOND + (int64_t)micros;
        if (time < INT64_MIN || time > INT64_MAX)
            call_fail(c, r, OUT_OF_RANGE, "interval out of range");
        else
            set_interval(c, r, time, v[2] * INT64_C(7) + v[3], v[0] * INT64_C(12) + v[1]);
    }
}

static void kernel_to_timestamp(struct call *c)
{
    CALL_ROWS(c, r) {
        double seconds = ARG(c, 0, double, r);
        /* Years 0001 to 9999 lie within 3e11 seconds; the moment itself is checked in microseconds. */
        if (isnan(seconds))
            call_fail(c, r, OUT_OF_RANGE, "timestamp cannot be NaN");
        else if (fabs(seconds) > 3e11)
            call_fail(c, r, OUT_OF_RANGE, "timestamp out of range: \"%g\"", seconds);
        else {
            /* Rounded at PostgreSQL's epoch, 2000-01-01, where its own rounding happens. */
            const double epoch_2000 = 946684800;
            set_micros(c, r, (int64_t)rint((seconds - epoch_2000) * 1e6) + (int64_t)epoch_2000 * MICROS_PER_SECOND);
        }
    }
}

static void kernel_isfinite(struct call *c) { memset(c->out->col.data, 1, c->rows); }

/* ---- zones: UTC only ---- */

static bool is_utc(struct slice zone)
{
    static const char *const zones[] = {"utc", "gmt", "z", "zulu", "uct", "etc/utc", "etc/gmt", "universal"};
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        if (zone.len == strlen(zones[i]) && strncasecmp(zone.data, zones[i], zone.len) == 0)
            return true;
    return false;
}

static bool check_zone(struct call *c, uint32_t arg, uint32_t row)
{
    struct slice zone = arg_text(c, arg, row);
    if (is_utc(zone))
        return true;
    call_fail(c, row, "22023", "time zone \"%.*s\" not recognized", (int)MIN(zone.len, (size_t)60), zone.data);
    return false;
}

static void kernel_timezone(struct call *c)
{
    CALL_ROWS(c, r)
        if (check_zone(c, 0, r))
            OUT(c, int64_t, r) = ARG(c, 1, int64_t, r);
}

static void kernel_make_in_zone(struct call *c)
{
    kernel_make_timestamp(c);
    CALL_ROWS(c, r)
        if (!lane_is_bad(c->out, r))
            (void)check_zone(c, 6, r);
}

static enum status bind_zone(struct binding *b, struct error *err)
{
    uint32_t zone_arg = b->nargs == 2 ? 0 : b->nargs - 1;
    const struct expr *zone = b->args[zone_arg];
    if (!expr_is_const(zone) || expr_is_null_const(zone))
        return OK;
    struct slice name = view_slice(zone->value.data);
    if (is_utc(name))
        return OK;
    (void)error_set(err, ERR_UNSUPPORTED, "time zone \"%.*s\" is not supported", (int)MIN(name.len, (size_t)60),
                    name.data);
    return error_hint(err, "bourn computes in UTC; shift by a fixed interval where a local day is wanted");
}

/* An interval of time alone, in whole seconds, ahead of UTC. sign: to UTC or from it. */
static void shift_zone(struct call *c, int sign)
{
    CALL_ROWS(c, r) {
        struct interval ahead = ARG(c, 0, struct interval, r);
        char text[96];
        if (ahead.months || ahead.days)
            call_fail(c, r, "22023", "interval time zone \"%.*s\" must not include months or days",
                      (int)interval_print(ahead, text), text);
        else
            set_micros(c, r, (int128)ARG(c, 1, int64_t, r) +
                                 sign * (ahead.micros / MICROS_PER_SECOND) * (int128)MICROS_PER_SECOND);
    }
}
static void kernel_from_zone(struct call *c) { shift_zone(c, -1); }
static void kernel_to_zone(struct call *c) { shift_zone(c, 1); }

/* ---- OVERLAPS: of two times the earlier is the start; half open, but that a point is in its own period ---- */

struct period {
    int64_t start, end;
    bool unknown, open; /* there is no time at all, or one alone, as the start */
};

static struct period period_of(const struct call *c, uint32_t arg, uint32_t row)
{
    bool no_start = arg_is_null(c, arg, row), no_end = arg_is_null(c, arg + 1, row);
    int64_t x = no_start ? 0 : ARG(c, arg, int64_t, row), y = no_end ? 0 : ARG(c, arg + 1, int64_t, row);
    if (no_start || no_end)
        return (struct period){.start = no_start ? y : x, .unknown = no_start && no_end, .open = true};
    return (struct period){.start = MIN(x, y), .end = MAX(x, y)};
}

static void kernel_overlaps(struct call *c)
{
    CALL_ROWS(c, r) {
        struct period x = period_of(c, 0, r), y = period_of(c, 2, r);
        struct period first = x.start < y.start ? x : y, second = x.start < y.start ? y : x;
        bool same = x.start == y.start;
        if (x.unknown || y.unknown || first.open || (same && second.open)) {
            call_null(c, r);
            continue;
        }
        OUT(c, uint8_t, r) = same || second.start < first.end;
        if (!same && second.start >= first.end && second.open)
            call_null(c, r);
    }
}

/* A length becomes the end. */
static enum status bind_overlaps(struct binding *b, struct error *err)
{
    for (uint32_t i = 1; i < 4; i += 2)
        if (b->args[i]->type.id == TYPE_INTERVAL)
            TRY(expr_call(b->arena, "+", &b->args[i - 1], 2, b->args[i]->location, &b->args[i], err));
    return OK;
}

/* ---- bins ---- */

static void kernel_date_bin(struct call *c)
{
    CALL_ROWS(c, r) {
        struct interval stride = ARG(c, 0, struct interval, r);
        int64_t t = ARG(c, 1, int64_t, r), origin = ARG(c, 2, int64_t, r), width;
        if (stride.months) {
            call_fail(c, r, "0A000", "timestamps cannot be binned into intervals containing months or years");
            continue;
        }
        if (!interval_micros(stride, &width)) {
            call_fail(c, r, OUT_OF_RANGE, "interval out of range");
            continue;
        }
        if (width <= 0) {
            call_fail(c, r, OUT_OF_RANGE, "stride must be greater than zero");
            continue;
        }
        int64_t since = t - origin, whole = since - since % width;
        set_micros(c, r, (int128)origin + whole - (since < whole ? width : 0));
    }
}

#define D TYPE_DATE
#define TS TYPE_TIMESTAMP
#define TZ TYPE_TIMESTAMPTZ
#define V TYPE_INTERVAL
#define I TYPE_INT4
#define F TYPE_FLOAT8
#define FN(NAME, RESULT, N, KERNEL, HELP, ...)                                                                         \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {__VA_ARGS__}, .kernel = KERNEL, .help = HELP}
#define NOW(NAME, RESULT, KERNEL, HELP)                                                                                \
    {.name = NAME, .result = RESULT, .nargs = 0, .flags = FN_NOW, .kernel = KERNEL, .help = HELP}
#define ZONE(RESULT, FROM, HELP)                                                                                       \
    {.name = "timezone", .result = RESULT, .nargs = 2, .args = {TYPE_TEXT, FROM}, .kernel = kernel_timezone,           \
     .bind = bind_zone, .help = HELP}

#define OVERLAPS(START, END, OTHER)                                                                                    \
    {.name = "overlaps", .result = TYPE_BOOL, .nargs = 4, .args = {START, END, START, OTHER}, .flags = FN_NULLS,       \
     .kernel = kernel_overlaps, .bind = bind_overlaps, .help = "(a, b) OVERLAPS (c, d): of starts with ends or lengths"}

const struct function fn_date[] = {
    NOW("now", TZ, kernel_now, "current_timestamp"),
    NOW("transaction_timestamp", TZ, kernel_now, "current_timestamp"),
    NOW("statement_timestamp", TZ, kernel_now, "current_timestamp"),
    NOW("localtimestamp", TS, kernel_now, "current_timestamp without zone"),
    NOW("current_date", D, kernel_current_date, "the day of current_timestamp"),
    FN("+", D, 2, date_plus, "days later", D, I),
    FN("+", D, 2, date_plus, "days later", I, D),
    FN("-", D, 2, date_minus, "days earlier", D, I),
    FN("-", I, 2, date_difference, "days between", D, D),
    FN("+", TS, 2, date_plus_interval, "later", D, V),
    FN("+", TS, 2, interval_plus_date, "later", V, D),
    FN("-", TS, 2, date_minus_interval, "earlier", D, V),
    FN("+", TS, 2, timestamp_plus, "later: months, then days, then time", TS, V),
    FN("+", TZ, 2, timestamp_plus, "later: months, then days, then time", TZ, V),
    FN("+", TS, 2, plus_timestamp, "later", V, TS),
    FN("+", TZ, 2, plus_timestamp, "later", V, TZ),
    FN("-", TS, 2, timestamp_minus, "earlier", TS, V),
    FN("-", TZ, 2, timestamp_minus, "earlier", TZ, V),
    FN("-", V, 2, timestamp_difference, "time between, in days and less", TS, TS),
    FN("-", V, 2, timestamp_difference, "time between, in days and less", TZ, TZ),
    FN("+", V, 2, interval_plus, "sum, field by field", V, V),
    FN("-", V, 2, interval_minus, "difference, field by field", V, V),
    FN("-", V, 1, interval_negate, "negation", V),
    FN("*", V, 2, interval_mul, "so many times", V, F),
    FN("*", V, 2, mul_interval, "so many times", F, V),
    FN("/", V, 2, interval_div, "divided", V, F),
    FN("justify_hours", V, 1, justify_hours, "24 hours become a day", V),
    FN("justify_days", V, 1, justify_days, "30 days become a month", V),
    FN("justify_interval", V, 1, justify_interval, "both, with signs that agree", V),
    FN("age", V, 2, kernel_age, "the first minus the second in years, months and days", TS, TS),
    FN("age", V, 2, kernel_age, "the first minus the second in years, months and days", TZ, TZ),
    {.name = "age", .result = V, .nargs = 1, .args = {TS}, .flags = FN_NOW, .kernel = kernel_age_now,
     .help = "since then until the day of current_timestamp"},
    {.name = "age", .result = V, .nargs = 1, .args = {TZ}, .flags = FN_NOW, .kernel = kernel_age_now,
     .help = "since then until the day of current_timestamp"},
    OVERLAPS(TS, TS, TS),
    OVERLAPS(TS, V, V),
    OVERLAPS(TS, TS, V),
    OVERLAPS(TS, V, TS),
    OVERLAPS(TZ, TZ, TZ),
    OVERLAPS(TZ, V, V),
    OVERLAPS(TZ, TZ, V),
    OVERLAPS(TZ, V, TZ),
    FN("make_interval", V, 7, kernel_make_interval,
       "years, months, weeks, days, hours, mins, secs; in this order or by name (days => 10), the others are 0", I, I,
       I, I, I, I, F),
    FN("make_date", D, 3, kernel_make_date, "year, month, day", I, I, I),
    FN("make_timestamp", TS, 6, kernel_make_timestamp, "year, month, day, hour, minute, second", I, I, I, I, I, F),
    FN("make_timestamptz", TZ, 6, kernel_make_timestamp, "year, month, day, hour, minute, second, in UTC", I, I, I, I,
       I, F),
    {.name = "make_timestamptz", .result = TZ, .nargs = 7, .args = {I, I, I, I, I, F, TYPE_TEXT},
     .kernel = kernel_make_in_zone, .bind = bind_zone, .help = "the same in the zone 'UTC', the only one there is"},
    FN("to_timestamp", TZ, 1, kernel_to_timestamp, "seconds since 1970", F),
    FN("isfinite", TYPE_BOOL, 1, kernel_isfinite, "true: infinite dates are refused on input", D),
    FN("isfinite", TYPE_BOOL, 1, kernel_isfinite, "true: infinite times are refused on input", TS),
    FN("isfinite", TYPE_BOOL, 1, kernel_isfinite, "true: infinite times are refused on input", TZ),
    FN("isfinite", TYPE_BOOL, 1, kernel_isfinite, "true", V),
    FN("date_bin", TS, 3, kernel_date_bin, "the start of the bin of this width, aligned to the third", V, TS, TS),
    FN("date_bin", TZ, 3, kernel_date_bin, "the start of the bin of this width, aligned to the third", V, TZ, TZ),
    ZONE(TZ, TS, "x AT TIME ZONE 'UTC': the moment"),
    ZONE(TS, TZ, "x AT TIME ZONE 'UTC': the local time"),
    FN("timezone", TZ, 2, kernel_from_zone, "x AT TIME ZONE interval '02:00': the moment", V, TS),
    FN("timezone", TS, 2, kernel_to_zone, "x AT TIME ZONE interval '02:00': the local time", V, TZ),
    {0},
};
