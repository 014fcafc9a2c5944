#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "lake/table_path.h"
#include "link/store_open.h"
#include "sink/connectors.h"
#include "sink/delta_sink.h"

enum { ATTEMPTS = 30 };
static const uint64_t KEY_CACHE_BYTES = MIB(32);

static const struct option_spec delta_options[] = {
    {"path", OPT_TEXT, .on_server = true, .on_table = true,
     .help =
         "server: the lake's folder, by default the working folder; table: its folder below that, by default its name"},
    {"partition_by", OPT_TEXT, .on_table = true, .help = "columns a new table is partitioned by, separated by commas"},
    {"target_file_size", OPT_BYTES, .value = "128 MB", .min = 64 << 10, .max = INT64_C(1) << 30, .on_table = true,
     .help = "a data file is closed at this size"},
    {"compression", OPT_CHOICE, .value = "zstd", .choices = "zstd snappy", .on_table = true, .help = "of data files"},
    {"compact_files", OPT_INT, .value = "32", .min = 0, .max = 100000, .on_table = true,
     .help = "this many small files of about one size are merged into one (0: never)"},
    {"merge_schema", OPT_BOOL, .value = "false", .on_table = true,
     .help = "add columns to the table that it does not have yet"},
    {0}};

static struct delta_sink *sink_of(struct sink *base)
{
    return (struct delta_sink *)base;
}

/* ---- looking at the table ---- */

static enum status check_partition(const struct delta_sink *s, struct error *err)
{
    const struct delta_metadata *m = &s->table->metadata;
    bool same = !s->partition_by || s->npartition_by == m->npartition;
    for (uint32_t i = 0; same && s->partition_by && i < m->npartition; i++)
        same = strcmp(s->partition_by[i], m->schema.names[m->partition[i]]) == 0;
    if (same)
        return OK;
    AUTO(buf) by = BUF(KIB(1));
    for (uint32_t i = 0; i < m->npartition; i++)
        buf_printf(&by, "%s%s", i ? ", " : "", m->schema.names[m->partition[i]]);
    (void)error_set(err, ERR_STATE, "%s is %s%s, unlike partition_by says", s->place,
                    m->npartition ? "partitioned by " : "not partitioned", m->npartition ? buf_cstr(&by) : "");
    return error_hint(err, "leave out partition_by to take the table as it is, or write to another path");
}

/* May rows of ours go into this table? */
static enum status check_table(const struct delta_sink *s, struct error *err)
{
    uint32_t missing = 0;
    if (s->table->version < 0)
        return OK;
    if (delta_check_append(s->table, err) != OK || (s->nkey && delta_check_rewrite(s->table, err) != OK))
        return error_prefix(err, "%s", s->place);
    if (delta_check_schema(s->table, &s->schema, &missing, err) != OK)
        return error_prefix(err, "%s", s->place);
    if (missing > 0 && !s->merge_schema) {
        (void)error_set(err, ERR_STATE, "%s has no column \"%s\"", s->place,
                        s->schema.names[s->schema.ncols - missing]);
        return error_hint(err, "the table option merge_schema 'true' adds it");
    }
    TRY(check_partition(s, err));
    return delta_check_retention(s, err);
}

static enum status rows_are_gone(const struct delta_sink *s, struct error *err)
{
    return error_hint(err, "%s", s->in_state ? "--resync writes it anew from the state"
                                             : "bring it back; --adopt goes on without the rows that are gone");
}

static enum status open_table(struct delta_sink *s, struct error *err)
{
    struct error why;
    if (delta_open(s->store, s->root, &s->table, &why) == OK)
        return check_table(s, err);
    if (why.code != ERR_NOT_FOUND) {
        *err = why;
        return FAILED;
    }
    if (s->applied > 0) {
        (void)error_set(err, ERR_STATE, "%s is gone: epochs to %lld had been published to it", s->place,
                        (long long)s->applied);
        return rows_are_gone(s, err);
    }
    if (delta_new(s->store, s->root, &s->schema, s->partition_by, s->npartition_by, NULL, 0, &s->table, err) != OK)
        return error_prefix(err, "%s", s->place);
    return OK;
}

