/* What run.py drives: bourn's Parquet and Delta code from the command line, tables as text (copytext.h). */
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "copytext.h"
#include "lake/delta.h"
#include "link/local.h"

static enum status read_input(struct buf *text, struct arena *a, struct schema *ret, struct slice *ret_rows,
                              struct error *err)
{
    TRY(copytext_stdin(text, err));
    const char *end = memchr(text->data, '\n', text->len);
    if (!end)
        return error_set(err, ERR_USAGE, "no header line");
    size_t n = (size_t)(end - text->data);
    *ret_rows = (struct slice){end + 1, text->len - n - 1};
    return copytext_schema((struct slice){text->data, n}, a, ret, err);
}

static enum status write_rows(struct parquet_writer *w, const struct schema *s, struct slice rows, struct error *err)
{
    for (struct batch *b;;) {
        AUTO(arena) a = {0};
        TRY(copytext_batch(s, &rows, &a, &b, err));
        if (!b)
            return OK;
        TRY(parquet_writer_add(w, b, err));
    }
}

static enum status write_parquet(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(GIB(2));
    struct schema schema;
    struct slice rows;
    struct parquet_options o = {0};
    if (argc > 1)
        o.codec = strcmp(argv[1], "snappy") == 0 ? PARQUET_SNAPPY : strcmp(argv[1], "plain") == 0 ? PARQUET_PLAIN : 0;
    if (argc > 2)
        o.row_group_rows = (uint32_t)atoi(argv[2]);
    TRY(read_input(&text, &a, &schema, &rows, err));
    AUTO(parquet_writer) *w = parquet_writer_new(&schema, &o);
    TRY(write_rows(w, &schema, rows, err));
    struct parquet_file file;
    TRY(parquet_writer_finish(w, &file, err));
    AUTO(buf) stats = BUF(MIB(64));
    delta_stats_json(&file, &stats);
    puts(buf_cstr(&stats));
    return store->ops->put(store, argv[0], file.parts, file.nparts, err);
}

/* FILE [COLUMN:TYPE...]: all columns, or those. */
static enum status read_parquet(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(parquet_reader) *r = NULL;
    AUTO(buf) out = BUF(GIB(2));
    AUTO(buf) header = BUF(MIB(1));
    struct schema want;
    TRY(parquet_reader_open(store, argv[0], &r, err));
    want = *parquet_reader_schema(r);
    for (int i = 1; i < argc; i++)
        buf_printf(&header, "%s%s", i > 1 ? "\t" : "", argv[i]);
    if (argc > 1)
        TRY(copytext_schema(buf_slice(&header), &a, &want, err));
    TRY(parquet_reader_select(r, &want, err));
    copytext_print_schema(&want, &out);
    for (struct batch *b;;) {
        AUTO(arena) rows = {0};
        TRY(parquet_reader_next(r, &rows, &b, err));
        if (!b)
            break;
        copytext_print(b, &out);
    }
    fwrite(out.data, 1, out.len, stdout);
    return OK;
}

/* What the same rows take to be read again. */
static enum status bench_read(const struct parquet_file *file, struct error *err)
{
    AUTO(buf) bytes = BUF(GIB(2));
    AUTO(parquet_reader) *r = NULL;
    AUTO(arena) a = {0};
    for (size_t i = 0; i < file->nparts; i++)
        buf_put_slice(&bytes, file->parts[i]);
    int64_t start = os_cpu_us();
    TRY(parquet_reader_open_bytes(buf_slice(&bytes), "bench", &r, err));
    for (struct batch *b;;) {
        arena_reset(&a);
        TRY(parquet_reader_next(r, &a, &b, err));
        if (!b)
            break;
    }
    printf("read %.2f M rows/s\n", (double)file->rows / (double)(os_cpu_us() - start));
    return OK;
}

