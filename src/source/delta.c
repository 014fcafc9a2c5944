/* A Delta table as a bounded source: the rows of one version, typed, in one split.
 *
 * A position is version << 40 | ordinal: the ordinal counts live rows, files taken in bytewise order of their paths.
 * Both follow from the version alone, so a run that is resumed goes on in the version it began with, whatever has been
 * committed since; as long as the files of that version have not been vacuumed. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "column/civil.h"
#include "lake/delta.h"
#include "lake/table_path.h"
#include "link/store_open.h"
#include "source/connectors.h"

enum { ORDINAL_BITS = 40 };
static const int64_t MAX_VERSION = INT64_C(1) << (62 - ORDINAL_BITS), MAX_ORDINAL = (INT64_C(1) << ORDINAL_BITS) - 1;

static const struct option_spec delta_options[] = {
    {"path", OPT_TEXT, .on_server = true, .on_table = true,
     .help =
         "server: the lake's folder, by default the working folder; table: its folder below that, by default its name"},
    {"version", OPT_INT, .min = 0, .max = (INT64_C(1) << 22) - 1, .on_table = true,
     .help = "read this version of the table, by default the newest"},
    {"timestamp", OPT_TEXT, .on_table = true,
     .help = "read the newest version committed at or before this time: 2026-11-21T06:00:00Z"},
    {0}};

struct delta_source {
    struct source base;
    struct arena memory;
    struct store *store;
    const char *place, *root;
    struct schema schema;
    struct delta_table *table;
    const struct delta_file **files; /* ascending by path */
    uint32_t nfiles, file;           /* the one being read */
    struct delta_reader *reader;     /* NULL: between files */
    struct arena rows;               /* of `batch` */
    struct batch *batch;             /* rows read and not yet all handed out; NULL: none */
    uint32_t given;                  /* live rows of it that were handed out */
    int64_t ordinal;                 /* of the next row */
    int64_t end;                     /* number of rows; -1: not known yet */
    bool announced;
};

static struct delta_source *source_of(struct source *base)
{
    return (struct delta_source *)base;
}

/* ---- one version ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const struct delta_file *const *)a)->path, (*(const struct delta_file *const *)b)->path);
}

static void close_version(struct delta_source *s)
{
    delta_reader_free(s->reader);
    s->reader = NULL;
    s->batch = NULL;
    delta_close(s->table);
    s->table = NULL;
    free(s->files);
    s->files = NULL;
}

/* Take the files of the table in order, at the first row. */
static void begin_version(struct delta_source *s)
{
    s->nfiles = delta_file_count(s->table);
    s->files = mem_array(MAX(s->nfiles, 1), sizeof *s->files);
    s->end = 0;
    for (uint32_t i = 0; i < s->nfiles; i++) {
        uint64_t rows;
        s->files[i] = delta_file_at(s->table, i);
        if (s->end >= 0)
            s->end = delta_file_rows(s->files[i], &rows) ? s->end + (int64_t)rows : -1;
    }
    qsort(s->files, s->nfiles, sizeof *s->files, by_path);
    s->file = 0;
    s->ordinal = 0;
}

static enum status check_columns(const struct delta_source *s, struct error *err)
{
    const struct schema *have = &s->table->metadata.schema;
    for (uint32_t i = 0; i < s->schema.ncols; i++) {
        bool found = false;
        for (uint32_t j = 0; j < have->ncols; j++)
            found = found || strcasecmp(have->names[j], s->schema.names[i]) == 0;
        if (found)
            continue;
        const char *near = nearest_name(s->schema.names[i], have->names, have->ncols);
        (void)error_set(err, ERR_STATE, "%s has no column \"%s\"", s->place, s->schema.names[i]);
        return near ? error_hint(err, "did you mean \"%s\"?", near) : FAILED;
    }
    return OK;
}

static enum status open_file(struct delta_source *s, struct error *err)
{
    if (delta_reader_open(s->table, s->files[s->file], &s->schema, &s->reader, err) != OK)
        return error_prefix(err, "%s", s->place);
    return OK;
}

/* Begin a version that was opened: what can be wrong with its columns is found now, not at the first row. */
static enum status start(struct delta_source *s, struct error *err)
{
    if (s->table->version >= MAX_VERSION)
        return error_set(err, ERR_LIMIT, "%s is at version %lld: bourn reads versions below %lld", s->place,
                         (long long)s->table->version, (long long)MAX_VERSION);
    begin_version(s);
    TRY(check_columns(s, err));
    return s->nfiles ? open_file(s, err) : OK;
}

