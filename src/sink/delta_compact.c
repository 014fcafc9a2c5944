/* Files are merged by tiers, so that a row is rewritten once a tier and not once a merge: tier 0 is below TIER_BYTES,
 * each next one TIER_FACTOR times larger, the last ends at a quarter of the target size. A tier of a partition that has
 * compact_files or more of them is merged, about the target size at most; one merge an apply. A table that another
 * program compacts is left to it: not every one of them (delta-rs 1.6) notices that its files were merged by somebody
 * else meanwhile, and rows would be in the table twice. */
#include <stdlib.h>

#include "sink/delta_sink.h"

enum { TIER_FACTOR = 32 };
static const uint64_t TIER_BYTES = KIB(64);

/* Files that may be merged with each other: those of equal partition and tier lie side by side once sorted. */
struct small {
    const struct delta_file *file;
    uint32_t tier;
};

static int partition_compare(const struct delta_file *a, const struct delta_file *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *x = a->partition[i], *y = b->partition[i];
        int order = x && y ? strcmp(x, y) : (x != NULL) - (y != NULL);
        if (order != 0)
            return order;
    }
    return 0;
}

static int by_partition_and_tier(const void *a, const void *b, void *npartition)
{
    const struct small *x = a, *y = b;
    int order = partition_compare(x->file, y->file, *(const uint32_t *)npartition);
    if (order != 0)
        return order;
    if (x->tier != y->tier)
        return x->tier < y->tier ? -1 : 1;
    if (x->file->modified_ms != y->file->modified_ms) /* oldest first: rows stay about in order of arrival */
        return x->file->modified_ms < y->file->modified_ms ? -1 : 1;
    return strcmp(x->file->path, y->file->path);
}

static uint32_t small_files(const struct delta_sink *s, struct small *ret)
{
    const struct delta_table *t = s->table;
    uint32_t n = 0, npartition = t->metadata.npartition;
    for (uint32_t i = 0; i < delta_file_count(t); i++) {
        const struct delta_file *f = delta_file_at(t, i);
        if (f->bytes >= s->target_bytes / 4)
            continue;
        uint32_t tier = 0;
        for (uint64_t limit = TIER_BYTES; f->bytes >= limit; limit *= TIER_FACTOR)
            tier++;
        ret[n++] = (struct small){f, tier};
    }
    qsort_r(ret, n, sizeof *ret, by_partition_and_tier, &npartition);
    return n;
}

/* The first run of files worth merging: [*ret_first, *ret_first + answer). 0: none. */
static uint32_t find_run(const struct delta_sink *s, const struct small *files, uint32_t n, uint32_t *ret_first)
{
    for (uint32_t first = 0, end; first < n; first = end) {
        uint64_t bytes = 0;
        for (end = first; end < n; end++) {
            if (files[end].tier != files[first].tier ||
                partition_compare(files[end].file, files[first].file, s->table->metadata.npartition) != 0)
                break;
        }
        if (end - first < s->compact_files)
            continue;
        uint32_t taken = 0;
        while (first + taken < end && bytes < s->target_bytes)
            bytes += files[first + taken++].file->bytes;
        *ret_first = first;
        return taken;
    }
    return 0;
}

static enum status copy_file(struct delta_sink *s, struct stage *st, const struct delta_file *f, struct error *err)
{
    AUTO(arena) names = {0}, a = {0};
    AUTO(delta_reader) *reader = NULL;
    TRY(sink_reader_open(s, f, NULL, 0, &names, &reader, err));
    for (;;) {
        struct batch *b = NULL;
        arena_reset(&a);
        TRY(sink_reader_next(s, reader, &a, &b, err));
        if (!b)
            return OK;
        TRY(stage_add(st, b, err));
    }
}

static enum status merge_run(struct delta_sink *s, struct stage *st, const struct small *files, uint32_t n,
                             enum delta_outcome *ret, struct error *err)
{
    const struct delta_file **removes = arena_array(&st->memory, n, sizeof *removes);
    st->roll_bytes = s->target_bytes * 2;
    for (uint32_t i = 0; i < n; i++) {
        removes[i] = files[i].file;
        TRY(copy_file(s, st, files[i].file, err));
    }
    TRY(stage_close_files(st, err));
    bool complete = false;
    TRY(stage_check(st, &complete, err));
    *ret = DELTA_LOST;
    if (!complete)
        return OK;
    const struct delta_pair parameters[] = {{"predicate", "[]"}, {"auto", "true"}};
    const struct delta_commit commit = {.operation = "OPTIMIZE",
                                        .parameters = parameters,
                                        .nparameters = ARRAY_LEN(parameters),
                                        .app_id = s->identity, /* says whose commit it is */
                                        .app_version = s->applied,
                                        .adds = st->adds,
                                        .nadds = st->nadds,
                                        .removes = removes,
                                        .nremoves = n};
    return delta_commit_noted(s, &commit, ret, err);
}

void delta_compact(struct delta_sink *s, struct sink_result *result)
{
    uint32_t n = delta_file_count(s->table), first = 0;
    if (s->compact_files == 0 || s->others_compact || n < s->compact_files || delta_sink_missing(s))
        return;
    struct small *files = mem_array(n, sizeof *files);
    n = find_run(s, files, small_files(s, files), &first);
    if (n > 1) {
        AUTO(stage) st;
        struct error ignored;
        enum delta_outcome outcome = DELTA_LOST;
        stage_init(&st, s);
        enum status status = merge_run(s, &st, files + first, n, &outcome, &ignored);
        if (status == OK && outcome == DELTA_COMMITTED) {
            result->files_added += st.nadds;
            result->files_removed += n;
            result->bytes_written += st.bytes;
            guard_take(&s->guard, &st.guard);
        } else if (status == OK)
            stage_discard(&st);
    }
    free(files);
}