/* Bring the snapshot up to date. *ret_replan: what was staged against the last one may not fit any more. */
static enum status look(struct delta_sink *s, bool *ret_replan, struct error *err)
{
    if (!s->table || s->table->version < 0) {
        bool expected_none = s->table != NULL;
        delta_close(s->table);
        s->table = NULL;
        *ret_replan = true;
        TRY(open_table(s, err));
        *ret_replan = !expected_none || s->table->version >= 0;
        return OK;
    }
    AUTO(delta_changes) changes = {0};
    if (delta_refresh(s->table, &changes, err) != OK) {
        delta_close(s->table);
        s->table = NULL;
        return err->code == ERR_STATE ? rows_are_gone(s, err) : FAILED; /* its log is gone, in full or in part */
    }
    if (changes.recreated) {
        (void)error_set(err, ERR_STATE, "%s was replaced by another table while bourn wrote to it", s->place);
        return rows_are_gone(s, err);
    }
    *ret_replan = changes.protocol || changes.metadata;
    if (*ret_replan)
        TRY(check_table(s, err));
    TRY(delta_check_others(s, changes.from, changes.to, err));
    return delta_check_replaced(s, &changes, err);
}

/* What happened to the table while we were not looking? */
static enum status check_absence(struct delta_sink *s, int64_t applied, struct error *err)
{
    if (applied > 0 && !s->absence_checked) {
        TRY(delta_check_absence(s, err));
        TRY(guard_check_newest(s, err));
    }
    s->absence_checked = true;
    return OK;
}

/* Which epochs of ours are in the table? *ret_done: all up to `to`. */
static enum status check_position(struct delta_sink *s, const struct change_set *c, bool *ret_done, struct error *err)
{
    int64_t applied = 0;
    TRY(guard_check(s, err));
    if (!delta_txn_version(s->table, s->identity, &applied, NULL))
        applied = 0;
    *ret_done = applied >= c->to && !os_planted_bug("delta_apply_not_idempotent");
    if (*ret_done)
        return OK;
    if (applied < s->applied)
        return error_set(err, ERR_STATE, "%s holds epochs to %lld only, after %lld had been published to it", s->place,
                         (long long)applied, (long long)s->applied);
    if (!s->nkey && applied >= c->from && applied < c->to)
        return error_set(err, ERR_FENCED,
                         "%s holds epochs to %lld, within those to be published, %lld to %lld: "
                         "another instance of this pipeline wrote them",
                         s->place, (long long)applied, (long long)c->from, (long long)c->to);
    return check_absence(s, applied, err);
}

/* ---- staging ---- */

static void take_all_files(struct upsert *u, const struct delta_table *t)
{
    u->nremoves = delta_file_count(t);
    u->removes = arena_array(&u->memory, u->nremoves + 1, sizeof *u->removes);
    for (uint32_t i = 0; i < u->nremoves; i++)
        u->removes[i] = delta_file_at(t, i);
}

enum apply_mode { MODE_APPEND, MODE_UPSERT, MODE_RESYNC };

static enum status prepare(struct upsert *u, struct delta_sink *s, enum apply_mode mode, struct change_set *c,
                           struct sink_result *result, struct error *err)
{
    upsert_release(u);
    *u = (struct upsert){0};
    *result = (struct sink_result){.version = -1};
    bool begun = mode == MODE_APPEND && stage_take_ahead(s, c, &u->stage);
    if (begun && !os_planted_bug("staged_twice"))
        TRY(c->rest(c, err));
    else if (!os_planted_bug("delta_forgets_rewind"))
        TRY(c->rewind(c, err));
    if (mode == MODE_UPSERT)
        return upsert_prepare(u, s, c, result, err);
    if (!begun)
        stage_init(&u->stage, s);
    TRY(stage_add_all(&u->stage, c, err));
    TRY(stage_close_files(&u->stage, err));
    result->inserted = u->stage.rows;
    if (mode == MODE_RESYNC)
        take_all_files(u, s->table);
    return OK;
}

/* ---- committing ---- */

static struct delta_pair number_pair(struct arena *a, const char *name, uint64_t value)
{
    return (struct delta_pair){name, arena_printf(a, "%llu", (unsigned long long)value)};
}