static enum status open_newest(struct delta_source *s, const struct source_config *config, struct error *err)
{
    const char *version = option_text(config->options, delta_options, "version");
    const char *timestamp = option_text(config->options, delta_options, "timestamp");
    enum status status;
    if (version && timestamp)
        return error_set(err, ERR_SQL, "options version and timestamp exclude each other");
    if (timestamp) {
        int64_t us;
        bool zone;
        if (!civil_parse_timestamp(slice_of(timestamp), &us, &zone)) {
            (void)error_set(err, ERR_SQL, "option timestamp: \"%s\" is no date and time", timestamp);
            return error_hint(err, "write 2026-11-21T06:00:00Z");
        }
        status = delta_open_timestamp(s->store, s->root, us, &s->table, err);
    } else if (version)
        status = delta_open_version(s->store, s->root, option_int(config->options, delta_options, "version"), &s->table,
                                    err);
    else
        status = delta_open(s->store, s->root, &s->table, err);
    TRY(status); /* names the place itself */
    return start(s, err);
}

/* ---- reading ---- */

/* Pass over whole files as long as the log says how many rows they have. */
static enum status skip_rows(struct delta_source *s, int64_t ordinal, struct error *err)
{
    uint64_t rows;
    if (ordinal > 0) {
        delta_reader_free(s->reader);
        s->reader = NULL;
    }
    while (s->file < s->nfiles && delta_file_rows(s->files[s->file], &rows) && (int64_t)rows <= ordinal - s->ordinal) {
        s->ordinal += (int64_t)rows;
        s->file++;
    }
    while (s->ordinal < ordinal) {
        struct source_batch skipped;
        uint32_t n = (uint32_t)MIN(ordinal - s->ordinal, BATCH_ROWS);
        enum status got = s->base.ops->poll(&s->base, 0, n, &skipped, err);
        if (got == AGAIN)
            return error_set(err, ERR_STATE, "%s has %lld rows in version %lld: row %lld, to go on from, is not there",
                             s->place, (long long)s->ordinal, (long long)s->table->version, (long long)ordinal);
        TRY(got);
        s->base.ops->release(&s->base, &skipped);
    }
    return OK;
}

static enum status delta_seek(struct source *base, uint32_t split, int64_t position, struct error *err)
{
    struct delta_source *s = source_of(base);
    (void)split;
    int64_t version = position == POSITION_START ? s->table->version : position >> ORDINAL_BITS;
    int64_t ordinal = position == POSITION_START ? 0 : position & MAX_ORDINAL;
    bool newest = version == s->table->version;
    if (!newest || s->ordinal > 0) {
        close_version(s);
        if (delta_open_version(s->store, s->root, version, &s->table, err) != OK)
            return error_prefix(err, "going on with the version the run began with");
        TRY(start(s, err));
    }
    return skip_rows(s, ordinal, err);
}

/* Make s->batch one with rows that were not handed out. AGAIN: the end. */
static enum status fill(struct delta_source *s, struct error *err)
{
    while (!s->batch || s->given == batch_live(s->batch)) {
        if (s->file == s->nfiles) {
            s->end = s->ordinal;
            return AGAIN;
        }
        if (!s->reader)
            TRY(open_file(s, err));
        arena_reset(&s->rows);
        s->given = 0;
        s->batch = NULL;
        if (delta_reader_next(s->reader, &s->rows, &s->batch, err) != OK)
            return error_prefix(err, "%s", s->place);
        if (s->batch)
            continue;
        delta_reader_free(s->reader);
        s->reader = NULL;
        s->file++;
    }
    return OK;
}

/* Live rows [from, from + n) of a batch as a batch of their own, without a selection. */
static struct batch *dense_rows(const struct batch *b, uint32_t from, uint32_t n, struct arena *a)
{
    struct batch *out = arena_zalloc(a, sizeof *out);
    *out = (struct batch){.rows = n, .live = n, .ncols = b->ncols, .arena = a};
    out->cols = arena_array(a, b->ncols, sizeof *out->cols);
    for (uint32_t i = 0; i < b->ncols; i++) {
        const struct column *in = &b->cols[i];
        size_t width = type_width(in->type);
        out->cols[i] = column_make(a, in->type, n, in->valid != NULL);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t row = batch_row(b, from + k);
            if (!column_is_null(in, row) && in->valid)
                bit_set(out->cols[i].valid, k);
            memcpy((char *)out->cols[i].data + k * width, (const char *)in->data + row * width, width);
            if (type_is_view(in->type) && !column_is_null(in, row))
                ((struct view *)out->cols[i].data)[k] = view_copy(*column_view(in, row), a);
        }
    }
    return out;
}