/* One core, ten million rows of five narrow columns. */
static enum status bench(struct store *store, int argc, char **argv, struct error *err)
{
    (void)store;
    enum { BATCHES = 5000 };
    struct type types[] = {TYPE(TYPE_INT8), TYPE(TYPE_INT8), TYPE(TYPE_TIMESTAMPTZ), type_numeric(18, 2),
                           TYPE(TYPE_TEXT)};
    const char *names[] = {"id", "user", "ts", "amount", "channel"};
    struct schema s = {.ncols = argc > 0 ? (uint32_t)atoi(argv[0]) : 5, .names = names, .types = types};
    AUTO(arena) a = {0};
    struct batch *b = batch_make(&a, types, s.ncols, BATCH_ROWS);
    AUTO(parquet_writer) *w = parquet_writer_new(&s, NULL);
    static const char *const channels[] = {"web", "mobile", "api"};
    uint64_t x = 88172645463325252u;
    int64_t spent = 0;
    b->rows = b->live = BATCH_ROWS;
    for (int k = 0; k < BATCHES; k++) {
        for (int i = 0; i < BATCH_ROWS; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            int64_t row = (int64_t)k * BATCH_ROWS + i;
            int64_t values[] = {row, (int64_t)(x % 500), 1700000000000000 + row * 100, (int64_t)(x >> 32) % 50000};
            for (uint32_t c = 0; c < MIN(s.ncols, 4u); c++)
                ((int64_t *)b->cols[c].data)[i] = values[c];
            if (s.ncols == 5)
                ((struct view *)b->cols[4].data)[i] = view_of(channels[x % 3], strlen(channels[x % 3]));
        }
        int64_t start = os_cpu_us();
        TRY(parquet_writer_add(w, b, err));
        spent += os_cpu_us() - start;
    }
    struct parquet_file file;
    int64_t start = os_cpu_us();
    TRY(parquet_writer_finish(w, &file, err));
    spent += os_cpu_us() - start;
    printf("wrote %.2f M rows/s, %.2f bytes a row\n", (double)BATCHES * BATCH_ROWS / (double)spent,
           (double)file.bytes / BATCHES / BATCH_ROWS);
    return bench_read(&file, err);
}

/* ---- Delta ---- */

/* The value of "key=value" among the arguments, or NULL. */
static const char *argument(int argc, char **argv, const char *key)
{
    size_t n = strlen(key);
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    return NULL;
}

static enum status open_table(struct store *store, int argc, char **argv, struct delta_table **ret, struct error *err)
{
    const char *version = argument(argc, argv, "version"), *us = argument(argc, argv, "us");
    if (us)
        return delta_open_timestamp(store, argv[0], atoll(us), ret, err);
    return version ? delta_open_version(store, argv[0], atoll(version), ret, err)
                   : delta_open(store, argv[0], ret, err);
}

/* partition=a,b and every delta.* argument describe a new table. */
static enum status open_or_new(struct store *store, int argc, char **argv, const struct schema *schema, struct arena *a,
                               struct delta_table **ret, struct error *err)
{
    enum status status = delta_open(store, argv[0], ret, err);
    if (status == OK || err->code != ERR_NOT_FOUND)
        return status;
    const char *partition[16], *list = argument(argc, argv, "partition");
    struct delta_pair properties[16];
    uint32_t npartition = 0, nproperties = 0;
    for (char *p = list ? arena_strdup(a, list) : NULL; p && *p;) {
        partition[npartition++] = p;
        p += strcspn(p, ",");
        if (*p)
            *p++ = 0;
    }
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "delta.", 6) == 0) {
            char *name = arena_strdup(a, argv[i]), *equals = strchr(name, '=');
            *equals = 0;
            properties[nproperties++] = (struct delta_pair){name, equals + 1};
        }
    return delta_new(store, argv[0], schema, partition, npartition, properties, nproperties, ret, err);
}

/* The rows of one partition on their way into one file. */
struct part {
    char *key; /* partition values, one a line */
    const char **values;
    struct parquet_writer *writer;
};

struct parts {
    struct part items[4096];
    uint32_t n;
    struct arena arena;
    struct schema stored; /* without partition columns */
    uint32_t stored_column[256], npartition, partition_column[16];
    struct parquet_options options;
};

