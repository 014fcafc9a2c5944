/* JSON objects <-> rows.
 *
 * A message is one object; its top-level keys are matched with the columns by their exact names. White space around
 * it is fine. What each kind of JSON value may become is in json_value.c, and for readers in docs/sql.md. A message is
 * no row (rule "parse") when it is not JSON, is not an object, repeats a top-level key, or nests a value deeper than
 * JSON_MAX_DEPTH.
 */
#include "format/json.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "format/formats.h"
#include "format/json_write.h"
#include "format/value.h"

static const struct option_spec json_options[] = {
    {"flatten", OPT_TEXT,
     .help = "keys, with spaces between: the members of their objects are read as if they stood in the message itself"},
    {"assume_utc", OPT_BOOL, .value = "false", .help = "read a timestamptz without a zone as UTC"},
    {0},
};

static bool is_verbatim(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '"' || text.data[i] == '\\' || (unsigned char)text.data[i] < 0x20)
            return false;
    return utf8_valid(text);
}

/* false: the first choice of its place is taken. */
static bool table_insert(struct json_decoder *d, struct json_name *name)
{
    uint32_t first = json_name_slot(d, name->text.len, name->head), i = first;
    while (d->table[i])
        i = (i + 1) & d->table_mask;
    d->table[i] = name;
    return i == first;
}

static void forget_followers(struct json_name *name)
{
    for (unsigned level = 0; level < JSON_LEVELS; level++)
        for (unsigned e = 0; e < JSON_EDGES; e++)
            name->after[level].edges[e].len = JSON_NO_EDGE;
}

static struct json_name *name_append(struct json_decoder *d, struct slice text)
{
    struct json_name *name = &d->names[d->nnames++];
    *name = (struct json_name){.into = d->skipped, .text = text, .column = JSON_SKIPPED, .verbatim = is_verbatim(text)};
    json_name_head(text, name->head);
    forget_followers(name);
    return name;
}

/* A table without collisions, if one of some multipliers makes it; with some, it is a little slower. */
static void make_table(struct json_decoder *d)
{
    enum { TRIES = 50 };
    bool perfect = false;
    for (uint64_t seed = 1; seed <= TRIES && !perfect; seed++) {
        d->multiplier = hash_mix(seed) | 1;
        memset(d->table, 0, (d->table_mask + 1) * sizeof *d->table);
        perfect = true;
        for (uint32_t i = 1; i < d->nnames; i++)
            perfect &= table_insert(d, &d->names[i]);
    }
}

void json_name_add(struct json_decoder *d, struct slice text)
{
    if (d->others == JSON_OTHER_NAMES || text.len > JSON_GLUE)
        return;
    d->others++;
    text.data = arena_dup(&d->own, text.data, text.len);
    struct json_name *name = name_append(d, text);
    name->seen = d->serial;
    table_insert(d, name);
}

/* Rows of a batch that could not be read are NULL in all columns. */
static void store_nothing(struct json_decoder *d, struct json_target *t)
{
    for (uint32_t i = 1; i < d->nnames; i++)
        if (d->names[i].column >= 0)
            json_store_null(t, (uint32_t)d->names[i].column);
}