static enum status delta_poll(struct source *base, uint32_t split, uint32_t max_rows, struct source_batch *ret,
                              struct error *err)
{
    struct delta_source *s = source_of(base);
    (void)split;
    TRY(fill(s, err));
    uint32_t n = MIN(MIN(max_rows, BATCH_ROWS), batch_live(s->batch) - s->given);
    int64_t first = s->table->version << ORDINAL_BITS | s->ordinal;
    struct arena *owner = mem_zalloc(sizeof *owner);
    struct batch *typed;
    if (n == s->batch->rows && !s->batch->sel) { /* the usual case: hand over what was read */
        typed = s->batch;
        *owner = s->rows;
        typed->arena = owner;
        s->rows = (struct arena){0};
        s->batch = NULL;
    } else {
        typed = dense_rows(s->batch, s->given, n, owner);
        s->given += n;
    }
    int64_t *offset = arena_array(owner, n, sizeof *offset);
    for (uint32_t i = 0; i < n; i++)
        offset[i] = first + i;
    s->ordinal += n;
    *ret = (struct source_batch){.rows = n,
                                 .typed = typed,
                                 .owner = owner,
                                 .bytes = owner->total,
                                 .origin = {.topic = s->place, .offset = offset},
                                 .next_position = first + n};
    return OK;
}

static void delta_release(struct source *base, struct source_batch *b)
{
    (void)base;
    arena_release(b->owner);
    free(b->owner);
}

static enum status delta_splits(struct source *base, struct split *ret, uint32_t max, uint32_t *ret_count,
                                struct error *err)
{
    struct delta_source *s = source_of(base);
    (void)err;
    *ret_count = 0;
    if (s->announced || max == 0)
        return OK;
    s->announced = true;
    snprintf(ret->name, sizeof ret->name, "%s", s->place);
    ret->number = 0;
    *ret_count = 1;
    return OK;
}

static int64_t delta_end_position(struct source *base, uint32_t split)
{
    const struct delta_source *s = source_of(base);
    (void)split;
    return s->end < 0 ? -1 : (s->table->version << ORDINAL_BITS | s->end);
}

static bool delta_finished(struct source *base, uint32_t split)
{
    const struct delta_source *s = source_of(base);
    (void)split;
    return s->end == s->ordinal; /* fill finds the end where the log does not tell it */
}

static void delta_free(struct source *base)
{
    struct delta_source *s = source_of(base);
    close_version(s);
    store_free(s->store);
    arena_release(&s->rows);
    arena_release(&s->memory);
    free(s);
}

static const struct source_ops delta_ops = {
    .splits = delta_splits,
    .seek = delta_seek,
    .poll = delta_poll,
    .release = delta_release,
    .end_position = delta_end_position,
    .finished = delta_finished,
    .free = delta_free,
};

/* ---- opening ---- */

static enum status configure(struct delta_source *s, const struct source_config *config, struct error *err)
{
    const char *lake = option_text(config->server, delta_options, "path");
    const char *path = option_text(config->options, delta_options, "path");
    s->schema = *config->schema;
    TRY(table_path(path ? path : config->table, &s->memory, &s->root, err));
    s->place = arena_printf(&s->memory, "%s/%s", lake ? lake : ".", s->root);
    return store_open(lake ? lake : ".", &s->store, err);
}

static enum status delta_source_open(const struct source_config *config, struct source **ret, struct error *err)
{
    struct delta_source *s = mem_zalloc(sizeof *s);
    s->base.ops = &delta_ops;
    if (configure(s, config, err) != OK || open_newest(s, config, err) != OK) {
        delta_free(&s->base);
        return FAILED;
    }
    *ret = &s->base;
    return OK;
}

static bool delta_bounded(const struct options *server, const struct options *table)
{
    (void)server, (void)table;
    return true;
}

const struct source_connector source_delta_connector = {
    .name = "delta",
    .options = delta_options,
    .help = "one version of a Delta Lake table, from its first row to its last",
    .bounded = delta_bounded,
    .open = delta_source_open,
};
