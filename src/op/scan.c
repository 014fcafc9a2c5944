#include "op/scan.h"

#include <stdio.h>
#include <stdlib.h>

#include "op/contract.h"
#include "op/intern.h"
#include "op/reject.h"

struct worker {
    struct decoder *decoder;
    struct intern *intern;
    uint64_t *broken_counts;   /* per rule of the scan */
    struct buf rules, details; /* scratch of one rejected row */
};

struct scan {
    struct scan_config config;
    struct arena arena;
    struct contract *contract;
    const char **rule_ids; /* parse, type:c..., contract..., null:time, future */
    uint32_t nrules, first_type, first_contract, null_time, future;
    uint64_t *decode; /* columns that come from the message */
    struct worker *workers;
};

enum { PARSE = 0, SCRATCH_MAX = 1 << 20 };

static void name_rules(struct scan *s)
{
    const struct plan_table *t = s->config.table;
    uint32_t ncols = t->schema.ncols;
    s->first_type = 1;
    s->first_contract = 1 + ncols;
    s->null_time = s->first_contract + t->nrules;
    s->future = s->null_time + 1;
    s->nrules = s->future + 1;
    s->rule_ids = arena_array(&s->arena, s->nrules, sizeof *s->rule_ids);
    s->rule_ids[PARSE] = "parse";
    for (uint32_t c = 0; c < ncols; c++)
        s->rule_ids[s->first_type + c] = arena_printf(&s->arena, "type:%s", t->schema.names[c]);
    for (uint32_t r = 0; r < t->nrules; r++)
        s->rule_ids[s->first_contract + r] = t->rules[r].id;
    s->rule_ids[s->null_time] =
        arena_printf(&s->arena, "null:%s", t->time_column >= 0 ? t->schema.names[t->time_column] : "");
    s->rule_ids[s->future] = "future";
}

static enum status open_worker(struct scan *s, struct worker *w, struct error *err)
{
    const struct plan_table *t = s->config.table;
    w->rules = (struct buf)BUF(SCRATCH_MAX);
    w->details = (struct buf)BUF(SCRATCH_MAX);
    w->intern = intern_new(t->schema.ncols);
    w->broken_counts = mem_zalloc(s->nrules * sizeof *w->broken_counts);
    if (s->config.format && !s->config.format->decoder_new)
        return error_set(err, ERR_SQL, "format \"%s\" can only be written", s->config.format->name);
    if (s->config.format)
        TRY(s->config.format->decoder_new(&t->schema, s->decode, &t->options, &w->decoder, err));
    return OK;
}

enum status scan_new(const struct scan_config *config, struct scan **ret, struct error *err)
{
    const struct plan_table *t = config->table;
    struct scan *s = mem_zalloc(sizeof *s);
    s->config = *config;
    name_rules(s);
    s->contract = contract_new(t, config->nworkers);
    s->decode = arena_zarray(&s->arena, BITMAP_WORDS(t->schema.ncols), sizeof(uint64_t));
    for (uint32_t c = 0; c < t->schema.ncols; c++)
        if (!t->metadata || !t->metadata[c])
            bit_set(s->decode, c);
    s->workers = mem_zalloc(config->nworkers * sizeof *s->workers);
    for (uint32_t w = 0; w < config->nworkers; w++)
        if (open_worker(s, &s->workers[w], err) != OK) {
            scan_free(s);
            return FAILED;
        }
    *ret = s;
    return OK;
}

void scan_free(struct scan *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->workers && i < s->config.nworkers; i++) {
        struct worker *w = &s->workers[i];
        decoder_free(w->decoder);
        intern_free(w->intern);
        free(w->broken_counts);
        buf_release(&w->rules);
        buf_release(&w->details);
    }
    free(s->workers);
    contract_free(s->contract);
    arena_release(&s->arena);
    free(s);
}

/* ---- metadata columns ---- */

static void fill_views(struct column *c, const struct view *views, uint32_t rows, struct arena *a)
{
    for (uint32_t r = 0; r < rows; r++)
        if (origin_has(views, r)) {
            ((struct view *)c->data)[r] = views[r];
        } else {
            ((struct view *)c->data)[r] = (struct view){0};
            column_set_null(c, a, rows, r);
        }
}

static void fill_times(struct column *c, const int64_t *times, uint32_t rows, struct arena *a)
{
    memcpy(c->data, times, rows * sizeof(int64_t));
    for (uint32_t r = 0; r < rows; r++)
        if (times[r] == ORIGIN_NO_TIME)
            column_set_null(c, a, rows, r);
}

