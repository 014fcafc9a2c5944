/* bourn plan: what a changed pipeline would do to the state of the old one. Nothing is run or written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "engine/builtin.h"
#include "engine/change.h"
#include "engine/functions.h"
#include "link/local.h"

enum { FILES_MAX = 64, LOSES_STATE = 1 };

/* The two plans, and the state where there is one that runs the older of them. */
struct comparison {
    struct arena arena;
    struct plan *before, *now;
    struct change *change;
    struct store *store;
    struct manifest manifest;
    bool has_state, other_state; /* other: it runs another pipeline than OLD */
    struct step_size *sizes;
    uint32_t nsizes;
};

static const char *const fates[] = {
    [STEP_KEPT] = "kept", [STEP_ADDED] = "added", [STEP_REBUILT] = "rebuilt", [STEP_DROPPED] = "dropped"};
static const char *const sink_fates[] = {[SINK_KEPT] = "goes on",
                                         [SINK_GROWN] = "goes on; the rows it has are NULL in new columns",
                                         [SINK_RENEWED] = "written anew from the state",
                                         [SINK_REPLACED] = "written anew by reading the sources again",
                                         [SINK_FILLED] = "filled by reading the sources again",
                                         [SINK_GOES_ON] = "keeps its rows, the new ones follow"};

/* ---- making ---- */

/* One file, or several with commas between. */
static enum status read_plan(struct comparison *c, const char *files, struct plan **ret, struct error *err)
{
    char *names[FILES_MAX], *rest = arena_strdup(&c->arena, files);
    int n = 0;
    for (char *name; (name = strsep(&rest, ","));) {
        if (n == FILES_MAX)
            return error_set(err, ERR_USAGE, "more than %d files", FILES_MAX);
        names[n++] = name;
    }
    struct plan_text *texts;
    TRY(cmd_read_texts(names, n, &c->arena, &texts, err));
    return plan_make(texts, (size_t)n, builtin_world(), ret, err);
}

static enum status look_at_state(struct comparison *c, const char *state, struct error *err)
{
    c->store = store_local_new(state);
    TRY(journal_exists(c->store, &c->has_state, err));
    return c->has_state ? journal_read(c->store, &c->manifest, err) : OK;
}

static enum status compare(struct comparison *c, const char *old, const char *new, const char *state, bool adopt,
                           struct error *err)
{
    TRY(look_at_state(c, state, err));
    if (!old && !c->has_state) {
        (void)error_set(err, ERR_STATE, "there is no state at %s to compare with", state);
        return error_hint(err, "name its folder (--state or BOURN_STATE), or both pipelines: bourn plan OLD NEW");
    }
    TRY(old ? read_plan(c, old, &c->before, err) : change_logged_plan(c->store, &c->manifest, &c->before, err));
    TRY(read_plan(c, new, &c->now, err));
    if (c->has_state && strcmp(c->manifest.fingerprint, c->before->fingerprint)) {
        AUTO(plan) *runs = NULL; /* `run` reads it, too */
        if (strcmp(c->manifest.fingerprint, c->now->fingerprint))
            TRY(change_logged_plan(c->store, &c->manifest, &runs, err));
        c->other_state = true;
        c->has_state = false;
    }
    c->change = change_new(c->before, c->now, c->has_state ? &c->manifest : NULL, adopt);
    if (c->has_state)
        c->sizes = change_sizes(c->store, &c->manifest, &c->arena, &c->nsizes);
    if (c->has_state && !c->change->refused)
        c->change->refused = change_check_state(c->store, &c->manifest, c->change, &c->change->refusal) != OK;
    return OK;
}

static void comparison_release(struct comparison *c)
{
    change_free(c->change);
    plan_free(c->before);
    plan_free(c->now);
    manifest_release(&c->manifest);
    store_free(c->store);
    arena_release(&c->arena);
}

static uint64_t bytes_of(const struct comparison *c, const struct plan_node *n)
{
    for (uint32_t i = 0; n && i < c->nsizes; i++)
        if (!strcmp(c->sizes[i].id, n->id))
            return c->sizes[i].bytes;
    return 0;
}

/* The i-th split that is read again; NULL past the end. */
static const struct split_position *reread(const struct comparison *c, uint32_t i)
{
    for (uint32_t k = 0; c->has_state && k < c->manifest.nsplits; k++) {
        const struct split_position *p = &c->manifest.splits[k];
        for (uint32_t t = 0; t < c->now->ntables; t++)
            if (c->change->reread[t] && !strcmp(p->source, c->now->tables[t].name) && p->position > p->start &&
                i-- == 0)
                return p;
    }
    return NULL;
}

/* ---- for people ---- */

static void print_step(const struct comparison *c, const struct change_step *s)
{
    const struct plan_node *n = s->now ? s->now : s->before;
    char bytes[16];
    printf("%-8s %-24s %s", fates[s->fate], n->id, n->name);
    if (s->fate == STEP_REBUILT)
        printf(", was %s", s->before->id);
    if (c->has_state && s->before && s->before->stateful)
        printf(", %s of state", cmd_bytes(bytes_of(c, s->before), bytes));
    if (s->now && s->now->kind == NODE_SINK)
        printf(": %s", sink_fates[s->sink]);
    printf("\n");
    AUTO(buf) reason = BUF(KIB(64));
    change_reason(c->change, s, &reason);
    if (reason.len)
        printf("         %s\n", buf_cstr(&reason));
}