static enum status commit_staged(struct delta_sink *s, enum apply_mode mode, struct upsert *u,
                                 const struct change_set *c, enum delta_outcome *ret, struct error *err)
{
    static const char *const output_mode[] = {"Append", "Update", "Complete"};
    struct arena *a = &u->memory;
    const struct delta_pair parameters[] = {
        {"outputMode", output_mode[mode]},          {"queryId", s->identity},
        number_pair(a, "epochId", (uint64_t)c->to), number_pair(a, "fromEpoch", (uint64_t)c->from),
        number_pair(a, "toEpoch", (uint64_t)c->to), {"ledger", c->info}};
    const struct delta_pair metrics[] = {
        number_pair(a, "numAddedFiles", u->stage.nadds), number_pair(a, "numRemovedFiles", u->nremoves),
        number_pair(a, "numOutputRows", u->stage.rows), number_pair(a, "numOutputBytes", u->stage.bytes)};
    struct delta_commit commit = {.operation = "STREAMING UPDATE",
                                  .parameters = parameters,
                                  .nparameters = ARRAY_LEN(parameters) - (c->info ? 0 : 1),
                                  .metrics = metrics,
                                  .nmetrics = ARRAY_LEN(metrics),
                                  .app_id = s->identity,
                                  .app_version = c->to,
                                  .blind_append = mode == MODE_APPEND,
                                  .data_change = true,
                                  .adds = u->stage.adds,
                                  .nadds = u->stage.nadds,
                                  .removes = u->removes,
                                  .nremoves = u->nremoves};
    if (s->table->version >= 0 && delta_sink_missing(s))
        commit.schema = &s->schema;
    if (os_planted_bug("delta_half_commit")) { /* the rows in one commit, what says they are there in the next */
        struct delta_commit half = commit;
        half.app_id = NULL;
        TRY(delta_commit(s->table, &half, ret, err));
        if (*ret == DELTA_LOST)
            return OK;
        commit.nadds = commit.nremoves = 0;
    }
    return delta_commit_noted(s, &commit, ret, err);
}

/* What may follow a commit: nobody waits for it, and failing at it does no harm. */
static void maintain(struct delta_sink *s, struct sink_result *result)
{
    static const int64_t day_us = INT64_C(86400) * 1000000;
    struct error ignored;
    delta_compact(s, result);
    if (!delta_checkpoint_due(s->table) || delta_checkpoint(s->table, &ignored) != OK)
        return;
    int64_t day = os_now_us() / day_us;
    if (day == s->cleaned_day)
        return;
    s->cleaned_day = day;
    (void)delta_clean_log(s->table, &ignored);
}

/* The commit is made. */
static enum status finish(struct delta_sink *s, struct upsert *u, const struct change_set *c,
                          struct sink_result *result, struct error *err)
{
    s->applied = c->to;
    s->adopt = false;
    guard_clear(&s->guard);
    guard_take(&s->guard, &u->stage.guard);
    result->files_added = u->stage.nadds;
    result->files_removed = u->nremoves;
    result->bytes_written = u->stage.bytes;
    maintain(s, result);
    result->version = s->table->version;
    return guard_check(s, err);
}

/* One round: OK with DELTA_LOST in *ret means that somebody else was faster. */
static enum status attempt(struct delta_sink *s, enum apply_mode mode, struct upsert *u, bool *prepared,
                           struct change_set *c, struct sink_result *result, enum delta_outcome *ret, struct error *err)
{
    bool complete = false;
    struct error why;
    if (!*prepared && prepare(u, s, mode, c, result, &why) != OK) {
        /* A file of the snapshot is gone: others may have replaced and vacuumed it meanwhile. Then the next look
         * shows it. */
        bool stale = why.code == ERR_NOT_FOUND && s->missing_at != s->table->version;
        s->missing_at = s->table->version;
        *ret = DELTA_LOST;
        return stale ? OK : (*err = why, FAILED);
    }
    *prepared = false;
    TRY(stage_check(&u->stage, &complete, err));
    *ret = DELTA_LOST;
    if (!complete)
        return OK;
    if (commit_staged(s, mode, u, c, ret, err) != OK)
        return error_prefix(err, "%s", s->place);
    if (*ret == DELTA_COMMITTED)
        return OK;
    *prepared = mode == MODE_APPEND; /* appended files fit any snapshot */
    if (!*prepared)
        stage_discard(&u->stage);
    return OK;
}

