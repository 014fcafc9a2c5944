/* bourn verify: the account of a state and its tables, and the proofs that they agree. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "cmd/account.h"
#include "cmd/cmd.h"
#include "engine/builtin.h"
#include "engine/published.h"
#include "link/local.h"
#include "state/segment.h"

/* One line of the report. */
struct finding {
    bool ok;
    const char *name; /* of a proof in the evidence: what would be wrong; NULL: it has none */
    const char *what, *detail;
};

struct verification {
    struct arena arena;
    struct manifest before, manifest; /* read before the tables were looked at, and after: a process may be running */
    struct store *store;
    struct plan *plan;
    struct published published;
    struct finding *findings;
    uint32_t nfindings, failed;
    /* evidence */
    const struct plan_text *pipeline; /* whose functions it may call */
    size_t npipeline;
    bool allow_c_functions;
    uint64_t *rows; /* returned per statement */
    struct place *places;
    const char **names;
    const char **samples;
    uint32_t nstatements;
    uint64_t slots;
};

static void note(struct verification *v, bool ok, const char *what, const char *detail)
{
    v->findings = mem_realloc(v->findings, (v->nfindings + 1) * sizeof *v->findings);
    v->findings[v->nfindings++] = (struct finding){ok, NULL, what, detail};
    v->failed += !ok;
}

static const char *error_text(struct verification *v, const struct error *err)
{
    return err->hint[0] ? arena_printf(&v->arena, "%s (%s)", err->text, err->hint)
                        : arena_strdup(&v->arena, err->text);
}

/* ---- the log ---- */

static enum status count_slot(void *arg, uint64_t slot, struct slice json, struct error *err)
{
    (void)slot;
    (void)json;
    (void)err;
    ((struct verification *)arg)->slots++;
    return OK;
}

static void verify_log(struct verification *v)
{
    struct error err;
    bool ok = journal_verify(v->store, count_slot, v, &err) == OK;
    note(v, ok, "the log's chain and progression",
         ok ? arena_printf(&v->arena, "%llu records", (unsigned long long)v->slots) : error_text(v, &err));
    ok = ledger_balance(&v->manifest.total, &err) == OK;
    note(v, ok, "the ledger of all epochs", ok ? "balanced" : error_text(v, &err));
    for (uint32_t i = 0; i < v->manifest.nhistory; i++) {
        const struct ledger *l = &v->manifest.history[i];
        if (ledger_balance(l, &err) == OK)
            continue;
        note(v, false,
             arena_printf(&v->arena, "the ledger of epochs %lld to %lld", (long long)l->from, (long long)l->to),
             error_text(v, &err));
    }
}

/* The pipeline's text is named by its hash. */
static void verify_plan(struct verification *v)
{
    AUTO(buf) text = BUF(MIB(64));
    struct error err;
    char sha[65];
    if (!v->manifest.plan[0])
        return;
    enum status s = store_get(v->store, arena_printf(&v->arena, "plan/%s", v->manifest.plan), &text, &err);
    if (s == OK) {
        sha256_hex(text.data, text.len, sha);
        if (strcmp(sha, v->manifest.plan))
            s = error_set(&err, ERR_CORRUPT, "plan/%s is not what was written there", v->manifest.plan);
    }
    note(v, s == OK, "the pipeline's text in the state", s == OK ? "as it was written" : error_text(v, &err));
}

/* ---- what the state holds ---- */

static enum status check_section(struct segment *s, const struct section *section, struct error *err)
{
    char part[KIB(64)];
    uint32_t crc = 0;
    for (uint64_t at = 0; at < section->bytes; at += sizeof part) {
        size_t n = MIN(section->bytes - at, sizeof part);
        TRY(segment_read_part(s, section, at, part, n, err));
        crc = crc32c(crc, part, n);
    }
    return segment_checked(s, section, crc, err);
}

static enum status check_segment(struct verification *v, const struct segment_ref *ref, struct error *err)
{
    struct segment *segment;
    uint32_t n;
    TRY(segment_open(v->store, ref, &segment, err));
    const struct section *sections = segment_sections(segment, &n);
    enum status s = OK;
    for (uint32_t i = 0; s == OK && i < n; i++)
        s = check_section(segment, &sections[i], err);
    segment_close(segment);
    return s;
}