static void print_text(const struct comparison *c)
{
    const struct split_position *p;
    for (uint32_t i = 0; i < c->change->nsteps; i++)
        print_step(c, &c->change->steps[i]);
    for (uint32_t t = 0; t < c->now->ntables; t++)
        if (c->change->reread[t])
            printf("reads source %s again from where it began\n", c->now->tables[t].name);
    for (uint32_t i = 0; (p = reread(c, i)); i++)
        printf("  %-32s from %lld to %lld\n", p->split, (long long)p->start, (long long)p->position);
    AUTO(buf) functions = BUF(KIB(64));
    if (functions_changed(c->before, c->now, &functions))
        printf("the file of %s is another\n", buf_cstr(&functions));
    if (c->other_state)
        printf("the state runs another pipeline than the old one here: what it holds is not shown\n");
}

/* ---- for machines ---- */

static void put_member(struct buf *out, const char *member, const char *value)
{
    buf_printf(out, ",\"%s\":", member);
    if (value)
        buf_put_json(out, slice_of(value));
    else
        buf_puts(out, "null");
}

static void put_step(const struct comparison *c, const struct change_step *s, struct buf *out)
{
    const struct plan_node *n = s->now ? s->now : s->before;
    buf_printf(out, "{\"fate\":\"%s\"", fates[s->fate]);
    put_member(out, "id", s->now ? s->now->id : NULL);
    put_member(out, "was", s->before ? s->before->id : NULL);
    put_member(out, "name", n->name);
    buf_printf(out, ",\"stateful\":%s", n->stateful ? "true" : "false");
    if (c->has_state && s->before && s->before->stateful)
        buf_printf(out, ",\"bytes\":%llu", (unsigned long long)bytes_of(c, s->before));
    if (s->now && s->now->kind == NODE_SINK)
        put_member(out, "rows", sink_fates[s->sink]);
    AUTO(buf) reason = BUF(KIB(64));
    change_reason(c->change, s, &reason);
    if (reason.len)
        put_member(out, "because", buf_cstr(&reason));
    buf_putc(out, '}');
}

static void put_json(const struct comparison *c, struct buf *out)
{
    const struct change *change = c->change;
    const struct split_position *p;
    buf_puts(out, "{\"steps\":[");
    for (uint32_t i = 0; i < change->nsteps; i++) {
        buf_puts(out, i ? ",\n" : "\n");
        put_step(c, &change->steps[i], out);
    }
    buf_puts(out, "],\n\"sources_read_again\":[");
    uint32_t n = 0;
    for (uint32_t t = 0; t < c->now->ntables; t++)
        if (change->reread[t]) {
            buf_puts(out, n++ ? "," : "");
            buf_put_json(out, slice_of(c->now->tables[t].name));
        }
    buf_puts(out, "],\n\"splits_read_again\":[");
    for (uint32_t i = 0; (p = reread(c, i)); i++) {
        buf_printf(out, "%s{\"from\":%lld,\"to\":%lld", i ? "," : "", (long long)p->start, (long long)p->position);
        put_member(out, "source", p->source);
        put_member(out, "split", p->split);
        buf_putc(out, '}');
    }
    buf_printf(out, "],\n\"loses_state\":%s,\"refused\":%s", change_loses_state(change) ? "true" : "false",
               change->refused ? "true" : "false");
    put_member(out, "reason", change->refused ? change->refusal.text : NULL);
    put_member(out, "hint", change->refused ? change->refusal.hint : NULL);
    buf_puts(out, "}\n");
}

/* ---- the verb ---- */

static int answer(const struct comparison *c, bool json)
{
    if (json) {
        AUTO(buf) out = BUF(MIB(64));
        put_json(c, &out);
        fwrite(out.data, 1, out.len, stdout);
    } else {
        print_text(c);
    }
    if (!c->change->refused)
        return change_loses_state(c->change) ? LOSES_STATE : 0;
    fflush(stdout);
    return json ? error_exit_code(c->change->refusal.code) : cmd_fail(&c->change->refusal);
}

int cmd_plan(int argc, char **argv)
{
    const char *state = "./state";
    bool json = false, adopt = false;
    const struct cmd_flag flags[] = {{"state", &state, NULL}, {"json", NULL, &json}, {"adopt", NULL, &adopt}};
    int n = cmd_flags(argc, argv, flags, ARRAY_LEN(flags));
    if (n < 0)
        return 2;
    if (n < 1 || n > 2)
        return cmd_usage("plan", n ? "OLD and NEW are one argument each: several files have commas between"
                                   : "which pipelines?");
    struct comparison c = {0};
    struct error err;
    int code = compare(&c, n == 2 ? argv[0] : NULL, argv[n - 1], state, adopt, &err) == OK ? answer(&c, json)
                                                                                          : cmd_fail(&err);
    comparison_release(&c);
    return code;
}
