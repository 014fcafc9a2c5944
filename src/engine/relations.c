#include "engine/relations.h"

enum { MAX_COLUMNS = 12 };

struct relation {
    const char *name;
    uint32_t ncols;
    const char *names[MAX_COLUMNS];
    struct type types[MAX_COLUMNS];
    uint32_t (*count)(const struct manifest *m);
    void (*fill)(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a);
};

/* ---- cells ---- */

static void put_text(struct batch *b, uint32_t col, uint32_t row, const char *text)
{
    ((struct view *)b->cols[col].data)[row] = view_of(text, strlen(text)); /* the manifest outlives the batch */
}

static void put_number(struct batch *b, uint32_t col, uint32_t row, uint64_t value)
{
    ((int64_t *)b->cols[col].data)[row] = (int64_t)value;
}

static void put_bool(struct batch *b, uint32_t col, uint32_t row, bool value)
{
    ((uint8_t *)b->cols[col].data)[row] = value;
}

/* No event time yet, and the end of time, are NULL: neither is a timestamp. */
static void put_time(struct batch *b, uint32_t col, uint32_t row, int64_t us, struct arena *a)
{
    if (us == INT64_MIN || us == INT64_MAX)
        column_set_null(&b->cols[col], a, b->rows, row);
    else
        ((int64_t *)b->cols[col].data)[row] = us;
}

/* ---- relations ---- */

static uint32_t count_lines(const struct manifest *m) { return m->total.nlines; }
static void fill_line(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a)
{
    (void)a;
    static const char *const kinds[] = {[LEDGER_SOURCE] = "source", [LEDGER_STEP] = "step", [LEDGER_SINK] = "sink"};
    const struct ledger_line *l = &m->total.lines[row];
    const struct ledger_counts *c = &l->counts;
    put_text(b, 0, row, kinds[l->kind]);
    put_text(b, 1, row, l->name);
    uint64_t out = l->kind == LEDGER_SINK ? l->inserted + l->updated + l->deleted : c->out;
    const uint64_t numbers[] = {c->in,        out,      c->filtered,  c->rejected, c->late,
                                c->duplicate, c->error, l->unchanged, l->expired};
    for (uint32_t i = 0; i < ARRAY_LEN(numbers); i++)
        put_number(b, 2 + i, row, numbers[i]);
}

static uint32_t count_rules(const struct manifest *m) { return m->total.nrules; }
static void fill_rule(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a)
{
    (void)a;
    put_text(b, 0, row, m->total.rules[row].source);
    put_text(b, 1, row, m->total.rules[row].rule);
    put_number(b, 2, row, m->total.rules[row].count);
}

/* A row of bourn.watermarks. Times that are not set, INT64_MIN, and a view that is NULL are NULL. */
struct watermark {
    const char *source, *kind, *name, *view;
    int64_t watermark, evict, closes, since;
};

static struct watermark watermark_of_source(const struct source_time *s)
{
    return (struct watermark){s->source, "source", s->source, NULL, s->watermark, s->evict, INT64_MIN, s->since};
}

static struct watermark watermark_of_split(const struct split_position *s, const struct manifest *m)
{
    const struct source_time *source = manifest_source(m, s->source);
    int64_t delay = source ? source->delay : -1;
    int64_t watermark = delay >= 0 ? saturating_sub(s->max_event, delay) : INT64_MIN;
    return (struct watermark){s->source, "partition", s->split, NULL, watermark, INT64_MIN, INT64_MIN, INT64_MIN};
}

static struct watermark watermark_of_step(const struct step_time *s)
{
    return (struct watermark){s->source, "step", s->step, s->name, s->watermark, s->evict, s->closes, s->since};
}

/* Sources, then their splits, then the steps that go by event time. */
static uint32_t count_watermarks(const struct manifest *m) { return m->nsources + m->nsplits + m->nsteps; }
static void fill_watermark(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a)
{
    uint32_t split = row - m->nsources, step = split - m->nsplits;
    struct watermark w = row < m->nsources   ? watermark_of_source(&m->sources[row])
                         : split < m->nsplits ? watermark_of_split(&m->splits[split], m)
                                              : watermark_of_step(&m->steps[step]);
    put_text(b, 0, row, w.source);
    put_time(b, 1, row, w.watermark, a);
    put_time(b, 2, row, w.evict, a);
    put_text(b, 3, row, w.kind);
    put_text(b, 4, row, w.name);
    if (w.view)
        put_text(b, 5, row, w.view);
    else
        column_set_null(&b->cols[5], a, b->rows, row);
    put_time(b, 6, row, w.closes, a);
    put_time(b, 7, row, w.since, a);
}