static void fill_metadata(const char *what, struct column *c, const struct origin *o, uint32_t rows, int64_t now_us,
                          struct arena *a)
{
    if (!strcmp(what, PLAN_INGESTION_TIME)) {
        for (uint32_t r = 0; r < rows; r++)
            ((int64_t *)c->data)[r] = now_us;
    } else if (!strcmp(what, "offset")) {
        memcpy(c->data, o->offset, rows * sizeof(int64_t));
    } else if (!strcmp(what, "timestamp") && o->timestamp) {
        fill_times(c, o->timestamp, rows, a);
    } else if (!strcmp(what, "key")) {
        fill_views(c, o->key, rows, a);
    } else if (!strcmp(what, "headers")) {
        fill_views(c, o->headers, rows, a);
    } else if (!strcmp(what, "partition")) {
        for (uint32_t r = 0; r < rows; r++)
            ((int32_t *)c->data)[r] = (int32_t)o->split;
    } else if (!strcmp(what, "topic")) {
        struct view v = view_of(o->topic, strlen(o->topic));
        for (uint32_t r = 0; r < rows; r++)
            ((struct view *)c->data)[r] = v;
    } else {
        *c = column_make(a, c->type, rows, true);
    }
}

/* ---- the contract ---- */

/* Bits of the rows that broke anything, per rule; built only for rules that somebody broke. */
struct verdict {
    uint64_t **broken; /* per rule of the scan, NULL: nobody */
    uint64_t *any;
    bool clean;
};

static uint64_t *broken_by(struct verdict *v, struct arena *a, uint32_t rule, uint32_t rows)
{
    if (!v->broken[rule])
        v->broken[rule] = arena_zarray(a, BITMAP_WORDS(rows), sizeof(uint64_t));
    return v->broken[rule];
}

static void add_broken(struct verdict *v, struct arena *a, uint32_t rule, uint32_t rows, const uint64_t *bits)
{
    size_t words = BITMAP_WORDS(rows);
    uint64_t some = 0;
    for (size_t i = 0; i < words; i++)
        some |= bits[i];
    if (!some)
        return;
    uint64_t *mine = broken_by(v, a, rule, rows);
    for (size_t i = 0; i < words; i++) {
        mine[i] |= bits[i];
        v->any[i] |= bits[i];
    }
    v->clean = false;
}

static void add_decode_errors(struct scan *s, struct verdict *v, struct arena *a, const struct decoded *d,
                              uint32_t rows)
{
    if (d->nbad)
        add_broken(v, a, PARSE, rows, d->bad);
    for (uint32_t i = 0; i < d->nfields; i++) {
        bit_set(broken_by(v, a, s->first_type + d->fields[i].column, rows), d->fields[i].row);
        bit_set(v->any, d->fields[i].row);
        v->clean = false;
    }
}

/* Rows where a rule must not speak: no row at all, or a column it mentions could not be decoded. */
static void silence(struct scan *s, struct verdict *v, const struct plan_rule *rule, uint32_t rows, uint64_t *bits)
{
    if (v->clean)
        return;
    const struct plan_table *t = s->config.table;
    for (size_t i = 0; v->broken[PARSE] && i < BITMAP_WORDS(rows); i++)
        bits[i] &= ~v->broken[PARSE][i];
    for (uint32_t c = 0; c < t->schema.ncols; c++) {
        bool mentioned = rule->kind == RULE_NOT_NULL ? rule->column == c : bit_get(rule->columns, c);
        const uint64_t *undecoded = v->broken[s->first_type + c];
        for (size_t i = 0; mentioned && undecoded && i < BITMAP_WORDS(rows); i++)
            bits[i] &= ~undecoded[i];
    }
}

static void check_contract(struct scan *s, struct op_context *c, struct batch *b, struct verdict *v)
{
    const struct plan_table *t = s->config.table;
    uint64_t *bits = arena_array(c->arena, BITMAP_WORDS(b->rows), sizeof *bits);
    for (uint32_t r = 0; r < t->nrules; r++) {
        if (!contract_check(s->contract, r, c->worker, b, c->now_us, c->arena, bits))
            continue;
        silence(s, v, &t->rules[r], b->rows, bits);
        add_broken(v, c->arena, s->first_contract + r, b->rows, bits);
    }
}

/* An event time that is missing although no constraint says so, or lies beyond now + max_ahead. */
static void check_time(struct scan *s, struct op_context *c, struct batch *b, struct verdict *v)
{
    const struct plan_table *t = s->config.table;
    if (t->time_column < 0)
        return;
    const struct column *time = &b->cols[t->time_column];
    const int64_t *us = time->data;
    int64_t limit = saturating_add(c->now_us, s->config.max_ahead_us);
    uint64_t *bits = arena_zarray(c->arena, BITMAP_WORDS(b->rows), sizeof *bits);
    if (null_rows(time, b->rows, bits)) {
        for (size_t i = 0; i < BITMAP_WORDS(b->rows); i++)
            bits[i] &= ~v->any[i]; /* a row already refused needs no second word for the same hole */
        add_broken(v, c->arena, s->null_time, b->rows, bits);
        memset(bits, 0, BITMAP_WORDS(b->rows) * sizeof *bits);
    }
    bool some = false;
    for (uint32_t r = 0; r < b->rows; r++)
        if (unlikely(us[r] > limit) && !column_is_null(time, r)) {
            bit_set(bits, r);
            some = true;
        }
    if (some)
        add_broken(v, c->arena, s->future, b->rows, bits);
}

