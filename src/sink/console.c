/* The sink "console": rows on standard output, for people (format table) and for pipes (json, csv).
 *
 * Append tables print their rows as they come. Upserted tables are shown in one of two modes:
 *   complete  the whole table after each publication, in the order of its keys: on a terminal redrawn in place,
 *             elsewhere below a line "epoch N: table". The default with format table.
 *   update    what changed, with a first column `change`: + is the row as it now is, - a row that is gone.
 * Standard output remembers nothing: what was printed before a crash and not confirmed is printed again, and a complete
 * table has what was published since the process began.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/os.h"
#include "sink/connectors.h"
#include "sink/console_table.h"

static const size_t OUTPUT_LIMIT = MIB(64);

static const struct option_spec console_options[] = {
    {"mode", OPT_CHOICE, .choices = "complete update", .on_table = true,
     .help = "of a table with a primary key: all of it after each publication (the default with format table), or what "
             "changed"},
    {"num_rows", OPT_INT, .value = "20", .min = 1, .max = 1000000, .on_table = true,
     .help = "mode complete: show so many rows"},
    {"truncate", OPT_TEXT, .value = "20", .on_table = true,
     .help = "mode complete: cut longer texts to so many characters; 0 or false: never"},
    {0},
};

struct console_sink {
    struct sink base;
    struct encoder *encoder;
    bool upsert, begun;
    const atomic_bool *cancelled;
    /* mode complete */
    struct console_table *table;
    char *name;
    uint64_t most_rows;
    int64_t epoch; /* last one shown */
    struct console_sink *next; /* on the screen */
};

/* The terminal, shared by all tables that are shown on it. */
static struct screen {
    pthread_mutex_t lock;
    struct console_sink *first;
    unsigned lines; /* drawn last time */
} screen = {.lock = PTHREAD_MUTEX_INITIALIZER};

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
    struct batch *b;
    enum status status;
    while ((status = change_set_next(changes, s->cancelled, &a, &b, err)) == OK) {
        s->encoder->ops->encode(s->encoder, s->upsert ? with_change(b, &a) : b, &out);
        TRY(print_all(&out, err));
        result.bytes_written += out.len;
        buf_clear(&out);
        sink_count(&result, b);
    }
    if (status == FAILED)
        return FAILED;
    *ret = result;
    return OK;
}

/* ---- mode complete ---- */

static bool is_screen(struct winsize *ret)
{
    const char *term = os_env("TERM");
    return isatty(STDOUT_FILENO) == 1 && !(term && strcmp(term, "dumb") == 0) &&
           ioctl(STDOUT_FILENO, TIOCGWINSZ, ret) == 0 && ret->ws_row > 0 && ret->ws_col > 0;
}

static void print_table(const struct console_sink *s, uint64_t most_rows, uint32_t width, struct buf *out)
{
    buf_printf(out, "epoch %lld: %s\n", (long long)s->epoch, s->name);
    console_table_print(s->table, MIN(most_rows, s->most_rows), width, out);
    buf_putc(out, '\n');
}

/* All tables anew, over what was drawn before; long lines end at the terminal's edge. The cursor is below them, where
 * the status line stands. */
static void draw(const struct winsize *size, struct buf *out)
{
    enum { AROUND = 5, LEAST_ROWS = 3 }; /* lines a table takes beside its rows */
    unsigned tables = 0;
    for (const struct console_sink *s = screen.first; s; s = s->next)
        tables++;
    unsigned height = size->ws_row > 1 ? (size->ws_row - 1u) / tables : 1;
    uint64_t rows = height > AROUND + LEAST_ROWS ? height - AROUND : LEAST_ROWS;
    buf_puts(out, "\r\033[K");
    if (screen.lines > 0)
        buf_printf(out, "\033[%uA\033[J", MIN(screen.lines, size->ws_row - 1u));
    buf_puts(out, "\033[?7l");
    size_t from = out->len;
    for (const struct console_sink *s = screen.first; s; s = s->next)
        if (s->epoch > 0)
            print_table(s, rows, size->ws_col, out);
    screen.lines = 0;
    for (size_t i = from; i < out->len; i++)
        screen.lines += out->data[i] == '\n';
    buf_puts(out, "\033[?7h");
}

/* The lock is held: the tables of other sinks are printed, too. */
static enum status update_table(struct console_sink *s, struct change_set *changes, struct buf *out,
                                struct sink_result *result, struct error *err)
{
    TRY(console_table_apply(s->table, changes, s->cancelled, result, err));
    s->epoch = changes->to;
    struct winsize size;
    if (is_screen(&size))
        draw(&size, out);
    else
        print_table(s, UINT64_MAX, 0, out);
    return print_all(out, err);
}

