#include <stdlib.h>

#include "sink/delta_sink.h"

enum {
    UUID_LENGTH = 36,
    LOOK_BACK = 1000 /* commits; a table with more of them since our last one is taken as it is */
};
static const int64_t WEEK_MS = INT64_C(7) * 24 * 3600 * 1000;

/* The sink's name in an identity "uuid/sink", or NULL if it is none of bourn's. */
static const char *sink_name(const char *app_id)
{
    return strlen(app_id) > UUID_LENGTH && app_id[UUID_LENGTH] == '/' && strcspn(app_id, "/") == UUID_LENGTH
               ? app_id + UUID_LENGTH + 1
               : NULL;
}

const char *delta_other_owner(const struct delta_sink *s)
{
    const char *ours = sink_name(s->identity), *owner = NULL, *app_id;
    int64_t version, updated_ms, newest_ms = INT64_MIN;
    for (uint32_t i = 0; ours && delta_txn_at(s->table, i, &app_id, &version, &updated_ms); i++) {
        const char *name = sink_name(app_id);
        if (!name || strcmp(name, ours) != 0 || updated_ms < newest_ms)
            continue;
        if (updated_ms == newest_ms && owner && strcmp(owner, s->identity) == 0)
            continue;
        newest_ms = updated_ms;
        owner = app_id;
    }
    return owner && strcmp(owner, s->identity) != 0 ? owner : NULL;
}

static enum status check_other(const struct delta_sink *s, int64_t version, const struct delta_commit_summary *commit,
                               struct error *err)
{
    const char *name = commit->app_id ? sink_name(commit->app_id) : NULL, *ours = sink_name(s->identity);
    if (name && ours && strcmp(name, ours) == 0 && strcmp(commit->app_id, s->identity) != 0)
        return error_set(err, ERR_FENCED, "%s was taken over by another instance of bourn, %.36s, in version %lld",
                         s->place, commit->app_id, (long long)version);
    const char *operation = commit->operation ? commit->operation : "unnamed operation";
    bool restored = strcmp(operation, "RESTORE") == 0;
    if (!restored && !(s->nkey && commit->removes))
        return OK;
    (void)error_set(err, ERR_STATE, "version %lld of %s, another writer's %s, %s", (long long)version, s->place,
                    operation,
                    restored ? "put the table back to an older version: rows that were published are gone from it"
                             : "changed or removed rows of a table that is kept up to date by key");
    return error_hint(err, "%s--adopt goes on from what is in it now",
                      s->in_state ? "--resync writes the table anew from the state; " : "");
}

enum status delta_check_others(struct delta_sink *s, int64_t from, int64_t to, struct error *err)
{
    AUTO(arena) a = {0};
    for (int64_t v = from + 1; v <= to; v++) {
        struct delta_commit_summary commit;
        struct error why;
        arena_reset(&a);
        if (delta_read_commit(s->table, v, &a, &commit, &why) != OK) {
            if (why.code == ERR_NOT_FOUND)
                continue;
            return *err = why, FAILED;
        }
        s->others_compact = s->others_compact || (commit.operation && strcmp(commit.operation, "OPTIMIZE") == 0);
        if (!s->adopt)
            TRY(check_other(s, v, &commit, err));
    }
    return OK;
}

enum status delta_check_absence(struct delta_sink *s, struct error *err)
{
    AUTO(arena) a = {0};
    int64_t newest = s->table->version, ours = newest;
    for (; ours >= 0 && newest - ours < LOOK_BACK; ours--) {
        struct delta_commit_summary commit;
        struct error why;
        arena_reset(&a);
        if (delta_read_commit(s->table, ours, &a, &commit, &why) != OK) {
            if (why.code == ERR_NOT_FOUND)
                break;
            return *err = why, FAILED;
        }
        if (commit.app_id && strcmp(commit.app_id, s->identity) == 0)
            break;
    }
    return delta_check_others(s, ours, newest, err);
}

enum status delta_commit_noted(struct delta_sink *s, const struct delta_commit *commit, enum delta_outcome *ret,
                               struct error *err)
{
    uint32_t n = MIN(commit->nremoves, REPLACED_MAX);
    char **paths = mem_array(MAX(n, 1), sizeof *paths); /* the files themselves do not outlive the commit */
    for (uint32_t i = 0; i < n; i++)
        paths[i] = mem_strdup(commit->removes[i]->path);
    enum status status = delta_commit(s->table, commit, ret, err);
    bool made = status == OK && *ret == DELTA_COMMITTED;
    for (uint32_t i = 0; i < n; i++) {
        char **slot = &s->replaced[s->next_replaced % REPLACED_MAX];
        if (!made) {
            free(paths[i]);
            continue;
        }
        free(*slot);
        *slot = paths[i];
        s->next_replaced++;
    }
    free(paths);
    return status;
}

enum status delta_check_replaced(const struct delta_sink *s, const struct delta_changes *changes, struct error *err)
{
    for (uint32_t i = 0; i < REPLACED_MAX && changes->nfiles && !s->adopt; i++) {
        if (!s->replaced[i] || !delta_changes_removed(changes, s->replaced[i]))
            continue;
        (void)error_set(err, ERR_STATE,
                        "%s: another writer rewrote %s after bourn had, in a version up to %lld, without looking: "
                        "rows are in the table twice",
                        s->place, s->replaced[i], (long long)changes->to);
        return error_hint(err,
                          "restore version %lld, then go on with --adopt, and with compact_files '0' if another "
                          "program compacts the table",
                          (long long)changes->from);
    }
    return OK;
}

enum status delta_check_retention(const struct delta_sink *s, struct error *err)
{
    static const char property[] = "delta.setTransactionRetentionDuration";
    int64_t ms = delta_property_ms(s->table, property, -1);
    if (ms < 0 || ms >= WEEK_MS)
        return OK;
    (void)error_set(err, ERR_STATE, "%s has %s = \"%s\": after a longer pause epochs would be published twice",
                    s->place, property, delta_property(s->table, property));
    return error_hint(err, "set the property to 7 days or more, or remove it");
}
