/* EXTRACT, date_part and date_trunc. */
#include "expr/calendar.h"

static enum field field_of(const struct call *c, uint32_t row)
{
    return c->extra ? *(const enum field *)c->extra : field_parse(arg_text(c, 0, row));
}

static void complain(struct call *c, uint32_t row, bool recognized)
{
    struct slice name = arg_text(c, 0, row);
    char type[40];
    call_fail(c, row, recognized ? "0A000" : "22023", "unit \"%.*s\" not %s for type %s",
              (int)MIN(name.len, (size_t)60), name.data, recognized ? "supported" : "recognized",
              type_name(c->args[1].col.type, type));
}

/* The field's value times 10^scale; false: the lane has failed. */
static bool field_value(struct call *c, uint32_t row, enum field f, int128 *ret)
{
    uint8_t id = c->args[1].col.type.id;
    int64_t narrow = 0;
    bool known;
    if (id == TYPE_INTERVAL)
        known = field_of_interval(f, ARG(c, 1, struct interval, row), ret);
    else {
        known = id == TYPE_DATE ? field_of_days(f, ARG(c, 1, int32_t, row), &narrow)
                                : field_of_micros(f, ARG(c, 1, int64_t, row), id == TYPE_TIMESTAMPTZ, &narrow);
        *ret = narrow;
    }
    if (!known)
        complain(c, row, f != FIELD_UNKNOWN);
    return known;
}

static void kernel_extract(struct call *c)
{
    int128 unit = c->args[1].col.type.id == TYPE_DATE && *(const enum field *)c->extra == FIELD_EPOCH ? 1000000 : 1;
    CALL_ROWS(c, r) {
        int128 value;
        if (field_value(c, r, field_of(c, r), &value))
            column_set_numeric(&c->out->col, r, value / unit);
    }
}

static double julian_date(int64_t micros)
{
    int64_t rest, day = 0;
    bool known = field_of_days(FIELD_JULIAN, split_days(micros, &rest), &day);
    assert(known);
    return (double)day + (double)rest / (double)MICROS_PER_DAY;
}

static void kernel_date_part(struct call *c)
{
    static const double powers[] = {[0] = 1, [3] = 1e3, [6] = 1e6};
    CALL_ROWS(c, r) {
        enum field f = field_of(c, r);
        int128 value;
        if (f == FIELD_JULIAN && c->args[1].col.type.id != TYPE_INTERVAL)
            OUT(c, double, r) = julian_date(ARG(c, 1, int64_t, r));
        else if (field_value(c, r, f, &value))
            OUT(c, double, r) = (double)value / powers[field_scale(f)];
    }
}

static enum status bind_field(struct binding *b, struct error *err)
{
    (void)err;
    const struct expr *name = b->args[0];
    if (expr_is_const(name) && !expr_is_null_const(name)) {
        enum field f = field_parse(view_slice(name->value.data));
        b->extra = arena_dup(b->arena, &f, sizeof f);
    }
    return OK;
}

/* date_part knows no dates: it takes one as the midnight it starts with. */
static enum status bind_part(struct binding *b, struct error *err)
{
    if (b->args[1]->type.id == TYPE_DATE)
        TRY(expr_cast(b->arena, b->args[1], TYPE(TYPE_TIMESTAMP), CAST_IMPLICIT, b->args[1]->location, &b->args[1],
                      err));
    return bind_field(b, err);
}

/* The field decides the scale of the result, so it must be known. */
static enum status bind_extract(struct binding *b, struct error *err)
{
    TRY(bind_field(b, err));
    const enum field *f = b->extra;
    uint8_t source = b->args[1]->type.id;
    if (!f) {
        (void)error_set(err, ERR_SQL, "the field of EXTRACT must be a constant");
        return error_hint(err, "date_part() takes a field that varies");
    }
    unsigned scale = source == TYPE_DATE ? 0 : field_scale(*f);
    b->result = type_numeric(source == TYPE_INTERVAL ? NUMERIC_MAX_PRECISION : NUMERIC_SMALL_PRECISION, scale);
    return OK;
}

/* ---- date_trunc ---- */

static int32_t year_start(enum field f, int32_t year)
{
    switch (f) {
    case FIELD_MILLENNIUM: return (year + 999) / 1000 * 1000 - 999;
    case FIELD_CENTURY: return (year + 99) / 100 * 100 - 99;
    case FIELD_DECADE: return year / 10 * 10;
    default: return year;
    }
}

static int64_t truncated_day(enum field f, int32_t days)
{
    int32_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    switch (f) {
    case FIELD_DAY: return days;
    case FIELD_WEEK: return days - (int32_t)iso_weekday(days) + 1;
    case FIELD_MONTH: return civil_to_days(year, month, 1);
    case FIELD_QUARTER: return civil_to_days(year, (month - 1) / 3 * 3 + 1, 1);
    default: return civil_to_days(year_start(f, year), 1, 1);
    }
}

