#include "sink/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "column/rowkey.h"
#include "column/rowpack.h"

struct memory_sink {
    struct sink base;
    struct memory_output *output;
    const uint32_t *key;
    uint32_t nkey;
};

/* ---- rows ---- */

static struct slice kept(const struct buf *b)
{
    char *copy = mem_array(b->len + 1, 1);
    memcpy(copy, b->data, b->len);
    return (struct slice){copy, b->len};
}

static void drop(struct memory_output *o, uint32_t i)
{
    free((char *)o->rows[i].data);
    free((char *)o->keys[i].data);
    memmove(o->rows + i, o->rows + i + 1, (o->count - i - 1) * sizeof *o->rows);
    memmove(o->keys + i, o->keys + i + 1, (o->count - i - 1) * sizeof *o->keys);
    o->count--;
}

static void drop_key(struct memory_output *o, struct slice key)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (slice_equal(o->keys[i], key)) {
            drop(o, i);
            return;
        }
}

static void add(struct memory_output *o, struct slice row, struct slice key)
{
    if (o->count == o->cap) {
        o->cap = o->cap ? 2 * o->cap : 16;
        o->rows = mem_realloc(o->rows, o->cap * sizeof *o->rows);
        o->keys = mem_realloc(o->keys, o->cap * sizeof *o->keys);
    }
    o->rows[o->count] = row;
    o->keys[o->count++] = key;
}

static void change(struct memory_sink *s, const struct batch *b, struct sink_result *result)
{
    AUTO(buf) packed = BUF(ROWKEY_MAX);
    AUTO(buf) key = BUF(ROWKEY_MAX);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        buf_clear(&packed);
        buf_clear(&key);
        if (s->nkey) {
            rowkey_put(&key, b->cols, s->key, s->nkey, row);
            drop_key(s->output, buf_slice(&key));
        }
        if (batch_weight(b, row) < 0) {
            result->deleted++;
            continue;
        }
        rowpack_put(&packed, b->cols, b->ncols, row);
        add(s->output, kept(&packed), s->nkey ? kept(&key) : (struct slice){0});
        result->inserted++;
    }
}

void memory_output_clear(struct memory_output *o)
{
    while (o->count)
        drop(o, o->count - 1);
    free(o->rows);
    free(o->keys);
    o->rows = o->keys = NULL;
    o->cap = 0;
    o->applied = 0;
    o->owner[0] = 0;
    o->killed = MEMORY_LIVES;
}

struct batch *memory_output_rows(const struct memory_output *o, struct arena *a)
{
    if (o->count == 0)
        return NULL;
    struct batch *b = batch_make(a, o->schema->types, o->schema->ncols, o->count);
    b->rows = b->live = o->count;
    for (uint32_t i = 0; i < o->count; i++) {
        bool whole = rowpack_get(o->rows[i], b->cols, o->schema->ncols, i, o->count, a);
        assert(whole);
    }
    return b;
}

/* ---- the sink ---- */

static enum status memory_apply(struct sink *base, struct change_set *changes, struct sink_result *ret,
                                struct error *err)
{
    struct memory_sink *s = (struct memory_sink *)base;
    struct memory_output *o = s->output;
    struct sink_result result = {.version = -1};
    if (o->killed == MEMORY_KILLED_BEFORE)
        return error_set(err, ERR_INTERRUPTED, "killed before anything was written");
    AUTO(arena) a = {0};
    struct batch *b;
    enum status status = OK;
    while (changes->to > o->applied && (status = changes->next(changes, &a, &b, err)) == OK) {
        change(s, b, &result);
        arena_reset(&a);
    }
    if (status == FAILED)
        return FAILED;
    o->applied = MAX(o->applied, changes->to);
    if (o->killed == MEMORY_KILLED_AFTER)
        return error_set(err, ERR_INTERRUPTED, "killed before anybody was told what was written");
    *ret = result;
    return OK;
}

static void memory_free(struct sink *base) { free(base); }

static enum status memory_open(const struct sink_config *config, struct sink **ret, struct sink_position *ret_position,
                               struct error *err)
{
    static const struct sink_ops ops = {.apply = memory_apply, .free = memory_free};
    (void)err;
    struct memory_outputs *outputs = config->outside;
    struct memory_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = &ops;
    s->key = config->key;
    s->nkey = config->nkey;
    for (uint32_t i = 0; i < outputs->count; i++)
        if (!strcmp(outputs->items[i].table, config->table))
            s->output = &outputs->items[i];
    assert(s->output);
    struct sink_position position = {.applied = s->output->applied};
    if (s->output->owner[0] && strcmp(s->output->owner, config->identity))
        snprintf(position.other_owner, sizeof position.other_owner, "%.79s", s->output->owner);
    snprintf(s->output->owner, sizeof s->output->owner, "%s", config->identity);
    *ret_position = position;
    *ret = &s->base;
    return OK;
}

const struct sink_connector sink_memory_connector = {
    .name = "memory",
    .help = "tables that a test looks at",
    .default_format = "json",
    .can_upsert = true,
    .guarantee = SINK_EXACTLY_ONCE,
    .open = memory_open,
};
