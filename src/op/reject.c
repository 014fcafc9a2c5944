#include "op/reject.h"

#include <stdlib.h>

#include "base/hash.h"
#include "column/array.h"

static struct rejection *add(struct rejections *r)
{
    r->items = mem_grow(r->items, r->count, &r->cap, sizeof *r->items);
    struct rejection *item = &r->items[r->count++];
    *item = (struct rejection){.source = UINT32_MAX, .offset = -1, .message_time = INT64_MIN, .watermark = INT64_MIN};
    return item;
}

static struct slice keep(struct rejections *r, struct slice s)
{
    return (struct slice){arena_dup(&r->arena, s.data, s.len), s.len};
}

struct rejection *reject_row(struct rejections *r, const struct batch *b, uint32_t row, const char *source_name,
                             const char *step, const char *rules, const char *error)
{
    const struct origin *o = b->origin;
    struct rejection *item = add(r);
    item->source = o->source;
    item->split = o->split;
    item->source_name = source_name;
    item->topic = o->topic;
    item->offset = o->offset[row];
    if (o->timestamp)
        item->message_time = o->timestamp[row];
    if (o->raw)
        item->raw = keep(r, view_slice(&o->raw[row]));
    if (origin_has(o->key, row))
        item->key = keep(r, view_slice(&o->key[row]));
    item->step = step;
    item->rules = arena_strdup(&r->arena, rules);
    item->error = arena_strdup(&r->arena, error);
    return item;
}

/* ---- rows past the first stateful step: their columns as JSON ---- */

/* What the JSON of a value may take, and that of all values of a row: what is longer is cut, and the row says so. */
enum { VALUE_MAX = 64 << 20, VALUES_MAX = 256 << 20, SHORT_VALUE = 256 };
#define ROW_MAX GIB(1)   /* with names and marks: no row comes near it */
#define TEXT_MAX GIB(16) /* nor a value's text, whose bytes are fewer than 2^32, to this */

static void put_json_value(struct buf *out, const struct column *c, size_t row);

static void put_json_array(struct buf *out, struct slice bytes, struct type type)
{
    AUTO(arena) scratch = {0};
    uint32_t n;
    struct column elements = array_open(bytes, type, &scratch, &n);
    buf_putc(out, '[');
    for (uint32_t i = 0; i < n && !out->overflow; i++) {
        buf_puts(out, i ? "," : "");
        put_json_value(out, &elements, i);
    }
    buf_putc(out, ']');
}

static void put_json_value(struct buf *out, const struct column *c, size_t row)
{
    AUTO(buf) text = BUF(out->max);
    if (c->type.id == TYPE_ARRAY && !column_is_null(c, row)) {
        put_json_array(out, view_slice(column_view(c, row)), c->type);
        return;
    }
    if (!column_print(c, row, &text)) {
        buf_puts(out, "null");
        return;
    }
    switch (c->type.id) {
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_NUMERIC:
    case TYPE_JSONB: buf_put_slice(out, buf_slice(&text)); break;
    case TYPE_BOOL: buf_puts(out, text.len && text.data[0] == 't' ? "true" : "false"); break;
    default: buf_put_json(out, buf_slice(&text));
    }
    out->overflow |= text.overflow;
}

/* In place of a value that is too long: the first bytes of its text, as a JSON string. In the marks: how long all of
 * it is, and a hash, so that rows that differ in what is cut off differ. */
static void cut_value(struct buf *value, struct buf *marks, const char *name, const struct column *c, size_t row)
{
    AUTO(buf) text = BUF(TEXT_MAX);
    (void)column_print(c, row, &text); /* it is not NULL: that is short */
    size_t n = value->max;
    do {
        n = MIN(n / 2, text.len);
        while (n && n < text.len && (text.data[n] & 0xc0) == 0x80) /* not within a character */
            n--;
        buf_clear(value);
        buf_put_json(value, (struct slice){text.data, n});
    } while (value->overflow);
    struct hash128 hash = hash128(text.data, text.len, 0);
    buf_putc(marks, marks->len ? ',' : '{');
    buf_put_json(marks, slice_of(name));
    buf_printf(marks, ":{\"bytes\":%zu,\"xxh128\":\"%016llx%016llx\"}", text.len, (unsigned long long)hash.hi,
               (unsigned long long)hash.lo);
}