static void parts_release(struct parts *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        parquet_writer_free(p->items[i].writer);
    arena_release(&p->arena);
    free(p);
}

static struct part *find_part(struct parts *p, const struct batch *b, uint32_t row)
{
    AUTO(buf) key = BUF(MIB(8));
    const char *values[16];
    for (uint32_t i = 0; i < p->npartition; i++) {
        size_t start = key.len;
        bool there = delta_partition_print(&b->cols[p->partition_column[i]], row, &key);
        values[i] = there ? arena_strndup(&p->arena, key.data + start, key.len - start) : NULL;
        buf_puts(&key, there ? "\n" : "\\N\n");
    }
    for (uint32_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].key, buf_cstr(&key)) == 0)
            return &p->items[i];
    assert(p->n < ARRAY_LEN(p->items));
    struct part *part = &p->items[p->n++];
    part->key = arena_strdup(&p->arena, buf_cstr(&key));
    part->values = arena_dup(&p->arena, values, sizeof values);
    part->writer = parquet_writer_new(&p->stored, &p->options);
    return part;
}

static enum status add_batch(struct parts *p, struct batch *b, struct error *err)
{
    struct batch stored = *b;
    stored.ncols = p->stored.ncols;
    stored.cols = arena_array(b->arena, stored.ncols, sizeof *stored.cols);
    for (uint32_t c = 0; c < stored.ncols; c++)
        stored.cols[c] = b->cols[p->stored_column[c]];
    if (!p->npartition)
        return parquet_writer_add(find_part(p, b, 0)->writer, &stored, err);
    for (uint32_t i = 0; i < batch_live(b); i++) {
        uint32_t row = batch_row(b, i);
        stored.sel = &row;
        stored.live = 1;
        TRY(parquet_writer_add(find_part(p, b, row)->writer, &stored, err));
    }
    return OK;
}

static struct parts *parts_new(const struct delta_table *t, const struct schema *rows, int argc, char **argv)
{
    struct parts *p = mem_zalloc(sizeof *p);
    const struct delta_metadata *m = &t->metadata;
    const char *codec = argument(argc, argv, "codec"), *group = argument(argc, argv, "group");
    p->options.codec = codec && strcmp(codec, "snappy") == 0 ? PARQUET_SNAPPY : PARQUET_ZSTD;
    p->options.row_group_rows = group ? (uint32_t)atoi(group) : 0;
    p->stored.names = arena_array(&p->arena, rows->ncols, sizeof *p->stored.names);
    p->stored.types = arena_array(&p->arena, rows->ncols, sizeof *p->stored.types);
    p->stored.nullable = arena_array(&p->arena, rows->ncols, sizeof *p->stored.nullable);
    for (uint32_t i = 0; i < m->npartition; i++)
        p->partition_column[p->npartition++] = m->partition[i];
    for (uint32_t c = 0; c < rows->ncols; c++) {
        bool partition = false;
        for (uint32_t i = 0; i < p->npartition; i++)
            partition |= p->partition_column[i] == c;
        if (partition)
            continue;
        p->stored_column[p->stored.ncols] = c;
        p->stored.names[p->stored.ncols] = rows->names[c];
        p->stored.types[p->stored.ncols] = rows->types[c];
        p->stored.nullable[p->stored.ncols++] = !rows->nullable || rows->nullable[c];
    }
    return p;
}

static enum status put_parts(struct delta_table *t, struct parts *p, struct delta_add **ret, struct error *err)
{
    struct delta_add *adds = arena_zarray(&p->arena, MAX(p->n, 1u), sizeof *adds);
    for (uint32_t i = 0; i < p->n; i++) {
        AUTO(buf) path = BUF(KIB(64));
        AUTO(buf) stats = BUF(MIB(64));
        struct parquet_file file;
        TRY(parquet_writer_finish(p->items[i].writer, &file, err));
        delta_new_path(t, p->items[i].values, p->options.codec, &path);
        delta_stats_json(&file, &stats);
        TRY(delta_put_file(t, buf_cstr(&path), &file, err));
        adds[i] = (struct delta_add){.path = arena_strdup(&p->arena, buf_cstr(&path)),
                                     .bytes = file.bytes,
                                     .partition = p->items[i].values,
                                     .stats = arena_strdup(&p->arena, buf_cstr(&stats))};
    }
    *ret = adds;
    return OK;
}