static enum status apply_as(struct delta_sink *s, enum apply_mode mode, struct change_set *c, struct sink_result *ret,
                            struct error *err)
{
    AUTO(upsert) u = {0};
    bool prepared = false;
    struct sink_result result = {.version = -1};
    s->missing_at = -1;
    for (int i = 0; i < ATTEMPTS; i++) {
        bool replan = false, done = false;
        enum delta_outcome outcome = DELTA_LOST;
        TRY(look(s, &replan, err));
        if (replan)
            stage_drop_ahead(s);
        if (mode != MODE_RESYNC)
            TRY(check_position(s, c, &done, err));
        if (done) {
            s->applied = MAX(s->applied, c->to);
            *ret = (struct sink_result){.version = s->table->version};
            return OK;
        }
        prepared = prepared && !replan;
        TRY(attempt(s, mode, &u, &prepared, c, &result, &outcome, err));
        if (outcome == DELTA_COMMITTED) {
            TRY(finish(s, &u, c, &result, err));
            *ret = result;
            return OK;
        }
        TRY(delta_sink_go_on(s, err));
        os_sleep_us(INT64_C(1000) << MIN(i, 7));
    }
    (void)error_set(err, ERR_CONFLICT, "%s: other writers were faster %d times in a row", s->place, ATTEMPTS);
    err->retriable = true;
    return FAILED;
}

static enum status delta_apply(struct sink *base, struct change_set *c, struct sink_result *ret, struct error *err)
{
    struct delta_sink *s = sink_of(base);
    TRY(apply_as(s, s->nkey ? MODE_UPSERT : MODE_APPEND, c, ret, err));
    stage_drop_ahead(s); /* if all of it was there already */
    return OK;
}

/* All files of the table go, in the commit that brings the new ones: readers see the old rows or the new. */
static enum status delta_resync(struct sink *base, struct change_set *all_rows, struct error *err)
{
    struct delta_sink *s = sink_of(base);
    struct sink_result result;
    s->applied = 0;
    s->adopt = s->absence_checked = true;
    return apply_as(s, MODE_RESYNC, all_rows, &result, err);
}

static void delta_free(struct sink *base)
{
    struct delta_sink *s = sink_of(base);
    stage_drop_ahead(s);
    delta_close(s->table);
    guard_clear(&s->guard);
    for (uint32_t i = 0; i < REPLACED_MAX; i++)
        free(s->replaced[i]);
    key_cache_free(s->keys);
    store_free(s->store);
    arena_release(&s->memory);
    free(s);
}

static const struct sink_ops delta_ops = {
    .apply = delta_apply, .stage = stage_ahead, .resync = delta_resync, .free = delta_free};

/* ---- opening ---- */

static enum status check_types(const struct schema *schema, const char *table, struct error *err)
{
    for (uint32_t i = 0; i < schema->ncols; i++) {
        char name[40];
        if (parquet_can_store(schema->types[i]))
            continue;
        (void)error_set(err, ERR_UNSUPPORTED, "column \"%s\" of %s is %s, which Delta Lake has no type for",
                        schema->names[i], table, type_name(schema->types[i], name));
        return schema->types[i].id == TYPE_INTERVAL
                   ? error_hint(err, "declare it bigint and insert extract(epoch from %s), or text and insert %s::text",
                                schema->names[i], schema->names[i])
                   : error_hint(err, "declare the column with another type");
    }
    return OK;
}

static void copy_schema(struct delta_sink *s, const struct sink_config *config)
{
    const struct schema *from = config->schema;
    s->schema = (struct schema){.ncols = from->ncols,
                                .names = arena_array(&s->memory, from->ncols, sizeof *from->names),
                                .types = arena_dup(&s->memory, from->types, from->ncols * sizeof *from->types),
                                .nullable = arena_array(&s->memory, from->ncols, sizeof *from->nullable)};
    for (uint32_t i = 0; i < from->ncols; i++) {
        s->schema.names[i] = arena_strdup(&s->memory, from->names[i]);
        s->schema.nullable[i] = !from->nullable || from->nullable[i];
    }
    s->nkey = config->nkey;
    s->key = arena_array(&s->memory, config->nkey, sizeof *s->key);
    for (uint32_t i = 0; i < config->nkey; i++)
        s->key[i] = config->key[i];
}

