/* delta_sink_tool: the Delta sink on the command line, for tests/interop/delta_sink.
 *
 *   delta_sink_tool LAKE TABLE IDENTITY COLUMNS [key=a,b] [adopt] [resync] [NAME=VALUE...]
 *
 * COLUMNS: "k int4 not null, v numeric(10,2)". NAME=VALUE are options of the table. The sink is opened, what it found
 * is
 * printed as "position APPLIED OTHER-OWNER", and commands are read from stdin:
 *
 *   +{...}            a row to insert or upsert, as JSON
 *   -{...}            a key to delete
 *   apply FROM TO     publish the rows above; prints "applied VERSION INSERTED UPDATED DELETED UNCHANGED FILES-ADDED
 *                     FILES-REMOVED BYTES MICROSECONDS"
 *   resync FROM TO    the table becomes the rows above; prints "resynced"
 *   rows N FROM       N made-up rows with keys from FROM on (columns are filled by type), for measuring
 *
 * A failure is printed as "error CODE RETRIABLE TEXT | HINT"; the rows are kept, so `apply` can be said again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "format/formats.h"
#include "sink/connectors.h"

enum { COLUMNS_MAX = 64, OPTIONS_MAX = 32, KEY_MAX = 8 };

struct made_set {
    struct change_set base;
    struct arena memory;
    struct batch *batches[1 << 14];
    uint32_t nbatches, next;
};

static const char *names[COLUMNS_MAX];
static struct type types[COLUMNS_MAX];
static bool nullable[COLUMNS_MAX];
static struct schema schema = {.names = names, .types = types, .nullable = nullable};
static uint32_t key[KEY_MAX], nkey;
static struct made_set set;
static char *lines[1 << 20];
static bool removes[1 << 20];
static uint32_t nlines;

static void say_error(const struct error *e)
{
    printf("error %s %s %s | %s\n", error_code_name(e->code), e->retriable ? "retriable" : "final", e->text, e->hint);
    fflush(stdout);
}

static void must(enum status status, const struct error *err)
{
    if (status == OK)
        return;
    say_error(err);
    exit(1);
}

/* "numeric(10,2)" -> numeric, with its modifiers. */
static void parse_type(char *text, struct type *ret)
{
    struct error err;
    int mods[2], nmods = 0;
    char *open = strchr(text, '(');
    if (open) {
        *open = 0;
        nmods = sscanf(open + 1, "%d,%d", &mods[0], &mods[1]);
    }
    must(type_parse(text, mods, nmods, ret, &err), &err);
}

static void parse_columns(char *text)
{
    while (*text) {
        text += strspn(text, ", ");
        char *end = text;
        for (int depth = 0; *end && (*end != ',' || depth); end++)
            depth += (*end == '(') - (*end == ')');
        if (*end)
            *end++ = 0;
        char *type = strchr(text, ' ');
        *type++ = 0;
        char *not_null = strstr(type, " not null");
        if (not_null)
            *not_null = 0;
        names[schema.ncols] = text;
        nullable[schema.ncols] = !not_null;
        parse_type(type, &types[schema.ncols++]);
        text = end;
    }
}

