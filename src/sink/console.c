/* The sink "console": rows on standard output, for people (format table) and for pipes (json, csv).
 *
 * Append tables print their rows. Upserted tables print what changed, with a first column `change`: + is the row as it
 * now is, - a row that is gone. Standard output remembers nothing, so what was printed before a crash and not confirmed
 * is printed again.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "sink/connectors.h"

static const size_t OUTPUT_LIMIT = MIB(64);

static const struct option_spec console_options[] = {
    {0},
};

struct console_sink {
    struct sink base;
    struct encoder *encoder;
    bool upsert, begun;
    const atomic_bool *cancelled;
};

static enum status print_all(struct buf *out, struct error *err)
{
    if (out->overflow)
        return error_set(err, ERR_LIMIT, "a batch of rows is more than %zu MB to print", OUTPUT_LIMIT >> 20);
    errno = 0;
    enum status status = out->len > 0 ? os_file_write(STDOUT_FILENO, out->data, out->len, err) : OK;
    if (status == FAILED && errno == EPIPE)
        return error_set(err, ERR_INTERRUPTED, "nobody reads standard output any more");
    return status;
}

/* The batch with a first column that says what became of the row. */
static struct batch *with_change(const struct batch *b, struct arena *a)
{
    struct batch *wide = arena_dup(a, b, sizeof *b);
    wide->ncols = b->ncols + 1;
    wide->cols = arena_array(a, wide->ncols, sizeof *wide->cols);
    wide->cols[0] = column_make(a, TYPE(TYPE_TEXT), b->rows, false);
    memcpy(wide->cols + 1, b->cols, b->ncols * sizeof *b->cols);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        ((struct view *)wide->cols[0].data)[row] = view_of(batch_weight(b, row) < 0 ? "-" : "+", 1);
    }
    return wide;
}

static void count_changes(const struct batch *b, struct sink_result *ret)
{
    for (uint32_t i = 0; i < batch_live(b); i++) {
        bool gone = batch_weight(b, batch_row(b, i)) < 0;
        ret->deleted += gone;
        ret->inserted += !gone;
    }
}

static enum status console_apply(struct sink *base, struct change_set *changes, struct sink_result *ret,
                                 struct error *err)
{
    struct console_sink *s = (struct console_sink *)base;
    AUTO(arena) a = {0};
    AUTO(buf) out = BUF(OUTPUT_LIMIT);
    struct sink_result result = {.version = -1};
    if (!s->begun)
        s->encoder->ops->begin(s->encoder, &out);
    s->begun = true;
    for (;;) {
        struct batch *b;
        enum status status = changes->next(changes, &a, &b, err);
        if (status == FAILED)
            return FAILED;
        if (status == AGAIN)
            break;
        if (atomic_load(s->cancelled))
            return error_set(err, ERR_INTERRUPTED, "stopped while printing");
        s->encoder->ops->encode(s->encoder, s->upsert ? with_change(b, &a) : b, &out);
        TRY(print_all(&out, err));
        result.bytes_written += out.len;
        buf_clear(&out);
        count_changes(b, &result);
        arena_reset(&a);
    }
    *ret = result;
    return OK;
}

static void console_free(struct sink *base)
{
    struct console_sink *s = (struct console_sink *)base;
    encoder_free(s->encoder);
    free(s);
}

static enum status console_open(const struct sink_config *config, struct sink **ret, struct sink_position *ret_position,
                                struct error *err)
{
    static const struct sink_ops ops = {.apply = console_apply, .free = console_free};
    AUTO(arena) a = {0};
    struct schema schema = *config->schema;
    if (config->nkey > 0) {
        uint32_t n = schema.ncols++;
        schema.names = arena_array(&a, n + 1, sizeof *schema.names);
        schema.types = arena_array(&a, n + 1, sizeof *schema.types);
        schema.nullable = NULL;
        schema.names[0] = "change";
        schema.types[0] = TYPE(TYPE_TEXT);
        memcpy(schema.names + 1, config->schema->names, n * sizeof *schema.names);
        memcpy(schema.types + 1, config->schema->types, n * sizeof *schema.types);
    }
    const struct options options = options_join(config->options, config->server, &a);
    struct encoder *encoder;
    TRY(config->format->encoder_new(&schema, &options, &encoder, err));
    struct console_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = &ops;
    s->encoder = encoder;
    s->upsert = config->nkey > 0;
    s->cancelled = config->cancelled;
    *ret = &s->base;
    *ret_position = (struct sink_position){.applied = -1};
    return OK;
}

const struct sink_connector sink_console_connector = {
    .name = "console",
    .options = console_options,
    .help = "rows on standard output; of upserted tables, what changed",
    .default_format = "table",
    .can_upsert = true,
    .guarantee = SINK_AT_LEAST_ONCE,
    .open = console_open,
};
