/* JSON objects <-> rows.
 *
 * A message is one object; its top-level keys are matched with the columns by their exact names. White space around
 * it is fine. What each kind of JSON value may become is in json_value.c, and for readers in docs/sql.md. A message is
 * no row (rule "parse") when it is not JSON, is not an object, repeats a top-level key, or nests a value deeper than
 * JSON_MAX_DEPTH.
 */
#include "format/json.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "format/formats.h"
#include "format/json_write.h"
#include "format/value.h"

static const struct option_spec json_options[] = {
    {"assume_utc", OPT_BOOL, .value = "false", .help = "read a timestamptz without a zone as UTC"},
    {0},
};

static uint32_t name_hash(struct slice s)
{
    uint64_t a = 0, b = 0;
    if (s.len >= 8) {
        a = load_u64(s.data);
        b = load_u64(s.data + s.len - 8);
    } else if (s.len >= 4) {
        a = load_u32(s.data);
        b = load_u32(s.data + s.len - 4);
    } else {
        memcpy(&a, s.data, s.len);
    }
    return (uint32_t)(((a ^ (b << 29 | b >> 35) ^ s.len) * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

struct json_name *json_name_find(const struct json_decoder *d, struct slice text)
{
    for (uint32_t i = name_hash(text);; i++) {
        uint32_t at = d->table[i & d->table_mask];
        if (at == 0)
            return NULL;
        if (slice_equal(d->names[at].text, text))
            return &d->names[at];
    }
}

static bool is_verbatim(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '"' || text.data[i] == '\\' || (unsigned char)text.data[i] < 0x20)
            return false;
    return utf8_valid(text);
}

static struct json_name *name_insert(struct json_decoder *d, struct slice text)
{
    uint32_t i = name_hash(text);
    while (d->table[i & d->table_mask] != 0)
        i++;
    d->table[i & d->table_mask] = d->nnames;
    struct json_name *name = &d->names[d->nnames++];
    *name = (struct json_name){.text = text, .column = JSON_SKIPPED, .verbatim = is_verbatim(text)};
    for (unsigned e = 0; e < JSON_EDGES; e++)
        name->edges[e].len = JSON_NO_EDGE;
    return name;
}

void json_name_add(struct json_decoder *d, struct slice text)
{
    if (d->others == JSON_OTHER_NAMES || text.len > JSON_GLUE)
        return;
    d->others++;
    text.data = arena_dup(&d->own, text.data, text.len);
    name_insert(d, text)->seen = d->serial;
}

/* Rows of a batch that could not be read are NULL in all columns. */
static void store_nothing(struct json_decoder *d, struct json_target *t)
{
    for (uint32_t i = 1; i < d->nnames; i++)
        if (d->names[i].column >= 0)
            json_store_null(t, (uint32_t)d->names[i].column);
}

static void decode_one(struct json_decoder *d, struct json_target *t, struct slice message)
{
    uint32_t nfields = t->out->nfields;
    d->serial++;
    if (!d->plain && json_scan_message(d, t, message))
        return;
    t->out->nfields = nfields;
    d->serial++;
    if (json_read_message(d, t, message))
        return;
    t->out->nfields = nfields;
    store_nothing(d, t);
    if (!t->out->bad_text)
        t->out->bad_text = arena_zarray(t->arena, t->rows, sizeof *t->out->bad_text);
    t->out->bad_text[t->row] = t->bad;
    bit_set(t->out->bad, t->row);
    t->out->nbad++;
}

static void json_decode(struct decoder *base, const struct view *raw, uint32_t rows, struct batch *into,
                        struct arena *a, struct decoded *ret)
{
    struct json_decoder *d = (struct json_decoder *)base;
    into->rows = into->live = rows;
    *ret = (struct decoded){.bad = arena_zarray(a, BITMAP_WORDS(rows), sizeof *ret->bad)};
    struct json_target t = {.cols = into->cols, .rows = rows, .arena = a, .out = ret};
    for (t.row = 0; t.row < rows; t.row++)
        decode_one(d, &t, view_slice(&raw[t.row]));
}

static void json_decoder_free(struct decoder *base)
{
    struct json_decoder *d = (struct json_decoder *)base;
    arena_release(&d->own);
    free(d);
}

void json_decoder_set_plain(struct decoder *base, bool plain)
{
    struct json_decoder *d = (struct json_decoder *)base;
    d->plain = plain;
}

static enum status json_decoder_new(const struct schema *schema, const uint64_t *decode, const struct options *options,
                                    struct decoder **ret, struct error *err)
{
    (void)err;
    static const struct decoder_ops ops = {json_decode, json_decoder_free};
    struct json_decoder *d = mem_zalloc(sizeof *d);
    d->base.ops = &ops;
    d->flags = option_bool(options, json_options, "assume_utc") ? VALUE_ASSUME_UTC : 0;
    d->ncolumns = schema->ncols;
    size_t most = 1 + (size_t)schema->ncols + JSON_OTHER_NAMES;
    d->names = arena_array(&d->own, most, sizeof *d->names);
    size_t slots = 16;
    while (slots < most * 4)
        slots *= 2;
    d->table = arena_zarray(&d->own, slots, sizeof *d->table);
    d->table_mask = (uint32_t)(slots - 1);
    d->type_names = arena_array(&d->own, schema->ncols, sizeof *d->type_names);
    d->names[0] = (struct json_name){.column = JSON_SKIPPED};
    for (unsigned e = 0; e < JSON_EDGES; e++)
        d->names[0].edges[e].len = JSON_NO_EDGE;
    d->nnames = 1;
    for (uint32_t c = 0; c < schema->ncols; c++) {
        if (!bit_get(decode, c))
            continue;
        struct json_name *name = name_insert(d, slice_of(arena_strdup(&d->own, schema->names[c])));
        name->column = (int32_t)c;
        name->type = schema->types[c];
        type_name(name->type, d->type_names[c]);
        d->nwanted++;
    }
    *ret = &d->base;
    return OK;
}

const struct format format_json = {
    .name = "json",
    .options = json_options,
    .help = "one JSON object a message; in files, one a line (NDJSON)",
    .by_line = true,
    .decoder_new = json_decoder_new,
    .encoder_new = json_encoder_new,
};