static enum status commit(struct delta_table *t, struct delta_commit *c, struct error *err)
{
    for (enum delta_outcome outcome;;) {
        TRY(delta_commit(t, c, &outcome, err));
        if (outcome == DELTA_COMMITTED)
            break;
        AUTO(delta_changes) changes = {0};
        TRY(delta_refresh(t, &changes, err));
        if (changes.metadata || c->nremoves)
            return error_set(err, ERR_CONFLICT, "somebody else changed the table");
    }
    printf("version %lld\n", (long long)t->version);
    return delta_checkpoint_due(t) ? delta_checkpoint(t, err) : OK;
}

/* TABLE [partition=a,b] [app=ID:VERSION] [codec=snappy] [group=ROWS] [delta.PROPERTY=VALUE...], rows on stdin. */
static enum status append_rows(struct delta_table *t, const struct schema *schema, struct slice rows, int argc,
                               char **argv, struct parts *parts, struct error *err)
{
    struct delta_pair parameters[] = {{"mode", "Append"}};
    struct delta_commit c = {.operation = "WRITE",
                             .parameters = parameters,
                             .nparameters = 1,
                             .blind_append = true,
                             .data_change = true,
                             .schema = schema};
    char app[100] = "";
    long long version = 0;
    for (struct batch *b;;) {
        AUTO(arena) a = {0};
        TRY(copytext_batch(schema, &rows, &a, &b, err));
        if (!b)
            break;
        TRY(add_batch(parts, b, err));
    }
    struct delta_add *adds;
    TRY(put_parts(t, parts, &adds, err));
    c.adds = adds;
    c.nadds = parts->n;
    const char *txn = argument(argc, argv, "app");
    if (txn && sscanf(txn, "%99[^:]:%lld", app, &version) == 2) {
        c.app_id = app;
        c.app_version = version;
    }
    return commit(t, &c, err);
}

static enum status append(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(arena) a = {0};
    AUTO(buf) text = BUF(GIB(2));
    AUTO(delta_table) *t = NULL;
    struct schema schema;
    struct slice rows;
    TRY(read_input(&text, &a, &schema, &rows, err));
    TRY(open_or_new(store, argc, argv, &schema, &a, &t, err));
    struct parts *parts = parts_new(t, &schema, argc, argv);
    enum status status = append_rows(t, &schema, rows, argc, argv, parts, err);
    parts_release(parts);
    return status;
}

/* TABLE [version=N | us=N] [columns=COLUMN:TYPE;...]: all columns, or those. */
static enum status read_table(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(delta_table) *t = NULL;
    AUTO(arena) own = {0};
    AUTO(buf) out = BUF(GIB(2));
    const char *columns = argument(argc, argv, "columns");
    struct schema want;
    TRY(open_table(store, argc, argv, &t, err));
    want = t->metadata.schema;
    if (columns) {
        char *line = arena_strdup(&own, columns);
        for (char *p = line; (p = strchr(p, ';'));)
            *p = '\t';
        TRY(copytext_schema(slice_of(line), &own, &want, err));
    }
    copytext_print_schema(&want, &out);
    for (uint32_t i = 0; i < delta_file_count(t); i++) {
        AUTO(delta_reader) *r = NULL;
        TRY(delta_reader_open(t, delta_file_at(t, i), &want, &r, err));
        for (struct batch *b;;) {
            AUTO(arena) a = {0};
            TRY(delta_reader_next(r, &a, &b, err));
            if (!b)
                break;
            copytext_print(b, &out);
        }
    }
    fwrite(out.data, 1, out.len, stdout);
    return OK;
}

