#include "cmd/account.h"

#include <stdio.h>

/* The widest of each column so far. */
struct widths {
    int epochs, name, in, out, rejected, late, duplicate;
};

static void widen(int *width, int chars) { *width = MAX(*width, chars); }

static int digits(uint64_t n) { return snprintf(NULL, 0, "%llu", (unsigned long long)n); }

static int epochs_text(const struct ledger *l, char text[static 48])
{
    return snprintf(text, 48, "epochs %lld-%lld, ", (long long)l->from, (long long)l->to);
}

static uint32_t count_sources(const struct ledger *l)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->nlines; i++)
        n += l->lines[i].kind == LEDGER_SOURCE;
    return n;
}

static void add_steps(const struct ledger *l, uint64_t *ret_late, uint64_t *ret_duplicate)
{
    *ret_late = *ret_duplicate = 0;
    for (uint32_t i = 0; i < l->nlines; i++) {
        *ret_late += l->lines[i].counts.late;
        *ret_duplicate += l->lines[i].counts.duplicate;
    }
}

static void measure(const struct ledger *l, bool named, struct widths *w)
{
    char text[48];
    uint64_t late, duplicate;
    if (named)
        widen(&w->epochs, epochs_text(l, text));
    for (uint32_t i = 0; i < l->nlines; i++) {
        if (l->lines[i].kind != LEDGER_SOURCE)
            continue;
        widen(&w->name, (int)strlen(l->lines[i].name));
        widen(&w->in, digits(l->lines[i].counts.in));
        widen(&w->out, digits(l->lines[i].counts.out));
        widen(&w->rejected, digits(l->lines[i].counts.rejected));
    }
    add_steps(l, &late, &duplicate);
    widen(&w->late, digits(late));
    widen(&w->duplicate, digits(duplicate));
}

static void print_range(const struct ledger *l, bool named, const struct widths *w)
{
    char epochs[48] = "";
    uint64_t late, duplicate;
    uint32_t sources = count_sources(l);
    add_steps(l, &late, &duplicate);
    if (named)
        epochs_text(l, epochs);
    for (uint32_t i = 0; i < l->nlines; i++) {
        const struct ledger_line *s = &l->lines[i];
        if (s->kind != LEDGER_SOURCE)
            continue;
        printf("  %*s%*s: in %*llu = accepted %*llu + rejected %*llu", w->epochs, epochs, -w->name, s->name, w->in,
               (unsigned long long)s->counts.in, w->out, (unsigned long long)s->counts.out, w->rejected,
               (unsigned long long)s->counts.rejected);
        if (sources == 1)
            printf("; of the accepted, late %*llu, duplicate %*llu", w->late, (unsigned long long)late, w->duplicate,
                   (unsigned long long)duplicate);
        putchar('\n');
    }
    if (sources > 1)
        printf("  %*slate %*llu, duplicate %*llu in all steps\n", w->epochs, epochs, w->late, (unsigned long long)late,
               w->duplicate, (unsigned long long)duplicate);
}

void account_print(const struct ledger *ranges, uint32_t n, bool named)
{
    struct widths w = {0};
    for (uint32_t i = 0; i < n; i++)
        measure(&ranges[i], named, &w);
    for (uint32_t i = 0; i < n; i++)
        print_range(&ranges[i], named, &w);
}

void account_print_rules(const struct ledger *l, const char *before)
{
    bool several = count_sources(l) > 1;
    int name = 0, count = 0;
    for (uint32_t i = 0; i < l->nrules; i++) {
        const struct ledger_rule *r = &l->rules[i];
        widen(&name, snprintf(NULL, 0, "%s%s%s", several ? r->source : "", several ? " " : "", r->rule));
        widen(&count, digits(r->count));
    }
    for (uint32_t i = 0; i < l->nrules; i++) {
        const struct ledger_rule *r = &l->rules[i];
        char text[160];
        snprintf(text, sizeof text, "%s%s%s", several ? r->source : "", several ? " " : "", r->rule);
        printf("    %s%*s  %*llu\n", before, -name, text, count, (unsigned long long)r->count);
    }
}
