#include "epoch/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"

static void copy_name(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);
    assert(n < size);
    memcpy(to, from, n + 1);
}

struct ledger_line *ledger_line(struct ledger *l, enum ledger_kind kind, const char *name)
{
    for (uint32_t i = 0; i < l->nlines; i++)
        if (l->lines[i].kind == kind && strcmp(l->lines[i].name, name) == 0)
            return &l->lines[i];
    l->lines = mem_grow_by_count(l->lines, l->nlines, sizeof *l->lines);
    struct ledger_line *line = &l->lines[l->nlines++];
    *line = (struct ledger_line){.kind = kind};
    copy_name(line->name, sizeof line->name, name);
    return line;
}

void ledger_count_rule(struct ledger *l, const char *source, const char *rule, uint64_t count)
{
    for (uint32_t i = 0; i < l->nrules; i++)
        if (strcmp(l->rules[i].source, source) == 0 && strcmp(l->rules[i].rule, rule) == 0) {
            l->rules[i].count += count;
            return;
        }
    l->rules = mem_grow_by_count(l->rules, l->nrules, sizeof *l->rules);
    struct ledger_rule *r = &l->rules[l->nrules++];
    *r = (struct ledger_rule){.count = count};
    copy_name(r->source, sizeof r->source, source);
    copy_name(r->rule, sizeof r->rule, rule);
}

static bool is_empty(const struct ledger *l) { return l->nlines == 0 && l->nrules == 0 && l->to == 0; }

void ledger_add(struct ledger *into, const struct ledger *from)
{
    into->from = is_empty(into) ? from->from : MIN(into->from, from->from);
    into->to = MAX(into->to, from->to);
    for (uint32_t i = 0; i < from->nlines; i++) {
        const struct ledger_line *f = &from->lines[i];
        struct ledger_line *t = ledger_line(into, f->kind, f->name);
        t->counts.in += f->counts.in;
        t->counts.out += f->counts.out;
        t->counts.filtered += f->counts.filtered;
        t->counts.rejected += f->counts.rejected;
        t->counts.late += f->counts.late;
        t->counts.duplicate += f->counts.duplicate;
        t->counts.error += f->counts.error;
        t->inserted += f->inserted;
        t->updated += f->updated;
        t->deleted += f->deleted;
        t->unchanged += f->unchanged;
        t->expired += f->expired;
    }
    for (uint32_t i = 0; i < from->nrules; i++)
        ledger_count_rule(into, from->rules[i].source, from->rules[i].rule, from->rules[i].count);
}

void ledger_release(struct ledger *l)
{
    free(l->lines);
    free(l->rules);
    *l = (struct ledger){0};
}

static const char *const kind_names[] = {[LEDGER_SOURCE] = "source", [LEDGER_STEP] = "step", [LEDGER_SINK] = "sink"};

enum status ledger_balance(const struct ledger *l, struct error *err)
{
    for (uint32_t i = 0; i < l->nlines && !os_planted_bug("ledger-balance-off"); i++) {
        const struct ledger_line *x = &l->lines[i];
        const struct ledger_counts *c = &x->counts;
        /* Wide, so that no wrap-around can make two sides equal. */
        uint128 sum = x->kind == LEDGER_SINK
                          ? (uint128)x->inserted + x->updated + x->deleted + x->unchanged + c->rejected + c->error
                          : (uint128)c->out + c->filtered + c->rejected + c->late + c->duplicate + c->error;
        if (sum == c->in)
            continue;
        (void)error_set(
            err, ERR_VERIFY,
            "the ledger of epochs %lld to %lld does not balance: %s \"%s\" took in %llu rows and accounts for %llu",
            (long long)l->from, (long long)l->to, kind_names[x->kind], x->name, (unsigned long long)c->in,
            (unsigned long long)sum);
        return error_hint(err, "this is a bug in bourn, or tampering: nothing after the last good epoch was committed");
    }
    return OK;
}

static enum status more_than(const struct ledger *whole, const char *name, uint64_t part, uint64_t has,
                             struct error *err)
{
    return error_set(err, ERR_VERIFY, "the ledger up to epoch %lld has %llu of \"%s\", and an earlier one says %llu",
                     (long long)whole->to, (unsigned long long)has, name, (unsigned long long)part);
}