/* One line of JSON a fact: the version, then each file with its rows and bounds. */
static enum status info(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(delta_table) *t = NULL;
    TRY(open_table(store, argc, argv, &t, err));
    const char *id;
    int64_t version, updated;
    printf("version\t%lld\ncheckpoint\t%lld\n", (long long)t->version, (long long)t->checkpoint_version);
    for (uint32_t i = 0; delta_txn_at(t, i, &id, &version, &updated); i++)
        printf("txn\t%s\t%lld\n", id, (long long)version);
    for (uint32_t i = 0; i < delta_file_count(t); i++) {
        AUTO(arena) a = {0};
        AUTO(buf) text = BUF(MIB(64));
        const struct delta_file *f = delta_file_at(t, i);
        uint64_t rows = 0;
        bool known = delta_file_rows(f, &rows);
        printf("file\t%s\t%lld\n", f->path, known ? (long long)rows : -1);
        copytext_print(delta_file_bounds(t, f, &a), &text);
        printf("%.*s", (int)text.len, text.data);
    }
    return OK;
}

/* All rows into one file a partition: dataChange=false, or, with `change`, as if rows had changed. */
static enum status rewrite_rows(struct delta_table *t, int argc, char **argv, struct parts *parts, struct error *err)
{
    uint32_t n = delta_file_count(t);
    const struct delta_file **removes = arena_array(&parts->arena, MAX(n, 1u), sizeof *removes);
    for (uint32_t i = 0; i < n; i++) {
        AUTO(delta_reader) *r = NULL;
        removes[i] = delta_file_at(t, i);
        TRY(delta_reader_open(t, removes[i], NULL, &r, err));
        for (struct batch *b;;) {
            AUTO(arena) a = {0};
            TRY(delta_reader_next(r, &a, &b, err));
            if (!b)
                break;
            TRY(add_batch(parts, b, err));
        }
    }
    struct delta_add *adds;
    TRY(put_parts(t, parts, &adds, err));
    bool change = argument(argc, argv, "change") != NULL;
    struct delta_commit c = {.operation = change ? "MERGE" : "OPTIMIZE",
                             .data_change = change,
                             .adds = adds,
                             .nadds = parts->n,
                             .removes = removes,
                             .nremoves = n};
    return commit(t, &c, err);
}

static enum status rewrite(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(delta_table) *t = NULL;
    TRY(open_table(store, argc, argv, &t, err));
    struct parts *parts = parts_new(t, &t->metadata.schema, argc, argv);
    enum status status = rewrite_rows(t, argc, argv, parts, err);
    parts_release(parts);
    return status;
}

static enum status checkpoint(struct store *store, int argc, char **argv, struct error *err)
{
    AUTO(delta_table) *t = NULL;
    TRY(open_table(store, argc, argv, &t, err));
    return delta_checkpoint(t, err);
}

static const struct command {
    const char *name;
    enum status (*run)(struct store *store, int argc, char **argv, struct error *err);
    int min_args;
} commands[] = {
    {"write-parquet", write_parquet, 1},
    {"read-parquet", read_parquet, 1},
    {"append", append, 1},
    {"read", read_table, 1},
    {"info", info, 1},
    {"rewrite", rewrite, 1},
    {"checkpoint", checkpoint, 1},
    {"bench", bench, 0},
};

/* lake_tool FOLDER COMMAND [ARG...] */
int main(int argc, char **argv)
{
    struct error err = {0};
    for (size_t i = 0; argc > 2 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, argv[2]) != 0 || argc - 3 < commands[i].min_args)
            continue;
        struct store *store = store_local_new(argv[1]);
        enum status status = commands[i].run(store, argc - 3, argv + 3, &err);
        store_free(store);
        char line[1100];
        if (status != OK)
            fprintf(stderr, "%s: %s\n", error_code_name(err.code), error_print(&err, line, sizeof line));
        return status == OK ? 0 : 1;
    }
    fprintf(stderr, "usage: lake_tool FOLDER COMMAND [ARG...]\n");
    return 2;
}