static void parse_key(char *text)
{
    for (char *rest = NULL, *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        for (uint32_t i = 0; i < schema.ncols; i++)
            if (strcmp(names[i], name) == 0)
                key[nkey++] = i;
}

/* ---- change sets ---- */

static enum status next_batch(struct change_set *c, struct arena *a, struct batch **ret, struct error *err)
{
    struct made_set *s = (struct made_set *)c;
    (void)a, (void)err;
    if (s->next == s->nbatches)
        return AGAIN;
    *ret = s->batches[s->next++];
    return OK;
}

static enum status rewind_set(struct change_set *c, struct error *err)
{
    (void)err;
    ((struct made_set *)c)->next = 0;
    return OK;
}

/* Lines [from, from + n) as a batch. */
static struct batch *decode(struct decoder *d, uint32_t from, uint32_t n)
{
    struct arena *a = &set.memory;
    struct batch *b = batch_make(a, types, schema.ncols, n);
    struct view *raw = arena_array(a, n, sizeof *raw);
    int64_t *weight = arena_array(a, n, sizeof *weight);
    struct decoded decoded = {0};
    for (uint32_t i = 0; i < n; i++) {
        char *line = arena_strdup(a, lines[from + i]);
        raw[i] = view_of(line, strlen(line));
        weight[i] = removes[from + i] ? -1 : 1;
        set.base.bytes += raw[i].len;
    }
    d->ops->decode(d, raw, n, b, a, &decoded);
    if (decoded.nbad || decoded.nfields) {
        printf("error usage final a row cannot be decoded: %s |\n",
               decoded.nfields ? decoded.fields[0].text : "no object");
        exit(2);
    }
    b->rows = b->live = n;
    b->weight = weight;
    return b;
}

static void make_set(int64_t from, int64_t to)
{
    static const struct options none = {0};
    struct error err;
    struct decoder *d;
    uint64_t all[BITMAP_WORDS(COLUMNS_MAX)];
    memset(all, 0xff, sizeof all);
    set.base = (struct change_set){.from = from,
                                   .to = to,
                                   .now_us = os_now_us(),
                                   .rows = nlines,
                                   .next = next_batch,
                                   .rewind = rewind_set,
                                   .bytes = set.base.bytes,
                                   .info = "{\"polled\":7}"};
    if (nlines == 0)
        return;
    must(format_json.decoder_new(&schema, all, &none, &d, &err), &err);
    for (uint32_t done = 0; done < nlines; done += BATCH_ROWS)
        set.batches[set.nbatches++] = decode(d, done, MIN(BATCH_ROWS, nlines - done));
    decoder_free(d);
}

static void clear_set(void)
{
    for (uint32_t i = 0; i < nlines; i++)
        free(lines[i]);
    nlines = 0;
    arena_release(&set.memory);
    set = (struct made_set){0};
}

/* A value that differs by row, of any type; every 16th of a nullable column is NULL. */
static void fill(struct column *c, uint32_t row, int64_t n, bool can_be_null, struct arena *a)
{
    if (can_be_null && n % 16 == 5) {
        bit_clear(c->valid, row);
        return;
    }
    bit_set(c->valid, row);
    char *text = arena_printf(a, "user-%08lld", (long long)(n % 500));
    switch ((enum type_id)c->type.id) {
    case TYPE_BOOL:
        ((uint8_t *)c->data)[row] = n & 1;
        break;
    case TYPE_INT4:
    case TYPE_DATE:
        ((int32_t *)c->data)[row] = (int32_t)n;
        break;
    case TYPE_FLOAT8:
        ((double *)c->data)[row] = (double)n / 7;
        break;
    case TYPE_NUMERIC:
        column_set_numeric(c, row, n * 37 % 50000);
        break;
    case TYPE_UUID:
        store_u64((char *)c->data + 16 * row, hash_mix((uint64_t)n)),
            store_u64((char *)c->data + 16 * row + 8, hash_mix((uint64_t)~n));
        break;
    case TYPE_TEXT:
        ((struct view *)c->data)[row] = view_of(text, strlen(text));
        break;
    default:
        ((int64_t *)c->data)[row] = n * 1000003;
        break;
    }
}

static void make_rows(uint32_t n, int64_t first)
{
    struct arena *a = &set.memory;
    for (uint32_t done = 0; done < n; done += BATCH_ROWS) {
        uint32_t rows = MIN(BATCH_ROWS, n - done);
        struct batch *b = batch_make(a, types, schema.ncols, rows);
        for (uint32_t i = 0; i < schema.ncols; i++) {
            b->cols[i] = column_make(a, types[i], rows, true);
            for (uint32_t row = 0; row < rows; row++)
                fill(&b->cols[i], row, first + done + row, nullable[i], a);
        }
        b->rows = b->live = rows;
        set.batches[set.nbatches++] = b;
        set.base.bytes += (uint64_t)rows * schema.ncols * 8;
    }
}

/* ---- commands ---- */

static void publish(struct sink *sink, bool resync, int64_t from, int64_t to)
{
    struct error err;
    struct sink_result r = {0};
    if (set.nbatches == 0)
        make_set(from, to);
    set.base.from = from, set.base.to = to;
    set.base.next = next_batch, set.base.rewind = rewind_set;
    int64_t start = os_mono_us();
    enum status status =
        resync ? sink->ops->resync(sink, &set.base, &err) : sink->ops->apply(sink, &set.base, &r, &err);
    if (status != OK) {
        say_error(&err);
        return;
    }
    if (resync)
        printf("resynced\n");
    else
        printf("applied %lld %llu %llu %llu %llu %llu %llu %llu %lld\n", (long long)r.version,
               (unsigned long long)r.inserted, (unsigned long long)r.updated, (unsigned long long)r.deleted,
               (unsigned long long)r.unchanged, (unsigned long long)r.files_added, (unsigned long long)r.files_removed,
               (unsigned long long)r.bytes_written, (long long)(os_mono_us() - start));
    fflush(stdout);
    clear_set();
}

static void command(struct sink *sink, char *line)
{
    long long from, to;
    unsigned rows;
    if (*line == '+' || *line == '-') {
        removes[nlines] = *line == '-';
        lines[nlines++] = mem_strdup(line + 1);
    } else if (sscanf(line, "apply %lld %lld", &from, &to) == 2)
        publish(sink, false, from, to);
    else if (sscanf(line, "resync %lld %lld", &from, &to) == 2)
        publish(sink, true, from, to);
    else if (sscanf(line, "rows %u %lld", &rows, &from) == 2)
        make_rows(rows, from);
    else
        exit(2);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    static struct option items[OPTIONS_MAX], lake[1];
    struct options options = {.items = items}, server = {.count = 1, .items = lake};
    lake[0] = (struct option){.name = "path", .value = argv[1]};
    struct sink_config config = {
        .table = argv[2], .identity = argv[3], .server = &server, .options = &options, .schema = &schema, .key = key};
    parse_columns(argv[4]);
    for (int i = 5; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "adopt") == 0)
            config.adopt = true;
        else if (strcmp(argv[i], "resync") == 0)
            config.resync = true;
        else if (strncmp(argv[i], "key=", 4) == 0)
            parse_key(equals + 1);
        else {
            *equals = 0;
            items[options.count++] = (struct option){.name = argv[i], .value = equals + 1};
        }
    }
    config.nkey = nkey;
    config.in_state = nkey > 0;
    struct error err;
    struct sink *sink;
    struct sink_position position;
    must(sink_delta_connector.open(&config, &sink, &position, &err), &err);
    printf("position %lld %s\n", (long long)position.applied, position.other_owner);
    fflush(stdout);
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        line[strcspn(line, "\n")] = 0;
        command(sink, line);
    }
    free(line);
    clear_set();
    sink->ops->free(sink);
    return 0;
}