static void read_plainly(struct json_decoder *d, struct json_target *t, struct slice message)
{
    uint32_t nfields = t->out->nfields;
    d->serial++;
    if (d->flatten)
        message = json_flatten_message(d->flatten, message, t->arena);
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

/* Find the quotes, then the values. Returns the messages that are to be read plainly. */
static uint64_t scan_block(struct json_decoder *d, struct json_target *t, const struct view *raw, uint32_t rows)
{
    struct json_index index[JSON_BLOCK];
    size_t places = 0;
    for (uint32_t i = 0; i < rows; i++)
        places += MIN(raw[i].len, (uint32_t)JSON_INDEX_LONGEST) + JSON_INDEX_SLACK;
    if (places > d->places_cap) {
        free(d->places);
        d->places_cap = places + places / 2;
        d->places = mem_array(d->places_cap, sizeof *d->places);
    }
    d->index(raw, rows, d->places, index);
    for (uint32_t k = 1; k <= d->nwanted; k++)
        d->names[k].present = 0;
    uint64_t plain = 0;
    for (uint32_t i = 0; i < rows; i++) {
        d->serial++;
        if (unlikely(!json_scan_message(d, t, view_slice(&raw[i]), &index[i], i)))
            plain |= UINT64_C(1) << i;
    }
    return plain;
}

/* Rows without a value get NULL. Where few have one, as those of a kind that is rare have, only they are looked at.
 * Returns which values are in no common spelling. */
static uint64_t store_values(struct json_decoder *d, struct json_target *t, struct json_name *name, uint64_t present,
                             uint32_t rows)
{
    uint64_t absent = ~present & UINT64_MAX >> (64 - rows), left = 0;
    if (absent)
        json_store_nulls(t, (uint32_t)name->column, absent, rows);
    if ((uint32_t)__builtin_popcountll(present) <= rows / 4) {
        for (uint64_t bits = present; bits; bits &= bits - 1) {
            uint32_t i = (uint32_t)__builtin_ctzll(bits);
            left |= json_store_column(d, t, name, i, 1) << i;
        }
        return left;
    }
    for (uint64_t bits = absent; bits; bits &= bits - 1)
        name->into[__builtin_ctzll(bits)] = (struct json_extent){0};
    return json_store_column(d, t, name, 0, rows) & present;
}

/* A value in no common spelling. false: it is not JSON. */
static bool store_uncommon(struct json_decoder *d, struct json_target *t, const struct json_name *name,
                           const struct json_extent *e)
{
    struct json_reader r = {e->p, e->p, e->p + e->len, NULL};
    struct json_token token;
    if (!json_read_value(&r, &token) || r.p != r.end)
        return false;
    json_store(d, t, name, &token);
    return true;
}

static void decode_block(struct json_decoder *d, struct json_target *t, const struct view *raw, uint32_t rows)
{
    const uint32_t first = t->row;
    uint64_t plain = d->plain ? UINT64_MAX >> (64 - rows) : scan_block(d, t, raw, rows), any = plain;
    for (uint32_t k = 1; k <= d->nwanted && !d->plain; k++) {
        d->left[k] = store_values(d, t, &d->names[k], d->names[k].present & ~plain, rows);
        any |= d->left[k];
    }
    for (; any; any &= any - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(any), nfields = t->out->nfields;
        t->row = first + i;
        bool done = !(plain >> i & 1);
        for (uint32_t k = 1; k <= d->nwanted && done; k++)
            if (d->left[k] >> i & 1)
                done = store_uncommon(d, t, &d->names[k], &d->names[k].into[i]);
        if (done)
            continue;
        t->out->nfields = nfields;
        read_plainly(d, t, view_slice(&raw[i]));
    }
    t->row = first;
}

static void json_decode(struct decoder *base, const struct view *raw, uint32_t rows, struct batch *into,
                        struct arena *a, struct decoded *ret)
{
    enum { TRY_AGAIN = 16 };
    struct json_decoder *d = (struct json_decoder *)base;
    into->rows = into->live = rows;
    *ret = (struct decoded){.bad = arena_zarray(a, BITMAP_WORDS(rows), sizeof *ret->bad)};
    struct json_target t = {.cols = into->cols, .rows = rows, .arena = a, .out = ret};
    d->guess = d->missed <= d->keys / 4 || d->batches % TRY_AGAIN == 0;
    d->batches++;
    d->keys = d->missed = 0;
    for (t.row = 0; t.row < rows; t.row += JSON_BLOCK)
        decode_block(d, &t, raw + t.row, MIN(rows - t.row, (uint32_t)JSON_BLOCK));
}

static void json_decoder_free(struct decoder *base)
{
    struct json_decoder *d = (struct json_decoder *)base;
    arena_release(&d->own);
    free(d->places);
    free(d);
}

void json_decoder_set_plain(struct decoder *base, bool plain)
{
    struct json_decoder *d = (struct json_decoder *)base;
    d->plain = plain;
}

void json_decoder_set_indexer(struct decoder *base, json_indexer *index)
{
    ((struct json_decoder *)base)->index = index;
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
    d->index = json_indexer_best();
    d->left = arena_zarray(&d->own, 1 + (size_t)schema->ncols, sizeof *d->left);
    d->type_names = arena_array(&d->own, schema->ncols, sizeof *d->type_names);
    d->names[0] = (struct json_name){.column = JSON_SKIPPED};
    forget_followers(d->names);
    d->nnames = 1;
    for (uint32_t c = 0; c < schema->ncols; c++) {
        if (!bit_get(decode, c))
            continue;
        struct json_name *name = name_append(d, slice_of(arena_strdup(&d->own, schema->names[c])));
        name->column = (int32_t)c;
        name->into = arena_zarray(&d->own, JSON_BLOCK, sizeof *name->into);
        name->type = schema->types[c];
        type_name(name->type, d->type_names[c]);
        d->nwanted++;
    }
    make_table(d);
    const char *flatten = option_text(options, json_options, "flatten");
    if (flatten)
        d->flatten = json_flatten_new(flatten, &d->own);
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