/* A live process merges segments, and then removes them. */
static bool is_gone(struct verification *v, const struct segment_ref *ref)
{
    struct manifest now;
    struct error ignored;
    bool found = false;
    if (journal_read(v->store, &now, &ignored) != OK)
        return false;
    for (uint32_t i = 0; i < now.nsegments && !found; i++)
        found = !strcmp(now.segments[i].name, ref->name);
    manifest_release(&now);
    return !found;
}

static void verify_segments(struct verification *v)
{
    const struct manifest *m = &v->manifest;
    struct error err;
    uint32_t failed = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->nsegments; i++) {
        bytes += m->segments[i].bytes;
        if (!m->segments[i].has_state && !m->segments[i].has_outbox) /* it may go at any time */
            continue;
        if (check_segment(v, &m->segments[i], &err) == OK || is_gone(v, &m->segments[i]))
            continue;
        note(v, false, "what the state holds", error_text(v, &err));
        failed++;
    }
    if (!failed)
        note(v, true, "what the state holds", arena_printf(&v->arena, "%u segments, %llu bytes, as they were written",
                                                           m->nsegments, (unsigned long long)bytes));
}

/* ---- tables against the log ---- */

/* Every commit tells the ledger as it was: the log's, or the beginning of that. */
static void verify_its_ledger(struct verification *v, const struct published_table *t, const char *what)
{
    struct ledger ledger = {0};
    struct error err;
    bool known = false;
    const struct ledger *total = &v->manifest.total;
    enum status s = t->delta ? published_ledger(t, v->manifest.uuid, &ledger, &known, &err) : OK;
    if (s == OK && known)
        s = ledger_balance(&ledger, &err) == OK ? ledger_within(&ledger, total, &err) : FAILED;
    if (s == OK && known && ledger.to == total->to)
        s = ledger_within(total, &ledger, &err);
    ledger_release(&ledger);
    note(v, s == OK, what,
         s == OK ? arena_printf(&v->arena, "published up to epoch %lld%s", (long long)t->epoch,
                                known ? ", with the ledger of the log" : "")
                 : arena_printf(&v->arena, "its newest commit does not tell the ledger of the log: %s",
                                error_text(v, &err)));
}

static void verify_table(struct verification *v, const struct published_table *t)
{
    const struct sink_state *s = manifest_sink(&v->before, t->table->name);
    int64_t applied = s ? s->applied : 0, newest = t->epoch;
    const char *what = arena_printf(&v->arena, "table %s (%s)", t->table->name, t->location);
    if (newest > v->manifest.epoch)
        note(v, false, what, arena_printf(&v->arena, "has epoch %lld, the log ends at %lld: the state was rolled back",
                                          (long long)newest, (long long)v->manifest.epoch));
    else if (newest < applied)
        note(v, false, what,
             arena_printf(&v->arena, "has epoch %lld, but %lld was confirmed: rows were lost from the table",
                          (long long)newest, (long long)applied));
    else
        verify_its_ledger(v, t, what);
}

static void verify_rows(struct verification *v)
{
    for (uint32_t i = 0; i < v->published.ntables; i++) {
        struct published_table *t = &v->published.tables[i];
        uint64_t rows = 0;
        struct error err;
        if (!t->delta)
            continue;
        bool ok = published_check(t, &rows, &err) == OK;
        note(v, ok, arena_printf(&v->arena, "the rows of %s", t->table->name),
             ok ? arena_printf(&v->arena, "%llu, all readable", (unsigned long long)rows) : error_text(v, &err));
    }
}