static uint32_t count_splits(const struct manifest *m) { return m->nsplits; }
static void fill_split(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a)
{
    const struct split_position *s = &m->splits[row];
    put_text(b, 0, row, s->source);
    put_text(b, 1, row, s->split);
    put_number(b, 2, row, (uint64_t)s->position);
    put_time(b, 3, row, s->max_event, a);
    put_bool(b, 4, row, s->idle);
    put_bool(b, 5, row, s->finished);
}

static uint32_t count_sinks(const struct manifest *m) { return m->nsinks; }
static void fill_sink(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a)
{
    (void)a;
    put_text(b, 0, row, m->sinks[row].name);
    put_number(b, 1, row, (uint64_t)m->sinks[row].confirmed);
    put_number(b, 2, row, (uint64_t)m->sinks[row].applied);
    put_number(b, 3, row, (uint64_t)m->sinks[row].target);
}

/* Ranges of epochs, as far as the log tells them apart. */
static uint32_t count_ranges(const struct manifest *m) { return m->nhistory; }
static void fill_range(struct batch *b, uint32_t row, const struct manifest *m, struct arena *a)
{
    (void)a;
    const struct ledger *l = &m->history[row];
    uint64_t polled = 0, accepted = 0, rejected = 0, late = 0, duplicate = 0;
    for (uint32_t i = 0; i < l->nlines; i++) {
        bool source = l->lines[i].kind == LEDGER_SOURCE;
        polled += source ? l->lines[i].counts.in : 0;
        accepted += source ? l->lines[i].counts.out : 0;
        rejected += source ? l->lines[i].counts.rejected : 0;
        late += l->lines[i].counts.late;
        duplicate += l->lines[i].counts.duplicate;
    }
    const uint64_t numbers[] = {(uint64_t)l->from, (uint64_t)l->to, polled, accepted, rejected, late, duplicate};
    for (uint32_t i = 0; i < ARRAY_LEN(numbers); i++)
        put_number(b, i, row, numbers[i]);
}

#define TEXT {TYPE_TEXT, 0, 0}
#define INT8 {TYPE_INT8, 0, 0}
#define BOOL {TYPE_BOOL, 0, 0}
#define TIME {TYPE_TIMESTAMPTZ, 0, 0}

static struct relation relations[] = {
    {"bourn.ledger",
     11,
     {"kind", "name", "rows_in", "rows_out", "filtered", "rejected", "late", "duplicate", "error", "unchanged",
      "expired"},
     {TEXT, TEXT, INT8, INT8, INT8, INT8, INT8, INT8, INT8, INT8, INT8},
     count_lines,
     fill_line},
    {"bourn.rules", 3, {"source", "rule", "count"}, {TEXT, TEXT, INT8}, count_rules, fill_rule},
    {"bourn.epochs",
     7,
     {"from_epoch", "to_epoch", "polled", "accepted", "rejected", "late", "duplicate"},
     {INT8, INT8, INT8, INT8, INT8, INT8, INT8},
     count_ranges,
     fill_range},
    {"bourn.watermarks",
     8,
     {"source", "watermark", "evicted_up_to", "kind", "name", "view", "closes_next", "since"},
     {TEXT, TIME, TIME, TEXT, TEXT, TEXT, TIME, TIME},
     count_watermarks,
     fill_watermark},
    {"bourn.splits",
     6,
     {"source", "split", "position", "newest_event", "idle", "finished"},
     {TEXT, TEXT, INT8, TIME, BOOL, BOOL},
     count_splits,
     fill_split},
    {"bourn.sinks", 4, {"name", "confirmed", "applied", "target"}, {TEXT, INT8, INT8, INT8}, count_sinks, fill_sink},
};

static struct relation *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(relations); i++)
        if (!strcmp(relations[i].name, name))
            return &relations[i];
    return NULL;
}

bool relation_schema(const char *name, struct schema *ret)
{
    struct relation *r = find(name);
    if (r)
        *ret = (struct schema){r->ncols, r->names, r->types, NULL};
    return r;
}

struct batch *relation_rows(const char *name, const struct manifest *m, struct arena *a)
{
    const struct relation *r = find(name);
    assert(r);
    uint32_t rows = r->count(m);
    if (rows == 0)
        return NULL;
    struct batch *b = batch_make(a, r->types, r->ncols, rows);
    b->rows = b->live = rows;
    for (uint32_t row = 0; row < rows; row++)
        r->fill(b, row, m, a);
    return b;
}

const char *relation_name(size_t i) { return i < ARRAY_LEN(relations) ? relations[i].name : NULL; }