/* ---- rejecting ---- */

static void add_detail(struct worker *w, const char *text)
{
    if (w->details.len)
        buf_puts(&w->details, "; ");
    buf_puts(&w->details, text);
}

static void reject(struct scan *s, struct worker *w, struct op_context *c, struct batch *b, struct verdict *v,
                   const struct decoded *d, uint32_t row)
{
    buf_clear(&w->rules);
    buf_clear(&w->details);
    for (uint32_t r = 0; r < s->nrules; r++)
        if (v->broken[r] && bit_get(v->broken[r], row)) {
            if (w->rules.len)
                buf_putc(&w->rules, ',');
            buf_puts(&w->rules, s->rule_ids[r]);
            w->broken_counts[r]++;
        }
    if (d->nbad && bit_get(d->bad, row))
        add_detail(w, d->bad_text[row]);
    for (uint32_t i = 0; i < d->nfields; i++)
        if (d->fields[i].row == row)
            add_detail(w, d->fields[i].text);
    reject_row(c->rejections, b, row, s->config.table->name, "", buf_cstr(&w->rules), buf_cstr(&w->details));
}

static void reject_all(struct scan *s, struct worker *w, struct op_context *c, struct batch *b, struct verdict *v,
                       const struct decoded *d)
{
    struct decoded rest = *d; /* field errors come by row: each rejected row looks only at those from its own on */
    uint64_t *keep = arena_array(c->arena, BITMAP_WORDS(b->rows), sizeof *keep);
    for (uint32_t row = 0; row < b->rows; row++) {
        if (!bit_get(v->any, row))
            continue;
        while (rest.nfields && rest.fields->row < row) {
            rest.fields++;
            rest.nfields--;
        }
        struct decoded mine = rest;
        mine.nfields = 0;
        while (mine.nfields < rest.nfields && rest.fields[mine.nfields].row == row)
            mine.nfields++;
        reject(s, w, c, b, v, &mine, row);
    }
    for (size_t i = 0; i < BITMAP_WORDS(b->rows); i++)
        keep[i] = ~v->any[i];
    batch_filter(b, keep);
}

/* Whoever passed a NOT NULL has a value: later steps need not ask row by row. */
static void forget_nulls(const struct plan_table *t, struct batch *b)
{
    for (uint32_t r = 0; r < t->nrules; r++)
        if (t->rules[r].kind == RULE_NOT_NULL)
            b->cols[t->rules[r].column].valid = NULL;
}

static int64_t max_event(const struct plan_table *t, const struct batch *b)
{
    int64_t max = INT64_MIN;
    if (t->time_column < 0)
        return max;
    const int64_t *us = b->cols[t->time_column].data;
    for (uint32_t i = 0; i < batch_live(b); i++)
        max = MAX(max, us[batch_row(b, i)]);
    return max;
}

void scan_push(struct scan *s, struct op_context *c, const struct source_batch *in, struct batch **ret,
               struct scan_result *ret_result)
{
    const struct plan_table *t = s->config.table;
    struct worker *w = &s->workers[c->worker];
    struct decoded d = {0};
    struct batch *b = in->typed;
    if (!b) {
        b = batch_make(c->arena, t->schema.types, t->schema.ncols, in->rows);
        b->rows = b->live = in->rows;
        w->decoder->ops->decode(w->decoder, in->origin.raw, in->rows, b, c->arena, &d);
        for (uint32_t col = 0; col < t->schema.ncols; col++)
            if (bit_get(s->decode, col))
                intern_column(w->intern, col, &b->cols[col], in->rows);
    }
    b->origin = &in->origin;
    for (uint32_t col = 0; t->metadata && col < t->schema.ncols; col++)
        if (t->metadata[col])
            fill_metadata(t->metadata[col], &b->cols[col], &in->origin, in->rows, c->now_us, c->arena);

    struct verdict v = {arena_zarray(c->arena, s->nrules, sizeof *v.broken),
                        arena_zarray(c->arena, BITMAP_WORDS(b->rows), sizeof *v.any), true};
    add_decode_errors(s, &v, c->arena, &d, b->rows);
    check_contract(s, c, b, &v);
    check_time(s, c, b, &v);
    c->counts->in += b->rows;
    if (!v.clean)
        reject_all(s, w, c, b, &v, &d);
    forget_nulls(t, b);
    c->counts->out += batch_live(b);
    ret_result->max_event = max_event(t, b);
    *ret = batch_live(b) ? b : NULL;
}

uint32_t scan_rule_count(const struct scan *s) { return s->nrules; }

const char *scan_rule(const struct scan *s, uint32_t i, uint64_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t w = 0; w < s->config.nworkers; w++)
        *ret_count += s->workers[w].broken_counts[i];
    return s->rule_ids[i];
}

void scan_reset_counts(struct scan *s)
{
    for (uint32_t w = 0; w < s->config.nworkers; w++)
        memset(s->workers[w].broken_counts, 0, s->nrules * sizeof(uint64_t));
}
