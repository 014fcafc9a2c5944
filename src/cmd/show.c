#include "cmd/show.h"

#include <stdio.h>

#include "base/os.h"
#include "cmd/account.h"
#include "cmd/cmd.h"
#include "cmd/result_print.h"
#include "engine/published.h"

enum { SHOWN_ROWS = 10 };

static enum status add_size(void *arg, const char *name, struct error *err);

struct walk {
    uint64_t bytes;
    const char *folder;
};

static enum status folder_size(const char *folder, uint64_t *bytes, struct error *err)
{
    struct walk w = {.folder = folder};
    TRY(os_folder_list(folder, add_size, &w, err));
    *bytes += w.bytes;
    return OK;
}

static enum status add_size(void *arg, const char *name, struct error *err)
{
    struct walk *w = arg;
    AUTO(arena) a = {0};
    const char *path = arena_printf(&a, "%s/%s", w->folder, name);
    struct os_stat st;
    TRY(os_stat(path, &st, err));
    if (st.kind == OS_FOLDER)
        return folder_size(path, &w->bytes, err);
    w->bytes += st.size;
    return OK;
}

/* A file may vanish between listing and stat (merging goes on): a size that is nearly right will do. */
static uint64_t size_of(const char *folder)
{
    uint64_t bytes = 0;
    struct error ignored;
    (void)folder_size(folder, &bytes, &ignored);
    return bytes;
}

static enum status show_table(struct published *p, const struct published_table *t, struct error *err)
{
    AUTO(buf) sql = BUF(KIB(64));
    buf_printf(&sql, "SELECT * FROM \"%s\"", t->table->name);
    for (uint32_t k = 0; k < t->table->nkey; k++)
        buf_printf(&sql, "%s\"%s\"", k ? ", " : " ORDER BY ", t->table->schema.names[t->table->key[k]]);
    buf_printf(&sql, " LIMIT %d", SHOWN_ROWS + 1);
    printf("\n%s\n", t->location);
    struct query_relations relations = published_relations(p);
    struct plan_text text = {"show", buf_slice(&sql)};
    unsigned width = cmd_is_terminal(1) ? cmd_terminal_width() : 0;
    return result_print(&text, &relations, RESULT_TABLE, width, SHOWN_ROWS, err);
}

static void show_ledger(const struct manifest *m)
{
    printf("\nthe ledger, %lld epoch%s\n", (long long)m->epoch, m->epoch == 1 ? "" : "s");
    account_print(&m->total, 1, false);
    account_print_rules(&m->total, "");
}

static void show_how_to_read(const struct published_table *t)
{
    printf("\nread %s elsewhere:\n"
           "  DuckDB   INSTALL delta; LOAD delta; SELECT * FROM delta_scan('%s');\n"
           "  Spark    spark.read.format(\"delta\").load(\"%s\").show()\n"
           "  Python   from deltalake import DeltaTable; print(DeltaTable(\"%s\").to_pyarrow_table())\n",
           t->table->name, t->location, t->location, t->location);
}

static enum status show(struct engine *e, struct published *p, struct error *err)
{
    uint64_t disk = size_of(engine_state_folder(e));
    TRY(published_open(engine_plan(e), engine_manifest(e), false, p, err));
    for (uint32_t i = 0; i < p->ntables; i++) {
        if (p->tables[i].delta && p->tables[i].table->nkey)
            TRY(show_table(p, &p->tables[i], err));
        disk += size_of(p->tables[i].location);
    }
    show_ledger(engine_manifest(e));
    char memory_text[16], disk_text[16];
    printf("\nused: %s of memory at most, %s of disk\n", cmd_bytes(os_memory_peak(), memory_text),
           cmd_bytes(disk, disk_text));
    for (uint32_t i = 0; i < p->ntables; i++)
        printf("%s %s\n", i ? "       " : "tables:", p->tables[i].location);
    if (p->ntables)
        show_how_to_read(&p->tables[0]);
    return OK;
}

int show_run(struct engine *e)
{
    struct published p = {0};
    struct error err;
    enum status s = show(e, &p, &err);
    published_release(&p);
    return s == OK ? 0 : cmd_fail(&err);
}