static int64_t time_unit(enum field f)
{
    switch (f) {
    case FIELD_MICROSECONDS: return 1;
    case FIELD_MILLISECONDS: return 1000;
    case FIELD_SECOND: return MICROS_PER_SECOND;
    case FIELD_MINUTE: return 60 * MICROS_PER_SECOND;
    case FIELD_HOUR: return 3600 * MICROS_PER_SECOND;
    default: return 0;
    }
}

/* Known as a unit, though there is nothing to truncate to. */
static bool is_known_unit(enum field f)
{
    return f == FIELD_WEEK || f == FIELD_TIMEZONE || f == FIELD_TIMEZONE_HOUR || f == FIELD_TIMEZONE_MINUTE;
}

static void kernel_trunc(struct call *c)
{
    CALL_ROWS(c, r) {
        enum field f = field_of(c, r);
        int64_t rest, unit = time_unit(f);
        int32_t days = split_days(ARG(c, 1, int64_t, r), &rest);
        if (f > FIELD_MILLENNIUM) {
            complain(c, r, is_known_unit(f));
            continue;
        }
        int64_t day = unit ? days : truncated_day(f, days);
        if (!days_in_range(day))
            call_fail(c, r, "22008", "timestamp out of range");
        else
            OUT(c, int64_t, r) = day * MICROS_PER_DAY + (unit ? rest - rest % unit : 0);
    }
}

static void kernel_trunc_interval(struct call *c)
{
    static const int32_t month_units[] = {[FIELD_MONTH] = 1, [FIELD_QUARTER] = 3, [FIELD_YEAR] = 12,
                                          [FIELD_DECADE] = 120, [FIELD_CENTURY] = 1200, [FIELD_MILLENNIUM] = 12000};
    CALL_ROWS(c, r) {
        enum field f = field_of(c, r);
        struct interval v = ARG(c, 1, struct interval, r);
        if (f > FIELD_MILLENNIUM || f == FIELD_WEEK) {
            complain(c, r, is_known_unit(f));
            continue;
        }
        int64_t unit = time_unit(f);
        if (unit)
            v.micros -= v.micros % unit;
        else if (f == FIELD_DAY)
            v.micros = 0;
        else
            v = (struct interval){.months = v.months - v.months % month_units[f]};
        OUT(c, struct interval, r) = v;
    }
}

/* The third argument is a zone, which must be UTC. */
static enum status bind_trunc_zone(struct binding *b, struct error *err)
{
    TRY(bind_field(b, err));
    const struct expr *zone = b->args[2];
    if (expr_is_const(zone) && !expr_is_null_const(zone)) {
        struct expr *moment = b->args[1], *unused;
        struct expr *args[] = {b->args[2], moment};
        return expr_call(b->arena, "timezone", args, 2, zone->location, &unused, err);
    }
    return error_set(err, ERR_UNSUPPORTED, "the time zone of date_trunc must be a constant");
}

#define TEXT TYPE_TEXT
#define PART(SOURCE)                                                                                                   \
    {.name = "extract", .result = TYPE_NUMERIC, .nargs = 2, .args = {TEXT, SOURCE}, .kernel = kernel_extract,          \
     .bind = bind_extract, .help = "EXTRACT(field FROM x), exact; second and epoch have scale 6"},                     \
    {                                                                                                                  \
        .name = "date_part", .result = TYPE_FLOAT8, .nargs = 2, .args = {TEXT, SOURCE}, .kernel = kernel_date_part,    \
        .bind = bind_part, .help = "as extract, in double precision"                                                  \
    }
#define TRUNC(SOURCE, KERNEL)                                                                                          \
    {.name = "date_trunc", .result = SOURCE, .nargs = 2, .args = {TEXT, SOURCE}, .kernel = KERNEL, .bind = bind_field, \
     .help = "down to 'second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year', ..."}

const struct function fn_extract[] = {
    PART(TYPE_DATE),
    PART(TYPE_TIMESTAMP),
    PART(TYPE_TIMESTAMPTZ),
    PART(TYPE_INTERVAL),
    TRUNC(TYPE_TIMESTAMP, kernel_trunc),
    TRUNC(TYPE_TIMESTAMPTZ, kernel_trunc),
    TRUNC(TYPE_INTERVAL, kernel_trunc_interval),
    {.name = "date_trunc", .result = TYPE_TIMESTAMPTZ, .nargs = 3, .args = {TEXT, TYPE_TIMESTAMPTZ, TEXT},
     .kernel = kernel_trunc, .bind = bind_trunc_zone, .help = "in the zone 'UTC', the only one there is"},
    {0},
};
