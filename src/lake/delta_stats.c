/* The stats of a data file, a JSON object:
 *
 *   {"numRecords":N,"minValues":{COLUMN:VALUE,...},"maxValues":{...},"nullCount":{COLUMN:N,...}}
 *
 * Of the first 32 columns. A column has no minimum and maximum when it is boolean or binary, has only NULLs, or has a
 * NaN. Numbers and decimals are JSON numbers, dates "2026-11-21", timestamps "2026-11-21T06:00:00.123Z" (without Z when
 * they have no zone), the minimum rounded down to milliseconds and the maximum up. A string of more than 32 characters
 * is cut to its first 32; a maximum cut so gets a character after them that keeps it above the value, U+007F or
 * U+10FFFF, and is left out where there is none. (PROTOCOL.md, "Per-file Statistics"; Spark's StatisticsCollection)
 */
#include <math.h>
#include <stdio.h>

#include "base/utf8.h"
#include "column/civil.h"
#include "column/decimal.h"
#include "lake/delta.h"

enum { STATS_COLUMNS = 32, STATS_CHARACTERS = 32 };

static void put_double(double v, struct buf *out)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%.17g", v);
    for (int digits = 15; digits < 17; digits++) { /* the shortest that reads back the same */
        char shorter[40];
        int k = snprintf(shorter, sizeof shorter, "%.*g", digits, v);
        double back;
        if (sscanf(shorter, "%lf", &back) == 1 && memcmp(&back, &v, sizeof v) == 0) {
            memcpy(text, shorter, (size_t)k + 1);
            n = k;
            break;
        }
    }
    buf_put(out, text, (size_t)n);
    if (!strpbrk(text, ".e"))
        buf_puts(out, ".0");
}

static bool put_timestamp(int64_t us, bool zone, bool up, struct buf *out)
{
    char text[40];
    int64_t part = ((us % 1000) + 1000) % 1000;
    us -= part;
    if (up && part)
        us += 1000;
    if (us > CIVIL_LAST)
        return false;
    size_t n = civil_print_iso(us, 3, text);
    buf_putc(out, '"');
    buf_put(out, text, zone ? n : n - 1);
    buf_putc(out, '"');
    return true;
}

static bool put_string(struct slice s, bool up, struct buf *out)
{
    const char *end = s.data + s.len, *p = s.data;
    for (unsigned k = 0; k < STATS_CHARACTERS && p < end; k++)
        p += MAX(utf8_char(p, end), 1u);
    size_t cut = (size_t)(p - s.data);
    if (p == end || !up) {
        buf_put_json(out, (struct slice){s.data, cut});
        return true;
    }
    uint32_t next = utf8_code(p, utf8_char(p, end));
    if (next == 0x10ffff)
        return false;
    buf_put_json(out, (struct slice){s.data, cut});
    out->len -= !out->overflow; /* the closing quote */
    buf_puts(out, next < 0x7f ? "\x7f\"" : "\xf4\x8f\xbf\xbf\"");
    return true;
}

/* A bound as a JSON value; false: it has none, and nothing was written. */
static bool put_bound(struct type t, const union parquet_bound *v, bool up, struct buf *out)
{
    char text[48];
    switch (t.id) {
    case TYPE_INT4:
    case TYPE_INT8:
        buf_put_int(out, v->i);
        return true;
    case TYPE_FLOAT8:
        if (!isfinite(v->d))
            return false;
        put_double(v->d == 0 ? 0.0 : v->d, out);
        return true;
    case TYPE_NUMERIC:
        buf_put(out, text, decimal_print(v->n, t.scale, text));
        return true;
    case TYPE_DATE:
        buf_putc(out, '"');
        buf_put(out, text, civil_print_date((int32_t)v->i, text));
        buf_putc(out, '"');
        return true;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return put_timestamp(v->i, t.id == TYPE_TIMESTAMPTZ, up, out);
    case TYPE_TEXT:
    case TYPE_JSONB:
    case TYPE_UUID:
        return put_string(v->s, up, out);
    default:
        return false;
    }
}

static void put_bounds(const struct parquet_file *file, uint32_t n, bool up, struct buf *out)
{
    const char *separator = "";
    for (uint32_t i = 0; i < n; i++) {
        const struct parquet_stats *s = &file->stats[i];
        if (!s->has_bounds)
            continue;
        size_t before = out->len;
        buf_puts(out, separator);
        buf_put_json(out, slice_of(file->schema->names[i]));
        buf_putc(out, ':');
        if (put_bound(file->schema->types[i], up ? &s->max : &s->min, up, out))
            separator = ",";
        else
            out->len = MIN(out->len, before);
    }
}

void delta_stats_json(const struct parquet_file *file, struct buf *out)
{
    uint32_t n = MIN(file->schema->ncols, (uint32_t)STATS_COLUMNS);
    buf_printf(out, "{\"numRecords\":%llu,\"minValues\":{", (unsigned long long)file->rows);
    put_bounds(file, n, false, out);
    buf_puts(out, "},\"maxValues\":{");
    put_bounds(file, n, true, out);
    buf_puts(out, "},\"nullCount\":{");
    const char *separator = "";
    for (uint32_t i = 0; i < n; i++) {
        if (file->schema->types[i].id == TYPE_ARRAY) /* nobody counts its NULLs */
            continue;
        buf_puts(out, separator);
        separator = ",";
        buf_put_json(out, slice_of(file->schema->names[i]));
        buf_printf(out, ":%llu", (unsigned long long)file->stats[i].nulls);
    }
    buf_puts(out, "}}");
}