static const struct ledger_line *find_line(const struct ledger *l, const struct ledger_line *like)
{
    for (uint32_t i = 0; i < l->nlines; i++)
        if (l->lines[i].kind == like->kind && strcmp(l->lines[i].name, like->name) == 0)
            return &l->lines[i];
    return NULL;
}

static uint64_t rule_count(const struct ledger *l, const struct ledger_rule *like)
{
    for (uint32_t i = 0; i < l->nrules; i++)
        if (strcmp(l->rules[i].source, like->source) == 0 && strcmp(l->rules[i].rule, like->rule) == 0)
            return l->rules[i].count;
    return 0;
}

enum status ledger_within(const struct ledger *part, const struct ledger *whole, struct error *err)
{
    static const struct ledger_line nothing;
    for (uint32_t i = 0; i < part->nlines; i++) {
        const struct ledger_line *p = &part->lines[i], *w = find_line(whole, p);
        w = w ? w : &nothing;
        const uint64_t pairs[][2] = {{p->counts.in, w->counts.in},
                                     {p->counts.out, w->counts.out},
                                     {p->counts.filtered, w->counts.filtered},
                                     {p->counts.rejected, w->counts.rejected},
                                     {p->counts.late, w->counts.late},
                                     {p->counts.duplicate, w->counts.duplicate},
                                     {p->counts.error, w->counts.error},
                                     {p->inserted, w->inserted},
                                     {p->updated, w->updated},
                                     {p->deleted, w->deleted},
                                     {p->unchanged, w->unchanged},
                                     {p->expired, w->expired}};
        for (size_t k = 0; k < ARRAY_LEN(pairs); k++)
            if (pairs[k][0] > pairs[k][1])
                return more_than(whole, p->name, pairs[k][0], pairs[k][1], err);
    }
    for (uint32_t i = 0; i < part->nrules; i++) {
        uint64_t has = rule_count(whole, &part->rules[i]);
        if (part->rules[i].count > has)
            return more_than(whole, part->rules[i].rule, part->rules[i].count, has, err);
    }
    return OK;
}

static void put_count(struct buf *out, const char *name, uint64_t count)
{
    if (count)
        buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)count);
}

static void put_line(struct buf *out, const struct ledger_line *x)
{
    buf_printf(out, "{\"kind\":\"%s\",\"name\":", kind_names[x->kind]);
    buf_put_json(out, slice_of(x->name));
    buf_printf(out, ",\"in\":%llu", (unsigned long long)x->counts.in);
    put_count(out, "out", x->counts.out);
    put_count(out, "filtered", x->counts.filtered);
    put_count(out, "rejected", x->counts.rejected);
    put_count(out, "late", x->counts.late);
    put_count(out, "duplicate", x->counts.duplicate);
    put_count(out, "error", x->counts.error);
    put_count(out, "inserted", x->inserted);
    put_count(out, "updated", x->updated);
    put_count(out, "deleted", x->deleted);
    put_count(out, "unchanged", x->unchanged);
    put_count(out, "expired", x->expired);
    buf_putc(out, '}');
}

void ledger_json(const struct ledger *l, struct buf *out)
{
    buf_printf(out, "{\"from\":%lld,\"to\":%lld,\"lines\":[", (long long)l->from, (long long)l->to);
    for (uint32_t i = 0; i < l->nlines; i++) {
        buf_puts(out, i ? "," : "");
        put_line(out, &l->lines[i]);
    }
    buf_puts(out, "],\"rules\":[");
    for (uint32_t i = 0; i < l->nrules; i++) {
        buf_puts(out, i ? ",{\"source\":" : "{\"source\":");
        buf_put_json(out, slice_of(l->rules[i].source));
        buf_puts(out, ",\"rule\":");
        buf_put_json(out, slice_of(l->rules[i].rule));
        buf_printf(out, ",\"count\":%llu}", (unsigned long long)l->rules[i].count);
    }
    buf_puts(out, "]}");
}