static enum status complete_apply(struct sink *base, struct change_set *changes, struct sink_result *ret,
                                  struct error *err)
{
    struct console_sink *s = (struct console_sink *)base;
    AUTO(buf) out = BUF(OUTPUT_LIMIT);
    struct sink_result result;
    pthread_mutex_lock(&screen.lock);
    enum status status = update_table(s, changes, &out, &result, err);
    pthread_mutex_unlock(&screen.lock);
    TRY(status);
    result.bytes_written = out.len;
    *ret = result;
    return OK;
}

/* What a process before this one has shown: the table begins with it. */
static enum status complete_resync(struct sink *base, struct change_set *all_rows, struct error *err)
{
    struct sink_result ignored;
    return complete_apply(base, all_rows, &ignored, err);
}

static void complete_free(struct sink *base)
{
    struct console_sink *s = (struct console_sink *)base;
    pthread_mutex_lock(&screen.lock);
    struct console_sink **at = &screen.first;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&screen.lock);
    console_table_free(s->table);
    free(s->name);
    free(s);
}

static enum status read_truncate(const struct options *o, uint32_t *ret, struct error *err)
{
    const char *text = option_text(o, console_options, "truncate");
    int64_t n;
    if (strcmp(text, "false") == 0)
        n = 0;
    else if (!option_parse_int(text, &n) || n < 0 || n > 1000000) {
        (void)error_set(err, ERR_SQL, "option truncate: \"%s\" is no number of characters", text);
        (void)error_hint(err, "write 20, or false");
        return option_blame(o, "truncate", err);
    }
    *ret = (uint32_t)n;
    return OK;
}

static enum status complete_open(const struct sink_config *config, const struct options *o, struct sink **ret,
                                 struct error *err)
{
    static const struct sink_ops ops = {
        .apply = complete_apply, .resync = complete_resync, .free = complete_free};
    uint32_t truncate = 0;
    TRY(read_truncate(o, &truncate, err));
    struct console_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = &ops;
    s->cancelled = config->cancelled;
    s->table = console_table_new(config->schema, config->key, config->nkey, truncate);
    s->name = mem_strdup(config->table);
    s->most_rows = (uint64_t)option_int(o, console_options, "num_rows");
    pthread_mutex_lock(&screen.lock);
    struct console_sink **at = &screen.first;
    while (*at)
        at = &(*at)->next;
    *at = s;
    pthread_mutex_unlock(&screen.lock);
    *ret = &s->base;
    return OK;
}

/* ---- opening ---- */

/* Is the table shown whole? */
static enum status choose_mode(const struct sink_config *config, const struct options *o, bool *ret, struct error *err)
{
    const char *mode = option_text(o, console_options, "mode");
    bool as_table = strcmp(config->format->name, "table") == 0, complete = mode && strcmp(mode, "complete") == 0;
    if (complete && config->nkey == 0) {
        (void)error_set(err, ERR_SQL, "mode 'complete' wants a table with a primary key: \"%s\" is appended to",
                        config->table);
        return option_blame(o, "mode", err);
    }
    if (complete && !as_table) {
        (void)error_set(err, ERR_SQL, "mode 'complete' wants format 'table'; format '%s' prints what changed",
                        config->format->name);
        return option_blame(o, "mode", err);
    }
    *ret = complete || (!mode && as_table && config->nkey > 0);
    static const char *const of_complete[] = {"num_rows", "truncate"};
    for (size_t i = 0; i < ARRAY_LEN(of_complete) && !*ret; i++)
        if (option_given(o, of_complete[i])) {
            (void)error_set(err, ERR_SQL, "option %s is of tables that are shown whole; rows of \"%s\" are printed as "
                                          "they come", of_complete[i], config->table);
            (void)error_hint(err, "leave it out, or give the table a PRIMARY KEY%s",
                             as_table ? "" : " and format 'table'");
            return option_blame(o, of_complete[i], err);
        }
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
    const struct options options = options_join(config->options, config->server, &a);
    *ret_position = (struct sink_position){.applied = -1};
    bool complete = false;
    TRY(choose_mode(config, &options, &complete, err));
    if (complete)
        return complete_open(config, &options, ret, err);
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
    struct encoder *encoder;
    TRY(config->format->encoder_new(&schema, &options, &encoder, err));
    struct console_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = &ops;
    s->encoder = encoder;
    s->upsert = config->nkey > 0;
    s->cancelled = config->cancelled;
    *ret = &s->base;
    return OK;
}

const struct sink_connector sink_console_connector = {
    .name = "console",
    .options = console_options,
    .help = "rows on standard output; upserted tables whole, redrawn on a terminal, or what changed",
    .default_format = "table",
    .can_upsert = true,
    .guarantee = SINK_AT_LEAST_ONCE,
    .open = console_open,
};