/* What the tables say the ledger was when they were written, against what the log says it is. */
static void verify_ledger(struct verification *v)
{
    const struct published *p = &v->published;
    const char *what = arena_printf(&v->arena, "the ledger as of epoch %lld", (long long)p->epoch);
    struct error err;
    if (p->epoch == 0)
        return;
    if (!p->has_ledger)
        note(v, false, what, "no table tells it, and the log knows it only up to its end");
    else if (ledger_balance(&p->as_of.total, &err) != OK ||
             ledger_within(&p->as_of.total, &v->manifest.total, &err) != OK)
        note(v, false, what, error_text(v, &err));
    else
        note(v, true, what, "balanced, and within that of all epochs");
}

/* ---- evidence ---- */

static void on_evidence(void *arg, const struct query_result *r)
{
    struct verification *v = arg;
    if (r->statement >= v->nstatements) {
        v->rows = mem_realloc(v->rows, (r->statement + 1) * sizeof *v->rows);
        v->places = mem_realloc(v->places, (r->statement + 1) * sizeof *v->places);
        v->names = mem_realloc(v->names, (r->statement + 1) * sizeof *v->names);
        v->samples = mem_realloc(v->samples, (r->statement + 1) * sizeof *v->samples);
        v->rows[r->statement] = 0;
        v->samples[r->statement] = "";
        v->nstatements = r->statement + 1;
    }
    v->places[r->statement] = r->place;
    v->names[r->statement] = r->name ? arena_strdup(&v->arena, r->name) : NULL; /* the plan ends with the query */
    if (!r->batch || batch_live(r->batch) == 0)
        return;
    if (v->rows[r->statement] == 0) {
        AUTO(buf) text = BUF(KIB(16));
        for (uint32_t c = 0; c < r->batch->ncols; c++) {
            buf_printf(&text, "%s%s=", c ? ", " : "", r->schema->names[c]);
            if (!column_print(&r->batch->cols[c], batch_row(r->batch, 0), &text))
                buf_puts(&text, "NULL");
        }
        v->samples[r->statement] = arena_strdup(&v->arena, buf_cstr(&text));
    }
    v->rows[r->statement] += batch_live(r->batch);
}

static void verify_evidence(struct verification *v, const struct plan_text *text)
{
    struct query_relations relations = published_relations(&v->published);
    relations.lookup.pipeline = v->pipeline;
    relations.lookup.npipeline = v->npipeline;
    relations.allow_c_functions = v->allow_c_functions;
    struct error err;
    if (query_run(text, &relations, on_evidence, v, &err) != OK) {
        char line[1200];
        note(v, false, text->name, arena_strdup(&v->arena, error_print(&err, line, sizeof line)));
        return;
    }
    for (uint32_t i = 0; i < v->nstatements; i++) {
        const char *what = arena_printf(&v->arena, "%s:%u", text->name, v->places[i].line);
        if (v->rows[i] == 0)
            note(v, true, what, "no row");
        else
            note(v, false, what, arena_printf(&v->arena, "%llu rows that must not be; the first: %s",
                                              (unsigned long long)v->rows[i], v->samples[i]));
        v->findings[v->nfindings - 1].name = v->names[i];
    }
}

/* ---- the report ---- */

static void print_report(const struct verification *v)
{
    printf("state %s, %lld epochs\n\nthe account\n", v->manifest.uuid, (long long)v->manifest.epoch);
    account_print(v->manifest.history, v->manifest.nhistory, true);
    printf("  in all:\n");
    account_print(&v->manifest.total, 1, true);
    account_print_rules(&v->manifest.total, "rejected by ");
    printf("\nthe proofs, as of epoch %lld\n", (long long)v->published.epoch);
    for (uint32_t i = 0; i < v->nfindings; i++) {
        const struct finding *f = &v->findings[i];
        printf("  %s  %s%s%s%s: %s\n", f->ok ? "ok    " : "FAILED", f->what, f->name ? " \"" : "",
               f->name ? f->name : "", f->name ? "\"" : "", f->detail);
    }
    printf("\n%u proofs, %u failed\n", v->nfindings, v->failed);
}