static void put_row(struct buf *json, const struct batch *b, uint32_t row, const char *const *names)
{
    AUTO(buf) marks = BUF(ROW_MAX);
    size_t left = VALUES_MAX;
    buf_putc(json, '{');
    for (uint32_t c = 0; c < b->ncols; c++) {
        AUTO(buf) value = BUF(MIN((size_t)VALUE_MAX, left) + SHORT_VALUE);
        put_json_value(&value, &b->cols[c], row);
        if (value.overflow)
            cut_value(&value, &marks, names[c], &b->cols[c], row);
        left -= MIN(value.len, left);
        buf_puts(json, c ? "," : "");
        buf_put_json(json, slice_of(names[c]));
        buf_putc(json, ':');
        buf_put_slice(json, buf_slice(&value));
    }
    if (marks.len) {
        buf_puts(json, ",\"bourn.cut\":");
        buf_put_slice(json, buf_slice(&marks));
        buf_putc(json, '}');
    }
    buf_putc(json, '}');
    assert(!json->overflow);
}

struct rejection *reject_result(struct rejections *r, const struct batch *b, uint32_t row, const char *const *names,
                                const char *step, const char *rules, const char *error)
{
    AUTO(buf) json = BUF(ROW_MAX);
    put_row(&json, b, row, names);
    struct rejection *item = add(r);
    item->source_name = item->topic = "";
    item->step = step;
    item->rules = arena_strdup(&r->arena, rules);
    item->error = arena_strdup(&r->arena, error);
    item->row_key = arena_strndup(&r->arena, json.data, json.len);
    return item;
}

void rejections_reset(struct rejections *r)
{
    arena_reset(&r->arena);
    r->count = r->nordered = 0;
}

void rejections_release(struct rejections *r)
{
    arena_release(&r->arena);
    free(r->items);
    *r = (struct rejections){0};
}

/* ---- as a relation ---- */

enum {
    COL_ID, COL_SOURCE, COL_TOPIC, COL_PARTITION, COL_OFFSET, COL_MESSAGE_TIME, COL_KEY, COL_EPOCH, COL_REJECTED_AT,
    COL_RULES, COL_ERROR, COL_WATERMARK, COL_STEP, COL_ROW_KEY, COL_RAW, COL_COUNT
};

static const char *column_names[COL_COUNT] = {"id", "source", "topic", "partition", "offset", "message_time", "key",
                                              "epoch", "rejected_at", "rules", "error", "watermark", "step",
                                              "row_key", "raw"};
static struct type column_types[COL_COUNT] = {
    {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_INT4, 0, 0}, {TYPE_INT8, 0, 0},
    {TYPE_TIMESTAMPTZ, 0, 0}, {TYPE_BYTEA, 0, 0}, {TYPE_INT8, 0, 0}, {TYPE_TIMESTAMPTZ, 0, 0}, {TYPE_TEXT, 0, 0},
    {TYPE_TEXT, 0, 0}, {TYPE_TIMESTAMPTZ, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_TEXT, 0, 0}, {TYPE_BYTEA, 0, 0}};
const struct schema rejected_schema = {COL_COUNT, column_names, column_types, NULL};

/* Ordinal first; ties (one row refused by two steps) by content, so that workers do not show. */
static int compare_rejections(const struct rejection *a, const struct rejection *b)
{
    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    if (a->split != b->split)
        return a->split < b->split ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    int d = strcmp(a->step, b->step);
    if (!d)
        d = strcmp(a->rules, b->rules);
    return d ? d : slice_compare(slice_of(a->row_key ? a->row_key : ""), slice_of(b->row_key ? b->row_key : ""));
}

static void set_text(struct batch *b, unsigned col, uint32_t row, struct slice s, struct arena *a)
{
    if (s.data)
        ((struct view *)b->cols[col].data)[row] = view_of(s.data, s.len);
    else
        column_set_null(&b->cols[col], a, b->rows, row);
}

static void set_time(struct batch *b, unsigned col, uint32_t row, int64_t us, struct arena *a)
{
    if (us != INT64_MIN)
        ((int64_t *)b->cols[col].data)[row] = us;
    else
        column_set_null(&b->cols[col], a, b->rows, row);
}

/* "/" and the number, before `end`; returns where it begins. */
static char *put_part(char *end, uint64_t number)
{
    do
        *--end = (char)('0' + number % 10);
    while (number /= 10);
    *--end = '/';
    return end;
}

