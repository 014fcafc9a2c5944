/* bourn check, explain, connectors: what a pipeline means, and what it can be made of; nothing is run. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "engine/builtin.h"

static int make_plan(int argc, char **argv, struct arena *a, struct plan **ret)
{
    const char *verb = argv[0];
    int n = cmd_flags(argc, argv, NULL, 0);
    if (n < 0)
        return 2;
    if (n == 0)
        return cmd_usage(verb, "which pipeline?");
    struct plan_text *texts;
    struct error err;
    struct plan_errors *others = arena_zalloc(a, sizeof *others);
    if (cmd_read_texts(argv, n, a, &texts, &err) == OK &&
        plan_check(texts, (size_t)n, builtin_world(), ret, others, &err) == OK)
        return 0;
    int code = cmd_fail(&err);
    for (uint32_t i = 0; i < others->count; i++)
        (void)cmd_fail(&others->items[i]);
    return code;
}

static int print_plan(int argc, char **argv, void (*print)(const struct plan *p, struct buf *out))
{
    AUTO(arena) a = {0};
    struct plan *plan = NULL;
    int code = make_plan(argc, argv, &a, &plan);
    if (code)
        return code;
    AUTO(buf) out = BUF(MIB(64));
    print(plan, &out);
    fwrite(out.data, 1, out.len, stdout);
    plan_free(plan);
    return 0;
}

static void print_checked(const struct plan *p, struct buf *out)
{
    plan_print_sources(p, out);
    plan_check_report(p, out);
}

int cmd_check(int argc, char **argv) { return print_plan(argc, argv, print_checked); }
int cmd_explain(int argc, char **argv) { return print_plan(argc, argv, plan_explain); }

/* ---- connectors ---- */

static void print_options(const struct option_spec *o)
{
    for (; o && o->name; o++) {
        printf("      %-24s %s", o->name, o->help ? o->help : "");
        if (o->choices)
            printf(" [%s]", o->choices);
        if (o->value)
            printf(" (default %s)", *o->value ? o->value : "''");
        printf("%s\n", o->required ? " (required)" : "");
    }
}

/* What is asked for by name, or everything; the heading stands before the first of it. */
struct listing {
    char **names;
    int n;
    const char *heading; /* NULL: printed */
};

static bool lists(struct listing *l, const char *name)
{
    bool wanted = l->n == 0;
    for (int i = 0; i < l->n && !wanted; i++)
        wanted = !strcmp(l->names[i], name);
    if (wanted && l->heading)
        printf("%s:\n", l->heading);
    l->heading = wanted ? NULL : l->heading;
    return wanted;
}

static const char settings_name[] = "settings";

static int no_connector(const char *name)
{
    const char *names[64] = {settings_name};
    size_t n = 1;
    for (size_t i = 0; builtin_source_at(i) && n < ARRAY_LEN(names); i++)
        names[n++] = builtin_source_at(i)->name;
    for (size_t i = 0; builtin_sink_at(i) && n < ARRAY_LEN(names); i++)
        names[n++] = builtin_sink_at(i)->name;
    for (size_t i = 0; builtin_format_at(i) && n < ARRAY_LEN(names); i++)
        names[n++] = builtin_format_at(i)->name;
    const char *near = nearest_name(name, names, n);
    return cmd_usage("connectors", near ? "there is no connector or format \"%s\"; did you mean \"%s\"?"
                                        : "there is no connector or format \"%s\"", name, near);
}

int cmd_connectors(int argc, char **argv)
{
    int n = cmd_flags(argc, argv, NULL, 0);
    if (n < 0)
        return 2;
    for (int i = 0; i < n; i++)
        if (!builtin_source(argv[i]) && !builtin_sink(argv[i]) && !builtin_format(argv[i]) &&
            strcmp(argv[i], settings_name))
            return no_connector(argv[i]);
    struct listing sources = {argv, n, "read from"}, sinks = {argv, n, "write to"}, formats = {argv, n, "formats"},
                   settings = {argv, n, settings_name};
    for (size_t i = 0; builtin_source_at(i); i++) {
        const struct source_connector *c = builtin_source_at(i);
        if (!lists(&sources, c->name))
            continue;
        printf("  %-12s %s\n", c->name, c->help);
        print_options(c->options);
    }
    for (size_t i = 0; builtin_sink_at(i); i++) {
        const struct sink_connector *c = builtin_sink_at(i);
        if (!lists(&sinks, c->name))
            continue;
        printf("  %-12s %s; %s, %s\n", c->name, c->help, c->can_upsert ? "append and upsert" : "append",
               c->guarantee == SINK_EXACTLY_ONCE ? "exactly once" : "at least once");
        print_options(c->options);
    }
    for (size_t i = 0; builtin_format_at(i); i++)
        if (lists(&formats, builtin_format_at(i)->name)) {
            printf("  %-12s %s\n", builtin_format_at(i)->name, builtin_format_at(i)->help);
            print_options(builtin_format_at(i)->options);
        }
    if (lists(&settings, settings_name)) {
        printf("  of a pipeline: SET bourn.NAME = '...'\n");
        print_options(builtin_settings);
    }
    return 0;
}