static void print_json(const struct verification *v)
{
    AUTO(buf) out = BUF(MIB(64));
    buf_printf(&out, "{\"state\":\"%s\",\"epoch\":%lld,\"published_epoch\":%lld,\"failed\":%u,\"ledger\":",
               v->manifest.uuid, (long long)v->manifest.epoch, (long long)v->published.epoch, v->failed);
    ledger_json(&v->manifest.total, &out);
    buf_puts(&out, ",\"history\":[");
    for (uint32_t i = 0; i < v->manifest.nhistory; i++) {
        buf_puts(&out, i ? "," : "");
        ledger_json(&v->manifest.history[i], &out);
    }
    buf_puts(&out, "],\"proofs\":[");
    for (uint32_t i = 0; i < v->nfindings; i++) {
        buf_printf(&out, "%s{\"ok\":%s,\"what\":", i ? "," : "", v->findings[i].ok ? "true" : "false");
        buf_put_json(&out, slice_of(v->findings[i].what));
        if (v->findings[i].name) {
            buf_puts(&out, ",\"name\":");
            buf_put_json(&out, slice_of(v->findings[i].name));
        }
        buf_puts(&out, ",\"detail\":");
        buf_put_json(&out, slice_of(v->findings[i].detail));
        buf_putc(&out, '}');
    }
    buf_puts(&out, "]}\n");
    fwrite(out.data, 1, out.len, stdout);
}

/* ---- the verb ---- */

static enum status open_state(struct verification *v, const char *state, struct error *err)
{
    v->store = store_local_new(state);
    bool exists;
    TRY(journal_exists(v->store, &exists, err));
    if (!exists) {
        (void)error_set(err, ERR_STATE, "there is no state at %s, so nothing can vouch for the tables", state);
        return error_hint(err, "name the state folder of the run: --state or BOURN_STATE");
    }
    return journal_read(v->store, &v->before, err);
}

static enum status verify(struct verification *v, const struct plan_text *texts, int n,
                          const struct plan_text *evidence, const char *state, struct error *err)
{
    v->pipeline = texts;
    v->npipeline = (size_t)n;
    TRY(plan_make(texts, (size_t)n, builtin_world(), &v->plan, err));
    TRY(open_state(v, state, err));
    struct published newest = {0};
    enum status s = published_open(v->plan, &v->before, false, &newest, err);
    if (s == OK)
        s = published_open(v->plan, &v->before, true, &v->published, err);
    if (s == OK)
        s = journal_read(v->store, &v->manifest, err);
    if (s == OK)
        verify_log(v);
    if (s == OK) {
        verify_plan(v);
        verify_segments(v);
    }
    for (uint32_t i = 0; s == OK && i < newest.ntables; i++)
        verify_table(v, &newest.tables[i]);
    published_release(&newest);
    if (s == OK) {
        verify_ledger(v);
        verify_rows(v);
    }
    if (s == OK && evidence)
        verify_evidence(v, evidence);
    return s;
}

static void release(struct verification *v)
{
    published_release(&v->published);
    plan_free(v->plan);
    manifest_release(&v->before);
    manifest_release(&v->manifest);
    store_free(v->store);
    arena_release(&v->arena);
    free(v->findings);
    free(v->rows);
    free(v->places);
    free(v->names);
    free(v->samples);
}

int cmd_verify(int argc, char **argv)
{
    const char *state = "./state", *evidence = NULL;
    bool json = false;
    struct verification v = {0};
    const struct cmd_flag flags[] = {{"state", &state, NULL},
                                     {"evidence", &evidence, NULL},
                                     {"json", NULL, &json},
                                     {"allow-c-functions", NULL, &v.allow_c_functions}};
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    if (n == 0)
        return cmd_usage("verify", "which pipeline?");
    struct error err;
    struct plan_text *texts, *proofs = NULL;
    enum status s = cmd_read_texts(argv, n, &v.arena, &texts, &err);
    if (s == OK && evidence)
        s = cmd_read_texts((char **)&evidence, 1, &v.arena, &proofs, &err);
    if (s == OK)
        s = verify(&v, texts, n, proofs, state, &err);
    if (s == OK && json)
        print_json(&v);
    else if (s == OK)
        print_report(&v);
    int code = s != OK ? cmd_fail(&err) : v.failed ? 1 : 0;
    release(&v);
    return code;
}
