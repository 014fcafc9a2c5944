/* What run.py drives: bourn's Parquet and Delta code from the command line, tables as text (copytext.h). */
#include <stdio.h>
#include <stdlib.h>

#include "copytext.h"
#include "base/os.h"
#include "lake/delta.h"
#include "link/local.h"

struct options {
    const char *folder, *name;
    struct parquet_options parquet;
};

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
    return OK;
}

static const struct command {
    const char *name;
    enum status (*run)(struct store *store, int argc, char **argv, struct error *err);
    int min_args;
} commands[] = {
    {"write-parquet", write_parquet, 1},
    {"read-parquet", read_parquet, 1},
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