/* source/split/offset; of a row that comes from no source: step/key. */
static struct slice id_of(const struct rejection *r, struct arena *a)
{
    if (r->source == UINT32_MAX)
        return slice_of(arena_printf(a, "%s/%s", r->step, r->row_key));
    if (r->offset < 0)
        return slice_of(arena_printf(a, "%s/%u/%lld", r->source_name, r->split, (long long)r->offset));
    char numbers[40], *end = numbers + sizeof numbers, *p = put_part(put_part(end, (uint64_t)r->offset), r->split);
    size_t name = strlen(r->source_name), rest = (size_t)(end - p);
    char *id = arena_alloc(a, name + rest);
    memcpy(id, r->source_name, name);
    memcpy(id + name, p, rest);
    return (struct slice){id, name + rest};
}

static void fill_row(struct batch *b, uint32_t row, const struct rejection *r, struct arena *a)
{
    bool from_source = r->source != UINT32_MAX;
    set_text(b, COL_ID, row, id_of(r, a), a);
    set_text(b, COL_SOURCE, row, from_source ? slice_of(r->source_name) : (struct slice){0}, a);
    set_text(b, COL_TOPIC, row, from_source && r->topic && *r->topic ? slice_of(r->topic) : (struct slice){0}, a);
    if (from_source) {
        ((int32_t *)b->cols[COL_PARTITION].data)[row] = (int32_t)r->split;
        ((int64_t *)b->cols[COL_OFFSET].data)[row] = r->offset;
    } else {
        column_set_null(&b->cols[COL_PARTITION], a, b->rows, row);
        column_set_null(&b->cols[COL_OFFSET], a, b->rows, row);
    }
    set_time(b, COL_MESSAGE_TIME, row, r->message_time, a);
    set_text(b, COL_KEY, row, r->key, a);
    set_text(b, COL_RULES, row, slice_of(r->rules), a);
    set_text(b, COL_ERROR, row, *r->error ? slice_of(r->error) : (struct slice){0}, a);
    set_time(b, COL_WATERMARK, row, r->watermark, a);
    set_text(b, COL_STEP, row, *r->step ? slice_of(r->step) : (struct slice){0}, a);
    set_text(b, COL_ROW_KEY, row, r->row_key ? slice_of(r->row_key) : (struct slice){0}, a);
    set_text(b, COL_RAW, row, r->raw, a);
}

static int compare_items(const void *x, const void *y, void *items)
{
    const struct rejection *all = items;
    return compare_rejections(&all[*(const uint32_t *)x], &all[*(const uint32_t *)y]);
}

void rejections_sort(struct rejections *r)
{
    r->order = arena_array(&r->arena, r->count, sizeof *r->order);
    r->nordered = r->count;
    bool sorted = true; /* a worker meets rows in their order; only steps behind an exchange refuse some later */
    for (uint32_t i = 0; i < r->count; i++) {
        r->order[i] = i;
        sorted = sorted && (i == 0 || compare_rejections(&r->items[i - 1], &r->items[i]) <= 0);
    }
    if (!sorted)
        qsort_r(r->order, r->count, sizeof *r->order, compare_items, r->items);
}

const struct rejected_place *rejections_merge(const struct rejections *collectors, uint32_t n, struct arena *a,
                                              uint32_t *ret_count)
{
    uint32_t total = 0, *next = arena_zarray(a, n, sizeof *next);
    for (uint32_t i = 0; i < n; i++)
        total += collectors[i].nordered;
    struct rejected_place *places = arena_array(a, total, sizeof *places);
    for (uint32_t at = 0; at < total; at++) {
        const struct rejection *least = NULL;
        for (uint32_t i = 0; i < n; i++) {
            const struct rejections *r = &collectors[i];
            if (next[i] == r->nordered)
                continue;
            const struct rejection *head = &r->items[r->order[next[i]]];
            if (least && compare_rejections(least, head) <= 0)
                continue;
            least = head;
            places[at] = (struct rejected_place){i, r->order[next[i]]};
        }
        next[places[at].collector]++;
    }
    *ret_count = total;
    return places;
}

struct batch *rejections_batch(const struct rejections *collectors, const struct rejected_place *places, uint32_t rows,
                               int64_t epoch, int64_t now_us, struct arena *a)
{
    struct batch *b = batch_make(a, column_types, COL_COUNT, rows);
    b->rows = b->live = rows;
    for (uint32_t row = 0; row < rows; row++) {
        fill_row(b, row, &collectors[places[row].collector].items[places[row].item], a);
        ((int64_t *)b->cols[COL_EPOCH].data)[row] = epoch;
        ((int64_t *)b->cols[COL_REJECTED_AT].data)[row] = now_us;
    }
    return b;
}
