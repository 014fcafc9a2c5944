/* Variables that begin as ours do and are none of ours: mistyped, they would go unnoticed. */
#include <ctype.h>
#include <stdio.h>

#include "base/log.h"
#include "base/options.h"
#include "base/os.h"
#include "cmd/cmd.h"

#define PREFIX "BOURN_"
enum { NAME_MAX_LEN = 64, FLAGS_MAX = 64 };

struct variables {
    char names[FLAGS_MAX][NAME_MAX_LEN];
    const char *short_names[FLAGS_MAX]; /* without the prefix, which all have */
    size_t count;
};

static bool ends_name(char c)
{
    return !isalnum((unsigned char)c) && c != '_';
}

/* "--until-caught-up ..." -> BOURN_UNTIL_CAUGHT_UP */
static void add_flag(struct variables *v, const char *flag)
{
    char name[NAME_MAX_LEN] = PREFIX;
    size_t n = strlen(PREFIX);
    for (const char *p = flag + 2; (islower((unsigned char)*p) || *p == '-') && n + 1 < sizeof name; p++)
        name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    name[n] = 0;
    for (size_t i = 0; i < v->count; i++)
        if (!strcmp(v->names[i], name))
            return;
    assert(v->count < FLAGS_MAX);
    memcpy(v->names[v->count], name, sizeof name);
    v->short_names[v->count] = v->names[v->count] + strlen(PREFIX);
    v->count++;
}

/* The help of every verb names all of its flags. */
static void gather(struct variables *v)
{
    const char *help;
    for (size_t i = 0; (help = cmd_help_at(i)); i++)
        for (const char *at = strstr(help, "--"); at; at = strstr(at + 2, "--"))
            if (islower((unsigned char)at[2]))
                add_flag(v, at);
}

static bool stands_in(struct slice text, const char *before, const char *name)
{
    size_t nbefore = strlen(before), n = strlen(name);
    const char *end = text.data + text.len;
    for (const char *p = text.data; (p = memmem(p, (size_t)(end - p), before, nbefore)); p++) {
        const char *at = p + nbefore;
        if ((size_t)(end - at) > n && !memcmp(at, name, n) && ends_name(at[n]))
            return true;
    }
    return false;
}

static bool is_used(const char *name, const struct plan_text *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (stands_in(texts[i].text, "${", name) || stands_in(texts[i].text, "env:", name))
            return true;
    return false;
}

/* What bourn's own tests and their builds are told. */
static bool is_of_tests(const char *name)
{
    static const char *const names[] = {"BUG",    "CLOCK", "FAULT",   "KAFKA_TOOL", "LONG",
                                        "RECORD", "SEED",  "STOP_AT", "TEST_"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strncmp(name + strlen(PREFIX), names[i], strlen(names[i])))
            return true;
    return false;
}

void cmd_check_environment(const struct plan_text *texts, size_t n)
{
    struct variables ours = {0};
    const char *variable;
    gather(&ours);
    for (size_t i = 0; (variable = os_env_at(i)); i++) {
        char name[NAME_MAX_LEN];
        size_t len = strcspn(variable, "=");
        if (strncmp(variable, PREFIX, strlen(PREFIX)) || len >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)len, variable);
        bool known = is_of_tests(name) || is_used(name, texts, n);
        for (size_t k = 0; k < ours.count && !known; k++)
            known = !strcmp(ours.names[k], name);
        if (known)
            continue;
        const char *near = nearest_name(name + strlen(PREFIX), ours.short_names, ours.count);
        if (near)
            log_warn("the environment variable %s means nothing to bourn; did you mean " PREFIX "%s?", name, near);
        else
            log_warn("the environment variable %s means nothing to bourn", name);
    }
}