/* "a, b" -> names, each a column. */
static enum status parse_partition(struct delta_sink *s, const char *text, struct error *err)
{
    if (!text)
        return OK;
    s->partition_by = arena_array(&s->memory, strlen(text) + 1, sizeof *s->partition_by);
    char *list = arena_strdup(&s->memory, text), *rest = NULL;
    for (char *name = strtok_r(list, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        bool known = false;
        for (uint32_t i = 0; i < s->schema.ncols; i++)
            known = known || strcmp(s->schema.names[i], name) == 0;
        if (!known) {
            const char *near = nearest_name(name, s->schema.names, s->schema.ncols);
            (void)error_set(err, ERR_SQL, "partition_by: the table has no column \"%s\"", name);
            return near ? error_hint(err, "did you mean \"%s\"?", near) : FAILED;
        }
        s->partition_by[s->npartition_by++] = name;
    }
    return OK;
}

static enum status configure(struct delta_sink *s, const struct sink_config *config, struct error *err)
{
    const char *lake = option_text(config->server, delta_options, "path");
    const char *path = option_text(config->options, delta_options, "path");
    const char *codec = option_text(config->options, delta_options, "compression");
    copy_schema(s, config);
    TRY(check_types(&s->schema, config->table, err));
    TRY(parse_partition(s, option_text(config->options, delta_options, "partition_by"), err));
    if (s->npartition_by == s->schema.ncols)
        return error_set(err, ERR_SQL, "partition_by names every column of %s: none is left for the data files",
                         config->table);
    TRY(table_path(path ? path : config->table, &s->memory, &s->root, err));
    s->place = arena_printf(&s->memory, "%s/%s", lake ? lake : ".", s->root);
    s->identity = arena_strdup(&s->memory, config->identity);
    s->target_bytes = (uint64_t)option_int(config->options, delta_options, "target_file_size");
    s->compact_files = (uint32_t)option_int(config->options, delta_options, "compact_files");
    s->codec = strcmp(codec, "snappy") == 0 ? PARQUET_SNAPPY : PARQUET_ZSTD;
    s->merge_schema = option_bool(config->options, delta_options, "merge_schema");
    s->adopt = config->adopt;
    s->in_state = config->in_state;
    s->cancelled = config->cancelled;
    s->keys = key_cache_new(KEY_CACHE_BYTES);
    return store_open(lake ? lake : ".", &s->store, err);
}

/* A table that is written anew may be in any condition; one that is another's is the engine's business. */
static enum status look_first(struct delta_sink *s, bool resync, int64_t *ret_applied, struct error *err)
{
    bool replan = false;
    TRY(look(s, &replan, err));
    if (!delta_txn_version(s->table, s->identity, ret_applied, NULL))
        *ret_applied = 0;
    return resync || delta_other_owner(s) ? OK : check_absence(s, *ret_applied, err);
}

/* Where there is no table yet nothing says that one can be made: better known now than with the first commit. */
static enum status try_to_write(struct delta_sink *s, struct error *err)
{
    const char *name = arena_printf(&s->memory, "%s%s.bourn", s->root, *s->root ? "/" : "");
    if (s->table->version >= 0)
        return OK;
    if (store_put(s->store, name, slice_of("can it be written?\n"), err) != OK)
        return error_prefix(err, "%s", s->place);
    return store_discard(s->store, name, err);
}

static enum status delta_sink_open(const struct sink_config *config, struct sink **ret,
                                   struct sink_position *ret_position, struct error *err)
{
    struct delta_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = &delta_ops;
    struct sink_position position = {0};
    if (configure(s, config, err) != OK || look_first(s, config->resync, &position.applied, err) != OK ||
        try_to_write(s, err) != OK) {
        delta_free(&s->base);
        return FAILED;
    }
    const char *other = delta_other_owner(s);
    if (other)
        snprintf(position.other_owner, sizeof position.other_owner, "%s", other);
    s->applied = position.applied;
    *ret_position = position;
    *ret = &s->base;
    return OK;
}

const struct sink_connector sink_delta_connector = {
    .name = "delta",
    .options = delta_options,
    .help = "a Delta Lake table; each publish is one commit",
    .can_upsert = true,
    .guarantee = SINK_EXACTLY_ONCE,
    .open = delta_sink_open,
};
