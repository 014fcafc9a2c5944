#include "source/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "column/rowpack.h"

/* `ends` is what the planner gives a table whose input ends; whatever else a table says is about the system that is
 * not there. */
static const struct option_spec memory_options[] = {
    {"ends", OPT_BOOL, .value = "false", .on_table = true, .help = "the input ends"},
    {"*", OPT_TEXT, .on_server = true, .on_table = true, .on_column = true, .on_mapping = true},
    {0}};

static const char *const memory_metadata[] = {"topic", "partition", "offset", "key", "timestamp", "headers",
                                              "sequence_number", NULL};

struct memory_source {
    struct source base;
    const struct memory_input *input; /* NULL: the table has no rows */
    const struct schema *schema;
    const uint64_t *decode; /* columns that come from the message; the scan fills the others */
    uint32_t next;
    bool announced;
};

static struct memory_source *source_of(struct source *base) { return (struct memory_source *)base; }

static enum status memory_splits(struct source *base, struct split *ret, uint32_t max, uint32_t *ret_count,
                                 struct error *err)
{
    struct memory_source *s = source_of(base);
    (void)err;
    *ret_count = 0;
    if (s->announced || max == 0)
        return OK;
    s->announced = true;
    *ret = (struct split){.name = "given"};
    *ret_count = 1;
    return OK;
}

static enum status memory_seek(struct source *base, uint32_t split, int64_t position, struct error *err)
{
    (void)split;
    (void)err;
    source_of(base)->next = position == POSITION_START ? 0 : (uint32_t)position;
    return OK;
}

/* ---- rows ---- */

static struct view copied(struct slice s, struct arena *a)
{
    if (!s.data)
        return (struct view){.len = ORIGIN_NONE};
    return view_copy(view_of(s.data, s.len), a);
}

static struct batch *unpack(const struct memory_source *s, const struct memory_row *rows, uint32_t n, struct arena *a)
{
    const struct schema *schema = s->schema;
    struct batch *b = batch_make(a, schema->types, schema->ncols, n);
    b->rows = b->live = n;
    for (uint32_t i = 0; i < n; i++) {
        bool whole = rowpack_get(rows[i].packed, b->cols, schema->ncols, i, n, a);
        assert(whole);
    }
    for (uint32_t c = 0; c < schema->ncols; c++)
        if (!bit_get(s->decode, c))
            b->cols[c] = column_make(a, schema->types[c], n, false);
    return b;
}

static void fill_origin(const struct memory_row *rows, uint32_t from, uint32_t n, struct arena *a, struct origin *into)
{
    int64_t *offset = arena_array(a, n, sizeof *offset), *timestamp = arena_array(a, n, sizeof *timestamp);
    struct view *raw = arena_array(a, n, sizeof *raw), *key = arena_array(a, n, sizeof *key);
    for (uint32_t i = 0; i < n; i++) {
        offset[i] = from + i;
        timestamp[i] = rows[i].timestamp;
        raw[i] = copied(rows[i].packed.data ? (struct slice){0} : rows[i].raw, a);
        key[i] = copied(rows[i].key, a);
    }
    *into = (struct origin){.topic = "", .offset = offset, .timestamp = timestamp, .key = key,
                            .raw = rows->packed.data ? NULL : raw};
}

static enum status killed(const struct memory_source *s, struct error *err)
{
    return error_set(err, ERR_INTERRUPTED, "killed while \"%s\" was read", s->input->table);
}

static enum status memory_poll(struct source *base, uint32_t split, uint32_t max_rows, struct source_batch *ret,
                               struct error *err)
{
    struct memory_source *s = source_of(base);
    const struct memory_input *in = s->input;
    (void)split;
    if (!in)
        return AGAIN;
    if (s->next >= in->released)
        return in->killed ? killed(s, err) : AGAIN;
    const struct memory_row *rows = in->rows + s->next;
    uint32_t most = MIN(MIN(max_rows, BATCH_ROWS), in->released - s->next), n = 1;
    if (in->batch)
        most = MIN(most, in->batch);
    while (n < most && !rows[n].packed.data == !rows->packed.data)
        n++;
    struct arena *owner = mem_zalloc(sizeof *owner);
    *ret = (struct source_batch){.rows = n, .owner = owner, .next_position = s->next + n};
    fill_origin(rows, s->next, n, owner, &ret->origin);
    if (rows->packed.data)
        ret->typed = unpack(s, rows, n, owner);
    ret->bytes = owner->total;
    s->next += n;
    return OK;
}

static void memory_release(struct source *base, struct source_batch *b)
{
    (void)base;
    arena_release(b->owner);
    free(b->owner);
}

static int64_t memory_end_position(struct source *base, uint32_t split)
{
    (void)split;
    return source_of(base)->input ? source_of(base)->input->released : 0;
}

static bool memory_finished(struct source *base, uint32_t split)
{
    const struct memory_source *s = source_of(base);
    (void)split;
    return s->input && s->input->closed && s->next == s->input->count;
}

static void memory_free(struct source *base) { free(source_of(base)); }

static enum status memory_open(const struct source_config *config, struct source **ret, struct error *err)
{
    static const struct source_ops ops = {
        .splits = memory_splits,
        .seek = memory_seek,
        .poll = memory_poll,
        .release = memory_release,
        .end_position = memory_end_position,
        .finished = memory_finished,
        .free = memory_free,
    };
    (void)err;
    const struct memory_inputs *inputs = config->outside;
    struct memory_source *s = mem_zalloc(sizeof *s);
    s->base.ops = &ops;
    s->schema = config->schema;
    s->decode = config->decode;
    for (uint32_t i = 0; i < inputs->count; i++)
        if (!strcmp(inputs->items[i].table, config->table))
            s->input = &inputs->items[i];
    *ret = &s->base;
    return OK;
}

static bool memory_bounded(const struct options *server, const struct options *table)
{
    (void)server;
    return option_given(table, "ends");
}

const struct source_connector source_memory_connector = {
    .name = "memory",
    .options = memory_options,
    .metadata = memory_metadata,
    .help = "rows that a test gives",
    .default_format = "json",
    .open = memory_open,
    .bounded = memory_bounded,
};
