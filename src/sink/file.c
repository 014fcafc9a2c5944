/* The sink "file": rows as lines of one file. Without a primary key they are appended; with one the file is the table,
 * replaced whole at each publication. A path that ends in / is a folder, to which each publication adds a file. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "sink/connectors.h"
#include "sink/file_sink.h"

static const struct option_spec file_options[] = {
    {"path", OPT_TEXT, .required = true,
     .help = "the file; ending in /, a folder to which each publication adds a file"},
    {"compression", OPT_CHOICE, .value = "none", .choices = "none gzip zstd", .help = "of the files in a folder"},
    {0},
};

static void file_free(struct sink *base)
{
    struct file_sink *s = (struct file_sink *)base;
    encoder_free(s->encoder);
    file_table_free(s->table);
    buf_release(&s->bytes);
    arena_release(&s->own);
    free(s);
}

static enum status make_folder(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return OK;
    AUTO(arena) a = {0};
    return os_mkdirs(arena_strndup(&a, path, (size_t)(slash - path)), err);
}

/* A file that is ours from now on, as it is: empty, or (adopted) with what others wrote. */
static enum status claim(struct file_sink *s, uint64_t size, struct error *err)
{
    AUTO(buf) file = BUF(GIB(4));
    if (size > 0 && s->nkey > 0)
        TRY(os_file_slurp(s->path, &file, err));
    s->mark = (struct file_mark){.now = {0, size, crc32c(0, file.data, file.len)}};
    s->mark.next = s->mark.now;
    snprintf(s->mark.owner, sizeof s->mark.owner, "%s", s->identity);
    return file_mark_store(s->path, &s->mark, err);
}

/* Whose file is it, and how far is it written? Answers the other owner, if any, in ret_position. */
static enum status settle(struct file_sink *s, bool adopt, struct sink_position *ret_position, struct error *err)
{
    struct os_stat st;
    TRY(os_stat(s->path, &st, err));
    if (st.kind == OS_FOLDER || st.kind == OS_OTHER)
        return error_set(err, ERR_SINK, "%s is a %s; a file is wanted", s->path,
                         st.kind == OS_FOLDER ? "folder" : "device or pipe");
    TRY(file_mark_load(s->path, &s->mark, err));
    bool ours = strcmp(s->mark.owner, s->identity) == 0;
    if (!ours && s->mark.owner[0] && !adopt) {
        snprintf(ret_position->other_owner, sizeof ret_position->other_owner, "%s", s->mark.owner);
        return OK;
    }
    if (!ours && !s->mark.owner[0] && st.size > 0 && !adopt) {
        (void)error_set(err, ERR_STATE, "file %s exists and was not written by bourn", s->path);
        return error_hint(err, "choose another path, move it away, or take it over with --adopt");
    }
    if (!ours)
        TRY(claim(s, st.kind == OS_FILE ? st.size : 0, err));
    TRY(s->nkey > 0 ? file_table_settle(s, err) : file_append_settle(s, err));
    ret_position->applied = s->mark.now.epoch;
    return OK;
}

/* A folder of parts, or compression where there is none. */
static enum status choose_kind(struct file_sink *s, const struct sink_config *config, struct error *err)
{
    static const struct sink_ops parts_ops = {.apply = file_parts_apply, .free = file_free};
    const char *compression = option_text(&s->options, file_options, "compression");
    s->compression = !strcmp(compression, "gzip") ? FILE_GZIP : !strcmp(compression, "zstd") ? FILE_ZSTD : FILE_PLAIN;
    size_t len = strlen(s->path);
    if (len == 0 || s->path[len - 1] != '/') {
        if (s->compression == FILE_PLAIN)
            return OK;
        (void)error_set(err, ERR_SQL, "one file that grows is not compressed");
        (void)error_hint(err, "let path end in /, for a folder to which each publication adds a file");
        return option_blame(&s->options, "compression", err);
    }
    if (config->nkey > 0) {
        (void)error_set(err, ERR_SQL, "a table with a primary key is one file, and \"%s\" a folder", s->path);
        return option_blame(&s->options, "path", err);
    }
    s->base.ops = &parts_ops;
    s->folder = s->path;
    s->path = arena_printf(&s->own, "%sparts", s->folder);
    return OK;
}

static enum status file_open(const struct sink_config *config, struct sink **ret, struct sink_position *ret_position,
                             struct error *err)
{
    static const struct sink_ops append_ops = {.any_time = true, .apply = file_append_apply, .free = file_free};
    static const struct sink_ops table_ops = {
        .stage = file_table_stage, .apply = file_table_apply, .resync = file_table_resync, .free = file_free};
    const struct format *format = config->format;
    if (!format || !format->by_line || !format->encoder_new || (config->nkey > 0 && !format->decoder_new))
        return error_set(err, ERR_SQL, "the file connector writes records that end at newlines; format %s has none",
                         format ? format->name : "(none)");
    struct file_sink *s = mem_zalloc(sizeof *s);
    s->base.ops = config->nkey > 0 ? &table_ops : &append_ops;
    s->options = options_join(config->options, config->server, &s->own);
    s->path = arena_strdup(&s->own, option_text(&s->options, file_options, "path"));
    s->temporary = file_beside(s->path, "new", &s->own);
    s->identity = arena_strdup(&s->own, config->identity);
    s->format = format;
    s->schema = *config->schema;
    s->cancelled = config->cancelled;
    s->key = config->key;
    s->nkey = config->nkey;
    s->in_state = config->in_state;
    s->resync = config->resync;
    struct sink_position position = {0};
    enum status status = format->encoder_new(config->schema, &s->options, &s->encoder, err);
    if (status == OK)
        status = choose_kind(s, config, err);
    if (status == OK && !s->folder)
        status = make_folder(s->path, err);
    if (status == OK)
        status = s->folder ? file_parts_settle(s, config->adopt, &position, err)
                           : settle(s, config->adopt, &position, err);
    if (status != OK) {
        file_free(&s->base);
        return status;
    }
    *ret = &s->base;
    *ret_position = position;
    return OK;
}

const struct sink_connector sink_file_connector = {
    .name = "file",
    .options = file_options,
    .help = "lines of a file (NDJSON, CSV): appended, in files of a folder, or the whole table by key",
    .default_format = "json",
    .can_upsert = true,
    .guarantee = SINK_EXACTLY_ONCE,
    .open = file_open,
};
